//! Renewals, cuts, grace and what a contract's end means for seats.

use super::world::{NOTHING, World, allotment, day, product, subscription, words};
use crate::model::{OverrideKind, ReleaseReason, SeatState, Seats, Shrink, SubscriptionStatus, Timestamp};

/// `reading` until June 2027, renewed by `reading-2` from July on, with `seats` of it.
fn successor(seats: u32) -> World {
    let mut it = World::seats(3);
    it.sub().grace_days = 60;
    it.product(product("reading-2"));
    let mut next = subscription("NEXT", "reading-2", seats);
    next.renews = Some("SUB".into());
    next.starts_on = day("2027-07-01");
    next.expires_on = day("2028-06-30");
    it.subscription(next);
    it
}

#[test]
fn who_has_a_seat_of_the_old_product_has_one_of_its_successor_even_above_the_seats_bought() {
    // S3.23
    let mut it = successor(1);
    it.students(&["ann", "ben"]);
    assert_eq!(it.settle(), ["ann granted district", "ben granted district"]);
    it.night("2027-07-01");
    it.students(&["new"]);
    let mut changes = it.settle();
    changes.sort();
    assert_eq!(
        changes,
        [
            "new waiting district",
            "reading-2/ann carried over from reading to district",
            "reading-2/ben carried over from reading to district",
            "reading-2/new waiting district",
        ]
    );
    assert_eq!(it.seat("ann").state, SeatState::Suspended, "the grace of the old one is void");
    assert_eq!(it.settle(), NOTHING);
    it.lawful();
}

#[test]
fn a_carried_seat_that_was_taken_does_not_come_back_and_nobody_is_carried_who_does_not_want_it() {
    let mut it = successor(5);
    it.catalog.products.get_mut(&"reading-2".into()).unwrap().grades = vec!["01".to_owned()];
    it.students(&["ann", "ben"]);
    it.user("ann").grades = vec!["01".to_owned()];
    it.settle();
    it.night("2027-07-01");
    assert_eq!(it.settle(), ["reading-2/ann carried over from reading to district"]);
    it.night("2027-07-05");
    it.user("ann").grades = vec!["02".to_owned()];
    assert_eq!(it.settle(), ["reading-2/ann released Conditions"]);
    it.user("ann").grades = vec!["01".to_owned()];
    assert_eq!(it.settle(), ["reading-2/ann granted district"], "as anyone who comes back, within the seats bought");
}

#[test]
fn a_successor_that_arrives_late_in_the_catalog_still_carries() {
    let mut it = successor(1);
    let next = it.catalog.subscriptions.remove(&"NEXT".into()).unwrap();
    it.students(&["ann", "ben"]);
    it.settle();
    it.night("2027-07-09");
    assert_eq!(it.settle(), NOTHING, "in grace");
    it.subscription(next);
    assert_eq!(it.settle().len(), 2);
    it.lawful();
}

#[test]
fn an_inactive_subscription_lapses_four_hundred_days_after_it_was_seen() {
    // S4.13
    let mut it = World::seats(1);
    it.sub().expires_on = day("2030-06-30");
    it.students(&["ann"]);
    it.settle();
    it.sub().status = SubscriptionStatus::Inactive;
    assert_eq!(it.settle(), NOTHING);
    assert_eq!(it.seat("ann").state, SeatState::Suspended);
    it.night("2027-11-09");
    assert_eq!(it.settle(), NOTHING, "400 days after 2026-10-05");
    it.night("2027-11-10");
    assert_eq!(it.settle(), ["ann released Expired", "ann waiting district"]);
    it.sub().status = SubscriptionStatus::Active;
    assert_eq!(it.settle(), ["ann granted district", "ann waiting ended"]);
    assert!(it.remembered.inactive.is_empty());
}

#[test]
fn the_seats_in_use_when_the_grace_began_are_counted_once_and_exactly() {
    // S3.21: one leaves and one may come, again and again.
    let mut it = World::seats(5);
    it.sub().grace_days = 60;
    it.students(&["ann", "ben"]);
    it.settle();
    it.students(&["cas", "dan"]);
    it.night("2027-07-01");
    assert_eq!(it.settle(), ["cas waiting district", "dan waiting district"]);
    for (leaver, night) in [("ann", "2027-07-02"), ("ben", "2027-07-03")] {
        it.night(night);
        it.roster.users.remove(&leaver.into());
        it.settle();
    }
    assert_eq!((it.seats.len(), it.waiting.len()), (2, 0));
    it.night("2027-07-04");
    it.roster.users.remove(&"cas".into());
    it.students(&["eve", "fay"]);
    it.settle();
    assert_eq!((it.seats.len(), it.waiting.len()), (2, 1), "two were in use when it began, not five");
    it.lawful();
}

/// Four seats in use, two bought since `2026-10-05`; taken back after 30 days.
fn cut() -> World {
    let mut it = World::seats(4);
    it.students(&["ann", "ben", "cas", "dan"]);
    it.settle();
    it.sub().seats = Seats::Count(2);
    it.sub().on_shrink = Shrink::Reclaim;
    let used = |text: &str| Some(Timestamp::parse(text).unwrap());
    it.seat("ann").claimed_at = used("2026-10-05T12:00:00Z");
    it.seat("ann").last_used_at = used("2026-10-30T12:00:00Z");
    it.seat("ben").claimed_at = used("2026-10-05T12:00:00Z");
    it.seat("ben").last_used_at = used("2026-10-07T12:00:00Z");
    it
}

