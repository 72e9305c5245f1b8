//! One change of one record.

use std::borrow::Cow;

use either::Either;
use serde::Serialize;
use serde_json::Value;

use crate::model::{Fingerprint, Kind, Record, SourceId, Verb, is_personal};

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldChange {
    /// Its name in `rosterd roster`.
    pub field: String,
    /// Before; null for absent.
    pub before: Value,
    /// After; null for absent.
    pub after: Value,
    /// Whether the values are a person's and must not be shown or logged.
    pub personal: bool,
}

/// A record added, restored, changed or removed.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its kind.
    pub kind: Kind,
    /// What happens.
    pub verb: Verb,
    /// The active record before; none for added and restored.
    pub before: Option<Record>,
    /// The record after; none for removed.
    pub after: Option<Record>,
    /// The fields of a change; empty for the other verbs.
    pub fields: Box<[FieldChange]>,
    /// Whether a removal rests on the source's own word rather than on absence.
    pub tombstone: bool,
}

/// A change, or a part of one.
pub type Part<'a> = Either<&'a Change, Box<Change>>;

impl Change {
    /// Between two records of one id; `None` where nothing differs or there is neither. `archived`: the id was here before.
    pub fn between(before: Option<Record>, after: Option<Record>, archived: bool, tombstone: bool) -> Option<Self> {
        let kind = after.as_ref().or(before.as_ref())?.kind();
        let (verb, fields) = match (&before, &after) {
            (Some(old), Some(new)) if old == new => return None,
            (Some(old), Some(new)) => (Verb::Changed, field_changes(old, new)),
            (None, Some(_)) if archived => (Verb::Restored, Box::default()),
            (None, Some(_)) => (Verb::Added, Box::default()),
            (Some(_), None) => (Verb::Removed, Box::default()),
            (None, None) => return None,
        };
        let tombstone = tombstone && verb == Verb::Removed;
        Some(Self { kind, verb, before, after, fields, tombstone })
    }

    /// Its id as text, made where it is asked for: a plan may have millions. Empty of no record at all.
    pub fn id(&self) -> Cow<'_, str> {
        self.record().map(Record::id).unwrap_or_default()
    }

    /// Whether another class takes over the id: the old one is archived, and a new one begins (P19).
    pub fn replaces(&self) -> bool {
        match (&self.before, &self.after) {
            (Some(Record::Class(old)), Some(Record::Class(new))) => old.instance != new.instance,
            _ => false,
        }
    }

    /// Whether something that was there is not any more.
    pub fn removes(&self) -> bool {
        self.verb == Verb::Removed || self.replaces()
    }

    /// As it is told: of a class that takes over an id the end of the one and the beginning of the other.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let told = |it: Option<Self>| it.map(|it| Either::Right(Box::new(it)));
        let [one, other] = if self.replaces() {
            let gone = Self::between(self.before.clone(), None, false, false);
            let new = Self::between(None, self.after.clone(), false, false);
            [told(gone), told(new)]
        } else {
            [Some(Either::Left(self)), None]
        };
        one.into_iter().chain(other)
    }

    /// The record as it is or was.
    pub fn record(&self) -> Option<&Record> {
        self.after.as_ref().or(self.before.as_ref())
    }

    /// The user it is about: of a user's own record and of enrollments.
    pub fn user(&self) -> Option<&SourceId> {
        match self.record()? {
            Record::User(user) => Some(&user.id),
            Record::Enrollment(enrollment) => Some(&enrollment.user),
            Record::School(_) | Record::Session(_) | Record::Course(_) | Record::Class(_) => None,
        }
    }

    /// The user that it brings.
    pub fn adds_user(&self) -> Option<&SourceId> {
        match (&self.before, &self.after) {
            (None, Some(Record::User(user))) => Some(&user.id),
            _ => None,
        }
    }

    /// The version of the source it brings: a fingerprint, none for absence.
    pub fn version(&self) -> Option<Fingerprint> {
        self.after.as_ref().and_then(|record| record.body().ok()).map(|body| Fingerprint::of(&body))
    }
}

/// Field by field, by the names of `rosterd roster`.
fn field_changes(old: &Record, new: &Record) -> Box<[FieldChange]> {
    let (Some(old_fields), Some(new_fields)) = (fields(old), fields(new)) else {
        return Box::default();
    };
    let names: std::collections::BTreeSet<&String> = old_fields.keys().chain(new_fields.keys()).collect();
    let null = Value::Null;
    names
        .into_iter()
        .filter_map(|name| {
            let before = old_fields.get(name).unwrap_or(&null);
            let after = new_fields.get(name).unwrap_or(&null);
            (before != after).then(|| FieldChange {
                field: name.clone(),
                before: before.clone(),
                after: after.clone(),
                personal: is_personal(new.kind(), name),
            })
        })
        .collect()
}

fn fields(record: &Record) -> Option<serde_json::Map<String, Value>> {
    match serde_json::from_str(&record.body().ok()?).ok()? {
        Value::Object(fields) => Some(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A first load of a million students has over seven million changes: each byte of one is seven megabytes. It is two
    /// records, each a tag with a pointer, a list of fields, two words as well, and one word for the rest. What is heavier
    /// belongs behind a pointer or is made where it is asked for.
    #[test]
    fn a_change_is_small() {
        assert!(size_of::<Change>() <= 56, "{} bytes", size_of::<Change>());
    }
}
