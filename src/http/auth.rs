//! Who may ask what. Bearer tokens are compared by their hash in constant time; unknown, revoked and malformed ones get the
//! same answer, slowly.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use crate::clock;
use crate::http::App;
use crate::http::grants::{Grants, Reach};
use crate::http::problem::Problem;
use crate::http::routes::Needs;
use crate::http::tokens::{self, Scope};
use crate::http::{pages, session};
use crate::model::DistrictId;
use crate::store::Token;

/// How long a failed attempt waits; only one waits at a time, so this is the rate for all of them together.
const PENALTY: Duration = Duration::from_millis(200);

/// Failed attempts that may wait; more are refused at once.
const WAITING: usize = 32;

/// How long a token is taken as it was found: one that is revoked works no longer than this (T27).
const FRESH: Duration = Duration::from_millis(500);

/// Tokens remembered at once.
const REMEMBERED: usize = 1000;

/// Slows failed attempts down.
#[derive(Debug)]
pub(crate) struct Gate {
    waiting: Semaphore,
    turn: Semaphore,
    /// Tokens in force, by hash, with when they were read: a login does not ask the database for its token.
    tokens: RwLock<BTreeMap<String, (Token, Instant)>>,
    /// What each token may still ask, and as of when.
    buckets: Mutex<BTreeMap<String, (f64, Instant)>>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            waiting: Semaphore::new(WAITING),
            turn: Semaphore::new(1),
            tokens: RwLock::default(),
            buckets: Mutex::default(),
        }
    }
}

impl Gate {
    fn remembered(&self, hash: &str) -> Option<Token> {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        tokens.get(hash).filter(|(_, read)| read.elapsed() < FRESH).map(|(token, _)| token.clone())
    }

    fn remember(&self, token: &Token) {
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= REMEMBERED {
            tokens.clear();
        }
        tokens.insert(token.hash.clone(), (token.clone(), Instant::now()));
    }

    /// One request of a token: so many a second, and as many at once after a quiet second.
    fn spend(&self, hash: &str, per_second: u32) -> Result<(), Problem> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= REMEMBERED {
            buckets.clear();
        }
        let (now, full) = (Instant::now(), f64::from(per_second));
        let (left, at) = buckets.entry(hash.to_owned()).or_insert((full, now));
        let refilled = *left + now.duration_since(*at).as_secs_f64() * full;
        (*left, *at) = (refilled.min(full), now);
        if *left < 1.0 {
            let many = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many requests with this token; wait a second");
            return Err(many.with(header::RETRY_AFTER, "1"));
        }
        *left -= 1.0;
        Ok(())
    }

    /// The token of a secret, if it is in force.
    pub(crate) async fn token_of(&self, app: &App, secret: &str) -> Result<Token, Problem> {
        let hash = tokens::hash(secret);
        if let Some(token) = self.remembered(&hash) {
            return Ok(token);
        }
        let token = app.desk.office().queue.token_by_hash(&hash).await?;
        let same = |token: &Token| bool::from(token.hash.as_bytes().ct_eq(hash.as_bytes()));
        let Some(token) = token.filter(same) else { return Err(self.refuse().await) };
        self.remember(&token);
        Ok(token)
    }

    async fn refuse(&self) -> Problem {
        let Ok(_place) = self.waiting.try_acquire() else {
            let many = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many failed attempts; wait a moment");
            return many.with(header::RETRY_AFTER, "10");
        };
        if let Ok(_turn) = self.turn.acquire().await {
            tokio::time::sleep(PENALTY).await;
        }
        unauthorized("this token is not in force; make one with `rosterd token create`")
    }
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, detail).with(header::WWW_AUTHENTICATE, "Bearer realm=\"rosterd\"")
}

/// Who asks. Handlers get it from [`authenticate`], never from elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    name: String,
    actor: String,
    /// Whether it is a person whom a provider sent, not a token.
    is_member: bool,
    grants: Grants,
    /// Where the caller has the scope that the route asks for; nowhere until that was looked up.
    reach: Reach,
    /// What forms of the caller's session carry; none without a session.
    form_key: Option<String>,
}

