//! Accounts that links join into persons.

use std::collections::BTreeMap;

use crate::model::{Baseline, LinkDecision, LinkVerdict, SourceId};

use super::{Strength, duplicates};

/// Sets of accounts, each known by one of them.
#[derive(Debug, Default)]
struct Sets<'a> {
    above: BTreeMap<&'a SourceId, &'a SourceId>,
}

impl<'a> Sets<'a> {
    fn top(&self, id: &'a SourceId) -> &'a SourceId {
        let mut at = id;
        while let Some(above) = self.above.get(at).filter(|above| **above != at) {
            at = above;
        }
        at
    }

    fn join(&mut self, one: &'a SourceId, other: &'a SourceId) {
        let (one_top, other_top) = (self.top(one), self.top(other));
        let (low, high) = if one_top < other_top { (one_top, other_top) } else { (other_top, one_top) };
        self.above.insert(high, low);
        // What was looked up is hung right under the top, so that later look-ups are short.
        for id in [one, other, low] {
            self.above.insert(id, low);
        }
    }
}

/// The links that follow from what people accepted: each account of a person with the one that stands for all, the survivor
/// of the latest decision.
pub fn persons(decisions: &BTreeMap<String, LinkDecision>) -> BTreeMap<SourceId, SourceId> {
    let mut accepted: Vec<&LinkDecision> =
        decisions.values().filter(|it| it.verdict == LinkVerdict::Accepted).collect();
    accepted.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
    let mut sets = Sets::default();
    for it in &accepted {
        sets.join(&it.first, &it.second);
    }
    let mut stands: BTreeMap<&SourceId, &SourceId> = BTreeMap::new();
    for it in &accepted {
        stands.insert(sets.top(&it.first), &it.survivor);
    }
    let whole = sets.above.keys().filter_map(|id| Some(((*id).clone(), (*stands.get(sets.top(id))?).clone())));
    whole.collect()
}

/// How the accounts of persons move when `decisions` take the place of those in force: accounts that are no part of a person any
/// more, and those that go by another one.
pub fn moved(
    before: &Baseline,
    decisions: &BTreeMap<String, LinkDecision>,
) -> (Vec<SourceId>, Vec<(SourceId, SourceId)>) {
    let (old, new) = (persons(&before.identity), persons(decisions));
    let gone = old.into_keys().filter(|id| !new.contains_key(id) && before.persons.contains_key(id)).collect();
    let put = new.into_iter().filter(|(account, person)| before.persons.get(account) != Some(person)).collect();
    (gone, put)
}

/// Each account that is, or by strong keys likely is, one of several of a person, with one that stands for all: what seats
/// would come to if they were merged (S2.15, C4).
pub fn merged(baseline: &Baseline) -> BTreeMap<SourceId, SourceId> {
    let likely: Vec<_> = duplicates(baseline).into_iter().filter(|it| it.strength == Strength::Strong).collect();
    let mut sets = Sets::default();
    for (account, person) in &baseline.persons {
        sets.join(account, person);
    }
    for it in &likely {
        sets.join(&it.first, &it.second);
    }
    sets.above.keys().map(|id| ((*id).clone(), sets.top(id).clone())).collect()
}
