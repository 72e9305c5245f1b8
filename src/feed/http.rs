//! The one HTTP client of the feeds: bounded, never redirected, patient where the server asks for it (reliability.md 0.6,
//! T1 to T7, F30 to F37).

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, IF_NONE_MATCH};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::clock;
use crate::feed::error::{FeedError, Place};
use crate::feed::pace::Pace;
use crate::feed::settings::Transport;
use crate::feed::together::{Counted, Together, Turnstile};
use crate::feed::unpack::{self, Unpacking};
use crate::feed::waits::{LONGEST_ASKED, limited, retry_after};
use crate::retry::{Failure, Policy, retry};

/// One page may have this many bytes, decompressed.
const PAGE_BYTES: u64 = 64 << 20;
/// All pages of one pull together; a million students are 5 GB.
const PULL_BYTES: u64 = 16 << 30;
/// So many pages' room is put by.
const SPARE: usize = 2;

/// Installs ring for TLS. Call it once before any feed is opened; a second call changes nothing.
pub fn install_crypto() {
    // It fails only where one is installed already, which is as good.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        drop(rustls::crypto::ring::default_provider().install_default());
    }
}

/// What to send. Made anew for each attempt, so that signatures are fresh.
pub(crate) struct Ask {
    pub url: Url,
    pub authorization: SecretString,
    /// What to POST; a GET without it.
    pub post: Option<Post>,
}

/// The body of a POST.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub content_type: &'static str,
    pub body: String,
    /// Headers beside the usual ones.
    pub headers: Vec<(&'static str, String)>,
}

impl Post {
    /// A form as browsers send it.
    pub(crate) fn form(body: String) -> Self {
        Self { content_type: "application/x-www-form-urlencoded", body, headers: Vec::new() }
    }
}

/// What came back: any 2xx, 304 where a version was named, or one of the answers a feed has its own way with (400, 401, 403, 404, 413).
pub(crate) struct Reply {
    pub status: u16,
    pub total: Option<u64>,
    pub permissions: Option<String>,
    pub html: bool,
    /// What the server calls this version.
    pub etag: Option<String>,
    /// Bytes that came, packed as they were.
    pub packed: usize,
    pub body: Bytes,
}

/// An answer as it came, packed: pages that came before their turn take a tenth of the room this way.
pub(crate) struct Packed {
    reply: Reply,
    typed_html: bool,
    packing: Option<String>,
    body: BytesMut,
}

impl Reply {
    /// The reply, where a server gave what it was asked for with a credential.
    pub(crate) fn granted(self, place: &Place, advice: &'static str) -> Result<Self, FeedError> {
        let place = || place.clone();
        match self.status {
            200..=299 if self.html => Err(FeedError::Html { place: place() }),
            200..=299 => Ok(self),
            401 | 403 => Err(FeedError::Unauthorized { place: place() }),
            status => Err(FeedError::Status { place: place(), status, advice }),
        }
    }
}

/// Who keeps the pace.
enum Keeping {
    /// This feed for itself.
    Alone(Pace),
    /// All who ask the server.
    Together(Arc<Together>),
}

pub(crate) struct Http {
    client: reqwest::Client,
    per_second: u32,
    pace: Keeping,
    policy: Policy,
    received: AtomicU64,
    page_bytes: u64,
    unless: Option<String>,
    /// Room for the next pages, from those that were read.
    spare: Mutex<Vec<BytesMut>>,
}

impl Http {
    /// `tls` says whether any of the feed's addresses is https; without one no certificates are loaded.
    pub(crate) fn new(transport: &Transport, per_second: u32, tls: bool) -> Result<Self, FeedError> {
        let wait = Duration::from_secs(u64::from(transport.timeout_seconds.unwrap_or(60)));
        let per_second = transport.max_requests_per_second.unwrap_or(per_second);
        Ok(Self {
            client: client(transport.ca_file.as_deref(), tls, wait)?,
            per_second,
            pace: Keeping::Alone(Pace::new(per_second)),
            policy: Policy::default(),
            received: AtomicU64::new(0),
            page_bytes: PAGE_BYTES,
            unless: None,
            spare: Mutex::default(),
        })
    }

    /// Keeps pace with everyone who asks that server, which counts them together: in this process, and in others where there is
    /// a turnstile.
    pub(crate) fn together(mut self, server: &Url, turnstile: Option<&Arc<dyn Turnstile>>) -> Self {
        let counted = Counted { server: server.origin().ascii_serialization(), per_second: self.per_second };
        self.pace = Keeping::Together(Together::of(counted, turnstile));
        self
    }

