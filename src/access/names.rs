//! The ids of a district's users, a million in one block of memory.

/// Ids in ascending order of bytes, one text after the other.
#[derive(Debug, Default)]
pub(super) struct Names {
    text: String,
    /// Where each ends.
    ends: Vec<u32>,
}

impl Names {
    /// Adds an id behind all others. One that is not greater than the last, or that no longer fits, is left out: false.
    pub(super) fn push(&mut self, id: &str) -> bool {
        let after = self.ends.len().checked_sub(1).is_none_or(|last| self.at(last).is_some_and(|it| it < id));
        let Ok(end) = u32::try_from(self.text.len() + id.len()) else { return false };
        if after {
            self.text.push_str(id);
            self.ends.push(end);
        }
        after
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// One of them.
    pub(super) fn at(&self, place: usize) -> Option<&str> {
        let place_of = |end: &u32| usize::try_from(*end).ok();
        let start = match place.checked_sub(1) {
            Some(before) => self.ends.get(before).and_then(place_of)?,
            None => 0,
        };
        self.text.get(start..self.ends.get(place).and_then(place_of)?)
    }

    /// The place of an id.
    pub(super) fn find(&self, id: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.at(middle)?.cmp(id) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(middle),
            }
        }
        None
    }

    /// Gives back what was set aside for more.
    pub(super) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_went_in_is_found_and_nothing_else(ids in proptest::collection::btree_set(".{0,6}", 0..40), other in ".{0,6}") {
            let mut names = Names::default();
            for id in &ids {
                prop_assert!(names.push(id));
            }
            for (place, id) in ids.iter().enumerate() {
                prop_assert_eq!(names.find(id), Some(place));
                prop_assert_eq!(names.at(place), Some(id.as_str()));
            }
            prop_assert_eq!(names.find(&other).is_some(), ids.contains(&other));
            prop_assert_eq!(names.push(ids.last().map_or("", String::as_str)), ids.is_empty());
        }
    }
}
