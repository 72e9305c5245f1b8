//! No personal field in anything that the daemon and its commands say beside the roster: logs at TRACE, mails, webhooks, the answers
//! of every call to a token without the scope `people`, metrics, the access snapshot, temporary files (safety.md, People's data;
//! reliability.md K1, T12). `e2e::privacy` is the same for one-shot syncs and their failures.

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::canary::{ADDRESS, found, search};
use crate::support::daemon::{DAY_1, Daemon, Installation, client, until};
use crate::support::letterbox::Letterbox;
use crate::support::postgres;
use crate::support::upload::Upload;

const DISTRICT: &str = "mulberry-springs";

/// Children each of whose personal fields is a canary; of one of them the id is an address, of another the login.
fn children(folder: &Path) -> Upload {
    let mut upload = Upload::new(folder, &["s1"]);
    upload.class("c1", "s1");
    let ids = (1..=40).map(|n| format!("u-{n:03}")).chain([ADDRESS.to_owned(), "same".to_owned()]);
    for id in ids {
        upload.user(&id, "student", "s1").enroll(&id, "c1", "s1", "student");
        let (login, number) = (format!("zyxlogin.{id}"), format!("Zyxnumber77{id}"));
        let (state, mail) = (format!("{{State:Zyxstate88{id}}}"), format!("zyxmail.{id}@zyxmail.example"));
        for (column, cell) in [
            ("username", if id == "same" { "same" } else { login.as_str() }),
            ("givenName", "Zyxgiven"),
            ("familyName", "Zyxfamily"),
            ("middleName", "Zyxmiddle"),
            ("identifier", number.as_str()),
            ("userIds", state.as_str()),
            ("email", if id == ADDRESS { ADDRESS } else { mail.as_str() }),
            ("sms", "Zyxsms66"),
            ("phone", "Zyxphone99"),
            ("password", "Zyxsecret55"),
        ] {
            upload.set("users", &id, column, cell);
        }
    }
    upload
}

/// Personal values where none belongs, and rows that cannot be used.
fn spoil(upload: &mut Upload) {
    upload.set("users", "u-001", "enabledUser", "Zyxgiven").set("users", "u-002", "status", "Zyxfamily");
    upload.set("users", "u-003", "dateLastModified", "Zyxdate44").set("users", "u-004", "email", "zyxmail\0@x");
    upload.set("enrollments", "e-u-005-c1", "beginDate", "Zyxdate44");
    upload.set("enrollments", "e-u-006-c1", "primary", "Zyxgiven");
    upload.set("users", "u-007", "agentSourcedIds", "Zyxnumber77");
}

struct Story {
    installation: Installation,
    letters: Letterbox,
    upload: Upload,
    /// Where the program puts files that nobody else sees.
    scratch: PathBuf,
    snapshots: PathBuf,
}

impl Story {
    async fn on(postgres: bool) -> Option<Self> {
        let letters = Letterbox::open().await;
        let installation = if postgres {
            Installation::over(postgres::fresh_database().await?, "apply", "")
        } else {
            Installation::new("apply", "")
        };
        let (feed, snapshots) = (installation.path("children"), installation.path("snapshots"));
        let scratch = installation.path("scratch");
        std::fs::create_dir_all(&scratch).unwrap();
        std::fs::create_dir_all(&snapshots).unwrap();
        let more = format!(
            "[access]\nsnapshot_key = \"s3cret\"\nsnapshot_folder = \"{}\"\n{}{}",
            snapshots.display(),
            letters.settings(""),
            letters.webhook("crm", ""),
        );
        let settings = installation.settings_with("apply", &feed.display().to_string(), &more);
        installation.configure(&settings);
        let catalog = "[[product]]\ncode = \"reading\"\nname = \"Reading\"\naudience = \"student\"\nbasis = \"enrolled\"\n\
             [[subscription]]\nid = \"R-1\"\ndistrict = \"mulberry-springs\"\nproduct = \"reading\"\nseats = 40\n\
             starts_on = 2025-07-01\nexpires_on = 2026-06-30\n";
        std::fs::write(installation.path("catalog.toml"), catalog).unwrap();
        let upload = children(&feed);
        upload.write();
        Some(Self { installation, letters, upload, scratch, snapshots })
    }

