//! What all districts together release (safety.md, Guard): a fault of ours would look like a normal night in each of them.
//!
//! *Usual* is the mean of the last 28 days before the last 24 hours, or of as many as there are. What was acknowledged counts
//! no more.

use crate::guard::Settings;

/// The group that is held in every district.
pub const FLEET: &str = "fleet/released";

/// What syncs released in all districts, unattended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// In the last 24 hours, or since it was acknowledged.
    pub released: u64,
    /// On a usual day.
    pub usual: u64,
    /// Whether it tripped and nobody has acknowledged it: then every release is held, however few they are.
    pub tripped: bool,
}

impl Fleet {
    /// Whether so many more would be too many.
    pub(super) fn trips(self, more: u64, settings: &Settings) -> bool {
        let all = self.released.saturating_add(more);
        let too_many =
            all > u64::from(settings.fleet_floor) && all > u64::from(settings.fleet_times).saturating_mul(self.usual);
        self.tripped || too_many
    }

    /// The limit, as a run shows it.
    pub(super) fn words(settings: &Settings) -> String {
        let (times, floor) = (settings.fleet_times, settings.fleet_floor);
        format!("in all districts over {times} times a usual day and over {floor}; until it is acknowledged")
    }
}
