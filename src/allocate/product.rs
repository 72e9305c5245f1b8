//! One allocation for one product: who has what, who keeps it, who is served (licensing.md, One allocation).

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;

use crate::model::{Ended, Leaving, Product, ReleaseReason, Roster, Seat, SourceId, Timestamp, User, Waiting};

use super::Input;
use super::capacity::{self, Capacity, Coverage, range};
use super::demand::{Demand, Rule, Subject, View};
use super::district::{District, Fact};
use super::order::{Claim, Order, Tier};
use super::outcome::Outcome;
use super::over::Excess;
use super::person::{Account, joined};
use super::pools::Placement;
use super::release::{Fate, Seen, fate};
use super::sorts::Sorts;

/// A seat that stays.
#[derive(Debug)]
pub(super) struct Keeper<'a> {
    pub(super) seat: &'a Seat,
    /// The account that has it from now on.
    pub(super) account: &'a SourceId,
    pub(super) leaving: Option<Leaving>,
    pub(super) bridged: bool,
    pub(super) demand: Demand,
    pub(super) sort: usize,
    /// When the seat began.
    since: Timestamp,
    /// The pool the seat is in, if its user may still draw from it.
    pub(super) home: Option<usize>,
    /// Whether the row stays as it is unless the pool changes.
    pub(super) as_it_was: bool,
}

/// What becomes of a seat that stays.
#[derive(Debug)]
pub(super) struct Stay<'a> {
    pub(super) seat: &'a Seat,
    pub(super) account: &'a SourceId,
    pub(super) leaving: Option<Leaving>,
    pub(super) bridged: bool,
    pub(super) demand: Demand,
    pub(super) sort: usize,
}

/// Someone in demand without a seat.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    pub(super) user: &'a User,
    /// Their place in line, of this account.
    pub(super) place: Option<&'a Waiting>,
    /// The position they had, if nothing else of the place changes.
    pub(super) position: Option<u32>,
    pub(super) since: Timestamp,
    pub(super) tier: Tier,
    pub(super) held: bool,
    pub(super) sort: usize,
    /// The product whose seat is carried over.
    pub(super) carried: Option<&'a crate::model::ProductCode>,
}

/// One product of one district on its way through the steps.
pub(super) struct Desk<'a, 'b> {
    pub(super) input: Input<'a>,
    pub(super) district: &'b District<'a>,
    pub(super) product: &'a Product,
    /// Users who have a bundle that contains the product.
    bundled: &'b BTreeSet<SourceId>,
    /// Users whose seat the whole plan would end.
    bridged: BTreeSet<&'a SourceId>,
    /// Accounts that have one seat together, each with its person.
    pub(super) joined: BTreeMap<&'a SourceId, &'a SourceId>,
    rule: Rule<'a, 'b>,
    order: Order<'a>,
    pub(super) capacity: Capacity<'a>,
    pub(super) sorts: Sorts,
    pub(super) released: Vec<(&'a Seat, ReleaseReason)>,
    pub(super) kept: Vec<Keeper<'a>>,
    pub(super) candidates: Vec<Candidate<'a>>,
    /// Whose place in line ends, with a seat or without.
    pub(super) left: Vec<&'a SourceId>,
}

/// Where everyone is after placement.
pub(super) struct Placed {
    /// Pools of kept seats, then of candidates.
    pub(super) pools: Vec<Option<usize>>,
    /// Positions in line of candidates; who has one has no seat.
    pub(super) positions: Vec<Option<u32>>,
}

/// Allocates `product`.
pub(super) fn allocate<'a>(
    input: Input<'a>,
    district: &District<'a>,
    product: &'a Product,
    bundled: &BTreeSet<SourceId>,
    wants_holders: bool,
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
        joined: joined(input, product),
        rule: Rule::new(input, district, product),
        order: Order::new(&input.state.id, district, product, input.as_of),
        sorts: Sorts::new(&capacity),
        capacity,
        released: Vec::new(),
        kept: Vec::new(),
        candidates: Vec::new(),
        left: Vec::new(),
    };
    desk.sort_people();
    desk.place(wants_holders)
}

