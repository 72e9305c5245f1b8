//! One allocation: all steps for one product.

use std::collections::BTreeSet;
use std::iter::Peekable;

use crate::model::{
    Ended, Leaving, Pool, Product, ReleaseReason, Roster, Seat, SeatState, Seats, SourceId, Timestamp, User, Waiting,
};

use super::capacity::{self, Capacity, Coverage, range};
use super::demand::{Demand, Rule, Subject, View};
use super::district::District;
use super::order::{Claim, Order, Rank};
use super::pools::Placement;
use super::release::{Fate, Seen, fate};
use super::sorts::Sorts;
use super::{Input, SeatAction, SeatChange};

/// The outcome for one product, seats and places by user.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) changes: Vec<SeatChange>,
    pub(super) seats: Vec<Seat>,
    pub(super) waiting: Vec<Waiting>,
}

/// A seat that stays.
struct Keeper<'a> {
    seat: &'a Seat,
    leaving: Option<Leaving>,
    bridged: bool,
    sort: usize,
}

/// Someone in demand without a seat.
struct Candidate<'a> {
    user: &'a User,
    since: Timestamp,
    pinned: bool,
    ended: Option<Ended>,
    held: bool,
    sort: usize,
}

/// One product of one district on its way through the steps.
struct Desk<'a, 'b> {
    input: Input<'a>,
    district: &'b District<'a>,
    product: &'a Product,
    /// Users who have a bundle that contains the product.
    bundled: &'b BTreeSet<SourceId>,
    /// Users whose seat the whole plan would end.
    bridged: BTreeSet<&'a SourceId>,
    rule: Rule<'a, 'b>,
    capacity: Capacity<'a>,
    sorts: Sorts,
    released: Vec<(&'a Seat, ReleaseReason)>,
    kept: Vec<Keeper<'a>>,
    candidates: Vec<Candidate<'a>>,
    waited: Vec<&'a SourceId>,
}

/// Allocates `product`.
pub(super) fn allocate<'a>(
    input: Input<'a>,
    district: &District<'a>,
    product: &'a Product,
    bundled: &BTreeSet<SourceId>,
) -> Outcome {
    let capacity = capacity::of(input, &product.code);
    let first = (product.code.clone(), SourceId::new(""));
    let bridged = input.bridged.range(first..).take_while(|(code, _)| *code == product.code);
    let mut desk = Desk {
        input,
        district,
        product,
        bundled,
        bridged: bridged.map(|(_, user)| user).collect(),
        rule: Rule::new(input, district, product),
        sorts: Sorts::new(&capacity),
        capacity,
        released: Vec::new(),
        kept: Vec::new(),
        candidates: Vec::new(),
        waited: Vec::new(),
    };
    desk.sort_people();
    desk.place()
}

/// The entry of `user`, which every earlier one has left behind in `skipped`.
fn advance<'a, T>(
    entries: &mut Peekable<impl Iterator<Item = (&'a SourceId, &'a T)>>,
    user: &SourceId,
    mut skipped: impl FnMut(&'a T),
) -> Option<&'a T> {
    while let Some((_, it)) = entries.next_if(|(id, _)| *id < user) {
        skipped(it);
    }
    entries.next_if(|(id, _)| *id == user).map(|(_, it)| it)
}

