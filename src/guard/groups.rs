//! Which limits trip, as groups with their names (safety.md, Guard).

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::allocate::Lasting;
use crate::guard::losses::{self, Losses, Schools};
use crate::guard::window::Window;
use crate::guard::{Fleet, Limit, Settings};
use crate::model::{Baseline, Kind, Record, Session, SourceId, Verb};
use crate::plan::{Change, Plan};
use crate::snapshot::Snapshot;

/// A limit that tripped.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) count: u64,
    pub(super) of: u64,
    pub(super) limit: String,
    pub(super) members: BTreeSet<usize>,
}

/// How the name of a school ends that is shared no more.
pub(super) const UNSHARED: &str = "/unshared";

const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

pub(super) fn encoded(id: &str) -> String {
    utf8_percent_encode(id, KEPT).to_string()
}

pub(super) fn school_scope(school: &SourceId) -> String {
    format!("school:{}", encoded(school.as_str()))
}

pub(super) fn number(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

impl Group {
    /// The whole plan.
    pub(super) fn everything(name: &str, plan: &Plan, limit: &str) -> Self {
        let count = number(plan.changes.len());
        let members = (0..plan.changes.len()).collect();
        Self { name: name.to_owned(), count, of: count, limit: limit.to_owned(), members }
    }
}

/// What is to be known beside plan, store and limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'a> {
    /// The snapshot behind the plan.
    pub(super) snapshot: &'a Snapshot,
    /// Whether it is the first of its feed.
    pub(super) first: bool,
    /// What a mode keeps back and nobody is asked about.
    pub(super) kept: &'a BTreeSet<usize>,
    /// What all districts together released lately.
    pub(super) fleet: Option<Fleet>,
}

/// All groups that trip, in no particular order.
pub(super) fn tripped(plan: &Plan, baseline: &Baseline, settings: &Settings, around: Around<'_>) -> Vec<Group> {
    let Around { snapshot, first, kept, fleet } = around;
    if let Some(group) = strangers(plan, baseline, settings, snapshot) {
        return vec![group];
    }
    let lasting = losses::lasting(plan, baseline);
    let mut losses = Losses::of(plan, &plan.seats, baseline, &lasting);
    if !kept.is_empty() {
        // With what is kept back nothing that is left ends a seat.
        losses.released.clear();
    }
    let aside = plan.approved.union(kept).copied().collect();
    let coming = plan.changes.iter().filter_map(|change| match &change.after {
        Some(Record::Session(it)) => Some((&it.id, &**it)),
        _ => None,
    });
    let mut watch = Watch {
        plan,
        aside,
        baseline,
        settings,
        schools: Schools::new(baseline),
        losses,
        window: Window::before(plan, baseline, &lasting),
        lasting,
        coming: coming.collect(),
        groups: Vec::new(),
    };
    watch.users_removed();
    watch.unenrolled();
    watch.enrollments_removed();
    watch.classes_removed();
    watch.released();
    watch.fleet(fleet);
    watch.unshared();
    watch.changed();
    watch.classes_to_zero();
    let rollover = baseline.modes.is_rollover(plan.as_of, baseline.state.time_zone);
    if !first && !rollover {
        watch.users_added();
    }
    watch.rekeyed();
    watch.reused();
    watch.invalid(snapshot);
    watch.groups
}

/// A snapshot that shares too few users with the store is somebody else's (P2).
fn strangers(plan: &Plan, baseline: &Baseline, settings: &Settings, snapshot: &Snapshot) -> Option<Group> {
    let of = baseline.count(Kind::Users);
    if snapshot.absent.contains(&Kind::Users) || of < usize::try_from(settings.common_from).unwrap_or(usize::MAX) {
        return None;
    }
    let common = snapshot.users(&baseline.roster).common();
    let few = number(common).saturating_mul(100) < u64::from(settings.common_percent).saturating_mul(number(of));
    let limit = format!("under {} % of the store's users are in the feed", settings.common_percent);
    few.then(|| Group {
        count: number(of - common),
        of: number(of),
        ..Group::everything("district/snapshot", plan, &limit)
    })
}

pub(super) struct Watch<'a> {
    pub(super) plan: &'a Plan,
    /// What counts toward no limit: a person approved it, or a mode keeps it back.
    pub(super) aside: BTreeSet<usize>,
    pub(super) baseline: &'a Baseline,
    pub(super) settings: &'a Settings,
    pub(super) schools: Schools<'a>,
    pub(super) losses: Losses,
    pub(super) lasting: Lasting<'a>,
    pub(super) window: Window,
    /// Sessions that the plan brings or changes.
    pub(super) coming: BTreeMap<&'a SourceId, &'a Session>,
    pub(super) groups: Vec<Group>,
}

/// What counts in one scope: how many, and which changes hold with it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) count: u64,
    pub(super) members: BTreeSet<usize>,
}

