//! What tells the row of an active record from any other (`snapshot/known.rs` has the rules), and how a night changes it.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::model::Kind;

/// Bytes of a mark.
const BYTES: usize = 24;

/// What tells a row from any other: a hash of its bytes, and one of the id the source gives it, by which it is seen to have come
/// twice. All zero where no row stands for the record. Bytes: a district has millions of marks, and no gap shall be between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowMark([u8; BYTES]);

impl RowMark {
    /// Of a row with this hash of its bytes and this one of its id.
    pub fn new(row: u128, id: u64) -> Self {
        let mut mark = [0; BYTES];
        for (to, from) in mark.iter_mut().zip(row.to_le_bytes().into_iter().chain(id.to_le_bytes())) {
            *to = from;
        }
        Self(mark)
    }

    /// The hash of its bytes.
    pub fn row(&self) -> u128 {
        self.0.first_chunk().copied().map_or(0, u128::from_le_bytes)
    }

    /// The hash of its id.
    pub fn id(&self) -> u64 {
        self.0.last_chunk().copied().map_or(0, u64::from_le_bytes)
    }

    /// Whether it stands for a row.
    pub fn is_set(&self) -> bool {
        self.0 != [0; BYTES]
    }
}

/// Marks of records of one kind, in the order of keys, as the store keeps them: looked at where they lie.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Marks(Vec<u8>);

impl std::fmt::Debug for Marks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Marks {
    /// None at all.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Makes room for so many.
    pub fn with_capacity(marks: usize) -> Self {
        Self(Vec::with_capacity(marks * BYTES))
    }

    /// Takes [`Marks::as_bytes`]; none of a number of bytes that cannot be.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        bytes.len().is_multiple_of(BYTES).then_some(Self(bytes))
    }

    /// 24 bytes each.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same, to keep.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len() / BYTES
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one at a place.
    pub fn get(&self, place: usize) -> Option<RowMark> {
        self.0.as_chunks().0.get(place).copied().map(RowMark)
    }

    /// All.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = RowMark> + '_ {
        self.among(0..self.len())
    }

    /// Those of some places, as far as there are any.
    pub fn among(&self, places: Range<usize>) -> impl ExactSizeIterator<Item = RowMark> + '_ {
        let (all, _) = self.0.as_chunks();
        let end = places.end.min(all.len());
        all.get(places.start.min(end)..end).unwrap_or_default().iter().map(|it| RowMark(*it))
    }

    /// Adds one.
    pub fn push(&mut self, mark: RowMark) {
        self.0.extend_from_slice(&mark.0);
    }

    /// Takes away those of which `stands` is not so: no row stands for their records.
    pub fn keep(&mut self, mut stands: impl FnMut(RowMark) -> bool) {
        for mark in self.0.as_chunks_mut().0 {
            if !stands(RowMark(*mark)) {
                *mark = [0; BYTES];
            }
        }
    }

    /// What nights made of them, one after the other, in place; none where one of them goes beyond the end.
    #[must_use]
    pub fn after(mut self, nights: &[Edits]) -> Option<Self> {
        if nights.iter().all(|night| night.0.is_empty()) {
            return Some(self);
        }
        let mut come = Self::default();
        let mut spans = vec![Span { new: false, places: 0..self.len() }];
        for night in nights {
            spans = night.over(spans, &mut come)?;
        }
        let mut end = 0;
        let placed = spans.into_iter().map(|span| {
            let to = end;
            end += span.places.len();
            (span, to)
        });
        let (came, stayed): (Vec<_>, Vec<_>) = placed.partition(|(span, _)| span.new);
        self.0.resize(self.len().max(end) * BYTES, 0);
        // Spans stand in one order before and after, so those that move back from the last on, and then those that move forth
        // from the first on, come to stand where nothing is that has still to move.
        let back = stayed.iter().rev().filter(|(span, to)| *to > span.places.start);
        let forth = stayed.iter().filter(|(span, to)| *to < span.places.start);
        for (Span { places, .. }, to) in back.chain(forth) {
            self.0.copy_within(places.start * BYTES..places.end * BYTES, to * BYTES);
        }
        for (Span { places, .. }, to) in came {
            let marks = come.0.get(places.start * BYTES..places.end * BYTES)?;
            self.0.get_mut(to * BYTES..to * BYTES + marks.len())?.copy_from_slice(marks);
        }
        self.0.truncate(end * BYTES);
        Some(self)
    }
}

