//! The name of a plan: what a person approves is what they were shown.

use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::allocate::SeatChange;
use crate::model::{DistrictId, HoldRecord, Kind, Verb};
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
        after: Option<Box<RawValue>>,
        tombstone: bool,
    }
    #[derive(Serialize)]
    struct Group<'a> {
        name: &'a str,
        count: u64,
        affected: u64,
    }
    let mut digest = Sha256::new();
    let mut part = |text: String| {
        digest.update(text);
        digest.update("\n");
    };
    part(serde_json::to_string(district)?);
    for change in changes {
        let after = match &change.after {
            Some(record) => Some(RawValue::from_string(record.body()?)?),
            None => None,
        };
        let Change { kind, verb, tombstone, .. } = change;
        let id = change.id();
        part(serde_json::to_string(&Line { kind: *kind, id: &id, verb: *verb, after, tombstone: *tombstone })?);
    }
    for seat in seats {
        part(serde_json::to_string(seat)?);
    }
    for HoldRecord { group, count, affected, .. } in holds {
        part(serde_json::to_string(&Group { name: group, count: *count, affected: *affected })?);
    }
    Ok(hex::encode(digest.finalize()))
}
