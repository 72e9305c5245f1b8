//! Clever's objects to records. Sections are classes, and the only link between students and teachers (protocols.md 1.8).

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::feed::clever::wire::{CourseRow, District, Head, RoleRow, School, Section, Term, UserRow};
use crate::feed::oneroster::convert::{bare, key, spoiled};
use crate::feed::oneroster::date;
use crate::model::{
    Class, Course, Date, Enrollment, Kind, Org, Personal, Record, Role, RoleName, RosterRecord, Session, SourceId,
    User, canonical_grade,
};
use crate::snapshot::Builder;

/// Fills a builder from one district's objects.
pub(super) struct Convert {
    pub to: Builder,
    /// Whether any school came.
    pub schools: bool,
    district: SourceId,
    again: bool,
}

/// Why a row cannot be used: a code, and a text without values.
type Fault = Option<(&'static str, &'static str)>;

impl Convert {
    pub(super) fn new(district: SourceId) -> Self {
        Self { to: Builder::new(), schools: false, district, again: false }
    }

    /// The rows that follow were seen before: what is only counted is not counted twice.
    pub(super) fn again(&mut self, again: bool) {
        self.again = again;
    }

    /// Takes one object; says its [`id`].
    pub(super) fn row(&mut self, kind: Kind, row: &RawValue) -> Option<String> {
        let head: Head = serde_json::from_str(row.get()).unwrap_or_default();
        let Some(id) = key(head.id.clone()) else {
            self.nameless(kind);
            return None;
        };
        if head.district.is_some_and(|it| it != self.district.as_str()) {
            let why = "rows of another district; they are not used";
            self.unusable(kind, &id, "foreign_district", why);
            return Some(id.as_str().to_owned());
        }
        match kind {
            Kind::Schools => self.read(kind, &id, row, Self::school),
            Kind::Sessions => self.read(kind, &id, row, Self::term),
            Kind::Courses => self.read(kind, &id, row, Self::course),
            Kind::Classes => self.read(kind, &id, row, Self::section),
            Kind::Users => self.read(kind, &id, row, Self::user),
            Kind::Enrollments => {}
        }
        head.id
    }

    fn read<T: DeserializeOwned>(
        &mut self,
        kind: Kind,
        id: &SourceId,
        row: &RawValue,
        take: fn(&mut Self, SourceId, T),
    ) {
        if let Ok(it) = serde_json::from_str(row.get()) {
            take(self, id.clone(), it);
        } else {
            let why = "rows of a shape that cannot be read; the last good state is kept";
            self.unusable(kind, id, "unreadable_row", why);
            if kind == Kind::Classes {
                self.members_unknown();
            }
        }
    }

    fn nameless(&mut self, kind: Kind) {
        if !self.again {
            let why = "rows without a usable id; the source must give every record its own";
            self.to.unusable_without_id(kind, "no_id", why);
        }
        if kind == Kind::Classes {
            self.members_unknown();
        }
    }

    fn unusable(&mut self, kind: Kind, id: &SourceId, code: &str, why: &str) {
        if let Some(record) = bare(kind, id.as_str()) {
            self.to.unusable(&record, code, why);
        }
    }

    /// A section does not tell its members: nobody may be taken out of a class for it.
    fn members_unknown(&mut self) {
        if !self.again {
            let why = "sections whose members cannot be read or are not shared; no enrollment is ended for it";
            self.to.unusable_without_id(Kind::Enrollments, "members_unknown", why);
        }
    }

    fn put(&mut self, record: Record, modified: Option<&String>, fault: Fault) {
        match fault {
            Some((code, why)) => self.to.unusable(&record, code, why),
            None => self.to.add(record, modified.map(String::as_str).unwrap_or_default()),
        }
    }

    /// The district itself is an org as well.
    pub(super) fn district(&mut self, row: &District) {
        let name = row.name.clone().unwrap_or_default();
        if !name.is_empty() {
            self.to.district_name(&name);
        }
        let fault = spoiled([&row.name, &row.nces_id], []);
        let org = Org {
            id: self.district.clone(),
            org_type: "district".to_owned(),
            name,
            identifier: None,
            parent: None,
            nces: row.nces_id.clone(),
        };
        self.put(org.into_record(), None, fault);
    }

    fn school(&mut self, id: SourceId, row: School) {
        self.schools = true;
        let identifier = row.number.or(row.sis_id);
        let fault = spoiled([&row.name, &identifier, &row.nces_id], []);
        let org = Org {
            id,
            org_type: "school".to_owned(),
            name: row.name.unwrap_or_default(),
            identifier,
            parent: Some(self.district.clone()),
            nces: row.nces_id,
        };
        self.put(org.into_record(), row.last_modified.as_ref(), fault);
    }

    fn term(&mut self, id: SourceId, row: Term) {
        let (starts_on, late) = day(row.start_date.as_ref());
        let (ends_on, early) = day(row.end_date.as_ref());
        let fault = spoiled([&row.name], []).or(late).or(early);
        let session = Session {
            id,
            session_type: "term".to_owned(),
            title: row.name.unwrap_or_default(),
            starts_on,
            ends_on,
            parent: None,
            school_year: None,
        };
        self.put(session.into_record(), None, fault);
    }

