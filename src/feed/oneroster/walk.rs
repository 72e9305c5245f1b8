//! What a walk through one collection has seen: how far it is, whether it goes round in circles, whether the source moved.

use crate::feed::error::{FeedError, Place, Stop};
use crate::feed::oneroster::ahead::Turn;
use crate::feed::oneroster::pages::{First, Manners, Rows};

/// So many pages in a row without a new id are a circle.
const STALE_PAGES: u32 = 3;

/// How far a walk has come.
#[derive(Default)]
pub(super) struct Walk {
    pub offset: u64,
    pub total: Option<u64>,
    #[expect(clippy::disallowed_types, reason = "looked up, or walked into a list that is sorted")]
    pub seen: std::collections::HashSet<String>,
    pub repeated: u64,
    first: Option<First>,
    stale: u32,
    pub edge: Option<Vec<u8>>,
    pub shifted: bool,
}

impl Walk {
    /// The page that comes next; with an edge it begins with the last row of the one before.
    pub(super) fn turn(&self, edge: bool, manners: &Manners) -> Turn {
        Turn { from: self.offset.saturating_sub(u64::from(edge)), limit: manners.limit, sort: manners.sort }
    }

    /// Takes note of a page; says whether it was the last.
    pub(super) fn advance(&mut self, rows: &Rows<'_>, total: Option<u64>, place: &Place) -> Result<bool, Stop> {
        if let (Some(before), Some(after)) = (self.total, total)
            && before != after
        {
            let problem = format!("the total went from {before} to {after} while it was read");
            return Err(Stop::Moved(Box::new(place.clone()), problem));
        }
        self.total = self.total.or(total);
        self.offset += u64::try_from(rows.count).unwrap_or(u64::MAX);
        match self.total {
            Some(total) if rows.count == 0 && self.offset < total => {
                let problem = format!("{} rows came and the total is {total}", self.offset);
                Err(Stop::Moved(Box::new(place.clone()), problem))
            }
            Some(total) if self.offset > total => {
                let problem = format!("{} rows came and the total is {total}", self.offset);
                Err(Stop::Moved(Box::new(place.clone()), problem))
            }
            Some(total) => Ok(self.offset == total),
            // After a page of nothing but the row that it was to begin with, what follows is asked for by itself.
            None => Ok(rows.empty),
        }
    }

    /// Takes note of what a page told of: ids that came before, and whether it goes round in circles.
    pub(super) fn note_ids(&mut self, rows: &Rows<'_>, place: &Place) -> Result<(), Stop> {
        let looping = |problem| Stop::from(FeedError::Loop { place: place.clone(), problem });
        let nameless = rows.first == Some(First::Read(None));
        if rows.first.is_some() && !nameless && rows.first == self.first {
            return Err(looping("a page begins like the one before"));
        }
        if rows.first.is_some() {
            self.first.clone_from(&rows.first);
        }
        let mut fresh = rows.count == 0 || rows.known > 0;
        self.repeated += rows.again;
        for row in &rows.read {
            match &row.id {
                Some(id) if self.seen.insert(id.clone()) => fresh = true,
                Some(_) => self.repeated += 1,
                None => fresh = true,
            }
        }
        self.stale = if fresh { 0 } else { self.stale + 1 };
        if self.stale >= STALE_PAGES { Err(looping("pages bring nothing new")) } else { Ok(()) }
    }
}
