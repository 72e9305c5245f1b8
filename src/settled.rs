//! How a sync left a district, as far as a later one asks that finds the source as it was.
//!
//! A plan rests on what the source says, on what the store has, and on the day. Where the source says the same, nothing was
//! written since, and no date has come that could matter, the plan is the one that was carried out: there is nothing to do, and
//! nobody need read a million records to see it. The commonest night is one of these.

use serde::{Deserialize, Serialize};

use crate::allocate::License;
use crate::model::{Counts, Date, SeatCounts, SnapshotSummary};

/// A district with nothing left to do: no change waits, no seat is leaving, bridged or over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Names what the source said (`Snapshot::digest`).
    pub digest: String,
    /// The first local day on which dates may bring something about.
    pub until: Date,
    /// What a sync of the same counts.
    pub counts: Counts,
    /// The same of seats.
    pub seats: SeatCounts,
    /// What the feed says, without which pull it was.
    pub snapshot: SnapshotSummary,
    /// `rosterd licenses --by-school`: the alerts look at them each night, since they count days of their own.
    pub rows: Vec<License>,
    /// The district's name as the feed has it; none if it has no district or more than one.
    pub name: Option<String>,
}
