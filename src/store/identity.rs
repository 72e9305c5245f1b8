//! What people said of accounts that may be of one person, and the people who are gone, whom a new id may be.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{DistrictId, LinkDecision, User};
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, bulk, statements};
use crate::store::seats::each_batch;
use crate::store::{Store, StoreError};

const DECISION: Table = Table("identity_decision");
const RECORD: Table = Table("record");

statements! {
    LINK_DECISIONS = Sql::portable("SELECT body FROM identity_decision WHERE district = $1");
    FORMER_USERS = Sql::portable(
        "SELECT body FROM record WHERE district = $1 AND kind = 'users' AND NOT active ORDER BY id",
    );
    PUT_LINK_DECISIONS = bulk!(
        "INSERT INTO identity_decision (district, id, first_account, second_account, body)
         SELECT $1, r.id, r.first_account, r.second_account, r.body",
        (id TEXT, first_account TEXT, second_account TEXT, body TEXT),
        "WHERE true ON CONFLICT (district, id) DO UPDATE SET body = excluded.body"
    );
    REMOVE_LINK_DECISIONS = bulk!(
        "DELETE FROM identity_decision WHERE district = $1 AND id IN (SELECT r.id",
        (id TEXT),
        ")"
    );
}

#[derive(Serialize)]
struct DecisionRow<'a> {
    id: &'a str,
    first_account: &'a str,
    second_account: &'a str,
    body: String,
}

#[derive(Serialize)]
struct IdRow<'a> {
    id: &'a str,
}

pub(super) async fn put(
    tx: &mut Tx,
    district: &DistrictId,
    removed: &[String],
    put: &[LinkDecision],
) -> Result<(), StoreError> {
    each_batch(tx, REMOVE_LINK_DECISIONS, district, removed, |id| Ok(IdRow { id })).await?;
    each_batch(tx, PUT_LINK_DECISIONS, district, put, |it| {
        let (first_account, second_account) = (it.first.as_str(), it.second.as_str());
        Ok(DecisionRow { id: &it.id, first_account, second_account, body: DECISION.to_json(it)? })
    })
    .await
}

pub(super) async fn read(tx: &mut Tx, district: &DistrictId) -> Result<BTreeMap<String, LinkDecision>, StoreError> {
    let rows: Vec<(String,)> = tx.query(LINK_DECISIONS).bind(district.as_str()).fetch_all().await?;
    let read = |(body,): (String,)| {
        let it: LinkDecision = DECISION.json("body", &body)?;
        Ok((it.id.clone(), it))
    };
    rows.into_iter().map(read).collect()
}

impl Store {
    /// Users that the source no longer has, as it last told of them, by id.
    pub async fn former_users(&self, district: &DistrictId) -> Result<Vec<User>, StoreError> {
        let mut tx = self.db.read().await?;
        let rows: Vec<(String,)> = tx.query(FORMER_USERS).bind(district.as_str()).fetch_all().await?;
        rows.into_iter().map(|(body,)| RECORD.json("body", &body)).collect()
    }
}
