//! Runs that have ended, what they held, and what people decided about it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::{
    Decision, DistrictId, Fingerprint, HeldChange, Kind, PendingReview, RunId, RunRecord, RunStatus, SourceMark,
    Timestamp, Verdict,
};
use crate::notice;
use crate::settled::Settled;
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, bulk, statements};
use crate::store::records::KeyRow;
use crate::store::write::{BATCH, HoldUpdate};
use crate::store::{Store, StoreError, WriteError, district, notices, settled};

const RUN: Table = Table("run");
const HELD: Table = Table("held_change");
const DECISION: Table = Table("decision");

/// The group of a district's or feed's first sync (safety.md, Guard).
const FIRST_SYNC: &str = "district/first_sync";

statements! {
    RUN_STATUS = Sql::portable("SELECT status FROM run WHERE id = $1");
    RUN_RECORD = Sql::portable("SELECT record FROM run WHERE id = $1");
    RUNS = Sql::portable(
        "SELECT record FROM run
         WHERE (CAST($1 AS TEXT) IS NULL OR district = $1) AND (CAST($2 AS TEXT) IS NULL OR status = $2)
             AND (CAST($3 AS TEXT) IS NULL OR id < $3)
         ORDER BY id DESC LIMIT $4",
    );
    UNDECIDED_RUNS = Sql::portable(
        "SELECT record FROM run WHERE district = $1 AND undecided ORDER BY ordinal DESC",
    );
    NEXT_ORDINAL = Sql::portable(
        "SELECT COALESCE(MAX(ordinal), 0) + 1 AS ordinal FROM run WHERE district = $1",
    );
    PUT_RUN = Sql::portable(
        "INSERT INTO run (id, district, ordinal, status, as_of, undecided, record)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (id) DO UPDATE SET status = excluded.status, undecided = excluded.undecided,
             record = excluded.record",
    );
    CHANGE_RUN = Sql::portable(
        "UPDATE run SET status = $3, undecided = $4, record = $5 WHERE id = $1 AND district = $2",
    );
    HELD_CHANGES = Sql::portable(
        "SELECT kind, id, held_groups, before, after, tombstone, decision FROM held_change
         WHERE run = $1 ORDER BY kind, id",
    );
    HELD_FIRST = Sql::portable(
        "SELECT kind, id, held_groups, before, after, tombstone, decision FROM held_change
         WHERE run = $1 AND kind = $2 ORDER BY id LIMIT $3",
    );
    HELD_COUNT = Sql::portable("SELECT COUNT(*) AS n FROM held_change WHERE run = $1");
    PUT_HELD = bulk!(
        "INSERT INTO held_change (district, run, kind, id, held_groups, before, after, tombstone)
         SELECT $1, $3, r.kind, r.id, r.held_groups, r.before, r.after, r.tombstone",
        (kind TEXT, id TEXT, held_groups TEXT, before TEXT, after TEXT, tombstone BOOLEAN),
        "WHERE true"
    );
    DECIDE_HELD = Sql::portable(
        "UPDATE held_change SET decision = $5, decided_by = $6, decided_at = $7
         WHERE run = $1 AND district = $2 AND kind = $3 AND id = $4",
    );
    DECISIONS = Sql::portable(
        "SELECT kind, id, verdict, version, until, run FROM decision WHERE district = $1",
    );
    PUT_DECISIONS = bulk!(
        "INSERT INTO decision (district, kind, id, verdict, version, until, run)
         SELECT $1, r.kind, r.id, r.verdict, r.version, r.until, r.run",
        (kind TEXT, id TEXT, verdict TEXT, version TEXT, until BIGINT, run TEXT),
        "WHERE true ON CONFLICT (district, kind, id) DO UPDATE SET verdict = excluded.verdict,
             version = excluded.version, until = excluded.until, run = excluded.run"
    );
    CLEAR_DECISIONS = bulk!(
        "DELETE FROM decision WHERE district = $1 AND (kind, id) IN (SELECT r.kind, r.id",
        (kind TEXT, id TEXT),
        ")"
    );
}

