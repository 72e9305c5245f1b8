//! Step 5: who can be seated together, by augmenting paths over pools (licensing.md, Optimal).
//!
//! Users who may draw from the same pools are alike, so the graph has one node per pool and, between two pools, an edge for
//! every sort of occupant that could move. The total is one more node: where it is full, a user finds room in a counted
//! pool only if someone else moves to a site license, which is outside the total. What no path leaves stays closed for
//! good, so a pool is searched in vain at most once.

use std::collections::BTreeSet;

use super::index::Index;

/// A pool as the graph sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// Seats; none is no limit.
    pub(super) seats: Option<usize>,
    /// Whether it counts in the total.
    pub(super) counted: bool,
}

/// The pools a sort of user may draw from, first choice first, as indexes of slots.
pub(super) type Choice = Vec<usize>;

/// Occupants of one pool of one sort. Those granted in this run move before those who had a seat.
#[derive(Debug)]
struct Crowd {
    sort: usize,
    pool: usize,
    kept: Stack,
    granted: Stack,
}

impl Crowd {
    fn stack(&mut self, kept: bool) -> &mut Stack {
        if kept { &mut self.kept } else { &mut self.granted }
    }

    fn is_empty(&self) -> bool {
        self.kept.count == 0 && self.granted.count == 0
    }
}

/// Who may be moved, last in first out. They are counted at once; who they are is written down when first one must move.
#[derive(Debug, Default)]
struct Stack {
    count: usize,
    occupants: Vec<Index>,
}

/// One who entered before anyone had to move.
#[derive(Clone, Copy, Debug)]
struct Entry {
    occupant: Index,
    crowd: Index,
}

/// How a search reached a node.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The newcomer draws here.
    Entry,
    /// An occupant of a pool, of a sort, could move here.
    From(usize, usize),
    /// The total's room is passed on.
    Total(usize),
}

/// Occupants placed so far.
#[derive(Debug)]
pub(super) struct Placement {
    slots: Vec<Slot>,
    choices: Vec<Choice>,
    /// One for each choice of each sort, in that order.
    crowds: Vec<Crowd>,
    /// Where each sort's crowds begin.
    begins: Vec<usize>,
    /// The crowds of each pool, by sort.
    of_pool: Vec<Vec<usize>>,
    used: Vec<usize>,
    /// Seats the total allows; none is no limit, and while kept seats are placed it is not asked.
    total: Option<usize>,
    /// Seats that count in the total.
    counted: usize,
    closed: Vec<bool>,
    places: Vec<Option<Index>>,
    /// Everyone in the order in which they entered, until the first must move; none from then on.
    log: Option<Vec<Entry>>,
    /// How many of the log had their seat before.
    kept: usize,
}

impl Placement {
    /// Empty pools. `choices` are the sorts of users, of whom there are `people`.
    pub(super) fn new(slots: Vec<Slot>, choices: Vec<Choice>, people: usize) -> Self {
        let pools = slots.len();
        let (mut crowds, mut begins, mut of_pool) = (Vec::new(), Vec::new(), vec![Vec::new(); pools]);
        for (sort, choice) in choices.iter().enumerate() {
            begins.push(crowds.len());
            for pool in choice {
                if let Some(of_pool) = of_pool.get_mut(*pool) {
                    of_pool.push(crowds.len());
                }
                crowds.push(Crowd { sort, pool: *pool, kept: Stack::default(), granted: Stack::default() });
            }
        }
        Self {
            slots,
            choices,
            crowds,
            begins,
            of_pool,
            used: vec![0; pools],
            total: None,
            counted: 0,
            closed: vec![false; pools + 1],
            places: vec![None; people],
            log: Some(Vec::with_capacity(people)),
            kept: 0,
        }
    }

    /// Leaves a kept seat where it is, if there is room.
    pub(super) fn stay(&mut self, occupant: usize, sort: usize, pool: usize) -> bool {
        let room = self.has_room(pool);
        if room {
            self.enter(occupant, sort, pool, true);
        }
        room
    }

    /// Gives the last pool `more` seats.
    pub(super) fn widen(&mut self, more: usize) {
        if let Some(Slot { seats: Some(rest), .. }) = self.slots.last_mut().filter(|_| more > 0) {
            *rest = rest.saturating_add(more);
            self.closed.fill(false);
        }
    }

