//! A fresh database of either kind for each test.

use rosterd::store::{Queue, Settings, Store};

use super::postgres;

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// An empty, migrated database of a test's own.
pub(crate) struct Fresh {
    pub(crate) backend: Backend,
    pub(crate) settings: Settings,
    folder: tempfile::TempDir,
}

impl Fresh {
    /// None if there is no `PostgreSQL` here; with `CI=true` that is a failure.
    pub(crate) async fn new(backend: Backend) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let url = match backend {
            Backend::Sqlite => format!("sqlite:{}/var/rosterd.db", folder.path().display()),
            Backend::Postgres => postgres::fresh_database().await?,
        };
        Some(Self { backend, settings: Settings { url }, folder })
    }

    /// One that is there, with a folder of its own beside it.
    pub(crate) fn at(url: String) -> Self {
        let backend = if url.starts_with("sqlite:") { Backend::Sqlite } else { Backend::Postgres };
        Self { backend, settings: Settings { url }, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) async fn store(&self) -> Store {
        Store::open(&self.settings).await.unwrap()
    }

    pub(crate) async fn queue(&self) -> Queue {
        Queue::open(&self.settings).await.unwrap()
    }

    /// As [`raw`], on this database.
    pub(crate) async fn raw(&self, sqlite: &str, postgres: &str) -> Result<u64, String> {
        let sql = if self.backend == Backend::Sqlite { sqlite } else { postgres };
        raw(&self.settings.url, sql).await
    }

    pub(crate) async fn discard(self) {
        if self.backend == Backend::Postgres {
            postgres::drop_database(&self.settings.url).await;
        }
    }
}

/// Runs statements past the door, as someone with the database's own shell would. On `SQLite` that shell has none of our
/// settings. `Err` is the database's message.
pub(crate) async fn raw(url: &str, sql: &str) -> Result<u64, String> {
    use sqlx::{AssertSqlSafe, Connection, raw_sql};
    let sql = AssertSqlSafe(sql.to_owned());
    if let Some(path) = url.strip_prefix("sqlite:") {
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(false)
            .pragma("recursive_triggers", "OFF");
        let mut conn = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        let done = raw_sql(sql).execute(&mut conn).await;
        conn.close().await.unwrap();
        return done.map(|it| it.rows_affected()).map_err(|it| it.to_string());
    }
    let mut conn = sqlx::PgConnection::connect(url).await.unwrap();
    let done = raw_sql(sql).execute(&mut conn).await;
    conn.close().await.unwrap();
    done.map(|it| it.rows_affected()).map_err(|it| it.to_string())
}

/// Stamps tests, each an `async fn(&Fresh)` of this module, for both databases.
#[macro_export]
macro_rules! both {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                use $crate::support::db::{Backend, Fresh};
                let fresh = Fresh::new(Backend::Sqlite).await.unwrap();
                super::$name(&fresh).await;
                fresh.discard().await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $name() {
                use $crate::support::db::{Backend, Fresh};
                let Some(fresh) = Fresh::new(Backend::Postgres).await else { return };
                super::$name(&fresh).await;
                fresh.discard().await;
            })+
        }
    };
}
