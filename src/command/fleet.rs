//! `rosterd fleet`: what all districts together release, and that somebody has looked at it.

use clap::{Args, Subcommand};

use crate::command::{CommandError, Session, sync};
use crate::manual;
use crate::model::Timestamp;

/// What all districts together release
#[derive(Debug, Args)]
pub(super) struct Fleet {
    #[command(subcommand)]
    act: Option<Act>,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Say that you have looked at it: releases go on everywhere with each district's next sync
    Acknowledge {
        /// What you found, for the audit
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

impl Fleet {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let store = session.store();
        if let Some(Act::Acknowledge { reason }) = &self.act {
            session.writable().await?;
            let actor = sync::operator();
            let done = manual::acknowledge_fleet(store, &actor, Some(reason), session.as_of()).await?;
            if done.is_none() {
                return Err(CommandError::Failed(manual::FLEET_NOT_HELD.to_owned()));
            }
        }
        let told = manual::fleet_told(store, session.as_of()).await?;
        let out = session.output;
        if out.json {
            out.document(&told)?;
            return Ok(0);
        }
        out.line(&format!("released in 24 hours: {}, on a usual day: {}", told.released, told.usual))?;
        let since = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        match &told.last_hold {
            Some(hold) if told.held => out.line(&format!(
                "held in every district since {}: {} releases (run {} of {}); look, then `rosterd fleet acknowledge --reason …`",
                hold.since, hold.released, hold.run, hold.district
            ))?,
            Some(hold) => out.line(&format!(
                "last held since {}, acknowledged by {} at {}",
                hold.since,
                hold.acknowledged_by.as_deref().unwrap_or_default(),
                since(hold.acknowledged_at)
            ))?,
            None => {}
        }
        Ok(0)
    }
}
