//! The first load of a district says once what it says of all its records, and nothing is lost by that.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use rosterd::audit::Draft;
use rosterd::model::{Fingerprint, Kind, Record, Verb};
use rosterd::store::{Lost, Place, RecordWrite, Store};
use sqlx::Connection as _;

use crate::support::db::{Backend, Fresh};
use crate::support::world::{
    added, class, draft, enrollment, first_run, monday, oak, removed, told, tuesday, user, with_oak, writes,
};

both!(
    its_records_are_told_page_by_page_until_they_change_again,
    a_purge_takes_it_back_for_whoever_keeps_a_copy,
    a_body_forged_with_its_fingerprint_is_found,
    before_it_there_was_nobody,
    a_district_that_was_emptied_is_not_loaded_for_the_first_time_again,
);

/// The district after its first run.
async fn loaded(fresh: &Fresh) -> Store {
    let store = fresh.store().await;
    with_oak(&store).await;
    store.write(first_run()).await.unwrap();
    store
}

fn moved_up(id: &str) -> RecordWrite {
    let Record::User(mut after) = user(id) else { panic!("a user") };
    let before = user(id).body().unwrap();
    Arc::make_mut(&mut after).grades = vec!["02".to_owned()];
    let after = Record::User(after).body().unwrap();
    RecordWrite { verb: Verb::Changed, before: Some(before), after: Some(after), ..added(&user(id)) }
}

async fn second(store: &Store, records: Vec<RecordWrite>) {
    let mut second = writes("01RUN-2", tuesday(), store.district(&oak()).await.unwrap().revision);
    second.records = records.into();
    second.audit = second.records.made().unwrap().iter().map(told).collect();
    store.write(second).await.unwrap();
}

/// Everything told after a place, `limit` at a time, as `number kind id` with a `-` before what is gone.
async fn all_told(store: &Store, mut place: Option<Place>, limit: usize) -> Result<(Vec<String>, Place), Lost> {
    let mut all = Vec::new();
    loop {
        let page = store.changes(place, None, limit).await.unwrap()?;
        assert!(page.items.len() <= limit);
        all.extend(
            page.items
                .iter()
                .map(|it| format!("{} {}{} {}", it.number, if it.now.is_some() { "" } else { "-" }, it.kind, it.id)),
        );
        if !page.more {
            return Ok((all, page.place));
        }
        place = Some(page.place);
    }
}

async fn its_records_are_told_page_by_page_until_they_change_again(fresh: &Fresh) {
    let store = loaded(fresh).await;
    for rows in ["change_key SET revision = revision WHERE kind <> 'seats'", "record_version SET verb = verb"] {
        let touch = format!("UPDATE {rows}");
        assert_eq!(fresh.raw(&touch, &touch).await, Ok(0));
    }
    let first = [
        "1 classes C1",
        "1 enrollments [\"U1\",\"C1\",\"student\"]",
        "1 enrollments [\"U2\",\"C1\",\"student\"]",
        "1 seats reading/U1",
        "1 users U1",
        "1 users U2",
    ];
    let mut at_the_end = None;
    for limit in 1..=7 {
        let (all, place) = all_told(&store, None, limit).await.unwrap();
        assert_eq!(all, first, "{limit} a page");
        at_the_end = Some(place);
    }
    second(&store, vec![moved_up("U1"), removed(&user("U2"), true), removed(&enrollment("U2", "C1"), true)]).await;
    for limit in 1..=7 {
        let (all, _) = all_told(&store, at_the_end.clone(), limit).await.unwrap();
        assert_eq!(all, ["2 -enrollments [\"U2\",\"C1\",\"student\"]", "2 users U1", "2 -users U2"]);
        let (all, _) = all_told(&store, None, limit).await.unwrap();
        let now = ["1 classes C1", "1 enrollments [\"U1\",\"C1\",\"student\"]", "1 seats reading/U1", "2 users U1"];
        assert_eq!(all, now, "whoever begins now hears of each once, and of nothing that is gone");
    }
    let versions = store.versions(&oak(), &"01RUN-2".into()).await.unwrap();
    let of: BTreeSet<(Kind, &str)> = versions.iter().map(|it| (it.kind, it.id.as_str())).collect();
    let changed = [(Kind::Users, "U1"), (Kind::Users, "U2"), (Kind::Enrollments, "[\"U2\",\"C1\",\"student\"]")];
    assert_eq!(of, changed.into(), "from the second run on there are versions");
    assert!(versions.iter().all(|it| it.before.is_some()));
}

