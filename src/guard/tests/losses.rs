//! What counts as lost, and which changes cause it: children who lose their last class or a seat, whatever row says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::table::{Town, size};
use super::term;
use crate::guard::Keep;
use crate::model::{Course, Enrollment, Org, Record, Role, RoleName, Session, SourceId};

type Days = Option<[&'static str; 2]>;

fn session(id: &str, days: Days) -> Record {
    Record::Session(Session { school_year: Some("2026".to_owned()), ..term(id, days) }.into())
}

fn year(days: Days) -> Record {
    let (session_type, school_year) = ("schoolYear".to_owned(), Some("2026".to_owned()));
    Record::Session(Session { session_type, school_year, ..term("y", days) }.into())
}

const LONG: Days = Some(["2025-08-15", "2026-06-05"]);
const OVER: Days = Some(["2025-08-15", "2025-09-30"]);

fn course(code: &str) -> Record {
    Record::Course(Arc::new(Course {
        id: "k".into(),
        title: "K".to_owned(),
        code: Some(code.to_owned()),
        org: None,
        grades: Vec::new(),
        subjects: Vec::new(),
    }))
}

/// Eighty children in two classes of one school, the first class in term `t` and of course `k`; who is enrolled has a seat.
fn town(conditions: &str) -> Town {
    let mut town = Town::of(&[size(80, 2)]).with_seats();
    town.edit(|record| {
        if let Record::Class(class) = record {
            let class = Arc::make_mut(class);
            let first = class.id.as_str() == "C0-000";
            class.sessions = vec![if first { "t" } else { "t2" }.into()];
            class.course = first.then(|| "k".into());
            class.subjects = vec![if first { "math" } else { "art" }.to_owned()];
        }
    });
    for record in [session("t", LONG), session("t2", LONG), course("MATH")] {
        town.add(record);
    }
    let text = format!(
        "[[product]]\ncode = \"math\"\nname = \"Math\"\naudience = \"student\"\nbasis = \"enrolled\"\n{conditions}\n\n\
         [[subscription]]\nid = \"SUB\"\ndistrict = \"oak\"\nproduct = \"math\"\nseats = 5000\nstarts_on = 2025-07-01\n\
         expires_on = 2026-06-30\nlicensed_to = \"Oak\"\n"
    );
    town.baseline.catalog = crate::catalog::parse(&text).unwrap();
    town
}

/// The groups that tonight holds, each with its count and how many changes wait.
fn held(town: &Town, records: Vec<Record>) -> BTreeMap<String, (u64, u64)> {
    let cleared = town.cleared(records, Keep::Nothing);
    cleared.holds().iter().map(|it| (it.group.clone(), (it.count, it.affected))).collect()
}

fn groups<const N: usize>(all: [(&str, u64, u64); N]) -> BTreeMap<String, (u64, u64)> {
    all.into_iter().map(|(group, count, affected)| (group.to_owned(), (count, affected))).collect()
}

/// The feed with one record in place of the one of its key.
fn with(town: &Town, record: Record) -> Vec<Record> {
    let mut records = town.records.clone();
    let key = |it: &Record| (it.kind(), it.text_id());
    records.retain(|it| key(it) != key(&record));
    records.push(record);
    records
}

const RELEASED: [&str; 2] = ["district/product:math/released", "school:S0/product:math/released"];

/// What waits if that row comes, among others of its kind that take nothing.
fn waits(town: &Town, record: Record) -> Vec<String> {
    let mut records = with(town, record);
    records.extend(["a", "b"].map(|id| session(id, LONG)));
    let cleared = town.cleared(records, Keep::Nothing);
    cleared.in_review().map(|(change, _)| change.to_string()).collect()
}

/// A release is held with the roster change that causes it, be it one row of a session, a course or a class.
#[test]
fn one_row_that_takes_forty_seats_is_what_waits() {
    let released = groups(RELEASED.map(|group| (group, 40, 1)));
    let plain = town("");
    assert_eq!(held(&plain, plain.records.clone()), BTreeMap::new());
    assert_eq!(held(&plain, with(&plain, session("t", OVER))), released);
    assert_eq!(waits(&plain, session("t", OVER)), ["~ session t: ends_on \"2026-06-05\" -> \"2025-09-30\""]);

    let mut below = town("after_last_day = \"release\"");
    below.edit(|record| {
        if let Record::Session(it) = record
            && it.id.as_str() == "t"
        {
            let it = Arc::make_mut(it);
            (it.starts_on, it.ends_on, it.parent) = (None, None, Some("y".into()));
        }
    });
    below.add(year(LONG));
    assert_eq!(held(&below, below.records.clone()), BTreeMap::new());
    assert_eq!(held(&below, with(&below, year(OVER))), released, "a term that names no end ends with its year");

    let by_course = town("courses = [\"MATH\"]");
    let few = |town: &Town| {
        let mut town = Town { records: town.records.clone(), baseline: town.baseline.clone() };
        // Those of the first class.
        let number = |user: &SourceId| user.as_str().rsplit('-').next().unwrap().parse::<usize>().unwrap();
        town.baseline.seats.retain(|(_, user), _| number(user) % 2 == 0);
        town
    };
    let by_course = few(&by_course);
    assert_eq!(held(&by_course, by_course.records.clone()), BTreeMap::new());
    assert_eq!(held(&by_course, with(&by_course, course("ART"))), released);

    let by_class = few(&town("subjects = [\"math\"]"));
    let mut records = by_class.records.clone();
    for record in &mut records {
        if let Record::Class(class) = record
            && class.id.as_str() == "C0-000"
        {
            Arc::make_mut(class).subjects = vec!["art".to_owned()];
        }
    }
    assert_eq!(held(&by_class, by_class.records.clone()), BTreeMap::new());
    assert_eq!(held(&by_class, records), released);
}

fn enrolled(record: &Record, class: &str) -> bool {
    matches!(record, Record::Enrollment(it) if it.class.as_str() == class)
}

/// The first `n` children of the first class with that enrollment in place of theirs.
fn moved(town: &Town, n: usize, edit: impl Fn(&mut Enrollment)) -> Vec<Record> {
    let (mut left, mut records) = (n, town.records.clone());
    for record in &mut records {
        if let Record::Enrollment(it) = record
            && it.class.as_str() == "C0-000"
            && left > 0
        {
            edit(Arc::make_mut(it));
            left -= 1;
        }
    }
    records
}

/// Who changes class has lost none; who has only one left that is over has lost the last.
#[test]
fn the_last_class_is_the_last_one_that_lasts() {
    let town = town("");
    let lost = |town: &Town, records| held(town, records).get("school:S0/users/unenrolled").map(|it| it.0);
    let gone = || town.without(15, |it| enrolled(it, "C0-000"));
    assert_eq!(lost(&town, gone()), Some(15));
    let other = |it: &mut Enrollment| it.class = "C0-001".into();
    assert_eq!(lost(&town, moved(&town, 15, other)), None);
    let aide = |it: &mut Enrollment| it.role = RoleName::Aide;
    assert_eq!(lost(&town, moved(&town, 15, aide)), None, "in another role is in a class as well");

    // Another class that is over, and one that is not.
    for (dates, wanted) in [(OVER, Some(15)), (LONG, None)] {
        let mut town = Town { records: town.records.clone(), baseline: town.baseline.clone() };
        town.add(session("t3", dates));
        let mut third = town.records.iter().find(|it| matches!(it, Record::Class(_))).cloned().unwrap();
        if let Record::Class(class) = &mut third {
            let class = Arc::make_mut(class);
            (class.id, class.sessions) = ("C3".into(), vec!["t3".into()]);
        }
        town.add(third);
        let into_third = |it: &mut Enrollment| it.class = "C3".into();
        assert_eq!(lost(&town, moved(&town, 15, into_third)), wanted, "{dates:?}");
        let both = moved(&town, 80, into_third).into_iter().filter(|it| enrolled(it, "C3")).collect::<Vec<_>>();
        for record in both {
            town.add(record);
        }
        let gone = town.without(15, |it| enrolled(it, "C0-000"));
        assert_eq!(lost(&town, gone), wanted, "{dates:?}");
    }
}

/// What the last snapshot had announced by its dates is no loss.
#[test]
fn classes_that_are_over_may_go_with_all_who_were_in_them() {
    let gone = |dates: Days| {
        let mut town = town("");
        town.baseline.catalog = crate::model::Catalog::default();
        town.baseline.seats.clear();
        town.edit(|record| {
            if let Record::Session(it) = record {
                let it = Arc::make_mut(it);
                (it.starts_on, it.ends_on) =
                    (dates.map(|it| it[0].parse().unwrap()), dates.map(|it| it[1].parse().unwrap()));
            }
        });
        let stays = |it: &Record| {
            !enrolled(it, "C0-000") && !matches!(it, Record::Class(class) if class.id.as_str() == "C0-000")
        };
        let records = town.records.iter().filter(|it| stays(it)).cloned().collect::<Vec<_>>();
        let cleared = town.cleared(records.clone(), Keep::Nothing);
        let remembered = cleared.losses().iter().map(|it| it.what.clone()).collect::<BTreeSet<_>>();
        (held(&town, records).into_keys().collect::<Vec<_>>(), remembered.into_iter().collect::<Vec<_>>())
    };
    assert_eq!(gone(OVER), (vec![], vec![]));
    let (held, remembered) = gone(LONG);
    assert_eq!(held, ["class:C0-000/unenrolled", "school:S0/users/unenrolled"][1..]);
    assert_eq!(remembered, [""; 0], "all of it waits");
}

/// A record counts in every school it belongs to; the district itself is none.
#[test]
fn who_belongs_to_two_schools_counts_in_both() {
    let mut town = Town::of(&[size(40, 1), size(200, 1)]);
    town.add(Record::School(Arc::new(Org {
        id: "D".into(),
        org_type: "district".to_owned(),
        name: "Oak".to_owned(),
        identifier: None,
        parent: None,
        nces: None,
    })));
    let mut index = 0;
    town.edit(|record| {
        if let Record::User(user) = record {
            let user = Arc::make_mut(user);
            let role = |org: &str| Role { role: RoleName::Student, org: org.into(), primary: false, word: None };
            user.roles.push(role("D"));
            if user.id.as_str().starts_with("U0") && index < 11 {
                user.roles.push(role("S1"));
                user.roles.push(Role { role: RoleName::Aide, ..role("S0") });
                index += 1;
            }
            user.roles.sort();
        }
    });
    let mut left = 11;
    let mut goes = |it: &Record| {
        let goes = left > 0 && matches!(it, Record::User(user) if user.id.as_str().starts_with("U0"));
        left -= usize::from(goes);
        goes
    };
    let records: Vec<Record> = town.records.iter().filter(|it| !goes(it)).cloned().collect();
    let cleared = town.cleared(records, Keep::Nothing);
    let of: Vec<(String, u64, u64)> = cleared.holds().iter().map(|it| (it.group.clone(), it.count, it.of)).collect();
    assert_eq!(of, [("school:S0/users/removed".to_owned(), 11, 40)], "11 of 211 are not too many: {of:?}");
    let schools: Vec<Vec<String>> = town
        .cleared(town.without(1, |it| matches!(it, Record::User(_))), Keep::Nothing)
        .losses()
        .iter()
        .map(|it| it.schools.iter().map(ToString::to_string).collect())
        .collect();
    assert_eq!(schools, [["S0", "S1"].map(str::to_owned)]);
}
