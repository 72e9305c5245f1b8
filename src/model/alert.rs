//! What someone should look at: one object, shown wherever people look (licensing.md, Alerts; S4.29).

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::run::words;
use crate::model::{AlertId, Date, DistrictId, Level, ProductCode, SourceId, Timestamp};

words! {
    /// What an alert is about, most urgent first.
    AlertKind {
        /// The last subscription and its grace have ended.
        Expired = "expired",
        /// The last subscription has ended, access goes on for some days (S3.21).
        Grace = "grace",
        /// More seats in use than bought (S2.1).
        OverAllocated = "over_allocated",
        /// Someone waits.
        Waitlist = "waitlist",
        /// No more seats left than the threshold (S4.6, S4.7).
        LowSeats = "low_seats",
        /// At the present pace the seats run out within four weeks (S4.10).
        FullIn = "full_in",
        /// Coverage ends within 90 days (S3.20, S4.24).
        Expiring = "expiring",
        /// The source does not share the district any more (F31).
        Disconnected = "disconnected",
        /// The source's data in use is old.
        StaleRoster = "stale_roster",
        /// Changes wait for a person.
        Held = "held",
        /// Contract and district do not agree.
        ContractMismatch = "contract_mismatch",
    }
}

/// Who has seen an alert; it stays open until its condition clears (S4.32).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Acknowledged {
    /// As the audit names them.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// One thing to look at. There is one for each district, product or none, school or none, and kind; raised again it is the
/// same one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// Stable.
    pub id: AlertId,
    /// The district.
    pub district: DistrictId,
    /// What it is about.
    pub kind: AlertKind,
    /// The product; null where it is about the district.
    pub product: Option<ProductCode>,
    /// The school with the allotment; null where it is about the whole product.
    pub school: Option<SourceId>,
    /// Yellow or red.
    pub level: Level,
    /// Of `expiring`: the step that was crossed last, in days before the end; crossing one tells of it again.
    pub step: Option<u32>,
    /// The day it speaks of: the last day of coverage or of grace, the day on which seats are expected to run out.
    pub on: Option<Date>,
    /// For people, as the latest run has it. Counts and ids, no personal value.
    pub text: String,
    /// The numbers in the text and those behind it.
    pub numbers: BTreeMap<String, u64>,
    /// `as_of` of the run that raised it.
    pub raised_at: Timestamp,
    /// `as_of` of the run in which it reached its present step; null before the second.
    pub stepped_at: Option<Timestamp>,
    /// `as_of` of the run that cleared it; null while it is open.
    pub cleared_at: Option<Timestamp>,
    /// Who has seen it; a further step takes this back.
    pub acknowledged: Option<Acknowledged>,
}

impl Alert {
    /// The id of the one alert with this key: the first 16 hex digits of SHA-256 over its parts, a line each.
    pub fn id_of(
        district: &DistrictId,
        kind: AlertKind,
        product: Option<&ProductCode>,
        school: Option<&SourceId>,
    ) -> AlertId {
        let product = product.map(ProductCode::as_str).unwrap_or_default();
        let school = school.map(SourceId::as_str).unwrap_or_default();
        let digest = Sha256::digest(format!("{district}\n{kind}\n{product}\n{school}"));
        AlertId::new(hex::encode(digest.iter().take(8).copied().collect::<Vec<u8>>()))
    }

    /// What the audit keeps of it, nothing for null; `shown` is how the school's id is shown.
    pub fn facts(&self, shown: impl Fn(&SourceId) -> String) -> Map<String, Value> {
        let all = json!({
            "kind": self.kind,
            "product": self.product,
            "school": self.school.as_ref().map(shown),
            "level": self.level,
            "step": self.step,
            "on": self.on,
            "text": self.text,
            "numbers": self.numbers,
            "acknowledged": self.acknowledged,
        });
        match all {
            Value::Object(map) => map.into_iter().filter(|(_, value)| !value.is_null()).collect(),
            _ => Map::new(),
        }
    }
}

/// A product's seats, or one school's allotment of it.
pub type DailyKey = (ProductCode, Option<SourceId>);

/// Seats in use on one local day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daily {
    /// Of what.
    pub of: DailyKey,
    /// The local day.
    pub day: Date,
    /// As of its last run, bridged seats left out.
    pub assigned: u64,
}
