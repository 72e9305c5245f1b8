//! A roster with changes laid over it, so that what a plan would leave can be read without a copy of a million records.

use std::ops::Bound;

use either::Either;

use crate::model::{ByKey, Class, Course, Enrollment, Org, Record, Roster, RosterRecord, Session, User, sort_to_last};

/// Records of one kind in place of those in the roster below, in the order of keys, and whether they are there: a first load has
/// millions, so there is nothing beside them.
type Over<'a, T> = Vec<(&'a T, bool)>;

/// What is other than in a roster, by kind and key.
#[derive(Clone, Debug, Default)]
pub struct Overlay<'a> {
    schools: Over<'a, Org>,
    sessions: Over<'a, Session>,
    courses: Over<'a, Course>,
    classes: Over<'a, Class>,
    users: Over<'a, User>,
    enrollments: Over<'a, Enrollment>,
}

impl<'a> Overlay<'a> {
    /// Shows each of `records` in place of the one with its key, or none with its key where it is not there. The last one of a key
    /// counts.
    pub fn of(records: impl Iterator<Item = (&'a Record, bool)>) -> Self {
        let mut all = Self::default();
        for (record, there) in records {
            match record {
                Record::School(it) => all.schools.push((it, there)),
                Record::Session(it) => all.sessions.push((it, there)),
                Record::Course(it) => all.courses.push((it, there)),
                Record::Class(it) => all.classes.push((it, there)),
                Record::User(it) => all.users.push((it, there)),
                Record::Enrollment(it) => all.enrollments.push((it, there)),
            }
        }
        sort(&mut all.schools);
        sort(&mut all.sessions);
        sort(&mut all.courses);
        sort(&mut all.classes);
        sort(&mut all.users);
        sort(&mut all.enrollments);
        all
    }
}

fn sort<T: RosterRecord>(over: &mut Over<'_, T>) {
    sort_to_last(over, |(one, _), (other, _)| one.order(&other.key()));
}

/// A roster as it is, or with an overlay.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    below: &'a Roster,
    over: &'a Overlay<'a>,
}

impl<'a> From<&'a Roster> for View<'a> {
    fn from(below: &'a Roster) -> Self {
        static NOTHING: Overlay<'static> = Overlay {
            schools: Vec::new(),
            sessions: Vec::new(),
            courses: Vec::new(),
            classes: Vec::new(),
            users: Vec::new(),
            enrollments: Vec::new(),
        };
        Self { below, over: &NOTHING }
    }
}

impl<'a> View<'a> {
    /// `below` as it would be with `over`.
    pub fn new(below: &'a Roster, over: &'a Overlay<'a>) -> Self {
        Self { below, over }
    }

    /// Whether it shows the roster as it is.
    pub fn is_plain(self) -> bool {
        let Overlay { schools, sessions, courses, classes, users, enrollments } = self.over;
        schools.is_empty()
            && sessions.is_empty()
            && courses.is_empty()
            && classes.is_empty()
            && users.is_empty()
            && enrollments.is_empty()
    }

    /// What is other than in the roster below.
    pub fn over(self) -> &'a Overlay<'a> {
        self.over
    }

    /// Whether orgs, academic sessions and courses are as in the roster below.
    pub fn has_its_frame(self) -> bool {
        let Overlay { schools, sessions, courses, classes: _, users: _, enrollments: _ } = self.over;
        schools.is_empty() && sessions.is_empty() && courses.is_empty()
    }

    /// Orgs.
    pub fn schools(self) -> Layers<'a, Org> {
        Layers { below: &self.below.schools, over: &self.over.schools }
    }

    /// Academic sessions.
    pub fn sessions(self) -> Layers<'a, Session> {
        Layers { below: &self.below.sessions, over: &self.over.sessions }
    }

    /// Courses.
    pub fn courses(self) -> Layers<'a, Course> {
        Layers { below: &self.below.courses, over: &self.over.courses }
    }

    /// Classes.
    pub fn classes(self) -> Layers<'a, Class> {
        Layers { below: &self.below.classes, over: &self.over.classes }
    }

    /// Users.
    pub fn users(self) -> Layers<'a, User> {
        Layers { below: &self.below.users, over: &self.over.users }
    }

    /// Enrollments, by user first.
    pub fn enrollments(self) -> Layers<'a, Enrollment> {
        Layers { below: &self.below.enrollments, over: &self.over.enrollments }
    }
}

