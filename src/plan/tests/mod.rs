//! What a snapshot makes of a district, change by change; what was decided before ([`decided`]), ids that are used again
//! ([`again`]), and the seats that follow ([`seats`]).

mod again;
mod decided;
mod seats;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Cause, Change, Plan, make};
use crate::model::{Baseline, DistrictState, EndDates, Kind, Record, Roster, SourceMark, Timestamp, Verb, Warning};
use crate::snapshot::{Builder, Snapshot};

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// Two in the night, in Chicago.
fn tonight() -> Timestamp {
    at("2025-10-06T07:00:00Z")
}

/// A record of that id with these fields, the others as most have them; an enrollment's id is `user class`.
fn a(kind: Kind, id: &str, more: &Value) -> Record {
    let mut body = match kind {
        Kind::Schools => json!({ "id": id, "type": "school", "name": "North" }),
        Kind::Sessions => json!({ "id": id, "type": "term", "title": "Fall" }),
        Kind::Courses => json!({ "id": id, "title": "Math" }),
        Kind::Classes => json!({ "id": id, "title": "Math 3", "school": "s1" }),
        Kind::Users => json!({
            "id": id, "active": true, "given_name": "Ann", "family_name": "Lee", "grades": ["03"],
            "roles": [{ "role": "student", "org": "s1", "primary": true }],
        }),
        Kind::Enrollments => {
            let (user, class) = id.split_once(' ').unwrap();
            json!({ "user": user, "class": class, "role": "student" })
        }
    };
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Record::from_body(kind, &body.to_string()).unwrap()
}

fn user(id: &str) -> Record {
    a(Kind::Users, id, &json!({}))
}

fn enrolled(id: &str) -> Record {
    a(Kind::Enrollments, id, &json!({}))
}

fn district(records: impl IntoIterator<Item = Record>) -> Baseline {
    let state = DistrictState {
        id: "oak".into(),
        time_zone: chrono_tz::America::Chicago,
        end_dates: EndDates::Exclusive,
        revision: 7,
        audit_seq: 0,
        audit_head: String::new(),
        source: None,
        allocated_at: None,
    };
    Baseline { roster: roster(records), ..Baseline::new(state) }
}

fn roster(records: impl IntoIterator<Item = Record>) -> Roster {
    let mut roster = Roster::default();
    records.into_iter().for_each(|record| roster.put(record));
    roster
}

fn source() -> SourceMark {
    SourceMark { feed: "test".to_owned(), content: None, uploaded_at: None, pulled_at: tonight() }
}

/// A feed that has these records, and what else is said of it.
fn feed_and(records: impl IntoIterator<Item = Record>, more: impl FnOnce(&mut Builder)) -> Snapshot {
    let mut builder = Builder::new();
    records.into_iter().for_each(|record| builder.add(record, ""));
    more(&mut builder);
    builder.finish(source())
}

fn feed(records: impl IntoIterator<Item = Record>) -> Snapshot {
    feed_and(records, |_| {})
}

/// A feed that lacks a file, and so may remove nothing.
fn incomplete(records: impl IntoIterator<Item = Record>) -> Snapshot {
    feed_and(records, |it| it.absent(Kind::Courses))
}

fn planned(baseline: &Baseline, snapshot: &Snapshot) -> Plan {
    make(baseline, Cause::Snapshot(snapshot), tonight()).unwrap()
}

fn lines<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Vec<String> {
    changes.into_iter().map(ToString::to_string).collect()
}

fn warned<'a>(plan: &'a Plan, code: &str) -> Option<&'a Warning> {
    plan.warnings.iter().find(|it| it.code == code)
}

#[test]
fn a_record_is_new_or_back_or_other_or_gone_and_a_person_is_not_shown() {
    let mut oak = district([
        a(Kind::Schools, "s1", &json!({})),
        a(Kind::Sessions, "t1", &json!({})),
        user("u1"),
        user("u2"),
        a(Kind::Users, "u3", &json!({ "email": "ann@example.org" })),
    ]);
    oak.archived.insert((Kind::Users, "u4".to_owned()));
    oak.archived.insert((Kind::Users, "u1".to_owned()));
    let tonight = feed([
        a(Kind::Schools, "s1", &json!({})),
        a(Kind::Sessions, "t1", &json!({ "ends_on": "2026-01-16" })),
        user("u1"),
        a(Kind::Users, "u3", &json!({ "given_name": "Bea", "grades": ["04"], "active": false })),
        user("u4"),
        user("u5"),
    ]);
    let plan = planned(&oak, &tonight);
    let wanted = [
        "~ session t1: ends_on null -> \"2026-01-16\"",
        "- user u2",
        "~ user u3: active true -> false, email (personal), given_name (personal), grades [\"03\"] -> [\"04\"]",
        "^ user u4",
        "+ user u5",
    ];
    assert_eq!(lines(&plan.changes), wanted);
    assert_eq!(plan.unchanged, BTreeMap::from([(Kind::Schools, 1), (Kind::Users, 1)]));
    assert_eq!((plan.base_revision, plan.approved.len(), plan.spent.len()), (7, 0, 0));
    assert_eq!(
        lines(&planned(&oak, &incomplete(tonight_without_absence())).changes),
        ["+ user u5"],
        "nothing is removed"
    );
}

fn tonight_without_absence() -> [Record; 2] {
    [user("u5"), a(Kind::Users, "u3", &json!({ "email": "ann@example.org" }))]
}

