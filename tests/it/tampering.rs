//! Random edits of the tables, as someone with the database's own shell would make them and with its guards gone: `verify` finds
//! each and says where (safety.md, Audit; reliability.md T14, T15, goal 14).
//!
//! A thousand on each database (a command, since it takes its time; `ROSTERD_TAMPERINGS` and `ROSTERD_SEED` change it):
//!
//! ```text
//! cargo test --test it tampering:: -- --ignored --nocapture
//! ```

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rosterd::audit::Checkpoint;
use rosterd::store::Store;

use crate::support::db::{Backend, Fresh};
use crate::support::world::{first_run, monday, oak, with_oak};

/// Entries of the first run.
const SIZE: u64 = 8;

const TABLES: [&str; 4] = ["audit", "record", "seat", "waiting"];

/// One edit, and a word that must stand in what is found.
struct Edit {
    sql: String,
    located: Vec<String>,
}

fn edit(sql: String, located: &[&str]) -> Edit {
    Edit { sql, located: located.iter().map(|it| (*it).to_owned()).collect() }
}

fn pick<'a>(chance: &mut StdRng, of: &[&'a str]) -> &'a str {
    of[chance.random_range(0..of.len())]
}

fn of_audit(chance: &mut StdRng) -> Edit {
    let seq = chance.random_range(1..=SIZE);
    let named = format!("entry {seq} of `oak`");
    let columns = [
        "run",
        "at",
        "actor",
        "category",
        "action",
        "entity",
        "id",
        "\"before\"",
        "\"after\"",
        "reason",
        "prev",
        "hash",
    ];
    match chance.random_range(0..6) {
        0 | 1 => {
            let column = pick(chance, &columns);
            let sql = format!("UPDATE audit SET {column} = 'x' || COALESCE({column}, '') WHERE seq = {seq}");
            edit(sql, &[&named])
        }
        2 => {
            let end = format!("it ends at entry {}", seq - 1);
            edit(format!("DELETE FROM audit WHERE seq = {seq}"), &[&named, &end])
        }
        3 => {
            let columns = "run, at, actor, category, action, entity, id, \"before\", \"after\", reason, prev, hash";
            let new = SIZE + chance.random_range(1..3_u64);
            let sql = format!(
                "INSERT INTO audit (district, seq, {columns}) SELECT district, {new}, {columns} FROM audit WHERE seq = {seq}"
            );
            edit(sql, &[&format!("entry {new} of `oak`"), "entry 9 of `oak`"])
        }
        4 => {
            let other = seq % SIZE + 1;
            let sql = format!(
                "UPDATE audit SET seq = 1000 WHERE seq = {seq}; UPDATE audit SET seq = {seq} WHERE seq = {other};
                 UPDATE audit SET seq = {other} WHERE seq = 1000"
            );
            edit(sql, &[&format!("entry {} of `oak`", seq.min(other))])
        }
        _ => {
            // The end is cut off and the store's own mark with it: the checkpoint that was kept elsewhere tells.
            let last = chance.random_range(1..SIZE);
            let sql = format!(
                "UPDATE district SET audit_seq = {last}, audit_head = (SELECT hash FROM audit WHERE seq = {last});
                 DELETE FROM audit WHERE seq > {last}"
            );
            edit(sql, &[&format!("it ends at entry {last}")])
        }
    }
}

fn of_mark(chance: &mut StdRng) -> Edit {
    let sql = match chance.random_range(0..3) {
        0 => format!("UPDATE district SET audit_seq = audit_seq + {}", chance.random_range(1..9)),
        1 => format!("UPDATE district SET audit_seq = audit_seq - {}", chance.random_range(1..8)),
        _ => "UPDATE district SET audit_head = 'x' || audit_head".to_owned(),
    };
    edit(sql, &["of `oak`"])
}

fn of_record(chance: &mut StdRng) -> Edit {
    let (kind, id) = [
        ("schools", "S1"),
        ("classes", "C1"),
        ("users", "U1"),
        ("users", "U2"),
        ("enrollments", "[\"U1\",\"C1\",\"student\"]"),
        ("enrollments", "[\"U2\",\"C1\",\"student\"]"),
    ][chance.random_range(0..6)];
    let row = format!("WHERE kind = '{kind}' AND id = '{id}'");
    let columns = "district, kind, body, fingerprint, active, departed, changed_run";
    let sql = match chance.random_range(0..6) {
        0 => format!("UPDATE record SET active = NOT active {row}"),
        1 => format!("DELETE FROM record {row}"),
        2 => format!("UPDATE record SET id = 'X-1' {row}"),
        3 => format!("INSERT INTO record (id, {columns}) SELECT 'X-2', {columns} FROM record {row}"),
        4 => format!("UPDATE record SET body = replace(body, '1', '7') {row}"),
        _ => format!("UPDATE record SET fingerprint = 'x' || fingerprint {row}"),
    };
    edit(sql, &[&format!("{kind} of `oak`")])
}

