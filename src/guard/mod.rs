//! May this plan run unattended? (safety.md, Guard.)
//!
//! What counts is loss, not rows: children who would lose their last class or a seat. Each limit that trips names a *group*
//! and holds the changes that make it up, closed under references; everything else applies in the same run. The guard is
//! the only maker of [`Cleared`], and apply takes nothing else.

mod closure;
mod contract;
mod fleet;
mod groups;
mod keep;
mod lapsed;
mod limits;
mod losses;
mod rows;
mod season;
mod window;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use contract::contract;
pub use fleet::{FLEET, Fleet};
pub use keep::Keep;
pub use limits::{Limit, Settings};
pub use season::year_turns;

use crate::allocate::{self, Allocation, Input, Tallies};
use crate::model::{
    Baseline, Counts, HoldRecord, Kind, Need, PlanView, Proposal, RecentLoss, SeatCounts, SourceId, SourceMark, Verb,
};
use crate::plan::{self, Change, Plan};
use crate::snapshot::Snapshot;

/// The group of a first sync in review.
pub const FIRST_SYNC: &str = "district/first_sync";

/// The group of ids that left and came under the same strong keys (P16).
pub const REKEYED: &str = "district/users/rekeyed";

/// What the guard must know beyond the plan.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances<'a> {
    /// The snapshot the plan was made from; none for an approval or a standing run, which no limit applies to.
    pub snapshot: Option<&'a Snapshot>,
    /// Whether the first sync of a district, or of a new feed, waits for a person.
    pub review_first_sync: bool,
    /// What the district's mode or its quiet hours keep back of a sync.
    pub keep: Keep,
    /// What all districts together released lately; none where nobody looks.
    pub fleet: Option<Fleet>,
}

/// A plan that may be applied: what applies, what waits, and the seats that follow. Only [`review`] makes one.
#[derive(Debug)]
#[must_use = "a cleared plan that is dropped changes nothing"]
pub struct Cleared {
    plan: Plan,
    held: BTreeMap<usize, Vec<String>>,
    holds: Vec<HoldRecord>,
    /// The seats that follow where something is held; none where they are the plan's.
    settled: Option<Allocation>,
    hash: String,
    losses: Vec<RecentLoss>,
    proposal: Option<Proposal>,
}

/// Looks at the consequences of a plan and clears it, with what must wait held back.
pub fn review(
    plan: Plan,
    baseline: &Baseline,
    settings: &Settings,
    circumstances: Circumstances<'_>,
) -> Result<Cleared, serde_json::Error> {
    let first = circumstances.snapshot.is_some_and(|snapshot| is_first_sync(baseline, &snapshot.source));
    let in_review = first && circumstances.review_first_sync;
    let keep = if circumstances.snapshot.is_some() && !in_review { circumstances.keep } else { Keep::Nothing };
    let mut kept = BTreeSet::new();
    if keep == Keep::Removals {
        kept = keep::removals(&plan);
        kept.extend(keep::endings(&plan, baseline, &kept));
    }
    let mut tripped = Vec::new();
    let mut unshared = 0;
    if in_review {
        tripped.push(groups::Group::everything(FIRST_SYNC, &plan, "the first sync is reviewed by a person"));
    } else if let Some(snapshot) = circumstances.snapshot.filter(|_| settings.enabled && !plan.changes.is_empty()) {
        let around = groups::Around { snapshot, first, kept: &kept, fleet: circumstances.fleet };
        tripped = groups::tripped(&plan, baseline, settings, around);
        unshared = tripped.iter().filter(|group| group.name.ends_with(groups::UNSHARED)).count();
    }
    let mut held: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut holds = Vec::new();
    for group in tripped {
        let mut members = closure::closed(&plan.changes, group.members, &plan.approved);
        members.retain(|index| !kept.contains(index));
        if members.is_empty() {
            continue;
        }
        holds.push(HoldRecord {
            group: group.name.clone(),
            count: group.count,
            of: group.of,
            affected: u64::try_from(members.len()).unwrap_or(u64::MAX),
            limit: lapsed::told(group.limit, &plan, baseline, &members),
            decision: None,
        });
        for index in members {
            held.entry(index).or_default().push(group.name.clone());
        }
    }
    if keep == Keep::Releases {
        kept = keep::endings(&plan, baseline, &held.keys().copied().collect());
    }
    // What no person is asked about waits without a group.
    held.extend(kept.into_iter().map(|index| (index, Vec::new())));
    holds.sort_by(|a, b| a.group.cmp(&b.group));
    let indexed = || plan.changes.iter().enumerate();
    let applied = || indexed().filter(|(at, _)| !held.contains_key(at)).map(|(_, it)| it).collect::<Vec<_>>();
    let waiting = indexed().filter(|(at, _)| held.contains_key(at)).map(|(_, it)| it);
    let waiting: Vec<&Change> = waiting.chain(&plan.pending).chain(&plan.kept_back).collect();
    let settled = (!waiting.is_empty()).then(|| plan::settle(baseline, &plan, &applied(), &waiting));
    let seats = settled.as_ref().unwrap_or(&plan.seats);
    let hash = plan::plan_hash(&plan.district, &plan.changes, &seats.changes, &holds)?;
    // Only a sync goes unattended; a decision of a person, and what dates bring about, count in no sum.
    let sync = circumstances.snapshot.is_some();
    let losses = if sync { window::unattended(&plan, baseline, &held, seats) } else { Vec::new() };
    let proposal = if sync && !first { season::proposal(&plan, baseline, unshared) } else { None };
    Ok(Cleared { plan, held, holds, settled, hash, losses, proposal })
}

