//! What people said of accounts that may be of one person, and the people who are gone, whom a new id may be.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::{DistrictId, LinkDecision, SourceId, User};
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
    FORGET_ENDED = bulk!(
        "DELETE FROM seat_ended WHERE district = $1 AND user_id IN (SELECT r.id",
        (id TEXT),
        ")"
    );
    FORGET_ACTIVITY = bulk!(
        "DELETE FROM activity WHERE district = $1 AND user_id IN (SELECT r.id",
        (id TEXT),
        ")"
    );
    FORGET_ACCESS = bulk!(
        "DELETE FROM educator_access WHERE district = $1 AND educator IN (SELECT r.id",
        (id TEXT),
        ")"
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

/// Forgets of users what is not told in rows of its own: their returns, their use of products, their access as educators.
pub(super) async fn begin_anew(
    tx: &mut Tx,
    district: &DistrictId,
    users: &BTreeSet<SourceId>,
) -> Result<(), StoreError> {
    if users.is_empty() {
        return Ok(());
    }
    let rows: Vec<IdRow<'_>> = users.iter().map(|id| IdRow { id: id.as_str() }).collect();
    for sql in [FORGET_ENDED, FORGET_ACTIVITY, FORGET_ACCESS] {
        tx.query(sql).bind(district.as_str()).bind(RECORD.to_json(&rows)?).execute().await?;
    }
    Ok(())
}

impl Store {
    /// Users that the source no longer has, as it last told of them, by id.
    pub async fn former_users(&self, district: &DistrictId) -> Result<Vec<User>, StoreError> {
        let mut tx = self.db.read().await?;
        let rows: Vec<(String,)> = tx.query(FORMER_USERS).bind(district.as_str()).fetch_all().await?;
        rows.into_iter().map(|(body,)| RECORD.json("body", &body)).collect()
    }
}
