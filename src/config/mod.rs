//! Settings: built-in defaults, then files, then `ROSTERD__SECTION__KEY` (interface.md, Configuration).
//!
//! Each section's type lives beside what it configures; here they are only put together, and every mistake is told with its
//! place before anything starts.

mod merge;
mod origin;

pub use self::origin::Origins;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::catalog;
use crate::district::District;
use crate::feed;
use crate::model::DistrictId;

/// Everything.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where rows are kept.
    #[serde(default)]
    pub store: crate::store::Settings,
    /// Where the daemon listens.
    #[serde(default)]
    pub http: crate::http::Settings,
    /// When it syncs.
    #[serde(default)]
    pub schedule: crate::schedule::Settings,
    /// Which reports it writes by itself.
    #[serde(default)]
    pub reports: crate::schedule::reports::Settings,
    /// What waits for a person.
    #[serde(default)]
    pub guard: crate::guard::Settings,
    /// How long people's data is kept.
    #[serde(default)]
    pub privacy: crate::erase::Settings,
    /// What logins are answered.
    #[serde(default)]
    pub access: crate::access::Settings,
    /// Who is told that there are more changes.
    #[serde(default)]
    pub changes: feed::Doorbell,
    /// Who is told of what.
    #[serde(default)]
    pub notify: crate::notify::Settings,
    /// Whom people ask for help.
    #[serde(default)]
    pub support: crate::model::Support,
    /// What is licensed.
    #[serde(default)]
    pub catalog: catalog::Settings,
    /// The districts named one by one.
    #[serde(default)]
    pub district: Vec<District>,
    /// Clever apps, whose districts are found by themselves.
    #[serde(default)]
    pub clever_app: Vec<feed::CleverApp>,
    /// `ClassLink` partners, whose tenants are found by themselves.
    #[serde(default)]
    pub classlink_app: Vec<feed::ClassLinkApp>,
    /// The files read, in order.
    #[serde(skip)]
    pub files: Vec<PathBuf>,
    /// Where each value comes from.
    #[serde(skip)]
    pub origins: Origins,
}

/// A mistake in the configuration; nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that was named cannot be read.
    #[error("cannot read the configuration {path}: {why}; check the path and its permissions")]
    Unreadable {
        /// The file.
        path: String,
        /// The kind of failure.
        why: ErrorKind,
    },
    /// A file is not TOML.
    #[error("{path}:{line}: {message}")]
    Syntax {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
        /// What the parser expected.
        message: String,
    },
    /// A key or value does not fit.
    #[error("configuration ({files}): {message}")]
    Invalid {
        /// The files read.
        files: String,
        /// What, where, and what to do.
        message: String,
    },
}

/// The files read when `--config` names none, if they are there.
pub const DEFAULT_FILES: [&str; 2] = ["config/rosterd.toml", "/etc/rosterd/rosterd.toml"];

/// Reads the files in order (later wins, lists merge by `id`) and the environment over them.
pub fn read(named: &[PathBuf]) -> Result<Settings, ConfigError> {
    let files: Vec<PathBuf> = if named.is_empty() {
        DEFAULT_FILES.iter().map(PathBuf::from).filter(|path| path.exists()).take(1).collect()
    } else {
        named.to_vec()
    };
    let (mut merged, mut origins) = (toml::Table::new(), Origins::default());
    for path in &files {
        let table = table(path)?;
        origins.file(&table, path);
        merge::over(&mut merged, table);
    }
    origins.environment(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()));
    let environment = config::Environment::with_prefix("ROSTERD").prefix_separator("__").separator("__");
    Ok(Settings { origins, ..assemble(&merged, environment.try_parsing(true), files)? })
}

/// Reads one text, as if it were a file of that name, without the environment.
pub fn parse(text: &str, name: &str) -> Result<Settings, ConfigError> {
    let environment = config::Environment::default().source(Some(config::Map::new()));
    assemble(&parsed(text, name.to_owned())?, environment, vec![PathBuf::from(name)])
}

fn table(path: &Path) -> Result<toml::Table, ConfigError> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::InvalidData => {
            ConfigError::Invalid { files: shown.clone(), message: "is not UTF-8 text: save it as UTF-8".to_owned() }
        }
        why => ConfigError::Unreadable { path: shown.clone(), why },
    })?;
    parsed(&text, shown)
}

fn parsed(text: &str, shown: String) -> Result<toml::Table, ConfigError> {
    text.parse().map_err(|error: toml::de::Error| {
        let offset = error.span().map_or(0, |span| span.start);
        let line = text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1;
        ConfigError::Syntax { path: shown, line, message: error.message().to_owned() }
    })
}

