//! Scenarios of the wild (scenarios.md): each on both databases, and once more at its end, when nothing may change.

use serde_json::json;

use crate::support::db::Backend;
use crate::support::place::{CATALOG, OAK, Place, groups, on_both, once_more};
use crate::support::upload::Upload;
use crate::support::vendor::{self, NIGHT_1, NIGHT_2, NIGHT_3, NIGHT_4};

/// P2, M7: the neighbor's file, as large as ours and with other ids, is held whole; so is a file that lost its leading zeros.
#[tokio::test]
async fn p2_the_file_of_another_district_is_held_whole() {
    on_both("", async |mut it| {
        it.sync(NIGHT_1, 0).await;
        let ours = it.upload.clone();
        let holders = it.holders("reading").await;
        it.upload = Upload::new(&it.folder(), &["s1", "s2"]);
        it.upload.class("n1", "s1").students("n", 60, "s1", "n1");
        let run = it.sync(NIGHT_2, 3).await;
        assert_eq!(groups(&run), ["district/snapshot"], "{run:#}");
        assert_eq!(run["seats"]["granted"], 0, "not one of the neighbor's children has a seat");
        let kept = it.holders("reading").await;
        assert!(kept.iter().zip(&holders).all(|(now, then)| (&now.0, &now.1) == (&then.0, &then.1)), "{kept:?}");
        it.upload = ours;
        let run = it.sync(NIGHT_3, 0).await;
        assert_eq!(run["changes"]["users"]["removed"], 0);
        assert_eq!(it.holders("reading").await, holders, "with the right file again nothing has happened");
        it.ends(NIGHT_4).await;
    })
    .await;
}

/// P18, U11: two children swap their email addresses, and one address passes to a new child: email is never identity.
#[tokio::test]
async fn p18_an_email_that_passes_to_another_child_moves_no_seat() {
    on_both("", async |mut it| {
        it.upload.set("users", "a-001", "email", "kim@oak.example").set("users", "a-002", "email", "lee@oak.example");
        it.sync(NIGHT_1, 0).await;
        let holders = it.holders("reading").await;
        it.upload.set("users", "a-001", "email", "lee@oak.example").set("users", "a-002", "email", "kim@oak.example");
        let run = it.sync(NIGHT_2, 0).await;
        assert_eq!((&run["changes"]["users"]["changed"], &run["seats"]["released"]), (&json!(2), &json!(0)));
        it.upload.user("a-031", "student", "s1").enroll("a-031", "c1", "s1", "student");
        it.upload.set("users", "a-031", "email", "kim@oak.example").set("users", "a-002", "email", "");
        let run = it.sync(NIGHT_3, 0).await;
        assert_eq!((&run["seats"]["granted"], &run["seats"]["released"]), (&json!(1), &json!(0)));
        let after: Vec<_> = it.holders("reading").await.into_iter().filter(|it| it.0 != "a-031").collect();
        assert_eq!(after, holders);
        it.ends(NIGHT_4).await;
    })
    .await;
}

/// P20: a user told of in one row per school and role is one user with one seat.
#[tokio::test]
async fn p20_one_person_in_several_rows_is_one_user_with_one_seat() {
    on_both("", async |mut it| {
        it.upload.set("users", "a-001", "orgSourcedIds", "s1,s2");
        it.upload.enroll("a-001", "c2", "s2", "student");
        it.upload.set("users", "t1", "orgSourcedIds", "s1,s2");
        it.upload.enroll("t1", "c2", "s2", "teacher");
        let run = it.sync(NIGHT_1, 0).await;
        assert_eq!((&run["changes"]["users"]["added"], &run["seats"]["granted"]), (&json!(62), &json!(62)));
        let count = it.holders("reading").await.iter().filter(|it| it.0 == "a-001").count();
        assert_eq!(count, 1);
        it.ends(NIGHT_2).await;
    })
    .await;
}

