//! What a revert puts back: seats as they were when they ended, and who changed a record last; and who was there before.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::{DistrictId, Kind, Pool, Record, ReleaseReason, Roster, RunId, Seat, SeatState, Timestamp};
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, bulk, statements};
use crate::store::write::BATCH;
use crate::store::{Store, StoreError, first};

const TABLE: Table = Table("seat_history");
const RECORD: Table = Table("record");

statements! {
    PUT_HISTORY = bulk!(
        "INSERT INTO seat_history (district, run, product, user_id, pool, since, claimed_at, last_used_at, reason)
         SELECT $1, $3, r.product, r.user_id, r.pool, r.since, r.claimed_at, r.last_used_at, r.reason",
        (product TEXT, user_id TEXT, pool TEXT, since BIGINT, claimed_at BIGINT, last_used_at BIGINT, reason TEXT),
        "WHERE true"
    );
    // The first end of each seat since the run is the seat as it was when the run began.
    ENDED_SINCE = Sql::portable(
        "SELECT h.run, h.product, h.user_id, h.pool, h.since, h.claimed_at, h.last_used_at, h.reason
         FROM seat_history AS h JOIN run AS r ON r.id = h.run
         WHERE h.district = $1
             AND r.ordinal >= (SELECT o.ordinal FROM run AS o WHERE o.id = $2 AND o.district = $1)
         ORDER BY r.ordinal DESC, h.product, h.user_id",
    );
    TOUCHED = Sql::portable(
        "SELECT v.kind, v.id, r.changed_run FROM record_version AS v
         JOIN record AS r ON r.district = v.district AND r.kind = v.kind AND r.id = v.id
         WHERE v.district = $1 AND v.run = $2",
    );
    CHANGED_SINCE = Sql::portable(
        "SELECT kind, id FROM record
         WHERE district = $1 AND active AND kind IN ('enrollments', 'classes')
             AND changed_run IN (SELECT r.id FROM run AS r WHERE r.district = $1 AND r.ordinal >
                 (SELECT o.ordinal FROM run AS o WHERE o.id = $2 AND o.district = $1))",
    );
    // Newest first: undone in this order they lead back to the instant.
    PEOPLE_SINCE = Sql::portable(
        "SELECT v.kind, v.id, v.before, v.after FROM record_version AS v JOIN run AS r ON r.id = v.run
         WHERE v.district = $1 AND v.kind IN ('users', 'schools') AND r.district = $1 AND r.as_of > $2
         ORDER BY r.ordinal DESC",
    );
    FIRST_RUN = Sql::portable(
        "SELECT run FROM audit
         WHERE district = $1 AND entity IN ('school', 'session', 'course', 'class', 'user', 'enrollment')
             AND seq > (SELECT COALESCE(MAX(p.seq), 0) FROM audit AS p
                        WHERE p.district = $1 AND p.action = 'district.purged')
         ORDER BY seq LIMIT 1",
    );
}

/// The run that changed each record last.
pub type Touched = BTreeMap<(Kind, String), RunId>;

/// Records that changed after a run.
pub type Newer = BTreeSet<(Kind, String)>;

/// A seat as it was when it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedSeat {
    /// The run that ended it.
    pub run: RunId,
    /// The seat; not leaving and not bridged.
    pub seat: Seat,
    /// Why it ended.
    pub reason: ReleaseReason,
}

#[derive(Serialize)]
struct HistoryRow<'a> {
    product: &'a str,
    user_id: &'a str,
    pool: String,
    since: i64,
    claimed_at: Option<i64>,
    last_used_at: Option<i64>,
    reason: String,
}

pub(super) async fn put(
    tx: &mut Tx,
    district: &DistrictId,
    run: &RunId,
    ended: &[(Seat, ReleaseReason)],
) -> Result<(), StoreError> {
    for batch in ended.chunks(BATCH) {
        let row =
            |(seat, reason): &'_ (Seat, ReleaseReason)| TABLE.to_word(reason).map(|reason| (seat.clone(), reason));
        let rows: Vec<(Seat, String)> = batch.iter().map(row).collect::<Result<_, _>>()?;
        let rows: Vec<_> = rows
            .iter()
            .map(|(seat, reason)| HistoryRow {
                product: seat.product.as_str(),
                user_id: seat.user.as_str(),
                pool: seat.pool.to_string(),
                since: seat.since.millis(),
                claimed_at: seat.claimed_at.map(Timestamp::millis),
                last_used_at: seat.last_used_at.map(Timestamp::millis),
                reason: reason.clone(),
            })
            .collect();
        let query = tx.query(PUT_HISTORY).bind(district.as_str()).bind(TABLE.to_json(&rows)?).bind(run.as_str());
        query.execute_exactly(rows.len()).await?;
    }
    Ok(())
}

