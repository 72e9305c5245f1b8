//! The rows of `rosterd licenses` (licensing.md, Shown for each product, school and district; interface.md, JSON).

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::model::schema::written;
use crate::model::{
    Access, Baseline, CountBy, Date, DistrictId, Level, Pool, ProductCode, RoleName, Roster, Seat, Seats, SourceId,
    Status, Timestamp, User,
};

use super::Input;
use super::capacity::{self, Capacity, Coverage};
use super::contract;
use super::tallies::{Tallies, Tally};

/// Days back in which a use makes a seat recently active (S3.17).
pub const RECENTLY_ACTIVE_DAYS: i64 = 30;

/// A percentage with one decimal, rounded half up, kept as tenths and written as a JSON number (`94.9`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u32);

impl Percent {
    /// `part` of `whole`; none where the divisor is 0.
    pub fn of(part: u64, whole: u64) -> Option<Self> {
        let doubled = u128::from(whole) * 2;
        let tenths = (u128::from(part) * 2000 + u128::from(whole)).checked_div(doubled)?;
        Some(Self(u32::try_from(tenths).unwrap_or(u32::MAX)))
    }

    /// Tenths of a percent.
    pub fn tenths(self) -> u32 {
        self.0
    }
}

impl std::fmt::Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

written!(Percent, "percent", { "type": "number", "minimum": 0, "description": "percent, one decimal" });

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / 10.0)
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = serde_json::Number::deserialize(deserializer)?.to_string();
        let (whole, tenth) = text.split_once('.').unwrap_or((&text, "0"));
        let read =
            |digits: &str| digits.parse::<u32>().map_err(|_| de::Error::custom("no percentage with one decimal"));
        Ok(Self(read(whole)? * 10 + read(tenth.get(..1).unwrap_or_default())?))
    }
}

/// What a row counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PoolKind")]
pub enum Scope {
    /// All seats of the product but those of site licenses.
    Sum,
    /// A school's allotment.
    School,
    /// The unallotted rest.
    District,
}

/// One row of `rosterd licenses`, keys in the order of interface.md.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct License {
    /// The district.
    pub district: DistrictId,
    /// The product.
    pub product: ProductCode,
    /// What the row counts.
    pub pool: Scope,
    /// The school, in rows of schools.
    pub school: Option<SourceId>,
    /// Seats bought, or allotted; null for unlimited. After expiry those of the last subscription.
    pub total: Option<u64>,
    /// Seats in use, bridged ones left out.
    pub assigned: u64,
    /// Seats kept only because a held change would end them.
    pub bridged: u64,
    /// Seats left; null for unlimited, 0 after expiry.
    pub available: Option<u64>,
    /// Seats above the total.
    pub over: u64,
    /// Users waiting, in rows of pools those whose first pool it is.
    pub waiting: u64,
    /// `assigned / total` (S3.10).
    pub usage_percent: Option<Percent>,
    /// Recently active of `assigned` (S3.17).
    pub utilization_percent: Option<Percent>,
    /// Green, yellow or red (S4.19).
    pub level: Level,
    /// Yellow from so many seats left on: the contract's or the district's threshold, or the default (S4.6, S4.9).
    pub alert_remaining: u64,
    /// Active, Expired or Inactive (S4.13); null without any subscription.
    pub status: Option<Status>,
    /// What the seats give today.
    pub access: Access,
    /// Last day of the subscription that is shown.
    pub expires_on: Option<Date>,
    /// The buyer by its official name.
    pub licensed_to: Option<String>,
    /// The instant the row was computed for.
    pub as_of: Timestamp,
    /// When the roster behind the row was pulled or uploaded (S0.13); null before the first.
    pub roster_as_of: Option<Timestamp>,
    /// When the license was first created, not when it was renewed (S4.20).
    pub created_on: Option<Date>,
    /// What `assigned` would be if the accounts of one person counted once, those that strong keys propose among them
    /// (S2.15); null where the product counts persons already.
    pub assigned_if_merged: Option<u64>,
}

