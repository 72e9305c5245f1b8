//! What a district may use of a product today: capacity, pools, and what contract dates do to it (licensing.md,
//! Subscriptions).

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::{
    Access, Catalog, Date, DistrictId, Overage, Pool, ProductCode, Seat, Seats, Shrink, SourceId, Subscription,
    SubscriptionId,
};

use super::contract::{Contract, size};
use super::demand::names_school;
use super::{Input, SeatKey};

/// Days after which suspended seats are released, and within which a user counts as returning.
pub(super) const LAPSE_DAYS: i64 = 400;

/// Whether contract lets a product's seats give access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Coverage {
    /// Never bought, or not begun (S3.35): no demand, no waitlist.
    NotActivated,
    /// A subscription is full or in grace.
    Covered,
    /// The last one ended: seats stay and give no access.
    Suspended,
    /// It ended more than 400 days ago: seats end too.
    Lapsed,
}

/// A pool and its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// The pool.
    pub(super) pool: Pool,
    /// Its seats.
    pub(super) seats: Seats,
    /// Whether its seats count in the total; those of a site license do not.
    pub(super) counted: bool,
}

/// Seats above the total that one subscription allows for so many days of a spell (S4.40).
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    /// Seats.
    pub(super) seats: u64,
    /// Days.
    pub(super) days: u32,
}

/// What a district may use of one product.
#[derive(Clone, Debug)]
pub(super) struct Capacity<'a> {
    /// Whether seats give access.
    pub(super) coverage: Coverage,
    /// The total; after expiry that of the last subscription.
    pub(super) total: Seats,
    /// Overage, on top of the district's pool.
    pub(super) allowances: Vec<Allowance>,
    /// Days over after which seats are taken back; none keeps them (S4.42).
    pub(super) remediate_days: Option<u32>,
    /// Schools by id, then the district; the district's pool is always there.
    pub(super) rooms: Vec<Room>,
    /// The subscription whose dates and buyer are shown; none if the district has none.
    pub(super) shown: Option<&'a Subscription>,
    /// When the license of `shown` was first created, whatever renewed it since.
    pub(super) created_on: Option<Date>,
    /// What `shown` gives.
    pub(super) access: Access,
    /// The alert threshold the contract names.
    pub(super) alert_remaining: Option<u32>,
    /// Of subscriptions in grace, the seats in use when it began.
    pub(super) grace: Vec<(SubscriptionId, u64)>,
    /// Products whose seats are carried over, each with the first day of the renewal.
    pub(super) carries: Vec<(&'a ProductCode, Date)>,
}

/// The subscriptions of a district, by id.
pub(super) fn of_district<'a>(catalog: &'a Catalog, district: &DistrictId) -> Vec<&'a Subscription> {
    catalog.subscriptions.values().filter(|it| it.district == *district).collect()
}

/// What the district of `input` may use of `product`.
pub(super) fn of<'a>(input: Input<'a>, product: &ProductCode) -> Capacity<'a> {
    with(input, product, |outside| {
        let counted = of_product(input.seats, product).filter(|seat| !seat.bridged && !outside.contains(&seat.pool));
        u64::try_from(counted.count()).unwrap_or(u64::MAX)
    })
}

/// The same where `in_use` counts the seats in use, bridged ones left out, of all pools but those it is given.
pub(super) fn with<'a>(
    input: Input<'a>,
    product: &ProductCode,
    in_use: impl Fn(&BTreeSet<&Pool>) -> u64,
) -> Capacity<'a> {
    let contract = Contract::new(input, product);
    let coverage = contract.coverage();
    let full = contract.counting();
    let grace = contract.with(Access::Grace);
    let (in_force, shown, access) = match coverage {
        Coverage::Covered => {
            let in_force: Vec<_> = full.iter().chain(&grace).copied().collect();
            let best = if full.is_empty() { (&grace, Access::Grace) } else { (&full, Access::Full) };
            let shown = best.0.iter().copied().max_by_key(|it| (it.expires_on, &it.id));
            (in_force, shown, best.1)
        }
        Coverage::Suspended | Coverage::Lapsed => {
            let last = contract.last();
            (last.into_iter().collect(), last, Access::None)
        }
        Coverage::NotActivated => {
            let next = contract.all.iter().copied().min_by_key(|it| (it.starts_on, &it.id));
            let access = next.map_or(Access::None, |it| contract.access(it));
            (Vec::new(), next, access)
        }
    };
    let rooms = rooms(input, &contract, &in_force);
    let sites: BTreeSet<&Pool> = rooms.iter().filter(|room| !room.counted).map(|room| &room.pool).collect();
    let began = |it: &Subscription| input.remembered.grace.get(&it.id).copied().unwrap_or_else(|| in_use(&sites));
    let grace_began: Vec<(SubscriptionId, u64)> = grace.iter().map(|it| (it.id.clone(), began(it))).collect();
    let total = match coverage {
        Coverage::NotActivated => Seats::Count(0),
        Coverage::Suspended | Coverage::Lapsed => sum(in_force.iter().map(|it| it.seats)),
        Coverage::Covered => covered(&full, grace.iter().copied().zip(grace_began.iter().map(|(_, used)| *used))),
    };
    let reclaims = !full.is_empty() && full.iter().all(|it| it.on_shrink == Shrink::Reclaim);
    Capacity {
        coverage,
        total,
        allowances: full.iter().filter_map(|it| allowance(it)).collect(),
        remediate_days: full.iter().map(|it| it.remediate_days).max().filter(|_| reclaims && grace.is_empty()),
        rooms,
        shown,
        created_on: shown.and_then(|it| contract.created_on(it)),
        access,
        alert_remaining: in_force.iter().filter_map(|it| contract.inherited(it, |link| link.alert_remaining)).max(),
        grace: grace_began,
        carries: contract.carries(),
    }
}

