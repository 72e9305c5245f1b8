//! A few nights of a small district: first sync, a quiet night, one with a broken feed that is held and approved, its return,
//! a revert. What was acknowledged on the way, and how a store is judged that went through something.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use rosterd::allocate;
use rosterd::model::{DistrictId, RunRecord, RunStatus, Timestamp};
use rosterd::store::StoreError;
use sqlx::Connection;

use crate::support::chance::Chance;
use crate::support::db::Fresh;
use crate::support::desk::{DISTRICT, Desk};
use crate::support::truth::Truth;

pub(super) fn at(night: u64, hour: u32) -> Timestamp {
    let first = NaiveDate::from_ymd_opt(2025, 10, 6).unwrap();
    Timestamp::new((first + Days::new(night)).and_hms_opt(hour, 0, 0).unwrap().and_utc())
}

pub(super) type Files = BTreeMap<&'static str, String>;

/// The exports of the nights.
pub(super) struct School {
    pub(super) catalog: String,
    pub(super) nights: Vec<Files>,
    /// What the last one tells of.
    pub(super) children: Vec<String>,
}

/// The export without the children of the first school.
pub(super) fn without_a_school(files: &Files) -> Files {
    let kept = |text: &String, school: &str| -> String {
        text.lines()
            .filter(|line| !(line.contains("child-") && line.contains(school)))
            .flat_map(|it| [it, "\n"])
            .collect()
    };
    let mut files = files.clone();
    files.insert("users.csv", kept(&files["users.csv"], ",s1,student"));
    files.insert("enrollments.csv", kept(&files["enrollments.csv"], ",s1,child-"));
    files
}

impl School {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let mut truth = Truth::new(2025, &mut chance);
        let catalog = Truth::catalog(NaiveDate::from_ymd_opt(2025, 10, 1).unwrap(), &mut chance);
        let first = truth.export();
        for _ in 0..6 {
            truth.event(&mut chance);
        }
        let second = truth.export();
        let broken = without_a_school(&second);
        let children = truth.children.keys().cloned().collect();
        Self { catalog, nights: vec![first, second.clone(), broken, second], children }
    }
}

/// The children of an export.
pub(super) fn listed(files: &Files) -> Vec<String> {
    let rows = files.get("users.csv").into_iter().flat_map(|text| text.lines());
    let rows = rows.filter(|line| line.starts_with("child-") && !line.contains("tobedeleted"));
    rows.map(|line| line.split(',').next().unwrap().to_owned()).collect()
}

/// What someone was told.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// The run as it was shown.
    pub(super) run: RunRecord,
    /// Where the audit ended then.
    pub(super) audit: i64,
}

/// How the story went.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) told: Vec<Told>,
    /// Hash by number of the audit entry, from 1.
    pub(super) hashes: Vec<String>,
}

pub(super) async fn opened(fresh: Fresh) -> Desk {
    Desk::open(fresh).await.unwrap_or_else(|failed| panic!("{}", failed.1))
}

/// Plays the story; `told` hears when something is acknowledged.
pub(super) async fn play(fresh: Fresh, school: &School, told: impl Fn(usize)) -> (Fresh, Story) {
    let mut story = Story::default();
    let mut desk = opened(fresh).await;
    desk.buy(&school.catalog, at(0, 1)).await;
    for (night, files) in (0..).zip(&school.nights) {
        desk.upload(files, at(night, 5));
        let run = desk.sync(at(night, 8)).await;
        let wanted = if night == 2 { RunStatus::Held } else { RunStatus::Applied };
        assert_eq!(run.status, wanted, "night {night}: {run:#?}");
        note(&mut story, &desk, run.clone(), &told).await;
        if run.status == RunStatus::Held {
            let run = desk.decide(&run, true, at(night, 14)).await;
            assert_eq!(run.status, RunStatus::Applied, "{run:#?}");
            note(&mut story, &desk, run, &told).await;
        }
        // the last connection that closes writes the log into the file, as every command does at its end
        desk = opened(desk.close().await).await;
    }
    let reverted = story.told[1].run.run.clone();
    let run = desk.revert(&reverted, at(3, 16)).await;
    // all that the second night changed may have gone with the first school, and come back
    let nothing_left = run.error.as_ref().is_some_and(|it| it.starts_with("there is nothing left of run"));
    assert!(run.status == RunStatus::Applied || nothing_left, "{run:#?}");
    note(&mut story, &desk, run, &told).await;
    let entries = desk.audit().await;
    assert!(entries.iter().zip(1..).all(|(entry, n)| entry.seq == n), "entries are numbered from 1 without a gap");
    story.hashes = entries.into_iter().map(|it| it.hash).collect();
    (desk.close().await, story)
}

async fn note(story: &mut Story, desk: &Desk, run: RunRecord, told: &impl Fn(usize)) {
    let audit = desk.store().district(&DistrictId::new(DISTRICT)).await.unwrap().audit_seq;
    story.told.push(Told { run, audit });
    told(story.told.len() - 1);
}