/// The records of one kind.
#[derive(Debug)]
pub struct Layers<'a, T: RosterRecord> {
    below: &'a T::All,
    over: &'a Over<'a, T>,
}

impl<'a, T: RosterRecord> Layers<'a, T> {
    /// The record with this key.
    pub fn get(&self, key: &T::Key) -> Option<&'a T> {
        match self.over.binary_search_by(|(it, _)| it.order(key)).map(|at| self.over.get(at)) {
            Ok(found) => found.filter(|(_, there)| *there).map(|(it, _)| *it),
            Err(_) => self.below.find(key),
        }
    }

    /// Keys of which there is none any more.
    pub fn gone(&self) -> impl Iterator<Item = T::Key> + use<'a, T> {
        self.over.iter().filter(|(_, there)| !*there).map(|(it, _)| it.key())
    }

    /// At most how many there are.
    pub fn at_most(&self) -> usize {
        self.below.count() + self.over.len()
    }

    /// All, by key.
    pub fn values(&self) -> impl Iterator<Item = &'a T> + use<'a, T> {
        if self.over.is_empty() {
            Either::Left(self.below.all())
        } else if self.below.count() == 0 {
            Either::Right(Either::Left(self.over.iter().filter(|(_, there)| *there).map(|(it, _)| *it)))
        } else {
            Either::Right(Either::Right(self.after(Bound::Unbounded)))
        }
    }

    /// Those from `key` on, by key.
    pub fn starting_at<'b>(&self, key: &'b T::Key) -> impl Iterator<Item = &'a T> + use<'a, 'b, T>
    where
        'a: 'b,
    {
        self.after(Bound::Included(key))
    }

    /// What lies between two changes comes from below, each change from above.
    fn after<'b>(&self, start: Bound<&'b T::Key>) -> impl Iterator<Item = &'a T> + use<'a, 'b, T>
    where
        'a: 'b,
    {
        let below = self.below;
        let from = match start {
            Bound::Unbounded => 0,
            Bound::Included(key) => self.over.partition_point(|(it, _)| it.order(key).is_lt()),
            Bound::Excluded(key) => self.over.partition_point(|(it, _)| it.order(key).is_le()),
        };
        let over = self.over.get(from..).unwrap_or_default();
        let key = |at: usize| over.get(at).map(|(it, _)| it.key());
        (0..=over.len()).flat_map(move |at| {
            let begin = at.checked_sub(1).and_then(key).map_or_else(|| start.cloned(), Bound::Excluded);
            let end = key(at).map_or(Bound::Unbounded, Bound::Excluded);
            // A change of the very first key leaves nothing before it.
            let empty = matches!((&begin, &end), (Bound::Included(begin), Bound::Excluded(end)) if begin >= end);
            let changed = over.get(at).filter(|(_, there)| *there).map(|(it, _)| *it);
            (!empty).then(|| below.span((begin.as_ref(), end.as_ref()))).into_iter().flatten().chain(changed)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SourceId;

    fn org(id: &str, name: &str) -> Record {
        let org_type = "school".to_owned();
        Org { id: id.into(), org_type, name: name.to_owned(), identifier: None, parent: None, nces: None }.into_record()
    }

    /// A view shows what a copy with the same changes would have.
    #[test]
    fn a_view_reads_like_a_copy_with_the_changes_made() {
        let mut below = Roster::default();
        for id in ["b", "d", "f"] {
            below.put(org(id, "old"));
        }
        let changes = [("a", true), ("b", false), ("c", true), ("d", true), ("e", false), ("f", false), ("g", true)];
        for mask in 0..1_usize << changes.len() {
            let chosen = changes.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1);
            let chosen: Vec<(Record, bool)> = chosen.map(|(_, (id, there))| (org(id, "new"), *there)).collect();
            let over = Overlay::of(chosen.iter().map(|(record, there)| (record, *there)));
            let mut copy = below.clone();
            for (record, there) in &chosen {
                if *there {
                    copy.put(record.clone());
                } else {
                    copy.take(record);
                }
            }
            let schools = View::new(&below, &over).schools();
            assert_eq!(schools.values().collect::<Vec<_>>(), copy.schools.values().collect::<Vec<_>>());
            for key in ["a", "b", "bb", "d", "f", "g", "h"].map(SourceId::from) {
                assert_eq!(schools.get(&key), copy.schools.get(&key));
                let from: Vec<_> = copy.schools.range(key.clone()..).map(|(_, it)| it).collect();
                assert_eq!(schools.starting_at(&key).collect::<Vec<_>>(), from);
            }
        }
    }
}
