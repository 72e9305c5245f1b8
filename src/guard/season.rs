//! What a plan looks like when a school year ends, or when the source shares less than before; and the mode that would see the
//! district through it (P12 to P15). It only proposes: a person sets modes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, TimeDelta};

use crate::guard::losses::Schools;
use crate::model::{Baseline, Date, DistrictMode, Kind, Proposal, Record, Session, SourceId, Timestamp, User, Verb};
use crate::plan::{Change, Plan};

/// A mode is proposed so many days before the last session of a school year ends.
const AHEAD: TimeDelta = TimeDelta::days(21);

/// Sessions with a longer gap between them are of two school years (as in licensing.md, Basis: winter break).
const LONGEST_BREAK: TimeDelta = TimeDelta::days(30);

/// Where this is told long after a school year has ended, nobody waits for its end any more.
const LATE: TimeDelta = TimeDelta::days(120);

/// Days in which the data of a new school year settle, where nothing else is known.
const SETTLES: Days = Days::new(14);

/// Percent of classes gone, or of children a grade higher, that look like a new school year.
const MOST: usize = 50;

/// Fewer classes or children tell nothing.
const SOME: usize = 5;

/// Schools that the source no longer shares: every user of them is gone, and there are others that stay. With how many.
pub(super) fn unshared(plan: &Plan, baseline: &Baseline, from: u32) -> BTreeMap<SourceId, BTreeSet<usize>> {
    let (schools, users) = (Schools::new(baseline), &baseline.roster.users);
    let mut removed: BTreeSet<&SourceId> = BTreeSet::new();
    let mut gone: BTreeMap<SourceId, BTreeSet<usize>> = BTreeMap::new();
    let indexed = plan.changes.iter().enumerate();
    for (index, change) in indexed.filter(|(_, it)| (it.kind, it.verb) == (Kind::Users, Verb::Removed)) {
        let Some(Record::User(user)) = &change.before else { continue };
        removed.insert(&user.id);
        for school in schools.of_user(user) {
            gone.entry(school).or_default().insert(index);
        }
    }
    let least = usize::try_from(from).unwrap_or(usize::MAX);
    gone.retain(|_, users| users.len() >= least);
    let mut any_stays = false;
    for user in users.values().filter(|it| !removed.contains(&it.id)) {
        if gone.is_empty() {
            break;
        }
        for school in user.roles.iter().map(|role| &role.org).filter(|org| schools.is_school(org)) {
            any_stays = true;
            gone.remove(school);
        }
    }
    if any_stays { gone } else { BTreeMap::new() }
}

/// The mode that would see the district through what this plan looks like; none if nothing is unusual, or if a mode counts or
/// is planned.
pub(super) fn proposal(plan: &Plan, baseline: &Baseline, unshared: usize) -> Option<Proposal> {
    let today = plan.as_of.date_in(baseline.state.time_zone);
    if has_mode(baseline, plan.as_of) {
        return None;
    }
    let year = Year::of(baseline, &plan.changes, today);
    let mode = DistrictMode::NoRemovals;
    if let Some(why) = new_year(plan, baseline, &year) {
        let until = year.begins.or_else(|| today.checked_add_days(SETTLES));
        return Some(Proposal { mode, from: today, until, why });
    }
    if unshared > 0 {
        let of = baseline.roster.schools.values().filter(|org| org.org_type != "district").count();
        let why = format!("the source no longer shares {unshared} of {of} schools");
        return Some(Proposal { mode, from: today, until: None, why });
    }
    year.turns(today)
}

/// Whether a mode counts or is planned.
fn has_mode(baseline: &Baseline, as_of: Timestamp) -> bool {
    baseline.modes.open(as_of, baseline.state.time_zone).any(|it| it.mode != DistrictMode::Normal)
}

