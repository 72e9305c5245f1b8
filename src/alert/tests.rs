//! Stories of alerts, night by night. Every night is evaluated twice, and the audit of all of them folds to what is open.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Days;
use proptest::prelude::*;

use super::{Facts, History, Move, Pause, acknowledge, acknowledgement, draft, evaluate, keep, watch};
use crate::allocate::{Coming, License, Outlook, Scope, Term};
use crate::audit::{Fold, GENESIS, seal};
use crate::model::{
    Access, Alert, AlertId, Catalog, Date, DistrictId, Level, Overage, Seats, Shrink, SourceMark, Subscription,
    SubscriptionId, SubscriptionStatus, Timestamp,
};

const KEY: &[u8] = b"key";

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// Two in the morning in Chicago, more or less.
fn night(of: Date) -> Timestamp {
    at(&format!("{of}T08:00:00Z"))
}

/// A row of `reading`, with a threshold of 50.
fn row(total: u64, assigned: u64) -> License {
    License {
        district: "d".into(),
        product: "reading".into(),
        pool: Scope::Sum,
        school: None,
        total: Some(total),
        assigned,
        bridged: 0,
        available: Some(total.saturating_sub(assigned)),
        over: assigned.saturating_sub(total),
        waiting: 0,
        usage_percent: None,
        utilization_percent: None,
        level: Level::Green,
        alert_remaining: 50,
        status: None,
        access: Access::Full,
        expires_on: None,
        licensed_to: None,
        as_of: at("2025-10-06T08:00:00Z"),
        roster_as_of: None,
        created_on: None,
        assigned_if_merged: None,
    }
}

fn subscription(id: &str, licensed_to: &str) -> Subscription {
    Subscription {
        id: id.into(),
        district: "d".into(),
        product: "reading".into(),
        seats: Seats::Count(1000),
        starts_on: day("2025-07-01"),
        expires_on: day("2026-06-30"),
        grace_days: 0,
        renews: None,
        status: SubscriptionStatus::Active,
        licensed_to: Some(licensed_to.to_owned()),
        created_on: None,
        overage: Overage::Block,
        on_shrink: Shrink::Keep,
        remediate_days: 30,
        alert_remaining: None,
        allotments: Vec::new(),
    }
}

/// A district in Chicago, as the nights leave it.
struct District {
    id: DistrictId,
    rows: Vec<License>,
    outlook: Outlook,
    catalog: Catalog,
    vanished: BTreeMap<SubscriptionId, Timestamp>,
    name: Option<&'static str>,
    source: Option<SourceMark>,
    pauses: Vec<Pause>,
    held: usize,
    daily: History,
    open: BTreeMap<AlertId, Alert>,
    fold: Fold,
    entries: i64,
}

impl District {
    fn new() -> Self {
        Self {
            id: "d".into(),
            rows: Vec::new(),
            outlook: Outlook { term: Term::None, coming: None, exceeded: BTreeMap::new() },
            catalog: Catalog::default(),
            vanished: BTreeMap::new(),
            name: None,
            source: None,
            pauses: Vec::new(),
            held: 0,
            daily: BTreeMap::new(),
            open: BTreeMap::new(),
            fold: Fold::new(KEY),
            entries: 0,
        }
    }

    fn using(total: u64, assigned: u64) -> Self {
        Self { rows: vec![row(total, assigned)], ..Self::new() }
    }

    fn evaluated(&self, now: Timestamp) -> super::Evaluation {
        let outlook = BTreeMap::from([("reading".into(), self.outlook.clone())]);
        let facts = Facts {
            district: &self.id,
            zone: chrono_tz::America::Chicago,
            as_of: now,
            rows: &self.rows,
            outlook: &outlook,
            catalog: &self.catalog,
            vanished: &self.vanished,
            name: self.name,
            source: self.source.as_ref(),
            pauses: &self.pauses,
            disconnected: None,
            proposal: None,
            held: self.held,
            daily: &self.daily,
        };
        evaluate(&self.open, watch(&facts), &self.id, now)
    }

