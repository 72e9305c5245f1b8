//! Alerts, open and cleared, and the seats in use by day that their forecasts rest on.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Alert, AlertId, Daily, DailyKey, Date, DistrictId, SourceId};
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, bulk, statements};
use crate::store::seats::each_batch;
use crate::store::{Act, Store, StoreError, district, manual};

const ALERT: Table = Table("alert");
const DAILY: Table = Table("seats_daily");

statements! {
    OPEN = Sql::portable("SELECT body FROM alert WHERE district = $1 AND is_open");
    ALL = Sql::portable("SELECT body FROM alert WHERE district = $1");
    BY_ID = Sql::portable("SELECT body FROM alert WHERE id = $1");
    PUT_ALERTS = bulk!(
        "INSERT INTO alert (district, id, kind, is_open, body) SELECT $1, r.id, r.kind, r.is_open, r.body",
        (id TEXT, kind TEXT, is_open BOOLEAN, body TEXT),
        "WHERE true ON CONFLICT (district, id) DO UPDATE SET is_open = excluded.is_open, body = excluded.body"
    );
    DAYS = Sql::portable("SELECT product, school, day, assigned FROM seats_daily WHERE district = $1");
    PUT_DAYS = bulk!(
        "INSERT INTO seats_daily (district, product, school, day, assigned)
         SELECT $1, r.product, r.school, r.day, r.assigned",
        (product TEXT, school TEXT, day TEXT, assigned BIGINT),
        "WHERE true ON CONFLICT (district, product, school, day) DO UPDATE SET assigned = excluded.assigned"
    );
    REMOVE_DAYS = bulk!(
        "DELETE FROM seats_daily WHERE district = $1 AND (product, school, day) IN
             (SELECT r.product, r.school, r.day",
        (product TEXT, school TEXT, day TEXT),
        ")"
    );
}

#[derive(Serialize)]
struct AlertRow<'a> {
    id: &'a str,
    kind: &'static str,
    is_open: bool,
    body: String,
}

#[derive(Serialize)]
struct DayRow<'a> {
    product: &'a str,
    /// Empty for the whole product: a key cannot be null.
    school: &'a str,
    day: String,
    assigned: u64,
}

fn alert((body,): (String,)) -> Result<Alert, StoreError> {
    ALERT.json("body", &body)
}

fn day_row((product, school): &DailyKey, day: Date, assigned: u64) -> DayRow<'_> {
    let school = school.as_ref().map(SourceId::as_str).unwrap_or_default();
    DayRow { product: product.as_str(), school, day: day.to_string(), assigned }
}

pub(super) async fn read_open(tx: &mut Tx, district: &DistrictId) -> Result<BTreeMap<AlertId, Alert>, StoreError> {
    let rows: Vec<(String,)> = tx.query(OPEN).bind(district.as_str()).fetch_all().await?;
    rows.into_iter().map(|row| alert(row).map(|it| (it.id.clone(), it))).collect()
}

pub(super) async fn put(tx: &mut Tx, district: &DistrictId, alerts: &[Alert]) -> Result<(), StoreError> {
    each_batch(tx, PUT_ALERTS, district, alerts, |it| {
        let is_open = it.cleared_at.is_none();
        Ok(AlertRow { id: it.id.as_str(), kind: it.kind.as_str(), is_open, body: ALERT.to_json(it)? })
    })
    .await
}

pub(super) async fn read_daily(
    tx: &mut Tx,
    district: &DistrictId,
) -> Result<BTreeMap<DailyKey, BTreeMap<Date, u64>>, StoreError> {
    let rows: Vec<(String, String, String, i64)> = tx.query(DAYS).bind(district.as_str()).fetch_all().await?;
    let mut all: BTreeMap<DailyKey, BTreeMap<Date, u64>> = BTreeMap::new();
    for (product, school, day, assigned) in rows {
        let school = (!school.is_empty()).then(|| school.into());
        let day = day.parse().map_err(|_| DAILY.corrupt("day"))?;
        let assigned = u64::try_from(assigned).map_err(|_| DAILY.corrupt("assigned"))?;
        all.entry((product.into(), school)).or_default().insert(day, assigned);
    }
    Ok(all)
}

/// Every day that is removed must be there.
pub(super) async fn put_daily(
    tx: &mut Tx,
    district: &DistrictId,
    put: &[Daily],
    removed: &[(DailyKey, Date)],
) -> Result<(), StoreError> {
    each_batch(tx, REMOVE_DAYS, district, removed, |(of, day)| Ok(day_row(of, *day, 0))).await?;
    each_batch(tx, PUT_DAYS, district, put, |it| Ok(day_row(&it.of, it.day, it.assigned))).await
}

impl Store {
    /// A district's alerts, by id; with `cleared` also those that are over.
    pub async fn alerts(&self, district: &DistrictId, cleared: bool) -> Result<Vec<Alert>, StoreError> {
        let mut tx = self.db.read().await?;
        let query = tx.query(if cleared { ALL } else { OPEN }).bind(district.as_str());
        let rows: Vec<(String,)> = query.fetch_all().await?;
        rows.into_iter().map(alert).collect()
    }

    /// One alert.
    pub async fn alert(&self, id: &AlertId) -> Result<Option<Alert>, StoreError> {
        let mut tx = self.db.read().await?;
        let row: Option<(String,)> = tx.query(BY_ID).bind(id.as_str()).fetch_optional().await?;
        row.map(alert).transpose()
    }

    /// Replaces an alert as it was read, with the entries of `act`; false, and nothing written, if it is another one now.
    pub async fn change_alert(&self, before: &Alert, after: &Alert, act: Act) -> Result<bool, StoreError> {
        let mut tx = self.db.write().await?;
        let mut locked = district::lock(&mut tx, &before.district).await?;
        let row: Option<(String,)> = tx.query(BY_ID).bind(before.id.as_str()).fetch_optional().await?;
        if row.map(alert).transpose()?.as_ref() != Some(before) {
            return Ok(false);
        }
        put(&mut tx, &before.district, std::slice::from_ref(after)).await?;
        manual::record(&mut tx, &mut locked, act).await?;
        tx.commit().await?;
        Ok(true)
    }
}
