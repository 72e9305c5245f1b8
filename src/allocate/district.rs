//! One district's records laid out for allocation: what depends on the day and not on the product.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Access, Basis, Class, Course, Date, Enrollment, LastDay, Org, Product, RoleName, Roster, SourceId, Subscription,
    SubscriptionStatus, User, canonical_grade,
};

use super::dates::{Calendar, Span, Standing};
use super::demand::{first_key, names_school};
use super::{Input, asks_for_enrollments, capacity, contract};

/// An active teacher of a class.
#[derive(Debug)]
pub(super) struct Teacher<'a> {
    /// The teacher.
    pub(super) id: &'a SourceId,
    /// Whether the roster has them, or they are merely absent.
    pub(super) present: bool,
}

/// A class, present or merely absent.
#[derive(Debug)]
pub(super) struct ClassEntry<'a> {
    /// Its id as the roster keeps it, which enrollments share.
    id: &'a SourceId,
    /// The class.
    pub(super) class: &'a Class,
    /// Whether the roster has it.
    pub(super) present: bool,
    /// When it is held.
    pub(super) span: Span,
    /// Who teaches it today, by id.
    pub(super) teachers: Vec<Teacher<'a>>,
}

/// One enrollment as every product sees it today.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attendance<'a> {
    /// The enrollment.
    pub(super) enrollment: &'a Enrollment,
    /// Its role, beside it.
    pub(super) role: RoleName,
    /// Its class in `District::classes`; none for one that nobody knows.
    pub(super) class: Option<u32>,
    /// How it stands today; of no meaning without a class.
    pub(super) standing: Standing,
}

/// The roles a user has, as a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Roles(u8);

impl Roles {
    /// Those of `user`.
    pub(super) fn of(user: &User) -> Self {
        Self(user.roles.iter().fold(0, |bits, it| bits | Self::bit(it.role)))
    }

    /// Those of `wanted`, whoever has them.
    pub(super) fn that(wanted: impl Fn(RoleName) -> bool) -> Self {
        let all = [
            RoleName::Administrator,
            RoleName::Aide,
            RoleName::Proctor,
            RoleName::Staff,
            RoleName::Student,
            RoleName::Teacher,
        ];
        Self(all.into_iter().filter(|role| wanted(*role)).fold(0, |bits, role| bits | Self::bit(role)))
    }

    /// Whether some role is in both.
    pub(super) fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    fn bit(role: RoleName) -> u8 {
        match role {
            RoleName::Administrator => 1,
            RoleName::Aide => 1 << 1,
            RoleName::Proctor => 1 << 2,
            RoleName::Staff => 1 << 3,
            RoleName::Student => 1 << 4,
            RoleName::Teacher => 1 << 5,
        }
    }
}

/// What every product asks of a user, side by side with the next user's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fact {
    /// Whether the account is active.
    pub(super) active: bool,
    /// Their roles.
    pub(super) roles: Roles,
    /// Their circle.
    pub(super) circle: usize,
}

/// A district on one day.
#[derive(Debug)]
pub(super) struct District<'a> {
    /// The day of the run in the district's time zone.
    pub(super) today: Date,
    /// Sessions.
    pub(super) calendar: Calendar<'a>,
    /// By id.
    pub(super) classes: Vec<ClassEntry<'a>>,
    /// The roster's enrollments of users it knows, by user first; none where no product asks for them.
    enrollments: Vec<Attendance<'a>>,
    /// Where each user's end, in the order of users.
    ends: Vec<usize>,
    /// Lists of schools that users of the roster have, each once.
    pub(super) circles: Vec<Vec<&'a SourceId>>,
    /// What every product asks of a user, in the order of users.
    facts: Vec<Fact>,
    /// Every word for a grade that a user has, where a product asks for grades.
    words: BTreeSet<&'a str>,
    input: Input<'a>,
    subscriptions: Vec<&'a Subscription>,
}

impl<'a> District<'a> {
    /// Lays out the records of `input`.
    pub(super) fn new(input: Input<'a>) -> Self {
        let today = input.as_of.date_in(input.state.time_zone);
        let calendar = Calendar::new(&[input.roster, input.departed], input.state.end_dates, today);
        let mut classes: BTreeMap<&SourceId, (&Class, bool)> = BTreeMap::new();
        classes.extend(input.departed.classes.iter().map(|(id, class)| (id, (class, false))));
        classes.extend(input.roster.classes.iter().map(|(id, class)| (id, (class, true))));
        let classes = classes.into_iter().map(|(id, (class, present))| ClassEntry {
            id,
            class,
            present,
            span: calendar.span(class),
            teachers: Vec::new(),
        });
        let mut it = Self {
            today,
            classes: classes.collect(),
            enrollments: Vec::new(),
            ends: Vec::new(),
            circles: Vec::new(),
            facts: Vec::new(),
            words: BTreeSet::new(),
            subscriptions: capacity::of_district(input.catalog, &input.state.id),
            calendar,
            input,
        };
        it.draw_circles();
        if input.catalog.products.values().any(|it| !it.grades.is_empty() || !it.order.is_empty()) {
            let users = input.roster.users.values().chain(input.departed.users.values());
            it.words.extend(users.flat_map(|user| &user.grades).map(String::as_str));
        }
        if asks_for_enrollments(input) {
            it.read_enrollments();
        }
        if input.catalog.products.values().any(by_educators) {
            it.seat_teachers(input.roster, true);
            it.seat_teachers(input.departed, false);
        }
        it
    }

