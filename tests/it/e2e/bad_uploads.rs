//! CSV uploads as they really come: what can be understood is, what cannot is refused whole.

use std::path::{Path, PathBuf};

use rosterd::simulate::{Defects, World};
use serde_json::{Value, json};

use crate::support::place::once_more;
use crate::support::vendor::{self, KINDS, NIGHT_1, NIGHT_2, NIGHT_3, Site};

const SMALL: &str = "pomegranate-charter";

fn write(world: &World, day: u32, defects: &str, path: &Path) {
    world.csv_zip_with(SMALL, day, &Defects::parse(defects).unwrap(), path).unwrap();
}

/// An installation that synced a good zip of day 1, and where the next goes.
async fn synced(world: &World) -> (Site, PathBuf) {
    let site = Site::sqlite().await;
    let zip = site.folder().join("upload.zip");
    write(world, 1, "", &zip);
    site.configure_with_catalog(&vendor::district(SMALL, &vendor::csv(&zip)));
    site.sync(NIGHT_1, SMALL).await.exits(0);
    (site, zip)
}

/// P1, P2, P3: headings without rows, and columns that are not there.
#[tokio::test]
async fn an_upload_that_cannot_be_trusted_fails_the_run_and_touches_nothing() {
    let world = vendor::world(SMALL);
    let (site, zip) = synced(&world).await;
    let before = site.state(SMALL).await;
    let cases: [(&str, &[&str]); 12] = [
        ("zip-slip", &["upload.zip", "leads out", "nothing was read", "made again"]),
        ("zip-ratio", &["upload.zip", "200 times", "made again"]),
        ("zip-cut", &["upload.zip", "cut off", "made again"]),
        ("zip-duplicate", &["upload.zip", "same name"]),
        ("missing-column=orgSourcedIds", &["users.csv", "`orgSourcedIds`", "missing", "export"]),
        ("missing-column=userSourcedId", &["enrollments.csv", "`userSourcedId`", "missing", "export"]),
        ("header-only=users", &["no users at all", "nothing was applied", "ask the district"]),
        ("header-only=enrollments", &["no enrollments at all", "nothing was applied"]),
        ("header-only=classes", &["no classes at all", "nothing was applied"]),
        ("header-only=orgs", &["no schools at all", "nothing was applied"]),
        ("delta=users", &["manifest.csv", "delta", "users.csv", "bulk"]),
        ("short-row=enrollments", &["enrollments.csv:", "cut off"]),
    ];
    for (defect, words) in cases {
        write(&world, 2, defect, &zip);
        let run = site.sync(NIGHT_2, SMALL).await.exits(1).json();
        let error = run["error"].as_str().unwrap();
        for word in words {
            assert!(error.contains(word), "{defect}: `{word}` is not in: {error}");
        }
        assert_eq!((&run["status"], &run["audit"]), (&json!("failed"), &Value::Null), "{defect}");
        assert!(site.state(SMALL).await == before, "{defect}: the store moved");
    }
    assert!(
        !site.folder().join("outside.csv").exists() && !site.folder().parent().unwrap().join("outside.csv").exists()
    );
    std::fs::remove_file(&zip).unwrap();
    site.sync(NIGHT_2, SMALL).await.exits(1).says(&["upload.zip"]);
    assert!(site.state(SMALL).await == before);
    once_more(&site, SMALL).await;
}

/// P4: missing is not empty. Additions and changes apply, nothing is removed, and it says so.
#[tokio::test]
async fn without_the_enrollments_file_additions_apply_and_nothing_is_removed() {
    let world = vendor::world(SMALL);
    for defect in ["missing=enrollments", "absent=enrollments"] {
        let (site, zip) = synced(&world).await;
        let enrollments = site.roster(SMALL, "enrollments").await;
        write(&world, 2, defect, &zip);

        let run = site.sync(NIGHT_2, SMALL).await.exits(0).json();

        assert_eq!((&run["status"], &run["snapshot"]["complete"]), (&json!("applied"), &json!(false)), "{defect}");
        let users = &run["changes"]["users"];
        assert_eq!((&users["added"], &users["changed"], &users["removed"]), (&json!(1), &json!(1), &json!(0)));
        assert!(run["snapshot"]["warnings"].to_string().contains("enrollments.csv"), "{run}");
        assert_eq!(run["seats"]["released"], 0);
        assert!(site.roster(SMALL, "enrollments").await == enrollments, "{defect}");
        let users = vendor::column(&site.roster(SMALL, "users").await, "id");
        assert!(users.contains(&"PC-U-040".to_owned()), "who left day 2 is still there");
        assert!(users.contains(&"PC-U-900".to_owned()), "who joined is there");
        once_more(&site, SMALL).await;
    }
}

