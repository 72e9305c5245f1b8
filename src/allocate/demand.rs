//! Step 1: who wants a seat of a product (licensing.md, Products and One allocation, 1).
//!
//! The same question is asked twice of someone whose demand is gone: of the roster as it is, and with what is merely absent
//! put back. Wanted in the second case only means that nothing but absence ends it (step 2).

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Audience, Basis, Date, Enrollment, EnrollmentKey, Org, Override, OverrideKind, Product, ReleaseReason, RoleName,
    SourceId, User, canonical_grade,
};

use super::Input;
use super::capacity::range;
use super::dates::Standing;
use super::district::{ClassEntry, District};

/// Whether a user wants a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// Yes, because a person pinned them.
    Pinned,
    /// Yes.
    Wanted,
    /// Only if they have a seat: the school year is over (`after_last_day = keep`).
    Lasts,
    /// Only if they have a seat or a place in line: they have opened the product (basis `first_use`).
    Opened,
    /// No, for this reason.
    None(ReleaseReason),
}

impl Demand {
    /// Whether this keeps a seat that is there.
    pub(super) fn keeps(self) -> bool {
        !matches!(self, Self::None(_))
    }

    /// Whether this makes a user without a seat wait.
    pub(super) fn waits(self, waiting: bool) -> bool {
        match self {
            Self::Pinned | Self::Wanted => true,
            Self::Opened => waiting,
            Self::Lasts | Self::None(_) => false,
        }
    }
}

/// Which records count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// The roster.
    Present,
    /// The roster, and what left it by mere absence.
    PutBack,
}

/// One user and their enrollments, as far as a view shows them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a, 'b> {
    /// The user.
    pub(super) user: &'a User,
    /// In key order.
    pub(super) enrollments: &'b [&'a Enrollment],
    /// What of it counts.
    pub(super) view: View,
}

/// The conditions of one product, read once.
#[derive(Debug)]
pub(super) struct Rule<'a, 'b> {
    district: &'b District<'a>,
    product: &'a Product,
    grades: Vec<String>,
    /// Overrides in force.
    decisions: BTreeMap<&'a SourceId, OverrideKind>,
    /// Educators whose access is OFF.
    off: BTreeSet<&'a SourceId>,
    /// Per class, whether it passes subjects, courses and educator access; none if every class does.
    classes: Option<ClassVerdicts>,
}

/// Per class of the district and per view.
#[derive(Debug)]
struct ClassVerdicts {
    present: Vec<Option<ReleaseReason>>,
    put_back: Vec<Option<ReleaseReason>>,
}

impl<'a, 'b> Rule<'a, 'b> {
    /// Reads the conditions of `product`.
    pub(super) fn new(input: Input<'a>, district: &'b District<'a>, product: &'a Product) -> Self {
        let grades = product.grades.iter().map(|grade| canonical_grade(grade)).collect();
        let overrides = range(input.overrides, &product.code);
        let decisions =
            overrides.filter(|(_, it)| in_force(it, district.today)).map(|(user, it)| (user, it.kind)).collect();
        let off = range(input.educator_access, &product.code)
            .filter(|(_, access)| !access.on)
            .map(|(educator, _)| educator)
            .collect();
        let mut it = Self { district, product, grades, decisions, off, classes: None };
        it.classes = it.judge_classes();
        it
    }

    /// Whether `subject` wants a seat.
    pub(super) fn demand(&self, subject: Subject<'a, '_>) -> Demand {
        let user = subject.user;
        let decision = self.decisions.get(&user.id).copied();
        if !user.active {
            return Demand::None(ReleaseReason::Inactive);
        }
        if decision == Some(OverrideKind::Exclude) {
            return Demand::None(ReleaseReason::Excluded);
        }
        if !in_audience(self.product.audience, user) {
            return Demand::None(ReleaseReason::Conditions);
        }
        if decision == Some(OverrideKind::Pin) {
            return Demand::Pinned;
        }
        if !self.meets_conditions(user) {
            return Demand::None(ReleaseReason::Conditions);
        }
        match self.product.basis {
            Basis::Enrolled => self.enrolled(subject),
            Basis::Active | Basis::Role => Demand::Wanted,
            Basis::Assigned => Demand::None(ReleaseReason::Unassigned),
            Basis::FirstUse => Demand::Opened,
        }
    }

    fn meets_conditions(&self, user: &User) -> bool {
        let product = self.product;
        let role = || {
            product.roles.iter().any(|wanted| {
                user.roles.iter().any(|it| {
                    role_word(it.role).eq_ignore_ascii_case(wanted)
                        || it.word.as_ref().is_some_and(|word| word.eq_ignore_ascii_case(wanted))
                })
            })
        };
        let grade = || user.grades.iter().any(|it| self.grades.contains(&canonical_grade(it)));
        let school =
            || user.roles.iter().any(|it| product.schools.iter().any(|name| self.district.is_school(name, &it.org)));
        (product.roles.is_empty() || role())
            && (product.grades.is_empty() || grade())
            && (product.schools.is_empty() || school())
    }

    /// The best any enrollment gives; where none gives anything, the reason of the one that came closest.
    fn enrolled(&self, subject: Subject<'a, '_>) -> Demand {
        let mut lasts = false;
        let mut lost = ReleaseReason::Tombstone;
        for enrollment in subject.enrollments {
            match self.enrollment(enrollment, subject) {
                Demand::Lasts => lasts = true,
                Demand::None(reason) => lost = closer(lost, reason),
                wanted => return wanted,
            }
        }
        if lasts { Demand::Lasts } else { Demand::None(lost) }
    }

