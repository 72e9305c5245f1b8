//! Enrollments, roles and accounts of a district that is kept by hand, under `/v1/districts/{d}`; a rostered one answers 409.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::http::App;
use crate::http::api::by_hand::by_hand;
use crate::http::api::runs::Accepted;
use crate::http::auth::Caller;
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::manual::Verb;
use crate::model::{DistrictId, RoleName, SourceId};

fn student() -> RoleName {
    RoleName::Student
}

/// The body of an `enroll`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Enroll {
    class: SourceId,
    users: BTreeSet<SourceId>,
    #[serde(default = "student")]
    role: RoleName,
    reason: Option<String>,
}

/// The body of an `unenroll`: `users`, or `everyone: true`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unenroll {
    class: SourceId,
    users: Option<BTreeSet<SourceId>>,
    #[serde(default)]
    everyone: bool,
    reason: Option<String>,
}

/// The body of `roles/assign` and `roles/remove`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Roles {
    users: BTreeSet<SourceId>,
    role: RoleName,
    school: String,
    reason: Option<String>,
}

/// The body of a `transfer`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Transfer {
    users: BTreeSet<SourceId>,
    from: String,
    to: String,
    reason: Option<String>,
}

/// The body of `users/active`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accounts {
    users: BTreeSet<SourceId>,
    active: bool,
    reason: Option<String>,
}

/// Users into a class.
pub(crate) async fn enroll(
    State(app): State<App>,
    caller: Caller,
    Path(district): Path<String>,
    Body(Enroll { class, users, role, reason }): Body<Enroll>,
) -> Result<Accepted, Problem> {
    by_hand(&app, &caller, DistrictId::new(district), &Verb::Enroll { class, users, role }, reason).await
}

/// Users, or everyone, out of a class.
pub(crate) async fn unenroll(
    State(app): State<App>,
    caller: Caller,
    Path(district): Path<String>,
    Body(Unenroll { class, users, everyone, reason }): Body<Unenroll>,
) -> Result<Accepted, Problem> {
    if users.is_some() == everyone {
        return Err(Problem::unprocessable("give `users`, or `everyone: true`, not both and not neither"));
    }
    by_hand(&app, &caller, DistrictId::new(district), &Verb::Unenroll { class, users }, reason).await
}

/// A role at a school to users.
pub(crate) async fn assign_role(
    State(app): State<App>,
    caller: Caller,
    Path(district): Path<String>,
    Body(Roles { users, role, school, reason }): Body<Roles>,
) -> Result<Accepted, Problem> {
    by_hand(&app, &caller, DistrictId::new(district), &Verb::RoleAssign { users, role, school }, reason).await
}

/// A role at a school from users.
pub(crate) async fn remove_role(
    State(app): State<App>,
    caller: Caller,
    Path(district): Path<String>,
    Body(Roles { users, role, school, reason }): Body<Roles>,
) -> Result<Accepted, Problem> {
    by_hand(&app, &caller, DistrictId::new(district), &Verb::RoleRemove { users, role, school }, reason).await
}

/// Users from one school to another.
pub(crate) async fn transfer(
    State(app): State<App>,
    caller: Caller,
    Path(district): Path<String>,
    Body(Transfer { users, from, to, reason }): Body<Transfer>,
) -> Result<Accepted, Problem> {
    by_hand(&app, &caller, DistrictId::new(district), &Verb::Transfer { users, from, to }, reason).await
}

/// Accounts enabled or disabled.
pub(crate) async fn set_active(
    State(app): State<App>,
    caller: Caller,
    Path(district): Path<String>,
    Body(Accounts { users, active, reason }): Body<Accounts>,
) -> Result<Accepted, Problem> {
    by_hand(&app, &caller, DistrictId::new(district), &Verb::SetActive { users, active }, reason).await
}