/// The entry of `user`, which every earlier one has left behind in `skipped`.
fn advance<'a, T>(
    entries: &mut Peekable<impl Iterator<Item = (&'a SourceId, &'a T)>>,
    user: &SourceId,
    skipped: &mut Vec<(&'a SourceId, &'a T)>,
) -> Option<&'a T> {
    loop {
        match entries.peek()?.0.cmp(user) {
            std::cmp::Ordering::Less => skipped.extend(entries.next()),
            std::cmp::Ordering::Equal => return entries.next().map(|(_, it)| it),
            std::cmp::Ordering::Greater => return None,
        }
    }
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
        let (mut orphans, mut strangers, mut former) = (Vec::new(), Vec::new(), Vec::new());
        let joins = !self.joined.is_empty();
        let mut persons: BTreeMap<&'a SourceId, Vec<Account<'a>>> = BTreeMap::new();
        for (index, (id, user)) in roster.users.iter().enumerate() {
            let seat = advance(&mut seats, id, &mut orphans);
            let place = advance(&mut waiting, id, &mut strangers);
            let last = advance(&mut ended, id, &mut former);
            if !joins {
                former.clear();
            }
            for (id, seat) in orphans.drain(..) {
                self.judge_orphan(id, seat, &mut persons);
            }
            let Some(Fact { active, roles, circle }) = self.district.fact(index) else { continue };
            let enrollments = self.district.enrollments(index);
            let demand = self.demand(Subject { user, active, roles, enrollments, view: View::Present });
            let account = Account { id, user: Some(user), demand, seat, place, ended: last };
            match self.joined.get(id).copied() {
                Some(person) => persons.entry(person).or_default().push(account),
                None => self.settle(account, circle),
            }
        }
        orphans.extend(seats);
        for (id, seat) in orphans {
            self.judge_orphan(id, seat, &mut persons);
        }
        strangers.extend(waiting);
        former.extend(ended);
        // What an account had that the roster does not have any more still counts for its person.
        let gone = |it: &Self, id: &'a SourceId| Account::gone(id, it.joined.get(id).copied());
        for (id, place) in strangers {
            match gone(self, id) {
                Some((person, account)) => {
                    persons.entry(person).or_default().push(Account { place: Some(place), ..account });
                }
                None => self.left.push(id),
            }
        }
        for (id, last) in former {
            if let Some((person, account)) = gone(self, id) {
                persons.entry(person).or_default().push(Account { ended: Some(last), ..account });
            }
        }
        for accounts in persons.into_values() {
            self.settle_person(accounts);
        }
    }

    /// A seat whose user the roster does not have.
    fn judge_orphan(
        &mut self,
        id: &'a SourceId,
        seat: &'a Seat,
        persons: &mut BTreeMap<&'a SourceId, Vec<Account<'a>>>,
    ) {
        let demand = Demand::None(ReleaseReason::Tombstone);
        let account = Account { id, user: None, demand, seat: Some(seat), place: None, ended: None };
        if let Some(person) = self.joined.get(id).copied() {
            persons.entry(person).or_default().push(account);
            return;
        }
        let departed = self.district.user(id).map(|(user, _)| user);
        let sort = match departed {
            Some(user) => self.sorts.of_schools(&super::district::schools_of(&[user])),
            None => self.sorts.of_pool(&seat.pool),
        };
        self.judge(seat, demand, sort);
    }

    /// One account that stands for itself, and its user's circle.
    fn settle(&mut self, account: Account<'a>, circle: usize) {
        let Account { user, demand, seat, place, ended, .. } = account;
        let Some(user) = user else { return };
        let wants = match seat {
            Some(_) => true,
            None => demand.waits(place.is_some()) && self.capacity.coverage != Coverage::NotActivated,
        };
        let schools = self.district.circles.get(circle).map(Vec::as_slice).unwrap_or_default();
        let sort = if wants { self.sorts.of_circle(circle, schools) } else { 0 };
        if let Some(seat) = seat {
            self.left.extend(place.map(|_| &user.id));
            if self.judge(seat, demand, sort) {
                let ended = Ended { at: self.input.as_of, reason: ReleaseReason::Expired };
                self.line_up(&[user], demand, None, Some(&ended), sort);
            }
        } else if wants {
            self.line_up(&[user], demand, place, ended, sort);
        } else {
            self.left.extend(place.map(|_| &user.id));
        }
    }

    pub(super) fn demand(&self, subject: Subject<'a, '_>) -> Demand {
        match self.rule.demand(subject) {
            wanted if wanted.keeps() && self.bundled.contains(&subject.user.id) => Demand::None(ReleaseReason::Bundled),
            demand => demand,
        }
    }

    /// Decides on a seat. True if it ends although its user wants it, without a subscription; so they wait, as returning.
    pub(super) fn judge(&mut self, seat: &'a Seat, present: Demand, sort: usize) -> bool {
        let put_back = match present {
            Demand::None(ReleaseReason::Bundled) => present,
            Demand::None(_) => self.put_back(&seat.user),
            _ => present,
        };
        self.judge_seen(seat, present, put_back, sort)
    }

    /// Decides on a seat whose user's demand is known in both views.
    pub(super) fn judge_seen(&mut self, seat: &'a Seat, present: Demand, put_back: Demand, sort: usize) -> bool {
        let seen = Seen { present, put_back };
        let leaving = match fate(self.input, self.product, self.capacity.coverage, seat, seen) {
            Fate::Released(reason) => {
                self.released.push((seat, reason));
                return reason == ReleaseReason::Expired && present.waits(false);
            }
            Fate::Leaving(leaving) => Some(leaving),
            Fate::Kept if present.keeps() => None,
            // The release itself is held: nothing about the seat changes.
            Fate::Kept => seat.leaving.clone(),
        };
        let bridged = self.bridged.contains(&seat.user);
        self.keep_on(Stay { seat, account: &seat.user, leaving, bridged, demand: present, sort });
        false
    }

    /// Keeps a seat, and notes of it what the later steps ask, so that they need not go back to it.
    pub(super) fn keep_on(&mut self, stay: Stay<'a>) {
        let Stay { seat, account, leaving, bridged, demand, sort } = stay;
        let state = self.state_of(bridged, leaving.is_some());
        let as_it_was =
            (&seat.leaving, seat.bridged, seat.state) == (&leaving, bridged, state) && *account == seat.user;
        let home = self.sorts.home(sort, &seat.pool);
        self.kept.push(Keeper { seat, account, leaving, bridged, demand, sort, since: seat.since, home, as_it_was });
    }

    /// Demand with what is merely absent put back. Where that changes nothing, it says why demand ended.
    pub(super) fn put_back(&self, id: &SourceId) -> Demand {
        let Some((user, _)) = self.district.user(id) else {
            return Demand::None(ReleaseReason::Tombstone);
        };
        let enrollments = self.district.enrollments_put_back(id);
        self.demand(Subject::new(user, &enrollments, View::PutBack))
    }

    /// Enters someone in demand without a seat; the first of `accounts` is the one that would have it.
    pub(super) fn line_up(
        &mut self,
        accounts: &[&'a User],
        demand: Demand,
        place: Option<&'a Waiting>,
        ended: Option<&Ended>,
        sort: usize,
    ) {
        let Some(user) = accounts.first().copied() else { return };
        let since = place.map_or(self.input.as_of, |place| place.since);
        let held = accounts.iter().any(|it| self.input.held_users.contains(&it.id));
        let tier = self.order.tier(Claim { accounts, pinned: demand == Demand::Pinned, ended, since });
        let carried = if held { None } else { self.carried(accounts) };
        let place = place.filter(|it| it.user == user.id);
        let short_of = || self.sorts.first(sort).and_then(|pool| self.sorts.pool(pool));
        let position = place.filter(|it| it.since == since && Some(&it.short_of) == short_of()).map(|it| it.position);
        self.candidates.push(Candidate { user, place, position, since, tier, held, sort, carried });
    }

    /// The product whose seat one of the accounts had when the renewal of it began, unless this one's was taken since.
    fn carried(&self, accounts: &[&User]) -> Option<&'a crate::model::ProductCode> {
        let zone = self.input.state.time_zone;
        let carries = |(old, begins): &&(&'a crate::model::ProductCode, crate::model::Date)| {
            accounts.iter().any(|user| {
                let had = self.input.seats.get(&((*old).clone(), user.id.clone()));
                let lost = self.input.ended.get(&(self.product.code.clone(), user.id.clone()));
                had.is_some_and(|seat| seat.since.date_in(zone) < *begins)
                    && lost.is_none_or(|ended| ended.at.date_in(zone) < *begins)
            })
        };
        self.capacity.carries.iter().find(carries).map(|(old, _)| *old)
    }

    /// Steps 3 to 9.
    fn place(mut self, wants_holders: bool) -> Outcome {
        // Users were read in order; only the accounts of persons come late, and who is taken back is not in line yet.
        if !self.joined.is_empty() {
            self.kept.sort_by(|one, other| one.account.cmp(other.account));
        }
        let covered = self.capacity.coverage == Coverage::Covered;
        let excess = if covered { self.reclaim() } else { Excess::default() };
        if !self.joined.is_empty() || excess.reclaimed {
            self.candidates.sort_by(|one, other| one.user.id.cmp(&other.user.id));
        }
        let mut placement = Placement::new(self.sorts.slots(excess.overage), self.sorts.choices());
        let first = self.kept.len();
        let mut pools = vec![None; first];
        let mut positions: Vec<Option<u32>> = vec![None; self.candidates.len()];
        if covered {
            pools = self.keep(&mut placement, excess.limit);
            pools.extend(self.candidates.iter().map(|it| it.carried.and(self.sorts.first(it.sort))));
        }
        let mut next: u32 = 1;
        let mut wait = |index: usize| {
            if let Some(position) = positions.get_mut(index) {
                *position = Some(next);
                next = next.saturating_add(1);
            }
        };
        let mut line: Vec<(Tier, usize)> = self.candidates.iter().map(|it| it.tier).zip(0..).collect();
        line.retain(|(_, index)| !(covered && self.candidates.get(*index).is_some_and(|it| it.carried.is_some())));
        line.sort_unstable();
        for equals in line.chunk_by(|one, other| one.0 == other.0) {
            let mut equals: Vec<usize> = equals.iter().map(|(_, index)| *index).collect();
            if covered && self.seat_without_contest(&mut placement, &equals) {
                equals.retain(|index| placement.place(first + index).is_none());
            }
            self.order.shuffle(&mut equals, |index| self.candidates.get(index).map(|it| &it.user.id));
            for index in equals {
                let Some(it) = self.candidates.get(index) else { continue };
                if !(covered && !it.held && placement.seat(first + index, it.sort)) {
                    wait(index);
                }
            }
        }
        pools.resize(first + self.candidates.len(), None);
        for (index, pool) in pools.iter_mut().enumerate() {
            *pool = placement.place(index).or(*pool);
        }
        let spell = covered.then(|| excess.spell(placement.in_use())).flatten();
        self.outcome(&Placed { pools, positions }, spell, wants_holders)
    }

    /// Seats equals where the first pool of each has room for all, so that nobody needs to be shuffled. False if not.
    fn seat_without_contest(&self, placement: &mut Placement, equals: &[usize]) -> bool {
        let free = || equals.iter().filter_map(|index| Some((*index, self.candidates.get(*index)?)));
        let free = || free().filter(|(_, it)| !it.held);
        let mut sorts: BTreeMap<usize, usize> = BTreeMap::new();
        for (_, it) in free() {
            *sorts.entry(it.sort).or_default() += 1;
        }
        let fits = placement.fits(&sorts);
        if fits {
            for (index, it) in free() {
                placement.seat(self.kept.len() + index, it.sort);
            }
        }
        fits
    }

    /// Step 3: kept seats start in their pool, by `since`, then id; then those without room look for some, then those
    /// carried over. Gives, for the rest and for bridged seats, which take no room, the pool they stay in.
    fn keep(&self, placement: &mut Placement, limit: Option<usize>) -> Vec<Option<usize>> {
        let mut turn: Vec<(Timestamp, usize)> = self.kept.iter().map(|it| it.since).zip(0..).collect();
        turn.sort_unstable();
        let mut homes: Vec<Option<usize>> = self.kept.iter().map(|it| it.home).collect();
        let mut restless = Vec::new();
        for (_, index) in turn {
            let Some(keeper) = self.kept.get(index).filter(|it| !it.bridged) else { continue };
            let home = homes.get(index).copied().flatten();
            let stays = home.is_some_and(|pool| placement.stay(index, keeper.sort, pool));
            if !stays {
                restless.push((index, keeper.sort));
            }
        }
        let carried = self.candidates.iter().enumerate().filter(|(_, it)| it.carried.is_some());
        restless.extend(carried.map(|(index, it)| (self.kept.len() + index, it.sort)));
        for (index, sort) in &restless {
            placement.seat(*index, *sort);
        }
        for (home, keeper) in homes.iter_mut().zip(&self.kept) {
            *home = home.or_else(|| self.sorts.first(keeper.sort));
        }
        let counted = |index: usize, otherwise: Option<usize>| {
            placement.place(index).or(otherwise).is_none_or(|pool| self.sorts.counted(pool))
        };
        let homes_of = || self.kept.iter().zip(&homes).enumerate().filter(|(_, (it, _))| !it.bridged);
        let kept = homes_of().filter(|(index, (_, home))| counted(*index, **home)).count();
        let carried = self.candidates.iter().enumerate().filter(|(_, it)| it.carried.is_some());
        let carried = carried.filter(|(index, it)| counted(self.kept.len() + index, self.sorts.first(it.sort))).count();
        placement.limit(limit, kept + carried);
        homes
    }
}
