//! The fold entry by entry: seats and the line, records and alerts; what people decided is in [`hand`].
//!
//! That the fold equals the store after every run is shown end to end (`verify` in nearly every story of `tests/it`); here it is
//! what each entry does, and which one cannot follow.

mod hand;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Fold, FoldedPlace, FoldedRecord, FoldedSeat};
use crate::audit::{Category, Entry};
use crate::model::{Alert, AlertKind, Kind, Leaving, Level, Pool, Seat, SeatState, Timestamp, Waiting};

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn monday() -> Timestamp {
    at("2025-10-06T07:00:00Z")
}

/// An entry of Monday's run.
fn entry(action: &str, id: &str, after: Value) -> Entry {
    Entry {
        seq: 1,
        district: "oak".into(),
        run: Some("MONDAY".into()),
        at: monday(),
        actor: "schedule".to_owned(),
        category: Category::System,
        action: action.to_owned(),
        entity: action.split('.').next().unwrap().to_owned(),
        id: id.to_owned(),
        before: None,
        after: Some(after).filter(|it| !it.is_null()),
        reason: None,
        prev: String::new(),
        hash: String::new(),
    }
}

fn of_run(run: &str, entry: Entry) -> Entry {
    Entry { run: Some(run.into()), ..entry }
}

fn because(reason: &str, entry: Entry) -> Entry {
    Entry { reason: Some(reason.to_owned()), ..entry }
}

fn fold(entries: &[Entry]) -> Fold {
    let mut fold = Fold::new(b"key");
    for (seq, entry) in (1..).zip(entries) {
        fold.push(&Entry { seq, ..entry.clone() });
    }
    fold.settle();
    fold
}

/// Numbers of the entries that cannot follow from those before.
fn odd(entries: &[Entry]) -> Vec<i64> {
    fold(entries).odd.iter().map(|(seq, _)| *seq).collect()
}

fn granted(user: &str) -> Entry {
    entry("seat.granted", &format!("math/{user}"), json!({ "pool": "district" }))
}

fn seats(fold: &Fold) -> BTreeMap<String, FoldedSeat> {
    fold.seats.iter().map(|((_, user), seat)| (user.clone(), seat.clone())).collect()
}

#[test]
fn each_entry_about_a_seat_changes_what_it_says() {
    let since = at("2025-09-01T07:00:00Z");
    let told = |more: &[Entry]| {
        let all = fold(&[&[granted("u")], more].concat());
        assert_eq!(all.odd, []);
        seats(&all).remove(&all.name("u"))
    };
    let plain =
        FoldedSeat { pool: "district".to_owned(), since: monday(), claimed_at: None, leaving: None, bridged: false };
    let on = |verb: &str, after| entry(&format!("seat.{verb}"), "math/u", after);
    assert_eq!(told(&[]), Some(plain.clone()));
    let claimed = told(&[on("claimed", json!({ "claimed_at": since }))]);
    assert_eq!(claimed, Some(FoldedSeat { claimed_at: Some(since), ..plain.clone() }));
    let leaves = on("leaving", json!({ "since": "2025-10-06" }));
    let leaving = told(std::slice::from_ref(&leaves));
    assert_eq!(leaving, Some(FoldedSeat { leaving: Some("2025-10-06".parse().unwrap()), ..plain.clone() }));
    assert_eq!(told(&[leaves, on("stayed", Value::Null)]), Some(plain.clone()));
    let bridged = told(&[on("bridged", Value::Null)]);
    assert_eq!(bridged, Some(FoldedSeat { bridged: true, ..plain.clone() }));
    assert_eq!(told(&[on("bridged", Value::Null), on("unbridged", Value::Null)]), Some(plain.clone()));
    let moved = told(&[on("bridged", Value::Null), on("moved", json!({ "pool": "s1" }))]);
    let pool = fold(&[]).name("s1");
    assert_eq!(moved, Some(FoldedSeat { pool, bridged: true, ..plain.clone() }));
    assert_eq!(told(&[on("released", Value::Null)]), None);

    let imported =
        fold(&[entry("seat.granted", "math/u", json!({ "pool": "district", "since": since, "claimed_at": since }))]);
    let seat = FoldedSeat { since, claimed_at: Some(since), ..plain.clone() };
    assert_eq!(seats(&imported), BTreeMap::from([(imported.name("u"), seat)]));
    let passed = fold(&[granted("u"), on("moved", json!({ "pool": "district", "user": "v" }))]);
    assert_eq!(seats(&passed), BTreeMap::from([(passed.name("v"), plain)]));
}

