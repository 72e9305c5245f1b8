//! Who is served first, and from which pool.

use super::world::{World, allotment, product, user};
use crate::model::{Audience, Ended, OverrideKind, Record, ReleaseReason, RoleName, Seats, Timestamp};

/// S1.5, S4.5, S4.18, C3.
#[test]
fn a_student_product_never_seats_staff() {
    // S4.5
    let mut it = World::seats(5);
    it.students(&["ann"]);
    it.roster.put(Record::User(user("tom", RoleName::Teacher, &["s1"]).into()));
    it.decide("tom", OverrideKind::Pin, None);
    assert_eq!(it.settle(), ["ann granted district"]);
}

#[test]
fn educators_are_teachers_and_aides() {
    let mut it = World::seats(5);
    it.reading().audience = Audience::Educator;
    it.students(&["ann"]);
    it.roster.put(Record::User(user("aide", RoleName::Aide, &["s1"]).into()));
    it.roster.put(Record::User(user("head", RoleName::Administrator, &["s1"]).into()));
    it.roster.put(Record::User(user("tom", RoleName::Teacher, &["s1"]).into()));
    assert_eq!(it.settle(), ["aide granted district", "tom granted district"]);
}

/// S3.14, C18: administrators have no license by default; a product that names their role gives them one.
#[test]
fn an_administrator_has_a_seat_only_of_a_product_that_says_so() {
    let mut it = World::seats(5);
    it.roster.put(Record::User(user("head", RoleName::Administrator, &["s1"]).into()));
    for audience in [Audience::Student, Audience::Educator] {
        it.reading().audience = audience;
        assert_eq!(it.settle(), super::world::NOTHING, "{audience:?}");
    }
    let mut by_role = product("reading");
    (by_role.audience, by_role.basis) = (Audience::Any, crate::model::Basis::Role);
    by_role.roles = vec!["teacher".to_owned()];
    it.product(by_role);
    assert_eq!(it.settle(), super::world::NOTHING, "roles that are not named give nothing");
    it.reading().roles.push("administrator".to_owned());
    assert_eq!(it.settle(), ["head granted district"]);
}

/// S2.2.
#[test]
fn seats_come_from_the_schools_allotment_first_then_from_the_rest() {
    // S2.2
    let mut it = World::seats(3);
    it.sub().allotments = vec![allotment("s1-number", 1)];
    it.students(&["ann", "ben"]);
    it.student("cas", &["s2"]);
    let holders = it.holders();
    assert_eq!(holders.iter().filter(|it| it.ends_with("@s1")).count(), 1);
    assert!(holders.contains(&"cas@district".to_owned()));
    assert_eq!(holders.len(), 3);
}

#[test]
fn another_schools_allotment_is_not_for_me() {
    let mut it = World::seats(2);
    it.sub().allotments = vec![allotment("s2", 2)];
    it.students(&["ann"]);
    assert_eq!(it.settle(), ["ann waiting district"]);
}

#[test]
fn a_child_of_two_schools_makes_room_for_a_child_of_one() {
    // Step 5: someone granted in the same run draws from the other pool instead.
    let mut it = World::seats(2);
    it.sub().allotments = vec![allotment("s1", 1), allotment("s2", 1)];
    it.student("both", &["s1", "s2"]);
    it.settle();
    it.student("one", &["s1"]);
    assert_eq!(it.settle(), ["both moved s1 to s2", "one granted s1"]);
}

/// U13.
#[test]
fn the_published_order_is_pinned_returning_waiting_longest_then_grade() {
    let mut it = World::seats(0);
    it.reading().order = vec!["Kindergarten".to_owned(), "s2".to_owned()];
    it.students(&["late"]);
    it.settle();
    it.night("2026-10-06");
    it.students(&["kim", "pia", "rex", "zed"]);
    it.student("sam", &["s2"]);
    it.roster.users.get_mut(&"kim".into()).unwrap().grades = vec!["KG".to_owned()];
    it.decide("pia", OverrideKind::Pin, None);
    let at = Timestamp::parse("2026-03-01T00:00:00Z").unwrap();
    it.ended.insert(("reading".into(), "rex".into()), Ended { at, reason: ReleaseReason::Ended });
    let key = ("reading".into(), "zed".into());
    it.ended.insert(key, Ended { at, reason: ReleaseReason::Excluded });
    it.settle();
    assert_eq!(it.line(), ["pia", "rex", "late", "kim", "sam", "zed"]);
}

