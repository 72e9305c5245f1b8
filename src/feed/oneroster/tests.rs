use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::feed::FeedError;
use crate::feed::oneroster::oauth1::{Signer, encode};
use crate::feed::oneroster::{OneRoster, Way};
use crate::feed::settings::{Auth, OneRosterSettings, SignatureMethod};
use crate::feed::testing::{Answer, Heard, Server, context, counts, lines, recall, recognized, taken_up, warned};
use crate::model::Kind;
use crate::secret::Secret;
use crate::snapshot::{Presence, Snapshot};

pub(super) fn bearer() -> Auth {
    Auth::Bearer { token: Secret::plain("canary-token") }
}

/// One page after another, so that the order of requests is known.
fn feed(server: &Server, auth: Auth, page_size: u32) -> OneRoster {
    feed_ahead(server, auth, page_size, 0)
}

pub(super) fn feed_ahead(server: &Server, auth: Auth, page_size: u32, prefetch: u32) -> OneRoster {
    let settings = OneRosterSettings {
        url: Some(format!("{}/ims/oneroster/v1p1", server.url)),
        auth: Some(auth),
        page_size: Some(page_size),
        timeout_seconds: Some(10),
        max_requests_per_second: Some(100_000),
        prefetch: Some(prefetch),
        ..OneRosterSettings::default()
    };
    let mut feed = OneRoster::open(&settings, context(Vec::new())).unwrap();
    feed.quicken();
    feed
}

impl OneRoster {
    fn known(&self) -> &crate::feed::oneroster::pages::Server {
        match &self.way {
            Way::Known(server) => server,
            Way::Listed(..) => panic!("these tests configure the server"),
        }
    }

    /// Waits milliseconds between attempts, and takes pages of a mebibyte.
    fn quicken(&mut self) {
        if let Way::Known(server) = &mut self.way {
            server.http.quicken(1 << 20);
        }
    }
}

async fn pull(server: &Server) -> Result<Snapshot, FeedError> {
    feed(server, bearer(), 3).pull().await
}

fn reference(id: &str) -> Value {
    json!({ "href": "https://elsewhere.example/x", "sourcedId": id, "type": "org" })
}

/// One row of each collection but users, of whom there are seven.
pub(super) fn rows(collection: &str) -> Vec<Value> {
    let user = |n: u32| {
        json!({ "sourcedId": format!("u{n}"), "status": "active", "dateLastModified": "2026-01-01T00:00:00.000Z",
            "enabledUser": "true", "username": "x", "givenName": "A", "familyName": "B", "password": "secret",
            "role": "student", "orgs": [reference("s1")], "grades": ["1"], "identifier": null })
    };
    match collection {
        "orgs" => vec![
            json!({ "sourcedId": "d", "name": "District", "type": "district", "identifier": "1", "parent": {} }),
            json!({ "sourcedId": "s1", "name": "North", "type": "school", "identifier": "", "parent": reference("d") }),
        ],
        "academicSessions" => {
            vec![json!({ "sourcedId": "y", "title": "Year", "type": "schoolYear", "startDate": "2025-08-15",
                "endDate": "2026-06-10", "schoolYear": 2026, "parent": null })]
        }
        "courses" => vec![json!({ "sourcedId": "k", "title": "Math", "school": reference("d") })],
        "classes" => {
            vec![json!({ "sourcedId": "c", "title": "Math 3", "classType": "scheduled", "school": reference("s1"),
                "course": reference("k"), "terms": [reference("y")], "periods": "1", "grades": "03" })]
        }
        "users" => (1..=7).map(user).collect(),
        "enrollments" => {
            vec![json!({ "sourcedId": "e", "user": reference("u1"), "class": reference("c"), "school": reference("s1"),
                "role": "student", "primary": "false" })]
        }
        _ => panic!("no such collection"),
    }
}

/// A page of `rows`, of at most `most` rows whatever was asked for.
pub(super) fn page(heard: &Heard, rows: &[Value], most: usize) -> Answer {
    let limit = heard.number("limit").min(most);
    let rows: Vec<&Value> = rows.iter().skip(heard.number("offset")).take(limit).collect();
    Answer::json(&json!({ heard.collection(): rows }))
}

