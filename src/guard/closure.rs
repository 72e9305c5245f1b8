//! What a held change takes with it (safety.md, What is held): nobody keeps a class whose enrollments went, nobody is
//! enrolled in a class that waits, and no class stays behind without the sessions that say when it ends.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Record, SourceId, Verb};
use crate::plan::Change;

/// Positions of changes by what they refer to.
struct References<'a> {
    users: BTreeMap<&'a SourceId, usize>,
    classes: BTreeMap<&'a SourceId, usize>,
    of_user: BTreeMap<&'a SourceId, Vec<usize>>,
    of_class: BTreeMap<&'a SourceId, Vec<usize>>,
    of_school: BTreeMap<&'a SourceId, Vec<usize>>,
    schools: BTreeMap<&'a SourceId, usize>,
    sessions: BTreeMap<&'a SourceId, usize>,
    courses: BTreeMap<&'a SourceId, usize>,
}

/// The members and everything that must wait with them; changes a person approved earlier never wait.
pub(super) fn closed(changes: &[Change], mut members: BTreeSet<usize>, approved: &BTreeSet<usize>) -> BTreeSet<usize> {
    if members.is_empty() || members.len() == changes.len() {
        // Nothing hangs on nothing, and there is no more than everything: a first load in review is millions.
        members.retain(|index| !approved.contains(index));
        return members;
    }
    let references = References::of(changes);
    let mut held = BTreeSet::new();
    let waits = |index: &usize, by: &Change| {
        !approved.contains(index) && changes.get(*index).is_some_and(|it| same_way(by, it))
    };
    let mut todo: Vec<usize> = members.into_iter().collect();
    while let Some(index) = todo.pop() {
        if approved.contains(&index) || !held.insert(index) {
            continue;
        }
        if let Some(change) = changes.get(index) {
            todo.extend(references.with(change).into_iter().filter(|other| waits(other, change)));
        }
    }
    // What stays needs what it names: a class without its sessions would never end. They keep nothing else with them.
    let mut named: Vec<usize> = held.iter().copied().collect();
    while let Some(index) = named.pop() {
        let Some(change) = changes.get(index).filter(|it| it.verb == Verb::Removed) else { continue };
        let needs = references.named_by(change).into_iter().filter(|other| waits(other, change));
        named.extend(needs.filter(|other| held.insert(*other)).collect::<Vec<_>>());
    }
    held
}

/// A held removal holds removals, a held addition additions; a class that takes over an id is both.
fn same_way(a: &Change, b: &Change) -> bool {
    let adds = |it: &Change| matches!(it.verb, Verb::Added | Verb::Restored) || it.replaces();
    (a.removes() && b.removes()) || (adds(a) && adds(b))
}

impl<'a> References<'a> {
    fn of(changes: &'a [Change]) -> Self {
        let mut it = Self {
            users: BTreeMap::new(),
            classes: BTreeMap::new(),
            of_user: BTreeMap::new(),
            of_class: BTreeMap::new(),
            of_school: BTreeMap::new(),
            schools: BTreeMap::new(),
            sessions: BTreeMap::new(),
            courses: BTreeMap::new(),
        };
        for (index, change) in changes.iter().enumerate() {
            match change.record() {
                Some(Record::User(user)) => {
                    it.users.insert(&user.id, index);
                }
                Some(Record::Class(class)) => {
                    it.classes.insert(&class.id, index);
                    if let Some(school) = &class.school {
                        it.of_school.entry(school).or_default().push(index);
                    }
                }
                Some(Record::Enrollment(enrollment)) => {
                    it.of_user.entry(&enrollment.user).or_default().push(index);
                    it.of_class.entry(&enrollment.class).or_default().push(index);
                }
                Some(Record::School(school)) => {
                    it.schools.insert(&school.id, index);
                }
                Some(Record::Session(session)) => {
                    it.sessions.insert(&session.id, index);
                }
                Some(Record::Course(course)) => {
                    it.courses.insert(&course.id, index);
                }
                None => {}
            }
        }
        it
    }

