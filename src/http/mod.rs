//! The HTTP side: the API of interface.md and the dashboard. [`routes`] is the list of everything that answers.

mod accept;
mod api;
mod attempt;
mod auth;
mod body;
mod counted;
mod doorbell;
mod grants;
mod kept;
mod live;
pub mod openapi;
mod openings;
mod pages;
mod problem;
mod readings;
mod recent;
pub mod routes;
mod session;
pub mod tokens;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use tokio::net::TcpListener;

use crate::inquiry::Names;
use crate::model::Baseline;
use crate::openid;
use crate::schedule::desk::Desk;
use crate::secret::Secret;

/// `[http]` of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port; with port 0 the system chooses one, and the log says which.
    pub listen: SocketAddr,
    /// TLS; without it plain HTTP, for this machine or behind a proxy.
    pub tls: Option<TlsSettings>,
    /// Whether `GET /metrics` asks for no token.
    pub open_metrics: bool,
    /// Requests a second of one token; more are refused.
    pub requests_per_second: u32,
    /// Where people sign in with their organization.
    pub oidc: Option<openid::Settings>,
}

/// Certificate and key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// The chain, the own certificate first.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What a listener needs to speak TLS.
#[derive(Clone)]
pub struct Tls(tokio_rustls::TlsAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Settings {
    /// Checks what can be checked alone; the message names the key.
    pub fn check(&self) -> Result<(), String> {
        if self.requests_per_second == 0 {
            return Err("`http.requests_per_second` is 0; nobody could ask anything".to_owned());
        }
        let Some(oidc) = &self.oidc else { return Ok(()) };
        oidc.check()?;
        grants::check(oidc)
    }

    /// Whether only a restart would put these in force in the place of the others. Who may sign in, and to what, is looked up for
    /// each request.
    pub fn needs_restart(&self, others: &Self) -> bool {
        let of = |it: &Self| (it.listen, it.tls.clone(), it.open_metrics, it.requests_per_second);
        of(self) != of(others)
    }

    /// The secret, with its key.
    pub fn secret(&self) -> Option<(String, &Secret)> {
        let secret = self.oidc.as_ref()?.client_secret.as_ref()?;
        Some(("http.oidc: client_secret".to_owned(), secret))
    }

    /// Reads certificate and key; none where there is no TLS.
    pub fn tls(&self) -> Result<Option<Tls>, String> {
        let read = |it: &TlsSettings| accept::acceptor(&it.cert, &it.key).map(Tls);
        self.tls.as_ref().map(read).transpose().map_err(|error| format!("`http.tls`: {error}"))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8787)),
            tls: None,
            open_metrics: false,
            requests_per_second: 10_000,
            oidc: None,
        }
    }
}

/// What every handler has.
#[derive(Clone, Debug)]
pub(crate) struct App {
    desk: Arc<Desk>,
    gate: Arc<auth::Gate>,
    live: Arc<live::Live>,
    counted: Arc<counted::Counted>,
    openings: Arc<openings::Openings>,
    readings: Arc<readings::Readings>,
    recent: Arc<recent::Recent<Baseline>>,
    names: Arc<recent::Recent<Names>>,
    sheets: Arc<recent::Recent<pages::report::Sheets>>,
    provider: Arc<openid::Discovered>,
    /// Whether only this machine can connect; then the overview page asks for no token.
    on_loopback: bool,
}

/// Answers until the daemon stops; answers under way are finished.
pub async fn serve(listener: TcpListener, desk: Arc<Desk>, tls: Option<Tls>) -> std::io::Result<()> {
    let on_loopback = listener.local_addr()?.ip().is_loopback();
    let stopping = desk.stopping().clone();
    let live = Arc::<live::Live>::default();
    tokio::spawn(Arc::clone(&live).watch(Arc::clone(&desk)));
    let counted = Arc::<counted::Counted>::default();
    tokio::spawn(Arc::clone(&counted).watch(Arc::clone(&desk)));
    let recent = Arc::new(recent::Recent::new(|one, other| one == other));
    let names = Arc::new(recent::Recent::new(|one, other| one.state.revision == other.state.revision));
    tokio::spawn(Arc::clone(&recent).watch(Arc::clone(&desk)));
    tokio::spawn(Arc::clone(&names).watch(Arc::clone(&desk)));
    let sheets = Arc::new(recent::Recent::new(pages::report::hold));
    tokio::spawn(Arc::clone(&sheets).watch(Arc::clone(&desk)));
    let readings = Arc::<readings::Readings>::default();
    let watched = tokio::spawn(Arc::clone(&readings).watch(Arc::clone(&desk)));
    tokio::spawn(doorbell::watch(Arc::clone(&desk)));
    let app = App {
        desk: Arc::clone(&desk),
        gate: Arc::default(),
        live,
        counted,
        openings: Arc::default(),
        readings: Arc::clone(&readings),
        recent,
        names,
        sheets,
        provider: Arc::default(),
        on_loopback,
    };
    let served = accept::serve(listener, routes::router(app), tls.map(|it| it.0), stopping).await;
    // What the last answers showed is written down, too.
    drop(watched.await);
    readings.write(&desk).await;
    served
}
