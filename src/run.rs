//! ONE SYNC RUN, TOP TO BOTTOM. Start reading here; every line is a module.
//!
//! ```text
//! feed → snapshot → plan (diff + seats) → guard → apply → report
//! ```
//!
//! A run reads the feed without touching the store, plans on one revision of it, and applies in one transaction what the
//! guard clears. Whatever dies, the store is as before the run or as after it (safety.md, A run).

mod error;
mod foresee;
mod settled;
mod turns;
mod weigh;
mod world;

pub use error::RunError;
pub use foresee::{Foreseen, foresee};
pub use turns::turnstile;
pub(crate) use weigh::weigh;
pub use world::World;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::apply::{self, Decided, OpenRun, Pulled, Shown};
use crate::district::{District, FirstSync};
use crate::guard::{self, Circumstances, Keep};
use crate::model::{
    Baseline, Changed, DistrictId, DistrictMode, KnownRows, RunRecord, RunStatus, SeatCounts, SourceMark, Timestamp,
    Trigger, View,
};
use crate::plan::{self, Cause};
use crate::snapshot::{Snapshot, SourceState};
use crate::store::{QueueError, Recalled, Said, Store, StoreError, WriteError};

/// What is asked of a run.
#[derive(Debug)]
pub struct Job<'a> {
    /// The district.
    pub district: &'a District,
    /// The run as requested: id, trigger, who and why, `as_of`.
    pub run: RunRecord,
    /// The lease's number.
    pub fence: i64,
    /// The roster that a person sent along, for a district without a feed.
    pub upload: Option<Vec<u8>>,
}

/// The mode of a run that carries out what a person decided by hand.
pub const BY_HAND: &str = "manual";

/// The mode of a run that erases a user.
pub const ERASE: &str = "erase";

/// How often a plan is made anew because the store moved under it.
pub(crate) const ATTEMPTS: u32 = 5;

/// Carries out one sync and returns its record, which the store has too. A failure is a record as well: `failed`, with what
/// to do in `error`.
pub async fn run(job: Job<'_>, world: &World<'_>) -> Result<RunRecord, RunError> {
    let mut record = RunRecord { started_at: Some(world.clock.now()), ..job.run.clone() };
    let outcome = Box::pin(attempt(&job, world, &mut record)).await;
    let Err(error) = outcome else { return Ok(record) };
    // Whoever took the run over may not have reached the store yet, which would then refuse nothing.
    if let Err(lost @ QueueError::LeaseLost(_)) = world.queue.holds(&record.run, job.fence).await {
        return Err(lost.into());
    }
    record.status = RunStatus::Failed;
    record.error = Some(error.told());
    record.finished_at = Some(world.clock.now());
    // Nothing was applied, whatever the plan had noted.
    record.holds.clear();
    record.changes.values_mut().for_each(|changed| *changed = Changed::default());
    record.seats = SeatCounts::default();
    // What contract, grace and override dates end does not wait for a feed (licensing.md, One allocation).
    // Nor does it wait for the night to be told that the source does not share the district any more (F31).
    let night = job.run.trigger == Trigger::Schedule && matches!(error, RunError::Feed(_) | RunError::Empty(_));
    if night || (record.mode == "apply" && error.is_disconnected()) {
        return Box::pin(standing(&job, world, record)).await;
    }
    world.store.finish_run(&record, Some(job.fence)).await?;
    Ok(record)
}

async fn attempt(job: &Job<'_>, world: &World<'_>, record: &mut RunRecord) -> Result<(), RunError> {
    let district = job.district.id();
    let state = world.store.district(&district).await?;
    let modes = world.store.modes(&district).await?;
    if let Some(paused) = modes.at(record.as_of, state.time_zone).filter(|it| it.mode == DistrictMode::Paused) {
        record.district_mode = Some(paused.clone());
        *record = Box::pin(unfetched(job, world, record.clone(), state.source.is_some())).await?;
        return Ok(());
    }
    world.enter(job, record, RunStatus::Fetching).await?;
    let known = world.store.known_rows(&district).await?.map(Arc::new);
    let snapshot = pull(job, world, state.source.clone(), known.clone()).await?; //       feed, snapshot
    if settled::finish(job, world, record, &snapshot).await? {
        return Ok(()); //                                                          nothing is other than it was
    }
    if Box::pin(on_snapshot(job, world, record, &snapshot, known.as_deref())).await? == Whole::Yes {
        return Ok(());
    }
    // What was recognized is no longer what the store has, or only reading every row can make sense of it.
    let snapshot = pull(job, world, state.source, None).await?;
    Box::pin(on_snapshot(job, world, record, &snapshot, None)).await?;
    Ok(())
}

