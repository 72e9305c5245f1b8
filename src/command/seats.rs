//! `rosterd seats`: who has a seat of a product, and who waits.

mod import;

use clap::{Args, Subcommand};

use crate::command::{CommandError, Session};
use crate::model::Date;
use crate::report::{Place, SeatList};

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
    #[command(subcommand)]
    command: Option<SeatsCommand>,
}

#[derive(Debug, Subcommand)]
enum SeatsCommand {
    /// Take over the seats that people have today, with their dates
    Import(import::Import),
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
        let list = SeatList::new(seats, waiting);
        if session.output.json {
            session.output.document(&list)?;
            return Ok(0);
        }
        let holders = list.holders.iter().map(|it| {
            let state = format!("{:?}", it.state).to_lowercase();
            vec![it.user.to_string(), it.pool.to_string(), it.since.to_string(), state]
        });
        session.output.table(&["USER", "POOL", "SINCE", "STATE"], holders.collect())?;
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
