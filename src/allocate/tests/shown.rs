//! The rows of `rosterd licenses` where a product has pools, a site license, people who wait and accounts of one person.

use super::world::{World, allotment, user};
use crate::allocate::{License, Percent, Scope, Tallies, grace, is_active_student, licenses, recently_used};
use crate::model::{CountBy, Pool, Record, RoleName, Seats, Timestamp};

fn rows(it: &World) -> Vec<License> {
    licenses(&it.baseline(), it.as_of, true)
}

fn site(school: &str) -> crate::model::Allotment {
    let mut site = allotment(school, 0);
    site.seats = Seats::Unlimited;
    site
}

/// interface.md, JSON: a percentage that was written is read as it was.
#[test]
fn a_percentage_is_read_as_it_was_written() {
    for (part, whole, text) in [(949, 1000, "94.9"), (1, 8, "12.5"), (5, 4, "125.0"), (0, 3, "0.0")] {
        let it = Percent::of(part, whole).unwrap();
        assert_eq!(serde_json::to_string(&it).unwrap(), text);
        assert_eq!(serde_json::from_str::<Percent>(text).unwrap(), it);
    }
    assert_eq!(serde_json::from_str::<Percent>("94").unwrap(), Percent::of(94, 100).unwrap());
    assert!(serde_json::from_str::<Percent>("-1.5").is_err());
}

/// S4.9: the default threshold goes by students who are active.
#[test]
fn active_students_are_counted_for_the_threshold() {
    let student = user("ann", RoleName::Student, &["s1"]);
    let mut disabled = student.clone();
    disabled.active = false;
    assert!(is_active_student(&student));
    assert!(!is_active_student(&disabled));
    assert!(!is_active_student(&user("tom", RoleName::Teacher, &["s1"])));

    let threshold = |students: u32| {
        let mut it = World::seats(5000);
        for number in 0..students {
            it.student(&format!("u{number}"), &["s1"]);
        }
        it.roster.put(Record::User(user("tom", RoleName::Teacher, &["s1"]).into()));
        rows(&it)[0].alert_remaining
    };
    assert_eq!([499, 500].map(threshold), [25, 50]);
}

/// S2.2: the seats of a site license are left out of the sum, and who waits for one is not.
#[test]
fn who_waits_for_a_pool_counts_in_its_row_and_in_the_sum() {
    let mut it = World::seats(2);
    it.sub().allotments = vec![site("s1"), allotment("s2", 1)];
    it.student("pat", &["s1"]);
    for id in ["ann", "ben", "cas"] {
        it.student(id, &["s2"]);
    }
    it.settle();
    it.held_users.insert("quin".into());
    it.student("quin", &["s1"]);
    it.settle();
    let shown: Vec<_> = rows(&it).iter().map(|row| (row.pool, row.total, row.assigned, row.waiting)).collect();
    assert_eq!(
        shown,
        [
            (Scope::Sum, Some(2), 2, 2),
            (Scope::School, None, 1, 1),
            (Scope::School, Some(1), 1, 1),
            (Scope::District, Some(1), 1, 0),
        ]
    );
}

/// licensing.md, Shown: a school's threshold is the product's in proportion, rounded up; of a product without limit it is the
/// product's, at most a tenth of the allotment.
#[test]
fn a_schools_threshold_is_its_share() {
    let thresholds = |it: &World| rows(it).iter().map(|row| row.alert_remaining).collect::<Vec<_>>();
    let mut it = World::seats(1000);
    it.sub().alert_remaining = Some(50);
    it.sub().allotments = vec![allotment("s1", 333), site("s2")];
    assert_eq!(thresholds(&it), [50, 17, 0, 34], "16.65 and 33.35");
    it.sub().seats = Seats::Unlimited;
    assert_eq!(thresholds(&it), [50, 33, 0, 0]);
    it.sub().allotments = vec![allotment("s1", 900)];
    assert_eq!(thresholds(&it), [50, 50, 0]);
    it.sub().seats = Seats::Count(0);
    it.sub().allotments.clear();
    assert_eq!(thresholds(&it), [50, 0], "a share of nothing is nothing");
}

