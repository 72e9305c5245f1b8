//! One CSV file, row by row, as real exports write it (protocols.md 4.3).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;

use ::csv::{ByteRecord, Reader, ReaderBuilder};
use encoding_rs::WINDOWS_1252;

use crate::feed::error::FeedError;
use crate::feed::lenient::{filled, split};
use crate::feed::oneroster::rows::is_nces;

/// A file that is being read.
pub(super) struct Table<'r> {
    file: &'static str,
    reader: Reader<&'r mut dyn Read>,
    columns: BTreeMap<String, usize>,
    /// Up to the last column that has a name.
    width: usize,
    record: ByteRecord,
    ragged: Option<u64>,
    /// Rows that were not UTF-8.
    pub foreign: u64,
}

/// One row.
pub(super) struct Row<'t> {
    columns: &'t BTreeMap<String, usize>,
    record: &'t ByteRecord,
    /// Whether all of it is UTF-8.
    pub utf8: bool,
    /// It has too few or too many fields, so none can be trusted but the first.
    pub ragged: bool,
    /// Where it stands, from 1.
    pub line: u64,
}

impl<'r> Table<'r> {
    /// Reads the header. `needed` are columns as the specification writes them.
    pub(super) fn open(
        file: &'static str,
        reader: &'r mut dyn Read,
        needed: &[&'static str],
    ) -> Result<Self, FeedError> {
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(reader);
        let mut header = ByteRecord::new();
        let there = reader.read_byte_record(&mut header).map_err(|cause| broken(file, cause))?;
        if !there {
            return Err(FeedError::Line { file, line: 1, problem: "the file is empty; it needs a header" });
        }
        if header.get(0).is_some_and(|it| it.starts_with(b"\xff\xfe") || it.starts_with(b"\xfe\xff")) {
            return Err(FeedError::Line { file, line: 1, problem: "the file is UTF-16; export it as UTF-8" });
        }
        let (mut columns, mut width) = (BTreeMap::new(), 0);
        for (at, name) in header.iter().enumerate() {
            let name = canonical(file, &decoded(name, true));
            if name.is_empty() {
                continue;
            }
            width = at + 1;
            if columns.insert(name, at).is_some() {
                return Err(FeedError::Line { file, line: 1, problem: "a column stands there twice" });
            }
        }
        let lacking = needed.iter().find(|it| !columns.contains_key(&it.to_ascii_lowercase()));
        if let Some(column) = lacking {
            return Err(FeedError::Column { file, column });
        }
        let record = ByteRecord::new();
        Ok(Self { file, reader, columns, width, record, ragged: None, foreign: 0 })
    }

    /// Whether the file has a column.
    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.contains_key(&column.to_ascii_lowercase())
    }

    /// What the header means for rows: which cell is of which column, and how many there are.
    pub(super) fn header(&self) -> String {
        format!("{:?} {}", self.columns, self.width)
    }

    /// The next row. A file that ends in a ragged row was cut off.
    pub(super) fn next(&mut self) -> Result<Option<Row<'_>>, FeedError> {
        let there = self.reader.read_byte_record(&mut self.record).map_err(|cause| broken(self.file, cause))?;
        if !there {
            return match self.ragged {
                Some(line) => {
                    let problem =
                        "the last row has too few or too many fields: the file was cut off, or a quote is not closed";
                    Err(FeedError::Line { file: self.file, line, problem })
                }
                None => Ok(None),
            };
        }
        let surplus = self.record.iter().skip(self.width).any(|it| !it.trim_ascii().is_empty());
        let ragged = self.record.len() < self.width || surplus;
        let line = self.record.position().map_or(0, ::csv::Position::line);
        self.ragged = ragged.then_some(line);
        let utf8 = self.record.iter().all(|it| std::str::from_utf8(it).is_ok());
        self.foreign += u64::from(!utf8);
        Ok(Some(Row { columns: &self.columns, record: &self.record, utf8, ragged, line }))
    }
}

