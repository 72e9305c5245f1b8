//! `POST /v1/districts/{d}/import`: what `rosterd import` does, with a zip of OneRoster CSV files as the body.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::district::NotByHand;
use crate::http::App;
use crate::http::api::by_hand;
use crate::http::api::runs::{self, Accepted};
use crate::http::auth::Caller;
use crate::http::body::Asked;
use crate::http::problem::Problem;
use crate::model::{DistrictId, Trigger};
use crate::schedule::worker;
use crate::store::NewRequest;

/// The largest upload, packed.
pub(crate) const LARGEST: usize = 64 * 1024 * 1024;

/// The query.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Importing {
    #[serde(default)]
    plan: bool,
    reason: Option<String>,
}

/// Durable before it answers; what is wrong with the upload is told by the run.
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Path(district): Path<String>,
    Asked(Importing { plan, reason }): Asked<Importing>,
    zip: Bytes,
) -> Result<Accepted, Problem> {
    let id = DistrictId::new(district);
    if by_hand::fed(&app, &caller, &id)? {
        return Err(Problem::new(StatusCode::CONFLICT, NotByHand(id).to_string()));
    }
    by_hand::not_too_long(reason.as_deref())?;
    if zip.is_empty() {
        return Err(Problem::unprocessable("the body is empty; send a zip of OneRoster CSV files"));
    }
    let mode = if plan { "plan" } else { "apply" };
    let request = NewRequest {
        requested_by: Some(caller.actor()),
        reason,
        payload: Some(worker::sent_along(&zip)),
        ..app.desk.request(id, mode, Trigger::Http)
    };
    let filed = app.desk.file(request).await?;
    runs::accepted(&app, &filed.run).await
}
