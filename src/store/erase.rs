//! People taken out of the store for good, and the proof of it (safety.md, People's data; reliability.md K3, K4).
//!
//! Names stand in `record` and `recall_part`, `record_version`, `held_change` and `kept_change` and nowhere else; what else is
//! about a user goes too. The audit stays: it has ids, never names, and so does `change_key`, which tells others that someone is
//! gone, for as long as archived rows. A table that comes to hold something about users belongs in this file.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::{Draft, pseudonym};
use crate::model::{DistrictId, EnrollmentKey, HoldDecision, SourceId, Timestamp};
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, statements};
use crate::store::failpoint::failpoint;
use crate::store::manual::{self, Act};
use crate::store::{Store, StoreError, WriteError, change, district, runs};

const UPKEEP: Table = Table("upkeep");

/// The task of [`Store::expire`].
const EXPIRY: &str = "expiry";

macro_rules! everywhere {
    ($find:literal) => {
        concat!(
            "SELECT 'record' AS place, COUNT(*) AS n FROM record WHERE district = $1 AND ",
            $find,
            "(body, $2) > 0 AND ",
            $find,
            "(body, $3) > 0
             UNION ALL SELECT 'record_version', COUNT(*) FROM record_version WHERE district = $1 AND ",
            $find,
            "(COALESCE(before, '') || COALESCE(after, ''), $2) > 0 AND ",
            $find,
            "(COALESCE(before, '') || COALESCE(after, ''), $3) > 0
             UNION ALL SELECT 'held_change', COUNT(*) FROM held_change WHERE district = $1 AND ",
            $find,
            "(COALESCE(before, '') || COALESCE(after, ''), $2) > 0 AND ",
            $find,
            "(COALESCE(before, '') || COALESCE(after, ''), $3) > 0
             UNION ALL SELECT 'kept_change', COUNT(*) FROM kept_change WHERE district = $1 AND ",
            $find,
            "(COALESCE(after, ''), $2) > 0 AND ",
            $find,
            "(COALESCE(after, ''), $3) > 0
             UNION ALL SELECT 'run', COUNT(*) FROM run WHERE district = $1 AND ",
            $find,
            "(record, $2) > 0 AND ",
            $find,
            "(record, $3) > 0
             UNION ALL SELECT 'assignment', COUNT(*) FROM assignment WHERE district = $1 AND ",
            $find,
            "(body, $2) > 0 AND ",
            $find,
            "(body, $3) > 0
             UNION ALL SELECT 'override', COUNT(*) FROM override WHERE district = $1 AND ",
            $find,
            "(reason, $2) > 0 AND ",
            $find,
            "(reason, $3) > 0
             UNION ALL SELECT 'audit', COUNT(*) FROM audit WHERE district = $1 AND ",
            $find,
            "(id || COALESCE(before, '') || COALESCE(after, '') || COALESCE(reason, ''), $2) > 0 AND ",
            $find,
            "(id || COALESCE(before, '') || COALESCE(after, '') || COALESCE(reason, ''), $3) > 0"
        )
    };
}

