//! A vendor's installation in a folder of its own, and the simulated source that it syncs from.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use rosterd::simulate::{Options, Quirks, Server, Version, World};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::db::Backend;
use super::postgres;

pub(crate) const KINDS: [&str; 6] = ["schools", "sessions", "courses", "classes", "users", "enrollments"];

/// Nights of the fixtures' school year, as the demo plays them.
pub(crate) const NIGHT_1: &str = "2025-10-06T07:00:00.000Z";
pub(crate) const NIGHT_2: &str = "2025-10-07T07:00:00.000Z";
pub(crate) const NIGHT_3: &str = "2025-10-08T07:00:00.000Z";
pub(crate) const NIGHT_4: &str = "2025-10-09T07:00:00.000Z";
pub(crate) const NIGHT_5: &str = "2025-10-10T07:00:00.000Z";
pub(crate) const NIGHT_6: &str = "2025-10-11T07:00:00.000Z";

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The fixture districts named; only these are loaded.
pub(crate) fn world(district: &str) -> World {
    World::load(&fixtures().join(district)).unwrap()
}

/// A simulated server with one fixture district.
pub(crate) async fn serve(district: &str) -> Server {
    Server::start(world(district), Options::default()).await.unwrap()
}

pub(crate) fn quirks(list: &str) -> Quirks {
    Quirks::parse(list).unwrap()
}

/// `feed = …` of a OneRoster 1.1 server, signed.
pub(crate) fn oauth1(server: &Server, district: &str, method: &str) -> String {
    let url = server.oneroster_url(district, Version::V1p1);
    format!(
        r#"{{ kind = "oneroster", url = "{url}", auth = {{ kind = "oauth1", key = "{district}-key", secret = "{district}-secret", method = "{method}" }} }}"#
    )
}

/// `feed = …` of a OneRoster server with client credentials.
pub(crate) fn oauth2(server: &Server, district: &str, version: Version) -> String {
    let (url, token) = (server.oneroster_url(district, version), server.token_url(district));
    format!(
        r#"{{ kind = "oneroster", url = "{url}", auth = {{ kind = "oauth2", token_url = "{token}", client_id = "{district}-client", client_secret = "{district}-client-secret" }} }}"#
    )
}

