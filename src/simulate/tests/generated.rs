use std::collections::BTreeSet;

use crate::simulate::World;
use crate::simulate::generate::District;
use crate::simulate::table::CsvSet;

fn ids(set: &CsvSet, table: &str) -> BTreeSet<String> {
    let table = set.table(table).unwrap();
    table.rows.iter().map(|row| table.cell(row, "sourcedId").to_owned()).collect()
}

#[test]
fn the_ratios_are_those_of_a_real_district() {
    let roster = District::new("big", 7, 4000).night(1);
    assert_eq!((roster.students(), roster.teachers(), roster.classes()), (4000, 300, 1000));
    assert_eq!(roster.enrollments(), 24_000);
    let set = roster.to_set();
    assert_eq!(set.tables["orgs"].rows.len(), 9, "the district and eight schools of 500");
    assert_eq!(set.tables["enrollments"].rows.len(), 24_000);
    assert_eq!(ids(&set, "enrollments").len(), 24_000, "no enrollment twice");
}

#[test]
fn every_reference_resolves() {
    for students in [1, 3, 40, 700, 1300] {
        let set = District::new("any", 3, students).night(3).to_set();
        let resolves = |table: &str, column: &str, target: &str| {
            let known = ids(&set, target);
            let table = set.table(table).unwrap();
            table.rows.iter().all(|row| table.cell(row, column).split(',').all(|id| known.contains(id)))
        };
        assert!(resolves("enrollments", "userSourcedId", "users"), "{students} students");
        assert!(resolves("enrollments", "classSourcedId", "classes"));
        assert!(resolves("classes", "courseSourcedId", "courses"));
        assert!(resolves("classes", "termSourcedIds", "academicSessions"));
        assert!(resolves("users", "orgSourcedIds", "orgs"));
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let target = tempfile::tempdir().unwrap();
    let zip = |seed, name: &str| {
        let path = target.path().join(name);
        District::new("same", seed, 300).night(2).write_zip(&path).unwrap();
        std::fs::read(path).unwrap()
    };
    assert!(zip(1, "a.zip") == zip(1, "b.zip"));
    assert!(zip(1, "c.zip") != zip(2, "d.zip"));
}

#[test]
fn a_night_changes_about_the_share_that_was_asked() {
    let district = District { changed_per_10_000: 300, ..District::new("nights", 11, 5000) };
    let (before, after) = (district.night(1).to_set(), district.night(2).to_set());
    let (old, new) = (ids(&before, "users"), ids(&after, "users"));
    let (left, joined) = (old.difference(&new).count(), new.difference(&old).count());
    assert_eq!(left, joined, "as many join as leave");
    let rows = |set: &CsvSet| -> BTreeSet<Vec<String>> { set.tables["users"].rows.iter().cloned().collect() };
    let changed = rows(&after).difference(&rows(&before)).count();
    assert!((50..150).contains(&changed), "{changed} users added or changed of about 150 touched");
    let moved = |set: &CsvSet| ids(set, "enrollments");
    assert!(moved(&after).difference(&moved(&before)).count() > 100, "classes change too");
}

#[test]
fn a_world_of_generated_districts_plays_its_nights_as_days() {
    let district = District::new("made", 5, 100);
    let world = World::from_generated([district.clone()]);
    let target = tempfile::tempdir().unwrap();
    world.csv_folder("made", 4, &target.path().join("world")).unwrap();
    district.night(4).write_folder(&target.path().join("own")).unwrap();
    for file in ["users.csv", "enrollments.csv", "manifest.csv"] {
        let read = |of: &str| std::fs::read(target.path().join(of).join(file)).unwrap();
        assert!(read("world") == read("own"), "{file} differs");
    }
}
