//! Reports with a row for each seat, entry or member.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::model::{Audience, ProductCode, Seat, SourceId};

use super::{Facts, Sheet};

/// How a seat is used, seen from the day of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Usage {
    /// Used within the last 30 days (S3.16).
    Active,
    /// Used, but longer ago (S3.18).
    Inactive,
    /// Never used.
    NeverUsed,
}

impl Usage {
    fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::NeverUsed => "never_used",
        }
    }
}

pub(super) fn usage(facts: Facts<'_>, seat: &Seat) -> Usage {
    match seat.last_used_at {
        None => Usage::NeverUsed,
        Some(_) if crate::allocate::recently_used(seat, facts.as_of) => Usage::Active,
        Some(_) => Usage::Inactive,
    }
}

/// Student, educator, staff, or nothing for who is off the roster (S0.6).
fn audience(facts: Facts<'_>, user: &SourceId) -> Option<Audience> {
    facts.baseline.roster.users.get(user)?.audience()
}

/// By product, then the latest use first.
pub(super) fn claims(facts: Facts<'_>) -> Sheet {
    let mut seats: Vec<&Seat> = facts.seats().map(|(_, seat)| seat).collect();
    seats.sort_by(|one, other| {
        one.product.cmp(&other.product).then(other.last_used_at.cmp(&one.last_used_at)).then(one.user.cmp(&other.user))
    });
    let row = |it: &Seat| {
        vec![
            json!(it.product),
            json!(it.user),
            json!(audience(facts, &it.user)),
            json!(it.pool),
            json!(it.since),
            json!(it.claimed_at),
            json!(it.last_used_at),
            json!(it.state),
        ]
    };
    Sheet {
        columns: &["product", "user", "audience", "pool", "assigned_at", "claimed_at", "last_used_at", "state"],
        of: seats.len(),
        rows: seats.into_iter().take(facts.most).map(row).collect(),
    }
}

/// Oldest first. Ids stand as the audit shows them.
pub(super) fn history(facts: Facts<'_>) -> Sheet {
    let rows: Vec<Vec<Value>> = (facts.history.iter())
        .filter_map(|entry| {
            let (product, user) = entry.id.split_once('/')?;
            let pool = |side: Option<&Value>| side.and_then(|it| it.get("pool")).cloned().unwrap_or_default();
            facts.wants(&ProductCode::new(product)).then(|| {
                vec![
                    json!(entry.seq),
                    json!(entry.at),
                    json!(product),
                    json!(user),
                    json!(entry.action),
                    pool(entry.before.as_ref()),
                    pool(entry.after.as_ref()),
                    json!(entry.reason),
                    json!(entry.actor),
                    json!(entry.run),
                ]
            })
        })
        .collect();
    Sheet {
        columns: &["seq", "at", "product", "user", "action", "from_pool", "to_pool", "reason", "actor", "run"],
        of: rows.len(),
        rows: rows.into_iter().take(facts.most).collect(),
    }
}

/// By product, then never used, inactive, active.
pub(super) fn activity(facts: Facts<'_>) -> Sheet {
    let mut seats: Vec<(&Seat, Usage)> = facts.seats().map(|(_, seat)| (seat, usage(facts, seat))).collect();
    let rank = |usage: Usage| match usage {
        Usage::NeverUsed => 0,
        Usage::Inactive => 1,
        Usage::Active => 2,
    };
    seats.sort_by(|(one, its), (other, others)| {
        let key = |seat: &Seat, usage: Usage| (seat.product.clone(), rank(usage), seat.last_used_at, seat.user.clone());
        key(one, *its).cmp(&key(other, *others))
    });
    let row = |(it, usage): (&Seat, Usage)| {
        let idle = it.last_used_at.unwrap_or(it.since);
        let days = (facts.as_of.instant() - idle.instant()).num_days();
        vec![
            json!(it.product),
            json!(it.user),
            json!(audience(facts, &it.user)),
            json!(usage.as_str()),
            json!(it.since),
            json!(it.claimed_at),
            json!(it.last_used_at),
            json!(days),
        ]
    };
    Sheet {
        columns: &["product", "user", "audience", "usage", "assigned_at", "claimed_at", "last_used_at", "idle_days"],
        of: seats.len(),
        rows: seats.into_iter().take(facts.most).map(row).collect(),
    }
}

/// Of each combined license three disjoint groups, for two parts: one only, the other only, combined. Who has the combined
/// license has all parts; so has who has a seat of each part of its own (C20). With more parts a group is named by those it has.
pub(super) fn combined(facts: Facts<'_>) -> Sheet {
    let bundles = facts.baseline.catalog.products.values().filter(|it| !it.bundle.is_empty() && facts.wants(&it.code));
    let (mut rows, mut of) = (Vec::new(), 0);
    for bundle in bundles {
        let mut has: BTreeMap<&SourceId, BTreeSet<&ProductCode>> = BTreeMap::new();
        for (product, user) in facts.baseline.seats.keys() {
            if *product == bundle.code {
                has.entry(user).or_default().extend(&bundle.bundle);
            } else if bundle.bundle.contains(product) {
                has.entry(user).or_default().insert(product);
            }
        }
        let all: BTreeSet<&ProductCode> = bundle.bundle.iter().collect();
        let group = |parts: &BTreeSet<&ProductCode>| {
            if *parts == all {
                "combined".to_owned()
            } else {
                let parts: Vec<&str> = parts.iter().map(|it| it.as_str()).collect();
                format!("{} only", parts.join(" and "))
            }
        };
        let mut members: Vec<(String, &SourceId)> = has.iter().map(|(user, parts)| (group(parts), *user)).collect();
        members.sort();
        of += members.len();
        let room = facts.most.saturating_sub(rows.len());
        rows.extend(members.into_iter().take(room).map(|(group, user)| {
            let single = facts.baseline.seats.contains_key(&(bundle.code.clone(), user.clone()));
            vec![json!(bundle.code), json!(group), json!(user), json!(if single { "combined" } else { "parts" })]
        }));
    }
    Sheet { columns: &["product", "group", "user", "seats_of"], rows, of }
}
