//! What the person asked for must be so once the seats are allocated, or nothing happens.

use std::collections::{BTreeMap, BTreeSet};

use crate::allocate::{Allocation, SeatKey};
use crate::model::{Baseline, ProductCode};

use super::effect::Effect;
use super::{Case, Refused};

/// Who must have a seat afterwards, and who must not.
#[derive(Debug, Default)]
pub(super) struct Promise {
    /// These have one.
    pub(super) seated: BTreeSet<SeatKey>,
    /// These have none.
    pub(super) without: BTreeSet<SeatKey>,
    /// These do not wait: they have one, or do not want one.
    pub(super) not_waiting: BTreeSet<SeatKey>,
}

/// Checks the promise on what `allocation` leads to from `after`.
pub(super) fn kept(case: Case<'_>, effect: &Effect, after: &Baseline, allocation: &Allocation) -> Result<(), Refused> {
    let promise = &effect.promise;
    let seated = |key: &SeatKey| allocation.seats.get(&after.seats, key).is_some();
    let waits = |key: &SeatKey| allocation.waiting.get(&after.waiting, key).is_some();
    let unmet = promise.seated.iter().filter(|key| !seated(key));
    let short: BTreeSet<&ProductCode> =
        unmet.chain(promise.not_waiting.iter().filter(|key| waits(key))).map(|(product, _)| product).collect();
    if let Some(product) = short.first() {
        let new = |key: &&SeatKey| key.0 == **product && !case.baseline.seats.contains_key(*key);
        let wanting: BTreeMap<&SeatKey, bool> = (promise.seated.iter().filter(new))
            .chain(promise.not_waiting.iter().filter(new).filter(|key| seated(key) || waits(key)))
            .map(|key| (key, seated(key)))
            .collect();
        let available = wanting.values().filter(|seated| **seated).count();
        return Err(Refused::NoSeats { product: (*product).clone(), available, needed: wanting.len() });
    }
    match promise.without.iter().find(|key| seated(key)) {
        Some((product, user)) => Err(Refused::Keeps { product: product.clone(), user: case.shown.user(user) }),
        None => Ok(()),
    }
}
