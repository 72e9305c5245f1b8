//! Modes of a district (safety.md): what syncs may do by themselves, by whose word, for how long, and what stays bridged.

use std::time::SystemTime;

use rosterd::model::{AlertKind, RunStatus, Trigger};
use rosterd::store::RunFilter;
use serde_json::{Value, json};

use crate::support::daemon::{DAY_1, Installation, until};
use crate::support::place::{CATALOG, OAK, Place, groups, on_both};
use crate::support::vendor::{self, NIGHT_1, NIGHT_2, NIGHT_3, NIGHT_4, NIGHT_5, Site};

impl Place {
    async fn mode(&self, now: &str, words: &str) -> Value {
        let words: Vec<&str> = words.split(' ').collect();
        let shown = self.site.at(now, &[&["district", "mode", OAK], &words[..], &["--json"]].concat()).await;
        shown.exits(0).json()
    }
}

/// P12, safety.md, Modes: the summer. What leaves is kept back and bridged, who is new is served beside it, nobody is asked,
/// and when the range is over the guard looks at what is still so.
#[tokio::test]
async fn p12_no_removals_keeps_back_what_ends_demand_and_serves_who_is_new() {
    on_both("", async |mut it| {
        it.sells(60);
        it.sync(NIGHT_1, 0).await;
        let shown = it.mode(NIGHT_1, "no_removals --from 2025-10-07 --until 2025-10-08 --reason rollover").await;
        assert_eq!((&shown["mode"], &shown["modes_to_come"][0]["mode"]), (&json!("normal"), &json!("no_removals")));
        for number in 1..=19 {
            it.upload.leaves(&format!("a-{number:03}"));
        }
        it.upload.set("users", "a-021", "enabledUser", "false").set("users", "a-022", "givenName", "Lee");
        it.upload.user("n-001", "student", "s1").enroll("n-001", "c1", "s1", "student");
        let run = it.sync(NIGHT_2, 0).await;
        assert_eq!((&run["status"], &run["holds"]), (&json!("applied"), &json!([])), "{run:#}");
        assert_eq!(run["district_mode"]["mode"], "no_removals");
        let users = &run["changes"]["users"];
        assert_eq!(
            (&users["removed"], &users["held"], &users["added"], &users["changed"]),
            (&json!(0), &json!(20), &json!(1), &json!(1))
        );
        assert_eq!(run["changes"]["enrollments"]["held"], 19);
        let seats = &run["seats"];
        assert_eq!((&seats["granted"], &seats["released"], &seats["bridged"]), (&json!(1), &json!(0), &json!(20)));
        let shown = it.shown(NIGHT_2).await;
        assert_eq!(
            (&shown["mode"], &shown["mode_until"], &shown["kept_back"]),
            (&json!("no_removals"), &json!("2025-10-08"), &json!(39))
        );
        assert_eq!(
            (&shown["mode_reason"], &shown["mode_by"], &shown["in_review"]),
            (&json!("rollover"), &json!("cli:tester"), &json!([]))
        );

        // What people do by hand in between leaves the bridges where they are.
        let run = it.decide(NIGHT_2, "b-001", "--exclude", "x").await;
        assert_eq!((&run["seats"]["bridged"], &run["seats"]["released"]), (&json!(20), &json!(1)));

        let before = it.site.state(OAK).await;
        let run = it.sync(NIGHT_3, 0).await;
        assert_eq!((&run["status"], &run["changes"]["users"]["held"]), (&json!("unchanged"), &json!(20)), "{run:#}");
        assert_eq!(it.site.state(OAK).await, before);

        // The range was of two days: now the guard asks, and who was disabled loses the seat.
        let run = it.sync(NIGHT_4, 3).await;
        assert!(groups(&run).contains(&"school:s1/users/removed"), "{run:#}");
        assert_eq!((&run["seats"]["released"], &run["seats"]["bridged"]), (&json!(1), &json!(19)));
        assert_eq!(it.shown(NIGHT_4).await["kept_back"], 0);
        it.upload.students("a", 19, "s1", "c1");
        let run = it.sync(NIGHT_5, 0).await;
        assert_eq!((&run["seats"]["granted"], &run["seats"]["released"]), (&json!(0), &json!(0)), "{run:#}");
        it.site.verified().await;
        it.ends("2025-10-11T07:00:00.000Z").await;
    })
    .await;
}

