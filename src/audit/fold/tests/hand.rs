//! What people decided and what was sold: what entries tell is what the store would have, field by field.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{at, because, entry, fold, granted, monday, of_run, user};
use crate::audit::{Entry, Fold, Row, fields_of, not_as_told};
use crate::model::{
    Assignment, DistrictMode, EducatorAccess, Ended, LinkDecision, LinkKind, LinkVerdict, ModeEntry, Override,
    OverrideKind, ReleaseReason, Target,
};

fn assert_as_told(told: &BTreeMap<String, Row>, stored: &[(String, Row)]) {
    let stored: BTreeMap<String, Row> = stored.iter().cloned().collect();
    assert!(told.keys().eq(stored.keys()), "{told:?} {stored:?}");
    for (key, row) in told {
        assert_eq!(not_as_told(row, &stored[key]), [""; 0], "{key}: {row:?} {:?}", stored[key]);
    }
}

#[test]
fn pins_and_excludes_stand_until_they_are_cleared() {
    let set = because("testing week", entry("override.set", "math/u", json!({ "kind": "pin", "until": "2025-12-19" })));
    let stored = Override {
        product: "math".into(),
        user: "u".into(),
        kind: OverrideKind::Pin,
        actor: "schedule".to_owned(),
        reason: "testing week".to_owned(),
        until: Some("2025-12-19".parse().unwrap()),
    };
    let all = fold(std::slice::from_ref(&set));
    let (key, row) = all.stored_override(&stored);
    assert_eq!(key, format!("math/{}", all.name("u")));
    assert_as_told(&all.by_hand.overrides, &[(key.clone(), row)]);
    let others = [
        Override { kind: OverrideKind::Exclude, ..stored.clone() },
        Override { actor: "ann".to_owned(), ..stored.clone() },
        Override { reason: String::new(), ..stored.clone() },
        Override { until: None, ..stored },
    ];
    let differ = others.map(|it| not_as_told(&all.by_hand.overrides[&key], &all.stored_override(&it).1).concat());
    assert_eq!(differ, ["kind", "actor", "reason", "until"]);
    assert_eq!(fold(&[set, entry("override.cleared", "math/u", Value::Null)]).by_hand.overrides, BTreeMap::new());
}

#[test]
fn access_is_told_while_it_is_off() {
    let turned = |on: bool| entry("access.changed", "math/u", json!({ "on": on }));
    let row = |on| EducatorAccess { product: "math".into(), educator: "u".into(), on };
    let off = fold(&[turned(false)]);
    assert_as_told(&off.by_hand.access, &[off.stored_access(&row(false)).unwrap()]);
    assert_eq!(off.stored_access(&row(true)), None);
    assert_eq!(fold(&[turned(false), turned(true)]).by_hand.access, BTreeMap::new());
}

#[test]
fn assignments_of_users_and_classes_stand_with_whom_they_leave_out() {
    let told = json!({ "kind": "pin", "except": ["v", "w"], "until": null, "instance": 2 });
    let of_class = because("asked for", entry("assignment.set", "math/class:c", told));
    let of_user = entry("assignment.set", "math/u", json!({ "kind": "exclude", "except": [], "until": null }));
    let stored = Assignment {
        product: "math".into(),
        target: Target::Class("c".into()),
        kind: OverrideKind::Pin,
        except: BTreeSet::from(["v".into(), "w".into()]),
        actor: "schedule".to_owned(),
        reason: "asked for".to_owned(),
        at: monday(),
        until: None,
        instance: 2,
    };
    let user = Assignment {
        target: Target::User("u".into()),
        kind: OverrideKind::Exclude,
        except: BTreeSet::new(),
        reason: String::new(),
        instance: 0,
        ..stored.clone()
    };
    let all = fold(&[of_class, of_user.clone()]);
    let (key, row) = all.stored_assignment(&stored);
    assert_eq!(key, format!("math/class:{}", all.name("c")));
    assert_as_told(&all.by_hand.assignments, &[(key.clone(), row), all.stored_assignment(&user)]);
    let others = [
        Assignment { except: BTreeSet::from(["v".into()]), ..stored.clone() },
        Assignment { at: at("2025-10-07T07:00:00Z"), ..stored.clone() },
        Assignment { instance: 1, ..stored.clone() },
        Assignment { actor: "ann".to_owned(), ..stored.clone() },
        Assignment { reason: String::new(), ..stored },
    ];
    let differ = others.map(|it| not_as_told(&all.by_hand.assignments[&key], &all.stored_assignment(&it).1).concat());
    assert_eq!(differ, ["except", "at", "instance", "actor", "reason"]);
    assert_eq!(fold(&[of_user, entry("assignment.cleared", "math/u", Value::Null)]).by_hand.assignments.len(), 0);
}

