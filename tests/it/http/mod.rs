//! The HTTP side of the daemon, story by story.

mod answers;
mod approvals;
mod asking;
mod by_hand;
mod catalog;
mod pages;
mod runs;
mod vendors;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::support::daemon::{DAY_1, Daemon, Installation, client, until};
use crate::support::described;

struct Answer {
    status: StatusCode,
    kind: String,
    location: Option<String>,
    body: Value,
}

async fn ask(daemon: &Daemon, method: Method, path: &str, token: Option<&str>, body: Option<String>) -> Answer {
    let mut request = client().request(method.clone(), daemon.url(path));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body);
    }
    let answer = request.send().await.unwrap();
    let header = |name: &str| answer.headers().get(name).map(|it| it.to_str().unwrap().to_owned());
    assert_eq!(header("x-content-type-options").as_deref(), Some("nosniff"), "{path}");
    let (kind, location) = (header("content-type").unwrap_or_default(), header("location"));
    let status = answer.status();
    Answer { status, kind, location, body: described::body(&method, path, answer).await }
}

async fn get(daemon: &Daemon, path: &str, token: &str) -> Answer {
    ask(daemon, Method::GET, path, Some(token), None).await
}

async fn post(daemon: &Daemon, path: &str, token: &str, body: &Value) -> Answer {
    ask(daemon, Method::POST, path, Some(token), Some(body.to_string())).await
}

fn is_problem(answer: &Answer, status: u16) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    assert_eq!(answer.kind, "application/problem+json");
    assert_eq!(answer.body["status"], status);
    assert!(answer.body["detail"].as_str().is_some_and(|it| !it.is_empty()), "{}", answer.body);
}

/// The run of a 202, when it has ended.
async fn ended(daemon: &Daemon, token: &str, accepted: &Answer) -> Value {
    assert_eq!(accepted.status, 202, "{}", accepted.body);
    let location = accepted.location.clone().unwrap();
    assert_eq!(location, format!("/v1/runs/{}", accepted.body["run"].as_str().unwrap()));
    until("the run to end", async || {
        let run = get(daemon, &location, token).await.body;
        let open = matches!(run["status"].as_str().unwrap(), "queued" | "fetching" | "planned" | "applying");
        (!open).then_some(run)
    })
    .await
}

fn verify_clean(installation: &Installation) {
    let out = installation.cli(DAY_1, &["verify"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}
