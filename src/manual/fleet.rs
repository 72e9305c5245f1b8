//! A person has looked at what all districts together release (safety.md, Guard: the fleet). One entry in each district that
//! holds something because of it; the next sync of each goes on.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::audit::{Category, Draft};
use crate::guard::{FLEET, Fleet};
use crate::model::Timestamp;
use crate::store::{Act, FleetHold, Store, StoreError};

/// What is said where nothing is to be acknowledged.
pub const FLEET_NOT_HELD: &str = "nothing is held because of all districts together: there is nothing to acknowledge";

/// How it stands, as it is told.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FleetTold {
    /// Releases of the last 24 hours, or since the last acknowledgement.
    pub released: u64,
    /// Releases of a usual day.
    pub usual: u64,
    /// Whether releases are held everywhere.
    pub held: bool,
    /// The latest time at which it was too much.
    pub last_hold: Option<FleetHold>,
}

/// How it stands at an instant.
pub async fn fleet_told(store: &Store, now: Timestamp) -> Result<FleetTold, StoreError> {
    let Fleet { released, usual, tripped } = store.fleet(now).await?;
    Ok(FleetTold { released, usual, held: tripped, last_hold: store.fleet_hold().await? })
}

/// Acknowledges it; none if nothing was held.
pub async fn acknowledge_fleet(
    store: &Store,
    actor: &str,
    reason: Option<&str>,
    at: Timestamp,
) -> Result<Option<FleetHold>, StoreError> {
    let Some(hold) = store.fleet_hold().await?.filter(|hold| hold.acknowledged_at.is_none()) else { return Ok(None) };
    let mut acts = Vec::new();
    for state in store.districts().await? {
        let open = store.undecided_runs(&state.id).await?;
        let of_fleet = |it: &crate::model::HoldRecord| it.group == FLEET && it.decision.is_none();
        if open.iter().flat_map(|run| &run.holds).any(of_fleet) {
            let draft = Draft {
                actor: actor.to_owned(),
                category: Category::Administrative,
                action: "fleet.acknowledged".to_owned(),
                entity: "fleet".to_owned(),
                id: hold.run.to_string(),
                before: None,
                after: Some(json!({ "released": hold.released, "usual": hold.usual })),
                reason: reason.map(str::to_owned),
            };
            acts.push(Act { district: state.id, run: None, at, audit: vec![draft] });
        }
    }
    store.acknowledge_fleet((actor, reason), at, acts).await
}
