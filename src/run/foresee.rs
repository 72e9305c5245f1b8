//! What a contract that is not in force yet would bring about: the engine run on it, and nothing written.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::allocate::{self, License};
use crate::apply::differing;
use crate::guard::{self, Circumstances};
use crate::model::{
    Baseline, ContractChange, DistrictId, HoldRecord, ProductCode, SeatCounts, SeatState, Timestamp, Warning,
};
use crate::plan::{self, Cause};
use crate::run::RunError;

/// One subscription or product that would change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Differs {
    /// `subscription` or `product`.
    pub entity: &'static str,
    /// Its id or code.
    pub id: String,
    /// The fields that differ, before; null for a new one.
    pub before: Option<Value>,
    /// The fields that differ, after.
    pub after: Value,
}

/// A product's seats in a district.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Numbers {
    /// Capacity; null for unlimited.
    pub total: Option<u64>,
    /// Seats assigned.
    pub assigned: u64,
    /// Seats free; null for unlimited.
    pub available: Option<u64>,
    /// Seats above the total.
    pub over: u64,
    /// Users waiting.
    pub waiting: u64,
    /// Seats that are there and give no access.
    pub suspended: u64,
}

/// What a product comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Turn {
    /// As it is.
    pub before: Numbers,
    /// As it would be.
    pub after: Numbers,
}

/// What would become of one district.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Foreseen {
    /// The district.
    pub district: DistrictId,
    /// What differs in its contract, field by field.
    pub changes: Vec<Differs>,
    /// What becomes of seats.
    pub seats: SeatCounts,
    /// Each product whose numbers change.
    pub products: BTreeMap<ProductCode, Turn>,
    /// The limits that the seats it would take away trip: then it waits for a person.
    pub holds: Vec<HoldRecord>,
    /// What the engine noticed.
    pub warnings: Vec<Warning>,
}

/// Plans the district with what its baseline offers. None where nothing but what is in force is said.
pub fn foresee(baseline: Baseline, limits: &guard::Settings, as_of: Timestamp) -> Result<Option<Foreseen>, RunError> {
    let before = numbers(&baseline, as_of);
    let without = plan::make(&baseline, Cause::Standing, as_of)?.seats;
    let baseline = baseline.taking_up();
    let Some(change) = baseline.taken_up() else { return Ok(None) };
    let changes = differs(change);
    let plan = plan::make(&baseline, Cause::Standing, as_of)?;
    let circumstances = Circumstances::default();
    let cleared = guard::review(plan, &baseline, limits, circumstances)?;
    let seats = cleared.seats();
    let holds = guard::contract(&baseline, &without, &cleared.plan().seats, limits);
    let after = Baseline {
        seats: seats.seats.applied_to(&baseline.seats),
        waiting: seats.waiting.applied_to(&baseline.waiting),
        remembered: seats.remembered.clone(),
        ..baseline.clone()
    };
    let after = numbers(&after, as_of);
    let codes = before.keys().chain(after.keys()).cloned();
    let turns = codes.map(|code| {
        let of = |numbers: &BTreeMap<ProductCode, Numbers>| numbers.get(&code).copied().unwrap_or_default();
        let turn = Turn { before: of(&before), after: of(&after) };
        (code, turn)
    });
    Ok(Some(Foreseen {
        district: baseline.state.id.clone(),
        changes,
        seats: cleared.seat_counts(),
        products: turns.filter(|(_, it)| it.before != it.after).collect(),
        holds,
        warnings: cleared.plan().warnings.clone(),
    }))
}

fn numbers(baseline: &Baseline, as_of: Timestamp) -> BTreeMap<ProductCode, Numbers> {
    let suspended = |code: &ProductCode| {
        let seats = baseline.seats.values().filter(|it| &it.product == code && it.state == SeatState::Suspended);
        u64::try_from(seats.count()).unwrap_or(u64::MAX)
    };
    let rows = allocate::licenses(baseline, as_of, false);
    let number = |row: License| {
        let License { total, assigned, available, over, waiting, .. } = row;
        let suspended = suspended(&row.product);
        (row.product, Numbers { total, assigned, available, over, waiting, suspended })
    };
    rows.into_iter().map(number).collect()
}

fn differs(change: &ContractChange) -> Vec<Differs> {
    let terms = change.subscriptions.iter().map(|it| {
        let (before, after) = differing(it.before.as_ref(), &it.after);
        Differs {
            entity: "subscription",
            id: it.after.id.to_string(),
            before: it.before.is_some().then_some(before),
            after,
        }
    });
    let rules = change.products.iter().filter(|it| it.before.is_some()).map(|it| {
        let (before, after) = differing(it.before.as_ref(), &it.after);
        Differs { entity: "product", id: it.after.code.to_string(), before: Some(before), after }
    });
    terms.chain(rules).collect()
}
