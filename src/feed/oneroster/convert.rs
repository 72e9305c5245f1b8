//! Rows to records: one way for REST 1.1, REST 1.2 and CSV, so that the same district gives the same records.

use std::collections::BTreeSet;

use crate::feed::oneroster::rows::{ClassRow, CourseRow, EnrollmentRow, OrgRow, RoleRow, SessionRow, UserRow};
use crate::feed::oneroster::words::{self, Word};
use crate::model::{
    Class, Course, Enrollment, Kind, Org, Period, Personal, Record, Role, RosterRecord, Session, SourceId, User,
    canonical_grade,
};
use crate::snapshot::Builder;

/// No field may be longer (safety.md, Feeds are not trusted).
const FIELD_BYTES: usize = 64 << 10;

/// Fills a builder from rows. Users must come before enrollments.
#[derive(Default)]
pub(crate) struct Convert {
    pub to: Builder,
    contacts: BTreeSet<String>,
    people: BTreeSet<SourceId>,
    again: bool,
}

/// Why a row cannot be used.
type Fault = Option<(&'static str, &'static str)>;

impl Convert {
    /// The rows that follow were seen before: what is only counted is not counted twice.
    pub(crate) fn again(&mut self, again: bool) {
        self.again = again;
    }

    /// What was filled, and who is a mere contact, by id.
    pub(crate) fn finish(self) -> (Builder, BTreeSet<String>) {
        (self.to, self.contacts)
    }

    /// A row without a usable key, or that is no row at all.
    pub(crate) fn nameless(&mut self, kind: Kind) {
        if !self.again {
            let why = "rows without a usable id; the source must give every record its own";
            self.to.unusable_without_id(kind, "no_id", why);
        }
    }

    /// A row that is there but cannot be parsed.
    pub(crate) fn broken(&mut self, kind: Kind, id: Option<String>) {
        let why = "rows of a shape that cannot be read; the last good state is kept";
        match id.filter(|_| kind != Kind::Enrollments).and_then(|id| bare(kind, &id)) {
            Some(record) => self.to.unusable(&record, "unreadable_row", why),
            None => self.nameless(kind),
        }
    }

    fn put(&mut self, record: Record, status: Option<&String>, modified: Option<&String>, fault: Fault) {
        if words::is_deleted(status) {
            self.to.gone(&record);
        } else if let Some((code, why)) = fault {
            self.to.unusable(&record, code, why);
        } else {
            self.to.add(record, modified.map(String::as_str).unwrap_or_default());
        }
    }

    pub(crate) fn org(&mut self, row: OrgRow) {
        let Some(id) = key(row.sourced_id) else { return self.nameless(Kind::Schools) };
        let fault = spoiled([&row.name, &row.kind, &row.identifier, &row.parent, &row.nces], []);
        let org = Org {
            id,
            org_type: row.kind.unwrap_or_default(),
            name: row.name.unwrap_or_default(),
            identifier: row.identifier,
            parent: row.parent.map(SourceId::from),
            nces: row.nces,
        };
        if org.org_type == "district" && fault.is_none() && !org.name.is_empty() {
            self.to.district_name(&org.name);
        }
        self.put(org.into_record(), row.status.as_ref(), row.date_last_modified.as_ref(), fault);
    }

    pub(crate) fn session(&mut self, row: SessionRow) {
        let Some(id) = key(row.sourced_id) else { return self.nameless(Kind::Sessions) };
        let fault = spoiled([&row.title, &row.kind, &row.school_year, &row.parent], []);
        let (starts_on, late) = day(row.start_date.as_ref());
        let (ends_on, early) = day(row.end_date.as_ref());
        let session = Session {
            id,
            session_type: row.kind.unwrap_or_default(),
            title: row.title.unwrap_or_default(),
            starts_on,
            ends_on,
            parent: row.parent.map(SourceId::from),
            school_year: row.school_year,
        };
        let fault = fault.or(late).or(early);
        self.put(session.into_record(), row.status.as_ref(), row.date_last_modified.as_ref(), fault);
    }

    pub(crate) fn course(&mut self, row: CourseRow) {
        let Some(id) = key(row.sourced_id) else { return self.nameless(Kind::Courses) };
        let org = row.org.or(row.school);
        let fault = spoiled([&row.title, &row.course_code, &org], [&row.grades, &row.subjects]);
        let course = Course {
            id,
            title: row.title.unwrap_or_default(),
            code: row.course_code,
            org: org.map(SourceId::from),
            grades: grades(&row.grades),
            subjects: row.subjects,
        };
        self.put(course.into_record(), row.status.as_ref(), row.date_last_modified.as_ref(), fault);
    }

