//! `rosterd district list`, `show` and `mode`: how districts stand, and what their syncs may do.

use clap::{Args, Subcommand, ValueEnum};

use crate::command::output::Tone;
use crate::command::{CommandError, Session, privacy, sync};
use crate::directory::Directory;
use crate::manual::{ModeAsk, ModeRefused, set_mode};
use crate::model::{Date, DistrictId, DistrictMode, RunStatus, Timestamp};
use crate::report;
use crate::schedule::standing::{self, Connection, Standing};

/// Districts: how they stand, what their syncs may do, and an end of them
#[derive(Debug, Subcommand)]
pub(super) enum District {
    /// Every district: mode, source, last and next sync, what waits
    List,
    /// One district
    Show {
        /// The district
        #[arg(value_name = "D")]
        district: String,
    },
    /// Set what syncs may do: everything, no removals, plan only, or nothing
    Mode(Mode),
    /// Take everyone of a district out of the store for good, and prove it
    Purge(privacy::Purge),
}

/// Set what syncs may do
#[derive(Debug, Args)]
#[command(after_help = MODES)]
pub(super) struct Mode {
    /// The district
    #[arg(value_name = "D")]
    district: String,
    /// The mode
    #[arg(value_name = "MODE")]
    word: Word,
    /// First day in the district's time zone; without it from now on
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,
    /// Last day, inclusive; without it until another mode is set
    #[arg(long, value_name = "DATE")]
    until: Option<Date>,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

const MODES: &str = "Modes:
  normal       everything that the guard clears; without days it ends every other mode, also those to come
  no_removals  additions and restores; removals, and changes that end demand, are kept back, their seats bridged
  plan_only    fetch and plan, apply nothing
  paused       do not fetch

What the contract, grace and override dates end happens in every mode, and so does what a person decides by hand: the
other verbs, approve, reject and revert. Of two modes that cover a day the one set later counts.";

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Word {
    Normal,
    NoRemovals,
    PlanOnly,
    Paused,
}

impl From<Word> for DistrictMode {
    fn from(word: Word) -> Self {
        match word {
            Word::Normal => Self::Normal,
            Word::NoRemovals => Self::NoRemovals,
            Word::PlanOnly => Self::PlanOnly,
            Word::Paused => Self::Paused,
        }
    }
}

impl District {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        match self {
            Self::List => list(session).await,
            Self::Show { district } => {
                let id = session.district(district).await?;
                show(session, &id).await
            }
            Self::Mode(mode) => mode.run(session).await,
            Self::Purge(purge) => purge.run(session).await,
        }
    }
}

async fn list(session: &Session) -> Result<u8, CommandError> {
    for it in &session.office.settings.district {
        session.store().ensure_district(&it.id(), it.name(), it.time_zone, it.feed.end_dates()).await?;
    }
    let all = standing::all(&office_with_former(session).await?, |_| true).await?;
    if session.output.json {
        session.output.document(&all)?;
        return Ok(0);
    }
    let out = session.output;
    if all.is_empty() {
        out.line("no district yet: add a [[district]] to the configuration")?;
        return Ok(0);
    }
    let header =
        ["DISTRICT", "FEED", "SOURCE", "MODE", "UNTIL", "LAST RUN", "LAST GOOD SYNC", "NEXT NIGHT", "WAITS", "ALERTS"];
    let rows = all.iter().map(|it| {
        vec![
            it.id.to_string(),
            it.feed.unwrap_or("-").to_owned(),
            connection(session, it),
            out.tone(mode_tone(it.mode), it.mode.as_str()),
            it.mode_until.map(|day| day.to_string()).unwrap_or_default(),
            it.last_run.as_ref().map_or_else(String::new, |run| out.tone(run_tone(run.status), run.status.as_str())),
            instant(it.last_good_sync),
            instant(it.next_night),
            waits(it),
            it.alerts.to_string(),
        ]
    });
    out.table(&header, rows.collect())?;
    Ok(0)
}

/// With the districts that an app has listed before, as the daemon knows them.
async fn office_with_former(session: &Session) -> Result<crate::schedule::worker::Office, CommandError> {
    let mut office = session.office.clone();
    let mut directory = Directory::configured(&office.settings);
    directory.keep_former(&office.store.listed().await?, &office.settings);
    office.known = std::sync::Arc::new(directory);
    Ok(office)
}

