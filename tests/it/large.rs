//! Writes of thousands of rows, which PostgreSQL takes through `COPY` and SQLite as it takes all others.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use rosterd::audit::Entry;
use rosterd::model::{Kind, Leaving, Personal, Pool, Record, Seat, SeatState, SourceId, Verb, Waiting};
use rosterd::store::{AuditFilter, RecordWrite, Store, StoreError, WriteError, Writes};
use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::support::db::{Backend, Fresh};
use crate::support::world::{added, draft, granted, monday, oak, seat, told, tuesday, user, with_oak, writes};

/// Texts that mean something where rows are written as lines.
const AWKWARD: [&str; 11] =
    ["", "\t", "\n", "\r\n", "\\", "\\N", "\\.", "\"'", "é😀", "\u{1}\u{8}\u{b}\u{c}\u{7f}", "a\\tb"];

/// More than are copied at once, and the rest are enough to be copied too.
const USERS: usize = 7_500;

/// As many have a seat, of which the rest are too few; those who wait are just enough.
const SEATS: usize = 5_500;

fn awkward(n: usize) -> &'static str {
    AWKWARD[n % AWKWARD.len()]
}

fn id(n: usize) -> String {
    match n {
        0 => "\\N".to_owned(),
        1 => "\\.".to_owned(),
        _ => format!("U{n:05}{}", awkward(n)),
    }
}

fn person(n: usize, family: &str) -> Record {
    let Record::User(mut it) = user(&id(n)) else { panic!("a user") };
    Arc::make_mut(&mut it).family_name = Some(Personal::new(family));
    Record::User(it)
}

fn pool(n: usize) -> Pool {
    Pool::School(SourceId::from(format!("S{}", awkward(n)).as_str()))
}

fn place(n: usize, position: usize) -> Waiting {
    let position = u32::try_from(position).unwrap();
    Waiting { product: "reading".into(), user: id(n).as_str().into(), since: monday(), position, short_of: pool(n) }
}

/// Everyone comes; the first of them have seats and the others wait.
fn first() -> Writes<'static> {
    let mut it = writes("01RUN-1", monday(), 0);
    it.records = (0..USERS).map(|n| added(&person(n, awkward(n)))).collect();
    it.seats_put = (0..SEATS).map(|n| seat(&id(n), pool(n)).into()).collect();
    it.waiting_put = (SEATS..USERS).map(|n| place(n, n - SEATS + 1).into()).collect();
    it.audit = it.records.made().unwrap().iter().map(told).collect();
    it.audit.extend(it.seats_put.iter().map(|it| granted(it)));
    let waits = |it: &Waiting| {
        let mut told = draft("seat.waiting", &format!("reading/{}", it.user));
        told.after = Some(json!({ "short_of": it.short_of, "position": it.position }));
        told
    };
    it.audit.extend(it.waiting_put.iter().map(|it| waits(it)));
    it
}

/// Everyone is called otherwise or leaves, every seat and every place in line is another one.
fn second() -> Writes<'static> {
    let mut it = writes("01RUN-2", tuesday(), 1);
    let change = |n: usize| {
        let (before, after) = (person(n, awkward(n)), person(n, awkward(n + 1)));
        let (before, after) = (before.body().unwrap(), after.body().unwrap());
        let leaves = n.is_multiple_of(3);
        RecordWrite {
            verb: if leaves { Verb::Removed } else { Verb::Changed },
            before: Some(before),
            after: (!leaves).then_some(after),
            departed: n.is_multiple_of(2),
            ..added(&user(&id(n)))
        }
    };
    it.records = (0..USERS).map(change).collect();
    let moved = |n: usize| {
        let since = tuesday().date_in(chrono_tz::UTC);
        let upload = n.is_multiple_of(2).then(|| awkward(n).to_owned());
        Seat {
            claimed_at: n.is_multiple_of(5).then(monday),
            last_used_at: n.is_multiple_of(7).then(tuesday),
            leaving: (n % 2 == 1 || n.is_multiple_of(4)).then_some(Leaving { since, upload }),
            bridged: n % 3 == 1,
            state: SeatState::Leaving,
            ..seat(&id(n), pool(n + 1))
        }
    };
    it.seats_put = (0..SEATS).map(|n| moved(n).into()).collect();
    it.waiting_put = (SEATS..USERS).map(|n| place(n, USERS - n).into()).collect();
    let entry = |n: usize| {
        let mut entry = draft("run.approved", &id(n));
        entry.reason = n.is_multiple_of(2).then(|| awkward(n).to_owned());
        entry.after = Some(json!({ awkward(n): awkward(n + 3), "none": null }));
        entry
    };
    it.audit = (0..2_500).map(entry).collect();
    it
}

