//! `rosterd audit`: read, export and verify the log.

mod tail;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::audit::{Category, Checkpoint, Entry, Verifier};
use crate::command::{CommandError, Session};
use crate::model::{DistrictId, RunId, SourceId, Timestamp};
use crate::report;
use crate::store::{AuditFilter, AuditStream};

/// The audit log
#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Entries, oldest first
    List(Filter),
    /// The latest entries, and with --follow those to come; one a line
    Tail(tail::Tail),
    /// All entries that pass the filter, one a line
    Export(Export),
    /// Finds the first entry that was altered, removed, inserted or cut
    Verify(Check),
    /// Size and head of each chain, for keeping elsewhere
    Checkpoint {
        /// Of one district
        #[arg(long, value_name = "D")]
        district: Option<String>,
    },
}

/// Which entries
#[derive(Debug, Args)]
pub(super) struct Filter {
    /// Of one district
    #[arg(long, value_name = "D")]
    district: Option<String>,
    /// Of one run
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// About one user: the user, their enrollments and seats
    #[arg(long, value_name = "U")]
    user: Option<String>,
    /// One action, such as seat.granted
    #[arg(long, value_name = "ENTITY.VERB")]
    action: Option<String>,
    /// role, license, administrative or system
    #[arg(long, value_parser = category)]
    category: Option<Category>,
    /// At or after
    #[arg(long, value_name = "TIMESTAMP", value_parser = super::timestamp)]
    since: Option<Timestamp>,
    /// Before
    #[arg(long, value_name = "TIMESTAMP", value_parser = super::timestamp)]
    until: Option<Timestamp>,
}

fn category(text: &str) -> Result<Category, String> {
    Category::parse(text).ok_or_else(|| "expected role, license, administrative or system".to_owned())
}

/// An export
#[derive(Debug, Args)]
pub(super) struct Export {
    /// How
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    #[command(flatten)]
    filter: Filter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object a line
    Jsonl,
    /// With a header, cells that a spreadsheet would run escaped
    Csv,
    /// Apache Parquet, to be redirected into a file
    #[cfg(feature = "parquet")]
    Parquet,
}

/// A check of the chains
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Of one district
    #[arg(long, value_name = "D")]
    district: Option<String>,
    /// Checkpoints kept elsewhere, one JSON object a line: a chain alone does not show that its end was cut off
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

impl Audit {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        match self {
            Self::List(filter) => list(session, filter).await,
            Self::Tail(it) => it.run(session).await,
            Self::Export(it) => it.run(session).await,
            Self::Verify(it) => it.run(session).await,
            Self::Checkpoint { district } => checkpoint(session, district.as_deref()).await,
        }
    }
}

impl Filter {
    async fn of(&self, session: &Session) -> Result<AuditFilter, CommandError> {
        Ok(AuditFilter {
            district: match &self.district {
                Some(id) => Some(session.district(id).await?),
                None => None,
            },
            run: self.run.as_deref().map(RunId::from),
            user: self.user.as_deref().map(SourceId::from),
            action: self.action.clone(),
            category: self.category,
            since: self.since,
            until: self.until,
            after_seq: None,
        })
    }
}

async fn list(session: &Session, filter: &Filter) -> Result<u8, CommandError> {
    let mut stream = session.store().audit_stream(filter.of(session).await?).await?;
    let mut entries: Vec<Entry> = Vec::new();
    while let Some(page) = stream.next_page().await? {
        entries.extend(page);
    }
    if session.output.json {
        session.output.document(&entries)?;
        return Ok(0);
    }
    let rows = entries.iter().map(|entry| {
        let change = match (&entry.before, &entry.after) {
            (None, None) => String::new(),
            (before, after) => format!("{} -> {}", value(before.as_ref()), value(after.as_ref())),
        };
        vec![
            entry.seq.to_string(),
            entry.at.to_string(),
            entry.district.to_string(),
            entry.actor.clone(),
            entry.action.clone(),
            entry.id.clone(),
            change,
            entry.reason.clone().unwrap_or_default(),
        ]
    });
    session.output.table(&["SEQ", "AT", "DISTRICT", "ACTOR", "ACTION", "ID", "CHANGE", "REASON"], rows.collect())?;
    Ok(0)
}

fn value(value: Option<&serde_json::Value>) -> String {
    value.map_or_else(|| "·".to_owned(), ToString::to_string)
}

