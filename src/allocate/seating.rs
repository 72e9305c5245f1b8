//! Where everyone is seated once it is known who stays and who stands in line (licensing.md, One allocation, 3 to 9).

use std::collections::BTreeMap;

use crate::model::{Spell, Timestamp};

use super::capacity::Coverage;
use super::index::Index;
use super::order::{Equal, Tier};
use super::over::Excess;
use super::pools::Placement;
use super::product::{Candidate, Desk, Keeper};

/// Where everyone is after placement.
#[derive(Debug)]
pub(super) struct Seating {
    /// Kept seats, then candidates; none if nobody is placed, since no subscription gives access.
    placement: Option<Placement>,
    /// Positions in line of candidates; 0 for who has a seat.
    pub(super) positions: Vec<u32>,
    /// How many candidates have one.
    pub(super) in_line: u32,
    /// The spell over the total it leaves.
    pub(super) spell: Option<Spell>,
    /// Whether seats were taken back, so that not everyone stands in order of user.
    pub(super) reclaimed: bool,
}

impl Desk<'_, '_> {
    /// Steps 3 to 9.
    pub(super) fn place(&mut self) -> Seating {
        // Users were read in order; only the accounts of persons come late, and who is taken back is not in line yet.
        if !self.joined.is_empty() {
            self.kept.sort_by(|one, other| one.account.cmp(other.account));
        }
        let covered = self.capacity.coverage == Coverage::Covered;
        let mut excess = if covered { self.reclaim() } else { Excess::default() };
        if !self.joined.is_empty() || excess.reclaimed {
            self.candidates.sort_by(|one, other| one.user.id.cmp(&other.user.id));
        }
        let nobody = self.sorts.of_nobody();
        let mut placement = covered.then(|| self.keep(&mut excess));
        let mut positions: Vec<u32> = vec![0; self.candidates.len()];
        let mut last = 0_u32;
        for mut equals in self.line(covered, nobody) {
            if let Some(placement) = &mut placement
                && self.seat_without_contest(placement, &equals, nobody)
            {
                equals.retain(|it| it.sort() == nobody);
            }
            self.order.shuffle(&mut equals, |index| self.candidates.get(index).map_or("", |it| it.id));
            for it in equals {
                let seated =
                    placement.as_mut().is_some_and(|all| all.seat(self.kept.len() + it.candidate(), it.sort()));
                if !seated && let Some(position) = positions.get_mut(it.candidate()) {
                    last = last.saturating_add(1);
                    *position = last;
                }
            }
        }
        let spell = placement.as_ref().and_then(|it| excess.spell(it.in_use()));
        Seating { placement, positions, in_line: last, spell, reclaimed: excess.reclaimed }
    }

    /// Who is to be seated, in the published order before the shuffle.
    fn line(&self, covered: bool, nobody: usize) -> impl Iterator<Item = Vec<Equal>> + use<> {
        let mut line: BTreeMap<Tier, Vec<Equal>> = BTreeMap::new();
        for (index, it) in self.candidates.iter().enumerate() {
            if !(covered && it.carried.is_some()) {
                let sort = if it.held { nobody } else { it.sort.get() };
                line.entry(it.tier).or_default().push(Equal::new(index, sort));
            }
        }
        line.into_values()
    }

    /// Seats equals where the first pool of each has room for all, so that nobody needs to be shuffled. False if not.
    fn seat_without_contest(&self, placement: &mut Placement, equals: &[Equal], nobody: usize) -> bool {
        let free = || equals.iter().filter(|it| it.sort() != nobody);
        let fits = placement.fits(free().map(|it| it.sort()));
        if fits {
            for it in free() {
                placement.seat(self.kept.len() + it.candidate(), it.sort());
            }
        }
        fits
    }

    /// Step 3: kept seats start in their pool, by `since`, then id; then those without room look for some, then those
    /// carried over. The rest, and bridged seats, which take no room, stay where they are.
    fn keep(&self, excess: &mut Excess) -> Placement {
        let people = self.kept.len() + self.candidates.len();
        let mut placement = Placement::new(self.sorts.slots(excess.overage), self.sorts.choices(), people);
        let mut restless = Vec::new();
        let mut turn: Vec<(Timestamp, usize)> = Vec::new();
        if !self.kept.is_sorted_by_key(|it| it.since) {
            turn.extend(self.kept.iter().map(|it| it.since).zip(0..));
            turn.sort_by_key(|(since, _)| *since);
        }
        for place in 0..self.kept.len() {
            let index = turn.get(place).map_or(place, |(_, index)| *index);
            let Some(keeper) = self.kept.get(index).filter(|it| !it.bridged) else { continue };
            let (sort, home) = (keeper.sort.get(), keeper.home.map(Index::get));
            if !home.is_some_and(|pool| placement.stay(index, sort, pool)) {
                restless.push((index, sort, home.or_else(|| self.sorts.first(sort))));
            }
        }
        let carried = self.candidates.iter().enumerate().filter(|(_, it)| it.carried.is_some());
        restless.extend(carried.map(|(index, it)| {
            let sort = it.sort.get();
            (self.kept.len() + index, sort, self.sorts.first(sort))
        }));
        let used = self.seat_restless(&mut placement, &restless);
        let open = excess.overage;
        *excess = std::mem::take(excess).settled(used);
        let more = excess.overage - open;
        placement.widen(more);
        let used = if more == 0 { used } else { self.seat_restless(&mut placement, &restless) };
        placement.limit(excess.limit, used);
        placement
    }

    /// Looks for room for those without, each with the pool they are counted in else; how many seats of the total are then in
    /// use, placed or not.
    fn seat_restless(&self, placement: &mut Placement, restless: &[(usize, usize, Option<usize>)]) -> usize {
        let mut stranded = 0;
        for (index, sort, pool) in restless {
            let placed = placement.place(*index).is_some() || placement.seat(*index, *sort);
            stranded += usize::from(!placed && pool.is_none_or(|pool| self.sorts.counted(pool)));
        }
        placement.in_use() + stranded
    }

    /// The pool a kept seat is in from now on; none if nothing is placed.
    pub(super) fn pool_of_kept(&self, seating: &Seating, index: usize, it: &Keeper<'_>) -> Option<usize> {
        let placed = seating.placement.as_ref()?.place(index);
        placed.or(it.home.map(Index::get)).or_else(|| self.sorts.first(it.sort.get()))
    }

    /// The pool a new seat is drawn from.
    pub(super) fn pool_of_new(&self, seating: &Seating, index: usize, it: &Candidate<'_>) -> Option<usize> {
        let placed = seating.placement.as_ref()?.place(self.kept.len() + index);
        placed.or_else(|| it.carried.and(self.sorts.first(it.sort.get())))
    }
}
