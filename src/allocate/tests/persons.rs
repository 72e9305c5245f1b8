//! `count_by = person`: linked accounts have one seat together (S2.15).

use super::world::{NOTHING, World, allotment};
use crate::model::{CountBy, OverrideKind, Seats};

/// `a1` and `a2` are one person, `zoe` another.
fn twice(seats: u32) -> World {
    let mut it = World::seats(seats);
    it.reading().count_by = CountBy::Person;
    it.students(&["a1", "a2", "zoe"]);
    it.link(&["a1", "a2"]);
    it
}

/// S2.15, S4.39, C4.
#[test]
fn accounts_count_each_until_the_product_counts_persons() {
    // S2.15
    let mut it = twice(5);
    it.reading().count_by = CountBy::Account;
    assert_eq!(it.settle().len(), 3);
    it.reading().count_by = CountBy::Person;
    assert_eq!(it.settle(), ["a2 released Merged"]);
    it.lawful();
    it.persons.clear();
    assert_eq!(it.settle(), ["a2 granted district"], "undone");
}

#[test]
fn one_person_has_one_seat_on_the_smallest_account_in_demand() {
    let mut it = twice(5);
    it.user("a1").active = false;
    assert_eq!(it.settle(), ["a2 granted district", "zoe granted district"]);
    it.user("a1").active = true;
    assert_eq!(it.settle(), NOTHING, "the seat stays on the account that has it");
    it.lawful();
}

#[test]
fn the_seat_passes_to_another_account_and_access_never_blinks() {
    let mut it = twice(5);
    it.settle();
    let since = it.seat("a1").since;
    it.night("2026-10-06");
    it.user("a1").active = false;
    assert_eq!(it.settle(), ["a1 passed to a2, district to district"]);
    assert_eq!(it.seat("a2").since, since);
    it.lawful();
}

#[test]
fn a_deleted_account_passes_its_seat_and_the_last_one_gives_it_up() {
    let mut it = twice(5);
    it.settle();
    it.roster.users.remove(&"a1".into());
    assert_eq!(it.settle(), ["a1 passed to a2, district to district"]);
    it.roster.users.remove(&"a2".into());
    assert_eq!(it.settle(), ["a2 released Tombstone"]);
}

#[test]
fn an_absent_person_is_leaving_and_an_account_that_comes_back_keeps_the_seat() {
    let mut it = twice(5);
    it.settle();
    it.night("2026-10-06");
    it.vanish("a1");
    it.user("a2").active = false;
    assert_eq!(it.settle(), ["a1 leaving"]);
    it.night("2026-10-07");
    it.user("a2").active = true;
    assert_eq!(it.settle(), ["a1 passed to a2, district to district", "a2 stayed"]);
    it.lawful();
}

#[test]
fn a_person_waits_once_from_the_earliest_day_and_may_draw_from_the_pools_of_all_accounts() {
    let mut it = twice(1);
    it.sub().allotments = vec![allotment("s1", 0), allotment("s2", 0)];
    it.sub().seats = Seats::Count(0);
    it.user("a1").active = false;
    it.settle();
    assert_eq!(it.line().len(), 2);
    it.night("2026-10-06");
    it.student("a1", &["s1"]);
    it.student("a2", &["s2"]);
    let since = it.waiting[&("reading".into(), "a2".into())].since;
    assert_eq!(it.settle(), ["a1 waiting s1", "a2 waiting ended"]);
    assert_eq!(it.waiting[&("reading".into(), "a1".into())].since, since);
    it.lawful();
    it.sub().seats = Seats::Count(1);
    it.sub().allotments = vec![allotment("s2", 1)];
    assert_eq!(it.settle(), ["a1 granted s2", "a1 waiting ended"]);
    it.lawful();
}

#[test]
fn an_exclude_of_one_account_leaves_the_other_in_demand() {
    let mut it = twice(5);
    it.settle();
    it.decide("a1", OverrideKind::Exclude, None);
    assert_eq!(it.settle(), ["a1 passed to a2, district to district"]);
    it.decide("a2", OverrideKind::Exclude, None);
    assert_eq!(it.settle(), ["a2 released Excluded"]);
}

#[test]
fn a_person_who_has_the_bundle_on_one_account_does_not_need_its_part_on_another() {
    let mut it = twice(5);
    it.sell_bundle(5, &["01"]);
    it.user("a2").grades = vec!["01".to_owned()];
    assert_eq!(it.settle(), ["all/a2 granted district", "zoe granted district"]);
    it.lawful();
}

#[test]
fn a_person_keeps_the_place_in_line_of_an_account_that_is_gone() {
    let mut it = twice(0);
    it.user("a2").active = false;
    it.settle();
    let since = it.waiting[&("reading".into(), "a1".into())].since;
    it.night("2026-10-06");
    it.roster.users.remove(&"a1".into());
    it.user("a2").active = true;
    assert_eq!(it.settle(), ["a2 waiting district", "a1 waiting ended"]);
    assert_eq!(it.waiting[&("reading".into(), "a2".into())].since, since);
}

#[test]
fn a_seat_that_was_merged_makes_nobody_a_returning_person() {
    let mut it = twice(3);
    it.reading().count_by = CountBy::Account;
    it.settle();
    it.reading().count_by = CountBy::Person;
    assert_eq!(it.settle(), ["a2 released Merged"]);
    it.sub().seats = Seats::Count(0);
    it.user("a2").active = false;
    it.decide("a1", OverrideKind::Exclude, None);
    it.students(&["amy"]);
    assert_eq!(it.settle(), ["a1 released Excluded", "amy waiting district"]);
    it.overrides.clear();
    it.night("2026-10-06");
    it.settle();
    assert_eq!(it.line(), ["amy", "a1"], "amy waits longer, and the last seat of the other ended by hand");
}

/// P16, P17: where accounts count each, what a gone account had passes to the one that stands for the person.
#[test]
fn a_new_id_has_the_seat_of_the_old_one_and_two_that_are_there_count_each() {
    let mut it = twice(3);
    it.reading().count_by = CountBy::Account;
    it.user("a2").active = false;
    it.settle();
    let since = it.seat("a1").since;
    it.night("2026-10-06");
    it.link(&["a2", "a1"]);
    it.user("a2").active = true;
    it.roster.users.remove(&"a1".into());
    assert_eq!(it.settle(), ["a1 passed to a2, district to district"]);
    assert_eq!(it.seat("a2").since, since);
    it.lawful();
}

#[test]
fn a_new_id_returns_where_the_old_one_had_a_seat() {
    let mut it = twice(1);
    it.reading().count_by = CountBy::Account;
    it.user("a2").active = false;
    it.user("zoe").active = false;
    it.settle();
    it.roster.users.remove(&"a1".into());
    assert_eq!(it.settle(), ["a1 released Tombstone"]);
    it.user("a2").active = true;
    it.user("zoe").active = true;
    it.link(&["a2", "a1"]);
    assert_eq!(it.settle(), ["a2 granted district", "zoe waiting district"]);
    it.lawful();
}