#[test]
fn an_entry_about_a_seat_that_cannot_follow_is_named() {
    let on = |verb: &str, after| entry(&format!("seat.{verb}"), "math/u", after);
    let waits = on("waiting", json!({ "short_of": "district", "position": 1 }));
    let passes = on("moved", json!({ "pool": "district", "user": "v" }));
    let cases: [(&[Entry], &[i64]); 14] = [
        (&[granted("u"), granted("u")], &[2]),
        (&[on("granted", json!({}))], &[1]),
        (&[on("moved", json!({ "pool": "s1" }))], &[1]),
        (&[granted("u"), on("moved", json!({}))], &[2]),
        (&[granted("u"), granted("v"), passes], &[3]),
        (&[on("released", Value::Null)], &[1]),
        (&[on("leaving", json!({ "since": "2025-10-06" }))], &[1]),
        (&[entry("seat.granted", "math", json!({ "pool": "district" }))], &[1]),
        (std::slice::from_ref(&waits), &[]),
        (&[waits.clone(), waits.clone()], &[2]),
        (&[waits.clone(), on("waiting_moved", json!({ "position": 2 }))], &[]),
        (&[on("waiting_moved", json!({ "position": 2 }))], &[1]),
        (&[waits.clone(), on("waiting_ended", Value::Null)], &[]),
        (&[on("waiting_ended", Value::Null)], &[1]),
    ];
    for (entries, wanted) in cases {
        assert_eq!(odd(entries), wanted, "{:?}", entries.iter().map(|it| &it.action).collect::<Vec<_>>());
    }
}

fn waits(run: &str, user: &str, position: u32) -> Entry {
    of_run(run, entry("seat.waiting", &format!("math/{user}"), json!({ "short_of": "district", "position": position })))
}

/// Who stands where, by the users' ids.
fn line(fold: &Fold, users: &[&str]) -> Vec<(String, u32)> {
    let places = fold.waiting();
    let of = |user: &&str| places.get(&("math".into(), fold.name(user))).map(|(at, _)| ((*user).to_owned(), *at));
    let mut line: Vec<_> = users.iter().filter_map(of).collect();
    line.sort_by_key(|(_, at)| *at);
    line
}

/// Positions are those after all of a run; who is not told of keeps the order.
#[test]
fn the_line_is_as_after_the_run_that_tells_of_it() {
    let ended = |run: &str, user: &str| of_run(run, entry("seat.waiting_ended", &format!("math/{user}"), Value::Null));
    let moved = |run: &str, user: &str, position: u32| {
        of_run(run, entry("seat.waiting_moved", &format!("math/{user}"), json!({ "position": position })))
    };
    let monday = [waits("MON", "a", 1), waits("MON", "b", 2), waits("MON", "c", 3)];
    let told = |more: &[Entry]| {
        let all = fold(&[&monday[..], more].concat());
        line(&all, &["a", "b", "c", "d", "e"]).into_iter().map(|(user, _)| user).collect::<Vec<_>>().concat()
    };
    assert_eq!(told(&[]), "abc");
    assert_eq!(told(&[waits("TUE", "d", 1)]), "dabc");
    assert_eq!(told(&[waits("TUE", "d", 2), waits("TUE", "e", 4)]), "adbec");
    assert_eq!(told(&[waits("TUE", "d", 9)]), "abcd");
    assert_eq!(told(&[ended("TUE", "b")]), "ac");
    assert_eq!(told(&[ended("TUE", "a"), waits("TUE", "d", 2)]), "bdc");
    assert_eq!(told(&[moved("TUE", "c", 1)]), "cab");
    assert_eq!(told(&[waits("TUE", "d", 1), ended("WED", "d")]), "abc");
    assert_eq!(told(&[waits("TUE", "d", 1), ended("TUE", "d")]), "abc");
    assert_eq!(told(&[waits("TUE", "d", 1), waits("WED", "e", 2)]), "deabc");
    assert_eq!(line(&fold(&monday), &["c"]), [("c".to_owned(), 3)]);
}

