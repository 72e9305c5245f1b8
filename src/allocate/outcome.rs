//! What one allocation of a product comes to: the changes, and the rows that are not as they were.

use crate::model::{Pool, Seat, SeatState, SourceId, Waiting};

use super::capacity::Coverage;
use super::index::Index;
use super::product::{Candidate, Desk, Keeper, Sheets};
use super::seating::Seating;
use super::{Allocation, SeatAction, SeatChange};

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

/// A seat that stays and is not as it was, with the pool it is in from now on.
struct Altered<'a, 'b> {
    keeper: &'b Keeper<'a>,
    pool: &'b Pool,
}

impl<'a> Desk<'a, '_> {
    /// Adds to `all` what it comes to, everyone being seated: changes in the order in which they are applied, step by step,
    /// each by user. Gives back the sheets, and who has a seat if `wants_holders`.
    pub(super) fn outcome(
        self,
        seating: &Seating,
        wants_holders: bool,
        all: &mut Allocation,
        sheets: &mut Sheets<'a>,
    ) -> Vec<SourceId> {
        let (seats_before, waiting_before) = (all.seats.len(), all.waiting.len());
        let in_order = self.joined.is_empty() && !seating.reclaimed;
        let mut step = all.changes.len();
        let mut next = |changes: &mut Vec<SeatChange>, in_order: bool| {
            if !in_order && let Some(own) = changes.get_mut(step..) {
                own.sort_by(|one, other| one.user.cmp(&other.user));
            }
            step = changes.len();
        };
        self.release(all);
        next(&mut all.changes, in_order);
        let altered = self.altered(seating);
        self.move_seats(&altered, all);
        next(&mut all.changes, in_order);
        self.grant(seating, all);
        next(&mut all.changes, in_order);
        self.mark(&altered, all);
        next(&mut all.changes, in_order);
        self.wait(seating, all);
        next(&mut all.changes, in_order);
        self.leave(seating, all);
        next(&mut all.changes, false);
        all.seats.sort_from(seats_before);
        all.waiting.sort_from(waiting_before);
        all.bridged += count(self.kept.iter().filter(|it| it.bridged).count());
        all.in_line += u64::from(seating.in_line);
        let code = &self.product.code;
        all.remembered.over.extend(seating.spell.map(|spell| (code.clone(), spell)));
        let holders = if wants_holders { self.holders(seating) } else { Vec::new() };
        all.remembered.grace.extend(self.capacity.grace);
        *sheets = Sheets { kept: self.kept, candidates: self.candidates };
        holders
    }

    fn holders(&self, seating: &Seating) -> Vec<SourceId> {
        let new = self.candidates.iter().zip(&seating.positions).filter(|(_, position)| **position == 0);
        let new = new.map(|(it, _)| &it.user.id);
        self.kept.iter().map(|it| it.account).chain(new).cloned().collect()
    }

    fn release(&self, all: &mut Allocation) {
        for (seat, reason) in &self.released {
            let action = SeatAction::Released { pool: seat.pool.clone(), since: seat.since, reason: *reason };
            all.changes.push(self.change(&seat.user, action));
            all.seats.push_gone(&self.product.code, &seat.user);
        }
    }

    /// Most seats are as they were; of those nothing is looked at again.
    fn altered<'b>(&'b self, seating: &Seating) -> Vec<Altered<'a, 'b>> {
        let mut altered = Vec::new();
        for (index, keeper) in self.kept.iter().enumerate() {
            let pool = self.pool_of_kept(seating, index, keeper);
            if !(keeper.as_it_was && (pool.is_none() || pool == keeper.home.map(Index::get))) {
                let pool = pool.and_then(|pool| self.sorts.pool(pool)).unwrap_or(&keeper.seat.pool);
                altered.push(Altered { keeper, pool });
            }
        }
        altered
    }

    fn move_seats(&self, altered: &[Altered<'a, '_>], all: &mut Allocation) {
        for Altered { keeper, pool } in altered {
            let old = keeper.seat;
            let (from, to) = (old.pool.clone(), (*pool).clone());
            let moves = *pool != &old.pool;
            if *keeper.account != old.user {
                let account = keeper.account.clone();
                all.changes.push(self.change(&old.user, SeatAction::Passed { account, from, to }));
                all.seats.push_gone(&self.product.code, &old.user);
            } else if moves {
                all.changes.push(self.change(&old.user, SeatAction::Moved { from, to }));
            }
            if !keeper.as_it_was || moves {
                all.seats.push(Seat {
                    user: keeper.account.clone(),
                    pool: (*pool).clone(),
                    leaving: keeper.leaving.as_deref().cloned(),
                    bridged: keeper.bridged,
                    state: self.state_of(keeper.bridged, keeper.leaving.is_some()),
                    ..old.clone()
                });
            }
        }
    }

    fn mark(&self, altered: &[Altered<'a, '_>], all: &mut Allocation) {
        for Altered { keeper, .. } in altered {
            let action = match (&keeper.seat.leaving, &keeper.leaving) {
                (None, Some(leaving)) => SeatAction::Leaving { since: leaving.since },
                (Some(_), None) => SeatAction::Stayed,
                _ => continue,
            };
            all.changes.push(self.change(keeper.account, action));
        }
    }

    /// What a seat is today.
    pub(super) fn state_of(&self, bridged: bool, leaving: bool) -> SeatState {
        state_of(self.capacity.coverage, bridged, leaving)
    }

    /// Candidates with their positions in line.
    fn positioned<'b>(&'b self, seating: &'b Seating) -> impl Iterator<Item = (usize, &'b Candidate<'a>, u32)> {
        self.candidates.iter().zip(&seating.positions).enumerate().map(|(index, (it, position))| (index, it, *position))
    }

    /// Candidates who have a seat now.
    fn seated<'b>(&'b self, seating: &'b Seating) -> impl Iterator<Item = (usize, &'b Candidate<'a>)> {
        let all_wait = count(self.candidates.len()) == u64::from(seating.in_line);
        let candidates = (!all_wait).then(|| self.positioned(seating)).into_iter().flatten();
        candidates.filter(|(.., position)| *position == 0).map(|(index, it, _)| (index, it))
    }

    fn grant(&self, seating: &Seating, all: &mut Allocation) {
        // On a first load these are millions, which had better not move while they grow.
        let granted = self.candidates.len().saturating_sub(usize::try_from(seating.in_line).unwrap_or_default());
        all.changes.reserve(granted);
        all.seats.reserve(granted);
        for (index, it) in self.seated(seating) {
            let pool = self.pool_of_new(seating, index, it).and_then(|pool| self.sorts.pool(pool));
            let pool = pool.unwrap_or(&Pool::District);
            let user = &it.user.id;
            let action = match it.carried {
                Some(old) => SeatAction::Carried { pool: pool.clone(), renews: old.clone() },
                None => SeatAction::Granted { pool: pool.clone() },
            };
            all.changes.push(self.change(user, action));
            all.seats.push(Seat {
                product: self.product.code.clone(),
                user: user.clone(),
                pool: pool.clone(),
                since: self.input.as_of,
                claimed_at: None,
                last_used_at: None,
                leaving: None,
                bridged: false,
                state: SeatState::Active,
            });
            if it.place.is_some() {
                all.waiting.push_gone(&self.product.code, user);
            }
        }
    }

    fn wait(&self, seating: &Seating, all: &mut Allocation) {
        let (mut new, mut moved) = (0, 0);
        for (_, it, position) in self.positioned(seating).filter(|(.., position)| *position > 0) {
            new += usize::from(it.place.is_none());
            moved += usize::from(it.position != Some(position));
        }
        all.changes.reserve(new);
        all.waiting.reserve(moved);
        for (_, it, position) in self.positioned(seating).filter(|(.., position)| *position > 0) {
            let short_of =
                self.sorts.first(it.sort.get()).and_then(|pool| self.sorts.pool(pool)).unwrap_or(&Pool::District);
            let user = &it.user.id;
            if it.place.is_none() {
                all.changes.push(self.change(user, SeatAction::Waiting { short_of: short_of.clone() }));
            }
            if it.position != Some(position) {
                all.waiting.push(Waiting {
                    product: self.product.code.clone(),
                    user: user.clone(),
                    since: it.tier.2,
                    position,
                    short_of: short_of.clone(),
                });
            }
        }
    }

    /// Ends places in line, with a seat or without.
    fn leave(&self, seating: &Seating, all: &mut Allocation) {
        let seated = self.seated(seating).filter(|(_, it)| it.place.is_some());
        for user in seated.map(|(_, it)| &it.user.id).chain(self.left.iter().copied()) {
            all.changes.push(self.change(user, SeatAction::WaitingEnded));
        }
        for user in &self.left {
            all.waiting.push_gone(&self.product.code, user);
        }
    }

    fn change(&self, user: &SourceId, action: SeatAction) -> SeatChange {
        SeatChange { product: self.product.code.clone(), user: user.clone(), action }
    }
}

fn count(it: usize) -> u64 {
    u64::try_from(it).unwrap_or(u64::MAX)
}
