//! Snapshot against baseline, kind by kind.
//!
//! Absence is a fact only of a complete snapshot; a row that is present but unusable is present; a tombstone is evidence. A
//! version that a person refused is skipped and said so (safety.md, Refused versions).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Baseline, Decision, HeldChange, Kind, Record, RosterRecord, Timestamp, Verdict, Warning};
use crate::plan::{Change, UnreadableRecord, record_of, sections};
use crate::snapshot::{Presence, Snapshot, Told};

/// What differs.
#[derive(Debug, Default)]
pub(super) struct Differences {
    pub(super) changes: Vec<Change>,
    pub(super) approved: BTreeSet<usize>,
    pub(super) unchanged: BTreeMap<Kind, u64>,
    pub(super) warnings: Vec<Warning>,
    pub(super) spent: Vec<(Kind, String)>,
}

/// All kinds of a snapshot.
pub(super) fn against_snapshot(baseline: &Baseline, snapshot: &Snapshot, as_of: Timestamp) -> Differences {
    let mut scan = Scan {
        baseline,
        snapshot,
        as_of,
        found: Differences::default(),
        refused: BTreeMap::new(),
        replaced: BTreeSet::new(),
        mentioned: BTreeSet::new(),
    };
    let roster = &baseline.roster;
    scan.kind(&snapshot.schools(roster));
    scan.kind(&snapshot.sessions(roster));
    scan.kind(&snapshot.courses(roster));
    let classes = sections::following(baseline, snapshot);
    scan.kind(&Told::new(&classes.seen, snapshot.hits(Kind::Classes), &roster.classes));
    scan.replaced = scan.found.changes.iter().filter(|it| it.replaces()).map(|it| it.id().into_owned()).collect();
    scan.found.warnings.extend(classes.warning);
    scan.kind(&snapshot.users(roster));
    scan.kind(&snapshot.enrollments(roster));
    scan.spend_absent();
    let mut found = scan.found;
    for (kind, ids) in scan.refused {
        found.warnings.push(Warning {
            code: "refused_version".to_owned(),
            kind: Some(kind),
            count: u64::try_from(ids.len()).unwrap_or(u64::MAX),
            message: format!(
                "{kind} skipped because a person refused exactly this version; the next other one is taken up"
            ),
            ids: ids.into_iter().take(5).collect(),
        });
    }
    found
}

struct Scan<'a> {
    baseline: &'a Baseline,
    snapshot: &'a Snapshot,
    as_of: Timestamp,
    found: Differences,
    refused: BTreeMap<Kind, BTreeSet<String>>,
    /// Classes whose id another class takes over.
    replaced: BTreeSet<String>,
    /// Decided records that the snapshot or the store mentions.
    mentioned: BTreeSet<(Kind, String)>,
}

impl Scan<'_> {
    fn kind<T: RosterRecord>(&mut self, told: &Told<'_, T>) {
        if self.snapshot.kept.contains(&T::KIND) {
            return;
        }
        let (may_remove, decided) = (self.snapshot.complete(), !self.baseline.decisions.is_empty());
        // A first load adds millions, which had better not move while they grow.
        self.found.changes.reserve(told.more());
        let mut unchanged = 0;
        for pair in told.pairs() {
            let (presence, before) = (pair.presence(), pair.stored);
            if decided {
                self.mentioned.insert((T::KIND, pair.text_id()));
            }
            let told = matches!(presence, Some(Presence::This(_) | Presence::Unchanged));
            let (same, after, tombstone) = match presence {
                Some(Presence::This(record)) => (before == Some(&**record), Some(record), false),
                Some(Presence::Unchanged | Presence::Unusable) => (before.is_some(), None, false),
                Some(Presence::Gone) => (false, None, true),
                None => (false, None, false),
            };
            if same {
                unchanged += 1;
                if decided && told {
                    self.spend_refusal(T::KIND, pair.text_id());
                }
                continue;
            }
            if after.is_none() && !may_remove {
                continue;
            }
            let archived = &self.baseline.archived;
            let restores = before.is_none() && !archived.is_empty() && archived.contains(&(T::KIND, pair.text_id()));
            let (old, new) = (before.cloned().map(T::into_record), after.cloned().map(T::shared));
            if let Some(change) = Change::between(old, new, restores, tombstone) {
                self.take(change);
            }
        }
        if unchanged > 0 {
            self.found.unchanged.insert(T::KIND, unchanged);
        }
    }

    /// A refused addition that a complete snapshot no longer has is something else, too.
    fn spend_absent(&mut self) {
        if !self.snapshot.complete() {
            return;
        }
        let refused = self.baseline.decisions.iter().filter(|(_, it)| it.verdict == Verdict::Refused);
        let gone = refused.map(|(key, _)| key).filter(|key| !self.mentioned.contains(*key));
        self.found.spent.extend(gone.filter(|(kind, _)| !self.snapshot.kept.contains(kind)).cloned());
    }

    /// The source sends something else than what was refused: the record is taken up again, whatever it sends next.
    fn spend_refusal(&mut self, kind: Kind, id: String) {
        let key = (kind, id);
        if self.baseline.decisions.get(&key).is_some_and(|it| it.verdict == Verdict::Refused) {
            self.found.spent.push(key);
        }
    }

    fn take(&mut self, change: Change) {
        // Most districts have none, and a first load asks for millions.
        let decisions = Some(&self.baseline.decisions).filter(|it| !it.is_empty());
        let decision = decisions.and_then(|it| it.get(&(change.kind, change.id().into_owned())));
        match decision {
            // With its class an enrollment goes in any case: no decision on it passes to the class that has the id now.
            Some(it)
                if it.verdict == Verdict::Refused
                    && it.version == change.version()
                    && !self.goes_with_class(&change) =>
            {
                self.refused.entry(change.kind).or_default().insert(change.id().into_owned());
            }
            Some(it) if approves(it, &change, self.as_of) => {
                self.found.approved.insert(self.found.changes.len());
                self.found.changes.push(change);
            }
            Some(_) | None => self.found.changes.push(change),
        }
    }
}

