//! What can go wrong with a database, by name. No message holds a row's value, a statement's parameter or a password:
//! what a driver says is reduced to its code.

use crate::audit::NotAnInteger;
use crate::model::{DistrictId, RunId};

/// A failure of the store or the queue; nothing is half done after any of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The URL is neither `SQLite` nor `PostgreSQL`.
    #[error("`store.url` is `{url}`, which names no database: write `sqlite:PATH` or `postgres://USER@HOST/NAME`")]
    Url {
        /// The URL without its password.
        url: String,
    },
    /// The database could not be opened.
    #[error("cannot open the store `{store}` ({code}): {remedy}")]
    Open {
        /// The URL without its password.
        store: String,
        /// The driver's code, or the kind of failure.
        code: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The bundled `SQLite` is one that can corrupt a WAL database (reliability.md 0.1).
    #[error("SQLite {found} can corrupt the store: build with 3.51.3 or later")]
    OldSqlite {
        /// Its version.
        found: String,
    },
    /// `SQLite` did not take a setting that durability rests on (reliability.md 0.2).
    #[error(
        "SQLite set `{pragma}` to `{found}` instead of `{wanted}`: the file system of the store may not support it; put the store on a local disk"
    )]
    Pragma {
        /// The setting.
        pragma: &'static str,
        /// What it must be.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// The schema is older than this program, on `PostgreSQL`, where migrating is a step of its own.
    #[error("the schema of the store is at version {found} of {wanted}: run `rosterd migrate`")]
    NotMigrated {
        /// Its version, 0 for an empty database.
        found: i64,
        /// The one this program needs.
        wanted: i64,
    },
    /// The schema is newer than this program.
    #[error(
        "the schema of the store is at version {found}, this program knows {known}: run the newer program that migrated it"
    )]
    NewerSchema {
        /// Its version.
        found: i64,
        /// The latest this program knows.
        known: i64,
    },
    /// A migration failed; it was rolled back.
    #[error("cannot migrate the store, nothing was changed ({code})")]
    Migrate {
        /// The driver's code, or the kind of failure.
        code: String,
    },
    /// The database cannot be reached, or broke off.
    #[error("the store cannot be reached during {during} ({code}): check that the database is up")]
    Unreachable {
        /// The statement or step.
        during: &'static str,
        /// The driver's code, or the kind of failure.
        code: String,
    },
    /// `rosterd backup` copies files; `PostgreSQL` has its own tools.
    #[error(
        "this store is PostgreSQL, which has its own tools: `pg_dump --format=custom --file=FILE DATABASE`, or continuous archiving (deploy/backup.md)"
    )]
    BackupElsewhere,
    /// A backup never overwrites anything.
    #[error("{file} is there already: name a file that is not")]
    BackupExists {
        /// The file.
        file: String,
    },
    /// The copy cannot be written.
    #[error("cannot write the backup {file} ({kind}): check its folder, and that there is room")]
    BackupFile {
        /// The file.
        file: String,
        /// The kind of failure.
        kind: String,
    },
    /// No room.
    #[error("the disk of the store is full during {during} ({code}): free some space and sync again")]
    DiskFull {
        /// The statement or step.
        during: &'static str,
        /// The driver's code.
        code: String,
    },
    /// Someone else keeps the store locked.
    #[error("the store is locked by another process during {during} ({code}): wait for it or stop it, and try again")]
    Locked {
        /// The statement or step.
        during: &'static str,
        /// The driver's code.
        code: String,
    },
    /// The store cannot be written.
    #[error("the store is read-only during {during} ({code}): check the permissions of its file or user")]
    ReadOnly {
        /// The statement or step.
        during: &'static str,
        /// The driver's code.
        code: String,
    },
    /// The disk fails or the file is damaged.
    #[error(
        "the store is damaged or its disk fails during {during} ({code}): stop, copy the files, restore the backup"
    )]
    Damaged {
        /// The statement or step.
        during: &'static str,
        /// The driver's code.
        code: String,
    },
    /// A transaction met another one and lost; nothing was written.
    #[error("two writers met during {during} ({code}): try again")]
    Conflict {
        /// The statement or step.
        during: &'static str,
        /// The driver's code.
        code: String,
    },
    /// The database refused a row: append-only audit, foreign key, check, uniqueness.
    #[error("the store refused a row during {during} ({code})")]
    Refused {
        /// The statement.
        during: &'static str,
        /// The driver's code.
        code: String,
    },
    /// Anything else a driver says.
    #[error("the store failed during {during} ({code})")]
    Failed {
        /// The statement or step.
        during: &'static str,
        /// The driver's code, or the kind of failure.
        code: String,
    },
    /// A statement was given too few or too many parameters: a fault of this program.
    #[error("statement {statement} takes {takes} parameters and was given {given}")]
    Arity {
        /// The statement.
        statement: &'static str,
        /// What it takes.
        takes: usize,
        /// What it was given.
        given: usize,
    },
    /// A write touched another number of rows than it must.
    #[error("statement {statement} touched {actual} rows where {expected} were expected")]
    RowsAffected {
        /// The statement.
        statement: &'static str,
        /// How many it must touch.
        expected: u64,
        /// How many it touched.
        actual: u64,
    },
    /// A row cannot be understood.
    #[error("a row of table `{table}` cannot be read: its {field} is not what this program writes")]
    CorruptRow {
        /// The table.
        table: &'static str,
        /// The column or part.
        field: &'static str,
    },
    /// An audit entry cannot be understood or is not written as this program writes it.
    #[error("audit entry {seq} of `{district}` was altered: its {field} is not what this program writes")]
    CorruptEntry {
        /// The district.
        district: DistrictId,
        /// The entry.
        seq: i64,
        /// The column.
        field: &'static str,
    },
    /// A value cannot be written as JSON: a fault of this program.
    #[error("a value of table `{table}` cannot be written as JSON")]
    Unwritable {
        /// The table.
        table: &'static str,
    },
    /// No such district.
    #[error("the store knows no district `{district}`")]
    NoDistrict {
        /// The district.
        district: DistrictId,
    },
    /// A change of a record came without the body it must have: a fault of this program.
    #[error("a change of {kind} came without its body")]
    NoBody {
        /// The kind of record.
        kind: &'static str,
    },
    /// A draft of an audit entry cannot be sealed.
    #[error("an audit entry cannot be sealed")]
    Unsealable(#[from] NotAnInteger),
    /// Another process holds the store.
    #[error(
        "the store `{store}` is in use by {holder}: one process at a time works on an SQLite store; stop that one, or use PostgreSQL"
    )]
    InUse {
        /// The URL.
        store: String,
        /// Its kind and process id, as it wrote them.
        holder: String,
    },
}

