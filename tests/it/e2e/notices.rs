//! Being told without asking: one message for each recipient of what came together, sent at least once, never of another's
//! district, and never with a name in it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::daemon::{DAY_1, Installation, until};
use crate::support::db::Backend;
use crate::support::letterbox::{Letterbox, Mail};
use crate::support::place::{OAK, Place};
use crate::support::postgres;
use crate::support::upload::Upload;
use crate::support::vendor::{self, NIGHT_1, NIGHT_2, NIGHT_3, NIGHT_4, NIGHT_5, Ran, Site, finished};

/// What every child here is called, and where their mail goes.
const CANARY: &str = "Marmaduke";
const CANARY_MAIL: &str = "marmaduke@pupils.example";

async fn on_both<F: Future<Output = ()>>(more: &str, story: impl Fn(Place, Letterbox) -> F) {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let letters = Letterbox::open().await;
        if let Some(place) = place(backend, &letters, more).await {
            story(place, letters).await;
        }
    }
}

/// A district whose operators are told of everything.
async fn place(backend: Backend, letters: &Letterbox, more: &str) -> Option<Place> {
    let mut place = Place::on(backend, &letters.settings(more)).await?;
    for n in 1..=30 {
        for prefix in ["a", "b"] {
            let id = format!("{prefix}-{n:03}");
            place.upload.set("users", &id, "givenName", CANARY).set("users", &id, "email", CANARY_MAIL);
        }
    }
    Some(place)
}

async fn send(site: &Site, now: &str) -> Ran {
    site.at(now, &["notify", "send"]).await
}

/// The mails that sending now brings.
async fn told(place: &Place, letters: &Letterbox, now: &str) -> Vec<Mail> {
    send(&place.site, now).await.exits(0);
    let mails = letters.mails();
    for mail in &mails {
        anonymous(&format!("{mail:?}"));
    }
    mails
}

#[track_caller]
fn anonymous(text: &str) {
    for canary in [CANARY, CANARY_MAIL] {
        assert!(!text.to_lowercase().contains(&canary.to_lowercase()), "{text}");
    }
}

#[track_caller]
fn only(mut mails: Vec<Mail>) -> Mail {
    assert_eq!(mails.len(), 1, "{mails:#?}");
    mails.remove(0)
}

/// A night on which half a school is missing.
async fn held_night(place: &mut Place, now: &str) -> Value {
    for n in 1..=15 {
        place.upload.leaves(&format!("a-{n:03}"));
    }
    place.sync(now, 3).await
}

/// S3.22, U3, safety.md, Guard: one mail for all groups of a night, and none for the same review of the next.
#[tokio::test]
async fn a_held_night_is_one_mail_with_all_its_groups() {
    on_both("", async |mut place, letters| {
        place.sync(NIGHT_1, 0).await;
        assert_eq!(told(&place, &letters, NIGHT_1).await, [], "nothing is the matter");
        let run = held_night(&mut place, NIGHT_2).await;
        let id = run["run"].as_str().unwrap();
        let mail = only(told(&place, &letters, NIGHT_2).await);
        assert_eq!(mail.to, ["operations@vendor.example"]);
        assert_eq!(mail.headers["subject"], "rosterd: oak: changes held for review");
        assert_eq!(mail.headers["auto-submitted"], "auto-generated");
        let groups = run["holds"].as_array().unwrap();
        assert!(groups.len() > 1, "{run:#}");
        for hold in groups {
            assert!(mail.text.contains(hold["group"].as_str().unwrap()), "{}", mail.text);
        }
        let hash = run["plan_hash"].as_str().unwrap();
        for words in [
            format!("rosterd runs show {id} --affected"),
            format!("rosterd runs approve {id} --hash {hash}"),
            format!("rosterd runs reject {id}"),
        ] {
            assert!(mail.text.contains(&words), "{}", mail.text);
        }
        assert_eq!(told(&place, &letters, NIGHT_2).await, [], "told once");
        place.sync(NIGHT_3, 3).await;
        assert_eq!(told(&place, &letters, NIGHT_3).await, [], "the same review");
        place.site.discard().await;
    })
    .await;
}

