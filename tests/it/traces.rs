//! The log of the daemon, and its traces for an OpenTelemetry collector: what a program built with the feature sends, and what one
//! without it says.

use std::path::Path;
#[cfg(feature = "otel")]
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::support::daemon::{DAY_1, Daemon, Installation, client, until};

/// Syncs to the end, and returns the run's id.
async fn synced(daemon: &Daemon, token: &str) -> String {
    let body = json!({ "district": "mulberry-springs" }).to_string();
    let answer = client().post(daemon.url("/v1/syncs")).bearer_auth(token).body(body).send().await.unwrap();
    let filed: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let id = filed["run"].as_str().unwrap().to_owned();
    let path = format!("/v1/runs/{id}");
    until("the run to end", async || {
        let run = client().get(daemon.url(&path)).bearer_auth(token).send().await.unwrap().text().await.unwrap();
        run.contains("\"finished_at\":\"").then_some(())
    })
    .await;
    id
}

/// Whoever searches the log by run or district finds every line of it.
#[tokio::test]
async fn every_line_of_a_run_has_its_run_and_its_district() {
    let installation = Installation::new("apply", "");
    let token = installation.token("all", &["--scope", "admin"]);
    let daemon = installation.start(DAY_1).await;
    let run = synced(&daemon, &token).await;
    daemon.signal("TERM");
    let (_, log) = daemon.end().await;
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let has = |line: &serde_json::Value, key: &str| line[key].is_string() || line["span"][key].is_string();
    let of_run: Vec<_> = lines.iter().filter(|line| line.to_string().contains(&run)).collect();
    assert!(of_run.len() > 1, "{log}");
    assert!(of_run.iter().all(|line| has(line, "run.id") && has(line, "district.id")), "{of_run:#?}");
    let of_district: Vec<_> = lines.iter().filter(|line| line.to_string().contains("mulberry-springs")).collect();
    assert!(of_district.len() >= of_run.len(), "{log}");
    assert!(of_district.iter().all(|line| has(line, "district.id")), "{of_district:#?}");
}

/// A collector that is named in vain: the operator is told, and nothing else happens.
#[cfg(not(feature = "otel"))]
#[tokio::test]
async fn a_program_without_the_feature_says_that_it_sends_none() {
    let installation = Installation::new("apply", "");
    let token = installation.token("all", &["--scope", "admin"]);
    let collector = Path::new("http://127.0.0.1:9");
    let mut daemon = installation.spawn_with(DAY_1, &[("OTEL_EXPORTER_OTLP_ENDPOINT", collector)]);
    daemon.listening().await;
    synced(&daemon, &token).await;
    daemon.signal("TERM");
    let (_, log) = daemon.end().await;
    assert!(log.contains("built without the feature `otel`"), "{log}");
}

/// A run and the requests are spans with their ids and routes, and with nobody's name.
#[cfg(feature = "otel")]
#[tokio::test]
async fn runs_and_requests_reach_the_collector_and_no_name_does() {
    let taken: Arc<Mutex<Vec<(String, Vec<u8>)>>> = Arc::default();
    let taking = Arc::clone(&taken);
    let take = move |request: axum::extract::Request| async move {
        let path = request.uri().path().to_owned();
        let body = axum::body::to_bytes(request.into_body(), 1 << 24).await.unwrap();
        taking.lock().unwrap().push((path, body.to_vec()));
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let collector = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(take)).await });
    let installation = Installation::new("apply", "");
    let token = installation.token("all", &["--scope", "admin"]);
    let mut daemon = installation.spawn_with(DAY_1, &[("OTEL_EXPORTER_OTLP_ENDPOINT", Path::new(&collector))]);
    daemon.listening().await;
    synced(&daemon, &token).await;
    daemon.stop().await;
    let taken = taken.lock().unwrap();
    assert!(taken.iter().all(|(path, _)| path == "/v1/traces"), "they are sent at the end, at the latest");
    let all: Vec<u8> = taken.iter().flat_map(|(_, body)| body.clone()).collect();
    let has = |text: &str| all.windows(text.len()).any(|it| it == text.as_bytes());
    for text in ["rosterd", "run.id", "district.id", "mulberry-springs", "request.id", "http.route", "/v1/syncs"] {
        assert!(has(text), "{text}");
    }
    let users = std::fs::read_to_string(installation.path("drop/upload-1/users.csv")).unwrap();
    let mut rows = users.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = rows.next().unwrap();
    let column = |name: &str| head.iter().position(|it| it.trim_matches('"') == name).unwrap();
    let (family, email) = (column("familyName"), column("email"));
    let values =
        rows.flat_map(|row| [row[family].trim_matches('"').to_owned(), row[email].trim_matches('"').to_owned()]);
    let names: Vec<String> = values.filter(|it| it.len() > 4).collect();
    assert!(names.len() > 100 && names.iter().all(|name| !has(name)));
}
