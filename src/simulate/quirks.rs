//! Quirks by name: what real servers do wrong, switched on one by one.

use std::collections::BTreeSet;

/// A quirk list that could not be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuirkError {
    /// No quirk has this name.
    #[error("unknown quirk `{name}`; did you mean `{nearest}`?")]
    Unknown {
        /// What was written.
        name: String,
        /// The quirk with the nearest name.
        nearest: &'static str,
    },
    /// The quirk needs a value, has one too many, or a wrong one.
    #[error("quirk `{name}` is written {usage}")]
    Value {
        /// The quirk.
        name: String,
        /// How it is written.
        usage: &'static str,
    },
}

/// Name and spelling of every quirk; the module's page says what each does.
const SPELLINGS: [(&str, &str); 30] = [
    ("only", "`only=DISTRICT`"),
    ("no-total", "`no-total`, without a value"),
    ("wrong-total", "`wrong-total`, or `wrong-total=TOTAL` with a whole number from 1"),
    ("clamp", "`clamp=ROWS`, with a whole number from 1"),
    ("no-sort", "`no-sort`, without a value"),
    ("bool-json", "`bool-json`, without a value"),
    ("bool-int", "`bool-int`, without a value"),
    ("unsorted-overlap", "`unsorted-overlap`, without a value"),
    ("link-off-by-one", "`link-off-by-one`, without a value"),
    ("link-foreign", "`link-foreign`, without a value"),
    ("repeat-page", "`repeat-page`, without a value"),
    ("html-502", "`html-502=REQUESTS`, with a whole number from 1"),
    ("error-500", "`error-500=REQUESTS`, with a whole number from 1"),
    ("rate-limit", "`rate-limit=REQUESTS`, with a whole number from 1"),
    ("retry-after", "`retry-after=SECONDS`, with a whole number from 1"),
    ("expire-token", "`expire-token=REQUESTS`, with a whole number from 1"),
    ("empty", "`empty=COLLECTION`"),
    ("truncate", "`truncate=COLLECTION`"),
    ("html-login", "`html-login`, without a value"),
    ("no-content", "`no-content`, without a value"),
    ("empty-object", "`empty-object`, without a value"),
    ("drift", "`drift=PAGES`, with a whole number from 1"),
    ("district-state", "`district-state=paused`, `pending` or `error`"),
    ("vanished", "`vanished`, without a value"),
    ("slow", "`slow=MILLISECONDS`, with a whole number from 1"),
    ("redirect", "`redirect`, without a value"),
    ("reorder-keys", "`reorder-keys`, without a value"),
    ("extra-fields", "`extra-fields`, without a value"),
    ("tombstones", "`tombstones`, without a value"),
    ("inactive", "`inactive`, without a value"),
];

/// How a total is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WrongTotal {
    /// Seven more than there are, as where deleted records are counted.
    TooMany,
    /// Always this.
    Said(u64),
}

impl WrongTotal {
    pub(crate) fn total(self, truth: usize) -> usize {
        match self {
            WrongTotal::TooMany => truth + 7,
            WrongTotal::Said(total) => usize::try_from(total).unwrap_or(usize::MAX),
        }
    }
}

/// The quirks that are on. The default is none: a faithful server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quirks {
    written: Vec<String>,
    flags: BTreeSet<&'static str>,
    pub(crate) only: BTreeSet<String>,
    pub(crate) clamp: Option<u64>,
    pub(crate) wrong_total: Option<WrongTotal>,
    pub(crate) html_502: u64,
    pub(crate) error_500: u64,
    pub(crate) rate_limit: Option<u64>,
    pub(crate) retry_after: Option<u64>,
    pub(crate) expire_token: Option<u64>,
    pub(crate) empty: BTreeSet<String>,
    pub(crate) truncate: BTreeSet<String>,
    pub(crate) drift: Option<u64>,
    pub(crate) district_state: Option<String>,
    pub(crate) slow_ms: u64,
}

impl Quirks {
    /// No quirk: a faithful server.
    pub fn none() -> Quirks {
        Quirks::default()
    }

    /// Reads a comma list such as `no-total,clamp=50`; empty parts are skipped.
    pub fn parse(list: &str) -> Result<Quirks, QuirkError> {
        let mut quirks = Quirks::default();
        for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim())),
                None => (part, None),
            };
            quirks.switch_on(name, value)?;
            quirks.written.push(part.to_owned());
        }
        Ok(quirks)
    }

    /// Every quirk's name, in the order of the module's page.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SPELLINGS.iter().map(|(name, _)| *name)
    }

    fn switch_on(&mut self, name: &str, value: Option<&str>) -> Result<(), QuirkError> {
        let known = SPELLINGS.iter().find(|(known, _)| *known == name);
        let Some((name, usage)) = known.copied() else {
            return Err(QuirkError::Unknown { name: name.to_owned(), nearest: nearest(Quirks::names(), name) });
        };
        let wrong = || QuirkError::Value { name: name.to_owned(), usage };
        let word = || value.filter(|value| !value.is_empty()).map(str::to_owned).ok_or_else(wrong);
        let number = || {
            let number = value.and_then(|value| value.parse::<u64>().ok());
            number.filter(|number| *number > 0).ok_or_else(wrong)
        };
        match name {
            "only" => {
                self.only.insert(word()?);
            }
            "clamp" => self.clamp = Some(number()?),
            "html-502" => self.html_502 = number()?,
            "error-500" => self.error_500 = number()?,
            "rate-limit" => self.rate_limit = Some(number()?),
            "retry-after" => self.retry_after = Some(number()?),
            "expire-token" => self.expire_token = Some(number()?),
            "empty" => {
                self.empty.insert(word()?);
            }
            "truncate" => {
                self.truncate.insert(word()?);
            }
            "wrong-total" => {
                let said = if value.is_some() { WrongTotal::Said(number()?) } else { WrongTotal::TooMany };
                self.wrong_total = Some(said);
            }
            "drift" => self.drift = Some(number()?),
            "slow" => self.slow_ms = number()?,
            "district-state" => {
                let state = word()?;
                if !["paused", "pending", "error"].contains(&state.as_str()) {
                    return Err(wrong());
                }
                self.district_state = Some(state);
            }
            _ if value.is_some() => return Err(wrong()),
            _ => {
                self.flags.insert(name);
            }
        }
        Ok(())
    }

    /// Whether a quirk without a value is on.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.flags.contains(name)
    }

    /// The quirks as far as they concern this district.
    pub(crate) fn of(&self, district: &str) -> Quirks {
        if self.only.is_empty() || self.only.contains(district) { self.clone() } else { Quirks::default() }
    }
}

impl std::fmt::Display for Quirks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.written.join(","))
    }
}

impl std::str::FromStr for Quirks {
    type Err = QuirkError;

    fn from_str(list: &str) -> Result<Quirks, QuirkError> {
        Quirks::parse(list)
    }
}

/// The name that differs least from what was written.
pub(crate) fn nearest(names: impl Iterator<Item = &'static str>, written: &str) -> &'static str {
    names.min_by_key(|known| strsim::damerau_levenshtein(known, written)).unwrap_or("")
}
