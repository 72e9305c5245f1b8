//! One allocation for one product: who has what, who keeps it, who stands in line (licensing.md, One allocation, 1 and 2).

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;

use crate::model::{
    Date, Ended, Leaving, Product, ProductCode, ReleaseReason, Seat, SourceId, Timestamp, User, Waiting,
};

use super::Input;
use super::capacity::{self, Capacity, Coverage, range};
use super::demand::{Demand, Rule, Subject, View};
use super::district::{District, schools_of};
use super::index::Index;
use super::order::{Claim, Order, Tier};
use super::person::{Account, joined};
use super::release::{Fate, Seen, fate};
use super::roll::{Fact, Placed};
use super::sorts::Sorts;

/// A seat that stays.
#[derive(Debug)]
pub(super) struct Keeper<'a> {
    pub(super) seat: &'a Seat,
    /// The account that has it from now on.
    pub(super) account: &'a SourceId,
    /// Boxed, since there is hardly ever one.
    pub(super) leaving: Option<Box<Leaving>>,
    pub(super) bridged: bool,
    pub(super) demand: Demand,
    pub(super) sort: Index,
    /// When the seat began.
    pub(super) since: Timestamp,
    /// The pool the seat is in, if its user may still draw from it.
    pub(super) home: Option<Index>,
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
    /// The user's id, beside it.
    pub(super) id: &'a str,
    /// Their place in line, of this account.
    pub(super) place: Option<&'a Waiting>,
    /// The position they had, if nothing else of the place changes.
    pub(super) position: Option<u32>,
    pub(super) tier: Tier,
    pub(super) held: bool,
    pub(super) sort: Index,
    /// The product whose seat is carried over.
    pub(super) carried: Option<&'a ProductCode>,
}

/// Someone who comes to stand in line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newcomer<'a, 'b> {
    /// The accounts; the first is the one that would have the seat.
    pub(super) accounts: &'b [&'a User],
    /// The id of the first.
    pub(super) id: &'a str,
    pub(super) demand: Demand,
    /// The place in line so far.
    pub(super) place: Option<&'a Waiting>,
    /// Whether that place is of the first account.
    pub(super) own: bool,
    /// The last seat.
    pub(super) ended: Option<&'b Ended>,
    pub(super) sort: usize,
}

/// What is written down of each user, taken over from product to product so that its memory is asked for once.
#[derive(Debug, Default)]
pub(super) struct Sheets<'a> {
    pub(super) kept: Vec<Keeper<'a>>,
    pub(super) candidates: Vec<Candidate<'a>>,
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
    pub(super) order: Order<'a>,
    pub(super) capacity: Capacity<'a>,
    pub(super) sorts: Sorts,
    pub(super) released: Vec<(&'a Seat, ReleaseReason)>,
    pub(super) kept: Vec<Keeper<'a>>,
    pub(super) candidates: Vec<Candidate<'a>>,
    /// Whose place in line ends, with a seat or without.
    pub(super) left: Vec<&'a SourceId>,
}

impl<'a, 'b> Desk<'a, 'b> {
    /// The desk of `product`. `bundled` are the users who have a bundle that contains it.
    pub(super) fn new(
        input: Input<'a>,
        district: &'b District<'a>,
        product: &'a Product,
        bundled: &'b BTreeSet<SourceId>,
        sheets: &mut Sheets<'a>,
    ) -> Self {
        let capacity = capacity::of(input, &product.code);
        let first = (product.code.clone(), SourceId::new(""));
        let bridged = input.bridged.range(first..).take_while(|(code, _)| *code == product.code);
        let Sheets { mut kept, mut candidates } = std::mem::take(sheets);
        kept.clear();
        kept.reserve(district.roll.facts().len());
        candidates.clear();
        candidates.reserve(district.roll.facts().len());
        Self {
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
            kept,
            candidates,
            left: Vec::new(),
        }
    }
}

/// The entry of the user at `index`, which every earlier one has left behind in `skipped`.
fn advance<'a, T>(
    entries: &mut Peekable<impl Iterator<Item = Placed<'a, &'a T>>>,
    index: usize,
    skipped: &mut Vec<(&'a SourceId, &'a T)>,
) -> Option<&'a T> {
    loop {
        match entries.peek()?.place {
            Ok(place) if place == index => return entries.next().map(|it| it.entry),
            Err(gap) if gap <= index => skipped.extend(entries.next().map(|it| (it.id, it.entry))),
            Ok(_) | Err(_) => return None,
        }
    }
}

