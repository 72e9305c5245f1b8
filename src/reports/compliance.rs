//! Each product against its contract, and what to do (S3.19, S3.30).

use serde_json::json;

use crate::allocate::{License, licenses};
use crate::model::Access;

use super::tables::{Usage, usage};
use super::{Facts, Sheet};

/// Days before the end in which a renewal is recommended.
const RENEW: i64 = 60;

/// By product.
pub(super) fn compliance(facts: Facts<'_>) -> Sheet {
    let mut rows = licenses(facts.baseline, facts.as_of, false);
    rows.retain(|it| facts.wants(&it.product));
    let row = |it: License| {
        let seats = || facts.seats().filter(|((product, _), seat)| *product == it.product && !seat.bridged);
        let idle = seats().filter(|(_, seat)| usage(facts, seat) != Usage::Active).count();
        let (status, recommendation) = judged(&it, idle, facts);
        vec![
            json!(it.product),
            json!(status),
            json!(it.total),
            json!(it.assigned),
            json!(it.available),
            json!(it.over),
            json!(it.waiting),
            json!(it.usage_percent),
            json!(it.utilization_percent),
            json!(idle),
            json!(duplicates(&it)),
            json!(it.level),
            json!(it.access),
            json!(it.expires_on),
            json!(recommendation),
        ]
    };
    Sheet {
        columns: &[
            "product",
            "compliance",
            "total",
            "assigned",
            "available",
            "over",
            "waiting",
            "usage_percent",
            "utilization_percent",
            "inactive",
            "duplicates",
            "level",
            "access",
            "expires_on",
            "recommendation",
        ],
        of: rows.len(),
        rows: rows.into_iter().take(facts.most).map(row).collect(),
    }
}

/// Seats of accounts beyond one for each person; none is the target (S2.16). Null where the product counts persons.
fn duplicates(it: &License) -> Option<u64> {
    it.assigned_if_merged.map(|merged| it.assigned.saturating_sub(merged))
}

fn judged(it: &License, idle: usize, facts: Facts<'_>) -> (&'static str, String) {
    let today = facts.as_of.date_in(facts.baseline.state.time_zone);
    let days_left = it.expires_on.map(|day| (day - today).num_days());
    match it.access {
        Access::None => return ("ended", "renew the subscription: its seats give no access".to_owned()),
        Access::Upcoming => return ("upcoming", "nothing to do until the subscription begins".to_owned()),
        Access::Grace => return ("grace", "renew the subscription before its grace ends".to_owned()),
        Access::Full => {}
    }
    let reclaim = if idle > 0 { format!("review {idle} inactive assignments, or ") } else { String::new() };
    if it.over > 0 {
        return ("over", format!("{reclaim}buy {} more seats", it.over + it.waiting));
    }
    if it.waiting > 0 {
        return ("short", format!("{reclaim}buy {} more seats or move spare ones between schools", it.waiting));
    }
    let advice = match (days_left, duplicates(it)) {
        (Some(days), _) if days <= RENEW => format!("renew: {days} days are left"),
        (_, Some(seats)) if seats > 0 => format!("review {seats} seats of duplicate accounts: `rosterd identity list`"),
        _ if idle > 0 => format!("review {idle} inactive assignments"),
        _ => "nothing to do".to_owned(),
    };
    ("compliant", advice)
}
