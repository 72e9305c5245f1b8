//! A run is taken back (safety.md, Revert; U7): records, the same seats, and the versions that are refused from then on.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::db::Backend;
use crate::support::place::once_more;
use crate::support::vendor::{self, NIGHT_1, NIGHT_2, NIGHT_3, NIGHT_4, NIGHT_5, NIGHT_6, Ran, Site};

pub(super) const DISTRICT: &str = "active-students";

/// A district of its own upload, synced once, with 38 seats for 40 students.
pub(super) struct Installed {
    pub(super) site: Arc<Site>,
    upload: PathBuf,
}

impl Installed {
    pub(super) async fn on(backend: Backend) -> Option<Self> {
        let site = Site::new(backend).await?;
        let fixture = vendor::fixtures().join("vendors").join(DISTRICT);
        let upload = site.folder().join("upload");
        std::fs::create_dir(&upload).unwrap();
        for entry in std::fs::read_dir(&fixture).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, upload.join(path.file_name().unwrap())).unwrap();
        }
        let catalog =
            std::fs::read_to_string(fixture.join("catalog.toml")).unwrap().replace("seats = 45", "seats = 38");
        std::fs::write(site.folder().join("catalog.toml"), catalog).unwrap();
        site.configure(&format!(
            "[catalog]\npath = \"{}\"\n\n{}",
            site.folder().join("catalog.toml").display(),
            vendor::district(DISTRICT, &vendor::csv(&upload))
        ));
        let it = Self { site: Arc::new(site), upload };
        it.sync(NIGHT_1).await;
        Some(it)
    }

    /// The district's export with the lines of `users.csv` edited.
    pub(super) fn edit(&self, edit: impl Fn(&str) -> Option<String>) {
        let path = self.upload.join("users.csv");
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<String> = text.lines().filter_map(edit).collect();
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    }

    pub(super) fn lose(&self, users: &[String]) {
        self.edit(|line| (!users.iter().any(|id| line.starts_with(&format!("{id},")))).then(|| line.to_owned()));
    }

    /// A user's line of the export.
    pub(super) fn line(&self, user: &str) -> String {
        let text = std::fs::read_to_string(self.upload.join("users.csv")).unwrap();
        text.lines().find(|line| line.starts_with(&format!("{user},"))).unwrap().to_owned()
    }

    /// A line more.
    pub(super) fn add(&self, line: &str) {
        let path = self.upload.join("users.csv");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}{line}\n")).unwrap();
    }

    pub(super) async fn sync(&self, now: &str) -> Value {
        let run = self.site.sync(now, DISTRICT).await.exits(0).json();
        self.site.verified().await;
        run
    }

    async fn revert(&self, now: &str, run: &Value, more: &[&str]) -> Ran {
        let run = run["run"].as_str().unwrap();
        let ran = self.site.at(now, &[&["runs", "revert", run, "--json"], more].concat()).await;
        self.site.verified().await;
        ran
    }

    pub(super) async fn seats(&self) -> Value {
        self.site.run(&["seats", "--district", DISTRICT, "--product", "devices", "--json"]).await.exits(0).json()
    }

    /// The seats of these users, as they are told.
    async fn seats_of(&self, users: &[String]) -> Vec<Value> {
        let seats = self.seats().await;
        let holders = seats["holders"].as_array().unwrap().clone();
        holders.into_iter().filter(|it| users.iter().any(|id| it["user"] == id.as_str())).collect()
    }

    pub(super) async fn first_holders(&self, n: usize) -> Vec<String> {
        let seats = self.seats().await;
        let holders = seats["holders"].as_array().unwrap().iter();
        holders.take(n).map(|it| it["user"].as_str().unwrap().to_owned()).collect()
    }

    pub(super) async fn roster(&self) -> String {
        self.site.roster(DISTRICT, "users").await
    }
}

/// Tells a story on both databases; each ends with the same run once more, which changes nothing.
pub(super) async fn on_both<F: Future<Output = ()>>(story: impl Fn(Installed) -> F) {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        if let Some(it) = Installed::on(backend).await {
            let site = Arc::clone(&it.site);
            story(it).await;
            once_more(&site, DISTRICT).await;
            site.discard().await;
        }
    }
}

