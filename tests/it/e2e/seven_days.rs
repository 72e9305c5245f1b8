//! How long an approval lasts: for exactly those changes, across nights, seven days and no longer (safety.md, Approve).

use serde_json::{Value, json};

use crate::support::place::{OAK, Place, groups, on_both};

const GONE: usize = 12;

const APPROVED_AT: &str = "2025-10-08T09:00:00.000Z";

fn gone() -> impl Iterator<Item = String> {
    (1..=GONE).map(|number| format!("a-{number:03}"))
}

impl Place {
    fn id(run: &Value) -> String {
        run["run"].as_str().unwrap().to_owned()
    }

    fn lost(run: &Value) -> (u64, u64) {
        let users = &run["changes"]["users"];
        (users["removed"].as_u64().unwrap(), users["held"].as_u64().unwrap())
    }

    /// Twelve children who leave are held and approved, but none of their records is any more what the review showed: nothing
    /// of it applies at once, all of it is remembered. The feed answers nothing meanwhile.
    async fn approves_what_is_skipped(&mut self) -> String {
        self.sync("2025-10-06T07:00:00.000Z", 0).await;
        for user in gone() {
            self.upload.set("users", &user, "givenName", "Lee");
        }
        let renamed = self.sync("2025-10-07T07:00:00.000Z", 0).await;
        for user in gone() {
            self.upload.leaves(&user);
        }
        let held = self.sync("2025-10-08T07:00:00.000Z", 3).await;
        assert!(groups(&held).contains(&"school:s1/users/removed"), "{held:#}");
        let (renamed, held) = (Self::id(&renamed), Self::id(&held));
        self.json("2025-10-08T08:00:00.000Z", &["runs", "revert", &renamed, "--reason", "no such name"]).await;
        let done = self.json(APPROVED_AT, &["runs", "approve", &held, "--reason", "they moved"]).await;
        assert_eq!(Self::lost(&done), (0, 0), "who is not as shown is skipped: {done:#}");
        self.site.verified().await;
        held
    }
}

/// On the last instant of the seventh day the approved changes apply, past every limit, if they come exactly as approved; one
/// child who is back with another name is not what was approved, and stays.
#[tokio::test]
async fn an_approval_still_counts_at_the_end_of_the_seventh_day() {
    on_both("", async |mut it| {
        it.approves_what_is_skipped().await;
        it.upload.user("a-012", "student", "s1").enroll("a-012", "c1", "s1", "student");
        it.upload.set("users", "a-012", "givenName", "Max");
        let run = it.sync("2025-10-15T09:00:00.000Z", 0).await;
        assert_eq!((Place::lost(&run), groups(&run).len()), ((11, 0), 0), "{run:#}");
        let users = it.site.roster(OAK, "users").await;
        assert!(users.contains("\"a-012\"") && users.contains("Max") && !users.contains("\"a-011\""));
        it.ends("2025-10-16T07:00:00.000Z").await;
    })
    .await;
}

/// A millisecond later it counts no more: the same changes are measured afresh and held, and the hold says with which run they
/// had been approved and until when. Who approves them anew lets them through at once.
#[tokio::test]
async fn an_approval_counts_no_more_after_seven_days_and_the_hold_says_so() {
    on_both("", async |mut it| {
        let approved = it.approves_what_is_skipped().await;
        let run = it.sync("2025-10-15T09:00:00.001Z", 3).await;
        assert_eq!(Place::lost(&run), (0, 12), "{run:#}");
        let hold = run["holds"].as_array().unwrap().iter().find(|it| it["group"] == "school:s1/users/removed").unwrap();
        let limit = hold["limit"].as_str().unwrap();
        assert!(limit.starts_with("over 10 % and over 10; "), "{limit}");
        for word in ["12 of them", approved.as_str(), "2025-10-15T09:00:00.000Z"] {
            assert!(limit.contains(word), "`{word}`: {limit}");
        }
        let shown = it.site.run(&["runs", "show", run["run"].as_str().unwrap()]).await.exits(0).out;
        assert!(shown.contains("that approval ended at 2025-10-15T09:00:00.000Z"), "{shown}");
        assert!(it.site.roster(OAK, "users").await.contains("\"a-001\""), "nobody is removed meanwhile");

        let anew = Place::id(&run);
        let done = it.json("2025-10-15T10:00:00.000Z", &["runs", "approve", &anew, "--reason", "yes, they did"]).await;
        assert_eq!((Place::lost(&done), &done["holds"]), ((12, 0), &json!([])), "{done:#}");
        it.site.verified().await;
        it.ends("2025-10-16T07:00:00.000Z").await;
    })
    .await;
}
