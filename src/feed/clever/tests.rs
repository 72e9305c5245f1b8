mod known;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::feed::FeedError;
use crate::feed::apps::{App, CleverApp};
use crate::feed::clever::{Clever, districts};
use crate::feed::settings::CleverSettings;
use crate::feed::testing::{Answer, Heard, Server, context, counts, lines, warned};
use crate::model::Kind;
use crate::secret::Secret;
use crate::snapshot::{Presence, Snapshot, SourceState};

const DISTRICT: &str = "58da8a43cc70ab00017a1a87";

fn app(server: &Server) -> CleverApp {
    CleverApp {
        id: "main".to_owned(),
        client_id: Secret::plain("id"),
        client_secret: Secret::plain("secret"),
        url: server.url.clone(),
        auth_url: server.url.clone(),
        time_zone: chrono_tz::America::New_York,
        first_sync: None,
        ca_file: None,
        allow_insecure: false,
    }
}

fn settings(page_size: u32) -> CleverSettings {
    CleverSettings {
        app: Some("main".to_owned()),
        district: Some(DISTRICT.to_owned()),
        token: None,
        version: None,
        url: None,
        auth_url: None,
        ca_file: None,
        page_size: Some(page_size),
        timeout_seconds: Some(10),
        max_requests_per_second: Some(100_000),
        end_dates: None,
        allow_insecure: false,
    }
}

async fn pull(server: &Server, page_size: u32) -> Result<Snapshot, FeedError> {
    let mut feed = Clever::open(&settings(page_size), context(vec![App::Clever(app(server))])).unwrap();
    feed.http.quicken(1 << 20);
    feed.pull().await
}

fn tokens(token: &str) -> Answer {
    let row = |district: &str, token: &str, created: &str| {
        json!({ "id": "62b4", "created": created, "owner": { "type": "district", "id": district },
            "access_token": token, "scopes": [] })
    };
    Answer::json(&json!({ "data": [
        row(DISTRICT, "older", "2022-01-01T00:00:00.000Z"),
        row(DISTRICT, token, "2023-01-01T00:00:00.000Z"),
        row("other", "theirs", "2023-01-01T00:00:00.000Z"),
    ], "links": [{ "rel": "self", "uri": "/oauth/tokens?owner_type=district" }] }))
}

fn objects(collection: &str) -> Vec<Value> {
    let student = |id: &str| {
        json!({ "id": id, "district": DISTRICT, "email": "s@example.org", "name": { "first": "Steve", "last": "Z" },
            "roles": { "student": { "school": "s1", "schools": ["s2", "s1"], "grade": "Kindergarten", "dob": "2/11/2007",
                "sis_id": "100", "student_number": "", "state_id": "S-1", "credentials": { "district_username": "stevez" } } } })
    };
    match collection {
        "districts" => vec![
            json!({ "id": DISTRICT, "name": "Demo ISD", "state": "running", "error": "", "last_sync": "2023-04-23T16:08:05.652Z" }),
        ],
        "schools" => vec![
            json!({ "id": "s1", "district": DISTRICT, "name": "North", "sis_id": "1", "school_number": "13K", "nces_id": "99" }),
            json!({ "id": "s2", "district": DISTRICT, "name": "South", "sis_id": "2", "school_number": null }),
        ],
        "terms" => vec![
            json!({ "id": "t1", "district": DISTRICT, "name": "S1", "start_date": "2025-08-01", "end_date": "2025-12-01" }),
        ],
        "courses" => {
            vec![json!({ "id": "k1", "district": DISTRICT, "name": "Math", "number": "" })]
        }
        "users" => vec![
            student("u1"),
            student("u2"),
            json!({ "id": "u3", "district": DISTRICT, "email": "", "name": { "first": "Tea", "last": "Cher" },
                "roles": { "teacher": { "school": "s1", "schools": ["s1"], "sis_id": "7" }, "district_admin": { "title": "x" },
                    "staff": { "staff_id": "9", "schools": ["s2"] } } }),
            json!({ "id": "u4", "district": DISTRICT, "name": { "last": "Parent" }, "roles": { "contact": { "phone": "1" } } }),
        ],
        "sections" => vec![
            json!({ "id": "c1", "district": DISTRICT, "name": "Math - 1", "school": "s1", "course": "k1", "term_id": "t1",
                "section_number": "4", "grade": "6", "subject": "math", "students": ["u1", "u2", "u9"],
                "teacher": "u3", "teachers": ["u3", "u8"] }),
        ],
        _ => panic!("no such collection"),
    }
}

/// A page as Clever gives it, of at most `most` rows.
fn page(heard: &Heard, objects: &[Value], most: usize) -> Answer {
    let limit = heard.query.get("limit").map_or(100, |it| it.parse().unwrap()).min(most);
    let after = heard.query.get("starting_after").map_or("", String::as_str);
    let rest: Vec<&Value> = objects.iter().filter(|it| it["id"].as_str().unwrap() > after).collect();
    let data: Vec<Value> = rest.iter().take(limit).map(|it| json!({ "data": it, "uri": "/x" })).collect();
    let mut links = vec![json!({ "rel": "self", "uri": heard.path })];
    if rest.len() > limit {
        let last = rest[limit - 1]["id"].as_str().unwrap();
        links.push(json!({ "rel": "next", "uri": format!("{}?limit={limit}&starting_after={last}", heard.path) }));
    }
    Answer::json(&json!({ "data": data, "links": links }))
}

