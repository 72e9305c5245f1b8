//! Nights of a simulated school on which feed, disk and power fail (reliability.md, goal 4): every night ends in a store that
//! verifies, and nobody who ought to have a seat has lost it.
//!
//! By command (`ROSTERD_NIGHTS`, `ROSTERD_SEED`): `cargo test --release --test it nights::a_hundred_thousand -- --ignored --nocapture`

use chrono::{Datelike, Days, NaiveDate};
use rosterd::allocate::SeatKey;
use rosterd::model::{Baseline, RunRecord, RunStatus, Timestamp};

use super::image::{Cut, lay};
use super::story::{self, listed, opened};
use crate::support::chance::Chance;
use crate::support::db::{Backend, Fresh};
use crate::support::desk::Desk;
use crate::support::disk::{self, Call, Failure};
use crate::support::number;
use crate::support::truth::Truth;
use crate::years::fault::Fault;
use crate::years::oracle;

#[derive(Debug, Default)]
struct Tally {
    nights: usize,
    feeds: usize,
    disks: usize,
    cuts: usize,
    /// Nights that a failing disk stopped.
    stopped: usize,
    held: usize,
    granted: u64,
    released: u64,
}

impl Tally {
    fn count(&mut self, run: &RunRecord) {
        self.granted += run.seats.granted;
        self.released += run.seats.released;
    }

    fn add(&mut self, other: &Self) {
        let Self { nights, feeds, disks, cuts, stopped, held, granted, released } = other;
        self.nights += nights;
        self.feeds += feeds;
        self.disks += disks;
        self.cuts += cuts;
        self.stopped += stopped;
        self.held += held;
        self.granted += granted;
        self.released += released;
    }
}

struct Life {
    chance: Chance,
    truth: Truth,
    fresh: Fresh,
    day: NaiveDate,
    /// Whether the last feed was wrong.
    wrong: bool,
    /// What went wrong tonight.
    befell: Vec<String>,
    tally: Tally,
}

fn at(day: NaiveDate, hour: u32) -> Timestamp {
    Timestamp::new(day.and_hms_opt(hour, 0, 0).unwrap().and_utc())
}

