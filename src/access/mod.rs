//! May this user open this product: asked at every login, answered from memory (interface.md, HTTP).
//!
//! An [`Index`] is a district's users, seats and contract at one revision. What it answers depends on the day too: coverage
//! begins, turns into grace and ends at midnight in the district's own zone, without any run. Pure: the store fills an
//! index, the HTTP side keeps it right.

mod answer;
mod index;
mod names;
mod snapshot;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::Deserialize;

use crate::secret::Secret;

pub use answer::{Answer, Reason, Today, Verdict};
pub use index::{Builder, Index};
pub use snapshot::{sign, snapshot};

/// `[access]` of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Seconds for which an application may cache an answer; never beyond the end of the district's day.
    pub cache_seconds: u32,
    /// What snapshots are signed with; without it there are none.
    pub snapshot_key: Option<Secret>,
    /// Where a snapshot of each district is kept up to date, `DISTRICT.json`; without it they are had by HTTP alone.
    pub snapshot_folder: Option<PathBuf>,
    /// Days for which a snapshot says what the contract gives.
    pub snapshot_days: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { cache_seconds: 300, snapshot_key: None, snapshot_folder: None, snapshot_days: 7 }
    }
}

impl Settings {
    /// Checks what can be checked alone; the message names the key.
    pub fn check(&self) -> Result<(), String> {
        if self.snapshot_folder.is_some() && self.snapshot_key.is_none() {
            return Err("`access.snapshot_folder` needs `access.snapshot_key`: a snapshot is signed".to_owned());
        }
        if !(1..=366).contains(&self.snapshot_days) {
            return Err("`access.snapshot_days` must be 1 to 366".to_owned());
        }
        Ok(())
    }
}
