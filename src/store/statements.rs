//! Every statement of this program, for the test that prepares each on both databases.

use crate::store::db::{Db, Described, Sql};
use crate::store::{
    StoreError, about, access, activity, alerts, audit, catalog, change, compare, district, erase, first, fleet, hand,
    history, identity, latest, lease, loss, manual, mode, night, notices, numbers, outbox, pace, queue, recall,
    records, runs, seats, settled, tallied, threshold, token,
};

/// Those over the store's tables.
pub(super) const OF_STORE: &[&[Sql]] = &[
    super::STATEMENTS,
    about::STATEMENTS,
    access::STATEMENTS,
    activity::STATEMENTS,
    alerts::STATEMENTS,
    audit::STATEMENTS,
    catalog::STATEMENTS,
    change::STATEMENTS,
    compare::STATEMENTS,
    district::STATEMENTS,
    erase::STATEMENTS,
    first::STATEMENTS,
    fleet::STATEMENTS,
    hand::STATEMENTS,
    history::STATEMENTS,
    identity::STATEMENTS,
    latest::STATEMENTS,
    loss::STATEMENTS,
    manual::STATEMENTS,
    mode::STATEMENTS,
    notices::STATEMENTS,
    numbers::STATEMENTS,
    outbox::STATEMENTS,
    recall::STATEMENTS,
    records::STATEMENTS,
    runs::STATEMENTS,
    seats::STATEMENTS,
    settled::STATEMENTS,
    tallied::STATEMENTS,
    threshold::STATEMENTS,
];

/// Those over the queue's tables.
pub(super) const OF_QUEUE: &[&[Sql]] =
    &[lease::STATEMENTS, night::STATEMENTS, pace::STATEMENTS, queue::STATEMENTS, token::STATEMENTS];

pub(super) async fn describe(db: &Db, files: &[&[Sql]]) -> Result<Vec<Described>, StoreError> {
    let mut described = Vec::new();
    for sql in files.iter().flat_map(|file| file.iter()) {
        described.extend(db.describe(*sql).await?);
    }
    Ok(described)
}
