//! What the HTTP side endures (reliability.md 0.4, 0.5, T31), and what it says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use rosterd::http::openapi::{self, Field};
use rosterd::http::routes;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::daemon::{DAY_1, Daemon, Installation, client, until};
use crate::support::wire::Wire;
use crate::support::{described, postgres};

/// One client for all: a new one reads the machine's certificates each time.
fn shared() -> &'static reqwest::Client {
    static CLIENT: std::sync::OnceLock<reqwest::Client> = std::sync::OnceLock::new();
    CLIENT.get_or_init(client)
}

async fn ask(daemon: &Daemon, method: Method, path: &str, token: &str, body: Option<String>) -> (StatusCode, Value) {
    let mut request = shared().request(method.clone(), daemon.url(path)).bearer_auth(token);
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status();
    (status, described::body(&method, path, answer).await)
}

/// T31: heads that never end and bodies that do not come keep nobody else waiting, and are given up in time.
#[tokio::test]
async fn half_open_connections_and_slow_bodies_delay_nobody_else() {
    let installation = Installation::new("apply", "");
    let token = installation.token("ci", &["--scope", "admin"]);
    let daemon = installation.start(DAY_1).await;
    let mut half_open = Vec::new();
    for _ in 0..2000 {
        let mut stream = TcpStream::connect(&daemon.address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: rosterd\r\n").await.unwrap();
        half_open.push(stream);
    }
    let mut slow = Vec::new();
    for _ in 0..64 {
        let mut stream = TcpStream::connect(&daemon.address).await.unwrap();
        let head = format!(
            "POST /v1/syncs HTTP/1.1\r\nHost: rosterd\r\nAuthorization: Bearer {token}\r\nContent-Length: 100\r\n\r\n{{"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let begun = Instant::now();
    assert_eq!(ask(&daemon, Method::GET, "/v1/runs", &token, None).await.0, 200);
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    // the last of them is given up when its head is overdue
    let mut last = half_open.pop().unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(15), last.read_to_end(&mut Vec::new())).await;
    assert!(closed.is_ok(), "still open after 15 s");
    drop((half_open, slow));
    daemon.stop().await;
}

/// A value that a schema takes.
fn fitting(schema: &Value) -> Value {
    let one_of = ["oneOf", "anyOf"].into_iter().find_map(|key| schema[key].as_array()).and_then(|it| it.first());
    let kinds = [&schema["type"], &schema["type"][0]];
    match (schema.get("const"), one_of, kinds.iter().find_map(|it| it.as_str())) {
        (Some(word), ..) => word.clone(),
        (_, Some(first), _) => fitting(first),
        (.., Some("integer")) => json!(1),
        (.., Some("boolean")) => json!(false),
        (.., Some("array")) if schema["items"]["type"] == "object" => json!([]),
        (.., Some("array")) => json!(["U"]),
        (.., Some("string")) => json!(if schema["format"] == "date" { "2025-10-06" } else { "U" }),
        _ => panic!("{schema}"),
    }
}

/// The document names each route, each parameter that a handler knows, and none that it does not.
#[tokio::test]
async fn the_openapi_document_says_what_the_handlers_take() {
    let installation = Installation::new("apply", "");
    let token = installation.token("ci", &["--scope", "admin"]);
    let daemon = installation.start(DAY_1).await;
    let (status, served) = ask(&daemon, Method::GET, "/openapi.json", &token, None).await;
    assert_eq!((status, &served), (StatusCode::OK, openapi::document()));
    let out = installation.cli(DAY_1, &["openapi"]);
    assert_eq!(serde_json::from_slice::<Value>(&out.stdout).unwrap(), served);
    // Two types of one name would be told apart by a number.
    let names = served["components"]["schemas"].as_object().unwrap();
    assert!(!names.keys().any(|it| it.ends_with(|last: char| last.is_ascii_digit())), "{:?}", names.keys());
    for route in routes::of_programs() {
        let operation = openapi::operation(route).unwrap_or_else(|| panic!("{route:?} is not described"));
        assert_eq!(operation.answer.is_some(), operation.kind == "application/json", "{route:?}");
        let path = route.path.replace("{d}", "mulberry-springs").replace("{p}", "reading").replace("{id}", "NONE");
        let path = path.replace("{name}", "claims");
        let query = |fields: &str| format!("{path}?{fields}");
        let unknown_key = |answer: &Value| answer["detail"].as_str().is_some_and(|it| it.contains("unknown"));
        let (in_query, in_body) = (operation.query_fields(), operation.body_fields());
        if !in_query.is_empty() {
            let (status, answer) = ask(&daemon, route.method.clone(), &query("nobody-knows=1"), &token, None).await;
            assert!(status == 400 || status == 422, "{route:?} {status} {answer}");
            for Field { name, .. } in &in_query {
                let (_, answer) = ask(&daemon, route.method.clone(), &query(&format!("{name}=")), &token, None).await;
                assert!(!unknown_key(&answer), "{route:?} `{name}`: {answer}");
            }
        }
        if !in_body.is_empty() {
            // The address names it, too.
            let value = |it: &Field| if it.name == "id" { json!("NONE") } else { fitting(&it.schema) };
            let mut body: serde_json::Map<String, Value> =
                in_body.iter().map(|it| (it.name.clone(), value(it))).collect();
            body.insert("zzz".to_owned(), json!(1));
            let of = if path.ends_with("/override") { query("user=NOBODY") } else { path.clone() };
            let (status, answer) = ask(&daemon, route.method.clone(), &of, &token, Some(json!(body).to_string())).await;
            assert_eq!(status, 422, "{route:?} {answer}");
            let detail = answer["detail"].as_str().unwrap();
            // the first misfit is told: a word that is none of an enum, or the field nobody knows
            assert!(detail.contains("zzz") || detail.contains("expected"), "{route:?} {detail}");
            for Field { name, .. } in &in_body {
                assert!(!detail.contains(&format!("unknown key `{name}`")), "{route:?} {detail}");
            }
        }
    }
    daemon.stop().await;
}

/// S4.47, T23: every route that names a district, asked with a token of another one that may do everything there.
#[tokio::test]
async fn every_route_of_a_district_is_closed_to_a_token_of_another() {
    let installation = Installation::new("apply", "[access]\nsnapshot_key = \"s3cret\"\n");
    let token = installation.token("other", &["--scope", "admin", "--district", "by-hand"]);
    let daemon = installation.start(DAY_1).await;
    let mut asked = 0;
    for route in routes::of_programs() {
        let operation = openapi::operation(route).unwrap();
        let (in_query, in_body) = (operation.query_fields(), operation.body_fields());
        let names = |fields: &[Field]| fields.iter().any(|it| it.name == "district");
        if !route.path.contains("{d}") && !names(&in_query) && !names(&in_body) {
            continue;
        }
        let value = |it: &Field| match it.name.as_str() {
            "district" => json!("mulberry-springs"),
            _ => fitting(&it.schema),
        };
        let needed = |fields: Vec<Field>| {
            fields.into_iter().filter(|it| it.required || it.name == "district").collect::<Vec<_>>()
        };
        let query: Vec<String> =
            needed(in_query).iter().map(|it| format!("{}={}", it.name, value(it).as_str().unwrap_or("1"))).collect();
        let body = (!in_body.is_empty()).then(|| {
            let all = needed(in_body).into_iter().map(|it| (it.name.clone(), value(&it)));
            Value::Object(all.collect()).to_string()
        });
        let path = route.path.replace("{d}", "mulberry-springs").replace("{p}", "reading").replace("{id}", "NONE");
        let path = format!("{}?{}", path.replace("{name}", "claims"), query.join("&"));
        let (status, answer) = ask(&daemon, route.method.clone(), &path, &token, body).await;
        // A body that is refused for itself says nothing of the district.
        assert!(matches!(status.as_u16(), 403 | 404 | 422), "{} {path}: {status} {answer}", route.method);
        asked += i32::from(status != 422);
    }
    assert!(asked > 30, "{asked}");
    daemon.stop().await;
}

/// T32, T34: whatever stands in whatever parameter, the answer is 4xx with a reason, and the store is as before.
#[tokio::test]
async fn hostile_values_in_every_parameter_are_refused_with_a_reason_and_change_nothing() {
    const HOSTILE: [&str; 12] = [
        "'",
        "' OR '1'='1",
        "1; DROP TABLE run--",
        "%00",
        "%ff%fe",
        "..%2f..%2fetc%2fpasswd",
        "\"}]",
        "NULL",
        "-1",
        "99999999999999999999",
        "%E2%80%AE",
        "a%0d%0aX: 1",
    ];
    let installation = Installation::new("apply", "");
    let token = installation.token("ci", &["--scope", "admin"]);
    let daemon = installation.start(DAY_1).await;
    let before = ask(&daemon, Method::GET, "/v1/audit", &token, None).await.1;
    for route in routes::of_programs().filter(|it| it.path != "/v1/catalog/refresh") {
        let operation = openapi::operation(route).unwrap();
        let encode = |value: &str| value.replace(' ', "%20").replace('"', "%22").replace('\'', "%27");
        for value in HOSTILE.map(encode) {
            let mut paths = BTreeSet::new();
            let usual = [("{d}", "mulberry-springs"), ("{p}", "reading"), ("{id}", "NONE"), ("{name}", "claims")];
            let fill = |skip: &str| {
                usual.iter().fold(route.path.to_owned(), |path, (name, word)| {
                    path.replace(name, if *name == skip { &value } else { word })
                })
            };
            paths.extend(usual.iter().filter(|(name, _)| route.path.contains(name)).map(|(name, _)| fill(name)));
            for Field { name, .. } in operation.query_fields() {
                paths.insert(format!("{}?{name}={value}", fill("")));
            }
            for path in paths {
                let body = (!operation.body_fields().is_empty()).then(|| "{}".to_owned());
                let (status, answer) = ask(&daemon, route.method.clone(), &path, &token, body).await;
                let fine = status.is_success() && route.method == Method::GET;
                assert!(fine || status.is_client_error(), "{} {path}: {status} {answer}", route.method);
                if !fine {
                    assert!(
                        answer["detail"].as_str().is_some_and(|it| it.len() > 5),
                        "{} {path} {answer}",
                        route.method
                    );
                }
            }
        }
        if !operation.body_fields().is_empty() {
            for (body, statuses) in [
                ("{", [400, 400]),
                ("[]", [422, 422]),
                ("7", [422, 422]),
                ("\u{0}", [400, 400]),
                ("{\"a\":{\"a\":1}}", [422, 404]),
            ] {
                let path =
                    route.path.replace("{d}", "mulberry-springs").replace("{p}", "reading").replace("{id}", "NONE");
                let path = if path.ends_with("/override") { format!("{path}?user=U") } else { path };
                let (status, answer) = ask(&daemon, route.method.clone(), &path, &token, Some(body.to_owned())).await;
                // It names the place in the document, as the catalog does.
                let own_parser = path.starts_with("/v1/subscriptions/") && status.is_client_error();
                assert!(own_parser || statuses.contains(&status.as_u16()), "{route:?} {body:?}: {status} {answer}");
            }
        }
        let known = openapi::methods(route.path);
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            if !known.contains(&method) {
                let (status, _) = ask(&daemon, method.clone(), route.path, &token, None).await;
                assert_eq!(status, 405, "{method} {}", route.path);
            }
        }
    }
    assert_eq!(ask(&daemon, Method::GET, "/v1/audit", &token, None).await.1, before);
    daemon.stop().await;
}

/// One sample of the text format, read strictly.
fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap());
    assert!(!name.is_empty() && name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_'), "{line}");
    let mut labels = BTreeMap::new();
    let value = if let Some(rest) = rest.strip_prefix('{') {
        let (inside, value) = rest.split_once("} ").unwrap();
        for pair in inside.split("\",").map(|it| it.trim_end_matches('"')) {
            let (label, value) = pair.split_once("=\"").unwrap();
            assert!(labels.insert(label.to_owned(), value.to_owned()).is_none(), "{line}");
        }
        value
    } else {
        rest.trim_start()
    };
    (name.to_owned(), labels, value.parse().unwrap())
}

