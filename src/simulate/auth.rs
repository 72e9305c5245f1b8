//! Who may ask: fixed credentials per district, issued tokens, and what has been used of them.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::Digest;
use sha1::Sha1;

use super::http::Call;
use super::oauth1;
use super::oauth1::Nonces;
use super::oauth1::Signed;

/// Seconds an OAuth 2 token lasts.
pub(crate) const TOKEN_SECONDS: u64 = 3600;

/// Client id of the Clever app.
pub(crate) const CLEVER_CLIENT: &str = "clever-client";
/// Client secret of the Clever app.
pub(crate) const CLEVER_SECRET: &str = "clever-secret";
/// Key of the ClassLink partner.
pub(crate) const CLASSLINK_PARTNER: &str = "classlink-partner";

/// The fixed credentials of a OneRoster district. They are invented and open no real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// OAuth 1.0a consumer key.
    pub key: String,
    /// OAuth 1.0a consumer secret.
    pub secret: String,
    /// OAuth 2 client id.
    pub client_id: String,
    /// OAuth 2 client secret.
    pub client_secret: String,
    /// A bearer that was not issued by the token endpoint.
    pub bearer: String,
}

impl Credentials {
    /// The credentials of a district.
    pub fn of(district: &str) -> Credentials {
        Credentials {
            key: format!("{district}-key"),
            secret: format!("{district}-secret"),
            client_id: format!("{district}-client"),
            client_secret: format!("{district}-client-secret"),
            bearer: format!("{district}-bearer"),
        }
    }
}

#[derive(Debug)]
struct Issued {
    district: String,
    scopes: Vec<String>,
    expires: u64,
    uses: u64,
}

/// A bearer that is replaced, not renewed: Clever's district tokens and the ClassLink proxy's.
#[derive(Debug, Default)]
struct Rotating {
    generation: u64,
    uses: u64,
}

/// What a request may see.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Granted {
    Everything,
    /// Only what these OAuth 2 scopes name.
    Scopes(Vec<String>),
}

/// Tokens, nonces and their use.
#[derive(Debug, Default)]
pub(crate) struct AuthState {
    nonces: BTreeMap<String, Nonces>,
    issued: BTreeMap<String, Issued>,
    rotating: BTreeMap<String, Rotating>,
    serial: u64,
}

impl AuthState {
    /// Starts the counting of uses afresh, for new quirks.
    pub(crate) fn forget_uses(&mut self) {
        self.issued.values_mut().for_each(|token| token.uses = 0);
        self.rotating.values_mut().for_each(|token| token.uses = 0);
    }

    /// Whether a OneRoster request may be answered, and why not.
    pub(crate) fn roster_request(
        &mut self,
        call: &Call,
        district: &str,
        max_uses: Option<u64>,
        now: u64,
    ) -> Result<Granted, String> {
        let credentials = Credentials::of(district);
        if let Some(header) = call.authorization("OAuth") {
            let uri = format!("{}{}", call.origin().trim_end_matches(":80"), call.path);
            let signed = Signed { method: call.method.as_str(), uri: &uri, query: &call.query, header };
            let nonces = self.nonces.entry(district.to_owned()).or_default();
            oauth1::verify(signed, &credentials.key, &credentials.secret, now, nonces)
                .map_err(|refusal| refusal.to_string())?;
            return Ok(Granted::Everything);
        }
        let Some(bearer) = call.authorization("Bearer") else {
            return Err("an Authorization header with OAuth 1.0a or a bearer is needed".to_owned());
        };
        let spent = |uses: u64| max_uses.is_some_and(|max| uses > max);
        if bearer == credentials.bearer {
            let token = self.rotating.entry(format!("static/{district}")).or_default();
            token.uses += 1;
            return if spent(token.uses) { Err("the bearer is spent".to_owned()) } else { Ok(Granted::Everything) };
        }
        let token = self.issued.get_mut(bearer).filter(|token| token.district == district);
        let token = token.ok_or("the bearer is not known here")?;
        token.uses += 1;
        if now >= token.expires || spent(token.uses) {
            return Err("the bearer has expired".to_owned());
        }
        Ok(Granted::Scopes(token.scopes.clone()))
    }

    /// Issues an OAuth 2 token.
    pub(crate) fn issue(&mut self, district: &str, scopes: Vec<String>, now: u64) -> String {
        self.serial += 1;
        let token = digest(&format!("issued/{district}/{now}/{}", self.serial));
        let expires = now + TOKEN_SECONDS;
        self.issued.insert(token.clone(), Issued { district: district.to_owned(), scopes, expires, uses: 0 });
        token
    }

    /// The present token of a rotating bearer, a new one if the old is spent. `name` says whose it is.
    pub(crate) fn list_rotating(&mut self, name: &str, max_uses: Option<u64>) -> String {
        let token = self.rotating.entry(name.to_owned()).or_default();
        if max_uses.is_some_and(|max| token.uses > max) {
            *token = Rotating { generation: token.generation + 1, uses: 0 };
        }
        rotating_token(name, token.generation)
    }

    /// Whether this is the present token of a rotating bearer, without counting.
    pub(crate) fn is_rotating(&self, name: &str, bearer: &str) -> bool {
        rotating_token(name, self.rotating.get(name).map_or(0, |token| token.generation)) == bearer
    }

    /// Uses a rotating bearer; false if it is spent.
    pub(crate) fn use_rotating(&mut self, name: &str, max_uses: Option<u64>) -> bool {
        let token = self.rotating.entry(name.to_owned()).or_default();
        token.uses += 1;
        max_uses.is_none_or(|max| token.uses <= max)
    }
}

/// The client id and secret of a Basic header.
pub(crate) fn basic(call: &Call) -> Option<(String, String)> {
    let bytes = STANDARD.decode(call.authorization("Basic")?).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

fn rotating_token(name: &str, generation: u64) -> String {
    digest(&format!("rotating/{name}/{generation}"))
}

/// 40 hex digits.
fn digest(text: &str) -> String {
    hex::encode(Sha1::digest(text.as_bytes()))
}
