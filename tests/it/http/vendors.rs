//! The desk of a vendor over HTTP: each verb on a vendor's own district, answered as the command line answers.

use reqwest::Method;
use serde_json::{Value, json};

use super::{ask, ended, get, is_problem, post, verify_clean};
use crate::support::daemon::{DAY_1, Daemon, Installation, until};
use crate::support::vendor;

/// A vendor's district behind a daemon, synced once.
struct Desk {
    installation: Installation,
    daemon: Daemon,
    token: String,
    district: &'static str,
}

impl Desk {
    /// `users` are words to replace in `users.csv`.
    async fn of(district: &'static str, users: &[(&str, &str)]) -> Self {
        let installation = Installation::new("apply", "");
        let upload = installation.path("vendor");
        std::fs::create_dir(&upload).unwrap();
        for entry in std::fs::read_dir(vendor::fixtures().join("vendors").join(district)).unwrap() {
            let from = entry.unwrap().path();
            std::fs::copy(&from, upload.join(from.file_name().unwrap())).unwrap();
        }
        std::fs::copy(upload.join("catalog.toml"), installation.path("catalog.toml")).unwrap();
        let settings = installation.settings_with("apply", &upload.display().to_string(), "");
        installation.configure(&settings.replace("mulberry-springs", district));
        let token = installation.token("crm", &["--scope", "admin"]);
        let daemon = installation.start(DAY_1).await;
        let it = Self { installation, daemon, token, district };
        it.replace(users);
        it.done(&post(&it.daemon, "/v1/syncs", &it.token, &json!({ "district": district })).await).await;
        it
    }

    fn replace(&self, users: &[(&str, &str)]) {
        let path = self.installation.path("vendor/users.csv");
        let mut text = std::fs::read_to_string(&path).unwrap();
        for (old, new) in users {
            assert!(text.contains(old), "{old}");
            text = text.replace(old, new);
        }
        std::fs::write(&path, text).unwrap();
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1/districts/{}/{rest}", self.district)
    }

    async fn get(&self, rest: &str) -> Value {
        let answer = get(&self.daemon, &self.path(rest), &self.token).await;
        assert_eq!(answer.status, 200, "{rest}: {}", answer.body);
        answer.body
    }

    /// The run of a 202: applied, and word for word what `runs show --json` says of it.
    async fn done(&self, accepted: &super::Answer) -> Value {
        let run = ended(&self.daemon, &self.token, accepted).await;
        assert_eq!(run["status"], "applied", "{run}");
        assert_eq!(self.cli(&["runs", "show", run["run"].as_str().unwrap()]), run);
        run
    }

    async fn post(&self, rest: &str, body: Value) -> Value {
        self.done(&post(&self.daemon, &self.path(rest), &self.token, &body).await).await
    }

    /// The same question to the command line.
    fn cli(&self, words: &[&str]) -> Value {
        let out = self.installation.cli(DAY_1, &[words, &["--json"]].concat());
        serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{words:?}: {out:?}"))
    }

    async fn licenses(&self) -> Vec<[Value; 4]> {
        let rows = self.get("licenses?by_school=true").await;
        let rows = rows.as_array().unwrap().iter();
        rows.map(|it| ["school", "total", "assigned", "alert_remaining"].map(|key| it[key].clone())).collect()
    }

    async fn holders(&self, product: &str) -> Vec<String> {
        let seats = self.get(&format!("products/{product}/seats?sort=user")).await;
        seats["holders"].as_array().unwrap().iter().map(|it| it["user"].as_str().unwrap().to_owned()).collect()
    }

    async fn end(self) {
        verify_clean(&self.installation);
        self.daemon.stop().await;
    }
}

/// S1.3, S1.7, S0.9: both or neither, as a run.
#[tokio::test]
async fn a_swap_is_a_run_that_takes_one_product_and_gives_the_other() {
    let it = Desk::of("by-assignment", &[]).await;
    it.post("products/keyboarding/assign", json!({ "users": ["QV-U-006"], "reason": "start" })).await;
    let swap = json!({ "user": "QV-U-006", "from": "keyboarding", "to": "handwriting", "reason": "asked" });
    let run = it.post("swap", swap.clone()).await;
    assert_eq!(
        (&run["seats"]["released"], &run["seats"]["granted"], &run["reason"]),
        (&json!(1), &json!(1), &json!("asked"))
    );
    assert_eq!(
        (it.holders("keyboarding").await, it.holders("handwriting").await),
        (vec![], vec!["QV-U-006".to_owned()])
    );
    is_problem(&post(&it.daemon, &it.path("swap"), &it.token, &swap).await, 409);
    it.end().await;
}

