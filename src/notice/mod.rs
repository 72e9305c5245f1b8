//! What people are told without asking, and in which words (S3.22, S4.31). Pure.
//!
//! A notice is written with its cause, in the same transaction, under a natural key: what was told once is not told again,
//! whatever dies (reliability.md F70). [`compose`] makes one message for each recipient of everything that came together.

mod message;
mod text;
mod week;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::alert::{Evaluation, Move};
use crate::audit::shown_id;
use crate::model::{
    About, Alert, AlertKind, DistrictId, Notice, PendingReview, RunRecord, RunStatus, SourceMark, Timestamp, ToldAlert,
};

pub use message::{Around, Filter, compose, trial};
pub use week::{InvalidWeekly, Week, Weekly, still_open};

/// The mode of a run that pulls and applies; a failure of anything else is told to who asked for it.
const SYNC: &str = "apply";

/// Alerts that were raised or crossed a step. `key` is the installation's pseudonym key.
pub fn of_alerts(evaluation: &Evaluation, at: Timestamp, key: &[u8]) -> Vec<Notice> {
    let news = evaluation.moves.iter().filter_map(|it| match it {
        Move::Raised(alert) | Move::Stepped { after: alert, .. } => Some(alert),
        Move::Changed { .. } | Move::Cleared(_) => None,
    });
    // What is held is told by the run that holds it, with its groups.
    let news = news.filter(|alert| alert.kind != AlertKind::Held);
    news.map(|alert| Notice {
        district: alert.district.clone(),
        key: key_of(alert),
        at,
        about: About::Alert(told(alert, key)),
    })
    .collect()
}

fn told(alert: &Alert, key: &[u8]) -> ToldAlert {
    ToldAlert::of(alert, |school| shown_id(key, school.as_str(), &[]))
}

/// One step before one day is told once, however often the alert comes and goes (S4.24).
fn key_of(alert: &Alert) -> String {
    match (alert.step, alert.on) {
        (Some(step), Some(on)) => format!("alert/{}/{on}/{step}", alert.id),
        _ => format!("alert/{}/{}", alert.id, alert.raised_at.millis()),
    }
}

/// A run that holds a group of which no review told before. `changes` counts what it holds.
pub fn of_held(run: &RunRecord, before: Option<&PendingReview>, changes: usize) -> Option<Notice> {
    let waiting: BTreeSet<&str> =
        before.into_iter().flat_map(|it| &it.changes).flat_map(|it| &it.groups).map(String::as_str).collect();
    let new = run.holds.iter().any(|hold| hold.decision.is_none() && !waiting.contains(hold.group.as_str()));
    (run.status == RunStatus::Held && new).then(|| Notice {
        district: run.district.clone(),
        key: format!("held/{}", run.run),
        at: ended(run),
        about: About::Held {
            run: run.run.clone(),
            plan_hash: run.plan_hash.clone(),
            groups: run.holds.clone(),
            changes: u64::try_from(changes).unwrap_or(u64::MAX),
            bridged: run.seats.bridged,
            proposal: run.proposal.as_ref().map(|it| (it.why.clone(), it.command(&run.district))),
        },
    })
}

/// A sync that failed. The key names the pull in use, so that a source that is down for a month is told of once, and
/// `stale_roster` and the week's digest go on.
pub fn of_failure(run: &RunRecord, in_use: Option<&SourceMark>) -> Option<Notice> {
    (run.status == RunStatus::Failed && run.mode == SYNC).then(|| Notice {
        district: run.district.clone(),
        key: format!("failed/{}", in_use.map_or(0, |it| it.pulled_at.millis())),
        at: ended(run),
        about: About::Failed { run: run.run.clone(), error: run.error.clone().unwrap_or_default() },
    })
}

fn ended(run: &RunRecord) -> Timestamp {
    run.finished_at.unwrap_or(run.as_of)
}

/// The notice of what was open when the week began and still is; none if nothing is.
pub fn weekly(district: &DistrictId, alerts: &[Alert], week: Week, now: Timestamp, key: &[u8]) -> Option<Notice> {
    let open: Vec<ToldAlert> = still_open(alerts, week).iter().map(|it| told(it, key)).collect();
    (!open.is_empty()).then(|| Notice {
        district: district.clone(),
        key: format!("weekly/{}", week.day),
        at: now,
        about: About::Weekly { week: week.day, open },
    })
}
