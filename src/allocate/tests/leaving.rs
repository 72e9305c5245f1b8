//! Who loses a seat, when, and on what evidence.

use super::world::{NOTHING, World, class, day, enrollment, session};
use crate::allocate::Pull;
use crate::model::{
    Basis, EducatorAccess, EndDates, Enrollments, LastDay, OverrideKind, Record, RoleName, SeatState,
    SubscriptionStatus,
};

/// U9, U18.
#[test]
fn absence_counts_when_a_second_snapshot_of_a_later_date_agrees() {
    let mut it = World::seats(1);
    it.students(&["ann"]);
    it.settle();
    it.night("2026-10-06");
    it.vanish("ann");
    assert_eq!(it.settle(), ["ann leaving"]);
    assert_eq!(it.settle(), NOTHING, "the same date says nothing new");
    it.night("2026-10-07");
    it.pull = None;
    assert_eq!(it.settle(), NOTHING, "without a snapshot absence releases nothing");
    it.night("2026-10-07");
    assert_eq!(it.settle(), ["ann released Absent"]);
}

#[test]
fn an_upload_seen_before_does_not_agree_with_itself() {
    let mut it = World::seats(1);
    let pull = |date: &str, upload: &str| Some(Pull { date: day(date), upload: Some(upload.to_owned()) });
    it.students(&["ann"]);
    it.settle();
    it.vanish("ann");
    it.night("2026-10-06");
    it.pull = pull("2026-10-06", "monday.zip");
    assert_eq!(it.settle(), ["ann leaving"]);
    it.night("2026-10-09");
    it.pull = pull("2026-10-09", "monday.zip");
    assert_eq!(it.settle(), NOTHING);
    it.pull = pull("2026-10-09", "friday.zip");
    assert_eq!(it.settle(), ["ann released Absent"]);
}

#[test]
fn no_grace_releases_at_once() {
    let mut it = World::seats(1);
    it.reading().leaving_grace_days = 0;
    it.students(&["ann"]);
    it.settle();
    it.vanish("ann");
    assert_eq!(it.settle(), ["ann released Absent"]);
}

#[test]
fn who_is_back_within_the_grace_stays() {
    let mut it = World::seats(1);
    it.reading().leaving_grace_days = 5;
    it.students(&["ann"]);
    it.settle();
    it.vanish("ann");
    it.settle();
    assert_eq!(it.seats.values().next().unwrap().state, SeatState::Leaving);
    it.night("2026-10-07");
    assert_eq!(it.settle(), NOTHING);
    it.departed = crate::model::Roster::default();
    it.students(&["ann"]);
    assert_eq!(it.settle(), ["ann stayed"]);
}

#[test]
fn a_deleted_user_is_evidence() {
    let mut it = World::seats(1);
    it.students(&["ann"]);
    it.settle();
    it.roster.users.remove(&"ann".into());
    assert_eq!(it.settle(), ["ann released Tombstone"]);
}

#[test]
fn an_exclude_is_evidence_even_while_the_grace_runs() {
    let mut it = World::seats(1);
    it.students(&["ann"]);
    it.settle();
    it.vanish("ann");
    it.settle();
    it.decide("ann", OverrideKind::Exclude, None);
    assert_eq!(it.settle(), ["ann released Excluded"]);
}

#[test]
fn a_changed_grade_is_evidence() {
    let mut it = World::seats(1);
    it.reading().grades = vec!["1".to_owned()];
    it.students(&["ann"]);
    it.roster.users.get_mut(&"ann".into()).unwrap().grades = vec!["Gr 1".to_owned()];
    assert_eq!(it.settle(), ["ann granted district"]);
    it.roster.users.get_mut(&"ann".into()).unwrap().grades = vec!["02".to_owned()];
    assert_eq!(it.settle(), ["ann released Conditions"]);
}

/// A school year of two semesters with a winter break of 17 days, and `ann` in a class of the first.
fn year() -> World {
    let mut it = World::seats(3);
    it.reading().basis = Basis::Enrolled;
    for session in [
        session("year", "schoolYear", "2026-08-17", "2027-06-05", None),
        session("fall", "semester", "2026-08-17", "2026-12-19", Some("year")),
        session("spring", "semester", "2027-01-05", "2027-06-05", Some("year")),
    ] {
        it.roster.put(Record::Session(session.into()));
    }
    it.roster.put(Record::Class(class("c-fall", &["fall"]).into()));
    it.roster.put(Record::Class(class("c-spring", &["spring"]).into()));
    it.students(&["ann"]);
    it.enroll("ann", "c-fall", RoleName::Student);
    it
}

