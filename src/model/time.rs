//! Instants and days.

use std::fmt;

use chrono::{DateTime, NaiveTime, SecondsFormat, SubsecRound, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::schema::written;

/// A day in the district's time zone.
pub type Date = chrono::NaiveDate;

/// An instant, kept to the millisecond and written as RFC 3339 in UTC (`2026-10-05T07:00:00.000Z`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// Cuts the instant to what every format and both databases keep: milliseconds.
    pub fn new(instant: DateTime<Utc>) -> Self {
        Self(instant.trunc_subsecs(3))
    }

    /// Reads RFC 3339, any offset.
    pub fn parse(text: &str) -> Result<Self, chrono::ParseError> {
        Ok(Self::new(DateTime::parse_from_rfc3339(text)?.with_timezone(&Utc)))
    }

    /// From milliseconds since 1970, as the store keeps it; `None` beyond the calendar.
    pub fn from_millis(millis: i64) -> Option<Self> {
        DateTime::from_timestamp_millis(millis).map(Self)
    }

    /// Milliseconds since 1970.
    pub fn millis(self) -> i64 {
        self.0.timestamp_millis()
    }

    /// The instant for calendar arithmetic.
    pub fn instant(self) -> DateTime<Utc> {
        self.0
    }

    /// The day it is in `zone`.
    pub fn date_in(self, zone: Tz) -> Date {
        self.0.with_timezone(&zone).date_naive()
    }

    /// The first instant of `day` at `time` in `zone`: where clocks go back the earlier one, where they skip it the first after.
    pub fn first_at(day: Date, time: NaiveTime, zone: Tz) -> Self {
        let wanted = day.and_time(time);
        // No gap of any zone is longer than a day (Samoa skipped one whole day).
        let mut minutes = (0..=24 * 60).map(TimeDelta::minutes);
        let found = minutes.find_map(|late| zone.from_local_datetime(&(wanted + late)).earliest());
        Self::new(found.map_or_else(|| wanted.and_utc(), |it| it.to_utc()))
    }

    /// The last instant of `day` in `zone`.
    pub fn last_of(day: Date, zone: Tz) -> Self {
        let next = day.succ_opt().unwrap_or(day);
        Self::first_at(next, NaiveTime::MIN, zone).plus(TimeDelta::milliseconds(-1))
    }

    /// The instant `delta` later (or earlier); stays put at the calendar's end.
    #[must_use]
    pub fn plus(self, delta: TimeDelta) -> Self {
        self.0.checked_add_signed(delta).map_or(self, Self::new)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

written!(Timestamp, "instant", { "type": "string", "format": "date-time" });

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|_| serde::de::Error::custom("expected an RFC 3339 instant"))
    }
}

/// How a source means its end dates (licensing.md, Basis).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndDates {
    /// The end is the first day after (`OneRoster`).
    Exclusive,
    /// The end is the last day (Clever).
    Inclusive,
}

impl EndDates {
    /// Whether `day` still lies before `end`.
    pub fn covers(self, end: Date, day: Date) -> bool {
        match self {
            Self::Exclusive => day < end,
            Self::Inclusive => day <= end,
        }
    }
}
