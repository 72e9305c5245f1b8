//! Alerts and their life: raised by a run, seen by a person, cleared by what they asked for (licensing.md, Alerts).

use serde_json::{Value, json};

use super::manual::{Installed, on_both};
use crate::support::place::once_more;
use crate::support::vendor::{self, NIGHT_1, NIGHT_2, NIGHT_3, NIGHT_4, NIGHT_5, Site};

/// 40 of 45 seats are in use, with a threshold of 5.
const DISTRICT: &str = "active-students";

const NONE: [Value; 0] = [];

async fn open(site: &Site, kind: &str) -> Vec<Value> {
    let all = site.run(&["alerts", "--json"]).await.exits(0).json();
    all.as_array().unwrap().iter().filter(|it| it["kind"] == kind).cloned().collect()
}

async fn one(site: &Site, kind: &str) -> Value {
    let mut found = open(site, kind).await;
    assert_eq!(found.len(), 1, "{kind}: {found:?}");
    found.remove(0)
}

/// S4.6, S4.11, S4.30, S4.32; licensing.md: a changed threshold survives every refresh until the file's own value changes.
#[tokio::test]
async fn few_seats_left_are_told_seen_and_over_once_the_threshold_is_another() {
    on_both(async |backend| {
        let Some(it) = Installed::on(backend, DISTRICT, &[]).await else { return };
        let site = &it.site;
        let raised = one(site, "low_seats").await;
        assert_eq!(raised["text"], "You have 5 licenses remaining. Consider purchasing additional licenses.");
        assert_eq!(
            (&raised["product"], &raised["school"], &raised["raised_at"]),
            (&json!("devices"), &Value::Null, &json!(NIGHT_1))
        );
        assert_eq!(raised["numbers"], json!({ "alert_remaining": 5, "assigned": 40, "available": 5, "total": 45 }));
        let run = it.sync(NIGHT_2).await;
        assert_eq!((&run["status"], &run["alerts"]["open"]), (&json!("unchanged"), &json!(1)), "nothing new to tell");

        let id = raised["id"].as_str().unwrap();
        for reason in ["two classes more in spring", "again"] {
            let seen = site.at(NIGHT_2, &["alerts", "ack", id, "--reason", reason, "--json"]).await.exits(0).json();
            assert_eq!(seen["acknowledged"], json!({ "by": "cli:tester", "at": NIGHT_2 }));
        }
        site.verified().await;
        let [entry] = &it.told("alert.acknowledged").await[..] else { panic!("told once") };
        assert_eq!(
            (&entry["category"], &entry["actor"], &entry["id"]),
            (&json!("administrative"), &json!("cli:tester"), &json!(id))
        );
        assert_eq!(entry["reason"], "low_seats of devices: two classes more in spring");
        site.at(NIGHT_2, &["alerts", "ack", "0123456789abcdef"]).await.exits(2);
        assert_eq!(one(site, "low_seats").await["cleared_at"], Value::Null, "acknowledging is not resolving");

        let words = ["threshold", "--subscription", "WP-1001", "--remaining", "4", "--reason", "calmer", "--json"];
        let run = site.at(NIGHT_2, &words).await.exits(0).json();
        assert_eq!(run["alerts"], json!({ "raised": 0, "stepped": 0, "cleared": 1, "open": 0 }));
        let changes = it.told("subscription.changed").await;
        let entry = changes.last().unwrap();
        assert_eq!(
            (&entry["before"], &entry["after"]),
            (&json!({ "alert_remaining": 5 }), &json!({ "alert_remaining": 4 }))
        );
        assert_eq!((&entry["category"], &entry["reason"]), (&json!("license"), &json!("calmer")));
        it.sync(NIGHT_3).await;
        assert_eq!(site.licenses(NIGHT_3).await[0]["alert_remaining"], 4, "it survives the refresh");
        it.buy(&[("alert_remaining = 5", "alert_remaining = 6")]);
        it.sync(NIGHT_4).await;
        let again = one(site, "low_seats").await;
        assert_eq!(
            (&again["id"], &again["acknowledged"]),
            (&json!(id), &Value::Null),
            "the file's own word is another"
        );
        assert_eq!(again["raised_at"], NIGHT_4);
        site.at(NIGHT_4, &["licenses"]).await.exits(0).says(&["1 open alert: `rosterd alerts`"]);
        it.buy(&[]);
        it.sync(NIGHT_5).await;
        assert_eq!(site.licenses(NIGHT_5).await[0]["alert_remaining"], 5, "the district's word is over for good");
        it.site.discard().await;
    })
    .await;
}

