//! Classes and their dates at the bounds: who teaches today, a class that is gone, breaks, what the guard asks of dates.

use super::world::{NOTHING, World, class, day, enrollment, session, user};
use crate::allocate::Lasting;
use crate::model::{
    Audience, Basis, Class, EducatorAccess, EndDates, Enrollment, LastDay, OverrideKind, Period, Record, RoleName,
    Roster, SourceId, Target,
};

fn enrolled(seats: u32) -> World {
    let mut it = World::seats(seats);
    it.reading().basis = Basis::Enrolled;
    it.roster.put(Record::Session(session("fall", "semester", "2026-08-17", "2026-12-19", None).into()));
    it.roster.put(Record::Class(class("c", &["fall"]).into()));
    it
}

/// S2.6: who taught the class until September does not teach it today.
#[test]
fn a_teacher_whose_enrollment_ended_does_not_count() {
    let mut it = enrolled(3);
    it.reading().educator_access = true;
    it.students(&["ann"]);
    it.enroll("ann", "c", RoleName::Student);
    for id in ["tom", "una"] {
        it.roster.put(Record::User(user(id, RoleName::Teacher, &["s1"]).into()));
        it.enroll(id, "c", RoleName::Teacher);
    }
    let off = EducatorAccess { product: "reading".into(), educator: "tom".into(), on: false };
    it.educator_access.insert(("reading".into(), "tom".into()), off);
    assert_eq!(it.settle(), ["ann granted district"], "una is ON");
    let una = it.roster.enrollments.values_mut().find(|it| it.user.as_str() == "una").unwrap();
    una.periods = vec![Period { begin: Some(day("2026-08-17")), end: Some(day("2026-09-30")) }];
    assert_eq!(it.settle(), ["ann released AccessOff"]);
}

/// The class is not in the snapshot any more, the enrollment still is.
fn without_its_class(mut it: World) -> World {
    it.students(&["ann"]);
    it.enroll("ann", "c", RoleName::Student);
    assert_eq!(it.settle(), ["ann granted district"]);
    it.night("2026-10-06");
    let gone = it.roster.classes.remove(&"c".into()).unwrap();
    it.departed.put(Record::Class(gone.into()));
    it
}

/// licensing.md, step 2: a class that is merely absent is no evidence, and does not count either.
#[test]
fn whose_class_is_merely_absent_is_leaving() {
    let mut it = without_its_class(enrolled(3));
    assert_eq!(it.settle(), ["ann leaving"]);
    it.night("2026-10-07");
    assert_eq!(it.settle(), ["ann released Absent"]);

    let mut assigned = enrolled(3);
    assigned.reading().basis = Basis::Assigned;
    assigned.assign(Target::Class("c".into()), OverrideKind::Pin, &[]);
    assert_eq!(without_its_class(assigned).settle(), ["ann leaving"]);
}

/// P19: a decision on a class rests with the section it was made on; a new one of the same id is another.
#[test]
fn a_decision_is_not_about_another_class_of_the_same_id() {
    let mut it = enrolled(3);
    it.reading().basis = Basis::Assigned;
    it.assign(Target::Class("c".into()), OverrideKind::Pin, &[]);
    it.students(&["ann"]);
    it.enroll("ann", "c", RoleName::Student);
    assert_eq!(it.settle(), ["ann granted district"]);
    it.roster.put(Record::Class(Class { instance: 1, ..class("c", &["fall"]) }.into()));
    assert_eq!(it.settle(), ["ann released Unassigned"]);
}

/// S3.6: who comes to have the bundle gives its part up for that reason, which can be held, whatever a class that is merely
/// absent would say.
#[test]
fn who_has_the_bundle_gives_up_the_part_for_that_reason() {
    let mut it = enrolled(3);
    it.roster.put(Record::Class(class("x", &["fall"]).into()));
    it.students(&["ann"]);
    it.enroll("ann", "c", RoleName::Student);
    it.departed.put(Record::Enrollment(enrollment("ann", "x", RoleName::Student).into()));
    it.assign(Target::Class("x".into()), OverrideKind::Exclude, &[]);
    assert_eq!(it.settle(), ["ann granted district"]);
    it.sell_bundle(1, &[]);
    assert_eq!(it.settle(), ["all/ann granted district", "ann released Bundled"]);
}

/// safety.md, Guard: while a release is held the mark of the absence that would end the seat stays.
#[test]
fn a_release_that_is_held_leaves_the_mark_of_the_absence() {
    let mut it = World::seats(3);
    it.students(&["ann"]);
    it.settle();
    it.night("2026-10-06");
    it.vanish("ann");
    assert_eq!(it.settle(), ["ann leaving"]);
    it.night("2026-10-07");
    it.bridged.insert(("reading".into(), "ann".into()));
    it.held_users.insert("ann".into());
    assert_eq!(it.settle(), NOTHING);
    assert!(it.seat("ann").leaving.is_some());
}

