//! Days: patches over a fixture's own format (`fixtures/README.md`, Days).

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;

use super::SimulateError;
use super::table::CsvSet;
use super::table::Table;

/// The collections of a Clever district, each ascending by id.
pub(crate) type Objects = BTreeMap<String, BTreeMap<String, Value>>;

/// One `day-N.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DayPatch {
    pub(crate) day: u32,
    pub(crate) says: String,
    changes: Vec<Change>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
enum Change {
    Add {
        collection: String,
        row: Map<String, Value>,
    },
    Set {
        collection: String,
        id: String,
        fields: Map<String, Value>,
    },
    Remove {
        collection: String,
        id: String,
        #[serde(default)]
        keep_references: bool,
    },
}

impl DayPatch {
    pub(crate) fn read(path: &Path) -> Result<DayPatch, SimulateError> {
        let bytes = std::fs::read(path).map_err(|source| SimulateError::Read { path: path.to_owned(), source })?;
        serde_json::from_slice(&bytes).map_err(|error| SimulateError::Json {
            path: path.to_owned(),
            line: error.line(),
            column: error.column(),
            problem: "not a day's patch; fixtures/README.md has the shape",
        })
    }

    pub(crate) fn apply_to_csv(&self, set: &mut CsvSet, path: &Path) -> Result<(), SimulateError> {
        self.apply(path, |change| csv_change(set, change))
    }

    pub(crate) fn apply_to_objects(&self, objects: &mut Objects, path: &Path) -> Result<(), SimulateError> {
        self.apply(path, |change| object_change(objects, change))
    }

    fn apply(&self, path: &Path, mut one: impl FnMut(&Change) -> Result<(), String>) -> Result<(), SimulateError> {
        for (at, change) in self.changes.iter().enumerate() {
            let misfit = |problem| SimulateError::Patch { path: path.to_owned(), change: at + 1, problem };
            one(change).map_err(misfit)?;
        }
        Ok(())
    }
}

fn csv_change(set: &mut CsvSet, change: &Change) -> Result<(), String> {
    let unknown = |collection: &str| format!("there is no {collection}.csv");
    match change {
        Change::Add { collection, row } => {
            let table = set.tables.get_mut(collection).ok_or_else(|| unknown(collection))?;
            let mut cells = vec![String::new(); table.header.len()];
            write_cells(table, row, &mut cells)?;
            let id = table.cell(&cells, "sourcedId").to_owned();
            if id.is_empty() || table.position(&id).is_some() {
                return Err(format!("cannot add to {collection}: the id `{id}` is empty or there already"));
            }
            table.rows.push(cells);
        }
        Change::Set { collection, id, fields } => {
            let table = set.tables.get_mut(collection).ok_or_else(|| unknown(collection))?;
            let at = table.position(id).ok_or_else(|| format!("{collection} has no `{id}`"))?;
            let mut cells = table.rows.get(at).cloned().unwrap_or_default();
            write_cells(table, fields, &mut cells)?;
            table.rows.splice(at..=at, [cells]);
        }
        Change::Remove { collection, id, keep_references } => {
            let table = set.tables.get_mut(collection).ok_or_else(|| unknown(collection))?;
            let at = table.position(id).ok_or_else(|| format!("{collection} has no `{id}`"))?;
            table.rows.remove(at);
            if collection == "users"
                && !keep_references
                && let Some(enrollments) = set.tables.get_mut("enrollments")
                && let Some(user) = enrollments.column("userSourcedId")
            {
                enrollments.rows.retain(|row| row.get(user) != Some(id));
            }
        }
    }
    Ok(())
}

fn write_cells(table: &Table, fields: &Map<String, Value>, cells: &mut [String]) -> Result<(), String> {
    for (name, value) in fields {
        let cell = table.column(name).and_then(|at| cells.get_mut(at));
        let cell = cell.ok_or_else(|| format!("there is no column `{name}`"))?;
        value.as_str().ok_or_else(|| format!("column `{name}` needs a text"))?.clone_into(cell);
    }
    Ok(())
}

fn object_change(objects: &mut Objects, change: &Change) -> Result<(), String> {
    let unknown = |collection: &str| format!("there is no {collection}.json");
    match change {
        Change::Add { collection, row } => {
            let kind = objects.get_mut(collection).ok_or_else(|| unknown(collection))?;
            let id = row.get("id").and_then(Value::as_str).unwrap_or("").to_owned();
            if id.is_empty() || kind.contains_key(&id) {
                return Err(format!("cannot add to {collection}: the id `{id}` is empty or there already"));
            }
            kind.insert(id, Value::Object(row.clone()));
        }
        Change::Set { collection, id, fields } => {
            let kind = objects.get_mut(collection).ok_or_else(|| unknown(collection))?;
            let object = kind.get_mut(id).ok_or_else(|| format!("{collection} has no `{id}`"))?;
            for (path, value) in fields {
                set_path(object, path, value)?;
            }
        }
        Change::Remove { collection, id, keep_references } => {
            let kind = objects.get_mut(collection).ok_or_else(|| unknown(collection))?;
            kind.remove(id).ok_or_else(|| format!("{collection} has no `{id}`"))?;
            if collection == "users" && !keep_references {
                for section in objects.get_mut("sections").into_iter().flat_map(BTreeMap::values_mut) {
                    take_out_of_section(section, id);
                }
            }
        }
    }
    Ok(())
}

fn set_path(object: &mut Value, path: &str, value: &Value) -> Result<(), String> {
    let (parents, last) = path.rsplit_once('.').unwrap_or(("", path));
    let mut at = object;
    for step in parents.split('.').filter(|step| !step.is_empty()) {
        at = at.get_mut(step).ok_or_else(|| format!("there is no `{step}` on the path `{path}`"))?;
    }
    let fields = at.as_object_mut().ok_or_else(|| format!("`{path}` does not lead into an object"))?;
    fields.insert(last.to_owned(), value.clone());
    Ok(())
}

/// Takes a removed user out of a section; `teacher` stays the first of `teachers`.
fn take_out_of_section(section: &mut Value, user: &str) {
    for list in ["students", "teachers"] {
        if let Some(members) = section.get_mut(list).and_then(Value::as_array_mut) {
            members.retain(|member| member.as_str() != Some(user));
        }
    }
    if section.get("teacher").and_then(Value::as_str) == Some(user) {
        let first = section.pointer("/teachers/0").cloned().unwrap_or_else(|| Value::String(String::new()));
        if let Some(fields) = section.as_object_mut() {
            fields.insert("teacher".to_owned(), first);
        }
    }
}
