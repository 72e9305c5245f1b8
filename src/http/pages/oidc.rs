//! Signing in with an organization: there, and back.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::clock;
use crate::http::App;
use crate::http::attempt::Attempt;
use crate::http::body::Asked;
use crate::http::pages::sign_in::{To, went, within};
use crate::http::problem::Problem;
use crate::http::session::{self, Member, Signer};
use crate::keyed::same;
use crate::openid::{self, Trouble};
use crate::schedule::worker::Office;
use crate::secret::process_environment;

/// Names no value: it has the code in it.
#[derive(Deserialize)]
pub(crate) struct Back {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    /// Who answers (RFC 9207), where the provider says it.
    iss: Option<String>,
}

/// `GET /sign-in/oidc?to=`: on to the provider.
pub(crate) async fn begin(State(app): State<App>, Asked(To { to }): Asked<To>) -> Result<Response, Problem> {
    let office = app.desk.office();
    let settings = settings(&office)?;
    let signer = Signer(office.store.pseudonym_key());
    let attempt = Attempt::new(within(&to), clock::real_now());
    let way = app.provider.way(settings, attempt.words(signer)).await.map_err(told)?;
    Ok(went(way.as_str(), attempt.set(signer, settings.is_secure())))
}

/// `GET /sign-in/oidc/back?code=&state=`: back from the provider. The attempt is over, whatever comes of it.
pub(crate) async fn finish(State(app): State<App>, headers: HeaderMap, Asked(back): Asked<Back>) -> Response {
    let secure = app.desk.office().settings.http.oidc.as_ref().is_some_and(openid::Settings::is_secure);
    let mut response = signed_in(&app, &headers, back).await.unwrap_or_else(IntoResponse::into_response);
    response.headers_mut().extend(Attempt::end(secure).map(|it| (header::SET_COOKIE, it)));
    response
}

async fn signed_in(app: &App, headers: &HeaderMap, back: Back) -> Result<Response, Problem> {
    let office = app.desk.office();
    let settings = settings(&office)?;
    let (signer, now) = (Signer(office.store.pseudonym_key()), clock::real_now());
    let again = || {
        Problem::bad_request(
            "this is not the end of a sign-in that was begun in this browser within the last ten minutes: sign in again",
        )
    };
    let attempt = Attempt::of(signer, headers, now).ok_or_else(again)?;
    let words = attempt.words(signer);
    let Back { code, state, error, iss } = back;
    let ours = same(&words.state, &state.unwrap_or_default()) && iss.is_none_or(|it| it == settings.issuer);
    if !ours {
        return Err(again());
    }
    if let Some(error) = error {
        return Err(declined(&error));
    }
    let code = code.ok_or_else(again)?;
    let person = app.provider.person(settings, code, words, process_environment, now).await.map_err(told)?;
    let actor = signer.pseudonym(settings, &person.subject);
    let known = settings.group.iter().map(|it| &it.id).filter(|id| person.groups.contains(id));
    let groups: Vec<String> = known.cloned().collect();
    if groups.is_empty() {
        tracing::info!(%actor, "somebody who is in no group of `http.oidc` wanted to sign in");
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            format!(
                "your organization knows you, and none of your groups is let in here: ask who runs this dashboard to let one of \
                 your groups in, or your organization to add you to one that is; here you are `{actor}`"
            ),
        ));
    }
    let member = Member { subject: person.subject, name: person.name, groups };
    let cookie = signer.issue_for(settings, &member, now).ok_or_else(|| {
        let detail =
            "too many of your groups are let in here for one session: ask who runs this dashboard to let fewer in";
        Problem::new(StatusCode::FORBIDDEN, detail)
    })?;
    tracing::info!(%actor, "signed in");
    let lasts = i64::from(settings.session_minutes) * 60;
    Ok(went(&attempt.to(), session::set(&cookie, lasts, settings.is_secure())))
}

fn settings(office: &Office) -> Result<&openid::Settings, Problem> {
    let missing = || Problem::not_found("signing in with an organization is not set up here; sign in with a token");
    office.settings.http.oidc.as_ref().ok_or_else(missing)
}

/// What the provider says instead of a code (RFC 6749, 4.1.2.1; OpenID Connect Core, 3.1.2.6). Anybody can write it into an
/// address, so it is not repeated.
fn declined(error: &str) -> Problem {
    match error {
        "access_denied" | "consent_required" | "interaction_required" | "login_required" => Problem::new(
            StatusCode::FORBIDDEN,
            "your organization did not let you in, or you did not let it tell who you are: sign in again, or ask your organization",
        ),
        "server_error" | "temporarily_unavailable" => busy(),
        _ => {
            tracing::warn!(
                "the provider of `http.oidc` does not take our question: check client, scopes and redirect address there"
            );
            not_set_up()
        }
    }
}

fn busy() -> Problem {
    let detail = "your organization's sign-in does not answer now: try again in a moment; a token still works";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(header::RETRY_AFTER, "5")
}

fn not_set_up() -> Problem {
    let detail = "signing in with your organization is not set up right: tell who runs this dashboard, whose log says what it is";
    Problem::new(StatusCode::BAD_GATEWAY, detail)
}

/// For the person in words of theirs, for the operator in the log.
fn told(trouble: Trouble) -> Problem {
    tracing::warn!(%trouble, "a sign-in with an organization failed");
    match trouble {
        Trouble::Silent(_) | Trouble::Status(_) => busy(),
        Trouble::Document
        | Trouble::Issuer
        | Trouble::Insecure
        | Trouble::Settings(_)
        | Trouble::Client
        | Trouble::Answer => not_set_up(),
        Trouble::Spent => Problem::bad_request("this sign-in is used up or took too long: sign in again"),
        Trouble::Signature | Trouble::Token(_) => Problem::new(
            StatusCode::FORBIDDEN,
            "what your organization answered is not for this sign-in: sign in again; if it stays so, tell who runs this dashboard",
        ),
        Trouble::Groups(claim) => Problem::new(
            StatusCode::FORBIDDEN,
            format!(
                "your organization does not say which groups you are in: ask it to add you to one, and to send them to this \
                 dashboard as the claim `{claim}`"
            ),
        ),
        Trouble::TooManyGroups(claim) => Problem::new(
            StatusCode::FORBIDDEN,
            format!(
                "you are in more groups than your organization sends at once: ask it to send, as the claim `{claim}`, only those that \
                 are assigned to this dashboard"
            ),
        ),
    }
}
