//! An upload's rows into a builder, by the same conversion as REST.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::feed::Progress;
use crate::feed::csv::archive::Files;
use crate::feed::csv::manifest::{Manifest, Mode, READ};
use crate::feed::csv::same::Bytes;
use crate::feed::csv::table::{NCES, Row, Table};
use crate::feed::error::FeedError;
use crate::feed::oneroster::convert::Convert;
use crate::feed::oneroster::rows::{ClassRow, CourseRow, EnrollmentRow, IdRow, OrgRow, RoleRow, SessionRow, UserRow};
use crate::feed::recognize::{Look, Pulled, Recall, Recognizer};
use crate::model::{Kind, RowMark};
use crate::snapshot::{Builder, Recognized};

/// 1.2's roles, by user.
pub(super) type Roles = BTreeMap<String, Vec<RoleRow>>;

/// All that was said, the content's hash, and what of it was recognized.
pub(super) type Whole = (Builder, String, Option<Recognized>);

/// Reads everything there is to read.
pub(super) fn all(files: &mut Files, progress: &Progress, recall: Option<&Recall>) -> Result<Pulled<Whole>, FeedError> {
    let manifest = Manifest::read(files)?;
    let mut convert = Convert::default();
    let mut recognizer = recall.map(Recognizer::new);
    if let Some(recognizer) = &mut recognizer {
        recognizer.tally = None; // an upload is named by its content
    }
    let mut content = Sha256::new();
    content.update(manifest.hash.unwrap_or_default());
    let mut roles: Option<Roles> = None;
    for file in READ {
        // Roles are read when users are, and hashed before them.
        if file == "roles.csv" {
            continue;
        }
        if file == "users.csv" && is_read(&manifest, files, "roles.csv", &mut convert)? {
            let (found, hash) = files.read("roles.csv", read_roles)?;
            content.update(hash);
            roles = Some(found);
        }
        let Some(kind) = kind(file) else { continue };
        if !is_read(&manifest, files, file, &mut convert)? {
            // Courses are not needed: like an empty file, a missing one keeps what the store has.
            if kind != Kind::Courses {
                convert.to.absent(kind);
            }
            continue;
        }
        let (makes_sense, hash) = files.read(file, |reader| {
            let has_roles = roles.is_some();
            let mut table = Table::open(file, reader, needed(kind, has_roles))?;
            let told = table.has("role") && table.has("orgSourcedIds");
            if kind == Kind::Users && !told && !has_roles {
                return Err(FeedError::Column { file, column: "role" });
            }
            let makes_sense = rows(&mut table, kind, &mut convert, roles.as_ref(), recognizer.as_mut(), progress)?;
            if table.foreign > 0 {
                let message = "rows that are not UTF-8 were read as Windows-1252; have the export set to UTF-8";
                for _ in 0..table.foreign {
                    convert.to.warn("not_utf8", Some(kind), message, None);
                }
            }
            Ok(makes_sense)
        })?;
        if !makes_sense {
            return Ok(Pulled::Odd);
        }
        content.update(file.as_bytes());
        content.update(hash);
    }
    let (builder, contacts) = convert.finish();
    let recognized = recognizer.map(|it| it.finish(contacts));
    Ok(Pulled::Whole(Box::new((builder, hex::encode(content.finalize()), recognized))))
}

/// Reads what says how each file is to be read: the manifest, encodings and columns.
pub(super) fn heads(files: &mut Files) -> Result<(), FeedError> {
    let manifest = Manifest::read(files)?;
    let has_roles = files.has("roles.csv");
    for file in READ {
        if let Some(kind) = kind(file).filter(|_| manifest.mode(file, files.has(file)) == Mode::Bulk && files.has(file))
        {
            files.read(file, |reader| Table::open(file, reader, needed(kind, has_roles)).map(drop))?;
        }
    }
    Ok(())
}