    /// A command with all that the program ever logs; what it said.
    fn says(&self, words: &[&str]) -> String {
        let environment =
            [("RUST_LOG", Path::new("trace")), ("RUST_BACKTRACE", Path::new("1")), ("TMPDIR", &self.scratch)];
        let out = self.installation.cli_with("2025-10-06T20:30:00Z", words, &environment);
        search(&format!("standard error of `{}`", words.join(" ")), &out.stderr);
        String::from_utf8(out.stdout).unwrap()
    }

    fn searched(&self, words: &[&str]) {
        let said = self.says(words);
        // The id is the source's: reports name users by it; the audit and what is sent do not where it is an address.
        let said = if words[0] == "audit" || words[0] == "notify" { said } else { said.replace(ADDRESS, "") };
        search(&format!("`{}`", words.join(" ")), &said);
    }
}

/// What a call answers, whole.
async fn answer(daemon: &Daemon, method: Method, path: &str, token: &str, body: Option<&Value>) -> (u16, String) {
    let mut request = client().request(method, daemon.url(path)).bearer_auth(token);
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), format!("{:?}", answer.headers()));
    (status, format!("{headers}\n{}", answer.text().await.unwrap()))
}

async fn run(daemon: &Daemon, token: &str, path: &str, body: &Value) -> Value {
    let (status, text) = answer(daemon, Method::POST, path, token, Some(body)).await;
    let body: Value = serde_json::from_str(text.split_once('\n').unwrap().1).unwrap();
    assert!(status == 202 || status == 200, "{text}");
    let Some(id) = body["run"].as_str() else { return body };
    let path = format!("/v1/runs/{id}");
    until("the run to end", async || {
        let (_, text) = answer(daemon, Method::GET, &path, token, None).await;
        let run: Value = serde_json::from_str(text.split_once('\n').unwrap().1).unwrap();
        (!run["finished_at"].is_null()).then_some(run)
    })
    .await
}

/// Every reading call of the interface, with what it needs in its path and query filled in.
fn calls(described: &str, run: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(described.split_once('\n').unwrap().1).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let reads = paths.iter().filter(|(path, it)| it.get("get").is_some() && !path.ends_with("/events"));
    let mut all = Vec::new();
    for (path, _) in reads {
        let path = path
            .replace("/v1/runs/{id}", &format!("/v1/runs/{run}"))
            .replace("{d}", DISTRICT)
            .replace("{p}", "reading");
        if path.contains("{name}") {
            let names = ["claims", "history", "activity", "compliance", "combined"];
            all.extend(names.map(|name| path.replace("{name}", name)));
            continue;
        }
        assert!(!path.contains('{'), "{path}: say here what stands in it");
        let queries: &[&str] = match path.rsplit('/').next().unwrap() {
            "explain" => &["?user=u-010", "?user=u-010&product=reading", "?user=zyxid33%40zyxmail.example"],
            "access" => {
                &["?district=mulberry-springs&user=u-010", "?district=mulberry-springs&user=zyxid33%40zyxmail.example"]
            }
            "snapshot" => &["?district=mulberry-springs"],
            "alerts" => &["?all=true", ""],
            "export" => &["?format=jsonl", "?format=csv"],
            _ => &[""],
        };
        all.extend(queries.iter().map(|query| format!("{path}{query}")));
    }
    all
}

fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, all) } else { all.push(path) }
    }
}

