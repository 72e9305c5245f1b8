//! Messages on their way: each is sent at least once, always under the same id, by one process at a time (reliability.md F70).

use chrono::TimeDelta;
use serde::Serialize;

use crate::model::{Message, Timestamp};
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, statements};
use crate::store::failpoint::failpoint;
use crate::store::{Store, StoreError};

const MESSAGE: Table = Table("message");

statements! {
    PUT_MESSAGE = Sql::portable(
        "INSERT INTO message (id, recipient, at, status, attempts, due_at, leased_until, body)
         VALUES ($1, $2, $3, 'waiting', 0, 0, 0, $4) ON CONFLICT (id) DO NOTHING",
    );
    DUE = Sql::portable(
        "SELECT id, recipient FROM message WHERE status = 'waiting' AND due_at <= $1 AND leased_until <= $2
         ORDER BY at, id",
    );
    // Of several processes one gets the row; the others find it leased.
    TAKE_MESSAGE = Sql::portable(
        "UPDATE message SET attempts = attempts + 1, leased_until = $3
         WHERE id = $1 AND status = 'waiting' AND leased_until <= $2 RETURNING attempts, body",
    );
    SENT = Sql::portable(
        "UPDATE message SET status = 'sent', sent_at = $2, leased_until = 0, error = NULL
         WHERE id = $1 AND status = 'waiting'",
    );
    NOT_SENT = Sql::portable(
        "UPDATE message SET status = $2, due_at = $3, leased_until = 0, error = $4 WHERE id = $1 AND status = 'waiting'",
    );
    REVIVE = Sql::portable(
        "UPDATE message SET status = 'waiting', attempts = 0, due_at = 0 WHERE status = 'given_up'",
    );
    VOID_LEASES = Sql::portable("UPDATE message SET leased_until = 0 WHERE leased_until > 0");
    MESSAGES = Sql::portable(
        "SELECT id, recipient, at, status, attempts, due_at, sent_at, error, body FROM message
         ORDER BY at DESC, id LIMIT $1",
    );
    COUNTS = Sql::portable("SELECT status, COUNT(*) AS n FROM message WHERE status <> 'sent' GROUP BY status");
    FORGET_MESSAGES = Sql::portable("DELETE FROM message WHERE status <> 'waiting' AND at < $1");
}

/// Days for which a message that was sent or given up can be looked at.
const KEPT_FOR: i64 = 90;

/// A message that this process is to send now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The recipient's `id` in the configuration.
    pub recipient: String,
    /// How often it was tried, this time included.
    pub attempts: u32,
    /// What to send.
    pub message: Message,
}

/// A message as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Its id.
    pub id: String,
    /// The recipient's `id` in the configuration.
    pub recipient: String,
    /// When it was made.
    pub at: Timestamp,
    /// `waiting`, `sent` or `given_up`.
    pub status: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried again; null where it is not.
    pub due_at: Option<Timestamp>,
    /// When it was taken by its recipient.
    pub sent_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// One line.
    pub subject: String,
    /// As it is sent.
    pub text: String,
}

/// What is not sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outbox {
    /// Messages that are tried again.
    pub waiting: u64,
    /// Messages that are not.
    pub given_up: u64,
}

pub(super) async fn put(tx: &mut Tx, recipient: &str, message: &Message, now: Timestamp) -> Result<(), StoreError> {
    let query = tx.query(PUT_MESSAGE).bind(message.id.as_str()).bind(recipient).bind(now.millis());
    query.bind(MESSAGE.to_json(message)?).execute().await?;
    Ok(())
}

pub(super) async fn forget(tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
    let old = now.plus(-TimeDelta::days(KEPT_FOR));
    tx.query(FORGET_MESSAGES).bind(old.millis()).execute().await?;
    Ok(())
}

impl Store {
    /// Ids and recipients of messages whose time has come at `due`, oldest first; one that a process is sending is left out.
    pub async fn due_messages(&self, due: Timestamp, real_now: Timestamp) -> Result<Vec<(String, String)>, StoreError> {
        let mut tx = self.db.read().await?;
        tx.query(DUE).bind(due.millis()).bind(real_now.millis()).fetch_all().await
    }

    /// Takes a message for this process to send; none if another has it or it is done. A process that dies loses it after
    /// `lease`.
    pub async fn take_message(
        &self,
        id: &str,
        recipient: &str,
        real_now: Timestamp,
        lease: TimeDelta,
    ) -> Result<Option<Taken>, StoreError> {
        let mut tx = self.db.write().await?;
        let until = real_now.plus(lease).millis();
        let query = tx.query(TAKE_MESSAGE).bind(id).bind(real_now.millis()).bind(until);
        let Some((attempts, body)) = query.fetch_optional::<(i64, String)>().await? else { return Ok(None) };
        tx.commit().await?;
        failpoint("outbox.taken");
        let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
        Ok(Some(Taken { recipient: recipient.to_owned(), attempts, message: MESSAGE.json("body", &body)? }))
    }

    /// Its recipient has it.
    pub async fn message_sent(&self, id: &str, real_now: Timestamp) -> Result<(), StoreError> {
        failpoint("outbox.sent");
        let mut tx = self.db.write().await?;
        tx.query(SENT).bind(id).bind(real_now.millis()).execute().await?;
        tx.commit().await
    }

    /// Its recipient has it not: tried again at `again`, or given up.
    pub async fn message_not_sent(&self, id: &str, again: Option<Timestamp>, error: &str) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let status = if again.is_some() { "waiting" } else { "given_up" };
        let query = tx.query(NOT_SENT).bind(id).bind(status).bind(again.map_or(0, Timestamp::millis)).bind(error);
        query.execute().await?;
        tx.commit().await
    }

    /// Tries again what was given up; how many there are.
    pub async fn revive_messages(&self) -> Result<u64, StoreError> {
        let mut tx = self.db.write().await?;
        let revived = tx.query(REVIVE).execute().await?;
        tx.commit().await?;
        Ok(revived)
    }

    /// Only for who has the [`crate::store::WorkerLock`] of an `SQLite` store: every other process that was sending is dead.
    pub async fn void_message_leases(&self) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        tx.query(VOID_LEASES).execute().await?;
        tx.commit().await
    }

    /// The latest messages, newest first.
    pub async fn messages(&self, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        type Columns = (String, String, i64, String, i64, i64, Option<i64>, Option<String>, String);
        let mut tx = self.db.read().await?;
        let rows: Vec<Columns> = tx.query(MESSAGES).bind(i64::from(limit)).fetch_all().await?;
        let read = |(id, recipient, at, status, attempts, due_at, sent_at, error, body): Columns| {
            let message: Message = MESSAGE.json("body", &body)?;
            let again = (status == "waiting" && due_at > 0).then_some(due_at);
            Ok(Delivery {
                id,
                recipient,
                at: MESSAGE.instant("at", at)?,
                status,
                attempts,
                due_at: MESSAGE.instant_if("due_at", again)?,
                sent_at: MESSAGE.instant_if("sent_at", sent_at)?,
                error,
                subject: message.subject,
                text: message.text,
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// How many messages are not sent.
    pub async fn outbox(&self) -> Result<Outbox, StoreError> {
        let mut tx = self.db.read().await?;
        let rows: Vec<(String, i64)> = tx.query(COUNTS).fetch_all().await?;
        let count = |status: &str| {
            let row = rows.iter().find(|(it, _)| it == status);
            row.map_or(0, |(_, n)| u64::try_from(*n).unwrap_or(0))
        };
        Ok(Outbox { waiting: count("waiting"), given_up: count("given_up") })
    }
}
