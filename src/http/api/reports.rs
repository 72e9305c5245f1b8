//! `GET /v1/districts/{d}/reports/{name}?product=`: what `rosterd report` tells, one object a row.

use axum::Json;
use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::http::App;
use crate::http::auth::Caller;
use crate::http::body::Asked;
use crate::http::problem::Problem;
use crate::inquiry;
use crate::model::{DistrictId, ProductCode};
use crate::reports::Report;

/// Of one product.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Of {
    product: Option<String>,
}

/// The rows.
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path((id, name)): Path<(String, String)>,
    Asked(of): Asked<Of>,
) -> Result<Json<Vec<Value>>, Problem> {
    let district = DistrictId::new(id.as_str());
    caller.check(&district)?;
    let report = Report::parse(&name).ok_or_else(|| {
        let names = Report::ALL.map(Report::as_str).join(", ");
        Problem::not_found(format!("there is no such report; there are: {names}"))
    })?;
    let office = app.desk.office();
    let product = of.product.map(ProductCode::new);
    let sheet = inquiry::report(&office.store, &district, report, product.as_ref(), office.clock.now()).await?;
    Ok(Json(sheet.objects()))
}
