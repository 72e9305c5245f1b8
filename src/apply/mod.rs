//! Make it so: one transaction, no choices. What is written is a value, made here from a [`Cleared`] plan and carried out by
//! the store whole or not at all (safety.md, A run, 6).

mod anew;
mod contract;
mod decisions;
mod entries;
mod marks;
mod settled;
mod watch;

pub use contract::differing;
pub use decisions::{OpenRun, Outcome, after_decision, superseded};
pub use entries::{Author, Shown, decision_entry};

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::alert::{self, Evaluation};
use crate::allocate::{Allocation, SeatAction, SeatChange};
use crate::guard::Cleared;
use crate::identity::Anew;
use crate::model::{
    Baseline, Decision, Ended, HeldChange, Kind, ProductCode, ReleaseReason, RunRecord, RunStatus, Seat, SourceId,
    SourceMark, Timestamp, Verb,
};
use crate::notice;
use crate::plan::Change;
use crate::store::{ByHand, HoldUpdate, Lent, RecordWrite, Rows, Writes};

/// A pull that becomes what is in use.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// Which pull.
    pub mark: SourceMark,
    /// Names what it said (`Snapshot::digest`).
    pub digest: Option<String>,
}

/// What an apply needs beside the plan.
#[derive(Debug)]
pub struct Order<'a> {
    /// The run as far as it got; its numbers are filled in here.
    pub run: RunRecord,
    /// The lease's number; none outside the queue.
    pub fence: Option<i64>,
    /// Which pull becomes the district's source; none where nothing was pulled or all of it is held.
    pub pulled: Option<Pulled>,
    /// Who acts.
    pub author: Author,
    /// How ids are shown in the audit.
    pub shown: Shown<'a>,
    /// Whether the roster comes from a feed, so that it can be stale.
    pub fed: bool,
}