    pub(crate) fn class(&mut self, row: ClassRow) {
        let Some(id) = key(row.sourced_id) else { return self.nameless(Kind::Classes) };
        let fault = spoiled(
            [&row.title, &row.class_code, &row.class_type, &row.course, &row.school],
            [&row.grades, &row.subjects, &row.terms],
        );
        let class = Class {
            id,
            title: row.title.unwrap_or_default(),
            code: row.class_code,
            class_type: row.class_type,
            school: row.school.map(SourceId::from),
            course: row.course.map(SourceId::from),
            sessions: row.terms.into_iter().map(SourceId::from).collect(),
            grades: grades(&row.grades),
            subjects: row.subjects,
            instance: 0,
        };
        self.put(class.into_record(), row.status.as_ref(), row.date_last_modified.as_ref(), fault);
    }

    /// `student_number` is the `identifier` of those who hold a student role; `state_id` the `userIds` entry whose type
    /// names the state.
    pub(crate) fn user(&mut self, row: UserRow) {
        let Some(id) = key(row.sourced_id) else { return self.nameless(Kind::Users) };
        let fault = spoiled(
            [
                &row.given_name,
                &row.family_name,
                &row.identifier,
                &row.email,
                &row.username,
                &row.role,
                &row.primary_org,
            ],
            [&row.grades, &row.orgs],
        );
        let rows = match row.roles {
            Some(rows) if !rows.is_empty() || row.role.is_none() => Some(rows),
            _ => row.role.map(|role| first_is_primary(&role, row.orgs)),
        };
        let Some(rows) = rows else {
            let why = "users without a role; the last good state is kept";
            return self.put(nobody(id).into_record(), row.status.as_ref(), None, fault.or(Some(("no_role", why))));
        };
        if is_contact(&rows) {
            if !self.people.contains(&id) && self.contacts.insert(id.as_str().to_owned()) {
                self.to.skip();
            }
            return;
        }
        self.contacts.remove(id.as_str());
        self.people.insert(id.clone());
        let student = rows.iter().any(|it| words::is_student(it.role.as_deref()));
        let fault = fault.or_else(|| spoiled(rows.iter().flat_map(|it| [&it.role, &it.org]), []));
        let state_id = row.user_ids.into_iter().find(|it| words::is_state(it.kind.as_deref()));
        let state_id = state_id.and_then(|it| it.identifier);
        let fault = fault.or_else(|| spoiled([&state_id], []));
        let (roles, faulty) = roles(rows, row.primary_org.as_deref());
        if faulty {
            let message = "roles without an org or a word were left out";
            self.to.warn("incomplete_role", Some(Kind::Users), message, Some(id.as_str()));
        }
        let enabled = words::flag(row.enabled_user.as_ref());
        let student_number = row.identifier.filter(|_| student);
        let texts = [row.given_name, row.family_name, row.email, row.username, student_number, state_id];
        let [given_name, family_name, email, username, student_number, state_id] = Personal::together(texts);
        let user = User {
            id,
            roles,
            active: enabled.unwrap_or(true),
            given_name,
            family_name,
            email,
            username,
            grades: grades(&row.grades),
            student_number,
            state_id,
        };
        self.put(user.into_record(), row.status.as_ref(), row.date_last_modified.as_ref(), fault);
    }

    pub(crate) fn enrollment(&mut self, row: EnrollmentRow) {
        let (Some(user), Some(class)) = (key(row.user), key(row.class)) else {
            return self.nameless(Kind::Enrollments);
        };
        if self.contacts.contains(user.as_str()) {
            return self.skip_enrollment();
        }
        // The role is part of the key: of a spoiled one nobody can say which enrollment is meant.
        if spoiled([&row.role], []).is_some() {
            return self.nameless(Kind::Enrollments);
        }
        let role = match words::role(row.role.as_deref()) {
            None => return self.nameless(Kind::Enrollments),
            Some(Word::Contact) => return self.skip_enrollment(),
            Some(Word::Role(role, _)) => role,
        };
        let fault = spoiled([&row.school], []);
        let (begin, late) = day(row.begin_date.as_ref());
        let (end, early) = day(row.end_date.as_ref());
        let enrollment = Enrollment {
            user,
            class,
            school: row.school.map(SourceId::from),
            role,
            primary: words::flag(row.primary.as_ref()),
            periods: if begin.or(end).is_some() { vec![Period { begin, end }] } else { Vec::new() },
        };
        let fault = fault.or(late).or(early);
        self.put(enrollment.into_record(), row.status.as_ref(), row.date_last_modified.as_ref(), fault);
    }

