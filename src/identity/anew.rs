//! An id that is someone else's now begins anew: nothing of who had it before passes on (P19, T16).

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Baseline, LinkDecision, Override, ProductCode, Seat, SourceId, Target, Waiting};

use super::links;

/// What the former holders of some ids had, taken out of the baseline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Anew {
    /// The ids.
    pub users: BTreeSet<SourceId>,
    /// Their seats, as they were.
    pub seats: Vec<Seat>,
    /// Their places in line.
    pub waiting: Vec<Waiting>,
    /// Pins and excludes.
    pub overrides: Vec<Override>,
    /// Assignments of the user by name.
    pub assignments: Vec<(ProductCode, Target)>,
    /// Educator access that was OFF.
    pub access: Vec<(ProductCode, SourceId)>,
    /// Decisions on pairs of accounts.
    pub links: Vec<LinkDecision>,
    /// Accounts that are no part of a person any more.
    pub persons_removed: Vec<SourceId>,
    /// Accounts whose person goes by another one now.
    pub persons_put: Vec<(SourceId, SourceId)>,
}

/// Takes everything out of a district that it has of the former holders of these ids, the records left alone.
pub fn begin_anew(baseline: &mut Baseline, users: BTreeSet<SourceId>) -> Anew {
    fn taken<V>(
        map: &mut BTreeMap<(ProductCode, SourceId), V>,
        users: &BTreeSet<SourceId>,
    ) -> Vec<((ProductCode, SourceId), V)> {
        let (gone, stay) = std::mem::take(map).into_iter().partition(|((_, user), _)| users.contains(user));
        *map = stay;
        let gone: BTreeMap<_, V> = gone;
        gone.into_iter().collect()
    }
    let mut anew = Anew {
        seats: taken(&mut baseline.seats, &users).into_iter().map(|(_, seat)| seat).collect(),
        waiting: taken(&mut baseline.waiting, &users).into_iter().map(|(_, place)| place).collect(),
        overrides: taken(&mut baseline.overrides, &users).into_iter().map(|(_, it)| it).collect(),
        access: taken(&mut baseline.educator_access, &users)
            .into_iter()
            .filter(|(_, it)| !it.on)
            .map(|(key, _)| key)
            .collect(),
        ..Anew::default()
    };
    taken(&mut baseline.ended, &users);
    taken(&mut baseline.opened, &users);
    let of_them = |target: &Target| matches!(target, Target::User(user) if users.contains(user));
    anew.assignments = baseline.assignments.keys().filter(|(_, target)| of_them(target)).cloned().collect();
    baseline.assignments.retain(|(_, target), _| !of_them(target));
    let about = |it: &LinkDecision| users.contains(&it.first) || users.contains(&it.second);
    anew.links = baseline.identity.values().filter(|it| about(it)).cloned().collect();
    let mut decisions = baseline.identity.clone();
    decisions.retain(|_, it| !about(it));
    (anew.persons_removed, anew.persons_put) = links::moved(baseline, &decisions);
    for account in &anew.persons_removed {
        baseline.persons.remove(account);
    }
    baseline.persons.extend(anew.persons_put.iter().cloned());
    baseline.identity = decisions;
    anew.users = users;
    anew
}
