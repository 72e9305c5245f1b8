//! What changed among many rows, without the many that did not.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::model::{ProductCode, Seat, SourceId, Waiting, sort_to_last};

use super::SeatKey;

/// A row that stands under its product and user.
pub trait Keyed {
    /// The product and the user.
    fn key(&self) -> (&ProductCode, &SourceId);
}

impl Keyed for Seat {
    fn key(&self) -> (&ProductCode, &SourceId) {
        (&self.product, &self.user)
    }
}

impl Keyed for Waiting {
    fn key(&self) -> (&ProductCode, &SourceId) {
        (&self.product, &self.user)
    }
}

/// One row that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Row<T> {
    /// As it is now.
    Put(T),
    /// There is none any more.
    Gone(SeatKey),
}

impl<T: Keyed> Row<T> {
    fn key(&self) -> (&ProductCode, &SourceId) {
        match self {
            Self::Put(row) => row.key(),
            Self::Gone((product, user)) => (product, user),
        }
    }
}

/// Seats or places that are not as they were, over the map they were in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference<T> {
    /// By key.
    rows: Vec<Row<T>>,
}

impl<T> Default for Difference<T> {
    fn default() -> Self {
        Self { rows: Vec::new() }
    }
}

impl<T: Keyed> Difference<T> {
    /// Makes room for so many more rows.
    pub(super) fn reserve(&mut self, rows: usize) {
        self.rows.reserve(rows);
    }

    /// Adds a row as it is now.
    pub(super) fn push(&mut self, row: T) {
        self.rows.push(Row::Put(row));
    }

    /// Adds that there is none any more.
    pub(super) fn push_gone(&mut self, product: &ProductCode, user: &SourceId) {
        self.rows.push(Row::Gone((product.clone(), user.clone())));
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Puts the rows from `start` on in order; the last of one key counts.
    pub(super) fn sort_from(&mut self, start: usize) {
        // Mostly they were added in order.
        if self.rows.get(start..).is_none_or(|tail| tail.is_sorted_by(|one, other| one.key() < other.key())) {
            return;
        }
        let mut tail = self.rows.split_off(start);
        sort_to_last(&mut tail, |one, other| one.key().cmp(&other.key()));
        self.rows.append(&mut tail);
    }

    /// Puts products in order, whose rows are.
    pub(super) fn sort_products(&mut self) {
        self.rows.sort_by(|one, other| one.key().0.cmp(other.key().0));
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row of `key` now, `before` being the rows as they were.
    pub fn get<'a>(&'a self, before: &'a BTreeMap<SeatKey, T>, key: &SeatKey) -> Option<&'a T> {
        match self.find(&key.0, &key.1) {
            Some(Row::Put(row)) => Some(row),
            Some(Row::Gone(_)) => None,
            None => before.get(key),
        }
    }

    /// The row of a product and user if it is new or changed.
    pub fn put_of(&self, product: &ProductCode, user: &SourceId) -> Option<&T> {
        match self.find(product, user)? {
            Row::Put(row) => Some(row),
            Row::Gone(_) => None,
        }
    }

    fn find(&self, product: &ProductCode, user: &SourceId) -> Option<&Row<T>> {
        let at = self.rows.binary_search_by(|row| row.key().cmp(&(product, user))).ok()?;
        self.rows.get(at)
    }

    /// All rows as they are now, by key, `before` being the rows as they were.
    pub fn now<'a>(&'a self, before: &'a BTreeMap<SeatKey, T>) -> impl Iterator<Item = &'a T> {
        let (mut old, mut new) = (before.iter().peekable(), self.rows.iter().peekable());
        std::iter::from_fn(move || {
            loop {
                let order = match (old.peek(), new.peek()) {
                    (Some((key, _)), Some(row)) => (&key.0, &key.1).cmp(&row.key()),
                    (Some(_), None) => Ordering::Less,
                    (None, Some(_)) => Ordering::Greater,
                    (None, None) => return None,
                };
                if order == Ordering::Less {
                    return old.next().map(|(_, row)| row);
                }
                if order == Ordering::Equal {
                    old.next();
                }
                if let Some(Row::Put(row)) = new.next() {
                    return Some(row);
                }
            }
        })
    }

    /// Keys of rows that are not as they were.
    pub fn keys(&self) -> impl Iterator<Item = SeatKey> {
        self.rows.iter().map(Row::key).map(|(product, user)| (product.clone(), user.clone()))
    }

    /// Rows that are new or changed, by key.
    pub fn put(&self) -> impl Iterator<Item = &T> {
        self.rows.iter().filter_map(|row| match row {
            Row::Put(row) => Some(row),
            Row::Gone(_) => None,
        })
    }

    /// Keys without a row any more.
    pub fn gone(&self) -> impl Iterator<Item = &SeatKey> {
        self.rows.iter().filter_map(|row| match row {
            Row::Put(_) => None,
            Row::Gone(key) => Some(key),
        })
    }
}

impl<T: Clone + Keyed> Difference<T> {
    /// All rows as they are now.
    pub fn applied_to(&self, before: &BTreeMap<SeatKey, T>) -> BTreeMap<SeatKey, T> {
        let keyed = |row: &T| {
            let (product, user) = row.key();
            ((product.clone(), user.clone()), row.clone())
        };
        self.now(before).map(keyed).collect()
    }
}
