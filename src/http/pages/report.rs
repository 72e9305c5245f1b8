//! `GET /districts/{d}/reports/{name}`: a report as a page, and as CSV under `{name}.csv`.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};

use crate::http::App;
use crate::http::auth::Caller;
use crate::http::counted::is_large;
use crate::http::pages::parts::counting;
use crate::http::pages::{Frame, csv_file, number, page, when};
use crate::http::problem::Problem;
use crate::inquiry;
use crate::model::{DistrictId, Timestamp};
use crate::report::csv;
use crate::reports::{Report, Sheet};
use crate::store::{Moment, StoreError};

/// Rows on the page.
const SHOWN: usize = 300;

#[derive(Template)]
#[template(path = "report.html")]
struct Shown {
    frame: Frame,
    district: String,
    report: &'static str,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    as_of: String,
    more: String,
    has_more: bool,
    newest: bool,
}

/// The page, or the file.
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path((id, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let district = DistrictId::new(id);
    caller.check(&district)?;
    let (word, as_csv) = name.strip_suffix(".csv").map_or((name.as_str(), false), |word| (word, true));
    let report = Report::parse(word).ok_or_else(|| Problem::not_found("there is no such report"))?;
    let (store, now) = (app.desk.office().store, app.desk.office().clock.now());
    if as_csv {
        let sheet = inquiry::report(&store, &district, report, None, now).await?;
        let lines = sheet.cells().map(|row| csv::line(row.iter().map(String::as_str)));
        let header = csv::line(sheet.columns.iter().copied());
        return Ok(csv_file(&format!("{district}-{word}.csv"), [header].into_iter().chain(lines)));
    }
    let (sheet, as_of) = if report == Report::History {
        (inquiry::newest_changes(&store, &district, now, SHOWN).await?, now)
    } else {
        let Some(sheets) = sheets(&app, &district).await? else {
            return counting(&app, &caller, district.to_string());
        };
        let found = sheets.first_rows.iter().find(|(it, _)| *it == report);
        (found.ok_or_else(Problem::internal)?.1.clone(), sheets.as_of)
    };
    let shown = Shown {
        frame: Frame::new(&app, &caller, "overview", format!("{} of {district}", report.as_str())),
        district: district.to_string(),
        report: report.as_str(),
        as_of: when(as_of),
        columns: sheet.columns.iter().map(|it| it.replace('_', " ")).collect(),
        more: number(u64::try_from(sheet.of.saturating_sub(sheet.rows.len())).unwrap_or(u64::MAX)),
        has_more: report == Report::History || sheet.of > sheet.rows.len(),
        newest: report == Report::History,
        rows: sheet.cells().collect(),
    };
    Ok(page(&shown)?.into_response())
}

/// The first rows of the reports on a district as it is.
#[derive(Debug)]
pub(crate) struct Sheets {
    as_of: Timestamp,
    first_rows: Vec<(Report, Sheet)>,
}

/// Whether reports that were made at one moment will do at another: of a large district uses come in faster than they are
/// counted, and the page says when it was made.
pub(crate) fn hold(one: &Moment, other: &Moment) -> bool {
    if is_large(&other.state) { one.state.revision == other.state.revision } else { one == other }
}

/// Those at hand, or new ones; none where making them takes seconds, and has begun.
async fn sheets(app: &App, district: &DistrictId) -> Result<Option<Arc<Sheets>>, StoreError> {
    let office = app.desk.office();
    if let Some(known) = app.sheets.at_hand(&office.store, district).await? {
        return Ok(Some(known));
    }
    let (app, id) = (app.clone(), district.clone());
    let large = is_large(&office.store.district(district).await?);
    let made = async move {
        let (store, as_of) = (app.desk.office().store, app.desk.office().clock.now());
        let make = async {
            let first_rows = inquiry::first_rows(&store, &id, as_of, SHOWN).await?;
            Ok(Sheets { as_of, first_rows })
        };
        Box::pin(app.sheets.of(&store, &id, make)).await
    };
    if !large {
        return made.await.map(Some);
    }
    // What fails is begun again by the next page.
    tokio::spawn(async move { made.await.map(|_| ()) });
    Ok(None)
}
