//! Looks at the catalog's document, takes a good one as what is said from now on, and files a run for each district whose
//! contract in force is another one. The run puts it in force with the seats that follow, in one transaction (S0.2).
//!
//! Nothing has to be remembered between the two: whatever dies after the document was taken, the difference between what is
//! said and what is in force is still there at the next look, and the runs are filed then.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::catalog::{self, CatalogError, Format, Known, Source, unknown_schools};
use crate::feed::{Fetched, Service};
use crate::model::{
    Catalog, DistrictId, DistrictState, HoldRecord, Kind, Roster, RunId, SubscriptionId, Terms, Timestamp, Trigger,
};
use crate::run::foresee;
use crate::schedule::desk::Desk;
use crate::schedule::worker::Office;
use crate::store::{CatalogLook, NewRequest, Said, StoreError};

/// The mode of a run that takes up what the catalog says.
pub const TAKE_UP: &str = "catalog";

/// The mode of a run that puts one purchase in force.
pub const PURCHASE: &str = "purchase";

/// How a look ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CatalogOutcome")]
pub enum Outcome {
    /// The document says something else than before.
    Changed,
    /// It says the same.
    Unchanged,
    /// It was not taken; the last good one stays in force.
    Failed,
    /// It would take more seats away than the guard lets pass unattended: not taken until a person accepts it.
    Held,
}

/// A subscription that the document lacks and that keeps its last state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Vanished {
    /// Whose.
    pub district: DistrictId,
    /// Which.
    pub subscription: SubscriptionId,
    /// Since when.
    pub vanished_since: Timestamp,
}

/// A run that a look brought about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FiledRun {
    /// The district.
    pub district: DistrictId,
    /// Its run.
    pub run: RunId,
}

/// What a look at the document came to: the answer of `rosterd catalog refresh` and of `POST /v1/catalog/refresh`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CatalogLook")]
pub struct Look {
    /// How it ended.
    pub outcome: Outcome,
    /// When.
    pub at: Timestamp,
    /// Where the document is.
    pub source: String,
    /// Products of the last good document.
    pub products: u64,
    /// Subscriptions in force.
    pub subscriptions: u64,
    /// Subscriptions that vanished.
    pub vanished: Vec<Vanished>,
    /// What is no mistake and should be looked at.
    pub warnings: Vec<String>,
    /// Districts of which a subscription vanished or is back: a run of each tells it (licensing.md, Alerts).
    #[serde(skip)]
    pub moved: BTreeSet<DistrictId>,
    /// Runs that were filed or joined.
    pub runs: Vec<FiledRun>,
    /// Why it failed, and what to do.
    pub error: Option<String>,
    /// What it would take away, of each district where that is too much.
    #[serde(default)]
    pub held: Vec<HeldTerms>,
    /// Names the document that waits; accepting it takes this.
    #[serde(default)]
    pub hash: Option<String>,
}

/// What a document that was not taken would take from one district.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldTerms {
    /// The district.
    pub district: DistrictId,
    /// The limits that trip.
    pub holds: Vec<HoldRecord>,
}

/// A person's word that a document is meant, whatever it takes away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The document's hash, as `catalog plan` and a held look tell it.
    pub hash: String,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}

/// Names a document: SHA-256 of what it says.
pub fn hash(document: &Catalog) -> Result<String, serde_json::Error> {
    Ok(hex::encode(Sha256::digest(serde_json::to_vec(document)?)))
}

/// A refresh that was asked for: done, or answered with the last result because it was done a moment ago (S4.27).
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "CatalogRefreshed")]
pub struct Refreshed {
    /// Whether the document was looked at now.
    pub refreshed: bool,
    /// From when on it is looked at again.
    pub next_at: Timestamp,
    /// The result.
    #[serde(flatten)]
    pub look: Look,
}

/// What is to be read.
enum Read {
    Same,
    Document { document: Catalog, etag: Option<String> },
}

/// Reads the document, whatever there is in the store: for a plan.
pub async fn document(office: &Office, source: Source<'_>) -> Result<Catalog, LookError> {
    match read(office, source, None).await? {
        Read::Document { document, .. } => Ok(document),
        // Nothing was said to be there already.
        Read::Same => Ok(office.store.catalog().await?),
    }
}

/// Why a document was not read.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// It is wrong, or cannot be had.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

