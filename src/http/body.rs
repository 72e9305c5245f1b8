//! What a caller sent, read strictly: a misspelled key must not turn a plan into an apply. Nothing sent is quoted back but
//! names of keys.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::catalog::with_nearest;
use crate::http::App;
use crate::http::problem::Problem;

/// A JSON body; an empty one is `{}`.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, app).await.map_err(|rejected| match rejected.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB")
            }
            _ => Problem::bad_request("the body did not arrive whole"),
        })?;
        let text = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes.as_ref() };
        serde_json::from_slice(text).map(Self).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            if !error.is_data() {
                return Problem::bad_request(format!("the body is not JSON ({place})"));
            }
            Problem::unprocessable(format!("the body does not fit ({place}): {}", misfit(&error.to_string())))
        })
    }
}

/// What serde says without the value it quotes.
fn misfit(message: &str) -> String {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    if message.starts_with("missing field ") || message.starts_with("duplicate field ") {
        return message.to_owned();
    }
    if message.starts_with("unknown field ") {
        return with_nearest(message);
    }
    match message.rsplit_once("expected ") {
        Some((_, expected)) => format!("expected {expected}"),
        None => "a value has the wrong type".to_owned(),
    }
}

/// The query string.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<App> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Query(asked) = Query::<T>::from_request_parts(parts, app).await.map_err(|rejected| {
            let source = std::error::Error::source(&rejected).map(ToString::to_string).unwrap_or_default();
            let message = source.rsplit_once(": ").map_or(source.as_str(), |(_, message)| message);
            Problem::bad_request(format!("the query does not fit: {}", misfit(message)))
        })?;
        Ok(Self(asked))
    }
}