statements! {
    // The two databases name the search for a piece of text differently.
    EVERYWHERE = Sql::per_backend(everywhere!("instr"), everywhere!("strpos"));
    BODIES_OF_USER = Sql::portable(
        "SELECT body FROM record WHERE district = $1 AND kind = 'users' AND id = $2
         UNION ALL SELECT before FROM record_version
             WHERE district = $1 AND kind = 'users' AND id = $2 AND before IS NOT NULL
         UNION ALL SELECT after FROM record_version
             WHERE district = $1 AND kind = 'users' AND id = $2 AND after IS NOT NULL
         UNION ALL SELECT before FROM held_change
             WHERE district = $1 AND kind = 'users' AND id = $2 AND before IS NOT NULL
         UNION ALL SELECT after FROM held_change
             WHERE district = $1 AND kind = 'users' AND id = $2 AND after IS NOT NULL
         UNION ALL SELECT after FROM kept_change
             WHERE district = $1 AND kind = 'users' AND id = $2 AND after IS NOT NULL",
    );
    USER_RECORDS = Sql::portable(
        "DELETE FROM record WHERE district = $1
             AND ((kind = 'users' AND id = $2) OR (kind = 'enrollments' AND substr(id, 1, length($3)) = $3))",
    );
    USER_VERSIONS = Sql::portable(
        "DELETE FROM record_version WHERE district = $1
             AND ((kind = 'users' AND id = $2) OR (kind = 'enrollments' AND substr(id, 1, length($3)) = $3))",
    );
    USER_HELD = Sql::portable(
        "DELETE FROM held_change WHERE district = $1
             AND ((kind = 'users' AND id = $2) OR (kind = 'enrollments' AND substr(id, 1, length($3)) = $3))",
    );
    USER_KEPT = Sql::portable(
        "DELETE FROM kept_change WHERE district = $1
             AND ((kind = 'users' AND id = $2) OR (kind = 'enrollments' AND substr(id, 1, length($3)) = $3))",
    );
    USER_DECISIONS = Sql::portable(
        "DELETE FROM decision WHERE district = $1
             AND ((kind = 'users' AND id = $2) OR (kind = 'enrollments' AND substr(id, 1, length($3)) = $3))",
    );
    USER_LOSSES = Sql::portable(
        "DELETE FROM recent_loss WHERE district = $1 AND what <> 'classes/removed'
             AND (id = $2 OR (what = 'enrollments/removed' AND substr(id, 1, length($3)) = $3))",
    );
    USER_SEATS = Sql::portable("DELETE FROM seat WHERE district = $1 AND user_id = $2");
    USER_WAITING = Sql::portable("DELETE FROM waiting WHERE district = $1 AND user_id = $2");
    USER_ENDED = Sql::portable("DELETE FROM seat_ended WHERE district = $1 AND user_id = $2");
    USER_HISTORY = Sql::portable("DELETE FROM seat_history WHERE district = $1 AND user_id = $2");
    USER_OVERRIDES = Sql::portable("DELETE FROM override WHERE district = $1 AND user_id = $2");
    USER_ACCESS = Sql::portable("DELETE FROM educator_access WHERE district = $1 AND educator = $2");
    USER_ASSIGNMENTS = Sql::portable(
        "DELETE FROM assignment WHERE district = $1 AND target = 'user' AND target_id = $2",
    );
    USER_ACTIVITY = Sql::portable("DELETE FROM activity WHERE district = $1 AND user_id = $2");
    USER_LINKS = Sql::portable("DELETE FROM person_link WHERE district = $1 AND (account = $2 OR person = $2)");
    USER_LINK_DECISIONS = Sql::portable(
        "DELETE FROM identity_decision WHERE district = $1 AND (first_account = $2 OR second_account = $2)",
    );
    PUT_ERASED = Sql::portable(
        "INSERT INTO erased (district, name, at) VALUES ($1, $2, $3) ON CONFLICT (district, name) DO NOTHING",
    );
    ERASED_NAMES = Sql::portable("SELECT name FROM erased WHERE district = $1");
    FORGET_ERASED = Sql::portable("DELETE FROM erased WHERE district = $1 AND name = $2");

    // Where a record is deleted for good they go by themselves (0031_recall.sql); here it is said.
    DISTRICT_IMAGES = Sql::portable("DELETE FROM recall_part WHERE district = $1 AND part = 'records'");
    // Where programs before `recall` keep theirs.
    DISTRICT_FORMER_IMAGE = Sql::portable("DELETE FROM roster_image WHERE district = $1");
    DISTRICT_RECORDS = Sql::portable("DELETE FROM record WHERE district = $1");
    DISTRICT_VERSIONS = Sql::portable("DELETE FROM record_version WHERE district = $1");
    DISTRICT_HELD = Sql::portable("DELETE FROM held_change WHERE district = $1");
    DISTRICT_KEPT = Sql::portable("DELETE FROM kept_change WHERE district = $1");
    DISTRICT_DECISIONS = Sql::portable("DELETE FROM decision WHERE district = $1");
    DISTRICT_LOSSES = Sql::portable("DELETE FROM recent_loss WHERE district = $1");
    DISTRICT_SEATS = Sql::portable("DELETE FROM seat WHERE district = $1");
    DISTRICT_WAITING = Sql::portable("DELETE FROM waiting WHERE district = $1");
    DISTRICT_ENDED = Sql::portable("DELETE FROM seat_ended WHERE district = $1");
    DISTRICT_HISTORY = Sql::portable("DELETE FROM seat_history WHERE district = $1");
    DISTRICT_OVERRIDES = Sql::portable("DELETE FROM override WHERE district = $1");
    DISTRICT_ACCESS = Sql::portable("DELETE FROM educator_access WHERE district = $1");
    DISTRICT_ASSIGNMENTS = Sql::portable("DELETE FROM assignment WHERE district = $1");
    DISTRICT_ACTIVITY = Sql::portable("DELETE FROM activity WHERE district = $1");
    DISTRICT_LINKS = Sql::portable("DELETE FROM person_link WHERE district = $1");
    DISTRICT_LINK_DECISIONS = Sql::portable("DELETE FROM identity_decision WHERE district = $1");
    DISTRICT_ALERTS = Sql::portable("DELETE FROM alert WHERE district = $1");
    DISTRICT_NOTICES = Sql::portable("DELETE FROM notice WHERE district = $1");
    DISTRICT_DAYS = Sql::portable("DELETE FROM seats_daily WHERE district = $1");
    PEOPLE_LEFT = Sql::portable(
        "SELECT 'record' AS place, COUNT(*) AS n FROM record WHERE district = $1
         UNION ALL SELECT 'recall_part', COUNT(*) FROM recall_part WHERE district = $1 AND part = 'records'
         UNION ALL SELECT 'roster_image', COUNT(*) FROM roster_image WHERE district = $1
         UNION ALL SELECT 'record_version', COUNT(*) FROM record_version WHERE district = $1
         UNION ALL SELECT 'held_change', COUNT(*) FROM held_change WHERE district = $1
         UNION ALL SELECT 'kept_change', COUNT(*) FROM kept_change WHERE district = $1
         UNION ALL SELECT 'seat', COUNT(*) FROM seat WHERE district = $1
         UNION ALL SELECT 'waiting', COUNT(*) FROM waiting WHERE district = $1
         UNION ALL SELECT 'seat_history', COUNT(*) FROM seat_history WHERE district = $1
         UNION ALL SELECT 'recent_loss', COUNT(*) FROM recent_loss WHERE district = $1
         UNION ALL SELECT 'override', COUNT(*) FROM override WHERE district = $1
         UNION ALL SELECT 'assignment', COUNT(*) FROM assignment WHERE district = $1
         UNION ALL SELECT 'activity', COUNT(*) FROM activity WHERE district = $1
         UNION ALL SELECT 'person_link', COUNT(*) FROM person_link WHERE district = $1
         UNION ALL SELECT 'identity_decision', COUNT(*) FROM identity_decision WHERE district = $1",
    );
    NO_SOURCE = Sql::portable("UPDATE district SET source = NULL, remembered = NULL WHERE id = $1");

    // A leaving seat rests on what left by mere absence.
    OLD_RECORDS = Sql::portable(
        "DELETE FROM record WHERE district = $1 AND NOT active
             AND changed_run IN (SELECT id FROM run WHERE district = $1 AND as_of < $2)
             AND NOT (departed AND EXISTS (SELECT 1 FROM seat WHERE district = $1 AND leaving_since IS NOT NULL))",
    );
    OLD_VERSIONS = Sql::portable(
        "DELETE FROM record_version WHERE district = $1
             AND run IN (SELECT id FROM run WHERE district = $1 AND as_of < $2)",
    );
    OLD_HELD = Sql::portable(
        "DELETE FROM held_change WHERE district = $1
             AND run IN (SELECT id FROM run WHERE district = $1 AND as_of < $2 AND NOT undecided)",
    );
    OLD_HISTORY = Sql::portable(
        "DELETE FROM seat_history WHERE district = $1
             AND run IN (SELECT id FROM run WHERE district = $1 AND as_of < $2)",
    );
    OVERDUE = Sql::portable(
        "SELECT COUNT(*) AS n FROM record_version AS v JOIN run AS r ON r.id = v.run WHERE r.as_of < $1",
    );
    DONE_AT = Sql::portable("SELECT done_at FROM upkeep WHERE task = $1");
    PUT_DONE_AT = Sql::portable(
        "INSERT INTO upkeep (task, done_at) VALUES ($1, $2)
         ON CONFLICT (task) DO UPDATE SET done_at = excluded.done_at",
    );
}

