//! The guard's memory of what was lost lately.

use chrono::TimeDelta;
use serde::Serialize;

use crate::model::{DistrictId, RecentLoss, Timestamp};
use crate::store::StoreError;
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, bulk, statements};
use crate::store::seats::each_batch;

const RECENT_LOSS: Table = Table("recent_loss");

/// Longer than the guard looks back, whatever the time zone.
const KEPT: TimeDelta = TimeDelta::days(10);

statements! {
    RECENT_LOSSES = Sql::portable(
        "SELECT what, id, lost_on, schools FROM recent_loss WHERE district = $1 ORDER BY what, id",
    );
    FORGET_LOSSES = Sql::portable("DELETE FROM recent_loss WHERE district = $1 AND lost_on < $2");
    PUT_LOSSES = bulk!(
        "INSERT INTO recent_loss (district, what, id, lost_on, schools)
         SELECT $1, r.what, r.id, r.lost_on, r.schools",
        (what TEXT, id TEXT, lost_on TEXT, schools TEXT),
        "WHERE true ON CONFLICT (district, what, id) DO UPDATE SET
             lost_on = excluded.lost_on, schools = excluded.schools"
    );
}

#[derive(Serialize)]
struct LossRow<'a> {
    what: &'a str,
    id: &'a str,
    lost_on: String,
    schools: String,
}

pub(super) async fn read(tx: &mut Tx, district: &DistrictId) -> Result<Vec<RecentLoss>, StoreError> {
    let rows: Vec<(String, String, String, String)> =
        tx.query(RECENT_LOSSES).bind(district.as_str()).fetch_all().await?;
    let read = |(what, id, on, schools): (String, String, String, String)| {
        Ok(RecentLoss {
            what,
            id,
            on: on.parse().map_err(|_| RECENT_LOSS.corrupt("lost_on"))?,
            schools: RECENT_LOSS.json("schools", &schools)?,
        })
    };
    rows.into_iter().map(read).collect()
}

/// Adds to the memory, and forgets what is older than anyone asks for.
pub(super) async fn put(
    tx: &mut Tx,
    district: &DistrictId,
    losses: &[RecentLoss],
    now: Timestamp,
) -> Result<(), StoreError> {
    let oldest = now.plus(-KEPT).date_in(chrono_tz::UTC).to_string();
    tx.query(FORGET_LOSSES).bind(district.as_str()).bind(oldest).execute().await?;
    each_batch(tx, PUT_LOSSES, district, losses, |it| {
        Ok(LossRow {
            what: &it.what,
            id: &it.id,
            lost_on: it.on.to_string(),
            schools: RECENT_LOSS.to_json(&it.schools)?,
        })
    })
    .await
}
