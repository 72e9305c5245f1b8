//! The checker finds what is broken by hand.

use super::world::{World, allotment, class, session, subscription};
use crate::allocate::check;
use crate::model::{Basis, LastDay, Leaving, Record, SeatState, Subscription, SubscriptionStatus, Waiting};

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

/// Law 2: a person has one seat.
#[test]
fn two_seats_of_one_person_are_found() {
    let mut it = World::seats(3);
    it.students(&["a1", "a2"]);
    it.settle();
    it.link(&["a1", "a2"]);
    it.lawful();
    it.reading().count_by = crate::model::CountBy::Person;
    let broken: Vec<_> = check(&it.baseline(), it.as_of).into_iter().map(|it| it.code).collect();
    assert_eq!(broken, ["licensing.2"]);
}

/// Law 4: nobody waits who does not want a seat, nor before the first subscription begins.
#[test]
fn who_waits_and_may_not_is_found() {
    assert_eq!(laws_broken(|it| it.user("ben").active = false), ["licensing.4"]);
    let broken = laws_broken(|it| {
        it.sub().starts_on = "2026-11-01".parse().unwrap();
        it.seats.clear();
        it.roster.users.remove(&"ann".into());
    });
    assert_eq!(broken, ["licensing.4"]);
}

/// Law 4, licensing.md, Basis `first_use`: who has opened the product is in demand, and only who has.
#[test]
fn who_opened_the_product_and_is_forgotten_is_found() {
    let broken = laws_broken(|it| {
        it.reading().basis = Basis::FirstUse;
        it.waiting.clear();
        let key = key("ben");
        it.opened.insert(key, it.as_of);
    });
    assert_eq!(broken, ["licensing.4"]);
    let lawful = laws_broken(|it| {
        it.reading().basis = Basis::FirstUse;
        it.waiting.clear();
    });
    assert!(lawful.is_empty(), "{lawful:?}");
}

/// Law 8: who is in review is not granted, by their own record or by an enrollment.
#[test]
fn who_is_in_review_waits_beside_a_free_seat() {
    use crate::model::{HeldChange, Kind};
    let mut it = World::seats(1);
    it.students(&["ann"]);
    it.settle();
    it.students(&["ben"]);
    it.settle();
    it.roster.users.remove(&"ann".into());
    it.seats.clear();
    let broken = |kind: Option<(Kind, &str)>| {
        let mut baseline = it.baseline();
        baseline.kept_back.extend(kind.map(|(kind, id)| HeldChange {
            groups: std::collections::BTreeSet::new(),
            kind,
            id: id.to_owned(),
            before: None,
            after: None,
            tombstone: false,
        }));
        check(&baseline, it.as_of).into_iter().map(|it| it.code).collect::<Vec<_>>()
    };
    assert_eq!(broken(None), ["licensing.8"]);
    assert!(broken(Some((Kind::Users, "ben"))).is_empty());
    assert!(broken(Some((Kind::Enrollments, r#"["ben","c","student"]"#))).is_empty());
    assert_eq!(broken(Some((Kind::Classes, "ben"))), ["licensing.8"]);
}

/// `ann` has had a seat by the class `c`, which was held to `until`; it is the day `date`.
fn after(until: &str, date: &str) -> World {
    let mut it = World::seats(3);
    it.reading().basis = Basis::Enrolled;
    it.roster.put(Record::Session(session("year", "schoolYear", "2026-08-17", "2027-06-05", None).into()));
    it.roster.put(Record::Session(session("fall", "semester", "2026-08-17", "2026-12-19", Some("year")).into()));
    it.roster.put(Record::Session(session("spring", "semester", "2027-01-05", "2027-06-05", Some("year")).into()));
    it.roster
        .put(Record::Class(class("c", if until == "2026-12-19" { &["fall"] } else { &["fall", "spring"] }).into()));
    it.students(&["ann"]);
    it.enroll_until("ann", "c", "2026-08-17", until);
    it.settle();
    it.night(date);
    it
}

/// Law 3, licensing.md, Basis: a seat that outlasts the year it was had by, or a class that ended before.
#[test]
fn a_seat_that_outlasts_its_class_is_found() {
    let broken = |it: &World| check(&it.baseline(), it.as_of).into_iter().map(|it| it.code).collect::<Vec<_>>();
    let wrong = ["licensing.3"];
    assert!(broken(&after("2026-12-19", "2027-01-04")).is_empty(), "the break");
    assert_eq!(broken(&after("2026-12-19", "2027-01-05")), wrong);
    assert_eq!(broken(&after("2026-10-06", "2026-10-07")), wrong, "dropped");
    assert!(broken(&after("2027-06-05", "2027-06-25")).is_empty(), "the summer");

    let over = |edit: &dyn Fn(&mut World)| {
        let mut it = after("2027-06-05", "2027-06-25");
        let (starts_on, expires_on) = ("2027-06-05".parse().unwrap(), "2028-06-30".parse().unwrap());
        it.subscription(Subscription { starts_on, expires_on, ..subscription("NEXT", "reading", 3) });
        edit(&mut it);
        broken(&it)
    };
    assert!(over(&|_| {}).is_empty());
    assert_eq!(over(&|it| it.reading().after_last_day = LastDay::Release), wrong);
    assert_eq!(over(&|it| it.sub().expires_on = "2027-06-20".parse().unwrap()), wrong);
    assert_eq!(over(&|it| it.sub().status = SubscriptionStatus::Inactive), wrong);
    assert_eq!(over(&|it| it.sub().district = "other".into()), wrong);
    assert_eq!(over(&|it| it.sub().product = "math".into()), wrong);
    assert_eq!(over(&|it| it.sub().starts_on = "2027-06-05".parse().unwrap()), wrong);
}
