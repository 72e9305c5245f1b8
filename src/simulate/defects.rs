//! Defects of CSV uploads, by name: what real exports and zips do wrong (protocol page 4.3 and 7).
//!
//! | defect | does |
//! | --- | --- |
//! | `bom` | a byte order mark before each header |
//! | `cp1252` | the first user's family name gets an `é`, and `users.csv` is in code page 1252 |
//! | `mixed-line-ends` | every second line ends in LF alone |
//! | `no-final-newline` | the last line has no end |
//! | `quote-all` | every field is quoted |
//! | `trailing-columns` | two empty header columns more than the rows have |
//! | `other-order` | the columns stand in reverse order |
//! | `vendor-columns` | `metadata.note` in mid-table |
//! | `old-names` | column names of 1.0: `grade`, `agents`, `userId`, `schoolYearId` |
//! | `upper-booleans` | `TRUE` and `FALSE` |
//! | `odd-dates` | dates as `8/15/2025` |
//! | `spaced-lists`, `json-lists` | `"a, b"`, or `["a","b"]`, in list columns |
//! | `duplicates` | the first user stands there twice |
//! | `orphans` | an enrollment of a user that is not there |
//! | `header-only=FILE` | the file has no rows (repeatable, as all with a value) |
//! | `absent=FILE` | the file is not there, and the manifest says so |
//! | `missing=FILE` | the file is not there, but the manifest says bulk |
//! | `delta=FILE` | the manifest says delta |
//! | `no-manifest` | no `manifest.csv` |
//! | `missing-column=COLUMN` | no file has this column |
//! | `short-row=FILE` | the file's last row has half of its fields |
//! | `file-case` | file names in capitals but for the extension |
//! | `zip-folder` | all entries in one folder |
//! | `zip-macosx` | `__MACOSX/` and `.DS_Store` beside the files |
//! | `zip-duplicate` | `users.csv` twice, the second time empty |
//! | `zip-slip` | an entry named `../outside.csv` |
//! | `zip-ratio` | an entry of 64 MiB that packs to almost nothing |
//! | `zip-cut` | the zip lacks its last half |

use std::collections::BTreeSet;
use std::io::Cursor;
use std::io::Write;
use std::path::Path;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::SimulateError;
use super::package::PackageFile;
use super::package::write_whole;
use super::quirks::QuirkError;
use super::quirks::nearest;

/// Names without a value.
const FLAGS: [&str; 21] = [
    "bom",
    "cp1252",
    "mixed-line-ends",
    "no-final-newline",
    "quote-all",
    "trailing-columns",
    "other-order",
    "vendor-columns",
    "old-names",
    "upper-booleans",
    "odd-dates",
    "spaced-lists",
    "json-lists",
    "duplicates",
    "orphans",
    "no-manifest",
    "file-case",
    "zip-folder",
    "zip-macosx",
    "zip-duplicate",
    "zip-slip",
];

/// More names without a value, of the zip's bytes.
const ZIP_FLAGS: [&str; 2] = ["zip-ratio", "zip-cut"];

/// Names with a file or column.
const NAMED: [&str; 6] = ["header-only", "absent", "missing", "delta", "missing-column", "short-row"];

/// Columns that hold lists.
const LISTS: [&str; 6] = ["grades", "orgSourcedIds", "termSourcedIds", "subjects", "agentSourcedIds", "periods"];

/// Columns of 1.0 by their later names.
const OLD_NAMES: [(&str, &str); 4] = [
    ("grades", "grade"),
    ("agentSourcedIds", "agents"),
    ("userIds", "userId"),
    ("schoolYearSourcedId", "schoolYearId"),
];

/// Bytes of the entry that packs to almost nothing.
const BOMB_BYTES: usize = 64 * 1024 * 1024;

/// The defects a package is written with. The default is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Defects {
    /// Name and value; an empty value where the defect has none.
    on: BTreeSet<(&'static str, String)>,
}

/// A file with its rows in hand.
struct Draft {
    /// Without the extension.
    name: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Defects {
    /// Reads a comma list such as `bom,missing=classes`.
    pub fn parse(list: &str) -> Result<Defects, QuirkError> {
        let mut defects = Defects::default();
        for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let known = Defects::names().find(|known| *known == name);
            let Some(known) = known else {
                return Err(QuirkError::Unknown { name: name.to_owned(), nearest: nearest(Defects::names(), name) });
            };
            let usage = match (NAMED.contains(&known), value.is_empty()) {
                (true, true) => "with the name of a file without `.csv`, or of a column",
                (false, false) => "without a value",
                _ => {
                    defects.on.insert((known, value.to_owned()));
                    continue;
                }
            };
            return Err(QuirkError::Value { name: name.to_owned(), usage });
        }
        Ok(defects)
    }

