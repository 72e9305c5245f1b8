//! One district's records laid out for allocation: what depends on the day and not on the product.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Access, Basis, Course, Date, Enrollment, EnrollmentKey, LastDay, Org, Product, RoleName, Shared, SourceId,
    Subscription, User, View, canonical_grade,
};

use super::classes::{Attendance, ClassEntry, Classes, Register};
use super::dates::Calendar;
use super::demand::names_school;
use super::index::Index;
use super::roll::{Fact, Roles, Roll};
use super::{Input, asks_for_enrollments, asks_which, capacity, contract};

/// A district on one day.
#[derive(Debug)]
pub struct District<'a> {
    /// The day of the run in the district's time zone.
    pub(super) today: Date,
    /// Sessions.
    pub(super) calendar: Calendar<'a>,
    /// Classes.
    pub(super) classes: Classes<'a>,
    /// The users of the roster.
    pub(super) roll: Roll<'a>,
    /// Their enrollments; none where no product asks for them.
    pub(super) register: Register<'a>,
    /// Lists of schools that users of the roster have.
    pub(super) circles: Vec<Vec<&'a SourceId>>,
    /// Every word for a grade that a user has, where a product asks for grades.
    words: BTreeSet<&'a str>,
    input: Input<'a>,
    subscriptions: Vec<&'a Subscription>,
}

impl<'a> District<'a> {
    /// Lays out the records of `input`.
    pub fn new(input: Input<'a>) -> Self {
        let today = input.as_of.date_in(input.state.time_zone);
        let calendar = Calendar::new(&[input.roster, input.departed], input.state.end_dates, today);
        let classes = Classes::new(input.roster, input.departed, &calendar);
        let (mut roll, circles) = roll(input.roster);
        let register = if asks_for_enrollments(input) {
            let whole = asks_which(input) || classes.entries().iter().any(|it| it.span.unbounded());
            Register::read(input.roster, &mut roll, &classes, &calendar, whole)
        } else {
            Register::default()
        };
        let mut it = Self {
            today,
            calendar,
            classes,
            roll,
            register,
            circles,
            words: BTreeSet::new(),
            subscriptions: capacity::of_district(input.catalog, &input.state.id),
            input,
        };
        if input.catalog.products.values().any(|it| !it.grades.is_empty() || !it.order.is_empty()) {
            let users = it.roll.facts().iter().map(|it| it.user).chain(input.departed.users().values());
            it.words.extend(users.flat_map(|user| &user.grades).map(String::as_str));
        }
        if input.catalog.products.values().any(by_educators) {
            it.seat_teachers();
        }
        it
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
            let known = self.input.roster.schools();
            let gone = self.input.departed.schools().values().filter(|org| known.get(&org.id).is_none());
            let meant = known.values().chain(gone).filter(|org| names.iter().any(|name| names_school(name, org)));
            ids.extend(meant.map(|org: &'a Org| org.id.as_str()));
        }
        ids
    }

    /// Enters the teachers of today into their classes.
    fn seat_teachers(&mut self) {
        for (index, _) in self.roll.facts().iter().enumerate().filter(|(_, fact)| fact.active) {
            for attendance in self.register.of(index).iter().filter(|it| it.role == RoleName::Teacher) {
                self.classes.seat(attendance, true);
            }
        }
        let absent = self.input.departed.enrollments().values().filter(|it| it.role == RoleName::Teacher);
        for enrollment in absent {
            if self.user(&enrollment.user).is_some_and(|(user, _)| user.active) {
                let attendance = self.attendance(enrollment);
                self.classes.seat(&attendance, false);
            }
        }
    }

    fn attendance(&self, enrollment: &'a Enrollment) -> Attendance<'a> {
        self.classes.attendance(&self.calendar, enrollment)
    }

    /// A user, and whether the roster has them.
    pub(super) fn user(&self, id: &SourceId) -> Option<(&'a User, bool)> {
        let present = self.input.roster.users().get(id).map(|user| (user, true));
        present.or_else(|| self.input.departed.users().get(id).map(|user| (user, false)))
    }

    /// Enrollments that the roster has of a user.
    pub(super) fn enrollments_of(&self, user: &SourceId) -> Vec<Attendance<'a>> {
        of_user(self.input.roster, user).map(|it| self.attendance(it)).collect()
    }

    /// Enrollments of a user, those merely absent put back; the roster's version of one goes first.
    pub(super) fn enrollments_put_back(&self, user: &SourceId) -> Vec<Attendance<'a>> {
        let mut all = BTreeMap::new();
        let absent = of_user(self.input.departed, user);
        for it in absent.chain(of_user(self.input.roster, user)) {
            all.insert((&it.class, it.role), it);
        }
        all.into_values().map(|it| self.attendance(it)).collect()
    }

    /// The course of a class.
    pub(super) fn course(&self, class: &ClassEntry<'a>) -> Option<&'a Course> {
        let id = class.class.course.as_ref()?;
        self.input.roster.courses().get(id).or_else(|| self.input.departed.courses().get(id))
    }

    /// Whether a seat outlasts a school year that was over on `over`: while the subscription in whose days its last day fell
    /// has not expired (`after_last_day = keep`).
    pub(super) fn lasts_beyond(&self, product: &Product, over: Date) -> bool {
        product.after_last_day == LastDay::Keep
            && self.subscriptions.iter().any(|it| {
                it.product == product.code && it.starts_on < over && contract::access(it, self.today) == Access::Full
            })
    }
}

/// The users of a roster, and the lists of schools they have. Most users have one school, and few lists of several occur.
fn roll(roster: View<'_>) -> (Roll<'_>, Vec<Vec<&SourceId>>) {
    let mut orgs: BTreeMap<&SourceId, usize> = BTreeMap::new();
    let mut known = Shared::default();
    let mut circles: Vec<Vec<&SourceId>> = Vec::new();
    let mut of_one: Vec<Option<usize>> = Vec::new();
    let mut of_several: BTreeMap<Vec<(Option<usize>, bool)>, usize> = BTreeMap::new();
    let mut roll = Roll::with_capacity(roster.users().at_most());
    for user in roster.users().values() {
        let mut number = |org| {
            known.number(org, || {
                let next = orgs.len();
                Some(*orgs.entry(org).or_insert(next))
            })
        };
        let next = circles.len();
        let circle = if let [role] = user.roles.as_slice() {
            let org = number(&role.org).unwrap_or_default();
            if of_one.len() <= org {
                of_one.resize(org + 1, None);
            }
            of_one.get_mut(org).map_or(next, |circle| *circle.get_or_insert(next))
        } else {
            let key = user.roles.iter().map(|role| (number(&role.org), role.primary)).collect();
            *of_several.entry(key).or_insert(next)
        };
        if circle == next {
            circles.push(schools_of(&[user]));
        }
        let circle = Index::of(circle);
        roll.push(Fact { user, circle, active: user.active, roles: Roles::of(user), running: Roles::default() });
    }
    (roll, circles)
}

/// The enrollments of a user.
fn of_user<'a>(roster: View<'a>, user: &SourceId) -> impl Iterator<Item = &'a Enrollment> {
    let from = EnrollmentKey::first_of(user);
    let own: Vec<&Enrollment> = roster.enrollments().starting_at(&from).take_while(|it| it.user == *user).collect();
    own.into_iter()
}

/// Whether classes of a product count by who teaches them (S2.6).
pub(crate) fn by_educators(product: &Product) -> bool {
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