impl Extend<RowMark> for Marks {
    fn extend<I: IntoIterator<Item = RowMark>>(&mut self, marks: I) {
        marks.into_iter().for_each(|mark| self.push(mark));
    }
}

impl FromIterator<RowMark> for Marks {
    fn from_iter<I: IntoIterator<Item = RowMark>>(marks: I) -> Self {
        let mut all = Self::default();
        all.extend(marks);
        all
    }
}

/// One step of [`Edits`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// So many stay,
    pub stay: usize,
    /// so many go,
    pub go: usize,
    /// and these come in their place.
    pub come: Marks,
}

/// How marks became others, from the first one on; what is behind the last step stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits(pub Vec<Edit>);

/// Marks of records that are what they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Same {
    /// The place of the first one before.
    pub old: usize,
    /// Its place after.
    pub new: usize,
    /// How many there are.
    pub count: usize,
}

/// Marks that lie side by side, of the base or of those that came.
struct Span {
    new: bool,
    places: Range<usize>,
}

impl Edits {
    /// What makes `old` into `new`; `same` are records that both have, in order.
    pub fn between(old: &Marks, new: &Marks, same: &[Same]) -> Self {
        let mut edits = Self::default();
        let (mut at_old, mut at_new) = (0, 0);
        let end = Same { old: old.len(), new: new.len(), count: 0 };
        for run in same.iter().chain([&end]) {
            edits.put(run.old.saturating_sub(at_old), new.among(at_new..run.new));
            let both = old.among(run.old..run.old + run.count).zip(new.among(run.new..run.new + run.count));
            for (was, is) in both {
                if was == is {
                    edits.stay();
                } else {
                    edits.put(1, std::iter::once(is));
                }
            }
            (at_old, at_new) = (run.old + run.count, run.new + run.count);
        }
        let Self(steps) = &mut edits;
        while steps.last().is_some_and(|it| it.go == 0 && it.come.is_empty()) {
            steps.pop();
        }
        edits
    }

    fn stay(&mut self) {
        match self.0.last_mut() {
            Some(Edit { stay, go: 0, come }) if come.is_empty() => *stay += 1,
            _ => self.0.push(Edit { stay: 1, ..Edit::default() }),
        }
    }

    fn put(&mut self, go: usize, come: impl ExactSizeIterator<Item = RowMark>) {
        if go == 0 && come.len() == 0 {
            return;
        }
        if self.0.is_empty() {
            self.0.push(Edit::default());
        }
        if let Some(last) = self.0.last_mut() {
            last.go += go;
            last.come.extend(come);
        }
    }

    /// Spans once this is done to them; what comes is added to `come`.
    fn over(&self, spans: Vec<Span>, come: &mut Marks) -> Option<Vec<Span>> {
        let mut rest = spans.into_iter();
        let mut open = rest.next()?;
        let mut all = Vec::new();
        // Cuts so many marks off, a piece for each span they lie in.
        let mut cut = |mut count: usize, pieces: &mut Vec<Span>| {
            while count > 0 {
                if open.places.is_empty() {
                    open = rest.next()?;
                    continue;
                }
                let middle = open.places.start + count.min(open.places.len());
                let places = open.places.start..middle;
                count -= places.len();
                open.places.start = middle;
                pieces.push(Span { new: open.new, places });
            }
            Some(())
        };
        for edit in &self.0 {
            cut(edit.stay, &mut all)?;
            cut(edit.go, &mut Vec::new())?;
            if !edit.come.is_empty() {
                let begin = come.len();
                come.0.extend_from_slice(&edit.come.0);
                all.push(Span { new: true, places: begin..come.len() });
            }
        }
        all.push(open);
        all.extend(rest);
        Some(all)
    }
}

