//! The manual verbs: what the command line does, with the same refusals and the same answers.

use reqwest::Method;
use serde_json::{Value, json};

use super::{ask, ended, get, is_problem, post};
use crate::support::daemon::{DAY_1, Installation, client, until};

#[tokio::test]
async fn an_override_is_set_and_cleared_as_a_run_of_whoever_asked() {
    let installation = Installation::new("apply", "");
    let all = installation.token("all", &["--scope", "admin"]);
    let token = installation.token("crm", &["--scope", "manage", "--scope", "read"]);
    let daemon = installation.start(DAY_1).await;
    ended(&daemon, &all, &post(&daemon, "/v1/syncs", &all, &json!({ "district": "mulberry-springs" })).await).await;
    let product = "/v1/districts/mulberry-springs/products/math";
    let seats = async || get(&daemon, &format!("{product}/seats"), &token).await.body;
    let user = seats().await["holders"][0]["user"].as_str().unwrap().to_owned();
    let path = format!("{product}/override?user={user}");
    let call = async |method: Method, path: &str, body: Value| {
        ask(&daemon, method, path, Some(&token), Some(body.to_string())).await
    };
    let exclude = json!({ "kind": "exclude", "reason": "moved to another course" });
    let run = ended(&daemon, &token, &call(Method::PUT, &path, exclude.clone()).await).await;
    assert_eq!((&run["mode"], &run["requested_by"]), (&json!("manual"), &json!("token:crm")));
    assert_eq!((&run["seats"]["released"], &run["seats"]["granted"]), (&json!(1), &json!(1)), "the next one has it");
    let holders = seats().await["holders"].to_string();
    assert!(!holders.contains(&user), "{holders}");
    let nobody = format!("{product}/override?user=NOBODY");
    is_problem(&call(Method::PUT, &nobody, exclude.clone()).await, 404);
    let educators = "/v1/districts/mulberry-springs/products/teacher-studio/override";
    is_problem(&call(Method::PUT, &format!("{educators}?user={user}"), exclude).await, 409);
    is_problem(&call(Method::PUT, &path, json!({ "kind": "exclude" })).await, 422);
    ended(&daemon, &token, &call(Method::DELETE, &path, json!({})).await).await;
    is_problem(&call(Method::DELETE, &path, json!({})).await, 409);
    assert!(seats().await["waitlist"].to_string().contains(&user), "back in line");
    daemon.stop().await;
}

