//! Rows that are made when they are written, or written where they stand: a first load has millions of them, and a row is many
//! times what it is made from.

use std::borrow::Cow;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Makes the rows of some places.
type Make<'a, T> = Arc<dyn Fn(Range<usize>) -> Result<Vec<T>, serde_json::Error> + Send + Sync + 'a>;

/// Rows in their order, some of which are not made yet.
#[derive(Clone)]
pub struct Rows<'a, T> {
    parts: Vec<Part<'a, T>>,
}

#[derive(Clone)]
enum Part<'a, T> {
    Made(Vec<T>),
    Later(usize, Make<'a, T>),
}

impl<T> Part<'_, T> {
    fn len(&self) -> usize {
        match self {
            Self::Made(rows) => rows.len(),
            Self::Later(rows, _) => *rows,
        }
    }
}

impl<T> Default for Rows<'_, T> {
    fn default() -> Self {
        Self { parts: Vec::new() }
    }
}

impl<T> std::fmt::Debug for Rows<'_, T> {
    /// Rows hold names.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> From<Vec<T>> for Rows<'_, T> {
    fn from(rows: Vec<T>) -> Self {
        Self { parts: vec![Part::Made(rows)] }
    }
}

impl<T> FromIterator<T> for Rows<'_, T> {
    fn from_iter<I: IntoIterator<Item = T>>(rows: I) -> Self {
        rows.into_iter().collect::<Vec<_>>().into()
    }
}

impl<T> Extend<T> for Rows<'_, T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, rows: I) {
        if let Some(Part::Made(made)) = self.parts.last_mut() {
            made.extend(rows);
        } else {
            self.parts.push(Part::Made(rows.into_iter().collect()));
        }
    }
}

impl<'a, T> Rows<'a, T> {
    /// A row of each of `from`, made when its turn comes. They stand after those that are there.
    pub fn later<F>(
        &mut self,
        from: impl AsRef<[F]> + Send + Sync + 'a,
        make: impl Fn(&F) -> Result<T, serde_json::Error> + Send + Sync + 'a,
    ) {
        let rows = from.as_ref().len();
        let make = move |places| from.as_ref().get::<Range<usize>>(places).into_iter().flatten().map(&make).collect();
        self.parts.push(Part::Later(rows, Arc::new(make)));
    }

    /// Adds a row.
    pub fn push(&mut self, row: T) {
        self.extend([row]);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Part::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Clone> Rows<'_, T> {
    /// All of them, made a batch at a time.
    pub(super) fn batches(&self, size: usize) -> impl Iterator<Item = Result<Cow<'_, [T]>, serde_json::Error>> {
        self.parts.iter().flat_map(move |part| {
            (0..part.len()).step_by(size).map(move |from| {
                let places = from..(from + size).min(part.len());
                match part {
                    Part::Made(rows) => Ok(Cow::Borrowed(rows.get(places).unwrap_or_default())),
                    Part::Later(_, make) => make(places).map(Cow::Owned),
                }
            })
        })
    }

    /// All of them at once, for whoever compares them with what was written.
    pub fn made(&self) -> Result<Vec<T>, serde_json::Error> {
        let mut all = Vec::with_capacity(self.len());
        for batch in self.batches(self.len().max(1)) {
            all.extend(batch?.into_owned());
        }
        Ok(all)
    }
}

/// A row to be written: lent from where it was found, or made for the write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lent<'a, T> {
    /// Where it was found.
    There(&'a T),
    /// Made.
    Made(Box<T>),
}

impl<T> Deref for Lent<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::There(row) => row,
            Self::Made(row) => row,
        }
    }
}

impl<T> From<T> for Lent<'_, T> {
    fn from(row: T) -> Self {
        Self::Made(Box::new(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_in_their_order_whether_they_are_made_or_not() {
        let mut rows: Rows<'_, usize> = vec![0, 1].into();
        rows.push(2);
        rows.later([3, 4, 5, 6], |row| Ok(*row));
        rows.later([], |row| Ok(*row));
        rows.extend([7, 8]);
        assert_eq!((rows.len(), rows.is_empty()), (9, false));
        assert_eq!(rows.made().unwrap(), (0..9).collect::<Vec<_>>());
        let sizes: Vec<usize> = rows.batches(3).map(|it| it.unwrap().len()).collect();
        assert_eq!(sizes, [3, 3, 1, 2]);
        let torn = || serde_json::from_str::<u8>("torn").unwrap_err();
        rows.later([9], move |_| Err(torn()));
        assert!(rows.made().is_err());
    }

    #[test]
    fn a_row_is_the_same_whether_it_is_lent_or_made() {
        let found = "row".to_owned();
        let (lent, made) = (Lent::There(&found), Lent::<String>::from("row".to_owned()));
        assert_eq!(*lent, *made);
        assert!(std::ptr::eq::<String>(&raw const *lent.clone(), &raw const found), "nothing is copied");
    }
}
