//! What was lost lately without a person's word.

use std::collections::BTreeSet;

use crate::model::{Date, SourceId};

/// One thing that a sync took away unattended, as the guard remembers it for its sum of seven days (P10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentLoss {
    /// As in the name of a group: `users/removed`, `users/unenrolled`, `product:CODE/released`, …
    pub what: String,
    /// The record's id as text; of a release the user's.
    pub id: String,
    /// The local day.
    pub on: Date,
    /// The schools it counts in, beside the district.
    pub schools: BTreeSet<SourceId>,
}
