//! `PUT` and `DELETE /v1/districts/{d}/mode`: what `rosterd district mode` does.

use axum::Json;
use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::http::App;
use crate::http::auth::Caller;
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::manual::{ModeAsk, set_mode};
use crate::model::{Date, DistrictId, DistrictMode};
use crate::schedule::standing::{self, Standing};

/// The body of a `PUT`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Set {
    mode: DistrictMode,
    from: Option<Date>,
    until: Option<Date>,
    reason: Option<String>,
}

/// The body of a `DELETE`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Clear {
    reason: Option<String>,
}

/// Sets the mode; answers with the district.
pub(crate) async fn set(
    State(app): State<App>,
    caller: Caller,
    Path(district): Path<String>,
    Body(Set { mode, from, until, reason }): Body<Set>,
) -> Result<Json<Standing>, Problem> {
    change(&app, &caller, DistrictId::new(district), &ModeAsk { mode, from, until, reason }).await
}

/// Back to `normal`, also for days to come.
pub(crate) async fn clear(
    State(app): State<App>,
    caller: Caller,
    Path(district): Path<String>,
    Body(Clear { reason }): Body<Clear>,
) -> Result<Json<Standing>, Problem> {
    let ask = ModeAsk { mode: DistrictMode::Normal, from: None, until: None, reason };
    change(&app, &caller, DistrictId::new(district), &ask).await
}

async fn change(app: &App, caller: &Caller, id: DistrictId, ask: &ModeAsk) -> Result<Json<Standing>, Problem> {
    caller.check(&id)?;
    let office = app.desk.office();
    set_mode(&office.store, &id, ask, &caller.actor(), office.clock.now()).await?;
    let standing = standing::of(&office, &id).await?;
    standing.map(Json).ok_or_else(|| Problem::not_found("there is no such district"))
}
