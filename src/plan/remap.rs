//! Changes that only renumber a person: who accepted the link from the old id to the new one accepted them too (P16).

use std::collections::BTreeSet;

use crate::model::{Baseline, Kind, Record, SourceId, Verb};

use super::Change;

/// Positions of the removals of accounts whose person stays under another one, of the additions of that other one, and of
/// their enrollments. Nobody loses anything by them.
pub(super) fn accepted(baseline: &Baseline, changes: &[Change]) -> BTreeSet<usize> {
    if baseline.persons.is_empty() {
        return BTreeSet::new();
    }
    let (mut gone, mut new): (BTreeSet<SourceId>, BTreeSet<SourceId>) = (BTreeSet::new(), BTreeSet::new());
    for change in changes.iter().filter(|it| it.kind == Kind::Users) {
        let Some(id) = change.user().cloned() else { continue };
        match (change.verb, &change.after) {
            (Verb::Removed, _) => gone.insert(id),
            (Verb::Added | Verb::Restored, Some(Record::User(user))) if user.active => new.insert(id),
            _ => false,
        };
    }
    let active = |id: &SourceId| baseline.roster.users.get(id).is_some_and(|user| user.active);
    let stays = |id: &SourceId| new.contains(id) || (active(id) && !gone.contains(id));
    let (mut staying, mut leaving): (BTreeSet<&SourceId>, BTreeSet<&SourceId>) = (BTreeSet::new(), BTreeSet::new());
    for (account, person) in &baseline.persons {
        if stays(account) {
            staying.insert(person);
        }
        if gone.contains(account) {
            leaving.insert(person);
        }
    }
    let renumbered = |id: &SourceId| {
        let person = baseline.persons.get(id);
        person.is_some_and(|it| staying.contains(it) && leaving.contains(it)) && (gone.contains(id) || new.contains(id))
    };
    let of_them = |change: &Change| match change.kind {
        Kind::Users | Kind::Enrollments => change.user().is_some_and(&renumbered),
        Kind::Schools | Kind::Sessions | Kind::Courses | Kind::Classes => false,
    };
    changes.iter().enumerate().filter(|(_, change)| of_them(change)).map(|(index, _)| index).collect()
}