/// Whether a file counts: not absent, not missing, and no delta.
fn is_read(manifest: &Manifest, files: &Files, file: &'static str, convert: &mut Convert) -> Result<bool, FeedError> {
    let there = files.has(file);
    match (manifest.mode(file, there), there) {
        (Mode::Delta, _) => Err(FeedError::Delta { file: file.to_owned() }),
        (Mode::Bulk, true) => Ok(true),
        (Mode::Bulk, false) => {
            let message =
                format!("{file} is missing though the manifest calls it bulk; what it tells is kept as it is");
            convert.to.warn("missing_file", kind(file), &message, None);
            Ok(false)
        }
        (Mode::Absent, _) => {
            if let Some(kind) = kind(file) {
                let message = format!("the upload has no {file}; what it tells is kept as it is");
                convert.to.warn("absent_file", Some(kind), &message, None);
            }
            Ok(false)
        }
    }
}

fn kind(file: &str) -> Option<Kind> {
    Some(match file {
        "orgs.csv" => Kind::Schools,
        "academicSessions.csv" => Kind::Sessions,
        "courses.csv" => Kind::Courses,
        "classes.csv" => Kind::Classes,
        "users.csv" => Kind::Users,
        "enrollments.csv" => Kind::Enrollments,
        _ => return None,
    })
}

/// Columns without which rows would say less than the source knows. Others that real exports leave out may be missing.
fn needed(kind: Kind, has_roles: bool) -> &'static [&'static str] {
    match kind {
        Kind::Schools => &["sourcedId", "name", "type", "parentSourcedId"],
        Kind::Sessions => &["sourcedId", "title", "type", "startDate", "endDate"],
        Kind::Courses => &["sourcedId", "title"],
        Kind::Classes => &["sourcedId", "title", "grades", "schoolSourcedId", "termSourcedIds"],
        Kind::Users if has_roles => &["sourcedId", "enabledUser", "givenName", "familyName", "grades"],
        Kind::Users => &["sourcedId", "enabledUser", "orgSourcedIds", "role", "givenName", "familyName", "grades"],
        Kind::Enrollments => &["classSourcedId", "schoolSourcedId", "userSourcedId", "role"],
    }
}

/// Takes the rows of a file; those that are recognized are counted only. False where a row that was recognized came twice.
fn rows(
    table: &mut Table<'_>,
    kind: Kind,
    convert: &mut Convert,
    roles: Option<&Roles>,
    mut recognizer: Option<&mut Recognizer<'_>>,
    progress: &Progress,
) -> Result<bool, FeedError> {
    if let Some(recognizer) = recognizer.as_deref_mut() {
        recognizer.beside(kind, table.header().as_bytes());
    }
    let roles = roles.filter(|_| kind == Kind::Users);
    let mut bytes = Bytes::default();
    while let Some(row) = table.next()? {
        progress.add(kind, 1);
        let hash = match recognizer.as_deref_mut().filter(|it| it.is_for(kind)) {
            None => None,
            Some(recognizer) => match recognizer.see(kind, bytes.of(&row, roles)) {
                Look::Known(_) => continue,
                Look::Again(_) => return Ok(false),
                Look::New(hash) => Some(hash).filter(|_| row.utf8),
            },
        };
        convert.to.take_added();
        take(convert, kind, &row, roles);
        if let (Some(recognizer), Some(hash)) = (recognizer.as_deref_mut(), hash) {
            // No file is read in pages, so nobody asks which ids came twice.
            recognizer.read(RowMark::new(hash, 0), convert.to.take_added());
        }
    }
    Ok(true)
}

fn take(convert: &mut Convert, kind: Kind, row: &Row<'_>, roles: Option<&Roles>) {
    if row.ragged {
        return convert.broken(kind, row.text("sourcedId"));
    }
    match kind {
        Kind::Schools => convert.org(org(row)),
        Kind::Sessions => convert.session(session(row)),
        Kind::Courses => convert.course(course(row)),
        Kind::Classes => convert.class(class(row)),
        Kind::Users => convert.user(user(row, roles)),
        Kind::Enrollments => convert.enrollment(enrollment(row)),
    }
}

