//! `POST /v1/syncs`.

use axum::extract::State;
use axum::http::HeaderMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::http::App;
use crate::http::api::runs::{self, Accepted};
use crate::http::auth::Caller;
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::model::{DistrictId, Trigger};
use crate::store::NewRequest;

/// The longest reason and idempotency key.
const LONGEST: usize = 255;

/// The body.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    district: String,
    #[serde(default)]
    mode: Mode,
    reason: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    #[default]
    Apply,
    Plan,
}

/// Durable before it answers; the same `Idempotency-Key` of the same token gives the same run; while a sync of the same mode
/// is queued, it is joined.
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Body(ask): Body<Ask>,
) -> Result<Accepted, Problem> {
    let id = DistrictId::new(ask.district.as_str());
    caller.check(&id)?;
    let office = app.desk.office();
    let Some(district) = office.known.get(&id) else {
        return Err(Problem::not_found("there is no such district; `GET /v1/districts` lists them"));
    };
    if district.is_by_hand() {
        let detail = format!(
            "district `{id}` is kept by hand and has no feed to sync: `POST /v1/districts/{id}/import` takes its roster"
        );
        return Err(Problem::unprocessable(detail));
    }
    if ask.reason.as_ref().is_some_and(|it| it.chars().count() > LONGEST) {
        return Err(Problem::unprocessable(format!("`reason` is longer than {LONGEST} characters")));
    }
    let idempotency_key = match key(&headers)? {
        Some(key) => {
            Some((format!("{}\n{key}", caller.actor()), hex::encode(Sha256::digest(serde_json::to_vec(&ask)?))))
        }
        None => None,
    };
    let mode = match ask.mode {
        Mode::Apply => "apply",
        Mode::Plan => "plan",
    };
    let request = NewRequest {
        requested_by: Some(caller.actor()),
        reason: ask.reason,
        idempotency_key,
        ..app.desk.request(id, mode, Trigger::Http)
    };
    let filed = app.desk.file(request).await?;
    runs::accepted(&app, &filed.run).await
}

fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=LONGEST).contains(&key.len()));
    let wrong = || Problem::bad_request(format!("`Idempotency-Key` must be 1 to {LONGEST} printable characters"));
    key.map(Some).ok_or_else(wrong)
}
