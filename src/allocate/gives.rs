//! What the seats of each product give on one day, by contract alone: what is asked at every login (licensing.md,
//! Subscriptions; S3.21, S4.14, S4.34).

use std::collections::BTreeMap;

use crate::model::{
    Access, Catalog, Date, DistrictState, ProductCode, Remembered, Seats, Subscription, SubscriptionStatus, Timestamp,
};

use super::capacity::{Coverage, covered, of_district};
use super::contract::{Contract, last_day};

/// What a contract says of a product on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// Seats give access.
    Full {
        /// The last day in full, of the subscription that is shown.
        last: Date,
    },
    /// Ended; seats still give access.
    Grace {
        /// The last day of access.
        last: Date,
    },
    /// Ended; seats are suspended.
    Expired {
        /// The last day of access.
        last: Date,
    },
    /// The vendor set it inactive.
    Inactive,
    /// Bought, and not begun.
    NotBegun {
        /// The first day.
        first: Date,
    },
    /// Never bought.
    NotBought,
}

/// What the seats of one product give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gives {
    /// By its own subscriptions.
    pub ground: Ground,
    /// Products that a subscription in force continues: who has a seat of one of these has one of this from that day on,
    /// also before a run has written it.
    pub carries: Vec<(ProductCode, Date)>,
}

/// What each product of the catalog gives a district on `today`.
pub fn gives(
    state: &DistrictState,
    catalog: &Catalog,
    remembered: &Remembered,
    today: Date,
) -> BTreeMap<ProductCode, Gives> {
    let district = of_district(catalog, &state.id);
    let of = |code: &ProductCode| {
        let contract = Contract::on(&district, remembered, code, today);
        let carries = contract.carries().into_iter().map(|(code, day)| (code.clone(), day)).collect();
        Gives { ground: ground(&contract), carries }
    };
    catalog.products.keys().map(|code| (code.clone(), of(code))).collect()
}

/// The seats in force of each product a district has any of, as `total` of `rosterd licenses` after its last allocation.
pub fn totals(
    state: &DistrictState,
    catalog: &Catalog,
    remembered: &Remembered,
    as_of: Timestamp,
) -> BTreeMap<ProductCode, Seats> {
    let district = of_district(catalog, &state.id);
    let today = as_of.date_in(state.time_zone);
    let mut totals = BTreeMap::new();
    for product in district.iter().map(|it| &it.product) {
        let contract = Contract::on(&district, remembered, product, today);
        if contract.coverage() == Coverage::Covered {
            let grace = contract.with(Access::Grace);
            let used = |it: &Subscription| remembered.grace.get(&it.id).copied().unwrap_or_default();
            let total = covered(&contract.counting(), grace.into_iter().map(|it| (it, used(it))));
            totals.insert(product.clone(), total);
        }
    }
    totals
}

/// The same as `access` of a row of `rosterd licenses`, with the reason.
fn ground(contract: &Contract<'_>) -> Ground {
    let expires = |all: Vec<&Subscription>| all.iter().map(|it| it.expires_on).max();
    let of_last = || match contract.last() {
        Some(it) if it.status == SubscriptionStatus::Inactive => Ground::Inactive,
        Some(it) => Ground::Expired { last: last_day(it) },
        None => Ground::NotBought,
    };
    match contract.coverage() {
        Coverage::Covered => {
            let grace = contract.with(Access::Grace);
            match (expires(contract.with(Access::Full)), grace.iter().map(|it| last_day(it)).max()) {
                (Some(last), _) => Ground::Full { last },
                (None, Some(last)) => Ground::Grace { last },
                (None, None) => of_last(),
            }
        }
        Coverage::Suspended | Coverage::Lapsed => of_last(),
        Coverage::NotActivated => match contract.all.iter().min_by_key(|it| (it.starts_on, &it.id)) {
            None => Ground::NotBought,
            Some(it) if it.status == SubscriptionStatus::Inactive => Ground::Inactive,
            Some(it) => Ground::NotBegun { first: it.starts_on },
        },
    }
}