fn assemble(
    merged: &toml::Table,
    environment: config::Environment,
    files: Vec<PathBuf>,
) -> Result<Settings, ConfigError> {
    let invalid = |message: String| ConfigError::Invalid {
        files: files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
        message,
    };
    let file = config::File::from_str(&merged.to_string(), config::FileFormat::Toml);
    let built = config::Config::builder().add_source(file).add_source(environment).build();
    let mut settings: Settings =
        built.and_then(config::Config::try_deserialize).map_err(|error| invalid(words(&error)))?;
    settings.check().map_err(invalid)?;
    settings.files = files;
    Ok(settings)
}

/// The library's errors without the values they quote, which may be secrets.
fn words(error: &config::ConfigError) -> String {
    use config::ConfigError as E;
    match error {
        E::Type { expected, key, .. } => match key {
            Some(key) => format!("`{key}`: expected {expected}"),
            None => format!("expected {expected}"),
        },
        E::At { error, key, .. } => match key {
            Some(key) => format!("`{}`: {}", dotted(key), words(error)),
            None => words(error),
        },
        E::NotFound(key) => format!("`{}` is missing", dotted(key)),
        E::Message(message) => match message.strip_prefix("failed to parse timezone: ") {
            Some(zone) => zone_words(zone.trim_matches(['\'', '"'])),
            None => without_values(&catalog::with_nearest(message)),
        },
        _ => "a value does not fit its key".to_owned(),
    }
}

/// `district[0]time_zone`, as the library has it, with its dot.
fn dotted(key: &str) -> String {
    key.replace(']', "].").replace("].[", "][").trim_end_matches('.').to_owned()
}

/// A zone that is none, and the nearest where one is near.
fn zone_words(zone: &str) -> String {
    let known = chrono_tz::TZ_VARIANTS.iter().map(|it| it.name());
    let near = known.map(|it| (strsim::jaro_winkler(zone, it), it)).filter(|(near, _)| *near > 0.93);
    let near = near.max_by(|(a, _), (b, _)| a.total_cmp(b));
    let remedy = near.map_or_else(
        || "write one of the IANA database, such as `America/Chicago`".to_owned(),
        |(_, name)| format!("did you mean `{name}`?"),
    );
    format!("`{zone}` is no time zone; {remedy}")
}

/// Cuts what serde quotes of a value: `invalid value: string "…", expected …`.
fn without_values(message: &str) -> String {
    match (message.strip_prefix("invalid "), message.rsplit_once("expected ")) {
        (Some(_), Some((_, expected))) => format!("expected {expected}"),
        _ => message.to_owned(),
    }
}

impl Settings {
    /// Every app of either kind, in the order of the configuration.
    pub fn apps(&self) -> Vec<feed::App> {
        let clever = self.clever_app.iter().cloned().map(feed::App::Clever);
        clever.chain(self.classlink_app.iter().cloned().map(feed::App::ClassLink)).collect()
    }

    fn check(&self) -> Result<(), String> {
        let apps = self.apps();
        let mut seen = std::collections::BTreeSet::new();
        for district in &self.district {
            DistrictId::parse(&district.id).map_err(|error| format!("[[district]]: {error}"))?;
            if !seen.insert(district.id.as_str()) {
                return Err(format!("district `{}` is there twice", district.id));
            }
            if let Some(quiet) = &district.quiet_hours {
                quiet
                    .check(self.schedule.nightly_time())
                    .map_err(|error| format!("district `{}`: {error}", district.id))?;
            }
            district.feed.check().map_err(|error| format!("district `{}`: {error}", district.id))?;
            if let Some((table, app)) = district.feed.through()
                && !apps.iter().any(|it| (it.table(), it.id()) == (table, app))
            {
                return Err(format!(
                    "district `{}`: `feed.app` names `{app}`, which no [[{table}]] has as `id`",
                    district.id
                ));
            }
        }
        let mut ids = std::collections::BTreeSet::new();
        for app in &apps {
            app.check().map_err(|error| format!("{} `{}`: {error}", app.table(), app.id()))?;
            if !ids.insert(app.id()) {
                return Err(format!("app `{}` is there twice; give each an `id` of its own", app.id()));
            }
        }
        self.access.check()?;
        self.changes.check()?;
        self.notify.check()?;
        self.support.check()?;
        self.http.check()?;
        // Districts that an app finds are not known before it is asked; `doctor` looks at those.
        let mut named = self.http.oidc.iter().flat_map(crate::openid::Settings::districts);
        if let Some((group, district)) = named.find(|(_, it)| apps.is_empty() && !seen.contains(it)) {
            return Err(format!(
                "http.oidc.group `{group}`: there is no [[district]] with the id `{district}`; check the spelling"
            ));
        }
        self.catalog.check()?;
        if let Some(catalog::Source::Service { url, token }) = self.catalog.source() {
            let (ca_file, timeout_seconds) = (self.catalog.ca_file.as_deref(), self.catalog.timeout_seconds);
            let allow_insecure = self.catalog.allow_insecure;
            let service = feed::Service { url, token, ca_file, timeout_seconds, allow_insecure };
            service.check().map_err(|error| error.to_string())?;
        }
        self.reports.check()?;
        self.schedule.check()
    }

