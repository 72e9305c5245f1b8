//! `threshold`: how many seats are left when the district is told. It stands over the catalog's until that changes (S4.11).

use serde_json::{Map, Value, json};

use crate::audit::{Category, Draft};
use crate::model::SubscriptionId;
use crate::store::ThresholdOverlay;

use super::effect::Effect;
use super::{Case, Refused};

/// Sets it; the same once more changes nothing.
pub(super) fn set(case: Case<'_>, effect: &mut Effect, id: &SubscriptionId, remaining: u32) -> Result<(), Refused> {
    let unknown = || Refused::NoSubscription(id.clone());
    let subscription = case.baseline.catalog.subscriptions.get(id).ok_or_else(unknown)?;
    let own = case.contract.subscriptions.get(id).ok_or_else(unknown)?;
    let before = subscription.alert_remaining;
    if before == Some(remaining) {
        return Ok(());
    }
    // Without one of its own the default by active students counted; that is no value of the subscription.
    let was = before.map(|it| Value::Object(Map::from_iter([("alert_remaining".to_owned(), json!(it))])));
    effect.entries.push(Draft {
        before: was,
        after: Some(json!({ "alert_remaining": remaining })),
        ..case.draft(Category::License, "subscription", "changed", id.to_string())
    });
    let overlay = ThresholdOverlay { subscription: id.clone(), over: own.alert_remaining, alert_remaining: remaining };
    effect.by_hand.thresholds_put.push(overlay);
    Ok(())
}
