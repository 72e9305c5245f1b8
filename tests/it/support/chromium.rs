//! A real browser for the pages: Debian's `chromium` and `chromedriver`, and axe-core for what a screen reader needs.
//!
//! Where they are not found tests are skipped, loudly; with `CI` set that is a failure.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::support::daemon::until;

/// Where axe-core is: a file that `.ci/run` fetches.
const AXE: &str = "ROSTERD_TEST_AXE";

/// How the pages are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Light,
    Dark,
}

/// A browser of its own for a test.
pub(crate) struct Chromium {
    driver: Child,
    client: Client,
    _profile: tempfile::TempDir,
}

fn missing(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "{what}: CI must have it");
    eprintln!("SKIPPED: {what}");
}

/// The text of axe-core, if it is here.
pub(crate) fn axe() -> Option<String> {
    let Some(path) = std::env::var_os(AXE).map(PathBuf::from) else {
        missing(&format!("{AXE} does not name axe-core's axe.min.js"));
        return None;
    };
    Some(std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

impl Chromium {
    pub(crate) async fn start(scheme: Scheme, (width, height): (u32, u32)) -> Option<Self> {
        let found = Command::new("chromedriver").arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let Ok(mut driver) = found else {
            missing("there is no chromedriver (Debian: chromium, chromium-driver)");
            return None;
        };
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.unwrap();
            line.split_once("started successfully on port ").map(|(_, port)| port.trim_end_matches('.').to_owned())
        });
        // Whatever else it says must find somebody who reads.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().unwrap();
        let args = [
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
            format!("--window-size={width},{height}"),
            format!("--blink-settings=preferredColorScheme={}", u8::from(scheme == Scheme::Light)),
        ];
        let capabilities = json!({ "goog:chromeOptions": { "args": args } });
        let connected = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{}", port.unwrap()))
            .await;
        let client = connected.unwrap_or_else(|error| panic!("no session: {error}"));
        let it = Self { driver, client, _profile: profile };
        it.client.set_window_size(width, height).await.unwrap();
        Some(it)
    }

    pub(crate) async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// The element, once it is there.
    pub(crate) async fn element(&self, css: &str) -> Element {
        let wait = self.client.wait().at_most(Duration::from_secs(30)).every(Duration::from_millis(20));
        match wait.for_element(Locator::Css(css)).await {
            Ok(element) => element,
            Err(error) => panic!("{css}: {error}\n{}", self.text().await),
        }
    }

    pub(crate) async fn click(&self, css: &str) {
        self.element(css).await.click().await.unwrap();
    }

    pub(crate) async fn follow(&self, text: &str) {
        let found = self.client.find(Locator::LinkText(text)).await;
        let link = match found {
            Ok(link) => link,
            Err(error) => panic!("{text}: {error}\n{}", self.text().await),
        };
        link.click().await.unwrap();
    }

    pub(crate) async fn write(&self, css: &str, text: &str) {
        let field = self.element(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// What a reader of the page sees.
    pub(crate) async fn text(&self) -> String {
        self.script("return document.body.innerText", &[]).await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page shows a text.
    pub(crate) async fn shows(&self, text: &str) {
        until(text, async || self.text().await.contains(text).then_some(())).await;
    }

    /// Presses a button, and waits for the page that it leads to.
    pub(crate) async fn press(&self, css: &str) {
        let before = self.client.current_url().await.unwrap();
        self.click(css).await;
        until("another page", async || (self.client.current_url().await.unwrap() != before).then_some(())).await;
    }

    pub(crate) async fn path(&self) -> String {
        self.client.current_url().await.unwrap().path().to_owned()
    }

    pub(crate) async fn script(&self, script: &str, args: &[Value]) -> Value {
        self.client.execute(script, args.to_vec()).await.unwrap()
    }

    /// What axe-core finds wrong with the page, by the rules of WCAG 2.2, levels A and AA.
    pub(crate) async fn violations(&self, axe: &str) -> Vec<String> {
        self.client.execute(axe, Vec::new()).await.unwrap();
        let run = "const done = arguments[arguments.length - 1];\
             axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })\
                .then(it => done(it.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' | '))),\
                      error => done(['axe failed: ' + error]));";
        let found = self.client.execute_async(run, Vec::new()).await.unwrap();
        serde_json::from_value(found).unwrap()
    }

    pub(crate) async fn picture(&self) -> Vec<u8> {
        self.client.screenshot().await.unwrap()
    }

    pub(crate) async fn close(mut self) {
        self.client.clone().close().await.unwrap();
        self.driver.kill().unwrap();
        self.driver.wait().unwrap();
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        if matches!(self.driver.try_wait(), Ok(None)) && self.driver.kill().is_ok() {
            drop(self.driver.wait());
        }
    }
}
