//! Modes of a district, what they keep back, and whether the source still shares the district.

use serde::Serialize;

use crate::model::{
    Disconnection, DistrictId, HeldChange, Kind, ModeEntry, Modes, Record, Roster, RosterRecord, SourceId, Timestamp,
};
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, bulk, statements};
use crate::store::records::KeyRow;
use crate::store::seats::each_batch;
use crate::store::{Act, Store, StoreError, district, manual};

const MODE: Table = Table("district_mode");
const KEPT: Table = Table("kept_change");
const DISTRICT: Table = Table("district");

statements! {
    MODES = Sql::portable("SELECT body FROM district_mode WHERE district = $1 ORDER BY number");
    PUT_MODES = bulk!(
        "INSERT INTO district_mode (district, number, body) SELECT $1, r.number, r.body",
        (number BIGINT, body TEXT),
        "WHERE true ON CONFLICT (district, number) DO UPDATE SET body = excluded.body"
    );
    KEPT_BACK = Sql::portable(
        "SELECT kind, id, after, tombstone FROM kept_change WHERE district = $1 ORDER BY kind, id",
    );
    PUT_KEPT = bulk!(
        "INSERT INTO kept_change (district, kind, id, after, tombstone)
         SELECT $1, r.kind, r.id, r.after, r.tombstone",
        (kind TEXT, id TEXT, after TEXT, tombstone BOOLEAN),
        "WHERE true ON CONFLICT (district, kind, id) DO UPDATE SET
             after = excluded.after, tombstone = excluded.tombstone"
    );
    REMOVE_KEPT = bulk!(
        "DELETE FROM kept_change WHERE district = $1 AND (kind, id) IN (SELECT r.kind, r.id",
        (kind TEXT, id TEXT),
        ")"
    );
    DISCONNECTED = Sql::portable("SELECT disconnected FROM district WHERE id = $1");
    SET_DISCONNECTED = Sql::portable(
        "UPDATE district SET disconnected = $2, revision = revision + 1 WHERE id = $1",
    );
}

#[derive(Serialize)]
struct ModeRow {
    number: i64,
    body: String,
}

#[derive(Serialize)]
struct KeptRow<'a> {
    kind: &'a str,
    id: &'a str,
    after: Option<&'a str>,
    tombstone: bool,
}

pub(super) async fn read_modes(tx: &mut Tx, district: &DistrictId) -> Result<Modes, StoreError> {
    let rows: Vec<(String,)> = tx.query(MODES).bind(district.as_str()).fetch_all().await?;
    rows.into_iter().map(|(body,)| MODE.json("body", &body)).collect::<Result<_, _>>().map(Modes)
}

pub(super) async fn read_disconnected(tx: &mut Tx, district: &DistrictId) -> Result<Option<Disconnection>, StoreError> {
    let row: Option<(Option<String>,)> = tx.query(DISCONNECTED).bind(district.as_str()).fetch_optional().await?;
    row.and_then(|(text,)| text).map(|text| DISTRICT.json("disconnected", &text)).transpose()
}

/// What is kept back, each with the record as it is; one whose record is gone meanwhile is nothing any more.
pub(super) async fn read_kept(
    tx: &mut Tx,
    district: &DistrictId,
    roster: &Roster,
) -> Result<Vec<HeldChange>, StoreError> {
    let rows: Vec<(String, String, Option<String>, bool)> =
        tx.query(KEPT_BACK).bind(district.as_str()).fetch_all().await?;
    let mut kept = Vec::with_capacity(rows.len());
    for (kind, id, after, tombstone) in rows {
        let kind = KEPT.kind(&kind)?;
        let Some(record) = current(roster, kind, &id) else { continue };
        let before = Some(record.body().map_err(|_| KEPT.corrupt("id"))?);
        kept.push(HeldChange { groups: std::collections::BTreeSet::new(), kind, id, before, after, tombstone });
    }
    kept.sort_by(|a, b| (a.kind, &a.id).cmp(&(b.kind, &b.id)));
    Ok(kept)
}