impl Export {
    async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let stream = session.store().audit_stream(self.filter.of(session).await?).await?;
        match self.format {
            Format::Jsonl => lines(session, stream, |entry| Ok(serde_json::to_string(entry)?)).await?,
            Format::Csv => {
                session.output.line(&report::entry_header())?;
                lines(session, stream, |entry| Ok(report::entry_line(entry))).await?;
            }
            #[cfg(feature = "parquet")]
            Format::Parquet => in_parquet(session, stream).await?,
        }
        Ok(0)
    }
}

async fn lines(
    session: &Session,
    mut stream: AuditStream<'_>,
    line: impl Fn(&Entry) -> Result<String, CommandError>,
) -> Result<(), CommandError> {
    while let Some(page) = stream.next_page().await? {
        for entry in &page {
            session.output.line(&line(entry)?)?;
        }
    }
    Ok(())
}

#[cfg(feature = "parquet")]
async fn in_parquet(session: &Session, mut stream: AuditStream<'_>) -> Result<(), CommandError> {
    if session.output.terminal {
        return Err(CommandError::Usage("Parquet is no text: redirect it into a file, `> audit.parquet`".to_owned()));
    }
    let failed = |error: parquet::errors::ParquetError| CommandError::Failed(format!("the export broke off: {error}"));
    let mut file = report::AuditFile::new(std::io::stdout()).map_err(failed)?;
    while let Some(page) = stream.next_page().await? {
        file.add(page).map_err(failed)?;
    }
    file.finish().map_err(failed)
}

impl Check {
    async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let kept = match &self.checkpoint {
            Some(path) => checkpoints(path)?,
            None => Vec::new(),
        };
        let districts = match &self.district {
            Some(id) => vec![session.district(id).await?],
            None => session.store().districts().await?.into_iter().map(|it| it.id).collect(),
        };
        let mut broken = 0_u8;
        let mut found = Vec::new();
        for district in districts {
            let kept = kept.iter().find(|it| it.district == district).cloned();
            let fault = walk(session, &district, kept).await?;
            let (size, head) = {
                let end = session.store().audit_head(&district).await?;
                (end.size, end.head)
            };
            if let Some(fault) = &fault {
                broken = 1;
                crate::command::output::complain(fault);
            } else if !session.output.json {
                session.output.line(&format!("{district}: {size} entries, chain whole, head {head}"))?;
            }
            found.push(serde_json::json!({ "district": district, "size": size, "head": head, "fault": fault }));
        }
        if session.output.json {
            session.output.document(&found)?;
        }
        Ok(broken)
    }
}

async fn walk(
    session: &Session,
    district: &DistrictId,
    kept: Option<Checkpoint>,
) -> Result<Option<String>, CommandError> {
    let end = session.store().audit_head(district).await?;
    let mut verifier = Verifier::new(district.clone(), kept);
    let filter = AuditFilter { district: Some(district.clone()), ..AuditFilter::default() };
    let mut stream = session.store().audit_stream(filter).await?;
    loop {
        let page = match stream.next_page().await {
            Ok(Some(page)) => page,
            Ok(None) => break,
            Err(fault @ crate::store::StoreError::CorruptEntry { .. }) => return Ok(Some(fault.to_string())),
            Err(error) => return Err(error.into()),
        };
        for entry in &page {
            if let Err(fault) = verifier.push(entry) {
                return Ok(Some(fault.to_string()));
            }
        }
    }
    Ok(verifier.finish(Some((end.size, &end.head))).err().map(|fault| fault.to_string()))
}

fn checkpoints(path: &std::path::Path) -> Result<Vec<Checkpoint>, CommandError> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| CommandError::Usage(format!("cannot read the checkpoint {shown}: {}", error.kind())))?;
    let one = |(index, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|_| {
            CommandError::Usage(format!(
                "{shown}:{}: not a checkpoint; expected a line of `rosterd audit checkpoint`",
                index + 1
            ))
        })
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(one).collect()
}

async fn checkpoint(session: &Session, district: Option<&str>) -> Result<u8, CommandError> {
    let districts = match district {
        Some(id) => vec![session.district(id).await?],
        None => session.store().districts().await?.into_iter().map(|it| it.id).collect(),
    };
    for district in districts {
        let end = session.store().audit_head(&district).await?;
        let checkpoint = Checkpoint { district, size: end.size, head: end.head, at: session.as_of() };
        session.output.line(&serde_json::to_string(&checkpoint)?)?;
    }
    Ok(0)
}
