//! What a run means for the district's alerts: the district as it is once the run is written, looked at whole.

use std::collections::BTreeMap;

use crate::alert::{self, Evaluation, Kept, Seen};
use crate::allocate::{self, Input, License, Tallies};
use crate::guard::Cleared;
use crate::model::{Baseline, Kind, Record, Roster, SourceMark};

/// A district as it is once a run is written, and what that means.
pub(super) struct Watched {
    pub(super) alerts: Evaluation,
    pub(super) daily: Kept,
    /// `rosterd licenses --by-school`.
    pub(super) rows: Vec<License>,
    /// The district's name as the feed has it; none if it has no district or more than one.
    pub(super) name: Option<String>,
}

/// The alerts and the history after a cleared plan. `source` is the data in use then; none for a district that is not fed.
pub(super) fn watch(cleared: &Cleared, baseline: &Baseline, source: Option<&SourceMark>) -> Watched {
    let plan = cleared.plan();
    let after = cleared.seats();
    // Numbers need the schools and how many students there are, not the whole roster once more; nor seats and places but to
    // count them.
    let schools = schools(cleared, baseline);
    let input = Input { roster: (&schools).into(), remembered: &after.remembered, ..Input::of(baseline, plan.as_of) };
    let (seats, waiting) = (after.seats.now(&baseline.seats), after.waiting.now(&baseline.waiting));
    let rows = Tallies::after(seats, waiting, students(cleared, baseline)).licenses(input, true);
    let outlook = allocate::outlook(input);
    let mut names = schools.schools.values().filter(|org| org.org_type == "district").map(|org| org.name.as_str());
    let name = names.next().filter(|name| !name.is_empty() && names.next().is_none());
    let seen = Seen {
        rows: &rows,
        outlook: &outlook,
        name,
        source,
        held: cleared.in_review().count() + plan.pending.len(),
        proposal: if plan.pull.is_some() {
            cleared.proposal()
        } else {
            baseline.review.as_ref().and_then(|review| review.proposal.as_ref())
        },
    };
    let (alerts, daily) = alert::look(baseline, plan.as_of, seen);
    Watched { alerts, daily, name: name.map(str::to_owned), rows }
}

fn schools(cleared: &Cleared, baseline: &Baseline) -> Roster {
    let mut roster = Roster { schools: baseline.roster.schools.clone(), ..Roster::default() };
    for change in cleared.applied().filter(|change| change.kind == Kind::Schools) {
        match (&change.before, &change.after) {
            (_, Some(after)) => roster.put(after.clone()),
            (Some(before), None) => roster.take(before),
            (None, None) => {}
        }
    }
    roster
}

/// Active students afterwards.
fn students(cleared: &Cleared, baseline: &Baseline) -> u64 {
    let counts = |record: Option<&Record>| match record {
        Some(Record::User(user)) => allocate::is_active_student(user),
        _ => false,
    };
    let mut students = allocate::active_students(&baseline.roster);
    let changes: BTreeMap<_, _> =
        cleared.applied().filter(|it| it.kind == Kind::Users).map(|it| (it.id(), it)).collect();
    for change in changes.values() {
        students += u64::from(counts(change.after.as_ref()));
        students = students.saturating_sub(u64::from(counts(change.before.as_ref())));
    }
    students
}
