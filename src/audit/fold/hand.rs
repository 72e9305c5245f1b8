//! What people decided and what was sold, as their entries tell it: overrides, educator access, assignments, links between
//! accounts, modes, decisions on what was held, subscriptions; and the last seat of those who had one.
//!
//! A row is compared field by field, and only in the fields that its entries tell: older versions told less. No entry tells
//! - the [`Assignment::instance`] that versions before this one wrote, and the seats that a link of re-keyed accounts remembers;
//! - rules of a product as they were when it was first bought: `product.changed` has what changed since;
//! - that a remembered version was forgotten: a row of `decision` that is there must be right, one that is gone is not missed.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Fold, seats::field};
use crate::audit::Entry;
use crate::model::{
    Assignment, DistrictMode, EducatorAccess, Ended, LinkDecision, ModeEntry, Modes, Override, ProductCode, RunId,
    SourceId, Target, Timestamp,
};

/// The fields of a row that are told, by name.
pub type Row = BTreeMap<String, Value>;

/// Rows by their key, in which ids of records stand as the fold names them.
pub type Rows = BTreeMap<String, Row>;

/// What a person said of a run: `approved`, `rejected` or `reverted`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The run that was decided.
    pub run: RunId,
    /// The word.
    pub word: String,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A subscription or a product, as far as it is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sold {
    /// The fields as they are now.
    pub now: Row,
    /// Every value that each field ever had: a local split stands over a value of the catalog that an entry told before.
    pub told: BTreeMap<String, Vec<Value>>,
}

/// Everything that is told beside records, seats and alerts.
#[derive(Clone, Debug, Default)]
pub struct ByHand {
    /// Pins and excludes by `product/NAME`.
    pub overrides: Rows,
    /// Educators that are OFF, by `product/NAME`.
    pub access: Rows,
    /// Assignments by `product/NAME` or `product/class:NAME`.
    pub assignments: Rows,
    /// Decisions on pairs of accounts, by their id.
    pub links: Rows,
    /// The last seat of each user and product that ended, by `product/NAME`.
    pub ended: Rows,
    /// Those of `ended` that may be forgotten by now: their id may be someone else's (P19).
    pub perhaps_forgotten: BTreeSet<String>,
    /// What was said of runs.
    pub said: Vec<Said>,
    /// Subscriptions by id.
    pub subscriptions: BTreeMap<String, Sold>,
    /// Products by code, in the fields that changed since they were bought.
    pub products: BTreeMap<String, Sold>,
    modes: Vec<ModeEntry>,
    /// Who got a seat through a link that was undone: the new id with the old one.
    undone: BTreeMap<String, String>,
}

fn row<const N: usize>(fields: [(&str, Value); N]) -> Row {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn value<T: Serialize>(of: &T) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}

