//! Accounts of one person, and how to get back under the limit (safety.md, Identity; licensing.md, Suggestions).

use std::path::PathBuf;

use serde_json::Value;

use crate::support::db::Backend;
use crate::support::place::once_more;
use crate::support::vendor::{self, NIGHT_1, NIGHT_2, NIGHT_3, Ran, Site};

const DISTRICT: &str = "site-license";

/// The fixture `site-license` as an upload that can be changed.
struct Installed {
    site: Site,
}

impl Installed {
    /// Synced once. `files` are words to replace in the upload, `catalog` in the catalog.
    async fn on(backend: Backend, files: &[(&str, &str, &str)], catalog: &[(&str, &str)]) -> Option<Self> {
        let it = Self { site: Site::new(backend).await? };
        let fixture = vendor::fixtures().join("vendors").join(DISTRICT);
        std::fs::create_dir_all(it.upload()).unwrap();
        for entry in std::fs::read_dir(&fixture).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, it.upload().join(path.file_name().unwrap())).unwrap();
        }
        it.replace(files);
        let mut text = std::fs::read_to_string(fixture.join("catalog.toml")).unwrap();
        for (old, new) in catalog {
            assert!(text.contains(old), "{old}");
            text = text.replace(old, new);
        }
        let path = it.site.folder().join("catalog.toml");
        std::fs::write(&path, text).unwrap();
        let district = vendor::district(DISTRICT, &vendor::csv(&it.upload()));
        it.site.configure(&format!("[catalog]\npath = \"{}\"\n\n{district}", path.display()));
        it.site.sync(NIGHT_1, DISTRICT).await.exits(0);
        Some(it)
    }

    fn upload(&self) -> PathBuf {
        self.site.folder().join("upload")
    }

    fn replace(&self, files: &[(&str, &str, &str)]) {
        for (file, old, new) in files {
            let path = self.upload().join(file);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(old), "{old}");
            std::fs::write(path, text.replace(old, new)).unwrap();
        }
    }

    async fn run(&self, now: &str, words: &str) -> Ran {
        let words: Vec<&str> = words.split(' ').collect();
        let ran = self.site.at(now, &[&words[..], &["--json"]].concat()).await;
        self.site.verified().await;
        ran
    }

    async fn pairs(&self, now: &str) -> Vec<Value> {
        let list = self.run(now, "identity list").await.exits(0).json();
        list["pairs"].as_array().unwrap().clone()
    }

    async fn practice(&self, now: &str) -> Value {
        self.run(now, "licenses --product practice").await.exits(0).json()[0].clone()
    }

    async fn seat_of(&self, user: &str) -> Option<Value> {
        let seats = self.run(NIGHT_3, "seats --district site-license --product practice").await.exits(0).json();
        seats["holders"].as_array().unwrap().iter().find(|it| it["user"] == user).cloned()
    }
}

async fn on_both<F: Future<Output = ()>>(story: impl Fn(Backend) -> F) {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        story(backend).await;
    }
}

/// S2.9, S2.10, S2.15, C4, U20.
#[tokio::test]
async fn a_duplicate_is_proposed_accepted_and_undone() {
    on_both(async |backend| {
        // The fixture's two accounts of one child, under one student number.
        let one_number = [("users.csv", "PB00048", "PB00047")];
        let by_person =
            [("seats = 40", "seats = 50"), ("educator_access = true", "educator_access = true\ncount_by = \"person\"")];
        let Some(it) = Installed::on(backend, &one_number, &by_person).await else { return };
        let [pair] = &it.pairs(NIGHT_1).await[..] else { panic!("one pair") };
        assert_eq!((&pair["kind"], &pair["strength"]), (&"duplicate".into(), &"strong".into()));
        assert_eq!(pair["keys"], serde_json::json!(["student_number", "name", "grade"]));
        let id = pair["id"].as_str().unwrap().to_owned();
        let assigned = it.practice(NIGHT_1).await["assigned"].as_u64().unwrap();

        let run = it.run(NIGHT_2, &format!("identity accept {id} --reason one-child")).await.exits(0).json();
        assert_eq!((&run["status"], &run["seats"]["released"]), (&"applied".into(), &1.into()));
        assert_eq!(it.practice(NIGHT_2).await["assigned"], assigned - 1);
        it.run(NIGHT_2, &format!("identity accept {id} --reason again")).await.exits(1).says(&["accepted already"]);
        it.run(NIGHT_2, &format!("identity undo {id} --reason two-children")).await.exits(0);
        assert_eq!(it.practice(NIGHT_2).await["assigned"], assigned);

        it.run(NIGHT_2, &format!("identity refuse {id} --reason twins")).await.exits(0);
        it.site.sync(NIGHT_3, DISTRICT).await.exits(0);
        assert_eq!(it.pairs(NIGHT_3).await[0]["state"], "refused", "for ever (P45)");
        it.run(NIGHT_3, "identity accept dup-000000000000 --reason x").await.exits(2);
        let audit = it.site.audit(DISTRICT).await;
        for action in ["identity.accepted", "identity.undone", "identity.refused"] {
            assert!(audit.contains(action), "{action}");
        }
        assert!(!audit.contains("PB00047"), "no value of a key stands in the audit");
    })
    .await;
}