fn plain(heard: &Heard) -> Answer {
    page(heard, &rows(heard.collection()), 100)
}

pub(super) fn with_total(heard: &Heard) -> Answer {
    plain(heard).header("X-Total-Count", rows(heard.collection()).len())
}

#[tokio::test]
async fn a_server_that_gives_less_than_asked_and_no_total_is_read_to_the_end() {
    let server = Server::start(|_, heard| page(heard, &rows(heard.collection()), 2)).await;
    let snapshot = feed(&server, bearer(), 100).pull().await.unwrap();
    assert_eq!(counts(&snapshot), [2, 1, 1, 1, 7, 1]);
    let heard = server.heard();
    let users = heard.iter().filter(|it| it.collection() == "users");
    let offsets: Vec<usize> = users.map(|it| it.number("offset")).collect();
    assert_eq!(offsets, [0, 2, 4, 6, 7]);
    assert!(heard.iter().all(|it| it.query["sort"] == "sourcedId" && it.query["orderBy"] == "asc"));
    assert!(heard.iter().all(|it| it.authorization == "Bearer canary-token"));
}

#[tokio::test]
async fn a_total_spares_the_empty_page_and_is_asked_for_again_in_the_end() {
    let server = Server::start(|_, heard| with_total(heard)).await;
    pull(&server).await.unwrap();
    let users: Vec<Heard> = server.heard().into_iter().filter(|it| it.collection() == "users").collect();
    let asked: Vec<_> = users.iter().map(|it| (it.number("offset"), it.number("limit"))).collect();
    assert_eq!(asked, [(0, 3), (3, 3), (6, 3), (0, 1)]);
}

#[tokio::test]
async fn records_of_1_1_and_1_2_are_the_same() {
    let old = Server::start(|_, heard| plain(heard)).await;
    let new = Server::start(|_, heard| {
        let mut rows = rows(heard.collection());
        if heard.collection() == "users" {
            for row in &mut rows {
                let user = row.as_object_mut().unwrap();
                user.remove("role");
                let orgs = user.remove("orgs").unwrap();
                user.insert(
                    "roles".to_owned(),
                    json!([
                        { "roleType": "primary", "role": "student", "org": orgs[0] },
                        { "roleType": "secondary", "role": "parent", "org": orgs[0] }
                    ]),
                );
                user.insert("enabledUser".to_owned(), json!(1));
            }
        }
        page(heard, &rows, 100)
    })
    .await;
    let (old, new) = (pull(&old).await.unwrap(), pull(&new).await.unwrap());
    assert_eq!(lines(&old), lines(&new));
    assert_eq!(
        lines(&old)[5],
        r#"{"id":"u1","roles":[{"role":"student","org":"s1","primary":true}],"active":true,"given_name":"A","family_name":"B","username":"x","grades":["01"]}"#
    );
}

#[tokio::test]
async fn a_server_that_refuses_to_sort_is_asked_without() {
    let server =
        Server::start(|_, heard| if heard.query.contains_key("sort") { Answer::status(400) } else { plain(heard) })
            .await;
    assert_eq!(counts(&pull(&server).await.unwrap())[4], 7);
}

#[tokio::test]
async fn every_page_is_signed_afresh_with_all_its_parameters() {
    let server = Server::start(|before, heard| if before == 2 { Answer::status(503) } else { plain(heard) }).await;
    let auth = Auth::Oauth1 {
        key: Secret::plain("key"),
        secret: Secret::plain("s3cr/t+1"),
        method: SignatureMethod::HmacSha256,
    };
    feed(&server, auth, 3).pull().await.unwrap();
    let signer = Signer { key: "key".into(), secret: "s3cr/t+1".into(), method: SignatureMethod::HmacSha256 };
    let mut nonces = BTreeSet::new();
    for heard in server.heard() {
        let part = |name: &str| {
            let (_, rest) = heard.authorization.split_once(&format!("{name}=\"")).unwrap();
            rest.split_once('"').unwrap().0.to_owned()
        };
        let url = heard.url.parse().unwrap();
        let timestamp = part("oauth_timestamp").parse().unwrap();
        assert_eq!(signer.authorization(&url, &part("oauth_nonce"), timestamp), heard.authorization);
        assert!(nonces.insert(part("oauth_nonce")), "a nonce was used twice");
    }
    assert!(nonces.len() > 10);
}