    fn skip_enrollment(&mut self) {
        if !self.again {
            self.to.skip();
        }
    }
}

/// An id that can be one: not blank, not endless, without U+0000.
pub(crate) fn key(id: Option<String>) -> Option<SourceId> {
    id.filter(|it| spoiled([&Some(it.clone())], []).is_none()).map(SourceId::from)
}

/// Looks for U+0000 and endless fields in everything that is kept.
pub(crate) fn spoiled<'a>(
    texts: impl IntoIterator<Item = &'a Option<String>>,
    lists: impl IntoIterator<Item = &'a Vec<String>>,
) -> Fault {
    let lists = lists.into_iter().flatten();
    texts.into_iter().flatten().chain(lists).find_map(|text| {
        if text.len() > FIELD_BYTES {
            Some(("long_field", "rows with a field over 64 KiB; the last good state is kept"))
        } else if text.contains('\0') {
            Some(("null_character", "rows with U+0000 in a field; the last good state is kept"))
        } else {
            None
        }
    })
}

/// A day, or the fault that it cannot be read.
fn day(text: Option<&String>) -> (Option<crate::model::Date>, Fault) {
    match text.map(|text| words::date(text)) {
        None => (None, None),
        Some(Some(day)) => (Some(day), None),
        Some(None) => (None, Some(("bad_date", "rows with a date that cannot be read; the last good state is kept"))),
    }
}

fn grades(words: &[String]) -> Vec<String> {
    words.iter().map(|word| canonical_grade(word)).collect()
}

/// 1.1: one role at each org, of which the first is the primary one (interface.md, JSON).
fn first_is_primary(role: &str, orgs: Vec<String>) -> Vec<RoleRow> {
    let row = |(at, org): (usize, String)| RoleRow {
        role_type: Some(if at == 0 { "primary" } else { "secondary" }.to_owned()),
        role: Some(role.to_owned()),
        org: Some(org),
    };
    if orgs.is_empty() {
        return vec![RoleRow { role: Some(role.to_owned()), ..RoleRow::default() }];
    }
    orgs.into_iter().enumerate().map(row).collect()
}

/// Whether all they are is a guardian, parent, relative or contact.
fn is_contact(rows: &[RoleRow]) -> bool {
    let mut roles = rows.iter().filter_map(|it| words::role(it.role.as_deref())).peekable();
    roles.peek().is_some() && roles.all(|it| matches!(it, Word::Contact))
}

/// The roles a user holds, and whether some could not be used. The primary org is the one named so, else that of the first
/// primary role, else the first.
fn roles(rows: Vec<RoleRow>, named: Option<&str>) -> (Vec<Role>, bool) {
    let is_primary = |it: &&RoleRow| it.role_type.as_ref().is_some_and(|it| it.trim().eq_ignore_ascii_case("primary"));
    let usable = |it: &&RoleRow| it.org.is_some();
    let primary = named
        .map(str::to_owned)
        .or_else(|| rows.iter().filter(usable).find(is_primary).and_then(|it| it.org.clone()))
        .or_else(|| rows.iter().find_map(|it| it.org.clone()));
    let (mut roles, mut faulty) = (Vec::new(), false);
    for row in rows {
        match (words::role(row.role.as_deref()), row.org) {
            (Some(Word::Role(role, word)), Some(org)) => {
                let is_primary = primary.as_ref() == Some(&org);
                roles.push(Role { role, org: SourceId::from(org), primary: is_primary, word });
            }
            (Some(Word::Contact), _) => {}
            _ => faulty = true,
        }
    }
    (roles, faulty)
}

fn nobody(id: SourceId) -> User {
    User {
        id,
        roles: Vec::new(),
        active: false,
        given_name: None,
        family_name: None,
        email: None,
        username: None,
        grades: Vec::new(),
        student_number: None,
        state_id: None,
    }
}

/// A record that carries nothing but its key, to say that it is there. Enrollments have no such id.
pub(crate) fn bare(kind: Kind, id: &str) -> Option<Record> {
    let id = key(Some(id.to_owned()))?;
    let body = match kind {
        Kind::Schools => serde_json::json!({ "id": id, "type": "", "name": "" }),
        Kind::Sessions => serde_json::json!({ "id": id, "type": "", "title": "" }),
        Kind::Courses | Kind::Classes => serde_json::json!({ "id": id, "title": "" }),
        Kind::Users => serde_json::json!({ "id": id, "active": false }),
        Kind::Enrollments => return None,
    };
    Record::from_body(kind, &body.to_string()).ok()
}
