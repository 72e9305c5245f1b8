//! The database behind one door: `SQLite` for one machine, `PostgreSQL` for several, the same statements on both.
//!
//! [`Store`] holds districts with their records, seats, runs and audit; [`Queue`] holds what was asked for and who works on
//! it. On `SQLite` the two are files beside each other, so that a long apply never delays an acknowledgement.
//!
//! Whoever writes to a district locks its row first; reads that must agree share one transaction. Nothing here decides
//! anything: plans come in as [`Writes`], and either all of one is there afterwards or nothing of it.

mod about;
mod access;
mod activity;
mod alerts;
mod audit;
pub mod backup;
mod baseline;
mod bytes;
mod catalog;
mod change;
mod column;
mod compare;
mod copy;
mod db;
mod district;
mod erase;
mod error;
mod failpoint;
mod first;
mod fleet;
mod hand;
mod history;
mod identity;
mod image;
mod latest;
mod lease;
mod lock;
mod loss;
mod manual;
mod mode;
mod names;
mod night;
mod notices;
mod numbers;
mod outbox;
mod pace;
mod queue;
mod recall;
mod records;
mod rows;
mod runs;
mod schema;
mod seats;
mod settings;
mod settled;
mod statements;
mod tallied;
mod threshold;
mod token;
mod write;

#[cfg(test)]
mod tests;

pub use activity::KnownUse;
pub use audit::{AuditFilter, AuditStream, Checked};
pub use catalog::{CatalogLook, InForce, Said};
pub use change::{Change, Changes, Lost, Place, SEATS as SEAT_CHANGES, Told};
pub use db::{Described, Wakes};
pub use erase::{Counts, Expired};
pub use error::{StoreError, WriteError};
pub use fleet::FleetHold;
pub use hand::{Activity, AllotmentOverlay, ByHand};
pub use history::{EndedSeat, Newer, Touched};
pub use lease::Claimed;
pub use lock::WorkerLock;
pub use manual::Act;
pub use numbers::{Numbers, SeatNumbers};
pub use outbox::{Delivery, Outbox, Taken};
pub use queue::{Cancelled, Filed, NewRequest, Queue, QueueError, Request, Requested};
pub use recall::Recalled;
pub use rows::{Lent, Rows};
pub use runs::RunFilter;
pub use schema::migrations;
pub use settings::Settings;
pub use tallied::{Moment, Tallied};
pub use threshold::ThresholdOverlay;
pub use token::Token;
pub use write::{HoldUpdate, RecordWrite, Writes};

use tokio::sync::watch;

use db::{Db, Sql, statements};

statements! {
    META = Sql::portable("SELECT value FROM meta WHERE key = $1");
    PUT_META = Sql::portable("INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING");
}

/// The name of the pseudonym key in `meta`.
const PSEUDONYM_KEY: &str = "pseudonym_key";

/// The store of districts. Cheap to clone; all clones share the connections.
#[derive(Clone, Debug)]
pub struct Store {
    db: Db,
    pseudonym_key: Secret,
    /// Counts what this process commits.
    commits: watch::Sender<u64>,
}

/// Bytes that `Debug` does not show.
#[derive(Clone)]
struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<secret>")
    }
}

impl Store {
    /// Opens the store. `SQLite` is made and migrated; `PostgreSQL` must be at this program's schema already.
    pub async fn open(settings: &Settings) -> Result<Self, StoreError> {
        let db = schema::open(settings, schema::Part::Store).await?;
        match read_pseudonym_key(&db).await {
            Ok(pseudonym_key) => Ok(Self { db, pseudonym_key, commits: watch::Sender::new(0) }),
            Err(error) => {
                db.close().await;
                Err(error)
            }
        }
    }

    /// Brings store and queue to this program's schema; needed on `PostgreSQL` only, harmless on `SQLite`.
    pub async fn migrate(settings: &Settings) -> Result<(), StoreError> {
        schema::migrate(settings).await?;
        Self::open(settings).await?.close().await;
        Ok(())
    }

    /// Closes every connection of every clone.
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// Changes after each run that this process commits; what others commit is seen in [`Store::revisions`] alone.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    /// The installation's key for [`crate::audit::pseudonym`]; made with the store, kept in it.
    pub fn pseudonym_key(&self) -> &[u8] {
        &self.pseudonym_key.0
    }

    /// What the database makes of each statement of the store and of the queue that this part holds.
    pub async fn describe_statements(&self) -> Result<Vec<Described>, StoreError> {
        statements::describe(&self.db, statements::OF_STORE).await
    }
}

async fn read_pseudonym_key(db: &Db) -> Result<Secret, StoreError> {
    let read = async || -> Result<Option<(String,)>, StoreError> {
        db.read().await?.query(META).bind(PSEUDONYM_KEY).fetch_optional().await
    };
    let mut found = read().await?;
    if found.is_none() {
        // drawn here and nowhere else: an installation's secret, not a decision
        let fresh: [u8; 32] = rand::random();
        let mut tx = db.write().await?;
        tx.query(PUT_META).bind(PSEUDONYM_KEY).bind(hex::encode(fresh)).execute().await?;
        tx.commit().await?;
        found = read().await?;
    }
    let corrupt = StoreError::CorruptRow { table: "meta", field: "pseudonym key" };
    let (text,) = found.ok_or_else(|| corrupt.clone())?;
    hex::decode(text).map(Secret).map_err(|_| corrupt)
}
