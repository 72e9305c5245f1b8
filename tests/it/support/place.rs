//! A small district with two schools on a store of its own: an upload that a test changes cell by cell, and a catalog.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::db::Backend;
use super::upload::Upload;
use super::vendor::{self, Site};

pub(crate) const OAK: &str = "oak";

pub(crate) const CATALOG: &str = r#"
[[product]]
code = "reading"
name = "Reading"
audience = "student"
basis = "enrolled"

[[product]]
code = "studio"
name = "Studio"
audience = "educator"
basis = "role"
roles = ["teacher"]

[[subscription]]
id = "R-1"
district = "oak"
product = "reading"
seats = 100
starts_on = 2025-07-01
expires_on = 2026-06-30

[[subscription]]
id = "S-1"
district = "oak"
product = "studio"
seats = 10
starts_on = 2025-07-01
expires_on = 2026-06-30
"#;

/// A district with two schools, and its upload.
pub(crate) struct Place {
    pub(crate) site: Arc<Site>,
    pub(crate) upload: Upload,
}

impl Place {
    pub(crate) async fn on(backend: Backend, more: &str) -> Option<Self> {
        let site = Site::new(backend).await?;
        std::fs::write(site.folder().join("catalog.toml"), CATALOG).unwrap();
        let mut upload = Upload::new(&site.folder().join("upload"), &["s1", "s2"]);
        for (class, school, teacher) in [("c1", "s1", "t1"), ("c2", "s2", "t2")] {
            upload.class(class, school).user(teacher, "teacher", school).enroll(teacher, class, school, "teacher");
        }
        upload.students("a", 30, "s1", "c1").students("b", 30, "s2", "c2");
        let it = Self { site: Arc::new(site), upload };
        it.configure(more);
        Some(it)
    }

    /// The district and its catalog, and `more` sections.
    pub(crate) fn configure(&self, more: &str) {
        let (catalog, district) =
            (self.site.folder().join("catalog.toml"), vendor::district(OAK, &vendor::csv(&self.folder())));
        self.site.configure(&format!("[catalog]\npath = \"{}\"\n{more}\n{district}", catalog.display()));
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.site.folder().join("upload")
    }

    pub(crate) async fn sync(&self, now: &str, code: i32) -> Value {
        self.upload.write();
        let run = self.site.sync(now, OAK).await.exits(code).json();
        self.site.verified().await;
        run
    }

    /// A command's answer at an instant.
    pub(crate) async fn json(&self, now: &str, words: &[&str]) -> Value {
        self.site.at(now, &[words, &["--json"]].concat()).await.exits(0).json()
    }

    /// How the district stands.
    pub(crate) async fn shown(&self, now: &str) -> Value {
        self.json(now, &["district", "show", OAK]).await
    }

    /// A person's decision on a user and the reading product, `--pin` or `--exclude`.
    pub(crate) async fn decide(&self, now: &str, user: &str, kind: &str, reason: &str) -> Value {
        let whom = ["override", "set", "--district", OAK, "--user", user, "--product", "reading"];
        self.json(now, &[&whom[..], &[kind, "--reason", reason]].concat()).await
    }

    /// A catalog in which the product has exactly so many seats.
    pub(crate) fn sells(&self, seats: u32) {
        let text = CATALOG.replace("seats = 100", &format!("seats = {seats}"));
        std::fs::write(self.site.folder().join("catalog.toml"), text).unwrap();
    }

    /// A catalog in which some words are others.
    pub(crate) fn says(&self, old: &str, new: &str) {
        assert!(CATALOG.contains(old), "{old}");
        std::fs::write(self.site.folder().join("catalog.toml"), CATALOG.replacen(old, new, 1)).unwrap();
    }

    pub(crate) async fn holders(&self, product: &str) -> Vec<(String, String, String)> {
        let seats = self.site.run(&["seats", "--district", OAK, "--product", product, "--json"]).await.exits(0).json();
        let text = |it: &Value, key: &str| it[key].as_str().unwrap().to_owned();
        let holder = |it: &Value| (text(it, "user"), text(it, "since"), text(it, "state"));
        seats["holders"].as_array().unwrap().iter().map(holder).collect()
    }

    pub(crate) async fn seat(&self, product: &str, user: &str) -> Option<(String, String)> {
        let holders = self.holders(product).await.into_iter();
        holders.filter(|(id, _, _)| id == user).map(|(_, since, state)| (since, state)).next()
    }

    /// The same once more, on this night, changes nothing.
    pub(crate) async fn ends(self, now: &str) {
        let before = self.site.state(OAK).await;
        let run = self.site.sync(now, OAK).await.json();
        assert_eq!((&run["status"], &run["audit"]), (&json!("unchanged"), &Value::Null), "{run:#}");
        assert_eq!(self.site.state(OAK).await, before);
    }
}

/// Tells a story on both databases. Each ends with the same run once more, whatever it came to, and that changes nothing: neither
/// the roster, nor a seat, nor an entry of the audit.
pub(crate) async fn on_both<F: Future<Output = ()>>(more: &str, story: impl Fn(Place) -> F) {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        if let Some(place) = Place::on(backend, more).await {
            let site = Arc::clone(&place.site);
            story(place).await;
            once_more(&site, OAK).await;
            site.discard().await;
        }
    }
}

/// The same run of a district once more, at the instant of the last: neither the roster, nor a seat, nor an entry of the audit
/// moves, whatever the run comes to, and the store stays clean. What the story left undecided stays so.
pub(crate) async fn once_more(site: &Site, district: &str) {
    let runs = site.run(&["runs", "list", "--district", district, "--json"]).await.exits(0).json();
    let last = runs.as_array().unwrap().iter().filter_map(|run| run["as_of"].as_str()).max().unwrap().to_owned();
    let rows = site.run(&["licenses", "--district", district, "--json"]).await.exits(0).json();
    let products: Vec<String> =
        rows.as_array().unwrap().iter().map(|row| row["product"].as_str().unwrap().to_owned()).collect();
    let everything = async || {
        let mut all = site.state(district).await;
        for product in &products {
            all += &site.run(&["seats", "--district", district, "--product", product, "--json"]).await.exits(0).out;
        }
        all
    };
    let before = everything().await;
    let run = site.sync(&last, district).await;
    assert!(matches!(run.code, Some(0 | 1 | 3)), "{run:#?}");
    assert!(everything().await == before, "the same once more changed something: {run:#?}");
    site.verified().await;
}

pub(crate) fn groups(run: &Value) -> Vec<&str> {
    run["holds"].as_array().unwrap().iter().map(|it| it["group"].as_str().unwrap()).collect()
}
