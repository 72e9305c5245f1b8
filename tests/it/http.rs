//! The HTTP side of the daemon: who may ask what, and what a wrong question is answered.

use reqwest::{Method, StatusCode};
use rosterd::http::routes::{Needs, ROUTES};
use rosterd::http::tokens::Scope;
use serde_json::{Value, json};

use crate::support::daemon::{DAY_1, Daemon, Installation, client, until};

struct Answer {
    status: StatusCode,
    kind: String,
    location: Option<String>,
    body: Value,
}

async fn ask(daemon: &Daemon, method: Method, path: &str, token: Option<&str>, body: Option<String>) -> Answer {
    let mut request = client().request(method, daemon.url(path));
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
    let body = answer.bytes().await.unwrap();
    Answer { status, kind, location, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }
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

/// S2.19, S4.1: what a token may do is its scopes.
#[tokio::test]
async fn every_route_asks_for_its_scope_and_nothing_less_or_else_will_do() {
    let installation = Installation::new("apply", "");
    let token_of = |scope: Scope| (scope, installation.token(scope.as_str(), &["--scope", scope.as_str()]));
    let tokens: Vec<(Scope, String)> = Scope::ALL.map(token_of).into_iter().collect();
    let revoked = installation.token("gone", &["--scope", "admin"]);
    assert!(installation.cli(DAY_1, &["token", "revoke", "gone"]).status.success());
    let daemon = installation.start(DAY_1).await;
    for route in ROUTES {
        let path = route.path.replace("{d}", "mulberry-springs").replace("{p}", "reading").replace("{id}", "NONE");
        let asked = async |token: Option<&str>| ask(&daemon, route.method.clone(), &path, token, None).await;
        let nobody = asked(None).await;
        let needed = match route.needs {
            Needs::Scope(needed) => needed,
            Needs::ReadUnlessOpen => Scope::Read,
            Needs::Nothing | Needs::Page => {
                assert!(matches!(nobody.status.as_u16(), 200 | 400 | 404), "{route:?}: {}", nobody.status);
                continue;
            }
            Needs::Form(_) | Needs::Door => {
                assert!(matches!(nobody.status.as_u16(), 200 | 401), "{route:?}: {}", nobody.status);
                continue;
            }
        };
        is_problem(&nobody, 401);
        let (unknown, void) = (asked(Some("rstd_unknown")).await, asked(Some(&revoked)).await);
        is_problem(&unknown, 401);
        assert_eq!((unknown.status, unknown.body), (void.status, void.body), "{route:?}");
        for (scope, token) in &tokens {
            let answer = asked(Some(token)).await;
            if *scope == needed || *scope == Scope::Admin {
                assert!(
                    !matches!(answer.status.as_u16(), 401 | 403 | 405 | 500),
                    "{route:?} {scope:?} {}",
                    answer.status
                );
            } else {
                is_problem(&answer, 403);
            }
        }
    }
    daemon.stop().await;
}

/// S2.19, S4.47.
#[tokio::test]
async fn a_token_of_one_district_learns_nothing_of_another() {
    let installation = Installation::new("apply", "");
    let all = installation.token("all", &["--scope", "admin"]);
    let other = installation.token("other", &["--scope", "admin", "--district", "by-hand"]);
    let daemon = installation.start(DAY_1).await;
    let run =
        ended(&daemon, &all, &post(&daemon, "/v1/syncs", &all, &json!({ "district": "mulberry-springs" })).await).await;
    let id = run["run"].as_str().unwrap();
    is_problem(&get(&daemon, &format!("/v1/runs/{id}"), &other).await, 404);
    for path in [
        "/v1/districts/mulberry-springs/licenses",
        "/v1/districts/nowhere/licenses",
        "/v1/runs?district=mulberry-springs",
    ] {
        is_problem(&get(&daemon, path, &other).await, 403);
    }
    is_problem(&post(&daemon, "/v1/syncs", &other, &json!({ "district": "mulberry-springs" })).await, 403);
    for path in ["/v1/runs", "/v1/audit"] {
        assert_eq!(get(&daemon, path, &other).await.body["items"], json!([]), "{path}");
    }
    let districts = get(&daemon, "/v1/districts", &other).await.body;
    assert_eq!(districts["items"].as_array().unwrap().len(), 1);
    daemon.stop().await;
}

#[tokio::test]
async fn the_same_idempotency_key_gives_the_same_run_and_another_body_under_it_is_refused() {
    let installation = Installation::new("apply", "");
    let token = installation.token("ci", &["--scope", "admin"]);
    let daemon = installation.start(DAY_1).await;
    let keyed = async |reason: &str| {
        let body = json!({ "district": "mulberry-springs", "reason": reason });
        let request = client().post(daemon.url("/v1/syncs")).bearer_auth(&token).header("idempotency-key", "k-1");
        request.body(body.to_string()).send().await.unwrap()
    };
    let first: Value = serde_json::from_slice(&keyed("first").await.bytes().await.unwrap()).unwrap();
    assert_eq!((first["requested_by"].as_str(), first["trigger"].as_str()), (Some("token:ci"), Some("http")));
    let location = format!("/v1/runs/{}", first["run"].as_str().unwrap());
    until("the run to end", async || (get(&daemon, &location, &token).await.body["status"] == "applied").then_some(()))
        .await;
    let again = keyed("first").await;
    assert_eq!(again.status(), 202);
    let again: Value = serde_json::from_slice(&again.bytes().await.unwrap()).unwrap();
    assert_eq!(again["run"], first["run"], "also after it has ended");
    assert_eq!(keyed("second").await.status(), 422);
    daemon.stop().await;
}

#[tokio::test]
async fn a_wrong_question_is_answered_with_a_problem_that_says_what_to_do() {
    let installation = Installation::new("apply", "");
    let token = installation.token("ci", &["--scope", "admin"]);
    let daemon = installation.start(DAY_1).await;
    let sync = async |body: &str| ask(&daemon, Method::POST, "/v1/syncs", Some(&token), Some(body.to_owned())).await;
    is_problem(&sync("{").await, 400);
    is_problem(&sync("").await, 422);
    is_problem(&sync("[]").await, 422);
    is_problem(&sync(r#"{"district":"mulberry-springs","mode":"aply"}"#).await, 422);
    let typo = sync(r#"{"district":"mulberry-springs","moode":"plan"}"#).await;
    is_problem(&typo, 422);
    assert!(typo.body["detail"].as_str().unwrap().contains("did you mean `mode`?"), "{}", typo.body);
    is_problem(&sync(r#"{"district":"nowhere"}"#).await, 404);
    is_problem(&sync(r#"{"district":"by-hand"}"#).await, 422);
    let secret = sync(r#"{"district":4711471147114711}"#).await;
    assert!(!secret.body.to_string().contains("4711"), "{}", secret.body);
    is_problem(&sync(&" ".repeat(1024 * 1024 + 1)).await, 413);
    for path in
        ["/v1/runs?limit=0", "/v1/runs?limit=501", "/v1/runs?statu=held", "/v1/runs?status=odd", "/v1/audit?cursor=x"]
    {
        is_problem(&get(&daemon, path, &token).await, 400);
    }
    for path in
        ["/v1/runs/NONE", "/v1/nothing", "/v1/districts/nowhere", "/v1/districts/mulberry-springs/products/no/seats"]
    {
        is_problem(&get(&daemon, path, &token).await, 404);
    }
    is_problem(&ask(&daemon, Method::DELETE, "/v1/runs", Some(&token), None).await, 405);
    assert_eq!(get(&daemon, "/v1/runs", &token).await.body, json!({ "items": [], "next_cursor": null }));
    daemon.stop().await;
}

/// U6.
#[tokio::test]
async fn a_held_first_sync_is_approved_over_http_by_its_hash_alone() {
    let installation = Installation::new("review", "");
    let token = installation.token("ci", &["--scope", "admin"]);
    let daemon = installation.start(DAY_1).await;
    let asked = post(&daemon, "/v1/syncs", &token, &json!({ "district": "mulberry-springs" })).await;
    let held = ended(&daemon, &token, &asked).await;
    assert_eq!(held["status"], "held");
    let approve = format!("/v1/runs/{}/approve", held["run"].as_str().unwrap());
    is_problem(&post(&daemon, &approve, &token, &json!({ "hash": "0000" })).await, 409);
    is_problem(&post(&daemon, &approve, &token, &json!({ "groups": ["district/nothing"] })).await, 422);
    let body = json!({ "hash": held["plan_hash"], "reason": "looks right" });
    let decided = ended(&daemon, &token, &post(&daemon, &approve, &token, &body).await).await;
    assert_eq!((decided["status"].as_str(), decided["trigger"].as_str()), (Some("applied"), Some("approval")));
    is_problem(&post(&daemon, &approve, &token, &body).await, 409);
    // what cannot be taken back any more says so
    for (run, verb, status) in [
        (&decided, "revert", 409),
        (&decided, "cancel", 409),
        (&held, "revert", 409),
        (&json!({ "run": "NONE" }), "revert", 404),
    ] {
        let path = format!("/v1/runs/{}/{verb}", run["run"].as_str().unwrap());
        is_problem(&post(&daemon, &path, &token, &json!({ "reason": "a mistake" })).await, status);
    }
    let rows = get(&daemon, "/v1/districts/mulberry-springs/licenses?product=reading", &token).await.body;
    assert_eq!((rows[0]["total"].as_u64(), rows[0]["assigned"].as_u64()), (Some(70), Some(70)));
    let seats = get(&daemon, "/v1/districts/mulberry-springs/products/reading/seats", &token).await.body;
    assert_eq!(seats["holders"].as_array().unwrap().len(), 70);
    daemon.stop().await;
}

#[tokio::test]
async fn lists_are_paged_without_a_gap_or_a_repetition() {
    let installation = Installation::new("apply", "");
    let token = installation.token("ci", &["--scope", "admin"]);
    let daemon = installation.start(DAY_1).await;
    for _ in 0..3 {
        let asked = post(&daemon, "/v1/syncs", &token, &json!({ "district": "mulberry-springs" })).await;
        ended(&daemon, &token, &asked).await;
    }
    for (list, key, expected) in [("/v1/runs?limit=2", "run", Some(3)), ("/v1/audit?limit=500", "seq", None)] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = get(&daemon, &format!("{list}{cursor}"), &token).await.body;
            seen.extend(page["items"].as_array().unwrap().iter().map(|it| it[key].to_string()));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let distinct: std::collections::BTreeSet<&String> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len(), "{list}");
        if let Some(expected) = expected {
            assert_eq!(seen.len(), expected, "{list}");
        } else {
            let head = installation.store().await.audit_head(&"mulberry-springs".into()).await.unwrap();
            assert_eq!(i64::try_from(seen.len()).unwrap(), head.size);
        }
    }
    daemon.stop().await;
}

#[tokio::test]
async fn the_overview_shows_a_district_and_is_for_local_names_alone() {
    let installation = Installation::new("review", "");
    let token = installation.token("ci", &["--scope", "admin"]);
    let daemon = installation.start(DAY_1).await;
    let asked = post(&daemon, "/v1/syncs", &token, &json!({ "district": "mulberry-springs" })).await;
    ended(&daemon, &token, &asked).await;
    let page = client().get(daemon.url("/")).send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let text = page.text().await.unwrap();
    assert!(text.contains("1 district waits for a person") && text.contains("changes wait in 1 group<"), "{text}");
    assert!(text.matches("<script").count() == 1 && !text.contains("style="), "{text}");
    let foreign = client().get(daemon.url("/")).header("host", "rosterd.example.org").send().await.unwrap();
    assert_eq!(foreign.status(), 403);
    daemon.stop().await;
}

/// S2.18: one answer, which the vendor's application asks for; true by default only where there is no feed.
#[tokio::test]
async fn whether_teachers_may_add_students_is_one_answer_for_each_district() {
    let installation = Installation::new("apply", "");
    let token = installation.token("app", &["--scope", "read"]);
    let asked = async |daemon: &Daemon, district: &str| {
        let answer = get(daemon, &format!("/v1/districts/{district}"), &token).await.body;
        answer["teachers_may_create_students"].as_bool().unwrap()
    };
    let daemon = installation.start(DAY_1).await;
    assert_eq!((asked(&daemon, "mulberry-springs").await, asked(&daemon, "by-hand").await), (false, true));
    daemon.stop().await;
    let text = std::fs::read_to_string(installation.path("rosterd.toml")).unwrap();
    let text =
        text.replace("id = \"mulberry-springs\"\n", "id = \"mulberry-springs\"\nteachers_may_create_students = true\n");
    installation
        .configure(&text.replace("id = \"by-hand\"\n", "id = \"by-hand\"\nteachers_may_create_students = false\n"));
    let daemon = installation.start(DAY_1).await;
    assert_eq!((asked(&daemon, "mulberry-springs").await, asked(&daemon, "by-hand").await), (true, false));
    daemon.stop().await;
    let doctor = installation.cli(DAY_1, &["doctor", "--offline"]);
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(doctor.status.success() && said.contains("a student whom a teacher adds is not in the feed"), "{said}");
}

/// S4.29: one object, shown where people look; seen under `manage` and still open.
#[tokio::test]
async fn open_alerts_are_listed_shown_on_the_overview_and_acknowledged() {
    let installation = Installation::new("apply", "");
    let all = installation.token("all", &["--scope", "admin"]);
    let token = installation.token("crm", &["--scope", "manage", "--scope", "read"]);
    let daemon = installation.start(DAY_1).await;
    ended(&daemon, &all, &post(&daemon, "/v1/syncs", &all, &json!({ "district": "mulberry-springs" })).await).await;
    let path = "/v1/districts/mulberry-springs/alerts";
    let alerts = get(&daemon, path, &token).await.body["items"].as_array().unwrap().clone();
    let of_math = |it: &&Value| it["kind"] == "low_seats" && it["product"] == "math" && it["school"].is_null();
    let low = alerts.iter().find(of_math).unwrap();
    assert_eq!(low["text"], "You have 0 licenses remaining. Consider purchasing additional licenses.");
    let page = client().get(daemon.url("/")).send().await.unwrap().text().await.unwrap();
    let count = alerts.len();
    for shown in [
        &format!("({count}) Overview"),
        &format!("{count} open alerts, {count} of them not seen"),
        "math: You have 0",
        // S0.16: what is available stands beside what is used
        "34 of 34 used, 0 available",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let ack = format!("{path}/{}/ack", low["id"].as_str().unwrap());
    let seen = post(&daemon, &ack, &token, &json!({})).await;
    assert_eq!((seen.status.as_u16(), &seen.body["acknowledged"]["by"]), (200, &json!("token:crm")));
    assert_eq!(get(&daemon, path, &token).await.body["items"].as_array().unwrap().len(), count);
    is_problem(&post(&daemon, &ack.replace("mulberry-springs", "by-hand"), &token, &json!({})).await, 404);
    verify_clean(&installation);
    daemon.stop().await;
}

fn verify_clean(installation: &Installation) {
    let out = installation.cli(DAY_1, &["verify"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

#[tokio::test]
async fn an_override_is_set_and_cleared_as_a_run_of_whoever_asked() {
    let installation = Installation::new("apply", "");
    let all = installation.token("all", &["--scope", "admin"]);
    let token = installation.token("crm", &["--scope", "manage", "--scope", "read"]);
    let daemon = installation.start(DAY_1).await;
    ended(&daemon, &all, &post(&daemon, "/v1/syncs", &all, &json!({ "district": "mulberry-springs" })).await).await;
    let product = "/v1/districts/mulberry-springs/products/math";
    let seats = async || get(&daemon, &format!("{product}/seats"), &token).await.body;
    let user = seats().await["holders"][0]["user"].as_str().unwrap().to_owned();
    let path = format!("{product}/override?user={user}");
    let call = async |method: Method, path: &str, body: Value| {
        ask(&daemon, method, path, Some(&token), Some(body.to_string())).await
    };
    let exclude = json!({ "kind": "exclude", "reason": "moved to another course" });
    let run = ended(&daemon, &token, &call(Method::PUT, &path, exclude.clone()).await).await;
    assert_eq!((&run["mode"], &run["requested_by"]), (&json!("manual"), &json!("token:crm")));
    assert_eq!((&run["seats"]["released"], &run["seats"]["granted"]), (&json!(1), &json!(1)), "the next one has it");
    let holders = seats().await["holders"].to_string();
    assert!(!holders.contains(&user), "{holders}");
    let nobody = format!("{product}/override?user=NOBODY");
    is_problem(&call(Method::PUT, &nobody, exclude.clone()).await, 404);
    let educators = "/v1/districts/mulberry-springs/products/teacher-studio/override";
    is_problem(&call(Method::PUT, &format!("{educators}?user={user}"), exclude).await, 409);
    is_problem(&call(Method::PUT, &path, json!({ "kind": "exclude" })).await, 422);
    ended(&daemon, &token, &call(Method::DELETE, &path, json!({})).await).await;
    is_problem(&call(Method::DELETE, &path, json!({})).await, 409);
    assert!(seats().await["waitlist"].to_string().contains(&user), "back in line");
    daemon.stop().await;
}

/// S0.1, S0.4, S0.9: the verbs of the command line, the same refusals, and the number that is available.
#[tokio::test]
async fn the_manual_verbs_answer_over_http_with_a_run_or_with_what_is_available() {
    let installation = Installation::new("apply", "");
    let all = installation.token("all", &["--scope", "admin"]);
    let token = installation.token("crm", &["--scope", "manage", "--scope", "read"]);
    let daemon = installation.start(DAY_1).await;
    ended(&daemon, &all, &post(&daemon, "/v1/syncs", &all, &json!({ "district": "mulberry-springs" })).await).await;
    let district = "/v1/districts/mulberry-springs";
    let users = async |product: &str, list: &str| -> Vec<String> {
        let seats = get(&daemon, &format!("{district}/products/{product}/seats"), &token).await.body;
        seats[list].as_array().unwrap().iter().map(|it| it["user"].as_str().unwrap().to_owned()).collect()
    };
    let call = async |path: &str, body: Value| post(&daemon, &format!("{district}/{path}"), &token, &body).await;
    let done = async |path: &str, body: Value| {
        let run = ended(&daemon, &token, &call(path, body).await).await;
        assert_eq!(
            (&run["status"], &run["mode"], &run["trigger"]),
            (&json!("applied"), &json!("manual"), &json!("http"))
        );
        run
    };
    let (holders, line) = (users("math", "holders").await, users("math", "waitlist").await);
    let full = call("products/math/assign", json!({ "users": [line[0], line[1]], "reason": "asked" })).await;
    is_problem(&full, 409);
    assert_eq!((&full.body["available"], &full.body["needed"]), (&json!(0), &json!(2)), "{}", full.body);
    let run = done("products/math/unassign", json!({ "users": [holders[0]], "reason": "moved" })).await;
    assert_eq!((&run["seats"]["released"], &run["seats"]["granted"]), (&json!(1), &json!(1)));
    assert!(users("math", "holders").await.contains(&line[0]));
    let named = json!({ "from": holders[1], "to": line[1], "reason": "agreed" });
    done("products/math/reassign", named.clone()).await;
    assert!(users("math", "holders").await.contains(&line[1]));
    is_problem(&call("products/math/reassign", named).await, 409);

    is_problem(&call("products/math/assign", json!({ "users": [], "reason": "x" })).await, 422);
    is_problem(&call("products/math/assign", json!({ "users": ["A"], "class": "C", "reason": "x" })).await, 422);
    is_problem(&call("products/math/assign", json!({ "users": ["NOBODY"], "reason": "x" })).await, 404);
    is_problem(&call("products/math/assign", json!({ "users": [line[0]] })).await, 422);
    is_problem(&call("products/teacher-studio/assign", json!({ "users": [line[0]], "reason": "x" })).await, 409);
    is_problem(&call("swap", json!({ "user": line[1], "from": "math", "to": "reading" })).await, 409);
    let moved = json!({ "subscription": "SUB-1002", "from": "5f98b594-4620-4533-bb21-81d824bb97e5", "to": "nowhere", "seats": 1 });
    is_problem(&call("move-seats", moved).await, 404);
    for (path, body) in [
        ("enroll", json!({ "class": "C", "users": ["A"] })),
        ("unenroll", json!({ "class": "C", "everyone": true })),
        (
            "roles/assign",
            json!({ "users": [line[0]], "role": "staff", "school": "5f98b594-4620-4533-bb21-81d824bb97e5" }),
        ),
        ("users/active", json!({ "users": [line[0]], "active": false })),
        ("import", json!({})),
    ] {
        let refused = call(path, body).await;
        is_problem(&refused, 409);
        assert!(refused.body["detail"].as_str().unwrap().contains("is rostered"), "{path} {}", refused.body);
    }
    is_problem(&call("unenroll", json!({ "class": "C" })).await, 422);
    let access = format!("{district}/products/math/access");
    let off = json!({ "educator": line[0], "on": false }).to_string();
    is_problem(&ask(&daemon, Method::PUT, &access, Some(&token), Some(off)).await, 409);

    let waits = users("reading", "waitlist").await.remove(0);
    let csv = format!("product,user,assigned\nreading,{waits},2024-09-01\nmath,NOBODY,\n");
    let import = async |query: &str, csv: &str| {
        let path = format!("{district}/seats/import{query}");
        ask(&daemon, Method::POST, &path, Some(&token), Some(csv.to_owned())).await
    };
    let report = import("?plan=true", &csv).await;
    assert_eq!((report.status.as_u16(), &report.body["outcomes"]["matched"]), (200, &json!(1)));
    assert!(!users("reading", "holders").await.contains(&waits));
    let run = ended(&daemon, &token, &import("?reason=taken", &csv).await).await;
    assert_eq!(run["seats"]["granted"], 1);
    assert!(users("reading", "holders").await.contains(&waits));
    assert_eq!(import("", &csv).await.status.as_u16(), 200, "nothing is left to import");
    is_problem(&import("", "product\nmath\n").await, 422);

    // A district without a feed takes its roster as the body.
    let zip = rosterd::feed::pack(&installation.path("drop/upload-1")).unwrap();
    let request = client().post(daemon.url("/v1/districts/by-hand/import?plan=true")).bearer_auth(&token).body(zip);
    let accepted = request.send().await.unwrap();
    assert_eq!(accepted.status(), 202);
    let accepted: Value = serde_json::from_slice(&accepted.bytes().await.unwrap()).unwrap();
    let location = format!("/v1/runs/{}", accepted["run"].as_str().unwrap());
    let users = until("the plan", async || {
        let run = get(&daemon, &location, &token).await.body;
        (run["status"] == "planned" && !run["finished_at"].is_null()).then(|| run["changes"]["users"]["held"].clone())
    })
    .await;
    assert_eq!(users, 268, "the plan of a first sync that a person is to review");
    daemon.stop().await;
}

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

/// C7, S4.25, S4.27: two verbs; a refresh is answered with the last result while it cools down, and a purchase is idempotent.
#[tokio::test]
async fn a_purchase_is_put_and_the_catalog_refreshed_by_whoever_manages_all_or_this_district() {
    let installation = Installation::new("apply", "");
    let all = installation.token("all", &["--scope", "admin"]);
    let token = installation.token("crm", &["--scope", "manage", "--scope", "read"]);
    let other = installation.token("other", &["--scope", "manage", "--district", "by-hand"]);
    let daemon = installation.start(DAY_1).await;
    ended(&daemon, &all, &post(&daemon, "/v1/syncs", &all, &json!({ "district": "mulberry-springs" })).await).await;
    let path = "/v1/subscriptions/CRM-1";
    let put =
        async |token: &str, body: &Value| ask(&daemon, Method::PUT, path, Some(token), Some(body.to_string())).await;
    let with = |key: &str, value: Value| {
        let mut body = json!({
            "district": "mulberry-springs", "product": "math", "seats": 3, "starts_on": "2025-07-01",
            "expires_on": "2026-06-30",
        });
        body[key] = value;
        body
    };
    let good = with("grace_days", json!(30));
    is_problem(&put(&other, &good).await, 403);
    is_problem(&put(&token, &with("district", json!("nowhere"))).await, 404);
    let wrong = put(&token, &with("seats", json!("many"))).await;
    is_problem(&wrong, 422);
    assert!(wrong.body["detail"].as_str().unwrap().contains("#/seats"), "{}", wrong.body);
    is_problem(&put(&token, &with("id", json!("CRM-2"))).await, 422);

    let run = ended(&daemon, &token, &put(&token, &good).await).await;
    assert_eq!((&run["trigger"], &run["requested_by"]), (&json!("catalog"), &json!("token:crm")));
    assert_eq!(
        (&run["seats"]["granted"], &run["status"]),
        (&json!(2), &json!("applied")),
        "S0.2: both who waited have a seat"
    );
    let again = put(&token, &good).await;
    assert_eq!((again.status.as_u16(), &again.body["changed"]), (200, &json!(false)), "{}", again.body);

    // The look at the start of the daemon was a moment ago.
    let refresh = async |token: &str| post(&daemon, "/v1/catalog/refresh", token, &json!({})).await;
    is_problem(&refresh(&other).await, 403);
    let answer = refresh(&token).await;
    assert_eq!((answer.status.as_u16(), &answer.body["refreshed"]), (200, &json!(false)), "{}", answer.body);
    assert!(answer.body["next_at"].as_str().unwrap() > answer.body["at"].as_str().unwrap());
    let shown = get(&daemon, "/v1/catalog", &token).await;
    assert_eq!((shown.status.as_u16(), &shown.body["error"]), (200, &Value::Null));
    daemon.stop().await;

    let text = std::fs::read_to_string(installation.path("rosterd.toml")).unwrap();
    installation.configure(&text.replace("[catalog]\n", "[catalog]\ncool_down_minutes = 0\n"));
    let daemon = installation.start("2025-10-06T21:00:00Z").await;
    let answer = post(&daemon, "/v1/catalog/refresh", &token, &json!({})).await;
    assert_eq!((&answer.body["refreshed"], &answer.body["outcome"]), (&json!(true), &json!("unchanged")));
    std::fs::write(installation.path("catalog.toml"), "[[product]]\ncod = 1\n").unwrap();
    let answer = post(&daemon, "/v1/catalog/refresh", &token, &json!({})).await;
    assert_eq!((&answer.body["outcome"], answer.status.as_u16()), (&json!("failed"), 200));
    assert!(answer.body["error"].as_str().unwrap().contains("catalog.toml:2"), "{}", answer.body);
    daemon.stop().await;
}

/// safety.md, Modes: whoever manages the district sets its mode and takes it back; whoever may read sees it.
#[tokio::test]
async fn a_mode_is_put_and_deleted_by_whoever_manages_the_district() {
    let installation = Installation::new("apply", "");
    let token = installation.token("ops", &["--scope", "manage", "--scope", "read"]);
    let reader = installation.token("reader", &["--scope", "read"]);
    let other = installation.token("other", &["--scope", "manage", "--district", "by-hand"]);
    let daemon = installation.start(DAY_1).await;
    let path = "/v1/districts/mulberry-springs/mode";
    let say = async |token: &str, method: Method, body: Value| {
        ask(&daemon, method, path, Some(token), Some(body.to_string())).await
    };
    let no_removals = json!({ "mode": "no_removals", "until": "2025-10-31", "reason": "rollover" });
    is_problem(&say(&reader, Method::PUT, no_removals.clone()).await, 403);
    is_problem(&say(&other, Method::PUT, no_removals.clone()).await, 403);
    is_problem(&say(&token, Method::PUT, json!({ "mode": "frozen" })).await, 422);
    is_problem(&say(&token, Method::PUT, json!({ "mode": "paused", "until": "2025-10-01" })).await, 422);
    let set = say(&token, Method::PUT, no_removals).await;
    assert_eq!((set.status.as_u16(), &set.body["mode"]), (200, &json!("no_removals")), "{}", set.body);
    let seen = get(&daemon, "/v1/districts/mulberry-springs", &reader).await.body;
    let said = (&seen["mode_until"], &seen["mode_reason"], &seen["mode_by"], &seen["connection"]);
    assert_eq!(said, (&json!("2025-10-31"), &json!("rollover"), &json!("token:ops"), &json!("connected")), "{seen}");
    assert!(seen["next_night"].as_str().unwrap() > DAY_1, "{seen}");
    let gone = say(&token, Method::DELETE, json!({ "reason": "done" })).await;
    assert_eq!((&gone.body["mode"], &gone.body["mode_by"]), (&json!("normal"), &Value::Null), "{}", gone.body);
    daemon.stop().await;
}
