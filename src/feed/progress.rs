//! How far a pull has come, for a progress bar.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::Kind;

/// Rows received so far, by kind. Shared: the feed counts, whoever likes reads.
#[derive(Debug, Default)]
pub struct Progress {
    received: [AtomicU64; 6],
    expected: [AtomicU64; 6],
}

impl Progress {
    /// Rows of a kind so far. Enrollments of a Clever feed come with the classes.
    pub fn received(&self, kind: Kind) -> u64 {
        self.received[slot(kind)].load(Ordering::Relaxed)
    }

    /// Rows of a kind that the source announced; 0 where it did not.
    pub fn expected(&self, kind: Kind) -> u64 {
        self.expected[slot(kind)].load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, kind: Kind, rows: usize) {
        self.received[slot(kind)].fetch_add(u64::try_from(rows).unwrap_or(0), Ordering::Relaxed);
    }

    pub(crate) fn expect(&self, kind: Kind, rows: u64) {
        self.expected[slot(kind)].store(rows, Ordering::Relaxed);
    }

    /// The pull starts (over).
    pub(crate) fn begin(&self) {
        for count in self.received.iter().chain(&self.expected) {
            count.store(0, Ordering::Relaxed);
        }
    }
}

fn slot(kind: Kind) -> usize {
    Kind::ALL.iter().position(|it| *it == kind).unwrap_or(0)
}
