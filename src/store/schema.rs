//! Opening a database: settings that durability rests on, migrations, and the refusal of a schema newer than this program.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, PgConnection, SqlSafeStr};

use crate::store::StoreError;
use crate::store::db::{Db, Sql};
use crate::store::settings::{Place, Settings, beside};

/// The two files of an `SQLite` store; on `PostgreSQL` one database holds both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Districts, records, seats, runs, audit.
    Store,
    /// Requests, leases, nights, tokens, idempotency keys, turns.
    Queue,
}

struct Step {
    part: Part,
    version: i64,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! step {
    ($part:ident, $version:literal, $name:literal) => {
        Step {
            part: Part::$part,
            version: $version,
            name: $name,
            sqlite: include_str!(concat!("../../migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../../migrations/postgres/", $name, ".sql")),
        }
    };
}

const STEPS: &[Step] = &[
    step!(Store, 1, "0001_store"),
    step!(Queue, 2, "0002_queue"),
    step!(Store, 3, "0003_alert"),
    step!(Store, 4, "0004_identity"),
    step!(Store, 6, "0006_catalog"),
    step!(Store, 8, "0008_guard"),
    step!(Store, 9, "0009_history"),
    step!(Store, 10, "0010_mode"),
    step!(Store, 11, "0011_fleet"),
    step!(Store, 16, "0016_change"),
    step!(Store, 20, "0020_notice"),
    step!(Store, 21, "0021_known"),
    step!(Store, 24, "0024_settled"),
    step!(Store, 25, "0025_uses"),
    step!(Store, 26, "0026_audit_subject"),
    step!(Store, 27, "0027_by_run"),
    step!(Store, 28, "0028_image"),
    step!(Queue, 29, "0029_pace"),
    step!(Store, 30, "0030_first_load"),
    step!(Store, 31, "0031_recall"),
    step!(Store, 32, "0032_seats_by_key"),
];

/// Pages a writer of `SQLite` keeps, in KiB and below zero as it wants them: a large first load touches pages all over.
const WRITER_CACHE: &str = "-65536";

/// The first `SQLite` without the WAL-reset corruption (reliability.md 0.1).
const OLDEST_SQLITE: [u32; 3] = [3, 51, 3];

const SQLITE_VERSION: Sql = Sql::portable("SELECT sqlite_version() AS version").named("SQLITE_VERSION");

/// Settings that are asked back after opening, with what `SQLite` must answer.
const PRAGMAS: &[(&str, &str, Sql)] = &[
    ("journal_mode", "wal", Sql::portable("SELECT journal_mode AS value FROM pragma_journal_mode")),
    ("synchronous", "2", Sql::portable("SELECT CAST(synchronous AS TEXT) AS value FROM pragma_synchronous")),
    ("foreign_keys", "1", Sql::portable("SELECT CAST(foreign_keys AS TEXT) AS value FROM pragma_foreign_keys")),
    (
        "recursive_triggers",
        "1",
        Sql::portable("SELECT CAST(recursive_triggers AS TEXT) AS value FROM pragma_recursive_triggers"),
    ),
    ("secure_delete", "1", Sql::portable("SELECT CAST(secure_delete AS TEXT) AS value FROM pragma_secure_delete")),
];

/// The latest applied version, 0 for a database without any, and how many were applied.
const LATEST: Sql =
    Sql::portable("SELECT COALESCE(MAX(version), 0) AS version, COUNT(*) AS applied FROM _sqlx_migrations")
        .named("LATEST");
const HAS_MIGRATIONS: Sql = Sql::per_backend(
    // the two databases keep their tables in different places
    "SELECT COUNT(*) AS n FROM sqlite_schema WHERE name = '_sqlx_migrations'",
    "SELECT COUNT(*) AS n FROM pg_class WHERE oid = to_regclass('_sqlx_migrations')",
)
.named("HAS_MIGRATIONS");

fn steps(part: Option<Part>) -> impl Iterator<Item = &'static Step> {
    STEPS.iter().filter(move |step| part.is_none_or(|part| part == step.part))
}

fn latest(part: Option<Part>) -> i64 {
    steps(part).map(|step| step.version).max().unwrap_or(0)
}

