//! The same district three ways: whichever way Mulberry Springs comes in, it is the same roster byte for byte.

use std::collections::BTreeMap;

use rosterd::simulate::Version;

use crate::support::vendor::{self, KINDS, NIGHT_1, Site};

const MULBERRY: &str = "mulberry-springs";

#[tokio::test]
async fn mulberry_springs_is_the_same_through_csv_and_oneroster_1_1_and_1_2() {
    let server = vendor::serve(MULBERRY).await;
    let site = Site::sqlite().await;
    let (folder, folder_1_2, zip) =
        (site.folder().join("csv"), site.folder().join("csv12"), site.folder().join("m.zip"));
    server.world().csv_folder(MULBERRY, 1, &folder).unwrap();
    server.world().csv_folder_as(MULBERRY, 1, Version::V1p2, &folder_1_2).unwrap();
    server.world().csv_zip(MULBERRY, 1, &zip).unwrap();
    let ways = [
        ("csv-folder", vendor::csv(&folder)),
        ("csv-folder-12", vendor::csv(&folder_1_2)),
        ("csv-zip", vendor::csv(&zip)),
        ("oauth1-sha256", vendor::oauth1(&server, MULBERRY, "HMAC-SHA256")),
        ("oauth1-sha1", vendor::oauth1(&server, MULBERRY, "HMAC-SHA1")),
        ("bearer-11", vendor::bearer(&server, MULBERRY)),
        ("oauth2-12", vendor::oauth2(&server, MULBERRY, Version::V1p2)),
    ];
    let districts: String = ways.iter().map(|(id, feed)| vendor::district(id, feed)).collect();
    site.configure(&districts);

    let runs = site.at(NIGHT_1, &["sync", "--all", "--json"]).await.exits(0).json();

    assert_eq!(runs.as_array().unwrap().len(), ways.len());
    for run in runs.as_array().unwrap() {
        assert_eq!((&run["status"], &run["snapshot"]["complete"]), (&"applied".into(), &true.into()), "{run}");
        let records = serde_json::json!({
            "schools": 4, "sessions": 2, "courses": 91, "classes": 119, "users": 268, "enrollments": 1855
        });
        assert_eq!(run["snapshot"]["records"], records, "{run}");
        assert_eq!(run["snapshot"]["warnings"], serde_json::json!([]), "{run}");
    }
    let mut first: BTreeMap<&str, String> = BTreeMap::new();
    for (way, _) in &ways {
        for kind in KINDS {
            let lines = site.roster(way, kind).await;
            let one = first.entry(kind).or_insert_with(|| lines.clone());
            assert!(*one == lines, "{kind} differ between csv-folder and {way}");
        }
    }
    let counted = |kind: &str| first[kind].lines().count();
    assert_eq!(KINDS.map(counted), [4, 2, 91, 119, 268, 1855]);
    for kind in ["schools", "sessions", "courses", "classes", "users"] {
        let ids = vendor::column(&first[kind], "id");
        assert!(ids.is_sorted_by(|a, b| a.as_bytes() < b.as_bytes()), "{kind} are not sorted by the bytes of their id");
    }
    site.verified().await;
}

/// interface.md, JSON: keys in their order, absent and empty values left out, lists sorted, the first org primary.
#[tokio::test]
async fn roster_lines_have_their_keys_in_order_and_leave_out_what_is_absent() {
    let site = Site::sqlite().await;
    let folder = site.folder().join("csv");
    vendor::world(MULBERRY).csv_folder(MULBERRY, 1, &folder).unwrap();
    site.configure(&vendor::district("m", &vendor::csv(&folder)));
    site.sync(NIGHT_1, "m").await.exits(0);

    let expected = [
        (
            "schools",
            r#"{"id":"9d124379-b020-4e24-97a1-4eb8ede5dc17","type":"district","name":"Mulberry Springs Unified School District","identifier":"1000"}"#,
        ),
        (
            "schools",
            r#"{"id":"c1b50cbc-d34b-4105-a276-5a836ea2a7b6","type":"school","name":"Pomegranate Amara Elementary School","identifier":"1001","parent":"9d124379-b020-4e24-97a1-4eb8ede5dc17"}"#,
        ),
        (
            "sessions",
            r#"{"id":"fabd0059-5712-4009-8770-6feb6dff155c","type":"term","title":"Full Year","starts_on":"2025-08-15","ends_on":"2026-06-10","parent":"7a181420-322c-483d-bda0-80a2cbcdf088","school_year":"2025-2026"}"#,
        ),
        (
            "courses",
            r#"{"id":"3067e78b-9991-4039-9a44-e2a9ff97dc7a","title":"Homeroom KG","code":"HR00000","org":"9d124379-b020-4e24-97a1-4eb8ede5dc17","grades":["KG"],"subjects":["Homeroom"]}"#,
        ),
        (
            "classes",
            r#"{"id":"41465be3-a2f9-40c0-a01d-9150333ee2eb","title":"Bombastic Bison","code":"HR00000-A","type":"homeroom","school":"c1b50cbc-d34b-4105-a276-5a836ea2a7b6","course":"3067e78b-9991-4039-9a44-e2a9ff97dc7a","sessions":["fabd0059-5712-4009-8770-6feb6dff155c"],"grades":["KG"],"subjects":["Homeroom"]}"#,
        ),
        (
            "users",
            r#"{"id":"486ae4a6-7845-4127-b835-4cca207f035d","roles":[{"role":"administrator","org":"c1b50cbc-d34b-4105-a276-5a836ea2a7b6","primary":true}],"active":true,"given_name":"Jasper","family_name":"Inkwell","email":"jasper.inkwell@mulberryspringsunifiedsc.edu","username":"jasper.inkwell"}"#,
        ),
        (
            "users",
            r#"{"id":"1ac834e8-f7b6-4fa0-bf87-3cd93892608d","roles":[{"role":"student","org":"c1b50cbc-d34b-4105-a276-5a836ea2a7b6","primary":true}],"active":true,"given_name":"Hiroshi","family_name":"Huckleberry","email":"hiroshi.huckleberry@mulberryspringsunifiedsc.edu","username":"hiroshi.huckleberry","grades":["KG"],"student_number":"910000000"}"#,
        ),
        (
            "enrollments",
            r#"{"user":"39a5a95f-e02b-41b5-98bc-16bc491d0bdb","class":"41465be3-a2f9-40c0-a01d-9150333ee2eb","school":"c1b50cbc-d34b-4105-a276-5a836ea2a7b6","role":"teacher","primary":true,"periods":[["2025-08-15","2026-06-10"]]}"#,
        ),
        (
            "enrollments",
            r#"{"user":"885aea1c-ed8d-4d4b-baa6-40e449da424b","class":"41465be3-a2f9-40c0-a01d-9150333ee2eb","school":"c1b50cbc-d34b-4105-a276-5a836ea2a7b6","role":"student","periods":[["2025-08-15","2026-06-10"]]}"#,
        ),
    ];
    for (kind, line) in expected {
        let lines = site.roster("m", kind).await;
        assert!(lines.lines().any(|it| it == line), "no such line in {kind}: {line}");
    }
}
