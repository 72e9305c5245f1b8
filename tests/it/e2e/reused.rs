//! Ids that are used again (P19, T16): for another child, long after the first one left or while they are here, and for another
//! class in another term. Nothing of the former one passes on.

use serde_json::{Value, json};

use crate::support::place::{OAK, Place, groups, on_both};
use crate::support::vendor::{NIGHT_1, NIGHT_2, NIGHT_3, NIGHT_4, NIGHT_5};

impl Place {
    /// Puts a child into the upload under an id that was someone else's.
    fn another_child(&mut self, id: &str) {
        self.upload.user(id, "student", "s2").enroll(id, "c2", "s2", "student");
        self.upload.set("users", id, "givenName", "Quite").set("users", id, "familyName", "Other");
        self.upload.set("users", id, "grades", "07");
    }

    async fn explained(&self, now: &str, user: &str) -> Value {
        self.json(now, &["explain", "--district", OAK, "--user", user, "--product", "reading"]).await
    }

    async fn approves(&self, now: &str, run: &Value) -> Value {
        let id = run["run"].as_str().unwrap();
        self.json(now, &["runs", "approve", id, "--reason", "another child"]).await
    }
}

/// P19: an archived id comes back as someone else. It waits for a person; approved, it begins anew: no pin, no return to the head
/// of the line, no link to another account.
#[tokio::test]
async fn p19_an_archived_id_that_comes_back_as_someone_else_inherits_nothing() {
    on_both("", async |mut it| {
        it.sells(60);
        it.upload.user("a-099", "student", "s1").enroll("a-099", "c1", "s1", "student");
        for user in ["a-001", "a-099"] {
            it.upload.set("users", user, "identifier", "N-1");
        }
        it.sync(NIGHT_1, 0).await;
        let pairs = it.json(NIGHT_1, &["identity", "list", "--district", OAK]).await;
        let pair = pairs["pairs"][0]["id"].as_str().unwrap().to_owned();
        it.json(NIGHT_1, &["identity", "accept", &pair, "--reason", "one child"]).await;
        it.decide(NIGHT_1, "a-001", "--pin", "testing week").await;
        it.upload.leaves("a-001");
        it.sync(NIGHT_2, 0).await;
        it.sync(NIGHT_3, 0).await;
        assert!(it.seat("reading", "a-001").await.is_none(), "the first child is gone");

        it.another_child("a-001");
        let run = it.sync(NIGHT_4, 3).await;
        assert_eq!(groups(&run), ["district/users/reused"], "{run:#}");
        assert_eq!((&run["holds"][0]["count"], &run["changes"]["users"]["held"]), (&json!(1), &json!(1)));
        assert_eq!(it.seat("reading", "a-001").await, None);
        assert!(it.explained(NIGHT_4, "a-001").await.to_string().contains("district/users/reused"));

        let done = it.approves(NIGHT_4, &run).await;
        assert_eq!((&done["status"], &done["changes"]["users"]["added"]), (&json!("applied"), &json!(1)), "{done:#}");
        it.site.verified().await;
        let audit = it.site.audit(OAK).await;
        for gone in ["override.cleared", "identity.undone"] {
            assert!(audit.contains(gone), "{gone}");
        }
        let line = it.site.run(&["seats", "--district", OAK, "--product", "reading", "--json"]).await.exits(0).json();
        let place = line["waitlist"].as_array().unwrap().iter().find(|it| it["user"] == "a-001");
        let last = line["waitlist"].as_array().unwrap().len();
        assert!(place.is_some_and(|it| it["position"] == last), "a newcomer, neither pinned nor returning: {line:#}");
        it.ends(NIGHT_5).await;
    })
    .await;
}

/// P19, T16: who seems to be someone else under the id of a child who is here waits, too, and once approved draws a seat of their
/// own like anybody: the seat of the first child ends.
#[tokio::test]
async fn p19_an_id_that_passes_to_another_child_ends_the_seat_of_the_first() {
    on_both("", async |mut it| {
        it.sync(NIGHT_1, 0).await;
        it.upload.leaves("a-001");
        it.another_child("a-001");
        let run = it.sync(NIGHT_2, 3).await;
        assert_eq!(groups(&run), ["district/users/reused"], "{run:#}");
        let first = it.seat("reading", "a-001").await.unwrap();
        let done = it.approves(NIGHT_3, &run).await;
        assert_eq!((&done["seats"]["released"], &done["seats"]["granted"]), (&json!(1), &json!(1)), "{done:#}");
        it.site.verified().await;
        let own = it.seat("reading", "a-001").await.unwrap();
        assert!(own.0 > first.0, "a seat since today: {own:?} after {first:?}");
        it.ends(NIGHT_4).await;
    })
    .await;
}

