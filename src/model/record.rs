//! Roster records in `OneRoster`'s words, whatever feed they came from. Field order is the order of `rosterd roster`.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::{Date, Personal, SourceId};

/// The six kinds, in the order in which they depend on one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

/// What every kind of record can do.
pub trait RosterRecord: Clone + PartialEq + Serialize + for<'de> Deserialize<'de> {
    /// Orders records within their kind: the id's bytes, for enrollments user, class, role.
    type Key: Clone + Ord + fmt::Debug;
    /// The kind.
    const KIND: Kind;
    /// The key.
    fn key(&self) -> Self::Key;
    /// The id as text, as it stands in the audit: of an enrollment the JSON of its three parts.
    fn text_id(key: &Self::Key) -> String;
    /// Wraps the record.
    fn into_record(self) -> Record;
    /// Puts lists into their one order, drops empty values.
    fn normalize(&mut self);
}

/// An org: the district itself, a school, or anything between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Org {
    /// Source id.
    pub id: SourceId,
    /// `district`, `school`, `department`, …: the source's word.
    #[serde(rename = "type")]
    pub org_type: String,
    /// The org's name.
    pub name: String,
    /// The number people know it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// The org above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SourceId>,
    /// NCES number, for allotments; not part of `rosterd roster`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nces: Option<String>,
}

/// An academic session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Source id.
    pub id: SourceId,
    /// `schoolYear`, `semester`, `term`, `gradingPeriod`, …: the source's word.
    #[serde(rename = "type")]
    pub session_type: String,
    /// Title.
    pub title: String,
    /// First day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_on: Option<Date>,
    /// End, as the source means it (`model::EndDates`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_on: Option<Date>,
    /// The session above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SourceId>,
    /// The year as the source wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub school_year: Option<String>,
}

/// A course.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// Source id.
    pub id: SourceId,
    /// Title.
    pub title: String,
    /// Course code or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The org that offers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<SourceId>,
    /// CEDS grade codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grades: Vec<String>,
    /// Subjects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<String>,
}

/// A class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Source id.
    pub id: SourceId,
    /// Title.
    pub title: String,
    /// Class code or section number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// `homeroom`, `scheduled`, …: the source's word.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub class_type: Option<String>,
    /// The school it is held at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub school: Option<SourceId>,
    /// Its course.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub course: Option<SourceId>,
    /// Its sessions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<SourceId>,
    /// CEDS grade codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grades: Vec<String>,
    /// Subjects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<String>,
}

/// A role, in `OneRoster` 1.1's words and `staff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoleName {
    /// 1.2's principals and every kind of administrator, and Clever's `district_admin`, too.
    Administrator,
    /// An aide: an educator.
    Aide,
    /// A proctor: staff.
    Proctor,
    /// Everyone else who works there; also roles no one has told us of.
    Staff,
    /// A student.
    Student,
    /// A teacher: an educator.
    Teacher,
}

/// A user's role at one org.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Role {
    /// The role.
    pub role: RoleName,
    /// Where.
    pub org: SourceId,
    /// Whether this is the user's primary org.
    pub primary: bool,
    /// The source's own word where it is another one; not part of `rosterd roster`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<String>,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Source id.
    pub id: SourceId,
    /// Roles, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// Whether the account is enabled.
    pub active: bool,
    /// Given name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_name: Option<Personal>,
    /// Family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family_name: Option<Personal>,
    /// Email; never identity (P18).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Personal>,
    /// User name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<Personal>,
    /// CEDS grade codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grades: Vec<String>,
    /// The district's number of the student: a strong key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub student_number: Option<Personal>,
    /// The state's id of the person: a strong key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_id: Option<Personal>,
}

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

/// An enrollment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrollment {
    /// The user.
    pub user: SourceId,
    /// The class.
    pub class: SourceId,
    /// The school the source names, which may differ from the class's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub school: Option<SourceId>,
    /// In which role.
    pub role: RoleName,
    /// Whether the source calls it primary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<bool>,
    /// When, merged and sorted; empty when the source gives no date at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub periods: Vec<Period>,
}

/// A record of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An org.
    School(Org),
    /// An academic session.
    Session(Session),
    /// A course.
    Course(Course),
    /// A class.
    Class(Class),
    /// A user.
    User(User),
    /// An enrollment.
    Enrollment(Enrollment),
}

macro_rules! keyed_by_id {
    ($type:ty, $kind:ident, $variant:ident, |$it:ident| $normalize:block) => {
        impl RosterRecord for $type {
            type Key = SourceId;
            const KIND: Kind = Kind::$kind;

            fn key(&self) -> SourceId {
                self.id.clone()
            }

            fn text_id(key: &SourceId) -> String {
                key.as_str().to_owned()
            }

            fn into_record(self) -> Record {
                Record::$variant(self)
            }

            fn normalize(&mut self) {
                let $it = self;
                $normalize
            }
        }
    };
}

fn sort<T: Ord>(list: &mut Vec<T>) {
    list.sort();
    list.dedup();
}

fn sort_words(list: &mut Vec<String>) {
    list.retain(|word| !word.is_empty());
    sort(list);
}

keyed_by_id!(Org, Schools, School, |_org| {});
keyed_by_id!(Session, Sessions, Session, |_session| {});
keyed_by_id!(Course, Courses, Course, |course| {
    sort_words(&mut course.grades);
    sort_words(&mut course.subjects);
});
keyed_by_id!(Class, Classes, Class, |class| {
    sort(&mut class.sessions);
    sort_words(&mut class.grades);
    sort_words(&mut class.subjects);
});
keyed_by_id!(User, Users, User, |user| {
    sort(&mut user.roles);
    sort_words(&mut user.grades);
});

