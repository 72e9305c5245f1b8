//! The `feed = { … }` table of a district (interface.md, Configuration).

use std::path::PathBuf;

use serde::Deserialize;
use url::{Host, Url};

use crate::feed::FeedError;
use crate::feed::apps::{ClassLinkApp, CleverApp};
use crate::model::EndDates;
use crate::secret::Secret;

/// Where a district's roster comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Settings {
    /// Clever's Data API.
    Clever(CleverSettings),
    /// `OneRoster` 1.1 or 1.2 over REST.
    Oneroster(OneRosterSettings),
    /// `OneRoster` CSV in a folder or a zip.
    OnerosterCsv(CsvSettings),
    /// No feed: the district is kept by hand.
    Manual(ManualSettings),
}

/// A `clever` feed: an app and a district, or a district's own token.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CleverSettings {
    /// The `[[clever_app]]` whose token list has the district.
    pub app: Option<String>,
    /// Clever's id of the district.
    pub district: Option<String>,
    /// A district token, instead of `app`.
    pub token: Option<Secret>,
    /// `v3.0`, the default, or `v3.1`: what we keep is the same in both.
    pub version: Option<String>,
    /// Origin of the Data API; without it the app's.
    pub url: Option<String>,
    /// Origin of the token list; without it the app's.
    pub auth_url: Option<String>,
    /// More certificate authorities, PEM.
    pub ca_file: Option<PathBuf>,
    /// Rows asked for at once.
    pub page_size: Option<u32>,
    /// How long to wait for an answer to go on.
    pub timeout_seconds: Option<u32>,
    /// Politeness.
    pub max_requests_per_second: Option<u32>,
    /// How the source means end dates.
    pub end_dates: Option<EndDates>,
    /// Plain `http` beyond loopback.
    #[serde(default)]
    pub allow_insecure: bool,
}

/// A `oneroster` feed: a server of its own, or a `ClassLink` app and a tenant.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneRosterSettings {
    /// The `[[classlink_app]]` whose list has the tenant, instead of `url` and `auth`.
    pub app: Option<String>,
    /// `ClassLink`'s id of the district, also for those who ask by it at login.
    pub tenant: Option<String>,
    /// The base, `…/ims/oneroster/v1p1` or `…/ims/oneroster/rostering/v1p2`; collections are appended.
    pub url: Option<String>,
    /// `1.1` or `1.2`; else read from the URL. Rows of either version are understood in both.
    pub version: Option<String>,
    /// The credential.
    pub auth: Option<Auth>,
    /// More certificate authorities, PEM.
    pub ca_file: Option<PathBuf>,
    /// Rows asked for at once.
    pub page_size: Option<u32>,
    /// How long to wait for an answer to go on.
    pub timeout_seconds: Option<u32>,
    /// Politeness.
    pub max_requests_per_second: Option<u32>,
    /// Pages asked for before it is their turn; 0 for one after another.
    pub prefetch: Option<u32>,
    /// How the source means end dates.
    pub end_dates: Option<EndDates>,
    /// Plain `http` beyond loopback.
    #[serde(default)]
    pub allow_insecure: bool,
}

/// How the server of a `oneroster` feed is found.
pub(crate) enum Found<'a> {
    /// At an address of its own.
    At {
        /// The base.
        url: &'a str,
        /// The credential.
        auth: &'a Auth,
    },
    /// Through a `[[classlink_app]]`.
    Through {
        /// Which one.
        app: &'a str,
        /// `ClassLink`'s id of the district.
        tenant: &'a str,
    },
}

/// How a `oneroster` feed is asked.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Auth {
    /// `OAuth` 1.0a, two-legged: every request is signed.
    Oauth1 {
        /// Consumer key.
        key: Secret,
        /// Consumer secret.
        secret: Secret,
        /// How to sign.
        #[serde(default)]
        method: SignatureMethod,
    },
    /// `OAuth` 2 client credentials.
    Oauth2 {
        /// Where tokens are had.
        token_url: String,
        /// Client id.
        client_id: Secret,
        /// Client secret.
        client_secret: Secret,
        /// Space-separated; the version's `roster-core.readonly` where not given.
        scope: Option<String>,
    },
    /// A bearer that does not change, as `ClassLink`'s proxy gives.
    Bearer {
        /// The bearer.
        token: Secret,
    },
}