/// P23, S4.47: who moves to another district loses the seat here, and nothing of it reaches the other.
#[tokio::test]
async fn p23_a_transfer_to_another_district_moves_nothing_between_them() {
    on_both("", async |mut it| {
        let (catalog, elm_folder) = (it.site.folder().join("catalog.toml"), it.site.folder().join("elm"));
        let oak = vendor::district(OAK, &vendor::csv(&it.folder()));
        let elm = vendor::district("elm", &vendor::csv(&elm_folder));
        let bought = CATALOG.replace("R-1", "R-2").replace("S-1", "S-2").replace("\"oak\"", "\"elm\"");
        let of_elm = bought.split_once("[[subscription]]").unwrap().1.replace("seats = 100", "seats = 2");
        std::fs::write(&catalog, format!("{CATALOG}\n[[subscription]]{of_elm}")).unwrap();
        it.site.configure(&format!("[catalog]\npath = \"{}\"\n{oak}\n{elm}", catalog.display()));
        let mut elm = Upload::new(&elm_folder, &["e1"]);
        elm.class("e-c1", "e1").students("e", 3, "e1", "e-c1");
        elm.write();
        it.sync(NIGHT_1, 0).await;
        it.site.sync(NIGHT_1, "elm").await.exits(0);

        // The same child, under the same id, as ids of two districts may be.
        it.upload.leaves("a-001");
        elm.user("a-001", "student", "e1").enroll("a-001", "e-c1", "e1", "student");
        elm.write();
        it.sync(NIGHT_2, 0).await;
        let run = it.site.sync(NIGHT_2, "elm").await.exits(0).json();
        assert_eq!(
            (&run["seats"]["granted"], &run["seats"]["waiting"]),
            (&json!(0), &json!(2)),
            "elm has its own two seats"
        );
        assert_eq!(it.seat("reading", "a-001").await.unwrap().1, "leaving");
        let run = it.sync(NIGHT_3, 0).await;
        assert_eq!(run["seats"]["released"], 1);
        let run = it.site.sync(NIGHT_3, "elm").await.exits(0).json();
        assert_eq!(run["status"], "unchanged", "a seat freed in oak is no seat of elm: {run:#}");
        it.ends(NIGHT_4).await;
    })
    .await;
}

/// P24, S4.15: a school that is renamed or merged keeps its children's seats; who the license is made out to stays as it was.
#[tokio::test]
async fn p24_a_school_renamed_and_then_merged_costs_no_seat() {
    on_both("", async |mut it| {
        let catalog = it.site.folder().join("catalog.toml");
        let text = CATALOG.replace(
            "seats = 100\n",
            "seats = 100\nlicensed_to = \"Oak Schools, Inc.\"\nallotments = [ { school = \"s1\", seats = 35 }, { school = \"s2\", seats = 40 } ]\n",
        );
        std::fs::write(&catalog, text).unwrap();
        it.sync(NIGHT_1, 0).await;
        let since = it.seat("reading", "a-001").await;
        it.upload.set("orgs", "s1", "name", "Oak Academy").set("orgs", "d", "name", "Oak United");
        let run = it.sync(NIGHT_2, 0).await;
        assert_eq!((&run["changes"]["schools"]["changed"], &run["seats"]["released"]), (&json!(2), &json!(0)));
        let rows = it.site.licenses(NIGHT_2).await;
        assert!(rows.as_array().unwrap().iter().any(|row| row["licensed_to"] == "Oak Schools, Inc."), "{rows:#}");
        // The second school becomes a part of the first, and its children and its class with it.
        for number in 1..=30 {
            it.upload.set("users", &format!("b-{number:03}"), "orgSourcedIds", "s1");
            it.upload.set("enrollments", &format!("e-b-{number:03}-c2"), "schoolSourcedId", "s1");
        }
        it.upload.set("users", "t2", "orgSourcedIds", "s1").set("classes", "c2", "schoolSourcedId", "s1");
        it.upload.set("enrollments", "e-t2-c2", "schoolSourcedId", "s1").drop_where("orgs", "sourcedId", "s2");
        let run = it.sync(NIGHT_3, 0).await;
        assert_eq!((&run["seats"]["released"], &run["changes"]["schools"]["removed"]), (&json!(0), &json!(1)), "{run:#}");
        assert_eq!(it.holders("reading").await.len(), 60);
        assert_eq!(it.seat("reading", "a-001").await, since);
        it.ends(NIGHT_4).await;
    })
    .await;
}

