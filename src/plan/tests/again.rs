//! Ids that are used again: of a class in another term, of a person by another one (P19), and of one person under a new one (P16).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{a, district, enrolled, feed, feed_and, incomplete, lines, planned, roster, user, warned};
use crate::model::{Baseline, Decision, Kind, Record, Verdict};
use crate::plan::Plan;

const FALL: [&str; 3] = ["t1", "2025-08-15", "2026-01-16"];
const SPRING: [&str; 3] = ["t2", "2026-01-19", "2026-06-05"];

fn session([id, from, until]: [&str; 3]) -> Record {
    a(Kind::Sessions, id, &json!({ "title": from, "starts_on": from, "ends_on": until }))
}

fn class(sessions: &[&str], more: &Value) -> Record {
    let mut class = json!({ "sessions": sessions });
    class.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    a(Kind::Classes, "c1", &class)
}

fn plain(sessions: &[&str]) -> Record {
    class(sessions, &json!({}))
}

/// How often the id of the class was used before, once the plan applied; none where the plan leaves it alone.
fn instance(plan: &Plan) -> Option<u32> {
    plan.changes.iter().find_map(|it| match &it.after {
        Some(Record::Class(class)) => Some(class.instance),
        _ => None,
    })
}

fn told(plan: &Plan) -> Vec<String> {
    plan.changes.iter().flat_map(|change| change.parts().map(|part| part.to_string()).collect::<Vec<_>>()).collect()
}

#[test]
fn a_class_of_another_term_is_another_class() {
    let terms = [session(FALL), session(SPRING)];
    let oak = |of: Record| district(terms.clone().into_iter().chain([of]));
    let sent = |of: Record| feed(terms.clone().into_iter().chain([of]));

    let plan = planned(&oak(plain(&["t1"])), &sent(plain(&["t2"])));
    assert_eq!(told(&plan), ["- class c1", "+ class c1"]);
    assert_eq!((instance(&plan), plan.changes.len()), (Some(1), 1));
    assert!(plan.changes[0].replaces() && plan.changes[0].removes());

    for (old, new) in [(&["t1", "t2"][..], &["t2"][..]), (&["t1"], &["t1", "t2"]), (&[], &["t2"]), (&["t1"], &[])] {
        let plan = planned(&oak(class(old, &json!({ "instance": 2 }))), &sent(plain(new)));
        assert_eq!((instance(&plan), told(&plan).len()), (Some(2), 1), "{old:?} {new:?}");
        assert!(!plan.changes[0].replaces() && !plan.changes[0].removes());
    }
    let plan = planned(&oak(class(&["t1"], &json!({ "instance": 2 }))), &sent(plain(&["t1"])));
    assert_eq!(told(&plan), [""; 0], "the source knows of no instances");
}

/// P32: a term that comes under another id every night is the same one. Of a session that nobody sends or knows the id alone counts.
#[test]
fn a_term_is_its_title_and_dates_or_its_id() {
    let renamed = session(["t9", FALL[1], FALL[2]]);
    let oak = district([session(FALL), plain(&["t1"])]);
    let plan = planned(&oak, &feed([renamed.clone(), plain(&["t9"])]));
    assert_eq!(told(&plan), ["- session t1", "+ session t9", "~ class c1: sessions [\"t1\"] -> [\"t9\"]"]);
    let unreadable = feed_and([plain(&["t1"])], |it| it.unusable(&session(FALL), "invalid_date", "no date"));
    assert_eq!(told(&planned(&oak, &unreadable)), [""; 0]);
    let unknown = |one: &str, other: &str| instance(&planned(&district([plain(&[one])]), &feed([plain(&[other])])));
    assert_eq!((unknown("x", "x"), unknown("x", "y")), (None, Some(1)));
}

/// A snapshot that may remove nothing cannot end the old class, so it stays, and that is said.
#[test]
fn without_a_complete_snapshot_the_old_class_stays() {
    let terms = [session(FALL), session(SPRING)];
    let of = |n: usize, session: &str| a(Kind::Classes, &format!("c{n}"), &json!({ "sessions": [session] }));
    let oak = district(terms.clone().into_iter().chain((1..=6).map(|n| of(n, "t1"))));
    let plan = planned(&oak, &incomplete(terms.clone().into_iter().chain((1..=6).map(|n| of(n, "t2")))));
    let warning = warned(&plan, "class_of_another_term").unwrap();
    assert_eq!((plan.changes.len(), warning.count, warning.ids.len()), (0, 6, 5));
    let all = feed(terms.into_iter().chain((1..=6).map(|n| of(n, "t1"))));
    assert_eq!(warned(&planned(&oak, &all), "class_of_another_term"), None);
}

/// One that was archived and comes back is the same class if it is of the same term, whatever the snapshot lacks.
#[test]
fn an_archived_class_comes_back_as_itself_or_as_another() {
    let terms = [session(FALL), session(SPRING)];
    let mut oak = district(terms.clone());
    oak.former = roster([class(&["t1"], &json!({ "instance": 3 }))]);
    oak.archived.insert((Kind::Classes, "c1".to_owned()));
    let sent = |term: &str| terms.clone().into_iter().chain([plain(&[term])]);
    assert_eq!(instance(&planned(&oak, &feed(sent("t1")))), Some(3));
    assert_eq!(instance(&planned(&oak, &feed(sent("t2")))), Some(4));
    assert_eq!(instance(&planned(&oak, &incomplete(sent("t2")))), Some(4));
    assert_eq!(told(&planned(&oak, &feed(sent("t2"))))[0], "^ class c1");
}