    fn enrollment(&self, enrollment: &Enrollment, subject: Subject<'a, '_>) -> Demand {
        let Some((index, class)) = self.district.class(&enrollment.class) else {
            return Demand::None(ReleaseReason::Tombstone);
        };
        if subject.view == View::Present && !class.present {
            return Demand::None(ReleaseReason::Tombstone);
        }
        if !counts_for(self.product.audience, enrollment.role) {
            return Demand::None(ReleaseReason::Conditions);
        }
        if self.product.educator_access && is_educator(enrollment.role) && self.off.contains(&enrollment.user) {
            return Demand::None(ReleaseReason::AccessOff);
        }
        if let Some(reason) = self.class_verdict(index, subject.view) {
            return Demand::None(reason);
        }
        match self.district.calendar.standing(enrollment, &class.span) {
            Standing::Running => Demand::Wanted,
            Standing::YearOver(day) if self.district.lasts_beyond(self.product, day) => Demand::Lasts,
            Standing::YearOver(_) | Standing::Ended | Standing::NotBegun => Demand::None(ReleaseReason::Ended),
        }
    }

    fn class_verdict(&self, index: usize, view: View) -> Option<ReleaseReason> {
        let verdicts = self.classes.as_ref()?;
        let of_view = match view {
            View::Present => &verdicts.present,
            View::PutBack => &verdicts.put_back,
        };
        of_view.get(index).copied().flatten()
    }

    fn judge_classes(&self) -> Option<ClassVerdicts> {
        let product = self.product;
        if !product.educator_access && product.subjects.is_empty() && product.courses.is_empty() {
            return None;
        }
        let judge = |view: View| -> Vec<Option<ReleaseReason>> {
            self.district.classes.iter().map(|class| self.judge_class(class, view)).collect()
        };
        Some(ClassVerdicts { present: judge(View::Present), put_back: judge(View::PutBack) })
    }

    /// Why a class does not count; none if it does.
    fn judge_class(&self, class: &ClassEntry<'a>, view: View) -> Option<ReleaseReason> {
        let product = self.product;
        let course = self.district.course(class);
        let subject = || {
            let of_course = course.map(|it| it.subjects.as_slice()).unwrap_or_default();
            let mut all = class.class.subjects.iter().chain(of_course);
            all.any(|it| product.subjects.iter().any(|wanted| wanted.eq_ignore_ascii_case(it)))
        };
        let of_course = || {
            product.courses.iter().any(|wanted| {
                class.class.course.as_ref().is_some_and(|id| id.as_str() == wanted)
                    || course.is_some_and(|it| it.code.as_ref() == Some(wanted))
            })
        };
        if !(product.subjects.is_empty() || subject()) || !(product.courses.is_empty() || of_course()) {
            return Some(ReleaseReason::Conditions);
        }
        if product.educator_access {
            let teachers = class.teachers.iter();
            let mut active = teachers.filter(|it| view == View::PutBack || it.present).peekable();
            if active.peek().is_some() && active.all(|it| self.off.contains(it.id)) {
                return Some(ReleaseReason::AccessOff);
            }
        }
        None
    }
}

/// The reason that says more: conditions and dates before a record that is not there.
fn closer(one: ReleaseReason, other: ReleaseReason) -> ReleaseReason {
    let rank = |reason| match reason {
        ReleaseReason::AccessOff => 3,
        ReleaseReason::Ended => 2,
        ReleaseReason::Conditions => 1,
        _ => 0,
    };
    if rank(other) > rank(one) { other } else { one }
}

/// Whether an override holds on `today`; its last day is inclusive.
pub(super) fn in_force(it: &Override, today: Date) -> bool {
    it.until.is_none_or(|until| today <= until)
}

/// The word of a role, as in `rosterd roster`.
fn role_word(role: RoleName) -> &'static str {
    match role {
        RoleName::Administrator => "administrator",
        RoleName::Aide => "aide",
        RoleName::Proctor => "proctor",
        RoleName::Staff => "staff",
        RoleName::Student => "student",
        RoleName::Teacher => "teacher",
    }
}

fn is_educator(role: RoleName) -> bool {
    matches!(role, RoleName::Teacher | RoleName::Aide)
}

/// Whether a role belongs to an audience (S4.5); an enrollment counts for the audience its role belongs to.
pub(super) fn counts_for(audience: Audience, role: RoleName) -> bool {
    match audience {
        Audience::Student => role == RoleName::Student,
        Audience::Educator => is_educator(role),
        Audience::Staff => {
            matches!(role, RoleName::Administrator | RoleName::Proctor | RoleName::Staff)
        }
        Audience::Any => true,
    }
}

fn in_audience(audience: Audience, user: &User) -> bool {
    audience == Audience::Any || user.roles.iter().any(|it| counts_for(audience, it.role))
}

/// Whether a catalog's word for a school means this one: source id, identifier or NCES number.
pub(super) fn names_school(name: &str, org: &Org) -> bool {
    org.id.as_str() == name || org.identifier.as_deref() == Some(name) || org.nces.as_deref() == Some(name)
}

/// The first key an enrollment of `user` can have.
pub(super) fn first_key(user: &SourceId) -> EnrollmentKey {
    EnrollmentKey { user: user.clone(), class: SourceId::new(""), role: RoleName::Administrator }
}
