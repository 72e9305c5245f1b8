//! A run followed, read and exported: while it is under way, and afterwards.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};

use serde_json::{Value, json};

use crate::support::daemon::{DAY_1, Daemon, Installation, client};

async fn text(daemon: &Daemon, path: &str, token: &str) -> String {
    let answer = client().get(daemon.url(path)).bearer_auth(token).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.text().await.unwrap()
}

async fn json_of(daemon: &Daemon, path: &str, token: &str) -> Value {
    serde_json::from_str(&text(daemon, path, token).await).unwrap()
}

/// The run that a call files.
async fn filed(daemon: &Daemon, path: &str, token: &str, body: &Value) -> String {
    let request = client().post(daemon.url(path)).bearer_auth(token).header("content-type", "application/json");
    let answer = request.body(body.to_string()).send().await.unwrap();
    let filed: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    filed["run"].as_str().unwrap_or_else(|| panic!("{filed}")).to_owned()
}

async fn sync(daemon: &Daemon, token: &str) -> String {
    filed(daemon, "/v1/syncs", token, &json!({ "district": "mulberry-springs" })).await
}

/// The events of a stream that has ended, each with its data.
fn events(stream: &str) -> Vec<(String, Value)> {
    let of = |block: &str, name: &str| {
        block.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned())).unwrap_or_default()
    };
    let blocks = stream.split("\n\n").filter(|block| block.contains("event:"));
    blocks.map(|block| (of(block, "event:"), serde_json::from_str(&of(block, "data:")).unwrap())).collect()
}

/// S2.7: a long sync shows how it is getting on, and the stream ends with the run.
#[tokio::test]
async fn a_run_is_followed_to_its_end() {
    let installation = Installation::new("apply", "");
    let token = installation.token("all", &["--scope", "read", "--scope", "sync"]);
    let daemon = installation.start(DAY_1).await;
    let run = sync(&daemon, &token).await;

    let told = events(&text(&daemon, &format!("/v1/runs/{run}/events"), &token).await);

    let (name, last) = told.last().unwrap();
    assert_eq!((name.as_str(), &last["run"], &last["status"]), ("end", &json!(run), &json!("applied")));
    for (name, standing) in told.iter().rev().skip(1) {
        assert_eq!((name.as_str(), &standing["run"]), ("progress", &json!(run)), "{standing}");
    }
    let again = events(&text(&daemon, &format!("/v1/runs/{run}/events"), &token).await);
    assert_eq!(again, [("end".to_owned(), last.clone())], "a run that is over has nothing more to say");
    daemon.stop().await;
}

/// safety.md, In review: page by page, everything that was applied as the audit tells it, then everything that is held.
#[tokio::test]
async fn the_changes_of_a_run_are_read_page_by_page() {
    let installation = Installation::new("review", "");
    let token = installation.token("all", &["--scope", "read", "--scope", "sync", "--scope", "approve"]);
    let daemon = installation.start(DAY_1).await;
    let held = sync(&daemon, &token).await;
    text(&daemon, &format!("/v1/runs/{held}/events"), &token).await;

    let waiting = changes(&daemon, &held, &token).await;
    let run = json_of(&daemon, &format!("/v1/runs/{held}"), &token).await;
    assert_eq!(waiting.len(), run["holds"][0]["affected"], "{run}");
    assert!(waiting.iter().all(|it| it["state"] == "held" && it["groups"] == json!(["district/first_sync"])));

    let decision = json!({ "hash": run["plan_hash"] });
    let id = filed(&daemon, &format!("/v1/runs/{held}/approve"), &token, &decision).await;
    text(&daemon, &format!("/v1/runs/{id}/events"), &token).await;
    let applied = changes(&daemon, &id, &token).await;
    let mut by_kind: BTreeMap<String, u64> = BTreeMap::new();
    for it in &applied {
        assert_eq!(it["state"], "applied", "{it}");
        *by_kind.entry(format!("{}.{}", it["kind"].as_str().unwrap(), it["verb"].as_str().unwrap())).or_default() += 1;
    }
    let run = json_of(&daemon, &format!("/v1/runs/{id}"), &token).await;
    for kind in ["users", "enrollments", "classes"] {
        assert_eq!(by_kind[&format!("{kind}.added")], run["changes"][kind]["added"], "{kind}");
    }
    assert_eq!(by_kind["seats.granted"], run["seats"]["granted"]);

    // The export over HTTP is that of the command line, entry by entry.
    let export = text(&daemon, "/v1/audit/export?district=mulberry-springs", &token).await;
    let words = ["audit", "export", "--district", "mulberry-springs"];
    assert_eq!(export, String::from_utf8(installation.cli(DAY_1, &words).stdout).unwrap());
    assert!(export.lines().count() > 1_000, "more than one page of the store");
    let csv = text(&daemon, "/v1/audit/export?district=mulberry-springs&format=csv", &token).await;
    let words = [&words[..], &["--format", "csv"]].concat();
    assert_eq!(csv, String::from_utf8(installation.cli(DAY_1, &words).stdout).unwrap());
    daemon.stop().await;
}