    /// What a record names, where that changes too.
    fn named_by(&self, change: &Change) -> Vec<usize> {
        let found = |map: &BTreeMap<&SourceId, usize>, id: &SourceId| map.get(id).copied();
        match change.record() {
            Some(Record::School(it)) => it.parent.iter().filter_map(|id| found(&self.schools, id)).collect(),
            Some(Record::Session(it)) => it.parent.iter().filter_map(|id| found(&self.sessions, id)).collect(),
            Some(Record::Course(it)) => it.org.iter().filter_map(|id| found(&self.schools, id)).collect(),
            Some(Record::User(it)) => it.roles.iter().filter_map(|role| found(&self.schools, &role.org)).collect(),
            Some(Record::Class(it)) => {
                let sessions = it.sessions.iter().filter_map(|id| found(&self.sessions, id));
                let course = it.course.iter().filter_map(|id| found(&self.courses, id));
                sessions.chain(course).chain(it.school.iter().filter_map(|id| found(&self.schools, id))).collect()
            }
            Some(Record::Enrollment(_)) | None => Vec::new(),
        }
    }

    fn with(&self, change: &Change) -> Vec<usize> {
        let listed = |map: &BTreeMap<&SourceId, Vec<usize>>, id: &SourceId| map.get(id).cloned().unwrap_or_default();
        match change.record() {
            Some(Record::User(user)) => listed(&self.of_user, &user.id),
            Some(Record::Class(class)) => listed(&self.of_class, &class.id),
            Some(Record::School(school)) if change.verb == Verb::Removed => listed(&self.of_school, &school.id),
            Some(Record::Enrollment(it)) if change.verb == Verb::Removed => {
                self.users.get(&it.user).into_iter().chain(self.classes.get(&it.class)).copied().collect()
            }
            Some(Record::School(_) | Record::Session(_) | Record::Course(_) | Record::Enrollment(_)) | None => {
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use serde_json::{Value, json};

    use crate::model::{Class, Kind, Session};

    fn gone(record: Record) -> Change {
        Change::between(Some(record), None, false, false).unwrap()
    }

    fn session(id: &str, parent: Option<&str>) -> Record {
        Record::Session(Arc::new(Session {
            id: id.into(),
            session_type: "term".to_owned(),
            title: id.to_owned(),
            starts_on: None,
            ends_on: None,
            parent: parent.map(SourceId::new),
            school_year: None,
        }))
    }

    fn class(id: &str, session: &str) -> Record {
        Record::Class(Arc::new(Class {
            id: id.into(),
            title: id.to_owned(),
            code: None,
            class_type: None,
            school: None,
            course: None,
            sessions: vec![session.into()],
            grades: Vec::new(),
            subjects: Vec::new(),
            instance: 0,
        }))
    }

    /// P12: after a rollover a held class of last year must not lose the sessions that say it is over.
    #[test]
    fn a_class_that_stays_keeps_its_sessions_and_they_keep_no_other_class() {
        let changes: Vec<Change> =
            [session("year", None), session("fall", Some("year")), class("held", "fall"), class("other", "fall")]
                .into_iter()
                .map(gone)
                .collect();
        assert_eq!(closed(&changes, BTreeSet::from([2]), &BTreeSet::new()), BTreeSet::from([0, 1, 2]));
        assert_eq!(closed(&changes, BTreeSet::from([2]), &BTreeSet::from([0])), BTreeSet::from([1, 2]));
    }

    fn a(kind: Kind, body: &Value) -> Record {
        Record::from_body(kind, &body.to_string()).unwrap()
    }

    fn school(id: &str, parent: Option<&str>) -> Record {
        a(Kind::Schools, &json!({ "id": id, "type": "school", "name": id, "parent": parent }))
    }

    fn added(record: &Record) -> Change {
        Change::between(None, Some(record.clone()), false, false).unwrap()
    }

    /// What is held if the change at `member` is, of these and in this order.
    fn held(changes: &[Change], member: usize) -> Vec<usize> {
        closed(changes, BTreeSet::from([member]), &BTreeSet::new()).into_iter().collect()
    }

    /// safety.md, What is held: each reference, from either end.
    #[test]
    fn what_waits_takes_with_it_what_hangs_on_it() {
        let user = a(
            Kind::Users,
            &json!({ "id": "u", "active": true, "roles": [{ "role": "student", "org": "s", "primary": true }] }),
        );
        let of_school = |instance: u32| json!({ "id": "c", "title": "c", "school": "s", "course": "k", "sessions": ["t"], "instance": instance });
        let class = a(Kind::Classes, &of_school(0));
        let enrollment = a(Kind::Enrollments, &json!({ "user": "u", "class": "c", "role": "student" }));
        let course = a(Kind::Courses, &json!({ "id": "k", "title": "k", "org": "s" }));
        let (both, first, second) = (&[0, 1][..], &[0][..], &[1][..]);
        // Two removals: what the first holds, and what the second.
        for (one, other, by_first, by_second) in [
            (&user, &enrollment, both, both),
            (&class, &enrollment, both, both),
            (&school("s", None), &class, both, both),
            (&school("s", None), &user, first, both),
            (&school("s", None), &course, first, both),
            (&school("s", None), &school("x", Some("s")), first, both),
            (&course, &class, first, both),
            (&session("t", None), &class, first, both),
            (&session("t", None), &session("x", Some("t")), first, both),
            (&session("t", None), &user, first, second),
        ] {
            let changes = [gone(one.clone()), gone(other.clone())];
            assert_eq!((held(&changes, 0), held(&changes, 1)), (by_first.to_vec(), by_second.to_vec()), "{changes:?}");
        }
        // Two additions: nobody is enrolled in a class that waits, nor is anyone who waits.
        for (one, other, by_first) in
            [(&user, &enrollment, both), (&class, &enrollment, both), (&school("s", None), &class, first)]
        {
            let changes = [added(one), added(other)];
            assert_eq!((held(&changes, 0), held(&changes, 1)), (by_first.to_vec(), second.to_vec()), "{changes:?}");
        }
        // One goes and the other comes: they do not wait for each other, but a class that takes over an id is both.
        assert_eq!(held(&[gone(user.clone()), added(&enrollment)], 0), first);
        let another =
            Change::between(Some(class.clone()), Some(a(Kind::Classes, &of_school(1))), false, false).unwrap();
        let of_new = a(Kind::Enrollments, &json!({ "user": "v", "class": "c", "role": "student" }));
        let changes = [another, gone(enrollment.clone()), added(&of_new)];
        assert_eq!((held(&changes, 0), held(&changes, 1), held(&changes, 2)), (vec![0, 1, 2], vec![0, 1, 2], vec![2]));
        let renamed = Change::between(
            Some(class.clone()),
            Some(a(Kind::Classes, &json!({ "id": "c", "title": "other", "school": "s" }))),
            false,
            false,
        );
        let changes = [renamed.unwrap(), gone(enrollment.clone()), added(&of_new)];
        assert_eq!(held(&changes, 0), first);
        // What a person approved does not wait, whoever asks.
        let changes = [gone(user), gone(enrollment)];
        assert_eq!(closed(&changes, BTreeSet::from([0]), &BTreeSet::from([1])), BTreeSet::from([0]));
        assert_eq!(closed(&changes, BTreeSet::from([0]), &BTreeSet::from([0])), BTreeSet::new());
        // Of everything what was not approved waits; of nothing, nothing.
        assert_eq!(closed(&changes, BTreeSet::from([0, 1]), &BTreeSet::from([1])), BTreeSet::from([0]));
        assert_eq!(closed(&changes, BTreeSet::new(), &BTreeSet::new()), BTreeSet::new());
    }
}
