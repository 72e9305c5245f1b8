//! `GET /audit`: the audit of a district, searched; the latest first.

use askama::Template;
use axum::extract::State;
use axum::response::{Html, Response};
use serde::Deserialize;

use crate::audit::Entry;
use crate::http::App;
use crate::http::api::audit::export::{self, Format};
use crate::http::auth::Caller;
use crate::http::body::Asked;
use crate::http::pages::{Frame, page, when};
use crate::http::problem::Problem;
use crate::model::{DistrictId, RunId, SourceId, Timestamp};
use crate::store::{AuditFilter, Store};

/// Entries on the page.
const SHOWN: usize = 200;

/// What is searched; empty fields of the form ask nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Search {
    district: String,
    user: String,
    run: String,
    action: String,
    since: String,
    until: String,
}

struct Row {
    seq: i64,
    at: String,
    actor: String,
    action: String,
    id: String,
    change: String,
    reason: String,
    run: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Audit {
    frame: Frame,
    districts: Vec<String>,
    district: String,
    user: String,
    run: String,
    action: String,
    since: String,
    until: String,
    query: String,
    problem: String,
    entries: Vec<Row>,
    more: bool,
}

/// The page.
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Asked(mut asked): Asked<Search>,
) -> Result<Html<String>, Problem> {
    let all = app.desk.office().store.districts().await?;
    let districts: Vec<String> = all.into_iter().filter(|it| caller.sees(&it.id)).map(|it| it.id.to_string()).collect();
    if asked.district.is_empty() {
        asked.district = districts.first().cloned().unwrap_or_default();
    }
    let (mut entries, mut problem) = (Vec::new(), String::new());
    match filter(&asked) {
        Ok(filter) if !asked.district.is_empty() => entries = read(&app, &caller, filter).await?,
        Ok(_) => {}
        Err(name) => problem = format!("`{name}` must be an instant such as 2026-09-01T00:00:00Z"),
    }
    let more = entries.len() > SHOWN;
    let entries = entries.into_iter().rev().take(SHOWN).map(row).collect();
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let Search { district, user, run, action, since, until } = asked;
    let fields = [
        ("district", &district),
        ("user", &user),
        ("run", &run),
        ("action", &action),
        ("since", &since),
        ("until", &until),
    ];
    query.extend_pairs(fields);
    let (frame, query) = (Frame::new(&app, &caller, "audit", "Audit"), query.finish());
    page(&Audit { frame, districts, district, user, run, action, since, until, query, problem, entries, more })
}

/// `GET /audit.csv`: all that passes.
pub(crate) async fn export(
    State(app): State<App>,
    caller: Caller,
    Asked(asked): Asked<Search>,
) -> Result<Response, Problem> {
    let wrong = |name| Problem::bad_request(format!("`{name}` must be an RFC 3339 instant"));
    let filter = filter(&asked).map_err(wrong)?;
    let store = app.desk.office().store;
    let district = named(&store, &caller, &filter).await?;
    Ok(export::streamed(store, filter, vec![district], Format::Sheet))
}

/// The district that is asked about.
async fn named(store: &Store, caller: &Caller, filter: &AuditFilter) -> Result<DistrictId, Problem> {
    let id = filter.district.clone().ok_or_else(|| Problem::bad_request("name a `district`"))?;
    caller.check(&id)?;
    store.district(&id).await?;
    Ok(id)
}

fn filter(asked: &Search) -> Result<AuditFilter, &'static str> {
    let given = |text: &String| (!text.trim().is_empty()).then(|| text.trim().to_owned());
    let instant = |name, text| match given(text) {
        Some(text) => Timestamp::parse(&text).map(Some).map_err(|_| name),
        None => Ok(None),
    };
    Ok(AuditFilter {
        district: given(&asked.district).map(DistrictId::new),
        user: given(&asked.user).map(SourceId::new),
        run: given(&asked.run).map(RunId::new),
        action: given(&asked.action),
        since: instant("since", &asked.since)?,
        until: instant("until", &asked.until)?,
        ..AuditFilter::default()
    })
}

/// The latest entries that pass, one more than are shown.
async fn read(app: &App, caller: &Caller, filter: AuditFilter) -> Result<Vec<Entry>, Problem> {
    let store = app.desk.office().store;
    let id = named(&store, caller, &filter).await?;
    let end = store.audit_head(&id).await?.size;
    Ok(store.latest_entries(&id, &filter, end, SHOWN + 1).await?)
}

fn row(it: Entry) -> Row {
    let change = match (&it.before, &it.after) {
        (None, None) => String::new(),
        (Some(before), Some(after)) => format!("{before} → {after}"),
        (None, Some(after)) => after.to_string(),
        (Some(before), None) => format!("{before} →"),
    };
    Row {
        seq: it.seq,
        at: when(it.at),
        actor: it.actor,
        action: it.action,
        id: it.id,
        change,
        reason: it.reason.unwrap_or_default(),
        run: it.run.map(|run| run.to_string()).unwrap_or_default(),
    }
}
