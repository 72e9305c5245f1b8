//! Which rows an endpoint of OneRoster means.

use std::collections::BTreeSet;

use crate::simulate::table::CsvSet;
use crate::simulate::table::Table;

/// Whether a row belongs.
pub(crate) type Keep<'a> = Box<dyn Fn(&Table, &[String]) -> bool + 'a>;

/// The rows behind a path.
pub(crate) struct Route<'a> {
    /// The endpoint's own name, which quirks name.
    pub(crate) endpoint: String,
    pub(crate) table: &'static str,
    /// Key of one object; collections add an `s`, or `es` for classes.
    pub(crate) single: &'static str,
    /// One object, not a list.
    pub(crate) one: bool,
    /// A route inside another object, which OAuth 2 asks a wider scope for.
    pub(crate) nested: bool,
    /// None keeps every row.
    pub(crate) keep: Option<Keep<'a>>,
}

impl Route<'_> {
    /// The key of the answer's envelope.
    pub(crate) fn envelope(&self) -> String {
        match (self.one, self.single) {
            (true, _) => self.single.to_owned(),
            (false, "class") => "classes".to_owned(),
            (false, single) => format!("{single}s"),
        }
    }
}

/// A path that leads nowhere.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Astray {
    Endpoint,
    Object,
}

/// Finds the rows of a path, given as decoded segments after the version.
pub(crate) fn route<'a>(set: &'a CsvSet, segments: &[&str]) -> Result<Route<'a>, Astray> {
    match *segments {
        [endpoint] => collection(endpoint),
        [endpoint, id] => {
            let mut route = collection(endpoint)?;
            let belongs = route.keep.take();
            let id = id.to_owned();
            route.one = true;
            route.keep = Some(Box::new(move |table, row| {
                table.cell(row, "sourcedId") == id && belongs.as_ref().is_none_or(|keep| keep(table, row))
            }));
            Ok(route)
        }
        [parent, id, child] => nested(set, parent, id, child),
        ["schools", school, "classes", class, child] => {
            exists(set, "orgs", school)?;
            let in_school = |table: &Table, row: &[String]| table.cell(row, "schoolSourcedId") == school;
            let classes = set.table("classes").ok_or(Astray::Endpoint)?;
            let at = classes.position(class).and_then(|at| classes.rows.get(at)).ok_or(Astray::Object)?;
            if in_school(classes, at) { nested(set, "classes", class, child) } else { Err(Astray::Object) }
        }
        _ => Err(Astray::Endpoint),
    }
}

fn collection<'a>(endpoint: &str) -> Result<Route<'a>, Astray> {
    let of = |column: &'static str, values: &'static [&'static str]| -> Option<Keep<'a>> {
        Some(Box::new(move |table: &Table, row: &[String]| values.contains(&table.cell(row, column))))
    };
    let (table, single, keep): (_, _, Option<Keep<'a>>) = match endpoint {
        "orgs" => ("orgs", "org", None),
        "schools" => ("orgs", "org", of("type", &["school"])),
        "academicSessions" => ("academicSessions", "academicSession", None),
        "terms" => ("academicSessions", "academicSession", of("type", &["term", "semester"])),
        "gradingPeriods" => ("academicSessions", "academicSession", of("type", &["gradingPeriod"])),
        "courses" => ("courses", "course", None),
        "classes" => ("classes", "class", None),
        "users" => ("users", "user", None),
        "students" => ("users", "user", of("role", &["student"])),
        "teachers" => ("users", "user", of("role", &["teacher"])),
        "enrollments" => ("enrollments", "enrollment", None),
        _ => return Err(Astray::Endpoint),
    };
    Ok(Route { endpoint: endpoint.to_owned(), table, single, one: false, nested: false, keep })
}

fn exists(set: &CsvSet, table: &str, id: &str) -> Result<(), Astray> {
    let found = set.table(table).and_then(|table| table.position(id));
    found.map(|_| ()).ok_or(Astray::Object)
}

/// The values of one column where another column has this value.
fn values_where<'a>(set: &'a CsvSet, table: &str, wanted: &str, column: &str, value: &str) -> BTreeSet<&'a str> {
    let Some(table) = set.table(table) else { return BTreeSet::new() };
    table.rows.iter().filter(|row| table.cell(row, column) == value).map(|row| table.cell(row, wanted)).collect()
}

fn nested<'a>(set: &'a CsvSet, parent: &str, id: &str, child: &str) -> Result<Route<'a>, Astray> {
    let table = match parent {
        "schools" => "orgs",
        "classes" => "classes",
        "courses" => "courses",
        "terms" => "academicSessions",
        "students" | "teachers" | "users" => "users",
        _ => return Err(Astray::Endpoint),
    };
    let mut route = collection(child)?;
    exists(set, table, id)?;
    let id = id.to_owned();
    let keep: Keep<'a> = match (parent, child) {
        ("schools", "classes" | "enrollments") => {
            Box::new(move |table, row| table.cell(row, "schoolSourcedId") == id.as_str())
        }
        ("schools", "courses") => {
            let courses = values_where(set, "classes", "courseSourcedId", "schoolSourcedId", &id);
            Box::new(move |table, row| {
                table.cell(row, "orgSourcedId") == id.as_str() || courses.contains(table.cell(row, "sourcedId"))
            })
        }
        ("schools", "students" | "teachers") => {
            Box::new(move |table, row| table.cell(row, "orgSourcedIds").split(',').any(|org| org.trim() == id))
        }
        ("schools", "terms") => {
            let lists = values_where(set, "classes", "termSourcedIds", "schoolSourcedId", &id);
            let terms: BTreeSet<&str> = lists.iter().flat_map(|list| list.split(',').map(str::trim)).collect();
            Box::new(move |table, row| terms.contains(table.cell(row, "sourcedId")))
        }
        ("classes", "students" | "teachers") => {
            let role = child.trim_end_matches('s').to_owned();
            let enrolled = set.table("enrollments").map_or_else(BTreeSet::new, |table| {
                let of =
                    |row: &&Vec<String>| table.cell(row, "classSourcedId") == id && table.cell(row, "role") == role;
                table.rows.iter().filter(of).map(|row| table.cell(row, "userSourcedId")).collect()
            });
            route.keep = None;
            Box::new(move |table, row| enrolled.contains(table.cell(row, "sourcedId")))
        }
        ("classes", "enrollments") => Box::new(move |table, row| table.cell(row, "classSourcedId") == id.as_str()),
        ("courses", "classes") => Box::new(move |table, row| table.cell(row, "courseSourcedId") == id.as_str()),
        ("students" | "teachers" | "users", "classes") => {
            let classes = values_where(set, "enrollments", "classSourcedId", "userSourcedId", &id);
            Box::new(move |table, row| classes.contains(table.cell(row, "sourcedId")))
        }
        ("terms", "classes") => {
            Box::new(move |table, row| table.cell(row, "termSourcedIds").split(',').any(|term| term.trim() == id))
        }
        ("terms", "gradingPeriods") => Box::new(move |table, row| table.cell(row, "parentSourcedId") == id.as_str()),
        _ => return Err(Astray::Endpoint),
    };
    let belongs = route.keep.take();
    route.nested = true;
    route.keep =
        Some(Box::new(move |table, row| keep(table, row) && belongs.as_ref().is_none_or(|also| also(table, row))));
    Ok(route)
}
