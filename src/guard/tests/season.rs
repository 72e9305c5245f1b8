//! When a mode is proposed: the end of a school year, a rollover, a school that is no longer shared (P12 to P15).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::table::{Town, size};
use super::{blank, feed_of, night, term};
use crate::guard::{Circumstances, Keep, Settings, review, year_turns};
use crate::model::{Baseline, Date, DistrictMode, ModeEntry, Modes, Record, Roster, Session, Timestamp};
use crate::plan::{self, Cause};
use crate::snapshot::Snapshot;

fn session(id: &str, days: [&str; 2], year: Option<&str>) -> Record {
    Record::Session(Session { school_year: year.map(str::to_owned), ..term(id, days) }.into())
}

fn district(sessions: impl IntoIterator<Item = Record>) -> Baseline {
    let mut roster = Roster::default();
    sessions.into_iter().for_each(|it| roster.put(it));
    blank(roster)
}

/// The days of the mode that is proposed on a day.
fn proposed(oak: &Baseline, day: &str) -> Option<(String, Option<String>)> {
    let at = Timestamp::parse(&format!("{day}T12:00:00Z")).unwrap();
    let proposal = year_turns(oak, at)?;
    assert_eq!(proposal.mode, DistrictMode::NoRemovals);
    Some((proposal.from.to_string(), proposal.until.map(|it| it.to_string())))
}

fn days(from: &str, until: &str) -> (String, Option<String>) {
    (from.to_owned(), Some(until.to_owned()))
}

const OLD: [&str; 2] = ["2025-08-15", "2026-06-05"];

/// From three weeks before the end of the year until the day before the next one begins, or for four months.
#[test]
fn a_mode_is_proposed_around_the_end_of_a_school_year() {
    let years = [session("y1", OLD, None), session("y2", ["2026-08-17", "2027-06-04"], None)];
    let oak = district(years.clone());
    for (day, wanted) in [
        ("2026-05-14", None),
        ("2026-05-15", Some(days(OLD[1], "2026-08-17"))),
        ("2026-06-05", Some(days(OLD[1], "2026-08-17"))),
        ("2026-06-06", Some(days("2026-06-06", "2026-08-17"))),
        ("2026-08-16", Some(days("2026-08-16", "2026-08-17"))),
        ("2026-08-17", None),
    ] {
        assert_eq!(proposed(&oak, day), wanted, "{day}");
    }
    let why = year_turns(&oak, Timestamp::parse("2026-06-01T12:00:00Z").unwrap()).unwrap().why;
    assert_eq!(why, "the school year ends on 2026-06-05 and the next begins on 2026-08-17");
    let late = district([years[0].clone(), session("y2", ["2027-01-04", "2027-06-04"], None)]);
    assert!(proposed(&late, "2026-10-03").is_some());
    assert_eq!(proposed(&late, "2026-10-04"), None);
    assert_eq!(proposed(&district([years[0].clone()]), "2026-06-05"), None, "no next year is known");
    let endless = match years[1].clone() {
        Record::Session(it) => Record::Session(Session { ends_on: None, ..Arc::unwrap_or_clone(it) }.into()),
        other => other,
    };
    assert!(proposed(&district([years[0].clone(), endless.clone()]), "2026-08-16").is_some());
    assert_eq!(proposed(&district([years[0].clone(), endless]), "2026-08-17"), None, "it has begun");
    let (june, coming) = (Timestamp::parse("2026-06-05T12:00:00Z").unwrap(), feed_of(years.clone(), night(1)));
    let unaware = district([years[0].clone()]);
    let plan = plan::make(&unaware, Cause::Snapshot(&coming), june).unwrap();
    let circumstances = Circumstances { snapshot: Some(&coming), ..Circumstances::default() };
    let cleared = review(plan, &unaware, &Settings::default(), circumstances).unwrap();
    assert_eq!(cleared.proposal().map(|it| it.from), Some(OLD[1].parse().unwrap()), "the plan brings the next year");
}

