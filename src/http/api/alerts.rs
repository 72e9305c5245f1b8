//! Alerts of a district: read, and acknowledged.

use axum::Json;
use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::alert;
use crate::http::App;
use crate::http::api::Page;
use crate::http::api::by_hand::not_too_long;
use crate::http::auth::Caller;
use crate::http::body::{Asked, Body};
use crate::http::problem::Problem;
use crate::manual::{self, NotSeen};
use crate::model::{Alert, AlertId, DistrictId};

/// The query of `GET /v1/districts/{d}/alerts`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Also those that are over.
    #[serde(default)]
    all: bool,
}

/// `GET /v1/districts/{d}/alerts`: most urgent first. There are a few for each product and school, so one page has them all.
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(Wanted { all }): Asked<Wanted>,
) -> Result<Json<Page<Alert>>, Problem> {
    let id = DistrictId::new(id);
    caller.check(&id)?;
    let store = app.desk.office().store;
    store.district(&id).await?;
    Ok(Json(Page { items: alert::in_order(store.alerts(&id, all).await?), next_cursor: None }))
}

/// The body of an acknowledgement.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seen {
    reason: Option<String>,
}

/// `POST /v1/districts/{d}/alerts/{id}/ack`: answers with the alert, which stays open.
pub(crate) async fn acknowledge(
    State(app): State<App>,
    caller: Caller,
    Path((district, id)): Path<(String, String)>,
    Body(Seen { reason }): Body<Seen>,
) -> Result<Json<Alert>, Problem> {
    let (district, id) = (DistrictId::new(district), AlertId::new(id));
    caller.check(&district)?;
    not_too_long(reason.as_deref())?;
    let office = app.desk.office();
    // One of another district is not there.
    let known = office.store.alert(&id).await?.is_some_and(|alert| alert.district == district);
    if !known {
        return Err(NotSeen::Unknown(id).into());
    }
    let (actor, now) = (caller.actor(), office.clock.now());
    Ok(Json(manual::acknowledge(&office.store, &id, &actor, reason.as_deref(), now).await?))
}
