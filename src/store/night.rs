//! Nights that count as done without a run.

use crate::model::DistrictId;
use crate::store::db::{Sql, statements};
use crate::store::{Queue, StoreError};

statements! {
    PASS_OVER_NIGHT = Sql::portable(
        "INSERT INTO night (district, night_key, run) VALUES ($1, $2, '')
         ON CONFLICT (district, night_key) DO NOTHING",
    );
    IS_NIGHT_FILED = Sql::portable(
        "SELECT COUNT(*) AS n FROM night WHERE district = $1 AND night_key = $2",
    );
}

impl Queue {
    /// Notes that a night needs no run: it was due before the district was known.
    pub async fn pass_over_night(&self, district: &DistrictId, night: &str) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        tx.query(PASS_OVER_NIGHT).bind(district.as_str()).bind(night).execute().await?;
        tx.commit().await
    }

    /// Whether a night has its run, or needs none.
    pub async fn is_night_filed(&self, district: &DistrictId, night: &str) -> Result<bool, StoreError> {
        let mut tx = self.db.read().await?;
        let (n,): (i64,) = tx.query(IS_NIGHT_FILED).bind(district.as_str()).bind(night).fetch_one().await?;
        Ok(n > 0)
    }
}
