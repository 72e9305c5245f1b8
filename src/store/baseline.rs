//! Everything a plan needs of a district, in one consistent read.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Baseline, DistrictId, EnrollmentKey, Roster, Seat, SourceId};
use crate::store::db::Tx;
use crate::store::{
    Store, StoreError, alerts, catalog, district, hand, identity, loss, manual, records, runs, seats, threshold,
};

impl Store {
    /// The district at one revision; [`StoreError::NoDistrict`] for an unknown one.
    pub async fn baseline(&self, district: &DistrictId) -> Result<Baseline, StoreError> {
        let mut tx = self.db.read().await?;
        let tx = &mut tx;
        let state = district::read_state(tx, district).await?;
        let roster = records::read_active(tx, district).await?;
        let archived = records::read_archived(tx, district).await?.into_iter().collect();
        let seats = seats::read_seats(tx, district, &roster.users).await?;
        let departed = read_departed(tx, district, seats.values()).await?;
        let mut catalog = catalog::read(tx).await?.of_district(district);
        for overlay in hand::read_overlays(tx, district).await? {
            overlay.lay_over(&mut catalog);
        }
        for overlay in threshold::read(tx, district).await? {
            overlay.lay_over(&mut catalog);
        }
        Ok(Baseline {
            state,
            roster,
            archived,
            departed,
            catalog,
            seats,
            waiting: seats::read_waiting(tx, district).await?,
            ended: seats::read_ended(tx, district).await?,
            overrides: manual::read_overrides(tx, district).await?,
            educator_access: manual::read_access(tx, district).await?,
            assignments: hand::read_assignments(tx, district).await?,
            opened: hand::read_opened(tx, district).await?,
            persons: hand::read_persons(tx, district).await?,
            identity: identity::read(tx, district).await?,
            remembered: district::read_remembered(tx, district).await?,
            decisions: runs::read_decisions(tx, district).await?,
            review: runs::read_review(tx, district).await?,
            recent: loss::read(tx, district).await?,
            alerts: alerts::read_open(tx, district).await?,
            daily: alerts::read_daily(tx, district).await?,
            // The catalog does not keep yet what its document lacks.
            vanished: BTreeMap::new(),
        })
    }
}

/// What left by mere absence and a leaving seat still rests on: its user, their enrollments, and the classes of these.
async fn read_departed(
    tx: &mut Tx,
    district: &DistrictId,
    seats: impl Iterator<Item = &Seat>,
) -> Result<Roster, StoreError> {
    let leaving: BTreeSet<&SourceId> = seats.filter(|seat| seat.leaving.is_some()).map(|seat| &seat.user).collect();
    if leaving.is_empty() {
        return Ok(Roster::default());
    }
    let mut departed = records::read_departed(tx, district).await?;
    departed.users.retain(|user, _| leaving.contains(user));
    departed.enrollments.retain(|EnrollmentKey { user, .. }, _| leaving.contains(user));
    let classes: BTreeSet<SourceId> = departed.enrollments.keys().map(|key| key.class.clone()).collect();
    departed.classes.retain(|class, _| classes.contains(class));
    Ok(departed)
}
