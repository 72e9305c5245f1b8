//! How much a district's syncs may do by themselves (safety.md, Modes of a district).

use std::fmt;

use chrono::{Days, NaiveTime};
use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::run::words;
use crate::model::{Date, DistrictId, Timestamp};

words! {
    /// What syncs of a district may do. What a person decides by hand happens in every mode.
    DistrictMode {
        /// Everything that the guard clears.
        Normal = "normal",
        /// Additions and restores; removals, and changes that end demand, are kept back and their seats bridged.
        NoRemovals = "no_removals",
        /// Fetch and plan, apply nothing.
        PlanOnly = "plan_only",
        /// Do not fetch.
        Paused = "paused",
    }
}

/// A mode that someone set, for good or for a range of days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModeEntry {
    /// Its number within the district, from 1; of two that hold the later one counts.
    pub number: i64,
    /// The mode.
    pub mode: DistrictMode,
    /// First local day; null: from when it was set.
    pub from: Option<Date>,
    /// Last local day, inclusive; null: until it is ended.
    pub until: Option<Date>,
    /// Why.
    pub reason: Option<String>,
    /// Who set it.
    pub by: String,
    /// When it was set; it counts from then at the earliest.
    pub at: Timestamp,
    /// When someone ended it; null while nobody has.
    pub ended_at: Option<Timestamp>,
}

impl fmt::Display for ModeEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.mode)?;
        match (self.from, self.until) {
            (Some(from), Some(until)) => write!(f, " from {from} until {until}")?,
            (Some(from), None) => write!(f, " from {from}")?,
            (None, Some(until)) => write!(f, " until {until}")?,
            (None, None) => {}
        }
        write!(f, " (set by {} at {}", self.by, self.at)?;
        if let Some(reason) = &self.reason {
            write!(f, ": {reason}")?;
        }
        f.write_str(")")
    }
}

impl ModeEntry {
    /// The first instant at which it may count.
    fn begins(&self, zone: Tz) -> Timestamp {
        self.from.map_or(self.at, |day| self.at.max(Timestamp::first_at(day, NaiveTime::MIN, zone)))
    }

    /// The first instant at which it counts no more; none for one without an end.
    fn ends(&self, zone: Tz) -> Option<Timestamp> {
        let after = self.until.and_then(|day| day.checked_add_days(Days::new(1)));
        let over = after.map(|day| Timestamp::first_at(day, NaiveTime::MIN, zone));
        over.into_iter().chain(self.ended_at).min()
    }

    /// Whether it may still come to count after `at`.
    pub fn is_open(&self, at: Timestamp, zone: Tz) -> bool {
        self.ends(zone).is_none_or(|end| at < end)
    }

    fn counts(&self, at: Timestamp, zone: Tz) -> bool {
        self.begins(zone) <= at && self.is_open(at, zone)
    }
}

/// Every mode that was ever set for a district, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modes(pub Vec<ModeEntry>);

impl Modes {
    /// The entry that counts at an instant; none for `normal` without anyone's word.
    pub fn at(&self, at: Timestamp, zone: Tz) -> Option<&ModeEntry> {
        self.0.iter().rev().find(|it| it.counts(at, zone))
    }

    /// The mode at an instant.
    pub fn mode(&self, at: Timestamp, zone: Tz) -> DistrictMode {
        self.at(at, zone).map_or(DistrictMode::Normal, |it| it.mode)
    }

    /// Those that still count or are to come, by number.
    pub fn open(&self, at: Timestamp, zone: Tz) -> impl Iterator<Item = &ModeEntry> {
        self.0.iter().filter(move |it| it.is_open(at, zone))
    }

    /// Whether a rollover was declared: `no_removals` for a range of days that counts now (safety.md, Guard: users added).
    pub fn is_rollover(&self, at: Timestamp, zone: Tz) -> bool {
        self.at(at, zone).is_some_and(|it| it.mode == DistrictMode::NoRemovals && it.until.is_some())
    }

    /// When a mode was in force before `until`: from one instant to the one before the other, in order.
    pub fn spans(&self, mode: DistrictMode, until: Timestamp, zone: Tz) -> Vec<(Timestamp, Timestamp)> {
        let ends = self.0.iter().filter_map(|it| it.ends(zone));
        let mut edges: Vec<Timestamp> = self.0.iter().map(|it| it.begins(zone)).chain(ends).collect();
        edges.retain(|edge| *edge < until);
        edges.push(until);
        edges.sort_unstable();
        edges.dedup();
        let pairs = edges.iter().zip(edges.iter().skip(1));
        pairs.filter(|(from, _)| self.mode(**from, zone) == mode).map(|(from, until)| (*from, *until)).collect()
    }
}