    /// Most users have one school, and few lists of several occur.
    fn draw_circles(&mut self) {
        let mut of_one: BTreeMap<&SourceId, usize> = BTreeMap::new();
        let mut of_several: BTreeMap<Vec<&SourceId>, usize> = BTreeMap::new();
        self.facts.reserve(self.input.roster.users.len());
        for user in self.input.roster.users.values() {
            let next = self.circles.len();
            let circle = if let [role] = user.roles.as_slice() {
                *of_one.entry(&role.org).or_insert(next)
            } else {
                *of_several.entry(schools_of(&[user])).or_insert(next)
            };
            if circle == next {
                self.circles.push(schools_of(&[user]));
            }
            self.facts.push(Fact { active: user.active, roles: Roles::of(user), circle });
        }
    }

    /// What every product asks of the roster's user at `index`.
    pub(super) fn fact(&self, index: usize) -> Option<Fact> {
        self.facts.get(index).copied()
    }

    /// The words that users have for any of these grades.
    pub(super) fn grade_words(&self, grades: &[String]) -> BTreeSet<&'a str> {
        if grades.is_empty() {
            return BTreeSet::new();
        }
        let wanted: BTreeSet<String> = grades.iter().map(|grade| canonical_grade(grade)).collect();
        self.words.iter().copied().filter(|word| wanted.contains(&canonical_grade(word))).collect()
    }

    /// The ids that the catalog's words for schools mean: source id, identifier or NCES number.
    pub(super) fn schools_named(&self, names: &'a [String]) -> BTreeSet<&'a str> {
        let mut ids: BTreeSet<&'a str> = names.iter().map(String::as_str).collect();
        if !names.is_empty() {
            let known = self.input.roster.schools.values();
            let roster = &self.input.roster.schools;
            let gone = self.input.departed.schools.values().filter(|org| !roster.contains_key(&org.id));
            let meant = known.chain(gone).filter(|org| names.iter().any(|name| names_school(name, org)));
            ids.extend(meant.map(|org: &'a Org| org.id.as_str()));
        }
        ids
    }

    fn read_enrollments(&mut self) {
        let mut enrollments = self.input.roster.enrollments.values().peekable();
        let mut finder = Finder::new(self);
        let mut all = Vec::with_capacity(self.input.roster.enrollments.len());
        for id in self.input.roster.users.keys() {
            while enrollments.next_if(|it| it.user < *id).is_some() {}
            while let Some(own) = enrollments.next_if(|it| it.user == *id) {
                all.push(finder.attendance(self, own));
            }
            self.ends.push(all.len());
        }
        self.enrollments = all;
    }

    fn attendance(&self, enrollment: &'a Enrollment) -> Attendance<'a> {
        let class = self.class_index(&enrollment.class);
        let standing = class.and_then(|index| self.classes.get(index));
        let standing = standing.map_or(Standing::Ended, |class| self.calendar.standing(enrollment, &class.span));
        let class = class.and_then(|index| u32::try_from(index).ok());
        Attendance { enrollment, role: enrollment.role, class, standing }
    }

    /// The enrollments of the roster's user at `index`.
    pub(super) fn enrollments(&self, index: usize) -> &[Attendance<'a>] {
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let end = self.ends.get(index).copied().unwrap_or_default();
        self.enrollments.get(start.unwrap_or_default()..end).unwrap_or_default()
    }

    /// Enters the teachers of today into their classes.
    fn seat_teachers(&mut self, roster: &'a Roster, present: bool) {
        for enrollment in roster.enrollments.values() {
            if enrollment.role != RoleName::Teacher {
                continue;
            }
            let active = self.user(&enrollment.user).is_some_and(|(user, here)| user.active && (here || !present));
            let Some(index) = self.class_index(&enrollment.class) else { continue };
            let Some(class) = self.classes.get_mut(index) else { continue };
            let running = self.calendar.standing(enrollment, &class.span) == Standing::Running;
            if active && running && !class.teachers.iter().any(|it| *it.id == enrollment.user) {
                class.teachers.push(Teacher { id: &enrollment.user, present });
            }
        }
    }

    /// A user, and whether the roster has them.
    pub(super) fn user(&self, id: &SourceId) -> Option<(&'a User, bool)> {
        let present = self.input.roster.users.get(id).map(|user| (user, true));
        present.or_else(|| self.input.departed.users.get(id).map(|user| (user, false)))
    }

    /// Enrollments that the roster has of a user.
    pub(super) fn enrollments_of(&self, user: &SourceId) -> Vec<Attendance<'a>> {
        let from = self.input.roster.enrollments.range(first_key(user)..);
        from.take_while(|(key, _)| key.user == *user).map(|(_, it)| self.attendance(it)).collect()
    }

    /// Enrollments of a user, those merely absent put back; the roster's version of one goes first.
    pub(super) fn enrollments_put_back(&self, user: &SourceId) -> Vec<Attendance<'a>> {
        let of = |roster: &'a Roster| {
            let from = roster.enrollments.range(first_key(user)..);
            from.take_while(|(key, _)| key.user == *user)
        };
        let mut all = BTreeMap::new();
        all.extend(of(self.input.departed));
        all.extend(of(self.input.roster));
        all.into_values().map(|it| self.attendance(it)).collect()
    }

    fn class_index(&self, id: &SourceId) -> Option<usize> {
        self.classes.binary_search_by(|entry| entry.class.id.cmp(id)).ok()
    }

    /// The class of an enrollment, with its place in `classes`.
    pub(super) fn class(&self, of: &Attendance<'a>) -> Option<(usize, &ClassEntry<'a>)> {
        let index = usize::try_from(of.class?).ok()?;
        Some((index, self.classes.get(index)?))
    }

    /// The course of a class.
    pub(super) fn course(&self, class: &ClassEntry<'a>) -> Option<&'a Course> {
        let id = class.class.course.as_ref()?;
        let courses = &self.input.roster.courses;
        courses.get(id).or_else(|| self.input.departed.courses.get(id))
    }

    /// Whether a seat outlasts a school year that was over on `over`: while the subscription in whose days its last day fell
    /// has not expired (`after_last_day = keep`).
    pub(super) fn lasts_beyond(&self, product: &Product, over: Date) -> bool {
        product.after_last_day == LastDay::Keep
            && self.subscriptions.iter().any(|it| {
                it.product == product.code
                    && it.status == SubscriptionStatus::Active
                    && it.starts_on < over
                    && contract::access(it, self.today) == Access::Full
            })
    }
}

/// Finds the class of one enrollment after another, and how that stands where the enrollment gives no dates of its own.
///
/// The store has enrollments share the ids of their classes, so that the address of the text names the class.
struct Finder {
    /// By the address of the class's id: its place, and the standing of an enrollment without dates.
    #[expect(clippy::disallowed_types, reason = "looked up and never walked, so no order can come of it")]
    by_address: std::collections::HashMap<usize, (u32, Option<Standing>)>,
}

impl Finder {
    fn new(district: &District<'_>) -> Self {
        let addresses = district.classes.iter().map(|it| it.id.address());
        Self { by_address: addresses.zip((0..).map(|index| (index, None))).collect() }
    }

    fn attendance<'a>(&mut self, district: &District<'a>, enrollment: &'a Enrollment) -> Attendance<'a> {
        let Some((index, known)) = self.by_address.get_mut(&enrollment.class.address()) else {
            return district.attendance(enrollment);
        };
        let class = usize::try_from(*index).ok().and_then(|at| district.classes.get(at));
        let Some(class) = class else { return district.attendance(enrollment) };
        let standing = if enrollment.periods.is_empty() {
            *known.get_or_insert_with(|| district.calendar.standing(enrollment, &class.span))
        } else {
            district.calendar.standing(enrollment, &class.span)
        };
        Attendance { enrollment, role: enrollment.role, class: Some(*index), standing }
    }
}

/// Whether classes of a product count by who teaches them (S2.6).
pub(super) fn by_educators(product: &Product) -> bool {
    product.educator_access && product.basis == Basis::Enrolled
}

/// The schools of a user, or of all accounts of a person: primary first, then by id.
pub(super) fn schools_of<'a>(accounts: &[&'a User]) -> Vec<&'a SourceId> {
    let mut roles: Vec<_> = accounts.iter().flat_map(|user| &user.roles).map(|it| (!it.primary, &it.org)).collect();
    roles.sort_unstable();
    let mut schools: Vec<&SourceId> = Vec::with_capacity(roles.len());
    for (_, org) in roles {
        if !schools.contains(&org) {
            schools.push(org);
        }
    }
    schools
}
