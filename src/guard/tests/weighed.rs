//! What is weighed and what is not: things that came back within seven days, terms that only have other ids, classes that fill
//! anew, and what a person approved.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::table::{Town, size};
use super::{night, term};
use crate::guard::{Cleared, Keep};
use crate::model::{
    Class, CountBy, Decision, Enrollment, Kind, Leaving, RecentLoss, Record, RoleName, RosterRecord, Session, SourceId,
    User, Verdict,
};

fn session(id: &str, title: &str, days: [&str; 2]) -> Record {
    Record::Session(Session { title: title.to_owned(), ..term(id, days) }.into())
}

const FALL: [&str; 2] = ["2025-08-15", "2025-12-19"];
const SPRING: [&str; 2] = ["2026-01-05", "2026-06-05"];

fn groups(cleared: &Cleared) -> Vec<&str> {
    cleared.holds().iter().map(|it| it.group.as_str()).collect()
}

fn classes(records: &mut [Record]) -> impl Iterator<Item = &mut Class> {
    records.iter_mut().filter_map(|it| match it {
        Record::Class(class) => Some(Arc::make_mut(class)),
        _ => None,
    })
}

/// P32: ids of terms that are new every night change nothing about a class; everything else about it counts.
#[test]
fn classes_whose_terms_only_have_new_ids_have_not_changed() {
    let mut town = Town::of(&[size(0, 210)]);
    town.edit(|record| {
        if let Record::Class(class) = record {
            Arc::make_mut(class).sessions = vec!["t1".into(), "t2".into()];
        }
    });
    town.add(session("t1", "Fall", FALL));
    town.add(session("t2", "Spring", SPRING));
    let tonight = |fall: Record, sessions: &[&str], edit: &dyn Fn(&mut Class)| {
        let mut records: Vec<Record> = town
            .records
            .iter()
            .filter(|it| !matches!(it, Record::Session(it) if it.id.as_str() == "t1"))
            .cloned()
            .collect();
        for class in classes(&mut records) {
            class.sessions = sessions.iter().map(|id| (*id).into()).collect();
            edit(class);
        }
        records.push(fall);
        let cleared = town.cleared(records, Keep::Nothing);
        groups(&cleared).iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()
    };
    let changed = ["district/classes/changed", "school:S0/classes/changed"];
    let renamed = || session("t9", "Fall", FALL);
    assert_eq!(tonight(renamed(), &["t2", "t9"], &|_| {}), [""; 0]);
    assert_eq!(tonight(renamed(), &["t2", "t9"], &|class| class.title = "Other".to_owned()), changed);
    assert_eq!(tonight(session("t1", "Fall", FALL), &["t2"], &|_| {}), changed, "a term less");
    let other = session("t9", "Summer", ["2026-06-15", "2026-07-31"]);
    assert_eq!(tonight(other.clone(), &["t2", "t9"], &|_| {}), changed, "another term");
    let another = tonight(other, &["t9"], &|_| {});
    assert_eq!(another, ["district/classes/removed", "school:S0/classes/removed"], "they end, which is no change");
}

fn lost(what: &str, ids: impl IntoIterator<Item = String>) -> Vec<RecentLoss> {
    let on = night(0).date_in(chrono_tz::America::Chicago);
    let schools = BTreeSet::from([SourceId::new("S0")]);
    ids.into_iter().map(|id| RecentLoss { what: what.to_owned(), id, on, schools: schools.clone() }).collect()
}

fn first<T: Clone>(records: &[Record], pick: impl Fn(&Record) -> Option<&T>) -> T {
    records.iter().find_map(pick).cloned().unwrap()
}

fn is_user(record: &Record) -> Option<&User> {
    match record {
        Record::User(user) => Some(&**user),
        _ => None,
    }
}

fn is_class(record: &Record) -> Option<&Class> {
    match record {
        Record::Class(class) => Some(&**class),
        _ => None,
    }
}

