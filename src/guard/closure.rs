//! What a held change takes with it (safety.md, What is held): nobody keeps a class whose enrollments went, nobody is
//! enrolled in a class that waits.

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
}

/// The members and everything that must wait with them; changes a person approved earlier never wait.
pub(super) fn closed(changes: &[Change], members: BTreeSet<usize>, approved: &BTreeSet<usize>) -> BTreeSet<usize> {
    let references = References::of(changes);
    let mut held = BTreeSet::new();
    let mut todo: Vec<usize> = members.into_iter().collect();
    while let Some(index) = todo.pop() {
        if approved.contains(&index) || !held.insert(index) {
            continue;
        }
        if let Some(change) = changes.get(index) {
            let also = references.with(change).into_iter();
            todo.extend(also.filter(|other| changes.get(*other).is_some_and(|it| same_way(change.verb, it.verb))));
        }
    }
    held
}

/// A held removal holds removals, a held addition additions.
fn same_way(a: Verb, b: Verb) -> bool {
    let adds = |verb| matches!(verb, Verb::Added | Verb::Restored);
    (a == Verb::Removed && b == Verb::Removed) || (adds(a) && adds(b))
}

impl<'a> References<'a> {
    fn of(changes: &'a [Change]) -> Self {
        let mut it = Self {
            users: BTreeMap::new(),
            classes: BTreeMap::new(),
            of_user: BTreeMap::new(),
            of_class: BTreeMap::new(),
            of_school: BTreeMap::new(),
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
                Some(Record::School(_) | Record::Session(_) | Record::Course(_)) | None => {}
            }
        }
        it
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
