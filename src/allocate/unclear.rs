//! What the roster does not say and allocation had to assume: reported, never guessed at in silence.

use crate::model::{Enrollment, Kind, Period, RoleName, SourceId, Warning};

use super::classes::{Attendance, ClassEntry};
use super::dates::{Span, Standing};
use super::district::{District, by_educators};
use super::{Input, asks_for_enrollments};

/// Ids shown as examples.
const EXAMPLES: usize = 5;

/// Classes without an active teacher, and classes whose dates have no bound.
pub(super) fn warnings(input: Input<'_>, district: &District<'_>) -> Vec<Warning> {
    let mut found = Vec::new();
    if input.catalog.products.values().any(by_educators) {
        let alone = |class: &ClassEntry<'_>| !class.teachers.iter().any(|it| it.present);
        let counts = |it: &Attendance<'_>, _: &Span| it.role == RoleName::Student && it.standing == Standing::Running;
        let classes = classes_where(district, alone, counts);
        let message = "classes with students and no active teacher: they count for products by educator access, and \
                       nobody can switch them OFF (P26); give them a teacher at the source";
        found.extend(warning("class_without_teacher", message, &classes));
    }
    if asks_for_enrollments(input) {
        let unbounded = |class: &ClassEntry<'_>| class.span.unbounded();
        let counts = |it: &Attendance<'_>, span: &Span| without_bound(it.enrollment, span);
        let classes = classes_where(district, unbounded, counts);
        let message = "classes whose begin or end neither enrollment, class, session nor school year says: they count \
                       without that bound (P31); give them a session with dates at the source";
        found.extend(warning("dates_unresolved", message, &classes));
    }
    found
}

/// Present classes that `suspect` points at, of which some enrollment shows it true, by id.
fn classes_where<'a>(
    district: &District<'a>,
    suspect: impl Fn(&ClassEntry<'a>) -> bool,
    shows: impl Fn(&Attendance<'a>, &Span) -> bool,
) -> Vec<&'a SourceId> {
    let classes = district.classes.entries();
    let mut open: Vec<bool> = classes.iter().map(|it| it.present && suspect(it)).collect();
    let mut found = Vec::new();
    if !open.contains(&true) {
        return found;
    }
    for attendance in district.register.all() {
        if let Some((index, class)) = district.classes.of(attendance)
            && let Some(open) = open.get_mut(index).filter(|open| **open)
            && shows(attendance, &class.span)
        {
            *open = false;
            found.push(&class.class.id);
        }
    }
    found.sort_unstable();
    found
}

fn without_bound(it: &Enrollment, span: &Span) -> bool {
    const INHERITED: [Period; 1] = [Period { begin: None, end: None }];
    let periods: &[Period] = if it.periods.is_empty() { &INHERITED } else { &it.periods };
    periods.iter().any(|period| !span.bounds_both(period.begin, period.end))
}

fn warning(code: &str, message: &str, classes: &[&SourceId]) -> Option<Warning> {
    (!classes.is_empty()).then(|| Warning {
        code: code.to_owned(),
        kind: Some(Kind::Classes),
        count: u64::try_from(classes.len()).unwrap_or(u64::MAX),
        message: message.to_owned(),
        ids: classes.iter().take(EXAMPLES).map(ToString::to_string).collect(),
    })
}
