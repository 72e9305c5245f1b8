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
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use crate::http::App;
use crate::http::problem::Problem;
use crate::http::routes::Needs;
use crate::http::tokens::{self, Scope};
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
    districts: Vec<DistrictId>,
    scopes: Vec<String>,
}

impl Caller {
    /// Whether the token has a scope beside the one its route asks for.
    pub(crate) fn may(&self, wanted: Scope) -> bool {
        [wanted, Scope::Admin].iter().any(|scope| self.scopes.iter().any(|it| it == scope.as_str()))
    }

    /// Who needs no token.
    fn nobody() -> Self {
        Self { name: "anyone".to_owned(), districts: Vec::new(), scopes: Vec::new() }
    }

    /// For a run's `requested_by`.
    pub(crate) fn actor(&self) -> String {
        format!("token:{}", self.name)
    }

    /// The districts this caller is limited to; none: all.
    pub(crate) fn only(&self) -> Option<&[DistrictId]> {
        (!self.districts.is_empty()).then_some(self.districts.as_slice())
    }

    /// Whether this caller may ask about a district.
    pub(crate) fn sees(&self, district: &DistrictId) -> bool {
        self.only().is_none_or(|only| only.contains(district))
    }

    /// The same answer for a district that does not exist and one that this caller may not see.
    pub(crate) fn check(&self, district: &DistrictId) -> Result<(), Problem> {
        if self.sees(district) {
            return Ok(());
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "this token is not for that district"))
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::internal)
    }
}

/// Lets a request through to its handler if its token has what the route needs.
pub(crate) async fn authenticate(
    State((app, needs)): State<(App, Needs)>,
    mut request: Request,
    next: Next,
) -> Response {
    match admit(&app, needs, request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn admit(app: &App, needs: Needs, headers: &HeaderMap) -> Result<Caller, Problem> {
    let scope = match needs {
        Needs::Nothing => return Ok(Caller::nobody()),
        Needs::ReadUnlessLocal if app.on_loopback => {
            named_locally(headers)?;
            return Ok(Caller { name: "local".to_owned(), districts: Vec::new(), scopes: Vec::new() });
        }
        Needs::ReadUnlessOpen if app.desk.office().settings.http.open_metrics => return Ok(Caller::nobody()),
        Needs::ReadUnlessLocal | Needs::ReadUnlessOpen => Scope::Read,
        Needs::Scope(scope) => scope,
    };
    let Some(secret) = bearer(headers) else {
        return Err(unauthorized("send `Authorization: Bearer TOKEN`; `rosterd token create` makes one"));
    };
    let hash = tokens::hash(secret);
    let token = if let Some(token) = app.gate.remembered(&hash) {
        token
    } else {
        let token = app.desk.office().queue.token_by_hash(&hash).await?;
        let same = |token: &Token| bool::from(token.hash.as_bytes().ct_eq(hash.as_bytes()));
        let Some(token) = token.filter(same) else { return Err(app.gate.refuse().await) };
        app.gate.remember(&token);
        token
    };
    app.gate.spend(&hash, app.desk.office().settings.http.requests_per_second)?;
    let has = |wanted: Scope| token.scopes.iter().any(|it| it == wanted.as_str());
    if !has(scope) && !has(Scope::Admin) {
        let detail = format!("this token has not the scope `{}`", scope.as_str());
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    Ok(Caller { name: token.name, districts: token.districts, scopes: token.scopes })
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
