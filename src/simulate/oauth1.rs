//! OAuth 1.0a as a server verifies it (protocol page 2.7): two-legged, HMAC-SHA1 or HMAC-SHA256, every query parameter.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use sha1::Sha1;
use sha2::Sha256;

use super::http::decode;
use super::http::encode;

/// Seconds a request's timestamp may be off, either way.
const WINDOW: u64 = 300;

/// Why a signed request was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the Authorization header is not OAuth 1.0a: `{0}` is missing or not a number")]
    Header(&'static str),
    #[error("no consumer has this oauth_consumer_key")]
    Key,
    #[error("oauth_signature_method is HMAC-SHA1 or HMAC-SHA256")]
    Method,
    #[error("oauth_timestamp is more than 300 seconds off")]
    Timestamp,
    #[error("oauth_nonce was used before; every request needs its own, each page and each retry")]
    Replay,
    #[error("the signature does not match; the base string is {0}")]
    Signature(String),
}

/// The nonces of the timestamp window, by timestamp.
#[derive(Debug, Default)]
pub(crate) struct Nonces(BTreeSet<(u64, String)>);

impl Nonces {
    /// Takes a nonce; false if it was taken before.
    fn take(&mut self, now: u64, timestamp: u64, nonce: &str) -> bool {
        self.0 = self.0.split_off(&(now.saturating_sub(WINDOW), String::new()));
        self.0.insert((timestamp, nonce.to_owned()))
    }
}

/// What of a request is signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    /// Scheme, host and path as sent, without the query.
    pub(crate) uri: &'a str,
    /// Decoded.
    pub(crate) query: &'a [(String, String)],
    /// The Authorization header after `OAuth `.
    pub(crate) header: &'a str,
}

/// Verifies a request; a nonce counts as used only if all the rest is right.
pub(crate) fn verify(
    signed: Signed<'_>,
    key: &str,
    secret: &str,
    now: u64,
    nonces: &mut Nonces,
) -> Result<(), Refusal> {
    let oauth = parse_header(signed.header);
    let field = |name: &'static str| {
        let found = oauth.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        found.ok_or(Refusal::Header(name))
    };
    if field("oauth_consumer_key")? != key {
        return Err(Refusal::Key);
    }
    let method = field("oauth_signature_method")?;
    let nonce = field("oauth_nonce")?;
    let timestamp: u64 = field("oauth_timestamp")?.parse().map_err(|_| Refusal::Header("oauth_timestamp"))?;
    let sent = field("oauth_signature")?;
    let others = oauth.iter().filter(|(name, _)| name != "oauth_signature" && name != "realm");
    let all: Vec<_> = signed.query.iter().chain(others).cloned().collect();
    let base = base_string(signed.method, signed.uri, &all);
    if signature(method, &base, secret, "").ok_or(Refusal::Method)? != sent {
        return Err(Refusal::Signature(base));
    }
    if now.abs_diff(timestamp) > WINDOW {
        return Err(Refusal::Timestamp);
    }
    if nonces.take(now, timestamp, nonce) { Ok(()) } else { Err(Refusal::Replay) }
}

/// The base string of decoded parameters.
pub(crate) fn base_string(method: &str, uri: &str, parameters: &[(String, String)]) -> String {
    let mut pairs: Vec<_> = parameters.iter().map(|(name, value)| (encode(name), encode(value))).collect();
    pairs.sort();
    let joined: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{method}&{}&{}", encode(uri.strip_suffix(":80").unwrap_or(uri)), encode(&joined.join("&")))
}

/// The signature of a base string, or nothing for an unknown method.
pub(crate) fn signature(method: &str, base: &str, secret: &str, token_secret: &str) -> Option<String> {
    let key = format!("{}&{}", encode(secret), encode(token_secret));
    let bytes = match method {
        "HMAC-SHA1" => {
            let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).ok()?;
            mac.update(base.as_bytes());
            mac.finalize().into_bytes().to_vec()
        }
        "HMAC-SHA256" => {
            let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok()?;
            mac.update(base.as_bytes());
            mac.finalize().into_bytes().to_vec()
        }
        _ => return None,
    };
    Some(STANDARD.encode(bytes))
}

fn parse_header(header: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (name, value) = part.trim().split_once('=')?;
        Some((decode(name), decode(value.trim().trim_matches('"'))))
    };
    header.split(',').filter_map(pair).collect()
}
