//! `GET /runs/{id}`: how a run went, what changed, what waits and whom it affects; and the decisions on it.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{Html, Redirect, Response};

use crate::http::App;
use crate::http::api::runs::{self, Decision, Revert};
use crate::http::auth::Caller;
use crate::http::body::Fields;
use crate::http::pages::{Frame, csv_file, number, page, when};
use crate::http::problem::Problem;
use crate::http::tokens::Scope;
use crate::inquiry;
use crate::model::{Kind, RunRecord, RunStatus, Timestamp, Trigger};
use crate::report::{self, Affected};
use crate::store::AuditFilter;

/// Held changes, and lines of what changed, on the page; the rest is a link away.
const SHOWN: usize = 200;

struct Stage {
    name: &'static str,
    at: String,
    tone: &'static str,
}

struct Count {
    kind: &'static str,
    added: String,
    changed: String,
    removed: String,
    unchanged: String,
    held: String,
}

struct Hold {
    group: String,
    count: String,
    of: String,
    affected: String,
    limit: String,
    decision: String,
}

struct Row {
    change: String,
    seats: String,
    groups: String,
    decision: String,
}

struct Line {
    text: String,
    tone: &'static str,
}

#[derive(Template)]
#[template(path = "run.html")]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of the template")]
struct Run {
    frame: Frame,
    headline: String,
    district: String,
    id: String,
    trigger: String,
    by: String,
    reason: String,
    open: bool,
    status: String,
    error: String,
    stages: Vec<Stage>,
    counts: Vec<Count>,
    seats: String,
    warnings: Vec<String>,
    holds: Vec<Hold>,
    hash: String,
    undecided: bool,
    may_decide: bool,
    affected: Vec<Row>,
    affected_total: String,
    lines_title: &'static str,
    lines: Vec<Line>,
    lines_more: usize,
    may_revert: bool,
}

/// The page.
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Html<String>, Problem> {
    let run = runs::seen(&app, &caller, &id).await?;
    let store = app.desk.office().store;
    let (affected, affected_total) = inquiry::first_affected(&store, &run, SHOWN).await?;
    let undecided = run.status == RunStatus::Held && run.holds.iter().any(|it| it.decision.is_none());
    let may_decide = caller.form_key().is_some() && caller.may(Scope::Approve, &run.district);
    let applied = matches!(run.status, RunStatus::Applied | RunStatus::Held) && run.audit.is_some();
    let (lines_title, lines, all) = if let Some(plan) = &run.plan {
        let lines = plan.lines.iter().take(SHOWN).map(|it| line(it.clone())).collect();
        ("What it would do", lines, plan.lines.len())
    } else {
        let entries = run.audit.as_ref().map_or(0, |it| it.last_seq - it.first_seq + 1);
        ("What it did", changed(&app, &run).await?, usize::try_from(entries).unwrap_or(0))
    };
    let lines_more = all.saturating_sub(lines.len());
    let open = !matches!(
        run.status,
        RunStatus::Applied | RunStatus::Unchanged | RunStatus::Held | RunStatus::Failed | RunStatus::Cancelled
    ) && run.finished_at.is_none();
    let warnings = run.snapshot.iter().flat_map(|it| {
        let whole = (!it.complete).then(|| "The snapshot was not complete: nothing was removed.".to_owned());
        let warned = it.warnings.iter().map(|it| format!("{} ({} times): {}", it.code, it.count, it.message));
        whole.into_iter().chain(warned).collect::<Vec<_>>()
    });
    page(&Run {
        headline: report::headline(&run),
        district: run.district.to_string(),
        id: run.run.to_string(),
        trigger: run.trigger.to_string(),
        by: run.requested_by.clone().unwrap_or_default(),
        reason: run.reason.clone().unwrap_or_default(),
        open,
        status: run.status.to_string(),
        error: run.error.clone().unwrap_or_default(),
        stages: stages(&run),
        counts: counts(&run),
        seats: seats(&run),
        warnings: warnings.collect(),
        holds: holds(&run),
        hash: run.plan_hash.clone().unwrap_or_default(),
        undecided,
        may_decide,
        affected_total: number(u64::try_from(affected_total).unwrap_or(u64::MAX)),
        affected: affected.into_iter().map(row).collect(),
        lines_title,
        lines,
        lines_more,
        may_revert: may_decide && applied && run.trigger != Trigger::Revert && run.reverted_by.is_none(),
        frame: Frame::new(&app, &caller, "", format!("Run of {}", run.district)),
    })
}

fn row(it: Affected) -> Row {
    let same = it.remap.map(|id| format!(" (same person as {id})")).unwrap_or_default();
    Row {
        change: it.change + &same,
        seats: it.seats.join(", "),
        groups: it.groups.join(" "),
        decision: it.decision.unwrap_or_default(),
    }
}

fn line(text: String) -> Line {
    let tone = match text.chars().next() {
        Some('+' | '^') => "added",
        Some('-') => "removed",
        Some('~' | '>' | '?') => "changed",
        Some(_) | None => "",
    };
    Line { text, tone }
}

