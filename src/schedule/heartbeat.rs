//! tokio-cron-scheduler, fenced: one job in UTC that wakes the dispatcher and does nothing else.
//!
//! Its zone-aware jobs are an hour off after a clock change and its repeated jobs can stop for ever, so due times are our
//! own arithmetic ([`crate::schedule::due`]) over rows that survive a restart.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// Every five seconds.
const EVERY: &str = "*/5 * * * * *";

/// Keeps the job alive.
pub struct Heartbeat {
    scheduler: JobScheduler,
    /// Told every five seconds.
    pub wake: Arc<Notify>,
}

impl std::fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heartbeat").finish_non_exhaustive()
    }
}

/// The scheduler did not start.
#[derive(Debug, thiserror::Error)]
#[error("the scheduler did not start; this is a fault of rosterd")]
pub struct NoHeartbeat(#[from] JobSchedulerError);

impl Heartbeat {
    /// Starts the job.
    pub async fn start() -> Result<Self, NoHeartbeat> {
        let wake = Arc::new(Notify::new());
        let woken = Arc::clone(&wake);
        let scheduler = JobScheduler::new().await?;
        let job = Job::new(EVERY, move |_id, _scheduler| woken.notify_one())?;
        scheduler.add(job).await?;
        scheduler.start().await?;
        Ok(Self { scheduler, wake })
    }

    /// Ends it.
    pub async fn stop(mut self) {
        if self.scheduler.shutdown().await.is_err() {
            tracing::debug!("the scheduler had ended before");
        }
    }
}
