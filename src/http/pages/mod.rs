//! Pages for people: rendered here from templates that escape everything; they work without scripts but for live progress.

pub(super) mod audit;
mod charts;
pub(super) mod district;
pub(super) mod oidc;
pub(super) mod overview;
mod parts;
pub(super) mod report;
pub(super) mod run;
pub(super) mod settings;
pub(super) mod sign_in;
pub(super) mod user;

use askama::Template;
use axum::http::header::{self, HeaderValue};
use axum::response::{Html, IntoResponse, Response};

use crate::http::App;
use crate::http::auth::Caller;
use crate::http::problem::Problem;
use crate::model::{Support, Timestamp};

/// What stands around every page.
pub(super) struct Frame {
    title: String,
    /// The page that is shown as the present one.
    place: &'static str,
    who: String,
    /// What stands for a person in runs and audit, so that they can tell support; empty for a token, which goes by its name.
    pseudonym: String,
    signed_in: bool,
    /// What forms carry.
    key: String,
    as_of: String,
    /// Whom to ask (S0.17, S0.18).
    support: Support,
}

impl Frame {
    fn new(app: &App, caller: &Caller, place: &'static str, title: impl Into<String>) -> Self {
        let office = app.desk.office();
        Self {
            title: title.into(),
            place,
            who: caller.name().to_owned(),
            pseudonym: caller.pseudonym().unwrap_or_default().to_owned(),
            signed_in: caller.form_key().is_some(),
            key: caller.form_key().unwrap_or_default().to_owned(),
            as_of: when(office.clock.now()),
            support: office.settings.support.clone(),
        }
    }
}

/// A template as an answer.
fn page(template: &impl Template) -> Result<Html<String>, Problem> {
    template.render().map(Html).map_err(|error| {
        tracing::error!(%error, "a page could not be rendered");
        Problem::internal()
    })
}

/// A file to keep.
fn download(media: &'static str, name: &str, text: String) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    ([(header::CONTENT_TYPE, media.to_owned()), (header::CONTENT_DISPOSITION, disposition)], text).into_response()
}

/// A list as a CSV file.
fn csv_file(name: &str, lines: impl IntoIterator<Item = String>) -> Response {
    let text: String = lines.into_iter().map(|line| line + "\r\n").collect();
    download("text/csv; charset=utf-8", name, text)
}

/// An id as a value in a query.
fn in_query(id: &str) -> String {
    percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// An instant for people: `2026-10-05 07:00 UTC`.
fn when(at: Timestamp) -> String {
    at.instant().format("%Y-%m-%d %H:%M UTC").to_string()
}

/// `1,000`.
fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[derive(Template)]
#[template(path = "problem.html")]
struct Trouble {
    frame: Frame,
    title: String,
    detail: String,
}

/// Whether an answer is a problem document.
pub(super) fn is_problem(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|it| it == "application/problem+json")
}

/// A problem document as a page, for who looks at pages.
pub(super) async fn for_people(app: &App, caller: &Caller, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    const LONGEST: usize = 64 * 1024;
    let bytes = axum::body::to_bytes(body, LONGEST).await.unwrap_or_default();
    let document: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
    let frame = Frame::new(app, caller, "", text("title"));
    let Ok(html) = (Trouble { frame, title: text("title"), detail: text("detail") }).render() else {
        return Response::from_parts(parts, bytes.into());
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    Response::from_parts(parts, html.into())
}

/// `GET /style.css`.
pub(crate) async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css"))
}

/// `GET /live.js`.
pub(crate) async fn script() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("live.js"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
    }
}