/// `OAuth` 1 signature methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum SignatureMethod {
    /// The default.
    #[default]
    #[serde(rename = "HMAC-SHA256")]
    HmacSha256,
    /// For older servers.
    #[serde(rename = "HMAC-SHA1")]
    HmacSha1,
}

/// A `oneroster-csv` feed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CsvSettings {
    /// A zip, a folder that holds `orgs.csv`, or a drop folder.
    pub path: PathBuf,
    /// How long an upload in a drop folder must have been at rest.
    pub settle_seconds: Option<u32>,
    /// How the source means end dates.
    pub end_dates: Option<EndDates>,
}

/// A `manual` feed has no settings.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManualSettings {}

/// What every HTTP feed takes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transport {
    pub ca_file: Option<PathBuf>,
    pub timeout_seconds: Option<u32>,
    pub max_requests_per_second: Option<u32>,
}

impl Settings {
    /// `clever`, `oneroster`, `oneroster-csv` or `manual`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Clever(_) => "clever",
            Self::Oneroster(_) => "oneroster",
            Self::OnerosterCsv(_) => "oneroster-csv",
            Self::Manual(_) => "manual",
        }
    }

    /// How the source means end dates: as configured, else Clever's inclusive and `OneRoster`'s exclusive.
    pub fn end_dates(&self) -> EndDates {
        match self {
            Self::Clever(it) => it.end_dates.unwrap_or(EndDates::Inclusive),
            Self::Oneroster(it) => it.end_dates.unwrap_or(EndDates::Exclusive),
            Self::OnerosterCsv(it) => it.end_dates.unwrap_or(EndDates::Exclusive),
            Self::Manual(_) => EndDates::Exclusive,
        }
    }

    /// The secrets in it, with their keys, for `doctor`.
    pub fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        match self {
            Self::Clever(it) => it.token.iter().map(|token| ("token", token)).collect(),
            Self::Oneroster(it) => match &it.auth {
                Some(Auth::Oauth1 { key, secret, .. }) => {
                    vec![("auth.key", key), ("auth.secret", secret)]
                }
                Some(Auth::Oauth2 { client_id, client_secret, .. }) => {
                    vec![("auth.client_id", client_id), ("auth.client_secret", client_secret)]
                }
                Some(Auth::Bearer { token }) => vec![("auth.token", token)],
                None => Vec::new(),
            },
            Self::OnerosterCsv(_) | Self::Manual(_) => Vec::new(),
        }
    }

    /// The app it goes through: the table of the configuration, and its id.
    pub fn through(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Clever(it) => Some(("clever_app", it.app.as_deref()?)),
            Self::Oneroster(it) => Some(("classlink_app", it.app.as_deref()?)),
            Self::OnerosterCsv(_) | Self::Manual(_) => None,
        }
    }

    /// What the source calls the district: Clever's id, or `ClassLink`'s tenant.
    pub fn source_id(&self) -> Option<&str> {
        match self {
            Self::Clever(it) => it.district.as_deref(),
            Self::Oneroster(it) => it.tenant.as_deref(),
            Self::OnerosterCsv(_) | Self::Manual(_) => None,
        }
    }

    /// Checks what can be checked without asking anyone; the error names the key.
    pub fn check(&self) -> Result<(), FeedError> {
        match self {
            Self::Clever(it) => it.check(),
            Self::Oneroster(it) => it.check(),
            Self::OnerosterCsv(it) if it.path.as_os_str().is_empty() => {
                Err(setting("path", "is empty; name a zip or a folder"))
            }
            Self::OnerosterCsv(_) | Self::Manual(_) => Ok(()),
        }
    }
}

impl CleverSettings {
    /// A district that an app's token list shows, with the app's own transport.
    pub fn of_app(app: &CleverApp, district: &str) -> Self {
        Self {
            app: Some(app.id.clone()),
            district: Some(district.to_owned()),
            ca_file: app.ca_file.clone(),
            allow_insecure: app.allow_insecure,
            ..Self::default()
        }
    }