/// S2.15, S2.16, C4: where accounts count each, both counts are shown.
#[tokio::test]
async fn both_counts_are_shown_where_accounts_count_each() {
    let one_number = [("users.csv", "PB00048", "PB00047")];
    let it = Installed::on(Backend::Sqlite, &one_number, &[("seats = 40", "seats = 50")]).await.unwrap();
    let row = it.practice(NIGHT_1).await;
    let assigned = row["assigned"].as_u64().unwrap();
    assert_eq!(row["assigned_if_merged"], assigned - 1);
    let report = it.run(NIGHT_1, "report compliance --district site-license").await.exits(0).json();
    assert_eq!(report[0]["duplicates"], 1, "one account for each student is the target");
    assert_eq!(report[0]["recommendation"], "review 1 seats of duplicate accounts: `rosterd identity list`");
    it.run(NIGHT_1, &format!("identity accept {} --reason one", it.pairs(NIGHT_1).await[0]["id"].as_str().unwrap()))
        .await
        .exits(0);
    let report = it.run(NIGHT_1, "report compliance --district site-license").await.exits(0).json();
    assert_eq!(report[0]["duplicates"], 1, "a link says who it is, and accounts still count each");
}

/// P16, P17: the seat passes to the new id with its `since`, and undoing takes it back.
#[tokio::test]
async fn a_rekeyed_child_keeps_the_seat_under_the_new_id() {
    on_both(async |backend| {
        let Some(it) = Installed::on(backend, &[], &[("seats = 40", "seats = 50")]).await else { return };
        let old = it.seat_of("PB-U-047").await.unwrap();
        it.replace(&[("users.csv", "PB-U-047,", "NEW-047,"), ("enrollments.csv", "PB-U-047,", "NEW-047,")]);
        it.site.sync(NIGHT_2, DISTRICT).await.exits(0);
        let pairs = it.pairs(NIGHT_2).await;
        let pair = pairs.iter().find(|it| it["kind"] == "rekeyed").unwrap();
        assert_eq!(pair["accounts"], serde_json::json!(["PB-U-047", "NEW-047"]));
        let id = pair["id"].as_str().unwrap();
        it.run(NIGHT_2, &format!("identity accept {id} --reason renumbered")).await.exits(0);
        assert!(it.seat_of("PB-U-047").await.is_none());
        assert!(it.seat_of("NEW-047").await.is_some());
        // The new id had a seat of its own by then: the old one merged into it, and both were one child's.
        assert!(old["since"].is_string());
        it.run(NIGHT_3, &format!("identity undo {id} --reason mistake")).await.exits(0);
        assert!(it.seat_of("NEW-047").await.is_some(), "who is in demand has a seat while there are some");
        once_more(&it.site, DISTRICT).await;
    })
    .await;
}

/// P16: a link that was accepted while the remap is in review lets the seat pass in the run that renumbers.
#[tokio::test]
async fn an_accepted_remap_passes_the_seats_and_is_held_no_more() {
    on_both(async |backend| {
        let Some(it) = Installed::on(backend, &[], &[]).await else { return };
        let before = it.practice(NIGHT_1).await["assigned"].clone();
        let ids = ["PB-U-040", "PB-U-041", "PB-U-042", "PB-U-043"];
        let new: Vec<String> = ids.iter().map(|id| id.replace("PB-U", "NEW")).collect();
        for (old, new) in ids.iter().zip(&new) {
            let (old, new) = (format!("{old},"), format!("{new},"));
            it.replace(&[("users.csv", &old, &new), ("enrollments.csv", &old, &new)]);
        }
        let run = it.site.sync(NIGHT_2, DISTRICT).await.exits(3).json();
        let rekeyed =
            |run: &Value| run["holds"].as_array().unwrap().iter().any(|hold| hold["group"] == "district/users/rekeyed");
        assert!(rekeyed(&run), "{run}");
        let show = format!("runs show {} --affected", run["run"].as_str().unwrap());
        let shown = it.run(NIGHT_2, &show).await.exits(0).json();
        let remap = shown["affected"].as_array().unwrap().iter().find(|it| it["id"] == ids[0]).unwrap();
        assert_eq!(remap["remap"], new[0].as_str());

        it.run(NIGHT_2, "identity accept --rekeyed --district site-license --reason renumbered").await.exits(0);
        let run = it.site.sync(NIGHT_3, DISTRICT).await.exits(0).json();
        assert!(!rekeyed(&run), "{run}");
        assert_eq!(it.practice(NIGHT_3).await["assigned"], before);
        assert_eq!(run["seats"]["released"], 0, "{run}");
        assert!(run["seats"]["moved"].as_u64().unwrap() > 0, "{run}");
        once_more(&it.site, DISTRICT).await;
    })
    .await;
}