/// The fields of a told object.
pub(super) fn told(fields: Option<&Value>) -> Row {
    let Some(Value::Object(fields)) = fields else { return Row::new() };
    fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn is_of(key: &str, user: &str) -> bool {
    key.rsplit_once('/').is_some_and(|(_, name)| name == user)
}

impl ByHand {
    /// The modes that were set, in the district's time zone.
    pub fn modes(&self, zone: Tz) -> Modes {
        let mut all: Vec<ModeEntry> = Vec::new();
        for it in &self.modes {
            if it.mode == DistrictMode::Normal && it.from.is_none() && it.until.is_none() {
                for open in all.iter_mut().filter(|open| open.is_open(it.at, zone)) {
                    open.ended_at = Some(it.at);
                }
            } else {
                let number = all.last().map_or(1, |last| last.number + 1);
                all.push(ModeEntry { number, ..it.clone() });
            }
        }
        Modes(all)
    }

    /// Nothing of what is told about people is left (`district purge`).
    pub(super) fn purge(&mut self) {
        let Self { overrides, access, assignments, links, ended, perhaps_forgotten, undone, .. } = self;
        for rows in [overrides, access, assignments, links, ended] {
            rows.clear();
        }
        perhaps_forgotten.clear();
        undone.clear();
    }

    /// Nothing of what is told about a user is left.
    pub(super) fn erase(&mut self, user: &str) {
        for rows in [&mut self.overrides, &mut self.access, &mut self.assignments, &mut self.ended] {
            rows.retain(|key, _| !is_of(key, user));
        }
        let about = |row: &Row| match row.get("accounts") {
            Some(Value::Array(accounts)) => accounts.iter().any(|it| it.as_str() == Some(user)),
            _ => false,
        };
        self.links.retain(|_, row| !about(row));
    }

    fn push_access(&mut self, key: String, entry: &Entry) {
        match field(entry.after.as_ref(), "on") {
            Some(false) => _ = self.access.insert(key, row([("on", Value::Bool(false))])),
            _ => _ = self.access.remove(&key),
        }
    }

    fn push_mode(&mut self, entry: &Entry) {
        let after = entry.after.as_ref();
        let Some(mode) = field(after, "mode") else { return };
        self.modes.push(ModeEntry {
            number: 0,
            mode,
            from: field(after, "from"),
            until: field(after, "until"),
            reason: entry.reason.clone(),
            by: entry.actor.clone(),
            at: entry.at,
            ended_at: None,
        });
    }

    /// A seat ended, of which `product/NAME` is the key. Of a seat that was handed on the reason goes on with what the person
    /// said; one that went with an id that is someone else's now is not remembered.
    pub(super) fn seat_released(&mut self, product: &ProductCode, user: &str, entry: &Entry) {
        let reason = entry.reason.as_deref().unwrap_or_default();
        let (user, reason) = match reason {
            "reused" => return,
            // The old id has its history back.
            "link undone" => match self.undone.get(user) {
                Some(first) => (first.as_str(), "absent"),
                None => return,
            },
            _ if reason.starts_with("reassigned") => (user, "reassigned"),
            _ => (user, reason),
        };
        let key = format!("{product}/{user}");
        self.perhaps_forgotten.remove(&key);
        self.ended.insert(key, row([("at", value(&entry.at)), ("reason", json!(reason))]));
    }

    /// A user is back, or other fields of theirs name another person: what is known of their last seats may go.
    pub(super) fn may_be_someone_else(&mut self, user: &str) {
        let of_them = self.ended.keys().filter(|key| is_of(key, user)).cloned();
        self.perhaps_forgotten.extend(of_them);
    }
}

impl Sold {
    fn push(&mut self, entry: &Entry) {
        let (before, after) = (told(entry.before.as_ref()), told(entry.after.as_ref()));
        self.now.retain(|name, _| !before.contains_key(name));
        for (name, value) in after {
            self.told.entry(name.clone()).or_default().push(value.clone());
            self.now.insert(name, value);
        }
    }
}

impl Fold {
    /// `product/ID` of an entry with the id named.
    fn decided_key(&self, id: &str) -> String {
        let Some((product, target)) = id.split_once('/') else { return id.to_owned() };
        match target.strip_prefix("class:") {
            Some(class) => format!("{product}/class:{}", self.name(class)),
            None => format!("{product}/{}", self.name(target)),
        }
    }

    /// The ids of a list in what an entry tells, named.
    fn names(&self, told: Option<&Value>, list: &str) -> Vec<String> {
        let Some(Value::Array(ids)) = told.and_then(|it| it.get(list)) else { return Vec::new() };
        ids.iter().filter_map(Value::as_str).map(|id| self.name(id)).collect()
    }

    /// An entry about what a person decided or what was sold.
    pub(super) fn push_decided(&mut self, entry: &Entry, verb: &str) {
        let key = self.decided_key(&entry.id);
        let after = entry.after.as_ref();
        let by = || [("actor", json!(entry.actor)), ("reason", json!(entry.reason.as_deref().unwrap_or_default()))];
        match (entry.entity.as_str(), verb) {
            ("override", "set") => {
                let mut row = told(after);
                row.extend(self::row(by()));
                self.by_hand.overrides.insert(key, row);
            }
            ("override", _) => _ = self.by_hand.overrides.remove(&key),
            ("access", _) => self.by_hand.push_access(key, entry),
            ("assignment", "set") => {
                let mut row = told(after);
                let mut except = self.names(after, "except");
                except.sort_unstable();
                row.insert("except".to_owned(), json!(except));
                row.insert("at".to_owned(), value(&entry.at));
                row.extend(self::row(by()));
                self.by_hand.assignments.insert(key, row);
            }
            ("assignment", _) => _ = self.by_hand.assignments.remove(&key),
            ("identity", _) => self.push_link(entry, verb),
            ("mode", _) => self.by_hand.push_mode(entry),
            ("run", word @ ("approved" | "rejected" | "reverted")) => self.by_hand.said.push(Said {
                run: RunId::from(entry.id.as_str()),
                word: word.to_owned(),
                by: entry.actor.clone(),
                at: entry.at,
            }),
            ("subscription", _) => self.by_hand.subscriptions.entry(entry.id.clone()).or_default().push(entry),
            ("product", _) => self.by_hand.products.entry(entry.id.clone()).or_default().push(entry),
            _ => {}
        }
    }

    fn push_link(&mut self, entry: &Entry, verb: &str) {
        if verb == "undone" {
            self.by_hand.links.remove(&entry.id);
            if let [first, second] = self.names(entry.before.as_ref(), "accounts").as_slice() {
                self.by_hand.undone.insert(second.clone(), first.clone());
            }
            return;
        }
        let after = entry.after.as_ref();
        let mut row = told(after);
        row.insert("accounts".to_owned(), json!(self.names(after, "accounts")));
        if let Some(survivor) = row.get("survivor").and_then(Value::as_str).map(|id| self.name(id)) {
            row.insert("survivor".to_owned(), json!(survivor));
        }
        row.extend(self::row([("verdict", json!(verb)), ("actor", json!(entry.actor)), ("at", value(&entry.at))]));
        self.by_hand.links.insert(entry.id.clone(), row);
    }

    /// The key of what the store knows of a user and a product.
    pub fn stored_key(&self, product: &ProductCode, user: &SourceId) -> String {
        format!("{product}/{}", self.stored_name(user.as_str()))
    }

    /// What the fold would know of an override that stands in the store.
    pub fn stored_override(&self, it: &Override) -> (String, Row) {
        let fields = [
            ("kind", value(&it.kind)),
            ("until", value(&it.until)),
            ("actor", json!(it.actor)),
            ("reason", json!(it.reason)),
        ];
        (self.stored_key(&it.product, &it.user), row(fields))
    }

    /// The same of an educator's access; none for ON, which is what counts without a row.
    pub fn stored_access(&self, it: &EducatorAccess) -> Option<(String, Row)> {
        (!it.on).then(|| (self.stored_key(&it.product, &it.educator), row([("on", Value::Bool(false))])))
    }

    /// The same of an assignment.
    pub fn stored_assignment(&self, it: &Assignment) -> (String, Row) {
        let key = match &it.target {
            Target::User(user) => self.stored_key(&it.product, user),
            Target::Class(class) => format!("{}/class:{}", it.product, self.stored_name(class.as_str())),
        };
        let mut except: Vec<String> = it.except.iter().map(|user| self.stored_name(user.as_str())).collect();
        except.sort_unstable();
        let fields = [
            ("kind", value(&it.kind)),
            ("except", json!(except)),
            ("until", value(&it.until)),
            ("instance", json!(it.instance)),
            ("actor", json!(it.actor)),
            ("reason", json!(it.reason)),
            ("at", value(&it.at)),
        ];
        (key, row(fields))
    }

    /// The same of a decision on a pair of accounts.
    pub fn stored_link(&self, it: &LinkDecision) -> Row {
        let name = |id: &SourceId| self.stored_name(id.as_str());
        row([
            ("kind", value(&it.kind)),
            ("accounts", json!([name(&it.first), name(&it.second)])),
            ("survivor", json!(name(&it.survivor))),
            ("verdict", value(&it.verdict)),
            ("actor", json!(it.actor)),
            ("at", value(&it.at)),
        ])
    }

    /// The same of a seat that ended.
    pub fn stored_ended(&self, (product, user): &(ProductCode, SourceId), it: &Ended) -> (String, Row) {
        (self.stored_key(product, user), row([("at", value(&it.at)), ("reason", value(&it.reason))]))
    }
}

/// The fields of a subscription or product as entries tell them: without those that are null.
pub fn fields_of<T: Serialize>(of: &T) -> Row {
    let fields: Map<String, Value> = match value(of) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    fields.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

/// The fields in which a row is not as told. What is not told is not compared.
pub fn not_as_told(told: &Row, stored: &Row) -> Vec<String> {
    let null = Value::Null;
    let differs = told.iter().filter(|(name, value)| stored.get(*name).unwrap_or(&null) != *value);
    differs.map(|(name, _)| name.clone()).collect()
}
