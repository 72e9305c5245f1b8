//! `GET /districts/{d}`: everything about one district but its people.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};

use crate::alert;
use crate::allocate::{License, Scope as PoolScope};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::body::Fields;
use crate::http::counted::Counted;
use crate::http::pages::charts::{self, Chart};
use crate::http::pages::parts::{AlertRow, RunRow, SeatRow, counting, school};
use crate::http::pages::{Frame, in_query, page, when};
use crate::http::problem::Problem;
use crate::http::tokens::Scope;
use crate::model::{Baseline, DistrictId, Pool, Trigger, Waiting};
use crate::reports::Report;
use crate::schedule::standing;
use crate::store::{NewRequest, RunFilter};
use crate::suggest::Shortage;

/// Runs on the page.
const RUNS: u32 = 20;

/// Days of a plot.
const DAYS: usize = 120;

/// Seats of one product over time.
struct Plot {
    name: String,
    first: String,
    last: String,
    full: String,
    points: String,
    limit: String,
    words: String,
}

struct Idea {
    text: String,
    effect: String,
    command: String,
}

struct Place {
    product: String,
    position: u32,
    user: String,
    query: String,
    since: String,
    short_of: String,
}

#[derive(Template)]
#[template(path = "district.html")]
struct District {
    is_old: bool,
    frame: Frame,
    id: String,
    name: String,
    feed: String,
    zone: String,
    mode: String,
    disconnected: String,
    review: Vec<String>,
    roster_of: String,
    next_night: String,
    licensed_to: String,
    may_sync: bool,
    rows: Vec<SeatRow>,
    plots: Vec<Plot>,
    charts: Vec<Chart>,
    schools: Vec<SeatRow>,
    alerts: Vec<AlertRow>,
    suggestions: Vec<Idea>,
    suggestions_later: bool,
    waiting: Vec<Place>,
    waiting_more: usize,
    reports: Vec<&'static str>,
    runs: Vec<RunRow>,
}

