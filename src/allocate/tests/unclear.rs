//! What the roster leaves open is reported (P26, P31).

use super::world::{World, class, day, session, user};
use crate::model::{Basis, Period, Record, RoleName};

fn codes(it: &World) -> Vec<(String, u64, Vec<String>)> {
    it.run().warnings.into_iter().map(|it| (it.code, it.count, it.ids)).collect()
}

#[test]
fn a_class_whose_only_teacher_left_keeps_its_students_and_is_reported() {
    // P26
    let mut it = World::seats(5);
    it.reading().basis = Basis::Enrolled;
    it.reading().educator_access = true;
    it.roster.put(Record::Session(session("fall", "semester", "2026-08-17", "2026-12-19", None).into()));
    for id in ["taught", "alone", "empty"] {
        it.roster.put(Record::Class(class(id, &["fall"]).into()));
    }
    it.students(&["ann"]);
    it.roster.put(Record::User(user("tom", RoleName::Teacher, &["s1"]).into()));
    it.enroll("ann", "taught", RoleName::Student);
    it.enroll("ann", "alone", RoleName::Student);
    for id in ["taught", "alone", "empty"] {
        it.enroll("tom", id, RoleName::Teacher);
    }
    assert_eq!(codes(&it), []);
    it.roster.enrollments.retain(|it| it.role == RoleName::Student || it.class.as_str() == "taught");
    assert_eq!(codes(&it), [("class_without_teacher".to_owned(), 1, vec!["alone".to_owned()])]);
    assert_eq!(it.settle(), ["ann granted district"]);
}

#[test]
fn dates_that_nothing_says_have_no_bound_and_are_reported() {
    // P31
    let mut it = World::seats(5);
    it.reading().basis = Basis::Enrolled;
    it.roster.put(Record::Session(session("fall", "semester", "2026-08-17", "2026-12-19", None).into()));
    it.roster.put(Record::Class(class("dated", &["fall"]).into()));
    it.roster.put(Record::Class(class("open", &[]).into()));
    it.students(&["ann"]);
    it.enroll("ann", "dated", RoleName::Student);
    it.enroll("ann", "open", RoleName::Student);
    assert_eq!(codes(&it), [("dates_unresolved".to_owned(), 1, vec!["open".to_owned()])]);
    it.night("2030-01-01");
    it.sub().expires_on = day("2030-06-30");
    assert_eq!(it.settle(), ["ann granted district"], "no end is no end");
    let own = it.roster.enrollments.values_mut().find(|it| it.class.as_str() == "open").unwrap();
    own.periods = vec![Period { begin: Some(day("2026-09-01")), end: Some(day("2026-09-30")) }];
    assert_eq!(codes(&it), [], "the enrollment says both itself");
}

#[test]
fn a_missing_end_is_the_school_years() {
    // P31: hard stop at the year's end.
    let mut it = World::seats(5);
    it.reading().basis = Basis::Enrolled;
    it.reading().after_last_day = crate::model::LastDay::Release;
    it.roster.put(Record::Session(session("year", "schoolYear", "2026-08-17", "2027-06-05", None).into()));
    let mut fall = session("fall", "semester", "2026-08-17", "2026-12-19", Some("year"));
    fall.ends_on = None;
    it.roster.put(Record::Session(fall.into()));
    it.roster.put(Record::Class(class("c", &["fall"]).into()));
    it.students(&["ann"]);
    it.enroll("ann", "c", RoleName::Student);
    assert_eq!(codes(&it), []);
    it.night("2027-06-04");
    assert_eq!(it.settle(), ["ann granted district"]);
    it.night("2027-06-05");
    assert_eq!(it.settle(), ["ann released Ended"]);
}