/// A place keeps what its entry does not tell.
#[test]
fn a_place_has_its_pool_and_since_when() {
    let since = at("2025-09-01T07:00:00Z");
    let place = |entries: &[Entry]| {
        let all = fold(entries);
        all.waiting().into_values().map(|(_, place)| place).next().unwrap()
    };
    let school = fold(&[]).name("s1");
    let first = entry("seat.waiting", "math/u", json!({ "short_of": "s1", "position": 1, "since": since }));
    assert_eq!(place(std::slice::from_ref(&first)), FoldedPlace { since, short_of: school.clone() });
    assert_eq!(place(&[waits("MON", "u", 1)]), FoldedPlace { since: monday(), short_of: "district".to_owned() });
    let moved = |after| Entry { at: at("2025-10-07T07:00:00Z"), ..entry("seat.waiting_moved", "math/u", after) };
    assert_eq!(place(&[first.clone(), moved(json!({ "position": 1 }))]), FoldedPlace { since, short_of: school });
    let other = place(&[first, moved(json!({ "short_of": "district", "since": monday() }))]);
    assert_eq!(other, FoldedPlace { since: monday(), short_of: "district".to_owned() });
}

fn stands(user: &str, position: u32) -> Waiting {
    let (product, short_of) = ("math".into(), Pool::School("s1".into()));
    Waiting { product, user: user.into(), since: monday(), position, short_of }
}

/// What the store has, as the fold would know it. Once a user was erased their place in line is a gap that is none.
#[test]
fn rows_of_the_store_are_named_as_the_fold_names_them() {
    let all = fold(&[]);
    let place = FoldedPlace { since: monday(), short_of: all.name("s1") };
    let key = |user: &str| ("math".into(), all.name(user));
    let rows = [stands("b", 4), stands("a", 2)];
    let told = BTreeMap::from([(key("a"), (2, place.clone())), (key("b"), (4, place.clone()))]);
    assert_eq!(all.stored_places(rows.clone()), told);
    let erased = fold(&[entry("user.erased", "x", Value::Null)]);
    let told = BTreeMap::from([(key("a"), (1, place.clone())), (key("b"), (2, place))]);
    assert_eq!(erased.stored_places(rows), told);

    let since = at("2025-09-01T07:00:00Z");
    let leaving = Some(Leaving { since: "2025-10-06".parse().unwrap(), upload: Some("x".to_owned()) });
    let seat = Seat {
        product: "math".into(),
        user: "u".into(),
        pool: Pool::School("s1".into()),
        since,
        claimed_at: Some(monday()),
        last_used_at: Some(monday()),
        leaving,
        bridged: true,
        state: SeatState::Active,
    };
    let known = FoldedSeat {
        pool: all.name("s1"),
        since,
        claimed_at: Some(monday()),
        leaving: Some("2025-10-06".parse().unwrap()),
        bridged: true,
    };
    assert_eq!(all.stored_seat(&seat), known);
    assert_eq!(all.pool_name("district"), "district");
}

