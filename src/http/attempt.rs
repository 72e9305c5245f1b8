//! A sign-in under way at a provider. All of it is one cookie, signed and for ten minutes: a seed, and where to go then. State, nonce
//! and the verifier of PKCE follow from it by the installation's key, so any process can finish what another began, nothing is
//! kept, and whoever reads the cookie learns none of the three.

use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::http::session::{Signer, cookie, is_before, set_cookie};
use crate::http::tokens;
use crate::model::Timestamp;
use crate::openid::Words;

/// Sent to the pages of signing in alone.
const COOKIE: (&str, &str) = ("rosterd_sign_in", "/sign-in");

/// How long it may take, in seconds.
const LASTS: i64 = 10 * 60;

/// A longer place to go to is forgotten.
const LONGEST: usize = 1500;

/// What is signed: seed, end and place to go to.
pub(crate) struct Attempt(String);

impl Attempt {
    /// A new one, that leads to a page of ours.
    pub(crate) fn new(to: &str, now: Timestamp) -> Self {
        let to = if to.len() <= LONGEST { to } else { "/" };
        Self(format!("{}.{}.{}", tokens::seed(), now.millis() / 1000 + LASTS, URL_SAFE_NO_PAD.encode(to)))
    }

    /// The one that a browser brings back, if it is ours and not over.
    pub(crate) fn of(signer: Signer<'_>, headers: &HeaderMap, now: Timestamp) -> Option<Self> {
        let (text, mac) = cookie(headers, COOKIE.0)?.rsplit_once('.')?;
        let until = text.split('.').nth(1)?;
        (is_before(now, until) && signer.is("sign-in", text, mac)).then(|| Self(text.to_owned()))
    }

    /// Where to go then.
    pub(crate) fn to(&self) -> String {
        let to = self.0.rsplit('.').next().and_then(|it| URL_SAFE_NO_PAD.decode(it).ok());
        to.and_then(|it| String::from_utf8(it).ok()).unwrap_or_else(|| "/".to_owned())
    }

    /// What is agreed on with the provider for this one.
    pub(crate) fn words(&self, signer: Signer<'_>) -> Words {
        let word = |purpose| signer.mac(purpose, &self.0);
        Words { state: word("sign-in state"), nonce: word("sign-in nonce"), verifier: word("sign-in verifier") }
    }

    /// `Set-Cookie` for it.
    pub(crate) fn set(&self, signer: Signer<'_>, secure: bool) -> Option<HeaderValue> {
        set_cookie(COOKIE, &format!("{}.{}", self.0, signer.mac("sign-in", &self.0)), LASTS, secure)
    }

    /// `Set-Cookie` that ends whichever there is.
    pub(crate) fn end(secure: bool) -> Option<HeaderValue> {
        set_cookie(COOKIE, "", LASTS, secure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::header;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn brought(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::try_from(format!("a=b; {cookie}")).unwrap())])
    }

    /// The pair of a `Set-Cookie`.
    fn pair(set: &HeaderValue) -> String {
        set.to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    #[test]
    fn what_one_process_began_another_one_finishes_within_ten_minutes() {
        let (signer, noon) = (Signer(b"key"), at("2025-10-06T12:00:00Z"));
        let begun = Attempt::new("/runs/1?a=b.c", noon);
        let set = begun.set(signer, true).unwrap();
        let told = set.to_str().unwrap();
        assert!(told.ends_with("; Path=/sign-in; HttpOnly; SameSite=Lax; Max-Age=600; Secure"), "{told}");
        let headers = brought(&pair(&set));
        let back = Attempt::of(signer, &headers, at("2025-10-06T12:09:59Z")).unwrap();
        let (one, other) = (begun.words(signer), back.words(signer));
        assert_eq!((one.state, one.nonce, one.verifier), (other.state, other.nonce, other.verifier));
        assert_eq!(back.to(), "/runs/1?a=b.c");
        assert!(Attempt::of(signer, &headers, at("2025-10-06T12:10:00Z")).is_none());
        assert!(Attempt::of(Signer(b"another"), &headers, noon).is_none());
        assert_eq!(pair(&Attempt::end(true).unwrap()), "rosterd_sign_in=");
    }

    #[test]
    fn a_cookie_that_was_touched_begins_nothing_and_shows_none_of_the_words() {
        let (signer, noon) = (Signer(b"key"), at("2025-10-06T12:00:00Z"));
        let begun = Attempt::new("/", noon);
        let whole = pair(&begun.set(signer, false).unwrap());
        let value = whole.split_once('=').unwrap().1;
        for (index, _) in value.char_indices() {
            let mut forged: Vec<char> = value.chars().collect();
            forged[index] = if forged[index] == '0' { '1' } else { '0' };
            let forged: String = forged.into_iter().collect();
            assert!(Attempt::of(signer, &brought(&format!("rosterd_sign_in={forged}")), noon).is_none(), "{forged}");
        }
        let Words { state, nonce, verifier } = begun.words(signer);
        assert!((43..=128).contains(&verifier.len()));
        assert!([&state, &nonce, &verifier].iter().all(|it| !whole.contains(it.as_str())), "{whole}");
        assert!(state != nonce && nonce != verifier && verifier != state);
        assert_ne!(Attempt::new("/", noon).words(signer).state, state, "no two are alike");
    }

    #[test]
    fn a_place_too_long_for_a_cookie_is_forgotten() {
        let begun = Attempt::new(&format!("/{}", "a".repeat(5000)), at("2025-10-06T12:00:00Z"));
        assert_eq!(begun.to(), "/");
    }
}
