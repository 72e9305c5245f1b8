//! `manifest.csv`: which files an upload holds, and whether they are whole.

use std::collections::BTreeMap;

use crate::feed::csv::archive::Files;
use crate::feed::csv::table::Table;
use crate::feed::error::FeedError;

/// What a manifest says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Absent,
    Bulk,
    Delta,
}

/// An upload's manifest; without one every file that is there counts as bulk.
#[derive(Default)]
pub(super) struct Manifest {
    modes: BTreeMap<String, Mode>,
    /// SHA-256 of its bytes.
    pub hash: Option<[u8; 32]>,
}

/// The files that are read, in the order of their hash; the rest of an upload is none of our business.
pub(super) const READ: [&str; 7] =
    ["orgs.csv", "academicSessions.csv", "courses.csv", "classes.csv", "users.csv", "roles.csv", "enrollments.csv"];

impl Manifest {
    pub(super) fn read(files: &mut Files) -> Result<Self, FeedError> {
        if !files.has("manifest.csv") {
            return Ok(Self::default());
        }
        let (modes, hash) = files.read("manifest.csv", |reader| {
            let mut table = Table::open("manifest.csv", reader, &["propertyName", "value"])?;
            let mut modes = BTreeMap::new();
            while let Some(row) = table.next()? {
                let name = row.text("propertyName").unwrap_or_default().trim().to_ascii_lowercase();
                let value = row.text("value").unwrap_or_default().trim().to_ascii_lowercase();
                let mode = match value.as_str() {
                    "bulk" => Mode::Bulk,
                    "delta" => Mode::Delta,
                    _ => Mode::Absent,
                };
                if let Some(file) = name.strip_prefix("file.") {
                    modes.insert(format!("{file}.csv"), mode);
                }
            }
            Ok(modes)
        })?;
        Ok(Self { modes, hash: Some(hash) })
    }

    /// What it says of a file, or what can be seen where there is no manifest.
    pub(super) fn mode(&self, file: &str, there: bool) -> Mode {
        if self.hash.is_none() {
            return if there { Mode::Bulk } else { Mode::Absent };
        }
        // 1.1 manifests know no roles.csv, so a file the manifest is silent about counts when it is there.
        let silent = if there { Mode::Bulk } else { Mode::Absent };
        self.modes.get(&file.to_ascii_lowercase()).copied().unwrap_or(silent)
    }

    /// The files it calls bulk, in lower case.
    pub(super) fn bulk_files(&self) -> impl Iterator<Item = String> + '_ {
        let bulk = self.modes.iter().filter(|(_, mode)| **mode == Mode::Bulk);
        bulk.map(|(file, _)| file.clone())
    }
}
