//! What people are to be told, written with its cause and taken once into messages.

use serde::Serialize;

use crate::model::{DistrictId, Message, Notice, Timestamp};
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, bulk, statements};
use crate::store::failpoint::failpoint;
use crate::store::write::BATCH;
use crate::store::{Store, StoreError, outbox};

const NOTICE: Table = Table("notice");

statements! {
    // What was told under its key is not told again.
    PUT_NOTICES = bulk!(
        "INSERT INTO notice (district, key, at, waiting, body) SELECT $1, r.key, r.at, TRUE, r.body",
        (key TEXT, at BIGINT, body TEXT),
        "WHERE true ON CONFLICT (district, key) DO NOTHING"
    );
    OLDEST = Sql::portable("SELECT MIN(at) AS at FROM notice WHERE waiting");
    // One statement, so that what is written meanwhile is neither missed nor taken twice.
    TAKE = Sql::portable("UPDATE notice SET waiting = FALSE WHERE waiting RETURNING body");
    // The row is locked until the end of the transaction: of several processes one gathers, and has all of it.
    GATHERED = Sql::portable(
        "INSERT INTO upkeep (task, done_at) VALUES ('gather', $1)
         ON CONFLICT (task) DO UPDATE SET done_at = excluded.done_at",
    );
    FORGET_NOTICES = Sql::portable("DELETE FROM notice WHERE NOT waiting AND at < $1");
}

/// Days for which it is known what was told.
const KNOWN_FOR: i64 = 400;

#[derive(Serialize)]
struct NoticeRow<'a> {
    key: &'a str,
    at: i64,
    body: String,
}

/// Those whose key is there already are left alone.
pub(super) async fn put(tx: &mut Tx, district: &DistrictId, notices: &[Notice]) -> Result<(), StoreError> {
    for batch in notices.chunks(BATCH) {
        let row = |it: &'_ Notice| -> Result<(i64, String), StoreError> { Ok((it.at.millis(), NOTICE.to_json(it)?)) };
        let bodies: Vec<(i64, String)> = batch.iter().map(row).collect::<Result<_, _>>()?;
        let rows = batch.iter().zip(bodies).map(|(it, (at, body))| NoticeRow { key: &it.key, at, body });
        let rows: Vec<NoticeRow<'_>> = rows.collect();
        tx.query(PUT_NOTICES).bind(district.as_str()).bind(NOTICE.to_json(&rows)?).execute().await?;
    }
    Ok(())
}

impl Store {
    /// Writes notices that have no other cause than the time.
    pub async fn note(&self, notice: &Notice) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        put(&mut tx, &notice.district, std::slice::from_ref(notice)).await?;
        tx.commit().await
    }

    /// The instant of the oldest notice that no message tells of yet.
    pub async fn oldest_notice(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut tx = self.db.read().await?;
        let (at,): (Option<i64>,) = tx.query(OLDEST).fetch_one().await?;
        NOTICE.instant_if("at", at)
    }

    /// Takes every notice that waits into messages, if the oldest is of `before` or earlier, and returns how many messages
    /// there are for it. `compose` gives each recipient's. Whole or not at all: a notice is in its messages or still waits.
    pub async fn gather(
        &self,
        before: Timestamp,
        now: Timestamp,
        compose: impl Fn(&[Notice]) -> Vec<(String, Message)> + Send,
    ) -> Result<usize, StoreError> {
        if self.oldest_notice().await?.is_none_or(|oldest| oldest > before) {
            return Ok(0);
        }
        let mut tx = self.db.write().await?;
        tx.query(GATHERED).bind(now.millis()).execute_exactly(1).await?;
        let rows: Vec<(String,)> = tx.query(TAKE).fetch_all().await?;
        let read = |(body,): (String,)| NOTICE.json("body", &body);
        let notices: Vec<Notice> = rows.into_iter().map(read).collect::<Result<_, _>>()?;
        let messages = compose(&notices);
        for (recipient, message) in &messages {
            outbox::put(&mut tx, recipient, message, now).await?;
        }
        let old = now.plus(-chrono::TimeDelta::days(KNOWN_FOR));
        tx.query(FORGET_NOTICES).bind(old.millis()).execute().await?;
        outbox::forget(&mut tx, now).await?;
        failpoint("outbox.gather.commit");
        tx.commit().await?;
        failpoint("outbox.gathered");
        Ok(messages.len())
    }
}