/// safety.md, Guard: less restored. Of what was lost, whatever is here again, or comes back tonight, counts no more.
#[test]
fn what_was_lost_counts_until_it_is_back() {
    const MANY: usize = 60;
    let mut town = Town::of(&[size(100, 100)]).with_seats();
    town.add(session("over", "Summer", ["2025-06-15", "2025-07-31"]));
    let (someone, class) = (first(&town.records, is_user), first(&town.records, is_class));
    let over = Class { id: "over".into(), sessions: vec!["over".into()], ..class.clone() };
    town.add(Record::Class(over.into()));
    let new_user = |index: usize| User { id: format!("new-{index}").into(), ..someone.clone() };
    let new_class = |index: usize| Class { id: format!("new-{index}").into(), ..class.clone() };
    let enrolled = |user: &SourceId, class: &str| Enrollment {
        user: user.clone(),
        class: class.into(),
        school: None,
        role: RoleName::Student,
        primary: None,
        periods: Vec::new(),
    };
    let ids = |prefix: &str| -> Vec<String> { (0..MANY).map(|index| format!("{prefix}{index}")).collect() };
    let here_users: Vec<String> = (40..40 + MANY).map(|index| format!("U0-{index:04}")).collect();
    let here_classes: Vec<String> = (40..40 + MANY).map(|index| format!("C0-{index:03}")).collect();
    let text = |it: &Enrollment| Enrollment::text_id(&it.key());
    let enrollments = |class: &dyn Fn(usize) -> String| -> Vec<Enrollment> {
        here_users.iter().enumerate().map(|(index, user)| enrolled(&user.as_str().into(), &class(index))).collect()
    };
    let (standing, coming) = (enrollments(&|index| here_classes[index].clone()), enrollments(&|_| "C0-001".to_owned()));
    let texts = |all: &[Enrollment]| all.iter().map(text).collect::<Vec<_>>();
    let of_new =
        |class: &str| (0..MANY).map(|index| Record::Enrollment(enrolled(&new_user(index).id, class).into())).collect();
    let users = || (0..MANY).map(|index| Record::User(new_user(index).into())).collect::<Vec<_>>();
    type Case<'a> = (&'a str, Vec<String>, Vec<Record>, bool);
    let cases: Vec<Case<'_>> = vec![
        ("users/removed", ids("gone-"), vec![], true),
        ("users/removed", here_users.clone(), vec![], false),
        ("users/removed", ids("new-"), users(), false),
        ("users/removed", here_classes.clone(), vec![], true),
        ("classes/removed", ids("gone-"), vec![], true),
        ("classes/removed", here_classes.clone(), vec![], false),
        (
            "classes/removed",
            ids("new-"),
            (0..MANY).map(|index| Record::Class(new_class(index).into())).collect(),
            false,
        ),
        ("users/unenrolled", ids("gone-"), vec![], true),
        ("users/unenrolled", here_users.clone(), vec![], false),
        ("users/unenrolled", ids("new-"), of_new("C0-001"), false),
        ("users/unenrolled", ids("new-"), of_new("over"), true),
        ("enrollments/removed", ids("gone-"), vec![], true),
        ("enrollments/removed", texts(&standing), vec![], false),
        ("enrollments/removed", texts(&coming), coming.iter().cloned().map(RosterRecord::into_record).collect(), false),
        ("product:math/released", ids("gone-"), vec![], true),
        ("product:math/released", here_users, vec![], false),
        ("product:math/released", ids("new-"), users(), false),
    ];
    for (what, ids, more, counts) in cases {
        // So many enrollments that they are over the floor of 400.
        let times = if what == "enrollments/removed" { 8 } else { 1 };
        town.baseline.recent = (0..times).flat_map(|_| lost(what, ids.clone())).collect();
        let mut records = town.records.clone();
        let goes = |it: &Record| match it {
            Record::User(user) => user.id.as_str() == "U0-0000",
            Record::Class(class) => class.id.as_str() == "C0-000",
            Record::Enrollment(it) => it.user.as_str() == "U0-0000" || it.user.as_str() == "U0-0002",
            _ => false,
        };
        records.retain(|it| !goes(it));
        if what == "product:math/released" {
            for record in &mut records {
                if let Record::User(user) = record
                    && user.id.as_str() == "U0-0002"
                {
                    Arc::make_mut(user).active = false;
                }
            }
        }
        records.extend(more);
        let cleared = town.cleared(records, Keep::Nothing);
        let scope = if times > 1 { "district" } else { "school:S0" };
        let group = format!("{scope}/{what}_7d");
        assert_eq!(groups(&cleared).contains(&group.as_str()), counts, "{what} {:?}: {:?}", ids[0], groups(&cleared));
    }

    // A seat that is only leaving is not back.
    let users: Vec<SourceId> = town.baseline.roster.users.keys().skip(60).cloned().collect();
    town.baseline.recent = lost("product:math/released", users.iter().map(ToString::to_string));
    let since = night(0).date_in(chrono_tz::America::Chicago);
    for user in &users {
        if let Some(seat) = town.baseline.seats.get_mut(&("math".into(), user.clone())) {
            seat.leaving = Some(Leaving { since, upload: None });
        }
    }
    let mut records = town.records.clone();
    records.retain(|it| !matches!(it, Record::User(user) if users.contains(&user.id)));
    let disabled = |it: &mut Record| {
        if let Record::User(user) = it
            && user.id.as_str() == "U0-0002"
        {
            Arc::make_mut(user).active = false;
        }
    };
    records.iter_mut().for_each(disabled);
    let cleared = town.cleared(records, Keep::Nothing);
    assert!(groups(&cleared).contains(&"district/product:math/released_7d"), "{:?}", groups(&cleared));
}

