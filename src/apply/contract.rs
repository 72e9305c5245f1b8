//! What the audit says of a contract that is put in force: the fields that differ, before and after.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::audit::{Category, Draft};
use crate::model::{ContractChange, RuleChange, TermChange};

/// Who acts where the catalog's document says so.
const DOCUMENT: &str = "catalog";

/// One entry for each subscription, and for each product whose rules changed. A product that is bought only now has none:
/// that of its subscription says it.
pub(super) fn entries(change: &ContractChange) -> Vec<Draft> {
    let terms = change.subscriptions.iter().map(|TermChange { before, after, purchase }| {
        let verb = if before.is_some() { "changed" } else { "added" };
        let (was, is) = differing(before.as_ref(), after);
        let by = purchase.as_ref().map_or(DOCUMENT, |it| it.by.as_str());
        let draft = draft(by, "subscription", verb, after.id.as_str(), (before.is_some().then_some(was), is));
        Draft { reason: purchase.as_ref().and_then(|it| it.reason.clone()), ..draft }
    });
    let rules = change.products.iter().filter_map(|RuleChange { before, after }| {
        let (was, is) = differing(Some(before.as_ref()?), after);
        Some(draft(DOCUMENT, "product", "changed", after.code.as_str(), (Some(was), is)))
    });
    terms.chain(rules).collect()
}

fn draft(actor: &str, entity: &str, verb: &str, id: &str, (before, after): (Option<Value>, Value)) -> Draft {
    Draft {
        actor: actor.to_owned(),
        category: Category::License,
        action: format!("{entity}.{verb}"),
        entity: entity.to_owned(),
        id: id.to_owned(),
        before,
        after: Some(after),
        reason: None,
    }
}

/// The fields that differ, before and after; those that are null are left out.
pub fn differing<T: Serialize>(before: Option<&T>, after: &T) -> (Value, Value) {
    let fields = |it: Option<&T>| match it.and_then(|it| serde_json::to_value(it).ok()) {
        Some(Value::Object(map)) => map,
        Some(_) | None => Map::new(),
    };
    let (before, after) = (fields(before), fields(Some(after)));
    let only = |from: &Map<String, Value>, other: &Map<String, Value>| {
        let kept = from.iter().filter(|(key, value)| other.get(*key) != Some(value) && !value.is_null());
        Value::Object(kept.map(|(key, value)| (key.clone(), value.clone())).collect())
    };
    (only(&before, &after), only(&after, &before))
}
