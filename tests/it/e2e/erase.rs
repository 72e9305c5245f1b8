//! People leave the store for good, and it is proven (safety.md, People's data; P47, T41, T44, K4).

use std::os::unix::process::ExitStatusExt;

use serde_json::{Value, json};

use crate::support::db::Backend;
use crate::support::vendor::{self, NIGHT_2, NIGHT_3, NIGHT_4, NIGHT_5, chain_head};

use super::revert::{DISTRICT, Installed, on_both};

/// What names a user: email, user name, number.
fn values(roster: &str, user: &str) -> Vec<String> {
    let line = roster.lines().find(|line| line.contains(&format!("\"{user}\""))).unwrap();
    let fields: Value = serde_json::from_str(line).unwrap();
    let named = ["email", "username", "student_number"].into_iter().filter_map(|it| fields[it].as_str());
    let values: Vec<String> = named.map(str::to_owned).collect();
    assert!(!values.is_empty(), "{line}");
    values
}

/// Every byte of the store's files, the write-ahead logs included.
fn files(it: &Installed) -> Vec<u8> {
    let entries = std::fs::read_dir(it.site.folder().join("var")).unwrap();
    entries.flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect()
}

fn stands_in(bytes: &[u8], value: &str) -> bool {
    bytes.windows(value.len()).any(|window| window == value.as_bytes())
}

async fn erase(it: &Installed, now: &str, user: &str, more: &[&str]) -> vendor::Ran {
    let words = ["user", "erase", "--district", DISTRICT, "--user", user, "--reason", "asked to", "--json"];
    let ran = it.site.at(now, &[&words[..], more].concat()).await;
    it.site.verified().await;
    ran
}

#[tokio::test]
async fn an_erased_user_is_in_no_table_and_no_file_and_stays_away_until_the_erasure_is_undone() {
    on_both(async |it| {
        let user = it.first_holders(1).await.remove(0);
        let mut traces = values(&it.roster().await, &user);
        // an earlier version, too
        it.edit(|line| Some(line.replace(&traces[0], "formerly.known@windmill.example")));
        it.sync(NIGHT_2).await;
        traces.push("formerly.known@windmill.example".to_owned());
        if it.site.backend == Backend::Sqlite {
            assert!(traces.iter().all(|value| stands_in(&files(&it), value)), "the search finds what is there");
        }

        let proof = erase(&it, NIGHT_3, &user, &[]).await.exits(0).json();
        assert_eq!((&proof["found"], &proof["compacted"]), (&json!({}), &json!(true)), "{proof}");
        assert!(proof["searched"].as_u64().unwrap() >= 3, "{proof}");
        let deleted = &proof["deleted"];
        assert_eq!(
            (&deleted["record"], &deleted["seat_history"]),
            (&json!(2), &json!(1)),
            "the user, the enrollment: {proof}"
        );
        assert!(deleted["record_version"].as_u64().unwrap() >= 3, "{proof}");
        assert_eq!(proof["run"]["seats"]["released"], 1);
        assert_eq!(proof["run"]["seats"]["granted"], 1, "the next in line has the seat (S0.11)");
        if it.site.backend == Backend::Sqlite {
            let bytes = files(&it);
            let left: Vec<&String> = traces.iter().filter(|value| stands_in(&bytes, value)).collect();
            assert!(left.is_empty(), "{left:?}");
        }
        let audit = it.site.audit(DISTRICT).await;
        chain_head(&audit);
        assert!(audit.contains("\"user.erased\"") && !traces.iter().any(|value| audit.contains(value.as_str())));
        let again = erase(&it, NIGHT_3, &user, &[]).await.exits(0).json();
        assert_eq!((&again["deleted"], &again["compacted"]), (&json!({}), &json!(true)));
        erase(&it, NIGHT_3, "NOBODY", &[]).await.exits(2).says(&["has no user"]);

        // the feed still sends them (K4), and is not listened to
        it.edit(|line| Some(line.replace("Topaz", "Opal")));
        let night = it.sync(NIGHT_4).await;
        let warnings = night["snapshot"]["warnings"].as_array().unwrap();
        assert!(warnings.iter().any(|it| it["code"] == "erased" && it["count"] == 1), "{night}");
        assert!(!it.roster().await.contains(&format!("\"{user}\"")));

        erase(&it, NIGHT_4, &user, &["--undo"]).await.exits(0);
        erase(&it, NIGHT_4, &user, &["--undo"]).await.exits(2).says(&["was not erased"]);
        it.edit(|line| Some(line.replace("Opal", "Topaz")));
        assert_eq!(it.sync(NIGHT_5).await["changes"]["users"]["added"], 1);
    })
    .await;
}

