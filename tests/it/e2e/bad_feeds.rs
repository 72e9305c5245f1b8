//! Sources that misbehave: each is told by what, where and what to do, and nothing of it reaches the store.

use rosterd::simulate::{Server, Version};
use serde_json::{Value, json};

use crate::support::place::once_more;
use crate::support::vendor::{self, NIGHT_1, NIGHT_2, NIGHT_3, Site};

const SMALL: &str = "pomegranate-charter";
const CLEVER: &str = "clever-demo";

/// An installation that synced `district` once.
async fn synced(district: &str, settings: &str) -> Site {
    let site = Site::sqlite().await;
    site.configure_with_catalog(settings);
    site.sync(NIGHT_1, district).await.exits(0);
    site
}

/// The sync fails with these words in the run's `error` and on the report, and leaves everything as it was.
async fn fails(site: &Site, district: &str, why: &str, words: &[&str]) {
    let before = site.state(district).await;
    let ran = site.sync(NIGHT_2, district).await;
    assert_eq!(ran.code, Some(1), "{why}: {ran:#?}");
    let run = ran.json();
    assert_eq!((&run["status"], &run["audit"], &run["holds"]), (&json!("failed"), &Value::Null, &json!([])), "{why}");
    let error = run["error"].as_str().unwrap();
    for word in words.iter().chain(&[district]) {
        assert!(error.contains(word), "{why}: `{word}` is not in: {error}");
    }
    let shown = site.run(&["runs", "show", run["run"].as_str().unwrap()]).await.exits(0);
    assert!(shown.out.contains(error), "{why}: {shown:?}");
    assert!(site.state(district).await == before, "{why}: the store moved");
    site.verified().await;
}

/// `feed` of a district of `server` with pages so small that each collection has several.
fn small_pages(feed: &str) -> String {
    feed.replacen("{ ", "{ page_size = 20, ", 1)
}

#[tokio::test]
async fn a_wrong_credential_is_told_for_every_way_to_log_in() {
    let server = vendor::serve(SMALL).await;
    let ways = [
        (
            vendor::oauth1(&server, SMALL, "HMAC-SHA256"),
            "charter-secret",
            vec!["orgs", "refused the credential", "check the key"],
        ),
        (
            vendor::oauth1(&server, SMALL, "HMAC-SHA1"),
            "charter-key",
            vec!["orgs", "refused the credential", "check the key"],
        ),
        (vendor::bearer(&server, SMALL), "charter-bearer", vec!["orgs", "refused the credential", "token"]),
        (vendor::oauth2(&server, SMALL, Version::V1p2), "charter-client-secret", vec!["token", "credential", "check"]),
        (vendor::oauth2(&server, SMALL, Version::V1p1), "charter-client-secret", vec!["token", "credential", "check"]),
    ];
    for (feed, secret, words) in ways {
        let site = synced(SMALL, &vendor::district(SMALL, &feed)).await;
        let wrong = feed.replace(secret, "canary-wrong");
        assert_ne!(wrong, feed);
        site.configure_with_catalog(&vendor::district(SMALL, &wrong));
        fails(&site, SMALL, secret, &words).await;
        let said = site.run(&["runs", "list", "--json"]).await.said();
        assert!(!said.contains("canary-wrong"), "a secret is never shown");
    }
}