/// S3.22, P42: ten districts that run low in one night are one digest, and a district's own recipient hears of it alone.
#[tokio::test]
async fn ten_districts_low_at_once_are_one_digest_and_each_hears_of_its_own() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let letters = Letterbox::open().await;
        let Some(site) = Site::new(backend).await else { continue };
        let (folder, catalog) = (site.folder().join("upload"), site.folder().join("catalog.toml"));
        let mut upload = Upload::new(&folder, &["s1"]);
        upload.class("c1", "s1").students("p", 30, "s1", "c1").write();
        let names: Vec<String> = (0..10).map(|n| format!("oak-{n}")).collect();
        let sold = |name: &String| {
            format!(
                "[[subscription]]\nid = \"R-{name}\"\ndistrict = \"{name}\"\nproduct = \"reading\"\nseats = 31\n\
                 starts_on = 2025-07-01\nexpires_on = 2026-06-30\n"
            )
        };
        let product =
            "[[product]]\ncode = \"reading\"\nname = \"Reading\"\naudience = \"student\"\nbasis = \"enrolled\"\n";
        let sold = format!("{product}{}", names.iter().map(sold).collect::<String>());
        let districts: String = names.iter().map(|it| vendor::district(it, &vendor::csv(&folder))).collect();
        std::fs::write(&catalog, sold).unwrap();
        let notify = [
            letters.settings("dashboard_url = \"https://rosterd.vendor.example/\""),
            Letterbox::email("seven", "districts = [\"oak-7\"]"),
            Letterbox::email("failures", "kinds = [\"failed\"]"),
            letters.webhook("crm", "districts = [\"oak-2\", \"oak-3\"]\nkinds = [\"low_seats\"]"),
        ]
        .concat();
        site.configure(&format!("[catalog]\npath = \"{}\"\n{notify}\n{districts}", catalog.display()));
        site.at(NIGHT_1, &["sync", "--all"]).await.exits(0);
        send(&site, NIGHT_1).await.exits(0);
        let mails = letters.mails();
        assert_eq!(mails.len(), 2, "{mails:#?}");
        let to = |who: &str| mails.iter().find(|it| it.to == [format!("{who}@vendor.example")]).unwrap();
        assert_eq!(to("operations").headers["subject"], "rosterd: 10 districts: few licenses left (10)");
        for n in 0..10 {
            let text = &to("operations").text;
            assert!(text.contains(&format!("https://rosterd.vendor.example/districts/oak-{n}\n")), "{text}");
        }
        let seven = to("seven");
        assert_eq!(seven.headers["subject"], "rosterd: oak-7: few licenses left");
        assert!(seven.text.contains("reading: You have 1 license remaining. Consider purchasing additional licenses."));
        for other in (0..10).filter(|n| *n != 7) {
            assert!(!format!("{seven:?}").contains(&format!("oak-{other}")), "{seven:?}");
        }
        let [post] = &letters.posts()[..] else { panic!("one post") };
        assert_eq!((&post.body["type"], &post.body["id"]), (&"digest".into(), &Value::from(post.key.as_str())));
        let of: BTreeSet<&str> =
            post.body["notices"].as_array().unwrap().iter().map(|it| it["district"].as_str().unwrap()).collect();
        assert_eq!(of, BTreeSet::from(["oak-2", "oak-3"]));
        site.discard().await;
    }
}

