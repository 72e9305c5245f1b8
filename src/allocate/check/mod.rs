//! What must always hold of one stored state (licensing.md), for `rosterd verify` and the tests.
//!
//! Written against the rules and not against the engine, with which it shares no code: slow and plain on purpose. Laws about
//! two states (1, 5, 6, 7, 9, 10) are property tests, 12 is the fold of the audit.

mod wish;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::Days;

use crate::model::{
    Baseline, CountBy, Date, Kind, Overage, Pool, Product, ProductCode, Seat, SeatState, Seats, SourceId, Subscription,
    SubscriptionStatus, Timestamp, Waiting,
};

use wish::{Wish, Wishes};

/// Something that must never be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The law of licensing.md, What must always hold, as `licensing.3`.
    pub code: &'static str,
    /// Which product and user, what is wrong, in ids only.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

/// Checks laws 2, 3, 4, 8 and 11 of the state a district was left in at `as_of`, the instant of its last allocation
/// (`DistrictState::allocated_at`): dates that passed since are not yet anybody's fault.
pub fn check(baseline: &Baseline, as_of: Timestamp) -> Vec<Violation> {
    let mut check = Check { baseline, today: as_of.date_in(baseline.state.time_zone), found: Vec::new() };
    check.keys();
    let wishes = Wishes::new(baseline, check.today);
    for product in baseline.catalog.products.values() {
        check.product(product, &wishes);
    }
    check.rows(as_of);
    check.found
}

struct Check<'a> {
    baseline: &'a Baseline,
    today: Date,
    found: Vec<Violation>,
}

impl<'a> Check<'a> {
    fn fails(&mut self, code: &'static str, text: String) {
        self.found.push(Violation { code, text });
    }

    /// 2: a seat and a place stand under their own product and user, so there is one of each.
    fn keys(&mut self) {
        let seats = self.baseline.seats.iter().map(|(key, it)| (key, &it.product, &it.user));
        let places = self.baseline.waiting.iter().map(|(key, it)| (key, &it.product, &it.user));
        let wrong: Vec<String> = seats
            .chain(places)
            .filter(|(key, product, user)| (&key.0, &key.1) != (*product, *user))
            .map(|(key, product, user)| {
                format!("{}/{} is stored as the seat or place of {product}/{user}", key.0, key.1)
            })
            .collect();
        for text in wrong {
            self.fails("licensing.2", text);
        }
    }

    fn product(&mut self, product: &'a Product, wishes: &Wishes<'a>) {
        let contract = Contract::of(self.baseline, &product.code, self.today);
        let of = |code: &ProductCode| *code == product.code;
        let seats: BTreeMap<&SourceId, &Seat> =
            self.baseline.seats.values().filter(|it| of(&it.product)).map(|it| (&it.user, it)).collect();
        let line: BTreeMap<&SourceId, &Waiting> =
            self.baseline.waiting.values().filter(|it| of(&it.product)).map(|it| (&it.user, it)).collect();
        let wishes: BTreeMap<&SourceId, Wish> =
            self.baseline.roster.users.values().map(|user| (&user.id, wishes.of(product, user))).collect();
        self.seats(product, &contract, &seats, &wishes);
        let people = self.people(product, &seats, &line, &wishes);
        self.one_each(product, &people, &seats);
        self.demand(product, &contract, &People { all: &people, seats: &seats, line: &line, wishes: &wishes });
        self.positions(product, &line);
        self.free_seats(product, &contract, &people, (&seats, &line));
    }

    /// 3: every seat is in demand, leaving, bridged or suspended, and says which.
    fn seats(
        &mut self,
        product: &Product,
        contract: &Contract<'_>,
        seats: &BTreeMap<&SourceId, &Seat>,
        wishes: &BTreeMap<&SourceId, Wish>,
    ) {
        for (user, seat) in seats {
            let expected = match (contract.covered(), seat.bridged, &seat.leaving) {
                (false, ..) => SeatState::Suspended,
                (true, true, _) => SeatState::Bridged,
                (true, false, Some(_)) => SeatState::Leaving,
                (true, false, None) => SeatState::Active,
            };
            let name = format!("the seat {}/{user}", product.code);
            if seat.state != expected {
                let text = format!("{name} says {:?} and is {expected:?}", seat.state);
                self.fails("licensing.3", text);
            }
            let wanted = wishes.get(user).is_some_and(|wish| *wish != Wish::No);
            if expected == SeatState::Active && !wanted {
                let text = format!("{name} is neither in demand, leaving, bridged nor suspended");
                self.fails("licensing.3", text);
            }
        }
    }

