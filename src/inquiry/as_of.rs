//! Everything that an earlier day stands on: the audit up to then, and the records as they were.

use chrono::TimeDelta;

use crate::model::{Date, DistrictId, Kind, SourceId, Timestamp};
use crate::reports::{Rewound, Then};
use crate::store::{AuditFilter, Store, StoreError};

/// The district at the end of a local day, or now where that day is not over; none for a day that has not begun.
pub async fn on_day(
    store: &Store,
    district: &DistrictId,
    day: Date,
    now: Timestamp,
) -> Result<Option<Then>, StoreError> {
    let mut baseline = store.baseline(district).await?;
    let zone = baseline.state.time_zone;
    if day > now.date_in(zone) {
        return Ok(None);
    }
    let as_of = Timestamp::last_of(day, zone).min(now);
    for (kind, id) in store.rewind(district, as_of, &mut baseline.roster).await? {
        baseline.archived.insert((kind, id));
    }
    let filter = AuditFilter {
        district: Some(district.clone()),
        until: Some(as_of.plus(TimeDelta::milliseconds(1))),
        ..AuditFilter::default()
    };
    let archived = std::mem::take(&mut baseline.archived);
    let ids = archived.into_iter().filter(|(kind, _)| matches!(kind, Kind::Users | Kind::Schools));
    let mut rewound = Rewound::new(store.pseudonym_key(), baseline, ids.map(|(_, id)| SourceId::new(id)));
    let mut stream = store.audit_stream(filter).await?;
    while let Some(page) = stream.next_page().await? {
        for entry in &page {
            rewound.push(entry);
        }
    }
    let corrupt = |seq| StoreError::CorruptEntry { district: district.clone(), seq, field: "after" };
    rewound.finish(as_of).map(Some).map_err(corrupt)
}
