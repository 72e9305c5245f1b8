//! Who is in which class, where, and until when (scenarios.md, P21 to P43): each on both databases, and once more at its end, when
//! nothing may change.

use serde_json::{Value, json};

use crate::support::place::{OAK, on_both};
use crate::support::vendor::{NIGHT_1, NIGHT_2, NIGHT_3, NIGHT_4};

const RULE: &str = "basis = \"enrolled\"";

/// P21: a child of two schools has one seat, of the primary school's pool, and keeps it there whatever the order of the rows.
#[tokio::test]
async fn p21_a_child_of_two_schools_has_one_seat_of_the_primary_one() {
    on_both("", async |mut it| {
        let split = "seats = 100\nallotments = [ { school = \"s1\", seats = 45 }, { school = \"s2\", seats = 45 } ]";
        it.says("seats = 100", split);
        it.upload.set("users", "a-001", "orgSourcedIds", "s2,s1").enroll("a-001", "c2", "s2", "student");
        it.sync(NIGHT_1, 0).await;
        for night in [NIGHT_2, NIGHT_3] {
            let words = ["seats", "--district", OAK, "--product", "reading"];
            let seats = it.json(night, &words).await;
            let own: Vec<&Value> =
                seats["holders"].as_array().unwrap().iter().filter(|it| it["user"] == "a-001").collect();
            assert_eq!((own.len(), &own[0]["pool"], &own[0]["since"]), (1, &json!("s2"), &json!(NIGHT_1)), "{own:?}");
            it.upload.reverse();
            assert_eq!(it.sync(night, 0).await["seats"]["moved"], 0, "no flip-flop");
        }
        it.ends(NIGHT_4).await;
    })
    .await;
}

/// P22: out on Friday, in on Tuesday: within the grace of the product it is the same seat.
#[tokio::test]
async fn p22_a_gap_within_the_grace_is_the_same_seat() {
    on_both("", async |mut it| {
        it.says(RULE, "basis = \"enrolled\"\nleaving_grace_days = 10");
        let (friday, monday, tuesday) =
            ("2025-10-10T07:00:00.000Z", "2025-10-13T07:00:00.000Z", "2025-10-14T07:00:00.000Z");
        it.sync(NIGHT_1, 0).await;
        let (seat, here) = (it.seat("reading", "a-001").await, it.upload.clone());
        it.upload.leaves("a-001");
        for night in [friday, monday] {
            assert_eq!(it.sync(night, 0).await["seats"]["released"], 0);
        }
        assert_eq!(it.seat("reading", "a-001").await.unwrap().1, "leaving");
        it.upload = here;
        it.upload.set("users", "a-001", "orgSourcedIds", "s2").drop_where("enrollments", "userSourcedId", "a-001");
        it.upload.enroll("a-001", "c2", "s2", "student");
        let run = it.sync(tuesday, 0).await;
        assert_eq!((&run["seats"]["granted"], &run["seats"]["released"]), (&json!(0), &json!(0)), "{run:#}");
        assert_eq!(it.seat("reading", "a-001").await, seat);
        it.ends(tuesday).await;
    })
    .await;
}

/// P25, P27: another section in the same night, and the same class under a new enrollment id, cost nobody a seat for a moment.
#[tokio::test]
async fn p25_another_section_or_enrollment_id_costs_nobody_a_seat() {
    on_both("", async |mut it| {
        it.upload.class("c3", "s1").enroll("t1", "c3", "s1", "teacher");
        it.sync(NIGHT_1, 0).await;
        let holders = it.holders("reading").await;
        it.upload.drop_where("enrollments", "userSourcedId", "a-001").enroll("a-001", "c3", "s1", "student");
        let run = it.sync(NIGHT_2, 0).await;
        let enrollments = &run["changes"]["enrollments"];
        assert_eq!((&enrollments["added"], &enrollments["removed"]), (&json!(1), &json!(1)), "{run:#}");
        assert_eq!((&run["seats"]["granted"], &run["seats"]["released"]), (&json!(0), &json!(0)));
        it.upload.drop_where("enrollments", "userSourcedId", "a-002");
        let cells =
            [("classSourcedId", "c1"), ("schoolSourcedId", "s1"), ("userSourcedId", "a-002"), ("role", "student")];
        it.upload.put("enrollments", "another-id", &cells);
        let run = it.sync(NIGHT_3, 0).await;
        assert_eq!(run["changes"]["enrollments"]["unchanged"], 63, "user, class and role are the enrollment: {run:#}");
        assert_eq!(it.holders("reading").await, holders);
        it.ends(NIGHT_4).await;
    })
    .await;
}