    /// Everyone the product knows, each with their accounts: one, or those of accepted links where it counts persons.
    fn people(
        &self,
        product: &Product,
        seats: &BTreeMap<&'a SourceId, &'a Seat>,
        line: &BTreeMap<&'a SourceId, &'a Waiting>,
        wishes: &BTreeMap<&'a SourceId, Wish>,
    ) -> Vec<Vec<&'a SourceId>> {
        let mut people: BTreeMap<&SourceId, BTreeSet<&SourceId>> = BTreeMap::new();
        for user in seats.keys().chain(line.keys()).chain(wishes.keys()) {
            let person = self.baseline.persons.get(*user).filter(|_| product.count_by == CountBy::Person);
            people.entry(person.unwrap_or(user)).or_default().insert(user);
        }
        people.into_values().map(|accounts| accounts.into_iter().collect()).collect()
    }

    /// 2: one seat per person.
    fn one_each(&mut self, product: &Product, people: &[Vec<&SourceId>], seats: &BTreeMap<&SourceId, &Seat>) {
        for accounts in people {
            let seated = accounts.iter().filter(|user| seats.contains_key(**user)).count();
            if let Some(user) = accounts.first().filter(|_| seated > 1) {
                self.fails("licensing.2", format!("the person {}/{user} has {seated} seats", product.code));
            }
        }
    }

    /// 4: who is in demand of an activated product has a seat or waits, nobody both, and nobody else waits.
    fn demand(&mut self, product: &Product, contract: &Contract<'_>, people: &People<'_, '_>) {
        for accounts in people.all {
            let Some(user) = accounts.first() else { continue };
            let name = format!("{}/{user}", product.code);
            let wish = |user: &SourceId| people.wishes.get(user).copied();
            let wants = accounts.iter().any(|user| wish(user) == Some(Wish::Yes));
            let may = accounts.iter().any(|user| matches!(wish(user), Some(Wish::Yes | Wish::IfOpened)));
            let seated = accounts.iter().any(|user| people.seats.contains_key(*user));
            let places = accounts.iter().filter(|user| people.line.contains_key(**user)).count();
            if seated && places > 0 {
                self.fails("licensing.4", format!("{name} has a seat and waits for one"));
            }
            if places > 1 {
                self.fails("licensing.4", format!("{name} waits {places} times"));
            }
            if contract.begun() && wants && !seated && places == 0 {
                let text = format!("{name} is in demand and neither has a seat nor waits");
                self.fails("licensing.4", text);
            }
            if places > 0 && !(contract.begun() && may) {
                self.fails("licensing.4", format!("{name} waits and is not in demand"));
            }
        }
    }

    /// 4: the line is numbered from 1 without a gap.
    fn positions(&mut self, product: &Product, line: &BTreeMap<&SourceId, &Waiting>) {
        let mut numbers: Vec<u32> = line.values().map(|it| it.position).collect();
        numbers.sort_unstable();
        if let Some((number, _)) = numbers.iter().zip(1..).find(|(number, next)| *number != next) {
            let text = format!("the line for {} is misnumbered at {number}", product.code);
            self.fails("licensing.4", text);
        }
    }

    /// 8: no free seat beside someone who could take it. Where grace, overage, renewals or site licenses blur what is free
    /// today, the engine's own property tests stand in.
    fn free_seats(
        &mut self,
        product: &Product,
        contract: &Contract<'_>,
        people: &[Vec<&SourceId>],
        (seats, line): (&BTreeMap<&SourceId, &Seat>, &BTreeMap<&SourceId, &Waiting>),
    ) {
        let Some((total, pools)) = contract.plain_pools(self.baseline) else { return };
        let used = seats.values().filter(|seat| !seat.bridged);
        let mut taken: BTreeMap<&Pool, usize> = BTreeMap::new();
        for seat in used.clone() {
            *taken.entry(&seat.pool).or_default() += 1;
        }
        if used.count() >= total {
            return;
        }
        let held = self.in_review();
        let waits = |accounts: &&Vec<&SourceId>| accounts.iter().any(|user| line.contains_key(*user));
        let free_to_have = |accounts: &&Vec<&SourceId>| !accounts.iter().any(|user| held.contains(*user));
        for accounts in people.iter().filter(waits).filter(free_to_have) {
            // A person may draw from the pools of every account.
            let users: Vec<_> = accounts.iter().filter_map(|id| self.baseline.roster.users.get(*id)).collect();
            let Some(user) = users.iter().find(|user| line.contains_key(&user.id)) else { continue };
            let active = users.iter().filter(|it| it.active || it.id == user.id);
            let mut mine: Vec<Pool> = active.flat_map(|it| &it.roles).map(|it| Pool::School(it.org.clone())).collect();
            mine.push(Pool::District);
            let free = mine
                .iter()
                .find(|pool| pools.get(*pool).is_some_and(|seats| taken.get(*pool).copied().unwrap_or(0) < *seats));
            if let Some(pool) = free {
                let text = format!("{}/{} waits beside a free seat of {pool}", product.code, user.id);
                self.found.push(Violation { code: "licensing.8", text });
            }
        }
    }

    /// Users with a change in review: they are not granted.
    fn in_review(&self) -> BTreeSet<SourceId> {
        let changes = self.baseline.waiting_changes();
        let user = |kind: Kind, id: &str| match kind {
            Kind::Users => Some(SourceId::new(id)),
            Kind::Enrollments => {
                let key: Vec<String> = serde_json::from_str(id).ok()?;
                key.into_iter().next().map(SourceId::new)
            }
            _ => None,
        };
        changes.filter_map(|it| user(it.kind, &it.id)).collect()
    }

    /// 11: in every row shown, total = assigned + available - over. After expiry nothing is available.
    fn rows(&mut self, as_of: Timestamp) {
        for row in super::licenses(self.baseline, as_of, true) {
            let (Some(total), Some(available)) = (row.total, row.available) else { continue };
            let covered = Contract::of(self.baseline, &row.product, self.today).covered();
            if covered && total + row.over != row.assigned + available {
                let place = row.school.map_or_else(|| "the district".to_owned(), |id| id.to_string());
                let text = format!(
                    "{} in {place}: total {total} is not assigned {} + available {available} - over {}",
                    row.product, row.assigned, row.over
                );
                self.fails("licensing.11", text);
            }
        }
    }
}

