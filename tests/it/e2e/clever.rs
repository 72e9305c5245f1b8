//! The Clever demo district: everything of the recordings that resolves, nothing invented, what dangles is said.

use std::collections::{BTreeMap, BTreeSet};

use rosterd::simulate::Server;
use serde_json::{Value, json};

use crate::support::vendor::{self, KINDS, NIGHT_1, Site};

const CLEVER: &str = "clever-demo";

fn recorded(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(vendor::fixtures().join(CLEVER).join(file)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn ids(objects: &[Value]) -> BTreeSet<String> {
    objects.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// `feed = …` through the app.
fn through_app(server: &Server, version: &str) -> String {
    let id = server.world().clever_id(CLEVER).unwrap().to_owned();
    format!(r#"{{ kind = "clever", app = "app", district = "{id}", version = "{version}" }}"#)
}

#[tokio::test]
async fn the_clever_demo_district_is_whole_over_v3_0_and_v3_1_and_found_through_the_app_alone() {
    let server = vendor::serve(CLEVER).await;
    let site = Site::sqlite().await;
    let app = vendor::clever_app(&server, "clever-secret");
    let districts =
        ["v3.0", "v3.1"].map(|version| vendor::district(&version.replace('.', "-"), &through_app(&server, version)));
    site.configure(&format!("{app}\n{}", districts.concat()));
    let runs = site.at(NIGHT_1, &["sync", "v3-0", "v3-1", "--json"]).await.exits(0).json();

    for run in runs.as_array().unwrap() {
        assert_eq!((&run["status"], &run["snapshot"]["complete"]), (&json!("applied"), &json!(true)), "{run}");
        assert_eq!((&run["snapshot"]["invalid"], &run["snapshot"]["skipped"]), (&json!(0), &json!(3)), "{run}");
        let warnings: BTreeMap<&str, &Value> = run["snapshot"]["warnings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (it["code"].as_str().unwrap(), &it["count"]))
            .collect();
        assert_eq!(warnings, BTreeMap::from([("dangling_course", &json!(2)), ("dangling_user", &json!(246))]));
    }
    let roster: BTreeMap<&str, String> = {
        let mut all = BTreeMap::new();
        for kind in KINDS {
            all.insert(kind, site.roster("v3-0", kind).await);
            assert!(all[kind] == site.roster("v3-1", kind).await, "{kind} differ between v3.0 and v3.1");
        }
        all
    };
    let stored = |kind: &str| vendor::column(&roster[kind], "id").into_iter().collect::<BTreeSet<String>>();
    let orgs: BTreeSet<String> = &ids(&recorded("schools.json")) | &ids(&recorded("districts.json"));
    assert_eq!(stored("schools"), orgs, "the district's org is one of the schools");
    assert_eq!(stored("sessions"), ids(&recorded("terms.json")));
    assert_eq!(stored("courses"), ids(&recorded("courses.json")));
    let sections = recorded("sections.json");
    assert_eq!(stored("classes"), ids(&sections));

    let users = recorded("users.json");
    let only_contact = |it: &&Value| it["roles"].as_object().unwrap().keys().eq(["contact"]);
    let contacts = users.iter().filter(only_contact).count();
    let people: BTreeSet<String> = ids(&users.iter().filter(|it| !only_contact(it)).cloned().collect::<Vec<_>>());
    assert_eq!((contacts, people.len()), (3, 707));
    assert_eq!(stored("users"), people, "every user of the recordings but the contacts, and none invented");

    let mut links = BTreeSet::new();
    for section in &sections {
        let class = section["id"].as_str().unwrap();
        links.extend(texts(&section["students"]).map(|user| (user, class, "student")));
        links.extend(texts(&section["teachers"]).map(|user| (user, class, "teacher")));
    }
    let lines: Vec<Value> = roster["enrollments"].lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    let mut derived = BTreeSet::new();
    for it in &lines {
        derived.insert((it["user"].as_str().unwrap(), it["class"].as_str().unwrap(), it["role"].as_str().unwrap()));
    }
    assert_eq!(derived.len(), lines.len(), "an enrollment is its key");
    assert!(derived.iter().eq(&links), "every link of a section is an enrollment, and there is no other");
    let keys = |it: &Value| ["user", "class", "role"].map(|key| it[key].as_str().unwrap().to_owned());
    assert!(lines.iter().map(keys).is_sorted(), "enrollments are sorted by user, class, role");
    site.verified().await;

    let found = Site::sqlite().await;
    found.configure(&app);
    let runs = found.at(NIGHT_1, &["sync", "--all", "--json"]).await.exits(0).json();
    let id = server.world().clever_id(CLEVER).unwrap();
    let run = runs.as_array().and_then(|it| it.first()).unwrap_or_else(|| panic!("no array of runs: {runs}"));
    assert_eq!((&run["district"], &run["status"]), (&json!(id), &json!("applied")), "its id is Clever's");
    for kind in KINDS {
        assert!(found.roster(id, kind).await == roster[kind], "{kind} of the found district differ");
    }
}

#[tokio::test]
async fn clever_s_lines_have_canonical_grades_and_the_periods_of_their_terms() {
    let server = vendor::serve(CLEVER).await;
    let site = Site::sqlite().await;
    let app = vendor::clever_app(&server, "clever-secret");
    site.configure(&format!("{app}\n{}", vendor::district("c", &through_app(&server, "v3.0"))));
    site.sync(NIGHT_1, "c").await.exits(0);

    let line = r#"{"id":"58da8c63d7dc0ca0680003ed","roles":[{"role":"student","org":"58da8c58155b940248000007","primary":true}],"active":true,"given_name":"Steve","family_name":"Ziemann","email":"z.steve@example.net","username":"stevez33","grades":["KG"],"student_number":"100095233","state_id":"231786324"}"#;
    let users = site.roster("c", "users").await;
    let same = users.lines().find(|it| it.contains("58da8c63d7dc0ca0680003ed"));
    assert_eq!(same, Some(line));
    let line = r#"{"id":"5b42365868c8d6104f634d32","type":"term","title":"S1","starts_on":"2025-08-01","ends_on":"2025-12-01"}"#;
    let terms = site.roster("c", "sessions").await;
    assert!(terms.lines().any(|it| it == line), "{terms}");
}
