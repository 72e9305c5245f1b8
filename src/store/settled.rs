//! How the last sync left a district (`settled.rs`), good as long as nothing is written: any commit moves the revision.

use crate::model::{Baseline, DistrictId};
use crate::settled::Settled;
use crate::store::catalog::Said;
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, statements};
use crate::store::{Store, StoreError, baseline};

const TABLE: Table = Table("settled");

statements! {
    SETTLED = Sql::portable(
        "SELECT s.body FROM settled AS s JOIN district AS d ON d.id = s.district AND d.revision = s.revision
         WHERE s.district = $1",
    );
    PUT_SETTLED = Sql::portable(
        "INSERT INTO settled (district, revision, body) SELECT id, revision, $2 FROM district WHERE id = $1 AND revision = $3
         ON CONFLICT (district) DO UPDATE SET revision = excluded.revision, body = excluded.body",
    );
}

/// Notes how a run leaves its district, if that is still at the revision.
pub(super) async fn put(
    tx: &mut Tx,
    district: &DistrictId,
    revision: i64,
    settled: &Settled,
) -> Result<(), StoreError> {
    let body = TABLE.to_json(settled)?;
    tx.query(PUT_SETTLED).bind(district.as_str()).bind(body).bind(revision).execute().await?;
    Ok(())
}

impl Store {
    /// How the last sync left a district, if it was one of this digest and nothing was written since, with the outline of the
    /// district as it is now. None of an unknown district.
    pub async fn settled(
        &self,
        district: &DistrictId,
        digest: &str,
    ) -> Result<Option<(Settled, Baseline)>, StoreError> {
        let mut tx = self.db.read().await?;
        let row: Option<(String,)> = tx.query(SETTLED).bind(district.as_str()).fetch_optional().await?;
        let Some((body,)) = row else { return Ok(None) };
        let settled: Settled = TABLE.json("body", &body)?;
        if settled.digest != digest {
            return Ok(None);
        }
        Ok(Some((settled, Box::pin(baseline::outline(&mut tx, district, Said::Stored)).await?)))
    }
}
