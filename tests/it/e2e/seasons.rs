//! What the school year does to a feed (P12 to P15, P32): the turn of the year, a summer school, a filter that changed.

use std::collections::BTreeMap;
use std::path::Path;

use rosterd::simulate::{Options, Server, World};
use serde_json::{Value, json};

use crate::support::db::Backend;
use crate::support::place::{OAK, Place, groups, on_both};
use crate::support::upload::Upload;
use crate::support::vendor::{self, NIGHT_1, NIGHT_2, NIGHT_3, NIGHT_4, Site};

impl Place {
    /// The upload of the next school year: everyone is a grade higher and in a class of the year that begins in August.
    fn next_year(&self) -> Upload {
        let mut next = Upload::new(&self.folder(), &["s1", "s2"]);
        next.drop_where("academicSessions", "sourcedId", "sy").session("sy-27", "2026-08-17", "2027-06-10");
        next.set("academicSessions", "sy-27", "schoolYear", "2027");
        for (school, prefix, teacher) in [("s1", "a", "t1"), ("s2", "b", "t2")] {
            next.user(teacher, "teacher", school);
            for number in 1..=6 {
                let class = format!("{school}-27-{number}");
                next.class(&class, school).set("classes", &class, "termSourcedIds", "sy-27");
                next.enroll(teacher, &class, school, "teacher");
            }
            for number in 1..=30 {
                let (user, class) = (format!("{prefix}-{number:03}"), format!("{school}-27-{}", number % 6 + 1));
                next.user(&user, "student", school).set("users", &user, "grades", "04");
                next.enroll(&user, &class, school, "student");
            }
        }
        next
    }

    /// Four more classes in each school, so that there is something to lose.
    fn more_classes(&mut self) {
        for (school, teacher) in [("s1", "t1"), ("s2", "t2")] {
            for number in 1..=4 {
                let class = format!("{school}-26-{number}");
                self.upload.class(&class, school).enroll(teacher, &class, school, "teacher");
            }
        }
    }
}

/// P13, P12: in May the source is a year ahead. Nobody loses a seat for it: it is held, named as what it looks like, and one
/// command, which is proposed wherever people look, sees the district through the summer.
#[tokio::test]
async fn p13_a_rollover_is_held_and_the_mode_for_the_summer_proposed() {
    on_both("", async |mut it| {
        it.more_classes();
        it.sync(NIGHT_1, 0).await;
        it.upload = it.next_year();
        let (may_20, may_21) = ("2026-05-20T07:00:00.000Z", "2026-05-21T07:00:00.000Z");
        let run = it.sync(may_20, 3).await;
        assert!(groups(&run).contains(&"district/product:reading/released"), "{run:#}");
        assert_eq!((&run["seats"]["released"], &run["seats"]["bridged"]), (&json!(0), &json!(60)));
        let proposal = &run["proposal"];
        assert_eq!(
            (&proposal["mode"], &proposal["from"], &proposal["until"]),
            (&json!("no_removals"), &json!("2026-05-20"), &json!("2026-08-17"))
        );
        assert!(proposal["why"].as_str().unwrap().contains("rollover"), "{proposal}");
        assert_eq!(&it.shown(may_20).await["proposal"], proposal);
        let command = "district mode oak no_removals --from 2026-05-20 --until 2026-08-17";
        it.site.at(may_20, &["runs", "show", run["run"].as_str().unwrap()]).await.exits(0).says(&[command]);
        it.site.run(&["alerts", "--district", OAK]).await.exits(0).says(&[command]);

        it.site.at(may_20, &command.split(' ').collect::<Vec<_>>()).await.exits(0);
        let run = it.sync(may_21, 0).await;
        assert_eq!(
            (&run["holds"], &run["proposal"], &run["seats"]["bridged"]),
            (&json!([]), &Value::Null, &json!(60)),
            "{run:#}"
        );
        assert_eq!(it.shown(may_21).await["proposal"], Value::Null);
        it.ends("2026-05-22T07:00:00.000Z").await;
    })
    .await;
}

/// P12: three weeks before a school year ends, and the next is known, the mode for the gap is proposed with the dates of both.
#[tokio::test]
async fn p12_before_the_summer_the_dates_of_the_terms_are_proposed() {
    on_both("", async |mut it| {
        it.upload.session("sy-27", "2026-08-17", "2027-06-10");
        it.upload.set("academicSessions", "sy-27", "schoolYear", "2027");
        let run = it.sync(NIGHT_1, 0).await;
        assert_eq!(run["proposal"], Value::Null, "in October nothing is near");
        let run = it.sync("2026-05-19T07:00:00.000Z", 0).await;
        assert_eq!(run["proposal"], Value::Null, "22 days before the last one");
        let run = it.sync("2026-05-20T07:00:00.000Z", 0).await;
        let dates = (&run["proposal"]["from"], &run["proposal"]["until"]);
        assert_eq!(dates, (&json!("2026-06-10"), &json!("2026-08-17")), "{run:#}");
    })
    .await;
}

