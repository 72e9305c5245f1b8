//! A roster to send along with a request: always one zip, whatever people have.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::feed::csv::manifest::READ;
use crate::feed::csv::upload::{has_extension, list, unreadable};
use crate::feed::error::FeedError;

/// Makes one zip of a zip, a folder with OneRoster CSV files, or one such file. A single file whose name is none of OneRoster's
/// is taken for `users.csv`: it adds and changes users, and what is not in it stays as it is.
pub fn pack(path: &Path) -> Result<Vec<u8>, FeedError> {
    let facts = fs::metadata(path).map_err(|cause| unreadable(path, cause))?;
    let whole = |path: &Path| fs::read(path).map_err(|cause| unreadable(path, cause));
    if facts.is_dir() {
        let files = list(path).map_err(|cause| unreadable(path, cause))?;
        let mut packed = Vec::new();
        for file in files.iter().filter(|it| has_extension(it, "csv")) {
            packed.push((name_of(file), whole(file)?));
        }
        return zipped(path, &packed);
    }
    if has_extension(path, "csv") {
        let name = name_of(path);
        let known = READ.iter().any(|it| it.eq_ignore_ascii_case(&name));
        let name = if known { name } else { "users.csv".to_owned() };
        return zipped(path, &[(name, whole(path)?)]);
    }
    whole(path)
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn zipped(path: &Path, files: &[(String, Vec<u8>)]) -> Result<Vec<u8>, FeedError> {
    let broken = |_| FeedError::Archive { path: path.to_owned(), problem: "it cannot be packed into a zip".to_owned() };
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(name.as_str(), SimpleFileOptions::default()).map_err(broken)?;
        writer.write_all(bytes).map_err(|cause| unreadable(path, cause))?;
    }
    Ok(writer.finish().map_err(broken)?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::csv::archive::Files;

    #[test]
    fn a_folder_a_file_and_a_zip_become_one_zip_with_the_same_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["Orgs.csv", "users.csv", "notes.txt"] {
            fs::write(folder.path().join(name), "sourcedId\n").unwrap();
        }
        let zip = pack(folder.path()).unwrap();
        let files = Files::sent(zip.clone()).unwrap();
        assert!(files.has("orgs.csv") && files.has("users.csv") && !files.has("notes.txt"));
        let path = folder.path().join("upload.zip");
        fs::write(&path, &zip).unwrap();
        assert_eq!(pack(&path).unwrap(), zip);
        let list = folder.path().join("teachers of the north.csv");
        fs::write(&list, "sourcedId\n").unwrap();
        let files = Files::sent(pack(&list).unwrap()).unwrap();
        assert!(files.has("users.csv") && !files.has("orgs.csv"));
        assert!(pack(&folder.path().join("nothing.zip")).is_err());
    }
}
