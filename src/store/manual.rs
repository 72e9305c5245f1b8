//! What people decided by hand, as plans read it, and acts outside of any run.

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
    ACCESS = Sql::portable(
        "SELECT product, educator, is_on FROM educator_access WHERE district = $1",
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
            until: OVERRIDE.date_if("until", until.as_deref())?,
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

impl Store {
    /// Appends an act that changed nothing: plans stand as they were.
    pub async fn note_reading(&self, act: Act) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let mut locked = district::lock(&mut tx, &act.district).await?;
        append(&mut tx, &mut locked, act).await?;
        locked.moved(&mut tx, false).await?;
        tx.commit().await
    }
}

async fn append(tx: &mut Tx, locked: &mut Locked, act: Act) -> Result<Option<AuditSpan>, StoreError> {
    let entries = audit::sealed(locked, act.run.as_ref(), act.at, act.audit)?;
    audit::append(tx, locked, &entries).await
}

/// Appends an act's entries and makes plans stale.
pub(super) async fn record(tx: &mut Tx, locked: &mut Locked, act: Act) -> Result<Option<AuditSpan>, StoreError> {
    let span = append(tx, locked, act).await?;
    locked.moved(tx, true).await?;
    Ok(span)
}
