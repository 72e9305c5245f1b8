//! A rosterd with a store and a configuration of its own, beside the source that it pulls from.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::cost::{self, Cost};
use crate::district::District;
use crate::server::{PAGE, Server};

/// A rosterd of its own, and its source.
pub(crate) struct Installation {
    folder: tempfile::TempDir,
    pub(crate) server: Server,
    day: u32,
}

impl Installation {
    /// For a district of so many students, from a source that waits `delay` before each answer, over a store of its own or
    /// that at `postgres`; with `more` lines of configuration.
    pub(crate) fn new(students: usize, delay: Duration, postgres: Option<&str>, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(delay);
        let path = |name: &str| folder.path().join(name).display().to_string();
        let store = postgres.map_or_else(|| format!("sqlite:{}", path("rosterd.db")), str::to_owned);
        let config = format!(
            "[store]\nurl = \"{store}\"\n\n[catalog]\npath = \"{}\"\n\n[[district]]\nid = \"bench-{students}\"\nname = \"Bench\"\n\
             time_zone = \"America/Chicago\"\nfirst_sync = \"apply\"\nfeed = {{ kind = \"oneroster\", url = \
             \"{}/ims/oneroster/v1p1\", auth = {{ kind = \"bearer\", token = \"bench\" }}, page_size = {PAGE}, \
             max_requests_per_second = 1000 }}\n{more}",
            path("catalog.toml"),
            server.url
        );
        let mut catalog = String::new();
        for (code, percent) in [("math", 90), ("reading", 110), ("science", 10)] {
            let seats = students * percent / 100;
            write!(
                catalog,
                "[[product]]\ncode = \"{code}\"\nname = \"{code}\"\naudience = \"student\"\nbasis = \"enrolled\"\n\n\
                 [[subscription]]\nid = \"{code}-{students}\"\ndistrict = \"bench-{students}\"\nproduct = \"{code}\"\nseats = {seats}\n\
                 starts_on = 2026-07-01\nexpires_on = 2027-06-30\n\n"
            )
            .unwrap();
        }
        std::fs::write(folder.path().join("rosterd.toml"), config).unwrap();
        std::fs::write(folder.path().join("catalog.toml"), catalog).unwrap();
        Self { folder, server, day: 0 }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Leaves the folder behind; where it is.
    pub(crate) fn kept(self) -> PathBuf {
        self.folder.keep()
    }

    pub(crate) fn rosterd(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rosterd"));
        command.current_dir(self.folder.path()).stderr(Stdio::inherit()).stdout(Stdio::null());
        command
    }

    /// One night's sync, after which the run is what was `expected`.
    pub(crate) fn sync(&mut self, district: &District, expected: &str) -> Cost {
        self.day += 1;
        let now = format!("2026-10-{:02}T08:00:00.000Z", self.day);
        let id = format!("bench-{}", district.students());
        let report = self.folder.path().join("report.json");
        let mut command = self.rosterd();
        command.args(["sync", &id, "--config", "rosterd.toml", "--json", "--now", &now]);
        command.stdout(std::fs::File::create(&report).unwrap());
        let (cost, status) = cost::of(&mut command);
        let text = std::fs::read_to_string(report).unwrap();
        assert!(status.success() && text.contains(&format!("\"status\":\"{expected}\"")), "{status}: {text}");
        cost
    }
}
