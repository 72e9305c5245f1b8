//! How an image is written: texts, and what many rows name once.

use std::collections::BTreeMap;

use arcstr::ArcStr;
use serde::{Deserialize, Serialize};

use crate::model::{Personal, RoleName, Shared, SourceId};
use crate::store::bytes::{put, put_part, size, take, take_part};

/// Numbers ids: their place among records, and behind these the others as they come.
pub(super) struct Numbering<'a> {
    records: Vec<&'a SourceId>,
    /// Those that no record has.
    pub(super) others: Vec<SourceId>,
    places: BTreeMap<SourceId, usize>,
    /// By where their texts are kept, so that most need not be read.
    known: Shared,
    /// The number behind the last one: users come in order.
    next: usize,
}

impl<'a> Numbering<'a> {
    /// `records` in their order.
    pub(super) fn new(records: impl Iterator<Item = &'a SourceId>) -> Self {
        let (others, places) = (Vec::new(), BTreeMap::new());
        Self { records: records.collect(), others, places, known: Shared::default(), next: 0 }
    }

    pub(super) fn of(&mut self, id: &SourceId) -> u64 {
        let Self { records, others, places, known, next } = self;
        let number = if records.get(*next).is_some_and(|it| it.address() == id.address()) {
            *next
        } else {
            let by_letters = || records.binary_search(&id).ok().or_else(|| places.get(id).copied());
            known.number(id, by_letters).unwrap_or_else(|| {
                let number = records.len() + others.len();
                others.push(id.clone());
                places.insert(id.clone(), number);
                number
            })
        };
        *next = number + 1;
        size(number)
    }
}

/// Numbers words of which a district has few.
#[derive(Default)]
pub(super) struct Wording<'a> {
    words: Vec<&'a str>,
    #[expect(clippy::disallowed_types, reason = "looked up and never walked, so no order can come of it")]
    places: std::collections::HashMap<&'a str, u64>,
}

impl<'a> Wording<'a> {
    pub(super) fn of(&mut self, word: &'a str) -> u64 {
        let Self { words, places } = self;
        *places.entry(word).or_insert_with(|| {
            words.push(word);
            size(words.len() - 1)
        })
    }
}

/// Rows of one kind as they are written: numbers one after another, and beside them their texts.
#[derive(Default)]
pub(super) struct Rows {
    rows: Vec<u8>,
    texts: String,
}

impl Rows {
    pub(super) fn byte(&mut self, byte: u8) {
        self.rows.push(byte);
    }

    pub(super) fn number(&mut self, number: u64) {
        put(&mut self.rows, number);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(size(text.len()));
        self.texts.push_str(text);
    }

    pub(super) fn list<T>(&mut self, all: impl ExactSizeIterator<Item = T>, mut put: impl FnMut(&mut Self, T)) {
        self.number(size(all.len()));
        for it in all {
            put(self, it);
        }
    }

    /// Adds all rows to an image, behind what they name by a number.
    pub(super) fn finish(
        self,
        image: &mut Vec<u8>,
        named: [&Numbering<'_>; 3],
        words: &Wording<'_>,
    ) -> Result<(), serde_json::Error> {
        image.reserve(self.rows.len() + self.texts.len() + 1024);
        let [schools, courses, sessions] = named.map(|it| it.others.as_slice());
        put_part(image, &serde_json::to_vec(&Besides { schools, courses, sessions, words: words.words.clone() })?);
        put_part(image, self.texts.as_bytes());
        put_part(image, &self.rows);
        Ok(())
    }
}

/// What rows name that no record has, and their words.
#[derive(Serialize)]
struct Besides<'a> {
    schools: &'a [SourceId],
    courses: &'a [SourceId],
    sessions: &'a [SourceId],
    words: Vec<&'a str>,
}

#[derive(Deserialize)]
struct Named {
    schools: Vec<SourceId>,
    courses: Vec<SourceId>,
    sessions: Vec<SourceId>,
    words: Vec<String>,
}