/// P38, safety.md, Modes: plans are made and shown, nothing is applied; `normal` takes all of it up. Each word stands in the
/// audit with who and why.
#[tokio::test]
async fn plan_only_plans_and_applies_nothing_until_someone_says_normal() {
    on_both("", async |mut it| {
        it.sync(NIGHT_1, 0).await;
        it.mode(NIGHT_1, "plan_only --reason migration").await;
        it.upload.leaves("a-001").user("n-001", "student", "s1");
        let before = it.site.state(OAK).await;
        let run = it.sync(NIGHT_2, 0).await;
        assert_eq!((&run["status"], &run["audit"]), (&json!("planned"), &Value::Null), "{run:#}");
        assert_eq!((&run["changes"]["users"]["removed"], &run["changes"]["users"]["added"]), (&json!(1), &json!(1)));
        assert!(run["plan"]["lines"].as_array().unwrap().len() > 2, "{run:#}");
        assert_eq!(it.site.state(OAK).await, before);
        let again = it.mode(NIGHT_2, "plan_only --reason migration").await;
        assert_eq!(again["mode"], "plan_only");
        assert_eq!(it.site.state(OAK).await, before, "the same word once more is nothing new");
        it.mode(NIGHT_2, "normal --reason done").await;
        let run = it.sync(NIGHT_3, 0).await;
        assert_eq!((&run["status"], &run["changes"]["users"]["removed"]), (&json!("applied"), &json!(1)));
        let audit = it.site.audit(OAK).await;
        let said: Vec<Value> = audit
            .lines()
            .map(|it| serde_json::from_str(it).unwrap())
            .filter(|it: &Value| it["entity"] == "mode")
            .collect();
        let told =
            |it: &Value| (it["action"].clone(), it["actor"].clone(), it["after"]["mode"].clone(), it["reason"].clone());
        let wanted = [("plan_only", "migration"), ("normal", "done")]
            .map(|(mode, reason)| (json!("mode.set"), json!("cli:tester"), json!(mode), json!(reason)));
        assert_eq!(said.iter().map(told).collect::<Vec<_>>(), wanted);
        it.ends(NIGHT_4).await;
    })
    .await;
}

/// A plan that would hold waits for nobody: it can be approved by no one, and hides no review that is open.
#[tokio::test]
async fn a_plan_that_would_hold_is_no_review() {
    on_both("", async |mut it| {
        it.sync(NIGHT_1, 0).await;
        for number in 1..=20 {
            it.upload.leaves(&format!("a-{number:03}"));
        }
        let held = it.sync(NIGHT_2, 3).await;
        assert_eq!(held["seats"]["bridged"], 20);
        it.mode(NIGHT_2, "plan_only").await;
        it.upload.leaves("b-001");
        let planned = it.sync(NIGHT_3, 3).await;
        assert_eq!(planned["status"], "planned");
        assert_eq!(it.shown(NIGHT_3).await["in_review"], json!([held["run"]]));
        it.site
            .at(NIGHT_3, &["runs", "approve", planned["run"].as_str().unwrap()])
            .await
            .exits(1)
            .says(&["holds nothing"]);
        // A person's decision happens in every mode, and what goes on by hand leaves the bridges alone.
        let run = it.decide(NIGHT_3, "b-002", "--exclude", "x").await;
        assert_eq!(run["seats"]["bridged"], 20, "{run:#}");
        let run =
            it.site.at(NIGHT_3, &["runs", "approve", held["run"].as_str().unwrap(), "--json"]).await.exits(0).json();
        assert_eq!(run["changes"]["users"]["removed"], 20, "{run:#}");
        it.site.verified().await;
    })
    .await;
}

