//! `rosterd district purge` and `rosterd user erase`: people leave the store for good, and it is proven.

use clap::Args;
use serde::Serialize;
use serde_json::json;

use crate::audit::{Category, Draft, pseudonym, shown_id};
use crate::command::output::{Tone, tell};
use crate::command::{CommandError, Session, sync};
use crate::erase::{Ask, Traces};
use crate::model::{RunRecord, RunStatus, SourceId, Trigger};
use crate::run::ERASE;
use crate::store::{Act, Counts, NewRequest};

/// An erasure
#[derive(Debug, Args)]
pub(super) struct Erase {
    /// The district
    #[arg(long, value_name = "D")]
    district: String,
    /// The user's id in the source
    #[arg(long, value_name = "U")]
    user: String,
    /// Let the source send an erased user again
    #[arg(long)]
    undo: bool,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// A district purged of everyone
#[derive(Debug, Args)]
pub(super) struct Purge {
    /// The district
    district: String,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// What was deleted, and what a search of the whole district finds afterwards.
#[derive(Debug, Serialize)]
struct Proof {
    district: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<RunRecord>,
    /// Rows by table.
    deleted: Counts,
    /// Values looked for; none of them is shown.
    searched: usize,
    /// Rows in which one of them still stands, by table.
    found: Counts,
    /// Whether the database's files were rewritten without the deleted rows.
    compacted: bool,
}

impl Erase {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        if self.undo { self.undo(session).await } else { self.erase(session).await }
    }

    async fn erase(&self, session: &Session) -> Result<u8, CommandError> {
        session.writable().await?;
        let district = session.district(&self.district).await?;
        let ask = Ask { user: SourceId::new(self.user.as_str()) };
        let traces = Traces::of(session.store(), &district, &ask.user).await?;
        if session.store().bodies_of_user(&district, &ask.user).await?.is_empty() {
            let key = session.store().pseudonym_key();
            if session.store().erased(&district).await?.contains(&pseudonym(key, &self.user)) {
                // Erased before, and the process may have died before it rewrote the files.
                let compacted = session.store().compact().await?;
                let (deleted, found) = (Counts::new(), Counts::new());
                let proof = Proof { district: district.to_string(), run: None, deleted, searched: 0, found, compacted };
                return proof.tell(session);
            }
            let user = shown_id(key, &self.user, &[]);
            return Err(CommandError::Usage(format!("district `{district}` has no user `{user}`, active or archived")));
        }
        let request = NewRequest {
            district: district.clone(),
            mode: ERASE.to_owned(),
            trigger: Trigger::Cli,
            requested_by: Some(sync::operator()),
            reason: self.reason.clone(),
            payload: Some(serde_json::to_string(&ask)?),
            at: session.as_of(),
            night: None,
            idempotency_key: None,
        };
        let record = session.carried_out(request).await?;
        if record.status == RunStatus::Failed {
            session.report(&record)?;
            return Ok(1);
        }
        let proof = Proof {
            deleted: record.erased.clone().unwrap_or_default(),
            run: Some(record),
            searched: traces.count(),
            found: traces.found(session.store(), &district).await?,
            compacted: session.store().compact().await?,
            district: district.to_string(),
        };
        proof.tell(session)
    }

    async fn undo(&self, session: &Session) -> Result<u8, CommandError> {
        session.writable().await?;
        let district = session.district(&self.district).await?;
        let user = SourceId::new(self.user.as_str());
        let shown = shown_id(session.store().pseudonym_key(), &self.user, &[]);
        let draft = draft("user", "erasure_ended", shown.clone(), None, self.reason.clone());
        let act = Act { district: district.clone(), run: None, at: session.as_of(), audit: vec![draft] };
        if !session.store().end_erasure(act, &user).await? {
            return Err(CommandError::Usage(format!("user `{shown}` of district `{district}` was not erased")));
        }
        session.output.line(&format!("{district}: user {shown} is taken up again when the source sends them"))?;
        Ok(0)
    }
}

fn draft(entity: &str, verb: &str, id: String, after: Option<serde_json::Value>, reason: Option<String>) -> Draft {
    Draft {
        actor: sync::operator(),
        category: Category::Administrative,
        action: format!("{entity}.{verb}"),
        entity: entity.to_owned(),
        id,
        before: None,
        after,
        reason,
    }
}

impl Purge {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        session.writable().await?;
        let district = session.district(&self.district).await?;
        let entry = |counts: &Counts| {
            draft("district", "purged", district.to_string(), Some(json!({ "rows": counts })), self.reason.clone())
        };
        let deleted = session.store().purge(&district, session.as_of(), entry).await?;
        if session.office.settings.district(district.as_str()).is_some() {
            tell(&format!(
                "district {district} is still configured: take it out, or its next sync brings its people back for review"
            ));
        }
        let found = session.store().people_left(&district).await?;
        let proof = Proof {
            district: district.to_string(),
            run: None,
            searched: found.len(),
            found: found.into_iter().filter(|(_, n)| *n > 0).collect(),
            compacted: session.store().compact().await?,
            deleted,
        };
        proof.tell(session)
    }
}

impl Proof {
    /// Prints it; 1 if something was found.
    fn tell(&self, session: &Session) -> Result<u8, CommandError> {
        let out = &session.output;
        let code = u8::from(!self.found.is_empty());
        if out.json {
            out.document(self)?;
            return Ok(code);
        }
        out.line(&format!("{}: deleted", self.district))?;
        for (table, n) in self.deleted.iter().filter(|(_, n)| **n > 0) {
            out.line(&format!("  {n:>8} {table}"))?;
        }
        if self.found.is_empty() {
            out.line(&out.tone(Tone::Good, &format!("  nothing found afterwards ({} searches)", self.searched)))?;
        }
        for (table, n) in &self.found {
            out.line(&out.tone(Tone::Bad, &format!("  still in {n} rows of {table}")))?;
        }
        if !self.compacted {
            out.line(
                "  the files could not be rewritten while another process reads them: run this again when it is idle",
            )?;
        }
        Ok(code)
    }
}
