//! Which accounts may be of one person (safety.md, Identity; licensing.md, Suggestions, 4). Pure: it proposes, people decide.
//!
//! Two kinds of pairs. *Duplicates* are two active accounts that count twice (S2.9, S2.15). A *re-keyed* person is an id that
//! left and another that came under the same strong keys (P16, P17), applied or held. Student number and state id are strong
//! keys; name with grade, and email, are weak ones: they make a second list, for people to look through (S2.11), and against
//! a strong key that differs they say nothing, since twins and namesakes have numbers of their own (P45).

mod anew;
mod keys;
mod links;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::model::{Baseline, DistrictId, Kind, LinkKind, LinkVerdict, Record, RoleName, SourceId, Timestamp, User};

pub use anew::{Anew, begin_anew};
pub use keys::{Key, is_someone_else};
pub use links::{merged, moved, persons};

use keys::{Likeness, compare};

/// How much a proposal rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// On a strong key, and none speaks against it.
    Strong,
    /// On weak keys, or a strong key speaks against it.
    Weak,
}

/// Two accounts that may be of one person. No personal value: keys are named, not shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// Names the pair, in any installation and on any day.
    pub id: String,
    /// What they would be to each other.
    pub kind: LinkKind,
    /// What it rests on.
    pub strength: Strength,
    /// From 0 to 100; higher is likelier.
    pub score: u8,
    /// Of a re-keyed person the old id; of duplicates the smaller one.
    pub first: SourceId,
    /// The other one.
    pub second: SourceId,
    /// The account that would stand for the person: the new id; of duplicates the one used last, then the one with more
    /// seats, then with more enrollments (S2.10).
    pub survivor: SourceId,
    /// Keys that are the same.
    pub keys: Vec<Key>,
    /// Keys that both have and that differ.
    pub against: Vec<Key>,
}

/// A key that more accounts than this share is a placeholder (`0`, `none`) and says nothing.
const MOST_ACCOUNTS: usize = 10;

/// Every pair that is worth a person's look and not yet decided: re-keyed people first, then strong before weak, then by
/// score and id. `former` are the users that the source no longer has.
pub fn proposals(baseline: &Baseline, former: &[User]) -> Vec<Proposal> {
    let mut all = rekeyed(baseline, former);
    all.extend(duplicates(baseline));
    all.sort_by(|one, other| {
        let rank = |it: &Proposal| (it.kind, it.strength, 100 - it.score.min(100));
        rank(one).cmp(&rank(other)).then_with(|| (&one.first, &one.second).cmp(&(&other.first, &other.second)))
    });
    all
}

/// Names a pair.
pub fn pair_id(district: &DistrictId, kind: LinkKind, first: &SourceId, second: &SourceId) -> String {
    let prefix = match kind {
        LinkKind::Rekeyed => "key",
        LinkKind::Duplicate => "dup",
    };
    let text = serde_json::json!([district, kind, first, second]).to_string();
    let digest = Sha256::digest(text.as_bytes());
    format!("{prefix}-{}", hex::encode(digest.iter().take(6).copied().collect::<Vec<u8>>()))
}

/// Two active accounts of one person.
pub fn duplicates(baseline: &Baseline) -> Vec<Proposal> {
    let users: Vec<&User> = baseline.roster.users.values().filter(|user| user.active).collect();
    let mut groups: BTreeMap<(Key, bool, String), Vec<&User>> = BTreeMap::new();
    for user in users {
        for (key, value) in keys::of(user) {
            groups.entry((key, is_student(user), value)).or_default().push(user);
        }
    }
    let decided = |first: &SourceId, second: &SourceId| is_decided(baseline, LinkKind::Duplicate, first, second);
    let mut pairs: BTreeSet<(&SourceId, &SourceId)> = BTreeSet::new();
    for accounts in groups.values().filter(|it| (2..=MOST_ACCOUNTS).contains(&it.len())) {
        for (at, second) in accounts.iter().enumerate() {
            // With the first account that is not known to be someone else; a chain of pairs joins the rest.
            let others = accounts.iter().take(at).filter(|first| compare(first, second).is_some());
            let open = others.map(|first| &first.id).find(|first| !decided(first, &second.id));
            pairs.extend(open.map(|first| (first, &second.id)));
        }
    }
    let use_of = UseOf::new(baseline);
    let user = |id: &SourceId| baseline.roster.users.get(id);
    let propose = |(first, second): (&SourceId, &SourceId)| {
        let likeness = compare(user(first)?, user(second)?)?;
        let survivor = use_of.survivor(first, second).clone();
        Some(proposal(baseline, LinkKind::Duplicate, (first, second), survivor, likeness))
    };
    pairs.into_iter().filter_map(propose).collect()
}