impl Caller {
    fn nobody(name: &str, scopes: &[Scope]) -> Self {
        let scopes = scopes.iter().map(|it| it.as_str().to_owned()).collect();
        let it = Self::of_token(name.to_owned(), Grants::one(scopes, Vec::new()), None);
        Self { reach: Reach::Everywhere, ..it }
    }

    fn of_token(name: String, grants: Grants, form_key: Option<String>) -> Self {
        let actor = format!("token:{name}");
        Self { name, actor, is_member: false, grants, reach: Reach::NOWHERE, form_key }
    }

    /// The token's name, or the person's, which is for their own eyes.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What stands for the person in runs and audit; none for a token.
    pub(crate) fn pseudonym(&self) -> Option<&str> {
        self.is_member.then_some(self.actor.as_str())
    }

    /// Whether the caller has a scope in a district, whatever the route asks for.
    pub(crate) fn may(&self, scope: Scope, district: &DistrictId) -> bool {
        self.grants.give(scope, district)
    }

    /// What forms of the caller's session carry.
    pub(crate) fn form_key(&self) -> Option<&str> {
        self.form_key.as_deref()
    }

    /// For a run's `requested_by`.
    pub(crate) fn actor(&self) -> String {
        self.actor.clone()
    }

    /// The districts this caller is limited to in what the route is for; none: all.
    pub(crate) fn only(&self) -> Option<&[DistrictId]> {
        match &self.reach {
            Reach::Everywhere => None,
            Reach::Within(districts) => Some(districts),
        }
    }

    /// Whether this caller may ask the route about a district.
    pub(crate) fn sees(&self, district: &DistrictId) -> bool {
        self.reach.has(district)
    }

    /// The same answer for a district that does not exist and one that this caller may not see.
    pub(crate) fn check(&self, district: &DistrictId) -> Result<(), Problem> {
        if self.sees(district) {
            return Ok(());
        }
        let detail = if self.is_member {
            "your groups do not let you do this in that district"
        } else {
            "this token is not for that district"
        };
        Err(Problem::new(StatusCode::FORBIDDEN, detail))
    }

    /// The caller in the districts where a scope is theirs; a problem if that is nowhere.
    fn admitted(self, scope: Scope) -> Result<Self, Problem> {
        if let Some(reach) = self.grants.reach(scope) {
            return Ok(Self { reach, ..self });
        }
        let word = scope.as_str();
        let detail = if self.is_member {
            format!("none of your groups gives you the scope `{word}` here; ask who runs this dashboard")
        } else {
            format!("this token has not the scope `{word}`")
        };
        Err(Problem::new(StatusCode::FORBIDDEN, detail))
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::internal)
    }
}

/// Lets a request through to its handler if its token has what the route needs. Who looks at pages is shown the way to sign
/// in, and mistakes as pages.
pub(crate) async fn authenticate(
    State((app, needs)): State<(App, Needs)>,
    mut request: Request,
    next: Next,
) -> Response {
    let for_people = matches!(needs, Needs::Page | Needs::Form(_) | Needs::Door).then(|| request.headers().clone());
    let answer = match admit(&app, needs, request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) if needs == Needs::Page && problem.status() == StatusCode::UNAUTHORIZED => {
            let to = request.uri().path_and_query().map_or("/", |it| it.as_str());
            let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
            Redirect::to(&format!("/sign-in?to={to}")).into_response()
        }
        Err(problem) => problem.into_response(),
    };
    match for_people {
        Some(headers) => as_a_page(&app, &headers, answer).await,
        None => answer,
    }
}

/// A problem as a page that shows who is signed in; anything else stays as it is.
async fn as_a_page(app: &App, headers: &HeaderMap, answer: Response) -> Response {
    if !pages::is_problem(&answer) {
        return answer;
    }
    let caller = in_session(app, headers).await.ok().flatten();
    pages::for_people(app, &caller.unwrap_or_else(|| Caller::nobody("", &[])), answer).await
}

