//! ONE SYNC RUN, TOP TO BOTTOM. Start reading here; every line is a module.
//!
//! ```text
//! feed → snapshot → plan (diff + seats) → guard → apply → report
//! ```
//!
//! A run reads the feed without touching the store, plans on one revision of it, and applies in one transaction what the
//! guard clears. Whatever dies, the store is as before the run or as after it (safety.md, A run).

use std::sync::Arc;

use crate::apply::{self, Author, Decided, OpenRun, Order, Shown};
use crate::clock::Clock;
use crate::district::{District, FirstSync};
use crate::feed::{self, FeedError};
use crate::guard::{self, Circumstances, Cleared};
use crate::model::{Baseline, DistrictId, RunRecord, RunStatus, SourceMark, Timestamp, Trigger, Warning};
use crate::plan::{self, Cause};
use crate::snapshot::{EmptyCollection, Snapshot, SourceState};
use crate::store::{Queue, QueueError, Store, StoreError, WriteError};

/// What is asked of a run.
#[derive(Debug)]
pub struct Job<'a> {
    /// The district.
    pub district: &'a District,
    /// The run as requested: id, trigger, who and why, `as_of`.
    pub run: RunRecord,
    /// The lease's number.
    pub fence: i64,
}

/// Where a run happens.
#[derive(Debug)]
pub struct World<'a> {
    /// Rows.
    pub store: &'a Store,
    /// Told how far the run is.
    pub queue: &'a Queue,
    /// What waits for a person.
    pub limits: &'a guard::Settings,
    /// Apps that Clever districts are asked through.
    pub clever_apps: &'a [feed::CleverApp],
    /// Counts rows while they come in.
    pub progress: Arc<feed::Progress>,
    /// Stamps the beginning and the end.
    pub clock: Clock,
}

/// Why a run failed. Nothing was applied.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The feed could not be read whole.
    #[error(transparent)]
    Feed(Box<FeedError>),
    /// A needed collection was empty.
    #[error(transparent)]
    Empty(#[from] EmptyCollection),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store failed while applying, or someone else holds the district now.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Another process has the run now, or the queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A stored record cannot be read.
    #[error(transparent)]
    Unreadable(#[from] plan::UnreadableRecord),
    /// A record cannot be written as JSON.
    #[error("a record cannot be written as JSON; this is a fault of rosterd")]
    Json(#[from] serde_json::Error),
    /// The clock stands before the last thing that happened (safety.md, Crash).
    #[error(
        "the time of this run, {as_of}, lies before the district's last change at {last}: set the machine's clock right (or \
         `--now` later) and sync again"
    )]
    ClockWentBack {
        /// This run's instant.
        as_of: Timestamp,
        /// The last one's.
        last: Timestamp,
    },
}

impl From<FeedError> for RunError {
    fn from(error: FeedError) -> Self {
        Self::Feed(Box::new(error))
    }
}

impl RunError {
    /// What, where and what to do, with the cause where it is ours to tell.
    fn told(&self) -> String {
        match self {
            Self::Feed(error) => error.told(),
            Self::Empty(_)
            | Self::Store(_)
            | Self::Write(_)
            | Self::Queue(_)
            | Self::Unreadable(_)
            | Self::Json(_)
            | Self::ClockWentBack { .. } => self.to_string(),
        }
    }
}

/// The mode of a run that carries out what a person decided by hand.
pub const BY_HAND: &str = "manual";

/// How often a plan is made anew because the store moved under it.
pub(crate) const ATTEMPTS: u32 = 5;

