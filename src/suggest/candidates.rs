//! What is worth trying, counted exactly: who loses demand by a change is known before the engine says what follows from it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, TimeDelta};

use crate::allocate::{License, RECENTLY_ACTIVE_DAYS, Scope};
use crate::identity::{self, Proposal};
use crate::model::{
    Audience, Baseline, Basis, Class, CountBy, Date, EndDates, Enrollment, LinkDecision, LinkVerdict, Personal, Pool,
    RoleName, Roster, Seats, SourceId, User, canonical_grade,
};

use super::change::{Change, Trial};
use super::{Kind, Suggestion, word};

/// Names that no child has.
const TEST_NAMES: [&str; 7] = ["test", "demo", "sample", "dummy", "sandbox", "fake", "teststudent"];

/// The longest list of users in a command; a longer one goes into a file.
const LONGEST: usize = 20;

/// Something to try, and how it is told.
pub(super) struct Candidate {
    pub(super) change: Change,
    pub(super) suggestion: Suggestion,
}

fn told(kind: Kind, text: String, command: String) -> Suggestion {
    Suggestion { rank: 0, kind, frees: 0, seats: 0, text, command, users: Vec::new(), class: None, strength: None }
}

/// Spare seats of other schools' allotments, each already tried: as many as are there and are of use.
pub(super) fn moves(trial: &mut Trial<'_>, row: &License, pools: &[&License]) -> Vec<Suggestion> {
    let Some(to) = &row.school else { return Vec::new() };
    let spare_of = |school: &SourceId| {
        let own = pools.iter().find(|it| it.pool == Scope::School && it.school.as_ref() == Some(school));
        own.and_then(|it| it.available).unwrap_or_default()
    };
    let mut found = Vec::new();
    let baseline = trial.baseline;
    for subscription in baseline.catalog.subscriptions.values().filter(|it| it.product == row.product) {
        let school_of = |name: &str| named_school(&baseline.roster, name);
        let Some(target) = subscription.allotments.iter().find(|it| school_of(&it.school).as_ref() == Some(to)) else {
            continue;
        };
        for giver in subscription.allotments.iter().filter(|it| !it.locked && it.school != target.school) {
            let (Seats::Count(seats), Some(from)) = (giver.seats, school_of(&giver.school)) else { continue };
            let most = spare_of(&from).min(u64::from(seats)).min(row.over + row.waiting);
            let change = |seats: u64| Change::Move {
                subscription: subscription.id.clone(),
                from: giver.school.clone(),
                to: target.school.clone(),
                seats: u32::try_from(seats).unwrap_or(u32::MAX),
            };
            let useful = most.min(row.over + if most == 0 { 0 } else { trial.effect(&change(most)).seats });
            if useful == 0 {
                continue;
            }
            let effect = trial.effect(&change(useful));
            let text = format!("move {useful} spare seats from school {from} to school {to}");
            let command = format!(
                "rosterd move-seats --subscription {} --from {} --to {} --seats {useful}",
                word(subscription.id.as_str()),
                word(from.as_str()),
                word(to.as_str())
            );
            found.push(Suggestion { frees: useful, seats: effect.seats, ..told(Kind::MoveSeats, text, command) });
        }
    }
    found
}

fn named_school(roster: &Roster, name: &str) -> Option<SourceId> {
    let schools = &roster.schools;
    let exact = SourceId::new(name);
    if schools.contains_key(&exact) {
        return Some(exact);
    }
    let named = |it: &&crate::model::Org| it.identifier.as_deref() == Some(name) || it.nces.as_deref() == Some(name);
    schools.values().find(named).map(|org| org.id.clone())
}

