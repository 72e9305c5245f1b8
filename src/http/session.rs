//! Sign-in of people: a token or a provider once, then a cookie that says who it was, signed, for half a day at most. Nothing is
//! kept for it, so any process with the store knows it. What it gives is looked up for each request: a revoked token ends it, and
//! so does a group that is taken out of the settings.

use axum::http::header;
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::keyed::{keyed_hex, same};
use crate::model::Timestamp;
use crate::openid;

/// The cookie's name.
const COOKIE: &str = "rosterd_session";

/// How long one with a token holds, in seconds.
pub(crate) const LASTS: i64 = 12 * 60 * 60;

/// Browsers keep no longer cookie.
const LONGEST: usize = 3800;

/// Digits of a pseudonym.
const SHORT: usize = 16;

/// Somebody for whom a provider vouched, as the cookie says it. The name is for their own eyes.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) subject: String,
    pub(crate) name: String,
    /// Those of their groups that the settings had when they signed in.
    pub(crate) groups: Vec<String>,
}

/// The installation's key, for one purpose each.
#[derive(Clone, Copy)]
pub(crate) struct Signer<'a>(pub(crate) &'a [u8]);

impl Signer<'_> {
    pub(super) fn mac(self, purpose: &str, text: &str) -> String {
        keyed_hex(self.0, format!("{purpose}\0{text}").as_bytes())
    }

    pub(super) fn is(self, purpose: &str, text: &str, mac: &str) -> bool {
        same(&self.mac(purpose, text), mac)
    }

    /// The value of the cookie for a token, by its hash.
    pub(crate) fn issue(self, token: &str, now: Timestamp) -> String {
        let text = format!("{token}.{}", now.millis() / 1000 + LASTS);
        let mac = self.mac("session", &text);
        format!("{text}.{mac}")
    }

    /// The hash of the token that a cookie names, if the cookie is ours and holds.
    pub(crate) fn token(self, cookie: &str, now: Timestamp) -> Option<&str> {
        let (text, mac) = cookie.rsplit_once('.')?;
        let (token, until) = text.split_once('.')?;
        (is_before(now, until) && self.is("session", text, mac)).then_some(token)
    }

    /// The value of the cookie for somebody who comes from the provider of the settings; none where it would be too long.
    pub(crate) fn issue_for(self, settings: &openid::Settings, member: &Member, now: Timestamp) -> Option<String> {
        let until = now.millis() / 1000 + i64::from(settings.session_minutes) * 60;
        let text = format!("{}.{until}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(member).ok()?));
        let mac = self.mac(&of_provider(settings), &text);
        Some(format!("{text}.{mac}")).filter(|it| it.len() <= LONGEST)
    }

    /// Who a cookie says it is, if the cookie is ours, of the provider of the settings, and holds.
    pub(crate) fn member(self, settings: &openid::Settings, cookie: &str, now: Timestamp) -> Option<Member> {
        let (text, mac) = cookie.rsplit_once('.')?;
        let (member, until) = text.split_once('.')?;
        let ours = is_before(now, until) && self.is(&of_provider(settings), text, mac);
        let member = URL_SAFE_NO_PAD.decode(member).ok().filter(|_| ours)?;
        serde_json::from_slice(&member).ok()
    }

    /// What a person is called in runs and audit: the same each time, and nobody without the key can tell who it is.
    pub(crate) fn pseudonym(self, settings: &openid::Settings, subject: &str) -> String {
        let whole = self.mac("oidc subject", &format!("{}\n{subject}", settings.issuer));
        format!("oidc:{}", whole.chars().take(SHORT).collect::<String>())
    }

    /// What forms of a session carry, so that no other site can send one.
    pub(crate) fn form_key(self, cookie: &str) -> String {
        self.mac("form", cookie)
    }

    /// Whether a form was made in a session.
    pub(crate) fn is_form_key(self, cookie: &str, key: &str) -> bool {
        self.is("form", cookie, key)
    }
}

/// Another provider, or another client at it, is another purpose: it ends the sessions of the one before.
fn of_provider(settings: &openid::Settings) -> String {
    format!("oidc session {} {}", settings.issuer, settings.client_id)
}

/// Whether a second since 1970, as a cookie writes it, is still to come.
pub(super) fn is_before(now: Timestamp, until: &str) -> bool {
    until.parse().is_ok_and(|until: i64| now.millis() / 1000 < until)
}

/// The session's cookie, as it came.
pub(crate) fn of(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, COOKIE)
}

