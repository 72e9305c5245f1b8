//! Reports over one district: license claims, assignment history, activity against assignment, compliance, and the groups of
//! a combined license (S0.6, S2.12, S3.4, S3.6, S3.16 to S3.19, S3.30).
//!
//! Pure. Each report is columns and rows of ids, words, numbers and instants; how it is written is the asker's choice. Names
//! of people stand in none.

mod as_of;
mod compliance;
mod tables;

use serde_json::{Map, Value};

use crate::allocate::SeatKey;
use crate::audit::Entry;
use crate::model::{Baseline, ProductCode, Timestamp};

pub use as_of::{Rewound, Then};

/// A report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// Each seat with when it was assigned, claimed and last used (S3.4, S0.6).
    Claims,
    /// Every change of a seat or place in line, from the audit (S3.19).
    History,
    /// Assigned seats against their use: active, inactive, never used (S3.16 to S3.18).
    Activity,
    /// Each product's state against its contract, with a recommendation (S3.19, S3.30, S2.12).
    Compliance,
    /// Of each combined license who has one part only, and who has all (S3.6).
    Combined,
}

impl Report {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Claims, Self::History, Self::Activity, Self::Compliance, Self::Combined];

    /// The word on the command line and in paths.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claims => "claims",
            Self::History => "history",
            Self::Activity => "activity",
            Self::Compliance => "compliance",
            Self::Combined => "combined",
        }
    }

    /// The report of a word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

/// What a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The district.
    pub baseline: &'a Baseline,
    /// The instant of the report.
    pub as_of: Timestamp,
    /// Of one product only.
    pub product: Option<&'a ProductCode>,
    /// Seat entries of the audit, oldest first; only [`Report::History`] looks at them.
    pub history: &'a [Entry],
    /// Rows wanted at most, the first ones.
    pub most: usize,
}

impl Facts<'_> {
    fn wants(&self, product: &ProductCode) -> bool {
        self.product.is_none_or(|code| code == product)
    }

    fn seats(&self) -> impl Iterator<Item = (&SeatKey, &crate::model::Seat)> {
        self.baseline.seats.iter().filter(|((product, _), _)| self.wants(product))
    }
}

/// Columns and rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// Names of the columns.
    pub columns: &'static [&'static str],
    /// A value for each column.
    pub rows: Vec<Vec<Value>>,
    /// How many rows there are, wanted or not.
    pub of: usize,
}

impl Sheet {
    /// One object a row.
    pub fn objects(&self) -> Vec<Value> {
        let object = |row: &Vec<Value>| {
            let fields = self.columns.iter().zip(row).map(|(name, value)| ((*name).to_owned(), value.clone()));
            Value::Object(fields.collect::<Map<String, Value>>())
        };
        self.rows.iter().map(object).collect()
    }

    /// The cells as text; null is empty.
    pub fn cells(&self) -> impl Iterator<Item = Vec<String>> + '_ {
        self.rows.iter().map(|row| row.iter().map(cell).collect())
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Makes a report.
pub fn make(report: Report, facts: Facts<'_>) -> Sheet {
    match report {
        Report::Claims => tables::claims(facts),
        Report::History => tables::history(facts),
        Report::Activity => tables::activity(facts),
        Report::Compliance => compliance::compliance(facts),
        Report::Combined => tables::combined(facts),
    }
}
