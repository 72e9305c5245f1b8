use std::collections::BTreeSet;
use std::sync::Once;

use reqwest::Client;
use reqwest::ClientBuilder;
use reqwest::Response;
use reqwest::StatusCode;
use serde_json::Value;
use serde_json::json;

use super::fixtures;
use super::serve;
use crate::simulate::Quirks;
use crate::simulate::Server;
use crate::simulate::Version;
use crate::simulate::http::encode;
use crate::simulate::oauth1;

/// A client that sees what is on the wire: no redirects followed.
fn client() -> Client {
    builder().build().unwrap()
}

fn builder() -> ClientBuilder {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    Client::builder().redirect(reqwest::redirect::Policy::none())
}

async fn bearer(server: &Server, path: &str) -> Response {
    let url = format!("{}{path}", server.base_url());
    client().get(url).bearer_auth("mulberry-springs-bearer").send().await.unwrap()
}

async fn mulberry(server: &Server, rest: &str) -> Response {
    bearer(server, &format!("/mulberry-springs/ims/oneroster/v1p1/{rest}")).await
}

async fn body(response: Response) -> Value {
    let text = response.text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
}

fn count(value: &Value, key: &str) -> usize {
    value[key].as_array().unwrap().len()
}

/// The ids of all pages, by offset and rows received.
async fn pull(server: &Server, base: &str, endpoint: &str, token: &str) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut offset = 0;
    loop {
        let url = format!("{base}/{endpoint}?limit=100&offset={offset}&sort=sourcedId&orderBy=asc");
        let response = client().get(url).bearer_auth(token).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{:?}", server.log().last());
        let page = body(response).await;
        let rows = page.as_object().unwrap().values().next().unwrap().as_array().unwrap().clone();
        if rows.is_empty() {
            return ids;
        }
        offset += rows.len();
        ids.extend(rows.iter().map(|row| row["sourcedId"].as_str().unwrap().to_owned()));
    }
}