/// U13, P42.
#[test]
fn equals_are_shuffled_by_the_hash_of_district_product_and_user() {
    use sha2::{Digest, Sha256};
    let mut it = World::seats(0);
    it.students(&["ann", "ben", "cas", "dan", "eve"]);
    it.settle();
    let mut expected = ["ann", "ben", "cas", "dan", "eve"];
    expected.sort_by_key(|id| hex::encode(Sha256::digest(format!("d/reading/{id}"))));
    assert_eq!(it.line(), expected);
    assert_ne!(it.line(), ["ann", "ben", "cas", "dan", "eve"]);
}

#[test]
fn after_four_hundred_days_nobody_is_returning() {
    let mut it = World::seats(0);
    it.students(&["fresh", "stale"]);
    let at = |text| Timestamp::parse(text).unwrap();
    let reason = ReleaseReason::Absent;
    it.ended.insert(("reading".into(), "stale".into()), Ended { at: at("2025-08-31T07:59:59Z"), reason });
    it.ended.insert(("reading".into(), "fresh".into()), Ended { at: at("2025-08-31T08:00:00Z"), reason });
    it.settle();
    assert_eq!(it.line().first().map(String::as_str), Some("fresh"));
}

/// S0.11, S1.11, U14.
#[test]
fn a_seat_that_is_released_goes_to_the_next_in_the_same_run() {
    // S0.11, S1.11
    let mut it = World::seats(1);
    it.students(&["ann"]);
    it.settle();
    it.students(&["ben"]);
    it.settle();
    it.roster.users.get_mut(&"ann".into()).unwrap().active = false;
    assert_eq!(it.settle(), ["ann released Inactive", "ben granted district", "ben waiting ended"]);
}

/// S3.26, U17, C13.
#[test]
fn the_seat_follows_a_child_to_a_new_school_even_over_its_allotment() {
    // S3.26
    let mut it = World::seats(2);
    it.sub().allotments = vec![allotment("s1", 1), allotment("s2", 1)];
    it.student("ann", &["s1"]);
    it.student("ben", &["s2"]);
    it.settle();
    it.student("ann", &["s2"]);
    assert_eq!(it.settle(), ["ann moved s1 to s2"]);
    assert_eq!(it.holders(), ["ann@s2", "ben@s2"]);
    let rows = crate::allocate::licenses(&it.baseline(), it.as_of, true);
    let over: Vec<u64> = rows.iter().map(|row| row.over).collect();
    assert_eq!(over, [0, 0, 1, 0], "the sum is not over, the pool of s2 is by one");
}

#[test]
fn a_site_license_is_outside_the_total() {
    let mut it = World::seats(1);
    it.sub().allotments = vec![crate::model::Allotment { seats: Seats::Unlimited, ..allotment("s1", 0) }];
    it.students(&["ann", "ben", "cas"]);
    it.student("zoe", &["s2"]);
    assert_eq!(it.holders(), ["ann@s1", "ben@s1", "cas@s1", "zoe@district"]);
}

#[test]
fn where_the_total_is_full_someone_moves_to_the_site_license_to_make_room() {
    let mut it = World::seats(1);
    it.student("both", &["s2", "s1"]);
    assert_eq!(it.holders(), ["both@district"]);
    it.sub().allotments = vec![crate::model::Allotment { seats: Seats::Unlimited, ..allotment("s1", 0) }];
    it.student("zoe", &["s2"]);
    assert_eq!(it.settle(), ["both moved district to s1", "zoe granted district"]);
}

#[test]
fn in_grace_a_move_to_the_site_license_makes_room_in_the_total_though_pools_have_room() {
    let mut it = World::seats(5);
    it.sub().grace_days = 30;
    it.sub().allotments = vec![allotment("s2", 2)];
    it.student("both", &["s2", "s1"]);
    it.settle();
    it.night("2027-07-05");
    it.student("zoe", &["s3"]);
    assert_eq!(it.settle(), ["zoe waiting district"], "one seat was in use when the grace began");
    it.sub().allotments.push(crate::model::Allotment { seats: Seats::Unlimited, ..allotment("s1", 0) });
    assert_eq!(it.settle(), ["both moved s2 to s1", "zoe granted district", "zoe waiting ended"]);
}

