//! What a person with the database's own shell changes by hand, one edit for each table and kind of column: `verify` finds each,
//! and says in which table, which row and which field (safety.md, Audit; reliability.md T14, goal 14). The random edits of
//! `tampering.rs` are of the audit itself and of four tables; these are of a district in which people have decided things.

use rosterd::audit::pseudonym;
use rosterd::store::{Settings, Store};

use crate::support::db::raw;
use crate::support::place::{OAK, Place, groups, on_both};
use crate::support::vendor::{NIGHT_1, NIGHT_2, NIGHT_3, NIGHT_4};

const CATALOG: &str = r#"
[[product]]
code = "reading"
name = "Reading"
audience = "student"
basis = "enrolled"
educator_access = true

[[product]]
code = "devices"
name = "Devices"
audience = "student"
basis = "assigned"

[[subscription]]
id = "R-1"
district = "oak"
product = "reading"
seats = 50
starts_on = 2025-07-01
expires_on = 2026-06-30
allotments = [ { school = "s1", seats = 30 }, { school = "s2", seats = 20 } ]

[[subscription]]
id = "D-1"
district = "oak"
product = "devices"
seats = 40
starts_on = 2025-07-01
expires_on = 2026-06-30
"#;

/// Tables that are edited, and put back after each edit.
const TABLES: [&str; 16] = [
    "record",
    "seat",
    "waiting",
    "seat_ended",
    "override",
    "educator_access",
    "assignment",
    "identity_decision",
    "person_link",
    "district_mode",
    "alert",
    "subscription",
    "allotment_overlay",
    "threshold_overlay",
    "decision",
    "held_change",
];

impl Place {
    async fn told(&self, now: &str, words: &str) {
        let words: Vec<&str> = words.split(' ').collect();
        self.site.at(now, &words).await.exits(0);
    }

    /// A district in which something stands in each of the tables.
    async fn lives(&mut self) {
        std::fs::write(self.site.folder().join("catalog.toml"), CATALOG).unwrap();
        self.upload.user("a-099", "student", "s1").enroll("a-099", "c1", "s1", "student");
        for user in ["a-001", "a-099"] {
            self.upload.set("users", user, "identifier", "N-1");
        }
        self.sync(NIGHT_1, 0).await;
        let pairs = self.json(NIGHT_1, &["identity", "list", "--district", OAK]).await;
        let pair = pairs["pairs"][0]["id"].as_str().unwrap().to_owned();
        self.told(NIGHT_1, &format!("identity accept {pair} --reason same")).await;
        self.decide(NIGHT_1, "a-030", "--pin", "testing week").await;
        self.decide(NIGHT_1, "a-029", "--exclude", "asked").await;
        self.told(NIGHT_1, "access set --district oak --educator t2 --product reading --off").await;
        self.told(NIGHT_1, "access set --district oak --educator t2 --product reading --on").await;
        self.told(NIGHT_1, "access set --district oak --educator t1 --product reading --off").await;
        self.told(NIGHT_1, "assign --district oak --product devices --class c1 --except a-003 --reason pilot").await;
        self.told(NIGHT_1, "assign --district oak --product devices --user b-001 --reason pilot").await;
        self.told(NIGHT_1, "move-seats --subscription R-1 --from s1 --to s2 --seats 5").await;
        self.told(NIGHT_1, "threshold --subscription R-1 --remaining 3 --reason few").await;
        self.told(NIGHT_1, "access set --district oak --educator t1 --product reading --on").await;
        self.told(NIGHT_1, "access set --district oak --educator t2 --product reading --off").await;
        self.told(NIGHT_1, "district mode oak no_removals --from 2025-12-20 --until 2026-01-05 --reason winter").await;
        // One leaves by mere absence; then twelve, of whom a person says that they did not.
        self.upload.leaves("b-030");
        self.sync(NIGHT_2, 0).await;
        for number in 1..=12 {
            self.upload.leaves(&format!("b-{number:03}"));
        }
        let held = self.sync(NIGHT_3, 3).await;
        assert!(groups(&held).contains(&"school:s2/users/removed"), "{held:#}");
        self.told(NIGHT_3, &format!("runs reject {} --reason not-gone", held["run"].as_str().unwrap())).await;
        self.told(NIGHT_4, "access set --district oak --educator t2 --product reading --on").await;
        self.told(NIGHT_4, "access set --district oak --educator t1 --product reading --off").await;
        self.site.verified().await;
    }
}

/// One edit; what must be said of it: the table in words, the row, the field.
struct Edit {
    sql: String,
    table: &'static str,
    row: String,
    field: &'static str,
}

const ADDED: &str = "only in the store";
const GONE: &str = "only in the audit";