/// What a person approved is no loss that goes unattended, nor is what waits.
#[test]
fn only_what_applies_and_nobody_approved_is_remembered_as_lost() {
    let town = Town::of(&[size(20, 2)]).with_seats();
    let gone = |it: &Record| match it {
        Record::User(user) => ["U0-0000", "U0-0001"].contains(&user.id.as_str()),
        Record::Enrollment(it) => ["U0-0000", "U0-0001"].contains(&it.user.as_str()),
        _ => false,
    };
    let records: Vec<Record> = town.records.iter().filter(|it| !gone(it)).cloned().collect();
    let losses = |town: &Town| -> Vec<String> {
        let cleared = town.cleared(records.clone(), Keep::Nothing);
        cleared.losses().iter().map(|it| format!("{} {}", it.what, it.id)).collect()
    };
    let of = |user: &str, class: &str| {
        [
            format!("enrollments/removed [\"{user}\",\"{class}\",\"student\"]"),
            format!("product:math/released {user}"),
            format!("users/removed {user}"),
            format!("users/unenrolled {user}"),
        ]
    };
    let (one, other) = (of("U0-0000", "C0-000"), of("U0-0001", "C0-001"));
    let mut both = [one, other.clone()].concat();
    both.sort();
    assert_eq!(losses(&town), both);
    let mut approved = Town { records: town.records.clone(), baseline: town.baseline.clone() };
    let decision = Decision { verdict: Verdict::Approved, version: None, until: None, run: "01RUN".into() };
    for key in [(Kind::Users, "U0-0000"), (Kind::Enrollments, r#"["U0-0000","C0-000","student"]"#)] {
        approved.baseline.decisions.insert((key.0, key.1.to_owned()), decision.clone());
    }
    assert_eq!(losses(&approved), other);
}

fn class_of(town: &Town, class: &str) -> Vec<Record> {
    town.records
        .iter()
        .filter(|it| matches!(it, Record::Enrollment(it) if it.class.as_str() == class))
        .cloned()
        .collect()
}

fn empties(town: &Town, records: Vec<Record>) -> bool {
    groups(&town.cleared(records, Keep::Nothing)).contains(&"class:C0-000/unenrolled")
}

/// A class that loses everyone is suspicious unless it goes itself, or fills anew; who had left before is not in it any more.
#[test]
fn a_class_that_would_be_empty_is_held_unless_it_goes_or_fills() {
    let town = Town::of(&[size(600, 60)]);
    let all = class_of(&town, "C0-000");
    let without: Vec<Record> = town.records.iter().filter(|it| !all.contains(it)).cloned().collect();
    assert!(empties(&town, without.clone()));
    let newcomer = |record: &Record| match record {
        Record::Enrollment(it) => Record::Enrollment(Enrollment { user: "U0-0001".into(), ..(**it).clone() }.into()),
        other => other.clone(),
    };
    assert!(!empties(&town, [without.clone(), vec![newcomer(&all[0])]].concat()), "others are in it now");
    let less_one: Vec<Record> = town.records.iter().filter(|it| !all[1..].contains(it)).cloned().collect();
    assert!(!empties(&town, less_one));
    let gone = |it: &Record| matches!(it, Record::Class(it) if it.id.as_str() == "C0-000");
    assert!(!empties(&town, without.iter().filter(|it| !gone(it)).cloned().collect()));

    // Half of them, or all, had ended by their own dates, which took nobody out of the class tonight.
    for half in [5, 0] {
        let mut over = Town { records: town.records.clone(), baseline: town.baseline.clone() };
        let mut number = 0;
        over.edit(|record| {
            if let Record::Enrollment(it) = record
                && it.class.as_str() == "C0-000"
            {
                number += 1;
                if number > half {
                    Arc::make_mut(it).periods = vec![(None, Some("2025-09-30".parse().unwrap())).into()];
                }
            }
        });
        let ended = |it: &Record| matches!(it, Record::Enrollment(it) if !it.periods.is_empty());
        assert!(!empties(&over, over.records.iter().filter(|it| !ended(it)).cloned().collect()), "{half}");
    }
}

/// Enrollments of users whom the store does not know belong to nobody who could lose a class.
#[test]
fn enrollments_of_unknown_users_unenroll_nobody() {
    let mut town = Town::of(&[size(100, 2)]);
    let some = first(&town.records, |it| match it {
        Record::Enrollment(it) => Some(&**it),
        _ => None,
    });
    for index in 0..100 {
        town.add(Record::Enrollment(Enrollment { user: format!("X-{index}").into(), ..some.clone() }.into()));
    }
    let unknown = |it: &Record| matches!(it, Record::Enrollment(it) if it.user.as_str().starts_with("X-"));
    let cleared =
        town.cleared(town.records.iter().filter(|it| !unknown(it)).cloned().collect::<Vec<_>>(), Keep::Nothing);
    assert_eq!(groups(&cleared), [""; 0]);
    let known = town.without(11, |it| matches!(it, Record::Enrollment(it) if it.user.as_str().starts_with("U0")));
    let cleared = town.cleared(known, Keep::Nothing);
    let hold = cleared.holds().iter().find(|it| it.group == "school:S0/users/unenrolled").unwrap();
    assert_eq!((hold.count, hold.of), (11, 100));
}

/// A seat that passes to another account of the same person is nobody's loss.
#[test]
fn a_seat_that_passes_within_a_person_is_not_released() {
    let mut town = Town::of(&[size(100, 0)]).with_seats();
    let account = |index: usize| SourceId::new(format!("U0-{index:04}"));
    town.baseline.catalog.products.values_mut().for_each(|it| it.count_by = CountBy::Person);
    town.baseline.seats.retain(|(_, user), _| *user < account(30));
    let disabled = |linked: bool| {
        let mut town = Town { records: town.records.clone(), baseline: town.baseline.clone() };
        if linked {
            let pairs = (0..30).flat_map(|index| [index, index + 50].map(|it| (account(it), account(index))));
            town.baseline.persons = pairs.collect();
        }
        let off = |user: &mut User| user.active = false;
        let cleared = town.cleared(town.changed(30, None, off), Keep::Nothing);
        (groups(&cleared).contains(&"district/product:math/released"), cleared.losses().len())
    };
    assert_eq!(disabled(true), (false, 0));
    assert!(disabled(false).0);
}
