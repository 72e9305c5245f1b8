//! Errors as RFC 9457 problem documents. They say what is wrong and what to do, never what is inside.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use crate::decide::Refused;
use crate::manual;
use crate::revert;
use crate::schedule::purchase::NotTaken;
use crate::store::{QueueError, StoreError};

/// One error.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    header: Option<(HeaderName, &'static str)>,
    /// Further members of the document.
    members: Map<String, Value>,
}

impl Problem {
    /// `detail` is for people: what, where, and what to do.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), header: None, members: Map::new() }
    }

    /// Its status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// With a header.
    pub(crate) fn with(self, name: HeaderName, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    /// With a member of the document beside those that each has.
    pub(crate) fn saying(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// 400.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 404.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 422.
    pub(crate) fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// 500; the log has the cause.
    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "rosterd could not answer; its log says why")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = self.members;
        body.insert("type".to_owned(), "about:blank".into());
        body.insert("title".to_owned(), self.status.canonical_reason().unwrap_or("Error").into());
        body.insert("status".to_owned(), self.status.as_u16().into());
        body.insert("detail".to_owned(), self.detail.into());
        let mut response = (self.status, Json(body)).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if let StoreError::NoDistrict { district } = &error {
            return Self::not_found(format!("there is no district `{district}`"));
        }
        tracing::error!(%error, "an HTTP request failed");
        if error.is_transient() {
            let busy =
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer now; ask again in a moment");
            return busy.with(header::RETRY_AFTER, "5");
        }
        Self::internal()
    }
}

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::KeyReused(_) => Self::unprocessable(error.to_string()),
            QueueError::Store(error) => error.into(),
            QueueError::LeaseLost(_) | QueueError::TokenExists(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unknown(_) => Self::not_found(refused.to_string()),
            Refused::SamePerson(_) => Self::new(StatusCode::FORBIDDEN, refused.to_string()),
            Refused::NothingHeld(_) | Refused::WrongHash { .. } => Self::new(StatusCode::CONFLICT, refused.to_string()),
            Refused::UnknownGroup { .. } => Self::unprocessable(refused.to_string()),
            Refused::Store(error) => error.into(),
        }
    }
}

impl From<manual::Refused> for Problem {
    fn from(refused: manual::Refused) -> Self {
        match refused {
            manual::Refused::Store(error) => error.into(),
            manual::Refused::Failed(error) => {
                tracing::error!(%error, "a decision could not be worked out");
                Self::internal()
            }
            refused if refused.is_unknown() => Self::not_found(refused.to_string()),
            refused if refused.is_usage() => Self::unprocessable(refused.to_string()),
            manual::Refused::NoSeats { available, needed, .. } => Self::new(StatusCode::CONFLICT, refused.to_string())
                .saying("available", available)
                .saying("needed", needed),
            refused => Self::new(StatusCode::CONFLICT, refused.to_string()),
        }
    }
}

impl From<revert::Refused> for Problem {
    fn from(refused: revert::Refused) -> Self {
        match refused {
            revert::Refused::Store(error) => error.into(),
            revert::Refused::Failed(error) => {
                tracing::error!(%error, "a revert could not be worked out");
                Self::internal()
            }
            revert::Refused::Unknown(_) => Self::not_found(refused.to_string()),
            revert::Refused::AppliedNothing { .. }
            | revert::Refused::ByHand(_)
            | revert::Refused::Rejection(_)
            | revert::Refused::FirstSync(_)
            | revert::Refused::NothingLeft { .. } => Self::new(StatusCode::CONFLICT, refused.to_string()),
        }
    }
}

impl From<manual::NotSeen> for Problem {
    fn from(error: manual::NotSeen) -> Self {
        match error {
            manual::NotSeen::Unknown(_) => Self::not_found("there is no such alert in this district"),
            manual::NotSeen::Cleared { .. } => Self::new(StatusCode::CONFLICT, error.to_string()),
            manual::NotSeen::Store(error) => error.into(),
        }
    }
}

impl From<manual::ModeRefused> for Problem {
    fn from(refused: manual::ModeRefused) -> Self {
        match refused {
            manual::ModeRefused::NoDay { .. } | manual::ModeRefused::Over { .. } => {
                Self::unprocessable(refused.to_string())
            }
            manual::ModeRefused::Store(error) => error.into(),
        }
    }
}

impl From<NotTaken> for Problem {
    fn from(refused: NotTaken) -> Self {
        match refused {
            NotTaken::Faults(_) => Self::unprocessable(refused.to_string()),
            NotTaken::NoDistrict(_) => Self::not_found(refused.to_string()),
            NotTaken::Store(error) => error.into(),
        }
    }
}

impl From<serde_json::Error> for Problem {
    fn from(_: serde_json::Error) -> Self {
        tracing::error!("an answer cannot be written as JSON; this is a fault of rosterd");
        Self::internal()
    }
}
