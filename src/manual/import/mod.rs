//! `seats import`: the seats that people have today become kept seats with their dates (licensing.md, By hand).
//!
//! [`match_seats`] reads the file and says of each row what would become of it; the [`Verb`](crate::manual::Verb) it makes
//! names users by id alone, and is carried out as a run of its own. Seats of users that a review would add are taken over
//! too: they are bridged until the review is approved, so that a first sync meets the seats there are and grants only what is
//! missing (P44, P50).

mod file;
mod people;
mod report;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::allocate::{SeatKey, counts_for};
use crate::audit::{Category, Draft};
use crate::model::{
    Audience, Baseline, Basis, OverrideKind, Pool, Product, ProductCode, Seat, SeatState, SourceId, Target, Timestamp,
};
use crate::plan::{self, Cause, Change};
use crate::store::Activity;

pub use file::BadFile;
pub use people::Key;
use people::Known;
pub use report::{Line, MatchReport, Outcome, ProductTotal, Takeover, match_seats};

use super::effect::Effect;
use super::permit::{Who, allows};
use super::{Case, Refused};

/// How often the seats are allocated until each has the pool it stays in. Two are enough unless bundles are among them.
const ROUNDS: u32 = 8;

/// A seat that someone has today, as it is to be taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedSeat {
    /// The product.
    pub product: ProductCode,
    /// The user.
    pub user: SourceId,
    /// The school whose allotment it is drawn from, if the file says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub school: Option<SourceId>,
    /// Since when; the instant of the import where the file does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// First use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<Timestamp>,
    /// Last use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}

impl ImportedSeat {
    fn key(&self) -> SeatKey {
        (self.product.clone(), self.user.clone())
    }

    fn seat(&self, at: Timestamp) -> Seat {
        let used = self.claimed_at.into_iter().chain(self.last_used_at).min();
        Seat {
            product: self.product.clone(),
            user: self.user.clone(),
            pool: self.school.clone().map_or(Pool::District, Pool::School),
            since: self.since.or(used).unwrap_or(at),
            claimed_at: self.claimed_at.or(self.last_used_at),
            last_used_at: self.last_used_at.or(self.claimed_at),
            leaving: None,
            bridged: false,
            state: SeatState::Active,
        }
    }
}

/// Decides on the seats: those whose user may have one and wants it are taken over, in the pool they stay in; the others are
/// left alone, and [`MatchReport`] says why. A seat that is there stays as it is, so a second import changes nothing.
pub(super) fn take_over(case: Case<'_>, effect: &mut Effect, seats: &[ImportedSeat]) -> Result<(), Refused> {
    let pending = super::pending(case.baseline)?;
    let known = Known::new(case.baseline, &pending);
    let mut taken: BTreeMap<SeatKey, Seat> = seats
        .iter()
        .filter(|it| !case.baseline.seats.contains_key(&it.key()) && may_have(case, &known, it).is_none())
        .map(|it| (it.key(), it.seat(case.asked.as_of)))
        .collect();
    for _ in 0..ROUNDS {
        *effect = of_seats(case, &taken);
        let after = effect.applied_to(case.baseline);
        let settled = settled(case, &after, &pending)?;
        let before = taken.clone();
        taken.retain(|key, seat| {
            let now = settled.seats.get(&after.seats, key).filter(|it| it.leaving.is_none());
            if let Some(now) = now {
                seat.pool.clone_from(&now.pool);
            }
            now.is_some()
        });
        if taken == before {
            break;
        }
    }
    Ok(())
}

/// The seats that would follow, with what is in review left there.
fn settled(case: Case<'_>, after: &Baseline, pending: &[Change]) -> Result<crate::allocate::Allocation, Refused> {
    let plan = plan::make(after, Cause::Standing, case.asked.as_of).map_err(|error| Box::new(error.into()))?;
    if pending.is_empty() {
        return Ok(plan.seats);
    }
    Ok(plan::settle(after, &plan, &[], &pending.iter().collect::<Vec<_>>()))
}

/// Why a seat cannot be taken over whoever wants it; none if it can.
fn may_have(case: Case<'_>, known: &Known<'_>, it: &ImportedSeat) -> Option<Outcome> {
    let Some(product) = case.baseline.catalog.products.get(&it.product) else { return Some(Outcome::UnknownProduct) };
    let Some(user) = known.user(&it.user) else { return Some(Outcome::UnknownUser) };
    if product.audience != Audience::Any && !user.roles.iter().any(|it| counts_for(product.audience, it.role)) {
        return Some(Outcome::WrongAudience);
    }
    (needs_assignment(case, product, &user.id) && !allows("assign", case.asked.fed, Who::of(product, Some(user))))
        .then_some(Outcome::FeedDecides)
}

/// Whether the seat rests on nothing but the import itself.
fn needs_assignment(case: Case<'_>, product: &Product, user: &SourceId) -> bool {
    let key = (product.code.clone(), Target::User(user.clone()));
    let assigned = case.baseline.assignments.get(&key).is_some_and(|it| it.kind == OverrideKind::Pin);
    product.basis == Basis::Assigned && !assigned && !case.assigned_by_class(product, user)
}

/// Rows and entries of seats that are taken over. On a product of basis `assigned` each is an assignment too, on one of basis
/// `first_use` a use, because without it nobody would want the seat.
fn of_seats(case: Case<'_>, taken: &BTreeMap<SeatKey, Seat>) -> Effect {
    let mut effect = Effect::default();
    for seat in taken.values() {
        let Some(product) = case.baseline.catalog.products.get(&seat.product) else { continue };
        if needs_assignment(case, product, &seat.user) {
            let target = Target::User(seat.user.clone());
            effect.set_assignment(case, case.assignment(product, target, OverrideKind::Pin, BTreeSet::new()));
        }
        let first = seat.claimed_at.or((product.basis == Basis::FirstUse).then_some(seat.since));
        effect.by_hand.activity.extend(first.map(|first| Activity {
            product: seat.product.clone(),
            user: seat.user.clone(),
            first,
            last: seat.last_used_at.unwrap_or(first).max(first),
        }));
        effect.entries.push(Draft {
            after: Some(json!({
                "pool": seat.pool,
                "since": seat.since,
                "claimed_at": seat.claimed_at,
                "last_used_at": seat.last_used_at,
            })),
            reason: Some(case.because("import")),
            ..case.draft(
                Category::License,
                "seat",
                "granted",
                format!("{}/{}", seat.product, case.shown.user(&seat.user)),
            )
        });
    }
    effect.imported = taken.values().cloned().collect();
    effect
}