/// P14: in summer only one school is shared. The other's children are not gone: held, named as what it is, bridged, and all as it
/// was when the school is shared again.
#[tokio::test]
async fn p14_a_school_that_is_shared_no_more_is_held_and_named() {
    on_both("", async |mut it| {
        it.sync(NIGHT_1, 0).await;
        let (whole, holders) = (it.upload.clone(), it.holders("reading").await);
        for number in 1..=30 {
            it.upload.leaves(&format!("b-{number:03}"));
        }
        it.upload.leaves("t2").drop_where("classes", "sourcedId", "c2").drop_where("orgs", "sourcedId", "s2");
        let run = it.sync(NIGHT_2, 3).await;
        let unshared = run["holds"].as_array().unwrap().iter().find(|it| it["group"] == "school:s2/unshared").unwrap();
        assert_eq!(
            (&unshared["count"], &unshared["limit"]),
            (&json!(31), &json!("the source no longer shares this school"))
        );
        assert!(!groups(&run).contains(&"school:s1/unshared"));
        assert_eq!((&run["seats"]["released"], &run["seats"]["bridged"]), (&json!(0), &json!(31)));
        assert!(run["proposal"]["why"].as_str().unwrap().contains("1 of 2 schools"), "{run:#}");
        it.upload = whole;
        let run = it.sync(NIGHT_3, 0).await;
        assert_eq!((&run["seats"]["granted"], &run["seats"]["released"]), (&json!(0), &json!(0)), "{run:#}");
        assert_eq!(it.holders("reading").await, holders);
        it.ends(NIGHT_4).await;
    })
    .await;
}

/// P15: a filter in the rostering platform takes a part of each school. Whatever took them away, it is weighed.
#[tokio::test]
async fn p15_a_changed_filter_is_weighed_like_any_loss() {
    on_both("", async |mut it| {
        it.sync(NIGHT_1, 0).await;
        for number in 1..=12 {
            it.upload.leaves(&format!("a-{number:03}")).leaves(&format!("b-{number:03}"));
        }
        let run = it.sync(NIGHT_2, 3).await;
        let held = groups(&run);
        for group in ["school:s1/users/removed", "school:s2/users/removed", "district/product:reading/released"] {
            assert!(held.contains(&group), "{group}: {held:?}");
        }
        assert!(!held.iter().any(|group| group.ends_with("/unshared")), "{held:?}");
        assert_eq!((&run["changes"]["users"]["removed"], &run["seats"]["bridged"]), (&json!(0), &json!(24)));
    })
    .await;
}

/// P32: sessions that have other ids every night are the same terms: nobody's class ends, nothing is held.
#[tokio::test]
async fn p32_terms_whose_ids_change_cost_nobody_a_class() {
    on_both("", async |mut it| {
        it.sync(NIGHT_1, 0).await;
        let holders = it.holders("reading").await;
        for (night, id) in [(NIGHT_2, "sy-x"), (NIGHT_3, "sy-y")] {
            it.upload.drop_where("academicSessions", "title", "sy").session(id, "2025-08-15", "2026-06-10");
            it.upload.set("academicSessions", id, "title", "sy");
            it.upload.set("classes", "c1", "termSourcedIds", id).set("classes", "c2", "termSourcedIds", id);
            let run = it.sync(night, 0).await;
            assert_eq!(
                (&run["changes"]["sessions"]["removed"], &run["changes"]["sessions"]["added"]),
                (&json!(1), &json!(1))
            );
            assert_eq!((&run["seats"]["released"], &run["proposal"]), (&json!(0), &Value::Null), "{run:#}");
        }
        assert_eq!(it.holders("reading").await, holders);
        it.ends(NIGHT_4).await;
    })
    .await;
}

/// A fixture district whose second day gives every term another id, wherever it stands, and changes nothing else.
fn with_new_term_ids(district: &str, folder: &Path) -> World {
    let from = vendor::fixtures().join(district);
    let folder = folder.join(district);
    std::fs::create_dir_all(&folder).unwrap();
    for entry in std::fs::read_dir(&from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with("day-") {
            std::fs::copy(&path, folder.join(name)).unwrap();
        }
    }
    let another = |id: &str| -> String { id.chars().rev().collect() };
    let mut changes = Vec::new();
    if district == "clever-demo" {
        let read = |file: &str| -> Vec<Value> {
            serde_json::from_str(&std::fs::read_to_string(folder.join(file)).unwrap()).unwrap()
        };
        for mut term in read("terms.json") {
            let id = term["id"].as_str().unwrap().to_owned();
            changes.push(json!({ "op": "remove", "collection": "terms", "id": id }));
            term["id"] = json!(another(&id));
            changes.push(json!({ "op": "add", "collection": "terms", "row": term }));
        }
        for section in read("sections.json") {
            if let Some(term) = section["term_id"].as_str() {
                let fields = json!({ "term_id": another(term) });
                changes.push(json!({ "op": "set", "collection": "sections", "id": section["id"], "fields": fields }));
            }
        }
    } else {
        let rows = |file: &str| -> Vec<BTreeMap<String, String>> {
            csv::Reader::from_path(folder.join(file)).unwrap().deserialize().map(Result::unwrap).collect()
        };
        let renamed = |ids: &str| -> String {
            let all: Vec<String> = ids.split(',').filter(|id| !id.is_empty()).map(|id| format!("{id}-b")).collect();
            all.join(",")
        };
        for mut row in rows("academicSessions.csv") {
            changes.push(json!({ "op": "remove", "collection": "academicSessions", "id": row["sourcedId"] }));
            for column in ["sourcedId", "parentSourcedId"] {
                let new = renamed(&row[column]);
                row.insert(column.to_owned(), new);
            }
            changes.push(json!({ "op": "add", "collection": "academicSessions", "row": row }));
        }
        for row in rows("classes.csv") {
            let fields = json!({ "termSourcedIds": renamed(&row["termSourcedIds"]) });
            changes.push(json!({ "op": "set", "collection": "classes", "id": row["sourcedId"], "fields": fields }));
        }
    }
    let patch = json!({ "day": 2, "says": "Every term has another id.", "changes": changes });
    std::fs::write(folder.join("day-2.json"), patch.to_string()).unwrap();
    World::load(&folder).unwrap()
}

