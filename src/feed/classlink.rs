//! The list of a `ClassLink` partner: which tenants share with it, each with a bearer for the `OneRoster` proxy (protocols.md 3.1).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::feed::error::{FeedError, Place};
use crate::feed::http::{Ask, Http};
use crate::feed::lenient::text;
use crate::feed::oneroster::{PER_SECOND, bearer, reveal};
use crate::feed::settings::{Transport, checked_url};
use crate::feed::together::Turnstile;
use crate::feed::{ClassLinkApp, oneroster};
use crate::model::DistrictId;
use crate::secret::Environment;

/// Applications asked for at once; without it the proxy gives a hundred.
const LIMIT: usize = 10_000;

/// The list has no more pages than this; more would be a circle.
const PAGES: usize = 1000;

/// A tenant that shares.
#[derive(Clone, Debug)]
pub struct Share {
    /// `ClassLink`'s id of the district.
    pub tenant: String,
    /// The `Authorization` header for the proxy.
    pub(super) bearer: SecretString,
    /// The base of its `OneRoster` 1.1 server behind the proxy.
    pub(super) base: Url,
}

/// A row of the list. Texts come as numbers, and the other way round.
#[derive(Debug, Deserialize)]
struct Row {
    #[serde(default, deserialize_with = "text")]
    application_id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    tenant_id: Option<String>,
    #[serde(default)]
    bearer: Option<String>,
    #[serde(default, deserialize_with = "text")]
    enabled: Option<String>,
    #[serde(default)]
    tenant_status: Option<String>,
    #[serde(default)]
    oneroster_application_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Applications {
    applications: Vec<Row>,
}

/// Every tenant that shares with the app, by id.
pub async fn shares(
    app: &ClassLinkApp,
    environment: Environment,
    turnstile: Option<&Arc<dyn Turnstile>>,
) -> Result<Vec<Share>, FeedError> {
    app.check()?;
    let transport = Transport { ca_file: app.ca_file.clone(), ..Transport::default() };
    let http = http(app, &transport, turnstile)?;
    list(&http, app, &place(&DistrictId::from(app.id.as_str())), environment).await
}

/// The proxy, where a feed names it by its own URL.
const PROXIES: [&str; 2] = ["oneroster-proxy.classlink.io", "oneroster-proxy.apis.classlink.com"];

/// Whether what is asked of that server for several districts counts together (protocols.md 3.2).
pub(super) fn is_proxy(server: &Url) -> bool {
    server.host_str().is_some_and(|host| PROXIES.contains(&host))
}

/// For the proxy of an app, which counts all districts together.
pub(super) fn http(
    app: &ClassLinkApp,
    transport: &Transport,
    turnstile: Option<&Arc<dyn Turnstile>>,
) -> Result<Http, FeedError> {
    let origin = checked_url("url", &app.url, app.allow_insecure)?;
    Ok(Http::new(transport, PER_SECOND, origin.scheme() == "https")?.together(&origin, turnstile))
}

/// Where the list is, for errors of a district or, by its id, an app.
pub(super) fn place(of: &DistrictId) -> Place {
    Place::new(of, oneroster::KIND, "the list of applications")
}

pub(super) async fn list(
    http: &Http,
    app: &ClassLinkApp,
    place: &Place,
    environment: Environment,
) -> Result<Vec<Share>, FeedError> {
    let origin = checked_url("url", &app.url, app.allow_insecure)?;
    let authorization = bearer(&reveal("partner_key", &app.partner_key, environment)?);
    let mut found: BTreeMap<(String, Option<String>), Share> = BTreeMap::new();
    let mut seen: BTreeSet<(Option<String>, Option<String>)> = BTreeSet::new();
    let mut offset = 0;
    for _ in 0..PAGES {
        let mut url = origin.clone();
        url.set_path("/applications");
        url.set_query(Some(&format!("limit={LIMIT}&offset={offset}")));
        let make = || Ok(Ask { url: url.clone(), authorization: authorization.clone(), post: None });
        let advice = "check `url` and `partner_key` of the app";
        let reply = http.send(place, &make).await?.granted(place, advice)?;
        let page: Applications = serde_json::from_slice(&reply.body).map_err(|cause| FeedError::json(place, &cause))?;
        // There is no total, and a page may be shorter than was asked for: only an empty one is the end.
        if page.applications.is_empty() {
            // Of several applications of a tenant the first counts, so that its rows do not come from another one each night.
            let mut shares: Vec<Share> = found.into_values().collect();
            shares.dedup_by(|later, first| later.tenant == first.tenant);
            return Ok(shares);
        }
        offset += page.applications.len();
        let known = seen.len();
        seen.extend(page.applications.iter().map(|it| (it.tenant_id.clone(), it.application_id.clone())));
        if seen.len() == known {
            break;
        }
        for it in page.applications {
            let application = it.application_id.clone();
            if let Some(share) = share(&origin, it) {
                found.entry((share.tenant.clone(), application)).or_insert(share);
            }
        }
    }
    Err(FeedError::Loop { place: place.clone(), problem: "a page brought nothing new" })
}

/// What a row is good for; none where the tenant does not share, or not any more.
fn share(origin: &Url, it: Row) -> Option<Share> {
    let is_on = it.enabled.as_deref() == Some("true") && it.tenant_status.as_deref() == Some("Active");
    let (tenant, token, id) = (it.tenant_id?, it.bearer?, it.oneroster_application_id?);
    let usable = is_on && !tenant.is_empty() && !token.is_empty();
    // The id comes percent-encoded and stands in the path as it came.
    let in_path = !id.is_empty() && id.bytes().all(|it| it.is_ascii_alphanumeric() || b"%-._~=+".contains(&it));
    let base =
        origin.join(&format!("/{id}/ims/oneroster/v1p1")).ok().filter(|base| base.origin() == origin.origin())?;
    (usable && in_path && !matches!(id.as_str(), "." | "..")).then(|| Share {
        tenant,
        bearer: bearer(&token.into()),
        base,
    })
}

/// A tenant's server, to be found in the list.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) app: ClassLinkApp,
    pub(super) tenant: String,
    pub(super) place: Place,
    pub(super) environment: Environment,
}

