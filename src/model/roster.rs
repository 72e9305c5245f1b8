//! All records of one district.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{
    ByKey, Class, Course, Enrollment, Enrollments, Kind, Org, Record, RosterRecord, Session, SourceId, Texts, User,
};

/// The ids of a roster by their texts.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    schools: Ids<'a>,
    classes: Ids<'a>,
    users: Ids<'a>,
}

#[expect(clippy::disallowed_types, reason = "looked up and never walked, so no order can come of it")]
type Ids<'a> = std::collections::HashMap<&'a str, &'a SourceId>;

impl<'a> Known<'a> {
    /// Those of orgs, classes and users.
    pub(crate) fn of(roster: &'a Roster) -> Self {
        fn ids<T>(of: &BTreeMap<SourceId, T>) -> Ids<'_> {
            of.keys().map(|id| (id.as_str(), id)).collect()
        }
        Self { schools: ids(&roster.schools), classes: ids(&roster.classes), users: ids(&roster.users) }
    }

    /// An enrollment that names what there is by the ids there are.
    pub(crate) fn named<Id: AsRef<str>>(&self, it: Enrollment<Id>) -> Enrollment {
        let shared = |ids: &Ids<'_>, id: &Id| {
            let text = id.as_ref();
            ids.get(text).map_or_else(|| SourceId::from(text), |id| (*id).clone())
        };
        Enrollment {
            user: shared(&self.users, &it.user),
            class: shared(&self.classes, &it.class),
            school: it.school.map(|school| shared(&self.schools, &school)),
            role: it.role,
            primary: it.primary,
            periods: it.periods,
        }
    }
}

/// Records by kind and key. The store's active rows of a district, or what a plan would leave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roster {
    /// Orgs.
    pub schools: BTreeMap<SourceId, Org>,
    /// Academic sessions.
    pub sessions: BTreeMap<SourceId, Session>,
    /// Courses.
    pub courses: BTreeMap<SourceId, Course>,
    /// Classes.
    pub classes: BTreeMap<SourceId, Class>,
    /// Users.
    pub users: BTreeMap<SourceId, User>,
    /// Enrollments, by user first.
    pub enrollments: Enrollments,
}

impl Roster {
    /// Puts a record in, replacing the one with its key.
    pub fn put(&mut self, record: Record) {
        fn into<T: RosterRecord<Key = SourceId>>(map: &mut BTreeMap<T::Key, T>, record: Arc<T>) {
            map.insert(record.key(), Arc::unwrap_or_clone(record));
        }
        match record {
            Record::School(it) => into(&mut self.schools, it),
            Record::Session(it) => into(&mut self.sessions, it),
            Record::Course(it) => into(&mut self.courses, it),
            Record::Class(it) => into(&mut self.classes, it),
            Record::User(it) => into(&mut self.users, it),
            Record::Enrollment(it) => self.enrollments.insert(Arc::unwrap_or_clone(it)),
        }
    }

    /// Takes out the record with the key of `record`.
    pub fn take(&mut self, record: &Record) {
        fn from<T: RosterRecord<Key = SourceId>>(map: &mut BTreeMap<T::Key, T>, record: &T) {
            map.remove(&record.key());
        }
        match record {
            Record::School(it) => from(&mut self.schools, it),
            Record::Session(it) => from(&mut self.sessions, it),
            Record::Course(it) => from(&mut self.courses, it),
            Record::Class(it) => from(&mut self.classes, it),
            Record::User(it) => from(&mut self.users, it),
            Record::Enrollment(it) => {
                self.enrollments.remove(&it.key());
            }
        }
    }

    /// Whether there is a record with the key of `record`.
    pub fn has(&self, record: &Record) -> bool {
        match record {
            Record::School(it) => self.schools.contains_key(&it.id),
            Record::Session(it) => self.sessions.contains_key(&it.id),
            Record::Course(it) => self.courses.contains_key(&it.id),
            Record::Class(it) => self.classes.contains_key(&it.id),
            Record::User(it) => self.users.contains_key(&it.id),
            Record::Enrollment(it) => ByKey::find(&self.enrollments, &it.key()).is_some(),
        }
    }

    /// Has every enrollment name its user and class, and every role its org, by the id of the record it means, so that a
    /// million texts are kept once and two that are equal need not be compared. Changes no value.
    pub fn share_ids(&mut self) {
        let mut orgs: Texts = self.schools.keys().cloned().collect();
        orgs.share(self.users.values_mut().flat_map(|user| &mut user.roles).map(|role| &mut role.org));
        if self.enrollments.is_empty() {
            return; // and nobody is to be looked up
        }
        let all = std::mem::take(&mut self.enrollments);
        let known = Known::of(self);
        let all: Enrollments = all.into_iter().map(|it| known.named(it)).collect();
        self.enrollments = all;
    }

    /// How many records of a kind there are.
    pub fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Schools => self.schools.len(),
            Kind::Sessions => self.sessions.len(),
            Kind::Courses => self.courses.len(),
            Kind::Classes => self.classes.len(),
            Kind::Users => self.users.len(),
            Kind::Enrollments => self.enrollments.len(),
        }
    }

    /// Every record, by kind, then key.
    pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
        fn of<T: RosterRecord>(map: &BTreeMap<SourceId, T>) -> impl Iterator<Item = Record> + '_ {
            map.values().cloned().map(T::into_record)
        }
        of(&self.schools)
            .chain(of(&self.sessions))
            .chain(of(&self.courses))
            .chain(of(&self.classes))
            .chain(of(&self.users))
            .chain(self.enrollments.values().cloned().map(RosterRecord::into_record))
    }
}