fn oauth2(server: &Server) -> Auth {
    Auth::Oauth2 {
        token_url: format!("{}/token", server.url),
        client_id: Secret::plain("id"),
        client_secret: Secret::plain("secret"),
        scope: None,
    }
}

/// P8.
#[tokio::test]
async fn a_token_that_ends_in_mid_pull_is_renewed_and_the_same_page_asked_again() {
    let issued = AtomicUsize::new(0);
    let ended = AtomicBool::new(false);
    let server = Server::start(move |_, heard| {
        if heard.path == "/token" {
            let number = issued.fetch_add(1, Ordering::Relaxed) + 1;
            return Answer::json(
                &json!({ "access_token": format!("t{number}"), "token_type": "bearer", "expires_in": "3600" }),
            );
        }
        let third = heard.collection() == "users" && heard.number("offset") == 3;
        if third && !ended.swap(true, Ordering::Relaxed) {
            return Answer::status(401);
        }
        let valid = format!("Bearer t{}", issued.load(Ordering::Relaxed));
        if heard.authorization == valid { plain(heard) } else { Answer::status(401) }
    })
    .await;
    let snapshot = feed(&server, oauth2(&server), 3).pull().await.unwrap();
    assert_eq!(counts(&snapshot)[4], 7);
    let heard = server.heard();
    let tokens: Vec<&Heard> = heard.iter().filter(|it| it.path == "/token").collect();
    assert_eq!(tokens.len(), 2);
    assert_eq!(tokens[0].authorization, "Basic aWQ6c2VjcmV0");
    let scope = encode("https://purl.imsglobal.org/spec/or/v1p1/scope/roster-core.readonly");
    assert_eq!(tokens[0].body, format!("grant_type=client_credentials&scope={scope}"));
}

#[tokio::test]
async fn a_credential_that_is_refused_says_so_without_showing_it() {
    for auth in ["bearer", "oauth2"] {
        let server = Server::start(|_, heard| match heard.path.as_str() {
            "/token" => Answer::json(&json!({ "access_token": "canary-token" })),
            _ => Answer::status(401),
        })
        .await;
        let auth = if auth == "bearer" { bearer() } else { oauth2(&server) };
        let error = feed(&server, auth, 3).pull().await.unwrap_err();
        assert!(matches!(error, FeedError::Unauthorized { .. }));
        assert!(error.to_string().contains("`springfield`, orgs at offset 0"));
        assert!(!format!("{error:?} {error}").contains("canary"));
    }
}

/// P5, P6.
#[tokio::test]
async fn a_source_that_moves_once_is_read_again_and_one_that_never_rests_fails() {
    let moved = AtomicBool::new(false);
    let once = Server::start(move |_, heard| {
        let late = heard.collection() == "users" && heard.number("offset") == 3;
        let more = usize::from(late && !moved.swap(true, Ordering::Relaxed));
        let total = rows(heard.collection()).len() + more;
        plain(heard).header("x-total-count", total)
    })
    .await;
    assert_eq!(counts(&pull(&once).await.unwrap())[4], 7);
    let restless = Server::start(|before, heard| with_total(heard).header("x-perm-rev", before)).await;
    let error = pull(&restless).await.unwrap_err();
    assert!(matches!(error, FeedError::Moved { restarts: 3, .. }), "{error}");
    assert!(error.is_transient());
}

/// P6, M4.
#[tokio::test]
async fn a_pull_with_fewer_rows_than_the_total_is_not_complete() {
    let server = Server::start(|_, heard| plain(heard).header("x-total-count", 9)).await;
    let error = pull(&server).await.unwrap_err().to_string();
    assert!(error.contains("2 rows came and the total is 9"), "{error}");
}

#[tokio::test]
async fn ids_that_come_twice_are_walked_again_and_then_taken_with_a_warning() {
    let server = Server::start(|_, heard| {
        let mut rows = rows(heard.collection());
        if heard.collection() == "users" {
            rows.insert(4, rows[3].clone());
        }
        page(heard, &rows, 100)
    })
    .await;
    let snapshot = pull(&server).await.unwrap();
    assert_eq!((counts(&snapshot)[4], warned(&snapshot, "repeated_id")), (7, 1));
    let first_pages = |it: &&Heard| it.collection() == "users" && it.number("offset") == 0;
    assert_eq!(server.heard().iter().filter(first_pages).count(), 2);
}

