//! Who had what on an earlier day, from the audit (`licenses --at`, `seats --at`). Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::allocate::{self, Input, License, Tallies};
use crate::audit::{Entry, Fold};
use crate::model::{
    Access, Baseline, Date, Leaving, Pool, ProductCode, Remembered, Seat, SourceId, Subscription, SubscriptionId,
    Timestamp, Waiting,
};

/// A district on its way through its audit.
#[derive(Debug)]
pub struct Rewound {
    /// The district: standing facts and roster as they are given, everything else as the entries so far tell it.
    then: Baseline,
    fold: Fold,
    /// Ids of users and schools by the name under which the fold knows them.
    names: BTreeMap<String, SourceId>,
    /// The fields of each subscription.
    terms: BTreeMap<SubscriptionId, Map<String, Value>>,
    /// The local day of the last entry.
    day: Option<Date>,
    /// The first entry that does not read back as a subscription.
    unreadable: Option<i64>,
}

/// The district as it was.
#[derive(Debug)]
pub struct Then {
    /// Seats, waitlist and contract; the roster as far as it was given.
    pub baseline: Baseline,
    /// When.
    pub as_of: Timestamp,
}

impl Rewound {
    /// Before the first entry. `now` is the district with the roster as it was on the day asked for; of users and schools
    /// that are known to the store but not in that roster the ids stand in `others`. `key` is the installation's.
    pub fn new(key: &[u8], now: Baseline, others: impl IntoIterator<Item = SourceId>) -> Self {
        let fold = Fold::new(key);
        let roster = &now.roster;
        let known = roster.users.keys().chain(roster.schools.keys()).cloned().chain(others);
        let names = known.map(|id| (fold.stored_name(id.as_str()), id)).collect();
        let mut then =
            Baseline { seats: BTreeMap::new(), waiting: BTreeMap::new(), remembered: Remembered::default(), ..now };
        then.catalog.subscriptions = BTreeMap::new();
        then.state.source = None;
        Self { then, fold, names, terms: BTreeMap::new(), day: None, unreadable: None }
    }

    /// The next entry.
    pub fn push(&mut self, entry: &Entry) {
        let day = entry.at.date_in(self.then.state.time_zone);
        if self.day.is_some_and(|last| last < day) {
            self.remember_grace(entry.at);
        }
        self.day = Some(day);
        self.fold.push(entry);
        if entry.entity == "subscription" {
            self.take_up(entry);
        }
    }

    /// The state after the last entry, looked at from `as_of`; the number of the first entry that tells of a subscription
    /// and cannot be read.
    pub fn finish(mut self, as_of: Timestamp) -> Result<Then, i64> {
        if let Some(seq) = self.unreadable {
            return Err(seq);
        }
        self.remember_grace(as_of);
        self.settle(as_of);
        Ok(Then { baseline: self.then, as_of })
    }

    fn take_up(&mut self, entry: &Entry) {
        let id = SubscriptionId::new(entry.id.as_str());
        let terms = self.terms.entry(id.clone()).or_default();
        for name in entry.before.iter().filter_map(Value::as_object).flat_map(Map::keys) {
            terms.remove(name);
        }
        for (name, value) in entry.after.iter().filter_map(Value::as_object).flatten() {
            terms.insert(name.clone(), value.clone());
        }
        match serde_json::from_value::<Subscription>(Value::Object(terms.clone())) {
            Ok(subscription) => {
                self.then.catalog.subscriptions.insert(id, subscription);
            }
            Err(_) => {
                self.unreadable.get_or_insert(entry.seq);
            }
        }
    }

    /// Notes how many seats were in use when a grace began: the state between two days is what the first allocation of the
    /// second found.
    fn remember_grace(&mut self, at: Timestamp) {
        let day = at.date_in(self.then.state.time_zone);
        let in_grace = |it: &Subscription| allocate::access_on(it, day) == Access::Grace;
        if !self.then.catalog.subscriptions.values().any(in_grace) {
            self.then.remembered.grace.clear();
            return;
        }
        self.settle(at);
        self.then.remembered.grace = allocate::grace(Input::of(&self.then, at));
    }

    /// Puts what the fold knows into the rows of the store.
    fn settle(&mut self, as_of: Timestamp) {
        let id = |name: &str| self.names.get(name).cloned().unwrap_or_else(|| SourceId::new(name));
        let pool = |name: &str| if name == "district" { Pool::District } else { Pool::School(id(name)) };
        let mut coverage: BTreeMap<&ProductCode, allocate::Coverage> = BTreeMap::new();
        for (product, _) in self.fold.seats.keys() {
            let of = || allocate::coverage(Input::of(&self.then, as_of), product);
            coverage.entry(product).or_insert_with(of);
        }
        let seats = self.fold.seats.iter().map(|((product, user), it)| {
            let user = id(user);
            let covered = coverage.get(product).copied().unwrap_or(allocate::Coverage::Covered);
            let seat = Seat {
                product: product.clone(),
                user: user.clone(),
                pool: pool(&it.pool),
                since: it.since,
                claimed_at: it.claimed_at,
                last_used_at: None,
                leaving: it.leaving.map(|since| Leaving { since, upload: None }),
                bridged: it.bridged,
                state: allocate::state_of(covered, it.bridged, it.leaving.is_some()),
            };
            ((product.clone(), user), seat)
        });
        let waiting = self.fold.waiting().into_iter().map(|((product, user), (position, it))| {
            let user = id(&user);
            let place = Waiting {
                product: product.clone(),
                user: user.clone(),
                since: it.since,
                position,
                short_of: pool(&it.short_of),
            };
            ((product, user), place)
        });
        let (seats, waiting) = (seats.collect(), waiting.collect());
        self.then.seats = seats;
        self.then.waiting = waiting;
    }
}

impl Then {
    /// The rows of `licenses` on that day. When a seat was last used the audit does not tell, nor when the roster was
    /// pulled, nor which accounts looked like one person's: those are null.
    pub fn licenses(&self, by_school: bool) -> Vec<License> {
        let students = allocate::active_students(&self.baseline.roster);
        let input = Input::of(&self.baseline, self.as_of);
        let tallies = Tallies::after(self.baseline.seats.values(), self.baseline.waiting.values(), students);
        let rows = tallies.licenses(input, by_school);
        rows.into_iter().map(|row| License { utilization_percent: None, ..row }).collect()
    }

    /// Holders of a product by user, and its waitlist by position.
    pub fn seats(&self, product: &ProductCode) -> (Vec<Seat>, Vec<Waiting>) {
        let seats = self.baseline.seats.values().filter(|it| it.product == *product);
        let mut waiting: Vec<Waiting> =
            self.baseline.waiting.values().filter(|it| it.product == *product).cloned().collect();
        waiting.sort_by_key(|it| it.position);
        (seats.cloned().collect(), waiting)
    }
}
