//! The door to two databases: each statement is written once, bound once and read once, whichever is behind it.
//!
//! This file and [`copy`] alone hand text to a driver. A statement is a constant; nothing is ever spliced into one.

use serde::Serialize;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgListener, PgPool, PgRow};
use sqlx::sqlite::{SqliteArguments, SqlitePool, SqliteRow};
use sqlx::{Arguments, Column, Encode, Executor, FromRow, Postgres, Sqlite, Statement, Transaction, Type};

use crate::store::StoreError;
use crate::store::column::Table;
pub(crate) use crate::store::copy::bulk;
use crate::store::copy::{self, Copied};
use crate::store::write::BATCH;

/// One statement: the same text for both databases, or one text for each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sql {
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
    copied: Option<Copied>,
    arity: usize,
}

impl Sql {
    /// One text for both.
    pub(crate) const fn portable(text: &'static str) -> Self {
        Self::per_backend(text, text)
    }

    /// Two texts that take the same parameters and return the same columns.
    pub(crate) const fn per_backend(sqlite: &'static str, postgres: &'static str) -> Self {
        let arity = highest_placeholder(sqlite);
        assert!(arity == highest_placeholder(postgres), "the two texts take different parameters");
        Self { name: "", sqlite, postgres, copied: None, arity }
    }

    /// The same, which PostgreSQL may also be given its rows for through `COPY`.
    pub(crate) const fn copied(self, copied: Copied) -> Self {
        Self { copied: Some(copied), ..self }
    }

    /// The name that errors give it.
    pub(crate) const fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }
}

#[cfg(test)]
impl Db {
    /// How `SQLite` goes about a statement, step by step, as `NAME: STEP`.
    pub(crate) async fn steps(&self, sql: Sql) -> Result<Vec<String>, StoreError> {
        let text: &'static str = Box::leak(format!("EXPLAIN QUERY PLAN {}", sql.sqlite).into_boxed_str());
        let mut tx = self.read().await?;
        let mut query = tx.query(Sql { sqlite: text, ..sql });
        for _ in 0..sql.arity {
            query = query.bind(None::<String>);
        }
        let steps: Vec<(i64, i64, i64, String)> = query.fetch_all().await?;
        Ok(steps.into_iter().map(|(.., step)| format!("{}: {step}", sql.name)).collect())
    }
}

const fn highest_placeholder(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut highest, mut at) = (0, 0);
    while at < bytes.len() {
        if bytes[at] == b'$' {
            let mut number = 0;
            while at + 1 < bytes.len() && bytes[at + 1].is_ascii_digit() {
                at += 1;
                #[expect(clippy::as_conversions, reason = "widening; `From` is not const")]
                let digit = (bytes[at] - b'0') as usize;
                number = number * 10 + digit;
            }
            if number > highest {
                highest = number;
            }
        }
        at += 1;
    }
    highest
}