/// P28: of two rows of one user, one deleted, the active one counts, and the conflict is told.
#[tokio::test]
async fn p28_a_deleted_twin_row_removes_nobody() {
    on_both("", async |mut it| {
        it.sync(NIGHT_1, 0).await;
        let since = it.seat("reading", "a-001").await;
        it.upload.put("users", "a-001", &[("status", "tobedeleted"), ("enabledUser", "false"), ("role", "student")]);
        let cells =
            [("status", "tobedeleted"), ("classSourcedId", "c1"), ("userSourcedId", "a-001"), ("role", "student")];
        it.upload.put("enrollments", "e-old", &cells);
        let run = it.sync(NIGHT_2, 0).await;
        assert_eq!((&run["changes"]["users"]["removed"], &run["seats"]["released"]), (&json!(0), &json!(0)), "{run:#}");
        assert_eq!(it.seat("reading", "a-001").await, since);
        it.ends(NIGHT_3).await;
    })
    .await;
}

/// P29, P40: what the feed does not tell of, as overrides and assignments, is not its to remove.
#[tokio::test]
async fn p29_the_feed_removes_nothing_that_it_does_not_own() {
    on_both("", async |mut it| {
        it.upload.user("a-099", "student", "s1");
        it.sync(NIGHT_1, 0).await;
        it.decide(NIGHT_1, "a-099", "--pin", "pilot").await;
        it.upload.leaves("b-001");
        for night in [NIGHT_2, NIGHT_3] {
            it.sync(night, 0).await;
            assert!(it.seat("reading", "a-099").await.is_some(), "{night}");
        }
        it.ends(NIGHT_4).await;
    })
    .await;
}

/// P41: a class that people took out stays out, whatever the feed says of it, and those excepted stay in.
#[tokio::test]
async fn p41_a_class_that_was_taken_out_stays_out() {
    on_both("", async |mut it| {
        it.sync(NIGHT_1, 0).await;
        let words = [
            "unassign",
            "--district",
            OAK,
            "--product",
            "reading",
            "--class",
            "c2",
            "--except",
            "b-001",
            "--reason",
            "off",
        ];
        it.site.at(NIGHT_1, &words).await.exits(0);
        assert_eq!(it.holders("reading").await.len(), 31);
        it.upload.user("b-031", "student", "s2").enroll("b-031", "c2", "s2", "student");
        let run = it.sync(NIGHT_2, 0).await;
        assert_eq!(run["seats"]["granted"], 0, "nobody new of that class either");
        assert!(it.seat("reading", "b-001").await.is_some());
        it.ends(NIGHT_3).await;
    })
    .await;
}

/// P44, P50: another feed of the same district is a first sync again: planned, held whole, its seats needed against bought.
#[tokio::test]
async fn p44_a_change_of_the_feed_is_reviewed_before_it_counts() {
    let it = Place::on(Backend::Sqlite, "").await.unwrap();
    it.sync(NIGHT_1, 0).await;
    let before = it.holders("reading").await;
    let server = vendor::serve("pomegranate-charter").await;
    let catalog = it.site.folder().join("catalog.toml");
    let feed = vendor::bearer(&server, "pomegranate-charter");
    it.site.configure(&format!("[catalog]\npath = \"{}\"\n{}", catalog.display(), vendor::reviewed(OAK, &feed)));
    let run = it.site.sync(NIGHT_2, OAK).await.exits(3).json();
    assert_eq!(groups(&run), ["district/first_sync"], "{run:#}");
    let needs = run["needs"].as_array().unwrap();
    assert!(needs.iter().any(|it| it["product"] == "reading" && it["bought"] == 100), "{run:#}");
    let after = it.holders("reading").await;
    assert!(after.iter().zip(&before).all(|(now, then)| (&now.0, &now.1) == (&then.0, &then.1)), "{after:?}");
    once_more(&it.site, OAK).await;
}

/// P51, E5: in a tiny school three of eight may leave: floors stand beside percentages. Not all of them.
#[tokio::test]
async fn p51_three_of_eight_may_leave_and_all_eight_may_not() {
    on_both("", async |mut it| {
        it.upload.put("orgs", "tiny", &[("name", "Tiny"), ("type", "school"), ("parentSourcedId", "d")]);
        it.upload.class("t-c", "tiny").students("tiny", 8, "tiny", "t-c");
        it.sync(NIGHT_1, 0).await;
        it.upload.leaves("tiny-001").leaves("tiny-002").leaves("tiny-003");
        let run = it.sync(NIGHT_2, 0).await;
        assert_eq!(run["changes"]["users"]["removed"], 3);
        for number in 4..=8 {
            it.upload.leaves(&format!("tiny-{number:03}"));
        }
        let run = it.sync(NIGHT_3, 3).await;
        assert!(groups(&run).contains(&"school:tiny/users/removed"), "{run:#}");
        assert_eq!(run["changes"]["users"]["held"], 5);
    })
    .await;
}

