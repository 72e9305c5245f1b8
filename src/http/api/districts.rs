//! Districts, their licenses and seats.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};

use crate::allocate::{License, licenses as license_rows};
use crate::http::App;
use crate::http::api::Page;
use crate::http::auth::Caller;
use crate::http::body::Asked;
use crate::http::problem::Problem;
use crate::inquiry;
use crate::model::{Date, DistrictId, ProductCode, RunRecord};
use crate::report::SeatList;
use crate::reports::Then;
use crate::store::RunFilter;

/// A district as `GET /v1/districts` lists it.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    id: DistrictId,
    name: String,
    time_zone: String,
    /// The kind of its feed; null for one that is no longer configured or listed.
    feed: Option<&'static str>,
    /// Whether teachers may add students; an application that lets them asks here (S2.18).
    teachers_may_create_students: bool,
    /// The latest run that has ended.
    last_run: Option<RunRecord>,
}

/// `GET /v1/districts`: by id.
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Result<Json<Page<Listed>>, Problem> {
    let office = app.desk.office();
    let mut items = Vec::new();
    for state in office.store.districts().await?.into_iter().filter(|it| caller.sees(&it.id)) {
        let known = office.known.get(&state.id);
        let filter = RunFilter { district: Some(state.id.clone()), limit: Some(1), ..RunFilter::default() };
        items.push(Listed {
            name: known.map_or_else(|| state.id.to_string(), |it| it.name().to_owned()),
            time_zone: state.time_zone.name().to_owned(),
            feed: known.map(|it| it.feed.kind()),
            teachers_may_create_students: known.is_some_and(crate::district::District::teachers_may_create_students),
            last_run: office.store.runs(&filter).await?.into_iter().next(),
            id: state.id,
        });
    }
    Ok(Json(Page { items, next_cursor: None }))
}

/// `GET /v1/districts/{d}`.
pub(crate) async fn show(app: State<App>, caller: Caller, Path(id): Path<String>) -> Result<Json<Listed>, Problem> {
    caller.check(&DistrictId::new(id.as_str()))?;
    let Json(all) = list(app, caller).await?;
    let found = all.items.into_iter().find(|it| it.id.as_str() == id);
    found.map(Json).ok_or_else(|| Problem::not_found("there is no such district; `GET /v1/districts` lists them"))
}

/// The query of `GET /v1/districts/{d}/licenses`.
#[derive(Debug, Deserialize)]
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
    let mut rows = match asked.at {
        Some(day) => on_day(&app, &id, day).await?.licenses(asked.by_school),
        None => license_rows(&office.store.baseline(&id).await?, office.clock.now(), asked.by_school),
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
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct When {
    /// At the end of that day, from the audit.
    at: Option<Date>,
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
    Ok(Json(SeatList::new(seats, waiting)))
}
