//! Districts without a feed: rosters that people upload and change (interface.md, `manual`; S0.3, S1.2).

use std::path::PathBuf;

use rosterd::store::{Queue, Settings};

use super::manual::{Installed, on_both};
use crate::support::db::Backend;
use crate::support::vendor::{NIGHT_1, NIGHT_2, NIGHT_3, NIGHT_4, Ran, Site};

const DISTRICT: &str = "active-students";

/// A district kept by hand, nothing uploaded yet.
async fn by_hand(backend: Backend) -> Option<Installed> {
    kept(backend, DISTRICT, &[]).await
}

async fn kept(backend: Backend, district: &'static str, catalog: &[(&str, &str)]) -> Option<Installed> {
    let it = Installed { site: Site::new(backend).await?, district };
    it.buy(catalog);
    let path = it.site.folder().join("rosterd.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, _) = text.split_once("feed = ").unwrap();
    std::fs::write(&path, format!("{before}feed = {{ kind = \"manual\" }}\n")).unwrap();
    Some(it)
}

impl Installed {
    async fn upload(&self, now: &str, file: &str, more: &[&str]) -> Ran {
        let ran = self.site.at(now, &[&["import", self.district, file, "--json"], more].concat()).await;
        self.site.verified().await;
        ran
    }

    /// A copy of the fixture with `users.csv` changed.
    fn changed(&self, name: &str, users: impl Fn(&str) -> bool) -> String {
        let folder = self.site.folder().join(name);
        std::fs::create_dir(&folder).unwrap();
        for entry in std::fs::read_dir(self.fixture()).unwrap() {
            let from: PathBuf = entry.unwrap().path();
            let to = folder.join(from.file_name().unwrap());
            let text = std::fs::read_to_string(&from).unwrap();
            let kept = |line: &&str| !to.ends_with("users.csv") || line.starts_with("sourcedId") || users(line);
            let text: Vec<&str> = text.lines().filter(kept).collect();
            std::fs::write(&to, text.join("\n") + "\n").unwrap();
        }
        folder.display().to_string()
    }
}

#[tokio::test]
async fn an_upload_is_a_run_like_any_other_planned_guarded_and_audited() {
    on_both(async |backend| {
        let Some(it) = by_hand(backend).await else { return };
        let fixture = it.fixture().display().to_string();
        it.site.sync(NIGHT_1, DISTRICT).await.exits(1).says(&["has no feed to sync", "rosterd import active-students"]);
        let planned = it.upload(NIGHT_1, &fixture, &["--plan"]).await.exits(0).json();
        assert_eq!((&planned["status"], &planned["changes"]["users"]["added"]), (&"planned".into(), &49.into()));
        assert_eq!(it.site.roster(DISTRICT, "users").await, "");
        let run = it.upload(NIGHT_1, &fixture, &["--reason", "new year"]).await.exits(0).json();
        assert_eq!(
            (&run["status"], &run["trigger"], &run["reason"]),
            (&"applied".into(), &"cli".into(), &"new year".into())
        );
        assert_eq!((&run["plan_hash"], &run["seats"]["granted"]), (&planned["plan_hash"], &40.into()));
        let url = it.site.store_url.clone();
        let queue = Queue::open(&Settings { url }).await.unwrap();
        let asked = queue.get(&run["run"].as_str().unwrap().into()).await.unwrap().unwrap();
        assert_eq!((asked.open, asked.payload), (false, None), "the names in it stay no longer than the run");
        queue.close().await;

        let before = it.state().await;
        let again = it.upload(NIGHT_2, &fixture, &[]).await.exits(0).json();
        assert_eq!((&again["status"], it.state().await), (&"unchanged".into(), before.clone()));

        // Three leave: mere absence, so their seats stay until another upload of a later day says the same.
        let without = |line: &str| !["WP-U-043", "WP-U-044", "WP-U-045"].iter().any(|id| line.starts_with(id));
        let fewer = it.changed("fewer", without);
        let run = it.upload(NIGHT_2, &fewer, &[]).await.exits(0).json();
        assert_eq!((&run["changes"]["users"]["removed"], &run["seats"]["released"]), (&3.into(), &0.into()));
        let run = it.upload(NIGHT_3, &fewer, &[]).await.exits(0).json();
        assert_eq!(run["seats"]["released"], 3);
        let left = it.state().await;
        let few = it.changed("few", |line| line < "WP-U-010");
        let run = it.upload(NIGHT_4, &few, &[]).await.exits(3).json();
        assert_eq!((&run["status"], &run["changes"]["users"]["removed"]), (&"held".into(), &0.into()));
        assert_eq!(it.site.roster(DISTRICT, "users").await.lines().count(), 46);
        assert!(it.state().await.starts_with(left.split("{\"seq\"").next().unwrap()), "the roster is as it was");
        it.site.discard().await;
    })
    .await;
}

/// A kind without a file stays as it is, and nothing is removed.
#[tokio::test]
async fn a_list_of_users_alone_adds_and_changes_and_removes_nothing() {
    let it = by_hand(Backend::Sqlite).await.unwrap();
    it.upload(NIGHT_1, &it.fixture().display().to_string(), &[]).await.exits(0);
    let list = it.site.folder().join("new pupils.csv");
    let header = "sourcedId,enabledUser,orgSourcedIds,role,givenName,familyName,grades";
    std::fs::write(&list, format!("{header}\nNEW-1,true,WP-SCH-1,student,Ann,Oak,09\n")).unwrap();
    let list = list.display().to_string();
    let run = it.upload(NIGHT_2, &list, &[]).await.exits(0).json();
    assert_eq!((&run["changes"]["users"]["added"], &run["changes"]["users"]["removed"]), (&1.into(), &0.into()));
    assert_eq!(run["snapshot"]["complete"], false);
    assert!(it.holders("devices").await.contains("NEW-1"));
    let before = it.state().await;
    std::fs::write(&list, "sourcedId,enabledUser\nNEW-2,true\n").unwrap();
    it.upload(NIGHT_3, &list, &[]).await.exits(1).says(&["users.csv", "orgSourcedIds"]);
    let damaged = it.site.folder().join("damaged.zip");
    std::fs::write(&damaged, "PK no more").unwrap();
    it.upload(NIGHT_3, &damaged.display().to_string(), &[]).await.exits(1).says(&["not a zip"]);
    it.upload(NIGHT_3, "nowhere.zip", &[]).await.exits(2).says(&["nowhere.zip"]);
    assert_eq!(it.state().await, before);
}

/// S1.13.
#[tokio::test]
async fn a_rostered_district_takes_no_upload() {
    let it = Installed::new(DISTRICT, &[]).await;
    let before = it.state().await;
    let fixture = it.fixture().display().to_string();
    it.upload(NIGHT_2, &fixture, &[]).await.exits(1).says(&["is rostered", "rostering platform"]);
    assert_eq!(it.state().await, before);
}

/// S2.8, S2.14, S3.15, S3.24, S4.46: by hand, as a run, each change an entry of whoever made it; nothing is deleted.
#[tokio::test]
async fn enrollments_roles_and_accounts_are_changed_by_hand_and_seats_follow() {
    on_both(async |backend| {
        let Some(it) = kept(backend, "site-license", &[("seats = 40", "seats = 50")]).await else { return };
        it.upload(NIGHT_1, &it.fixture().display().to_string(), &[]).await.exits(0);
        let holders = it.holders("practice").await;
        let classes = it.site.roster(it.district, "classes").await;
        let words = "unenroll --class PB-CLS-E-MATH --everyone --reason stale";
        let run = it.by_hand(NIGHT_2, words).await.exits(0).json();
        assert_eq!((&run["status"], &run["mode"]), (&"applied".into(), &"manual".into()));
        assert_eq!(run["seats"]["released"], 9, "students of another class keep theirs");
        assert_eq!(it.site.roster(it.district, "classes").await, classes, "the class stays");
        let removed = it.told("enrollment.removed").await;
        assert_eq!(u64::try_from(removed.len()).unwrap(), run["changes"]["enrollments"]["removed"].as_u64().unwrap());
        assert_eq!((&removed[0]["category"], &removed[0]["reason"]), (&"administrative".into(), &"stale".into()));
        assert_eq!(removed[0]["actor"], "cli:tester");

        let left = it.holders("practice").await;
        let gone: Vec<&String> = holders.difference(&left).collect();
        let list = it.site.folder().join("back.txt");
        std::fs::write(&list, format!("user\n{}\n{}\n", gone[0], gone[1])).unwrap();
        let words = format!("enroll --class PB-CLS-E-MATH --file {}", list.display());
        let run = it.by_hand(NIGHT_2, &words).await.exits(0).json();
        assert_eq!((&run["changes"]["enrollments"]["added"], &run["seats"]["granted"]), (&2.into(), &2.into()));
        assert_eq!(it.told("enrollment.restored").await.len(), 2, "who comes back is restored");
        assert!(it.holders("practice").await.contains(gone[0]));
        let again = it.by_hand(NIGHT_2, &words).await.exits(0).json();
        assert_eq!(again["status"], "unchanged");

        let words = format!("user disable --user {} --reason graduated", gone[0]);
        let run = it.by_hand(NIGHT_3, &words).await.exits(0).json();
        assert_eq!(run["seats"]["released"], 1);
        assert_eq!(it.told("seat.released").await.pop().unwrap()["reason"], "inactive");
        let words = "role assign --user PB-U-003 --role administrator --school PB-SCH-2";
        it.by_hand(NIGHT_3, words).await.exits(0);
        let changed = it.told("user.changed").await.pop().unwrap();
        assert_eq!((&changed["category"], &changed["reason"]), (&"role".into(), &"by hand".into()));
        let before = it.state().await;
        let stranger = "unenroll --class PB-CLS-E-MATH --user PB-U-010";
        it.by_hand(NIGHT_3, stranger).await.exits(1).says(&["is not enrolled"]);
        it.by_hand(NIGHT_3, "enroll --class NO --user PB-U-010").await.exits(2).says(&["no class `NO`"]);
        it.by_hand(NIGHT_3, "unenroll --class PB-CLS-E-MATH").await.exits(2).says(&["--everyone"]);
        assert_eq!(it.state().await, before);
        it.site.discard().await;
    })
    .await;
}

/// S4.12, S4.37: who is disabled or enabled counts so at once, with no sync in between.
#[tokio::test]
async fn the_count_of_active_students_moves_with_each_account() {
    on_both(async |backend| {
        let Some(it) = by_hand(backend).await else { return };
        it.upload(NIGHT_1, &it.fixture().display().to_string(), &[]).await.exits(0);
        let counted = async || {
            let row = it.site.licenses(NIGHT_2).await[0].clone();
            assert_eq!((&row["as_of"], &row["roster_as_of"]), (&NIGHT_2.into(), &NIGHT_1.into()));
            ["assigned", "available"].map(|key| row[key].as_u64().unwrap())
        };
        assert_eq!(counted().await, [40, 5]);
        it.by_hand(NIGHT_2, "user disable --user WP-U-010 WP-U-011 --reason left").await.exits(0);
        assert_eq!(counted().await, [38, 7]);
        it.by_hand(NIGHT_2, "user enable --user WP-U-011 --reason back").await.exits(0);
        assert_eq!(counted().await, [39, 6]);
        it.site.discard().await;
    })
    .await;
}

/// S0.3, S1.2, S1.3: an educator's product is decided here where no feed says who the educators are.
#[tokio::test]
async fn an_educators_product_is_assigned_by_hand_where_there_is_no_feed() {
    let it = kept(Backend::Sqlite, "by-assignment", &[]).await.unwrap();
    it.upload(NIGHT_1, &it.fixture().display().to_string(), &[]).await.exits(0);
    let words = "assign --user QV-U-002 --product handwriting-teacher --reason asked";
    it.by_hand(NIGHT_2, words).await.exits(0);
    assert!(it.holders("handwriting-teacher").await.contains("QV-U-002"));
}

/// S1.13.
#[tokio::test]
async fn a_rostered_district_refuses_enrollments_roles_and_accounts_by_hand() {
    let it = Installed::new("site-license", &[]).await;
    for words in [
        "unenroll --class PB-CLS-E-MATH --everyone",
        "enroll --class PB-CLS-E-MATH --user PB-U-049",
        "role assign --user PB-U-003 --role administrator --school PB-SCH-2",
        "user transfer --user PB-U-010 --from PB-SCH-1 --to PB-SCH-2",
        "user disable --user PB-U-010",
    ] {
        it.refuses(1, words, &["is rostered", "rostering platform"]).await;
    }
}
