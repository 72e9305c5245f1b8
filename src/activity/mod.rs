//! Use of products as their applications report it: first and last use, in bulk (licensing.md, Words: claim; basis `first_use`).
//!
//! A last use alone is no decision: it is written at once, without an audit entry, and makes no plan stale. A first use is
//! one: it claims a seat, or draws one of a `first_use` product, and so the report that has one is a run of its own, whole
//! or not at all. The same report once more changes nothing and writes nothing.

mod sort;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::apply::{Decided, Shown, Used};
use crate::audit::{Category, Draft};
use crate::guard::{self, Circumstances};
use crate::model::{Baseline, Basis, DistrictId, ProductCode, RunRecord, RunStatus, Seat, SourceId, Timestamp};
use crate::plan::{self, Cause};
use crate::run::{self, Job, RunError, World};
use crate::store::{Activity, ByHand, Store, StoreError, WriteError};

pub use sort::{Rejected, Sorted, sort};

/// The mode of a run that carries a report out.
pub const MODE: &str = "activity";

/// The most uses of one report.
pub const MOST: usize = 5000;

/// One use as it is reported; one of the two instants may be left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reported {
    /// The user, by the source's id.
    pub user: SourceId,
    /// The product.
    pub product: ProductCode,
    /// First use.
    #[serde(default)]
    pub first_used_at: Option<Timestamp>,
    /// Last use.
    #[serde(default)]
    pub last_used_at: Option<Timestamp>,
}

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Answer {
    /// Entries in the report.
    pub received: usize,
    /// Uses that were not known, several of one user and product as one.
    pub changed: usize,
    /// Uses that said nothing new.
    pub unchanged: usize,
    /// Entries that could not be used, each with its reason; the rest counts.
    pub rejected: Vec<Rejected>,
}

/// Takes a report up: what decides nothing is written, what decides is handed back for a run.
pub async fn take(
    store: &Store,
    district: &DistrictId,
    reported: &[Reported],
    as_of: Timestamp,
) -> Result<(Answer, Option<Vec<Activity>>), StoreError> {
    let known = store.known_use(district).await?;
    let Sorted { rejected, unchanged, uses, decides } = sort(reported, &known, as_of);
    let answer = Answer { received: reported.len(), changed: uses.len(), unchanged, rejected };
    if decides {
        return Ok((answer, Some(uses)));
    }
    if !uses.is_empty() {
        store.note_use(district, &uses).await?;
    }
    Ok((answer, None))
}

/// Carries a report out as the run of `job`.
pub async fn carry_out(job: &Job<'_>, uses: &[Activity], world: &World<'_>) -> Result<RunRecord, RunError> {
    let mut attempts: u32 = 1;
    loop {
        match Box::pin(once(job, uses, world)).await {
            Err(RunError::Write(WriteError::Stale { .. })) if attempts < run::ATTEMPTS => attempts += 1,
            done => return done,
        }
    }
}

async fn once(job: &Job<'_>, uses: &[Activity], world: &World<'_>) -> Result<RunRecord, RunError> {
    let district = job.district.id();
    let record = RunRecord { started_at: Some(world.clock.now()), status: RunStatus::Applying, ..job.run.clone() };
    let mut baseline = world.store.baseline(&district).await?;
    run::not_before_the_last_change(record.as_of, &baseline)?;
    let opened = open(&mut baseline, uses);
    let plan = plan::make(&baseline, Cause::Standing, record.as_of)?;
    let circumstances = Circumstances::default();
    let cleared = guard::review(plan, &baseline, world.limits, circumstances)?;
    let shown = Shown::new(world.store.pseudonym_key(), &baseline, &[]);
    let actor = record.requested_by.clone().unwrap_or_else(|| "unknown".to_owned());
    let drawn: BTreeMap<_, _> = cleared.seats().seats.put().map(|it| ((&it.product, &it.user), it)).collect();
    let used: Vec<Used> = uses
        .iter()
        .filter_map(|it| {
            let key =
                (it.product.clone(), holder(it, &baseline.persons, |key| baseline.seats.contains_key(key)).clone());
            match baseline.seats.get(&key) {
                Some(seat) => claimed(seat, it, false),
                None => claimed(drawn.get(&(&key.0, &key.1))?, it, true),
            }
            .map(|seat| told(&baseline, seat, &actor, &shown))
        })
        .collect();
    if used.iter().all(|it| it.entry.is_none()) && opened.is_empty() {
        // Another report said the same meanwhile.
        world.store.note_use(&district, uses).await?;
        let record = RunRecord { status: RunStatus::Unchanged, finished_at: Some(world.clock.now()), ..record };
        world.store.finish_run(&record, Some(job.fence)).await?;
        return Ok(record);
    }
    let by_hand = ByHand { activity: uses.to_vec(), ..ByHand::default() };
    world.apply(job, record, &cleared, &baseline, Decided { by_hand, used, ..Decided::default() }, None).await
}

/// Notes first openings of `first_use` products in the baseline, and returns them.
fn open(baseline: &mut Baseline, uses: &[Activity]) -> BTreeSet<(ProductCode, SourceId)> {
    let mut new = BTreeSet::new();
    for it in uses {
        let basis = baseline.catalog.products.get(&it.product).map(|product| product.basis);
        let key = (it.product.clone(), it.user.clone());
        if basis == Some(Basis::FirstUse) && !baseline.opened.contains_key(&key) {
            baseline.opened.insert(key.clone(), it.first);
            new.insert(key);
        }
    }
    new
}

/// The account that has the seat a use is of: the user's, else that of another account of the same person.
fn holder<'a>(
    it: &'a Activity,
    persons: &'a BTreeMap<SourceId, SourceId>,
    has: impl Fn(&(ProductCode, SourceId)) -> bool,
) -> &'a SourceId {
    if has(&(it.product.clone(), it.user.clone())) {
        return &it.user;
    }
    let Some(person) = persons.get(&it.user) else { return &it.user };
    let mut linked = persons.iter().filter(|(_, other)| *other == person).map(|(account, _)| account);
    linked.find(|account| has(&(it.product.clone(), (*account).clone()))).unwrap_or(&it.user)
}

/// A seat with a use in it; none if that says nothing new of the seat. A use before the seat began was of an earlier one,
/// except the opening that drew it.
fn claimed(seat: &Seat, it: &Activity, drawn: bool) -> Option<Seat> {
    let last = if drawn { it.last.max(seat.since) } else { it.last };
    if last < seat.since {
        return None;
    }
    let first = it.first.max(seat.since);
    let after = Seat {
        claimed_at: Some(seat.claimed_at.map_or(first, |at| at.min(first))),
        last_used_at: Some(seat.last_used_at.map_or(last, |at| at.max(last))),
        ..seat.clone()
    };
    (after != *seat).then_some(after)
}

/// A used seat, with the entry of its claim if this is one.
fn told(baseline: &Baseline, seat: Seat, actor: &str, shown: &Shown<'_>) -> Used {
    let before = baseline.seats.get(&(seat.product.clone(), seat.user.clone())).and_then(|it| it.claimed_at);
    let entry = (before != seat.claimed_at).then(|| Draft {
        actor: actor.to_owned(),
        category: Category::License,
        action: "seat.claimed".to_owned(),
        entity: "seat".to_owned(),
        id: format!("{}/{}", seat.product, shown.user(&seat.user)),
        before: before.map(|at| json!({ "claimed_at": at })),
        after: Some(json!({ "claimed_at": seat.claimed_at })),
        reason: None,
    });
    Used { seat, entry }
}
