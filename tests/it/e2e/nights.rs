//! One night after another on both databases: the same input and the same `--now` give the same everything.

use std::fmt::Write as _;
use std::sync::Arc;

use rosterd::model::DistrictId;
use rosterd::simulate::Server;
use rosterd::store::{Settings, Store};
use serde_json::{Value, json};

use crate::support::db::Backend;
use crate::support::place::once_more;
use crate::support::vendor::{self, KINDS, NIGHT_1, NIGHT_2, NIGHT_3, NIGHT_4, NIGHT_5, NIGHT_6, Ran, Site};

pub(super) const MULBERRY: &str = "mulberry-springs";
const HIGH_SCHOOL: &str = "fb6195b5-a03c-4b4a-ba99-50dcec752cde";
const PRODUCTS: [&str; 4] = ["device-care", "math", "reading", "teacher-studio"];

/// The same installation once on each database, over one source; what both say must be equal.
pub(super) struct Twins {
    pub(super) server: Arc<Server>,
    sites: Vec<Site>,
}

impl Twins {
    pub(super) async fn new(first_sync: fn(&str, &str) -> String) -> Self {
        let server = Arc::new(vendor::serve(MULBERRY).await);
        let mut sites = vec![Site::sqlite().await];
        sites.extend(Site::new(Backend::Postgres).await);
        for site in &sites {
            let feed = vendor::oauth1(&server, MULBERRY, "HMAC-SHA256");
            site.configure_with_catalog(&first_sync(MULBERRY, &feed));
        }
        Self { server, sites }
    }

    /// Runs a command on both; it exits with `code` and says the same on both.
    pub(super) async fn at(&self, now: &str, code: i32, words: &[&str]) -> Ran {
        let mut said: Option<Ran> = None;
        for site in &self.sites {
            let ran = site.at(now, words).await.exits(code);
            if let Some(first) = &said {
                assert_eq!(first.out, ran.out, "`{}` differs between SQLite and PostgreSQL", ran.line);
            }
            said.get_or_insert(ran);
        }
        said.unwrap()
    }

    /// The sync of a night, which leaves both stores clean.
    pub(super) async fn sync(&self, now: &str, code: i32) -> Value {
        let run = self.at(now, code, &["sync", MULBERRY, "--json"]).await.json();
        self.verified(now).await;
        run
    }

    /// `verify` is clean, and the chain is what anyone can compute with `jq -cS` and `sha256sum`.
    async fn verified(&self, now: &str) -> String {
        self.at(now, 0, &["verify"]).await;
        let export = self.at(now, 0, &["audit", "export", "--district", MULBERRY, "--format", "jsonl"]).await;
        vendor::chain_head(&export.out)
    }

    async fn revisions(&self) -> Vec<i64> {
        let mut all = Vec::new();
        for site in &self.sites {
            let store = Store::open(&Settings { url: site.store_url.clone() }).await.unwrap();
            all.push(store.baseline(&DistrictId::new(MULBERRY)).await.unwrap().state.revision);
            store.close().await;
        }
        all
    }

    /// Licenses, holders and waitlists, and a digest of each kind of record: equal on both, told as text.
    async fn told(&self, now: &str) -> String {
        let mut text = self.at(now, 0, &["licenses", "--district", MULBERRY]).await.out;
        self.at(now, 0, &["licenses", "--district", MULBERRY, "--by-school", "--json"]).await;
        for product in PRODUCTS {
            let words = ["seats", "--district", MULBERRY, "--product", product, "--json"];
            let seats = self.at(now, 0, &words).await.json();
            let states = seats["holders"].as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap());
            let count = |wanted: &str| states.clone().filter(|state| *state == wanted).count();
            let waiting: Vec<&str> =
                seats["waitlist"].as_array().unwrap().iter().map(|it| it["user"].as_str().unwrap()).collect();
            writeln!(
                text,
                "{product}: {} active, {} leaving, {} bridged; waiting: {}",
                count("active"),
                count("leaving"),
                count("bridged"),
                waiting.join(" ")
            )
            .unwrap();
        }
        for kind in KINDS {
            let lines = self.at(now, 0, &["roster", "--district", MULBERRY, "--kind", kind, "--json"]).await.out;
            writeln!(text, "{kind}: {} {}", lines.lines().count(), vendor::digest(&lines).get(..16).unwrap()).unwrap();
        }
        text
    }

    /// The end of a story: on both the same sync once more changes nothing.
    pub(super) async fn discard(self) {
        for site in self.sites {
            once_more(&site, MULBERRY).await;
            site.discard().await;
        }
    }
}

