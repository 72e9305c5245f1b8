//! More scenarios of the wild: test accounts, privacy, one bad feed among others, limits that explain themselves, row order.

use serde_json::{Value, json};

use crate::support::place::{OAK, Place, groups, on_both};
use crate::support::upload::Upload;
use crate::support::vendor::{self, NIGHT_1, NIGHT_2, NIGHT_3, NIGHT_4};

/// P46, S4.35: test accounts in the roster are told with the seats that they take, and taken out for good with one word each.
#[tokio::test]
async fn p46_test_accounts_are_told_and_stay_out_once_they_are_taken_out() {
    on_both("", async |mut it| {
        it.sells(60);
        it.upload.user("z-1", "student", "s1").enroll("z-1", "c1", "s1", "student");
        it.upload.set("users", "z-1", "givenName", "Test").set("users", "z-1", "familyName", "Student");
        let run = it.sync(NIGHT_1, 0).await;
        assert_eq!(run["seats"]["waiting"], 1);
        let waits =
            it.json(NIGHT_1, &["seats", "--district", OAK, "--product", "reading"]).await["waitlist"][0]["user"]
                .clone();
        let told = it.json(NIGHT_1, &["suggest", "--district", OAK, "--product", "reading"]).await.to_string();
        assert_ne!(waits, "z-1", "it has a seat, or nothing is to be said of it");
        assert!(told.contains("test_accounts") && told.contains("z-1"), "{told}");
        it.decide(NIGHT_1, "z-1", "--exclude", "test account").await;
        for night in [NIGHT_2, NIGHT_3] {
            it.sync(night, 0).await;
            assert_eq!((it.seat("reading", "z-1").await, it.holders("reading").await.len()), (None, 60), "{night}");
        }
        it.ends(NIGHT_4).await;
    })
    .await;
}

/// P47: a child is to be forgotten: the seat goes at once, without any grace, the source may go on sending the child, and the
/// audit tells that it happened without a word about whom.
#[tokio::test]
async fn p47_a_child_who_is_erased_loses_the_seat_at_once_and_stays_away() {
    on_both("", async |mut it| {
        it.upload.set("users", "a-001", "email", "canary@oak.example").set("users", "a-001", "username", "canary");
        it.sync(NIGHT_1, 0).await;
        let proof =
            it.json(NIGHT_1, &["user", "erase", "--district", OAK, "--user", "a-001", "--reason", "asked to"]).await;
        assert_eq!((&proof["run"]["seats"]["released"], &proof["found"]), (&json!(1), &json!({})), "{proof:#}");
        assert_eq!(it.seat("reading", "a-001").await, None);
        let run = it.sync(NIGHT_2, 0).await;
        assert_eq!((&run["changes"]["users"]["added"], &run["seats"]["granted"]), (&json!(0), &json!(0)), "{run:#}");
        let audit = it.site.audit(OAK).await;
        assert!(audit.contains("user.erased") && !audit.contains("canary"), "{audit}");
        it.ends(NIGHT_3).await;
    })
    .await;
}

/// U4: one bad feed, and one that is held, freeze nobody else.
#[tokio::test]
async fn u4_one_bad_feed_freezes_no_other_district() {
    on_both("", async |mut it| {
        let catalog = it.site.folder().join("catalog.toml");
        let elm_folder = it.site.folder().join("elm");
        let districts = [
            vendor::district(OAK, &vendor::csv(&it.folder())),
            vendor::district("elm", &vendor::csv(&elm_folder)),
            vendor::district("ash", &vendor::csv(&it.site.folder().join("nowhere"))),
        ];
        it.site.configure(&format!("[catalog]\npath = \"{}\"\n{}", catalog.display(), districts.concat()));
        let mut elm = Upload::new(&elm_folder, &["e1"]);
        elm.class("e-c1", "e1").students("e", 30, "e1", "e-c1");
        elm.write();
        it.upload.write();
        let all = ["sync", "--all", "--json"];
        let status = |runs: &Value| -> Vec<String> {
            let one =
                |run: &Value| format!("{} {}", run["district"].as_str().unwrap(), run["status"].as_str().unwrap());
            runs.as_array().unwrap().iter().map(one).collect()
        };
        let runs = it.site.at(NIGHT_1, &all).await.exits(4).json();
        assert_eq!(status(&runs), ["ash failed", "elm applied", "oak applied"]);
        for number in 1..=20 {
            elm.leaves(&format!("e-{number:03}"));
        }
        elm.write();
        it.upload.user("a-031", "student", "s1").enroll("a-031", "c1", "s1", "student");
        it.upload.write();
        let runs = it.site.at(NIGHT_2, &all).await.exits(4).json();
        assert_eq!(status(&runs), ["ash failed", "elm held", "oak applied"]);
        assert!(it.seat("reading", "a-031").await.is_some());
        it.ends(NIGHT_3).await;
    })
    .await;
}

