//! Records that come and go between two pages of a pull (reliability.md F40, F41): whoever was there all the time is never
//! removed, and the night after the store is as the source.
//!
//! By command, more schedules (`ROSTERD_DRIFTS`, `ROSTERD_SEED`):
//! `cargo test --release --test it drift::ten_thousand -- --ignored --nocapture`

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use rosterd::model::RunStatus;
use serde_json::{Value, json};

use super::story::{self, at};
use crate::support::chance::Chance;
use crate::support::db::{Backend, Fresh};
use crate::support::desk::Desk;
use crate::support::number;

const CATALOG: &str = "[[product]]\ncode = \"device\"\nname = \"Device\"\naudience = \"student\"\nbasis = \"active\"\n\
     [[subscription]]\nid = \"device-1\"\ndistrict = \"sim\"\nproduct = \"device\"\nseats = 500\n\
     starts_on = 2025-07-01\nexpires_on = 2060-06-30\n";

/// How a source answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// OneRoster, without `X-Total-Count`.
    Bare,
    /// OneRoster, with it.
    Counted,
    /// Clever; whether `last_sync` tells of changes.
    Clever(bool),
}

/// A source of one class, in which everybody is enrolled.
#[derive(Debug)]
struct Source {
    manner: Manner,
    users: BTreeSet<String>,
    /// Those who left in this pull, whenever it was.
    left: BTreeSet<String>,
    pages: u32,
    /// What happens before a page: so many leave, and so many come.
    schedule: BTreeMap<u32, (usize, usize)>,
    chance: Chance,
    changes: u32,
}

impl Source {
    fn comes(&mut self) {
        // anywhere in the order
        let id = format!("u-{:08x}", self.chance.next() >> 32);
        self.users.insert(id);
    }

    fn leaves(&mut self) {
        let all: Vec<String> = self.users.iter().cloned().collect();
        if let Some(id) = self.chance.one_of(&all) {
            self.users.remove(id);
            self.left.insert(id.clone());
        }
    }

    fn drift(&mut self) {
        self.pages += 1;
        let Some((leave, come)) = self.schedule.remove(&self.pages) else { return };
        self.changes += 1;
        (0..leave).for_each(|_| self.leaves());
        (0..come).for_each(|_| self.comes());
    }

    fn answer(&mut self, collection: &str, query: &BTreeMap<String, String>) -> Response {
        if matches!(collection, "users" | "enrollments" | "sections") {
            self.drift();
        }
        match self.manner {
            Manner::Bare | Manner::Counted => self.oneroster(collection, query),
            Manner::Clever(_) => self.clever(collection, query),
        }
    }

    fn oneroster(&self, collection: &str, query: &BTreeMap<String, String>) -> Response {
        let to = |id: &str| json!({ "sourcedId": id });
        let rows: Vec<Value> = match collection {
            "orgs" => vec![
                json!({ "sourcedId": "d", "name": "District", "type": "district" }),
                json!({ "sourcedId": "s1", "name": "North", "type": "school", "parent": to("d") }),
            ],
            "academicSessions" => vec![json!({ "sourcedId": "y", "title": "Year", "type": "schoolYear",
                "startDate": "2025-08-15", "endDate": "2060-06-10", "schoolYear": 2060 })],
            "courses" => vec![json!({ "sourcedId": "k", "title": "Math", "org": to("d") })],
            "classes" => vec![json!({ "sourcedId": "c", "title": "Math", "classType": "scheduled", "school": to("s1"),
                "course": to("k"), "terms": [to("y")] })],
            "users" => {
                let user = |id: &String| {
                    json!({ "sourcedId": id, "enabledUser": "true", "username": id, "givenName": "A",
                        "familyName": "B", "role": "student", "orgs": [to("s1")], "grades": ["3"] })
                };
                self.users.iter().map(user).collect()
            }
            _ => {
                let enrollment = |id: &String| {
                    json!({ "sourcedId": format!("e-{id}"), "user": to(id), "class": to("c"), "school": to("s1"),
                        "role": "student" })
                };
                self.users.iter().map(enrollment).collect()
            }
        };
        let number = |name: &str| query[name].parse::<usize>().unwrap();
        let page: Vec<&Value> = rows.iter().skip(number("offset")).take(number("limit")).collect();
        let body = json!({ collection: page }).to_string();
        let json = ("content-type", "application/json".to_owned());
        if self.manner == Manner::Counted {
            ([json, ("x-total-count", rows.len().to_string())], body).into_response()
        } else {
            ([json], body).into_response()
        }
    }

