//! The users, classes and enrollments of a district as one value, so that a night that changes a few of a million need not read
//! them one by one: an enrollment takes six bytes instead of a row and a text. What is there is named by its place among the
//! records of the same state, so an image means nothing without the schools, courses and sessions beside it.
//!
//! Users come first, then classes, then enrollments, which name both. Of each kind there is first what cannot be told by a place,
//! as JSON: ids that no record has, words, spans of days. Numbers are LEB128.

mod classes;
mod codec;
mod enrollments;
mod users;

use std::collections::BTreeMap;

use crate::model::{Class, Enrollments, Roster, SourceId, User, View};

/// What an image shows.
#[derive(Debug, PartialEq)]
pub(super) struct Pictured {
    pub(super) users: BTreeMap<SourceId, User>,
    pub(super) classes: BTreeMap<SourceId, Class>,
    pub(super) enrollments: Enrollments,
}

/// Adds the image of the users, classes and enrollments of `roster`.
pub(super) fn write(image: &mut Vec<u8>, roster: View<'_>) -> Result<(), serde_json::Error> {
    users::write(image, roster)?;
    classes::write(image, roster)?;
    enrollments::write(image, roster)
}

/// Reads [`write()`] beside the other records of the same state; none of what it cannot have written.
pub(super) fn read(mut image: &[u8], roster: &Roster) -> Option<Pictured> {
    let users = users::read(&mut image, roster)?;
    let classes = classes::read(&mut image, roster)?;
    let enrollments = enrollments::read(image, &roster.schools, &users, &classes)?;
    Some(Pictured { users, classes, enrollments })
}

#[cfg(test)]
mod tests;
