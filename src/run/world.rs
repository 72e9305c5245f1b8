//! Where a run happens: the store, the queue, and the three things a run does with them.

use std::sync::Arc;

use crate::apply::{self, Author, Decided, Order, Pulled, Shown};
use crate::clock::Clock;
use crate::feed;
use crate::guard::{self, Cleared};
use crate::model::{Alert, AuditSpan, Baseline, KnownRows, RunRecord, RunStatus, SourceMark, Trigger, View, Warning};
use crate::run::turns::turnstile;
use crate::run::{BY_HAND, ERASE, Job, RunError};
use crate::snapshot::{Snapshot, SourceState};
use crate::store::{Queue, Recalled, Store, WriteError, Writes};

/// Where a run happens.
#[derive(Debug)]
pub struct World<'a> {
    /// Rows.
    pub store: &'a Store,
    /// Told how far the run is.
    pub queue: &'a Queue,
    /// What waits for a person.
    pub limits: &'a guard::Settings,
    /// Apps that districts are asked through.
    pub apps: &'a [feed::App],
    /// Counts rows while they come in.
    pub progress: Arc<feed::Progress>,
    /// Stamps the beginning and the end.
    pub clock: Clock,
}

impl World<'_> {
    /// Pulls the roster; rows of `known` are recognized.
    pub(super) async fn pull(
        &self,
        job: &Job<'_>,
        last: Option<SourceMark>,
        known: Option<Arc<KnownRows>>,
    ) -> Result<Snapshot, RunError> {
        let context = feed::Context {
            district: job.district.id(),
            now: job.run.as_of,
            apps: self.apps.to_vec(),
            last,
            environment: crate::secret::process_environment,
            progress: Arc::clone(&self.progress),
            recall: Some(feed::Recall::new(self.store.pseudonym_key(), &job.district.feed, known)),
            turnstile: Some(turnstile(self.queue)),
        };
        if let Some(zip) = &job.upload {
            return Ok(feed::read_sent(zip.clone(), context).await?);
        }
        let pulled: Result<Snapshot, RunError> = match feed::open(&job.district.feed, context) {
            Ok(feed) => feed.pull().await.map_err(RunError::from),
            Err(error) => Err(error.into()),
        };
        match &pulled {
            Ok(_) => self.store.note_connection(&job.district.id(), None, job.run.as_of).await?,
            Err(error) if error.is_disconnected() => {
                let told = error.told();
                self.store.note_connection(&job.district.id(), Some(&told), job.run.as_of).await?;
            }
            Err(_) => {}
        }
        pulled
    }

    /// Notes in the record what the plan would do.
    pub(super) fn note(&self, record: &mut RunRecord, cleared: &Cleared, baseline: &Baseline, snapshot: &Snapshot) {
        record.plan_hash = Some(cleared.hash().to_owned());
        record.changes = cleared.counts();
        record.seats = cleared.seat_counts();
        record.holds = cleared.holds().to_vec();
        record.proposal = cleared.proposal().cloned();
        if record.holds.iter().any(|hold| hold.group == guard::FIRST_SYNC) {
            record.needs = cleared.needs(baseline);
        }
        let mut summary = snapshot.summary();
        summary.warnings.extend(cleared.plan().warnings.iter().cloned());
        if let SourceState::Frozen(word) = &snapshot.state {
            let message = format!("the source says it is `{word}`: planned only, nothing applied (P38)");
            let code = "source_frozen".to_owned();
            summary.warnings.push(Warning { code, kind: None, count: 1, message, ids: Vec::new() });
        }
        let kept = cleared.held().count() - cleared.in_review().count();
        if kept > 0 {
            let (code, why) = match &record.district_mode {
                Some(mode) => (mode.mode.as_str(), mode.to_string()),
                None => ("quiet_hours", "quiet hours: the first sync after them applies what is still so".to_owned()),
            };
            let message = format!("changes are kept back and their seats bridged; nothing is to be decided: {why}");
            let count = u64::try_from(kept).unwrap_or(u64::MAX);
            summary.warnings.push(Warning { code: code.to_owned(), kind: None, count, message, ids: Vec::new() });
        }
        // An id that may be an email is shown as the audit shows it.
        for id in summary.warnings.iter_mut().flat_map(|warning| &mut warning.ids) {
            *id = crate::audit::shown_id(self.store.pseudonym_key(), id, &[]);
        }
        record.snapshot = Some(summary);
    }

    pub(super) async fn enter(&self, job: &Job<'_>, record: &mut RunRecord, status: RunStatus) -> Result<(), RunError> {
        record.status = status;
        self.queue.progress(&record.run, job.fence, status).await?;
        Ok(())
    }

    /// Writes what is cleared, whole or not at all, and returns the record as the store has it.
    pub async fn apply(
        &self,
        job: &Job<'_>,
        record: RunRecord,
        cleared: &Cleared,
        baseline: &Baseline,
        decided: Decided,
        source: Option<SourceMark>,
    ) -> Result<RunRecord, RunError> {
        let pulled = source.map(|mark| Pulled { mark, digest: None });
        Ok(Box::pin(self.applied(job, record, cleared, baseline, decided, pulled)).await?.0)
    }

    /// Keeps marks of the rows that the store's records rest on now, and an image of these, so that neither need be read
    /// again. It is no part of the run: where it fails, the next night reads every row.
    pub(super) async fn remember(&self, run: &RunRecord, revision: i64, recalled: Recalled<'_>, after: View<'_>) {
        if let Err(error) = self.store.know(&run.district, revision, &run.run, recalled, after).await {
            let (id, run) = (&run.district, &run.run);
            tracing::warn!(district.id = %id, run.id = %run, %error, "rows are not remembered; the next sync of {id} reads all");
        }
    }

    /// The same as [`World::apply`], and the revision the district has then.
    pub(super) async fn applied(
        &self,
        job: &Job<'_>,
        record: RunRecord,
        cleared: &Cleared,
        baseline: &Baseline,
        decided: Decided,
        pulled: Option<Pulled>,
    ) -> Result<(RunRecord, i64), RunError> {
        let revision = baseline.state.revision;
        let person = matches!(job.run.trigger, Trigger::Approval | Trigger::Revert)
            || [BY_HAND, ERASE].contains(&job.run.mode.as_str());
        let actor = job.run.requested_by.clone().filter(|_| person).unwrap_or_else(|| "rosterd".to_owned());
        let by_hand = || job.run.reason.clone().unwrap_or_else(|| "by hand".to_owned());
        let reason = (job.run.mode == BY_HAND).then(by_hand);
        let run = RunRecord { finished_at: Some(self.clock.now()), ..record };
        let order = Order {
            run,
            fence: Some(job.fence),
            pulled,
            author: Author { actor, person, reason },
            shown: Shown::new(
                self.store.pseudonym_key(),
                baseline,
                cleared.plan().changes.iter().chain(&cleared.plan().pending).chain(&cleared.plan().kept_back),
            ),
            fed: job.district.feed.kind() != "manual",
        };
        let writes = apply::writes(cleared, baseline, order, decided)?;
        let mut record = writes.run.clone();
        let decided_nothing = writes.decisions_cleared.is_empty()
            && writes.hold_decisions.is_empty()
            && writes.contract.is_empty()
            && writes.remembered.is_none()
            && writes.kept_put.is_empty()
            && writes.kept_removed.is_empty()
            && writes.daily_put.is_empty()
            && writes.daily_removed.is_empty();
        if record.status == RunStatus::Unchanged && decided_nothing && baseline.state.source.is_some() {
            // A second run of the same data writes nothing but its own row, and that the data is of now.
            let settled = writes.settled.as_ref().map(|it| (revision, it));
            self.store.finish_unchanged(&record, Some(job.fence), writes.source.as_ref(), settled).await?;
            return Ok((record, revision));
        }
        let news = news(&writes);
        match Box::pin(self.store.write(writes)).await {
            Ok(span) => {
                // A chain alone does not show that its end was cut off; the log keeps where it stood (P53).
                if let Some(AuditSpan { last_seq, head, .. }) = &span {
                    let (id, at) = (&record.district, record.as_of);
                    tracing::info!(district.id = %id, size = last_seq, %head, %at, "audit checkpoint of {id}");
                }
                for (alert, what) in news {
                    let (id, kind, district) = (&alert.id, alert.kind, &alert.district);
                    tracing::info!(district.id = %district, alert.id = %id, alert.kind = %kind, "alert {what} in {district}: {kind}");
                }
                record.audit = span;
            }
            // An answer that was lost is settled by reading the run (safety.md, Crash).
            Err(error @ (WriteError::AlreadyDone(_) | WriteError::Store(_))) => {
                record = self.store.run(&record.run).await?.ok_or(error)?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok((record, revision + 1))
    }
}

/// The alerts that people are to be told of, once each.
fn news(writes: &Writes<'_>) -> Vec<(Alert, &'static str)> {
    let now = writes.allocated_at;
    let what = |it: &Alert| match it {
        it if it.cleared_at.is_some() => Some("cleared"),
        it if it.raised_at == now => Some("raised"),
        it if it.stepped_at == Some(now) => Some("stepped"),
        _ => None,
    };
    writes.alerts_put.iter().filter_map(|it| Some((it.clone(), what(it)?))).collect()
}
