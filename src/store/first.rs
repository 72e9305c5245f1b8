//! The first load of a district, which writes as much as years of nights after it: that its records came with it is said once,
//! in the district's row, and not in a row for each of them.
//!
//! - `change_key` has no row of such a record until it changes again; until then the first load's commit tells of it.
//! - `record_version` has none either: there was nothing before, and the first load cannot be taken back.
//! - On `SQLite` the audit's guard against a replaced entry is put aside within the transaction and stands again before its end:
//!   it looks for each entry whether there is one of that number, a third of what they cost. Nobody else can write meanwhile, and
//!   the statement that appends replaces nothing.

use crate::model::{DistrictId, RunId, Timestamp};
use crate::store::StoreError;
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, statements};
use crate::store::district::Locked;

const RUN: Table = Table("run");

statements! {
    IS_EMPTY = Sql::portable(
        "SELECT NOT EXISTS (SELECT 1 FROM record WHERE district = $1)
             AND NOT EXISTS (SELECT 1 FROM record_version WHERE district = $1)
             AND NOT EXISTS (SELECT 1 FROM change_key WHERE district = $1) AS is_empty",
    );
    FIRST = Sql::portable(
        "SELECT d.first_run, r.as_of FROM district AS d JOIN run AS r ON r.id = d.first_run
         WHERE d.id = $1",
    );
    PUT_FIRST = Sql::portable("UPDATE district SET first_run = $2, first_revision = $3 WHERE id = $1");
    LIFT_GUARD = Sql::per_backend("DROP TRIGGER IF EXISTS audit_no_replace", "SELECT");
    // As in the first migration, which a test compares.
    SET_GUARD = Sql::per_backend(
        "CREATE TRIGGER IF NOT EXISTS audit_no_replace BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE district = NEW.district AND seq = NEW.seq) BEGIN
    SELECT RAISE(ABORT, 'audit is append-only');
END",
        "SELECT",
    );
}

/// What is known of it.
pub(super) struct First {
    pub(super) run: RunId,
    pub(super) as_of: Timestamp,
}

/// The district's first load; none before it, and none that a release before this kind of it wrote.
pub(super) async fn of(tx: &mut Tx, district: &DistrictId) -> Result<Option<First>, StoreError> {
    let row: Option<(String, i64)> = tx.query(FIRST).bind(district.as_str()).fetch_optional().await?;
    let first = |(run, at): (String, i64)| Ok(First { run: run.into(), as_of: RUN.instant("as_of", at)? });
    row.map(first).transpose()
}

/// Begins it where the district is empty and neither has nor tells of anything; whether it is.
pub(super) async fn begin(tx: &mut Tx, locked: &Locked, run: &RunId) -> Result<bool, StoreError> {
    let (empty,): (bool,) = tx.query(IS_EMPTY).bind(locked.district.as_str()).fetch_one().await?;
    if empty {
        let query = tx.query(PUT_FIRST).bind(locked.district.as_str()).bind(run.as_str()).bind(locked.revision + 1);
        query.execute_exactly(1).await?;
        tx.query(LIFT_GUARD).execute().await?;
    }
    Ok(empty)
}

/// Ends it: every entry is in the audit.
pub(super) async fn end(tx: &mut Tx) -> Result<(), StoreError> {
    tx.query(SET_GUARD).execute().await.map(drop)
}