/// Terms with a month or less between them are of one year, as the winter break is, unless the source says otherwise.
#[test]
fn the_next_term_is_of_the_next_year_after_a_long_break_or_by_its_word() {
    let next = |from: &str, old: Option<&str>, new: Option<&str>| {
        let oak = district([session("t1", OLD, old), session("t2", [from, "2027-06-04"], new)]);
        proposed(&oak, OLD[1]).is_some()
    };
    let (month, longer) = ("2026-07-05", "2026-07-06");
    for (from, old, new, wanted) in [
        (month, None, None, false),
        (longer, None, None, true),
        (month, Some("2026"), Some("2027"), true),
        (month, Some("2026"), Some("2026"), false),
        (month, Some("2026"), None, false),
        (month, None, Some("2027"), false),
    ] {
        assert_eq!(next(from, old, new), wanted, "{from} {old:?} {new:?}");
    }
    // Of several terms that have begun the one that ends last is the year; of several that come the first is the next.
    let terms = [
        session("t0", ["2025-08-15", "2025-12-19"], None),
        session("t1", OLD, None),
        session("t2", ["2026-09-01", "2027-01-15"], None),
        session("t3", ["2026-08-17", "2027-06-04"], None),
    ];
    assert_eq!(proposed(&district(terms), OLD[1]), Some(days(OLD[1], "2026-08-17")));
}

fn mode(mode: DistrictMode, from: Option<Date>) -> Modes {
    Modes(vec![ModeEntry {
        number: 1,
        mode,
        from,
        until: None,
        reason: None,
        by: "ann".to_owned(),
        at: night(0),
        ended_at: None,
    }])
}

#[test]
fn nothing_is_proposed_where_a_mode_counts_or_is_planned() {
    let mut oak = district([session("y1", OLD, None), session("y2", ["2026-08-17", "2027-06-04"], None)]);
    oak.modes = mode(DistrictMode::NoRemovals, None);
    assert_eq!(proposed(&oak, OLD[1]), None);
    oak.modes = mode(DistrictMode::PlanOnly, Some("2026-07-01".parse().unwrap()));
    assert_eq!(proposed(&oak, OLD[1]), None);
    oak.modes = mode(DistrictMode::Normal, None);
    assert!(proposed(&oak, OLD[1]).is_some());
}

/// A town of so many children and classes, everyone of that grade.
fn town(students: usize, classes: usize, grade: &str) -> Town {
    let mut town = Town::of(&[size(students, classes)]);
    town.edit(|record| {
        if let Record::User(user) = record {
            Arc::make_mut(user).grades = vec![grade.to_owned()];
        }
    });
    town
}

/// What is proposed if so many classes go and so many children are of that grade.
fn rollover(town: &Town, gone: usize, promoted: usize, grade: &str) -> Option<String> {
    let classes = |it: &Record| matches!(it, Record::Class(_));
    let (mut left, mut records) = (promoted, town.without(gone, classes));
    for record in &mut records {
        if let Record::User(user) = record
            && left > 0
        {
            Arc::make_mut(user).grades = vec![grade.to_owned()];
            left -= 1;
        }
    }
    let cleared = town.cleared(records, Keep::Nothing);
    let proposal = cleared.proposal()?;
    assert_eq!((proposal.mode, proposal.from.to_string()), (DistrictMode::NoRemovals, "2025-10-07".to_owned()));
    Some(format!("{} until {}", proposal.why, proposal.until.unwrap()))
}

/// P13: half of the classes go, five at least, and half of the children are a grade higher, or a new year is there.
#[test]
fn a_rollover_is_recognized_by_its_classes_and_its_children() {
    let ten = town(10, 10, "03");
    let said = |classes: &str, children: &str| {
        format!(
            "{classes} classes are gone, {children} children are a grade higher: this looks like a rollover until 2025-10-21"
        )
    };
    assert_eq!(rollover(&ten, 5, 5, "04"), Some(said("5 of 10", "5 of 10")));
    assert_eq!(rollover(&ten, 10, 10, "04"), Some(said("10 of 10", "10 of 10")));
    assert_eq!(rollover(&ten, 4, 10, "04"), None);
    assert_eq!(rollover(&ten, 5, 4, "04"), None);
    assert_eq!(rollover(&ten, 5, 10, "05"), None, "two grades higher is no rollover");
    assert_eq!(rollover(&town(10, 11, "03"), 5, 10, "04"), None, "less than half");
    assert_eq!(rollover(&town(10, 4, "03"), 4, 10, "04"), None, "too few classes tell nothing");
    assert_eq!(rollover(&town(4, 10, "03"), 10, 4, "04"), None, "too few children");
    assert!(rollover(&town(5, 5, "PK"), 5, 5, "KG").is_some());
    assert!(rollover(&town(5, 5, "KG"), 5, 5, "01").is_some());
    assert_eq!(rollover(&town(10, 10, "other"), 10, 10, "04"), None);
}

