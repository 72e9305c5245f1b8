//! The row of a district: what its plans and its chain stand on. Whoever writes takes this row first, so that two writers
//! of one district come one after the other.

use chrono_tz::Tz;

use crate::audit::GENESIS;
use crate::model::{DistrictId, DistrictState, EndDates, Remembered, SourceMark, Timestamp};
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, statements};
use crate::store::{Store, StoreError, WriteError};

const TABLE: Table = Table("district");

statements! {
    ENSURE_DISTRICT = Sql::portable(
        "INSERT INTO district (id, name, time_zone, end_dates, audit_head) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, time_zone = excluded.time_zone,
             end_dates = excluded.end_dates, revision = district.revision + CASE
                 WHEN district.time_zone <> excluded.time_zone OR district.end_dates <> excluded.end_dates
                 THEN 1 ELSE 0 END
         WHERE district.name <> excluded.name OR district.time_zone <> excluded.time_zone
             OR district.end_dates <> excluded.end_dates",
    );
    DISTRICT = Sql::portable(
        "SELECT id, time_zone, end_dates, revision, audit_seq, audit_head, source, allocated_at
         FROM district WHERE id = $1",
    );
    DISTRICTS = Sql::portable(
        "SELECT id, time_zone, end_dates, revision, audit_seq, audit_head, source, allocated_at
         FROM district ORDER BY id",
    );
    // The write takes the row's lock on PostgreSQL; SQLite has the whole file's already.
    LOCK_DISTRICT = Sql::portable(
        "UPDATE district SET revision = revision WHERE id = $1
         RETURNING revision, fence, audit_seq, audit_head",
    );
    MOVE_DISTRICT = Sql::portable(
        "UPDATE district SET revision = revision + $2, audit_seq = $3, audit_head = $4 WHERE id = $1",
    );
    SET_FENCE = Sql::portable("UPDATE district SET fence = $2 WHERE id = $1");
    SET_SOURCE = Sql::portable("UPDATE district SET source = $2 WHERE id = $1");
    REMEMBERED = Sql::portable("SELECT remembered FROM district WHERE id = $1");
    SET_REMEMBERED = Sql::portable("UPDATE district SET remembered = $2 WHERE id = $1");
    SET_ALLOCATED = Sql::portable("UPDATE district SET allocated_at = $2 WHERE id = $1");
    // One that was purged, or whose first roster was never taken, is nothing to keep.
    LISTED = Sql::portable(
        "SELECT id, app FROM district WHERE app IS NOT NULL AND source IS NOT NULL ORDER BY id",
    );
    NOTE_APP = Sql::portable(
        "UPDATE district SET app = $2 WHERE id = $1 AND (app IS NULL OR app <> $2)",
    );
    // Not a join: that could begin with the audit, and walk all of it.
    LATEST_AT = Sql::portable(
        "SELECT MAX((SELECT a.at FROM audit AS a WHERE a.district = d.id AND a.seq = d.audit_seq)) AS latest
         FROM district AS d",
    );
}

type DistrictRow = (String, String, String, i64, i64, String, Option<String>, Option<i64>);

fn state(row: DistrictRow) -> Result<DistrictState, StoreError> {
    let (id, time_zone, end_dates, revision, audit_seq, audit_head, source, allocated_at) = row;
    Ok(DistrictState {
        id: id.into(),
        time_zone: time_zone.parse::<Tz>().map_err(|_| TABLE.corrupt("time_zone"))?,
        end_dates: match end_dates.as_str() {
            "exclusive" => EndDates::Exclusive,
            "inclusive" => EndDates::Inclusive,
            _ => return Err(TABLE.corrupt("end_dates")),
        },
        revision,
        audit_seq,
        audit_head,
        source: source.map(|text| TABLE.json("source", &text)).transpose()?,
        allocated_at: TABLE.instant_if("allocated_at", allocated_at)?,
    })
}

/// The district in a read that must agree with others.
pub(super) async fn read_state(tx: &mut Tx, district: &DistrictId) -> Result<DistrictState, StoreError> {
    let row: Option<DistrictRow> = tx.query(DISTRICT).bind(district.as_str()).fetch_optional().await?;
    state(row.ok_or_else(|| StoreError::NoDistrict { district: district.clone() })?)
}

/// What the last allocation left to remember; nothing before the first.
pub(super) async fn read_remembered(tx: &mut Tx, district: &DistrictId) -> Result<Remembered, StoreError> {
    let row: Option<(Option<String>,)> = tx.query(REMEMBERED).bind(district.as_str()).fetch_optional().await?;
    let text = row.and_then(|(text,)| text);
    Ok(text.map(|text| TABLE.json("remembered", &text)).transpose()?.unwrap_or_default())
}

/// Every district in a read that must agree with others, by id.
pub(super) async fn read_states(tx: &mut Tx) -> Result<Vec<DistrictState>, StoreError> {
    let rows: Vec<DistrictRow> = tx.query(DISTRICTS).fetch_all().await?;
    rows.into_iter().map(state).collect()
}

