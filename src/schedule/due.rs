//! When a district's night is due: pure arithmetic over its time zone.
//!
//! A night is keyed by its local date (or, for a cron expression, by its local minute), so that a clock change, a restart or a
//! second process can neither run it twice nor skip it (P34, safety.md, A run, 1).

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use sha2::{Digest, Sha256};

use crate::model::Timestamp;

/// The nightly setting, parsed.
#[derive(Clone, Debug)]
pub enum Nightly {
    /// Every local day at this time.
    At(NaiveTime),
    /// By a cron expression in the district's zone.
    Cron(Box<Cron>),
}

/// `schedule.nightly` is neither.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a time such as 02:00 nor a cron expression of five fields such as `30 2 * * 1-6`")]
pub struct InvalidNightly(String);

/// One due night.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Night {
    /// When it is due.
    pub due: DateTime<Utc>,
    /// What it is keyed by within its district.
    pub key: String,
}

impl Nightly {
    /// Reads `HH:MM` or a cron expression.
    pub fn parse(text: &str) -> Result<Self, InvalidNightly> {
        if let Ok(time) = NaiveTime::parse_from_str(text, "%H:%M") {
            return Ok(Self::At(time));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
        parser.parse(text).map(|cron| Self::Cron(Box::new(cron))).map_err(|_| InvalidNightly(text.to_owned()))
    }

    /// The latest night due at or before `now`; none within the last 36 hours if a cron expression pauses.
    pub fn latest(&self, zone: Tz, spread: TimeDelta, now: DateTime<Utc>) -> Option<Night> {
        match self {
            Self::At(time) => {
                let today = now.with_timezone(&zone).date_naive();
                let days = [Some(today), today.checked_sub_days(Days::new(1))];
                let nights = days.into_iter().flatten().map(|date| Night {
                    due: Timestamp::first_at(date, *time, zone).instant() + spread,
                    key: date.to_string(),
                });
                nights.filter(|night| night.due <= now).max()
            }
            Self::Cron(cron) => {
                let until = (now - spread).with_timezone(&zone);
                let mut found = None;
                let mut from = until - TimeDelta::hours(36);
                while let Ok(next) = cron.find_next_occurrence(&from, false) {
                    if next > until || next <= from {
                        break;
                    }
                    let key = next.naive_local().format("%Y-%m-%d %H:%M").to_string();
                    found = Some(Night { due: next.with_timezone(&Utc) + spread, key });
                    from = next;
                }
                found
            }
        }
    }
}

impl Nightly {
    /// The first night due after `now`; none if a cron expression has none.
    pub fn next(&self, zone: Tz, spread: TimeDelta, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::At(time) => {
                let today = (now - spread).with_timezone(&zone).date_naive();
                let days =
                    today.iter_days().take(3).map(|date| Timestamp::first_at(date, *time, zone).instant() + spread);
                days.filter(|due| *due > now).min()
            }
            Self::Cron(cron) => {
                let from = (now - spread).with_timezone(&zone);
                let next = cron.find_next_occurrence(&from, false).ok()?;
                Some(next.with_timezone(&Utc) + spread).filter(|due| *due > now)
            }
        }
    }
}

