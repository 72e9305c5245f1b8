//! What whoever looks after an installation needs: a copy that restores, completions, manual pages.

use crate::support::db::Backend;
use crate::support::vendor::{self, NIGHT_1, NIGHT_2, Site};

const DISTRICT: &str = "site-license";

fn settled(site: &Site) {
    let fixture = vendor::fixtures().join("vendors").join(DISTRICT);
    let catalog = fixture.join("catalog.toml");
    let district = vendor::district(DISTRICT, &vendor::csv(&fixture));
    site.configure(&format!("[catalog]\npath = \"{}\"\n\n{district}", catalog.display()));
}

/// F74, T45: what was copied is whole, verifies, and a night goes on from it as it would have from the store.
#[tokio::test]
async fn a_backup_restores_to_the_same_chain_and_goes_on() {
    let site = Site::sqlite().await;
    settled(&site);
    site.sync(NIGHT_1, DISTRICT).await.exits(0);
    let before = site.audit(DISTRICT).await;
    let copy = site.folder().join("copies/monday.db");
    site.run(&["backup", copy.to_str().unwrap()]).await.exits(1).says(&["check its folder"]);
    std::fs::create_dir(copy.parent().unwrap()).unwrap();

    site.run(&["backup", copy.to_str().unwrap()]).await.exits(0).says(&[
        "monday.db",
        "monday-queue.db",
        "site-license",
    ]);

    let files = std::fs::read_dir(copy.parent().unwrap()).unwrap().map(|it| it.unwrap().file_name());
    let mut files: Vec<_> = files.map(|it| it.into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, ["monday-queue.db", "monday.db"], "a copy is these two files and nothing else");
    site.run(&["backup", copy.to_str().unwrap()]).await.exits(2).says(&["is there already"]);
    site.at(NIGHT_1, &["token", "create", "--name", "later", "--scope", "read"]).await.exits(0);
    let restored = Site { store_url: format!("sqlite:{}", copy.display()), ..Site::sqlite().await };
    settled(&restored);
    restored.verified().await;
    assert_eq!(restored.audit(DISTRICT).await, before);
    let tokens = restored.run(&["token", "list", "--json"]).await.exits(0);
    assert!(!tokens.out.contains("later"), "made after the copy");
    let (one, other) = (site.sync(NIGHT_2, DISTRICT).await, restored.sync(NIGHT_2, DISTRICT).await);
    assert_eq!(one.json()["status"], other.json()["status"]);
    assert_eq!(site.audit(DISTRICT).await, restored.audit(DISTRICT).await);
}

#[tokio::test]
async fn a_backup_of_postgresql_names_the_tool_for_it() {
    let Some(site) = Site::new(Backend::Postgres).await else { return };
    site.run(&["backup", "copy.db"]).await.exits(2).says(&["pg_dump"]);
    site.discard().await;
}

#[tokio::test]
async fn shells_and_man_learn_every_command() {
    let site = Site::sqlite().await;
    for shell in ["bash", "zsh", "fish"] {
        let script = site.run(&["completions", shell]).await.exits(0).out;
        assert!(script.contains("move-seats") && script.contains("by-school"), "{shell}");
    }
    site.run(&["completions", "teletype"]).await.exits(2);
    site.run(&["man", "pages"]).await.exits(0);
    let page = std::fs::read_to_string(site.folder().join("pages/rosterd-licenses.1")).unwrap();
    assert!(page.contains("by\\-school"), "{page}");
}