/// S2.13, S2.17.
#[test]
fn who_is_in_no_class_does_not_count_and_many_classes_are_one_seat() {
    // S2.13, S2.17
    let mut it = year();
    it.students(&["ben"]);
    it.enroll("ben", "no-such-class", RoleName::Student);
    it.roster.put(Record::Class(class("c-other", &["fall"]).into()));
    it.enroll("ann", "c-other", RoleName::Student);
    assert_eq!(it.settle(), ["ann granted district"]);
}

#[test]
fn a_class_that_has_not_begun_gives_no_seat() {
    let mut it = year();
    it.night("2026-08-16");
    assert_eq!(it.settle(), NOTHING);
    it.night("2026-08-17");
    assert_eq!(it.settle(), ["ann granted district"]);
}

#[test]
fn the_winter_break_ends_nothing_and_the_next_semester_does() {
    let mut it = year();
    it.settle();
    for night in ["2026-12-19", "2027-01-04"] {
        it.night(night);
        assert_eq!(it.settle(), NOTHING, "{night}");
    }
    it.night("2027-01-05");
    assert_eq!(it.settle(), ["ann released Ended"]);
}

#[test]
fn a_class_dropped_in_october_has_no_break_to_wait_for() {
    let mut it = year();
    it.settle();
    it.roster.put(Record::Session(session("q2", "gradingPeriod", "2026-10-20", "2026-12-19", Some("year")).into()));
    it.enroll_until("ann", "c-fall", "2026-08-17", "2026-10-05");
    assert_eq!(it.settle(), ["ann released Ended"]);
}

#[test]
fn ends_are_inclusive_where_the_source_means_them_so() {
    let mut it = year();
    it.enroll_until("ann", "c-fall", "2026-08-17", "2026-10-05");
    assert_eq!(it.settle(), NOTHING);
    it.state.end_dates = EndDates::Inclusive;
    assert_eq!(it.settle(), ["ann granted district"]);
}

#[test]
fn after_the_last_day_seats_last_until_the_subscription_expires_and_nobody_new_wants_one() {
    let mut it = year();
    it.enroll("ann", "c-spring", RoleName::Student);
    it.settle();
    it.night("2027-06-10");
    it.students(&["ben"]);
    it.enroll("ben", "c-spring", RoleName::Student);
    assert_eq!(it.settle(), NOTHING);
    it.night("2027-07-01");
    assert_eq!(it.settle(), ["ann released Ended"]);
}

#[test]
fn after_the_last_day_a_product_may_release() {
    let mut it = year();
    it.reading().after_last_day = LastDay::Release;
    it.enroll("ann", "c-spring", RoleName::Student);
    it.settle();
    it.night("2027-06-05");
    assert_eq!(it.settle(), ["ann released Ended"]);
}

/// S2.6, C17, C19.
#[test]
fn students_of_an_educator_who_is_off_do_not_count_unless_another_is_on() {
    // S2.6, P26
    let mut it = year();
    it.reading().educator_access = true;
    for id in ["tom", "una"] {
        it.roster.put(Record::User(super::world::user(id, RoleName::Teacher, &["s1"]).into()));
        it.enroll(id, "c-fall", RoleName::Teacher);
    }
    let off = |id: &str| EducatorAccess { product: "reading".into(), educator: id.into(), on: false };
    it.educator_access.insert(("reading".into(), "tom".into()), off("tom"));
    assert_eq!(it.settle(), ["ann granted district"]);
    it.educator_access.insert(("reading".into(), "una".into()), off("una"));
    assert_eq!(it.settle(), ["ann released AccessOff"]);
    it.roster.enrollments.retain(|it| it.role == RoleName::Student);
    assert_eq!(it.settle(), ["ann granted district"], "a class without a teacher counts");
}

#[test]
fn the_last_enrollment_merely_absent_starts_the_grace() {
    let mut it = year();
    it.settle();
    it.roster.enrollments = Enrollments::default();
    it.departed.put(Record::Enrollment(enrollment("ann", "c-fall", RoleName::Student).into()));
    assert_eq!(it.settle(), ["ann leaving"]);
    it.departed = crate::model::Roster::default();
    assert_eq!(it.settle(), ["ann released Tombstone"], "a tombstone does not wait");
}

