//! What a district may use of a product today: capacity, pools, and what contract dates do to it (licensing.md,
//! Subscriptions).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, TimeDelta};

use crate::model::{
    Access, Allotment, Catalog, Date, DistrictId, Ended, Overage, Pool, ProductCode, Seat, Seats, SourceId, Status,
    Subscription, SubscriptionStatus,
};

use super::demand::names_school;
use super::{Input, SeatKey};

/// Days after which suspended seats are released, and within which a user counts as returning.
pub(super) const LAPSE_DAYS: i64 = 400;

/// Whether contract lets a product's seats give access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coverage {
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

/// What a district may use of one product.
#[derive(Clone, Debug)]
pub(super) struct Capacity<'a> {
    /// Whether seats give access.
    pub(super) coverage: Coverage,
    /// The total; after expiry that of the last subscription.
    pub(super) total: Seats,
    /// Seats above the total that may be granted today (`overage`), on top of the district's pool.
    pub(super) overage: u64,
    /// Schools by id, then the district; the district's pool is always there.
    pub(super) rooms: Vec<Room>,
    /// The subscription whose dates and buyer are shown; none if the district has none.
    pub(super) shown: Option<&'a Subscription>,
    /// What `shown` gives.
    pub(super) access: Access,
    /// The alert threshold the contract names.
    pub(super) alert_remaining: Option<u32>,
}

/// The subscriptions of a district, by id.
pub(super) fn of_district<'a>(catalog: &'a Catalog, district: &DistrictId) -> Vec<&'a Subscription> {
    catalog.subscriptions.values().filter(|it| it.district == *district).collect()
}

/// What a subscription gives on `today` by its own dates; a renewal may still void its grace.
pub(super) fn access(it: &Subscription, today: Date) -> Access {
    if it.status == SubscriptionStatus::Inactive {
        Access::None
    } else if today < it.starts_on {
        Access::Upcoming
    } else if today <= it.expires_on {
        Access::Full
    } else if today <= last_day(it) {
        Access::Grace
    } else {
        Access::None
    }
}

/// The shown status (S4.13).
pub(super) fn status(it: &Subscription, today: Date) -> Status {
    if it.status == SubscriptionStatus::Inactive {
        Status::Inactive
    } else if it.expires_on < today {
        Status::Expired
    } else {
        Status::Active
    }
}

fn last_day(it: &Subscription) -> Date {
    let grace = Days::new(u64::from(it.grace_days));
    it.expires_on.checked_add_days(grace).unwrap_or(it.expires_on)
}

/// The subscriptions of one product, and the day.
struct Contract<'a> {
    all: Vec<&'a Subscription>,
    today: Date,
}

impl<'a> Contract<'a> {
    /// Access, with the grace of one whose renewal has begun void.
    fn access(&self, it: &Subscription) -> Access {
        let own = access(it, self.today);
        let renewed = || {
            self.all.iter().any(|other| {
                other.renews.as_ref() == Some(&it.id)
                    && other.status == SubscriptionStatus::Active
                    && other.starts_on <= self.today
            })
        };
        if own == Access::Grace && renewed() { Access::None } else { own }
    }

    fn with(&self, access: Access) -> Vec<&'a Subscription> {
        self.all.iter().copied().filter(|it| self.access(it) == access).collect()
    }

    /// What `it` renews, nearest first; a loop ends where it closes.
    fn renewed_by(&self, it: &'a Subscription) -> Vec<&'a Subscription> {
        let mut chain = vec![it];
        while let Some(previous) = chain
            .last()
            .and_then(|last| last.renews.as_ref())
            .and_then(|id| self.all.iter().copied().find(|other| other.id == *id))
        {
            if chain.iter().any(|seen| seen.id == previous.id) {
                break;
            }
            chain.push(previous);
        }
        chain
    }

    /// The subscriptions in full that count: of each chain of renewals the larger, of equal ones the later.
    fn counting(&self) -> Vec<&'a Subscription> {
        let full = self.with(Access::Full);
        let mut largest: BTreeMap<&str, &'a Subscription> = BTreeMap::new();
        for it in full {
            let chain = self.renewed_by(it);
            let oldest = chain.iter().take_while(|link| self.access(link) == Access::Full).last();
            let root = oldest.map_or(it.id.as_str(), |link| link.id.as_str());
            let rank = |it: &Subscription| (size(it.seats), it.starts_on, it.id.clone());
            let known = largest.entry(root).or_insert(it);
            if rank(it) > rank(known) {
                *known = it;
            }
        }
        largest.into_values().collect()
    }

    /// The first value along what `it` renews: its own, else inherited.
    fn inherited<T>(&self, it: &'a Subscription, of: impl Fn(&'a Subscription) -> Option<T>) -> Option<T> {
        self.renewed_by(it).into_iter().find_map(of)
    }

    fn allotments(&self, it: &'a Subscription) -> &'a [Allotment] {
        let own = |link: &'a Subscription| (!link.allotments.is_empty()).then_some(link.allotments.as_slice());
        self.inherited(it, own).unwrap_or_default()
    }

    /// The last one that began; it tells what is shown after expiry.
    fn last(&self) -> Option<&'a Subscription> {
        let begun = self.all.iter().copied().filter(|it| it.starts_on <= self.today);
        begun.max_by_key(|it| (it.expires_on, it.starts_on, &it.id))
    }

    fn coverage(&self) -> Coverage {
        if self.all.iter().any(|it| matches!(self.access(it), Access::Full | Access::Grace)) {
            return Coverage::Covered;
        }
        let begun = self.all.iter().filter(|it| it.starts_on <= self.today);
        // When the vendor deactivated one is not known; its last day is the latest it can be.
        let ended = begun.map(|it| match it.status {
            SubscriptionStatus::Active if access(it, self.today) == Access::Grace => it.expires_on,
            SubscriptionStatus::Active => last_day(it),
            SubscriptionStatus::Inactive => it.expires_on,
        });
        match ended.max() {
            None => Coverage::NotActivated,
            Some(day) if (self.today - day).num_days() > LAPSE_DAYS => Coverage::Lapsed,
            Some(_) => Coverage::Suspended,
        }
    }
}

