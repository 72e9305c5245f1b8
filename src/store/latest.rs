//! The newest entries of the audit, for who looks at what was done last.

use std::collections::VecDeque;

use crate::audit::Entry;
use crate::model::DistrictId;
use crate::store::audit::{AuditFilter, EntryColumns, entry};
use crate::store::db::{Sql, statements};
use crate::store::{Store, StoreError};

statements! {
    LATEST_OF_SEATS = Sql::per_backend(
        "SELECT seq, run, at, actor, category, action, entity, id, before, after, reason, prev, hash
         FROM audit INDEXED BY audit_seat WHERE district = $1 AND entity = 'seat' ORDER BY seq DESC LIMIT $2",
        "SELECT seq, run, at, actor, category, action, entity, id, before, after, reason, prev, hash
         FROM audit WHERE district = $1 AND entity = 'seat' ORDER BY seq DESC LIMIT $2",
    );
}

impl Store {
    /// The last `most` entries of a district about seats, newest first.
    pub async fn latest_of_seats(&self, district: &DistrictId, most: usize) -> Result<Vec<Entry>, StoreError> {
        let mut tx = self.db.read().await?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows: Vec<EntryColumns> = tx.query(LATEST_OF_SEATS).bind(district.as_str()).bind(most).fetch_all().await?;
        rows.into_iter().map(|columns| entry(district, columns)).collect()
    }

    /// The last `most` entries of a district that pass, oldest first; `end` is the number of the last entry that is looked at.
    pub async fn latest_entries(
        &self,
        district: &DistrictId,
        filter: &AuditFilter,
        end: i64,
        most: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        // Where every entry passes, the last ones are known by their numbers.
        let all_pass = AuditFilter { district: None, ..filter.clone() } == AuditFilter::default();
        let skipped = end.saturating_sub(i64::try_from(most).unwrap_or(i64::MAX)).max(0);
        let after_seq = if all_pass { Some(skipped) } else { filter.after_seq };
        let filter = AuditFilter { district: Some(district.clone()), after_seq, ..filter.clone() };
        let mut stream = self.audit_stream(filter).await?;
        let mut latest: VecDeque<Entry> = VecDeque::new();
        while let Some(page) = stream.next_page().await? {
            let is_last = page.last().is_some_and(|it| it.seq >= end);
            latest.extend(page.into_iter().filter(|it| it.seq <= end));
            latest.drain(..latest.len().saturating_sub(most));
            if is_last {
                break;
            }
        }
        Ok(latest.into())
    }
}
