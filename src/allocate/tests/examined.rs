//! One user and one product, link by link (licensing.md, Explain; S3.32).

use super::world::{World, class, day, enrollment, session, user};
use crate::allocate::{Ahead, Condition, Coverage, Demand, Examined, Rule, examine};
use crate::model::{
    Audience, Basis, CountBy, Course, Date, Ended, OverrideKind, Record, ReleaseReason, RoleName, Target, Timestamp,
};

fn of(it: &World, id: &str) -> Examined {
    examine(it.input(), &it.catalog.products[&"reading".into()], &id.into())
}

fn told(it: &Condition) -> String {
    format!("{}: {} of {} {}", it.condition, it.saw.join(", "), it.wanted.join(", "), it.met)
}

fn conditions(it: &World, id: &str) -> Vec<String> {
    of(it, id).conditions.iter().map(told).collect()
}

/// S3.32: each condition that the product makes, with what it saw; of what it does not ask nothing is told.
#[test]
fn each_condition_is_told_with_what_it_saw() {
    let mut it = World::seats(5);
    it.students(&["ann"]);
    assert_eq!(conditions(&it, "ann"), ["account: active of active true", "audience: student of student true"]);
    it.user("ann").active = false;
    it.user("ann").grades = vec!["03".to_owned()];
    it.user("ann").roles[0].word = Some("pupil".to_owned());
    let same = it.user("ann").roles[0].clone();
    it.user("ann").roles.push(same);
    it.reading().audience = Audience::Staff;
    it.reading().roles = vec!["pupil".to_owned()];
    it.reading().grades = vec!["05".to_owned()];
    it.reading().schools = vec!["s1-number".to_owned()];
    assert_eq!(
        conditions(&it, "ann"),
        [
            "account: disabled of active false",
            "audience: student (pupil) of administrator, proctor, staff false",
            "roles: student (pupil) of pupil true",
            "grades: 03 of 05 false",
            "schools: s1, s1 of s1-number true",
        ]
    );
}

/// S1.8, S1.9: whether the user was assigned, or a class they are in; whether they opened it; what was decided of them.
#[test]
fn what_was_done_by_hand_is_told() {
    let mut it = World::seats(5);
    it.students(&["ann", "ben", "cas"]);
    it.roster.put(Record::Class(class("c", &[]).into()));
    it.enroll("ben", "c", RoleName::Student);
    let last = |it: &World, id| conditions(it, id).pop().unwrap();
    it.reading().basis = Basis::Assigned;
    it.assign(Target::User("ann".into()), OverrideKind::Pin, &[]);
    it.assign(Target::Class("c".into()), OverrideKind::Pin, &[]);
    assert_eq!(last(&it, "ann"), "assigned: yes of yes true");
    assert_eq!(last(&it, "ben"), "assigned: yes of yes true");
    assert_eq!(last(&it, "cas"), "assigned: no of yes false");
    it.reading().basis = Basis::FirstUse;
    it.opened.insert(("reading".into(), "ann".into()), it.as_of);
    assert_eq!(last(&it, "ann"), "opened: yes of yes true");
    assert_eq!(last(&it, "cas"), "opened: no of yes false");
    it.decide("cas", OverrideKind::Exclude, None);
    let cas = of(&it, "cas");
    assert_eq!((cas.decided, cas.demand), (Some(OverrideKind::Exclude), Demand::None(ReleaseReason::Excluded)));
    assert_eq!(of(&it, "ben").decided, None);
}

type Seen = (String, String, Option<Date>, Option<Date>, Vec<String>, bool);

fn classes(it: &World, id: &str) -> Vec<Seen> {
    let shown = |standing| serde_json::to_value(standing).unwrap().as_str().unwrap().to_owned();
    let all = of(it, id).classes.into_iter();
    all.map(|it| (it.class.to_string(), shown(it.standing), it.begins, it.until, it.subjects, it.counts)).collect()
}

