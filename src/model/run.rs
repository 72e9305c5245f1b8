//! A run as people and programs see it: the JSON of interface.md.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{DistrictId, Kind, ModeEntry, ProductCode, Proposal, RunId, SourceMark, Timestamp};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$item_doc])* $variant),+ }

        impl $name {
            /// The word used in JSON, on the command line and in the store.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value of a word.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(super) use words;

words! {
    /// What asked for a run.
    Trigger {
        /// The nightly schedule.
        Schedule = "schedule",
        /// `SIGUSR1`.
        Signal = "signal",
        /// `POST /v1/syncs`.
        Http = "http",
        /// `rosterd sync`.
        Cli = "cli",
        /// A change of the catalog.
        Catalog = "catalog",
        /// The approval of held changes.
        Approval = "approval",
        /// A revert.
        Revert = "revert",
    }
}

words! {
    /// Where a run is. The last six are final; so is `planned` for a plan.
    RunStatus {
        /// Requested.
        Queued = "queued",
        /// Pulling the feed.
        Fetching = "fetching",
        /// Planned: on its way to apply, or final for `--plan` and `plan_only`.
        Planned = "planned",
        /// Writing.
        Applying = "applying",
        /// Everything applied.
        Applied = "applied",
        /// Nothing to do, nothing written.
        Unchanged = "unchanged",
        /// Some changes wait for a person; the rest is applied.
        Held = "held",
        /// Nothing applied; `error` says why.
        Failed = "failed",
        /// A person cancelled it before it applied anything.
        Cancelled = "cancelled",
    }
}

/// What a run did to one kind of record, or would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changed {
    /// Added or restored.
    pub added: u64,
    /// Changed.
    pub changed: u64,
    /// Removed, which is archived.
    pub removed: u64,
    /// In the source as in the store.
    pub unchanged: u64,
    /// Held for review, or kept back by the district's mode.
    pub held: u64,
}

/// [`Changed`] of all six kinds, in order.
pub type Counts = BTreeMap<Kind, Changed>;

/// What a run did to seats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeatCounts {
    /// Granted.
    pub granted: u64,
    /// Released.
    pub released: u64,
    /// Moved to another pool.
    pub moved: u64,
    /// Kept only because a held change would end them.
    pub bridged: u64,
    /// Users waiting afterwards.
    pub waiting: u64,
}

/// What a run did to the district's alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertCounts {
    /// Raised.
    pub raised: u64,
    /// Moved on to their next step.
    pub stepped: u64,
    /// Cleared.
    pub cleared: u64,
    /// Open afterwards.
    pub open: u64,
}

/// Something odd in a snapshot, counted, with a few ids as examples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    /// Which oddity, as one word (`dangling_user`, `duplicate_id`, …).
    pub code: String,
    /// The kind of record it was seen on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// How often.
    pub count: u64,
    /// What it means, and what to do.
    pub message: String,
    /// Up to five ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
}

/// What the feed said, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotSummary {
    /// Whether it may remove anything (safety.md, A run, 3).
    pub complete: bool,
    /// Usable records by kind.
    pub records: BTreeMap<Kind, u64>,
    /// Rows that are present but unusable (P11).
    pub invalid: u64,
    /// Users that are only contacts, guardians, parents or relatives: counted, never stored.
    pub skipped: u64,
    /// Oddities.
    pub warnings: Vec<Warning>,
    /// Which pull of which feed this was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceMark>,
}

/// What a person decided about a held group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HoldDecision {
    /// `approved`, `rejected` or `superseded`.
    pub decision: String,
    /// Who; null for superseded.
    pub by: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A group of changes held for review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HoldRecord {
    /// Its name (safety.md, Guard).
    pub group: String,
    /// What tripped the limit.
    pub count: u64,
    /// Active rows of that scope before the run.
    pub of: u64,
    /// With everything closed under references.
    pub affected: u64,
    /// The limit, in words.
    pub limit: String,
    /// Null while it waits.
    pub decision: Option<HoldDecision>,
}