fn of_seat(chance: &mut StdRng) -> Edit {
    let columns =
        "district, product, pool, since, claimed_at, last_used_at, leaving_since, leaving_upload, bridged, state";
    let sql = match chance.random_range(0..6) {
        0 => "UPDATE seat SET pool = 'S9'".to_owned(),
        1 => format!("UPDATE seat SET since = since + {}", chance.random_range(1..1_000_000)),
        2 => "UPDATE seat SET claimed_at = 1".to_owned(),
        3 => "DELETE FROM seat".to_owned(),
        4 => "UPDATE seat SET user_id = 'U9'".to_owned(),
        _ => format!("INSERT INTO seat (user_id, {columns}) SELECT 'U8', {columns} FROM seat"),
    };
    edit(sql, &["seats of `oak`"])
}

fn of_line(chance: &mut StdRng) -> Edit {
    let columns = "district, product, since, position, short_of";
    let sql = match chance.random_range(0..5) {
        0 => "UPDATE waiting SET short_of = 'S9'".to_owned(),
        1 => format!("UPDATE waiting SET since = since + {}", chance.random_range(1..1_000_000)),
        2 => "DELETE FROM waiting".to_owned(),
        3 => "UPDATE waiting SET user_id = 'U9'".to_owned(),
        _ => format!("INSERT INTO waiting (user_id, {columns}) SELECT 'U8', {columns} FROM waiting"),
    };
    edit(sql, &["places in line of `oak`"])
}

async fn both(fresh: &Fresh, sql: &str) {
    fresh.raw(sql, sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
}

/// A filled store whose guards are gone, with copies of its tables beside them.
async fn broken_open(fresh: &Fresh) -> (Store, Checkpoint) {
    let store = fresh.store().await;
    with_oak(&store).await;
    store.write(first_run()).await.unwrap();
    let end = store.audit_head(&oak()).await.unwrap();
    assert_eq!(end.size, i64::try_from(SIZE).unwrap());
    let drop = "DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete; DROP TRIGGER audit_no_replace";
    fresh.raw(drop, "ALTER TABLE audit DISABLE TRIGGER ALL").await.unwrap();
    for table in TABLES.into_iter().chain(["district"]) {
        both(fresh, &format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).await;
    }
    (store, Checkpoint { district: oak(), size: end.size, head: end.head, at: monday() })
}

async fn mended(fresh: &Fresh) {
    let tables = TABLES.map(|it| format!("DELETE FROM {it}; INSERT INTO {it} SELECT * FROM kept_{it};"));
    let mark = "UPDATE district SET audit_seq = (SELECT audit_seq FROM kept_district),
                    audit_head = (SELECT audit_head FROM kept_district)";
    both(fresh, &format!("{}{mark}", tables.concat())).await;
}

async fn each_is_found(fresh: &Fresh, edits: u32, seed: u64) {
    eprintln!("{edits} edits of seed {seed} on {:?}", fresh.backend);
    let (store, kept) = broken_open(fresh).await;
    let found = async || store.check(&oak(), Some(&kept)).await.map(|it| it.faults);
    assert_eq!(found().await.unwrap(), [""; 0], "nothing was edited yet");
    let mut chance = StdRng::seed_from_u64(seed);
    for number in 1..=edits {
        let Edit { sql, located } = match chance.random_range(0..10) {
            0..=4 => of_audit(&mut chance),
            5 => of_mark(&mut chance),
            6 | 7 => of_record(&mut chance),
            8 => of_seat(&mut chance),
            _ => of_line(&mut chance),
        };
        both(fresh, &sql).await;
        let what = format!("edit {number} of seed {seed}: {sql}");
        let faults = found().await.unwrap_or_else(|error| panic!("{error}: {what}"));
        let told = faults.iter().any(|fault| located.iter().any(|place| fault.contains(place.as_str())));
        assert!(told, "{what}: {faults:?}, and not {located:?}");
        mended(fresh).await;
    }
    assert_eq!(found().await.unwrap(), [""; 0], "nothing is left of the edits");
    store.close().await;
}

async fn sixty_edits_are_found_and_located(fresh: &Fresh) {
    each_is_found(fresh, 60, 14).await;
}

both!(sixty_edits_are_found_and_located);

#[tokio::test]
#[ignore = "a command of its own: it takes its time"]
async fn a_thousand_edits_are_found_and_located() {
    let number = |name: &str, usual| std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(usual);
    let (edits, seed) = (number("ROSTERD_TAMPERINGS", 1000), number("ROSTERD_SEED", 1));
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let Some(fresh) = Fresh::new(backend).await else { continue };
        each_is_found(&fresh, u32::try_from(edits).unwrap(), seed).await;
        fresh.discard().await;
    }
}
