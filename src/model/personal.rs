//! What must never reach a log, an error, a metric or the audit table.

use std::fmt;
use std::ops::Range;

use arcstr::{ArcStr, Substr};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::id::Text;

/// A name, email, user name or student number. `Debug` hides it and there is no `Display`: whoever shows one says
/// [`Personal::reveal`], which is easy to search for (safety.md, People's data).
///
/// Many of them may be parts of one text, which is kept as long as one of them is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Personal(Substr);

impl Personal {
    /// Wraps the text as it came.
    pub fn new(text: impl Into<ArcStr>) -> Self {
        Self(Substr::full(text.into()))
    }

    /// A part of a text, by its bytes; none where it has no such part.
    pub fn part(text: &ArcStr, place: Range<usize>) -> Option<Self> {
        text.get(place.clone()).map(|_| Self(text.substr(place)))
    }

    /// The text itself: for the store, for `roster` and `find`, and for comparing.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Serialize for Personal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.reveal())
    }
}

impl<'de> Deserialize<'de> for Personal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text).map(|text| Self(Substr::full(text)))
    }
}

impl fmt::Debug for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<personal>")
    }
}