    fn audited(&mut self, entries: Vec<crate::audit::Draft>, now: Timestamp) {
        let first = self.entries + 1;
        for entry in seal(&self.id, None, now, first, GENESIS, entries).unwrap() {
            self.entries = entry.seq;
            self.fold.push(&entry);
        }
        let open = self.open.values().map(|it| (it.id.to_string(), self.fold.stored_alert(it))).collect();
        assert_eq!(self.fold.alerts, open, "the audit folds to what is open");
        assert_eq!(self.fold.odd, []);
    }

    /// What a run at this instant does, told as `verb kind`.
    fn at(&mut self, now: Timestamp) -> Vec<String> {
        let it = self.evaluated(now);
        let today = now.date_in(chrono_tz::America::Chicago);
        let kept = keep(&self.daily, &self.rows, today);
        for (of, day) in kept.removed {
            self.daily.get_mut(&of).unwrap().remove(&day).unwrap();
        }
        self.daily.retain(|_, days| !days.is_empty());
        for it in kept.put {
            self.daily.entry(it.of).or_default().insert(it.day, it.assigned);
        }
        for row in it.rows() {
            if row.cleared_at.is_some() {
                self.open.remove(&row.id);
            } else {
                self.open.insert(row.id.clone(), row);
            }
        }
        self.audited(it.moves.iter().map(|it| draft(it, KEY)).collect(), now);
        assert_eq!(it.counts.open, u64::try_from(self.open.len()).unwrap());
        assert_eq!(self.evaluated(now).moves, [], "the same instant again changes nothing");
        assert_eq!(keep(&self.daily, &self.rows, today), super::Kept::default());
        let told = it.moves.iter().map(|it| match it {
            Move::Raised(alert) => format!("raised {}", name(alert)),
            Move::Stepped { after, .. } => format!("stepped {} to {}", name(after), after.step.unwrap()),
            Move::Changed { after, .. } => format!("changed {}", name(after)),
            Move::Cleared(alert) => format!("cleared {}", name(alert)),
        });
        told.collect()
    }

    fn on(&mut self, of: &str) -> Vec<String> {
        self.at(night(day(of)))
    }

    fn text(&self) -> String {
        let [alert] = self.open.values().collect::<Vec<_>>()[..] else { panic!("one alert: {:#?}", self.open) };
        alert.text.clone()
    }

    fn seen(&mut self, by: &str, now: Timestamp) {
        for before in self.open.clone().into_values() {
            let after = acknowledge(&before, by, now).unwrap();
            self.open.insert(after.id.clone(), after.clone());
            self.audited(vec![acknowledgement(&before, &after, by, KEY)], now);
        }
    }
}

fn name(alert: &Alert) -> String {
    match &alert.school {
        Some(school) => format!("{} of {school}", alert.kind),
        None => alert.kind.to_string(),
    }
}

const NOTHING: [&str; 0] = [];

/// S4.6, S4.7, S4.8, C8.
#[test]
fn a_thousand_seats_with_a_threshold_of_fifty_are_told_from_950_on_until_there_are_more_than_fifty_again() {
    let mut it = District::using(1000, 949);
    assert_eq!(it.on("2025-10-06"), NOTHING);
    it.rows = vec![row(1000, 950)];
    assert_eq!(it.on("2025-10-07"), ["raised low_seats"]);
    assert_eq!(it.text(), "You have 50 licenses remaining. Consider purchasing additional licenses.");
    it.rows = vec![row(1000, 955)];
    assert_eq!(it.on("2025-10-08"), ["changed low_seats"]);
    assert_eq!(
        it.text(),
        "You have 45 licenses remaining. Consider purchasing additional licenses.",
        "S4.30, verbatim"
    );
    it.rows = vec![row(1000, 1000)];
    assert_eq!(it.on("2025-10-09"), ["changed low_seats"]);
    assert_eq!(it.open.values().next().unwrap().level, Level::Red);
    it.rows = vec![row(1100, 1000)];
    assert_eq!(it.on("2025-10-10"), ["cleared low_seats"], "a hundred more were bought");
}

