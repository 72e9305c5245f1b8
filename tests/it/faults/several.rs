//! Several daemons over one PostgreSQL share a night of many districts, while one of them is killed and one stands still past its
//! lease (P48, M9; reliability.md F20 to F22): each district has its night once, and no audit entry is lost or doubled.
//!
//! By command, four processes and two hundred districts (`ROSTERD_DISTRICTS`):
//! `cargo test --release --test it several::four_processes -- --ignored --nocapture`

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use rosterd::model::{DistrictId, RunRecord, RunStatus, Trigger};
use rosterd::store::{RunFilter, Store};
use sqlx::{AssertSqlSafe, Connection, PgConnection, raw_sql};

use crate::support::daemon::{DAY_1, Daemon, Installation, until};
use crate::support::{number, postgres};

const NIGHT: &str = "2025-10-07T20:00:00Z";
/// Runs that a process has under way at once, by default.
const AT_ONCE: usize = 4;
const MORNING: &str = "2025-10-07T21:00:00Z";

fn names(districts: usize) -> Vec<String> {
    (0..districts).map(|n| format!("d-{n:03}")).collect()
}

/// Districts that all have the roster of Pomegranate Charter, and a product for its students.
fn configure(it: &Installation, url: &str, districts: usize) {
    let upload = it.path("upload");
    std::fs::create_dir_all(&upload).unwrap();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/pomegranate-charter")).unwrap() {
        let from = entry.unwrap().path();
        if from.extension().is_some_and(|it| it == "csv") {
            std::fs::copy(&from, upload.join(from.file_name().unwrap())).unwrap();
        }
    }
    let catalog = it.path("catalog.toml");
    let mut text = format!(
        "[store]\nurl = \"{url}\"\n[http]\nlisten = \"127.0.0.1:0\"\n[catalog]\npath = \"{}\"\n[schedule]\nspread_minutes = 0\n",
        catalog.display()
    );
    let mut sold =
        "[[product]]\ncode = \"device\"\nname = \"Device\"\naudience = \"student\"\nbasis = \"active\"\n".to_owned();
    for id in names(districts) {
        write!(
            text,
            "[[district]]\nid = \"{id}\"\ntime_zone = \"America/Los_Angeles\"\nfirst_sync = \"apply\"\n\
             feed = {{ kind = \"oneroster-csv\", path = \"{}\" }}\n",
            upload.display()
        )
        .unwrap();
        write!(
            sold,
            "[[subscription]]\nid = \"{id}\"\ndistrict = \"{id}\"\nproduct = \"device\"\nseats = 500\n\
             starts_on = 2025-07-01\nexpires_on = 2026-06-30\n"
        )
        .unwrap();
    }
    std::fs::write(catalog, sold).unwrap();
    it.configure(&text);
}

async fn nights(store: &Store) -> Vec<RunRecord> {
    let all = RunFilter { limit: Some(u32::MAX), ..RunFilter::default() };
    let mut runs = store.runs(&all).await.unwrap();
    runs.retain(|run| run.trigger == Trigger::Schedule);
    runs
}

async fn ended(store: &Store, districts: usize) {
    until("the nights", async || (nights(store).await.len() >= districts).then_some(())).await;
}

/// So many nights have ended, or somebody waits for a transaction that stands still.
async fn ended_or_waited_for(url: &str, store: &Store, districts: usize) {
    const WAITED_FOR: &str = "SELECT count(*) FROM pg_stat_activity AS waits
         JOIN LATERAL unnest(pg_blocking_pids(waits.pid)) AS it (pid) ON true
         JOIN pg_stat_activity AS holds ON holds.pid = it.pid
         WHERE waits.datname = current_database() AND holds.state = 'idle in transaction'";
    let mut conn = PgConnection::connect(url).await.unwrap();
    until("the nights, or a lock", async || {
        let (waited_for,): (i64,) = sqlx::query_as(WAITED_FOR).fetch_one(&mut conn).await.unwrap();
        (waited_for > 0 || nights(store).await.len() >= districts).then_some(())
    })
    .await;
    conn.close().await.unwrap();
}

/// Both hold leases: what they are at is under way.
async fn are_at_work(url: &str, daemons: [&Daemon; 2]) {
    let mut conn = PgConnection::connect(url).await.unwrap();
    until("leases of two processes", async || {
        let held: Vec<(String,)> = sqlx::query_as("SELECT DISTINCT owner FROM lease WHERE run IS NOT NULL")
            .fetch_all(&mut conn)
            .await
            .unwrap();
        let holds = |daemon: &Daemon| held.iter().any(|(owner,)| is_of(owner, daemon));
        daemons.into_iter().all(holds).then_some(())
    })
    .await;
    conn.close().await.unwrap();
}

