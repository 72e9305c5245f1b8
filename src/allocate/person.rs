//! `count_by = person`: accounts joined by accepted links have one seat together (licensing.md, Person).
//!
//! A person's schools are those of all their accounts that are active in the roster. The order knows a person by the
//! account that would have the seat.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{CountBy, Ended, Product, ReleaseReason, Seat, SourceId, User, Waiting};

use super::Input;
use super::capacity::Coverage;
use super::demand::{Demand, Subject, View};
use super::district::schools_of;
use super::product::{Desk, Newcomer, Stay};

/// One account and what it has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account<'a> {
    pub(super) id: &'a SourceId,
    /// None if the roster does not have it.
    pub(super) user: Option<&'a User>,
    pub(super) demand: Demand,
    pub(super) seat: Option<&'a Seat>,
    pub(super) place: Option<&'a Waiting>,
    pub(super) ended: Option<&'a Ended>,
}

impl<'a> Account<'a> {
    /// An account that the roster does not have, and its person, if it has one.
    pub(super) fn gone(id: &'a SourceId, person: Option<&'a SourceId>) -> Option<(&'a SourceId, Self)> {
        let demand = Demand::None(ReleaseReason::Tombstone);
        Some((person?, Self { id, user: None, demand, seat: None, place: None, ended: None }))
    }
}

/// Adds the other accounts of everyone in `users`.
pub(crate) fn with_other_accounts(users: &mut BTreeSet<SourceId>, persons: &BTreeMap<SourceId, SourceId>) {
    let whole: BTreeSet<&SourceId> = users.iter().filter_map(|id| persons.get(id)).collect();
    let others: Vec<SourceId> =
        persons.iter().filter(|(_, person)| whole.contains(person)).map(|(id, _)| id.clone()).collect();
    users.extend(others);
}

/// Whether a product counts the accounts of a person as one.
pub(super) fn by_person(product: &Product) -> bool {
    product.count_by == CountBy::Person
}

/// Accounts that have one seat together, each with its person: all that links join where the product counts persons. Where
/// it counts accounts, each active one counts (S2.15), and what those had that are gone, disabled or re-keyed passes to one
/// that is there: the one that stands for the person, else the first (P16, P17).
pub(super) fn joined<'a>(input: Input<'a>, product: &Product) -> BTreeMap<&'a SourceId, &'a SourceId> {
    if by_person(product) {
        return input.persons.iter().collect();
    }
    let here = |id: &SourceId| input.roster.users().get(id).is_some_and(|user| user.active);
    let mut heirs: BTreeMap<&SourceId, &SourceId> = BTreeMap::new();
    for (account, person) in input.persons.iter().filter(|(account, _)| here(account)) {
        let heir = heirs.entry(person).or_insert(account);
        if account == person {
            *heir = account;
        }
    }
    let with_heir = |(account, person): &(&SourceId, &SourceId)| {
        heirs.get(person).is_some_and(|heir| heir == account || !here(account))
    };
    input.persons.iter().filter(with_heir).collect()
}

