//! Rows that are made when they are written: a first load has millions of them, and a row is many times what it is made from.

use std::borrow::Cow;
use std::sync::Arc;

/// Makes the row of a place.
type Make<'a, T> = Arc<dyn Fn(usize) -> Result<T, serde_json::Error> + Send + Sync + 'a>;

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
    /// So many rows, each made when its turn comes. They hold the place after those that are there.
    pub fn later(&mut self, rows: usize, make: impl Fn(usize) -> Result<T, serde_json::Error> + Send + Sync + 'a) {
        self.parts.push(Part::Later(rows, Arc::new(make)));
    }

    /// Adds a row.
    pub fn push(&mut self, row: T) {
        self.extend([row]);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        let len = |part: &Part<'_, T>| match part {
            Part::Made(rows) => rows.len(),
            Part::Later(rows, _) => *rows,
        };
        self.parts.iter().map(len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Clone> Rows<'_, T> {
    /// All of them, made a batch at a time.
    pub(super) fn batches(&self, size: usize) -> impl Iterator<Item = Result<Cow<'_, [T]>, serde_json::Error>> {
        let of_part = move |part: &'_ Part<'_, T>| {
            let len = match part {
                Part::Made(rows) => rows.len(),
                Part::Later(rows, _) => *rows,
            };
            (0..len).step_by(size).map(move |from| (from, (from + size).min(len)))
        };
        let spans = move |part| of_part(part).map(move |span| (part, span));
        self.parts.iter().flat_map(spans).map(|(part, (from, until))| match part {
            Part::Made(rows) => Ok(Cow::Borrowed(rows.get(from..until).unwrap_or_default())),
            Part::Later(_, make) => {
                (from..until).map(|place| make(place)).collect::<Result<Vec<_>, _>>().map(Cow::Owned)
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_in_their_order_whether_they_are_made_or_not() {
        let mut rows: Rows<'_, usize> = vec![0, 1].into();
        rows.push(2);
        rows.later(4, |place| Ok(place + 3));
        rows.later(0, |_| Ok(99));
        rows.extend([7, 8]);
        assert_eq!((rows.len(), rows.is_empty()), (9, false));
        assert_eq!(rows.made().unwrap(), (0..9).collect::<Vec<_>>());
        let sizes: Vec<usize> = rows.batches(3).map(|it| it.unwrap().len()).collect();
        assert_eq!(sizes, [3, 3, 1, 2]);
        let torn = || serde_json::from_str::<u8>("torn").unwrap_err();
        rows.later(1, move |_| Err(torn()));
        assert!(rows.made().is_err());
    }
}
