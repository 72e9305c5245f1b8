//! One page by itself, away from any server: read as a pull reads it. For whoever hands the readers what no server would send:
//! fuzzing, and tests of bodies that break off.

use crate::feed::clever::{self, Clever};
use crate::feed::error::{FeedError, Place};
use crate::feed::oneroster::{self, OneRoster};
use crate::model::{Kind, SourceId};

/// Whose page it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Clever v3.
    Clever,
    /// `OneRoster` 1.1 or 1.2 over REST.
    OneRoster,
}

/// What a page brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Rows, usable or not.
    pub rows: usize,
    /// Where the page says that the next one is.
    pub next: Option<String>,
}

/// Reads a page of a collection: its envelope, and each row into a record.
pub fn read(dialect: Dialect, kind: Kind, body: &[u8]) -> Result<Page, FeedError> {
    let place = |kind: &'static str, collection: &str| Place {
        district: String::new(),
        kind,
        collection: collection.to_owned(),
        at: None,
    };
    match dialect {
        Dialect::Clever => Clever::read_page(kind, body, &place("clever", kind.plural()), SourceId::new("d")),
        Dialect::OneRoster => {
            let collection = oneroster::collection(kind);
            OneRoster::read_page(kind, body, collection, &place("oneroster", collection))
        }
    }
}

/// The row after which the next page begins, of a link that stays where the credential belongs (T1); none for any other.
pub fn cursor(base: &url::Url, link: &str) -> Option<String> {
    clever::cursor(base, link)
}
