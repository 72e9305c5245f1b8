//! `[[clever_app]]` and `[[classlink_app]]` (interface.md, Configuration): credentials of the vendor's own, each of which lists
//! the districts that share with it.

use std::path::PathBuf;
use std::sync::Arc;

use chrono_tz::Tz;
use serde::Deserialize;

use crate::feed::settings::{checked_url, setting};
use crate::feed::{CleverSettings, FeedError, OneRosterSettings, Settings, Turnstile, classlink, clever};
use crate::secret::{Environment, Secret};

/// `[[clever_app]]`: every district that shares with it is found through its token list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CleverApp {
    /// Our name for it.
    pub id: String,
    /// Client id.
    pub client_id: Secret,
    /// Client secret.
    pub client_secret: Secret,
    /// Origin of the Data API, `https://api.clever.com`.
    #[serde(default = "clever_url")]
    pub url: String,
    /// Origin of the token list, `https://clever.com`.
    #[serde(default = "clever_auth_url")]
    pub auth_url: String,
    /// Of districts without a `[[district]]` of their own.
    pub time_zone: Tz,
    /// `review` or `apply`, for those districts.
    pub first_sync: Option<String>,
    /// More certificate authorities, PEM.
    pub ca_file: Option<PathBuf>,
    /// Plain `http` beyond loopback.
    #[serde(default)]
    pub allow_insecure: bool,
}

fn clever_url() -> String {
    CLEVER_URL.to_owned()
}

fn clever_auth_url() -> String {
    CLEVER_AUTH_URL.to_owned()
}

/// Clever's Data API.
pub(crate) const CLEVER_URL: &str = "https://api.clever.com";
/// Clever's token list.
pub(crate) const CLEVER_AUTH_URL: &str = "https://clever.com";

impl CleverApp {
    /// The secrets in it, with their keys, for `doctor`.
    pub fn secrets(&self) -> [(&'static str, &Secret); 2] {
        [("client_id", &self.client_id), ("client_secret", &self.client_secret)]
    }

    /// Checks what can be checked without asking anyone; the error names the key.
    pub fn check(&self) -> Result<(), FeedError> {
        checked_url("url", &self.url, self.allow_insecure)?;
        checked_url("auth_url", &self.auth_url, self.allow_insecure)?;
        known_first_sync(self.first_sync.as_deref())
    }
}

/// `[[classlink_app]]`: every tenant that shares with it is found through the list of applications.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassLinkApp {
    /// Our name for it; `classlink` where not given.
    #[serde(default = "classlink")]
    pub id: String,
    /// The partner's API key.
    pub partner_key: Secret,
    /// Origin of the proxy, `https://oneroster-proxy.apis.classlink.com`; there is an older host.
    #[serde(default = "classlink_url")]
    pub url: String,
    /// Of districts without a `[[district]]` of their own.
    pub time_zone: Tz,
    /// `review` or `apply`, for those districts.
    pub first_sync: Option<String>,
    /// More certificate authorities, PEM.
    pub ca_file: Option<PathBuf>,
    /// Plain `http` beyond loopback.
    #[serde(default)]
    pub allow_insecure: bool,
}

fn classlink() -> String {
    "classlink".to_owned()
}

fn classlink_url() -> String {
    "https://oneroster-proxy.apis.classlink.com".to_owned()
}

impl ClassLinkApp {
    /// Checks what can be checked without asking anyone; the error names the key.
    pub fn check(&self) -> Result<(), FeedError> {
        let url = checked_url("url", &self.url, self.allow_insecure)?;
        if url.path() != "/" || url.query().is_some() {
            return Err(setting("url", "is more than an origin; leave path and query out"));
        }
        known_first_sync(self.first_sync.as_deref())
    }
}

fn known_first_sync(word: Option<&str>) -> Result<(), FeedError> {
    match word {
        None | Some("review" | "apply") => Ok(()),
        Some(_) => Err(setting("first_sync", "is not `review` or `apply`")),
    }
}

/// The app of a kind that a feed names.
pub(super) fn named<'a, T>(
    apps: &'a [App],
    (table, id): (&str, &str),
    of_kind: fn(&App) -> Option<&T>,
) -> Result<&'a T, FeedError> {
    let found = apps.iter().find(|it| it.id() == id).and_then(of_kind);
    found.ok_or_else(|| FeedError::Setting {
        key: "app",
        problem: format!("names `{id}`, and there is no [[{table}]] of this id"),
    })
}

/// One of either kind. Ids are unique over both.
#[derive(Clone, Debug)]
pub enum App {
    /// `[[clever_app]]`.
    Clever(CleverApp),
    /// `[[classlink_app]]`.
    ClassLink(ClassLinkApp),
}

impl App {
    /// Our name for it.
    pub fn id(&self) -> &str {
        match self {
            Self::Clever(it) => &it.id,
            Self::ClassLink(it) => &it.id,
        }
    }

    /// The table's name in the configuration.
    pub fn table(&self) -> &'static str {
        match self {
            Self::Clever(_) => "clever_app",
            Self::ClassLink(_) => "classlink_app",
        }
    }

    /// One of Clever.
    pub(super) fn clever(&self) -> Option<&CleverApp> {
        match self {
            Self::Clever(it) => Some(it),
            Self::ClassLink(_) => None,
        }
    }

    /// One of `ClassLink`.
    pub(super) fn classlink(&self) -> Option<&ClassLinkApp> {
        match self {
            Self::ClassLink(it) => Some(it),
            Self::Clever(_) => None,
        }
    }

    /// Of districts without a `[[district]]` of their own.
    pub fn time_zone(&self) -> Tz {
        match self {
            Self::Clever(it) => it.time_zone,
            Self::ClassLink(it) => it.time_zone,
        }
    }

    /// `review`, which is the default, or `apply`.
    pub fn first_sync(&self) -> Option<&str> {
        match self {
            Self::Clever(it) => it.first_sync.as_deref(),
            Self::ClassLink(it) => it.first_sync.as_deref(),
        }
    }

    /// The secrets in it, with their keys, for `doctor`.
    pub fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        match self {
            Self::Clever(it) => it.secrets().to_vec(),
            Self::ClassLink(it) => vec![("partner_key", &it.partner_key)],
        }
    }

    /// Checks what can be checked without asking anyone; the error names the key.
    pub fn check(&self) -> Result<(), FeedError> {
        match self {
            Self::Clever(it) => it.check(),
            Self::ClassLink(it) => it.check(),
        }
    }

    /// The feed of a district that it lists.
    pub fn feed(&self, district: &str) -> Settings {
        match self {
            Self::Clever(it) => Settings::Clever(CleverSettings::of_app(it, district)),
            Self::ClassLink(it) => Settings::Oneroster(OneRosterSettings::of_app(it, district)),
        }
    }

    /// What the source calls the districts that share with it now. ClassLink's list is asked for in turn with their rosters.
    pub async fn districts(
        &self,
        environment: Environment,
        turnstile: Option<&Arc<dyn Turnstile>>,
    ) -> Result<Vec<String>, FeedError> {
        Ok(match self {
            Self::Clever(it) => clever::districts(it, environment).await?.into_iter().map(|it| it.id).collect(),
            Self::ClassLink(it) => {
                classlink::shares(it, environment, turnstile).await?.into_iter().map(|it| it.tenant).collect()
            }
        })
    }
}
