//! What a report says that is new, and whether any of it is a decision.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use schemars::JsonSchema;
use serde::Serialize;

use crate::model::{Basis, ProductCode, SourceId, Timestamp};
use crate::store::{Activity, KnownUse};

use super::{Reported, claimed, holder};

/// How far an application's clock may be ahead.
const AHEAD: TimeDelta = TimeDelta::minutes(5);

/// An entry that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Rejected {
    /// Its place in the report, from 0.
    pub index: usize,
    /// Its user, as reported.
    pub user: SourceId,
    /// Its product, as reported.
    pub product: ProductCode,
    /// Why, and what to do.
    pub reason: &'static str,
}

/// A report, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sorted {
    /// Entries that could not be used.
    pub rejected: Vec<Rejected>,
    /// Uses that say nothing new.
    pub unchanged: usize,
    /// Uses that do, by product and user.
    pub uses: Vec<Activity>,
    /// Whether one of them claims a seat or opens a `first_use` product.
    pub decides: bool,
}

/// Sorts a report by what is known. Several entries of one user and product count as one: first the earliest, last the latest.
pub fn sort(reported: &[Reported], known: &KnownUse, as_of: Timestamp) -> Sorted {
    let mut sorted = Sorted::default();
    let mut uses: BTreeMap<(ProductCode, SourceId), Activity> = BTreeMap::new();
    for (index, it) in reported.iter().enumerate() {
        let Reported { user, product, .. } = it;
        match usable(it, known, as_of) {
            Ok((first, last)) => {
                let new = || Activity { product: product.clone(), user: user.clone(), first, last };
                let one = uses.entry((product.clone(), user.clone())).or_insert_with(new);
                (one.first, one.last) = (one.first.min(first), one.last.max(last));
            }
            Err(reason) => {
                sorted.rejected.push(Rejected { index, user: user.clone(), product: product.clone(), reason });
            }
        }
    }
    for (key, it) in uses {
        let before = known.activity.get(&key);
        let holder = holder(&it, &known.persons, |key| known.seats.contains_key(key));
        let seat = known.seats.get(&(it.product.clone(), holder.clone()));
        let used = seat.and_then(|seat| Some((seat, claimed(seat, &it, false)?)));
        let more = before.is_none_or(|old| it.first < old.first || it.last > old.last);
        if !more && used.is_none() {
            sorted.unchanged += 1;
            continue;
        }
        let claims = used.is_some_and(|(seat, after)| seat.claimed_at != after.claimed_at);
        let basis = known.products.get(&it.product).map(|product| product.basis);
        sorted.decides |= claims || (before.is_none() && basis == Some(Basis::FirstUse));
        sorted.uses.push(it);
    }
    sorted
}

/// First and last use of an entry, or why it cannot be used.
fn usable(it: &Reported, known: &KnownUse, as_of: Timestamp) -> Result<(Timestamp, Timestamp), &'static str> {
    let first = it.first_used_at.or(it.last_used_at);
    let (Some(first), Some(last)) = (first, it.last_used_at.or(first)) else {
        return Err("neither `first_used_at` nor `last_used_at` is given; send at least one");
    };
    if last < first {
        return Err("`last_used_at` lies before `first_used_at`");
    }
    if last > as_of.plus(AHEAD) {
        return Err("the use lies in the future; check the clock of the application");
    }
    if !known.products.contains_key(&it.product) {
        return Err("there is no such product in the catalog");
    }
    if !known.users.contains(&it.user) {
        return Err("there is no such user in the roster; send it again after the user is in it");
    }
    Ok((first, last))
}
