use std::collections::BTreeMap;
use std::path::Path;

use super::fixtures;
use crate::simulate::Defects;
use crate::simulate::QuirkError;
use crate::simulate::World;

/// The files of a folder written with these defects.
fn folder(list: &str) -> BTreeMap<String, Vec<u8>> {
    let target = tempfile::tempdir().unwrap();
    let world = World::load(&fixtures()).unwrap();
    world.csv_folder_with("pomegranate-charter", 1, &Defects::parse(list).unwrap(), target.path()).unwrap();
    let entries = std::fs::read_dir(target.path()).unwrap().map(Result::unwrap);
    let read = |path: &Path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap());
    entries.map(|entry| read(&entry.path())).collect()
}

fn text(list: &str, file: &str) -> String {
    String::from_utf8(folder(list)[file].clone()).unwrap()
}

fn zip(list: &str) -> Vec<u8> {
    let target = tempfile::tempdir().unwrap();
    let path = target.path().join("upload.zip");
    let world = World::load(&fixtures()).unwrap();
    world.csv_zip_with("pomegranate-charter", 1, &Defects::parse(list).unwrap(), &path).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn no_defect_writes_what_the_plain_writer_writes() {
    for (name, bytes) in folder("") {
        let given = std::fs::read(fixtures().join("pomegranate-charter").join(&name)).unwrap();
        assert!(given == bytes, "{name} differs");
    }
}

#[test]
fn bytes_are_damaged_as_named() {
    assert!(folder("bom").values().all(|bytes| bytes.starts_with(b"\xef\xbb\xbf")));
    assert!(folder("cp1252")["users.csv"].contains(&0xe9));
    assert!(!text("no-final-newline", "orgs.csv").ends_with('\n'));
    let mixed = text("mixed-line-ends", "orgs.csv");
    assert!(mixed.matches("\r\n").count() < mixed.matches('\n').count());
    assert!(text("quote-all", "orgs.csv").starts_with("\"sourcedId\",\"status\""));
    assert!(folder("file-case").contains_key("USERS.csv"));
}

#[test]
fn columns_and_cells_are_damaged_as_named() {
    let header = |list: &str, file: &str| text(list, file).lines().next().unwrap().to_owned();
    assert!(header("trailing-columns", "orgs.csv").ends_with("parentSourcedId,,"));
    assert!(header("other-order", "orgs.csv").starts_with("parentSourcedId,"));
    assert!(header("vendor-columns", "orgs.csv").contains(",metadata.note,"));
    assert!(header("old-names", "users.csv").contains(",grade,"));
    assert!(!header("missing-column=role", "users.csv").contains("role"));
    assert!(text("upper-booleans", "users.csv").contains(",TRUE,"));
    assert!(text("odd-dates", "academicSessions.csv").contains(",8/15/2025,6/10/2026,"));
    assert!(text("spaced-lists", "classes.csv").contains("\"PC-S1, PC-S2\""));
    assert!(text("json-lists", "classes.csv").contains("\"[\"\"PC-S1\"\",\"\"PC-S2\"\"]\""));
    assert_eq!(text("duplicates", "users.csv").lines().count(), 42);
    assert!(text("orphans", "enrollments.csv").contains(",nobody,"));
    assert_eq!(text("header-only=courses", "courses.csv").lines().count(), 1);
    let short = text("short-row=users", "users.csv");
    assert!(short.lines().last().unwrap().split(',').count() < short.lines().next().unwrap().split(',').count());
}

#[test]
fn the_manifest_tells_the_truth_or_not() {
    assert!(text("absent=courses", "manifest.csv").contains("file.courses,absent"));
    assert!(text("missing=courses", "manifest.csv").contains("file.courses,bulk"));
    for list in ["absent=courses", "missing=courses"] {
        assert!(!folder(list).contains_key("courses.csv"));
    }
    assert!(text("delta=users", "manifest.csv").contains("file.users,delta"));
    assert!(!folder("no-manifest").contains_key("manifest.csv"));
}

#[test]
fn zips_are_damaged_as_named() {
    let names = |list: &str| -> Vec<String> {
        let bytes = zip(list);
        let mut archive = ::zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        (0..archive.len()).map(|at| archive.by_index_raw(at).unwrap().name().unwrap().into_owned()).collect()
    };
    assert!(names("zip-folder").iter().all(|name| name.starts_with("upload/")));
    assert!(names("zip-macosx").iter().any(|name| name.starts_with("__MACOSX/")));
    assert!(names("zip-slip").contains(&"../outside.csv".to_owned()));
    let twice = zip("zip-duplicate");
    let found = twice.windows(9).filter(|window| window == b"users.csv").count();
    assert_eq!(found, 4, "two entries, each named in its header and in the directory");
    assert!(::zip::ZipArchive::new(std::io::Cursor::new(zip("zip-cut"))).is_err());
    let packed = zip("zip-ratio");
    assert!(packed.len() < 1024 * 1024, "{}", packed.len());
    let mut archive = ::zip::ZipArchive::new(std::io::Cursor::new(packed)).unwrap();
    assert_eq!(archive.by_name("resources.csv").unwrap().size(), 64 * 1024 * 1024);
}

#[test]
fn names_are_checked_as_those_of_quirks_are() {
    let error = Defects::parse("zip-slipp").unwrap_err();
    assert_eq!(error.to_string(), "unknown quirk `zip-slipp`; did you mean `zip-slip`?");
    for list in ["bom=1", "absent"] {
        assert!(matches!(Defects::parse(list), Err(QuirkError::Value { .. })), "{list}");
    }
    let page = include_str!("../defects.rs");
    for name in Defects::names() {
        assert!(page.contains(&format!("`{name}`")) || page.contains(&format!("`{name}=")), "{name}");
    }
}