fn link(verb: &str) -> Entry {
    let pair = json!({ "kind": "duplicate", "accounts": ["u", "v"], "survivor": "v" });
    match verb {
        "undone" => Entry { before: Some(pair), ..entry("identity.undone", "dup-1", Value::Null) },
        _ => entry(&format!("identity.{verb}"), "dup-1", pair),
    }
}

#[test]
fn links_between_accounts_stand_until_they_are_undone() {
    let stored = LinkDecision {
        id: "dup-1".to_owned(),
        kind: LinkKind::Duplicate,
        first: "u".into(),
        second: "v".into(),
        survivor: "v".into(),
        verdict: LinkVerdict::Accepted,
        actor: "schedule".to_owned(),
        at: monday(),
        seats: Vec::new(),
    };
    let all = fold(&[link("accepted")]);
    assert_as_told(&all.by_hand.links, &[("dup-1".to_owned(), all.stored_link(&stored))]);
    let others = [
        LinkDecision { kind: LinkKind::Rekeyed, ..stored.clone() },
        LinkDecision { first: "x".into(), ..stored.clone() },
        LinkDecision { survivor: "u".into(), ..stored.clone() },
        LinkDecision { verdict: LinkVerdict::Refused, ..stored.clone() },
        LinkDecision { actor: "ann".to_owned(), ..stored.clone() },
        LinkDecision { at: at("2025-10-07T07:00:00Z"), ..stored },
    ];
    let differ = others.map(|it| not_as_told(&all.by_hand.links["dup-1"], &all.stored_link(&it)).concat());
    assert_eq!(differ, ["kind", "accounts", "survivor", "verdict", "actor", "at"]);
    assert_eq!(fold(&[link("accepted"), link("undone")]).by_hand.links, BTreeMap::new());
    assert_eq!(fold(&[link("refused")]).by_hand.links["dup-1"]["verdict"], "refused");
}

fn released(user: &str, reason: &str) -> Entry {
    because(reason, entry("seat.released", &format!("math/{user}"), Value::Null))
}

/// The last seat of each, with the reason by which they may return (licensing.md, step 4).
#[test]
fn the_last_seat_that_ended_is_told_with_why() {
    let told = |more: &[Entry]| {
        let all = fold(&[&[granted("u"), granted("v")], more].concat());
        let name = |user: &str| format!("math/{}", all.name(user));
        let why = |user: &str| Some(all.by_hand.ended.get(&name(user))?["reason"].as_str()?.to_owned());
        (why("u"), why("v"))
    };
    let some = |reason: &str| Some(reason.to_owned());
    assert_eq!(told(&[released("u", "ended")]), (some("ended"), None));
    assert_eq!(told(&[released("u", "reassigned: to another child")]), (some("reassigned"), None));
    assert_eq!(told(&[released("u", "reused")]), (None, None), "the id is someone else's now");
    assert_eq!(told(&[link("accepted"), link("undone"), released("v", "link undone")]), (some("absent"), None));
    assert_eq!(told(&[released("v", "link undone")]), (None, None));

    let all = fold(&[granted("u"), released("u", "conditions")]);
    let stored = Ended { at: monday(), reason: ReleaseReason::Conditions };
    let key = ("math".into(), "u".into());
    assert_as_told(&all.by_hand.ended, &[all.stored_ended(&key, &stored)]);
    let (key, row) = all.stored_ended(&key, &Ended { at: at("2025-10-07T07:00:00Z"), reason: ReleaseReason::Ended });
    assert_eq!(not_as_told(&all.by_hand.ended[&key], &row), ["at", "reason"]);
}

