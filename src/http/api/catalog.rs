//! The catalog: how it stands, a refresh, and one purchase from the CRM.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::Value;

use crate::http::App;
use crate::http::api::runs;
use crate::http::auth::Caller;
use crate::http::body::{Asked, Body};
use crate::http::problem::Problem;
use crate::model::{SubscriptionId, Trigger};
use crate::schedule::catalog::{self, Accepted, Look, Refreshed};
use crate::schedule::purchase::{self, NotMeant, Unchanged, Weighed};
use crate::store::NewRequest;

fn no_catalog() -> Problem {
    Problem::not_found("there is no catalog: set `catalog.path` or `catalog.url`, and reload")
}

/// `GET /v1/catalog`: how the last look at it ended. A token of some districts sees what concerns these.
pub(crate) async fn show(State(app): State<App>, caller: Caller) -> Result<Json<Look>, Problem> {
    let mut look = catalog::last_look(&app.desk.office()).await?.ok_or_else(no_catalog)?;
    look.vanished.retain(|it| caller.sees(&it.district));
    look.runs.retain(|it| caller.sees(&it.district));
    look.held.retain(|it| caller.sees(&it.district));
    if caller.only().is_some() {
        // Both may name other districts.
        look.warnings.clear();
        look.error = look.error.map(|_| "the catalog was not taken, the last good one stays in force".to_owned());
    }
    Ok(Json(look))
}

/// The body of a refresh: nothing, or the word that what it takes away is meant.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refresh {
    accept: Option<String>,
    reason: Option<String>,
}

/// `POST /v1/catalog/refresh` (S4.25): looked at now, or answered with the last result and when it may be again (S4.27).
pub(crate) async fn refresh(
    State(app): State<App>,
    caller: Caller,
    Body(Refresh { accept, reason }): Body<Refresh>,
) -> Result<Json<Refreshed>, Problem> {
    if caller.only().is_some() {
        let detail = "the catalog is of all districts: this token is for some of them";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    // A task of its own, since a service may take longer than a caller waits.
    let desk = app.desk.clone();
    let accepted = accept.map(|hash| Accepted { hash, by: caller.actor(), reason });
    let asked = tokio::spawn(async move { catalog::ask(&desk, accepted.as_ref()).await })
        .await
        .map_err(|_| Problem::internal())?;
    asked?.map(Json).ok_or_else(no_catalog)
}

/// The query of a purchase: nothing, or the word that what it takes away is meant.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Put {
    accept: Option<String>,
    reason: Option<String>,
}

/// The body of a purchase: a subscription as the catalog writes it. Its id stands in the address and need not be said again.
pub(crate) struct Purchase;

impl JsonSchema for Purchase {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Purchase".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = crate::catalog::Written::json_schema(generator);
        if let Some(names) = schema.get_mut("required").and_then(Value::as_array_mut) {
            names.retain(|name| name != "id");
        }
        schema
    }
}

/// A purchase that would take more seats away than the guard lets pass: 409 with what would end, and how to accept it.
fn not_meant(it: &NotMeant) -> Result<Problem, Problem> {
    let lines = it.held.iter().flat_map(|terms| &terms.holds).map(catalog::held_line);
    let lines = lines.collect::<Vec<_>>().join("; ");
    let how = format!("the same request with `?accept={}&reason=…`", it.hash);
    let problem = Problem::new(StatusCode::CONFLICT, format!("{lines}; {}: {how}", catalog::NOT_MEANT));
    Ok(problem.saying("held", serde_json::to_value(&it.held)?).saying("hash", it.hash.as_str()))
}

/// `PUT /v1/subscriptions/{id}`: 202 with the run that puts it in force, 200 where it is in force already.
pub(crate) async fn purchase(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(Put { accept, reason }): Asked<Put>,
    body: Bytes,
) -> Result<Response, Problem> {
    let text = std::str::from_utf8(&body).map_err(|_| Problem::bad_request("the body is not text in UTF-8"))?;
    let office = app.desk.office();
    let id = SubscriptionId::new(id);
    if accept.is_some() && reason.as_deref().is_none_or(str::is_empty) {
        return Err(Problem::unprocessable("who accepts what is taken away says why: add `&reason=…`"));
    }
    let accept = accept.as_deref();
    let asked = purchase::Asked { id: Some(&id), by: caller.actor(), reason, accept };
    let weighed = purchase::weigh(&office, text, asked, |district| caller.check(district)).await?;
    let run = match weighed {
        Weighed::InForce(purchase) => return Ok(Json(Unchanged::new(purchase.subscription)).into_response()),
        Weighed::Held(it) => return Err(not_meant(&it)?),
        Weighed::Queued(_, run) => run,
        Weighed::New(purchase) => {
            let district = purchase.subscription.district.clone();
            let request = NewRequest {
                reason: purchase.reason.clone(),
                ..app.desk.request(district, catalog::PURCHASE, Trigger::Catalog)
            };
            app.desk.file(purchase::request(request, &purchase)?).await?.run
        }
    };
    Ok(runs::accepted(&app, &run).await?.into_response())
}
