//! One process at a time works on a district: a lease that runs out, with a fencing number that only grows (safety.md,
//! Crash, restart, several processes).
//!
//! A number is never below the clock's milliseconds, so that a queue restored from a backup, or made anew beside an old
//! store, does not hand out numbers that the store has seen.

use std::time::Duration;

use crate::model::{RunId, RunStatus, Timestamp};
use crate::store::StoreError;
use crate::store::db::{Sql, statements};
use crate::store::failpoint::failpoint;
use crate::store::queue::{Queue, QueueError, Request, read_one};

statements! {
    // PostgreSQL lets several processes look at once, each at another request.
    CLAIMABLE = Sql::per_backend(
        "SELECT r.run, r.district FROM request AS r LEFT JOIN lease AS l ON l.district = r.district
         WHERE r.is_open AND (l.run IS NULL OR l.expires_at <= $1)
             AND (CAST($2 AS TEXT) IS NULL OR r.run = $2)
         ORDER BY r.filed LIMIT 1",
        "SELECT r.run, r.district FROM request AS r LEFT JOIN lease AS l ON l.district = r.district
         WHERE r.is_open AND (l.run IS NULL OR l.expires_at <= $1)
             AND (CAST($2 AS TEXT) IS NULL OR r.run = $2)
         ORDER BY r.filed LIMIT 1 FOR UPDATE OF r SKIP LOCKED",
    );
    TAKE_LEASE = Sql::portable(
        "INSERT INTO lease (district, owner, run, fence, expires_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (district) DO UPDATE SET owner = excluded.owner, run = excluded.run,
             fence = CASE WHEN lease.fence < excluded.fence THEN excluded.fence ELSE lease.fence + 1 END,
             expires_at = excluded.expires_at
         WHERE lease.run IS NULL OR lease.expires_at <= $4
         RETURNING fence",
    );
    TAKE_UP = Sql::portable(
        "UPDATE request SET status = 'fetching', attempts = attempts + 1 WHERE run = $1 AND is_open",
    );
    BEAT = Sql::portable("UPDATE lease SET expires_at = $3 WHERE run = $1 AND fence = $2");
    HOLDS = Sql::portable("UPDATE lease SET fence = fence WHERE run = $1 AND fence = $2");
    SET_STATUS = Sql::portable("UPDATE request SET status = $2 WHERE run = $1 AND is_open");
    // What a person sent along, a roster among it, is kept no longer than the run needs it (safety.md, People's data).
    CLOSE_REQUEST = Sql::portable(
        "UPDATE request SET status = $2, is_open = FALSE, payload = NULL WHERE run = $1 AND is_open",
    );
    FREE_LEASE = Sql::portable(
        "UPDATE lease SET owner = NULL, run = NULL, expires_at = 0 WHERE run = $1 AND fence = $2",
    );
    FREE_ALL_LEASES = Sql::portable(
        "UPDATE lease SET owner = NULL, run = NULL, expires_at = 0 WHERE run IS NOT NULL",
    );
}

/// Another process may take the candidate between the look and the grip; then the next one is tried.
const TRIES: usize = 8;

/// A run that this process now works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// What was asked for.
    pub request: Request,
    /// The fencing number, for the store's transactions and for every call about this lease.
    pub fence: i64,
}

fn expiry(now: Timestamp, lease: Duration) -> i64 {
    now.millis().saturating_add(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
}

impl Queue {
    /// Takes up the oldest open request, or the one of `only`, in a district that nobody works on; also one whose holder let
    /// its lease run out, from its start. `real_now` is the real clock, never `--now`.
    pub async fn claim(
        &self,
        owner: &str,
        real_now: Timestamp,
        lease: Duration,
        only: Option<&RunId>,
    ) -> Result<Option<Claimed>, StoreError> {
        for _ in 0..TRIES {
            let mut tx = self.db.write().await?;
            let query = tx.query(CLAIMABLE).bind(real_now.millis()).bind(only.map(RunId::as_str));
            let Some((run, district)) = query.fetch_optional::<(String, String)>().await? else {
                return Ok(None);
            };
            let taken: Option<(i64,)> = tx
                .query(TAKE_LEASE)
                .bind(district)
                .bind(owner)
                .bind(run.as_str())
                .bind(real_now.millis())
                .bind(expiry(real_now, lease))
                .fetch_optional()
                .await?;
            let Some((fence,)) = taken else { continue };
            tx.query(TAKE_UP).bind(run.as_str()).execute_exactly(1).await?;
            let request = read_one(&mut tx, &RunId::from(run)).await?;
            tx.commit().await?;
            failpoint("queue.claim.committed");
            return Ok(request.map(|request| Claimed { request, fence }));
        }
        Ok(None)
    }

    /// Keeps the lease for another while. [`QueueError::LeaseLost`] if another process has it: stop working.
    pub async fn heartbeat(
        &self,
        run: &RunId,
        fence: i64,
        real_now: Timestamp,
        lease: Duration,
    ) -> Result<(), QueueError> {
        let mut tx = self.db.write().await?;
        let query = tx.query(BEAT).bind(run.as_str()).bind(fence).bind(expiry(real_now, lease));
        if query.execute().await? != 1 {
            return Err(QueueError::LeaseLost(run.clone()));
        }
        Ok(tx.commit().await?)
    }

    /// Says where a run is.
    pub async fn progress(&self, run: &RunId, fence: i64, status: RunStatus) -> Result<(), QueueError> {
        self.of_holder(run, fence, SET_STATUS, status, false).await
    }

    /// The run has ended: its request is closed and the district is free. Call it after the store has the run's row.
    pub async fn finish(&self, run: &RunId, fence: i64, status: RunStatus) -> Result<(), QueueError> {
        self.of_holder(run, fence, CLOSE_REQUEST, status, true).await
    }

    /// Gives a run back unfinished, for anyone to take up from its start.
    pub async fn release(&self, run: &RunId, fence: i64) -> Result<(), QueueError> {
        self.of_holder(run, fence, SET_STATUS, RunStatus::Queued, true).await
    }

    /// Whether the run is still this holder's: an error of one that lost it says nothing of the run.
    pub async fn holds(&self, run: &RunId, fence: i64) -> Result<(), QueueError> {
        let mut tx = self.db.write().await?;
        if tx.query(HOLDS).bind(run.as_str()).bind(fence).execute().await? != 1 {
            return Err(QueueError::LeaseLost(run.clone()));
        }
        Ok(tx.commit().await?)
    }

    async fn of_holder(
        &self,
        run: &RunId,
        fence: i64,
        sql: Sql,
        status: RunStatus,
        free: bool,
    ) -> Result<(), QueueError> {
        // the request before the lease, as a claim takes them: in another order two processes could wait for one another
        let mut tx = self.db.write().await?;
        let query = tx.query(sql).bind(run.as_str()).bind(status.as_str());
        let touched = query.execute().await?;
        let lease = if free { FREE_LEASE } else { HOLDS };
        let held = tx.query(lease).bind(run.as_str()).bind(fence).execute().await?;
        if (touched, held) != (1, 1) {
            return Err(QueueError::LeaseLost(run.clone()));
        }
        Ok(tx.commit().await?)
    }

    /// Frees every district. Only for who has the [`crate::store::WorkerLock`] of an `SQLite` store: then every other holder
    /// is dead. Their runs are open still and can be claimed.
    pub async fn void_all_leases(&self) -> Result<u64, StoreError> {
        let mut tx = self.db.write().await?;
        let freed = tx.query(FREE_ALL_LEASES).execute().await?;
        tx.commit().await?;
        Ok(freed)
    }
}
