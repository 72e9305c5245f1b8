//! A document behind a bearer token, the catalog of the vendor's licensing service: fetched by the rules of the feeds, and
//! only when it is another version than the one we have (S4.25, S4.28).

use secrecy::{ExposeSecret, SecretString};

use crate::feed::FeedError;
use crate::feed::error::Place;
use crate::feed::http::{Ask, Http};
use crate::feed::settings::{Transport, checked_url};
use crate::secret::{Environment, Secret};

/// It is asked again within the hour; a server that is down is not waited for.
const ATTEMPTS: u32 = 3;

/// Requests a second: one is all it takes.
const PER_SECOND: u32 = 5;

/// Where a document is.
#[derive(Clone, Debug)]
pub struct Service<'a> {
    /// Its address.
    pub url: &'a str,
    /// The bearer token.
    pub token: &'a Secret,
    /// More certificate authorities, PEM.
    pub ca_file: Option<&'a std::path::Path>,
    /// How long to wait for an answer to go on.
    pub timeout_seconds: u32,
    /// Plain `http` beyond loopback.
    pub allow_insecure: bool,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The version that was named is still the one.
    Same,
    /// A document.
    Document {
        /// Its text.
        text: String,
        /// What the server calls this version.
        etag: Option<String>,
    },
}

impl Service<'_> {
    /// Checks the address.
    pub fn check(&self) -> Result<(), FeedError> {
        checked_url("catalog.url", self.url, self.allow_insecure).map(|_| ())
    }

    /// The address without what may be secret in it.
    pub fn shown(&self) -> String {
        match url::Url::parse(self.url) {
            Ok(mut url) => {
                url.set_query(None);
                url.to_string()
            }
            Err(_) => "catalog.url".to_owned(),
        }
    }

    /// Asks for the document, unless it is the version `have`.
    pub async fn fetch(&self, have: Option<&str>, environment: Environment) -> Result<Fetched, FeedError> {
        self.fetch_with(have, environment, |http| http).await
    }

    async fn fetch_with(
        &self,
        have: Option<&str>,
        environment: Environment,
        prepare: impl Fn(Http) -> Http,
    ) -> Result<Fetched, FeedError> {
        let url = checked_url("catalog.url", self.url, self.allow_insecure)?;
        let token = self.token.reveal(environment);
        let token = token.map_err(|cause| FeedError::Secret { key: "catalog.token", cause })?;
        let transport = Transport {
            ca_file: self.ca_file.map(std::path::Path::to_owned),
            timeout_seconds: Some(self.timeout_seconds),
            ..Transport::default()
        };
        let http = prepare(Http::new(&transport, PER_SECOND, url.scheme() == "https")?.of_document(ATTEMPTS, have));
        let place = Place { district: String::new(), kind: "catalog", collection: "service".to_owned(), at: None };
        let make = || {
            let authorization = SecretString::from(format!("Bearer {}", token.expose_secret()));
            Ok(Ask { url: url.clone(), authorization, post: None })
        };
        let reply = http.send(&place, &make).await?;
        let refused = |advice| Err(FeedError::Status { place: place.clone(), status: reply.status, advice });
        match reply.status {
            304 => Ok(Fetched::Same),
            401 | 403 => refused("the token was not taken: check `catalog.token`"),
            200..=299 if reply.html => Err(FeedError::Html { place }),
            200..=299 => match std::str::from_utf8(&reply.body) {
                Ok(text) => Ok(Fetched::Document { text: text.to_owned(), etag: reply.etag }),
                Err(_) => Err(FeedError::Shape { place, problem: "the document is not text in UTF-8".to_owned() }),
            },
            _ => refused("check `catalog.url`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::feed::testing::{Answer, Server};

    async fn fetch(server: &Server, have: Option<&str>) -> Result<Fetched, String> {
        let (url, token) = (format!("{}/catalog", server.url), Secret::plain("canary"));
        let service = Service { url: &url, token: &token, ca_file: None, timeout_seconds: 5, allow_insecure: false };
        let quick = |mut http: Http| {
            http.quicken(1000);
            http
        };
        service.fetch_with(have, |_| None, quick).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn the_token_is_sent_and_the_version_we_have_is_not_sent_again() {
        let server = Server::start(|_, heard| {
            assert_eq!((heard.authorization.as_str(), heard.path.as_str()), ("Bearer canary", "/catalog"));
            if heard.unless.as_deref() == Some("\"v1\"") {
                Answer::status(304)
            } else {
                Answer::json(&json!({})).header("etag", "\"v1\"")
            }
        })
        .await;
        let first = Fetched::Document { text: "{}".to_owned(), etag: Some("\"v1\"".to_owned()) };
        assert_eq!(fetch(&server, None).await, Ok(first));
        assert_eq!(fetch(&server, Some("\"v1\"")).await, Ok(Fetched::Same));
    }

    #[tokio::test]
    async fn whatever_else_comes_back_says_what_to_do_and_never_the_token() {
        let wrong = [
            (Answer::status(401), "check `catalog.token`"),
            (Answer::status(404), "check `catalog.url`"),
            (Answer::status(304), "redirect"),
            (Answer::status(302).header("location", "http://127.0.0.1:1/"), "never followed"),
            (Answer { body: b"<html>canary".to_vec(), ..Answer::status(200) }, "HTML page"),
            (Answer { body: vec![b' '; 2000], ..Answer::status(200) }, "larger than 1000 bytes"),
            (Answer { body: vec![0xff], ..Answer::status(200) }, "not text in UTF-8"),
        ];
        for (answer, says) in wrong {
            let server = Server::start(move |_, _| answer.clone()).await;
            let error = fetch(&server, None).await.unwrap_err();
            assert!(error.contains(says) && !error.contains("canary"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_server_in_trouble_is_asked_three_times() {
        let server =
            Server::start(
                |before, _| {
                    if before < 2 { Answer::status(500) } else { Answer::json(&json!({ "product": [] })) }
                },
            )
            .await;
        assert!(matches!(fetch(&server, None).await, Ok(Fetched::Document { .. })));
        let down = Server::start(|_, _| Answer::status(503)).await;
        let outcome = tokio::time::timeout(Duration::from_secs(30), fetch(&down, None)).await.unwrap();
        assert!(outcome.unwrap_err().contains("503"));
        assert_eq!(down.heard().len(), 3);
    }
}
