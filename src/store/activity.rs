//! Use of products: what is known of it, and last uses, which decide nothing and so make no plan stale.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::allocate::SeatKey;
use crate::model::{DistrictId, Product, ProductCode, Seat, SourceId};
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, bulk, statements};
use crate::store::hand::{self, Activity, ByHand};
use crate::store::write::BATCH;
use crate::store::{Store, StoreError, catalog, district, seats};

const ACTIVITY: Table = Table("activity");

statements! {
    ACTIVE_USERS = Sql::portable(
        "SELECT id FROM record WHERE district = $1 AND kind = 'users' AND active",
    );
    USES = Sql::portable(
        "SELECT product, user_id, first_used, last_used FROM activity WHERE district = $1",
    );
    USE = Sql::portable(
        "SELECT first_used FROM activity WHERE district = $1 AND product = $2 AND user_id = $3",
    );
    NOTE_USES = Sql::portable("UPDATE district SET uses = uses + 1 WHERE id = $1");
    // Nobody who has not claimed the seat has used it, and a use before the seat began was of an earlier one.
    TOUCH_SEATS = bulk!(
        "UPDATE seat SET last_used_at = r.last_used",
        (product TEXT, user_id TEXT, last_used BIGINT),
        "WHERE seat.district = $1 AND seat.product = r.product AND seat.user_id = r.user_id
             AND seat.claimed_at IS NOT NULL AND seat.since <= r.last_used
             AND (seat.last_used_at IS NULL OR seat.last_used_at < r.last_used)"
    );
}

/// What a report of use is compared with.
#[derive(Clone, Debug, Default)]
pub struct KnownUse {
    /// Users of the roster.
    pub users: BTreeSet<SourceId>,
    /// The catalog's products.
    pub products: BTreeMap<ProductCode, Product>,
    /// Seats.
    pub seats: BTreeMap<SeatKey, Seat>,
    /// Uses.
    pub activity: BTreeMap<SeatKey, Activity>,
    /// Accounts, each with the one that stands for the person.
    pub persons: BTreeMap<SourceId, SourceId>,
}

#[derive(Serialize)]
struct TouchRow<'a> {
    product: &'a str,
    user_id: &'a str,
    last_used: i64,
}

pub(super) async fn read_uses(tx: &mut Tx, district: &DistrictId) -> Result<BTreeMap<SeatKey, Activity>, StoreError> {
    let rows: Vec<(String, String, i64, i64)> = tx.query(USES).bind(district.as_str()).fetch_all().await?;
    let read = |(product, user, first, last): (String, String, i64, i64)| {
        let it = Activity {
            product: product.into(),
            user: user.into(),
            first: ACTIVITY.instant("first_used", first)?,
            last: ACTIVITY.instant("last_used", last)?,
        };
        Ok(((it.product.clone(), it.user.clone()), it))
    };
    rows.into_iter().map(read).collect()
}

impl Store {
    /// What is known of users and their use of products, without reading a roster's bodies.
    pub async fn known_use(&self, district: &DistrictId) -> Result<KnownUse, StoreError> {
        let mut tx = self.db.read().await?;
        let tx = &mut tx;
        district::read_state(tx, district).await?;
        let users: Vec<(String,)> = tx.query(ACTIVE_USERS).bind(district.as_str()).fetch_all().await?;
        Ok(KnownUse {
            users: users.into_iter().map(|(id,)| id.into()).collect(),
            products: catalog::read_products(tx).await?,
            seats: seats::read_seats(tx, district, &BTreeMap::new()).await?,
            activity: read_uses(tx, district).await?,
            persons: hand::read_persons(tx, district).await?,
        })
    }

    /// First and last uses of a district, by product and user.
    pub async fn uses(&self, district: &DistrictId) -> Result<BTreeMap<SeatKey, Activity>, StoreError> {
        read_uses(&mut self.db.read().await?, district).await
    }

    /// Whether a user has opened a product.
    pub async fn has_opened(
        &self,
        district: &DistrictId,
        product: &ProductCode,
        user: &SourceId,
    ) -> Result<bool, StoreError> {
        let mut tx = self.db.read().await?;
        let query = tx.query(USE).bind(district.as_str()).bind(product.as_str()).bind(user.as_str());
        let row: Option<(i64,)> = query.fetch_optional().await?;
        Ok(row.is_some())
    }

    /// Writes uses that decide nothing. The revision stays, so that no plan becomes stale, and so does the audit.
    pub async fn note_use(&self, district: &DistrictId, uses: &[Activity]) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        district::lock(&mut tx, district).await?;
        tx.query(NOTE_USES).bind(district.as_str()).execute_exactly(1).await?;
        let noted = ByHand { activity: uses.to_vec(), ..ByHand::default() };
        hand::put(&mut tx, district, &noted).await?;
        let persons = hand::read_persons(&mut tx, district).await?;
        let mut linked: BTreeMap<&SourceId, Vec<&SourceId>> = BTreeMap::new();
        for (account, person) in &persons {
            linked.entry(person).or_default().push(account);
        }
        let mut rows: Vec<TouchRow<'_>> = Vec::new();
        for it in uses {
            let others = persons.get(&it.user).and_then(|person| linked.get(person));
            let accounts = others.cloned().unwrap_or_else(|| vec![&it.user]);
            rows.extend(accounts.into_iter().map(|account| TouchRow {
                product: it.product.as_str(),
                user_id: account.as_str(),
                last_used: it.last.millis(),
            }));
        }
        // One row of the report for each row of the table.
        rows.sort_by(|one, other| {
            (one.product, one.user_id, other.last_used).cmp(&(other.product, other.user_id, one.last_used))
        });
        rows.dedup_by(|later, first| (later.product, later.user_id) == (first.product, first.user_id));
        for batch in rows.chunks(BATCH) {
            tx.query(TOUCH_SEATS).bind(district.as_str()).bind(ACTIVITY.to_json(batch)?).execute().await?;
        }
        tx.commit().await
    }
}
