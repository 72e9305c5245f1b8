//! The enrollments of a district as one value: six bytes each instead of a row and a text, so that a night that changes a few
//! of a million need not read them one by one. Users, classes and orgs are named by their place among the records of the same
//! state, so an image means nothing without these.
//!
//! It begins with how many there are, and with what cannot be told by a place, as JSON behind its length: ids that no record has,
//! and spans of days. Then, for each enrollment: a byte of flags; the user, as the step from the one before; the class; the
//! school where it is not the class's; the spans where there are any. Numbers are LEB128.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{Enrollment, Enrollments, Period, RoleName, Roster, Shared, SourceId, View};

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
const ROLE: u8 = 0b0000_0111;

/// Numbers ids: their place among records, and behind these the others as they come.
struct Numbering<'a> {
    records: Vec<&'a SourceId>,
    others: Vec<SourceId>,
    places: BTreeMap<SourceId, usize>,
    /// By where their texts are kept, so that most need not be read.
    known: Shared,
    /// The number behind the last one: users come in order.
    next: usize,
}

impl<'a> Numbering<'a> {
    /// `records` in their order.
    fn new(records: impl Iterator<Item = &'a SourceId>) -> Self {
        let (others, places) = (Vec::new(), BTreeMap::new());
        Self { records: records.collect(), others, places, known: Shared::default(), next: 0 }
    }

    fn of(&mut self, id: &SourceId) -> u64 {
        let Self { records, others, places, known, next } = self;
        let number = if records.get(*next) == Some(&id) {
            *next
        } else {
            let by_letters = || records.binary_search(&id).ok().or_else(|| places.get(id).copied());
            known.number(id, by_letters).unwrap_or_else(|| {
                let number = records.len() + others.len();
                others.push(id.clone());
                places.insert(id.clone(), number);
                number
            })
        };
        *next = number + 1;
        u64::try_from(number).unwrap_or(u64::MAX)
    }
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap_or_default());
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// A step forward or back as a number: small ones are small.
fn step(from: u64, to: u64) -> u64 {
    let step = to.wrapping_sub(from).cast_signed();
    ((step << 1) ^ (step >> 63)).cast_unsigned()
}

fn stepped(from: u64, step: u64) -> u64 {
    from.wrapping_add((step >> 1) ^ (step & 1).wrapping_neg())
}

/// The image of the enrollments of `roster`.
pub(super) fn written(roster: View<'_>) -> Result<Vec<u8>, serde_json::Error> {
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
        let mut flags = RoleName::ALL.into_iter().zip(0..).find(|(role, _)| *role == it.role).map_or(0, |(_, at)| at);
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
            let next = u64::try_from(periods.len()).unwrap_or(u64::MAX);
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
    let mut image = Vec::with_capacity(rows.len() + besides.len() + 20);
    put(&mut image, count);
    put(&mut image, u64::try_from(besides.len()).unwrap_or(u64::MAX));
    image.extend(besides);
    image.extend(rows);
    Ok(image)
}

