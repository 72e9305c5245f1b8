//! Who gets which seat (licensing.md). Pure: the same input gives the same output byte for byte.
//!
//! [`allocate`] is called by `plan`, twice when something is held: once for everything that would happen, which tells what
//! is bridged, and once for what applies.

mod capacity;
mod check;
mod dates;
mod demand;
mod district;
mod licenses;
mod order;
mod pools;
mod product;
mod release;
mod sorts;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{
    Catalog, Date, DistrictState, EducatorAccess, Ended, Override, Pool, ProductCode, ReleaseReason, Roster, Seat,
    SourceId, Timestamp, Waiting,
};

pub use check::{Violation, check};
pub use licenses::{License, Percent, Scope, licenses};

/// A seat or place in line is known by its product and user.
pub type SeatKey = (ProductCode, SourceId);

/// The complete snapshot an allocation follows; absence counts only with one (licensing.md, step 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    /// The local date it was pulled on.
    pub date: Date,
    /// The upload it came from, for CSV.
    pub upload: Option<String>,
}

/// Everything one allocation depends on.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// District, time zone, how end dates are meant.
    pub state: &'a DistrictState,
    /// The one instant of the run.
    pub as_of: Timestamp,
    /// Active records after the changes that apply.
    pub roster: &'a Roster,
    /// Users, enrollments and classes that left by mere absence, in this run or before: no evidence.
    pub departed: &'a Roster,
    /// Products, and the district's subscriptions.
    pub catalog: &'a Catalog,
    /// Present seats.
    pub seats: &'a BTreeMap<SeatKey, Seat>,
    /// Present waitlist.
    pub waiting: &'a BTreeMap<SeatKey, Waiting>,
    /// Last seats that ended.
    pub ended: &'a BTreeMap<SeatKey, Ended>,
    /// Pins and excludes, those that ran out left in.
    pub overrides: &'a BTreeMap<SeatKey, Override>,
    /// Educators whose access is not the default.
    pub educator_access: &'a BTreeMap<SeatKey, EducatorAccess>,
    /// Seats that the whole plan would end: those still in demand in `roster` are bridged and take no room (licensing.md,
    /// step 7), the others end like any. So all releases of the first call may stand here.
    pub bridged: &'a BTreeSet<SeatKey>,
    /// Users with a held change: without a seat they keep the place in line but are granted none. A seat that stands in
    /// `bridged` and whose user stands here is kept even without demand, unless a person ended it by hand: then the release
    /// itself is what is held.
    pub held_users: &'a BTreeSet<SourceId>,
    /// The complete snapshot this allocation follows; none for a change of dates, catalog or overrides alone.
    pub pull: Option<&'a Pull>,
}

/// What happens to one user's seat of one product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum SeatAction {
    /// The seat ends.
    Released {
        /// Where it was drawn from.
        pool: Pool,
        /// Since when it was held.
        since: Timestamp,
        /// Why it ends.
        reason: ReleaseReason,
    },
    /// The seat is drawn from another pool; access never blinks.
    Moved {
        /// From.
        from: Pool,
        /// To.
        to: Pool,
    },
    /// A new seat.
    Granted {
        /// Where it is drawn from.
        pool: Pool,
    },
    /// Demand is merely absent; the grace begins.
    Leaving {
        /// The local date.
        since: Date,
    },
    /// Demand is back within the grace.
    Stayed,
    /// In demand and without a seat.
    Waiting {
        /// The first pool.
        short_of: Pool,
    },
    /// No longer waiting, seated or not.
    WaitingEnded,
}

/// One change of a seat or place in line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatChange {
    /// The product.
    pub product: ProductCode,
    /// The user.
    pub user: SourceId,
    /// What happens.
    #[serde(flatten)]
    pub action: SeatAction,
}

/// The outcome: the changes in the order in which they are applied and audited (per product: releases, moves, grants,
/// leaving marks, waitlist; each by user), and the state they lead to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Allocation {
    /// Changes.
    pub changes: Vec<SeatChange>,
    /// All seats afterwards.
    pub seats: BTreeMap<SeatKey, Seat>,
    /// The whole waitlist afterwards.
    pub waiting: BTreeMap<SeatKey, Waiting>,
}

/// Allocates every product of the catalog, bundles first (licensing.md, One allocation).
///
/// Seats and places of a product the catalog does not know stay as they are.
pub fn allocate(input: Input<'_>) -> Allocation {
    let district = district::District::new(input);
    let products = || input.catalog.products.values();
    let bundles = products().filter(|it| !it.bundle.is_empty());
    let others = products().filter(|it| it.bundle.is_empty());
    let mut outcomes = BTreeMap::new();
    let mut bundled: BTreeMap<&ProductCode, BTreeSet<SourceId>> = BTreeMap::new();
    let nobody = BTreeSet::new();
    for product in bundles.chain(others) {
        let holders = bundled.get(&product.code).unwrap_or(&nobody);
        let outcome = product::allocate(input, &district, product, holders);
        for part in product.bundle.iter().filter(|part| **part != product.code) {
            bundled.entry(part).or_default().extend(outcome.seats.iter().map(|it| it.user.clone()));
        }
        outcomes.insert(&product.code, outcome);
    }
    let unknown = |key: &SeatKey| !input.catalog.products.contains_key(&key.0);
    let mut all = Allocation::default();
    let mut seats: Vec<(SeatKey, Seat)> = entries(input.seats, unknown);
    let mut waiting: Vec<(SeatKey, Waiting)> = entries(input.waiting, unknown);
    for outcome in outcomes.into_values() {
        all.changes.extend(outcome.changes);
        let key = |product: &ProductCode, user: &SourceId| (product.clone(), user.clone());
        seats.extend(outcome.seats.into_iter().map(|it| (key(&it.product, &it.user), it)));
        waiting.extend(outcome.waiting.into_iter().map(|it| (key(&it.product, &it.user), it)));
    }
    all.seats = seats.into_iter().collect();
    all.waiting = waiting.into_iter().collect();
    all
}

fn entries<T: Clone>(map: &BTreeMap<SeatKey, T>, wanted: impl Fn(&SeatKey) -> bool) -> Vec<(SeatKey, T)> {
    let some = map.iter().filter(|(key, _)| wanted(key));
    some.map(|(key, it)| (key.clone(), it.clone())).collect()
}
