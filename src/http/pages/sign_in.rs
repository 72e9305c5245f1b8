//! Signing in with a token, and out.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::clock;
use crate::http::App;
use crate::http::auth::{Caller, own_site};
use crate::http::body::{Asked, Fields};
use crate::http::pages::{Frame, in_query, page};
use crate::http::problem::Problem;
use crate::http::session;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    frame: Frame,
    to: String,
    /// The same, to stand in a query.
    to_query: String,
    /// What stands on the button of the organization; empty without one.
    organization: String,
    problem: String,
}

impl SignIn {
    fn new(app: &App, caller: &Caller, to: &str, problem: String) -> Self {
        let (frame, to) = (Frame::new(app, caller, "", "Sign in"), within(to).to_owned());
        let settings = app.desk.office().settings;
        let organization = settings.http.oidc.as_ref().map(|it| it.label.clone()).unwrap_or_default();
        Self { frame, to_query: in_query(&to), to, organization, problem }
    }
}

/// Where to go then.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct To {
    #[serde(default)]
    pub(super) to: String,
}

/// A page of ours, whatever was asked for. Browsers leave line ends and tabs out of an address before they read it.
pub(super) fn within(to: &str) -> &str {
    let odd = |it: char| it == '\\' || it.is_ascii_control();
    let ours = to.starts_with('/') && !to.starts_with("//") && !to.contains(odd);
    if ours { to } else { "/" }
}

/// `GET /sign-in`.
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Asked(To { to }): Asked<To>,
) -> Result<Response, Problem> {
    Ok(page(&SignIn::new(&app, &caller, &to, String::new()))?.into_response())
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
            return Ok((status, page(&SignIn::new(&app, &caller, &to, problem))?).into_response());
        }
    };
    let office = app.desk.office();
    let cookie = session::Signer(office.store.pseudonym_key()).issue(&token.hash, clock::real_now());
    Ok(went(within(&to), session::set(&cookie, session::LASTS, !app.on_loopback)))
}

/// `POST /sign-out`.
pub(crate) async fn leave(State(app): State<App>) -> Response {
    went("/sign-in", session::set("", session::LASTS, !app.on_loopback))
}

/// On to another page, with a cookie.
pub(super) fn went(to: &str, cookie: Option<HeaderValue>) -> Response {
    let mut response = Redirect::to(to).into_response();
    response.headers_mut().extend(cookie.map(|it| (header::SET_COOKIE, it)));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere_after_signing_in() {
        for ours in ["/", "/runs/1?a=b#c", "/audit?district=oak"] {
            assert_eq!(within(ours), ours);
        }
        for elsewhere in
            ["", "audit", "//evil.example", "/\\evil.example", "/\t/evil.example", "/\n/x", "https://evil.example"]
        {
            assert_eq!(within(elsewhere), "/", "{elsewhere}");
        }
    }
}
