//! Sentences of licensing.md whose breach no other story would tell.

use std::sync::Arc;

use super::world::{NOTHING, World, allotment, class, day, session, subscription, user};
use crate::allocate::{Tallies, licenses};
use crate::model::{
    Access, Basis, Course, Level, OverrideKind, Record, RoleName, RosterRecord, Seats, Shrink, Status,
    SubscriptionStatus, Timestamp,
};

/// Two semesters of one school year, the second beginning on `spring`, and `ann` in a class of the first.
fn semesters(spring: &str) -> World {
    let mut it = World::seats(3);
    it.reading().basis = Basis::Enrolled;
    for session in [
        session("year", "schoolYear", "2026-08-17", "2027-06-05", None),
        session("fall", "semester", "2026-08-17", "2026-12-19", Some("year")),
        session("spring", "semester", spring, "2027-06-05", Some("year")),
    ] {
        it.roster.put(Record::Session(session.into()));
    }
    it.roster.put(Record::Class(class("c", &["fall"]).into()));
    it.students(&["ann"]);
    it.enroll("ann", "c", RoleName::Student);
    it.settle();
    it.night("2026-12-20");
    it
}

/// Basis: "A gap of up to 30 days before the next session of the same school year begins does not end it".
#[test]
fn a_break_of_thirty_days_ends_nothing_and_one_of_thirty_one_does() {
    assert_eq!(semesters("2027-01-18").settle(), NOTHING, "30 days after the 19th of December");
    assert_eq!(semesters("2027-01-19").settle(), ["ann released Ended"]);
}

/// Products: "`subjects` and `courses` on one class that counts".
#[test]
fn subject_and_course_must_be_those_of_one_class() {
    let mut it = semesters("2027-01-05");
    it.night("2026-10-06");
    (it.reading().subjects, it.reading().courses) = (vec!["Math".to_owned()], vec!["ALG".to_owned()]);
    for (id, subject, course) in [("c", "math", "other"), ("d", "art", "alg")] {
        let mut taught = class(id, &["fall"]);
        (taught.subjects, taught.course) = (vec![subject.to_owned()], Some(course.into()));
        it.roster.put(Record::Class(taught.into()));
    }
    for (id, code) in [("alg", "ALG"), ("other", "GEO")] {
        it.roster.put(Record::Course(Arc::new(Course {
            id: id.into(),
            title: id.to_owned(),
            code: Some(code.to_owned()),
            org: None,
            grades: Vec::new(),
            subjects: Vec::new(),
        })));
    }
    it.enroll("ann", "d", RoleName::Student);
    assert_eq!(it.settle(), ["ann released Conditions"], "one has the subject, the other the course");
    it.roster.classes.get_mut(&"d".into()).unwrap().subjects.push("MATH".to_owned());
    assert_eq!(it.settle(), ["ann granted district"]);
}

/// Release: "a changed role, grade or school" is evidence; "`Last enrollment` is the last that counts for the product".
#[test]
fn a_changed_school_ends_at_once_and_an_enrollment_that_does_not_count_holds_nothing() {
    let mut it = World::seats(2);
    it.reading().schools = vec!["s1-number".to_owned()];
    it.students(&["ann"]);
    assert_eq!(it.settle(), ["ann granted district"]);
    it.student("ann", &["s2"]);
    assert_eq!(it.settle(), ["ann released Conditions"]);

    let mut it = semesters("2027-01-05");
    it.night("2026-10-06");
    it.reading().subjects = vec!["math".to_owned()];
    it.roster.classes.get_mut(&"c".into()).unwrap().subjects.push("math".to_owned());
    it.roster.put(Record::Class(class("art", &["fall"]).into()));
    it.enroll("ann", "art", RoleName::Student);
    assert_eq!(it.settle(), NOTHING);
    let last = it.roster.enrollments.values().find(|it| it.class.as_str() == "c").unwrap().key();
    it.departed.put(Record::Enrollment(it.roster.enrollments.remove(&last).unwrap().into()));
    assert_eq!(it.settle(), ["ann leaving"], "art gives nothing, and mere absence is no evidence");
    it.night("2026-10-07");
    assert_eq!(it.settle(), ["ann released Absent"]);
}

