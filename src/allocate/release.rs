//! Step 2: what becomes of a seat (licensing.md, Release).

use crate::model::{Leaving, Product, ReleaseReason, Seat};

use super::capacity::Coverage;
use super::demand::Demand;
use super::{Input, Pull};

/// What becomes of a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is kept, in demand or bridged.
    Kept,
    /// It is kept while absence is not certain.
    Leaving(Leaving),
    /// It ends.
    Released(ReleaseReason),
}

/// Demand of a seat's user, in the roster and with what is merely absent put back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// In the roster.
    pub(super) present: Demand,
    /// With what is merely absent put back.
    pub(super) put_back: Demand,
}

/// Decides on one seat.
///
/// A seat in `bridged` whose user wants it no more ends like any other, unless the user is in `held_users`: then the release
/// itself is what waits for a person. What a person did by hand is never held.
pub(super) fn fate(input: Input<'_>, product: &Product, coverage: Coverage, seat: &Seat, seen: Seen) -> Fate {
    let fate = match (seen.present, seen.put_back) {
        (present, _) if present.keeps() => Fate::Kept,
        (_, Demand::None(reason)) => Fate::Released(reason),
        _ => absent(input.pull, product, seat, input),
    };
    let by_hand = matches!(fate, Fate::Released(ReleaseReason::Excluded | ReleaseReason::Unassigned));
    let held =
        || input.held_users.contains(&seat.user) && input.bridged.contains(&(seat.product.clone(), seat.user.clone()));
    match fate {
        Fate::Kept | Fate::Leaving(_) if coverage == Coverage::Lapsed => Fate::Released(ReleaseReason::Expired),
        Fate::Released(_) if !by_hand && held() => Fate::Kept,
        other => other,
    }
}

/// Mere absence: the grace, a day at least, runs until a second complete snapshot of a later local date, for CSV of another
/// upload, agrees.
fn absent(pull: Option<&Pull>, product: &Product, seat: &Seat, input: Input<'_>) -> Fate {
    let days = i64::from(product.leaving_grace_days);
    let marked = || Leaving {
        since: pull.map_or(input.as_of.date_in(input.state.time_zone), |pull| pull.date),
        upload: pull.and_then(|pull| pull.upload.clone()),
    };
    match (pull, &seat.leaving) {
        (Some(_), _) if days == 0 => Fate::Released(ReleaseReason::Absent),
        (Some(pull), Some(leaving))
            if (pull.date - leaving.since).num_days() >= days
                && (pull.upload.is_none() || pull.upload != leaving.upload) =>
        {
            Fate::Released(ReleaseReason::Absent)
        }
        (_, Some(leaving)) => Fate::Leaving(leaving.clone()),
        (_, None) => Fate::Leaving(marked()),
    }
}