impl<'a> Desk<'a, '_> {
    /// Steps 1 and 2: reads users, enrollments, seats and places side by side, all in order of user.
    fn sort_people(&mut self) {
        let input = self.input;
        let code = &self.product.code;
        let roster: &'a Roster = input.roster;
        let mut seats = range(input.seats, code).peekable();
        let mut waiting = range(input.waiting, code).peekable();
        let mut ended = range(input.ended, code).peekable();
        self.waited = range(input.waiting, code).map(|(user, _)| user).collect();
        let district = self.district;
        let mut orphans = Vec::new();
        for (index, (id, user)) in roster.users.iter().enumerate() {
            let seat = advance(&mut seats, id, |orphan| orphans.push(orphan));
            let place = advance(&mut waiting, id, |_| ());
            let last = advance(&mut ended, id, |_| ());
            let enrollments = district.enrollments(index);
            let subject = Subject { user, enrollments, view: View::Present };
            let demand = self.demand(subject);
            match seat {
                Some(seat) => self.judge(seat, Some(user), demand),
                None => self.line_up(user, demand, place, last.cloned()),
            }
        }
        orphans.extend(seats.map(|(_, seat)| seat));
        for seat in orphans {
            self.judge(seat, None, Demand::None(ReleaseReason::Tombstone));
        }
    }

    fn demand(&self, subject: Subject<'a, '_>) -> Demand {
        match self.rule.demand(subject) {
            wanted if wanted.keeps() && self.bundled.contains(&subject.user.id) => Demand::None(ReleaseReason::Bundled),
            demand => demand,
        }
    }

    /// Decides on a seat; `user` is its user in the roster.
    fn judge(&mut self, seat: &'a Seat, user: Option<&'a User>, present: Demand) {
        let put_back = match present {
            Demand::None(ReleaseReason::Bundled) => present,
            Demand::None(_) => self.put_back(&seat.user),
            _ => present,
        };
        let seen = Seen { present, put_back };
        let leaving = match fate(self.input, self.product, self.capacity.coverage, seat, seen) {
            Fate::Released(reason) => {
                self.released.push((seat, reason));
                // Without a subscription seats end although their users want them; so they wait, as returning.
                if reason == ReleaseReason::Expired
                    && let Some(user) = user
                {
                    let ended = Some(Ended { at: self.input.as_of, reason });
                    self.line_up(user, present, None, ended);
                }
                return;
            }
            Fate::Leaving(leaving) => Some(leaving),
            Fate::Kept if present.keeps() => None,
            // The release itself is held: nothing about the seat changes.
            Fate::Kept => seat.leaving.clone(),
        };
        let bridged = self.bridged.contains(&seat.user);
        let departed = || self.district.user(&seat.user).map(|(user, _)| user);
        let sort = match user.or_else(departed) {
            Some(user) => self.sorts.of_user(user),
            None => self.sorts.of_pool(&seat.pool),
        };
        self.kept.push(Keeper { seat, leaving, bridged, sort });
    }

    /// Demand with what is merely absent put back. Where that changes nothing, it says why demand ended.
    fn put_back(&self, id: &SourceId) -> Demand {
        let Some((user, _)) = self.district.user(id) else {
            return Demand::None(ReleaseReason::Tombstone);
        };
        let enrollments = self.district.enrollments_put_back(id);
        self.demand(Subject { user, enrollments: &enrollments, view: View::PutBack })
    }

    fn line_up(&mut self, user: &'a User, demand: Demand, place: Option<&'a Waiting>, ended: Option<Ended>) {
        if self.capacity.coverage == Coverage::NotActivated || !demand.waits(place.is_some()) {
            return;
        }
        self.candidates.push(Candidate {
            user,
            since: place.map_or(self.input.as_of, |place| place.since),
            pinned: demand == Demand::Pinned,
            ended,
            held: self.input.held_users.contains(&user.id),
            sort: self.sorts.of_user(user),
        });
    }

    /// Step 4: the candidates in the published order, by index; they themselves stand by user.
    fn in_order(&self) -> Vec<usize> {
        let order = Order::new(&self.input.state.id, self.district, self.product, self.input.as_of);
        let rank = |it: &Candidate<'a>| {
            let (user, pinned, ended, since) = (it.user, it.pinned, it.ended.as_ref(), it.since);
            order.rank(Claim { user, pinned, ended, since })
        };
        let mut ranked: Vec<(Rank, usize)> =
            self.candidates.iter().enumerate().map(|(index, it)| (rank(it), index)).collect();
        ranked.sort_unstable();
        ranked.into_iter().map(|(_, index)| index).collect()
    }

    /// Steps 3 to 8.
    fn place(mut self) -> Outcome {
        self.candidates.sort_by(|one, other| one.user.id.cmp(&other.user.id));
        let covered = self.capacity.coverage == Coverage::Covered;
        let mut placement = Placement::new(self.sorts.slots(), self.sorts.choices());
        let pools = if covered { self.keep(&mut placement) } else { vec![None; self.kept.len()] };
        let mut positions = vec![None; self.candidates.len()];
        let mut next: u32 = 1;
        for index in self.in_order() {
            let Some(it) = self.candidates.get(index) else { continue };
            if covered && !it.held && placement.seat(self.kept.len() + index, it.sort) {
                continue;
            }
            if let Some(position) = positions.get_mut(index) {
                *position = Some(next);
                next = next.saturating_add(1);
            }
        }
        let kept = pools.iter().enumerate().map(|(index, home)| placement.place(index).or(*home));
        let new = (0..self.candidates.len()).map(|index| placement.place(self.kept.len() + index));
        let pools: Vec<Option<usize>> = kept.chain(new).collect();
        self.outcome(&pools, &positions)
    }

    /// Step 3: kept seats start in their pool, by `since`, then id; then those without room look for some. Gives, for the
    /// rest and for bridged seats, which take no room, the pool they stay in.
    fn keep(&self, placement: &mut Placement) -> Vec<Option<usize>> {
        let mut turn: Vec<usize> = (0..self.kept.len()).collect();
        turn.sort_by_key(|index| self.kept.get(*index).map(|it| (it.seat.since, &it.seat.user)));
        let mut homes: Vec<Option<usize>> =
            self.kept.iter().map(|it| self.sorts.home(it.sort, &it.seat.pool)).collect();
        let mut restless = Vec::new();
        for index in turn {
            let Some(keeper) = self.kept.get(index).filter(|it| !it.bridged) else { continue };
            let home = homes.get(index).copied().flatten();
            let stays = home.is_some_and(|pool| placement.stay(index, keeper.sort, pool));
            if !stays {
                restless.push((index, keeper.sort));
            }
        }
        for (index, sort) in restless {
            placement.seat(index, sort);
        }
        for (home, keeper) in homes.iter_mut().zip(&self.kept) {
            *home = home.or_else(|| self.sorts.first(keeper.sort));
        }
        let taken = self.kept.iter().enumerate().filter(|(index, keeper)| {
            let unplaced = || homes.get(*index).copied().flatten();
            let pool = placement.place(*index).or_else(unplaced);
            !keeper.bridged && pool.is_none_or(|pool| self.sorts.counted(pool))
        });
        let taken = taken.count();
        let limit = match self.capacity.total {
            Seats::Unlimited => None,
            Seats::Count(total) => usize::try_from(u64::from(total).saturating_add(self.capacity.overage)).ok(),
        };
        placement.limit(limit, taken);
        homes
    }

    /// What it comes to. `pools` are those of kept seats, then of candidates; who has a position in line has no seat.
    fn outcome(self, pools: &[Option<usize>], positions: &[Option<u32>]) -> Outcome {
        let (pools, places) = pools.split_at(self.kept.len());
        let suspended = self.capacity.coverage != Coverage::Covered;
        let mut seats = Vec::with_capacity(self.kept.len() + places.len());
        let mut moves = Vec::new();
        let mut marks = Vec::new();
        for (keeper, pool) in self.kept.iter().zip(pools) {
            let old = keeper.seat;
            let pool = pool.and_then(|pool| self.sorts.pool(pool)).unwrap_or(&old.pool).clone();
            if pool != old.pool {
                let action = SeatAction::Moved { from: old.pool.clone(), to: pool.clone() };
                moves.push(self.change(&old.user, action));
            }
            match (&old.leaving, &keeper.leaving) {
                (None, Some(leaving)) => {
                    marks.push(self.change(&old.user, SeatAction::Leaving { since: leaving.since }));
                }
                (Some(_), None) => marks.push(self.change(&old.user, SeatAction::Stayed)),
                _ => {}
            }
            let state = if suspended {
                SeatState::Suspended
            } else if keeper.bridged {
                SeatState::Bridged
            } else if keeper.leaving.is_some() {
                SeatState::Leaving
            } else {
                SeatState::Active
            };
            let leaving = keeper.leaving.clone();
            seats.push(Seat { pool, leaving, bridged: keeper.bridged, state, ..old.clone() });
        }
        let mut grants = Vec::new();
        let mut waiting = Vec::new();
        for ((it, position), place) in self.candidates.iter().zip(positions).zip(places) {
            if let Some(position) = *position {
                let short_of = self.sorts.first(it.sort).and_then(|pool| self.sorts.pool(pool));
                waiting.push(Waiting {
                    product: self.product.code.clone(),
                    user: it.user.id.clone(),
                    since: it.since,
                    position,
                    short_of: short_of.unwrap_or(&Pool::District).clone(),
                });
            } else {
                let pool = place.and_then(|pool| self.sorts.pool(pool)).unwrap_or(&Pool::District);
                grants.push(self.change(&it.user.id, SeatAction::Granted { pool: pool.clone() }));
                seats.push(self.new_seat(&it.user.id, pool));
            }
        }
        seats.sort_by(|one, other| one.user.cmp(&other.user));
        let released = self.released.iter().map(|(seat, reason)| {
            let (pool, since) = (seat.pool.clone(), seat.since);
            self.change(&seat.user, SeatAction::Released { pool, since, reason: *reason })
        });
        let mut changes: Vec<SeatChange> = Vec::new();
        for mut step in [released.collect(), moves, grants, marks] {
            step.sort_by(|one, other| one.user.cmp(&other.user));
            changes.append(&mut step);
        }
        changes.extend(self.line(&waiting));
        Outcome { changes, seats, waiting }
    }

    /// Who joins the line, then who leaves it; both lines stand by user.
    fn line(&self, waiting: &[Waiting]) -> Vec<SeatChange> {
        let joined = waiting.iter().filter(|it| self.waited.binary_search(&&it.user).is_err());
        let joined = joined.map(|it| self.change(&it.user, SeatAction::Waiting { short_of: it.short_of.clone() }));
        let gone = |user: &&&SourceId| waiting.binary_search_by(|it| it.user.cmp(user)).is_err();
        let left = self.waited.iter().filter(gone);
        joined.chain(left.map(|user| self.change(user, SeatAction::WaitingEnded))).collect()
    }

    fn change(&self, user: &SourceId, action: SeatAction) -> SeatChange {
        SeatChange { product: self.product.code.clone(), user: user.clone(), action }
    }

    fn new_seat(&self, user: &SourceId, pool: &Pool) -> Seat {
        Seat {
            product: self.product.code.clone(),
            user: user.clone(),
            pool: pool.clone(),
            since: self.input.as_of,
            claimed_at: None,
            last_used_at: None,
            leaving: None,
            bridged: false,
            state: SeatState::Active,
        }
    }
}
