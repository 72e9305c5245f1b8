//! Rows that are byte for byte what they were when the store took them up: they are present and unchanged, and nobody reads
//! them (performance.md, The data path, 2).
//!
//! Of each active record the store keeps what tells its row from any other: 128 bits of a keyed hash of the row's bytes. A row
//! stands for a record only if no other row said anything else of it, nothing about it was odd, and the store has the record
//! exactly as the row gave it; every other row is read each night. The marks are good as long as no record is written, and a
//! write forgets them.
//!
//! Where rows of classes tell of their enrollments (Clever's sections), a row stands for the class and all of them, or for
//! nothing: they have its mark, and they came as they were if it did.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    ByKey, Class, Course, Edits, Enrollment, Kind, KnownRows, Layers, Marks, NextRows, Org, Roster, RosterRecord,
    RowMark, Same, Session, User, View,
};
use crate::snapshot::ground::Ground;
use crate::snapshot::{Presence, Seen, Snapshot, Told, check};

/// Kinds that have so many rows that it pays.
pub const RECOGNIZED: [Kind; 3] = [Kind::Classes, Kind::Users, Kind::Enrollments];

/// What of one kind was recognized.
#[derive(Clone, Debug)]
pub struct Part<T: RosterRecord> {
    /// Which of the store's active records, in the order of keys, came as they were. Empty where nothing was known.
    pub hits: Vec<bool>,
    /// Rows that were read, with what they told of, nothing about them being odd.
    pub fresh: Vec<(RowMark, T::Key)>,
    /// Of these rows said different things, so that none of them stands for what came of it.
    pub disputed: BTreeSet<T::Key>,
}

impl<T: RosterRecord> Default for Part<T> {
    fn default() -> Self {
        Self { hits: Vec::new(), fresh: Vec::new(), disputed: BTreeSet::new() }
    }
}

/// What of a snapshot was recognized.
#[derive(Clone, Debug, Default)]
pub struct Recognized {
    /// [`KnownRows::seed`] of tonight.
    pub seed: String,
    /// The marks that were looked up; none if there were none of this seed.
    pub stamp: Option<String>,
    /// Classes.
    pub classes: Part<Class>,
    /// Users.
    pub users: Part<User>,
    /// Enrollments.
    pub enrollments: Part<Enrollment>,
    /// Users who are mere contacts tonight, by id.
    pub contacts: BTreeSet<String>,
    /// Whether rows of classes tell of their enrollments, which have no rows of their own.
    pub sections: bool,
}

impl Recognized {
    pub(super) fn hits(&self, kind: Kind) -> &[bool] {
        match kind {
            Kind::Classes => &self.classes.hits,
            Kind::Users => &self.users.hits,
            Kind::Enrollments => &self.enrollments.hits,
            Kind::Schools | Kind::Sessions | Kind::Courses => &[],
        }
    }

    pub(super) fn any(&self) -> bool {
        RECOGNIZED.into_iter().any(|kind| self.hits(kind).contains(&true))
    }
}

impl Snapshot {
    /// The snapshot with what was recognized checked beside `roster`, which the marks were of. None where a row that was
    /// read tells of a record that another row stands for: then only reading all of them says what the source means.
    pub fn completed(&self, roster: &Roster) -> Option<Cow<'_, Self>> {
        let Some(recognized) = self.recognized.as_ref().filter(|it| it.any()) else {
            return Some(Cow::Borrowed(self));
        };
        // Who became a mere contact takes their enrollments along, recognized or not.
        if recognized.contacts.iter().any(|id| roster.users.contains_key(&id.as_str().into())) {
            return None;
        }
        let is_sound =
            self.classes(roster).is_sound() && self.users(roster).is_sound() && self.enrollments(roster).is_sound();
        if !is_sound {
            return None;
        }
        // A row that stands for a record pointed to nothing that was missing then.
        let any_gone = self.schools(roster).misses_any()
            || self.sessions(roster).misses_any()
            || self.courses(roster).misses_any()
            || self.classes(roster).misses_any()
            || self.users(roster).misses_any();
        let mut warnings = check::Warnings::from(self.warnings.clone());
        check::references(self, roster, any_gone, &mut warnings);
        Some(Cow::Owned(Self { warnings: warnings.into(), ..self.clone() }))
    }

    /// What it says of orgs, beside those of the store.
    pub fn schools<'a>(&'a self, roster: &'a Roster) -> Told<'a, Org> {
        Told::new(&self.schools, self.hits(Kind::Schools), &roster.schools)
    }

    /// The same of sessions.
    pub fn sessions<'a>(&'a self, roster: &'a Roster) -> Told<'a, Session> {
        Told::new(&self.sessions, self.hits(Kind::Sessions), &roster.sessions)
    }

    /// The same of courses.
    pub fn courses<'a>(&'a self, roster: &'a Roster) -> Told<'a, Course> {
        Told::new(&self.courses, self.hits(Kind::Courses), &roster.courses)
    }

    /// The same of classes.
    pub fn classes<'a>(&'a self, roster: &'a Roster) -> Told<'a, Class> {
        Told::new(&self.classes, self.hits(Kind::Classes), &roster.classes)
    }

    /// The same of users.
    pub fn users<'a>(&'a self, roster: &'a Roster) -> Told<'a, User> {
        Told::new(&self.users, self.hits(Kind::Users), &roster.users)
    }

    /// The same of enrollments.
    pub fn enrollments<'a>(&'a self, roster: &'a Roster) -> Told<'a, Enrollment> {
        Told::new(&self.enrollments, self.hits(Kind::Enrollments), &roster.enrollments)
    }

    /// The marks of the store's records once `after` is applied to `before`, which this snapshot was completed with; none
    /// where they are those that there are. `known` are the marks of `before`.
    pub fn known_after(&self, known: &KnownRows, before: &Roster, after: View<'_>) -> Option<NextRows> {
        let it = self.recognized.as_ref()?;
        let none = Marks::none();
        let of = |kind: Kind| known.marks.get(&kind).unwrap_or(&none);
        let ground = Ground::new(self, before, after);
        let (mut classes, same_classes) =
            marks(&it.classes, of(Kind::Classes), &before.classes, &after.classes(), &self.classes, |it, came| {
                ground.lacks(check::of_class(it), came)
            });
        let (users, same_users) =
            marks(&it.users, of(Kind::Users), &before.users, &after.users(), &self.users, |it, came| {
                ground.lacks(check::of_user(it), came)
            });
        let (mut enrollments, same_enrollments) = marks(
            &it.enrollments,
            of(Kind::Enrollments),
            &before.enrollments,
            &after.enrollments(),
            &self.enrollments,
            |it, came| ground.lacks(check::of_enrollment(it), came),
        );
        if it.sections {
            let known = of(Kind::Enrollments).iter().zip(&it.enrollments.hits);
            let as_they_were = known.filter(|(_, hit)| **hit).map(|(mark, _)| mark);
            let told = it.enrollments.fresh.iter().map(|(mark, _)| *mark).chain(as_they_were);
            whole_sections(&mut classes, &mut enrollments, told);
        }
        let seed = it.seed.clone();
        let of_before = RECOGNIZED.into_iter().all(|kind| of(kind).len() == before.count(kind));
        let edits = (of_before && seed == known.seed).then(|| {
            let between = |kind, new: &Marks, same: &[Same]| (kind, Edits::between(of(kind), new, same));
            BTreeMap::from([
                between(Kind::Classes, &classes, &same_classes),
                between(Kind::Users, &users, &same_users),
                between(Kind::Enrollments, &enrollments, &same_enrollments),
            ])
        });
        // Whatever is written takes away those that there are.
        let same = it.stamp.is_some() && edits.as_ref().is_some_and(|it| it.values().all(|it| it.0.is_empty()));
        let marks = [(Kind::Classes, classes), (Kind::Users, users), (Kind::Enrollments, enrollments)];
        (!(same && after.is_plain())).then(|| NextRows { seed, marks: marks.into(), edits })
    }
}

