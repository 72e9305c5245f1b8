//! Which kinds of record there are, and what can happen to one.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The six kinds, in the order in which they depend on one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Orgs: the district and its schools.
    Schools,
    /// Academic sessions: school years, terms, grading periods.
    Sessions,
    /// Courses.
    Courses,
    /// Classes (Clever: sections).
    Classes,
    /// Users of every role but contacts and guardians.
    Users,
    /// Enrollments, keyed by user, class and role.
    Enrollments,
}

impl Kind {
    /// All kinds, in dependency order.
    pub const ALL: [Self; 6] =
        [Self::Schools, Self::Sessions, Self::Courses, Self::Classes, Self::Users, Self::Enrollments];

    /// The plural used on the command line and in JSON.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Schools => "schools",
            Self::Sessions => "sessions",
            Self::Courses => "courses",
            Self::Classes => "classes",
            Self::Users => "users",
            Self::Enrollments => "enrollments",
        }
    }

    /// The singular used in audit actions.
    pub fn singular(self) -> &'static str {
        match self {
            Self::Schools => "school",
            Self::Sessions => "session",
            Self::Courses => "course",
            Self::Classes => "class",
            Self::Users => "user",
            Self::Enrollments => "enrollment",
        }
    }

    /// The kind with this plural.
    pub fn from_plural(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.plural() == text)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.plural())
    }
}

/// What happens to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// New.
    Added,
    /// Archived before, and back (never deleted, always restored).
    Restored,
    /// Fields differ.
    Changed,
    /// Archived.
    Removed,
}

impl Verb {
    /// The past participle, as in audit actions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Restored => "restored",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }

    /// The verb of a word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Added, Self::Restored, Self::Changed, Self::Removed].into_iter().find(|it| it.as_str() == text)
    }
}
