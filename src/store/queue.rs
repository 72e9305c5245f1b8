//! What was asked for, durable before it is acknowledged (safety.md, A run, 1).

use sha2::{Digest, Sha256};

use crate::model::{DistrictId, RunId, RunStatus, Timestamp, Trigger};
use crate::store::column::Table;
use crate::store::db::{Db, Described, Sql, Tx, Wakes, statements as declare};
use crate::store::failpoint::failpoint;
use crate::store::{Settings, StoreError, schema, statements};

pub(super) const TABLE: Table = Table("request");

/// The row of `ordinal` that counts all requests.
const ALL: &str = "*";

declare! {
    // Taken first by every request: the row's lock puts the requests of a district in one order.
    NEXT_IN_DISTRICT = Sql::portable(
        "INSERT INTO ordinal (district, latest) VALUES ($1, 0)
         ON CONFLICT (district) DO UPDATE SET latest = ordinal.latest RETURNING latest",
    );
    COUNT_ORDINAL = Sql::portable(
        "INSERT INTO ordinal (district, latest) VALUES ($1, 1)
         ON CONFLICT (district) DO UPDATE SET latest = ordinal.latest + 1 RETURNING latest",
    );
    BY_IDEMPOTENCY_KEY = Sql::portable("SELECT run, body_hash FROM idempotency WHERE key = $1");
    PUT_IDEMPOTENCY_KEY = Sql::portable(
        "INSERT INTO idempotency (key, body_hash, run) VALUES ($1, $2, $3)",
    );
    BY_NIGHT = Sql::portable("SELECT run FROM night WHERE district = $1 AND night_key = $2");
    PUT_NIGHT = Sql::portable("INSERT INTO night (district, night_key, run) VALUES ($1, $2, $3)");
    QUEUED = Sql::portable(
        "SELECT run FROM request WHERE district = $1 AND mode = $2 AND is_open AND status = 'queued'
             AND payload IS NULL
         ORDER BY filed LIMIT 1",
    );
    PUT_REQUEST = Sql::portable(
        "INSERT INTO request (run, filed, district, mode, cause, requested_by, reason, payload, as_of,
             status, is_open)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'queued', TRUE)",
    );
    REQUEST = Sql::portable(
        "SELECT run, district, mode, cause, requested_by, reason, payload, as_of, status, is_open,
             attempts, cancel_asked
         FROM request WHERE run = $1",
    );
    REQUESTS = Sql::portable(
        "SELECT run, district, mode, cause, requested_by, reason, payload, as_of, status, is_open,
             attempts, cancel_asked
         FROM request WHERE is_open OR NOT $1 ORDER BY filed",
    );
    CANCEL_QUEUED = Sql::portable(
        "UPDATE request SET status = 'cancelled', is_open = FALSE, payload = NULL
         WHERE run = $1 AND is_open AND status = 'queued'",
    );
    // Others hear of it when this is committed; on SQLite nobody else is at work.
    WAKE = Sql::per_backend(
        "SELECT TRUE AS woken",
        "SELECT CAST(pg_notify('rosterd_queue', '') AS TEXT) IS NOT NULL AS woken",
    );
    ASK_CANCEL = Sql::portable("UPDATE request SET cancel_asked = TRUE WHERE run = $1 AND is_open");
}

/// Why a request was not filed, or a lease not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The idempotency key was used with another body.
    #[error("this idempotency key was used with another request, which became run `{0}`: use a new key")]
    KeyReused(RunId),
    /// The lease ran out and another process took the run up, or the run was closed.
    #[error("this process lost run `{0}`: stop working on it")]
    LeaseLost(RunId),
    /// There is a token of that name.
    #[error("there is a token named `{0}` already: revoked names are not used again, choose another")]
    TokenExists(String),
    /// The queue failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRequest {
    /// The district.
    pub district: DistrictId,
    /// `apply`, `plan`, `approve`, `reject`, …
    pub mode: String,
    /// What asks.
    pub trigger: Trigger,
    /// Who asks.
    pub requested_by: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// What the mode needs to know, as JSON.
    pub payload: Option<String>,
    /// The instant of decisions: it becomes the run's `as_of`.
    pub at: Timestamp,
    /// The local date, for the nightly run: each night is filed once.
    pub night: Option<String>,
    /// The caller's key and a hash of what it asked for.
    pub idempotency_key: Option<(String, String)>,
}

/// How a request was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filed {
    /// A new run was queued.
    New,
    /// A run of the same mode was still queued.
    Joined,
    /// The idempotency key was used before for the same.
    SameKey,
    /// This night was filed before.
    SameNight,
}

