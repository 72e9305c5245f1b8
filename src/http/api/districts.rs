//! Districts, their licenses and seats.

use axum::Json;
use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::allocate::License;
use crate::http::App;
use crate::http::api::Page;
use crate::http::auth::Caller;
use crate::http::body::Asked;
use crate::http::problem::Problem;
use crate::inquiry;
use crate::model::{Audience, Date, DistrictId, ProductCode};
use crate::report::{By, SeatList};
use crate::reports::Then;
use crate::schedule::standing::{self, Standing};

/// `GET /v1/districts`: by id.
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Result<Json<Page<Standing>>, Problem> {
    let items = standing::all(&app.desk.office(), |district| caller.sees(district)).await?;
    Ok(Json(Page { items, next_cursor: None }))
}

/// `GET /v1/districts/{d}`.
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Standing>, Problem> {
    let id = DistrictId::new(id);
    caller.check(&id)?;
    let found = standing::of(&app.desk.office(), &id).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("there is no such district; `GET /v1/districts` lists them"))
}

/// The query of `GET /v1/districts/{d}/licenses`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    #[serde(default)]
    by_school: bool,
    product: Option<String>,
    /// At the end of that day, from the audit.
    at: Option<Date>,
}

/// The district as it was on a day.
async fn on_day(app: &App, district: &DistrictId, day: Date) -> Result<Then, Problem> {
    let office = app.desk.office();
    let then = inquiry::on_day(&office.store, district, day, office.clock.now()).await?;
    then.ok_or_else(|| {
        Problem::unprocessable("`at` lies in the future of the district; name a day that has begun there")
    })
}

/// `GET /v1/districts/{d}/licenses`.
pub(crate) async fn licenses(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(asked): Asked<Wanted>,
) -> Result<Json<Vec<License>>, Problem> {
    let id = DistrictId::new(id.as_str());
    caller.check(&id)?;
    let office = app.desk.office();
    let mut rows = if let Some(day) = asked.at {
        on_day(&app, &id, day).await?.licenses(asked.by_school)
    } else {
        let now = office.clock.now();
        app.counted.of(&office.store, &id, now).await?.licenses(now, asked.by_school)
    };
    if let Some(product) = &asked.product {
        let known = office.store.catalog().await?.products;
        known_product(known.contains_key(&ProductCode::new(product.as_str())))?;
        rows.retain(|row| row.product.as_str() == product);
    }
    Ok(Json(rows))
}

pub(super) fn known_product(known: bool) -> Result<(), Problem> {
    if known { Ok(()) } else { Err(Problem::not_found("there is no such product in the catalog")) }
}

/// The query of `GET /v1/districts/{d}/products/{p}/seats`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct When {
    /// At the end of that day, from the audit.
    at: Option<Date>,
    #[serde(default)]
    sort: By,
    /// Of one audience only.
    audience: Option<Audience>,
}

/// `GET /v1/districts/{d}/products/{p}/seats`.
pub(crate) async fn seats(
    State(app): State<App>,
    caller: Caller,
    Path((id, product)): Path<(String, String)>,
    Asked(asked): Asked<When>,
) -> Result<Json<SeatList>, Problem> {
    let (id, product) = (DistrictId::new(id.as_str()), ProductCode::new(product.as_str()));
    caller.check(&id)?;
    let store = app.desk.office().store;
    store.district(&id).await?;
    known_product(store.catalog().await?.products.contains_key(&product))?;
    let (seats, waiting) = match asked.at {
        Some(day) => on_day(&app, &id, day).await?.seats(&product),
        None => store.seats(&id, &product).await?,
    };
    let mut list = SeatList::new(seats, waiting).sorted(asked.sort);
    if let Some(audience) = asked.audience {
        list = list.of(audience, &store.baseline(&id).await?.roster.users);
    }
    Ok(Json(list))
}
