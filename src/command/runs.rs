//! `rosterd runs`: what ran, what it holds, and a person's decision on it.

use clap::{Args, Subcommand, ValueEnum};

use crate::command::output::Tone;
use crate::command::{CommandError, Session, sync};
use crate::decide::{self, Ask, Refused};
use crate::guard;
use crate::inquiry;
use crate::model::{Kind, RunId, RunRecord, RunStatus, Trigger};
use crate::report::{self, Affected};
use crate::revert;
use crate::schedule::worker::queued_record;
use crate::store::{Cancelled, NewRequest, RunFilter};

/// Runs
#[derive(Debug, Subcommand)]
pub(super) enum Runs {
    /// The latest runs
    List(List),
    /// One run: what changed, what is held and why
    Show(Show),
    /// Let held changes through, exactly as the plan showed them
    Approve(Decide),
    /// Refuse held changes: exactly these versions are skipped from now on
    Reject(Decide),
    /// Take back what a run changed; versions it brought are skipped from now on
    Revert(Revert),
    /// Take back a run that is still queued
    Cancel {
        /// The run
        run: String,
    },
}

/// The latest runs
#[derive(Debug, Args)]
pub(super) struct List {
    /// Of one district
    #[arg(long, value_name = "D")]
    district: Option<String>,
    /// With one status
    #[arg(long, value_parser = status)]
    status: Option<RunStatus>,
    /// How many
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: u32,
}

fn status(text: &str) -> Result<RunStatus, String> {
    RunStatus::parse(text).ok_or_else(|| "expected a run's status such as held, applied or failed".to_owned())
}

/// One run
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The run
    run: String,
    /// Everyone and everything the held groups affect, with the license consequence
    #[arg(long)]
    affected: bool,
    /// How to list the affected
    #[arg(long, value_enum)]
    format: Option<Format>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
}

/// A decision
#[derive(Debug, Args)]
pub(super) struct Decide {
    /// The held run
    run: String,
    /// The plan hash you were shown; another one is refused
    #[arg(long, value_name = "H")]
    hash: Option<String>,
    /// Only these groups
    #[arg(long = "group", value_name = "G")]
    groups: Vec<String>,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// A revert
#[derive(Debug, Args)]
pub(super) struct Revert {
    /// The run to take back
    run: String,
    /// Only show what would happen
    #[arg(long)]
    plan: bool,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Runs {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        match self {
            Self::List(it) => it.run(session).await,
            Self::Show(it) => it.run(session).await,
            Self::Approve(it) => it.run(session, true).await,
            Self::Reject(it) => it.run(session, false).await,
            Self::Revert(it) => it.run(session).await,
            Self::Cancel { run } => cancel(session, run).await,
        }
    }
}

impl List {
    async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let district = match &self.district {
            Some(id) => Some(session.district(id).await?),
            None => None,
        };
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let filter =
            RunFilter { district: district.clone(), status: self.status, before: None, limit: Some(self.limit) };
        let mut runs = session.store().runs(&filter).await?;
        let open = session.office.queue.list(true).await?.into_iter().map(|request| queued_record(&request));
        let wanted = |it: &RunRecord| {
            district.as_ref().is_none_or(|id| id == &it.district)
                && self.status.is_none_or(|status| status == it.status)
                && !runs.iter().any(|run| run.run == it.run)
        };
        let open: Vec<RunRecord> = open.filter(wanted).collect();
        runs.splice(0..0, open.into_iter().rev());
        runs.truncate(limit);
        if session.output.json {
            session.output.document(&runs)?;
            return Ok(0);
        }
        let rows = runs.iter().map(|run| {
            let changes: Vec<String> = Kind::ALL
                .into_iter()
                .filter_map(|kind| Some(format!("{kind}: {}", report::changed_words(run.changes.get(&kind)?)?)))
                .collect();
            vec![
                run.run.to_string(),
                run.district.to_string(),
                run.trigger.to_string(),
                run.status.to_string(),
                run.as_of.to_string(),
                changes.join("; "),
            ]
        });
        session.output.table(&["RUN", "DISTRICT", "TRIGGER", "STATUS", "AS OF", "CHANGES"], rows.collect())?;
        Ok(0)
    }
}

