//! Rows that came byte for byte as the last time are told by a hash of their bytes (`snapshot/known.rs` says what follows).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use twox_hash::{XxHash3_64, XxHash3_128};

use crate::feed::settings::Settings;
use crate::model::{Kind, KnownRows, RowMark};
use crate::snapshot::{Added, RECOGNIZED, Recognized};

/// Bump it where the same row is read as another record than before; a release does by itself.
const PARSER: u32 = 1;

/// What a pull may recognize rows by.
#[derive(Clone, Debug)]
pub struct Recall {
    /// Begins every hash, so that nobody who writes a roster can know it.
    seed: u64,
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
        Self { seed, name, known }
    }

    /// The same, with nothing known: every row is read.
    #[must_use]
    pub fn forgotten(self) -> Self {
        Self { known: None, ..self }
    }

    fn hash(&self, row: &[u8]) -> u128 {
        XxHash3_128::oneshot_with_seed(self.seed, row)
    }

    /// Whether anything is known.
    pub(crate) fn knows(&self) -> bool {
        self.known.is_some()
    }
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
        self.add(kind, self.recall.hash(row));
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
    pub(crate) fn new(recall: &'a Recall) -> Self {
        let known = recall.known.as_ref();
        let marks = |kind| known.and_then(|it| it.marks.get(&kind)).map(Vec::as_slice).unwrap_or_default();
        let stamp = known.map(|it| it.stamp.clone());
        Self {
            recall,
            found: Recognized { seed: recall.name.clone(), stamp, ..Recognized::default() },
            tables: RECOGNIZED.into_iter().map(|kind| (kind, Table::new(marks(kind)))).collect(),
            tally: Some(Tally::new(recall)),
        }
    }

    /// Whether rows of a kind are recognized at all.
    pub(crate) fn is_for(kind: Kind) -> bool {
        RECOGNIZED.contains(&kind)
    }

    /// Looks a row up.
    pub(crate) fn find(&self, kind: Kind, row: &[u8]) -> Found {
        let hash = self.recall.hash(row);
        Found { hash, place: self.tables.get(&kind).and_then(|it| it.find(hash)) }
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
        XxHash3_64::oneshot_with_seed(self.recall.seed, id.as_bytes())
    }

    /// Notes that a row which was read told of one record and of nothing else.
    pub(crate) fn read(&mut self, mark: RowMark, added: Option<Added>) {
        match added {
            Some(Added::Id(Kind::Classes, id)) => self.found.classes.fresh.push((mark, id)),
            Some(Added::Id(Kind::Users, id)) => self.found.users.fresh.push((mark, id)),
            Some(Added::Enrollment(key)) => self.found.enrollments.fresh.push((mark, key)),
            Some(Added::Id(..)) | None => {}
        }
    }

    /// How many of these ids, in order, known rows of the pull have too.
    pub(crate) fn repeated(&self, kind: Kind, ids: &[u64]) -> u64 {
        let hits = self.tables.get(&kind).into_iter().flat_map(|it| it.marks.iter().zip(&it.hits));
        let both = hits.filter(|(mark, hit)| **hit && ids.binary_search(&mark.id).is_ok());
        u64::try_from(both.count()).unwrap_or(u64::MAX)
    }

    /// What came of it.
    pub(crate) fn finish(mut self, contacts: BTreeSet<String>) -> Recognized {
        let mut hits = |kind| self.tables.remove(&kind).map(|it| it.hits).unwrap_or_default();
        self.found.classes.hits = hits(Kind::Classes);
        self.found.users.hits = hits(Kind::Users);
        self.found.enrollments.hits = hits(Kind::Enrollments);
        Recognized { contacts, ..self.found }
    }
}

/// Where each mark stands: an open table over the hashes, which are as good as chance.
struct Table<'a> {
    marks: &'a [RowMark],
    slots: Vec<u32>,
    /// Which of them came.
    hits: Vec<bool>,
}

const FREE: u32 = u32::MAX;

impl<'a> Table<'a> {
    fn new(marks: &'a [RowMark]) -> Self {
        let set = marks.iter().filter(|it| it.is_set()).count();
        let slots = vec![FREE; (set * 2).next_power_of_two()];
        let mut it = Self { marks, slots, hits: vec![false; marks.len()] };
        for (place, mark) in marks.iter().enumerate().filter(|(_, mark)| mark.is_set()) {
            let Ok(place) = u32::try_from(place) else { break };
            let free = it.slots_from(mark.row()).find(|slot| it.slots.get(*slot) == Some(&FREE));
            if let Some(slot) = free.and_then(|slot| it.slots.get_mut(slot)) {
                *slot = place;
            }
        }
        it
    }

    fn slots_from(&self, hash: u128) -> impl Iterator<Item = usize> + use<> {
        let last = self.slots.len() - 1;
        let first = usize::try_from(hash & 0xffff_ffff).unwrap_or(0);
        (0..=last).map(move |step| first.wrapping_add(step) & last)
    }

    fn find(&self, hash: u128) -> Option<usize> {
        for slot in self.slots_from(hash) {
            let place = self.slots.get(slot).copied().filter(|it| *it != FREE)?;
            let place = usize::try_from(place).ok()?;
            if self.marks.get(place)?.row() == hash {
                return Some(place);
            }
        }
        None
    }
}
