//! How old the data in use is, with weekends and pauses left out: a district that uploads on school days is not late on a
//! Sunday.

use chrono::{Datelike, Days, NaiveTime, TimeDelta, Weekday};
use chrono_tz::Tz;

use crate::model::{SourceMark, Timestamp};

/// Data may be so old.
pub(super) const FRESH_FOR: TimeDelta = TimeDelta::hours(36);

/// More days back are not counted one by one: whatever lies there is old.
const MOST_DAYS: u64 = 1000;

/// A time in which nothing was to be fetched, from one instant to the one before the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pause {
    /// First instant.
    pub from: Timestamp,
    /// The first one after.
    pub until: Timestamp,
}

/// When the data was made: an upload when it was sent, anything else when it was asked for.
pub(super) fn made_at(source: &SourceMark) -> Timestamp {
    source.uploaded_at.unwrap_or(source.pulled_at)
}

/// The time from `from` to `until` that counts.
pub(super) fn counted(from: Timestamp, until: Timestamp, zone: Tz, pauses: &[Pause]) -> TimeDelta {
    let mut sum = TimeDelta::zero();
    let mut pauses = pauses.to_vec();
    pauses.sort_unstable();
    let last = until.date_in(zone);
    let oldest = last.checked_sub_days(Days::new(MOST_DAYS)).unwrap_or(last);
    let mut day = from.date_in(zone).max(oldest);
    while day <= last {
        let Some(next) = day.succ_opt() else { break };
        if !matches!(day.weekday(), Weekday::Sat | Weekday::Sun) {
            sum += without(
                from.max(Timestamp::first_at(day, NaiveTime::MIN, zone)),
                until.min(Timestamp::first_at(next, NaiveTime::MIN, zone)),
                &pauses,
            );
        }
        day = next;
    }
    sum
}

/// The length of a stretch without its pauses, which are in order.
fn without(from: Timestamp, until: Timestamp, pauses: &[Pause]) -> TimeDelta {
    let (mut at, mut sum) = (from, TimeDelta::zero());
    for pause in pauses {
        if pause.from > at {
            sum += length(at, pause.from.min(until));
        }
        at = at.max(pause.until);
    }
    sum + length(at, until)
}

fn length(from: Timestamp, until: Timestamp) -> TimeDelta {
    (until.instant() - from.instant()).max(TimeDelta::zero())
}