/// Educators who alone keep students of the pool counting (S2.6): those with the most such students first.
pub(super) fn educators(trial: &Trial<'_>, pool: &Pool) -> Vec<Candidate> {
    let product = trial.product;
    if !product.educator_access || product.basis != Basis::Enrolled {
        return Vec::new();
    }
    let baseline = trial.baseline;
    let is_off = |id: &SourceId| {
        baseline.educator_access.get(&(product.code.clone(), id.clone())).is_some_and(|access| !access.on)
    };
    let mut teachers: BTreeMap<&SourceId, BTreeSet<&SourceId>> = BTreeMap::new();
    for it in baseline.roster.enrollments.values().filter(|it| it.role == RoleName::Teacher) {
        let active = baseline.roster.users.get(&it.user).is_some_and(|user| user.active);
        if active && !is_off(&it.user) {
            teachers.entry(&it.class).or_default().insert(&it.user);
        }
    }
    let concerned = trial.concerned(pool);
    let today = trial.as_of.date_in(baseline.state.time_zone);
    let over: BTreeSet<&SourceId> =
        baseline.roster.classes.iter().filter(|(_, class)| is_over(baseline, class, today)).map(|(id, _)| id).collect();
    // For each student of the pool the one educator all their classes hang on, if there is one.
    let mut hang_on: BTreeMap<&SourceId, Option<&SourceId>> = BTreeMap::new();
    let counts = |it: &&Enrollment| is_student(it) && concerned.contains_key(&it.user) && !over.contains(&it.class);
    for it in baseline.roster.enrollments.values().filter(counts) {
        let of_class = teachers.get(&it.class);
        let sole = of_class.filter(|all| all.len() == 1).and_then(|all| all.first().copied());
        let own = hang_on.entry(&it.user).or_insert(sole);
        if *own != sole {
            *own = None;
        }
    }
    let mut students: BTreeMap<&SourceId, usize> = BTreeMap::new();
    for educator in hang_on.into_values().flatten() {
        *students.entry(educator).or_default() += 1;
    }
    let mut ranked: Vec<(&SourceId, usize)> = students.into_iter().collect();
    ranked.sort_by_key(|(id, count)| (usize::MAX - count, *id));
    let district = word(baseline.state.id.as_str());
    let candidate = |(educator, count): (&SourceId, usize)| {
        let text = format!("switch educator {educator} OFF: {count} students count only through them");
        let command = format!(
            "rosterd access set --district {district} --educator {} --product {} --off",
            word(educator.as_str()),
            word(product.code.as_str())
        );
        Candidate { change: Change::Off(educator.clone()), suggestion: told(Kind::EducatorOff, text, command) }
    };
    ranked.into_iter().take(super::MOST / 2).map(candidate).collect()
}

fn is_student(it: &Enrollment) -> bool {
    it.role == RoleName::Student
}

/// Classes whose sessions are over and that still have students of the pool (S2.7, S2.8).
pub(super) fn stale_classes(trial: &Trial<'_>, pool: &Pool) -> Vec<Candidate> {
    let baseline = trial.baseline;
    let concerned = trial.concerned(pool);
    let mut students: BTreeMap<&SourceId, usize> = BTreeMap::new();
    for it in baseline.roster.enrollments.values().filter(|it| is_student(it) && concerned.contains_key(&it.user)) {
        *students.entry(&it.class).or_default() += 1;
    }
    let today = trial.as_of.date_in(baseline.state.time_zone);
    let mut ranked: Vec<(&SourceId, usize)> = students
        .into_iter()
        .filter(|(class, _)| baseline.roster.classes.get(*class).is_some_and(|it| is_over(baseline, it, today)))
        .collect();
    ranked.sort_by_key(|(id, count)| (usize::MAX - count, *id));
    let candidate = |(class, count): (&SourceId, usize)| {
        let district = word(baseline.state.id.as_str());
        let (text, command) = if trial.by_hand {
            let class = word(class.as_str());
            let command = format!("rosterd unenroll --district {district} --class {class} --everyone --reason over");
            (format!("empty class {class}: it is over and still has {count} students"), command)
        } else {
            let platform = "archive it in the rostering platform, then sync";
            let text = format!("class {class} is over and still has {count} students: {platform}");
            (text, format!("rosterd sync {district}"))
        };
        let suggestion = Suggestion { class: Some(class.clone()), ..told(Kind::StaleClass, text, command) };
        Candidate { change: Change::Archive(class.clone()), suggestion }
    };
    ranked.into_iter().take(super::MOST / 4).map(candidate).collect()
}

