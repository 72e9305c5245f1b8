//! Everything a plan needs of a district, in one consistent read.

use std::collections::BTreeSet;

use crate::model::{Baseline, DistrictId, Roster, Seat, SourceId, Terms};
use crate::store::catalog::{Contract, Said};
use crate::store::db::Tx;
use crate::store::{
    Store, StoreError, alerts, district, hand, identity, loss, manual, mode, records, runs, seats, threshold,
};

impl Store {
    /// The district at one revision; [`StoreError::NoDistrict`] for an unknown one.
    pub async fn baseline(&self, district: &DistrictId) -> Result<Baseline, StoreError> {
        Box::pin(self.baseline_with(district, Said::Stored)).await
    }

    /// The same, with what may be said of its contract.
    pub async fn baseline_with(&self, district: &DistrictId, said: Said<'_>) -> Result<Baseline, StoreError> {
        let mut tx = self.db.read().await?;
        let tx = &mut tx;
        let outline = Box::pin(outline(tx, district, said)).await?;
        let (roster, pictured) = self.read_active(tx, district).await?;
        let archived = records::read_archived(tx, district).await?.into_iter().collect();
        let seats = seats::read_seats(tx, district, &roster.users).await?;
        let waiting = seats::read_waiting(tx, district, &roster.users).await?;
        let departed = read_departed(tx, district, seats.values()).await?;
        let kept_back = mode::read_kept(tx, district, &roster).await?;
        Ok(Baseline {
            roster,
            pictured,
            archived,
            departed,
            seats,
            waiting,
            ended: seats::read_ended(tx, district).await?,
            overrides: manual::read_overrides(tx, district).await?,
            educator_access: manual::read_access(tx, district).await?,
            assignments: hand::read_assignments(tx, district).await?,
            opened: hand::read_opened(tx, district).await?,
            persons: hand::read_persons(tx, district).await?,
            identity: identity::read(tx, district).await?,
            decisions: runs::read_decisions(tx, district).await?,
            review: runs::read_review(tx, district).await?,
            kept_back,
            recent: loss::read(tx, district).await?,
            ..outline
        })
    }
}

/// What a district has beside its people: its state and contract, its modes and alerts, and of the roster the sessions.
pub(super) async fn outline(tx: &mut Tx, district: &DistrictId, said: Said<'_>) -> Result<Baseline, StoreError> {
    let state = district::read_state(tx, district).await?;
    let sessions = records::read_kind(tx, district).await?;
    let mut contract = Box::pin(Contract::read(tx, district, said)).await?;
    for overlay in hand::read_overlays(tx, district).await? {
        contract.lay_over(|catalog| overlay.clone().lay_over(catalog));
    }
    for overlay in threshold::read(tx, district).await? {
        contract.lay_over(|catalog| overlay.clone().lay_over(catalog));
    }
    let Contract { catalog, terms, vanished } = contract;
    Ok(Baseline {
        roster: Roster { sessions, ..Roster::default() },
        catalog,
        terms,
        vanished,
        remembered: district::read_remembered(tx, district).await?,
        modes: mode::read_modes(tx, district).await?,
        disconnected: mode::read_disconnected(tx, district).await?,
        alerts: alerts::read_open(tx, district).await?,
        daily: alerts::read_daily(tx, district).await?,
        ..Baseline::new(state)
    })
}

impl Store {
    /// How the district's contract stands to what may be said of it: a plan's contract without the roster.
    pub async fn terms(&self, district: &DistrictId, said: Said<'_>) -> Result<Terms, StoreError> {
        Ok(Box::pin(Contract::read(&mut self.db.read().await?, district, said)).await?.terms)
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
    departed.enrollments.retain(|it| leaving.contains(&it.user));
    let classes: BTreeSet<SourceId> = departed.enrollments.values().map(|it| it.class.clone()).collect();
    departed.classes.retain(|class, _| classes.contains(class));
    Ok(departed)
}
