//! Who had what on an earlier day: what the audit says later is what the commands said that evening (S3.19).

use serde_json::{Value, json};

use super::nights::{MULBERRY, Twins};
use crate::support::vendor::{self, NIGHT_1, NIGHT_2, NIGHT_3, NIGHT_4, NIGHT_5};

/// What is said of licenses, holders and waitlists, at an instant (`--now`) of the day itself or of a day (`--at`) before.
async fn said(twins: &Twins, now: &str, day: Option<&str>) -> Vec<Value> {
    let at: Vec<&str> = day.map_or_else(Vec::new, |day| vec!["--at", day]);
    let words = [vec!["licenses", "--district", MULBERRY, "--by-school", "--json"], at.clone()].concat();
    let mut rows = twins.at(now, 0, &words).await.json();
    for row in rows.as_array_mut().unwrap() {
        // When it was asked, and what the audit does not tell.
        for field in ["as_of", "roster_as_of", "utilization_percent", "assigned_if_merged"] {
            row[field] = Value::Null;
        }
    }
    let mut all = vec![rows];
    for product in ["device-care", "math"] {
        let words = [vec!["seats", "--district", MULBERRY, "--product", product, "--json"], at.clone()].concat();
        all.push(twins.at(now, 0, &words).await.json());
    }
    all
}

/// Nights with a waitlist, moves between schools, a hold that bridges sixty seats, overrides and a rejection.
#[tokio::test]
async fn a_later_day_is_told_of_an_earlier_one_what_was_said_that_evening() {
    let twins = Twins::new(vendor::district).await;
    let first = ["licenses", "--district", MULBERRY, "--at", "2025-10-05", "--json"];
    let mut evenings = Vec::new();
    for (day, now, date, code) in
        [(1, NIGHT_1, "2025-10-06", 0), (2, NIGHT_2, "2025-10-07", 0), (3, NIGHT_3, "2025-10-08", 3)]
    {
        twins.server.set_day(day);
        let run = twins.sync(now, code).await;
        if day == 3 {
            let waits =
                twins.at(now, 0, &["seats", "--district", MULBERRY, "--product", "math", "--json"]).await.json();
            assert!(waits["waitlist"].as_array().unwrap().len() > 1, "{waits}");
            let last = waits["waitlist"].as_array().unwrap().last().unwrap()["user"].as_str().unwrap();
            let pin = [
                "override",
                "set",
                "--district",
                MULBERRY,
                "--user",
                last,
                "--product",
                "math",
                "--pin",
                "--reason",
                "asked",
            ];
            twins.at(now, 0, &pin).await;
        }
        evenings.push((date, said(&twins, now, None).await));
        if day == 3 {
            let bridged =
                evenings.last().unwrap().1[0].as_array().unwrap().iter().map(|row| row["bridged"].as_u64().unwrap());
            assert!(bridged.max().unwrap() >= 60);
            let id = run["run"].as_str().unwrap();
            twins.at(NIGHT_4, 0, &["runs", "reject", id, "--reason", "not gone"]).await;
        }
    }
    evenings.push(("2025-10-09", said(&twins, NIGHT_4, None).await));

    for (date, evening) in &evenings {
        assert_eq!(&said(&twins, NIGHT_5, Some(date)).await, evening, "{date}");
    }
    assert!(evenings.windows(2).all(|pair| pair[0].1 != pair[1].1), "every evening was another");
    let before = twins.at(NIGHT_5, 0, &first).await.json();
    assert_eq!(before, json!([]), "nothing was bought before the first night");
    twins.at(NIGHT_5, 2, &["licenses", "--at", "2025-10-11"]).await.says(&["lies in the future"]);
    twins.discard().await;
}