impl<'a> Desk<'a, '_> {
    /// Decides on all accounts of one person.
    pub(super) fn settle_person(&mut self, mut accounts: Vec<Account<'a>>) {
        accounts.sort_by(|one, other| one.id.cmp(other.id));
        let active: Vec<&User> = accounts.iter().filter_map(|it| it.user).filter(|user| user.active).collect();
        let sort = self.sorts.of_schools(&schools_of(&active));
        let holder = accounts.iter().filter_map(|it| Some((it, it.seat?))).min_by_key(|(it, seat)| {
            let stands = self.joined.get(it.id).is_some_and(|person| *person == it.id);
            (!it.demand.keeps(), !stands, seat.since, it.id)
        });
        let Some((holder, seat)) = holder.map(|(it, seat)| (*it, seat)) else {
            self.line_up_person(&accounts, None, sort);
            return;
        };
        let others = accounts.iter().filter(|it| it.id != holder.id).filter_map(|it| it.seat);
        self.released.extend(others.map(|it| (it, ReleaseReason::Merged)));
        let heir = accounts.iter().find(|it| it.demand.keeps()).filter(|_| !holder.demand.keeps());
        let ends = match heir {
            Some(heir) if self.capacity.coverage != Coverage::Lapsed => {
                let pinned = accounts.iter().any(|it| it.demand == Demand::Pinned);
                let demand = if pinned { Demand::Pinned } else { heir.demand };
                self.keep_on(Stay { seat, account: heir.id, leaving: None, bridged: false, demand, sort });
                false
            }
            Some(heir) => {
                self.released.push((seat, ReleaseReason::Expired));
                heir.demand.waits(false)
            }
            None if holder.demand.keeps() => {
                let pinned = accounts.iter().any(|it| it.demand == Demand::Pinned);
                self.judge(seat, if pinned { Demand::Pinned } else { holder.demand }, sort)
            }
            None => self.judge_absent(&accounts, holder, seat, sort),
        };
        if ends {
            let ended = Ended { at: self.input.as_of, reason: ReleaseReason::Expired };
            self.line_up_person(&accounts, Some(&ended), sort);
        } else {
            self.left.extend(accounts.iter().filter(|it| it.place.is_some()).map(|it| it.id));
        }
    }

    /// No account is in demand: the seat is leaving if any of them would be, were it not merely absent.
    fn judge_absent(&mut self, accounts: &[Account<'a>], holder: Account<'a>, seat: &'a Seat, sort: usize) -> bool {
        let own = self.put_back(holder.id);
        let linked = self.linked(holder.id);
        let absent = linked.into_iter().filter(|id| !accounts.iter().any(|it| it.id == *id && it.user.is_some()));
        let other = absent.map(|id| self.put_back(id)).find(|demand| demand.keeps());
        let by_hand = own == Demand::None(ReleaseReason::Bundled);
        let put_back = if own.keeps() || by_hand { own } else { other.unwrap_or(own) };
        self.judge_seen(seat, holder.demand, put_back, sort)
    }

    /// Everyone the accepted links say is the person of `id`.
    fn linked(&self, id: &SourceId) -> Vec<&'a SourceId> {
        let Some(person) = self.joined.get(id) else { return Vec::new() };
        self.joined.iter().filter(|(_, it)| *it == person).map(|(id, _)| *id).collect()
    }

    fn line_up_person(&mut self, accounts: &[Account<'a>], ended: Option<&Ended>, sort: usize) {
        let place = accounts.iter().filter_map(|it| it.place).min_by_key(|it| (it.since, &it.user));
        let here = || accounts.iter().filter(|it| it.user.is_some());
        let mut wanting: Vec<&Account<'a>> = here().filter(|it| it.demand.waits(it.place.is_some())).collect();
        if wanting.is_empty() && place.is_some() {
            wanting = here().filter(|it| it.demand.waits(true)).collect();
        }
        let activated = self.capacity.coverage != Coverage::NotActivated;
        let Some(first) = wanting.first().map(|it| it.id).filter(|_| activated) else {
            self.left.extend(accounts.iter().filter(|it| it.place.is_some()).map(|it| it.id));
            return;
        };
        let pinned = wanting.iter().any(|it| it.demand == Demand::Pinned);
        let demand = if pinned { Demand::Pinned } else { Demand::Wanted };
        // The last seat of the person; one that was merged into another was not the last.
        let own = accounts.iter().filter_map(|it| it.ended).filter(|it| it.reason != ReleaseReason::Merged);
        let last = own.max_by_key(|it| (it.at, it.reason.returns()));
        // The account that would have the seat first, then the others that are active.
        wanting.retain(|it| it.id == first);
        let others = accounts.iter().filter(|it| it.id != first);
        let users: Vec<&User> =
            wanting.into_iter().chain(others).filter_map(|it| it.user).filter(|user| user.active).collect();
        self.left.extend(accounts.iter().filter(|it| it.place.is_some() && it.id != first).map(|it| it.id));
        let own = accounts.iter().find(|it| it.id == first).and_then(|it| it.place);
        let ended = ended.or(last);
        let newcomer = Newcomer { accounts: &users, id: first.as_str(), demand, place, own: false, ended, sort };
        self.line_up(Newcomer { place: own.or(place), own: own.is_some(), ..newcomer });
        if let (Some(candidate), Some(place)) = (self.candidates.last_mut(), place) {
            candidate.position =
                candidate.position.filter(|_| candidate.place.is_some_and(|own| own.since == place.since));
            candidate.tier.2 = place.since;
        }
    }

    /// Puts someone in line whose seat was just taken back, as the account that would have it again.
    pub(super) fn line_up_again(&mut self, account: &SourceId, demand: Demand, ended: &Ended, sort: usize) {
        let linked = self.linked(account);
        let ids = if linked.is_empty() { vec![account] } else { linked };
        let mut users = Vec::new();
        let mut others = Vec::new();
        for (user, here) in ids.iter().filter_map(|id| self.district.user(id)) {
            let enrollments = self.district.enrollments_of(&user.id);
            let own = self.demand(Subject::new(user, &enrollments, View::Present));
            if here && own.waits(false) {
                users.push(user);
            } else if here && user.active {
                others.push(user);
            }
        }
        // Not the demand of the account that had the seat decides, but whether any of them wants one.
        if !users.is_empty() {
            users.extend(others);
            // A place that another account had until the link was accepted goes on under the seat that is taken back.
            let key = users.first().map(|user| (self.product.code.clone(), user.id.clone()));
            let place = key.and_then(|key| self.input.waiting.get(&key));
            self.left.retain(|id| place.is_none_or(|place| place.user != **id));
            let id = users.first().map_or("", |user| user.id.as_str());
            let ended = Some(ended);
            self.line_up(Newcomer { accounts: &users, id, demand, place, own: place.is_some(), ended, sort });
            if let Some(candidate) = self.candidates.last_mut() {
                candidate.tier.2 = self.input.as_of;
                candidate.position = None;
            }
        }
    }
}