    /// For one document that is asked for again and again: fewer attempts, and 304 is an answer where we have a version.
    pub(crate) fn of_document(mut self, attempts: u32, have: Option<&str>) -> Self {
        self.policy.attempts = attempts;
        self.unless = have.map(str::to_owned);
        self
    }

    #[cfg(test)]
    pub(crate) fn quicken(&mut self, page_bytes: u64) {
        self.page_bytes = page_bytes;
        self.policy.first_wait = Duration::from_millis(1);
    }

    /// Forgets what was received: a new pull begins.
    pub(crate) fn begin(&self) {
        self.received.store(0, Ordering::Relaxed);
    }

    /// Takes back a body that was read, for the next page to come into: new memory costs as much as reading it.
    pub(crate) fn reuse(&self, body: Bytes) {
        if let Ok(room) = body.try_into_mut()
            && let Ok(mut spare) = self.spare.lock()
            && spare.len() < SPARE
        {
            spare.push(room);
        }
    }

    /// Room that was put by, with what was in it.
    fn room(&self) -> BytesMut {
        self.spare.lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default()
    }

    /// Sends what `make` makes, until there is an answer to go on with.
    pub(crate) async fn send(
        &self,
        place: &Place,
        make: &(dyn Fn() -> Result<Ask, FeedError> + Sync),
    ) -> Result<Reply, FeedError> {
        retry(self.policy, rand::random(), || self.attempt(place, make)).await
    }

    /// Sends it a single time, for [`Http::unpacked`]; none where there is no answer to go on with.
    pub(crate) async fn once(
        &self,
        place: &Place,
        make: &(dyn Fn() -> Result<Ask, FeedError> + Sync),
    ) -> Option<Packed> {
        self.ask(place, make).await.ok()
    }

    async fn attempt(
        &self,
        place: &Place,
        make: &(dyn Fn() -> Result<Ask, FeedError> + Sync),
    ) -> Result<Reply, Failure<FeedError>> {
        let packed = self.ask(place, make).await?;
        self.unpacked(place, packed)
    }

    async fn ask(
        &self,
        place: &Place,
        make: &(dyn Fn() -> Result<Ask, FeedError> + Sync),
    ) -> Result<Packed, Failure<FeedError>> {
        match &self.pace {
            Keeping::Alone(pace) => pace.turn().await,
            Keeping::Together(pace) => pace.turn().await,
        }
        let ask = make().map_err(Failure::Final)?;
        let request = match ask.post {
            None => self.client.get(ask.url),
            Some(Post { content_type, body, headers }) => {
                let request = self.client.post(ask.url).header(CONTENT_TYPE, content_type).body(body);
                headers.into_iter().fold(request, |request, (name, value)| request.header(name, value))
            }
        };
        let request = match &self.unless {
            Some(etag) => request.header(IF_NONE_MATCH, etag),
            None => request,
        };
        let answer = request
            .header(ACCEPT, "application/json")
            .header(ACCEPT_ENCODING, "gzip")
            .header(AUTHORIZATION, ask.authorization.expose_secret())
            .send()
            .await
            .map_err(|error| unreachable_server(place, &error))?;
        let status = answer.status().as_u16();
        match status {
            200..=299 | 400 | 401 | 403 | 404 | 413 => self.receive(place, status, answer).await,
            304 if self.unless.is_some() => self.receive(place, status, answer).await,
            300..=399 => Err(Failure::Final(FeedError::Redirected { place: place.clone(), status })),
            429 => Err(limited(place, answer.headers(), clock::real_now().instant())),
            408 | 425 | 500 | 502..=504 => {
                let advice = "it was asked several times; sync again later";
                let error = FeedError::Status { place: place.clone(), status, advice };
                Err(match retry_after(answer.headers(), clock::real_now().instant()) {
                    Some(wait) if wait <= LONGEST_ASKED => Failure::After(error, wait),
                    _ => Failure::Again(error),
                })
            }
            _ => {
                let advice = "check the feed's URL and settings";
                Err(Failure::Final(FeedError::Status { place: place.clone(), status, advice }))
            }
        }
    }

