//! `PUT` and `DELETE /v1/districts/{d}/products/{p}/override?user=`: what `rosterd override` does, as the same run.

use axum::extract::{Path, State};
use serde::Deserialize;

use crate::http::App;
use crate::http::api::runs::{self, Accepted};
use crate::http::auth::Caller;
use crate::http::body::{Asked, Body};
use crate::http::problem::Problem;
use crate::manual::{self, Verb};
use crate::model::{Date, DistrictId, OverrideKind, ProductCode, SourceId, Trigger};
use crate::run::BY_HAND;
use crate::store::NewRequest;

/// The longest reason.
const LONGEST: usize = 255;

/// Whose override; record ids stand in queries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Of {
    user: String,
}

/// The body of a `PUT`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Set {
    kind: OverrideKind,
    reason: String,
    until: Option<Date>,
}

/// The body of a `DELETE`.
#[derive(Debug, Deserialize)]
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

/// Checked before it is queued, durable before it answers.
async fn by_hand(
    app: &App,
    caller: &Caller,
    id: DistrictId,
    verb: &Verb,
    reason: Option<String>,
) -> Result<Accepted, Problem> {
    caller.check(&id)?;
    let office = app.desk.office();
    let Some(district) = office.known.get(&id) else {
        return Err(Problem::not_found("there is no such district; `GET /v1/districts` lists them"));
    };
    if reason.as_ref().is_some_and(|it| it.chars().count() > LONGEST) {
        return Err(Problem::unprocessable(format!("`reason` is longer than {LONGEST} characters")));
    }
    let fed = district.feed.kind() != "manual";
    let actor = caller.actor();
    let request = app.desk.request(id.clone(), BY_HAND, Trigger::Http);
    let asked = manual::Asked { verb, fed, actor: &actor, reason: reason.as_deref(), as_of: request.at };
    manual::check(&office.store, &office.settings.guard, &id, asked).await?;
    let payload = Some(serde_json::to_string(verb)?);
    let filed = app.desk.file(NewRequest { requested_by: Some(actor), reason, payload, ..request }).await?;
    runs::accepted(app, &filed.run).await
}
