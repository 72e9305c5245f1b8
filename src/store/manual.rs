//! What people decided by hand: overrides and educator access. Each act is one transaction with its audit entries.

use std::collections::BTreeMap;

use crate::allocate::SeatKey;
use crate::audit::Draft;
use crate::model::{AuditSpan, DistrictId, EducatorAccess, Override, RunId, Timestamp};
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, statements};
use crate::store::district::Locked;
use crate::store::{Store, StoreError, audit, district};

const OVERRIDE: Table = Table("override");

statements! {
    OVERRIDES = Sql::portable(
        "SELECT product, user_id, kind, actor, reason, until FROM override WHERE district = $1",
    );
    PUT_OVERRIDE = Sql::portable(
        "INSERT INTO override (district, product, user_id, kind, actor, reason, until)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (district, product, user_id) DO UPDATE SET kind = excluded.kind,
             actor = excluded.actor, reason = excluded.reason, until = excluded.until",
    );
    CLEAR_OVERRIDE = Sql::portable(
        "DELETE FROM override WHERE district = $1 AND product = $2 AND user_id = $3",
    );
    ACCESS = Sql::portable(
        "SELECT product, educator, is_on FROM educator_access WHERE district = $1",
    );
    PUT_ACCESS = Sql::portable(
        "INSERT INTO educator_access (district, product, educator, is_on) VALUES ($1, $2, $3, $4)
         ON CONFLICT (district, product, educator) DO UPDATE SET is_on = excluded.is_on",
    );
}

/// Who acts on which district, when, and what the audit says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// The district.
    pub district: DistrictId,
    /// The run it belongs to, if any.
    pub run: Option<RunId>,
    /// When.
    pub at: Timestamp,
    /// At least one draft.
    pub audit: Vec<Draft>,
}

pub(super) async fn read_overrides(
    tx: &mut Tx,
    district: &DistrictId,
) -> Result<BTreeMap<SeatKey, Override>, StoreError> {
    type Columns = (String, String, String, String, String, Option<String>);
    let rows: Vec<Columns> = tx.query(OVERRIDES).bind(district.as_str()).fetch_all().await?;
    let read = |(product, user, kind, actor, reason, until): Columns| {
        let it = Override {
            product: product.into(),
            user: user.into(),
            kind: OVERRIDE.word("kind", &kind)?,
            actor,
            reason,
            until: OVERRIDE.date_if("until", until)?,
        };
        Ok(((it.product.clone(), it.user.clone()), it))
    };
    rows.into_iter().map(read).collect()
}

pub(super) async fn read_access(
    tx: &mut Tx,
    district: &DistrictId,
) -> Result<BTreeMap<SeatKey, EducatorAccess>, StoreError> {
    let rows: Vec<(String, String, bool)> = tx.query(ACCESS).bind(district.as_str()).fetch_all().await?;
    let read = |(product, educator, on): (String, String, bool)| {
        let it = EducatorAccess { product: product.into(), educator: educator.into(), on };
        ((it.product.clone(), it.educator.clone()), it)
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Appends an act's entries and makes plans stale.
pub(super) async fn record(tx: &mut Tx, locked: &mut Locked, act: Act) -> Result<Option<AuditSpan>, StoreError> {
    let entries = audit::sealed(locked, act.run.as_ref(), act.at, act.audit)?;
    let span = audit::append(tx, locked, &entries).await?;
    locked.moved(tx, true).await?;
    Ok(span)
}

impl Store {
    /// Sets or replaces a pin or exclude.
    pub async fn set_override(&self, act: Act, it: &Override) -> Result<Option<AuditSpan>, StoreError> {
        let mut tx = self.db.write().await?;
        let mut locked = district::lock(&mut tx, &act.district).await?;
        tx.query(PUT_OVERRIDE)
            .bind(act.district.as_str())
            .bind(it.product.as_str())
            .bind(it.user.as_str())
            .bind(OVERRIDE.to_word(&it.kind)?)
            .bind(it.actor.as_str())
            .bind(it.reason.as_str())
            .bind(it.until.map(|day| day.to_string()))
            .execute_exactly(1)
            .await?;
        let span = record(&mut tx, &mut locked, act).await?;
        tx.commit().await?;
        Ok(span)
    }

    /// Takes an override away; false, and nothing written, if there is none.
    pub async fn clear_override(&self, act: Act, key: &SeatKey) -> Result<bool, StoreError> {
        let mut tx = self.db.write().await?;
        let mut locked = district::lock(&mut tx, &act.district).await?;
        let (product, user) = key;
        let query = tx.query(CLEAR_OVERRIDE).bind(act.district.as_str());
        if query.bind(product.as_str()).bind(user.as_str()).execute().await? == 0 {
            return Ok(false);
        }
        record(&mut tx, &mut locked, act).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Switches one educator's access to a product (S2.5).
    pub async fn set_educator_access(&self, act: Act, it: &EducatorAccess) -> Result<Option<AuditSpan>, StoreError> {
        let mut tx = self.db.write().await?;
        let mut locked = district::lock(&mut tx, &act.district).await?;
        tx.query(PUT_ACCESS)
            .bind(act.district.as_str())
            .bind(it.product.as_str())
            .bind(it.educator.as_str())
            .bind(it.on)
            .execute_exactly(1)
            .await?;
        let span = record(&mut tx, &mut locked, act).await?;
        tx.commit().await?;
        Ok(span)
    }
}