/// S4.33: 1000 licenses, 960 active students, threshold 50; then 100 more.
#[test]
fn the_vendors_own_scenario_is_told_in_its_own_words() {
    let mut it = District::using(1000, 960);
    assert_eq!(it.on("2025-10-06"), ["raised low_seats"]);
    assert_eq!(it.text(), "You have 40 licenses remaining. Consider purchasing additional licenses.");
    let numbers: Vec<_> = it.open.values().next().unwrap().numbers.clone().into_iter().collect();
    let expected = [("alert_remaining", 50), ("assigned", 960), ("available", 40), ("total", 1000)];
    assert_eq!(numbers, expected.map(|(name, n)| (name.to_owned(), n)));
    let purchase = Coming { seats: Seats::Count(100), starts_on: day("2025-10-09") };
    it.outlook.coming = Some(purchase);
    assert_eq!(it.on("2025-10-07"), ["changed low_seats"], "S4.43: the purchase is under way");
    assert_eq!(it.text(), "You have 40 licenses remaining. A purchase of 100 licenses begins on 2025-10-09.");
    (it.outlook.coming, it.rows) = (None, vec![row(1100, 960)]);
    assert_eq!(it.on("2025-10-09"), ["cleared low_seats"]);
}

/// S4.32: acknowledging is not resolving.
#[test]
fn who_has_seen_an_alert_stays_known_until_its_cause_is_gone() {
    let mut it = District::using(1000, 960);
    it.on("2025-10-06");
    let id = it.open.keys().next().unwrap().clone();
    it.seen("cli:ann", at("2025-10-06T15:00:00Z"));
    it.rows = vec![row(1000, 970)];
    assert_eq!(it.on("2025-10-07"), ["changed low_seats"]);
    let alert = &it.open[&id];
    assert_eq!(alert.acknowledged.as_ref().unwrap().by, "cli:ann");
    assert_eq!(alert.raised_at, night(day("2025-10-06")));
    assert_eq!(acknowledge(alert, "cli:ben", at("2025-10-07T15:00:00Z")), None, "the first to see it is kept");
    it.rows = vec![row(1000, 900)];
    assert_eq!(it.on("2025-10-08"), ["cleared low_seats"]);
    it.rows = vec![row(1000, 960)];
    assert_eq!(it.on("2025-10-09"), ["raised low_seats"]);
    let again = &it.open[&id];
    assert_eq!((&again.acknowledged, again.raised_at), (&None, night(day("2025-10-09"))), "the same one, and new");
}

#[test]
fn over_and_waiting_are_told_for_the_product_and_for_each_school() {
    // S2.1, S2.4, S4.42
    let school = License { pool: Scope::School, school: Some("s1".into()), waiting: 1, ..row(40, 42) };
    let rest = License { pool: Scope::District, waiting: 2, ..row(0, 0) };
    let mut it = District::new();
    it.rows = vec![License { waiting: 3, alert_remaining: 0, ..row(100, 90) }, school, rest];
    let mut told = it.on("2025-10-06");
    told.sort();
    assert_eq!(
        told,
        ["raised low_seats of s1", "raised over_allocated of s1", "raised waitlist", "raised waitlist of s1"]
    );
    let texts: BTreeSet<_> = it.open.values().map(|it| it.text.as_str()).collect();
    assert!(texts.contains("You use 42 of 40 licenses, 2 over. Free some, move some here, or buy more."), "{texts:?}");
    assert!(texts.contains("3 users wait for a license. Consider purchasing additional licenses."), "{texts:?}");
    it.rows = vec![License { alert_remaining: 0, ..row(100, 90) }];
    assert_eq!(it.on("2025-10-07").len(), 4, "all are over");
    assert!(it.open.is_empty());
}