/// The page.
pub(crate) async fn show(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Response, Problem> {
    let id = DistrictId::new(id);
    caller.check(&id)?;
    let office = app.desk.office();
    let now = office.clock.now();
    let standing = standing::of(&office, &id).await?;
    let it = standing.ok_or_else(|| Problem::not_found("there is no such district; the overview lists them"))?;
    let Some(counts) = Counted::for_page(&app, &id, now).await? else {
        return counting(&app, &caller, it.name);
    };
    let baseline = &counts.outline;
    let all = counts.licenses(now, true);
    let schools = &baseline.roster.schools;
    let shortages = counts.shortages_for_page(&app, now).await?;
    let name = |row: &License| {
        let product = baseline.catalog.products.get(&row.product);
        product.map_or_else(|| row.product.to_string(), |it| it.name.clone())
    };
    let (sums, pools): (Vec<&License>, Vec<&License>) = all.iter().partition(|row| row.pool == PoolScope::Sum);
    let several = pools.iter().filter(|row| row.school.is_some()).count() > 0;
    let alerts = alert::in_order(office.store.alerts(&id, false).await?);
    let filter = RunFilter { district: Some(id.clone()), limit: Some(RUNS), ..RunFilter::default() };
    let runs = office.store.runs(&filter).await?;
    let place = |it: &Waiting| Place {
        product: it.product.to_string(),
        position: it.position,
        user: it.user.to_string(),
        query: in_query(it.user.as_str()),
        since: when(it.since),
        short_of: match &it.short_of {
            Pool::School(id) => school(id, schools),
            Pool::District => "district".to_owned(),
        },
    };
    let mut buyers: Vec<&str> = sums.iter().filter_map(|row| row.licensed_to.as_deref()).collect();
    buyers.dedup();
    let mode = match it.mode {
        crate::model::DistrictMode::Normal => String::new(),
        mode => {
            let until = it.mode_until.map(|day| format!(" until {day}")).unwrap_or_default();
            let reason = it.mode_reason.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
            format!("{mode}{until}{reason}")
        }
    };
    let since = it.disconnected_since.map(|at| format!("since {}", when(at))).unwrap_or_default();
    let shown = page(&District {
        is_old: counts.is_old,
        frame: Frame::new(&app, &caller, "overview", it.name.clone()),
        id: id.to_string(),
        name: it.name.clone(),
        feed: it.feed.unwrap_or("no feed").to_owned(),
        zone: it.time_zone.clone(),
        mode,
        disconnected: [since, it.disconnected_because.clone().unwrap_or_default()].join(" ").trim().to_owned(),
        review: it.in_review.iter().map(ToString::to_string).collect(),
        roster_of: it.roster_of.or(it.last_good_sync).map_or_else(|| "never".to_owned(), when),
        next_night: it.next_night.map_or_else(|| "none planned".to_owned(), when),
        licensed_to: buyers.join(", "),
        may_sync: caller.form_key().is_some()
            && caller.may(Scope::Sync, &id)
            && it.feed.is_some_and(|kind| kind != "manual"),
        rows: sums.iter().map(|row| SeatRow::new(row, name(row), schools)).collect(),
        charts: [charts::waiting(&pools, schools), charts::uses(&sums, name), charts::durations(&runs)]
            .into_iter()
            .flatten()
            .collect(),
        plots: sums.iter().filter_map(|row| plot(baseline, row, name(row))).collect(),
        schools: if several {
            pools.iter().map(|row| SeatRow::new(row, name(row), schools)).collect()
        } else {
            Vec::new()
        },
        alerts: alerts.iter().map(|it| AlertRow::new(it, schools)).collect(),
        suggestions: shortages.into_iter().flatten().flat_map(ideas).collect(),
        suggestions_later: shortages.is_none() && all.iter().any(|row| row.over + row.waiting > 0),
        waiting: counts.line.iter().map(place).collect(),
        waiting_more: counts.in_line.saturating_sub(counts.line.len()),
        reports: Report::ALL.map(Report::as_str).to_vec(),
        runs: runs.iter().map(RunRow::new).collect(),
    })?;
    Ok(shown.into_response())
}

fn ideas(shortage: &Shortage) -> impl Iterator<Item = Idea> {
    shortage.suggestions.iter().map(|it| Idea {
        text: it.text.clone(),
        effect: format!("frees {}, seats {}", it.frees, it.seats),
        command: it.command.clone(),
    })
}

/// Seats in use day by day, against what was bought; none before the second day.
fn plot(baseline: &Baseline, row: &License, name: String) -> Option<Plot> {
    let daily = baseline.daily.get(&(row.product.clone(), None))?;
    let days: Vec<(&crate::model::Date, &u64)> =
        daily.iter().rev().take(DAYS).collect::<Vec<_>>().into_iter().rev().collect();
    let ((first, _), (last, now)) = (days.first()?, days.last()?);
    let span = u64::try_from((**last - **first).num_days()).ok().filter(|days| *days > 0)?;
    let total = row.total.unwrap_or(0);
    let top = days.iter().map(|(_, used)| **used).chain([total]).max()?.max(1);
    let y = |seats: u64| 118 - seats * 116 / top;
    // A day that is not there is as the one before it, so the line goes in steps.
    let mut points: Vec<String> = Vec::new();
    let mut before: Option<u64> = None;
    for (day, used) in &days {
        let x = u64::try_from((**day - **first).num_days()).unwrap_or(0) * 600 / span;
        points.extend(before.map(|used| format!("{x},{}", y(used))));
        points.push(format!("{x},{}", y(**used)));
        before = Some(**used);
    }
    let full_in = baseline.alerts.values().find(|it| {
        it.kind == crate::model::AlertKind::FullIn && it.product.as_ref() == Some(&row.product) && it.school.is_none()
    });
    let full = full_in.and_then(|it| it.on).map(|day| format!("full about {day} at this pace")).unwrap_or_default();
    Some(Plot {
        words: format!("{name}: {now} seats in use of {total} on {last}"),
        name,
        first: first.to_string(),
        last: last.to_string(),
        full,
        points: points.join(" "),
        limit: y(total).to_string(),
    })
}

/// `POST /districts/{d}/sync`.
pub(crate) async fn sync(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Redirect, Problem> {
    let id = DistrictId::new(id);
    caller.check(&id)?;
    if app.desk.office().known.get(&id).is_none_or(crate::district::District::is_by_hand) {
        return Err(Problem::unprocessable("this district has no feed to sync"));
    }
    let request = NewRequest {
        requested_by: Some(caller.actor()),
        reason: fields.text("reason"),
        ..app.desk.request(id, "apply", Trigger::Http)
    };
    let filed = app.desk.file(request).await?;
    Ok(Redirect::to(&format!("/runs/{}", filed.run)))
}
