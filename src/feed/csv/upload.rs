//! Which upload to read: the path itself, or the newest complete one in a drop folder (interface.md, Configuration).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};

use crate::feed::csv::archive::Files;
use crate::feed::csv::manifest::Manifest;
use crate::feed::error::FeedError;
use crate::model::Timestamp;

/// One upload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Upload {
    Folder(PathBuf),
    Zip(PathBuf),
}

/// Size and time of each of an upload's files: while they stay the same, so does the upload.
pub(super) type Stamp = BTreeMap<PathBuf, (u64, SystemTime)>;

/// The upload to read.
pub(super) struct Found {
    pub upload: Upload,
    pub stamp: Stamp,
    pub newer_incomplete: bool,
}

impl Found {
    /// When it was made: the time of its newest file.
    pub(super) fn uploaded_at(&self) -> Option<Timestamp> {
        newest(&self.stamp).map(|it| Timestamp::new(DateTime::<Utc>::from(it)))
    }
}

impl Upload {
    fn path(&self) -> &Path {
        match self {
            Self::Folder(path) | Self::Zip(path) => path,
        }
    }

    pub(super) fn stamp(&self) -> Result<Stamp, FeedError> {
        let unreadable = |cause| unreadable(self.path(), cause);
        let mut stamp = Stamp::new();
        let files = match self {
            Self::Zip(path) => vec![path.clone()],
            Self::Folder(path) => {
                let files = list(path).map_err(unreadable)?;
                files.into_iter().filter(|it| has_extension(it, "csv")).collect()
            }
        };
        for file in files {
            let facts = fs::metadata(&file).map_err(unreadable)?;
            stamp.insert(file, (facts.len(), facts.modified().map_err(unreadable)?));
        }
        Ok(stamp)
    }

    /// Whether everything its manifest promises is there.
    fn is_complete(&self) -> Result<bool, FeedError> {
        let mut files = Files::open(self)?;
        if !files.has("manifest.csv") {
            return Ok(false);
        }
        let manifest = Manifest::read(&mut files)?;
        Ok(manifest.bulk_files().all(|file| files.has(&file)))
    }
}

/// Finds the upload. In a drop folder this waits `settle`, to see what is still being written.
pub(super) async fn find(path: &Path, settle: Duration) -> Result<Found, FeedError> {
    let path = path.to_owned();
    let first = path.clone();
    let looking = move || match itself(&first)? {
        Some(upload) => {
            let stamp = upload.stamp()?;
            Ok(Seen::Upload(Found { upload, stamp, newer_incomplete: false }))
        }
        None => dropped(&first).map(Seen::Drop),
    };
    let before = match off_the_runtime(looking).await? {
        Seen::Upload(found) => return Ok(found),
        Seen::Drop(uploads) => uploads,
    };
    tokio::time::sleep(settle).await;
    off_the_runtime(move || choose(&path, &before, dropped(&path)?)).await
}

/// What a first look at the path shows.
enum Seen {
    Upload(Found),
    Drop(BTreeMap<Upload, Stamp>),
}

/// Files may lie on a slow disk.
async fn off_the_runtime<T: Send + 'static>(
    look: impl FnOnce() -> Result<T, FeedError> + Send + 'static,
) -> Result<T, FeedError> {
    tokio::task::spawn_blocking(look).await.map_err(|_| FeedError::Stopped)?
}

/// The path as an upload: a zip, or a folder with `orgs.csv`.
fn itself(path: &Path) -> Result<Option<Upload>, FeedError> {
    let facts = fs::metadata(path).map_err(|_| FeedError::NoUpload {
        path: path.to_owned(),
        problem: "there is no such file or folder, or it cannot be read; check `path`".to_owned(),
    })?;
    if !facts.is_dir() {
        return Ok(Some(Upload::Zip(path.to_owned())));
    }
    let files = list(path).map_err(|cause| unreadable(path, cause))?;
    let is_orgs = |it: &PathBuf| it.file_name().is_some_and(|name| name.eq_ignore_ascii_case("orgs.csv"));
    Ok(files.iter().any(is_orgs).then(|| Upload::Folder(path.to_owned())))
}

/// What lies in a drop folder: zips, and folders with CSV files.
fn dropped(path: &Path) -> Result<BTreeMap<Upload, Stamp>, FeedError> {
    let mut uploads = BTreeMap::new();
    for entry in list(path).map_err(|cause| unreadable(path, cause))? {
        let upload = match (entry.is_dir(), has_extension(&entry, "zip")) {
            (true, _) => Upload::Folder(entry),
            (false, true) => Upload::Zip(entry),
            (false, false) => continue,
        };
        // What vanishes while we look is no upload.
        if let Ok(stamp) = upload.stamp()
            && !stamp.is_empty()
        {
            uploads.insert(upload, stamp);
        }
    }
    Ok(uploads)
}

fn choose(path: &Path, before: &BTreeMap<Upload, Stamp>, after: BTreeMap<Upload, Stamp>) -> Result<Found, FeedError> {
    let mut uploads: Vec<(Upload, Stamp)> = after.into_iter().collect();
    uploads.sort_by(|a, b| (newest(&b.1), &b.0).cmp(&(newest(&a.1), &a.0)));
    let (count, mut moving, mut broken) = (uploads.len(), 0_usize, None);
    for (at, (upload, stamp)) in uploads.into_iter().enumerate() {
        if before.get(&upload) != Some(&stamp) {
            moving += 1;
            continue;
        }
        match upload.is_complete() {
            Ok(true) => return Ok(Found { upload, stamp, newer_incomplete: at > 0 }),
            Ok(false) => {}
            Err(error) => broken = broken.or(Some(error)),
        }
    }
    // A single upload that is broken says more than that there is none.
    if let (1, Some(error)) = (count, broken) {
        return Err(error);
    }
    let problem = match (count, moving) {
        (0, _) => "no zip and no folder is there; check `path`, or wait for the district".to_owned(),
        (_, 0) => format!("{count} found, and each lacks its manifest or a file that the manifest calls bulk"),
        _ => format!("{count} found, {moving} still being written; sync again later"),
    };
    Err(FeedError::NoUpload { path: path.to_owned(), problem })
}

fn newest(stamp: &Stamp) -> Option<SystemTime> {
    stamp.values().map(|(_, time)| *time).max()
}

/// The entries of a folder, without hidden ones.
pub(super) fn list(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            entries.push(entry.path());
        }
    }
    entries.sort();
    Ok(entries)
}

pub(super) fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|it| it.eq_ignore_ascii_case(wanted))
}

pub(super) fn unreadable(path: &Path, cause: io::Error) -> FeedError {
    FeedError::Unreadable { file: path.display().to_string(), cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_that_is_still_being_written_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let export = dir.path().join("export");
        fs::create_dir(&export).unwrap();
        let manifest = "propertyName,value\nfile.orgs,bulk\n";
        fs::write(export.join("manifest.csv"), manifest).unwrap();
        fs::write(export.join("orgs.csv"), "sourcedId,name,").unwrap();
        let before = dropped(dir.path()).unwrap();
        assert!(choose(dir.path(), &before, before.clone()).is_ok());
        fs::write(export.join("orgs.csv"), "sourcedId,name,type\n").unwrap();
        let after = dropped(dir.path()).unwrap();
        let error = choose(dir.path(), &before, after).err().unwrap().to_string();
        assert!(error.contains("1 still being written"), "{error}");
    }
}