/// A cookie, as it came.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|it| it.to_str().ok());
    let mut pairs = all.flat_map(|it| it.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

/// `Set-Cookie` for a session; an empty one ends it.
pub(crate) fn set(value: &str, lasts: i64, secure: bool) -> Option<HeaderValue> {
    set_cookie((COOKIE, "/"), value, lasts, secure)
}

/// `Set-Cookie` for a cookie of a name and path; an empty one ends it.
pub(super) fn set_cookie((name, path): (&str, &str), value: &str, lasts: i64, secure: bool) -> Option<HeaderValue> {
    let (secure, lasts) = (if secure { "; Secure" } else { "" }, if value.is_empty() { 0 } else { lasts });
    HeaderValue::try_from(format!("{name}={value}; Path={path}; HttpOnly; SameSite=Lax; Max-Age={lasts}{secure}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: &str = "2025-10-06T12:00:00Z";

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    /// T20 to T22: a cookie is ours, whole and for half a day; a form is of its session.
    #[test]
    fn a_cookie_holds_half_a_day_and_only_as_it_was_issued() {
        let signer = Signer(b"key");
        let cookie = signer.issue("0a0b", at(NOON));
        assert_eq!(signer.token(&cookie, at("2025-10-06T23:59:59Z")), Some("0a0b"));
        assert_eq!(signer.token(&cookie, at("2025-10-07T00:00:00Z")), None);
        assert_eq!(Signer(b"another").token(&cookie, at(NOON)), None);
        for (index, _) in cookie.char_indices() {
            let mut forged: Vec<char> = cookie.chars().collect();
            forged[index] = if forged[index] == '0' { '1' } else { '0' };
            let forged: String = forged.into_iter().collect();
            assert_eq!(signer.token(&forged, at(NOON)), None, "{forged}");
        }
        let form = signer.form_key(&cookie);
        assert!(signer.is_form_key(&cookie, &form));
        assert!(!signer.is_form_key(&signer.issue("0a0b", at("2025-10-06T12:00:01Z")), &form));
        assert!(!signer.is_form_key(&cookie, "") && !signer.is_form_key(&cookie, "zz"));
    }

    fn settings(issuer: &str) -> openid::Settings {
        toml::from_str(&format!(
            "issuer = \"{issuer}\"\nclient_id = \"rosterd\"\npublic_url = \"https://rosterd.example.com\"\nsession_minutes = 60\n"
        ))
        .unwrap()
    }

    fn somebody() -> Member {
        let groups = vec!["Operators.East".to_owned(), "ä;=".to_owned()];
        Member { subject: "ann@example.com".to_owned(), name: "Ann Öhm".to_owned(), groups }
    }

    #[test]
    fn a_cookie_of_a_provider_holds_for_that_provider_and_as_long_as_the_settings_say() {
        let (signer, here) = (Signer(b"key"), settings("https://id.example.com"));
        let cookie = signer.issue_for(&here, &somebody(), at(NOON)).unwrap();
        assert!(cookie.bytes().all(|it| it.is_ascii_alphanumeric() || b"._-".contains(&it)), "{cookie}");
        assert_eq!(signer.member(&here, &cookie, at("2025-10-06T12:59:59Z")), Some(somebody()));
        assert_eq!(signer.member(&here, &cookie, at("2025-10-06T13:00:00Z")), None);
        assert_eq!(signer.member(&settings("https://other.example.com"), &cookie, at(NOON)), None);
        assert_eq!(Signer(b"another").member(&here, &cookie, at(NOON)), None);
        for (index, _) in cookie.char_indices() {
            let mut forged: Vec<char> = cookie.chars().collect();
            forged[index] = if forged[index] == '0' { '1' } else { '0' };
            let forged: String = forged.into_iter().collect();
            assert_eq!(signer.member(&here, &forged, at(NOON)), None, "{forged}");
        }
        let crowd = Member { groups: vec!["g".repeat(100); 40], ..somebody() };
        assert_eq!(signer.issue_for(&here, &crowd, at(NOON)), None, "no browser would keep it");
    }

    #[test]
    fn neither_kind_of_cookie_is_taken_for_the_other() {
        let (signer, here) = (Signer(b"key"), settings("https://id.example.com"));
        assert_eq!(signer.token(&signer.issue_for(&here, &somebody(), at(NOON)).unwrap(), at(NOON)), None);
        assert_eq!(signer.member(&here, &signer.issue("0a0b", at(NOON)), at(NOON)), None);
    }

    #[test]
    fn a_pseudonym_is_of_one_person_at_one_provider_and_says_nothing_of_them() {
        let (signer, here) = (Signer(b"key"), settings("https://id.example.com"));
        let ann = signer.pseudonym(&here, "ann@example.com");
        assert_eq!(ann, signer.pseudonym(&here, "ann@example.com"));
        assert_eq!(ann.strip_prefix("oidc:").map(|it| it.bytes().all(|it| it.is_ascii_hexdigit())), Some(true));
        for other in [
            signer.pseudonym(&here, "ben@example.com"),
            signer.pseudonym(&settings("https://other.example.com"), "ann@example.com"),
            Signer(b"another").pseudonym(&here, "ann@example.com"),
        ] {
            assert_ne!(ann, other);
        }
    }
}
