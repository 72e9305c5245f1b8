//! The words of `OneRoster` and of those who write it: roles, flags, states, dates (protocols.md 2.3, 2.4, 4.3).

use chrono::NaiveDate;

use crate::model::{Date, RoleName};

/// What a role word means to us.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// A role, and the source's word where it is another one.
    Role(RoleName, Option<String>),
    /// Guardians, parents, relatives: counted, never stored.
    Contact,
}

/// Reads a role word; none of a blank.
pub(crate) fn role(word: Option<&str>) -> Option<Word> {
    let word = word.map(str::trim).filter(|it| !it.is_empty())?;
    let known = |role| Some(Word::Role(role, None));
    let kept = |role| Some(Word::Role(role, Some(word.to_owned())));
    match word.to_ascii_lowercase().as_str() {
        "student" => known(RoleName::Student),
        "teacher" => known(RoleName::Teacher),
        "aide" => known(RoleName::Aide),
        "proctor" => known(RoleName::Proctor),
        "administrator" => known(RoleName::Administrator),
        "staff" => known(RoleName::Staff),
        "principal" | "siteadministrator" | "districtadministrator" | "systemadministrator" => {
            kept(RoleName::Administrator)
        }
        "guardian" | "parent" | "relative" | "contact" => Some(Word::Contact),
        _ => kept(RoleName::Staff),
    }
}

pub(crate) fn is_student(word: Option<&str>) -> bool {
    matches!(role(word), Some(Word::Role(RoleName::Student, _)))
}

/// Whether a `userIds` type names the state's id.
pub(crate) fn is_state(kind: Option<&str>) -> bool {
    let letters: String = kind.unwrap_or_default().chars().filter(char::is_ascii_alphabetic).collect();
    matches!(letters.to_ascii_lowercase().as_str(), "state" | "stateid" | "stateidentifier")
}

/// `tobedeleted`, and `inactive`, which 1.0 had and still occurs.
pub(crate) fn is_deleted(status: Option<&String>) -> bool {
    let status = status.map(|it| it.trim().to_ascii_lowercase());
    matches!(status.as_deref(), Some("tobedeleted" | "inactive"))
}

/// `true`, `TRUE`, `1`, `yes` and their opposites; nothing of anything else.
pub(crate) fn flag(text: Option<&String>) -> Option<bool> {
    match text?.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "y" => Some(true),
        "false" | "0" | "no" | "n" => Some(false),
        _ => None,
    }
}

/// `2017-05-06`, with or without a time after it, or `1/05/2023`, month first.
pub(crate) fn date(text: &str) -> Option<Date> {
    let day = text.trim().split(['T', ' ']).next()?;
    let formats = if day.contains('/') { ["%m/%d/%Y", "%Y/%m/%d"] } else { ["%Y-%m-%d", "%Y%m%d"] };
    let read = formats.iter().find_map(|format| NaiveDate::parse_from_str(day, format).ok())?;
    // A year of two digits would be read as one of antiquity.
    let year = chrono::Datelike::year(&read);
    (1900..=9999).contains(&year).then_some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_sources_write_them() {
        let may = NaiveDate::from_ymd_opt(2017, 5, 6);
        for text in ["2017-05-06", "2017-05-06 08:01:05", "2017-05-06T08:01:05.000Z", "5/06/2017", " 2017-05-06 "] {
            assert_eq!(date(text), may, "{text}");
        }
        for text in ["2017-13-06", "soon", "06.05.2017", "05/06/17", "1.23E+11"] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn role_words_of_both_versions_become_ours_and_the_source_s_word_is_kept_aside() {
        let kept = |role, word: &str| Some(Word::Role(role, Some(word.to_owned())));
        assert_eq!(role(Some("Teacher")), Some(Word::Role(RoleName::Teacher, None)));
        assert_eq!(role(Some("principal")), kept(RoleName::Administrator, "principal"));
        assert_eq!(role(Some("counselor")), kept(RoleName::Staff, "counselor"));
        assert_eq!(role(Some("ext:coach")), kept(RoleName::Staff, "ext:coach"));
        assert_eq!(role(Some("parent")), Some(Word::Contact));
        assert_eq!(role(Some("  ")), None);
    }
}