/// A change of theirs that waits for a person goes with them, and the rest can still be decided.
#[tokio::test]
async fn an_erasure_takes_what_is_held_of_the_user_out_of_the_review() {
    let it = Installed::on(Backend::Sqlite).await.unwrap();
    let gone = it.first_holders(20).await;
    it.lose(&gone);
    let held = it.site.sync(NIGHT_2, DISTRICT).await.exits(3).json();
    let proof = erase(&it, NIGHT_3, &gone[0], &[]).await.exits(0).json();
    assert_eq!((&proof["found"], &proof["deleted"]["held_change"]), (&json!({}), &json!(1)), "{proof}");
    let run = held["run"].as_str().unwrap();
    let approved = it.site.at(NIGHT_3, &["runs", "approve", run, "--json"]).await.exits(0).json();
    assert_eq!(approved["changes"]["users"]["removed"], 19, "{approved}");
    it.site.verified().await;
}

#[tokio::test]
async fn a_purged_district_has_nobody_left_in_any_table_or_file() {
    on_both(async |it| {
        let users = it.first_holders(40).await;
        let roster = it.roster().await;
        let emails: Vec<String> = users.iter().map(|user| values(&roster, user).remove(0)).collect();
        let words = ["district", "purge", DISTRICT, "--reason", "contract ended", "--json"];
        let ran = it.site.at(NIGHT_2, &words).await.exits(0).says(&["still configured"]);
        let proof = ran.json();
        assert_eq!((&proof["found"], &proof["compacted"]), (&json!({}), &json!(true)), "{proof}");
        assert_eq!(proof["deleted"]["seat"], 38);
        it.site.verified().await;
        assert_eq!(it.roster().await, "");
        if it.site.backend == Backend::Sqlite {
            let bytes = files(&it);
            let left: Vec<&String> = emails.iter().filter(|value| stands_in(&bytes, value)).collect();
            assert!(left.is_empty(), "{left:?}");
        }
        chain_head(&it.site.audit(DISTRICT).await);
        // a new contract begins as the first one did
        assert_eq!(it.sync(NIGHT_3).await["seats"]["granted"], 38);
    })
    .await;
}

/// kill -9 in the middle (F75): the store verifies, nothing or everything is gone, and doing it again ends it.
#[tokio::test]
async fn an_erasure_or_purge_that_is_killed_is_whole_or_not_at_all() {
    let it = Installed::on(Backend::Sqlite).await.unwrap();
    let user = it.first_holders(1).await.remove(0);
    let before = it.site.state(DISTRICT).await;
    let erase_words = ["--now", NIGHT_2, "user", "erase", "--district", DISTRICT, "--user", &user];
    let purge_words = ["--now", NIGHT_2, "district", "purge", DISTRICT];
    let places = [
        (&erase_words[..], "store.erase.records"),
        (&erase_words[..], "store.erase.done"),
        (&erase_words[..], "store.write.commit"),
        (&purge_words[..], "store.purge.table@7"),
        (&purge_words[..], "store.purge.commit"),
    ];
    for (words, place) in places {
        let mut command = it.site.command(words);
        command.env("ROSTERD_FAILPOINT", place);
        let status = command.output().await.unwrap().status;
        assert_eq!(status.signal(), Some(6), "{place}: it did not die there: {status}");
        it.site.verified().await;
        assert!(it.site.state(DISTRICT).await == before, "{place}");
    }
    erase(&it, NIGHT_2, &user, &[]).await.exits(0);
    it.site.at(NIGHT_2, &purge_words[2..]).await.exits(0);
    it.site.verified().await;
}
