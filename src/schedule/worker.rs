//! Carries out one claimed request: the district is looked up, the lease kept alive, the run done, the outcome recorded.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{self, Clock};
use crate::config::Settings;
use crate::decide::{self, Ask};
use crate::directory::Directory;
use crate::district::District;
use crate::feed;
use crate::model::{DistrictId, RunId, RunRecord, RunStatus};
use crate::run::{self, Job, World};
use crate::store::{Claimed, Queue, Store, StoreError};

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
}

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
    /// all is an error, and then the lease runs out and the run is taken up again.
    pub async fn carry_out(&self, claimed: Claimed, progress: feed::Progress) -> Result<RunRecord, StoreError> {
        let record = tokio::select! {
            record = self.attempt(&claimed, progress) => record?,
            () = self.keep_lease(&claimed) => return self.lost(&claimed).await,
        };
        self.queue.finish(&record.run, record.status).await?;
        self.queue.release(&record.district, &self.owner, claimed.fence).await?;
        Ok(record)
    }

    async fn attempt(&self, claimed: &Claimed, progress: feed::Progress) -> Result<RunRecord, StoreError> {
        let record = claimed.request.record();
        if let Some(done) = self.store.run(&record.run).await? {
            return Ok(done);
        }
        let Some(district) = self.district(&record.district).await else {
            let message = format!(
                "district `{}` is neither configured nor shared with an app any more: nothing was changed; add it to the \
                 configuration, or let its roster rest",
                record.district
            );
            return self.failed(record, message).await;
        };
        self.store.ensure_district(&district.id(), district.name(), district.time_zone, district.feed.end_dates()).await?;
        self.store.take_fence(&district.id(), claimed.fence).await?;
        let world = World {
            store: &self.store,
            queue: &self.queue,
            limits: &self.settings.guard,
            clever_apps: &self.settings.clever_app,
            progress,
            clock: self.clock,
        };
        let job = Job { district: &district, run: record.clone(), fence: claimed.fence };
        let outcome = match claimed.request.mode.as_str() {
            "apply" | "plan" => run::run(job, &world).await.map_err(|error| error.to_string()),
            "allocate" => self.allocate(&job, &world).await,
            "approve" | "reject" => self.decide(&job, claimed.request.payload.as_deref(), &world).await,
            other => Err(format!("this version of rosterd does not know the request `{other}`; run the newer one")),
        };
        match outcome {
            Ok(record) => Ok(record),
            Err(message) => self.failed(record, message).await,
        }
    }

    async fn allocate(&self, job: &Job<'_>, world: &World<'_>) -> Result<RunRecord, String> {
        let record = RunRecord { started_at: Some(self.clock.now()), status: RunStatus::Applying, ..job.run.clone() };
        run::standing(job, world, record).await.map_err(|error| error.to_string())
    }

    async fn decide(&self, job: &Job<'_>, payload: Option<&str>, world: &World<'_>) -> Result<RunRecord, String> {
        let ask: Ask = serde_json::from_str(payload.unwrap_or_default())
            .map_err(|_| "the queued decision cannot be read; ask for it again".to_owned())?;
        let checked = decide::check(&self.store, &ask).await.map_err(|error| error.to_string())?;
        decide::decide(job, &ask, checked, world).await.map_err(|error| error.to_string())
    }

    async fn district(&self, id: &DistrictId) -> Option<District> {
        let configured = Directory::configured(&self.settings);
        match configured.get(id) {
            Some(district) => Some(district.clone()),
            None => Directory::discover(&self.settings).await.get(id).cloned(),
        }
    }

    async fn failed(&self, record: RunRecord, message: String) -> Result<RunRecord, StoreError> {
        let finished_at = Some(self.clock.now());
        let record = RunRecord { status: RunStatus::Failed, error: Some(message), finished_at, ..record };
        self.store.finish_run(record.clone()).await?;
        Ok(record)
    }

    /// Renews the lease until it is lost; a run that lost it must stop, since another process may have taken it up.
    async fn keep_lease(&self, claimed: &Claimed) {
        let mut beat = tokio::time::interval(self.lease() / 3);
        beat.tick().await;
        loop {
            beat.tick().await;
            let now = clock::real_now();
            let held = self.queue.heartbeat(&claimed.request.district, &self.owner, claimed.fence, now, self.lease()).await;
            match held {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(run.id = %claimed.request.run, %error, "cannot renew the lease, trying again"),
            }
        }
    }

    /// The lease went to someone else: what they make of the run is theirs to record.
    async fn lost(&self, claimed: &Claimed) -> Result<RunRecord, StoreError> {
        let record = claimed.request.record();
        tracing::warn!(run.id = %record.run, district.id = %record.district, "lost the lease of run {}, stopped", record.run);
        Ok(self.store.run(&record.run).await?.unwrap_or(record))
    }
}