async fn a_purge_takes_it_back_for_whoever_keeps_a_copy(fresh: &Fresh) {
    let store = loaded(fresh).await;
    let (_, copied) = all_told(&store, None, 100).await.unwrap();
    let purged = |_: &_| -> Draft { draft("district.purged", "oak") };
    store.purge(&oak(), tuesday(), purged).await.unwrap();
    let (told, copied) = all_told(&store, Some(copied), 2).await.unwrap();
    let gone = [
        "2 -classes C1",
        "2 -enrollments [\"U1\",\"C1\",\"student\"]",
        "2 -enrollments [\"U2\",\"C1\",\"student\"]",
        "2 -seats reading/U1",
        "2 -users U1",
        "2 -users U2",
    ];
    assert_eq!(told, gone);
    second(&store, vec![added(&class("C1")), added(&user("U3"))]).await;
    let (told, _) = all_told(&store, Some(copied), 2).await.unwrap();
    assert_eq!(told, ["3 classes C1", "3 users U3"]);
}

async fn a_body_forged_with_its_fingerprint_is_found(fresh: &Fresh) {
    let store = loaded(fresh).await;
    second(&store, vec![added(&user("U3"))]).await;
    assert_eq!(store.check(&oak(), None).await.unwrap().faults, [""; 0]);
    store.close().await;
    // A release before seals, beside this one, may have written what has a version.
    let mere = |body: &str| Fingerprint::of(body).0;
    let beside = format!("UPDATE record SET fingerprint = '{}' WHERE id = 'U3'", mere(&user("U3").body().unwrap()));
    fresh.raw(&beside, &beside).await.unwrap();
    assert_eq!(fresh.store().await.check(&oak(), None).await.unwrap().faults, [""; 0]);
    // What it would write of another body, and what another record has.
    let plain = format!("'{}'", mere("{}"));
    let moved = "(SELECT o.fingerprint FROM record AS o WHERE o.id = 'U2')";
    for (user, body, fingerprint) in
        [("U1", "'{}'", plain.as_str()), ("U3", "(SELECT o.body FROM record AS o WHERE o.id = 'U2')", moved)]
    {
        let sql = format!("UPDATE record SET body = {body}, fingerprint = {fingerprint} WHERE id = '{user}'");
        fresh.raw(&sql, &sql).await.unwrap();
        let faults = fresh.store().await.check(&oak(), None).await.unwrap().faults;
        assert!(faults.iter().any(|it| it.contains(&format!("{user}` (body)"))), "{faults:?}");
    }
}

async fn before_it_there_was_nobody(fresh: &Fresh) {
    let store = loaded(fresh).await;
    second(&store, vec![removed(&user("U2"), true), added(&user("U3"))]).await;
    let of = async |at| {
        let mut roster = store.baseline(&oak()).await.unwrap().roster;
        let touched = store.rewind(&oak(), at, &mut roster).await.unwrap();
        let users: Vec<String> = roster.users.keys().map(ToString::to_string).collect();
        (users.join(" "), roster.schools.len(), touched.len())
    };
    assert_eq!(of(tuesday()).await, ("U1 U3".to_owned(), 1, 0));
    assert_eq!(of(monday()).await, ("U1 U2".to_owned(), 1, 2));
    assert_eq!(of(monday().plus(TimeDelta::seconds(-1))).await, (String::new(), 0, 4));
}

async fn a_district_that_was_emptied_is_not_loaded_for_the_first_time_again(fresh: &Fresh) {
    let store = loaded(fresh).await;
    assert!(store.is_first_load(&oak(), &"01RUN-1".into()).await.unwrap());
    let all = first_run().records.made().unwrap();
    let leave =
        |it: &RecordWrite| RecordWrite { verb: Verb::Removed, before: it.after.clone(), after: None, ..it.clone() };
    second(&store, all.iter().map(leave).collect()).await;
    let mut third = writes("01RUN-3", tuesday(), 2);
    let back = |it: &RecordWrite| RecordWrite { verb: Verb::Restored, ..it.clone() };
    third.records = all.iter().map(back).collect();
    third.audit = third.records.made().unwrap().iter().map(told).collect();
    store.write(third).await.unwrap();
    assert!(!store.is_first_load(&oak(), &"01RUN-3".into()).await.unwrap());
    assert_eq!(store.versions(&oak(), &"01RUN-3".into()).await.unwrap().len(), 6);
    assert_eq!(store.check(&oak(), None).await.unwrap().faults, [""; 0]);
}

/// Triggers are put aside and made anew: they are those of the migrations.
#[tokio::test]
async fn triggers_stand_again_as_they_were() {
    let triggers = async |fresh: &Fresh| {
        let path = fresh.settings.url.trim_start_matches("sqlite:");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let mut conn = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        let all = "SELECT sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY name";
        sqlx::query_scalar::<_, String>(all).fetch_all(&mut conn).await.unwrap()
    };
    let fresh = Fresh::new(Backend::Sqlite).await.unwrap();
    drop(fresh.store().await);
    let before = triggers(&fresh).await;
    assert_eq!(before.len(), 15);
    drop(loaded(&fresh).await);
    assert_eq!(triggers(&fresh).await, before);
    fresh.discard().await;
}
