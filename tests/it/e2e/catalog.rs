//! The catalog: what it says is in force together with the seats that follow, or not at all (S0.2, S4.25 to S4.28, S4.42).

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::db::Backend;
use crate::support::vendor::{self, NIGHT_1, NIGHT_2, NIGHT_3, Ran, Site};

const DISTRICT: &str = "active-students";

/// A district of 40 active students, synced once with 38 seats: two wait.
struct Vendor {
    site: Site,
}

impl Vendor {
    /// None if PostgreSQL is missing here.
    async fn on(backend: Backend) -> Option<Self> {
        let it = Self { site: Site::new(backend).await? };
        it.write(&[("seats = 45", "seats = 38")], "");
        let path = it.path();
        it.configure(&format!("path = \"{}\"", path.display()));
        it.site.sync(NIGHT_1, DISTRICT).await.exits(0);
        assert_eq!(it.numbers().await, (38, 38, 0, 2));
        Some(it)
    }

    fn path(&self) -> PathBuf {
        self.site.folder().join("catalog.toml")
    }

    fn fixture() -> PathBuf {
        vendor::fixtures().join("vendors").join(DISTRICT)
    }

    fn configure(&self, catalog: &str) {
        let district = vendor::district(DISTRICT, &vendor::csv(&Self::fixture()));
        self.site.configure(&format!("[catalog]\n{catalog}\n[schedule]\nlease_seconds = 5\n{district}"));
    }

    /// The fixture's catalog with some words replaced, and more behind it.
    fn write(&self, replaced: &[(&str, &str)], more: &str) {
        let mut text = std::fs::read_to_string(Self::fixture().join("catalog.toml")).unwrap();
        for (old, new) in replaced {
            assert!(text.contains(old), "{old}");
            text = text.replace(old, new);
        }
        std::fs::write(self.path(), text + more).unwrap();
    }

    async fn refresh(&self, now: &str) -> Value {
        let look = self.site.at(now, &["catalog", "refresh", "--json"]).await.exits(0).json();
        self.site.verified().await;
        look
    }

    async fn put(&self, now: &str, body: &Value) -> Ran {
        let file = self.site.folder().join("purchase.json");
        std::fs::write(&file, body.to_string()).unwrap();
        let ran = self.site.at(now, &["catalog", "put", file.to_str().unwrap(), "--json"]).await;
        self.site.verified().await;
        ran
    }

    /// Total, assigned, over, waiting.
    async fn numbers(&self) -> (u64, u64, u64, u64) {
        self.numbers_at(NIGHT_1).await
    }

    async fn numbers_at(&self, now: &str) -> (u64, u64, u64, u64) {
        let rows = self.site.licenses(now).await;
        let [row] = &rows.as_array().unwrap()[..] else { panic!("{rows}") };
        let number = |name: &str| row[name].as_u64().unwrap();
        (number("total"), number("assigned"), number("over"), number("waiting"))
    }

    /// The audit without alerts, which have stories of their own.
    async fn entries(&self) -> Vec<Value> {
        let audit = self.site.audit(DISTRICT).await;
        let entries = audit.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        entries.filter(|it| it["entity"] != "alert").collect()
    }
}

async fn on_both<F: Future<Output = ()>>(story: impl Fn(Vendor) -> F) {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        if let Some(vendor) = Vendor::on(backend).await {
            story(vendor).await;
        }
    }
}

/// S0.2, S4.25, S4.26: after a purchase the catalog is refreshed at once: the purchase and the seats it brings are one run; the plan said so before and changed nothing.
#[tokio::test]
async fn a_purchase_drains_the_waitlist_in_the_run_that_puts_it_in_force() {
    on_both(async |it| {
        let before = it.entries().await;
        it.write(&[], "");
        let plan = it.site.at(NIGHT_2, &["catalog", "plan", "--json"]).await.exits(0).json();
        let [district] = &plan["districts"].as_array().unwrap()[..] else { panic!("{plan}") };
        assert_eq!(
            district["changes"],
            json!([{ "entity": "subscription", "id": "WP-1001", "before": { "seats": 38 }, "after": { "seats": 45 } }])
        );
        assert_eq!((&district["seats"]["granted"], &district["seats"]["waiting"]), (&json!(2), &json!(0)));
        let turn = &district["products"]["devices"];
        assert_eq!((&turn["before"]["total"], &turn["after"]["total"]), (&json!(38), &json!(45)));
        assert_eq!(it.entries().await, before, "a plan changes nothing");
        assert_eq!(it.numbers().await, (38, 38, 0, 2));

        let look = it.refresh(NIGHT_2).await;
        assert_eq!(look["outcome"], "changed");
        let run = look["runs"][0]["run"].clone();
        let new = it.entries().await.split_off(before.len());
        let told: Vec<&str> = new.iter().map(|it| it["action"].as_str().unwrap()).collect();
        let expected =
            ["subscription.changed", "seat.granted", "seat.granted", "seat.waiting_ended", "seat.waiting_ended"];
        assert_eq!(told, expected);
        assert!(new.iter().all(|it| it["run"] == run), "{new:#?}");
        assert_eq!((&new[0]["actor"], &new[0]["after"]), (&json!("catalog"), &json!({ "seats": 45 })));
        assert_eq!(it.numbers().await, (45, 40, 0, 0));
        let record = it.site.run(&["runs", "show", run.as_str().unwrap(), "--json"]).await.exits(0).json();
        assert_eq!((&record["trigger"], &record["status"]), (&json!("catalog"), &json!("applied")));

        let again = it.refresh(NIGHT_3).await;
        assert_eq!((&again["outcome"], &again["runs"]), (&json!("unchanged"), &json!([])));
        it.site.discard().await;
    })
    .await;
}

