//! The server: one address for all districts, on the caller's runtime.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::extract::State;
use axum::http::Method;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower_http::compression::CompressionLayer;

use super::SimulateError;
use super::auth::AuthState;
use super::classlink;
use super::clever;
use super::clock;
use super::control;
use super::disturb;
use super::http::Call;
use super::http::Reply;
use super::http::decode;
use super::oneroster;
use super::oneroster::Version;
use super::quirks::Quirks;
use super::world::Format;
use super::world::World;

/// Requests the log keeps.
const LOG_ROWS: usize = 10_000;
/// Largest request body read, in bytes.
const BODY_BYTES: usize = 64 * 1024;
/// Clever's limit: requests a minute and bearer.
const CLEVER_LIMIT: u64 = 1200;
/// Seconds of a rate window under the quirk, short so that tests need not wait.
const SHORT_WINDOW: u64 = 2;
/// How long `stop` waits for open connections.
const DRAIN: Duration = Duration::from_millis(500);

/// How a server is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Quirks from the start.
    pub quirks: Quirks,
    /// Day from the start, from 1.
    pub day: u32,
}

impl Default for Options {
    /// A free port on loopback, day 1, no quirks.
    fn default() -> Options {
        Options { listen: SocketAddr::from(([127, 0, 0, 1], 0)), quirks: Quirks::default(), day: 1 }
    }
}

/// One request as it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedRequest {
    /// `GET` or `POST`.
    pub method: String,
    /// Path and query as sent.
    pub path: String,
    /// HTTP status of the answer.
    pub status: u16,
}

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) world: World,
    day: AtomicU32,
    requests: AtomicU64,
    quirks: Mutex<Quirks>,
    log: Mutex<VecDeque<LoggedRequest>>,
    auth: Mutex<AuthState>,
    counts: Mutex<Counts>,
    orders: Mutex<BTreeMap<String, Arc<Vec<usize>>>>,
}

/// What was counted since the quirks were set.
#[derive(Debug, Default)]
struct Counts {
    /// Data requests by district.
    requests: BTreeMap<String, u64>,
    /// Pages by district and collection.
    pages: BTreeMap<String, u64>,
    /// Rate windows by district: number of the window and requests in it.
    windows: BTreeMap<String, (u64, u64)>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn day(&self) -> u32 {
        self.day.load(Ordering::SeqCst)
    }

    pub(crate) fn set_day(&self, day: u32) {
        self.day.store(day.max(1), Ordering::SeqCst);
    }

    pub(crate) fn quirks(&self) -> Quirks {
        locked(&self.quirks).clone()
    }

    pub(crate) fn quirks_of(&self, district: &str) -> Quirks {
        locked(&self.quirks).of(district)
    }

    pub(crate) fn set_quirks(&self, quirks: Quirks) {
        *locked(&self.quirks) = quirks;
        *locked(&self.counts) = Counts::default();
        self.auth().forget_uses();
    }

    pub(crate) fn auth(&self) -> MutexGuard<'_, AuthState> {
        locked(&self.auth)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn log(&self) -> Vec<LoggedRequest> {
        locked(&self.log).iter().cloned().collect()
    }

    /// Counts a page and says how many there were, this one included.
    pub(crate) fn count_page(&self, district: &str, collection: &str) -> u64 {
        let mut counts = locked(&self.counts);
        let pages = counts.pages.entry(format!("{district}/{collection}")).or_default();
        *pages += 1;
        *pages
    }

    /// Pages counted so far.
    pub(crate) fn pages(&self, district: &str, collection: &str) -> u64 {
        locked(&self.counts).pages.get(&format!("{district}/{collection}")).copied().unwrap_or(0)
    }

    /// A sorted order of a table, made once.
    pub(crate) fn order(&self, key: String, make: impl FnOnce() -> Vec<usize>) -> Arc<Vec<usize>> {
        if let Some(known) = locked(&self.orders).get(&key) {
            return Arc::clone(known);
        }
        let made = Arc::new(make());
        locked(&self.orders).insert(key, Arc::clone(&made));
        made
    }

    /// Counts a request against the rate window; false if it is one too many.
    fn within_rate(&self, district: &str, limit: u64, seconds: u64, now: u64) -> bool {
        let mut counts = locked(&self.counts);
        let (window, seen) = counts.windows.entry(district.to_owned()).or_default();
        if *window != now / seconds {
            (*window, *seen) = (now / seconds, 0);
        }
        *seen += 1;
        *seen <= limit
    }

