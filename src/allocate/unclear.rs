//! What the roster does not say and allocation had to assume: reported, never guessed at in silence.

use std::collections::BTreeMap;

use crate::model::{Enrollment, Kind, Period, RoleName, SourceId, Warning};

use super::dates::{Span, Standing};
use super::district::{ClassEntry, District, by_educators};
use super::{Input, asks_for_enrollments};

/// Ids shown as examples.
const EXAMPLES: usize = 5;

/// Classes without an active teacher, and classes whose dates have no bound.
pub(super) fn warnings(input: Input<'_>, district: &District<'_>) -> Vec<Warning> {
    let mut found = Vec::new();
    if input.catalog.products.values().any(by_educators) {
        let alone = |class: &ClassEntry<'_>| !class.teachers.iter().any(|it| it.present);
        let counts = |it: &Enrollment, span: &Span| {
            it.role == RoleName::Student && district.calendar.standing(it, span) == Standing::Running
        };
        let classes = classes_where(input, district, alone, counts);
        let message = "classes with students and no active teacher: they count for products by educator access, and \
                       nobody can switch them OFF (P26); give them a teacher at the source";
        found.extend(warning("class_without_teacher", message, &classes));
    }
    if asks_for_enrollments(input) {
        let unbounded = |class: &ClassEntry<'_>| class.span.unbounded();
        let counts = |it: &Enrollment, span: &Span| without_bound(it, span);
        let classes = classes_where(input, district, unbounded, counts);
        let message = "classes whose begin or end neither enrollment, class, session nor school year says: they count \
                       without that bound (P31); give them a session with dates at the source";
        found.extend(warning("dates_unresolved", message, &classes));
    }
    found
}

/// Present classes that `suspect` points at, of which some enrollment shows it true, by id.
fn classes_where<'a>(
    input: Input<'a>,
    district: &District<'a>,
    suspect: impl Fn(&ClassEntry<'a>) -> bool,
    shows: impl Fn(&Enrollment, &Span) -> bool,
) -> Vec<&'a SourceId> {
    let classes = district.classes.iter().filter(|it| it.present && suspect(it));
    let mut open: BTreeMap<&SourceId, &Span> = classes.map(|it| (&it.class.id, &it.span)).collect();
    let mut found = Vec::new();
    for enrollment in input.roster.enrollments.values() {
        if open.is_empty() {
            break;
        }
        if let Some((id, span)) = open.get_key_value(&enrollment.class)
            && shows(enrollment, span)
        {
            let id = *id;
            open.remove(id);
            found.push(id);
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
