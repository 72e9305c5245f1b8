//! Enrollments: one per user, class and role, however many rows of the source tell of it (P27).

use std::cmp::Ordering;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Date, Enrollments, Kind, Record, RoleName, RosterRecord, SourceId};

/// A span of days; written `[begin, end]`, an unknown bound as null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "(Option<Date>, Option<Date>)", into = "(Option<Date>, Option<Date>)")]
pub struct Period {
    /// First day; unknown inherits (licensing.md, Basis).
    pub begin: Option<Date>,
    /// End as the source means it; unknown inherits.
    pub end: Option<Date>,
}

impl From<(Option<Date>, Option<Date>)> for Period {
    fn from((begin, end): (Option<Date>, Option<Date>)) -> Self {
        Self { begin, end }
    }
}

impl From<Period> for (Option<Date>, Option<Date>) {
    fn from(period: Period) -> Self {
        (period.begin, period.end)
    }
}

/// The identity of an enrollment: rows of the source that share it are one enrollment (P27).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EnrollmentKey {
    /// The user.
    pub user: SourceId,
    /// The class.
    pub class: SourceId,
    /// In which role.
    pub role: RoleName,
}

impl EnrollmentKey {
    /// The least there could be of a user.
    pub fn first_of(user: &SourceId) -> Self {
        Self { user: user.clone(), class: SourceId::new(""), role: RoleName::Administrator }
    }

    /// What the text ids of a user's enrollments begin with, and nobody else's.
    pub fn text_of(user: &SourceId) -> String {
        format!("[{},", serde_json::json!(user))
    }
}

/// An enrollment. Read to be one of a roster, it names by mere text what the roster has ids for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "Id: Deserialize<'de>"))]
pub struct Enrollment<Id = SourceId> {
    /// The user.
    pub user: Id,
    /// The class.
    pub class: Id,
    /// The school the source names, which may differ from the class's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub school: Option<Id>,
    /// In which role.
    pub role: RoleName,
    /// Whether the source calls it primary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<bool>,
    /// When, merged and sorted; empty when the source gives no date at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub periods: Vec<Period>,
}

impl Enrollment {
    /// What its key is made of.
    fn parts(&self) -> (&SourceId, &SourceId, RoleName) {
        (&self.user, &self.class, self.role)
    }

    /// How it stands to another.
    pub fn order_of(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl RosterRecord for Enrollment {
    type Key = EnrollmentKey;
    type All = Enrollments;
    const KIND: Kind = Kind::Enrollments;

    fn key(&self) -> EnrollmentKey {
        EnrollmentKey { user: self.user.clone(), class: self.class.clone(), role: self.role }
    }

    fn order(&self, key: &EnrollmentKey) -> Ordering {
        self.parts().cmp(&(&key.user, &key.class, key.role))
    }

    fn text_id(key: &EnrollmentKey) -> String {
        serde_json::to_string(&(&key.user, &key.class, key.role)).unwrap_or_default()
    }

    fn shared(it: Arc<Self>) -> Record {
        Record::Enrollment(it)
    }

    fn normalize(&mut self) {
        self.periods = merged(std::mem::take(&mut self.periods));
    }
}

/// Joins periods that overlap or touch. An end equal to the next begin touches whether the source's ends are exclusive or
/// inclusive. One period without any bound says nothing and becomes no period.
fn merged(mut periods: Vec<Period>) -> Vec<Period> {
    periods.sort();
    let mut joined: Vec<Period> = Vec::with_capacity(periods.len());
    for next in periods {
        match joined.last_mut() {
            Some(last) if last.end.is_none_or(|end| next.begin.is_none_or(|begin| begin <= end)) => {
                last.end = last.end.and_then(|end| next.end.map(|other| end.max(other)));
            }
            _ => joined.push(next),
        }
    }
    if joined == [Period { begin: None, end: None }] { Vec::new() } else { joined }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Option<Date> {
        text.parse().ok()
    }

    fn enrollment(periods: &[(Option<Date>, Option<Date>)]) -> Enrollment {
        let mut it = Enrollment {
            user: "u".into(),
            class: "c".into(),
            school: None,
            role: RoleName::Student,
            primary: None,
            periods: periods.iter().copied().map(Period::from).collect(),
        };
        it.normalize();
        it
    }

    #[test]
    fn periods_that_touch_are_one_and_a_gap_stays() {
        let merged = enrollment(&[
            (day("2026-01-10"), day("2026-02-01")),
            (day("2025-09-01"), day("2025-12-20")),
            (day("2026-02-01"), None),
        ]);
        assert_eq!(
            serde_json::to_string(&merged.periods).unwrap(),
            r#"[["2025-09-01","2025-12-20"],["2026-01-10",null]]"#
        );
    }

    #[test]
    fn a_row_without_dates_swallows_the_dated_ones() {
        assert!(enrollment(&[(day("2025-09-01"), day("2025-12-20")), (None, None)]).periods.is_empty());
    }
}
