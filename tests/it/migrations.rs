//! The two schemas are one schema, and a database that is not at it is refused.

use std::collections::BTreeSet;

use rosterd::store::{Queue, Settings, Store, StoreError, migrations};
use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::support::db::{Backend, Fresh};
use crate::support::postgres;

#[test]
fn both_folders_hold_the_same_migrations_and_all_are_listed() {
    let listed: BTreeSet<String> = migrations()
        .iter()
        .map(|(version, name, ..)| {
            assert!(name.starts_with(&format!("{version:04}_")), "{name}");
            format!("{name}.sql")
        })
        .collect();
    for backend in ["sqlite", "postgres"] {
        let folder = format!("{}/migrations/{backend}", env!("CARGO_MANIFEST_DIR"));
        let files: BTreeSet<String> =
            std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(files, listed, "{backend}");
    }
}

/// (table, column, kind of value, may be null)
type Columns = BTreeSet<(String, String, String, bool)>;

async fn sqlite_columns(path: &str) -> Columns {
    let mut conn = SqliteConnection::connect(&format!("sqlite:{path}")).await.unwrap();
    let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
        "SELECT m.name, c.name, c.type, c.\"notnull\" FROM sqlite_schema AS m
         JOIN pragma_table_info(m.name) AS c
         WHERE m.type = 'table' AND m.name NOT LIKE '\\_sqlx%' ESCAPE '\\' AND m.name NOT LIKE 'sqlite%'",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    conn.close().await.unwrap();
    rows.into_iter().map(|(table, column, kind, not_null)| (table, column, kind, not_null == 0)).collect()
}

async fn postgres_columns(url: &str) -> Columns {
    let mut conn = PgConnection::connect(url).await.unwrap();
    let rows: Vec<(String, String, String, String, Option<String>)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text, data_type::text, is_nullable::text,
             collation_name::text
         FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%'",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    conn.close().await.unwrap();
    let kind = |kind: &str| match kind {
        "text" => "TEXT",
        "bigint" | "boolean" => "INTEGER",
        "bytea" => "BLOB",
        other => panic!("a column of type {other}"),
    };
    for (table, column, it, _, collation) in &rows {
        assert!(it != "text" || collation.as_deref() == Some("C"), "{table}.{column} has no byte order");
    }
    rows.into_iter().map(|(table, column, it, null, _)| (table, column, kind(&it).to_owned(), null == "YES")).collect()
}

#[tokio::test]
async fn both_schemas_have_the_same_tables_and_columns() {
    let sqlite = Fresh::new(Backend::Sqlite).await.unwrap();
    let Some(postgres) = Fresh::new(Backend::Postgres).await else { return };
    Store::migrate(&sqlite.settings).await.unwrap();
    let store = sqlite.settings.url.strip_prefix("sqlite:").unwrap();
    let mut columns = sqlite_columns(store).await;
    columns.extend(sqlite_columns(&store.replace("rosterd.db", "rosterd-queue.db")).await);
    assert_eq!(columns, postgres_columns(&postgres.settings.url).await);
    postgres.discard().await;
}

#[tokio::test]
async fn every_statement_prepares_on_both_with_the_same_parameters_and_columns() {
    let sqlite = Fresh::new(Backend::Sqlite).await.unwrap();
    let mut here = sqlite.store().await.describe_statements().await.unwrap();
    here.extend(sqlite.queue().await.describe_statements().await.unwrap());
    assert!(here.len() > 50, "{}", here.len());
    for it in &here {
        assert_eq!(it.parameters, it.arity, "{}", it.name);
    }
    let names: BTreeSet<_> = here.iter().map(|it| it.name).collect();
    assert_eq!(names.len(), here.len(), "two statements have one name");
    let Some(postgres) = Fresh::new(Backend::Postgres).await else { return };
    let mut there = postgres.store().await.describe_statements().await.unwrap();
    there.extend(postgres.queue().await.describe_statements().await.unwrap());
    let forms = there.len();
    there.dedup();
    assert!(there.len() < forms, "some have a second form there, which is like the first");
    assert_eq!(here, there);
    postgres.discard().await;
}

#[tokio::test]
async fn sqlite_migrates_when_it_is_opened_and_both_files_appear() {
    let fresh = Fresh::new(Backend::Sqlite).await.unwrap();
    fresh.store().await.close().await;
    fresh.queue().await.close().await;
    assert!(fresh.folder().join("var/rosterd.db").is_file());
    assert!(fresh.folder().join("var/rosterd-queue.db").is_file());
    Store::open(&fresh.settings).await.unwrap();
}

#[tokio::test]
async fn many_processes_may_open_a_new_sqlite_store_at_once() {
    for _ in 0..10 {
        let fresh = Fresh::new(Backend::Sqlite).await.unwrap();
        let opened = futures_util::future::join_all((0..8).map(|_| Store::open(&fresh.settings))).await;
        let keys: BTreeSet<Vec<u8>> = opened.into_iter().map(|it| it.unwrap().pseudonym_key().to_vec()).collect();
        assert_eq!(keys.len(), 1);
    }
}

#[tokio::test]
async fn an_unmigrated_postgres_is_refused_with_the_command_that_helps() {
    let Some(url) = postgres::bare_database().await else { return };
    let settings = Settings { url };
    let refused = Store::open(&settings).await.unwrap_err();
    assert!(matches!(refused, StoreError::NotMigrated { found: 0, .. }), "{refused:?}");
    assert!(refused.to_string().contains("rosterd migrate"));
    let both = futures_util::future::join_all((0..3).map(|_| Store::migrate(&settings))).await;
    for migrated in both {
        migrated.unwrap();
    }
    Store::open(&settings).await.unwrap().close().await;
    Queue::open(&settings).await.unwrap().close().await;
    postgres::drop_database(&settings.url).await;
}

both!(a_newer_schema_is_refused, a_step_that_was_added_between_two_others_is_made_up_for);

async fn a_newer_schema_is_refused(fresh: &Fresh) {
    fresh.store().await.close().await;
    let sql = |empty: &str| {
        format!(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'from the future', TRUE, {empty}, 0)"
        )
    };
    fresh.raw(&sql("x''"), &sql("''")).await.unwrap();
    for refused in [Store::open(&fresh.settings).await.err(), Store::migrate(&fresh.settings).await.err()] {
        assert!(matches!(refused, Some(StoreError::NewerSchema { found: 9999, .. })), "{refused:?}");
    }
}

async fn a_step_that_was_added_between_two_others_is_made_up_for(fresh: &Fresh) {
    fresh.store().await.close().await;
    let sql = "DROP TABLE recent_loss; DELETE FROM _sqlx_migrations WHERE version = 8";
    fresh.raw(sql, sql).await.unwrap();
    let opened = Store::open(&fresh.settings).await;
    if fresh.backend == Backend::Postgres {
        assert!(matches!(opened.err(), Some(StoreError::NotMigrated { .. })), "`migrate` is a step of its own here");
        Store::migrate(&fresh.settings).await.unwrap();
    }
    fresh.store().await.close().await;
    let sql = "DELETE FROM recent_loss";
    fresh.raw(sql, sql).await.expect("the table is there again");
}
