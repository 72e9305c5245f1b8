//! `SIGHUP`: the configuration read again. An invalid one changes nothing (reliability.md F11).

use std::path::PathBuf;

use crate::config::{self, ConfigError};
use crate::schedule::desk::Desk;

/// Reads the files again and puts them in force; what needs a restart is said and left as it is.
pub fn settings(desk: &Desk, files: &[PathBuf]) -> Result<(), ConfigError> {
    let mut new = config::read(files)?;
    let old = desk.office().settings;
    if new.store != old.store {
        tracing::warn!("`store.url` has changed: restart rosterd to use the other store");
        new.store = old.store.clone();
    }
    if new.http.needs_restart(&old.http) {
        tracing::warn!("`[http]` has changed: restart rosterd to listen elsewhere");
        let oidc = new.http.oidc.take();
        new.http = old.http.clone();
        new.http.oidc = oidc;
    }
    desk.adopt_settings(new);
    Ok(())
}