    /// Every defect's name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FLAGS.into_iter().chain(ZIP_FLAGS).chain(NAMED)
    }

    fn has(&self, name: &'static str) -> bool {
        self.on.contains(&(name, String::new()))
    }

    fn names_it(&self, name: &'static str, value: &str) -> bool {
        self.on.contains(&(name, value.to_owned()))
    }

    /// The files of a package with their defects, as bytes by file name.
    pub(crate) fn files(&self, package: Vec<PackageFile<'_>>) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for file in package {
            let name = file.name.trim_end_matches(".csv").to_owned();
            if self.names_it("absent", &name)
                || self.names_it("missing", &name)
                || (name == "manifest" && self.has("no-manifest"))
            {
                continue;
            }
            let mut draft = Draft { name, header: file.header, rows: file.rows.collect() };
            if draft.name == "manifest" {
                self.spoil_manifest(&mut draft);
            } else {
                self.spoil_rows(&mut draft);
            }
            let name = if self.has("file-case") { draft.name.to_uppercase() } else { draft.name.clone() };
            files.push((format!("{name}.csv"), self.bytes(&draft)));
        }
        files
    }

    fn spoil_manifest(&self, draft: &mut Draft) {
        for row in &mut draft.rows {
            let [property, mode] = row.as_mut_slice() else { continue };
            let file = property.trim_start_matches("file.");
            for (defect, word) in [("absent", "absent"), ("delta", "delta")] {
                if self.names_it(defect, file) {
                    word.clone_into(mode);
                }
            }
        }
    }

    fn spoil_rows(&self, draft: &mut Draft) {
        if self.names_it("header-only", &draft.name) {
            draft.rows.clear();
        }
        if self.has("duplicates") && draft.name == "users" {
            draft.rows.extend(draft.rows.first().cloned());
        }
        if self.has("orphans")
            && draft.name == "enrollments"
            && let Some(mut row) = draft.rows.first().cloned()
        {
            for (column, value) in [("sourcedId", "orphan-enrollment"), ("userSourcedId", "nobody")] {
                if let Some(cell) = draft.header.iter().position(|name| name == column).and_then(|at| row.get_mut(at)) {
                    value.clone_into(cell);
                }
            }
            draft.rows.push(row);
        }
        if self.has("cp1252") && draft.name == "users" {
            let at = draft.header.iter().position(|name| name == "familyName");
            let first = draft.rows.first_mut();
            if let Some(cell) = at.zip(first).and_then(|(at, row)| row.get_mut(at)) {
                cell.push('é');
            }
        }
        self.spoil_cells(draft);
        self.spoil_columns(draft);
        if self.names_it("short-row", &draft.name)
            && let Some(row) = draft.rows.last_mut()
        {
            row.truncate(row.len() / 2);
        }
    }

    fn spoil_cells(&self, draft: &mut Draft) {
        for row in &mut draft.rows {
            for (column, cell) in draft.header.iter().zip(row) {
                let list = LISTS.contains(&column.as_str()) && !cell.is_empty();
                if self.has("upper-booleans") && (cell == "true" || cell == "false") {
                    *cell = cell.to_uppercase();
                } else if self.has("odd-dates") && column.ends_with("Date") {
                    *cell = odd_date(cell);
                } else if list && self.has("spaced-lists") {
                    *cell = cell.replace(',', ", ");
                } else if list && self.has("json-lists") {
                    *cell = serde_json::json!(cell.split(',').collect::<Vec<_>>()).to_string();
                }
            }
        }
    }

    fn spoil_columns(&self, draft: &mut Draft) {
        for at in (0..draft.header.len()).rev() {
            if draft.header.get(at).is_some_and(|column| self.names_it("missing-column", column)) {
                draft.header.remove(at);
                draft.rows.iter_mut().filter(|row| at < row.len()).for_each(|row| drop(row.remove(at)));
            }
        }
        if self.has("vendor-columns") {
            let middle = draft.header.len() / 2;
            draft.header.insert(middle, "metadata.note".to_owned());
            draft.rows.iter_mut().for_each(|row| row.insert(middle.min(row.len()), "vendor".to_owned()));
        }
        if self.has("other-order") {
            draft.header.reverse();
            draft.rows.iter_mut().for_each(|row| row.reverse());
        }
        if self.has("old-names") {
            for column in &mut draft.header {
                if let Some((_, old)) = OLD_NAMES.iter().find(|(new, _)| new == column) {
                    (*old).clone_into(column);
                }
            }
        }
        if self.has("trailing-columns") {
            draft.header.extend([String::new(), String::new()]);
        }
    }

    fn bytes(&self, draft: &Draft) -> Vec<u8> {
        let mut text = String::new();
        let lines = [&draft.header].into_iter().chain(&draft.rows);
        for (at, fields) in lines.enumerate() {
            let fields: Vec<_> = fields.iter().map(|field| self.field(field)).collect();
            text.push_str(&fields.join(","));
            text.push_str(if self.has("mixed-line-ends") && at % 2 == 1 { "\n" } else { "\r\n" });
        }
        if self.has("no-final-newline") {
            text.truncate(text.trim_end_matches(['\r', '\n']).len());
        }
        let body =
            if self.has("cp1252") { encoding_rs::WINDOWS_1252.encode(&text).0.into_owned() } else { text.into() };
        if self.has("bom") { [&b"\xef\xbb\xbf"[..], &body].concat() } else { body }
    }

    fn field(&self, field: &str) -> String {
        if self.has("quote-all") || field.contains([',', '"', '\r', '\n']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field.to_owned()
        }
    }

    /// Writes the files of a package into a folder.
    pub(crate) fn write_folder(&self, package: Vec<PackageFile<'_>>, target: &Path) -> Result<(), SimulateError> {
        self.files(package).iter().try_for_each(|(name, bytes)| write_whole(&target.join(name), bytes))
    }

    /// Writes the files of a package into a zip.
    pub(crate) fn write_zip(&self, package: Vec<PackageFile<'_>>, target: &Path) -> Result<(), SimulateError> {
        let packed = self.pack(package).map_err(|source| SimulateError::Zip { path: target.to_owned(), source })?;
        write_whole(target, &packed)
    }

    fn pack(&self, package: Vec<PackageFile<'_>>) -> zip::result::ZipResult<Vec<u8>> {
        let folder = if self.has("zip-folder") { "upload/" } else { "" };
        let mut entries = self.files(package);
        if self.has("zip-macosx") {
            entries.push(("__MACOSX/._users.csv".to_owned(), b"\x00\x05\x16\x07".to_vec()));
            entries.push((".DS_Store".to_owned(), b"\x00\x00\x00\x01Bud1".to_vec()));
        }
        if self.has("zip-slip") {
            entries.push(("../outside.csv".to_owned(), b"sourcedId\r\n".to_vec()));
        }
        if self.has("zip-ratio") {
            entries.push(("resources.csv".to_owned(), vec![b'0'; BOMB_BYTES]));
        }
        if self.has("zip-duplicate") {
            entries.push((TWIN.to_owned(), Vec::new()));
        }
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in entries {
            zip.start_file(format!("{folder}{name}"), SimpleFileOptions::default())?;
            zip.write_all(&bytes)?;
        }
        let mut packed = zip.finish()?.into_inner();
        if self.has("zip-duplicate") {
            rename_twin(&mut packed);
        }
        if self.has("zip-cut") {
            packed.truncate(packed.len() / 2);
        }
        Ok(packed)
    }
}

/// Stands in for the second `users.csv`, which the zip writer would refuse.
const TWIN: &str = "user$.csv";

/// Gives the stand-in its name, in the entry's own header and in the directory. Names are in no checksum.
fn rename_twin(packed: &mut [u8]) {
    for at in 0..packed.len().saturating_sub(TWIN.len()) {
        if let Some(name) = packed.get_mut(at..at + TWIN.len())
            && name == TWIN.as_bytes()
        {
            name.copy_from_slice(b"users.csv");
        }
    }
}

/// `2025-08-05` as `8/05/2025`; what is no date stays.
fn odd_date(cell: &str) -> String {
    match cell.split('-').collect::<Vec<_>>().as_slice() {
        [year, month, day] => format!("{}/{day}/{year}", month.trim_start_matches('0')),
        _ => cell.to_owned(),
    }
}
