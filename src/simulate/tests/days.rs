use std::collections::BTreeSet;

use serde_json::Value;

use super::fixtures;
use crate::simulate::Format;
use crate::simulate::SimulateError;
use crate::simulate::Version;
use crate::simulate::World;
use crate::simulate::patch::DayPatch;
use crate::simulate::patch::Objects;
use crate::simulate::table::CsvSet;
use crate::simulate::world::Day;

fn csv(world: &World, district: &str, day: u32) -> CsvSet {
    match &*world.day(district, day).unwrap() {
        Day::OneRoster(set) => set.clone(),
        Day::Clever(_) => panic!("{district} is not CSV"),
    }
}

fn clever(world: &World, day: u32) -> Objects {
    match &*world.day("clever-demo", day).unwrap() {
        Day::Clever(objects) => objects.clone(),
        Day::OneRoster(_) => panic!("clever-demo is not Clever's"),
    }
}

fn rows(set: &CsvSet, table: &str) -> usize {
    set.tables[table].rows.len()
}

#[test]
fn mulberry_springs_has_the_published_counts() {
    let set = csv(&World::load(&fixtures()).unwrap(), "mulberry-springs", 1);
    let orgs = set.table("orgs").unwrap();
    let schools = orgs.rows.iter().filter(|row| orgs.cell(row, "type") == "school").count();
    assert_eq!((rows(&set, "orgs"), schools), (4, 3));
    assert_eq!((rows(&set, "classes"), rows(&set, "users"), rows(&set, "enrollments")), (119, 268, 1855));
}

#[test]
fn the_clever_district_has_what_was_recorded_and_its_dangling_references() {
    let objects = clever(&World::load(&fixtures()).unwrap(), 1);
    let count = |kind: &str| objects[kind].len();
    assert_eq!((count("districts"), count("schools"), count("terms")), (1, 4, 5));
    assert_eq!((count("sections"), count("courses"), count("users")), (201, 204, 710));
    let members = |list: &str| -> Vec<String> {
        let lists = objects["sections"].values().flat_map(|section| section[list].as_array().unwrap());
        lists.map(|id| id.as_str().unwrap().to_owned()).filter(|id| !objects["users"].contains_key(id)).collect()
    };
    let (students, teachers) = (members("students"), members("teachers"));
    let distinct = |ids: &[String]| ids.iter().collect::<BTreeSet<_>>().len();
    assert_eq!((students.len(), distinct(&students)), (4, 2));
    assert_eq!((teachers.len(), distinct(&teachers)), (242, 45));
    let courses = objects["sections"].values().filter(|section| {
        let course = section["course"].as_str().unwrap();
        !objects["courses"].contains_key(course)
    });
    assert_eq!(courses.count(), 2);
}

#[test]
fn most_sections_of_the_clever_district_run_on_the_day_of_the_demo() {
    let objects = clever(&World::load(&fixtures()).unwrap(), 1);
    let runs = |section: &&Value| {
        let term = &objects["terms"][section["term_id"].as_str().unwrap()];
        term["start_date"].as_str().unwrap() <= "2025-10-06" && term["end_date"].as_str().unwrap() >= "2025-10-06"
    };
    assert_eq!(objects["sections"].values().filter(runs).count(), 194);
}

#[test]
fn day_two_of_mulberry_springs_joins_three_and_lets_two_leave() {
    let world = World::load(&fixtures()).unwrap();
    let ids = |day| -> BTreeSet<String> {
        let set = csv(&world, "mulberry-springs", day);
        let users = set.table("users").unwrap();
        users.rows.iter().map(|row| users.cell(row, "sourcedId").to_owned()).collect()
    };
    let (one, two) = (ids(1), ids(2));
    assert_eq!((two.difference(&one).count(), one.difference(&two).count()), (3, 2));
    let (before, after) = (csv(&world, "mulberry-springs", 1), csv(&world, "mulberry-springs", 2));
    let users = (before.table("users").unwrap(), after.table("users").unwrap());
    let changed = |column: &str| {
        let differs = |row: &&Vec<String>| {
            let then = users.0.position(users.1.cell(row, "sourcedId")).map(|at| &users.0.rows[at]);
            then.is_some_and(|then| users.0.cell(then, column) != users.1.cell(row, column))
        };
        users.1.rows.iter().filter(differs).count()
    };
    assert_eq!((changed("orgSourcedIds"), changed("familyName")), (1, 1), "one moves, one changes name");
}

