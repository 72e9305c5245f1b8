//! What can only be seen from inside: faults that the public functions never provoke.

use chrono_tz::Tz;

use super::db::{Db, Sql};
use super::{Settings, Store, StoreError, schema};
use crate::model::EndDates;

async fn fresh() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { url: format!("sqlite:{}/rosterd.db", folder.path().display()) };
    let store = Store::open(&settings).await.unwrap();
    (folder, store)
}

async fn make(store: &Store, id: &str, name: &str) -> Result<(), StoreError> {
    store.ensure_district(&id.into(), name, Tz::UTC, EndDates::Exclusive).await
}

#[tokio::test]
async fn a_full_disk_is_named_and_leaves_nothing_half_done() {
    let (_folder, store) = fresh().await;
    make(&store, "oak", "Oak").await.unwrap();
    // a limit on pages is the error a full disk gives
    let limit = Sql::portable("PRAGMA max_page_count = 1").named("LIMIT");
    let mut tx = store.db.write().await.unwrap();
    tx.query(limit).execute().await.unwrap();
    tx.commit().await.unwrap();
    let full = make(&store, "elm", &"x".repeat(1 << 20)).await.unwrap_err();
    assert!(matches!(full, StoreError::DiskFull { .. }), "{full:?}");
    assert!(!full.to_string().contains('x'.to_string().repeat(9).as_str()));
    assert_eq!(store.districts().await.unwrap().len(), 1);
    assert!(store.check(&"oak".into(), None).await.unwrap().faults.is_empty());
}

#[tokio::test]
async fn a_forgotten_parameter_is_an_error_and_not_null() {
    let (_folder, store) = fresh().await;
    let sql = Sql::portable("SELECT id FROM district WHERE id = $1 AND name = $2").named("TWO");
    let mut tx = store.db.read().await.unwrap();
    let error = tx.query(sql).bind("oak").fetch_all::<(String,)>().await.unwrap_err();
    assert_eq!(error, StoreError::Arity { statement: "TWO", takes: 2, given: 1 });
}

#[tokio::test]
async fn the_reading_connections_of_sqlite_cannot_write() {
    let (_folder, store) = fresh().await;
    let sql = Sql::portable("DELETE FROM meta").named("CLEAR");
    let error = store.db.read().await.unwrap().query(sql).execute().await.unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
}

#[tokio::test]
async fn a_column_that_was_tampered_with_is_named_without_its_content() {
    let (_folder, store) = fresh().await;
    make(&store, "oak", "Oak").await.unwrap();
    let mut tx = store.db.write().await.unwrap();
    let sql = Sql::portable("UPDATE district SET time_zone = 'Canary/Nowhere'").named("TAMPER");
    tx.query(sql).execute().await.unwrap();
    tx.commit().await.unwrap();
    let error = store.districts().await.unwrap_err();
    assert_eq!(error, StoreError::CorruptRow { table: "district", field: "time_zone" });
}

#[tokio::test]
async fn a_writer_waits_for_the_one_before_it() {
    let (_folder, store) = fresh().await;
    let first = store.db.write().await.unwrap();
    let other = store.clone();
    let second = tokio::spawn(async move { make(&other, "elm", "Elm").await });
    tokio::task::yield_now().await;
    make_in(first).await;
    second.await.unwrap().unwrap();
    assert_eq!(store.districts().await.unwrap().len(), 2);
}