/// The rows of every product the district has bought or has seats of, by product; with `by_school` the sum is followed by
/// a row for each school with an allotment and one for the unallotted rest.
pub fn licenses(baseline: &Baseline, as_of: Timestamp, by_school: bool) -> Vec<License> {
    Tallies::of(baseline).licenses(Input::of(baseline, as_of), by_school)
}

impl Tallies {
    /// The same from what was counted. Of `input` the contract, what the last allocation left to remember, and of the roster the
    /// schools are looked at and nothing else.
    pub fn licenses(&self, input: Input<'_>, by_school: bool) -> Vec<License> {
        let bought = capacity::of_district(input.catalog, &input.state.id);
        let mut products: BTreeSet<&ProductCode> = bought.iter().map(|it| &it.product).collect();
        products.extend(self.seated());
        let mut rows = Vec::new();
        for product in products {
            let in_use = |outside: &BTreeSet<&Pool>| {
                let counted = self.pools(product).filter(|(pool, _)| !outside.contains(pool));
                counted.map(|(_, tally)| tally.assigned).sum()
            };
            let capacity = capacity::with(input, product, in_use);
            rows.extend(Shown { input, product, capacity: &capacity, tallies: self }.rows(by_school));
        }
        rows
    }
}

/// Whether a seat was used so lately that it counts as recently active (S3.16, S3.17).
pub fn recently_used(seat: &Seat, as_of: Timestamp) -> bool {
    seat.last_used_at.is_some_and(|used| used >= recent_since(as_of))
}

/// The first instant at which a use counts.
pub(super) fn recent_since(as_of: Timestamp) -> Timestamp {
    as_of.plus(TimeDelta::days(-RECENTLY_ACTIVE_DAYS))
}

/// Whether a user counts for the default threshold (S4.9).
pub fn is_active_student(user: &User) -> bool {
    user.active && user.roles.iter().any(|it| it.role == RoleName::Student)
}

/// Those of a roster.
pub fn active_students(roster: &Roster) -> u64 {
    u64::try_from(roster.users.values().filter(|user| is_active_student(user)).count()).unwrap_or(u64::MAX)
}

/// The default threshold by the number of active students (S4.9), before the cap of a tenth of the seats.
fn default_threshold(students: u64) -> u64 {
    match students {
        0..500 => 25,
        500..=2000 => 50,
        _ => 100,
    }
}

/// Seats of some pools, counted for one instant.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    assigned: u64,
    bridged: u64,
    recent: u64,
    waiting: u64,
}

impl Sum {
    fn of(tally: &Tally, as_of: Timestamp) -> Self {
        let Tally { assigned, bridged, waiting, .. } = *tally;
        Self { assigned, bridged, waiting, recent: tally.recent(as_of) }
    }

    fn add(&mut self, other: Self) {
        self.assigned += other.assigned;
        self.bridged += other.bridged;
        self.recent += other.recent;
        self.waiting += other.waiting;
    }
}

/// One product's numbers.
struct Shown<'a, 'b> {
    input: Input<'a>,
    product: &'b ProductCode,
    capacity: &'b Capacity<'a>,
    tallies: &'b Tallies,
}

impl Shown<'_, '_> {
    fn rows(&self, by_school: bool) -> Vec<License> {
        let pools: BTreeMap<&Pool, Sum> =
            self.tallies.pools(self.product).map(|(pool, it)| (pool, Sum::of(it, self.input.as_of))).collect();
        let sites: BTreeSet<&Pool> = self.capacity.rooms.iter().filter(|it| !it.counted).map(|it| &it.pool).collect();
        let mut sum = Sum::default();
        for (pool, it) in &pools {
            let outside = sites.contains(pool);
            sum.add(if outside { Sum { waiting: it.waiting, ..Sum::default() } } else { *it });
        }
        let total = number(self.capacity.total);
        let threshold = self.threshold();
        let mut rows = vec![self.row(Scope::Sum, None, total, sum, threshold)];
        if let Some(row) = rows.first_mut() {
            row.assigned_if_merged = self.if_merged(|pool| !sites.contains(pool));
        }
        if by_school {
            rows.extend(self.pools(&pools, threshold));
        }
        rows
    }

