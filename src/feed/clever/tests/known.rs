//! Objects that did not change.

use serde_json::{Value, json};

use super::{DISTRICT, app, objects, page, plain, settings};
use crate::feed::apps::App;
use crate::feed::clever::Clever;
use crate::feed::settings::CleverSettings;
use crate::feed::testing::{Server, context, recall, recognized, taken_up, warned};
use crate::model::{KnownRows, Roster, View};
use crate::secret::Secret;
use crate::snapshot::Snapshot;

/// Pulls a district of these users and sections where objects are known.
async fn pull_knowing(users: &[Value], sections: &[Value], known: Option<KnownRows>) -> Snapshot {
    let (users, sections) = (users.to_vec(), sections.to_vec());
    let server = Server::start(move |_, heard| match heard.collection() {
        "users" => page(heard, &users, 10),
        "sections" => page(heard, &sections, 10),
        _ => plain(heard),
    })
    .await;
    let mut feed = Clever::open(&settings(2), context(vec![App::Clever(app(&server))])).unwrap();
    feed.http.quicken(1 << 20);
    feed.context.recall = Some(recall(known));
    feed.pull().await.unwrap()
}

fn section(id: &str, students: &[&str]) -> Value {
    json!({ "id": id, "district": DISTRICT, "name": id, "school": "s1", "course": "k1", "term_id": "t1",
        "students": students, "teacher": "u3", "teachers": ["u3"] })
}

/// A section stands for its class and all its enrollments: one that changed is read whole, the others are not.
#[tokio::test]
async fn sections_that_came_before_are_not_read_again() {
    let users = objects("users");
    let sections = [section("c1", &["u1", "u2"]), section("c2", &["u1"]), section("c3", &[])];
    let first = pull_knowing(&users, &sections, None).await;
    assert_eq!(recognized(&first), [(0, 3), (0, 3), (0, 6)]);
    let (roster, known) = taken_up(&first);

    let again = pull_knowing(&users, &sections, Some(known.clone())).await;
    assert_eq!(recognized(&again), [(3, 0), (3, 0), (6, 0)]);
    assert!(again.classes.is_empty() && again.users.is_empty() && again.enrollments.is_empty());
    assert_eq!(again.completed(&roster).unwrap().warnings, first.warnings);
    assert_eq!(again.digest, first.digest);

    let mut changed = sections.clone();
    changed[0] = section("c1", &["u2"]);
    let snapshot = pull_knowing(&users, &changed, Some(known.clone())).await;
    assert_eq!(recognized(&snapshot), [(2, 1), (3, 0), (3, 2)]);
    assert!(snapshot.completed(&roster).is_some());

    let twice = [sections[0].clone(), sections[0].clone(), sections[1].clone()];
    let snapshot = pull_knowing(&users, &twice, Some(known)).await;
    assert_eq!((recognized(&snapshot), warned(&snapshot, "repeated_id")), ([(0, 2), (0, 3), (0, 5)], 1));
}

/// Half of a section cannot be told from the whole: with a member who is not there it is read each night.
#[tokio::test]
async fn a_section_stands_for_all_its_members_or_for_nothing() {
    let users = objects("users");
    let sections = [section("c1", &["u1", "u9"]), section("c2", &["u1"])];
    let (roster, known) = taken_up(&pull_knowing(&users, &sections, None).await);
    let again = pull_knowing(&users, &sections, Some(known)).await;
    assert_eq!(recognized(&again), [(1, 1), (3, 0), (2, 3)]);
    assert_eq!(warned(&again.completed(&roster).unwrap(), "dangling_user"), 1);

    // One enrollment waits for a person, so the store has the class without it.
    let sections = [section("c1", &["u1", "u2"]), section("c2", &["u1"])];
    let first = pull_knowing(&users, &sections, None).await;
    let (mut roster, _) = taken_up(&first);
    roster.enrollments.retain(|it| it.user.as_str() != "u2");
    let (nobody, nothing) = (Roster::default(), KnownRows::default());
    let known = first.known_after(&nothing, &nobody, View::from(&roster)).unwrap();
    let again = pull_knowing(&users, &sections, Some(known.known("a night"))).await;
    assert_eq!(recognized(&again), [(1, 1), (3, 0), (2, 3)]);
}

/// The same objects of another district are other ones.
#[tokio::test]
async fn objects_are_known_of_their_district_alone() {
    let (users, sections) = (objects("users"), [section("c1", &["u1"])]);
    let (_, known) = taken_up(&pull_knowing(&users, &sections, None).await);
    let server = Server::start(move |_, heard| match heard.collection() {
        "districts" => page(heard, &[json!({ "id": "other" })], 10),
        "sections" => page(heard, &sections, 10),
        _ => plain(heard),
    })
    .await;
    let settings = CleverSettings {
        app: None,
        district: None,
        token: Some(Secret::plain("good")),
        url: Some(server.url.clone()),
        ..settings(10)
    };
    let mut feed = Clever::open(&settings, context(Vec::new())).unwrap();
    feed.http.quicken(1 << 20);
    feed.context.recall = Some(recall(Some(known)));
    let snapshot = feed.pull().await.unwrap();
    assert_eq!(recognized(&snapshot), [(0, 0); 3]);
    assert!(warned(&snapshot, "foreign_district") > 0);
}
