//! Reads products and subscriptions with places: a mistake names its line (in JSON its pointer) and changes nothing
//! (interface.md, Configuration).

mod check;
mod place;
mod schools;
mod settings;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::de::DeTable;

pub use place::Place;
pub use schools::unknown_schools;
pub use settings::{Settings, Source};
pub(crate) use wire::Subscription as Written;

use crate::model::{Catalog, Product, ProductCode, Subscription, SubscriptionId};
use place::{At, line_of};

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What is wrong and what to do.
    pub message: String,
}

/// A catalog that was not taken; the last good one stays in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct CatalogError {
    /// The file, or the address without what may be secret in it.
    pub source_name: String,
    /// All mistakes found, in order of place; empty when it could not be read at all.
    pub faults: Vec<Fault>,
    /// Why it could not be read, and what to do.
    pub unreadable: Option<String>,
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = &self.source_name;
        if let Some(why) = &self.unreadable {
            return write!(f, "cannot read the catalog {source}: {why}");
        }
        write!(f, "the catalog {source} was not taken, nothing was changed:")?;
        for fault in &self.faults {
            write!(f, "\n  {source}{}: {}", fault.place, fault.message)?;
        }
        Ok(())
    }
}

/// Subscriptions that are known from elsewhere than the document that is read.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What the last document and purchases said: it can be renewed, also when it vanished.
    pub said: &'a BTreeMap<SubscriptionId, Subscription>,
    /// What is in force: it stays in its district.
    pub in_force: &'a BTreeMap<SubscriptionId, Subscription>,
}

const NOTHING: BTreeMap<SubscriptionId, Subscription> = BTreeMap::new();

impl Known<'static> {
    /// Nothing is known.
    pub const NONE: Self = Self { said: &NOTHING, in_force: &NOTHING };
}

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `[[product]]` and `[[subscription]]`.
    Toml,
    /// `{ "product": […], "subscription": […] }`.
    Json,
}

/// Reads and checks a catalog file by itself: JSON if its name ends so, else TOML.
pub fn read(path: &Path) -> Result<Catalog, CatalogError> {
    read_beside(path, Known::NONE)
}

/// The same beside what is known already.
pub fn read_beside(path: &Path, known: Known<'_>) -> Result<Catalog, CatalogError> {
    let source_name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|why| CatalogError {
        source_name: source_name.clone(),
        faults: Vec::new(),
        unreadable: Some(match why.kind() {
            ErrorKind::InvalidData => "it is not UTF-8 text; save it as UTF-8".to_owned(),
            kind => format!("{kind}; set `catalog.path` to the file with the products"),
        }),
    })?;
    let json = path.extension().is_some_and(|it| it.eq_ignore_ascii_case("json"));
    let format = if json { Format::Json } else { Format::Toml };
    parse_beside(&text, format, known).map_err(|faults| CatalogError { source_name, faults, unreadable: None })
}

/// Parses and checks the text of a catalog in TOML.
pub fn parse(text: &str) -> Result<Catalog, Vec<Fault>> {
    parse_beside(text, Format::Toml, Known::NONE)
}

/// Parses and checks a text beside what is known already.
pub fn parse_beside(text: &str, format: Format, known: Known<'_>) -> Result<Catalog, Vec<Fault>> {
    match format {
        Format::Json => {
            let file: wire::File = from_json(text).map_err(|fault| vec![fault])?;
            check::checked(file, known).map_err(|faults| placed(faults, At::pointer))
        }
        Format::Toml => {
            let file: wire::File = toml::from_str(text).map_err(|error| vec![toml_fault(text, &error)])?;
            check::checked(file, known).map_err(|faults| match DeTable::parse(text) {
                Ok(document) => placed(faults, |at| at.line(text, document.get_ref())),
                Err(error) => vec![toml_fault(text, &error)],
            })
        }
    }
}

/// Reads one purchase in JSON as a subscription of the catalog, with pointers. Its `id` may be left out where `id` is given,
/// and is that one.
pub fn purchase(
    text: &str,
    id: Option<&SubscriptionId>,
    products: &BTreeMap<ProductCode, Product>,
    known: Known<'_>,
) -> Result<Subscription, Vec<Fault>> {
    let one = |place: &str, message: &str| {
        vec![Fault { place: Place::Pointer(place.to_owned()), message: message.to_owned() }]
    };
    let mut value: serde_json::Value = from_json(text).map_err(|fault| vec![fault])?;
    if let (Some(id), Some(fields)) = (id, value.as_object_mut()) {
        let written = fields.entry("id").or_insert_with(|| id.as_str().into());
        if written.as_str() != Some(id.as_str()) {
            return Err(one("/id", "is another one than the address names"));
        }
    }
    let written: wire::Subscription = from_json(&value.to_string()).map_err(|fault| vec![fault])?;
    check::purchase(written, products, known).map_err(|faults| placed(faults, At::pointer))
}

fn placed(faults: Vec<check::Fault>, place: impl Fn(&At) -> Place) -> Vec<Fault> {
    let mut faults: Vec<Fault> = faults.into_iter().map(|(at, message)| Fault { place: place(&at), message }).collect();
    faults.sort_by(|a, b| (&a.place, &a.message).cmp(&(&b.place, &b.message)));
    faults
}

fn toml_fault(text: &str, error: &toml::de::Error) -> Fault {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    let message = with_nearest(error.message());
    let key = text.lines().nth(line - 1).and_then(|it| it.split_once('=')).map(|(key, _)| key.trim());
    let message = match key {
        Some(key) if !message.contains('`') => format!("`{key}`: {message}"),
        Some(_) | None => message,
    };
    Fault { place: Place::Line(line), message }
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut reader);
    let value = read.map_err(|error| {
        let steps = error.path().iter().map(|segment| match segment {
            serde_path_to_error::Segment::Seq { index } => format!("/{index}"),
            serde_path_to_error::Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => String::new(),
        });
        let pointer = steps.collect();
        json_fault(pointer, error.inner())
    })?;
    reader.end().map_err(|error| json_fault(String::new(), &error))?;
    Ok(value)
}

fn json_fault(pointer: String, error: &serde_json::Error) -> Fault {
    if !error.is_data() {
        let message = format!("this is not JSON (line {}, column {})", error.line(), error.column());
        return Fault { place: Place::Pointer(String::new()), message };
    }
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    Fault { place: Place::Pointer(pointer), message: with_nearest(message) }
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
