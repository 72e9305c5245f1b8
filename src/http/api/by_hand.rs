//! The manual verbs under `/v1/districts/{d}`: what the command line does, with the same checks and as the same run. Record
//! ids stand in bodies. A refused verb leaves no run; where seats are lacking the problem has `available` and `needed`.

use std::collections::BTreeSet;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::http::App;
use crate::http::api::runs::{self, Accepted};
use crate::http::auth::Caller;
use crate::http::body::{Asked, Body, whole};
use crate::http::problem::Problem;
use crate::manual::{self, Outcome, Takeover, Verb, Whom};
use crate::model::{DistrictId, ProductCode, SourceId, SubscriptionId, Trigger};
use crate::run::BY_HAND;
use crate::store::NewRequest;

/// The longest reason.
const LONGEST: usize = 255;

/// `assign` and `unassign`: `users` is a list of any length, or `class` names one, less those in `except`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assigning {
    #[serde(default)]
    users: BTreeSet<SourceId>,
    class: Option<SourceId>,
    #[serde(default)]
    except: BTreeSet<SourceId>,
    reason: String,
}

impl Assigning {
    fn whom(self) -> Result<(Whom, String), Problem> {
        let whom = match self.class {
            Some(id) if self.users.is_empty() => Whom::Class { id, except: self.except },
            None if self.except.is_empty() => Whom::Users(self.users),
            Some(_) | None => {
                return Err(Problem::unprocessable("give `users`, or `class` with or without `except`, not both"));
            }
        };
        Ok((whom, self.reason))
    }
}

/// The body of a `reassign`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reassign {
    from: SourceId,
    to: SourceId,
    reason: Option<String>,
}

/// The body of a `swap`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Swap {
    user: SourceId,
    from: ProductCode,
    to: ProductCode,
    reason: Option<String>,
}

/// The body of a `move-seats`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MoveSeats {
    subscription: SubscriptionId,
    from: String,
    to: String,
    #[serde(deserialize_with = "whole")]
    seats: u32,
    reason: Option<String>,
}

/// The body of a `threshold`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Threshold {
    subscription: SubscriptionId,
    #[serde(deserialize_with = "whole")]
    remaining: u32,
    reason: String,
}

/// The body of `PUT …/access`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Access {
    educator: SourceId,
    on: bool,
    reason: Option<String>,
}

/// The query of an import.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Importing {
    #[serde(default)]
    plan: bool,
    reason: Option<String>,
}

/// A product to users or a class.
pub(crate) async fn assign(
    State(app): State<App>,
    caller: Caller,
    Path((district, product)): Path<(String, String)>,
    Body(body): Body<Assigning>,
) -> Result<Accepted, Problem> {
    let (whom, reason) = body.whom()?;
    let verb = Verb::Assign { product: ProductCode::new(product), whom };
    by_hand(&app, &caller, DistrictId::new(district), &verb, Some(reason)).await
}

/// A product from users or a class.
pub(crate) async fn unassign(
    State(app): State<App>,
    caller: Caller,
    Path((district, product)): Path<(String, String)>,
    Body(body): Body<Assigning>,
) -> Result<Accepted, Problem> {
    let (whom, reason) = body.whom()?;
    let verb = Verb::Unassign { product: ProductCode::new(product), whom };
    by_hand(&app, &caller, DistrictId::new(district), &verb, Some(reason)).await
}

/// One user's seat to another, past the line.
pub(crate) async fn reassign(
    State(app): State<App>,
    caller: Caller,
    Path((district, product)): Path<(String, String)>,
    Body(Reassign { from, to, reason }): Body<Reassign>,
) -> Result<Accepted, Problem> {
    let verb = Verb::Reassign { product: ProductCode::new(product), from, to };
    by_hand(&app, &caller, DistrictId::new(district), &verb, reason).await
}

/// Educator access, ON or OFF.
pub(crate) async fn access(
    State(app): State<App>,
    caller: Caller,
    Path((district, product)): Path<(String, String)>,
    Body(Access { educator, on, reason }): Body<Access>,
) -> Result<Accepted, Problem> {
    let verb = Verb::AccessSet { product: ProductCode::new(product), educator, on };
    by_hand(&app, &caller, DistrictId::new(district), &verb, reason).await
}