/// Declares a file's statements, and the list of them that a test prepares on both databases.
macro_rules! statements {
    ($($(#[$note:meta])* $name:ident = $sql:expr;)+) => {
        $($(#[$note])* const $name: $crate::store::db::Sql = $sql.named(stringify!($name));)+

        /// Every statement of this file.
        pub(in crate::store) const STATEMENTS: &[$crate::store::db::Sql] = &[$($name),+];
    };
}
pub(crate) use statements;

/// A value that both databases can bind. Nothing to implement.
pub(crate) trait Param<'v>: Encode<'v, Sqlite> + Type<Sqlite> + Encode<'v, Postgres> + Type<Postgres> {}
impl<'v, T> Param<'v> for T where T: Encode<'v, Sqlite> + Type<Sqlite> + Encode<'v, Postgres> + Type<Postgres> {}

/// A row that both databases can decode: a tuple of columns.
pub(crate) trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}
impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// The server ends a transaction whose process stands still: stopped or cut off in the middle of one, it would keep the
/// district's row from whoever takes the run over, for as long as it is not seen to be dead (F22). Between two statements this
/// program only computes, seconds for the largest district.
const BEGIN_ON_POSTGRES: &str = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '5min'";

/// An open database.
#[derive(Clone, Debug)]
pub(crate) enum Db {
    /// One connection writes, several read: writers on a shared pool starve.
    Sqlite { writer: SqlitePool, readers: SqlitePool },
    /// A pool.
    Postgres(PgPool),
}

/// Notifications of other processes. Some may be lost, with their connection or behind a pooler that shares it between
/// transactions: whoever waits for one looks by itself now and then, too.
#[derive(Debug)]
pub struct Wakes(PgListener);

impl Wakes {
    /// Waits for the next one; a connection that broke is made anew.
    pub async fn next(&mut self) -> Result<(), StoreError> {
        self.0.recv().await.map(drop).map_err(|error| StoreError::of("LISTEN", &error))
    }
}

/// A transaction; dropped, it rolls back.
#[derive(Debug)]
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Db {
    /// A transaction that writes. On `SQLite` it has the write lock from its start.
    pub(crate) async fn write(&self) -> Result<Tx, StoreError> {
        let begun = match self {
            Self::Sqlite { writer, .. } => writer.begin_with("BEGIN IMMEDIATE").await.map(Tx::Sqlite),
            Self::Postgres(pool) => pool.begin_with(BEGIN_ON_POSTGRES).await.map(Tx::Postgres),
        };
        begun.map_err(|error| StoreError::of("BEGIN", &error))
    }

    /// A transaction whose reads agree with one another.
    pub(crate) async fn read(&self) -> Result<Tx, StoreError> {
        let begun = match self {
            Self::Sqlite { readers, .. } => readers.begin_with("BEGIN DEFERRED").await.map(Tx::Sqlite),
            Self::Postgres(pool) => {
                pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await.map(Tx::Postgres)
            }
        };
        begun.map_err(|error| StoreError::of("BEGIN", &error))
    }

    /// What is notified on a channel of PostgreSQL.
    pub(crate) async fn listen(&self, channel: &'static str) -> Result<Option<Wakes>, StoreError> {
        let Self::Postgres(pool) = self else { return Ok(None) };
        let failed = |error| StoreError::of("LISTEN", &error);
        let mut listener = PgListener::connect_with(pool).await.map_err(failed)?;
        listener.listen(channel).await.map_err(failed)?;
        Ok(Some(Wakes(listener)))
    }

    /// Closes every connection.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }

    /// Gives the room of deleted rows back, so that no file holds what they held; false if a reader was in the way.
    /// Outside of any transaction, which is why it does not go through [`Tx`].
    #[expect(clippy::disallowed_methods, reason = "this file is the door")]
    pub(crate) async fn compact(&self) -> Result<bool, StoreError> {
        let failed = |error: sqlx::Error| StoreError::of("COMPACT", &error);
        match self {
            Self::Sqlite { writer, .. } => {
                sqlx::query("VACUUM").execute(writer).await.map_err(failed)?;
                let (busy, _, _): (i64, i64, i64) =
                    sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(writer).await.map_err(failed)?;
                Ok(busy == 0)
            }
            Self::Postgres(pool) => {
                for table in ["VACUUM record", "VACUUM record_version", "VACUUM held_change"] {
                    sqlx::query(table).execute(pool).await.map_err(failed)?;
                }
                Ok(true)
            }
        }
    }

    /// Has `PostgreSQL` look at what lies in the tables that a large write filled. Its own collector comes a minute later; until
    /// then it plans as if they were empty, and reads a table once for each page of it. `SQLite` plans without.
    #[expect(clippy::disallowed_methods, reason = "this file is the door")]
    pub(crate) async fn survey(&self) -> Result<(), StoreError> {
        let Self::Postgres(pool) = self else { return Ok(()) };
        let tables = "ANALYZE record, record_version, seat, waiting, audit, change_key";
        sqlx::query(tables).execute(pool).await.map(|_| ()).map_err(|error| StoreError::of("ANALYZE", &error))
    }

    /// Copies an `SQLite` database into a new file, as of one instant, while others read and write.
    #[expect(clippy::disallowed_methods, reason = "this file is the door")]
    pub(crate) async fn copy_into(&self, file: &str) -> Result<(), StoreError> {
        // It only reads here, but the connections of readers may write nowhere.
        let Self::Sqlite { writer, .. } = self else { return Err(StoreError::BackupElsewhere) };
        let copied = sqlx::query("VACUUM INTO $1").bind(file).execute(writer).await;
        copied.map(|_| ()).map_err(|error| StoreError::of("BACKUP", &error))
    }

    /// What the database makes of a statement, in each form that it has there: its name, number of parameters and columns.
    pub(crate) async fn describe(&self, sql: Sql) -> Result<Vec<Described>, StoreError> {
        let failed = |error: sqlx::Error| StoreError::of(sql.name, &error);
        let mut forms = Vec::new();
        match self {
            Self::Sqlite { readers, .. } => {
                let mut conn: PoolConnection<Sqlite> = readers.acquire().await.map_err(failed)?;
                let text = sqlx::SqlSafeStr::into_sql_str(sql.sqlite);
                forms.push(parts(&(&mut *conn).prepare(text).await.map_err(failed)?));
            }
            Self::Postgres(pool) => {
                let mut tx: Transaction<'static, Postgres> = pool.begin().await.map_err(failed)?;
                if let Some(copied) = sql.copied {
                    copy::make_room(&mut tx, copied).await.map_err(failed)?;
                }
                for text in [Some(sql.postgres), sql.copied.map(|it| it.put)].into_iter().flatten() {
                    let text = sqlx::SqlSafeStr::into_sql_str(text);
                    forms.push(parts(&(&mut *tx).prepare(text).await.map_err(failed)?));
                }
            }
        }
        let described = |(parameters, columns)| Described { name: sql.name, arity: sql.arity, parameters, columns };
        Ok(forms.into_iter().map(described).collect())
    }
}

/// A statement as a database sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The constant's name.
    pub name: &'static str,
    /// The highest placeholder in its text.
    pub arity: usize,
    /// Number of parameters that the database counts.
    pub parameters: usize,
    /// Names of its columns.
    pub columns: Vec<String>,
}

fn parts<S: Statement>(statement: &S) -> (usize, Vec<String>) {
    let parameters = statement.parameters().map_or(0, |it| it.either(<[_]>::len, |count| count));
    let columns = statement.columns().iter().map(|column| column.name().to_owned()).collect();
    (parameters, columns)
}

impl Tx {
    /// A statement in this transaction.
    pub(crate) fn query(&mut self, sql: Sql) -> Query<'_> {
        let target = match self {
            Self::Sqlite(tx) => Target::Sqlite(tx, SqliteArguments::default()),
            Self::Postgres(tx) => Target::Postgres(tx, PgArguments::default()),
        };
        Query { sql, given: 0, unencodable: false, target }
    }

    /// How many rows to give a statement at once.
    pub(super) fn batch(&self, sql: Sql) -> usize {
        match self {
            Self::Postgres(_) if sql.copied.is_some() => copy::AT_ONCE,
            Self::Sqlite(_) | Self::Postgres(_) => BATCH,
        }
    }

    /// Makes what was written last.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        let done = match self {
            Self::Sqlite(tx) => tx.commit().await,
            Self::Postgres(tx) => tx.commit().await,
        };
        done.map_err(|error| StoreError::of("COMMIT", &error))
    }
}

