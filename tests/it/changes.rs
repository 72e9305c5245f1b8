//! `GET /v1/changes` and what keeps a copy by it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Method, StatusCode};
use rosterd::model::{DistrictId, EndDates, Kind, Pool, RunId};
use rosterd::store::{Place, Store, Told, Writes};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::daemon::{DAY_1, Daemon, Installation, client, until};
use crate::support::db::{Backend, Fresh};
use crate::support::{described, world};

/// What a reader has of a store: each thing by district, kind and id.
type Copy = BTreeMap<(String, String, String), Value>;

fn district(n: usize) -> DistrictId {
    format!("d{n}").as_str().into()
}

/// The `n`th commit of a district: a user comes, the one three before leaves, everyone's seat moves on.
fn commit(of: &DistrictId, n: usize, revision: i64) -> Writes<'static> {
    let mut it = world::writes(&format!("01RUN-{of}-{n:03}"), world::monday(), revision);
    it.district = of.clone();
    it.run.district = of.clone();
    it.run.run = RunId::from(format!("01RUN-{of}-{n:03}"));
    let user = |n: usize| world::user(&format!("U{n:03}"));
    it.records.push(world::added(&user(n)));
    it.seats_put.push(world::seat(&format!("U{n:03}"), Pool::District).into());
    if let Some(old) = n.checked_sub(3) {
        it.records.push(world::removed(&user(old), false));
        it.seats_removed.push(("reading".into(), format!("U{old:03}").as_str().into()));
    }
    it.audit = it.records.made().unwrap().iter().map(world::told).collect();
    it
}

/// F22, T36: numbers are in the order of commits, whichever process commits, so that a reader misses nothing and is told
/// nothing twice.
async fn a_reader_beside_two_writing_processes(fresh: &Fresh) {
    const DISTRICTS: usize = 4;
    const COMMITS: usize = 25;
    let (one, other, reader) = (fresh.store().await, fresh.store().await, fresh.store().await);
    for n in 0..DISTRICTS {
        one.ensure_district(&district(n), "D", chrono_tz::UTC, EndDates::Exclusive).await.unwrap();
    }
    let done = Arc::new(AtomicBool::new(false));
    let reading = {
        let (reader, done) = (reader.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            let (mut copy, mut place, mut last) = (Copy::new(), None::<Place>, 0);
            let mut told = BTreeSet::new();
            loop {
                let ended = done.load(Ordering::SeqCst);
                let page = reader.changes(place, None, 7).await.unwrap().unwrap();
                for item in page.items {
                    assert!(item.number >= last, "{} after {last}", item.number);
                    last = item.number;
                    assert!(told.insert((item.number, item.kind.clone(), item.id.clone())), "told twice");
                    let key = (item.district.to_string(), item.kind, item.id);
                    match item.now {
                        Some(Told::Record(it)) => drop(copy.insert(key, json!(it.text_id()))),
                        Some(Told::Seat(it)) => drop(copy.insert(key, json!(it.user))),
                        None => drop(copy.remove(&key)),
                    }
                }
                place = Some(page.place);
                if ended && !page.more {
                    return (copy, last);
                }
            }
        })
    };
    let writing = (0..DISTRICTS).map(|n| {
        // two districts a process, and both processes at once
        let store: Store = if n % 2 == 0 { one.clone() } else { other.clone() };
        tokio::spawn(async move {
            for commits in 0..COMMITS {
                let revision = store.district(&district(n)).await.unwrap().revision;
                store.write(commit(&district(n), commits, revision)).await.unwrap();
            }
        })
    });
    for task in writing.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    let (copy, last) = reading.await.unwrap();
    let total = i64::try_from(DISTRICTS * COMMITS).unwrap();
    assert_eq!((reader.last_commit().await.unwrap(), last), (total, total), "no number is left out");
    let mut expected = Copy::new();
    for n in 0..DISTRICTS {
        let of = district(n).to_string();
        for user in COMMITS - 3..COMMITS {
            let user = format!("U{user:03}");
            expected.insert((of.clone(), "users".to_owned(), user.clone()), json!(user));
            expected.insert((of.clone(), "seats".to_owned(), format!("reading/{user}")), json!(user));
        }
    }
    assert_eq!(copy, expected);
    // who begins now is told nothing of what came and went
    let page = reader.changes(None, None, 1000).await.unwrap().unwrap();
    assert_eq!((page.items.len(), page.more), (expected.len(), false));
    let page = reader.changes(None, Some(&[district(1)]), 1000).await.unwrap().unwrap();
    assert!(page.items.len() == 6 && page.items.iter().all(|it| it.district == district(1)));
    for store in [one, other, reader] {
        store.close().await;
    }
}