/// A district without an applied snapshot, or one whose feed is another one now (safety.md, First sync).
pub fn is_first_sync(baseline: &Baseline, source: &SourceMark) -> bool {
    baseline.state.source.as_ref().is_none_or(|known| known.feed != source.feed)
}

impl Cleared {
    /// The plan as it was made, held changes included.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The name of the plan.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The groups that wait for a person.
    pub fn holds(&self) -> &[HoldRecord] {
        &self.holds
    }

    /// The seats that follow from what applies.
    pub fn seats(&self) -> &Allocation {
        self.settled.as_ref().unwrap_or(&self.plan.seats)
    }

    /// What applies now and takes something away unattended, for the sum of seven days.
    pub fn losses(&self) -> &[RecentLoss] {
        &self.losses
    }

    /// What applies now.
    pub fn applied(&self) -> impl Iterator<Item = &Change> {
        let indexed = self.plan.changes.iter().enumerate();
        indexed.filter(|(index, _)| !self.held.contains_key(index)).map(|(_, change)| change)
    }

    /// Users whose id seems to be someone else's now, and that applies.
    pub fn strangers(&self) -> BTreeSet<SourceId> {
        let applied = self.applied().filter(|change| change.kind == Kind::Users).filter_map(Change::user);
        applied.filter(|user| self.plan.strangers.contains(*user)).cloned().collect()
    }

    /// What waits, with the names of its groups; without one for what a mode keeps back.
    pub fn held(&self) -> impl Iterator<Item = (&Change, &[String])> {
        self.held.iter().filter_map(|(index, groups)| Some((self.plan.changes.get(*index)?, groups.as_slice())))
    }

    /// What a person is to decide, with the names of its groups.
    pub fn in_review(&self) -> impl Iterator<Item = (&Change, &[String])> {
        self.held().filter(|(_, groups)| !groups.is_empty())
    }

    /// What the mode or the quiet hours keep back from now on, with what they kept back before and this plan does not touch.
    pub fn kept_back(&self) -> impl Iterator<Item = &Change> {
        let kept = self.held().filter(|(_, groups)| groups.is_empty()).map(|(change, _)| change);
        kept.chain(&self.plan.kept_back)
    }

    /// The mode that would see the district through what this plan looks like.
    pub fn proposal(&self) -> Option<&Proposal> {
        self.proposal.as_ref()
    }

    /// Roster changes by kind, as a run shows them.
    pub fn counts(&self) -> Counts {
        let mut counts: Counts = Kind::ALL.into_iter().map(|kind| (kind, crate::model::Changed::default())).collect();
        for (kind, count) in &self.plan.unchanged {
            counts.entry(*kind).or_default().unchanged = *count;
        }
        for change in self.applied() {
            let entry = counts.entry(change.kind).or_default();
            if change.replaces() {
                entry.added += 1;
                entry.removed += 1;
                continue;
            }
            match change.verb {
                Verb::Added | Verb::Restored => entry.added += 1,
                Verb::Changed => entry.changed += 1,
                Verb::Removed => entry.removed += 1,
            }
        }
        for (change, _) in self.held() {
            counts.entry(change.kind).or_default().held += 1;
        }
        counts
    }

    /// Seat changes, as a run shows them.
    pub fn seat_counts(&self) -> SeatCounts {
        use crate::allocate::SeatAction;
        let seats = self.seats();
        let mut counts = SeatCounts { bridged: seats.bridged, waiting: seats.in_line, ..SeatCounts::default() };
        for change in &seats.changes {
            match change.action {
                SeatAction::Granted { .. } | SeatAction::Carried { .. } => counts.granted += 1,
                SeatAction::Released { .. } => counts.released += 1,
                SeatAction::Moved { .. } | SeatAction::Passed { .. } => counts.moved += 1,
                SeatAction::Leaving { .. }
                | SeatAction::Stayed
                | SeatAction::Waiting { .. }
                | SeatAction::WaitingEnded => {}
            }
        }
        counts
    }

    /// Every change and seat change, one line each; what waits says so. `record` and `user` show ids.
    pub fn view(&self, record: impl Fn(&Change) -> String, user: impl Fn(&SourceId) -> String) -> PlanView {
        let roster = self.plan.changes.iter().enumerate().flat_map(|(index, change)| {
            let held = if self.held.contains_key(&index) { "  [held]" } else { "" };
            change.parts().map(|part| format!("{}{held}", part.line(&record(&part)))).collect::<Vec<_>>()
        });
        let seats = &self.seats().changes;
        let lines = roster.chain(seats.iter().map(|seat| seat.line(&user(&seat.user))));
        let lines: Vec<String> = lines.take(PlanView::LONGEST).collect();
        let all = self.plan.changes.iter().map(|it| it.parts().count()).sum::<usize>() + seats.len();
        let omitted = all.saturating_sub(lines.len());
        PlanView { lines, omitted: u64::try_from(omitted).unwrap_or(u64::MAX) }
    }

    /// Seats needed if everything applied, against those bought (safety.md, First sync).
    pub fn needs(&self, baseline: &Baseline) -> Vec<Need> {
        let (seats, waiting) = (&self.plan.seats.seats, &self.plan.seats.waiting);
        let students = allocate::active_students(&baseline.roster);
        let tallies = Tallies::after(seats.now(&baseline.seats), waiting.now(&baseline.waiting), students);
        let rows = tallies.licenses(Input::of(baseline, self.plan.as_of), false);
        let need = |row: allocate::License| Need {
            needed: row.assigned + row.waiting,
            bought: row.total,
            product: row.product,
        };
        rows.into_iter().map(need).collect()
    }

    /// Whether applying it would write nothing but the run itself.
    pub fn changes_nothing(&self) -> bool {
        self.applied().next().is_none() && self.seats().changes_nothing()
    }
}
