//! One row of each collection as REST and CSV give it, with only the fields the rules need; everything else (birth dates,
//! phones, passwords, demographics) is dropped while parsing.

use serde::{Deserialize, Deserializer};

use crate::feed::lenient::{many, reference, references, text, words};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct OrgRow {
    #[serde(deserialize_with = "text")]
    pub sourced_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub status: Option<String>,
    #[serde(deserialize_with = "text")]
    pub date_last_modified: Option<String>,
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "text")]
    pub identifier: Option<String>,
    #[serde(deserialize_with = "reference")]
    pub parent: Option<String>,
    #[serde(rename = "metadata", deserialize_with = "nces")]
    pub nces: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SessionRow {
    #[serde(deserialize_with = "text")]
    pub sourced_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub status: Option<String>,
    #[serde(deserialize_with = "text")]
    pub date_last_modified: Option<String>,
    #[serde(deserialize_with = "text")]
    pub title: Option<String>,
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "text")]
    pub start_date: Option<String>,
    #[serde(deserialize_with = "text")]
    pub end_date: Option<String>,
    #[serde(deserialize_with = "reference")]
    pub parent: Option<String>,
    #[serde(deserialize_with = "text")]
    pub school_year: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CourseRow {
    #[serde(deserialize_with = "text")]
    pub sourced_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub status: Option<String>,
    #[serde(deserialize_with = "text")]
    pub date_last_modified: Option<String>,
    #[serde(deserialize_with = "text")]
    pub title: Option<String>,
    #[serde(deserialize_with = "text")]
    pub course_code: Option<String>,
    #[serde(deserialize_with = "words")]
    pub grades: Vec<String>,
    #[serde(deserialize_with = "words")]
    pub subjects: Vec<String>,
    #[serde(deserialize_with = "reference")]
    pub org: Option<String>,
    /// Where Aeries puts `org` (protocols.md, Gotchas 6).
    #[serde(deserialize_with = "reference")]
    pub school: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ClassRow {
    #[serde(deserialize_with = "text")]
    pub sourced_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub status: Option<String>,
    #[serde(deserialize_with = "text")]
    pub date_last_modified: Option<String>,
    #[serde(deserialize_with = "text")]
    pub title: Option<String>,
    #[serde(deserialize_with = "text")]
    pub class_code: Option<String>,
    #[serde(deserialize_with = "text")]
    pub class_type: Option<String>,
    #[serde(deserialize_with = "words")]
    pub grades: Vec<String>,
    #[serde(deserialize_with = "words")]
    pub subjects: Vec<String>,
    #[serde(deserialize_with = "reference")]
    pub course: Option<String>,
    #[serde(deserialize_with = "reference")]
    pub school: Option<String>,
    #[serde(deserialize_with = "references")]
    pub terms: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UserRow {
    #[serde(deserialize_with = "text")]
    pub sourced_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub status: Option<String>,
    #[serde(deserialize_with = "text")]
    pub date_last_modified: Option<String>,
    #[serde(deserialize_with = "text")]
    pub enabled_user: Option<String>,
    #[serde(deserialize_with = "text")]
    pub username: Option<String>,
    #[serde(deserialize_with = "text")]
    pub given_name: Option<String>,
    #[serde(deserialize_with = "text")]
    pub family_name: Option<String>,
    #[serde(deserialize_with = "text")]
    pub identifier: Option<String>,
    #[serde(deserialize_with = "text")]
    pub email: Option<String>,
    #[serde(deserialize_with = "words")]
    pub grades: Vec<String>,
    #[serde(deserialize_with = "many")]
    pub user_ids: Vec<IdRow>,
    /// 1.1.
    #[serde(deserialize_with = "text")]
    pub role: Option<String>,
    /// 1.1.
    #[serde(deserialize_with = "references")]
    pub orgs: Vec<String>,
    /// 1.2; `None` where the row has no such field.
    #[serde(deserialize_with = "roles")]
    pub roles: Option<Vec<RoleRow>>,
    /// 1.2.
    #[serde(deserialize_with = "reference")]
    pub primary_org: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct IdRow {
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "text")]
    pub identifier: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RoleRow {
    #[serde(deserialize_with = "text")]
    pub role_type: Option<String>,
    #[serde(deserialize_with = "text")]
    pub role: Option<String>,
    #[serde(deserialize_with = "reference")]
    pub org: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct EnrollmentRow {
    #[serde(deserialize_with = "text")]
    pub status: Option<String>,
    #[serde(deserialize_with = "text")]
    pub date_last_modified: Option<String>,
    #[serde(deserialize_with = "reference")]
    pub user: Option<String>,
    #[serde(deserialize_with = "reference")]
    pub class: Option<String>,
    #[serde(deserialize_with = "reference")]
    pub school: Option<String>,
    #[serde(deserialize_with = "text")]
    pub role: Option<String>,
    #[serde(deserialize_with = "text")]
    pub primary: Option<String>,
    #[serde(deserialize_with = "text")]
    pub begin_date: Option<String>,
    #[serde(deserialize_with = "text")]
    pub end_date: Option<String>,
}

/// What is left of a row that cannot be parsed: enough to say that it is there.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Remains {
    #[serde(deserialize_with = "text")]
    pub sourced_id: Option<String>,
}

fn roles<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<RoleRow>>, D::Error> {
    many(from).map(Some)
}

/// The NCES number among vendors' metadata, whatever they call it.
fn nces<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let metadata = serde_json::Value::deserialize(from)?;
    let found = metadata.as_object().and_then(|fields| {
        fields.iter().find(|(key, _)| is_nces(key)).and_then(|(_, value)| match value {
            serde_json::Value::String(text) => Some(text.trim().to_owned()),
            serde_json::Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    });
    Ok(found.filter(|it| !it.is_empty()))
}

/// Whether a metadata key names the NCES number.
pub(crate) fn is_nces(key: &str) -> bool {
    let letters: String = key.chars().filter(char::is_ascii_alphabetic).collect();
    let letters = letters.to_ascii_lowercase();
    matches!(letters.as_str(), "nces" | "ncesid" | "ncesnumber" | "ncesschoolid" | "ncesdistrictid")
}