/// S2.3, S2.5, S4.1, S4.6, S4.11: what a district sets: its split, its educators, its threshold.
#[tokio::test]
async fn the_split_the_threshold_and_an_educator_are_set_over_http() {
    let it = Desk::of("site-license", &[]).await;
    let before = it.licenses().await;
    assert_eq!((&before[1][1], &before[2][1]), (&json!(22), &json!(18)));
    let moves =
        json!({ "subscription": "PB-1001", "from": "PB-SCH-1", "to": "PB-SCH-2", "seats": 2, "reason": "agreed" });
    it.post("move-seats", moves).await;
    let after = it.licenses().await;
    assert_eq!((&after[0][1], &after[1][1], &after[2][1]), (&json!(40), &json!(20), &json!(20)));
    let run = it.post("threshold", json!({ "subscription": "PB-1001", "remaining": 6, "reason": "calmer" })).await;
    assert_eq!(run["mode"], "manual");
    assert_eq!(it.licenses().await[0][3], 6);
    let unknown = json!({ "subscription": "PB-9", "remaining": 6, "reason": "calmer" });
    is_problem(&post(&it.daemon, &it.path("threshold"), &it.token, &unknown).await, 404);
    is_problem(
        &post(&it.daemon, &it.path("threshold"), &it.token, &json!({ "subscription": "PB-1001", "remaining": 6 }))
            .await,
        422,
    );

    let holders = it.holders("practice").await;
    let off = json!({ "educator": "PB-U-003", "on": false, "reason": "other books" }).to_string();
    let path = it.path("products/practice/access");
    let run = it.done(&ask(&it.daemon, Method::PUT, &path, Some(&it.token), Some(off)).await).await;
    assert!(run["seats"]["released"].as_u64().unwrap() > 0, "{run}");
    let left = it.holders("practice").await;
    assert!(holders.iter().any(|user| !left.contains(user)), "somebody lost theirs");
    it.end().await;
}

/// S2.9, S2.12, S3.19, S4.33: what is suggested, proposed and reported is what the command line says, and a link can be undone.
#[tokio::test]
async fn suggestions_identity_and_reports_are_those_of_the_command_line() {
    let it = Desk::of("site-license", &[("PB00048", "PB00047")]).await;
    let suggested = it.get("suggestions").await;
    assert!(!suggested[0]["suggestions"].as_array().unwrap().is_empty(), "{suggested}");
    assert_eq!(suggested, it.cli(&["suggest", "--district", "site-license"]));
    is_problem(&get(&it.daemon, &it.path("suggestions?product=no"), &it.token).await, 404);
    for name in ["claims", "history", "compliance", "combined"] {
        let said = it.get(&format!("reports/{name}")).await;
        assert_eq!(said, it.cli(&["report", name, "--district", "site-license"]), "{name}");
    }
    is_problem(&get(&it.daemon, &it.path("reports/gossip"), &it.token).await, 404);

    let pairs = async || it.get("identity").await;
    let listed = pairs().await;
    assert_eq!(listed["pairs"], it.cli(&["identity", "list", "--district", "site-license"])["pairs"]);
    let id = listed["pairs"][0]["id"].clone();
    let said = |decision: &str| json!({ "decision": decision, "ids": [id], "reason": "one child" });
    it.post("identity", said("accept")).await;
    assert_eq!(pairs().await["pairs"][0]["state"], "accepted");
    is_problem(&post(&it.daemon, &it.path("identity"), &it.token, &said("accept")).await, 409);
    it.post("identity", said("undo")).await;
    assert_eq!(pairs().await["pairs"][0]["state"], listed["pairs"][0]["state"]);
    it.end().await;
}