/// An id is compared as its pseudonym; in the store none can be one already, whatever it looks like (P53).
#[test]
fn ids_have_one_name_whether_shown_or_not() {
    let all = fold(&[]);
    let shown = all.name("ann@example.org");
    assert_eq!(all.name(&shown), shown);
    assert_ne!(all.stored_name(&shown), shown);
    assert_eq!(all.stored_name("u"), all.name("u"));
    let (user, class) = (all.name("u"), all.name("c"));
    let id = r#"["u","c","student"]"#;
    assert_eq!(all.record_name(Kind::Enrollments, id), format!("{user} {class} student"));
    assert_eq!(all.stored_record_name(Kind::Enrollments, id), format!("{user} {class} student"));
    assert_eq!(all.record_name(Kind::Enrollments, "odd"), all.name("odd"));
    assert_eq!(all.record_name(Kind::Users, id), all.name(id));
    assert_eq!(all.stored_record_name(Kind::Users, &shown), all.stored_name(&shown));
}

fn user(verb: &str, id: &str) -> Entry {
    entry(&format!("user.{verb}"), id, Value::Null)
}

#[test]
fn records_are_there_or_archived_and_a_removal_rests_on_absence_unless_it_says_why() {
    let record = |entries: &[Entry]| {
        let mut all = fold(entries);
        let name = all.name("u");
        all.records.get_mut(&Kind::Users).unwrap().remove(&name)
    };
    let run = Some("MONDAY".into());
    let here = FoldedRecord { active: true, departed: false, run };
    let (added, removed) = (user("added", "u"), user("removed", "u"));
    assert_eq!(record(std::slice::from_ref(&added)), Some(here.clone()));
    let gone = FoldedRecord { active: false, departed: true, ..here.clone() };
    assert_eq!(record(&[added.clone(), removed.clone()]), Some(gone.clone()));
    let deleted = because("tombstone", removed.clone());
    assert_eq!(record(&[added.clone(), deleted]), Some(FoldedRecord { departed: false, ..gone }));
    let tuesday = FoldedRecord { run: Some("TUESDAY".into()), ..here };
    let changed = of_run("TUESDAY", user("changed", "u"));
    assert_eq!(record(&[added.clone(), changed.clone()]), Some(tuesday.clone()));
    let restored = of_run("TUESDAY", user("restored", "u"));
    assert_eq!(record(&[added.clone(), removed.clone(), restored.clone()]), Some(tuesday));
    for (entries, wanted) in [
        (vec![added.clone(), added.clone()], vec![2]),
        (vec![removed.clone()], vec![1]),
        (vec![changed], vec![1]),
        (vec![added.clone(), restored.clone()], vec![2]),
        (vec![added.clone(), removed.clone(), removed.clone()], vec![3]),
        (vec![restored], vec![]),
        (vec![user("seen", "u")], vec![]),
    ] {
        assert_eq!(odd(&entries), wanted, "{:?}", entries.iter().map(|it| &it.action).collect::<Vec<_>>());
    }
}

/// `erase::Settings`: archived records of runs that acted before an instant may be deleted.
#[test]
fn archived_records_of_old_runs_may_be_gone() {
    let expired = |before: &str| entry("district.expired", "oak", json!({ "before": before }));
    let may_be_gone = |entries: &[Entry]| {
        let all = fold(entries);
        all.may_be_expired(&all.records[&Kind::Users][&all.name("u")])
    };
    let both = [user("added", "u"), user("removed", "u")];
    let then = |more: Entry| [&both[..], &[more]].concat();
    assert!(may_be_gone(&then(expired("2025-10-06T07:00:01Z"))));
    assert!(!may_be_gone(&then(expired("2025-10-06T07:00:00Z"))), "of the instant itself not");
    assert!(!may_be_gone(&both), "nobody said so");
    assert!(!may_be_gone(&[user("added", "u"), expired("2025-10-07T07:00:00Z")]), "it is here");
    let twice = [then(expired("2025-10-07T07:00:00Z")), vec![expired("2025-10-01T07:00:00Z")]].concat();
    assert!(may_be_gone(&twice), "an older word takes nothing back");
}