fn read_roles(reader: &mut dyn std::io::Read) -> Result<Roles, FeedError> {
    let needed = ["userSourcedId", "roleType", "role", "orgSourcedId"];
    let mut table = Table::open("roles.csv", reader, &needed)?;
    let mut roles = Roles::new();
    while let Some(row) = table.next()? {
        let status = row.text("status");
        if crate::feed::oneroster::is_deleted(status.as_ref()) {
            continue;
        }
        if row.ragged {
            // Whose role it is cannot be told, and a role that is not seen is a role that is lost.
            let problem = "the row has too few or too many fields";
            return Err(FeedError::Line { file: "roles.csv", line: row.line, problem });
        }
        let Some(user) = row.text("userSourcedId") else { continue };
        roles.entry(user).or_default().push(RoleRow {
            role_type: row.text("roleType"),
            role: row.text("role"),
            org: row.text("orgSourcedId"),
        });
    }
    Ok(roles)
}

fn org(row: &Row<'_>) -> OrgRow {
    OrgRow {
        sourced_id: row.text("sourcedId"),
        status: row.text("status"),
        date_last_modified: row.text("dateLastModified"),
        name: row.text("name"),
        kind: row.text("type"),
        identifier: row.text("identifier"),
        parent: row.text("parentSourcedId"),
        nces: row.text(NCES),
    }
}

fn session(row: &Row<'_>) -> SessionRow {
    SessionRow {
        sourced_id: row.text("sourcedId"),
        status: row.text("status"),
        date_last_modified: row.text("dateLastModified"),
        title: row.text("title"),
        kind: row.text("type"),
        start_date: row.text("startDate"),
        end_date: row.text("endDate"),
        parent: row.text("parentSourcedId"),
        school_year: row.text("schoolYear"),
    }
}

fn course(row: &Row<'_>) -> CourseRow {
    CourseRow {
        sourced_id: row.text("sourcedId"),
        status: row.text("status"),
        date_last_modified: row.text("dateLastModified"),
        title: row.text("title"),
        course_code: row.text("courseCode"),
        grades: row.list("grades"),
        subjects: row.list("subjects"),
        org: row.text("orgSourcedId"),
        school: None,
    }
}

fn class(row: &Row<'_>) -> ClassRow {
    ClassRow {
        sourced_id: row.text("sourcedId"),
        status: row.text("status"),
        date_last_modified: row.text("dateLastModified"),
        title: row.text("title"),
        class_code: row.text("classCode"),
        class_type: row.text("classType"),
        grades: row.list("grades"),
        subjects: row.list("subjects"),
        course: row.text("courseSourcedId"),
        school: row.text("schoolSourcedId"),
        terms: row.list("termSourcedIds"),
    }
}

fn user(row: &Row<'_>, roles: Option<&Roles>) -> UserRow {
    let sourced_id = row.text("sourcedId");
    let listed =
        roles.map(|roles| sourced_id.as_ref().and_then(|id| roles.get(id)).map(Vec::as_slice).unwrap_or_default());
    UserRow {
        status: row.text("status"),
        date_last_modified: row.text("dateLastModified"),
        enabled_user: row.text("enabledUser"),
        username: row.text("username"),
        given_name: row.text("givenName"),
        family_name: row.text("familyName"),
        identifier: row.text("identifier"),
        email: row.text("email"),
        grades: row.list("grades"),
        user_ids: row.list("userIds").iter().map(|it| user_id(it)).collect(),
        role: row.text("role"),
        orgs: row.list("orgSourcedIds"),
        roles: listed.map(<[RoleRow]>::to_vec),
        primary_org: row.text("primaryOrgSourcedId"),
        sourced_id,
    }
}

/// `{type:identifier}`, or an identifier alone.
fn user_id(item: &str) -> IdRow {
    let bare = item.trim().trim_start_matches('{').trim_end_matches('}');
    let (kind, identifier) = match bare.split_once(':') {
        Some((kind, identifier)) => (Some(kind.trim().to_owned()), identifier),
        None => (None, bare),
    };
    let identifier = identifier.trim();
    IdRow { kind, identifier: (!identifier.is_empty()).then(|| identifier.to_owned()) }
}

fn enrollment(row: &Row<'_>) -> EnrollmentRow {
    EnrollmentRow {
        status: row.text("status"),
        date_last_modified: row.text("dateLastModified"),
        user: row.text("userSourcedId"),
        class: row.text("classSourcedId"),
        school: row.text("schoolSourcedId"),
        role: row.text("role"),
        primary: row.text("primary"),
        begin_date: row.text("beginDate"),
        end_date: row.text("endDate"),
    }
}