impl Tally {
    pub(super) fn add(&mut self, causes: &BTreeSet<usize>) {
        self.count += 1;
        self.members.extend(causes);
    }
}

impl Watch<'_> {
    pub(super) fn removals(&self, kind: Kind) -> impl Iterator<Item = (usize, &Change)> {
        self.of(kind, |verb| verb == Verb::Removed)
    }

    /// Removals that were not announced by dates that had passed.
    pub(super) fn losses_of(&self, kind: Kind) -> impl Iterator<Item = (usize, &Change)> {
        let counts = |it: &Change| it.before.as_ref().is_some_and(|before| losses::is_loss(before, &self.lasting));
        let indexed = self.plan.changes.iter().enumerate();
        let gone = indexed.filter(move |(index, it)| it.kind == kind && it.removes() && !self.aside.contains(index));
        gone.filter(move |(_, it)| counts(it))
    }

    pub(super) fn of(&self, kind: Kind, wanted: fn(Verb) -> bool) -> impl Iterator<Item = (usize, &Change)> {
        let indexed = self.plan.changes.iter().enumerate();
        indexed.filter(move |(index, it)| it.kind == kind && wanted(it.verb) && !self.aside.contains(index))
    }

    /// Names a group if the limit trips, or if a scope of some size would go to zero; or else if tonight and the days before
    /// are too much together.
    pub(super) fn weigh(&mut self, scope: &str, what: &str, tally: Tally, of: u64, limit: Limit, zero: bool) {
        if tally.count == 0 {
            return;
        }
        let Some(words) = self.settings.too_much(limit, tally.count, of, zero) else {
            self.weigh_seven_days(scope, what, tally, of, limit);
            return;
        };
        let name = format!("{scope}/{what}");
        self.groups.push(Group { name, count: tally.count, of, limit: words, members: tally.members });
    }

    /// The sum of seven days (P10): what tonight takes waits. Where tonight alone is too much already, the same changes wait
    /// under the nightly name.
    fn weigh_seven_days(&mut self, scope: &str, what: &str, tonight: Tally, of: u64, limit: Limit) {
        let before = self.window.count(scope, what);
        let (count, limit) = (before + tonight.count, limit.of_seven_days());
        if limit.trips(count, of) {
            let (name, limit) = (format!("{scope}/{what}_7d"), format!("{} in seven days", limit.words()));
            self.groups.push(Group { name, count, of, limit, members: tonight.members });
        }
    }

    pub(super) fn weigh_schools(
        &mut self,
        what: &str,
        tallies: BTreeMap<SourceId, Tally>,
        of: &BTreeMap<SourceId, u64>,
        limit: Limit,
        zero: bool,
    ) {
        for (school, tally) in tallies {
            let scope = school_scope(&school);
            let of = of.get(&school).copied().unwrap_or_default();
            self.weigh(&scope, what, tally, of, limit, zero);
        }
    }

    /// One tally per school of the changes given.
    pub(super) fn by_school<'c>(
        &self,
        changes: impl Iterator<Item = (usize, &'c Change)>,
    ) -> BTreeMap<SourceId, Tally> {
        let mut tallies: BTreeMap<SourceId, Tally> = BTreeMap::new();
        for (index, change) in changes {
            for school in
                change.before.iter().chain(&change.after).flat_map(|it| self.schools.of(it)).collect::<BTreeSet<_>>()
            {
                let tally = tallies.entry(school).or_default();
                tally.count += 1;
                tally.members.insert(index);
            }
        }
        tallies
    }

    /// Active rows of a kind in each school before the run.
    pub(super) fn rows_of_schools(&self, kind: Kind) -> BTreeMap<SourceId, u64> {
        let roster = &self.baseline.roster;
        let mut rows: BTreeMap<&SourceId, u64> = BTreeMap::new();
        match kind {
            Kind::Users => return self.schools.counted(roster.users.values()),
            Kind::Classes => {
                for school in roster.classes.values().filter_map(|class| class.school.as_ref()) {
                    *rows.entry(school).or_default() += 1;
                }
            }
            Kind::Enrollments => {
                // Those of a user follow each other, and most are of one school.
                let schools = roster.enrollments.values().filter_map(|it| self.schools.of_enrollment(it));
                let mut schools = schools.peekable();
                while let Some(school) = schools.next() {
                    let mut run = 1;
                    while schools.next_if_eq(&school).is_some() {
                        run += 1;
                    }
                    *rows.entry(school).or_default() += run;
                }
            }
            Kind::Schools | Kind::Sessions | Kind::Courses => {}
        }
        rows.into_iter().map(|(school, count)| (school.clone(), count)).collect()
    }

    pub(super) fn all<'c>(changes: impl Iterator<Item = (usize, &'c Change)>) -> Tally {
        let members: BTreeSet<usize> = changes.map(|(index, _)| index).collect();
        Tally { count: number(members.len()), members }
    }
}
