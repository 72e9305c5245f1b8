//! How many people's data were shown, to whom: counted in the district's audit (safety.md, People's data). What one caller reads
//! within a few seconds is one entry, written beside the answers, so that nobody waits for a sync that writes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use crate::audit::{Category, Draft};
use crate::model::{DistrictId, Timestamp};
use crate::schedule::desk::Desk;
use crate::store::{Act, StoreError};

/// How long readings are collected.
const COLLECT: Duration = Duration::from_secs(2);

/// District and actor.
type Who = (DistrictId, String);

/// People shown and not yet written down.
#[derive(Debug, Default)]
pub(crate) struct Readings(Mutex<BTreeMap<Who, u64>>);

impl Readings {
    /// Notes that `actor` was shown names, emails or numbers of so many people.
    pub(crate) fn note(&self, district: &DistrictId, actor: String, people: usize) {
        let people = u64::try_from(people).unwrap_or(u64::MAX);
        if people > 0 {
            let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *pending.entry((district.clone(), actor)).or_default() += people;
        }
    }

    /// Writes them down until the daemon stops.
    pub(crate) async fn watch(self: Arc<Self>, desk: Arc<Desk>) {
        while desk.stopping().run_until_cancelled(tokio::time::sleep(COLLECT)).await.is_some() {
            self.write(&desk).await;
        }
    }

    /// Writes down what there is. What cannot be written is kept for the next time.
    pub(crate) async fn write(&self, desk: &Desk) {
        let pending = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let office = desk.office();
        let mut failed = None;
        for ((district, actor), people) in pending {
            let act = told(&district, &actor, people, office.clock.now());
            match office.store.note_reading(act).await {
                // It was purged meanwhile, and nothing is left to say of it.
                Ok(()) | Err(StoreError::NoDistrict { .. }) => {}
                Err(error) => {
                    let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                    *pending.entry((district, actor)).or_default() += people;
                    failed = Some(error);
                }
            }
        }
        if let Some(error) = failed {
            tracing::warn!(%error, "who read people's data could not be written down, trying again");
        }
    }
}

fn told(district: &DistrictId, actor: &str, people: u64, at: Timestamp) -> Act {
    let draft = Draft {
        actor: actor.to_owned(),
        category: Category::Administrative,
        action: "district.people_read".to_owned(),
        entity: "district".to_owned(),
        id: district.to_string(),
        before: None,
        after: Some(json!({ "people": people })),
        reason: None,
    };
    Act { district: district.clone(), run: None, at, audit: vec![draft] }
}