/// Those who left with the old year are not among the children that could be a grade higher.
#[test]
fn who_leaves_with_the_old_year_counts_neither_way() {
    let mut ten = town(20, 10, "12");
    let stays: BTreeSet<usize> = (0..5).collect();
    let mut index = 0;
    ten.edit(|record| {
        if let Record::User(user) = record {
            if stays.contains(&index) {
                Arc::make_mut(user).grades = vec!["11".to_owned()];
            }
            index += 1;
        }
    });
    let mut records = ten.without(10, |it| matches!(it, Record::Class(_)));
    records.retain(|it| !matches!(it, Record::User(user) if user.grades == ["12"]));
    for record in &mut records {
        if let Record::User(user) = record {
            Arc::make_mut(user).grades = vec!["12".to_owned()];
        }
    }
    let why = ten.cleared(records, Keep::Nothing).proposal().unwrap().why.clone();
    assert_eq!(why, "10 of 10 classes are gone, 5 of 5 children are a grade higher: this looks like a rollover");
}

#[test]
fn with_a_new_year_in_sight_the_mode_lasts_until_it_begins() {
    let mut ten = town(10, 10, "03");
    for (id, from, until) in [("y1", "2024-08-15", "2025-06-05"), ("y2", "2025-10-20", "2026-06-05")] {
        ten.add(session(id, [from, until], None));
    }
    let why = "10 of 10 classes are gone, and a new school year begins on 2025-10-20: this looks like a rollover";
    assert_eq!(rollover(&ten, 10, 0, "04"), Some(format!("{why} until 2025-10-20")));
    assert_eq!(rollover(&ten, 0, 10, "04"), None, "its classes stay, and the old year ended four months ago");
}

/// P14, P15: a school all of whose users are gone while others stay.
#[test]
fn a_school_that_is_no_longer_shared_is_said() {
    let two = Town::of(&[size(10, 0), size(400, 0)]);
    let of_first = |it: &Record| matches!(it, Record::User(user) if user.roles[0].org.as_str() == "S0");
    let cleared = two.cleared(two.without(10, of_first), Keep::Nothing);
    let proposal = cleared.proposal().unwrap();
    assert_eq!(proposal.why, "the source no longer shares 1 of 2 schools");
    assert_eq!((proposal.from.to_string(), proposal.until), ("2025-10-07".to_owned(), None));
    assert_eq!(two.cleared(two.without(9, of_first), Keep::Nothing).proposal(), None);
    let one = Town::of(&[size(60, 0)]);
    let all_gone = one.cleared(one.without(60, of_first), Keep::Nothing);
    assert!(all_gone.holds().iter().all(|it| !it.group.ends_with("/unshared")), "nobody stays");
}

/// Only of a sync, and not of a first one, where everything looks new.
#[test]
fn nothing_is_proposed_for_a_first_sync_or_where_nothing_was_pulled() {
    let mut ten = town(10, 10, "03");
    let feed = feed_of(ten.without(10, |it| matches!(it, Record::Class(_))), night(1));
    for (id, from, until) in [("y1", "2024-08-15", "2025-06-05"), ("y2", "2025-10-20", "2026-06-05")] {
        ten.add(session(id, [from, until], None));
    }
    let proposes = |town: &Town, snapshot: Option<&Snapshot>| {
        let plan = plan::make(&town.baseline, Cause::Snapshot(&feed), night(1)).unwrap();
        let circumstances = Circumstances { snapshot, ..Circumstances::default() };
        review(plan, &town.baseline, &Settings::default(), circumstances).unwrap().proposal().is_some()
    };
    assert!(proposes(&ten, Some(&feed)));
    assert!(!proposes(&ten, None));
    ten.baseline.state.source = None;
    assert!(!proposes(&ten, Some(&feed)));
}