/// Rows by table.
pub type Counts = BTreeMap<String, u64>;

/// Rows of one user: `$3` is what the ids of their enrollments begin with.
const OF_USER_AND_ENROLLMENTS: [(&str, Sql); 6] = [
    ("record", USER_RECORDS),
    ("record_version", USER_VERSIONS),
    ("held_change", USER_HELD),
    ("kept_change", USER_KEPT),
    ("decision", USER_DECISIONS),
    ("recent_loss", USER_LOSSES),
];

const OF_USER: [(&str, Sql); 10] = [
    ("seat", USER_SEATS),
    ("waiting", USER_WAITING),
    ("seat_ended", USER_ENDED),
    ("seat_history", USER_HISTORY),
    ("override", USER_OVERRIDES),
    ("educator_access", USER_ACCESS),
    ("assignment", USER_ASSIGNMENTS),
    ("activity", USER_ACTIVITY),
    ("person_link", USER_LINKS),
    ("identity_decision", USER_LINK_DECISIONS),
];

const OF_DISTRICT: [(&str, Sql); 19] = [
    ("record", DISTRICT_RECORDS),
    ("record_version", DISTRICT_VERSIONS),
    ("held_change", DISTRICT_HELD),
    ("kept_change", DISTRICT_KEPT),
    ("decision", DISTRICT_DECISIONS),
    ("recent_loss", DISTRICT_LOSSES),
    ("seat", DISTRICT_SEATS),
    ("waiting", DISTRICT_WAITING),
    ("seat_ended", DISTRICT_ENDED),
    ("seat_history", DISTRICT_HISTORY),
    ("override", DISTRICT_OVERRIDES),
    ("educator_access", DISTRICT_ACCESS),
    ("assignment", DISTRICT_ASSIGNMENTS),
    ("activity", DISTRICT_ACTIVITY),
    ("person_link", DISTRICT_LINKS),
    ("identity_decision", DISTRICT_LINK_DECISIONS),
    ("alert", DISTRICT_ALERTS),
    ("notice", DISTRICT_NOTICES),
    ("seats_daily", DISTRICT_DAYS),
];