/// P11, P28: a row that cannot be used is present; one that the source calls deleted is gone, which is evidence.
#[test]
fn what_cannot_be_used_stays_and_what_is_called_deleted_goes() {
    let oak = district(["u1", "u2", "u3"].map(user));
    let say = |it: &mut Builder| {
        it.gone(&user("u1"));
        it.unusable(&user("u2"), "invalid_role", "no role");
        it.gone(&user("never-here"));
        it.unusable(&user("new"), "invalid_role", "no role");
    };
    let plan = planned(&oak, &feed_and([], say));
    assert_eq!(lines(&plan.changes), ["- user u1", "- user u3"]);
    assert_eq!(plan.changes.iter().map(|it| it.tombstone).collect::<Vec<_>>(), [true, false]);
    assert_eq!(plan.unchanged, BTreeMap::from([(Kind::Users, 1)]));
    let less = feed_and([], |it| {
        say(it);
        it.absent(Kind::Courses);
    });
    assert_eq!(lines(&planned(&oak, &less).changes), [""; 0], "a snapshot that lacks a file removes nothing at all");
}

/// safety.md, A run, 3: empty courses or sessions keep the old ones.
#[test]
fn a_kind_that_came_empty_is_left_alone() {
    let oak = district([a(Kind::Sessions, "t1", &json!({})), user("u1")]);
    let mut snapshot = feed([]);
    snapshot.kept.insert(Kind::Sessions);
    let plan = planned(&oak, &snapshot);
    assert_eq!((lines(&plan.changes), plan.unchanged), (vec!["- user u1".to_owned()], BTreeMap::new()));
}

#[test]
fn changes_come_by_kind_and_then_by_key() {
    let all = [
        enrolled("b c1"),
        enrolled("a! c1"),
        enrolled("a c2"),
        enrolled("a c1"),
        user("u2"),
        user("u1"),
        a(Kind::Classes, "c1", &json!({})),
        a(Kind::Courses, "k1", &json!({})),
        a(Kind::Sessions, "t1", &json!({})),
        a(Kind::Schools, "s1", &json!({})),
    ];
    let wanted = [
        "+ school s1",
        "+ session t1",
        "+ course k1",
        "+ class c1",
        "+ user u1",
        "+ user u2",
        "+ enrollment [\"a\",\"c1\",\"student\"]",
        "+ enrollment [\"a\",\"c2\",\"student\"]",
        "+ enrollment [\"a!\",\"c1\",\"student\"]",
        "+ enrollment [\"b\",\"c1\",\"student\"]",
    ];
    let oak = district([]);
    assert_eq!(lines(&planned(&oak, &feed(all.clone())).changes), wanted);
    let by_hand: Vec<Change> =
        all.into_iter().map(|it| Change::between(None, Some(it), false, false).unwrap()).collect();
    let plan = make(&oak, Cause::ByHand(&by_hand), tonight()).unwrap();
    assert_eq!((lines(&plan.changes), plan.pull), (wanted.map(str::to_owned).to_vec(), None));
}

#[test]
fn a_change_knows_whom_it_is_about_and_what_it_brings() {
    let between = |before: Option<&Record>, after: Option<&Record>| {
        Change::between(before.cloned(), after.cloned(), false, true).unwrap()
    };
    let (old, class) = (user("u1"), a(Kind::Classes, "c1", &json!({})));
    let new = a(Kind::Users, "u1", &json!({ "grades": ["04"] }));
    let seat = enrolled("u1 c1");
    let about = |change: &Change| change.user().map(ToString::to_string);
    let brings = |change: &Change| change.adds_user().map(ToString::to_string);
    let u1 = Some("u1".to_owned());
    for (change, whom, whom_new) in [
        (between(None, Some(&new)), &u1, &u1),
        (between(Some(&old), Some(&new)), &u1, &None),
        (between(Some(&old), None), &u1, &None),
        (between(None, Some(&seat)), &u1, &None),
        (between(Some(&class), None), &None, &None),
    ] {
        assert_eq!((&about(&change), &brings(&change)), (whom, whom_new), "{change}");
        assert_eq!(change.tombstone, change.verb == Verb::Removed, "{change}");
        assert_eq!(change.version().is_some(), change.after.is_some(), "{change}");
    }
    assert_ne!(between(None, Some(&new)).version(), between(None, Some(&old)).version());
    assert_eq!(Change::between(Some(old.clone()), Some(old), false, false), None);
    assert_eq!(Change::between(None, None, true, true), None);
}

/// Names of a pull: the local day, and of an upload also when it was sent, since the same file sent again says the same again.
#[test]
fn a_complete_snapshot_is_a_pull_of_its_local_day() {
    let oak = district([]);
    let evening = at("2025-10-07T03:00:00Z");
    for (content, sent, upload) in [
        (None, None, None),
        (None, Some(evening), None),
        (Some("abc"), None, Some(" abc".to_owned())),
        (Some("abc"), Some(evening), Some(format!("{evening} abc"))),
    ] {
        let mut snapshot = feed([]);
        snapshot.source =
            SourceMark { content: content.map(str::to_owned), uploaded_at: sent, pulled_at: evening, ..source() };
        let pull = planned(&oak, &snapshot).pull.unwrap();
        assert_eq!((pull.date.to_string(), pull.upload), ("2025-10-06".to_owned(), upload));
    }
    assert_eq!(planned(&oak, &incomplete([])).pull, None);
    assert_eq!(make(&oak, Cause::Standing, evening).unwrap().pull, None);
}