/// interface.md: an error names its line and changes nothing.
#[tokio::test]
async fn a_bad_catalog_changes_nothing_and_is_told() {
    on_both(async |it| {
        let before = it.entries().await;
        it.write(&[("seats = 45", "seats = \"many\"")], "");
        let line = ["catalog.toml:14"];
        it.site.at(NIGHT_2, &["catalog", "refresh"]).await.exits(2).says(&line);
        it.site.at(NIGHT_2, &["catalog", "plan"]).await.exits(2).says(&line);
        it.site.run(&["catalog", "check", it.path().to_str().unwrap()]).await.exits(2).says(&line);
        it.site.run(&["doctor", "--offline"]).await.exits(1).says(&[
            "the last look",
            "stays in force",
            "catalog.toml:14",
        ]);
        assert_eq!((it.entries().await, it.numbers().await), (before, (38, 38, 0, 2)));
        it.write(&[], "");
        it.site.run(&["catalog", "check", it.path().to_str().unwrap()]).await.exits(0).says(&["WP-1001", "no mistake"]);
        it.site.discard().await;
    })
    .await;
}

/// S4.42: a cut is an over-allocation, never a revocation.
#[tokio::test]
async fn a_cut_releases_nobody_and_shows_over() {
    on_both(async |it| {
        it.write(&[("seats = 45", "seats = 30")], "");
        let text = it.site.at(NIGHT_2, &["catalog", "plan"]).await.exits(0);
        text.says(&["~ subscription WP-1001: seats 38 -> 30", "0 released", "devices: total 38 -> 30", "over 0 -> 8"]);
        it.refresh(NIGHT_2).await;
        assert_eq!(it.numbers().await, (30, 38, 8, 2));
        assert!(it.entries().await.iter().all(|it| it["action"] != "seat.released"));
        it.site.discard().await;
    })
    .await;
}

/// licensing.md, Subscriptions: ending is said, not implied.
#[tokio::test]
async fn a_subscription_that_vanished_keeps_its_state_and_is_told_until_it_is_back() {
    on_both(async |it| {
        let text = std::fs::read_to_string(it.path()).unwrap();
        std::fs::write(it.path(), text.split("[[subscription]]").next().unwrap()).unwrap();
        let plan = it.site.at(NIGHT_2, &["catalog", "plan", "--json"]).await.exits(0).json();
        assert_eq!((&plan["districts"], &plan["vanished"]), (&json!([]), &json!(["WP-1001"])));
        let look = it.refresh(NIGHT_2).await;
        let vanished = json!([{ "district": DISTRICT, "subscription": "WP-1001", "vanished_since": NIGHT_2 }]);
        assert_eq!((&look["vanished"], look["runs"].as_array().unwrap().len()), (&vanished, 1));
        let mismatch = async || {
            let all = it.site.run(&["alerts", "--json"]).await.exits(0).json();
            let of = |it: &&Value| it["kind"] == "contract_mismatch" && it["product"] == "devices";
            all.as_array()
                .unwrap()
                .iter()
                .find(of)
                .map(|it| (it["raised_at"].clone(), it["numbers"]["vanished"].clone()))
        };
        assert_eq!(mismatch().await, Some((json!(NIGHT_2), json!(1))), "told at once, and not only by the next night");
        let again = it.refresh(NIGHT_3).await;
        assert_eq!((&again["vanished"], &again["runs"]), (&vanished, &json!([])), "since the first time");
        it.site.run(&["doctor", "--offline"]).await.says(&["WP-1001", "keeps its last state"]);
        assert_eq!(it.numbers().await, (38, 38, 0, 2));
        std::fs::write(it.path(), text).unwrap();
        assert_eq!(it.refresh(NIGHT_3).await["vanished"], json!([]));
        assert_eq!(mismatch().await, None, "and over when it is back");
        it.site.discard().await;
    })
    .await;
}

