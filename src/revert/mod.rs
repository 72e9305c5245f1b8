//! Takes a run back (safety.md, Revert): its records are put as they were before it where nobody changed them since, the
//! same seats come back to the same users, over capacity if need be, and the versions it brought are refused from now on.
//!
//! What a sync or an approval changed can be reverted, and so can a revert. A verb by hand has an opposite verb, a rejection
//! is taken back by approving, and before a district's first roster there is nothing.

mod inverse;
mod refused;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;

pub use refused::Refused;

use crate::allocate::{SeatAction, SeatKey};
use crate::apply::{Author, Decided, Shown};
use crate::audit::{Category, Draft, Fold};
use crate::guard::{self, Circumstances, Cleared};
use crate::model::{
    Baseline, Kind, LeftAlone, ReleaseReason, Reverted, RunId, RunRecord, RunStatus, Seat, SeatState, SourceId,
    Timestamp,
};
use crate::plan::{self, Cause};
use crate::run::{self, BY_HAND, Job, RunError, World};
use crate::store::{AuditFilter, EndedSeat, Newer, RecordWrite, Store, Touched};

use inverse::{Inverse, Known, Left};

/// What a person asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The run to take back.
    pub run: RunId,
    /// Only tell what would happen.
    #[serde(default)]
    pub plan: bool,
}

/// What the store knows of the run that is taken back.
#[derive(Debug)]
struct Archive {
    run: RunRecord,
    versions: Vec<RecordWrite>,
    touched: Touched,
    ended: Vec<EndedSeat>,
    newer: Newer,
    /// Records that the audit tells of and whose versions are gone.
    erased: Vec<(Kind, String)>,
}

