//! `GET` and `POST /v1/districts/{d}/identity`: what `rosterd identity` shows and does. Ids and the names of keys, nobody's
//! name.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::allocate::licenses;
use crate::http::App;
use crate::http::api::by_hand::by_hand;
use crate::http::api::runs::Accepted;
use crate::http::auth::Caller;
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::manual::{LinkWord, Verb};
use crate::model::DistrictId;
use crate::report::PairList;

/// The body of a `POST`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    decision: LinkWord,
    ids: BTreeSet<String>,
    reason: String,
}

/// Proposals and decisions.
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<PairList>, Problem> {
    let id = DistrictId::new(id);
    caller.check(&id)?;
    let office = app.desk.office();
    let baseline = office.store.baseline(&id).await?;
    let former = office.store.former_users(&id).await?;
    let rows = licenses(&baseline, office.clock.now(), false);
    Ok(Json(PairList::new(&baseline, &former, &rows)))
}

/// Accepts, refuses or undoes.
pub(crate) async fn decide(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(Said { decision, ids, reason }): Body<Said>,
) -> Result<Accepted, Problem> {
    by_hand(&app, &caller, DistrictId::new(id), &Verb::Identity { decision, ids }, Some(reason)).await
}
