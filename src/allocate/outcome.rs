//! What one allocation of a product comes to: the changes, and the rows that are not as they were.

use crate::model::{Pool, ReleaseReason, Seat, SeatState, SourceId, Spell, SubscriptionId, Waiting};

use super::capacity::Coverage;
use super::product::{Candidate, Desk, Keeper, Placed};
use super::{SeatAction, SeatChange};

/// The outcome for one product.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) changes: Vec<SeatChange>,
    /// Seats that changed, none for those that ended.
    pub(super) seats: Vec<(SourceId, Option<Seat>)>,
    /// Places that changed, none for those that ended.
    pub(super) waiting: Vec<(SourceId, Option<Waiting>)>,
    /// Who has a seat, where it was asked for.
    pub(super) holders: Vec<SourceId>,
    pub(super) bridged: u64,
    pub(super) in_line: u64,
    pub(super) spell: Option<Spell>,
    pub(super) grace: Vec<(SubscriptionId, u64)>,
}

/// What a seat is: the first that applies (licensing.md, What must always hold, 3).
pub fn state_of(coverage: Coverage, bridged: bool, leaving: bool) -> SeatState {
    if coverage != Coverage::Covered {
        SeatState::Suspended
    } else if bridged {
        SeatState::Bridged
    } else if leaving {
        SeatState::Leaving
    } else {
        SeatState::Active
    }
}

/// Changes by the step in which they are applied.
#[derive(Debug, Default)]
struct Steps {
    released: Vec<SeatChange>,
    moved: Vec<SeatChange>,
    granted: Vec<SeatChange>,
    marked: Vec<SeatChange>,
    joined: Vec<SeatChange>,
    left: Vec<SeatChange>,
}

impl Steps {
    fn in_order(self) -> Vec<SeatChange> {
        let Self { released, moved, granted, marked, joined, left } = self;
        let mut all = Vec::with_capacity(released.len() + granted.len() + joined.len());
        for mut step in [released, moved, granted, marked, joined, left] {
            step.sort_by(|one, other| one.user.cmp(&other.user));
            all.append(&mut step);
        }
        all
    }
}

impl<'a> Desk<'a, '_> {
    /// What it comes to, everyone being placed.
    pub(super) fn outcome(mut self, placed: &Placed, spell: Option<Spell>, wants_holders: bool) -> Outcome {
        let mut outcome = Outcome { spell, grace: std::mem::take(&mut self.capacity.grace), ..Outcome::default() };
        let mut steps = Steps::default();
        for (seat, reason) in &self.released {
            outcome.seats.push((seat.user.clone(), None));
            steps.released.push(self.release(seat, *reason));
        }
        let (kept, new) = placed.pools.split_at(self.kept.len());
        for (keeper, pool) in self.kept.iter().zip(kept) {
            outcome.bridged += u64::from(keeper.bridged);
            // Most seats are as they were; of those nothing is looked at again.
            if !(keeper.as_it_was && (pool.is_none() || *pool == keeper.home)) {
                let pool = pool.and_then(|pool| self.sorts.pool(pool)).unwrap_or(&keeper.seat.pool);
                self.keep_seat(keeper, pool, &mut steps, &mut outcome);
            }
            if wants_holders {
                outcome.holders.push(keeper.account.clone());
            }
        }
        for ((it, position), pool) in self.candidates.iter().zip(&placed.positions).zip(new) {
            if let Some(position) = *position {
                outcome.in_line += 1;
                self.wait(it, position, &mut steps, &mut outcome);
            } else {
                let pool = pool.and_then(|pool| self.sorts.pool(pool)).unwrap_or(&Pool::District);
                self.grant(it, pool, &mut steps, &mut outcome);
                if wants_holders {
                    outcome.holders.push(it.user.id.clone());
                }
            }
        }
        for user in &self.left {
            outcome.waiting.push(((*user).clone(), None));
            steps.left.push(self.change(user, SeatAction::WaitingEnded));
        }
        outcome.changes = steps.in_order();
        outcome
    }

    fn release(&self, seat: &Seat, reason: ReleaseReason) -> SeatChange {
        let action = SeatAction::Released { pool: seat.pool.clone(), since: seat.since, reason };
        self.change(&seat.user, action)
    }

    fn keep_seat(&self, keeper: &Keeper<'a>, pool: &Pool, steps: &mut Steps, outcome: &mut Outcome) {
        let old = keeper.seat;
        let passes = *keeper.account != old.user;
        if passes {
            let account = keeper.account.clone();
            let action = SeatAction::Passed { account, from: old.pool.clone(), to: pool.clone() };
            steps.moved.push(self.change(&old.user, action));
            outcome.seats.push((old.user.clone(), None));
        } else if *pool != old.pool {
            let action = SeatAction::Moved { from: old.pool.clone(), to: pool.clone() };
            steps.moved.push(self.change(&old.user, action));
        }
        match (&old.leaving, &keeper.leaving) {
            (None, Some(leaving)) => {
                steps.marked.push(self.change(keeper.account, SeatAction::Leaving { since: leaving.since }));
            }
            (Some(_), None) => steps.marked.push(self.change(keeper.account, SeatAction::Stayed)),
            _ => {}
        }
        let state = self.state_of(keeper.bridged, keeper.leaving.is_some());
        if !keeper.as_it_was || *pool != old.pool {
            let user = keeper.account.clone();
            let leaving = keeper.leaving.clone();
            let seat =
                Seat { user: user.clone(), pool: pool.clone(), leaving, bridged: keeper.bridged, state, ..old.clone() };
            outcome.seats.push((user, Some(seat)));
        }
    }

    /// What a seat is today.
    pub(super) fn state_of(&self, bridged: bool, leaving: bool) -> SeatState {
        state_of(self.capacity.coverage, bridged, leaving)
    }

    fn grant(&self, it: &Candidate<'a>, pool: &Pool, steps: &mut Steps, outcome: &mut Outcome) {
        let user = &it.user.id;
        let action = match it.carried {
            Some(old) => SeatAction::Carried { pool: pool.clone(), renews: old.clone() },
            None => SeatAction::Granted { pool: pool.clone() },
        };
        steps.granted.push(self.change(user, action));
        let seat = Seat {
            product: self.product.code.clone(),
            user: user.clone(),
            pool: pool.clone(),
            since: self.input.as_of,
            claimed_at: None,
            last_used_at: None,
            leaving: None,
            bridged: false,
            state: SeatState::Active,
        };
        outcome.seats.push((user.clone(), Some(seat)));
        if it.place.is_some() {
            outcome.waiting.push((user.clone(), None));
            steps.left.push(self.change(user, SeatAction::WaitingEnded));
        }
    }

    fn wait(&self, it: &Candidate<'a>, position: u32, steps: &mut Steps, outcome: &mut Outcome) {
        let short_of = self.sorts.first(it.sort).and_then(|pool| self.sorts.pool(pool)).unwrap_or(&Pool::District);
        let user = &it.user.id;
        if it.place.is_none() {
            steps.joined.push(self.change(user, SeatAction::Waiting { short_of: short_of.clone() }));
        }
        if it.position != Some(position) {
            let place = Waiting {
                product: self.product.code.clone(),
                user: user.clone(),
                since: it.since,
                position,
                short_of: short_of.clone(),
            };
            outcome.waiting.push((user.clone(), Some(place)));
        }
    }

    fn change(&self, user: &SourceId, action: SeatAction) -> SeatChange {
        SeatChange { product: self.product.code.clone(), user: user.clone(), action }
    }
}