impl Life {
    async fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let truth = Truth::new(2025, &mut chance);
        let day = truth.first_day() + Days::new(20);
        let fresh = Fresh::new(Backend::Sqlite).await.unwrap();
        Self { chance, truth, fresh, day, wrong: true, befell: Vec::new(), tally: Tally::default() }
    }

    fn failure(&mut self) -> Failure {
        let call = [Call::Write, Call::Write, Call::Sync, Call::Truncate][self.chance.below(4)];
        let most = if call == Call::Write { 400 } else { 12 };
        let nth = u64::try_from(self.chance.below(most)).unwrap() + 1;
        Failure { call, nth, lasting: self.chance.percent(50), full: self.chance.percent(50) }
    }

    /// The night on a disk that may fail, or whose power may be cut in the middle of it. What is left is a closed store.
    async fn on_a_bad_disk(mut self, files: &story::Files) -> Self {
        let folder = self.fresh.folder().join("var");
        let disk = disk::watch(&folder);
        let cut_after = match self.chance.below(10) {
            0 | 1 => {
                self.tally.disks += 1;
                let failure = self.failure();
                self.befell.push(format!("{failure:?}"));
                disk.fail(Some(failure));
                None
            }
            2 | 3 => {
                self.tally.cuts += 1;
                Some(disk.record(&folder))
            }
            _ => None,
        };
        self.fresh = match Desk::open(self.fresh).await {
            Ok(mut desk) => {
                desk.upload(files, at(self.day, 5));
                match desk.try_sync(at(self.day, 8)).await {
                    Ok(run) => {
                        self.befell.push(format!("first {}", run.status));
                        self.tally.count(&run);
                    }
                    Err(_) => self.tally.stopped += 1,
                }
                desk.close().await
            }
            Err(failed) => {
                self.tally.stopped += 1;
                failed.0
            }
        };
        disk::forget(&folder);
        if let Some(safe) = cut_after {
            let trace = disk.trace();
            let mut cut = Cut::new(&trace);
            let after = safe + self.chance.below(trace.len() + 1 - safe);
            self.befell.push(format!("cut after {after} of {}", trace.len()));
            cut.advance(after);
            let image = cut.image(&mut self.chance);
            std::fs::remove_dir_all(&folder).unwrap();
            lay(&image, &folder);
        }
        self
    }

    async fn night(mut self) -> Self {
        self.truth.day(self.day, &mut self.chance);
        let before = self.before().await;
        self.day = self.day + Days::new(1);
        let mut files = self.truth.export();
        self.befell.clear();
        self.wrong = !self.wrong && self.chance.percent(10);
        if self.wrong {
            let fault = Fault::drawn(&mut self.chance);
            self.befell.push(format!("{fault:?}"));
            fault.spoil(&mut files, &mut self.chance);
            self.tally.feeds += 1;
        }
        self = self.on_a_bad_disk(&files).await;

        let folder = self.fresh.folder().join("var");
        disk::watch(&folder);
        let mut desk = opened(self.fresh).await;
        desk.upload(&files, at(self.day, 5));
        desk.take_over(at(self.day, 9)).await.unwrap();
        let mut run = desk.sync_by_hand(at(self.day, 10)).await;
        assert!(self.wrong || run.status != RunStatus::Failed, "{}: {run:#?}", self.day);
        if run.status == RunStatus::Held {
            self.tally.held += 1;
            if !self.wrong {
                run = desk.decide(&run, true, at(self.day, 14)).await;
                assert_eq!(run.status, RunStatus::Applied, "{}: {run:#?}", self.day);
            }
        }
        story::verified(&desk).await.unwrap_or_else(|wrong| panic!("{}: {wrong:?}", self.day));
        let after = desk.baseline().await;
        if let Some(before) = before {
            // Two snapshots agreed that someone was gone, as far as anyone could tell: that they are back stood in no feed yet.
            let told = listed(&files);
            let told = |(_, user): &SeatKey| told.iter().any(|it| it == user.as_str());
            let mut falsely = oracle::falsely_ended(&self.truth, &before, &after, self.day);
            falsely.retain(|key| before.seats[key].leaving.is_none() || told(key));
            assert!(falsely.is_empty(), "{} after {:?}: {falsely:?} ended: {run:#?}", self.day, self.befell);
        }
        self.tally.count(&run);
        self.tally.nights += 1;
        self.fresh = desk.close().await;
        disk::forget(&folder);
        self
    }

    /// What the store says, once it has something to say; a catalog in season.
    async fn before(&mut self) -> Option<Baseline> {
        let folder = self.fresh.folder().join("var");
        disk::watch(&folder);
        let placeholder = Fresh::new(Backend::Sqlite).await.unwrap();
        let mut desk = opened(std::mem::replace(&mut self.fresh, placeholder)).await;
        if self.tally.nights == 0 || matches!((self.day.month(), self.day.day()), (6, 15) | (1, 20)) {
            let text = Truth::catalog(self.day, &mut self.chance);
            desk.buy(&text, at(self.day, 20)).await;
        }
        let before = desk.baseline().await;
        self.fresh = desk.close().await;
        disk::forget(&folder);
        (self.tally.nights > 0).then(|| std::rc::Rc::unwrap_or_clone(before))
    }
}

#[tokio::test]
async fn feed_disk_and_power_fail_and_nobody_loses_a_seat() {
    let mut life = Life::new(4).await;
    while life.tally.nights < 30 {
        life = life.night().await;
    }
    let tally = life.tally;
    assert!(tally.feeds >= 1 && tally.disks >= 3 && tally.cuts >= 3 && tally.granted > 30, "{tally:?}");
}

/// Nights of one school, after which another begins: what is verified each night grows with them.
const LIFE: usize = 200;

#[tokio::test]
#[ignore = "a command of its own: it takes its time"]
async fn a_hundred_thousand_nights() {
    let (nights, seed) = (number("ROSTERD_NIGHTS", 100_000), number("ROSTERD_SEED", 1));
    let begun = std::time::Instant::now();
    let mut sum = Tally::default();
    while sum.nights < nights {
        let seed = seed + u64::try_from(sum.nights / LIFE).unwrap();
        let mut life = Life::new(seed).await;
        let wanted = LIFE.min(nights - sum.nights);
        while life.tally.nights < wanted {
            life = life.night().await;
        }
        sum.add(&life.tally);
        if sum.nights.is_multiple_of(5 * LIFE) || sum.nights == nights {
            eprintln!("up to seed {seed}, {:?}: {sum:?}", begun.elapsed());
        }
    }
}
