//! What all districts together released, and whether somebody has looked at it.

use chrono::TimeDelta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::guard::{FLEET, Fleet};
use crate::model::{DistrictId, RecentLoss, RunId, RunRecord, RunStatus, Timestamp};
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, statements};
use crate::store::{Act, Store, StoreError, district, manual};

const HOLD: Table = Table("fleet_hold");

const DAY: TimeDelta = TimeDelta::hours(24);

/// Days of which the mean is a usual one.
const USUAL: i64 = 28;

/// Longer than anyone looks back.
const KEPT: TimeDelta = TimeDelta::days(40);

statements! {
    PUT_RELEASE = Sql::portable("INSERT INTO fleet_release (district, run, at, n) VALUES ($1, $2, $3, $4)");
    FORGET_RELEASES = Sql::portable("DELETE FROM fleet_release WHERE at < $1");
    SUMS = Sql::portable(
        "SELECT CAST(COALESCE(SUM(CASE WHEN at > $1 THEN n ELSE 0 END), 0) AS BIGINT) AS lately,
             CAST(COALESCE(SUM(CASE WHEN at <= $2 AND at > $3 THEN n ELSE 0 END), 0) AS BIGINT) AS before,
             MIN(at) AS first
         FROM fleet_release WHERE at <= $4",
    );
    LAST_HOLD = Sql::portable("SELECT number, body FROM fleet_hold ORDER BY number DESC LIMIT 1");
    PUT_HOLD = Sql::portable(
        "INSERT INTO fleet_hold (number, body) VALUES ($1, $2) ON CONFLICT (number) DO NOTHING",
    );
    CHANGE_HOLD = Sql::portable("UPDATE fleet_hold SET body = $2 WHERE number = $1");
}

/// A time at which all districts together released too much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FleetHold {
    /// `as_of` of the run that met it.
    pub since: Timestamp,
    /// That run.
    pub run: RunId,
    /// Its district.
    pub district: DistrictId,
    /// Releases of 24 hours, with those that this run would have added.
    pub released: u64,
    /// Releases of a usual day.
    pub usual: u64,
    /// Who looked at it; null while it holds.
    pub acknowledged_by: Option<String>,
    /// When.
    pub acknowledged_at: Option<Timestamp>,
    /// What they said.
    pub reason: Option<String>,
}

impl FleetHold {
    fn is_open(&self) -> bool {
        self.acknowledged_at.is_none()
    }
}

async fn last(tx: &mut Tx) -> Result<Option<(i64, FleetHold)>, StoreError> {
    let row: Option<(i64, String)> = tx.query(LAST_HOLD).fetch_optional().await?;
    row.map(|(number, body)| Ok((number, HOLD.json("body", &body)?))).transpose()
}

/// Adds what a run released unattended, and notes that the whole was too much if this run met that.
pub(super) async fn put(tx: &mut Tx, run: &RunRecord, losses: &[RecentLoss]) -> Result<(), StoreError> {
    let released = losses.iter().filter(|it| it.what.starts_with("product:")).count();
    if released > 0 {
        tx.query(FORGET_RELEASES).bind(run.as_of.plus(-KEPT).millis()).execute().await?;
        tx.query(PUT_RELEASE)
            .bind(run.district.as_str())
            .bind(run.run.as_str())
            .bind(run.as_of.millis())
            .bind(i64::try_from(released).unwrap_or(i64::MAX))
            .execute_exactly(1)
            .await?;
    }
    let met = run.holds.iter().find(|hold| hold.group == FLEET).filter(|_| run.status == RunStatus::Held);
    let Some(met) = met else { return Ok(()) };
    let last = last(tx).await?;
    if last.as_ref().is_some_and(|(_, hold)| hold.is_open()) {
        return Ok(());
    }
    let hold = FleetHold {
        since: run.as_of,
        run: run.run.clone(),
        district: run.district.clone(),
        released: met.count,
        usual: met.of,
        acknowledged_by: None,
        acknowledged_at: None,
        reason: None,
    };
    let number = last.map_or(1, |(number, _)| number + 1);
    // Another district's run may have met it at the same time.
    tx.query(PUT_HOLD).bind(number).bind(HOLD.to_json(&hold)?).execute().await?;
    Ok(())
}

impl Store {
    /// What all districts together released lately.
    pub async fn fleet(&self, now: Timestamp) -> Result<Fleet, StoreError> {
        let mut tx = self.db.read().await?;
        let last = last(&mut tx).await?.map(|(_, hold)| hold);
        let yesterday = now.plus(-DAY);
        let oldest = yesterday.plus(TimeDelta::days(-USUAL));
        let since = last.as_ref().and_then(|hold| hold.acknowledged_at).map_or(yesterday, |at| at.max(yesterday));
        let (lately, before, first): (i64, i64, Option<i64>) = tx
            .query(SUMS)
            .bind(since.millis())
            .bind(yesterday.millis())
            .bind(oldest.millis())
            .bind(now.millis())
            .fetch_one()
            .await?;
        let begun = first.and_then(Timestamp::from_millis).map_or(yesterday, |first| first.max(oldest));
        let days = ((yesterday.instant() - begun.instant()).num_hours() + 23).div_euclid(24).clamp(1, USUAL);
        Ok(Fleet {
            released: u64::try_from(lately).unwrap_or(0),
            usual: u64::try_from(before.div_euclid(days)).unwrap_or(0),
            tripped: last.is_some_and(|hold| hold.is_open()),
        })
    }

    /// The latest time at which it was too much; none if it never was.
    pub async fn fleet_hold(&self) -> Result<Option<FleetHold>, StoreError> {
        Ok(last(&mut self.db.read().await?).await?.map(|(_, hold)| hold))
    }

    /// Somebody has looked at it: releases go on in every district, and what was released until now counts no more. With the
    /// entries of `acts`, each in its district; none if nothing was to be acknowledged.
    pub async fn acknowledge_fleet(
        &self,
        (by, reason): (&str, Option<&str>),
        at: Timestamp,
        acts: Vec<Act>,
    ) -> Result<Option<FleetHold>, StoreError> {
        let mut tx = self.db.write().await?;
        let Some((number, hold)) = last(&mut tx).await?.filter(|(_, hold)| hold.is_open()) else { return Ok(None) };
        let (acknowledged_by, reason) = (Some(by.to_owned()), reason.map(str::to_owned));
        let hold = FleetHold { acknowledged_by, acknowledged_at: Some(at), reason, ..hold };
        tx.query(CHANGE_HOLD).bind(number).bind(HOLD.to_json(&hold)?).execute_exactly(1).await?;
        for act in acts {
            let mut locked = district::lock(&mut tx, &act.district).await?;
            manual::record(&mut tx, &mut locked, act).await?;
        }
        tx.commit().await?;
        Ok(Some(hold))
    }
}
