//! `GET /districts/{d}/reports/{name}`: a report as a page, and as CSV under `{name}.csv`.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};

use crate::http::App;
use crate::http::auth::Caller;
use crate::http::pages::{Frame, csv_file, page};
use crate::http::problem::Problem;
use crate::inquiry;
use crate::model::DistrictId;
use crate::report::csv;
use crate::reports::Report;

/// Rows on the page.
const SHOWN: usize = 500;

#[derive(Template)]
#[template(path = "report.html")]
struct Shown {
    frame: Frame,
    district: String,
    report: &'static str,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    more: usize,
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
    let office = app.desk.office();
    let sheet = inquiry::report(&office.store, &district, report, None, office.clock.now()).await?;
    if as_csv {
        let lines = sheet.cells().map(|row| csv::line(row.iter().map(String::as_str)));
        let header = csv::line(sheet.columns.iter().copied());
        return Ok(csv_file(&format!("{district}-{word}.csv"), [header].into_iter().chain(lines)));
    }
    let mut rows: Vec<Vec<String>> = sheet.cells().collect();
    let more = rows.len().saturating_sub(SHOWN);
    rows.truncate(SHOWN);
    let shown = Shown {
        frame: Frame::new(&app, &caller, "overview", format!("{} of {district}", report.as_str())),
        district: district.to_string(),
        report: report.as_str(),
        columns: sheet.columns.iter().map(|it| it.replace('_', " ")).collect(),
        rows,
        more,
    };
    Ok(page(&shown)?.into_response())
}