/// Turns a cleared plan into rows. The second part of `Order` adds what a person decided, if that is what this is about.
pub fn writes<'a>(
    cleared: &'a Cleared,
    baseline: &'a Baseline,
    order: Order<'a>,
    decided: Decided,
) -> Result<Writes<'a>, serde_json::Error> {
    let Order { mut run, fence, pulled, author, shown, fed } = order;
    let plan = cleared.plan();
    let (source, digest) = pulled.map_or((None, None), |it| (Some(it.mark), it.digest));
    let in_use = source.as_ref().or(baseline.state.source.as_ref()).filter(|_| fed);
    let watched = watch::watch(cleared, baseline, in_use);
    let alerts = &watched.alerts;
    run.alerts = alerts.counts;
    match run.status {
        // A plan keeps its own numbers, a failed fetch its status: what applies beside them follows from dates and contract.
        RunStatus::Planned => {}
        RunStatus::Failed => run.seats = cleared.seat_counts(),
        RunStatus::Queued
        | RunStatus::Fetching
        | RunStatus::Applying
        | RunStatus::Applied
        | RunStatus::Unchanged
        | RunStatus::Held
        | RunStatus::Cancelled => {
            run.plan_hash = Some(cleared.hash().to_owned());
            run.changes = cleared.counts();
            run.seats = cleared.seat_counts();
            run.holds = cleared.holds().to_vec();
            run.status = status(cleared, baseline, &decided, alerts);
        }
    }
    let contract = baseline.taken_up().cloned().unwrap_or_default();
    let mut audit = Rows::from(decided.entries.clone());
    audit.extend(contract::entries(&contract));
    audit.extend(anew::entries(&decided.anew, &author, &shown));
    // A first load adds millions of records, and an entry is several times what it tells of.
    let shown = Arc::new(shown);
    let because = decided.because;
    let (acting, showing) = (author.clone(), Arc::clone(&shown));
    let entry = move |change: &Change| -> Result<crate::audit::Draft, serde_json::Error> {
        let mut entry = entries::of_change(change, &acting, &showing)?;
        if let Some(because) = because {
            entry.reason = Some(word(because));
        }
        Ok(entry)
    };
    // Where nothing waits, what applies needs no list of its own.
    let whole = cleared.held().next().is_none().then_some(plan.changes.as_slice());
    match whole.filter(|all| !all.iter().any(Change::replaces)) {
        Some(all) => audit.later(all, entry),
        None => audit.later(cleared.applied().flat_map(Change::parts).collect::<Vec<_>>(), move |part| entry(part)),
    }
    let after = cleared.seats();
    let seat_changes = told(&after.changes, &decided);
    let places = marks::Places::new(after, plan.as_of);
    let moved = marks::entries(after, &seat_changes, baseline, &author, &shown);
    let (ended_put, seats_ended) = (entries::ended(&seat_changes, plan.as_of), seats_ended(&seat_changes, baseline));
    let (acting, showing) = (author.clone(), Arc::clone(&shown));
    audit.later(seat_changes, move |change: &SeatChange| Ok(entries::of_seat(change, &places, &acting, &showing)));
    audit.extend(moved);
    audit.extend(alerts.moves.iter().map(|it| alert::draft(it, shown.key())));
    let mut decisions_cleared: Vec<(Kind, String)> = plan.spent.clone();
    if !baseline.decisions.is_empty() {
        let keys = cleared.applied().map(|change| (change.kind, change.id().into_owned()));
        decisions_cleared.extend(keys.filter(|key| baseline.decisions.contains_key(key)));
    }
    let held: Vec<HeldChange> =
        cleared.in_review().map(|(change, groups)| held_change(change, groups)).collect::<Result<_, _>>()?;
    let mut notices = notice::of_alerts(alerts, run.finished_at.unwrap_or(run.as_of), shown.key());
    notices.extend(notice::of_held(&run, baseline.review.as_ref(), held.len()));
    notices.extend(notice::of_failure(&run, baseline.state.source.as_ref()));
    let kept = Kept::of(cleared, baseline)?;
    let mut records = Rows::default();
    match whole {
        Some(all) => records.later(all, record_write),
        None => records.later(cleared.applied().collect::<Vec<_>>(), |change| record_write(change)),
    }
    let settled = settled::settled(digest.as_deref(), cleared, baseline, &run, &decided.anew, &watched);
    let mut writes = Writes {
        district: plan.district.clone(),
        base_revision: plan.base_revision,
        fence,
        run,
        records,
        seats_put: after.seats.put().map(Lent::There).collect(),
        seats_removed: after.seats.gone().cloned().collect(),
        waiting_put: after.waiting.put().map(Lent::There).collect(),
        waiting_removed: after.waiting.gone().cloned().collect(),
        ended_put,
        seats_ended,
        held,
        kept_put: kept.put,
        kept_removed: kept.removed,
        decisions: decided.decisions,
        decisions_cleared,
        hold_decisions: decided.updates,
        runs_updated: decided.runs,
        source,
        by_hand: decided.by_hand,
        erase: decided.erase,
        anew: BTreeSet::new(),
        contract,
        remembered: (after.remembered != baseline.remembered).then(|| after.remembered.clone()),
        losses: cleared.losses().to_vec(),
        alerts_put: alerts.rows(),
        notices,
        daily_put: watched.daily.put,
        daily_removed: watched.daily.removed,
        settled,
        allocated_at: plan.as_of,
        audit,
    };
    anew::begin(&mut writes, decided.anew);
    take_over(&mut writes, decided.imported, after);
    for used in decided.used {
        note_use(&mut writes, used);
    }
    for taken in decided.taken {
        take_back(&mut writes, &taken);
    }
    if let Some(handed) = decided.handed {
        hand_on(&mut writes, handed);
    }
    for seat in decided.restored {
        give_back(&mut writes, seat);
    }
    Ok(writes)
}