/// What is told but the line that says how old it is: a sync that changes nothing still pulled the roster anew.
fn without_age(told: &str) -> String {
    let kept: Vec<&str> = told.lines().filter(|line| !line.starts_with("as of ")).collect();
    kept.join("\n")
}

/// What of a run stands in the golden story: no port, no hash.
fn essence(run: &Value) -> Value {
    let mut changes = serde_json::Map::new();
    for (kind, it) in run["changes"].as_object().unwrap() {
        let verbs = ["added", "changed", "removed", "held"].into_iter().filter(|verb| it[*verb] != 0);
        let words: Vec<String> = verbs.map(|verb| format!("{} {verb}", it[verb])).collect();
        changes.insert(kind.clone(), words.join(", ").into());
    }
    let holds: Vec<String> = run["holds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            format!(
                "{} {} of {}, affected {}, {}, {}",
                it["group"], it["count"], it["of"], it["affected"], it["limit"], it["decision"]["decision"]
            )
        })
        .collect();
    json!({ "trigger": run["trigger"], "status": run["status"], "changes": changes, "seats": run["seats"], "holds": holds })
}

/// Compares with `fixtures/scenarios/NAME.snap`; `INSTA_UPDATE=always` writes it anew.
fn golden(name: &str, story: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(vendor::fixtures().join("scenarios"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, story));
}

#[tokio::test]
async fn three_nights_are_told_alike_by_both_databases() {
    let twins = Twins::new(vendor::district).await;
    let mut story = String::new();
    let mut heads = Vec::new();
    for (day, now, code) in [(1, NIGHT_1, 0), (2, NIGHT_2, 0), (3, NIGHT_3, 3)] {
        twins.server.set_day(day);
        let run = twins.sync(now, code).await;
        let head = twins.verified(now).await;
        assert_eq!(run["audit"]["head"], json!(head), "the run's own word of the chain's head");
        assert!(!heads.contains(&head));
        heads.push(head);
        let essence = serde_json::to_string_pretty(&essence(&run)).unwrap();
        writeln!(story, "## night {day}: exit {code}\n{essence}\n{}", twins.told(now).await).unwrap();
    }
    twins.at(NIGHT_3, 0, &["runs", "list", "--json"]).await;
    golden("mulberry-three-nights", &story);
    twins.discard().await;
}

/// safety.md, A run, 4 and issue 2, 5: a second run of the same data plans nothing and writes nothing.
/// U8: compared with what the store has, not with the last file.
#[tokio::test]
async fn the_same_data_again_is_unchanged_and_writes_nothing() {
    let twins = Twins::new(vendor::district).await;
    twins.sync(NIGHT_1, 0).await;
    let before = (twins.verified(NIGHT_1).await, twins.revisions().await, without_age(&twins.told(NIGHT_1).await));

    let again = twins.sync(NIGHT_1, 0).await;
    let later = twins.sync(NIGHT_2, 0).await;

    for run in [&again, &later] {
        assert_eq!((&run["status"], &run["audit"], &run["holds"]), (&json!("unchanged"), &Value::Null, &json!([])));
        for (kind, changes) in run["changes"].as_object().unwrap() {
            for what in ["added", "changed", "removed", "held"] {
                assert_eq!(changes[what], 0, "{kind} {what}");
            }
        }
    }
    let after = (twins.verified(NIGHT_1).await, twins.revisions().await, without_age(&twins.told(NIGHT_1).await));
    assert_eq!(before, after);
    twins.discard().await;
}

/// safety.md, A run, 4: `--plan` prints it and stops, the same plan has the same hash, and applying it gives what it said.
/// U21.
#[tokio::test]
async fn a_plan_changes_nothing_and_says_what_the_sync_then_does() {
    let twins = Twins::new(vendor::district).await;
    twins.sync(NIGHT_1, 0).await;
    let before = (twins.verified(NIGHT_1).await, twins.revisions().await);
    twins.server.set_day(3);

    let first = twins.at(NIGHT_2, 3, &["sync", MULBERRY, "--plan", "--json"]).await.json();
    let second = twins.at(NIGHT_2, 3, &["sync", MULBERRY, "--plan", "--json"]).await.json();

    assert_eq!((twins.verified(NIGHT_2).await, twins.revisions().await), before);
    assert_eq!((&first["status"], &first["audit"]), (&json!("planned"), &Value::Null));
    assert_eq!(first["plan_hash"], second["plan_hash"]);
    let applied = twins.sync(NIGHT_2, 3).await;
    for part in ["plan_hash", "changes", "seats"] {
        assert_eq!(first[part], applied[part], "{part}");
    }
    twins.discard().await;
}

