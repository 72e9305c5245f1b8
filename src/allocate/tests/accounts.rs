//! Accounts of one person that differ in what they have, what they want and what was decided of them.

use super::world::{NOTHING, World, allotment, user};
use crate::model::{CountBy, Ended, OverrideKind, Record, ReleaseReason, RoleName, Seats, Shrink, Timestamp};

/// `a1` and `a2` are one person.
fn person(seats: u32) -> World {
    let mut it = World::seats(seats);
    it.reading().count_by = CountBy::Person;
    it.students(&["a1", "a2"]);
    it.link(&["a1", "a2"]);
    it
}

fn used(it: &mut World, user: &str, at: &str) {
    let at = Timestamp::parse(at).unwrap();
    let seat = it.seat(user);
    (seat.claimed_at, seat.last_used_at) = (Some(at), Some(at));
}

/// S2.15: of two seats the one stays whose account still wants it.
#[test]
fn the_seat_of_the_account_in_demand_is_the_one_that_stays() {
    let mut it = person(5);
    it.reading().count_by = CountBy::Account;
    assert_eq!(it.settle().len(), 2);
    it.reading().count_by = CountBy::Person;
    it.user("a1").active = false;
    assert_eq!(it.settle(), ["a1 released Merged"]);
}

/// Three have a seat and two are bought, for thirty days today; `ann` uses hers, `ben` did once.
fn over() -> World {
    let mut it = person(3);
    it.students(&["ann", "ben"]);
    it.settle();
    it.sub().seats = Seats::Count(2);
    it.sub().on_shrink = Shrink::Reclaim;
    used(&mut it, "ben", "2026-10-04T12:00:00Z");
    it.settle();
    it.night("2026-11-04");
    used(&mut it, "ann", "2026-11-01T12:00:00Z");
    it
}

/// S4.42: a pin of any account protects the person's seat, also as it passes to another account.
#[test]
fn a_pin_of_another_account_protects_the_seat() {
    let taken = |edit: &dyn Fn(&mut World)| {
        let mut it = over();
        edit(&mut it);
        it.settle().into_iter().filter(|it| it.ends_with("Reclaimed")).collect::<Vec<_>>()
    };
    assert_eq!(taken(&|_| {}), ["a1 released Reclaimed"], "never claimed");
    assert_eq!(taken(&|it| it.decide("a2", OverrideKind::Pin, None)), ["ben released Reclaimed"]);
    assert_eq!(taken(&|it| it.user("a1").active = false), ["a1 released Reclaimed"], "though it is a2's by now");
    let passes = |it: &mut World| {
        it.user("a1").active = false;
        it.decide("a2", OverrideKind::Pin, None);
    };
    assert_eq!(taken(&passes), ["ben released Reclaimed"]);
}

/// S3.6: who has the bundle gives the part up at once, whatever an absent account of the same person would want.
#[test]
fn an_absent_account_keeps_no_part_of_a_bundle() {
    let mut it = World::seats(2);
    it.students(&["ann"]);
    it.settle();
    it.link(&["ann", "zed"]);
    it.departed.put(Record::User(user("zed", RoleName::Student, &["s1"]).into()));
    it.sell_bundle(1, &[]);
    assert_eq!(it.settle(), ["all/ann granted district", "ann released Bundled"]);
}

/// S2.15, S3.6: where accounts count each, the bundle of the one is not the other's.
#[test]
fn a_bundle_of_one_account_leaves_the_other_its_part_where_accounts_count() {
    let mut it = person(2);
    it.reading().count_by = CountBy::Account;
    it.user("a1").grades = vec!["05".to_owned()];
    it.sell_bundle(5, &["05"]);
    assert_eq!(it.settle(), ["all/a1 granted district", "a2 granted district"]);
}

/// licensing.md, step 4: a person returns whose seat ended by lost demand, whatever was merged since.
#[test]
fn a_person_whose_seat_ended_returns_before_the_new_ones() {
    let mut it = person(1);
    it.students(&["vic", "wes", "xia", "yan", "zoe"]);
    let ended = |reason| Ended { at: Timestamp::parse("2026-09-20T08:00:00Z").unwrap(), reason };
    it.ended.insert(("reading".into(), "a2".into()), ended(ReleaseReason::Merged));
    let first = |it: &World| it.clone().holders();
    assert_ne!(first(&it), ["a1@district"], "not by the shuffle");
    it.ended.insert(("reading".into(), "a1".into()), ended(ReleaseReason::Ended));
    assert_eq!(first(&it), ["a1@district"]);
}

