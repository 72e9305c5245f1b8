//! Carries the requests of a library that has no client of its own: each once, bounded, never redirected, and nowhere where
//! somebody reads along.

use std::path::Path;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;

use crate::feed::FeedError;
use crate::feed::http::{client, in_words};
use crate::feed::settings::is_private;

/// Somebody waits in front of a browser, and a few of these make one answer of ours.
const WAIT: Duration = Duration::from_secs(5);

/// Documents and keys are a few thousand bytes.
const BYTES: usize = 1 << 20;

/// What carries.
#[derive(Debug)]
pub(crate) struct Courier(reqwest::Client);

/// What came back, whatever its status.
pub(crate) struct Brought {
    pub status: u16,
    pub content_type: Option<String>,
    pub body: Vec<u8>,
}

/// Why nothing came. Says nothing of what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NothingCame(pub &'static str);

impl Courier {
    /// `tls` says whether any of the addresses is https.
    pub(crate) fn new(ca_file: Option<&Path>, tls: bool) -> Result<Self, FeedError> {
        client(ca_file, tls, WAIT).map(Self)
    }

    /// Sends it and waits for the answer.
    pub(crate) async fn carry<R>(&self, request: R) -> Result<Brought, NothingCame>
    where
        reqwest::Request: TryFrom<R>,
    {
        let request = reqwest::Request::try_from(request);
        let mut request = request.map_err(|_| NothingCame("an address that it names cannot be used"))?;
        if !is_private(request.url()) {
            return Err(NothingCame("an address that it names is not https, and anyone could read along"));
        }
        *request.timeout_mut() = Some(WAIT);
        let broken = |error: reqwest::Error| NothingCame(in_words(&error));
        let mut answer = self.0.execute(request).await.map_err(broken)?;
        let status = answer.status().as_u16();
        let content_type = answer.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(broken)? {
            if body.len().saturating_add(chunk.len()) > BYTES {
                return Err(NothingCame("its answer is larger than 1 MiB"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Brought { status, content_type, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_carried_to_where_somebody_may_read_along() {
        let courier = Courier::new(None, false).unwrap();
        for address in ["http://203.0.113.1/token", "http://id.example.com/keys", "ftp://127.0.0.1/"] {
            let request = axum::http::Request::get(address).body(Vec::<u8>::new()).unwrap();
            let refused = courier.carry(request).await.err().unwrap();
            assert!(refused.0.contains("not https"), "{address}: {refused}");
        }
    }
}
