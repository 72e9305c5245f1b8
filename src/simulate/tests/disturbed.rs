use reqwest::StatusCode;
use serde_json::Value;
use serde_json::json;

use super::serve;
use super::wire::body;
use super::wire::clever;
use super::wire::clever_token;
use super::wire::client;
use super::wire::count;
use super::wire::mulberry;
use crate::simulate::Quirks;
use crate::simulate::Version;
use crate::simulate::http::encode;

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
