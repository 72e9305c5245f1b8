//! When the week's digest is due, and what of the open alerts belongs in it (S4.31).

use std::str::FromStr;

use chrono::{Datelike, Days, NaiveTime, TimeDelta, Weekday};
use chrono_tz::Tz;

use crate::alert;
use crate::model::{Alert, Date, Timestamp};

/// The local weekday and time of the digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weekly {
    day: Weekday,
    time: NaiveTime,
}

/// `notify.weekly` is neither empty nor a weekday with a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a weekday and a local time such as `mon 07:00`, or an empty text for no weekly digest")]
pub struct InvalidWeekly;

impl FromStr for Weekly {
    type Err = InvalidWeekly;

    fn from_str(text: &str) -> Result<Self, InvalidWeekly> {
        let (day, time) = text.trim().split_once(' ').ok_or(InvalidWeekly)?;
        let day = day.parse().map_err(|_| InvalidWeekly)?;
        let time = NaiveTime::parse_from_str(time.trim(), "%H:%M").map_err(|_| InvalidWeekly)?;
        Ok(Self { day, time })
    }
}

/// One week of a district.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Week {
    /// The local day of the digest.
    pub day: Date,
    /// When it is due.
    pub due: Timestamp,
}

impl Weekly {
    /// The latest week whose digest is due at `now`. A daemon that was down tells it late, and once.
    pub fn latest(self, zone: Tz, now: Timestamp) -> Option<Week> {
        let today = now.date_in(zone);
        let days = (0..=7).filter_map(|back| today.checked_sub_days(Days::new(back)));
        let weeks = days.filter(|day| day.weekday() == self.day);
        weeks.map(|day| Week { day, due: Timestamp::first_at(day, self.time, zone) }).find(|week| week.due <= now)
    }
}

/// What was told within so long before the digest is not told again by it.
const JUST_TOLD: TimeDelta = TimeDelta::days(1);

/// Open alerts that stood as they do a day before the digest is due, what is red first; what came or stepped up since was
/// told then.
pub fn still_open(alerts: &[Alert], week: Week) -> Vec<Alert> {
    let since = |it: &Alert| it.stepped_at.unwrap_or(it.raised_at);
    let open = alerts.iter().filter(|it| it.cleared_at.is_none() && since(it).plus(JUST_TOLD) <= week.due);
    alert::in_order(open.cloned().collect())
}
