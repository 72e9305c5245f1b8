//! What a snapshot says of the store's records: rows that were read beside rows that came as they were. The latter are most of
//! a district on most nights, so they are looked at where they are and copied nowhere.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::{ByKey, RosterRecord};
use crate::snapshot::{Presence, Seen};

/// What is said of the records of one kind, those of the store among them.
#[derive(Debug)]
pub struct Told<'a, T: RosterRecord> {
    read: &'a Seen<T>,
    hits: &'a [bool],
    stored: &'a T::All,
}

/// One record of the store or the snapshot.
#[derive(Debug)]
pub struct Pair<'a, T: RosterRecord> {
    /// What was read of it, with its key.
    read: Option<(&'a T::Key, &'a Presence<Arc<T>>)>,
    /// Whether it came as it was.
    hit: bool,
    /// What the store has.
    pub stored: Option<&'a T>,
}

impl<'a, T: RosterRecord> Pair<'a, T> {
    /// What the snapshot says of it.
    pub fn presence(&self) -> Option<&'a Presence<Arc<T>>> {
        if self.hit { Some(&Presence::Unchanged) } else { self.read.map(|(_, presence)| presence) }
    }

    /// Its id as text; empty of none at all.
    pub fn text_id(&self) -> String {
        let of_read = self.read.map(|(key, _)| T::text_id(key));
        of_read.or_else(|| self.stored.map(|it| T::text_id(&it.key()))).unwrap_or_default()
    }

    /// Whether the store has it and the source sends it, usable or not.
    fn is_common(&self) -> bool {
        self.stored.is_some() && self.presence().is_some_and(Presence::is_sent)
    }
}

impl<'a, T: RosterRecord> Told<'a, T> {
    /// `hits` says which of the `stored` records came as they were, in the order of keys; empty where none is known to have.
    pub fn new(read: &'a Seen<T>, hits: &'a [bool], stored: &'a T::All) -> Self {
        Self { read, hits, stored }
    }

    /// So many more are told of than the store has.
    pub fn more(&self) -> usize {
        self.read.len().saturating_sub(self.stored.count())
    }

    /// Whether one row alone tells of each record, and the hits are of these records.
    pub(super) fn is_sound(&self) -> bool {
        self.hits.is_empty()
            || (self.hits.len() == self.stored.count() && !self.pairs().any(|it| it.hit && it.read.is_some()))
    }

    /// Records of the store that did not come as they were.
    fn missed(&self) -> BTreeSet<T::Key> {
        self.stored.all().zip(self.hits).filter(|(_, hit)| !**hit).map(|(it, _)| it.key()).collect()
    }

    /// The records that were read.
    pub(super) fn read(&self) -> impl Iterator<Item = &'a T> + use<'a, T> {
        self.read.values().filter_map(|it| match it {
            Presence::This(record) => Some(&**record),
            Presence::Unchanged | Presence::Unusable | Presence::Gone => None,
        })
    }

    /// Record by record, in the order of keys.
    pub fn pairs(&self) -> impl Iterator<Item = Pair<'a, T>> + use<'a, T> {
        let (mut read, mut stored) = (self.read.iter().peekable(), self.stored.all().peekable());
        let mut hits = self.hits.iter();
        std::iter::from_fn(move || {
            let order = match (read.peek(), stored.peek()) {
                (Some((key, _)), Some(it)) => it.order(key),
                (Some(_), None) => Ordering::Greater,
                (None, Some(_)) => Ordering::Less,
                (None, None) => return None,
            };
            let read = if order.is_ge() { read.next() } else { None };
            let stored = if order.is_le() { stored.next() } else { None };
            let hit = stored.is_some() && hits.next().copied().unwrap_or(false);
            Some(Pair { read, hit, stored })
        })
    }

    /// Whether the store has a record that the source does not send.
    pub(super) fn misses_any(&self) -> bool {
        self.pairs().any(|it| it.stored.is_some() && !it.is_common())
    }

    /// Records of the store that the source does not send.
    pub(super) fn gone(&self) -> BTreeSet<T::Key> {
        self.pairs().filter(|it| !it.is_common()).filter_map(|it| it.stored).map(T::key).collect()
    }

    /// How many records of the store the source sends.
    pub fn common(&self) -> usize {
        self.pairs().filter(Pair::is_common).count()
    }

    /// Looks up what the source sends, record by record.
    pub(super) fn lookup(self) -> Lookup<'a, T> {
        let missed = (!self.hits.is_empty()).then(|| self.missed());
        Lookup { told: self, missed }
    }
}

/// What the source sends, by key.
#[derive(Debug)]
pub(super) struct Lookup<'a, T: RosterRecord> {
    told: Told<'a, T>,
    /// Records of the store that did not come as they were; none where no hits are known.
    missed: Option<BTreeSet<T::Key>>,
}

impl<'a, T: RosterRecord> Lookup<'a, T> {
    pub(super) fn told(&self) -> &Told<'a, T> {
        &self.told
    }

    /// Whether the source sends the record, usable or not.
    pub(super) fn has(&self, key: &T::Key) -> bool {
        match self.told.read.get(key) {
            Some(presence) => presence.is_sent(),
            None => self.missed.as_ref().is_some_and(|it| self.told.stored.find(key).is_some() && !it.contains(key)),
        }
    }
}
