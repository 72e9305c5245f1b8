//! On an `SQLite` store one process at a time does the work: a lock of the operating system, which ends with its holder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};

use crate::store::settings::{Place, beside};
use crate::store::{Settings, StoreError};

/// Held for as long as it lives; on `PostgreSQL`, where any number of processes share the queue, it is nothing.
#[derive(Debug)]
#[must_use = "the lock ends when it is dropped"]
pub struct WorkerLock {
    _file: Option<File>,
}

/// Enough for a kind and a process id.
const LONGEST: u64 = 200;

impl WorkerLock {
    /// Takes the lock beside the store and writes into it who holds it: `what` (`rosterd run`, …) and the process id.
    /// [`StoreError::InUse`] names the holder if there is one.
    pub fn acquire(settings: &Settings, what: &str) -> Result<Self, StoreError> {
        let Place::Sqlite(store) = settings.place()? else { return Ok(Self { _file: None }) };
        let path = beside(&store, "worker").with_extension("lock");
        let failed = |error: std::io::Error| StoreError::Open {
            store: settings.shown(),
            code: error.kind().to_string(),
            remedy: "check that its folder can be written",
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let read = (&file).take(LONGEST).read_to_string(&mut holder);
                if read.is_err() || holder.trim().is_empty() {
                    "another process".clone_into(&mut holder);
                }
                let holder = holder.trim().to_owned();
                return Err(StoreError::InUse { store: settings.shown(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        let holder = format!("`{what}` (process {})\n", std::process::id());
        file.write_all(holder.as_bytes()).map_err(failed)?;
        file.sync_data().map_err(failed)?;
        Ok(Self { _file: Some(file) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_worker_is_refused_and_told_who_holds_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("rosterd.db").display());
        let settings = Settings { url };
        let first = WorkerLock::acquire(&settings, "rosterd run").unwrap();
        let refused = WorkerLock::acquire(&settings, "rosterd sync").unwrap_err().to_string();
        let me = format!("`rosterd run` (process {})", std::process::id());
        assert!(refused.contains(&me), "{refused}");
        drop(first);
        assert!(WorkerLock::acquire(&settings, "rosterd sync").is_ok());
    }
}