    /// Adds Clever's rate headers to a data answer.
    pub(crate) fn clever_rate_headers(&self, district: &str, reply: Reply) -> Reply {
        let quirks = self.quirks_of(district);
        let (limit, seconds) = rate(&quirks);
        let (window, seen) = locked(&self.counts).windows.get(district).copied().unwrap_or_default();
        reply
            .with("x-ratelimit-bucket", "bearer")
            .with("x-ratelimit-limit", limit.to_string())
            .with("x-ratelimit-remaining", limit.saturating_sub(seen).to_string())
            .with("x-ratelimit-reset", ((window + 1) * seconds).to_string())
            .with("cache-control", "no-store")
    }
}

/// Requests of a window and its seconds.
fn rate(quirks: &Quirks) -> (u64, u64) {
    quirks.rate_limit.map_or((CLEVER_LIMIT, 60), |limit| (limit, SHORT_WINDOW))
}

/// A running simulated server. Dropping it ends it at once; [`Server::stop`] lets open requests finish.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Starts serving a world on the caller's runtime.
    pub async fn start(world: World, options: Options) -> Result<Server, SimulateError> {
        let unheard = |source| SimulateError::Listen { listen: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(unheard)?;
        let addr = listener.local_addr().map_err(unheard)?;
        let shared = Arc::new(Shared {
            world,
            day: AtomicU32::new(options.day.max(1)),
            requests: AtomicU64::new(0),
            quirks: Mutex::new(options.quirks),
            log: Mutex::default(),
            auth: Mutex::default(),
            counts: Mutex::default(),
            orders: Mutex::default(),
        });
        let app =
            Router::new().fallback(respond).with_state(Arc::clone(&shared)).layer(CompressionLayer::new().gzip(true));
        let (stop, stopped) = oneshot::channel();
        // whether told or dropped, the end of the sender is the end of the server
        let ended = async move { stopped.await.unwrap_or_default() };
        let task = tokio::spawn(async move { axum::serve(listener, app).with_graceful_shutdown(ended).await });
        Ok(Server { shared, addr, stop: Some(stop), task })
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://address`, which is also the origin for Clever's `url` and `auth_url`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The address of a district's OneRoster endpoint.
    pub fn oneroster_url(&self, district: &str, version: Version) -> String {
        format!("{}/{district}/{}", self.base_url(), version.path())
    }

    /// The address of a district's OAuth 2 token endpoint.
    pub fn token_url(&self, district: &str) -> String {
        format!("{}/{district}/token", self.base_url())
    }

    /// The world that is served, to write its CSV of some day.
    pub fn world(&self) -> &World {
        &self.shared.world
    }

    /// Plays a day, from 1.
    pub fn set_day(&self, day: u32) {
        self.shared.set_day(day);
    }

    /// The day that is played.
    pub fn day(&self) -> u32 {
        self.shared.day()
    }

    /// Replaces the quirks and starts their counters afresh.
    pub fn set_quirks(&self, quirks: Quirks) {
        self.shared.set_quirks(quirks);
    }

    /// Requests answered so far, those to the simulator itself left out.
    pub fn requests(&self) -> u64 {
        self.shared.requests()
    }

    /// The latest requests, oldest first, at most 10,000; those to the simulator itself left out.
    pub fn log(&self) -> Vec<LoggedRequest> {
        self.shared.log()
    }

    /// Takes no more connections, gives open ones half a second, and ends.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        if tokio::time::timeout(DRAIN, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn respond(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let raw_query = parts.uri.query().unwrap_or("");
    let call = Call::new(parts.method, parts.uri.path(), raw_query, parts.headers, body);
    if let ["_simulate", rest @ ..] = texts(&call.segments()).as_slice() {
        return disturb::send(&Quirks::default(), control::answer(&shared, &call, rest));
    }
    let (quirks, reply) = answer(&shared, &call).await;
    let path = if raw_query.is_empty() { call.path.clone() } else { format!("{}?{raw_query}", call.path) };
    let row = LoggedRequest { method: call.method.to_string(), path, status: reply.status.as_u16() };
    shared.requests.fetch_add(1, Ordering::SeqCst);
    let mut log = locked(&shared.log);
    if log.len() == LOG_ROWS {
        log.pop_front();
    }
    log.push_back(row);
    drop(log);
    disturb::send(&quirks, reply)
}

fn texts(segments: &[String]) -> Vec<&str> {
    segments.iter().map(String::as_str).collect()
}

/// Where a path leads.
enum Destination<'a> {
    CleverOauth(&'a [&'a str]),
    CleverData { district: Option<String>, version: &'a str, rest: &'a [&'a str] },
    Applications,
    Token(&'a str),
    OneRoster { district: &'a str, version: Version, rest: &'a [&'a str], proxied: bool },
    Nowhere,
}

fn destination<'a>(shared: &'a Shared, call: &Call, segments: &'a [&'a str]) -> Destination<'a> {
    let served = |district: &str| shared.world.format(district) == Some(Format::OneRosterCsv);
    if call.method != Method::GET && segments.last() != Some(&"token") {
        return Destination::Nowhere;
    }
    match segments {
        ["oauth", rest @ ..] => Destination::CleverOauth(rest),
        [version @ ("v3.0" | "v3.1"), rest @ ..] => {
            Destination::CleverData { district: clever::district_of(shared, call), version, rest }
        }
        ["applications"] => Destination::Applications,
        [district, "token"] if served(district) => Destination::Token(district),
        [district, "ims", "oneroster", "rostering", "v1p2", rest @ ..] if served(district) => {
            Destination::OneRoster { district, version: Version::V1p2, rest, proxied: false }
        }
        [first, "ims", "oneroster", "v1p1", rest @ ..] => {
            if served(first) {
                return Destination::OneRoster { district: first, version: Version::V1p1, rest, proxied: false };
            }
            match classlink::district_of(shared, first) {
                Some(district) => Destination::OneRoster { district, version: Version::V1p1, rest, proxied: true },
                None => Destination::Nowhere,
            }
        }
        _ => Destination::Nowhere,
    }
}

async fn answer(shared: &Shared, call: &Call) -> (Quirks, Reply) {
    let segments = call.segments();
    let segments = texts(&segments);
    let destination = destination(shared, call, &segments);
    let quirks = match &destination {
        Destination::CleverData { district: Some(district), .. } => shared.quirks_of(district),
        Destination::OneRoster { district, .. } | Destination::Token(district) => shared.quirks_of(district),
        _ => Quirks::default(),
    };
    if quirks.slow_ms > 0 {
        tokio::time::sleep(Duration::from_millis(quirks.slow_ms)).await;
    }
    let now = clock::unix_seconds();
    let reply = match &destination {
        Destination::CleverOauth(rest) => clever::oauth(shared, call, rest),
        Destination::Applications => classlink::applications(shared, call),
        Destination::Token(district) => oneroster::token(shared, call, district, now),
        Destination::Nowhere => Reply::cannot(call),
        Destination::CleverData { district: None, .. } => {
            Reply::json(StatusCode::UNAUTHORIZED, serde_json::json!({ "message": "invalid token" }))
        }
        Destination::CleverData { district: Some(district), version, rest } => {
            match disturbed(shared, call, district, &quirks, None, now) {
                Some(reply) => shared.clever_rate_headers(district, reply),
                None => clever::answer(shared, call, district, version, rest),
            }
        }
        Destination::OneRoster { district, version, rest, proxied } => {
            match disturbed(shared, call, district, &quirks, Some(*version), now) {
                Some(reply) => reply,
                None => roster(shared, call, district, *version, rest, *proxied, now),
            }
        }
    };
    (quirks, reply)
}

/// The failure that quirks and rate limits put before an answer.
fn disturbed(
    shared: &Shared,
    call: &Call,
    district: &str,
    quirks: &Quirks,
    version: Option<Version>,
    now: u64,
) -> Option<Reply> {
    let nth = {
        let mut counts = locked(&shared.counts);
        let requests = counts.requests.entry(district.to_owned()).or_default();
        *requests += 1;
        *requests
    };
    let (limit, seconds) = rate(quirks);
    let limited = version.is_none() || quirks.rate_limit.is_some();
    let within = !limited || shared.within_rate(district, limit, seconds, now);
    let failed = disturb::failure(quirks, call, version, nth);
    failed.or_else(|| (!within).then(|| disturb::too_many(quirks, version)))
}

fn roster(
    shared: &Shared,
    call: &Call,
    district: &str,
    version: Version,
    rest: &[&str],
    proxied: bool,
    now: u64,
) -> Reply {
    let granted = if proxied {
        let name = classlink::token_name(district);
        let mut auth = shared.auth();
        let known = call.authorization("Bearer").is_some_and(|bearer| auth.is_rotating(&name, bearer));
        if !known || !auth.use_rotating(&name, shared.quirks_of(district).expire_token) {
            return oneroster::status::unauthorized(version, "the application's bearer is wrong or spent");
        }
        super::auth::Granted::Everything
    } else {
        match oneroster::admit(shared, call, district, version, now) {
            Ok(granted) => granted,
            Err(refusal) => return *refusal,
        }
    };
    // links name the path as the client sent it: the proxy's id stays encoded
    let first = call.path.split('/').find(|segment| !decode(segment).is_empty()).unwrap_or("");
    let base_path = format!("/{first}/{}", version.path());
    let reply = oneroster::answer(&oneroster::Ask { shared, call, district, version, rest, base_path, granted });
    if proxied { classlink::dress(reply) } else { reply }
}