    fn clever(&self, collection: &str, query: &BTreeMap<String, String>) -> Response {
        let told = if self.manner == Manner::Clever(true) { self.changes } else { 0 };
        let rows: Vec<Value> = match collection {
            "districts" => vec![json!({ "id": "d", "name": "District", "state": "running",
                "last_sync": format!("2025-10-06T00:{:02}:{:02}.000Z", told / 60 % 60, told % 60) })],
            "schools" => vec![json!({ "id": "s1", "district": "d", "name": "North" })],
            "terms" => {
                vec![json!({ "id": "t", "district": "d", "name": "Year", "start_date": "2025-08-15",
                    "end_date": "2060-06-10" })]
            }
            "courses" => vec![json!({ "id": "k", "district": "d", "name": "Math" })],
            "sections" => vec![json!({ "id": "c", "district": "d", "name": "Math", "school": "s1", "course": "k",
                "term_id": "t", "teachers": [], "students": self.users })],
            _ => {
                let user = |id: &String| {
                    json!({ "id": id, "district": "d", "name": { "first": "A", "last": "B" },
                        "roles": { "student": { "school": "s1", "schools": ["s1"], "grade": "3" } } })
                };
                self.users.iter().map(user).collect()
            }
        };
        let after = query.get("starting_after").map_or("", String::as_str);
        let limit = query.get("limit").map_or(100, |it| it.parse().unwrap());
        let rest: Vec<&Value> = rows.iter().filter(|it| it["id"].as_str().unwrap() > after).collect();
        let page: Vec<Value> = rest.iter().take(limit).map(|it| json!({ "data": it })).collect();
        let last = page.last().map(|it| it["data"]["id"].as_str().unwrap().to_owned()).unwrap_or_default();
        let uri = format!("/v3.0/{collection}?limit={limit}&starting_after={last}");
        let links = if rest.len() > limit { vec![json!({ "rel": "next", "uri": uri })] } else { Vec::new() };
        ([("content-type", "application/json")], json!({ "data": page, "links": links }).to_string()).into_response()
    }
}

async fn serve(source: Arc<Mutex<Source>>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let respond = move |request: Request| {
        let source = Arc::clone(&source);
        async move {
            let url = url::Url::parse(&format!("http://localhost{}", request.uri())).unwrap();
            let query = url.query_pairs().into_owned().collect();
            let collection = url.path().rsplit('/').next().unwrap();
            source.lock().unwrap().answer(collection, &query)
        }
    };
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(respond)).await });
    url
}

#[derive(Debug, Default)]
struct Tally {
    schedules: usize,
    /// Pulls that gave up because the source would not rest.
    failed: usize,
    /// Those who were there all the time and were removed.
    falsely: usize,
    /// Of these, those who lost the seat.
    seats: usize,
}

struct Feed {
    source: Arc<Mutex<Source>>,
    desk: Desk,
    night: u64,
}

impl Feed {
    async fn new(manner: Manner, seed: u64) -> Self {
        let mut source = Source {
            manner,
            users: BTreeSet::new(),
            left: BTreeSet::new(),
            pages: 0,
            schedule: BTreeMap::new(),
            chance: Chance::new(seed),
            changes: 0,
        };
        (0..45).for_each(|_| source.comes());
        let source = Arc::new(Mutex::new(source));
        let url = serve(Arc::clone(&source)).await;
        let common = "page_size = 10, max_requests_per_second = 1000000";
        let feed = if matches!(manner, Manner::Clever(_)) {
            format!("{{ kind = \"clever\", token = \"t\", url = \"{url}\", {common} }}")
        } else {
            let auth = "auth = { kind = \"bearer\", token = \"t\" }";
            format!("{{ kind = \"oneroster\", url = \"{url}/ims/oneroster/v1p1\", {auth}, {common} }}")
        };
        let fresh = Fresh::new(Backend::Sqlite).await.unwrap();
        let opened = Desk::open_with(fresh, &feed).await;
        let mut desk = opened.unwrap_or_else(|failed| panic!("{}", failed.1));
        desk.buy(CATALOG, at(0, 1)).await;
        let run = desk.sync(at(0, 8)).await;
        assert_eq!(run.status, RunStatus::Applied, "{run:#?}");
        Self { source, desk, night: 0 }
    }