fn instant(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}

fn connection(session: &Session, it: &Standing) -> String {
    match it.connection {
        Connection::Connected => "connected".to_owned(),
        Connection::Disconnected => session.output.tone(Tone::Bad, "disconnected"),
        Connection::None => "-".to_owned(),
    }
}

fn mode_tone(mode: DistrictMode) -> Tone {
    if mode == DistrictMode::Normal { Tone::Quiet } else { Tone::Attention }
}

fn run_tone(status: RunStatus) -> Tone {
    match status {
        RunStatus::Failed | RunStatus::Cancelled => Tone::Bad,
        RunStatus::Held => Tone::Attention,
        RunStatus::Applied | RunStatus::Unchanged => Tone::Good,
        RunStatus::Queued | RunStatus::Fetching | RunStatus::Planned | RunStatus::Applying => Tone::Quiet,
    }
}

fn waits(it: &Standing) -> String {
    let mut parts = Vec::new();
    if !it.in_review.is_empty() {
        parts.push(format!("{} in review", it.in_review.len()));
    }
    if it.kept_back > 0 {
        parts.push(format!("{} kept back", it.kept_back));
    }
    parts.join(", ")
}

async fn show(session: &Session, id: &DistrictId) -> Result<u8, CommandError> {
    let office = office_with_former(session).await?;
    let found = standing::of(&office, id).await?;
    let it = found.ok_or_else(|| CommandError::Usage(format!("there is no district `{id}`")))?;
    let out = session.output;
    if out.json {
        out.document(&it)?;
        return Ok(0);
    }
    out.line(&format!("{}  {}", it.id, it.name))?;
    let line = |name: &str, text: &str| out.line(&format!("  {name:<16} {text}"));
    line("time zone", &it.time_zone)?;
    line("feed", it.feed.unwrap_or("neither configured nor listed"))?;
    match (&it.disconnected_since, &it.disconnected_because) {
        (Some(since), Some(why)) => {
            line("source", &format!("{} since {since}: {why}", connection(session, &it)))?;
        }
        _ => line("source", &connection(session, &it))?,
    }
    let modes = session.store().modes(&it.id).await?;
    let zone = session.store().district(&it.id).await?.time_zone;
    let current = modes.at(session.as_of(), zone).map_or_else(|| "normal".to_owned(), ToString::to_string);
    line("mode", &out.tone(mode_tone(it.mode), &current))?;
    for entry in &it.modes_to_come {
        line("", &format!("also set: {entry}"))?;
    }
    if let Some(proposal) = &it.proposal {
        line("proposed", &format!("{}; if so: `{}`", proposal.why, proposal.command(&it.id)))?;
    }
    if it.kept_back > 0 {
        line("kept back", &format!("{} changes, until a sync may apply them", it.kept_back))?;
    }
    if let Some(run) = &it.last_run {
        line("last run", &format!("{} ({}) at {}", report::headline(run), run.run, run.as_of))?;
        if let Some(error) = &run.error {
            line("", error)?;
        }
    }
    line("last good sync", &it.last_good_sync.map_or_else(|| "none yet".to_owned(), |at| at.to_string()))?;
    if let Some(at) = it.roster_of {
        line("roster of", &at.to_string())?;
    }
    line("next night", &it.next_night.map_or_else(|| "none".to_owned(), |at| at.to_string()))?;
    for run in &it.in_review {
        line("in review", &format!("run {run}: `rosterd runs show {run} --affected`"))?;
    }
    if it.alerts > 0 {
        line("alerts", &format!("{} open: `rosterd alerts --district {}`", it.alerts, it.id))?;
    }
    Ok(0)
}

impl Mode {
    async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        session.writable().await?;
        let id = session.district(&self.district).await?;
        let ask = ModeAsk { mode: self.word.into(), from: self.from, until: self.until, reason: self.reason.clone() };
        let set = set_mode(session.store(), &id, &ask, &sync::operator(), session.as_of()).await;
        set.map_err(|refused| match refused {
            ModeRefused::NoDay { .. } | ModeRefused::Over { .. } => CommandError::Usage(refused.to_string()),
            ModeRefused::Store(error) => error.into(),
        })?;
        show(session, &id).await
    }
}
