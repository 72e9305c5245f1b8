//! The files of an upload, from a folder or out of a zip that is not trusted (reliability.md T11, T11b).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use zip::ZipArchive;
use zip::result::ZipError;

use crate::feed::csv::upload::{Upload, has_extension, list, unreadable};
use crate::feed::error::FeedError;

/// A zip of a roster has no more entries than this.
const ENTRIES: usize = 256;
/// Bytes in a file, unpacked.
const FILE_BYTES: u64 = 4 << 30;
/// How many times larger an entry may become (safety.md, Feeds are not trusted).
const RATIO: u64 = 200;

/// The files of an upload, by lower-case name.
pub(super) enum Files {
    Folder(BTreeMap<String, PathBuf>),
    Zip { path: PathBuf, archive: Box<ZipArchive<Box<dyn Source>>>, entries: BTreeMap<String, usize> },
}

/// Where a zip lies: on disk, or in memory.
pub(super) trait Source: Read + Seek + Send {}

impl<T: Read + Seek + Send> Source for T {}

impl Files {
    pub(super) fn open(upload: &Upload) -> Result<Self, FeedError> {
        match upload {
            Upload::Folder(path) => open_folder(path),
            Upload::Zip(path) => {
                let file = File::open(path).map_err(|cause| unreadable(path, cause))?;
                open_zip(path, Box::new(BufReader::new(file)))
            }
        }
    }

    /// A zip that was sent along.
    pub(super) fn sent(zip: Vec<u8>) -> Result<Self, FeedError> {
        open_zip(Path::new("the upload"), Box::new(Cursor::new(zip)))
    }

    /// Whether a file is there; `name` in any case.
    pub(super) fn has(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        match self {
            Self::Folder(files) => files.contains_key(&name),
            Self::Zip { entries, .. } => entries.contains_key(&name),
        }
    }

    /// Hands the file to `with` as a stream, to its end; says the SHA-256 of its bytes.
    pub(super) fn read<T>(
        &mut self,
        name: &'static str,
        with: impl FnOnce(&mut dyn Read) -> Result<T, FeedError>,
    ) -> Result<(T, [u8; 32]), FeedError> {
        let key = name.to_ascii_lowercase();
        let missing = || FeedError::Line { file: name, line: 1, problem: "the file is not there" };
        match self {
            Self::Folder(files) => {
                let path = files.get(&key).ok_or_else(missing)?;
                let file = File::open(path).map_err(|cause| unreadable(path, cause))?;
                through(name, BufReader::new(file), FILE_BYTES, with)
            }
            Self::Zip { path, archive, entries } => {
                let entry = *entries.get(&key).ok_or_else(missing)?;
                let entry = archive.by_index(entry).map_err(|cause| broken(path, &cause))?;
                let most = entry.compressed_size().saturating_mul(RATIO).min(FILE_BYTES);
                through(name, entry, most, with)
            }
        }
    }
}

fn through<R: Read, T>(
    name: &'static str,
    reader: R,
    most: u64,
    with: impl FnOnce(&mut dyn Read) -> Result<T, FeedError>,
) -> Result<(T, [u8; 32]), FeedError> {
    let mut reader = Guarded { reader, left: most, hash: Sha256::new() };
    let outcome = with(&mut reader)?;
    io::copy(&mut reader, &mut io::sink()).map_err(|cause| FeedError::Unreadable { file: name.to_owned(), cause })?;
    Ok((outcome, reader.hash.finalize().into()))
}

/// Counts on what is read, not on what headers say.
struct Guarded<R> {
    reader: R,
    left: u64,
    hash: Sha256,
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        let taken = u64::try_from(count).unwrap_or(u64::MAX);
        self.left = self
            .left
            .checked_sub(taken)
            .ok_or_else(|| io::Error::other("it unpacks to more than 200 times its size, or over 4 GiB"))?;
        self.hash.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

fn open_folder(path: &Path) -> Result<Files, FeedError> {
    let mut files = BTreeMap::new();
    for file in list(path).map_err(|cause| unreadable(path, cause))? {
        let Some(name) = file.file_name().and_then(|it| it.to_str()) else { continue };
        if !has_extension(&file, "csv") {
            continue;
        }
        if files.insert(name.to_ascii_lowercase(), file.clone()).is_some() {
            let problem = "two files have the same name but for its case; keep one of them".to_owned();
            return Err(FeedError::NoUpload { path: path.to_owned(), problem });
        }
    }
    Ok(Files::Folder(files))
}

fn open_zip(path: &Path, source: Box<dyn Source>) -> Result<Files, FeedError> {
    let refuse = |problem: &str| FeedError::Archive { path: path.to_owned(), problem: problem.to_owned() };
    let mut archive = ZipArchive::new(source).map_err(|cause| broken(path, &cause))?;
    if archive.len() > ENTRIES {
        return Err(refuse("it has more entries than a roster has files"));
    }
    if archive.has_duplicate_names() {
        return Err(refuse("two entries have the same name"));
    }
    if archive.has_overlapping_entries().map_err(|cause| broken(path, &cause))? {
        return Err(refuse("entries overlap"));
    }
    let (mut entries, mut folders, mut total) = (BTreeMap::new(), BTreeSet::new(), 0_u64);
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|cause| broken(path, &cause))?;
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        if is_outside(&name) {
            return Err(refuse(&format!("entry {} has a path that leads out of it", index + 1)));
        }
        if entry.is_symlink() {
            return Err(refuse(&format!("entry {} is a link", index + 1)));
        }
        if entry.encrypted() {
            return Err(refuse("it is encrypted; upload it without a password"));
        }
        if entry.size() > entry.compressed_size().saturating_mul(RATIO) {
            return Err(refuse(&format!("entry {} unpacks to more than {RATIO} times its size", index + 1)));
        }
        total = total.saturating_add(entry.size());
        if total > FILE_BYTES {
            return Err(refuse("it unpacks to more than 4 GiB"));
        }
        let Some((folder, file)) = roster_file(&name) else { continue };
        folders.insert(folder.to_owned());
        if entries.insert(file.to_ascii_lowercase(), index).is_some() {
            return Err(refuse("two entries have the same name but for its case or folder"));
        }
    }
    if folders.len() > 1 {
        return Err(refuse("its CSV files lie in several folders; put them into one, or into none"));
    }
    Ok(Files::Zip { path: path.to_owned(), archive: Box::new(archive), entries })
}

/// Folder and name of a CSV file at the root or in one leading folder; none of anything else.
fn roster_file(name: &str) -> Option<(&str, &str)> {
    let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
    let is_csv = has_extension(Path::new(file), "csv") && !file.starts_with('.');
    (is_csv && !folder.contains('/') && folder != "__MACOSX").then_some((folder, file))
}

/// Whether an entry's name could leave the folder it would be unpacked to. Nothing is ever unpacked to disk, but a zip that
/// tries is not to be trusted.
fn is_outside(name: &str) -> bool {
    let drive = name.chars().nth(1) == Some(':');
    name.starts_with('/') || name.contains(['\\', '\0']) || drive || name.split('/').any(|part| part == "..")
}

fn broken(path: &Path, cause: &ZipError) -> FeedError {
    let problem = match cause {
        ZipError::InvalidArchive(_) => "it is not a zip, or it is cut off or damaged",
        ZipError::UnsupportedArchive(_) => "it is packed in a way that is not supported; use plain deflate",
        _ => "it cannot be read",
    };
    FeedError::Archive { path: path.to_owned(), problem: problem.to_owned() }
}