/// S3.20, S3.23, S4.24: an unchanged night still looks at the date, a step is told once, and a renewal clears.
#[tokio::test]
async fn the_end_of_a_subscription_is_told_on_a_night_on_which_nothing_else_happens() {
    on_both(async |backend| {
        let Some(it) = Installed::on(backend, DISTRICT, &[]).await else { return };
        let run = it.sync("2026-04-01T07:00:00.000Z").await;
        assert_eq!(run["status"], "applied");
        let expiring = one(&it.site, "expiring").await;
        assert_eq!((&expiring["step"], &expiring["on"]), (&json!(90), &json!("2026-06-30")));
        assert_eq!(it.sync("2026-04-02T07:00:00.000Z").await["audit"], Value::Null, "no step, nothing written");
        let run = it.sync("2026-05-01T07:00:00.000Z").await;
        assert_eq!(run["alerts"]["stepped"], 1);
        it.sync("2026-07-01T07:00:00.000Z").await;
        assert_eq!(one(&it.site, "expired").await["on"], "2026-06-30");
        assert_eq!(open(&it.site, "expiring").await, NONE);
        it.buy(&[("2026-06-30", "2027-06-30")]);
        it.sync("2026-07-02T07:00:00.000Z").await;
        assert_eq!(open(&it.site, "expired").await, NONE, "renewed");
        it.site.discard().await;
    })
    .await;
}

/// U3, S2.4: what is held is an alert until it is decided.
#[tokio::test]
async fn a_first_sync_that_waits_is_an_alert_until_it_is_approved() {
    let site = Site::sqlite().await;
    let feed = vendor::csv(&vendor::fixtures().join("pomegranate-charter"));
    site.configure_with_catalog(&vendor::reviewed("pomegranate-charter", &feed));
    let run = site.sync(NIGHT_1, "pomegranate-charter").await.exits(3).json();
    let held = one(&site, "held").await;
    assert!(held["numbers"]["changes"].as_u64().unwrap() > 100, "{held}");
    site.at(NIGHT_2, &["runs", "approve", run["run"].as_str().unwrap()]).await.exits(0).says(&["1 cleared"]);
    assert_eq!(open(&site, "held").await, NONE);
    site.verified().await;
}

/// P38: the same upload, read again every night, is as old as the day it was sent.
#[tokio::test]
async fn an_upload_that_is_not_replaced_becomes_stale_and_a_new_one_is_not() {
    let site = Site::sqlite().await;
    let upload = site.folder().join("upload");
    std::fs::create_dir(&upload).unwrap();
    let sent = |at: &str| {
        for entry in std::fs::read_dir(vendor::fixtures().join("pomegranate-charter")).unwrap() {
            let from = entry.unwrap().path();
            if from.extension().is_some_and(|it| it == "csv") {
                let to = upload.join(from.file_name().unwrap());
                std::fs::copy(&from, &to).unwrap();
                let time = std::time::SystemTime::from(chrono::DateTime::parse_from_rfc3339(at).unwrap());
                std::fs::File::options().write(true).open(&to).unwrap().set_modified(time).unwrap();
            }
        }
    };
    sent(NIGHT_1);
    site.configure_with_catalog(&vendor::district("pomegranate-charter", &vendor::csv(&upload)));
    for (night, stale) in [(NIGHT_1, 0), (NIGHT_2, 0), (NIGHT_3, 1), (NIGHT_4, 1)] {
        site.sync(night, "pomegranate-charter").await.exits(0);
        assert_eq!(open(&site, "stale_roster").await.len(), stale, "{night}");
    }
    sent(NIGHT_4);
    site.sync(NIGHT_4, "pomegranate-charter").await.exits(0);
    assert_eq!(open(&site, "stale_roster").await, NONE);
    once_more(&site, "pomegranate-charter").await;
}
