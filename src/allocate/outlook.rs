//! When the contract of a product ends, for those who must be told in time (licensing.md, Alerts).

use std::collections::BTreeMap;

use chrono::Days;

use crate::model::{Access, Date, ProductCode, Seats, Subscription, SubscriptionId, SubscriptionStatus};

use super::Input;
use super::capacity::{Coverage, of_district};
use super::contract::Contract;

/// Where a product's coverage stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// Nothing that could end or has ended by date: not begun, deactivated, lapsed, or continued under another product.
    None,
    /// In full; renewals that follow without a gap are counted in.
    Full {
        /// The last day.
        last: Date,
    },
    /// Ended, access goes on.
    Grace {
        /// The last day in full.
        last: Date,
        /// The last day of access.
        until: Date,
    },
    /// Ended.
    Ended {
        /// The last day of access.
        last: Date,
    },
}

/// Seats that are bought and not there yet (S4.41, S4.43).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coming {
    /// How many.
    pub seats: Seats,
    /// Their first day.
    pub starts_on: Date,
}

/// What the contract of one product says beyond its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// Where coverage stands.
    pub term: Term,
    /// Seats that come on top, the next first.
    pub coming: Option<Coming>,
    /// Subscriptions in force whose allotments exceed their seats: allotted and bought.
    pub exceeded: BTreeMap<SubscriptionId, (u64, u64)>,
}

/// The outlook of every product the district has bought. Of the roster nothing is looked at.
pub fn outlook(input: Input<'_>) -> BTreeMap<ProductCode, Outlook> {
    let today = input.as_of.date_in(input.state.time_zone);
    let district = of_district(input.catalog, &input.state.id);
    let mut all = BTreeMap::new();
    for product in district.iter().map(|it| &it.product) {
        let own = || {
            let contract = Contract::new(input, product);
            let view = View { contract: &contract, district: &district, product, today };
            Outlook { term: view.term(), coming: view.coming(), exceeded: view.exceeded() }
        };
        all.entry(product.clone()).or_insert_with(own);
    }
    all
}

struct View<'a, 'b> {
    contract: &'b Contract<'a>,
    district: &'b [&'a Subscription],
    product: &'b ProductCode,
    today: Date,
}

impl View<'_, '_> {
    fn term(&self) -> Term {
        let last = |all: &[&Subscription]| all.iter().map(|it| it.expires_on).max();
        let grace = self.contract.with(Access::Grace);
        if let Some(last) = last(&self.contract.with(Access::Full)) {
            return Term::Full { last: self.extended(last) };
        }
        let until = |it: &&Subscription| it.expires_on.checked_add_days(Days::new(u64::from(it.grace_days)));
        if let (Some(last), Some(until)) = (last(&grace), grace.iter().filter_map(until).max()) {
            return Term::Grace { last, until };
        }
        let ended = self.contract.last().filter(|it| it.status == SubscriptionStatus::Active && !self.continued(it));
        match (self.contract.coverage(), ended) {
            (Coverage::Suspended, Some(it)) => Term::Ended { last: until(&it).unwrap_or(it.expires_on) },
            _ => Term::None,
        }
    }

    /// The last day, with everything that begins on the day after it or before.
    fn extended(&self, mut last: Date) -> Date {
        let follows = |it: &&&Subscription| {
            it.status == SubscriptionStatus::Active && (it.product == *self.product || self.continues(it))
        };
        let following: Vec<_> = self.district.iter().filter(follows).collect();
        loop {
            let next = last.succ_opt().unwrap_or(last);
            let later = following.iter().filter(|it| it.starts_on <= next && it.expires_on > last);
            match later.map(|it| it.expires_on).max() {
                Some(day) => last = day,
                None => return last,
            }
        }
    }

    /// Whether a subscription of another product renews one of this.
    fn continues(&self, it: &Subscription) -> bool {
        self.contract.all.iter().any(|own| it.renews.as_ref() == Some(&own.id))
    }

    /// Whether a subscription is renewed by one that has begun.
    fn continued(&self, old: &Subscription) -> bool {
        let renews = |it: &&&Subscription| it.renews.as_ref() == Some(&old.id);
        let begun = |it: &Subscription| it.status == SubscriptionStatus::Active && it.starts_on <= self.today;
        self.district.iter().filter(renews).any(|it| begun(it))
    }

    fn coming(&self) -> Option<Coming> {
        let upcoming = self.contract.with(Access::Upcoming).into_iter().filter(|it| it.renews.is_none());
        let next = upcoming.min_by_key(|it| (it.starts_on, it.id.clone()))?;
        Some(Coming { seats: next.seats, starts_on: next.starts_on })
    }

    fn exceeded(&self) -> BTreeMap<SubscriptionId, (u64, u64)> {
        let in_force = self.contract.counting().into_iter().chain(self.contract.with(Access::Grace));
        let mut exceeded = BTreeMap::new();
        for it in in_force {
            let Seats::Count(bought) = it.seats else { continue };
            let counted = self.contract.allotments(it).iter().map(|share| match share.seats {
                Seats::Count(seats) => u64::from(seats),
                Seats::Unlimited => 0,
            });
            let allotted: u64 = counted.sum();
            if allotted > u64::from(bought) {
                exceeded.insert(it.id.clone(), (allotted, u64::from(bought)));
            }
        }
        exceeded
    }
}
