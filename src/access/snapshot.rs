//! What an application answers from while `rosterd` cannot be asked: one signed file a district.
//!
//! Two lines: a JSON document, and the lowercase hex of HMAC-SHA256 over the first line without its line feed. `seats` has a
//! row for each set of products, `users` the row of each user; `products` says what a seat gives on each of the coming days,
//! so that the file is also right after a midnight. Ids only, no names of people.

use std::collections::BTreeMap;

use chrono::Days;
use serde::Serialize;

use crate::allocate::Ground;
use crate::keyed::keyed_hex;
use crate::model::{Date, DistrictId, ProductCode, Timestamp};

use super::answer::Verdict;
use super::index::Index;

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    district: &'a DistrictId,
    time_zone: &'static str,
    as_of: Timestamp,
    version: i64,
    /// The last day it says anything of.
    valid_through: Date,
    /// Of each seat that gives something: day by day.
    products: BTreeMap<String, Given<'a>>,
    /// Sets of keys of `products`.
    seats: Vec<Vec<String>>,
    /// Each user's place in `seats`.
    users: BTreeMap<&'a str, usize>,
}

/// A product as one kind of seat gives it.
#[derive(Serialize)]
struct Given<'a> {
    product: &'a ProductCode,
    name: &'a str,
    days: BTreeMap<Date, Verdict>,
}

/// The first line of a snapshot.
pub fn snapshot(index: &Index, as_of: Timestamp, days: u32) -> Result<String, serde_json::Error> {
    let first = index.day(as_of);
    let all: Vec<_> = (0..u64::from(days.max(1)))
        .filter_map(|ahead| first.checked_add_days(Days::new(ahead)))
        .map(|day| index.today(day))
        .collect();
    let (mut products, mut sets) = (BTreeMap::new(), BTreeMap::new());
    let (mut seats, mut users) = (Vec::new(), BTreeMap::new());
    // Whoever shares no seat with other accounts has what all of the same share have.
    let mut by_share: BTreeMap<u32, usize> = BTreeMap::new();
    for user in index.users() {
        let share = index.alone(user);
        if let Some(place) = share.and_then(|share| by_share.get(&share)) {
            users.insert(user, *place);
            continue;
        }
        // What each day gives, by product.
        let mut of_user: BTreeMap<usize, BTreeMap<Date, Verdict>> = BTreeMap::new();
        for today in &all {
            for (place, ground) in index.seated(today, user) {
                of_user.entry(place).or_default().insert(today.day, verdict(ground));
            }
        }
        of_user.retain(|_, days| days.values().any(|it| *it != Verdict::No));
        let place = if let Some(place) = sets.get(&of_user) {
            *place
        } else {
            let keys = of_user.iter().map(|(place, days)| given(index, &mut products, *place, days)).collect();
            seats.push(keys);
            sets.insert(of_user, seats.len() - 1);
            seats.len() - 1
        };
        if let Some(share) = share {
            by_share.insert(share, place);
        }
        users.insert(user, place);
    }
    let last = all.last().map_or(first, |it| it.day);
    serde_json::to_string(&Document {
        format: "rosterd-access-1",
        district: &index.state().id,
        time_zone: index.state().time_zone.name(),
        as_of,
        version: all.first().map_or(0, |today| index.version(today)),
        valid_through: last,
        products,
        seats,
        users,
    })
}

/// The key of a product as a seat gives it: its code, with a number where several kinds of seat differ.
fn given<'a>(
    index: &'a Index,
    products: &mut BTreeMap<String, Given<'a>>,
    place: usize,
    days: &BTreeMap<Date, Verdict>,
) -> String {
    let Some(product) = index.products.get(place) else { return String::new() };
    let mut key = product.code.to_string();
    let mut number = 1;
    while products.get(&key).is_some_and(|it| it.product != &product.code || it.days != *days) {
        number += 1;
        key = format!("{}#{number}", product.code);
    }
    let new = || Given { product: &product.code, name: &product.name, days: days.clone() };
    products.entry(key.clone()).or_insert_with(new);
    key
}

fn verdict(ground: Ground) -> Verdict {
    match ground {
        Ground::Full { .. } => Verdict::Yes,
        Ground::Grace { .. } => Verdict::Grace,
        Ground::Expired { .. } | Ground::Inactive | Ground::NotBegun { .. } | Ground::NotBought => Verdict::No,
    }
}

/// The two lines of a file.
pub fn sign(document: &str, key: &[u8]) -> String {
    format!("{document}\n{}\n", keyed_hex(key, document.as_bytes()))
}
