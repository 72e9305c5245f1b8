//! Contracts at their bounds: renewals of one old subscription, the first day of a successor, the days after a void grace.

use super::world::{NOTHING, World, allotment, class, day, product, session, subscription};
use crate::allocate::{grace, licenses};
use crate::model::{
    Basis, Date, Ended, Enrollments, Overage, OverrideKind, Pool, Record, ReleaseReason, Role, RoleName, Seats, Shrink,
    Spell, Subscription, Timestamp,
};

fn at(date: &str) -> Timestamp {
    Timestamp::parse(&format!("{date}T08:00:00Z")).unwrap()
}

fn total(it: &World) -> Option<u64> {
    licenses(&it.baseline(), it.as_of, false)[0].total
}

/// licensing.md, Subscriptions: the larger counts while old and new are both in full; of two that continue one that is over
/// both count.
#[test]
fn two_that_continue_one_that_is_over_both_count() {
    let mut it = World::seats(4);
    it.sub().expires_on = day("2026-09-30");
    for id in ["NORTH", "SOUTH"] {
        let next = subscription(id, "reading", 5);
        it.subscription(Subscription { renews: Some("SUB".into()), starts_on: day("2026-10-01"), ..next });
    }
    assert_eq!(total(&it), Some(10));
    it.sub().expires_on = day("2027-06-30");
    assert_eq!(total(&it), Some(5), "the chains meet in one that is in full");
}

/// S4.13: a subscription is active on its last day. S4.20: a renewal does not make the license younger.
#[test]
fn a_license_is_active_on_its_last_day_and_as_old_as_the_first_contract() {
    let mut it = World::seats(4);
    it.sub().created_on = Some(day("2020-08-01"));
    it.sub().expires_on = day("2026-09-30");
    let next = subscription("NEXT", "reading", 5);
    let (renews, created_on) = (Some("SUB".into()), Some(day("2026-09-01")));
    it.subscription(Subscription { renews, created_on, starts_on: day("2026-10-01"), ..next });
    let row = |date: &str| licenses(&it.baseline(), at(date), false).remove(0);
    let status = |date: &str| serde_json::to_value(row(date).status).unwrap();
    assert_eq!((status("2027-06-30"), status("2027-07-01")), ("Active".into(), "Expired".into()));
    assert_eq!(row("2026-10-05").created_on, Some(day("2020-08-01")));
}

/// licensing.md, Expiry suspends: the four hundred days begin when access ends, which is after the grace.
#[test]
fn seats_lapse_four_hundred_days_after_the_grace() {
    let mut it = World::seats(4);
    it.sub().grace_days = 60;
    it.students(&["ann"]);
    it.settle();
    it.night("2028-10-02");
    assert_eq!(it.settle(), NOTHING, "400 days after 2027-08-29");
    it.night("2028-10-03");
    assert_eq!(it.settle()[0], "ann released Expired");
}

/// A grace that a renewal made void ended access with the last day, however long it would have been.
#[test]
fn seats_lapse_four_hundred_days_after_the_last_day_of_a_void_grace() {
    let mut it = World::seats(4);
    it.sub().grace_days = 500;
    it.product(product("reading-2"));
    let next = subscription("NEXT", "reading-2", 5);
    let (starts_on, expires_on) = (day("2027-07-01"), day("2030-06-30"));
    it.subscription(Subscription { renews: Some("SUB".into()), starts_on, expires_on, ..next });
    it.students(&["ann"]);
    it.settle();
    it.night("2028-08-03");
    assert_eq!(it.settle(), ["reading-2/ann carried over from reading to district"]);
    it.night("2028-08-04");
    assert_eq!(it.settle()[0], "ann released Expired");
}

/// Whoever is merely absent from class on the day the seats lapse waits for none.
#[test]
fn who_is_leaving_when_seats_lapse_does_not_wait_for_one() {
    let mut it = World::seats(4);
    it.reading().basis = Basis::Enrolled;
    it.reading().leaving_grace_days = 9;
    it.students(&["ann"]);
    it.roster.put(Record::Class(class("c", &[]).into()));
    it.enroll("ann", "c", RoleName::Student);
    it.settle();
    it.night("2028-08-03");
    let own = it.roster.enrollments.values().next().unwrap().clone();
    it.roster.enrollments = Enrollments::default();
    it.departed.put(Record::Enrollment(own.into()));
    assert_eq!(it.settle(), ["ann leaving"]);
    it.night("2028-08-04");
    assert_eq!(it.settle(), ["ann released Expired"]);
}

