//! The query of a collection: limit, offset, sort, fields and the filter subset (protocol page 2.5).

use std::cmp::Ordering;

use axum::http::StatusCode;
use chrono::DateTime;

use super::Version;
use super::object::UNDATED;
use super::status;
use crate::simulate::http::Call;
use crate::simulate::http::Reply;
use crate::simulate::table::Table;

/// Rows of a page when the client does not say.
const DEFAULT_LIMIT: usize = 100;
/// Rows of a page at most; more is silently less, as servers do.
const MAX_LIMIT: usize = 10_000;

/// A query, read.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) limit: usize,
    pub(crate) offset: usize,
    /// Field and whether descending.
    pub(crate) sort: Option<(String, bool)>,
    pub(crate) fields: Option<Vec<String>>,
    pub(crate) filter: Option<Filter>,
}

/// At most two clauses and the word between them.
#[derive(Debug)]
pub(crate) struct Filter {
    clauses: Vec<Clause>,
    any: bool,
}

#[derive(Debug)]
struct Clause {
    field: String,
    operator: &'static str,
    value: String,
}

/// Longest first, so that `>=` is not read as `>`.
const OPERATORS: [&str; 7] = ["!=", ">=", "<=", "=", ">", "<", "~"];

/// The value of a row's field as a filter or sort sees it; nothing for a field that cannot be used.
pub(crate) fn field_value<'a>(table: &Table, row: &'a [String], field: &str) -> Option<&'a str> {
    let column = match field.split_once('.') {
        Some(("roles", "role")) => "role".to_owned(),
        Some((of, "sourcedId")) => format!("{of}SourcedId"),
        Some(_) => return None,
        None if field.ends_with("SourcedId") || field.ends_with("SourcedIds") => return None,
        None => field.to_owned(),
    };
    let cell = row.get(table.column(&column)?)?.as_str();
    Some(match (field, cell) {
        ("status", "") => "active",
        ("dateLastModified", "") => UNDATED,
        _ => cell,
    })
}

impl Query {
    /// Reads a query, or says what is wrong with it as the version's error.
    pub(crate) fn read(call: &Call, version: Version, table: &Table, known: &[&str]) -> Result<Query, Box<Reply>> {
        let refuse = |minor: &str, text: &str| Box::new(status::failure(version, StatusCode::BAD_REQUEST, minor, text));
        let count = |name: &str, least: usize, default: usize| match call.param(name) {
            None => Ok(default),
            Some(text) => text
                .parse::<usize>()
                .ok()
                .filter(|count| *count >= least)
                .ok_or_else(|| refuse("invaliddata", &format!("{name} is a whole number from {least}"))),
        };
        let usable = |field: &str| field_value(table, &table.header, field).is_some();
        let descending = match call.param("orderBy") {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => return Err(refuse("invalid_sort_field", "orderBy is asc or desc")),
        };
        let sort = call.param("sort").map(|field| (field.to_owned(), descending));
        if sort.as_ref().is_some_and(|(field, _)| !usable(field)) {
            return Err(refuse("invalid_sort_field", "this field cannot be sorted by"));
        }
        let fields: Option<Vec<String>> =
            call.param("fields").map(|list| list.split(',').map(|field| field.trim().to_owned()).collect());
        if fields.iter().flatten().any(|field| !known.contains(&field.as_str())) {
            return Err(refuse("invalid_selection_field", "fields names a field these objects do not have"));
        }
        let minor = match version {
            Version::V1p1 => "invaliddata",
            Version::V1p2 => "invalid_filter_field",
        };
        let filter = match call.param("filter") {
            None => None,
            Some(text) => Some(Filter::read(text).ok_or_else(|| refuse(minor, "the filter cannot be read"))?),
        };
        if filter.iter().flat_map(|filter| &filter.clauses).any(|clause| !usable(&clause.field)) {
            return Err(refuse(minor, "the filter names a field that cannot be filtered by"));
        }
        let (limit, offset) = (count("limit", 1, DEFAULT_LIMIT)?.min(MAX_LIMIT), count("offset", 0, 0)?);
        Ok(Query { limit, offset, sort, fields, filter })
    }
}

impl Filter {
    fn read(text: &str) -> Option<Filter> {
        let (first, rest) = Clause::read(text)?;
        if rest.is_empty() {
            return Some(Filter { clauses: vec![first], any: false });
        }
        let (any, rest) = match rest.strip_prefix(" AND ") {
            Some(rest) => (false, rest),
            None => (true, rest.strip_prefix(" OR ")?),
        };
        let (second, rest) = Clause::read(rest)?;
        rest.is_empty().then(|| Filter { clauses: vec![first, second], any })
    }

    /// Whether a row passes.
    pub(crate) fn keeps(&self, table: &Table, row: &[String]) -> bool {
        let mut passes = self.clauses.iter().map(|clause| {
            let value = field_value(table, row, &clause.field).unwrap_or("");
            clause.holds(value)
        });
        if self.any { passes.any(|pass| pass) } else { passes.all(|pass| pass) }
    }
}

impl Clause {
    /// One clause and what follows it. A quote inside a value is doubled.
    fn read(text: &str) -> Option<(Clause, &str)> {
        let at = text.find(['=', '!', '>', '<', '~'])?;
        let (field, rest) = text.split_at_checked(at)?;
        let operator = OPERATORS.into_iter().find(|operator| rest.starts_with(operator))?;
        let mut rest = rest.strip_prefix(operator)?.trim_start().strip_prefix('\'')?;
        let mut value = String::new();
        loop {
            let (before, after) = rest.split_once('\'')?;
            value.push_str(before);
            match after.strip_prefix('\'') {
                Some(more) => {
                    value.push('\'');
                    rest = more;
                }
                None => {
                    return Some((Clause { field: field.trim().to_owned(), operator, value }, after));
                }
            }
        }
    }

    fn holds(&self, value: &str) -> bool {
        let order = compare(value, &self.value);
        match self.operator {
            "=" => order == Ordering::Equal,
            "!=" => order != Ordering::Equal,
            ">" => order == Ordering::Greater,
            ">=" => order != Ordering::Less,
            "<" => order == Ordering::Less,
            "<=" => order != Ordering::Greater,
            _ => value.to_lowercase().contains(&self.value.to_lowercase()),
        }
    }
}

/// Times as times, all else as text.
fn compare(left: &str, right: &str) -> Ordering {
    match (DateTime::parse_from_rfc3339(left), DateTime::parse_from_rfc3339(right)) {
        (Ok(left), Ok(right)) => left.cmp(&right),
        _ => left.cmp(right),
    }
}
