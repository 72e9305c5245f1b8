//! Reading JSON as sources write it: numbers, booleans and blanks where the protocol says string, `{}` where it says
//! reference (protocols.md 1.7, 2.3). What is not asked for is dropped here.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A scalar as text; null, absent and blank are one. An object or list is an error, and so an unusable row.
pub(crate) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    from.deserialize_any(TextVisitor)
}

/// A reference by `sourcedId`, or the id itself; `{}` is none.
pub(crate) fn reference<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Reference::deserialize(from).map(|it| it.0)
}

/// References; one alone stands for a list.
pub(crate) fn references<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let refs = many::<D, Reference>(from)?;
    Ok(refs.into_iter().filter_map(|it| it.0).collect())
}

/// Words; one alone stands for a list and is split at its commas.
pub(crate) fn words<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    from.deserialize_any(WordsVisitor)
}

/// A list, or null for an empty one, or one item alone.
pub(crate) fn many<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Many<T> {
        List(Vec<Option<T>>),
        One(T),
    }
    Ok(match Option::<Many<T>>::deserialize(from)? {
        None => Vec::new(),
        Some(Many::List(list)) => list.into_iter().flatten().collect(),
        Some(Many::One(one)) => vec![one],
    })
}

/// Splits a list that came as one text: JSON, or commas.
pub(crate) fn split(cell: &str) -> Vec<String> {
    if cell.trim_start().starts_with('[')
        && let Ok(list) = serde_json::from_str::<Vec<Text>>(cell)
    {
        return list.into_iter().filter_map(|it| it.0).collect();
    }
    cell.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

/// `None` for what is only blanks.
pub(crate) fn filled(text: String) -> Option<String> {
    (!text.trim().is_empty()).then_some(text)
}

/// [`text`] as a type.
#[derive(Deserialize)]
pub(crate) struct Text(#[serde(deserialize_with = "text")] pub Option<String>);

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(filled(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(filled(text))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(number.to_string()))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Some(flag.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

struct Reference(Option<String>);

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct ReferenceVisitor;
        impl<'de> Visitor<'de> for ReferenceVisitor {
            type Value = Reference;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a reference")
            }

            fn visit_str<E>(self, id: &str) -> Result<Reference, E> {
                Ok(Reference(filled(id.to_owned())))
            }

            fn visit_u64<E>(self, id: u64) -> Result<Reference, E> {
                Ok(Reference(Some(id.to_string())))
            }

            fn visit_unit<E>(self) -> Result<Reference, E> {
                Ok(Reference(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Reference, A::Error> {
                let mut id = None;
                while let Some(key) = map.next_key::<String>()? {
                    if key == "sourcedId" {
                        id = map.next_value::<Text>()?.0;
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Reference(id))
            }
        }
        from.deserialize_any(ReferenceVisitor)
    }
}

struct WordsVisitor;

impl<'de> Visitor<'de> for WordsVisitor {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of strings")
    }

    fn visit_str<E>(self, text: &str) -> Result<Vec<String>, E> {
        Ok(split(text))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Vec<String>, E> {
        Ok(vec![number.to_string()])
    }

    fn visit_unit<E>(self) -> Result<Vec<String>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<String>, A::Error> {
        let mut words = Vec::new();
        while let Some(word) = seq.next_element::<Text>()? {
            words.extend(word.0);
        }
        Ok(words)
    }
}