/// Prometheus' text format, families whole, buckets that only grow, closed labels and nothing of a person.
#[tokio::test]
async fn metrics_are_read_strictly_and_name_no_person() {
    let installation = Installation::new("apply", "");
    let token = installation.token("ci", &["--scope", "admin"]);
    let daemon = installation.start(DAY_1).await;
    let run =
        ask(&daemon, Method::POST, "/v1/syncs", &token, Some(r#"{"district":"mulberry-springs"}"#.to_owned())).await.1;
    let path = format!("/v1/runs/{}", run["run"].as_str().unwrap());
    until("the run", async || {
        (ask(&daemon, Method::GET, &path, &token, None).await.1["status"] == "applied").then_some(())
    })
    .await;
    let login = "/v1/access?district=mulberry-springs&user=who-is-this-canary&product=math";
    assert_eq!(ask(&daemon, Method::GET, login, &token, None).await.0, 200);
    assert_eq!(ask(&daemon, Method::GET, "/canary-path", &token, None).await.0, 404);
    let answer = until("the metrics of the run", async || {
        let answer = client().get(daemon.url("/metrics")).bearer_auth(&token).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        let text = answer.text().await.unwrap();
        text.contains("rosterd_runs_total{status=\"applied\"").then_some(text)
    })
    .await;
    assert!(answer.ends_with('\n') && !answer.contains("canary"), "{answer}");
    let (mut kinds, mut seen) = (BTreeMap::new(), BTreeSet::new());
    let mut samples = Vec::new();
    let mut helped = String::new();
    for line in answer.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(help.ends_with('.') || help.contains(','), "{line}");
            name.clone_into(&mut helped);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, helped, "HELP before TYPE");
            assert!(["counter", "gauge", "histogram"].contains(&kind));
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
            assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} twice");
        } else {
            let (name, labels, value) = sample(line);
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let family = family.filter(|it| kinds.contains_key(*it)).unwrap_or(&name).to_owned();
            assert_eq!(family, helped, "a family stands together: {line}");
            assert!(seen.insert((name.clone(), labels.clone())), "{line} twice");
            assert!(value >= 0.0);
            samples.push((name, labels, value));
        }
    }
    let value = |name: &str, label: &str| {
        let found = samples
            .iter()
            .find(|(it, labels, _)| it == name && (label.is_empty() || labels.values().any(|it| it == label)));
        found.map(|it| it.2)
    };
    assert_eq!(value("rosterd_access_answers_total", "no"), Some(1.0));
    assert_eq!(value("rosterd_seats_assigned", "math"), Some(34.0));
    assert_eq!(value("rosterd_seats_capacity", "math"), Some(34.0));
    assert_eq!(value("rosterd_http_requests_total", "none"), Some(1.0));
    assert_eq!(value("rosterd_run_duration_seconds_count", "applied"), Some(1.0));
    for (name, labels, total) in samples.iter().filter(|it| it.0.ends_with("_count")) {
        let bucket = name.replace("_count", "_bucket");
        let of = |it: &&(String, BTreeMap<String, String>, f64)| {
            let mut rest = it.1.clone();
            rest.remove("le");
            it.0 == bucket && rest == *labels
        };
        let counts: Vec<f64> = samples.iter().filter(of).map(|it| it.2).collect();
        assert!(counts.windows(2).all(|it| it[0] <= it[1]) && counts.last() == Some(total), "{name} {counts:?}");
    }
    daemon.stop().await;
}

