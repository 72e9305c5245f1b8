//! `GET` and `POST /v1/access` against the daemon and its store.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::daemon::{DAY_1, Daemon, Installation, client, until};
use crate::support::{described, postgres};

const OF: &str = "/v1/access?district=mulberry-springs";

async fn get(daemon: &Daemon, path: &str, token: &str) -> (StatusCode, Value) {
    let answer = client().get(daemon.url(path)).bearer_auth(token).send().await.unwrap();
    let status = answer.status();
    (status, described::body(&Method::GET, path, answer).await)
}

async fn post(daemon: &Daemon, path: &str, token: &str, body: &Value) -> (StatusCode, Value) {
    let request = client().post(daemon.url(path)).bearer_auth(token).body(body.to_string());
    let answer = request.send().await.unwrap();
    let status = answer.status();
    (status, described::body(&Method::POST, path, answer).await)
}

async fn synced(daemon: &Daemon, token: &str) {
    let (status, run) = post(daemon, "/v1/syncs", token, &json!({ "district": "mulberry-springs" })).await;
    assert_eq!(status, 202, "{run}");
    ended(daemon, token, &run).await;
}

async fn ended(daemon: &Daemon, token: &str, run: &Value) {
    let path = format!("/v1/runs/{}", run["run"].as_str().unwrap());
    until("the run to end", async || {
        let status = get(daemon, &path, token).await.1["status"].clone();
        matches!(status.as_str().unwrap(), "applied" | "held" | "unchanged").then_some(())
    })
    .await;
}

async fn seats(daemon: &Daemon, token: &str, product: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let path = format!("/v1/districts/mulberry-springs/products/{product}/seats");
    let list = get(daemon, &path, token).await.1;
    let users =
        |of: &str| list[of].as_array().unwrap().iter().map(|it| it["user"].as_str().unwrap().to_owned()).collect();
    (users("holders"), users("waitlist"))
}

/// S3.34, S4.34; every user of the district is asked about, and the answers are compared with the store.
#[tokio::test]
async fn a_login_is_answered_as_the_store_has_it_and_within_a_second_of_a_change() {
    let installation = Installation::new("apply", "");
    let all = installation.token("all", &["--scope", "admin"]);
    let app = installation.token("app", &["--scope", "access", "--district", "mulberry-springs"]);
    let daemon = installation.start(DAY_1).await;
    let before = get(&daemon, &format!("{OF}&user=4711&product=math"), &app).await;
    assert_eq!((before.0, &before.1["reason"]), (StatusCode::OK, &json!("unknown_user")), "{}", before.1);
    synced(&daemon, &all).await;
    let store = installation.store().await;
    let users = store.roster(&"mulberry-springs".into(), rosterd::model::Kind::Users).await.unwrap();
    let ids: Vec<String> = users.iter().map(rosterd::model::Record::text_id).collect();
    assert!(ids.len() > 200);
    let first = format!("{OF}&user={}&product=device-care", ids[0]);
    until("the sync to be seen", async || {
        (get(&daemon, &first, &app).await.1["reason"] != "unknown_user").then_some(())
    })
    .await;
    let mut waiting = 0;
    let codes = ["device-care", "math", "reading", "teacher-studio"];
    let mut lists = Vec::new();
    for code in codes {
        lists.push(seats(&daemon, &all, code).await);
    }
    for id in &ids {
        let (status, answer) = get(&daemon, &format!("{OF}&user={id}"), &app).await;
        assert_eq!(status, 200);
        let products = answer["products"].as_array().unwrap();
        assert_eq!(products.len(), codes.len());
        for ((answer, code), (holders, line)) in products.iter().zip(codes).zip(&lists) {
            assert_eq!(answer["product"], code);
            let expected = match (holders.contains(id), line.contains(id)) {
                (true, _) => ("yes", "seat"),
                (_, true) => ("no", "waiting"),
                _ => ("no", "not_eligible"),
            };
            waiting += i32::from(expected.1 == "waiting");
            assert_eq!(
                (answer["access"].as_str().unwrap(), answer["reason"].as_str().unwrap()),
                expected,
                "{id} {code}"
            );
            assert!(answer["text"].as_str().is_some_and(|it| it.len() > 10));
        }
    }
    assert_eq!(waiting, 4);
    let holder = lists[1].0.first().unwrap();
    let login = format!("{OF}&user={holder}&product=math");
    let yes = get(&daemon, &login, &app).await.1;
    assert_eq!((&yes["access"], &yes["cache_seconds"]), (&json!("yes"), &json!(300)));
    let path = format!("/v1/districts/mulberry-springs/products/math/override?user={holder}");
    let body = json!({ "kind": "exclude", "reason": "moved" }).to_string();
    let run = client().put(daemon.url(&path)).bearer_auth(&all).body(body).send().await.unwrap();
    let run: Value = serde_json::from_slice(&run.bytes().await.unwrap()).unwrap();
    ended(&daemon, &all, &run).await;
    let committed = Instant::now();
    let no = until("the change to be seen", async || {
        let answer = get(&daemon, &login, &app).await.1;
        (answer["access"] == "no").then_some(answer)
    })
    .await;
    assert!(committed.elapsed() < Duration::from_secs(1), "{:?}", committed.elapsed());
    assert!(no["version"].as_i64() > yes["version"].as_i64(), "{no} {yes}");
    for (path, status) in [
        ("/v1/access?district=by-hand&user=4711".to_owned(), 403),
        ("/v1/access?district=nowhere&user=4711".to_owned(), 403),
        (format!("{OF}&user=4711&product=none"), 404),
        (OF.to_owned(), 400),
        ("/v1/access/snapshot?district=mulberry-springs".to_owned(), 409),
    ] {
        assert_eq!(get(&daemon, &path, &app).await.0, status, "{path}");
    }
    assert_eq!(get(&daemon, "/v1/access?district=nowhere&user=4711", &all).await.0, 404);
    daemon.stop().await;
}

