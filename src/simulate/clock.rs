//! The simulator's one look at the real clock: token ages, nonce windows and rate windows, as transport has them.

use std::time::SystemTime;
use std::time::UNIX_EPOCH;

/// Seconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the simulator judges real clients by the real clock; this is its one place"
)]
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