    fn check(&self) -> Result<(), FeedError> {
        match (&self.app, &self.token) {
            (Some(_), Some(_)) => {
                return Err(setting("token", "stands beside `app`; keep one of them"));
            }
            (None, None) => {
                return Err(setting("app", "is missing; give `app` and `district`, or `token`"));
            }
            (Some(_), None) if self.district.is_none() => {
                return Err(setting("district", "is missing; give Clever's id of the district"));
            }
            _ => {}
        }
        if let Some(version) = &self.version
            && !matches!(version.as_str(), "v3.0" | "v3.1")
        {
            return Err(setting("version", "is not `v3.0` or `v3.1`"));
        }
        for (key, url) in [("url", &self.url), ("auth_url", &self.auth_url)] {
            if let Some(url) = url {
                checked_url(key, url, self.allow_insecure)?;
            }
        }
        limits(self.page_size, self.timeout_seconds, self.max_requests_per_second)?;
        if self.page_size.is_some_and(|rows| rows > 10_000) {
            return Err(setting("page_size", "is more than Clever's 10000"));
        }
        Ok(())
    }

    pub(crate) fn transport(&self) -> Transport {
        Transport {
            ca_file: self.ca_file.clone(),
            timeout_seconds: self.timeout_seconds,
            max_requests_per_second: self.max_requests_per_second,
        }
    }
}

impl OneRosterSettings {
    /// A district that an app's list shows, with the app's own transport.
    pub fn of_app(app: &ClassLinkApp, tenant: &str) -> Self {
        Self {
            app: Some(app.id.clone()),
            tenant: Some(tenant.to_owned()),
            ca_file: app.ca_file.clone(),
            allow_insecure: app.allow_insecure,
            ..Self::default()
        }
    }

    /// How its server is found; what is missing or too much is told by key.
    pub(crate) fn found(&self) -> Result<Found<'_>, FeedError> {
        match (&self.app, &self.url, &self.auth) {
            (Some(app), None, None) => match &self.tenant {
                Some(tenant) => Ok(Found::Through { app, tenant }),
                None => Err(setting("tenant", "is missing; give ClassLink's id of the district")),
            },
            (Some(_), Some(_), _) => Err(setting("url", "stands beside `app`; keep one of them")),
            (Some(_), None, Some(_)) => Err(setting("auth", "stands beside `app`; keep one of them")),
            (None, None, _) => Err(setting("url", "is missing; give `url` and `auth`, or `app` and `tenant`")),
            (None, Some(_), None) => Err(setting("auth", "is missing; give the credential of the server")),
            (None, Some(url), Some(auth)) => Ok(Found::At { url, auth }),
        }
    }

    fn check(&self) -> Result<(), FeedError> {
        if let Found::At { url, auth } = self.found()? {
            checked_url("url", url, self.allow_insecure)?;
            if let Auth::Oauth2 { token_url, .. } = auth {
                checked_url("auth.token_url", token_url, self.allow_insecure)?;
            }
        }
        if let Some(version) = &self.version
            && !matches!(version.as_str(), "1.1" | "1.2")
        {
            return Err(setting("version", "is not `1.1` or `1.2`"));
        }
        if self.prefetch.is_some_and(|pages| pages > 16) {
            return Err(setting("prefetch", "is more than 16 pages at once, which no source bears"));
        }
        limits(self.page_size, self.timeout_seconds, self.max_requests_per_second)
    }

    /// Whether it speaks 1.2: as configured, else by the URL's path.
    pub(crate) fn is_1_2(&self) -> bool {
        let by_url = || self.url.as_ref().is_some_and(|url| url.contains("v1p2"));
        self.version.as_ref().map_or_else(by_url, |version| version == "1.2")
    }

    pub(crate) fn transport(&self) -> Transport {
        Transport {
            ca_file: self.ca_file.clone(),
            timeout_seconds: self.timeout_seconds,
            max_requests_per_second: self.max_requests_per_second,
        }
    }
}

