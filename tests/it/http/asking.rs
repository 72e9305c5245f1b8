//! Who may ask what, and what a wrong question is answered.

use reqwest::Method;
use rosterd::http::routes::{Needs, ROUTES};
use rosterd::http::tokens::Scope;
use serde_json::{Value, json};

use super::{ask, ended, get, is_problem, post};
use crate::support::daemon::{DAY_1, Installation, client, until};

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
            // Without `[http.oidc]` there is no provider to go to.
            Needs::Door if route.path.starts_with("/sign-in/oidc") => {
                assert_eq!(nobody.status, 404, "{route:?}");
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
    is_problem(&sync("[\"mulberry-springs\", \"plan\", null]").await, 422);
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
