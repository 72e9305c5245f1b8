//! An installation of its own for each test, and the real binary at work on it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rosterd::store::{Queue, Settings, Store};
use serde_json::Value;

/// Whatever is waited for comes within this, or the test fails.
const DEADLINE: Duration = Duration::from_mins(1);

/// In the afternoon of a school day of the fixtures, in the district's own zone.
pub(crate) const DAY_1: &str = "2025-10-06T20:00:00Z";

/// Looks until there is something.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < DEADLINE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A configuration, a feed and a store in a folder of a test's own.
pub(crate) struct Installation {
    folder: tempfile::TempDir,
    url: String,
}

impl Installation {
    /// With the Mulberry Springs fixtures as CSV, the district `by-hand`, and `more` lines of configuration.
    pub(crate) fn new(first_sync: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("var/rosterd.db").display());
        Self::with_store(folder, url, first_sync, more)
    }

    /// The same over another store.
    pub(crate) fn over(url: String, first_sync: &str, more: &str) -> Self {
        Self::with_store(tempfile::tempdir().unwrap(), url, first_sync, more)
    }

    fn with_store(folder: tempfile::TempDir, url: String, first_sync: &str, more: &str) -> Self {
        let this = Self { folder, url };
        let feed = this.path("drop/upload-1");
        std::fs::create_dir_all(&feed).unwrap();
        for entry in std::fs::read_dir(fixture("mulberry-springs")).unwrap() {
            let from = entry.unwrap().path();
            if from.extension().is_some_and(|it| it == "csv") {
                std::fs::copy(&from, feed.join(from.file_name().unwrap())).unwrap();
            }
        }
        std::fs::copy(fixture("catalog.toml"), this.path("catalog.toml")).unwrap();
        let path = feed.display().to_string();
        this.configure(&this.settings_with(first_sync, &path, more));
        this
    }

    /// The usual settings with the feed at `path`, a line or more about it included.
    pub(crate) fn settings_with(&self, first_sync: &str, path: &str, more: &str) -> String {
        let (folder, url) = (self.folder.path().display(), &self.url);
        format!(
            "[store]\nurl = \"{url}\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [catalog]\npath = \"{folder}/catalog.toml\"\n\
             [schedule]\nspread_minutes = 0\n\
             [[district]]\nid = \"mulberry-springs\"\ntime_zone = \"America/Los_Angeles\"\n\
             first_sync = \"{first_sync}\"\nfeed = {{ kind = \"oneroster-csv\", path = \"{path}\" }}\n\
             [[district]]\nid = \"by-hand\"\ntime_zone = \"America/New_York\"\nfeed = {{ kind = \"manual\" }}\n{more}"
        )
    }

    pub(crate) fn configure(&self, text: &str) {
        std::fs::write(self.path("rosterd.toml"), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces a word in a file of the upload, as CSV needs it.
    pub(crate) fn rename(&self, file: &str, from: &str, to: &str) {
        let path = self.path("drop/upload-1").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        std::fs::write(&path, text.replace(from, &to.replace('"', "\"\""))).unwrap();
    }

    fn command(&self, now: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rosterd"));
        command.arg("--config").arg(self.path("rosterd.toml")).args(["--now", now]);
        command.env_remove("RUST_LOG").env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
        command
    }

    /// A one-shot command, to its end.
    pub(crate) fn cli(&self, now: &str, args: &[&str]) -> Output {
        self.command(now).args(args).output().unwrap()
    }

    /// The same with more in its environment.
    pub(crate) fn cli_with(&self, now: &str, args: &[&str], environment: &[(&str, &Path)]) -> Output {
        self.command(now).envs(environment.iter().copied()).args(args).output().unwrap()
    }

    /// A command that does not end by itself, with its standard output to be read.
    pub(crate) fn following(&self, now: &str, args: &[&str]) -> Child {
        self.command(now).args(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// A new token's secret.
    pub(crate) fn token(&self, name: &str, rest: &[&str]) -> String {
        let out = self.cli(DAY_1, &[&["token", "create", "--name", name], rest].concat());
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    }

    /// The daemon, not waited for.
    pub(crate) fn spawn(&self, now: &str) -> Daemon {
        self.spawn_with(now, &[])
    }

    /// The same with more in its environment.
    pub(crate) fn spawn_with(&self, now: &str, environment: &[(&str, &Path)]) -> Daemon {
        let mut command = self.command(now);
        command.envs(environment.iter().copied());
        command.arg("run").stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (stderr, kept) = (child.stderr.take().unwrap(), Arc::clone(&log));
        let reading = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        Daemon { child, log, reading: Some(reading), address: String::new() }
    }

    /// The daemon, listening.
    pub(crate) async fn start(&self, now: &str) -> Daemon {
        let mut daemon = self.spawn(now);
        daemon.listening().await;
        daemon
    }

    fn store_settings(&self) -> Settings {
        Settings { url: self.url.clone() }
    }

    pub(crate) async fn store(&self) -> Store {
        Store::open(&self.store_settings()).await.unwrap()
    }

    pub(crate) async fn queue(&self) -> Queue {
        Queue::open(&self.store_settings()).await.unwrap()
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A daemon at work; killed when the test ends.
pub(crate) struct Daemon {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    reading: Option<std::thread::JoinHandle<()>>,
    pub(crate) address: String,
}

impl Daemon {
    pub(crate) async fn listening(&mut self) {
        let log = Arc::clone(&self.log);
        let child = &mut self.child;
        self.address = until("the daemon to listen", async || {
            let ended = child.try_wait().unwrap();
            assert_eq!(ended, None, "{}", log.lock().unwrap().join("\n"));
            let address = |line: &String| {
                let line: Value = serde_json::from_str(line).ok()?;
                line.get("address")?.as_str().map(str::to_owned)
            };
            log.lock().unwrap().iter().find_map(address)
        })
        .await;
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status().unwrap();
        assert!(sent.success(), "the daemon was gone before SIG{name}");
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    pub(crate) async fn logs(&self, text: &str) {
        until(text, async || self.log().contains(text).then_some(())).await;
    }

    /// Its exit status and everything it said.
    pub(crate) async fn end(mut self) -> (ExitStatus, String) {
        let status = until("the daemon to end", async || self.child.try_wait().unwrap()).await;
        if let Some(reading) = self.reading.take() {
            reading.join().unwrap();
        }
        (status, self.log())
    }

    pub(crate) async fn stop(self) {
        self.signal("TERM");
        let (status, log) = self.end().await;
        assert_eq!(status.code(), Some(0), "{log}");
    }

    pub(crate) async fn kill(mut self) {
        self.child.kill().unwrap();
        self.end().await;
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) && self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

/// A client that asks nothing but what it is told to.
pub(crate) fn client() -> reqwest::Client {
    rosterd::feed::http::install_crypto();
    reqwest::Client::builder().no_proxy().build().unwrap()
}