/// Carries out one sync and returns its record, which the store has too. A failure is a record as well: `failed`, with what
/// to do in `error`.
pub async fn run(job: Job<'_>, world: &World<'_>) -> Result<RunRecord, RunError> {
    let mut record = RunRecord { started_at: Some(world.clock.now()), ..job.run.clone() };
    let outcome = Box::pin(attempt(&job, world, &mut record)).await;
    let Err(error) = outcome else { return Ok(record) };
    record.status = RunStatus::Failed;
    record.error = Some(error.told());
    record.finished_at = Some(world.clock.now());
    record.holds.clear();
    // What contract, grace and override dates end does not wait for a feed (licensing.md, One allocation).
    if job.run.trigger == Trigger::Schedule && matches!(error, RunError::Feed(_) | RunError::Empty(_)) {
        return standing(&job, world, record).await;
    }
    world.store.finish_run(&record).await?;
    Ok(record)
}

async fn attempt(job: &Job<'_>, world: &World<'_>, record: &mut RunRecord) -> Result<(), RunError> {
    let district = job.district.id();
    world.enter(job, record, RunStatus::Fetching).await?;
    let known = world.store.baseline(&district).await?;
    let snapshot = world.pull(job, known.state.source.clone()).await?; //            feed
    let snapshot = snapshot.against(|kind| known.count(kind))?; //                    snapshot
    drop(known);
    for _ in 1..ATTEMPTS {
        match on_one_revision(job, world, record, &snapshot).await {
            Err(RunError::Write(WriteError::Stale { .. })) => {}
            done => return done,
        }
    }
    on_one_revision(job, world, record, &snapshot).await
}

async fn on_one_revision(
    job: &Job<'_>,
    world: &World<'_>,
    record: &mut RunRecord,
    snapshot: &Snapshot,
) -> Result<(), RunError> {
    let baseline = world.store.baseline(&job.district.id()).await?;
    not_before_the_last_change(record.as_of, &baseline)?;
    let plan = plan::make(&baseline, Cause::Snapshot(snapshot), record.as_of)?; //    plan
    let circumstances =
        Circumstances { snapshot: Some(snapshot), review_first_sync: job.district.first_sync == FirstSync::Review };
    let cleared = guard::review(plan, &baseline, world.limits, circumstances)?; //    guard
    world.note(record, &cleared, &baseline, snapshot);
    let only_planned = record.mode == "plan" || snapshot.state != SourceState::Live;
    if only_planned {
        let shown = Shown::new(world.store.pseudonym_key(), &baseline, &cleared.plan().changes);
        record.plan = Some(cleared.view(|change| shown.change(change), |user| shown.user(user)));
        record.status = RunStatus::Planned;
        record.finished_at = Some(world.clock.now());
        if record.trigger == Trigger::Schedule {
            *record = standing(job, world, record.clone()).await?;
        } else {
            world.store.finish_run(record).await?;
        }
        return Ok(());
    }
    world.enter(job, record, RunStatus::Applying).await?;
    let decided = if snapshot.complete() {
        apply::superseded(&open_runs(world.store, &job.district.id()).await?, &cleared, record.as_of)
    } else {
        Decided::default()
    };
    let first_review = cleared.holds().iter().any(|hold| hold.group == guard::FIRST_SYNC);
    let source = (snapshot.complete() && !first_review).then(|| snapshot.source.clone());
    *record = world.apply(job, record.clone(), &cleared, &baseline, decided, source).await?; // apply
    Ok(())
}

/// Applies what dates, the catalog and overrides alone bring about, under a record that is already `failed` or new.
pub async fn standing(job: &Job<'_>, world: &World<'_>, record: RunRecord) -> Result<RunRecord, RunError> {
    let baseline = world.store.baseline(&job.district.id()).await?;
    not_before_the_last_change(record.as_of, &baseline)?;
    let plan = plan::make(&baseline, Cause::Standing, record.as_of)?;
    let circumstances = Circumstances { snapshot: None, review_first_sync: false };
    let cleared = guard::review(plan, &baseline, world.limits, circumstances)?;
    world.apply(job, record, &cleared, &baseline, Decided::default(), None).await
}

