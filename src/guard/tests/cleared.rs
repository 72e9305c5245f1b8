//! What a cleared plan says of itself: what applies and what waits, counted and line by line.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::table::{Town, size};
use super::{feed_of, night, term};
use crate::allocate::{Allocation, SeatAction, SeatChange};
use crate::guard::{Circumstances, Cleared, Keep, Settings, review};
use crate::model::{Changed, Kind, Need, Personal, PlanView, Pool, Record, ReleaseReason, SeatCounts, User};
use crate::plan::{self, Cause};

/// Twenty children in two classes, and tonight's feed: one is new, one is back, one has another user name, one is gone, the id of
/// one stands for someone else, and a class is one of another term.
fn eventful() -> (Town, Vec<Record>) {
    let mut town = Town::of(&[size(20, 2)]);
    town.edit(|record| {
        if let Record::User(user) = record {
            Arc::make_mut(user).family_name = Some(Personal::new("Lee"));
        }
        if let Record::Class(class) = record {
            Arc::make_mut(class).sessions = vec!["fall".into()];
        }
    });
    town.add(Record::Session(term("fall", ["2025-08-15", "2025-12-19"]).into()));
    town.add(Record::Session(term("spring", ["2026-01-05", "2026-06-05"]).into()));
    town.baseline.archived.insert((Kind::Users, "U0-0901".to_owned()));
    let mut feed = town.records.clone();
    let mut more = Vec::new();
    feed.retain(|it| !matches!(it, Record::User(user) if user.id.as_str() == "U0-0004"));
    for record in &mut feed {
        match record {
            Record::User(user) if user.id.as_str() == "U0-0001" => {
                more = ["U0-0900", "U0-0901"].map(|id| (id, User::clone(user))).into();
            }
            Record::User(user) if user.id.as_str() == "U0-0003" => {
                Arc::make_mut(user).username = Some(Personal::new("kim"));
            }
            Record::User(user) if user.id.as_str() == "U0-0006" => {
                let user = Arc::make_mut(user);
                (user.given_name, user.family_name) = (Some(Personal::new("Bo")), Some(Personal::new("Fox")));
                (user.student_number, user.grades) = (None, vec!["07".to_owned()]);
            }
            Record::Class(class) if class.id.as_str() == "C0-001" => {
                Arc::make_mut(class).sessions = vec!["spring".into()];
            }
            _ => {}
        }
    }
    for (id, mut user) in more {
        (user.id, user.student_number) = (id.into(), None);
        feed.push(Record::User(user.into()));
    }
    (town, feed)
}

fn reviewed(town: &Town, feed: Vec<Record>, settings: &Settings) -> Cleared {
    let snapshot = feed_of(feed, night(1));
    let plan = plan::make(&town.baseline, Cause::Snapshot(&snapshot), night(1)).unwrap();
    let circumstances = Circumstances { snapshot: Some(&snapshot), ..Circumstances::default() };
    review(plan, &town.baseline, settings, circumstances).unwrap()
}

/// A class that takes over an id is one that went and one that came.
#[test]
fn changes_are_counted_by_what_they_are_and_whether_they_wait() {
    let (town, feed) = eventful();
    let cleared = reviewed(&town, feed.clone(), &Settings::default());
    let groups: Vec<&str> = cleared.holds().iter().map(|it| it.group.as_str()).collect();
    assert_eq!(groups, ["district/users/reused"]);
    let counts = cleared.counts();
    assert_eq!(counts[&Kind::Users], Changed { added: 2, changed: 1, removed: 1, unchanged: 17, held: 1 });
    assert_eq!(counts[&Kind::Classes], Changed { added: 1, removed: 1, unchanged: 1, ..Changed::default() });
    assert_eq!(counts[&Kind::Courses], Changed::default());
    assert_eq!((cleared.strangers(), cleared.in_review().count()), (BTreeSet::new(), 1), "who waits is nobody yet");
    assert!(!cleared.changes_nothing());
    assert!(reviewed(&town, town.records.clone(), &Settings::default()).changes_nothing());
    let settings = Settings { enabled: false, ..Settings::default() };
    assert_eq!(reviewed(&town, feed, &settings).strangers(), BTreeSet::from(["U0-0006".into()]));
}

