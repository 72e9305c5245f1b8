//! What someone should look at, before a child stands without a license (licensing.md, Alerts). Pure.
//!
//! [`watch`] looks at a district as a run leaves it and says what is the matter now; [`evaluate`] compares that with the
//! alerts that were open and says which are raised, step up, change their text or clear. An alert tells and blocks nothing
//! (S4.36, C16): the cap is the engine's. Looking twice at the same instant changes nothing.

mod age;
mod found;
mod look;
mod told;
mod trend;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::allocate::{License, Outlook};
use crate::model::{
    Acknowledged, Alert, AlertCounts, AlertId, AlertKind, Catalog, Date, Disconnection, DistrictId, Level, ProductCode,
    Proposal, SourceId, SourceMark, SubscriptionId, Timestamp,
};

pub use age::Pause;
pub use found::watch;
pub use look::{Seen, look};
pub use told::{acknowledgement, draft};
pub use trend::{History, Kept, keep};

/// The days before the end of coverage at which it is told again (S4.24).
pub const STEPS: [u32; 6] = [90, 60, 30, 14, 7, 1];

/// A district as a run leaves it.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The district.
    pub district: &'a DistrictId,
    /// Its time zone: days and weekends are those here.
    pub zone: chrono_tz::Tz,
    /// The run's instant.
    pub as_of: Timestamp,
    /// `rosterd licenses --by-school`.
    pub rows: &'a [License],
    /// What the contract says beyond its numbers.
    pub outlook: &'a BTreeMap<ProductCode, Outlook>,
    /// Products and the district's subscriptions.
    pub catalog: &'a Catalog,
    /// Subscriptions that are not in the catalog any more.
    pub vanished: &'a BTreeMap<SubscriptionId, Timestamp>,
    /// The district's name as the feed has it; none if it has no district or more than one.
    pub name: Option<&'a str>,
    /// Where the roster in use came from; none before the first and for a district without a feed.
    pub source: Option<&'a SourceMark>,
    /// When nothing was to be fetched.
    pub pauses: &'a [Pause],
    /// Since when the source does not share the district any more.
    pub disconnected: Option<&'a Disconnection>,
    /// Changes that wait for a person.
    pub held: usize,
    /// What they look like, and the mode that would see the district through it.
    pub proposal: Option<&'a Proposal>,
    /// Seats in use by day.
    pub daily: &'a History,
}

/// Something that is the matter now, as an alert would tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    key: Key,
    level: Level,
    step: Option<u32>,
    on: Option<Date>,
    text: String,
    numbers: BTreeMap<String, u64>,
}

impl Found {
    fn raised(self, district: &DistrictId, as_of: Timestamp) -> Alert {
        let Self { key: Key { kind, product, school }, level, step, on, text, numbers } = self;
        Alert {
            id: Alert::id_of(district, kind, product.as_ref(), school.as_ref()),
            district: district.clone(),
            kind,
            product,
            school,
            level,
            step,
            on,
            text,
            numbers,
            raised_at: as_of,
            stepped_at: None,
            cleared_at: None,
            acknowledged: None,
        }
    }
}

/// What there is one alert for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    kind: AlertKind,
    product: Option<ProductCode>,
    school: Option<SourceId>,
}

/// What happens to one alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// It is new, or here again.
    Raised(Alert),
    /// It crossed a step and is told again.
    Stepped {
        /// As it was.
        before: Alert,
        /// As it is.
        after: Alert,
    },
    /// Its text or numbers are others, or someone has seen it.
    Changed {
        /// As it was.
        before: Alert,
        /// As it is.
        after: Alert,
    },
    /// What it was about is over.
    Cleared(Alert),
}

/// The outcome, in the order in which it is audited: by id, what clears first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evaluation {
    /// What happens.
    pub moves: Vec<Move>,
    /// Counted.
    pub counts: AlertCounts,
}

impl Evaluation {
    /// The rows that are new or changed, each once, as they are afterwards.
    pub fn rows(&self) -> Vec<Alert> {
        let mut rows: BTreeMap<&AlertId, &Alert> = BTreeMap::new();
        for it in &self.moves {
            match it {
                Move::Raised(alert) | Move::Cleared(alert) => rows.insert(&alert.id, alert),
                Move::Stepped { after, .. } | Move::Changed { after, .. } => rows.insert(&after.id, after),
            };
        }
        rows.into_values().cloned().collect()
    }
}

/// Compares what is the matter with the alerts that were open.
pub fn evaluate(
    open: &BTreeMap<AlertId, Alert>,
    found: Vec<Found>,
    district: &DistrictId,
    as_of: Timestamp,
) -> Evaluation {
    let raise = |it: Found| it.raised(district, as_of);
    let now: BTreeMap<AlertId, Alert> = found.into_iter().map(raise).map(|it| (it.id.clone(), it)).collect();
    let mut it = Evaluation::default();
    let cleared = |alert: &Alert| Move::Cleared(Alert { cleared_at: Some(as_of), ..alert.clone() });
    let gone = |alert: &&Alert| now.get(&alert.id).is_none_or(|new| ends_later(alert, new));
    it.moves.extend(open.values().filter(gone).map(cleared));
    for (id, new) in &now {
        match open.get(id).filter(|before| !ends_later(before, new)) {
            None => it.moves.push(Move::Raised(new.clone())),
            Some(before) => it.moves.extend(gone_on(before, new, as_of)),
        }
    }
    for happens in &it.moves {
        match happens {
            Move::Raised(_) => it.counts.raised += 1,
            Move::Stepped { .. } => it.counts.stepped += 1,
            Move::Cleared(_) => it.counts.cleared += 1,
            Move::Changed { .. } => {}
        }
    }
    it.counts.open = u64::try_from(now.len()).unwrap_or(u64::MAX);
    it
}

/// Coverage that ends later than was told: the alert is over, and a new one begins if that is near, too.
fn ends_later(before: &Alert, now: &Alert) -> bool {
    before.step.is_some() && before.on < now.on
}

/// An alert that stays open.
fn gone_on(before: &Alert, now: &Alert, as_of: Timestamp) -> Option<Move> {
    let kept = Alert {
        raised_at: before.raised_at,
        stepped_at: before.stepped_at,
        acknowledged: before.acknowledged.clone(),
        ..now.clone()
    };
    if now.step < before.step {
        // Who has seen the step before has not seen this one.
        let after = Alert { stepped_at: Some(as_of), acknowledged: None, ..kept };
        return Some(Move::Stepped { before: before.clone(), after });
    }
    (kept != *before).then(|| Move::Changed { before: before.clone(), after: kept })
}

/// An open alert as someone has seen it; none if someone had, or if it has cleared.
pub fn acknowledge(alert: &Alert, by: &str, at: Timestamp) -> Option<Alert> {
    let new = alert.cleared_at.is_none() && alert.acknowledged.is_none();
    new.then(|| Alert { acknowledged: Some(Acknowledged { by: by.to_owned(), at }), ..alert.clone() })
}

/// For lists: what is red first, then by urgency, product and school.
pub fn in_order(mut alerts: Vec<Alert>) -> Vec<Alert> {
    let rank = |it: &Alert| match it.level {
        Level::Red => 0_u8,
        Level::Yellow => 1,
        Level::Green => 2,
    };
    alerts.sort_by(|a, b| {
        let key = |it: &'_ Alert| (it.cleared_at.is_some(), rank(it), it.kind);
        key(a)
            .cmp(&key(b))
            .then_with(|| (&a.district, &a.product, &a.school).cmp(&(&b.district, &b.product, &b.school)))
    });
    alerts
}
