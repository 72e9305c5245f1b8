//! What makes a row of an upload the same as another (`feed/recognize.rs`).
//!
//! Rows of classes, users and enrollments are recognized. Beside its own bytes a row is read by this:
//!
//! - which column a cell is of, and how many there are: the header, as it is understood, is part of the hash;
//! - of a user in 1.2, the rows of `roles.csv` that name them, in their order, and whether there is such a file: part of the
//!   hash;
//! - whether it is UTF-8, which its bytes say; a row that is not is counted in a warning, and gets no mark;
//! - who is a mere contact, where rows of one user say both, and that enrollments of contacts are skipped:
//!   [`crate::snapshot::Recognized::contacts`];
//! - rows that stand there twice: all is read anew;
//! - rows of one key that say different things: [`crate::snapshot::Snapshot::completed`], and none of them gets a mark.
//!
//! Orgs, sessions and courses are read each time, and other rows only name them. What the manifest leaves out has no rows.

use crate::feed::csv::read::Roles;
use crate::feed::csv::table::Row;

/// What of a row its record is read from, as bytes; none of two rows that could be read differently are equal.
#[derive(Default)]
pub(super) struct Bytes(Vec<u8>);

impl Bytes {
    /// Those of a row; `roles` are looked at for users alone.
    pub(super) fn of(&mut self, row: &Row<'_>, roles: Option<&Roles>) -> &[u8] {
        self.0.clear();
        self.number(row.cells().count());
        for cell in row.cells() {
            self.text(cell);
        }
        if let Some(roles) = roles {
            let held = row.text("sourcedId").and_then(|id| roles.get(&id)).map(Vec::as_slice).unwrap_or_default();
            self.number(held.len());
            // No cell is blank and something, so that none of it is a blank one.
            for cell in held.iter().flat_map(|it| [&it.role_type, &it.role, &it.org]) {
                self.text(cell.as_deref().unwrap_or_default().as_bytes());
            }
        }
        &self.0
    }

    fn number(&mut self, number: usize) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// Its length goes before it, so that it is told from the next.
    fn text(&mut self, text: &[u8]) {
        self.number(text.len());
        self.0.extend_from_slice(text);
    }
}
