//! Where each value comes from, for the page that shows them: a file, a variable of the environment, or neither.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use super::merge;

/// Places of values by dotted path; members of a list that have an `id` go by it: `district.springfield.time_zone`.
#[derive(Clone, Debug, Default)]
pub struct Origins(BTreeMap<String, String>);

/// What is said of a value that nobody gave.
const BUILT_IN: &str = "default";

impl Origins {
    /// Notes what a file gives, over what was there before.
    pub(super) fn file(&mut self, table: &Table, path: &Path) {
        let place = path.display().to_string();
        for (name, value) in table {
            self.walk(name, value, &place);
        }
    }

    /// Notes what variables of the environment give, by their names.
    pub(super) fn environment(&mut self, names: impl Iterator<Item = String>) {
        for name in names {
            if let Some(key) = name.strip_prefix("ROSTERD__") {
                self.0.insert(key.to_ascii_lowercase().replace("__", "."), name);
            }
        }
    }

    fn walk(&mut self, path: &str, value: &Value, place: &str) {
        match value {
            Value::Table(fields) => {
                for (name, value) in fields {
                    self.walk(&format!("{path}.{name}"), value, place);
                }
            }
            Value::Array(items) if items.iter().any(|it| merge::id(it).is_some()) => {
                for item in items {
                    if let Some(id) = merge::id(item) {
                        self.walk(&format!("{path}.{id}"), item, place);
                    }
                }
            }
            _ => {
                self.0.insert(path.to_owned(), place.to_owned());
            }
        }
    }

    /// Where the value at a path comes from; of one with parts, where the first of them does.
    pub fn of(&self, path: &str) -> &str {
        let part = format!("{path}.");
        let parts = || self.0.range(part.clone()..).next().filter(|(known, _)| known.starts_with(&part));
        self.0.get(path).or_else(|| parts().map(|(_, place)| place)).map_or(BUILT_IN, String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_to_say_something_is_named() {
        let mut origins = Origins::default();
        let tables = [
            (
                "a.toml",
                "[http]\nlisten = \"a\"\nopen_metrics = true\n[[district]]\nid = \"oak\"\ntime_zone = \"UTC\"\nfeed = { kind = \"manual\" }",
            ),
            (
                "b.toml",
                "[http]\nlisten = \"b\"\n[[district]]\nid = \"elm\"\ntime_zone = \"UTC\"\n[[district]]\nid = \"oak\"\nname = \"Oak\"",
            ),
        ];
        for (name, text) in tables {
            origins.file(&text.parse().unwrap(), Path::new(name));
        }
        origins.environment(["HOME", "ROSTERD__SCHEDULE__NIGHTLY"].map(str::to_owned).into_iter());
        for (path, place) in [
            ("http.listen", "b.toml"),
            ("http.open_metrics", "a.toml"),
            ("http.requests_per_second", "default"),
            ("schedule.nightly", "ROSTERD__SCHEDULE__NIGHTLY"),
            ("district.oak.time_zone", "a.toml"),
            ("district.oak.name", "b.toml"),
            ("district.oak.feed", "a.toml"),
            ("district.elm.feed", "default"),
        ] {
            assert_eq!(origins.of(path), place, "{path}");
        }
    }
}