async fn pull(
    job: &Job<'_>,
    world: &World<'_>,
    last: Option<SourceMark>,
    known: Option<Arc<KnownRows>>,
) -> Result<Snapshot, RunError> {
    let district = job.district.id();
    let snapshot = world.pull(job, last, known).await?;
    let stored = if snapshot.has_all() { BTreeMap::new() } else { world.store.counts(&district).await? };
    let snapshot = snapshot.against(|kind| stored.get(&kind).copied().unwrap_or_default())?;
    Ok(without_erased(world.store, &district, snapshot).await?)
}

/// Whether a snapshot could be made whole: what was recognized in it be put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

async fn on_snapshot(
    job: &Job<'_>,
    world: &World<'_>,
    record: &mut RunRecord,
    snapshot: &Snapshot,
    known: Option<&KnownRows>,
) -> Result<Whole, RunError> {
    for _ in 1..ATTEMPTS {
        match Box::pin(on_one_revision(job, world, record, snapshot, known)).await {
            Err(RunError::Write(WriteError::Stale { .. })) => {}
            done => return done,
        }
    }
    Box::pin(on_one_revision(job, world, record, snapshot, known)).await
}

/// The snapshot without users who were erased: they stay away until a person says otherwise (P47, K4).
async fn without_erased(store: &Store, district: &DistrictId, snapshot: Snapshot) -> Result<Snapshot, StoreError> {
    let erased = store.erased(district).await?;
    if erased.is_empty() {
        return Ok(snapshot);
    }
    let key = store.pseudonym_key();
    Ok(snapshot.without(|user| erased.contains(&crate::audit::pseudonym(key, user.as_str()))))
}

/// A sync of a paused district: nothing is asked of the source; what dates end is applied as in any night.
async fn unfetched(
    job: &Job<'_>,
    world: &World<'_>,
    record: RunRecord,
    has_roster: bool,
) -> Result<RunRecord, RunError> {
    if let Some(paused) = record.district_mode.as_ref().filter(|_| record.mode != "apply") {
        return Err(RunError::Paused(paused.to_string()));
    }
    if has_roster {
        let record = RunRecord { status: RunStatus::Applying, ..record };
        return Box::pin(standing(job, world, record)).await;
    }
    let record = RunRecord { status: RunStatus::Unchanged, finished_at: Some(world.clock.now()), ..record };
    world.store.finish_run(&record, Some(job.fence)).await?;
    Ok(record)
}

/// What of a sync its mode and the hour leave to apply; none for a plan that is not applied at all.
fn allowed(job: &Job<'_>, record: &RunRecord, snapshot: &Snapshot) -> Option<Keep> {
    let mode = record.district_mode.as_ref().map_or(DistrictMode::Normal, |it| it.mode);
    match mode {
        // One that was paused while it was fetched is not applied either.
        DistrictMode::PlanOnly | DistrictMode::Paused => None,
        _ if snapshot.state != SourceState::Live => None,
        DistrictMode::NoRemovals => Some(Keep::Removals),
        DistrictMode::Normal if job.district.is_quiet(record.as_of) => Some(Keep::Releases),
        DistrictMode::Normal => Some(Keep::Nothing),
    }
}

