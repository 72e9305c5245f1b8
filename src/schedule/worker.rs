//! Carries out one claimed request: the district is looked up, the lease kept alive, the run done, the outcome recorded.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use crate::activity;
use crate::clock::{self, Clock};
use crate::config::Settings;
use crate::decide::{self, Ask};
use crate::directory::Directory;
use crate::district::{District, NotByHand};
use crate::erase;
use crate::feed;
use crate::manual;
use crate::model::{DistrictId, Purchase, RunId, RunRecord, RunStatus, Timestamp};
use crate::revert;
use crate::run::{self, Job, World};
use crate::schedule::catalog;
use crate::store::{Activity, Claimed, Queue, QueueError, Request, Said, Store, StoreError, WriteError};

/// What a process that works on runs has.
#[derive(Clone, Debug)]
pub struct Office {
    /// All settings.
    pub settings: Arc<Settings>,
    /// Rows.
    pub store: Store,
    /// Requests and leases.
    pub queue: Queue,
    /// Time of decisions.
    pub clock: Clock,
    /// Names this process in leases.
    pub owner: String,
    /// The districts as last listed.
    pub known: Arc<Directory>,
}

/// How often a run is taken up anew before it is given up (reliability.md F24).
const TAKEN_UP: i64 = 10;

/// How far the clocks of two processes may differ.
const SKEW: TimeDelta = TimeDelta::minutes(1);

impl Office {
    /// How long a lease lasts without a heartbeat.
    pub fn lease(&self) -> Duration {
        Duration::from_secs(u64::from(self.settings.schedule.lease_seconds))
    }

    /// Claims the oldest request that may run now, or the one given.
    pub async fn claim(&self, only: Option<&RunId>) -> Result<Option<Claimed>, StoreError> {
        self.queue.claim(&self.owner, clock::real_now(), self.lease(), only).await
    }

    /// Carries out a claimed request. Whatever goes wrong becomes a `failed` record; only a store that does not answer at
    /// all is an error, and then the lease runs out and the run is taken up again from its start.
    ///
    /// A lease that is lost meanwhile stops nothing here: the fence refuses every write (safety.md, Crash), and a future that
    /// is dropped while it talks to the database could leave a transaction open.
    pub async fn carry_out(&self, claimed: Claimed, progress: Arc<feed::Progress>) -> Result<RunRecord, QueueError> {
        let done = CancellationToken::new();
        let beating = tokio::spawn(self.clone().keep_lease(claimed.clone(), done.clone()));
        // Also where this future is dropped, as the daemon does with a run that is not to be finished.
        let ends_it = done.drop_guard();
        let outcome = Box::pin(self.attempt(&claimed, progress)).await;
        drop(ends_it);
        if beating.await.is_err() {
            tracing::error!(run.id = %claimed.request.run, "the heartbeat of run {} broke down", claimed.request.run);
        }
        let record = outcome?;
        self.queue.finish(&record.run, claimed.fence, record.status).await?;
        Ok(record)
    }

    async fn attempt(&self, claimed: &Claimed, progress: Arc<feed::Progress>) -> Result<RunRecord, QueueError> {
        let record = queued_record(&claimed.request);
        if let Some(done) = self.store.run(&record.run).await? {
            return Ok(done);
        }
        if claimed.request.attempts > TAKEN_UP {
            let message = format!(
                "the run was taken up {TAKEN_UP} times and never came to an end: nothing was changed; read the log of the time \
                 before, then sync again"
            );
            return self.failed(claimed, record, message).await;
        }
        let Some(district) = self.district(&record.district).await else {
            let message = format!(
                "district `{}` is neither configured nor shared with an app any more: nothing was changed; add it to the \
                 configuration, or let its roster rest",
                record.district
            );
            return self.failed(claimed, record, message).await;
        };
        self.store
            .ensure_district(&district.id(), district.name(), district.time_zone, district.feed.end_dates())
            .await?;
        if let Some(app) = district.listed_by(&self.settings.district) {
            self.store.note_app(&district.id(), app).await?;
        }
        match self.store.take_fence(&district.id(), claimed.fence).await {
            Ok(()) => {}
            Err(WriteError::Store(error)) => return Err(error.into()),
            Err(WriteError::Fenced | WriteError::Stale { .. } | WriteError::AlreadyDone(_)) => {
                return Err(QueueError::LeaseLost(record.run));
            }
        }
        let last = self.store.district(&district.id()).await?.allocated_at;
        let as_of = not_before(record.as_of, last);
        let record = RunRecord { as_of, ..record };
        let world = World {
            store: &self.store,
            queue: &self.queue,
            limits: &self.settings.guard,
            apps: &self.settings.apps(),
            progress,
            clock: self.clock,
        };
        let upload = match upload(claimed, &district) {
            Ok(upload) => upload,
            Err(message) => return self.failed(claimed, record, message).await,
        };
        let job = Job { district: &district, run: record.clone(), fence: claimed.fence, upload };
        let outcome = match claimed.request.mode.as_str() {
            "apply" | "plan" => Box::pin(run::run(job, &world)).await.map_err(|error| error.to_string()),
            catalog::TAKE_UP | "allocate" => {
                Box::pin(run::contract(&job, &world, Said::Stored)).await.map_err(|error| error.to_string())
            }
            catalog::PURCHASE => Box::pin(self.purchase(&job, claimed.request.payload.as_deref(), &world)).await,
            activity::MODE => self.note_use(&job, claimed.request.payload.as_deref(), &world).await,
            run::BY_HAND => self.by_hand(&job, claimed.request.payload.as_deref(), &world).await,
            run::ERASE => self.erase(&job, claimed.request.payload.as_deref(), &world).await,
            "revert" => self.revert(&job, claimed.request.payload.as_deref(), &world).await,
            "approve" | "reject" => self.decide(&job, claimed.request.payload.as_deref(), &world).await,
            other => Err(format!("this version of rosterd does not know the request `{other}`; run the newer one")),
        };
        match outcome {
            Ok(record) => Ok(record),
            Err(message) => self.failed(claimed, record, message).await,
        }
    }

