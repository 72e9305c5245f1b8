//! Who a row of the file means: by id, then by strong keys, by user name and email only as a last resort.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::{Baseline, Org, Personal, Record, SourceId, User};
use crate::plan::Change;

use super::file::Row;

/// What a user was found by, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ImportKey")]
pub enum Key {
    /// The source's id.
    User,
    /// The district's number of the student.
    StudentNumber,
    /// The state's id of the person.
    StateId,
    /// Names are given away and taken again: weak.
    Username,
    /// Never identity (P18): weak.
    Email,
}

impl Key {
    /// Whether the match is told as weak.
    pub fn is_weak(self) -> bool {
        matches!(self, Self::Username | Self::Email)
    }
}

/// Whom a row means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    One(&'a User, Key),
    Several(Key),
    Nobody,
}

/// Users and schools of the district: those of the store, and those that a review would add.
pub(super) struct Known<'a> {
    users: BTreeMap<&'a SourceId, &'a User>,
    schools: BTreeMap<&'a SourceId, &'a Org>,
    by_key: BTreeMap<(Key, String), BTreeSet<&'a SourceId>>,
}

impl<'a> Known<'a> {
    pub(super) fn new(baseline: &'a Baseline, pending: &'a [Change]) -> Self {
        let mut users: BTreeMap<_, _> = baseline.roster.users.iter().collect();
        let mut schools: BTreeMap<_, _> = baseline.roster.schools.iter().collect();
        for change in pending.iter().filter(|change| change.before.is_none()) {
            match &change.after {
                Some(Record::User(user)) => drop(users.insert(&user.id, &**user)),
                Some(Record::School(school)) => drop(schools.insert(&school.id, &**school)),
                Some(Record::Session(_) | Record::Course(_) | Record::Class(_) | Record::Enrollment(_)) | None => {}
            }
        }
        let mut by_key: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (id, user) in &users {
            let keys = [
                (Key::StudentNumber, &user.student_number),
                (Key::StateId, &user.state_id),
                (Key::Username, &user.username),
                (Key::Email, &user.email),
            ];
            for (key, value) in keys {
                if let Some(value) = value {
                    by_key.entry((key, normal(key, value))).or_default().insert(*id);
                }
            }
        }
        Self { users, schools, by_key }
    }

    pub(super) fn user(&self, id: &SourceId) -> Option<&'a User> {
        self.users.get(id).copied()
    }

    /// Whether nobody is known at all: the first roster has not been pulled.
    pub(super) fn nobody(&self) -> bool {
        self.users.is_empty()
    }

    /// By source id, else by identifier or NCES number.
    pub(super) fn school(&self, name: &str) -> Option<SourceId> {
        if let Some(org) = self.schools.get(&SourceId::new(name)) {
            return Some(org.id.clone());
        }
        let named = |it: &&&Org| it.identifier.as_deref() == Some(name) || it.nces.as_deref() == Some(name);
        self.schools.values().find(named).map(|org| org.id.clone())
    }

    /// The first key of the row, strongest first, that anyone has decides; a key that several have decides nothing.
    pub(super) fn find(&self, row: &Row) -> Found<'a> {
        if let Some(user) = row.user.as_ref().and_then(|id| self.user(&SourceId::new(id.reveal()))) {
            return Found::One(user, Key::User);
        }
        let keys = [
            (Key::StudentNumber, &row.student_number),
            (Key::StateId, &row.state_id),
            (Key::Username, &row.username),
            (Key::Email, &row.email),
        ];
        for (key, value) in keys {
            let Some(value) = value else { continue };
            let Some(ids) = self.by_key.get(&(key, normal(key, value))) else { continue };
            let mut users = ids.iter().filter_map(|id| self.user(id));
            match (users.next(), users.next()) {
                (Some(user), None) => return Found::One(user, key),
                (Some(_), Some(_)) => return Found::Several(key),
                (None, _) => {}
            }
        }
        Found::Nobody
    }
}

/// Names and addresses are the same in any case, numbers are not.
fn normal(key: Key, value: &Personal) -> String {
    let value = value.reveal().trim();
    if key.is_weak() { value.to_lowercase() } else { value.to_owned() }
}
