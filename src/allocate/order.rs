//! Step 4: the published order in which people are served (licensing.md, Grant).

use std::cmp::Reverse;
use std::collections::BTreeSet;

use chrono::TimeDelta;
use sha2::{Digest, Sha256};

use crate::model::{DistrictId, Ended, Product, SourceId, Timestamp, User};

use super::capacity::LAPSE_DAYS;
use super::district::District;

/// A place in the order before the shuffle; the smallest is served first.
pub(super) type Tier = (Reverse<bool>, Reverse<bool>, Timestamp, u32);

/// One of several in the same place before the shuffle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Equal {
    /// The first bytes of their hash, which nearly always tell two apart.
    head: u64,
    /// Which candidate.
    pub(super) candidate: usize,
    /// The pools they may be seated in.
    pub(super) sort: usize,
}

impl Equal {
    /// Not yet shuffled.
    pub(super) fn new(candidate: usize, sort: usize) -> Self {
        Self { head: 0, candidate, sort }
    }
}

/// What the place of one user, or of a person with several accounts, rests on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'a, 'b> {
    /// The accounts.
    pub(super) accounts: &'b [&'a User],
    /// Whether a person pinned them.
    pub(super) pinned: bool,
    /// The last seat they had.
    pub(super) ended: Option<&'a Ended>,
    /// Since when they wait.
    pub(super) since: Timestamp,
}

/// The order of one product.
#[derive(Debug)]
pub(super) struct Order<'a> {
    /// Each entry of `product.order`: the words that mean it as a grade, the ids that it means as a school.
    entries: Vec<(BTreeSet<&'a str>, BTreeSet<&'a str>)>,
    shuffle: Sha256,
    as_of: Timestamp,
}

impl<'a> Order<'a> {
    /// The order of `product` in the district `id` at `as_of`.
    pub(super) fn new(id: &DistrictId, district: &District<'a>, product: &'a Product, as_of: Timestamp) -> Self {
        let entry = |it: &'a String| {
            let one = std::slice::from_ref(it);
            (district.grade_words(one), district.schools_named(one))
        };
        let shuffle = Sha256::new().chain_update(format!("{id}/{}/", product.code));
        Self { entries: product.order.iter().map(entry).collect(), shuffle, as_of }
    }

    /// The place before the shuffle.
    pub(super) fn tier(&self, claim: Claim<'a, '_>) -> Tier {
        let returning = claim.ended.is_some_and(|it| self.returns(it));
        (Reverse(claim.pinned), Reverse(returning), claim.since, self.index(claim.accounts))
    }

    fn returns(&self, ended: &Ended) -> bool {
        ended.reason.returns() && self.as_of <= ended.at.plus(TimeDelta::days(LAPSE_DAYS))
    }

    /// The first entry of the product's `order` that matches; the unlisted come last.
    fn index(&self, accounts: &[&User]) -> u32 {
        if self.entries.is_empty() {
            return u32::MAX;
        }
        let listed = self.entries.iter().position(|(words, schools)| {
            accounts.iter().any(|user| {
                user.grades.iter().any(|it| words.contains(it.as_str()))
                    || user.roles.iter().any(|it| schools.contains(it.org.as_str()))
            })
        });
        listed.and_then(|index| u32::try_from(index).ok()).unwrap_or(u32::MAX)
    }

    /// The place of a user among equals. Bytes of a hash order as its hex does.
    pub(super) fn shuffled(&self, user: &SourceId) -> [u8; 32] {
        let mut hash = self.shuffle.clone();
        hash.update(user.as_str());
        hash.finalize_reset().into()
    }

    /// Shuffles equals into the order of their hashes.
    pub(super) fn shuffle(&self, equals: &mut [Equal], user: impl Fn(usize) -> Option<&'a SourceId>) {
        if equals.len() < 2 {
            return;
        }
        let hash = |it: &Equal| user(it.candidate).map(|id| self.shuffled(id)).unwrap_or_default();
        for it in &mut *equals {
            let mut head = [0; 8];
            head.iter_mut().zip(hash(it)).for_each(|(to, from)| *to = from);
            it.head = u64::from_be_bytes(head);
        }
        equals.sort_unstable_by(|one, other| {
            let whole = || hash(one).cmp(&hash(other)).then(one.candidate.cmp(&other.candidate));
            one.head.cmp(&other.head).then_with(whole)
        });
    }
}
