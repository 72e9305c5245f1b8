//! What is shown: the overview, a district, its alerts.

use reqwest::Method;
use serde_json::{Value, json};

use super::{ask, ended, get, is_problem, post, verify_clean};
use crate::support::daemon::{DAY_1, Daemon, Installation, client};

#[tokio::test]
async fn the_overview_shows_a_district_and_is_for_local_names_alone() {
    let installation = Installation::new("review", "");
    let token = installation.token("ci", &["--scope", "admin"]);
    let daemon = installation.start(DAY_1).await;
    let asked = post(&daemon, "/v1/syncs", &token, &json!({ "district": "mulberry-springs" })).await;
    ended(&daemon, &token, &asked).await;
    let page = client().get(daemon.url("/")).send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let text = page.text().await.unwrap();
    assert!(text.contains("1 district waits for a person") && text.contains("changes wait in 1 group<"), "{text}");
    assert!(text.matches("<script").count() == 1 && !text.contains("style="), "{text}");
    let foreign = client().get(daemon.url("/")).header("host", "rosterd.example.org").send().await.unwrap();
    assert_eq!(foreign.status(), 403);
    daemon.stop().await;
}

/// S4.29: one object, shown where people look; seen under `manage` and still open.
#[tokio::test]
async fn open_alerts_are_listed_shown_on_the_overview_and_acknowledged() {
    let installation = Installation::new("apply", "");
    let all = installation.token("all", &["--scope", "admin"]);
    let token = installation.token("crm", &["--scope", "manage", "--scope", "read"]);
    let daemon = installation.start(DAY_1).await;
    ended(&daemon, &all, &post(&daemon, "/v1/syncs", &all, &json!({ "district": "mulberry-springs" })).await).await;
    let path = "/v1/districts/mulberry-springs/alerts";
    let alerts = get(&daemon, path, &token).await.body["items"].as_array().unwrap().clone();
    let of_math = |it: &&Value| it["kind"] == "low_seats" && it["product"] == "math" && it["school"].is_null();
    let low = alerts.iter().find(of_math).unwrap();
    assert_eq!(low["text"], "You have 0 licenses remaining. Consider purchasing additional licenses.");
    let page = client().get(daemon.url("/")).send().await.unwrap().text().await.unwrap();
    let count = alerts.len();
    for shown in [
        &format!("({count}) Overview"),
        &format!("{count} open alerts, {count} of them not seen"),
        "math: You have 0",
        // S0.16: what is available stands beside what is used
        "34 of 34 used, 0 available",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let ack = format!("{path}/{}/ack", low["id"].as_str().unwrap());
    is_problem(&post(&daemon, &ack, &token, &json!({ "raison": "x" })).await, 422);
    let seen = post(&daemon, &ack, &token, &json!({ "reason": "bought more" })).await;
    assert_eq!((seen.status.as_u16(), &seen.body["acknowledged"]["by"]), (200, &json!("token:crm")));
    assert_eq!(get(&daemon, path, &token).await.body["items"].as_array().unwrap().len(), count);
    is_problem(&post(&daemon, &ack.replace("mulberry-springs", "by-hand"), &token, &json!({})).await, 404);
    verify_clean(&installation);
    daemon.stop().await;
}

/// S2.18: one answer, which the vendor's application asks for; true by default only where there is no feed.
#[tokio::test]
async fn whether_teachers_may_add_students_is_one_answer_for_each_district() {
    let installation = Installation::new("apply", "");
    let token = installation.token("app", &["--scope", "read"]);
    let asked = async |daemon: &Daemon, district: &str| {
        let answer = get(daemon, &format!("/v1/districts/{district}"), &token).await.body;
        answer["teachers_may_create_students"].as_bool().unwrap()
    };
    let daemon = installation.start(DAY_1).await;
    assert_eq!((asked(&daemon, "mulberry-springs").await, asked(&daemon, "by-hand").await), (false, true));
    daemon.stop().await;
    let text = std::fs::read_to_string(installation.path("rosterd.toml")).unwrap();
    let text =
        text.replace("id = \"mulberry-springs\"\n", "id = \"mulberry-springs\"\nteachers_may_create_students = true\n");
    installation
        .configure(&text.replace("id = \"by-hand\"\n", "id = \"by-hand\"\nteachers_may_create_students = false\n"));
    let daemon = installation.start(DAY_1).await;
    assert_eq!((asked(&daemon, "mulberry-springs").await, asked(&daemon, "by-hand").await), (true, false));
    daemon.stop().await;
    let doctor = installation.cli(DAY_1, &["doctor", "--offline"]);
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(doctor.status.success() && said.contains("a student whom a teacher adds is not in the feed"), "{said}");
}

/// safety.md, Modes: whoever manages the district sets its mode and takes it back; whoever may read sees it.
#[tokio::test]
async fn a_mode_is_put_and_deleted_by_whoever_manages_the_district() {
    let installation = Installation::new("apply", "");
    let token = installation.token("ops", &["--scope", "manage", "--scope", "read"]);
    let reader = installation.token("reader", &["--scope", "read"]);
    let other = installation.token("other", &["--scope", "manage", "--district", "by-hand"]);
    let daemon = installation.start(DAY_1).await;
    let path = "/v1/districts/mulberry-springs/mode";
    let say = async |token: &str, method: Method, body: Value| {
        ask(&daemon, method, path, Some(token), Some(body.to_string())).await
    };
    let no_removals = json!({ "mode": "no_removals", "until": "2025-10-31", "reason": "rollover" });
    is_problem(&say(&reader, Method::PUT, no_removals.clone()).await, 403);
    is_problem(&say(&other, Method::PUT, no_removals.clone()).await, 403);
    is_problem(&say(&token, Method::PUT, json!({ "mode": "frozen" })).await, 422);
    is_problem(&say(&token, Method::PUT, json!({ "mode": "paused", "until": "2025-10-01" })).await, 422);
    let set = say(&token, Method::PUT, no_removals).await;
    assert_eq!((set.status.as_u16(), &set.body["mode"]), (200, &json!("no_removals")), "{}", set.body);
    let seen = get(&daemon, "/v1/districts/mulberry-springs", &reader).await.body;
    let said = (&seen["mode_until"], &seen["mode_reason"], &seen["mode_by"], &seen["connection"]);
    assert_eq!(said, (&json!("2025-10-31"), &json!("rollover"), &json!("token:ops"), &json!("connected")), "{seen}");
    assert!(seen["next_night"].as_str().unwrap() > DAY_1, "{seen}");
    let gone = say(&token, Method::DELETE, json!({ "reason": "done" })).await;
    assert_eq!((&gone.body["mode"], &gone.body["mode_by"]), (&json!("normal"), &Value::Null), "{}", gone.body);
    daemon.stop().await;
}