/// What a person decided, or a snapshot superseded, in this run.
#[derive(Debug, Default)]
pub struct Decided {
    /// Audit entries of the decision itself.
    pub entries: Vec<crate::audit::Draft>,
    /// Decisions to remember.
    pub decisions: Vec<(Kind, String, Decision)>,
    /// Held changes that are decided now.
    pub updates: Vec<HoldUpdate>,
    /// Runs whose groups are decided now.
    pub runs: Vec<RunRecord>,
    /// What people decided by hand.
    pub by_hand: ByHand,
    /// A seat that passes to a user by name; the baseline has it there already, and `entries` tell of it.
    pub handed: Option<Handed>,
    /// Seats that are taken over as they are; the baseline has them already, and `entries` tell of them.
    pub imported: Vec<Seat>,
    /// Seats that were used, as they are with it; the ones that end in this run are passed over.
    pub used: Vec<Used>,
    /// Seats that are taken back with a link between accounts; the baseline has them no more, and `entries` tell of it.
    pub taken: Vec<Taken>,
    /// The product that a person unassigned: no record was pulled, so who loses it has no other reason.
    pub unassigned: Option<ProductCode>,
    /// Seats that users get back as they were; the baseline has them there already, and `entries` tell of them.
    pub restored: Vec<Seat>,
    /// Why records change and seats end where a person brings that about: no record was pulled, so there is no other reason.
    pub because: Option<ReleaseReason>,
    /// A user of whom nothing is left afterwards.
    pub erase: Option<SourceId>,
    /// What the former holders of ids had that are someone else's now; the baseline has it no more.
    pub anew: Anew,
}

/// A seat in use, and the entry of its claim if this use is the first.
#[derive(Clone, Debug, PartialEq)]
pub struct Used {
    /// The seat.
    pub seat: Seat,
    /// `seat.claimed`.
    pub entry: Option<crate::audit::Draft>,
}

/// A seat that one user had and another has, past the line (S0.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed {
    /// As it was.
    pub from: Seat,
    /// As it is handed on, of the same product.
    pub to: Seat,
    /// When.
    pub at: Timestamp,
}

/// A seat that a new id had from an old one, of a person who is none after all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// As the new id had it.
    pub seat: Seat,
    /// The old id, which has its history back.
    pub from: SourceId,
    /// When.
    pub at: Timestamp,
}

impl Taken {
    /// The old id's seat ended without fault of its own: who returns goes before who waits.
    pub fn ended(&self) -> Ended {
        Ended { at: self.at, reason: ReleaseReason::Absent }
    }
}

/// The seat changes with the reasons that only the one who decides knows.
fn told<'a>(changes: &'a [SeatChange], decided: &Decided) -> Cow<'a, [SeatChange]> {
    // Most have decided nothing of the kind, and a first load changes millions of seats.
    if decided.unassigned.is_none() && decided.because.is_none() {
        return Cow::Borrowed(changes);
    }
    let mut changes = changes.to_vec();
    for change in &mut changes {
        let unassigned = decided.unassigned.as_ref() == Some(&change.product);
        if let SeatAction::Released { reason: reason @ ReleaseReason::Tombstone, .. } = &mut change.action {
            if unassigned {
                *reason = ReleaseReason::Unassigned;
            } else if let Some(because) = decided.because {
                *reason = because;
            }
        }
    }
    Cow::Owned(changes)
}

