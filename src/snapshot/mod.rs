//! What the feed says today: whole and checked, or it removes nothing (safety.md, A run, 3).
//!
//! A feed fills a [`Builder`] row by row and calls [`Builder::finish`]; nothing else makes a [`Snapshot`]. Of each record it
//! says one of four things ([`Presence`]), so that a bad row is never taken for a departure (P11) and an unchanged one need
//! not be parsed.

mod builder;
mod check;
mod ground;
mod known;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use builder::{Added, Builder};
pub use check::EmptyCollection;
pub use known::{Part, RECOGNIZED, Recognized};
pub use told::{Pair, Told};

use crate::model::{
    Class, Course, Enrollment, Kind, Org, RosterRecord, Session, SnapshotSummary, SourceId, SourceMark, User, Warning,
};

/// What a snapshot says of one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Presence<T> {
    /// Present, and byte for byte what the store has.
    Unchanged,
    /// Present, and this.
    This(T),
    /// Present, but the row cannot be used: the last good state stays (P11).
    Unusable,
    /// The source says it is deleted: evidence, not mere absence.
    Gone,
}

impl<T> Presence<T> {
    /// Whether the source sends the record, usable or not.
    pub fn is_sent(&self) -> bool {
        !matches!(self, Self::Gone)
    }

    /// Whether it sends one that can be used.
    pub fn is_usable(&self) -> bool {
        matches!(self, Self::This(_) | Self::Unchanged)
    }

    /// The same without the record.
    fn alone(&self) -> Presence<()> {
        match self {
            Self::Unchanged => Presence::Unchanged,
            Self::This(_) => Presence::This(()),
            Self::Unusable => Presence::Unusable,
            Self::Gone => Presence::Gone,
        }
    }
}

/// What a snapshot says of the records of one kind; a plan shares them.
pub type Seen<T> = BTreeMap<<T as RosterRecord>::Key, Presence<Arc<T>>>;

/// Whether the source itself is in a state to be believed (P38).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SourceState {
    /// Running, or the feed has no such notion.
    #[default]
    Live,
    /// Paused, pending or in error: treated as `plan_only`. Holds the source's word.
    Frozen(String),
}

/// What the feed says today.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Which pull this is.
    pub source: SourceMark,
    /// Whether the source is in a state to be believed.
    pub state: SourceState,
    /// The district's name as the feed has it; compared with `licensed_to`.
    pub district_name: Option<String>,
    /// Kinds the source gave no information about: a missing or `absent` file. Missing is not empty.
    pub absent: BTreeSet<Kind>,
    /// Kinds that came empty and keep what the store has, with a warning: courses or sessions.
    pub kept: BTreeSet<Kind>,
    /// Orgs.
    pub schools: Seen<Org>,
    /// Academic sessions.
    pub sessions: Seen<Session>,
    /// Courses.
    pub courses: Seen<Course>,
    /// Classes.
    pub classes: Seen<Class>,
    /// Users.
    pub users: Seen<User>,
    /// Enrollments.
    pub enrollments: Seen<Enrollment>,
    /// Rows that are present but unusable, by kind.
    pub invalid: BTreeMap<Kind, u64>,
    /// Of those, the ones without even an id: any record of the kind may be the one meant.
    pub nameless: BTreeMap<Kind, u64>,
    /// Contacts and guardians.
    pub skipped: u64,
    /// Oddities.
    pub warnings: Vec<Warning>,
    /// Names all that the source said, rows in any order: the same again is the same snapshot. None where that cannot be told.
    pub digest: Option<String>,
    /// Rows that came as they were; they are in none of the lists above, and of them nobody knows more than that before
    /// [`Snapshot::completed`].
    pub recognized: Option<Recognized>,
}

impl Snapshot {
    /// Whether it may remove anything: nothing needed was missing. (A pull that broke off never becomes a snapshot.)
    pub fn complete(&self) -> bool {
        self.absent.is_empty()
    }

    /// Whether it tells of a user or class.
    pub fn tells_of(&self, kind: Kind, id: &str) -> bool {
        match kind {
            Kind::Users => self.users.contains_key(&id.into()),
            Kind::Classes => self.classes.contains_key(&id.into()),
            Kind::Schools | Kind::Sessions | Kind::Courses | Kind::Enrollments => false,
        }
    }

    /// Which of the store's records of a kind came as they were, in the order of keys; empty where none is known to have.
    pub fn hits(&self, kind: Kind) -> &[bool] {
        self.recognized.as_ref().map(|it| it.hits(kind)).unwrap_or_default()
    }

    /// How many usable records of a kind it has.
    pub fn count(&self, kind: Kind) -> u64 {
        u64::try_from(self.tally(kind, Presence::is_usable)).unwrap_or(u64::MAX)
    }

    /// How many records of a kind it tells of in such a way; those that came as they were are.
    fn tally(&self, kind: Kind, wanted: fn(&Presence<()>) -> bool) -> usize {
        fn of<T: RosterRecord>(seen: &Seen<T>, wanted: fn(&Presence<()>) -> bool) -> usize {
            seen.values().filter(|it| wanted(&it.alone())).count()
        }
        let read = match kind {
            Kind::Schools => of(&self.schools, wanted),
            Kind::Sessions => of(&self.sessions, wanted),
            Kind::Courses => of(&self.courses, wanted),
            Kind::Classes => of(&self.classes, wanted),
            Kind::Users => of(&self.users, wanted),
            Kind::Enrollments => of(&self.enrollments, wanted),
        };
        read + self.hits(kind).iter().filter(|hit| **hit).count()
    }

    /// Without the users who are erased, and their enrollments; a warning counts them.
    #[must_use]
    pub fn without(mut self, is_erased: impl Fn(&SourceId) -> bool) -> Self {
        let of_enrollments = self.enrollments.keys().map(|key| &key.user);
        let users: BTreeSet<SourceId> = self.users.keys().chain(of_enrollments).cloned().collect();
        let erased: BTreeSet<SourceId> = users.into_iter().filter(is_erased).collect();
        if !erased.is_empty() {
            self.users.retain(|user, _| !erased.contains(user));
            self.enrollments.retain(|key, _| !erased.contains(&key.user));
            self.warnings.push(Warning {
                code: "erased".to_owned(),
                kind: Some(Kind::Users),
                count: u64::try_from(erased.len()).unwrap_or(u64::MAX),
                message:
                    "users skipped because they were erased; `rosterd user erase --undo` lets the source send one again"
                        .to_owned(),
                ids: Vec::new(),
            });
        }
        self
    }

    /// The numbers a run shows.
    pub fn summary(&self) -> SnapshotSummary {
        SnapshotSummary {
            complete: self.complete(),
            records: Kind::ALL.into_iter().map(|kind| (kind, self.count(kind))).collect(),
            invalid: self.invalid.values().sum(),
            skipped: self.skipped,
            warnings: self.warnings.clone(),
            source: Some(self.source.clone()),
        }
    }
}