async fn read(office: &Office, source: Source<'_>, have: Option<&str>) -> Result<Read, LookError> {
    let (said, in_force) = (office.store.known_subscriptions().await?, office.store.catalog().await?.subscriptions);
    let known = Known { said: &said, in_force: &in_force };
    match source {
        Source::File(path) => Ok(Read::Document { document: catalog::read_beside(path, known)?, etag: None }),
        Source::Service { .. } => {
            let Some(service) = service(office) else { return Ok(Read::Same) };
            let failed = |faults, unreadable| CatalogError { source_name: service.shown(), faults, unreadable };
            let fetched = service.fetch(have, crate::secret::process_environment).await;
            match fetched.map_err(|error| failed(Vec::new(), Some(error.to_string())))? {
                Fetched::Same => Ok(Read::Same),
                Fetched::Document { text, etag } => {
                    let parsed = catalog::parse_beside(&text, Format::Json, known);
                    let document = parsed.map_err(|faults| failed(faults, None))?;
                    Ok(Read::Document { document, etag })
                }
            }
        }
    }
}

fn service(office: &Office) -> Option<Service<'_>> {
    let settings = &office.settings.catalog;
    Some(Service {
        url: settings.url.as_deref()?,
        token: settings.token.as_ref()?,
        ca_file: settings.ca_file.as_deref(),
        timeout_seconds: settings.timeout_seconds,
        allow_insecure: settings.allow_insecure,
    })
}

/// Districts from which a document would take more seats than the guard lets pass unattended.
async fn too_much(office: &Office, document: &Catalog, at: Timestamp) -> Result<Vec<HeldTerms>, StoreError> {
    let mut held = Vec::new();
    for state in office.store.districts().await? {
        held.extend(too_much_of(office, &state, Said::Document(document, at), at).await?);
    }
    Ok(held)
}

/// What that would take from one district, if it is more than the guard lets pass unattended.
pub(super) async fn too_much_of(
    office: &Office,
    state: &DistrictState,
    said: Said<'_>,
    at: Timestamp,
) -> Result<Option<HeldTerms>, StoreError> {
    let (limits, district) = (&office.settings.guard, &state.id);
    // Before the first roster nobody has a seat.
    if state.allocated_at.is_none() || !limits.enabled || office.store.terms(district, said).await? == Terms::Settled {
        return Ok(None);
    }
    let baseline = Box::pin(office.store.baseline_with(district, said)).await?;
    match foresee(baseline, limits, at) {
        Ok(foreseen) => {
            let terms = foreseen.map(|it| HeldTerms { district: it.district, holds: it.holds });
            Ok(terms.filter(|it| !it.holds.is_empty()))
        }
        // The run that would take it up fails on the same, and says why.
        Err(error) => {
            tracing::warn!(%error, district.id = %district, "what the catalog would take away is not known");
            Ok(None)
        }
    }
}

/// One limit that what is said would trip, in words.
pub fn held_line(hold: &HoldRecord) -> String {
    format!("HELD {}: {} of {} seats would end ({})", hold.group, hold.count, hold.of, hold.limit)
}

/// Why something is not taken.
pub const NOT_MEANT: &str = "it is not taken before you say that it is meant";

