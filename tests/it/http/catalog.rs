//! Purchases and the catalog.

use reqwest::Method;
use serde_json::{Value, json};

use super::{ask, ended, get, is_problem, post, verify_clean};
use crate::support::daemon::{DAY_1, Installation};

/// C7, S4.25, S4.27: two verbs; a refresh is answered with the last result while it cools down, and a purchase is idempotent.
#[tokio::test]
async fn a_purchase_is_put_and_the_catalog_refreshed_by_whoever_manages_all_or_this_district() {
    let installation = Installation::new("apply", "");
    let all = installation.token("all", &["--scope", "admin"]);
    let token = installation.token("crm", &["--scope", "manage", "--scope", "read"]);
    let other = installation.token("other", &["--scope", "manage", "--district", "by-hand"]);
    let daemon = installation.start(DAY_1).await;
    ended(&daemon, &all, &post(&daemon, "/v1/syncs", &all, &json!({ "district": "mulberry-springs" })).await).await;
    let path = "/v1/subscriptions/CRM-1";
    let put =
        async |token: &str, body: &Value| ask(&daemon, Method::PUT, path, Some(token), Some(body.to_string())).await;
    let with = |key: &str, value: Value| {
        let mut body = json!({
            "district": "mulberry-springs", "product": "math", "seats": 3, "starts_on": "2025-07-01",
            "expires_on": "2026-06-30",
        });
        body[key] = value;
        body
    };
    let good = with("grace_days", json!(30));
    is_problem(&put(&other, &good).await, 403);
    is_problem(&put(&token, &with("district", json!("nowhere"))).await, 404);
    let wrong = put(&token, &with("seats", json!("many"))).await;
    is_problem(&wrong, 422);
    assert!(wrong.body["detail"].as_str().unwrap().contains("#/seats"), "{}", wrong.body);
    is_problem(&put(&token, &with("id", json!("CRM-2"))).await, 422);

    let run = ended(&daemon, &token, &put(&token, &good).await).await;
    assert_eq!((&run["trigger"], &run["requested_by"]), (&json!("catalog"), &json!("token:crm")));
    assert_eq!(
        (&run["seats"]["granted"], &run["status"]),
        (&json!(2), &json!("applied")),
        "S0.2: both who waited have a seat"
    );
    let again = put(&token, &good).await;
    assert_eq!((again.status.as_u16(), &again.body["changed"]), (200, &json!(false)), "{}", again.body);

    // The look at the start of the daemon was a moment ago.
    let refresh = async |token: &str| post(&daemon, "/v1/catalog/refresh", token, &json!({})).await;
    is_problem(&refresh(&other).await, 403);
    let answer = refresh(&token).await;
    assert_eq!((answer.status.as_u16(), &answer.body["refreshed"]), (200, &json!(false)), "{}", answer.body);
    assert!(answer.body["next_at"].as_str().unwrap() > answer.body["at"].as_str().unwrap());
    let shown = get(&daemon, "/v1/catalog", &token).await;
    assert_eq!((shown.status.as_u16(), &shown.body["error"]), (200, &Value::Null));
    daemon.stop().await;

    let text = std::fs::read_to_string(installation.path("rosterd.toml")).unwrap();
    installation.configure(&text.replace("[catalog]\n", "[catalog]\ncool_down_minutes = 0\n"));
    let daemon = installation.start("2025-10-06T21:00:00Z").await;
    let answer = post(&daemon, "/v1/catalog/refresh", &token, &json!({})).await;
    assert_eq!((&answer.body["refreshed"], &answer.body["outcome"]), (&json!(true), &json!("unchanged")));
    std::fs::write(installation.path("catalog.toml"), "[[product]]\ncod = 1\n").unwrap();
    let answer = post(&daemon, "/v1/catalog/refresh", &token, &json!({})).await;
    assert_eq!((&answer.body["outcome"], answer.status.as_u16()), (&json!("failed"), 200));
    assert!(answer.body["error"].as_str().unwrap().contains("catalog.toml:2"), "{}", answer.body);
    daemon.stop().await;
}

/// S4.25, S4.42: a purchase in which two zeros were lost answers 409 with what would end and how to say that it is meant; only then,
/// with a reason, and only for exactly that purchase, is it taken.
#[tokio::test]
async fn s4_42_a_purchase_that_takes_too_many_seats_is_a_conflict_until_it_is_accepted() {
    let installation = Installation::new("apply", "");
    let all = installation.token("all", &["--scope", "admin"]);
    let token = installation.token("crm", &["--scope", "manage", "--scope", "read"]);
    let daemon = installation.start(DAY_1).await;
    ended(&daemon, &all, &post(&daemon, "/v1/syncs", &all, &json!({ "district": "mulberry-springs" })).await).await;
    let holders = async || {
        let seats = get(&daemon, "/v1/districts/mulberry-springs/products/device-care/seats", &all).await.body;
        seats["holders"].as_array().unwrap().clone()
    };
    let before = holders().await;
    // Seats are taken back only while use is being reported.
    let used = json!({ "user": before[0]["user"], "product": "device-care", "last_used_at": "2025-10-06T20:03:00Z" });
    let report = json!({ "activity": [used] });
    ended(&daemon, &all, &post(&daemon, "/v1/districts/mulberry-springs/activity", &all, &report).await).await;

    let body = |seats: u64| {
        json!({
            "district": "mulberry-springs", "product": "device-care", "seats": seats, "starts_on": "2025-07-01",
            "expires_on": "2026-06-30", "on_shrink": "reclaim", "remediate_days": 0,
        })
    };
    let put = async |query: &str, seats: u64| {
        let path = format!("/v1/subscriptions/SUB-1003{query}");
        ask(&daemon, Method::PUT, &path, Some(&token), Some(body(seats).to_string())).await
    };
    let lost = before.len() - 3;
    let refused = put("", 3).await;
    is_problem(&refused, 409);
    let detail = refused.body["detail"].as_str().unwrap();
    let line = format!("HELD district/product:device-care/released: {lost} of {} seats would end", before.len());
    for word in [line.as_str(), "it is not taken before you say that it is meant", "?accept="] {
        assert!(detail.contains(word), "`{word}`: {detail}");
    }
    let hold = &refused.body["held"][0]["holds"][0];
    assert_eq!((&hold["count"], &refused.body["held"][0]["district"]), (&json!(lost), &json!("mulberry-springs")));
    let hash = refused.body["hash"].as_str().unwrap();
    let meant = format!("?accept={hash}&reason=they%20cancelled");
    is_problem(&put(&format!("?accept={hash}"), 3).await, 422);
    is_problem(&put("?accept=0000&reason=x", 3).await, 409);
    is_problem(&put(&meant, 4).await, 409);
    is_problem(&put("?accepted=x", 3).await, 400);
    assert_eq!(holders().await.len(), before.len(), "nothing was taken");

    let run = ended(&daemon, &token, &put(&meant, 3).await).await;
    assert_eq!(
        (&run["seats"]["released"], &run["requested_by"], &run["reason"]),
        (&json!(lost), &json!("token:crm"), &json!("they cancelled")),
        "{run}"
    );
    let again = put("", 3).await;
    assert_eq!((again.status.as_u16(), &again.body["changed"]), (200, &json!(false)), "{}", again.body);
    daemon.stop().await;
    verify_clean(&installation);
}