impl RosterRecord for Enrollment {
    type Key = EnrollmentKey;
    const KIND: Kind = Kind::Enrollments;

    fn key(&self) -> EnrollmentKey {
        EnrollmentKey { user: self.user.clone(), class: self.class.clone(), role: self.role }
    }

    fn text_id(key: &EnrollmentKey) -> String {
        serde_json::json!([key.user, key.class, key.role]).to_string()
    }

    fn into_record(self) -> Record {
        Record::Enrollment(self)
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

impl Record {
    /// The kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::School(_) => Kind::Schools,
            Self::Session(_) => Kind::Sessions,
            Self::Course(_) => Kind::Courses,
            Self::Class(_) => Kind::Classes,
            Self::User(_) => Kind::Users,
            Self::Enrollment(_) => Kind::Enrollments,
        }
    }

    /// The id as text; see [`RosterRecord::text_id`].
    pub fn text_id(&self) -> String {
        match self {
            Self::School(it) => Org::text_id(&it.key()),
            Self::Session(it) => Session::text_id(&it.key()),
            Self::Course(it) => Course::text_id(&it.key()),
            Self::Class(it) => Class::text_id(&it.key()),
            Self::User(it) => User::text_id(&it.key()),
            Self::Enrollment(it) => Enrollment::text_id(&it.key()),
        }
    }

    /// The whole record as a JSON object, as the store keeps it.
    pub fn body(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::School(it) => serde_json::to_string(it),
            Self::Session(it) => serde_json::to_string(it),
            Self::Course(it) => serde_json::to_string(it),
            Self::Class(it) => serde_json::to_string(it),
            Self::User(it) => serde_json::to_string(it),
            Self::Enrollment(it) => serde_json::to_string(it),
        }
    }

    /// Reads what [`Record::body`] wrote.
    pub fn from_body(kind: Kind, body: &str) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            Kind::Schools => Self::School(serde_json::from_str(body)?),
            Kind::Sessions => Self::Session(serde_json::from_str(body)?),
            Kind::Courses => Self::Course(serde_json::from_str(body)?),
            Kind::Classes => Self::Class(serde_json::from_str(body)?),
            Kind::Users => Self::User(serde_json::from_str(body)?),
            Kind::Enrollments => Self::Enrollment(serde_json::from_str(body)?),
        })
    }

    /// One line of `rosterd roster --json`: the body without what is kept aside (NCES number, the source's own role word).
    pub fn roster_line(&self) -> Result<String, serde_json::Error> {
        match self.clone() {
            Self::School(mut org) => {
                org.nces = None;
                Self::School(org).body()
            }
            Self::User(mut user) => {
                for role in &mut user.roles {
                    role.word = None;
                }
                Self::User(user).body()
            }
            other => other.body(),
        }
    }
}

/// Names one version of a record: 128 bits of the SHA-256 of its body, in hex.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub String);

impl Fingerprint {
    /// Of a body that [`Record::body`] wrote.
    pub fn of(body: &str) -> Self {
        let digest = Sha256::digest(body.as_bytes());
        Self(hex::encode(digest.iter().take(16).copied().collect::<Vec<u8>>()))
    }
}

/// Whether a field of a user is personal and so stands in the audit by name only.
pub fn is_personal(kind: Kind, field: &str) -> bool {
    kind == Kind::Users
        && matches!(field, "given_name" | "family_name" | "email" | "username" | "student_number" | "state_id")
}

/// The CEDS code of a grade as sources write it (`2`, `Kindergarten`, `K`, `Gr 7` …); what is not known stays as it came.
pub fn canonical_grade(text: &str) -> String {
    let trimmed = text.trim();
    let folded = trimmed.to_lowercase();
    let word = folded.trim_start_matches("grade").trim_start_matches("gr").trim_start_matches('.').trim();
    if let Ok(number) = word.parse::<u8>()
        && (1..=13).contains(&number)
    {
        return format!("{number:02}");
    }
    match word {
        "0" | "00" | "k" | "kg" | "kindergarten" => "KG".to_owned(),
        "it" | "infanttoddler" | "infant/toddler" => "IT".to_owned(),
        "pr" | "preschool" => "PR".to_owned(),
        "pk" | "prek" | "pre-k" | "prekindergarten" | "pk3" | "pk4" => "PK".to_owned(),
        "tk" | "transitionalkindergarten" => "TK".to_owned(),
        "ps" | "postsecondary" | "postgraduate" => "PS".to_owned(),
        "ug" | "ungraded" => "UG".to_owned(),
        "other" => "Other".to_owned(),
        _ => trimmed.to_owned(),
    }
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

    #[test]
    fn grades_become_ceds_codes_and_the_unknown_stays() {
        let read = ["2", "02", "K", "Kindergarten", "Gr 7", "13", "PostGraduate", "Year 9"].map(canonical_grade);
        assert_eq!(read, ["02", "02", "KG", "KG", "07", "13", "PS", "Year 9"]);
    }

    #[test]
    fn personal_fields_do_not_show_in_debug_output() {
        let user = User {
            id: "u-1".into(),
            roles: Vec::new(),
            active: true,
            given_name: Some(Personal::new("Canary")),
            family_name: None,
            email: Some(Personal::new("canary@example.org")),
            username: None,
            grades: Vec::new(),
            student_number: None,
            state_id: None,
        };
        let shown = format!("{user:?}");
        assert!(shown.contains("u-1") && !shown.to_lowercase().contains("canary"));
    }
}