/// licensing.md, Basis: over the summer a seat lasts by a subscription of its own product alone.
#[test]
fn another_products_subscription_keeps_no_seat_over_the_summer() {
    let mut it = World::seats(3);
    it.reading().basis = Basis::Enrolled;
    it.sub().expires_on = day("2027-06-20");
    it.product(product("math"));
    it.subscription(Subscription { expires_on: day("2028-06-30"), ..subscription("MATH", "math", 0) });
    it.roster.put(Record::Session(session("year", "schoolYear", "2026-08-17", "2027-06-05", None).into()));
    it.roster.put(Record::Class(class("c", &["year"]).into()));
    it.students(&["ann"]);
    it.enroll("ann", "c", RoleName::Student);
    it.settle();
    it.night("2027-06-20");
    assert_eq!(it.settle(), NOTHING);
    it.night("2027-06-21");
    assert_eq!(it.settle(), ["ann released Ended"]);
}

/// What a grace would begin with is told without an allocation, as one would write it down.
#[test]
fn the_seats_a_grace_begins_with_are_told_beforehand() {
    let mut it = World::seats(4);
    it.sub().grace_days = 60;
    it.students(&["ann", "ben"]);
    it.settle();
    it.night("2027-07-01");
    let told = grace(it.input());
    it.settle();
    assert_eq!(told, it.remembered.grace);
    assert_eq!(told.values().copied().collect::<Vec<_>>(), [2]);
}

/// `reading-2` continues `reading` from July on, with two seats, for students of grade 01.
fn successor() -> World {
    let mut it = World::seats(9);
    let mut two = product("reading-2");
    two.grades = vec!["01".to_owned()];
    it.product(two);
    let next = subscription("NEXT", "reading-2", 2);
    let (starts_on, expires_on) = (day("2027-07-01"), day("2028-06-30"));
    it.subscription(Subscription { renews: Some("SUB".into()), starts_on, expires_on, ..next });
    it
}

fn of_grade_one(it: &mut World, ids: &[&str]) {
    for id in ids {
        it.user(id).grades = vec!["01".to_owned()];
    }
}

/// licensing.md, `renews`: carried over is a seat of before the first day that was not lost since.
#[test]
fn what_was_had_before_the_first_day_and_not_lost_since_is_carried_over() {
    let change = |since: &str, lost: Option<&str>| {
        let mut it = successor();
        it.students(&["ann"]);
        it.settle();
        it.seat("ann").since = at(since);
        let reason = ReleaseReason::Conditions;
        let key = ("reading-2".into(), "ann".into());
        it.ended.extend(lost.map(|date| (key, Ended { at: at(date), reason })));
        of_grade_one(&mut it, &["ann"]);
        it.night("2027-07-02");
        it.settle().remove(0)
    };
    let carried = "reading-2/ann carried over from reading to district";
    let granted = "reading-2/ann granted district";
    assert_eq!(change("2027-06-30", None), carried);
    assert_eq!(change("2027-07-01", None), granted);
    assert_eq!(change("2027-06-01", Some("2027-06-20")), carried);
    assert_eq!(change("2027-06-01", Some("2027-07-01")), granted);
}

/// A seat that is carried over takes its place in the total, each of them.
#[test]
fn who_is_carried_over_leaves_no_room_for_another() {
    let mut it = successor();
    it.students(&["ann", "ben"]);
    it.settle();
    it.students(&["new"]);
    of_grade_one(&mut it, &["ann", "ben", "new"]);
    it.night("2027-07-01");
    let changes = it.settle();
    assert!(changes.contains(&"reading-2/new waiting district".to_owned()), "{changes:?}");
}

fn with_site(it: &mut World, subscription: &str) {
    let it = it.catalog.subscriptions.get_mut(&subscription.into()).unwrap();
    let mut site = allotment("s1", 0);
    site.seats = Seats::Unlimited;
    it.allotments = vec![site];
}

fn spell(over: Date, beyond: Option<Date>) -> Spell {
    Spell { over, beyond }
}

/// S4.40: the seats of a site license keep no spell alive; who is carried over tonight begins one of their own.
#[test]
fn a_spell_is_not_kept_alive_by_a_site_license() {
    let mut it = successor();
    with_site(&mut it, "NEXT");
    let next = it.catalog.subscriptions.get_mut(&"NEXT".into()).unwrap();
    next.overage = Overage::Allow { percent: 50, days: 14 };
    for id in ["pat", "quin", "ray"] {
        it.student(id, &["s1"]);
    }
    for id in ["ann", "ben", "cas"] {
        it.student(id, &["s2"]);
    }
    it.settle();
    it.night("2027-07-01");
    of_grade_one(&mut it, &["pat", "quin", "ray"]);
    assert_eq!(it.settle().len(), 3);
    it.night("2027-07-20");
    of_grade_one(&mut it, &["ann", "ben", "cas"]);
    it.remembered.over.insert("reading-2".into(), spell(day("2027-07-02"), None));
    it.settle();
    assert_eq!(it.remembered.over.get(&"reading-2".into()), Some(&spell(day("2027-07-20"), None)));
}

