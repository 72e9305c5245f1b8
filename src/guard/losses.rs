//! What a plan would take from whom, with the changes that cause it.

use std::collections::{BTreeMap, BTreeSet};

use crate::allocate::{Allocation, Lasting, SeatKey};
use crate::model::{Baseline, Class, Enrollment, Record, Roster, RosterRecord, SourceId, User, Verb};
use crate::plan::{Change, Plan};

/// A loss of one user and the changes that cause it.
#[derive(Debug)]
pub(super) struct Loss {
    /// Who loses.
    pub(super) user: SourceId,
    /// Positions of the causes.
    pub(super) causes: BTreeSet<usize>,
}

/// Everything lost.
#[derive(Debug)]
pub(super) struct Losses {
    /// Users whose last active enrollment goes.
    pub(super) unenrolled: Vec<Loss>,
    /// Seats that end or begin to leave because of this plan's changes (a release counts on the night its cause is applied,
    /// even if the leaving grace delays it).
    pub(super) released: BTreeMap<SeatKey, Loss>,
}

/// Which schools a user, class or enrollment belongs to: all of them, since it counts in each.
#[derive(Debug)]
pub(super) struct Schools<'a> {
    baseline: &'a Baseline,
}

impl<'a> Schools<'a> {
    pub(super) fn new(baseline: &'a Baseline) -> Self {
        Self { baseline }
    }

    pub(super) fn is_school(&self, id: &SourceId) -> bool {
        self.baseline.roster.schools.get(id).is_none_or(|org| org.org_type != "district")
    }

    pub(super) fn of_user(&self, user: &User) -> BTreeSet<SourceId> {
        user.roles.iter().map(|role| &role.org).filter(|org| self.is_school(org)).cloned().collect()
    }

    /// How many of these users each school has.
    pub(super) fn counted<'u>(&self, users: impl Iterator<Item = &'u User>) -> BTreeMap<SourceId, u64> {
        let mut counts: BTreeMap<&SourceId, u64> = BTreeMap::new();
        for user in users {
            for (at, role) in user.roles.iter().enumerate() {
                let before = user.roles.get(..at).unwrap_or_default();
                if !before.iter().any(|it| it.org == role.org) {
                    *counts.entry(&role.org).or_default() += 1;
                }
            }
        }
        counts.into_iter().filter(|(id, _)| self.is_school(id)).map(|(id, count)| (id.clone(), count)).collect()
    }

    pub(super) fn of_user_id(&self, user: &SourceId) -> BTreeSet<SourceId> {
        self.baseline.roster.users.get(user).map(|user| self.of_user(user)).unwrap_or_default()
    }

    /// The school the source names, else that of the class.
    pub(super) fn of_enrollment<'b>(&self, it: &'b Enrollment) -> Option<&'b SourceId>
    where
        'a: 'b,
    {
        it.school.as_ref().or_else(|| self.baseline.roster.classes.get(&it.class)?.school.as_ref())
    }

    pub(super) fn of(&self, record: &Record) -> BTreeSet<SourceId> {
        match record {
            Record::School(org) => {
                BTreeSet::from([org.id.clone()]).into_iter().filter(|id| self.is_school(id)).collect()
            }
            Record::User(user) => self.of_user(user),
            Record::Class(class) => class.school.clone().into_iter().collect(),
            Record::Enrollment(it) => self.of_enrollment(it).cloned().into_iter().collect(),
            Record::Session(_) | Record::Course(_) => BTreeSet::new(),
        }
    }
}

impl Losses {
    /// `seats`: those of the plan, or of what of it applies.
    pub(super) fn of(plan: &Plan, seats: &Allocation, baseline: &Baseline, lasting: &Lasting<'_>) -> Self {
        let causes = Causes::of(&plan.changes, baseline);
        Self { unenrolled: unenrolled(plan, baseline, lasting), released: released(seats, baseline, &causes) }
    }
}

/// What has not ended by the day of a plan, as the last snapshot announced it.
pub(super) fn lasting<'a>(plan: &Plan, baseline: &'a Baseline) -> Lasting<'a> {
    let today = plan.as_of.date_in(baseline.state.time_zone);
    Lasting::on(&baseline.roster, baseline.state.end_dates, today)
}

