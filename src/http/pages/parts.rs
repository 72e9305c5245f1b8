//! What several pages show: seats with their bar, alerts, runs.

use std::collections::BTreeMap;

use askama::Template;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::allocate::License;
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::pages::{Frame, number, page, when};
use crate::http::problem::Problem;
use crate::model::{Access, Alert, Level, Org, RunRecord, RunStatus, SourceId};
use crate::report;

/// A word that a type is written as.
pub(super) fn word(it: &impl serde::Serialize) -> String {
    serde_json::to_value(it).ok().and_then(|it| it.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A school by its name, or its id where the roster has none.
pub(super) fn school(id: &SourceId, schools: &BTreeMap<SourceId, Org>) -> String {
    let name = schools.get(id).map(|org| org.name.clone()).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| id.to_string())
}

/// The class of a level, which is its word.
pub(super) fn color(level: Level) -> &'static str {
    match level {
        Level::Green => "green",
        Level::Yellow => "yellow",
        Level::Red => "red",
    }
}

/// One line of seats.
pub(super) struct SeatRow {
    pub(super) name: String,
    /// The school's id, or `district`, of a pool's row.
    pub(super) school: String,
    pub(super) used: String,
    pub(super) over: String,
    pub(super) is_over: bool,
    pub(super) bridged: u64,
    pub(super) level: &'static str,
    pub(super) percent: String,
    /// Of a bar of 100.
    pub(super) width: String,
    pub(super) waiting: String,
    pub(super) status: String,
    pub(super) expires: String,
}

impl SeatRow {
    /// What may still be given stands beside what is used (S0.16).
    pub(super) fn new(row: &License, name: String, schools: &BTreeMap<SourceId, Org>) -> Self {
        let used = number(row.assigned);
        let used = match (row.total, row.available) {
            (Some(total), Some(available)) => {
                format!("{used} of {} used, {} available", number(total), number(available))
            }
            _ => format!("{used} used, unlimited"),
        };
        let tenths = row.usage_percent.map_or(0, crate::allocate::Percent::tenths).min(1000);
        let status = row.status.as_ref().map(word).unwrap_or_default();
        Self {
            name,
            school: row.school.as_ref().map_or_else(|| word(&row.pool), |id| school(id, schools)),
            used,
            over: number(row.over),
            is_over: row.over > 0,
            bridged: row.bridged,
            level: color(row.level),
            percent: row.usage_percent.map_or_else(|| "0".to_owned(), |it| it.to_string()),
            width: format!("{}.{}", tenths / 10, tenths % 10),
            waiting: number(row.waiting),
            status: match row.access {
                Access::Full => status,
                Access::None | Access::Grace | Access::Upcoming => format!("{status}, access: {}", word(&row.access)),
            },
            expires: row.expires_on.map(|day| day.to_string()).unwrap_or_default(),
        }
    }
}

/// One line of an alert.
pub(super) struct AlertRow {
    pub(super) level: &'static str,
    pub(super) kind: String,
    pub(super) of: String,
    pub(super) text: String,
    pub(super) since: String,
    pub(super) seen: String,
}

impl AlertRow {
    /// Schools go by their names where the roster has them.
    pub(super) fn new(it: &Alert, schools: &BTreeMap<SourceId, Org>) -> Self {
        let of = [it.product.as_ref().map(ToString::to_string), it.school.as_ref().map(|id| school(id, schools))];
        let of = of.into_iter().flatten().collect::<Vec<_>>().join(", ");
        Self {
            level: color(it.level),
            kind: it.kind.to_string().replace('_', " "),
            of: if of.is_empty() { of } else { format!("{of}:") },
            text: it.text.clone(),
            since: format!("since {}", when(it.raised_at)),
            seen: it.acknowledged.as_ref().map(|seen| format!(", seen by {}", seen.by)).unwrap_or_default(),
        }
    }
}

/// One line of a run.
pub(super) struct RunRow {
    pub(super) id: String,
    pub(super) as_of: String,
    pub(super) by: String,
    pub(super) status: String,
    pub(super) tone: &'static str,
    pub(super) said: String,
}

/// How a status is colored.
pub(super) fn tone(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Applied | RunStatus::Unchanged | RunStatus::Planned => "good",
        RunStatus::Held | RunStatus::Queued | RunStatus::Fetching | RunStatus::Applying => "warn",
        RunStatus::Failed | RunStatus::Cancelled => "bad",
    }
}

impl RunRow {
    pub(super) fn new(run: &RunRecord) -> Self {
        Self {
            id: run.run.to_string(),
            as_of: when(run.as_of),
            by: run.requested_by.clone().unwrap_or_else(|| run.trigger.to_string()),
            status: run.status.to_string(),
            tone: tone(run.status),
            said: report::headline(run),
        }
    }
}

/// A large district before it is counted for the first time.
#[derive(Template)]
#[template(path = "counting.html")]
struct Counting {
    frame: Frame,
    name: String,
}

/// What is shown until there are numbers to show; it asks again by itself.
pub(super) fn counting(app: &App, caller: &Caller, name: String) -> Result<Response, Problem> {
    let frame = Frame::new(app, caller, "overview", name.clone());
    Ok(([(header::REFRESH, "2")], page(&Counting { frame, name })?).into_response())
}
