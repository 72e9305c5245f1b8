//! A district as it would be, and what the engine makes of it for one product.

use std::collections::{BTreeMap, BTreeSet};

use crate::allocate::{Input, SeatKey, allocate};
use crate::identity;
use crate::model::{
    Baseline, Catalog, EducatorAccess, LinkDecision, Overage, Override, OverrideKind, Pool, Product, ProductCode,
    Roster, Seats, SourceId, Subscription, SubscriptionId, SubscriptionStatus, Timestamp,
};

/// Something that could be changed.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// Seats from one allotment to another of a subscription; schools as the allotments name them.
    Move {
        /// The subscription.
        subscription: SubscriptionId,
        /// The allotment they are taken from.
        from: String,
        /// The school they go to.
        to: String,
        /// How many.
        seats: u32,
    },
    /// An educator OFF.
    Off(SourceId),
    /// A class archived in the source.
    Archive(SourceId),
    /// Users excluded.
    Exclude(Vec<SourceId>),
    /// A link accepted.
    Link(Box<LinkDecision>),
    /// Seats bought.
    Buy(u64),
}

/// What a change does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Effect {
    /// Seats that end by it.
    pub(super) frees: u64,
    /// Users waiting who get one.
    pub(super) seats: u64,
}

/// Who has a seat and who waits once everything is allocated.
#[derive(Debug, Default)]
struct Standing {
    seated: BTreeSet<SourceId>,
    waiting: BTreeSet<SourceId>,
}

/// One product of a district, to try changes on. The roster is copied once, and a change on it taken back.
pub(super) struct Trial<'a> {
    pub(super) baseline: &'a Baseline,
    pub(super) as_of: Timestamp,
    pub(super) product: &'a Product,
    pub(super) by_hand: bool,
    /// Whether seats of other pools count, too.
    pub(super) every_pool: bool,
    catalog: Catalog,
    roster: Roster,
    bridged: BTreeSet<SeatKey>,
    held: BTreeSet<SourceId>,
    unchanged: Standing,
}

impl<'a> Trial<'a> {
    /// Of a product of the catalog.
    pub(super) fn new(baseline: &'a Baseline, as_of: Timestamp, code: &ProductCode, by_hand: bool) -> Option<Self> {
        let product = baseline.catalog.products.get(code)?;
        let concerns = |it: &Product| it.code == *code || it.bundle.contains(code);
        let products = baseline.catalog.products.iter().filter(|(_, it)| concerns(it));
        let catalog = Catalog {
            products: products.map(|(code, it)| (code.clone(), it.clone())).collect(),
            subscriptions: baseline.catalog.subscriptions.clone(),
        };
        let held = baseline.waiting_changes().filter_map(|change| match change.kind {
            crate::model::Kind::Users => Some(SourceId::new(change.id.as_str())),
            crate::model::Kind::Enrollments => {
                serde_json::from_str::<(String, String, String)>(&change.id).ok().map(|(user, ..)| user.into())
            }
            _ => None,
        });
        let mut it = Self {
            baseline,
            as_of,
            product,
            by_hand,
            every_pool: false,
            catalog,
            roster: baseline.roster.clone(),
            bridged: baseline.seats.iter().filter(|(_, seat)| seat.bridged).map(|(key, _)| key.clone()).collect(),
            held: held.collect(),
            unchanged: Standing::default(),
        };
        it.unchanged = it.standing(it.input());
        Some(it)
    }