/// Who has and wants what of one product.
struct People<'a, 'b> {
    all: &'b [Vec<&'a SourceId>],
    seats: &'b BTreeMap<&'a SourceId, &'a Seat>,
    line: &'b BTreeMap<&'a SourceId, &'a Waiting>,
    wishes: &'b BTreeMap<&'a SourceId, Wish>,
}

/// The subscriptions of one product.
struct Contract<'a> {
    subscriptions: Vec<&'a Subscription>,
    /// Those of the district, of any product.
    district: Vec<&'a Subscription>,
    today: Date,
}

impl<'a> Contract<'a> {
    fn of(baseline: &'a Baseline, product: &ProductCode, today: Date) -> Self {
        let all = baseline.catalog.subscriptions.values();
        let district: Vec<_> = all.filter(|it| it.district == baseline.state.id).collect();
        let subscriptions = district.iter().copied().filter(|it| it.product == *product).collect();
        Self { subscriptions, district, today }
    }

    fn begun(&self) -> bool {
        self.subscriptions.iter().any(|it| it.starts_on <= self.today)
    }

    fn full(&self, it: &Subscription) -> bool {
        it.status == SubscriptionStatus::Active && (it.starts_on..=it.expires_on).contains(&self.today)
    }

    fn grace(&self, it: &Subscription) -> bool {
        let end = it.expires_on.checked_add_days(Days::new(u64::from(it.grace_days)));
        let renewed = self.district.iter().any(|other| {
            other.renews.as_ref() == Some(&it.id)
                && other.status == SubscriptionStatus::Active
                && other.starts_on <= self.today
        });
        it.status == SubscriptionStatus::Active
            && !renewed
            && it.expires_on < self.today
            && end.is_none_or(|end| self.today <= end)
    }

    fn covered(&self) -> bool {
        self.subscriptions.iter().any(|it| self.full(it) || self.grace(it))
    }

    /// Total and pools where they are a plain sum of numbers.
    fn plain_pools(&self, baseline: &Baseline) -> Option<(usize, BTreeMap<Pool, usize>)> {
        let in_force = self.subscriptions.iter().filter(|it| self.full(it) || self.grace(it));
        let mut pools: BTreeMap<Pool, usize> = BTreeMap::new();
        let mut total = 0;
        for it in in_force {
            let plain = self.full(it) && it.renews.is_none() && it.overage == Overage::Block;
            let (true, Seats::Count(seats)) = (plain, it.seats) else { return None };
            let mut left = usize::try_from(seats).ok()?;
            total += left;
            for allotment in &it.allotments {
                let Seats::Count(seats) = allotment.seats else { return None };
                let seats = usize::try_from(seats).ok()?;
                let school = SourceId::new(allotment.school.as_str());
                if !baseline.roster.schools.contains_key(&school) {
                    return None;
                }
                *pools.entry(Pool::School(school)).or_default() += seats;
                left = left.saturating_sub(seats);
            }
            *pools.entry(Pool::District).or_default() += left;
        }
        Some((total, pools))
    }
}