/// S3.22, S3.20, S4.24: at 90, 60, 30, 14, 7 and 1 days, once each, though many nights pass.
#[tokio::test]
async fn the_end_of_coverage_is_mailed_once_at_each_step() {
    on_both("weekly = \"\"", async |place, letters| {
        let nights = [
            ("2026-03-31", false),
            ("2026-04-01", true),
            ("2026-04-02", false),
            ("2026-04-30", false),
            ("2026-05-01", true),
            ("2026-05-15", false),
            ("2026-05-31", true),
            ("2026-06-01", false),
            ("2026-06-16", true),
            ("2026-06-17", false),
            ("2026-06-23", true),
            ("2026-06-24", false),
            ("2026-06-28", false),
            ("2026-06-29", true),
            ("2026-06-30", false),
        ];
        for (day, due) in nights {
            let now = format!("{day}T07:00:00.000Z");
            place.upload.write();
            place.site.sync(&now, OAK).await.exits(0);
            let mails = told(&place, &letters, &now).await;
            let of_end = mails.iter().filter(|it| it.text.contains("The licenses end on 2026-06-30.")).count();
            assert_eq!(of_end, usize::from(due), "{day}: {mails:#?}");
        }
        place.site.discard().await;
    })
    .await;
}

/// S4.31: what is open is told again each week, and no more once it is over.
#[tokio::test]
async fn the_weekly_digest_repeats_while_something_is_open() {
    on_both("", async |place, letters| {
        place.sells(60);
        place.sync(NIGHT_1, 0).await;
        assert_eq!(only(told(&place, &letters, NIGHT_1).await).headers["subject"], "rosterd: oak: few licenses left");
        let weeks = [
            ("2025-10-06T13:00:00Z", false),
            ("2025-10-12T13:00:00Z", false),
            ("2025-10-13T11:00:00Z", false),
            ("2025-10-13T13:00:00Z", true),
            ("2025-10-15T13:00:00Z", false),
            // a sender that was down tells it late
            ("2025-10-21T13:00:00Z", true),
            ("2025-10-27T13:00:00Z", true),
        ];
        for (now, due) in weeks {
            let mails = told(&place, &letters, now).await;
            assert_eq!(mails.len(), usize::from(due), "{now}: {mails:#?}");
            for mail in mails {
                assert_eq!(mail.headers["subject"], "rosterd: oak: still open this week");
                assert!(mail.text.contains("You have 0 licenses remaining"), "{}", mail.text);
            }
        }
        place.sells(200);
        place.sync("2025-10-28T07:00:00.000Z", 0).await;
        assert_eq!(told(&place, &letters, "2025-11-03T13:00:00Z").await, [], "resolved");
        place.site.discard().await;
    })
    .await;
}

/// P38, F70: a source that is down is told of once, and again after it had come back.
#[tokio::test]
async fn a_source_that_is_down_is_mailed_once_a_spell() {
    on_both("", async |place, letters| {
        place.sync(NIGHT_1, 0).await;
        let fails = async |now: &str| {
            std::fs::remove_file(place.folder().join("users.csv")).unwrap();
            std::fs::write(place.folder().join("users.csv"), "no such columns\n").unwrap();
            place.site.sync(now, OAK).await.exits(1).json()
        };
        let run = fails(NIGHT_2).await;
        let mail = only(told(&place, &letters, NIGHT_2).await);
        assert_eq!(mail.headers["subject"], "rosterd: oak: sync failed");
        for words in [run["run"].as_str().unwrap(), run["error"].as_str().unwrap(), "rosterd sync oak"] {
            assert!(mail.text.contains(words), "{words}: {}", mail.text);
        }
        fails(NIGHT_3).await;
        assert_eq!(told(&place, &letters, NIGHT_3).await, [], "still down");
        place.sync(NIGHT_4, 0).await;
        fails(NIGHT_5).await;
        only(told(&place, &letters, NIGHT_5).await);
        place.site.discard().await;
    })
    .await;
}

/// Whoever was sending is dead: on PostgreSQL that is known when the lease has run out.
async fn let_the_lease_run_out(site: &Site) {
    use sqlx::{Connection, raw_sql};
    if site.backend == Backend::Postgres {
        let mut conn = sqlx::PgConnection::connect(&site.store_url).await.unwrap();
        raw_sql("UPDATE message SET leased_until = 1 WHERE leased_until > 0").execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    }
}

