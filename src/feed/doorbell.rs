//! The doorbell of `GET /v1/changes`: a signed POST that says that there is more, and nothing else. Whoever hears it asks for
//! the changes, so one that is lost, repeated or forged does no harm.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::clock;
use crate::feed::FeedError;
use crate::feed::error::Place;
use crate::feed::http::{Ask, Http};
use crate::feed::settings::{Transport, checked_url};
use crate::keyed::keyed_hex;
use crate::secret::{Environment, Secret};

/// Requests a second, at most.
const PER_SECOND: u32 = 2;

/// `[changes]` of the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Doorbell {
    /// Where to ring when there are more changes; nowhere without it.
    pub webhook_url: Option<String>,
    /// What the rings are signed with.
    pub webhook_secret: Option<Secret>,
    /// More certificate authorities, PEM.
    pub ca_file: Option<std::path::PathBuf>,
    /// Plain `http` beyond loopback.
    pub allow_insecure: bool,
}

impl Doorbell {
    /// Checks what can be checked alone; the message names the key.
    pub fn check(&self) -> Result<(), String> {
        match (&self.webhook_url, &self.webhook_secret) {
            (None, _) => Ok(()),
            (Some(_), None) => Err("`changes.webhook_url` needs `changes.webhook_secret`: rings are signed".to_owned()),
            (Some(url), Some(_)) => checked_url("changes.webhook_url", url, self.allow_insecure)
                .map(|_| ())
                .map_err(|error| error.to_string()),
        }
    }

    /// Rings: a form `epoch=…&number=…`, signed in `Authorization: Rosterd t=SECONDS,v1=HEX`, where the hex is HMAC-SHA256 over
    /// `SECONDS.FORM`. Tried again for a while where it cannot be taken; false where no bell is set.
    pub async fn ring(&self, epoch: &str, number: i64, environment: Environment) -> Result<bool, FeedError> {
        let (Some(url), Some(secret)) = (&self.webhook_url, &self.webhook_secret) else { return Ok(false) };
        let url = checked_url("changes.webhook_url", url, self.allow_insecure)?;
        let secret = secret.reveal(environment);
        let secret = secret.map_err(|cause| FeedError::Secret { key: "changes.webhook_secret", cause })?;
        let transport = Transport { ca_file: self.ca_file.clone(), timeout_seconds: Some(10), ..Transport::default() };
        let http = Http::new(&transport, PER_SECOND, url.scheme() == "https")?;
        let place = Place { district: String::new(), kind: "changes", collection: "webhook".to_owned(), at: None };
        let form = format!("epoch={epoch}&number={number}");
        let make = || {
            let seconds = clock::real_now().millis() / 1000;
            let authorization = SecretString::from(format!("Rosterd {}", signed(&secret, seconds, &form)));
            Ok(Ask { url: url.clone(), authorization, form: Some(form.clone()) })
        };
        let reply = http.send(&place, &make).await?;
        match reply.status {
            200..=299 => Ok(true),
            status => Err(FeedError::Status { place, status, advice: "check `changes.webhook_url`" }),
        }
    }
}

/// `t=…,v1=…`.
fn signed(secret: &SecretString, seconds: i64, form: &str) -> String {
    let hash = keyed_hex(secret.expose_secret().as_bytes(), format!("{seconds}.{form}").as_bytes());
    format!("t={seconds},v1={hash}")
}
