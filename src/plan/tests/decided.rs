//! What people decided about versions of records, and changes that wait for them (safety.md, Approve, Refused versions).

use serde_json::json;

use super::{a, at, district, enrolled, feed, feed_and, incomplete, lines, planned, tonight, user, warned};
use crate::model::{Baseline, Decision, Fingerprint, HeldChange, Kind, PendingReview, Record, Timestamp, Verdict};
use crate::plan::{Cause, make, pending};

impl Baseline {
    fn decide(&mut self, of: &Record, verdict: Verdict, version: Option<&Record>, until: Option<Timestamp>) {
        let version = version.map(|it| Fingerprint::of(&it.body().unwrap()));
        let decision = Decision { verdict, version, until, run: "01RUN".into() };
        self.decisions.insert((of.kind(), of.text_id()), decision);
    }

    fn refuse(&mut self, of: &Record, version: Option<&Record>) {
        self.decide(of, Verdict::Refused, version, None);
    }
}

fn other(id: &str, grade: &str) -> Record {
    a(Kind::Users, id, &json!({ "grades": [grade] }))
}

fn spent(plan: &crate::plan::Plan) -> Vec<&str> {
    plan.spent.iter().map(|(_, id)| id.as_str()).collect()
}

/// A sync skips exactly the version that was refused, says so, and takes the record up as soon as anything else comes.
#[test]
fn a_refused_version_is_skipped_until_the_source_says_something_else() {
    let mut oak = district(["u1", "u2", "u3", "u4"].map(user));
    oak.refuse(&user("u1"), Some(&other("u1", "04")));
    oak.refuse(&user("u2"), None);
    oak.refuse(&user("u9"), Some(&user("u9")));

    let again = planned(&oak, &feed([other("u1", "04"), user("u3"), user("u9")]));
    assert_eq!(lines(&again.changes), ["- user u4"]);
    let warning = warned(&again, "refused_version").unwrap();
    assert_eq!((warning.count, warning.kind), (3, Some(Kind::Users)));
    assert_eq!(warning.ids, ["u1", "u2", "u9"]);
    assert_eq!(spent(&again), [""; 0]);

    let else_ = planned(&oak, &feed([other("u1", "05"), user("u2"), user("u3"), user("u4")]));
    assert_eq!(lines(&else_.changes), ["~ user u1: grades [\"03\"] -> [\"05\"]"]);
    assert_eq!((spent(&else_), warned(&else_, "refused_version")), (vec!["u2", "u9"], None));
}

#[test]
fn a_warning_names_five() {
    let users: Vec<Record> = (1..=6).map(|n| user(&format!("u{n}"))).collect();
    let mut oak = district(users.clone());
    for user in &users {
        oak.refuse(user, None);
    }
    let plan = planned(&oak, &feed([]));
    let warning = warned(&plan, "refused_version").unwrap();
    assert_eq!((warning.count, warning.ids.len(), plan.changes.len()), (6, 5, 0));
}

/// Only what the source says ends a refusal: a row that cannot be read says nothing, nor does a file that is missing or empty.
#[test]
fn what_says_nothing_spends_no_refusal() {
    let oak = |kind: Kind| {
        let mut oak = district([user("u1"), a(Kind::Sessions, "t1", &json!({}))]);
        let new = a(kind, "new", &json!({}));
        oak.refuse(&new, Some(&new));
        oak.refuse(&user("u1"), None);
        oak.decide(&user("gone"), Verdict::Approved, Some(&user("gone")), None);
        oak
    };
    let unusable = feed_and([], |it| it.unusable(&user("u1"), "invalid_role", "no role"));
    assert_eq!(spent(&planned(&oak(Kind::Users), &unusable)), ["new"]);
    assert_eq!(spent(&planned(&oak(Kind::Users), &incomplete([user("u1")]))), ["u1"]);
    let mut kept = feed([user("u1")]);
    assert_eq!(spent(&planned(&oak(Kind::Sessions), &kept)), ["u1", "new"]);
    kept.kept.insert(Kind::Sessions);
    assert_eq!(spent(&planned(&oak(Kind::Sessions), &kept)), ["u1"]);
    let mut approved = district([user("u1")]);
    approved.decide(&user("u1"), Verdict::Approved, None, None);
    assert_eq!(spent(&planned(&approved, &feed([user("u1")]))), [""; 0], "what was approved is no refusal");
}

/// For seven days what was approved applies if it comes exactly so, and counts toward no limit.
#[test]
fn what_was_approved_counts_as_approved_while_the_approval_lasts() {
    let (tonight, before) = (tonight(), at("2025-10-06T06:59:59Z"));
    let (version, another) = (other("u2", "04"), other("u2", "05"));
    for (verdict, approved, until, counts) in [
        (Verdict::Approved, &version, None, true),
        (Verdict::Approved, &version, Some(tonight), true),
        (Verdict::Approved, &version, Some(before), false),
        (Verdict::Approved, &another, None, false),
        (Verdict::Refused, &another, None, false),
    ] {
        let mut oak = district(["u1", "u2"].map(user));
        oak.decide(&version, verdict, Some(approved), until);
        let plan = planned(&oak, &feed([version.clone()]));
        assert_eq!(lines(&plan.changes), ["- user u1", "~ user u2: grades [\"03\"] -> [\"04\"]"]);
        assert_eq!(plan.approved.contains(&1), counts, "{verdict:?} {until:?}");
        assert!(!plan.approved.contains(&0));
    }
}