/// P32, R9: the same from Clever and from OneRoster REST, where every class of a large district is told anew for it.
#[tokio::test]
async fn p32_terms_whose_ids_change_at_clever_and_oneroster_cost_nobody_a_class() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        for district in ["clever-demo", "pomegranate-charter"] {
            let Some(site) = Site::new(backend).await else { continue };
            let world = with_new_term_ids(district, site.folder());
            let server = Server::start(world, Options::default()).await.unwrap();
            let (id, rest) = if district == "clever-demo" {
                (server.world().clever_id(district).unwrap().to_owned(), vendor::clever_app(&server, "clever-secret"))
            } else {
                let feed = vendor::bearer(&server, district);
                (district.to_owned(), vendor::district(district, &feed))
            };
            let catalog = std::fs::read_to_string(vendor::fixtures().join("catalog.toml")).unwrap();
            let path = site.folder().join("catalog.toml");
            std::fs::write(&path, catalog.replace("\"clever-demo\"", &format!("\"{id}\""))).unwrap();
            site.configure(&format!("[catalog]\npath = \"{}\"\n{rest}", path.display()));
            site.sync(NIGHT_1, &id).await.exits(0);
            let licenses = site.licenses(NIGHT_1).await;
            server.set_day(2);
            let run = site.sync(NIGHT_2, &id).await.exits(0).json();
            let (classes, sessions) = (&run["changes"]["classes"], &run["changes"]["sessions"]);
            assert!(classes["changed"].as_u64().unwrap() > 0 && sessions["added"].as_u64().unwrap() > 0, "{run:#}");
            assert_eq!(
                (&classes["added"], &classes["removed"], &run["holds"]),
                (&json!(0), &json!(0), &json!([])),
                "{run:#}"
            );
            assert_eq!((&run["seats"]["released"], &run["seats"]["granted"]), (&json!(0), &json!(0)), "{run:#}");
            let counts = |rows: &Value| -> Vec<Value> {
                rows.as_array().unwrap().iter().map(|row| json!([row["product"], row["assigned"]])).collect()
            };
            assert_eq!(counts(&site.licenses(NIGHT_2).await), counts(&licenses));
            site.verified().await;
            let state = site.state(&id).await;
            assert_eq!(site.sync(NIGHT_2, &id).await.exits(0).json()["status"], "unchanged");
            assert!(site.state(&id).await == state, "the same once more changes nothing");
            site.discard().await;
        }
    }
}

/// safety.md, Guard: enrollments and classes whose dates had passed were announced: that the source drops them is no loss.
#[tokio::test]
async fn what_had_ended_by_its_dates_is_no_loss_when_it_goes() {
    on_both("", async |mut it| {
        it.upload.session("fall", "2025-08-15", "2025-10-07");
        for number in 1..=15 {
            let class = format!("old-{number}");
            it.upload.class(&class, "s1").set("classes", &class, "termSourcedIds", "fall");
            for user in 1..=30 {
                it.upload.enroll(&format!("a-{user:03}"), &class, "s1", "student");
            }
        }
        it.sync(NIGHT_1, 0).await;
        let ended = it.upload.clone();
        for number in 1..=15 {
            let class = format!("old-{number}");
            it.upload.drop_where("classes", "sourcedId", &class).drop_where("enrollments", "classSourcedId", &class);
        }
        let without = std::mem::replace(&mut it.upload, ended);
        it.sync(NIGHT_2, 0).await;
        it.upload = without;
        let run = it.sync(NIGHT_3, 0).await;
        assert_eq!(
            (&run["changes"]["enrollments"]["removed"], &run["changes"]["classes"]["removed"]),
            (&json!(450), &json!(15)),
            "{run:#}"
        );
        assert_eq!(run["seats"]["released"], 0);
        it.ends(NIGHT_4).await;
    })
    .await;
}