/// S4.35, S3.27, P46: everyone has a seat and fewer are at school: `doctor` says of whom the rest are, `suggest` what to do, and a
/// suggestion carried out seats who waits. Staff are in none of it.
#[tokio::test]
async fn graduates_old_classes_and_test_accounts_are_found_and_their_seats_serve_who_waits() {
    on_both(async |backend| {
        // 49 students in classes; of those with a seat one has graduated, two are in last year's class alone, one is a test account.
        let files = [("users.csv", "tansy.dovecote9", "test.account9"), ("users.csv", "PB00010,", "PB00010,")];
        let by_account =
            [("basis = \"enrolled\"\neducator_access = true", "basis = \"active\""), ("seats = 40", "seats = 44")];
        let Some(it) = Installed::on(backend, &files, &by_account).await else { return };
        let seats = it.run(NIGHT_1, "seats --district site-license --product practice").await.exits(0).json();
        let tested = seats["holders"].as_array().unwrap().iter().any(|it| it["user"] == "PB-U-009");
        let doctor = it.run(NIGHT_1, "doctor --offline").await.exits(0).json();
        let told: Vec<&str> = doctor
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["check"] == "licenses")
            .map(|it| it["message"].as_str().unwrap())
            .collect();
        assert_eq!(told.len(), 1, "{doctor}");
        assert!(
            told[0].contains("of test accounts") && told[0].contains("rosterd suggest --district site-license"),
            "{told:?}"
        );
        let found = it.run(NIGHT_1, "suggest --district site-license").await.exits(0).json();
        let all: Vec<&Value> =
            found.as_array().unwrap().iter().flat_map(|it| it["suggestions"].as_array().unwrap()).collect();
        let of = |kind: &str| all.iter().find(|it| it["kind"] == kind).copied();
        let test = of("test_accounts").filter(|_| tested).expect("the test account has a seat");
        assert_eq!(test["users"], serde_json::json!(["PB-U-009"]));
        let command = test["command"]
            .as_str()
            .unwrap()
            .trim_start_matches("rosterd ")
            .replace("'test accounts'", "test-accounts");
        let run = it.run(NIGHT_2, &command).await.exits(0).json();
        assert_eq!((&run["seats"]["released"], &run["seats"]["granted"]), (&test["frees"], &test["seats"]));
        let staff = it.site.roster(DISTRICT, "users").await;
        let staff: Vec<Value> = staff.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for user in staff.iter().filter(|it| it["roles"][0]["role"] != "student") {
            let id = user["id"].as_str().unwrap();
            assert!(all.iter().all(|it| !it["users"].to_string().contains(id)), "{id}");
        }
        once_more(&it.site, DISTRICT).await;
    })
    .await;
}

/// S2.1 to S2.7, S0.12, S3.33, S4.33: what a suggestion says is what its command does.
#[tokio::test]
async fn carrying_out_a_suggestion_frees_and_seats_exactly_what_it_said() {
    on_both(async |backend| {
        let short = [("seats = 40", "seats = 30"), ("seats = 22", "seats = 8"), ("seats = 18", "seats = 22")];
        let Some(it) = Installed::on(backend, &[], &short).await else { return };
        let mut carried_out = std::collections::BTreeSet::new();
        for _ in 0..4 {
            let found = it.run(NIGHT_2, "suggest --district site-license").await.exits(0).json();
            let found = found.as_array().unwrap().clone();
            let all = found.iter().flat_map(|it| it["suggestions"].as_array().unwrap());
            let runs = |it: &&Value| ["move_seats", "educator_off"].contains(&it["kind"].as_str().unwrap());
            let Some(next) = all.filter(runs).find(|it| !carried_out.contains(&it["command"].to_string())) else {
                break;
            };
            let command = next["command"].as_str().unwrap().trim_start_matches("rosterd ").to_owned();
            let waiting = it.practice(NIGHT_2).await["waiting"].as_u64().unwrap();
            let run = it.run(NIGHT_2, &command).await.exits(0).json();
            assert_eq!(run["seats"]["granted"], next["seats"], "{next}\n{run}");
            if next["kind"] == "educator_off" {
                assert_eq!(run["seats"]["released"], next["frees"], "{next}\n{run}");
            }
            assert!(
                it.practice(NIGHT_2).await["waiting"].as_u64().unwrap() <= waiting - next["seats"].as_u64().unwrap()
            );
            carried_out.insert(next["command"].to_string());
        }
        assert!(!carried_out.is_empty(), "there was something to carry out");
        let found = it.run(NIGHT_2, "suggest --district site-license").await.exits(0).json();
        for shortage in found.as_array().unwrap() {
            let last = shortage["suggestions"].as_array().unwrap().last().unwrap().clone();
            assert_eq!((&last["kind"], &last["frees"]), (&"buy".into(), &100.into()));
            assert!(last["text"].as_str().unwrap().contains("short by"), "{last}");
        }
    })
    .await;
}
