//! Who may decide, and on what: another person than the one who asked, on the plan that was shown, once (reliability.md T24); and
//! what all districts together release (safety.md, Guard: the fleet).

use serde_json::{Value, json};

use super::{Answer, ended, get, is_problem, post, verify_clean};
use crate::support::daemon::{DAY_1, Daemon, Installation};
use crate::support::place::CATALOG;
use crate::support::upload::Upload;
use crate::support::vendor;

/// T24, F55: with `second_person` who asked for a sync may not approve what it holds; the hash must be the one of the plan that
/// was shown, also when a later sync has another; and an approval is used once.
#[tokio::test]
async fn t24_another_person_approves_exactly_the_plan_that_was_shown_and_once() {
    let installation = Installation::new("review", "[guard]\nsecond_person = true\n");
    let asker = installation.token("asker", &["--scope", "admin"]);
    let desk = installation.token("desk", &["--scope", "approve"]);
    let reader = installation.token("reader", &["--scope", "read"]);
    let daemon = installation.start(DAY_1).await;
    let sync = async || {
        let asked = post(&daemon, "/v1/syncs", &asker, &json!({ "district": "mulberry-springs" })).await;
        ended(&daemon, &asker, &asked).await
    };
    let first = sync().await;
    assert_eq!(first["status"], "held");
    installation.rename("users.csv", "Vanderpuff", "Vander");
    let second = sync().await;
    assert_ne!(first["plan_hash"], second["plan_hash"], "the source has changed meanwhile");

    let approve = format!("/v1/runs/{}/approve", second["run"].as_str().unwrap());
    let with = |hash: &Value| json!({ "hash": hash, "reason": "read" });
    is_problem(&post(&daemon, &approve, &asker, &with(&second["plan_hash"])).await, 403);
    is_problem(&post(&daemon, &approve, &reader, &with(&second["plan_hash"])).await, 403);
    is_problem(&post(&daemon, &approve, &desk, &with(&first["plan_hash"])).await, 409);
    let done = post(&daemon, &approve, &desk, &with(&second["plan_hash"])).await;
    assert_eq!(done.status, 202, "{}", done.body);
    let done = ended(&daemon, &asker, &done).await;
    assert_eq!((done["status"].as_str(), done["requested_by"].as_str()), (Some("applied"), Some("token:desk")));
    is_problem(&post(&daemon, &approve, &desk, &with(&second["plan_hash"])).await, 409);
    let audit = get(&daemon, "/v1/audit?action=run.approved", &asker).await.body;
    let entry = &audit["items"][0];
    assert_eq!((&entry["actor"], &entry["reason"]), (&json!("token:desk"), &json!("read")), "{audit}");
    assert_eq!(audit["items"].as_array().unwrap().len(), 1);
    daemon.stop().await;
    verify_clean(&installation);
}

async fn synced(daemon: &Daemon, token: &str, district: &str) -> Value {
    ended(daemon, token, &post(daemon, "/v1/syncs", token, &json!({ "district": district })).await).await
}

fn district(installation: &Installation, id: &str) -> (Upload, String) {
    let folder = installation.path(id);
    let mut upload = Upload::new(&folder, &["s1"]);
    upload.class("c1", "s1").students("a", 10, "s1", "c1");
    upload.write();
    (upload, vendor::district(id, &vendor::csv(&folder)))
}

/// What two districts release together is held in the one that meets the limit until somebody who may see all of them has looked.
#[tokio::test]
async fn the_fleet_is_told_and_acknowledged_over_http() {
    let installation = Installation::new("apply", "");
    let ((mut oak, of_oak), (mut elm, of_elm)) = (district(&installation, "oak"), district(&installation, "elm"));
    let feed = installation.path("drop/upload-1").display().to_string();
    installation.configure(&installation.settings_with(
        "apply",
        &feed,
        &format!("[guard]\nfleet_floor = 3\n{of_oak}{of_elm}"),
    ));
    let again = CATALOG.split_once("[[subscription]]").unwrap().1.replace("R-1", "R-2").replace("S-1", "S-2");
    let catalog = format!("{CATALOG}\n[[subscription]]{}", again.replace("\"oak\"", "\"elm\""));
    std::fs::write(installation.path("catalog.toml"), catalog).unwrap();
    let all = installation.token("all", &["--scope", "admin"]);
    let desk = installation.token("desk", &["--scope", "approve"]);
    let some = installation.token("some", &["--scope", "admin", "--district", "elm"]);
    let daemon = installation.start(DAY_1).await;
    for id in ["oak", "elm"] {
        // The daemon may have caught up the night of a district before it was asked.
        let run = synced(&daemon, &all, id).await;
        assert!(run["status"] == "applied" || run["status"] == "unchanged", "{run}");
    }
    let fleet = async |token: &str| -> Answer { get(&daemon, "/v1/fleet", token).await };
    let told = fleet(&all).await.body;
    assert_eq!((&told["released"], &told["held"], &told["last_hold"]), (&json!(0), &json!(false), &Value::Null));
    for (fields, status) in [(json!({}), 422), (json!({ "reason": "nothing" }), 409)] {
        is_problem(&post(&daemon, "/v1/fleet/acknowledge", &desk, &fields).await, status);
    }

    for number in 1..=3 {
        oak.set("users", &format!("a-{number:03}"), "enabledUser", "false");
    }
    oak.write();
    assert_eq!(synced(&daemon, &all, "oak").await["seats"]["released"], 3, "as many as the floor");
    elm.set("users", "a-001", "enabledUser", "false").write();
    let held = synced(&daemon, &all, "elm").await;
    assert_eq!((&held["status"], &held["holds"][0]["group"]), (&json!("held"), &json!("fleet/released")), "{held}");
    let told = fleet(&all).await.body;
    assert_eq!((&told["held"], &told["last_hold"]["district"]), (&json!(true), &json!("elm")), "{told}");
    is_problem(&fleet(&some).await, 403);
    let body = json!({ "reason": "a school was closed" });
    is_problem(&post(&daemon, "/v1/fleet/acknowledge", &some, &body).await, 403);
    let done = post(&daemon, "/v1/fleet/acknowledge", &desk, &body).await;
    assert_eq!((done.status.as_u16(), &done.body["held"]), (200, &json!(false)), "{}", done.body);
    assert_eq!(done.body["last_hold"]["acknowledged_by"], "token:desk");
    is_problem(&post(&daemon, "/v1/fleet/acknowledge", &desk, &body).await, 409);
    elm.set("users", "a-002", "givenName", "Lee").write();
    assert_eq!(synced(&daemon, &all, "elm").await["seats"]["released"], 1, "releases go on");
    let audit = get(&daemon, "/v1/audit?action=fleet.acknowledged", &all).await.body;
    let of: Vec<&Value> = audit["items"].as_array().unwrap().iter().map(|it| &it["district"]).collect();
    assert_eq!(of, ["elm"], "one entry, in the district that held something for it");
    daemon.stop().await;
    verify_clean(&installation);
}