fn edits(name: &dyn Fn(&str) -> String) -> Vec<Edit> {
    let mut all = Vec::new();
    let mut edit = |table: &'static str, row: &str, field: &'static str, sql: &str| {
        all.push(Edit { sql: sql.to_owned(), table, row: row.to_owned(), field });
    };
    let reading = |user: &str| format!("reading/{}", name(user));

    let (child, left) = (name("a-005"), name("b-030"));
    let user = "WHERE kind = 'users' AND id = 'a-005'";
    edit("users", &child, "active", &format!("UPDATE record SET active = NOT active {user}"));
    edit("users", &child, "changed_run", &format!("UPDATE record SET changed_run = 'x' {user}"));
    edit("users", &child, "body", &format!("UPDATE record SET body = replace(body, '03', '04') {user}"));
    edit("users", &child, "body", &format!("UPDATE record SET fingerprint = 'x' {user}"));
    edit("users", &child, GONE, &format!("DELETE FROM record {user}"));
    edit("users", &name("nobody"), ADDED, &format!("UPDATE record SET id = 'nobody' {user}"));
    let archived = "WHERE kind = 'users' AND id = 'b-030'";
    edit("users", &left, "departed", &format!("UPDATE record SET departed = NOT departed {archived}"));
    edit("users", &left, GONE, &format!("DELETE FROM record {archived}"));
    let of = |kind: &str, id: &str, set: &str| format!("UPDATE record SET {set} WHERE kind = '{kind}' AND id = '{id}'");
    edit("schools", "s1", "changed_run", &of("schools", "s1", "changed_run = 'x'"));
    edit("sessions", "sy", "body", &of("sessions", "sy", "body = replace(body, '2026', '2027')"));
    edit("courses", "course", "departed", &of("courses", "course", "departed = NOT departed"));
    edit("classes", "c1", "active", &of("classes", "c1", "active = NOT active"));
    let enrollment = "UPDATE record SET changed_run = 'x' WHERE kind = 'enrollments' AND id LIKE '[\"a-005\",%'";
    edit("enrollments", &format!("{child} c1 student"), "changed_run", enrollment);

    let seat = "WHERE product = 'devices' AND user_id = 'a-005'";
    let row = format!("devices/{child}");
    for (field, set) in [
        ("pool", "pool = 'district-x'"),
        ("since", "since = since - 1"),
        ("claimed_at", "claimed_at = 1"),
        ("leaving_since", "leaving_since = '2025-10-01'"),
        ("bridged", "bridged = NOT bridged"),
    ] {
        edit("seats", &row, field, &format!("UPDATE seat SET {set} {seat}"));
    }
    edit("seats", &row, GONE, &format!("DELETE FROM seat {seat}"));
    let waits = "WHERE user_id = (SELECT MIN(user_id) FROM waiting WHERE position = 2)";
    for (field, set) in
        [("since", "since = since - 1"), ("short_of", "short_of = 'district-x'"), ("position", "position = 90")]
    {
        edit("places in line", "reading/", field, &format!("UPDATE waiting SET {set} {waits}"));
    }
    edit("places in line", "reading/", GONE, &format!("DELETE FROM waiting {waits}"));
    let ended = "WHERE product = 'reading' AND user_id = 'a-029'";
    edit("ended seats", &reading("a-029"), "at", &format!("UPDATE seat_ended SET ended_at = ended_at + 1 {ended}"));
    edit("ended seats", &reading("a-029"), "reason", &format!("UPDATE seat_ended SET reason = 'absent' {ended}"));
    edit("ended seats", &reading("a-029"), GONE, &format!("DELETE FROM seat_ended {ended}"));

    let pin = "WHERE user_id = 'a-030'";
    for (field, set) in [
        ("kind", "kind = 'exclude'"),
        ("actor", "actor = 'cli:other'"),
        ("reason", "reason = 'Kim asked'"),
        ("until", "until = '2026-01-01'"),
    ] {
        edit("overrides", &reading("a-030"), field, &format!("UPDATE \"override\" SET {set} {pin}"));
    }
    edit("overrides", &reading("a-030"), GONE, &format!("DELETE FROM \"override\" {pin}"));
    edit("overrides", &reading("a-031"), ADDED, &format!("UPDATE \"override\" SET user_id = 'a-031' {pin}"));
    let off = "educator_access SET is_on = NOT is_on WHERE educator";
    edit("educator access", &reading("t1"), GONE, &format!("UPDATE {off} = 't1'"));
    edit("educator access", &reading("t2"), ADDED, &format!("UPDATE {off} = 't2'"));
    let class = "WHERE target_id = 'c1'";
    for (field, old, new) in [
        ("kind", "pin", "exclude"),
        ("except", "a-003", "a-004"),
        ("actor", "cli:tester", "cli:other"),
        ("reason", "pilot", "other"),
        ("at", "2025", "2024"),
        ("until", "\"until\":null", "\"until\":\"2026-01-01\""),
        ("instance", "\"instance\":0", "\"instance\":1"),
    ] {
        let sql = format!("UPDATE assignment SET body = replace(body, '{old}', '{new}') {class}");
        edit("assignments", "devices/class:c1", field, &sql);
    }
    edit("assignments", "devices/class:c1", GONE, &format!("DELETE FROM assignment {class}"));

    for (field, old, new) in [
        ("verdict", "accepted", "refused"),
        ("kind", "duplicate", "rekeyed"),
        ("accounts", "\"second\":\"a-099\"", "\"second\":\"a-098\""),
        ("actor", "cli:tester", "cli:other"),
        ("at", "2025", "2024"),
    ] {
        let sql = format!("UPDATE identity_decision SET body = replace(body, '{old}', '{new}')");
        edit("links between accounts", "", field, &sql);
    }
    let stands = "UPDATE person_link SET person = 'a-050' WHERE account = 'a-099'";
    edit("accounts of persons", &name("a-099"), "person", stands);
    edit("accounts of persons", &name("a-099"), GONE, "DELETE FROM person_link WHERE account = 'a-099'");
    for (field, old, new) in [
        ("mode", "no_removals", "paused"),
        ("from", "2025-12-20", "2025-10-01"),
        ("until", "2026-01-05", "2027-01-05"),
        ("reason", "winter", "summer"),
        ("by", "cli:tester", "cli:other"),
        ("ended_at", "\"ended_at\":null", "\"ended_at\":\"2025-10-06T07:00:00.000Z\""),
    ] {
        let sql = format!("UPDATE district_mode SET body = replace(body, '{old}', '{new}')");
        edit("modes", "1", field, &sql);
    }
    edit("modes", "1", GONE, "DELETE FROM district_mode");
    edit("open alerts", "", GONE, "DELETE FROM alert WHERE id = (SELECT MIN(id) FROM alert WHERE kind = 'waitlist')");

    let sold = "UPDATE subscription SET body = replace(body, '\"seats\":50', '\"seats\":5') WHERE id = 'R-1'";
    edit("subscriptions", "R-1", "seats", sold);
    let ends = "UPDATE subscription SET body = replace(body, '2026-06-30', '2025-11-30') WHERE id = 'D-1'";
    edit("subscriptions", "D-1", "expires_on", ends);
    edit("subscriptions", "D-1", GONE, "DELETE FROM subscription WHERE id = 'D-1'");
    let split = "UPDATE allotment_overlay SET body = replace(body, '25', '26')";
    edit("splits and thresholds", "R-1", "allotments", split);
    let few = "UPDATE threshold_overlay SET body = replace(body, '3', '4')";
    edit("splits and thresholds", "R-1", "alert_remaining", few);

    let refused = "WHERE kind = 'users' AND id = 'b-005'";
    for (field, set) in [
        ("verdict", "verdict = 'approved'"),
        ("version", "version = 'x'"),
        ("until", "until = 1"),
        ("run", "run = '01X'"),
    ] {
        edit("remembered versions", &name("b-005"), field, &format!("UPDATE decision SET {set} {refused}"));
    }
    for (field, set) in [
        ("decision", "decision = 'approved'"),
        ("decided_by", "decided_by = 'cli:other'"),
        ("decided_at", "decided_at = decided_at + 1"),
    ] {
        edit("decided changes", &name("b-005"), field, &format!("UPDATE held_change SET {set} {refused}"));
    }
    all
}

