//! `GET /v1/districts/{d}/suggestions`: how to get back under the limit.

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;

use crate::http::App;
use crate::http::api::districts::known_product;
use crate::http::auth::Caller;
use crate::http::body::Asked;
use crate::http::problem::Problem;
use crate::model::{DistrictId, ProductCode, SourceId};
use crate::suggest::{self, Shortage, Wanted};

/// The query.
#[derive(Debug, Deserialize)]
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
    let baseline = office.store.baseline(&id).await?;
    let by_hand = office.known.get(&id).is_some_and(crate::district::District::is_by_hand);
    let wanted = Wanted { product: of.product.map(ProductCode::new), school: of.school.map(SourceId::new), by_hand };
    if let Some(product) = &wanted.product {
        known_product(baseline.catalog.products.contains_key(product))?;
    }
    let now = office.clock.now();
    // It takes some allocations, and a worker of the server has others to answer.
    let worked = tokio::task::spawn_blocking(move || suggest::suggest(&baseline, now, &wanted)).await;
    worked.map(Json).map_err(|_| Problem::internal())
}
