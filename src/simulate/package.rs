//! Writes a district as a OneRoster CSV package: a folder or a zip, 1.1 or 1.2, manifest last in a folder so that who
//! watches for complete uploads never sees half of one.

use std::fs::File;
use std::io::BufWriter;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::SimulateError;
use super::oneroster::Version;
use super::oneroster::roles;
use super::table::CsvSet;
use super::table::FILES;
use super::table::Table;

/// Rows on their way into a file.
pub(crate) type Rows<'a> = Box<dyn Iterator<Item = Vec<String>> + 'a>;

/// One file of a package.
pub(crate) struct PackageFile<'a> {
    pub(crate) name: String,
    pub(crate) header: Vec<String>,
    pub(crate) rows: Rows<'a>,
}

/// Columns that 1.2's `users.csv` has and 1.1's has not, or has elsewhere.
const USERS_V1P2: [&str; 22] = [
    "sourcedId",
    "status",
    "dateLastModified",
    "enabledUser",
    "username",
    "userIds",
    "givenName",
    "familyName",
    "middleName",
    "identifier",
    "email",
    "sms",
    "phone",
    "agentSourcedIds",
    "grades",
    "password",
    "userMasterIdentifier",
    "preferredGivenName",
    "preferredMiddleName",
    "preferredFamilyName",
    "primaryOrgSourcedId",
    "pronouns",
];

const ROLES_V1P2: [&str; 10] = [
    "sourcedId",
    "status",
    "dateLastModified",
    "userSourcedId",
    "roleType",
    "role",
    "beginDate",
    "endDate",
    "orgSourcedId",
    "userProfileSourcedId",
];

/// Files that only 1.2's manifest names, other than roles.
const MANIFEST_V1P2: [&str; 7] = [
    "lineItemLearningObjectiveIds",
    "lineItemScoreScales",
    "resultLearningObjectiveIds",
    "resultScoreScales",
    "scoreScales",
    "userProfiles",
    "userResources",
];

impl CsvSet {
    /// The files of a package, manifest last.
    pub(crate) fn package(&self) -> Vec<PackageFile<'_>> {
        let ordered = FILES.iter().filter_map(|name| Some((*name, self.tables.get(*name)?)));
        let rest = self.tables.iter().filter(|(name, _)| !FILES.contains(&name.as_str()));
        let tables = ordered.chain(rest.map(|(name, table)| (name.as_str(), table)));
        tables.chain([("manifest", &self.manifest)]).map(|(name, table)| file_of(name, table)).collect()
    }

    /// The same district in 1.2: `roles.csv` beside `users.csv`, and a manifest that says so.
    pub(crate) fn into_v1p2(mut self) -> CsvSet {
        let mut users = Table { header: owned(&USERS_V1P2), rows: Vec::new() };
        let mut roles_table = Table { header: owned(&ROLES_V1P2), rows: Vec::new() };
        if let Some(old) = self.tables.get("users") {
            for row in &old.rows {
                let held = roles::of_row(&self, old, row);
                let primary = held.first().map_or("", |role| role.org.as_str());
                let cell = |column: &&str| match *column {
                    "primaryOrgSourcedId" => primary.to_owned(),
                    column => old.cell(row, column).to_owned(),
                };
                users.rows.push(USERS_V1P2.iter().map(cell).collect());
                let id = old.cell(row, "sourcedId");
                for (at, role) in held.iter().enumerate() {
                    let cells = [
                        &format!("{id}-role-{}", at + 1),
                        old.cell(row, "status"),
                        old.cell(row, "dateLastModified"),
                        id,
                        "primary",
                        &role.role,
                        "",
                        "",
                        &role.org,
                        "",
                    ];
                    roles_table.rows.push(owned(&cells));
                }
            }
        }
        self.tables.insert("users".to_owned(), users);
        self.tables.insert("roles".to_owned(), roles_table);
        if let Some(enrollments) = self.tables.get_mut("enrollments")
            && let Some(role) = enrollments.column("role")
        {
            for cell in enrollments.rows.iter_mut().filter_map(|row| row.get_mut(role)) {
                *cell = roles::of_enrollment(Version::V1p2, cell);
            }
        }
        for row in &mut self.manifest.rows {
            if row.first().is_some_and(|name| name == "oneroster.version") {
                *row = owned(&["oneroster.version", "1.2"]);
            }
        }
        self.manifest.rows.push(owned(&["file.roles", "bulk"]));
        self.manifest.rows.extend(MANIFEST_V1P2.map(|name| owned(&[&format!("file.{name}"), "absent"])));
        self
    }
}

pub(crate) fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn file_of<'a>(name: &str, table: &'a Table) -> PackageFile<'a> {
    let rows = Box::new(table.rows.iter().cloned());
    PackageFile { name: format!("{name}.csv"), header: table.header.clone(), rows }
}

/// Writes the files into a folder, which is made; each file appears whole.
pub(crate) fn write_folder(files: Vec<PackageFile<'_>>, target: &Path) -> Result<(), SimulateError> {
    let unwritten = |path: &Path| {
        let path = path.to_owned();
        move |source| SimulateError::Write { path, source }
    };
    std::fs::create_dir_all(target).map_err(unwritten(target))?;
    for file in files {
        let path = target.join(&file.name);
        let half = target.join(format!(".{}.part", file.name));
        let mut out = BufWriter::new(File::create(&half).map_err(unwritten(&half))?);
        write_csv(file, &mut out).map_err(unwritten(&half))?;
        out.flush().map_err(unwritten(&half))?;
        std::fs::rename(&half, &path).map_err(unwritten(&path))?;
    }
    Ok(())
}

/// Writes a file so that it appears whole.
pub(crate) fn write_whole(target: &Path, bytes: &[u8]) -> Result<(), SimulateError> {
    let half = part_of(target);
    let unwritten = |source| SimulateError::Write { path: half.clone(), source };
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent).map_err(unwritten)?;
    }
    std::fs::write(&half, bytes).map_err(unwritten)?;
    std::fs::rename(&half, target).map_err(|source| SimulateError::Write { path: target.to_owned(), source })
}

/// Writes the files into the root of a zip, which appears whole and is the same bytes for the same content.
pub(crate) fn write_zip(files: Vec<PackageFile<'_>>, target: &Path) -> Result<(), SimulateError> {
    let half = part_of(target);
    let unwritten = |source| SimulateError::Write { path: half.clone(), source };
    let unzipped = |source| SimulateError::Zip { path: half.clone(), source };
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent).map_err(unwritten)?;
    }
    let mut zip = ZipWriter::new(BufWriter::new(File::create(&half).map_err(unwritten)?));
    for file in files {
        zip.start_file(file.name.clone(), SimpleFileOptions::default()).map_err(unzipped)?;
        write_csv(file, &mut zip).map_err(unwritten)?;
    }
    zip.finish().map_err(unzipped)?.flush().map_err(unwritten)?;
    std::fs::rename(&half, target).map_err(|source| SimulateError::Write { path: target.to_owned(), source })
}

fn part_of(target: &Path) -> PathBuf {
    let name = target.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    target.with_file_name(format!(".{name}.part"))
}

fn write_csv(file: PackageFile<'_>, out: &mut dyn Write) -> std::io::Result<()> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    let failed = |error: csv::Error| match error.into_kind() {
        csv::ErrorKind::Io(source) => source,
        _ => std::io::Error::other("a row is not of the header's width"),
    };
    writer.write_record(&file.header).map_err(failed)?;
    for row in file.rows {
        writer.write_record(&row).map_err(failed)?;
    }
    writer.flush()
}