/// Copies of all records: what is taken out of these is taken out of all.
const IMAGES: [(&str, Sql); 2] = [("recall_part", DISTRICT_IMAGES), ("roster_image", DISTRICT_FORMER_IMAGE)];

const OLD: [(&str, Sql); 4] = [
    ("record", OLD_RECORDS),
    ("record_version", OLD_VERSIONS),
    ("held_change", OLD_HELD),
    ("seat_history", OLD_HISTORY),
];

/// Deletes everything about a user and remembers that they were erased; the rows by table.
pub(super) async fn person(
    tx: &mut Tx,
    key: &[u8],
    district: &DistrictId,
    user: &SourceId,
    at: Timestamp,
) -> Result<Counts, StoreError> {
    let enrollments = EnrollmentKey::text_of(user);
    let mut counts = Counts::new();
    for (table, sql) in IMAGES {
        counts.insert(table.to_owned(), tx.query(sql).bind(district.as_str()).execute().await?);
    }
    for (table, sql) in OF_USER_AND_ENROLLMENTS {
        let query = tx.query(sql).bind(district.as_str()).bind(user.as_str()).bind(enrollments.as_str());
        counts.insert(table.to_owned(), query.execute().await?);
    }
    failpoint("store.erase.records");
    for (table, sql) in OF_USER {
        let query = tx.query(sql).bind(district.as_str()).bind(user.as_str());
        counts.insert(table.to_owned(), query.execute().await?);
    }
    let name = pseudonym(key, user.as_str());
    tx.query(PUT_ERASED).bind(district.as_str()).bind(name).bind(at.millis()).execute().await?;
    failpoint("store.erase.done");
    Ok(counts)
}

