//! The audit entries of alerts. The system raises and clears them, whoever asked for the run; a person acknowledges.

use serde_json::{Map, Value};

use crate::audit::{Category, Draft, shown_id};
use crate::model::Alert;

use super::Move;

/// Who raises and clears.
const SYSTEM: &str = "rosterd";

/// The entry of one move: before and after hold the fields that changed. `key` is the installation's pseudonym key.
pub fn draft(of: &Move, key: &[u8]) -> Draft {
    let (verb, alert, before, after) = match of {
        Move::Raised(alert) => ("raised", alert, None, Some(facts(alert, key))),
        Move::Cleared(alert) => ("cleared", alert, Some(facts(alert, key)), None),
        Move::Stepped { before, after } => {
            let (was, is) = differing(before, after, key);
            ("stepped", after, Some(was), Some(is))
        }
        Move::Changed { before, after } => {
            let (was, is) = differing(before, after, key);
            ("changed", after, Some(was), Some(is))
        }
    };
    entry(SYSTEM, Category::System, verb, alert, before, after)
}

/// The entry of a person who has seen an alert, with what they said of it.
pub fn acknowledgement(before: &Alert, after: &Alert, (actor, reason): (&str, Option<&str>), key: &[u8]) -> Draft {
    let (was, is) = differing(before, after, key);
    let told = entry(actor, Category::Administrative, "acknowledged", after, Some(was), Some(is));
    match (told.reason.as_deref(), reason) {
        (Some(of), Some(reason)) => Draft { reason: Some(format!("{of}: {reason}")), ..told },
        _ => told,
    }
}

fn entry(
    actor: &str,
    category: Category,
    verb: &str,
    alert: &Alert,
    before: Option<Map<String, Value>>,
    after: Option<Map<String, Value>>,
) -> Draft {
    Draft {
        actor: actor.to_owned(),
        category,
        action: format!("alert.{verb}"),
        entity: "alert".to_owned(),
        id: alert.id.to_string(),
        before: before.map(Value::Object),
        after: after.map(Value::Object),
        // The id says nothing to people.
        reason: Some(match &alert.product {
            Some(product) => format!("{} of {product}", alert.kind),
            None => alert.kind.to_string(),
        }),
    }
}

fn facts(alert: &Alert, key: &[u8]) -> Map<String, Value> {
    alert.facts(|school| shown_id(key, school.as_str(), &[]))
}

/// The fields that differ; one that is gone is null afterwards.
fn differing(before: &Alert, after: &Alert, key: &[u8]) -> (Map<String, Value>, Map<String, Value>) {
    let (was, is) = (facts(before, key), facts(after, key));
    let differs = |name: &str| was.get(name) != is.get(name);
    let mut after: Map<String, Value> = is.iter().filter(|(name, _)| differs(name)).map(owned).collect();
    for name in was.keys().filter(|name| !is.contains_key(*name)) {
        after.insert(name.clone(), Value::Null);
    }
    (was.iter().filter(|(name, _)| differs(name)).map(owned).collect(), after)
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}