/// P38, P39, safety.md, Modes: a paused district is not fetched, whoever asks; its contract goes on, and nobody is told that its
/// roster is old.
#[tokio::test]
async fn p39_a_paused_district_is_not_fetched_and_its_contract_goes_on() {
    on_both("", async |it| {
        let text = CATALOG.replace("expires_on = 2026-06-30", "expires_on = 2025-12-31");
        std::fs::write(it.site.folder().join("catalog.toml"), text).unwrap();
        it.upload.write();
        let sent = SystemTime::from(chrono::DateTime::parse_from_rfc3339(NIGHT_1).unwrap());
        for entry in std::fs::read_dir(it.folder()).unwrap() {
            let file = std::fs::File::options().write(true).open(entry.unwrap().path()).unwrap();
            file.set_modified(sent).unwrap();
        }
        it.site.sync(NIGHT_1, OAK).await.exits(0);
        it.mode(NIGHT_1, "paused --reason summer").await;
        std::fs::remove_dir_all(it.folder()).unwrap();
        let run = it.site.sync(NIGHT_2, OAK).await.exits(0).json();
        assert_eq!((&run["status"], &run["snapshot"]), (&json!("unchanged"), &Value::Null), "{run:#}");
        it.site.at(NIGHT_2, &["sync", OAK]).await.exits(0).says(&["paused, not fetched", "summer"]);
        it.site.at(NIGHT_2, &["sync", OAK, "--plan"]).await.exits(1).says(&[
            "paused",
            "nothing to plan",
            "district mode",
        ]);
        let run = it.site.sync("2026-01-15T07:00:00.000Z", OAK).await.exits(0).json();
        assert_eq!((&run["status"], &run["seats"]["released"]), (&json!("applied"), &json!(0)), "{run:#}");
        assert!(
            it.holders("reading").await.iter().all(|(_, _, state)| state == "suspended"),
            "the last day was in December"
        );
        let alerts = it.site.run(&["alerts", "--district", OAK, "--json"]).await.exits(0).json();
        let kinds: Vec<&str> = alerts.as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap()).collect();
        assert!(kinds.contains(&"expired") && !kinds.contains(&"stale_roster"), "{kinds:?}");
        it.mode("2026-01-15T08:00:00.000Z", "normal").await;
        it.decide("2026-01-22T07:00:00.000Z", "b-001", "--exclude", "x").await;
        let alerts = it.site.run(&["alerts", "--district", OAK, "--json"]).await.exits(0).json();
        assert!(alerts.to_string().contains("stale_roster"), "{alerts:#}");
        it.site.verified().await;
    })
    .await;
}

/// safety.md, Modes: in quiet hours a sync serves who is new and ends nobody's seat; the first one after them does. A person's
/// will is not affected.
#[tokio::test]
async fn quiet_hours_keep_releases_out_of_the_school_day() {
    on_both("", async |mut it| {
        let catalog = it.site.folder().join("catalog.toml");
        let quiet = "quiet_hours = { from = \"07:30\", until = \"15:30\" }\nfeed = ";
        let district = vendor::district(OAK, &vendor::csv(&it.folder())).replace("feed = ", quiet);
        it.site.configure(&format!("[catalog]\npath = \"{}\"\n{district}", catalog.display()));
        it.sync(NIGHT_1, 0).await;
        it.upload.set("users", "a-001", "enabledUser", "false").leaves("a-002").set(
            "users",
            "a-003",
            "givenName",
            "Lee",
        );
        it.upload.user("n-001", "student", "s1").enroll("n-001", "c1", "s1", "student");
        let noon = "2025-10-06T17:00:00.000Z";
        let run = it.sync(noon, 0).await;
        let users = &run["changes"]["users"];
        assert_eq!((&users["added"], &users["changed"], &users["held"]), (&json!(1), &json!(1), &json!(2)), "{run:#}");
        assert_eq!((&run["seats"]["released"], &run["seats"]["bridged"]), (&json!(0), &json!(2)));
        assert!(run["snapshot"]["warnings"].to_string().contains("quiet_hours"));
        let words =
            ["unassign", "--district", OAK, "--product", "reading", "--user", "b-001", "--reason", "x", "--json"];
        let run = it.site.at(noon, &words).await.exits(0).json();
        assert_eq!((&run["seats"]["released"], &run["seats"]["bridged"]), (&json!(1), &json!(2)));
        let run = it.sync(NIGHT_2, 0).await;
        assert_eq!((&run["seats"]["released"], &run["seats"]["bridged"]), (&json!(1), &json!(0)), "{run:#}");
        assert_eq!(it.seat("reading", "a-002").await.unwrap().1, "leaving", "mere absence has its grace");
        it.sync(NIGHT_3, 0).await;
        it.ends(NIGHT_4).await;
    })
    .await;
}

