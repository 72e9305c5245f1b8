//! `rosterd seats`: who has a seat of a product, and who waits.

use clap::Args;
use serde::Serialize;

use crate::command::{CommandError, Session};
use crate::model::{Pool, ProductCode, SeatState, SourceId, Timestamp, Waiting};

/// Who has a seat of a product, and who waits
#[derive(Debug, Args)]
pub(super) struct Seats {
    /// The district
    #[arg(long, value_name = "D")]
    district: String,
    /// The product
    #[arg(long, value_name = "P")]
    product: String,
}

/// interface.md, JSON, `seats`.
#[derive(Debug, Serialize)]
struct Document {
    holders: Vec<Holder>,
    waitlist: Vec<Place>,
}

#[derive(Debug, Serialize)]
struct Holder {
    user: SourceId,
    pool: Pool,
    since: Timestamp,
    claimed_at: Option<Timestamp>,
    state: SeatState,
}

#[derive(Debug, Serialize)]
struct Place {
    user: SourceId,
    position: u32,
    since: Timestamp,
    short_of: Pool,
}

impl Seats {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let district = session.district(&self.district).await?;
        let product = ProductCode::new(self.product.as_str());
        let catalog = session.store().catalog().await?;
        if !catalog.products.contains_key(&product) {
            let known: Vec<&str> = catalog.products.keys().map(ProductCode::as_str).collect();
            return Err(CommandError::Usage(format!(
                "there is no product `{product}`; known are: {}",
                known.join(", ")
            )));
        }
        let (seats, waiting) = session.store().seats(&district, &product).await?;
        let document = Document {
            holders: seats
                .into_iter()
                .map(|it| Holder {
                    user: it.user,
                    pool: it.pool,
                    since: it.since,
                    claimed_at: it.claimed_at,
                    state: it.state,
                })
                .collect(),
            waitlist: places(waiting),
        };
        if session.output.json {
            session.output.document(&document)?;
            return Ok(0);
        }
        let holders = document.holders.iter().map(|it| {
            let state = format!("{:?}", it.state).to_lowercase();
            vec![it.user.to_string(), it.pool.to_string(), it.since.to_string(), state]
        });
        session.output.table(&["USER", "POOL", "SINCE", "STATE"], holders.collect())?;
        if !document.waitlist.is_empty() {
            session.output.line("")?;
            table(session, &document.waitlist)?;
        }
        Ok(0)
    }
}

/// The waitlist alone, as a table.
pub(super) async fn waitlist(session: &Session, district: &str, product: &str) -> Result<(), CommandError> {
    let places = places(session.store().seats(&district.into(), &product.into()).await?.1);
    table(session, &places)
}

fn places(mut waiting: Vec<Waiting>) -> Vec<Place> {
    waiting.sort_by_key(|it| it.position);
    let place = |it: Waiting| Place { user: it.user, position: it.position, since: it.since, short_of: it.short_of };
    waiting.into_iter().map(place).collect()
}

fn table(session: &Session, places: &[Place]) -> Result<(), CommandError> {
    let rows = places
        .iter()
        .map(|it| vec![it.position.to_string(), it.user.to_string(), it.since.to_string(), it.short_of.to_string()]);
    session.output.table(&["PLACE", "WAITING", "SINCE", "SHORT OF"], rows.collect())
}
