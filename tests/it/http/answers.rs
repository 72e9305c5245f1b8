//! Use that is reported, and what support asks: explain, suggestions, reports.

use serde_json::{Value, json};

use super::{ended, get, is_problem, post};
use crate::support::daemon::{DAY_1, Daemon, Installation, client};

/// interface.md, HTTP: use is reported per entry, and a user is explained by query.
#[tokio::test]
async fn use_is_reported_in_bulk_and_a_user_is_explained() {
    let installation = Installation::new("apply", "");
    let token = installation.token("all", &["--scope", "admin"]);
    let daemon = installation.start(DAY_1).await;
    ended(&daemon, &token, &post(&daemon, "/v1/syncs", &token, &json!({ "district": "mulberry-springs" })).await).await;
    let seats = "/v1/districts/mulberry-springs/products/device-care/seats";
    let user = get(&daemon, seats, &token).await.body["holders"][0]["user"].as_str().unwrap().to_owned();

    let path = "/v1/districts/mulberry-springs/activity";
    // after the sync that gave the seat, and not further ahead than a clock may be
    let at = "2025-10-06T20:03:00Z";
    let entry = |user: &str| json!({ "user": user, "product": "device-care", "last_used_at": at });
    let report = json!({ "activity": [entry(&user), entry("nobody")] });
    let first = post(&daemon, path, &token, &report).await;
    assert_eq!(first.body["rejected"][0]["index"], 1);
    let run = ended(&daemon, &token, &first).await;
    assert_eq!((&run["status"], &run["mode"]), (&"applied".into(), &"activity".into()), "{run}");
    let again = post(&daemon, path, &token, &report).await;
    assert_eq!((again.status.as_u16(), &again.body["run"], &again.body["unchanged"]), (200, &Value::Null, &1.into()));
    is_problem(&post(&daemon, path, &token, &json!({ "activity": [{ "user": user }] })).await, 422);
    is_problem(&post(&daemon, "/v1/districts/nowhere/activity", &token, &report).await, 404);

    let explain = "/v1/districts/mulberry-springs/explain";
    let answer = get(&daemon, &format!("{explain}?user={user}&product=device-care"), &token).await.body;
    assert_eq!((&answer["access"], &answer["broken"]), (&"yes".into(), &Value::Null), "{answer}");
    assert!(answer["seat"]["claimed_at"].is_string());
    let all = get(&daemon, &format!("{explain}?user={user}"), &token).await.body;
    assert_eq!(all.as_array().unwrap().len(), 4);
    is_problem(&get(&daemon, &format!("{explain}?user={user}&product=nothing"), &token).await, 404);
    daemon.stop().await;
}

/// S0.13, S3.17: the daemon keeps a district's numbers in memory, and they are those of the store whatever was written last: a
/// sync, a use that draws nothing, a pull that found nothing new.
#[tokio::test]
async fn numbers_kept_in_memory_are_those_of_the_store() {
    let later = "2025-11-20T20:00:00Z";
    let installation = Installation::new("apply", "");
    let token = installation.token("all", &["--scope", "admin"]);
    let path = "/v1/districts/mulberry-springs/licenses?by_school=true";
    let numbers = async |daemon: &Daemon, now: &str| {
        let told = installation.cli(now, &["licenses", "--district", "mulberry-springs", "--by-school", "--json"]);
        let mut both = [get(daemon, path, &token).await.body, serde_json::from_slice::<Value>(&told.stdout).unwrap()];
        for row in both.iter_mut().flat_map(|rows| rows.as_array_mut().unwrap()) {
            row.as_object_mut().unwrap().remove("as_of").unwrap();
        }
        assert_eq!(both[0], both[1]);
        let [rows, _] = both;
        rows.as_array().unwrap().iter().find(|it| it["product"] == "device-care").cloned()
    };
    let daemon = installation.start(DAY_1).await;
    assert_eq!(numbers(&daemon, DAY_1).await, None, "the first sync takes the catalog up");
    let sync = json!({ "district": "mulberry-springs" });
    ended(&daemon, &token, &post(&daemon, "/v1/syncs", &token, &sync).await).await;
    let synced = numbers(&daemon, DAY_1).await.unwrap();
    assert_eq!((synced["assigned"].as_u64() > Some(0), &synced["utilization_percent"]), (true, &json!(0.0)));
    let seats = "/v1/districts/mulberry-springs/products/device-care/seats";
    let user = get(&daemon, seats, &token).await.body["holders"][0]["user"].as_str().unwrap().to_owned();
    let used = async |daemon: &Daemon, at: &str| {
        let entry = json!({ "user": user, "product": "device-care", "last_used_at": at });
        let path = "/v1/districts/mulberry-springs/activity";
        post(daemon, path, &token, &json!({ "activity": [entry] })).await
    };
    ended(&daemon, &token, &used(&daemon, "2025-10-06T20:03:00Z").await).await;
    let claimed = numbers(&daemon, DAY_1).await.unwrap()["utilization_percent"].clone();
    assert!(claimed.as_f64() > Some(0.0), "{claimed}");
    daemon.stop().await;

    let daemon = installation.start(later).await;
    let pulled = async || {
        let run = ended(&daemon, &token, &post(&daemon, "/v1/syncs", &token, &sync).await).await;
        assert_eq!(run["status"], "unchanged", "{run}");
    };
    // after the night that was missed
    pulled().await;
    let idle = numbers(&daemon, later).await.unwrap();
    assert_eq!(idle["utilization_percent"], 0.0, "it was used six weeks ago");
    let noted = used(&daemon, "2025-11-20T19:00:00Z").await.body;
    assert_eq!((&noted["run"], &noted["changed"]), (&Value::Null, &json!(1)), "{noted}");
    assert_eq!(numbers(&daemon, later).await.unwrap()["utilization_percent"], claimed);
    pulled().await;
    assert_ne!(numbers(&daemon, later).await.unwrap()["roster_as_of"], idle["roster_as_of"]);
    daemon.stop().await;
}

