//! `rosterd activity import`: a report of use from a file, on the path that `POST /v1/districts/{d}/activity` takes.

use std::io::BufRead as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::activity::{self, Answer, Rejected, Reported};
use crate::audit::shown_id;
use crate::command::output::tell;
use crate::command::{CommandError, Session, sync};
use crate::model::{RunId, RunStatus, Trigger};
use crate::store::NewRequest;

/// Use of products
#[derive(Debug, Subcommand)]
pub(super) enum Activity {
    /// First and last uses from a file
    Import(Import),
}

/// A file of uses
#[derive(Debug, Args)]
pub(super) struct Import {
    /// CSV with the columns `user`, `product`, `first_used_at`, `last_used_at`, or the same as one JSON object a line
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The district
    #[arg(long, value_name = "D")]
    district: String,
}

/// All parts of one file together.
#[derive(Debug, Serialize)]
struct Imported {
    received: usize,
    changed: usize,
    unchanged: usize,
    rejected: Vec<Rejected>,
    runs: Vec<RunId>,
}

impl Activity {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let Self::Import(it) = self;
        session.writable().await?;
        let district = session.district(&it.district).await?;
        let reported = read(&it.file)?;
        let mut all = Imported { received: 0, changed: 0, unchanged: 0, rejected: Vec::new(), runs: Vec::new() };
        let mut failed = false;
        for part in reported.chunks(activity::MOST) {
            let (answer, uses) = activity::take(session.store(), &district, part, session.as_of()).await?;
            let Answer { received, changed, unchanged, rejected } = answer;
            let before = all.received;
            all.rejected.extend(rejected.into_iter().map(|it| Rejected { index: it.index + before, ..it }));
            all.received += received;
            all.changed += changed;
            all.unchanged += unchanged;
            let Some(uses) = uses else { continue };
            let request = NewRequest {
                district: district.clone(),
                mode: activity::MODE.to_owned(),
                trigger: Trigger::Cli,
                requested_by: Some(sync::operator()),
                reason: None,
                payload: Some(serde_json::to_string(&uses)?),
                at: session.as_of(),
                night: None,
                idempotency_key: None,
            };
            let record = session.carried_out(request).await?;
            failed |= record.status == RunStatus::Failed;
            if !session.output.json {
                session.report(&record)?;
            }
            all.runs.push(record.run);
        }
        if session.output.json {
            session.output.document(&all)?;
        } else {
            let Imported { received, changed, unchanged, rejected, runs: _ } = &all;
            session.output.line(&format!(
                "{received} uses: {changed} new, {unchanged} known already, {} rejected",
                rejected.len()
            ))?;
            for it in rejected.iter().take(20) {
                let user = shown_id(session.store().pseudonym_key(), it.user.as_str(), &[]);
                tell(&format!("  entry {}, user `{user}`, product `{}`: {}", it.index + 1, it.product, it.reason));
            }
            if rejected.len() > 20 {
                tell(&format!("  and {} more; --json lists them", rejected.len() - 20));
            }
        }
        Ok(u8::from(failed || (all.received > 0 && all.rejected.len() == all.received)))
    }
}

fn read(file: &Path) -> Result<Vec<Reported>, CommandError> {
    let place = file.display();
    let unreadable = |why: String| CommandError::Usage(format!("cannot read the uses in {place}: {why}"));
    let open = || std::fs::File::open(file).map_err(|error| unreadable(error.kind().to_string()));
    let mut lines = std::io::BufReader::new(open()?);
    let begin = lines.fill_buf().map_err(|error| unreadable(error.kind().to_string()))?;
    let is_json = begin.trim_ascii_start().first() == Some(&b'{');
    // What stands in a line may be a name, so only its number is told.
    let misfit = |line: usize| {
        unreadable(format!(
            "line {line} is not user, product, first_used_at, last_used_at (RFC 3339, one may be empty)"
        ))
    };
    let mut all = Vec::new();
    if is_json {
        for (at, line) in lines.lines().enumerate() {
            let line = line.map_err(|_| unreadable("it is not text in UTF-8".to_owned()))?;
            if !line.trim().is_empty() {
                all.push(serde_json::from_str(&line).map_err(|_| misfit(at + 1))?);
            }
        }
        return Ok(all);
    }
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(lines);
    for (at, row) in reader.deserialize().enumerate() {
        all.push(row.map_err(|_| misfit(at + 2))?);
    }
    Ok(all)
}