/// With its class an enrollment goes, even if a person refused that it goes.
#[test]
fn no_refusal_keeps_an_enrollment_in_a_class_that_ended() {
    let terms = [session(FALL), session(SPRING)];
    let other = a(Kind::Classes, "c2", &json!({ "sessions": ["t1"] }));
    let here = [plain(&["t1"]), other.clone(), enrolled("u1 c1"), enrolled("u1 c2")];
    let mut oak = district(terms.clone().into_iter().chain(here));
    let new = enrolled("u2 c1");
    for (record, version) in [(enrolled("u1 c1"), None), (enrolled("u1 c2"), None), (new.clone(), Some(&new))] {
        let version = version.map(|it| crate::model::Fingerprint::of(&it.body().unwrap()));
        let decision = Decision { verdict: Verdict::Refused, version, until: None, run: "01RUN".into() };
        oak.decisions.insert((record.kind(), record.text_id()), decision);
    }
    let plan = planned(&oak, &feed(terms.into_iter().chain([plain(&["t2"]), other, new])));
    assert_eq!(told(&plan), ["- class c1", "+ class c1", "- enrollment [\"u1\",\"c1\",\"student\"]"]);
    assert_eq!(warned(&plan, "refused_version").map(|it| it.count), Some(2));
}

fn person(id: &str, name: &str, grade: &str) -> Record {
    a(Kind::Users, id, &json!({ "given_name": name, "family_name": name, "grades": [grade] }))
}

/// An id that has other names and another grade is someone else's now; a new grade, or a new name alone, is not. Who was here
/// before is compared with who comes.
#[test]
fn who_seems_to_be_someone_else_is_named() {
    let mut oak = district([person("u1", "Ann", "03"), person("u2", "Ann", "03"), person("u3", "Ann", "03")]);
    oak.former = roster([person("u4", "Ann", "03"), person("u5", "Ann", "03")]);
    let plan = planned(
        &oak,
        &feed([
            person("u1", "Bob", "07"),
            person("u2", "Ann", "07"),
            person("u3", "Bob", "03"),
            person("u4", "Bob", "07"),
            person("u5", "Ann", "07"),
            person("u6", "Bob", "07"),
        ]),
    );
    assert_eq!(plan.strangers, BTreeSet::from(["u1".into(), "u4".into()]));
    assert_eq!(plan.changes.len(), 6);
}

fn linked(mut oak: Baseline, persons: &[(&str, &str)]) -> Baseline {
    oak.persons = persons.iter().map(|(account, person)| ((*account).into(), (*person).into())).collect();
    oak
}

fn accepted(oak: &Baseline, sent: impl IntoIterator<Item = Record>) -> Vec<String> {
    let plan = planned(oak, &feed(sent));
    lines(plan.approved.iter().filter_map(|index| plan.changes.get(*index)))
}

/// P16: who accepted the link from an old id to a new one accepted the changes that only renumber the person.
#[test]
fn changes_that_only_renumber_a_person_are_accepted_with_the_link() {
    let here = ["old", "other"].map(user).into_iter().chain(["old c1", "other c1"].map(enrolled));
    let oak = linked(district(here), &[("old", "new"), ("new", "new"), ("other", "someone")]);
    let renumbered = ["new", "third"].map(user).into_iter().chain(["new c1", "third c1"].map(enrolled));
    let wanted = [
        "+ user new",
        "- user old",
        "+ enrollment [\"new\",\"c1\",\"student\"]",
        "- enrollment [\"old\",\"c1\",\"student\"]",
    ];
    assert_eq!(accepted(&oak, renumbered), wanted);
    assert_eq!(accepted(&linked(oak.clone(), &[]), [user("new")]), [""; 0], "nobody said so");
    assert_eq!(accepted(&oak, [user("other")]), [""; 0], "the old id went and the new one did not come");
    let disabled = a(Kind::Users, "new", &json!({ "active": false }));
    assert_eq!(accepted(&oak, [disabled, user("other")]), [""; 0], "nor does it come disabled");
    assert_eq!(accepted(&oak, ["old", "new", "other"].map(user)), [""; 0], "both stay: nothing is renumbered");
}

/// The new account was here before the old one goes: then that is all there is to accept, unless the new one goes as well.
#[test]
fn the_old_id_may_go_later() {
    let both = ["old", "new"].map(user).into_iter().chain(["old c1", "new c1"].map(enrolled));
    let oak = linked(district(both.clone()), &[("old", "new"), ("new", "new")]);
    let of_old = ["- user old", "- enrollment [\"old\",\"c1\",\"student\"]"];
    assert_eq!(accepted(&oak, [user("new"), enrolled("new c1")]), of_old);
    assert_eq!(accepted(&oak, [user("new")]), of_old, "the other account loses its class like anybody");
    assert_eq!(accepted(&oak, []), [""; 0]);
    let mut archived = linked(district([user("old"), enrolled("old c1")]), &[("old", "new"), ("new", "new")]);
    archived.archived.insert((Kind::Users, "new".to_owned()));
    assert_eq!(accepted(&archived, [user("new")]).len(), 3, "one who is restored comes as well");
    let disabled = a(Kind::Users, "new", &json!({ "active": false }));
    let oak = linked(district([user("old"), disabled.clone()]), &[("old", "new"), ("new", "new")]);
    assert_eq!(accepted(&oak, [disabled]), [""; 0], "one who is disabled does not stay");
}
