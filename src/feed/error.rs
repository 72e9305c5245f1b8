//! What can go wrong with a feed: what, where, and what to do. Never a body, a query or a credential.

use std::fmt;
use std::path::PathBuf;

use crate::model::{DistrictId, Timestamp};
use crate::secret::SecretError;

/// Where in a feed something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whose feed; empty for what is no district's.
    pub district: String,
    /// Which kind of feed.
    pub kind: &'static str,
    /// Which collection, or what else was asked for.
    pub collection: String,
    /// How far into it: `offset 300`, `page 2`.
    pub at: Option<String>,
}

impl Place {
    pub(crate) fn new(district: &DistrictId, kind: &'static str, collection: &str) -> Self {
        let collection = collection.to_owned();
        Self { district: district.as_str().to_owned(), kind, collection, at: None }
    }

    pub(crate) fn at(mut self, at: impl Into<String>) -> Self {
        self.at = Some(at.into());
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.district.is_empty() {
            write!(f, "{} {}", self.kind, self.collection)?;
        } else {
            write!(f, "{} feed of `{}`, {}", self.kind, self.district, self.collection)?;
        }
        self.at.as_ref().map_or(Ok(()), |at| write!(f, " at {at}"))
    }
}

/// Why a pull gave no snapshot. Nothing was applied in any of these cases.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// A setting cannot be used.
    #[error("feed setting `{key}`: {problem}")]
    Setting {
        /// The key in the `feed` table.
        key: &'static str,
        /// What is wrong and what to write instead.
        problem: String,
    },
    /// A credential cannot be read.
    #[error("feed setting `{key}`: the secret cannot be read")]
    Secret {
        /// The key in the `feed` table.
        key: &'static str,
        /// Why.
        #[source]
        cause: SecretError,
    },
    /// A district without a feed was asked to sync.
    #[error(
        "district `{0}` is kept by hand and has no feed to sync: upload its roster with `rosterd import {0} FILE`, change single \
         users and classes with `enroll`, `unenroll`, `role` and `user`, or give it a feed in the configuration"
    )]
    Manual(DistrictId),
    /// No answer at all, or one that broke off.
    #[error("{place}: {problem}; check that the server is up and can be reached from here, then sync again")]
    Unreachable {
        /// Where.
        place: Place,
        /// What broke, in our words.
        problem: &'static str,
    },
    /// The server is in trouble, or answered what nobody expects.
    #[error("{place}: the server answered {status}; {advice}")]
    Status {
        /// Where.
        place: Place,
        /// The HTTP status.
        status: u16,
        /// What to do.
        advice: &'static str,
    },
    /// The server limits us for longer than we wait.
    #[error(
        "{place}: the server limits how often it may be asked, and the wait it wants is too long; lower `max_requests_per_second` or sync later"
    )]
    RateLimited {
        /// Where.
        place: Place,
    },
    /// A redirect; credentials never follow one (T2).
    #[error(
        "{place}: the server answered {status}, a redirect, which is never followed; set the feed's URL to the final address"
    )]
    Redirected {
        /// Where.
        place: Place,
        /// The HTTP status.
        status: u16,
    },
    /// The credential was refused, also after it was refreshed.
    #[error(
        "{place}: the server refused the credential (401); check the key and secret or token, and that the district has not revoked them"
    )]
    Unauthorized {
        /// Where.
        place: Place,
    },
    /// The district no longer shares (F31). Silence is never a departure.
    #[error("{place}: {problem}; the district is disconnected and keeps everything it has. Ask it to share again")]
    Disconnected {
        /// Where.
        place: Place,
        /// What showed it.
        problem: &'static str,
    },
    /// The feed is someone else's.
    #[error(
        "{place}: the credential belongs to another district than the one configured; check `district` and the token"
    )]
    WrongDistrict {
        /// Where.
        place: Place,
    },
    /// HTML where JSON belongs.
    #[error(
        "{place}: an HTML page instead of JSON (a login page?); check the feed's URL and whether a proxy stands between"
    )]
    Html {
        /// Where.
        place: Place,
    },
    /// More bytes than we take.
    #[error("{place}: the answer is larger than {limit} bytes; lower `page_size`")]
    TooLarge {
        /// Where.
        place: Place,
        /// The limit in bytes.
        limit: u64,
    },
    /// Not JSON, or cut off.
    #[error(
        "{place}: the answer is {problem} (line {line}, column {column}); sync again, and tell the feed's provider if it stays"
    )]
    Malformed {
        /// Where.
        place: Place,
        /// `cut off` or `not valid JSON`.
        problem: &'static str,
        /// Line in the answer.
        line: usize,
        /// Column in the answer.
        column: usize,
    },
    /// JSON of another shape than the protocol's.
    #[error("{place}: {problem}; check the feed's URL and tell the feed's provider")]
    Shape {
        /// Where.
        place: Place,
        /// What was found.
        problem: String,
    },
    /// Paging does not end.
    #[error(
        "{place}: paging goes in circles ({problem}); nothing was taken from it. Tell the feed's provider, or try another `page_size`"
    )]
    Loop {
        /// Where.
        place: Place,
        /// What showed it.
        problem: &'static str,
    },
    /// It kept moving, or its counts never matched.
    #[error("{place}: {problem}, and again after {restarts} restarts; sync later, when the source is at rest")]
    Moved {
        /// Where.
        place: Place,
        /// What moved.
        problem: String,
        /// How often the pull was started over.
        restarts: u32,
    },
    /// There is no upload to read.
    #[error("no complete upload in {}: {problem}", path.display())]
    NoUpload {
        /// The configured path.
        path: PathBuf,
        /// What was looked for.
        problem: String,
    },
    /// A file could not be read.
    #[error("{file} cannot be read")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The zip is broken or not to be trusted (T11).
    #[error("the zip {}: {problem}; nothing was read from it. Have it made again", path.display())]
    Archive {
        /// The zip.
        path: PathBuf,
        /// What is wrong; entries by number, or by name where the name is one of the protocol's.
        problem: String,
    },
    /// A needed column is missing.
    #[error("{file}: the column `{column}` is missing; export the file with all columns of the specification")]
    Column {
        /// The file.
        file: &'static str,
        /// The column as the specification writes it.
        column: &'static str,
    },
    /// Something is wrong at one place in a file.
    #[error("{file}:{line}: {problem}")]
    Line {
        /// The file.
        file: &'static str,
        /// Line, from 1.
        line: u64,
        /// What is wrong; never the value.
        problem: &'static str,
    },
    /// A file of changes where whole files are needed.
    #[error("manifest.csv says `delta` for {file}: only bulk files are read; have the export set to bulk")]
    Delta {
        /// The file.
        file: String,
    },
    /// An upload from before the last one applied.
    #[error("the upload is of {uploaded_at}, older than the one applied last, of {applied}; put a newer one there")]
    OlderUpload {
        /// When it was made.
        uploaded_at: Timestamp,
        /// When the last applied one was made.
        applied: Timestamp,
    },
    /// The upload changed while it was read.
    #[error("the upload in {} changed while it was read; sync again when it is complete", path.display())]
    Unsettled {
        /// The configured path.
        path: PathBuf,
    },
    /// A task of ours was stopped.
    #[error("reading the feed was stopped before it ended")]
    Stopped,
}