/// What a writer needs to know of the district it has locked.
#[derive(Clone, Debug)]
pub(super) struct Locked {
    pub(super) district: DistrictId,
    pub(super) revision: i64,
    pub(super) fence: i64,
    pub(super) audit_seq: i64,
    pub(super) audit_head: String,
}

pub(super) async fn lock(tx: &mut Tx, district: &DistrictId) -> Result<Locked, StoreError> {
    let row: Option<(i64, i64, i64, String)> = tx.query(LOCK_DISTRICT).bind(district.as_str()).fetch_optional().await?;
    let (revision, fence, audit_seq, audit_head) =
        row.ok_or_else(|| StoreError::NoDistrict { district: district.clone() })?;
    Ok(Locked { district: district.clone(), revision, fence, audit_seq, audit_head })
}

impl Locked {
    /// Refuses a holder that another one has followed, and keeps the newer fence.
    pub(super) async fn pass(&mut self, tx: &mut Tx, fence: i64) -> Result<(), WriteError> {
        if fence < self.fence {
            return Err(WriteError::Fenced);
        }
        if fence > self.fence {
            let row = tx.query(SET_FENCE).bind(self.district.as_str()).bind(fence);
            row.execute_exactly(1).await?;
            self.fence = fence;
        }
        Ok(())
    }

    /// Keeps the present end of the chain, and bumps the revision if anything changed.
    pub(super) async fn moved(&self, tx: &mut Tx, changed: bool) -> Result<(), StoreError> {
        tx.query(MOVE_DISTRICT)
            .bind(self.district.as_str())
            .bind(i64::from(changed))
            .bind(self.audit_seq)
            .bind(self.audit_head.as_str())
            .execute_exactly(1)
            .await
    }

    pub(super) async fn set_source(&self, tx: &mut Tx, source: &SourceMark) -> Result<(), StoreError> {
        let source = TABLE.to_json(source)?;
        tx.query(SET_SOURCE).bind(self.district.as_str()).bind(source).execute_exactly(1).await
    }

    pub(super) async fn set_remembered(&self, tx: &mut Tx, remembered: &Remembered) -> Result<(), StoreError> {
        let remembered = TABLE.to_json(remembered)?;
        tx.query(SET_REMEMBERED).bind(self.district.as_str()).bind(remembered).execute_exactly(1).await
    }

    pub(super) async fn set_allocated(&self, tx: &mut Tx, at: Timestamp) -> Result<(), StoreError> {
        let row = tx.query(SET_ALLOCATED).bind(self.district.as_str()).bind(at.millis());
        row.execute_exactly(1).await
    }
}

impl Store {
    /// Makes the district's row, or brings it to the configuration. No audit entry: nothing of the district changed. Another
    /// time zone or meaning of end dates makes plans stale.
    pub async fn ensure_district(
        &self,
        district: &DistrictId,
        name: &str,
        time_zone: Tz,
        end_dates: EndDates,
    ) -> Result<(), StoreError> {
        let end_dates = match end_dates {
            EndDates::Exclusive => "exclusive",
            EndDates::Inclusive => "inclusive",
        };
        let mut tx = self.db.write().await?;
        tx.query(ENSURE_DISTRICT)
            .bind(district.as_str())
            .bind(name)
            .bind(time_zone.name())
            .bind(end_dates)
            .bind(GENESIS)
            .execute()
            .await?;
        tx.commit().await
    }

    /// Notes which app lists a district.
    pub async fn note_app(&self, district: &DistrictId, app: &str) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        tx.query(NOTE_APP).bind(district.as_str()).bind(app).execute().await?;
        tx.commit().await
    }

    /// Districts with a roster that an app has listed, each with the app.
    pub async fn listed(&self) -> Result<Vec<(DistrictId, String)>, StoreError> {
        let mut tx = self.db.read().await?;
        let rows: Vec<(String, String)> = tx.query(LISTED).fetch_all().await?;
        Ok(rows.into_iter().map(|(id, app)| (id.into(), app)).collect())
    }

    /// Every district, by id.
    pub async fn districts(&self) -> Result<Vec<DistrictState>, StoreError> {
        read_states(&mut self.db.read().await?).await
    }

    /// One district; [`StoreError::NoDistrict`] for an unknown one.
    pub async fn district(&self, district: &DistrictId) -> Result<DistrictState, StoreError> {
        read_state(&mut self.db.read().await?, district).await
    }

    /// At the start of a run: from now on no older holder of the district's lease can commit.
    pub async fn take_fence(&self, district: &DistrictId, fence: i64) -> Result<(), WriteError> {
        let mut tx = self.db.write().await?;
        let mut locked = lock(&mut tx, district).await?;
        locked.pass(&mut tx, fence).await?;
        Ok(tx.commit().await?)
    }

    /// `at` of the latest audit entry of any district: commands that write refuse an earlier `--now`.
    pub async fn latest_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let (latest,): (Option<String>,) = self.db.read().await?.query(LATEST_AT).fetch_one().await?;
        let parse = |text: String| Timestamp::parse(&text).map_err(|_| Table("audit").corrupt("at"));
        latest.map(parse).transpose()
    }
}