fn held(before: Option<&Record>, after: Option<&Record>) -> HeldChange {
    let record = after.or(before).unwrap();
    let body = |it: Option<&Record>| it.map(|it| it.body().unwrap());
    let (kind, id, groups) = (record.kind(), record.text_id(), ["district/users/removed".to_owned()].into());
    HeldChange { groups, kind, id, before: body(before), after: body(after), tombstone: before.is_some() }
}

fn one_of_each(more: &serde_json::Value) -> Vec<Record> {
    let id = |kind| if kind == Kind::Enrollments { "u c" } else { "x" };
    Kind::ALL.into_iter().map(|kind| a(kind, id(kind), more)).collect()
}

/// What a person approved applies if the record is still what the review showed; whatever moved since is left for a sync.
#[test]
fn an_approval_applies_what_still_is_as_it_was_shown() {
    let (all, nothing) = (one_of_each(&json!({})), json!({}));
    let removals: Vec<HeldChange> = all.iter().rev().map(|it| held(Some(it), None)).collect();
    let additions: Vec<HeldChange> = all.iter().map(|it| held(None, Some(it))).collect();
    let approved = |oak: &Baseline, held: &[HeldChange]| make(oak, Cause::Approved(held), tonight()).unwrap();

    let plan = approved(&district(all.clone()), &removals);
    let wanted = ["school x", "session x", "course x", "class x", "user x", "enrollment [\"u\",\"c\",\"student\"]"];
    assert_eq!(lines(&plan.changes), wanted.map(|it| format!("- {it}")));
    assert!(plan.approved.iter().copied().eq(0..6) && plan.changes.iter().all(|it| it.tombstone));
    assert_eq!(approved(&district([]), &removals).changes, [], "they are gone already");

    let mut oak = district([]);
    oak.archived.insert((Kind::Users, "x".to_owned()));
    let signs = ['+', '+', '+', '+', '^', '+'];
    let lines_of_additions: Vec<String> = signs.iter().zip(wanted).map(|(sign, it)| format!("{sign} {it}")).collect();
    assert_eq!(lines(&approved(&oak, &additions).changes), lines_of_additions);
    assert_eq!(approved(&district(all), &additions).changes, [], "they are here already");

    let moved = district([other("x", "09")]);
    assert_eq!(approved(&moved, &[held(Some(&a(Kind::Users, "x", &nothing)), None)]).changes, []);
    let mut order = ["b c", "a! c", "a c"].map(|id| held(None, Some(&enrolled(id))));
    let first = lines(&approved(&district([]), &order).changes);
    order.reverse();
    assert_eq!(first, lines(&approved(&district([]), &order).changes));
    assert!(first[0].contains("\"a\"") && first[1].contains("\"a!\""), "{first:?}");
}

#[test]
fn a_body_that_cannot_be_read_is_named() {
    let broken = HeldChange { before: Some("{".to_owned()), ..held(Some(&user("u1")), None) };
    let error = make(&district([]), Cause::Approved(&[broken]), tonight()).unwrap_err();
    assert!(error.to_string().contains("users `u1`"), "{error}");
}

/// What an open review holds stays in it while nothing newer speaks of it: a complete snapshot computes it anew, an approval or
/// a snapshot that lacks a file takes out what it brings itself.
#[test]
fn an_open_review_stays_until_a_complete_snapshot_computes_it_anew() {
    let mut oak = district(["u1", "u2", "u3"].map(user));
    let changes = ["u1", "u2"].map(|id| held(Some(&user(id)), None)).to_vec();
    oak.kept_back = ["u2", "u3"].map(|id| held(Some(&user(id)), None)).to_vec();
    oak.review =
        Some(PendingReview { run: "01RUN".into(), first_sync: false, proposal: None, changes: changes.clone() });
    assert_eq!(lines(&pending(&oak).unwrap()), ["- user u1", "- user u2"]);

    let left = |cause: Cause<'_>| {
        let plan = make(&oak, cause, tonight()).unwrap();
        (lines(&plan.pending), lines(&plan.kept_back))
    };
    let lines_of = |ids: &[&str]| ids.iter().map(|id| format!("- user {id}")).collect::<Vec<_>>();
    assert_eq!(left(Cause::Standing), (lines_of(&["u1", "u2"]), lines_of(&["u2", "u3"])));
    assert_eq!(left(Cause::Approved(&changes[1..])), (lines_of(&["u1"]), lines_of(&["u3"])));
    let all = ["u1", "u2", "u3"].map(user);
    assert_eq!(left(Cause::Snapshot(&feed(all.clone()))), (Vec::new(), Vec::new()));
    let less = incomplete([all[0].clone(), other("u2", "04"), all[2].clone()]);
    assert_eq!(left(Cause::Snapshot(&less)), (lines_of(&["u1"]), lines_of(&["u3"])));
    oak.review = None;
    oak.kept_back.clear();
    assert_eq!(pending(&oak).unwrap(), []);
}
