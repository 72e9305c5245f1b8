//! Signing in with a token, and out.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::clock;
use crate::http::App;
use crate::http::auth::{Caller, own_site};
use crate::http::body::{Asked, Fields};
use crate::http::pages::{Frame, page};
use crate::http::problem::Problem;
use crate::http::session;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    frame: Frame,
    to: String,
    problem: String,
}

/// Where to go then.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct To {
    #[serde(default)]
    to: String,
}

/// A page of ours, whatever was asked for.
fn within(to: &str) -> &str {
    let ours = to.starts_with('/') && !to.starts_with("//") && !to.contains(['\\', '\r', '\n']);
    if ours { to } else { "/" }
}

/// `GET /sign-in`.
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Asked(To { to }): Asked<To>,
) -> Result<Response, Problem> {
    let frame = Frame::new(&app, &caller, "", "Sign in");
    Ok(page(&SignIn { frame, to: within(&to).to_owned(), problem: String::new() })?.into_response())
}

/// `POST /sign-in`.
pub(crate) async fn enter(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Problem> {
    own_site(&headers)?;
    let to = fields.text("to").unwrap_or_default();
    let secret = fields.text("token").unwrap_or_default();
    let token = match app.gate.token_of(&app, &secret).await {
        Ok(token) => token,
        Err(refused) => {
            let status = refused.status();
            let problem = if status == StatusCode::UNAUTHORIZED {
                "This token is not in force.".to_owned()
            } else {
                "Too many failed attempts; wait a moment.".to_owned()
            };
            let frame = Frame::new(&app, &caller, "", "Sign in");
            let again = page(&SignIn { frame, to: within(&to).to_owned(), problem })?;
            return Ok((status, again).into_response());
        }
    };
    let office = app.desk.office();
    let cookie = session::Signer(office.store.pseudonym_key()).issue(&token.hash, clock::real_now());
    Ok(went(within(&to), &cookie, !app.on_loopback))
}

/// `POST /sign-out`.
pub(crate) async fn leave(State(app): State<App>) -> Response {
    went("/sign-in", "", !app.on_loopback)
}

fn went(to: &str, cookie: &str, secure: bool) -> Response {
    let mut response = Redirect::to(to).into_response();
    if let Some(value) = session::set(cookie, secure) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}