/// S3.20, S4.24, S4.45: at 90, 60, 30, 14, 7 and 1 days, once each; then grace, then the end, until it is renewed (S3.21).
#[test]
fn the_end_of_coverage_is_told_at_each_step_once_and_then_what_it_means() {
    let (last, until) = (day("2026-06-30"), day("2026-07-30"));
    let mut it = District::using(1000, 10);
    let mut told = Vec::new();
    for today in day("2026-03-25").iter_days().take_while(|day| *day < day_after(until, 5)) {
        it.outlook.term = if today <= last {
            Term::Full { last }
        } else if today <= until {
            Term::Grace { last, until }
        } else {
            Term::Ended { last: until }
        };
        it.rows[0].access = if today <= last { Access::Full } else { Access::Grace };
        told.extend(it.at(night(today)).into_iter().map(|what| format!("{today} {what}")));
    }
    assert_eq!(
        told,
        [
            "2026-04-01 raised expiring",
            "2026-05-01 stepped expiring to 60",
            "2026-05-31 stepped expiring to 30",
            "2026-06-16 stepped expiring to 14",
            "2026-06-23 stepped expiring to 7",
            "2026-06-29 stepped expiring to 1",
            "2026-07-01 cleared expiring",
            "2026-07-01 raised grace",
            "2026-07-31 cleared grace",
            "2026-07-31 raised expired",
        ]
    );
    it.outlook.term = Term::Full { last: day("2027-06-30") };
    assert_eq!(it.on("2026-08-05"), ["cleared expired"], "renewed");
}

fn day_after(day: Date, days: u64) -> Date {
    day.checked_add_days(Days::new(days)).unwrap()
}

#[test]
fn a_step_is_new_to_who_has_seen_the_one_before_and_a_renewal_is_another_end() {
    let mut it = District::new();
    it.outlook.term = Term::Full { last: day("2026-06-30") };
    assert_eq!(it.on("2026-06-10"), ["raised expiring"]);
    assert_eq!(it.text(), "The licenses end on 2026-06-30. Renew them in time.");
    it.seen("cli:ann", at("2026-06-10T15:00:00Z"));
    assert_eq!(it.on("2026-06-11"), NOTHING, "no step, nothing written");
    assert_eq!(it.on("2026-06-16"), ["stepped expiring to 14"]);
    let alert = it.open.values().next().unwrap();
    assert_eq!((&alert.acknowledged, alert.stepped_at), (&None, Some(night(day("2026-06-16")))));
    it.outlook.term = Term::Full { last: day("2026-08-31") };
    assert_eq!(it.on("2026-06-17"), ["cleared expiring", "raised expiring"], "two months more");
    assert_eq!(it.open.values().next().unwrap().step, Some(90));
    it.outlook.term = Term::Full { last: day("2027-06-30") };
    assert_eq!(it.on("2026-06-18"), ["cleared expiring"]);
}

/// S4.10: two to four weeks of lead time.
#[test]
fn a_trend_that_fills_the_seats_within_four_weeks_is_told_after_two_weeks_and_ends_with_the_trend() {
    let mut it = District::new();
    let few = |assigned| License { alert_remaining: 0, ..row(140, assigned) };
    let begin = day("2025-09-01");
    for n in 0..14 {
        it.rows = vec![few(100 + n)];
        assert_eq!(it.at(night(day_after(begin, n))), NOTHING, "{n}");
    }
    it.rows = vec![few(114)];
    assert_eq!(it.at(night(day_after(begin, 14))), ["raised full_in"]);
    assert_eq!(
        it.text(),
        "At the pace of the last weeks the remaining 26 licenses will be used up about 2025-10-11. Consider purchasing \
         additional licenses."
    );
    let mut told = Vec::new();
    for n in 15..80 {
        told.extend(it.at(night(day_after(begin, n))).into_iter().filter(|what| what.starts_with("cleared")));
    }
    assert_eq!(told, ["cleared full_in"], "nobody has come since");
    assert!(it.daily.values().all(|days| days.len() <= 29), "{:?}", it.daily);
}

#[test]
fn a_first_sync_is_no_trend_and_a_shrinking_district_has_none() {
    let mut it = District::new();
    let begin = day("2025-09-01");
    for n in 0..60 {
        let assigned = if n < 3 { 0 } else { 500 - n };
        it.rows = vec![License { alert_remaining: 0, ..row(520, assigned) }];
        assert_eq!(it.at(night(day_after(begin, n))), NOTHING, "{n}");
    }
}

