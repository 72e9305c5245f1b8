//! Audit entries as CSV, one a line, the columns in the order of interface.md.

use serde_json::Value;

use crate::audit::Entry;

use super::csv;

const COLUMNS: [&str; 14] = [
    "seq", "district", "run", "at", "actor", "category", "action", "entity", "id", "before", "after", "reason", "prev",
    "hash",
];

/// The first line.
pub fn header() -> String {
    csv::line(COLUMNS)
}

/// The line of an entry.
pub fn line(entry: &Entry) -> String {
    let json = |it: &Option<Value>| it.as_ref().map(ToString::to_string).unwrap_or_default();
    let Entry { seq, district, run, at, actor, category, action, entity, id, before, after, reason, prev, hash } =
        entry;
    let (seq, at, before, after) = (seq.to_string(), at.to_string(), json(before), json(after));
    csv::line([
        seq.as_str(),
        district.as_str(),
        run.as_ref().map(crate::model::RunId::as_str).unwrap_or_default(),
        &at,
        actor,
        category.as_str(),
        action,
        entity,
        id,
        &before,
        &after,
        reason.as_deref().unwrap_or_default(),
        prev,
        hash,
    ])
}