/// The revert as it would be carried out.
struct Worked {
    inverse: Inverse,
    restored: Vec<Seat>,
    /// Seats that do not come back, by product and user.
    seats_kept: Vec<(SeatKey, &'static str)>,
    baseline: Baseline,
    cleared: Cleared,
}

/// Checks before anything is queued; the same is checked again when it is carried out. Returns the run to take back.
pub async fn check(store: &Store, limits: &guard::Settings, ask: &Ask, as_of: Timestamp) -> Result<RunRecord, Refused> {
    let archive = archive(store, &ask.run).await?;
    let baseline = store.baseline(&archive.run.district).await?;
    let worked = work_out(&archive, &baseline, limits, as_of)?;
    if !ask.plan {
        worked.does_something(&archive)?;
    }
    Ok(archive.run)
}

/// Carries a revert out as the run of `job` and returns that run.
pub async fn carry_out(job: &Job<'_>, ask: &Ask, world: &World<'_>) -> Result<RunRecord, Refused> {
    let mut attempts: u32 = 1;
    loop {
        match Box::pin(once(job, ask, world)).await {
            Err(refused) if refused.is_stale() && attempts < run::ATTEMPTS => attempts += 1,
            done => return done,
        }
    }
}

async fn once(job: &Job<'_>, ask: &Ask, world: &World<'_>) -> Result<RunRecord, Refused> {
    let mut record = RunRecord { started_at: Some(world.clock.now()), status: RunStatus::Applying, ..job.run.clone() };
    let archive = archive(world.store, &ask.run).await?;
    let baseline = world.store.baseline(&job.district.id()).await?;
    run::not_before_the_last_change(record.as_of, &baseline).map_err(Box::new)?;
    let worked = work_out(&archive, &baseline, world.limits, record.as_of)?;
    let shown = Shown::new(world.store.pseudonym_key(), &worked.baseline, &worked.cleared.plan().changes);
    let told = worked.told(&archive, &shown);
    if ask.plan {
        record.plan_hash = Some(worked.cleared.hash().to_owned());
        record.changes = worked.cleared.counts();
        record.seats = worked.cleared.seat_counts();
        record.seats.granted += told.seats;
        record.plan = Some(worked.cleared.view(|change| shown.change(change), |user| shown.user(user)));
        record.revert = Some(told);
        record.status = RunStatus::Planned;
        record.finished_at = Some(world.clock.now());
        let finished = world.store.finish_run(&record, Some(job.fence)).await;
        finished.map_err(|error| Box::new(RunError::from(error)))?;
        return Ok(record);
    }
    worked.does_something(&archive)?;
    let actor = job.run.requested_by.clone().unwrap_or_else(|| "unknown".to_owned());
    let author = Author { actor, person: true, reason: None };
    let decided = Decided {
        entries: entries(&archive, &worked, &told, &author, record.reason.as_deref(), &shown),
        decisions: worked.inverse.refusals(&archive.run),
        runs: vec![RunRecord { reverted_by: Some(record.run.clone()), ..archive.run.clone() }],
        restored: worked.restored.clone(),
        because: Some(ReleaseReason::Reverted),
        ..Decided::default()
    };
    record.revert = Some(told);
    let Worked { baseline, cleared, .. } = worked;
    Ok(world.apply(job, record, &cleared, &baseline, decided, None).await.map_err(Box::new)?)
}

/// Reads what is known of the run, or says why it is none that can be taken back.
async fn archive(store: &Store, id: &RunId) -> Result<Archive, Refused> {
    let run = store.run(id).await?.ok_or_else(|| Refused::Unknown(id.clone()))?;
    match (run.mode.as_str(), run.status) {
        (BY_HAND, _) => return Err(Refused::ByHand(id.clone())),
        ("reject", _) => return Err(Refused::Rejection(id.clone())),
        (_, RunStatus::Applied | RunStatus::Held | RunStatus::Failed) if run.audit.is_some() => {}
        (_, status) => return Err(Refused::AppliedNothing { run: id.clone(), status }),
    }
    let district = run.district.clone();
    if store.is_first_load(&district, id).await? {
        return Err(Refused::FirstSync(id.clone()));
    }
    let versions = store.versions(&district, id).await?;
    let erased = erased(store, &run, &versions).await?;
    Ok(Archive {
        touched: store.touched(&district, id).await?,
        ended: store.seats_ended_since(&district, id).await?,
        newer: store.changed_since(&district, id).await?,
        run,
        versions,
        erased,
    })
}

/// Records of the run's audit without a version: they were erased, or kept as long as the retention says.
async fn erased(store: &Store, run: &RunRecord, versions: &[RecordWrite]) -> Result<Vec<(Kind, String)>, Refused> {
    let fold = Fold::new(store.pseudonym_key());
    let keys = Inverse::keys(versions);
    let known: BTreeMap<Kind, BTreeSet<String>> = keys
        .into_iter()
        .map(|(kind, ids)| (kind, ids.into_iter().map(|id| fold.stored_record_name(kind, id)).collect()))
        .collect();
    let filter =
        AuditFilter { district: Some(run.district.clone()), run: Some(run.run.clone()), ..AuditFilter::default() };
    let mut stream = store.audit_stream(filter).await?;
    let mut erased = Vec::new();
    while let Some(page) = stream.next_page().await? {
        for entry in page {
            let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.singular() == entry.entity) else { continue };
            let name = fold.record_name(kind, &entry.id);
            if !known.get(&kind).is_some_and(|names| names.contains(&name)) {
                erased.push((kind, entry.id));
            }
        }
    }
    Ok(erased)
}

/// Pure: the inverse records, the seats that come back, and what follows from both.
fn work_out(archive: &Archive, now: &Baseline, limits: &guard::Settings, as_of: Timestamp) -> Result<Worked, Refused> {
    let known = Known {
        run: &archive.run,
        baseline: now,
        versions: &archive.versions,
        touched: &archive.touched,
        newer: &archive.newer,
    };
    let unreadable = |error: plan::UnreadableRecord| Box::new(RunError::from(error));
    let inverse = Inverse::of(known).map_err(unreadable)?;
    let mut restored = seats_to_give_back(archive, now, &inverse.users(now).map_err(unreadable)?);
    let mut seats_kept = Vec::new();
    loop {
        let mut baseline = now.clone();
        baseline.seats.extend(restored.iter().map(|(key, seat)| (key.clone(), seat.clone())));
        let plan = plan::make(&baseline, Cause::Approved(&inverse.changes), as_of).map_err(unreadable)?;
        let circumstances = Circumstances::default();
        let cleared =
            guard::review(plan, &baseline, limits, circumstances).map_err(|error| Box::new(RunError::from(error)))?;
        // A seat that would end again at once does not come back.
        let ends = cleared.seats().changes.iter().filter_map(|change| match change.action {
            SeatAction::Released { .. } | SeatAction::Passed { .. } | SeatAction::Leaving { .. } => {
                Some((change.product.clone(), change.user.clone())).filter(|key| restored.contains_key(key))
            }
            SeatAction::Moved { .. }
            | SeatAction::Granted { .. }
            | SeatAction::Carried { .. }
            | SeatAction::Stayed
            | SeatAction::Waiting { .. }
            | SeatAction::WaitingEnded => None,
        });
        let ends: Vec<SeatKey> = ends.collect();
        if ends.is_empty() {
            let restored = restored.into_values().collect();
            return Ok(Worked { inverse, restored, seats_kept, baseline, cleared });
        }
        for key in ends {
            restored.remove(&key);
            seats_kept.push((key, "its user no longer wants it: what the run did not change ends it"));
        }
    }
}

