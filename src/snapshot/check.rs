//! What is checked across records: references, and collections that came empty.

use std::collections::BTreeSet;

use crate::model::{Kind, SourceId};
use crate::snapshot::{Builder, Presence, Seen, Snapshot};

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
                self.warnings.push(crate::model::Warning {
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

    /// How many records of a kind it mentions as present, usable or not.
    fn mentions(&self, kind: Kind) -> usize {
        fn present<T: crate::model::RosterRecord>(seen: &Seen<T>) -> usize {
            seen.values().filter(|it| !matches!(it, Presence::Gone)).count()
        }
        match kind {
            Kind::Schools => present(&self.schools),
            Kind::Sessions => present(&self.sessions),
            Kind::Courses => present(&self.courses),
            Kind::Classes => present(&self.classes),
            Kind::Users => present(&self.users),
            Kind::Enrollments => present(&self.enrollments),
        }
    }
}

/// Warns of references to records that are not there. They are warnings, never invalid rows: what they point to may be
/// unshared today and there tomorrow.
pub(super) fn references(snapshot: &Snapshot, builder: &mut Builder) {
    fn known<T: crate::model::RosterRecord<Key = SourceId>>(seen: &Seen<T>) -> BTreeSet<SourceId> {
        seen.iter().filter(|(_, it)| !matches!(it, Presence::Gone)).map(|(key, _)| key.clone()).collect()
    }
    let schools = known(&snapshot.schools);
    let sessions = known(&snapshot.sessions);
    let courses = known(&snapshot.courses);
    let classes = known(&snapshot.classes);
    let users = known(&snapshot.users);
    let told = |kind: Kind| !snapshot.absent.contains(&kind);
    let mut dangling = |code: &str, kind: Kind, target: Kind, id: &SourceId| {
        if told(target) {
            let message = format!("{kind} refer to {target} that the feed does not send; kept as they are");
            builder.warn(code, Some(kind), &message, Some(id.as_str()));
        }
    };
    for org in snapshot.schools.values().filter_map(this) {
        if let Some(parent) = org.parent.as_ref().filter(|it| !schools.contains(it)) {
            dangling("dangling_org", Kind::Schools, Kind::Schools, parent);
        }
    }
    for session in snapshot.sessions.values().filter_map(this) {
        if let Some(parent) = session.parent.as_ref().filter(|it| !sessions.contains(it)) {
            dangling("dangling_session", Kind::Sessions, Kind::Sessions, parent);
        }
    }
    for class in snapshot.classes.values().filter_map(this) {
        if let Some(school) = class.school.as_ref().filter(|it| !schools.contains(it)) {
            dangling("dangling_school", Kind::Classes, Kind::Schools, school);
        }
        if let Some(course) = class.course.as_ref().filter(|it| !courses.contains(it)) {
            dangling("dangling_course", Kind::Classes, Kind::Courses, course);
        }
        for session in class.sessions.iter().filter(|it| !sessions.contains(it)) {
            dangling("dangling_session", Kind::Classes, Kind::Sessions, session);
        }
    }
    for user in snapshot.users.values().filter_map(this) {
        for role in user.roles.iter().filter(|it| !schools.contains(&it.org)) {
            dangling("dangling_school", Kind::Users, Kind::Schools, &role.org);
        }
    }
    for key in snapshot.enrollments.iter().filter(|(_, it)| matches!(it, Presence::This(_))).map(|(key, _)| key) {
        if !users.contains(&key.user) {
            dangling("dangling_user", Kind::Enrollments, Kind::Users, &key.user);
        }
        if !classes.contains(&key.class) {
            dangling("dangling_class", Kind::Enrollments, Kind::Classes, &key.class);
        }
    }
}

fn this<T>(presence: &Presence<T>) -> Option<&T> {
    match presence {
        Presence::This(it) => Some(it),
        Presence::Unchanged | Presence::Unusable | Presence::Gone => None,
    }
}
