//! Mistakes of an installation: said before anything starts, or before anything is half done.

use crate::support::db::Backend;
use crate::support::postgres;
use crate::support::vendor::{self, NIGHT_1, NIGHT_2, Site, finished};

const SMALL: &str = "pomegranate-charter";

/// An installation with a CSV folder, not synced yet.
async fn small(backend: Backend) -> Option<Site> {
    let site = Site::new(backend).await?;
    let folder = site.folder().join("csv");
    vendor::world(SMALL).csv_folder(SMALL, 1, &folder).unwrap();
    site.configure_with_catalog(&vendor::district(SMALL, &vendor::csv(&folder)));
    Some(site)
}

#[tokio::test]
async fn an_unknown_key_of_the_configuration_is_refused_and_the_nearest_named() {
    let site = Site::sqlite().await;
    let csv = vendor::district("d", r#"{ kind = "oneroster-csv", path = "x" }"#);
    let cases = [
        ("[schedule]\nnitely = \"02:00\"\n".to_owned(), "nitely", "nightly"),
        (csv.replace("time_zone", "time_zon"), "time_zon", "time_zone"),
        (csv.replace("path", "pth"), "pth", "path"),
        ("[guards]\nenabled = true\n".to_owned(), "guards", "guard"),
        ("[guard]\nenabeld = true\n".to_owned(), "enabeld", "enabled"),
        (
            vendor::district(
                "d",
                r#"{ kind = "oneroster", url = "https://a.example", auth = { kind = "bearer", tokn = "t" } }"#,
            ),
            "tokn",
            "token",
        ),
    ];
    for (text, unknown, nearest) in cases {
        site.configure(&text);
        for words in [&["sync", "d"][..], &["verify"], &["runs", "list"]] {
            let (unknown, nearest) = (format!("`{unknown}`"), format!("`{nearest}`"));
            site.run(words).await.exits(2).says(&["rosterd.toml", &unknown, &nearest]);
        }
    }
    assert!(!site.folder().join("var").exists(), "nothing was started");
}

#[tokio::test]
async fn a_configuration_that_is_not_toml_is_refused_with_its_line() {
    let site = Site::sqlite().await;
    site.configure("[http]\nlisten = \n");
    site.run(&["verify"]).await.exits(2).says(&["rosterd.toml:5"]);
}

/// interface.md: an error of the catalog names its line and changes nothing; a bad catalog exits 2.
#[tokio::test]
async fn a_bad_line_of_the_catalog_is_named_and_changes_nothing() {
    let site = small(Backend::Sqlite).await.unwrap();
    site.sync(NIGHT_1, SMALL).await.exits(0);
    let before = (site.state(SMALL).await, site.licenses(NIGHT_1).await);
    let good = std::fs::read_to_string(vendor::fixtures().join("catalog.toml")).unwrap();
    let path = site.folder().join("catalog.toml");
    let upload = vendor::csv(&site.folder().join("csv"));
    site.configure(&format!("[catalog]\npath = \"{}\"\n{}", path.display(), vendor::district(SMALL, &upload)));
    let line_of = |text: &str, what: &str| text.lines().position(|it| it.contains(what)).unwrap() + 1;
    let cases = [
        (good.replacen("seats = 18\n", "seats = \"many\"\n", 1), "seats = \"many\"", "unlimited"),
        (good.replacen("seats = 18\n", "sets = 18\n", 1), "sets = 18", "seats"),
        (good.replacen("seats = 17 }", "seats = 19 }", 1), "id = \"SUB-3001\"", "allotments"),
        (good.replacen("product = \"math\"", "product = \"meth\"", 1), "product = \"meth\"", "meth"),
    ];
    for (text, what, word) in cases {
        std::fs::write(&path, &text).unwrap();
        let ran = site.at(NIGHT_2, &["sync", SMALL]).await.exits(2).says(&["catalog.toml", word]);
        let near = (line_of(&text, what)..line_of(&text, what) + 12)
            .any(|line| ran.err.contains(&format!("catalog.toml:{line}")) || ran.err.contains(&format!("line {line}")));
        assert!(near, "no line near {}: {ran:?}", line_of(&text, what));
        assert_eq!((site.state(SMALL).await, site.licenses(NIGHT_1).await), before);
    }
    std::fs::remove_file(&path).unwrap();
    site.at(NIGHT_2, &["sync", SMALL]).await.exits(2).says(&["catalog.toml"]);
}

#[tokio::test]
async fn a_sync_of_nothing_or_of_an_unknown_district_is_a_mistake_of_usage() {
    let site = small(Backend::Sqlite).await.unwrap();
    site.at(NIGHT_1, &["sync"]).await.exits(2).says(&["--all"]);
    site.at(NIGHT_1, &["sync", "springfeld"]).await.exits(2).says(&["springfeld", SMALL]);
    site.at(NIGHT_1, &["sync", SMALL, "springfeld"]).await.exits(2).says(&["springfeld"]);
    site.run(&["roster", "--district", "springfeld", "--kind", "users"]).await.exits(2).says(&["springfeld"]);
    site.run(&["seats", "--district", SMALL, "--product", "chess"]).await.exits(2).says(&["chess"]);
    site.run(&["runs", "show", "01K00000000000000000000000"]).await.exits(2).says(&["01K00000000000000000000000"]);
    let runs = site.run(&["runs", "list", "--json"]).await.exits(0).json();
    assert_eq!(runs, serde_json::json!([]), "nothing ran");
}

/// interface.md: commands that write refuse `--now` on a store that has later entries.
#[tokio::test]
async fn a_now_before_the_last_entry_is_refused_by_commands_that_write() {
    let site = small(Backend::Sqlite).await.unwrap();
    site.sync(NIGHT_2, SMALL).await.exits(0);
    let before = site.state(SMALL).await;
    site.sync(NIGHT_1, SMALL).await.exits(2).says(&["--now", NIGHT_1, NIGHT_2]);
    site.at(NIGHT_1, &["sync", "--all", "--plan"]).await.exits(2);
    assert!(site.state(SMALL).await == before);
    site.at(NIGHT_1, &["licenses"]).await.exits(0);
}

#[tokio::test]
async fn a_store_that_cannot_be_written_is_told_by_its_path() {
    let mut site = small(Backend::Sqlite).await.unwrap();
    let file = site.folder().join("file");
    std::fs::write(&file, "").unwrap();
    site.store_url = format!("sqlite:{}", file.join("rosterd.db").display());
    site.configure("");
    for words in [&["verify"][..], &["sync", "--all"]] {
        site.run(words).await.exits(1).says(&["file/rosterd.db", "folder", "written"]);
    }
    std::fs::write(site.folder().join("not.db"), "this is no database at all, only text".repeat(100)).unwrap();
    site.store_url = format!("sqlite:{}", site.folder().join("not.db").display());
    site.configure("");
    site.run(&["verify"]).await.exits(1).says(&["store"]);
}

#[tokio::test]
async fn a_postgresql_that_is_not_migrated_or_not_there_is_told() {
    let Some(url) = postgres::bare_database().await else { return };
    let mut site = small(Backend::Sqlite).await.unwrap();
    site.store_url = url;
    site.configure("");
    for words in [&["verify"][..], &["sync", "--all"]] {
        site.run(words).await.exits(1).says(&["schema", "rosterd migrate"]);
    }
    site.run(&["migrate"]).await.exits(0);
    site.run(&["verify"]).await.exits(0);
    postgres::drop_database(&site.store_url).await;

    site.run(&["verify"]).await.exits(1).says(&["store", "check that"]);
    site.store_url = "postgres://rosterd:canary@127.0.0.1:1/rosterd".to_owned();
    site.configure("");
    let ran = site.run(&["verify"]).await.exits(1).says(&["127.0.0.1:1", "check that"]);
    assert!(!ran.said().contains("canary"), "{ran:?}");
}

/// A disk of its own that fills up between two nights: the run fails, says so, nothing is half done, and with room again it
/// goes on.
#[tokio::test]
async fn a_full_disk_fails_the_run_and_leaves_the_store_whole() {
    let site = small(Backend::Sqlite).await.unwrap();
    std::fs::create_dir(site.folder().join("var")).unwrap();
    let (rosterd, config) = (env!("CARGO_BIN_EXE_rosterd"), site.folder().join("rosterd.toml"));
    let rosterd = format!("{rosterd} --config {}", config.display());
    let script = format!(
        "mount -t tmpfs -o size=4m none var || exit 99
        {rosterd} --now {NIGHT_1} sync --all >/dev/null || exit 98
        {rosterd} audit export > before
        cp -r next/. csv
        dd if=/dev/zero of=var/fill bs=4k 2>/dev/null
        {rosterd} --now {NIGHT_2} sync --all; echo full: $?
        truncate -s -96k var/fill
        {rosterd} --now {NIGHT_2} sync --all; echo nearly full: $?
        rm var/fill
        {rosterd} verify; echo verify: $?
        {rosterd} audit export > after; cmp before after; echo same: $?
        {rosterd} --now {NIGHT_2} sync --all; echo again: $?
        {rosterd} verify; echo verify: $?"
    );
    vendor::world(SMALL).csv_folder(SMALL, 2, &site.folder().join("next")).unwrap();
    let mut command = tokio::process::Command::new("unshare");
    site.prepare(&mut command);
    command.args(["-rm", "sh", "-c", &script]);
    let ran = finished(command, "on a disk of 4 MiB".to_owned()).await;
    if ran.code == Some(99) || ran.err.contains("unshare") {
        eprintln!("SKIPPED: no disk can be mounted here: {}", ran.err);
        return;
    }
    let ran = ran.exits(0).says(&["\nnearly full: 1\n", "same: 0", "again: 0"]);
    assert!(ran.out.starts_with("full: 1\n"), "{ran:#?}");
    assert_eq!(ran.said().matches("free some space").count(), 2, "{ran:#?}");
    assert_eq!(ran.out.matches("verify: 0").count(), 2, "{ran:#?}");
}

/// Where a write is refused for another reason (a quota, a size limit), it is the same: told, and nothing half done.
#[tokio::test]
async fn a_write_that_the_system_refuses_leaves_the_store_whole() {
    let site = small(Backend::Sqlite).await.unwrap();
    site.sync(NIGHT_1, SMALL).await.exits(0);
    let before = site.state(SMALL).await;
    vendor::world(SMALL).csv_folder(SMALL, 2, &site.folder().join("csv")).unwrap();
    let rosterd = site.command(&["--now", NIGHT_2, "sync", "--all"]);
    let words: Vec<String> = std::iter::once(rosterd.as_std().get_program())
        .chain(rosterd.as_std().get_args())
        .map(|it| it.to_string_lossy().into_owned())
        .collect();
    let mut command = tokio::process::Command::new("sh");
    site.prepare(&mut command);
    // ignored, the signal of the limit becomes an error of the write
    command.arg("-c").arg(format!("trap '' XFSZ; ulimit -f 8; exec {}", words.join(" ")));

    let ran = finished(command, "under a limit of 4 KiB a file".to_owned()).await.exits(1);

    assert!(ran.said().contains("store"), "{ran:#?}");
    assert!(site.state(SMALL).await == before);
    site.verified().await;
    site.sync(NIGHT_2, SMALL).await.exits(0);
    site.verified().await;
}
