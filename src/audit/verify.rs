//! Walking a chain from its first entry: the first one that was altered, removed, inserted or cut off is found.

use serde::{Deserialize, Serialize};

use crate::audit::{Entry, GENESIS};
use crate::model::{DistrictId, Timestamp};

/// The end of a chain at one moment, for keeping elsewhere: a chain alone does not show that its end was cut off (P53).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The district.
    pub district: DistrictId,
    /// Number of entries.
    pub size: i64,
    /// Hash of the last one, 64 zeros for none.
    pub head: String,
    /// When the checkpoint was taken.
    pub at: Timestamp,
}

/// The first thing wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A number is missing.
    #[error("audit entry {seq} of `{district}` was removed: entry {found} follows {before}", before = seq - 1)]
    Removed {
        /// The district.
        district: DistrictId,
        /// The missing number.
        seq: i64,
        /// The number that stands in its place.
        found: i64,
    },
    /// An entry stands where none belongs.
    #[error("audit entry {seq} of `{district}` was inserted: {reason}")]
    Inserted {
        /// The district.
        district: DistrictId,
        /// Its number.
        seq: i64,
        /// How it shows.
        reason: &'static str,
    },
    /// `prev` is not the hash of the entry before: one of the two was replaced.
    #[error(
        "audit entry {seq} of `{district}` does not follow the entry before it: it was inserted or altered, or the one before it was replaced"
    )]
    Unchained {
        /// The district.
        district: DistrictId,
        /// Its number.
        seq: i64,
    },
    /// The hash does not fit the content.
    #[error("audit entry {seq} of `{district}` was altered: its content does not give its hash")]
    Altered {
        /// The district.
        district: DistrictId,
        /// Its number.
        seq: i64,
    },
    /// The chain ends before the checkpoint.
    #[error(
        "the audit chain of `{district}` was cut: it ends at entry {found}, {by} says {size}; entry {next} is the first that is missing",
        next = found + 1
    )]
    Cut {
        /// The district.
        district: DistrictId,
        /// The last number found.
        found: i64,
        /// Number of entries there were.
        size: i64,
        /// Who says so.
        by: &'static str,
    },
    /// The chain was written anew: it holds together but is not the one of the checkpoint.
    #[error("audit entry {seq} of `{district}` is not the one that {by} knows: the chain was written anew")]
    Rewritten {
        /// The district.
        district: DistrictId,
        /// The number of the checkpoint's entry.
        seq: i64,
        /// Who says so.
        by: &'static str,
    },
    /// The store's own mark of the end is behind the chain.
    #[error("audit entry {seq} of `{district}` was inserted after the end that the store knows")]
    BeyondHead {
        /// The district.
        district: DistrictId,
        /// The first number too many.
        seq: i64,
    },
}

/// Takes a district's entries in order of `seq`, one at a time, and holds none of them.
#[derive(Clone, Debug)]
pub struct Verifier {
    district: DistrictId,
    checkpoint: Option<Checkpoint>,
    seq: i64,
    head: String,
}

impl Verifier {
    /// Starts at the first entry of `district`. With a `checkpoint`, the chain must contain its end.
    pub fn new(district: DistrictId, checkpoint: Option<Checkpoint>) -> Self {
        Self { district, checkpoint, seq: 0, head: GENESIS.to_owned() }
    }

    /// The next entry.
    pub fn push(&mut self, entry: &Entry) -> Result<(), Fault> {
        let district = self.district.clone();
        let (expected, seq) = (self.seq + 1, entry.seq);
        if entry.district != district {
            let reason = "it names another district";
            return Err(Fault::Inserted { district, seq, reason });
        }
        if seq > expected {
            return Err(Fault::Removed { district, seq: expected, found: seq });
        }
        if seq < expected {
            let reason = "its number was used before";
            return Err(Fault::Inserted { district, seq, reason });
        }
        if entry.expected_hash().as_ref() != Ok(&entry.hash) {
            return Err(Fault::Altered { district, seq });
        }
        if entry.prev != self.head {
            return Err(Fault::Unchained { district, seq });
        }
        if let Some(checkpoint) = &self.checkpoint
            && checkpoint.size == seq
            && checkpoint.head != entry.hash
        {
            return Err(Fault::Rewritten { district, seq, by: "the checkpoint" });
        }
        self.seq = seq;
        self.head.clone_from(&entry.hash);
        Ok(())
    }

    /// After the last entry. `known_end` is the size and head that the store keeps beside the chain.
    pub fn finish(&self, known_end: Option<(i64, &str)>) -> Result<Checkpointed, Fault> {
        let district = self.district.clone();
        let found = self.seq;
        if let Some(checkpoint) = &self.checkpoint
            && checkpoint.size > found
        {
            let size = checkpoint.size;
            return Err(Fault::Cut { district, found, size, by: "the checkpoint" });
        }
        if let Some((size, head)) = known_end {
            if size > found {
                return Err(Fault::Cut { district, found, size, by: "the store" });
            }
            if size < found {
                return Err(Fault::BeyondHead { district, seq: size + 1 });
            }
            if head != self.head {
                return Err(Fault::Rewritten { district, seq: size, by: "the store" });
            }
        }
        Ok(Checkpointed { size: self.seq, head: self.head.clone() })
    }
}

/// The end of a chain that holds together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpointed {
    /// Number of entries.
    pub size: i64,
    /// Hash of the last one.
    pub head: String,
}
