//! Reads products and subscriptions with places: a mistake names its line and changes nothing (interface.md, Configuration).

mod check;
#[cfg(test)]
mod tests;
mod wire;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::model::Catalog;

/// `[catalog]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The catalog file; a missing one is an error unless it is this default.
    pub path: PathBuf,
    /// Minutes between two looks at it.
    pub refresh_minutes: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { path: PathBuf::from("config/catalog.toml"), refresh_minutes: 60 }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line in the file, from 1.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

/// A catalog that was not taken; the last good one stays in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct CatalogError {
    /// The file.
    pub path: PathBuf,
    /// All mistakes found, in order of line; empty when the file could not be read at all.
    pub faults: Vec<Fault>,
    /// Why it could not be read.
    pub unreadable: Option<String>,
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        if let Some(why) = &self.unreadable {
            return write!(
                f,
                "cannot read the catalog {path}: {why}; set `catalog.path` to the file with the products"
            );
        }
        write!(f, "the catalog {path} was not taken, nothing was changed:")?;
        for fault in &self.faults {
            write!(f, "\n  {path}:{}: {}", fault.line, fault.message)?;
        }
        Ok(())
    }
}

/// Reads and checks a catalog file.
pub fn read(path: &Path) -> Result<Catalog, CatalogError> {
    let unreadable = |why: &std::io::Error| CatalogError {
        path: path.to_owned(),
        faults: Vec::new(),
        unreadable: Some(why.kind().to_string()),
    };
    let text = std::fs::read_to_string(path).map_err(|why| unreadable(&why))?;
    parse(&text).map_err(|faults| CatalogError { path: path.to_owned(), faults, unreadable: None })
}

/// Parses and checks the text of a catalog in TOML.
pub fn parse(text: &str) -> Result<Catalog, Vec<Fault>> {
    let line_of = |offset: usize| text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1;
    let file: wire::File = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(span.start));
        let message = with_nearest(error.message());
        let key = text.lines().nth(line - 1).and_then(|it| it.split_once('=')).map(|(key, _)| key.trim());
        let message = match key {
            Some(key) if !message.contains('`') => format!("`{key}`: {message}"),
            Some(_) | None => message,
        };
        vec![Fault { line, message }]
    })?;
    check::checked(file).map_err(|faults| {
        let mut faults: Vec<Fault> =
            faults.into_iter().map(|(offset, message)| Fault { line: line_of(offset), message }).collect();
        faults.sort_by(|a, b| (a.line, &a.message).cmp(&(b.line, &b.message)));
        faults
    })
}

/// To "unknown field `x`, expected one of `a`, `b`" adds the nearest known name.
pub fn with_nearest(message: &str) -> String {
    let mut words = message.split('`').skip(1).step_by(2);
    let (true, Some(unknown)) = (message.starts_with("unknown "), words.next()) else {
        return message.to_owned();
    };
    let near = words.max_by(|a, b| strsim::jaro_winkler(unknown, a).total_cmp(&strsim::jaro_winkler(unknown, b)));
    let known = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    let kind = if message.starts_with("unknown variant") { "value" } else { "key" };
    format!("unknown {kind} `{unknown}`{known}")
}