/// Which runs to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Of one district.
    pub district: Option<DistrictId>,
    /// In one status.
    pub status: Option<RunStatus>,
    /// Older than this run, for paging.
    pub before: Option<RunId>,
    /// At most so many; none: 50.
    pub limit: Option<u32>,
}

fn read_run((record,): (String,)) -> Result<RunRecord, StoreError> {
    RUN.json("record", &record)
}

/// Whether a run's row is there and says that the run has ended.
pub(super) async fn is_done(tx: &mut Tx, run: &RunId) -> Result<bool, StoreError> {
    let row: Option<(String,)> = tx.query(RUN_STATUS).bind(run.as_str()).fetch_optional().await?;
    let Some((status,)) = row else { return Ok(false) };
    let status = RunStatus::parse(&status).ok_or_else(|| RUN.corrupt("status"))?;
    Ok(!matches!(status, RunStatus::Queued | RunStatus::Fetching | RunStatus::Applying))
}

pub(super) async fn put_run(tx: &mut Tx, run: &RunRecord) -> Result<(), StoreError> {
    let (ordinal,): (i64,) = tx.query(NEXT_ORDINAL).bind(run.district.as_str()).fetch_one().await?;
    tx.query(PUT_RUN)
        .bind(run.run.as_str())
        .bind(run.district.as_str())
        .bind(ordinal)
        .bind(run.status.as_str())
        .bind(run.as_of.millis())
        .bind(waits(run))
        .bind(RUN.to_json(run)?)
        .execute_exactly(1)
        .await
}

/// Whether a person is to decide: what a plan would hold waits for nobody.
fn waits(run: &RunRecord) -> bool {
    run.status == RunStatus::Held && run.undecided()
}

/// A run that is there already and got a decision.
pub(super) async fn change_run(tx: &mut Tx, run: &RunRecord) -> Result<(), StoreError> {
    tx.query(CHANGE_RUN)
        .bind(run.run.as_str())
        .bind(run.district.as_str())
        .bind(run.status.as_str())
        .bind(waits(run))
        .bind(RUN.to_json(run)?)
        .execute_exactly(1)
        .await
}

#[derive(Serialize)]
struct HeldRow<'a> {
    kind: &'a str,
    id: &'a str,
    held_groups: String,
    before: Option<&'a str>,
    after: Option<&'a str>,
    tombstone: bool,
}

#[derive(Serialize)]
struct DecisionRow<'a> {
    kind: &'a str,
    id: &'a str,
    verdict: String,
    version: Option<&'a str>,
    until: Option<i64>,
    run: &'a str,
}

pub(super) async fn put_held(
    tx: &mut Tx,
    district: &DistrictId,
    run: &RunId,
    held: &[HeldChange],
) -> Result<(), StoreError> {
    for batch in held.chunks(BATCH) {
        let row = |it: &HeldChange| HELD.to_json(&it.groups);
        let groups: Vec<String> = batch.iter().map(row).collect::<Result<_, _>>()?;
        let rows = batch.iter().zip(groups).map(|(it, held_groups)| HeldRow {
            kind: it.kind.plural(),
            id: &it.id,
            held_groups,
            before: it.before.as_deref(),
            after: it.after.as_deref(),
            tombstone: it.tombstone,
        });
        let rows: Vec<_> = rows.collect();
        tx.query(PUT_HELD)
            .bind(district.as_str())
            .bind(HELD.to_json(&rows)?)
            .bind(run.as_str())
            .execute_exactly(rows.len())
            .await?;
    }
    Ok(())
}

pub(super) async fn decide_held(tx: &mut Tx, district: &DistrictId, updates: &[HoldUpdate]) -> Result<(), StoreError> {
    for it in updates {
        tx.query(DECIDE_HELD)
            .bind(it.run.as_str())
            .bind(district.as_str())
            .bind(it.kind.plural())
            .bind(it.id.as_str())
            .bind(it.decision.as_str())
            .bind(it.by.as_deref())
            .bind(it.at.millis())
            .execute_exactly(1)
            .await?;
    }
    Ok(())
}

