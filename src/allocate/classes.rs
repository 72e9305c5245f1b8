//! The classes of a district on one day, and every enrollment resolved to its class and to how it stands.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::model::{Class, Enrollment, RoleName, Shared, SourceId, View};

use super::dates::{Calendar, Span, Standing};
use super::roll::{Roles, Roll};

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
    /// When it is held; classes of the same sessions share it.
    pub(super) span: Rc<Span>,
    /// Who teaches it today, by id.
    pub(super) teachers: Vec<Teacher<'a>>,
}

/// One enrollment as every product sees it today.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attendance<'a> {
    /// The enrollment.
    pub(super) enrollment: &'a Enrollment,
    /// How it stands today; of no meaning without a class.
    pub(super) standing: Standing,
    /// Its class, by place; for one that nobody knows a place that no class has.
    class: u32,
    /// Its role, beside it.
    pub(super) role: RoleName,
}

/// By id.
#[derive(Debug)]
pub(super) struct Classes<'a> {
    entries: Vec<ClassEntry<'a>>,
}

impl<'a> Classes<'a> {
    /// Those of the roster, and those merely absent.
    pub(super) fn new(roster: View<'a>, departed: View<'a>, calendar: &Calendar<'a>) -> Self {
        let mut spans: BTreeMap<&[SourceId], Rc<Span>> = BTreeMap::new();
        let mut entry = |class: &'a Class, present: bool| {
            let span = spans.entry(&class.sessions).or_insert_with(|| Rc::new(calendar.span(class)));
            ClassEntry { class, present, span: Rc::clone(span), teachers: Vec::new() }
        };
        let here = roster.classes();
        let mut entries: Vec<ClassEntry<'a>> = Vec::with_capacity(here.at_most());
        entries.extend(here.values().map(|class| entry(class, true)));
        let absent = departed.classes().values().filter(|class| here.get(&class.id).is_none());
        entries.extend(absent.map(|class| entry(class, false)));
        entries.sort_by(|one, other| one.class.id.cmp(&other.class.id));
        Self { entries }
    }

    /// All, by id.
    pub(super) fn entries(&self) -> &[ClassEntry<'a>] {
        &self.entries
    }

    /// The class of an enrollment, with its place.
    pub(super) fn of(&self, attendance: &Attendance<'a>) -> Option<(usize, &ClassEntry<'a>)> {
        let index = usize::try_from(attendance.class).ok()?;
        Some((index, self.entries.get(index)?))
    }

    /// One enrollment.
    pub(super) fn attendance(&self, calendar: &Calendar<'a>, enrollment: &'a Enrollment) -> Attendance<'a> {
        self.resolved(calendar, enrollment, self.find(&enrollment.class))
    }

    fn find(&self, id: &SourceId) -> Option<usize> {
        self.entries.binary_search_by(|entry| entry.class.id.cmp(id)).ok()
    }

    fn resolved(&self, calendar: &Calendar<'a>, enrollment: &'a Enrollment, class: Option<usize>) -> Attendance<'a> {
        let entry = class.and_then(|index| self.entries.get(index));
        Attendance {
            enrollment,
            standing: entry.map_or(Standing::Ended, |it| calendar.standing(enrollment, &it.span)),
            class: class.and_then(|index| u32::try_from(index).ok()).unwrap_or(u32::MAX),
            role: enrollment.role,
        }
    }

    /// Enters who teaches a class today.
    pub(super) fn seat(&mut self, attendance: &Attendance<'a>, present: bool) {
        let index = usize::try_from(attendance.class).ok();
        let Some(class) = index.and_then(|index| self.entries.get_mut(index)) else { return };
        let id = &attendance.enrollment.user;
        if attendance.standing == Standing::Running && !class.teachers.iter().any(|it| it.id == id) {
            class.teachers.push(Teacher { id, present });
        }
    }
}

/// The roster's enrollments, user by user; where that is all a product can ask, those of a user of whose every role one runs
/// are told by [`Fact::running`](super::roll::Fact) alone.
#[derive(Debug, Default)]
pub(super) struct Register<'a> {
    all: Vec<Attendance<'a>>,
    /// Where each user's end, in the order of the roll.
    ends: Vec<usize>,
    /// Those of users that the roster does not have.
    strays: Vec<Attendance<'a>>,
}

impl<'a> Register<'a> {
    /// Reads all enrollments of `roster`, and notes on the roll which run. `whole`: none is left out.
    pub(super) fn read(
        roster: View<'a>,
        roll: &mut Roll<'a>,
        classes: &Classes<'a>,
        calendar: &Calendar<'a>,
        whole: bool,
    ) -> Self {
        // What an enrollment without dates of its own asks of its class, close together.
        let usual: Vec<(Standing, bool)> = classes.entries.iter().map(|it| (it.span.undated(), it.present)).collect();
        let mut known = Shared::default();
        let enrollments = roster.enrollments();
        let mut it = Self { all: Vec::with_capacity(enrollments.at_most()), ..Self::default() };
        it.ends.reserve(roll.facts().len());
        let mut at = 0;
        for enrollment in enrollments.values() {
            let class = known.number(&enrollment.class, || classes.find(&enrollment.class));
            let (undated, present) =
                class.and_then(|index| usual.get(index)).copied().unwrap_or((Standing::Ended, false));
            let attendance = if enrollment.periods.is_empty() {
                let class = class.and_then(|index| u32::try_from(index).ok()).unwrap_or(u32::MAX);
                Attendance { enrollment, standing: undated, class, role: enrollment.role }
            } else {
                classes.resolved(calendar, enrollment, class)
            };
            match roll.find(&enrollment.user, at) {
                Ok(index) => {
                    if it.ends.len() < index {
                        it.close(roll, whole);
                        it.ends.resize(index, it.all.len());
                    }
                    it.all.push(attendance);
                    at = index;
                    if present && attendance.standing == Standing::Running {
                        roll.runs(index, attendance.role);
                    }
                }
                Err(gap) => {
                    it.strays.push(attendance);
                    at = gap;
                }
            }
        }
        it.close(roll, whole);
        it.ends.resize(roll.facts().len(), it.all.len());
        it
    }

    /// All of the user at hand are read, who stands next to the last one that has an end: left out if one of every role runs.
    fn close(&mut self, roll: &Roll<'a>, whole: bool) {
        let begin = self.ends.last().copied().unwrap_or_default();
        let own = self.all.get(begin..).unwrap_or_default();
        let asked = own.iter().fold(Roles::default(), |roles, it| roles.with(it.role));
        if !whole && roll.facts().get(self.ends.len()).is_some_and(|fact| fact.running.cover(asked)) {
            self.all.truncate(begin);
        }
    }

    /// Those of the user at `index` on the roll.
    pub(super) fn of(&self, index: usize) -> &[Attendance<'a>] {
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let end = self.ends.get(index).copied().unwrap_or_default();
        self.all.get(start.unwrap_or_default()..end).unwrap_or_default()
    }

    /// All, those of users that the roster does not have last.
    pub(super) fn all(&self) -> impl Iterator<Item = &Attendance<'a>> {
        self.all.iter().chain(&self.strays)
    }
}
