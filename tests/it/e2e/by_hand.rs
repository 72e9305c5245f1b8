//! Districts without a feed: rosters that people upload and change (interface.md, `manual`; S0.3, S1.2).

use std::path::PathBuf;

use rosterd::store::{Queue, Settings};

use super::manual::{Installed, on_both};
use crate::support::db::Backend;
use crate::support::vendor::{NIGHT_1, NIGHT_2, NIGHT_3, NIGHT_4, Ran, Site};

const DISTRICT: &str = "active-students";

/// A district kept by hand, nothing uploaded yet.
async fn by_hand(backend: Backend) -> Option<Installed> {
    let it = Installed { site: Site::new(backend).await?, district: DISTRICT };
    it.buy(&[]);
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