#[test]
fn a_removed_user_takes_its_enrollments_along() {
    let set = csv(&World::load(&fixtures()).unwrap(), "mulberry-springs", 3);
    let (users, enrollments) = (set.table("users").unwrap(), set.table("enrollments").unwrap());
    let there: BTreeSet<&str> = users.rows.iter().map(|row| users.cell(row, "sourcedId")).collect();
    assert!(enrollments.rows.iter().all(|row| there.contains(enrollments.cell(row, "userSourcedId"))));
}

#[test]
fn day_three_removes_enough_of_one_school_to_trip_a_guard() {
    let world = World::load(&fixtures()).unwrap();
    let (before, after) = (csv(&world, "mulberry-springs", 2), csv(&world, "mulberry-springs", 3));
    assert_eq!(rows(&before, "users") - rows(&after, "users"), 60);
    assert!(60 * 20 > rows(&before, "users"), "over 5 % of the district");
    let (before, after) = (clever(&world, 2), clever(&world, 3));
    assert_eq!(before["users"].len() - after["users"].len(), 60);
    assert!(60 * 20 > before["users"].len());
    let here = |user: &&Value| user.pointer("/roles/student/school") == Some(&"58da8c58155b940248000007".into());
    assert!(60 * 10 > before["users"].values().filter(here).count(), "over 10 % of the school");
}

#[test]
fn every_fixture_and_every_day_of_it_loads() {
    let world = World::load(&fixtures()).unwrap();
    assert_eq!(world.districts().collect::<Vec<_>>(), ["clever-demo", "mulberry-springs", "pomegranate-charter"]);
    assert_eq!(world.format("clever-demo"), Some(Format::Clever));
    assert_eq!(world.last_day("pomegranate-charter"), 2);
    let vendors = World::load(&fixtures().join("vendors")).unwrap();
    assert_eq!(vendors.districts().count(), 5);
    for district in vendors.districts() {
        assert!(rows(&csv(&vendors, district, 1), "users") < 60);
    }
    let alone = World::load(&fixtures().join("pomegranate-charter")).unwrap();
    assert_eq!(alone.districts().collect::<Vec<_>>(), ["pomegranate-charter"]);
}

#[test]
fn the_folder_of_day_one_is_the_fixture_byte_for_byte() {
    let target = tempfile::tempdir().unwrap();
    World::load(&fixtures()).unwrap().csv_folder("mulberry-springs", 1, target.path()).unwrap();
    for file in ["manifest", "orgs", "academicSessions", "courses", "classes", "users", "enrollments"] {
        let name = format!("{file}.csv");
        let (given, written) = (fixtures().join("mulberry-springs").join(&name), target.path().join(&name));
        assert!(std::fs::read(given).unwrap() == std::fs::read(written).unwrap(), "{name} differs");
    }
    assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 7, "nothing half written is left");
}

#[test]
fn the_zip_holds_the_files_in_its_root_and_is_the_same_bytes_twice() {
    let target = tempfile::tempdir().unwrap();
    let world = World::load(&fixtures()).unwrap();
    let (one, two) = (target.path().join("one.zip"), target.path().join("two.zip"));
    world.csv_zip("pomegranate-charter", 2, &one).unwrap();
    world.csv_zip("pomegranate-charter", 2, &two).unwrap();
    assert!(std::fs::read(&one).unwrap() == std::fs::read(&two).unwrap());
    let zip = zip::ZipArchive::new(std::fs::File::open(&one).unwrap()).unwrap();
    assert!(zip.file_names().all(|name| !name.unwrap().contains('/')));
    assert_eq!(zip.len(), 7);
}

