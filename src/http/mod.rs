//! The HTTP side: the API of interface.md.

pub mod tokens;

use std::net::SocketAddr;

use serde::Deserialize;

/// `[http]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port.
    pub listen: SocketAddr,
}

impl Default for Settings {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8787)) }
    }
}