    /// The districts by id, those of Clever apps left out until they are found.
    pub fn district(&self, id: &str) -> Option<&District> {
        self.district.iter().find(|district| district.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str, environment: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        let variables = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let environment = config::Environment::with_prefix("ROSTERD")
            .prefix_separator("__")
            .separator("__")
            .try_parsing(true)
            .source(Some(variables));
        assemble(&text.parse().unwrap(), environment, vec![PathBuf::from("test.toml")])
    }

    #[test]
    fn an_empty_configuration_is_the_built_in_one_and_the_environment_wins() {
        let settings = read_text("[schedule]\nconcurrency = 3", &[("ROSTERD__SCHEDULE__CONCURRENCY", "7")]).unwrap();
        assert_eq!((settings.schedule.concurrency, settings.schedule.spread_minutes), (7, 120));
        assert_eq!(settings.store.url, "sqlite:var/rosterd.db");
        assert!(settings.guard.enabled);
    }

    #[test]
    fn an_unknown_key_is_refused_and_the_nearest_named() {
        let error = read_text("[schedule]\nnitly = \"02:00\"", &[]).unwrap_err().to_string();
        assert!(error.contains("unknown key `nitly`; did you mean `nightly`?"), "{error}");
    }

    #[test]
    fn a_wrong_value_is_told_by_its_key_and_never_quoted() {
        let error = read_text("[http]\nlisten = \"canary\"", &[]).unwrap_err().to_string();
        assert!(!error.contains("canary"), "{error}");
    }

    #[test]
    fn the_shipped_configuration_names_every_setting_with_its_default() {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/rosterd.toml")).unwrap();
        let shipped = read_text(&text, &[]).unwrap();
        let built_in = read_text("", &[]).unwrap();
        assert_eq!(format!("{shipped:?}"), format!("{built_in:?}"));
        for key in
            ["common_from", "lease_seconds", "refresh_minutes", "cool_down_minutes", "zero_from", "school_changed"]
        {
            assert!(text.lines().any(|line| line.starts_with(key)), "{key}");
        }
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config/catalog.example.toml");
        assert_eq!(catalog::read(Path::new(example)).unwrap().products.len(), 1);
    }

    #[test]
    fn a_group_that_names_what_there_is_not_is_refused() {
        let of = |scopes: &str, more: &str| {
            format!(
                "[http.oidc]\nissuer = \"https://id.example.com\"\nclient_id = \"rosterd\"\n\
                 public_url = \"https://rosterd.example.com\"\n[[http.oidc.group]]\nid = \"ops\"\nscopes = [{scopes}]\n\
                 districts = [\"oak\"]\n{more}"
            )
        };
        let oak = "[[district]]\nid = \"oak\"\ntime_zone = \"UTC\"\nfeed = { kind = \"manual\" }\n";
        let app = "[[clever_app]]\nid = \"main\"\nclient_id = \"a\"\nclient_secret = \"b\"\ntime_zone = \"UTC\"\n";
        for more in [oak, app] {
            read_text(&of("\"read\"", more), &[]).unwrap();
        }
        let error = read_text(&of("\"read\"", ""), &[]).unwrap_err().to_string();
        assert!(error.contains("`ops`: there is no [[district]] with the id `oak`"), "{error}");
        let error = read_text(&of("\"read\", \"aprove\"", oak), &[]).unwrap_err().to_string();
        assert!(error.contains("`ops`: there is no scope `aprove`; they are read,"), "{error}");
    }

    #[test]
    fn two_districts_of_one_id_are_refused() {
        let one = "[[district]]\nid = \"a\"\ntime_zone = \"UTC\"\nfeed = { kind = \"manual\" }\n";
        let error = read_text(&one.repeat(2), &[]).unwrap_err().to_string();
        assert!(error.contains("district `a` is there twice"), "{error}");
    }
}
