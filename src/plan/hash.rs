//! The name of a plan: what a person approves is what they were shown.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::allocate::SeatChange;
use crate::model::{DistrictId, HoldRecord, Kind, Record, Verb};
use crate::plan::Change;

/// SHA-256 in hex over the canonical JSON of district, ordered changes, ordered seat changes and held groups; the run's id,
/// the revision and `as_of` are not in it (interface.md, JSON).
pub fn plan_hash(
    district: &DistrictId,
    changes: &[Change],
    seats: &[SeatChange],
    holds: &[HoldRecord],
) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Line<'a> {
        kind: Kind,
        id: &'a str,
        verb: Verb,
        after: Option<&'a Record>,
        tombstone: bool,
    }
    #[derive(Serialize)]
    struct Group<'a> {
        name: &'a str,
        count: u64,
        affected: u64,
    }
    let mut lines = Lines::default();
    lines.add(district)?;
    for change in changes {
        let Change { kind, verb, tombstone, after, .. } = change;
        let (kind, id, verb, tombstone) = (*kind, &*change.id(), *verb, *tombstone);
        lines.add(&Line { kind, id, verb, after: after.as_ref(), tombstone })?;
    }
    for seat in seats {
        lines.add(seat)?;
    }
    for HoldRecord { group, count, affected, .. } in holds {
        lines.add(&Group { name: group, count: *count, affected: *affected })?;
    }
    Ok(hex::encode(lines.digest.finalize()))
}

/// The hash of lines so far.
#[derive(Default)]
struct Lines {
    digest: Sha256,
    /// The room of the last one: a first load has millions.
    line: Vec<u8>,
}

impl Lines {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), serde_json::Error> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, value)?;
        self.line.push(b'\n');
        self.digest.update(&self.line);
        Ok(())
    }
}
