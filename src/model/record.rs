//! Roster records in `OneRoster`'s words, whatever feed they came from. Field order is the order of `rosterd roster`.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::model::{Audience, ByKey, Date, Enrollment, Kind, Personal, SourceId};

/// What every kind of record can do.
pub trait RosterRecord: Clone + PartialEq + Serialize + for<'de> Deserialize<'de> + 'static {
    /// Orders records within their kind: the id's bytes, for enrollments user, class, role.
    type Key: Clone + Ord + fmt::Debug;
    /// How many of them lie in memory.
    type All: ByKey<Self> + fmt::Debug;
    /// The kind.
    const KIND: Kind;
    /// The key.
    fn key(&self) -> Self::Key;
    /// How the record stands to a key.
    fn order(&self, key: &Self::Key) -> Ordering;
    /// The id as text, as it stands in the audit: of an enrollment the JSON of its three parts.
    fn text_id(key: &Self::Key) -> String;
    /// Wraps a record that others may have as well; it is not copied.
    fn shared(it: Arc<Self>) -> Record;
    /// Wraps the record.
    fn into_record(self) -> Record {
        Self::shared(Arc::new(self))
    }
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

impl Session {
    /// Whether it is the same term: some sources give a term another id every night (P32), others one id to every fall (P19). A
    /// term is its title with its dates, or its id as long as the dates have a day in common.
    pub fn is_same_term(&self, other: &Self) -> bool {
        let apart = |one: &Self, other: &Self| one.ends_on.zip(other.starts_on).is_some_and(|(end, start)| end < start);
        let named = (&self.title, self.starts_on, self.ends_on) == (&other.title, other.starts_on, other.ends_on);
        named || (self.id == other.id && !apart(self, other) && !apart(other, self))
    }
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
    /// How often the id was used for a class of other terms before: with the id it names the section (P19). Not the source's
    /// word, and not part of `rosterd roster`.
    #[serde(default, skip_serializing_if = "is_first")]
    pub instance: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_first(instance: &u32) -> bool {
    *instance == 0
}

/// A role, in `OneRoster` 1.1's words and `staff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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

impl RoleName {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Administrator, Self::Aide, Self::Proctor, Self::Staff, Self::Student, Self::Teacher];
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

impl User {
    /// Whom the user counts as in lists: by the primary role, none without a role (S0.6).
    pub fn audience(&self) -> Option<Audience> {
        self.roles.iter().max_by_key(|it| it.primary).map(|it| match it.role {
            RoleName::Student => Audience::Student,
            RoleName::Teacher | RoleName::Aide => Audience::Educator,
            RoleName::Administrator | RoleName::Proctor | RoleName::Staff => Audience::Staff,
        })
    }
}

/// A record of any kind. It is shared: a first load has millions, and the plan has those of the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An org.
    School(Arc<Org>),
    /// An academic session.
    Session(Arc<Session>),
    /// A course.
    Course(Arc<Course>),
    /// A class.
    Class(Arc<Class>),
    /// A user.
    User(Arc<User>),
    /// An enrollment.
    Enrollment(Arc<Enrollment>),
}

macro_rules! keyed_by_id {
    ($type:ty, $kind:ident, $variant:ident, |$it:ident| $normalize:block) => {
        impl RosterRecord for $type {
            type Key = SourceId;
            type All = BTreeMap<SourceId, Self>;
            const KIND: Kind = Kind::$kind;

            fn key(&self) -> SourceId {
                self.id.clone()
            }

            fn order(&self, key: &SourceId) -> Ordering {
                self.id.cmp(key)
            }

            fn text_id(key: &SourceId) -> String {
                key.as_str().to_owned()
            }

            fn shared(it: Arc<Self>) -> Record {
                Record::$variant(it)
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
    // Room for more is as much as what is there, of millions.
    list.shrink_to_fit();
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

impl Serialize for Record {
    /// As its kind of record alone.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::School(it) => it.as_ref().serialize(serializer),
            Self::Session(it) => it.as_ref().serialize(serializer),
            Self::Course(it) => it.as_ref().serialize(serializer),
            Self::Class(it) => it.as_ref().serialize(serializer),
            Self::User(it) => it.as_ref().serialize(serializer),
            Self::Enrollment(it) => it.as_ref().serialize(serializer),
        }
    }
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

    /// The id as text; see [`RosterRecord::text_id`]. Only an enrollment's has to be made.
    pub fn id(&self) -> Cow<'_, str> {
        match self {
            Self::School(it) => Cow::Borrowed(it.id.as_str()),
            Self::Session(it) => Cow::Borrowed(it.id.as_str()),
            Self::Course(it) => Cow::Borrowed(it.id.as_str()),
            Self::Class(it) => Cow::Borrowed(it.id.as_str()),
            Self::User(it) => Cow::Borrowed(it.id.as_str()),
            Self::Enrollment(it) => Cow::Owned(Enrollment::text_id(&it.key())),
        }
    }

    /// The same, to be kept.
    pub fn text_id(&self) -> String {
        self.id().into_owned()
    }

    /// The whole record as a JSON object, as the store keeps it.
    pub fn body(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Reads what [`Record::body`] wrote.
    pub fn from_body(kind: Kind, body: &str) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            Kind::Schools => Self::School(Arc::new(serde_json::from_str(body)?)),
            Kind::Sessions => Self::Session(Arc::new(serde_json::from_str(body)?)),
            Kind::Courses => Self::Course(Arc::new(serde_json::from_str(body)?)),
            Kind::Classes => Self::Class(Arc::new(serde_json::from_str(body)?)),
            Kind::Users => Self::User(Arc::new(serde_json::from_str(body)?)),
            Kind::Enrollments => Self::Enrollment(Arc::new(serde_json::from_str(body)?)),
        })
    }

    /// One line of `rosterd roster --json`: the body without what is kept aside (NCES number, a class's instance, the source's own
    /// role word).
    pub fn roster_line(&self) -> Result<String, serde_json::Error> {
        match self.clone() {
            Self::School(mut org) => {
                Arc::make_mut(&mut org).nces = None;
                Self::School(org).body()
            }
            Self::Class(mut class) => {
                Arc::make_mut(&mut class).instance = 0;
                Self::Class(class).body()
            }
            Self::User(mut user) => {
                for role in &mut Arc::make_mut(&mut user).roles {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// P19, P32.
    #[test]
    fn a_term_is_its_title_and_dates_or_its_id_while_the_dates_touch() {
        let session = |id: &str, title: &str, starts_on: &str, ends_on: &str| Session {
            id: id.into(),
            session_type: "term".to_owned(),
            title: title.to_owned(),
            starts_on: starts_on.parse().ok(),
            ends_on: ends_on.parse().ok(),
            parent: None,
            school_year: None,
        };
        let fall = session("t1", "Fall", "2025-08-15", "2025-12-19");
        let cases = [
            ("another id every night", session("t9", "Fall", "2025-08-15", "2025-12-19"), true),
            ("a corrected end", session("t1", "Fall", "2025-08-15", "2025-12-22"), true),
            ("another name", session("t1", "First semester", "2025-08-15", "2025-12-19"), true),
            ("another term", session("t2", "Spring", "2026-01-07", "2026-06-10"), false),
            ("the id of every fall", session("t1", "Fall", "2026-08-14", "2026-12-18"), false),
            ("no dates", session("t1", "Fall", "", ""), true),
        ];
        for (what, other, same) in cases {
            assert_eq!(fall.is_same_term(&other), same, "{what}");
            assert_eq!(other.is_same_term(&fall), same, "{what}");
        }
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