/// The district's token from Clever's list.
async fn clever_token(server: &Server) -> Option<String> {
    let url = format!("{}/oauth/tokens?owner_type=district", server.base_url());
    let response = client().get(url).basic_auth("clever-client", Some("clever-secret")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    body(response).await["data"][0]["access_token"].as_str().map(str::to_owned)
}

async fn clever(server: &Server, token: &str, path: &str) -> Response {
    client().get(format!("{}{path}", server.base_url())).bearer_auth(token).send().await.unwrap()
}

#[tokio::test]
async fn one_roster_1_2_with_oauth_2_serves_every_record_of_mulberry_springs() {
    let server = serve("").await;
    let response = client()
        .post(server.token_url("mulberry-springs"))
        .basic_auth("mulberry-springs-client", Some("mulberry-springs-client-secret"))
        .form(&[
            ("grant_type", "client_credentials"),
            ("scope", "https://purl.imsglobal.org/spec/or/v1p2/scope/roster-core.readonly"),
        ])
        .send()
        .await
        .unwrap();
    let token = body(response).await["access_token"].as_str().unwrap().to_owned();
    let base = server.oneroster_url("mulberry-springs", Version::V1p2);
    for (endpoint, expected) in [("orgs", 4), ("classes", 119), ("users", 268), ("enrollments", 1855)] {
        assert_eq!(pull(&server, &base, endpoint, &token).await.len(), expected, "{endpoint}");
    }
    let nested = client().get(format!("{base}/schools/x/classes")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(nested.status(), StatusCode::NOT_FOUND);
    let wrong_version = server.oneroster_url("mulberry-springs", Version::V1p1);
    let refused = client().get(format!("{wrong_version}/orgs")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN, "the scope is 1.2's");
    server.stop().await;
}

#[tokio::test]
async fn a_signed_request_is_good_once() {
    let server = serve("").await;
    let uri = format!("{}/users", server.oneroster_url("mulberry-springs", Version::V1p1));
    let filter = "role='student' AND status='active'";
    let now = crate::simulate::clock::unix_seconds().to_string();
    let oauth = [
        ("oauth_consumer_key", "mulberry-springs-key"),
        ("oauth_nonce", "n-1"),
        ("oauth_signature_method", "HMAC-SHA256"),
        ("oauth_timestamp", now.as_str()),
    ];
    let all = [("limit", "5"), ("filter", filter)].into_iter().chain(oauth);
    let all: Vec<_> = all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let base = oauth1::base_string("GET", &uri, &all);
    let signature = oauth1::signature("HMAC-SHA256", &base, "mulberry-springs-secret", "").unwrap();
    let fields: Vec<_> = oauth.iter().map(|(name, value)| format!("{name}=\"{}\"", encode(value))).collect();
    let header = format!("OAuth {}, oauth_signature=\"{}\"", fields.join(", "), encode(&signature));
    let send = || {
        let request = client().get(format!("{uri}?limit=5&filter={}", encode(filter)));
        request.header("authorization", &header).send()
    };
    let first = send().await.unwrap();
    assert_eq!(first.headers()["x-total-count"], "248");
    assert_eq!(count(&body(first).await, "users"), 5);
    let again = send().await.unwrap();
    assert_eq!(again.status(), StatusCode::UNAUTHORIZED);
    let refused = body(again).await;
    assert_eq!(refused["imsx_CodeMinor"]["imsx_codeMinorField"][0]["imsx_codeMinorFieldValue"], "unauthorisedrequest");
}

#[tokio::test]
async fn users_have_the_shape_of_their_version() {
    let server = serve("").await;
    let id = "486ae4a6-7845-4127-b835-4cca207f035d";
    let old = body(mulberry(&server, &format!("users/{id}")).await).await["user"].clone();
    assert_eq!((&old["role"], &old["enabledUser"]), (&json!("administrator"), &json!("true")));
    assert_eq!(old["orgs"][0]["type"], "org");
    let path = format!("/mulberry-springs/ims/oneroster/rostering/v1p2/users/{id}");
    let new = body(bearer(&server, &path).await).await["user"].clone();
    assert_eq!((new.get("role"), new.get("orgs")), (None, None));
    assert_eq!(new["roles"][0]["role"], "siteAdministrator");
    assert_eq!(new["primaryOrg"]["sourcedId"], old["orgs"][0]["sourcedId"]);
    let href = new["primaryOrg"]["href"].as_str().unwrap();
    assert!(href.starts_with(&server.oneroster_url("mulberry-springs", Version::V1p2)), "{href}");
}

#[tokio::test]
async fn pages_say_the_total_and_link_the_others() {
    let server = serve("").await;
    let response = mulberry(&server, "enrollments?limit=1000&offset=0").await;
    assert_eq!(response.headers()["x-total-count"], "1855");
    let link = response.headers()["link"].to_str().unwrap().to_owned();
    assert!(link.contains("/enrollments?limit=1000&offset=1000>; rel=\"next\""), "{link}");
    let last = mulberry(&server, "enrollments?limit=1000&offset=1000").await;
    assert!(!last.headers()["link"].to_str().unwrap().contains("next"));
    assert_eq!(count(&body(last).await, "enrollments"), 855);
    let beyond = body(mulberry(&server, "enrollments?offset=5000").await).await;
    assert_eq!(beyond, json!({ "enrollments": [] }));
    assert_eq!(count(&body(mulberry(&server, "users").await).await, "users"), 100, "100 rows unless asked");
}

#[tokio::test]
async fn filters_sorts_and_fields_work_and_nonsense_is_400() {
    let server = serve("").await;
    server.set_day(2);
    let changed = mulberry(&server, &format!("enrollments?filter={}", encode("dateLastModified<'2025-12-01'"))).await;
    assert_eq!(changed.headers()["x-total-count"], "29", "what day 2 added is dated 2025-10-07");
    let either = encode("role='teacher' OR role='administrator'");
    let either = mulberry(&server, &format!("users?limit=1&filter={either}")).await;
    assert_eq!(either.headers()["x-total-count"], "20");
    let fields = body(mulberry(&server, "users?limit=1&fields=sourcedId,role").await).await;
    assert_eq!(fields["users"][0].as_object().unwrap().len(), 2);
    let down = body(mulberry(&server, "classes?limit=2&sort=title&orderBy=desc").await).await;
    assert!(down["classes"][0]["title"].as_str() >= down["classes"][1]["title"].as_str());
    for nonsense in [
        "users?limit=0",
        "users?offset=-1",
        "users?sort=shoeSize",
        "users?fields=shoeSize",
        "users?filter=shoeSize%3D%2742%27",
        "users?filter=role",
        "users?orderBy=dsc",
    ] {
        assert_eq!(mulberry(&server, nonsense).await.status(), StatusCode::BAD_REQUEST, "{nonsense}");
    }
}

#[tokio::test]
async fn nested_routes_and_singles_find_theirs() {
    let server = serve("").await;
    let school = "c1b50cbc-d34b-4105-a276-5a836ea2a7b6";
    let total = |response: &Response| response.headers()["x-total-count"].to_str().unwrap().to_owned();
    assert_eq!(total(&mulberry(&server, &format!("schools/{school}/students")).await), "72");
    assert_eq!(total(&mulberry(&server, &format!("schools/{school}/classes")).await), "42");
    assert_eq!(total(&mulberry(&server, "schools").await), "3");
    assert_eq!(total(&mulberry(&server, "teachers").await), "16");
    assert_eq!(total(&mulberry(&server, "terms").await), "1");
    let class = "41465be3-a2f9-40c0-a01d-9150333ee2eb";
    assert_eq!(total(&mulberry(&server, &format!("classes/{class}/teachers")).await), "1");
    assert_eq!(total(&mulberry(&server, &format!("schools/{school}/classes/{class}/students")).await), "12");
    assert_eq!(mulberry(&server, "users/nobody").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(mulberry(&server, "pets").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn clever_serves_the_whole_district_by_its_next_links() {
    let server = serve("").await;
    let token = clever_token(&server).await.unwrap();
    let mut ids = BTreeSet::new();
    let mut next = Some("/v3.0/users?limit=100".to_owned());
    while let Some(path) = next {
        let response = clever(&server, &token, &path).await;
        assert_eq!(response.headers()["x-ratelimit-limit"], "1200");
        let page = body(response).await;
        ids.extend(page["data"].as_array().unwrap().iter().map(|row| row["data"]["id"].to_string()));
        let link = page["links"].as_array().unwrap().iter().find(|link| link["rel"] == "next");
        next = link.map(|link| link["uri"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 710);
    assert_eq!(server.requests(), 9, "the token list and eight pages");
}

#[tokio::test]
async fn clever_errors_are_those_of_the_recordings() {
    let server = serve("").await;
    let token = clever_token(&server).await.unwrap();
    assert_eq!(clever(&server, &token, "/v3.0/users?limit=10001").await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(clever(&server, "wrong", "/v3.0/users").await.status(), StatusCode::UNAUTHORIZED);
    let unknown = clever(&server, &token, "/v3.0/users/000000000000000000000000").await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    assert!(body(unknown).await["message"].is_string());
    let route = clever(&server, &token, "/v3.0/teachers").await;
    assert_eq!(route.status(), StatusCode::NOT_FOUND);
    assert!(route.text().await.unwrap().contains("<pre>Cannot GET /v3.0/teachers</pre>"));
    assert_eq!(body(clever(&server, &token, "/v3.1/resources").await).await, json!({ "resources": [] }));
    let counted = body(clever(&server, &token, "/v3.0/users?count=true&limit=1&role=teacher").await).await;
    assert_eq!(counted["count"], 5);
}

#[tokio::test]
async fn clever_sub_resources_agree_with_the_sections() {
    let server = serve("").await;
    let token = clever_token(&server).await.unwrap();
    let section = "/v3.0/sections/58da8c6a894273be68000182";
    let members = body(clever(&server, &token, &format!("{section}/users")).await).await;
    assert_eq!(count(&members, "data"), 27, "26 students and the teacher");
    let course = body(clever(&server, &token, &format!("{section}/course")).await).await;
    assert_eq!(course["links"][0]["uri"], "/v3.0/courses/5970d4de35e9e69741000277");
    let teachers = body(clever(&server, &token, "/v3.0/users/58da8c63d7dc0ca06800040a/myteachers").await).await;
    assert!(count(&teachers, "data") > 0);
    let contacts = body(clever(&server, &token, "/v3.0/users/58da8c63d7dc0ca0680003ed/mycontacts").await).await;
    assert_eq!(count(&contacts, "data"), 1);
}

#[tokio::test]
async fn a_vanished_district_is_gone_from_the_list_and_its_data_forbidden() {
    let server = serve("").await;
    let token = clever_token(&server).await.unwrap();
    server.set_quirks(Quirks::parse("vanished").unwrap());
    assert_eq!(clever_token(&server).await, None);
    assert_eq!(clever(&server, &token, "/v3.0/users").await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_spent_clever_token_is_replaced_in_the_list() {
    let server = serve("expire-token=2").await;
    let old = clever_token(&server).await.unwrap();
    let status = async |token: &str| clever(&server, token, "/v3.0/schools").await.status();
    assert_eq!((status(&old).await, status(&old).await), (StatusCode::OK, StatusCode::OK));
    assert_eq!(status(&old).await, StatusCode::UNAUTHORIZED);
    let new = clever_token(&server).await.unwrap();
    assert_ne!(old, new);
    assert_eq!((status(&new).await, status(&old).await), (StatusCode::OK, StatusCode::UNAUTHORIZED));
}

#[tokio::test]
async fn a_paused_district_says_so_and_a_day_moves_its_last_sync() {
    let server = serve("district-state=paused").await;
    let token = clever_token(&server).await.unwrap();
    let district = async || body(clever(&server, &token, "/v3.0/districts").await).await["data"][0]["data"].clone();
    let first = district().await;
    assert_eq!((&first["state"], &first["last_sync"]), (&json!("paused"), &json!("2025-10-06T06:08:05.652Z")));
    server.set_day(2);
    assert_eq!(district().await["last_sync"], "2025-10-07T06:08:05.652Z");
}

#[tokio::test]
async fn drift_moves_the_total_or_the_last_sync_between_two_pages() {
    let server = serve("drift=1").await;
    let total = async || mulberry(&server, "users?limit=10").await.headers()["x-total-count"].clone();
    assert_eq!((total().await, total().await), ("268".parse().unwrap(), "267".parse().unwrap()));
    let token = clever_token(&server).await.unwrap();
    let synced =
        async || body(clever(&server, &token, "/v3.0/districts").await).await["data"][0]["data"]["last_sync"].clone();
    let before = synced().await;
    clever(&server, &token, "/v3.0/users").await;
    assert_eq!(synced().await, before);
    clever(&server, &token, "/v3.0/users").await;
    assert_ne!(synced().await, before);
}

#[tokio::test]
async fn failures_come_first_and_then_the_answer() {
    let server = serve("html-502=1,error-500=1,retry-after=7").await;
    let first = mulberry(&server, "orgs").await;
    assert_eq!((first.status(), &first.headers()["retry-after"]), (StatusCode::BAD_GATEWAY, &"7".parse().unwrap()));
    assert!(first.text().await.unwrap().starts_with("<html>"));
    assert_eq!(mulberry(&server, "orgs").await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(mulberry(&server, "orgs").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn over_the_rate_limit_clever_says_when_it_ends() {
    let server = serve("rate-limit=1").await;
    let token = clever_token(&server).await.unwrap();
    let mut refused = None;
    // a request may open a new window, but of many in a row some fall into one
    for _ in 0..50 {
        let response = clever(&server, &token, "/v3.0/schools?limit=1").await;
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(response);
            break;
        }
    }
    let refused = refused.unwrap();
    assert_eq!(refused.headers()["x-ratelimit-remaining"], "0");
    assert!(refused.headers()["x-ratelimit-reset"].to_str().unwrap().parse::<u64>().unwrap() > 1_700_000_000);
}

#[tokio::test]
async fn each_quirk_of_a_page_does_what_its_name_says() {
    let server = serve("").await;
    let first = async |quirks: &str, rest: &str| {
        server.set_quirks(Quirks::parse(quirks).unwrap());
        mulberry(&server, rest).await
    };
    assert!(!first("no-total", "orgs").await.headers().contains_key("x-total-count"));
    assert_eq!(first("wrong-total", "orgs").await.headers()["x-total-count"], "11");
    assert_eq!(count(&body(first("clamp=3", "users?limit=50").await).await, "users"), 3);
    assert_eq!(body(first("bool-json", "users?limit=1").await).await["users"][0]["enabledUser"], true);
    assert_eq!(body(first("bool-int", "users?limit=1").await).await["users"][0]["enabledUser"], 1);
    assert_eq!(first("no-sort", "users?sort=sourcedId").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(first("empty=orgs,no-content", "orgs").await.status(), StatusCode::NO_CONTENT);
    assert_eq!(body(first("empty=orgs,empty-object", "orgs").await).await, json!({}));
    let cut = first("truncate=orgs", "orgs").await.text().await.unwrap();
    assert!(cut.starts_with("{\"orgs\":") && serde_json::from_str::<Value>(&cut).is_err());
    let login = first("html-login", "orgs").await;
    assert_eq!(
        (login.status(), login.headers()["content-type"].to_str().unwrap().contains("html")),
        (StatusCode::OK, true)
    );
    let moved = first("redirect", "orgs").await;
    assert_eq!(moved.status(), StatusCode::FOUND);
    let link = first("link-foreign", "users").await.headers()["link"].to_str().unwrap().to_owned();
    assert!(link.starts_with("<http://elsewhere.example/"));
    let link = first("link-off-by-one", "users").await.headers()["link"].to_str().unwrap().to_owned();
    assert!(link.contains("offset=101>; rel=\"next\""), "{link}");
    let one = body(first("repeat-page", "users?limit=2").await).await;
    assert_eq!(body(first("repeat-page", "users?limit=2&offset=2").await).await, one);
    let extra = body(first("extra-fields", "orgs").await).await;
    assert!(extra["orgs"][0]["x_vendorField"].is_object());
    let plain = first("", "orgs").await.text().await.unwrap();
    let other = first("reorder-keys", "orgs").await.text().await.unwrap();
    assert!(
        plain != other
            && serde_json::from_str::<Value>(&plain).unwrap() == serde_json::from_str::<Value>(&other).unwrap()
    );
}

#[tokio::test]
async fn the_quirks_of_pages_reach_clever_too() {
    let server = serve("").await;
    let token = clever_token(&server).await.unwrap();
    let first = async |quirks: &str, path: &str| {
        server.set_quirks(Quirks::parse(quirks).unwrap());
        clever(&server, &token, path).await
    };
    let page = body(first("clamp=3", "/v3.0/users?limit=50").await).await;
    assert_eq!((count(&page, "data"), count(&page, "links")), (3, 2), "the page is short and not the last");
    let page = body(first("link-foreign", "/v3.0/users").await).await;
    assert!(page["links"][1]["uri"].as_str().unwrap().starts_with("http://elsewhere.example/v3.0/users"));
    let one = body(first("repeat-page", "/v3.0/users?limit=2").await).await;
    let after = one["data"][1]["data"]["id"].as_str().unwrap().to_owned();
    let two = body(first("repeat-page", &format!("/v3.0/users?limit=2&starting_after={after}")).await).await;
    assert_eq!(one["data"], two["data"]);
    assert_eq!(count(&body(first("empty=sections", "/v3.0/sections").await).await, "data"), 0);
    let cut = first("truncate=users", "/v3.0/users").await.text().await.unwrap();
    assert!(serde_json::from_str::<Value>(&cut).is_err());
    assert!(first("html-login", "/v3.0/users").await.text().await.unwrap().starts_with("<!DOCTYPE html>"));
    assert_eq!(
        first("only=mulberry-springs,html-login", "/v3.0/terms").await.headers()["x-ratelimit-bucket"],
        "bearer"
    );
}

#[tokio::test]
async fn a_token_of_one_roster_expires_after_its_uses_and_only_its_own_client_gets_another() {
    let server = serve("expire-token=1").await;
    let ask = async |secret: &str, grant: &str| {
        let request = client().post(server.token_url("pomegranate-charter"));
        let form = [("grant_type", grant), ("client_id", "pomegranate-charter-client"), ("client_secret", secret)];
        request.form(&form).send().await.unwrap()
    };
    let wrong = ask("guessed", "client_credentials").await;
    assert_eq!((wrong.status(), body(wrong).await), (StatusCode::UNAUTHORIZED, json!({ "error": "invalid_client" })));
    assert_eq!(ask("pomegranate-charter-client-secret", "password").await.status(), StatusCode::BAD_REQUEST);
    let url = format!("{}/orgs", server.oneroster_url("pomegranate-charter", Version::V1p2));
    for _ in 0..2 {
        let issued = body(ask("pomegranate-charter-client-secret", "client_credentials").await).await;
        let token = issued["access_token"].as_str().unwrap();
        let orgs = async || client().get(&url).bearer_auth(token).send().await.unwrap().status();
        assert_eq!((orgs().await, orgs().await), (StatusCode::OK, StatusCode::UNAUTHORIZED));
    }
    let elsewhere = format!("{}/orgs", server.oneroster_url("mulberry-springs", Version::V1p2));
    let issued = body(ask("pomegranate-charter-client-secret", "client_credentials").await).await;
    let request = client().get(elsewhere).bearer_auth(issued["access_token"].as_str().unwrap());
    assert_eq!(request.send().await.unwrap().status(), StatusCode::UNAUTHORIZED, "a token opens its own district");
}

#[tokio::test]
async fn unsorted_pages_overlap_unless_a_sort_is_asked() {
    let server = serve("unsorted-overlap").await;
    let ids = async |rest: &str| -> Vec<String> {
        let page = body(mulberry(&server, rest).await).await;
        page["users"].as_array().unwrap().iter().map(|user| user["sourcedId"].to_string()).collect()
    };
    let (one, two) = (ids("users?limit=50").await, ids("users?limit=50&offset=50").await);
    assert_eq!(one.last(), two.first());
    let (one, two) = (ids("users?limit=50&sort=sourcedId").await, ids("users?limit=50&offset=50&sort=sourcedId").await);
    assert!(one.last() < two.first());
}

#[tokio::test]
async fn tombstones_keep_who_left() {
    let server = serve("tombstones").await;
    server.set_day(2);
    let gone = async |word: &str| {
        let filter = encode(&format!("status='{word}'"));
        mulberry(&server, &format!("users?filter={filter}")).await.headers()["x-total-count"].clone()
    };
    assert_eq!(gone("tobedeleted").await, "2");
    server.set_quirks(Quirks::parse("inactive").unwrap());
    assert_eq!(gone("inactive").await, "2");
}

#[tokio::test]
async fn the_classlink_proxy_serves_by_application_and_its_encoded_id() {
    let server = serve("").await;
    let list = client().get(format!("{}/applications?limit=10000", server.base_url()));
    let list = body(list.bearer_auth("classlink-partner").send().await.unwrap()).await;
    let application = &list["applications"][0];
    assert_eq!((&application["tenant_name"], &application["enabled"]), (&json!("mulberry-springs"), &json!("true")));
    let id = application["oneroster_application_id"].as_str().unwrap();
    assert!(id.starts_with("%2F"), "{id}");
    let url = format!("{}/{id}/ims/oneroster/v1p1/users?limit=5", server.base_url());
    let page = client().get(&url).bearer_auth(application["bearer"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(
        (&page.headers()["x-count"], &page.headers()["x-total-count"]),
        (&"5".parse().unwrap(), &"268".parse().unwrap())
    );
    assert_eq!(client().get(&url).bearer_auth("wrong").send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_levers_work_over_http_and_are_not_counted() {
    let server = serve("").await;
    let post = async |path: &str, value: Value| {
        let request = client().post(format!("{}{path}", server.base_url()));
        let request = request.header("content-type", "application/json").body(value.to_string());
        request.send().await.unwrap()
    };
    assert_eq!(body(post("/_simulate/day", json!({ "day": 2 })).await).await["day"], 2);
    assert_eq!(server.day(), 2);
    let refused = post("/_simulate/quirks", json!({ "quirks": "no-totl" })).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(body(refused).await["message"], "unknown quirk `no-totl`; did you mean `no-total`?");
    assert_eq!(body(post("/_simulate/quirks", json!({ "quirks": "no-total" })).await).await["quirks"], "no-total");
    let about = body(client().get(format!("{}/_simulate/", server.base_url())).send().await.unwrap()).await;
    assert_eq!(about["districts"][1]["oauth1"]["key"], "mulberry-springs-key");
    assert_eq!(server.requests(), 0);
    mulberry(&server, "orgs?limit=1").await;
    let logged = server.log();
    let expected = ("GET", "/mulberry-springs/ims/oneroster/v1p1/orgs?limit=1", 200);
    assert_eq!((logged[0].method.as_str(), logged[0].path.as_str(), logged[0].status), expected);
}

#[tokio::test]
async fn answers_are_gzipped_for_who_accepts_it() {
    let server = serve("").await;
    let plain = builder().gzip(false).build().unwrap();
    let url = format!("{}/users", server.oneroster_url("mulberry-springs", Version::V1p1));
    let request = plain.get(url).bearer_auth("mulberry-springs-bearer").header("accept-encoding", "gzip");
    assert_eq!(request.send().await.unwrap().headers()["content-encoding"], "gzip");
}

/// Each subscription of the demo's catalog names a district and schools that are there.
#[test]
fn the_catalogs_name_districts_and_schools_of_the_fixtures() {
    let catalogs = ["catalog.toml", "vendors/by-assignment/catalog.toml", "vendors/site-license/catalog.toml"];
    let more = ["vendors/role-based/catalog.toml", "vendors/active-students/catalog.toml"];
    for path in catalogs.into_iter().chain(more) {
        let text = std::fs::read_to_string(fixtures().join(path)).unwrap();
        let catalog: toml::Table = toml::from_str(&text).unwrap();
        let products: BTreeSet<_> =
            catalog["product"].as_array().unwrap().iter().map(|product| product["code"].as_str().unwrap()).collect();
        for subscription in catalog["subscription"].as_array().unwrap() {
            assert!(products.contains(subscription["product"].as_str().unwrap()), "{path}");
            let district = subscription["district"].as_str().unwrap();
            let root = fixtures();
            let folder = if path.contains('/') { root.join("vendors") } else { root }.join(district);
            let orgs = ["orgs.csv", "schools.json"].map(|file| std::fs::read_to_string(folder.join(file)));
            let orgs = orgs.into_iter().flatten().collect::<String>();
            assert!(!orgs.is_empty(), "{path}: {district}");
            for allotment in subscription.get("allotments").and_then(toml::Value::as_array).into_iter().flatten() {
                assert!(orgs.contains(allotment["school"].as_str().unwrap()), "{path}: {district}");
            }
        }
    }
}