/// S3.23, S4.34, S4.41: a renewal with its own first day keeps everyone, and nothing is released on the day.
#[tokio::test]
async fn a_renewal_keeps_its_holders_without_a_release() {
    on_both(async |it| {
        let renewal = "\n[[subscription]]\nid = \"WP-1002\"\ndistrict = \"active-students\"\nproduct = \"devices\"\n\
             seats = 39\nstarts_on = 2026-07-01\nexpires_on = 2027-06-30\nrenews = \"WP-1001\"\n";
        it.write(&[("seats = 45", "seats = 38")], renewal);
        it.refresh(NIGHT_2).await;
        assert_eq!(it.numbers().await, (38, 38, 0, 2), "it has not begun");
        let summer = "2026-07-02T12:00:00.000Z";
        it.site.sync(summer, DISTRICT).await.exits(0);
        assert_eq!(it.numbers_at(summer).await, (39, 39, 0, 1));
        assert!(it.entries().await.iter().all(|it| it["action"] != "seat.released"));
        it.site.verified().await;
        it.site.discard().await;
    })
    .await;
}

fn purchase(id: &str, seats: u32) -> Value {
    json!({
        "id": id, "district": DISTRICT, "product": "devices", "seats": seats,
        "starts_on": "2025-07-01", "expires_on": "2026-06-30",
    })
}

/// One purchase: idempotent, audited as who brought it, and the document's next word on it counts.
#[tokio::test]
async fn a_purchase_put_twice_is_one_and_the_documents_next_value_wins() {
    on_both(async |it| {
        let run = it.put(NIGHT_2, &purchase("CRM-1", 1)).await.exits(0).json();
        assert_eq!((&run["trigger"], &run["seats"]["granted"]), (&json!("catalog"), &json!(1)));
        let added = it.entries().await.into_iter().find(|it| it["id"] == "CRM-1").unwrap();
        assert_eq!(
            (&added["action"], &added["actor"], &added["run"]),
            (&json!("subscription.added"), &json!("cli:tester"), &run["run"])
        );
        let before = it.entries().await;
        let again = it.put(NIGHT_2, &purchase("CRM-1", 1)).await.exits(0).json();
        assert_eq!((&again["changed"], &again["run"]), (&json!(false), &Value::Null));
        assert_eq!(it.entries().await, before);
        assert_eq!(it.numbers().await, (39, 39, 0, 1));
        assert_eq!(it.refresh(NIGHT_2).await["vanished"], json!([]), "the document never had it");

        // Over the document's own: it counts until the document says something else.
        it.put(NIGHT_2, &purchase("WP-1001", 39)).await.exits(0);
        assert_eq!(it.numbers().await, (40, 40, 0, 0));
        assert_eq!(it.refresh(NIGHT_2).await["runs"], json!([]), "the document says what it said");
        it.write(&[("seats = 45", "seats = 44")], "");
        it.refresh(NIGHT_3).await;
        assert_eq!(it.numbers().await, (45, 40, 0, 0));

        it.put(NIGHT_3, &json!({ "id": "X", "district": DISTRICT })).await.exits(2).says(&["missing field `product`"]);
        let elsewhere = json!({ "district": "nowhere" });
        let mut body = purchase("X", 1);
        body.as_object_mut().unwrap().extend(elsewhere.as_object().unwrap().clone());
        it.put(NIGHT_3, &body).await.exits(2).says(&["no district `nowhere`"]);
        it.site.discard().await;
    })
    .await;
}

/// Whatever dies wherever, nobody sees a purchase without its seats, and the next look goes on.
#[tokio::test]
async fn killed_between_any_two_steps_a_purchase_and_its_seats_are_both_there_or_neither() {
    on_both(async |it| {
        let places = [
            "store.offer.commit",
            "store.offer.committed",
            "queue.request.committed",
            "store.write.contract",
            "store.write.commit",
            "store.write.committed",
        ];
        // A seat more each time; the third one and later ones find nobody waiting and are still one state or the other.
        for (seats, place) in (39_u64..).zip(places) {
            it.write(&[("seats = 45", &format!("seats = {seats}"))], "");
            let mut command = it.site.command(&["--now", NIGHT_2, "catalog", "refresh"]);
            command.env("ROSTERD_FAILPOINT", place);
            let killed = vendor::finished(command, place.to_owned()).await;
            assert_eq!(killed.code, None, "{place}: it did not die there: {killed:#?}");
            it.site.verified().await;
            let told = |total: u64| (total, total.min(40), 0, 40_u64.saturating_sub(total));
            let seen = it.numbers().await;
            assert!(seen == told(seats - 1) || seen == told(seats), "{place}: {seen:?}");
            it.refresh(NIGHT_2).await;
            assert_eq!(it.numbers().await, told(seats), "{place}");
        }
        it.site.discard().await;
    })
    .await;
}

