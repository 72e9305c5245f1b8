//! Rows that came byte for byte as the last time are told by a hash of their bytes (`snapshot/known.rs` says what follows).
//!
//! The same bytes mean the same record only beside the same things. What those are each feed works out for itself, at the head
//! of `clever/mod.rs`, `csv/same.rs` and `oneroster/mod.rs`; it hashes them along ([`Recognizer::beside`]), or does not look
//! such rows up.

use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use twox_hash::{XxHash3_64, XxHash3_128};

use crate::feed::settings::Settings;
use crate::model::{Kind, KnownRows, Marks, RowMark};
use crate::snapshot::{Added, RECOGNIZED, Recognized};

/// Bump it where the same row is read as another record than before, or marks are given by other rules; a release does by
/// itself.
const PARSER: u32 = 3;

/// Hashes rows as nobody who writes a roster can know.
#[derive(Clone)]
struct Hasher {
    seed: u64,
    /// What long rows are mixed with, made of the seed once and not for each of them.
    secret: [u8; 192],
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher").finish_non_exhaustive()
    }
}

impl Hasher {
    fn new(seed: u64) -> Self {
        let mut secret = [0; 192];
        for (part, number) in secret.as_chunks_mut().0.iter_mut().zip(0_u64..) {
            *part = XxHash3_64::oneshot_with_seed(seed, &number.to_le_bytes()).to_le_bytes();
        }
        Self { seed, secret }
    }

    fn row(&self, row: &[u8]) -> u128 {
        let hash = XxHash3_128::oneshot_with_seed_and_secret(self.seed, &self.secret, row);
        // Of a secret that is too short, which this one is not.
        hash.unwrap_or_else(|_| XxHash3_128::oneshot_with_seed(self.seed, row))
    }

    /// A shorter one.
    fn text(&self, text: &[u8]) -> u64 {
        XxHash3_64::oneshot_with_seed(self.seed, text)
    }
}

/// What a pull may recognize rows by.
#[derive(Clone, Debug)]
pub struct Recall {
    hasher: Hasher,
    /// Tells one seed from another without giving it away.
    name: String,
    known: Option<Arc<KnownRows>>,
}

impl Recall {
    /// `key` is the installation's secret. Marks that were made under another key, parser or feed are not looked at.
    pub fn new(key: &[u8], settings: &Settings, known: Option<Arc<KnownRows>>) -> Self {
        let mut hash = Sha256::new();
        hash.update(key);
        // The settings show no secret this way, and a renewed one changes no row.
        hash.update(format!("rows/{}/{PARSER}/{settings:?}", env!("CARGO_PKG_VERSION")));
        let digest: [u8; 32] = hash.finalize().into();
        let (seed, name) = digest.split_at(8);
        let seed = seed.iter().fold(0, |seed, byte| seed << 8 | u64::from(*byte));
        let name = hex::encode(name);
        let known = known.filter(|it| it.seed == name);
        Self { hasher: Hasher::new(seed), name, known }
    }

    /// The same, with nothing known: every row is read.
    #[must_use]
    pub fn forgotten(self) -> Self {
        Self { known: None, ..self }
    }

    fn marks(&self, kind: Kind) -> &Marks {
        static NONE: Marks = Marks::none();
        self.known.as_ref().and_then(|it| it.marks.get(&kind)).unwrap_or(&NONE)
    }

    /// Whether anything is known.
    pub(crate) fn knows(&self) -> bool {
        self.known.is_some()
    }
}

/// What a pull comes to.
pub(crate) enum Pulled<T> {
    /// Everything.
    Whole(Box<T>),
    /// Something that only reading every row can make sense of.
    Odd,
}

/// All rows of a pull in one name, whatever order and pages they came in.
#[derive(Clone, Debug)]
pub(crate) struct Tally<'a> {
    recall: &'a Recall,
    /// Rows of each collection: how many, and the sum of their hashes.
    rows: BTreeMap<Kind, (u64, u128)>,
}

impl<'a> Tally<'a> {
    pub(crate) fn new(recall: &'a Recall) -> Self {
        Self { recall, rows: BTreeMap::new() }
    }

    fn add(&mut self, kind: Kind, hash: u128) {
        let (count, sum) = self.rows.entry(kind).or_default();
        *count += 1;
        *sum = sum.wrapping_add(hash);
    }

    /// Counts a row.
    pub(crate) fn row(&mut self, kind: Kind, row: &[u8]) {
        self.add(kind, self.recall.hasher.row(row));
    }

    /// The name, with what else the source said.
    pub(crate) fn digest(&self, besides: &str) -> String {
        let Self { recall, rows } = self;
        hex::encode(Sha256::digest(format!("{}/{rows:?}/{besides}", recall.name)))
    }
}

/// A row by its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Their hash.
    pub hash: u128,
    /// The place of its mark; none of a row that is not known.
    pub place: Option<usize>,
}

/// How a row looks, with the hash of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// As the last time.
    Known(u128),
    /// As the last time, and it came before in this pull.
    Again(u128),
    /// To be read.
    New(u128),
}

