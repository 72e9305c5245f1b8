//! Rings when there are more changes (`[changes]`): once for many that come together, again until it is taken.

use std::sync::Arc;
use std::time::Duration;

use crate::schedule::desk::Desk;
use crate::store::StoreError;

/// Between two looks at what others committed.
const LOOK: Duration = Duration::from_secs(1);

/// Changes that come within this are one ring.
const TOGETHER: Duration = Duration::from_millis(250);

/// Rings until the daemon stops. The first ring is at the start: what was committed before may not have been heard of.
pub(super) async fn watch(desk: Arc<Desk>) {
    let mut commits = desk.office().store.commits();
    let mut rung = None;
    loop {
        match look(&desk, rung).await {
            Ok(now) => rung = now,
            Err(error) => tracing::warn!(%error, "it cannot be told whether there are more changes"),
        }
        tokio::select! {
            () = desk.stopping().cancelled() => return,
            changed = commits.changed() => match changed {
                Ok(()) => tokio::time::sleep(TOGETHER).await,
                Err(_) => return,
            },
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

async fn look(desk: &Desk, rung: Option<i64>) -> Result<Option<i64>, StoreError> {
    let office = desk.office();
    let bell = &office.settings.changes;
    if !bell.is_set() {
        return Ok(rung);
    }
    let number = office.store.last_commit().await?;
    if rung == Some(number) || number == 0 {
        return Ok(rung);
    }
    let epoch = office.store.epoch().await?;
    tokio::select! {
        () = desk.stopping().cancelled() => Ok(rung),
        taken = bell.ring(&epoch, number, crate::secret::process_environment) => match taken {
            Ok(_) => Ok(Some(number)),
            Err(error) => {
                tracing::warn!(%error, "the ring of `changes.webhook_url` was not taken, trying again");
                Ok(rung)
            }
        }
    }
}
