//! What is checked across records: references, and collections that came empty.

use std::collections::BTreeMap;

use crate::model::{Class, Course, Enrollment, Kind, Org, Roster, RosterRecord, Session, SourceId, User, Warning};
use crate::snapshot::told::Lookup;
use crate::snapshot::{Presence, Snapshot, Told};

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
        self.tally(kind, Presence::is_sent)
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
/// unshared today and there tomorrow. What came as it was is looked at as `stored` has it, where `all` says so.
pub(super) fn references(snapshot: &Snapshot, stored: &Roster, all: bool, warnings: &mut Warnings) {
    fn this<'a, T: RosterRecord>(told: &Told<'a, T>, all: bool) -> impl Iterator<Item = &'a T> + use<'a, T> {
        let read = told.read().filter(move |_| !all);
        let both = all.then(|| told.pairs()).into_iter().flatten().filter_map(|pair| match pair.presence()? {
            Presence::This(it) => Some(&**it),
            Presence::Unchanged => pair.stored,
            Presence::Unusable | Presence::Gone => None,
        });
        read.chain(both)
    }
    let there = There::new(snapshot, stored);
    let mut warn = |kind: Kind, missing: Vec<Missing<'_>>| {
        for Missing { code, target, id } in missing {
            if !snapshot.absent.contains(&target) {
                let message = format!("{kind} refer to {target} that the feed does not send; kept as they are");
                warnings.warn(code, Some(kind), &message, Some(id.as_str()));
            }
        }
    };
    for org in there.schools.told().read() {
        warn(Kind::Schools, there.missing(org.parent.iter().map(|id| ("dangling_org", Kind::Schools, id))));
    }
    for session in there.sessions.told().read() {
        warn(Kind::Sessions, there.missing(session.parent.iter().map(|id| ("dangling_session", Kind::Sessions, id))));
    }
    for class in this(there.classes.told(), all) {
        warn(Kind::Classes, there.missing(of_class(class)));
    }
    for user in this(there.users.told(), all) {
        warn(Kind::Users, there.missing(of_user(user)));
    }
    let mut last: Option<(&SourceId, bool)> = None;
    for it in this(&snapshot.enrollments(stored), all) {
        // Those of a user follow each other.
        let known = match last {
            Some((user, known)) if *user == it.user => known,
            _ => there.users.has(&it.user),
        };
        last = Some((&it.user, known));
        if !known || !there.classes.has(&it.class) {
            warn(Kind::Enrollments, there.missing(of_enrollment(it)));
        }
    }
}

/// What a record points to: of which kind it is, and the code by which it is warned of where it is not there.
pub(super) type Pointer<'a> = (&'static str, Kind, &'a SourceId);

/// What a class points to.
pub(super) fn of_class(it: &Class) -> impl Iterator<Item = Pointer<'_>> {
    let school = it.school.iter().map(|id| ("dangling_school", Kind::Schools, id));
    let course = it.course.iter().map(|id| ("dangling_course", Kind::Courses, id));
    school.chain(course).chain(it.sessions.iter().map(|id| ("dangling_session", Kind::Sessions, id)))
}

/// What a user points to.
pub(super) fn of_user(it: &User) -> impl Iterator<Item = Pointer<'_>> {
    it.roles.iter().map(|role| ("dangling_school", Kind::Schools, &role.org))
}

/// What an enrollment points to.
pub(super) fn of_enrollment(it: &Enrollment) -> impl Iterator<Item = Pointer<'_>> {
    [("dangling_user", Kind::Users, &it.user), ("dangling_class", Kind::Classes, &it.class)].into_iter()
}

/// What a record points to and the source does not send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missing<'a> {
    code: &'static str,
    target: Kind,
    id: &'a SourceId,
}

/// What the source sends and others point to.
pub(super) struct There<'a> {
    schools: Lookup<'a, Org>,
    sessions: Lookup<'a, Session>,
    courses: Lookup<'a, Course>,
    classes: Lookup<'a, Class>,
    users: Lookup<'a, User>,
}

impl<'a> There<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, stored: &'a Roster) -> Self {
        Self {
            schools: snapshot.schools(stored).lookup(),
            sessions: snapshot.sessions(stored).lookup(),
            courses: snapshot.courses(stored).lookup(),
            classes: snapshot.classes(stored).lookup(),
            users: snapshot.users(stored).lookup(),
        }
    }

    /// Whether the source sends it, usable or not.
    pub(super) fn has(&self, kind: Kind, id: &SourceId) -> bool {
        match kind {
            Kind::Schools => self.schools.has(id),
            Kind::Sessions => self.sessions.has(id),
            Kind::Courses => self.courses.has(id),
            Kind::Classes => self.classes.has(id),
            Kind::Users | Kind::Enrollments => self.users.has(id),
        }
    }

    fn missing<'b>(&self, pointers: impl Iterator<Item = Pointer<'b>>) -> Vec<Missing<'b>> {
        let missing = pointers.filter(|(_, kind, id)| !self.has(*kind, id));
        missing.map(|(code, target, id)| Missing { code, target, id }).collect()
    }
}