/// F31: a district that the source no longer shares is disconnected, also where the app's list alone shows it: it stays known,
/// its nights say so, and nobody departs. Shared again it goes on.
#[tokio::test]
async fn a_district_that_is_shared_no_more_is_disconnected_and_keeps_everything() {
    let server = vendor::serve("clever-demo").await;
    let id = server.world().clever_id("clever-demo").unwrap().to_owned();
    let site = Site::sqlite().await;
    site.configure(&vendor::clever_app(&server, "clever-secret"));
    site.at(NIGHT_1, &["sync", "--all"]).await.exits(0);
    let before = site.rosters(&id).await;
    server.set_quirks(vendor::quirks("vanished"));
    let run = site.at(NIGHT_2, &["sync", "--all", "--json"]).await.exits(1).json();
    assert!(run[0]["error"].as_str().unwrap().contains("disconnected"), "{run:#}");
    let shown = site.at(NIGHT_2, &["district", "list", "--json"]).await.exits(0).json();
    assert_eq!(
        (&shown[0]["connection"], &shown[0]["disconnected_since"]),
        (&json!("disconnected"), &json!(NIGHT_2)),
        "{shown:#}"
    );
    let alerts = site.at(NIGHT_2, &["alerts", "--json"]).await.exits(0).json();
    assert!(alerts.to_string().contains("disconnected"), "at once, not only at night: {alerts:#}");
    site.at(NIGHT_3, &["sync", &id]).await.exits(1);
    assert_eq!(site.rosters(&id).await, before);
    let shown = site.at(NIGHT_3, &["district", "show", &id, "--json"]).await.exits(0).json();
    assert_eq!(
        (&shown["disconnected_since"], &shown["feed"]),
        (&json!(NIGHT_2), &json!("clever")),
        "the first time stays"
    );
    server.set_quirks(vendor::quirks(""));
    let run = site.sync(NIGHT_4, &id).await.exits(0).json();
    assert_eq!((&run["changes"]["users"]["removed"], &run["alerts"]["open"]), (&json!(0), &json!(0)), "{run:#}");
    assert_eq!(site.rosters(&id).await, before);
    let shown = site.at(NIGHT_4, &["district", "show", &id, "--json"]).await.exits(0).json();
    assert_eq!((&shown["connection"], &shown["last_good_sync"]), (&json!("connected"), &json!(NIGHT_4)));
}

/// licensing.md, Even when the fetch failed: the night of a district that is `plan_only` or disconnected applies what its
/// contract ends, keeps the fetch's status, and tells of what is the matter.
#[tokio::test]
async fn the_night_of_a_district_that_applies_nothing_applies_what_dates_end() {
    let installation = Installation::new("apply", "");
    let daemon = installation.start(DAY_1).await;
    let store = installation.store().await;
    let runs = async || store.runs(&RunFilter { limit: Some(9), ..RunFilter::default() }).await.unwrap();
    daemon.signal("USR1");
    until("the first sync", async || runs().await.pop()).await;
    daemon.stop().await;
    let mode = |now: &str, mode: &str| {
        let out = installation.cli(now, &["district", "mode", "mulberry-springs", mode, "--reason", "summer"]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    };
    mode("2025-10-06T21:00:00Z", "plan_only");
    let daemon = installation.start("2026-07-02T20:00:00Z").await;
    let night = async || runs().await.into_iter().find(|it| it.trigger == Trigger::Schedule);
    let run = until("the night", night).await;
    assert_eq!((run.status, run.district_mode.map(|it| it.mode.as_str())), (RunStatus::Planned, Some("plan_only")));
    assert!(run.audit.is_some(), "the contract ended in June");
    let alerts = store.alerts(&"mulberry-springs".into(), false).await.unwrap();
    assert!(alerts.iter().any(|it| it.kind == AlertKind::Grace), "{alerts:?}");
    daemon.stop().await;
}