impl Listed {
    /// The tenant as it is listed now.
    pub(super) async fn share(&self, http: &Http) -> Result<Share, FeedError> {
        let Self { app, tenant, place, environment } = self;
        let found = list(http, app, place, *environment).await?.into_iter().find(|it| it.tenant == *tenant);
        let problem = "the app's list of applications does not have the tenant, or has it switched off";
        found.ok_or_else(|| FeedError::Disconnected { place: place.clone(), problem })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::feed::oneroster::OneRoster;
    use crate::feed::testing::{Answer, Heard, Server, context, counts};
    use crate::feed::{App, OneRosterSettings};

    fn app(server: &Server) -> ClassLinkApp {
        let text = format!("partner_key = \"canary-partner\"\nurl = \"{}\"\ntime_zone = \"UTC\"", server.url);
        toml::from_str(&text).unwrap()
    }

    fn environment(_: &str) -> Option<String> {
        None
    }

    fn row(application: u32, tenant: u32) -> Value {
        json!({ "id": 1, "application_id": application, "tenant_id": tenant, "bearer": format!("bearer-{application}"),
            "enabled": "true", "tenant_status": "Active", "oneroster_application_id": "%2FgVa0ed75Gs%3D", "name": "x" })
    }

    fn with(mut row: Value, key: &str, value: Value) -> Value {
        row[key] = value;
        row
    }

    fn page(rows: &[Value]) -> Answer {
        Answer::json(&json!({ "status": 1, "applications": rows }))
    }

    /// protocols.md 3.1: no total is sent, pages may be short, and what is not active with a bearer is not usable.
    #[tokio::test]
    async fn the_list_is_read_to_its_empty_page_and_has_what_can_be_used() {
        let server = Server::start(|_, heard: &Heard| match heard.number("offset") {
            0 => page(&[
                row(3, 30),
                with(row(4, 40), "bearer", Value::Null),
                with(row(5, 50), "enabled", json!("false")),
            ]),
            3 => page(&[
                with(row(6, 60), "tenant_status", json!("Inactive")),
                with(row(7, 70), "oneroster_application_id", json!("//elsewhere.example/x")),
                with(row(8, 80), "enabled", json!(true)),
                with(row(9, 30), "bearer", json!("second-application")),
                with(row(1, 90), "tenant_id", json!("90")),
            ]),
            8 => page(&[]),
            offset => panic!("{offset}"),
        })
        .await;
        let found = shares(&app(&server), environment, None).await.unwrap();
        let tenants: Vec<&str> = found.iter().map(|it| it.tenant.as_str()).collect();
        assert_eq!(tenants, ["30", "80", "90"]);
        let base = format!("{}/%2FgVa0ed75Gs%3D/ims/oneroster/v1p1", server.url);
        assert_eq!(found[0].base.as_str(), base, "the id stands in the path as it came");
        assert!(server.heard().iter().all(|it| it.authorization == "Bearer canary-partner"));
        assert!(!format!("{found:?}").contains("bearer-3"));
    }

    /// A list that never ends is no list: the districts of half of it would look as if the others had left.
    #[tokio::test]
    async fn a_server_that_begins_anew_on_each_page_is_refused() {
        let server = Server::start(|_, _| page(&[row(1, 10)])).await;
        let error = shares(&app(&server), environment, None).await.unwrap_err();
        assert!(matches!(error, FeedError::Loop { .. }), "{error}");
        assert_eq!(server.heard().len(), 2);
    }

    fn feed(server: &Server) -> OneRoster {
        let app = app(server);
        OneRoster::open(&OneRosterSettings::of_app(&app, "10"), context(vec![App::ClassLink(app)])).unwrap()
    }

    /// protocols.md 3.2: "On 401: re-list /applications; new bearer, retry once; same bearer, authorization withdrawn."
    #[tokio::test]
    async fn a_bearer_is_looked_up_once_more_and_the_same_one_is_an_end() {
        let replaced = |at: usize, heard: &Heard| match (heard.collection(), heard.query.get("offset")) {
            ("applications", Some(offset)) if offset == "0" => {
                page(&[with(row(1, 10), "bearer", json!(if at < 2 { "old" } else { "new" }))])
            }
            ("applications", _) => page(&[]),
            _ if heard.authorization == "Bearer old" => Answer::status(401),
            (collection, _) => Answer::json(&json!({ collection: [] })),
        };
        let server = Server::start(replaced).await;
        assert_eq!(counts(&feed(&server).pull().await.unwrap()), [0; 6]);
        let withdrawn = Server::start(move |_, heard| replaced(0, heard)).await;
        let error = feed(&withdrawn).pull().await.unwrap_err();
        assert!(matches!(error, FeedError::Unauthorized { .. }), "{error}");
        let heard: Vec<String> = withdrawn.heard().iter().map(|it| it.collection().to_owned()).collect();
        assert_eq!(heard, ["applications", "applications", "orgs", "applications", "applications"]);
    }
}
