//! A small district with two schools on a store of its own: an upload that a test changes cell by cell, and a catalog.

use std::path::PathBuf;

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
    pub(crate) site: Site,
    pub(crate) upload: Upload,
}

impl Place {
    pub(crate) async fn on(backend: Backend, more: &str) -> Option<Self> {
        let site = Site::new(backend).await?;
        let (folder, catalog) = (site.folder().join("upload"), site.folder().join("catalog.toml"));
        std::fs::write(&catalog, CATALOG).unwrap();
        let district = vendor::district(OAK, &vendor::csv(&folder));
        site.configure(&format!("[catalog]\npath = \"{}\"\n{more}\n{district}", catalog.display()));
        let mut upload = Upload::new(&folder, &["s1", "s2"]);
        for (class, school, teacher) in [("c1", "s1", "t1"), ("c2", "s2", "t2")] {
            upload.class(class, school).user(teacher, "teacher", school).enroll(teacher, class, school, "teacher");
        }
        upload.students("a", 30, "s1", "c1").students("b", 30, "s2", "c2");
        Some(Self { site, upload })
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

    /// The same once more changes nothing.
    pub(crate) async fn ends(self, now: &str) {
        let before = self.site.state(OAK).await;
        let run = self.site.sync(now, OAK).await.json();
        assert_eq!((&run["status"], &run["audit"]), (&json!("unchanged"), &Value::Null), "{run:#}");
        assert_eq!(self.site.state(OAK).await, before);
        self.site.discard().await;
    }
}

pub(crate) async fn on_both<F: Future<Output = ()>>(more: &str, story: impl Fn(Place) -> F) {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        if let Some(place) = Place::on(backend, more).await {
            story(place).await;
        }
    }
}

pub(crate) fn groups(run: &Value) -> Vec<&str> {
    run["holds"].as_array().unwrap().iter().map(|it| it["group"].as_str().unwrap()).collect()
}