fn limits(rows: Option<u32>, seconds: Option<u32>, rate: Option<u32>) -> Result<(), FeedError> {
    let numbers = [("page_size", rows), ("timeout_seconds", seconds), ("max_requests_per_second", rate)];
    match numbers.into_iter().find(|(_, number)| *number == Some(0)) {
        Some((key, _)) => Err(setting(key, "is 0; give at least 1")),
        None => Ok(()),
    }
}

pub(super) fn setting(key: &'static str, problem: &str) -> FeedError {
    FeedError::Setting { key, problem: problem.to_owned() }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether nobody reads along on the way there: `https`, or `http` to this machine.
pub(crate) fn is_private(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => is_loopback(url),
        _ => false,
    }
}

/// The URL, if credentials may be sent there: `https`, or `http` to this machine, or `http` where that was asked for.
pub(crate) fn checked_url(key: &'static str, text: &str, allow_insecure: bool) -> Result<Url, FeedError> {
    let url = Url::parse(text).map_err(|_| setting(key, "is not a URL; write it whole, with https://"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(setting(key, "holds a user name or password; give credentials by their own keys"));
    }
    if url.fragment().is_some() {
        return Err(setting(key, "holds a `#`; leave the fragment out"));
    }
    if !url.has_host() {
        return Err(setting(key, "has no host; write it whole, with https://"));
    }
    let loopback = is_loopback(&url);
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback || allow_insecure => Ok(url),
        "http" => Err(setting(
            key,
            "is plain http, over which anyone reads children's records; use https, or `allow_insecure = true` where you must",
        )),
        _ => Err(setting(key, "is neither https nor http")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Result<Settings, toml::de::Error> {
        #[derive(Deserialize)]
        struct District {
            feed: Settings,
        }
        toml::from_str::<District>(toml).map(|it| it.feed)
    }

    #[test]
    fn the_examples_of_the_interface_page_are_read() {
        let oneroster = read(
            r#"feed = { kind = "oneroster", url = "https://example.oneroster.com/ims/oneroster/v1p1", auth = { kind = "oauth1", key = { env = "SPRINGFIELD_KEY" }, secret = { env = "SPRINGFIELD_SECRET" } } }"#,
        )
        .unwrap();
        oneroster.check().unwrap();
        assert_eq!((oneroster.kind(), oneroster.end_dates()), ("oneroster", EndDates::Exclusive));
        assert!(oneroster.secrets().iter().all(|(_, secret)| !secret.is_plain()));
        let csv = read(r#"feed = { kind = "oneroster-csv", path = "/srv/drop/shelbyville" }"#);
        csv.unwrap().check().unwrap();
        let clever = read(r#"feed = { kind = "clever", app = "main", district = "58da" }"#).unwrap();
        clever.check().unwrap();
        assert_eq!(clever.end_dates(), EndDates::Inclusive);
        read(r#"feed = { kind = "manual" }"#).unwrap().check().unwrap();
    }

    #[test]
    fn an_unknown_key_is_refused_by_name_in_every_kind() {
        for toml in [
            r#"feed = { kind = "clever", token = "t", tocken = "x" }"#,
            r#"feed = { kind = "oneroster", url = "https://a.example", auth = { kind = "bearer", token = "t" }, tocken = 1 }"#,
            r#"feed = { kind = "oneroster", url = "https://a.example", auth = { kind = "bearer", token = "t", tocken = 1 } }"#,
            r#"feed = { kind = "oneroster-csv", path = "a", tocken = 1 }"#,
            r#"feed = { kind = "manual", tocken = 1 }"#,
        ] {
            assert!(read(toml).unwrap_err().to_string().contains("tocken"), "{toml}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_only_unless_asked_for() {
        for url in ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost/x", "https://a.example"] {
            checked_url("url", url, false).unwrap();
        }
        for url in ["http://a.example", "http://127.0.0.1.a.example", "ftp://a.example", "a.example"] {
            assert!(checked_url("url", url, false).unwrap_err().to_string().contains("`url`"), "{url}");
        }
        checked_url("url", "http://a.example", true).unwrap();
        assert!(checked_url("url", "https://me:canary@a.example", true).is_err());
    }
}
