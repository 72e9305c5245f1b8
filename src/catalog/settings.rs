//! `[catalog]` of the configuration.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::secret::Secret;

/// Where the catalog is read, and how often.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The catalog file; a missing one is an error unless it is this default.
    pub path: PathBuf,
    /// A service that answers with the same document as JSON; instead of `path`.
    pub url: Option<String>,
    /// Its bearer token.
    pub token: Option<Secret>,
    /// More certificate authorities, PEM.
    pub ca_file: Option<PathBuf>,
    /// How long to wait for an answer to go on.
    pub timeout_seconds: u32,
    /// Plain `http` beyond loopback.
    pub allow_insecure: bool,
    /// Minutes between two looks at it; 0: only at the start and when asked.
    pub refresh_minutes: u32,
    /// Minutes in which a refresh that is asked for over HTTP again is answered with the last result (S4.27).
    pub cool_down_minutes: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            path: PathBuf::from("config/catalog.toml"),
            url: None,
            token: None,
            ca_file: None,
            timeout_seconds: 30,
            allow_insecure: false,
            refresh_minutes: 60,
            cool_down_minutes: 5,
        }
    }
}

/// Where the catalog is.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// A file.
    File(&'a Path),
    /// A service.
    Service {
        /// Its address.
        url: &'a str,
        /// Its bearer token.
        token: &'a Secret,
    },
}

impl Settings {
    /// Where the catalog is; none where nothing is set and there is no file at the default place.
    pub fn source(&self) -> Option<Source<'_>> {
        match (&self.url, &self.token) {
            (Some(url), Some(token)) => Some(Source::Service { url, token }),
            _ if self.path.exists() || self.path != Self::default().path => Some(Source::File(&self.path)),
            _ => None,
        }
    }

    /// Checks what can be checked alone; the message names the key.
    pub fn check(&self) -> Result<(), String> {
        match (&self.url, &self.token) {
            (Some(_), None) => Err("`catalog.url` needs `catalog.token`, the service's bearer token".to_owned()),
            (None, Some(_)) => Err("`catalog.token` is for `catalog.url`, which is not set".to_owned()),
            (Some(_), Some(_)) if self.path != Self::default().path => {
                Err("`catalog.path` and `catalog.url` are both set: keep the one that is the authority".to_owned())
            }
            _ if self.timeout_seconds == 0 => Err("`catalog.timeout_seconds` is 0; give at least 1".to_owned()),
            _ => Ok(()),
        }
    }
}
