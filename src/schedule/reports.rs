//! The compliance report of each district, written to a folder when its time has come (S3.30).
//!
//! A report is written once for each district and due time: a file that is there is left alone, so that neither a restart nor
//! a second process over the same folder writes it again. It has numbers of products and nobody's name.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use serde::Deserialize;

use crate::inquiry;
use crate::model::DistrictId;
use crate::report::csv;
use crate::reports::{Report, Sheet};
use crate::schedule::due::Nightly;
use crate::schedule::worker::Office;

/// `[reports]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where reports are written; none writes none. It must be there.
    pub folder: Option<PathBuf>,
    /// Local time of each district (`06:00`), or a cron expression of five fields in its zone (`0 6 * * 1`).
    pub compliance: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { folder: None, compliance: "06:00".to_owned() }
    }
}

impl Settings {
    /// Checks what can be checked alone; the message names the key.
    pub fn check(&self) -> Result<(), String> {
        Nightly::parse(&self.compliance).map(|_| ()).map_err(|error| format!("`reports.compliance`: {error}"))
    }
}

/// How long a mistake is left alone before the next attempt.
const AGAIN: Duration = Duration::from_mins(1);

/// Writes what is due and not there yet. A mistake is logged, and after a minute the next look tries again.
pub(super) async fn write_due(office: &Office) {
    let settings = &office.settings.reports;
    let (Some(folder), Ok(when)) = (&settings.folder, Nightly::parse(&settings.compliance)) else { return };
    let now = office.clock.now();
    let mut failed = false;
    for district in office.known.all() {
        let id = district.id();
        let Some(due) = when.latest(district.time_zone, TimeDelta::zero(), now.instant()) else { continue };
        let file = folder.join(name(&id, &due.key));
        if file.exists() {
            continue;
        }
        match inquiry::report(&office.store, &id, Report::Compliance, None, now).await {
            Ok(sheet) => match write(&file, &sheet) {
                Ok(()) => tracing::info!(district.id = %id, "wrote {}", file.display()),
                Err(error) => {
                    failed = true;
                    let (kind, file) = (error.kind(), file.display());
                    tracing::error!(district.id = %id, "cannot write {file} ({kind}): make the folder, or let rosterd write there");
                }
            },
            Err(error) => {
                failed = true;
                tracing::error!(district.id = %id, %error, "the compliance report could not be made");
            }
        }
    }
    if failed {
        tokio::time::sleep(AGAIN).await;
    }
}

/// `springfield-compliance-2026-10-05.csv`.
fn name(district: &DistrictId, key: &str) -> String {
    let key: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("{district}-compliance-{key}.csv")
}

/// Whole or not at all: whoever waits for the file never sees half of it.
fn write(file: &Path, sheet: &Sheet) -> std::io::Result<()> {
    let mut text = csv::line(sheet.columns.iter().copied());
    for row in sheet.cells() {
        text.push('\n');
        text += &csv::line(row.iter().map(String::as_str));
    }
    text.push('\n');
    let half = file.with_extension(format!("csv.{}", std::process::id()));
    std::fs::write(&half, text)?;
    std::fs::rename(&half, file)
}