#[tokio::test]
async fn a_reader_beside_two_writing_processes_misses_nothing_on_postgres() {
    let Some(fresh) = Fresh::new(Backend::Postgres).await else { return };
    a_reader_beside_two_writing_processes(&fresh).await;
}

#[tokio::test]
async fn a_reader_beside_two_writing_processes_misses_nothing_on_sqlite() {
    a_reader_beside_two_writing_processes(&Fresh::new(Backend::Sqlite).await.unwrap()).await;
}

async fn get(daemon: &Daemon, path: &str, token: &str) -> (StatusCode, Value) {
    let answer = client().get(daemon.url(path)).bearer_auth(token).send().await.unwrap();
    let status = answer.status();
    (status, described::body(&Method::GET, path, answer).await)
}

/// A sync of the fixture district, to its end.
async fn night(daemon: &Daemon, token: &str) {
    let request = client().post(daemon.url("/v1/syncs")).bearer_auth(token);
    let answer = request.body(json!({ "district": "mulberry-springs" }).to_string()).send().await.unwrap();
    let run: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    let path = format!("/v1/runs/{}", run["run"].as_str().unwrap());
    until("the night to end", async || {
        let run = get(daemon, &path, token).await.1;
        (!run["finished_at"].is_null()).then_some(())
    })
    .await;
}

/// Everything from `after` on, page by page.
async fn pages(daemon: &Daemon, token: &str, mut after: String, limit: u32) -> (Vec<Value>, String) {
    let mut items = Vec::new();
    loop {
        let (status, page) = get(daemon, &format!("/v1/changes?limit={limit}&after={after}"), token).await;
        assert_eq!(status, 200, "{page}");
        items.extend(page["items"].as_array().unwrap().clone());
        page["cursor"].as_str().unwrap().clone_into(&mut after);
        if page["more"] == false {
            return (items, after);
        }
    }
}

/// What the store has, as the feed tells it.
async fn stored(store: &Store) -> Copy {
    let of = DistrictId::from("mulberry-springs");
    let mut all = Copy::new();
    for kind in [Kind::Users, Kind::Classes, Kind::Enrollments] {
        for record in store.roster(&of, kind).await.unwrap() {
            let value = serde_json::from_str(&record.roster_line().unwrap()).unwrap();
            all.insert((of.to_string(), kind.plural().to_owned(), record.text_id()), value);
        }
    }
    for product in store.catalog().await.unwrap().products.keys() {
        for it in store.seats(&of, product).await.unwrap().0 {
            let value = json!({ "product": it.product, "user": it.user, "pool": it.pool, "since": it.since,
                "claimed_at": it.claimed_at, "state": it.state });
            all.insert((of.to_string(), "seats".to_owned(), format!("{product}/{}", it.user)), value);
        }
    }
    all
}

fn copied(items: &[Value]) -> Copy {
    let mut copy = Copy::new();
    for it in items {
        let word = |name: &str| it[name].as_str().unwrap().to_owned();
        let key = (word("district"), word("kind"), word("id"));
        if it["value"].is_null() {
            copy.remove(&key);
        } else {
            copy.insert(key, it["value"].clone());
        }
    }
    copy
}

/// A night of the drop folder: some students are missing, others are back, names change.
fn upload(installation: &Installation, night: usize) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/mulberry-springs");
    let users = std::fs::read_to_string(fixtures.join("users.csv")).unwrap();
    let (head, rows) = users.split_once('\n').unwrap();
    let kept = rows.lines().enumerate().filter(|(n, row)| !row.contains("student") || n % 40 != night % 40);
    let rows: Vec<String> = kept.map(|(_, row)| row.replacen("Ann", &format!("Ann{night}"), 1)).collect();
    std::fs::write(installation.path("drop/upload-1/users.csv"), format!("{head}\n{}\n", rows.join("\n"))).unwrap();
}

