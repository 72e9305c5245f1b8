//! What is checked across records: references, and collections that came empty.

use std::collections::BTreeMap;

use crate::model::{Class, Enrollment, Kind, Roster, RosterRecord, SourceId, User, Warning};
use crate::snapshot::{Presence, Seen, Snapshot};

/// A needed collection came empty although the store has rows of it (P1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the feed sent no {kind} at all, and the store has {stored}: nothing was applied. An empty collection is taken for a \
     broken export or a withdrawn permission; ask the district, then sync again"
)]
pub struct EmptyCollection {
    /// What came empty.
    pub kind: Kind,
    /// How many the store has.
    pub stored: u64,
}

impl Snapshot {
    /// Refuses a snapshot whose orgs, classes, users or enrollments are empty where the store has some; empty courses or
    /// sessions become "no information", with a warning (safety.md, A run, 3). `stored` counts the store's active rows.
    pub fn against(mut self, stored: impl Fn(Kind) -> u64) -> Result<Self, EmptyCollection> {
        for kind in Kind::ALL {
            let empty = !self.absent.contains(&kind) && self.mentions(kind) == 0 && stored(kind) > 0;
            if !empty {
                continue;
            }
            if matches!(kind, Kind::Courses | Kind::Sessions) {
                self.warnings.push(Warning {
                    code: "empty_collection".to_owned(),
                    kind: Some(kind),
                    count: 1,
                    message: format!("the feed sent no {kind}; those in the store are kept"),
                    ids: Vec::new(),
                });
                self.kept.insert(kind);
            } else {
                return Err(EmptyCollection { kind, stored: stored(kind) });
            }
        }
        Ok(self)
    }

    /// Whether it mentions some record of every kind, so that nothing came empty.
    pub fn has_all(&self) -> bool {
        Kind::ALL.into_iter().all(|kind| self.mentions(kind) > 0)
    }

    /// How many records of a kind it mentions as present, usable or not.
    fn mentions(&self, kind: Kind) -> usize {
        fn present<T: RosterRecord>(seen: &Seen<T>) -> usize {
            seen.values().filter(|it| !matches!(it, Presence::Gone)).count()
        }
        let recognized = self.recognized.as_ref().map(|it| it.count(kind)).unwrap_or_default();
        recognized
            + match kind {
                Kind::Schools => present(&self.schools),
                Kind::Sessions => present(&self.sessions),
                Kind::Courses => present(&self.courses),
                Kind::Classes => present(&self.classes),
                Kind::Users => present(&self.users),
                Kind::Enrollments => present(&self.enrollments),
            }
    }
}

/// Oddities while they are counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Warnings(BTreeMap<(String, Option<Kind>), Warning>);

impl Warnings {
    /// Counts an oddity and keeps the first few ids in byte order.
    pub(super) fn warn(&mut self, code: &str, kind: Option<Kind>, message: &str, id: Option<&str>) {
        let warning = self.0.entry((code.to_owned(), kind)).or_insert_with(|| Warning {
            code: code.to_owned(),
            kind,
            count: 0,
            message: message.to_owned(),
            ids: Vec::new(),
        });
        warning.count += 1;
        if let Some(id) = id
            && let Err(at) = warning.ids.binary_search_by(|known| known.as_str().cmp(id))
        {
            warning.ids.insert(at, id.to_owned());
            warning.ids.truncate(5);
        }
    }
}

impl From<Vec<Warning>> for Warnings {
    fn from(all: Vec<Warning>) -> Self {
        Self(all.into_iter().map(|it| ((it.code.clone(), it.kind), it)).collect())
    }
}

impl From<Warnings> for Vec<Warning> {
    fn from(all: Warnings) -> Self {
        all.0.into_values().collect()
    }
}

