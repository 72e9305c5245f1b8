//! Where the store is.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::store::StoreError;

/// The section `[store]` of the configuration.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `sqlite:PATH` or `postgres://…`. May hold a password, so neither `Debug` nor any message shows it as it is.
    pub url: String,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("url", &self.shown()).finish()
    }
}

/// Which database a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The file of the store.
    Sqlite(PathBuf),
    /// The URL.
    Postgres(String),
}

impl Settings {
    /// The URL without its password, for messages.
    pub fn shown(&self) -> String {
        if self.url.starts_with("sqlite:") {
            return self.url.clone();
        }
        match url::Url::parse(&self.url) {
            Ok(mut url) => {
                url.set_query(None);
                if url.password().is_some() && url.set_password(Some("***")).is_err() {
                    return "postgres://…".to_owned();
                }
                url.to_string()
            }
            Err(_) => "…".to_owned(),
        }
    }

    pub(crate) fn place(&self) -> Result<Place, StoreError> {
        if let Some(path) = self.url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if !path.is_empty() && !path.contains('?') && path != ":memory:" {
                return Ok(Place::Sqlite(PathBuf::from(path)));
            }
        } else if self.url.starts_with("postgres://") || self.url.starts_with("postgresql://") {
            return Ok(Place::Postgres(self.url.clone()));
        }
        Err(StoreError::Url { url: self.shown() })
    }
}

/// `NAME-SUFFIX.EXT` beside `NAME.EXT`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(extension) => format!("{stem}-{suffix}.{}", extension.to_string_lossy()),
        None => format!("{stem}-{suffix}"),
    };
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Settings {
        Settings { url: url.to_owned() }
    }

    #[test]
    fn a_password_never_shows() {
        let it = settings("postgres://rosterd:canary@db.example/rosterd?password=canary");
        assert!(!format!("{it:?} {}", it.shown()).contains("canary"));
        let broken = settings("mysql://u:canary@h/x");
        assert!(!broken.place().unwrap_err().to_string().contains("canary"));
        assert!(!settings("canary not a url").place().unwrap_err().to_string().contains("canary"));
    }

    #[test]
    fn the_queue_lies_beside_the_store() {
        assert_eq!(beside(Path::new("var/rosterd.db"), "queue"), Path::new("var/rosterd-queue.db"));
        assert_eq!(beside(Path::new("/srv/store"), "queue"), Path::new("/srv/store-queue"));
    }

    #[test]
    fn a_url_names_one_of_two_databases() {
        let path = |it: &str| Ok(Place::Sqlite(PathBuf::from(it)));
        assert_eq!(settings("sqlite:var/rosterd.db").place(), path("var/rosterd.db"));
        assert_eq!(settings("sqlite:///srv/r.db").place(), path("/srv/r.db"));
        assert!(settings("sqlite::memory:").place().is_err());
        assert!(matches!(settings("postgres://h/x").place(), Ok(Place::Postgres(_))));
    }
}
