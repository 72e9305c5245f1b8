//! Alive, and ready.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::App;
use crate::http::problem::Problem;
use crate::model::RunId;

/// Whoever probes waits no longer, and would not hear why.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// How the process is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Health {
    status: &'static str,
}

/// `GET /livez`: the process answers.
pub(crate) async fn live() -> Json<Health> {
    Json(Health { status: "alive" })
}

/// `GET /readyz`: store and queue answer, and the daemon takes requests. Their schema was checked when they were opened.
pub(crate) async fn ready(State(app): State<App>) -> Result<Json<Health>, Problem> {
    let not_ready = |detail: &str| Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
    if app.desk.stopping().is_cancelled() {
        return Err(not_ready("rosterd is stopping"));
    }
    let office = app.desk.office();
    let nobody = RunId::new("readyz");
    let both = async { (office.store.run(&nobody).await, office.queue.get(&nobody).await) };
    let Ok((store, queue)) = tokio::time::timeout(ANSWERS_WITHIN, both).await else {
        tracing::error!("not ready: the store did not answer within {} seconds", ANSWERS_WITHIN.as_secs());
        return Err(not_ready("the store does not answer in time; the log says why"));
    };
    if let Some(error) = store.err().or(queue.err()) {
        tracing::error!(%error, "not ready");
        return Err(not_ready("the store does not answer; the log says why"));
    }
    Ok(Json(Health { status: "ready" }))
}