#[tokio::test]
async fn a_server_that_gives_the_same_page_for_ever_is_left() {
    let server = Server::start(|_, heard| Answer::json(&json!({ heard.collection(): rows(heard.collection()) }))).await;
    assert!(matches!(pull(&server).await, Err(FeedError::Loop { .. })));
    assert!(server.heard().len() <= 3);
}

/// P7.
#[tokio::test]
async fn answers_that_are_no_roster_are_errors_and_never_an_empty_one() {
    let html = || Answer { status: 200, headers: Vec::new(), body: b"\n<!doctype html>".to_vec() };
    let cut = || Answer { status: 200, headers: Vec::new(), body: br#"{"users":[{"sourcedId":"u1""#.to_vec() };
    type Case = (fn() -> Answer, &'static str);
    let cases: [Case; 6] = [
        (html, "an HTML page instead of JSON (a login page?)"),
        (cut, "cut off"),
        (|| Answer::json(&json!({ "imsx_codeMajor": "failure" })), "no list of records"),
        (|| Answer::status(302).header("location", "https://a.example/?canary"), "a redirect, which is never followed"),
        (|| Answer::status(403), "the district is disconnected"),
        (|| Answer { status: 200, headers: Vec::new(), body: vec![b' '; (1 << 20) + 1] }, "larger than 1048576 bytes"),
    ];
    for (answer, wanted) in cases {
        let server =
            Server::start(move |_, heard| if heard.collection() == "users" { answer() } else { plain(heard) }).await;
        let error = pull(&server).await.unwrap_err().to_string();
        assert!(error.contains(wanted) && error.contains("users at offset 0"), "{error}");
        assert!(!error.contains("canary") && !error.contains("limit="), "{error}");
    }
}

#[tokio::test]
async fn an_empty_object_and_no_content_are_empty_pages() {
    for answer in [|| Answer::json(&json!({})), || Answer::status(204)] {
        let server =
            Server::start(move |_, heard| if heard.collection() == "courses" { answer() } else { plain(heard) }).await;
        assert_eq!(counts(&pull(&server).await.unwrap()), [2, 1, 0, 1, 7, 1]);
    }
}

/// P8.
#[tokio::test]
async fn trouble_that_passes_is_waited_out_and_trouble_that_stays_is_an_error() {
    let passing = Server::start(|before, heard| match before {
        1 => Answer::status(503),
        3 => Answer::status(429).header("retry-after", 0),
        5 => Answer::status(500),
        _ => plain(heard),
    })
    .await;
    assert_eq!(counts(&pull(&passing).await.unwrap())[4], 7);
    let staying = Server::start(|_, _| Answer::status(502)).await;
    let error = pull(&staying).await.unwrap_err();
    assert!(matches!(error, FeedError::Status { status: 502, .. }) && error.is_transient());
    assert_eq!(staying.heard().len(), 6);
    let gone = Server::start(|_, _| Answer::status(200)).await;
    let nowhere = gone.url.replace("127.0.0.1", "127.0.0.2");
    let settings = OneRosterSettings { url: Some(nowhere), ..settings_of(&gone) };
    let mut feed = OneRoster::open(&settings, context(Vec::new())).unwrap();
    feed.quicken();
    assert!(matches!(feed.pull().await, Err(FeedError::Unreachable { .. })));
}

fn settings_of(server: &Server) -> OneRosterSettings {
    OneRosterSettings {
        url: Some(server.url.clone()),
        version: Some("1.1".to_owned()),
        auth: Some(bearer()),
        timeout_seconds: Some(10),
        ..OneRosterSettings::default()
    }
}

#[tokio::test]
async fn a_page_that_is_too_large_for_the_server_is_halved() {
    let server =
        Server::start(|_, heard| if heard.number("limit") > 2 { Answer::status(413) } else { plain(heard) }).await;
    assert_eq!(counts(&feed(&server, bearer(), 8).pull().await.unwrap())[4], 7);
}

/// P11.
#[tokio::test]
async fn a_row_that_cannot_be_read_is_there_all_the_same() {
    let server = Server::start(|_, heard| {
        let mut rows = rows(heard.collection());
        if heard.collection() == "users" {
            rows[0]["givenName"] = json!({ "canary": 1 });
            rows[1]["givenName"] = json!("a\u{0}b");
            rows[2]["sourcedId"] = json!("");
            rows[3]["status"] = json!("tobedeleted");
            rows[4]["email"] = json!("x".repeat(70_000));
        }
        page(heard, &rows, 100)
    })
    .await;
    let snapshot = pull(&server).await.unwrap();
    let of = |id: &str| snapshot.users.get(&id.into());
    assert_eq!([of("u1"), of("u2"), of("u5")], [Some(&Presence::Unusable); 3]);
    assert_eq!((of("u3"), of("u4")), (None, Some(&Presence::Gone)));
    assert_eq!(snapshot.invalid[&Kind::Users], 4);
    assert_eq!(counts(&snapshot)[4], 2);
}

#[tokio::test]
async fn the_feed_is_named_by_its_address_and_not_by_its_credential() {
    let server = Server::start(|_, heard| plain(heard)).await;
    let feed = feed(&server, bearer(), 3);
    assert_eq!(feed.mark_name(), format!("oneroster:{}/ims/oneroster/v1p1", server.url));
    assert_eq!(feed.pull().await.unwrap().source.feed, feed.mark_name());
    assert_eq!(
        feed.known().credential.authorization(&server.url.parse().unwrap()).expose_secret(),
        "Bearer canary-token"
    );
}

#[tokio::test]
async fn a_pull_can_be_given_to_any_thread() {
    fn sent<T: Send>(it: T) -> T {
        it
    }
    let server = Server::start(|_, heard| plain(heard)).await;
    let settings = crate::feed::Settings::Oneroster(settings_of(&server));
    let feed = crate::feed::open(&settings, context(Vec::new())).unwrap();
    assert_eq!(counts(&sent(feed.pull()).await.unwrap())[4], 7);
}

/// A server that promises more than it sends, `cuts` times, and then answers `{}`.
async fn cutting(cuts: usize) -> (String, std::sync::Arc<AtomicUsize>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _read = socket.read(&mut request).await;
            let length = if count.fetch_add(1, Ordering::Relaxed) < cuts { 100 } else { 2 };
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{{}}");
            let _written = socket.write_all(answer.as_bytes()).await;
        }
    });
    (url, asked)
}