/// The mode that would see the district through the end of a school year that is near, if nothing of the roster changes; none
/// if a mode counts or is planned. Of the roster the sessions alone are looked at.
pub fn year_turns(baseline: &Baseline, as_of: Timestamp) -> Option<Proposal> {
    let today = as_of.date_in(baseline.state.time_zone);
    if has_mode(baseline, as_of) { None } else { Year::of(baseline, &[], today).turns(today) }
}

/// The end of the school year that runs or ran last, and the begin of the next.
struct Year {
    ends: Option<Date>,
    begins: Option<Date>,
}

impl Year {
    fn of(baseline: &Baseline, changes: &[Change], today: Date) -> Self {
        let mut sessions: BTreeMap<&SourceId, &Session> = baseline.roster.sessions.iter().collect();
        for change in changes {
            if let Some(Record::Session(session)) = &change.after {
                sessions.insert(&session.id, &**session);
            }
        }
        let begun = |it: &&&Session| it.starts_on.is_some_and(|begin| begin <= today);
        let last = sessions.values().filter(begun).max_by_key(|it| it.ends_on);
        let ends = last.and_then(|it| it.ends_on);
        let later = sessions.values().filter_map(|it| {
            let begin = it.starts_on.filter(|begin| *begin > today)?;
            let other_word = last.is_some_and(|last| {
                last.school_year.is_some() && it.school_year.is_some() && last.school_year != it.school_year
            });
            let far = ends.is_some_and(|ends| begin - ends > LONGEST_BREAK);
            (other_word || far).then_some(begin)
        });
        Self { ends, begins: later.min() }
    }

    fn turns(&self, today: Date) -> Option<Proposal> {
        let (ends, begins) = (self.ends?, self.begins?);
        let near = today >= ends - AHEAD && today <= ends + LATE;
        let why = format!("the school year ends on {ends} and the next begins on {begins}");
        near.then(|| Proposal { mode: DistrictMode::NoRemovals, from: today.max(ends), until: Some(begins), why })
    }
}

/// Whether the plan is that of a new school year: most classes go, and a new year is there or most children are a grade
/// higher (P13).
fn new_year(plan: &Plan, baseline: &Baseline, year: &Year) -> Option<String> {
    let removed = plan.changes.iter().filter(|it| (it.kind, it.verb) == (Kind::Classes, Verb::Removed)).count();
    let of = baseline.count(Kind::Classes);
    let mostly = |n: usize, of: usize| n >= SOME && n * 100 >= MOST * of;
    if !mostly(removed, of) {
        return None;
    }
    let (promoted, common) = promoted(plan, baseline);
    let mut why = format!("{removed} of {of} classes are gone");
    let raised = mostly(promoted, common);
    if raised {
        why = format!("{why}, {promoted} of {common} children are a grade higher");
    }
    if let Some(begins) = year.begins {
        why = format!("{why}, and a new school year begins on {begins}");
    }
    (raised || year.begins.is_some()).then(|| format!("{why}: this looks like a rollover"))
}

/// Children whose grade is one higher, of all who are still there and have one.
fn promoted(plan: &Plan, baseline: &Baseline) -> (usize, usize) {
    let grade = |user: &User| -> Option<i32> {
        match user.grades.first().map(String::as_str)? {
            "PK" => Some(-1),
            "KG" => Some(0),
            other => other.parse().ok(),
        }
    };
    let graded = baseline.roster.users.values().filter(|user| grade(user).is_some()).count();
    let (mut higher, mut gone) = (0, 0);
    for change in plan.changes.iter().filter(|it| it.kind == Kind::Users) {
        match (&change.before, &change.after) {
            (Some(Record::User(old)), Some(Record::User(new))) => {
                let one_up = grade(old).zip(grade(new)).is_some_and(|(old, new)| new == old + 1);
                higher += usize::from(one_up);
            }
            (Some(Record::User(old)), None) => gone += usize::from(grade(old).is_some()),
            _ => {}
        }
    }
    (higher, graded.saturating_sub(gone))
}
