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

    /// Wraps texts, which are kept in one.
    pub fn together<const N: usize>(texts: [Option<String>; N]) -> [Option<Self>; N] {
        let whole: ArcStr = texts.iter().flatten().map(String::as_str).collect::<String>().into();
        let mut begin = 0;
        texts.map(|text| {
            let end = begin + text?.len();
            let part = Self::part(&whole, begin..end);
            begin = end;
            part
        })
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

#[cfg(test)]
mod tests {
    use super::Personal;

    #[test]
    fn texts_that_are_kept_together_are_what_they_were() {
        let texts = [Some("Zoë"), None, Some(""), Some("zoe@example.org")].map(|it| it.map(str::to_owned));
        let kept = Personal::together(texts.clone());
        assert_eq!(kept.map(|it| it.map(|it| it.reveal().to_owned())), texts);
        assert_eq!(Personal::together([None, None]), [None, None]);
    }
}