/// One product of a user for another, both or neither.
pub(crate) async fn swap(
    State(app): State<App>,
    caller: Caller,
    Path(district): Path<String>,
    Body(Swap { user, from, to, reason }): Body<Swap>,
) -> Result<Accepted, Problem> {
    by_hand(&app, &caller, DistrictId::new(district), &Verb::Swap { user, from, to }, reason).await
}

/// Seats from one school's allotment to another's.
pub(crate) async fn move_seats(
    State(app): State<App>,
    caller: Caller,
    Path(district): Path<String>,
    Body(MoveSeats { subscription, from, to, seats, reason }): Body<MoveSeats>,
) -> Result<Accepted, Problem> {
    let verb = Verb::MoveSeats { subscription, from, to, seats };
    by_hand(&app, &caller, DistrictId::new(district), &verb, reason).await
}

/// How many seats of a subscription are left when the district is told (S4.1, S4.6).
pub(crate) async fn threshold(
    State(app): State<App>,
    caller: Caller,
    Path(district): Path<String>,
    Body(Threshold { subscription, remaining, reason }): Body<Threshold>,
) -> Result<Accepted, Problem> {
    let verb = Verb::Threshold { subscription, remaining };
    by_hand(&app, &caller, DistrictId::new(district), &verb, Some(reason)).await
}

/// The CSV of `rosterd seats import` as the body. With `plan=true`, or where no row fits, the match report (200); else the run
/// that takes the matched rows over.
pub(crate) async fn import_seats(
    State(app): State<App>,
    caller: Caller,
    Path(district): Path<String>,
    Asked(Importing { plan, reason }): Asked<Importing>,
    body: Bytes,
) -> Result<Response, Problem> {
    let id = DistrictId::new(district);
    let fed = fed(&app, &caller, &id)?;
    let office = app.desk.office();
    let (actor, as_of) = (caller.actor(), office.clock.now());
    let nothing = Verb::SeatsImport { seats: Vec::new() };
    let asked = manual::Asked { verb: &nothing, fed, actor: &actor, reason: reason.as_deref(), as_of };
    let Takeover { report, verb } =
        manual::match_seats(&office.store, &office.settings.guard, &id, asked, &body).await?;
    if plan || report.count(Outcome::Matched) == 0 {
        return Ok(Json(report).into_response());
    }
    Ok(by_hand(&app, &caller, id, &verb, reason).await?.into_response())
}

/// Whether the district's roster comes from a feed; a problem if the caller may not act on it or there is none.
pub(super) fn fed(app: &App, caller: &Caller, id: &DistrictId) -> Result<bool, Problem> {
    caller.check(id)?;
    let office = app.desk.office();
    let Some(district) = office.known.get(id) else {
        return Err(Problem::not_found("there is no such district; `GET /v1/districts` lists them"));
    };
    Ok(!district.is_by_hand())
}

/// A reason is a sentence, not a file.
pub(super) fn not_too_long(reason: Option<&str>) -> Result<(), Problem> {
    if reason.is_some_and(|it| it.chars().count() > LONGEST) {
        return Err(Problem::unprocessable(format!("`reason` is longer than {LONGEST} characters")));
    }
    Ok(())
}

/// Checked before it is queued, durable before it answers.
pub(super) async fn by_hand(
    app: &App,
    caller: &Caller,
    id: DistrictId,
    verb: &Verb,
    reason: Option<String>,
) -> Result<Accepted, Problem> {
    let fed = fed(app, caller, &id)?;
    not_too_long(reason.as_deref())?;
    let office = app.desk.office();
    let actor = caller.actor();
    let request = app.desk.request(id.clone(), BY_HAND, Trigger::Http);
    let asked = manual::Asked { verb, fed, actor: &actor, reason: reason.as_deref(), as_of: request.at };
    manual::check(&office.store, &office.settings.guard, &id, asked).await?;
    let payload = Some(serde_json::to_string(verb)?);
    let filed = app.desk.file(NewRequest { requested_by: Some(actor), reason, payload, ..request }).await?;
    runs::accepted(app, &filed.run).await
}
