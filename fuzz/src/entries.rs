//! What each fuzz target does with its bytes: the readers take them or refuse them, and never panic. A test of rosterd replays
//! the corpora through these same functions (`tests/it/faults/corpus.rs`).

use std::io::{Cursor, Write};
use std::sync::Arc;

use rosterd::feed::page::{self, Dialect};
use rosterd::feed::{self, Context, Progress};
use rosterd::model::{Kind, Timestamp};
use rosterd::snapshot::Snapshot;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The first byte says whose page it is and of what; the rest is the page.
pub fn json_page(data: &[u8]) {
    let Some((first, body)) = data.split_first() else { return };
    let dialect = if first % 2 == 0 { Dialect::OneRoster } else { Dialect::Clever };
    let kind = Kind::ALL[usize::from(first / 2) % Kind::ALL.len()];
    if let Ok(page) = page::read(dialect, kind, body) {
        // No row without a byte of its own: nothing is made up.
        assert!(page.rows <= body.len());
    }
}

const FILES: [(&str, &str); 7] = [
    (
        "manifest.csv",
        "propertyName,value\nmanifest.version,1.0\noneroster.version,1.1\nfile.orgs,bulk\nfile.academicSessions,bulk\n\
         file.courses,bulk\nfile.classes,bulk\nfile.users,bulk\nfile.enrollments,bulk\n",
    ),
    ("orgs.csv", "sourcedId,name,type,parentSourcedId\nd,District,district,\ns1,North,school,d\n"),
    ("academicSessions.csv", "sourcedId,title,type,startDate,endDate\ny,Year,schoolYear,2025-08-15,2026-06-10\n"),
    ("courses.csv", "sourcedId,title\nk,Math\n"),
    ("classes.csv", "sourcedId,title,grades,courseSourcedId,schoolSourcedId,termSourcedIds\nc,Math 3,3,k,s1,y\n"),
    (
        "users.csv",
        "sourcedId,enabledUser,orgSourcedIds,role,givenName,familyName,grades\nu1,true,s1,student,Ann,Lee,3\n",
    ),
    ("enrollments.csv", "sourcedId,classSourcedId,schoolSourcedId,userSourcedId,role\ne1,c,s1,u1,student\n"),
];

/// The first byte says which file of an upload the rest is; the others are in order.
pub fn csv(data: &[u8]) {
    let Some((first, body)) = data.split_first() else { return };
    let spoiled = usize::from(*first) % FILES.len();
    let mut packed = ZipWriter::new(Cursor::new(Vec::new()));
    for (number, (name, text)) in FILES.iter().enumerate() {
        // To compress them would take most of the time, and reach nothing.
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        packed.start_file(*name, stored).unwrap();
        packed.write_all(if number == spoiled { body } else { text.as_bytes() }).unwrap();
    }
    if let Some(snapshot) = sent(packed.finish().unwrap().into_inner()) {
        for kind in Kind::ALL {
            assert!(snapshot.count(kind) <= 2 + u64::try_from(body.len()).unwrap());
        }
    }
}

/// A whole upload.
pub fn zip(data: &[u8]) {
    sent(data.to_vec());
}

fn sent(upload: Vec<u8>) -> Option<Snapshot> {
    let context = Context {
        district: "d".into(),
        now: Timestamp::from_millis(1_767_225_600_000)?,
        last: None,
        recall: None,
        turnstile: None,
        apps: Vec::new(),
        environment: |_| None,
        progress: Arc::new(Progress::default()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(feed::read_sent(upload, context)).ok()
}

/// A link to the next page: whatever it says, it leads nowhere else.
pub fn link(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let base = url::Url::parse("https://api.clever.com/v3.0/users").unwrap();
    if let Some(cursor) = page::cursor(&base, text) {
        let led = base.join(text).unwrap();
        assert!(!cursor.is_empty() && led.host_str() == Some("api.clever.com") && led.scheme() == "https");
    }
}

/// A configuration.
pub fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(error) = rosterd::config::parse(text, "fuzz.toml") {
        assert!(!error.to_string().is_empty());
    }
}