/// Users as their bodies are.
async fn bodies(store: &Store) -> Vec<String> {
    let users = store.roster(&oak(), Kind::Users).await.unwrap();
    users.iter().map(|it| it.body().unwrap()).collect()
}

async fn entries(store: &Store) -> Vec<Entry> {
    let mut stream = store.audit_stream(AuditFilter::default()).await.unwrap();
    let mut all = Vec::new();
    while let Some(page) = stream.next_page().await.unwrap() {
        all.extend(page);
    }
    all
}

/// Each thing that changed with the number of the commit, and whether it is there.
async fn changes(store: &Store) -> Vec<(i64, String, String, bool)> {
    let changes = store.changes(None, None, 100_000).await.unwrap().unwrap();
    changes.items.into_iter().map(|it| (it.number, it.kind, it.id, it.now.is_some())).collect()
}

fn same<T: PartialEq>(what: &str, here: &[T], there: &[T]) {
    assert_eq!(here.len(), there.len(), "{what}");
    let other = here.iter().zip(there).position(|(here, there)| here != there);
    assert_eq!(other, None, "{what}: the first that differs");
}

/// What was written and what is there, on this store and another one.
async fn compared(store: &Store, other: &Store, run: &str, writes: &Writes<'_>) {
    let mut versions = writes.records.made().unwrap();
    versions.sort_by(|a, b| a.id.cmp(&b.id));
    for version in &mut versions {
        version.departed = false; // stands in the record alone
    }
    if store.is_first_load(&oak(), &run.into()).await.unwrap() {
        versions.clear();
    }
    same("versions", &store.versions(&oak(), &run.into()).await.unwrap(), &versions);
    let (seats, places) = store.seats(&oak(), &"reading".into()).await.unwrap();
    let mut put: Vec<Seat> = writes.seats_put.iter().map(|it| Seat::clone(it)).collect();
    put.sort_by(|a, b| a.user.as_str().cmp(b.user.as_str()));
    same("seats", &seats, &put);
    let mut put: Vec<Waiting> = writes.waiting_put.iter().map(|it| Waiting::clone(it)).collect();
    put.sort_by_key(|it| it.position);
    same("places in line", &places, &put);
    same("bodies", &bodies(store).await, &bodies(other).await);
    same("entries", &entries(store).await, &entries(other).await);
    same("changes", &changes(store).await, &changes(other).await);
    let (here, there) = (store.baseline(&oak()).await.unwrap(), other.baseline(&oak()).await.unwrap());
    assert!(here.archived == there.archived && here.departed == there.departed, "who left, and how");
}

#[tokio::test]
async fn a_large_write_leaves_what_a_write_row_by_row_leaves_whatever_the_texts_are() {
    let sqlite = Fresh::new(Backend::Sqlite).await.unwrap();
    let Some(postgres) = Fresh::new(Backend::Postgres).await else { return };
    let (here, there) = (postgres.store().await, sqlite.store().await);
    for store in [&here, &there] {
        with_oak(store).await;
        store.write(first()).await.unwrap();
        assert_eq!(store.check(&oak(), None).await.unwrap().faults, Vec::<String>::new());
    }
    compared(&here, &there, "01RUN-1", &first()).await;
    for store in [&here, &there] {
        store.write(second()).await.unwrap();
    }
    compared(&here, &there, "01RUN-2", &second()).await;
    postgres.discard().await;
}

/// A write of so many users.
fn many(users: usize) -> Writes<'static> {
    let mut it = writes("01RUN-1", monday(), 0);
    it.records = (0..users).map(|n| added(&user(&format!("U{n:05}")))).collect();
    it.audit = it.records.made().unwrap().iter().map(told).collect();
    it
}

#[tokio::test]
async fn a_large_write_is_copied_into_one_table_of_each_kind_and_a_small_one_is_not() {
    let Some(fresh) = Fresh::new(Backend::Postgres).await else { return };
    let store = fresh.store().await;
    with_oak(&store).await;
    let note = "CREATE TABLE made (name TEXT);
        CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO made SELECT split_part(object_identity, '.', 2) FROM pg_event_trigger_ddl_commands(); END $$;
        CREATE EVENT TRIGGER note ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION note()";
    fresh.raw("", note).await.unwrap();
    let mut conn = PgConnection::connect(&fresh.settings.url).await.unwrap();
    let mut made = async || -> Vec<String> {
        let sql = "SELECT name FROM made ORDER BY name";
        let names: Vec<(String,)> = sqlx::query_as(sql).fetch_all(&mut conn).await.unwrap();
        names.into_iter().map(|(name,)| name).collect()
    };
    store.write(many(500)).await.unwrap();
    assert_eq!(made().await, Vec::<String>::new());
    let mut large = first();
    large.base_revision = 1;
    large.run.run = "01RUN-2".into();
    store.write(large).await.unwrap();
    let kinds = ["given_entry", "given_key", "given_place", "given_record", "given_seat", "given_version"];
    assert_eq!(made().await, kinds);
    fresh.discard().await;
}

