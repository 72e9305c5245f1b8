//! Turns to ask a server that counts together what many processes ask: for each server and rate, up to when they are given out.
//!
//! By the database's clock: the processes' own may be seconds apart (deploy/postgres.md), and one that is ahead would keep all
//! others waiting, and send what it took before its time. In the queue's part: on SQLite an apply holds up the other one.

use std::time::Duration;

use crate::model::Timestamp;
use crate::store::StoreError;
use crate::store::db::{Sql, statements};
use crate::store::queue::Queue;

statements! {
    // Per backend because the clocks have different names. Nobody takes turns a minute ahead: where the row says so, the clock
    // was set back, and it is as if the row were not there.
    TAKE_TURNS = Sql::per_backend(
        "INSERT INTO pace (origin, per_second, next_at)
         VALUES ($1, $2, COALESCE($3, CAST(ROUND(unixepoch('subsec') * 1000) AS INTEGER)) + $4)
         ON CONFLICT (origin, per_second) DO UPDATE SET next_at = CASE
             WHEN pace.next_at BETWEEN excluded.next_at - $4 AND excluded.next_at - $4 + 60000
             THEN pace.next_at + $4 ELSE excluded.next_at END
         RETURNING next_at - $4 - COALESCE($3, CAST(ROUND(unixepoch('subsec') * 1000) AS INTEGER)) AS ahead",
        "INSERT INTO pace (origin, per_second, next_at)
         VALUES ($1, $2, COALESCE($3, CAST(FLOOR(EXTRACT(EPOCH FROM statement_timestamp()) * 1000) AS BIGINT)) + $4)
         ON CONFLICT (origin, per_second) DO UPDATE SET next_at = CASE
             WHEN pace.next_at BETWEEN excluded.next_at - $4 AND excluded.next_at - $4 + 60000
             THEN pace.next_at + $4 ELSE excluded.next_at END
         RETURNING next_at - $4
             - COALESCE($3, CAST(FLOOR(EXTRACT(EPOCH FROM statement_timestamp()) * 1000) AS BIGINT)) AS ahead",
    );
}

impl Queue {
    /// Takes the next stretch of time of this length, in which nobody else asks the server at this rate, and returns how long
    /// after the time of asking it begins. That is the database's own where no `now` is given.
    pub async fn take_turns(
        &self,
        origin: &str,
        per_second: u32,
        length: Duration,
        now: Option<Timestamp>,
    ) -> Result<Duration, StoreError> {
        let mut tx = self.db.write().await?;
        let (ahead,): (i64,) = tx
            .query(TAKE_TURNS)
            .bind(origin)
            .bind(i64::from(per_second))
            .bind(now.map(Timestamp::millis))
            .bind(i64::try_from(length.as_millis()).unwrap_or_default())
            .fetch_one()
            .await?;
        tx.commit().await?;
        Ok(Duration::from_millis(u64::try_from(ahead).unwrap_or_default()))
    }
}