/// The run that meets a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requested {
    /// The run.
    pub run: RunId,
    /// Whether the run was there before.
    pub joined: bool,
    /// How.
    pub filed: Filed,
}

/// A request as the queue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The run.
    pub run: RunId,
    /// The district.
    pub district: DistrictId,
    /// The mode.
    pub mode: String,
    /// What asked.
    pub trigger: Trigger,
    /// Who asked.
    pub requested_by: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// What the mode needs to know.
    pub payload: Option<String>,
    /// The run's `as_of`.
    pub at: Timestamp,
    /// Where it is.
    pub status: RunStatus,
    /// Whether it is still to be done.
    pub open: bool,
    /// How often it was taken up.
    pub attempts: i64,
    /// Whether someone asked to cancel it while it ran.
    pub cancel_asked: bool,
}

/// What became of a wish to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It had not begun, and never will.
    Now,
    /// It is under way; whoever works on it is asked to stop.
    Asked,
    /// It has ended, or there is no such run.
    TooLate,
}

/// The queue. Cheap to clone; all clones share the connections.
#[derive(Clone, Debug)]
pub struct Queue {
    pub(super) db: Db,
}

/// A ULID of `at` and of a hash of (district, trigger, ordinal): the same history has the same ids (safety.md, Audit).
fn run_id(district: &DistrictId, trigger: Trigger, ordinal: i64, at: Timestamp) -> RunId {
    let digest = Sha256::digest(format!("{district}\n{trigger}\n{ordinal}").as_bytes());
    let chance = digest.iter().take(10).fold(0_u128, |sum, byte| (sum << 8) | u128::from(*byte));
    let millis = u64::try_from(at.millis()).unwrap_or(0);
    RunId::from(ulid::Ulid::from_parts(millis, chance).to_string())
}

type RequestColumns =
    (String, String, String, String, Option<String>, Option<String>, Option<String>, i64, String, bool, i64, bool);

fn read_request(columns: RequestColumns) -> Result<Request, StoreError> {
    let (run, district, mode, cause, by, reason, payload, as_of, status, open, attempts, asked) = columns;
    Ok(Request {
        run: run.into(),
        district: district.into(),
        mode,
        trigger: Trigger::parse(&cause).ok_or_else(|| TABLE.corrupt("cause"))?,
        requested_by: by,
        reason,
        payload,
        at: TABLE.instant("as_of", as_of)?,
        status: RunStatus::parse(&status).ok_or_else(|| TABLE.corrupt("status"))?,
        open,
        attempts,
        cancel_asked: asked,
    })
}

pub(super) async fn read_one(tx: &mut Tx, run: &RunId) -> Result<Option<Request>, StoreError> {
    let row = tx.query(REQUEST).bind(run.as_str()).fetch_optional().await?;
    row.map(read_request).transpose()
}

/// The run that meets the request already, if any.
async fn met(tx: &mut Tx, new: &NewRequest) -> Result<Option<(RunId, Filed)>, QueueError> {
    if let Some((key, body_hash)) = &new.idempotency_key {
        let row: Option<(String, String)> = tx.query(BY_IDEMPOTENCY_KEY).bind(key.as_str()).fetch_optional().await?;
        if let Some((run, hash)) = row {
            let run = RunId::from(run);
            let same = hash == *body_hash;
            return if same { Ok(Some((run, Filed::SameKey))) } else { Err(QueueError::KeyReused(run)) };
        }
    }
    if let Some(night) = &new.night {
        let query = tx.query(BY_NIGHT).bind(new.district.as_str()).bind(night.as_str());
        if let Some((run,)) = query.fetch_optional::<(String,)>().await? {
            return Ok(Some((run.into(), Filed::SameNight)));
        }
    }
    if new.payload.is_none() && matches!(new.mode.as_str(), "apply" | "plan" | "catalog") {
        let query = tx.query(QUEUED).bind(new.district.as_str()).bind(new.mode.as_str());
        if let Some((run,)) = query.fetch_optional::<(String,)>().await? {
            return Ok(Some((run.into(), Filed::Joined)));
        }
    }
    Ok(None)
}

