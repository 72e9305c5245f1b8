//! A person sets a district's mode. That is no decision on any record and changes no seat, so it is no run: one entry, at
//! once. Syncs keep to it from then on.

use serde_json::{Value, json};

use crate::audit::{Category, Draft};
use crate::model::{Date, DistrictId, DistrictMode, ModeEntry, Modes, Timestamp};
use crate::store::{Act, Store, StoreError};

/// What a person asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeAsk {
    /// The mode. `normal` without days ends every other one, also those to come.
    pub mode: DistrictMode,
    /// First local day; none: now.
    pub from: Option<Date>,
    /// Last local day, inclusive; none: until another is set.
    pub until: Option<Date>,
    /// Why.
    pub reason: Option<String>,
}

/// Why a mode was not set.
#[derive(Debug, thiserror::Error)]
pub enum ModeRefused {
    /// The range has no day.
    #[error("`from` {from} lies after `until` {until}: the range is of whole days of the district, both included")]
    NoDay {
        /// First day.
        from: Date,
        /// Last day.
        until: Date,
    },
    /// The range is over.
    #[error("`until` {until} is over: it is {today} in the district")]
    Over {
        /// Last day.
        until: Date,
        /// Today there.
        today: Date,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sets the mode, with its entry in the audit; false, and nothing written, if that is how it stands already.
pub async fn set_mode(
    store: &Store,
    district: &DistrictId,
    ask: &ModeAsk,
    actor: &str,
    at: Timestamp,
) -> Result<bool, ModeRefused> {
    let zone = store.district(district).await?.time_zone;
    let today = at.date_in(zone);
    if let (Some(from), Some(until)) = (ask.from, ask.until)
        && until < from
    {
        return Err(ModeRefused::NoDay { from, until });
    }
    if let Some(until) = ask.until.filter(|until| *until < today) {
        return Err(ModeRefused::Over { until, today });
    }
    loop {
        let before = store.modes(district).await?;
        let put = entries(&before, ask, actor, (at, zone));
        if put.is_empty() {
            return Ok(false);
        }
        let draft = draft(district, &before, ask, actor, (at, zone));
        let act = Act { district: district.clone(), run: None, at, audit: vec![draft] };
        // Someone else may have set one meanwhile.
        if store.change_modes(&before, &put, act).await? {
            return Ok(true);
        }
    }
}

/// The entries that are new or ended by it; none if nothing is.
fn entries(before: &Modes, ask: &ModeAsk, actor: &str, (at, zone): (Timestamp, chrono_tz::Tz)) -> Vec<ModeEntry> {
    let unbounded = ask.from.is_none() && ask.until.is_none();
    if ask.mode == DistrictMode::Normal && unbounded {
        let open = before.open(at, zone);
        return open.map(|it| ModeEntry { ended_at: Some(at), ..it.clone() }).collect();
    }
    let ModeAsk { mode, from, until, reason } = ask.clone();
    let same = |it: &ModeEntry| (it.mode, it.from, it.until, &it.reason) == (mode, from, until, &reason);
    if before.open(at, zone).last().is_some_and(same) {
        return Vec::new();
    }
    let number = before.0.last().map_or(1, |it| it.number + 1);
    vec![ModeEntry { number, mode, from, until, reason, by: actor.to_owned(), at, ended_at: None }]
}

fn draft(
    district: &DistrictId,
    before: &Modes,
    ask: &ModeAsk,
    actor: &str,
    (at, zone): (Timestamp, chrono_tz::Tz),
) -> Draft {
    let said = |mode: DistrictMode, from: Option<Date>, until: Option<Date>| -> Value {
        json!({ "mode": mode, "from": from, "until": until })
    };
    let was = before.at(at, zone).map(|it| said(it.mode, it.from, it.until));
    Draft {
        actor: actor.to_owned(),
        category: Category::Administrative,
        action: "mode.set".to_owned(),
        entity: "mode".to_owned(),
        id: district.to_string(),
        before: Some(was.unwrap_or_else(|| said(DistrictMode::Normal, None, None))),
        after: Some(said(ask.mode, ask.from, ask.until)),
        reason: ask.reason.clone(),
    }
}
