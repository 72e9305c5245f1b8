//! Step 1: who wants a seat of a product (licensing.md, Products and One allocation, 1).
//!
//! The same question is asked twice of someone whose demand is gone: of the roster as it is, and with what is merely absent
//! put back. Wanted in the second case only means that nothing but absence ends it (step 2).

use std::collections::BTreeSet;

use crate::model::{Audience, Basis, Org, OverrideKind, Product, ReleaseReason, RoleName, SourceId, User};

use super::Input;
use super::assignment::Decisions;
use super::capacity::range;
use super::classes::{Attendance, ClassEntry};
use super::dates::Standing;
use super::district::{District, by_educators};
use super::roll::{Fact, Roles};

/// Whether a user wants a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
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
    pub fn keeps(self) -> bool {
        !matches!(self, Self::None(_))
    }

    /// Whether this makes a user without a seat wait.
    pub fn waits(self, waiting: bool) -> bool {
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
    /// Whether the account is active.
    pub(super) active: bool,
    /// Their roles.
    pub(super) roles: Roles,
    /// The roles of enrollments that are known to run, in classes that `view` shows.
    running: Roles,
    /// In key order.
    pub(super) enrollments: &'b [Attendance<'a>],
    /// What of it counts.
    pub(super) view: View,
}

impl<'a, 'b> Subject<'a, 'b> {
    /// What `view` shows of a user.
    pub(super) fn new(user: &'a User, enrollments: &'b [Attendance<'a>], view: View) -> Self {
        Self { user, active: user.active, roles: Roles::of(user), running: Roles::default(), enrollments, view }
    }

    /// A user on the roll.
    pub(super) fn on_roll(fact: Fact<'a>, enrollments: &'b [Attendance<'a>]) -> Self {
        let Fact { user, active, roles, running, .. } = fact;
        Self { user, active, roles, running, enrollments, view: View::Present }
    }
}

/// The conditions of one product, read once.
#[derive(Debug)]
pub(super) struct Rule<'a, 'b> {
    district: &'b District<'a>,
    product: &'a Product,
    /// The roles of the product's audience.
    audience: Roles,
    /// The source's words for the product's grades.
    grades: BTreeSet<&'a str>,
    /// The product's schools, by id.
    schools: BTreeSet<&'a str>,
    /// Whether anything is asked of the user beyond basis and audience.
    conditional: bool,
    decisions: Decisions<'a>,
    /// Users who have opened the product.
    opened: BTreeSet<&'a SourceId>,
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
        let off = range(input.educator_access, &product.code)
            .filter(|(_, access)| !access.on)
            .map(|(educator, _)| educator)
            .collect();
        let mut it = Self {
            district,
            product,
            audience: Roles::that(|role| counts_for(product.audience, role)),
            grades: district.grade_words(&product.grades),
            schools: district.schools_named(&product.schools),
            conditional: !(product.roles.is_empty() && product.grades.is_empty() && product.schools.is_empty()),
            decisions: Decisions::new(input, product, district.today),
            opened: range(input.opened, &product.code).map(|(user, _)| user).collect(),
            off,
            classes: None,
        };
        it.classes = it.judge_classes();
        it
    }

    /// Whether `subject` wants a seat.
    pub(super) fn demand(&self, subject: Subject<'a, '_>) -> Demand {
        let user = subject.user;
        let decision = self.decisions.of_user(&user.id);
        if !subject.active {
            return Demand::None(ReleaseReason::Inactive);
        }
        if decision == Some(OverrideKind::Exclude) {
            return Demand::None(ReleaseReason::Excluded);
        }
        if !self.meets_audience(subject.roles) {
            return Demand::None(ReleaseReason::Conditions);
        }
        if decision == Some(OverrideKind::Pin) {
            return Demand::Pinned;
        }
        let by_class = self.by_class(subject);
        let by_hand = self.product.basis == Basis::Assigned;
        match by_class {
            Some(excluded @ Demand::None(ReleaseReason::Excluded)) => excluded,
            Some(Demand::Pinned) if !by_hand => Demand::Pinned,
            _ => match self.by_rule(subject, by_class) {
                Demand::None(_) if by_class == Some(Demand::Lasts) && !by_hand => Demand::Lasts,
                by_rule => by_rule,
            },
        }
    }

    /// What basis and conditions make of a user of whom nothing was decided.
    fn by_rule(&self, subject: Subject<'a, '_>, by_class: Option<Demand>) -> Demand {
        if self.conditional && !self.meets_conditions(subject.user) {
            return Demand::None(ReleaseReason::Conditions);
        }
        match self.product.basis {
            Basis::Enrolled => self.enrolled(subject),
            Basis::Active | Basis::Role => Demand::Wanted,
            Basis::Assigned if self.decisions.assigns(&subject.user.id) => Demand::Wanted,
            Basis::Assigned => match by_class {
                Some(Demand::Pinned) => Demand::Wanted,
                Some(other) => other,
                // Where whole classes are assigned, who is in none of them has left one, for all that is known.
                None if self.decisions.assigns_classes() => Demand::None(ReleaseReason::Tombstone),
                None => Demand::None(ReleaseReason::Unassigned),
            },
            Basis::FirstUse if self.has_opened(&subject.user.id) => Demand::Wanted,
            Basis::FirstUse => Demand::Opened,
        }
    }

    /// What was decided of the classes a user is in today: an exclude before a pin.
    fn by_class(&self, subject: Subject<'a, '_>) -> Option<Demand> {
        if !self.decisions.of_classes() {
            return None;
        }
        let mut found: Option<Demand> = None;
        for attendance in subject.enrollments {
            let enrollment = attendance.enrollment;
            if self.decisions.excepts(&enrollment.class, &subject.user.id) {
                found = found.or(Some(Demand::None(ReleaseReason::Unassigned)));
            }
            let Some(decision) = self.decisions.of_class(&enrollment.class, &subject.user.id) else { continue };
            let Some((_, class)) = self.district.classes.of(attendance) else { continue };
            let seen = subject.view == View::PutBack || class.present;
            if !seen || !counts_for(self.product.audience, enrollment.role) {
                continue;
            }
            match (attendance.standing, decision) {
                (Standing::Running, OverrideKind::Exclude) => return Some(Demand::None(ReleaseReason::Excluded)),
                (Standing::Running, OverrideKind::Pin) => found = Some(Demand::Pinned),
                (Standing::YearOver(day), OverrideKind::Pin)
                    if found != Some(Demand::Pinned) && self.district.lasts_beyond(self.product, day) =>
                {
                    found = Some(Demand::Lasts);
                }
                (_, OverrideKind::Pin) => found = found.or(Some(Demand::None(ReleaseReason::Ended))),
                (_, OverrideKind::Exclude) => {}
            }
        }
        found
    }

    #[inline(never)] // so that nothing of the user is read where nothing is asked
    fn meets_conditions(&self, user: &User) -> bool {
        self.meets_roles(user) && self.meets_grades(user) && self.meets_schools(user)
    }

    /// Whether a role of the user belongs to the audience.
    pub(super) fn meets_audience(&self, roles: Roles) -> bool {
        self.product.audience == Audience::Any || roles.meet(self.audience)
    }

    /// Whether a role of the user, in our word or the source's own, is one of the product's.
    pub(super) fn meets_roles(&self, user: &User) -> bool {
        let role = |wanted: &String| {
            user.roles.iter().any(|it| {
                role_word(it.role).eq_ignore_ascii_case(wanted)
                    || it.word.as_ref().is_some_and(|word| word.eq_ignore_ascii_case(wanted))
            })
        };
        self.product.roles.is_empty() || self.product.roles.iter().any(role)
    }

    /// Whether a grade of the user is one of the product's.
    pub(super) fn meets_grades(&self, user: &User) -> bool {
        self.product.grades.is_empty() || user.grades.iter().any(|it| self.grades.contains(it.as_str()))
    }

    /// Whether a school of the user is one of the product's.
    pub(super) fn meets_schools(&self, user: &User) -> bool {
        self.product.schools.is_empty() || user.roles.iter().any(|it| self.schools.contains(it.org.as_str()))
    }

    /// What was decided of the user, not of a class.
    pub(super) fn decided(&self, user: &SourceId) -> Option<OverrideKind> {
        self.decisions.of_user(user)
    }

    /// Whether a person may have pinned the user, as such or as one of a class.
    pub(super) fn may_pin(&self, user: &SourceId) -> bool {
        self.decided(user) == Some(OverrideKind::Pin) || self.decisions.of_classes()
    }

    /// Whether an administrator assigned the user, or a class they are in.
    pub(super) fn assigned(&self, subject: Subject<'a, '_>) -> bool {
        self.decisions.assigns(&subject.user.id) || self.by_class(subject).is_some_and(Demand::keeps)
    }

    /// Whether the user has opened the product.
    pub(super) fn has_opened(&self, user: &SourceId) -> bool {
        self.opened.contains(user)
    }

    /// The best any enrollment gives; where none gives anything, the reason of the one that came closest.
    fn enrolled(&self, subject: Subject<'a, '_>) -> Demand {
        // Where every class counts, one that runs will do.
        if self.classes.is_none() && subject.running.meet(self.audience) {
            return Demand::Wanted;
        }
        let mut lasts = false;
        let mut lost = ReleaseReason::Tombstone;
        for attendance in subject.enrollments {
            match self.enrollment(attendance, subject) {
                Demand::Lasts => lasts = true,
                Demand::None(reason) => lost = closer(lost, reason),
                wanted => return wanted,
            }
        }
        if lasts { Demand::Lasts } else { Demand::None(lost) }
    }

    /// What one enrollment gives.
    pub(super) fn enrollment(&self, attendance: &Attendance<'a>, subject: Subject<'a, '_>) -> Demand {
        let Some((index, class)) = self.district.classes.of(attendance) else {
            return Demand::None(ReleaseReason::Tombstone);
        };
        if subject.view == View::Present && !class.present {
            return Demand::None(ReleaseReason::Tombstone);
        }
        if !counts_for(self.product.audience, attendance.role) {
            return Demand::None(ReleaseReason::Conditions);
        }
        if by_educators(self.product) && is_educator(attendance.role) && self.off.contains(&subject.user.id) {
            return Demand::None(ReleaseReason::AccessOff);
        }
        if let Some(reason) = self.class_verdict(index, subject.view) {
            return Demand::None(reason);
        }
        match attendance.standing {
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
        if !judges_classes(product) {
            return None;
        }
        let judge = |view: View| -> Vec<Option<ReleaseReason>> {
            self.district.classes.entries().iter().map(|class| self.judge_class(class, view)).collect()
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
        if by_educators(product) {
            let teachers = class.teachers.iter();
            let mut active = teachers.filter(|it| view == View::PutBack || it.present).peekable();
            if active.peek().is_some() && active.all(|it| self.off.contains(it.id)) {
                return Some(ReleaseReason::AccessOff);
            }
        }
        None
    }
}

/// Whether it matters to a product which classes its users are in.
pub(super) fn judges_classes(product: &Product) -> bool {
    by_educators(product) || !product.subjects.is_empty() || !product.courses.is_empty()
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

/// The word of a role, as in `rosterd roster`.
pub(super) fn role_word(role: RoleName) -> &'static str {
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
pub fn counts_for(audience: Audience, role: RoleName) -> bool {
    match audience {
        Audience::Student => role == RoleName::Student,
        Audience::Educator => is_educator(role),
        Audience::Staff => {
            matches!(role, RoleName::Administrator | RoleName::Proctor | RoleName::Staff)
        }
        Audience::Any => true,
    }
}

/// Whether a catalog's word for a school means this one: source id, identifier or NCES number.
pub(super) fn names_school(name: &str, org: &Org) -> bool {
    org.id.as_str() == name || org.identifier.as_deref() == Some(name) || org.nces.as_deref() == Some(name)
}