/// S0.4: a hundred at once, for a product that gives a seat at its first opening, with ten seats.
#[tokio::test]
async fn a_hundred_first_openings_at_once_draw_as_many_seats_as_there_are_and_no_more() {
    let installation = Installation::new("apply", "");
    let catalog = std::fs::read_to_string(installation.path("catalog.toml")).unwrap();
    let more = "\n[[product]]\ncode = \"lab\"\nname = \"Lab\"\naudience = \"student\"\nbasis = \"first_use\"\n\
                [[subscription]]\nid = \"SUB-LAB\"\ndistrict = \"mulberry-springs\"\nproduct = \"lab\"\nseats = 10\n\
                starts_on = 2025-07-01\nexpires_on = 2026-06-30\n";
    std::fs::write(installation.path("catalog.toml"), format!("{catalog}{more}")).unwrap();
    let all = installation.token("all", &["--scope", "admin"]);
    let app = installation.token("app", &["--scope", "access"]);
    let daemon = installation.start(DAY_1).await;
    synced(&daemon, &all).await;
    let (students, _) = seats(&daemon, &all, "device-care").await;
    let first = format!("{OF}&user={}&product=lab", students.first().unwrap());
    until("the sync to be seen", async || (get(&daemon, &first, &app).await.1["reason"] == "not_opened").then_some(()))
        .await;
    // each of fifty students twice, at the same moment
    let openings = students.iter().take(50).flat_map(|user| [user, user]).map(async |user| {
        let body = json!({ "district": "mulberry-springs", "user": user, "product": "lab" });
        let (status, answer) = post(&daemon, "/v1/access", &app, &body).await;
        assert_eq!(status, 200, "{answer}");
        (user.clone(), answer["access"].as_str().unwrap().to_owned(), answer["reason"].as_str().unwrap().to_owned())
    });
    let answers = futures_util::future::join_all(openings).await;
    let said = |word: &str| answers.iter().filter(|it| it.1 == word).map(|it| it.0.clone()).collect::<BTreeSet<_>>();
    let (holders, waiting) = seats(&daemon, &all, "lab").await;
    let runs = get(&daemon, "/v1/runs", &all).await.1;
    let failed: Vec<&Value> = runs["items"].as_array().unwrap().iter().filter(|it| !it["error"].is_null()).collect();
    let lost: Vec<_> = answers.iter().filter(|it| !holders.contains(&it.0) && !waiting.contains(&it.0)).collect();
    assert!(failed.is_empty() && lost.is_empty(), "{failed:?} {lost:?}");
    assert_eq!((said("yes"), said("no")), (holders.clone(), waiting.clone()));
    assert_eq!((holders.len(), waiting.len()), (10, 40));
    assert!(answers.iter().all(|it| it.2 == if it.1 == "yes" { "seat" } else { "waiting" }), "{answers:?}");
    // an opening of a seat that is there claims it
    let child = holders.first().unwrap();
    let body = json!({ "district": "mulberry-springs", "user": child, "product": "device-care" });
    assert_eq!(post(&daemon, "/v1/access", &app, &body).await.1["access"], "yes");
    until("the claim", async || {
        let list = get(&daemon, "/v1/districts/mulberry-springs/products/device-care/seats", &all).await.1;
        list["holders"]
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["user"] == *child && !it["claimed_at"].is_null())
            .then_some(())
    })
    .await;
    let unknown = json!({ "district": "mulberry-springs", "user": "nobody", "product": "lab" });
    assert_eq!(post(&daemon, "/v1/access", &app, &unknown).await.1["reason"], "unknown_user");
    daemon.stop().await;
    let out = installation.cli(DAY_1, &["verify"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// Two processes over one PostgreSQL: what the one commits the other answers within a second.
#[tokio::test]
async fn what_another_process_commits_is_answered_within_a_second() {
    let Some(url) = postgres::fresh_database().await else { return };
    let installation = Installation::over(url, "apply", "");
    assert!(installation.cli(DAY_1, &["migrate"]).status.success());
    let all = installation.token("all", &["--scope", "admin"]);
    let (one, other) = (installation.start(DAY_1).await, installation.start(DAY_1).await);
    let login = format!("{OF}&user=none&product=math");
    for daemon in [&one, &other] {
        assert_eq!(get(daemon, &login, &all).await.1["reason"], "unknown_user");
    }
    synced(&one, &all).await;
    let committed = Instant::now();
    let (holders, _) = seats(&one, &all, "math").await;
    for daemon in [&one, &other] {
        let path = format!("{OF}&user={}&product=math", holders.first().unwrap());
        until("the seat", async || (get(daemon, &path, &all).await.1["access"] == "yes").then_some(())).await;
    }
    assert!(committed.elapsed() < Duration::from_secs(2), "{:?}", committed.elapsed());
    one.stop().await;
    other.stop().await;
}

/// The file is signed, is kept up to date by itself, and says what the daemon says.
#[tokio::test]
async fn a_snapshot_is_signed_and_answers_as_the_daemon_does() {
    let installation = Installation::new("apply", "");
    let folder = installation.path("access");
    let more = format!("[access]\nsnapshot_key = \"s3cret\"\nsnapshot_folder = \"{}\"\n", folder.display());
    let feed = installation.path("drop/upload-1").display().to_string();
    let text = installation.settings_with("apply", &feed, &more);
    installation.configure(&text);
    let all = installation.token("all", &["--scope", "admin"]);
    let daemon = installation.start(DAY_1).await;
    synced(&daemon, &all).await;
    let (holders, _) = seats(&daemon, &all, "math").await;
    let path = "/v1/access/snapshot?district=mulberry-springs";
    let file = until("the file", async || {
        let text = std::fs::read_to_string(folder.join("mulberry-springs.json")).ok()?;
        text.contains(holders.first().unwrap()).then_some(text)
    })
    .await;
    let over_http = client().get(daemon.url(path)).bearer_auth(&all).send().await.unwrap().text().await.unwrap();
    for text in [file, over_http] {
        let (document, signature) = text.trim_end().split_once('\n').unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(b"s3cret").unwrap();
        mac.update(document.as_bytes());
        assert_eq!(hex::encode(mac.finalize().into_bytes()), signature);
        let document: Value = serde_json::from_str(document).unwrap();
        assert_eq!(
            (&document["format"], &document["valid_through"]),
            (&json!("rosterd-access-1"), &json!("2025-10-12"))
        );
        let with_math = document["users"].as_object().unwrap().iter().filter(|(_, set)| {
            let set = &document["seats"][usize::try_from(set.as_u64().unwrap()).unwrap()];
            set.as_array().unwrap().iter().any(|it| it == "math")
        });
        assert_eq!(with_math.map(|(user, _)| user.clone()).collect::<BTreeSet<_>>(), holders);
        assert_eq!(document["products"]["math"]["days"]["2025-10-06"], "yes");
    }
    daemon.stop().await;
}
