//! The first load of a district, which writes as much as years of nights after it: that its records came with it is said once,
//! in the district's row, and not in a row for each of them.
//!
//! - `change_key` has no row of such a record until it changes again; until then the first load's commit tells of it.
//! - `record_version` has none either: there was nothing before, and the first load cannot be taken back.
//! - On `SQLite` triggers that look at each row are put aside within the transaction and stand again before its end. The audit's
//!   guard against a replaced entry asks whether there is one of that number, a third of what an entry costs; nobody else can write
//!   meanwhile, and the statement that appends replaces nothing. The others take away what was remembered of the district, which is
//!   done once.

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
    FORGET_KNOWN = Sql::portable("DELETE FROM known_row WHERE district = $1");
    FORGET_RECALL = Sql::portable("DELETE FROM recall WHERE district = $1");
    FORGET_SETTLED = Sql::portable("DELETE FROM settled WHERE district = $1");
    LIFT_GUARD = Sql::per_backend("DROP TRIGGER IF EXISTS audit_no_replace", "SELECT");
    LIFT_FORGETS = Sql::per_backend("DROP TRIGGER IF EXISTS record_added_forgets", "SELECT");
    LIFT_OF_RECORDS = Sql::per_backend("DROP TRIGGER IF EXISTS record_added_unsettles", "SELECT");
    LIFT_OF_SEATS = Sql::per_backend("DROP TRIGGER IF EXISTS seat_added_unsettles", "SELECT");
    LIFT_OF_PLACES = Sql::per_backend("DROP TRIGGER IF EXISTS waiting_added_unsettles", "SELECT");
    // As in the migrations, which a test compares.
    SET_GUARD = Sql::per_backend(
        "CREATE TRIGGER IF NOT EXISTS audit_no_replace BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE district = NEW.district AND seq = NEW.seq) BEGIN
    SELECT RAISE(ABORT, 'audit is append-only');
END",
        "SELECT",
    );
    SET_FORGETS = Sql::per_backend(
        "CREATE TRIGGER IF NOT EXISTS record_added_forgets AFTER INSERT ON record BEGIN
    DELETE FROM known_row WHERE district = NEW.district;
    DELETE FROM recall WHERE district = NEW.district;
END",
        "SELECT",
    );
    SET_OF_RECORDS = Sql::per_backend(
        "CREATE TRIGGER IF NOT EXISTS record_added_unsettles AFTER INSERT ON record BEGIN
    DELETE FROM settled WHERE district = NEW.district;
END",
        "SELECT",
    );
    SET_OF_SEATS = Sql::per_backend(
        "CREATE TRIGGER IF NOT EXISTS seat_added_unsettles AFTER INSERT ON seat BEGIN
    DELETE FROM settled WHERE district = NEW.district;
END",
        "SELECT",
    );
    SET_OF_PLACES = Sql::per_backend(
        "CREATE TRIGGER IF NOT EXISTS waiting_added_unsettles AFTER INSERT ON waiting BEGIN
    DELETE FROM settled WHERE district = NEW.district;
END",
        "SELECT",
    );
}

const FORGET: [Sql; 3] = [FORGET_KNOWN, FORGET_RECALL, FORGET_SETTLED];
const LIFT: [Sql; 5] = [LIFT_GUARD, LIFT_FORGETS, LIFT_OF_RECORDS, LIFT_OF_SEATS, LIFT_OF_PLACES];
const SET: [Sql; 5] = [SET_GUARD, SET_FORGETS, SET_OF_RECORDS, SET_OF_SEATS, SET_OF_PLACES];

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
        for forget in FORGET {
            tx.query(forget).bind(locked.district.as_str()).execute().await?;
        }
        for lift in LIFT {
            tx.query(lift).execute().await?;
        }
    }
    Ok(empty)
}

/// Ends it: every row is there.
pub(super) async fn end(tx: &mut Tx) -> Result<(), StoreError> {
    for set in SET {
        tx.query(set).execute().await?;
    }
    Ok(())
}
