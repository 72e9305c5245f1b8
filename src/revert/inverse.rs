//! What puts a run's records back: the inverse of each version that still stands (safety.md, Revert). Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Baseline, Decision, Enrollment, HeldChange, Kind, Record, RosterRecord, RunRecord, SourceId, Verb, Verdict,
};
use crate::plan::UnreadableRecord;
use crate::store::{Newer, RecordWrite, Touched};

/// What is known of the run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    /// The run.
    pub(super) run: &'a RunRecord,
    /// The district now.
    pub(super) baseline: &'a Baseline,
    /// What the run did to records.
    pub(super) versions: &'a [RecordWrite],
    /// Who changed each of these last.
    pub(super) touched: &'a Touched,
    /// Classes and enrollments that changed since.
    pub(super) newer: &'a Newer,
}

/// A record left alone, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) reason: String,
}

/// Every record of the run in one of three buckets.
#[derive(Debug, Default)]
pub(super) struct Inverse {
    /// From the record as the run left it to the record as it was.
    pub(super) changes: Vec<HeldChange>,
    pub(super) kept: Vec<Left>,
    pub(super) impossible: Vec<Left>,
}

impl Inverse {
    pub(super) fn of(known: Known<'_>) -> Result<Self, UnreadableRecord> {
        let mut inverse = Self::default();
        for version in known.versions {
            let key = (version.kind, version.id.clone());
            let left = |reason: String| Left { kind: version.kind, id: version.id.clone(), reason };
            match known.touched.get(&key) {
                None => inverse.impossible.push(left("it is no longer stored".to_owned())),
                Some(by) if *by == known.run.run => inverse.changes.push(back(version)),
                Some(by) if known.run.reverted_by.as_ref() == Some(by) => {
                    inverse.kept.push(left(format!("it was reverted already by run {by}")));
                }
                Some(by) => inverse.kept.push(left(format!("it was changed since by run {by}"))),
            }
        }
        inverse.close(known)?;
        Ok(inverse)
    }

    /// Nothing is removed that something newer rests on, and nothing comes back to what is gone.
    fn close(&mut self, known: Known<'_>) -> Result<(), UnreadableRecord> {
        let gone = self.ids(|change| change.after.is_none());
        let back = self.ids(|change| change.before.is_none());
        let roster = &known.baseline.roster;
        let stays = |it: &&Enrollment| {
            let id = (Kind::Enrollments, Enrollment::text_id(&it.key()));
            known.newer.contains(&id) && !gone.contains(&id)
        };
        let needed: BTreeSet<(Kind, &str)> = (roster.enrollments.values().filter(stays))
            .flat_map(|key| [(Kind::Users, key.user.as_str()), (Kind::Classes, key.class.as_str())])
            .collect();
        let needs = |kind, id: &str| needed.contains(&(kind, id));
        let schools: BTreeSet<&SourceId> = (roster.classes.values())
            .filter(|class| known.newer.contains(&(Kind::Classes, class.id.to_string())))
            .filter_map(|class| class.school.as_ref())
            .collect();
        let there = |kind: Kind, id: &SourceId| {
            let active = match kind {
                Kind::Users => roster.users.contains_key(id),
                Kind::Classes => roster.classes.contains_key(id),
                Kind::Schools | Kind::Sessions | Kind::Courses | Kind::Enrollments => true,
            };
            let key = (kind, id.to_string());
            back.contains(&key) || (active && (!gone.contains(&key) || needs(kind, id.as_str())))
        };
        let mut stay = Vec::new();
        for change in std::mem::take(&mut self.changes) {
            let left = |reason: &str| Left { kind: change.kind, id: change.id.clone(), reason: reason.to_owned() };
            let removes = change.after.is_none();
            if removes && needs(change.kind, &change.id) {
                self.kept.push(left("enrollments that came since rest on it"));
            } else if removes && change.kind == Kind::Schools && schools.contains(&SourceId::new(change.id.as_str())) {
                self.kept.push(left("classes that came since are held at it"));
            } else if let Some(Record::Enrollment(it)) = added(&change)? {
                if !there(Kind::Users, &it.user) {
                    self.impossible.push(left("its user is not in the roster any more"));
                } else if there(Kind::Classes, &it.class) {
                    stay.push(change);
                } else {
                    self.impossible.push(left("its class is not in the roster any more"));
                }
            } else {
                stay.push(change);
            }
        }
        self.changes = stay;
        Ok(())
    }

    fn ids(&self, wanted: impl Fn(&HeldChange) -> bool) -> BTreeSet<(Kind, String)> {
        self.changes.iter().filter(|it| wanted(it)).map(|it| (it.kind, it.id.clone())).collect()
    }

    /// Users whose own record, enrollment or class is put back.
    pub(super) fn users(&self, baseline: &Baseline) -> Result<BTreeSet<SourceId>, UnreadableRecord> {
        let mut users = BTreeSet::new();
        let mut classes = BTreeSet::new();
        for change in &self.changes {
            match record(change, change.after.as_ref().or(change.before.as_ref()))? {
                Some(Record::User(it)) => users.extend([it.id.clone()]),
                Some(Record::Enrollment(it)) => users.extend([it.user.clone()]),
                Some(Record::Class(it)) => classes.extend([it.id.clone()]),
                Some(Record::School(_) | Record::Session(_) | Record::Course(_)) | None => {}
            }
        }
        let members = baseline.roster.enrollments.values().filter(|it| classes.contains(&it.class));
        users.extend(members.map(|it| it.user.clone()));
        Ok(users)
    }

    /// The versions of the source that are refused from now on: exactly those the run brought. What a revert brought was
    /// never a version of the source, and stays free to come (safety.md, Refused versions).
    pub(super) fn refusals(&self, run: &RunRecord) -> Vec<(Kind, String, Decision)> {
        if run.revert.is_some() {
            return Vec::new();
        }
        let refusal = |change: &HeldChange| {
            let version = change.before.as_deref().map(crate::model::Fingerprint::of);
            (
                change.kind,
                change.id.clone(),
                Decision { verdict: Verdict::Refused, version, until: None, run: run.run.clone() },
            )
        };
        self.changes.iter().map(refusal).collect()
    }

    /// Records by kind and id, for looking one up.
    pub(super) fn keys(versions: &[RecordWrite]) -> BTreeMap<Kind, BTreeSet<&str>> {
        let mut keys: BTreeMap<Kind, BTreeSet<&str>> = BTreeMap::new();
        for version in versions {
            keys.entry(version.kind).or_default().insert(&version.id);
        }
        keys
    }
}

/// The change from what the run left to what was before it. A person ends it: that is evidence, as a tombstone is.
fn back(version: &RecordWrite) -> HeldChange {
    let (before, after) = match version.verb {
        Verb::Added | Verb::Restored => (version.after.clone(), None),
        Verb::Removed => (None, version.before.clone()),
        Verb::Changed => (version.after.clone(), version.before.clone()),
    };
    let tombstone = after.is_none();
    HeldChange { groups: BTreeSet::new(), kind: version.kind, id: version.id.clone(), before, after, tombstone }
}

fn added(change: &HeldChange) -> Result<Option<Record>, UnreadableRecord> {
    if change.before.is_some() { Ok(None) } else { record(change, change.after.as_ref()) }
}

fn record(change: &HeldChange, body: Option<&String>) -> Result<Option<Record>, UnreadableRecord> {
    let read = |body: &String| {
        let failed = |cause| UnreadableRecord { kind: change.kind, id: change.id.clone(), cause };
        Record::from_body(change.kind, body).map_err(failed)
    };
    body.map(read).transpose()
}
