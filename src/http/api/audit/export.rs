//! `GET /v1/audit/export`: every entry that passes the filters, as JSON lines or CSV, streamed.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Filters, filter, seen};
use crate::audit::{Category, Entry};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::body::Asked;
use crate::http::problem::Problem;
use crate::model::{DistrictId, Timestamp};
use crate::report;
use crate::store::{AuditFilter, Store};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    #[default]
    Jsonl,
    Csv,
    /// CSV with the ends of lines that spreadsheets write.
    #[serde(skip)]
    Sheet,
}

impl Format {
    fn line(self, entry: &Entry) -> String {
        match self {
            Self::Jsonl => serde_json::to_string(entry).unwrap_or_default(),
            Self::Csv | Self::Sheet => report::entry_line(entry),
        }
    }

    fn header(self) -> Option<String> {
        (self != Self::Jsonl).then(report::entry_header)
    }

    fn end(self) -> &'static str {
        if self == Self::Sheet { "\r\n" } else { "\n" }
    }
}

/// The filters of the list, and how to write them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    #[serde(default)]
    format: Format,
    district: Option<String>,
    run: Option<String>,
    user: Option<String>,
    action: Option<String>,
    category: Option<Category>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

/// The export. It breaks off, so that the transfer is seen to be incomplete, if the store fails meanwhile.
pub(crate) async fn export(
    State(app): State<App>,
    caller: Caller,
    Asked(asked): Asked<Wanted>,
) -> Result<Response, Problem> {
    let Wanted { format, district, run, user, action, category, since, until } = asked;
    let filters = Filters { district, run, user, action, category, since, until, cursor: None, limit: None };
    let store = app.desk.office().store;
    let districts = seen(&store, &caller, filters.district.as_deref()).await?;
    Ok(streamed(store, filter(&filters), districts, format))
}

/// The entries of some districts as a file.
pub(crate) fn streamed(store: Store, filter: AuditFilter, mut districts: Vec<DistrictId>, format: Format) -> Response {
    districts.reverse();
    let reading = Reading { store, filter, districts, after: 0, format, begun: false };
    let body = Body::from_stream(stream::try_unfold(reading, next));
    let (media, name) = match format {
        Format::Jsonl => ("application/x-ndjson", "audit.jsonl"),
        Format::Csv | Format::Sheet => ("text/csv; charset=utf-8", "audit.csv"),
    };
    let disposition = format!("attachment; filename=\"{name}\"");
    ([(header::CONTENT_TYPE, media.to_owned()), (header::CONTENT_DISPOSITION, disposition)], body).into_response()
}

/// How far the export has come.
struct Reading {
    store: Store,
    filter: AuditFilter,
    /// Districts not finished yet, in reverse.
    districts: Vec<DistrictId>,
    after: i64,
    format: Format,
    begun: bool,
}

/// The next page as text.
async fn next(mut reading: Reading) -> Result<Option<(Bytes, Reading)>, crate::store::StoreError> {
    let mut text = String::new();
    if let Some(header) = reading.format.header().filter(|_| !reading.begun) {
        text = header + reading.format.end();
    }
    reading.begun = true;
    while let Some(district) = reading.districts.last() {
        let filter =
            AuditFilter { district: Some(district.clone()), after_seq: Some(reading.after), ..reading.filter.clone() };
        let page = reading.store.audit_stream(filter).await?.next_page().await?;
        let Some(page) = page else {
            reading.districts.pop();
            reading.after = 0;
            continue;
        };
        reading.after = page.last().map_or(reading.after, |it| it.seq);
        for entry in &page {
            text.push_str(&reading.format.line(entry));
            text.push_str(reading.format.end());
        }
        return Ok(Some((Bytes::from(text), reading)));
    }
    Ok((!text.is_empty()).then(|| (Bytes::from(text), reading)))
}
