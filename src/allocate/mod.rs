//! Who gets which seat (licensing.md). Pure: the same input gives the same output byte for byte.
//!
//! [`allocate`] is called by `plan`, twice when something is held: once for everything that would happen, which tells what
//! is bridged, and once for what applies.

mod assignment;
mod capacity;
mod check;
mod classes;
mod contract;
mod dates;
mod demand;
mod difference;
mod district;
mod examine;
mod gives;
mod index;
mod licenses;
mod order;
mod outcome;
mod outlook;
mod over;
mod person;
mod pools;
mod product;
mod release;
mod roll;
mod seating;
mod sorts;
mod steady;
mod tallies;
#[cfg(test)]
pub(crate) mod tests;
mod unclear;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{
    Assignment, Baseline, Basis, Catalog, Date, DistrictState, EducatorAccess, Ended, Override, Pool, Product,
    ProductCode, ReleaseReason, Remembered, Seat, SourceId, SubscriptionStatus, Target, Timestamp, View, Waiting,
    Warning,
};

use product::{Desk, Sheets};

pub use capacity::{Coverage, coverage, grace};
pub use check::{Violation, check};
pub use contract::access as access_on;
pub use dates::Lasting;
pub use demand::{Demand, counts_for};
pub use difference::{Difference, Keyed};
pub use district::District;
pub(crate) use district::by_educators;
pub use examine::{Ahead, ClassSeen, Condition, Examined, Rule, Standing, examine};
pub use gives::{Gives, Ground, gives, totals};
pub use licenses::{
    License, Percent, RECENTLY_ACTIVE_DAYS, Scope, active_students, is_active_student, licenses, recently_used,
};
pub use outcome::state_of;
pub use outlook::{Coming, Outlook, Term, outlook};
pub(crate) use person::with_other_accounts;
pub use steady::steady_until;
pub use tallies::Tallies;

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
    pub roster: View<'a>,
    /// Users, enrollments and classes that left by mere absence, in this run or before: no evidence.
    pub departed: View<'a>,
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
    /// Assignments, and decisions on whole classes, those that ran out left in.
    pub assignments: &'a BTreeMap<(ProductCode, Target), Assignment>,
    /// When a user first opened a product.
    pub opened: &'a BTreeMap<SeatKey, Timestamp>,
    /// Accounts of one person, each with the one that stands for all.
    pub persons: &'a BTreeMap<SourceId, SourceId>,
    /// What the last allocation left to remember.
    pub remembered: &'a Remembered,
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

