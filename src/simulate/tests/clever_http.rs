use std::collections::BTreeSet;

use reqwest::StatusCode;
use serde_json::Value;
use serde_json::json;

use super::serve;
use super::wire::body;
use super::wire::clever;
use super::wire::clever_token;
use super::wire::count;
use crate::simulate::Quirks;

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