/// What the simulated licensing service answers, and what it was asked with.
#[derive(Default)]
struct Answers {
    status: u16,
    body: String,
    etag: Option<&'static str>,
    heard: Vec<(String, Option<String>)>,
}

/// A licensing service of a few lines.
async fn licensing() -> (String, Arc<Mutex<Answers>>) {
    use axum::http::{HeaderMap, StatusCode};
    use axum::response::IntoResponse;
    let answers = Arc::new(Mutex::new(Answers { status: 200, ..Answers::default() }));
    let shared = Arc::clone(&answers);
    let answer = move |headers: HeaderMap| {
        let shared = Arc::clone(&shared);
        async move {
            let text = |name: &str| headers.get(name).map(|it| it.to_str().unwrap().to_owned());
            let mut answers = shared.lock().unwrap();
            answers.heard.push((text("authorization").unwrap_or_default(), text("if-none-match")));
            if answers.etag.is_some() && text("if-none-match").as_deref() == answers.etag {
                return StatusCode::NOT_MODIFIED.into_response();
            }
            let status = StatusCode::from_u16(answers.status).unwrap();
            let mut headers = HeaderMap::new();
            if let Some(etag) = answers.etag {
                headers.insert("etag", etag.parse().unwrap());
            }
            (status, headers, answers.body.clone()).into_response()
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/catalog", listener.local_addr().unwrap());
    let app = axum::Router::new().route("/catalog", axum::routing::get(answer));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, answers)
}

fn document(seats: u32) -> String {
    json!({
        "product": [{ "code": "devices", "name": "Device Care", "audience": "student", "basis": "active" }],
        "subscription": [{
            "id": "WP-1001", "district": DISTRICT, "product": "devices", "seats": seats, "starts_on": "2025-07-01",
            "expires_on": "2026-06-30", "licensed_to": "Windmill Plains District", "alert_remaining": 5,
        }],
    })
    .to_string()
}

/// S4.25, S4.28: the same document from a service; whatever else it answers changes nothing and is told.
#[tokio::test]
async fn a_licensing_service_is_asked_with_its_token_and_answers_the_document_once() {
    on_both(async |it| {
        let (url, answers) = licensing().await;
        it.configure(&format!("url = \"{url}\"\ntoken = \"secret-canary\""));
        let says = |status: u16, body: &str, etag: Option<&'static str>| {
            let mut answers = answers.lock().unwrap();
            (answers.status, answers.body, answers.etag) = (status, body.to_owned(), etag);
        };
        let before = it.entries().await;
        let wrong = [
            (401, String::new(), "check `catalog.token`"),
            (500, String::new(), "500"),
            (200, "{".to_owned(), "this is not JSON"),
            (200, "<html>".to_owned(), "HTML"),
            (200, document(40).replace("2025-07-01", "soon"), "#/subscription/0/starts_on: expected a date"),
        ];
        for (status, body, word) in wrong {
            says(status, &body, None);
            let ran = it.site.at(NIGHT_2, &["catalog", "refresh"]).await.exits(2).says(&[word]);
            assert!(!ran.said().contains("canary"), "{ran:?}");
            assert_eq!((it.entries().await, it.numbers().await), (before.clone(), (38, 38, 0, 2)));
        }
        says(200, &document(39), Some("\"v1\""));
        assert_eq!(it.refresh(NIGHT_2).await["runs"].as_array().unwrap().len(), 1);
        assert_eq!(it.numbers().await, (39, 39, 0, 1));
        // Behind the same version stands another document: it is not even looked at.
        says(200, &document(40), Some("\"v1\""));
        assert_eq!(it.refresh(NIGHT_2).await["outcome"], "unchanged");
        assert_eq!(it.numbers().await, (39, 39, 0, 1));
        says(200, &document(40), Some("\"v2\""));
        assert_eq!(it.refresh(NIGHT_2).await["outcome"], "changed");
        assert_eq!(it.numbers().await, (40, 40, 0, 0));
        let heard = std::mem::take(&mut answers.lock().unwrap().heard);
        assert!(heard.iter().all(|(authorization, _)| authorization == "Bearer secret-canary"), "{heard:?}");
        assert_eq!(heard.last().unwrap().1.as_deref(), Some("\"v1\""));
        it.site.discard().await;
    })
    .await;
}