/// Whether the removal of a record counts: that of a class or an enrollment whose dates had passed was announced.
pub(super) fn is_loss(before: &Record, lasting: &Lasting<'_>) -> bool {
    match before {
        Record::Class(class) => lasting.class(class),
        Record::Enrollment(enrollment) => lasting.enrollment(enrollment),
        Record::School(_) | Record::Session(_) | Record::Course(_) | Record::User(_) => true,
    }
}

fn unenrolled(plan: &Plan, baseline: &Baseline, lasting: &Lasting<'_>) -> Vec<Loss> {
    let mut gone: BTreeMap<&SourceId, BTreeSet<usize>> = BTreeMap::new();
    let mut touched = BTreeSet::new();
    for (index, change) in plan.changes.iter().enumerate() {
        match (&change.before, &change.after) {
            (Some(Record::Enrollment(before)), None) if lasting.enrollment(before) => {
                touched.insert(before.key());
                gone.entry(&before.user).or_default().insert(index);
            }
            _ => {}
        }
    }
    if gone.is_empty() {
        return Vec::new();
    }
    for change in &plan.changes {
        match &change.after {
            Some(Record::Enrollment(after)) if lasting.enrollment(after) => {
                gone.remove(&after.user);
            }
            _ => {}
        }
    }
    let stays = |it: &Enrollment| !touched.contains(&it.key()) && lasting.enrollment(it);
    gone.retain(|user, _| !baseline.roster.enrollments.of(user).any(stays));
    gone.into_iter().map(|(user, causes)| Loss { user: user.clone(), causes }).collect()
}

/// Positions of the changes that can move a user's demand: their own record, their enrollments, the classes they are in, and
/// the sessions and courses of these. Few users are asked about, so what is about classes stays there.
struct Causes<'a> {
    roster: &'a Roster,
    by_user: BTreeMap<&'a SourceId, BTreeSet<usize>>,
    by_class: BTreeMap<&'a SourceId, BTreeSet<usize>>,
}

impl<'a> Causes<'a> {
    fn of(changes: &'a [Change], baseline: &'a Baseline) -> Self {
        let roster = &baseline.roster;
        let mut it = Self { roster, by_user: BTreeMap::new(), by_class: BTreeMap::new() };
        for (index, change) in changes.iter().enumerate() {
            if matches!(change.verb, Verb::Removed | Verb::Changed) {
                if let Some(user) = change.user() {
                    it.by_user.entry(user).or_default().insert(index);
                }
                if let Some(Record::Class(class)) = change.record() {
                    it.by_class.entry(&class.id).or_default().insert(index);
                }
            }
        }
        let around = Around::of(changes, baseline);
        if !around.is_empty() {
            for class in roster.classes.values() {
                let causes = around.of_class(class);
                if !causes.is_empty() {
                    it.by_class.entry(&class.id).or_default().extend(causes);
                }
            }
        }
        it
    }

    /// Empty for a user whom no change concerns.
    fn of_user(&self, user: &SourceId) -> BTreeSet<usize> {
        let mut causes = self.by_user.get(user).cloned().unwrap_or_default();
        if !self.by_class.is_empty() {
            for it in self.roster.enrollments.of(user) {
                causes.extend(self.by_class.get(&it.class).into_iter().flatten());
            }
        }
        causes
    }
}

/// Changes of sessions and courses, which say when a class runs and what it is.
struct Around<'a> {
    sessions: BTreeMap<&'a SourceId, BTreeSet<usize>>,
    courses: BTreeMap<&'a SourceId, usize>,
}