/// P19: someone who comes back under their own name is who they were, whatever else changed.
#[tokio::test]
async fn p19_who_comes_back_with_a_new_email_and_grade_is_restored() {
    on_both("", async |mut it| {
        it.sync(NIGHT_1, 0).await;
        let before = it.upload.clone();
        it.upload.leaves("a-001");
        it.sync(NIGHT_2, 0).await;
        it.sync(NIGHT_3, 0).await;
        it.upload = before;
        it.upload.set("users", "a-001", "grades", "04").set("users", "a-001", "email", "new@oak.example");
        let run = it.sync(NIGHT_4, 0).await;
        assert_eq!((&run["holds"], &run["seats"]["granted"]), (&json!([]), &json!(1)), "{run:#}");
        assert!(it.site.audit(OAK).await.contains("\"user.restored\""));
        it.ends(NIGHT_5).await;
    })
    .await;
}

/// P19: the id of a class of the fall is used again for a class of the spring. The old one is archived with its enrollments, and
/// what a person decided about it rests with it: the new class's children have what everyone has.
#[tokio::test]
async fn p19_a_class_id_of_another_term_is_another_class() {
    on_both("", async |mut it| {
        it.upload.session("fall", "2025-08-15", "2025-10-08").session("spring", "2025-10-08", "2026-06-10");
        it.upload.class("c9", "s1").set("classes", "c9", "termSourcedIds", "fall");
        it.upload.enroll("t1", "c9", "s1", "teacher").students("f", 4, "s1", "c9");
        it.sync(NIGHT_1, 0).await;
        let words =
            ["unassign", "--district", OAK, "--product", "reading", "--class", "c9", "--reason", "pilot is over"];
        let run = it.json(NIGHT_1, &words).await;
        assert_eq!(run["seats"]["released"], 4, "{run:#}");

        it.upload.set("classes", "c9", "termSourcedIds", "spring").set("classes", "c9", "title", "Another");
        for number in 1..=4 {
            it.upload.leaves(&format!("f-{number:03}"));
        }
        it.upload.students("g", 4, "s1", "c9");
        let run = it.sync(NIGHT_3, 0).await;
        let classes = &run["changes"]["classes"];
        assert_eq!(
            (&classes["added"], &classes["changed"], &classes["removed"]),
            (&json!(1), &json!(0), &json!(1)),
            "{run:#}"
        );
        assert_eq!(run["seats"]["granted"], 4, "the exclusion was about the class of the fall: {run:#}");
        for action in ["\"class.removed\"", "\"class.added\""] {
            let audit = it.site.audit(OAK).await;
            assert!(audit.lines().any(|line| line.contains(action) && line.contains("\"c9\"")), "{action}");
        }
        let words = ["assign", "--district", OAK, "--product", "reading", "--class", "c9", "--reason", "all of them"];
        it.json(NIGHT_3, &words).await;
        it.ends(NIGHT_4).await;
    })
    .await;
}

/// P19, U19: a class that keeps one of its terms, or whose term has another id tonight, is the same class with all that was
/// decided about it, and after a revert the decision about the old class counts again.
#[tokio::test]
async fn p19_a_class_that_keeps_a_term_keeps_its_decisions_and_a_revert_brings_them_back() {
    on_both("", async |mut it| {
        it.upload.session("fall", "2025-08-15", "2025-12-19").session("spring", "2026-01-07", "2026-06-10");
        it.upload.set("classes", "c2", "termSourcedIds", "fall");
        it.sync(NIGHT_1, 0).await;
        let words = ["unassign", "--district", OAK, "--product", "reading", "--class", "c2", "--reason", "off"];
        it.json(NIGHT_1, &words).await;
        assert_eq!(it.holders("reading").await.len(), 30);
        // The same term under another id, then with a second one, then the second alone.
        it.upload.put(
            "academicSessions",
            "x1",
            &[("title", "fall"), ("type", "schoolYear"), ("startDate", "2025-08-15")],
        );
        it.upload.set("academicSessions", "x1", "endDate", "2025-12-19").set(
            "academicSessions",
            "x1",
            "schoolYear",
            "2026",
        );
        for terms in ["x1", "x1,spring"] {
            it.upload.set("classes", "c2", "termSourcedIds", terms);
            let night = if terms == "x1" { NIGHT_2 } else { NIGHT_3 };
            let run = it.sync(night, 0).await;
            assert_eq!(
                (&run["changes"]["classes"]["changed"], &run["seats"]["granted"]),
                (&json!(1), &json!(0)),
                "{run:#}"
            );
        }
        it.upload.set("classes", "c2", "termSourcedIds", "sy");
        let run = it.sync(NIGHT_4, 0).await;
        assert_eq!((&run["changes"]["classes"]["added"], &run["seats"]["granted"]), (&json!(1), &json!(30)), "{run:#}");
        it.json(NIGHT_4, &["runs", "revert", run["run"].as_str().unwrap()]).await;
        it.site.verified().await;
        assert_eq!(it.holders("reading").await.len(), 30, "c2 is out again");
        it.ends(NIGHT_5).await;
    })
    .await;
}
