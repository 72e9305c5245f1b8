//! Everything that answers, in one table: a route that is not here does not exist, and none is without its scope.

use std::any::Any;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;

use crate::http::App;
use crate::http::problem::Problem;
use crate::http::tokens::{self, Scope};
use crate::http::{api, auth, pages};

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// A token with this scope, or with `admin`.
    Scope(Scope),
    /// `read`; nothing with `http.open_metrics`.
    ReadUnlessOpen,
    /// A page: a session or a token with `read`; nothing while the daemon listens on loopback only.
    Page,
    /// A form of a page: a session with this scope.
    Form(Scope),
    /// What ends a session, or begins one.
    Door,
}

/// One route.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with `{name}` for a parameter.
    pub path: &'static str,
    /// What it asks of its caller.
    pub needs: Needs,
    handler: fn() -> MethodRouter<App>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({:?})", self.method, self.path, self.needs)
    }
}

const fn reads(path: &'static str, needs: Needs, handler: fn() -> MethodRouter<App>) -> Route {
    Route { method: Method::GET, path, needs, handler }
}

const fn asks(path: &'static str, scope: Scope, handler: fn() -> MethodRouter<App>) -> Route {
    Route { method: Method::POST, path, needs: Needs::Scope(scope), handler }
}

const fn form(path: &'static str, needs: Needs, handler: fn() -> MethodRouter<App>) -> Route {
    Route { method: Method::POST, path, needs, handler }
}

const READ: Needs = Needs::Scope(Scope::Read);
const MANAGE: Needs = Needs::Scope(Scope::Manage);

const OVERRIDE: &str = "/v1/districts/{d}/products/{p}/override";
const ACCESS: &str = "/v1/districts/{d}/products/{p}/access";

const MODE: &str = "/v1/districts/{d}/mode";

const IDENTITY: &str = "/v1/districts/{d}/identity";