/// What is wrong with a store that someone's power was cut under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Someone was told of something that is not there.
    Lost(String),
    /// What is there does not hold together.
    Broken(String),
}

fn broken(what: &str) -> impl Fn(StoreError) -> Wrong {
    move |error| Wrong::Broken(format!("{what}: {error}"))
}

/// `rosterd verify`.
pub(super) async fn verified(desk: &Desk) -> Result<(), Wrong> {
    let district = DistrictId::new(DISTRICT);
    let checked = desk.store().check(&district, None).await.map_err(broken("audit"))?;
    let baseline = desk.store().baseline(&district).await.map_err(broken("baseline"))?;
    let as_of = baseline.state.allocated_at.unwrap_or(at(0, 0));
    let mut faults = checked.faults;
    faults.extend(allocate::check(&baseline, as_of).iter().map(ToString::to_string));
    if faults.is_empty() { Ok(()) } else { Err(Wrong::Broken(faults.join("; "))) }
}

/// SQLite finds its own file whole.
pub(super) async fn intact(fresh: &Fresh) -> Result<(), Wrong> {
    let failed = |error: sqlx::Error| Wrong::Broken(format!("integrity: {error}"));
    let store = fresh.settings.url.strip_prefix("sqlite:").unwrap();
    for file in [store.to_owned(), store.replace("rosterd.db", "rosterd-queue.db")] {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
        let mut conn = sqlx::SqliteConnection::connect_with(&options).await.map_err(failed)?;
        let (said,): (String,) = sqlx::query_as("PRAGMA integrity_check").fetch_one(&mut conn).await.map_err(failed)?;
        conn.close().await.map_err(failed)?;
        if said != "ok" {
            return Err(Wrong::Broken(format!("integrity of {file}: {said}")));
        }
    }
    Ok(())
}

/// Everything that was acknowledged is there, and the audit is the beginning of what it was: none lost, none twice.
pub(super) async fn kept(desk: &Desk, story: &Story, told: &[usize]) -> Result<(), Wrong> {
    let head = desk.store().audit_head(&DistrictId::new(DISTRICT)).await.map_err(broken("audit"))?;
    for it in told.iter().map(|number| &story.told[*number]) {
        if head.size < it.audit {
            return Err(Wrong::Lost(format!("the audit ends at {} and was shown up to {}", head.size, it.audit)));
        }
        let found = desk.store().run(&it.run.run).await.map_err(broken("run"))?;
        if found.is_none_or(|found| found.audit != it.run.audit) {
            return Err(Wrong::Lost(format!("run {} was {}", it.run.run, it.run.status)));
        }
        let request = desk.queue().get(&it.run.run).await.map_err(broken("queue"))?;
        if request.is_none_or(|request| request.open) {
            return Err(Wrong::Lost(format!("the request of run {}", it.run.run)));
        }
    }
    let last = usize::try_from(head.size).unwrap().checked_sub(1);
    if last.is_some_and(|last| story.hashes.get(last) != Some(&head.head)) {
        return Err(Wrong::Broken(format!("entry {} is not the one that was written", head.size)));
    }
    Ok(())
}

/// The children that a store has.
pub(super) async fn children(desk: &Desk) -> Vec<String> {
    let baseline = desk.baseline().await;
    let ids = baseline.roster.users.keys().map(|it| it.as_str().to_owned());
    ids.filter(|it| it.starts_with("child-")).collect()
}

/// What had begun comes to its end, and the next night is as if nothing had happened: the roster is what the export says.
pub(super) async fn goes_on(desk: &mut Desk, school: &School) -> Result<(), Wrong> {
    let failed = |error: rosterd::store::QueueError| Wrong::Broken(format!("the next night: {error}"));
    let files = school.nights.last().unwrap();
    desk.upload(files, at(9, 5));
    desk.take_over(at(9, 6)).await.map_err(failed)?;
    let mut run = desk.try_sync(at(9, 8)).await.map_err(failed)?;
    // a first sync, or children who return all at once, may wait for a person
    if run.status == RunStatus::Held {
        run = desk.try_decide(&run, true, at(9, 14)).await.map_err(failed)?;
    }
    if run.status == RunStatus::Failed {
        return Err(Wrong::Broken(format!("the next night failed: {:?}", run.error)));
    }
    verified(desk).await?;
    let baseline = desk.baseline().await;
    let refused = baseline.decisions.values().any(|it| it.verdict == rosterd::model::Verdict::Refused);
    let there =
        baseline.roster.users.keys().map(rosterd::model::SourceId::as_str).filter(|it| it.starts_with("child-"));
    if !refused && !there.eq(school.children.iter().map(String::as_str)) {
        return Err(Wrong::Broken("the roster is not what the feed says".to_owned()));
    }
    Ok(())
}
