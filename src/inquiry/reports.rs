//! Everything a report stands on.

use crate::audit::Entry;
use crate::model::{DistrictId, ProductCode, Timestamp};
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
    let baseline = store.baseline(district).await?;
    let mut history: Vec<Entry> = Vec::new();
    if report == Report::History {
        let filter = AuditFilter { district: Some(district.clone()), ..AuditFilter::default() };
        let mut stream = store.audit_stream(filter).await?;
        while let Some(page) = stream.next_page().await? {
            history.extend(page.into_iter().filter(|it| it.entity == "seat"));
        }
    }
    Ok(reports::make(report, Facts { baseline: &baseline, as_of, product, history: &history }))
}
