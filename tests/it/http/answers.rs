//! Use that is reported, and what support asks: explain, suggestions, reports.

use serde_json::{Value, json};

use super::{ended, get, is_problem, post};
use crate::support::daemon::{DAY_1, Installation};

/// interface.md, HTTP: use is reported per entry, and a user is explained by query.
#[tokio::test]
async fn use_is_reported_in_bulk_and_a_user_is_explained() {
    let installation = Installation::new("apply", "");
    let token = installation.token("all", &["--scope", "admin"]);
    let daemon = installation.start(DAY_1).await;
    ended(&daemon, &token, &post(&daemon, "/v1/syncs", &token, &json!({ "district": "mulberry-springs" })).await).await;
    let seats = "/v1/districts/mulberry-springs/products/device-care/seats";
    let user = get(&daemon, seats, &token).await.body["holders"][0]["user"].as_str().unwrap().to_owned();

    let path = "/v1/districts/mulberry-springs/activity";
    // after the sync that gave the seat, and not further ahead than a clock may be
    let at = "2025-10-06T20:03:00Z";
    let entry = |user: &str| json!({ "user": user, "product": "device-care", "last_used_at": at });
    let report = json!({ "activity": [entry(&user), entry("nobody")] });
    let first = post(&daemon, path, &token, &report).await;
    assert_eq!(first.body["rejected"][0]["index"], 1);
    let run = ended(&daemon, &token, &first).await;
    assert_eq!((&run["status"], &run["mode"]), (&"applied".into(), &"activity".into()), "{run}");
    let again = post(&daemon, path, &token, &report).await;
    assert_eq!((again.status.as_u16(), &again.body["run"], &again.body["unchanged"]), (200, &Value::Null, &1.into()));
    is_problem(&post(&daemon, path, &token, &json!({ "activity": [{ "user": user }] })).await, 422);
    is_problem(&post(&daemon, "/v1/districts/nowhere/activity", &token, &report).await, 404);

    let explain = "/v1/districts/mulberry-springs/explain";
    let answer = get(&daemon, &format!("{explain}?user={user}&product=device-care"), &token).await.body;
    assert_eq!((&answer["access"], &answer["broken"]), (&"yes".into(), &Value::Null), "{answer}");
    assert!(answer["seat"]["claimed_at"].is_string());
    let all = get(&daemon, &format!("{explain}?user={user}"), &token).await.body;
    assert_eq!(all.as_array().unwrap().len(), 4);
    is_problem(&get(&daemon, &format!("{explain}?user={user}&product=nothing"), &token).await, 404);
    daemon.stop().await;
}
