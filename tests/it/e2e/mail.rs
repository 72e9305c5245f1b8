//! Mail to a server that keeps its doors: over TLS, with an account, and otherwise not at all (S3.22, S4.31).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::daemon::{DAY_1, Installation};
use crate::support::db::Backend;
use crate::support::mailroom::{Door, Mailroom, PASSWORD, USER};
use crate::support::place::Place;
use crate::support::vendor::{NIGHT_1, NIGHT_2, finished};

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

/// Some servers know nothing newer.
#[tokio::test]
async fn a_server_that_knows_login_alone_takes_a_message_too() {
    let (place, room, authority) = place(Door::Starttls).await;
    room.knows_login_alone();
    place.configure(&room.settings("starttls", PASSWORD, Some(&authority)));
    place.site.at(NIGHT_1, &["notify", "test"]).await.exits(0).says(&["sent", "operations"]);
    assert_eq!(room.taken().len(), 1);
    place.configure(&room.settings("starttls", "pa55word-of-yesterday", Some(&authority)));
    place.site.run(&["doctor"]).await.exits(1).says(&["answered 535", "`notify.smtp.user` and `password`"]);
    place.site.discard().await;
}

/// Nobody is told of the password, neither in a log of everything nor in the store, and what waits goes once it is right.
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
    let setting = "answered 535: check `notify.smtp.user` and `password`";
    let refused = place.site.at(NIGHT_2, &["notify", "send"]).await.exits(1).says(&["NOT SENT", setting]);
    let mut again = place.site.command(&["--now", NIGHT_2, "notify", "send"]);
    again.env("RUST_LOG", "trace");
    let again = finished(again, "notify send, once more".to_owned()).await.exits(1).says(&["NOT SENT", setting]);
    let list = place.site.run(&["notify", "list", "--json"]).await.exits(0).says(&[setting]);
    let found = place.site.run(&["doctor"]).await.exits(1).says(&[setting]);
    let coded = STANDARD.encode(format!("\0{USER}\0{WRONG}"));
    for said in [refused.said(), again.said(), list.said(), found.said()] {
        for word in [WRONG, coded.as_str(), "who is that"] {
            assert!(!said.contains(word), "{said}");
        }
    }
    for entry in std::fs::read_dir(place.site.folder().join("var")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        for word in [WRONG, coded.as_str()] {
            assert_eq!(memchr::memmem::find(&bytes, word.as_bytes()), None, "{}", path.display());
        }
    }
    let list = list.json();
    assert_eq!((&list[0]["status"], &list[0]["attempts"]), (&"waiting".into(), &2.into()), "{list:#}");
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

/// The authority is known, but it vouches for another name.
#[tokio::test]
async fn a_server_of_another_name_hears_nothing() {
    let (place, room, authority) = place(Door::Tls).await;
    let settings = room.settings("tls", PASSWORD, Some(&authority)).replace("127.0.0.1", "localhost");
    place.configure(&settings);
    let out = place.site.at(NIGHT_1, &["notify", "test"]).await.exits(1);
    out.says(&["no private connection to the mail server `localhost`", "its certificate"]);
    assert_eq!((room.in_private(), room.taken()), (vec![], vec![]));
    place.site.discard().await;
}

/// A `ca_file` that helps nobody is named, not the server.
#[tokio::test]
async fn a_file_of_authorities_without_any_is_found_by_doctor() {
    let (place, room, authority) = place(Door::Tls).await;
    place.configure(&room.settings("tls", PASSWORD, Some(&authority)));
    for (text, says) in [
        (None, "cannot be read"),
        (Some(""), "holds no certificate"),
        (Some("-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n"), "is not a PEM file of certificates"),
    ] {
        match text {
            None => std::fs::remove_file(&authority).unwrap(),
            Some(text) => std::fs::write(&authority, text).unwrap(),
        }
        let found = place.site.run(&["doctor"]).await.exits(1);
        found.says(&["`notify.smtp.ca_file`", "authority.pem", says]);
    }
    assert_eq!(room.in_private(), Vec::<String>::new());
    place.site.discard().await;
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

/// F70: the server has it and dies before it says so. It is sent again after a restart, under the same id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_receipt_is_lost_is_sent_again_after_a_restart_under_the_same_id() {
    let room = Mailroom::open(Door::Starttls).await;
    room.dies(true);
    let installation = Installation::new("review", "");
    let authority = installation.path("authority.pem");
    std::fs::write(&authority, room.pem()).unwrap();
    let notify = room.settings("starttls", PASSWORD, Some(&authority));
    let notify = notify.replacen("[notify]\n", "[notify]\ngather_minutes = 0\n", 1);
    let feed = installation.path("drop/upload-1").display().to_string();
    installation.configure(&installation.settings_with("review", &feed, &notify));
    assert_eq!(installation.cli(DAY_1, &["sync", "mulberry-springs"]).status.code(), Some(3));
    let daemon = installation.start(DAY_1).await;
    daemon.logs("`operations` could not be told, trying again later").await;
    daemon.logs("broke off").await;
    assert!(!daemon.log().contains(PASSWORD), "{}", daemon.log());
    daemon.stop().await;
    let store = installation.store().await;
    let waiting = store.messages(10).await.unwrap();
    store.close().await;
    assert_eq!(waiting.iter().map(|it| it.status.as_str()).collect::<Vec<_>>(), ["waiting"]);

    room.dies(false);
    // The daemon would wait a minute first.
    let sent = installation.cli(DAY_1, &["notify", "send"]);
    assert!(sent.status.success(), "{sent:?}");
    let daemon = installation.start(DAY_1).await;
    daemon.stop().await;
    let of = |text: &str, name: &str| {
        let line = text.lines().find(|it| it.starts_with(name));
        line.unwrap_or_else(|| panic!("no {name}: {text}")).to_owned()
    };
    let taken = room.taken();
    assert_eq!(taken.len(), 2, "{taken:#?}");
    for name in ["Message-ID: ", "Idempotency-Key: "] {
        assert_eq!(of(&taken[0], name), of(&taken[1], name));
    }
}