    /// One row per allotment and one for the rest; a pool that lost its allotment since the last allocation is shown while
    /// it has seats.
    fn pools(&self, counted: &BTreeMap<&Pool, Sum>, threshold: u64) -> Vec<License> {
        let mut pools: BTreeMap<&Pool, Seats> = counted.keys().map(|pool| (*pool, Seats::Count(0))).collect();
        pools.extend(self.capacity.rooms.iter().map(|room| (&room.pool, room.seats)));
        let whole = number(self.capacity.total);
        pools
            .into_iter()
            .map(|(pool, seats)| {
                let total = number(seats);
                let sum = counted.get(pool).copied().unwrap_or_default();
                let share = match (total, whole) {
                    (Some(part), Some(whole)) if whole > 0 => (threshold * part).div_ceil(whole),
                    (Some(part), None) => threshold.min(part / 10),
                    _ => 0,
                };
                let row = match pool {
                    Pool::School(id) => self.row(Scope::School, Some(id.clone()), total, sum, share),
                    Pool::District => self.row(Scope::District, None, total, sum, share),
                };
                License { assigned_if_merged: self.if_merged(|other| other == pool), ..row }
            })
            .collect()
    }

    /// Seats in use of some pools, each person counted once, where the product counts each account.
    fn if_merged(&self, wanted: impl Fn(&Pool) -> bool) -> Option<u64> {
        let product = self.input.catalog.products.get(self.product);
        let by_account = product.is_none_or(|it| it.count_by == CountBy::Account);
        by_account.then(|| self.tallies.if_merged(self.product, wanted)).flatten()
    }

    fn threshold(&self) -> u64 {
        let default = || {
            let tenth = number(self.capacity.total).map_or(u64::MAX, |total| total / 10);
            default_threshold(self.tallies.students()).min(tenth)
        };
        self.capacity.alert_remaining.map_or_else(default, u64::from)
    }

    fn row(&self, pool: Scope, school: Option<SourceId>, total: Option<u64>, sum: Sum, threshold: u64) -> License {
        let Sum { assigned, bridged, recent, waiting } = sum;
        let ended = matches!(self.capacity.coverage, Coverage::Suspended | Coverage::Lapsed);
        let left = total.map(|total| total.saturating_sub(assigned));
        let level = match (total, left) {
            (Some(total), _) if assigned >= total => Level::Red,
            (_, Some(left)) if left <= threshold => Level::Yellow,
            _ => Level::Green,
        };
        let today = self.input.as_of.date_in(self.input.state.time_zone);
        let shown = self.capacity.shown;
        License {
            district: self.input.state.id.clone(),
            product: self.product.clone(),
            pool,
            school,
            total,
            assigned,
            bridged,
            available: if ended { Some(0) } else { left },
            over: total.map_or(0, |total| assigned.saturating_sub(total)),
            waiting,
            usage_percent: total.and_then(|total| Percent::of(assigned, total)),
            utilization_percent: Percent::of(recent, assigned),
            level,
            alert_remaining: threshold,
            status: shown.map(|it| contract::status(it, today)),
            access: self.capacity.access,
            expires_on: shown.map(|it| it.expires_on),
            licensed_to: shown.and_then(|it| it.licensed_to.clone()),
            as_of: self.input.as_of,
            roster_as_of: self.input.state.source.as_ref().map(|it| it.pulled_at),
            created_on: self.capacity.created_on,
            assigned_if_merged: None,
        }
    }
}

fn number(seats: Seats) -> Option<u64> {
    match seats {
        Seats::Count(seats) => Some(u64::from(seats)),
        Seats::Unlimited => None,
    }
}
