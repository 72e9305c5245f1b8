//! Apply's one transaction: everything a run changes, or nothing (safety.md, A run, 6).

use std::collections::BTreeSet;

use crate::allocate::SeatKey;
use crate::audit::Draft;
use crate::model::{
    Alert, AuditSpan, ContractChange, Daily, DailyKey, Date, Decision, DistrictId, Ended, HeldChange, Kind, Notice,
    RecentLoss, ReleaseReason, Remembered, RunId, RunRecord, Seat, SourceId, SourceMark, Timestamp, Verb, Waiting,
};
use crate::settled::Settled;
use crate::store::failpoint::failpoint;
use crate::store::hand::{self, ByHand};
use crate::store::rows::{Lent, Rows};
use crate::store::{
    Store, StoreError, WriteError, alerts, audit, catalog, change, district, erase, first, fleet, history, identity,
    loss, mode, notices, records, runs, seats, settled,
};

/// So many rows written at once make the database's idea of its tables a wrong one.
const MANY: usize = 10_000;

/// Rows a statement.
pub(super) const BATCH: usize = 500;

/// One change of a record.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordWrite {
    /// Its kind.
    pub kind: Kind,
    /// Its id as text.
    pub id: String,
    /// What happens.
    pub verb: Verb,
    /// Body before; none for added.
    pub before: Option<String>,
    /// Body after; none for removed.
    pub after: Option<String>,
    /// For removed: it left by mere absence, which is no evidence (licensing.md, step 2).
    pub departed: bool,
}

impl std::fmt::Debug for RecordWrite {
    /// Bodies hold names.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordWrite")
            .field("kind", &self.kind)
            .field("verb", &self.verb)
            .field("departed", &self.departed)
            .finish_non_exhaustive()
    }
}

/// A decision on one held change of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldUpdate {
    /// The run that held it.
    pub run: RunId,
    /// The record's kind.
    pub kind: Kind,
    /// The record's id as text.
    pub id: String,
    /// `approved`, `rejected` or `superseded`.
    pub decision: String,
    /// Who; none for superseded.
    pub by: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Everything one run writes.
#[derive(Clone)]
pub struct Writes<'a> {
    /// The district.
    pub district: DistrictId,
    /// The revision the plan was made on.
    pub base_revision: i64,
    /// The lease's fencing number; none for what runs without a lease.
    pub fence: Option<i64>,
    /// The run; its `audit` is filled in.
    pub run: RunRecord,
    /// Record changes.
    pub records: Rows<'a, RecordWrite>,
    /// Seats that are new or changed.
    pub seats_put: Vec<Lent<'a, Seat>>,
    /// Seats that are gone.
    pub seats_removed: Vec<SeatKey>,
    /// Places in line that are new or changed.
    pub waiting_put: Vec<Lent<'a, Waiting>>,
    /// Places in line that are gone.
    pub waiting_removed: Vec<SeatKey>,
    /// Seats that ended.
    pub ended_put: Vec<(SeatKey, Ended)>,
    /// The same seats as they were, for a revert.
    pub seats_ended: Vec<(Seat, ReleaseReason)>,
    /// What the run holds.
    pub held: Vec<HeldChange>,
    /// Changes that a mode keeps back from now on and did not, or not so.
    pub kept_put: Vec<HeldChange>,
    /// Changes that no mode keeps back any more.
    pub kept_removed: Vec<(Kind, String)>,
    /// Decisions to remember.
    pub decisions: Vec<(Kind, String, Decision)>,
    /// Decisions to forget.
    pub decisions_cleared: Vec<(Kind, String)>,
    /// Held changes, of this or other runs, that are decided.
    pub hold_decisions: Vec<HoldUpdate>,
    /// Other runs whose holds were decided.
    pub runs_updated: Vec<RunRecord>,
    /// Where the roster came from, after a complete snapshot.
    pub source: Option<SourceMark>,
    /// What people decided by hand.
    pub by_hand: ByHand,
    /// What of the catalog is put in force.
    pub contract: ContractChange,
    /// What the allocation leaves to remember; none if that is as before.
    pub remembered: Option<Remembered>,
    /// A user of whom nothing is left afterwards.
    pub erase: Option<SourceId>,
    /// Users whose id is someone else's now: of the former one no use, no access and no return is remembered.
    pub anew: BTreeSet<SourceId>,
    /// What the run takes away unattended, for the guard's sum of seven days.
    pub losses: Vec<RecentLoss>,
    /// Alerts that are raised, changed or cleared.
    pub alerts_put: Vec<Alert>,
    /// What people are to be told of it.
    pub notices: Vec<Notice>,
    /// Seats in use today, where they are not as the day before.
    pub daily_put: Vec<Daily>,
    /// Days of that history that are too old.
    pub daily_removed: Vec<(DailyKey, Date)>,
    /// What the next sync may go by; none where something is left to do.
    pub settled: Option<Settled>,
    /// The run's `as_of`.
    pub allocated_at: Timestamp,
    /// One draft a change.
    pub audit: Rows<'a, Draft>,
}

