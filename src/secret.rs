//! Secrets of the configuration: written as a place to read from, read late, never shown (T4).

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Looks up an environment variable; an argument everywhere, so that tests need none.
pub type Environment = fn(&str) -> Option<String>;

/// The process's environment: the one place that reads it for secrets.
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A secret as the configuration gives it: `{ env = "NAME" }`, `{ file = "PATH" }` or plain text.
#[derive(Clone)]
pub struct Secret(Source);

#[derive(Clone)]
enum Source {
    Env(String),
    File(PathBuf),
    Plain(SecretString),
}

/// Why a secret cannot be had. Names the place, never the text.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment lacks it.
    #[error("the environment variable {0} is not set: set it for the service, or name another one")]
    NoVariable(String),
    /// The file cannot be read.
    #[error("the secret's file {path} cannot be read: check that it exists and that the service may read it")]
    NoFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// It is not text.
    #[error("the secret's file {0} is not UTF-8 text: save it as UTF-8")]
    NotText(PathBuf),
    /// There is nothing in it.
    #[error("the secret in {0} is empty")]
    Empty(String),
}

impl Secret {
    /// A secret given as plain text.
    pub fn plain(text: impl Into<String>) -> Self {
        Self(Source::Plain(SecretString::from(text.into())))
    }

    /// Reads it now. Line ends after it are cut off; an empty secret is an error.
    pub fn reveal(&self, environment: Environment) -> Result<SecretString, SecretError> {
        let (text, place) = match &self.0 {
            Source::Plain(text) => (text.expose_secret().to_owned(), "the configuration".to_owned()),
            Source::Env(name) => {
                let text = environment(name).ok_or_else(|| SecretError::NoVariable(name.clone()))?;
                (text, name.clone())
            }
            Source::File(path) => {
                let bytes = std::fs::read(path).map_err(|cause| SecretError::NoFile { path: path.clone(), cause })?;
                let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
                (text.ok_or_else(|| SecretError::NotText(path.clone()))?, path.display().to_string())
            }
        };
        // Editors of Windows begin a file with a byte order mark.
        let text = text.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(SecretError::Empty(place));
        }
        Ok(SecretString::from(text.to_owned()))
    }

    /// The file it is read from, if any.
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            Source::File(path) => Some(path),
            Source::Env(_) | Source::Plain(_) => None,
        }
    }

    /// Whether it stands in the configuration itself, of which `doctor` warns.
    pub fn is_plain(&self) -> bool {
        matches!(self.0, Source::Plain(_))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Env(name) => write!(f, "Secret(env {name})"),
            Source::File(path) => write!(f, "Secret(file {})", path.display()),
            Source::Plain(_) => f.write_str("Secret(plain)"),
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret: { env = \"NAME\" }, { file = \"PATH\" } or a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret::plain(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        use serde::de::Error as _;
        let wrong = "a secret takes exactly one key, `env` or `file`";
        let Some(key) = map.next_key::<String>()? else { return Err(A::Error::custom(wrong)) };
        let source = match key.as_str() {
            "env" => Source::Env(map.next_value()?),
            "file" => Source::File(map.next_value::<String>()?.into()),
            _ => return Err(A::Error::unknown_field(&key, &["env", "file"])),
        };
        if map.next_key::<String>()?.is_some() {
            return Err(A::Error::custom(wrong));
        }
        Ok(Secret(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        (name == "KNOWN").then(|| "from-env\n".to_owned())
    }

    fn read(json: &str) -> Result<Secret, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn a_secret_is_read_from_where_it_says_and_never_shown() {
        let plain = read(r#""canary""#).unwrap();
        assert!(plain.is_plain() && !format!("{plain:?}").contains("canary"));
        let env = read(r#"{"env":"KNOWN"}"#).unwrap();
        assert_eq!(env.reveal(environment).unwrap().expose_secret(), "from-env");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "from-file\r\n").unwrap();
        let file = read(&serde_json::json!({ "file": path }).to_string()).unwrap();
        assert_eq!(file.reveal(environment).unwrap().expose_secret(), "from-file");
    }

    #[test]
    fn a_secret_from_an_editor_of_windows_is_read_and_one_in_utf_16_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let file = read(&serde_json::json!({ "file": path }).to_string()).unwrap();
        std::fs::write(&path, "\u{feff}from-file\r\n").unwrap();
        assert_eq!(file.reveal(environment).unwrap().expose_secret(), "from-file");
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        for bytes in [wide("\u{feff}from-file"), wide("from-file"), b"caf\xe9".to_vec()] {
            std::fs::write(&path, bytes).unwrap();
            let refused = file.reveal(environment).unwrap_err().to_string();
            assert!(refused.contains("save it as UTF-8"), "{refused}");
        }
    }

    #[test]
    fn a_secret_that_is_not_there_says_where_it_was_looked_for() {
        let missing = read(r#"{"env":"UNKNOWN"}"#).unwrap().reveal(environment).unwrap_err();
        assert!(missing.to_string().contains("UNKNOWN"));
        assert!(matches!(Secret::plain("").reveal(environment), Err(SecretError::Empty(_))));
    }

    #[test]
    fn a_secret_takes_one_known_key() {
        assert!(read(r#"{"env":"A","file":"b"}"#).is_err());
        assert!(read(r#"{"vault":"b"}"#).unwrap_err().to_string().contains("vault"));
    }
}