fn word(reason: ReleaseReason) -> String {
    serde_json::to_value(reason).ok().and_then(|it| it.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The seats that end, as they were.
fn seats_ended(changes: &[SeatChange], baseline: &Baseline) -> Vec<(Seat, ReleaseReason)> {
    let ended = changes.iter().filter_map(|change| {
        let reason = change.action.released()?;
        let seat = baseline.seats.get(&(change.product.clone(), change.user.clone()))?;
        Some((seat.clone(), reason))
    });
    ended.collect()
}

/// Adds a seat that its user gets back.
fn give_back(writes: &mut Writes<'_>, seat: Seat) {
    if !writes.seats_put.iter().any(|it| (&it.product, &it.user) == (&seat.product, &seat.user)) {
        writes.seats_put.push(seat.into());
    }
    writes.run.seats.granted += 1;
}

/// Ends a seat that is taken back, unless what follows from it gives its user another one.
fn take_back(writes: &mut Writes<'_>, taken: &Taken) {
    let Seat { product, user, .. } = &taken.seat;
    writes.ended_put.push(((product.clone(), taken.from.clone()), taken.ended()));
    writes.seats_ended.push((taken.seat.clone(), ReleaseReason::Reassigned));
    if !writes.seats_put.iter().any(|it| (&it.product, &it.user) == (product, user)) {
        writes.seats_removed.push((product.clone(), user.clone()));
    }
    writes.run.seats.released += 1;
}

/// Adds a seat that was handed on to what follows from it.
fn hand_on(writes: &mut Writes<'_>, Handed { from, to, at }: Handed) {
    writes.seats_ended.push((from.clone(), ReleaseReason::Reassigned));
    let key = (from.product, from.user);
    writes.ended_put.push((key.clone(), Ended { at, reason: ReleaseReason::Reassigned }));
    writes.seats_removed.push(key);
    if !writes.seats_put.iter().any(|it| (&it.product, &it.user) == (&to.product, &to.user)) {
        writes.seats_put.push(to.into());
    }
    writes.run.seats.granted += 1;
    writes.run.seats.released += 1;
}

/// Adds seats that are taken over to what follows from them.
fn take_over(writes: &mut Writes<'_>, imported: Vec<Seat>, after: &Allocation) {
    writes.run.seats.granted += u64::try_from(imported.len()).unwrap_or(u64::MAX);
    let as_they_are = |it: &Seat| after.seats.put_of(&it.product, &it.user).is_none();
    writes.seats_put.extend(imported.into_iter().filter(as_they_are).map(Lent::from));
}

/// Puts a use into the seat's row, with its entry after the one that drew the seat.
fn note_use(writes: &mut Writes<'_>, Used { seat, entry }: Used) {
    let key = (seat.product.clone(), seat.user.clone());
    match writes.seats_put.iter_mut().find(|it| (&it.product, &it.user) == (&key.0, &key.1)) {
        Some(row) => {
            let (claimed_at, last_used_at) = (seat.claimed_at, seat.last_used_at);
            *row = Seat { claimed_at, last_used_at, ..(**row).clone() }.into();
        }
        None if writes.seats_removed.contains(&key) => return,
        None => writes.seats_put.push(seat.into()),
    }
    writes.audit.extend(entry);
}

fn status(cleared: &Cleared, baseline: &Baseline, decided: &Decided, alerts: &Evaluation) -> RunStatus {
    let decides = !(decided.entries.is_empty() && decided.by_hand.is_empty()) || baseline.taken_up().is_some();
    if !cleared.holds().is_empty() {
        RunStatus::Held
    } else if cleared.changes_nothing() && !decides && alerts.moves.is_empty() {
        RunStatus::Unchanged
    } else {
        RunStatus::Applied
    }
}

fn record_write(change: &Change) -> Result<RecordWrite, serde_json::Error> {
    Ok(RecordWrite {
        kind: change.kind,
        id: change.id().into_owned(),
        verb: change.verb,
        before: change.before.as_ref().map(crate::model::Record::body).transpose()?,
        after: change.after.as_ref().map(crate::model::Record::body).transpose()?,
        departed: change.verb == Verb::Removed && !change.tombstone,
    })
}

fn held_change(change: &Change, groups: &[String]) -> Result<HeldChange, serde_json::Error> {
    Ok(HeldChange {
        groups: groups.iter().cloned().collect(),
        kind: change.kind,
        id: change.id().into_owned(),
        before: change.before.as_ref().map(crate::model::Record::body).transpose()?,
        after: change.after.as_ref().map(crate::model::Record::body).transpose()?,
        tombstone: change.tombstone,
    })
}

/// How what a mode keeps back differs from what it kept back before.
struct Kept {
    put: Vec<HeldChange>,
    removed: Vec<(Kind, String)>,
}

impl Kept {
    fn of(cleared: &Cleared, baseline: &Baseline) -> Result<Self, serde_json::Error> {
        let key = |it: &HeldChange| (it.kind, it.id.clone());
        let before: BTreeMap<(Kind, String), &HeldChange> = baseline.kept_back.iter().map(|it| (key(it), it)).collect();
        let now: Vec<HeldChange> = cleared.kept_back().map(|it| held_change(it, &[])).collect::<Result<_, _>>()?;
        let keys: BTreeSet<(Kind, String)> = now.iter().map(key).collect();
        let removed = before.keys().filter(|it| !keys.contains(*it)).cloned().collect();
        let same = |it: &HeldChange| {
            before.get(&key(it)).is_some_and(|old| (&old.after, old.tombstone) == (&it.after, it.tombstone))
        };
        Ok(Self { put: now.into_iter().filter(|it| !same(it)).collect(), removed })
    }
}