/// The table (interface.md, HTTP).
pub const ROUTES: &[Route] = &[
    reads("/livez", Needs::Nothing, || get(api::health::live)),
    reads("/readyz", Needs::Nothing, || get(api::health::ready)),
    reads("/v1/access", Needs::Scope(Scope::Access), || get(api::access::ask)),
    asks("/v1/access", Scope::Access, || post(api::access::open)),
    reads("/v1/access/snapshot", Needs::Scope(Scope::Access), || get(api::access::snapshot)),
    reads("/v1/changes", READ, || get(api::changes::list)),
    reads("/metrics", Needs::ReadUnlessOpen, || get(api::metrics::show)),
    reads("/openapi.json", Needs::Nothing, || get(described)),
    asks("/v1/syncs", Scope::Sync, || post(api::syncs::create)),
    reads("/v1/runs", READ, || get(api::runs::list)),
    reads("/v1/runs/{id}", READ, || get(api::runs::show)),
    reads("/v1/runs/{id}/changes", READ, || get(api::runs::changes::list)),
    reads("/v1/runs/{id}/events", READ, || get(api::runs::events::follow)),
    asks("/v1/runs/{id}/approve", Scope::Approve, || post(api::runs::approve)),
    asks("/v1/runs/{id}/reject", Scope::Approve, || post(api::runs::reject)),
    asks("/v1/runs/{id}/revert", Scope::Approve, || post(api::runs::revert)),
    asks("/v1/runs/{id}/cancel", Scope::Approve, || post(api::runs::cancel)),
    reads("/v1/districts", READ, || get(api::districts::list)),
    reads("/v1/districts/{d}", READ, || get(api::districts::show)),
    Route { method: Method::PUT, path: MODE, needs: MANAGE, handler: || put(api::modes::set) },
    Route { method: Method::DELETE, path: MODE, needs: MANAGE, handler: || delete(api::modes::clear) },
    reads("/v1/districts/{d}/licenses", READ, || get(api::districts::licenses)),
    reads("/v1/districts/{d}/products/{p}/seats", READ, || get(api::districts::seats)),
    reads("/v1/districts/{d}/explain", READ, || get(api::explain::show)),
    reads("/v1/districts/{d}/reports/{name}", READ, || get(api::reports::show)),
    asks("/v1/districts/{d}/activity", Scope::Activity, || post(api::activity::report)),
    reads("/v1/districts/{d}/alerts", READ, || get(api::alerts::list)),
    asks("/v1/districts/{d}/alerts/{id}/ack", Scope::Manage, || post(api::alerts::acknowledge)),
    Route { method: Method::PUT, path: OVERRIDE, needs: MANAGE, handler: || put(api::overrides::set) },
    Route { method: Method::DELETE, path: OVERRIDE, needs: MANAGE, handler: || delete(api::overrides::clear) },
    Route { method: Method::PUT, path: ACCESS, needs: MANAGE, handler: || put(api::by_hand::access) },
    asks("/v1/districts/{d}/products/{p}/assign", Scope::Manage, || post(api::by_hand::assign)),
    asks("/v1/districts/{d}/products/{p}/unassign", Scope::Manage, || post(api::by_hand::unassign)),
    asks("/v1/districts/{d}/products/{p}/reassign", Scope::Manage, || post(api::by_hand::reassign)),
    asks("/v1/districts/{d}/swap", Scope::Manage, || post(api::by_hand::swap)),
    asks("/v1/districts/{d}/move-seats", Scope::Manage, || post(api::by_hand::move_seats)),
    asks("/v1/districts/{d}/threshold", Scope::Manage, || post(api::by_hand::threshold)),
    asks("/v1/districts/{d}/seats/import", Scope::Manage, || post(api::by_hand::import_seats)),
    asks("/v1/districts/{d}/enroll", Scope::Manage, || post(api::enroll::enroll)),
    asks("/v1/districts/{d}/unenroll", Scope::Manage, || post(api::enroll::unenroll)),
    asks("/v1/districts/{d}/roles/assign", Scope::Manage, || post(api::enroll::assign_role)),
    asks("/v1/districts/{d}/roles/remove", Scope::Manage, || post(api::enroll::remove_role)),
    asks("/v1/districts/{d}/users/transfer", Scope::Manage, || post(api::enroll::transfer)),
    asks("/v1/districts/{d}/users/active", Scope::Manage, || post(api::enroll::set_active)),
    asks("/v1/districts/{d}/import", Scope::Manage, || {
        post(api::import::create).layer(DefaultBodyLimit::max(api::import::LARGEST))
    }),
    reads("/v1/districts/{d}/suggestions", READ, || get(api::suggestions::list)),
    reads(IDENTITY, READ, || get(api::identity::list)),
    asks(IDENTITY, Scope::Manage, || post(api::identity::decide)),
    Route {
        method: Method::PUT,
        path: "/v1/subscriptions/{id}",
        needs: MANAGE,
        handler: || put(api::catalog::purchase),
    },
    reads("/v1/fleet", READ, || get(api::fleet::show)),
    asks("/v1/fleet/acknowledge", Scope::Approve, || post(api::fleet::acknowledge)),
    reads("/v1/catalog", READ, || get(api::catalog::show)),
    asks("/v1/catalog/refresh", Scope::Manage, || post(api::catalog::refresh)),
    reads("/v1/audit", READ, || get(api::audit::list)),
    reads("/v1/audit/export", READ, || get(api::audit::export::export)),
    reads("/", Needs::Page, || get(pages::overview::show)),
    reads("/districts/{d}", Needs::Page, || get(pages::district::show)),
    form("/districts/{d}/sync", Needs::Form(Scope::Sync), || post(pages::district::sync)),
    reads("/districts/{d}/users", Needs::Page, || get(pages::user::find)),
    reads("/districts/{d}/user", Needs::Page, || get(pages::user::show)),
    reads("/districts/{d}/reports/{name}", Needs::Page, || get(pages::report::show)),
    reads("/runs/{id}", Needs::Page, || get(pages::run::show)),
    reads("/runs/{id}/affected.csv", Needs::Page, || get(pages::run::affected)),
    reads("/runs/{id}/events", Needs::Page, || get(api::runs::events::follow)),
    form("/runs/{id}/decide", Needs::Form(Scope::Approve), || post(pages::run::decide)),
    form("/runs/{id}/revert", Needs::Form(Scope::Approve), || post(pages::run::revert)),
    reads("/audit", Needs::Page, || get(pages::audit::show)),
    reads("/audit.csv", Needs::Page, || get(pages::audit::export)),
    reads("/settings", Needs::Page, || get(pages::settings::show)),
    reads("/sign-in", Needs::Nothing, || get(pages::sign_in::show)),
    form("/sign-in", Needs::Door, || post(pages::sign_in::enter)),
    reads("/sign-in/oidc", Needs::Door, || get(pages::oidc::begin)),
    reads("/sign-in/oidc/back", Needs::Door, || get(pages::oidc::finish)),
    form("/sign-out", Needs::Door, || post(pages::sign_in::leave)),
    reads("/style.css", Needs::Nothing, || get(pages::style)),
    reads("/live.js", Needs::Nothing, || get(pages::script)),
];

