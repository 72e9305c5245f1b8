//! Bodies that break off (reliability.md F36): a page of JSON or a zip that is cut anywhere is an error; of CSV files, which have
//! no end of their own, no row is ever half taken.
//!
//! Everything at every byte, by command: `cargo test --release --test it truncated:: -- --ignored --nocapture`

use std::collections::BTreeSet;
use std::io::{Cursor, Write};
use std::sync::Arc;

use rosterd::feed::page::{self, Dialect};
use rosterd::feed::{self, Context, FeedError, Progress};
use rosterd::model::{Kind, RosterRecord};
use rosterd::simulate::{Server, Version};
use rosterd::snapshot::{Presence, Seen, Snapshot};
use serde_json::Value;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::story::at;
use crate::support::vendor;

const ONEROSTER: [&str; 3] = ["pomegranate-charter", "mulberry-springs", "clever-demo"];

/// Every first page of a fixture district, of so many rows: whose it is, of what, and the body.
async fn pages(district: &str, rows: usize) -> Vec<(Dialect, Kind, Vec<u8>)> {
    let server = vendor::serve(district).await;
    let (dialect, token, base) = if district == "clever-demo" {
        (Dialect::Clever, clever_token(&server).await, format!("{}/v3.0", server.base_url()))
    } else {
        (Dialect::OneRoster, format!("{district}-bearer"), server.oneroster_url(district, Version::V1p1))
    };
    let collections = match dialect {
        Dialect::OneRoster => ["orgs", "academicSessions", "courses", "classes", "users", "enrollments"],
        Dialect::Clever => ["schools", "terms", "courses", "sections", "users", ""],
    };
    let mut pages = Vec::new();
    for (kind, collection) in Kind::ALL.into_iter().zip(collections).filter(|(_, it)| !it.is_empty()) {
        let url = format!("{base}/{collection}?limit={rows}");
        let answer = client().get(url).bearer_auth(&token).send().await.unwrap();
        assert!(answer.status().is_success(), "{collection}: {}", answer.status());
        pages.push((dialect, kind, answer.bytes().await.unwrap().to_vec()));
    }
    pages
}

fn client() -> reqwest::Client {
    // whoever comes first
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::new()
}

async fn clever_token(server: &Server) -> String {
    let url = format!("{}/oauth/tokens?owner_type=district", server.base_url());
    let answer = client().get(url).basic_auth("clever-client", Some("clever-secret")).send().await.unwrap();
    let list: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    list["data"][0]["access_token"].as_str().unwrap().to_owned()
}

/// How many bodies were cut, and how often.
async fn cut_pages(rows: usize) -> (usize, usize) {
    let (mut bodies, mut cuts) = (0, 0);
    for district in ONEROSTER {
        for (dialect, kind, body) in pages(district, rows).await {
            let whole = page::read(dialect, kind, &body).unwrap();
            assert!(whole.rows > 0, "{district}: {kind}");
            for end in 0..body.trim_ascii_end().len() {
                let cut = page::read(dialect, kind, &body[..end]);
                assert!(cut.is_err(), "{district}: {kind} of {} bytes, cut at {end}", body.len());
            }
            bodies += 1;
            cuts += body.len();
        }
    }
    (bodies, cuts)
}

fn packed(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn files(district: &str) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(vendor::fixtures().join(district)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "csv") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            files.push((name, std::fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

async fn sent(upload: Vec<u8>) -> Result<Snapshot, FeedError> {
    let context = Context {
        district: "d".into(),
        now: at(0, 8),
        last: None,
        recall: None,
        turnstile: None,
        apps: Vec::new(),
        environment: |_| None,
        progress: Arc::new(Progress::default()),
    };
    feed::read_sent(upload, context).await
}

/// The records, each as one line.
fn records(snapshot: &Snapshot) -> BTreeSet<String> {
    fn of<T: RosterRecord>(seen: &Seen<T>) -> impl Iterator<Item = String> {
        seen.values().filter_map(|it| match it {
            Presence::This(it) => Some(T::shared(it.clone()).roster_line().unwrap()),
            _ => None,
        })
    }
    let (orgs, sessions) = (of(&snapshot.schools), of(&snapshot.sessions));
    let (courses, classes) = (of(&snapshot.courses), of(&snapshot.classes));
    let people = of(&snapshot.users).chain(of(&snapshot.enrollments));
    orgs.chain(sessions).chain(courses).chain(classes).chain(people).collect()
}

/// Whether a cut lies in the last field of a row. Many exports end without a newline, so nobody can see that such a row is
/// not whole.
fn in_last_field(text: &[u8], end: usize) -> bool {
    let begins = text[..end].iter().rposition(|byte| *byte == b'\n').map_or(0, |it| it + 1);
    let ends = text[end..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |it| end + it);
    end > begins && !text[end..ends].contains(&b',')
}

/// Cuts each file of a district at every `step`-th byte; how often, and how often the rest was refused.
async fn cut_files(district: &str, step: usize) -> (usize, usize) {
    let whole = files(district);
    let all = records(&sent(packed(&whole)).await.unwrap());
    let (mut cuts, mut refused) = (0, 0);
    for number in 0..whole.len() {
        let text = whole[number].1.clone();
        for end in (0..text.len()).step_by(step) {
            let mut files = whole.clone();
            files[number].1.truncate(end);
            cuts += 1;
            let Ok(snapshot) = sent(packed(&files)).await else {
                refused += 1;
                continue;
            };
            let name = &files[number].0;
            let unknown = records(&snapshot).difference(&all).count();
            let allowed = usize::from(in_last_field(&text, end));
            assert!(unknown <= allowed || name == "manifest.csv", "{name} cut at {end}: {unknown} rows are not whole");
        }
    }
    (cuts, refused)
}

async fn cut_zip(district: &str, step: usize) -> usize {
    let whole = packed(&files(district));
    sent(whole.clone()).await.unwrap();
    let mut cuts = 0;
    for end in (0..whole.len()).step_by(step) {
        cuts += 1;
        assert!(sent(whole[..end].to_vec()).await.is_err(), "a zip of {} bytes, cut at {end}", whole.len());
    }
    cuts
}

#[tokio::test]
async fn a_page_cut_at_any_byte_is_an_error() {
    let (bodies, cuts) = cut_pages(2).await;
    assert!(bodies == 17 && cuts > 5000, "{bodies} bodies, {cuts} bytes");
}

#[tokio::test]
async fn a_zip_that_is_cut_is_an_error_and_no_row_of_a_cut_file_is_half_taken() {
    assert!(cut_zip("pomegranate-charter", 13).await > 100);
    let (cuts, refused) = cut_files("pomegranate-charter", 61).await;
    assert!(refused > cuts / 2, "{refused} of {cuts}");
}

#[tokio::test]
#[ignore = "a command of its own: it takes its time"]
async fn every_fixture_is_cut_at_every_byte() {
    let (bodies, cuts) = cut_pages(100).await;
    eprintln!("{bodies} pages, {cuts} cuts");
    for district in ["pomegranate-charter", "mulberry-springs"] {
        eprintln!("{district}: a zip, {} cuts", cut_zip(district, 1).await);
    }
    let (cuts, refused) = cut_files("pomegranate-charter", 1).await;
    eprintln!("pomegranate-charter: its files, {cuts} cuts, {refused} refused");
}