/// S4.42, P43, U15.
#[test]
fn a_cut_releases_nobody_and_grants_nobody() {
    // Over, keep
    let mut it = World::seats(3);
    it.students(&["ann", "ben", "cas"]);
    it.settle();
    it.sub().seats = Seats::Count(1);
    it.students(&["dan"]);
    assert_eq!(it.settle(), ["dan waiting district"]);
}

/// S3.6, C20.
#[test]
fn who_has_the_bundle_does_not_need_its_parts_and_who_waits_for_it_keeps_them() {
    // S3.6
    let mut it = World::seats(2);
    it.students(&["ann", "ben"]);
    it.settle();
    it.sell_bundle(1, &[]);
    let changes = it.settle();
    let granted = changes.iter().find_map(|it| it.strip_suffix(" granted district")).unwrap();
    let lucky = granted.strip_prefix("all/").unwrap().to_owned();
    assert!(changes.contains(&format!("{lucky} released Bundled")));
    let unlucky = if lucky == "ann" { "ben" } else { "ann" };
    assert!(it.seats.contains_key(&("reading".into(), unlucky.into())));
    assert!(it.waiting.contains_key(&("all".into(), unlucky.into())));
}

#[test]
fn a_pin_holds_through_its_last_day_in_the_districts_zone() {
    let mut it = World::seats(1);
    it.reading().grades = vec!["01".to_owned()];
    it.students(&["ann"]);
    it.decide("ann", OverrideKind::Pin, Some("2026-10-05"));
    it.as_of = Timestamp::parse("2026-10-06T04:59:59Z").unwrap();
    assert_eq!(it.settle(), ["ann granted district"]);
    it.as_of = Timestamp::parse("2026-10-06T05:00:00Z").unwrap();
    assert_eq!(it.settle(), ["ann released Conditions"]);
}

#[test]
fn a_held_user_keeps_the_place_in_line_and_the_next_is_served() {
    let mut it = World::seats(0);
    it.students(&["ann", "ben"]);
    it.decide("ann", OverrideKind::Pin, None);
    it.settle();
    it.sub().seats = Seats::Count(1);
    it.held_users.insert("ann".into());
    assert_eq!(it.settle(), ["ben granted district", "ben waiting ended"]);
    assert_eq!(it.line(), ["ann"]);
}

#[test]
fn nobody_waits_for_a_seat_that_is_bridged() {
    let mut it = World::seats(1);
    it.students(&["grad"]);
    it.settle();
    it.students(&["new"]);
    it.bridged.insert(("reading".into(), "grad".into()));
    assert_eq!(it.settle(), ["new granted district"]);
    let row = crate::allocate::licenses(&it.baseline(), it.as_of, false).remove(0);
    assert_eq!((row.assigned, row.bridged, row.over), (1, 1, 0));
}

#[test]
fn who_waits_and_stops_wanting_leaves_the_line() {
    let mut it = World::seats(0);
    it.students(&["ann", "ben"]);
    it.settle();
    it.user("ann").active = false;
    assert_eq!(it.settle(), ["ann waiting ended"]);
    it.roster.users.remove(&"ben".into());
    assert_eq!(it.settle(), ["ben waiting ended"]);
    assert!(it.waiting.is_empty());
}

#[test]
fn among_equals_the_smallest_hashes_are_seated() {
    use sha2::{Digest, Sha256};
    let mut it = World::seats(2);
    it.students(&["ann", "ben", "cas", "dan", "eve"]);
    let mut expected = ["ann", "ben", "cas", "dan", "eve"];
    expected.sort_by_key(|id| hex::encode(Sha256::digest(format!("d/reading/{id}"))));
    let (seated, line) = expected.split_at(2);
    it.settle();
    assert!(seated.iter().all(|id| it.seats.contains_key(&("reading".into(), (*id).into()))));
    assert_eq!(it.line(), line);
}

#[test]
fn while_more_is_in_use_than_bought_nobody_moves_to_a_site_license_to_let_someone_in() {
    let mut it = World::seats(2);
    it.sub().allotments = vec![allotment("s1", 1)];
    it.student("ann", &["s1", "s2"]);
    it.student("ben", &["s3"]);
    it.settle();
    it.sub().seats = Seats::Count(1);
    it.sub().allotments.push(crate::model::Allotment { seats: Seats::Unlimited, ..allotment("s2", 0) });
    it.student("zoe", &["s1"]);
    assert_eq!(it.settle(), ["zoe waiting s1"]);
}