/// The same rows as they are read. Every answer is none where the image cannot have been written so.
pub(super) struct Reader<'a> {
    rows: &'a [u8],
    texts: ArcStr,
    at: usize,
    schools: Vec<SourceId>,
    courses: Vec<SourceId>,
    sessions: Vec<SourceId>,
    words: Vec<String>,
}

/// The one of a number.
pub(super) fn numbered<T: Clone>(all: &[T], number: Option<u64>) -> Option<T> {
    all.get(usize::try_from(number?).ok()?).cloned()
}

impl<'a> Reader<'a> {
    /// Takes the rows from the front of `image`; `records` are the ids of the schools, courses and sessions there are.
    pub(super) fn new(image: &mut &'a [u8], records: [Vec<SourceId>; 3]) -> Option<Self> {
        let mut named: Named = serde_json::from_slice(take_part(image)?).ok()?;
        let texts = ArcStr::from(std::str::from_utf8(take_part(image)?).ok()?);
        let rows = take_part(image)?;
        let [mut schools, mut courses, mut sessions] = records;
        schools.append(&mut named.schools);
        courses.append(&mut named.courses);
        sessions.append(&mut named.sessions);
        Some(Self { rows, texts, at: 0, schools, courses, sessions, words: named.words })
    }

    /// Whether every row was taken.
    pub(super) fn is_done(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rows.split_first()?;
        self.rows = rest;
        Some(*byte)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        take(&mut self.rows)
    }

    /// Where the next text stands.
    fn place(&mut self) -> Option<std::ops::Range<usize>> {
        let length = usize::try_from(self.number()?).ok()?;
        let place = self.at..self.at.checked_add(length)?;
        self.at = place.end;
        Some(place)
    }

    pub(super) fn text(&mut self) -> Option<&str> {
        let place = self.place()?;
        self.texts.get(place)
    }

    /// One that is kept where it stands.
    pub(super) fn personal(&mut self) -> Option<Personal> {
        let place = self.place()?;
        Personal::part(&self.texts, place)
    }

    pub(super) fn list<T>(&mut self, mut take: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let length = self.number()?;
        // Nothing in a list is shorter than a byte.
        if length > size(self.rows.len()) {
            return None;
        }
        // Room for as many as there are: a list that grows takes room for four.
        let mut all = Vec::with_capacity(usize::try_from(length).ok()?);
        for _ in 0..length {
            all.push(take(self)?);
        }
        Some(all)
    }

    pub(super) fn school(&mut self) -> Option<SourceId> {
        let number = self.number();
        numbered(&self.schools, number)
    }

    pub(super) fn course(&mut self) -> Option<SourceId> {
        let number = self.number();
        numbered(&self.courses, number)
    }

    pub(super) fn session(&mut self) -> Option<SourceId> {
        let number = self.number();
        numbered(&self.sessions, number)
    }

    pub(super) fn word(&mut self) -> Option<String> {
        let number = self.number();
        numbered(&self.words, number)
    }
}

/// The bits of a role's name, of which there are three.
const NAME: u8 = 0b0000_0111;

/// A role's name as bits.
pub(super) fn of_role(role: RoleName) -> u8 {
    RoleName::ALL.into_iter().zip(0..).find(|(other, _)| *other == role).map_or(0, |(_, at)| at)
}

/// The name among the bits of a byte.
pub(super) fn role(bits: u8) -> Option<RoleName> {
    RoleName::ALL.get(usize::from(bits & NAME)).copied()
}

/// The bit of a field that may be missing.
pub(super) fn bit(at: u32, is_there: bool) -> u8 {
    u8::from(is_there) << at
}

/// What `take` takes where the bit is set.
#[expect(clippy::option_option, reason = "the outer one says whether the image can have been written so")]
pub(super) fn if_bit<T>(flags: u8, at: u32, take: impl FnOnce() -> Option<T>) -> Option<Option<T>> {
    if flags & bit(at, true) == 0 { Some(None) } else { take().map(Some) }
}
