//! Sign-in of people: a token once, then a cookie that names it, signed, for half a day. Nothing is kept for it: any process
//! with the store knows it, and a revoked token ends it.

use axum::http::header;
use axum::http::{HeaderMap, HeaderValue};

use crate::keyed::{keyed_hex, same};
use crate::model::Timestamp;

/// The cookie's name.
const COOKIE: &str = "rosterd_session";

/// How long it holds, in seconds.
const LASTS: i64 = 12 * 60 * 60;

/// The installation's key, for one purpose each.
#[derive(Clone, Copy)]
pub(crate) struct Signer<'a>(pub(crate) &'a [u8]);

impl Signer<'_> {
    fn mac(self, purpose: &str, text: &str) -> String {
        keyed_hex(self.0, format!("{purpose}\0{text}").as_bytes())
    }

    fn is(self, purpose: &str, text: &str, mac: &str) -> bool {
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
        let holds = until.parse().is_ok_and(|until: i64| now.millis() / 1000 < until);
        (holds && self.is("session", text, mac)).then_some(token)
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

/// The session's cookie, as it came.
pub(crate) fn of(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|it| it.to_str().ok());
    let mut pairs = all.flat_map(|it| it.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// `Set-Cookie` for a session; an empty one ends it.
pub(crate) fn set(value: &str, secure: bool) -> Option<HeaderValue> {
    let (secure, lasts) = (if secure { "; Secure" } else { "" }, if value.is_empty() { 0 } else { LASTS });
    HeaderValue::try_from(format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={lasts}{secure}")).ok()
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
}
