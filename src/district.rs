//! A district as the configuration names it, or as an app lists it.

use chrono::{Datelike, NaiveTime, Timelike, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer};

use crate::feed;
use crate::model::{DistrictId, Timestamp};

/// `[[district]]` of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct District {
    /// `a-z 0-9 -`.
    pub id: String,
    /// For people; by default the id.
    pub name: Option<String>,
    /// Dates are dates here.
    pub time_zone: Tz,
    /// What happens to its first snapshot.
    #[serde(default)]
    pub first_sync: FirstSync,
    /// Whether the vendor's application lets teachers add students (S2.18). By default only where the account is kept by
    /// hand: a student who is not in the feed has no seat.
    pub teachers_may_create_students: Option<bool>,
    /// When no sync ends a seat.
    pub quiet_hours: Option<QuietHours>,
    /// Where its roster comes from.
    pub feed: feed::Settings,
}

/// The school day, in which nobody's seat is to end (safety.md, Modes of a district): what a sync would release waits for the
/// first one outside of it. What a person does by hand does not wait.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// Local time at which they begin, `HH:MM`.
    #[serde(deserialize_with = "local_time")]
    pub from: NaiveTime,
    /// Local time at which they are over.
    #[serde(deserialize_with = "local_time")]
    pub until: NaiveTime,
    /// Weekdays (`mon`, `tue`, …); by default Monday to Friday.
    #[serde(default = "school_days")]
    pub days: Vec<Weekday>,
}

fn local_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    NaiveTime::parse_from_str(&text, "%H:%M").map_err(|_| serde::de::Error::custom("expected a time such as 07:30"))
}

fn school_days() -> Vec<Weekday> {
    vec![Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri]
}

impl QuietHours {
    /// Whether an instant lies in them.
    pub fn cover(&self, at: Timestamp, zone: Tz) -> bool {
        let local = at.instant().with_timezone(&zone);
        self.days.contains(&local.weekday()) && (self.from..self.until).contains(&local.time())
    }

    /// Checks that they leave a night: releases that always wait are none. `nightly` is a local time, where it is one.
    pub fn check(&self, nightly: Option<(NaiveTime, u32)>) -> Result<(), String> {
        if self.from >= self.until {
            return Err("`quiet_hours`: `from` must lie before `until`, on the same day".to_owned());
        }
        if let Some((time, spread)) = nightly {
            let minute = |time: NaiveTime| u64::from(time.hour()) * 60 + u64::from(time.minute());
            let (begins, last) = (minute(time), minute(time) + u64::from(spread));
            if begins < minute(self.until) && minute(self.from) <= last {
                return Err("`quiet_hours` cover the nightly sync, so that no seat would ever end: change \
                            `schedule.nightly`, `schedule.spread_minutes` or the hours"
                    .to_owned());
            }
        }
        Ok(())
    }
}

/// What happens to the first snapshot of a district or of a new feed (safety.md, First sync).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstSync {
    /// A person reads it first.
    #[default]
    Review,
    /// It applies.
    Apply,
}

impl District {
    /// The id; `config::read` checked it.
    pub fn id(&self) -> DistrictId {
        DistrictId::new(self.id.as_str())
    }

    /// Whether its roster is kept by hand: nothing is pulled, and what a fed district refuses is allowed (S0.3, S1.2).
    pub fn is_by_hand(&self) -> bool {
        matches!(self.feed, feed::Settings::Manual(_))
    }

    /// The one answer to whether teachers may add students, which the vendor's application asks for (S2.18).
    pub fn teachers_may_create_students(&self) -> bool {
        self.teachers_may_create_students.unwrap_or_else(|| self.is_by_hand())
    }

    /// The app whose list names it, for one that `configured` does not name.
    pub fn listed_by(&self, configured: &[Self]) -> Option<&str> {
        let (_, app) = self.feed.through()?;
        (!configured.iter().any(|it| it.id == self.id)).then_some(app)
    }

    /// Whether it is a time in which no sync ends a seat.
    pub fn is_quiet(&self, at: Timestamp) -> bool {
        self.quiet_hours.as_ref().is_some_and(|it| it.cover(at, self.time_zone))
    }

    /// The name for people.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }
}

/// A roster was sent along for a district that has a feed (S1.13).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "district `{0}` is rostered: its roster comes from its feed, and an upload would be undone by the next sync; change it in \
     the rostering platform and sync, or make the district's feed `manual`"
)]
pub struct NotByHand(pub DistrictId);

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(text: &str) -> QuietHours {
        toml::from_str(text).unwrap()
    }

    /// safety.md, Modes of a district: the hours are local, also where the clock is changed, and of school days.
    #[test]
    fn quiet_hours_are_local_times_of_school_days() {
        let quiet = hours("from = \"07:30\"\nuntil = \"15:30\"");
        let at = |text| quiet.cover(Timestamp::parse(text).unwrap(), chrono_tz::America::Chicago);
        assert!(at("2025-10-06T12:30:00Z") && at("2025-10-06T20:29:59Z"), "daylight time");
        assert!(!at("2025-10-06T12:29:59Z") && !at("2025-10-06T20:30:00Z"));
        assert!(at("2025-11-10T13:30:00Z") && !at("2025-11-10T13:29:00Z"), "standard time");
        assert!(!at("2025-10-11T15:00:00Z"), "a Saturday");
        let saturday = hours("from = \"07:30\"\nuntil = \"15:30\"\ndays = [\"sat\"]");
        assert!(saturday.cover(Timestamp::parse("2025-10-11T15:00:00Z").unwrap(), chrono_tz::America::Chicago));
    }

    #[test]
    fn hours_that_leave_no_night_are_refused() {
        let quiet = hours("from = \"07:30\"\nuntil = \"15:30\"");
        let at = |hour, minute| NaiveTime::from_hms_opt(hour, minute, 0).unwrap();
        assert_eq!(quiet.check(Some((at(2, 0), 120))), Ok(()));
        assert!(quiet.check(Some((at(12, 0), 0))).unwrap_err().contains("no seat would ever end"));
        assert!(quiet.check(Some((at(6, 0), 120))).is_err(), "the spread reaches into them");
        assert!(hours("from = \"15:30\"\nuntil = \"07:30\"").check(None).is_err());
        assert!(toml::from_str::<QuietHours>("from = \"8\"\nuntil = \"15:30\"").is_err());
    }
}
