//! Rows that are byte for byte what they were when the store took them up: they are present and unchanged, and nobody reads
//! them (performance.md, The data path, 2).
//!
//! Of each active record the store keeps what tells its row from any other: 128 bits of a keyed hash of the row's bytes. A row
//! stands for a record only if it alone told of it, nothing about it was odd, and the store has the record exactly as the row
//! gave it; every other row is read each night. The marks are good as long as no record is written, and a write forgets them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Class, Enrollment, Kind, KnownRows, Layers, Roster, RosterRecord, RowMark, User, View};
use crate::snapshot::{Presence, Seen, Snapshot, check};

/// Kinds that have so many rows that it pays.
pub const RECOGNIZED: [Kind; 3] = [Kind::Classes, Kind::Users, Kind::Enrollments];

/// What of one kind was recognized.
#[derive(Clone, Debug)]
pub struct Part<T: RosterRecord> {
    /// Which of the store's active records, in the order of keys, came as they were. Empty where nothing was known.
    pub hits: Vec<bool>,
    /// Rows that were read and told of one record each, nothing about them being odd.
    pub fresh: Vec<(RowMark, T::Key)>,
}

impl<T: RosterRecord> Default for Part<T> {
    fn default() -> Self {
        Self { hits: Vec::new(), fresh: Vec::new() }
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
}

impl Recognized {
    /// How many rows of a kind came as they were.
    pub(super) fn count(&self, kind: Kind) -> usize {
        let hits = match kind {
            Kind::Classes => &self.classes.hits,
            Kind::Users => &self.users.hits,
            Kind::Enrollments => &self.enrollments.hits,
            Kind::Schools | Kind::Sessions | Kind::Courses => return 0,
        };
        hits.iter().filter(|hit| **hit).count()
    }

    pub(super) fn any(&self) -> bool {
        RECOGNIZED.into_iter().any(|kind| self.count(kind) > 0)
    }
}

impl Snapshot {
    /// The snapshot with what was recognized put in as unchanged. `roster` is what the marks were of. None where a row that was
    /// read tells of a record that another row stands for: then only reading all of them says what the source means.
    pub fn completed(&self, roster: &Roster) -> Option<Cow<'_, Self>> {
        let Some(recognized) = self.recognized.as_ref().filter(|it| it.any()) else {
            return Some(Cow::Borrowed(self));
        };
        // Who became a mere contact takes their enrollments along, recognized or not.
        if recognized.contacts.iter().any(|id| roster.users.contains_key(&id.as_str().into())) {
            return None;
        }
        let mut whole = Self {
            classes: with_hits(&self.classes, &recognized.classes.hits, &roster.classes)?,
            users: with_hits(&self.users, &recognized.users.hits, &roster.users)?,
            enrollments: with_hits(&self.enrollments, &recognized.enrollments.hits, &roster.enrollments)?,
            ..self.clone()
        };
        // A row that stands for a record pointed to nothing that was missing then.
        let gone = |kind: Kind| whole.misses(kind, roster);
        let all_there =
            ![Kind::Schools, Kind::Sessions, Kind::Courses, Kind::Classes, Kind::Users].into_iter().any(gone);
        let mut warnings = check::Warnings::from(std::mem::take(&mut whole.warnings));
        check::references(&whole, (!all_there).then_some(roster), &mut warnings);
        whole.warnings = warnings.into();
        Some(Cow::Owned(whole))
    }

    /// Whether the store has a record of a kind that the source does not send.
    fn misses(&self, kind: Kind, roster: &Roster) -> bool {
        fn any<T: RosterRecord>(seen: &Seen<T>, stored: &BTreeMap<T::Key, T>) -> bool {
            let mut present =
                seen.iter().filter(|(_, it)| !matches!(it, Presence::Gone)).map(|(key, _)| key).peekable();
            stored.keys().any(|key| {
                while present.next_if(|it| *it < key).is_some() {}
                present.peek() != Some(&key)
            })
        }
        match kind {
            Kind::Schools => any(&self.schools, &roster.schools),
            Kind::Sessions => any(&self.sessions, &roster.sessions),
            Kind::Courses => any(&self.courses, &roster.courses),
            Kind::Classes => any(&self.classes, &roster.classes),
            Kind::Users => any(&self.users, &roster.users),
            Kind::Enrollments => any(&self.enrollments, &roster.enrollments),
        }
    }

