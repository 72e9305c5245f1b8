//! A run told to people. Numbers, ids and what to do next; no personal value.

mod affected;
pub mod csv;
mod entries;
mod pairs;
#[cfg(feature = "parquet")]
mod parquet;
mod seats;

use std::fmt::Write as _;

#[cfg(feature = "parquet")]
pub use self::parquet::AuditFile;
pub use affected::{Affected, COLUMNS as AFFECTED_COLUMNS};
pub use entries::{header as entry_header, line as entry_line};
pub use pairs::{IfMerged, Pair, PairList, PairState};
pub use seats::{By, Holder, Place, SeatList};

use crate::model::{AlertCounts, Changed, DistrictMode, HoldRecord, Kind, RunRecord, RunStatus};

/// So many of those a revert leaves alone are told to people.
const SHOWN: usize = 20;

/// The whole report of one run, several lines.
pub fn text(run: &RunRecord) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!("{}  {}  run {}", run.district, headline(run), run.run));
    if let Some(error) = &run.error {
        line(format!("  {error}"));
    }
    if let Some(mode) = &run.district_mode {
        line(format!("  mode     {mode}"));
    }
    if let Some(snapshot) = &run.snapshot {
        let records: Vec<String> = snapshot.records.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        let whole = if snapshot.complete { "complete" } else { "not complete, so nothing is removed" };
        line(format!("  feed     {} ({whole})", records.join(", ")));
        if snapshot.invalid + snapshot.skipped > 0 {
            line(format!("           {} rows unusable, {} contacts skipped", snapshot.invalid, snapshot.skipped));
        }
        for warning in &snapshot.warnings {
            line(format!("           warning {}: {} ({}x)", warning.code, warning.message, warning.count));
        }
    }
    for kind in Kind::ALL {
        if let Some(words) = run.changes.get(&kind).and_then(changed_words) {
            line(format!("  {:<12} {words}", kind.plural()));
        }
    }
    let seats = &run.seats;
    if seats.granted + seats.released + seats.moved + seats.bridged + seats.waiting > 0 {
        line(format!(
            "  seats        {} granted, {} released, {} moved, {} bridged, {} waiting",
            seats.granted, seats.released, seats.moved, seats.bridged, seats.waiting
        ));
    }
    if let Some(words) = alert_words(&run.alerts) {
        line(format!("  alerts       {words}: `rosterd alerts --district {}`", run.district));
    }
    for hold in &run.holds {
        line(format!("  {}", hold_line(hold)));
    }
    if let Some(it) = &run.proposal {
        line(format!("  proposal     {}; if so: `{}`", it.why, it.command(&run.district)));
    }
    for need in &run.needs {
        let bought = need.bought.map_or_else(|| "unlimited".to_owned(), |n| n.to_string());
        line(format!("  needs        {} seats of {}, {bought} bought", need.needed, need.product));
    }
    if let Some(plan) = &run.plan {
        for text in &plan.lines {
            line(format!("    {text}"));
        }
        if plan.omitted > 0 {
            line(format!("    … and {} more", plan.omitted));
        }
    }
    if let Some(it) = &run.revert {
        line(format!("  reverts      run {}: {} records and {} seats put back", it.run, it.reversed, it.seats));
        for (bucket, all) in [("kept", &it.kept), ("impossible", &it.impossible)] {
            for left in all.iter().take(SHOWN) {
                line(format!("    {bucket} {} {}: {}", left.kind, left.id, left.reason));
            }
            if all.len() > SHOWN {
                line(format!("    … and {} more {bucket}; `--json` has them all", all.len() - SHOWN));
            }
        }
    }
    if let Some(by) = &run.reverted_by {
        line(format!("  reverted by run {by}"));
    }
    if run.status == RunStatus::Held && run.undecided() {
        line(format!(
            "  review with `rosterd runs show {} --affected`, then `rosterd runs approve` or `reject`",
            run.run
        ));
    }
    if let Some(audit) = &run.audit {
        line(format!("  audit    entries {} to {}", audit.first_seq, audit.last_seq));
    }
    out
}

/// Where the run ended, in a few words.
pub fn headline(run: &RunRecord) -> String {
    match run.status {
        RunStatus::Held if run.undecided() => "held for review, the rest applied".to_owned(),
        RunStatus::Held => "held, decided since".to_owned(),
        RunStatus::Planned if run.mode != "plan" && run.mode != "revert" => {
            "planned only, no roster change applied".to_owned()
        }
        RunStatus::Planned if run.holds.is_empty() => "planned, nothing written".to_owned(),
        RunStatus::Planned => "planned, would hold".to_owned(),
        RunStatus::Unchanged if is_paused(run) => "paused, not fetched".to_owned(),
        RunStatus::Applied if is_paused(run) => "paused, not fetched; what dates end is applied".to_owned(),
        RunStatus::Unchanged => "unchanged, nothing written".to_owned(),
        RunStatus::Queued
        | RunStatus::Fetching
        | RunStatus::Applying
        | RunStatus::Applied
        | RunStatus::Failed
        | RunStatus::Cancelled => run.status.to_string(),
    }
}

fn is_paused(run: &RunRecord) -> bool {
    run.district_mode.as_ref().is_some_and(|it| it.mode == DistrictMode::Paused)
}

/// `3 added, 1 removed`, or nothing where nothing happened.
pub fn changed_words(changed: &Changed) -> Option<String> {
    let Changed { added, changed, removed, held, unchanged: _ } = *changed;
    let parts = [(added, "added"), (changed, "changed"), (removed, "removed"), (held, "held")];
    let words: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// `2 raised, 7 open`, or nothing where none is open and none has cleared.
fn alert_words(alerts: &AlertCounts) -> Option<String> {
    let AlertCounts { raised, stepped, cleared, open } = *alerts;
    let parts = [(raised, "raised"), (stepped, "told again"), (cleared, "cleared"), (open, "open")];
    let words: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// One held group: how much of how much, by which limit, and what was decided.
pub fn hold_line(hold: &HoldRecord) -> String {
    let mut out =
        format!("HELD {}: {} of {} ({}), {} changes wait", hold.group, hold.count, hold.of, hold.limit, hold.affected);
    if let Some(decision) = &hold.decision {
        let by = decision.by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
        write!(out, "; {}{by} at {}", decision.decision, decision.at).unwrap_or_default();
    }
    out
}
