//! `rosterd run`, the real binary: nights, signals, requests, and being killed.

use std::time::SystemTime;

use chrono::DateTime;
use rosterd::model::{AlertKind, RunRecord, RunStatus, Trigger};
use rosterd::store::{RunFilter, Store};
use serde_json::json;

use crate::support::daemon::{DAY_1, Daemon, Installation, client, until};
use crate::support::postgres;

async fn runs(store: &Store) -> Vec<RunRecord> {
    let filter = RunFilter { limit: Some(500), ..RunFilter::default() };
    store.runs(&filter).await.unwrap()
}

async fn nights(store: &Store) -> Vec<RunRecord> {
    runs(store).await.into_iter().filter(|it| it.trigger == Trigger::Schedule).collect()
}

/// Asks for a sync by signal and waits until it has been carried out.
async fn sync_by_signal(daemon: &Daemon, store: &Store) {
    let before = runs(store).await.len();
    daemon.signal("USR1");
    until("the sync asked for by signal", async || {
        let runs = runs(store).await;
        (runs.len() > before && runs[0].trigger == Trigger::Signal).then_some(())
    })
    .await;
}

fn verify(installation: &Installation) {
    let out = installation.cli("2025-10-30T20:00:00Z", &["verify"]);
    assert!(out.status.success(), "{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
}

#[tokio::test]
async fn a_signal_before_the_configuration_is_read_is_remembered_and_acted_on() {
    let installation = Installation::new("apply", "");
    // The configuration is a pipe: the daemon waits in its very first step until it is written.
    let config = installation.path("rosterd.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::remove_file(&config).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&config).status().unwrap().success());
    let mut daemon = installation.spawn(DAY_1);
    let status = format!("/proc/{}/status", daemon.pid());
    until("the handler of SIGUSR1", async || {
        let status = std::fs::read_to_string(&status).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
        (caught & (1 << (10 - 1)) != 0).then_some(())
    })
    .await;
    assert!(!installation.path("var").exists(), "the store was touched before the handlers stood");
    daemon.signal("USR1");
    tokio::task::spawn_blocking(move || std::fs::write(config, text)).await.unwrap().unwrap();
    daemon.listening().await;
    let store = installation.store().await;
    until("the sync", async || runs(&store).await.pop().filter(|it| it.trigger == Trigger::Signal)).await;
    daemon.stop().await;
}

/// S0.14, P34, U24.
#[tokio::test]
async fn a_missed_night_is_caught_up_once_whatever_restarts_and_none_before_the_district_was_known() {
    let installation = Installation::new("apply", "");
    let daemon = installation.start(DAY_1).await;
    let store = installation.store().await;
    // The second sync ends after a whole round of the dispatcher.
    sync_by_signal(&daemon, &store).await;
    sync_by_signal(&daemon, &store).await;
    assert_eq!(nights(&store).await, Vec::new(), "last night was before anyone knew this district");
    daemon.stop().await;

    let daemon = installation.start("2025-10-09T20:00:00Z").await;
    until("the missed night", async || nights(&store).await.pop()).await;
    daemon.kill().await;
    for at in ["2025-10-09T20:05:00Z", "2025-10-09T20:10:00Z"] {
        let daemon = installation.start(at).await;
        sync_by_signal(&daemon, &store).await;
        sync_by_signal(&daemon, &store).await;
        daemon.stop().await;
    }
    let nights = nights(&store).await;
    assert_eq!(nights.len(), 1, "the latest of three missed nights, once");
    assert_eq!(nights[0].status, RunStatus::Unchanged);
    verify(&installation);
}

/// licensing.md, Even when the fetch failed: what dates bring about does not wait for a feed, and that the roster is old is one
/// of these.
#[tokio::test]
async fn a_night_without_an_upload_says_that_the_roster_is_old() {
    let installation = Installation::new("apply", "");
    let upload = installation.path("drop/upload-1");
    let sent = SystemTime::from(DateTime::parse_from_rfc3339(DAY_1).unwrap());
    for entry in std::fs::read_dir(&upload).unwrap() {
        let file = std::fs::File::options().write(true).open(entry.unwrap().path()).unwrap();
        file.set_modified(sent).unwrap();
    }
    let daemon = installation.start(DAY_1).await;
    let store = installation.store().await;
    sync_by_signal(&daemon, &store).await;
    daemon.stop().await;
    std::fs::remove_dir_all(&upload).unwrap();

    let daemon = installation.start("2025-10-09T20:00:00Z").await;
    let night = until("the missed night", async || nights(&store).await.pop()).await;
    assert_eq!((night.status, night.alerts.raised), (RunStatus::Failed, 1), "{:?}", night.error);
    let alerts = store.alerts(&"mulberry-springs".into(), false).await.unwrap();
    assert!(alerts.iter().any(|it| it.kind == AlertKind::StaleRoster), "{alerts:?}");
    daemon.stop().await;
    verify(&installation);
}

/// S0.14, S1.14.
#[tokio::test]
async fn a_night_that_comes_due_is_filed_by_the_heartbeat() {
    let installation = Installation::new("apply", "");
    // Two seconds before two o'clock in Los Angeles.
    let daemon = installation.start("2025-10-07T08:59:58Z").await;
    let store = installation.store().await;
    let night = until("the night", async || nights(&store).await.pop()).await;
    assert_eq!(night.status, RunStatus::Applied);
    assert!(installation.queue().await.is_night_filed(&"mulberry-springs".into(), "2025-10-07").await.unwrap());
    daemon.stop().await;
}

/// S3.30: at its time, once for each district, whatever restarts.
#[tokio::test]
async fn the_compliance_report_is_written_when_its_time_has_come_and_once() {
    let installation = Installation::new("apply", "");
    let folder = installation.path("reports");
    std::fs::create_dir(&folder).unwrap();
    let text = std::fs::read_to_string(installation.path("rosterd.toml")).unwrap();
    // 13:00:00 and some seconds in Los Angeles, 16:00 in New York.
    let setting = format!("[reports]\nfolder = \"{}\"\ncompliance = \"0 13 * * 1\"\n", folder.display());
    installation.configure(&format!("{text}{setting}"));
    assert!(installation.cli("2025-10-06T19:00:00Z", &["sync", "mulberry-springs"]).status.success());
    let daemon = installation.start("2025-10-06T19:59:58Z").await;
    let file = folder.join("mulberry-springs-compliance-2025-10-06-13-00.csv");
    let csv = until("the report", async || std::fs::read_to_string(&file).ok()).await;
    let rows: Vec<&str> = csv.lines().collect();
    assert!(rows[0].starts_with("product,compliance,total,assigned,available,over,waiting,"), "{csv}");
    assert!(rows.iter().any(|row| row.starts_with("math,short,34,34,0,0,2,")), "{csv}");
    assert_eq!(rows.len(), 5, "a line for each product");
    daemon.stop().await;
    // What is there is left alone: the mark stays.
    std::fs::write(&file, "mine").unwrap();
    let daemon = installation.start("2025-10-06T20:10:00Z").await;
    let store = installation.store().await;
    sync_by_signal(&daemon, &store).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    let by_hand = folder.join("by-hand-compliance-2025-10-06-13-00.csv");
    assert_eq!(
        std::fs::read_to_string(by_hand).unwrap(),
        format!("{}\n", rows[0]),
        "nothing bought, nothing to comply with"
    );
    daemon.stop().await;
    installation.configure(&text.replace("[schedule]", "[reports]\ncompliance = \"weekly\"\n[schedule]"));
    let refused = installation.cli(DAY_1, &["runs", "list"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && said.contains("reports.compliance"), "{said}");
}

#[tokio::test]
async fn a_night_that_a_sync_has_done_meanwhile_is_not_caught_up() {
    let installation = Installation::new("apply", "");
    assert!(installation.cli(DAY_1, &["sync", "mulberry-springs"]).status.success());
    let daemon = installation.start("2025-10-06T20:10:00Z").await;
    let store = installation.store().await;
    sync_by_signal(&daemon, &store).await;
    sync_by_signal(&daemon, &store).await;
    assert_eq!(nights(&store).await, Vec::new());
    daemon.stop().await;
}

/// S0.15.
#[tokio::test]
async fn a_storm_of_signals_becomes_a_few_runs() {
    let installation = Installation::new("apply", "");
    let daemon = installation.start(DAY_1).await;
    let queue = installation.queue().await;
    for _ in 0..200 {
        daemon.signal("USR1");
        assert!(queue.list(true).await.unwrap().len() <= 2, "one at work and one queued");
    }
    let all = until("the queue to run empty", async || {
        let all = queue.list(false).await.unwrap();
        (!all.is_empty() && all.iter().all(|it| !it.open)).then_some(all)
    })
    .await;
    assert!(all.len() < 50, "{} runs", all.len());
    daemon.stop().await;
}

/// P48, S0.15.
#[tokio::test]
async fn a_thousand_requests_at_once_are_one_run_at_work_and_one_queued() {
    let installation = Installation::new("apply", "");
    let token = installation.token("ci", &["--scope", "sync"]);
    let daemon = installation.start(DAY_1).await;
    let (queue, client, url) = (installation.queue().await, client(), daemon.url("/v1/syncs"));
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let request = client.post(&url).bearer_auth(&token).body(json!({ "district": "mulberry-springs" }).to_string());
        asking.spawn(async move {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 202);
            let body = answer.bytes().await.unwrap();
            let run: RunRecord = serde_json::from_slice(&body).unwrap();
            run.run.to_string()
        });
    }
    let mut named = std::collections::BTreeSet::new();
    while let Some(run) = asking.join_next().await {
        named.insert(run.unwrap());
        assert!(queue.list(true).await.unwrap().len() <= 2);
    }
    let store = installation.store().await;
    for run in &named {
        let ended = until("every accepted run", async || store.run(&run.as_str().into()).await.unwrap()).await;
        assert!(matches!(ended.status, RunStatus::Applied | RunStatus::Unchanged), "{:?}", ended.error);
    }
    assert!(named.len() < 100, "{} runs", named.len());
    daemon.stop().await;
}

/// S0.15, U22.
#[tokio::test]
async fn a_command_queues_its_sync_and_follows_it_while_the_daemon_is_up() {
    let installation = Installation::new("apply", "");
    let daemon = installation.start(DAY_1).await;
    let out = installation.cli("2025-10-06T20:01:00Z", &["sync", "mulberry-springs", "--json"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let run: RunRecord = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((run.trigger, run.status), (Trigger::Cli, RunStatus::Applied));
    daemon.logs(&format!("run {} of mulberry-springs (apply, cli) is applied", run.run)).await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_second_daemon_on_the_same_store_is_refused_and_told_who_holds_it() {
    let installation = Installation::new("apply", "");
    let first = installation.start(DAY_1).await;
    let (status, log) = installation.spawn(DAY_1).end().await;
    assert_eq!(status.code(), Some(1));
    assert!(log.contains(&format!("in use by `rosterd run` (process {})", first.pid())), "{log}");
    first.stop().await;
}

#[tokio::test]
async fn a_fetching_run_goes_back_to_the_queue_when_the_daemon_stops_and_is_done_by_the_next() {
    let installation = Installation::new("apply", "");
    let drop_folder = installation.path("drop").display().to_string();
    let settling = |seconds: u32| {
        let path = format!("{drop_folder}\", settle_seconds = {seconds}, end_dates = \"exclusive");
        installation.settings_with("apply", &path, "")
    };
    installation.configure(&settling(600));
    let daemon = installation.start(DAY_1).await;
    let queue = installation.queue().await;
    daemon.signal("USR1");
    let run = until("a run that fetches", async || {
        queue.list(true).await.unwrap().pop().filter(|it| it.status == RunStatus::Fetching)
    })
    .await;
    daemon.stop().await;
    let given_back = queue.get(&run.run).await.unwrap().unwrap();
    assert_eq!((given_back.status, given_back.open), (RunStatus::Queued, true));

    installation.configure(&settling(0));
    let daemon = installation.start("2025-10-06T20:01:00Z").await;
    let store = installation.store().await;
    let done = until("the same run", async || store.run(&run.run).await.unwrap()).await;
    assert_eq!(done.status, RunStatus::Applied);
    daemon.stop().await;
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let installation = Installation::new("apply", "");
    let token = installation.token("ci", &["--scope", "sync"]);
    let daemon = installation.start(DAY_1).await;
    // A request whose body never ends holds up the drain; `100 Continue` says that its handler waits for it.
    let mut half = tokio::net::TcpStream::connect(&daemon.address).await.unwrap();
    let head = format!(
        "POST /v1/syncs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 9\r\n\
         Expect: 100-continue\r\n\r\n"
    );
    half.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    half.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");
    daemon.signal("TERM");
    daemon.logs("stopping: runs that are applying finish").await;
    daemon.signal("TERM");
    let (status, log) = daemon.end().await;
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("stopped at once by a second signal"), "{log}");
}

#[tokio::test]
async fn whatever_moment_the_daemon_is_killed_the_run_is_completed_by_the_next() {
    let installation = Installation::new("apply", "");
    let queue_file = installation.path("var/rosterd.db");
    for (round, status) in [RunStatus::Fetching, RunStatus::Applying, RunStatus::Applying].into_iter().enumerate() {
        if round == 2 {
            // From its start once more, so that there is much to apply.
            std::fs::remove_dir_all(queue_file.parent().unwrap()).unwrap();
        }
        let daemon = installation.start(&format!("2025-10-06T2{round}:00:00Z")).await;
        let queue = installation.queue().await;
        daemon.signal("USR1");
        let run = until("a run", async || {
            let all = queue.list(false).await.unwrap();
            all.into_iter().next_back().filter(|it| it.trigger == Trigger::Signal && (it.status == status || !it.open))
        })
        .await;
        daemon.kill().await;
        let daemon = installation.start(&format!("2025-10-06T2{round}:30:00Z")).await;
        let store = installation.store().await;
        let done = until("the run to be completed", async || store.run(&run.run).await.unwrap()).await;
        assert!(matches!(done.status, RunStatus::Applied | RunStatus::Unchanged), "{:?}", done.error);
        until("the request to be closed", async || queue.get(&run.run).await.unwrap().filter(|it| !it.open)).await;
        daemon.stop().await;
        queue.close().await;
        store.close().await;
        verify(&installation);
    }
}

#[tokio::test]
async fn a_bad_catalog_stops_the_first_start_and_later_keeps_the_last_good_one() {
    let installation = Installation::new("apply", "");
    let good = std::fs::read_to_string(installation.path("catalog.toml")).unwrap();
    std::fs::write(installation.path("catalog.toml"), "[[product]]\ncod = \"reading\"\n").unwrap();
    let (status, log) = installation.spawn(DAY_1).end().await;
    assert_eq!(status.code(), Some(2), "{log}");
    std::fs::write(installation.path("catalog.toml"), good).unwrap();
    installation.start(DAY_1).await.stop().await;
    std::fs::write(installation.path("catalog.toml"), "[[product]]\ncod = \"reading\"\n").unwrap();
    let daemon = installation.start("2025-10-06T20:05:00Z").await;
    daemon.logs("the catalog was not taken").await;
    assert!(!installation.store().await.catalog().await.unwrap().products.is_empty());
    daemon.stop().await;
}

#[tokio::test]
async fn a_reload_takes_a_good_configuration_and_reports_a_bad_one() {
    let installation = Installation::new("apply", "");
    let daemon = installation.start(DAY_1).await;
    let good = std::fs::read_to_string(installation.path("rosterd.toml")).unwrap();
    installation.configure(&format!("{good}[[district]]\nid = \"oak\"\n"));
    daemon.signal("HUP");
    daemon.logs("the configuration was not taken, the old one stays in force").await;
    let new = "[[district]]\nid = \"oak\"\ntime_zone = \"UTC\"\nfeed = { kind = \"manual\" }\n";
    installation.configure(&format!("{good}{new}"));
    daemon.signal("HUP");
    daemon.logs("configuration read again").await;
    let store = installation.store().await;
    assert!(store.districts().await.unwrap().iter().any(|it| it.id.as_str() == "oak"));
    daemon.stop().await;
}

#[tokio::test]
async fn the_service_manager_is_told_of_start_life_reload_and_end() {
    let installation = Installation::new("apply", "");
    let path = installation.path("notify.sock");
    let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
    let mut daemon = installation.spawn_with(DAY_1, &[("NOTIFY_SOCKET", &path), ("WATCHDOG_USEC", "2000000".as_ref())]);
    let mut told = String::new();
    let mut heard = async |word: &str| {
        while !told.contains(word) {
            let mut message = [0; 512];
            let hearing = tokio::time::timeout(std::time::Duration::from_mins(1), socket.recv(&mut message));
            let size = hearing.await.unwrap_or_else(|_| panic!("never heard {word}: {told}")).unwrap();
            told.push_str(&String::from_utf8_lossy(&message[..size]));
            told.push('\n');
        }
        told.clear();
    };
    heard("READY=1").await;
    heard("WATCHDOG=1").await;
    daemon.listening().await;
    daemon.signal("HUP");
    heard("RELOADING=1").await;
    heard("READY=1").await;
    daemon.signal("TERM");
    heard("STOPPING=1").await;
    assert_eq!(daemon.end().await.0.code(), Some(0));
}

/// P48, M9.
#[tokio::test]
async fn two_daemons_on_one_postgresql_share_the_work_and_each_night_runs_once() {
    let Some(url) = postgres::fresh_database().await else { return };
    let installation = Installation::over(url.clone(), "apply", "");
    assert!(installation.cli(DAY_1, &["migrate"]).status.success());
    assert!(installation.cli(DAY_1, &["sync", "mulberry-springs"]).status.success());
    let later = "2025-10-09T20:00:00Z";
    let daemons = [installation.start(later).await, installation.start(later).await];
    let (store, queue) = (installation.store().await, installation.queue().await);
    until("the missed night", async || nights(&store).await.pop()).await;
    for _ in 0..10 {
        for daemon in &daemons {
            daemon.signal("USR1");
        }
    }
    for daemon in daemons {
        daemon.logs("asked for by signal").await;
        daemon.stop().await;
    }
    let daemon = installation.start("2025-10-09T20:10:00Z").await;
    until("the queue to run empty", async || queue.list(true).await.unwrap().is_empty().then_some(())).await;
    daemon.stop().await;
    let all = runs(&store).await;
    let well = |it: &RunRecord| matches!(it.status, RunStatus::Applied | RunStatus::Unchanged);
    assert!(all.iter().all(well), "{:?}", all.iter().map(|it| &it.error).collect::<Vec<_>>());
    assert_eq!(nights(&store).await.len(), 1);
    verify(&installation);
    queue.close().await;
    store.close().await;
    postgres::drop_database(&url).await;
}
