//! `GET /v1/districts/{d}/explain?user=&product=`: what `rosterd explain` says, as JSON.

use axum::Json;
use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::explain::Explanation;
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::body::Asked;
use crate::http::problem::Problem;
use crate::http::recent::explained;
use crate::inquiry::WhoAndWhat;
use crate::model::{DistrictId, ProductCode, SourceId};

/// Whom and what; record ids stand in queries.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Of {
    user: String,
    product: Option<String>,
}

/// What is answered.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "ExplainOneOrAll")]
pub(crate) enum Told {
    /// Of the product that was named.
    One(Box<Explanation>),
    /// Of every product.
    All(Vec<Explanation>),
}

/// One object with `product`, else an array.
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(of): Asked<Of>,
) -> Result<Json<Told>, Problem> {
    let district = DistrictId::new(id.as_str());
    caller.check(&district)?;
    let office = app.desk.office();
    let (user, product) = (SourceId::new(of.user), of.product.map(ProductCode::new));
    let asked = WhoAndWhat { district: &district, user: &user, product: product.as_ref(), as_of: office.clock.now() };
    let counts = app.counted.of(&office.store, &district, asked.as_of).await?;
    let mut answers = explained(&app, &counts, asked, None).await?;
    if product.is_none() {
        return Ok(Json(Told::All(answers)));
    }
    let one = answers.pop().ok_or_else(|| Problem::not_found("there is no such product in the catalog"))?;
    Ok(Json(Told::One(Box::new(one))))
}