    /// From here on the total limits: `limit` seats, of which `taken` are kept, placed or not.
    pub(super) fn limit(&mut self, limit: Option<usize>, taken: usize) {
        self.total = Some(limit.unwrap_or(usize::MAX));
        self.counted = taken;
    }

    /// Finds a pool for one more occupant, moving others if it must. Moves as few kept seats as possible.
    pub(super) fn seat(&mut self, occupant: usize, sort: usize) -> bool {
        let kept = self.total.is_none();
        let direct = self
            .choices
            .get(sort)
            .and_then(|choice| choice.iter().copied().find(|pool| self.has_room(*pool) && self.total_allows(*pool)));
        if let Some(pool) = direct {
            self.enter(occupant, sort, pool, kept);
            return true;
        }
        // Where more is in use than the total allows, nobody makes room for a newcomer; a site license was tried above.
        if self.total.is_some_and(|limit| self.counted > limit) {
            return false;
        }
        let closed = |pool: &usize| self.closed.get(*pool).copied().unwrap_or(true);
        if self.choices.get(sort).is_none_or(|choice| choice.iter().all(closed)) {
            return false;
        }
        match self.search(sort) {
            Ok((search, end)) => {
                let first = self.shift(&search, end);
                self.enter(occupant, sort, first, kept);
                true
            }
            Err(search) => {
                self.closed = search.done;
                false
            }
        }
    }

    /// Whether everyone can have their first pool, so that their order does not matter. `sorts` tells of each one's.
    pub(super) fn fits(&self, sorts: impl Iterator<Item = usize>) -> bool {
        let mut wanted = vec![0_usize; self.slots.len()];
        for sort in sorts {
            let first = self.choices.get(sort).and_then(|choice| choice.first());
            let Some(count) = first.and_then(|pool| wanted.get_mut(*pool)) else { return false };
            *count += 1;
        }
        let room = |(pool, count): (usize, &usize)| {
            let used = self.used.get(pool).copied().unwrap_or(usize::MAX);
            *count == 0 || self.slot(pool).seats.is_none_or(|seats| used.saturating_add(*count) <= seats)
        };
        let counted = wanted.iter().enumerate().filter(|(pool, _)| self.slot(*pool).counted).map(|(_, count)| count);
        let counted = self.counted.saturating_add(counted.sum());
        wanted.iter().enumerate().all(room)
            && self.total.is_none_or(|limit| counted <= limit || counted == self.counted)
    }

    /// Seats that count in the total, placed or not.
    pub(super) fn in_use(&self) -> usize {
        self.counted
    }

    /// Where an occupant sits; none if they were not placed.
    pub(super) fn place(&self, occupant: usize) -> Option<usize> {
        self.places.get(occupant).copied().flatten().map(Index::get)
    }

    fn crowd(&self, sort: usize, pool: usize) -> Option<usize> {
        Some(self.begins.get(sort)? + self.choices.get(sort)?.iter().position(|it| *it == pool)?)
    }

    fn slot(&self, pool: usize) -> Slot {
        self.slots.get(pool).copied().unwrap_or(Slot { seats: Some(0), counted: true })
    }

    fn has_room(&self, pool: usize) -> bool {
        let used = self.used.get(pool).copied().unwrap_or(usize::MAX);
        self.slot(pool).seats.is_none_or(|seats| used < seats)
    }

    fn total_allows(&self, pool: usize) -> bool {
        !self.slot(pool).counted || self.total.is_none_or(|limit| self.counted < limit)
    }

    fn enter(&mut self, occupant: usize, sort: usize, pool: usize, kept: bool) {
        let Some(index) = self.crowd(sort, pool) else { return };
        let Some(crowd) = self.crowds.get_mut(index) else { return };
        let stack = crowd.stack(kept);
        stack.count += 1;
        match &mut self.log {
            Some(log) => {
                log.push(Entry { occupant: Index::of(occupant), crowd: Index::of(index) });
                self.kept += usize::from(kept);
            }
            None => stack.occupants.push(Index::of(occupant)),
        }
        if let Some(used) = self.used.get_mut(pool) {
            *used += 1;
        }
        if let Some(place) = self.places.get_mut(occupant) {
            *place = Some(Index::of(pool));
        }
        self.counted += usize::from(self.slot(pool).counted);
    }