fn is_of(owner: &str, daemon: &Daemon) -> bool {
    owner.split(|it: char| !it.is_ascii_digit()).any(|it| it == daemon.pid().to_string())
}

/// Time passes for those who hold a lease and do not renew it. A lease that one was just about to write stays: nobody can pass it.
async fn leases_run_out(url: &str, of: [&Daemon; 2]) {
    let mut conn = PgConnection::connect(url).await.unwrap();
    for daemon in of {
        let void = format!(
            "UPDATE lease SET expires_at = 0 WHERE district IN
                 (SELECT district FROM lease WHERE owner ~ '\\y{}\\y' FOR UPDATE SKIP LOCKED)",
            daemon.pid()
        );
        raw_sql(AssertSqlSafe(void)).execute(&mut conn).await.unwrap();
    }
    conn.close().await.unwrap();
}

async fn a_night(districts: usize, processes: usize) {
    let Some(url) = postgres::fresh_database().await else { return };
    let installation = Installation::over(url.clone(), "apply", "");
    configure(&installation, &url, districts);
    assert!(installation.cli(DAY_1, &["migrate"]).status.success());
    let first = installation.cli(DAY_1, &["sync", "--all", "--json"]);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let users = installation.path("upload/users.csv");
    let changed = std::fs::read_to_string(&users).unwrap().replace(",Opal,", ",Ophelia,");
    std::fs::write(users, changed).unwrap();

    // Nobody gets further than to its first entry until all are at work, so that it is mid-night for everyone.
    let mut midnight = PgConnection::connect(&url).await.unwrap();
    raw_sql("BEGIN; LOCK TABLE audit IN SHARE MODE").execute(&mut midnight).await.unwrap();
    let store = installation.store().await;
    let begun = std::time::Instant::now();
    let mut daemons = Vec::new();
    for _ in 0..processes {
        daemons.push(installation.spawn(NIGHT));
    }
    let (killed, stopped) = (daemons.remove(0), daemons.remove(0));
    are_at_work(&url, [&killed, &stopped]).await;
    stopped.signal("STOP");
    killed.signal("KILL");
    leases_run_out(&url, [&killed, &stopped]).await;
    killed.end().await;
    midnight.close().await.unwrap();
    // What the stopped one was writing waits for it, a district for each run that it had under way; where it was about to file
    // a request or to commit, the others wait for it, too, until the server ends its transaction or it goes on.
    ended_or_waited_for(&url, &store, districts - AT_ONCE).await;
    stopped.signal("CONT");
    ended(&store, districts).await;
    eprintln!("{districts} districts, {processes} processes: {:?}", begun.elapsed());
    daemons.push(stopped);
    for mut daemon in daemons {
        daemon.listening().await;
        daemon.stop().await;
    }

    let nights = nights(&store).await;
    let once: BTreeSet<&DistrictId> = nights.iter().map(|run| &run.district).collect();
    assert_eq!((once.len(), nights.len()), (districts, districts), "each district has one night");
    let other = nights.iter().find(|run| run.status != RunStatus::Applied);
    assert!(other.is_none(), "{:?} {:?}", other.map(|it| &it.error), other.map(|it| it.as_of));
    let mut sizes: BTreeMap<i64, usize> = BTreeMap::new();
    for id in names(districts) {
        *sizes.entry(store.audit_head(&id.as_str().into()).await.unwrap().size).or_default() += 1;
    }
    assert_eq!(sizes.len(), 1, "as many entries in each: {sizes:?}");
    let verified = installation.cli(MORNING, &["verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let queue = installation.queue().await;
    assert_eq!(queue.list(true).await.unwrap(), Vec::new());
    queue.close().await;
    store.close().await;
    postgres::drop_database(&url).await;
}

#[tokio::test]
async fn a_night_is_shared_by_three_of_whom_one_dies_and_one_stands_still() {
    a_night(12, 3).await;
}

#[tokio::test]
#[ignore = "a command of its own: it takes its time"]
async fn four_processes_and_two_hundred_districts() {
    a_night(number("ROSTERD_DISTRICTS", 200), 4).await;
}