/// Warns of references to records that are not there. They are warnings, never invalid rows: what they point to may be
/// unshared today and there tomorrow. What came unchanged is looked at as `stored` has it, if that is given.
pub(super) fn references(snapshot: &Snapshot, stored: Option<&Roster>, warnings: &mut Warnings) {
    fn this<'a, T: RosterRecord + 'a>(
        seen: &'a Seen<T>,
        stored: Option<&'a BTreeMap<T::Key, T>>,
    ) -> impl Iterator<Item = &'a T> {
        seen.iter().filter_map(move |(key, presence)| match presence {
            Presence::This(it) => Some(it),
            Presence::Unchanged => stored?.get(key),
            Presence::Unusable | Presence::Gone => None,
        })
    }
    let mut warn = |kind: Kind, missing: Vec<Missing<'_>>| {
        for Missing { code, target, id } in missing {
            if !snapshot.absent.contains(&target) {
                let message = format!("{kind} refer to {target} that the feed does not send; kept as they are");
                warnings.warn(code, Some(kind), &message, Some(id.as_str()));
            }
        }
    };
    for org in this(&snapshot.schools, None) {
        warn(Kind::Schools, snapshot.lacks(Kind::Schools, "dangling_org", org.parent.iter()));
    }
    for session in this(&snapshot.sessions, None) {
        warn(Kind::Sessions, snapshot.lacks(Kind::Sessions, "dangling_session", session.parent.iter()));
    }
    for class in this(&snapshot.classes, stored.map(|it| &it.classes)) {
        warn(Kind::Classes, snapshot.missing_of_class(class));
    }
    for user in this(&snapshot.users, stored.map(|it| &it.users)) {
        warn(Kind::Users, snapshot.missing_of_user(user));
    }
    let mut last: Option<(&SourceId, bool)> = None;
    for it in this(&snapshot.enrollments, stored.map(|it| &it.enrollments)) {
        // Those of a user follow each other.
        let known = match last {
            Some((user, known)) if *user == it.user => known,
            _ => present(&snapshot.users, &it.user),
        };
        last = Some((&it.user, known));
        if !known || !present(&snapshot.classes, &it.class) {
            warn(Kind::Enrollments, snapshot.missing_of_enrollment(it));
        }
    }
}

/// What a record points to and the source does not send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missing<'a> {
    code: &'static str,
    target: Kind,
    id: &'a SourceId,
}

fn present<T: RosterRecord<Key = SourceId>>(seen: &Seen<T>, id: &SourceId) -> bool {
    seen.get(id).is_some_and(|it| !matches!(it, Presence::Gone))
}

impl Snapshot {
    fn lacks<'a>(&self, target: Kind, code: &'static str, ids: impl Iterator<Item = &'a SourceId>) -> Vec<Missing<'a>> {
        let there = |id: &SourceId| match target {
            Kind::Schools => present(&self.schools, id),
            Kind::Sessions => present(&self.sessions, id),
            Kind::Courses => present(&self.courses, id),
            Kind::Classes => present(&self.classes, id),
            Kind::Users | Kind::Enrollments => present(&self.users, id),
        };
        ids.filter(|id| !there(id)).map(|id| Missing { code, target, id }).collect()
    }

    /// What a class points to in vain.
    pub(super) fn missing_of_class<'a>(&self, it: &'a Class) -> Vec<Missing<'a>> {
        let mut all = self.lacks(Kind::Schools, "dangling_school", it.school.iter());
        all.extend(self.lacks(Kind::Courses, "dangling_course", it.course.iter()));
        all.extend(self.lacks(Kind::Sessions, "dangling_session", it.sessions.iter()));
        all
    }

    /// What a user points to in vain.
    pub(super) fn missing_of_user<'a>(&self, it: &'a User) -> Vec<Missing<'a>> {
        self.lacks(Kind::Schools, "dangling_school", it.roles.iter().map(|role| &role.org))
    }

    /// What an enrollment points to in vain.
    pub(super) fn missing_of_enrollment<'a>(&self, it: &'a Enrollment) -> Vec<Missing<'a>> {
        let mut all = self.lacks(Kind::Users, "dangling_user", std::iter::once(&it.user));
        all.extend(self.lacks(Kind::Classes, "dangling_class", std::iter::once(&it.class)));
        all
    }
}