/// interface.md, HTTP: a product that came with the catalog is known at once, also where no district has bought it and the
/// numbers are in memory.
#[tokio::test]
async fn a_new_product_of_the_catalog_can_be_asked_about_at_once() {
    let installation = Installation::new("apply", "");
    let token = installation.token("all", &["--scope", "admin"]);
    let daemon = installation.start(DAY_1).await;
    ended(&daemon, &token, &post(&daemon, "/v1/syncs", &token, &json!({ "district": "mulberry-springs" })).await).await;
    let path = "/v1/districts/mulberry-springs/suggestions?product=chess";
    is_problem(&get(&daemon, path, &token).await, 404);
    let catalog = std::fs::read_to_string(installation.path("catalog.toml")).unwrap();
    let chess = "[[product]]\ncode = \"chess\"\nname = \"Chess\"\naudience = \"student\"\nbasis = \"active\"\n";
    std::fs::write(installation.path("catalog.toml"), format!("{catalog}\n{chess}")).unwrap();
    let looked = installation.cli("2025-10-06T20:01:00Z", &["catalog", "refresh"]);
    assert!(looked.status.success(), "{}", String::from_utf8_lossy(&looked.stderr));
    let answer = get(&daemon, path, &token).await;
    assert_eq!((answer.status.as_u16(), answer.body), (200, json!([])));
    daemon.stop().await;
}

/// safety.md, People's data: whoever is shown names is counted in the audit, and no plan is stale for it.
#[tokio::test]
async fn who_was_shown_how_many_people_stands_in_the_audit() {
    let installation = Installation::new("apply", "");
    let token = installation.token("all", &["--scope", "admin"]);
    let support = installation.token("support", &["--scope", "read", "--scope", "people"]);
    let reader = installation.token("reader", &["--scope", "read"]);
    let daemon = installation.start(DAY_1).await;
    ended(&daemon, &token, &post(&daemon, "/v1/syncs", &token, &json!({ "district": "mulberry-springs" })).await).await;
    let revision = async || installation.store().await.district(&"mulberry-springs".into()).await.unwrap().revision;
    let before = revision().await;
    let seats = "/v1/districts/mulberry-springs/products/device-care/seats";
    let user = get(&daemon, seats, &token).await.body["holders"][0]["user"].as_str().unwrap().to_owned();
    let page = async |path: &str, token: &str| {
        let answer = client().get(daemon.url(path)).bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.unwrap()
    };
    let search = format!("/districts/mulberry-springs/users?q={user}");
    let row = format!("<code>{user}</code>");
    assert!(page(&search, &support).await.contains(&row));
    page(&format!("/districts/mulberry-springs/user?id={user}"), &support).await;
    assert!(!page(&search, &reader).await.contains(&row));
    let users = async |token: &str| {
        let (mut after, mut users) = (String::new(), 0);
        loop {
            let page = get(&daemon, &format!("/v1/changes?after={after}"), token).await.body;
            let items = page["items"].as_array().unwrap().iter();
            users += items.filter(|it| it["kind"] == "users" && it["value"].is_object()).count();
            if page["more"] == false {
                return users;
            }
            page["cursor"].as_str().unwrap().clone_into(&mut after);
        }
    };
    let (shown, bare) = (users(&support).await, users(&reader).await);
    assert!(shown > 0 && shown == bare, "{shown}");
    daemon.stop().await;
    let told = installation.cli(DAY_1, &["audit", "export", "--district", "mulberry-springs", "--format", "jsonl"]);
    let told: Vec<Value> =
        String::from_utf8(told.stdout).unwrap().lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    let readings: Vec<&Value> = told.iter().filter(|it| it["action"] == "district.people_read").collect();
    let people: u64 = readings.iter().map(|it| it["after"]["people"].as_u64().unwrap()).sum();
    assert_eq!(people, u64::try_from(shown).unwrap() + 2, "{readings:?}");
    let expected = (&json!("token:support"), &json!("administrative"), &Value::Null);
    assert!(readings.iter().all(|it| (&it["actor"], &it["category"], &it["reason"]) == expected), "{readings:?}");
    assert_eq!(revision().await, before);
    assert!(installation.cli(DAY_1, &["verify"]).status.success());
}