fn pulled(text: &str) -> SourceMark {
    SourceMark { feed: "f".to_owned(), content: None, uploaded_at: None, pulled_at: at(text) }
}

/// Weekends and pauses are left out: Friday's data is not old on Monday morning.
#[test]
fn a_roster_is_stale_after_36_hours_of_working_days() {
    let friday = "2025-10-10T08:00:00Z";
    let mut it = District::new();
    it.source = Some(pulled(friday));
    for quiet in ["2025-10-10", "2025-10-11", "2025-10-12", "2025-10-13"] {
        assert_eq!(it.on(quiet), NOTHING, "{quiet}");
    }
    // Friday 03:00 to midnight are 21 hours, Monday until 15:00 local fifteen more.
    assert_eq!(it.at(at("2025-10-13T20:00:00Z")), NOTHING);
    assert_eq!(it.at(at("2025-10-13T20:00:01Z")), ["raised stale_roster"]);
    assert_eq!(it.on("2025-10-14"), NOTHING, "its text does not change as it grows older");
    it.source = Some(pulled("2025-10-14T18:00:00Z"));
    assert_eq!(it.on("2025-10-15"), ["cleared stale_roster"]);
}

#[test]
fn nothing_is_stale_while_nothing_is_to_be_fetched() {
    let monday = "2025-10-06T08:00:00Z";
    let pause = |from, until| Pause { from: at(from), until: at(until) };
    let mut it = District::new();
    it.source = Some(pulled(monday));
    it.pauses = vec![
        pause("2025-10-07T00:00:00Z", "2025-10-09T00:00:00Z"),
        pause("2025-10-06T12:00:00Z", "2025-10-08T00:00:00Z"),
    ];
    // Monday 08:00 to 12:00 and from Thursday 00:00 on, in UTC.
    assert_eq!(it.at(at("2025-10-10T08:00:00Z")), NOTHING);
    assert_eq!(it.at(at("2025-10-10T08:00:01Z")), ["raised stale_roster"]);
    it.pauses.push(pause("2025-10-10T00:00:00Z", "2026-01-01T00:00:00Z"));
    assert_eq!(it.at(at("2025-10-14T08:00:00Z")), ["cleared stale_roster"]);
}

#[test]
fn an_upload_is_as_old_as_the_day_it_was_sent() {
    let mut it = District::new();
    it.source = Some(SourceMark { uploaded_at: Some(at("2025-10-06T08:00:00Z")), ..pulled("2025-10-09T08:00:00Z") });
    assert_eq!(it.on("2025-10-09"), ["raised stale_roster"], "the same file was read again every night");
}

#[test]
fn the_hours_of_a_night_with_a_clock_change_are_counted_as_they_pass() {
    // In Chicago the clock goes back at two on Sunday, 2025-11-02, which is left out, and in Cairo forward at midnight on a
    // Friday, 2026-04-24, which then has 23 hours.
    let hours = |from: &str, until: &str, zone: &str| {
        super::age::counted(at(from), at(until), zone.parse().unwrap(), &[]).num_hours()
    };
    assert_eq!(hours("2025-10-31T05:00:00Z", "2025-11-03T06:00:00Z", "America/Chicago"), 24);
    assert_eq!(hours("2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z", "Africa/Cairo"), 23);
}

#[test]
fn what_waits_for_a_person_is_told_until_it_is_decided() {
    let mut it = District { held: 480, ..District::new() };
    assert_eq!(it.on("2025-10-06"), ["raised held"]);
    assert!(it.text().starts_with("480 changes wait for a person"));
    it.held = 0;
    assert_eq!(it.on("2025-10-07"), ["cleared held"]);
}

