//! What time a feed's server has. Signed requests with a clock that is off are refused as if the key were wrong.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::DATE;
use url::Url;

use crate::feed::apps::CLEVER_URL;
use crate::feed::http::install_crypto;
use crate::feed::settings::Settings;

/// An answer that takes longer says too little about the time.
const PATIENCE: Duration = Duration::from_secs(5);

/// The `Date` of one answer of the feed's server, whatever else it answers; none where it cannot be asked without more, or
/// gives none. No credential is sent, and nothing but the server's root is asked for.
pub async fn server_time(feed: &Settings) -> Option<DateTime<Utc>> {
    let (url, own_authorities) = match feed {
        Settings::Oneroster(it) => (it.url.as_deref()?, it.ca_file.is_some()),
        Settings::Clever(it) => (it.url.as_deref().unwrap_or(CLEVER_URL), it.ca_file.is_some()),
        Settings::OnerosterCsv(_) | Settings::Manual(_) => return None,
    };
    let url = Url::parse(url).ok()?.join("/").ok()?;
    if own_authorities {
        return None;
    }
    install_crypto();
    let mut builder =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().timeout(PATIENCE);
    if url.scheme() != "https" {
        builder = builder.tls_certs_only([]);
    }
    let answer = builder.build().ok()?.head(url).send().await.ok()?;
    let date = answer.headers().get(DATE)?.to_str().ok()?;
    DateTime::parse_from_rfc2822(date).ok().map(|it| it.to_utc())
}
