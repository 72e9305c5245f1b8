//! Records as their entries tell them: whether they are there, which run wrote them last, and on what a removal rests.

use std::collections::BTreeMap;

use crate::audit::Entry;
use crate::model::RunId;

/// A record, all that the audit tells of it but the fields that are no person's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldedRecord {
    /// Whether it is there; else it is archived.
    pub active: bool,
    /// Of an archived one: whether it left by mere absence, which is no evidence (licensing.md, step 2).
    pub departed: bool,
    /// The run that wrote it last.
    pub run: Option<RunId>,
}

/// Plays an entry about the record of that name; false if it cannot follow from what there was. `run` is the entry's, its
/// text shared with that of the entry before.
pub(super) fn push(
    records: &mut BTreeMap<String, FoldedRecord>,
    entry: &Entry,
    (verb, name): (&str, String),
    run: Option<RunId>,
) -> bool {
    let known = records.get(&name).is_some_and(|it| it.active);
    let (fits, active) = match verb {
        "added" | "restored" => (!known, true),
        "changed" => (known, true),
        "removed" => (known, false),
        _ => return true,
    };
    // Every removal that rests on more than absence says on what.
    let departed = !active && entry.reason.is_none();
    records.insert(name, FoldedRecord { active, departed, run });
    fits
}