    /// The marks of the store's records once `after` is applied to `before`, which this snapshot was completed with; none
    /// where they are those that there are.
    pub fn known_after(&self, known: &KnownRows, before: &Roster, after: View<'_>, stamp: &str) -> Option<KnownRows> {
        let it = self.recognized.as_ref()?;
        let of = |kind: Kind| known.marks.get(&kind).map(Vec::as_slice).unwrap_or_default();
        let next = KnownRows {
            seed: it.seed.clone(),
            stamp: stamp.to_owned(),
            marks: BTreeMap::from([
                (
                    Kind::Classes,
                    marks(&it.classes, of(Kind::Classes), &before.classes, &after.classes(), &self.classes, |it| {
                        !self.missing_of_class(it).is_empty()
                    }),
                ),
                (
                    Kind::Users,
                    marks(&it.users, of(Kind::Users), &before.users, &after.users(), &self.users, |it| {
                        !self.missing_of_user(it).is_empty()
                    }),
                ),
                (
                    Kind::Enrollments,
                    marks(
                        &it.enrollments,
                        of(Kind::Enrollments),
                        &before.enrollments,
                        &after.enrollments(),
                        &self.enrollments,
                        |it| !self.missing_of_enrollment(it).is_empty(),
                    ),
                ),
            ]),
        };
        let same = it.stamp.is_some() && next.seed == known.seed && next.marks == known.marks;
        (!same).then_some(next)
    }
}

/// What was read, and what came as it was; none where both tell of one record, or marks and records are not of one time.
fn with_hits<T: RosterRecord>(read: &Seen<T>, hits: &[bool], stored: &BTreeMap<T::Key, T>) -> Option<Seen<T>> {
    if hits.is_empty() {
        return Some(read.clone());
    }
    if hits.len() != stored.len() {
        return None;
    }
    let mut all: Vec<(T::Key, Presence<T>)> = Vec::with_capacity(hits.len() + read.len());
    let mut read = read.iter().peekable();
    for (key, _) in stored.keys().zip(hits).filter(|(_, hit)| **hit) {
        while let Some((other, presence)) = read.next_if(|(it, _)| *it < key) {
            all.push((other.clone(), presence.clone()));
        }
        if read.peek().is_some_and(|(it, _)| *it == key) {
            return None;
        }
        all.push((key.clone(), Presence::Unchanged));
    }
    all.extend(read.map(|(key, presence)| (key.clone(), presence.clone())));
    Some(all.into_iter().collect())
}

/// The marks of the records of one kind once they are what `after` shows. A row that points to what is missing stands for
/// nothing, so that it is told of each night.
fn marks<T: RosterRecord>(
    part: &Part<T>,
    known: &[RowMark],
    before: &BTreeMap<T::Key, T>,
    after: &Layers<'_, T>,
    seen: &Seen<T>,
    dangles: impl Fn(&T) -> bool,
) -> Vec<RowMark> {
    let mut fresh: Vec<&(RowMark, T::Key)> = part.fresh.iter().collect();
    fresh.sort_by(|one, other| one.1.cmp(&other.1));
    // Of several rows that tell of one record none stands for it.
    let several: BTreeSet<&T::Key> =
        fresh.windows(2).filter(|it| matches!(it, [(_, one), (_, other)] if one == other)).map(|it| &it[0].1).collect();
    fresh.retain(|(_, key)| !several.contains(key));
    let mut fresh = fresh.into_iter().peekable();
    let mut old = before.values().enumerate().peekable();
    let mut all = Vec::with_capacity(before.len());
    for record in after.values() {
        // What a plan leaves as it is shows through from below.
        let place = loop {
            match old.peek() {
                Some((place, it)) if std::ptr::eq(*it, record) => break Some(*place),
                Some((_, it)) if it.key() <= record.key() => {
                    old.next();
                }
                Some(_) | None => break None,
            }
        };
        if place.is_some() {
            old.next();
        }
        let hit = place.filter(|place| part.hits.get(*place).copied().unwrap_or(false));
        if let Some(place) = hit {
            all.push(known.get(place).copied().unwrap_or_default());
            continue;
        }
        if fresh.peek().is_none() {
            all.push(RowMark::default());
            continue;
        }
        let key = record.key();
        while fresh.next_if(|(_, it)| *it < key).is_some() {}
        let mark = fresh.next_if(|(_, it)| *it == key).map(|(mark, _)| *mark);
        let as_given = matches!(seen.get(&key), Some(Presence::This(it)) if it == record) && !dangles(record);
        all.push(mark.filter(|_| as_given).unwrap_or_default());
    }
    all
}
