//! What the store knows of one district, at one revision: everything a plan needs and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{
    Alert, AlertId, Assignment, Catalog, ContractChange, DailyKey, Date, Disconnection, DistrictId, EducatorAccess,
    EndDates, Ended, Fingerprint, Kind, LinkDecision, Modes, Override, ProductCode, Proposal, RecentLoss, Record,
    Remembered, Roster, RunId, Seat, SourceId, SubscriptionId, Target, Terms, Timestamp, Waiting,
};

/// The standing facts of a district that are not its roster.
#[derive(Clone, Debug, PartialEq)]
pub struct DistrictState {
    /// The district.
    pub id: DistrictId,
    /// Its time zone: dates are dates here.
    pub time_zone: Tz,
    /// How its source means end dates.
    pub end_dates: EndDates,
    /// Bumped by every committed change; a plan made on another revision is stale (safety.md, A run, 6).
    pub revision: i64,
    /// Number of the last audit entry, 0 for none.
    pub audit_seq: i64,
    /// Hash of the last audit entry, 64 zeros for none.
    pub audit_head: String,
    /// What the last applied complete snapshot came from; none before the first sync is applied.
    pub source: Option<SourceMark>,
    /// `as_of` of the last allocation.
    pub allocated_at: Option<Timestamp>,
}

/// Which source the roster came from, and which pull of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceMark {
    /// Names the feed: kind and Clever district or URL, not credentials or paths. Another one is a first sync again.
    pub feed: String,
    /// The upload's or snapshot's content, for CSV: equal content is `unchanged`.
    #[serde(default)]
    pub content: Option<String>,
    /// When the upload was made, for CSV: an older one than the last applied fails.
    #[serde(default)]
    pub uploaded_at: Option<Timestamp>,
    /// When it was pulled.
    pub pulled_at: Timestamp,
}

/// One change that a run held, as the store keeps it for review. `Debug` leaves out the bodies, which hold names.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldChange {
    /// The groups that hold it; it waits while any of them is undecided.
    pub groups: BTreeSet<String>,
    /// Its kind.
    pub kind: Kind,
    /// The record's id as text.
    pub id: String,
    /// Body before; none for an addition.
    pub before: Option<String>,
    /// Body after; none for a removal.
    pub after: Option<String>,
    /// Whether a removal rests on a tombstone rather than on absence.
    pub tombstone: bool,
}

impl HeldChange {
    /// The user whom it is about, or whose enrollment.
    pub fn user(&self) -> Option<SourceId> {
        match self.kind {
            Kind::Users => Some(SourceId::new(self.id.as_str())),
            Kind::Enrollments => {
                let parts = serde_json::from_str::<(SourceId, SourceId, serde_json::Value)>(&self.id);
                parts.ok().map(|(user, _, _)| user)
            }
            Kind::Schools | Kind::Sessions | Kind::Courses | Kind::Classes => None,
        }
    }
}

impl std::fmt::Debug for HeldChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { groups, kind, id, before, after, tombstone } = self;
        f.debug_struct("HeldChange")
            .field("groups", groups)
            .field("kind", kind)
            .field("id", id)
            .field("before", &before.is_some())
            .field("after", &after.is_some())
            .field("tombstone", tombstone)
            .finish()
    }
}

impl HeldChange {
    /// The version of the source this change would bring: its fingerprint, none for absence.
    pub fn version(&self) -> Option<Fingerprint> {
        self.after.as_deref().map(Fingerprint::of)
    }
}

/// A run that held changes and is not decided in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingReview {
    /// The run.
    pub run: RunId,
    /// Whether it is the first sync of the district or of a new feed.
    pub first_sync: bool,
    /// The mode that would see the district through what it looks like.
    pub proposal: Option<Proposal>,
    /// Undecided changes.
    pub changes: Vec<HeldChange>,
}

/// What a person decided about a version of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Apply exactly this version if it comes, until `Decision::until`.
    Approved,
    /// Skip exactly this version (safety.md, Refused versions).
    Refused,
}

/// A remembered decision on one version of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Approved or refused.
    pub verdict: Verdict,
    /// The version: the body's fingerprint, none for absence.
    pub version: Option<Fingerprint>,
    /// Approvals run out after seven days; refusals do not.
    pub until: Option<Timestamp>,
    /// The run that was decided.
    pub run: RunId,
}

impl Decision {
    /// How long a sync applies approved changes that were skipped, if they come exactly as approved (safety.md, Approve).
    pub const APPROVED_FOR: TimeDelta = TimeDelta::days(7);
}

