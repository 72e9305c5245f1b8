//! Runs: those that have ended are in the store, those under way in the queue.

pub(crate) mod changes;
pub(crate) mod events;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::decide;
use crate::http::App;
use crate::http::api::{self, Page};
use crate::http::auth::Caller;
use crate::http::body::{Asked, Body};
use crate::http::problem::Problem;
use crate::http::tokens::Scope;
use crate::model::{DistrictId, RunId, RunRecord, RunStatus, Trigger};
use crate::revert;
use crate::schedule::worker::queued_record;
use crate::store::{Cancelled, NewRequest, RunFilter, WriteError};

/// 202 with the run and where to find it.
#[derive(Debug)]
pub(crate) struct Accepted(RunRecord);

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        let location = HeaderValue::try_from(format!("/v1/runs/{}", self.0.run));
        let mut response = (StatusCode::ACCEPTED, Json(self.0)).into_response();
        if let Ok(location) = location {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

impl Accepted {
    /// The run's id.
    pub(crate) fn id(&self) -> &RunId {
        &self.0.run
    }
}

/// The answer for a run that was filed.
pub(crate) async fn accepted(app: &App, run: &RunId) -> Result<Accepted, Problem> {
    find(app, run).await?.map(Accepted).ok_or_else(Problem::internal)
}

/// The filters of `GET /v1/runs`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filters {
    district: Option<String>,
    status: Option<RunStatus>,
    cursor: Option<String>,
    #[schemars(range(min = 1, max = api::MOST))]
    limit: Option<u32>,
}

/// `GET /v1/runs`: newest first.
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(asked): Asked<Filters>,
) -> Result<Json<Page<RunRecord>>, Problem> {
    let limit = api::limit(asked.limit)?;
    let status = asked.status;
    let before = asked.cursor.as_deref().map(RunId::new);
    let districts: Vec<Option<DistrictId>> = match (&asked.district, caller.only()) {
        (Some(id), _) => {
            let id = DistrictId::new(id.as_str());
            caller.check(&id)?;
            vec![Some(id)]
        }
        (None, Some(only)) => only.iter().cloned().map(Some).collect(),
        (None, None) => vec![None],
    };
    let office = app.desk.office();
    // One more than asked for says whether there is a next page. The queue is read first, so that a run which ends meanwhile
    // is in one of the two.
    let open = office.queue.list(true).await?;
    let mut runs: Vec<RunRecord> = Vec::new();
    for district in &districts {
        let filter = RunFilter { district: district.clone(), status, before: before.clone(), limit: Some(limit + 1) };
        runs.extend(office.store.runs(&filter).await?);
    }
    let in_district = |id: &DistrictId| districts.iter().any(|it| it.as_ref().is_none_or(|it| it == id));
    for request in open.iter().filter(|it| in_district(&it.district) && status.is_none_or(|status| status == it.status))
    {
        let seen = runs.iter().any(|run| run.run == request.run);
        if !seen
            && before.as_ref().is_none_or(|before| &request.run < before)
            && office.store.run(&request.run).await?.is_none()
        {
            runs.push(queued_record(request));
        }
    }
    runs.sort_by(|a, b| b.run.cmp(&a.run));
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = runs.len() > size;
    runs.truncate(size);
    let next_cursor = runs.last().filter(|_| more).map(|it| it.run.to_string());
    Ok(Json(Page { items: runs, next_cursor }))
}

/// `GET /v1/runs/{id}`.
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<RunRecord>, Problem> {
    Ok(Json(seen(&app, &caller, &id).await?))
}

async fn find(app: &App, run: &RunId) -> Result<Option<RunRecord>, Problem> {
    let office = app.desk.office();
    // The queue first: a run that ends meanwhile is then in the store.
    let open = office.queue.get(run).await?;
    let ended = office.store.run(run).await?;
    Ok(ended.or_else(|| open.as_ref().map(queued_record)))
}

/// The same answer for a run that does not exist and one of a district that this caller may not see. Of one that may be read it is
/// said where what the route does is not the caller's.
pub(crate) async fn seen(app: &App, caller: &Caller, id: &str) -> Result<RunRecord, Problem> {
    let known = |it: &RunRecord| caller.sees(&it.district) || caller.may(Scope::Read, &it.district);
    let run = find(app, &RunId::new(id)).await?.filter(known);
    let run = run.ok_or_else(|| Problem::not_found("there is no such run; `GET /v1/runs` lists them"))?;
    caller.check(&run.district)?;
    Ok(run)
}

