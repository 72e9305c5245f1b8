//! A district that is left alone changes on no day before the one that is named.

use proptest::prelude::*;

use super::generate::{Person, Terms, person, terms, world};
use super::world::{NOTHING, World, class, day, session, subscription};
use crate::allocate::steady_until;
use crate::model::{
    Basis, Date, EndDates, Ended, OverrideKind, Period, Record, ReleaseReason, RoleName, Subscription,
    SubscriptionStatus, Target,
};

/// Days ahead that are tried at most.
const FAR: u64 = 900;

/// Whether what is named of the district says anything: no seat is leaving, bridged or over.
fn settled(it: &World) -> bool {
    it.seats.values().all(|seat| seat.leaving.is_none() && !seat.bridged) && it.remembered.over.is_empty()
}

/// Dates that people and sources give: of decisions, of enrollments, of a purchase that follows.
#[derive(Clone, Debug)]
struct Dates {
    decided: Option<i64>,
    enrolled: Vec<Option<(i64, i64)>>,
    follows: Option<(i64, bool)>,
}

fn dates() -> impl Strategy<Value = Dates> {
    let span = proptest::option::weighted(0.5, (-20..60i64, 1..200i64));
    (
        proptest::option::of(0..60i64),
        proptest::collection::vec(span, 10),
        proptest::option::weighted(0.4, (1..300i64, any::<bool>())),
    )
        .prop_map(|(decided, enrolled, follows)| Dates { decided, enrolled, follows })
}

fn dated(terms: &Terms, people: &[Person], dates: &Dates) -> World {
    let mut it = world(terms, people);
    it.bridged.clear();
    it.held_users.clear();
    it.remembered.over.clear();
    it.departed = crate::model::Roster::default();
    let at = |days: i64| day(terms.date) + chrono::TimeDelta::days(days);
    for decided in it.overrides.values_mut() {
        decided.until = dates.decided.map(at);
    }
    let spans = dates.enrolled.iter().cycle();
    for (enrolled, span) in it.roster.enrollments.values_mut().zip(spans) {
        enrolled.periods =
            span.iter().map(|(from, days)| Period { begin: Some(at(*from)), end: Some(at(from + days)) }).collect();
    }
    if let Some((days, renews)) = dates.follows {
        let next = subscription("NEXT", "reading", 3);
        let renews = renews.then(|| "SUB".into());
        it.subscription(Subscription { starts_on: at(days), expires_on: at(days + 40), grace_days: 5, renews, ..next });
    }
    it
}

proptest! {
    /// What dates bring about comes on the day that is named, or later; on every day before it the district is as it was.
    #[test]
    fn nothing_happens_before_the_day_that_is_named(terms in terms(), people in proptest::collection::vec(person(), 0..10), dates in dates(), step in 1..40u64) {
        let mut it = dated(&terms, &people, &dates);
        it.settle();
        if !settled(&it) {
            return Ok(());
        }
        let warnings = it.run().warnings;
        let until = steady_until(it.input());
        let mut on = day(terms.date);
        let last = until.pred_opt().unwrap().min(on + chrono::Days::new(FAR));
        // Now and then, and on the very last day.
        while on < last {
            on = (on + chrono::Days::new(step)).min(last);
            it.night(&on.to_string());
            let later = it.run();
            prop_assert_eq!(super::world::words(&later), NOTHING, "on {}, before {}", on, until);
            prop_assert!(later.changes_nothing());
            prop_assert_eq!(&later.remembered, &it.remembered, "on {}", on);
            prop_assert_eq!(&later.warnings, &warnings);
        }
    }
}

/// Goes on from one day that is named to the next until something changes: the day, and what it was.
fn first_change(it: &mut World) -> (String, Vec<String>) {
    it.settle();
    loop {
        let until = steady_until(it.input());
        assert_ne!(until, Date::MAX, "no date is ahead, and something was to change");
        // On the day itself it may come later.
        let until = until.max(it.as_of.date_in(it.state.time_zone) + chrono::Days::new(1));
        it.night(&until.to_string());
        let outcome = it.run();
        it.keep(&outcome);
        if !outcome.changes_nothing() {
            return (until.to_string(), super::world::words(&outcome));
        }
    }
}

/// Each kind of date is seen: none of them could be left out.
#[test]
fn each_kind_of_date_is_seen() {
    let told = |on: &str, words: &[&str]| (on.to_owned(), words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
    let with_one = || {
        let mut it = World::seats(5);
        it.students(&["ann"]);
        it
    };
    let in_class = |sessions: &[&str]| {
        let mut it = with_one();
        it.reading().basis = Basis::Enrolled;
        it.roster.put(Record::Class(class("c", sessions).into()));
        it
    };
    let mut it = with_one();
    it.decide("ann", OverrideKind::Exclude, Some("2026-11-03"));
    assert_eq!(first_change(&mut it), told("2026-11-04", &["ann granted district"]));

    let mut it = with_one();
    it.assign(Target::User("ann".into()), OverrideKind::Exclude, &[]);
    it.assignments.values_mut().for_each(|it| it.until = Some(day("2026-11-03")));
    assert_eq!(first_change(&mut it), told("2026-11-04", &["ann granted district"]));

    let mut it = in_class(&[]);
    it.enroll_until("ann", "c", "2026-10-09", "2026-12-01");
    assert_eq!(first_change(&mut it), told("2026-10-09", &["ann granted district"]));
    assert_eq!(first_change(&mut it), told("2026-12-01", &["ann released Ended"]));
    it.state.end_dates = EndDates::Inclusive;
    it.night("2026-11-01");
    assert_eq!(first_change(&mut it), told("2026-12-02", &["ann released Ended"]));

    let mut it = in_class(&["term"]);
    it.roster.put(Record::Session(session("term", "term", "2026-10-20", "2026-12-19", None).into()));
    it.enroll("ann", "c", RoleName::Student);
    assert_eq!(first_change(&mut it), told("2026-10-20", &["ann granted district"]));

    // A purchase begins, ends, ends its grace, and is given up 400 days later.
    let mut it = with_one();
    (it.sub().starts_on, it.sub().expires_on) = (day("2026-10-06"), day("2026-10-31"));
    assert_eq!(first_change(&mut it), told("2026-10-06", &["ann granted district"]));
    assert_eq!(first_change(&mut it), told("2026-11-01", &[]), "suspended");
    assert_eq!(first_change(&mut it), told("2027-12-06", &["ann released Expired", "ann waiting district"]));
    let mut it = with_one();
    (it.sub().expires_on, it.sub().grace_days) = (day("2026-10-31"), 10);
    assert_eq!(first_change(&mut it), told("2026-11-11", &[]), "suspended after its grace");

    // So it is with one that was switched off, from the day on which that was seen.
    let mut it = with_one();
    it.settle();
    it.sub().status = SubscriptionStatus::Inactive;
    assert_eq!(first_change(&mut it), told("2027-11-10", &["ann released Expired", "ann waiting district"]));

    // Who had a seat goes before who waits longer, for 400 days.
    let mut it = World::seats(0);
    it.students(&["ann", "bob"]);
    it.settle();
    let ended = Ended { at: it.as_of.plus(chrono::TimeDelta::days(-390)), reason: ReleaseReason::Ended };
    let last = it.line().remove(1);
    it.ended.insert(("reading".into(), last.as_str().into()), ended);
    it.settle();
    assert_eq!(it.line().first(), Some(&last));
    assert_eq!(first_change(&mut it).0, "2026-10-16");
    assert_eq!(it.line().last(), Some(&last));
}
