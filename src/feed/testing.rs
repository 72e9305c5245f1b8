//! A server of a few lines for the feeds' own tests: it answers as a closure says and remembers what it heard.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;

use crate::feed::{App, Context, ManualSettings, Progress, Recall, Settings};
use crate::model::{DistrictId, Kind, KnownRows, Record, Roster, RosterRecord, Timestamp, View};
use crate::snapshot::{Presence, RECOGNIZED, Seen, Snapshot};

/// A request, as far as tests look at it.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub url: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub authorization: String,
    /// `If-None-Match`.
    pub unless: Option<String>,
    pub body: String,
}

impl Heard {
    pub(crate) fn number(&self, name: &str) -> usize {
        self.query[name].parse().unwrap()
    }

    /// The last part of the path.
    pub(crate) fn collection(&self) -> &str {
        self.path.rsplit('/').next().unwrap()
    }
}

/// An answer.
#[derive(Clone)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(body: &serde_json::Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status: 200, headers, body: body.to_string().into_bytes() }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.headers.push((name, format!("{value}")));
        self
    }
}

/// A running server.
pub(crate) struct Server {
    pub url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Server {
    /// Answers with `answer`, which is told how many requests came before.
    pub(crate) async fn start(answer: impl Fn(usize, &Heard) -> Answer + Send + Sync + 'static) -> Self {
        Self::gathering(1, |_| false, answer).await
    }

    /// The same, but requests that `gather` says yes to are answered only once `together` of them are there.
    pub(crate) async fn gathering(
        together: usize,
        gather: fn(&Heard) -> bool,
        answer: impl Fn(usize, &Heard) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let barrier = Arc::new(tokio::sync::Barrier::new(together));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::<Heard>::new()));
        let (origin, log, answer) = (url.clone(), Arc::clone(&heard), Arc::new(answer));
        let respond = move |request: Request| {
            let (origin, log, answer) = (origin.clone(), Arc::clone(&log), Arc::clone(&answer));
            let barrier = Arc::clone(&barrier);
            async move {
                let url = format!("{origin}{}", request.uri());
                let query = url::Url::parse(&url).unwrap().query_pairs().into_owned().collect();
                let path = request.uri().path().to_owned();
                let authorization = request.headers().get("authorization");
                let authorization = authorization.unwrap().to_str().unwrap().to_owned();
                let unless = request.headers().get("if-none-match").map(|it| it.to_str().unwrap().to_owned());
                let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
                let body = String::from_utf8(body.to_vec()).unwrap();
                let heard = Heard { url, path, query, authorization, unless, body };
                let before = log.lock().unwrap().len();
                log.lock().unwrap().push(heard.clone());
                if gather(&heard) {
                    barrier.wait().await;
                }
                let answer = answer(before, &heard);
                let mut response = Response::builder().status(answer.status);
                for (name, value) in answer.headers {
                    response = response.header(name, value);
                }
                response.body(Body::from(answer.body)).unwrap()
            }
        };
        let app = axum::Router::new().fallback(respond);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, heard }
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}

/// What a feed of tests is opened with.
pub(crate) fn context(apps: Vec<App>) -> Context {
    Context {
        district: DistrictId::from("springfield"),
        now: Timestamp::parse("2026-01-15T08:00:00Z").unwrap(),
        last: None,
        apps,
        environment: |_| None,
        progress: Arc::new(Progress::default()),
        recall: None,
        turnstile: None,
    }
}

/// The records that a snapshot tells of.
fn records(snapshot: &Snapshot) -> Vec<Record> {
    fn of<T: RosterRecord>(seen: &Seen<T>, records: &mut Vec<Record>) {
        for presence in seen.values() {
            if let Presence::This(it) = presence {
                records.push(T::shared(it.clone()));
            }
        }
    }
    let mut records = Vec::new();
    of(&snapshot.schools, &mut records);
    of(&snapshot.sessions, &mut records);
    of(&snapshot.courses, &mut records);
    of(&snapshot.classes, &mut records);
    of(&snapshot.users, &mut records);
    of(&snapshot.enrollments, &mut records);
    records
}

/// The same as `roster` would print them.
pub(crate) fn lines(snapshot: &Snapshot) -> Vec<String> {
    records(snapshot).iter().map(|it| it.roster_line().unwrap()).collect()
}

pub(crate) fn warned(snapshot: &Snapshot, code: &str) -> u64 {
    snapshot.warnings.iter().filter(|it| it.code == code).map(|it| it.count).sum()
}

pub(crate) fn counts(snapshot: &Snapshot) -> [u64; 6] {
    Kind::ALL.map(|kind| snapshot.count(kind))
}

/// What rows are recognized by: those that are known of, if any are.
pub(crate) fn recall(known: Option<KnownRows>) -> Recall {
    Recall::new(b"key", &Settings::Manual(ManualSettings {}), known.map(Arc::new))
}

/// What the store has, and knows of rows, once it took up all that a first snapshot tells of.
pub(crate) fn taken_up(snapshot: &Snapshot) -> (Roster, KnownRows) {
    let mut roster = Roster::default();
    for record in records(snapshot) {
        roster.put(record);
    }
    let (nothing, none) = (Roster::default(), KnownRows::default());
    let known = snapshot.known_after(&none, &nothing, View::from(&roster)).unwrap();
    (roster, known.known("a night"))
}

/// How many classes, users and enrollments came as they were, and how many were read.
pub(crate) fn recognized(snapshot: &Snapshot) -> [(usize, usize); 3] {
    RECOGNIZED.map(|kind| {
        let hits = snapshot.hits(kind).iter().filter(|hit| **hit).count();
        (hits, usize::try_from(snapshot.count(kind)).unwrap() - hits)
    })
}