/// Whether contract lets the seats of a product give access.
pub fn coverage(input: Input<'_>, product: &ProductCode) -> Coverage {
    Contract::new(input, product).coverage()
}

/// Of the district's subscriptions in grace the seats in use when it began, which is now for those not remembered.
pub fn grace(input: Input<'_>) -> BTreeMap<SubscriptionId, u64> {
    let products: BTreeSet<&ProductCode> =
        of_district(input.catalog, &input.state.id).into_iter().map(|it| &it.product).collect();
    products.into_iter().flat_map(|product| of(input, product).grace).collect()
}

/// The total of subscriptions in full, and of those in grace with the seats in use when it began.
pub(super) fn covered<'a>(full: &[&Subscription], grace: impl Iterator<Item = (&'a Subscription, u64)>) -> Seats {
    grace.fold(sum(full.iter().map(|it| it.seats)), |total, (it, used)| {
        let more = used.saturating_sub(size(total)).min(size(it.seats));
        sum([total, Seats::Count(u32::try_from(more).unwrap_or(u32::MAX))])
    })
}

fn sum(seats: impl IntoIterator<Item = Seats>) -> Seats {
    seats.into_iter().fold(Seats::Count(0), |sum, more| match (sum, more) {
        (Seats::Count(one), Seats::Count(other)) => Seats::Count(one.saturating_add(other)),
        _ => Seats::Unlimited,
    })
}

/// The products that a map has entries of.
pub(super) fn products_of<T>(map: &BTreeMap<SeatKey, T>) -> Vec<&ProductCode> {
    let mut codes = Vec::new();
    let mut next = map.keys().next();
    while let Some((code, _)) = next {
        codes.push(code);
        next = map.range((after(code), SourceId::new(""))..).next().map(|(key, _)| key);
    }
    codes
}

/// The least code after this one.
fn after(code: &ProductCode) -> ProductCode {
    ProductCode::new(format!("{code}\0"))
}

/// Seats of one product.
pub(super) fn of_product<'a>(
    seats: &'a BTreeMap<SeatKey, Seat>,
    product: &ProductCode,
) -> impl Iterator<Item = &'a Seat> {
    range(seats, product).map(|(_, seat)| seat)
}

/// The entries of one product, by user.
pub(super) fn range<'a, T>(
    map: &'a BTreeMap<SeatKey, T>,
    product: &ProductCode,
) -> impl Iterator<Item = (&'a SourceId, &'a T)> {
    map.range((product.clone(), SourceId::new(""))..(after(product), SourceId::new("")))
        .map(|((_, user), it)| (user, it))
}

fn allowance(it: &Subscription) -> Option<Allowance> {
    match (it.overage, it.seats) {
        (Overage::Allow { percent, days }, Seats::Count(seats)) => {
            Some(Allowance { seats: u64::from(seats) * u64::from(percent) / 100, days })
        }
        _ => None,
    }
}

/// The pools of the subscriptions in force: allotments summed by school, and what is left.
fn rooms(input: Input<'_>, contract: &Contract<'_>, in_force: &[&Subscription]) -> Vec<Room> {
    let mut schools: BTreeMap<SourceId, Seats> = BTreeMap::new();
    let mut rest = Seats::Count(0);
    for it in contract.all.iter().filter(|it| in_force.iter().any(|other| other.id == it.id)) {
        let mut allotted: u32 = 0;
        for allotment in contract.allotments(it) {
            let known = schools.entry(school(input, &allotment.school)).or_insert(Seats::Count(0));
            *known = sum([*known, allotment.seats]);
            if let Seats::Count(seats) = allotment.seats {
                allotted = allotted.saturating_add(seats);
            }
        }
        let left = match it.seats {
            Seats::Count(seats) => Seats::Count(seats.saturating_sub(allotted)),
            Seats::Unlimited => Seats::Unlimited,
        };
        rest = sum([rest, left]);
    }
    let of_schools = schools.into_iter().map(|(id, seats)| Room {
        pool: Pool::School(id),
        seats,
        counted: seats != Seats::Unlimited,
    });
    let district = Room { pool: Pool::District, seats: rest, counted: true };
    of_schools.chain([district]).collect()
}

/// The org an allotment names: by source id, else by identifier or NCES number, else the word as it stands, which is then
/// no user's school.
fn school(input: Input<'_>, name: &str) -> SourceId {
    let exact = SourceId::new(name);
    // The id as the roster keeps it, which seats share.
    if let Some(org) = input.roster.schools().get(&exact) {
        return org.id.clone();
    }
    let named = input.roster.schools().values().find(|org| names_school(name, org));
    named.map_or(exact, |org| org.id.clone())
}
