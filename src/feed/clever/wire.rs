//! Clever's JSON, with only the fields the rules need: no birth dates, contacts, demographics (protocols.md 1.2, 1.8).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::feed::error::{FeedError, Place};
use crate::feed::lenient::{many, text};

/// A collection page.
#[derive(Deserialize)]
pub(super) struct Page<'a> {
    #[serde(borrow)]
    pub data: Vec<Item<'a>>,
    #[serde(default, deserialize_with = "many")]
    pub links: Vec<Link>,
}

#[derive(Deserialize)]
pub(super) struct Item<'a> {
    #[serde(borrow)]
    pub data: &'a RawValue,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Link {
    #[serde(deserialize_with = "text")]
    pub rel: Option<String>,
    #[serde(deserialize_with = "text")]
    pub uri: Option<String>,
}

impl<'a> Page<'a> {
    pub(super) fn read(body: &'a [u8], place: &Place) -> Result<Self, FeedError> {
        serde_json::from_slice(body).map_err(|cause| FeedError::json(place, &cause))
    }

    pub(super) fn next(&self) -> Option<&str> {
        let next = self.links.iter().find(|it| it.rel.as_deref() == Some("next"))?;
        next.uri.as_deref()
    }
}

/// The token list.
#[derive(Deserialize)]
pub(super) struct Tokens {
    pub data: Vec<TokenRow>,
    #[serde(default, deserialize_with = "many")]
    pub links: Vec<Link>,
}

#[derive(Deserialize)]
pub(super) struct TokenRow {
    #[serde(default, deserialize_with = "text")]
    pub created: Option<String>,
    pub owner: Owner,
    #[serde(default, deserialize_with = "text")]
    pub access_token: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Owner {
    #[serde(rename = "type", default, deserialize_with = "text")]
    pub kind: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub id: Option<String>,
}

#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct District {
    #[serde(deserialize_with = "text")]
    pub id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    #[serde(deserialize_with = "text")]
    pub nces_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub state: Option<String>,
    #[serde(deserialize_with = "text")]
    pub last_sync: Option<String>,
}

/// What all objects have.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Head {
    #[serde(deserialize_with = "text")]
    pub id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub district: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct School {
    #[serde(deserialize_with = "text")]
    pub last_modified: Option<String>,
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    #[serde(deserialize_with = "text")]
    pub sis_id: Option<String>,
    #[serde(rename = "school_number", deserialize_with = "text")]
    pub number: Option<String>,
    #[serde(deserialize_with = "text")]
    pub nces_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Term {
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    #[serde(deserialize_with = "text")]
    pub start_date: Option<String>,
    #[serde(deserialize_with = "text")]
    pub end_date: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct CourseRow {
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    #[serde(deserialize_with = "text")]
    pub number: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Section {
    #[serde(deserialize_with = "text")]
    pub last_modified: Option<String>,
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    #[serde(rename = "section_number", deserialize_with = "text")]
    pub number: Option<String>,
    #[serde(deserialize_with = "text")]
    pub school: Option<String>,
    #[serde(deserialize_with = "text")]
    pub course: Option<String>,
    #[serde(deserialize_with = "text")]
    pub term_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub grade: Option<String>,
    #[serde(deserialize_with = "text")]
    pub subject: Option<String>,
    /// `None` where it is not shared at all.
    pub students: Option<Vec<String>>,
    #[serde(deserialize_with = "many")]
    pub teachers: Vec<String>,
    #[serde(deserialize_with = "text")]
    pub teacher: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct UserRow {
    #[serde(deserialize_with = "text")]
    pub last_modified: Option<String>,
    #[serde(deserialize_with = "text")]
    pub email: Option<String>,
    pub name: Option<Name>,
    pub roles: Option<BTreeMap<String, RoleRow>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Name {
    #[serde(deserialize_with = "text")]
    pub first: Option<String>,
    #[serde(deserialize_with = "text")]
    pub last: Option<String>,
}

/// One role of a user, of whichever kind.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RoleRow {
    #[serde(deserialize_with = "text")]
    pub school: Option<String>,
    #[serde(deserialize_with = "many")]
    pub schools: Vec<String>,
    #[serde(deserialize_with = "text")]
    pub sis_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub student_number: Option<String>,
    #[serde(deserialize_with = "text")]
    pub state_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub grade: Option<String>,
    pub credentials: Option<Credentials>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Credentials {
    #[serde(deserialize_with = "text")]
    pub district_username: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_cut_off_at_any_byte_is_an_error() {
        let place = Place { district: "d".to_owned(), kind: "clever", collection: "users".to_owned(), at: None };
        let body = br#"{"data":[{"data":{"id":"a"},"uri":"/v3.0/users/a"}],"links":[{"rel":"next","uri":"/x"}]}"#;
        for end in 0..body.len() {
            assert!(Page::read(&body[..end], &place).is_err(), "cut at {end}");
        }
        assert_eq!(Page::read(body, &place).unwrap().next(), Some("/x"));
    }
}
