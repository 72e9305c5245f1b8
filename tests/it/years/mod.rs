//! Simulated school years: joins, leaves, moves, renewals, cuts, overrides, rollover, and nights on which the feed is wrong.
//! Every night every invariant is checked, once a month what is past its retention is deleted and the audit folded, and both
//! databases must say the same.
//!
//! A hundred years, ten in each of ten districts (a command, since it takes its time; `ROSTERD_YEARS` and `ROSTERD_SEED`
//! change it):
//! `cargo test --release --test it years::a_hundred_school_years -- --ignored --nocapture`

pub(crate) mod fault;
pub(crate) mod oracle;

use chrono::{Datelike, Days, NaiveDate};
use rosterd::manual::{Verb, Whom};
use rosterd::model::{OverrideKind, RunStatus, Timestamp, Verdict};

use crate::support::chance::Chance;
use crate::support::db::Backend;
use crate::support::desk::{Desk, Evening};
use crate::support::truth::Truth;
use fault::Fault;

/// What came of it.
#[derive(Debug, Default)]
struct Tally {
    nights: usize,
    faults: usize,
    failed: usize,
    held: usize,
    approved: usize,
    rejected: usize,
    by_hand: usize,
    refused: usize,
    granted: u64,
    released: u64,
    explained: usize,
}

struct Years {
    chance: Chance,
    truth: Truth,
    desks: Vec<Desk>,
    day: NaiveDate,
    /// Nights since the feed was wrong, and whether one may be.
    calm: usize,
    tally: Tally,
    /// Of each desk what was said on some evenings.
    evenings: Vec<Vec<(NaiveDate, Evening)>>,
}

fn at(day: NaiveDate, hour: u32) -> Timestamp {
    Timestamp::new(day.and_hms_opt(hour, 0, 0).unwrap().and_utc())
}

impl Years {
    async fn new(seed: u64, year: i32) -> Self {
        let mut chance = Chance::new(seed);
        let truth = Truth::new(year, &mut chance);
        let mut desks = Vec::new();
        for backend in [Backend::Sqlite, Backend::Postgres] {
            desks.extend(Desk::new(backend).await);
        }
        let day = truth.first_day() - Days::new(10);
        let evenings = desks.iter().map(|_| Vec::new()).collect();
        Self { chance, truth, desks, day, calm: 9, tally: Tally::default(), evenings }
    }

    fn at(&self, hour: u32) -> Timestamp {
        at(self.day, hour)
    }

    /// One day of the school and the night after it.
    async fn a_day(&mut self, faults: usize) {
        self.truth.day(self.day, &mut self.chance);
        let (month, of_month) = (self.day.month(), self.day.day());
        if self.tally.nights == 0 || matches!((month, of_month), (6, 15) | (1, 20)) {
            let text = Truth::catalog(self.day, &mut self.chance);
            let at = self.at(20);
            for desk in &mut self.desks {
                desk.buy(&text, at).await;
            }
        }
        self.day = self.day + Days::new(1);
        self.night(faults).await;
        if self.chance.percent(8) {
            self.by_hand().await;
        }
        if of_month % 10 == 0 {
            for (desk, evenings) in self.desks.iter().zip(&mut self.evenings) {
                evenings.push((self.day, desk.evening(at(self.day, 21)).await));
            }
        }
        if of_month == 1 {
            for desk in &self.desks {
                desk.expire(self.at(20)).await;
                desk.assert_audited(self.at(21)).await;
                desk.assert_first_rows(self.at(21)).await;
                self.tally.explained += desk.assert_explained_alike(self.at(21)).await;
            }
        }
    }

