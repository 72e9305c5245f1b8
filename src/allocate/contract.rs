//! The subscriptions of one product on one day: which count, what each inherits, when the last one ended (licensing.md,
//! Subscriptions).

use std::collections::BTreeMap;

use chrono::Days;

use crate::model::{Access, Allotment, Date, ProductCode, Remembered, Seats, Status, Subscription, SubscriptionStatus};

use super::Input;
use super::capacity::{Coverage, LAPSE_DAYS, of_district};

/// What a subscription gives on `today` by its own dates; a renewal may still void its grace.
pub fn access(it: &Subscription, today: Date) -> Access {
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

/// The last day of access.
pub(super) fn last_day(it: &Subscription) -> Date {
    let grace = Days::new(u64::from(it.grace_days));
    it.expires_on.checked_add_days(grace).unwrap_or(it.expires_on)
}

/// Unlimited is more than any number.
pub(super) fn size(seats: Seats) -> u64 {
    match seats {
        Seats::Count(n) => u64::from(n),
        Seats::Unlimited => u64::MAX,
    }
}

/// The subscriptions of one product, and the day.
pub(super) struct Contract<'a> {
    /// Of the product.
    pub(super) all: Vec<&'a Subscription>,
    /// Of the district: a renewal may be of another product.
    district: Vec<&'a Subscription>,
    remembered: &'a Remembered,
    today: Date,
}

impl<'a> Contract<'a> {
    pub(super) fn new(input: Input<'a>, product: &ProductCode) -> Self {
        let district = of_district(input.catalog, &input.state.id);
        Self::on(&district, input.remembered, product, input.as_of.date_in(input.state.time_zone))
    }

    /// Of the subscriptions of one district.
    pub(super) fn on(
        district: &[&'a Subscription],
        remembered: &'a Remembered,
        product: &ProductCode,
        today: Date,
    ) -> Self {
        let all = district.iter().copied().filter(|it| it.product == *product).collect();
        Self { all, district: district.to_vec(), remembered, today }
    }

    /// Access, with the grace of one whose renewal has begun void.
    pub(super) fn access(&self, it: &Subscription) -> Access {
        let own = access(it, self.today);
        let renewed = || {
            self.district.iter().any(|other| {
                other.renews.as_ref() == Some(&it.id)
                    && other.status == SubscriptionStatus::Active
                    && other.starts_on <= self.today
            })
        };
        if own == Access::Grace && renewed() { Access::None } else { own }
    }

    pub(super) fn with(&self, access: Access) -> Vec<&'a Subscription> {
        self.all.iter().copied().filter(|it| self.access(it) == access).collect()
    }

    /// What `it` renews, nearest first, of whatever product; a loop ends where it closes.
    fn renewed_by(&self, it: &'a Subscription) -> Vec<&'a Subscription> {
        let mut chain = vec![it];
        while let Some(previous) = chain
            .last()
            .and_then(|last| last.renews.as_ref())
            .and_then(|id| self.district.iter().copied().find(|other| other.id == *id))
        {
            if chain.iter().any(|seen| seen.id == previous.id) {
                break;
            }
            chain.push(previous);
        }
        chain
    }

    /// The subscriptions in full that count: of each chain of renewals the larger, of equal ones the later.
    pub(super) fn counting(&self) -> Vec<&'a Subscription> {
        let mut largest: BTreeMap<&str, &'a Subscription> = BTreeMap::new();
        for it in self.with(Access::Full) {
            let chain = self.renewed_by(it);
            let full = |link: &&&Subscription| link.product == it.product && self.access(link) == Access::Full;
            let root = chain.iter().take_while(full).last().map_or(it.id.as_str(), |link| link.id.as_str());
            let rank = |it: &Subscription| (size(it.seats), it.starts_on, it.id.clone());
            let known = largest.entry(root).or_insert(it);
            if rank(it) > rank(known) {
                *known = it;
            }
        }
        largest.into_values().collect()
    }

    /// The first value along what `it` renews: its own, else inherited.
    pub(super) fn inherited<T>(&self, it: &'a Subscription, of: impl Fn(&'a Subscription) -> Option<T>) -> Option<T> {
        self.renewed_by(it).into_iter().find_map(of)
    }

    pub(super) fn allotments(&self, it: &'a Subscription) -> &'a [Allotment] {
        let own = |link: &'a Subscription| (!link.allotments.is_empty()).then_some(link.allotments.as_slice());
        self.inherited(it, own).unwrap_or_default()
    }

    /// When the license was first created: a renewal is none (S4.20).
    pub(super) fn created_on(&self, it: &'a Subscription) -> Option<Date> {
        self.renewed_by(it).into_iter().filter_map(|link| link.created_on).min()
    }

    /// What a subscription in full of this product renews in another: who has a seat there has one here.
    pub(super) fn carries(&self) -> Vec<(&'a ProductCode, Date)> {
        let full = self.with(Access::Full).into_iter();
        let other = full.filter_map(|it| {
            let old = self.district.iter().copied().find(|other| it.renews.as_ref() == Some(&other.id))?;
            (old.product != it.product).then_some((&old.product, it.starts_on))
        });
        other.collect()
    }

    /// The last one that began; it tells what is shown after expiry.
    pub(super) fn last(&self) -> Option<&'a Subscription> {
        let begun = self.all.iter().copied().filter(|it| it.starts_on <= self.today);
        begun.max_by_key(|it| (it.expires_on, it.starts_on, &it.id))
    }

    pub(super) fn coverage(&self) -> Coverage {
        if self.all.iter().any(|it| matches!(self.access(it), Access::Full | Access::Grace)) {
            return Coverage::Covered;
        }
        let begun = self.all.iter().filter(|it| it.starts_on <= self.today);
        let ended = begun.map(|it| match it.status {
            SubscriptionStatus::Active if access(it, self.today) == Access::Grace => it.expires_on,
            SubscriptionStatus::Active => last_day(it),
            SubscriptionStatus::Inactive => {
                let seen = self.remembered.inactive.get(&it.id).copied().unwrap_or(self.today);
                seen.min(last_day(it))
            }
        });
        match ended.max() {
            None => Coverage::NotActivated,
            Some(day) if (self.today - day).num_days() > LAPSE_DAYS => Coverage::Lapsed,
            Some(_) => Coverage::Suspended,
        }
    }
}