/// Recognizes the rows of one pull.
pub(crate) struct Recognizer<'a> {
    recall: &'a Recall,
    found: Recognized,
    tables: BTreeMap<Kind, Table<'a>>,
    /// All rows, the ones that are read included; none once some came that are not to be counted.
    pub(crate) tally: Option<Tally<'a>>,
}

impl<'a> Recognizer<'a> {
    /// Of a source that tells of one record in each row.
    pub(crate) fn new(recall: &'a Recall) -> Self {
        Self::over(recall, &RECOGNIZED, false)
    }

    /// Of a source whose rows of classes tell of their enrollments, too.
    pub(crate) fn of_sections(recall: &'a Recall) -> Self {
        Self::over(recall, &[Kind::Classes, Kind::Users], true)
    }

    fn over(recall: &'a Recall, kinds: &[Kind], sections: bool) -> Self {
        let stamp = recall.known.as_ref().map(|it| it.stamp.clone());
        Self {
            recall,
            found: Recognized { seed: recall.name.clone(), stamp, sections, ..Recognized::default() },
            tables: kinds.iter().map(|kind| (*kind, Table::new(recall.hasher.clone(), recall.marks(*kind)))).collect(),
            tally: Some(Tally::new(recall)),
        }
    }

    /// Has rows of a kind be read by their bytes and by this: beside anything else the same bytes are another row.
    pub(crate) fn beside(&mut self, kind: Kind, what: &[u8]) {
        let hasher = Hasher::new(self.recall.hasher.text(what));
        if let Some(table) = self.tables.get_mut(&kind) {
            table.hasher = hasher;
        }
    }

    /// Whether rows of a kind are recognized at all.
    pub(crate) fn is_for(&self, kind: Kind) -> bool {
        self.tables.contains_key(&kind)
    }

    /// Looks a row up, and notes that it came.
    pub(crate) fn see(&mut self, kind: Kind, row: &[u8]) -> Look {
        let found = self.find(kind, row);
        self.look(kind, found)
    }

    /// Looks a row up.
    pub(crate) fn find(&self, kind: Kind, row: &[u8]) -> Found {
        let Some(table) = self.tables.get(&kind) else {
            return Found { hash: self.recall.hasher.row(row), place: None };
        };
        let hash = table.hasher.row(row);
        Found { hash, place: table.find(hash) }
    }

    /// Notes that a row came, and says how it looks.
    pub(crate) fn look(&mut self, kind: Kind, Found { hash, place }: Found) -> Look {
        if let Some(tally) = &mut self.tally {
            tally.add(kind, hash);
        }
        let hit = place.and_then(|place| self.tables.get_mut(&kind)?.hits.get_mut(place));
        match hit.map(|hit| std::mem::replace(hit, true)) {
            None => Look::New(hash),
            Some(true) => Look::Again(hash),
            Some(false) => Look::Known(hash),
        }
    }

    /// Names an id as marks do.
    pub(crate) fn id(&self, id: &str) -> u64 {
        self.recall.hasher.text(id.as_bytes())
    }

    /// Notes what a row that was read told of, nothing about it being odd.
    pub(crate) fn read(&mut self, mark: RowMark, mut told: Vec<Added>) {
        if told.len() > 1 && !self.found.sections {
            return;
        }
        // A section may name one teacher twice.
        told.sort_unstable();
        told.dedup();
        for added in told {
            match added {
                Added::Id(Kind::Classes, id) => self.found.classes.fresh.push((mark, id)),
                Added::Id(Kind::Users, id) => self.found.users.fresh.push((mark, id)),
                Added::Enrollment(key) => self.found.enrollments.fresh.push((mark, key)),
                Added::Id(..) => {}
            }
        }
    }

    /// How many of these ids known rows of the pull have too.
    pub(crate) fn repeated<'s>(&self, kind: Kind, ids: impl IntoIterator<Item = &'s String>) -> u64 {
        let mut ids: Vec<u64> = ids.into_iter().map(|id| self.id(id)).collect();
        ids.sort_unstable();
        let hits = self.tables.get(&kind).into_iter().flat_map(|it| it.marks.iter().zip(&it.hits));
        let both = hits.filter(|(mark, hit)| **hit && ids.binary_search(&mark.id()).is_ok());
        u64::try_from(both.count()).unwrap_or(u64::MAX)
    }

    /// A name for all rows with what else the source said; none once some came that are not to be counted.
    pub(crate) fn digest(&self, besides: &str) -> Option<String> {
        self.tally.as_ref().map(|it| it.digest(besides))
    }

    /// What came of it.
    pub(crate) fn finish(mut self, contacts: BTreeSet<String>) -> Recognized {
        let members = if self.found.sections { self.members() } else { Vec::new() };
        let mut hits = |kind| self.tables.remove(&kind).map(|it| it.hits);
        self.found.classes.hits = hits(Kind::Classes).unwrap_or_default();
        self.found.users.hits = hits(Kind::Users).unwrap_or_default();
        self.found.enrollments.hits = hits(Kind::Enrollments).unwrap_or(members);
        Recognized { contacts, ..self.found }
    }

    /// Which of the enrollments are of sections that came as they were.
    fn members(&self) -> Vec<bool> {
        let sections = self.tables.get(&Kind::Classes);
        let came = |mark: RowMark| mark.is_set() && sections.is_some_and(|it| it.has_come(mark.row()));
        self.recall.marks(Kind::Enrollments).iter().map(came).collect()
    }
}