/// The part of the district's audit chain that a run wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditSpan {
    /// First entry's number.
    pub first_seq: i64,
    /// Last entry's number.
    pub last_seq: i64,
    /// Hash of the last entry.
    pub head: String,
}

/// Seats of a product that a first sync would need, against those bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Need {
    /// The product.
    pub product: ProductCode,
    /// Users who would have a seat or wait for one.
    pub needed: u64,
    /// Seats bought; null for unlimited.
    pub bought: Option<u64>,
}

/// A plan, readable before it happens: every change, or as many as [`PlanView::LONGEST`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanView {
    /// Roster changes and seat changes, one line each.
    pub lines: Vec<String>,
    /// Lines left out.
    pub omitted: u64,
}

impl PlanView {
    /// Lines kept in a run's record.
    pub const LONGEST: usize = 10_000;
}

/// What a revert leaves as it is, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftAlone {
    /// A kind of record, or `seats`.
    pub kind: String,
    /// The record's id as the audit shows it; of a seat `product/user`.
    pub id: String,
    /// Why.
    pub reason: String,
}

/// What a revert did, or would do: each change of the reverted run is in one of three buckets (safety.md, Revert).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reverted {
    /// The run that is reverted.
    pub run: RunId,
    /// Records put back as they were before it.
    pub reversed: u64,
    /// Seats given back to the users who had them.
    pub seats: u64,
    /// Left alone because they changed since.
    pub kept: Vec<LeftAlone>,
    /// Cannot be put back.
    pub impossible: Vec<LeftAlone>,
}

/// A run (interface.md, JSON).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunRecord {
    /// Id.
    pub run: RunId,
    /// District.
    pub district: DistrictId,
    /// What asked for it.
    pub trigger: Trigger,
    /// Who asked.
    pub requested_by: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// `apply`, `plan`, `manual`, …
    pub mode: String,
    /// The mode that someone set for the district and that this run kept to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub district_mode: Option<ModeEntry>,
    /// Where it is.
    pub status: RunStatus,
    /// The instant of its decisions.
    pub as_of: Timestamp,
    /// When work began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Names the plan (safety.md, A run, 4).
    pub plan_hash: Option<String>,
    /// What the feed said; null where none was pulled.
    pub snapshot: Option<SnapshotSummary>,
    /// Roster changes by kind.
    pub changes: Counts,
    /// Seat changes.
    pub seats: SeatCounts,
    /// Alerts raised and cleared.
    #[serde(default)]
    pub alerts: AlertCounts,
    /// Held groups.
    pub holds: Vec<HoldRecord>,
    /// The mode that would see the district through what this pull looks like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<Proposal>,
    /// Of a first sync in review: seats needed against bought.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// Of a plan: what it would do, line by line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanView>,
    /// Of a revert: what was put back, what was not, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revert: Option<Reverted>,
    /// Of an erasure: the rows deleted, by table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased: Option<BTreeMap<String, u64>>,
    /// The run that reverted this one last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverted_by: Option<RunId>,
    /// The audit entries it wrote; null for none.
    pub audit: Option<AuditSpan>,
    /// Why it failed, and what to do.
    pub error: Option<String>,
}

impl RunRecord {
    /// A run that has just been requested.
    pub fn queued(run: RunId, district: DistrictId, trigger: Trigger, mode: &str, as_of: Timestamp) -> Self {
        Self {
            run,
            district,
            trigger,
            requested_by: None,
            reason: None,
            mode: mode.to_owned(),
            district_mode: None,
            status: RunStatus::Queued,
            as_of,
            started_at: None,
            finished_at: None,
            plan_hash: None,
            snapshot: None,
            changes: Kind::ALL.into_iter().map(|kind| (kind, Changed::default())).collect(),
            seats: SeatCounts::default(),
            alerts: AlertCounts::default(),
            holds: Vec::new(),
            proposal: None,
            needs: Vec::new(),
            plan: None,
            revert: None,
            erased: None,
            reverted_by: None,
            audit: None,
            error: None,
        }
    }

    /// Whether any group still waits for a person; of a plan, whether any would.
    pub fn undecided(&self) -> bool {
        self.holds.iter().any(|hold| hold.decision.is_none())
    }
}
