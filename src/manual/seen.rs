//! A person has seen an alert. That is no decision on the district and changes no seat, so it is no run: one entry, at once.

use crate::alert;
use crate::model::{Alert, AlertId, Timestamp};
use crate::store::{Act, Store, StoreError};

/// Why an alert could not be acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum NotSeen {
    /// No such alert.
    #[error("there is no alert `{0}`; `rosterd alerts` lists those that are open")]
    Unknown(AlertId),
    /// It is over.
    #[error("alert `{id}` has cleared at {at}: there is nothing to acknowledge")]
    Cleared {
        /// The alert.
        id: AlertId,
        /// When.
        at: Timestamp,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps who has seen an open alert; the alert stays open until its condition clears (S4.32). A second time changes nothing.
pub async fn acknowledge(
    store: &Store,
    id: &AlertId,
    actor: &str,
    reason: Option<&str>,
    at: Timestamp,
) -> Result<Alert, NotSeen> {
    loop {
        let before = store.alert(id).await?.ok_or_else(|| NotSeen::Unknown(id.clone()))?;
        if let Some(at) = before.cleared_at {
            return Err(NotSeen::Cleared { id: id.clone(), at });
        }
        let Some(after) = alert::acknowledge(&before, actor, at) else { return Ok(before) };
        let audit = vec![alert::acknowledgement(&before, &after, (actor, reason), store.pseudonym_key())];
        let act = Act { district: before.district.clone(), run: None, at, audit };
        // A run may have changed it meanwhile.
        if store.change_alert(&before, &after, act).await? {
            return Ok(after);
        }
    }
}
