//! `rosterd alerts`: what someone should look at; and the threshold that raises one of them.

use clap::{Args, Subcommand};

use crate::alert;
use crate::command::output::Tone;
use crate::command::{CommandError, Session, sync};
use crate::manual::{self, NotSeen, Verb};
use crate::model::{Alert, AlertId, DistrictId, Level};

/// What someone should look at: few seats left, people waiting, coverage that ends
#[derive(Debug, Default, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Alerts {
    /// Of one district
    #[arg(long, value_name = "D")]
    district: Option<String>,
    /// Also those that are over
    #[arg(long)]
    all: bool,
    #[command(subcommand)]
    act: Option<Act>,
}

/// What can be done about one
#[derive(Debug, Subcommand)]
enum Act {
    /// Say that you have seen an alert; it stays open until its cause is gone
    Ack {
        /// The alert
        #[arg(value_name = "ID")]
        id: String,
        /// What you make of it, for the audit
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

/// Change how many seats of a subscription are left when the district is told
#[derive(Debug, Args)]
pub(super) struct Threshold {
    /// The subscription
    #[arg(long, value_name = "ID")]
    subscription: String,
    /// Seats left; it holds until the catalog's own value is another one
    #[arg(long, value_name = "N")]
    remaining: u32,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Alerts {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        if let Some(Act::Ack { id, reason }) = &self.act {
            return acknowledge(session, id, reason.as_deref()).await;
        }
        let districts = match &self.district {
            Some(id) => vec![session.district(id).await?],
            None => session.store().districts().await?.into_iter().map(|it| it.id).collect(),
        };
        let mut alerts: Vec<Alert> = Vec::new();
        for district in districts {
            alerts.extend(session.store().alerts(&district, self.all).await?);
        }
        let alerts = alert::in_order(alerts);
        if session.output.json {
            session.output.document(&alerts)?;
            return Ok(0);
        }
        table(session, &alerts)?;
        Ok(0)
    }
}

async fn acknowledge(session: &Session, id: &str, reason: Option<&str>) -> Result<u8, CommandError> {
    session.writable().await?;
    let (id, actor) = (AlertId::new(id), sync::operator());
    let acknowledged = manual::acknowledge(session.store(), &id, &actor, reason, session.as_of()).await;
    let alert = acknowledged.map_err(|error| match error {
        NotSeen::Unknown(_) => CommandError::Usage(error.to_string()),
        NotSeen::Cleared { .. } | NotSeen::Store(_) => CommandError::Failed(error.to_string()),
    })?;
    if session.output.json {
        session.output.document(&alert)?;
    } else {
        table(session, std::slice::from_ref(&alert))?;
    }
    Ok(0)
}

fn table(session: &Session, alerts: &[Alert]) -> Result<(), CommandError> {
    let out = session.output;
    if alerts.is_empty() {
        return out.line("no open alert");
    }
    let rows = alerts.iter().map(|it| {
        let tone = match it.level {
            _ if it.cleared_at.is_some() => Tone::Quiet,
            Level::Green => Tone::Good,
            Level::Yellow => Tone::Attention,
            Level::Red => Tone::Bad,
        };
        let step = it.step.map(|days| format!(" ({days} days)")).unwrap_or_default();
        let state = match (&it.cleared_at, &it.acknowledged) {
            (Some(at), _) => format!("cleared {at}"),
            (None, Some(seen)) => format!("seen by {}", seen.by),
            (None, None) => "open".to_owned(),
        };
        vec![
            it.id.to_string(),
            it.district.to_string(),
            it.product.as_ref().map(ToString::to_string).unwrap_or_default(),
            it.school.as_ref().map(ToString::to_string).unwrap_or_default(),
            out.tone(tone, &format!("{}{step}", it.kind)),
            it.raised_at.to_string(),
            state,
            it.text.clone(),
        ]
    });
    out.table(&["ALERT", "DISTRICT", "PRODUCT", "SCHOOL", "KIND", "SINCE", "STATE", "WHAT"], rows.collect())
}

/// The number of open alerts of some districts and where to see them, in one line; none if there is none.
pub(super) async fn in_a_line(session: &Session, districts: &[DistrictId]) -> Result<Option<String>, CommandError> {
    let mut open = 0;
    for district in districts {
        open += session.store().alerts(district, false).await?.len();
    }
    let alerts = if open == 1 { "alert" } else { "alerts" };
    Ok((open > 0).then(|| format!("{open} open {alerts}: `rosterd alerts`")))
}

impl Threshold {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let (subscription, district) = session.subscription(&self.subscription).await?;
        let verb = Verb::Threshold { subscription, remaining: self.remaining };
        session.by_hand(district, &verb, Some(&self.reason)).await
    }
}