async fn put(tx: &mut Tx, new: &NewRequest) -> Result<RunId, StoreError> {
    let (ordinal,): (i64,) = tx.query(COUNT_ORDINAL).bind(new.district.as_str()).fetch_one().await?;
    let (filed,): (i64,) = tx.query(COUNT_ORDINAL).bind(ALL).fetch_one().await?;
    let run = run_id(&new.district, new.trigger, ordinal, new.at);
    tx.query(PUT_REQUEST)
        .bind(run.as_str())
        .bind(filed)
        .bind(new.district.as_str())
        .bind(new.mode.as_str())
        .bind(new.trigger.as_str())
        .bind(new.requested_by.as_deref())
        .bind(new.reason.as_deref())
        .bind(new.payload.as_deref())
        .bind(new.at.millis())
        .execute_exactly(1)
        .await?;
    Ok(run)
}

impl Queue {
    /// Opens the queue: beside the `SQLite` store, or in the same `PostgreSQL` database.
    pub async fn open(settings: &Settings) -> Result<Self, StoreError> {
        Ok(Self { db: schema::open(settings, schema::Part::Queue).await? })
    }

    /// Closes every connection of every clone.
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// What the database makes of each statement of the queue.
    pub async fn describe_statements(&self) -> Result<Vec<Described>, StoreError> {
        statements::describe(&self.db, statements::OF_QUEUE).await
    }

    /// Files a request, durable when this returns, or names the run that meets it already: of the same idempotency key, of
    /// the same night, or (for `apply`, `plan` and `catalog` without payload) of the same mode and still queued.
    pub async fn request(&self, new: NewRequest) -> Result<Requested, QueueError> {
        let mut tx = self.db.write().await?;
        let tx_ref = &mut tx;
        let _locked: (i64,) = tx_ref.query(NEXT_IN_DISTRICT).bind(new.district.as_str()).fetch_one().await?;
        let (run, filed) = match met(tx_ref, &new).await? {
            Some(met) => met,
            None => (put(tx_ref, &new).await?, Filed::New),
        };
        if let (Some((key, body_hash)), true) = (&new.idempotency_key, filed != Filed::SameKey) {
            let query = tx_ref.query(PUT_IDEMPOTENCY_KEY).bind(key.as_str());
            query.bind(body_hash.as_str()).bind(run.as_str()).execute_exactly(1).await?;
        }
        if let (Some(night), Filed::New | Filed::Joined) = (&new.night, filed) {
            let query = tx_ref.query(PUT_NIGHT).bind(new.district.as_str());
            query.bind(night.as_str()).bind(run.as_str()).execute_exactly(1).await?;
        }
        if filed == Filed::New {
            let _woken: (bool,) = tx_ref.query(WAKE).fetch_one().await?;
        }
        failpoint("queue.request.commit");
        tx.commit().await?;
        failpoint("queue.request.committed");
        Ok(Requested { run, joined: filed != Filed::New, filed })
    }

    /// Hears of what any process files; none where no other process can be at work.
    pub async fn wakes(&self) -> Result<Option<Wakes>, StoreError> {
        self.db.listen("rosterd_queue").await
    }

    /// A request, done or not.
    pub async fn get(&self, run: &RunId) -> Result<Option<Request>, StoreError> {
        read_one(&mut self.db.read().await?, run).await
    }

    /// Requests in the order in which they were filed; with `open_only` those still to be done.
    pub async fn list(&self, open_only: bool) -> Result<Vec<Request>, StoreError> {
        let mut tx = self.db.read().await?;
        let rows: Vec<RequestColumns> = tx.query(REQUESTS).bind(open_only).fetch_all().await?;
        rows.into_iter().map(read_request).collect()
    }

    /// Cancels a run that has not begun; asks one under way to stop before it applies anything.
    pub async fn cancel(&self, run: &RunId) -> Result<Cancelled, StoreError> {
        let mut tx = self.db.write().await?;
        let outcome = if tx.query(CANCEL_QUEUED).bind(run.as_str()).execute().await? == 1 {
            Cancelled::Now
        } else if tx.query(ASK_CANCEL).bind(run.as_str()).execute().await? == 1 {
            Cancelled::Asked
        } else {
            Cancelled::TooLate
        };
        tx.commit().await?;
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_history_has_the_same_run_ids() {
        let at = Timestamp::parse("2026-10-05T07:00:00Z").unwrap();
        let id = run_id(&"oak".into(), Trigger::Schedule, 1, at);
        assert_eq!(id, run_id(&"oak".into(), Trigger::Schedule, 1, at));
        assert_ne!(id, run_id(&"oak".into(), Trigger::Schedule, 2, at));
        assert_ne!(id, run_id(&"oak".into(), Trigger::Cli, 1, at));
        let ulid = ulid::Ulid::from_string(id.as_str()).unwrap();
        assert_eq!(i64::try_from(ulid.timestamp_ms()).unwrap(), at.millis());
    }
}
