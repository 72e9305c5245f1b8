//! The audit is append-only by the database itself, and what gets past it is found.

use rosterd::audit::Checkpoint;
use rosterd::store::StoreError;

use crate::support::db::{Backend, Fresh};
use crate::support::world::{first_run, monday, oak, with_oak};

both!(
    no_entry_can_be_updated_deleted_replaced_or_truncated,
    an_altered_entry_is_found,
    a_removed_entry_is_found,
    a_cut_tail_is_found,
    a_cut_tail_with_its_mark_is_found_by_the_checkpoint,
    a_seat_taken_behind_the_audits_back_is_found,
    a_record_archived_behind_the_audits_back_is_found,
    a_foreign_key_holds,
);

async fn filled(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    store.write(first_run()).await.unwrap();
    store.close().await;
}

/// What `verify` says first after `sqlite`/`postgres` went past the database's own guard.
async fn found_after(fresh: &Fresh, sql: &str) -> String {
    filled(fresh).await;
    break_in(fresh, sql).await;
    let faults = fresh.store().await.check(&oak(), None).await.unwrap().faults;
    faults.into_iter().next().expect("nothing was found")
}

async fn break_in(fresh: &Fresh, sql: &str) {
    let drop = "DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete; DROP TRIGGER audit_no_replace;";
    let disable = "ALTER TABLE audit DISABLE TRIGGER ALL;";
    fresh.raw(&format!("{drop}{sql}"), &format!("{disable}{sql}")).await.unwrap();
}

async fn no_entry_can_be_updated_deleted_replaced_or_truncated(fresh: &Fresh) {
    filled(fresh).await;
    let columns = "(district, seq, at, actor, category, action, entity, id, prev, hash)";
    let row = "('oak', 1, '', '', '', '', '', '', '', '')";
    let attempts = [
        ("UPDATE audit SET actor = 'nobody' WHERE seq = 3", None),
        ("UPDATE OR REPLACE audit SET seq = 1 WHERE seq = 3", Some("UPDATE audit SET seq = 99 WHERE seq = 3")),
        ("DELETE FROM audit WHERE seq = 8", None),
        ("DELETE FROM audit", Some("TRUNCATE audit")),
        ("DELETE FROM audit", Some("TRUNCATE audit CASCADE")),
        ("DELETE FROM audit", Some("SET session_replication_role = replica; DELETE FROM audit")),
        ("DELETE FROM audit", Some("SET session_replication_role = replica; TRUNCATE audit")),
    ];
    for (sqlite, postgres) in attempts {
        let refused = fresh.raw(sqlite, postgres.unwrap_or(sqlite)).await.unwrap_err();
        assert!(refused.contains("append-only"), "{sqlite}: {refused}");
    }
    let replaces = [
        (format!("REPLACE INTO audit {columns} VALUES {row}"), "DO UPDATE SET actor = 'nobody'"),
        (format!("INSERT OR REPLACE INTO audit {columns} VALUES {row}"), "DO UPDATE SET seq = 99"),
        (
            format!("INSERT INTO audit {columns} VALUES {row} ON CONFLICT DO UPDATE SET actor = ''"),
            "DO UPDATE SET hash = ''",
        ),
    ];
    for (sqlite, on_conflict) in replaces {
        let postgres = format!("INSERT INTO audit {columns} VALUES {row} ON CONFLICT (district, seq) {on_conflict}");
        let refused = fresh.raw(&sqlite, &postgres).await.unwrap_err();
        assert!(refused.contains("append-only"), "{sqlite}: {refused}");
    }
    assert!(fresh.store().await.check(&oak(), None).await.unwrap().faults.is_empty());
}

#[tokio::test]
async fn a_user_without_superuser_rights_has_no_right_to_change_the_audit() {
    let Some(fresh) = Fresh::new(Backend::Postgres).await else { return };
    filled(&fresh).await;
    let role = format!("plain_{}", std::process::id());
    let refused = fresh
        .raw(
            "",
            &format!(
                "CREATE ROLE {role}; ALTER TABLE audit OWNER TO {role};
                 SET ROLE {role}; DELETE FROM audit"
            ),
        )
        .await
        .unwrap_err();
    fresh.raw("", &format!("DROP ROLE IF EXISTS {role}")).await.unwrap();
    assert!(refused.contains("permission denied"), "{refused}");
    fresh.discard().await;
}

async fn an_altered_entry_is_found(fresh: &Fresh) {
    let found = found_after(fresh, "UPDATE audit SET actor = 'nobody' WHERE seq = 3").await;
    assert!(found.contains("entry 3 of `oak` was altered"), "{found}");
}

async fn a_removed_entry_is_found(fresh: &Fresh) {
    let found = found_after(fresh, "DELETE FROM audit WHERE seq = 4").await;
    assert!(found.contains("entry 4 of `oak` was removed"), "{found}");
}

async fn a_cut_tail_is_found(fresh: &Fresh) {
    let found = found_after(fresh, "DELETE FROM audit WHERE seq > 6").await;
    assert!(found.contains("was cut: it ends at entry 6, the store says 8"), "{found}");
}

/// P53.
async fn a_cut_tail_with_its_mark_is_found_by_the_checkpoint(fresh: &Fresh) {
    filled(fresh).await;
    let store = fresh.store().await;
    let end = store.audit_head(&oak()).await.unwrap();
    let kept = Checkpoint { district: oak(), size: end.size, head: end.head, at: monday() };
    assert!(store.check(&oak(), Some(&kept)).await.unwrap().faults.is_empty());
    store.close().await;
    break_in(
        fresh,
        "UPDATE district SET audit_seq = 6, audit_head = (SELECT hash FROM audit WHERE seq = 6);
         DELETE FROM audit WHERE seq > 6",
    )
    .await;
    let faults = fresh.store().await.check(&oak(), Some(&kept)).await.unwrap().faults;
    assert!(faults[0].contains("it ends at entry 6, the checkpoint says 8"), "{faults:?}");
}

async fn a_seat_taken_behind_the_audits_back_is_found(fresh: &Fresh) {
    let found = found_after(fresh, "UPDATE seat SET pool = 'district'").await;
    assert_eq!(found, "seats of `oak`: 1 not as the audit says: `reading/U1` (pool)");
}

async fn a_record_archived_behind_the_audits_back_is_found(fresh: &Fresh) {
    filled(fresh).await;
    let sql = |no: &str| format!("UPDATE record SET active = {no} WHERE id = 'U2'");
    fresh.raw(&sql("0"), &sql("FALSE")).await.unwrap();
    let faults = fresh.store().await.check(&oak(), None).await.unwrap().faults;
    assert_eq!(faults, ["users of `oak`: 1 not as the audit says: `U2` (active)"]);
}

async fn a_foreign_key_holds(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    let mut foreign = first_run();
    foreign.district = "elm".into();
    let refused = store.write(foreign).await.unwrap_err().to_string();
    let unknown = StoreError::NoDistrict { district: "elm".into() };
    assert_eq!(refused, unknown.to_string());
}

#[tokio::test]
async fn a_byte_changed_without_changing_the_meaning_is_found_too() {
    let fresh = Fresh::new(Backend::Sqlite).await.unwrap();
    let sql = r#"UPDATE audit SET "after" = '{ "pool": "S1" }' WHERE action = 'seat.granted'"#;
    let found = found_after(&fresh, sql).await;
    assert!(found.contains("entry 7 of `oak` was altered: its after"), "{found}");
}
