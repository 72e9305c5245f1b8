//! Numbers of the whole store, for metrics: counts by district and product, nothing about a person.

use std::collections::BTreeMap;

use crate::model::{DistrictId, ProductCode, RunStatus, Timestamp};
use crate::store::column::Table;
use crate::store::db::{Sql, statements};
use crate::store::{Store, StoreError, district};

statements! {
    SEAT_COUNTS = Sql::portable(
        "SELECT district, product, COUNT(*) AS n, SUM(CASE WHEN bridged THEN 1 ELSE 0 END) AS bridged
         FROM seat GROUP BY district, product",
    );
    WAITING_COUNTS = Sql::portable(
        "SELECT district, product, COUNT(*) AS n FROM waiting GROUP BY district, product",
    );
    HELD_COUNTS = Sql::portable(
        "SELECT r.district, COUNT(*) AS n FROM run AS r JOIN held_change AS h ON h.run = r.id
         WHERE r.undecided AND h.decision IS NULL GROUP BY r.district",
    );
    ALERT_COUNTS = Sql::portable(
        "SELECT district, kind, COUNT(*) AS n FROM alert WHERE is_open GROUP BY district, kind",
    );
    LAST_RUNS = Sql::portable(
        "SELECT r.district, r.status, r.as_of FROM district AS d
         JOIN run AS r ON r.district = d.id
             AND r.ordinal = (SELECT MAX(l.ordinal) FROM run AS l WHERE l.district = d.id)",
    );
}

/// Of one district and product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeatNumbers {
    /// Seats in use, bridged ones left out.
    pub assigned: u64,
    /// Seats kept only because a held change would end them.
    pub bridged: u64,
    /// Users in line.
    pub waiting: u64,
}

/// Of the whole store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// By district and product.
    pub seats: BTreeMap<(DistrictId, ProductCode), SeatNumbers>,
    /// Held changes by district; every district is there.
    pub held: BTreeMap<DistrictId, u64>,
    /// When each district's roster was last pulled.
    pub pulled: BTreeMap<DistrictId, Timestamp>,
    /// Open alerts by district and kind, as [`AlertKind::as_str`](crate::model::AlertKind) has it; none where there are none.
    pub alerts: BTreeMap<(DistrictId, String), u64>,
    /// Of each district that had a run, whether the latest that has ended failed, and its `as_of`.
    pub last_runs: BTreeMap<DistrictId, (bool, Timestamp)>,
}

const RUN: Table = Table("run");

fn number(n: i64) -> u64 {
    u64::try_from(n).unwrap_or_default()
}

impl Store {
    /// The numbers, in one consistent read.
    pub async fn numbers(&self) -> Result<Numbers, StoreError> {
        let mut tx = self.db.read().await?;
        let mut all = Numbers::default();
        for state in district::read_states(&mut tx).await? {
            all.held.insert(state.id.clone(), 0);
            if let Some(source) = state.source {
                all.pulled.insert(state.id, source.pulled_at);
            }
        }
        let rows: Vec<(String, String, i64, i64)> = tx.query(SEAT_COUNTS).fetch_all().await?;
        for (district, product, n, bridged) in rows {
            let of = all.seats.entry((district.into(), product.into())).or_default();
            (of.assigned, of.bridged) = (number(n - bridged), number(bridged));
        }
        let rows: Vec<(String, String, i64)> = tx.query(WAITING_COUNTS).fetch_all().await?;
        for (district, product, n) in rows {
            all.seats.entry((district.into(), product.into())).or_default().waiting = number(n);
        }
        let rows: Vec<(String, i64)> = tx.query(HELD_COUNTS).fetch_all().await?;
        all.held.extend(rows.into_iter().map(|(district, n)| (DistrictId::from(district), number(n))));
        let rows: Vec<(String, String, i64)> = tx.query(ALERT_COUNTS).fetch_all().await?;
        all.alerts.extend(rows.into_iter().map(|(district, kind, n)| ((district.into(), kind), number(n))));
        let rows: Vec<(String, String, i64)> = tx.query(LAST_RUNS).fetch_all().await?;
        for (district, status, at) in rows {
            let failed = status == RunStatus::Failed.as_str();
            all.last_runs.insert(district.into(), (failed, RUN.instant("as_of", at)?));
        }
        Ok(all)
    }
}