/// P19: of who comes back, or has other names from now on, the last seat may be forgotten; until one ends anew.
#[test]
fn the_last_seat_of_who_may_be_someone_else_may_be_forgotten() {
    let ended = [user("added", "u"), granted("u"), released("u", "ended"), granted("v"), released("v", "ended")];
    let forgotten = |more: &[Entry]| {
        let all = fold(&[&ended[..], more].concat());
        assert_eq!(all.by_hand.ended.len(), 2);
        let names = ["u", "v"].map(|user| (user, format!("math/{}", all.name(user))));
        names
            .into_iter()
            .filter(|(_, key)| all.by_hand.perhaps_forgotten.contains(key))
            .map(|(user, _)| user)
            .collect::<String>()
    };
    let changed = |after| entry("user.changed", "u", after);
    assert_eq!(forgotten(&[]), "");
    assert_eq!(forgotten(&[changed(json!({ "grades": ["04"] }))]), "");
    assert_eq!(forgotten(&[changed(json!({ "changed": ["given_name"] }))]), "u");
    assert_eq!(forgotten(&[user("removed", "u"), user("restored", "u")]), "u");
    let class = entry("class.restored", "u", Value::Null);
    assert_eq!(forgotten(&[class]), "", "a class of that id is nobody");
    let again = [changed(json!({ "changed": ["given_name"] })), granted("u"), released("u", "ended")];
    assert_eq!(forgotten(&again), "");
}

#[test]
fn what_was_said_of_runs_is_told() {
    let said = |word: &str| Entry { actor: "ann".to_owned(), ..entry(&format!("run.{word}"), "01RUN", Value::Null) };
    let all = fold(&["approved", "rejected", "reverted", "cancelled"].map(said));
    let words: Vec<&str> = all.by_hand.said.iter().map(|it| it.word.as_str()).collect();
    assert_eq!(words, ["approved", "rejected", "reverted"]);
    let first = &all.by_hand.said[0];
    assert_eq!((&first.run, first.by.as_str(), first.at), (&"01RUN".into(), "ann", monday()));
}

#[test]
fn modes_are_numbered_and_normal_ends_those_that_are_open() {
    let zone = chrono_tz::America::Chicago;
    let set = |day: u32, after: Value| {
        let at = at(&format!("2025-10-{day:02}T07:00:00Z"));
        Entry { at, ..because("why", entry("mode.set", "oak", after)) }
    };
    let fall = json!({ "mode": "no_removals", "from": "2025-10-07", "until": "2025-10-08" });
    let entries = [
        set(6, fall),
        set(10, json!({ "mode": "plan_only" })),
        set(11, json!({ "mode": "normal", "until": "2025-10-12" })),
        set(13, json!({ "mode": "normal" })),
        set(14, json!({ "mode": "paused" })),
        set(15, json!({ "mode": "odd" })),
    ];
    let modes = fold(&entries).by_hand.modes(zone).0;
    let entry = |number, mode, from: Option<&str>, until: Option<&str>, day: u32, ended: Option<u32>| ModeEntry {
        number,
        mode,
        from: from.map(|it| it.parse().unwrap()),
        until: until.map(|it| it.parse().unwrap()),
        reason: Some("why".to_owned()),
        by: "schedule".to_owned(),
        at: at(&format!("2025-10-{day:02}T07:00:00Z")),
        ended_at: ended.map(|day| at(&format!("2025-10-{day:02}T07:00:00Z"))),
    };
    let wanted = [
        entry(1, DistrictMode::NoRemovals, Some("2025-10-07"), Some("2025-10-08"), 6, None),
        entry(2, DistrictMode::PlanOnly, None, None, 10, Some(13)),
        entry(3, DistrictMode::Normal, None, Some("2025-10-12"), 11, None),
        entry(4, DistrictMode::Paused, None, None, 14, None),
    ];
    assert_eq!(modes, wanted);
}

