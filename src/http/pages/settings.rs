//! `GET /settings`: what this process goes by, read-only.

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use serde_json::Value;

use crate::http::App;
use crate::http::auth::Caller;
use crate::http::pages::{Frame, page};
use crate::http::problem::Problem;

struct Section {
    name: String,
    values: Vec<(String, String)>,
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
    let text = |it: &str| it.to_owned();
    let mut sections = vec![
        Section { name: text("store"), values: vec![(text("url"), settings.store.shown())] },
        Section { name: text("http"), values: vec![(text("listen"), settings.http.listen.to_string())] },
        Section {
            name: text("schedule"),
            values: vec![
                (text("nightly"), settings.schedule.nightly.clone()),
                (text("spread_minutes"), settings.schedule.spread_minutes.to_string()),
                (text("concurrency"), settings.schedule.concurrency.to_string()),
                (text("lease_seconds"), settings.schedule.lease_seconds.to_string()),
            ],
        },
        Section { name: text("guard"), values: flat(&serde_json::to_value(&settings.guard)?) },
    ];
    for it in settings.district.iter().filter(|it| caller.sees(&it.id())) {
        let values = vec![
            (text("name"), it.name().to_owned()),
            (text("time_zone"), it.time_zone.name().to_owned()),
            (text("feed"), it.feed.kind().to_owned()),
        ];
        sections.push(Section { name: format!("district {}", it.id()), values });
    }
    let files = settings.files.iter().map(|it| it.display().to_string()).collect();
    page(&Settings { frame: Frame::new(&app, &caller, "settings", "Settings"), files, sections })
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
