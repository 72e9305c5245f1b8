//! A person is taken out of the store for good, on their right to it (safety.md, People's data; P47, T44).
//!
//! An erasure is a run: their records and seats end with an audit entry each, so that the fold of the audit stays the store,
//! and in the same transaction every row about them is deleted. The feed is not listened to when it sends them again.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::allocate::{Allocation, SeatKey};
use crate::apply::{self, Author, Decided, Outcome, Shown};
use crate::audit::{Category, Draft};
use crate::guard::{self, Circumstances};
use crate::model::{
    Baseline, DistrictId, HeldChange, Kind, ReleaseReason, RosterRecord, RunRecord, RunStatus, SourceId, Timestamp,
};
use crate::plan::{self, Cause};
use crate::run::{self, Job, RunError, World};
use crate::store::{Counts, Expired, Store, StoreError, WriteError};

/// How long people's data is kept (COPPA, 16 CFR 312.10).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Days for which archived rows, versions and decided held changes are kept; 0 keeps them. A run older than this cannot
    /// be reverted.
    pub archived_days: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { archived_days: 400 }
    }
}

impl Settings {
    /// Rows of runs before this instant are due; none where they are kept.
    pub fn due_before(&self, now: Timestamp) -> Option<Timestamp> {
        let days = Some(self.archived_days).filter(|days| *days > 0)?;
        Some(now.plus(-TimeDelta::days(i64::from(days))))
    }
}

/// Deletes what is due in all districts, if anything may be: none where rows are kept.
pub async fn expire(store: &Store, settings: &Settings, now: Timestamp) -> Result<Option<Expired>, StoreError> {
    let Some(before) = settings.due_before(now) else { return Ok(None) };
    let entry = |district: &DistrictId, counts: &Counts| Draft {
        actor: "rosterd".to_owned(),
        category: Category::System,
        action: "district.expired".to_owned(),
        entity: "district".to_owned(),
        id: district.to_string(),
        before: None,
        after: Some(json!({ "before": before, "rows": counts })),
        reason: Some("retention".to_owned()),
    };
    store.expire(now, before, entry).await.map(Some)
}

/// What a person asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The user.
    pub user: SourceId,
}

/// What names a person: values no longer than this are no proof of anything.
const SHORTEST: usize = 3;

/// Pieces of text that name one person: looked for in the store before and after. `Debug` shows none of them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Traces(std::collections::BTreeSet<(String, String)>);

impl std::fmt::Debug for Traces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Traces").field(&self.0.len()).finish()
    }
}

