//! Seats and places in line of a district, counted by product and pool. What [`licenses`](fn@super::licenses) shows of any instant
//! follows from these counts, the contract and the schools, so that who keeps them need not keep the seats.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Baseline, Pool, ProductCode, Seat, SourceId, Timestamp, Waiting};

use super::licenses::{self, active_students};

/// Counts of one district, good for as long as nothing is committed to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tallies {
    /// Active students, by whom the default threshold goes (S4.9).
    students: u64,
    products: BTreeMap<ProductCode, BTreeMap<Pool, Tally>>,
    /// Whether it is known which accounts are likely of one person.
    knows_persons: bool,
}

/// Seats of one pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Seats in use, bridged ones left out.
    pub(super) assigned: u64,
    /// Seats kept only because a held change would end them.
    pub(super) bridged: u64,
    /// Users whose first pool it is.
    pub(super) waiting: u64,
    /// The last use of each seat in use that was used.
    used: Vec<Timestamp>,
    /// For each seat in use of an account that is one of several, the account that stands for all.
    several: Vec<SourceId>,
}

impl Tally {
    /// Seats in use that were used lately (S3.17).
    pub(super) fn recent(&self, as_of: Timestamp) -> u64 {
        let since = licenses::recent_since(as_of);
        count(self.used.iter().filter(|used| **used >= since).count())
    }

    fn add(&mut self, seat: &Seat, person: Option<&SourceId>) {
        if seat.bridged {
            self.bridged += 1;
        } else {
            self.assigned += 1;
            self.used.extend(seat.last_used_at);
            self.several.extend(person.cloned());
        }
    }
}

impl Tallies {
    /// All that there is to count. Of the roster the users are looked at and nothing else.
    pub fn of(baseline: &Baseline) -> Self {
        let merged = crate::identity::merged(baseline);
        let students = active_students(&baseline.roster);
        Self::new(baseline.seats.values(), baseline.waiting.values(), students, Some(&merged))
    }

    /// Of these seats and places, for a district with so many active students. It does not tell what would be if accounts were
    /// merged.
    pub fn after<'a>(
        seats: impl Iterator<Item = &'a Seat>,
        waiting: impl Iterator<Item = &'a Waiting>,
        students: u64,
    ) -> Self {
        Self::new(seats, waiting, students, None)
    }

    fn new<'a>(
        seats: impl Iterator<Item = &'a Seat>,
        waiting: impl Iterator<Item = &'a Waiting>,
        students: u64,
        merged: Option<&BTreeMap<SourceId, SourceId>>,
    ) -> Self {
        let mut all = Self { students, knows_persons: merged.is_some(), ..Self::default() };
        for seat in seats {
            let person = merged.and_then(|it| it.get(&seat.user));
            all.pool(&seat.product, &seat.pool).add(seat, person);
        }
        for place in waiting {
            all.pool(&place.product, &place.short_of).waiting += 1;
        }
        all
    }

    fn pool(&mut self, product: &ProductCode, pool: &Pool) -> &mut Tally {
        self.products.entry(product.clone()).or_default().entry(pool.clone()).or_default()
    }

    /// Active students.
    pub fn students(&self) -> u64 {
        self.students
    }

    /// Products that somebody has a seat of.
    pub(super) fn seated(&self) -> impl Iterator<Item = &ProductCode> {
        let has_seats = |pools: &BTreeMap<Pool, Tally>| pools.values().any(|it| it.assigned + it.bridged > 0);
        self.products.iter().filter(move |(_, pools)| has_seats(pools)).map(|(code, _)| code)
    }

    /// The pools of a product that have seats or people waiting.
    pub(super) fn pools(&self, product: &ProductCode) -> impl Iterator<Item = (&Pool, &Tally)> {
        self.products.get(product).into_iter().flatten()
    }

    /// Seats in use of some pools, each person counted once; none where persons are not known.
    pub(super) fn if_merged(&self, product: &ProductCode, wanted: impl Fn(&Pool) -> bool) -> Option<u64> {
        let pools = || self.pools(product).filter(|(pool, _)| wanted(pool)).map(|(_, tally)| tally);
        let persons: BTreeSet<&SourceId> = pools().flat_map(|it| &it.several).collect();
        let alone: u64 = pools().map(|it| it.assigned - count(it.several.len())).sum();
        self.knows_persons.then(|| alone + count(persons.len()))
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