impl<'a> Desk<'a, '_> {
    /// Steps 1 and 2: reads users, seats and places side by side, all in order of user.
    pub(super) fn sort_people(&mut self) {
        let (input, district, code) = (self.input, self.district, &self.product.code);
        let mut seats = district.roll.placed(range(input.seats, code)).peekable();
        let mut waiting = district.roll.placed(range(input.waiting, code)).peekable();
        let mut ended = district.roll.placed(range(input.ended, code)).peekable();
        let (mut orphans, mut strangers, mut former) = (Vec::new(), Vec::new(), Vec::new());
        let joins = !self.joined.is_empty();
        let mut persons: BTreeMap<&'a SourceId, Vec<Account<'a>>> = BTreeMap::new();
        for (index, fact) in district.roll.facts().iter().enumerate() {
            let seat = advance(&mut seats, index, &mut orphans);
            let place = advance(&mut waiting, index, &mut strangers);
            let last = advance(&mut ended, index, &mut former);
            if !joins {
                former.clear();
            }
            for (id, seat) in orphans.drain(..) {
                self.judge_orphan(id, seat, &mut persons);
            }
            let Fact { user, circle, .. } = *fact;
            let demand = self.demand(Subject::on_roll(*fact, district.register.of(index)));
            let account = Account { id: &user.id, user: Some(user), demand, seat, place, ended: last };
            match self.joined.get(&user.id).copied() {
                Some(person) => persons.entry(person).or_default().push(account),
                None => self.settle(account, district.roll.id(index), circle.get()),
            }
        }
        orphans.extend(seats.map(|it| (it.id, it.entry)));
        for (id, seat) in orphans {
            self.judge_orphan(id, seat, &mut persons);
        }
        strangers.extend(waiting.map(|it| (it.id, it.entry)));
        former.extend(ended.map(|it| (it.id, it.entry)));
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
            Some(user) => self.sorts.of_schools(&schools_of(&[user])),
            None => self.sorts.of_pool(&seat.pool),
        };
        self.judge(seat, demand, sort);
    }

    /// One account that stands for itself, and its user's circle.
    fn settle(&mut self, account: Account<'a>, id: &'a str, circle: usize) {
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
                let (place, ended) = (None, Some(&ended));
                self.line_up(Newcomer { accounts: &[user], id, demand, place, own: true, ended, sort });
            }
        } else if wants {
            self.line_up(Newcomer { accounts: &[user], id, demand, place, own: true, ended, sort });
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
        let home = self.sorts.home(sort, &seat.pool).map(Index::of);
        let (leaving, sort, since) = (leaving.map(Box::new), Index::of(sort), seat.since);
        self.kept.push(Keeper { seat, account, leaving, bridged, demand, sort, since, home, as_it_was });
    }

    /// Demand with what is merely absent put back. Where that changes nothing, it says why demand ended.
    pub(super) fn put_back(&self, id: &SourceId) -> Demand {
        let Some((user, _)) = self.district.user(id) else {
            return Demand::None(ReleaseReason::Tombstone);
        };
        let enrollments = self.district.enrollments_put_back(id);
        self.demand(Subject::new(user, &enrollments, View::PutBack))
    }

    /// Enters someone in demand without a seat.
    pub(super) fn line_up(&mut self, newcomer: Newcomer<'a, '_>) {
        let Newcomer { accounts, id, demand, place, own, ended, sort } = newcomer;
        let Some(user) = accounts.first().copied() else { return };
        let since = place.map_or(self.input.as_of, |place| place.since);
        let anyone_held = !self.input.held_users.is_empty();
        let held = anyone_held && accounts.iter().any(|it| self.input.held_users.contains(&it.id));
        let tier = self.order.tier(Claim { accounts, pinned: demand == Demand::Pinned, ended, since });
        let carried = if held { None } else { self.carried(accounts) };
        let place = place.filter(|_| own);
        let short_of = || self.sorts.first(sort).and_then(|pool| self.sorts.pool(pool));
        let position = place.filter(|it| Some(&it.short_of) == short_of()).map(|it| it.position);
        self.candidates.push(Candidate { user, id, place, position, tier, held, sort: Index::of(sort), carried });
    }

    /// The product whose seat one of the accounts had when the renewal of it began, unless this one's was taken since.
    fn carried(&self, accounts: &[&User]) -> Option<&'a ProductCode> {
        let zone = self.input.state.time_zone;
        let carries = |(old, begins): &&(&'a ProductCode, Date)| {
            accounts.iter().any(|user| {
                let had = self.input.seats.get(&((*old).clone(), user.id.clone()));
                let lost = self.input.ended.get(&(self.product.code.clone(), user.id.clone()));
                had.is_some_and(|seat| seat.since.date_in(zone) < *begins)
                    && lost.is_none_or(|ended| ended.at.date_in(zone) < *begins)
            })
        };
        self.capacity.carries.iter().find(carries).map(|(old, _)| *old)
    }
}