/// The marks of the records of one kind once they are what `after` shows, and which of these are as they were. A row that points to
/// what is missing stands for nothing, so that it is told of each night; `dangles` says so of a record, and hears whether it came as
/// it was.
fn marks<T: RosterRecord>(
    part: &Part<T>,
    known: &Marks,
    before: &T::All,
    after: &Layers<'_, T>,
    seen: &Seen<T>,
    dangles: impl Fn(&T, bool) -> bool,
) -> (Marks, Vec<Same>) {
    let mut fresh: Vec<&(RowMark, T::Key)> = part.fresh.iter().collect();
    fresh.sort_by(|one, other| one.1.cmp(&other.1));
    // Of several rows that tell of one record none stands for it.
    let several: BTreeSet<&T::Key> =
        fresh.windows(2).filter(|it| matches!(it, [(_, one), (_, other)] if one == other)).map(|it| &it[0].1).collect();
    fresh.retain(|(_, key)| !several.contains(key) && !part.disputed.contains(key));
    let mut fresh = fresh.into_iter().peekable();
    let mut old = before.all().enumerate().peekable();
    let (mut all, mut same) = (Marks::with_capacity(before.count()), Vec::<Same>::new());
    for record in after.values() {
        // What a plan leaves as it is shows through from below.
        let place = loop {
            match old.peek() {
                Some((place, it)) if std::ptr::eq(*it, record) => break Some(*place),
                Some((_, it)) if it.order(&record.key()).is_le() => {
                    old.next();
                }
                Some(_) | None => break None,
            }
        };
        if let Some(place) = place {
            old.next();
            match same.last_mut() {
                Some(it) if it.old + it.count == place && it.new + it.count == all.len() => it.count += 1,
                _ => same.push(Same { old: place, new: all.len(), count: 1 }),
            }
        }
        let hit = place.filter(|place| part.hits.get(*place).copied().unwrap_or(false));
        if let Some(place) = hit {
            let mark = known.get(place).filter(|_| !dangles(record, true));
            all.push(mark.unwrap_or_default());
            continue;
        }
        if fresh.peek().is_none() {
            all.push(RowMark::default());
            continue;
        }
        let key = record.key();
        while fresh.next_if(|(_, it)| *it < key).is_some() {}
        let mark = fresh.next_if(|(_, it)| *it == key).map(|(mark, _)| *mark);
        let as_given = matches!(seen.get(&key), Some(Presence::This(it)) if **it == *record) && !dangles(record, false);
        all.push(mark.filter(|_| as_given).unwrap_or_default());
    }
    (all, same)
}

/// Takes the marks from sections that do not stand for all they `told` of, and from their enrollments.
fn whole_sections(classes: &mut Marks, enrollments: &mut Marks, told: impl Iterator<Item = RowMark>) {
    let mut lacking: BTreeMap<u128, usize> = BTreeMap::new();
    for mark in told {
        *lacking.entry(mark.row()).or_default() += 1;
    }
    for mark in enrollments.iter().filter(RowMark::is_set) {
        if let Some(count) = lacking.get_mut(&mark.row()) {
            *count = count.saturating_sub(1);
        }
    }
    lacking.retain(|_, count| *count > 0);
    let mut whole = BTreeSet::new();
    classes.keep(|mark| {
        let stands = mark.is_set() && !lacking.contains_key(&mark.row());
        if stands {
            whole.insert(mark.row());
        }
        stands
    });
    enrollments.keep(|mark| whole.contains(&mark.row()));
}
