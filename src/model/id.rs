//! Identifiers, one type each, so that a school cannot stand where a user belongs. A copy shares the text: a district has
//! millions of them, most of them several times.

use std::fmt;

use arcstr::ArcStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::model::schema::written;

/// Reads a text into where it stays, without a copy in between.
pub(super) struct Text;

impl de::Visitor<'_> for Text {
    type Value = ArcStr;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ArcStr, E> {
        Ok(ArcStr::from(text))
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Eq)]
        pub struct $name(ArcStr);

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                // Copies share the text, so most equal ids need not be read.
                ArcStr::ptr_eq(&self.0, &other.0) || self.0 == other.0
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                if ArcStr::ptr_eq(&self.0, &other.0) { std::cmp::Ordering::Equal } else { self.0.cmp(&other.0) }
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(ArcStr::from(text.into()))
            }

            /// The text as the source or the configuration wrote it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(ArcStr::from(text))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(ArcStr::from(text))
            }
        }

        written!($name, "id", { "type": "string" });

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Text).map(Self)
            }
        }
    };
}

text_id! {
    /// The source's own id of a roster record (Clever `id`, `OneRoster` `sourcedId`): opaque, case-sensitive, unique
    /// within its district and kind only.
    SourceId
}
impl std::hash::Hash for SourceId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl SourceId {
    /// Where the text is kept: ids of one address are equal, and others may be.
    pub(crate) fn address(&self) -> usize {
        self.0.as_str().as_ptr().addr()
    }
}

text_id! {
    /// The code of a product, from the catalog.
    ProductCode
}
text_id! {
    /// The id of a subscription, from the catalog.
    SubscriptionId
}
text_id! {
    /// A district's id in the configuration; build one from untrusted text with [`DistrictId::parse`].
    DistrictId
}
text_id! {
    /// An alert's id: a hash of its district, kind, product and school, so that it stays the same when it is raised again.
    AlertId
}
text_id! {
    /// A run's id: a ULID of its `as_of` and of a hash of (district, trigger, ordinal), so that the same history has the
    /// same ids (safety.md, Audit).
    RunId
}

/// A district id outside `a-z 0-9 -`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot be a district id: use 1 to 64 of a-z, 0-9 and -, starting with a letter or digit")]
pub struct InvalidDistrictId(String);

impl DistrictId {
    /// Checks the text against interface.md: `a-z 0-9 -`.
    pub fn parse(text: &str) -> Result<Self, InvalidDistrictId> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let fits = (1..=64).contains(&text.len()) && text.chars().all(allowed) && !text.starts_with('-');
        if fits { Ok(Self::from(text)) } else { Err(InvalidDistrictId(text.chars().take(80).collect())) }
    }
}