    async fn purchase(&self, job: &Job<'_>, payload: Option<&str>, world: &World<'_>) -> Result<RunRecord, String> {
        let purchase: Purchase = serde_json::from_str(payload.unwrap_or_default())
            .map_err(|_| "the queued purchase cannot be read; send it again".to_owned())?;
        let product = &purchase.subscription.product;
        let offer = self.store.offer(&job.district.id()).await.map_err(|error| error.to_string())?;
        if !offer.products.contains_key(product) {
            return Err(format!("product `{product}` is not in the catalog any more: nothing was changed"));
        }
        let run = Box::pin(run::contract(job, world, Said::Purchase(&purchase)));
        run.await.map_err(|error| error.to_string())
    }

    async fn decide(&self, job: &Job<'_>, payload: Option<&str>, world: &World<'_>) -> Result<RunRecord, String> {
        let ask: Ask = serde_json::from_str(payload.unwrap_or_default())
            .map_err(|_| "the queued decision cannot be read; ask for it again".to_owned())?;
        let checked = decide::check(&self.store, world.limits, &ask, job.run.requested_by.as_deref())
            .await
            .map_err(|error| error.to_string())?;
        Box::pin(decide::decide(job, &ask, checked, world)).await.map_err(|error| error.to_string())
    }

    async fn erase(&self, job: &Job<'_>, payload: Option<&str>, world: &World<'_>) -> Result<RunRecord, String> {
        let ask: erase::Ask = serde_json::from_str(payload.unwrap_or_default())
            .map_err(|_| "the queued erasure cannot be read; ask for it again".to_owned())?;
        Box::pin(erase::carry_out(job, &ask, world)).await.map_err(|error| error.to_string())
    }

    async fn revert(&self, job: &Job<'_>, payload: Option<&str>, world: &World<'_>) -> Result<RunRecord, String> {
        let ask: revert::Ask = serde_json::from_str(payload.unwrap_or_default())
            .map_err(|_| "the queued revert cannot be read; ask for it again".to_owned())?;
        Box::pin(revert::carry_out(job, &ask, world)).await.map_err(|error| error.to_string())
    }

    async fn note_use(&self, job: &Job<'_>, payload: Option<&str>, world: &World<'_>) -> Result<RunRecord, String> {
        let uses: Vec<Activity> = serde_json::from_str(payload.unwrap_or_default())
            .map_err(|_| "the queued report of use cannot be read; send it again".to_owned())?;
        activity::carry_out(job, &uses, world).await.map_err(|error| error.to_string())
    }

    async fn by_hand(&self, job: &Job<'_>, payload: Option<&str>, world: &World<'_>) -> Result<RunRecord, String> {
        let verb: manual::Verb = serde_json::from_str(payload.unwrap_or_default())
            .map_err(|_| "the queued decision cannot be read; ask for it again".to_owned())?;
        manual::carry_out(job, &verb, world).await.map_err(|error| error.to_string())
    }

    /// The districts as the apps list them now.
    pub async fn list(&self) -> Directory {
        Directory::discover(&self.settings, Some(&run::turnstile(&self.queue))).await
    }

