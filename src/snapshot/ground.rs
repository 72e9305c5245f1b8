//! What rows point to, where they are to stand for records.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Kind, Layers, Roster, RosterRecord, SourceId, View};
use crate::snapshot::check::{Pointer, There};
use crate::snapshot::{Seen, Snapshot, Told};

/// What the source sends and the store has.
pub(super) struct Ground<'a> {
    there: There<'a>,
    /// What the store had and the source does not send any more, or the source sends and the store does not have. Kinds of
    /// which there is none are left out.
    loose: BTreeMap<Kind, BTreeSet<SourceId>>,
}

impl<'a> Ground<'a> {
    /// Of a snapshot, beside what the store had `before` and has `after`.
    pub(super) fn new(snapshot: &'a Snapshot, before: &'a Roster, after: View<'_>) -> Self {
        let loose = BTreeMap::from([
            (Kind::Schools, loose(&snapshot.schools(before), &snapshot.schools, &after.schools())),
            (Kind::Sessions, loose(&snapshot.sessions(before), &snapshot.sessions, &after.sessions())),
            (Kind::Courses, loose(&snapshot.courses(before), &snapshot.courses, &after.courses())),
            (Kind::Classes, loose(&snapshot.classes(before), &snapshot.classes, &after.classes())),
            (Kind::Users, loose(&snapshot.users(before), &snapshot.users, &after.users())),
        ]);
        let loose = loose.into_iter().filter(|(_, ids)| !ids.is_empty()).collect();
        Self { there: There::new(snapshot, before), loose }
    }

    /// Whether something that a record points to is missing on either side: only what the store has is seen to leave. A
    /// record that `came` as it was pointed to what both had, so nobody need be asked but who left.
    pub(super) fn lacks<'b>(&self, mut pointers: impl Iterator<Item = Pointer<'b>>, came: bool) -> bool {
        if came && self.loose.is_empty() {
            return false;
        }
        pointers.any(|(_, kind, id)| self.is_loose(kind, id) || (!came && !self.there.has(kind, id)))
    }

    fn is_loose(&self, kind: Kind, id: &SourceId) -> bool {
        self.loose.get(&kind).is_some_and(|it| it.contains(id))
    }
}

fn loose<T: RosterRecord<Key = SourceId>>(
    told: &Told<'_, T>,
    read: &Seen<T>,
    after: &Layers<'_, T>,
) -> BTreeSet<SourceId> {
    let new = read.iter().filter(|(id, it)| it.is_sent() && after.get(id).is_none());
    told.gone().into_iter().chain(new.map(|(id, _)| id.clone())).collect()
}
