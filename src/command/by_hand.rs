//! What the manual verbs share: checked before anything is queued, carried out as a run, told as one.

use std::collections::BTreeSet;
use std::path::Path;

use crate::command::{CommandError, Session, sync};
use crate::directory::Directory;
use crate::district::District;
use crate::manual::{self, Asked, Planned, Refused, Verb};
use crate::model::{DistrictId, RunRecord, RunStatus, SourceId, Trigger};
use crate::report;
use crate::run::BY_HAND;
use crate::store::NewRequest;

/// Whether a verb is only planned.
#[derive(Debug, clap::Args)]
pub(super) struct OnlyPlan {
    /// Say what it would do, and change nothing
    #[arg(long)]
    plan: bool,
}

impl Session {
    /// Carries a verb out and prints its run. A refused one exits 1, an unknown id 2, and neither leaves a run behind.
    pub(super) async fn by_hand(
        &self,
        district: DistrictId,
        verb: &Verb,
        reason: Option<&str>,
    ) -> Result<u8, CommandError> {
        let record = self.carry_out_by_hand(district, verb, reason).await?;
        self.tell(&record)?;
        Ok(u8::from(record.status == RunStatus::Failed))
    }

    /// Says what a verb would do and changes nothing, or carries it out.
    pub(super) async fn by_hand_unless(
        &self,
        only: &OnlyPlan,
        district: DistrictId,
        verb: &Verb,
        reason: Option<&str>,
    ) -> Result<u8, CommandError> {
        if !only.plan {
            return self.by_hand(district, verb, reason).await;
        }
        let (actor, fed) = (sync::operator(), self.is_fed(&district).await);
        let asked = Asked { verb, fed, actor: &actor, reason, as_of: self.as_of() };
        let limits = &self.office.settings.guard;
        let planned = manual::foresee(self.store(), limits, &district, asked).await.map_err(|error| refused(&error))?;
        if self.output.json {
            self.output.document(&planned)?;
        } else {
            self.tell_planned(&planned)?;
        }
        Ok(if planned.holds.is_empty() { 0 } else { 3 })
    }

    fn tell_planned(&self, it: &Planned) -> Result<(), CommandError> {
        let seats = &it.seats;
        self.output.line(&format!("{}  planned, nothing written", it.district))?;
        self.output.line(&format!(
            "  seats        {} granted, {} released, {} moved, {} bridged, {} waiting",
            seats.granted, seats.released, seats.moved, seats.bridged, seats.waiting
        ))?;
        for hold in &it.holds {
            self.output.line(&format!("  {}", report::hold_line(hold)))?;
        }
        for line in &it.plan.lines {
            self.output.line(&format!("    {line}"))?;
        }
        if it.plan.omitted > 0 {
            self.output.line(&format!("    … and {} more", it.plan.omitted))?;
        }
        Ok(())
    }

    /// Carries a verb out as a run, which it returns.
    pub(super) async fn carry_out_by_hand(
        &self,
        district: DistrictId,
        verb: &Verb,
        reason: Option<&str>,
    ) -> Result<RunRecord, CommandError> {
        self.writable().await?;
        let actor = sync::operator();
        let fed = self.is_fed(&district).await;
        let asked = Asked { verb, fed, actor: &actor, reason, as_of: self.as_of() };
        manual::check(self.store(), &self.office.settings.guard, &district, asked)
            .await
            .map_err(|error| refused(&error))?;
        let request = NewRequest {
            district,
            mode: BY_HAND.to_owned(),
            trigger: Trigger::Cli,
            requested_by: Some(actor),
            reason: reason.map(str::to_owned),
            payload: Some(serde_json::to_string(verb)?),
            at: self.as_of(),
            night: None,
            idempotency_key: None,
        };
        self.carried_out(request).await
    }

    /// Whether the roster of a district comes from a feed; one that nobody configured is taken for that.
    pub(super) async fn is_fed(&self, district: &DistrictId) -> bool {
        let by_hand = |directory: &Directory| directory.get(district).map(District::is_by_hand);
        let known = match by_hand(&self.office.known) {
            Some(known) => Some(known),
            None => by_hand(&self.office.list().await),
        };
        known != Some(true)
    }
}

pub(super) fn refused(refused: &Refused) -> CommandError {
    if refused.is_usage() {
        CommandError::Usage(refused.to_string())
    } else {
        CommandError::Failed(refused.to_string())
    }
}

/// User ids from a file: one a line, or the first column of a CSV; a first line `user` or `sourcedId` is a heading.
pub(super) fn users_in(file: &Path) -> Result<BTreeSet<SourceId>, CommandError> {
    let place = file.display();
    let unreadable = |why: &str| CommandError::Usage(format!("cannot read the users in {place}: {why}"));
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_path(file).map_err(
            |error| match error.into_kind() {
                csv::ErrorKind::Io(error) => unreadable(&error.kind().to_string()),
                _ => unreadable("it is not text in UTF-8"),
            },
        )?;
    let mut users = BTreeSet::new();
    for (at, row) in reader.records().enumerate() {
        let row = row.map_err(|_| unreadable("it is not text in UTF-8"))?;
        let Some(id) = row.get(0).map(|id| id.trim_start_matches('\u{feff}')).filter(|id| !id.is_empty()) else {
            continue;
        };
        if at == 0 && matches!(id, "user" | "sourcedId") {
            continue;
        }
        users.insert(SourceId::new(id));
    }
    if users.is_empty() {
        return Err(unreadable("there is no id in it"));
    }
    Ok(users)
}