/// S4.15: a rename or a merger; case and punctuation are none.
#[test]
fn a_contract_with_another_name_than_the_rosters_district_is_a_notice() {
    let mut it = District { name: Some("SPRINGFIELD U.S.D. 1"), ..District::new() };
    let ours = subscription("SUB-1", "Springfield USD #1");
    it.catalog.subscriptions.insert(ours.id.clone(), ours);
    assert_eq!(it.on("2025-10-06"), NOTHING);
    let theirs = subscription("SUB-2", "Shelbyville Schools");
    it.catalog.subscriptions.insert(theirs.id.clone(), theirs);
    assert_eq!(it.on("2025-10-07"), ["raised contract_mismatch"]);
    assert!(
        it.text().starts_with("The contract names `Shelbyville Schools`, the roster's district is"),
        "{}",
        it.text()
    );
    assert_eq!(it.on("2026-07-01"), ["cleared contract_mismatch"], "that contract is over");
}

#[test]
fn a_subscription_that_vanished_and_allotments_beyond_cut_seats_are_notices() {
    let mut it =
        District { vanished: BTreeMap::from([("SUB-1".into(), at("2025-10-01T08:00:00Z"))]), ..District::new() };
    let gone = subscription("SUB-1", "d");
    it.catalog.subscriptions.insert(gone.id.clone(), gone);
    it.outlook.exceeded.insert("SUB-2".into(), (120, 100));
    assert_eq!(it.on("2025-10-06"), ["raised contract_mismatch"]);
    assert_eq!(
        it.text(),
        "`SUB-1` is not in the catalog any more and stays as it was: put it back, or end it there. The schools' allotments of \
         `SUB-2` add up to 120 of 100 seats: change the split."
    );
    it.outlook.exceeded.clear();
    assert_eq!(it.on("2025-10-07"), ["changed contract_mismatch"]);
    assert_eq!(it.on("2026-07-01"), ["cleared contract_mismatch"], "it has ended by its own date");
}

#[test]
fn after_the_end_the_end_speaks_alone() {
    let mut it = District::using(1000, 1000);
    it.rows[0].access = Access::None;
    it.outlook.term = Term::Ended { last: day("2026-06-30") };
    assert_eq!(it.on("2026-07-01"), ["raised expired"]);
}

/// S4.36, C16: alerts know counts and ids only.
#[test]
fn a_school_is_shown_in_the_audit_as_its_id_may_be_shown() {
    let school = License { pool: Scope::School, school: Some("a@b".into()), ..row(40, 40) };
    let mut it = District { rows: vec![school], ..District::new() };
    assert_eq!(it.on("2025-10-06").len(), 1);
    let told = draft(&Move::Raised(it.open.values().next().unwrap().clone()), KEY);
    let school = told.after.unwrap()["school"].as_str().unwrap().to_owned();
    assert!(school.starts_with("id~"), "{school}");
}

fn any_row() -> impl Strategy<Value = License> {
    (0..40_u64, 0..50_u64, 0..3_u64, 0..12_u64, 0..3_usize, prop::bool::ANY).prop_map(
        |(total, assigned, waiting, alert_remaining, school, ended)| License {
            waiting,
            alert_remaining,
            pool: if school == 0 { Scope::Sum } else { Scope::School },
            school: (school > 0).then(|| format!("s{school}").as_str().into()),
            access: if ended { Access::None } else { Access::Full },
            ..row(total, assigned)
        },
    )
}

fn any_night() -> impl Strategy<Value = (u64, Vec<License>, i64, usize)> {
    (1..20_u64, prop::collection::vec(any_row(), 0..4), -40..120_i64, 0..2_usize)
}

proptest! {
    /// Whatever nights come one after another: looking twice changes nothing, every alert has one row, and the audit folds to
    /// what is open (`District::at` asserts it).
    #[test]
    fn any_nights_are_told_once_and_fold_to_what_is_open(nights in prop::collection::vec(any_night(), 1..12)) {
        let mut it = District::new();
        let mut today = day("2025-09-01");
        for (later, mut rows, left, held) in nights {
            today = day_after(today, later);
            rows.sort_by(|a, b| a.school.cmp(&b.school));
            rows.dedup_by(|a, b| a.school == b.school);
            let last = today + chrono::TimeDelta::days(left);
            it.outlook.term = if left < 0 { Term::Ended { last } } else { Term::Full { last } };
            (it.rows, it.held) = (rows, held);
            it.at(night(today));
        }
    }
}
