//! Step 4: the published order in which people are served (licensing.md, Grant).

use std::cmp::Reverse;

use chrono::TimeDelta;
use sha2::{Digest, Sha256};

use crate::model::{DistrictId, Ended, Product, SourceId, Timestamp, User, canonical_grade};

use super::capacity::LAPSE_DAYS;
use super::district::{District, schools_of};

/// A place in the order; the smallest is served first. Bytes of a hash order as its hex does.
pub(super) type Rank = (Reverse<bool>, Reverse<bool>, Timestamp, usize, [u8; 32]);

/// What the place of one user rests on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'a> {
    /// The user.
    pub(super) user: &'a User,
    /// Whether a person pinned them.
    pub(super) pinned: bool,
    /// The last seat they had.
    pub(super) ended: Option<&'a Ended>,
    /// Since when they wait.
    pub(super) since: Timestamp,
}

/// The order of one product.
#[derive(Debug)]
pub(super) struct Order<'a, 'b> {
    district: &'b District<'a>,
    /// `product.order`, each entry as it stands and as a grade.
    entries: Vec<(&'a str, String)>,
    shuffle: Sha256,
    as_of: Timestamp,
}

impl<'a, 'b> Order<'a, 'b> {
    /// The order of `product` in the district `id` at `as_of`.
    pub(super) fn new(id: &DistrictId, district: &'b District<'a>, product: &'a Product, as_of: Timestamp) -> Self {
        let entries = product.order.iter().map(|it| (it.as_str(), canonical_grade(it))).collect();
        let shuffle = Sha256::new().chain_update(format!("{id}/{}/", product.code));
        Self { district, entries, shuffle, as_of }
    }

    /// The place of one user.
    pub(super) fn rank(&self, claim: Claim<'_>) -> Rank {
        let returning = claim.ended.is_some_and(|it| self.returns(it));
        let shuffled = self.shuffled(&claim.user.id);
        let order = self.index(claim.user);
        (Reverse(claim.pinned), Reverse(returning), claim.since, order, shuffled)
    }

    fn returns(&self, ended: &Ended) -> bool {
        ended.reason.returns() && self.as_of <= ended.at.plus(TimeDelta::days(LAPSE_DAYS))
    }

    /// The first entry of the product's `order` that matches; the unlisted come last.
    fn index(&self, user: &User) -> usize {
        let listed = self.entries.iter().position(|(word, grade)| {
            user.grades.iter().any(|it| canonical_grade(it) == *grade)
                || schools_of(user).into_iter().any(|org| self.district.is_school(word, org))
        });
        listed.unwrap_or(usize::MAX)
    }

    fn shuffled(&self, user: &SourceId) -> [u8; 32] {
        self.shuffle.clone().chain_update(user.as_str()).finalize().into()
    }
}
