//! kill -9 at random moments of a sync: whatever dies wherever, the store is as before the run or as after it.

use std::path::Path;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::support::db::Backend;
use crate::support::number;
use crate::support::vendor::{self, NIGHT_1, NIGHT_2, Site};

const SMALL: &str = "pomegranate-charter";

/// A store after night 1, and the upload of night 2 in place.
async fn before_night_2(backend: Backend) -> Option<Site> {
    let site = Site::new(backend).await?;
    let (world, folder) = (vendor::world(SMALL), site.folder().join("csv"));
    world.csv_folder(SMALL, 1, &folder).unwrap();
    site.configure_with_catalog(&vendor::district(SMALL, &vendor::csv(&folder)));
    site.sync(NIGHT_1, SMALL).await.exits(0);
    world.csv_folder(SMALL, 2, &folder).unwrap();
    Some(site)
}

/// The audit without what a second attempt may differ in: the run's id, and so the hashes. `verify` proves that the store is
/// the fold of it.
fn told(export: &str) -> Vec<Value> {
    let mut entries: Vec<Value> = export.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    for entry in &mut entries {
        for field in ["run", "prev", "hash"] {
            entry.as_object_mut().unwrap().remove(field);
        }
    }
    entries
}

fn copy(from: &Path, to: &Path) {
    if to.exists() {
        std::fs::remove_dir_all(to).unwrap();
    }
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Starts the sync of night 2 and kills it after `delay`; true if it was still at work.
async fn killed_after(site: &Site, delay: Duration) -> bool {
    let mut child = site.command(&["--now", NIGHT_2, "sync", SMALL]).spawn().unwrap();
    // the delay is the random moment itself
    tokio::time::sleep(delay).await;
    let at_work = child.try_wait().unwrap().is_none();
    child.start_kill().unwrap_or_default();
    child.wait().await.unwrap();
    at_work
}

/// The whole must verify at once, the next sync completes, and the end is that of a sync nobody killed. How long that sync
/// took, if all was left to do.
async fn recovers(site: &Site, unkilled: &[Value], moment: &str) -> Option<Duration> {
    let verify = site.run(&["verify"]).await;
    assert_eq!(verify.code, Some(0), "killed {moment}: {verify:#?}");
    let started = Instant::now();
    let sync = site.sync(NIGHT_2, SMALL).await;
    let took = started.elapsed();
    assert_eq!(sync.code, Some(0), "killed {moment}: {sync:#?}");
    let status = sync.json()["status"].clone();
    assert!(status == "applied" || status == "unchanged", "killed {moment}: {sync:#?}");
    let export = site.audit(SMALL).await;
    vendor::chain_head(&export);
    assert!(told(&export) == unkilled, "killed {moment}: the end differs from that of a sync nobody killed");
    (status == "applied").then_some(took)
}

async fn a_quarter_of_a_hundred_on_sqlite(seed: u64) {
    killed_on_sqlite(25, seed).await;
}

async fn killed_on_sqlite(kills: u32, seed: u64) {
    let site = before_night_2(Backend::Sqlite).await.unwrap();
    let (var, kept) = (site.folder().join("var"), site.folder().join("kept"));
    copy(&var, &kept);
    let started = Instant::now();
    site.sync(NIGHT_2, SMALL).await.exits(0);
    let mut whole = started.elapsed();
    let unkilled = told(&site.audit(SMALL).await);
    let mut chance = StdRng::seed_from_u64(seed);
    let mut at_work = 0_u32;
    for n in 1..=kills {
        copy(&kept, &var);
        let delay = whole.mul_f64(chance.random_range(0.0..1.0));
        let moment = format!("{n} of seed {seed}, after {delay:?} of {whole:?}");
        eprintln!("{moment}");
        at_work += u32::from(killed_after(&site, delay).await);
        // how busy the machine is changes from one to the next
        whole = recovers(&site, &unkilled, &moment).await.unwrap_or(whole);
    }
    assert!(at_work >= kills / 5, "only {at_work} of {kills} were killed at work: nothing was shown");
    site.run(&["verify"]).await.exits(0);
}

/// P48.
#[tokio::test]
async fn sqlite_survives_the_first_25_kills() {
    a_quarter_of_a_hundred_on_sqlite(1).await;
}

#[tokio::test]
async fn sqlite_survives_the_second_25_kills() {
    a_quarter_of_a_hundred_on_sqlite(2).await;
}

#[tokio::test]
async fn sqlite_survives_the_third_25_kills() {
    a_quarter_of_a_hundred_on_sqlite(3).await;
}

#[tokio::test]
async fn sqlite_survives_the_fourth_25_kills() {
    a_quarter_of_a_hundred_on_sqlite(4).await;
}

/// `ROSTERD_KILLS` and `ROSTERD_SEED` by command: `cargo test --release --test it killed::ten_thousand -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "a command of its own: it takes its time"]
async fn ten_thousand_kills() {
    let (kills, seed) = (number("ROSTERD_KILLS", 10_000), number("ROSTERD_SEED", 1));
    let begun = Instant::now();
    let mut done = 0;
    while done < kills {
        let more = (kills - done).min(100);
        let seed = seed + u64::from(done / 100);
        killed_on_sqlite(more, seed).await;
        done += more;
        eprintln!("{done} kills, up to seed {seed}, {:?}", begun.elapsed());
    }
}

/// One store, night after night: each is killed once and then completed.
/// P48.
#[tokio::test]
async fn postgresql_survives_kills_night_after_night() {
    let Some(site) = before_night_2(Backend::Postgres).await else { return };
    let seed = 5;
    // a dead process's lease runs out; nobody else can know that it is dead
    let settings = vendor::district(SMALL, &vendor::csv(&site.folder().join("csv")));
    site.configure_with_catalog(&format!("[schedule]\nlease_seconds = 5\n\n{settings}"));
    let mut chance = StdRng::seed_from_u64(seed);
    let world = vendor::world(SMALL);
    let folder = site.folder().join("csv");
    let mut whole = Duration::from_millis(600);
    for night in 0..10_u32 {
        world.csv_folder(SMALL, 2 - night % 2, &folder).unwrap();
        let now = format!("2025-10-{:02}T07:00:00.000Z", 7 + night);
        let delay = whole.mul_f64(chance.random_range(0.0..1.0));
        eprintln!("night {night} of seed {seed}, killed after {delay:?}");
        let mut child = site.command(&["--now", &now, "sync", SMALL]).spawn().unwrap();
        tokio::time::sleep(delay).await;
        child.start_kill().unwrap_or_default();
        child.wait().await.unwrap();
        site.verified().await;

        let started = Instant::now();
        site.sync(&now, SMALL).await.exits(0);
        whole = started.elapsed().min(Duration::from_secs(1));
        site.verified().await;
        let users = vendor::column(&site.roster(SMALL, "users").await, "id");
        assert_eq!(users.contains(&"PC-U-900".to_owned()), night % 2 == 0, "night {night}");
        vendor::chain_head(&site.audit(SMALL).await);
    }
    site.discard().await;
}
