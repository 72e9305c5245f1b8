//! Products and subscriptions, every key of licensing.md. Reading them from TOML with places is `crate::catalog`'s work.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::schema::written;
use crate::model::{Date, DistrictId, ProductCode, SubscriptionId};

/// Who may have a seat of a product (licensing.md, Products).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Students only; never staff (S4.5).
    Student,
    /// Teachers and aides.
    Educator,
    /// Administrators, proctors, staff.
    Staff,
    /// Everyone.
    Any,
}

/// What makes a user want a seat (licensing.md, Basis).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// An active enrollment in an active class (S2.13).
    Enrolled,
    /// An enabled, active account (S4.17).
    Active,
    /// One of the product's `roles` (S3.11).
    Role,
    /// An administrator assigned the user or one of their classes.
    Assigned,
    /// Meets `active` and has opened the product.
    FirstUse,
}

/// Whether linked duplicate accounts take one seat each or one together (S2.15).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountBy {
    /// One each.
    #[default]
    Account,
    /// One together.
    Person,
}

/// Whether a seat lasts from the last session of a school year until the subscription expires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LastDay {
    /// It lasts.
    #[default]
    Keep,
    /// It ends with the session.
    Release,
}

/// A product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Code, unique in the catalog.
    pub code: ProductCode,
    /// Name for people.
    pub name: String,
    /// Who may have a seat.
    pub audience: Audience,
    /// What makes a user want one.
    pub basis: Basis,
    /// Accounts or persons.
    pub count_by: CountBy,
    /// Role words a user must have one of, ours or the source's own; empty: any.
    pub roles: Vec<String>,
    /// CEDS grades a user must have one of; empty: any.
    pub grades: Vec<String>,
    /// Schools (source id, identifier or NCES number) a user must have a role in; empty: any.
    pub schools: Vec<String>,
    /// Subjects one class that counts must have; empty: any.
    pub subjects: Vec<String>,
    /// Courses (source id or code) one class that counts must be of; empty: any.
    pub courses: Vec<String>,
    /// With basis `enrolled`: a class counts only if an active teacher of it is ON, or it has none (S2.6, P26).
    pub educator_access: bool,
    /// Products each seat of this one gives (S3.6).
    pub bundle: Vec<ProductCode>,
    /// Days a seat outlasts demand that ended without evidence; 0 releases at once.
    pub leaving_grace_days: u32,
    /// After the last session of the school year.
    pub after_last_day: LastDay,
    /// Grades or schools served first among equals, first entry first.
    pub order: Vec<String>,
}

/// A number of seats, or no limit; written as a number or `"unlimited"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seats {
    /// So many.
    Count(u32),
    /// No limit.
    Unlimited,
}

written!(Seats, "seats", {
    "oneOf": [{ "type": "integer", "minimum": 0, "maximum": u32::MAX }, { "const": "unlimited" }]
});

impl Serialize for Seats {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(n) => serializer.serialize_u32(*n),
            Self::Unlimited => serializer.serialize_str("unlimited"),
        }
    }
}

impl<'de> Deserialize<'de> for Seats {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Seats;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number of seats or \"unlimited\"")
            }

            fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<Seats, E> {
                u32::try_from(n).map(Seats::Count).map_err(|_| E::custom("more seats than 4,294,967,295"))
            }

            fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<Seats, E> {
                u32::try_from(n).map(Seats::Count).map_err(|_| E::custom("seats cannot be negative"))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Seats, E> {
                if text == "unlimited" {
                    Ok(Seats::Unlimited)
                } else {
                    Err(E::custom("expected a number or \"unlimited\""))
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// The share of a subscription that one school may use (S2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Allotment {
    /// Source id, identifier or NCES number.
    pub school: String,
    /// Its seats; unlimited is a site license.
    pub seats: Seats,
    /// Whether `move-seats` must leave it alone.
    #[serde(default)]
    pub locked: bool,
}

/// What happens at the limit (S4.40); written as `"block"` or `{ percent, days }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Overage {
    /// Nobody above the limit.
    #[serde(rename = "block")]
    Block,
    /// `floor(seats * percent / 100)` more, for `days` from the first.
    #[serde(untagged)]
    Allow {
        /// Percent of the seats.
        percent: u32,
        /// Days the spell may last.
        days: u32,
    },
}

/// What happens when seats exceed a capacity that shrank (S4.42).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shrink {
    /// Nobody is revoked, nobody is granted.
    #[default]
    Keep,
    /// After `remediate_days` seats are taken back in the published order.
    Reclaim,
}

/// What the vendor set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStatus {
    /// In force by its dates.
    #[default]
    Active,
    /// Deactivated.
    Inactive,
}

/// Seats of one product bought by one district for one period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subscription {
    /// Id, unique in the catalog.
    pub id: SubscriptionId,
    /// The district that bought it.
    pub district: DistrictId,
    /// The product.
    pub product: ProductCode,
    /// Purchased total.
    pub seats: Seats,
    /// First day, inclusive.
    pub starts_on: Date,
    /// Last day, inclusive.
    pub expires_on: Date,
    /// Days of access after expiry (S3.21).
    pub grace_days: u32,
    /// The subscription it continues (S3.23).
    pub renews: Option<SubscriptionId>,
    /// As the vendor set it.
    pub status: SubscriptionStatus,
    /// The buyer by its official name; contract data (S4.15).
    pub licensed_to: Option<String>,
    /// When the license was first created (S4.20).
    pub created_on: Option<Date>,
    /// At the limit.
    pub overage: Overage,
    /// After a cut.
    pub on_shrink: Shrink,
    /// Days over before `reclaim` starts.
    pub remediate_days: u32,
    /// Alert threshold in seats; none: the default by active students (S4.9).
    pub alert_remaining: Option<u32>,
    /// Shares of schools.
    pub allotments: Vec<Allotment>,
}

/// The whole catalog.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// By code.
    pub products: BTreeMap<ProductCode, Product>,
    /// By id.
    pub subscriptions: BTreeMap<SubscriptionId, Subscription>,
}

impl Catalog {
    /// What concerns one district: all products, its own subscriptions.
    #[must_use]
    pub fn of_district(&self, district: &DistrictId) -> Self {
        let subscriptions = self.subscriptions.iter().filter(|(_, it)| &it.district == district);
        Self {
            products: self.products.clone(),
            subscriptions: subscriptions.map(|(id, it)| (id.clone(), it.clone())).collect(),
        }
    }
}

/// The shown status of a subscription: exactly three (S4.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "LicenseStatus")]
pub enum Status {
    /// In force or upcoming.
    Active,
    /// Its last day has passed.
    Expired,
    /// The vendor deactivated it.
    Inactive,
}

/// What a subscription gives today; apart from its status (C10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Nothing any more, or not while inactive.
    None,
    /// Not yet.
    Upcoming,
    /// Seats that are there keep their access (S3.21).
    Grace,
    /// Everything.
    Full,
}

/// The color of a count (S4.19).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Well below the limit.
    Green,
    /// At or past the threshold.
    Yellow,
    /// At or over the limit.
    Red,
}