/// U25, U12: a limit that is reached is enforced, and says so: who waits, at which place, by which rule, short of what, who must
/// act; and a limit of the guard names its number and its rule.
#[tokio::test]
async fn u25_a_limit_is_enforced_and_explained() {
    on_both("", async |mut it| {
        it.sells(50);
        let run = it.sync(NIGHT_1, 0).await;
        assert_eq!((&run["seats"]["granted"], &run["seats"]["waiting"]), (&json!(52), &json!(10)), "{run:#}");
        let line = it.json(NIGHT_1, &["seats", "--district", OAK, "--product", "reading"]).await["waitlist"].clone();
        let places: Vec<u64> = line.as_array().unwrap().iter().map(|it| it["position"].as_u64().unwrap()).collect();
        assert_eq!(places, (1..=10).collect::<Vec<u64>>());
        let user = line[0]["user"].as_str().unwrap();
        it.site
            .at(NIGHT_1, &["explain", "--district", OAK, "--user", user, "--product", "reading"])
            .await
            .exits(0)
            .says(&["50"]);
        it.site
            .run(&["alerts", "--district", OAK])
            .await
            .exits(0)
            .says(&["10 users wait", "purchasing additional licenses"]);
        for number in 1..=12 {
            it.upload.leaves(&format!("a-{number:03}"));
        }
        let run = it.sync(NIGHT_2, 3).await;
        let hold = run["holds"].as_array().unwrap().iter().find(|it| it["group"] == "school:s1/users/removed").unwrap();
        assert_eq!(
            (&hold["count"], &hold["of"], &hold["limit"]),
            (&json!(12), &json!(31), &json!("over 10 % and over 10"))
        );
        assert!(!groups(&run).is_empty());
    })
    .await;
}

/// M6: the order of rows, and how anyone sorts ids, is nothing to anyone: files turned upside down change nothing.
#[tokio::test]
async fn m6_rows_in_another_order_change_nothing() {
    on_both("", async |mut it| {
        for id in ["a-1", "A-2", "Ä-3", "a_4", "10", "9"] {
            it.upload.user(id, "student", "s1").enroll(id, "c1", "s1", "student");
        }
        it.sync(NIGHT_1, 0).await;
        let before = it.site.state(OAK).await;
        it.upload.reverse();
        let run = it.sync(NIGHT_2, 0).await;
        assert_eq!(run["status"], "unchanged", "{run:#}");
        assert_eq!(it.site.state(OAK).await, before);
        it.ends(NIGHT_3).await;
    })
    .await;
}

/// safety.md, Guard, the fleet: releases of 24 hours over three times a usual day and over a floor are held in every district until
/// a person acknowledges it, also on the next day; then they go on, and the audit says by whose word.
#[tokio::test]
async fn what_all_districts_release_together_is_held_until_it_is_acknowledged() {
    on_both("[guard]\nfleet_floor = 3\n", async |mut it| {
        it.sync(NIGHT_1, 0).await;
        let disable = |it: &mut Place, user: &str| {
            it.upload.set("users", user, "enabledUser", "false");
        };
        for user in ["a-001", "a-002", "a-003"] {
            disable(&mut it, user);
        }
        let run = it.sync(NIGHT_2, 0).await;
        assert_eq!(run["seats"]["released"], 3, "as many as the floor: {run:#}");
        disable(&mut it, "b-001");
        let noon = "2025-10-07T17:00:00.000Z";
        let run = it.sync(noon, 3).await;
        assert_eq!(groups(&run), ["fleet/released"]);
        assert_eq!((&run["holds"][0]["count"], &run["holds"][0]["of"]), (&json!(4), &json!(0)));
        let told = it.json(noon, &["fleet"]).await;
        assert_eq!(
            (&told["held"], &told["released"], &told["last_hold"]["district"]),
            (&json!(true), &json!(3), &json!(OAK))
        );
        let run = it.sync("2025-10-09T17:00:00.000Z", 3).await;
        assert_eq!(groups(&run), ["fleet/released"], "a day later nobody has looked at it: {run:#}");
        let later = "2025-10-09T18:00:00.000Z";
        let told = it.json(later, &["fleet", "acknowledge", "--reason", "a school was closed"]).await;
        assert_eq!(
            (&told["held"], &told["last_hold"]["acknowledged_by"]),
            (&json!(false), &json!("cli:tester")),
            "{told:#}"
        );
        it.site
            .at(later, &["fleet", "acknowledge", "--reason", "again"])
            .await
            .exits(1)
            .says(&["nothing to acknowledge"]);
        assert!(it.site.audit(OAK).await.contains("fleet.acknowledged"));
        let run = it.sync("2025-10-09T19:00:00.000Z", 0).await;
        assert_eq!((&run["seats"]["released"], &run["seats"]["bridged"]), (&json!(1), &json!(0)), "{run:#}");
        it.ends("2025-10-10T07:00:00.000Z").await;
    })
    .await;
}
