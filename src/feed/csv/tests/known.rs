//! Rows of uploads that did not change, and what they are told by (`csv/same.rs`).

use super::{USERS, files, pull_in, with, write};
use crate::feed::Context;
use crate::feed::testing::{context, recall, recognized, taken_up};
use crate::model::KnownRows;
use crate::snapshot::{Presence, Snapshot};

/// Pulls where these rows are known.
async fn pull_knowing(files: &[(&str, Vec<u8>)], known: Option<KnownRows>) -> Snapshot {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), files);
    pull_in(dir.path(), Context { recall: Some(recall(known)), ..context(Vec::new()) }).await.unwrap()
}

/// The columns in reverse order.
fn turned(text: &str) -> String {
    let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    for row in reader.records() {
        let row = row.unwrap();
        writer.write_record(row.iter().collect::<Vec<_>>().into_iter().rev()).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

/// The same cells under other names are another row.
#[tokio::test]
async fn rows_that_came_before_are_not_read_again_unless_their_columns_moved() {
    let first = pull_knowing(&files(), None).await;
    assert_eq!(recognized(&first), [(0, 1), (0, 2), (0, 2)]);
    let (roster, known) = taken_up(&first);

    let again = pull_knowing(&files(), Some(known.clone())).await;
    assert_eq!(recognized(&again), [(1, 0), (2, 0), (2, 0)]);
    assert!(again.classes.is_empty() && again.users.is_empty() && again.enrollments.is_empty());
    assert_eq!(again.completed(&roster).unwrap().warnings, first.warnings);
    assert_eq!(again.digest, first.digest);

    let turned = pull_knowing(&with("users.csv", turned(USERS)), Some(known.clone())).await;
    assert_eq!(recognized(&turned), [(1, 0), (0, 2), (2, 0)]);
    assert_eq!(turned.users, first.users);

    let renamed = USERS.replace("givenName,familyName", "familyName,givenName");
    let renamed = pull_knowing(&with("users.csv", renamed), Some(known)).await;
    let Presence::This(ann) = &renamed.users[&"u1".into()] else { panic!("u1 was read") };
    assert_eq!(ann.family_name.as_ref().unwrap().reveal(), "Ann");
}

/// Row by row: what changed is read, and what stands beside it is not.
#[tokio::test]
async fn a_row_that_changed_is_read_alone() {
    let (roster, known) = taken_up(&pull_knowing(&files(), None).await);
    let moved = pull_knowing(&with("users.csv", USERS.replace(",Ann,", ",Anne,")), Some(known.clone())).await;
    assert_eq!(recognized(&moved), [(1, 0), (1, 1), (2, 0)]);
    assert!(moved.completed(&roster).is_some());

    // A cell that moved over to its neighbor leaves the bytes of all cells as they were.
    let shifted = USERS.replace(",Bob,Ray,", ",BobRay,,");
    let shifted = pull_knowing(&with("users.csv", shifted), Some(known)).await;
    assert_eq!(recognized(&shifted), [(1, 0), (1, 1), (2, 0)]);
}

/// 1.2: the roles of a user stand in a file of their own.
#[tokio::test]
async fn a_user_whose_roles_changed_is_read_though_the_row_did_not() {
    let users = USERS.replace("orgSourcedIds,role,", "x,y,").replace("\"s1, d\",student,", ",,");
    let users = users.replace("s1,teacher,", ",,").replace("s1,guardian,", ",,");
    let roles = "sourcedId,userSourcedId,roleType,role,orgSourcedId\nr1,u1,primary,student,s1\nr2,u1,secondary,student,d\n\
        r3,t1,primary,teacher,s1\nr4,g1,primary,guardian,s1\n";
    let upload = |roles: &str| {
        let mut files = with("users.csv", &users);
        files.push(("roles.csv", roles.as_bytes().to_vec()));
        files
    };
    let (_, known) = taken_up(&pull_knowing(&upload(roles), None).await);
    let again = pull_knowing(&upload(roles), Some(known.clone())).await;
    assert_eq!(recognized(&again), [(1, 0), (2, 0), (2, 0)]);

    let swapped = roles.replace("u1,secondary,student,d", "u1,primary,student,d");
    let swapped = swapped.replace("u1,primary,student,s1", "u1,secondary,student,s1");
    let swapped = pull_knowing(&upload(&swapped), Some(known.clone())).await;
    assert_eq!(recognized(&swapped), [(1, 0), (1, 1), (2, 0)]);
    let Presence::This(ann) = &swapped.users[&"u1".into()] else { panic!("u1 was read") };
    assert!(ann.roles.iter().any(|it| it.org.as_str() == "d" && it.primary), "{:?}", ann.roles);

    let fewer = roles.replace("r2,u1,secondary,student,d\n", "");
    assert_eq!(recognized(&pull_knowing(&upload(&fewer), Some(known)).await)[1], (1, 1));
}

/// A row that lost against another says nothing of what became of it, and one that stands there twice is read with all others.
#[tokio::test]
async fn rows_of_one_user_are_not_recognized_by_each_other() {
    let twin = "u1,,2026-02-01,false,s1,student,ann,,Ann,Later,,N-1,a@example.org,,,,3,pw\n";
    let both = pull_knowing(&with("users.csv", format!("{USERS}{twin}")), None).await;
    let (_, known) = taken_up(&both);
    let first = USERS.lines().nth(1).unwrap();
    for alone in [USERS.to_owned(), USERS.replace(&format!("{first}\n"), twin)] {
        let alone = pull_knowing(&with("users.csv", alone), Some(known.clone())).await;
        assert_eq!(recognized(&alone)[1], (1, 1));
        assert!(matches!(alone.users[&"u1".into()], Presence::This(_)));
    }

    let (_, known) = taken_up(&pull_knowing(&files(), None).await);
    let twice =
        pull_knowing(&with("users.csv", format!("{USERS}{}", USERS.lines().nth(2).unwrap())), Some(known)).await;
    assert_eq!(recognized(&twice), [(0, 1), (0, 2), (0, 2)]);
}

/// Who became a contact takes their enrollments along, and those did not change.
#[tokio::test]
async fn an_enrollment_of_a_user_who_became_a_contact_is_not_taken_for_unchanged() {
    let (roster, known) = taken_up(&pull_knowing(&files(), None).await);
    let contact = USERS.replace("s1,teacher,bob", "s1,guardian,bob");
    let snapshot = pull_knowing(&with("users.csv", contact), Some(known)).await;
    assert_eq!(recognized(&snapshot)[2], (2, 0));
    assert!(snapshot.completed(&roster).is_none(), "all is to be read");
}
