//! A OneRoster district in memory: CSV tables by file name.

use std::collections::BTreeMap;
use std::path::Path;

use super::SimulateError;

/// The files of a OneRoster district that the simulator serves, in the order clients pull them.
pub(crate) const FILES: [&str; 6] = ["orgs", "academicSessions", "courses", "classes", "users", "enrollments"];

/// One CSV file: a header and rows of its width.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    /// The cell of a row by column name; empty where the file has no such column.
    pub(crate) fn cell<'a>(&self, row: &'a [String], name: &str) -> &'a str {
        self.column(name).and_then(|at| row.get(at)).map_or("", String::as_str)
    }

    pub(crate) fn position(&self, id: &str) -> Option<usize> {
        let at = self.column("sourcedId")?;
        self.rows.iter().position(|row| row.get(at).is_some_and(|cell| cell == id))
    }

    fn read(path: &Path) -> Result<Table, SimulateError> {
        let bytes = std::fs::read(path).map_err(|source| SimulateError::Read { path: path.to_owned(), source })?;
        let mut reader = csv::ReaderBuilder::new().from_reader(bytes.as_slice());
        let misshapen = |error: &csv::Error| SimulateError::Csv {
            path: path.to_owned(),
            line: error.position().map_or(0, csv::Position::line),
        };
        let header = reader.headers().map_err(|error| misshapen(&error))?.iter().map(str::to_owned).collect();
        let mut rows = Vec::new();
        for record in reader.records() {
            rows.push(record.map_err(|error| misshapen(&error))?.iter().map(str::to_owned).collect());
        }
        Ok(Table { header, rows })
    }
}

/// All tables of a district on one day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CsvSet {
    pub(crate) manifest: Table,
    pub(crate) tables: BTreeMap<String, Table>,
}

impl CsvSet {
    /// Reads a district's folder; `orgs.csv` and the other five of [`FILES`] must be there.
    pub(crate) fn read(folder: &Path) -> Result<CsvSet, SimulateError> {
        let mut set = CsvSet { manifest: Table::read(&folder.join("manifest.csv"))?, tables: BTreeMap::new() };
        for file in FILES {
            set.tables.insert(file.to_owned(), Table::read(&folder.join(format!("{file}.csv")))?);
        }
        Ok(set)
    }

    pub(crate) fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// The type of an org, for 1.2's kinds of administrators.
    pub(crate) fn org_type(&self, id: &str) -> &str {
        let found = self.table("orgs").and_then(|orgs| {
            let row = orgs.rows.get(orgs.position(id)?)?;
            Some(orgs.cell(row, "type"))
        });
        found.unwrap_or("")
    }
}