/// The full state, then changes; a token without `people` learns no names; after a restore everyone starts over.
#[tokio::test]
async fn a_copy_is_built_from_pages_and_begun_anew_after_a_restore() {
    let installation = Installation::new("apply", "[guard]\nenabled = false\n");
    let all = installation.token("all", &["--scope", "admin"]);
    let app = installation.token("app", &["--scope", "read"]);
    let elsewhere = installation.token("elsewhere", &["--scope", "read", "--district", "by-hand"]);
    let daemon = installation.start(DAY_1).await;
    let (nothing, from_the_start) = pages(&daemon, &all, String::new(), 50).await;
    assert_eq!(nothing, Vec::<Value>::new());
    night(&daemon, &all).await;
    let (items, cursor) = pages(&daemon, &all, from_the_start.clone(), 50).await;
    let store = installation.store().await;
    assert_eq!(copied(&items), stored(&store).await);
    assert_eq!(items.len(), copied(&items).len(), "each thing once");
    assert_eq!(pages(&daemon, &elsewhere, String::new(), 50).await.0, Vec::<Value>::new());
    let (nameless, _) = pages(&daemon, &app, String::new(), 500).await;
    assert_eq!(nameless.len(), items.len());
    let user = |items: &[Value]| items.iter().find(|it| it["kind"] == "users").unwrap()["value"].clone();
    assert!(user(&items).get("given_name").is_some() && user(&nameless).get("given_name").is_none());
    store.close().await;

    daemon.stop().await;
    let saved = installation.path("saved");
    std::fs::create_dir_all(&saved).unwrap();
    let files = || std::fs::read_dir(installation.path("var")).unwrap().map(|it| it.unwrap().path());
    for file in files() {
        std::fs::copy(&file, saved.join(file.file_name().unwrap())).unwrap();
    }
    let daemon = installation.start("2025-10-07T20:00:00Z").await;
    upload(&installation, 1);
    night(&daemon, &all).await;
    let (second, ahead) = pages(&daemon, &all, cursor.clone(), 50).await;
    assert!(second.len() < items.len() && second.iter().any(|it| it["value"].is_null()), "{}", second.len());
    let epoch = get(&daemon, "/v1/changes?limit=1", &all).await.1["epoch"].clone();
    daemon.stop().await;
    files().for_each(|file| std::fs::remove_file(file).unwrap());
    for file in std::fs::read_dir(&saved).unwrap().map(|it| it.unwrap().path()) {
        std::fs::copy(&file, installation.path("var").join(file.file_name().unwrap())).unwrap();
    }
    // another history from here on, with as many commits
    let daemon = installation.start("2025-10-07T21:00:00Z").await;
    upload(&installation, 2);
    night(&daemon, &all).await;
    let (status, problem) = get(&daemon, &format!("/v1/changes?after={ahead}"), &all).await;
    assert_eq!(status, 410, "{problem}");
    let page = get(&daemon, "/v1/changes?limit=1", &all).await.1;
    assert!(page["epoch"] == problem["epoch"] && page["epoch"] != epoch, "{problem} {epoch}");
    let (items, _) = pages(&daemon, &all, String::new(), 500).await;
    let store = installation.store().await;
    assert_eq!(copied(&items), stored(&store).await);
    for wrong in ["x", "x.y", "W10.00"] {
        assert_eq!(get(&daemon, &format!("/v1/changes?after={wrong}"), &all).await.0, 400);
    }
    daemon.stop().await;
}

/// What is at the other end of the bell: refuses the first ring, and hands on what each says.
async fn bell() -> (String, tokio::sync::mpsc::Receiver<(String, String)>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (rung, rings) = tokio::sync::mpsc::channel(64);
    tokio::spawn(async move {
        for n in 0_u32.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            let (head, body) = loop {
                let mut part = [0; 4096];
                let read = stream.read(&mut part).await.unwrap();
                text.push_str(std::str::from_utf8(&part[..read]).unwrap());
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length =
                    head.lines().find_map(|it| it.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                if length == Some(body.len()) {
                    break (head.to_owned(), body.to_owned());
                }
            };
            let status = if n == 0 { "503 Busy" } else { "204 No Content" };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            let signed =
                head.lines().find_map(|it| it.split_once(": ").filter(|it| it.0.eq_ignore_ascii_case("authorization")));
            if rung.send((signed.unwrap().1.to_owned(), body)).await.is_err() {
                return;
            }
        }
    });
    (format!("http://{address}/bell"), rings)
}