    fn input(&self) -> Input<'_> {
        Input {
            roster: (&self.roster).into(),
            catalog: &self.catalog,
            bridged: &self.bridged,
            held_users: &self.held,
            ..Input::of(self.baseline, self.as_of)
        }
    }

    fn standing(&self, input: Input<'_>) -> Standing {
        let code = &self.product.code;
        let outcome = allocate(input);
        let seats = outcome.seats.applied_to(&of_product(&self.baseline.seats, code));
        let waiting = outcome.waiting.applied_to(&of_product(&self.baseline.waiting, code));
        let users = |keys: Vec<SeatKey>| keys.into_iter().filter(|(it, _)| it == code).map(|(_, user)| user).collect();
        let seated = seats.into_iter().filter(|(_, seat)| !seat.bridged).map(|(key, _)| key).collect();
        Standing { seated: users(seated), waiting: users(waiting.into_keys().collect()) }
    }

    /// What `change` does, by the engine.
    pub(super) fn effect(&mut self, change: &Change) -> Effect {
        let after = match change {
            Change::Move { .. } | Change::Buy(_) => {
                let mut catalog = self.catalog.clone();
                self.change_catalog(&mut catalog, change);
                self.standing(Input { catalog: &catalog, ..self.input() })
            }
            Change::Off(educator) => {
                let mut accesses = self.baseline.educator_access.clone();
                let (product, educator) = (self.product.code.clone(), educator.clone());
                let off = EducatorAccess { product: product.clone(), educator: educator.clone(), on: false };
                accesses.insert((product, educator), off);
                self.standing(Input { educator_access: &accesses, ..self.input() })
            }
            Change::Archive(class) => {
                let archived = self.roster.classes.remove(class);
                let after = self.standing(self.input());
                self.roster.classes.extend(archived.map(|it| (class.clone(), it)));
                after
            }
            Change::Exclude(users) => {
                let mut overrides = self.baseline.overrides.clone();
                overrides.extend(users.iter().map(|user| self.exclude(user)));
                self.standing(Input { overrides: &overrides, ..self.input() })
            }
            Change::Link(link) => {
                let mut decisions = self.baseline.identity.clone();
                decisions.insert(link.id.clone(), (**link).clone());
                let mut persons = self.baseline.persons.clone();
                persons.extend(identity::persons(&decisions));
                self.standing(Input { persons: &persons, ..self.input() })
            }
        };
        let count = |it: usize| u64::try_from(it).unwrap_or(u64::MAX);
        Effect {
            frees: count(self.unchanged.seated.difference(&after.seated).count()),
            seats: count(self.unchanged.waiting.intersection(&after.seated).count()),
        }
    }

    fn exclude(&self, user: &SourceId) -> (SeatKey, Override) {
        let it = Override {
            product: self.product.code.clone(),
            user: user.clone(),
            kind: OverrideKind::Exclude,
            actor: String::new(),
            reason: String::new(),
            until: None,
        };
        ((it.product.clone(), it.user.clone()), it)
    }

    fn change_catalog(&self, catalog: &mut Catalog, change: &Change) {
        match change {
            Change::Move { subscription, from, to, seats } => {
                let Some(it) = catalog.subscriptions.get_mut(subscription) else { return };
                for allotment in &mut it.allotments {
                    if let Seats::Count(present) = &mut allotment.seats {
                        if allotment.school == *from {
                            *present = present.saturating_sub(*seats);
                        } else if allotment.school == *to {
                            *present = present.saturating_add(*seats);
                        }
                    }
                }
            }
            Change::Buy(more) => {
                let today = self.as_of.date_in(self.baseline.state.time_zone);
                let active = |it: &&Subscription| {
                    let own = it.product == self.product.code && it.district == self.baseline.state.id;
                    own && it.status == SubscriptionStatus::Active && it.starts_on <= today && today <= it.expires_on
                };
                // A purchase of its own within the running period (S4.41), for the district's pool.
                let bought = catalog.subscriptions.values().filter(active).max_by_key(|it| it.expires_on).map(|it| {
                    let seats = Seats::Count(u32::try_from(*more).unwrap_or(u32::MAX));
                    let id = SubscriptionId::new(format!("{}+", it.id));
                    let allotments = Vec::new();
                    Subscription { id, seats, allotments, renews: None, overage: Overage::Block, ..it.clone() }
                });
                catalog.subscriptions.extend(bought.map(|it| (it.id.clone(), it)));
            }
            Change::Off(_) | Change::Archive(_) | Change::Exclude(_) | Change::Link(_) => {}
        }
    }

    /// Users who have a seat of the pool or of the district's, and those who wait for it; each with whether they have one.
    pub(super) fn concerned(&self, pool: &Pool) -> BTreeMap<&'a SourceId, bool> {
        let code = &self.product.code;
        let mut users = BTreeMap::new();
        for ((product, user), seat) in &self.baseline.seats {
            if product == code
                && !seat.bridged
                && (self.every_pool || seat.pool == *pool || seat.pool == Pool::District)
            {
                users.insert(user, true);
            }
        }
        for ((product, user), place) in &self.baseline.waiting {
            if product == code && (self.every_pool || place.short_of == *pool) {
                users.insert(user, false);
            }
        }
        users
    }
}

fn of_product<T: Clone>(all: &BTreeMap<SeatKey, T>, code: &ProductCode) -> BTreeMap<SeatKey, T> {
    all.iter().filter(|((product, _), _)| product == code).map(|(key, it)| (key.clone(), it.clone())).collect()
}
