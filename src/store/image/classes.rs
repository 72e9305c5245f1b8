//! Classes in an image: flags, id, title, and what there is of the rest.

use std::collections::BTreeMap;

use super::codec::{Numbering, Reader, Rows, Wording, bit, if_bit};
use crate::model::{Class, Roster, SourceId, View};

const CODE: u32 = 0;
const TYPE: u32 = 1;
const SCHOOL: u32 = 2;
const COURSE: u32 = 3;
const INSTANCE: u32 = 4;

pub(super) fn write(image: &mut Vec<u8>, roster: View<'_>) -> Result<(), serde_json::Error> {
    let mut schools = Numbering::new(roster.schools().values().map(|it| &it.id));
    let mut courses = Numbering::new(roster.courses().values().map(|it| &it.id));
    let mut of_sessions = Numbering::new(roster.sessions().values().map(|it| &it.id));
    let mut words = Wording::default();
    let mut rows = Rows::default();
    for class in roster.classes().values() {
        let Class { id, title, code, class_type, school, course, sessions, grades, subjects, instance } = class;
        let there = [code.is_some(), class_type.is_some(), school.is_some(), course.is_some(), *instance > 0];
        rows.byte(there.into_iter().zip(CODE..).fold(0, |flags, (is_there, at)| flags | bit(at, is_there)));
        rows.text(id.as_str());
        rows.text(title);
        if let Some(code) = code {
            rows.text(code);
        }
        if let Some(word) = class_type {
            rows.number(words.of(word));
        }
        if let Some(school) = school {
            rows.number(schools.of(school));
        }
        if let Some(course) = course {
            rows.number(courses.of(course));
        }
        if *instance > 0 {
            rows.number(u64::from(*instance));
        }
        rows.list(sessions.iter(), |rows, it| rows.number(of_sessions.of(it)));
        rows.list(grades.iter(), |rows, it| rows.number(words.of(it)));
        rows.list(subjects.iter(), |rows, it| rows.number(words.of(it)));
    }
    rows.finish(image, [&schools, &courses, &of_sessions], &words)
}

/// Reads [`write()`] from the front of an image.
pub(super) fn read(image: &mut &[u8], roster: &Roster) -> Option<BTreeMap<SourceId, Class>> {
    let Roster { schools, courses, sessions, .. } = roster;
    let records =
        [schools.keys().cloned().collect(), courses.keys().cloned().collect(), sessions.keys().cloned().collect()];
    let mut rows = Reader::new(image, records)?;
    let mut classes = Vec::new();
    while !rows.is_done() {
        let flags = rows.byte()?;
        let class = Class {
            id: SourceId::from(rows.text()?),
            title: rows.text()?.to_owned(),
            code: if_bit(flags, CODE, || rows.text().map(str::to_owned))?,
            class_type: if_bit(flags, TYPE, || rows.word())?,
            school: if_bit(flags, SCHOOL, || rows.school())?,
            course: if_bit(flags, COURSE, || rows.course())?,
            instance: if_bit(flags, INSTANCE, || u32::try_from(rows.number()?).ok())?.unwrap_or(0),
            sessions: rows.list(Reader::session)?,
            grades: rows.list(Reader::word)?,
            subjects: rows.list(Reader::word)?,
        };
        classes.push((class.id.clone(), class));
    }
    Some(classes.into_iter().collect())
}
