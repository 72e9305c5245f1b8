//! The only place that reads the time.
//!
//! `--now` sets the time of decisions: fixed for one command, advancing in the daemon. Transport, leases and tokens keep the
//! real clock (interface.md, Command line).

use chrono::{TimeDelta, Utc};

use crate::model::Timestamp;

/// Gives the instant of decisions.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The machine's time.
    Real,
    /// One instant for ever: one-shot commands with `--now`.
    Fixed(Timestamp),
    /// The machine's time, shifted: the daemon with `--now`.
    Shifted(TimeDelta),
}

impl Clock {
    /// A clock that stands at `now`, or the real one.
    pub fn fixed_at(now: Option<Timestamp>) -> Self {
        now.map_or(Self::Real, Self::Fixed)
    }

    /// A clock that starts at `now` and runs, or the real one.
    pub fn running_from(now: Option<Timestamp>) -> Self {
        now.map_or(Self::Real, |now| Self::Shifted(now.instant() - real_now().instant()))
    }

    /// The instant for decisions.
    pub fn now(self) -> Timestamp {
        match self {
            Self::Real => real_now(),
            Self::Fixed(at) => at,
            Self::Shifted(by) => real_now().plus(by),
        }
    }
}

/// The machine's time, for leases, tokens and durations.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the time")]
pub fn real_now() -> Timestamp {
    Timestamp::new(Utc::now())
}
