//! `rosterd sync`: with the daemon up the request is queued and followed, with it down it is carried out here.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures_util::{StreamExt, stream};

use crate::command::output::{self, Tone};
use crate::command::{CommandError, Session};
use crate::directory::Directory;
use crate::feed::Progress;
use crate::model::{DistrictId, Kind, RunRecord, RunStatus, Trigger};
use crate::report;
use crate::schedule::catalog::{self, Accepted, Look};
use crate::store::{NewRequest, QueueError, StoreError, WorkerLock};

/// How often a follower looks.
const LOOK: Duration = Duration::from_millis(100);

/// Looks after which a follower says that it waits.
const PATIENCE: u32 = 20;

/// A sync now, and its report
#[derive(Debug, Args)]
#[command(override_usage = "rosterd sync [OPTIONS] <DISTRICT>...\n       rosterd sync [OPTIONS] --all")]
pub(super) struct Sync {
    /// Districts to sync
    #[arg(value_name = "DISTRICT", required_unless_present = "all")]
    districts: Vec<String>,
    /// Every district there is
    #[arg(long, conflicts_with = "districts")]
    all: bool,
    /// Say what would change, and change nothing
    #[arg(long)]
    plan: bool,
    /// Why, for the run's record
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Sync {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        session.writable().await?;
        session.look_at_catalog().await?;
        let directory = if self.all || self.names_unknown(session) {
            session.office.discover().await
        } else {
            Directory::configured(&session.office.settings)
        };
        for problem in &directory.problems {
            output::complain(&format!("{} `{}`: {}", problem.table, problem.app, problem.message));
        }
        let wanted = self.wanted(&directory)?;
        let width = usize::try_from(session.office.settings.schedule.concurrency).unwrap_or(1).max(1);
        let single = wanted.len() == 1 && !self.all;
        let mode = if self.plan { "plan" } else { "apply" };
        let outcomes = stream::iter(wanted)
            .map(|district| async move {
                let record = session.carried_out(NewRequest {
                    district,
                    mode: mode.to_owned(),
                    trigger: Trigger::Cli,
                    requested_by: Some(operator()),
                    reason: self.reason.clone(),
                    payload: None,
                    at: session.as_of(),
                    night: None,
                    idempotency_key: None,
                });
                record.await
            })
            .buffered(width);
        let records: Vec<RunRecord> =
            outcomes.collect::<Vec<_>>().await.into_iter().collect::<Result<_, CommandError>>()?;
        if session.output.json {
            match records.first() {
                Some(record) if single => session.output.document(record)?,
                Some(_) | None => session.output.document(&records)?,
            }
        } else {
            for record in &records {
                session.report(record)?;
            }
        }
        Ok(exit_status(&records, !directory.problems.is_empty()))
    }

    fn names_unknown(&self, session: &Session) -> bool {
        self.districts.iter().any(|id| session.office.settings.district(id).is_none())
    }

    fn wanted(&self, directory: &Directory) -> Result<Vec<DistrictId>, CommandError> {
        if self.all {
            return Ok(directory.all().filter(|it| !it.is_by_hand()).map(crate::district::District::id).collect());
        }
        let mut wanted = Vec::new();
        for id in &self.districts {
            let id = DistrictId::new(id.as_str());
            if directory.get(&id).is_none() {
                let known: Vec<&str> = directory.all().map(|it| it.id.as_str()).collect();
                return Err(CommandError::Usage(format!(
                    "there is no district `{id}`; known are: {}",
                    known.join(", ")
                )));
            }
            if !wanted.contains(&id) {
                wanted.push(id);
            }
        }
        Ok(wanted)
    }
}

/// Who acts on this command line.
pub(super) fn operator() -> String {
    let name = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|key| std::env::var(key).ok());
    format!("cli:{}", name.filter(|name| !name.is_empty()).unwrap_or_else(|| "operator".to_owned()))
}

/// 0 all done, 1 all failed, 3 some held and none failed, 4 some failed and others did not.
pub(super) fn exit_status(records: &[RunRecord], unknown_districts: bool) -> u8 {
    let failed = records.iter().filter(|it| matches!(it.status, RunStatus::Failed | RunStatus::Cancelled)).count();
    let problems = failed + usize::from(unknown_districts);
    if problems == 0 {
        return if records.iter().any(|it| !it.holds.is_empty() && it.undecided()) { 3 } else { 0 };
    }
    if failed == records.len() { 1 } else { 4 }
}

impl Session {
    /// Looks at the catalog, so that the runs that follow take up what it says; a bad one changes nothing and starts nothing.
    pub(super) async fn look_at_catalog(&self) -> Result<Option<Look>, CommandError> {
        self.look_accepting(None).await
    }