/// P3: byte order marks, code pages, cases, old names and orders of columns are the export's business, not the roster's.
#[tokio::test]
async fn the_oddities_of_real_exports_give_the_same_roster() {
    let world = vendor::world(SMALL);
    let site = Site::sqlite().await;
    let oddities = [
        "",
        "bom",
        "mixed-line-ends",
        "no-final-newline",
        "quote-all",
        "trailing-columns",
        "other-order",
        "vendor-columns",
        "old-names",
        "upper-booleans",
        "odd-dates",
        "spaced-lists",
        "json-lists",
        "duplicates",
        "no-manifest",
        "file-case",
        "zip-folder",
        "zip-macosx",
        "cp1252",
    ];
    let mut settings = String::new();
    for (n, oddity) in oddities.iter().enumerate() {
        let zip = site.folder().join(format!("d{n}.zip"));
        write(&world, 1, oddity, &zip);
        settings += &vendor::district(&format!("d{n}"), &vendor::csv(&zip));
    }
    // a header as people retype it
    let (typed, folder) = ("typed", site.folder().join("typed"));
    world.csv_folder(SMALL, 1, &folder).unwrap();
    let users = std::fs::read_to_string(folder.join("users.csv")).unwrap();
    std::fs::write(folder.join("users.csv"), users.replacen("sourcedId", " SourcedID ", 1)).unwrap();
    settings += &vendor::district(typed, &vendor::csv(&folder));
    site.configure(&settings);

    let runs = site.at(NIGHT_1, &["sync", "--all", "--json"]).await.exits(0).json();

    for run in runs.as_array().unwrap() {
        assert_eq!((&run["status"], &run["snapshot"]["invalid"]), (&json!("applied"), &json!(0)), "{run}");
    }
    let plain = site.rosters("d0").await;
    assert_eq!(plain.lines().count(), 3 + 3 + 3 + 5 + 40 + 75);
    for (n, oddity) in oddities.iter().enumerate().skip(1) {
        let odd = site.rosters(&format!("d{n}")).await;
        if *oddity == "cp1252" {
            let first = odd.lines().zip(plain.lines()).find(|(odd, plain)| odd != plain).unwrap();
            assert!(first.0.contains("é\"") && odd.replace("é\"", "\"") == plain, "{oddity}: {first:?}");
        } else {
            assert!(odd == plain, "{oddity}: another roster");
        }
    }
    assert!(site.rosters(typed).await == plain, "a retyped header");
    assert_eq!(KINDS.len(), 6);
}

/// P11: a row that cannot be used is present and no departure. Where even its key is in doubt, what might be a departure waits
/// for a person.
/// M5.
#[tokio::test]
async fn a_row_that_cannot_be_used_removes_nothing() {
    let site = Site::sqlite().await;
    let folder = site.folder().join("csv");
    vendor::world(SMALL).csv_folder(SMALL, 1, &folder).unwrap();
    site.configure_with_catalog(&vendor::district(SMALL, &vendor::csv(&folder)));
    site.sync(NIGHT_1, SMALL).await.exits(0);
    let before = site.rosters(SMALL).await;
    let path = folder.join("enrollments.csv");
    let good = std::fs::read_to_string(&path).unwrap();
    let row = good.lines().find(|it| it.contains("PC-U-011")).unwrap();
    let spoiled = |cell: &str, with: &str| good.replacen(row, &row.replace(cell, with), 1);

    std::fs::write(&path, spoiled("PC-SCH-1", "PC-\0SCH-1")).unwrap();
    let run = site.sync(NIGHT_2, SMALL).await.exits(0).json();
    assert_eq!((&run["snapshot"]["invalid"], &run["snapshot"]["complete"]), (&json!(1), &json!(true)), "{run}");
    assert_eq!((&run["status"], &run["changes"]["enrollments"]["removed"]), (&json!("unchanged"), &json!(0)), "{run}");

    std::fs::write(&path, spoiled(",student", ",\0student")).unwrap();
    let run = site.sync(NIGHT_2, SMALL).await.exits(3).json();
    assert_eq!(run["holds"][0]["group"], "district/enrollments/invalid", "{run}");
    assert_eq!(run["changes"]["enrollments"]["removed"], 0, "{run}");

    assert!(site.rosters(SMALL).await == before);
    site.verified().await;
}

/// licensing.md, step 2: what is merely absent is confirmed by a newer upload, and a file that was sent again is one, even
/// with the same content; the old file read on a later night is not.
#[tokio::test]
async fn an_upload_sent_again_confirms_an_absence_and_the_old_one_read_again_does_not() {
    let world = vendor::world(SMALL);
    let (site, zip) = synced(&world).await;
    write(&world, 2, "", &zip);
    let released = |run: &Value| run["seats"]["released"].as_u64().unwrap();
    let left = site.sync(NIGHT_2, SMALL).await.exits(0).json();
    assert_eq!((&left["changes"]["users"]["removed"], released(&left)), (&json!(1), 0));
    let same = site.sync(NIGHT_3, SMALL).await.exits(0).json();
    assert_eq!(same["status"], json!("unchanged"));
    let file = std::fs::File::options().write(true).open(&zip).unwrap();
    let sent = file.metadata().unwrap().modified().unwrap();
    file.set_modified(sent + std::time::Duration::from_hours(1)).unwrap();
    let again = site.sync(NIGHT_3, SMALL).await.exits(0).json();
    assert_eq!(again["status"], json!("applied"));
    assert!(released(&again) >= 1, "{again}");
    site.verified().await;
}
