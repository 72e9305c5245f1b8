//! The seats that follow from a plan, and what waits with what is held (licensing.md, step 7); and how both are told and named.

use serde_json::json;

use super::{a, at, district, enrolled, feed, feed_and, lines, planned, roster, tonight, user};
use crate::allocate::{Allocation, SeatAction, SeatChange};
use crate::model::{
    Baseline, HeldChange, HoldRecord, Kind, Leaving, PendingReview, Pool, Record, ReleaseReason, Seat, SeatState,
    SourceId,
};
use crate::plan::{Cause, Change, Plan, laid_over, make, plan_hash, settle};

/// A district that has bought so many seats of `math` for whoever is active, and these have one.
fn school(records: impl IntoIterator<Item = Record>, seats: u32, holders: &[&str]) -> Baseline {
    let mut oak = district(records);
    let text = format!(
        "[[product]]\ncode = \"math\"\nname = \"Math\"\naudience = \"student\"\nbasis = \"active\"\n\n[[subscription]]\n\
         id = \"SUB\"\ndistrict = \"oak\"\nproduct = \"math\"\nseats = {seats}\nstarts_on = 2025-07-01\n\
         expires_on = 2026-06-30\nlicensed_to = \"Oak\"\n"
    );
    oak.catalog = crate::catalog::parse(&text).unwrap();
    for holder in holders {
        let seat = Seat {
            product: "math".into(),
            user: (*holder).into(),
            pool: Pool::District,
            since: at("2025-09-01T07:00:00Z"),
            claimed_at: None,
            last_used_at: None,
            leaving: None,
            bridged: false,
            state: SeatState::Active,
        };
        oak.seats.insert(("math".into(), (*holder).into()), seat);
    }
    oak
}

fn told(allocation: &Allocation) -> Vec<String> {
    allocation.changes.iter().map(|it| it.line(it.user.as_str())).collect()
}

/// What follows while the changes that `waits` picks wait.
fn settled(oak: &Baseline, plan: &Plan, waits: impl Fn(&Change) -> bool) -> Allocation {
    let (held, applied): (Vec<&Change>, Vec<&Change>) = plan.changes.iter().partition(|change| waits(change));
    let held: Vec<&Change> = held.into_iter().chain(&plan.pending).chain(&plan.kept_back).collect();
    settle(oak, plan, &applied, &held)
}

fn bridged(oak: &Baseline, allocation: &Allocation) -> Vec<String> {
    let after = allocation.seats.applied_to(&oak.seats);
    after.values().filter(|seat| seat.bridged).map(|seat| seat.user.to_string()).collect()
}

/// Who is merely absent begins to leave; who is called deleted, or was disabled, has no claim any more.
#[test]
fn absence_is_no_evidence_and_a_tombstone_is() {
    let oak = school(["u1", "u2", "u3"].map(user), 10, &["u1", "u2", "u3"]);
    let disabled = a(Kind::Users, "u3", &json!({ "active": false }));
    let plan = planned(&oak, &feed_and([disabled], |it| it.gone(&user("u2"))));
    let wanted = [
        "- seat math/u2 back to district (tombstone)",
        "- seat math/u3 back to district (inactive)",
        "? seat math/u1 leaving since 2025-10-06",
    ];
    assert_eq!(told(&plan.seats), wanted);
    assert_eq!(settled(&oak, &plan, |_| false), plan.seats, "where nothing waits it is what was planned");
    assert_eq!(bridged(&oak, &settled(&oak, &plan, |_| true)), ["u1", "u2", "u3"]);
    let one = settled(&oak, &plan, |it| it.id() == "u2");
    assert_eq!((bridged(&oak, &one), one.bridged), (vec!["u2".to_owned()], 1));
    assert_eq!(told(&one), [wanted[1], wanted[2]]);
}

/// Nobody new takes a seat whose holder is only held, and who is held takes none.
#[test]
fn who_is_held_back_neither_loses_a_seat_nor_gets_one() {
    let oak = school(["u1", "u2"].map(user), 2, &["u1"]);
    let plan = planned(&oak, &feed(["u2", "u3"].map(user)));
    let wanted = [
        "+ seat math/u3 from district",
        "? seat math/u1 leaving since 2025-10-06",
        "… wait math/u2, short of district",
    ];
    assert_eq!(told(&plan.seats), wanted);
    let held = settled(&oak, &plan, |it| it.id() != "u2");
    assert_eq!(
        (told(&held), bridged(&oak, &held)),
        (vec!["+ seat math/u2 from district".to_owned()], vec!["u1".to_owned()])
    );
}

