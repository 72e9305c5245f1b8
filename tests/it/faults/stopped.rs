//! A process that is stopped (SIGSTOP) past its lease, while another takes its run over (reliability.md F22): after SIGCONT the
//! first can write nothing more, and the run happened once.
//!
//! The children are this binary again, running one ignored test. Where they stand still is a lock that the test holds in the
//! database; that the lease has run out is written there. No test waits for a lease.

use std::process::Stdio;

use rosterd::model::{DistrictId, RunRecord, RunStatus};
use rosterd::store::{Queue, QueueError, Settings, Store};
use sqlx::{AssertSqlSafe, Connection, PgConnection, raw_sql};
use tokio::process::{Child, Command};

use super::story::{self, School, at, children, listed, opened};
use crate::support::daemon::until;
use crate::support::db::{Backend, Fresh};
use crate::support::desk::{DISTRICT, Desk};

const CHILD: &str = "faults::stopped::child";

/// Takes up what the queue holds, and says what became of it.
#[tokio::test]
#[ignore = "the child of the tests below"]
async fn child() {
    let mut fresh = Fresh::new(Backend::Sqlite).await.unwrap();
    (fresh.backend, fresh.settings.url) = (Backend::Postgres, std::env::var("ROSTERD_TEST_STORE").unwrap());
    let mut desk = opened(fresh).await;
    desk.upload(&School::new(1).nights[1], at(1, 5));
    match desk.take_up(at(1, 8)).await {
        Ok(Some(run)) => println!("ended {} {:?}", run.status, run.error),
        Ok(None) => println!("nothing to do"),
        Err(error) => println!("gave up: {error}"),
    }
    desk.close().await;
}

struct Scene {
    desk: Desk,
    url: String,
}

impl Scene {
    /// A store after one night, the next one filed and not begun.
    async fn new() -> Option<Self> {
        let school = School::new(1);
        let mut desk = Desk::new(Backend::Postgres).await?;
        let url = desk.fresh.settings.url.clone();
        desk.buy(&school.catalog, at(0, 1)).await;
        desk.upload(&school.nights[0], at(0, 5));
        assert_eq!(desk.sync(at(0, 8)).await.status, RunStatus::Applied);
        desk.file(at(1, 8)).await;
        Some(Self { desk, url })
    }

    fn child(&self) -> Process {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", CHILD, "--test-threads=1", "--nocapture"]);
        command.env("ROSTERD_TEST_STORE", &self.url).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
        Process(command.spawn().unwrap())
    }

    /// Locks a table for as long as the connection lasts.
    async fn lock(&self, table: &str, mode: &str) -> PgConnection {
        let mut conn = PgConnection::connect(&self.url).await.unwrap();
        let lock = format!("BEGIN; LOCK TABLE {table} IN {mode} MODE");
        raw_sql(AssertSqlSafe(lock)).execute(&mut conn).await.unwrap();
        conn
    }

    async fn wait_for_waiting(&self, sessions: i64) {
        waiting(&self.url, sessions).await;
    }

    /// Until the one session stands still within a transaction; its process id.
    async fn wait_for_idle(&self) -> i32 {
        const IDLE: &str = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
             AND state = 'idle in transaction' AND backend_xid IS NOT NULL";
        let mut conn = PgConnection::connect(&self.url).await.unwrap();
        let found = until("a session that is idle in a transaction", async || {
            let row: Option<(i32,)> = sqlx::query_as(IDLE).fetch_optional(&mut conn).await.unwrap();
            row
        })
        .await;
        conn.close().await.unwrap();
        found.0
    }

    /// A process that is stopped in the middle of its transaction and whose lease has run out, and its session.
    async fn stopped_in_its_transaction(&self) -> (Process, i32) {
        let lock = self.lock("audit", "SHARE").await;
        let first = self.child();
        self.wait_for_waiting(1).await;
        first.stop().await;
        lock.close().await.unwrap();
        let session = self.wait_for_idle().await;
        self.lease_runs_out().await;
        (first, session)
    }

    async fn lease_runs_out(&self) {
        let mut conn = PgConnection::connect(&self.url).await.unwrap();
        raw_sql("UPDATE lease SET expires_at = 0").execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    }

    /// The night happened once, the store is whole, and nothing is left to do.
    async fn once(self) {
        let store = Store::open(&Settings { url: self.url.clone() }).await.unwrap();
        let runs = store.runs(&rosterd::store::RunFilter::default()).await.unwrap();
        let of_night: Vec<&RunRecord> = runs.iter().filter(|it| it.as_of == at(1, 8)).collect();
        assert_eq!(of_night.iter().map(|it| it.status).collect::<Vec<_>>(), [RunStatus::Applied], "{of_night:#?}");
        let end = store.audit_head(&DistrictId::new(DISTRICT)).await.unwrap().size;
        assert_eq!(of_night[0].audit.as_ref().unwrap().last_seq, end);
        store.close().await;
        story::verified(&self.desk).await.unwrap_or_else(|wrong| panic!("{wrong:?}"));
        assert_eq!(children(&self.desk).await, listed(&School::new(1).nights[1]));
        let queue = Queue::open(&Settings { url: self.url.clone() }).await.unwrap();
        assert!(queue.list(true).await.unwrap().is_empty());
        queue.close().await;
        self.desk.discard().await;
    }
}

