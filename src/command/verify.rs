//! `rosterd verify`: audit chain, fold of the audit against the store, all invariants of licensing.md.

use clap::Args;
use serde_json::json;

use crate::allocate;
use crate::command::{CommandError, Session, output};

/// Checks audit chain, fold and invariants
#[derive(Debug, Default, Args)]
pub(super) struct Verify {
    /// Of one district
    #[arg(long, value_name = "D")]
    district: Option<String>,
}

impl Verify {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let districts = match &self.district {
            Some(id) => vec![session.district(id).await?],
            None => session.store().districts().await?.into_iter().map(|it| it.id).collect(),
        };
        let mut found = Vec::new();
        let mut broken = false;
        for district in districts {
            let checked = session.store().check(&district, None).await?;
            let baseline = session.store().baseline(&district).await?;
            let mut faults = checked.faults;
            faults.extend(
                allocate::check(&baseline, baseline.state.allocated_at.unwrap_or_else(|| session.as_of()))
                    .iter()
                    .map(ToString::to_string),
            );
            broken |= !faults.is_empty();
            if !session.output.json {
                let entries = checked.end.as_ref().map_or(0, |end| end.size);
                if faults.is_empty() {
                    session.output.line(&format!("{district}: clean, {entries} audit entries"))?;
                }
                for fault in &faults {
                    output::complain(&format!("{district}: {fault}"));
                }
            }
            found.push(json!({ "district": district, "clean": faults.is_empty(), "faults": faults }));
        }
        if session.output.json {
            session.output.document(&found)?;
        } else if found.is_empty() {
            session.output.line("the store has no district yet: clean")?;
        }
        Ok(u8::from(broken))
    }
}
