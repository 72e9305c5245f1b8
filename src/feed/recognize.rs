//! Rows that came byte for byte as the last time are told by a hash of their bytes (`snapshot/known.rs` says what follows).

use std::collections::BTreeSet;
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

    /// Whether anything is known.
    pub(crate) fn knows(&self) -> bool {
        self.known.is_some()
    }
}

/// How a row looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// As the last time.
    Known,
    /// As the last time, and it came before in this pull.
    Again,
    /// To be read; the hash of its bytes.
    New(u128),
}

/// Recognizes the rows of one pull.
pub(crate) struct Recognizer<'a> {
    recall: &'a Recall,
    found: Recognized,
    tables: Vec<(Kind, Table<'a>)>,
}

impl<'a> Recognizer<'a> {
    pub(crate) fn new(recall: &'a Recall) -> Self {
        let stamp = recall.known.as_ref().map(|it| it.stamp.clone());
        let mut found = Recognized { seed: recall.name.clone(), stamp, ..Recognized::default() };
        let mut tables = Vec::new();
        for kind in RECOGNIZED {
            let marks = recall.known.as_ref().and_then(|it| it.marks.get(&kind)).map(Vec::as_slice).unwrap_or_default();
            if let Some(hits) = hits_of(&mut found, kind) {
                hits.resize(marks.len(), false);
            }
            tables.push((kind, Table::new(marks)));
        }
        Self { recall, found, tables }
    }

    /// Whether rows of a kind are recognized at all.
    pub(crate) fn is_for(kind: Kind) -> bool {
        RECOGNIZED.contains(&kind)
    }

    /// Looks at a row, and notes it if it is known.
    pub(crate) fn look(&mut self, kind: Kind, row: &[u8]) -> Look {
        let hash = self.hash(row);
        let table = self.tables.iter().find(|(it, _)| *it == kind).map(|(_, table)| table);
        let Some(place) = table.and_then(|it| it.find(hash)) else { return Look::New(hash) };
        let Some(hit) = hits_of(&mut self.found, kind).and_then(|it| it.get_mut(place)) else { return Look::New(hash) };
        if std::mem::replace(hit, true) { Look::Again } else { Look::Known }
    }

    /// Names a row as marks do.
    pub(crate) fn hash(&self, row: &[u8]) -> u128 {
        XxHash3_128::oneshot_with_seed(self.recall.seed, row)
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
    pub(crate) fn repeated(&mut self, kind: Kind, ids: &[u64]) -> u64 {
        let table = self.tables.iter().find(|(it, _)| *it == kind).map(|(_, table)| table.marks).unwrap_or_default();
        let hits = hits_of(&mut self.found, kind).map(|it| it.as_slice()).unwrap_or_default();
        let both = table.iter().zip(hits).filter(|(mark, hit)| **hit && ids.binary_search(&mark.id).is_ok());
        u64::try_from(both.count()).unwrap_or(u64::MAX)
    }

    /// What came of it.
    pub(crate) fn finish(self, contacts: BTreeSet<String>) -> Recognized {
        Recognized { contacts, ..self.found }
    }
}

fn hits_of(found: &mut Recognized, kind: Kind) -> Option<&mut Vec<bool>> {
    match kind {
        Kind::Classes => Some(&mut found.classes.hits),
        Kind::Users => Some(&mut found.users.hits),
        Kind::Enrollments => Some(&mut found.enrollments.hits),
        Kind::Schools | Kind::Sessions | Kind::Courses => None,
    }
}

/// Where each mark stands: an open table over the hashes, which are as good as chance.
struct Table<'a> {
    marks: &'a [RowMark],
    slots: Vec<u32>,
}

const FREE: u32 = u32::MAX;

impl<'a> Table<'a> {
    fn new(marks: &'a [RowMark]) -> Self {
        let set = marks.iter().filter(|it| it.is_set()).count();
        let mut it = Self { marks, slots: vec![FREE; (set * 2).next_power_of_two()] };
        for (place, mark) in marks.iter().enumerate().filter(|(_, mark)| mark.is_set()) {
            let Ok(place) = u32::try_from(place) else { break };
            let free = it.slots_from(mark.row).find(|slot| it.slots.get(*slot) == Some(&FREE));
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
            if self.marks.get(place)?.row == hash {
                return Some(place);
            }
        }
        None
    }
}
