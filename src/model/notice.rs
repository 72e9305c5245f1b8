//! What people are told without asking: one fact each, written with its cause, sent later (licensing.md, Alerts).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::{
    Alert, AlertId, AlertKind, Date, DistrictId, HoldRecord, Level, ProductCode, RunId, SourceId, Timestamp,
};

/// What a notice is about, as `notify.target.kinds` names it: the word of an alert, `failed` or `weekly`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeKind {
    /// A sync failed after one that had not.
    Failed,
    /// An alert was raised or crossed a step; of `held`: a run holds what none held before.
    Alert(AlertKind),
    /// What is still open, once a week (S4.31).
    Weekly,
}

impl NoticeKind {
    /// Every kind, most urgent first.
    pub const ALL: [Self; 13] = [
        Self::Failed,
        Self::Alert(AlertKind::Held),
        Self::Alert(AlertKind::Expired),
        Self::Alert(AlertKind::Grace),
        Self::Alert(AlertKind::OverAllocated),
        Self::Alert(AlertKind::Waitlist),
        Self::Alert(AlertKind::LowSeats),
        Self::Alert(AlertKind::FullIn),
        Self::Alert(AlertKind::Expiring),
        Self::Alert(AlertKind::Disconnected),
        Self::Alert(AlertKind::StaleRoster),
        Self::Alert(AlertKind::ContractMismatch),
        Self::Weekly,
    ];

    /// The word in configuration, JSON and store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Alert(kind) => kind.as_str(),
            Self::Weekly => "weekly",
        }
    }

    /// The kind of a word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

impl fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for NoticeKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for NoticeKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            let words = Self::ALL.map(|it| format!("`{it}`")).join(", ");
            serde::de::Error::custom(format!("a notice's kind is one of {words}"))
        })
    }
}

/// An alert as people are told of it: counts and ids, no personal value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldAlert {
    /// The alert.
    pub alert: AlertId,
    /// What it is about.
    pub kind: AlertKind,
    /// The product; null where it is about the district.
    pub product: Option<ProductCode>,
    /// The school's id as the audit shows it; null where it is about the whole product.
    pub school: Option<String>,
    /// Yellow or red.
    pub level: Level,
    /// Of `expiring`: days before the end.
    pub step: Option<u32>,
    /// The day it speaks of.
    pub on: Option<Date>,
    /// For people.
    pub text: String,
    /// The numbers in the text and those behind it.
    pub numbers: BTreeMap<String, u64>,
    /// Since when it is open.
    pub raised_at: Timestamp,
    /// Whether someone has said that they have seen it.
    pub acknowledged: bool,
}

impl ToldAlert {
    /// `shown` is how the school's id is shown.
    pub fn of(alert: &Alert, shown: impl Fn(&SourceId) -> String) -> Self {
        Self {
            alert: alert.id.clone(),
            kind: alert.kind,
            product: alert.product.clone(),
            school: alert.school.as_ref().map(shown),
            level: alert.level,
            step: alert.step,
            on: alert.on,
            text: alert.text.clone(),
            numbers: alert.numbers.clone(),
            raised_at: alert.raised_at,
            acknowledged: alert.acknowledged.is_some(),
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum About {
    /// An alert was raised or crossed a step.
    Alert(ToldAlert),
    /// A run holds changes for a person.
    Held {
        /// The run.
        run: RunId,
        /// Its plan, which an approval names.
        plan_hash: Option<String>,
        /// Every group it holds.
        groups: Vec<HoldRecord>,
        /// Held changes in all, each once.
        changes: u64,
        /// Seats kept only because of it.
        bridged: u64,
        /// The mode that would see the district through what it looks like: why, and the command.
        proposal: Option<(String, String)>,
    },
    /// A sync failed.
    Failed {
        /// The run.
        run: RunId,
        /// Why, and what to do.
        error: String,
    },
    /// What is still open.
    Weekly {
        /// The local day the week began with.
        week: Date,
        /// Alerts, what is red first.
        open: Vec<ToldAlert>,
    },
}

/// One thing to tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The district; whoever is not to hear of it never does.
    pub district: DistrictId,
    /// Names it within its district for ever: what was told once under a key is not told again.
    pub key: String,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub about: About,
}

impl Notice {
    /// What it is about.
    pub fn kind(&self) -> NoticeKind {
        match &self.about {
            About::Alert(told) => NoticeKind::Alert(told.kind),
            About::Held { .. } => NoticeKind::Alert(AlertKind::Held),
            About::Failed { .. } => NoticeKind::Failed,
            About::Weekly { .. } => NoticeKind::Weekly,
        }
    }
}

/// Several notices for one recipient, as they are sent, and sent again under the same id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Stands in `Message-ID`, `Idempotency-Key` and `webhook-id`: a receiver drops what it has seen.
    pub id: String,
    /// `digest` or `test`.
    #[serde(rename = "type")]
    pub word: String,
    /// One line.
    pub subject: String,
    /// For people, lines of plain text.
    pub text: String,
    /// For programs.
    pub notices: Vec<Notice>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_from_its_word_and_the_words_are_named_to_who_misspells_one() {
        let error = serde_json::from_str::<NoticeKind>("\"helt\"").unwrap_err().to_string();
        for kind in NoticeKind::ALL {
            assert_eq!(serde_json::from_str::<NoticeKind>(&format!("\"{kind}\"")).unwrap(), kind);
            assert!(error.contains(&format!("`{kind}`")), "{error}");
        }
    }
}