pub(super) async fn put_decisions(
    tx: &mut Tx,
    district: &DistrictId,
    decisions: &[(Kind, String, Decision)],
) -> Result<(), StoreError> {
    for batch in decisions.chunks(BATCH) {
        let row = |(kind, id, it): &'_ (Kind, String, Decision)| -> Result<_, StoreError> {
            Ok((*kind, id.clone(), DECISION.to_word(&it.verdict)?, it.clone()))
        };
        let rows: Vec<_> = batch.iter().map(row).collect::<Result<_, _>>()?;
        let rows: Vec<_> = rows
            .iter()
            .map(|(kind, id, verdict, it)| DecisionRow {
                kind: kind.plural(),
                id,
                verdict: verdict.clone(),
                version: it.version.as_ref().map(|version| version.0.as_str()),
                until: it.until.map(Timestamp::millis),
                run: it.run.as_str(),
            })
            .collect();
        let query = tx.query(PUT_DECISIONS).bind(district.as_str()).bind(DECISION.to_json(&rows)?);
        query.execute_exactly(rows.len()).await?;
    }
    Ok(())
}

/// One that is not there is no error: it may have run out meanwhile.
pub(super) async fn clear_decisions(
    tx: &mut Tx,
    district: &DistrictId,
    keys: &[(Kind, String)],
) -> Result<(), StoreError> {
    for batch in keys.chunks(BATCH) {
        let rows: Vec<_> = batch.iter().map(|(kind, id)| KeyRow { kind: kind.plural(), id }).collect();
        let rows = DECISION.to_json(&rows)?;
        tx.query(CLEAR_DECISIONS).bind(district.as_str()).bind(rows).execute().await?;
    }
    Ok(())
}

pub(super) async fn read_decisions(
    tx: &mut Tx,
    district: &DistrictId,
) -> Result<BTreeMap<(Kind, String), Decision>, StoreError> {
    type Columns = (String, String, String, Option<String>, Option<i64>, String);
    let rows: Vec<Columns> = tx.query(DECISIONS).bind(district.as_str()).fetch_all().await?;
    let read = |(kind, id, verdict, version, until, run): Columns| {
        let decision = Decision {
            verdict: DECISION.word::<Verdict>("verdict", &verdict)?,
            version: version.map(Fingerprint),
            until: DECISION.instant_if("until", until)?,
            run: run.into(),
        };
        Ok(((DECISION.kind(&kind)?, id), decision))
    };
    rows.into_iter().map(read).collect()
}

pub(super) async fn read_undecided(tx: &mut Tx, district: &DistrictId) -> Result<Vec<RunRecord>, StoreError> {
    let rows: Vec<(String,)> = tx.query(UNDECIDED_RUNS).bind(district.as_str()).fetch_all().await?;
    rows.into_iter().map(read_run).collect()
}

type HeldColumns = (String, String, String, Option<String>, Option<String>, bool, Option<String>);

fn held(columns: HeldColumns) -> Result<(HeldChange, Option<String>), StoreError> {
    let (kind, id, groups, before, after, tombstone, decision) = columns;
    let groups: BTreeSet<String> = HELD.json("held_groups", &groups)?;
    let kind = HELD.kind(&kind)?;
    Ok((HeldChange { groups, kind, id, before, after, tombstone }, decision))
}

async fn read_held(tx: &mut Tx, run: &RunId) -> Result<Vec<(HeldChange, Option<String>)>, StoreError> {
    let rows: Vec<HeldColumns> = tx.query(HELD_CHANGES).bind(run.as_str()).fetch_all().await?;
    let mut changes: Vec<_> = rows.into_iter().map(held).collect::<Result<_, StoreError>>()?;
    changes.sort_by(|(a, _), (b, _)| (a.kind, &a.id).cmp(&(b.kind, &b.id)));
    Ok(changes)
}

/// The latest review with anything undecided.
pub(super) async fn read_review(tx: &mut Tx, district: &DistrictId) -> Result<Option<PendingReview>, StoreError> {
    let Some(run) = read_undecided(tx, district).await?.into_iter().next() else {
        return Ok(None);
    };
    let changes = read_held(tx, &run.run).await?;
    let undecided = changes.into_iter().filter(|(_, decision)| decision.is_none());
    Ok(Some(PendingReview {
        first_sync: run.holds.iter().any(|hold| hold.group == FIRST_SYNC),
        proposal: run.proposal,
        changes: undecided.map(|(change, _)| change).collect(),
        run: run.run,
    }))
}