/// Looks at the document and takes a good one. Runs are not filed here. None where there is no catalog at all. One that would
/// take more seats away than the guard lets pass is taken only with a person's word.
pub async fn look(office: &Office, accepted: Option<&Accepted>) -> Result<Option<Look>, StoreError> {
    let Some(source) = office.settings.catalog.source() else { return Ok(None) };
    let name = match (source, service(office)) {
        (Source::Service { .. }, Some(service)) => service.shown(),
        (Source::File(path), _) => path.display().to_string(),
        (Source::Service { url, .. }, None) => url.to_owned(),
    };
    let last = office.store.catalog_look().await?;
    let from_here = last.as_ref().filter(|it| it.source.as_deref() == Some(name.as_str()));
    let have = from_here.and_then(|it| it.etag.clone());
    let mut look = Look {
        outcome: Outcome::Unchanged,
        at: office.clock.now(),
        source: name.clone(),
        products: 0,
        subscriptions: 0,
        vanished: Vec::new(),
        warnings: Vec::new(),
        moved: BTreeSet::new(),
        runs: Vec::new(),
        error: None,
        held: Vec::new(),
        hash: None,
    };
    let gone = office.store.vanished().await?.into_iter();
    let before: BTreeSet<(DistrictId, SubscriptionId)> = gone.map(|(district, id, _)| (district, id)).collect();
    match read(office, source, have.as_deref()).await {
        Ok(Read::Same) => {}
        Ok(Read::Document { document, etag }) => {
            look.warnings.extend(unknown_districts(office, &document));
            let named = hash(&document).map_err(|_| StoreError::Failed { during: "HASH", code: "json".to_owned() })?;
            let meant = accepted.is_some_and(|it| it.hash == named);
            let held = if meant { Vec::new() } else { too_much(office, &document, look.at).await? };
            let row = CatalogLook { at: look.at, source: Some(name), etag, outcome: told(&look) };
            if !held.is_empty() {
                look.outcome = Outcome::Held;
                (look.held, look.hash) = (held, Some(named));
            } else if office.store.offer_catalog(&document, &row).await? {
                look.outcome = Outcome::Changed;
            }
        }
        Err(LookError::Store(error)) => return Err(error),
        Err(LookError::Catalog(error)) => {
            look.outcome = Outcome::Failed;
            look.error = Some(error.to_string());
        }
    }
    let in_store = office.store.catalog().await?;
    look.products = u64::try_from(in_store.products.len()).unwrap_or(u64::MAX);
    look.subscriptions = u64::try_from(in_store.subscriptions.len()).unwrap_or(u64::MAX);
    let vanished = office.store.vanished().await?;
    let now: BTreeSet<_> = vanished.iter().map(|(district, id, _)| (district.clone(), id.clone())).collect();
    look.moved = before.symmetric_difference(&now).map(|(district, _)| district.clone()).collect();
    for (district, subscription, vanished_since) in vanished {
        if !before.contains(&(district.clone(), subscription.clone())) {
            tracing::warn!(district.id = %district, "subscription {subscription} of {district} vanished from the catalog: it keeps its last state");
        }
        look.vanished.push(Vanished { district, subscription, vanished_since });
    }
    look.warnings.extend(unknown_allotments(office).await?);
    note(office, &look).await?;
    for HeldTerms { district, holds } in &look.held {
        let groups: Vec<&str> = holds.iter().map(|it| it.group.as_str()).collect();
        tracing::error!(district.id = %district, ?groups, "the catalog was not taken: it would take too many seats away; read `rosterd catalog plan`, then `rosterd catalog refresh --accept HASH` if it is meant");
    }
    if let Some(error) = &look.error {
        tracing::error!(%error, "the catalog was not taken, the last good one stays in force");
    }
    Ok(Some(look))
}

/// What is told of a look, as the store keeps it.
fn told(look: &Look) -> String {
    serde_json::to_string(look).unwrap_or_default()
}

async fn note(office: &Office, look: &Look) -> Result<(), StoreError> {
    let last = office.store.catalog_look().await?;
    let (source, etag) = last.map_or((None, None), |it| (it.source, it.etag));
    office.store.note_catalog_look(&CatalogLook { at: look.at, source, etag, outcome: told(look) }).await
}

/// How the last look ended; none before the first.
pub async fn last_look(office: &Office) -> Result<Option<Look>, StoreError> {
    let last = office.store.catalog_look().await?;
    Ok(last.and_then(|it| serde_json::from_str(&it.outcome).ok()))
}

/// Districts that nobody configured: their subscriptions wait until somebody does.
fn unknown_districts(office: &Office, document: &Catalog) -> Vec<String> {
    let unknown = document.subscriptions.values().filter(|it| office.known.get(&it.district).is_none());
    let of_apps = !office.settings.apps().is_empty();
    let message = |id: &SubscriptionId, district: &DistrictId| {
        format!(
            "subscription `{id}` is for district `{district}`, which is not known: it waits until it is; check the spelling"
        )
    };
    unknown.filter(|_| !of_apps).map(|it| message(&it.id, &it.district)).collect()
}

