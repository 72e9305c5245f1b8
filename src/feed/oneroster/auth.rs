//! The ways into a `OneRoster` server (protocols.md 2.7, 3.1).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use crate::clock;
use crate::feed::classlink::Listed;
use crate::feed::error::{FeedError, Place};
use crate::feed::http::{Ask, Http, Post};
use crate::feed::lenient::text;
use crate::feed::oneroster::oauth1::{Signer, encode};
use crate::feed::settings::{Auth, OneRosterSettings, checked_url};
use crate::secret::{Environment, Secret};

/// What a token is good for where the server does not say.
const LIFE: Duration = Duration::from_hours(1);

pub(crate) enum Credential {
    Signed(Signer),
    Granted(Box<Grant>),
    Bearer(SecretString),
    Listed(Box<FromList>),
}

/// A bearer from a list, which may have another one next time.
pub(crate) struct FromList {
    pub listed: Listed,
    pub bearer: Mutex<SecretString>,
}

pub(crate) struct Grant {
    url: Url,
    basic: SecretString,
    form: String,
    place: Place,
    token: Mutex<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    bearer: SecretString,
    /// A fifth before its end, so that it does not run out in the middle of a page (F32).
    renew_at: Instant,
}

/// Reads a secret of the settings; the error names its key.
pub(crate) fn reveal(key: &'static str, secret: &Secret, environment: Environment) -> Result<SecretString, FeedError> {
    secret.reveal(environment).map_err(|cause| FeedError::Secret { key, cause })
}

/// The `Authorization` header of HTTP's Basic scheme.
pub(crate) fn basic(id: &SecretString, secret: &SecretString) -> SecretString {
    let pair = format!("{}:{}", id.expose_secret(), secret.expose_secret());
    format!("Basic {}", STANDARD.encode(pair)).into()
}

/// The `Authorization` header of a bearer.
pub(crate) fn bearer(token: &SecretString) -> SecretString {
    format!("Bearer {}", token.expose_secret()).into()
}

impl Credential {
    pub(crate) fn open(
        auth: &Auth,
        settings: &OneRosterSettings,
        place: Place,
        environment: Environment,
    ) -> Result<Self, FeedError> {
        Ok(match auth {
            Auth::Oauth1 { key, secret, method } => Self::Signed(Signer {
                key: reveal("auth.key", key, environment)?,
                secret: reveal("auth.secret", secret, environment)?,
                method: *method,
            }),
            Auth::Bearer { token } => Self::Bearer(bearer(&reveal("auth.token", token, environment)?)),
            Auth::Oauth2 { token_url, client_id, client_secret, scope } => {
                let id = reveal("auth.client_id", client_id, environment)?;
                let secret = reveal("auth.client_secret", client_secret, environment)?;
                let version = if settings.is_1_2() { "v1p2" } else { "v1p1" };
                let scope = scope.clone().unwrap_or_else(|| {
                    format!("https://purl.imsglobal.org/spec/or/{version}/scope/roster-core.readonly")
                });
                Self::Granted(Box::new(Grant {
                    url: checked_url("auth.token_url", token_url, settings.allow_insecure)?,
                    basic: basic(&id, &secret),
                    form: format!("grant_type=client_credentials&scope={}", encode(&scope)),
                    place,
                    token: Mutex::new(None),
                }))
            }
        })
    }

    /// Has a credential at hand that will last for the next request.
    pub(crate) async fn prepare(&self, http: &Http) -> Result<(), FeedError> {
        match self {
            Self::Granted(grant) if !grant.lasts() => grant.renew(http).await,
            _ => Ok(()),
        }
    }

    /// After a 401: gets a new credential, if there is such a thing.
    pub(crate) async fn refresh(&self, http: &Http) -> Result<bool, FeedError> {
        match self {
            Self::Granted(grant) => grant.renew(http).await.map(|()| true),
            // The clock or the nonce may have been at fault, and both are new in the next signature.
            Self::Signed(_) => Ok(true),
            Self::Bearer(_) => Ok(false),
            Self::Listed(it) => it.renew(http).await,
        }
    }

    /// The header for one request, at the moment it is sent.
    pub(crate) fn authorization(&self, url: &Url) -> SecretString {
        match self {
            Self::Signed(signer) => {
                let nonce = format!("{:032x}", rand::random::<u128>());
                signer.authorization(url, &nonce, clock::real_now().instant().timestamp()).into()
            }
            Self::Granted(grant) => grant.current().map(|it| it.bearer).unwrap_or_default(),
            Self::Bearer(header) => header.clone(),
            Self::Listed(it) => it.bearer.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

impl FromList {
    /// Asks the list again. The same bearer as before means that the authorization was withdrawn (protocols.md 3.2).
    async fn renew(&self, http: &Http) -> Result<bool, FeedError> {
        let share = self.listed.share(http).await?;
        let mut bearer = self.bearer.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = bearer.expose_secret() != share.bearer.expose_secret();
        *bearer = share.bearer;
        Ok(is_new)
    }
}

impl Grant {
    fn current(&self) -> Option<Token> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lasts(&self) -> bool {
        self.current().is_some_and(|token| Instant::now() < token.renew_at)
    }

    async fn renew(&self, http: &Http) -> Result<(), FeedError> {
        #[derive(Deserialize)]
        struct Answer {
            access_token: String,
            #[serde(default, deserialize_with = "text")]
            expires_in: Option<String>,
        }
        let place = &self.place;
        let make = || {
            Ok(Ask {
                url: self.url.clone(),
                authorization: self.basic.clone(),
                post: Some(Post::form(self.form.clone())),
            })
        };
        let reply = http.send(place, &make).await?;
        // `invalid_client` and its like.
        if reply.status == 400 {
            return Err(FeedError::Unauthorized { place: place.clone() });
        }
        let reply = reply.granted(place, "check `auth.token_url`")?;
        let answer: Answer = serde_json::from_slice(&reply.body).map_err(|cause| FeedError::json(place, &cause))?;
        let seconds = answer.expires_in.and_then(|it| it.parse::<f64>().ok());
        let life =
            seconds.and_then(|it| Duration::try_from_secs_f64(it).ok()).unwrap_or(LIFE).min(Duration::from_hours(24));
        let token = Token { bearer: bearer(&answer.access_token.into()), renew_at: Instant::now() + life.mul_f64(0.8) };
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
        Ok(())
    }
}
