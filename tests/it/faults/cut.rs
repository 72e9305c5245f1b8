//! The line to PostgreSQL is cut at a COMMIT (reliability.md F61): whether it happened is settled by reading the run, and in the
//! end every night happened once.
//!
//! By command, a cut each night for as many nights (`ROSTERD_CUTS`, `ROSTERD_SEED`):
//! `cargo test --release --test it cut::a_thousand -- --ignored --nocapture`

use rosterd::model::{DistrictId, RunRecord, RunStatus};
use rosterd::store::RunFilter;
use sqlx::Connection;

use super::story::{self, School, at, children, listed, opened};
use crate::support::chance::Chance;
use crate::support::db::{Backend, Fresh};
use crate::support::desk::{DISTRICT, Desk};
use crate::support::number;
use crate::support::wire::{Cut, Wire};

/// The audit but for what a second attempt may differ in: the run, and so the hashes.
async fn told(url: &str) -> Vec<(i64, String, String, String, String, Option<String>, Option<String>)> {
    const ENTRIES: &str =
        "SELECT seq, at, action, entity, id, \"before\", \"after\" FROM audit WHERE district = $1 ORDER BY seq";
    if url.starts_with("sqlite:") {
        let mut conn = sqlx::SqliteConnection::connect(url).await.unwrap();
        return sqlx::query_as(ENTRIES).bind(DISTRICT).fetch_all(&mut conn).await.unwrap();
    }
    let mut conn = sqlx::PgConnection::connect(url).await.unwrap();
    sqlx::query_as(ENTRIES).bind(DISTRICT).fetch_all(&mut conn).await.unwrap()
}

/// What came of the cuts.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    cuts: u64,
    /// The line was cut and the night's run was told as if nothing had been.
    settled: u64,
    failed: u64,
    silent: u64,
}

struct Line {
    school: School,
    desk: Desk,
    wire: Wire,
    /// The same nights on a line that holds.
    twin: Desk,
    database: String,
    night: u64,
    tally: Tally,
}

impl Line {
    async fn new(seed: u64) -> Option<Self> {
        let school = School::new(seed);
        let mut fresh = Fresh::new(Backend::Postgres).await?;
        let database = fresh.settings.url.clone();
        let wire = Wire::to(&database).await;
        fresh.settings.url.clone_from(&wire.url);
        let mut desk = opened(fresh).await;
        let mut twin = Desk::new(Backend::Sqlite).await.unwrap();
        for it in [&mut desk, &mut twin] {
            it.buy(&school.catalog, at(0, 1)).await;
            it.upload(&school.nights[0], at(0, 5));
            assert_eq!(it.sync(at(0, 8)).await.status, RunStatus::Applied);
        }
        Some(Self { school, desk, wire, twin, database, night: 0, tally: Tally::default() })
    }

    /// A night with something new in it, cut at its `nth` COMMIT; false if it has fewer.
    async fn night(&mut self, nth: u64, cut: Cut) -> bool {
        self.night += 1;
        let when = format!("night {}, cut {cut:?} commit {nth}", self.night);
        let files = &self.school.nights[usize::try_from(self.night % 2).unwrap()];
        let (uploaded, synced) = (at(self.night, 5), at(self.night, 8));
        self.twin.upload(files, uploaded);
        assert_eq!(self.twin.sync(synced).await.status, RunStatus::Applied, "{when}");

        self.desk.upload(files, uploaded);
        self.wire.break_at(nth, cut);
        let outcome = self.desk.try_sync(synced).await;
        let was_cut = self.wire.mended();
        self.tally.cuts += u64::from(was_cut);
        match &outcome {
            Ok(run) if run.status == RunStatus::Applied => self.tally.settled += u64::from(was_cut),
            Ok(run) => {
                assert_eq!(run.status, RunStatus::Failed, "{when}: {run:#?}");
                assert!(run.error.as_ref().unwrap().contains("cannot be reached"), "{when}: {run:#?}");
                self.tally.failed += 1;
            }
            Err(error) => {
                assert!(error.to_string().contains("cannot be reached"), "{when}: {error}");
                self.tally.silent += 1;
            }
        }
        // whoever looks later: what was begun is brought to its end, and the night asked for again
        self.desk.take_over(synced).await.unwrap();
        let mut run = self.desk.sync(synced).await;
        if run.status == RunStatus::Failed {
            run = self.desk.sync_by_hand(synced).await;
        }
        assert_eq!(run.status, RunStatus::Applied, "{when}: {run:#?}");
        let runs = self.desk.store().runs(&RunFilter::default()).await.unwrap();
        let applied = |it: &&RunRecord| it.as_of == synced && it.status == RunStatus::Applied;
        assert_eq!(runs.iter().filter(applied).count(), 1, "{when}: {runs:#?}");
        assert_eq!(children(&self.desk).await, listed(files), "{when}");
        was_cut
    }

    async fn finish(self) -> Tally {
        story::verified(&self.desk).await.unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let open = self.desk.queue().list(true).await.unwrap();
        assert!(open.is_empty(), "{open:?}");
        let entries = self.desk.store().audit_head(&DistrictId::new(DISTRICT)).await.unwrap().size;
        let (one, other) = (told(&self.database).await, told(&self.twin.fresh.settings.url).await);
        assert_eq!(i64::try_from(one.len()).unwrap(), entries);
        assert!(one == other, "entries are lost or doubled: {} and {} on a line that holds", one.len(), other.len());
        self.desk.discard().await;
        self.twin.discard().await;
        self.tally
    }
}

#[tokio::test]
async fn a_line_cut_at_any_commit_of_a_night_leaves_the_night_done_once() {
    let Some(mut line) = Line::new(1).await else { return };
    let mut commits = 1;
    while line.night(commits, Cut::Before).await && line.night(commits, Cut::After).await {
        commits += 1;
    }
    let tally = line.finish().await;
    assert!(tally.cuts >= 12 && tally.settled >= 1 && tally.failed >= 1 && tally.silent >= 1, "{tally:?}");
}

#[tokio::test]
#[ignore = "a command of its own: it takes its time"]
async fn a_thousand_cuts() {
    let (cuts, seed) = (number("ROSTERD_CUTS", 1000), number("ROSTERD_SEED", 1));
    let begun = std::time::Instant::now();
    let mut chance = Chance::new(seed);
    let Some(mut line) = Line::new(seed).await else { return };
    while line.tally.cuts < cuts {
        let nth = 1 + u64::try_from(chance.below(14)).unwrap();
        let cut = if chance.percent(50) { Cut::Before } else { Cut::After };
        line.night(nth, cut).await;
        if line.night % 100 == 0 {
            eprintln!("seed {seed}, {} nights, {:?}: {:?}", line.night, begun.elapsed(), line.tally);
        }
    }
    eprintln!("seed {seed}, {:?}: {:?}", begun.elapsed(), line.finish().await);
}
