//! Marks of rows that did not change (`snapshot/known.rs`). They are good as long as no record of the district is written:
//! triggers take them away with any write, whoever makes it (`migrations/*/0021_known.sql`).

use crate::model::{DistrictId, KnownRows};
use crate::store::column::Table;
use crate::store::db::{Sql, statements};
use crate::store::{Store, StoreError, district};

const TABLE: Table = Table("known_row");

statements! {
    KNOWN = Sql::portable("SELECT kind, seed, stamp, marks FROM known_row WHERE district = $1 ORDER BY kind");
    STAMP = Sql::portable("SELECT MIN(stamp) AS first, MAX(stamp) AS last FROM known_row WHERE district = $1");
    FORGET = Sql::portable("DELETE FROM known_row WHERE district = $1");
    PUT = Sql::portable("INSERT INTO known_row (district, kind, seed, stamp, marks) VALUES ($1, $2, $3, $4, $5)");
}

impl Store {
    /// The marks of a district's active records, if there are any.
    pub async fn known_rows(&self, district: &DistrictId) -> Result<Option<KnownRows>, StoreError> {
        let mut tx = self.db.read().await?;
        let rows: Vec<(String, String, String, Vec<u8>)> = tx.query(KNOWN).bind(district.as_str()).fetch_all().await?;
        let mut known: Option<KnownRows> = None;
        for (kind, seed, stamp, marks) in rows {
            let kind = TABLE.kind(&kind)?;
            let marks = KnownRows::from_bytes(&marks).ok_or_else(|| TABLE.corrupt("marks"))?;
            let known = known.get_or_insert_with(|| KnownRows { seed, stamp, ..KnownRows::default() });
            known.marks.insert(kind, marks);
        }
        Ok(known)
    }

    /// Whether the marks are still those of this stamp.
    pub async fn knows(&self, district: &DistrictId, stamp: &str) -> Result<bool, StoreError> {
        let mut tx = self.db.read().await?;
        let (first, last): (Option<String>, Option<String>) =
            tx.query(STAMP).bind(district.as_str()).fetch_one().await?;
        Ok(first.as_deref() == Some(stamp) && last.as_deref() == Some(stamp))
    }

    /// Keeps marks, if the district is still at the revision they were made for.
    pub async fn know(&self, district: &DistrictId, revision: i64, known: &KnownRows) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        if district::lock(&mut tx, district).await?.revision != revision {
            return Ok(());
        }
        tx.query(FORGET).bind(district.as_str()).execute().await?;
        for (kind, marks) in &known.marks {
            let query = tx.query(PUT).bind(district.as_str()).bind(kind.plural()).bind(known.seed.as_str());
            query.bind(known.stamp.as_str()).bind(KnownRows::to_bytes(marks)).execute_exactly(1).await?;
        }
        tx.commit().await
    }
}