#[test]
fn a_plan_is_shown_line_by_line_with_what_waits() {
    let (town, feed) = eventful();
    let cleared = reviewed(&town, feed, &Settings::default());
    let view = cleared.view(|change| format!("<{}>", change.id()), |user| format!("<{user}>"));
    let wanted = [
        "- class <C0-001>",
        "+ class <C0-001>",
        "~ user <U0-0003>: username (personal)",
        "- user <U0-0004>",
        "~ user <U0-0006>: family_name (personal), given_name (personal), grades null -> [\"07\"], student_number (personal)  [held]",
        "+ user <U0-0900>",
        "^ user <U0-0901>",
    ];
    assert_eq!(view, PlanView { lines: wanted.map(str::to_owned).to_vec(), omitted: 0 });
    let town = Town::of(&[size(1, 0)]).with_seats();
    let many = Town::of(&[size(PlanView::LONGEST + 3, 0)]).records;
    let view = reviewed(&town, many, &Settings { enabled: false, ..Settings::default() })
        .view(|change| change.id().into_owned(), ToString::to_string);
    let granted = 5_000 - 1;
    let waits = PlanView::LONGEST + 2 - granted;
    assert_eq!(view.lines.len(), PlanView::LONGEST);
    assert_eq!(
        view.omitted,
        u64::try_from(2 + granted + waits).unwrap(),
        "a line each of who comes and of what they get"
    );
}

#[test]
fn seats_are_counted_by_what_becomes_of_them() {
    let (pool, other) = (Pool::District, Pool::School("S0".into()));
    let released = SeatAction::Released { pool: pool.clone(), since: night(0), reason: ReleaseReason::Ended };
    let moved = SeatAction::Moved { from: pool.clone(), to: other.clone() };
    let passed = SeatAction::Passed { account: "v".into(), from: pool.clone(), to: pool.clone() };
    let carried = SeatAction::Carried { pool: pool.clone(), renews: "old".into() };
    let day = night(0).date_in(chrono_tz::America::Chicago);
    let rest = [
        SeatAction::Leaving { since: day },
        SeatAction::Stayed,
        SeatAction::Waiting { short_of: other },
        SeatAction::WaitingEnded,
    ];
    let granted = SeatAction::Granted { pool };
    let all = [granted.clone(), granted, carried, released.clone(), released, moved, passed].into_iter().chain(rest);
    let change = |action| SeatChange { product: "math".into(), user: "u".into(), action };
    let town = Town::of(&[size(2, 0)]);
    let mut cleared = town.cleared(town.records.clone(), Keep::Nothing);
    let changes = all.map(change).collect();
    cleared.settled = Some(Allocation { changes, bridged: 5, in_line: 6, ..Allocation::default() });
    let wanted = SeatCounts { granted: 3, released: 2, moved: 2, bridged: 5, waiting: 6 };
    assert_eq!(cleared.seat_counts(), wanted);
}

/// safety.md, First sync: seats needed if everything applied, against those bought.
#[test]
fn what_a_first_sync_needs_is_told_against_what_was_bought() {
    let mut town = Town::of(&[size(5_003, 0)]).with_seats();
    town.baseline.seats.clear();
    let feed = std::mem::take(&mut town.records);
    town.baseline.roster = crate::model::Roster::default();
    let cleared = town.cleared(feed, Keep::Nothing);
    let needs = cleared.needs(&town.baseline);
    assert_eq!(needs, [Need { product: "math".into(), needed: 5_003, bought: Some(5_000) }]);
}

/// What a person approves is named by what they were shown.
#[test]
fn a_plan_has_the_hash_of_its_changes_seats_and_holds() {
    let (town, feed) = eventful();
    let cleared = reviewed(&town, feed, &Settings::default());
    let plan = cleared.plan();
    let hash = plan::plan_hash(&plan.district, &plan.changes, &cleared.seats().changes, cleared.holds());
    assert_eq!(cleared.hash(), hash.unwrap());
}