impl<'a> Around<'a> {
    fn of(changes: &'a [Change], baseline: &'a Baseline) -> Self {
        let (mut own, mut courses): (BTreeMap<&SourceId, usize>, BTreeMap<&SourceId, usize>) = Default::default();
        let indexed = changes.iter().enumerate();
        for (index, change) in indexed.filter(|(_, it)| matches!(it.verb, Verb::Removed | Verb::Changed)) {
            match change.record() {
                Some(Record::Session(it)) => own.insert(&it.id, index),
                Some(Record::Course(it)) => courses.insert(&it.id, index),
                Some(Record::School(_) | Record::Class(_) | Record::User(_) | Record::Enrollment(_)) | None => None,
            };
        }
        // A term takes from its year what it does not say itself.
        let mut sessions: BTreeMap<&SourceId, BTreeSet<usize>> = BTreeMap::new();
        if !own.is_empty() {
            for session in baseline.roster.sessions.values() {
                let mut seen = BTreeSet::new();
                let mut at = Some(&session.id);
                while let Some(id) = at.filter(|id| seen.insert(*id)) {
                    if let Some(index) = own.get(id) {
                        sessions.entry(&session.id).or_default().insert(*index);
                    }
                    at = baseline.roster.sessions.get(id).and_then(|it| it.parent.as_ref());
                }
            }
        }
        Self { sessions, courses }
    }

    fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.courses.is_empty()
    }

    fn of_class(&self, class: &Class) -> BTreeSet<usize> {
        let sessions = class.sessions.iter().filter_map(|id| self.sessions.get(id)).flatten().copied();
        sessions.chain(class.course.iter().filter_map(|id| self.courses.get(id)).copied()).collect()
    }
}

/// Positions of the changes by which somebody's seat ends, or begins to leave, or by which somebody without a seat wants none
/// any more.
pub(super) fn causes_of_endings(plan: &Plan, seats: &Allocation, baseline: &Baseline) -> BTreeSet<usize> {
    let of = Causes::of(&plan.changes, baseline);
    let mut causes: BTreeSet<usize> =
        released(seats, baseline, &of).into_values().flat_map(|loss| loss.causes).collect();
    for key in seats.waiting.gone() {
        if seats.seats.get(&baseline.seats, key).is_none() {
            causes.extend(of.of_user(&key.1));
        }
    }
    causes
}

fn released(seats: &Allocation, baseline: &Baseline, causes: &Causes<'_>) -> BTreeMap<SeatKey, Loss> {
    let mut released = BTreeMap::new();
    if baseline.seats.is_empty() {
        // Nobody has a seat to lose, and a first load brings millions.
        return released;
    }
    let passed = seats.passed();
    // One that is as it was is neither gone nor begins to leave.
    for key in seats.seats.keys().filter(|key| !passed.contains(key)) {
        let after = seats.seats.get(&baseline.seats, &key);
        // One that was leaving counted on the night it began to.
        let stayed = baseline.seats.get(&key).is_some_and(|seat| seat.leaving.is_none());
        let ends = stayed && after.is_none_or(|after| after.leaving.is_some());
        if let Some(causes) = ends.then(|| causes.of_user(&key.1)).filter(|it| !it.is_empty()) {
            let user = key.1.clone();
            released.insert(key, Loss { user, causes });
        }
    }
    released
}

/// Classes that everybody leaves, with the removals of their enrollments.
pub(super) fn emptied(plan: &Plan, baseline: &Baseline, lasting: &Lasting<'_>) -> BTreeMap<SourceId, BTreeSet<usize>> {
    let mut classes: BTreeMap<&SourceId, BTreeSet<usize>> = BTreeMap::new();
    let mut gone = BTreeSet::new();
    for (index, change) in plan.changes.iter().enumerate() {
        match (&change.before, &change.after) {
            (Some(Record::Enrollment(before)), None) if lasting.enrollment(before) => {
                classes.entry(&before.class).or_default().insert(index);
                gone.insert(before.key());
            }
            _ => {}
        }
    }
    // One who stays is found soon in most of them.
    for enrollment in baseline.roster.enrollments.values() {
        if classes.is_empty() {
            break;
        }
        let class = &enrollment.class;
        if classes.contains_key(class) && !gone.contains(&enrollment.key()) && lasting.enrollment(enrollment) {
            classes.remove(class);
        }
    }
    classes.into_iter().map(|(class, causes)| (class.clone(), causes)).collect()
}
