//! `rosterd seats`: who has a seat of a product, and who waits.

mod import;

use clap::{Args, Subcommand};

use crate::command::{CommandError, Session};
use crate::model::{Audience, Date};
use crate::report::{By, Place, SeatList};

/// Who has a seat of a product, and who waits
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Seats {
    /// The district
    #[arg(long, value_name = "D", required = true)]
    district: Option<String>,
    /// The product
    #[arg(long, value_name = "P", required = true)]
    product: Option<String>,
    /// As it was at the end of a day, from the audit
    #[arg(long, value_name = "DATE")]
    at: Option<Date>,
    /// In which order: `user`, `since` (oldest first) or `last_use` (never used and longest unused first)
    #[arg(long, value_name = "KEY", default_value = "user", value_parser = by)]
    sort: By,
    /// Of students, educators or staff only
    #[arg(long, value_name = "WHO", value_parser = audience)]
    audience: Option<Audience>,
    #[command(subcommand)]
    command: Option<SeatsCommand>,
}

#[derive(Debug, Subcommand)]
enum SeatsCommand {
    /// Take over the seats that people have today, with their dates
    Import(import::Import),
}

fn by(text: &str) -> Result<By, String> {
    By::parse(text).ok_or_else(|| "expected one of: user, since, last_use".to_owned())
}

fn audience(text: &str) -> Result<Audience, String> {
    serde_json::from_value(serde_json::Value::from(text))
        .map_err(|_| "expected student, educator, staff or any".to_owned())
}

impl Seats {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        if let Some(SeatsCommand::Import(import)) = &self.command {
            return import.run(session).await;
        }
        let district = session.district(self.district.as_deref().unwrap_or_default()).await?;
        let product = session.product(self.product.as_deref().unwrap_or_default()).await?;
        let (seats, waiting) = match self.at {
            Some(day) => session.on_day(&district, day).await?.seats(&product),
            None => session.store().seats(&district, &product).await?,
        };
        let mut list = SeatList::new(seats, waiting).sorted(self.sort);
        if let Some(audience) = self.audience {
            list = list.of(audience, &session.store().baseline(&district).await?.roster.users);
        }
        if session.output.json {
            session.output.document(&list)?;
            return Ok(0);
        }
        let holders = list.holders.iter().map(|it| {
            let state = format!("{:?}", it.state).to_lowercase();
            let last = it.last_used_at.map(|at| at.to_string()).unwrap_or_default();
            vec![it.user.to_string(), it.pool.to_string(), it.since.to_string(), last, state]
        });
        session.output.table(&["USER", "POOL", "SINCE", "LAST USE", "STATE"], holders.collect())?;
        if !list.waitlist.is_empty() {
            session.output.line("")?;
            table(session, &list.waitlist)?;
        }
        Ok(0)
    }
}

/// The waitlist alone, as a table.
pub(super) async fn waitlist(session: &Session, district: &str, product: &str) -> Result<(), CommandError> {
    let (seats, waiting) = session.store().seats(&district.into(), &product.into()).await?;
    table(session, &SeatList::new(seats, waiting).waitlist)
}

fn table(session: &Session, places: &[Place]) -> Result<(), CommandError> {
    let rows = places
        .iter()
        .map(|it| vec![it.position.to_string(), it.user.to_string(), it.since.to_string(), it.short_of.to_string()]);
    session.output.table(&["PLACE", "WAITING", "SINCE", "SHORT OF"], rows.collect())
}