/// interface.md, HTTP: a run is taken back over HTTP, with what was put back.
#[tokio::test]
async fn a_run_is_reverted_over_http_and_says_what_it_put_back() {
    let it = Desk::of("active-students", &[]).await;
    it.replace(&[("WP-U-010,,,true", "WP-U-010,,,false")]);
    let run = it.done(&post(&it.daemon, "/v1/syncs", &it.token, &json!({ "district": it.district })).await).await;
    assert_eq!(run["seats"]["released"], 1);
    let path = format!("/v1/runs/{}/revert", run["run"].as_str().unwrap());
    let reverted = it.done(&post(&it.daemon, &path, &it.token, &json!({ "reason": "a wrong export" })).await).await;
    assert_eq!((&reverted["trigger"], &reverted["requested_by"]), (&json!("revert"), &json!("token:crm")));
    assert_eq!((&reverted["revert"]["reversed"], &reverted["revert"]["seats"]), (&json!(1), &json!(1)));
    assert!(it.holders("devices").await.contains(&"WP-U-010".to_owned()));
    it.end().await;
}

/// interface.md, HTTP: what waits in the queue is cancelled and applies nothing.
#[tokio::test]
async fn a_queued_run_is_cancelled_over_http_and_never_begins() {
    let it = Desk::of("active-students", &[]).await;
    // An upload that has not settled yet keeps the first run busy; a plan waits behind it.
    let text = std::fs::read_to_string(it.installation.path("rosterd.toml")).unwrap();
    it.installation.configure(&text.replace("/vendor\"", "/slow\", settle_seconds = 3600"));
    std::fs::create_dir(it.installation.path("slow")).unwrap();
    let upload = it.installation.path("slow/upload.zip");
    std::fs::write(&upload, rosterd::feed::pack(&it.installation.path("vendor")).unwrap()).unwrap();
    it.daemon.signal("HUP");
    it.daemon.logs("configuration read again").await;
    let sync = |mode: &str| json!({ "district": "active-students", "mode": mode });
    let first = post(&it.daemon, "/v1/syncs", &it.token, &sync("apply")).await;
    let of = |answer: &super::Answer| format!("/v1/runs/{}", answer.body["run"].as_str().unwrap());
    let status =
        async |path: String| get(&it.daemon, &path, &it.token).await.body["status"].as_str().unwrap().to_owned();
    until("the first to be at work", async || (status(of(&first)).await == "fetching").then_some(())).await;
    let second = post(&it.daemon, "/v1/syncs", &it.token, &sync("plan")).await;
    let cancelled = post(&it.daemon, &format!("{}/cancel", of(&second)), &it.token, &json!({})).await;
    assert!(cancelled.status.is_success(), "{}", cancelled.body);
    assert_eq!(status(of(&second)).await, "cancelled");
    is_problem(&post(&it.daemon, &format!("{}/cancel", of(&second)), &it.token, &json!({})).await, 409);
    is_problem(&post(&it.daemon, &format!("{}/cancel", of(&first)), &it.token, &json!({})).await, 409);
    assert_eq!(status(of(&first)).await, "fetching", "what has begun goes on");
    it.end().await;
}

/// S0.3: a district kept by hand takes its roster over HTTP, and answers with the run.
#[tokio::test]
async fn a_roster_is_uploaded_over_http_and_applied() {
    let it = Desk::of("by-assignment", &[]).await;
    let zip = rosterd::feed::pack(&it.installation.path("drop/upload-1")).unwrap();
    let url = it.daemon.url("/v1/districts/by-hand/import?reason=new+year");
    let answer = crate::support::daemon::client().post(url).bearer_auth(&it.token).body(zip).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    let accepted: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    let path = format!("/v1/runs/{}", accepted["run"].as_str().unwrap());
    let run = until("the upload", async || {
        let run = get(&it.daemon, &path, &it.token).await.body;
        (!run["finished_at"].is_null()).then_some(run)
    })
    .await;
    assert_eq!(
        (&run["reason"], &run["requested_by"], &run["status"]),
        (&json!("new year"), &json!("token:crm"), &json!("held"))
    );
    let approve = post(&it.daemon, &format!("{path}/approve"), &it.token, &json!({ "hash": run["plan_hash"] })).await;
    let approved = it.done(&approve).await;
    assert_eq!(approved["changes"]["users"]["added"], 268);
    it.end().await;
}
