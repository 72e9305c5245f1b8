//! What a person says of a held run: approve or reject, by group and plan hash (safety.md, Guard).
//!
//! An approval is for records, not for a threshold: it applies at once what still is as the review showed it, remembers the
//! rest for seven days, and loosens nothing for the next night. A rejection remembers the refused versions.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::apply::{self, Author, Outcome};
use crate::guard::{self, Circumstances};
use crate::model::{Decision, Fingerprint, HeldChange, HoldRecord, Kind, RunId, RunRecord, RunStatus, Verdict};
use crate::plan::Cause;
use crate::run::{self, Job, RunError, World};
use crate::store::{Store, StoreError};

/// What a person asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The held run.
    pub run: RunId,
    /// Approve or reject.
    pub approve: bool,
    /// The groups; empty means all that are undecided.
    pub groups: Vec<String>,
    /// The plan hash the person was shown; without it the run's own.
    pub hash: Option<String>,
}

/// A decision that was refused; nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// No such run.
    #[error("there is no run `{0}`; `rosterd runs list` shows those there are")]
    Unknown(RunId),
    /// Nothing to decide.
    #[error("run `{0}` holds nothing that waits for a decision")]
    NothingHeld(RunId),
    /// Another plan than the one shown.
    #[error(
        "run `{run}` has plan hash {actual}, not the one given: read it again with `rosterd runs show {run}`, then decide"
    )]
    WrongHash {
        /// The run.
        run: RunId,
        /// Its hash.
        actual: String,
    },
    /// No such group, or decided already.
    #[error("run `{run}` holds no undecided group `{group}`; undecided are: {known}")]
    UnknownGroup {
        /// The run.
        run: RunId,
        /// The group asked for.
        group: String,
        /// Those there are.
        known: String,
    },
    /// Four eyes.
    #[error(
        "run `{0}` was asked for by the same person: `guard.second_person` is set, so somebody else must approve it"
    )]
    SamePerson(RunId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is to be decided: checked against the run as it is now.
#[derive(Debug)]
pub struct Checked {
    run: RunRecord,
    groups: Vec<String>,
    chosen: Vec<HeldChange>,
    hash: String,
}

impl Checked {
    /// The held run's district.
    pub fn run(&self) -> &RunRecord {
        &self.run
    }
}

/// Checks a decision before anything is queued; the same is checked again when it is carried out.
pub async fn check(store: &Store, limits: &guard::Settings, ask: &Ask, by: Option<&str>) -> Result<Checked, Refused> {
    let run = store.run(&ask.run).await?.ok_or_else(|| Refused::Unknown(ask.run.clone()))?;
    if ask.approve && limits.second_person && by.is_none_or(|by| run.requested_by.as_deref() == Some(by)) {
        return Err(Refused::SamePerson(ask.run.clone()));
    }
    if run.status != RunStatus::Held {
        return Err(Refused::NothingHeld(ask.run.clone()));
    }
    let actual = run.plan_hash.clone().unwrap_or_default();
    if ask.hash.as_ref().is_some_and(|hash| hash != &actual) {
        return Err(Refused::WrongHash { run: ask.run.clone(), actual });
    }
    // Approving a rejected group takes the refusal back.
    let may_decide = |decision: Option<&str>| decision.is_none() || (ask.approve && decision == Some("rejected"));
    let word = |hold: &HoldRecord| hold.decision.as_ref().map(|it| it.decision.clone());
    let named = |wanted: &dyn Fn(Option<&str>) -> bool| -> Vec<String> {
        run.holds.iter().filter(|hold| wanted(word(hold).as_deref())).map(|hold| hold.group.clone()).collect()
    };
    let (undecided, open_groups) = (named(&|it| it.is_none()), named(&may_decide));
    if open_groups.is_empty() {
        return Err(Refused::NothingHeld(ask.run.clone()));
    }
    if let Some(group) = ask.groups.iter().find(|group| !open_groups.contains(group)) {
        let known = open_groups.join(", ");
        return Err(Refused::UnknownGroup { run: ask.run.clone(), group: group.clone(), known });
    }
    let groups = match (ask.groups.is_empty(), undecided.is_empty()) {
        (false, _) => ask.groups.clone(),
        (true, false) => undecided,
        (true, true) => open_groups,
    };
    let held = store.held_changes(&ask.run).await?;
    let wanted = |change: &HeldChange| change.groups.iter().any(|group| groups.contains(group));
    let open = held.into_iter().filter(|(_, decision)| may_decide(decision.as_deref())).map(|(change, _)| change);
    let chosen = open.filter(wanted).collect();
    Ok(Checked { run, groups, chosen, hash: actual })
}

/// Carries a decision out as a run of its own and returns that run.
pub async fn decide(job: &Job<'_>, ask: &Ask, checked: Checked, world: &World<'_>) -> Result<RunRecord, RunError> {
    let Checked { run: held_run, groups, chosen, hash } = checked;
    let started_at = Some(world.clock.now());
    let record = RunRecord { started_at, status: RunStatus::Applying, ..job.run.clone() };
    let author = Author {
        actor: job.run.requested_by.clone().unwrap_or_else(|| "unknown".to_owned()),
        person: true,
        reason: None,
    };
    let mut baseline = world.store.baseline(&job.district.id()).await?;
    let first_sync = groups.iter().any(|group| group == guard::FIRST_SYNC);
    let (verb, outcome) = if ask.approve { ("approved", Outcome::Approved) } else { ("rejected", Outcome::Rejected) };
    let mut open = run::open_runs(world.store, &job.district.id()).await?;
    if !open.iter().any(|(run, _)| run.run == held_run.run) {
        open.push((held_run.clone(), world.store.held_changes(&held_run.run).await?));
    }
    // Rejecting a first sync refuses nothing and leaves it in review.
    let keeps_review = first_sync && !ask.approve;
    let mut decided = if keeps_review {
        apply::Decided::default()
    } else {
        apply::after_decision(&open, &chosen, outcome, &author.actor, record.as_of)
    };
    let reason = job.run.reason.clone();
    decided.entries.push(apply::decision_entry(&held_run.run, verb, &author, &groups, &hash, reason));
    if !ask.approve && !keeps_review {
        decided.decisions.extend(chosen.iter().map(|change| remembered(change, Verdict::Refused, &held_run, &record)));
        // What is refused no longer waits, so its seats are no longer bridged.
        if let Some(review) = &mut baseline.review {
            let is_chosen = |change: &HeldChange| chosen.iter().any(|it| same_version(it, change));
            review.changes.retain(|change| !is_chosen(change));
        }
    }
    let cause = if ask.approve { Cause::Approved(&chosen) } else { Cause::Standing };
    let ids: BTreeSet<(Kind, &str)> = chosen.iter().map(|it| (it.kind, it.id.as_str())).collect();
    world.store.know_former(&mut baseline, |kind, id| ids.contains(&(kind, id))).await?;
    let (cleared, anew) = run::weigh(&mut baseline, cause, record.as_of, world.limits, Circumstances::default())?;
    decided.anew = anew;
    if ask.approve {
        let applied: Vec<(Kind, Cow<'_, str>)> = cleared.plan().changes.iter().map(|it| (it.kind, it.id())).collect();
        let applies = |it: &HeldChange| applied.contains(&(it.kind, Cow::Borrowed(it.id.as_str())));
        let skipped = chosen.iter().filter(|it| !applies(it));
        decided.decisions.extend(skipped.map(|change| remembered(change, Verdict::Approved, &held_run, &record)));
    }
    let shown = held_run.snapshot.as_ref().and_then(|snapshot| snapshot.source.clone());
    let source = shown.filter(|_| first_sync && ask.approve);
    let (by, at, reason) = (author.actor, record.as_of, record.reason.clone());
    let done = Box::pin(world.apply(job, record, &cleared, &baseline, decided, source)).await?;
    if ask.approve && groups.iter().any(|group| group == guard::FLEET) {
        // Who approves it has looked at it; the entry of the approval says so.
        world.store.acknowledge_fleet((&by, reason.as_deref()), at, Vec::new()).await?;
    }
    Ok(done)
}

fn same_version(a: &HeldChange, b: &HeldChange) -> bool {
    (a.kind, &a.id, a.version()) == (b.kind, &b.id, b.version())
}

fn remembered(change: &HeldChange, verdict: Verdict, held: &RunRecord, record: &RunRecord) -> (Kind, String, Decision) {
    let version: Option<Fingerprint> = change.version();
    let until = (verdict == Verdict::Approved).then(|| record.as_of.plus(Decision::APPROVED_FOR));
    (change.kind, change.id.clone(), Decision { verdict, version, until, run: held.run.clone() })
}