/// A person's decision.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    pub(crate) hash: Option<String>,
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    pub(crate) reason: Option<String>,
}

/// `POST /v1/runs/{id}/approve`.
pub(crate) async fn approve(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(decision): Body<Decision>,
) -> Result<Accepted, Problem> {
    decided(&app, &caller, &id, decision, true).await
}

/// `POST /v1/runs/{id}/reject`.
pub(crate) async fn reject(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(decision): Body<Decision>,
) -> Result<Accepted, Problem> {
    decided(&app, &caller, &id, decision, false).await
}

/// Files a decision that stands a first look.
pub(crate) async fn decided(
    app: &App,
    caller: &Caller,
    id: &str,
    decision: Decision,
    approve: bool,
) -> Result<Accepted, Problem> {
    let held = seen(app, caller, id).await?;
    let Decision { hash, groups, reason } = decision;
    let ask = decide::Ask { run: held.run.clone(), approve, groups, hash };
    if app.desk.office().store.run(&held.run).await?.is_none() {
        return Err(decide::Refused::NothingHeld(held.run).into());
    }
    let office = app.desk.office();
    decide::check(&office.store, &office.settings.guard, &ask, Some(&caller.actor())).await?;
    let mode = if approve { "approve" } else { "reject" };
    let request = NewRequest {
        requested_by: Some(caller.actor()),
        reason,
        payload: Some(serde_json::to_string(&ask)?),
        ..app.desk.request(held.district, mode, Trigger::Approval)
    };
    let filed = app.desk.file(request).await?;
    accepted(app, &filed.run).await
}

/// A revert.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revert {
    #[serde(default)]
    pub(crate) plan: bool,
    pub(crate) reason: Option<String>,
}

/// `POST /v1/runs/{id}/revert`.
pub(crate) async fn revert(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(ask): Body<Revert>,
) -> Result<Accepted, Problem> {
    reverted(&app, &caller, &id, ask).await
}

/// Files a revert that stands a first look.
pub(crate) async fn reverted(app: &App, caller: &Caller, id: &str, ask: Revert) -> Result<Accepted, Problem> {
    let Revert { plan, reason } = ask;
    let reverted = seen(app, caller, id).await?;
    let ask = revert::Ask { run: reverted.run.clone(), plan };
    let office = app.desk.office();
    if office.store.run(&reverted.run).await?.is_none() {
        return Err(revert::Refused::AppliedNothing { run: reverted.run, status: reverted.status }.into());
    }
    Box::pin(revert::check(&office.store, &office.settings.guard, &ask, office.clock.now())).await?;
    let request = NewRequest {
        requested_by: Some(caller.actor()),
        reason,
        payload: Some(serde_json::to_string(&ask)?),
        ..app.desk.request(reverted.district, "revert", Trigger::Revert)
    };
    let filed = app.desk.file(request).await?;
    accepted(app, &filed.run).await
}

/// `POST /v1/runs/{id}/cancel`: 200 with the cancelled run; 409 if it has begun.
pub(crate) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<RunRecord>, Problem> {
    let record = seen(&app, &caller, &id).await?;
    let office = app.desk.office();
    match office.queue.cancel(&record.run).await? {
        Cancelled::Now => {}
        Cancelled::Asked | Cancelled::TooLate => {
            let run = find(&app, &record.run).await?.unwrap_or(record);
            let message = format!("run `{}` is {} and can no longer be cancelled", run.run, run.status);
            return Err(Problem::new(StatusCode::CONFLICT, message));
        }
    }
    let finished_at = Some(office.clock.now());
    let record = RunRecord { status: RunStatus::Cancelled, finished_at, ..record };
    office.store.finish_run(&record, None).await.map_err(|error| match error {
        WriteError::Store(error) => Problem::from(error),
        WriteError::AlreadyDone(_) | WriteError::Fenced | WriteError::Stale { .. } => {
            Problem::new(StatusCode::CONFLICT, error.to_string())
        }
    })?;
    Ok(Json(record))
}