/// Seats that the run ended, or that ended since because of what it did to their users.
fn seats_to_give_back(archive: &Archive, now: &Baseline, users: &BTreeSet<SourceId>) -> BTreeMap<SeatKey, Seat> {
    let mut seats = BTreeMap::new();
    for EndedSeat { run, seat, reason } in &archive.ended {
        let key = (seat.product.clone(), seat.user.clone());
        // By hand is by hand: whoever ended it then has said so.
        let by_the_run = *run == archive.run.run;
        if by_the_run || (users.contains(&seat.user) && reason.returns()) {
            seats.insert(key, Seat { state: SeatState::Active, ..seat.clone() });
        } else {
            seats.remove(&key);
        }
    }
    seats.retain(|key, _| !now.seats.contains_key(key));
    seats
}

impl Worked {
    fn does_something(&self, archive: &Archive) -> Result<(), Refused> {
        if !self.inverse.changes.is_empty() || !self.restored.is_empty() {
            return Ok(());
        }
        Err(Refused::NothingLeft {
            run: archive.run.run.clone(),
            kept: self.inverse.kept.len() + self.seats_kept.len(),
            impossible: self.inverse.impossible.len() + archive.erased.len(),
        })
    }

    fn told(&self, archive: &Archive, shown: &Shown<'_>) -> Reverted {
        let record = |left: &Left| LeftAlone {
            kind: left.kind.plural().to_owned(),
            id: shown.text(left.kind, &left.id),
            reason: left.reason.clone(),
        };
        let seat = |((product, user), reason): &(SeatKey, &'static str)| LeftAlone {
            kind: "seats".to_owned(),
            id: format!("{product}/{}", shown.user(user)),
            reason: (*reason).to_owned(),
        };
        let erased = |(kind, id): &(Kind, String)| LeftAlone {
            kind: kind.plural().to_owned(),
            id: id.clone(),
            reason: "its version is no longer kept: it was erased, or older than the retention of archived rows"
                .to_owned(),
        };
        Reverted {
            run: archive.run.run.clone(),
            reversed: count(self.cleared.plan().changes.len()),
            seats: count(self.restored.len()),
            kept: self.inverse.kept.iter().map(record).chain(self.seats_kept.iter().map(seat)).collect(),
            impossible: self.inverse.impossible.iter().map(record).chain(archive.erased.iter().map(erased)).collect(),
        }
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// The entry of the revert itself, and one for each seat that comes back.
fn entries(
    archive: &Archive,
    worked: &Worked,
    told: &Reverted,
    author: &Author,
    reason: Option<&str>,
    shown: &Shown<'_>,
) -> Vec<Draft> {
    let mut entries = vec![Draft {
        actor: author.actor.clone(),
        category: Category::Administrative,
        action: "run.reverted".to_owned(),
        entity: "run".to_owned(),
        id: archive.run.run.to_string(),
        before: None,
        after: Some(json!({
            "reversed": told.reversed,
            "seats": told.seats,
            "kept": told.kept.len(),
            "impossible": told.impossible.len(),
        })),
        reason: reason.map(str::to_owned),
    }];
    entries.extend(worked.restored.iter().map(|seat| Draft {
        actor: author.actor.clone(),
        category: Category::License,
        action: "seat.granted".to_owned(),
        entity: "seat".to_owned(),
        id: format!("{}/{}", seat.product, shown.user(&seat.user)),
        before: None,
        after: Some(json!({ "pool": seat.pool, "since": seat.since, "claimed_at": seat.claimed_at })),
        reason: Some("reverted".to_owned()),
    }));
    entries
}
