//! What all districts together release, and that somebody has looked at it (safety.md, Guard: the fleet).

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::http::App;
use crate::http::api::by_hand::not_too_long;
use crate::http::auth::Caller;
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::manual::{self, FleetTold};

fn of_all(caller: &Caller) -> Result<(), Problem> {
    let detail = "the fleet is all districts together: this token is for some of them";
    if caller.only().is_some() { Err(Problem::new(StatusCode::FORBIDDEN, detail)) } else { Ok(()) }
}

/// `GET /v1/fleet`: for tokens of all districts.
pub(crate) async fn show(State(app): State<App>, caller: Caller) -> Result<Json<FleetTold>, Problem> {
    of_all(&caller)?;
    let office = app.desk.office();
    Ok(Json(manual::fleet_told(&office.store, office.clock.now()).await?))
}

/// The body of an acknowledgement.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acknowledge {
    reason: String,
}

/// `POST /v1/fleet/acknowledge`: releases go on everywhere with each district's next sync; 409 where nothing is held.
pub(crate) async fn acknowledge(
    State(app): State<App>,
    caller: Caller,
    Body(Acknowledge { reason }): Body<Acknowledge>,
) -> Result<Json<FleetTold>, Problem> {
    of_all(&caller)?;
    not_too_long(Some(&reason))?;
    let office = app.desk.office();
    let now = office.clock.now();
    let done = manual::acknowledge_fleet(&office.store, &caller.actor(), Some(&reason), now).await?;
    if done.is_none() {
        return Err(Problem::new(StatusCode::CONFLICT, manual::FLEET_NOT_HELD));
    }
    Ok(Json(manual::fleet_told(&office.store, now).await?))
}