/// The routes that programs ask: all but the pages and what belongs to them.
pub fn of_programs() -> impl Iterator<Item = &'static Route> {
    let of_people = |it: &Route| matches!(it.needs, Needs::Page | Needs::Form(_) | Needs::Door);
    ROUTES.iter().filter(move |it| !of_people(it) && !matches!(it.path, "/sign-in" | "/style.css" | "/live.js"))
}

/// The largest body.
const BODY: usize = 1024 * 1024;

/// The longest answer.
const LIMIT: Duration = Duration::from_secs(30);

/// Everything, ready to serve.
pub(crate) fn router(app: App) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let guard = middleware::from_fn_with_state((app.clone(), route.needs), auth::authenticate);
        // `layer` leaves the answer to a wrong method alone.
        router = router.route(route.path, (route.handler)().route_layer(guard));
    }
    router
        .fallback(auth::nothing)
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path does not take that method; `Allow` names those it takes",
            )
        })
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::from_fn(in_time))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(with_headers))
        .layer(middleware::from_fn_with_state(app.clone(), counted))
        .with_state(app)
}

async fn described() -> axum::Json<&'static serde_json::Value> {
    axum::Json(crate::http::openapi::document())
}

/// Counts every answer under its route, and gives each request an id, which its answer and its lines in the log have.
async fn counted(State(app): State<App>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = [Method::GET, Method::POST, Method::PUT, Method::DELETE].into_iter().find(|it| it == request.method());
    let method = method.map_or("OTHER", |it| match it {
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "GET",
    });
    let path = request.extensions().get::<MatchedPath>().map(|it| it.as_str().to_owned());
    let id = tokens::request_id();
    let route = path.as_deref().unwrap_or("none");
    let span = tracing::info_span!(
        "request",
        request.id = %id,
        http.request.method = method,
        http.route = route,
        http.response.status_code = tracing::field::Empty,
    );
    let mut response = next.run(request).instrument(span.clone()).await;
    span.record("http.response.status_code", response.status().as_u16());
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), id);
    }
    app.desk.metrics().answered(method, route, response.status().as_u16(), begun.elapsed());
    response
}

async fn in_time(request: Request, next: Next) -> Response {
    let late = |_| {
        let busy = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no answer in 30 seconds; ask again in a moment");
        busy.with(header::RETRY_AFTER, "5").into_response()
    };
    tokio::time::timeout(LIMIT, next.run(request)).await.unwrap_or_else(late)
}

/// The panic's message is dropped: it may hold a value.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Problem::internal().into_response()
}

/// For every answer: it is not to be sniffed, framed, cached or told to other sites, and may load nothing but our style and
/// our one script.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'",
    ),
];

async fn with_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is = |it: &HeaderValue| it == "application/problem+json" || it.as_bytes().starts_with(b"text/html");
    let told = kind.is_some_and(is);
    if response.status().is_client_error() && !told {
        // What the framework refuses before a handler sees it, such as a path that is not text.
        let unread =
            Problem::new(response.status(), "the path, or what came with it, cannot be read; check its encoding");
        response = unread.into_response();
    }
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
