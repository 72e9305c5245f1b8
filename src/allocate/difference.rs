//! What changed among many rows, without the many that did not.

use std::collections::BTreeMap;

use super::SeatKey;

/// Seats or places that are not as they were, over the map they were in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference<T> {
    /// By key: the row as it is now; none where there is none any more.
    rows: Vec<(SeatKey, Option<T>)>,
}

impl<T> Default for Difference<T> {
    fn default() -> Self {
        Self { rows: Vec::new() }
    }
}

impl<T> Difference<T> {
    /// Of rows in any order; the last of one key counts.
    pub(super) fn new(mut rows: Vec<(SeatKey, Option<T>)>) -> Self {
        rows.sort_by(|(one, _), (other, _)| one.cmp(other));
        rows.dedup_by(|later, earlier| {
            let again = later.0 == earlier.0;
            if again {
                earlier.1 = later.1.take();
            }
            again
        });
        Self { rows }
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row of `key` now, `before` being the rows as they were.
    pub fn get<'a>(&'a self, before: &'a BTreeMap<SeatKey, T>, key: &SeatKey) -> Option<&'a T> {
        match self.rows.binary_search_by(|(known, _)| known.cmp(key)) {
            Ok(at) => self.rows.get(at).and_then(|(_, row)| row.as_ref()),
            Err(_) => before.get(key),
        }
    }

    /// Rows that are new or changed, by key.
    pub fn put(&self) -> impl Iterator<Item = &T> {
        self.rows.iter().filter_map(|(_, row)| row.as_ref())
    }

    /// Keys without a row any more.
    pub fn gone(&self) -> impl Iterator<Item = &SeatKey> {
        self.rows.iter().filter(|(_, row)| row.is_none()).map(|(key, _)| key)
    }
}

impl<T: Clone> Difference<T> {
    /// All rows as they are now.
    pub fn applied_to(&self, before: &BTreeMap<SeatKey, T>) -> BTreeMap<SeatKey, T> {
        let mut all = before.clone();
        for (key, row) in &self.rows {
            match row {
                Some(row) => all.insert(key.clone(), row.clone()),
                None => all.remove(key),
            };
        }
        all
    }
}
