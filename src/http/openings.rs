//! Products being opened: many at once become few reports of use (`activity`), one at a time for each district.
//!
//! A seat that is there is opened without waiting, and its use is written down within seconds. A `first_use` product draws
//! its seat in a run like any other; whoever opens it waits for the run. So two openings never draw two seats for one user,
//! and never one more than there are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use crate::activity::{self, Reported};
use crate::model::{DistrictId, ProductCode, RunId, SourceId, Timestamp, Trigger};
use crate::schedule::desk::Desk;
use crate::store::NewRequest;

/// How long uses that decide nothing for the caller are collected.
const COLLECT: Duration = Duration::from_secs(2);

/// Before a run that was not seen to end is left alone; it is in the queue and goes on.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks at a run.
const LOOK: Duration = Duration::from_millis(15);

#[derive(Debug, Default)]
struct Pending {
    /// One use for each product and user, the earliest first and the latest last.
    uses: BTreeMap<(ProductCode, SourceId), Reported>,
    waiting: Vec<oneshot::Sender<()>>,
    actor: String,
    urgent: bool,
    /// Whether a task takes care of the district.
    attended: bool,
}

/// What is being opened, by district.
#[derive(Debug, Default)]
pub(crate) struct Openings {
    districts: Mutex<BTreeMap<DistrictId, Pending>>,
    urgent: Notify,
}

impl Openings {
    /// Notes a use; with `wait` the answer comes when it was carried out, or could not be in time.
    pub(crate) fn note(
        self: &Arc<Self>,
        desk: &Arc<Desk>,
        district: &DistrictId,
        actor: String,
        (product, user, at): (ProductCode, SourceId, Timestamp),
        wait: bool,
    ) -> oneshot::Receiver<()> {
        let (done, carried_out) = oneshot::channel();
        let mut districts = self.districts.lock().unwrap_or_else(PoisonError::into_inner);
        let pending = districts.entry(district.clone()).or_default();
        let new =
            Reported { user: user.clone(), product: product.clone(), first_used_at: Some(at), last_used_at: Some(at) };
        let one = pending.uses.entry((product, user)).or_insert(new);
        // Two that come at once need not come in the order of their instants.
        one.first_used_at = one.first_used_at.min(Some(at));
        one.last_used_at = one.last_used_at.max(Some(at));
        pending.actor = actor;
        if wait {
            pending.waiting.push(done);
            pending.urgent = true;
            self.urgent.notify_waiters();
        }
        if !std::mem::replace(&mut pending.attended, true) {
            let (this, desk, district) = (Arc::clone(self), Arc::clone(desk), district.clone());
            tokio::spawn(async move { this.attend(&desk, &district).await });
        }
        carried_out
    }

    /// Carries out what is pending of a district until nothing is.
    async fn attend(&self, desk: &Arc<Desk>, district: &DistrictId) {
        loop {
            let soon = self.urgent.notified();
            let urgent = {
                let districts = self.districts.lock().unwrap_or_else(PoisonError::into_inner);
                districts.get(district).is_some_and(|it| it.urgent)
            };
            if !urgent && !desk.stopping().is_cancelled() {
                tokio::select! {
                    () = soon => {}
                    () = desk.stopping().cancelled() => {}
                    () = tokio::time::sleep(COLLECT) => {}
                }
            }
            let (uses, waiting, actor) = {
                let mut districts = self.districts.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(pending) = districts.get_mut(district) else { return };
                if pending.uses.is_empty() {
                    districts.remove(district);
                    return;
                }
                pending.urgent = false;
                let mut uses = std::mem::take(&mut pending.uses);
                if let Some(key) = uses.keys().nth(activity::MOST).cloned() {
                    pending.uses = uses.split_off(&key);
                    pending.urgent = !pending.waiting.is_empty();
                }
                let all = pending.uses.is_empty();
                let waiting = if all { std::mem::take(&mut pending.waiting) } else { Vec::new() };
                (uses, waiting, pending.actor.clone())
            };
            let uses: Vec<Reported> = uses.into_values().collect();
            carry_out(desk, district, &uses, actor, !waiting.is_empty()).await;
            // Who has gone away meanwhile is not told.
            let told = waiting.into_iter().filter_map(|caller| caller.send(()).ok()).count();
            tracing::debug!(district.id = %district, told, "openings carried out");
        }
    }
}

/// Takes the uses up, as `POST /v1/districts/{d}/activity` does, and waits for the run if there is one.
async fn carry_out(desk: &Arc<Desk>, district: &DistrictId, uses: &[Reported], actor: String, wait: bool) {
    let office = desk.office();
    let request = desk.request(district.clone(), activity::MODE, Trigger::Http);
    let taken = activity::take(&office.store, district, uses, request.at).await;
    let decided = match taken {
        Ok((_, decided)) => decided,
        Err(error) => {
            tracing::error!(%error, district.id = %district, "the use of products in {district} could not be written");
            return;
        }
    };
    let Some(payload) = decided.and_then(|uses| serde_json::to_string(&uses).ok()) else { return };
    match desk.file(NewRequest { requested_by: Some(actor), payload: Some(payload), ..request }).await {
        Ok(filed) if wait => ended(desk, &filed.run).await,
        Ok(_) => {}
        Err(error) => {
            tracing::error!(%error, district.id = %district, "the use of products in {district} could not be filed");
        }
    }
}

/// Waits until a run has ended, within reason.
async fn ended(desk: &Arc<Desk>, run: &RunId) {
    let store = desk.office().store;
    let look = async {
        let mut pause = LOOK;
        loop {
            if let Ok(Some(_)) = store.run(run).await {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LOOK * 20);
        }
    };
    drop(tokio::time::timeout(PATIENCE, look).await);
}
