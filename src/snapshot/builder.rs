//! Takes rows in any order and makes one snapshot of them, the same one whatever the order was.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::{
    Class, Course, Enrollment, EnrollmentKey, Kind, Org, Record, Roster, RosterRecord, Session, SourceId, SourceMark,
    Texts, User,
};
use crate::snapshot::{Part, Presence, Recognized, Seen, Snapshot, SourceState, check};

/// One kind's rows while they come in.
#[derive(Debug)]
struct Rows<T: RosterRecord> {
    seen: Seen<T>,
    /// When the row that said it was last changed, where the source says so and one row must win.
    modified: BTreeMap<T::Key, Box<str>>,
    /// Of these several rows said different things.
    disputed: BTreeSet<T::Key>,
}

impl<T: RosterRecord> Rows<T> {
    fn new() -> Self {
        Self { seen: Seen::<T>::new(), modified: BTreeMap::new(), disputed: BTreeSet::new() }
    }

    /// What is said; a map that grew key by key is half empty, so it is made anew.
    fn finish(self) -> Seen<T> {
        self.seen.into_iter().collect()
    }

    /// Notes when the row was changed whose word counts now.
    fn modify(modified: &mut BTreeMap<T::Key, Box<str>>, key: T::Key, at: &str) {
        if at.is_empty() {
            modified.remove(&key);
        } else {
            modified.insert(key, at.into());
        }
    }
}

/// Collects what a feed says.
#[derive(Debug)]
pub struct Builder {
    state: SourceState,
    district_name: Option<String>,
    absent: BTreeSet<Kind>,
    schools: Rows<Org>,
    sessions: Rows<Session>,
    courses: Rows<Course>,
    classes: Rows<Class>,
    users: Rows<User>,
    enrollments: Rows<Enrollment>,
    nameless: BTreeMap<Kind, u64>,
    skipped: u64,
    warnings: check::Warnings,
    digest: Option<String>,
    added: Vec<Added>,
    odd: bool,
    ids: Texts,
}

