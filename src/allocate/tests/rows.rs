//! What an allocation leaves of rows: products the catalog does not know, products in order, one row of each key.

use std::collections::BTreeMap;

use super::world::day;
use super::world::{World, product, subscription};
use crate::allocate::{Difference, SeatKey, steady_until};
use crate::model::{ProductCode, Seat, SourceId};

/// Seats and places of a product that the catalog lost stay, and are counted as they are.
#[test]
fn a_product_the_catalog_does_not_know_is_counted_with_the_others() {
    let mut it = World::seats(2);
    it.students(&["ann", "ben", "cas"]);
    it.settle();
    let seated = it.seats.keys().next().unwrap().1.clone();
    it.seat(seated.as_str()).bridged = true;
    it.catalog.products.clear();
    let outcome = it.run();
    assert!(outcome.changes_nothing());
    assert_eq!((outcome.bridged, outcome.in_line), (1, 1));
}

/// A bundle is allocated first, and its rows stand where its code does.
#[test]
fn rows_stand_in_the_order_of_products() {
    let mut it = World::seats(3);
    let mut both = product("zoology");
    both.bundle = vec!["reading".into()];
    both.grades = vec!["05".to_owned()];
    it.product(both);
    it.subscription(subscription("ALL", "zoology", 3));
    it.students(&["ann", "ben", "cas"]);
    it.user("ben").grades = vec!["05".to_owned()];
    let outcome = it.run();
    let keys: Vec<SeatKey> = outcome.seats.keys().collect();
    let expected = [("reading", "ann"), ("reading", "cas"), ("zoology", "ben")];
    assert_eq!(keys, expected.map(|(product, user)| (ProductCode::from(product), SourceId::from(user))));
    let found = keys.iter().filter(|key| outcome.seats.get(&it.seats, key).is_some()).count();
    assert_eq!(found, 3);
}

/// Of several rows of one key the last counts.
#[test]
fn of_one_key_the_last_row_counts() {
    let mut it = World::seats(1);
    it.students(&["ann"]);
    it.settle();
    let seat = it.seat("ann").clone();
    let mut rows: Difference<Seat> = Difference::default();
    rows.push_gone(&seat.product, &seat.user);
    rows.push(seat);
    rows.sort_from(0);
    assert_eq!((rows.put().count(), rows.gone().count()), (1, 0));
}

/// Rows as they are now are those that were, with the new ones among them and without those that are gone, at either end and
/// in between; each is found by its key, and only if it is new or changed.
#[test]
fn rows_before_and_what_changed_are_walked_side_by_side() {
    let mut it = World::seats(9);
    it.students(&["bea", "dan", "fay", "hal"]);
    it.settle();
    let first = it.seat("bea").clone();
    let seat = |user: &str, bridged: bool| Seat { user: user.into(), bridged, ..first.clone() };
    let now = |rows: &Difference<Seat>, before: &BTreeMap<SeatKey, Seat>| -> Vec<(String, bool)> {
        let (all, keyed) = (rows.now(before), rows.applied_to(before));
        let all: Vec<_> = all.map(|seat| (seat.user.to_string(), seat.bridged)).collect();
        assert_eq!(all, keyed.values().map(|seat| (seat.user.to_string(), seat.bridged)).collect::<Vec<_>>());
        all
    };
    let wanted =
        |all: &[(&str, bool)]| all.iter().map(|(user, bridged)| ((*user).to_owned(), *bridged)).collect::<Vec<_>>();
    let code = ProductCode::from("reading");
    let mut rows: Difference<Seat> = Difference::default();
    let nothing = BTreeMap::new();
    assert_eq!(now(&rows, &nothing), wanted(&[]));
    assert_eq!(now(&rows, &it.seats), wanted(&[("bea", false), ("dan", false), ("fay", false), ("hal", false)]));
    assert_eq!(rows.put_of(&code, &"bea".into()), None);

    rows.push(seat("ann", true));
    rows.push_gone(&code, &"bea".into());
    rows.push(seat("cas", true));
    rows.push(seat("dan", true));
    rows.push_gone(&code, &"gus".into());
    rows.push_gone(&code, &"hal".into());
    rows.push(seat("ian", true));
    let after = [("ann", true), ("cas", true), ("dan", true), ("fay", false), ("ian", true)];
    assert_eq!(now(&rows, &it.seats), wanted(&after));
    assert_eq!(now(&rows, &nothing), wanted(&[("ann", true), ("cas", true), ("dan", true), ("ian", true)]));
    let put = |user: &str| rows.put_of(&code, &user.into()).map(|seat| seat.user.as_str());
    assert_eq!(["ann", "dan", "ian"].map(put), [Some("ann"), Some("dan"), Some("ian")]);
    assert_eq!(["aaa", "bea", "fay", "hal", "zed"].map(put), [None; 5], "gone, or as it was, or nobody's");
    assert_eq!(rows.put_of(&ProductCode::from("zoology"), &"ann".into()), None);
}

