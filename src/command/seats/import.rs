//! `rosterd seats import`: the seats that people have today, with their dates, after a match report.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::command::{CommandError, Session, by_hand, output, sync};
use crate::manual::{self, Asked, Line, MatchReport, Outcome, Takeover, Verb};
use crate::model::{DistrictId, RunStatus};

/// Rows that are shown one by one on a terminal; `--json` has them all.
const SHOWN: usize = 20;

/// Take over the seats that people have today, with their dates
///
/// FILE is a CSV with a header: `product`; at least one of `user`, `student_number`, `state_id`, `username` and `email`; and, as
/// far as known, `school`, `assigned`, `claimed` and `last_used`. Do it while the first sync is in review: the seats are then
/// there when it is approved, and only what is missing is granted. A seat that is there already is left as it is.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The CSV
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The district; may be left out where there is only one
    #[arg(long, value_name = "D")]
    district: Option<String>,
    /// Print the match report, and change nothing
    #[arg(long)]
    plan: bool,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Import {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        session.look_at_catalog().await?;
        let district = self.district(session).await?;
        let bytes = std::fs::read(&self.file)
            .map_err(|error| CommandError::Usage(format!("cannot read {}: {}", self.file.display(), error.kind())))?;
        let Takeover { report, verb } = self.matched(session, &district, &bytes).await?;
        let imported = report.count(Outcome::Matched);
        if !session.output.json {
            told(session, &report)?;
        }
        let run = if self.plan || imported == 0 {
            None
        } else {
            Some(session.carry_out_by_hand(district, &verb, self.reason.as_deref()).await?)
        };
        if session.output.json {
            session.output.document(&json!({ "report": report, "run": run }))?;
        } else if let Some(run) = &run {
            session.output.line("")?;
            session.report(run)?;
        } else if imported == 0 {
            session.output.line("nothing to import")?;
        }
        let failed = run.is_some_and(|run| run.status == RunStatus::Failed);
        // A file that fits nobody is most likely another district's.
        let fits = imported + report.count(Outcome::AlreadyHasOne) > 0 || report.rows == 0;
        Ok(u8::from(failed || !fits))
    }

    async fn matched(&self, session: &Session, district: &DistrictId, bytes: &[u8]) -> Result<Takeover, CommandError> {
        let actor = sync::operator();
        let nothing = Verb::SeatsImport { seats: Vec::new() };
        let asked = Asked {
            verb: &nothing,
            fed: session.is_fed(district).await,
            actor: &actor,
            reason: self.reason.as_deref(),
            as_of: session.as_of(),
        };
        let matched =
            manual::match_seats(session.store(), &session.office.settings.guard, district, asked, bytes).await;
        matched.map_err(|error| match by_hand::refused(&error) {
            CommandError::Usage(text) => CommandError::Usage(format!("{}: {text}", self.file.display())),
            CommandError::Failed(text) => CommandError::Failed(format!("{}: {text}", self.file.display())),
        })
    }

    async fn district(&self, session: &Session) -> Result<DistrictId, CommandError> {
        if let Some(id) = &self.district {
            return session.district(id).await;
        }
        let known = session.store().districts().await?;
        if let [only] = &known[..] {
            return Ok(only.id.clone());
        }
        let names: Vec<&str> = known.iter().map(|it| it.id.as_str()).collect();
        Err(CommandError::Usage(format!("say whose seats these are with --district: {}", names.join(", "))))
    }
}

/// The report, for people.
fn told(session: &Session, report: &MatchReport) -> Result<(), CommandError> {
    let out = &session.output;
    out.line(&format!("{}: {} rows", report.district, report.rows))?;
    for (outcome, count) in &report.outcomes {
        let weak = if *outcome == Outcome::Matched { notes(report) } else { String::new() };
        out.line(&format!("  {count:>6}  {}{weak}", meaning(*outcome)))?;
    }
    if report.before_first_sync {
        out.line("  the first sync is in review: the seats wait with it, and count once it is approved")?;
    }
    for it in &report.products {
        let total = it.total.map_or_else(|| "unlimited".to_owned(), |total| total.to_string());
        let over = if it.over > 0 { format!(", {} over capacity: nobody loses one", it.over) } else { String::new() };
        out.line(&format!("  {}: {} imported, {} of {total} in use{over}", it.product, it.imported, it.seats))?;
    }
    if !report.ignored_columns.is_empty() {
        output::tell(&format!("not read: the columns {}", report.ignored_columns.join(", ")));
    }
    let odd: Vec<&Line> = report.lines.iter().filter(|it| is_odd(it)).collect();
    if odd.is_empty() {
        return Ok(());
    }
    out.line("")?;
    let cells = odd.iter().take(SHOWN).map(|it| {
        let user = it.user.as_ref().map(ToString::to_string).unwrap_or_default();
        vec![it.line.to_string(), it.product.clone(), user, remark(it)]
    });
    out.table(&["LINE", "PRODUCT", "USER", "WHAT"], cells.collect())?;
    if odd.len() > SHOWN {
        out.line(&format!("and {} more; --json lists them all", odd.len() - SHOWN))?;
    }
    Ok(())
}

fn notes(report: &MatchReport) -> String {
    let weak = format!(", {} of them only by user name or email", report.weak);
    let pool = format!(", {} with a school that is not known", report.pool_unknown);
    let noted = [(report.weak, weak), (report.pool_unknown, pool)];
    noted.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).collect()
}

fn is_odd(line: &Line) -> bool {
    line.weak || line.pool_unknown || !matches!(line.outcome, Outcome::Matched | Outcome::AlreadyHasOne)
}

fn remark(line: &Line) -> String {
    let mut text = meaning(line.outcome).to_owned();
    if line.weak {
        text += ", only by user name or email: look at it";
    }
    if line.pool_unknown {
        text += ", the school is not known: drawn from the user's own";
    }
    text
}

fn meaning(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Matched => "matched",
        Outcome::Ambiguous => "several users have this key",
        Outcome::UnknownUser => "no such user",
        Outcome::UnknownProduct => "no such product",
        Outcome::WrongAudience => "the product is for another audience",
        Outcome::NoDemand => "the product's rule gives this user no seat",
        Outcome::AlreadyHasOne => "has a seat already",
        Outcome::Repeated => "repeats an earlier row",
        Outcome::FeedDecides => "the rostering platform decides on educators",
    }
}
