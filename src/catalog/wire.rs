//! The catalog as it is written, in TOML or JSON; every key of licensing.md, unknown ones refused.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::model::schema::written;
use crate::model::{Allotment, Audience, Basis, CountBy, Date, LastDay, Overage, Seats, Shrink, SubscriptionStatus};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) product: Vec<Product>,
    #[serde(default)]
    pub(super) subscription: Vec<Subscription>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Product {
    pub(super) code: String,
    pub(super) name: String,
    pub(super) audience: Audience,
    pub(super) basis: Basis,
    #[serde(default)]
    pub(super) count_by: CountBy,
    #[serde(default)]
    pub(super) roles: Vec<String>,
    #[serde(default)]
    pub(super) grades: Vec<String>,
    #[serde(default)]
    pub(super) schools: Vec<String>,
    #[serde(default)]
    pub(super) subjects: Vec<String>,
    #[serde(default)]
    pub(super) courses: Vec<String>,
    #[serde(default)]
    pub(super) educator_access: bool,
    #[serde(default)]
    pub(super) bundle: Vec<String>,
    #[serde(default = "one")]
    pub(super) leaving_grace_days: u32,
    #[serde(default)]
    pub(super) after_last_day: LastDay,
    #[serde(default)]
    pub(super) order: Vec<String>,
}

fn one() -> u32 {
    1
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subscription {
    pub(super) id: String,
    pub(super) district: String,
    pub(super) product: String,
    pub(super) seats: Seats,
    pub(super) starts_on: Day,
    pub(super) expires_on: Day,
    #[serde(default)]
    pub(super) grace_days: u32,
    pub(super) renews: Option<String>,
    #[serde(default)]
    pub(super) status: SubscriptionStatus,
    pub(super) licensed_to: Option<String>,
    pub(super) created_on: Option<Day>,
    #[serde(default = "block")]
    pub(super) overage: Overage,
    #[serde(default)]
    pub(super) on_shrink: Shrink,
    #[serde(default = "thirty")]
    pub(super) remediate_days: u32,
    pub(super) alert_remaining: Option<u32>,
    #[serde(default)]
    pub(super) allotments: Vec<Allotment>,
}

fn block() -> Overage {
    Overage::Block
}

fn thirty() -> u32 {
    30
}

/// A TOML date, or the same as text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Day(pub(super) Date);

written!(Day, "day", { "type": "string", "format": "date" });

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a date such as 2026-07-01")]
        enum Written {
            Toml(toml::value::Datetime),
            Text(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Toml(date) => date.to_string(),
            Written::Text(text) => text,
        };
        let invalid = |_| serde::de::Error::custom("expected a date such as 2026-07-01");
        text.parse().map(Self).map_err(invalid)
    }
}
