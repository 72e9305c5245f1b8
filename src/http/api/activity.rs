//! `POST /v1/districts/{d}/activity`: first and last use of products, in bulk.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::activity::{self, Answer, Reported};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::model::{DistrictId, RunId, Trigger};
use crate::store::NewRequest;

/// The body.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Report {
    activity: Vec<Reported>,
}

/// The answer; `run` is null where nothing had to be decided.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ActivityTaken")]
pub(crate) struct Taken {
    #[serde(flatten)]
    answer: Answer,
    run: Option<RunId>,
}

/// 200 where everything is written, 202 with the run that carries out first uses.
pub(crate) async fn report(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(Report { activity: reported }): Body<Report>,
) -> Result<Response, Problem> {
    let district = DistrictId::new(id.as_str());
    caller.check(&district)?;
    let office = app.desk.office();
    if office.known.get(&district).is_none() {
        return Err(Problem::not_found("there is no such district; `GET /v1/districts` lists them"));
    }
    if reported.len() > activity::MOST {
        let detail = format!("`activity` has more than {} entries: send it in parts", activity::MOST);
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    let request = app.desk.request(district.clone(), activity::MODE, Trigger::Http);
    // A task of its own, since a transaction must not be dropped at its BEGIN when the caller goes away.
    let (store, as_of) = (office.store.clone(), request.at);
    let taken = tokio::spawn(async move { activity::take(&store, &district, &reported, as_of).await }).await;
    let (answer, uses) = taken.map_err(|_| Problem::internal())??;
    let Some(uses) = uses else { return Ok(Json(Taken { answer, run: None }).into_response()) };
    let payload = Some(serde_json::to_string(&uses)?);
    let filed = app.desk.file(NewRequest { requested_by: Some(caller.actor()), payload, ..request }).await?;
    let location = HeaderValue::try_from(format!("/v1/runs/{}", filed.run));
    let mut response = (StatusCode::ACCEPTED, Json(Taken { answer, run: Some(filed.run) })).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}