/// S4.40, S4.42: a spell is over once no more are kept than were bought; who is carried over tonight begins another.
#[test]
fn a_spell_that_is_over_does_not_go_on_with_who_is_carried_over() {
    let mut it = successor();
    it.students(&["ann", "pat", "quin"]);
    it.settle();
    it.night("2027-07-01");
    of_grade_one(&mut it, &["pat", "quin"]);
    assert_eq!(it.settle().len(), 2);
    it.night("2027-07-20");
    of_grade_one(&mut it, &["ann"]);
    let (old, today) = (day("2027-07-02"), day("2027-07-20"));
    it.remembered.over.insert("reading-2".into(), spell(old, Some(old)));
    it.settle();
    assert_eq!(it.remembered.over.get(&"reading-2".into()), Some(&spell(today, Some(today))));
}

/// S4.42: whom a site license can take is not taken back.
#[test]
fn who_can_move_to_a_site_license_is_left() {
    let mut it = World::seats(3);
    it.student("pat", &["s1"]);
    for id in ["ann", "ben"] {
        it.student(id, &["s2"]);
    }
    it.settle();
    with_site(&mut it, "SUB");
    it.sub().seats = Seats::Count(2);
    it.sub().on_shrink = Shrink::Reclaim;
    it.remembered.over.insert("reading".into(), spell(day("2026-08-01"), Some(day("2026-08-01"))));
    it.seat("ann").last_used_at = Some(it.as_of);
    assert_eq!(it.settle(), ["pat moved district to s1"]);
}

/// S2.2, S4.40: the overage is the district's pool's, and of its size.
#[test]
fn the_overage_is_so_many_seats_of_the_districts_pool() {
    let mut it = World::seats(10);
    it.sub().allotments = vec![allotment("s1", 10)];
    it.sub().overage = Overage::Allow { percent: 10, days: 14 };
    for id in ["ann", "ben", "cas"] {
        it.student(id, &["s2"]);
    }
    it.settle();
    assert_eq!((it.seats.len(), it.waiting.len()), (1, 2));
}

/// S3.26: the pool that somebody is short of is that of today's school, also where the place in line is the same.
#[test]
fn the_pool_one_is_short_of_follows_the_school() {
    let mut it = World::seats(2);
    it.sub().allotments = vec![allotment("s1", 1), allotment("s2", 1)];
    for (id, school) in [("pat", "s1"), ("quin", "s2")] {
        it.student(id, &[school]);
        it.decide(id, OverrideKind::Pin, None);
    }
    it.student("ann", &["s1"]);
    it.settle();
    it.user("ann").roles = vec![Role { role: RoleName::Student, org: "s2".into(), primary: true, word: None }];
    assert_eq!(it.settle(), NOTHING);
    let place = &it.waiting[&("reading".into(), "ann".into())];
    assert_eq!((place.position, &place.short_of), (1, &Pool::School("s2".into())));
}

/// safety.md, Guard: of a release that is held nothing changes, also where nobody knows the user's schools any more.
#[test]
fn a_seat_of_a_deleted_user_that_is_held_stays_in_its_pool() {
    let mut it = World::seats(3);
    it.sub().allotments = ["s1", "s2", "s3"].map(|it| allotment(it, 1)).to_vec();
    for (id, school) in [("ann", "s1"), ("ben", "s2"), ("zed", "s3")] {
        it.student(id, &[school]);
    }
    it.settle();
    it.roster.users.remove(&"zed".into());
    it.bridged.insert(("reading".into(), "zed".into()));
    it.held_users.insert("zed".into());
    assert_eq!(it.holders(), ["ann@s1", "ben@s2", "zed@s3"]);
}

/// Changes stand by user, whether a seat was given up or taken back.
#[test]
fn what_is_given_up_and_what_is_taken_back_stands_by_user() {
    let mut it = World::seats(4);
    it.students(&["ann", "ben", "cas", "zed"]);
    it.settle();
    it.sub().seats = Seats::Count(2);
    it.sub().on_shrink = Shrink::Reclaim;
    it.settle();
    it.night("2026-11-04");
    for id in ["ben", "cas"] {
        (it.seat(id).claimed_at, it.seat(id).last_used_at) = (Some(at("2026-11-01")), Some(at("2026-11-01")));
    }
    it.roster.users.remove(&"zed".into());
    assert_eq!(it.settle(), ["ann released Reclaimed", "zed released Tombstone", "ann waiting district"]);
}
