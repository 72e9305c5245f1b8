//! Quirks on the way in and on the way out: failures before an answer is made, and damage to one that was.

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::Response;
use serde_json::Value;
use serde_json::json;

use super::http::Call;
use super::http::Content;
use super::http::Reply;
use super::oneroster::Version;
use super::oneroster::status;
use super::quirks::Quirks;

const LOGIN: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n<body><form action=\"/login\" \
                     method=\"post\"><input name=\"user\"></form></body></html>\n";
const BAD_GATEWAY: &str = "<html>\n<head><title>502 Bad Gateway</title></head>\n<body><center><h1>502 Bad Gateway</h1></center></body>\n</html>\n";

/// The failure a data request meets, if the quirks ask for one. `nth` is which request it is since they were set, from 1.
pub(crate) fn failure(quirks: &Quirks, call: &Call, version: Option<Version>, nth: u64) -> Option<Reply> {
    let failed = if nth <= quirks.html_502 {
        Reply::html(StatusCode::BAD_GATEWAY, BAD_GATEWAY)
    } else if nth <= quirks.html_502 + quirks.error_500 {
        server_error(version)
    } else if quirks.has("redirect") {
        let to = format!("{}/elsewhere{}", call.origin(), call.path);
        return Some(Reply::html(StatusCode::FOUND, "").with("location", to));
    } else if quirks.has("html-login") {
        return Some(Reply::html(StatusCode::OK, LOGIN));
    } else {
        return None;
    };
    Some(retry_after(quirks, failed))
}

fn server_error(version: Option<Version>) -> Reply {
    let text = "the simulated server failed, as asked";
    match version {
        Some(version) => {
            let minor = if version == Version::V1p1 { "targetreadfailure" } else { "internal_server_error" };
            status::failure(version, StatusCode::INTERNAL_SERVER_ERROR, minor, text)
        }
        None => Reply::json(StatusCode::INTERNAL_SERVER_ERROR, json!({ "message": text })),
    }
}

/// The answer over the rate limit. `reset` is unix seconds.
pub(crate) fn too_many(quirks: &Quirks, version: Option<Version>) -> Reply {
    let reply = match version {
        Some(version) => {
            status::failure(version, StatusCode::TOO_MANY_REQUESTS, "server_busy", "too many requests, come back later")
        }
        None => Reply::json(StatusCode::TOO_MANY_REQUESTS, json!({ "message": "Too many requests" })),
    };
    retry_after(quirks, reply)
}

fn retry_after(quirks: &Quirks, reply: Reply) -> Reply {
    match quirks.retry_after {
        Some(seconds) => reply.with("retry-after", seconds.to_string()),
        None => reply,
    }
}

/// Damages an answer as the quirks ask and puts it on the wire.
pub(crate) fn send(quirks: &Quirks, mut reply: Reply) -> Response {
    let page = reply.page.take();
    if page.as_ref().is_some_and(|page| page.rows == 0) {
        if quirks.has("no-content") {
            reply.status = StatusCode::NO_CONTENT;
            reply.content = Content::None;
        } else if quirks.has("empty-object") {
            reply.content = Content::Json(json!({}));
        }
    }
    let (kind, mut bytes) = match reply.content {
        Content::Json(value) => {
            let text = if quirks.has("reorder-keys") { reversed(&value) } else { value.to_string() };
            (Some("application/json; charset=utf-8"), text.into_bytes())
        }
        Content::Html(text) => (Some("text/html; charset=utf-8"), text.into_bytes()),
        Content::None => (None, Vec::new()),
    };
    if page.is_some_and(|page| quirks.truncate.contains(&page.collection)) {
        bytes.truncate(bytes.len() / 2);
    }
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = reply.status;
    if let Some(kind) = kind {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// JSON with the keys of every object in reverse order.
fn reversed(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let pairs = fields.iter().rev().map(|(name, value)| format!("{}:{}", json!(name), reversed(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(reversed).collect::<Vec<_>>().join(","))
        }
        plain => plain.to_string(),
    }
}
