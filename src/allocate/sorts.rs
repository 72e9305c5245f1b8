//! Users sorted by the pools they may draw from: who may draw from the same pools is alike for placement.

use std::collections::BTreeMap;

use crate::model::{Pool, Seats, Shared, SourceId};

use super::capacity::{Capacity, Room};
use super::pools::{Choice, Slot};

/// Users by the pools they may draw from.
#[derive(Debug)]
pub(super) struct Sorts {
    slots: Vec<Slot>,
    pools: Vec<Pool>,
    by_pool: BTreeMap<Pool, usize>,
    /// Schools' pools by where the id is kept.
    known_pools: Shared,
    /// The sort of each of the district's circles, as far as it was asked for.
    by_circle: Vec<Option<usize>>,
    choices: Vec<Choice>,
    known: BTreeMap<Choice, usize>,
}

impl Sorts {
    /// The pools of `capacity`.
    pub(super) fn new(capacity: &Capacity<'_>) -> Self {
        let slot = |room: &Room| {
            let seats = match room.seats {
                Seats::Count(seats) => usize::try_from(seats).ok(),
                Seats::Unlimited => None,
            };
            Slot { seats, counted: room.counted }
        };
        let pools: Vec<Pool> = capacity.rooms.iter().map(|room| room.pool.clone()).collect();
        Self {
            slots: capacity.rooms.iter().map(slot).collect(),
            by_pool: pools.iter().cloned().zip(0..).collect(),
            known_pools: Shared::default(),
            pools,
            by_circle: Vec::new(),
            choices: Vec::new(),
            known: BTreeMap::new(),
        }
    }

    /// The pools for a placement; `overage` is seats of the district's.
    pub(super) fn slots(&self, overage: usize) -> Vec<Slot> {
        let mut slots = self.slots.clone();
        if let Some(Slot { seats: Some(rest), .. }) = slots.last_mut() {
            *rest = rest.saturating_add(overage);
        }
        slots
    }

    /// Who has these schools, primary first: their allotments, then the district's rest.
    pub(super) fn of_schools(&mut self, schools: &[&SourceId]) -> usize {
        let district = self.pools.len().saturating_sub(1);
        let mut choice = Choice::new();
        if district > 0 {
            let pools = schools.iter().filter_map(|id| self.by_pool.get(&Pool::School((*id).clone())));
            choice.extend(pools.copied());
        }
        choice.push(district);
        self.number(choice)
    }

    /// The same for one of the district's circles, which is asked for again and again.
    pub(super) fn of_circle(&mut self, circle: usize, schools: &[&SourceId]) -> usize {
        if let Some(Some(known)) = self.by_circle.get(circle) {
            return *known;
        }
        let sort = self.of_schools(schools);
        if self.by_circle.len() <= circle {
            self.by_circle.resize(circle + 1, None);
        }
        if let Some(known) = self.by_circle.get_mut(circle) {
            *known = Some(sort);
        }
        sort
    }

    /// Who may draw from no pool: a held change keeps them from it.
    pub(super) fn of_nobody(&mut self) -> usize {
        self.number(Choice::new())
    }

    /// Someone of whom nothing is known but their pool.
    pub(super) fn of_pool(&mut self, pool: &Pool) -> usize {
        let district = self.pools.len().saturating_sub(1);
        let index = self.by_pool.get(pool).copied().unwrap_or(district);
        self.number(vec![index])
    }

    /// The sorts met so far.
    pub(super) fn choices(&self) -> Vec<Choice> {
        self.choices.clone()
    }

    fn number(&mut self, choice: Choice) -> usize {
        if let Some(number) = self.known.get(&choice) {
            return *number;
        }
        let number = self.choices.len();
        self.known.insert(choice.clone(), number);
        self.choices.push(choice);
        number
    }

    /// The pool a seat is in, if its user may still draw from it.
    pub(super) fn home(&mut self, sort: usize, pool: &Pool) -> Option<usize> {
        let index = match pool {
            Pool::School(id) => self.known_pools.number(id, || self.by_pool.get(pool).copied())?,
            Pool::District => self.pools.len().checked_sub(1)?,
        };
        self.choices.get(sort)?.contains(&index).then_some(index)
    }

    /// The first pool of a sort.
    pub(super) fn first(&self, sort: usize) -> Option<usize> {
        self.choices.get(sort)?.first().copied()
    }

    /// A pool by its index.
    pub(super) fn pool(&self, index: usize) -> Option<&Pool> {
        self.pools.get(index)
    }

    /// Whether some pool of a sort is a site license's.
    pub(super) fn has_site(&self, sort: usize) -> bool {
        self.choices.get(sort).is_some_and(|choice| choice.iter().any(|pool| !self.counted(*pool)))
    }

    /// Whether a pool counts in the total.
    pub(super) fn counted(&self, pool: usize) -> bool {
        self.slots.get(pool).is_none_or(|slot| slot.counted)
    }
}
