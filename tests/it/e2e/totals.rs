//! What `licenses` shows, of when it is, and what no district can change of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::manual::{Installed, on_both};
use crate::support::vendor::{self, NIGHT_1, NIGHT_2, NIGHT_3, NIGHT_4, Site};

const NOON: &str = "2025-10-06T17:00:00.000Z";

/// S0.13, C6: a count is of now, the roster behind it of the last sync.
#[tokio::test]
async fn every_count_says_of_when_it_is_and_which_roster_it_rests_on() {
    on_both(async |backend| {
        let Some(it) = Installed::on(backend, "site-license", &[]).await else { return };
        let times = async |now: &str| {
            let words = ["licenses", "--by-school", "--json"];
            let rows = it.site.at(now, &words).await.exits(0).json();
            let times = |row: &Value| (row["as_of"].clone(), row["roster_as_of"].clone());
            let mut all: Vec<_> = rows.as_array().unwrap().iter().map(times).collect();
            all.dedup();
            all
        };
        assert_eq!(times(NOON).await, [(json!(NOON), json!(NIGHT_1))]);
        it.by_hand(NOON, "unassign --user PB-U-007 --product practice --reason left").await.exits(0);
        assert_eq!(times(NIGHT_2).await, [(json!(NIGHT_2), json!(NIGHT_1))], "by hand is no newer roster");
        it.sync(NIGHT_2).await;
        assert_eq!(times(NIGHT_3).await, [(json!(NIGHT_3), json!(NIGHT_2))]);
        let text = format!("as of {NIGHT_3}, from the roster of {NIGHT_2}");
        it.site.at(NIGHT_3, &["licenses"]).await.exits(0).says(&[&text]);
        it.site.discard().await;
    })
    .await;
}

/// S3.1, S3.3, S3.5, S3.7 to S3.9: over all districts and products at once, and every number is that of the seats there are.
#[tokio::test]
async fn one_list_has_every_product_of_every_district_with_its_numbers() {
    let site = Site::sqlite().await;
    let fixture = |name: &str| vendor::fixtures().join("vendors").join(name);
    let districts = ["active-students", "role-based"];
    let read = |name: &str| std::fs::read_to_string(fixture(name).join("catalog.toml")).unwrap();
    let catalog = site.folder().join("catalog.toml");
    std::fs::write(&catalog, districts.map(read).concat()).unwrap();
    let configured = districts.map(|name| vendor::district(name, &vendor::csv(&fixture(name)))).concat();
    site.configure(&format!("[catalog]\npath = \"{}\"\n\n{configured}", catalog.display()));
    site.at(NIGHT_1, &["sync", "--all"]).await.exits(0);
    let rows = site.licenses(NIGHT_1).await;
    let rows = rows.as_array().unwrap();
    let named: Vec<(&str, &str)> =
        rows.iter().map(|it| (it["district"].as_str().unwrap(), it["product"].as_str().unwrap())).collect();
    let expected = [
        ("active-students", "devices"),
        ("role-based", "learn"),
        ("role-based", "learn-and-observe"),
        ("role-based", "observe"),
    ];
    assert_eq!(named, expected);
    for row in rows {
        let (district, product) = (row["district"].as_str().unwrap(), row["product"].as_str().unwrap());
        let seats = site.run(&["seats", "--district", district, "--product", product, "--json"]).await.exits(0).json();
        let number = |key: &str| row[key].as_u64().unwrap();
        let count = |list: &str| u64::try_from(seats[list].as_array().unwrap().len()).unwrap();
        assert_eq!((number("assigned"), number("waiting")), (count("holders"), count("waitlist")), "{product}");
        assert_eq!(number("total"), number("assigned") + number("available") - number("over"), "{product}");
        assert_eq!((&row["status"], &row["access"]), (&json!("Active"), &json!("full")), "{product}");
    }
    assert_eq!(
        site.at(NIGHT_1, &["licenses", "--product", "learn", "--json"]).await.json().as_array().unwrap().len(),
        1
    );
}

