//! Who has a seat of what in one district, kept in memory as of one revision.
//!
//! Most users of a district have the same few seats. Each user is an id and the number of such a set, so that a million of
//! them take about the room of their ids.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Basis, Catalog, CountBy, Date, DistrictState, Product, ProductCode, Remembered, SourceId};

use super::names::Names;

/// The place of a product in the index.
pub(super) type Place = u16;

/// What users have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Share {
    /// Whether the roster has them.
    pub(super) here: bool,
    /// Whether a change that would bring them waits for a person.
    pub(super) held: bool,
    /// Seats.
    pub(super) seats: BTreeSet<Place>,
    /// Places in line.
    pub(super) waiting: BTreeSet<Place>,
}

/// What of a product an answer needs.
#[derive(Clone, Debug)]
pub(super) struct Offered {
    pub(super) code: ProductCode,
    pub(super) name: String,
    pub(super) basis: Basis,
    /// Whether the accounts of a person share the seat.
    pub(super) by_person: bool,
    /// Bundles that contain it.
    pub(super) bundles: Vec<Place>,
}

/// One district as of one revision.
#[derive(Debug)]
pub struct Index {
    pub(super) state: DistrictState,
    pub(super) catalog: Catalog,
    pub(super) remembered: Remembered,
    pub(super) products: Vec<Offered>,
    persons: BTreeMap<SourceId, SourceId>,
    accounts: BTreeMap<SourceId, Vec<SourceId>>,
    names: Names,
    /// The share of each name.
    of: Vec<u32>,
    shares: Vec<Share>,
    /// Users who have something and are not in the roster.
    others: BTreeMap<SourceId, u32>,
}

impl Index {
    /// The district.
    pub fn state(&self) -> &DistrictState {
        &self.state
    }

    /// The users it knows, those of the roster first.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        let here = (0..self.names.len()).filter_map(|place| self.names.at(place));
        here.chain(self.others.keys().map(SourceId::as_str))
    }

    /// The day it is in the district.
    pub fn day(&self, as_of: crate::model::Timestamp) -> Date {
        as_of.date_in(self.state.time_zone)
    }

    pub(super) fn place(&self, product: &ProductCode) -> Option<usize> {
        self.products.binary_search_by(|it| it.code.cmp(product)).ok()
    }

    fn number(&self, user: &str) -> Option<u32> {
        match self.names.find(user) {
            Some(place) => self.of.get(place).copied(),
            None => self.others.get(&SourceId::from(user)).copied(),
        }
    }

    pub(super) fn share(&self, user: &str) -> Option<&Share> {
        self.shares.get(usize::try_from(self.number(user)?).ok()?)
    }

    /// The number of a user's share, if they are not linked to other accounts.
    pub(super) fn alone(&self, user: &str) -> Option<u32> {
        if self.persons.contains_key(&SourceId::from(user)) { None } else { self.number(user) }
    }

    /// The other accounts of the same person.
    pub(super) fn linked(&self, user: &str) -> impl Iterator<Item = &str> {
        let person = self.persons.get(&SourceId::from(user));
        let accounts = person.and_then(|person| self.accounts.get(person));
        let user = user.to_owned();
        accounts.into_iter().flatten().map(SourceId::as_str).filter(move |it| *it != user)
    }
}

/// Puts an index together, row by row.
#[derive(Debug)]
pub struct Builder {
    index: Index,
    known: BTreeMap<Share, u32>,
    /// Where a share leads with one thing more.
    steps: BTreeMap<(u32, Step), u32>,
}

/// One thing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Seat(Place),
    Waits(Place),
    Held,
}

impl Builder {
    /// For a district with the contract in force, and accounts each with the one that stands for the person.
    pub fn new(
        state: DistrictState,
        catalog: Catalog,
        remembered: Remembered,
        persons: BTreeMap<SourceId, SourceId>,
    ) -> Self {
        let products: Vec<Offered> = catalog.products.values().map(|it| offered(&catalog, it)).collect();
        let mut accounts: BTreeMap<SourceId, Vec<SourceId>> = BTreeMap::new();
        for (account, person) in &persons {
            accounts.entry(person.clone()).or_default().push(account.clone());
        }
        let index = Index {
            state,
            catalog,
            remembered,
            products,
            persons,
            accounts,
            names: Names::default(),
            of: Vec::new(),
            shares: Vec::new(),
            others: BTreeMap::new(),
        };
        Self { index, known: BTreeMap::new(), steps: BTreeMap::new() }
    }

    /// A user of the roster; they come in ascending order of ids, and before everything else.
    pub fn user(&mut self, id: &str) {
        let number = self.number(Share { here: true, ..Share::default() });
        if self.index.names.push(id) {
            self.index.of.push(number);
        }
    }

    /// A seat.
    pub fn seat(&mut self, product: &ProductCode, user: &str) {
        self.add(user, product, Step::Seat);
    }

    /// A place in line.
    pub fn waits(&mut self, product: &ProductCode, user: &str) {
        self.add(user, product, Step::Waits);
    }

    /// A user whom a change would bring that waits for a person.
    pub fn held(&mut self, user: &str) {
        self.step(user, Step::Held);
    }

    /// The index.
    pub fn finish(mut self) -> Index {
        self.index.names.shrink();
        self.index.of.shrink_to_fit();
        self.index
    }

    fn add(&mut self, user: &str, product: &ProductCode, step: fn(Place) -> Step) {
        // Seats of a product that the catalog does not know give nothing.
        if let Some(place) = self.index.place(product).and_then(|it| Place::try_from(it).ok()) {
            self.step(user, step(place));
        }
    }

    fn step(&mut self, user: &str, step: Step) {
        if let Some(place) = self.index.names.find(user) {
            let before = self.index.of.get(place).copied().unwrap_or_default();
            let after = self.after(before, step);
            if let Some(number) = self.index.of.get_mut(place) {
                *number = after;
            }
            return;
        }
        let user = SourceId::from(user);
        let before = match self.index.others.get(&user) {
            Some(number) => *number,
            None => self.number(Share::default()),
        };
        let after = self.after(before, step);
        self.index.others.insert(user, after);
    }

    fn after(&mut self, before: u32, step: Step) -> u32 {
        if let Some(after) = self.steps.get(&(before, step)) {
            return *after;
        }
        let old = usize::try_from(before).ok().and_then(|it| self.index.shares.get(it));
        let mut share = old.cloned().unwrap_or_default();
        match step {
            Step::Seat(product) => drop(share.seats.insert(product)),
            Step::Waits(product) => drop(share.waiting.insert(product)),
            Step::Held => share.held = true,
        }
        let after = self.number(share);
        self.steps.insert((before, step), after);
        after
    }

    fn number(&mut self, share: Share) -> u32 {
        if let Some(number) = self.known.get(&share) {
            return *number;
        }
        // There are no more shares than users, and those fit (`Names::push`).
        let number = u32::try_from(self.index.shares.len()).unwrap_or(u32::MAX);
        self.index.shares.push(share.clone());
        self.known.insert(share, number);
        number
    }
}

fn offered(catalog: &Catalog, product: &Product) -> Offered {
    let places = catalog.products.values().zip(0..);
    let bundles = places.filter(|(it, _)| it.code != product.code && it.bundle.contains(&product.code));
    Offered {
        code: product.code.clone(),
        name: product.name.clone(),
        basis: product.basis,
        by_person: product.count_by == CountBy::Person,
        bundles: bundles.map(|(_, place)| place).collect(),
    }
}