/// What became of old rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expired {
    /// These rows were deleted.
    Done(Counts),
    /// The clock stands before the last time, or before the last thing that happened: nothing was deleted (T45).
    ClockWentBack {
        /// That instant.
        last: Timestamp,
    },
}

impl Store {
    /// Every body the store has of a user, active, archived or held: what a proof looks for. Holds names.
    pub async fn bodies_of_user(&self, district: &DistrictId, user: &SourceId) -> Result<BTreeSet<String>, StoreError> {
        let mut tx = self.db.read().await?;
        let query = tx.query(BODIES_OF_USER).bind(district.as_str()).bind(user.as_str());
        Ok(query.fetch_all::<(String,)>().await?.into_iter().map(|(body,)| body).collect())
    }

    /// Rows about people that a district still has, by every table that can have any.
    pub async fn people_left(&self, district: &DistrictId) -> Result<Counts, StoreError> {
        let mut tx = self.db.read().await?;
        let rows: Vec<(String, i64)> = tx.query(PEOPLE_LEFT).bind(district.as_str()).fetch_all().await?;
        Ok(rows.into_iter().map(|(table, n)| (table, u64::try_from(n).unwrap_or(0))).collect())
    }

    /// Rows of a district in which both pieces of text stand, by table; tables without any are left out.
    pub async fn rows_with(&self, district: &DistrictId, both: (&str, &str)) -> Result<Counts, StoreError> {
        let mut tx = self.db.read().await?;
        let query = tx.query(EVERYWHERE).bind(district.as_str()).bind(both.0).bind(both.1);
        let rows: Vec<(String, i64)> = query.fetch_all().await?;
        let found = rows.into_iter().filter(|(_, n)| *n > 0);
        Ok(found.map(|(table, n)| (table, u64::try_from(n).unwrap_or(0))).collect())
    }

    /// The keyed hashes of users who were erased.
    pub async fn erased(&self, district: &DistrictId) -> Result<BTreeSet<String>, StoreError> {
        let mut tx = self.db.read().await?;
        let rows: Vec<(String,)> = tx.query(ERASED_NAMES).bind(district.as_str()).fetch_all().await?;
        Ok(rows.into_iter().map(|(name,)| name).collect())
    }