/// S4.42.
#[test]
fn seats_are_taken_back_only_after_the_days_never_claimed_first() {
    // S4.42, P43
    let mut it = cut();
    assert_eq!(it.settle(), NOTHING);
    it.night("2026-11-03");
    assert_eq!(it.settle(), NOTHING, "29 days");
    it.night("2026-11-04");
    assert_eq!(
        it.settle(),
        ["cas released Reclaimed", "dan released Reclaimed", "cas waiting district", "dan waiting district"]
    );
    assert_eq!(it.settle(), NOTHING);
    it.lawful();
}

#[test]
fn among_the_claimed_the_longest_unused_goes_first_and_a_pin_protects() {
    let mut it = cut();
    it.settle();
    it.night("2026-11-04");
    it.decide("cas", OverrideKind::Pin, None);
    it.decide("dan", OverrideKind::Pin, None);
    it.sub().seats = Seats::Count(3);
    assert_eq!(it.settle(), ["ben released Reclaimed", "ben waiting district"]);
}

/// S4.42.
#[test]
fn nothing_is_taken_back_while_no_activity_is_reported() {
    let mut it = cut();
    it.settle();
    it.night("2027-01-04");
    assert_eq!(it.settle(), NOTHING, "the last use reported was in October");
    it.seat("ann").last_used_at = Some(Timestamp::parse("2027-01-03T12:00:00Z").unwrap());
    assert_eq!(it.settle().len(), 4);
}

#[test]
fn a_cut_that_heals_begins_to_count_anew() {
    let mut it = cut();
    it.settle();
    it.night("2026-10-20");
    it.sub().seats = Seats::Count(4);
    it.settle();
    assert!(it.remembered.over.is_empty());
    it.night("2026-10-21");
    it.sub().seats = Seats::Count(2);
    it.settle();
    it.night("2026-11-04");
    assert_eq!(it.settle(), NOTHING, "14 days");
}

/// P43.
#[test]
fn one_of_two_overlapping_contracts_ending_is_a_shrink_that_revokes_nobody() {
    // P43
    let mut it = World::seats(2);
    let mut second = subscription("SECOND", "reading", 2);
    second.expires_on = day("2026-12-31");
    it.subscription(second);
    it.students(&["ann", "ben", "cas"]);
    assert_eq!(it.settle().len(), 3);
    it.night("2027-01-01");
    it.students(&["dan"]);
    assert_eq!(it.settle(), ["dan waiting district"]);
    let row = crate::allocate::licenses(&it.baseline(), it.as_of, false).remove(0);
    assert_eq!((row.total, row.assigned, row.over), (Some(2), 3, 1));
    it.lawful();
}

#[test]
fn a_renewal_with_fewer_seats_than_its_allotments_has_no_district_pool_and_the_total_holds() {
    let mut it = World::seats(4);
    it.sub().allotments = vec![allotment("s1", 2), allotment("s2", 2)];
    let mut next = subscription("NEXT", "reading", 3);
    next.renews = Some("SUB".into());
    next.starts_on = day("2027-07-01");
    next.expires_on = day("2028-06-30");
    it.subscription(next);
    it.night("2027-07-01");
    it.students(&["ann", "ben"]);
    it.student("cas", &["s2"]);
    it.student("dan", &["s2"]);
    it.settle();
    let rows = crate::allocate::licenses(&it.baseline(), it.as_of, true);
    assert_eq!(rows.iter().map(|row| row.total.unwrap()).collect::<Vec<_>>(), [3, 2, 2, 0]);
    assert_eq!((it.seats.len(), it.waiting.len()), (3, 1));
}

#[test]
fn a_reclaimed_seat_does_not_make_its_user_a_returning_one() {
    let mut it = cut();
    it.settle();
    it.night("2026-11-04");
    let outcome = it.run();
    assert!(words(&outcome).contains(&"cas released Reclaimed".to_owned()));
    it.keep(&outcome);
    assert!(it.ended.values().all(|it| it.reason == ReleaseReason::Reclaimed && !it.reason.returns()));
}

#[test]
fn billions_of_seats_do_not_wrap_around() {
    let mut it = World::seats(3_000_000_000);
    it.subscription(subscription("SECOND", "reading", 3_000_000_000));
    it.sub().overage = crate::model::Overage::Allow { percent: 4_000_000_000, days: 4_000_000_000 };
    it.students(&["ann"]);
    assert_eq!(it.settle(), ["ann granted district"]);
    let row = crate::allocate::licenses(&it.baseline(), it.as_of, false).remove(0);
    assert!(row.total.unwrap() > 3_000_000_000 && row.over == 0);
}

#[test]
fn in_grace_a_seat_that_was_given_up_is_still_there_for_who_comes_a_week_later() {
    // S3.21
    let mut it = World::seats(5);
    it.sub().grace_days = 60;
    it.students(&["ann", "ben"]);
    it.settle();
    it.night("2027-07-01");
    it.roster.users.remove(&"ann".into());
    assert_eq!(it.settle(), ["ann released Tombstone"]);
    it.night("2027-07-08");
    it.students(&["cas"]);
    assert_eq!(it.settle(), ["cas granted district"]);
}
