//! Who has a seat, who waits, and what people decided by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::schema::written;
use crate::model::{Class, Date, ProductCode, SourceId, SubscriptionId, Timestamp};

/// Where a seat is drawn from: a school's allotment, or the district's unallotted rest. Written as the school's id or
/// `district`; a school whose id is `district` is written `school:district`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pool {
    /// A school's allotment.
    School(SourceId),
    /// The unallotted rest.
    District,
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::District => f.write_str("district"),
            Self::School(id) if id.as_str() == "district" || id.as_str().starts_with("school:") => {
                write!(f, "school:{id}")
            }
            Self::School(id) => f.write_str(id.as_str()),
        }
    }
}

impl Pool {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Self {
        match text.strip_prefix("school:") {
            Some(id) => Self::School(id.into()),
            None if text == "district" => Self::District,
            None => Self::School(text.into()),
        }
    }
}

written!(Pool, "pool", { "type": "string", "description": "a school's id, or `district`" });

impl Serialize for Pool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pool {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::parse(&text))
    }
}

/// Since when a seat's demand is merely absent (licensing.md, step 2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaving {
    /// The local date of the first complete snapshot without it.
    pub since: Date,
    /// The upload that snapshot came from, for CSV.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<String>,
}

/// What a seat is today; the first that applies, from the bottom up (licensing.md, What must always hold, 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeatState {
    /// In demand.
    Active,
    /// Its demand is merely absent and the grace runs.
    Leaving,
    /// A change held for review would end it.
    Bridged,
    /// No subscription gives access.
    Suspended,
}

/// One seat of one product, of one user, drawn from one pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// The product.
    pub product: ProductCode,
    /// The user.
    pub user: SourceId,
    /// Where it is drawn from.
    pub pool: Pool,
    /// The `as_of` of the run that granted it, or the date an import gave.
    pub since: Timestamp,
    /// First use.
    pub claimed_at: Option<Timestamp>,
    /// Last use.
    pub last_used_at: Option<Timestamp>,
    /// Set while its demand is merely absent.
    pub leaving: Option<Leaving>,
    /// Set while a held change would end it; takes no room (licensing.md, step 7).
    pub bridged: bool,
    /// What it is today.
    pub state: SeatState,
}

/// A place in line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The product.
    pub product: ProductCode,
    /// The user.
    pub user: SourceId,
    /// The `as_of` at which they first were in demand without a seat.
    pub since: Timestamp,
    /// Over the product, from 1.
    pub position: u32,
    /// Their first pool.
    pub short_of: Pool,
}

/// Why a seat ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseReason {
    /// The source says the user or their last enrollment is deleted.
    Tombstone,
    /// The account is disabled.
    Inactive,
    /// The last enrollment or class ended by its dates.
    Ended,
    /// Role, grade, school or class no longer meet the product's conditions.
    Conditions,
    /// No educator of their classes is ON (S2.6).
    AccessOff,
    /// An administrator excluded the user.
    Excluded,
    /// An administrator unassigned the user.
    Unassigned,
    /// The seat was handed to someone else by name (S0.5).
    Reassigned,
    /// The user has the bundle that contains the product.
    Bundled,
    /// Absent from two complete snapshots, grace over.
    Absent,
    /// No subscription for 400 days.
    Expired,
    /// Taken back after a cut (S4.42).
    Reclaimed,
    /// The same person has the seat on another account (`count_by = person`).
    Merged,
    /// The user was erased.
    Erased,
    /// The id is someone else's now, who begins anew (P19).
    Reused,
    /// A person reverted the run that brought the demand (safety.md, Revert).
    Reverted,
}

impl ReleaseReason {
    /// Whether the user counts as returning when they want a seat again within 400 days (licensing.md, step 4).
    pub fn returns(self) -> bool {
        !matches!(self, Self::Excluded | Self::Unassigned | Self::Reassigned | Self::Reclaimed | Self::Reused)
    }
}

/// The last seat of a product a user had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: ReleaseReason,
}

/// A local decision on one user and product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverrideKind {
    /// Has demand whatever basis and conditions say.
    Pin,
    /// Has no demand whatever they say.
    Exclude,
}

/// An override, with who, why and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// The product.
    pub product: ProductCode,
    /// The user.
    pub user: SourceId,
    /// Which way.
    pub kind: OverrideKind,
    /// Who set it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// Last day it holds, inclusive.
    pub until: Option<Date>,
}

/// Educator access of one educator and product; ON unless stored (S2.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EducatorAccess {
    /// The product.
    pub product: ProductCode,
    /// The educator.
    pub educator: SourceId,
    /// ON or OFF.
    pub on: bool,
}

/// Whom a decision is about: one user, or everyone in a class as it changes (S1.8 to S1.10).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "target", content = "id", rename_all = "snake_case")]
pub enum Target {
    /// One user.
    User(SourceId),
    /// Everyone with an enrollment in the class that runs.
    Class(SourceId),
}

/// A decision on a user or a whole class and one product. For a product of basis `assigned` a pin is what gives demand; for
/// any other it stands beside [`Override`]s, which are about one user and go before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The product.
    pub product: ProductCode,
    /// Whom it is about.
    pub target: Target,
    /// Which way: a pin assigns.
    pub kind: OverrideKind,
    /// Users of the class it leaves out.
    pub except: BTreeSet<SourceId>,
    /// Who decided.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// Last day it holds, inclusive.
    pub until: Option<Date>,
    /// Of a class: which use of its id it is about ([`Class::instance`]).
    #[serde(default)]
    pub instance: u32,
}

impl Assignment {
    /// Whether it is about the class that its target's id names now; one on an earlier section of that id rests (P19).
    pub fn is_about(&self, class: Option<&Class>) -> bool {
        class.is_none_or(|it| it.instance == self.instance)
    }
}

/// Since when seats in use exceed what was bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spell {
    /// The local day on which the present spell over the total began; overage is counted from it (S4.40).
    pub over: Date,
    /// The local day since which even the overage is exceeded; `reclaim` is counted from it (S4.42).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beyond: Option<Date>,
}

/// What an allocation must remember beside seats, because no roster and no catalog says it. The store keeps what an
/// allocation leaves, whole, and gives it to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Products with more seats in use than bought.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub over: BTreeMap<ProductCode, Spell>,
    /// Of subscriptions in grace, the seats in use when it began.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub grace: BTreeMap<SubscriptionId, u64>,
    /// Of subscriptions the vendor set inactive, the local day that was first seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inactive: BTreeMap<SubscriptionId, Date>,
}