/// Nobody has such a seat but by `seats import`: the user's own record waits, and no one else is to have the seat meanwhile. Who
/// comes as someone else has no claim on it.
#[test]
fn the_seat_of_one_who_waits_to_come_is_kept_unless_it_was_someone_elses() {
    let mut oak = school([], 10, &["u1", "u2"]);
    let name = |name: &str| json!({ "given_name": name, "family_name": name, "grades": [name] });
    oak.former = roster([a(Kind::Users, "u1", &name("Ann")), a(Kind::Users, "u2", &name("Ann"))]);
    let plan = planned(&oak, &feed([a(Kind::Users, "u1", &name("Ann")), a(Kind::Users, "u2", &name("Bob"))]));
    assert_eq!(plan.strangers, ["u2".into()].into());
    assert_eq!(bridged(&oak, &settled(&oak, &plan, |_| true)), ["u1"]);
}

/// A seat that is other than before in any case is bridged by nothing that waits.
#[test]
fn a_seat_that_comes_back_anyway_is_not_bridged() {
    let mut oak = school(["u1", "u2"].map(user), 10, &["u1", "u2"]);
    let yesterday = "2025-10-05".parse().unwrap();
    let leaves = |oak: &mut Baseline, user: &str| {
        let seat = oak.seats.get_mut(&("math".into(), user.into())).unwrap();
        (seat.leaving, seat.state) = (Some(Leaving { since: yesterday, upload: None }), SeatState::Leaving);
    };
    leaves(&mut oak, "u1");
    let plan = planned(&oak, &feed([user("u1")]));
    let held = settled(&oak, &plan, |it| it.id() == "u2");
    assert_eq!((told(&held), bridged(&oak, &held)), (vec!["= seat math/u1 stays".to_owned()], vec!["u2".to_owned()]));
    // Two complete snapshots of different days agree that a third is gone.
    leaves(&mut oak, "u2");
    oak.departed = roster([user("u2")]);
    oak.roster.users.remove(&"u2".into());
    assert_eq!(told(&planned(&oak, &feed([user("u1")])).seats)[0], "- seat math/u2 back to district (absent)");
}

fn held(change: &Change) -> HeldChange {
    let body = |it: &Option<Record>| it.as_ref().map(|it| it.body().unwrap());
    HeldChange {
        groups: ["district/users/removed".to_owned()].into(),
        kind: change.kind,
        id: change.id().into_owned(),
        before: body(&change.before),
        after: body(&change.after),
        tombstone: change.tombstone,
    }
}

/// A run that pulls nothing leaves an older review and what a mode keeps back as they are: those seats stay bridged.
#[test]
fn what_waits_since_an_older_run_keeps_its_seats_bridged() {
    let oak = school(["u1", "u2"].map(user), 10, &["u1", "u2"]);
    let gone = planned(&oak, &feed([]));
    let changes: Vec<HeldChange> = gone.changes.iter().map(held).collect();
    let standing = |oak: &Baseline| {
        let plan = make(oak, Cause::Standing, tonight()).unwrap();
        bridged(oak, &settled(oak, &plan, |_| true))
    };
    let mut reviewed = oak.clone();
    let changes_of_one = vec![changes[0].clone()];
    reviewed.review =
        Some(PendingReview { run: "01RUN".into(), first_sync: false, proposal: None, changes: changes_of_one });
    assert_eq!(standing(&reviewed), ["u1"]);
    let mut kept = oak.clone();
    kept.kept_back = vec![changes[1].clone()];
    assert_eq!(standing(&kept), ["u2"]);
    assert_eq!(standing(&oak), [""; 0]);
}

#[test]
fn changes_can_be_laid_over_a_roster() {
    let change = |before: Option<Record>, after| Change::between(before, after, false, false).unwrap();
    let oak = district(["u1", "u2"].map(user));
    let changes = [change(Some(user("u1")), None), change(None, Some(user("u3")))];
    let over = laid_over(changes.iter());
    let users: Vec<&SourceId> = crate::model::View::new(&oak.roster, &over).users().values().map(|it| &it.id).collect();
    assert_eq!(users, ["u2".into(), "u3".into()].iter().collect::<Vec<&SourceId>>());
}