/// Demand: "A pin overrides basis and conditions, never audience, presence or the need of a subscription."
#[test]
fn a_pin_gives_nothing_to_who_is_disabled_of_another_audience_or_without_a_subscription() {
    let mut it = World::seats(5);
    it.reading().grades = vec!["12".to_owned()];
    it.students(&["ann", "off"]);
    it.user("off").active = false;
    it.roster.put(Record::User(user("tom", RoleName::Teacher, &["s1"]).into()));
    for id in ["ann", "off", "tom", "gone"] {
        it.decide(id, OverrideKind::Pin, None);
    }
    assert_eq!(it.settle(), ["ann granted district"]);
    let mut it = World::new();
    it.students(&["ann"]);
    it.decide("ann", OverrideKind::Pin, None);
    assert_eq!(it.settle(), NOTHING, "not activated: neither a seat nor a place in line");
}

/// Subscriptions: `access` is `upcoming` before the first day; S3.35: no demand, no waitlist; S4.13: it is shown as Active.
#[test]
fn a_subscription_that_has_not_begun_gives_nothing_and_everything_on_its_first_day() {
    let mut it = World::seats(2);
    it.sub().starts_on = day("2026-10-06");
    it.students(&["ann"]);
    assert_eq!(it.settle(), NOTHING);
    let row = licenses(&it.baseline(), it.as_of, false).remove(0);
    assert_eq!((row.access, row.status, row.waiting, row.assigned), (Access::Upcoming, Some(Status::Active), 0, 0));
    it.night("2026-10-06");
    assert_eq!(it.settle(), ["ann granted district"]);
}

/// Capacity: a subscription in grace "adds the seats in use when its grace began that the others do not cover, at most its
/// own `seats`".
#[test]
fn a_grace_beside_another_contract_adds_what_that_does_not_cover_and_no_more_than_it_had() {
    let total = |students: usize, short: u32, long: u32| {
        let mut it = World::seats(short);
        it.sub().expires_on = day("2026-10-31");
        it.sub().grace_days = 30;
        it.subscription(subscription("LONG", "reading", long));
        for n in 0..students {
            it.student(&format!("u{n}"), &["s1"]);
        }
        it.settle();
        it.night("2026-11-01");
        it.settle();
        licenses(&it.baseline(), it.as_of, false).remove(0).total
    };
    assert_eq!(total(7, 4, 5), Some(7), "7 were in use and the other covers 5");
    assert_eq!(total(3, 4, 5), Some(5), "the other covers all");
    let mut it = World::seats(4);
    (it.sub().expires_on, it.sub().grace_days) = (day("2026-10-31"), 30);
    it.subscription(subscription("LONG", "reading", 5));
    it.students(&["a", "b", "c", "d", "e", "f", "g", "h", "i"]);
    it.settle();
    it.sub().seats = Seats::Count(2);
    it.night("2026-11-01");
    it.settle();
    assert_eq!(licenses(&it.baseline(), it.as_of, false).remove(0).total, Some(7), "at most its own 2");
}

/// `renews`: "while both are `full` the larger counts, not the sum, and from then on the old one's grace is void; allotments
/// and threshold are those of the one that counts, else inherited".
#[test]
fn a_smaller_renewal_counts_alone_once_the_old_one_ends_and_inherits_its_threshold() {
    let mut it = World::seats(10);
    (it.sub().grace_days, it.sub().alert_remaining) = (60, Some(3));
    let mut next = subscription("NEXT", "reading", 8);
    next.renews = Some("SUB".into());
    next.starts_on = day("2027-06-01");
    next.expires_on = day("2028-06-30");
    it.subscription(next);
    let shown = |it: &World| {
        let row = licenses(&it.baseline(), it.as_of, false).remove(0);
        (row.total, row.alert_remaining, row.access)
    };
    it.night("2027-06-15");
    assert_eq!(shown(&it), (Some(10), 3, Access::Full));
    it.night("2027-07-01");
    assert_eq!(shown(&it), (Some(8), 3, Access::Full), "no grace beside the renewal, and its threshold inherited");
}

/// "Expiry suspends": "Nobody is granted. Users without demand still lose theirs."
#[test]
fn while_suspended_nobody_is_granted_and_who_leaves_gives_up_the_seat() {
    let mut it = World::seats(3);
    it.students(&["ann", "ben"]);
    it.settle();
    it.night("2027-07-01");
    it.user("ann").active = false;
    it.students(&["cas"]);
    assert_eq!(
        it.settle(),
        ["ann released Inactive", "cas waiting district"],
        "two seats are free, and give no access"
    );
    it.lawful();
}