/// The place of a district within the window: the same every night, evenly spread over districts.
pub fn spread(district: &str, minutes: u32) -> TimeDelta {
    let digest = Sha256::digest(district.as_bytes());
    let number = digest.iter().take(4).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    let seconds = (number * u64::from(minutes) * 60) >> 32;
    TimeDelta::seconds(i64::try_from(seconds).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveDate, TimeZone};

    use super::*;
    use std::collections::BTreeMap;

    fn nights(zone: Tz, nightly: &str, years: std::ops::RangeInclusive<i32>) -> BTreeMap<String, DateTime<Utc>> {
        let nightly = Nightly::parse(nightly).unwrap();
        let mut now = Utc.with_ymd_and_hms(*years.start(), 1, 1, 0, 0, 0).unwrap();
        let end = Utc.with_ymd_and_hms(*years.end(), 12, 31, 0, 0, 0).unwrap();
        let mut seen = BTreeMap::new();
        while now < end {
            if let Some(night) = nightly.latest(zone, TimeDelta::zero(), now) {
                assert!(night.due <= now);
                let first = seen.entry(night.key).or_insert(night.due);
                assert_eq!(*first, night.due, "one key, one instant");
            }
            now += TimeDelta::minutes(150);
        }
        seen
    }

    /// P34, U24.
    #[test]
    fn every_local_date_has_exactly_one_night_over_ten_years_of_clock_changes() {
        let zones = [
            chrono_tz::America::New_York,
            chrono_tz::America::Chicago,
            chrono_tz::Europe::London,
            chrono_tz::Europe::Dublin,
            chrono_tz::Australia::Lord_Howe,
            chrono_tz::Asia::Beirut,
            chrono_tz::Africa::Casablanca,
            chrono_tz::America::Santiago,
            chrono_tz::Pacific::Apia,
            chrono_tz::America::Phoenix,
        ];
        for zone in zones {
            for time in ["00:00", "01:30", "02:30"] {
                let seen = nights(zone, time, 2020..=2029);
                let dates: Vec<NaiveDate> = seen.keys().map(|key| key.parse().unwrap()).collect();
                let gaps = dates.windows(2).filter(|pair| pair[0].succ_opt() != Some(pair[1])).count();
                assert_eq!(gaps, 0, "{zone} {time}");
                assert!(dates.len() > 3_640, "{zone} {time}");
            }
        }
    }

    #[test]
    fn a_time_in_the_spring_gap_runs_at_its_end_and_one_in_the_autumn_fold_once_at_the_first() {
        let zone = chrono_tz::America::New_York;
        let at = NaiveTime::from_hms_opt(2, 30, 0).unwrap();
        let spring = Timestamp::first_at(NaiveDate::from_ymd_opt(2026, 3, 8).unwrap(), at, zone).instant();
        assert_eq!(spring.to_rfc3339(), "2026-03-08T07:00:00+00:00");
        let at = NaiveTime::from_hms_opt(1, 30, 0).unwrap();
        let autumn = Timestamp::first_at(NaiveDate::from_ymd_opt(2026, 11, 1).unwrap(), at, zone).instant();
        assert_eq!(autumn.to_rfc3339(), "2026-11-01T05:30:00+00:00");
    }

    #[test]
    fn the_next_night_is_the_one_that_is_the_latest_when_it_comes() {
        let zone = chrono_tz::America::New_York;
        for nightly in ["02:30", "30 2 * * *"] {
            let nightly = Nightly::parse(nightly).unwrap();
            let mut now = Utc.with_ymd_and_hms(2026, 3, 1, 0, 0, 0).unwrap();
            for _ in 0..400 {
                let next = nightly.next(zone, TimeDelta::minutes(100), now).unwrap();
                assert!(next > now && next - now <= TimeDelta::hours(25), "{now} {next}");
                let latest = nightly.latest(zone, TimeDelta::minutes(100), next).unwrap();
                assert_eq!(latest.due, next);
                now += TimeDelta::hours(7);
            }
        }
    }

    #[test]
    fn a_cron_expression_is_read_in_the_zone_of_the_district() {
        let nightly = Nightly::parse("15 3 * * 1-5").unwrap();
        let monday = Utc.with_ymd_and_hms(2026, 11, 23, 12, 0, 0).unwrap();
        let night = nightly.latest(chrono_tz::America::Chicago, TimeDelta::zero(), monday).unwrap();
        assert_eq!(
            (night.key.as_str(), night.due.to_rfc3339().as_str()),
            ("2026-11-23 03:15", "2026-11-23T09:15:00+00:00")
        );
        let sunday = Utc.with_ymd_and_hms(2026, 11, 22, 23, 0, 0).unwrap();
        assert_eq!(nightly.latest(chrono_tz::America::Chicago, TimeDelta::zero(), sunday), None);
    }

    #[test]
    fn districts_are_spread_over_the_window_and_stay_where_they_are() {
        let places: Vec<i64> = (0..1000).map(|n| spread(&format!("district-{n}"), 120).num_minutes()).collect();
        assert!(places.iter().all(|minutes| (0..120).contains(minutes)));
        assert!((0..12).all(|tenth| places.iter().filter(|minutes| **minutes / 10 == tenth).count() > 50));
        assert_eq!(spread("springfield", 120), spread("springfield", 120));
    }

    #[test]
    fn nonsense_is_refused_with_an_example_of_both_forms() {
        let error = Nightly::parse("at night").unwrap_err().to_string();
        assert!(error.contains("02:00") && error.contains("30 2 * * 1-6"), "{error}");
    }
}
