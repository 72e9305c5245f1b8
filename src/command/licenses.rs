//! `rosterd licenses`: totals as in licensing.md.

use clap::Args;

use crate::allocate::License;
use crate::command::output::Tone;
use crate::command::{CommandError, Session, alerts};
use crate::model::{Access, Date, Level};

/// Seats of each product: total, assigned, available, waiting
#[derive(Debug, Default, Args)]
pub(super) struct Licenses {
    /// Of one district
    #[arg(long, value_name = "D")]
    district: Option<String>,
    /// Of one product
    #[arg(long, value_name = "P")]
    product: Option<String>,
    /// A row for each school's allotment and for the district's rest
    #[arg(long)]
    by_school: bool,
    /// As it was at the end of a day, from the audit
    #[arg(long, value_name = "DATE")]
    at: Option<Date>,
}

impl Licenses {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let districts = match &self.district {
            Some(id) => vec![session.district(id).await?],
            None => session.store().districts().await?.into_iter().map(|it| it.id).collect(),
        };
        let product = match &self.product {
            Some(code) if !districts.is_empty() => Some(session.product(code).await?),
            Some(_) | None => None,
        };
        let mut rows: Vec<License> = Vec::new();
        for district in &districts {
            let of_district = if let Some(day) = self.at {
                session.on_day(district, day).await?.licenses(self.by_school)
            } else {
                let counts = session.store().tallied(district, 0).await?;
                counts.licenses(&counts.at.state, session.as_of(), self.by_school)
            };
            let wanted = |row: &License| product.as_ref().is_none_or(|code| &row.product == code);
            rows.extend(of_district.into_iter().filter(wanted));
        }
        if session.output.json {
            session.output.document(&rows)?;
            return Ok(0);
        }
        let number = |n: Option<u64>| n.map_or_else(|| "∞".to_owned(), |n| n.to_string());
        let cells = rows.iter().map(|row| {
            let level = serde_json::to_value(row.level).ok().and_then(|it| it.as_str().map(str::to_owned));
            let tone = match row.level {
                Level::Green => Tone::Good,
                Level::Yellow => Tone::Attention,
                Level::Red => Tone::Bad,
            };
            let pool =
                row.school.as_ref().map_or_else(|| format!("{:?}", row.pool).to_lowercase(), ToString::to_string);
            vec![
                row.district.to_string(),
                row.product.to_string(),
                pool,
                match row.assigned_if_merged {
                    // Accounts of one person count each; both counts are shown (S2.15).
                    Some(merged) if merged < row.assigned => {
                        format!("{} of {} used, {merged} if merged", row.assigned, number(row.total))
                    }
                    _ => format!("{} of {} used", row.assigned, number(row.total)),
                },
                number(row.available),
                row.over.to_string(),
                row.waiting.to_string(),
                row.bridged.to_string(),
                standing(row),
                row.expires_on.map(|day| day.to_string()).unwrap_or_default(),
                session.output.tone(tone, &level.unwrap_or_default()),
            ]
        });
        session.output.table(&HEADER, cells.collect())?;
        if let Some(line) = as_of(&rows) {
            session.output.line(&line)?;
        }
        if self.at.is_some() {
            return Ok(0);
        }
        if let Some(line) = alerts::in_a_line(session, &districts).await? {
            session.output.line(&line)?;
        }
        Ok(0)
    }
}

/// Of when the counts are, and the rosters behind them (S0.13).
fn as_of(rows: &[License]) -> Option<String> {
    let at = rows.first()?.as_of;
    let pulled = || rows.iter().filter_map(|it| it.roster_as_of);
    let rosters = match (pulled().min(), pulled().max()) {
        (Some(first), Some(last)) if first == last => format!(", from the roster of {first}"),
        (Some(first), Some(last)) => format!(", from rosters of {first} to {last}"),
        _ => String::new(),
    };
    Some(format!("as of {at}{rosters}"))
}

const HEADER: [&str; 11] =
    ["DISTRICT", "PRODUCT", "POOL", "USED", "AVAILABLE", "OVER", "WAITING", "BRIDGED", "STATUS", "EXPIRES", "LEVEL"];

/// What the vendor says of the contract, and what the seats give today where that is not everything.
fn standing(row: &License) -> String {
    let word = |it: serde_json::Result<serde_json::Value>| it.ok().and_then(|it| it.as_str().map(str::to_owned));
    let status = word(serde_json::to_value(row.status)).unwrap_or_else(|| "none".to_owned());
    match row.access {
        Access::Full | Access::None => status,
        Access::Grace | Access::Upcoming => {
            format!("{status}, {}", word(serde_json::to_value(row.access)).unwrap_or_default())
        }
    }
}