#[test]
fn each_change_of_a_seat_is_one_line() {
    let (pool, other) = (Pool::District, Pool::School("s1".into()));
    let since = at("2025-09-01T07:00:00Z");
    let day = since.date_in(chrono_tz::America::Chicago);
    let all = [
        (SeatAction::Granted { pool: pool.clone() }, "+ seat math/u from district"),
        (
            SeatAction::Released { pool: pool.clone(), since, reason: ReleaseReason::AccessOff },
            "- seat math/u back to district (access_off)",
        ),
        (SeatAction::Moved { from: pool.clone(), to: other.clone() }, "> seat math/u from district to s1"),
        (
            SeatAction::Passed { account: "v".into(), from: pool.clone(), to: other.clone() },
            "> seat math/u from district to s1, now of v",
        ),
        (SeatAction::Carried { pool, renews: "old".into() }, "+ seat math/u from district, carried over from old"),
        (SeatAction::Leaving { since: day }, "? seat math/u leaving since 2025-09-01"),
        (SeatAction::Stayed, "= seat math/u stays"),
        (SeatAction::Waiting { short_of: other }, "… wait math/u, short of s1"),
        (SeatAction::WaitingEnded, "= wait math/u ended"),
    ];
    for (action, line) in all {
        let change = SeatChange { product: "math".into(), user: "id~1".into(), action };
        assert_eq!(change.line("u"), line);
    }
}

/// interface.md, JSON: the name of a plan is of all that a person is shown, and of nothing else: what they approve is what they
/// saw. (A seeded bug of reliability.md is a hash that omits a field.)
#[test]
fn the_hash_of_a_plan_depends_on_all_that_is_shown() {
    let change = |before: Option<Record>, after, archived, tombstone| {
        vec![Change::between(before, after, archived, tombstone).unwrap()]
    };
    let hold = |group: &str, count, affected| {
        vec![HoldRecord { group: group.to_owned(), count, of: 9, affected, limit: String::new(), decision: None }]
    };
    let seat = |user: &str| {
        let action = SeatAction::Granted { pool: Pool::District };
        vec![SeatChange { product: "math".into(), user: user.into(), action }]
    };
    let hash = |oak: &str, changes: &[Change], seats: &[SeatChange], holds: &[HoldRecord]| {
        plan_hash(&oak.into(), changes, seats, holds).unwrap()
    };
    let base = (change(None, Some(user("u1")), false, false), seat("u1"), hold("g", 1, 2));
    let first = hash("oak", &base.0, &base.1, &base.2);
    let others = [
        hash("elm", &base.0, &base.1, &base.2),
        hash("oak", &[], &base.1, &base.2),
        hash("oak", &base.0, &[], &base.2),
        hash("oak", &base.0, &base.1, &[]),
        hash("oak", &change(None, Some(user("u1")), true, false), &base.1, &base.2),
        hash("oak", &change(None, Some(user("u2")), false, false), &base.1, &base.2),
        hash(
            "oak",
            &change(None, Some(a(Kind::Users, "u1", &json!({ "grades": [] }))), false, false),
            &base.1,
            &base.2,
        ),
        hash("oak", &change(None, Some(a(Kind::Courses, "u1", &json!({}))), false, false), &base.1, &base.2),
        hash("oak", &change(Some(user("u1")), None, false, false), &base.1, &base.2),
        hash("oak", &change(Some(user("u1")), None, false, true), &base.1, &base.2),
        hash("oak", &base.0, &seat("u2"), &base.2),
        hash("oak", &base.0, &base.1, &hold("h", 1, 2)),
        hash("oak", &base.0, &base.1, &hold("g", 2, 2)),
        hash("oak", &base.0, &base.1, &hold("g", 1, 3)),
    ];
    let all: std::collections::BTreeSet<&String> = others.iter().chain([&first]).collect();
    assert_eq!(all.len(), others.len() + 1, "two plans have one name");
    let limit = HoldRecord { of: 1, limit: "in other words".to_owned(), ..base.2[0].clone() };
    assert_eq!(first, hash("oak", &base.0, &base.1, &[limit]));
    assert_eq!((first.len(), lines(&base.0)), (64, vec!["+ user u1".to_owned()]));
    assert_ne!(
        first,
        hash("oak", &[base.0.clone(), change(None, Some(enrolled("u c")), false, false)].concat(), &base.1, &base.2)
    );
}