    /// The same, and those they listed before.
    pub async fn discover(&self) -> Directory {
        let mut directory = self.list().await;
        match self.store.listed().await {
            Ok(former) => directory.keep_former(&former, &self.settings),
            Err(error) => tracing::error!(%error, "districts that apps listed before could not be read"),
        }
        directory
    }

    async fn district(&self, id: &DistrictId) -> Option<District> {
        match self.known.get(id) {
            Some(district) => Some(district.clone()),
            None => self.discover().await.get(id).cloned(),
        }
    }

    /// Ends a claimed run that could not be carried out, with the reason.
    pub async fn give_up(&self, claimed: &Claimed, message: String) -> Result<RunRecord, QueueError> {
        let record = self.failed(claimed, queued_record(&claimed.request), message).await?;
        self.queue.finish(&record.run, claimed.fence, record.status).await?;
        Ok(record)
    }

    async fn failed(&self, claimed: &Claimed, record: RunRecord, message: String) -> Result<RunRecord, QueueError> {
        // What went wrong may be just that: the run is another process's by now, which may not have reached the store yet.
        self.queue.holds(&record.run, claimed.fence).await?;
        let finished_at = Some(self.clock.now());
        let record = RunRecord { status: RunStatus::Failed, error: Some(message), finished_at, ..record };
        match self.store.finish_run(&record, Some(claimed.fence)).await {
            Ok(()) => Ok(record),
            Err(WriteError::AlreadyDone(run)) => Ok(self.store.run(&run).await?.unwrap_or(record)),
            Err(WriteError::Store(error)) => Err(error.into()),
            Err(WriteError::Fenced | WriteError::Stale { .. }) => Err(QueueError::LeaseLost(record.run)),
        }
    }

    /// Renews the lease until the run is done, or the lease is lost.
    async fn keep_lease(self, claimed: Claimed, done: CancellationToken) {
        let run = &claimed.request.run;
        loop {
            tokio::select! {
                () = done.cancelled() => return,
                () = tokio::time::sleep(self.lease() / 3) => {}
            }
            match self.queue.heartbeat(run, claimed.fence, clock::real_now(), self.lease()).await {
                Ok(()) => {}
                Err(QueueError::LeaseLost(_)) => {
                    tracing::warn!(run.id = %run, "run {run} was taken over by another process; nothing more is written here");
                    return;
                }
                Err(error) => {
                    tracing::warn!(run.id = %run, %error, "cannot renew the lease of run {run}, trying again");
                }
            }
        }
    }
}

/// A roster as the payload of a request for a sync, which then reads it instead of a feed.
pub fn sent_along(zip: &[u8]) -> String {
    BASE64.encode(zip)
}

/// The roster that came with the request of a sync (`rosterd import`).
fn upload(claimed: &Claimed, district: &District) -> Result<Option<Vec<u8>>, String> {
    let Some(payload) = claimed.request.payload.as_deref() else { return Ok(None) };
    if !matches!(claimed.request.mode.as_str(), "apply" | "plan") {
        return Ok(None);
    }
    if !district.is_by_hand() {
        return Err(NotByHand(district.id()).to_string());
    }
    let zip = BASE64.decode(payload).map_err(|_| "the queued upload cannot be read; import it again".to_owned())?;
    Ok(Some(zip))
}

/// Two processes' clocks never agree exactly, and requests are not always filed in the order in which they were made: an
/// instant that lies a little before the district's last change is that of the last change. One that lies further back is
/// left alone, and the run says that a clock went back.
fn not_before(as_of: Timestamp, last: Option<Timestamp>) -> Timestamp {
    match last {
        Some(last) if as_of < last && last.instant() - as_of.instant() <= SKEW => last,
        Some(_) | None => as_of,
    }
}

/// The run of a request that has not begun.
pub fn queued_record(request: &Request) -> RunRecord {
    let Request { run, district, mode, trigger, requested_by, reason, at, status, .. } = request;
    let record = RunRecord::queued(run.clone(), district.clone(), *trigger, mode, *at);
    RunRecord { requested_by: requested_by.clone(), reason: reason.clone(), status: *status, ..record }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_a_little_behind_is_forgiven_and_one_far_behind_is_not() {
        let at = |text| Timestamp::parse(text).unwrap();
        let last = at("2025-10-09T20:00:00.442Z");
        assert_eq!(not_before(at("2025-10-09T20:00:00.301Z"), Some(last)), last);
        assert_eq!(not_before(at("2025-10-09T20:00:01Z"), Some(last)), at("2025-10-09T20:00:01Z"));
        assert_eq!(not_before(at("2025-10-09T19:00:00Z"), Some(last)), at("2025-10-09T19:00:00Z"));
        assert_eq!(not_before(last, None), last);
    }
}