impl std::fmt::Debug for Writes<'_> {
    /// Bodies hold names.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writes")
            .field("district", &self.district)
            .field("base_revision", &self.base_revision)
            .field("fence", &self.fence)
            .field("run", &self.run.run)
            .field("records", &self.records.len())
            .field("held", &self.held.len())
            .field("audit", &self.audit.len())
            .finish_non_exhaustive()
    }
}

impl Writes<'_> {
    /// Whether anything but the run's own row is written: then plans made before are stale.
    fn changes_anything(&self) -> bool {
        let Self {
            district: _,
            base_revision: _,
            fence: _,
            run: _,
            records,
            seats_put,
            seats_removed,
            waiting_put,
            waiting_removed,
            ended_put,
            seats_ended,
            held,
            kept_put,
            kept_removed,
            decisions,
            decisions_cleared,
            hold_decisions,
            runs_updated,
            source: _,
            by_hand,
            contract,
            remembered,
            erase,
            anew,
            losses,
            alerts_put,
            // Plans do not rest on what is told, nor on the history.
            notices: _,
            daily_put: _,
            daily_removed: _,
            settled: _,
            allocated_at: _,
            audit,
        } = self;
        !(records.is_empty()
            && seats_put.is_empty()
            && seats_removed.is_empty()
            && waiting_put.is_empty()
            && waiting_removed.is_empty()
            && ended_put.is_empty()
            && seats_ended.is_empty()
            && held.is_empty()
            && kept_put.is_empty()
            && kept_removed.is_empty()
            && decisions.is_empty()
            && decisions_cleared.is_empty()
            && hold_decisions.is_empty()
            && runs_updated.is_empty()
            && by_hand.is_empty()
            && contract.is_empty()
            && remembered.is_none()
            && erase.is_none()
            && anew.is_empty()
            && losses.is_empty()
            && alerts_put.is_empty()
            && audit.is_empty())
    }
}