/// A ring is signed, repeated until it is taken, one for many changes, and names the commit there is.
#[tokio::test]
async fn the_bell_rings_signed_until_it_is_heard_and_once_for_what_comes_together() {
    let (url, mut rings) = bell().await;
    let more = format!("[changes]\nwebhook_url = \"{url}\"\nwebhook_secret = \"s3cret\"\n");
    let installation = Installation::new("apply", &more);
    let token = installation.token("all", &["--scope", "admin"]);
    let daemon = installation.start(DAY_1).await;
    night(&daemon, &token).await;
    let epoch = get(&daemon, "/v1/changes?limit=1", &token).await.1["epoch"].as_str().unwrap().to_owned();
    for ring in 0..2 {
        let (signed, body) = tokio::time::timeout(Duration::from_secs(30), rings.recv()).await.unwrap().unwrap();
        assert_eq!(body, format!("epoch={epoch}&number=1"), "ring {ring}");
        let (seconds, hex) = signed.strip_prefix("Rosterd t=").unwrap().split_once(",v1=").unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(b"s3cret").unwrap();
        mac.update(format!("{seconds}.{body}").as_bytes());
        assert_eq!(hex, hex::encode(mac.finalize().into_bytes()));
    }
    upload(&installation, 3);
    let mut next = async || rings.recv().await.unwrap().1;
    night(&daemon, &token).await;
    let body = tokio::time::timeout(Duration::from_secs(30), next()).await.unwrap();
    assert!(body.starts_with(&format!("epoch={epoch}&number=")), "{body}");
    daemon.stop().await;
}

/// A follower at work.
fn follow(address: &str, token: &str, copy: &Path, rest: &[&str]) -> Child {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/follow-changes.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(format!("http://{address}")).arg(copy).args(rest).env("ROSTERD_TOKEN", token);
    command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The example client is killed twenty times, and the daemon five, while nights pass: its table equals the store's.
#[tokio::test]
async fn the_example_client_keeps_in_step_through_kills_of_either_side() {
    in_step_through(20).await;
}

/// The same, for longer.
#[tokio::test]
#[ignore = "takes minutes; README says when to run it"]
async fn the_example_client_keeps_in_step_through_two_hundred_kills() {
    in_step_through(200).await;
}

async fn in_step_through(kills: u32) {
    if Command::new("python3").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "python3 is needed");
        eprintln!("skipped: there is no python3");
        return;
    }
    let installation = Installation::new("apply", "[guard]\nenabled = false\n");
    let token = installation.token("all", &["--scope", "admin"]);
    let copy = installation.path("copy.db");
    let mut daemon = installation.start(DAY_1).await;
    for round in 0..kills {
        let mut child = follow(&daemon.address, &token, &copy, &["--every", "0.01"]);
        let begun = Instant::now();
        if round % 4 == 0 {
            upload(&installation, usize::try_from(round / 4).unwrap());
            night(&daemon, &token).await;
        }
        // somewhere in its work, another place each time
        let lives = Duration::from_millis(u64::from(40 + (round * 53) % 260));
        tokio::time::sleep(lives.saturating_sub(begun.elapsed())).await;
        if round % 4 == 3 {
            daemon.kill().await;
            child.kill().unwrap();
            let day =
                DAY_1.parse::<chrono::DateTime<chrono::Utc>>().unwrap() + chrono::Days::new(u64::from(1 + round / 4));
            daemon = installation.start(&day.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    upload(&installation, usize::try_from(kills).unwrap() + 10);
    night(&daemon, &token).await;
    let mut last = follow(&daemon.address, &token, &copy, &["--once"]);
    assert!(last.wait().unwrap().success());
    let store = installation.store().await;
    let stored = stored(&store).await;
    store.close().await;
    daemon.stop().await;
    let read = "import json, sqlite3, sys\n\
                for row in sqlite3.connect(sys.argv[1]).execute('SELECT district, kind, id, value FROM item'):\n\
                \x20   print(json.dumps(row))";
    let out = Command::new("python3").args(["-c", read]).arg(&copy).output().unwrap();
    let rows = String::from_utf8(out.stdout).unwrap();
    let rows = rows.lines().map(|line| {
        let (district, kind, id, value): (String, String, String, String) = serde_json::from_str(line).unwrap();
        ((district, kind, id), serde_json::from_str(&value).unwrap())
    });
    let copy: Copy = rows.collect();
    assert!(copy.len() > 2000, "{}", copy.len());
    let differ = copy.iter().filter(|(key, value)| stored.get(*key) != Some(*value)).count();
    assert_eq!((copy.len(), differ), (stored.len(), 0));
}
