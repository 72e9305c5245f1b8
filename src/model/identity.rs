//! What people decided about accounts that may be of one person (safety.md, Identity).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{ProductCode, SourceId, Timestamp};

/// What two accounts are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// The second is the first under a new id: the source renumbered the person (P16, P17).
    Rekeyed,
    /// Both are there, and of one person (S2.9).
    Duplicate,
}

/// What a person said of a proposed link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkVerdict {
    /// One person; can be undone.
    Accepted,
    /// Two people, for ever (P45): never proposed again unless that is undone.
    Refused,
}

/// A decision on one pair of accounts. It rests on ids alone, so that it outlives the proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkDecision {
    /// Names the pair.
    pub id: String,
    /// What they are to each other.
    pub kind: LinkKind,
    /// Of a re-keyed person the old id; of duplicates the smaller one.
    pub first: SourceId,
    /// The other one.
    pub second: SourceId,
    /// The account that stands for the person from then on.
    pub survivor: SourceId,
    /// Accepted or refused.
    pub verdict: LinkVerdict,
    /// Who decided.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// Seats that the old id of a re-keyed person had then, each with its `since`: undoing takes them back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seats: Vec<(ProductCode, Timestamp)>,
}