    async fn night(&mut self, faults: usize) {
        let wrong = (self.calm > 1 && self.tally.nights > 0 && self.chance.percent(faults))
            .then(|| Fault::drawn(&mut self.chance));
        self.calm = if wrong.is_some() { 0 } else { self.calm + 1 };
        let mut files = self.truth.export();
        if let Some(fault) = wrong {
            fault.spoil(&mut files, &mut self.chance);
            self.tally.faults += 1;
        }
        self.tally.nights += 1;
        let (uploaded, synced, decided) = (self.at(5), self.at(8), self.at(14));
        let decision = match wrong {
            None => Some(true),
            Some(_) => self.chance.percent(30).then_some(false),
        };
        let mut told = Vec::new();
        for desk in &mut self.desks {
            let before = desk.baseline().await;
            desk.upload(&files, uploaded);
            let run = desk.sync(synced).await;
            let mut after = desk.baseline().await;
            Desk::assert_lawful(&after, synced);
            let falsely = oracle::falsely_ended(&self.truth, &before, &after, self.day);
            assert!(falsely.is_empty(), "{} after {wrong:?}: {falsely:?} ended: {run:#?}", self.day);
            let decided = match decision.filter(|_| run.status == RunStatus::Held) {
                Some(approve) => {
                    let it = desk.decide(&run, approve, decided).await;
                    assert_ne!(it.status, RunStatus::Failed, "{it:#?}");
                    let before = std::mem::replace(&mut after, desk.baseline().await);
                    Desk::assert_lawful(&after, it.as_of);
                    let falsely = oracle::falsely_ended(&self.truth, &before, &after, self.day);
                    assert!(falsely.is_empty(), "{} decided: {falsely:?} ended: {it:#?}", self.day);
                    Some(it.status)
                }
                None => None,
            };
            told.push((run.status, decided, after.state.audit_seq, after.state.audit_head.clone()));
            let refused = after.decisions.values().any(|it| it.verdict == Verdict::Refused);
            if wrong.is_none() && self.calm > 2 && !refused && after.review.is_none() {
                let children = |it: &rosterd::model::SourceId| it.as_str().starts_with("child-");
                let present: Vec<&str> =
                    after.roster.users.keys().filter(|id| children(id)).map(rosterd::model::SourceId::as_str).collect();
                let truly: Vec<&str> = self.truth.children.keys().map(String::as_str).collect();
                assert_eq!(present, truly, "{}: a clean feed is followed (L1): {run:#?}", self.day);
            }
            if told.len() == 1 {
                self.tally.failed += usize::from(run.status == RunStatus::Failed);
                self.tally.held += usize::from(run.status == RunStatus::Held);
                self.tally.granted += run.seats.granted;
                self.tally.released += run.seats.released;
                match decided.and(decision) {
                    Some(true) => self.tally.approved += 1,
                    Some(false) => self.tally.rejected += 1,
                    None => {}
                }
            }
        }
        assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{}: the databases differ: {told:#?}", self.day);
    }

    /// Something a person decides in the afternoon.
    async fn by_hand(&mut self) {
        let Some(verb) = self.verb() else { return };
        let at = self.at(16);
        let mut told = Vec::new();
        for desk in &mut self.desks {
            let run = desk.by_hand(&verb, at).await;
            if let Some(run) = &run {
                assert_ne!(run.status, RunStatus::Failed, "{verb:?}: {run:#?}");
            }
            let after = desk.baseline().await;
            Desk::assert_lawful(&after, at);
            told.push((run.map(|it| it.status), after.state.audit_head.clone()));
        }
        assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{verb:?}: the databases differ: {told:#?}");
        if told.first().is_some_and(|(status, _)| status.is_some()) {
            self.tally.by_hand += 1;
        } else {
            self.tally.refused += 1;
        }
    }

    fn verb(&mut self) -> Option<Verb> {
        let chance = &mut self.chance;
        let children: Vec<&String> = self.truth.children.keys().collect();
        let user = || -> rosterd::model::SourceId { "".into() };
        let child = |chance: &mut Chance| chance.one_of(&children).map_or_else(user, |id| id.as_str().into());
        let (one, other) = (child(chance), child(chance));
        let product = |chance: &mut Chance| ["reading", "device", "club"][chance.below(3)].into();
        Some(match chance.below(9) {
            0 | 1 => {
                let kind = if chance.percent(50) { OverrideKind::Pin } else { OverrideKind::Exclude };
                let until = chance.percent(70).then(|| self.day + Days::new(20));
                Verb::OverrideSet { product: product(chance), user: one, kind, until }
            }
            2 => Verb::OverrideClear { product: product(chance), user: one },
            3 => {
                let teachers: Vec<String> = Truth::teachers().collect();
                let educator = chance.one_of(&teachers)?.as_str().into();
                Verb::AccessSet { product: "reading".into(), educator, on: chance.percent(70) }
            }
            4 => {
                let class = chance.one_of(&self.truth.classes())?.as_str().into();
                let whom = Whom::Class { id: class, except: [one].into() };
                if chance.percent(50) {
                    Verb::Assign { product: "club".into(), whom }
                } else {
                    Verb::Unassign { product: "club".into(), whom }
                }
            }
            5 => Verb::Assign { product: "club".into(), whom: Whom::Users([one, other].into()) },
            6 => Verb::Reassign { product: product(chance), from: one, to: other },
            7 => Verb::Swap { user: one, from: "device".into(), to: "club".into() },
            _ => {
                let year = if self.day.month() >= 7 { self.day.year() } else { self.day.year() - 1 };
                let subscription = format!("reading-{year}").as_str().into();
                Verb::MoveSeats { subscription, from: "s1".to_owned(), to: "s2".to_owned(), seats: 1 }
            }
        })
    }

    async fn finish(self) -> Tally {
        for (desk, evenings) in self.desks.iter().zip(&self.evenings) {
            desk.assert_audited(self.at(22)).await;
            for (day, evening) in evenings.iter().rev().take(12) {
                desk.assert_was(*day, evening, self.at(22)).await;
            }
        }
        for desk in self.desks {
            desk.discard().await;
        }
        self.tally
    }
}

/// Summer, rollover, a first semester: the same on both databases, lawful every night, and nobody loses a seat falsely.
#[tokio::test]
async fn a_term_with_a_rollover_is_lawful_and_the_same_on_both_databases() {
    let mut years = Years::new(7, 2025).await;
    years.day = NaiveDate::from_ymd_opt(2026, 6, 10).unwrap();
    for _ in 0..90 {
        years.a_day(12).await;
    }
    let tally = years.finish().await;
    assert!(tally.faults > 3 && tally.granted > 80 && tally.released > 10 && tally.by_hand > 1, "{tally:?}");
    assert!(tally.explained > 200, "{tally:?}");
}

#[tokio::test]
#[ignore = "a hundred school years on both databases: minutes"]
async fn a_hundred_school_years() {
    let number = |name: &str, or: u64| std::env::var(name).ok().map_or(or, |it| it.parse().unwrap());
    let (years, seed) = (number("ROSTERD_YEARS", 100), number("ROSTERD_SEED", 1));
    let begun = std::time::Instant::now();
    // Decades, each a district of its own: the audit is folded whole once a month, which takes longer every year.
    for (decade, seed) in (0..years.div_ceil(10)).zip(seed..) {
        let mut it = Years::new(seed, 2026).await;
        let (databases, own) = (it.desks.len(), (years - decade * 10).min(10));
        for _ in 0..365 * own {
            it.a_day(10).await;
        }
        let tally = it.finish().await;
        eprintln!("seed {seed}: {own} years on {databases} databases, {:?} so far: {tally:?}", begun.elapsed());
    }
}