/// Allotments of what is to be taken up that no school answers to.
async fn unknown_allotments(office: &Office) -> Result<Vec<String>, StoreError> {
    let mut warnings = Vec::new();
    for district in office.store.unsettled().await? {
        let mut roster = Roster::default();
        for school in office.store.roster(&district, Kind::Schools).await? {
            roster.put(school);
        }
        let offer = office.store.offer(&district).await?;
        for (id, offered) in &offer.subscriptions {
            for school in unknown_schools(&offered.subscription, &roster) {
                warnings.push(format!(
                    "subscription `{id}` allots seats to school `{school}`, which the roster of `{district}` does not have"
                ));
            }
        }
    }
    Ok(warnings)
}

/// Districts that need a run so that what is said is in force. One whose roster never came takes it up with its first sync:
/// before that there is nobody to give seats to.
pub async fn due(office: &Office, look: &Look) -> Result<Vec<DistrictId>, StoreError> {
    let mut unsettled = office.store.unsettled().await?;
    unsettled.extend(look.moved.iter().cloned());
    let states = office.store.districts().await?;
    let due = states.into_iter().filter(|it| it.allocated_at.is_some() && unsettled.contains(&it.id));
    Ok(due.map(|it| it.id).filter(|id| office.known.get(id).is_some()).collect())
}

/// Files a run for each district that needs one, and notes them in the look.
pub async fn file_runs(desk: &Desk, look: &mut Look, accepted: Option<&Accepted>) -> Result<(), StoreError> {
    let office = desk.office();
    for district in due(&office, look).await? {
        let request = NewRequest {
            requested_by: accepted.map(|it| it.by.clone()),
            reason: accepted.and_then(|it| it.reason.clone()),
            ..desk.request(district.clone(), TAKE_UP, Trigger::Catalog)
        };
        match desk.file(request).await {
            Ok(filed) => {
                tracing::info!(run.id = %filed.run, district.id = %district, "the contract of {district} has changed");
                look.runs.push(FiledRun { district, run: filed.run });
            }
            Err(error) => {
                tracing::error!(%error, district.id = %district, "the new contract of {district} waits for the next look");
            }
        }
    }
    if look.runs.is_empty() { Ok(()) } else { note(&office, look).await }
}

/// Looks, and files what follows: what the timer, `SIGHUP` and `POST /v1/catalog/refresh` do.
pub async fn refresh(desk: &Desk) -> Result<Option<Look>, StoreError> {
    refresh_with(desk, None).await
}

async fn refresh_with(desk: &Desk, accepted: Option<&Accepted>) -> Result<Option<Look>, StoreError> {
    let Some(mut look) = look(&desk.office(), accepted).await? else { return Ok(None) };
    file_runs(desk, &mut look, accepted).await?;
    Ok(Some(look))
}

/// Refreshes, unless that was done a moment ago: then the last result is the answer. None where there is no catalog at all.
/// What a person accepts is looked at in any case.
pub async fn ask(desk: &Desk, accepted: Option<&Accepted>) -> Result<Option<Refreshed>, StoreError> {
    let office = desk.office();
    let pause = TimeDelta::minutes(i64::from(office.settings.catalog.cool_down_minutes));
    if accepted.is_none()
        && let Some(look) = last_look(&office).await?
        && let Some(next_at) = cooling_down(look.at, office.clock.now(), pause)
    {
        return Ok(Some(Refreshed { refreshed: false, next_at, look }));
    }
    let look = refresh_with(desk, accepted).await?;
    Ok(look.map(|look| Refreshed { refreshed: true, next_at: look.at.plus(pause), look }))
}

/// Until when nothing is looked at again; none if it may be now, or if the last look lies in the future of this clock.
fn cooling_down(last: Timestamp, now: Timestamp, pause: TimeDelta) -> Option<Timestamp> {
    let next = last.plus(pause);
    (last <= now && now < next).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_is_answered_with_the_last_result_until_the_pause_is_over() {
        let at = |text| Timestamp::parse(text).unwrap();
        let (last, pause) = (at("2025-10-06T07:00:00Z"), TimeDelta::minutes(5));
        let next = Some(at("2025-10-06T07:05:00Z"));
        assert_eq!(cooling_down(last, last, pause), next);
        assert_eq!(cooling_down(last, at("2025-10-06T07:04:59.999Z"), pause), next);
        assert_eq!(cooling_down(last, at("2025-10-06T07:05:00Z"), pause), None);
        assert_eq!(cooling_down(last, last, TimeDelta::zero()), None);
        assert_eq!(cooling_down(last, at("2025-10-06T06:00:00Z"), pause), None, "a rehearsal was here");
    }
}