/// A mode that would see a district through what its source looks like (P12 to P15). A person sets it, or does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proposal {
    /// The mode.
    pub mode: DistrictMode,
    /// First local day.
    pub from: Date,
    /// Last local day, inclusive; null: until it is ended.
    pub until: Option<Date>,
    /// What it looks like.
    pub why: String,
}

impl Proposal {
    /// The command that sets it.
    pub fn command(&self, district: &DistrictId) -> String {
        let until = self.until.map(|day| format!(" --until {day}")).unwrap_or_default();
        format!("rosterd district mode {district} {} --from {}{until}", self.mode, self.from)
    }
}

/// Since when a district no longer shares its roster, and what showed it. Silence is never a departure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disconnection {
    /// `as_of` of the run that first met it.
    pub since: Timestamp,
    /// What showed it.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: Tz = chrono_tz::America::Chicago;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn entry(number: i64, mode: DistrictMode, range: (Option<&str>, Option<&str>), set: &str) -> ModeEntry {
        let day = |text: Option<&str>| text.map(|it| it.parse().unwrap());
        let (from, until) = (day(range.0), day(range.1));
        ModeEntry { number, mode, from, until, reason: None, by: "ann".to_owned(), at: at(set), ended_at: None }
    }

    /// P12, safety.md, Modes: a range is of local days, both inclusive.
    #[test]
    fn a_range_counts_from_the_first_local_midnight_to_the_end_of_its_last_day() {
        let range = (Some("2026-06-10"), Some("2026-08-15"));
        let modes = Modes(vec![entry(1, DistrictMode::NoRemovals, range, "2026-05-01T00:00:00Z")]);
        for (instant, wanted) in [
            ("2026-06-10T04:59:59.999Z", DistrictMode::Normal),
            ("2026-06-10T05:00:00Z", DistrictMode::NoRemovals),
            ("2026-08-16T04:59:59.999Z", DistrictMode::NoRemovals),
            ("2026-08-16T05:00:00Z", DistrictMode::Normal),
        ] {
            assert_eq!(modes.mode(at(instant), ZONE), wanted, "{instant}");
        }
    }

    #[test]
    fn the_mode_set_last_counts_while_it_lasts_and_an_ended_one_does_not() {
        let mut modes = Modes(vec![
            entry(1, DistrictMode::Paused, (None, None), "2026-05-01T00:00:00Z"),
            entry(2, DistrictMode::PlanOnly, (Some("2026-05-03"), Some("2026-05-03")), "2026-05-02T00:00:00Z"),
        ]);
        assert_eq!(modes.mode(at("2026-05-03T12:00:00Z"), ZONE), DistrictMode::PlanOnly);
        assert_eq!(modes.mode(at("2026-05-04T12:00:00Z"), ZONE), DistrictMode::Paused);
        modes.0[0].ended_at = Some(at("2026-05-05T00:00:00Z"));
        assert_eq!(modes.mode(at("2026-05-05T00:00:00Z"), ZONE), DistrictMode::Normal);
        let spans = modes.spans(DistrictMode::Paused, at("2026-06-01T00:00:00Z"), ZONE);
        let wanted =
            [("2026-05-01T00:00:00Z", "2026-05-03T05:00:00Z"), ("2026-05-04T05:00:00Z", "2026-05-05T00:00:00Z")];
        assert_eq!(spans, wanted.map(|(from, until)| (at(from), at(until))));
    }

    #[test]
    fn a_pause_that_still_lasts_is_cut_at_the_instant_of_the_question() {
        let modes = Modes(vec![entry(1, DistrictMode::Paused, (None, None), "2026-05-01T00:00:00Z")]);
        let (now, before) = (at("2026-05-02T00:00:00Z"), at("2026-04-30T00:00:00Z"));
        assert_eq!(modes.spans(DistrictMode::Paused, now, ZONE), [(at("2026-05-01T00:00:00Z"), now)]);
        assert_eq!(modes.spans(DistrictMode::Paused, before, ZONE), []);
        assert_eq!(modes.mode(before, ZONE), DistrictMode::Normal, "it counts from when it was set");
    }
}
