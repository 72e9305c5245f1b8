//! A page: the one list in it, under whatever key (protocols.md 2.2).

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::feed::error::{FeedError, Place};

/// The rows of a page, unparsed. `{}` is a page without rows; an object that says anything but a list is an error.
pub(crate) fn rows<'a>(body: &'a [u8], key: &str, place: &Place) -> Result<Vec<&'a RawValue>, FeedError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let envelope: Envelope<'a> = serde_json::from_slice(body).map_err(|cause| FeedError::json(place, &cause))?;
    let shape = |problem: &str| FeedError::Shape { place: place.clone(), problem: problem.to_owned() };
    let mut lists: Vec<_> = envelope.0.iter().filter(|(_, value)| value.get().starts_with('[')).collect();
    if lists.iter().any(|(name, _)| name == key) {
        lists.retain(|(name, _)| name == key);
    }
    let empty = envelope.0.iter().all(|(name, value)| name == key && value.get() == "null");
    match lists.as_slice() {
        [] if empty => Ok(Vec::new()),
        [] => Err(shape("the answer holds no list of records (an error with status 200?)")),
        [(_, list)] => serde_json::from_str(list.get()).map_err(|cause| FeedError::json(place, &cause)),
        _ => Err(shape("the answer holds several lists, and none under the collection's name")),
    }
}

struct Envelope<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Envelope<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Envelope<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a list of records")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry::<String, &'de RawValue>()? {
                    fields.push(field);
                }
                Ok(Envelope(fields))
            }
        }
        from.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { district: "d".to_owned(), kind: "oneroster", collection: "users".to_owned(), at: None }
    }

    fn count(body: &str) -> Result<usize, FeedError> {
        rows(body.as_bytes(), "users", &place()).map(|it| it.len())
    }

    #[test]
    fn a_single_list_counts_under_any_key_and_an_empty_object_is_an_empty_page() {
        assert_eq!(count(r#"{"users":[{},{}]}"#).unwrap(), 2);
        assert_eq!(count(r#"{"students":[{}],"count":1}"#).unwrap(), 1);
        assert_eq!(count(r#"{"warnings":[],"users":[{}]}"#).unwrap(), 1);
        assert_eq!(count("\u{feff}{}").unwrap(), 0);
        assert_eq!(count(r#"{"users":null}"#).unwrap(), 0);
    }

    #[test]
    fn an_answer_that_says_something_else_is_not_an_empty_page() {
        for body in [
            r#"{"imsx_codeMajor":"failure"}"#,
            r#"{"statusInfoSet":{},"error_id":"1"}"#,
            "null",
            "[]",
            r#""users""#,
            "",
            r#"{"a":[],"b":[]}"#,
            r#"{"users":[],"users":[]}"#,
        ] {
            assert!(count(body).is_err(), "{body}");
        }
    }

    #[test]
    fn a_page_cut_off_at_any_byte_is_an_error() {
        let body = r#"{"users":[{"sourcedId":"a","orgs":[{"sourcedId":"é"}]},{"sourcedId":"b"}]}"#;
        for end in 0..body.len() {
            assert!(rows(&body.as_bytes()[..end], "users", &place()).is_err(), "cut at {end}");
        }
        assert_eq!(count(body).unwrap(), 2);
    }
}
