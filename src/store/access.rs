//! A district as logins ask for it: ids and seats, without the bodies of records, in one consistent read.

use crate::access::{Builder, Index};
use crate::model::{DistrictId, ProductCode};
use crate::store::db::{Sql, statements};
use crate::store::{Store, StoreError, catalog, district, hand};

/// Rows a statement: so many ids are in memory twice.
const PAGE: i64 = 20_000;

statements! {
    REVISIONS = Sql::portable("SELECT id, revision FROM district");
    USER_PAGE = Sql::portable(
        "SELECT id FROM record WHERE district = $1 AND kind = 'users' AND active AND id > $2 ORDER BY id LIMIT $3",
    );
    SEATED_PRODUCTS = Sql::portable("SELECT DISTINCT product FROM seat WHERE district = $1");
    SEATED_PAGE = Sql::portable(
        "SELECT user_id FROM seat WHERE district = $1 AND product = $2 AND user_id > $3 ORDER BY user_id LIMIT $4",
    );
    WAITING_PRODUCTS = Sql::portable("SELECT DISTINCT product FROM waiting WHERE district = $1");
    WAITING_PAGE = Sql::portable(
        "SELECT user_id FROM waiting WHERE district = $1 AND product = $2 AND user_id > $3 ORDER BY user_id LIMIT $4",
    );
    HELD_USERS = Sql::portable(
        "SELECT h.id FROM held_change AS h JOIN run AS r ON r.id = h.run
         WHERE r.district = $1 AND r.undecided AND h.kind = 'users' AND h.before IS NULL AND h.decision IS NULL",
    );
}

/// Takes a row up.
type Add = fn(&mut Builder, &ProductCode, &str);

impl Store {
    /// The revision of every district: another one says that something was committed.
    pub async fn revisions(&self) -> Result<Vec<(DistrictId, i64)>, StoreError> {
        let rows: Vec<(String, i64)> = self.db.read().await?.query(REVISIONS).fetch_all().await?;
        Ok(rows.into_iter().map(|(id, revision)| (id.into(), revision)).collect())
    }

    /// Who has a seat of what; [`StoreError::NoDistrict`] for an unknown district.
    pub async fn access(&self, district: &DistrictId) -> Result<Index, StoreError> {
        let mut tx = self.db.read().await?;
        let tx = &mut tx;
        let state = district::read_state(tx, district).await?;
        let catalog = catalog::read_for_access(tx, district).await?;
        let remembered = district::read_remembered(tx, district).await?;
        let mut builder = Builder::new(state, catalog, remembered, hand::read_persons(tx, district).await?);
        let mut last = String::new();
        loop {
            let query = tx.query(USER_PAGE).bind(district.as_str()).bind(last.as_str()).bind(PAGE);
            let page: Vec<(String,)> = query.fetch_all().await?;
            for (id,) in &page {
                builder.user(id);
            }
            let Some((id,)) = page.into_iter().next_back() else { break };
            last = id;
        }
        let kinds: [(Sql, Sql, Add); 2] =
            [(SEATED_PRODUCTS, SEATED_PAGE, Builder::seat), (WAITING_PRODUCTS, WAITING_PAGE, Builder::waits)];
        for (products, page_of, add) in kinds {
            let codes: Vec<(String,)> = tx.query(products).bind(district.as_str()).fetch_all().await?;
            for code in codes.into_iter().map(|(code,)| ProductCode::from(code)) {
                let mut last = String::new();
                loop {
                    let query = tx.query(page_of).bind(district.as_str()).bind(code.as_str());
                    let page: Vec<(String,)> = query.bind(last.as_str()).bind(PAGE).fetch_all().await?;
                    for (user,) in &page {
                        add(&mut builder, &code, user);
                    }
                    let Some((user,)) = page.into_iter().next_back() else { break };
                    last = user;
                }
            }
        }
        let held: Vec<(String,)> = tx.query(HELD_USERS).bind(district.as_str()).fetch_all().await?;
        for (user,) in &held {
            builder.held(user);
        }
        Ok(builder.finish())
    }
}
