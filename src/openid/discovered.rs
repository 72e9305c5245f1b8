//! The provider of the settings, asked for its document once an hour and whenever it signs with a key that is not known yet.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openidconnect::Nonce;
use tokio::sync::Mutex;
use url::Url;

use crate::model::Timestamp;
use crate::openid::claims::Person;
use crate::openid::provider::Provider;
use crate::openid::trouble::Trouble;
use crate::openid::{Settings, Words};
use crate::secret::Environment;

/// How long a document is taken as it was found.
const FRESH: Duration = Duration::from_hours(1);

/// How long a provider that did not answer is left alone: all who wait at its door hear of one attempt.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Found {
    issuer: String,
    ca_file: Option<PathBuf>,
    at: Instant,
    provider: Result<Arc<Provider>, Trouble>,
}

impl Found {
    fn holds(&self, settings: &Settings) -> bool {
        let fresh = if self.provider.is_ok() { FRESH } else { PAUSE };
        self.issuer == settings.issuer && self.ca_file == settings.ca_file && self.at.elapsed() < fresh
    }
}

/// What one process knows of the provider.
#[derive(Debug, Default)]
pub(crate) struct Discovered(Mutex<Option<Found>>);

impl Discovered {
    /// The provider; `stale` is one that will not do any more.
    async fn provider(&self, settings: &Settings, stale: Option<&Arc<Provider>>) -> Result<Arc<Provider>, Trouble> {
        let mut found = self.0.lock().await;
        if let Some(it) = found.as_ref().filter(|it| it.holds(settings)) {
            let is_stale = stale.is_some_and(|stale| it.provider.as_ref().is_ok_and(|it| Arc::ptr_eq(it, stale)));
            if !is_stale {
                return it.provider.clone();
            }
        }
        let provider = Provider::discover(settings).await.map(Arc::new);
        let (issuer, ca_file) = (settings.issuer.clone(), settings.ca_file.clone());
        *found = Some(Found { issuer, ca_file, at: Instant::now(), provider: provider.clone() });
        provider
    }

    /// Where a person goes to be asked who they are.
    pub(crate) async fn way(&self, settings: &Settings, words: Words) -> Result<Url, Trouble> {
        self.provider(settings, None).await?.way(settings, words)
    }

    /// Who came back with a code.
    pub(crate) async fn person(
        &self,
        settings: &Settings,
        code: String,
        words: Words,
        environment: Environment,
        now: Timestamp,
    ) -> Result<Person, Trouble> {
        let secret = settings.client_secret.as_ref().map(|it| it.reveal(environment)).transpose();
        let secret = secret.map_err(|error| Trouble::Settings(error.to_string()))?;
        let provider = self.provider(settings, None).await?;
        let Words { nonce, verifier, .. } = words;
        let tokens = provider.exchange(settings, code, verifier, secret.as_ref()).await?;
        let nonce = Nonce::new(nonce);
        match provider.person(settings, &tokens, &nonce, now) {
            // It may have got new keys since.
            Err(Trouble::Signature) => {
                self.provider(settings, Some(&provider)).await?.person(settings, &tokens, &nonce, now)
            }
            person => person,
        }
    }
}

/// Asks the provider once, for `doctor`.
pub(crate) async fn probe(settings: &Settings) -> Result<(), Trouble> {
    Provider::discover(settings).await.map(drop)
}
