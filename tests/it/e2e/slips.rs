//! A slip of a person in the catalog takes nobody's seat: what would release more than the guard lets pass is not taken before
//! somebody says that it is meant (safety.md, Guard; S4.25).

use serde_json::{Value, json};

use crate::support::place::{OAK, Place, on_both};
use crate::support::vendor::{NIGHT_1, NIGHT_2, NIGHT_3, NIGHT_4};

impl Place {
    /// A purchase of so many seats for reading whose surplus is taken back at once, in a file.
    fn purchase(&self, seats: u32) -> String {
        let body = json!({
            "id": "R-1", "district": OAK, "product": "reading", "seats": seats, "starts_on": "2025-07-01",
            "expires_on": "2026-06-30", "on_shrink": "reclaim", "remediate_days": 0,
        });
        let file = self.site.folder().join("purchase.json");
        std::fs::write(&file, body.to_string()).unwrap();
        file.display().to_string()
    }

    /// Seats are taken back only while use is being reported.
    async fn used(&self, now: &str) {
        let line = json!({ "user": "a-001", "product": "reading", "last_used_at": now });
        let file = self.site.folder().join("use.jsonl");
        std::fs::write(&file, line.to_string()).unwrap();
        let words = ["activity", "import", file.to_str().unwrap(), "--district", OAK];
        self.site.at(now, &words).await.exits(0);
    }
}

/// A grade too few in a rule: the plan shows what it would take, a refresh does not take it, syncs go on under the last good
/// catalog, and with the hash of exactly this document and a reason it is in force with what follows.
#[tokio::test]
async fn a_slip_in_a_rule_is_not_taken_until_it_is_accepted() {
    on_both("", async |mut it| {
        it.sync(NIGHT_1, 0).await;
        let holders = it.holders("reading").await;
        it.says("basis = \"enrolled\"", "basis = \"enrolled\"\ngrades = [\"12\"]");
        let plan = it.site.at(NIGHT_2, &["catalog", "plan", "--json"]).await.exits(3).json();
        let of_oak = &plan["districts"][0];
        let hold = &of_oak["holds"][0];
        assert_eq!(
            (&hold["group"], &hold["count"]),
            (&json!("district/product:reading/released"), &json!(60)),
            "{plan:#}"
        );
        assert_eq!(
            (&of_oak["holds"][1]["count"], &of_oak["holds"][2]["count"]),
            (&json!(30), &json!(30)),
            "each school"
        );

        let before = it.site.state(OAK).await;
        let look = it.site.at(NIGHT_2, &["catalog", "refresh", "--json"]).await.exits(3).json();
        assert_eq!(
            (&look["outcome"], &look["runs"], &look["hash"]),
            (&json!("held"), &json!([]), &plan["hash"]),
            "{look:#}"
        );
        assert_eq!(look["held"][0]["holds"], of_oak["holds"]);
        it.site.at(NIGHT_2, &["catalog", "refresh"]).await.exits(3).says(&["60 of 60 seats would end", "--accept"]);
        it.site.at(NIGHT_2, &["catalog", "refresh", "--accept", "0000", "--reason", "x"]).await.exits(3);
        it.site.at(NIGHT_2, &["catalog", "refresh", "--accept", "0000"]).await.exits(2);
        assert!(it.site.state(OAK).await == before, "nothing of it is in force");

        it.upload.user("a-031", "student", "s1").enroll("a-031", "c1", "s1", "student");
        let run = it.sync(NIGHT_3, 0).await;
        assert_eq!((&run["seats"]["granted"], &run["seats"]["released"]), (&json!(1), &json!(0)), "{run:#}");
        let after: Vec<_> = it.holders("reading").await.into_iter().filter(|it| it.0 != "a-031").collect();
        assert_eq!(after, holders);

        let hash = plan["hash"].as_str().unwrap();
        let words = ["catalog", "refresh", "--accept", hash, "--reason", "grade 12 only from now on", "--json"];
        let look = it.site.at(NIGHT_4, &words).await.exits(0).json();
        assert_eq!(look["outcome"], "changed", "{look:#}");
        let run = look["runs"][0]["run"].as_str().unwrap();
        let run = it.site.run(&["runs", "show", run, "--json"]).await.exits(0).json();
        assert_eq!(
            (&run["seats"]["released"], &run["requested_by"], &run["reason"]),
            (&json!(61), &json!("cli:tester"), &json!("grade 12 only from now on")),
            "{run:#}"
        );
        it.site.verified().await;
        it.ends(NIGHT_4).await;
    })
    .await;
}