/// Ids that left, or whose removal is held, each with the id that came, or whose addition is held, under its strong keys.
fn rekeyed(baseline: &Baseline, former: &[User]) -> Vec<Proposal> {
    let held = baseline.waiting_changes().filter(|change| change.kind == Kind::Users);
    let (mut leaving, mut coming): (BTreeSet<&str>, Vec<User>) = (BTreeSet::new(), Vec::new());
    for change in held {
        let after = change.after.as_deref().and_then(|body| Record::from_body(Kind::Users, body).ok());
        match (&change.before, after) {
            (_, None) => {
                leaving.insert(&change.id);
            }
            (None, Some(Record::User(user))) => coming.push(Arc::unwrap_or_clone(user)),
            (_, Some(_)) => {}
        }
    }
    let users = &baseline.roster.users;
    let left = users.values().filter(|user| leaving.contains(user.id.as_str()));
    let old = former.iter().filter(|user| !users.contains_key(&user.id)).chain(left);
    let mut by_key: BTreeMap<(Key, String), Vec<&User>> = BTreeMap::new();
    for user in old {
        for (key, value) in keys::of(user).into_iter().filter(|(key, _)| key.is_strong()) {
            by_key.entry((key, value)).or_default().push(user);
        }
    }
    let here = users.values().filter(|user| user.active && !leaving.contains(user.id.as_str()));
    let mut found: BTreeMap<(&SourceId, &SourceId), Proposal> = BTreeMap::new();
    for new in here.chain(&coming) {
        let strong = keys::of(new).into_iter().filter(|(key, _)| key.is_strong());
        let matching = strong.filter_map(|key| by_key.get(&key)).filter(|it| it.len() <= MOST_ACCOUNTS).flatten();
        for old in matching.filter(|old| old.id != new.id && is_student(old) == is_student(new)) {
            let likeness = compare(old, new).filter(|it| it.strength == Strength::Strong);
            let Some(likeness) = likeness else { continue };
            if is_decided(baseline, LinkKind::Rekeyed, &old.id, &new.id) {
                continue;
            }
            let pair = (&old.id, &new.id);
            found.insert(pair, proposal(baseline, LinkKind::Rekeyed, pair, new.id.clone(), likeness));
        }
    }
    found.into_values().collect()
}

fn proposal(
    baseline: &Baseline,
    kind: LinkKind,
    (first, second): (&SourceId, &SourceId),
    survivor: SourceId,
    likeness: Likeness,
) -> Proposal {
    let Likeness { strength, score, keys, against } = likeness;
    let id = pair_id(&baseline.state.id, kind, first, second);
    Proposal { id, kind, strength, score, first: first.clone(), second: second.clone(), survivor, keys, against }
}

/// Whether people said of these two, as one kind or the other, that they are one or two, or other links have joined them.
fn is_decided(baseline: &Baseline, kind: LinkKind, first: &SourceId, second: &SourceId) -> bool {
    let of = |kind, one, other| baseline.identity.get(&pair_id(&baseline.state.id, kind, one, other));
    let refused = || {
        let all = [of(kind, first, second), of(LinkKind::Rekeyed, first, second), of(LinkKind::Rekeyed, second, first)];
        let (smaller, larger) = if first < second { (first, second) } else { (second, first) };
        all.into_iter()
            .chain([of(LinkKind::Duplicate, smaller, larger)])
            .flatten()
            .any(|it| it.verdict == LinkVerdict::Refused)
    };
    let person = |id: &SourceId| baseline.persons.get(id);
    (person(first).is_some() && person(first) == person(second)) || (!baseline.identity.is_empty() && refused())
}

fn is_student(user: &User) -> bool {
    user.roles.iter().any(|it| it.role == RoleName::Student)
}

/// How much each account is in use.
struct UseOf<'a> {
    baseline: &'a Baseline,
    seats: BTreeMap<&'a SourceId, (Option<Timestamp>, usize)>,
}

impl<'a> UseOf<'a> {
    fn new(baseline: &'a Baseline) -> Self {
        let mut seats: BTreeMap<&SourceId, (Option<Timestamp>, usize)> = BTreeMap::new();
        for ((_, user), seat) in &baseline.seats {
            let (last, count) = seats.entry(user).or_default();
            *last = (*last).max(seat.last_used_at);
            *count += 1;
        }
        Self { baseline, seats }
    }

    fn survivor<'b>(&self, first: &'b SourceId, second: &'b SourceId) -> &'b SourceId {
        if self.rank(second) > self.rank(first) { second } else { first }
    }

    fn rank(&self, id: &SourceId) -> (Option<Timestamp>, usize, usize) {
        let (last, seats) = self.seats.get(id).copied().unwrap_or_default();
        (last, seats, self.baseline.roster.enrollments.of(id).count())
    }
}