/// F70: killed anywhere, everything is sent, and what is sent twice has one id and one text.
#[tokio::test]
async fn a_sender_killed_anywhere_loses_nothing_and_repeats_under_the_same_id() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        for (place_of_death, sent) in
            [("outbox.gather.commit", 0), ("outbox.gathered", 0), ("outbox.taken", 0), ("outbox.sent", 1)]
        {
            let letters = Letterbox::open().await;
            let Some(mut place) = place(backend, &letters, "").await else { continue };
            place.sync(NIGHT_1, 0).await;
            held_night(&mut place, NIGHT_2).await;
            let mut command = place.site.command(&["--now", NIGHT_2, "notify", "send"]);
            command.env("ROSTERD_FAILPOINT", place_of_death);
            let ran = finished(command, place_of_death.to_owned()).await;
            assert_eq!(ran.code, None, "{ran:?}");
            let before = letters.mails();
            assert_eq!(before.len(), sent, "{place_of_death}");
            let_the_lease_run_out(&place.site).await;
            let again = only(told(&place, &letters, NIGHT_2).await);
            for first in before {
                assert_eq!((&first.headers["message-id"], &first.text), (&again.headers["message-id"], &again.text));
                assert_eq!(first.headers["idempotency-key"], again.headers["idempotency-key"]);
            }
            assert_eq!(told(&place, &letters, NIGHT_3).await, [], "{place_of_death}: done");
            place.site.discard().await;
        }
    }
}

/// F70: a mail server that refuses is tried again, given up after its bound and loudly, and nothing is lost.
#[tokio::test]
async fn what_is_refused_waits_is_given_up_loudly_and_can_be_sent_after_all() {
    on_both("attempts = 2", async |mut place, letters| {
        place.sync(NIGHT_1, 0).await;
        held_night(&mut place, NIGHT_2).await;
        letters.refuse(true);
        send(&place.site, NIGHT_2).await.exits(1).says(&["NOT SENT", "answered 451"]);
        let list = place.site.run(&["notify", "list", "--json"]).await.exits(0).json();
        assert_eq!((&list[0]["status"], &list[0]["attempts"]), (&"waiting".into(), &1.into()), "{list:#}");
        assert!(list[0]["due_at"].is_string(), "{list:#}");
        send(&place.site, NIGHT_2).await.exits(1).says(&["GIVEN UP"]);
        place.site.run(&["doctor"]).await.exits(1).says(&["1 messages were given up", "notify send --given-up"]);
        letters.refuse(false);
        assert_eq!(told(&place, &letters, NIGHT_3).await, [], "given up is given up");
        place.site.at(NIGHT_3, &["notify", "send", "--given-up"]).await.exits(0).says(&["sent"]);
        let mail = only(letters.mails());
        assert!(mail.text.contains("held for review"), "{}", mail.text);
        let list = place.site.run(&["notify", "list", "--json"]).await.exits(0).json();
        assert_eq!((&list[0]["status"], &list[0]["error"]), (&"sent".into(), &Value::Null), "{list:#}");
        assert_eq!(format!("<{}@vendor.example>", list[0]["id"].as_str().unwrap()), mail.headers["message-id"]);
        place.site.discard().await;
    })
    .await;
}

/// Two processes at once send each message once.
#[tokio::test]
async fn two_senders_at_once_send_each_message_once() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let letters = Letterbox::open().await;
        let more = (0..5).map(|n| Letterbox::email(&format!("r{n}"), "")).collect::<String>();
        let notify = format!("{}{more}", letters.settings(""));
        let Some(mut place) = Place::on(backend, &notify).await else { continue };
        place.sync(NIGHT_1, 0).await;
        held_night(&mut place, NIGHT_2).await;
        let (one, other) = tokio::join!(send(&place.site, NIGHT_2), send(&place.site, NIGHT_2));
        one.exits(0);
        other.exits(0);
        send(&place.site, NIGHT_2).await.exits(0);
        let to: Vec<String> = letters.mails().into_iter().flat_map(|it| it.to).collect();
        assert_eq!((to.len(), BTreeSet::from_iter(to).len()), (6, 6));
        place.site.discard().await;
    }
}