async fn run_sql(url: &str, sql: &str) -> u64 {
    raw(url, sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"))
}

/// T14, S3.31: nothing of what people decided can be changed past the program without being seen.
#[tokio::test]
async fn t14_one_edit_in_each_table_and_kind_of_column_is_found_and_located() {
    on_both("", async |mut it| {
        it.lives().await;
        let url = it.site.store_url.clone();
        for table in TABLES {
            run_sql(&url, &format!("CREATE TABLE kept_{table} AS SELECT * FROM \"{table}\"")).await;
        }
        let store = Store::open(&Settings { url: url.clone() }).await.unwrap();
        let found = async || store.check(&OAK.into(), None).await.unwrap().faults;
        assert_eq!(found().await, [""; 0], "nothing was edited yet");
        let key = store.pseudonym_key().to_vec();
        let mut missed = Vec::new();
        for Edit { sql, table, row, field } in edits(&|id| pseudonym(&key, id)) {
            let touched = run_sql(&url, &sql).await;
            assert_eq!(touched, 1, "an edit that edits nothing proves nothing: {sql}");
            let faults = found().await;
            let here = faults.iter().find(|it| it.starts_with(&format!("{table} of `oak`: ")));
            let located = here.is_some_and(|it| it.contains(&row) && it.contains(field));
            let personal = ["Kim", "\"a-0", "N-1"].iter().any(|word| faults.concat().contains(word));
            // Who is one person follows from the links, and so is seen to be wrong with them.
            let alone = faults.len() == 1 || table == "links between accounts";
            if !located || personal || !alone {
                missed.push(format!("{sql}\n    wanted {table}: {row} ({field})\n    found {faults:#?}"));
            }
            for table in TABLES {
                let sql = format!("DELETE FROM \"{table}\"; INSERT INTO \"{table}\" SELECT * FROM kept_{table}");
                run_sql(&url, &sql).await;
            }
        }
        assert!(missed.is_empty(), "{}", missed.join("\n"));
        assert_eq!(found().await, [""; 0], "nothing is left of the edits");
        store.close().await;
        for table in TABLES {
            run_sql(&url, &format!("DROP TABLE kept_{table}")).await;
        }
    })
    .await;
}