/// A run whose instant lies before what the district has already decided fails.
pub(crate) fn not_before_the_last_change(as_of: Timestamp, baseline: &Baseline) -> Result<(), RunError> {
    match baseline.state.allocated_at {
        Some(last) if as_of < last => Err(RunError::ClockWentBack { as_of, last }),
        Some(_) | None => Ok(()),
    }
}

/// Runs of a district that still wait for a person, each with its held changes.
pub async fn open_runs(store: &Store, district: &DistrictId) -> Result<Vec<OpenRun>, StoreError> {
    let mut open = Vec::new();
    for run in store.undecided_runs(district).await? {
        let held = store.held_changes(&run.run).await?;
        open.push((run, held));
    }
    Ok(open)
}

impl World<'_> {
    async fn pull(&self, job: &Job<'_>, last: Option<SourceMark>) -> Result<Snapshot, RunError> {
        let context = feed::Context {
            district: job.district.id(),
            now: job.run.as_of,
            clever_apps: self.clever_apps.to_vec(),
            last,
            environment: crate::secret::process_environment,
            progress: Arc::clone(&self.progress),
        };
        Ok(feed::open(&job.district.feed, context)?.pull().await?)
    }

    /// Notes in the record what the plan would do.
    fn note(&self, record: &mut RunRecord, cleared: &Cleared, baseline: &Baseline, snapshot: &Snapshot) {
        record.plan_hash = Some(cleared.hash().to_owned());
        record.changes = cleared.counts();
        record.seats = cleared.seat_counts();
        record.holds = cleared.holds().to_vec();
        if record.holds.iter().any(|hold| hold.group == guard::FIRST_SYNC) {
            record.needs = cleared.needs(baseline);
        }
        let mut summary = snapshot.summary();
        summary.warnings.extend(cleared.plan().warnings.iter().cloned());
        if let SourceState::Frozen(word) = &snapshot.state {
            let message = format!("the source says it is `{word}`: planned only, nothing applied (P38)");
            let code = "source_frozen".to_owned();
            summary.warnings.push(Warning { code, kind: None, count: 1, message, ids: Vec::new() });
        }
        // An id that may be an email is shown as the audit shows it.
        for id in summary.warnings.iter_mut().flat_map(|warning| &mut warning.ids) {
            *id = crate::audit::shown_id(self.store.pseudonym_key(), id, &[]);
        }
        record.snapshot = Some(summary);
    }

    async fn enter(&self, job: &Job<'_>, record: &mut RunRecord, status: RunStatus) -> Result<(), RunError> {
        record.status = status;
        self.queue.progress(&record.run, job.fence, status).await?;
        Ok(())
    }

    /// Writes what is cleared, whole or not at all, and returns the record as the store has it.
    pub async fn apply(
        &self,
        job: &Job<'_>,
        record: RunRecord,
        cleared: &Cleared,
        baseline: &Baseline,
        decided: Decided,
        source: Option<SourceMark>,
    ) -> Result<RunRecord, RunError> {
        let person = job.run.trigger == Trigger::Approval || job.run.mode == BY_HAND;
        let actor = job.run.requested_by.clone().filter(|_| person).unwrap_or_else(|| "rosterd".to_owned());
        let run = RunRecord { finished_at: Some(self.clock.now()), ..record };
        let order = Order {
            run,
            fence: Some(job.fence),
            source,
            author: Author { actor, person },
            shown: Shown::new(self.store.pseudonym_key(), baseline, &cleared.plan().changes),
        };
        let writes = apply::writes(cleared, baseline, order, decided)?;
        let mut record = writes.run.clone();
        match self.store.write(writes).await {
            Ok(span) => record.audit = span,
            // An answer that was lost is settled by reading the run (safety.md, Crash).
            Err(error @ (WriteError::AlreadyDone(_) | WriteError::Store(_))) => {
                record = self.store.run(&record.run).await?.ok_or(error)?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(record)
    }
}