/// S4.2, S4.3, S4.36, C15: the limit and the dates are the vendor's; of the three controls the district has the threshold.
#[tokio::test]
async fn whatever_a_district_does_the_totals_and_dates_stay_as_they_were_sold() {
    on_both(async |backend| {
        let Some(it) = Installed::on(backend, "site-license", &[]).await else { return };
        let sold = async || {
            let row = it.site.licenses(NIGHT_2).await[0].clone();
            let keys = ["total", "expires_on", "status", "licensed_to", "created_on"];
            keys.map(|key| (key, row[key].clone()))
        };
        let before = sold().await;
        for words in [
            "assign --user PB-U-049 --product practice --reason x",
            "override set --user PB-U-049 --product practice --pin --reason x",
            "unassign --user PB-U-007 --product practice --reason x",
            "access set --educator PB-U-003 --product practice --off",
            "reassign --product practice --from PB-U-008 --to PB-U-050",
        ] {
            it.by_hand(NIGHT_2, words).await;
            assert_eq!(sold().await, before, "{words}");
        }
        let moves =
            ["move-seats", "--subscription", "PB-1001", "--from", "PB-SCH-1", "--to", "PB-SCH-2", "--seats", "2"];
        it.site.at(NIGHT_2, &moves).await.exits(0);
        assert_eq!(sold().await, before);
        let threshold = ["threshold", "--subscription", "PB-1001", "--remaining", "7", "--reason", "x"];
        it.site.at(NIGHT_2, &threshold).await.exits(0);
        assert_eq!(sold().await, before);
        assert_eq!(it.site.licenses(NIGHT_2).await[0]["alert_remaining"], 7);
        it.sync(NIGHT_3).await;
        assert_eq!(sold().await, before, "nor does the feed");
        let entries = it.told("subscription.changed").await;
        let changed =
            entries.iter().filter(|it| it["actor"] == "cli:tester").flat_map(|it| it["after"].as_object().unwrap());
        let changed: std::collections::BTreeSet<&str> = changed.map(|(field, _)| field.as_str()).collect();
        assert_eq!(changed, ["alert_remaining", "allotments"].into());
        it.site.discard().await;
    })
    .await;
}

/// S4.20, S4.21: created is when the license was first bought; expires is the end of the current period.
#[tokio::test]
async fn created_stays_the_first_day_of_all_whatever_renews_and_the_end_is_that_of_the_period() {
    let first = (
        "licensed_to = \"Windmill Plains District\"",
        "licensed_to = \"Windmill Plains District\"\ncreated_on = 2021-08-02",
    );
    let it = Installed::new("active-students", &[first]).await;
    let shown = async |now: &str| {
        let row = it.site.licenses(now).await[0].clone();
        (row["created_on"].clone(), row["expires_on"].clone())
    };
    assert_eq!(shown(NIGHT_1).await, (json!("2021-08-02"), json!("2026-06-30")));
    let renewal = "alert_remaining = 5\n\n[[subscription]]\nid = \"WP-2001\"\ndistrict = \"active-students\"\n\
         product = \"devices\"\nseats = 60\nstarts_on = 2026-07-01\nexpires_on = 2028-06-30\nrenews = \"WP-1001\"\n\
         created_on = 2026-05-04\nlicensed_to = \"Windmill Plains District\"";
    it.buy(&[first, ("alert_remaining = 5", renewal)]);
    it.sync(NIGHT_2).await;
    assert_eq!(shown(NIGHT_2).await, (json!("2021-08-02"), json!("2026-06-30")));
    it.sync("2026-07-01T07:00:00.000Z").await;
    let later = shown("2026-07-01T07:00:00.000Z").await;
    assert_eq!(later, (json!("2021-08-02"), json!("2028-06-30")), "renewed for two years (S4.22)");
}

/// S1.15: a same-day sync says who asked, why and for which district; what it changed says which run that was.
#[tokio::test]
async fn a_same_day_sync_is_known_by_who_asked_for_it_and_why() {
    let it = Installed::new("active-students", &[]).await;
    it.buy(&[("seats = 45", "seats = 39")]);
    let words = ["sync", "active-students", "--reason", "enrolled this morning", "--json"];
    let run = it.site.at(NOON, &words).await.exits(0).json();
    let id = run["run"].as_str().unwrap();
    let shown = it.site.run(&["runs", "show", id, "--json"]).await.exits(0).json();
    let asked = ["requested_by", "reason", "district", "trigger"].map(|key| shown[key].as_str().unwrap().to_owned());
    assert_eq!(asked, ["cli:tester", "enrolled this morning", "active-students", "cli"]);
    let entries = it.site.run(&["audit", "list", "--run", id, "--json"]).await.exits(0).out;
    assert!(entries.contains("subscription.changed"), "{entries}");
    let night = it.site.run(&["runs", "list", "--json"]).await.exits(0).json();
    let runs = night["items"].as_array().or(night.as_array()).unwrap();
    let reasons: BTreeMap<&str, &Value> = runs.iter().map(|it| (it["run"].as_str().unwrap(), &it["reason"])).collect();
    assert_eq!(reasons.values().filter(|it| it.is_null()).count(), reasons.len() - 1, "the others have no reason");
    it.sync(NIGHT_4).await;
}
