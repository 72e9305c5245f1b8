//! Step 4: the published order in which people are served (licensing.md, Grant).

use std::cmp::Reverse;
use std::collections::BTreeSet;

use chrono::TimeDelta;
use sha2::{Digest, Sha256};

use crate::model::{DistrictId, Ended, Product, Timestamp, User};

use super::capacity::LAPSE_DAYS;
use super::district::District;
use super::index::Index;

/// How many ids are fetched before they are hashed: memory is waited for once for several of them.
const GATHERED: usize = 64;

/// A place in the order before the shuffle; the smallest is served first.
pub(super) type Tier = (Reverse<bool>, Reverse<bool>, Timestamp, u32);

/// One of several in the same place before the shuffle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Equal {
    /// The first bytes of their hash, which nearly always tell two apart.
    head: u64,
    candidate: Index,
    sort: Index,
}

impl Equal {
    /// Not yet shuffled.
    pub(super) fn new(candidate: usize, sort: usize) -> Self {
        Self { head: 0, candidate: Index::of(candidate), sort: Index::of(sort) }
    }

    /// Which candidate.
    pub(super) fn candidate(self) -> usize {
        self.candidate.get()
    }

    /// The pools they may be seated in.
    pub(super) fn sort(self) -> usize {
        self.sort.get()
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
    /// What every hash begins with.
    prefix: String,
    as_of: Timestamp,
}

impl<'a> Order<'a> {
    /// The order of `product` in the district `id` at `as_of`.
    pub(super) fn new(id: &DistrictId, district: &District<'a>, product: &'a Product, as_of: Timestamp) -> Self {
        let entry = |it: &'a String| {
            let one = std::slice::from_ref(it);
            (district.grade_words(one), district.schools_named(one))
        };
        let prefix = format!("{id}/{}/", product.code);
        Self { entries: product.order.iter().map(entry).collect(), prefix, as_of }
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

    /// Shuffles equals into the order of the hashes of district, product and user. Bytes of a hash order as its hex does.
    pub(super) fn shuffle(&self, equals: &mut [Equal], user: impl Fn(usize) -> &'a str) {
        if equals.len() < 2 {
            return;
        }
        let mut texts: Vec<u8> = Vec::new();
        let mut ends = Vec::new();
        for some in equals.chunks_mut(GATHERED) {
            texts.clear();
            ends.clear();
            for it in &*some {
                texts.extend_from_slice(self.prefix.as_bytes());
                texts.extend_from_slice(user(it.candidate()).as_bytes());
                ends.push(texts.len());
            }
            let mut start = 0;
            for (it, end) in some.iter_mut().zip(&ends) {
                let hash = Sha256::digest(texts.get(start..*end).unwrap_or_default());
                it.head = hash.iter().take(8).fold(0, |head, byte| head << 8 | u64::from(*byte));
                start = *end;
            }
        }
        equals.sort_unstable_by_key(|it| it.head);
        let whole = |it: &Equal| Sha256::digest(format!("{}{}", self.prefix, user(it.candidate())));
        for alike in equals.chunk_by_mut(|one, other| one.head == other.head).filter(|it| it.len() > 1) {
            alike.sort_by_cached_key(|it| (whole(it), it.candidate()));
        }
    }
}
