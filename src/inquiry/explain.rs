//! Everything an explanation stands on.

use crate::allocate::License;
use crate::apply::Shown;
use crate::audit::Entry;
use crate::explain::{self, Explanation, Question};
use crate::model::{Baseline, DistrictId, Product, ProductCode, SourceId, Timestamp};
use crate::store::{AuditFilter, RunFilter, Store, StoreError};

/// Runs looked at for how fresh the roster is.
const RUNS: u32 = 20;

/// Whom to explain, and which product.
#[derive(Clone, Copy, Debug)]
pub struct WhoAndWhat<'a> {
    /// The district.
    pub district: &'a DistrictId,
    /// The user.
    pub user: &'a SourceId,
    /// One product; none for all that the district bought or has seats of.
    pub product: Option<&'a ProductCode>,
    /// The instant of the question.
    pub as_of: Timestamp,
}

/// An explanation for each product asked for, by code; none for a product that the catalog does not know.
pub async fn explain(store: &Store, asked: WhoAndWhat<'_>) -> Result<Vec<Explanation>, StoreError> {
    let counted = store.tallied(asked.district, 0).await?;
    let totals = counted.licenses(&counted.at.state, asked.as_of, false);
    let baseline = match store.about(asked.district, asked.user, None).await? {
        Some(part) => part,
        None => store.baseline(asked.district).await?,
    };
    explain_of(store, (&baseline, &totals), asked).await
}

/// The same of a district that is at hand, or of the part that is about this user, with what `rosterd licenses` says of it.
pub async fn explain_of(
    store: &Store,
    (baseline, totals): (&Baseline, &[License]),
    asked: WhoAndWhat<'_>,
) -> Result<Vec<Explanation>, StoreError> {
    let WhoAndWhat { district, user, product, as_of } = asked;
    let filter = RunFilter { district: Some(district.clone()), limit: Some(RUNS), ..RunFilter::default() };
    let runs = store.runs(&filter).await?;
    let filter = AuditFilter { district: Some(district.clone()), user: Some(user.clone()), ..AuditFilter::default() };
    let mut audit: Vec<Entry> = Vec::new();
    let mut stream = store.audit_stream(filter).await?;
    while let Some(page) = stream.next_page().await? {
        audit.extend(page);
    }
    let shown = Shown::new(store.pseudonym_key(), baseline, &[]);
    let question = Question { baseline, as_of, user, runs: &runs, totals, audit: &audit, shown: &shown };
    let bought = |it: &&Product| {
        baseline.catalog.subscriptions.values().any(|sold| sold.product == it.code)
            || baseline.seats.contains_key(&(it.code.clone(), user.clone()))
    };
    let all = baseline.catalog.products.values();
    let wanted: Vec<&Product> = match product {
        Some(code) => all.filter(|it| it.code == *code).collect(),
        None => all.filter(bought).collect(),
    };
    Ok(wanted.into_iter().map(|product| explain::explain(question, product)).collect())
}
