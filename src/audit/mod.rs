//! What happened, who did it and why: entries, and the chain that shows when one was tampered with (safety.md, Audit).
//!
//! Pure. The store appends what [`seal`] returns and nothing else; [`Verifier`] and [`Fold`] read it back.

mod canonical;
mod fold;
mod pseudonym;
mod verify;

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::model::{AuditSpan, DistrictId, RunId, Timestamp};

use canonical::Object;
pub use canonical::{NotAnInteger, canonical};
pub use fold::{ByHand, Fold, FoldedPlace, FoldedRecord, FoldedSeat, Row, Rows, Said, Sold, fields_of, not_as_told};
pub use pseudonym::{PREFIX as PSEUDONYM_PREFIX, pseudonym, shown_id};
pub use verify::{Checkpoint, Checkpointed, Fault, Verifier};

/// The `prev` of a district's first entry.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What kind of act an entry tells of (S3.31).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// A change of roles or access.
    Role,
    /// Seats and subscriptions.
    License,
    /// Anything else a person did.
    Administrative,
    /// Anything else.
    System,
}

impl Category {
    /// The word of interface.md.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::License => "license",
            Self::Administrative => "administrative",
            Self::System => "system",
        }
    }

    /// The category of a word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Role, Self::License, Self::Administrative, Self::System].into_iter().find(|it| it.as_str() == text)
    }
}

/// One change, before it has a place in a chain. Holds no personal value (safety.md, People's data).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// Who: `schedule`, `cli:NAME`, `token:NAME`, …
    pub actor: String,
    /// What kind of act.
    pub category: Category,
    /// `ENTITY.VERB`.
    pub action: String,
    /// The entity: `user`, `seat`, …
    pub entity: String,
    /// Its id as it may be shown; see [`shown_id`].
    pub id: String,
    /// The fields that changed, before; none for added.
    pub before: Option<Value>,
    /// The fields that changed, after; none for removed.
    pub after: Option<Value>,
    /// Why.
    pub reason: Option<String>,
}

/// An entry in a district's chain, keys in the order of interface.md.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Number within the district, from 1, without gaps.
    pub seq: i64,
    /// The district.
    pub district: DistrictId,
    /// The run that wrote it; null for what a person did outside of any run.
    pub run: Option<RunId>,
    /// The run's `as_of`.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What kind of act.
    pub category: Category,
    /// `ENTITY.VERB`.
    pub action: String,
    /// The entity.
    pub entity: String,
    /// Its id.
    pub id: String,
    /// Fields before.
    pub before: Option<Value>,
    /// Fields after.
    pub after: Option<Value>,
    /// Why.
    pub reason: Option<String>,
    /// The hash of the entry before, 64 zeros for the first.
    pub prev: String,
    /// `hex(SHA-256(prev, newline, C))`, C being [`Entry::canonical`].
    pub hash: String,
}

impl Entry {
    /// The entry without `prev` and `hash`, as `jq -cS 'del(.prev, .hash)'` prints it.
    pub fn canonical(&self) -> Result<String, NotAnInteger> {
        self.canonical_at(&self.at.to_string())
    }

    /// The same with the text of its instant, which those of a run have in common.
    fn canonical_at(&self, at: &str) -> Result<String, NotAnInteger> {
        let Self {
            seq,
            district,
            run,
            at: _,
            actor,
            category,
            action,
            entity,
            id,
            before,
            after,
            reason,
            prev: _,
            hash: _,
        } = self;
        // In the order of the names.
        let mut object = Object::new();
        object.text("action", Some(action));
        object.text("actor", Some(actor));
        object.value("after", after.as_ref())?;
        object.text("at", Some(at));
        object.value("before", before.as_ref())?;
        object.text("category", Some(category.as_str()));
        object.text("district", Some(district.as_str()));
        object.text("entity", Some(entity));
        object.text("id", Some(id));
        object.text("reason", reason.as_deref());
        object.text("run", run.as_ref().map(RunId::as_str));
        object.number("seq", *seq)?;
        Ok(object.finish())
    }

    /// What its `hash` must be.
    pub fn expected_hash(&self) -> Result<String, NotAnInteger> {
        self.hash_at(&self.at.to_string())
    }

    fn hash_at(&self, at: &str) -> Result<String, NotAnInteger> {
        let digest = Sha256::new()
            .chain_update(self.prev.as_bytes())
            .chain_update(b"\n")
            .chain_update(self.canonical_at(at)?.as_bytes())
            .finalize();
        Ok(hex::encode(digest))
    }
}

/// Puts drafts at the end of a district's chain: `first_seq` is the number of the first, `prev` the present head.
pub fn seal(
    district: &DistrictId,
    run: Option<&RunId>,
    at: Timestamp,
    first_seq: i64,
    prev: &str,
    drafts: Vec<Draft>,
) -> Result<Vec<Entry>, NotAnInteger> {
    let (mut head, text) = (prev.to_owned(), at.to_string());
    let mut entries = Vec::with_capacity(drafts.len());
    for (seq, draft) in (first_seq..).zip(drafts) {
        let Draft { actor, category, action, entity, id, before, after, reason } = draft;
        let mut entry = Entry {
            seq,
            district: district.clone(),
            run: run.cloned(),
            at,
            actor,
            category,
            action,
            entity,
            id,
            before,
            after,
            reason,
            prev: std::mem::take(&mut head),
            hash: String::new(),
        };
        entry.hash = entry.hash_at(&text)?;
        head.clone_from(&entry.hash);
        entries.push(entry);
    }
    Ok(entries)
}

/// The part of the chain that `entries` are; none for no entries.
pub fn span(entries: &[Entry]) -> Option<AuditSpan> {
    let (first, last) = (entries.first()?, entries.last()?);
    Some(AuditSpan { first_seq: first.seq, last_seq: last.seq, head: last.hash.clone() })
}