#[tokio::test]
async fn a_clever_app_with_a_wrong_secret_is_told_for_a_district_and_for_the_app_alone() {
    let server = vendor::serve(CLEVER).await;
    let id = server.world().clever_id(CLEVER).unwrap().to_owned();
    let district = vendor::district(CLEVER, &format!(r#"{{ kind = "clever", app = "app", district = "{id}" }}"#));
    let site = synced(CLEVER, &format!("{}\n{district}", vendor::clever_app(&server, "clever-secret"))).await;
    site.configure_with_catalog(&format!("{}\n{district}", vendor::clever_app(&server, "canary-wrong")));
    fails(&site, CLEVER, "clever", &["credential", "401", "check"]).await;

    site.configure(&vendor::clever_app(&server, "canary-wrong"));
    let ran = site.at(NIGHT_2, &["sync", "--all"]).await.exits(1).says(&["clever_app `app`", "credential", "check"]);
    assert!(!ran.said().contains("canary-wrong"), "{ran:?}");
}

/// P1, P7, P8, U10: an error, an empty collection or a wrong envelope is no roster.
#[tokio::test]
async fn a_oneroster_server_in_trouble_fails_the_run_and_touches_nothing() {
    let server = vendor::serve(SMALL).await;
    let feed = small_pages(&vendor::oauth1(&server, SMALL, "HMAC-SHA256"));
    let site = synced(SMALL, &vendor::district(SMALL, &feed)).await;
    let cases: [(&str, &[&str]); 12] = [
        ("truncate=enrollments", &["enrollments", "cut off", "sync again"]),
        ("truncate=orgs", &["orgs", "cut off", "sync again"]),
        ("html-login", &["HTML page", "login page", "check the feed's URL"]),
        ("redirect", &["302", "redirect", "never followed", "final address"]),
        ("error-500=1000,retry-after=1", &["500", "sync again later"]),
        ("wrong-total", &["total", "restarts", "sync later"]),
        ("repeat-page", &["circles", "page_size"]),
        ("empty=users", &["no users at all", "nothing was applied", "ask the district"]),
        ("empty=orgs", &["no schools at all", "nothing was applied", "ask the district"]),
        ("empty=classes", &["no classes at all", "nothing was applied", "ask the district"]),
        ("empty=enrollments", &["no enrollments at all", "nothing was applied", "ask the district"]),
        ("vanished", &["nothing was applied", "ask the district"]),
    ];
    for (quirk, words) in cases {
        server.set_quirks(vendor::quirks(quirk));
        // the words of an empty collection name no district of their own: the run does
        let named: Vec<&str> = words.to_vec();
        fails_named(&site, SMALL, quirk, &named).await;
    }
    server.set_quirks(vendor::quirks(""));
    let quiet = site.sync(NIGHT_2, SMALL).await.exits(0).json();
    assert_eq!(quiet["status"], "unchanged", "the server is well again");
}

/// As [`fails`], for messages that do not repeat the district's name.
async fn fails_named(site: &Site, district: &str, why: &str, words: &[&str]) {
    let before = site.state(district).await;
    let ran = site.sync(NIGHT_2, district).await;
    assert_eq!(ran.code, Some(1), "{why}: {ran:#?}");
    let run = ran.json();
    assert_eq!((&run["status"], &run["audit"]), (&json!("failed"), &Value::Null), "{why}");
    let error = run["error"].as_str().unwrap();
    for word in words {
        assert!(error.contains(word), "{why}: `{word}` is not in: {error}");
    }
    assert!(site.state(district).await == before, "{why}: the store moved");
    site.verified().await;
}

/// P1, P7, P8, U10.
#[tokio::test]
async fn a_clever_server_in_trouble_fails_the_run_and_touches_nothing() {
    let server = vendor::serve(CLEVER).await;
    let id = server.world().clever_id(CLEVER).unwrap().to_owned();
    let district = vendor::district(CLEVER, &format!(r#"{{ kind = "clever", app = "app", district = "{id}" }}"#));
    let site = synced(CLEVER, &format!("{}\n{district}", vendor::clever_app(&server, "clever-secret"))).await;
    let cases: [(&str, &[&str]); 6] = [
        ("truncate=sections", &["sections", "cut off", "sync again"]),
        ("html-login", &["HTML page", "check the feed's URL"]),
        ("redirect", &["302", "redirect", "never followed"]),
        ("empty=users", &["no users at all", "nothing was applied"]),
        ("empty=sections", &["nothing was applied"]),
        ("empty=schools", &["nothing was applied"]),
    ];
    for (quirk, words) in cases {
        server.set_quirks(vendor::quirks(quirk));
        fails_named(&site, CLEVER, quirk, words).await;
    }
    // That the district is shared no more is an alert, at once; of the roster nothing moves (F31).
    let rosters = site.rosters(CLEVER).await;
    server.set_quirks(vendor::quirks("vanished"));
    site.sync(NIGHT_2, CLEVER).await.exits(1).says(&["disconnected", "keeps everything"]);
    assert!(site.rosters(CLEVER).await == rosters);
    site.verified().await;
}

/// safety.md, A run, 3: empty courses or sessions keep the old ones with a warning.
#[tokio::test]
async fn empty_courses_and_sessions_keep_the_old_ones_and_say_so() {
    let server = vendor::serve(SMALL).await;
    let site = synced(SMALL, &vendor::district(SMALL, &vendor::oauth1(&server, SMALL, "HMAC-SHA256"))).await;
    let before = site.state(SMALL).await;
    server.set_quirks(vendor::quirks("empty=courses,empty=academicSessions"));

    let run = site.sync(NIGHT_2, SMALL).await.exits(0).json();

    let warned: Vec<(&str, &str)> = run["snapshot"]["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["code"] == "empty_collection")
        .map(|it| (it["code"].as_str().unwrap(), it["kind"].as_str().unwrap()))
        .collect();
    assert_eq!(warned, [("empty_collection", "sessions"), ("empty_collection", "courses")]);
    assert!(site.state(SMALL).await == before);
}

/// P9: one of many rows passes every check for emptiness; the guard looks at the loss.
#[tokio::test]
async fn one_row_of_many_is_held_whole() {
    const MULBERRY: &str = "mulberry-springs";
    let server = vendor::serve(MULBERRY).await;
    let site = synced(MULBERRY, &vendor::district(MULBERRY, &vendor::oauth1(&server, MULBERRY, "HMAC-SHA256"))).await;
    let before = site.rosters(MULBERRY).await;
    server.set_quirks(vendor::quirks("clamp=1,wrong-total=1"));

    let run = site.sync(NIGHT_2, MULBERRY).await.exits(3).json();

    assert_eq!((&run["status"], &run["holds"][0]["group"]), (&json!("held"), &json!("district/snapshot")), "{run}");
    for (kind, it) in run["changes"].as_object().unwrap() {
        assert_eq!(it["removed"], 0, "{kind}");
    }
    assert!(site.rosters(MULBERRY).await == before);
    for license in site.licenses(NIGHT_2).await.as_array().unwrap() {
        let had = license["assigned"].as_i64().unwrap() + license["bridged"].as_i64().unwrap();
        assert!(license["product"] != "device-care" || had == 248, "every seat is kept: {license}");
    }
    once_more(&site, MULBERRY).await;
}

/// A source that moves while it is read is read again from the start, and what is stored is one state of it.
/// P5, P6.
#[tokio::test]
async fn a_source_that_moves_while_it_is_read_is_read_again() {
    let server = vendor::serve(SMALL).await;
    let feed = small_pages(&vendor::oauth1(&server, SMALL, "HMAC-SHA256"));
    let site = synced(SMALL, &vendor::district(SMALL, &feed)).await;
    server.set_quirks(vendor::quirks("drift=1"));

    let run = site.sync(NIGHT_2, SMALL).await.exits(0).json();

    assert_eq!(run["snapshot"]["complete"], true, "{run}");
    site.verified().await;
    let again = site.sync(NIGHT_3, SMALL).await.exits(0).json();
    assert_eq!(again["changes"]["users"]["removed"], 0, "the first reading was already what the source has: {again}");
    assert_eq!(again["changes"]["users"]["added"], 0, "{again}");
    once_more(&site, SMALL).await;
}

/// Odd but lawful answers, and errors that pass, change nothing about the roster.
/// P6, P8, M4: paging that overlaps, gives no total or is cut short for a while.
#[tokio::test]
async fn odd_answers_and_passing_errors_give_the_same_roster() {
    let server = vendor::serve(SMALL).await;
    let feed = small_pages(&vendor::oauth1(&server, SMALL, "HMAC-SHA256"));
    let site = synced(SMALL, &vendor::district(SMALL, &feed)).await;
    let before = site.state(SMALL).await;
    for quirk in [
        "no-total",
        "clamp=7",
        "no-sort",
        "bool-json",
        "bool-int",
        "unsorted-overlap",
        "link-off-by-one",
        "link-foreign",
        "no-total,no-content",
        "no-total,empty-object",
        "reorder-keys",
        "extra-fields",
        "html-502=1",
        "error-500=2",
        "expire-token=3",
    ] {
        server.set_quirks(vendor::quirks(quirk));
        let run = site.sync(NIGHT_2, SMALL).await.exits(0).json();
        assert_eq!(
            (&run["status"], &run["snapshot"]["complete"]),
            (&json!("unchanged"), &json!(true)),
            "{quirk}: {run}"
        );
    }
    assert!(site.state(SMALL).await == before);
}

/// P38: a source that says it is paused is planned only.
#[tokio::test]
async fn a_paused_clever_district_is_planned_and_nothing_more() {
    let server: Server = vendor::serve(CLEVER).await;
    let id = server.world().clever_id(CLEVER).unwrap().to_owned();
    let district = vendor::district(CLEVER, &format!(r#"{{ kind = "clever", app = "app", district = "{id}" }}"#));
    let site = synced(CLEVER, &format!("{}\n{district}", vendor::clever_app(&server, "clever-secret"))).await;
    let before = site.state(CLEVER).await;
    server.set_day(2);
    server.set_quirks(vendor::quirks("district-state=paused"));

    let run = site.sync(NIGHT_2, CLEVER).await.exits(0).json();

    assert_eq!((&run["status"], &run["audit"]), (&json!("planned"), &Value::Null), "{run}");
    assert!(run["changes"]["users"]["added"].as_u64() > Some(0), "it says what would change: {run}");
    assert!(site.state(CLEVER).await == before);
    once_more(&site, CLEVER).await;
}
