//! What changed among many rows, without the many that did not.

use std::collections::BTreeMap;

use crate::model::{ProductCode, Seat, SourceId, Waiting};

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
        tail.sort_by(|one, other| one.key().cmp(&other.key()));
        tail.dedup_by(|later, earlier| {
            let again = later.key() == earlier.key();
            if again {
                std::mem::swap(later, earlier);
            }
            again
        });
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
        match self.rows.binary_search_by(|row| row.key().cmp(&(&key.0, &key.1))) {
            Ok(at) => match self.rows.get(at)? {
                Row::Put(row) => Some(row),
                Row::Gone(_) => None,
            },
            Err(_) => before.get(key),
        }
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
        if before.is_empty() {
            return self.put().map(keyed).collect();
        }
        let mut all = before.clone();
        for row in &self.rows {
            match row {
                Row::Put(row) => all.extend([keyed(row)]),
                Row::Gone(key) => {
                    all.remove(key);
                }
            }
        }
        all
    }
}
