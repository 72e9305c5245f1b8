//! What the tasks of one daemon share: the office with its present settings and directory, and who is to be woken.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::directory::Directory;
use crate::feed::Progress;
use crate::metrics::Metrics;
use crate::model::{DistrictId, Kind, RunId, Trigger};
use crate::schedule::worker::Office;
use crate::store::{NewRequest, QueueError, Requested, StoreError};

/// Shared by the dispatcher, the workers and the HTTP side.
#[derive(Debug)]
pub struct Desk {
    office: RwLock<Office>,
    queued: Notify,
    stopping: CancellationToken,
    dispatched: RwLock<Instant>,
    /// How far the pulls of the runs under way in this process have come.
    pulls: RwLock<BTreeMap<RunId, Arc<Progress>>>,
    metrics: Metrics,
}

impl Desk {
    /// For one daemon.
    pub fn new(office: Office) -> Self {
        Self {
            office: RwLock::new(office),
            queued: Notify::new(),
            stopping: CancellationToken::new(),
            dispatched: RwLock::new(Instant::now()),
            pulls: RwLock::default(),
            metrics: Metrics::default(),
        }
    }

    /// What this daemon counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// A run begins here; its pull counts into what this returns.
    pub fn begins(&self, run: &RunId) -> Arc<Progress> {
        let progress = Arc::new(Progress::default());
        self.pulls.write().unwrap_or_else(PoisonError::into_inner).insert(run.clone(), Arc::clone(&progress));
        progress
    }

    /// It is over.
    pub fn ended(&self, run: &RunId) {
        self.pulls.write().unwrap_or_else(PoisonError::into_inner).remove(run);
    }

    /// Rows received and rows announced, by kind, of the pull of a run; none for one that is not under way in this process.
    pub fn pulled(&self, run: &RunId) -> Option<[BTreeMap<Kind, u64>; 2]> {
        let progress = self.pulls.read().unwrap_or_else(PoisonError::into_inner).get(run).cloned()?;
        let count = |of: fn(&Progress, Kind) -> u64| {
            let counts = Kind::ALL.into_iter().map(|kind| (kind, of(&progress, kind)));
            counts.filter(|(_, rows)| *rows > 0).collect()
        };
        Some([count(Progress::received), count(Progress::expected)])
    }

    /// The office as it is now; a run keeps the one it began with.
    pub fn office(&self) -> Office {
        self.office.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on these settings; what needs a restart stays as it is.
    pub fn adopt_settings(&self, settings: Settings) {
        self.office.write().unwrap_or_else(PoisonError::into_inner).settings = Arc::new(settings);
    }

    /// From now on these districts.
    pub fn adopt_directory(&self, directory: Directory) {
        self.office.write().unwrap_or_else(PoisonError::into_inner).known = Arc::new(directory);
    }

    /// Files a request, durable when this returns even if the caller goes away meanwhile, and wakes the workers.
    pub async fn file(&self, request: NewRequest) -> Result<Requested, QueueError> {
        let queue = self.office().queue;
        // A task of its own, since a transaction must not be dropped at its BEGIN.
        let filed = tokio::spawn(async move { queue.request(request).await }).await;
        let interrupted = |_| StoreError::Failed { during: "REQUEST", code: "interrupted".to_owned() };
        let requested = filed.map_err(interrupted)??;
        self.queued.notify_one();
        Ok(requested)
    }

    /// Wakes the workers: another process filed something.
    pub fn wake(&self) {
        self.queued.notify_one();
    }

    /// Waits until this process files something, or hears that another one did.
    pub async fn filed(&self) {
        self.queued.notified().await;
    }

    /// Cancelled when the daemon drains.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// The dispatcher goes round.
    pub fn beat(&self) {
        *self.dispatched.write().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// How long the dispatcher has not gone round.
    pub fn silence(&self) -> Duration {
        self.dispatched.read().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// A request of this process for one district, decided now.
    pub fn request(&self, district: DistrictId, mode: &str, trigger: Trigger) -> NewRequest {
        NewRequest {
            district,
            mode: mode.to_owned(),
            trigger,
            requested_by: None,
            reason: None,
            payload: None,
            at: self.office().clock.now(),
            night: None,
            idempotency_key: None,
        }
    }
}
