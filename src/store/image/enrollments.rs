//! Enrollments in an image: how many there are, and what cannot be told by a place, ids that no record has and spans of days.
//! Then, for each enrollment: a byte of flags; the user, as the step from the one before; the class; the school where it is not
//! the class's; the spans where there are any.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::codec::{Numbering, numbered, of_role, role};
use crate::model::{Class, Enrollment, Enrollments, Org, Period, SourceId, User, View};
use crate::store::bytes::{put, put_part, size, take, take_part};

/// What is not told by a place.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Besides {
    users: Vec<SourceId>,
    classes: Vec<SourceId>,
    schools: Vec<SourceId>,
    periods: Vec<Vec<Period>>,
}

const PRIMARY: u8 = 0b0000_1000;
const NOT_PRIMARY: u8 = 0b0001_0000;
/// The school of the class.
const SCHOOL_OF_CLASS: u8 = 0b0010_0000;
const SCHOOL: u8 = 0b0100_0000;
const PERIODS: u8 = 0b1000_0000;

/// A step forward or back as a number: small ones are small.
fn step(from: u64, to: u64) -> u64 {
    let step = to.wrapping_sub(from).cast_signed();
    ((step << 1) ^ (step >> 63)).cast_unsigned()
}

fn stepped(from: u64, step: u64) -> u64 {
    from.wrapping_add((step >> 1) ^ (step & 1).wrapping_neg())
}

/// Adds the enrollments of `roster`.
pub(super) fn write(image: &mut Vec<u8>, roster: View<'_>) -> Result<(), serde_json::Error> {
    let mut users = Numbering::new(roster.users().values().map(|it| &it.id));
    let mut classes = Numbering::new(roster.classes().values().map(|it| &it.id));
    let mut schools = Numbering::new(roster.schools().values().map(|it| &it.id));
    let of_class: Vec<Option<&SourceId>> = roster.classes().values().map(|it| it.school.as_ref()).collect();
    let mut spans: BTreeMap<&[Period], u64> = BTreeMap::new();
    let mut periods = Vec::new();
    let mut rows = Vec::with_capacity(roster.enrollments().at_most() * 8);
    let (mut count, mut last, mut last_id): (u64, u64, Option<&SourceId>) = (0, 0, None);
    for it in roster.enrollments().values() {
        let user = if last_id == Some(&it.user) { last } else { users.of(&it.user) };
        let class = classes.of(&it.class);
        let of_class = usize::try_from(class).ok().and_then(|at| of_class.get(at)).copied().flatten();
        let mut flags = of_role(it.role);
        flags |= match it.primary {
            Some(true) => PRIMARY,
            Some(false) => NOT_PRIMARY,
            None => 0,
        };
        flags |= match &it.school {
            Some(school) if Some(school) == of_class => SCHOOL_OF_CLASS,
            Some(_) => SCHOOL,
            None => 0,
        };
        flags |= if it.periods.is_empty() { 0 } else { PERIODS };
        rows.push(flags);
        put(&mut rows, step(last, user));
        put(&mut rows, class);
        if let Some(school) = it.school.as_ref().filter(|_| flags & SCHOOL > 0) {
            put(&mut rows, schools.of(school));
        }
        if !it.periods.is_empty() {
            let next = size(periods.len());
            let span = *spans.entry(&it.periods).or_insert_with(|| {
                periods.push(it.periods.clone());
                next
            });
            put(&mut rows, span);
        }
        (count, last, last_id) = (count + 1, user, Some(&it.user));
    }
    let besides = Besides { users: users.others, classes: classes.others, schools: schools.others, periods };
    let besides = serde_json::to_vec(&besides)?;
    put(image, count);
    put_part(image, &besides);
    image.extend(rows);
    Ok(())
}

/// Reads [`write()`], which is the rest of an image.
pub(super) fn read(
    mut rows: &[u8],
    schools: &BTreeMap<SourceId, Org>,
    users: &BTreeMap<SourceId, User>,
    classes: &BTreeMap<SourceId, Class>,
) -> Option<Enrollments> {
    let count = usize::try_from(take(&mut rows)?).ok()?;
    let besides: Besides = serde_json::from_slice(take_part(&mut rows)?).ok()?;
    let users: Vec<&SourceId> = users.keys().chain(&besides.users).collect();
    let classes: Vec<(&SourceId, Option<&SourceId>)> = (classes.values())
        .map(|it| (&it.id, it.school.as_ref()))
        .chain(besides.classes.iter().map(|id| (id, None)))
        .collect();
    let schools: Vec<&SourceId> = schools.keys().chain(&besides.schools).collect();
    // No row is shorter than three bytes.
    let mut all: Vec<Enrollment> = Vec::with_capacity(count.min(rows.len() / 3));
    let mut last = 0;
    while let Some((flags, rest)) = rows.split_first() {
        rows = rest;
        last = stepped(last, take(&mut rows)?);
        let (class, of_class) = numbered(&classes, take(&mut rows))?;
        let school = match flags & (SCHOOL_OF_CLASS | SCHOOL) {
            0 => None,
            SCHOOL_OF_CLASS => Some(of_class?),
            _ => Some(numbered(&schools, take(&mut rows))?),
        };
        all.push(Enrollment {
            user: numbered(&users, Some(last))?.clone(),
            class: class.clone(),
            school: school.cloned(),
            role: role(*flags)?,
            primary: match flags & (PRIMARY | NOT_PRIMARY) {
                0 => None,
                primary => Some(primary == PRIMARY),
            },
            periods: if flags & PERIODS > 0 { numbered(&besides.periods, take(&mut rows))? } else { Vec::new() },
        });
    }
    (all.len() == count).then(|| all.into_iter().collect())
}
