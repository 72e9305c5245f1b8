//! The audit entries of a run: one per change, no personal value in any of them (interface.md, Audit entry).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::allocate::{SeatAction, SeatChange, SeatKey};
use crate::audit::{Category, Draft};
use crate::model::{Baseline, Ended, EnrollmentKey, Kind, ProductCode, Record, RunId, SourceId, Timestamp, User};
use crate::plan::Change;

use super::marks::Places;

/// Who a run acts for.
#[derive(Clone, Debug)]
pub struct Author {
    /// As the audit names them.
    pub actor: String,
    /// Whether a person decided these changes themselves; a feed's changes are the system's, whoever asked for the sync.
    pub person: bool,
    /// Why, where a person changes records by hand.
    pub reason: Option<String>,
}

/// Shows ids in the audit: one that contains `@`, or equals a personal field of its row, only as a keyed hash.
#[derive(Clone, Debug)]
pub struct Shown<'a> {
    key: &'a [u8],
    baseline: &'a Baseline,
    /// Users that this plan adds or changes, as they will be.
    coming: BTreeMap<&'a SourceId, &'a User>,
}

impl<'a> Shown<'a> {
    /// With the installation's key, the users the store knows and those of a plan.
    pub fn new(key: &'a [u8], baseline: &'a Baseline, changes: impl IntoIterator<Item = &'a Change>) -> Self {
        let coming = changes.into_iter().filter_map(|change| match &change.after {
            Some(Record::User(user)) => Some((&user.id, &**user)),
            _ => None,
        });
        Self { key, baseline, coming: coming.collect() }
    }

    /// The installation's key.
    pub(super) fn key(&self) -> &[u8] {
        self.key
    }

    fn of(&self, id: &SourceId, user: Option<&User>) -> String {
        let personal: Vec<&str> = user.map(personal_values).unwrap_or_default();
        crate::audit::shown_id(self.key, id.as_str(), &personal)
    }

    /// A user by id alone.
    pub fn user(&self, id: &SourceId) -> String {
        let coming = self.coming.get(id).copied();
        let known = coming.or_else(|| self.baseline.roster.users.get(id));
        self.of(id, known.or_else(|| self.baseline.departed.users.get(id)))
    }

    /// The id of a record that is no user.
    pub fn id(&self, id: &SourceId) -> String {
        crate::audit::shown_id(self.key, id.as_str(), &[])
    }

    /// The id of a changed record.
    pub fn change(&self, change: &Change) -> String {
        change.record().map(|record| self.record(record)).unwrap_or_default()
    }

    /// A record by its text id alone.
    pub fn text(&self, kind: Kind, id: &str) -> String {
        match (kind, serde_json::from_str::<(SourceId, SourceId, Value)>(id)) {
            (Kind::Users, _) => self.user(&SourceId::new(id)),
            (Kind::Enrollments, Ok((user, class, role))) => {
                json!([self.user(&user), self.id(&class), role]).to_string()
            }
            _ => self.id(&SourceId::new(id)),
        }
    }

    fn record(&self, record: &Record) -> String {
        match record {
            Record::User(user) => self.of(&user.id, Some(&**user)),
            Record::Enrollment(it) => {
                let key: EnrollmentKey = crate::model::RosterRecord::key(&**it);
                let class = crate::audit::shown_id(self.key, key.class.as_str(), &[]);
                json!([self.user(&key.user), class, key.role]).to_string()
            }
            Record::School(_) | Record::Session(_) | Record::Course(_) | Record::Class(_) => {
                crate::audit::shown_id(self.key, &record.text_id(), &[])
            }
        }
    }
}

fn personal_values(user: &User) -> Vec<&str> {
    let User { given_name, family_name, email, username, student_number, state_id, .. } = user;
    let all = [given_name, family_name, email, username, student_number, state_id];
    all.into_iter().flatten().map(crate::model::Personal::reveal).collect()
}

