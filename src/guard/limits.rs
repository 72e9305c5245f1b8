//! The limits of safety.md's table, each a setting.

use serde::{Deserialize, Serialize};

/// Holds where `n > floor` and `n * 100 > percent * of`; both must be passed, so that a tiny school may lose three of eight
/// (P51) and a large one not a tenth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Percent of the active rows of the scope in the store before the run.
    pub percent: u32,
    /// So many are always let through.
    pub floor: u32,
}

impl Limit {
    const fn new(percent: u32, floor: u32) -> Self {
        Self { percent, floor }
    }

    /// Whether `n` of `of` is too much.
    pub fn trips(self, n: u64, of: u64) -> bool {
        n > u64::from(self.floor) && n.saturating_mul(100) > u64::from(self.percent).saturating_mul(of)
    }

    /// The limit of seven days: twice that of a night (P10).
    #[must_use]
    pub fn of_seven_days(self) -> Self {
        Self { percent: self.percent.saturating_mul(2), floor: self.floor.saturating_mul(2) }
    }

    /// In words, as a run shows it.
    pub fn words(self) -> String {
        format!("over {} % and over {}", self.percent, self.floor)
    }
}

impl Settings {
    /// Why `n` of `of` is too much, in words; none if it is not. `zero`: neither may a scope of some size go to zero.
    pub(super) fn too_much(&self, limit: Limit, n: u64, of: u64, zero: bool) -> Option<String> {
        if limit.trips(n, of) {
            return Some(limit.words());
        }
        let to_zero = zero && n >= of && of >= u64::from(self.zero_from);
        to_zero.then(|| format!("{} or more that would go to zero", self.zero_from))
    }
}

/// `[guard]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Off for rehearsals only; `doctor` warns.
    pub enabled: bool,
    /// Whether who asked for a sync may not approve what it holds (reliability.md T24).
    pub second_person: bool,
    /// Users removed, per school.
    pub school_users_removed: Limit,
    /// Users removed, per district.
    pub district_users_removed: Limit,
    /// Users who lose their last active enrollment, per school.
    pub school_users_unenrolled: Limit,
    /// The same, per district.
    pub district_users_unenrolled: Limit,
    /// Enrollment rows removed, per district.
    pub district_enrollments_removed: Limit,
    /// Classes removed, per school.
    pub school_classes_removed: Limit,
    /// Classes removed, per district.
    pub district_classes_removed: Limit,
    /// Seats of one product released, per school.
    pub school_seats_released: Limit,
    /// Seats of one product released, per district.
    pub district_seats_released: Limit,
    /// Records of one kind changed, per school.
    pub school_changed: Limit,
    /// Records of one kind changed, per district.
    pub district_changed: Limit,
    /// Users added, per district; not on a first sync (P2).
    pub district_users_added: Limit,
    /// A school, product or class with at least so many that would go to zero is held.
    pub zero_from: u32,
    /// Percent of invalid rows of one kind above which all removals are held.
    pub invalid_percent: u32,
    /// Percent of ids in common with the store below which the whole snapshot is held …
    pub common_percent: u32,
    /// … where the store has at least so many.
    pub common_from: u32,
    /// Percent of users removed and added under strong keys that match (P16).
    pub rekeyed_percent: u32,
    /// Releases of 24 hours in all districts over so many times the usual …
    pub fleet_times: u32,
    /// … and over so many are held everywhere until acknowledged.
    pub fleet_floor: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            second_person: false,
            school_users_removed: Limit::new(10, 10),
            district_users_removed: Limit::new(5, 50),
            school_users_unenrolled: Limit::new(10, 10),
            district_users_unenrolled: Limit::new(5, 50),
            district_enrollments_removed: Limit::new(25, 200),
            school_classes_removed: Limit::new(25, 10),
            district_classes_removed: Limit::new(15, 30),
            school_seats_released: Limit::new(5, 20),
            district_seats_released: Limit::new(5, 20),
            school_changed: Limit::new(50, 50),
            district_changed: Limit::new(50, 200),
            district_users_added: Limit::new(25, 200),
            zero_from: 5,
            invalid_percent: 5,
            common_percent: 50,
            common_from: 50,
            rekeyed_percent: 5,
            fleet_times: 3,
            fleet_floor: 1000,
        }
    }
}
