//! Step 4: the published order in which people are served (licensing.md, Grant).

use std::cmp::Reverse;
use std::collections::BTreeSet;

use chrono::TimeDelta;
use sha2::{Digest, Sha256};

use crate::model::{DistrictId, Ended, Product, SourceId, Timestamp, User};

use super::capacity::LAPSE_DAYS;
use super::district::District;

/// A place in the order before the shuffle; the smallest is served first.
pub(super) type Tier = (Reverse<bool>, Reverse<bool>, Timestamp, usize);

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
    fn index(&self, accounts: &[&User]) -> usize {
        let listed = self.entries.iter().position(|(words, schools)| {
            accounts.iter().any(|user| {
                user.grades.iter().any(|it| words.contains(it.as_str()))
                    || user.roles.iter().any(|it| schools.contains(it.org.as_str()))
            })
        });
        listed.unwrap_or(usize::MAX)
    }

    /// The place of a user among equals. Bytes of a hash order as its hex does.
    pub(super) fn shuffled(&self, user: &SourceId) -> [u8; 32] {
        self.shuffle.clone().chain_update(user.as_str()).finalize().into()
    }

    /// Shuffles equals: their indexes in the order of their hashes, of which eight bytes nearly always tell them apart.
    pub(super) fn shuffle(&self, equals: &mut [usize], user: impl Fn(usize) -> Option<&'a SourceId>) {
        if equals.len() < 2 {
            return;
        }
        let hash = |index: usize| user(index).map(|id| self.shuffled(id)).unwrap_or_default();
        let head = |index: usize| {
            let mut head = [0; 8];
            head.iter_mut().zip(hash(index)).for_each(|(to, from)| *to = from);
            (u64::from_be_bytes(head), index)
        };
        let mut heads: Vec<(u64, usize)> = equals.iter().map(|index| head(*index)).collect();
        heads.sort_unstable_by(|one, other| {
            one.0.cmp(&other.0).then_with(|| hash(one.1).cmp(&hash(other.1))).then(one.1.cmp(&other.1))
        });
        for (to, (_, index)) in equals.iter_mut().zip(heads) {
            *to = index;
        }
    }
}