    /// The same, with a person's word for what the catalog takes away.
    pub(super) async fn look_accepting(&self, accepted: Option<&Accepted>) -> Result<Option<Look>, CommandError> {
        for it in &self.office.settings.district {
            self.store().ensure_district(&it.id(), it.name(), it.time_zone, it.feed.end_dates()).await?;
        }
        let look = catalog::look(&self.office, accepted).await?;
        match look.as_ref().and_then(|look| look.error.clone()) {
            Some(error) => Err(CommandError::Usage(error)),
            None => Ok(look),
        }
    }

    /// The same, told; the exit status of a run that a person asked for by name.
    pub(super) async fn carry_out_and_tell(&self, request: NewRequest) -> Result<u8, CommandError> {
        let record = self.carried_out(request).await?;
        self.tell(&record)?;
        Ok(u8::from(record.status == RunStatus::Failed))
    }

    /// A run that has ended, as JSON or as its report.
    pub(super) fn tell(&self, record: &RunRecord) -> Result<(), CommandError> {
        if self.output.json { self.output.document(record) } else { self.report(record) }
    }

    /// Files a request and returns the run when it is done: carried out here if no one else works on this store.
    pub(super) async fn carried_out(&self, request: NewRequest) -> Result<RunRecord, CommandError> {
        let filed = self.office.queue.request(request).await?;
        let progress = Arc::new(Progress::default());
        let bar = Bar::new(self.output.terminal && !self.output.json, &progress);
        let mut looks = 0_u32;
        loop {
            if let Some(done) = self.finished(&filed.run).await? {
                bar.finish();
                return Ok(done);
            }
            if self.may_work().await?
                && let Some(claimed) = self.office.claim(Some(&filed.run)).await?
            {
                match self.office.carry_out(claimed, Arc::clone(&progress)).await {
                    Ok(record) => {
                        bar.finish();
                        return Ok(record);
                    }
                    // Another process took the run over while this one stood still: it is followed like one that waits.
                    Err(QueueError::LeaseLost(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            looks += 1;
            if looks == PATIENCE {
                output::tell(&format!("run {} is queued: another process works on this store or district", filed.run));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn finished(&self, run: &crate::model::RunId) -> Result<Option<RunRecord>, CommandError> {
        let record = self.store().run(run).await?;
        Ok(record.filter(|it| !matches!(it.status, RunStatus::Queued | RunStatus::Fetching | RunStatus::Applying)))
    }

    /// Whether this command has the right to work on the store, or gets it now; no one has while a daemon is up.
    async fn may_work(&self) -> Result<bool, CommandError> {
        self.kept_from_work().await.map(|holder| holder.is_none())
    }

    /// Who has the right to work on the store; none if this command has it, or got it now.
    pub(super) async fn kept_from_work(&self) -> Result<Option<String>, CommandError> {
        {
            let mut lock = self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if lock.is_some() {
                return Ok(None);
            }
            match WorkerLock::acquire(&self.office.settings.store, "rosterd sync") {
                Ok(taken) => *lock = Some(taken),
                Err(StoreError::InUse { holder, .. }) => return Ok(Some(holder)),
                Err(error) => return Err(error.into()),
            }
        }
        // On SQLite whoever has the lock knows that every other holder of a lease is dead (safety.md, Crash).
        if self.office.settings.store.is_sqlite() {
            self.office.queue.void_all_leases().await?;
            self.store().void_message_leases().await?;
        }
        Ok(None)
    }

    /// The report of one run on standard output.
    pub(super) fn report(&self, record: &RunRecord) -> Result<(), CommandError> {
        let text = report::text(record);
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let tone = match record.status {
            RunStatus::Failed | RunStatus::Cancelled => Tone::Bad,
            RunStatus::Held => Tone::Attention,
            RunStatus::Applied => Tone::Good,
            RunStatus::Queued
            | RunStatus::Fetching
            | RunStatus::Planned
            | RunStatus::Applying
            | RunStatus::Unchanged => Tone::Quiet,
        };
        self.output.line(&self.output.tone(tone, first))?;
        self.output.line(rest.trim_end())
    }
}

/// A progress bar on standard error, on a terminal only.
struct Bar {
    bar: Option<(indicatif::ProgressBar, tokio::task::JoinHandle<()>)>,
}

impl Bar {
    fn new(shown: bool, progress: &Arc<Progress>) -> Self {
        if !shown {
            return Self { bar: None };
        }
        let bar = indicatif::ProgressBar::new_spinner();
        let (drawn, progress) = (bar.clone(), Arc::clone(progress));
        let drawing = tokio::spawn(async move {
            loop {
                let counts: Vec<String> = Kind::ALL
                    .into_iter()
                    .filter(|kind| progress.received(*kind) > 0)
                    .map(|kind| format!("{} {kind}", progress.received(kind)))
                    .collect();
                drawn.set_message(counts.join(", "));
                drawn.tick();
                tokio::time::sleep(LOOK).await;
            }
        });
        Self { bar: Some((bar, drawing)) }
    }

    fn finish(&self) {
        if let Some((bar, drawing)) = &self.bar {
            drawing.abort();
            bar.finish_and_clear();
        }
    }
}
