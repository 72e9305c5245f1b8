//! What should change: a value, made by pure functions, with every record and every seat in it.
//!
//! [`make`] compares a snapshot with the baseline and allocates as if all of it applied. The guard then says what waits, and
//! [`settle`] allocates once more for what is left, with the seats that only a held change would end bridged. Nothing is
//! left to choose when the plan is applied.

mod change;
mod diff;
mod hash;
mod remap;
mod text;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

pub use change::{Change, FieldChange};
pub use hash::plan_hash;

use crate::allocate::{self, Allocation, Pull, SeatKey};
use crate::model::{Baseline, DistrictId, HeldChange, Kind, Record, Roster, SourceId, SourceMark, Timestamp, Warning};
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
    let seats = allocation(baseline, &everything, as_of, pull.as_ref(), &Bridge::default());
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
        spent: found.spent,
    })
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

/// What is held, as the engine needs it.
#[derive(Clone, Debug, Default)]
struct Bridge {
    seats: BTreeSet<SeatKey>,
    users: BTreeSet<SourceId>,
}

/// Allocates for what applies while `held` waits: a seat that would end, or begin to leave, only because of a held change is
/// bridged (licensing.md, step 7). So is one whose user is held back altogether, and who would want it: nobody has such a seat
/// but by `seats import`, and no one else is to have it meanwhile.
pub fn settle(baseline: &Baseline, plan: &Plan, applied: &[&Change], held: &[&Change]) -> Allocation {
    let pull = plan.pull.as_ref();
    if held.is_empty() {
        return allocation(baseline, applied, plan.as_of, pull, &Bridge::default());
    }
    // Without changes of an older review the whole is what the plan was made with.
    let full = if plan.pending.is_empty() && plan.kept_back.is_empty() {
        Cow::Borrowed(&plan.seats)
    } else {
        let everything: Vec<&Change> = applied.iter().chain(held).copied().collect();
        Cow::Owned(allocation(baseline, &everything, plan.as_of, pull, &Bridge::default()))
    };
    let alone = allocation(baseline, applied, plan.as_of, pull, &Bridge::default());
    let (passed, passed_alone) = (full.passed(), alone.passed());
    let stays = |allocation: &Allocation, passed: &BTreeSet<SeatKey>, key: &SeatKey| {
        let seat = allocation.seats.get(&baseline.seats, key);
        seat.is_some_and(|seat| seat.leaving.is_none()) || passed.contains(key)
    };
    let coming: BTreeSet<&SourceId> = held.iter().filter_map(|change| change.adds_user()).collect();
    let only_held = |key: &&SeatKey| match (stays(&alone, &passed_alone, key), stays(&full, &passed, key)) {
        (alone, full) if alone == full => false,
        (true, _) => true,
        (false, _) => coming.contains(&key.1),
    };
    let bridge = Bridge {
        seats: baseline.seats.keys().filter(only_held).cloned().collect(),
        users: held.iter().filter_map(|change| change.user().cloned()).collect(),
    };
    allocation(baseline, applied, plan.as_of, pull, &bridge)
}

fn allocation(
    baseline: &Baseline,
    applied: &[&Change],
    as_of: Timestamp,
    pull: Option<&Pull>,
    bridge: &Bridge,
) -> Allocation {
    let (roster, departed) = rosters_after(baseline, applied);
    allocate::allocate(allocate::Input {
        roster: &roster,
        departed: &departed,
        bridged: &bridge.seats,
        held_users: &bridge.users,
        pull,
        ..allocate::Input::of(baseline, as_of)
    })
}

/// The active records after `applied`, and those that are gone by mere absence.
fn rosters_after<'a>(baseline: &'a Baseline, applied: &[&Change]) -> (Cow<'a, Roster>, Cow<'a, Roster>) {
    if applied.is_empty() {
        return (Cow::Borrowed(&baseline.roster), Cow::Borrowed(&baseline.departed));
    }
    let mut roster = baseline.roster.clone();
    let mut departed = baseline.departed.clone();
    for change in applied {
        match (&change.before, &change.after) {
            (_, Some(after)) => {
                roster.put(after.clone());
                departed.take(after);
            }
            (Some(before), None) => {
                roster.take(before);
                if change.tombstone {
                    departed.take(before);
                } else {
                    departed.put(before.clone());
                }
            }
            (None, None) => {}
        }
    }
    (Cow::Owned(roster), Cow::Owned(departed))
}

/// Reads a body from the store.
fn record_of(kind: Kind, id: &str, body: &str) -> Result<Record, UnreadableRecord> {
    Record::from_body(kind, body).map_err(|cause| UnreadableRecord { kind, id: id.to_owned(), cause })
}
