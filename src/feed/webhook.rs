//! A signed POST to a program of the vendor's: how every message that this daemon sends by itself over HTTP is signed.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::clock;
use crate::feed::FeedError;
use crate::feed::error::Place;
use crate::feed::http::{Ask, Http, Post};
use crate::feed::settings::{Transport, checked_url};
use crate::keyed::keyed_hex;
use crate::secret::{Environment, Secret};

/// Requests a second, at most.
const PER_SECOND: u32 = 2;

/// How long an answer may take.
const SECONDS: u32 = 10;

/// Where to send, and what to sign with.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Webhook {
    /// The address; nowhere without it.
    pub webhook_url: Option<String>,
    /// What is sent is signed with it.
    pub webhook_secret: Option<Secret>,
    /// More certificate authorities, PEM.
    pub ca_file: Option<PathBuf>,
    /// Plain `http` beyond loopback.
    pub allow_insecure: bool,
}

/// What the errors of a webhook name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named {
    /// What is sent.
    pub what: &'static str,
    /// The key of its address.
    pub url: &'static str,
    /// The key of its secret.
    pub secret: &'static str,
    /// What to do where it is refused.
    pub advice: &'static str,
}

impl Webhook {
    /// Checks what can be checked alone; the message names the key.
    pub(crate) fn check(&self, named: Named) -> Result<(), String> {
        match (&self.webhook_url, &self.webhook_secret) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(format!("`{}` needs `{}`: what is sent is signed", named.url, named.secret)),
            (Some(url), Some(_)) => {
                checked_url(named.url, url, self.allow_insecure).map(|_| ()).map_err(|error| error.to_string())
            }
        }
    }

    /// Sends it, signed anew for each attempt: `Authorization: Rosterd t=SECONDS,v1=HEX`, where the hex is HMAC-SHA256 over
    /// `SECONDS.BODY`. With `attempts` it is tried at most so often, else for a while. False where no address is set.
    pub(crate) async fn send(
        &self,
        named: Named,
        post: Post,
        attempts: Option<u32>,
        environment: Environment,
    ) -> Result<bool, FeedError> {
        let (Some(url), Some(secret)) = (&self.webhook_url, &self.webhook_secret) else { return Ok(false) };
        let url = checked_url(named.url, url, self.allow_insecure)?;
        let secret = secret.reveal(environment).map_err(|cause| FeedError::Secret { key: named.secret, cause })?;
        let ca_file = self.ca_file.clone();
        let transport = Transport { ca_file, timeout_seconds: Some(SECONDS), ..Transport::default() };
        let mut http = Http::new(&transport, PER_SECOND, url.scheme() == "https")?;
        if let Some(attempts) = attempts {
            http = http.of_document(attempts, None);
        }
        let place = Place { district: String::new(), kind: named.what, collection: "webhook".to_owned(), at: None };
        let make = || {
            let seconds = clock::real_now().millis() / 1000;
            let authorization = SecretString::from(format!("Rosterd {}", signed(&secret, seconds, &post.body)));
            Ok(Ask { url: url.clone(), authorization, post: Some(post.clone()) })
        };
        let reply = http.send(&place, &make).await?;
        match reply.status {
            200..=299 => Ok(true),
            status => Err(FeedError::Status { place, status, advice: named.advice }),
        }
    }
}

/// `t=…,v1=…`.
fn signed(secret: &SecretString, seconds: i64, body: &str) -> String {
    let hash = keyed_hex(secret.expose_secret().as_bytes(), format!("{seconds}.{body}").as_bytes());
    format!("t={seconds},v1={hash}")
}