/// U7, invariant 1's exception: the seats have passed to others meanwhile, and still come back as they were.
#[tokio::test]
async fn the_same_seats_come_back_to_the_same_users_over_capacity() {
    on_both(async |it| {
        let before = it.roster().await;
        let lost = it.first_holders(3).await;
        let seats = it.seats_of(&lost).await;
        assert_eq!(seats.len(), 3);
        it.lose(&lost);
        let bad = it.sync(NIGHT_2).await;
        assert_eq!(bad["changes"]["users"]["removed"], 3);
        it.edit(|line| Some(line.replace("Saffron", "Sage")));
        let run = it.sync(NIGHT_3).await;
        assert_eq!((&run["seats"]["released"], &run["seats"]["granted"]), (&json!(3), &json!(2)), "{run}");
        assert!(it.seats_of(&lost).await.is_empty());

        let state = it.site.state(DISTRICT).await;
        let plan = it.revert(NIGHT_4, &bad, &["--plan"]).await.exits(0).json();
        assert_eq!((&plan["status"], &plan["trigger"]), (&json!("planned"), &json!("revert")));
        assert_eq!((&plan["revert"]["reversed"], &plan["revert"]["seats"]), (&json!(3), &json!(3)), "{plan}");
        assert!(it.site.state(DISTRICT).await == state, "a plan changes nothing");

        let run = it.revert(NIGHT_4, &bad, &["--reason", "a wrong export"]).await.exits(0).json();
        assert_eq!((&run["status"], &run["changes"]["users"]["added"]), (&json!("applied"), &json!(3)), "{run}");
        assert_eq!(run["revert"], plan["revert"]);
        assert_eq!(it.seats_of(&lost).await, seats, "same pool, same since");
        let licenses = it.site.licenses(NIGHT_4).await;
        assert_eq!((&licenses[0]["assigned"], &licenses[0]["over"]), (&json!(40), &json!(2)), "nobody else lost one");
        assert_eq!(it.roster().await.lines().count(), before.lines().count());
        let shown = it.site.run(&["runs", "show", bad["run"].as_str().unwrap(), "--json"]).await.exits(0).json();
        assert_eq!(shown["reverted_by"], run["run"]);

        // exactly these versions are skipped, and another one is taken up
        it.edit(|line| Some(line.replace("Sage", "Saffron")));
        let night = it.sync(NIGHT_5).await;
        assert_eq!(night["changes"]["users"]["removed"], 0, "{night}");
        assert!(night["snapshot"]["warnings"].to_string().contains("refused_version"), "{night}");
        assert_eq!(it.seats_of(&lost).await, seats);
        it.revert(NIGHT_5, &bad, &[]).await.exits(1).says(&["nothing left", "--plan"]);
    })
    .await;
}

/// Safety.md, Revert: what someone changed since stays, each with its reason; what the run added goes at once.
#[tokio::test]
async fn what_changed_since_is_kept_and_what_the_run_added_goes() {
    on_both(async |it| {
        let users = it.first_holders(2).await;
        let [changed, other] = &users[..] else { panic!("two") };
        let rename = |id: &str, to: &str| {
            let (id, to) = (format!("{id},"), to.to_owned());
            it.edit(move |line| {
                let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
                if line.starts_with(&id) {
                    cells[8].clone_from(&to);
                }
                Some(cells.join(","))
            });
        };
        rename(changed, "Wrong");
        rename(other, "Wrong");
        let model = it.line(other);
        it.add(&model.replace(other.as_str(), "NEW-1").replace(&model.split(',').nth(11).unwrap().to_owned(), "X1"));
        let bad = it.sync(NIGHT_2).await;
        assert_eq!((&bad["changes"]["users"]["changed"], &bad["changes"]["users"]["added"]), (&json!(2), &json!(1)));
        rename(changed, "Right");
        it.sync(NIGHT_3).await;

        let run = it.revert(NIGHT_4, &bad, &[]).await.exits(0).json();
        assert_eq!(run["revert"]["reversed"], 2, "{run}");
        let [kept] = &run["revert"]["kept"].as_array().unwrap()[..] else { panic!("{run}") };
        assert_eq!((&kept["kind"], &kept["id"]), (&json!("users"), &json!(changed)));
        assert!(kept["reason"].as_str().unwrap().contains("changed since by run"), "{kept}");
        let roster = it.roster().await;
        assert!(!roster.contains("NEW-1") && roster.contains("Right") && !roster.contains("Wrong"), "{roster}");
        let night = it.sync(NIGHT_5).await;
        let users = &night["changes"]["users"];
        assert_eq!((&users["added"], &users["changed"]), (&json!(0), &json!(0)), "{night}");

        // the source sends something else: the record is taken up again
        rename(other, "Third");
        assert_eq!(it.sync(NIGHT_6).await["changes"]["users"]["changed"], 1);
    })
    .await;
}

/// A revert of a revert puts back what it took, and refuses nothing.
#[tokio::test]
async fn a_revert_can_be_reverted() {
    let it = Installed::on(Backend::Sqlite).await.unwrap();
    let lost = it.first_holders(1).await;
    it.lose(&lost);
    let bad = it.sync(NIGHT_2).await;
    let revert = it.revert(NIGHT_3, &bad, &[]).await.exits(0).json();
    assert!(it.roster().await.contains(&lost[0]));
    let again = it.revert(NIGHT_4, &revert, &[]).await.exits(0).json();
    assert_eq!(again["changes"]["users"]["removed"], 1, "{again}");
    assert!(!it.roster().await.contains(&lost[0]));
    assert_eq!(it.sync(NIGHT_5).await["changes"]["users"]["removed"], 0);
}

