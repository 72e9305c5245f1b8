//! Users sorted by the pools they may draw from: who may draw from the same pools is alike for placement.

use std::collections::BTreeMap;

use crate::model::{Pool, Seats, SourceId, User};

use super::capacity::{Capacity, Room};
use super::district::schools_of;
use super::pools::{Choice, Slot};

/// Users by the pools they may draw from.
#[derive(Debug)]
pub(super) struct Sorts {
    slots: Vec<Slot>,
    pools: Vec<Pool>,
    by_pool: BTreeMap<Pool, usize>,
    /// Sorts of users of one school only, which most are.
    by_school: BTreeMap<SourceId, usize>,
    choices: Vec<Choice>,
    known: BTreeMap<Choice, usize>,
}

impl Sorts {
    /// The pools of `capacity`; overage is seats of the district's.
    pub(super) fn new(capacity: &Capacity<'_>) -> Self {
        let slot = |room: &Room| {
            let overage = if room.pool == Pool::District { capacity.overage } else { 0 };
            let seats = match room.seats {
                Seats::Count(seats) => usize::try_from(u64::from(seats) + overage).ok(),
                Seats::Unlimited => None,
            };
            Slot { seats, counted: room.counted }
        };
        let pools: Vec<Pool> = capacity.rooms.iter().map(|room| room.pool.clone()).collect();
        Self {
            slots: capacity.rooms.iter().map(slot).collect(),
            by_pool: pools.iter().cloned().zip(0..).collect(),
            pools,
            by_school: BTreeMap::new(),
            choices: Vec::new(),
            known: BTreeMap::new(),
        }
    }

    /// The pools for a placement.
    pub(super) fn slots(&self) -> Vec<Slot> {
        self.slots.clone()
    }

    /// The allotments of the user's schools, primary first, then by id, then the district's rest.
    pub(super) fn of_user(&mut self, user: &User) -> usize {
        let only = match user.roles.as_slice() {
            [role] => Some(&role.org),
            _ => None,
        };
        if let Some(known) = only.and_then(|school| self.by_school.get(school)) {
            return *known;
        }
        let district = self.pools.len().saturating_sub(1);
        let mut choice = Choice::new();
        if district > 0 {
            let schools = schools_of(user).into_iter();
            choice.extend(schools.filter_map(|id| self.by_pool.get(&Pool::School(id.clone())).copied()));
        }
        choice.push(district);
        let sort = self.number(choice);
        if let Some(school) = only {
            self.by_school.insert(school.clone(), sort);
        }
        sort
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
    pub(super) fn home(&self, sort: usize, pool: &Pool) -> Option<usize> {
        let index = self.by_pool.get(pool)?;
        self.choices.get(sort)?.contains(index).then_some(*index)
    }

    /// The first pool of a sort.
    pub(super) fn first(&self, sort: usize) -> Option<usize> {
        self.choices.get(sort)?.first().copied()
    }

    /// A pool by its index.
    pub(super) fn pool(&self, index: usize) -> Option<&Pool> {
        self.pools.get(index)
    }

    /// Whether a pool counts in the total.
    pub(super) fn counted(&self, pool: usize) -> bool {
        self.slots.get(pool).is_none_or(|slot| slot.counted)
    }
}