impl FeedError {
    /// The whole message: this layer's, and the cause where it names a place and no value.
    pub fn told(&self) -> String {
        match self {
            Self::Secret { cause, .. } => format!("{self}: {cause}"),
            Self::Unreadable { cause, .. } => {
                format!("{self}: {}; check that it is there and that this user may read it", cause.kind())
            }
            _ => self.to_string(),
        }
    }

    /// Whether the same pull may succeed later with nobody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::RateLimited { .. }
            | Self::Moved { .. }
            | Self::Unsettled { .. }
            | Self::Stopped => true,
            Self::Status { status, .. } => *status >= 500,
            Self::Malformed { problem, .. } => *problem == CUT_OFF,
            _ => false,
        }
    }

    /// JSON trouble, by place only: serde's own message may quote a value.
    pub(crate) fn json(place: &Place, cause: &serde_json::Error) -> Self {
        let place = place.clone();
        match cause.classify() {
            serde_json::error::Category::Data => Self::Shape {
                place,
                problem: format!(
                    "the answer has another shape than expected (line {}, column {})",
                    cause.line(),
                    cause.column()
                ),
            },
            category => {
                let cut = category == serde_json::error::Category::Eof;
                let problem = if cut { CUT_OFF } else { "not valid JSON" };
                Self::Malformed { place, problem, line: cause.line(), column: cause.column() }
            }
        }
    }
}

const CUT_OFF: &str = "cut off";

/// How a walk ends early: for good, or because the source moved and the pull starts over.
pub(crate) enum Stop {
    Failed(Box<FeedError>),
    Moved(Box<Place>, String),
}

impl From<FeedError> for Stop {
    fn from(error: FeedError) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// How often a pull whose source moves is started over (safety.md, A run, 3).
const RESTARTS: u32 = 3;

/// Counts how often a pull was started over.
#[derive(Default)]
pub(crate) struct Restarts(u32);

impl Restarts {
    /// After a walk that ended early: start over, or give up with the error.
    pub(crate) fn after(&mut self, stop: Stop) -> Result<(), FeedError> {
        match stop {
            Stop::Failed(error) => Err(*error),
            Stop::Moved(place, problem) if self.0 == RESTARTS => {
                Err(FeedError::Moved { place: *place, problem, restarts: self.0 })
            }
            Stop::Moved(..) => {
                self.0 += 1;
                Ok(())
            }
        }
    }
}