/// P48: two daemons on one PostgreSQL tell of a held night once, by themselves.
#[tokio::test]
async fn two_daemons_tell_once() {
    let Some(url) = postgres::fresh_database().await else { return };
    let letters = Letterbox::open().await;
    let more = letters.settings("gather_minutes = 0") + &letters.webhook("crm", "");
    let installation = Installation::over(url, "review", &more);
    assert!(installation.cli(DAY_1, &["migrate"]).status.success());
    let daemons = [installation.start(DAY_1).await, installation.start(DAY_1).await];
    assert_eq!(installation.cli(DAY_1, &["sync", "mulberry-springs"]).status.code(), Some(3));
    until("both recipients to be told", async || {
        let store = installation.store().await;
        let messages = store.messages(10).await.unwrap();
        store.close().await;
        (messages.len() >= 2 && messages.iter().all(|it| it.status == "sent")).then_some(())
    })
    .await;
    for daemon in daemons {
        daemon.stop().await;
    }
    let mail = only(letters.mails());
    assert!(mail.text.contains("district/first_sync"), "{}", mail.text);
    let [post] = &letters.posts()[..] else { panic!("one post") };
    assert_eq!(post.body["notices"][0]["about"], "held");
}

/// S3.22: `doctor` and `notify test` find a mail server that is away, a webhook that refuses and districts nobody hears of.
#[tokio::test]
async fn what_would_not_arrive_is_found_before_it_matters() {
    let letters = Letterbox::open().await;
    let Some(place) = place(Backend::Sqlite, &letters, "").await else { return };
    let site = &place.site;
    place.upload.write();
    site.run(&["doctor"]).await.exits(0).says(&["ok        notify operations", "ok        notify 127.0.0.1"]);
    assert_eq!(letters.mails(), [], "doctor sends no mail");
    site.at(NIGHT_1, &["notify", "test"]).await.exits(0).says(&["sent", "operations"]);
    assert_eq!(only(letters.mails()).headers["subject"], "rosterd: a test message");
    site.at(NIGHT_1, &["notify", "test", "--target", "nobody"]).await.exits(2).says(&["known are: operations"]);

    let district = vendor::district(OAK, &vendor::csv(&place.folder()));
    site.configure(&format!("{}{district}", letters.webhook("crm", "districts = [\"elm\"]")));
    letters.refuse(true);
    site.run(&["doctor"]).await.exits(1).says(&[
        "answered 403",
        "hears of districts that are not known: elm",
        "no [[notify.target]] hears of this district",
    ]);
    site.run(&["notify", "test"]).await.exits(1).says(&["answered 403"]);
    let closed = letters.settings("").replace("port = ", "port = 1 # ");
    site.configure(&format!("{closed}{district}"));
    site.run(&["doctor"]).await.exits(1).says(&["the mail server `127.0.0.1` cannot be reached"]);
    site.configure(&district);
    site.run(&["doctor"]).await.exits(0).says(&["nobody is told of held runs"]);
    site.at(NIGHT_1, &["notify", "send"]).await.exits(2).says(&["add a [[notify.target]]"]);
    for (wrong, says) in [
        ("[[notify.target]]\nid = \"a\"", "there is nowhere to send to"),
        ("[[notify.target]]\nid = \"a\"\nemail = [\"a@b.example\"]", "needs the mail server"),
        ("[[notify.target]]\nid = \"a\"\nwebhook_url = \"https://a.example\"", "is signed"),
        ("[[notify.target]]\nid = \"a\"\nkinds = [\"helt\"]", "a notice's kind is one of"),
        ("[notify]\nweekly = \"monday\"", "`mon 07:00`"),
        ("[notify.smtp]\nhost = \"mail.example\"\nfrom = \"a@b.example\"\nsecurity = \"none\"", "anyone on the way"),
    ] {
        site.configure(wrong);
        site.run(&["notify", "list"]).await.exits(2).says(&[says]);
    }
}