/// Whether all sessions of a class are over, or, where they have no end, of a past school year.
pub(super) fn is_over(baseline: &Baseline, class: &Class, today: Date) -> bool {
    let sessions = &baseline.roster.sessions;
    let mut own = class.sessions.iter().filter_map(|id| sessions.get(id)).peekable();
    // School years are named by the year they end in (OneRoster), and begin in July.
    let this_year = today.year() + i32::from(today.month() >= 7);
    own.peek().is_some()
        && own.all(|it| match it.ends_on {
            Some(end) => match baseline.state.end_dates {
                EndDates::Exclusive => end <= today,
                EndDates::Inclusive => end < today,
            },
            None => it.school_year.as_deref().and_then(|year| year.parse::<i32>().ok()).is_some_and(|y| y < this_year),
        })
}

/// Pairs of accounts of one student, both of which count: strong ones first.
pub(super) fn duplicates(trial: &Trial<'_>, pool: &Pool) -> Vec<Candidate> {
    let concerned = trial.concerned(pool);
    let takes = |it: &Proposal| concerned.contains_key(&it.first) && concerned.contains_key(&it.second);
    let mut pairs: Vec<Proposal> = identity::duplicates(trial.baseline).into_iter().filter(takes).collect();
    pairs.sort_by_key(|it| (it.strength, 100 - it.score.min(100), it.id.clone()));
    let candidate = |it: Proposal| {
        let other = if it.survivor == it.first { &it.second } else { &it.first };
        let keys: Vec<&str> = it.keys.iter().map(|key| key.as_str()).collect();
        let text = format!(
            "accounts {} and {other} are likely one student (same {}; {}): keep {}",
            it.survivor,
            keys.join(", "),
            it.id,
            it.survivor
        );
        let (change, command) = match trial.product.count_by {
            CountBy::Person => {
                let command = format!("rosterd identity accept {} --reason 'one student'", it.id);
                (Change::Link(Box::new(link(trial, &it))), command)
            }
            // Accounts count each, whoever they are of: the one that is not used gives its seat up.
            CountBy::Account => (Change::Exclude(vec![other.clone()]), exclude(trial, other, &it.survivor)),
        };
        let suggestion = Suggestion {
            users: vec![other.clone()],
            strength: Some(it.strength),
            ..told(Kind::Duplicate, text, command)
        };
        Candidate { change, suggestion }
    };
    pairs.into_iter().take(super::MOST / 4).map(candidate).collect()
}

fn exclude(trial: &Trial<'_>, user: &SourceId, survivor: &SourceId) -> String {
    format!(
        "rosterd override set --district {} --user {} --product {} --exclude --reason {}",
        word(trial.baseline.state.id.as_str()),
        word(user.as_str()),
        word(trial.product.code.as_str()),
        word(&format!("duplicate of {survivor}"))
    )
}

fn link(trial: &Trial<'_>, it: &Proposal) -> LinkDecision {
    LinkDecision {
        id: it.id.clone(),
        kind: it.kind,
        first: it.first.clone(),
        second: it.second.clone(),
        survivor: it.survivor.clone(),
        verdict: LinkVerdict::Accepted,
        actor: String::new(),
        at: trial.as_of,
        seats: Vec::new(),
    }
}

