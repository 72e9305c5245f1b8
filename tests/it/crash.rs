//! A process killed at any named place leaves the state before or after its write, and the next one goes on.
//!
//! The child is this binary again, running one ignored test; it dies by the failpoint that its environment names.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

use rosterd::model::{RunStatus, Trigger};
use rosterd::store::{NewRequest, Queue, Settings, Store, WriteError};

use crate::support::db::{Backend, Fresh};
use crate::support::world::{first_run, monday, oak, with_oak};

both!(a_write_killed_anywhere_is_whole_or_not_at_all, a_request_killed_after_its_commit_is_there_and_before_it_is_not,);

const CHILD: &str = "crash::child";

const LEASE: Duration = Duration::from_mins(1);

fn request() -> NewRequest {
    NewRequest {
        district: oak(),
        mode: "apply".to_owned(),
        trigger: Trigger::Schedule,
        requested_by: None,
        reason: None,
        payload: None,
        at: monday(),
        night: Some("2026-10-05".to_owned()),
        idempotency_key: None,
    }
}

/// Files a night, claims it and writes a run, until it dies.
#[tokio::test]
#[ignore = "the child of the tests below"]
async fn child() {
    let settings = Settings { url: std::env::var("ROSTERD_TEST_STORE").unwrap() };
    let (store, queue) = (Store::open(&settings).await.unwrap(), Queue::open(&settings).await.unwrap());
    queue.request(request()).await.unwrap();
    let claimed = queue.claim("child", monday(), LEASE, None).await.unwrap().unwrap();
    let mut writes = first_run();
    writes.run.run = claimed.request.run;
    writes.fence = Some(claimed.fence);
    store.write(writes).await.unwrap();
}

/// Runs the ignored test `child` until it dies at `place`.
pub(crate) fn die_at(fresh: &Fresh, child: &str, place: &str) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", child, "--test-threads=1"])
        .env("ROSTERD_FAILPOINT", place)
        .env("ROSTERD_TEST_STORE", &fresh.settings.url)
        .output()
        .unwrap()
        .status;
    assert_eq!(status.signal(), Some(6), "{place}: the child did not die there: {status}");
}

async fn a_write_killed_anywhere_is_whole_or_not_at_all(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    let before = ["begun", "records", "seats", "audit", "commit"];
    let (mut now, mut last_fence) = (monday(), 0);
    for place in before {
        die_at(fresh, CHILD, &format!("store.write.{place}"));
        let state = store.district(&oak()).await.unwrap();
        assert_eq!((state.revision, state.audit_seq), (0, 0), "{place}");
        assert!(store.check(&oak(), None).await.unwrap().faults.is_empty(), "{place}");
        // the dead child's lease runs out and its run is there to be taken up
        let queue = fresh.queue().await;
        now = now.plus(chrono::TimeDelta::hours(1));
        let heir = queue.claim("heir", now, LEASE, None).await.unwrap().unwrap();
        assert!(heir.fence > last_fence);
        last_fence = heir.fence;
        queue.release(&heir.request.run, heir.fence).await.unwrap();
        queue.close().await;
    }

    die_at(fresh, CHILD, "store.write.committed");
    let state = store.district(&oak()).await.unwrap();
    assert_eq!((state.revision, state.audit_seq), (1, 8));
    assert!(store.check(&oak(), None).await.unwrap().faults.is_empty());
    let queue = fresh.queue().await;
    let later = now.plus(chrono::TimeDelta::hours(1));
    let heir = queue.claim("heir", later, LEASE, None).await.unwrap().unwrap();
    let mut again = first_run();
    again.run.run = heir.request.run.clone();
    again.fence = Some(heir.fence);
    let done = WriteError::AlreadyDone(heir.request.run.clone());
    assert_eq!(store.write(again).await, Err(done), "the run happened once");
    queue.finish(&heir.request.run, heir.fence, RunStatus::Applied).await.unwrap();
    assert!(queue.list(true).await.unwrap().is_empty());
}

async fn a_request_killed_after_its_commit_is_there_and_before_it_is_not(fresh: &Fresh) {
    with_oak(&fresh.store().await).await;
    die_at(fresh, CHILD, "queue.request.commit");
    assert!(fresh.queue().await.list(false).await.unwrap().is_empty());
    die_at(fresh, CHILD, "queue.request.committed");
    assert_eq!(fresh.queue().await.list(true).await.unwrap().len(), 1);
    let again = fresh.queue().await.request(request()).await.unwrap();
    assert!(again.joined, "the night is filed once");
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_says_so_without_its_password() {
    let url = "postgres://rosterd:canary@127.0.0.1:1/rosterd".to_owned();
    let error = Store::open(&Settings { url }).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("cannot open the store") && !shown.contains("canary"), "{shown}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_called_damaged() {
    let fresh = Fresh::new(Backend::Sqlite).await.unwrap();
    std::fs::create_dir_all(fresh.folder().join("var")).unwrap();
    std::fs::write(fresh.folder().join("var/rosterd.db"), "x".repeat(8192)).unwrap();
    let error = Store::open(&fresh.settings).await.unwrap_err().to_string();
    assert!(error.contains("damaged"), "{error}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_an_open_error() {
    let fresh = Fresh::new(Backend::Sqlite).await.unwrap();
    std::fs::write(fresh.folder().join("var"), "a file").unwrap();
    let error = Store::open(&fresh.settings).await.unwrap_err().to_string();
    assert!(error.contains("cannot open the store") && error.contains("folder"), "{error}");
}

#[tokio::test]
async fn a_connection_cut_in_the_middle_of_commit_leaves_nothing_and_the_next_write_goes_through() {
    let Some(fresh) = Fresh::new(Backend::Postgres).await else { return };
    let store = fresh.store().await;
    with_oak(&store).await;
    let cut = "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON run DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION cut()";
    fresh.raw("", cut).await.unwrap();
    let error = store.write(first_run()).await.unwrap_err();
    let WriteError::Store(cause) = &error else { panic!("{error:?}") };
    assert!(cause.is_transient(), "{cause:?}");
    assert_eq!(store.district(&oak()).await.unwrap().audit_seq, 0);
    fresh.raw("", "DROP TRIGGER cut ON run").await.unwrap();
    store.write(first_run()).await.unwrap();
    assert!(store.check(&oak(), None).await.unwrap().faults.is_empty());
    fresh.discard().await;
}