impl Traces {
    /// Those of a user, from every body the store has of them: each of email, username, numbers; given and family name
    /// together, since others have one of them too.
    pub async fn of(store: &Store, district: &DistrictId, user: &SourceId) -> Result<Self, StoreError> {
        let mut traces = Self::default();
        for body in store.bodies_of_user(district, user).await? {
            let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(&body) else { continue };
            let text = |name: &str| {
                let text = fields.get(name).and_then(Value::as_str).filter(|text| text.len() >= SHORTEST);
                text.filter(|text| *text != user.as_str()).map(str::to_owned)
            };
            let alone = ["email", "username", "student_number", "state_id"].into_iter().filter_map(text);
            traces.0.extend(alone.map(|it| (it.clone(), it)));
            if let (Some(given), Some(family)) = (text("given_name"), text("family_name")) {
                traces.0.insert((format!("\"{given}\""), format!("\"{family}\"")));
            }
        }
        Ok(traces)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The rows of the district's tables in which any of them stands now.
    pub async fn found(&self, store: &Store, district: &DistrictId) -> Result<Counts, StoreError> {
        let mut found = Counts::new();
        for (one, other) in &self.0 {
            for (table, n) in store.rows_with(district, (one, other)).await? {
                *found.entry(table).or_default() += n;
            }
        }
        Ok(found)
    }
}

/// Carries an erasure out as the run of `job` and returns that run.
pub async fn carry_out(job: &Job<'_>, ask: &Ask, world: &World<'_>) -> Result<RunRecord, RunError> {
    let mut attempts: u32 = 1;
    loop {
        match Box::pin(once(job, &ask.user, world)).await {
            Err(RunError::Write(WriteError::Stale { .. })) if attempts < run::ATTEMPTS => attempts += 1,
            done => return done,
        }
    }
}

async fn once(job: &Job<'_>, user: &SourceId, world: &World<'_>) -> Result<RunRecord, RunError> {
    let record = RunRecord { started_at: Some(world.clock.now()), status: RunStatus::Applying, ..job.run.clone() };
    let actor = job.run.requested_by.clone().unwrap_or_else(|| "unknown".to_owned());
    let author = Author { actor, person: true, reason: None };
    let mut baseline = world.store.baseline(&job.district.id()).await?;
    run::not_before_the_last_change(record.as_of, &baseline)?;
    let open = run::open_runs(world.store, &job.district.id()).await?;
    let undecided = open.iter().flat_map(|(_, held)| held).filter(|(_, decision)| decision.is_none());
    let waiting: Vec<HeldChange> =
        undecided.map(|(change, _)| change).filter(|change| is_about(change, user)).cloned().collect();
    if let Some(review) = &mut baseline.review {
        review.changes.retain(|change| !is_about(change, user));
    }
    baseline.kept_back.retain(|change| !is_about(change, user));
    let leaves = removals(&baseline, user)?;
    let plan = plan::make(&baseline, Cause::Approved(&leaves), record.as_of)?;
    let circumstances = Circumstances::default();
    let cleared = guard::review(plan, &baseline, world.limits, circumstances)?;
    let shown = Shown::new(world.store.pseudonym_key(), &baseline, &cleared.plan().changes);
    let mut decided = apply::after_decision(&open, &waiting, Outcome::Superseded, &author.actor, record.as_of);
    decided.entries.push(entry(&author, shown.user(user), record.reason.clone()));
    decided.entries.extend(orphans(&baseline, cleared.seats(), user, &author, &shown));
    let decided = Decided { because: Some(ReleaseReason::Erased), erase: Some(user.clone()), ..decided };
    let done = world.apply(job, record, &cleared, &baseline, decided, None).await?;
    // How many rows went is known only once they are gone: the store's own row of the run tells.
    Ok(world.store.run(&done.run).await?.unwrap_or(done))
}

fn entry(author: &Author, id: String, reason: Option<String>) -> Draft {
    Draft {
        actor: author.actor.clone(),
        category: Category::Administrative,
        action: "user.erased".to_owned(),
        entity: "user".to_owned(),
        id,
        before: None,
        after: None,
        reason,
    }
}

/// The seats and places that no allocation ends, such as those of products the catalog no longer knows.
fn orphans(baseline: &Baseline, after: &Allocation, user: &SourceId, author: &Author, shown: &Shown<'_>) -> Vec<Draft> {
    let draft = |product: &crate::model::ProductCode, verb: &str| Draft {
        category: Category::License,
        action: format!("seat.{verb}"),
        entity: "seat".to_owned(),
        id: format!("{product}/{}", shown.user(user)),
        ..entry(author, String::new(), Some("erased".to_owned()))
    };
    let has = |key: &SeatKey| key.1 == *user && after.seats.get(&baseline.seats, key).is_some();
    let waits = |key: &SeatKey| key.1 == *user && after.waiting.get(&baseline.waiting, key).is_some();
    let seats = baseline.seats.keys().filter(|key| has(key)).map(|key| draft(&key.0, "released"));
    let places = baseline.waiting.keys().filter(|key| waits(key)).map(|key| draft(&key.0, "waiting_ended"));
    seats.chain(places).collect()
}

/// Whether a change is of the user or of an enrollment of theirs.
fn is_about(change: &HeldChange, user: &SourceId) -> bool {
    match change.kind {
        Kind::Users => change.id == user.as_str(),
        Kind::Enrollments => {
            let key = serde_json::from_str::<(SourceId, SourceId, Value)>(&change.id);
            key.is_ok_and(|(of, _, _)| of == *user)
        }
        Kind::Schools | Kind::Sessions | Kind::Courses | Kind::Classes => false,
    }
}

/// The user and their enrollments, each leaving by a person's word.
fn removals(baseline: &Baseline, user: &SourceId) -> Result<Vec<HeldChange>, serde_json::Error> {
    let records = baseline.roster.enrollments.of(user).map(|it| it.clone().into_record());
    let own = baseline.roster.users.get(user).map(|it| it.clone().into_record());
    let removal = |record: crate::model::Record| {
        Ok(HeldChange {
            groups: std::collections::BTreeSet::new(),
            kind: record.kind(),
            id: record.text_id(),
            before: Some(record.body()?),
            after: None,
            tombstone: true,
        })
    };
    own.into_iter().chain(records).map(removal).collect()
}