/// Until so many sessions of a database wait for a lock.
async fn waiting(url: &str, sessions: i64) {
    const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND wait_event_type = 'Lock'";
    let mut conn = PgConnection::connect(url).await.unwrap();
    until("a session that waits for a lock", async || {
        let (n,): (i64,) = sqlx::query_as(WAITING).fetch_one(&mut conn).await.unwrap();
        (n == sessions).then_some(())
    })
    .await;
    conn.close().await.unwrap();
}

struct Process(Child);

impl Process {
    async fn signal(&self, name: &str) {
        let id = self.0.id().unwrap().to_string();
        assert!(Command::new("kill").args([name, &id]).status().await.unwrap().success());
    }

    /// Stops it; when this returns, the system says that it is stopped.
    async fn stop(&self) {
        self.signal("-STOP").await;
        let status = format!("/proc/{}/stat", self.0.id().unwrap());
        if !std::path::Path::new("/proc/self/stat").exists() {
            return;
        }
        until("a process that is stopped", async || {
            let stat = std::fs::read_to_string(&status).unwrap();
            stat.rsplit(") ").next().unwrap().starts_with('T').then_some(())
        })
        .await;
    }

    async fn goes_on(&self) {
        self.signal("-CONT").await;
    }

    /// What it said in the end.
    async fn said(self) -> String {
        let output = self.0.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Both are stopped while they plan. The one whose lease ran out goes on first: it may neither apply nor say that the run
/// failed, for the other one has it.
#[tokio::test]
async fn one_stopped_while_it_plans_leaves_the_run_to_the_one_that_took_it_over() {
    let Some(scene) = Scene::new().await else { return };
    let lock = scene.lock("record", "ACCESS EXCLUSIVE").await;
    let first = scene.child();
    scene.wait_for_waiting(1).await;
    first.stop().await;
    scene.lease_runs_out().await;
    let second = scene.child();
    scene.wait_for_waiting(2).await;
    second.stop().await;
    lock.close().await.unwrap();

    first.goes_on().await;
    let said = first.said().await;
    assert!(said.contains("gave up: this process lost run"), "{said}");
    second.goes_on().await;
    let said = second.said().await;
    assert!(said.contains("ended applied"), "{said}");
    scene.once().await;
}

/// The first is stopped in the middle of its transaction, and the server gives it up.
#[tokio::test]
async fn one_stopped_while_it_applies_is_rolled_back_and_finds_the_run_done() {
    let Some(scene) = Scene::new().await else { return };
    let (first, session) = scene.stopped_in_its_transaction().await;
    // what the server does by itself after five minutes
    let mut conn = PgConnection::connect(&scene.url).await.unwrap();
    raw_sql(AssertSqlSafe(format!("SELECT pg_terminate_backend({session})"))).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    let said = scene.child().said().await;
    assert!(said.contains("ended applied"), "{said}");

    first.goes_on().await;
    let said = first.said().await;
    assert!(said.contains("gave up: this process lost run"), "{said}");
    scene.once().await;
}

/// The same where the server does not: the other one waits for the district, and finds the run done.
#[tokio::test]
async fn one_that_goes_on_in_its_transaction_has_done_the_run_and_the_other_one_sees_it() {
    let Some(scene) = Scene::new().await else { return };
    let (first, _) = scene.stopped_in_its_transaction().await;
    let Scene { mut desk, url } = scene;
    desk.upload(&School::new(1).nights[1], at(1, 5));
    let (second, ()) = tokio::join!(desk.take_up(at(1, 8)), async {
        waiting(&url, 1).await;
        first.goes_on().await;
    });
    let said = first.said().await;
    assert!(said.contains("gave up: this process lost run"), "{said}");
    let second = second.unwrap().unwrap();
    assert_eq!(second.status, RunStatus::Applied, "{second:#?}");
    let scene = Scene { desk, url };
    scene.once().await;
}

/// The server's own patience with a transaction that stands still, in full.
#[tokio::test]
#[ignore = "waits the five minutes that the server waits"]
async fn the_server_ends_a_transaction_that_stands_still() {
    let Some(scene) = Scene::new().await else { return };
    let begun = std::time::Instant::now();
    let (first, _) = scene.stopped_in_its_transaction().await;
    let said = scene.child().said().await;
    assert!(said.contains("ended applied"), "{said}");
    eprintln!("taken over after {:?}", begun.elapsed());
    first.goes_on().await;
    first.said().await;
    scene.once().await;
}

/// The run of a lost lease is not failed: its holder says nothing of it, even while nobody else has reached the store.
async fn who_lost_a_run_does_not_end_it(backend: Backend) {
    let school = School::new(1);
    let Some(mut desk) = Desk::new(backend).await else { return };
    desk.buy(&school.catalog, at(0, 1)).await;
    desk.upload(&school.nights[0], at(0, 5));
    desk.file(at(0, 8)).await;
    let [lost, heir] = desk.contested(at(0, 8)).await;
    let heir = heir.unwrap();
    assert_eq!(lost, Err(QueueError::LeaseLost(heir.run.clone())));
    assert_eq!((heir.status, heir.error), (RunStatus::Applied, None));
    assert_eq!(children(&desk).await, listed(&school.nights[0]));
    desk.discard().await;
}

#[tokio::test]
async fn who_lost_a_run_does_not_end_it_on_sqlite() {
    who_lost_a_run_does_not_end_it(Backend::Sqlite).await;
}

#[tokio::test]
async fn who_lost_a_run_does_not_end_it_on_postgres() {
    who_lost_a_run_does_not_end_it(Backend::Postgres).await;
}
