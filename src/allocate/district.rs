//! One district's records laid out for allocation: what depends on the day and not on the product.

use std::collections::BTreeMap;

use crate::model::{
    Access, Basis, Class, Course, Date, Enrollment, LastDay, Org, Product, RoleName, Roster, SourceId, Subscription,
    SubscriptionStatus, User,
};

use super::dates::{Calendar, Span, Standing};
use super::demand::{first_key, names_school};
use super::{Input, capacity};

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
    /// The class.
    pub(super) class: &'a Class,
    /// Whether the roster has it.
    pub(super) present: bool,
    /// When it is held.
    pub(super) span: Span,
    /// Who teaches it today, by id.
    pub(super) teachers: Vec<Teacher<'a>>,
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
    enrollments: Vec<&'a Enrollment>,
    /// Where each user's end, in the order of users.
    ends: Vec<usize>,
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
        let classes = classes.into_values().map(|(class, present)| ClassEntry {
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
            subscriptions: capacity::of_district(input.catalog, &input.state.id),
            calendar,
            input,
        };
        if input.catalog.products.values().any(|product| product.basis == Basis::Enrolled) {
            it.read_enrollments();
        }
        if input.catalog.products.values().any(|product| product.educator_access) {
            it.seat_teachers(input.roster, true);
            it.seat_teachers(input.departed, false);
        }
        it
    }

    fn read_enrollments(&mut self) {
        let mut enrollments = self.input.roster.enrollments.values().peekable();
        for id in self.input.roster.users.keys() {
            while enrollments.next_if(|it| it.user < *id).is_some() {}
            while let Some(own) = enrollments.next_if(|it| it.user == *id) {
                self.enrollments.push(own);
            }
            self.ends.push(self.enrollments.len());
        }
    }

    /// The enrollments of the roster's user at `index`.
    pub(super) fn enrollments(&self, index: usize) -> &[&'a Enrollment] {
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

    /// Enrollments of a user, those merely absent put back; the roster's version of one goes first.
    pub(super) fn enrollments_put_back(&self, user: &SourceId) -> Vec<&'a Enrollment> {
        let of = |roster: &'a Roster| {
            let from = roster.enrollments.range(first_key(user)..);
            from.take_while(|(key, _)| key.user == *user)
        };
        let mut all = BTreeMap::new();
        all.extend(of(self.input.departed));
        all.extend(of(self.input.roster));
        all.into_values().collect()
    }

    fn class_index(&self, id: &SourceId) -> Option<usize> {
        self.classes.binary_search_by(|entry| entry.class.id.cmp(id)).ok()
    }

    /// A class, with its place in `classes`.
    pub(super) fn class(&self, id: &SourceId) -> Option<(usize, &ClassEntry<'a>)> {
        let index = self.class_index(id)?;
        Some((index, self.classes.get(index)?))
    }

    /// The course of a class.
    pub(super) fn course(&self, class: &ClassEntry<'a>) -> Option<&'a Course> {
        let id = class.class.course.as_ref()?;
        let courses = &self.input.roster.courses;
        courses.get(id).or_else(|| self.input.departed.courses.get(id))
    }

    fn org(&self, id: &SourceId) -> Option<&'a Org> {
        let schools = &self.input.roster.schools;
        schools.get(id).or_else(|| self.input.departed.schools.get(id))
    }

    /// Whether the catalog's word `name` means the org `id`.
    pub(super) fn is_school(&self, name: &str, id: &SourceId) -> bool {
        id.as_str() == name || self.org(id).is_some_and(|org| names_school(name, org))
    }

    /// Whether a seat outlasts a school year that was over on `over`: while the subscription in whose days its last day fell
    /// has not expired (`after_last_day = keep`).
    pub(super) fn lasts_beyond(&self, product: &Product, over: Date) -> bool {
        product.after_last_day == LastDay::Keep
            && self.subscriptions.iter().any(|it| {
                it.product == product.code
                    && it.status == SubscriptionStatus::Active
                    && it.starts_on < over
                    && capacity::access(it, self.today) == Access::Full
            })
    }
}

/// The schools of a user, primary first, then by id.
pub(super) fn schools_of(user: &User) -> Vec<&SourceId> {
    let mut roles: Vec<_> = user.roles.iter().map(|it| (!it.primary, &it.org)).collect();
    roles.sort_unstable();
    let mut schools: Vec<&SourceId> = Vec::with_capacity(roles.len());
    for (_, org) in roles {
        if !schools.contains(&org) {
            schools.push(org);
        }
    }
    schools
}
