//! The n-th write, sync or truncate of the disk fails (reliability.md F51, F62, F64, F65): alone, with all after it, or while
//! a store is opened that a power cut has left. A run fails with what to do or completes; nothing is half there.
//!
//! By command every call there is, on more schools and images (`ROSTERD_SCHOOLS`, `ROSTERD_SEED`):
//! `cargo test --release --test it failing::every_call -- --ignored --nocapture`

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use rosterd::model::{RunRecord, RunStatus};
use rosterd::store::QueueError;

use super::image::{Cut, lay};
use super::power::recorded;
use super::story::{self, Files, School, at, children, listed, opened, without_a_school};
use crate::support::chance::Chance;
use crate::support::db::{Backend, Fresh};
use crate::support::desk::Desk;
use crate::support::disk::{self, Call, Disk, Failure};
use crate::support::number;

type Image = BTreeMap<String, Vec<u8>>;

/// What an error of the disk is told as; the codes that follow are SQLite's.
const CLEAR: [&str; 3] =
    ["the disk of the store is full", "the store is damaged or its disk fails", "cannot open the store"];

fn files_of(folder: &Path) -> Image {
    let file = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        name.contains(".db").then(|| (name, std::fs::read(&path).unwrap()))
    };
    std::fs::read_dir(folder).unwrap().filter_map(file).collect()
}

/// A store of one night, closed.
async fn after_a_night(school: &School) -> Image {
    let fresh = Fresh::new(Backend::Sqlite).await.unwrap();
    let folder = fresh.folder().join("var");
    disk::watch(&folder);
    let mut desk = opened(fresh).await;
    desk.buy(&school.catalog, at(0, 1)).await;
    desk.upload(&school.nights[0], at(0, 5));
    assert_eq!(desk.sync(at(0, 8)).await.status, RunStatus::Applied);
    let fresh = desk.close().await;
    disk::forget(&folder);
    files_of(&fresh.folder().join("var"))
}

/// What was told on a disk that fails.
#[derive(Debug, Default)]
struct Told {
    runs: Vec<RunRecord>,
    errors: Vec<String>,
}

impl Told {
    fn hear(&mut self, outcome: Result<Vec<RunRecord>, QueueError>) {
        match outcome {
            Ok(runs) => self.runs.extend(runs),
            Err(error) => self.errors.push(error.to_string()),
        }
    }

    /// Everything that was said of failures.
    fn faults(&self) -> Vec<&String> {
        self.runs.iter().filter_map(|run| run.error.as_ref()).chain(&self.errors).collect()
    }
}

/// Two nights and a decision, as far as the disk lets them: a quiet one, then one that is held and approved.
async fn nights(fresh: Fresh, quiet: &Files, told: &mut Told) -> Fresh {
    let broken = without_a_school(quiet);
    let mut desk = match Desk::open(fresh).await {
        Ok(desk) => desk,
        Err(failed) => {
            told.errors.push(failed.1.to_string());
            return failed.0;
        }
    };
    told.hear(desk.take_over(at(5, 1)).await);
    for (night, files) in [(5, quiet), (6, &broken)] {
        desk.upload(files, at(night, 5));
        let run = match desk.try_sync(at(night, 8)).await {
            Ok(run) => run,
            Err(error) => {
                told.errors.push(error.to_string());
                told.hear(desk.take_over(at(night, 9)).await);
                continue;
            }
        };
        told.runs.push(run.clone());
        if run.status == RunStatus::Held {
            told.hear(desk.try_decide(&run, true, at(night, 14)).await.map(|run| vec![run]));
        }
    }
    desk.close().await
}

struct Case<'a> {
    school: &'a School,
    image: &'a Image,
    /// The state before is known, so that what is there afterwards must be one of the nights' ends.
    known: bool,
}