impl Store {
    /// Keeps the row of a run that writes nothing else: failed, unchanged, planned, cancelled. `fence` is the lease's number;
    /// none for what runs without a lease. [`WriteError::AlreadyDone`] if it has a final row, [`WriteError::Fenced`] if another
    /// process has the district: then it is not for this one to say how the run ends.
    pub async fn finish_run(&self, run: &RunRecord, fence: Option<i64>) -> Result<(), WriteError> {
        self.finish_unchanged(run, fence, None, None).await
    }

    /// The same of a run whose complete `pull` is as the store has it: what is in use is as new as that, which makes no plan
    /// stale. `settled` is noted for the next one, with the revision it was found at.
    pub async fn finish_unchanged(
        &self,
        run: &RunRecord,
        fence: Option<i64>,
        pull: Option<&SourceMark>,
        settled: Option<(i64, &Settled)>,
    ) -> Result<(), WriteError> {
        let mut tx = self.db.write().await?;
        let mut locked = district::lock(&mut tx, &run.district).await?;
        if is_done(&mut tx, &run.run).await? {
            return Err(WriteError::AlreadyDone(run.run.clone()));
        }
        if let Some(fence) = fence {
            locked.pass(&mut tx, fence).await?;
        }
        put_run(&mut tx, run).await?;
        if run.status == RunStatus::Failed {
            let in_use = district::read_state(&mut tx, &run.district).await?.source;
            let notices = Vec::from_iter(notice::of_failure(run, in_use.as_ref()));
            notices::put(&mut tx, &run.district, &notices).await?;
        }
        if let Some(pull) = pull {
            locked.set_source(&mut tx, pull).await?;
        }
        if let Some((revision, settled)) = settled {
            settled::put(&mut tx, &run.district, revision, settled).await?;
        }
        Ok(tx.commit().await?)
    }

    /// A run that has ended; those under way are in the queue.
    pub async fn run(&self, run: &RunId) -> Result<Option<RunRecord>, StoreError> {
        let mut tx = self.db.read().await?;
        let row = tx.query(RUN_RECORD).bind(run.as_str()).fetch_optional().await?;
        row.map(read_run).transpose()
    }

    /// Runs that have ended, newest first.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        let mut tx = self.db.read().await?;
        let rows: Vec<(String,)> = tx
            .query(RUNS)
            .bind(filter.district.as_ref().map(DistrictId::as_str))
            .bind(filter.status.map(RunStatus::as_str))
            .bind(filter.before.as_ref().map(RunId::as_str))
            .bind(i64::from(filter.limit.unwrap_or(50)))
            .fetch_all()
            .await?;
        rows.into_iter().map(read_run).collect()
    }

    /// What a run held, by kind and id, each with its decision: `approved`, `rejected`, `superseded`, or none yet.
    pub async fn held_changes(&self, run: &RunId) -> Result<Vec<(HeldChange, Option<String>)>, StoreError> {
        read_held(&mut self.db.read().await?, run).await
    }

    /// The first of them by kind and id, at most so many, and how many there are.
    pub async fn first_held(
        &self,
        run: &RunId,
        most: usize,
    ) -> Result<(Vec<(HeldChange, Option<String>)>, usize), StoreError> {
        let mut tx = self.db.read().await?;
        let mut first = Vec::new();
        for kind in Kind::ALL {
            let room = i64::try_from(most.saturating_sub(first.len())).unwrap_or(i64::MAX);
            let query = tx.query(HELD_FIRST).bind(run.as_str()).bind(kind.plural()).bind(room);
            for columns in query.fetch_all().await? {
                first.push(held(columns)?);
            }
        }
        let (count,): (i64,) = tx.query(HELD_COUNT).bind(run.as_str()).fetch_one().await?;
        Ok((first, usize::try_from(count).unwrap_or(usize::MAX)))
    }

    /// Runs of a district with a hold that nobody decided yet, newest first.
    pub async fn undecided_runs(&self, district: &DistrictId) -> Result<Vec<RunRecord>, StoreError> {
        read_undecided(&mut self.db.read().await?, district).await
    }
}