async fn story(postgres: bool) {
    let Some(mut it) = Story::on(postgres).await else { return };
    // Without `people`: what it may see has no name in it.
    let scopes = ["read", "sync", "approve", "manage", "activity", "access"];
    let scopes: Vec<&str> = scopes.iter().flat_map(|it| ["--scope", it]).collect();
    let token = it.installation.token("desk", &scopes);
    let people = it.installation.token("people", &["--scope", "read", "--scope", "people"]);
    let trace =
        [("RUST_LOG", Path::new("trace")), ("RUST_BACKTRACE", Path::new("1")), ("TMPDIR", it.scratch.as_path())];
    let mut daemon = it.installation.spawn_with(DAY_1, &trace);
    daemon.listening().await;

    // A night, a spoiled one, and one on which half are missing and held.
    let sync = json!({ "district": DISTRICT, "reason": "canary" });
    run(&daemon, &token, "/v1/syncs", &sync).await;
    spoil(&mut it.upload);
    it.upload.write();
    let spoiled = run(&daemon, &token, "/v1/syncs", &sync).await;
    assert!(spoiled["snapshot"]["invalid"].as_u64().unwrap() > 0, "{spoiled:#}");
    for n in 8..=30 {
        it.upload.leaves(&format!("u-{n:03}"));
    }
    it.upload.write();
    let held = run(&daemon, &token, "/v1/syncs", &sync).await;
    assert_eq!(held["status"], "held", "{held:#}");
    let id = held["run"].as_str().unwrap();

    // The search finds what a token with `people` is shown, so it would find it elsewhere.
    let (_, shown) = answer(&daemon, Method::GET, "/v1/changes", &people, None).await;
    assert!(found(shown.as_bytes()).is_some(), "names are in the answers to whoever may see them");
    assert!(found(it.says(&["find", "Zyxgiven"]).as_bytes()).is_some(), "and on the operator's terminal");

    let (_, described) = answer(&daemon, Method::GET, "/openapi.json", &token, None).await;
    search("the OpenAPI document", &described);
    for path in calls(&described, id) {
        let (status, text) = answer(&daemon, Method::GET, &path, &token, None).await;
        assert!(status < 500, "{path}: {text}");
        let of_audit = path.contains("/audit") || path.contains("/metrics");
        search(&path, if of_audit { text } else { text.replace(ADDRESS, "") });
    }
    // What does not fit is told without repeating what stands in the store; the log repeats nothing at all.
    let used = |user: &str| json!({ "activity": [{ "user": user, "product": "reading", "last_used_at": "2025-10-06T20:03:00Z" }] });
    for (method, path, body) in [
        (Method::POST, format!("/v1/districts/{DISTRICT}/activity"), used("u-031")),
        (Method::POST, format!("/v1/districts/{DISTRICT}/activity"), used(ADDRESS)),
        (
            Method::POST,
            format!("/v1/districts/{DISTRICT}/products/reading/assign"),
            json!({ "users": [ADDRESS], "reason": "x" }),
        ),
        (
            Method::PUT,
            format!("/v1/districts/{DISTRICT}/products/reading/override?user=same"),
            json!({ "kind": "exclude", "reason": "x" }),
        ),
        (Method::POST, format!("/v1/runs/{id}/approve"), json!({ "hash": "0000" })),
        (Method::PUT, "/v1/subscriptions/R-1".to_owned(), json!({ "district": DISTRICT, "seats": "many" })),
    ] {
        let (status, text) = answer(&daemon, method, &path, &token, Some(&body)).await;
        assert!(status < 500, "{path}: {text}");
        search(&path, text);
    }

    let alerts: Value = serde_json::from_str(&it.says(&["alerts", "--json"])).unwrap();
    assert!(!alerts.as_array().unwrap().is_empty());
    until("the snapshot", async || std::fs::read_dir(&it.snapshots).unwrap().next().map(|_| ())).await;
    daemon.signal("TERM");
    let (status, log) = daemon.end().await;
    assert_eq!(status.code(), Some(0));
    assert!(log.contains(id), "the log tells of the runs");
    search("the daemon's log", &log);

    it.searched(&["notify", "send"]);
    let (mails, posts) = (it.letters.mails(), it.letters.posts());
    assert!(!mails.is_empty() && !posts.is_empty(), "the held night is told both ways");
    search("mails and webhooks", format!("{mails:?}{posts:?}"));
    for words in [
        &["notify", "list"][..],
        &["notify", "list", "--text"],
        &["notify", "list", "--json"],
        &["notify", "test"],
        &["doctor"],
        &["doctor", "--json"],
        &["audit", "tail", "-n", "500"],
        &["audit", "tail", "-n", "500", "--json"],
        &["report", "claims", "--district", DISTRICT],
        &["report", "history", "--district", DISTRICT, "--format", "csv"],
        &["report", "activity", "--district", DISTRICT, "--json"],
        &["report", "compliance", "--district", DISTRICT],
        &["report", "combined", "--district", DISTRICT],
        &["alerts"],
        &["verify"],
    ] {
        it.searched(words);
    }
    search("mails of `notify test`", format!("{:?}{:?}", it.letters.mails(), it.letters.posts()));

    let mut all = Vec::new();
    files(&it.scratch, &mut all);
    files(&it.snapshots, &mut all);
    assert!(!all.is_empty());
    for path in all {
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).replace(ADDRESS, "");
        search(&path.display().to_string(), text);
    }
}

/// K1, T12.
#[tokio::test(flavor = "multi_thread")]
async fn k1_no_personal_field_is_in_what_the_daemon_says_on_sqlite() {
    story(false).await;
}

/// K1, T12.
#[tokio::test(flavor = "multi_thread")]
async fn k1_no_personal_field_is_in_what_the_daemon_says_on_postgresql() {
    story(true).await;
}
