//! `GET /v1/districts/{d}/suggestions`: how to get back under the limit.

use axum::Json;
use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::http::App;
use crate::http::api::districts::known_product;
use crate::http::auth::Caller;
use crate::http::body::Asked;
use crate::http::problem::Problem;
use crate::model::{DistrictId, ProductCode, SourceId};
use crate::suggest::Shortage;

/// The query.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Of {
    product: Option<String>,
    school: Option<String>,
}

/// Every shortage, with what could be done.
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(of): Asked<Of>,
) -> Result<Json<Vec<Shortage>>, Problem> {
    let id = DistrictId::new(id);
    caller.check(&id)?;
    let office = app.desk.office();
    let now = office.clock.now();
    let counts = app.counted.of(&office.store, &id, now).await?;
    let product = of.product.map(ProductCode::new);
    if let Some(product) = &product {
        known_product(counts.outline.catalog.products.contains_key(product))?;
    }
    let school = of.school.map(SourceId::new);
    let asked = |it: &&Shortage| {
        product.as_ref().is_none_or(|code| *code == it.product) && (school.is_none() || school == it.school)
    };
    Ok(Json(counts.shortages(&app, now).await?.iter().filter(asked).cloned().collect()))
}