/// S2.15: what would be in use if the accounts of one person counted once, in the sum and in each pool; bridged seats left out.
#[test]
fn accounts_of_one_person_are_counted_once_in_what_would_be() {
    let mut it = World::seats(9);
    it.sub().allotments = vec![allotment("s1", 5)];
    it.students(&["a1", "a2", "ann"]);
    it.student("b1", &["s2"]);
    it.student("b2", &["s2"]);
    it.link(&["a1", "a2"]);
    it.settle();
    let merged = |it: &World| rows(it).iter().map(|row| (row.assigned, row.assigned_if_merged)).collect::<Vec<_>>();
    assert_eq!(merged(&it), [(5, Some(4)), (3, Some(2)), (2, Some(2))]);
    it.seat("ann").bridged = true;
    assert_eq!(merged(&it), [(4, Some(3)), (2, Some(1)), (2, Some(2))]);
    it.seat("ann").pool = Pool::School("s3".into());
    assert_eq!(merged(&it).len(), 4, "a pool without an allotment is shown while it has seats");
}

/// S3.17: a use of thirty days ago is recent, to the instant.
#[test]
fn a_use_of_thirty_days_ago_is_recent() {
    let mut it = World::seats(9);
    it.students(&["ann"]);
    it.settle();
    let recent = |it: &mut World, used: &str| {
        it.seat("ann").last_used_at = Some(Timestamp::parse(used).unwrap());
        let row = rows(it).remove(0);
        let as_of = it.as_of;
        (row.utilization_percent.map(Percent::tenths), recently_used(it.seat("ann"), as_of))
    };
    assert_eq!(recent(&mut it, "2026-09-05T08:00:00Z"), (Some(1000), true));
    assert_eq!(recent(&mut it, "2026-09-05T07:59:59Z"), (Some(0), false));
}

/// licensing.md, Capacity: in grace the seats in use count, but for those of a site license and those that are bridged.
#[test]
fn in_grace_the_total_is_the_seats_that_take_room() {
    let mut it = World::seats(5);
    it.sub().grace_days = 60;
    it.sub().allotments = vec![site("s1")];
    it.student("pat", &["s1"]);
    for id in ["ann", "ben", "cas"] {
        it.student(id, &["s2"]);
    }
    it.settle();
    it.seat("cas").bridged = true;
    it.bridged.insert(("reading".into(), "cas".into()));
    it.night("2027-07-01");
    assert_eq!(rows(&it)[0].total, Some(2), "ann and ben");
    assert_eq!(grace(it.input()).into_values().collect::<Vec<_>>(), [2]);
}

/// A product that is not bought any more is shown while somebody has a seat of it, in use or in review, and not for those who
/// wait.
#[test]
fn what_is_not_bought_is_shown_while_there_are_seats() {
    let mut it = World::seats(1);
    it.students(&["ann", "ben"]);
    it.settle();
    it.catalog.subscriptions.clear();
    assert_eq!(rows(&it).len(), 2, "the sum, and the pool");
    it.seats.values_mut().for_each(|seat| seat.bridged = true);
    assert_eq!(rows(&it)[0].bridged, 1);
    it.seats.clear();
    assert_eq!(rows(&it), []);
}

/// S2.15: what would be is told of products that count accounts, and where it is known who is one person.
#[test]
fn what_would_be_is_told_where_it_can_be_known() {
    let mut it = World::seats(5000);
    it.students(&["a1", "a2"]);
    it.link(&["a1", "a2"]);
    it.settle();
    assert_eq!(rows(&it)[0].assigned_if_merged, Some(1));
    let after = Tallies::after(it.seats.values(), it.waiting.values(), 500).licenses(it.input(), false).remove(0);
    assert_eq!((after.assigned, after.assigned_if_merged, after.alert_remaining), (2, None, 50));
    it.reading().count_by = CountBy::Person;
    assert_eq!(rows(&it)[0].assigned_if_merged, None);
}