/// `user erase`: the entries of the run that says so follow it, and then nothing of the user is left; nor is anything of anybody
/// after `district purge`.
#[test]
fn an_erasure_leaves_nothing_of_the_user_and_a_purge_of_nobody() {
    let enrolled = |user: &str| entry("enrollment.added", &format!("[\"{user}\",\"c\",\"student\"]"), Value::Null);
    let school = entry("school.added", "u", Value::Null);
    let before = [user("added", "u"), user("added", "v"), enrolled("u"), enrolled("v"), school, granted("u")];
    let erased = of_run("ERASE", user("erased", "u"));
    let ends = of_run("ERASE", entry("seat.released", "math/u", Value::Null));
    let gone = of_run("ERASE", user("removed", "u"));
    let all = [&before[..], &[erased.clone(), ends.clone(), gone.clone()]].concat();
    let told = fold(&all);
    let counts = |fold: &Fold| Kind::ALL.map(|kind| fold.records[&kind].len());
    assert_eq!((counts(&told), told.seats.len(), told.odd.len()), ([1, 0, 0, 0, 1, 1], 0, 0));
    assert!(told.has_erased && told.records[&Kind::Users].contains_key(&told.name("v")));
    let of_other = told.record_name(Kind::Enrollments, r#"["v","c","student"]"#);
    assert!(told.records[&Kind::Enrollments].contains_key(&of_other));
    assert_eq!(told.by_hand.ended, BTreeMap::new());

    // Until the run's last entry is read they count; the next run's first one ends it.
    let mut reading = Fold::new(b"key");
    for entry in &all {
        reading.push(entry);
    }
    assert_eq!(counts(&reading), [1, 0, 0, 0, 2, 2]);
    reading.push(&of_run("NEXT", user("added", "w")));
    assert_eq!(counts(&reading), [1, 0, 0, 0, 2, 1]);

    let waiting = [waits("MON", "w", 1), entry("alert.raised", "a1", json!({ "kind": "held" }))];
    let purged = fold(&[&before[..], &waiting, &[entry("district.purged", "oak", Value::Null)]].concat());
    assert_eq!((counts(&purged), purged.seats.len(), purged.waiting().len(), purged.alerts.len()), ([0; 6], 0, 0, 0));
}

#[test]
fn alerts_are_open_with_what_was_told_last() {
    let alert = Alert {
        id: "a1".into(),
        district: "oak".into(),
        kind: AlertKind::Waitlist,
        product: Some("math".into()),
        school: Some("s1".into()),
        level: Level::Red,
        step: None,
        on: None,
        text: "2 users wait".to_owned(),
        numbers: BTreeMap::from([("waiting".to_owned(), 2)]),
        raised_at: monday(),
        stepped_at: None,
        cleared_at: None,
        acknowledged: None,
    };
    let facts = |alert: &Alert| Value::Object(alert.facts(ToString::to_string));
    let of = |verb: &str, after| entry(&format!("alert.{verb}"), "a1", after);
    let raised = of("raised", facts(&alert));
    let open = |more: &[Entry]| fold(&[std::slice::from_ref(&raised), more].concat()).alerts;
    let stored = |alert: &Alert| BTreeMap::from([("a1".to_owned(), fold(&[]).stored_alert(alert))]);
    assert_eq!(open(&[]), stored(&alert));
    let text = "1 user waits";
    let later = Alert { text: text.to_owned(), product: None, ..alert };
    for verb in ["stepped", "changed", "acknowledged"] {
        assert_eq!(open(&[of(verb, json!({ "text": text, "product": null }))]), stored(&later), "{verb}");
        assert_eq!(odd(&[of(verb, json!({ "text": text }))]), [1]);
    }
    assert_eq!(open(&[of("cleared", Value::Null)]), BTreeMap::new());
    assert_eq!(odd(&[of("cleared", Value::Null)]), [1]);
    assert_eq!(odd(&[raised.clone(), raised.clone()]), [2]);
    assert_eq!(odd(&[of("seen", Value::Null)]), [0; 0]);
}
