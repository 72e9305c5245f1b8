//! `rosterd backup`: a copy of an SQLite store and its queue that can be restored by pointing `store.url` at it.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::command::{CommandError, Session};
use crate::store::{Settings, StoreError, backup};

/// A consistent copy of the store, also while the daemon works
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The copy; the queue's copy is put beside it. Neither may exist
    file: PathBuf,
}

impl Backup {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let files =
            backup::take(session.store(), &session.office.queue, &self.file).await.map_err(|error| match error {
                StoreError::BackupElsewhere | StoreError::BackupExists { .. } => CommandError::Usage(error.to_string()),
                other => other.into(),
            })?;
        let heads = backup::heads(&Settings { url: format!("sqlite:{}", self.file.display()) }).await?;
        if session.output.json {
            session.output.document(&json!({ "files": files, "districts": heads }))?;
            return Ok(0);
        }
        for file in &files {
            session.output.line(&format!("wrote {}", file.display()))?;
        }
        for it in &heads {
            let head = it.head.get(..12).unwrap_or(&it.head);
            session.output.line(&format!("  {}: {} audit entries, head {head}…", it.district, it.size))?;
        }
        session.output.line(&format!(
            "restore: stop rosterd, set store.url = \"sqlite:{}\", rosterd verify",
            self.file.display()
        ))?;
        Ok(0)
    }
}