/// P31: one bound that nothing says is enough to be told of.
#[test]
fn a_class_without_an_end_or_without_a_begin_is_reported() {
    let told = |begins: bool, ends: bool| {
        let mut it = enrolled(3);
        let fall = it.roster.sessions.get_mut(&"fall".into()).unwrap();
        fall.starts_on = fall.starts_on.filter(|_| begins);
        fall.ends_on = fall.ends_on.filter(|_| ends);
        it.students(&["ann"]);
        it.enroll("ann", "c", RoleName::Student);
        it.run().warnings.into_iter().map(|it| it.code).collect::<Vec<_>>()
    };
    assert!(told(true, true).is_empty());
    assert_eq!(told(true, false), ["dates_unresolved"]);
    assert_eq!(told(false, true), ["dates_unresolved"]);
}

/// P31, P26: nothing is told of classes that no product asks for, nor of one without students that runs without a teacher.
#[test]
fn what_no_product_asks_is_not_reported() {
    let mut it = enrolled(3);
    it.roster.put(Record::Class(class("c", &[]).into()));
    it.students(&["ann"]);
    it.enroll("ann", "c", RoleName::Student);
    it.reading().basis = Basis::Active;
    assert_eq!(it.run().warnings, []);

    let mut it = enrolled(3);
    it.reading().educator_access = true;
    it.students(&["ann"]);
    it.enroll_until("ann", "c", "2026-08-17", "2026-09-30");
    it.roster.put(Record::User(user("abe", RoleName::Aide, &["s1"]).into()));
    it.enroll("abe", "c", RoleName::Aide);
    assert_eq!(it.run().warnings, []);
}

fn year() -> World {
    let mut it = World::seats(3);
    it.reading().basis = Basis::Enrolled;
    it.roster.put(Record::Session(session("year", "schoolYear", "2026-08-17", "2027-06-05", None).into()));
    it.roster.put(Record::Session(session("fall", "semester", "2026-08-17", "2026-12-19", Some("year")).into()));
    it.roster.put(Record::Session(session("spring", "semester", "2027-01-05", "2027-06-05", Some("year")).into()));
    it.roster.put(Record::Class(class("c", &["fall", "spring"]).into()));
    it.students(&["ann"]);
    it
}

/// licensing.md, Basis: who stays to the end of a session has the break too, though the class goes on without them.
#[test]
fn who_leaves_with_the_end_of_a_session_has_its_break() {
    let mut it = year();
    it.enroll_until("ann", "c", "2026-08-17", "2026-12-19");
    it.settle();
    it.night("2027-01-04");
    assert_eq!(it.settle(), NOTHING);
    it.night("2027-01-05");
    assert_eq!(it.settle(), ["ann released Ended"]);
}

/// Who is enrolled beyond the last day of the class stayed to the end of the year.
#[test]
fn who_is_enrolled_beyond_the_last_day_stayed_to_the_end_of_the_year() {
    let mut it = year();
    it.enroll_until("ann", "c", "2026-08-17", "2027-06-12");
    it.settle();
    it.night("2027-06-20");
    assert_eq!(it.settle(), NOTHING);
}

/// What has not begun has not ended; of a class that the roster has not the enrollment's own dates tell; a class lasts to
/// the day before the first day after.
#[test]
fn what_has_not_ended_lasts() {
    let mut roster = Roster::default();
    roster.put(Record::Session(session("fall", "semester", "2026-08-17", "2026-12-19", None).into()));
    roster.put(Record::Class(class("c", &["fall"]).into()));
    let lasts = |class: &str, periods: &[(&str, &str)]| {
        let period = |(from, to): &(&str, &str)| Period { begin: Some(day(from)), end: Some(day(to)) };
        let mut it: Enrollment = enrollment("ann", class, RoleName::Student);
        it.periods = periods.iter().map(period).collect();
        Lasting::on(&roster, EndDates::Exclusive, day("2026-10-05")).enrollment(&it)
    };
    let (over, later) = (("2026-08-20", "2026-09-10"), ("2026-11-02", "2026-12-01"));
    assert!(lasts("c", &[later]) && lasts("c", &[over, later]));
    assert!(!lasts("c", &[over]));
    assert!(lasts("unknown", &[]) && lasts("unknown", &[later]));
    assert!(!lasts("unknown", &[over]));
    let on =
        |date: &str| Lasting::on(&roster, EndDates::Exclusive, day(date)).class(&roster.classes[&SourceId::from("c")]);
    assert!(on("2026-12-18") && !on("2026-12-19"));
}