/// Where each mark stands. A source that sends its rows in an order like that of the records, as most do, is followed through
/// the marks; for the others there is an open table over the hashes, which are as good as chance.
struct Table<'a> {
    /// Of the kind's rows.
    hasher: Hasher,
    marks: &'a Marks,
    /// The place of the row that was found last.
    last: Cell<usize>,
    /// Made when a row is not near the one before.
    slots: OnceCell<Vec<u32>>,
    /// Which of them came.
    hits: Vec<bool>,
}

const FREE: u32 = u32::MAX;

/// So many places before and after the last row a row is looked for: as many enrollments as a user has, in whatever order.
const NEAR: usize = 8;

fn slots_from(slots: &[u32], hash: u128) -> impl Iterator<Item = usize> + use<> {
    let last = slots.len() - 1;
    let first = usize::try_from(hash & 0xffff_ffff).unwrap_or(0);
    (0..=last).map(move |step| first.wrapping_add(step) & last)
}

fn is_of(mark: RowMark, hash: u128) -> bool {
    mark.row() == hash && mark.is_set()
}

impl<'a> Table<'a> {
    fn new(hasher: Hasher, marks: &'a Marks) -> Self {
        let hits = vec![false; marks.len()];
        Self { hasher, marks, last: Cell::default(), slots: OnceCell::new(), hits }
    }

    fn slots(&self) -> Vec<u32> {
        let set = self.marks.iter().filter(RowMark::is_set).count();
        let mut slots = vec![FREE; (set * 2).next_power_of_two()];
        for (place, mark) in self.marks.iter().enumerate().filter(|(_, mark)| mark.is_set()) {
            let Ok(place) = u32::try_from(place) else { break };
            let free = slots_from(&slots, mark.row()).find(|slot| slots.get(*slot) == Some(&FREE));
            if let Some(slot) = free.and_then(|slot| slots.get_mut(slot)) {
                *slot = place;
            }
        }
        slots
    }

    fn has_come(&self, hash: u128) -> bool {
        self.find(hash).is_some_and(|place| self.hits.get(place).copied().unwrap_or(false))
    }

    fn find(&self, hash: u128) -> Option<usize> {
        let next = self.last.get() + 1;
        let place = if self.marks.get(next).is_some_and(|it| is_of(it, hash)) {
            next
        } else {
            self.near(hash).or_else(|| self.anywhere(hash))?
        };
        self.last.set(place);
        Some(place)
    }

    fn near(&self, hash: u128) -> Option<usize> {
        let begin = self.last.get().saturating_sub(NEAR);
        let end = self.last.get() + NEAR + 1;
        let at = self.marks.among(begin..end).position(|it| is_of(it, hash))?;
        Some(begin + at)
    }

    fn anywhere(&self, hash: u128) -> Option<usize> {
        let slots = self.slots.get_or_init(|| self.slots());
        for slot in slots_from(slots, hash) {
            let place = slots.get(slot).copied().filter(|it| *it != FREE)?;
            let place = usize::try_from(place).ok()?;
            if self.marks.get(place)?.row() == hash {
                return Some(place);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever order rows come in, each is found where its mark is, and others are not.
    #[test]
    fn a_row_is_found_near_the_last_one_and_anywhere() {
        let hash = |row: usize| XxHash3_128::oneshot_with_seed(7, &row.to_le_bytes());
        let blank = |row: usize| row.is_multiple_of(11);
        let marks: Marks =
            (0..1000).map(|row| if blank(row) { RowMark::default() } else { RowMark::new(hash(row), 0) }).collect();
        let there = |row: usize| (!blank(row)).then_some(row);
        let forward: Vec<usize> = (0..1000).collect();
        let shuffled: Vec<usize> = (0..1000).map(|at| at * 389 % 1000).collect();
        let by_six: Vec<usize> = (0..1000).map(|at| at / 6 * 6 + (at * 5) % 6).filter(|row| *row < 1000).collect();
        for order in [forward, shuffled, by_six] {
            let table = Table::new(Hasher::new(7), &marks);
            for row in order {
                assert_eq!(table.find(hash(row)), there(row));
                assert_eq!((table.find(hash(row + 1000)), table.find(0)), (None, None));
            }
        }
        let in_order = Table::new(Hasher::new(7), &marks);
        assert!((0..1000).filter(|row| !blank(*row)).all(|row| in_order.find(hash(row)) == Some(row)));
        assert!(in_order.slots.get().is_none(), "nothing was to be looked up");
        assert_eq!(Table::new(Hasher::new(7), &Marks::none()).find(hash(1)), None);
    }
}
