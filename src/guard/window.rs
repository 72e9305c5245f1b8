//! The sum of seven days (safety.md, Guard; P10): a slow drip stays below every nightly limit and is stopped here.
//!
//! What counts is each thing that a sync took away unattended in the last seven days and that has not come back, plus what
//! tonight would take. Additions of others never make up for it, and what a person approved or did by hand is not in it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use chrono::Days;

use crate::allocate::{Allocation, Lasting};
use crate::guard::groups::{encoded, school_scope};
use crate::guard::losses::{Loss, Losses, Schools, is_loss, lasting};
use crate::model::{Baseline, EnrollmentKey, Kind, ProductCode, RecentLoss, Record, SourceId, Verb};
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
    pub(super) fn before(plan: &Plan, baseline: &Baseline, lasting: &Lasting<'_>) -> Self {
        let today = plan.as_of.date_in(baseline.state.time_zone);
        let oldest = today.checked_sub_days(DAYS).unwrap_or(today);
        let mut recent = baseline.recent.iter().filter(|it| it.on >= oldest).peekable();
        let mut counts: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        if recent.peek().is_none() {
            // Nothing is to be looked up, and a first load brings millions.
            return Self(counts);
        }
        let here = Here::of(plan, baseline, lasting);
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

/// What of the things once lost is here before tonight, or comes back tonight: only what was lost is looked up, since a
/// district is large and a drip is thin.
struct Here<'a> {
    plan: &'a Plan,
    baseline: &'a Baseline,
    lasting: &'a Lasting<'a>,
    coming: BTreeSet<(Kind, Cow<'a, str>)>,
    /// Users who are enrolled tonight.
    enrolled: BTreeSet<&'a SourceId>,
}

impl<'a> Here<'a> {
    fn of(plan: &'a Plan, baseline: &'a Baseline, lasting: &'a Lasting<'a>) -> Self {
        let arrive = plan.changes.iter().filter(|change| change.after.is_some());
        let coming = arrive.clone().map(|change| (change.kind, change.id())).collect();
        let enrolled = arrive.filter_map(|change| match &change.after {
            Some(Record::Enrollment(it)) if lasting.enrollment(it) => Some(&it.user),
            _ => None,
        });
        Self { plan, baseline, lasting, coming, enrolled: enrolled.collect() }
    }

    fn has(&self, loss: &RecentLoss) -> bool {
        let (roster, id) = (&self.baseline.roster, SourceId::new(loss.id.as_str()));
        let comes = |kind| self.coming.contains(&(kind, Cow::Borrowed(loss.id.as_str())));
        match loss.what.as_str() {
            USERS_REMOVED => roster.users.contains_key(&id) || comes(Kind::Users),
            CLASSES_REMOVED => roster.classes.contains_key(&id) || comes(Kind::Classes),
            UNENROLLED => {
                let before = || roster.enrollments.of(&id).any(|it| self.lasting.enrollment(it));
                self.enrolled.contains(&id) || before()
            }
            ENROLLMENTS_REMOVED => {
                let key = serde_json::from_str(&loss.id).map(|(user, class, role)| EnrollmentKey { user, class, role });
                key.is_ok_and(|key| roster.enrollments.contains_key(&key)) || comes(Kind::Enrollments)
            }
            what => self.has_seat(what, id),
        }
    }

    fn has_seat(&self, what: &str, user: SourceId) -> bool {
        let mut products = self.baseline.catalog.products.keys();
        let Some(product) = products.find(|product| released(product) == what) else { return false };
        let key = (product.clone(), user);
        let (before, after) = (self.baseline.seats.get(&key), self.plan.seats.seats.get(&self.baseline.seats, &key));
        before.into_iter().chain(after).any(|seat| seat.leaving.is_none())
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
    let (schools, lasting) = (Schools::new(baseline), lasting(plan, baseline));
    let mut lost: BTreeMap<(String, String), BTreeSet<SourceId>> = BTreeMap::new();
    let applies = |index: &usize| !held.contains_key(index);
    let counts = |index: &usize| applies(index) && !plan.approved.contains(index);
    for (index, change) in plan.changes.iter().enumerate() {
        if counts(&index)
            && let Some((what, schools)) = removal(change, &schools, &lasting)
        {
            lost.insert((what.to_owned(), change.id().into_owned()), schools);
        }
    }
    let losses = Losses::of(plan, seats, baseline, &lasting);
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

fn removal(
    change: &Change,
    schools: &Schools<'_>,
    lasting: &Lasting<'_>,
) -> Option<(&'static str, BTreeSet<SourceId>)> {
    let before = change.before.as_ref().filter(|_| change.verb == Verb::Removed)?;
    if !is_loss(before, lasting) {
        return None;
    }
    match change.kind {
        Kind::Users => Some((USERS_REMOVED, schools.of(before))),
        Kind::Classes => Some((CLASSES_REMOVED, schools.of(before))),
        Kind::Enrollments => Some((ENROLLMENTS_REMOVED, BTreeSet::new())),
        Kind::Schools | Kind::Sessions | Kind::Courses => None,
    }
}