/// S4.5: administrators, proctors and staff are staff.
#[test]
fn each_role_of_an_audience_has_a_seat() {
    let seated = |audience: Audience| {
        let mut it = World::seats(9);
        it.reading().audience = audience;
        for role in RoleName::ALL {
            it.roster.put(Record::User(user(&format!("{role:?}"), role, &["s1"]).into()));
        }
        it.settle();
        it.seats.keys().map(|(_, user)| user.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(seated(Audience::Staff), ["Administrator", "Proctor", "Staff"]);
    assert_eq!(seated(Audience::Educator), ["Aide", "Teacher"]);
    assert_eq!(seated(Audience::Student), ["Student"]);
}

/// licensing.md, Products: schools are named by id, identifier or NCES number, and one of the user's will do.
#[test]
fn a_products_schools_are_named_by_id_identifier_or_number() {
    for name in ["s1", "s1-number", "480001"] {
        let mut it = World::seats(3);
        it.roster.schools.get_mut(&"s1".into()).unwrap().nces = Some("480001".to_owned());
        it.reading().schools = vec![name.to_owned()];
        it.student("ann", &["s2", "s1"]);
        it.student("ben", &["s2"]);
        assert_eq!(it.settle(), ["ann granted district"], "{name}");
    }
}

/// S1.9: an assignment of a user, like one of a class, holds through its last day and not beyond.
#[test]
fn a_user_is_assigned_through_the_last_day() {
    let mut it = enrolled(3);
    it.reading().basis = Basis::Assigned;
    it.students(&["ann"]);
    it.assign(Target::User("ann".into()), OverrideKind::Pin, &[]);
    it.assignments.values_mut().for_each(|it| it.until = Some(day("2026-10-06")));
    assert_eq!(it.settle(), ["ann granted district"]);
    it.night("2026-10-06");
    assert_eq!(it.settle(), NOTHING);
    it.night("2026-10-07");
    assert_eq!(it.settle(), ["ann released Unassigned"]);
}

/// A source's sessions may name each other as parents: the year they belong to is told all the same.
#[test]
fn sessions_that_are_each_others_parents_end_as_they_say() {
    let mut it = World::seats(3);
    it.reading().basis = Basis::Enrolled;
    it.reading().after_last_day = LastDay::Release;
    it.roster.put(Record::Session(session("fall", "semester", "2026-08-17", "2026-12-19", Some("spring")).into()));
    it.roster.put(Record::Session(session("spring", "semester", "2027-01-05", "2027-06-05", Some("fall")).into()));
    it.roster.put(Record::Class(class("c", &["fall"]).into()));
    it.students(&["ann"]);
    it.enroll("ann", "c", RoleName::Student);
    it.settle();
    it.night("2027-01-04");
    assert_eq!(it.settle(), NOTHING, "the break");
    it.night("2027-01-05");
    assert_eq!(it.settle(), ["ann released Ended"]);
}

/// licensing.md, Basis: only a session of the same school year makes a break of a gap.
#[test]
fn a_session_of_another_school_year_makes_no_break() {
    let released = |parent: &str| {
        let mut it = year();
        it.reading().after_last_day = LastDay::Release;
        it.roster.put(Record::Session(session("next", "schoolYear", "2027-06-14", "2028-06-05", None).into()));
        it.roster.put(Record::Session(session("summer", "term", "2027-06-14", "2027-06-28", Some(parent)).into()));
        it.enroll("ann", "c", RoleName::Student);
        it.settle();
        it.night("2027-06-10");
        it.settle()
    };
    assert_eq!(released("year"), NOTHING);
    assert_eq!(released("next"), ["ann released Ended"]);
}

/// licensing.md, Products: a product of certain courses alone, by id or code, or of certain subjects alone.
#[test]
fn courses_alone_or_subjects_alone_are_asked() {
    let seated = |edit: &dyn Fn(&mut World)| {
        let mut it = enrolled(3);
        let mut art = class("art", &["fall"]);
        (art.course, art.subjects) = (Some("k".into()), vec!["Art".to_owned()]);
        it.roster.put(Record::Class(art.into()));
        it.students(&["ann", "ben"]);
        it.enroll("ann", "art", RoleName::Student);
        it.enroll("ben", "c", RoleName::Student);
        edit(&mut it);
        it.settle()
    };
    assert_eq!(seated(&|_| {}).len(), 2);
    assert_eq!(seated(&|it| it.reading().courses = vec!["k".to_owned()]), ["ann granted district"]);
    assert_eq!(seated(&|it| it.reading().subjects = vec!["art".to_owned()]), ["ann granted district"]);
}

/// S2.5: access that is OFF matters to products that ask for it, and to no other.
#[test]
fn a_product_that_asks_for_no_educator_access_does_not_look_at_it() {
    let mut it = enrolled(3);
    it.students(&["ann"]);
    it.enroll("ann", "c", RoleName::Student);
    it.roster.put(Record::User(user("tom", RoleName::Teacher, &["s1"]).into()));
    it.enroll("tom", "c", RoleName::Teacher);
    let off = EducatorAccess { product: "reading".into(), educator: "tom".into(), on: false };
    it.educator_access.insert(("reading".into(), "tom".into()), off);
    assert_eq!(it.settle(), ["ann granted district"]);
}
