//! Approvals that are over: what they were for is measured afresh (safety.md, Approve), and who reviews it is told.

use std::collections::BTreeSet;

use crate::model::{Baseline, Decision, Verdict};
use crate::plan::Plan;

/// A hold's limit in words, with the approval that its members had, if any had one that lasts no more.
pub(super) fn told(limit: String, plan: &Plan, baseline: &Baseline, members: &BTreeSet<usize>) -> String {
    if baseline.decisions.is_empty() {
        return limit;
    }
    let over = members.iter().filter_map(|index| {
        let change = plan.changes.get(*index)?;
        let key = (change.kind, change.id().into_owned());
        let Decision { verdict, version, until, run } = baseline.decisions.get(&key)?;
        // One that lasts would have kept its change out of the hold.
        let until = (*until)?;
        (*verdict == Verdict::Approved && *version == change.version()).then_some((until, run))
    });
    let over: Vec<_> = over.collect();
    let Some((until, run)) = over.iter().max() else { return limit };
    format!("{limit}; {} of them were approved with run {run}, and that approval ended at {until}", over.len())
}
