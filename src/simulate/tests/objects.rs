use serde_json::Value;

use super::fixtures;
use crate::simulate::Quirks;
use crate::simulate::Version;
use crate::simulate::World;
use crate::simulate::oneroster::object::Writer;
use crate::simulate::oneroster::object::field_names;
use crate::simulate::table::CsvSet;
use crate::simulate::table::FILES;
use crate::simulate::world::Day;

const BASE: &str = "http://host/base";

/// Every row of every table with its object.
fn each(version: Version, mut check: impl FnMut(&str, &CsvSet, &[String], &Value)) {
    let world = World::load(&fixtures()).unwrap();
    for district in ["mulberry-springs", "pomegranate-charter"] {
        let day = world.day(district, 2).unwrap();
        let Day::OneRoster(set) = &*day else { panic!("{district} is not CSV") };
        let quirks = Quirks::none();
        let writer = Writer { version, set, base: BASE, quirks: &quirks };
        for file in FILES {
            for row in &set.tables[file].rows {
                check(file, set, row, &writer.object(file, &set.tables[file], row));
            }
        }
    }
}

/// What a column says in an object: texts, lists and references back in the cell's own form.
fn cell_of(object: &Value, column: &str) -> String {
    let ids = |list: &Value| -> Vec<String> {
        let id = |item: &Value| item.get("sourcedId").unwrap_or(item).as_str().unwrap().to_owned();
        list.as_array().into_iter().flatten().map(id).collect()
    };
    match column {
        "termSourcedIds" => ids(&object["terms"]).join(","),
        "orgSourcedIds" if object.get("roles").is_some() => {
            let orgs =
                object["roles"].as_array().unwrap().iter().map(|role| role["org"]["sourcedId"].as_str().unwrap());
            orgs.collect::<Vec<_>>().join(",")
        }
        "orgSourcedIds" => ids(&object["orgs"]).join(","),
        _ => {
            let field = &object[column.trim_end_matches("SourcedId").trim_end_matches("SourcedIds")];
            match field {
                Value::Array(_) => ids(field).join(","),
                Value::Object(reference) => reference["sourcedId"].as_str().unwrap().to_owned(),
                other => other.as_str().unwrap_or("").to_owned(),
            }
        }
    }
}

#[test]
fn nothing_of_a_row_is_lost_on_the_way_into_json() {
    for version in [Version::V1p1, Version::V1p2] {
        each(version, |file, set, row, object| {
            let table = &set.tables[file];
            for column in &table.header {
                let cell = table.cell(row, column);
                let said_otherwise = matches!(column.as_str(), "status" | "dateLastModified" | "userIds")
                    || (column == "role" && version == Version::V1p2);
                if !said_otherwise {
                    assert_eq!(cell_of(object, column), cell, "{version:?} {file} {column}");
                }
            }
        });
    }
}

#[test]
fn objects_have_no_field_outside_their_version() {
    for version in [Version::V1p1, Version::V1p2] {
        each(version, |file, _, _, object| {
            let known = field_names(version, file);
            for field in object.as_object().unwrap().keys() {
                assert!(known.contains(&field.as_str()), "{version:?} {file} {field}");
            }
        });
    }
}

#[test]
fn references_name_address_id_and_type() {
    each(Version::V1p1, |file, _, _, object| {
        if file == "enrollments" {
            let user = &object["user"];
            assert_eq!(user["type"], "user");
            assert!(user["href"].as_str().unwrap().starts_with("http://host/base/users/"));
        }
    });
}

#[test]
fn the_roles_of_1_2_are_its_own_words() {
    let words = [
        "aide",
        "counselor",
        "districtAdministrator",
        "guardian",
        "parent",
        "principal",
        "proctor",
        "relative",
        "siteAdministrator",
        "student",
        "systemAdministrator",
        "teacher",
    ];
    each(Version::V1p2, |file, _, _, object| match file {
        "users" => {
            let roles = object["roles"].as_array().unwrap();
            assert!(!roles.is_empty() && roles.iter().all(|role| words.contains(&role["role"].as_str().unwrap())));
        }
        "enrollments" => {
            let role = object["role"].as_str().unwrap();
            assert!(["student", "teacher", "ext:aide"].contains(&role), "{role}");
        }
        _ => {}
    });
}