    fn course(&mut self, id: SourceId, row: CourseRow) {
        let fault = spoiled([&row.name, &row.number], []);
        let course = Course {
            id,
            title: row.name.unwrap_or_default(),
            code: row.number,
            org: Some(self.district.clone()),
            grades: Vec::new(),
            subjects: Vec::new(),
        };
        self.put(course.into_record(), None, fault);
    }

    fn section(&mut self, id: SourceId, row: Section) {
        self.members(&id, &row);
        let fault =
            spoiled([&row.name, &row.number, &row.school, &row.course, &row.term_id, &row.grade, &row.subject], []);
        let class = Class {
            id,
            title: row.name.unwrap_or_default(),
            code: row.number,
            class_type: None,
            school: row.school.map(SourceId::from),
            course: row.course.map(SourceId::from),
            sessions: row.term_id.map(SourceId::from).into_iter().collect(),
            grades: row.grade.iter().map(|it| canonical_grade(it)).collect(),
            subjects: row.subject.into_iter().collect(),
            instance: 0,
        };
        self.put(class.into_record(), row.last_modified.as_ref(), fault);
    }

    /// Students and teachers of a section; the first teacher is the primary one.
    fn members(&mut self, class: &SourceId, row: &Section) {
        let primary = row.teacher.as_ref().or(row.teachers.first());
        let teachers = row
            .teachers
            .iter()
            .chain(row.teacher.as_ref())
            .map(|id| (id, RoleName::Teacher, Some(Some(id) == primary)));
        let students = row.students.iter().flatten().map(|id| (id, RoleName::Student, None));
        for (id, role, primary) in students.chain(teachers) {
            match key(Some(id.clone())).filter(|_| !id.trim().is_empty()) {
                Some(user) => self.put(
                    Enrollment {
                        user,
                        class: class.clone(),
                        school: row.school.clone().map(SourceId::from),
                        role,
                        primary,
                        periods: Vec::new(),
                    }
                    .into_record(),
                    None,
                    spoiled([&row.school], []),
                ),
                None => self.nameless(Kind::Enrollments),
            }
        }
        if row.students.is_none() {
            self.members_unknown();
        }
    }

    fn user(&mut self, id: SourceId, row: UserRow) {
        let Some(held) = row.roles else {
            let why = "users without roles; the last good state is kept";
            return self.unusable(Kind::Users, &id, "no_role", why);
        };
        if held.keys().all(|role| role == "contact") && !held.is_empty() {
            if !self.again {
                self.to.skip();
            }
            return;
        }
        let name = row.name.unwrap_or_default();
        let student = held.get("student");
        let roles = held.iter().flat_map(|(word, role)| self.roles(word, role)).collect();
        let student_number = student.and_then(|it| it.student_number.clone().or_else(|| it.sis_id.clone()));
        let order = ["student", "teacher", "staff", "district_admin"];
        let first =
            |field: fn(&RoleRow) -> Option<String>| order.iter().filter_map(|word| held.get(*word)).find_map(field);
        let state_id = first(|it| it.state_id.clone());
        let username = first(|it| it.credentials.as_ref()?.district_username.clone());
        let grade = student.and_then(|it| it.grade.clone());
        let fault = spoiled(
            [&row.email, &name.first, &name.last, &student_number, &state_id, &username, &grade],
            held.values().map(|it| &it.schools),
        )
        .or_else(|| spoiled(held.values().map(|it| &it.school), []));
        let texts = [name.first, name.last, row.email, username, student_number, state_id];
        let [given_name, family_name, email, username, student_number, state_id] = Personal::together(texts);
        let user = User {
            id,
            roles,
            active: true,
            given_name,
            family_name,
            email,
            username,
            grades: grade.iter().map(|it| canonical_grade(it)).collect(),
            student_number,
            state_id,
        };
        self.put(user.into_record(), row.last_modified.as_ref(), fault);
    }

    /// One of Clever's roles as a role at each of its schools. The primary one is `school`, else the first of `schools`.
    fn roles(&self, word: &str, row: &RoleRow) -> Vec<Role> {
        let at = |role: RoleName, org: SourceId, primary: bool, word: Option<&str>| Role {
            role,
            org,
            primary,
            word: word.map(str::to_owned),
        };
        let (role, kept) = match word {
            "student" => (RoleName::Student, None),
            "teacher" => (RoleName::Teacher, None),
            "staff" => (RoleName::Staff, None),
            "district_admin" => {
                return vec![at(RoleName::Administrator, self.district.clone(), true, Some(word))];
            }
            "contact" => return Vec::new(),
            _ => (RoleName::Staff, Some(word)),
        };
        let primary = row.school.as_ref().or(row.schools.first());
        let mut schools: Vec<&String> = row.school.iter().chain(&row.schools).collect();
        schools.sort();
        schools.dedup();
        schools
            .into_iter()
            .filter(|it| !it.trim().is_empty())
            .map(|it| at(role, SourceId::from(it.as_str()), Some(it) == primary, kept))
            .collect()
    }
}

/// The id of an object, for paging; none of one that has no usable id.
pub(super) fn id(row: &RawValue) -> Option<String> {
    let head: Head = serde_json::from_str(row.get()).unwrap_or_default();
    key(head.id).map(|it| it.as_str().to_owned())
}

fn day(text: Option<&String>) -> (Option<Date>, Fault) {
    match text.map(|it| date(it)) {
        None => (None, None),
        Some(Some(day)) => (Some(day), None),
        Some(None) => (None, Some(("bad_date", "rows with a date that cannot be read; the last good state is kept"))),
    }
}
