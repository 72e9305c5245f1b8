//! The day, the seat and the account at the very bound of a rule. Each of these was first a mutant that no other story caught
//! (tests/MUTANTS.md).

use super::world::{NOTHING, World, class, day, enrollment, session, subscription, user};
use crate::model::{
    Basis, CountBy, EducatorAccess, Overage, OverrideKind, Record, Role, RoleName, Seats, Shrink, Target, Timestamp,
};

fn used(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// Four have a seat, two are bought since then, and one seat is bridged.
fn over() -> World {
    let mut it = World::seats(4);
    it.students(&["ann", "ben", "cas", "dan"]);
    it.settle();
    it.sub().seats = Seats::Count(2);
    it.seat("ann").bridged = true;
    it.bridged.insert(("reading".into(), "ann".into()));
    it
}

/// licensing.md, step 7: a bridged seat takes no room, so it makes no spell, and is not among those that are taken back.
#[test]
fn a_bridged_seat_is_not_one_too_many() {
    let mut it = over();
    it.settle();
    assert_eq!(it.remembered.over.len(), 1, "three are, of two");
    it.sub().seats = Seats::Count(3);
    it.settle();
    assert!(it.remembered.over.is_empty(), "three of three");

    let mut it = over();
    it.sub().on_shrink = Shrink::Reclaim;
    for id in ["ben", "cas"] {
        it.seat(id).claimed_at = Some(used("2026-10-05T12:00:00Z"));
        it.seat(id).last_used_at = Some(used("2026-10-30T12:00:00Z"));
    }
    it.settle();
    it.night("2026-11-04");
    let changes = it.settle();
    assert_eq!(changes, ["dan released Reclaimed", "dan waiting district"], "ann's was never claimed either");
}

/// S4.42: seats are taken back where every subscription says so, and while none is in its grace.
#[test]
fn nothing_is_taken_back_where_one_contract_keeps() {
    let taken = |edit: &dyn Fn(&mut World)| {
        let mut it = World::seats(4);
        it.students(&["ann", "ben", "cas", "dan"]);
        it.settle();
        it.sub().seats = Seats::Count(1);
        it.sub().on_shrink = Shrink::Reclaim;
        let mut second = subscription("SECOND", "reading", 1);
        second.on_shrink = Shrink::Reclaim;
        it.subscription(second);
        edit(&mut it);
        it.settle();
        it.night("2026-11-04");
        it.seat("ann").claimed_at = Some(used("2026-11-01T12:00:00Z"));
        it.seat("ann").last_used_at = Some(used("2026-11-01T12:00:00Z"));
        it.settle().iter().filter(|it| it.ends_with("Reclaimed")).count()
    };
    let second = |it: &mut World, edit: &dyn Fn(&mut crate::model::Subscription)| {
        edit(it.catalog.subscriptions.get_mut(&"SECOND".into()).unwrap());
    };
    assert_eq!(taken(&|_| {}), 2);
    assert_eq!(taken(&|it| second(it, &|second| second.on_shrink = Shrink::Keep)), 0);
    let grace =
        |second: &mut crate::model::Subscription| (second.expires_on, second.grace_days) = (day("2026-10-20"), 60);
    assert_eq!(taken(&|it| second(it, &grace)), 0);
}

/// S4.40: a spell ends when as many are in use as were bought; the overage may be used anew then, and none exceeds it.
#[test]
fn a_spell_begins_above_the_total_and_again_above_the_overage() {
    let mut it = World::seats(10);
    it.sub().overage = Overage::Allow { percent: 10, days: 14 };
    let ids: Vec<String> = (0..11).map(|number| format!("u{number:02}")).collect();
    it.students(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    it.settle();
    assert_eq!(it.remembered.over.values().map(|it| it.beyond).collect::<Vec<_>>(), [None], "eleven may be");
    it.night("2026-11-02");
    it.roster.users.remove(&"u00".into());
    it.settle();
    assert_eq!((it.seats.len(), it.remembered.over.len()), (10, 0));
    it.students(&["new"]);
    assert_eq!(it.settle(), ["new granted district"], "of a spell that is over nothing is left");
}

fn teacher(it: &mut World, id: &str, on: bool) {
    it.roster.put(Record::User(user(id, RoleName::Teacher, &["s1"]).into()));
    let access = EducatorAccess { product: "reading".into(), educator: id.into(), on };
    it.educator_access.insert(("reading".into(), id.into()), access);
}

fn taught() -> World {
    let mut it = World::seats(9);
    it.reading().basis = Basis::Enrolled;
    it.reading().educator_access = true;
    it.reading().audience = crate::model::Audience::Any;
    it.roster.put(Record::Session(session("fall", "semester", "2026-08-17", "2026-12-19", None).into()));
    for id in ["c1", "c2", "c3"] {
        it.roster.put(Record::Class(class(id, &["fall"]).into()));
    }
    it
}

/// S2.5, S2.6: who is OFF has none as a teacher, who is ON has one, and as a student of another class anybody may.
#[test]
fn an_educator_who_is_off_has_no_seat_as_an_educator() {
    let mut it = taught();
    for (id, class, on) in [("tom", "c1", false), ("una", "c2", true)] {
        teacher(&mut it, id, on);
        it.enroll(id, class, RoleName::Teacher);
    }
    assert_eq!(it.settle(), ["una granted district"]);
    it.enroll("tom", "c2", RoleName::Student);
    assert_eq!(it.settle(), ["tom granted district"]);
    it.lawful();
}

/// P26: a teacher who is merely absent still teaches, for all that is known: the student is leaving, not without a right.
#[test]
fn a_teacher_who_is_merely_absent_may_come_back() {
    let mut it = taught();
    it.students(&["ann"]);
    it.enroll("ann", "c1", RoleName::Student);
    teacher(&mut it, "tom", false);
    teacher(&mut it, "una", true);
    for id in ["tom", "una"] {
        it.enroll(id, "c1", RoleName::Teacher);
    }
    assert_eq!(it.settle(), ["ann granted district", "una granted district"]);
    it.night("2026-10-06");
    it.vanish("una");
    assert_eq!(it.settle(), ["ann leaving", "una leaving"]);
}

/// S1.9: whoever teaches an assigned class has no seat of it as a student, even with a student's role elsewhere.
#[test]
fn a_class_assigns_its_students() {
    let mut it = taught();
    it.reading().basis = Basis::Assigned;
    it.reading().educator_access = false;
    it.reading().audience = crate::model::Audience::Student;
    it.assign(Target::Class("c1".into()), OverrideKind::Pin, &[]);
    it.students(&["both", "ann"]);
    it.user("both").roles.push(Role { role: RoleName::Teacher, org: "s1".into(), primary: false, word: None });
    it.enroll("both", "c1", RoleName::Teacher);
    it.enroll("ann", "c1", RoleName::Student);
    assert_eq!(it.settle(), ["ann granted district"]);
    // Where whole classes are assigned, who is in none of them any more has left one.
    it.roster.enrollments.retain(|it| it.user.as_str() != "ann");
    assert_eq!(it.settle(), ["ann released Tombstone"]);
    it.assign(Target::User("ann".into()), OverrideKind::Pin, &[]);
    it.assignments.retain(|(_, target), _| matches!(target, Target::User(_)));
    assert_eq!(it.settle(), ["ann granted district"]);
    it.assignments.clear();
    assert_eq!(it.settle(), ["ann released Unassigned"]);
}

/// A class that was pinned gives its students their seats until the subscription ends, as a class that counts by itself does.
#[test]
fn who_was_in_a_pinned_class_keeps_the_seat_over_the_summer() {
    let mut it = World::seats(3);
    it.reading().basis = Basis::Enrolled;
    it.reading().grades = vec!["05".to_owned()];
    it.roster.put(Record::Session(session("year", "schoolYear", "2026-08-17", "2027-06-05", None).into()));
    it.roster.put(Record::Class(class("c", &["year"]).into()));
    it.students(&["ann"]);
    it.enroll("ann", "c", RoleName::Student);
    it.assign(Target::Class("c".into()), OverrideKind::Pin, &[]);
    assert_eq!(it.settle(), ["ann granted district"]);
    it.night("2027-06-05");
    assert_eq!(it.settle(), NOTHING);
    it.reading().after_last_day = crate::model::LastDay::Release;
    assert_eq!(it.settle().len(), 1, "unless the product says that it ends with the year");
}

/// P16: of several accounts the one that stands for the person has what those had that are gone; and keeps its own seat.
#[test]
fn the_account_that_stands_for_the_person_goes_first() {
    let mut it = World::seats(3);
    it.reading().count_by = CountBy::Account;
    it.students(&["b-old"]);
    it.settle();
    it.night("2026-10-06");
    it.students(&["a", "z"]);
    it.link(&["z", "a", "b-old"]);
    it.roster.users.remove(&"b-old".into());
    assert_eq!(it.settle(), ["b-old passed to z, district to district", "a granted district"]);

    let mut it = World::seats(3);
    it.reading().count_by = CountBy::Account;
    it.students(&["a", "z"]);
    it.settle();
    it.link(&["z", "a"]);
    it.reading().count_by = CountBy::Person;
    assert_eq!(it.settle(), ["a released Merged"]);
}

/// Nothing passes on once the seats have ended with their contract.
#[test]
fn a_seat_that_lapsed_passes_to_no_other_account() {
    let mut it = World::seats(3);
    it.reading().count_by = CountBy::Person;
    it.students(&["a1", "a2"]);
    it.link(&["a1", "a2"]);
    it.settle();
    it.night("2028-08-04");
    it.user("a1").active = false;
    assert_eq!(it.settle()[0], "a1 released Expired");
}

/// In grace as many seats count as were in use when it began, those that take no room left out.
#[test]
fn a_grace_begins_with_the_seats_that_take_room() {
    let mut it = World::seats(5);
    it.sub().grace_days = 60;
    it.students(&["ann", "ben"]);
    it.settle();
    it.seat("ann").bridged = true;
    it.bridged.insert(("reading".into(), "ann".into()));
    it.night("2027-07-01");
    it.settle();
    assert_eq!(it.remembered.grace.values().copied().collect::<Vec<_>>(), [1]);
}

/// licensing.md, Basis: with the year over a seat lasts while a subscription does that was in force before it ended.
#[test]
fn a_subscription_that_begins_after_the_year_keeps_no_seat_of_it() {
    let lasts = |from: &str, active: bool| {
        let mut it = World::seats(3);
        it.reading().basis = Basis::Enrolled;
        it.roster.put(Record::Session(session("year", "schoolYear", "2026-08-17", "2027-06-05", None).into()));
        it.roster.put(Record::Class(class("c", &["year"]).into()));
        it.students(&["ann"]);
        it.roster.put(Record::Enrollment(enrollment("ann", "c", RoleName::Student).into()));
        it.settle();
        it.sub().expires_on = day("2027-06-20");
        let mut next = subscription("NEXT", "reading", 3);
        (next.starts_on, next.expires_on) = (day(from), day("2028-06-30"));
        if !active {
            next.status = crate::model::SubscriptionStatus::Inactive;
        }
        it.subscription(next);
        it.night("2027-06-25");
        it.settle();
        it.night("2027-06-26");
        it.settle();
        it.seats.contains_key(&("reading".into(), "ann".into()))
    };
    assert!(lasts("2027-06-04", true));
    assert!(!lasts("2027-06-05", true));
    assert!(!lasts("2027-06-21", true));
}
