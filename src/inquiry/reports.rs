//! Everything a report stands on.

use crate::audit::Entry;
use crate::model::{Baseline, DistrictId, ProductCode, Timestamp};
use crate::reports::{self, Facts, Report, Sheet};
use crate::store::{AuditFilter, Store, StoreError};

/// A report of a district.
pub async fn report(
    store: &Store,
    district: &DistrictId,
    report: Report,
    product: Option<&ProductCode>,
    as_of: Timestamp,
) -> Result<Sheet, StoreError> {
    let baseline = store.seated(district).await?;
    let mut history: Vec<Entry> = Vec::new();
    if report == Report::History {
        let filter = AuditFilter { district: Some(district.clone()), ..AuditFilter::default() };
        let mut stream = store.audit_stream(filter).await?;
        while let Some(page) = stream.next_page().await? {
            history.extend(page.into_iter().filter(is_of_seat));
        }
    }
    let facts = Facts { baseline: &baseline, as_of, product, history: &history, most: usize::MAX };
    Ok(reports::make(report, facts))
}

/// The first rows of each report that stands on the district as it is.
pub async fn first_rows(
    store: &Store,
    district: &DistrictId,
    as_of: Timestamp,
    most: usize,
) -> Result<Vec<(Report, Sheet)>, StoreError> {
    let baseline = store.seated(district).await?;
    let facts = Facts { baseline: &baseline, as_of, product: None, history: &[], most };
    let of_now = Report::ALL.into_iter().filter(|it| *it != Report::History);
    Ok(of_now.map(|report| (report, reports::make(report, facts))).collect())
}

/// The newest changes of seats, newest first.
pub async fn newest_changes(
    store: &Store,
    district: &DistrictId,
    as_of: Timestamp,
    most: usize,
) -> Result<Sheet, StoreError> {
    let history = store.latest_of_seats(district, most).await?;
    let baseline = Baseline::new(store.district(district).await?);
    Ok(reports::make(Report::History, Facts { baseline: &baseline, as_of, product: None, history: &history, most }))
}

fn is_of_seat(entry: &Entry) -> bool {
    entry.entity == "seat"
}