/// A roster change. `before` and `after` hold the fields that changed, null for added and removed; personal fields stand in
/// `changed` by name.
pub(super) fn of_change(change: &Change, author: &Author, shown: &Shown<'_>) -> Result<Draft, serde_json::Error> {
    let category = if change.fields.iter().any(|field| field.field == "roles") {
        Category::Role
    } else if author.person {
        Category::Administrative
    } else {
        Category::System
    };
    let mut before = Map::new();
    let mut after = Map::new();
    let mut personal = BTreeSet::new();
    for field in &change.fields {
        if field.personal {
            personal.insert(field.field.as_str());
        } else {
            before.insert(field.field.clone(), field.before.clone());
            after.insert(field.field.clone(), field.after.clone());
        }
    }
    if !personal.is_empty() {
        after.insert("changed".to_owned(), serde_json::to_value(personal)?);
    }
    let object = |map: Map<String, Value>| (!change.fields.is_empty()).then_some(Value::Object(map));
    Ok(Draft {
        actor: author.actor.clone(),
        category,
        action: format!("{}.{}", change.kind.singular(), change.verb.as_str()),
        entity: change.kind.singular().to_owned(),
        id: shown.change(change),
        before: object(before),
        after: object(after),
        reason: author.reason.clone().or_else(|| change.tombstone.then(|| "tombstone".to_owned())),
    })
}

/// An entry about a seat or place that says nothing yet but what happened; the id is `product/user`.
pub(super) fn seat_draft(
    product: &ProductCode,
    user: &SourceId,
    verb: &str,
    author: &Author,
    shown: &Shown<'_>,
) -> Draft {
    Draft {
        actor: author.actor.clone(),
        category: Category::License,
        action: format!("seat.{verb}"),
        entity: "seat".to_owned(),
        id: format!("{product}/{}", shown.user(user)),
        before: None,
        after: None,
        reason: None,
    }
}

/// A seat change.
pub(super) fn of_seat(change: &SeatChange, places: &Places<'_>, author: &Author, shown: &Shown<'_>) -> Draft {
    let (verb, before, after, reason) = match &change.action {
        SeatAction::Granted { pool } => ("granted", None, Some(json!({ "pool": pool })), None),
        SeatAction::Released { pool, since, reason } => {
            ("released", Some(json!({ "pool": pool, "since": since })), None, Some(super::word(*reason)))
        }
        SeatAction::Moved { from, to } => ("moved", Some(json!({ "pool": from })), Some(json!({ "pool": to })), None),
        SeatAction::Passed { account, from, to } => {
            let before = json!({ "pool": from, "user": shown.user(&change.user) });
            let after = json!({ "pool": to, "user": shown.user(account) });
            ("moved", Some(before), Some(after), Some("person".to_owned()))
        }
        SeatAction::Carried { pool, renews } => {
            let after = json!({ "pool": pool, "renews": renews });
            ("granted", None, Some(after), Some("renewal".to_owned()))
        }
        SeatAction::Leaving { since } => ("leaving", None, Some(json!({ "since": since })), Some("absent".to_owned())),
        SeatAction::Stayed => ("stayed", None, None, None),
        SeatAction::Waiting { .. } => ("waiting", None, Some(places.joined(change)), None),
        SeatAction::WaitingEnded => ("waiting_ended", None, None, None),
    };
    Draft { before, after, reason, ..seat_draft(&change.product, &change.user, verb, author, shown) }
}

/// What a person said of a held run.
pub fn decision_entry(
    run: &RunId,
    verb: &str,
    author: &Author,
    groups: &[String],
    hash: &str,
    reason: Option<String>,
) -> Draft {
    Draft {
        actor: author.actor.clone(),
        category: Category::Administrative,
        action: format!("run.{verb}"),
        entity: "run".to_owned(),
        id: run.to_string(),
        before: None,
        after: Some(json!({ "groups": groups, "plan_hash": hash })),
        reason,
    }
}

/// The seats that ended, for those who may return.
pub(super) fn ended(changes: &[SeatChange], at: Timestamp) -> Vec<(SeatKey, Ended)> {
    let ended = changes.iter().filter_map(|change| {
        let reason = change.action.released()?;
        Some(((change.product.clone(), change.user.clone()), Ended { at, reason }))
    });
    ended.collect()
}
