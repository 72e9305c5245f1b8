//! Puts a catalog in force: what changed is audited in each district it concerns, and those districts are named so that
//! their seats can be allocated at once.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::audit::{Category, Draft};
use crate::catalog::{self, CatalogError};
use crate::model::{Catalog, DistrictId, Timestamp, Trigger};
use crate::schedule::desk::Desk;
use crate::schedule::worker::Office;
use crate::store::{Store, StoreError};

/// Why a catalog was not taken; the last good one stays in force.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The file is wrong.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads the catalog's file and puts a changed one in force. Without a file at the default place there is nothing to do.
pub async fn refresh(office: &Office, actor: &str) -> Result<BTreeSet<DistrictId>, RefreshError> {
    let path = &office.settings.catalog.path;
    if !path.exists() && *path == catalog::Settings::default().path {
        return Ok(BTreeSet::new());
    }
    let read = catalog::read(path)?;
    Ok(take_up(&office.store, &read, actor, office.clock.now()).await?)
}

/// Allocates the seats of the districts whose contract changed anew, as a run of each.
pub async fn file_allocations(desk: &Desk, concerned: BTreeSet<DistrictId>) {
    let office = desk.office();
    for id in concerned.into_iter().filter(|id| office.known.get(id).is_some()) {
        // Before the first roster there is nobody to give seats to.
        if matches!(office.store.district(&id).await, Ok(state) if state.allocated_at.is_none()) {
            continue;
        }
        match desk.file(desk.request(id.clone(), "allocate", Trigger::Catalog)).await {
            Ok(filed) => tracing::info!(run.id = %filed.run, district.id = %id, "the contract of {id} has changed"),
            Err(error) => {
                tracing::error!(%error, district.id = %id, "the new contract of {id} waits for the next sync");
            }
        }
    }
}

/// Compares the catalog with the one in force and replaces it. A subscription that vanished keeps its last state (licensing.md,
/// Subscriptions). Returns the districts whose contract changed.
pub async fn take_up(
    store: &Store,
    new: &Catalog,
    actor: &str,
    at: Timestamp,
) -> Result<BTreeSet<DistrictId>, StoreError> {
    let old = store.catalog().await?;
    // A district that is not known yet gets its subscriptions when it is: their entries belong into its chain.
    let known: BTreeSet<DistrictId> = store.districts().await?.into_iter().map(|it| it.id).collect();
    let mut new = new.clone();
    new.subscriptions.retain(|_, it| known.contains(&it.district));
    let drafts = drafts(&old, &new, actor);
    let concerned = drafts.keys().cloned().collect();
    store.put_catalog(&new, None, at, drafts).await?;
    Ok(concerned)
}

/// The audit entries of each district concerned.
fn drafts(old: &Catalog, new: &Catalog, actor: &str) -> BTreeMap<DistrictId, Vec<Draft>> {
    let mut drafts: BTreeMap<DistrictId, Vec<Draft>> = BTreeMap::new();
    let entry = |entity: &str, verb: &str, id: &str, before: Option<Value>, after: Option<Value>| Draft {
        actor: actor.to_owned(),
        category: Category::License,
        action: format!("{entity}.{verb}"),
        entity: entity.to_owned(),
        id: id.to_owned(),
        before,
        after,
        reason: None,
    };
    for (id, subscription) in &new.subscriptions {
        let before = old.subscriptions.get(id);
        if before == Some(subscription) {
            continue;
        }
        let verb = if before.is_some() { "changed" } else { "added" };
        let (was, is) = differing(before, Some(subscription));
        let draft = entry("subscription", verb, id.as_str(), before.map(|_| was), Some(is));
        drafts.entry(subscription.district.clone()).or_default().push(draft);
    }
    for (code, product) in &new.products {
        let before = old.products.get(code);
        if before == Some(product) || before.is_none() {
            continue;
        }
        let (was, is) = differing(before, Some(product));
        let buyers: BTreeSet<&DistrictId> =
            new.subscriptions.values().filter(|it| &it.product == code).map(|it| &it.district).collect();
        for district in buyers {
            let draft = entry("product", "changed", code.as_str(), Some(was.clone()), Some(is.clone()));
            drafts.entry(district.clone()).or_default().push(draft);
        }
    }
    drafts
}

/// The fields that differ, before and after.
fn differing<T: Serialize>(before: Option<&T>, after: Option<&T>) -> (Value, Value) {
    let fields = |it: Option<&T>| match it.and_then(|it| serde_json::to_value(it).ok()) {
        Some(Value::Object(map)) => map,
        Some(_) | None => Map::new(),
    };
    let (before, after) = (fields(before), fields(after));
    let only = |from: &Map<String, Value>, other: &Map<String, Value>| {
        let kept = from.iter().filter(|(key, value)| other.get(*key) != Some(value) && !value.is_null());
        Value::Object(kept.map(|(key, value)| (key.clone(), value.clone())).collect())
    };
    (only(&before, &after), only(&after, &before))
}
