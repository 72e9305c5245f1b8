//! The sum of seven days (safety.md, Guard; P10): a slow drip stays below every nightly limit and is stopped here.
//!
//! What counts is each thing that a sync took away unattended in the last seven days and that has not come back, plus what
//! tonight would take. Additions of others never make up for it, and what a person approved or did by hand is not in it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Days;

use crate::allocate::Allocation;
use crate::guard::groups::{encoded, school_scope};
use crate::guard::losses::{Loss, Losses, Schools, active};
use crate::model::{Baseline, Kind, ProductCode, RecentLoss, Record, SourceId, Verb};
use crate::plan::{Change, Plan};

/// Local days before tonight.
const DAYS: Days = Days::new(7);

pub(super) const USERS_REMOVED: &str = "users/removed";
pub(super) const UNENROLLED: &str = "users/unenrolled";
pub(super) const ENROLLMENTS_REMOVED: &str = "enrollments/removed";
pub(super) const CLASSES_REMOVED: &str = "classes/removed";

pub(super) fn released(product: &ProductCode) -> String {
    format!("product:{}/released", encoded(product.as_str()))
}

/// What was lost before tonight and is not back, by scope, then by what.
#[derive(Debug)]
pub(super) struct Window(BTreeMap<String, BTreeMap<String, u64>>);

impl Window {
    pub(super) fn before(plan: &Plan, baseline: &Baseline) -> Self {
        let today = plan.as_of.date_in(baseline.state.time_zone);
        let oldest = today.checked_sub_days(DAYS).unwrap_or(today);
        let recent = baseline.recent.iter().filter(|it| it.on >= oldest);
        let here = Here::of(plan, baseline);
        let mut counts: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for loss in recent.filter(|it| !here.has(it)) {
            let scopes = loss.schools.iter().map(school_scope).chain(["district".to_owned()]);
            for scope in scopes {
                *counts.entry(scope).or_default().entry(loss.what.clone()).or_default() += 1;
            }
        }
        Self(counts)
    }

    pub(super) fn count(&self, scope: &str, what: &str) -> u64 {
        self.0.get(scope).and_then(|it| it.get(what)).copied().unwrap_or_default()
    }
}

/// What of the things once lost is here before tonight, or comes back tonight.
struct Here(BTreeMap<String, BTreeSet<String>>);

impl Here {
    fn of(plan: &Plan, baseline: &Baseline) -> Self {
        let mut here: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        if baseline.recent.is_empty() {
            return Self(here);
        }
        let today = plan.as_of.date_in(baseline.state.time_zone);
        let coming = plan.changes.iter().filter_map(|change| change.after.clone());
        for record in baseline.roster.records().chain(coming) {
            let whats: &[&str] = match &record {
                Record::User(_) => &[USERS_REMOVED],
                Record::Class(_) => &[CLASSES_REMOVED],
                Record::Enrollment(it) if active(it, baseline, today) => &[ENROLLMENTS_REMOVED, UNENROLLED],
                Record::Enrollment(_) => &[ENROLLMENTS_REMOVED],
                Record::School(_) | Record::Session(_) | Record::Course(_) => &[],
            };
            for what in whats {
                let id = match &record {
                    Record::Enrollment(it) if *what == UNENROLLED => it.user.to_string(),
                    other => other.text_id(),
                };
                here.entry((*what).to_owned()).or_default().insert(id);
            }
        }
        let before = baseline.seats.values().filter(|seat| seat.leaving.is_none());
        let after = plan.seats.seats.applied_to(&baseline.seats);
        let after = after.values().filter(|seat| seat.leaving.is_none());
        for seat in before.chain(after) {
            here.entry(released(&seat.product)).or_default().insert(seat.user.to_string());
        }
        Self(here)
    }

    fn has(&self, loss: &RecentLoss) -> bool {
        self.0.get(&loss.what).is_some_and(|ids| ids.contains(&loss.id))
    }
}

/// What a sync takes away unattended: neither held nor approved by a person.
pub(super) fn unattended<T>(
    plan: &Plan,
    baseline: &Baseline,
    held: &BTreeMap<usize, T>,
    seats: &Allocation,
) -> Vec<RecentLoss> {
    let on = plan.as_of.date_in(baseline.state.time_zone);
    let schools = Schools::new(baseline);
    let mut lost: BTreeMap<(String, String), BTreeSet<SourceId>> = BTreeMap::new();
    let applies = |index: &usize| !held.contains_key(index);
    let counts = |index: &usize| applies(index) && !plan.approved.contains(index);
    for (index, change) in plan.changes.iter().enumerate() {
        if counts(&index)
            && let Some((what, schools)) = removal(change, &schools)
        {
            lost.insert((what.to_owned(), change.id.clone()), schools);
        }
    }
    let losses = Losses::of(plan, seats, baseline);
    let of_user = |Loss { user, .. }: &Loss| (user.to_string(), schools.of_user_id(user));
    for loss in losses.unenrolled.iter().filter(|it| it.causes.iter().all(applies) && it.causes.iter().any(counts)) {
        let (user, schools) = of_user(loss);
        lost.insert((UNENROLLED.to_owned(), user), schools);
    }
    for ((product, _), loss) in losses.released.iter().filter(|(_, it)| it.causes.iter().any(counts)) {
        let (user, schools) = of_user(loss);
        lost.insert((released(product), user), schools);
    }
    lost.into_iter().map(|((what, id), schools)| RecentLoss { what, id, on, schools }).collect()
}

fn removal(change: &Change, schools: &Schools<'_>) -> Option<(&'static str, BTreeSet<SourceId>)> {
    let before = change.before.as_ref().filter(|_| change.verb == Verb::Removed)?;
    match change.kind {
        Kind::Users => Some((USERS_REMOVED, schools.of(before))),
        Kind::Classes => Some((CLASSES_REMOVED, schools.of(before))),
        Kind::Enrollments => Some((ENROLLMENTS_REMOVED, BTreeSet::new())),
        Kind::Schools | Kind::Sessions | Kind::Courses => None,
    }
}
