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

use serde::{Deserialize, Serialize};

use crate::model::{
    Class, Enrollment, EnrollmentKey, Enrollments, RoleName, Roster, RosterRecord, SourceId, User, View,
};
use crate::store::bytes::{put_part, take_part};

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

/// What is gone after a night; of an enrollment the user, the class and the role.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Gone {
    users: Vec<SourceId>,
    classes: Vec<SourceId>,
    enrollments: Vec<(SourceId, SourceId, RoleName)>,
}

/// What a night made of the records that an image shows.
#[derive(Debug, PartialEq)]
pub(super) struct Night {
    gone: Gone,
    put: Pictured,
}

/// Adds the image of what is other in `roster` than below: what is gone, then what is new or changed. `frame` are the orgs,
/// sessions and courses of both.
pub(super) fn write_night(image: &mut Vec<u8>, roster: View<'_>, frame: &Roster) -> Result<(), serde_json::Error> {
    let gone = Gone {
        users: roster.users().gone().collect(),
        classes: roster.classes().gone().collect(),
        enrollments: roster.enrollments().gone().map(|it| (it.user, it.class, it.role)).collect(),
    };
    put_part(image, &serde_json::to_vec(&gone)?);
    write(image, View::new(frame, roster.over()))
}

/// Reads [`write_night()`] beside the same records.
pub(super) fn read_night(mut image: &[u8], frame: &Roster) -> Option<Night> {
    let gone = serde_json::from_slice(take_part(&mut image)?).ok()?;
    Some(Night { gone, put: read(image, frame)? })
}

impl Pictured {
    /// After these nights, one after the other.
    pub(super) fn after(mut self, nights: impl IntoIterator<Item = Night>) -> Self {
        let mut over: BTreeMap<EnrollmentKey, Option<Enrollment>> = BTreeMap::new();
        for Night { gone, put } in nights {
            gone.users.iter().for_each(|id| drop(self.users.remove(id)));
            gone.classes.iter().for_each(|id| drop(self.classes.remove(id)));
            let keys = gone.enrollments.into_iter().map(|(user, class, role)| EnrollmentKey { user, class, role });
            over.extend(keys.map(|key| (key, None)));
            self.users.extend(put.users);
            self.classes.extend(put.classes);
            over.extend(put.enrollments.into_iter().map(|it| (it.key(), Some(it))));
        }
        Self { enrollments: self.enrollments.with(over), ..self }
    }
}

#[cfg(test)]
mod tests;