impl Scan<'_> {
    fn goes_with_class(&self, change: &Change) -> bool {
        match (&change.before, &change.after) {
            (Some(Record::Enrollment(it)), None) => self.replaced.contains(it.class.as_str()),
            _ => false,
        }
    }
}

fn approves(decision: &Decision, change: &Change, as_of: Timestamp) -> bool {
    decision.verdict == Verdict::Approved
        && decision.version == change.version()
        && decision.until.is_none_or(|until| as_of <= until)
}

/// Of held changes those whose record is still what the review showed; the others are left for the next sync.
pub(super) fn still_as_shown(baseline: &Baseline, held: &[HeldChange]) -> Result<Differences, UnreadableRecord> {
    let mut found = Differences::default();
    for change in held {
        let read =
            |body: &Option<String>| body.as_deref().map(|body| record_of(change.kind, &change.id, body)).transpose();
        let (shown, after) = (read(&change.before)?, read(&change.after)?);
        let now = current(baseline, shown.as_ref().or(after.as_ref()));
        if now == shown {
            let archived = baseline.archived.contains(&(change.kind, change.id.clone()));
            found.changes.extend(Change::between(now, after, archived, change.tombstone));
        }
    }
    found.changes.sort_by_key(|change| (change.kind, sort_key(change)));
    found.approved = (0..found.changes.len()).collect();
    Ok(found)
}

/// What a person changes, in the order of every plan.
pub(super) fn by_hand(changes: &[Change]) -> Differences {
    let mut changes = changes.to_vec();
    changes.sort_by_key(|change| (change.kind, sort_key(change)));
    Differences { changes, ..Differences::default() }
}

/// Of an open review's changes those that still could apply and are not among `taken`.
pub(super) fn still_open(
    baseline: &Baseline,
    held: &[HeldChange],
    taken: &[Change],
) -> Result<Vec<Change>, UnreadableRecord> {
    let taken: BTreeSet<(Kind, Cow<'_, str>)> = taken.iter().map(|change| (change.kind, change.id())).collect();
    let open = still_as_shown(baseline, held)?.changes;
    Ok(open.into_iter().filter(|change| !taken.contains(&(change.kind, change.id()))).collect())
}

fn sort_key(change: &Change) -> Vec<String> {
    match change.record() {
        Some(Record::Enrollment(it)) => {
            let key = it.key();
            vec![key.user.to_string(), key.class.to_string(), format!("{:?}", key.role)]
        }
        Some(_) | None => vec![change.id().into_owned()],
    }
}

/// The active record with the key of `like`.
fn current(baseline: &Baseline, like: Option<&Record>) -> Option<Record> {
    let roster = &baseline.roster;
    match like? {
        Record::School(it) => roster.schools.get(&it.id).cloned().map(RosterRecord::into_record),
        Record::Session(it) => roster.sessions.get(&it.id).cloned().map(RosterRecord::into_record),
        Record::Course(it) => roster.courses.get(&it.id).cloned().map(RosterRecord::into_record),
        Record::Class(it) => roster.classes.get(&it.id).cloned().map(RosterRecord::into_record),
        Record::User(it) => roster.users.get(&it.id).cloned().map(RosterRecord::into_record),
        Record::Enrollment(it) => roster.enrollments.get(&it.key()).cloned().map(RosterRecord::into_record),
    }
}
