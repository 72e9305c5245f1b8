//! What a caller sent, read strictly: a misspelled key must not turn a plan into an apply. Nothing sent is quoted back but
//! names of keys.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use crate::catalog::with_nearest;
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::problem::Problem;
use crate::http::session;

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
        let read = serde_json::from_slice(text).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            if !error.is_data() {
                return Problem::bad_request(format!("the body is not JSON ({place})"));
            }
            Problem::unprocessable(format!("the body does not fit ({place}): {}", misfit(&error.to_string())))
        })?;
        // serde reads a struct from a list of its fields, too.
        if text.trim_ascii_start().starts_with(b"[") {
            return Err(Problem::unprocessable("the body does not fit: expected an object"));
        }
        Ok(Self(read))
    }
}

/// A number of seats. JSON knows one kind of number: `20.0` is as whole as `20`.
pub(crate) fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let number = serde_json::Number::deserialize(from)?;
    let text = number.to_string();
    let text = text.strip_suffix(".0").unwrap_or(&text);
    text.parse().map_err(|_| D::Error::custom("expected a whole number up to 4294967295"))
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
            let Some((name, message)) = source.split_once(": ") else {
                return Problem::bad_request(format!("the query does not fit: {}", misfit(&source)));
            };
            Problem::bad_request(format!("the query does not fit: `{name}`: {}", misfit(message)))
        })?;
        Ok(Self(asked))
    }
}

/// The fields of a form of ours, which carries the key of its session (T22).
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The first field of a name; an empty one is none.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let found = self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim());
        found.filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// Every field of a name.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
    }
}

impl FromRequest<App> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let caller = parts.extensions.get::<Caller>().cloned().ok_or_else(Problem::internal)?;
        let cookie = session::of(&parts.headers).map(str::to_owned);
        let bytes = Bytes::from_request(Request::from_parts(parts, body), app)
            .await
            .map_err(|_| Problem::bad_request("the form did not arrive whole"))?;
        let fields = Self(url::form_urlencoded::parse(&bytes).into_owned().collect());
        // Who is signed in sends forms of that session; who is not has but the sign-in to send.
        if caller.form_key().is_some() {
            let store = app.desk.office().store;
            let signer = session::Signer(store.pseudonym_key());
            let key = fields.text("key").unwrap_or_default();
            if !cookie.is_some_and(|cookie| signer.is_form_key(&cookie, &key)) {
                let detail = "this form is not of your session: go back, load the page again, and send it once more";
                return Err(Problem::new(StatusCode::FORBIDDEN, detail));
            }
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_seats_is_whole_however_it_is_written() {
        let read = |text: &str| whole(&mut serde_json::Deserializer::from_str(text)).ok();
        for (text, number) in [("0", 0), ("20", 20), ("20.0", 20), ("4294967295", u32::MAX)] {
            assert_eq!(read(text), Some(number), "{text}");
        }
        for text in ["-1", "20.5", "4294967296", "1e99", "\"20\"", "null", "[20]"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