/// Everything a plan needs of the store.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// The district's standing facts.
    pub state: DistrictState,
    /// Active records.
    pub roster: Roster,
    /// Whether they were read from an image of them.
    pub pictured: bool,
    /// Ids of archived records, by kind: an addition of one is a restore.
    pub archived: BTreeSet<(Kind, String)>,
    /// Of archived users and classes those that the run's changes bring back, as they left: who returns may be someone else,
    /// and a class another section (P19).
    pub former: Roster,
    /// Archived users and enrollments (with their classes) that left by mere absence and that a leaving seat still rests on.
    pub departed: Roster,
    /// Products, and the district's subscriptions, as they are in force.
    pub catalog: Catalog,
    /// What the catalog says beyond that.
    pub terms: Terms,
    /// Seats by product and user.
    pub seats: BTreeMap<(ProductCode, SourceId), Seat>,
    /// Places in line by product and user.
    pub waiting: BTreeMap<(ProductCode, SourceId), Waiting>,
    /// The last seat that ended, for those who may return.
    pub ended: BTreeMap<(ProductCode, SourceId), Ended>,
    /// Pins and excludes, those that ran out left in.
    pub overrides: BTreeMap<(ProductCode, SourceId), Override>,
    /// Educators whose access is not the default.
    pub educator_access: BTreeMap<(ProductCode, SourceId), EducatorAccess>,
    /// Assignments, and decisions on whole classes, those that ran out left in.
    pub assignments: BTreeMap<(ProductCode, Target), Assignment>,
    /// When a user first opened a product (basis `first_use`).
    pub opened: BTreeMap<(ProductCode, SourceId), Timestamp>,
    /// Accepted links between accounts of one person: each account and the one that stands for all, which may be itself.
    pub persons: BTreeMap<SourceId, SourceId>,
    /// What people said of accounts that may be of one person, by the id of the pair.
    pub identity: BTreeMap<String, LinkDecision>,
    /// What the last allocation left to remember.
    pub remembered: Remembered,
    /// Decisions on versions of records.
    pub decisions: BTreeMap<(Kind, String), Decision>,
    /// The latest review with anything undecided.
    pub review: Option<PendingReview>,
    /// Changes that the latest complete snapshot would bring and that the district's mode or its quiet hours keep back; they
    /// are no review. `groups` is empty.
    pub kept_back: Vec<HeldChange>,
    /// Every mode that was set.
    pub modes: Modes,
    /// Since when the source does not share the district any more; none while it does.
    pub disconnected: Option<Disconnection>,
    /// What syncs took away unattended in the last days, older ones left in.
    pub recent: Vec<RecentLoss>,
    /// Alerts that are open.
    pub alerts: BTreeMap<AlertId, Alert>,
    /// Seats in use by local day; a day that is not there is as the one before it.
    pub daily: BTreeMap<DailyKey, BTreeMap<Date, u64>>,
    /// Subscriptions that vanished from the catalog's document, with since when; they keep their last state.
    pub vanished: BTreeMap<SubscriptionId, Timestamp>,
}

impl Baseline {
    /// A district of which nothing is known yet.
    pub fn new(state: DistrictState) -> Self {
        Self {
            state,
            roster: Roster::default(),
            pictured: false,
            archived: BTreeSet::new(),
            former: Roster::default(),
            departed: Roster::default(),
            catalog: Catalog::default(),
            terms: Terms::default(),
            seats: BTreeMap::new(),
            waiting: BTreeMap::new(),
            ended: BTreeMap::new(),
            overrides: BTreeMap::new(),
            educator_access: BTreeMap::new(),
            assignments: BTreeMap::new(),
            opened: BTreeMap::new(),
            persons: BTreeMap::new(),
            identity: BTreeMap::new(),
            remembered: Remembered::default(),
            decisions: BTreeMap::new(),
            review: None,
            kept_back: Vec::new(),
            modes: Modes::default(),
            disconnected: None,
            recent: Vec::new(),
            alerts: BTreeMap::new(),
            daily: BTreeMap::new(),
            vanished: BTreeMap::new(),
        }
    }

    /// The district with what the catalog says now in force: whatever is planned on it is written together with that.
    #[must_use]
    pub fn taking_up(mut self) -> Self {
        if let Terms::Offered { catalog, change } = self.terms {
            self.catalog = *catalog;
            self.terms = Terms::Taken(change);
        }
        self
    }

    /// A catalog without the district's overlays, once what is taken up is in force.
    #[must_use]
    pub fn with_taken_up(&self, catalog: Catalog) -> Catalog {
        match self.taken_up() {
            Some(change) => change.applied_to(&catalog),
            None => catalog,
        }
    }

    /// What is to be written of the contract.
    pub fn taken_up(&self) -> Option<&ContractChange> {
        match &self.terms {
            Terms::Taken(change) => Some(change),
            Terms::Settled | Terms::Offered { .. } => None,
        }
    }

    /// Changes that are known and do not apply, whether a person is to decide or a mode is to end: their users are granted
    /// nothing and their seats are bridged.
    pub fn waiting_changes(&self) -> impl Iterator<Item = &HeldChange> {
        self.review.iter().flat_map(|review| &review.changes).chain(&self.kept_back)
    }

    /// Number of active records of a kind before the run: the guard's `of`.
    pub fn count(&self, kind: Kind) -> usize {
        self.roster.count(kind)
    }

    /// Whether the record is archived: not active now, but here before.
    pub fn is_archived(&self, record: &Record) -> bool {
        self.archived.contains(&(record.kind(), record.text_id()))
    }
}
