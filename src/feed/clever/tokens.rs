//! The token list of an app: which districts share with it (protocols.md 1.1).

use std::collections::BTreeMap;

use secrecy::SecretString;
use url::Url;

use crate::feed::CleverApp;
use crate::feed::clever::wire::{TokenRow, Tokens};
use crate::feed::clever::{KIND, PER_SECOND};
use crate::feed::error::{FeedError, Place};
use crate::feed::http::{Ask, Http};
use crate::feed::oneroster::{basic, encode, reveal};
use crate::feed::settings::{Transport, checked_url};
use crate::model::DistrictId;
use crate::secret::Environment;

/// The list has no more pages than this; more would be a circle.
const PAGES: usize = 1000;

/// A district that shares with an app.
#[derive(Clone, Debug)]
pub struct CleverDistrict {
    /// Clever's id of the district; the token's own id is another one.
    pub id: String,
    /// The token to read it with. It may be replaced at any time.
    pub token: SecretString,
}

/// Every district that shares with the app, by id.
pub async fn districts(app: &CleverApp, environment: Environment) -> Result<Vec<CleverDistrict>, FeedError> {
    app.check()?;
    let transport = Transport { ca_file: app.ca_file.clone(), ..Transport::default() };
    let http = Http::new(&transport, PER_SECOND, app.auth_url.starts_with("https"))?;
    let place = Place::new(&DistrictId::from(app.id.as_str()), KIND, "the token list");
    list(&http, app, None, &place, environment).await
}

/// The list, or of one district alone. Of several tokens of a district the newest counts.
pub(super) async fn list(
    http: &Http,
    app: &CleverApp,
    district: Option<&str>,
    place: &Place,
    environment: Environment,
) -> Result<Vec<CleverDistrict>, FeedError> {
    let origin = checked_url("auth_url", &app.auth_url, app.allow_insecure)?;
    let id = reveal("client_id", &app.client_id, environment)?;
    let secret = reveal("client_secret", &app.client_secret, environment)?;
    let authorization = basic(&id, &secret);
    let mut url = origin.clone();
    url.set_path("/oauth/tokens");
    let only = district.map(|id| format!("&district={}", encode(id))).unwrap_or_default();
    url.set_query(Some(&format!("owner_type=district{only}")));
    let mut found: BTreeMap<String, (Option<String>, SecretString)> = BTreeMap::new();
    for _ in 0..PAGES {
        let make = || Ok(Ask { url: url.clone(), authorization: authorization.clone(), post: None });
        let advice = "check `auth_url`, `client_id` and `client_secret` of the app";
        let reply = http.send(place, &make).await?.granted(place, advice)?;
        let tokens: Tokens = serde_json::from_slice(&reply.body).map_err(|cause| FeedError::json(place, &cause))?;
        for token in tokens.data {
            keep_newest(&mut found, token);
        }
        let next = tokens.links.iter().find(|it| it.rel.as_deref() == Some("next"));
        let next = next.and_then(|it| it.uri.as_deref()).map(|uri| same_origin(&origin, uri));
        match next {
            None => {
                let district = |(id, (_, token))| CleverDistrict { id, token };
                return Ok(found.into_iter().map(district).collect());
            }
            // There is no other way to the rest, and a list cut short would look like districts that left.
            Some(None) => {
                let problem = "the next page is said to be at another address".to_owned();
                return Err(FeedError::Shape { place: place.clone(), problem });
            }
            Some(Some(next)) if next == url => break,
            Some(Some(next)) => url = next,
        }
    }
    Err(FeedError::Loop { place: place.clone(), problem: "the next page is one that was read" })
}

fn keep_newest(found: &mut BTreeMap<String, (Option<String>, SecretString)>, token: TokenRow) {
    let is_district = token.owner.kind.as_deref().is_none_or(|it| it == "district");
    if let (true, Some(id), Some(secret)) = (is_district, token.owner.id, token.access_token)
        && found.get(&id).is_none_or(|(created, _)| *created <= token.created)
    {
        found.insert(id, (token.created, secret.into()));
    }
}

/// A link's address, if it stays where the credential belongs (T1).
pub(super) fn same_origin(base: &Url, link: &str) -> Option<Url> {
    let url = base.join(link).ok()?;
    let stays = url.origin() == base.origin() && url.username().is_empty() && url.password().is_none();
    stays.then_some(url)
}