async fn changes(daemon: &Daemon, run: &str, token: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = json_of(daemon, &format!("/v1/runs/{run}/changes?limit=500{cursor}"), token).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 500);
        all.extend(items.iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { return all };
        cursor = format!("&cursor={next}");
    }
}

/// `audit tail` shows the last entries, and with `--follow` those that come while it looks.
#[tokio::test]
async fn the_tail_of_the_audit_is_followed() {
    let installation = Installation::new("apply", "");
    assert!(installation.cli(DAY_1, &["sync", "mulberry-springs"]).status.success());
    let tail = installation.cli(DAY_1, &["audit", "tail", "-n", "3", "--json"]);
    let export = installation.cli(DAY_1, &["audit", "export", "--district", "mulberry-springs"]).stdout;
    let export = String::from_utf8(export).unwrap();
    let last: Vec<&str> = export.lines().skip(export.lines().count() - 3).collect();
    assert_eq!(String::from_utf8(tail.stdout).unwrap().lines().collect::<Vec<_>>(), last);

    let mut following = installation.following(DAY_1, &["audit", "tail", "-n", "1", "--follow", "--json"]);
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), last[2]);
    let seats = ["seats", "--district", "mulberry-springs", "--product", "math", "--json"];
    let seats: Value = serde_json::from_slice(&installation.cli(DAY_1, &seats).stdout).unwrap();
    let user = seats["holders"][0]["user"].as_str().unwrap();
    let exclude =
        ["override", "set", "--district", "mulberry-springs", "--user", user, "--product", "math", "--exclude"];
    assert!(installation.cli(DAY_1, &[&exclude[..], &["--reason", "moves"]].concat()).status.success());
    let next: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next["action"], "override.set");
    following.kill().unwrap();
    following.wait().unwrap();
}

/// What a warehouse reads is what the other formats say, entry by entry.
#[cfg(feature = "parquet")]
#[tokio::test]
async fn the_audit_as_parquet_says_what_it_says_as_json() {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::Field;

    let installation = Installation::new("apply", "");
    assert!(installation.cli(DAY_1, &["sync", "mulberry-springs"]).status.success());
    let export = |format: &str| installation.cli(DAY_1, &["audit", "export", "--format", format]).stdout;
    let (json, file) = (String::from_utf8(export("jsonl")).unwrap(), export("parquet"));
    assert!(file.len() * 2 < json.len(), "{} bytes for {}", file.len(), json.len());
    let reader = SerializedFileReader::new(bytes::Bytes::from(file)).unwrap();
    let told = |field: &Field| match field {
        Field::Null => Value::Null,
        Field::Long(it) => json!(it),
        Field::Str(it) => json!(it),
        Field::TimestampMillis(it) => {
            json!(rosterd::model::Timestamp::from_millis(*it).unwrap().to_string())
        }
        other => panic!("{other}"),
    };
    let mut rows = 0;
    for (row, line) in reader.get_row_iter(None).unwrap().zip(json.lines()) {
        let row = row.unwrap();
        let mut entry: Value = serde_json::from_str(line).unwrap();
        for name in ["before", "after"] {
            if !entry[name].is_null() {
                entry[name] = json!(entry[name].to_string());
            }
        }
        let read: serde_json::Map<String, Value> =
            row.get_column_iter().map(|(name, field)| (name.clone(), told(field))).collect();
        assert_eq!(Value::Object(read), entry);
        rows += 1;
    }
    assert_eq!(rows, json.lines().count());
    assert!(rows > 1_000 && reader.num_row_groups() == 1);
}
