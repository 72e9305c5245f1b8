//! Simulated roster feeds: a Clever server and a OneRoster 1.1 and 1.2 server over fixture districts, for anyone who
//! tests a client. It follows the protocol page's mock server checklist and plays days: day 1 is the fixture as it is, day
//! N has the patches 2 to N applied (`fixtures/README.md`).
//!
//! The module stands alone: it knows nothing of the rest of the crate, so a fault of the client cannot hide behind the
//! same fault here.
//!
//! # Credentials
//!
//! They are fixed, so that they can stand in a configuration by hand. `GET /_simulate/` lists them.
//!
//! | what | value |
//! | --- | --- |
//! | OneRoster, OAuth 1.0a | key `{district}-key`, secret `{district}-secret` |
//! | OneRoster, OAuth 2 at `/{district}/token` | client id `{district}-client`, client secret `{district}-client-secret` |
//! | OneRoster, bearer | `{district}-bearer` |
//! | Clever app | client id `clever-client`, client secret `clever-secret` |
//! | Clever district token | 40 hex digits, from the token list |
//! | ClassLink partner | key `classlink-partner`; the applications' bearers are in the list |
//!
//! # Surface
//!
//! | path | what |
//! | --- | --- |
//! | `GET /_simulate/` | districts, addresses, credentials, day and quirks as JSON |
//! | `POST /_simulate/day` `{"day":2}` | plays a day |
//! | `POST /_simulate/quirks` `{"quirks":"no-total,clamp=50"}` | replaces the quirks and starts their counters afresh |
//! | `GET /_simulate/requests` | the latest requests: method, path, status |
//! | `/{district}/ims/oneroster/v1p1/…` | OneRoster 1.1: collections, singles and nested routes of rostering |
//! | `/{district}/ims/oneroster/rostering/v1p2/…` | the same in 1.2 |
//! | `POST /{district}/token` | OAuth 2 client credentials: Basic, form body or query |
//! | `GET /oauth/tokens?owner_type=district` | Clever's token list, with Basic; also `&district=` |
//! | `GET /oauth/tokeninfo` | the scopes of a Clever token |
//! | `/v3.0/…`, `/v3.1/…` | Clever's Data API; `/events` is always empty, as for an app that never switched events on |
//! | `GET /applications` | ClassLink's proxy: applications of the partner |
//! | `/{oneroster_application_id}/ims/oneroster/v1p1/…` | ClassLink's proxy: OneRoster 1.1 with the application's bearer |
//!
//! OAuth 1.0a is verified in full: HMAC-SHA1 or HMAC-SHA256 over every query parameter, a timestamp within 300 seconds, a
//! nonce once. A `+` in a query is a plus and not a space, as on the strictest servers.
//!
//! # Quirks
//!
//! A comma list, with a value where one is named; an unknown name is an error that names the nearest.
//!
//! | quirk | does |
//! | --- | --- |
//! | `only=DISTRICT` | the other quirks concern that district alone (repeatable) |
//! | `no-total` | OneRoster sends neither `X-Total-Count` nor `Link` |
//! | `wrong-total`, `wrong-total=TOTAL` | OneRoster's total is 7 too many, or always the one named |
//! | `clamp=N` | pages have at most N rows, whatever was asked |
//! | `no-sort` | OneRoster refuses `sort` with 400 |
//! | `bool-json`, `bool-int` | OneRoster booleans are `true` or `1`, not `"true"` |
//! | `unsorted-overlap` | without `sort`, OneRoster rows come in no order and pages overlap by a row |
//! | `link-off-by-one` | `next` skips a row (OneRoster) |
//! | `link-foreign` | `next` names another host |
//! | `repeat-page` | every page is the first one |
//! | `html-502=N`, `error-500=N` | the first N requests fail so |
//! | `rate-limit=N` | over N requests in two seconds: 429 |
//! | `retry-after=S` | failures and 429 carry `Retry-After: S` |
//! | `expire-token=N` | a bearer is refused after N requests, until a new one was fetched; a district's fixed bearer for good |
//! | `empty=COLLECTION` | it is empty (repeatable) |
//! | `truncate=COLLECTION` | its JSON is cut in the middle (repeatable) |
//! | `html-login` | 200 with an HTML login page |
//! | `no-content`, `empty-object` | an empty page is a 204, or `{}` (OneRoster) |
//! | `drift=N` | after N pages of users, enrollments, classes or sections two rows go and one comes; `last_sync` and total move |
//! | `district-state=STATE` | Clever's district is `paused`, `pending` or `error` |
//! | `vanished` | Clever: gone from the list, data answer 403. OneRoster: every collection is empty, ClassLink: not enabled |
//! | `slow=MS` | every answer waits |
//! | `redirect` | data answer 302 to another address |
//! | `reorder-keys` | keys come in reverse order |
//! | `extra-fields` | unknown keys everywhere |
//! | `tombstones` | OneRoster keeps removed records as `tobedeleted` |
//! | `inactive` | as `tombstones`, with the status `inactive` |
//!
//! CSV packages have defects of their own: [`Defects`].

use std::path::PathBuf;

mod auth;
mod classlink;
mod clever;
mod clock;
mod control;
mod defects;
mod disturb;
pub mod generate;
mod http;
mod oauth1;
mod oneroster;
mod package;
mod patch;
mod quirks;
mod server;
mod table;
#[cfg(test)]
mod tests;
mod world;

pub use auth::Credentials;
pub use defects::Defects;
pub use oneroster::Version;
pub use quirks::{QuirkError, Quirks};
pub use server::{LoggedRequest, Options, Server};
pub use world::{Format, World};

/// Why a simulated world could not be loaded, written or served. Texts name files, places and ids, never a person.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// A file or folder could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// The operating system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A file or folder could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// The operating system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A CSV file is not a table.
    #[error("{} line {line} is not a CSV row of the header's width; correct the fixture", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// Line, from 1; 0 where it is not known.
        line: u64,
    },
    /// A JSON file does not have the shape its format asks for.
    #[error("{} line {line} column {column}: {problem}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong, without a value of the file.
        problem: &'static str,
    },
    /// A day's patch does not fit the data.
    #[error("{} change {change}: {problem}", path.display())]
    Patch {
        /// The patch file.
        path: PathBuf,
        /// Which change of the list, from 1.
        change: usize,
        /// What does not fit.
        problem: String,
    },
    /// The folder holds no district.
    #[error("{} holds no district: neither it nor a direct subfolder has orgs.csv or districts.json", path.display())]
    NoDistrict {
        /// The folder.
        path: PathBuf,
    },
    /// The world has no such district.
    #[error("the simulated world has no district `{district}`")]
    UnknownDistrict {
        /// What was asked for.
        district: String,
    },
    /// The district has no CSV form.
    #[error("district `{district}` is in Clever's format and has no CSV form; choose a OneRoster district")]
    NotCsv {
        /// The district.
        district: String,
    },
    /// The zip could not be written.
    #[error("cannot write the zip {}", path.display())]
    Zip {
        /// The zip.
        path: PathBuf,
        /// The zip writer's reason.
        #[source]
        source: zip::result::ZipError,
    },
    /// The address could not be listened on.
    #[error("cannot listen on {listen}; choose another address or port 0")]
    Listen {
        /// The address.
        listen: std::net::SocketAddr,
        /// The operating system's reason.
        #[source]
        source: std::io::Error,
    },
}