/// safety.md, Guard: sixty missing children are held with all that hangs on them, keep their seats bridged, and nobody waits
/// for a seat because of them; a person reads who it is and approves what was shown.
/// U1, U3, U5, U6, P49.
#[tokio::test]
async fn a_mass_removal_is_held_shown_and_approved() {
    let twins = Twins::new(vendor::district).await;
    twins.sync(NIGHT_1, 0).await;
    twins.server.set_day(2);
    twins.sync(NIGHT_2, 0).await;
    twins.server.set_day(3);

    let held = twins.sync(NIGHT_3, 3).await;

    let run = held["run"].as_str().unwrap();
    assert_eq!((&held["status"], &held["changes"]["users"]["held"]), (&json!("held"), &json!(60)));
    let groups: Vec<&str> = held["holds"].as_array().unwrap().iter().map(|it| it["group"].as_str().unwrap()).collect();
    let (of_district, of_school) = ("district/users/removed", format!("school:{HIGH_SCHOOL}/users/removed"));
    assert!(groups.contains(&of_district) && groups.contains(&of_school.as_str()), "both are named: {groups:?}");
    for product in PRODUCTS {
        let words = ["seats", "--district", MULBERRY, "--product", product, "--json"];
        let seats = twins.at(NIGHT_3, 0, &words).await.json();
        let bridged = seats["holders"].as_array().unwrap().iter().filter(|it| it["state"] == "bridged").count();
        assert_eq!(bridged, if product == "device-care" { 60 } else { 0 }, "{product}");
    }

    let shown = twins.at(NIGHT_3, 0, &["runs", "show", run, "--affected", "--json"]).await.json();
    let affected = shown["affected"].as_array().unwrap();
    let users = affected.iter().filter(|it| it["kind"] == "users");
    assert_eq!(users.clone().count(), 60);
    assert!(users.clone().all(|it| it["seats"].as_array().unwrap().contains(&json!("device-care"))), "{shown}");
    assert_eq!(held["holds"][0]["affected"], affected.len());
    let csv = twins.at(NIGHT_3, 0, &["runs", "show", run, "--affected", "--format", "csv"]).await.out;
    assert_eq!(csv.lines().count(), affected.len() + 1, "a header and a line for each");

    let before = (twins.verified(NIGHT_3).await, twins.told(NIGHT_3).await);
    twins.at(NIGHT_4, 1, &["runs", "approve", run, "--hash", &"0".repeat(64)]).await;
    twins.at(NIGHT_4, 2, &["runs", "approve", "01K00000000000000000000000"]).await;
    twins.at(NIGHT_4, 2, &["runs", "approve", run, "--group", "district/schools/removed"]).await;
    assert_eq!(
        (twins.verified(NIGHT_3).await, twins.told(NIGHT_3).await),
        before,
        "a refused decision changes nothing"
    );

    let hash = held["plan_hash"].as_str().unwrap();
    let words = ["runs", "approve", run, "--hash", hash, "--group", of_district, "--reason", "graduated", "--json"];
    let approved = twins.at(NIGHT_4, 0, &words).await.json();
    twins.verified(NIGHT_4).await;

    assert_eq!((&approved["trigger"], &approved["status"]), (&json!("approval"), &json!("applied")));
    assert_eq!(approved["changes"]["users"]["removed"], 60);
    let shown = twins.at(NIGHT_4, 0, &["runs", "show", run, "--json"]).await.json();
    assert_eq!(shown["status"], "held", "it stays so, with its decision");
    let decision = shown["holds"].as_array().unwrap().iter().find(|it| it["group"] == of_district).unwrap();
    assert_eq!(decision["decision"], json!({ "decision": "approved", "by": "cli:tester", "at": NIGHT_4 }));
    let audit =
        twins.at(NIGHT_4, 0, &["audit", "list", "--district", MULBERRY, "--action", "run.approved", "--json"]).await;
    let entry = &audit.json()[0];
    assert_eq!(
        (&entry["actor"], &entry["category"], &entry["reason"]),
        (&json!("cli:tester"), &json!("administrative"), &json!("graduated"))
    );

    // mere absence: a second complete snapshot of a later date releases the seats, and that counts toward no limit again
    let releasing = twins.sync(NIGHT_5, 0).await;
    assert_eq!((&releasing["status"], &releasing["holds"]), (&json!("applied"), &json!([])), "{releasing}");
    assert_eq!((&releasing["seats"]["released"], &releasing["changes"]["users"]["removed"]), (&json!(60), &json!(0)));
    let quiet = twins.sync(NIGHT_6, 0).await;
    assert_eq!(quiet["status"], "unchanged", "{quiet}");
    twins.discard().await;
}

