//! The story of four nights, killed at each named place, each time it is reached (reliability.md, A6 to A8): whoever comes next
//! goes on, and the end is that of a story nobody killed.
//!
//! With the tests each place once on SQLite, and some on PostgreSQL; by command every time each is reached, on both. The places
//! are in builds with debug assertions only: `cargo test --test it failpoints::every_place -- --ignored --nocapture`

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use rosterd::audit::Entry;
use rosterd::model::{DistrictId, Pool, RunStatus, Timestamp};
use rosterd::store::RunFilter;

use super::story::{self, School, at};
use crate::support::db::{Backend, Fresh};
use crate::support::desk::{DISTRICT, Desk};

const CHILD: &str = "faults::failpoints::child";

/// What a child plays.
const SEED: u64 = 7;

/// Plays the story until it dies.
#[tokio::test]
#[ignore = "the child of the tests below"]
async fn child() {
    if let Ok(url) = std::env::var("ROSTERD_TEST_STORE") {
        story::play(Fresh::at(url), &School::new(SEED), |_| {}).await;
    }
}

/// Whether the child died at the `nth` time that it reached `place`; it is a story of its own otherwise.
fn dies(fresh: &Fresh, place: &str, nth: u32) -> bool {
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", CHILD, "--test-threads=1"])
        .env("ROSTERD_FAILPOINT", format!("{place}@{nth}"))
        .env("ROSTERD_TEST_STORE", &fresh.settings.url)
        .env("TMPDIR", fresh.folder())
        .output()
        .unwrap();
    let died = out.status.signal() == Some(6);
    assert!(died || out.status.success(), "{place}@{nth}: {}", String::from_utf8_lossy(&out.stdout));
    died
}

/// What a story comes to, whatever the ids of its runs.
#[derive(Debug, PartialEq)]
struct End {
    users: BTreeSet<String>,
    seats: BTreeMap<(String, String), Pool>,
    waiting: BTreeMap<(String, String), u32>,
    /// Action and id of each entry, in order.
    audit: Vec<(String, String)>,
}

impl End {
    async fn of(desk: &Desk) -> Self {
        let baseline = desk.baseline().await;
        let text = |(product, user): &(rosterd::model::ProductCode, rosterd::model::SourceId)| {
            (product.to_string(), user.to_string())
        };
        let told = |it: Entry| (it.action, if it.entity == "run" { it.entity } else { it.id });
        Self {
            users: baseline.roster.users.keys().map(ToString::to_string).collect(),
            seats: baseline.seats.iter().map(|(key, seat)| (text(key), seat.pool.clone())).collect(),
            waiting: baseline.waiting.iter().map(|(key, place)| (text(key), place.position)).collect(),
            audit: desk.audit().await.into_iter().map(told).collect(),
        }
    }
}

/// The night of an instant.
fn night_of(when: Timestamp) -> usize {
    usize::try_from((when.instant() - at(0, 0).instant()).num_days()).unwrap()
}

/// What a dead process had begun is done, and what it had not begun is played.
async fn goes_on(mut desk: Desk, school: &School) -> Desk {
    if let Some(request) = desk.queue().list(true).await.unwrap().first() {
        let night = night_of(request.at);
        desk.upload(&school.nights[night], at(u64::try_from(night).unwrap(), 5));
        desk.take_over(request.at).await.unwrap();
    }
    desk.buy(&school.catalog, at(0, 1)).await;
    let district = DistrictId::new(DISTRICT);
    let mut second = None;
    for (night, files) in (0..).zip(&school.nights) {
        desk.upload(files, at(night, 5));
        let run = desk.sync(at(night, 8)).await;
        let undecided = desk.store().undecided_runs(&district).await.unwrap();
        if run.status == RunStatus::Held && undecided.iter().any(|it| it.run == run.run) {
            assert_eq!(desk.decide(&run, true, at(night, 14)).await.status, RunStatus::Applied);
        }
        if night == 1 {
            second = Some(run.run);
        }
    }
    let runs = desk.store().runs(&RunFilter { district: Some(district), ..RunFilter::default() }).await.unwrap();
    if !runs.iter().any(|it| it.mode == "revert") {
        assert_eq!(desk.revert(&second.unwrap(), at(3, 16)).await.status, RunStatus::Applied);
    }
    desk
}

/// A story that nobody kills.
async fn whole(backend: Backend) -> Option<End> {
    let fresh = Fresh::new(backend).await?;
    let (fresh, _) = story::play(fresh, &School::new(SEED), |_| {}).await;
    let desk = story::opened(fresh).await;
    let end = End::of(&desk).await;
    desk.discard().await;
    Some(end)
}

/// Kills the story when it reaches `place` for the `nth` time; whether it does so often.
async fn survives(backend: Backend, place: &str, nth: u32, whole: &End) -> bool {
    let fresh = Fresh::new(backend).await.unwrap();
    let died = dies(&fresh, place, nth);
    let desk = story::opened(fresh).await;
    story::verified(&desk).await.unwrap_or_else(|wrong| panic!("{place}@{nth}: {wrong:?}"));
    let desk = goes_on(desk, &School::new(SEED)).await;
    story::verified(&desk).await.unwrap_or_else(|wrong| panic!("after {place}@{nth}: {wrong:?}"));
    assert!(End::of(&desk).await == *whole, "{place}@{nth}: the end is another one");
    desk.discard().await;
    died
}

/// The names of all places, as the source has them.
fn places(folder: &Path) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(places(&path));
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            all.extend(text.split("failpoint(\"").skip(1).map(|it| it.split('"').next().unwrap().to_owned()));
        }
    }
    all
}

/// Those that the story reaches; the others have stories of their own (`e2e/notices.rs`, `retention.rs`, `e2e/erase.rs`).
fn reached() -> Vec<String> {
    let all = places(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let elsewhere = ["outbox.", "store.erase.", "store.purge.", "store.expire."];
    all.into_iter().filter(|it| !elsewhere.iter().any(|of| it.starts_with(of))).collect()
}

/// Each place on SQLite, at a time drawn from those in the middle of the story.
#[tokio::test]
async fn a_story_killed_at_any_place_ends_like_one_that_nobody_kills() {
    let whole = whole(Backend::Sqlite).await.unwrap();
    let places = reached();
    assert!(places.len() >= 12, "{places:?}");
    for (number, place) in (0..).zip(places) {
        let nth = if place.starts_with("store.offer") || place == "store.write.contract" { 1 } else { 2 + number % 3 };
        assert!(survives(Backend::Sqlite, &place, nth, &whole).await, "{place} is not reached {nth} times");
    }
}

#[tokio::test]
async fn a_story_on_postgresql_killed_around_its_commits_ends_like_one_that_nobody_kills() {
    let Some(whole) = whole(Backend::Postgres).await else { return };
    for (place, nth) in [("store.write.seats", 3), ("store.write.commit", 4), ("store.write.committed", 5)] {
        assert!(survives(Backend::Postgres, place, nth, &whole).await, "{place} is not reached {nth} times");
    }
}

#[tokio::test]
#[ignore = "a command of its own: it takes its time"]
async fn every_place_every_time() {
    if !cfg!(debug_assertions) {
        eprintln!("a release has no places to die at: run this one without --release");
        return;
    }
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let Some(whole) = whole(backend).await else { continue };
        let mut kills = 0;
        for place in reached() {
            let before = kills;
            for nth in 1.. {
                if !survives(backend, &place, nth, &whole).await {
                    break;
                }
                kills += 1;
            }
            eprintln!("{backend:?}, {place}: {} times, {kills} kills", kills - before);
        }
        assert!(kills > 60, "{kills}");
    }
}