fn plain(heard: &Heard) -> Answer {
    match heard.collection() {
        "tokens" => tokens("good"),
        _ if heard.authorization != "Bearer good" => Answer::status(401),
        collection => page(heard, &objects(collection), 10_000),
    }
}

#[tokio::test]
async fn a_district_becomes_the_records_it_tells_of() {
    let server = Server::start(|_, heard| plain(heard)).await;
    let snapshot = pull(&server, 2).await.unwrap();
    assert_eq!(counts(&snapshot), [3, 1, 1, 1, 3, 5]);
    assert!(snapshot.complete());
    assert_eq!((snapshot.skipped, warned(&snapshot, "dangling_user")), (1, 2));
    assert_eq!(snapshot.source.feed, format!("clever:{DISTRICT}"));
    assert_eq!(snapshot.district_name.as_deref(), Some("Demo ISD"));
    let wanted = [
        r#"{"id":"58da8a43cc70ab00017a1a87","type":"district","name":"Demo ISD"}"#,
        r#"{"id":"s1","type":"school","name":"North","identifier":"13K","parent":"58da8a43cc70ab00017a1a87"}"#,
        r#"{"id":"s2","type":"school","name":"South","identifier":"2","parent":"58da8a43cc70ab00017a1a87"}"#,
        r#"{"id":"t1","type":"term","title":"S1","starts_on":"2025-08-01","ends_on":"2025-12-01"}"#,
        r#"{"id":"k1","title":"Math","org":"58da8a43cc70ab00017a1a87"}"#,
        r#"{"id":"c1","title":"Math - 1","code":"4","school":"s1","course":"k1","sessions":["t1"],"grades":["06"],"subjects":["math"]}"#,
        r#"{"id":"u1","roles":[{"role":"student","org":"s1","primary":true},{"role":"student","org":"s2","primary":false}],"active":true,"given_name":"Steve","family_name":"Z","email":"s@example.org","username":"stevez","grades":["KG"],"student_number":"100","state_id":"S-1"}"#,
        r#"{"id":"u3","roles":[{"role":"administrator","org":"58da8a43cc70ab00017a1a87","primary":true},{"role":"staff","org":"s2","primary":true},{"role":"teacher","org":"s1","primary":true}],"active":true,"given_name":"Tea","family_name":"Cher"}"#,
        r#"{"user":"u3","class":"c1","school":"s1","role":"teacher","primary":true}"#,
        r#"{"user":"u8","class":"c1","school":"s1","role":"teacher","primary":false}"#,
        r#"{"user":"u9","class":"c1","school":"s1","role":"student"}"#,
    ];
    let lines = lines(&snapshot);
    for line in wanted {
        assert!(lines.iter().any(|it| it == line), "{line}\n{}", lines.join("\n"));
    }
    let token_list = &server.heard()[0];
    assert_eq!(token_list.authorization, "Basic aWQ6c2VjcmV0");
    assert_eq!(token_list.query["district"], DISTRICT);
}

#[tokio::test]
async fn an_app_finds_its_districts_by_their_owner_and_newest_token() {
    let server = Server::start(|_, heard| plain(heard)).await;
    let found = districts(&app(&server), |_| None).await.unwrap();
    let found: Vec<_> = found.iter().map(|it| (it.id.as_str(), it.token.expose_secret())).collect();
    assert_eq!(found, [(DISTRICT, "good"), ("other", "theirs")]);
}

#[tokio::test]
async fn a_token_that_was_replaced_is_read_again_once() {
    let listed = AtomicUsize::new(0);
    let server = Server::start(move |_, heard| match heard.collection() {
        "tokens" if listed.fetch_add(1, Ordering::Relaxed) == 0 => tokens("stale"),
        _ => plain(heard),
    })
    .await;
    assert_eq!(counts(&pull(&server, 100).await.unwrap())[4], 3);
    let refused = Server::start(|_, heard| match heard.collection() {
        "tokens" => tokens("stale"),
        _ => plain(heard),
    })
    .await;
    assert!(matches!(pull(&refused, 100).await, Err(FeedError::Unauthorized { .. })));
    assert_eq!(refused.heard().iter().filter(|it| it.collection() == "tokens").count(), 2);
}

