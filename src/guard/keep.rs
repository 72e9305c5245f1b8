//! What a mode or quiet hours keep back: nobody's decision is asked for, the changes wait for another day, and the seats that
//! they would end are bridged (safety.md, Modes of a district).
//!
//! What a person approved applies in every mode: a mode binds what syncs do by themselves.

use std::collections::BTreeSet;

use crate::guard::{closure, losses};
use crate::model::Baseline;
use crate::plan::{self, Change, Plan};

/// What is kept back of a sync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    #[default]
    Nothing,
    /// Every removal, and every change that ends demand: the mode `no_removals`.
    Removals,
    /// What ends a seat, on a school day: `quiet_hours`.
    Releases,
}

/// Positions of the removals that `no_removals` keeps back.
pub(super) fn removals(plan: &Plan) -> BTreeSet<usize> {
    let indexed = plan.changes.iter().enumerate();
    let removes = indexed.filter(|(index, it)| it.removes() && !plan.approved.contains(index));
    removes.map(|(index, _)| index).collect()
}

/// Positions of what else would end a seat or a place in line while `waiting` waits. Another change may end what the first
/// left, so it is asked until nothing ends.
pub(super) fn endings(plan: &Plan, baseline: &Baseline, waiting: &BTreeSet<usize>) -> BTreeSet<usize> {
    let mut kept = BTreeSet::new();
    loop {
        let waits = |index: &usize| waiting.contains(index) || kept.contains(index);
        let split = |wanted: bool| -> Vec<&Change> {
            let indexed = plan.changes.iter().enumerate();
            indexed.filter(|(index, _)| waits(index) == wanted).map(|(_, change)| change).collect()
        };
        let (applied, mut held) = (split(false), split(true));
        held.extend(plan.pending.iter().chain(&plan.kept_back));
        let seats = plan::settle(baseline, plan, &applied, &held);
        let causes = losses::causes_of_endings(plan, &seats, baseline);
        let more = closure::closed(&plan.changes, causes, &plan.approved);
        let before = kept.len();
        kept.extend(more.into_iter().filter(|index| !waiting.contains(index)));
        if kept.len() == before {
            return kept;
        }
    }
}