async fn make_in(mut tx: super::db::Tx) {
    let sql = Sql::portable(
        "INSERT INTO district (id, name, time_zone, end_dates, audit_head)
         VALUES ('oak', 'Oak', 'UTC', 'exclusive', '')",
    )
    .named("MAKE");
    tx.query(sql).execute_exactly(1).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn two_parts_of_an_sqlite_store_are_two_files_with_their_own_tables() {
    let (folder, _store) = fresh().await;
    let settings = Settings { url: format!("sqlite:{}/rosterd.db", folder.path().display()) };
    let queue: Db = schema::open(&settings, schema::Part::Queue).await.unwrap();
    let mut tx = queue.read().await.unwrap();
    let sql = Sql::portable("SELECT COUNT(*) AS n FROM request").named("COUNT");
    assert_eq!(tx.query(sql).fetch_one::<(i64,)>().await.unwrap(), (0,));
    let sql = Sql::portable("SELECT COUNT(*) AS n FROM audit").named("COUNT");
    assert!(tx.query(sql).fetch_one::<(i64,)>().await.is_err());
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_settled_by_the_runs_row() {
    use crate::model::{AuditSpan, RunRecord, Timestamp, Trigger};

    let (_folder, store) = fresh().await;
    make(&store, "oak", "Oak").await.unwrap();
    let at = Timestamp::parse("2026-10-05T07:00:00Z").unwrap();
    let mut run = RunRecord::queued("01RUN".into(), "oak".into(), Trigger::Cli, "apply", at);
    run.status = crate::model::RunStatus::Applied;
    let span = AuditSpan { first_seq: 1, last_seq: 2, head: "h".to_owned() };
    run.audit = Some(span.clone());
    let lost = StoreError::Unreachable { during: "COMMIT", code: "57P01".to_owned() };

    let not_there = store.settle(&run, lost.clone()).await;
    assert_eq!(not_there, Err(super::WriteError::Store(lost.clone())));
    store.finish_run(&run, None).await.unwrap();
    assert_eq!(store.settle(&run, lost.clone()).await, Ok(Some(span)));
    run.audit = None;
    let anothers = store.settle(&run, lost.clone()).await;
    assert_eq!(anothers, Err(super::WriteError::Store(lost)), "the row tells of other entries");
}

/// Statements that walk a whole table or index, because it is small, or because all of it is what they are for.
const WHOLE: &[&str] = &[
    // what there is of every district, counted for the metrics
    "ALERT_COUNTS",
    "HELD_COUNTS",
    "LAST_RUNS",
    "SEAT_COUNTS",
    "WAITING_COUNTS",
    // a row for each district, product, subscription or message that is not sent yet
    "ALL_IN_FORCE",
    "ALL_OFFERED",
    "ALL_PURCHASES",
    "ALL_RULES_IN_FORCE",
    "COUNTS",
    "DISTRICTS",
    "FORGET_MESSAGES",
    "FORGET_NOTICES",
    "FORGET_RELEASES",
    "LAST_HOLD",
    "LATEST_AT",
    "LISTED",
    "MESSAGES",
    "OLDEST",
    "PRODUCTS",
    "RAISE_FLOOR",
    "REVISIONS",
    "REVIVE",
    "SUMS",
    "TAKE",
    "VOID_LEASES",
    // a list of all runs, newest first, up to its limit
    "RUNS",
    // what is held, by verifying, erasing and deleting what is past its retention
    "BODIES_OF_USER",
    "DECIDED_HELD",
    "DISTRICT_HELD",
    "EVERYWHERE",
    "OVERDUE",
    "PEOPLE_LEFT",
    "USER_HELD",
];

/// A statement that walks all records or the whole audit is a second at a hundred thousand students: an index, or the order
/// of a join, decides that, and a new index may decide it anew.
#[tokio::test]
async fn no_statement_walks_through_a_table_that_it_need_not_walk_through() {
    let (_folder, store) = fresh().await;
    let mut whole = std::collections::BTreeSet::new();
    for sql in super::statements::OF_STORE.iter().flat_map(|it| it.iter()) {
        for step in store.db.steps(*sql).await.unwrap() {
            let (name, step) = step.split_once(": ").unwrap();
            // `j` and what has a bracket are what was given along, and what another step found.
            let given = ["SCAN j ", "SCAN page", "SCAN (", "SCAN CONSTANT ROW"].iter().any(|it| step.starts_with(it));
            let walks = step.starts_with("SCAN") || step.starts_with("SEARCH") && !step.contains('(');
            if walks && !given {
                whole.insert(name.to_owned());
            }
        }
    }
    let known = WHOLE.iter().map(ToString::to_string).collect();
    assert_eq!(whole, known);
}