/// safety.md, Refused versions: the rejected version is skipped for as long as it comes, and the record is taken up again as
/// soon as the source sends anything else.
#[tokio::test]
async fn a_rejected_removal_is_skipped_until_the_source_says_something_else() {
    let twins = Twins::new(vendor::district).await;
    twins.server.set_day(2);
    twins.sync(NIGHT_2, 0).await;
    let before = twins.told(NIGHT_2).await;
    twins.server.set_day(3);
    let held = twins.sync(NIGHT_3, 3).await;
    let run = held["run"].as_str().unwrap();

    twins.at(NIGHT_3, 0, &["runs", "reject", run, "--reason", "wrong filter"]).await;
    twins.verified(NIGHT_3).await;

    let skipped = twins.sync(NIGHT_4, 0).await;
    assert_eq!((&skipped["holds"], &skipped["changes"]["users"]["removed"]), (&json!([]), &json!(0)), "{skipped}");
    let codes: Vec<&Value> = skipped["snapshot"]["warnings"].as_array().unwrap().iter().map(|it| &it["code"]).collect();
    assert!(codes.iter().any(|it| it.as_str().unwrap().contains("refused")), "it says so: {codes:?}");
    let [before_users, after_users] = [&before, &twins.told(NIGHT_4).await]
        .map(|it| it.lines().find(|line| line.starts_with("users:")).unwrap().to_owned());
    assert_eq!(before_users, after_users);

    // the source sends the children again, and after that their absence is news
    twins.server.set_day(2);
    let back = twins.sync(NIGHT_5, 0).await;
    assert_eq!(back["holds"], json!([]));
    twins.server.set_day(3);
    let news = twins.sync(NIGHT_6, 3).await;
    assert_eq!(news["changes"]["users"]["held"], 60, "{news}");
    twins.discard().await;
}

/// safety.md, In review: a hold stands until a later complete snapshot no longer has the change.
#[tokio::test]
async fn a_feed_that_recovers_supersedes_what_was_held() {
    let twins = Twins::new(vendor::district).await;
    twins.server.set_day(2);
    twins.sync(NIGHT_2, 0).await;
    let before = twins.told(NIGHT_2).await;
    twins.server.set_day(3);
    let held = twins.sync(NIGHT_3, 3).await;
    let again = twins.sync(NIGHT_4, 3).await;
    let groups =
        |run: &Value| -> Vec<Value> { run["holds"].as_array().unwrap().iter().map(|it| it["group"].clone()).collect() };
    assert_eq!(groups(&held), groups(&again), "each night computes it anew under the same name");

    twins.server.set_day(2);
    twins.sync(NIGHT_5, 0).await;

    for run in [&held, &again] {
        let run = run["run"].as_str().unwrap();
        let shown = twins.at(NIGHT_5, 0, &["runs", "show", run, "--json"]).await.json();
        for hold in shown["holds"].as_array().unwrap() {
            assert_eq!(hold["decision"]["decision"], "superseded", "{hold}");
        }
        twins.at(NIGHT_5, 1, &["runs", "approve", run]).await;
    }
    let users = |told: &str| told.lines().find(|it| it.starts_with("users:")).unwrap().to_owned();
    assert_eq!(users(&before), users(&twins.told(NIGHT_5).await));
    twins.discard().await;
}

/// safety.md, First sync: planned and held whole; approving it applies it.
/// P50.
#[tokio::test]
async fn a_first_sync_in_review_applies_nothing_before_it_is_approved() {
    let twins = Twins::new(vendor::reviewed).await;

    let held = twins.sync(NIGHT_1, 3).await;

    assert_eq!(held["status"], "held");
    assert_eq!(
        (&held["holds"][0]["group"], &held["holds"][0]["decision"]),
        (&json!("district/first_sync"), &Value::Null)
    );
    assert_eq!(
        held["changes"]["users"],
        json!({ "added": 0, "changed": 0, "removed": 0, "unchanged": 0, "held": 268 })
    );
    assert_eq!(held["seats"]["granted"], 0);
    let nobody = twins.at(NIGHT_1, 0, &["roster", "--district", MULBERRY, "--kind", "users", "--json"]).await;
    assert_eq!(nobody.out, "");

    let approved = twins.at(NIGHT_2, 0, &["runs", "approve", held["run"].as_str().unwrap(), "--json"]).await.json();
    twins.verified(NIGHT_2).await;

    assert_eq!((&approved["status"], &approved["changes"]["users"]["added"]), (&json!("applied"), &json!(268)));
    let quiet = twins.sync(NIGHT_3, 0).await;
    assert_eq!(quiet["status"], "unchanged", "{quiet}");
    twins.discard().await;
}