    async fn receive(
        &self,
        place: &Place,
        status: u16,
        answer: reqwest::Response,
    ) -> Result<Packed, Failure<FeedError>> {
        let text =
            |name: &str| answer.headers().get(name).and_then(|it| it.to_str().ok()).map(|it| it.trim().to_owned());
        let total = text("x-total-count").and_then(|it| it.parse().ok());
        let permissions = text("x-perm-rev");
        let etag = text("etag").filter(|it| !it.is_empty());
        let typed_html = text("content-type").is_some_and(|it| it.starts_with("text/html"));
        let packing = text(CONTENT_ENCODING.as_str()).filter(|it| !it.eq_ignore_ascii_case("identity"));
        // The room of a page that was read is ten times what is packed.
        let mut body = if packing.is_some() { BytesMut::new() } else { self.room() };
        body.clear();
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| unreachable_server(place, &error))?;
            let length = u64::try_from(body.len().saturating_add(chunk.len())).unwrap_or(u64::MAX);
            if length > self.page_bytes {
                return Err(too_large(place, self.page_bytes));
            }
            body.extend_from_slice(&chunk);
        }
        let reply = Reply { status, total, permissions, html: false, etag, packed: body.len(), body: Bytes::new() };
        Ok(Packed { reply, typed_html, packing, body })
    }

    /// What came, as it was before it was packed.
    #[expect(clippy::result_large_err, reason = "as of the attempts to get it")]
    pub(crate) fn unpacked(&self, place: &Place, packed: Packed) -> Result<Reply, Failure<FeedError>> {
        let Packed { reply, typed_html, packing, mut body } = packed;
        if let Some(packing) = packing {
            let limit = usize::try_from(self.page_bytes).unwrap_or(usize::MAX);
            let whole = unpack::body(&packing, &body, self.room(), limit);
            body = whole.map_err(|problem| match problem {
                Unpacking::TooLarge => too_large(place, self.page_bytes),
                Unpacking::Broken => broken(place, "the answer broke off"),
                Unpacking::Unknown => {
                    let problem = "the answer is packed in a way that was not asked for".to_owned();
                    Failure::Final(FeedError::Shape { place: place.clone(), problem })
                }
            })?;
        }
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        if self.received.fetch_add(length, Ordering::Relaxed).saturating_add(length) > PULL_BYTES {
            return Err(too_large(place, PULL_BYTES));
        }
        let html = typed_html || body.trim_ascii_start().starts_with(b"<");
        Ok(Reply { html, body: body.freeze(), ..reply })
    }
}

/// A client that is never redirected, `tls` as above. An answer must begin and go on within `wait`, and may take five times that.
pub(super) fn client(ca_file: Option<&Path>, tls: bool, wait: Duration) -> Result<reqwest::Client, FeedError> {
    install_crypto();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("rosterd/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(wait.min(Duration::from_secs(10)))
        .read_timeout(wait)
        .timeout(wait.saturating_mul(5));
    if let Some(path) = ca_file {
        builder = builder.tls_certs_merge(authorities(path)?);
    } else if !tls {
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|_| FeedError::Setting {
        key: "ca_file",
        problem: "no TLS client can be made of this machine's certificates; install them, or name a PEM file"
            .to_owned(),
    })
}

fn authorities(path: &Path) -> Result<Vec<reqwest::Certificate>, FeedError> {
    let problem =
        |problem: &str| FeedError::Setting { key: "ca_file", problem: format!("{} {problem}", path.display()) };
    let pem = std::fs::read(path).map_err(|_| problem("cannot be read"))?;
    let found =
        reqwest::Certificate::from_pem_bundle(&pem).map_err(|_| problem("is not a PEM file of certificates"))?;
    if found.is_empty() { Err(problem("holds no certificate")) } else { Ok(found) }
}

/// The transport's own message may quote the URL, so it is put into our words.
pub(super) fn in_words(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection could be made (name, port, TLS certificate?)"
    } else if error.is_builder() {
        "the request cannot be made"
    } else if error.is_body() || error.is_decode() {
        "the answer broke off"
    } else {
        "the connection broke"
    }
}

fn unreachable_server(place: &Place, error: &reqwest::Error) -> Failure<FeedError> {
    let problem = in_words(error);
    if error.is_builder() {
        return Failure::Final(FeedError::Shape { place: place.clone(), problem: problem.to_owned() });
    }
    broken(place, problem)
}

fn too_large(place: &Place, limit: u64) -> Failure<FeedError> {
    Failure::Final(FeedError::TooLarge { place: place.clone(), limit })
}

fn broken(place: &Place, problem: &'static str) -> Failure<FeedError> {
    Failure::Again(FeedError::Unreachable { place: place.clone(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_authorities_that_cannot_be_used_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty.pem");
        std::fs::write(&empty, "no certificate here").unwrap();
        for path in [dir.path().join("missing.pem"), empty] {
            let transport = Transport { ca_file: Some(path.clone()), ..Transport::default() };
            let error = Http::new(&transport, 1, true).err().unwrap().to_string();
            assert!(error.contains("`ca_file`") && error.contains(path.to_str().unwrap()), "{error}");
        }
    }
}