/// Reads [`written`] beside the other records of the same state; none of what it cannot have written.
pub(super) fn read(mut image: &[u8], roster: &Roster) -> Option<Enrollments> {
    let count = usize::try_from(take(&mut image)?).ok()?;
    let length = usize::try_from(take(&mut image)?).ok()?;
    let (besides, mut rows) = image.split_at_checked(length)?;
    let besides: Besides = serde_json::from_slice(besides).ok()?;
    let users: Vec<&SourceId> = roster.users.keys().chain(&besides.users).collect();
    let classes: Vec<(&SourceId, Option<&SourceId>)> = (roster.classes.values())
        .map(|it| (&it.id, it.school.as_ref()))
        .chain(besides.classes.iter().map(|id| (id, None)))
        .collect();
    let schools: Vec<&SourceId> = roster.schools.keys().chain(&besides.schools).collect();
    fn at<T: Clone>(all: &[T], place: u64) -> Option<T> {
        all.get(usize::try_from(place).ok()?).cloned()
    }
    // No row is shorter than three bytes.
    let mut all: Vec<Enrollment> = Vec::with_capacity(count.min(rows.len() / 3));
    let mut last = 0;
    while let Some((flags, rest)) = rows.split_first() {
        rows = rest;
        last = stepped(last, take(&mut rows)?);
        let (class, of_class) = at(&classes, take(&mut rows)?)?;
        let school = match flags & (SCHOOL_OF_CLASS | SCHOOL) {
            0 => None,
            SCHOOL_OF_CLASS => Some(of_class?),
            _ => Some(at(&schools, take(&mut rows)?)?),
        };
        all.push(Enrollment {
            user: at(&users, last)?.clone(),
            class: class.clone(),
            school: school.cloned(),
            role: *RoleName::ALL.get(usize::from(flags & ROLE))?,
            primary: match flags & (PRIMARY | NOT_PRIMARY) {
                0 => None,
                primary => Some(primary == PRIMARY),
            },
            periods: if flags & PERIODS > 0 { at(&besides.periods, take(&mut rows)?)? } else { Vec::new() },
        });
    }
    (all.len() == count).then(|| all.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::model::{Kind, Record};

    fn record(roster: &mut Roster, kind: Kind, body: &serde_json::Value) {
        roster.put(Record::from_body(kind, &body.to_string()).unwrap());
    }

    /// A few records of each kind, and enrollments that name them or nothing there is.
    fn roster() -> impl Strategy<Value = Roster> {
        let day =
            |offset: u64| "2026-08-15".parse::<crate::model::Date>().ok()?.checked_add_days(chrono::Days::new(offset));
        let span = (0..3_u64, 0..3_u64).prop_map(move |(begin, end)| Period {
            begin: (begin > 0).then(|| day(begin)).flatten(),
            end: (end > 0).then(|| day(end * 100)).flatten(),
        });
        let row = (0..6_u8, 0..5_u8, proptest::option::of(0..4_u8), 0..6_usize, any::<Option<bool>>());
        let rows = proptest::collection::vec((row, proptest::collection::vec(span, 0..3)), 0..40);
        rows.prop_map(|rows| {
            let mut it = Roster::default();
            let id = |kind: char, number: u8| SourceId::from(format!("{kind}-\"{number}é"));
            for number in 0..4 {
                record(&mut it, Kind::Users, &json!({ "id": id('u', number), "active": true }));
            }
            for number in 0..3 {
                let school = (number > 0).then(|| id('s', number));
                record(&mut it, Kind::Classes, &json!({ "id": id('c', number), "title": "Algebra", "school": school }));
                record(&mut it, Kind::Schools, &json!({ "id": id('s', number), "type": "school", "name": "North" }));
            }
            it.enrollments = (rows.into_iter())
                .map(|((user, class, school, role, primary), periods)| Enrollment {
                    user: id('u', user),
                    class: id('c', class),
                    school: school.map(|school| id('s', school)),
                    role: RoleName::ALL[role],
                    primary,
                    periods,
                })
                .collect();
            it
        })
    }

    proptest! {
        #[test]
        fn an_image_is_read_as_what_was_written(roster in roster()) {
            let image = written((&roster).into()).unwrap();
            let without = Roster { enrollments: Enrollments::default(), ..roster.clone() };
            prop_assert_eq!(read(&image, &without), Some(roster.enrollments));
        }

        /// A damaged one is none, or another: it never breaks the program.
        #[test]
        fn a_damaged_image_is_read_without_harm(roster in roster(), cut in 0..400_usize, change in any::<u8>()) {
            let mut image = written((&roster).into()).unwrap();
            image.truncate(cut.max(1));
            if let Some(byte) = image.last_mut() {
                *byte ^= change;
            }
            let _ = read(&image, &roster);
        }
    }

    #[test]
    fn an_enrollment_takes_a_few_bytes() {
        let mut roster = Roster::default();
        for user in 0..1000 {
            for class in 0..6 {
                roster.enrollments.insert(Enrollment {
                    user: format!("student-{user:06}").into(),
                    class: format!("class-{:06}", (user / 25) * 6 + class).into(),
                    school: None,
                    role: RoleName::Student,
                    primary: None,
                    periods: Vec::new(),
                });
            }
        }
        let known: usize = 1000 * 18 + 240 * 16 + 100;
        assert!(written((&roster).into()).unwrap().len() < known + 6000 * 5);
    }
}