#[tokio::test]
async fn a_connection_cut_in_mid_page_is_tried_again_and_never_taken_for_the_page() {
    for (cuts, survives) in [(2, true), (usize::MAX, false)] {
        let (url, asked) = cutting(cuts).await;
        let server = Server::start(|_, _| Answer::status(500)).await;
        let settings = OneRosterSettings { url: Some(url), ..settings_of(&server) };
        let mut feed = OneRoster::open(&settings, context(Vec::new())).unwrap();
        feed.quicken();
        let outcome = feed.pull().await;
        match outcome {
            Ok(snapshot) => assert!(survives && counts(&snapshot) == [0; 6]),
            Err(error) => assert!(!survives && error.to_string().contains("broke off"), "{error}"),
        }
        assert_eq!(asked.load(Ordering::Relaxed), if survives { 8 } else { 6 });
    }
}

#[tokio::test]
async fn rows_that_came_before_are_not_read_again() {
    let server = Server::start(|_, heard| plain(heard)).await;
    let mut feed = feed(&server, bearer(), 3);
    feed.context.recall = Some(recall(None));
    let first = feed.pull().await.unwrap();
    assert_eq!(recognized(&first), [(0, 1), (0, 7), (0, 1)]);
    let (roster, known) = taken_up(&first);
    feed.context.recall = Some(recall(Some(known)));

    let again = feed.pull().await.unwrap();

    assert_eq!(recognized(&again), [(1, 0), (7, 0), (1, 0)]);
    assert!(again.classes.is_empty() && again.users.is_empty() && again.enrollments.is_empty());
    assert_eq!(again.completed(&roster).unwrap().warnings, first.warnings);
    assert_eq!(again.digest, first.digest);
}