/// Nobody has a seat; grade 05 goes first, then 04. The person's first account is of neither.
fn in_line(grade_05_is_active: bool) -> World {
    let mut it = person(0);
    it.reading().order = vec!["05".to_owned(), "04".to_owned()];
    it.students(&["bob"]);
    for (id, grade) in [("a1", "03"), ("a2", "05"), ("bob", "04")] {
        it.user(id).grades = vec![grade.to_owned()];
    }
    it.user("a2").active = grade_05_is_active;
    it
}

/// licensing.md, Person: the order looks at every account that is active, and at no other.
#[test]
fn an_active_account_gives_the_person_its_place_in_the_order() {
    for (active, line) in [(true, ["a1", "bob"]), (false, ["bob", "a1"])] {
        let mut it = in_line(active);
        it.settle();
        assert_eq!(it.line(), line);
    }
}

/// The same for who comes to stand in line because a seat is taken back.
#[test]
fn who_is_taken_back_stands_by_active_accounts_alone() {
    let mut it = in_line(false);
    it.students(&["ann"]);
    it.sub().seats = Seats::Count(3);
    it.settle();
    it.sub().seats = Seats::Count(1);
    it.sub().on_shrink = Shrink::Reclaim;
    it.settle();
    it.night("2026-11-04");
    used(&mut it, "ann", "2026-11-01T12:00:00Z");
    it.settle();
    assert_eq!(it.line(), ["bob", "a1"]);
}

/// S2.15: of the places of two accounts that turn out to be one person the earlier counts, and stands written so.
#[test]
fn of_two_places_in_line_the_earlier_counts() {
    let mut it = World::seats(0);
    it.reading().count_by = CountBy::Person;
    it.students(&["a2"]);
    it.settle();
    let since = it.as_of;
    it.night("2026-10-06");
    it.students(&["a1"]);
    it.settle();
    assert_eq!(it.line(), ["a2", "a1"]);
    it.night("2026-10-07");
    it.link(&["a1", "a2"]);
    assert_eq!(it.settle(), ["a2 waiting ended"]);
    let place = &it.waiting[&("reading".into(), "a1".into())];
    assert_eq!((place.since, place.position), (since, 1));
}

/// licensing.md, step 3: kept seats stay in their pool by `since`, then id, a person's among them.
#[test]
fn of_equally_old_seats_the_smaller_id_stays_in_the_pool() {
    let mut it = person(2);
    it.students(&["ben"]);
    it.sub().allotments = vec![allotment("s1", 2)];
    assert_eq!(it.holders(), ["a1@s1", "ben@s1"]);
    it.sub().allotments = vec![allotment("s1", 1)];
    assert_eq!(it.settle(), ["ben moved s1 to district"]);
    assert_eq!(it.settle(), NOTHING);
}

/// Where the pools of an account that is disabled have room, its person still waits.
#[test]
fn a_disabled_account_opens_no_pool() {
    let mut it = person(1);
    it.sub().allotments = vec![allotment("s2", 1)];
    it.student("a2", &["s2"]);
    it.user("a2").active = false;
    assert_eq!(it.settle(), ["a1 waiting district"]);
}

/// The changes tell which seats passed on.
#[test]
fn what_passed_on_is_told() {
    let mut it = person(1);
    it.settle();
    it.user("a1").active = false;
    let outcome = it.run();
    assert!(outcome.passed().contains(&("reading".into(), "a1".into())));
    assert_eq!(outcome.changes[0].action.released(), None);
    it.user("a2").active = false;
    assert_eq!(it.run().changes[0].action.released(), Some(ReleaseReason::Inactive));
}

/// licensing.md, step 2: an account that is merely absent may come back, so the seat of one that is disabled is leaving.
#[test]
fn while_an_account_is_merely_absent_the_persons_seat_is_leaving() {
    let mut it = person(1);
    it.settle();
    it.night("2026-10-06");
    it.user("a1").active = false;
    it.vanish("a2");
    assert_eq!(it.settle(), ["a1 leaving"]);
    it.roster.users.extend(it.departed.users.clone());
    it.user("a2").active = false;
    it.departed.users.clear();
    assert_eq!(it.settle(), ["a1 released Inactive"], "it came back disabled");
}
