//! Alive, and ready.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::App;
use crate::http::problem::Problem;
use crate::model::RunId;

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
    let (store, queue) = (office.store.run(&nobody).await, office.queue.get(&nobody).await);
    if let Some(error) = store.err().or(queue.err()) {
        tracing::error!(%error, "not ready");
        return Err(not_ready("the store does not answer; the log says why"));
    }
    Ok(Json(Health { status: "ready" }))
}
