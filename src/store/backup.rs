//! A copy of an `SQLite` store while it is in use. `PostgreSQL` has its own tools for that.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::model::DistrictId;
use crate::store::db::Db;
use crate::store::settings::{Place, beside};
use crate::store::{Queue, Settings, Store, StoreError};

/// The end of a district's chain in a copy.
#[derive(Debug, Serialize)]
pub struct Head {
    /// The district.
    pub district: DistrictId,
    /// Audit entries.
    pub size: i64,
    /// The hash of the last one.
    pub head: String,
}

/// Copies store and queue to `to` and beside it, each as of one instant, and returns both files. The queue comes first: a
/// request that is in the copy of the queue and was carried out since is found done in that of the store, and not run again.
pub async fn take(store: &Store, queue: &Queue, to: &Path) -> Result<[PathBuf; 2], StoreError> {
    let files = [to.to_owned(), beside(to, "queue")];
    if let Some(file) = files.iter().find(|file| file.exists()) {
        return Err(StoreError::BackupExists { file: file.display().to_string() });
    }
    copy(&queue.db, &files[1]).await?;
    if let Err(error) = copy(&store.db, &files[0]).await {
        // Half a copy is none.
        drop(std::fs::remove_file(&files[1]));
        return Err(error);
    }
    Ok(files)
}

/// Copies to a file beside the target and renames it, so that what has the target's name is whole. Nobody else may read it:
/// there are people in it.
async fn copy(db: &Db, to: &Path) -> Result<(), StoreError> {
    let part = beside(to, "unfinished");
    let failed = |error: std::io::Error| StoreError::BackupFile {
        file: to.display().to_string(),
        kind: error.kind().to_string(),
    };
    // `VACUUM INTO` takes an empty file for none.
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part).map_err(failed)?;
    db.copy_into(&part.display().to_string()).await?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&part, to).map_err(failed)
}

/// Opens a copy as a store, which checks its schema, and reads the ends of its chains.
pub async fn heads(copy: &Settings) -> Result<Vec<Head>, StoreError> {
    let store = Store::open(copy).await?;
    let districts = store.districts().await?;
    store.close().await;
    if let Place::Sqlite(path) = copy.place()? {
        // Opening it for the first time made one, and nobody else has the copy yet.
        drop(std::fs::remove_file(beside(&path, "migrating")));
    }
    let head = |it: crate::model::DistrictState| Head { district: it.id, size: it.audit_seq, head: it.audit_head };
    Ok(districts.into_iter().map(head).collect())
}
