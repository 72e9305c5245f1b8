//! `rosterd import`: a bulk upload into a district that is kept by hand, as a run like any other.

use std::path::PathBuf;

use clap::Args;

use crate::command::{CommandError, Session, sync};
use crate::district::NotByHand;
use crate::feed;
use crate::model::Trigger;
use crate::schedule::worker;
use crate::store::NewRequest;

/// Upload a roster into a district that is kept by hand, and its report
///
/// FILE is a zip or a folder of OneRoster CSV files, or one such file; a CSV of any other name is taken for `users.csv`. What a
/// file tells replaces what the store has of its kind; a kind without a file stays as it is, and then nothing is removed.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The district
    #[arg(value_name = "DISTRICT")]
    district: String,
    /// The upload
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Say what would change, and change nothing
    #[arg(long)]
    plan: bool,
    /// Why, for the run's record
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Import {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        session.writable().await?;
        session.look_at_catalog().await?;
        let district = session.district(&self.district).await?;
        if session.is_fed(&district).await {
            return Err(CommandError::Failed(NotByHand(district).to_string()));
        }
        let zip = feed::pack(&self.file).map_err(|error| CommandError::Usage(error.told()))?;
        let request = NewRequest {
            district,
            mode: if self.plan { "plan" } else { "apply" }.to_owned(),
            trigger: Trigger::Cli,
            requested_by: Some(sync::operator()),
            reason: self.reason.clone(),
            payload: Some(worker::sent_along(&zip)),
            at: session.as_of(),
            night: None,
            idempotency_key: None,
        };
        let record = session.carried_out(request).await?;
        session.tell(&record)?;
        Ok(sync::exit_status(&[record], false))
    }
}