impl Case<'_> {
    async fn on(&self) -> (Fresh, Arc<Disk>) {
        let fresh = Fresh::new(Backend::Sqlite).await.unwrap();
        let folder = fresh.folder().join("var");
        lay(self.image, &folder);
        let disk = disk::watch(&folder);
        (fresh, disk)
    }

    /// How many calls of a kind the nights make on a disk that works.
    async fn calls(&self, call: Call) -> u64 {
        let (fresh, disk) = self.on().await;
        disk.fail(Some(Failure { call, nth: u64::MAX, lasting: false, full: false }));
        let mut told = Told::default();
        let fresh = nights(fresh, &self.school.nights[1], &mut told).await;
        assert!(told.errors.is_empty(), "{told:?}");
        disk::forget(&fresh.folder().join("var"));
        disk.seen()
    }

    /// Whether the failure was met at all.
    async fn survives(&self, failure: Failure, when: &str) -> bool {
        let (fresh, disk) = self.on().await;
        disk.fail(Some(failure));
        let mut told = Told::default();
        let fresh = nights(fresh, &self.school.nights[1], &mut told).await;
        let met = disk.failed() > 0;
        disk.fail(None);
        let faults = told.faults();
        // the same process goes on after a failure that passes
        assert!(failure.lasting || faults.len() <= 1, "{when}: {failure:?}: {faults:#?}");
        for error in faults {
            assert!(CLEAR.iter().any(|it| error.contains(it)), "{when}: {failure:?}: not clear: {error}");
        }
        // whoever was told of a run finds it
        let mut desk = opened(fresh).await;
        for run in &told.runs {
            let found = desk.store().run(&run.run).await.unwrap();
            let found = found.unwrap_or_else(|| panic!("{when}: {failure:?}: lost {run:#?}"));
            assert_eq!((&found.audit, found.holds.len()), (&run.audit, run.holds.len()), "{when}: {failure:?}");
        }
        story::verified(&desk).await.unwrap_or_else(|wrong| panic!("{when}: {failure:?}: {wrong:?}"));
        if self.known {
            let quiet = &self.school.nights[1];
            let possible: BTreeSet<Vec<String>> =
                [&self.school.nights[0], quiet, &without_a_school(quiet)].map(listed).into_iter().collect();
            let there = children(&desk).await;
            assert!(possible.contains(&there), "{when}: {failure:?}: half applied: {there:?}");
        }
        let on = story::goes_on(&mut desk, self.school).await;
        on.unwrap_or_else(|wrong| panic!("{when}: {failure:?}: {wrong:?}"));
        let fresh = desk.close().await;
        let whole = story::intact(&fresh).await;
        whole.unwrap_or_else(|wrong| panic!("{when}: {failure:?}: {wrong:?}"));
        disk::forget(&fresh.folder().join("var"));
        met
    }
}

/// Every way for a call to fail.
fn failures(call: Call, calls: u64) -> Vec<Failure> {
    let full: &[bool] = if call == Call::Write { &[false, true] } else { &[false] };
    let mut all = Vec::new();
    for nth in 1..=calls {
        for lasting in [false, true] {
            all.extend(full.iter().map(|full| Failure { call, nth, lasting, full: *full }));
        }
    }
    all
}

/// So many failures of each kind of call, drawn; all of them without a number. How many were tried and met.
async fn tried(case: &Case<'_>, most: Option<usize>, seed: u64, when: &str) -> (usize, usize) {
    let mut chance = Chance::new(seed);
    let (mut tries, mut met) = (0, 0);
    for call in [Call::Write, Call::Sync, Call::Truncate] {
        let mut all = failures(call, case.calls(call).await);
        while most.is_some_and(|most| all.len() > most) {
            all.swap_remove(chance.below(all.len()));
        }
        for failure in all {
            tries += 1;
            met += usize::from(case.survives(failure, when).await);
            if most.is_none() && tries % 100 == 0 {
                eprintln!("{when}: {tries} calls failed, {met} of them met");
            }
        }
    }
    (tries, met)
}

#[tokio::test]
async fn a_night_on_a_failing_disk_fails_or_completes_and_the_next_one_completes() {
    let school = School::new(1);
    let image = after_a_night(&school).await;
    let (tries, met) = tried(&Case { school: &school, image: &image, known: true }, Some(5), 1, "after a night").await;
    assert!(tries >= 10 && met == tries, "{met} of {tries} failures were met");
}

#[tokio::test]
async fn a_disk_that_fails_while_a_store_recovers_does_no_harm_either() {
    let recorded = recorded(1, None).await;
    let mut chance = Chance::new(1);
    let mut cut = Cut::new(&recorded.trace);
    let moment = recorded.trace.len() * 2 / 3;
    cut.advance(moment);
    let image = cut.image(&mut chance);
    assert!(image.keys().any(|name| name.ends_with("-wal")), "there is a log to recover from");
    let case = Case { school: &recorded.school, image: &image, known: false };
    let (tries, met) = tried(&case, Some(3), 1, "after a power cut").await;
    assert!(tries >= 6 && met == tries, "{met} of {tries} failures were met");
}

#[tokio::test]
#[ignore = "a command of its own: it takes its time"]
async fn every_call_of_two_nights_fails_once() {
    let (schools, seed) = (number("ROSTERD_SCHOOLS", 10_u64), number("ROSTERD_SEED", 1));
    let begun = std::time::Instant::now();
    let (mut tries, mut met) = (0, 0);
    for seed in seed..seed + schools {
        let recorded = recorded(seed, None).await;
        let mut chance = Chance::new(seed);
        let mut cut = Cut::new(&recorded.trace);
        let moment = chance.below(recorded.trace.len());
        cut.advance(moment);
        let (whole, torn) = (after_a_night(&recorded.school).await, cut.image(&mut chance));
        for (image, known) in [(whole, true), (torn, false)] {
            let case = Case { school: &recorded.school, image: &image, known };
            let when = format!("seed {seed}, known {known}");
            let (more, hit) = tried(&case, None, seed, &when).await;
            (tries, met) = (tries + more, met + hit);
            eprintln!("{when}: {tries} calls failed, {met} of them met, {:?}", begun.elapsed());
        }
    }
}
