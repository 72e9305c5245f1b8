//! What two accounts have in common, and what tells them apart.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::{Personal, User, canonical_grade};

use super::Strength;

/// What accounts are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "IdentityKey")]
pub enum Key {
    /// The district's number of the student: strong.
    StudentNumber,
    /// The state's id of the person: strong.
    StateId,
    /// Given and family name: weak, and only together with a grade, since no birth date is kept.
    Name,
    /// Email: weak, for it is handed on (P18).
    Email,
    /// A grade.
    Grade,
}

impl Key {
    /// Whether it may propose that an id is another one's person.
    pub fn is_strong(self) -> bool {
        matches!(self, Self::StudentNumber | Self::StateId)
    }

    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StudentNumber => "student_number",
            Self::StateId => "state_id",
            Self::Name => "name",
            Self::Email => "email",
            Self::Grade => "grade",
        }
    }

    /// What it adds to the score where it is the same, and takes where it differs.
    fn weight(self) -> (u8, u8) {
        match self {
            Self::StateId => (60, 50),
            Self::StudentNumber => (55, 50),
            Self::Name => (25, 20),
            Self::Email => (20, 0),
            Self::Grade => (10, 5),
        }
    }
}

/// How alike two accounts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Likeness {
    pub(super) strength: Strength,
    pub(super) score: u8,
    pub(super) keys: Vec<Key>,
    pub(super) against: Vec<Key>,
}

/// The keys under which accounts are looked up, with their values.
pub(super) fn of(user: &User) -> Vec<(Key, String)> {
    let strong =
        [(Key::StudentNumber, &user.student_number), (Key::StateId, &user.state_id), (Key::Email, &user.email)];
    let mut all: Vec<(Key, String)> =
        strong.into_iter().filter_map(|(key, value)| Some((key, folded(value.as_ref())?))).collect();
    if let Some(name) = name(user) {
        all.extend(grades(user).into_iter().map(|grade| (Key::Name, format!("{name}\0{grade}"))));
    }
    all
}

/// Compares two accounts; none where they are not alike enough to bother a person with.
pub(super) fn compare(one: &User, other: &User) -> Option<Likeness> {
    let same = |one: Option<String>, other: Option<String>| Some(one? == other?);
    let (mine, theirs) = (grades(one), grades(other));
    let grade = (!mine.is_empty() && !theirs.is_empty()).then(|| mine.iter().any(|grade| theirs.contains(grade)));
    let verdicts = [
        (Key::StudentNumber, same(folded(one.student_number.as_ref()), folded(other.student_number.as_ref()))),
        (Key::StateId, same(folded(one.state_id.as_ref()), folded(other.state_id.as_ref()))),
        (Key::Name, same(name(one), name(other))),
        (Key::Email, same(folded(one.email.as_ref()), folded(other.email.as_ref())).filter(|same| *same)),
        (Key::Grade, grade),
    ];
    let with = |wanted: bool| verdicts.iter().filter(move |(_, it)| *it == Some(wanted)).map(|(key, _)| *key);
    let (keys, against): (Vec<Key>, Vec<Key>) = (with(true).collect(), with(false).collect());
    let strong = keys.iter().any(|key| key.is_strong());
    let apart = against.iter().any(|key| key.is_strong());
    let strength = match (strong, apart) {
        (true, false) => Strength::Strong,
        (true, true) => Strength::Weak,
        // Numbers of their own: twins, namesakes (P45).
        (false, true) => return None,
        (false, false) => {
            // Siblings share an email and not a given name.
            let alike = keys.contains(&Key::Email) || (keys.contains(&Key::Name) && keys.contains(&Key::Grade));
            if !alike || against.contains(&Key::Name) {
                return None;
            }
            Strength::Weak
        }
    };
    let gains = keys.iter().fold(0_u8, |sum, key| sum.saturating_add(key.weight().0));
    let score = against.iter().fold(gains.min(100), |sum, key| sum.saturating_sub(key.weight().1));
    Some(Likeness { strength, score, keys, against })
}

/// Whether an id seems to be of another person than before (P19): both names differ, no strong key says otherwise, and grade
/// or school differ too. A marriage, a correction or a new number alone is none of it.
pub fn is_someone_else(old: &User, new: &User) -> bool {
    let differs = |a: Option<&Personal>, b: Option<&Personal>| folded(a).zip(folded(b)).is_some_and(|(a, b)| a != b);
    let same = |a: Option<&Personal>, b: Option<&Personal>| folded(a).zip(folded(b)).is_some_and(|(a, b)| a == b);
    let orgs = |user: &User| user.roles.iter().map(|it| it.org.clone()).collect::<BTreeSet<_>>();
    differs(old.given_name.as_ref(), new.given_name.as_ref())
        && differs(old.family_name.as_ref(), new.family_name.as_ref())
        && !same(old.student_number.as_ref(), new.student_number.as_ref())
        && !same(old.state_id.as_ref(), new.state_id.as_ref())
        && (grades(old) != grades(new) || orgs(old) != orgs(new))
}

fn folded(value: Option<&Personal>) -> Option<String> {
    let text = value?.reveal().trim().to_lowercase();
    (!text.is_empty()).then_some(text)
}

fn name(user: &User) -> Option<String> {
    let (given, family) = (folded(user.given_name.as_ref())?, folded(user.family_name.as_ref())?);
    Some(format!("{family}\0{given}"))
}

fn grades(user: &User) -> Vec<String> {
    user.grades.iter().map(|grade| canonical_grade(grade)).collect()
}