/// What a rule takes below the limits, and what a combined license gives instead, is no slip.
#[tokio::test]
async fn a_rule_that_takes_little_or_gives_it_another_way_is_in_force_at_once() {
    on_both("", async |mut it| {
        for number in 1..=15 {
            it.upload.set("users", &format!("a-{number:03}"), "grades", "05");
        }
        it.sync(NIGHT_1, 0).await;
        it.says("basis = \"enrolled\"", "basis = \"enrolled\"\ngrades = [\"03\"]");
        let look = it.site.at(NIGHT_2, &["catalog", "refresh", "--json"]).await.exits(0).json();
        assert_eq!(look["outcome"], "changed", "{look:#}");
        assert_eq!(it.holders("reading").await.len(), 45);
        it.ends(NIGHT_3).await;
    })
    .await;
}

/// A purchase in which a zero was lost is no other slip: what it would release more than the guard lets pass is not taken before
/// somebody says that it is meant (S4.25, S4.42). It says what would end, changes nothing, and files nothing.
#[tokio::test]
async fn s4_42_a_purchase_that_takes_too_many_seats_is_not_taken_until_it_is_accepted() {
    on_both("", async |it| {
        it.sync(NIGHT_1, 0).await;
        it.used(NIGHT_1).await;
        let before = it.site.state(OAK).await;
        let holders = it.holders("reading").await;
        let file = it.purchase(3);
        let put = async |now: &str, more: &[&str]| {
            it.site.at(now, &[&["catalog", "put", file.as_str()], more].concat()).await
        };
        let refused = put(NIGHT_2, &["--json"]).await.exits(3).json();
        let holds = &refused["held"][0]["holds"];
        assert_eq!((&refused["changed"], &refused["run"]), (&json!(false), &Value::Null), "{refused:#}");
        assert_eq!(
            (&holds[0]["group"], &holds[0]["count"], &holds[0]["of"]),
            (&json!("district/product:reading/released"), &json!(57), &json!(60)),
            "{refused:#}"
        );
        let hash = refused["hash"].as_str().unwrap();
        put(NIGHT_2, &[]).await.exits(3).says(&[
            "HELD district/product:reading/released: 57 of 60 seats would end",
            "it is not taken before you say that it is meant",
            "rosterd catalog put",
            &format!("--accept {hash}"),
        ]);
        put(NIGHT_2, &["--accept", "0000", "--reason", "x"]).await.exits(3);
        put(NIGHT_2, &["--accept", hash]).await.exits(2).says(&["--reason"]);
        let other = it.purchase(4);
        assert_eq!(other, file);
        put(NIGHT_2, &["--accept", hash, "--reason", "x"]).await.exits(3).says(&["56 of 60"]);
        assert!(it.site.state(OAK).await == before, "nothing of it is in force");
        assert_eq!(it.holders("reading").await, holders);
        it.site.verified().await;

        it.purchase(3);
        let run = put(NIGHT_3, &["--accept", hash, "--reason", "they cancelled", "--json"]).await.exits(0).json();
        assert_eq!(
            (&run["seats"]["released"], &run["requested_by"], &run["reason"]),
            (&json!(57), &json!("cli:tester"), &json!("they cancelled")),
            "{run:#}"
        );
        it.site.verified().await;
        let again = put(NIGHT_3, &["--json"]).await.exits(0).json();
        assert_eq!((&again["changed"], &again["run"]), (&json!(false), &Value::Null), "it is in force");
        it.ends(NIGHT_4).await;
    })
    .await;
}

/// One that gives, or takes no more than a night may, is in force at once, as ever.
#[tokio::test]
async fn s4_25_a_purchase_below_the_limits_asks_nobody() {
    on_both("", async |it| {
        it.sync(NIGHT_1, 0).await;
        it.used(NIGHT_1).await;
        for (now, seats, left) in [(NIGHT_2, 45, 45), (NIGHT_3, 200, 60)] {
            let file = it.purchase(seats);
            let run = it.json(now, &["catalog", "put", &file]).await;
            assert_eq!((&run["status"], it.holders("reading").await.len()), (&json!("applied"), left), "{run:#}");
            it.site.verified().await;
        }
        it.ends(NIGHT_4).await;
    })
    .await;
}
