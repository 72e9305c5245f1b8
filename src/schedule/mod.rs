//! When runs happen: nights by each district's own clock, requests in a durable queue, workers that carry them out.

pub mod catalog;
pub mod desk;
pub mod dispatcher;
pub mod due;
pub mod heartbeat;
pub mod notices;
pub mod purchase;
pub mod reload;
pub mod reports;
pub mod standing;
pub mod worker;
pub mod workers;

use serde::Deserialize;

/// `[schedule]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Local time of each district (`02:00`), or a cron expression of five fields in its zone.
    pub nightly: String,
    /// Districts are spread over so many minutes after it, each always at the same place.
    pub spread_minutes: u32,
    /// Districts synced at once by this process.
    pub concurrency: u32,
    /// Seconds after which a run of a process that no longer reports is taken over.
    pub lease_seconds: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { nightly: "02:00".to_owned(), spread_minutes: 120, concurrency: 4, lease_seconds: 600 }
    }
}

impl Settings {
    /// The local time at which nights begin, and the minutes over which they are spread; none for a cron expression.
    pub fn nightly_time(&self) -> Option<(chrono::NaiveTime, u32)> {
        match due::Nightly::parse(&self.nightly) {
            Ok(due::Nightly::At(time)) => Some((time, self.spread_minutes)),
            Ok(due::Nightly::Cron(_)) | Err(_) => None,
        }
    }

    /// Checks what can be checked alone; the message names the key.
    pub fn check(&self) -> Result<(), String> {
        due::Nightly::parse(&self.nightly).map_err(|error| format!("`schedule.nightly`: {error}"))?;
        if self.concurrency == 0 {
            return Err("`schedule.concurrency` is 0; give at least 1".to_owned());
        }
        if self.lease_seconds < 5 {
            return Err("`schedule.lease_seconds` is under 5; a run could not report in time".to_owned());
        }
        Ok(())
    }
}