impl StoreError {
    /// Whether the same call may succeed later without anyone doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Locked { .. } | Self::Conflict { .. } | Self::Unreachable { .. })
    }

    /// What a driver said, reduced to a code.
    pub(crate) fn of(during: &'static str, error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default().into_owned();
                by_code(during, code, database.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some())
            }
            sqlx::Error::Io(io) => Self::Unreachable { during, code: io.kind().to_string() },
            sqlx::Error::Tls(_) => Self::Unreachable { during, code: "TLS".to_owned() },
            sqlx::Error::PoolTimedOut => Self::Locked { during, code: "no connection came free in time".to_owned() },
            sqlx::Error::PoolClosed => Self::Unreachable { during, code: "closed".to_owned() },
            sqlx::Error::WorkerCrashed => Self::Unreachable { during, code: "worker gone".to_owned() },
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                Self::CorruptRow { table: during, field: "column" }
            }
            sqlx::Error::Configuration(_) => Self::Failed { during, code: "settings".to_owned() },
            sqlx::Error::Protocol(_) => Self::Failed { during, code: "protocol".to_owned() },
            _ => Self::Failed { during, code: "driver".to_owned() },
        }
    }
}

fn by_code(during: &'static str, code: String, sqlite: bool) -> StoreError {
    if sqlite { by_sqlite_code(during, code) } else { by_sqlstate(during, code) }
}

/// <https://www.sqlite.org/rescode.html>; the low byte of an extended code is the primary one.
fn by_sqlite_code(during: &'static str, code: String) -> StoreError {
    const SHM_CANNOT_GROW: &str = "4874";
    if code == SHM_CANNOT_GROW {
        // SQLITE_IOERR_SHMSIZE: there is no room for the file beside the store that it begins with.
        return StoreError::DiskFull { during, code };
    }
    let primary = code.parse::<i64>().map_or(0, |extended| extended & 0xff);
    match primary {
        5 | 6 => StoreError::Locked { during, code },
        8 | 3 | 23 => StoreError::ReadOnly { during, code },
        10 | 11 | 26 => StoreError::Damaged { during, code },
        13 => StoreError::DiskFull { during, code },
        14 => StoreError::Unreachable { during, code },
        19 => StoreError::Refused { during, code },
        _ => StoreError::Failed { during, code },
    }
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn by_sqlstate(during: &'static str, code: String) -> StoreError {
    let class = code.get(..2).unwrap_or_default();
    match (code.as_str(), class) {
        ("40001" | "40P01", _) => StoreError::Conflict { during, code },
        ("55P03", _) => StoreError::Locked { during, code },
        ("53100", _) => StoreError::DiskFull { during, code },
        ("25006" | "42501", _) => StoreError::ReadOnly { during, code },
        ("P0001", _) | (_, "23") => StoreError::Refused { during, code },
        ("3D000", _) | (_, "08" | "28" | "53" | "57") => StoreError::Unreachable { during, code },
        (_, "58" | "XX") => StoreError::Damaged { during, code },
        _ => StoreError::Failed { during, code },
    }
}

/// Why a write did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The store has moved since the plan was made: plan again (safety.md, A run, 6).
    #[error("the plan is stale: it was made on revision {expected}, the district is at {found}")]
    Stale {
        /// The plan's.
        expected: i64,
        /// The district's.
        found: i64,
    },
    /// The lease of this run was lost to another process.
    #[error("another process took over this district: this one may not write any more")]
    Fenced,
    /// The run has its row already: it was finished before.
    #[error("run `{0}` is already done")]
    AlreadyDone(RunId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_become_named_errors_with_a_remedy() {
        let sqlite = |code: &str| by_sqlite_code("PUT", code.to_owned()).to_string();
        let postgres = |code: &str| by_sqlstate("PUT", code.to_owned()).to_string();
        assert!(sqlite("13").contains("disk of the store is full"));
        assert!(postgres("53100").contains("disk of the store is full"));
        assert!(sqlite("517").contains("locked by another process"));
        assert!(sqlite("2067").contains("refused a row"));
        assert!(postgres("23505").contains("refused a row"));
        assert!(sqlite("1032").contains("read-only"));
        assert!(sqlite("267").contains("damaged"));
        assert!(postgres("57P01").contains("cannot be reached"));
        assert!(postgres("40001").contains("try again"));
    }
}
