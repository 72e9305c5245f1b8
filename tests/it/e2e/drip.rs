//! P10 end to end: a slow drip stays below every nightly limit, and the sum of seven days holds it, on both databases.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::db::Backend;
use crate::support::vendor::{self, NIGHT_1, NIGHT_2, NIGHT_3, NIGHT_4, NIGHT_5, Site};

const MULBERRY: &str = "mulberry-springs";
const HIGH_SCHOOL: &str = "fb6195b5-a03c-4b4a-ba99-50dcec752cde";

/// The upload of day 1 without the first `gone` students of the high school.
fn upload(folder: &Path, gone: usize) {
    vendor::world(MULBERRY).csv_folder(MULBERRY, 1, folder).unwrap();
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    let users = read("users.csv");
    let of_school = users.lines().filter(|line| line.contains(HIGH_SCHOOL) && line.contains(",student,"));
    let ids: Vec<&str> = of_school.take(gone).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(ids.len(), gone);
    for (file, text) in [("users.csv", users.clone()), ("enrollments.csv", read("enrollments.csv"))] {
        let kept = text.lines().filter(|line| !ids.iter().any(|id| line.contains(id)));
        let kept: String = kept.flat_map(|line| [line, "\n"]).collect();
        std::fs::write(folder.join(file), kept).unwrap();
    }
}

async fn story(site: &Site) -> Vec<Value> {
    let folder = site.folder().join("csv");
    site.configure_with_catalog(&vendor::district(MULBERRY, &vendor::csv(&folder)));
    upload(&folder, 0);
    site.sync(NIGHT_1, MULBERRY).await.exits(0);

    for (now, gone) in [(NIGHT_2, 9), (NIGHT_3, 18)] {
        upload(&folder, gone);
        let run = site.sync(now, MULBERRY).await.exits(0).json();
        assert_eq!((&run["changes"]["users"]["removed"], &run["holds"]), (&json!(9), &json!([])), "{run}");
    }
    upload(&folder, 27);
    let held = site.sync(NIGHT_4, MULBERRY).await.exits(3).json();
    assert_eq!((&held["changes"]["users"]["removed"], &held["changes"]["users"]["held"]), (&json!(0), &json!(9)));
    let holds = held["holds"].as_array().unwrap().clone();
    let of_school = holds.iter().find(|it| it["group"] == format!("school:{HIGH_SCHOOL}/users/removed_7d"));
    let of_school = of_school.unwrap_or_else(|| panic!("{held}"));
    assert_eq!((&of_school["count"], &of_school["limit"]), (&json!(27), &json!("over 20 % and over 20 in seven days")));
    assert!(holds.iter().all(|it| it["group"].as_str().unwrap().ends_with("_7d")), "no nightly limit trips: {held}");

    // approved children count no more, and those who come back are no loss
    site.at(NIGHT_4, &["runs", "approve", held["run"].as_str().unwrap(), "--reason", "moved"]).await.exits(0);
    upload(&folder, 0);
    let back = site.sync(NIGHT_5, MULBERRY).await.exits(0).json();
    assert_eq!((&back["changes"]["users"]["added"], &back["holds"]), (&json!(27), &json!([])), "{back}");
    upload(&folder, 9);
    let again = site.sync("2025-10-11T07:00:00.000Z", MULBERRY).await.exits(0).json();
    assert_eq!((&again["changes"]["users"]["removed"], &again["holds"]), (&json!(9), &json!([])), "{again}");
    site.verified().await;
    let state = site.state(MULBERRY).await;
    site.sync("2025-10-11T07:00:00.000Z", MULBERRY).await.exits(0);
    assert!(site.state(MULBERRY).await == state, "the same once more changes nothing");
    holds
}

/// P10, U2, U3.
#[tokio::test]
async fn a_slow_drip_is_held_by_the_sum_of_seven_days_alike_on_both_databases() {
    let site = Site::sqlite().await;
    let holds = story(&site).await;
    let Some(postgres) = Site::new(Backend::Postgres).await else { return };
    assert_eq!(story(&postgres).await, holds);
    postgres.discard().await;
}