    async fn users(&self) -> BTreeSet<String> {
        self.desk.baseline().await.roster.users.keys().map(|it| it.as_str().to_owned()).collect()
    }

    /// A night that drifts, and one that does not.
    async fn schedule(&mut self, tally: &mut Tally) {
        let before = self.users().await;
        let there = {
            let mut source = self.source.lock().unwrap();
            let mut schedule = BTreeMap::new();
            for _ in 0..=source.chance.below(3) {
                let page = u32::try_from(source.chance.below(14)).unwrap() + 1;
                schedule.insert(page, (source.chance.below(4), source.chance.below(4)));
            }
            (source.schedule, source.pages) = (schedule, 0);
            source.left.clear();
            source.users.clone()
        };
        self.night += 1;
        let run = self.desk.sync(at(self.night, 8)).await;
        tally.schedules += 1;
        tally.failed += usize::from(run.status == RunStatus::Failed);
        let after = self.users().await;
        let baseline = self.desk.baseline().await;
        let enrolled: BTreeSet<&str> = baseline.roster.enrollments.values().map(|it| it.user.as_str()).collect();
        let seated: BTreeSet<&str> = baseline.seats.keys().map(|(_, user)| user.as_str()).collect();
        let left = self.source.lock().unwrap().left.clone();
        for id in before.intersection(&there).filter(|id| !left.contains(*id)) {
            tally.falsely += usize::from(!after.contains(id) || !enrolled.contains(id.as_str()));
            tally.seats += usize::from(!seated.contains(id.as_str()));
        }
        self.source.lock().unwrap().schedule.clear();

        self.night += 1;
        let mut run = self.desk.sync(at(self.night, 8)).await;
        if run.status == RunStatus::Held {
            // too many have left within the seven days; a person has seen that they have
            run = self.desk.decide(&run, true, at(self.night, 14)).await;
        }
        assert!(matches!(run.status, RunStatus::Applied | RunStatus::Unchanged), "night {}: {run:#?}", self.night);
        let truly = self.source.lock().unwrap().users.clone();
        assert_eq!(self.users().await, truly, "night {}: the store is as the source", self.night);
        // the school neither grows nor shrinks over the schedules
        let mut source = self.source.lock().unwrap();
        while source.users.len() < 40 {
            source.comes();
        }
        while source.users.len() > 50 {
            source.leaves();
        }
    }
}

const MANNERS: [Manner; 4] = [Manner::Bare, Manner::Counted, Manner::Clever(true), Manner::Clever(false)];

async fn drifts(manner: Manner, schedules: usize, seed: u64) -> Tally {
    let mut tally = Tally::default();
    let mut feed = Feed::new(manner, seed).await;
    while tally.schedules < schedules {
        feed.schedule(&mut tally).await;
        if tally.schedules.is_multiple_of(500) {
            eprintln!("seed {seed}, {manner:?}: {tally:?}");
        }
    }
    story::verified(&feed.desk).await.unwrap_or_else(|wrong| panic!("{wrong:?}"));
    feed.desk.discard().await;
    tally
}

#[tokio::test]
async fn nobody_is_removed_because_pages_drifted() {
    for manner in MANNERS {
        let tally = drifts(manner, 12, 1).await;
        assert_eq!((tally.schedules, tally.falsely, tally.seats), (12, 0, 0), "{manner:?}: {tally:?}");
        assert!(tally.failed < 6, "{manner:?}: {tally:?}");
    }
}

#[tokio::test]
#[ignore = "a command of its own: it takes its time"]
async fn ten_thousand_drifts() {
    let (schedules, seed) = (number("ROSTERD_DRIFTS", 10_000), number("ROSTERD_SEED", 1));
    let begun = std::time::Instant::now();
    for manner in MANNERS {
        let tally = drifts(manner, schedules / MANNERS.len(), seed).await;
        eprintln!("seed {seed}, {manner:?}, {:?}: {tally:?}", begun.elapsed());
        assert_eq!((tally.falsely, tally.seats), (0, 0), "{manner:?}");
    }
}