fn current(roster: &Roster, kind: Kind, id: &str) -> Option<Record> {
    let key = SourceId::new(id);
    match kind {
        Kind::Schools => roster.schools.get(&key).cloned().map(RosterRecord::into_record),
        Kind::Sessions => roster.sessions.get(&key).cloned().map(RosterRecord::into_record),
        Kind::Courses => roster.courses.get(&key).cloned().map(RosterRecord::into_record),
        Kind::Classes => roster.classes.get(&key).cloned().map(RosterRecord::into_record),
        Kind::Users => roster.users.get(&key).cloned().map(RosterRecord::into_record),
        Kind::Enrollments => {
            let (user, class, role) = serde_json::from_str(id).ok()?;
            let key = crate::model::EnrollmentKey { user, class, role };
            roster.enrollments.get(&key).cloned().map(RosterRecord::into_record)
        }
    }
}

/// What is kept back from now on and was not, or not so; and what is not any more.
pub(super) async fn put_kept(
    tx: &mut Tx,
    district: &DistrictId,
    put: &[HeldChange],
    removed: &[(Kind, String)],
) -> Result<(), StoreError> {
    // One that is not there is no error: its user may have been erased meanwhile.
    for batch in removed.chunks(super::write::BATCH) {
        let rows: Vec<KeyRow<'_>> = batch.iter().map(|(kind, id)| KeyRow { kind: kind.plural(), id }).collect();
        tx.query(REMOVE_KEPT).bind(district.as_str()).bind(KEPT.to_json(&rows)?).execute().await?;
    }
    each_batch(tx, PUT_KEPT, district, put, |it| {
        let (kind, id, after) = (it.kind.plural(), it.id.as_str(), it.after.as_deref());
        Ok(KeptRow { kind, id, after, tombstone: it.tombstone })
    })
    .await
}

impl Store {
    /// Every mode that was set for a district.
    pub async fn modes(&self, district: &DistrictId) -> Result<Modes, StoreError> {
        read_modes(&mut self.db.read().await?, district).await
    }

    /// Puts mode entries, new or ended, with the entries of `act`; false, and nothing written, if the modes are not those of
    /// `before` any more.
    pub async fn change_modes(&self, before: &Modes, put: &[ModeEntry], act: Act) -> Result<bool, StoreError> {
        let mut tx = self.db.write().await?;
        let mut locked = district::lock(&mut tx, &act.district).await?;
        if read_modes(&mut tx, &act.district).await? != *before {
            return Ok(false);
        }
        each_batch(&mut tx, PUT_MODES, &act.district, put, |it| {
            Ok(ModeRow { number: it.number, body: MODE.to_json(it)? })
        })
        .await?;
        manual::record(&mut tx, &mut locked, act).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Since when the source does not share the district any more.
    pub async fn disconnected(&self, district: &DistrictId) -> Result<Option<Disconnection>, StoreError> {
        read_disconnected(&mut self.db.read().await?, district).await
    }

    /// Notes that the source does not share the district any more (`why`), or does again (none). The instant of the first
    /// time stays.
    pub async fn note_connection(
        &self,
        district: &DistrictId,
        why: Option<&str>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let known = self.disconnected(district).await?;
        if known.is_some() == why.is_some() {
            return Ok(());
        }
        let now = why.map(|why| DISTRICT.to_json(&Disconnection { since: at, why: why.to_owned() })).transpose()?;
        let mut tx = self.db.write().await?;
        tx.query(SET_DISCONNECTED).bind(district.as_str()).bind(now).execute_exactly(1).await?;
        tx.commit().await
    }

    /// How many changes a mode keeps back.
    pub async fn kept_back(&self, district: &DistrictId) -> Result<usize, StoreError> {
        let mut tx = self.db.read().await?;
        let rows: Vec<(String, String, Option<String>, bool)> =
            tx.query(KEPT_BACK).bind(district.as_str()).fetch_all().await?;
        Ok(rows.len())
    }
}
