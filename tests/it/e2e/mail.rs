//! Mail to a server that keeps its doors: over TLS, with an account, and otherwise not at all (S3.22, S4.31).

use crate::support::db::Backend;
use crate::support::mailroom::{Door, Mailroom, PASSWORD, USER};
use crate::support::place::Place;
use crate::support::vendor::{NIGHT_1, NIGHT_2};

/// A district, and a mail server that is not set up yet.
async fn place(door: Door) -> (Place, Mailroom, std::path::PathBuf) {
    let place = Place::on(Backend::Sqlite, "").await.unwrap();
    let room = Mailroom::open(door).await;
    let authority = place.site.folder().join("authority.pem");
    std::fs::write(&authority, room.pem()).unwrap();
    (place, room, authority)
}

#[tokio::test]
async fn a_message_goes_by_starttls_and_nothing_of_it_in_the_clear() {
    let (place, room, authority) = place(Door::Starttls).await;
    place.configure(&room.settings("starttls", PASSWORD, Some(&authority)));
    place.site.at(NIGHT_1, &["notify", "test"]).await.exits(0).says(&["sent", "operations"]);
    assert_eq!(room.in_the_clear(), ["EHLO", "STARTTLS"]);
    assert_eq!(room.in_private()[..4], ["EHLO", "AUTH", "MAIL", "RCPT"]);
    assert!(room.taken()[0].contains("Subject: rosterd: a test message"), "{:?}", room.taken());
    place.site.discard().await;
}

#[tokio::test]
async fn a_message_goes_by_tls_from_the_start() {
    let (place, room, authority) = place(Door::Tls).await;
    place.configure(&room.settings("tls", PASSWORD, Some(&authority)));
    place.site.run(&["doctor"]).await.says(&["ok        notify 127.0.0.1"]);
    place.site.at(NIGHT_1, &["notify", "test"]).await.exits(0).says(&["sent"]);
    assert_eq!((room.in_the_clear().len(), room.taken().len()), (0, 1));
    place.site.discard().await;
}

/// Nobody is told of the password, and what waits goes once it is right.
#[tokio::test]
async fn with_a_wrong_password_a_message_waits_until_it_is_right() {
    const WRONG: &str = "pa55word-of-yesterday";
    let (mut place, room, authority) = place(Door::Starttls).await;
    place.configure(&room.settings("starttls", WRONG, Some(&authority)));
    place.sync(NIGHT_1, 0).await;
    for n in 1..=15 {
        place.upload.leaves(&format!("a-{n:03}"));
    }
    place.sync(NIGHT_2, 3).await;
    let refused = place.site.at(NIGHT_2, &["notify", "send"]).await.exits(1);
    let list = place.site.run(&["notify", "list", "--json"]).await.exits(0);
    let found = place.site.run(&["doctor"]).await.exits(1);
    let refused = refused.says(&["NOT SENT", "answered 535", "the account in [notify]"]);
    for said in [refused.said(), list.said(), found.said()] {
        assert!(!said.contains(WRONG) && !said.contains("who is that"), "{said}");
    }
    assert_eq!(list.json()[0]["status"], "waiting");
    assert_eq!(room.taken(), Vec::<String>::new());

    place.configure(&room.settings("starttls", PASSWORD, Some(&authority)));
    place.site.at(NIGHT_2, &["notify", "send"]).await.exits(0).says(&["sent"]);
    assert!(room.taken()[0].contains("changes held for review"), "{:?}", room.taken());
    place.site.discard().await;
}

/// Not even who we are is said to a server that nobody vouches for.
#[tokio::test]
async fn a_server_that_no_authority_vouches_for_hears_nothing() {
    for (door, security) in [(Door::Starttls, "starttls"), (Door::Tls, "tls")] {
        let (place, room, _) = place(door).await;
        place.configure(&room.settings(security, PASSWORD, None));
        let out = place.site.at(NIGHT_1, &["notify", "test"]).await.exits(1);
        out.says(&["no private connection to the mail server", "its certificate"]);
        let clear: &[&str] = if door == Door::Starttls { &["EHLO", "STARTTLS"] } else { &[] };
        assert_eq!((room.in_the_clear(), room.in_private()), (clear.iter().map(ToString::to_string).collect(), vec![]));
        place.site.discard().await;
    }
}

/// Whoever takes STARTTLS out of the answer on the way learns neither account nor message.
#[tokio::test]
async fn a_server_without_starttls_hears_neither_account_nor_message() {
    let (place, room, authority) = place(Door::Clear).await;
    place.configure(&room.settings("starttls", PASSWORD, Some(&authority)));
    let out = place.site.at(NIGHT_1, &["notify", "test"]).await.exits(1);
    let said = out.says(&["NOT SENT", "STARTTLS", "nothing was sent"]).said();
    assert!(!said.contains(USER) && !said.contains(PASSWORD), "{said}");
    assert!(room.in_the_clear().iter().all(|it| it == "EHLO" || it == "QUIT"), "{:?}", room.in_the_clear());
    place.site.discard().await;
}