/// `feed = …` of a OneRoster 1.1 server with a bearer that does not change.
pub(crate) fn bearer(server: &Server, district: &str) -> String {
    let url = server.oneroster_url(district, Version::V1p1);
    format!(r#"{{ kind = "oneroster", url = "{url}", auth = {{ kind = "bearer", token = "{district}-bearer" }} }}"#)
}

/// `feed = …` of a CSV upload.
pub(crate) fn csv(path: &Path) -> String {
    format!(r#"{{ kind = "oneroster-csv", path = "{}", settle_seconds = 0 }}"#, path.display())
}

/// `[[clever_app]]` with the id `app`.
pub(crate) fn clever_app(server: &Server, client_secret: &str) -> String {
    let base = server.base_url();
    format!(
        "[[clever_app]]\nid = \"app\"\nclient_id = \"clever-client\"\nclient_secret = \"{client_secret}\"\n\
         url = \"{base}\"\nauth_url = \"{base}\"\ntime_zone = \"America/Los_Angeles\"\nfirst_sync = \"apply\"\n"
    )
}

/// A `[[district]]` whose first sync applies.
pub(crate) fn district(id: &str, feed: &str) -> String {
    reviewed(id, feed).replace("\"review\"", "\"apply\"")
}

/// A `[[district]]` whose first sync waits for a person.
pub(crate) fn reviewed(id: &str, feed: &str) -> String {
    format!(
        "[[district]]\nid = \"{id}\"\nname = \"{id}\"\ntime_zone = \"America/Chicago\"\nfirst_sync = \"review\"\nfeed = {feed}\n"
    )
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) line: String,
    /// None if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Everything said, on either stream.
    pub(crate) fn said(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// Each of these words is said somewhere.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        let said = self.said();
        for word in words {
            assert!(said.contains(word), "`{word}` is not said: {self:#?}");
        }
        self
    }
}

/// An installation: a folder with a configuration, and a store of its own.
pub(crate) struct Site {
    pub(crate) backend: Backend,
    pub(crate) store_url: String,
    pub(crate) folder: TempDir,
}

impl Site {
    /// None if PostgreSQL is missing here.
    pub(crate) async fn new(backend: Backend) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let store_url = match backend {
            Backend::Sqlite => format!("sqlite:{}", folder.path().join("var/rosterd.db").display()),
            Backend::Postgres => postgres::bare_database().await?,
        };
        let site = Self { backend, store_url, folder };
        site.configure("");
        if backend == Backend::Postgres {
            site.run(&["migrate"]).await.exits(0);
        }
        Some(site)
    }

    pub(crate) async fn sqlite() -> Self {
        Self::new(Backend::Sqlite).await.unwrap()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes `rosterd.toml`: this store and `rest`.
    pub(crate) fn configure(&self, rest: &str) {
        let text = format!("[store]\nurl = \"{}\"\n\n{rest}", self.store_url);
        std::fs::write(self.folder().join("rosterd.toml"), text).unwrap();
    }

    /// As [`Site::configure`], with the catalog of the fixtures.
    pub(crate) fn configure_with_catalog(&self, rest: &str) {
        let catalog = fixtures().join("catalog.toml");
        self.configure(&format!("[catalog]\npath = \"{}\"\n\n{rest}", catalog.display()));
    }

    /// The program as it would be started here, without a word of the environment that tests run in.
    pub(crate) fn command(&self, words: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_rosterd"));
        self.prepare(&mut command);
        command.arg("--config").arg(self.folder().join("rosterd.toml")).args(words);
        command
    }

    pub(crate) fn prepare(&self, command: &mut tokio::process::Command) {
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("USER", "tester").env("HOME", self.folder()).current_dir(self.folder());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    }

    pub(crate) async fn run(&self, words: &[&str]) -> Ran {
        finished(self.command(words), words.join(" ")).await
    }

    /// A command at an instant.
    pub(crate) async fn at(&self, now: &str, words: &[&str]) -> Ran {
        self.run(&[&["--now", now], words].concat()).await
    }

    /// `sync DISTRICT --json` at an instant.
    pub(crate) async fn sync(&self, now: &str, district: &str) -> Ran {
        self.at(now, &["sync", district, "--json"]).await
    }

    /// The active records of a kind, one object a line.
    pub(crate) async fn roster(&self, district: &str, kind: &str) -> String {
        self.run(&["roster", "--district", district, "--kind", kind, "--json"]).await.exits(0).out
    }

    /// The active records of all kinds.
    pub(crate) async fn rosters(&self, district: &str) -> String {
        let mut all = String::new();
        for kind in KINDS {
            all += &self.roster(district, kind).await;
        }
        all
    }

    pub(crate) async fn licenses(&self, now: &str) -> Value {
        self.at(now, &["licenses", "--json"]).await.exits(0).json()
    }

    /// The whole audit of a district, one entry a line.
    pub(crate) async fn audit(&self, district: &str) -> String {
        self.run(&["audit", "export", "--district", district, "--format", "jsonl"]).await.exits(0).out
    }

    /// `verify` finds nothing.
    pub(crate) async fn verified(&self) {
        self.run(&["verify"]).await.exits(0);
    }

    /// Roster and audit of a district as they are now: what must not move when nothing may be applied.
    pub(crate) async fn state(&self, district: &str) -> String {
        format!("{}{}", self.rosters(district).await, self.audit(district).await)
    }

    pub(crate) async fn discard(&self) {
        if self.backend == Backend::Postgres {
            postgres::drop_database(&self.store_url).await;
        }
    }
}

pub(crate) async fn finished(mut command: tokio::process::Command, line: String) -> Ran {
    let output = command.output().await.unwrap();
    Ran {
        line,
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// The values of `field` of the objects given one a line.
pub(crate) fn column(lines: &str, field: &str) -> Vec<String> {
    let value = |line: &str| serde_json::from_str::<Value>(line).unwrap()[field].as_str().unwrap().to_owned();
    lines.lines().map(value).collect()
}

/// Recomputes the chain of an export as safety.md, Audit, tells anyone to, and returns its head.
#[track_caller]
pub(crate) fn chain_head(export: &str) -> String {
    let mut prev = "0".repeat(64);
    for (seq, line) in (1_u64..).zip(export.lines()) {
        let mut entry: Value = serde_json::from_str(line).unwrap();
        let fields = entry.as_object_mut().unwrap();
        let (named, hash) = (fields.remove("prev").unwrap(), fields.remove("hash").unwrap());
        assert_eq!((&entry["seq"], &named), (&Value::from(seq), &Value::from(prev.as_str())), "{line}");
        // `serde_json` keeps the keys of an object sorted, as `jq -S` does
        prev = digest(&format!("{prev}\n{entry}"));
        assert_eq!(hash, Value::from(prev.as_str()), "{line}");
    }
    prev
}