/// P15, P38.
#[tokio::test]
async fn silence_is_disconnected_and_never_an_empty_roster() {
    let unlisted: fn(&Heard) -> Answer = |heard| match heard.collection() {
        "tokens" => Answer::json(&json!({ "data": [], "links": [] })),
        _ => plain(heard),
    };
    let forbidden: fn(&Heard) -> Answer = |heard| match heard.collection() {
        "users" => Answer::status(403),
        _ => plain(heard),
    };
    let html: fn(&Heard) -> Answer = |heard| match heard.collection() {
        "districts" => Answer { status: 404, headers: Vec::new(), body: b"<pre>Cannot GET</pre>".to_vec() },
        _ => plain(heard),
    };
    let nobody: fn(&Heard) -> Answer = |heard| match heard.collection() {
        "districts" => Answer::json(&json!({ "data": [], "links": [] })),
        _ => plain(heard),
    };
    for answer in [unlisted, forbidden, html, nobody] {
        let server = Server::start(move |_, heard| answer(heard)).await;
        let error = pull(&server, 100).await.unwrap_err();
        assert!(matches!(error, FeedError::Disconnected { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_token_of_another_district_is_refused() {
    let server = Server::start(|_, heard| match heard.collection() {
        "districts" => page(heard, &[json!({ "id": "other" })], 10),
        _ => plain(heard),
    })
    .await;
    assert!(matches!(pull(&server, 100).await, Err(FeedError::WrongDistrict { .. })));
}

#[tokio::test]
async fn a_sync_of_clever_s_in_between_starts_the_pull_over() {
    let synced = AtomicBool::new(false);
    let once = Server::start(move |_, heard| match heard.collection() {
        "districts" if !synced.swap(true, Ordering::Relaxed) => {
            page(heard, &[json!({ "id": DISTRICT, "last_sync": "earlier" })], 10)
        }
        _ => plain(heard),
    })
    .await;
    assert_eq!(counts(&pull(&once, 100).await.unwrap())[4], 3);
    let restless = Server::start(|before, heard| match heard.collection() {
        "districts" => page(heard, &[json!({ "id": DISTRICT, "last_sync": before })], 10),
        _ => plain(heard),
    })
    .await;
    assert!(matches!(pull(&restless, 100).await, Err(FeedError::Moved { restarts: 3, .. })));
}

/// P38.
#[tokio::test]
async fn a_paused_district_is_read_and_marked_frozen() {
    for state in ["paused", "pending", "error"] {
        let server = Server::start(move |_, heard| match heard.collection() {
            "districts" => page(heard, &[json!({ "id": DISTRICT, "state": state })], 10),
            _ => plain(heard),
        })
        .await;
        assert_eq!(pull(&server, 100).await.unwrap().state, SourceState::Frozen(state.to_owned()));
    }
}

#[tokio::test]
async fn a_next_link_to_another_place_is_not_followed_and_paging_goes_on() {
    let stranger = Server::start(|_, _| Answer::status(200)).await;
    let elsewhere = stranger.url.clone();
    let server = Server::start(move |_, heard| {
        let answer = plain(heard);
        let body = String::from_utf8(answer.body).unwrap();
        let foreign = format!("{elsewhere}/v3.0/users?starting_after=zzz");
        let body = body.replace("/v3.0/users?limit=1&starting_after=u1", &foreign);
        Answer { body: body.into_bytes(), ..answer }
    })
    .await;
    assert_eq!(counts(&pull(&server, 1).await.unwrap())[4], 3);
    assert!(stranger.heard().is_empty());
}

#[tokio::test]
async fn a_next_link_that_turns_back_is_a_loop() {
    let server = Server::start(|_, heard| match heard.collection() {
        "users" => Answer::json(&json!({ "data": [{ "data": { "id": "u1", "roles": {} } }],
            "links": [{ "rel": "next", "uri": "/v3.0/users?starting_after=u1" }] })),
        _ => plain(heard),
    })
    .await;
    assert!(matches!(pull(&server, 100).await, Err(FeedError::Loop { .. })));
}

#[tokio::test]
async fn a_limit_that_is_too_large_is_halved_and_a_reset_is_waited_for() {
    let server = Server::start(|before, heard| {
        let limit = heard.query.get("limit").map_or(0, |it| it.parse().unwrap());
        match before {
            4 => Answer::status(429).header("x-ratelimit-reset", 1_500_000_000),
            _ if limit > 3 => Answer::status(413),
            _ => plain(heard),
        }
    })
    .await;
    assert_eq!(counts(&pull(&server, 10).await.unwrap())[4], 3);
}

#[tokio::test]
async fn a_section_that_hides_its_students_ends_no_enrollment() {
    let server = Server::start(|_, heard| match heard.collection() {
        "sections" => {
            let mut sections = objects("sections");
            sections[0].as_object_mut().unwrap().remove("students");
            sections.push(json!({ "id": "c2", "district": "other", "name": "Theirs", "students": ["u1"] }));
            page(heard, &sections, 10)
        }
        _ => plain(heard),
    })
    .await;
    let snapshot = pull(&server, 100).await.unwrap();
    assert_eq!(snapshot.invalid[&Kind::Enrollments], 1);
    assert_eq!(snapshot.classes[&"c2".into()], Presence::Unusable);
    assert_eq!(counts(&snapshot)[5], 2);
}

#[tokio::test]
async fn a_district_that_shares_nothing_shows_as_nothing() {
    let server = Server::start(|_, heard| match heard.collection() {
        "tokens" | "districts" => plain(heard),
        _ => page(heard, &[], 10),
    })
    .await;
    assert_eq!(counts(&pull(&server, 100).await.unwrap()), [0; 6]);
}