impl Row<'_> {
    /// A cell; none of a blank one, or of a column that is not there.
    pub(super) fn text(&self, column: &str) -> Option<String> {
        let at = *self.columns.get(&column.to_ascii_lowercase())?;
        filled(decoded(self.record.get(at)?, self.utf8).into_owned())
    }

    /// All cells as they stand there.
    pub(super) fn cells(&self) -> impl Iterator<Item = &[u8]> {
        self.record.iter()
    }

    /// A cell's list.
    pub(super) fn list(&self, column: &str) -> Vec<String> {
        self.text(column).map(|cell| split(&cell)).unwrap_or_default()
    }
}

/// UTF-8, or the code page that Windows programs fall back to.
fn decoded(bytes: &[u8], utf8: bool) -> Cow<'_, str> {
    match (utf8, std::str::from_utf8(bytes)) {
        (true, Ok(text)) => Cow::Borrowed(text),
        _ => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

/// A header's name in lower case, without blanks; known typos and 1.0 names become today's.
fn canonical(file: &'static str, name: &str) -> String {
    let name = name.trim_start_matches(['\u{feff}', 'ï', '»', '¿']);
    let name: String = name.chars().filter(|it| !it.is_whitespace() && *it != '_').collect::<String>().to_lowercase();
    if name.strip_prefix("metadata.").is_some_and(is_nces) {
        return NCES.to_owned();
    }
    match (file, name.as_str()) {
        (_, "datalastmodified") => "datelastmodified",
        (_, "grade") => "grades",
        (_, "prefferedgivenname") => "preferredgivenname",
        ("users.csv", "userid") => "userids",
        ("users.csv", "orgsourcedid") => "orgsourcedids",
        ("classes.csv", "termsourcedid") => "termsourcedids",
        ("classes.csv" | "courses.csv", "subject") => "subjects",
        ("enrollments.csv" | "roles.csv", "userid") => "usersourcedid",
        ("enrollments.csv", "classid") => "classsourcedid",
        ("enrollments.csv", "schoolid") => "schoolsourcedid",
        ("enrollments.csv", "startdate") => "begindate",
        (_, "schoolyearid") => "schoolyear",
        _ => return name,
    }
    .to_owned()
}

/// The column of the NCES number, whatever a vendor calls it.
pub(super) const NCES: &str = "metadata.nces";

fn broken(file: &'static str, cause: ::csv::Error) -> FeedError {
    match cause.into_kind() {
        ::csv::ErrorKind::Io(cause) => FeedError::Unreadable { file: file.to_owned(), cause },
        _ => FeedError::Line { file, line: 0, problem: "the file cannot be read as CSV" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NEEDED: [&str; 3] = ["sourcedId", "name", "type"];

    proptest! {
        #[test]
        fn whatever_stands_in_a_cell_is_read_as_it_was_written(
            rows in prop::collection::vec(prop::array::uniform3(any::<String>()), 1..8),
        ) {
            let mut writer = ::csv::Writer::from_writer(Vec::new());
            writer.write_record(NEEDED).unwrap();
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let bytes = writer.into_inner().unwrap();
            let mut reader: &[u8] = &bytes;
            let mut table = Table::open("orgs.csv", &mut reader, &NEEDED).unwrap();
            let mut read = Vec::new();
            while let Some(row) = table.next().unwrap() {
                prop_assert!(!row.ragged);
                read.push(NEEDED.map(|column| row.text(column)));
            }
            let wanted: Vec<_> = rows.into_iter().map(|row| row.map(filled)).collect();
            prop_assert_eq!(read, wanted);
        }

        #[test]
        fn bytes_that_are_no_table_end_in_rows_or_an_error(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
        ) {
            let text = [b"sourcedId,name,type\n".as_slice(), &bytes].concat();
            let mut reader: &[u8] = &text;
            let mut table = Table::open("orgs.csv", &mut reader, &NEEDED).unwrap();
            let mut rows = 0;
            while let Ok(Some(row)) = table.next() {
                rows += 1;
                prop_assert!(row.ragged || row.text("other").is_none());
                prop_assert!(rows <= bytes.len());
            }
        }
    }
}
