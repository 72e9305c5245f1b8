//! What tells the row of an active record from any other (`snapshot/known.rs` has the rules).

use std::collections::BTreeMap;

use crate::model::Kind;

/// Bytes of a mark as the store keeps it.
const BYTES: usize = 24;

/// What tells a row from any other; all zero where no row stands for the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowMark {
    /// A hash of its bytes, as bytes: a district has millions of marks, and no gap shall be between them.
    row: [u8; 16],
    /// A hash of the id the source gives it, by which it is seen to have come twice.
    pub id: u64,
}

impl RowMark {
    /// Of a row with this hash of its bytes and this one of its id.
    pub fn new(row: u128, id: u64) -> Self {
        Self { row: row.to_le_bytes(), id }
    }

    /// The hash of its bytes.
    pub fn row(self) -> u128 {
        u128::from_le_bytes(self.row)
    }

    /// Whether it stands for a row.
    pub fn is_set(self) -> bool {
        self != Self::default()
    }
}

/// The marks of a district's active records, by kind and in the order of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownRows {
    /// Names the hash: installation, version of the parser, settings of the feed. Marks of another mean nothing.
    pub seed: String,
    /// Names this set of marks.
    pub stamp: String,
    /// The marks.
    pub marks: BTreeMap<Kind, Vec<RowMark>>,
}

impl KnownRows {
    /// Marks as bytes, 24 each.
    pub fn to_bytes(marks: &[RowMark]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(marks.len() * BYTES);
        for mark in marks {
            bytes.extend_from_slice(&mark.row);
            bytes.extend_from_slice(&mark.id.to_le_bytes());
        }
        bytes
    }

    /// Reads [`KnownRows::to_bytes`]; none of a number of bytes that cannot be.
    pub fn from_bytes(bytes: &[u8]) -> Option<Vec<RowMark>> {
        let (all, rest) = bytes.as_chunks::<BYTES>();
        let mut marks = Vec::with_capacity(all.len());
        for it in all {
            let (row, id) = it.split_first_chunk()?;
            marks.push(RowMark { row: *row, id: u64::from_le_bytes(id.try_into().ok()?) });
        }
        rest.is_empty().then_some(marks)
    }
}