/// `[http] tls`: the same answers over TLS, and a certificate that cannot be read is said before anything starts.
#[tokio::test]
async fn the_daemon_speaks_tls_with_a_certificate_of_its_own() {
    let installation = Installation::new("apply", "");
    let (cert, key) = (installation.path("cert.pem"), installation.path("key.pem"));
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    openssl.arg("-keyout").arg(&key).arg("-out").arg(&cert);
    if openssl.output().is_err() {
        eprintln!("skipped: there is no openssl");
        return;
    }
    let feed = installation.path("drop/upload-1").display().to_string();
    let usual = installation.settings_with("apply", &feed, "");
    let with = |cert: &str| {
        let tls = format!("[http]\ntls = {{ cert = \"{cert}\", key = \"{}\" }}", key.display());
        usual.replacen("[http]", &tls, 1)
    };
    installation.configure(&with("nothing.pem"));
    let refused = installation.cli(DAY_1, &["run"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("`http.tls`: nothing.pem cannot be read"), "{refused:?}");
    installation.configure(&with(&cert.display().to_string()));
    let daemon = installation.start(DAY_1).await;
    rosterd::feed::http::install_crypto();
    let trusted = reqwest::Certificate::from_pem(&std::fs::read(&cert).unwrap()).unwrap();
    let over_tls = reqwest::Client::builder().no_proxy().tls_certs_only([trusted]).build().unwrap();
    let port = daemon.address.rsplit_once(':').unwrap().1;
    let answer = over_tls.get(format!("https://localhost:{port}/livez")).send().await.unwrap();
    assert_eq!((answer.status(), answer.text().await.unwrap().as_str()), (StatusCode::OK, "{\"status\":\"alive\"}"));
    assert!(client().get(daemon.url("/livez")).send().await.is_err(), "not without TLS");
    daemon.stop().await;
}

/// Whoever probes waits for seconds, not for what the pool waits: a database that is gone is said while they listen.
#[tokio::test]
async fn a_database_that_says_nothing_is_not_waited_for_by_readyz() {
    let Some(database) = postgres::fresh_database().await else { return };
    let wire = Wire::to(&database).await;
    let installation = Installation::over(wire.url.clone(), "apply", "");
    let daemon = installation.start(DAY_1).await;
    let asked = async |path: &str| client().get(daemon.url(path)).send().await.unwrap().status();
    assert_eq!(asked("/readyz").await, StatusCode::OK);
    wire.get_stuck();
    let begun = Instant::now();
    assert_eq!(asked("/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(asked("/livez").await, StatusCode::OK);
    daemon.kill().await;
    postgres::drop_database(&database).await;
}
