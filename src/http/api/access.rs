//! `GET` and `POST /v1/access`: may this user open this product, asked at every login.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::access::{self, Answer, Reason, Verdict};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::body::{Asked, Body};
use crate::http::live::Entry;
use crate::http::problem::Problem;
use crate::model::{DistrictId, ProductCode, SourceId, Timestamp};
use crate::store::StoreError;

/// The query.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    district: String,
    user: String,
    product: Option<String>,
}

/// The body of an opening.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Opening {
    district: String,
    user: String,
    product: String,
}

/// What every answer has.
#[derive(Debug, Serialize, JsonSchema)]
struct About {
    district: DistrictId,
    user: SourceId,
    as_of: Timestamp,
    version: i64,
    cache_seconds: u32,
}

/// The answer for one product.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AccessAnswer")]
pub(crate) struct One {
    #[serde(flatten)]
    about: About,
    #[serde(flatten)]
    answer: Answer,
}

/// The answer for all products.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AccessAnswers")]
pub(crate) struct All {
    #[serde(flatten)]
    about: About,
    products: Vec<Answer>,
}

/// What is answered: for one product the answer itself, else `products` with an answer each.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "AccessOneOrAll")]
pub(crate) enum Told {
    /// Of the product that was named.
    One(One),
    /// Of every product.
    All(All),
}

/// A district in memory, at one instant.
struct Seen {
    entry: Arc<Entry>,
    user: SourceId,
    now: Timestamp,
}

impl Seen {
    fn about(&self, app: &App) -> About {
        let index = &self.entry.index;
        About {
            district: index.state().id.clone(),
            user: self.user.clone(),
            as_of: self.now,
            version: index.version(&self.entry.today(self.now)),
            cache_seconds: index.cache_seconds(self.now, app.desk.office().settings.access.cache_seconds),
        }
    }

    fn one(&self, app: &App, answer: Answer) -> One {
        app.desk.metrics().access(answer.access.as_str());
        One { about: self.about(app), answer }
    }

    fn answer(&self, product: &str) -> Result<Answer, Problem> {
        let today = self.entry.today(self.now);
        let answer = self.entry.index.answer(&today, &self.user, &ProductCode::from(product));
        answer.ok_or_else(|| Problem::not_found("there is no such product in the catalog"))
    }
}

/// The district that is meant, if this caller may ask about it.
fn meant(app: &App, caller: &Caller, name: &str) -> Result<DistrictId, Problem> {
    let known = app.desk.office().known;
    let id = known.meant(name).map_or_else(|| DistrictId::from(name), crate::district::District::id);
    caller.check(&id)?;
    Ok(id)
}

fn unknown(error: StoreError) -> Problem {
    match error {
        StoreError::NoDistrict { .. } => {
            Problem::not_found("there is no such district, by our id, Clever's id or ClassLink's tenant")
        }
        error => error.into(),
    }
}

async fn see(app: &App, caller: &Caller, district: &str, user: &str) -> Result<Seen, Problem> {
    let id = meant(app, caller, district)?;
    let office = app.desk.office();
    let now = office.clock.now();
    let entry = app.live.district(&office.store, &id, now).await.map_err(unknown)?;
    Ok(Seen { entry, user: SourceId::from(user), now })
}

/// `GET /v1/access`.
pub(crate) async fn ask(
    State(app): State<App>,
    caller: Caller,
    Asked(login): Asked<Login>,
) -> Result<Json<Told>, Problem> {
    let seen = see(&app, &caller, &login.district, &login.user).await?;
    if let Some(product) = &login.product {
        let answer = seen.answer(product)?;
        return Ok(Json(Told::One(seen.one(&app, answer))));
    }
    let today = seen.entry.today(seen.now);
    let products = seen.entry.index.answers(&today, &seen.user);
    let best = products.iter().map(|it| it.access).max().unwrap_or(Verdict::No);
    app.desk.metrics().access(best.as_str());
    Ok(Json(Told::All(All { about: seen.about(&app), products })))
}

/// `POST /v1/access`: the product is being opened.
pub(crate) async fn open(
    State(app): State<App>,
    caller: Caller,
    Body(opening): Body<Opening>,
) -> Result<Json<One>, Problem> {
    let seen = see(&app, &caller, &opening.district, &opening.user).await?;
    let answer = seen.answer(&opening.product)?;
    let district = seen.entry.index.state().id.clone();
    let note = |wait: bool| {
        let used = (answer.product.clone(), seen.user.clone(), seen.now);
        app.openings.note(&app.desk, &district, caller.actor(), used, wait)
    };
    if answer.access != Verdict::No {
        drop(note(false));
        return Ok(Json(seen.one(&app, answer)));
    }
    if answer.reason != Reason::NotOpened {
        return Ok(Json(seen.one(&app, answer)));
    }
    // The run ends in time, or the caller is told to ask again; either way it is in the queue.
    let carried_out = note(true).await;
    let store = app.desk.office().store;
    let revision = store.district(&district).await.map_err(unknown)?.revision;
    let now = app.desk.office().clock.now();
    let entry = app.live.at_least(&store, &district, revision, now).await.map_err(unknown)?;
    let seen = Seen { entry, user: seen.user, now };
    let answer = seen.answer(&opening.product)?;
    let unopened =
        answer.reason == Reason::NotOpened && !store.has_opened(&district, &answer.product, &seen.user).await?;
    let answer = if carried_out.is_err() || unopened { answer.pending() } else { answer };
    Ok(Json(seen.one(&app, answer)))
}

/// The query of a snapshot.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfDistrict {
    district: String,
}

/// `GET /v1/access/snapshot`: the signed file from which an application answers while `rosterd` cannot be asked.
pub(crate) async fn snapshot(
    State(app): State<App>,
    caller: Caller,
    Asked(asked): Asked<OfDistrict>,
) -> Result<Response, Problem> {
    let seen = see(&app, &caller, &asked.district, "").await?;
    let office = app.desk.office();
    let settings = &office.settings.access;
    let Some(key) = &settings.snapshot_key else {
        return Err(Problem::new(StatusCode::CONFLICT, "snapshots are signed: set `access.snapshot_key` first"));
    };
    let key = key.reveal(crate::secret::process_environment).map_err(|error| {
        tracing::error!(%error, "the key of access snapshots cannot be had");
        Problem::internal()
    })?;
    let document = access::snapshot(&seen.entry.index, seen.now, settings.snapshot_days)?;
    let signed = access::sign(&document, key.expose_secret().as_bytes());
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], signed).into_response())
}