impl Show {
    async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let record = find(session, &self.run).await?;
        let listed = self.affected || self.format.is_some();
        let affected = if listed { inquiry::affected(session.store(), &record).await? } else { Vec::new() };
        if self.format == Some(Format::Csv) {
            return csv(session, &affected);
        }
        if session.output.json {
            let mut document = serde_json::to_value(&record)?;
            if let (true, Some(fields)) = (self.affected, document.as_object_mut()) {
                fields.insert("affected".to_owned(), serde_json::to_value(&affected)?);
            }
            session.output.document(&document)?;
            return Ok(0);
        }
        session.report(&record)?;
        if let Some(hash) = &record.plan_hash {
            session.output.line(&session.output.tone(Tone::Quiet, &format!("  plan hash {hash}")))?;
        }
        if record.holds.iter().any(|hold| hold.group == guard::REKEYED && hold.decision.is_none()) {
            let district = &record.district;
            session.output.line(&format!("  the proposed remap: `rosterd identity list --district {district}`"))?;
        }
        for it in &affected {
            let seats = if it.seats.is_empty() { String::new() } else { format!("   loses {}", it.seats.join(", ")) };
            let remap = it.remap.as_ref().map(|id| format!("   same person as {id}")).unwrap_or_default();
            session.output.line(&format!("    {}{seats}{remap}", it.change))?;
        }
        Ok(0)
    }
}

async fn find(session: &Session, run: &str) -> Result<RunRecord, CommandError> {
    let id = RunId::new(run);
    if let Some(record) = session.store().run(&id).await? {
        return Ok(record);
    }
    let queued = session.office.queue.get(&id).await?;
    queued.map(|request| queued_record(&request)).ok_or_else(|| CommandError::Usage(Refused::Unknown(id).to_string()))
}

fn csv(session: &Session, affected: &[Affected]) -> Result<u8, CommandError> {
    session.output.line(&report::csv::line(report::AFFECTED_COLUMNS))?;
    for it in affected {
        session.output.line(&report::csv::line(it.cells().iter().map(String::as_str)))?;
    }
    Ok(0)
}

impl Decide {
    async fn run(&self, session: &Session, approve: bool) -> Result<u8, CommandError> {
        session.writable().await?;
        let ask =
            Ask { run: RunId::new(self.run.as_str()), approve, groups: self.groups.clone(), hash: self.hash.clone() };
        let limits = &session.office.settings.guard;
        let by = sync::operator();
        let checked =
            decide::check(session.store(), limits, &ask, Some(&by)).await.map_err(|refused| match refused {
                Refused::Unknown(_) | Refused::UnknownGroup { .. } => CommandError::Usage(refused.to_string()),
                Refused::NothingHeld(_) | Refused::WrongHash { .. } | Refused::SamePerson(_) | Refused::Store(_) => {
                    CommandError::Failed(refused.to_string())
                }
            })?;
        let request = NewRequest {
            district: checked.run().district.clone(),
            mode: if approve { "approve" } else { "reject" }.to_owned(),
            trigger: Trigger::Approval,
            requested_by: Some(sync::operator()),
            reason: self.reason.clone(),
            payload: Some(serde_json::to_string(&ask)?),
            at: session.as_of(),
            night: None,
            idempotency_key: None,
        };
        session.carry_out_and_tell(request).await
    }
}

impl Revert {
    async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        session.writable().await?;
        let ask = revert::Ask { run: RunId::new(self.run.as_str()), plan: self.plan };
        let limits = &session.office.settings.guard;
        let reverted =
            revert::check(session.store(), limits, &ask, session.as_of()).await.map_err(|refused| match refused {
                revert::Refused::Unknown(_) => CommandError::Usage(refused.to_string()),
                _ => CommandError::Failed(refused.to_string()),
            })?;
        let request = NewRequest {
            district: reverted.district,
            mode: "revert".to_owned(),
            trigger: Trigger::Revert,
            requested_by: Some(sync::operator()),
            reason: self.reason.clone(),
            payload: Some(serde_json::to_string(&ask)?),
            at: session.as_of(),
            night: None,
            idempotency_key: None,
        };
        session.carry_out_and_tell(request).await
    }
}

async fn cancel(session: &Session, run: &str) -> Result<u8, CommandError> {
    let record = find(session, run).await?;
    match session.office.queue.cancel(&record.run).await? {
        Cancelled::Now => {}
        Cancelled::Asked | Cancelled::TooLate => {
            let message = format!("run `{run}` is {} and can no longer be cancelled", record.status);
            return Err(CommandError::Failed(message));
        }
    }
    let record = RunRecord { status: RunStatus::Cancelled, finished_at: Some(session.as_of()), ..record };
    session.store().finish_run(&record, None).await?;
    session.tell(&record)?;
    Ok(0)
}