/// P52, P30, P33: one instant decides for a whole run, in the district's zone: at 23:59 the last day still counts, a minute later not.
#[tokio::test]
async fn p52_one_instant_decides_for_the_whole_run_in_the_districts_zone() {
    on_both("", async |mut it| {
        it.upload.set("enrollments", "e-a-001-c1", "endDate", "2025-10-08");
        it.upload.set("enrollments", "e-a-002-c1", "beginDate", "2025-10-08");
        it.sync(NIGHT_1, 0).await;
        assert!(it.seat("reading", "a-001").await.is_some() && it.seat("reading", "a-002").await.is_none());
        // 04:59 in UTC is a minute before midnight in Chicago.
        it.sync("2025-10-08T04:59:00Z", 0).await;
        assert!(it.seat("reading", "a-001").await.is_some() && it.seat("reading", "a-002").await.is_none());
        let run = it.sync("2025-10-08T05:00:00Z", 0).await;
        assert_eq!((&run["seats"]["released"], &run["seats"]["granted"]), (&json!(1), &json!(1)), "{run:#}");
        assert!(it.seat("reading", "a-001").await.is_none() && it.seat("reading", "a-002").await.is_some());
        it.ends("2025-10-08T06:00:00Z").await;
    })
    .await;
}

/// M1: of several children who leave one class each one is taken out, not only the last; and a school that cannot be resolved
/// costs none of its children a class.
#[tokio::test]
async fn m1_each_of_several_leavers_goes_and_an_unknown_school_costs_nobody() {
    on_both("", async |mut it| {
        it.sync(NIGHT_1, 0).await;
        for user in ["a-001", "a-002", "a-003"] {
            it.upload.drop_where("enrollments", "userSourcedId", user);
        }
        for number in 1..=30 {
            it.upload.set("enrollments", &format!("e-b-{number:03}-c2"), "schoolSourcedId", "nowhere");
        }
        let run = it.sync(NIGHT_2, 0).await;
        assert_eq!(run["changes"]["enrollments"]["removed"], 3, "{run:#}");
        let run = it.sync(NIGHT_3, 0).await;
        assert_eq!(run["seats"]["released"], 3, "the three, when a second night agrees: {run:#}");
        assert_eq!(it.holders("reading").await.len(), 57);
    })
    .await;
}

/// M2: a status that changes alone is a change.
#[tokio::test]
async fn m2_a_changed_status_alone_is_a_change() {
    on_both("", async |mut it| {
        it.sync(NIGHT_1, 0).await;
        it.upload.set("users", "a-001", "enabledUser", "false");
        let run = it.sync(NIGHT_2, 0).await;
        assert_eq!((&run["changes"]["users"]["changed"], &run["changes"]["users"]["removed"]), (&json!(1), &json!(0)));
        assert_eq!(run["seats"]["released"], 1);
        it.upload.set("enrollments", "e-a-002-c1", "status", "tobedeleted");
        let run = it.sync(NIGHT_3, 0).await;
        assert_eq!((&run["changes"]["enrollments"]["removed"], &run["seats"]["released"]), (&json!(1), &json!(1)));
        it.ends(NIGHT_4).await;
    })
    .await;
}

/// M8: a source whose status is always `active` still loses who is not there any more, in a complete snapshot.
#[tokio::test]
async fn m8_without_tombstones_absence_from_a_complete_snapshot_counts() {
    on_both("", async |mut it| {
        for number in 1..=30 {
            it.upload.set("users", &format!("a-{number:03}"), "status", "active");
        }
        it.sync(NIGHT_1, 0).await;
        it.upload.leaves("a-001");
        let run = it.sync(NIGHT_2, 0).await;
        assert_eq!(run["changes"]["users"]["removed"], 1);
        assert_eq!(it.seat("reading", "a-001").await.unwrap().1, "leaving");
        let run = it.sync(NIGHT_3, 0).await;
        assert_eq!(run["seats"]["released"], 1);
        it.ends(NIGHT_4).await;
    })
    .await;
}