impl Store {
    /// Writes a run whole or not at all and returns the audit entries it made. Checked in the same transaction: the fence,
    /// that the run is not done, the revision. A COMMIT whose answer was lost is settled by reading the run's row.
    pub async fn write(&self, writes: Writes<'_>) -> Result<Option<AuditSpan>, WriteError> {
        let changed = writes.changes_anything();
        let mut tx = self.db.write().await?;
        failpoint("store.write.begun");
        let mut locked = district::lock(&mut tx, &writes.district).await?;
        if runs::is_done(&mut tx, &writes.run.run).await? {
            return Err(WriteError::AlreadyDone(writes.run.run));
        }
        if let Some(fence) = writes.fence {
            locked.pass(&mut tx, fence).await?;
        }
        if locked.revision != writes.base_revision {
            let (expected, found) = (writes.base_revision, locked.revision);
            return Err(WriteError::Stale { expected, found });
        }

        let first = !writes.records.is_empty() && first::begin(&mut tx, &locked, &writes.run.run).await?;
        let mut told = change::note_seats(&mut tx, &locked, &writes).await? || first;
        let Writes { district, mut run, .. } = writes;
        let tx_ref = &mut tx;
        let mut written = writes.seats_put.len();
        for batch in writes.records.batches(records::batch(tx_ref)) {
            let batch = batch.map_err(|_| StoreError::Unwritable { table: "record" })?;
            records::put(tx_ref, self.pseudonym_key(), &district, &run.run, &batch).await?;
            written += batch.len();
            if !first {
                records::put_versions(tx_ref, &district, &run.run, &batch).await?;
                told |= change::note_records(tx_ref, &locked, &batch).await?;
            }
        }
        failpoint("store.write.records");
        run.audit = audit::write(tx_ref, &mut locked, &run.run, run.as_of, &writes.audit).await?;
        failpoint("store.write.audit");
        runs::put_run(tx_ref, &run).await?;
        seats::remove_seats(tx_ref, &district, &writes.seats_removed).await?;
        seats::put_seats(tx_ref, &district, &writes.seats_put).await?;
        seats::remove_waiting(tx_ref, &district, &writes.waiting_removed).await?;
        seats::put_waiting(tx_ref, &district, &writes.waiting_put).await?;
        if first {
            first::end(tx_ref).await?;
        }
        identity::begin_anew(tx_ref, &district, &writes.anew).await?;
        seats::put_ended(tx_ref, &district, &writes.ended_put).await?;
        history::put(tx_ref, &district, &run.run, &writes.seats_ended).await?;
        alerts::put(tx_ref, &district, &writes.alerts_put).await?;
        notices::put(tx_ref, &district, &writes.notices).await?;
        alerts::put_daily(tx_ref, &district, &writes.daily_put, &writes.daily_removed).await?;
        failpoint("store.write.seats");
        runs::put_held(tx_ref, &district, &run.run, &writes.held).await?;
        mode::put_kept(tx_ref, &district, &writes.kept_put, &writes.kept_removed).await?;
        runs::clear_decisions(tx_ref, &district, &writes.decisions_cleared).await?;
        runs::put_decisions(tx_ref, &district, &writes.decisions).await?;
        runs::decide_held(tx_ref, &district, &writes.hold_decisions).await?;
        for other in &writes.runs_updated {
            runs::change_run(tx_ref, other).await?;
        }
        catalog::put(tx_ref, &district, &writes.contract).await?;
        hand::put(tx_ref, &district, &writes.by_hand).await?; // after it: what a person lays over the contract is not over
        failpoint("store.write.contract");
        if let Some(remembered) = &writes.remembered {
            locked.set_remembered(tx_ref, remembered).await?;
        }
        loss::put(tx_ref, &district, &writes.losses, writes.allocated_at).await?;
        fleet::put(tx_ref, &run, &writes.losses).await?;
        if let Some(source) = &writes.source {
            locked.set_source(tx_ref, source).await?;
        }
        locked.set_allocated(tx_ref, writes.allocated_at).await?;
        if let Some(user) = &writes.erase {
            let at = writes.allocated_at;
            run.erased = Some(erase::person(tx_ref, self.pseudonym_key(), &district, user, at).await?);
            runs::change_run(tx_ref, &run).await?;
        }
        locked.moved(tx_ref, changed).await?;
        if let Some(settled) = &writes.settled {
            settled::put(tx_ref, &district, writes.base_revision + i64::from(changed), settled).await?;
        }
        if told {
            change::number(tx_ref, &locked, writes.allocated_at).await?;
        }

        failpoint("store.write.commit");
        if let Err(error) = tx.commit().await {
            return self.settle(&run, error).await;
        }
        self.commits.send_modify(|count| *count += 1);
        failpoint("store.write.committed");
        if written >= MANY
            && let Err(error) = self.db.survey().await
        {
            tracing::warn!(district.id = %district, %error, "the database's statistics are not brought up to date; it does so itself later");
        }
        Ok(run.audit)
    }

    /// The answer to COMMIT is an error: the run's row tells whether it happened.
    pub(super) async fn settle(&self, run: &RunRecord, error: StoreError) -> Result<Option<AuditSpan>, WriteError> {
        match self.run(&run.run).await {
            Ok(Some(found)) if found.audit == run.audit => Ok(run.audit.clone()),
            Ok(_) | Err(_) => Err(WriteError::Store(error)),
        }
    }
}