/// What is answered where there is nothing: a page to who asks for one.
pub(crate) async fn nothing(State(app): State<App>, headers: HeaderMap) -> Response {
    let problem = Problem::not_found("there is nothing at this path; the API stands under /v1").into_response();
    let accepts = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if accepts.contains("text/html") { as_a_page(&app, &headers, problem).await } else { problem }
}

async fn admit(app: &App, needs: Needs, headers: &HeaderMap) -> Result<Caller, Problem> {
    if let Some(caller) = in_session(app, headers).await?
        && !matches!(needs, Needs::Scope(_) | Needs::ReadUnlessOpen)
    {
        return match needs {
            Needs::Form(scope) => caller.admitted(scope),
            Needs::Page => caller.admitted(Scope::Read),
            Needs::Nothing | Needs::Door | Needs::Scope(_) | Needs::ReadUnlessOpen => Ok(caller),
        };
    }
    let scope = match needs {
        Needs::Nothing | Needs::Door => return Ok(Caller::nobody("anyone", &[])),
        Needs::Page if app.on_loopback && bearer(headers).is_none() => {
            named_locally(headers)?;
            return Ok(Caller::nobody("local", &[Scope::Read]));
        }
        Needs::ReadUnlessOpen if app.desk.office().settings.http.open_metrics => {
            return Ok(Caller::nobody("anyone", &[]));
        }
        Needs::Form(_) => return Err(unauthorized("sign in first: this form is of no session")),
        Needs::Page | Needs::ReadUnlessOpen => Scope::Read,
        Needs::Scope(scope) => scope,
    };
    let Some(secret) = bearer(headers) else {
        return Err(unauthorized("send `Authorization: Bearer TOKEN`; `rosterd token create` makes one"));
    };
    let Token { name, districts, scopes, hash, .. } = app.gate.token_of(app, secret).await?;
    app.gate.spend(&hash, app.desk.office().settings.http.requests_per_second)?;
    Caller::of_token(name, Grants::one(scopes, districts), None).admitted(scope)
}

/// Who is signed in: a cookie of ours that holds, of a token that is in force or of somebody in a group of the settings.
async fn in_session(app: &App, headers: &HeaderMap) -> Result<Option<Caller>, Problem> {
    let Some(cookie) = session::of(headers) else { return Ok(None) };
    let office = app.desk.office();
    let signer = session::Signer(office.store.pseudonym_key());
    let (now, form_key) = (clock::real_now(), Some(signer.form_key(cookie)));
    if let Some(hash) = signer.token(cookie, now) {
        let token = office.queue.token_by_hash(hash).await?;
        let caller = |it: Token| Caller::of_token(it.name, Grants::one(it.scopes, it.districts), form_key);
        return Ok(token.map(caller));
    }
    let Some(settings) = &office.settings.http.oidc else { return Ok(None) };
    let Some(session::Member { subject, name, groups }) = signer.member(settings, cookie, now) else { return Ok(None) };
    let (actor, grants) = (signer.pseudonym(settings, &subject), Grants::of_groups(settings, &groups));
    if grants.is_empty() {
        return Ok(None);
    }
    Ok(Some(Caller { name, actor, is_member: true, grants, reach: Reach::NOWHERE, form_key }))
}

/// A form that another site made the browser send is refused, where the browser says so.
pub(crate) fn own_site(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
    let elsewhere = text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let origin = text("origin").and_then(|it| it.split_once("://")).map(|(_, host)| host);
    if elsewhere || origin.is_some_and(|host| Some(host) != text("host")) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "another site sent this form"));
    }
    Ok(())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

/// A page without a token is shown only under a local name, so that a foreign site cannot reach it through a name of its
/// own that points here.
fn named_locally(headers: &HeaderMap) -> Result<(), Problem> {
    let host = headers.get(header::HOST).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    if matches!(name, "localhost" | "[::1]") || name.starts_with("127.") {
        return Ok(());
    }
    Err(Problem::new(StatusCode::FORBIDDEN, "this page is for this machine alone; ask for it as http://127.0.0.1"))
}
