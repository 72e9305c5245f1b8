//! `GET /settings`: what this process goes by, read-only.

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use serde_json::Value;

use crate::http::App;
use crate::http::auth::Caller;
use crate::http::pages::{Frame, page};
use crate::http::problem::Problem;
use crate::openid;

struct Section {
    name: String,
    values: Vec<Setting>,
}

struct Setting {
    name: String,
    value: String,
    from: String,
}

#[derive(Template)]
#[template(path = "settings.html")]
struct Settings {
    frame: Frame,
    files: Vec<String>,
    sections: Vec<Section>,
}

/// The page.
pub(crate) async fn show(State(app): State<App>, caller: Caller) -> Result<Html<String>, Problem> {
    let settings = app.desk.office().settings;
    let section = |name: String, path: &str, values: Vec<(String, String)>| {
        let setting = |(name, value): (String, String)| {
            let from = settings.origins.of(&format!("{path}.{name}")).to_owned();
            Setting { name, value, from }
        };
        Section { name, values: values.into_iter().map(setting).collect() }
    };
    let of_process = |name: &str, values: &[(&str, String)]| {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        section(name.to_owned(), name, values)
    };
    let schedule = &settings.schedule;
    let mut sections = vec![
        of_process("store", &[("url", settings.store.shown())]),
        of_process("http", &[("listen", settings.http.listen.to_string())]),
        of_process(
            "schedule",
            &[
                ("nightly", schedule.nightly.clone()),
                ("spread_minutes", schedule.spread_minutes.to_string()),
                ("concurrency", schedule.concurrency.to_string()),
                ("lease_seconds", schedule.lease_seconds.to_string()),
            ],
        ),
        section("guard".to_owned(), "guard", flat(&serde_json::to_value(&settings.guard)?)),
    ];
    if let Some(oidc) = &settings.http.oidc {
        let path = "http.oidc";
        let values = of_provider(oidc).map(|(name, value)| (name.to_owned(), value)).to_vec();
        sections.insert(2, section(path.to_owned(), path, values));
        // Groups name districts.
        if caller.only().is_none() {
            let path = "http.oidc.group";
            sections.insert(3, section(path.to_owned(), path, oidc.group.iter().map(rights).collect()));
        }
    }
    for it in settings.district.iter().filter(|it| caller.sees(&it.id())) {
        let id = it.id();
        let values = [("name", it.name()), ("time_zone", it.time_zone.name()), ("feed", it.feed.kind())];
        let values = values.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        sections.push(section(format!("district {id}"), &format!("district.{id}"), values));
    }
    let files = settings.files.iter().map(|it| it.display().to_string()).collect();
    page(&Settings { frame: Frame::new(&app, &caller, "settings", "Settings"), files, sections })
}

/// The secret is none of them, only whether there is one.
fn of_provider(it: &openid::Settings) -> [(&'static str, String); 9] {
    let secret = if it.client_secret.is_some() { "given" } else { "none" };
    let scopes = ["openid", "profile"].into_iter().chain(it.scopes.iter().map(String::as_str));
    [
        ("issuer", it.issuer.clone()),
        ("client_id", it.client_id.clone()),
        ("client_secret", secret.to_owned()),
        ("public_url", it.public_url.clone()),
        ("groups_claim", it.groups_claim.clone()),
        ("scopes", scopes.collect::<Vec<_>>().join(" ")),
        ("label", it.label.clone()),
        ("session_minutes", it.session_minutes.to_string()),
        ("ca_file", it.ca_file.as_ref().map_or_else(|| "none".to_owned(), |it| it.display().to_string())),
    ]
}

/// A group, and what it gives where.
fn rights(it: &openid::Group) -> (String, String) {
    let places = if it.districts.is_empty() { "all districts".to_owned() } else { it.districts.join(", ") };
    (it.id.clone(), format!("{} in {places}", it.scopes.join(", ")))
}

/// The leaves of an object, each with its path.
fn flat(value: &Value) -> Vec<(String, String)> {
    fn walk(path: &str, value: &Value, into: &mut Vec<(String, String)>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    walk(&path, value, into);
                }
            }
            Value::String(text) => into.push((path.to_owned(), text.clone())),
            other => into.push((path.to_owned(), other.to_string())),
        }
    }
    let mut all = Vec::new();
    walk("", value, &mut all);
    all
}