/// The marks of a district's active records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownRows {
    /// Names the hash: installation, version of the parser, settings of the feed. Marks of another mean nothing.
    pub seed: String,
    /// Names the state of the records that they are of.
    pub stamp: String,
    /// The marks.
    pub marks: BTreeMap<Kind, Marks>,
    /// The stamp of the state that the store has written out, and the nights that it has beside it.
    pub base: (String, i64),
}

/// The marks after a night.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NextRows {
    /// As in [`KnownRows`].
    pub seed: String,
    /// The marks.
    pub marks: BTreeMap<Kind, Marks>,
    /// How they came of those before; none where these are of another seed or there were none.
    pub edits: Option<BTreeMap<Kind, Edits>>,
}

#[cfg(test)]
impl NextRows {
    /// As they are found again, of a state of that name.
    pub(crate) fn known(self, stamp: &str) -> KnownRows {
        let Self { seed, marks, edits: _ } = self;
        KnownRows { seed, stamp: stamp.to_owned(), marks, base: (stamp.to_owned(), 0) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Marks are kept and read back bit by bit.
    #[test]
    fn marks_are_read_as_they_were_written() {
        let all = [RowMark::new(u128::MAX - 7, 9), RowMark::default(), RowMark::new(1, u64::MAX)];
        let marks: Marks = all.into_iter().collect();
        assert_eq!((all[0].row(), all[0].id(), all[2].row(), all[2].id()), (u128::MAX - 7, 9, 1, u64::MAX));
        assert_eq!(all.map(|it| it.is_set()), [true, false, true]);
        assert_eq!(marks.as_bytes().len(), 3 * BYTES);
        assert_eq!(Marks::from_bytes(marks.as_bytes().to_vec()), Some(marks.clone()));
        assert_eq!(Marks::from_bytes(marks.as_bytes()[1..].to_vec()), None);
        assert!(marks.iter().eq(all) && marks.among(1..9).eq(all[1..].iter().copied()) && marks.among(7..9).len() == 0);
        assert_eq!((marks.get(2), marks.get(3)), (Some(all[2]), None));
    }

    /// Some stay, some go, some come, some are of the same record and other than before.
    fn night() -> impl Strategy<Value = Vec<(u8, u64)>> {
        vec((0..5_u8, any::<u64>()), 0..12)
    }

    proptest! {
        /// However many nights there were, all at once come to what each came to.
        #[test]
        fn nights_are_one_after_the_other(first in vec(any::<u64>(), 0..30), nights in vec(night(), 0..5)) {
            let base: Marks = first.iter().map(|it| RowMark::new(u128::from(*it), 1)).collect();
            let (mut now, mut edits) = (base.clone(), Vec::new());
            for night in nights {
                let (mut next, mut same) = (Marks::default(), Vec::<Same>::new());
                let mut old = now.iter().enumerate();
                for (what, number) in night {
                    let mark = RowMark::new(u128::from(number), 2);
                    match what {
                        0 => next.push(mark),
                        1 => drop(old.next()),
                        _ => {
                            let Some((place, was)) = old.next() else { break };
                            same.push(Same { old: place, new: next.len(), count: 1 });
                            next.push(if what == 2 { mark } else { was });
                        }
                    }
                }
                edits.push(Edits::between(&now, &next, &same));
                drop(old);
                now = next;
            }
            prop_assert_eq!(base.after(&edits), Some(now));
        }
    }

    #[test]
    fn an_edit_beyond_the_end_is_none() {
        let marks: Marks = [RowMark::new(1, 1)].into_iter().collect();
        let edits = |stay, go| [Edits(vec![Edit { stay, go, come: Marks::default() }])];
        assert_eq!(marks.clone().after(&edits(1, 0)), Some(marks.clone()));
        assert_eq!(marks.clone().after(&edits(1, 1)), None);
        assert_eq!(marks.clone().after(&edits(2, 0)), None);
        assert_eq!(marks.after(&edits(0, 1)), Some(Marks::default()));
    }
}
