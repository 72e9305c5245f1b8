//! Ids that come again and again: their texts are kept once, and they are told apart by where these are.

use std::hash::{BuildHasherDefault, Hasher};

use crate::model::SourceId;

/// Ids of which each text is kept once: a district writes a user's six times in its enrollments alone.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    #[expect(clippy::disallowed_types, reason = "looked up and never walked, so no order can come of it")]
    known: std::collections::HashSet<SourceId>,
}

impl FromIterator<SourceId> for Texts {
    fn from_iter<I: IntoIterator<Item = SourceId>>(ids: I) -> Self {
        Self { known: ids.into_iter().collect() }
    }
}

impl Texts {
    /// Has ids share the texts of those that are equal and came before.
    pub(crate) fn share<'a>(&mut self, ids: impl IntoIterator<Item = &'a mut SourceId>) {
        for id in ids {
            match self.known.get(id) {
                Some(equal) => *id = equal.clone(),
                None => drop(self.known.insert(id.clone())),
            }
        }
    }
}

/// Addresses noted at most: where no text is shared there is one for each time an id is written.
const MOST: usize = 1 << 17;

/// Numbers of ids. The store has records share the text of an id, so its address names it; an id whose text is not shared is
/// looked up by its letters.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    #[expect(clippy::disallowed_types, reason = "looked up and never walked, so no order can come of it")]
    numbers: std::collections::HashMap<usize, usize, BuildHasherDefault<Spread>>,
}

impl Shared {
    /// The number of `id`, as noted or as `by_letters` finds it.
    pub(crate) fn number(&mut self, id: &SourceId, by_letters: impl FnOnce() -> Option<usize>) -> Option<usize> {
        if let Some(number) = self.numbers.get(&id.address()) {
            return Some(*number);
        }
        let number = by_letters()?;
        if self.numbers.len() < MOST {
            self.numbers.insert(id.address(), number);
        }
        Some(number)
    }
}

/// Spreads addresses over all bits; nobody outside chooses them.
#[derive(Debug, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(u64::try_from(value).unwrap_or_default());
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0 ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ids_are_kept_once() {
        let mut texts = Texts::default();
        let mut ids = ["u1", "u2", "u1", "u1"].map(SourceId::from);
        texts.share(&mut ids);
        assert_eq!(ids, ["u1", "u2", "u1", "u1"].map(SourceId::from));
        let addresses = ids.map(|it| it.address());
        assert!(addresses[0] != addresses[1] && addresses[2..] == [addresses[0]; 2]);
    }
}
