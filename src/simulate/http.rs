//! A request and an answer as the simulated servers see them: the path and query as sent, JSON still open to quirks.

use axum::http::HeaderMap;
use axum::http::Method;
use axum::http::StatusCode;
use bytes::Bytes;
use percent_encoding::AsciiSet;
use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::percent_decode_str;
use percent_encoding::utf8_percent_encode;
use serde_json::Value;

/// Everything but RFC 3986's unreserved characters.
pub(crate) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A request.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// As sent, still percent-encoded.
    pub(crate) path: String,
    /// As sent, without the `?`.
    pub(crate) raw_query: String,
    /// Decoded; a `+` stays a plus.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn new(method: Method, path: &str, raw_query: &str, headers: HeaderMap, body: Bytes) -> Call {
        Call {
            method,
            path: path.to_owned(),
            raw_query: raw_query.to_owned(),
            query: pairs(raw_query, false),
            headers,
            body,
        }
    }

    /// The path's segments, decoded. An encoded `/` stays inside its segment.
    pub(crate) fn segments(&self) -> Vec<String> {
        self.path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect()
    }

    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The credentials after a scheme such as `Bearer`, whose case does not matter.
    pub(crate) fn authorization(&self, scheme: &str) -> Option<&str> {
        let (sent, rest) = self.header("authorization")?.trim().split_once(' ')?;
        sent.eq_ignore_ascii_case(scheme).then(|| rest.trim())
    }

    /// `http://host`, as the client called it.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.header("host").unwrap_or("localhost").to_ascii_lowercase())
    }

    /// The pairs of a form body, where `+` is a space.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        pairs(&String::from_utf8_lossy(&self.body), true)
    }
}

/// Percent-decodes one text.
pub(crate) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Percent-encodes everything but unreserved characters.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

fn pairs(raw: &str, form: bool) -> Vec<(String, String)> {
    let text = |part: &str| if form { decode(&part.replace('+', " ")) } else { decode(part) };
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (text(name), text(value))
    };
    raw.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Content {
    Json(Value),
    Html(String),
    None,
}

/// A page of a collection, so that quirks know what they disturb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) collection: String,
    pub(crate) rows: usize,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) content: Content,
    pub(crate) page: Option<Page>,
}

impl Reply {
    pub(crate) fn json(status: StatusCode, value: Value) -> Reply {
        Reply { status, headers: Vec::new(), content: Content::Json(value), page: None }
    }

    pub(crate) fn html(status: StatusCode, page: &str) -> Reply {
        Reply { status, headers: Vec::new(), content: Content::Html(page.to_owned()), page: None }
    }

    /// The page of a web framework that knows no such route.
    pub(crate) fn cannot(call: &Call) -> Reply {
        let path = call.path.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let text = format!("<pre>Cannot {} {path}</pre>", call.method);
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Error</title>\n</head>\n<body>\n{text}\n</body>\n</html>\n"
        );
        Reply::html(StatusCode::NOT_FOUND, &page)
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }
}
