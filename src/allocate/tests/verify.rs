//! The checker finds what is broken by hand.

use super::world::{World, allotment};
use crate::allocate::check;
use crate::model::{Leaving, SeatState, Waiting};

/// One seat for `ann`, none for `ben`, who waits; then `broken`; and the laws that do not hold any more.
fn laws_broken(broken: impl FnOnce(&mut World)) -> Vec<&'static str> {
    let mut it = World::seats(1);
    it.students(&["ann"]);
    it.settle();
    it.students(&["ben"]);
    it.settle();
    assert_eq!(check(&it.baseline(), it.as_of), [], "lawful before");
    broken(&mut it);
    check(&it.baseline(), it.as_of).into_iter().map(|it| it.code).collect()
}

fn key(user: &str) -> crate::allocate::SeatKey {
    ("reading".into(), user.into())
}

#[test]
fn a_seat_stored_under_another_user_is_found() {
    let broken = laws_broken(|it| {
        it.seats.get_mut(&key("ann")).unwrap().user = "ben".into();
    });
    assert!(broken.contains(&"licensing.2"), "{broken:?}");
}

#[test]
fn a_seat_that_says_the_wrong_state_is_found() {
    let broken = laws_broken(|it| {
        it.seats.get_mut(&key("ann")).unwrap().state = SeatState::Suspended;
    });
    assert_eq!(broken, ["licensing.3"]);
}

#[test]
fn a_seat_nobody_wants_is_found_unless_it_is_leaving() {
    let mut since = None;
    let broken = laws_broken(|it| {
        since = Some(it.as_of.date_in(it.state.time_zone));
        it.roster.users.remove(&"ann".into());
    });
    assert_eq!(broken, ["licensing.3"]);
    let lawful = laws_broken(|it| {
        it.roster.users.remove(&"ann".into());
        let seat = it.seats.get_mut(&key("ann")).unwrap();
        seat.leaving = Some(Leaving { since: since.unwrap(), upload: None });
        seat.state = SeatState::Leaving;
    });
    assert!(lawful.is_empty(), "{lawful:?}");
}

#[test]
fn who_is_forgotten_by_the_line_is_found() {
    assert_eq!(laws_broken(|it| it.waiting.clear()), ["licensing.4"]);
}

#[test]
fn who_has_a_seat_and_waits_is_found() {
    let broken = laws_broken(|it| {
        let place = it.waiting[&key("ben")].clone();
        it.waiting.insert(key("ann"), Waiting { user: "ann".into(), position: 2, ..place });
    });
    assert_eq!(broken, ["licensing.4"]);
}

#[test]
fn a_line_with_a_gap_is_found() {
    let broken = laws_broken(|it| it.waiting.get_mut(&key("ben")).unwrap().position = 2);
    assert_eq!(broken, ["licensing.4"]);
}

#[test]
fn a_free_seat_beside_someone_who_waits_is_found() {
    let broken = laws_broken(|it| {
        it.roster.users.remove(&"ann".into());
        it.seats.clear();
    });
    assert_eq!(broken, ["licensing.8"]);
    let lawful = laws_broken(|it| {
        it.sub().allotments = vec![allotment("s2", 1)];
        it.roster.users.remove(&"ann".into());
        it.seats.clear();
    });
    assert!(lawful.is_empty(), "the free seat is another school's: {lawful:?}");
}

/// Law 8 for persons: a free seat of the other account's school is a free seat.
#[test]
fn a_free_seat_of_any_school_of_the_person_is_found() {
    let mut it = World::seats(1);
    it.reading().count_by = crate::model::CountBy::Person;
    it.sub().allotments = vec![allotment("s2", 1)];
    it.student("a1", &["s1"]);
    it.student("a2", &["s2"]);
    it.student("zoe", &["s2"]);
    it.link(&["a1", "a2"]);
    it.decide("zoe", crate::model::OverrideKind::Pin, None);
    it.settle();
    assert_eq!(it.line(), ["a1"]);
    it.lawful();
    it.seats.clear();
    it.roster.users.remove(&"zoe".into());
    let broken: Vec<_> = check(&it.baseline(), it.as_of).into_iter().map(|it| it.code).collect();
    assert_eq!(broken, ["licensing.8"]);
    it.persons.clear();
    it.waiting.get_mut(&key("a1")).unwrap().position = 1;
    let alone: Vec<_> = check(&it.baseline(), it.as_of).into_iter().map(|it| it.code).collect();
    assert_eq!(alone, ["licensing.4"], "a2 is somebody else then, and in no line");
}
