//! Seats and places in line as their entries tell them.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::audit::Entry;
use crate::model::{Date, ProductCode, RunId, Timestamp};

/// A seat, all that the audit tells of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoldedSeat {
    /// The pool, as [`Fold::pool_name`](super::Fold::pool_name) has it.
    pub pool: String,
    /// Since when.
    pub since: Timestamp,
    /// First use.
    pub claimed_at: Option<Timestamp>,
    /// Since when its demand is merely absent.
    pub leaving: Option<Date>,
    /// Whether a held change would end it.
    pub bridged: bool,
}

/// A place in line, all that the audit tells of it but the position, which is its place in [`Line`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoldedPlace {
    /// Since when.
    pub since: Timestamp,
    /// The first pool, as [`Fold::pool_name`](super::Fold::pool_name) has it.
    pub short_of: String,
}

/// A field of what an entry tells.
pub(super) fn field<T: DeserializeOwned>(fields: Option<&Value>, name: &str) -> Option<T> {
    serde_json::from_value(fields?.get(name)?.clone()).ok()
}

/// The line for one product. Entries name the position of those who join or change place; the others keep their order. What
/// one run writes counts as one step, because its positions are those after all of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    order: Vec<String>,
    /// The run whose entries are being read.
    run: Option<RunId>,
    out: BTreeSet<String>,
    joining: BTreeMap<u32, String>,
}

impl Line {
    /// Begins the step of another run.
    fn step(&mut self, run: Option<&RunId>) {
        if self.run.as_ref() != run {
            self.order = std::mem::take(self).into_order();
            self.run = run.cloned();
        }
    }

    /// `user` leaves.
    pub(super) fn leave(&mut self, run: Option<&RunId>, user: &str) {
        self.step(run);
        self.joining.retain(|_, other| other != user);
        self.out.insert(user.to_owned());
    }

    /// `user` stands at `position` once the run's entries are all read.
    pub(super) fn stand(&mut self, run: Option<&RunId>, user: &str, position: u32) {
        self.leave(run, user);
        self.joining.insert(position, user.to_owned());
    }

    /// Who waits, first come first.
    pub(super) fn into_order(self) -> Vec<String> {
        let Self { order, out, joining, run: _ } = self;
        let mut stay = order.into_iter().filter(|user| !out.contains(user));
        let mut all: Vec<String> = Vec::new();
        for (position, user) in joining {
            let ahead = usize::try_from(position).unwrap_or(usize::MAX).saturating_sub(1);
            let missing = ahead.saturating_sub(all.len());
            all.extend(stay.by_ref().take(missing));
            all.push(user);
        }
        all.extend(stay);
        all
    }
}

/// Everyone of one product who waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Waitlist {
    pub(super) places: BTreeMap<String, FoldedPlace>,
    pub(super) line: Line,
}

/// What an entry does to seats and places; false if it cannot follow from what there was.
pub(super) struct Desk<'a> {
    pub(super) seats: &'a mut BTreeMap<(ProductCode, String), FoldedSeat>,
    pub(super) waiting: &'a mut BTreeMap<ProductCode, Waitlist>,
}

/// One entry about a seat or place, with the ids in it named as the fold names them.
pub(super) struct Told<'a> {
    pub(super) entry: &'a Entry,
    pub(super) product: ProductCode,
    pub(super) user: String,
    /// `pool` or `short_of` after.
    pub(super) pool: Option<String>,
    /// The account a seat passes to.
    pub(super) account: Option<String>,
}

impl Desk<'_> {
    pub(super) fn push(self, verb: &str, told: Told<'_>) -> bool {
        let Told { entry, product, user, pool, account } = told;
        let after = entry.after.as_ref();
        let since = field(after, "since");
        match verb {
            "waiting" | "waiting_moved" | "waiting_ended" => {
                let list = self.waiting.entry(product).or_default();
                let before = list.places.remove(&user);
                if verb == "waiting_ended" {
                    list.line.leave(entry.run.as_ref(), &user);
                    return before.is_some();
                }
                if let Some(position) = field(after, "position") {
                    list.line.stand(entry.run.as_ref(), &user, position);
                }
                let known = before.as_ref();
                let place = FoldedPlace {
                    since: since.or(known.map(|it| it.since)).unwrap_or(entry.at),
                    short_of: pool.or(known.map(|it| it.short_of.clone())).unwrap_or_default(),
                };
                list.places.insert(user, place);
                before.is_some() == (verb == "waiting_moved")
            }
            "granted" => {
                let Some(pool) = pool else { return false };
                let claimed_at = field(after, "claimed_at");
                let since = since.unwrap_or(entry.at);
                let seat = FoldedSeat { pool, since, claimed_at, leaving: None, bridged: false };
                self.seats.insert((product, user), seat).is_none()
            }
            "moved" => {
                let Some(pool) = pool else { return false };
                let Some(seat) = self.seats.remove(&(product.clone(), user.clone())) else { return false };
                // Between accounts of one person the seat leaves this account for the one named.
                let key = (product, account.unwrap_or(user));
                self.seats.insert(key, FoldedSeat { pool, ..seat }).is_none()
            }
            "released" => self.seats.remove(&(product, user)).is_some(),
            _ => {
                let Some(seat) = self.seats.get_mut(&(product, user)) else { return false };
                match verb {
                    "claimed" => seat.claimed_at = field(after, "claimed_at"),
                    "leaving" => seat.leaving = field(after, "since"),
                    "stayed" => seat.leaving = None,
                    "bridged" => seat.bridged = true,
                    "unbridged" => seat.bridged = false,
                    _ => {}
                }
                true
            }
        }
    }
}
