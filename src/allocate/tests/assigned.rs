//! Seats given by hand: to users, to whole classes with exceptions (S1.8 to S1.10), and by the first opening.

use super::world::{NOTHING, World, class, day, enrollment, session};
use crate::model::{Basis, OverrideKind, Record, RoleName, RosterRecord, Target};

fn of_class(id: &str) -> Target {
    Target::Class(id.into())
}

fn of_user(id: &str) -> Target {
    Target::User(id.into())
}

/// `ann` and `ben` in the class `c`, `cas` in none; seats for all.
fn a_class(basis: Basis) -> World {
    let mut it = World::seats(5);
    it.reading().basis = basis;
    it.roster.put(Record::Session(session("fall", "semester", "2026-08-17", "2026-12-19", None).into()));
    it.roster.put(Record::Class(class("c", &["fall"]).into()));
    it.students(&["ann", "ben", "cas"]);
    it.enroll("ann", "c", RoleName::Student);
    it.enroll("ben", "c", RoleName::Student);
    it
}

#[test]
fn an_assigned_product_seats_only_who_was_assigned() {
    // S0.1, S0.7
    let mut it = a_class(Basis::Assigned);
    assert_eq!(it.settle(), NOTHING);
    it.assign(of_user("cas"), OverrideKind::Pin, &[]);
    assert_eq!(it.settle(), ["cas granted district"]);
    it.lawful();
    it.assignments.clear();
    assert_eq!(it.settle(), ["cas released Unassigned"]);
}

/// S1.9, S0.10.
#[test]
fn an_assigned_class_is_followed_as_it_changes_less_the_excepted() {
    // S0.10, S1.9
    let mut it = a_class(Basis::Assigned);
    it.assign(of_class("c"), OverrideKind::Pin, &["ben"]);
    assert_eq!(it.settle(), ["ann granted district"]);
    it.enroll("cas", "c", RoleName::Student);
    assert_eq!(it.settle(), ["cas granted district"], "who joins the class has a seat");
    it.enroll_until("ann", "c", "2026-08-17", "2026-10-05");
    assert_eq!(it.settle(), ["ann released Ended"], "who leaves it has none");
    it.assign(of_class("c"), OverrideKind::Pin, &["ben", "cas"]);
    assert_eq!(it.settle(), ["cas released Unassigned"], "an exception made later ends a seat");
    it.lawful();
}

#[test]
fn who_is_merely_absent_from_an_assigned_class_is_leaving() {
    let mut it = a_class(Basis::Assigned);
    it.assign(of_class("c"), OverrideKind::Pin, &[]);
    it.settle();
    it.night("2026-10-06");
    let key = it.roster.enrollments.values().next().unwrap().key();
    it.departed.put(Record::Enrollment(it.roster.enrollments.remove(&key).unwrap().into()));
    assert_eq!(it.settle(), ["ann leaving"]);
    it.lawful();
    it.night("2026-10-07");
    assert_eq!(it.settle(), ["ann released Absent"]);
}

#[test]
fn a_class_excluded_from_a_rule_product_has_no_seats_but_for_its_exceptions() {
    // S1.10
    let mut it = a_class(Basis::Active);
    it.settle();
    it.assign(of_class("c"), OverrideKind::Exclude, &["ben"]);
    assert_eq!(it.settle(), ["ann released Excluded"]);
    it.lawful();
}

#[test]
fn a_class_pinned_to_a_rule_product_is_served_first_whatever_the_conditions() {
    // S1.9
    let mut it = a_class(Basis::Active);
    it.reading().grades = vec!["01".to_owned()];
    it.user("cas").grades = vec!["01".to_owned()];
    it.sub().seats = crate::model::Seats::Count(2);
    it.assign(of_class("c"), OverrideKind::Pin, &[]);
    assert_eq!(it.settle(), ["ann granted district", "ben granted district", "cas waiting district"]);
    it.lawful();
}

#[test]
fn what_is_said_of_a_user_goes_before_what_is_said_of_the_class() {
    // S1.8
    let mut it = a_class(Basis::Active);
    it.assign(of_class("c"), OverrideKind::Exclude, &[]);
    it.decide("ann", OverrideKind::Pin, None);
    assert_eq!(it.settle(), ["ann granted district", "cas granted district"]);
    it.assign(of_user("ben"), OverrideKind::Pin, &[]);
    assert_eq!(it.settle(), ["ben granted district"]);
    it.lawful();
}

#[test]
fn a_class_decision_ends_after_its_last_day() {
    let mut it = a_class(Basis::Active);
    it.assign(of_class("c"), OverrideKind::Exclude, &[]);
    let decision = it.assignments.values_mut().next().unwrap();
    decision.until = Some(day("2026-10-06"));
    assert_eq!(it.settle(), ["cas granted district"]);
    it.night("2026-10-06");
    assert_eq!(it.settle(), NOTHING);
    it.night("2026-10-07");
    assert_eq!(it.settle(), ["ann granted district", "ben granted district"]);
}

#[test]
fn a_teacher_of_an_assigned_class_has_no_seat_of_a_student_product() {
    // S4.5
    let mut it = a_class(Basis::Assigned);
    it.roster.put(Record::User(super::world::user("tom", RoleName::Teacher, &["s1"]).into()));
    it.roster.put(Record::Enrollment(enrollment("tom", "c", RoleName::Teacher).into()));
    it.assign(of_class("c"), OverrideKind::Pin, &[]);
    assert_eq!(it.settle(), ["ann granted district", "ben granted district"]);
}

#[test]
fn the_first_opening_draws_a_seat_or_waits() {
    let mut it = a_class(Basis::FirstUse);
    it.sub().seats = crate::model::Seats::Count(1);
    assert_eq!(it.settle(), NOTHING);
    it.opened.insert(("reading".into(), "ben".into()), it.as_of);
    assert_eq!(it.settle(), ["ben granted district"]);
    it.opened.insert(("reading".into(), "ann".into()), it.as_of);
    assert_eq!(it.settle(), ["ann waiting district"]);
    it.lawful();
    it.user("ben").active = false;
    assert_eq!(it.settle(), ["ben released Inactive", "ann granted district", "ann waiting ended"]);
    it.lawful();
}