async fn nothing_of_it(store: &Store) {
    let state = store.district(&oak()).await.unwrap();
    assert_eq!((state.revision, state.audit_seq), (0, 0));
    assert_eq!(store.counts(&oak()).await.unwrap()[&Kind::Users], 0);
}

#[tokio::test]
async fn a_large_write_that_fails_is_named_as_a_small_one_and_leaves_nothing() {
    let Some(fresh) = Fresh::new(Backend::Postgres).await else { return };
    let store = fresh.store().await;
    with_oak(&store).await;

    let check = "ALTER TABLE record ADD CONSTRAINT forbidden CHECK (id <> 'U02999')";
    fresh.raw("", check).await.unwrap();
    let refused = store.write(many(3_000)).await.unwrap_err();
    let by_constraint = StoreError::Refused { during: "PUT_RECORDS", code: "23514".to_owned() };
    assert_eq!(refused, WriteError::Store(by_constraint));
    nothing_of_it(&store).await;
    fresh.raw("", "ALTER TABLE record DROP CONSTRAINT forbidden").await.unwrap();

    let mut unwritable = many(3_000);
    let mut drafts = unwritable.audit.made().unwrap();
    drafts[2_500].reason = Some("\0".to_owned());
    unwritable.audit = drafts.into();
    let refused = store.write(unwritable).await.unwrap_err();
    assert!(matches!(refused, WriteError::Store(StoreError::Failed { during: "PUT_AUDIT", .. })), "{refused:?}");
    nothing_of_it(&store).await;

    let cut = "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); RETURN NULL; END $$;
        CREATE TRIGGER cut BEFORE INSERT ON audit FOR EACH STATEMENT EXECUTE FUNCTION cut()";
    fresh.raw("", cut).await.unwrap();
    let lost = store.write(many(3_000)).await.unwrap_err();
    assert!(matches!(&lost, WriteError::Store(cause) if cause.is_transient()), "{lost:?}");
    nothing_of_it(&store).await;
    fresh.raw("", "DROP TRIGGER cut ON audit").await.unwrap();

    store.write(many(3_000)).await.unwrap();
    assert_eq!(store.check(&oak(), None).await.unwrap().faults, Vec::<String>::new());
    fresh.discard().await;
}

/// What a future comes to, unless it has to wait more often than that: then it is dropped.
async fn unless_dropped<T>(waits: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut waited = 0;
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if waited == waits => Poll::Ready(None),
        Poll::Pending => {
            waited += 1;
            Poll::Pending
        }
    })
    .await
}

#[tokio::test]
async fn a_large_write_that_is_dropped_wherever_it_waits_leaves_nothing_and_no_connection_halfway() {
    let Some(fresh) = Fresh::new(Backend::Postgres).await else { return };
    let store = fresh.store().await;
    with_oak(&store).await;
    let write = many(2_500);
    for waits in (0..).step_by(5) {
        match Box::pin(unless_dropped(waits, store.write(write.clone()))).await {
            None => {}
            // One that was dropped while it waited for the answer to COMMIT.
            Some(Ok(_) | Err(WriteError::AlreadyDone(_))) => break,
            Some(Err(error)) => panic!("after {waits} waits: {error:?}"),
        }
    }
    assert_eq!(store.audit_head(&oak()).await.unwrap().size, 2_500);
    assert_eq!(store.counts(&oak()).await.unwrap()[&Kind::Users], 2_500);
    assert_eq!(store.check(&oak(), None).await.unwrap().faults, Vec::<String>::new());
    fresh.discard().await;
}

#[tokio::test]
async fn after_a_large_write_the_database_knows_how_much_lies_in_its_tables() {
    let Some(fresh) = Fresh::new(Backend::Postgres).await else { return };
    let store = fresh.store().await;
    with_oak(&store).await;
    let mut conn = PgConnection::connect(&fresh.settings.url).await.unwrap();
    let mut known = async || -> i64 {
        let sql = "SELECT CAST(reltuples AS BIGINT) FROM pg_class WHERE oid = CAST('record' AS regclass)";
        let (rows,): (i64,) = sqlx::query_as(sql).fetch_one(&mut conn).await.unwrap();
        rows
    };
    assert!(known().await <= 0, "nobody has looked");
    store.write(many(10_000)).await.unwrap();
    assert_eq!(known().await, 10_000);
    fresh.discard().await;
}
