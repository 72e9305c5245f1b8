//! What should change: a value, made by pure functions, with every record and every seat in it.
//!
//! [`make`] compares a snapshot with the baseline and allocates as if all of it applied. The guard then says what waits, and
//! [`settle`] allocates once more for what is left, with the seats that only a held change would end bridged. Nothing is
//! left to choose when the plan is applied.

mod change;
mod diff;
mod hash;
mod remap;
mod sections;
mod text;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

pub use change::{Change, FieldChange, Part};
pub use hash::plan_hash;

use crate::allocate::{Allocation, District, Input, Pull, SeatKey, allocate};
use crate::identity::is_someone_else;
use crate::model::{
    Baseline, DistrictId, HeldChange, Kind, Overlay, Record, SourceId, SourceMark, Timestamp, View, Warning,
};
use crate::snapshot::Snapshot;

/// Everything that would happen to a district.
#[derive(Clone, Debug)]
#[must_use = "a plan that is dropped changes nothing"]
pub struct Plan {
    /// The district.
    pub district: DistrictId,
    /// The revision of the store it was made on; apply refuses any other.
    pub base_revision: i64,
    /// The one instant of its decisions.
    pub as_of: Timestamp,
    /// Roster changes, by kind, then key.
    pub changes: Vec<Change>,
    /// Positions in `changes` that a person approved earlier, exactly so, or with a link between an old id and a new one; they
    /// count toward no limit.
    pub approved: BTreeSet<usize>,
    /// Records that are in the source as in the store.
    pub unchanged: BTreeMap<Kind, u64>,
    /// The seats if everything applied.
    pub seats: Allocation,
    /// The complete snapshot behind it, if there is one.
    pub pull: Option<Pull>,
    /// Changes of an open review that this plan leaves in it: they stay held and their seats bridged.
    pub pending: Vec<Change>,
    /// Changes that a mode keeps back and that this plan leaves so.
    pub kept_back: Vec<Change>,
    /// What the comparison noticed, beyond the snapshot's own warnings.
    pub warnings: Vec<Warning>,
    /// Users of `changes` whose id seems to be someone else's now (P19).
    pub strangers: BTreeSet<SourceId>,
    /// Records whose refused version the source no longer sends, since it sends what the store has.
    pub spent: Vec<(Kind, String)>,
}

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub enum Cause<'a> {
    /// A pull of the feed.
    Snapshot(&'a Snapshot),
    /// Held changes that a person approved, as they were shown.
    Approved(&'a [HeldChange]),
    /// Changes that a person makes by hand, in a district without a feed.
    ByHand(&'a [Change]),
    /// Nothing but the date, the catalog or an override.
    Standing,
}

/// The body of a stored record could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the store's {kind} `{id}` cannot be read: it was written by another version or damaged; run `rosterd verify`")]
pub struct UnreadableRecord {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// Where the JSON broke.
    #[source]
    pub cause: serde_json::Error,
}

/// Compares and allocates. The same baseline, cause and instant give the same plan.
pub fn make(baseline: &Baseline, cause: Cause<'_>, as_of: Timestamp) -> Result<Plan, UnreadableRecord> {
    let found = match cause {
        Cause::Snapshot(snapshot) => diff::against_snapshot(baseline, snapshot, as_of),
        Cause::Approved(held) => diff::still_as_shown(baseline, held)?,
        Cause::ByHand(changes) => diff::by_hand(changes),
        Cause::Standing => diff::Differences::default(),
    };
    let pull = match cause {
        Cause::Snapshot(snapshot) if snapshot.complete() => Some(Pull {
            date: snapshot.source.pulled_at.date_in(baseline.state.time_zone),
            upload: upload(&snapshot.source),
        }),
        Cause::Snapshot(_) | Cause::Approved(_) | Cause::ByHand(_) | Cause::Standing => None,
    };
    // A complete snapshot computes the review anew; anything less leaves it as it is.
    let pending = match (pull.is_some(), &baseline.review) {
        (false, Some(review)) => diff::still_open(baseline, &review.changes, &found.changes)?,
        (true, _) | (false, None) => Vec::new(),
    };
    let kept_back = match (pull.is_some(), baseline.kept_back.is_empty()) {
        (false, false) => diff::still_open(baseline, &baseline.kept_back, &found.changes)?,
        (true, _) | (false, true) => Vec::new(),
    };
    let everything: Vec<&Change> = found.changes.iter().collect();
    let seats = allocate(After::new(&everything, baseline).input(baseline, as_of, pull.as_ref()));
    let strangers = strangers(baseline, &found.changes);
    let mut approved = found.approved;
    approved.extend(remap::accepted(baseline, &found.changes));
    Ok(Plan {
        district: baseline.state.id.clone(),
        base_revision: baseline.state.revision,
        as_of,
        changes: found.changes,
        approved,
        unchanged: found.unchanged,
        warnings: found.warnings.into_iter().chain(seats.warnings.iter().cloned()).collect(),
        seats,
        pull,
        pending,
        kept_back,
        strangers,
        spent: found.spent,
    })
}

/// Users who are here, or were, and whom the changes make someone else.
fn strangers(baseline: &Baseline, changes: &[Change]) -> BTreeSet<SourceId> {
    let new = |change: &Change| match (&change.before, &change.after) {
        (Some(Record::User(old)), Some(Record::User(new))) => is_someone_else(old, new).then(|| new.id.clone()),
        (None, Some(Record::User(new))) => {
            baseline.former.users.get(&new.id).filter(|old| is_someone_else(old, new)).map(|_| new.id.clone())
        }
        _ => None,
    };
    changes.iter().filter_map(new).collect()
}

/// The changes of an open review that are still as it shows them.
pub fn pending(baseline: &Baseline) -> Result<Vec<Change>, UnreadableRecord> {
    let review = baseline.review.iter();
    let open = review.map(|review| diff::still_open(baseline, &review.changes, &[]));
    Ok(open.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// Names an upload: a file that was sent again is a newer one even with the same content, since it says the same again; an
/// older one than the last applied was refused by the feed. None for feeds that are asked, not sent.
fn upload(source: &SourceMark) -> Option<String> {
    let content = source.content.as_deref()?;
    let sent = source.uploaded_at.map(|at| at.to_string()).unwrap_or_default();
    Some(format!("{sent} {content}"))
}

/// Allocates for what applies while `held` waits: a seat that would end, or begin to leave, only because of a held change is
/// bridged (licensing.md, step 7). So is one whose user is held back altogether, and who would want it: nobody has such a seat
/// but by `seats import`, and no one else is to have it meanwhile.
pub fn settle(baseline: &Baseline, plan: &Plan, applied: &[&Change], held: &[&Change]) -> Allocation {
    let pull = plan.pull.as_ref();
    let after = After::new(applied, baseline);
    let input = after.input(baseline, plan.as_of, pull);
    let district = District::new(input);
    let alone = district.allocate(input);
    if held.is_empty() {
        return alone;
    }
    // Without changes of an older review the whole is what the plan was made with.
    let full = if plan.pending.is_empty() && plan.kept_back.is_empty() {
        Cow::Borrowed(&plan.seats)
    } else {
        let everything: Vec<&Change> = applied.iter().chain(held).copied().collect();
        Cow::Owned(allocate(After::new(&everything, baseline).input(baseline, plan.as_of, pull)))
    };
    let (passed, passed_alone) = (full.passed(), alone.passed());
    let stays = |allocation: &Allocation, passed: &BTreeSet<SeatKey>, key: &SeatKey| {
        allocation.keeps(&baseline.seats, passed, key)
    };
    // Whoever comes back as someone else has no claim on what the former one had.
    let coming = held.iter().filter_map(|change| change.adds_user()).filter(|user| !plan.strangers.contains(*user));
    let coming: BTreeSet<&SourceId> = coming.collect();
    let only_held = |key: &SeatKey| match (stays(&alone, &passed_alone, key), stays(&full, &passed, key)) {
        (alone, full) if alone == full => false,
        (true, _) => true,
        (false, _) => coming.contains(&key.1),
    };
    // A seat that neither changes is bridged by neither.
    let changed = alone.seats.keys().chain(full.seats.keys()).filter(|key| baseline.seats.contains_key(key));
    let changed: BTreeSet<SeatKey> = changed.collect();
    let bridged = changed.into_iter().filter(only_held).collect();
    let held_users = held.iter().filter_map(|change| change.user().cloned()).collect();
    district.allocate(Input { bridged: &bridged, held_users: &held_users, ..input })
}

/// What changes make of a district's records, to be laid over those it has.
pub fn laid_over<'a>(changes: impl Iterator<Item = &'a Change>) -> Overlay<'a> {
    let laid = changes.filter_map(|change| match (&change.before, &change.after) {
        (_, Some(after)) => Some((after, true)),
        (Some(before), None) => Some((before, false)),
        (None, None) => None,
    });
    Overlay::of(laid)
}

/// What the records of a district would be after some changes, laid over those it has.
#[derive(Debug)]
struct After<'a> {
    roster: Overlay<'a>,
    /// Those that are gone by mere absence.
    departed: Overlay<'a>,
}

impl<'a> After<'a> {
    fn new(applied: &[&'a Change], baseline: &Baseline) -> Self {
        let departed = applied.iter().filter_map(|change| match (&change.before, &change.after) {
            (_, Some(back)) => baseline.departed.has(back).then_some((back, false)),
            (Some(before), None) => Some((before, !change.tombstone)),
            (None, None) => None,
        });
        Self { roster: laid_over(applied.iter().copied()), departed: Overlay::of(departed) }
    }

    fn input(&'a self, baseline: &'a Baseline, as_of: Timestamp, pull: Option<&'a Pull>) -> Input<'a> {
        Input {
            roster: View::new(&baseline.roster, &self.roster),
            departed: View::new(&baseline.departed, &self.departed),
            pull,
            ..Input::of(baseline, as_of)
        }
    }
}

/// Reads a body from the store.
fn record_of(kind: Kind, id: &str, body: &str) -> Result<Record, UnreadableRecord> {
    Record::from_body(kind, body).map_err(|cause| UnreadableRecord { kind, id: id.to_owned(), cause })
}
