//! What a snapshot says of the store's records: rows that were read beside rows that came as they were. The latter are most of
//! a district on most nights, so they are looked at where they are and copied nowhere.

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::iter::Peekable;

use crate::model::RosterRecord;
use crate::snapshot::{Presence, Seen};

/// What is said of the records of one kind, those of the store among them.
#[derive(Debug)]
pub struct Told<'a, T: RosterRecord> {
    read: &'a Seen<T>,
    hits: &'a [bool],
    stored: &'a BTreeMap<T::Key, T>,
}

/// One record of the store or the snapshot: its key, what the snapshot says of it, and what the store has.
pub type Pair<'a, T> = (&'a <T as RosterRecord>::Key, Option<&'a Presence<T>>, Option<&'a T>);

impl<'a, T: RosterRecord> Told<'a, T> {
    /// `hits` says which of the `stored` records came as they were, in the order of keys; empty where none is known to have.
    pub fn new(read: &'a Seen<T>, hits: &'a [bool], stored: &'a BTreeMap<T::Key, T>) -> Self {
        Self { read, hits, stored }
    }

    /// So many more are told of than the store has.
    pub fn more(&self) -> usize {
        self.read.len().saturating_sub(self.stored.len())
    }

    /// Whether one row alone tells of each record, and the hits are of these records.
    pub(super) fn is_sound(&self) -> bool {
        self.hits.is_empty()
            || (self.hits.len() == self.stored.len() && {
                let missed = self.missed();
                self.read.keys().all(|key| missed.contains(key) || !self.stored.contains_key(key))
            })
    }

    /// Records of the store that did not come as they were.
    fn missed(&self) -> BTreeSet<&'a T::Key> {
        self.stored.keys().zip(self.hits).filter(|(_, hit)| !**hit).map(|(key, _)| key).collect()
    }

    /// The records that were read.
    pub(super) fn read(&self) -> impl Iterator<Item = &'a T> + use<'a, T> {
        self.read.values().filter_map(|it| match it {
            Presence::This(record) => Some(record),
            Presence::Unchanged | Presence::Unusable | Presence::Gone => None,
        })
    }

    /// Record by record, in the order of keys.
    pub fn pairs(&self) -> impl Iterator<Item = Pair<'a, T>> + use<'a, T> {
        Pairs { read: self.read.iter().peekable(), stored: self.stored.iter().peekable(), hits: self.hits.iter() }
    }

    /// Whether the store has a record that the source does not send.
    pub(super) fn misses_any(&self) -> bool {
        self.pairs().any(|(_, presence, stored)| stored.is_some() && !presence.is_some_and(Presence::is_sent))
    }

    /// How many records of the store the source sends.
    pub fn common(&self) -> usize {
        self.pairs().filter(|(_, presence, stored)| stored.is_some() && presence.is_some_and(Presence::is_sent)).count()
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
    missed: Option<BTreeSet<&'a T::Key>>,
}

impl<'a, T: RosterRecord> Lookup<'a, T> {
    pub(super) fn told(&self) -> &Told<'a, T> {
        &self.told
    }

    /// Whether the source sends the record, usable or not.
    pub(super) fn has(&self, key: &T::Key) -> bool {
        match self.told.read.get(key) {
            Some(presence) => presence.is_sent(),
            None => self.missed.as_ref().is_some_and(|it| self.told.stored.contains_key(key) && !it.contains(key)),
        }
    }
}

struct Pairs<'a, T: RosterRecord> {
    read: Peekable<btree_map::Iter<'a, T::Key, Presence<T>>>,
    stored: Peekable<btree_map::Iter<'a, T::Key, T>>,
    hits: std::slice::Iter<'a, bool>,
}

impl<'a, T: RosterRecord> Iterator for Pairs<'a, T> {
    type Item = Pair<'a, T>;

    fn next(&mut self) -> Option<Self::Item> {
        let key = match (self.read.peek(), self.stored.peek()) {
            (Some((one, _)), Some((other, _))) => std::cmp::min(*one, *other),
            (Some((key, _)), None) | (None, Some((key, _))) => *key,
            (None, None) => return None,
        };
        let read = self.read.next_if(|(it, _)| *it == key).map(|(_, it)| it);
        let stored = self.stored.next_if(|(it, _)| *it == key).map(|(_, it)| it);
        let hit = stored.is_some() && self.hits.next().copied().unwrap_or(false);
        Some((key, if hit { Some(&Presence::Unchanged) } else { read }, stored))
    }
}
