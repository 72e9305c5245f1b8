//! Who may change what: audience, kind of account and verb in one table (S0.3, S1.2, S1.13).

use crate::model::{Audience, Product, RoleName, User};

use super::Verb;

/// Whom a verb is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Students, and products for them.
    Student,
    /// Teachers and aides, and products for them.
    Educator,
    /// Everyone else, and products for them.
    Staff,
}

/// For student, educator and staff.
type Allowed = [bool; 3];

const ALL: Allowed = [true; 3];
const STUDENTS: Allowed = [true, false, false];
const NONE: Allowed = [false; 3];

/// Each verb with whom it may be about where a feed says who there is, and where the account is kept by hand.
///
/// In a rostered district the seats of students are decided here, and everything about educators, enrollments and eligibility in
/// the rostering platform. What takes back an older decision, and what is about no one person, is allowed everywhere.
pub const MATRIX: &[(&str, Allowed, Allowed)] = &[
    // verb              rostered  by hand
    ("override_set", STUDENTS, ALL),
    ("override_clear", ALL, ALL),
    ("access_set", STUDENTS, ALL),
    ("assign", STUDENTS, ALL),
    ("unassign", STUDENTS, ALL),
    ("reassign", STUDENTS, ALL),
    ("swap", STUDENTS, ALL),
    ("move_seats", ALL, ALL),
    ("seats_import", ALL, ALL),
    ("identity", ALL, ALL),
    ("threshold", ALL, ALL),
    ("enroll", NONE, ALL),
    ("unenroll", NONE, ALL),
    ("role_assign", NONE, ALL),
    ("role_remove", NONE, ALL),
    ("transfer", NONE, ALL),
    ("set_active", NONE, ALL),
];

/// Whether the table allows a verb; what is not in the table is not allowed.
pub(super) fn allows(verb: &str, fed: bool, who: Who) -> bool {
    let row = MATRIX.iter().find(|(known, ..)| *known == verb);
    row.is_some_and(|(_, rostered, by_hand)| {
        let [student, educator, staff] = if fed { *rostered } else { *by_hand };
        match who {
            Who::Student => student,
            Who::Educator => educator,
            Who::Staff => staff,
        }
    })
}

impl Who {
    /// A product for any audience is a student's where its user is one, or where no user is named.
    pub(super) fn of(product: &Product, user: Option<&User>) -> Self {
        match product.audience {
            Audience::Student => Self::Student,
            Audience::Educator => Self::Educator,
            Audience::Staff => Self::Staff,
            Audience::Any => user.map_or(Self::Student, Self::of_user),
        }
    }

    /// The first of a user's roles, students before educators before staff.
    pub(super) fn of_user(user: &User) -> Self {
        let has = |wanted: &[RoleName]| user.roles.iter().any(|it| wanted.contains(&it.role));
        if has(&[RoleName::Student]) {
            Self::Student
        } else if has(&[RoleName::Teacher, RoleName::Aide]) {
            Self::Educator
        } else {
            Self::Staff
        }
    }
}

impl Verb {
    /// Its name in [`MATRIX`], as in a queued request.
    pub fn name(&self) -> &'static str {
        match self {
            Self::OverrideSet { .. } => "override_set",
            Self::OverrideClear { .. } => "override_clear",
            Self::AccessSet { .. } => "access_set",
            Self::Assign { .. } => "assign",
            Self::Unassign { .. } => "unassign",
            Self::Reassign { .. } => "reassign",
            Self::Swap { .. } => "swap",
            Self::MoveSeats { .. } => "move_seats",
            Self::SeatsImport { .. } => "seats_import",
            Self::Identity { .. } => "identity",
            Self::Threshold { .. } => "threshold",
            Self::Enroll { .. } => "enroll",
            Self::Unenroll { .. } => "unenroll",
            Self::RoleAssign { .. } => "role_assign",
            Self::RoleRemove { .. } => "role_remove",
            Self::Transfer { .. } => "transfer",
            Self::SetActive { .. } => "set_active",
        }
    }
}