/// A record that a row told of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Added {
    /// Of a kind with an id.
    Id(Kind, SourceId),
    /// An enrollment.
    Enrollment(EnrollmentKey),
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// Nothing said yet.
    pub fn new() -> Self {
        Self {
            state: SourceState::Live,
            district_name: None,
            absent: BTreeSet::new(),
            schools: Rows::new(),
            sessions: Rows::new(),
            courses: Rows::new(),
            classes: Rows::new(),
            users: Rows::new(),
            enrollments: Rows::new(),
            nameless: BTreeMap::new(),
            skipped: 0,
            warnings: check::Warnings::default(),
            digest: None,
            added: Vec::new(),
            odd: false,
            ids: Texts::default(),
        }
    }

    /// A usable row. `modified` is the source's time of last change, empty where it gives none; of rows that contradict each
    /// other the later wins, and of equally late ones the one whose body is greater in bytes, so that the order in which
    /// they came does not matter (reliability.md, D2). Enrollment rows of one key are merged instead.
    pub fn add(&mut self, record: Record, modified: &str) {
        match record {
            Record::School(it) => self.put(|b| &mut b.schools, it, modified),
            Record::Session(it) => self.put(|b| &mut b.sessions, it, modified),
            Record::Course(it) => self.put(|b| &mut b.courses, it, modified),
            Record::Class(mut it) => {
                let Class { id, school, course, sessions, .. } = Arc::make_mut(&mut it);
                self.ids.share([id].into_iter().chain(school).chain(course).chain(sessions));
                self.put(|b| &mut b.classes, it, modified);
            }
            Record::User(mut it) => {
                let User { id, roles, .. } = Arc::make_mut(&mut it);
                self.ids.share([id].into_iter().chain(roles.iter_mut().map(|role| &mut role.org)));
                self.put(|b| &mut b.users, it, modified);
            }
            Record::Enrollment(mut it) => {
                let Enrollment { user, class, school, .. } = Arc::make_mut(&mut it);
                self.ids.share([user, class].into_iter().chain(school));
                self.enroll(it);
            }
        }
    }

    fn put<T: RosterRecord<Key = SourceId>>(
        &mut self,
        rows: fn(&mut Self) -> &mut Rows<T>,
        mut record: Arc<T>,
        modified: &str,
    ) {
        Arc::make_mut(&mut record).normalize();
        self.added.push(Added::Id(T::KIND, record.key()));
        let Rows { seen, modified: times, disputed } = rows(self);
        let slot = match seen.entry(record.key()) {
            Entry::Vacant(entry) => {
                Rows::<T>::modify(times, record.key(), modified);
                entry.insert(Presence::This(record));
                return;
            }
            Entry::Occupied(entry) => entry.into_mut(),
        };
        let contradicts = match slot {
            Presence::This(other) => *other != record,
            Presence::Gone => true,
            Presence::Unusable | Presence::Unchanged => false,
        };
        if contradicts || matches!(slot, Presence::Unusable) {
            disputed.insert(record.key());
        }
        let id = contradicts.then(|| T::text_id(&record.key()));
        // An active row beats a deleted twin (P28); of several the latest counts, and among equals not their order.
        let later = match slot {
            Presence::This(other) => {
                let time = times.get(&record.key()).map(AsRef::as_ref).unwrap_or_default();
                (time, body(&**other)) < (modified, body(&*record))
            }
            Presence::Gone | Presence::Unusable | Presence::Unchanged => true,
        };
        if later {
            Rows::<T>::modify(times, record.key(), modified);
            *slot = Presence::This(record);
        }
        if let Some(id) = id {
            let message =
                "rows contradict each other under one id; the latest was used: have the source send one row per id";
            self.warn("duplicate_id", Some(T::KIND), message, Some(&id));
        }
    }

    fn enroll(&mut self, mut record: Arc<Enrollment>) {
        Arc::make_mut(&mut record).normalize();
        let key = record.key();
        self.added.push(Added::Enrollment(key.clone()));
        let Rows { seen, modified: _, disputed } = &mut self.enrollments;
        let slot = match seen.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(Presence::This(record));
                return;
            }
            Entry::Occupied(entry) => entry.into_mut(),
        };
        if !matches!(slot, Presence::This(other) if *other == record) {
            disputed.insert(record.key());
        }
        let record = Arc::unwrap_or_clone(record);
        let merged = match std::mem::replace(slot, Presence::Gone) {
            Presence::This(other) => {
                let mut other = Arc::unwrap_or_clone(other);
                // A row without any date says "always", which an empty list would lose in the merge.
                let always = other.periods.is_empty() || record.periods.is_empty();
                other.periods.extend(record.periods);
                if always {
                    other.periods.clear();
                }
                other.primary = match (other.primary, record.primary) {
                    (Some(a), Some(b)) => Some(a || b),
                    (a, b) => a.or(b),
                };
                other.school = match (other.school, record.school) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
                other
            }
            Presence::Gone | Presence::Unusable | Presence::Unchanged => record,
        };
        let mut merged = merged;
        merged.normalize();
        *slot = Presence::This(Arc::new(merged));
    }

    /// The source says this record is deleted. A usable row of the same key wins over it (P28).
    pub fn gone(&mut self, record: &Record) {
        self.mark(record, Mark::Gone);
    }

    /// The row is there but cannot be used: pass a record that carries its key, whatever else is in it. `why` names the
    /// fault by code; no value of the row may stand in it.
    pub fn unusable(&mut self, record: &Record, code: &str, why: &str) {
        self.mark(record, Mark::Unusable);
        self.warn(code, Some(record.kind()), why, Some(&record.text_id()));
    }

    /// The row is there but has not even a usable key: it is counted, and all removals of its kind are in doubt.
    pub fn unusable_without_id(&mut self, kind: Kind, code: &str, why: &str) {
        *self.nameless.entry(kind).or_default() += 1;
        self.warn(code, Some(kind), why, None);
    }

    fn mark(&mut self, record: &Record, mark: Mark) {
        self.odd = true;
        fn set<T: RosterRecord>(rows: &mut Rows<T>, key: T::Key, mark: Mark) {
            if matches!(rows.seen.get(&key), Some(Presence::This(_))) {
                rows.disputed.insert(key.clone());
            }
            let slot = rows.seen.entry(key).or_insert(Presence::Gone);
            if mark == Mark::Unusable && matches!(slot, Presence::Gone) {
                *slot = Presence::Unusable;
            }
        }
        match record {
            Record::School(it) => set(&mut self.schools, it.key(), mark),
            Record::Session(it) => set(&mut self.sessions, it.key(), mark),
            Record::Course(it) => set(&mut self.courses, it.key(), mark),
            Record::Class(it) => set(&mut self.classes, it.key(), mark),
            Record::User(it) => set(&mut self.users, it.key(), mark),
            Record::Enrollment(it) => set(&mut self.enrollments, it.key(), mark),
        }
    }

    /// A user who is only a contact, guardian, parent or relative, or such a user's enrollment.
    pub fn skip(&mut self) {
        self.odd = true;
        self.skipped += 1;
    }

    /// The source gave no information about a kind.
    pub fn absent(&mut self, kind: Kind) {
        self.absent.insert(kind);
    }

    /// The source is paused, pending or in error.
    pub fn frozen(&mut self, word: &str) {
        self.state = SourceState::Frozen(word.to_owned());
    }

    /// The district's name as the feed has it.
    pub fn district_name(&mut self, name: &str) {
        self.district_name = Some(name.to_owned());
    }

    /// Counts an oddity and keeps the first few ids in byte order.
    pub fn warn(&mut self, code: &str, kind: Option<Kind>, message: &str, id: Option<&str>) {
        self.odd = true;
        self.warnings.warn(code, kind, message, id);
    }

    /// All of it has this name ([`Snapshot::digest`]).
    pub fn named(&mut self, digest: Option<String>) {
        self.digest = digest;
    }

    /// What was added since this was asked last, if that is all that was told and nothing about it was odd; nothing otherwise.
    pub fn take_added(&mut self) -> Vec<Added> {
        let odd = std::mem::take(&mut self.odd);
        let added = std::mem::take(&mut self.added);
        if odd { Vec::new() } else { added }
    }

    /// Closes the snapshot: references are checked (a dangling one is a warning), counts made.
    /// Those that rest on rows which were recognized are checked when it is completed.
    pub fn finish(self, source: SourceMark) -> Snapshot {
        self.finish_with(source, None)
    }

    /// The same, with what was recognized and is not among what was added.
    pub fn finish_with(mut self, source: SourceMark, mut recognized: Option<Recognized>) -> Snapshot {
        fn disputed<T: RosterRecord>(part: &mut Part<T>, rows: &mut Rows<T>) {
            part.disputed = std::mem::take(&mut rows.disputed);
        }
        if let Some(it) = &mut recognized {
            disputed(&mut it.classes, &mut self.classes);
            disputed(&mut it.users, &mut self.users);
            disputed(&mut it.enrollments, &mut self.enrollments);
        }
        fn unusable<T: RosterRecord>(rows: &Rows<T>) -> u64 {
            let count = rows.seen.values().filter(|it| matches!(it, Presence::Unusable)).count();
            u64::try_from(count).unwrap_or(u64::MAX)
        }
        let mut invalid = BTreeMap::from([
            (Kind::Schools, unusable(&self.schools)),
            (Kind::Sessions, unusable(&self.sessions)),
            (Kind::Courses, unusable(&self.courses)),
            (Kind::Classes, unusable(&self.classes)),
            (Kind::Users, unusable(&self.users)),
            (Kind::Enrollments, unusable(&self.enrollments)),
        ]);
        for (kind, nameless) in &self.nameless {
            *invalid.entry(*kind).or_default() += nameless;
        }
        let mut snapshot = Snapshot {
            source,
            state: self.state.clone(),
            district_name: self.district_name.clone(),
            absent: self.absent.clone(),
            kept: BTreeSet::new(),
            schools: std::mem::replace(&mut self.schools, Rows::new()).finish(),
            sessions: std::mem::replace(&mut self.sessions, Rows::new()).finish(),
            courses: std::mem::replace(&mut self.courses, Rows::new()).finish(),
            classes: std::mem::replace(&mut self.classes, Rows::new()).finish(),
            users: std::mem::replace(&mut self.users, Rows::new()).finish(),
            enrollments: std::mem::replace(&mut self.enrollments, Rows::new()).finish(),
            invalid,
            nameless: std::mem::take(&mut self.nameless),
            skipped: self.skipped,
            warnings: Vec::new(),
            digest: self.digest.take(),
            recognized,
        };
        if !snapshot.recognized.as_ref().is_some_and(Recognized::any) {
            check::references(&snapshot, &Roster::default(), false, &mut self.warnings);
        }
        snapshot.warnings = self.warnings.into();
        snapshot
    }
}

fn body<T: RosterRecord>(record: &T) -> String {
    serde_json::to_string(record).unwrap_or_default()
}

/// The two things said of a record without giving one; any usable row outweighs them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Gone,
    Unusable,
}
