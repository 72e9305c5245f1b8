//! Who gets which seat (licensing.md). Pure: the same input gives the same output byte for byte.
//!
//! [`allocate`] is called by `plan`, twice when something is held: once for everything that would happen, which tells what
//! is bridged, and once for what applies.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{
    Catalog, Date, DistrictState, EducatorAccess, Ended, Override, Pool, ProductCode, ReleaseReason, Roster, Seat,
    SourceId, Timestamp, Waiting,
};

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
    /// Seats that a held change would end: they take no room (licensing.md, step 7).
    pub bridged: &'a BTreeSet<SeatKey>,
    /// Users with a held change: without a seat they keep the place in line but are granted none.
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

/// placeholder
pub fn allocate(_: Input<'_>) -> Allocation {
    Allocation::default()
}
