//! Alert thresholds that a district changed, laid over the catalog's (licensing.md, Subscriptions; S4.11).

use serde::{Deserialize, Serialize};

use crate::model::{Catalog, DistrictId, SubscriptionId};
use crate::store::StoreError;
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, bulk, statements};
use crate::store::seats::each_batch;

const TABLE: Table = Table("threshold_overlay");

statements! {
    THRESHOLDS = Sql::portable(
        "SELECT body FROM threshold_overlay WHERE district = $1 ORDER BY subscription",
    );
    REMOVE_THRESHOLD = Sql::portable("DELETE FROM threshold_overlay WHERE district = $1 AND subscription = $2");
    PUT_THRESHOLDS = bulk!(
        "INSERT INTO threshold_overlay (district, subscription, body) SELECT $1, r.subscription, r.body",
        (subscription TEXT, body TEXT),
        "WHERE true ON CONFLICT (district, subscription) DO UPDATE SET body = excluded.body"
    );
}

/// How many seats a district wants left when it is told, instead of what the catalog says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThresholdOverlay {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The catalog's own value when the district changed it; once the catalog says something else, that counts.
    pub over: Option<u32>,
    /// The district's.
    pub alert_remaining: u32,
}

impl ThresholdOverlay {
    /// Puts the district's threshold in the place of the catalog's, if that is still the one it was laid over.
    pub fn lay_over(self, catalog: &mut Catalog) {
        let subscription = catalog.subscriptions.get_mut(&self.subscription);
        if let Some(it) = subscription.filter(|it| it.alert_remaining == self.over) {
            it.alert_remaining = Some(self.alert_remaining);
        }
    }
}

#[derive(Serialize)]
struct Row<'a> {
    subscription: &'a str,
    body: String,
}

pub(super) async fn read(tx: &mut Tx, district: &DistrictId) -> Result<Vec<ThresholdOverlay>, StoreError> {
    let rows: Vec<(String,)> = tx.query(THRESHOLDS).bind(district.as_str()).fetch_all().await?;
    rows.into_iter().map(|(body,)| TABLE.json("body", &body)).collect()
}

pub(super) async fn put(tx: &mut Tx, district: &DistrictId, all: &[ThresholdOverlay]) -> Result<(), StoreError> {
    each_batch(tx, PUT_THRESHOLDS, district, all, |it| {
        Ok(Row { subscription: it.subscription.as_str(), body: TABLE.to_json(it)? })
    })
    .await
}

/// Ends the threshold of a subscription, if there is one.
pub(super) async fn end(tx: &mut Tx, district: &DistrictId, of: &SubscriptionId) -> Result<(), StoreError> {
    tx.query(REMOVE_THRESHOLD).bind(district.as_str()).bind(of.as_str()).execute().await?;
    Ok(())
}
