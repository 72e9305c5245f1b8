//! ClassLink's proxy: a partner key lists the tenants that share, and their rosters come through it (protocols.md 3.1).

use rosterd::simulate::Server;
use serde_json::{Value, json};

use crate::support::db::raw;
use crate::support::vendor::{self, NIGHT_1, NIGHT_2, NIGHT_3, Site};

const MULBERRY: &str = "mulberry-springs";
/// What the simulated proxy calls its only tenant.
const TENANT: &str = "2222";

fn app(server: &Server, key: &str) -> String {
    let url = server.base_url();
    format!(
        "[[classlink_app]]\nid = \"links\"\npartner_key = \"{key}\"\nurl = \"{url}\"\n\
         time_zone = \"America/Chicago\"\nfirst_sync = \"apply\"\n"
    )
}

fn through_app(rest: &str) -> String {
    vendor::district("mulberry", &format!(r#"{{ kind = "oneroster", app = "links", tenant = "{TENANT}"{rest} }}"#))
}

fn only_run(runs: &Value) -> &Value {
    runs.as_array().and_then(|it| it.first()).unwrap_or_else(|| panic!("no array of runs: {runs}"))
}

/// interface.md, Configuration: `[[classlink_app]]` with `partner_key` lists its districts.
#[tokio::test]
async fn a_tenant_is_found_by_the_partner_key_alone_and_its_roster_is_that_of_the_server_behind_the_proxy() {
    let server = vendor::serve(MULBERRY).await;
    let direct = Site::sqlite().await;
    direct.configure(&vendor::district(MULBERRY, &vendor::oauth1(&server, MULBERRY, "HMAC-SHA256")));
    direct.sync(NIGHT_1, MULBERRY).await.exits(0);
    let found = Site::sqlite().await;
    found.configure(&app(&server, "classlink-partner"));
    let runs = found.at(NIGHT_1, &["sync", "--all", "--json"]).await.exits(0).json();
    let run = only_run(&runs);
    assert_eq!(
        (&run["district"], &run["status"]),
        (&json!(TENANT), &json!("applied")),
        "its id is the tenant's: {run}"
    );
    assert_eq!(run["snapshot"]["source"]["feed"], format!("oneroster:classlink:{TENANT}"), "{run}");
    assert!(found.rosters(TENANT).await == direct.rosters(MULBERRY).await);
    let named = Site::sqlite().await;
    named.configure(&format!("{}\n{}", app(&server, "classlink-partner"), through_app("")));
    let runs = named.at(NIGHT_1, &["sync", "--all", "--json"]).await.exits(0).json();
    assert_eq!(runs.as_array().map(Vec::len), Some(1), "a [[district]] of its own takes the tenant's place");
    assert_eq!(only_run(&runs)["district"], "mulberry");
    assert!(named.rosters("mulberry").await == found.rosters(TENANT).await);
}

/// protocols.md 3.2: the proxy counts a vendor's districts together, from whichever process they are asked for.
#[tokio::test]
async fn turns_to_ask_the_proxy_are_taken_where_every_process_takes_them() {
    let server = vendor::serve(MULBERRY).await;
    let site = Site::sqlite().await;
    site.configure(&app(&server, "classlink-partner"));
    let queue = site.store_url.replace("rosterd.db", "rosterd-queue.db");
    // Whoever took turns has moved the row on; so it is put back before each of those who are to take some.
    let row = format!(
        "UPDATE pace SET next_at = 0 WHERE origin = '{}' AND per_second = 20 AND next_at > 0",
        server.base_url()
    );
    site.at(NIGHT_1, &["sync", "--all"]).await.exits(0);
    assert_eq!(raw(&queue, &row).await, Ok(1), "{row}");
    site.sync(NIGHT_2, TENANT).await.exits(0);
    assert_eq!(raw(&queue, &row).await, Ok(1), "a sync of one district");
    site.run(&["doctor"]).await.says(&[TENANT]);
    assert_eq!(raw(&queue, &row).await, Ok(1), "doctor");
}

/// protocols.md 3.2: "On 401: re-list /applications; new bearer, retry once."
#[tokio::test]
async fn a_bearer_that_was_replaced_is_listed_anew_in_the_middle_of_a_pull() {
    let server = vendor::serve(MULBERRY).await;
    let site = Site::sqlite().await;
    site.configure(&format!("{}\n{}", app(&server, "classlink-partner"), through_app("")));
    site.sync(NIGHT_1, "mulberry").await.exits(0);
    let before = site.rosters("mulberry").await;
    server.set_quirks(vendor::quirks("expire-token=3"));
    let run = site.sync(NIGHT_2, "mulberry").await.exits(0).json();
    assert_eq!((&run["status"], &run["snapshot"]["complete"]), (&json!("unchanged"), &json!(true)), "{run}");
    assert!(site.rosters("mulberry").await == before);
}

/// F31: a tenant that is switched off is disconnected, and everything stays as it is.
#[tokio::test]
async fn a_tenant_that_is_switched_off_is_disconnected_and_keeps_everything() {
    let server = vendor::serve(MULBERRY).await;
    let site = Site::sqlite().await;
    site.configure(&app(&server, "classlink-partner"));
    site.at(NIGHT_1, &["sync", "--all"]).await.exits(0);
    let before = site.rosters(TENANT).await;
    server.set_quirks(vendor::quirks("vanished"));
    let run = site.sync(NIGHT_2, TENANT).await.exits(1).json();
    let error = run["error"].as_str().unwrap();
    assert!(error.contains("switched off") && error.contains("disconnected"), "{error}");
    assert!(site.rosters(TENANT).await == before);
    let listed = site.at(NIGHT_2, &["district", "list", "--json"]).await.exits(0).json();
    let of = |it: &&Value| it["id"] == TENANT;
    assert_eq!(listed.as_array().unwrap().iter().find(of).unwrap()["connection"], "disconnected", "{listed}");
    server.set_quirks(vendor::quirks(""));
    let run = site.sync(NIGHT_3, TENANT).await.exits(0).json();
    assert_eq!(run["changes"]["users"]["removed"], 0, "{run}");
    assert!(site.rosters(TENANT).await == before);
}

/// interface.md, Configuration: what is wrong with an app or a feed through it is told by key, and no secret is.
#[tokio::test]
async fn mistakes_of_an_app_are_told_with_their_keys() {
    let server = vendor::serve(MULBERRY).await;
    let site = Site::sqlite().await;
    site.configure(&app(&server, "canary-wrong"));
    let ran = site.at(NIGHT_1, &["sync", "--all"]).await.exits(1).says(&["classlink_app `links`", "credential"]);
    assert!(!format!("{ran:?}").contains("canary-wrong"));
    let app = app(&server, "classlink-partner");
    let clever = "[[clever_app]]\nid = \"links\"\nclient_id = \"a\"\nclient_secret = \"b\"\ntime_zone = \"UTC\"\n";
    for (text, words) in [
        (through_app(""), vec!["feed.app", "links", "[[classlink_app]]"]),
        (
            format!("{app}\n{}", through_app(", auth = { kind = \"bearer\", token = \"t\" }")),
            vec!["auth", "beside `app`"],
        ),
        (format!("{app}\n{}", through_app("").replace(", tenant = \"2222\"", "")), vec!["tenant", "missing"]),
        (format!("{app}\n{clever}"), vec!["app `links`", "twice"]),
        (app.replace("url = \"http", "url = \"http://a.example/x?http"), vec!["classlink_app `links`", "plain http"]),
        (app.replace("first_sync = \"apply\"", "first_sync = \"now\""), vec!["first_sync", "review"]),
        (app.replace("partner_key", "partner_kee"), vec!["partner_kee"]),
        (vendor::district("a", "{ kind = \"oneroster\", tenant = \"1\" }"), vec!["url", "missing"]),
    ] {
        site.configure(&text);
        site.at(NIGHT_1, &["sync", "--all"]).await.exits(2).says(&words);
    }
}