async fn on_one_revision(
    job: &Job<'_>,
    world: &World<'_>,
    record: &mut RunRecord,
    snapshot: &Snapshot,
    known: Option<&KnownRows>,
) -> Result<Whole, RunError> {
    let mut baseline = world.store.baseline(&job.district.id()).await?.taking_up();
    // What is recalled under one stamp is of one state of the records, so these are the records that the rows were recognized by.
    let known = match known {
        Some(known) if world.store.knows(&job.district.id(), &known.stamp).await? => Some(known),
        Some(_) | None => None,
    };
    if known.is_none() && snapshot.recognized.as_ref().is_some_and(|it| it.stamp.is_some()) {
        return Ok(Whole::No);
    }
    let Some(snapshot) = snapshot.completed(&baseline.roster) else { return Ok(Whole::No) };
    let snapshot = snapshot.as_ref();
    world.store.know_former(&mut baseline, |kind, id| snapshot.tells_of(kind, id)).await?;
    not_before_the_last_change(record.as_of, &baseline)?;
    let mode = baseline.modes.at(record.as_of, baseline.state.time_zone);
    record.district_mode = mode.filter(|it| it.mode != DistrictMode::Normal).cloned();
    let allowed = allowed(job, record, snapshot);
    let circumstances = Circumstances {
        snapshot: Some(snapshot),
        review_first_sync: job.district.first_sync == FirstSync::Review,
        keep: allowed.unwrap_or_default(),
        fleet: Some(world.store.fleet(record.as_of).await?),
    };
    let cause = Cause::Snapshot(snapshot);
    let (cleared, anew) = weigh(&mut baseline, cause, record.as_of, world.limits, circumstances)?; // plan, guard
    world.note(record, &cleared, &baseline, snapshot);
    if record.mode == "plan" || allowed.is_none() {
        let shown = Shown::new(world.store.pseudonym_key(), &baseline, &cleared.plan().changes);
        record.plan = Some(cleared.view(|change| shown.change(change), |user| shown.user(user)));
        record.status = RunStatus::Planned;
        record.finished_at = Some(world.clock.now());
        if record.trigger == Trigger::Schedule {
            *record = Box::pin(standing(job, world, record.clone())).await?;
        } else {
            world.store.finish_run(record, Some(job.fence)).await?;
        }
        return Ok(Whole::Yes);
    }
    world.enter(job, record, RunStatus::Applying).await?;
    let decided = if snapshot.complete() {
        apply::superseded(&open_runs(world.store, &job.district.id()).await?, &cleared, record.as_of)
    } else {
        Decided::default()
    };
    let decided = Decided { anew, ..decided };
    let first_review = cleared.holds().iter().any(|hold| hold.group == guard::FIRST_SYNC);
    let pulled = Pulled { mark: snapshot.source.clone(), digest: snapshot.digest.clone() };
    let pulled = Some(pulled).filter(|_| snapshot.complete() && !first_review);
    let applied = world.applied(job, record.clone(), &cleared, &baseline, decided, pulled);
    let (applied, revision) = Box::pin(applied).await?; //                                apply
    *record = applied;
    let over = plan::laid_over(cleared.applied());
    let (nothing, after) = (KnownRows::default(), View::new(&baseline.roster, &over));
    let next = snapshot.known_after(known.unwrap_or(&nothing), &baseline.roster, after);
    let recalled = Recalled { known, pictured: baseline.pictured, next };
    world.remember(record, revision, recalled, after).await;
    Ok(Whole::Yes)
}

/// Puts in force what is said of the district's contract, with the seats that follow (S0.2).
pub async fn contract(job: &Job<'_>, world: &World<'_>, said: Said<'_>) -> Result<RunRecord, RunError> {
    let record = RunRecord { started_at: Some(world.clock.now()), status: RunStatus::Applying, ..job.run.clone() };
    for _ in 1..ATTEMPTS {
        match standing_on(job, world, record.clone(), said).await {
            Err(RunError::Write(WriteError::Stale { .. })) => {}
            done => return done,
        }
    }
    standing_on(job, world, record, said).await
}

/// Applies what dates, the catalog and overrides alone bring about, under a record that is already `failed` or new.
pub async fn standing(job: &Job<'_>, world: &World<'_>, record: RunRecord) -> Result<RunRecord, RunError> {
    standing_on(job, world, record, Said::Stored).await
}

async fn standing_on(
    job: &Job<'_>,
    world: &World<'_>,
    record: RunRecord,
    said: Said<'_>,
) -> Result<RunRecord, RunError> {
    let baseline = Box::pin(world.store.baseline_with(&job.district.id(), said)).await?.taking_up();
    not_before_the_last_change(record.as_of, &baseline)?;
    let plan = plan::make(&baseline, Cause::Standing, record.as_of)?;
    let circumstances = Circumstances::default();
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