#[test]
fn subjects_and_courses_are_tested_on_one_class_that_counts() {
    let mut it = year();
    it.reading().subjects = vec!["Reading".to_owned()];
    it.reading().courses = vec!["course-1".to_owned()];
    let mut one = class("c-a", &["fall"]);
    one.subjects = vec!["reading".to_owned()];
    let mut other = class("c-b", &["fall"]);
    other.course = Some("course-1".into());
    it.roster.put(Record::Class(one.clone().into()));
    it.roster.put(Record::Class(other.into()));
    it.enroll("ann", "c-a", RoleName::Student);
    it.enroll("ann", "c-b", RoleName::Student);
    assert_eq!(it.settle(), NOTHING, "each condition is met, by different classes");
    one.course = Some("course-1".into());
    it.roster.put(Record::Class(one.into()));
    assert_eq!(it.settle(), ["ann granted district"]);
}

/// S3.23, S4.23, S4.34, S4.38, S4.44.
#[test]
fn expiry_suspends_and_renewal_rebuilds_nothing() {
    // S3.23
    let mut it = World::seats(1);
    it.students(&["ann"]);
    it.settle();
    it.night("2027-07-01");
    it.students(&["ben"]);
    assert_eq!(it.settle(), ["ben waiting district"]);
    assert_eq!(it.seats.values().next().unwrap().state, SeatState::Suspended);
    let mut next = super::world::subscription("NEXT", "reading", 2);
    next.starts_on = day("2027-08-01");
    next.expires_on = day("2028-07-31");
    it.subscription(next);
    it.night("2027-08-01");
    assert_eq!(it.settle(), ["ben granted district", "ben waiting ended"]);
}

#[test]
fn after_four_hundred_days_suspended_seats_end() {
    let mut it = World::seats(1);
    it.students(&["ann"]);
    it.settle();
    it.night("2028-08-03");
    assert_eq!(it.settle(), NOTHING);
    it.night("2028-08-04");
    assert_eq!(it.settle(), ["ann released Expired", "ann waiting district"]);
}

/// S3.35.
#[test]
fn a_product_that_was_never_active_has_no_waitlist() {
    // S3.35
    let mut it = World::seats(1);
    it.sub().starts_on = day("2027-01-01");
    it.students(&["ann"]);
    assert_eq!(it.settle(), NOTHING);
    it.sub().starts_on = day("2026-07-01");
    it.sub().status = SubscriptionStatus::Inactive;
    assert_eq!(it.settle(), ["ann waiting district"]);
}

/// S3.21, C10.
#[test]
fn in_grace_one_leaves_and_one_may_come() {
    // S3.21
    let mut it = World::seats(3);
    it.sub().grace_days = 30;
    it.students(&["ann", "ben"]);
    it.settle();
    it.night("2027-07-05");
    it.students(&["cas"]);
    assert_eq!(it.settle(), ["cas waiting district"], "two seats were in use when the grace began");
    it.roster.users.remove(&"ann".into());
    assert_eq!(it.settle(), ["ann released Tombstone", "cas granted district", "cas waiting ended"]);
}

#[test]
fn terms_that_name_no_school_year_have_a_winter_break_and_a_summer() {
    // Clever's terms stand alone and their ends are inclusive.
    let mut it = World::seats(1);
    it.reading().basis = Basis::Enrolled;
    it.state.end_dates = EndDates::Inclusive;
    it.roster.put(Record::Session(session("t1", "term", "2026-08-17", "2026-12-18", None).into()));
    it.roster.put(Record::Session(session("t2", "term", "2027-01-05", "2027-06-04", None).into()));
    it.roster.put(Record::Session(session("t3", "term", "2027-08-16", "2027-12-17", None).into()));
    it.roster.put(Record::Class(class("c-1", &["t1"]).into()));
    it.roster.put(Record::Class(class("c-2", &["t2"]).into()));
    it.students(&["ann"]);
    it.enroll("ann", "c-1", RoleName::Student);
    it.night("2026-12-30");
    assert_eq!(it.settle(), ["ann granted district"]);
    it.enroll("ann", "c-2", RoleName::Student);
    it.night("2027-06-30");
    assert_eq!(it.settle(), NOTHING, "the last day of the subscription");
    it.night("2027-07-01");
    assert_eq!(it.settle(), ["ann released Ended"]);
}

#[test]
fn a_release_that_is_itself_held_waits_for_the_decision_and_an_exclude_does_not() {
    // safety.md, Guard: where no roster change causes a release, the release is held.
    let mut it = World::seats(1);
    it.students(&["ann"]);
    it.settle();
    it.reading().grades = vec!["01".to_owned()];
    it.bridged.insert(("reading".into(), "ann".into()));
    it.held_users.insert("ann".into());
    assert_eq!(it.settle(), NOTHING);
    assert_eq!(it.seats.values().next().unwrap().state, SeatState::Bridged);
    it.decide("ann", OverrideKind::Exclude, None);
    assert_eq!(it.settle(), ["ann released Excluded"]);
}