/// Students with a seat of the pool who do not need it: unused for thirty days (as many as are short, longest first), test
/// accounts, graduates (S4.35). Never staff.
pub(super) fn accounts(trial: &Trial<'_>, pool: &Pool, needed: u64) -> Vec<Candidate> {
    if matches!(trial.product.audience, Audience::Educator | Audience::Staff) {
        return Vec::new();
    }
    let users = &trial.baseline.roster.users;
    let concerned = trial.concerned(pool);
    let seated = concerned.iter().filter(|(_, seated)| **seated).filter_map(|(id, _)| users.get(*id));
    let students: Vec<&User> = seated.filter(|user| user.roles.iter().any(|it| it.role == RoleName::Student)).collect();
    let that = |wanted: fn(&User) -> bool| -> Vec<SourceId> {
        let those = students.iter().filter(|user| wanted(user) && !is_pinned(trial, user));
        those.map(|user| user.id.clone()).collect()
    };
    let days = RECENTLY_ACTIVE_DAYS;
    let lists = [
        (Kind::Unused, unused(trial, &students, needed), format!("unused for {days} days")),
        (Kind::TestAccounts, that(is_test), "test accounts".to_owned()),
        (Kind::Graduates, that(is_graduate), "graduates still active".to_owned()),
    ];
    let candidate = |(kind, users, why): (Kind, Vec<SourceId>, String)| {
        let text = format!("{} seats: {why}", users.len());
        let command = unassign(trial, &users, &why);
        let suggestion = Suggestion { users: users.clone(), ..told(kind, text, command) };
        Candidate { change: Change::Exclude(users), suggestion }
    };
    lists.into_iter().filter(|(_, users, _)| !users.is_empty()).map(candidate).collect()
}

fn unassign(trial: &Trial<'_>, users: &[SourceId], why: &str) -> String {
    let whom = if users.len() > LONGEST {
        "--file USERS".to_owned()
    } else {
        let ids: Vec<String> = users.iter().map(|id| word(id.as_str())).collect();
        format!("--user {}", ids.join(" "))
    };
    let (district, product) = (word(trial.baseline.state.id.as_str()), word(trial.product.code.as_str()));
    format!("rosterd unassign --district {district} --product {product} {whom} --reason {}", word(why))
}

/// Longest unused first; nobody where no use of the product is reported at all.
fn unused(trial: &Trial<'_>, students: &[&User], needed: u64) -> Vec<SourceId> {
    let code = &trial.product.code;
    let seats = &trial.baseline.seats;
    let reported = seats.iter().any(|((product, _), seat)| product == code && seat.last_used_at.is_some());
    if !reported {
        return Vec::new();
    }
    let limit = trial.as_of.plus(TimeDelta::days(-RECENTLY_ACTIVE_DAYS));
    let last_use = |user: &User| {
        let seat = seats.get(&(code.clone(), user.id.clone()))?;
        Some((seat.last_used_at.unwrap_or(seat.since), user.id.clone()))
    };
    let idle = students.iter().filter(|user| !is_pinned(trial, user)).filter_map(|user| last_use(user));
    let mut idle: Vec<_> = idle.filter(|(used, _)| *used < limit).collect();
    idle.sort_unstable();
    idle.into_iter().take(usize::try_from(needed).unwrap_or(usize::MAX)).map(|(_, id)| id).collect()
}

/// Whether a person said that they are to have it.
fn is_pinned(trial: &Trial<'_>, user: &User) -> bool {
    trial.baseline.overrides.contains_key(&(trial.product.code.clone(), user.id.clone()))
}

pub(super) fn is_test(user: &User) -> bool {
    let names = [&user.given_name, &user.family_name, &user.username].into_iter().flatten().map(Personal::reveal);
    names
        .map(str::to_lowercase)
        .any(|name| name.split(|c: char| !c.is_alphabetic()).any(|part| TEST_NAMES.contains(&part)))
}

/// Every grade they have lies after the twelfth.
pub(super) fn is_graduate(user: &User) -> bool {
    let after = |grade: &String| {
        let grade = canonical_grade(grade);
        matches!(grade.as_str(), "13" | "PS") || grade.to_lowercase().starts_with("graduat")
    };
    !user.grades.is_empty() && user.grades.iter().all(after)
}