fn migrator(part: Option<Part>, text: fn(&Step) -> &'static str) -> Migrator {
    let migrations = steps(part).map(|step| {
        let sql = text(step).into_sql_str();
        Migration::new(step.version, Cow::Borrowed(step.name), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(migrations.collect())
}

fn migrate_error(error: &sqlx::migrate::MigrateError) -> StoreError {
    use sqlx::migrate::MigrateError;
    match error {
        MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => {
            match StoreError::of("MIGRATE", cause) {
                StoreError::Failed { code, .. } | StoreError::Refused { code, .. } => StoreError::Migrate { code },
                named => named,
            }
        }
        MigrateError::VersionMismatch(version) => {
            StoreError::Migrate { code: format!("migration {version} is not the one applied") }
        }
        MigrateError::VersionMissing(version) => StoreError::NewerSchema { found: *version, known: latest(None) },
        _ => StoreError::Migrate { code: "migrations".to_owned() },
    }
}

/// Opens one part. An `SQLite` file is made and migrated; a `PostgreSQL` database must have been migrated.
pub(crate) async fn open(settings: &Settings, part: Part) -> Result<Db, StoreError> {
    match settings.place()? {
        Place::Sqlite(store) => {
            let path = match part {
                Part::Store => store,
                Part::Queue => beside(&store, "queue"),
            };
            open_sqlite(settings, &path, part).await
        }
        Place::Postgres(url) => {
            let db = Db::Postgres(connect_postgres(settings, &url).await?);
            let Applied { latest: found, whole } = applied(&db, None).await?;
            let known = latest(None);
            if found <= known && !whole {
                return Err(StoreError::NotMigrated { found, wanted: known });
            }
            refuse_newer(found, known)?;
            Ok(db)
        }
    }
}

/// Brings both parts to this program's schema.
pub(crate) async fn migrate(settings: &Settings) -> Result<(), StoreError> {
    match settings.place()? {
        Place::Sqlite(_) => {
            for part in [Part::Store, Part::Queue] {
                open(settings, part).await?.close().await;
            }
            Ok(())
        }
        Place::Postgres(url) => migrate_postgres(settings, &url).await,
    }
}

/// What a database has of this program's migrations.
struct Applied {
    /// The highest version, 0 for none.
    latest: i64,
    /// Whether none is missing; a step that was added between two others may be.
    whole: bool,
}

async fn applied(db: &Db, part: Option<Part>) -> Result<Applied, StoreError> {
    let mut tx = db.read().await?;
    let (tables,): (i64,) = tx.query(HAS_MIGRATIONS).fetch_one().await?;
    if tables == 0 {
        return Ok(Applied { latest: 0, whole: false });
    }
    let (latest, count): (i64, i64) = tx.query(LATEST).fetch_one().await?;
    let wanted = i64::try_from(steps(part).count()).unwrap_or(i64::MAX);
    Ok(Applied { latest, whole: count >= wanted })
}

fn refuse_newer(found: i64, known: i64) -> Result<(), StoreError> {
    if found > known { Err(StoreError::NewerSchema { found, known }) } else { Ok(()) }
}

fn cannot_open(settings: &Settings, code: String, remedy: &'static str) -> StoreError {
    StoreError::Open { store: settings.shown(), code, remedy }
}

const CHECK_FOLDER: &str = "check that its folder exists and can be written";

async fn open_sqlite(settings: &Settings, path: &Path, part: Part) -> Result<Db, StoreError> {
    if let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|error| cannot_open(settings, error.kind().to_string(), CHECK_FOLDER))?;
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_mins(1))
        .pragma("recursive_triggers", "ON")
        .pragma("secure_delete", "ON")
        .disable_statement_logging();
    let opened = |error: sqlx::Error| match StoreError::of("OPEN", &error) {
        StoreError::Unreachable { code, .. } => cannot_open(settings, code, CHECK_FOLDER),
        named => named,
    };
    // SQLite does not wait for a lock when it turns a file to WAL: of two that try at once, one is told "busy" at once
    let mut held = if in_wal(path) { None } else { Some(lock_beside(settings, path).await?) };
    // a writer of this process waits for the one before it, however large that one's district
    let one = without_broken()
        .max_connections(1)
        .acquire_timeout(Duration::from_mins(10))
        .idle_timeout(None)
        .max_lifetime(None);
    let writer = one.connect_with(options.clone().pragma("cache_size", WRITER_CACHE)).await.map_err(opened)?;
    let readers: SqlitePool =
        without_broken().max_connections(4).connect_with(options.pragma("query_only", "ON")).await.map_err(opened)?;
    let db = Db::Sqlite { writer: writer.clone(), readers };
    check_sqlite(&db).await?;

    let known = latest(Some(part));
    let Applied { latest: found, whole } = applied(&db, Some(part)).await?;
    refuse_newer(found, known)?;
    if !whole {
        if held.is_none() {
            held = Some(lock_beside(settings, path).await?);
        }
        let run = migrator(Some(part), |step| step.sqlite).run(&writer).await;
        run.map_err(|error| migrate_error(&error))?;
    }
    drop(held);
    Ok(db)
}

/// On a full or failing disk SQLite itself rolls a transaction back, and sqlx goes on counting it: such a connection would never
/// begin another one (F62, F64). It is closed and a new one opened, so that the daemon goes on once there is room again.
fn without_broken() -> SqlitePoolOptions {
    SqlitePoolOptions::new().before_acquire(|conn, _| Box::pin(async move { Ok(!conn.is_in_transaction()) }))
}

/// Whether the file's header says that it is kept with a write-ahead log (SQLite file format, 1.3: bytes 18 and 19 are 2).
fn in_wal(path: &Path) -> bool {
    let mut header = [0; 20];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header[18..] == [2, 2]
}

/// The lock under which a file is made, turned to WAL and migrated; it ends with the returned file.
async fn lock_beside(settings: &Settings, path: &Path) -> Result<File, StoreError> {
    let lock = beside(path, "migrating");
    let taken = tokio::task::spawn_blocking(move || -> std::io::Result<File> {
        let file = File::create(lock)?;
        file.lock()?;
        Ok(file)
    });
    let taken = taken.await.map_err(|_| StoreError::Migrate { code: "lock".to_owned() })?;
    taken.map_err(|error| cannot_open(settings, error.kind().to_string(), CHECK_FOLDER))
}

/// Version and settings are asked back: a build or a file system may have taken others.
async fn check_sqlite(db: &Db) -> Result<(), StoreError> {
    let Db::Sqlite { writer, readers } = db else { return Ok(()) };
    for pool in [writer, readers] {
        // never the write lock: a store is opened while another process applies
        let reading = Db::Sqlite { writer: pool.clone(), readers: pool.clone() };
        let mut tx = reading.read().await?;
        let (found,): (String,) = tx.query(SQLITE_VERSION).fetch_one().await?;
        let mut numbers = found.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        if [(); 3].map(|()| numbers.next().unwrap_or(0)) < OLDEST_SQLITE {
            return Err(StoreError::OldSqlite { found });
        }
        for &(pragma, wanted, sql) in PRAGMAS {
            let (found,): (String,) = tx.query(sql.named("PRAGMA")).fetch_one().await?;
            if found != wanted {
                return Err(StoreError::Pragma { pragma, wanted, found });
            }
        }
    }
    Ok(())
}

fn postgres_options(settings: &Settings, url: &str) -> Result<PgConnectOptions, StoreError> {
    let options = PgConnectOptions::from_str(url).map_err(|_| StoreError::Url { url: settings.shown() })?;
    Ok(options.application_name("rosterd").disable_statement_logging())
}

const CHECK_SERVER: &str = "check that the server is up, that the database exists and that the user may connect";

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// One connection first: a pool would try a server that refuses for as long as its patience lasts.
async fn connect_once(settings: &Settings, url: &str) -> Result<PgConnection, StoreError> {
    let options = postgres_options(settings, url)?;
    let connected = tokio::time::timeout(PATIENCE, PgConnection::connect_with(&options)).await;
    let connected = connected.map_err(|_| cannot_open(settings, "no answer in 10 s".to_owned(), CHECK_SERVER))?;
    connected.map_err(|error| match StoreError::of("OPEN", &error) {
        StoreError::Unreachable { code, .. } | StoreError::Failed { code, .. } => {
            cannot_open(settings, code, CHECK_SERVER)
        }
        named => named,
    })
}

async fn connect_postgres(settings: &Settings, url: &str) -> Result<PgPool, StoreError> {
    let first = connect_once(settings, url).await?;
    first.close().await.map_err(|error| StoreError::of("CLOSE", &error))?;
    let pool = PgPoolOptions::new().max_connections(8).acquire_timeout(Duration::from_secs(30));
    Ok(pool.connect_lazy_with(postgres_options(settings, url)?))
}

/// sqlx takes an advisory lock for the whole of it, on this one connection.
async fn migrate_postgres(settings: &Settings, url: &str) -> Result<(), StoreError> {
    let pool = connect_postgres(settings, url).await?;
    let db = Db::Postgres(pool);
    refuse_newer(applied(&db, None).await?.latest, latest(None))?;
    db.close().await;
    let mut conn = connect_once(settings, url).await?;
    let run = migrator(None, |step| step.postgres).run(&mut conn).await;
    conn.close().await.map_err(|error| StoreError::of("CLOSE", &error))?;
    run.map_err(|error| migrate_error(&error))
}

/// Version and name of every migration, and its text for `SQLite` and `PostgreSQL`.
pub fn migrations() -> Vec<(i64, &'static str, &'static str, &'static str)> {
    STEPS.iter().map(|it| (it.version, it.name, it.sqlite, it.postgres)).collect()
}
