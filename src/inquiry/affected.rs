//! What a run holds, with the license consequence.

use crate::model::RunRecord;
use crate::report::Affected;
use crate::store::{Store, StoreError};

const CORRUPT: StoreError = StoreError::CorruptRow { table: "held_change", field: "body" };

/// The held changes of a run, decided or not.
pub async fn affected(store: &Store, run: &RunRecord) -> Result<Vec<Affected>, StoreError> {
    let held = store.held_changes(&run.run).await?;
    if held.is_empty() {
        return Ok(Vec::new());
    }
    let baseline = store.baseline(&run.district).await?;
    Affected::list(held, &baseline).map_err(|_| CORRUPT)
}

/// The first of them, at most so many, and how many there are. A first sync holds a whole district.
pub async fn first_affected(store: &Store, run: &RunRecord, most: usize) -> Result<(Vec<Affected>, usize), StoreError> {
    let (held, of) = store.first_held(&run.run, most).await?;
    let users = held.iter().filter_map(|(change, _)| change.user()).collect();
    let seats = store.seats_of(&run.district, &users).await?;
    Ok((Affected::rows(held, &seats).map_err(|_| CORRUPT)?, of))
}
