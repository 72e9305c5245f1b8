//! Runs over HTTP: decided, cancelled and taken back.

use serde_json::json;

use super::{ended, get, is_problem, post};
use crate::support::daemon::{DAY_1, Installation};

/// U6.
#[tokio::test]
async fn a_held_first_sync_is_approved_over_http_by_its_hash_alone() {
    let installation = Installation::new("review", "");
    let token = installation.token("ci", &["--scope", "admin"]);
    let daemon = installation.start(DAY_1).await;
    let asked = post(&daemon, "/v1/syncs", &token, &json!({ "district": "mulberry-springs" })).await;
    let held = ended(&daemon, &token, &asked).await;
    assert_eq!(held["status"], "held");
    let approve = format!("/v1/runs/{}/approve", held["run"].as_str().unwrap());
    is_problem(&post(&daemon, &approve, &token, &json!({ "hash": "0000" })).await, 409);
    is_problem(&post(&daemon, &approve, &token, &json!({ "groups": ["district/nothing"] })).await, 422);
    let body = json!({ "hash": held["plan_hash"], "reason": "looks right" });
    let decided = ended(&daemon, &token, &post(&daemon, &approve, &token, &body).await).await;
    assert_eq!((decided["status"].as_str(), decided["trigger"].as_str()), (Some("applied"), Some("approval")));
    is_problem(&post(&daemon, &approve, &token, &body).await, 409);
    // what cannot be taken back any more says so
    for (run, verb, status) in [
        (&decided, "revert", 409),
        (&decided, "cancel", 409),
        (&held, "revert", 409),
        (&json!({ "run": "NONE" }), "revert", 404),
    ] {
        let path = format!("/v1/runs/{}/{verb}", run["run"].as_str().unwrap());
        is_problem(&post(&daemon, &path, &token, &json!({ "reason": "a mistake" })).await, status);
    }
    let rows = get(&daemon, "/v1/districts/mulberry-springs/licenses?product=reading", &token).await.body;
    assert_eq!((rows[0]["total"].as_u64(), rows[0]["assigned"].as_u64()), (Some(70), Some(70)));
    let seats = get(&daemon, "/v1/districts/mulberry-springs/products/reading/seats", &token).await.body;
    assert_eq!(seats["holders"].as_array().unwrap().len(), 70);
    daemon.stop().await;
}
