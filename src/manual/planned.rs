//! What a verb would do, told before it is carried out (S0.7, S0.8).

use serde::Serialize;

use crate::apply::Shown;
use crate::model::{Counts, DistrictId, HoldRecord, PlanView, RunStatus, SeatCounts, Timestamp};

use super::{Asked, Worked};

/// A verb that was worked out and not carried out. It has no run; its keys are those of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// The district.
    pub district: DistrictId,
    /// The verb's name.
    pub verb: &'static str,
    /// Always `planned`.
    pub status: RunStatus,
    /// The instant it was worked out for.
    pub as_of: Timestamp,
    /// Roster changes, where the account is kept by hand.
    pub changes: Counts,
    /// Seat changes, a seat that is handed on by name included.
    pub seats: SeatCounts,
    /// What would wait for a person.
    pub holds: Vec<HoldRecord>,
    /// What would be decided, then what follows from it.
    pub plan: PlanView,
}

impl Planned {
    /// What `worked` comes to.
    pub(super) fn of(district: &DistrictId, asked: Asked<'_>, worked: &Worked, shown: &Shown<'_>) -> Self {
        let Worked { effect, cleared, .. } = worked;
        let mut seats = cleared.seat_counts();
        let handed = u64::from(effect.handed.is_some());
        (seats.granted, seats.released) = (seats.granted + handed, seats.released + handed);
        let decided = effect.entries.iter().map(|it| format!("! {} {}", it.action, it.id));
        let follows = cleared.view(|change| shown.change(change), |user| shown.user(user));
        let lines = decided.chain(follows.lines).collect();
        Self {
            district: district.clone(),
            verb: asked.verb.name(),
            status: RunStatus::Planned,
            as_of: asked.as_of,
            changes: cleared.counts(),
            seats,
            holds: cleared.holds().to_vec(),
            plan: PlanView { lines, omitted: follows.omitted },
        }
    }
}
