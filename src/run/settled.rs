//! The commonest sync: the source says what it said, nothing was written since, and no date has come (`settled.rs`). Then the
//! run is `unchanged`, as it would be if everything were read and planned anew; only the alerts, which count days of their
//! own, are looked at.

use crate::alert::{self, Kept, Seen};
use crate::allocate::{self, Input};
use crate::guard::{self, Keep};
use crate::model::{Baseline, DistrictMode, RunRecord, RunStatus, SourceMark, Terms};
use crate::plan;
use crate::run::{Job, RunError, World, allowed};
use crate::settled::Settled;
use crate::snapshot::{Snapshot, SourceState};

/// Ends the run as `unchanged` if the district is as the last sync left it; false where it must be looked at.
pub(super) async fn finish(
    job: &Job<'_>,
    world: &World<'_>,
    record: &mut RunRecord,
    snapshot: &Snapshot,
) -> Result<bool, RunError> {
    // Rows that none could be told by are read, so that the next sync can tell them.
    let recalled = snapshot.recognized.as_ref().is_none_or(|it| it.stamp.is_some());
    let Some(digest) = snapshot.digest.as_deref().filter(|_| recalled) else { return Ok(false) };
    let usual =
        record.mode == "apply" && job.upload.is_none() && snapshot.complete() && snapshot.state == SourceState::Live;
    if !usual {
        return Ok(false);
    }
    let Some((settled, outline)) = world.store.settled(&job.district.id(), digest).await? else { return Ok(false) };
    let mode = outline.modes.at(record.as_of, outline.state.time_zone);
    record.district_mode = mode.filter(|it| it.mode != DistrictMode::Normal).cloned();
    let as_ever = outline.state.source.as_ref().is_some_and(|it| it.feed == snapshot.source.feed)
        && allowed(job, record, snapshot) == Some(Keep::Nothing)
        && record.district_mode.is_none();
    if !(as_ever && nothing_comes(&settled, &outline, &snapshot.source, record)) {
        return Ok(false);
    }
    world.enter(job, record, RunStatus::Applying).await?;
    let mut summary = settled.snapshot;
    summary.source = Some(snapshot.source.clone());
    record.snapshot = Some(summary);
    record.plan_hash = Some(plan::plan_hash(&record.district, &[], &[], &[])?);
    record.changes = settled.counts;
    record.seats = settled.seats;
    record.status = RunStatus::Unchanged;
    record.finished_at = Some(world.clock.now());
    world.store.finish_unchanged(record, Some(job.fence), Some(&snapshot.source), None).await?;
    Ok(true)
}

/// Whether neither date nor contract brings anything about, and no alert moves; notes in the record how many are open.
fn nothing_comes(settled: &Settled, outline: &Baseline, source: &SourceMark, record: &mut RunRecord) -> bool {
    let as_of = record.as_of;
    let today = as_of.date_in(outline.state.time_zone);
    let in_time = outline.state.allocated_at.is_some_and(|last| last <= as_of) && today < settled.until;
    if !(in_time && outline.terms == Terms::Settled && guard::year_turns(outline, as_of).is_none()) {
        return false;
    }
    let seen = Seen {
        rows: &settled.rows,
        outlook: &allocate::outlook(Input::of(outline, as_of)),
        name: settled.name.as_deref(),
        source: Some(source),
        held: 0,
        proposal: None,
    };
    let (alerts, kept) = alert::look(outline, as_of, seen);
    record.alerts = alerts.counts;
    alerts.moves.is_empty() && kept == Kept::default()
}
