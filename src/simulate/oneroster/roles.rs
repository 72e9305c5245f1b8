//! Roles of a user in either version: 1.1 has one role and a list of orgs, 1.2 a list of roles.

use super::Version;
use crate::simulate::table::CsvSet;
use crate::simulate::table::Table;

/// One role of 1.2 at one org.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) role: String,
    pub(crate) org: String,
}

/// The 1.2 roles of a row of 1.1's `users.csv`: its role at each of its orgs, in order.
pub(crate) fn of_row(set: &CsvSet, users: &Table, row: &[String]) -> Vec<Role> {
    let role = users.cell(row, "role");
    let orgs = users.cell(row, "orgSourcedIds").split(',').map(str::trim).filter(|org| !org.is_empty());
    orgs.map(|org| Role { role: of_user(role, set.org_type(org)), org: org.to_owned() }).collect()
}

/// 1.2's word for a role of 1.1 at an org of this type. Words that are none of 1.2's become extensions.
fn of_user(role: &str, org_type: &str) -> String {
    match (role, org_type) {
        ("administrator", "school") => "siteAdministrator".to_owned(),
        ("administrator", _) => "districtAdministrator".to_owned(),
        ("aide" | "guardian" | "parent" | "principal" | "proctor" | "relative" | "student" | "teacher", _) => {
            role.to_owned()
        }
        _ => format!("ext:{role}"),
    }
}

/// The role of an enrollment in a version; 1.2 knows fewer.
pub(crate) fn of_enrollment(version: Version, role: &str) -> String {
    match (version, role) {
        (Version::V1p2, "administrator" | "proctor" | "student" | "teacher") | (Version::V1p1, _) => role.to_owned(),
        (Version::V1p2, _) => format!("ext:{role}"),
    }
}
