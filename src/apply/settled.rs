//! Whether a sync leaves nothing to do, so that one which finds everything as it was need not look (`settled.rs`).

use crate::allocate::{self, Input};
use crate::guard::Cleared;
use crate::identity::Anew;
use crate::model::{Baseline, Changed, Counts, RunRecord, RunStatus, SeatCounts, SnapshotSummary, View};
use crate::plan;
use crate::settled::Settled;

use super::watch::Watched;

/// What is to be noted of a run, as far as it got, whose source said `digest`; none where something is left to do, or where a
/// look at the same would not say the same.
pub(super) fn settled(
    digest: Option<&str>,
    cleared: &Cleared,
    baseline: &Baseline,
    run: &RunRecord,
    anew: &Anew,
    watched: &Watched,
) -> Option<Settled> {
    let digest = digest?;
    let (plan, after, snapshot) = (cleared.plan(), cleared.seats(), run.snapshot.as_ref()?);
    let nothing_waits = cleared.held().next().is_none()
        && cleared.holds().is_empty()
        && plan.pending.is_empty()
        && plan.kept_back.is_empty()
        && cleared.proposal().is_none()
        && baseline.decisions.is_empty()
        && *anew == Anew::default();
    // Oddities of a comparison are those of its changes; what the feed itself told of a changed night may be about them, too.
    let says_the_same = plan.warnings.len() == after.warnings.len()
        && (run.status == RunStatus::Unchanged || snapshot.warnings == after.warnings);
    let applied = run.mode == "apply" && matches!(run.status, RunStatus::Applied | RunStatus::Unchanged);
    if !(applied && nothing_waits && says_the_same && is_steady(cleared, baseline)) {
        return None;
    }
    let over = plan::laid_over(cleared.applied());
    let until = allocate::steady_until(Input {
        roster: View::new(&baseline.roster, &over),
        remembered: &after.remembered,
        ..Input::of(baseline, plan.as_of)
    });
    if until <= plan.as_of.date_in(baseline.state.time_zone) {
        return None;
    }
    Some(Settled {
        digest: digest.to_owned(),
        until,
        counts: unchanged(&run.changes),
        seats: SeatCounts { waiting: after.in_line, ..SeatCounts::default() },
        snapshot: SnapshotSummary { source: None, ..snapshot.clone() },
        rows: watched.rows.clone(),
        name: watched.name.clone(),
    })
}

/// No seat is leaving, bridged or over, where days count.
fn is_steady(cleared: &Cleared, baseline: &Baseline) -> bool {
    let after = cleared.seats();
    let mut leaving = baseline.seats.iter().filter(|(_, seat)| seat.leaving.is_some()).map(|(key, _)| key);
    let stays_so = |key| after.seats.get(&baseline.seats, key).is_some_and(|seat| seat.leaving.is_some());
    after.bridged == 0
        && after.remembered.over.is_empty()
        && !after.seats.put().any(|seat| seat.leaving.is_some())
        && !leaving.any(stays_so)
}

/// What is counted when all of it is found as it is now.
fn unchanged(counts: &Counts) -> Counts {
    let of = |it: &Changed| Changed { unchanged: it.unchanged + it.added + it.changed, ..Changed::default() };
    counts.iter().map(|(kind, it)| (*kind, of(it))).collect()
}