#[test]
fn what_was_sold_is_told_with_all_it_ever_was() {
    let changed = |entity: &str, before: Value, after: Value| Entry {
        before: Some(before),
        ..entry(&format!("{entity}.changed"), "SUB", after)
    };
    for entity in ["subscription", "product"] {
        let all = fold(&[
            entry(&format!("{entity}.added"), "SUB", json!({ "seats": 10, "status": "active" })),
            changed(entity, json!({ "seats": 10, "status": "active" }), json!({ "seats": 20, "grace_days": 3 })),
        ]);
        let (here, other) = (&all.by_hand.subscriptions, &all.by_hand.products);
        let (here, other) = if entity == "product" { (other, here) } else { (here, other) };
        assert_eq!(here["SUB"].now, fields_of(&json!({ "seats": 20, "grace_days": 3, "note": null })));
        assert_eq!((&here["SUB"].told["seats"], other.len()), (&vec![json!(10), json!(20)], 0));
    }
}

/// `user erase` and `district purge` leave nothing that was decided about people; what was sold and said stays.
#[test]
fn nothing_that_was_decided_about_people_is_left_of_who_is_erased() {
    let of = |user: &str, other: &str, pair: &str| {
        let link = json!({ "kind": "duplicate", "accounts": [other, user], "survivor": user });
        [
            entry("override.set", &format!("math/{user}"), json!({ "kind": "pin" })),
            entry("access.changed", &format!("math/{user}"), json!({ "on": false })),
            entry("assignment.set", &format!("math/{user}"), json!({ "kind": "pin" })),
            entry("identity.refused", pair, link),
            granted(user),
            released(user, "ended"),
        ]
    };
    let all = [&of("u", "x", "dup-1")[..], &of("v", "y", "dup-2")].concat();
    let counts = |all: &Fold| {
        let it = &all.by_hand;
        [it.overrides.len(), it.access.len(), it.assignments.len(), it.links.len(), it.ended.len()]
    };
    let then = |more: &[Entry]| fold(&[&all[..], more].concat());
    let erased = |user_id: &str| of_run("ERASE", user("erased", user_id));
    assert_eq!(counts(&then(&[])), [2; 5]);
    let left = then(&[erased("u")]);
    assert_eq!(counts(&left), [1; 5]);
    assert!(left.by_hand.overrides.contains_key(&format!("math/{}", left.name("v"))));
    assert!(left.by_hand.links.contains_key("dup-2"));
    assert_eq!(counts(&then(&[erased("x")])), [2, 2, 2, 1, 2], "a link is about both");
    let comes_back = [user("added", "u"), user("removed", "u"), user("restored", "u")];
    let sold = entry("subscription.added", "SUB", json!({ "seats": 10 }));
    let purged = then(&[&comes_back[..], &[sold, entry("district.purged", "oak", Value::Null)]].concat());
    assert_eq!((counts(&purged), purged.by_hand.perhaps_forgotten.len()), ([0; 5], 0));
    assert_eq!(purged.by_hand.subscriptions.len(), 1);
    // After a purge no link is known that could be undone.
    let links = [link("accepted"), link("undone"), entry("district.purged", "oak", Value::Null)];
    assert_eq!(counts(&then(&[&links[..], &[granted("v"), released("v", "link undone")]].concat())), [0; 5]);
}

#[test]
fn only_what_is_told_is_compared() {
    let row = |value: Value| fields_of(&value);
    let told = row(json!({ "a": 1, "b": 2 }));
    assert_eq!(not_as_told(&told, &row(json!({ "a": 1, "b": 3, "c": 4 }))), ["b"]);
    assert_eq!(not_as_told(&told, &row(json!({ "b": 2 }))), ["a"]);
    let nulls = BTreeMap::from([("a".to_owned(), Value::Null)]);
    assert_eq!(not_as_told(&nulls, &Row::new()), [""; 0], "null is what a field is that is not there");
    assert_eq!(fields_of(&"a word"), Row::new());
}