/// Unlimited is more than any number.
fn size(seats: Seats) -> u64 {
    match seats {
        Seats::Count(n) => u64::from(n),
        Seats::Unlimited => u64::MAX,
    }
}

/// What the district of `input` may use of `product`.
pub(super) fn of<'a>(input: Input<'a>, product: &ProductCode) -> Capacity<'a> {
    let today = input.as_of.date_in(input.state.time_zone);
    let mut all = of_district(input.catalog, &input.state.id);
    all.retain(|it| it.product == *product);
    let contract = Contract { all, today };
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
    let sites = sites(input, &contract, &in_force);
    let present = || of_product(input.seats, product);
    let full_seats = sum(full.iter().map(|it| it.seats));
    let total = match coverage {
        Coverage::NotActivated => Seats::Count(0),
        Coverage::Suspended | Coverage::Lapsed => sum(in_force.iter().map(|it| it.seats)),
        Coverage::Covered => {
            let mut total = full_seats;
            for it in &grace {
                let used = in_use_when_grace_began(input, it, product, &sites);
                let more = used.saturating_sub(size(total)).min(size(it.seats));
                total = sum([total, Seats::Count(u32::try_from(more).unwrap_or(u32::MAX))]);
            }
            total
        }
    };
    let overage = if full.iter().any(|it| it.overage != Overage::Block) {
        let counted = present().filter(|seat| !seat.bridged && !sites.contains(&seat.pool));
        let days = counted.map(|seat| seat.since.date_in(input.state.time_zone));
        let spell = spell_began(size(total), days);
        full.iter().map(|it| overage_of(it, spell, today)).sum()
    } else {
        0
    };
    Capacity {
        coverage,
        total,
        overage,
        rooms: rooms(input, &contract, &in_force),
        shown,
        access,
        alert_remaining: in_force.iter().filter_map(|it| contract.inherited(it, |link| link.alert_remaining)).max(),
    }
}

fn sum(seats: impl IntoIterator<Item = Seats>) -> Seats {
    seats.into_iter().fold(Seats::Count(0), |sum, more| match (sum, more) {
        (Seats::Count(one), Seats::Count(other)) => Seats::Count(one.saturating_add(other)),
        _ => Seats::Unlimited,
    })
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
    let of = product.clone();
    map.range((product.clone(), SourceId::new(""))..)
        .take_while(move |((code, _), _)| *code == of)
        .map(|((_, user), it)| (user, it))
}

/// The seats in use when the grace of `it` began, from what is known today: seats older than that, and those that ended
/// since. A seat that both began and ended within the grace counts too, because `Ended` does not say when it began; the
/// subscription's own seats bound the sum.
fn in_use_when_grace_began(input: Input<'_>, it: &Subscription, product: &ProductCode, sites: &BTreeSet<Pool>) -> u64 {
    let before =
        |seat: &&Seat| seat.since.date_in(input.state.time_zone) <= it.expires_on && !sites.contains(&seat.pool);
    let since = |ended: &&Ended| ended.at.date_in(input.state.time_zone) > it.expires_on;
    let there = of_product(input.seats, product).filter(before).count();
    let gone = range(input.ended, product).filter(|(_, ended)| since(ended)).count();
    u64::try_from(there.saturating_add(gone)).unwrap_or(u64::MAX)
}

/// When the present spell over the total began: the day of the seat that was the first above it. Where seats above the
/// total changed hands this is later than the true day, which only the audit knows; this function is the one place to
/// give it.
fn spell_began(total: u64, since: impl Iterator<Item = Date>) -> Option<Date> {
    let mut days: Vec<Date> = since.collect();
    days.sort_unstable();
    usize::try_from(total).ok().and_then(|first_above| days.get(first_above).copied())
}

/// Seats above the limit that `it` allows today (S4.40).
fn overage_of(it: &Subscription, spell_began: Option<Date>, today: Date) -> u64 {
    match (it.overage, it.seats) {
        (Overage::Allow { percent, days }, Seats::Count(seats))
            if spell_began.is_none_or(|day| today - day <= TimeDelta::days(i64::from(days))) =>
        {
            u64::from(seats) * u64::from(percent) / 100
        }
        _ => 0,
    }
}

/// Pools of site licenses.
fn sites(input: Input<'_>, contract: &Contract<'_>, in_force: &[&Subscription]) -> BTreeSet<Pool> {
    let mut sites = BTreeSet::new();
    for it in contract.all.iter().filter(|it| in_force.iter().any(|other| other.id == it.id)) {
        for allotment in contract.allotments(it) {
            if allotment.seats == Seats::Unlimited {
                sites.insert(Pool::School(school(input, &allotment.school)));
            }
        }
    }
    sites
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
    if input.roster.schools.contains_key(&exact) {
        return exact;
    }
    let named = input.roster.schools.values().find(|org| names_school(name, org));
    named.map_or(exact, |org| org.id.clone())
}
