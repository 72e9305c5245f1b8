//! A rosterd with a store and a configuration of its own, beside the source that it pulls from.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use chrono::{Days, NaiveDate};

use crate::cost::{self, Cost};
use crate::server::{PAGE, Server};

/// What is licensed, and for how many in a hundred students.
const PRODUCTS: [(&str, usize); 3] = [("math", 90), ("reading", 110), ("science", 10)];

/// A rosterd of its own, and its source.
pub(crate) struct Installation {
    folder: tempfile::TempDir,
    pub(crate) server: Server,
    districts: usize,
    day: u64,
}

impl Installation {
    /// For so many districts of so many students, which all say the same, from a source that waits `delay` before each
    /// answer, over a store of its own or that at `postgres`; with `more` lines of configuration.
    pub(crate) fn new(students: usize, districts: usize, delay: Duration, postgres: Option<&str>, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(delay);
        let path = |name: &str| folder.path().join(name).display().to_string();
        let store = postgres.map_or_else(|| format!("sqlite:{}", path("rosterd.db")), str::to_owned);
        let mut config = format!("[store]\nurl = \"{store}\"\n\n[catalog]\npath = \"{}\"\n\n", path("catalog.toml"));
        let mut catalog = String::new();
        for (code, _) in PRODUCTS {
            write!(
                catalog,
                "[[product]]\ncode = \"{code}\"\nname = \"{code}\"\naudience = \"student\"\nbasis = \"enrolled\"\n\n"
            )
            .unwrap();
        }
        for number in 0..districts {
            let id = if number == 0 { format!("bench-{students}") } else { format!("bench-{students}-{number}") };
            write!(
                config,
                "[[district]]\nid = \"{id}\"\nname = \"Bench\"\n\
                 time_zone = \"America/Chicago\"\nfirst_sync = \"apply\"\nfeed = {{ kind = \"oneroster\", url = \
                 \"{}/ims/oneroster/v1p1\", auth = {{ kind = \"bearer\", token = \"bench\" }}, page_size = {PAGE}, \
                 max_requests_per_second = 1000 }}\n\n",
                server.url
            )
            .unwrap();
            for (code, percent) in PRODUCTS {
                let seats = students * percent / 100;
                write!(
                    catalog,
                    "[[subscription]]\nid = \"{code}-{id}\"\ndistrict = \"{id}\"\nproduct = \"{code}\"\nseats = {seats}\n\
                     starts_on = 2026-07-01\nexpires_on = 2027-06-30\n\n"
                )
                .unwrap();
            }
        }
        config.push_str(more);
        std::fs::write(folder.path().join("rosterd.toml"), config).unwrap();
        std::fs::write(folder.path().join("catalog.toml"), catalog).unwrap();
        let it = Self { folder, server, districts, day: 0 };
        if postgres.is_some() {
            let migrated = it.rosterd().args(["migrate", "--config", "rosterd.toml"]).status().unwrap();
            assert!(migrated.success(), "migrate: {migrated}");
        }
        it
    }

    /// The same, its first night so many days later: a store does not go back in time.
    pub(crate) fn later(self, days: u64) -> Self {
        Self { day: days, ..self }
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

    /// One night's sync of every district, after which each run is what was `expected`.
    pub(crate) fn sync(&mut self, expected: &str) -> Cost {
        let day = NaiveDate::from_ymd_opt(2026, 10, 1).unwrap() + Days::new(self.day);
        self.day += 1;
        let now = format!("{day}T08:00:00.000Z");
        let report = self.folder.path().join("report.json");
        let mut command = self.rosterd();
        command.args(["sync", "--all", "--config", "rosterd.toml", "--json", "--now", &now]);
        command.stdout(std::fs::File::create(&report).unwrap());
        let (cost, status) = cost::of(&mut command);
        let text = std::fs::read_to_string(report).unwrap();
        let as_expected = text.matches(&format!("\"status\":\"{expected}\"")).count();
        assert!(status.success() && as_expected == self.districts, "{status}: {as_expected}");
        cost
    }
}