/// S3.32: each enrollment with the days of its class, its subjects and whether it counts; a class that is gone is none, but for
/// a user who is gone with it.
#[test]
fn each_class_is_told_with_its_days_and_subjects() {
    let mut it = World::seats(5);
    it.reading().basis = Basis::Enrolled;
    it.roster.put(Record::Session(session("fall", "semester", "2026-08-17", "2026-12-19", None).into()));
    let mut math = class("c", &["fall"]);
    math.subjects = vec!["Math".to_owned(), "Art".to_owned()];
    math.course = Some("k".into());
    it.roster.put(Record::Class(math.into()));
    let subjects = vec!["Math".to_owned(), "Logic".to_owned()];
    let course = Course { id: "k".into(), title: "k".to_owned(), code: None, org: None, grades: Vec::new(), subjects };
    it.roster.put(Record::Course(course.into()));
    it.students(&["ann"]);
    it.enroll("ann", "c", RoleName::Student);
    it.roster.put(Record::Enrollment(enrollment("ann", "none", RoleName::Student).into()));
    let subjects = ["Art", "Logic", "Math"].map(str::to_owned).to_vec();
    let days = (Some(day("2026-08-17")), Some(day("2026-12-19")));
    let seen = |standing: &str, counts| ("c".to_owned(), standing.to_owned(), days.0, days.1, subjects.clone(), counts);
    let nowhere = ("none".to_owned(), "no_class".to_owned(), None, None, Vec::new(), false);
    assert_eq!(classes(&it, "ann"), [seen("running", true), nowhere.clone()]);
    let gone = it.roster.classes.remove(&"c".into()).unwrap();
    it.departed.put(Record::Class(gone.into()));
    assert_eq!(classes(&it, "ann"), [seen("no_class", false), nowhere.clone()]);
    it.vanish("ann");
    assert_eq!(classes(&it, "ann"), [seen("running", true), nowhere]);
    assert_eq!(of(&it, "ann").coverage, Coverage::Covered);
    assert_eq!(of(&it, "nobody").demand, Demand::None(ReleaseReason::Tombstone));
}

/// S3.6: the combined license is told through which the user has the product, also by another account of theirs.
#[test]
fn the_bundle_that_gives_the_product_is_told() {
    let mut it = World::seats(5);
    it.students(&["a1", "a2", "ben"]);
    it.link(&["a1", "a2"]);
    it.user("a1").grades = vec!["05".to_owned()];
    it.sell_bundle(5, &["05"]);
    it.settle();
    let seen = |it: &World, id| (of(it, id).bundle.map(|it| it.to_string()), of(it, id).demand);
    let bundled = (Some("all".to_owned()), Demand::None(ReleaseReason::Bundled));
    assert_eq!(seen(&it, "a1"), bundled);
    assert_eq!(seen(&it, "a2"), (None, Demand::Wanted));
    assert_eq!(seen(&it, "ben"), (None, Demand::Wanted));
    it.user("a1").active = false;
    assert_eq!(seen(&it, "a1").1, Demand::None(ReleaseReason::Inactive), "the first link that is broken");
    it.reading().count_by = CountBy::Person;
    assert_eq!(seen(&it, "a2"), bundled);
}

/// licensing.md, Explain: who is ahead in line, by the first rule that tells the two apart.
#[test]
fn who_is_ahead_is_told_by_the_rule_that_puts_them_there() {
    let mut it = World::seats(0);
    it.reading().order = vec!["05".to_owned()];
    it.students(&["long"]);
    it.settle();
    it.night("2026-10-06");
    it.students(&["pin", "back", "five", "one", "two"]);
    it.decide("pin", OverrideKind::Pin, None);
    let at = Timestamp::parse("2026-09-20T08:00:00Z").unwrap();
    it.ended.insert(("reading".into(), "back".into()), Ended { at, reason: ReleaseReason::Ended });
    it.user("five").grades = vec!["05".to_owned()];
    it.settle();
    let line = it.line();
    assert_eq!(line[..4], ["pin", "back", "long", "five"]);
    let ahead = |rule, id: &str| Ahead { rule, count: 1, users: vec![id.into()] };
    assert_eq!(
        of(&it, &line[5]).ahead,
        [
            ahead(Rule::Pinned, "pin"),
            ahead(Rule::Returning, "back"),
            ahead(Rule::WaitingLonger, "long"),
            ahead(Rule::Order, "five"),
            ahead(Rule::Shuffle, &line[4]),
        ]
    );
    assert_eq!(of(&it, "pin").ahead, []);
    assert_eq!(of(&it, &line[4]).ahead.len(), 4);
    it.roster.put(Record::User(user("new", RoleName::Student, &["s1"]).into()));
    assert_eq!(of(&it, "new").ahead, [], "who is not in line has nobody ahead");
}