#[test]
fn the_same_district_in_1_2_has_a_role_for_each_org_of_a_user() {
    let target = tempfile::tempdir().unwrap();
    let world = World::load(&fixtures()).unwrap();
    world.csv_folder_as("pomegranate-charter", 1, Version::V1p2, target.path()).unwrap();
    let roles = std::fs::read_to_string(target.path().join("roles.csv")).unwrap();
    let shared = roles.lines().filter(|line| line.contains(",PC-U-005,")).count();
    assert_eq!((roles.lines().count(), shared), (1 + 41, 2), "40 users, one of them at two schools");
    let users = std::fs::read_to_string(target.path().join("users.csv")).unwrap();
    assert!(!users.lines().next().unwrap().split(',').any(|column| column == "role"));
    let manifest = std::fs::read_to_string(target.path().join("manifest.csv")).unwrap();
    assert!(manifest.contains("oneroster.version,1.2") && manifest.contains("file.roles,bulk"));
}

#[test]
fn a_district_of_clever_has_no_csv_form() {
    let target = tempfile::tempdir().unwrap();
    let refused = World::load(&fixtures()).unwrap().csv_folder("clever-demo", 1, target.path());
    assert!(matches!(refused, Err(SimulateError::NotCsv { .. })));
}

#[test]
fn a_patch_that_fits_nothing_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("day-2.json");
    let refused = |change: &str| {
        std::fs::write(&path, format!(r#"{{"day":2,"says":"","changes":[{change}]}}"#)).unwrap();
        let mut set = csv(&World::load(&fixtures()).unwrap(), "pomegranate-charter", 1);
        let error = DayPatch::read(&path).unwrap().apply_to_csv(&mut set, &path).unwrap_err();
        match error {
            SimulateError::Patch { change: 1, problem, .. } => problem,
            other => panic!("{other}"),
        }
    };
    let problem = refused(r#"{"collection":"users","op":"remove","id":"nobody"}"#);
    assert_eq!(problem, "users has no `nobody`");
    let problem = refused(r#"{"collection":"users","op":"set","id":"PC-U-001","fields":{"shoe":"42"}}"#);
    assert_eq!(problem, "there is no column `shoe`");
    let problem = refused(r#"{"collection":"users","op":"add","row":{"sourcedId":"PC-U-001"}}"#);
    assert_eq!(problem, "cannot add to users: the id `PC-U-001` is empty or there already");
    assert_eq!(refused(r#"{"collection":"pets","op":"remove","id":"x"}"#), "there is no pets.csv");
}

/// Each subscription of the demo's catalog names a district and schools that are there.
#[test]
fn the_catalogs_name_districts_and_schools_of_the_fixtures() {
    let catalogs = ["catalog.toml", "vendors/by-assignment/catalog.toml", "vendors/site-license/catalog.toml"];
    let more = ["vendors/role-based/catalog.toml", "vendors/active-students/catalog.toml"];
    for path in catalogs.into_iter().chain(more) {
        let text = std::fs::read_to_string(fixtures().join(path)).unwrap();
        let catalog: toml::Table = toml::from_str(&text).unwrap();
        let products: BTreeSet<_> =
            catalog["product"].as_array().unwrap().iter().map(|product| product["code"].as_str().unwrap()).collect();
        for subscription in catalog["subscription"].as_array().unwrap() {
            assert!(products.contains(subscription["product"].as_str().unwrap()), "{path}");
            let district = subscription["district"].as_str().unwrap();
            let root = fixtures();
            let folder = if path.contains('/') { root.join("vendors") } else { root }.join(district);
            let orgs = ["orgs.csv", "schools.json"].map(|file| std::fs::read_to_string(folder.join(file)));
            let orgs = orgs.into_iter().flatten().collect::<String>();
            assert!(!orgs.is_empty(), "{path}: {district}");
            for allotment in subscription.get("allotments").and_then(toml::Value::as_array).into_iter().flatten() {
                assert!(orgs.contains(allotment["school"].as_str().unwrap()), "{path}: {district}");
            }
        }
    }
}
