//! A provider of OpenID Connect on loopback, as far as a sign-in goes: it knows one person at a time, lets them in without a word, and
//! slips where it is told to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openidconnect::core::{CoreEdDsaPrivateSigningKey, CoreHmacKey, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKeyId, PrivateSigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What it knows rosterd by.
pub(crate) const CLIENT: &str = "rosterd-dashboard";

/// What proves it.
pub(crate) const SECRET: &str = "s3cret of the client";

/// Where people are sent back to; the tests bring them to wherever the daemon listens.
pub(crate) const PUBLIC: &str = "http://127.0.0.1:8787";

/// What is wrong with the next answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Slip {
    #[default]
    None,
    /// The person, or their organization, says no.
    Denied,
    /// No ID token.
    NoToken,
    /// The ID token is of another sign-in, ...
    Nonce,
    /// ... for another client, ...
    Audience,
    /// ... of another issuer, ...
    Issuer,
    /// ... over, ...
    Expired,
    /// ... signed by someone else in the name of a key that is known, ...
    OtherKey,
    /// ... or by a key that nobody publishes, ...
    UnknownKey,
    /// ... signed by the secret that both sides have, ...
    SharedSecret,
    /// ... or not at all.
    Unsigned,
    /// Its server fails.
    Failing,
}

/// A code that was given and not yet taken.
struct Given {
    redirect_uri: String,
    challenge: String,
    nonce: String,
}

struct Kept {
    issuer: String,
    /// Whether it wants the secret.
    confidential: bool,
    slip: Slip,
    /// The seed and the name of its key.
    key: (u8, &'static str),
    claims: Value,
    codes: BTreeMap<String, Given>,
}

type Shared = Arc<Mutex<Kept>>;

/// It, at work until the runtime ends.
pub(crate) struct Provider {
    address: SocketAddr,
    kept: Shared,
}

impl Provider {
    /// For a client that has a secret, or for a public one.
    pub(crate) async fn start(confidential: bool) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Arc::new(Mutex::new(Kept {
            issuer: format!("http://{address}"),
            confidential,
            slip: Slip::None,
            key: (1, "k1"),
            claims: json!({}),
            codes: BTreeMap::new(),
        }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(document))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(Arc::clone(&kept));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, kept }
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `[http.oidc]` with this provider and these groups, each with scopes and districts as TOML.
    pub(crate) fn settings(&self, groups: &[(&str, &str, &str)]) -> String {
        let secret = if self.kept.lock().unwrap().confidential {
            format!("client_secret = \"{SECRET}\"\n")
        } else {
            String::new()
        };
        let groups = groups.iter().map(|(id, scopes, districts)| {
            format!("[[http.oidc.group]]\nid = \"{id}\"\nscopes = {scopes}\ndistricts = {districts}\n")
        });
        format!(
            "[http.oidc]\nissuer = \"{}\"\nclient_id = \"{CLIENT}\"\n{secret}public_url = \"{PUBLIC}\"\n{}",
            self.issuer(),
            groups.collect::<String>()
        )
    }

    /// Who signs in from now on.
    pub(crate) fn knows(&self, subject: &str, name: &str, groups: &[&str]) {
        self.says(
            json!({ "sub": subject, "name": name, "groups": groups, "email": format!("{subject}@zyxmail.example") }),
        );
    }

    /// What it says of whoever signs in from now on.
    pub(crate) fn says(&self, claims: Value) {
        self.kept.lock().unwrap().claims = claims;
    }

    pub(crate) fn slips(&self, slip: Slip) {
        self.kept.lock().unwrap().slip = slip;
    }

    /// From now on it signs with another key.
    pub(crate) fn renews_its_key(&self) {
        self.kept.lock().unwrap().key = (2, "k2");
    }
}

fn key((seed, name): (u8, &str)) -> CoreEdDsaPrivateSigningKey {
    // RFC 8410: the head of a private key of Ed25519, and the key itself.
    let head = hex::decode("302e020100300506032b657004220420").unwrap();
    let text = STANDARD.encode([head, vec![seed; 32]].concat());
    let [begin, end] = ["BEGIN", "END"].map(|it| format!("-----{it} PRIVATE KEY-----"));
    let name = JsonWebKeyId::new(name.to_owned());
    CoreEdDsaPrivateSigningKey::from_ed25519_pem(&format!("{begin}\n{text}\n{end}\n"), Some(name)).unwrap()
}

async fn document(State(kept): State<Shared>) -> Json<Value> {
    let issuer = kept.lock().unwrap().issuer.clone();
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA", "HS256"],
    }))
}

