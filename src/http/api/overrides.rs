//! `PUT` and `DELETE /v1/districts/{d}/products/{p}/override?user=`: what `rosterd override` does, as the same run.

use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::http::App;
use crate::http::api::by_hand::by_hand;
use crate::http::api::runs::Accepted;
use crate::http::auth::Caller;
use crate::http::body::{Asked, Body};
use crate::http::problem::Problem;
use crate::manual::Verb;
use crate::model::{Date, DistrictId, OverrideKind, ProductCode, SourceId};

/// Whose override; record ids stand in queries.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Of {
    user: String,
}

/// The body of a `PUT`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Set {
    kind: OverrideKind,
    reason: String,
    until: Option<Date>,
}

/// The body of a `DELETE`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Clear {
    reason: Option<String>,
}

/// Pins or excludes.
pub(crate) async fn set(
    State(app): State<App>,
    caller: Caller,
    Path((district, product)): Path<(String, String)>,
    Asked(of): Asked<Of>,
    Body(Set { kind, reason, until }): Body<Set>,
) -> Result<Accepted, Problem> {
    let (product, user) = (ProductCode::new(product), SourceId::new(of.user));
    let verb = Verb::OverrideSet { product, user, kind, until };
    by_hand(&app, &caller, DistrictId::new(district), &verb, Some(reason)).await
}

/// Takes a pin or an exclude away.
pub(crate) async fn clear(
    State(app): State<App>,
    caller: Caller,
    Path((district, product)): Path<(String, String)>,
    Asked(of): Asked<Of>,
    Body(Clear { reason }): Body<Clear>,
) -> Result<Accepted, Problem> {
    let verb = Verb::OverrideClear { product: ProductCode::new(product), user: SourceId::new(of.user) };
    by_hand(&app, &caller, DistrictId::new(district), &verb, reason).await
}