    /// From now on the feed may send this user again; false if they were not erased, and then nothing is written.
    pub async fn end_erasure(&self, act: Act, user: &SourceId) -> Result<bool, StoreError> {
        let name = pseudonym(self.pseudonym_key(), user.as_str());
        let mut tx = self.db.write().await?;
        let mut locked = district::lock(&mut tx, &act.district).await?;
        let query = tx.query(FORGET_ERASED).bind(act.district.as_str()).bind(name);
        if query.execute().await? == 0 {
            return Ok(false);
        }
        manual::record(&mut tx, &mut locked, act).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Removes everyone of a district and everything about them; runs and audit stay, since they hold no names. `draft` makes
    /// the audit entry from the rows by table. Plans made before are stale, and the next snapshot is a first one.
    pub async fn purge(
        &self,
        district: &DistrictId,
        at: Timestamp,
        draft: impl FnOnce(&Counts) -> Draft + Send,
    ) -> Result<Counts, WriteError> {
        let mut tx = self.db.write().await?;
        let mut locked = district::lock(&mut tx, district).await?;
        change::note_all(&mut tx, &locked).await?;
        let mut counts = Counts::new();
        for (table, sql) in IMAGES.into_iter().chain(OF_DISTRICT) {
            counts.insert(table.to_owned(), tx.query(sql).bind(district.as_str()).execute().await?);
            failpoint("store.purge.table");
        }
        tx.query(NO_SOURCE).bind(district.as_str()).execute_exactly(1).await?;
        for mut run in runs::read_undecided(&mut tx, district).await? {
            for hold in run.holds.iter_mut().filter(|it| it.decision.is_none()) {
                hold.decision = Some(HoldDecision { decision: "superseded".to_owned(), by: None, at });
            }
            runs::change_run(&mut tx, &run).await?;
        }
        let act = Act { district: district.clone(), run: None, at, audit: vec![draft(&counts)] };
        manual::record(&mut tx, &mut locked, act).await?;
        change::number(&mut tx, &locked, at).await?;
        failpoint("store.purge.commit");
        tx.commit().await?;
        Ok(counts)
    }

    /// Deletes archived records, versions, decided held changes and ended seats of runs before `before`, a district a
    /// transaction: killed anywhere, what is left is done the next time. `draft` makes a district's audit entry.
    pub async fn expire(
        &self,
        now: Timestamp,
        before: Timestamp,
        draft: impl Fn(&DistrictId, &Counts) -> Draft + Send + Sync,
    ) -> Result<Expired, StoreError> {
        let latest = [self.expired_at().await?, self.latest_at().await?].into_iter().flatten().max();
        if let Some(last) = latest.filter(|last| now < *last) {
            return Ok(Expired::ClockWentBack { last });
        }
        let mut all = Counts::new();
        for state in self.districts().await? {
            let mut tx = self.db.write().await?;
            let mut locked = district::lock(&mut tx, &state.id).await?;
            let mut counts = Counts::new();
            for (table, sql) in OLD {
                let query = tx.query(sql).bind(state.id.as_str()).bind(before.millis());
                let n = query.execute().await?;
                if n > 0 {
                    counts.insert(table.to_owned(), n);
                    *all.entry(table.to_owned()).or_default() += n;
                }
            }
            if !counts.is_empty() {
                // They show who left, and what a name was before, until they are written anew.
                for (_, sql) in IMAGES {
                    tx.query(sql).bind(state.id.as_str()).execute().await?;
                }
            }
            let forgotten = change::forget(&mut tx, &state.id, before).await?;
            failpoint("store.expire.district");
            let anything = forgotten > 0 || !counts.is_empty();
            if !counts.is_empty() {
                let audit = vec![draft(&state.id, &counts)];
                manual::record(&mut tx, &mut locked, Act { district: state.id, run: None, at: now, audit }).await?;
            }
            if anything {
                tx.commit().await?;
            }
        }
        let mut tx = self.db.write().await?;
        tx.query(PUT_DONE_AT).bind(EXPIRY).bind(now.millis()).execute_exactly(1).await?;
        tx.commit().await?;
        Ok(Expired::Done(all))
    }

    /// When [`Store::expire`] last came to its end.
    pub async fn expired_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let row: Option<(i64,)> = self.db.read().await?.query(DONE_AT).bind(EXPIRY).fetch_optional().await?;
        UPKEEP.instant_if("done_at", row.map(|(at,)| at))
    }

    /// How many versions of records are older than `before`.
    pub async fn versions_before(&self, before: Timestamp) -> Result<u64, StoreError> {
        let (n,): (i64,) = self.db.read().await?.query(OVERDUE).bind(before.millis()).fetch_one().await?;
        Ok(u64::try_from(n).unwrap_or(0))
    }

    /// Takes deleted rows out of the database's files too. False where another process still reads them: then the files are
    /// overwritten when it is done, and this can be asked again.
    pub async fn compact(&self) -> Result<bool, StoreError> {
        self.db.compact().await
    }
}
