//! How a decision spreads: the first one on a record stands in every group and run that lists it (safety.md, Approve).

use std::collections::BTreeSet;

use crate::apply::Decided;
use crate::guard::Cleared;
use crate::model::{Fingerprint, HeldChange, HoldDecision, HoldRecord, Kind, RunRecord, Timestamp};
use crate::store::HoldUpdate;

/// What became of a held change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A person let it through.
    Approved,
    /// A person refused it.
    Rejected,
    /// A later complete snapshot no longer has it.
    Superseded,
}

impl Outcome {
    /// The word in a run's `decision`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Superseded => "superseded",
        }
    }
}

/// A run with its held changes and what was decided of each so far.
pub type OpenRun = (RunRecord, Vec<(HeldChange, Option<String>)>);

type Version = (Kind, String, Option<Fingerprint>);

fn version(change: &HeldChange) -> Version {
    (change.kind, change.id.clone(), change.version())
}

/// Spreads a person's decision on `chosen` over all open runs.
pub fn after_decision(open: &[OpenRun], chosen: &[HeldChange], outcome: Outcome, by: &str, at: Timestamp) -> Decided {
    let chosen: BTreeSet<Version> = chosen.iter().map(version).collect();
    spread(open, |change| chosen.contains(&version(change)).then_some(outcome), Some(by), at)
}

/// Marks what a complete snapshot no longer has.
pub fn superseded(open: &[OpenRun], cleared: &Cleared, at: Timestamp) -> Decided {
    let held: BTreeSet<Version> =
        cleared.held().map(|(change, _)| (change.kind, change.id().into_owned(), change.version())).collect();
    spread(open, |change| (!held.contains(&version(change))).then_some(Outcome::Superseded), None, at)
}

fn spread(
    open: &[OpenRun],
    decide: impl Fn(&HeldChange) -> Option<Outcome>,
    by: Option<&str>,
    at: Timestamp,
) -> Decided {
    let mut decided = Decided::default();
    for (run, changes) in open {
        let mut outcomes: Vec<(&HeldChange, Option<String>)> = Vec::with_capacity(changes.len());
        for (change, before) in changes {
            // The first decision stands, except that an approval takes a refusal back.
            let now = match before.as_deref() {
                Some("rejected") => decide(change).filter(|outcome| *outcome == Outcome::Approved),
                Some(_) => None,
                None => decide(change),
            };
            if let Some(outcome) = now {
                decided.updates.push(HoldUpdate {
                    run: run.run.clone(),
                    kind: change.kind,
                    id: change.id.clone(),
                    decision: outcome.as_str().to_owned(),
                    by: by.map(str::to_owned),
                    at,
                });
            }
            outcomes.push((change, now.map(|it| it.as_str().to_owned()).or_else(|| before.clone())));
        }
        let mut run = run.clone();
        let mut touched = false;
        let open = |hold: &HoldRecord| hold.decision.as_ref().is_none_or(|it| it.decision == "rejected");
        for hold in run.holds.iter_mut().filter(|hold| open(hold)) {
            let mut members = outcomes.iter().filter(|(change, _)| change.groups.contains(&hold.group)).peekable();
            if members.peek().is_none() || members.clone().any(|(_, outcome)| outcome.is_none()) {
                continue;
            }
            let words: BTreeSet<&str> = members.filter_map(|(_, outcome)| outcome.as_deref()).collect();
            let before = hold.decision.as_ref().map(|it| it.decision.clone());
            let word = ["approved", "rejected", "superseded"].into_iter().find(|word| words.contains(word));
            if word == before.as_deref() {
                continue;
            }
            hold.decision = word.map(|word| HoldDecision {
                decision: word.to_owned(),
                by: by.filter(|_| word != "superseded").map(str::to_owned),
                at,
            });
            touched = true;
        }
        if touched {
            decided.runs.push(run);
        }
    }
    decided
}
