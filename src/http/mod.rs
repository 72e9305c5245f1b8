//! The HTTP side: the API of interface.md and the overview page. [`routes`] is the list of everything that answers.

mod api;
mod auth;
mod body;
mod live;
mod openings;
mod pages;
mod problem;
pub mod routes;
pub mod tokens;

use std::net::SocketAddr;
use std::sync::Arc;

use serde::Deserialize;
use tokio::net::TcpListener;

use crate::schedule::desk::Desk;

/// `[http]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port; with port 0 the system chooses one, and the log says which.
    pub listen: SocketAddr,
}

impl Default for Settings {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8787)) }
    }
}

/// What every handler has.
#[derive(Clone, Debug)]
pub(crate) struct App {
    desk: Arc<Desk>,
    gate: Arc<auth::Gate>,
    live: Arc<live::Live>,
    openings: Arc<openings::Openings>,
    /// Whether only this machine can connect; then the overview page asks for no token.
    on_loopback: bool,
}

/// Answers until the daemon stops; answers under way are finished.
pub async fn serve(listener: TcpListener, desk: Arc<Desk>) -> std::io::Result<()> {
    let on_loopback = listener.local_addr()?.ip().is_loopback();
    let stopping = desk.stopping().clone();
    let live = Arc::new(live::Live::default());
    tokio::spawn(Arc::clone(&live).watch(Arc::clone(&desk)));
    let app = App { desk, gate: Arc::default(), live, openings: Arc::default(), on_loopback };
    axum::serve(listener, routes::router(app)).with_graceful_shutdown(stopping.cancelled_owned()).await
}
