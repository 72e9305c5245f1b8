//! What a run holds, with the license consequence.

use crate::model::RunRecord;
use crate::report::Affected;
use crate::store::{Store, StoreError};

/// The held changes of a run, decided or not.
pub async fn affected(store: &Store, run: &RunRecord) -> Result<Vec<Affected>, StoreError> {
    let held = store.held_changes(&run.run).await?;
    if held.is_empty() {
        return Ok(Vec::new());
    }
    let baseline = store.baseline(&run.district).await?;
    Affected::list(held, &baseline).map_err(|_| StoreError::CorruptRow { table: "held_change", field: "body" })
}