/// The next day that brings anything about is named, and not one that is there already.
#[test]
fn the_next_day_that_matters_is_named() {
    let mut it = World::seats(3);
    it.students(&["ann"]);
    assert_eq!(steady_until(it.input()), day("2027-06-30"), "or the day after, as the last day is meant");
    it.night("2027-06-30");
    assert_eq!(steady_until(it.input()), day("2027-07-01"));
    it.night("2027-07-01");
    assert_eq!(steady_until(it.input()), day("2028-08-03"), "four hundred days later");
}

/// Rows stand in the order of users, whoever's was written first: who leaves, or who comes.
#[test]
fn rows_stand_in_the_order_of_users() {
    let mut it = World::seats(2);
    it.students(&["yan", "zed"]);
    it.settle();
    it.roster.users.clear();
    it.students(&["ann", "ben"]);
    let outcome = it.run();
    let users: Vec<String> = outcome.seats.keys().map(|(_, user)| user.to_string()).collect();
    assert_eq!(users, ["ann", "ben", "yan", "zed"]);
    assert_eq!(outcome.seats.gone().map(|(_, user)| user.as_str()).collect::<Vec<_>>(), ["yan", "zed"]);

    let mut it = World::seats(1);
    it.students(&["zed"]);
    it.settle();
    it.roster.users.clear();
    it.students(&["ann"]);
    let outcome = it.run();
    assert_eq!(outcome.seats.keys().map(|(_, user)| user.to_string()).collect::<Vec<_>>(), ["ann", "zed"]);
}

/// What is left in line and in review is counted.
#[test]
fn who_waits_and_what_is_bridged_is_counted() {
    let mut it = World::seats(1);
    it.students(&["ann"]);
    it.settle();
    it.students(&["ben", "cas"]);
    assert_eq!((it.run().bridged, it.run().in_line), (0, 2));
    it.bridged.insert(("reading".into(), "ann".into()));
    assert_eq!((it.run().bridged, it.run().in_line), (1, 1), "a bridged seat takes no room");
}

/// A seat is kept that is there and not leaving, or that passes to another account.
#[test]
fn a_seat_is_kept_that_is_there_and_not_leaving_or_passes() {
    let mut it = World::seats(4);
    it.reading().count_by = crate::model::CountBy::Person;
    it.students(&["a1", "a2", "ann", "ben", "cas"]);
    it.link(&["a1", "a2"]);
    it.settle();
    it.night("2026-10-06");
    it.user("a1").active = false;
    it.vanish("ann");
    it.roster.users.remove(&"ben".into());
    let outcome = it.run();
    let kept = ["a1", "ann", "ben", "cas"]
        .map(|id| outcome.keeps(&it.seats, &outcome.passed(), &("reading".into(), id.into())));
    assert_eq!(kept, [true, false, false, true]);
}
