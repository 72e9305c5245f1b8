//! Who decides on the command line (reliability.md T24), and what `explain` says of a change that waits for somebody.

use serde_json::{Value, json};

use crate::support::place::{OAK, Place, groups, on_both};
use crate::support::vendor::{self, NIGHT_1, NIGHT_2, NIGHT_3};

impl Place {
    async fn link(&self, now: &str, user: &str, link: &str) -> (Value, Value) {
        let told = self.json(now, &["explain", "--district", OAK, "--user", user, "--product", "reading"]).await;
        let chain = told["chain"].as_array().unwrap().clone();
        (told, chain.into_iter().find(|it| it["link"] == link).unwrap())
    }
}

/// T24: who asked may not approve; somebody else does, for the plan that was shown, once.
#[tokio::test]
async fn t24_on_the_command_line_somebody_else_approves_and_once() {
    on_both("[guard]\nsecond_person = true\n", async |mut it| {
        it.sync(NIGHT_1, 0).await;
        for number in 1..=12 {
            it.upload.leaves(&format!("a-{number:03}"));
        }
        let run = it.sync(NIGHT_2, 3).await;
        assert!(groups(&run).contains(&"school:s1/users/removed"), "{run:#}");
        let words = |hash: &str| {
            let id = run["run"].as_str().unwrap().to_owned();
            ["--now", NIGHT_2, "runs", "approve", &id, "--hash", hash, "--reason", "moved"].map(str::to_owned)
        };
        let hash = run["plan_hash"].as_str().unwrap().to_owned();
        let before = it.site.state(OAK).await;
        let asked = async |user: &str, hash: &str| {
            let words = words(hash);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let mut command = it.site.command(&words);
            command.env("USER", user);
            vendor::finished(command, words.join(" ")).await
        };
        asked("tester", &hash).await.exits(1).says(&["somebody else"]);
        asked("second", "0000").await.exits(1).says(&["plan hash"]);
        assert!(it.site.state(OAK).await == before, "a refused decision changes nothing");
        asked("second", &hash).await.exits(0);
        asked("second", &hash).await.exits(1);
        let audit = it.site.audit(OAK).await;
        let approved: Vec<&str> = audit.lines().filter(|line| line.contains("\"run.approved\"")).collect();
        assert!(approved.len() == 1 && approved[0].contains("cli:second"), "{approved:?}");
        it.sync(NIGHT_3, 0).await;
        it.ends(NIGHT_3).await;
    })
    .await;
}

/// U23: a change that a mode keeps back is told with the mode, who set it and who must act; so is a district that stands still.
#[tokio::test]
async fn explain_names_the_mode_that_keeps_a_change_back() {
    on_both("", async |mut it| {
        it.sync(NIGHT_1, 0).await;
        let mode = async |it: &Place, mode: &str| {
            it.site.at(NIGHT_2, &["district", "mode", OAK, mode, "--reason", "summer"]).await.exits(0);
        };
        mode(&it, "no_removals").await;
        it.upload.leaves("a-001").user("a-031", "student", "s1").enroll("a-031", "c1", "s1", "student");
        it.sync(NIGHT_2, 0).await;
        let (told, link) = it.link(NIGHT_2, "a-001", "review").await;
        let says = link["says"].as_str().unwrap();
        assert!(says.contains("no_removals") && says.contains("cli:tester") && says.contains("bridged"), "{link:#}");
        assert_eq!((&told["broken"], &told["who"]), (&json!("review"), &json!("vendor")), "{told:#}");
        assert!(told["todo"].as_str().unwrap().contains("district mode DISTRICT normal"), "{told:#}");
        let (told, link) = it.link(NIGHT_2, "a-031", "review").await;
        assert_eq!((&told["broken"], &link["ok"]), (&Value::Null, &json!(true)), "who is new is served: {told:#}");

        mode(&it, "plan_only").await;
        it.upload.user("a-032", "student", "s1").enroll("a-032", "c1", "s1", "student");
        it.sync(NIGHT_2, 0).await;
        let (told, link) = it.link(NIGHT_2, "a-032", "known").await;
        assert!(link["says"].as_str().unwrap().contains("plan_only"), "{link:#}");
        assert_eq!((&told["broken"], &told["who"]), (&json!("known"), &json!("vendor")), "{told:#}");
        mode(&it, "paused").await;
        let (told, _) = it.link(NIGHT_2, "a-032", "known").await;
        assert!(told["todo"].as_str().unwrap().starts_with("end the mode"), "{told:#}");

        mode(&it, "normal").await;
        it.sync(NIGHT_3, 0).await;
        let (told, _) = it.link(NIGHT_3, "a-032", "known").await;
        assert_eq!((&told["broken"], &told["access"]), (&Value::Null, &json!("yes")), "{told:#}");
        it.site.verified().await;
    })
    .await;
}