type Columns = (String, String, String, String, i64, Option<i64>, Option<i64>, String);

fn ended((run, product, user, pool, since, claimed, used, reason): Columns) -> Result<EndedSeat, StoreError> {
    let seat = Seat {
        product: product.into(),
        user: user.into(),
        pool: Pool::parse(&pool),
        since: TABLE.instant("since", since)?,
        claimed_at: TABLE.instant_if("claimed_at", claimed)?,
        last_used_at: TABLE.instant_if("last_used_at", used)?,
        leaving: None,
        bridged: false,
        state: SeatState::Active,
    };
    Ok(EndedSeat { run: run.into(), seat, reason: TABLE.word("reason", &reason)? })
}

impl Store {
    /// Seats that ended in a run or since, newest end first: of one user and product the last in the list is the seat as it
    /// was when the run began.
    pub async fn seats_ended_since(&self, district: &DistrictId, run: &RunId) -> Result<Vec<EndedSeat>, StoreError> {
        let mut tx = self.db.read().await?;
        let rows: Vec<Columns> = tx.query(ENDED_SINCE).bind(district.as_str()).bind(run.as_str()).fetch_all().await?;
        rows.into_iter().map(ended).collect()
    }

    /// Of the records a run changed, the run that changed each last; those no longer stored are not listed.
    pub async fn touched(&self, district: &DistrictId, run: &RunId) -> Result<Touched, StoreError> {
        let mut tx = self.db.read().await?;
        let rows: Vec<(String, String, String)> =
            tx.query(TOUCHED).bind(district.as_str()).bind(run.as_str()).fetch_all().await?;
        rows.into_iter().map(|(kind, id, run)| Ok(((RECORD.kind(&kind)?, id), run.into()))).collect()
    }

    /// Active classes and enrollments that a later run than this one changed last.
    pub async fn changed_since(&self, district: &DistrictId, run: &RunId) -> Result<Newer, StoreError> {
        let mut tx = self.db.read().await?;
        let rows: Vec<(String, String)> =
            tx.query(CHANGED_SINCE).bind(district.as_str()).bind(run.as_str()).fetch_all().await?;
        rows.into_iter().map(|(kind, id)| Ok((RECORD.kind(&kind)?, id))).collect()
    }

    /// Puts the users and schools of a roster back to how they were at an instant, as far as versions are retained. Returns
    /// those it touched.
    pub async fn rewind(
        &self,
        district: &DistrictId,
        at: Timestamp,
        roster: &mut Roster,
    ) -> Result<BTreeSet<(Kind, String)>, StoreError> {
        type Columns = (String, String, Option<String>, Option<String>);
        let mut tx = self.db.read().await?;
        let rows: Vec<Columns> = tx.query(PEOPLE_SINCE).bind(district.as_str()).bind(at.millis()).fetch_all().await?;
        let mut touched = BTreeSet::new();
        for (kind, id, before, after) in rows {
            let kind = RECORD.kind(&kind)?;
            let read = |body: String| Record::from_body(kind, &body).map_err(|_| RECORD.corrupt("body"));
            if let Some(after) = after.map(read).transpose()? {
                roster.take(&after);
            }
            if let Some(before) = before.map(read).transpose()? {
                roster.put(before);
            }
            touched.insert((kind, id));
        }
        if first::of(&mut tx, district).await?.is_some_and(|first| first.as_of > at) {
            // There was nobody, and no school.
            touched.extend(std::mem::take(&mut roster.users).into_keys().map(|id| (Kind::Users, id.to_string())));
            touched.extend(std::mem::take(&mut roster.schools).into_keys().map(|id| (Kind::Schools, id.to_string())));
        }
        Ok(touched)
    }

    /// Whether a run brought the district's first records.
    pub async fn is_first_load(&self, district: &DistrictId, run: &RunId) -> Result<bool, StoreError> {
        let mut tx = self.db.read().await?;
        if first::of(&mut tx, district).await?.is_some_and(|first| first.run == *run) {
            return Ok(true);
        }
        let row: Option<(Option<String>,)> = tx.query(FIRST_RUN).bind(district.as_str()).fetch_optional().await?;
        Ok(row.and_then(|(first,)| first).is_some_and(|first| first == run.as_str()))
    }
}