    /// Takes out the occupant who moves first, and whether they had their seat before.
    fn leave(&mut self, pool: usize, sort: usize) -> Option<(usize, bool)> {
        let index = self.crowd(sort, pool)?;
        for (place, entry) in self.log.take().into_iter().flatten().enumerate() {
            // Nobody is granted a seat before all who had one are placed.
            if let Some(crowd) = self.crowds.get_mut(entry.crowd.get()) {
                crowd.stack(place < self.kept).occupants.push(entry.occupant);
            }
        }
        let crowd = self.crowds.get_mut(index)?;
        let kept = crowd.granted.count == 0;
        let stack = crowd.stack(kept);
        let leaver = stack.occupants.pop()?;
        stack.count -= 1;
        if let Some(used) = self.used.get_mut(pool) {
            *used -= 1;
        }
        self.counted -= usize::from(self.slot(pool).counted);
        Some((leaver.get(), kept))
    }

    /// The cheapest path from the pools of `sort` to room: the last pool, and the search that knows the way back; else
    /// the search that found none.
    fn search(&self, sort: usize) -> Result<(Search, usize), Search> {
        let total = self.slots.len();
        let mut search = Search::new(&self.closed);
        for pool in self.choices.get(sort).into_iter().flatten() {
            search.reach(*pool, 0, Step::Entry);
        }
        while let Some((cost, node)) = search.nearest() {
            if node == total {
                for pool in (0..total).filter(|pool| self.slot(*pool).counted) {
                    search.reach(pool, cost, Step::Total(node));
                }
                continue;
            }
            if self.has_room(node) {
                if self.total_allows(node) {
                    return Ok((search, node));
                }
                if self.total == Some(self.counted) {
                    search.reach(total, cost, Step::Total(node));
                }
            }
            let crowds = self.of_pool.get(node).into_iter().flatten().filter_map(|index| self.crowds.get(*index));
            for crowd in crowds.filter(|crowd| !crowd.is_empty()) {
                let cost = cost + usize::from(crowd.granted.count == 0);
                for pool in self.choices.get(crowd.sort).into_iter().flatten() {
                    search.reach(*pool, cost, Step::From(crowd.pool, crowd.sort));
                }
            }
        }
        Err(search)
    }

    /// Moves the occupants along a path that ends in `end`, and gives the pool that is then open to the newcomer.
    fn shift(&mut self, search: &Search, end: usize) -> usize {
        let mut open = end;
        loop {
            match search.step(open) {
                Some(Step::From(from, sort)) => {
                    if let Some((occupant, kept)) = self.leave(from, sort) {
                        self.enter(occupant, sort, open, kept);
                    }
                    open = from;
                }
                Some(Step::Total(node)) => open = node,
                Some(Step::Entry) | None => return open,
            }
        }
    }
}

/// One search for room: the cheapest known way to each node. The cost of a way is the number of kept seats it moves.
#[derive(Debug)]
struct Search {
    nodes: Vec<Option<(usize, Step)>>,
    /// Closed before, or visited.
    done: Vec<bool>,
    queue: BTreeSet<(usize, usize, usize)>,
    reached: usize,
}

impl Search {
    fn new(closed: &[bool]) -> Self {
        let nodes = vec![None; closed.len()];
        Self { nodes, done: closed.to_vec(), queue: BTreeSet::new(), reached: 0 }
    }

    fn reach(&mut self, node: usize, cost: usize, step: Step) {
        if self.done.get(node).copied().unwrap_or(true) {
            return;
        }
        let Some(known) = self.nodes.get_mut(node) else { return };
        if known.is_none_or(|(best, _)| cost < best) {
            *known = Some((cost, step));
            self.reached += 1;
            self.queue.insert((cost, self.reached, node));
        }
    }

    fn nearest(&mut self) -> Option<(usize, usize)> {
        while let Some((cost, _, node)) = self.queue.pop_first() {
            if let Some(done) = self.done.get_mut(node)
                && !std::mem::replace(done, true)
            {
                return Some((cost, node));
            }
        }
        None
    }

    fn step(&self, node: usize) -> Option<Step> {
        self.nodes.get(node).copied().flatten().map(|(_, step)| step)
    }
}