#[derive(Debug)]
enum Target<'t> {
    Sqlite(&'t mut Transaction<'static, Sqlite>, SqliteArguments),
    Postgres(&'t mut Transaction<'static, Postgres>, PgArguments),
}

/// A statement on its way, with the values bound so far.
#[derive(Debug)]
#[must_use = "a query that is not executed does nothing"]
pub(crate) struct Query<'t> {
    sql: Sql,
    given: usize,
    unencodable: bool,
    target: Target<'t>,
}

impl Query<'_> {
    /// Binds the next parameter.
    pub(crate) fn bind<'v, T: Param<'v>>(mut self, value: T) -> Self {
        let added = match &mut self.target {
            Target::Sqlite(_, args) => Arguments::add(args, value),
            Target::Postgres(_, args) => Arguments::add(args, value),
        };
        self.unencodable |= added.is_err();
        self.given += 1;
        self
    }

    /// Binds the rows of a statement of [`bulk!`], whichever way is the cheaper one.
    pub(super) async fn bind_rows<T: Serialize>(mut self, table: Table, rows: &[T]) -> Result<Self, StoreError> {
        if let (Target::Postgres(tx, _), Some(copied)) = (&mut self.target, self.sql.copied)
            && rows.len() >= copy::WORTH_IT
        {
            let lines = copy::lines(copied.columns, rows).map_err(|_| StoreError::Unwritable { table: table.0 })?;
            copy::copy(tx, copied, &lines).await.map_err(|error| StoreError::of(self.sql.name, &error))?;
            self.sql.postgres = copied.put;
            return Ok(self.bind(None::<String>));
        }
        let json = table.to_json(rows)?;
        Ok(self.bind(json))
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.unencodable {
            return Err(StoreError::Unwritable { table: self.sql.name });
        }
        if self.given != self.sql.arity {
            return Err(StoreError::Arity { statement: self.sql.name, takes: self.sql.arity, given: self.given });
        }
        Ok(())
    }

    /// Runs it; the number of rows it touched.
    #[expect(clippy::disallowed_methods, reason = "this file is the door")]
    pub(crate) async fn execute(self) -> Result<u64, StoreError> {
        self.check()?;
        let done = match self.target {
            Target::Sqlite(tx, args) => {
                sqlx::query_with(self.sql.sqlite, args).execute(&mut **tx).await.map(|it| it.rows_affected())
            }
            Target::Postgres(tx, args) => {
                sqlx::query_with(self.sql.postgres, args).execute(&mut **tx).await.map(|it| it.rows_affected())
            }
        };
        done.map_err(|error| StoreError::of(self.sql.name, &error))
    }

    /// Runs it; it must touch exactly `expected` rows.
    pub(crate) async fn execute_exactly(self, expected: usize) -> Result<(), StoreError> {
        let statement = self.sql.name;
        let expected = u64::try_from(expected).unwrap_or(u64::MAX);
        let actual = self.execute().await?;
        if actual == expected { Ok(()) } else { Err(StoreError::RowsAffected { statement, expected, actual }) }
    }

    /// All rows.
    pub(crate) async fn fetch_all<T: Row>(self) -> Result<Vec<T>, StoreError> {
        self.check()?;
        let rows = match self.target {
            Target::Sqlite(tx, args) => {
                sqlx::query_as_with::<Sqlite, T, _>(self.sql.sqlite, args).fetch_all(&mut **tx).await
            }
            Target::Postgres(tx, args) => {
                sqlx::query_as_with::<Postgres, T, _>(self.sql.postgres, args).fetch_all(&mut **tx).await
            }
        };
        rows.map_err(|error| StoreError::of(self.sql.name, &error))
    }

    /// The first row, if any.
    pub(crate) async fn fetch_optional<T: Row>(self) -> Result<Option<T>, StoreError> {
        self.check()?;
        let row = match self.target {
            Target::Sqlite(tx, args) => {
                sqlx::query_as_with::<Sqlite, T, _>(self.sql.sqlite, args).fetch_optional(&mut **tx).await
            }
            Target::Postgres(tx, args) => {
                sqlx::query_as_with::<Postgres, T, _>(self.sql.postgres, args).fetch_optional(&mut **tx).await
            }
        };
        row.map_err(|error| StoreError::of(self.sql.name, &error))
    }

    /// The one row there must be.
    pub(crate) async fn fetch_one<T: Row>(self) -> Result<T, StoreError> {
        let statement = self.sql.name;
        self.fetch_optional().await?.ok_or(StoreError::RowsAffected { statement, expected: 1, actual: 0 })
    }
}