/// S4.9: the low end of each band; 500 and 2000 students belong to the middle one.
#[test]
fn the_default_threshold_changes_with_the_five_hundredth_and_after_the_two_thousandth_student() {
    let mut it = World::seats(5000);
    it.students(&["ann"]);
    it.settle();
    let threshold = |students| {
        let tallies = Tallies::after(it.seats.values(), it.waiting.values(), students);
        tallies.licenses(it.input(), false).remove(0).alert_remaining
    };
    assert_eq!([499, 500, 2000, 2001].map(threshold), [25, 50, 50, 100]);
}

/// Keep: "Kept seats start in their pool, by `since`, then id; one moves only if the pool is no longer its user's or an
/// augmenting path needs it."
#[test]
fn where_an_allotment_shrinks_the_one_who_came_last_moves() {
    let mut it = World::seats(4);
    it.sub().allotments = vec![allotment("s1", 2), allotment("s2", 2)];
    it.student("zoe", &["s1", "s2"]);
    it.settle();
    it.night("2026-10-06");
    it.student("amy", &["s1", "s2"]);
    assert_eq!(it.settle(), ["amy granted s1"]);
    it.sub().allotments = vec![allotment("s1", 1), allotment("s2", 3)];
    assert_eq!(it.settle(), ["amy moved s1 to s2"], "by since, and not by id");
}

/// Over: `reclaim` takes back in this order: "never claimed, longest unused, seated last, id".
#[test]
fn of_those_who_never_claimed_the_one_seated_last_gives_the_seat_back() {
    let mut it = World::seats(3);
    it.students(&["ann", "zed"]);
    it.settle();
    it.night("2026-10-06");
    it.students(&["ben"]);
    it.settle();
    it.sub().seats = Seats::Count(2);
    (it.sub().on_shrink, it.sub().remediate_days) = (Shrink::Reclaim, 1);
    let used = Some(Timestamp::parse("2026-10-06T12:00:00Z").unwrap());
    (it.seat("zed").claimed_at, it.seat("zed").last_used_at) = (used, used);
    it.settle();
    it.night("2026-10-07");
    assert_eq!(it.settle(), ["ben released Reclaimed", "ben waiting district"]);
}

/// "red where `assigned >= total`", with overage from the first seat at the limit; a seat above it is over.
#[test]
fn with_overage_the_level_is_red_from_the_limit_on() {
    let mut it = World::seats(2);
    it.sub().overage = crate::model::Overage::Allow { percent: 50, days: 14 };
    it.students(&["ann", "ben"]);
    it.settle();
    let row = licenses(&it.baseline(), it.as_of, false).remove(0);
    assert_eq!((row.level, row.over, row.available), (Level::Red, 0, Some(0)));
}

/// S4.13: three words, whatever the access.
#[test]
fn the_status_is_active_expired_or_inactive() {
    let mut it = World::seats(1);
    it.sub().grace_days = 10;
    let shown = |it: &World| {
        let row = licenses(&it.baseline(), it.as_of, false).remove(0);
        (row.status.unwrap(), row.access)
    };
    assert_eq!(shown(&it), (Status::Active, Access::Full));
    it.night("2027-07-05");
    assert_eq!(shown(&it), (Status::Expired, Access::Grace), "C10");
    it.night("2027-07-11");
    assert_eq!(shown(&it), (Status::Expired, Access::None));
    it.sub().status = SubscriptionStatus::Inactive;
    assert_eq!(shown(&it), (Status::Inactive, Access::None));
}

/// Products: "A bundle's seat gives each of them": its parts go to nobody who has it, and come back when it ends.
#[test]
fn who_loses_the_bundle_is_in_demand_of_its_parts_again() {
    let mut it = World::seats(2);
    it.sell_bundle(1, &["01"]);
    it.students(&["ann"]);
    it.user("ann").grades = vec!["01".to_owned()];
    assert_eq!(it.settle(), ["all/ann granted district"]);
    it.user("ann").grades = vec!["02".to_owned()];
    assert_eq!(it.settle(), ["all/ann released Conditions", "ann granted district"]);
}