impl<'a> Input<'a> {
    /// The district as the store has it, with nothing pulled and nothing held.
    pub fn of(baseline: &'a Baseline, as_of: Timestamp) -> Self {
        static NOTHING: BTreeSet<SeatKey> = BTreeSet::new();
        static NOBODY: BTreeSet<SourceId> = BTreeSet::new();
        Self {
            state: &baseline.state,
            as_of,
            roster: (&baseline.roster).into(),
            departed: (&baseline.departed).into(),
            catalog: &baseline.catalog,
            seats: &baseline.seats,
            waiting: &baseline.waiting,
            ended: &baseline.ended,
            overrides: &baseline.overrides,
            educator_access: &baseline.educator_access,
            assignments: &baseline.assignments,
            opened: &baseline.opened,
            persons: &baseline.persons,
            remembered: &baseline.remembered,
            bridged: &NOTHING,
            held_users: &NOBODY,
            pull: None,
        }
    }
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
    /// The seat passes to another account of the same person; access never blinks.
    Passed {
        /// The account that has it from now on.
        account: SourceId,
        /// The pool it was drawn from.
        from: Pool,
        /// The pool it is drawn from now.
        to: Pool,
    },
    /// A new seat.
    Granted {
        /// Where it is drawn from.
        pool: Pool,
    },
    /// A new seat for who has one of the product this one renews; it may exceed what was bought.
    Carried {
        /// Where it is drawn from.
        pool: Pool,
        /// The product whose seat is carried over.
        renews: ProductCode,
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

impl SeatAction {
    /// Why the seat ended, if it did.
    pub fn released(&self) -> Option<ReleaseReason> {
        match self {
            Self::Released { reason, .. } => Some(*reason),
            Self::Moved { .. }
            | Self::Passed { .. }
            | Self::Granted { .. }
            | Self::Carried { .. }
            | Self::Leaving { .. }
            | Self::Stayed
            | Self::Waiting { .. }
            | Self::WaitingEnded => None,
        }
    }
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
    /// Seats that are not as they were.
    pub seats: Difference<Seat>,
    /// Places in line that are not as they were.
    pub waiting: Difference<Waiting>,
    /// How many seats are bridged afterwards.
    pub bridged: u64,
    /// How many wait afterwards.
    pub in_line: u64,
    /// What the store must keep for the next allocation.
    pub remembered: Remembered,
    /// What could not be told from the roster: classes without a teacher (P26), dates without a bound.
    pub warnings: Vec<Warning>,
}

impl Allocation {
    /// Whether nothing about seats and places is other than before.
    pub fn changes_nothing(&self) -> bool {
        self.seats.is_empty() && self.waiting.is_empty()
    }

    /// Whether one of the seats `before` is there afterwards and its demand not merely absent, or has `passed` to another account.
    pub fn keeps(&self, before: &BTreeMap<SeatKey, Seat>, passed: &BTreeSet<SeatKey>, key: &SeatKey) -> bool {
        self.seats.get(before, key).is_some_and(|seat| seat.leaving.is_none()) || passed.contains(key)
    }

    /// Seats that pass to another account of the same person.
    pub fn passed(&self) -> BTreeSet<SeatKey> {
        let passed = self.changes.iter().filter(|it| matches!(it.action, SeatAction::Passed { .. }));
        passed.map(|it| (it.product.clone(), it.user.clone())).collect()
    }
}

/// Allocates every product of the catalog, bundles first (licensing.md, One allocation).
///
/// Seats and places of a product the catalog does not know stay as they are.
pub fn allocate(input: Input<'_>) -> Allocation {
    District::new(input).allocate(input)
}

impl<'a> District<'a> {
    /// The same with the records that are laid out already: `input` has the roster, catalog and instant they were laid out
    /// for, and seats, places, decisions and holds as it likes.
    pub fn allocate(&self, input: Input<'a>) -> Allocation {
        let products = || input.catalog.products.values();
        let bundles = products().filter(|it| !it.bundle.is_empty());
        let others = products().filter(|it| it.bundle.is_empty());
        let mut all = Allocation { warnings: unclear::warnings(input, self), ..Allocation::default() };
        let mut sheets = Sheets::default();
        let mut bundled: BTreeMap<&ProductCode, BTreeSet<SourceId>> = BTreeMap::new();
        let nobody = BTreeSet::new();
        for product in bundles.chain(others) {
            let mut holders = Cow::Borrowed(bundled.get(&product.code).unwrap_or(&nobody));
            if person::by_person(product) && !holders.is_empty() {
                with_other_accounts(holders.to_mut(), input.persons);
            }
            let mut desk = Desk::new(input, self, product, &holders, &mut sheets);
            desk.sort_people();
            let seating = desk.place();
            let holders = desk.outcome(&seating, !product.bundle.is_empty(), &mut all, &mut sheets);
            for part in product.bundle.iter().filter(|part| **part != product.code) {
                bundled.entry(part).or_default().extend(holders.iter().cloned());
            }
        }
        if products().any(|it| !it.bundle.is_empty()) {
            all.changes.sort_by(|one, other| one.product.cmp(&other.product));
            all.seats.sort_products();
            all.waiting.sort_products();
        }
        all.remembered.inactive = inactive(input, self.today);
        let unknown = |code: &&ProductCode| !input.catalog.products.contains_key(*code);
        let count = |it: usize| u64::try_from(it).unwrap_or(u64::MAX);
        for code in capacity::products_of(input.seats).into_iter().filter(unknown) {
            all.bridged += count(capacity::of_product(input.seats, code).filter(|seat| seat.bridged).count());
        }
        for code in capacity::products_of(input.waiting).into_iter().filter(unknown) {
            all.in_line += count(capacity::range(input.waiting, code).count());
        }
        all
    }
}

/// Subscriptions the vendor set inactive, with the day that was first seen.
fn inactive(input: Input<'_>, today: Date) -> BTreeMap<crate::model::SubscriptionId, Date> {
    let all = capacity::of_district(input.catalog, &input.state.id).into_iter();
    let inactive = all.filter(|it| it.status == SubscriptionStatus::Inactive);
    let since = |id| input.remembered.inactive.get(id).copied().unwrap_or(today);
    inactive.map(|it| (it.id.clone(), since(&it.id))).collect()
}

/// Whether enrollments of a product's users are asked for at all.
fn asks_for_enrollments(input: Input<'_>) -> bool {
    let basis = |it: &Product| matches!(it.basis, Basis::Enrolled | Basis::Assigned);
    input.catalog.products.values().any(basis) || decides_on_classes(input)
}

/// Whether it matters which class an enrollment is in, and not only whether one runs.
fn asks_which(input: Input<'_>) -> bool {
    let judges = |it: &Product| demand::judges_classes(it);
    input.catalog.products.values().any(judges) || decides_on_classes(input)
}

fn decides_on_classes(input: Input<'_>) -> bool {
    input.assignments.keys().any(|(_, target)| matches!(target, Target::Class(_)))
}