/// Each kind of run that makes no sense to revert says so and what to do instead.
#[tokio::test]
async fn what_cannot_be_reverted_is_refused_with_its_reason() {
    let it = Installed::on(Backend::Sqlite).await.unwrap();
    let runs = it.site.run(&["runs", "list", "--json"]).await.exits(0).json();
    it.revert(NIGHT_2, &runs[0], &[]).await.exits(1).says(&["first roster", "purge"]);
    it.revert(NIGHT_2, &json!({ "run": "01NOSUCHRUN" }), &[]).await.exits(2).says(&["there is no run"]);
    let user = &it.first_holders(1).await[0];
    let words = ["override", "set", "--district", DISTRICT, "--user", user, "--product", "devices", "--pin"];
    let pinned = it.site.at(NIGHT_2, &[&words[..], &["--reason", "asked", "--json"]].concat()).await.exits(0).json();
    it.revert(NIGHT_2, &pinned, &[]).await.exits(1).says(&["by hand", "opposite verb"]);
    let plan = it.site.at(NIGHT_2, &["sync", DISTRICT, "--plan", "--json"]).await.exits(0).json();
    it.revert(NIGHT_2, &plan, &[]).await.exits(1).says(&["applied nothing"]);
}

/// T24: where a second person is asked for, who proposed may not approve; the night's own sync anyone may.
#[tokio::test]
async fn who_asked_for_a_sync_does_not_approve_it_where_a_second_person_must() {
    let it = Installed::on(Backend::Sqlite).await.unwrap();
    let path = it.site.folder().join("rosterd.toml");
    let settings = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{settings}\n[guard]\nsecond_person = true\n")).unwrap();
    let gone = it.first_holders(20).await;
    it.lose(&gone);
    let held = it.site.sync(NIGHT_2, DISTRICT).await.exits(3).json();
    let run = held["run"].as_str().unwrap();
    let words = ["--now", NIGHT_3, "runs", "approve", run, "--json"];
    it.site.run(&words).await.exits(1).says(&["same person", "second_person"]);
    let mut command = it.site.command(&words);
    command.env("USER", "another");
    let approved = vendor::finished(command, words.join(" ")).await.exits(0).json();
    assert_eq!(
        (&approved["requested_by"], &approved["changes"]["users"]["removed"]),
        (&json!("cli:another"), &json!(20))
    );
    it.site.verified().await;
}

/// U7, F60: a revert that is killed anywhere is whole or not at all. Asked for again, or taken up by whoever comes next, it ends
/// with the seat back at the same user and each thing told once.
#[tokio::test]
async fn a_revert_killed_anywhere_gives_the_same_seats_back_once() {
    let places = [
        "queue.request.committed",
        "queue.claim.committed",
        "store.write.begun",
        "store.write.records",
        "store.write.seats",
        "store.write.contract",
        "store.write.audit",
        "store.write.commit",
        "store.write.committed",
    ];
    on_both(async |it| {
        let path = it.site.folder().join("rosterd.toml");
        let settings = std::fs::read_to_string(&path).unwrap();
        // On PostgreSQL the lease of a dead process runs out; nobody else can know that it is dead.
        std::fs::write(&path, format!("{settings}\n[schedule]\nlease_seconds = 5\n")).unwrap();
        for (number, user) in it.first_holders(places.len()).await.into_iter().enumerate() {
            let (place, day) = (places[number], 7 + number);
            let now = |hour: u32| format!("2025-10-{day:02}T{hour:02}:00:00.000Z");
            let users = [user.clone()];
            let (record, seat) = (it.line(&user), it.seats_of(&users).await);
            it.edit(|line| {
                let mut cells: Vec<&str> = line.split(',').collect();
                if cells[0] == user {
                    cells[3] = "false";
                }
                Some(cells.join(","))
            });
            let bad = it.sync(&now(7)).await;
            assert_eq!(
                (&bad["changes"]["users"]["changed"], &bad["seats"]["released"]),
                (&json!(1), &json!(1)),
                "{bad}"
            );
            let words = ["runs", "revert", bad["run"].as_str().unwrap()];
            let mut command = it.site.command(&[&["--now", &now(8)], &words[..]].concat());
            command.env("ROSTERD_FAILPOINT", place);
            let status = command.output().await.unwrap().status;
            assert_eq!(status.signal(), Some(6), "{place}: it did not die there: {status}");
            it.site.verified().await;
            // The dead one's request is carried out before or instead of this one, which then finds nothing left.
            let again = it.site.at(&now(9), &words).await;
            assert!(matches!(again.code, Some(0 | 1)), "{place}: {again:#?}");
            it.site.verified().await;
            assert_eq!(it.seats_of(&users).await, seat, "{place}");
            let audit = it.site.audit(DISTRICT).await;
            let entries: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let count = |action: &str, id: &str| {
                entries.iter().filter(|entry| entry["action"] == action && entry["id"] == id).count()
            };
            assert_eq!(count("user.changed", &user), 2, "{place}: disabled, and put back");
            let reverts = entries.iter().filter(|entry| entry["action"] == "run.reverted").count();
            assert_eq!(reverts, number + 1, "{place}");
            let run = it.sync(&now(10)).await;
            assert_eq!(run["seats"]["released"], 0, "{place}: the version is refused: {run}");
            it.edit(|line| Some(if line.starts_with(&format!("{user},")) { record.clone() } else { line.to_owned() }));
        }
    })
    .await;
}