/// The first of what the run changed, as the audit tells it.
async fn changed(app: &App, run: &RunRecord) -> Result<Vec<Line>, Problem> {
    // Of one that wrote nothing and held nothing the whole audit would be walked in vain.
    if run.audit.is_none() && run.holds.is_empty() {
        return Ok(Vec::new());
    }
    let filter =
        AuditFilter { district: Some(run.district.clone()), run: Some(run.run.clone()), ..AuditFilter::default() };
    let store = app.desk.office().store;
    let mut stream = store.audit_stream(filter).await?.in_pages_of(SHOWN);
    let mut lines = Vec::new();
    while lines.len() < SHOWN
        && let Some(entries) = stream.next_page().await?
    {
        for it in entries.into_iter().take(SHOWN - lines.len()) {
            let verb = it.action.split_once('.').map_or("", |(_, verb)| verb);
            let sign = match verb {
                "added" | "granted" | "set" | "raised" => '+',
                "restored" => '^',
                "removed" | "released" | "cleared" | "waiting_ended" => '-',
                _ => '~',
            };
            let change = match (&it.before, &it.after) {
                (Some(before), Some(after)) => format!(" {before} → {after}"),
                (None, Some(after)) => format!(" {after}"),
                (Some(_) | None, None) => String::new(),
            };
            let reason = it.reason.as_ref().map(|text| format!(" ({text})")).unwrap_or_default();
            lines.push(line(format!("{sign} {} {}{change}{reason}", it.action, it.id)));
        }
    }
    Ok(lines)
}

fn stages(run: &RunRecord) -> Vec<Stage> {
    let at = |at: Option<Timestamp>| at.map(when).unwrap_or_default();
    let mut stages = vec![Stage { name: "Requested", at: when(run.as_of), tone: "good" }];
    if run.started_at.is_some() {
        stages.push(Stage { name: "Started", at: at(run.started_at), tone: "good" });
    }
    if let Some(snapshot) = &run.snapshot {
        let rows: u64 = snapshot.records.values().sum();
        let tone = if snapshot.complete { "good" } else { "warn" };
        stages.push(Stage { name: "Fetched", at: format!("{} rows", number(rows)), tone });
    }
    if run.plan_hash.is_some() {
        let held: u64 = run.changes.values().map(|it| it.held).sum();
        let tone = if held > 0 { "warn" } else { "good" };
        stages.push(Stage { name: "Planned", at: format!("{} held", number(held)), tone });
    }
    let (name, tone) = match run.status {
        RunStatus::Applied => ("Applied", "good"),
        RunStatus::Unchanged => ("Unchanged", "good"),
        RunStatus::Planned => ("Planned only", "good"),
        RunStatus::Held => ("Applied, the rest held", "warn"),
        RunStatus::Failed => ("Failed", "bad"),
        RunStatus::Cancelled => ("Cancelled", "bad"),
        RunStatus::Queued | RunStatus::Fetching | RunStatus::Applying => ("Under way", "warn"),
    };
    stages.push(Stage { name, at: at(run.finished_at), tone });
    stages
}

fn counts(run: &RunRecord) -> Vec<Count> {
    let count = |kind: Kind| {
        let it = run.changes.get(&kind)?;
        Some(Count {
            kind: kind.plural(),
            added: number(it.added),
            changed: number(it.changed),
            removed: number(it.removed),
            unchanged: number(it.unchanged),
            held: number(it.held),
        })
    };
    Kind::ALL.into_iter().filter_map(count).collect()
}

fn seats(run: &RunRecord) -> String {
    let it = &run.seats;
    let [granted, released, moved, bridged, waiting] =
        [it.granted, it.released, it.moved, it.bridged, it.waiting].map(number);
    format!("{granted} granted, {released} released, {moved} moved, {bridged} bridged, {waiting} waiting")
}

fn holds(run: &RunRecord) -> Vec<Hold> {
    let hold = |it: &crate::model::HoldRecord| Hold {
        group: it.group.clone(),
        count: number(it.count),
        of: number(it.of),
        affected: number(it.affected),
        limit: it.limit.clone(),
        decision: it
            .decision
            .as_ref()
            .map(|it| {
                [Some(it.decision.clone()), it.by.as_ref().map(|by| format!("by {by}"))]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .unwrap_or_default(),
    };
    run.holds.iter().map(hold).collect()
}

/// `GET /runs/{id}/affected.csv`.
pub(crate) async fn affected(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let run = runs::seen(&app, &caller, &id).await?;
    let rows = inquiry::affected(&app.desk.office().store, &run).await?;
    let header = report::csv::line(report::AFFECTED_COLUMNS);
    let lines = rows.iter().map(|it| report::csv::line(it.cells().iter().map(String::as_str)));
    Ok(csv_file(&format!("affected-{}.csv", run.run), [header].into_iter().chain(lines)))
}

/// `POST /runs/{id}/decide`.
pub(crate) async fn decide(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Redirect, Problem> {
    let approve = match fields.text("verdict").as_deref() {
        Some("approve") => true,
        Some("reject") => false,
        _ => return Err(Problem::bad_request("the form says neither approve nor reject")),
    };
    let groups = fields.all("group");
    if groups.is_empty() {
        return Err(Problem::unprocessable("no group is ticked: tick those to decide on"));
    }
    let decision = Decision { hash: fields.text("hash"), groups, reason: fields.text("reason") };
    let run = runs::decided(&app, &caller, &id, decision, approve).await?;
    Ok(Redirect::to(&format!("/runs/{}", run.id())))
}

/// `POST /runs/{id}/revert`.
pub(crate) async fn revert(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Redirect, Problem> {
    let ask = Revert { plan: false, reason: fields.text("reason") };
    let run = runs::reverted(&app, &caller, &id, ask).await?;
    Ok(Redirect::to(&format!("/runs/{}", run.id())))
}