async fn keys(State(kept): State<Shared>) -> Json<Value> {
    let key = key(kept.lock().unwrap().key).as_verification_key();
    Json(json!({ "keys": [key] }))
}

type Fields = BTreeMap<String, String>;

async fn authorize(State(kept): State<Shared>, Query(asked): Query<Fields>) -> Redirect {
    let mut kept = kept.lock().unwrap();
    let said = (asked["response_type"].as_str(), asked["client_id"].as_str(), asked["code_challenge_method"].as_str());
    assert_eq!(said, ("code", CLIENT, "S256"));
    assert!(asked["scope"].split(' ').any(|it| it == "openid"), "{}", asked["scope"]);
    let state = &asked["state"];
    let back = &asked["redirect_uri"];
    if kept.slip == Slip::Denied {
        return Redirect::to(&format!("{back}?error=access_denied&error_description=zyxgiven&state={state}"));
    }
    let code = format!("code-{}-{}", kept.codes.len(), asked["nonce"].get(..8).unwrap());
    let given =
        Given { redirect_uri: back.clone(), challenge: asked["code_challenge"].clone(), nonce: asked["nonce"].clone() };
    kept.codes.insert(code.clone(), given);
    // Providers add words of their own.
    Redirect::to(&format!("{back}?code={code}&state={state}&session_state=4711"))
}

fn refusal(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error, "error_description": "zyxfamily" }))).into_response()
}

async fn token(State(kept): State<Shared>, headers: HeaderMap, Form(asked): Form<Fields>) -> Response {
    let mut kept = kept.lock().unwrap();
    if kept.slip == Slip::Failing {
        return (StatusCode::BAD_GATEWAY, "<h1>Bad Gateway</h1>").into_response();
    }
    let quoted = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let proof = format!("Basic {}", STANDARD.encode(format!("{}:{}", quoted(CLIENT), quoted(SECRET))));
    let known = if kept.confidential {
        headers.get(header::AUTHORIZATION).is_some_and(|it| it == proof.as_str())
    } else {
        asked.get("client_id").is_some_and(|it| it == CLIENT) && !headers.contains_key(header::AUTHORIZATION)
    };
    if !known {
        return refusal(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    // A code is taken once.
    let Some(given) = kept.codes.remove(&asked["code"]) else {
        return refusal(StatusCode::BAD_REQUEST, "invalid_grant");
    };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(asked["code_verifier"].as_bytes()));
    if challenge != given.challenge || asked["redirect_uri"] != given.redirect_uri {
        return refusal(StatusCode::BAD_REQUEST, "invalid_grant");
    }
    let mut answer = json!({ "access_token": "zyxsecret55", "token_type": "Bearer", "expires_in": 300 });
    if kept.slip != Slip::NoToken {
        answer["id_token"] = id_token(&kept, &given.nonce).into();
    }
    Json(answer).into_response()
}

fn id_token(kept: &Kept, nonce: &str) -> String {
    let slip = kept.slip;
    let now = chrono::Utc::now().timestamp();
    let or = |wrong: bool, text: &str, right: &str| if wrong { text.to_owned() } else { right.to_owned() };
    let mut claims = kept.claims.clone();
    claims["iss"] = or(slip == Slip::Issuer, "https://evil.example", &kept.issuer).into();
    claims["aud"] = or(slip == Slip::Audience, "another client", CLIENT).into();
    claims["nonce"] = or(slip == Slip::Nonce, "another nonce", nonce).into();
    claims["iat"] = (now - 3600).into();
    // A minute is forgiven.
    claims["exp"] = (if slip == Slip::Expired { now - 120 } else { now - 20 }).into();
    let (seed, name) = match slip {
        Slip::OtherKey => (9, kept.key.1),
        Slip::UnknownKey => (9, "k9"),
        _ => kept.key,
    };
    let algorithm = match slip {
        Slip::SharedSecret => "HS256",
        Slip::Unsigned => "none",
        _ => "EdDSA",
    };
    let head = json!({ "alg": algorithm, "kid": name, "typ": "JWT" });
    let part = |it: &Value| URL_SAFE_NO_PAD.encode(it.to_string());
    let text = format!("{}.{}", part(&head), part(&claims));
    let signature = match slip {
        Slip::SharedSecret => {
            CoreHmacKey::new(SECRET).sign(&CoreJwsSigningAlgorithm::HmacSha256, text.as_bytes()).unwrap()
        }
        Slip::Unsigned => Vec::new(),
        _ => key((seed, name)).sign(&CoreJwsSigningAlgorithm::EdDsa, text.as_bytes()).unwrap(),
    };
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}