/// P26: while any teacher of a class is ON its students count; a class whose teachers have all left keeps them, and is told.
#[tokio::test]
async fn p26_a_class_whose_teachers_leave_keeps_its_students() {
    on_both("", async |mut it| {
        it.says(RULE, "basis = \"enrolled\"\neducator_access = true");
        it.upload.user("t3", "teacher", "s1").enroll("t3", "c1", "s1", "teacher");
        it.sync(NIGHT_1, 0).await;
        let holders = it.holders("reading").await;
        it.json(NIGHT_1, &["access", "set", "--district", OAK, "--educator", "t1", "--product", "reading", "--off"])
            .await;
        assert_eq!(it.holders("reading").await, holders, "the other teacher is ON");
        it.upload.leaves("t1");
        it.sync(NIGHT_2, 0).await;
        it.upload.leaves("t3");
        let run = it.sync(NIGHT_3, 0).await;
        assert_eq!(run["seats"]["released"], 1, "the first teacher's own seat of another product: {run:#}");
        assert!(run["snapshot"]["warnings"].to_string().contains("teacher"), "{run:#}");
        assert_eq!(it.holders("reading").await.len(), 60);
        it.ends(NIGHT_3).await;
    })
    .await;
}

/// P31: an enrollment without an end ends with its school year, where seats do not outlast that.
#[tokio::test]
async fn p31_an_enrollment_without_an_end_ends_with_the_school_year() {
    on_both("", async |it| {
        it.says(RULE, "basis = \"enrolled\"\nafter_last_day = \"release\"");
        it.sync(NIGHT_1, 0).await;
        // June 10 is the first day without school: the end of OneRoster is exclusive.
        it.sync("2026-06-09T07:00:00.000Z", 0).await;
        assert_eq!(it.holders("reading").await.len(), 60);
        let summer = "2026-06-10T07:00:00.000Z";
        let run = it.sync(summer, 0).await;
        assert_eq!(
            (&run["seats"]["released"], &run["holds"]),
            (&json!(60), &json!([])),
            "announced by the dates: {run:#}"
        );
        it.ends(summer).await;
    })
    .await;
}

/// P42, P43: more children than seats wait in one order, whatever the order of the file, with one alert; and seats that are cut
/// below those in use take nobody's away.
#[tokio::test]
async fn p42_a_line_is_the_same_for_every_file_and_a_cut_revokes_nobody() {
    on_both("", async |mut it| {
        it.sells(55);
        let run = it.sync(NIGHT_1, 0).await;
        assert_eq!(
            (&run["seats"]["granted"], &run["seats"]["waiting"]),
            (&json!(57), &json!(5)),
            "with two teachers: {run:#}"
        );
        let words = ["seats", "--district", OAK, "--product", "reading", "--json"];
        let first = it.site.run(&words).await.exits(0).out;
        it.upload.reverse();
        it.sync(NIGHT_2, 0).await;
        assert_eq!(it.site.run(&words).await.exits(0).out, first);
        let alerts = it.site.run(&["alerts", "--district", OAK, "--json"]).await.exits(0).out;
        assert_eq!(alerts.matches("\"waitlist\"").count(), 1, "{alerts}");
        it.sells(40);
        let run = it.sync(NIGHT_3, 0).await;
        assert_eq!(run["seats"]["released"], 0, "{run:#}");
        let rows = it.site.licenses(NIGHT_3).await;
        let reading = rows.as_array().unwrap().iter().find(|row| row["product"] == "reading").unwrap();
        assert_eq!(
            (&reading["assigned"], &reading["over"], &reading["available"]),
            (&json!(55), &json!(15), &json!(0))
        );
        it.ends(NIGHT_4).await;
    })
    .await;
}