/// S0.1, S0.4, S0.9: the verbs of the command line, the same refusals, and the number that is available.
#[tokio::test]
async fn the_manual_verbs_answer_over_http_with_a_run_or_with_what_is_available() {
    let installation = Installation::new("apply", "");
    let all = installation.token("all", &["--scope", "admin"]);
    let token = installation.token("crm", &["--scope", "manage", "--scope", "read"]);
    let daemon = installation.start(DAY_1).await;
    ended(&daemon, &all, &post(&daemon, "/v1/syncs", &all, &json!({ "district": "mulberry-springs" })).await).await;
    let district = "/v1/districts/mulberry-springs";
    let users = async |product: &str, list: &str| -> Vec<String> {
        let seats = get(&daemon, &format!("{district}/products/{product}/seats"), &token).await.body;
        seats[list].as_array().unwrap().iter().map(|it| it["user"].as_str().unwrap().to_owned()).collect()
    };
    let call = async |path: &str, body: Value| post(&daemon, &format!("{district}/{path}"), &token, &body).await;
    let done = async |path: &str, body: Value| {
        let run = ended(&daemon, &token, &call(path, body).await).await;
        assert_eq!(
            (&run["status"], &run["mode"], &run["trigger"]),
            (&json!("applied"), &json!("manual"), &json!("http"))
        );
        run
    };
    let (holders, line) = (users("math", "holders").await, users("math", "waitlist").await);
    let full = call("products/math/assign", json!({ "users": [line[0], line[1]], "reason": "asked" })).await;
    is_problem(&full, 409);
    assert_eq!((&full.body["available"], &full.body["needed"]), (&json!(0), &json!(2)), "{}", full.body);
    let run = done("products/math/unassign", json!({ "users": [holders[0]], "reason": "moved" })).await;
    assert_eq!((&run["seats"]["released"], &run["seats"]["granted"]), (&json!(1), &json!(1)));
    assert!(users("math", "holders").await.contains(&line[0]));
    let named = json!({ "from": holders[1], "to": line[1], "reason": "agreed" });
    done("products/math/reassign", named.clone()).await;
    assert!(users("math", "holders").await.contains(&line[1]));
    is_problem(&call("products/math/reassign", named).await, 409);

    is_problem(&call("products/math/assign", json!({ "users": [], "reason": "x" })).await, 422);
    is_problem(&call("products/math/assign", json!({ "users": ["A"], "class": "C", "reason": "x" })).await, 422);
    is_problem(&call("products/math/assign", json!({ "users": ["NOBODY"], "reason": "x" })).await, 404);
    is_problem(&call("products/math/assign", json!({ "users": [line[0]] })).await, 422);
    is_problem(&call("products/teacher-studio/assign", json!({ "users": [line[0]], "reason": "x" })).await, 409);
    is_problem(&call("swap", json!({ "user": line[1], "from": "math", "to": "reading" })).await, 409);
    let moved = json!({ "subscription": "SUB-1002", "from": "5f98b594-4620-4533-bb21-81d824bb97e5", "to": "nowhere", "seats": 1 });
    is_problem(&call("move-seats", moved).await, 404);
    for (path, body) in [
        ("enroll", json!({ "class": "C", "users": ["A"] })),
        ("unenroll", json!({ "class": "C", "everyone": true })),
        (
            "roles/assign",
            json!({ "users": [line[0]], "role": "staff", "school": "5f98b594-4620-4533-bb21-81d824bb97e5" }),
        ),
        ("users/active", json!({ "users": [line[0]], "active": false })),
        ("import", json!({})),
    ] {
        let refused = call(path, body).await;
        is_problem(&refused, 409);
        assert!(refused.body["detail"].as_str().unwrap().contains("is rostered"), "{path} {}", refused.body);
    }
    is_problem(&call("unenroll", json!({ "class": "C" })).await, 422);
    let access = format!("{district}/products/math/access");
    let off = json!({ "educator": line[0], "on": false }).to_string();
    is_problem(&ask(&daemon, Method::PUT, &access, Some(&token), Some(off)).await, 409);

    let waits = users("reading", "waitlist").await.remove(0);
    let csv = format!("product,user,assigned\nreading,{waits},2024-09-01\nmath,NOBODY,\n");
    let import = async |query: &str, csv: &str| {
        let path = format!("{district}/seats/import{query}");
        ask(&daemon, Method::POST, &path, Some(&token), Some(csv.to_owned())).await
    };
    let report = import("?plan=true", &csv).await;
    assert_eq!((report.status.as_u16(), &report.body["outcomes"]["matched"]), (200, &json!(1)));
    assert!(!users("reading", "holders").await.contains(&waits));
    let run = ended(&daemon, &token, &import("?reason=taken", &csv).await).await;
    assert_eq!(run["seats"]["granted"], 1);
    assert!(users("reading", "holders").await.contains(&waits));
    assert_eq!(import("", &csv).await.status.as_u16(), 200, "nothing is left to import");
    is_problem(&import("", "product\nmath\n").await, 422);

    // A district without a feed takes its roster as the body.
    let zip = rosterd::feed::pack(&installation.path("drop/upload-1")).unwrap();
    let request = client().post(daemon.url("/v1/districts/by-hand/import?plan=true")).bearer_auth(&token).body(zip);
    let accepted = request.send().await.unwrap();
    assert_eq!(accepted.status(), 202);
    let accepted: Value = serde_json::from_slice(&accepted.bytes().await.unwrap()).unwrap();
    let location = format!("/v1/runs/{}", accepted["run"].as_str().unwrap());
    let users = until("the plan", async || {
        let run = get(&daemon, &location, &token).await.body;
        (run["status"] == "planned" && !run["finished_at"].is_null()).then(|| run["changes"]["users"]["held"].clone())
    })
    .await;
    assert_eq!(users, 268, "the plan of a first sync that a person is to review");
    daemon.stop().await;
}
