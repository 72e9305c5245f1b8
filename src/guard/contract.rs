//! What a catalog would take away (safety.md, Guard: seats of one product released). No roster change causes it, and no date
//! announced it, so a slip in a rule is stopped before it is in force: the document is not taken until a person says so.

use std::collections::{BTreeMap, BTreeSet};

use crate::allocate::{Allocation, SeatAction, SeatKey};
use crate::guard::groups::{number, school_scope};
use crate::guard::losses::Schools;
use crate::guard::{Limit, Settings, window};
use crate::model::{Baseline, HoldRecord, ProductCode, ReleaseReason, SourceId};

/// The limits that a contract would trip: `with` is what the district would come to if it were in force, `without` what it comes
/// to anyway on that day. Who gets a product in a combined license instead loses nothing.
pub fn contract(baseline: &Baseline, without: &Allocation, with: &Allocation, settings: &Settings) -> Vec<HoldRecord> {
    if !settings.enabled {
        return Vec::new();
    }
    let schools = Schools::new(baseline);
    let lost = lost(baseline, without, with);
    let mut holds = Vec::new();
    for product in lost.iter().map(|(product, _)| product).collect::<BTreeSet<_>>() {
        let what = window::released(product);
        let in_use = baseline.seats.keys().filter(|(code, _)| code == product).map(|(_, user)| user);
        let gone = lost.iter().filter(|(code, _)| code == product).map(|(_, user)| user);
        let (per_district, per_school) = (settings.district_seats_released, settings.school_seats_released);
        let mut weigh = |scope: String, count: u64, of: u64, limit: Limit, zero: bool| {
            let Some(limit) = settings.too_much(limit, count, of, zero) else { return };
            let group = format!("{scope}/{what}");
            holds.push(HoldRecord { group, count, of, affected: count, limit, decision: None });
        };
        weigh("district".to_owned(), number(gone.clone().count()), number(in_use.clone().count()), per_district, true);
        let of = by_school(&schools, in_use);
        for (school, count) in by_school(&schools, gone) {
            let of = of.get(&school).copied().unwrap_or_default();
            weigh(school_scope(&school), count, of, per_school, false);
        }
    }
    holds.sort_by(|a, b| a.group.cmp(&b.group));
    holds
}

fn lost(baseline: &Baseline, without: &Allocation, with: &Allocation) -> BTreeSet<SeatKey> {
    let bundled: BTreeSet<(&ProductCode, &SourceId)> = (with.changes.iter())
        .filter(|it| matches!(it.action, SeatAction::Released { reason: ReleaseReason::Bundled, .. }))
        .map(|it| (&it.product, &it.user))
        .collect();
    let (passed_without, passed_with) = (without.passed(), with.passed());
    let keys = baseline.seats.keys().filter(|key| !bundled.contains(&(&key.0, &key.1)));
    let stays = |allocation: &Allocation, passed: &BTreeSet<SeatKey>, key: &SeatKey| {
        allocation.keeps(&baseline.seats, passed, key)
    };
    keys.filter(|key| stays(without, &passed_without, key) && !stays(with, &passed_with, key)).cloned().collect()
}

fn by_school<'a>(schools: &Schools<'_>, users: impl Iterator<Item = &'a SourceId>) -> BTreeMap<SourceId, u64> {
    let mut counts: BTreeMap<SourceId, u64> = BTreeMap::new();
    for school in users.flat_map(|user| schools.of_user_id(user)) {
        *counts.entry(school).or_default() += 1;
    }
    counts
}
