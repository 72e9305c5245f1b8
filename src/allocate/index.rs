//! Places in lists, in four bytes: there are millions of them, and what is read for each user should be small.

use std::num::NonZeroU32;

/// A place in a list of fewer than four billion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Index(NonZeroU32);

impl Index {
    /// That of `place`; one too large is no place of any list.
    pub(super) fn of(place: usize) -> Self {
        let number = u32::try_from(place).unwrap_or(u32::MAX).saturating_add(1);
        Self(NonZeroU32::new(number).unwrap_or(NonZeroU32::MAX))
    }

    /// The place.
    pub(super) fn get(self) -> usize {
        usize::try_from(self.0.get() - 1).unwrap_or(usize::MAX)
    }
}
