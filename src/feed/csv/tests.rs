mod known;

use std::io::Write;
use std::path::Path;

use zip::write::SimpleFileOptions;

use crate::feed::testing::{context, lines, warned};
use crate::feed::{Context, CsvSettings, FeedError, Settings};
use crate::model::{Kind, RoleName, SourceMark, Timestamp};
use crate::snapshot::{Presence, Snapshot};

const ORGS: &str = "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\n\
    d,,,District,district,1,\ns1,,,North,school,2,d\n";
const SESSIONS: &str = "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear\n\
    y,,,Year,schoolYear,2025-08-15,2026-06-10,,2026\n";
const COURSES: &str = "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes\n\
    k,,,y,Math,M1,\"3, 4\",d,Mathematics,\n";
const CLASSES: &str = "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods\n\
    c,,,Math 3,\"[\"\"3\"\"]\",k,M1-A,scheduled,,s1,y,Mathematics,,\n";
const USERS: &str = "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password\n\
    u1,,,TRUE,\"s1, d\",student,ann,{StateID:S-9},Ann,Lee,,N-1,a@example.org,,,,3,pw\n\
    t1,,,true,s1,teacher,bob,,Bob,Ray,,N-2,b@example.org,,,,,\n\
    g1,,,true,s1,guardian,,,Gus,Lee,,,g@example.org,,,,,\n";
const ENROLLMENTS: &str = "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate\n\
    e1,,,c,s1,u1,student,,1/05/2026,\ne2,,,c,s1,t1,teacher,true,,\ne3,,,c,s1,g1,guardian,,,\n";
const MANIFEST: &str = "propertyName,value\nmanifest.version,1.0\noneroster.version,1.1\n\
    file.orgs,bulk\nfile.academicSessions,bulk\nfile.courses,bulk\nfile.classes,bulk\nfile.users,bulk\nfile.enrollments,bulk\n";

fn files() -> Vec<(&'static str, Vec<u8>)> {
    [
        ("manifest.csv", MANIFEST),
        ("orgs.csv", ORGS),
        ("academicSessions.csv", SESSIONS),
        ("courses.csv", COURSES),
        ("classes.csv", CLASSES),
        ("users.csv", USERS),
        ("enrollments.csv", ENROLLMENTS),
    ]
    .map(|(name, text)| (name, text.as_bytes().to_vec()))
    .to_vec()
}

/// The set with one file put in place of another, or beside them, or (empty) taken out.
fn with(name: &'static str, text: impl AsRef<[u8]>) -> Vec<(&'static str, Vec<u8>)> {
    let mut files = files();
    files.retain(|(known, _)| *known != name);
    if !text.as_ref().is_empty() {
        files.push((name, text.as_ref().to_vec()));
    }
    files
}

fn write(dir: &Path, files: &[(&str, Vec<u8>)]) {
    for (name, text) in files {
        std::fs::write(dir.join(name), text).unwrap();
    }
}

async fn pull_in(path: &Path, context: Context) -> Result<Snapshot, FeedError> {
    let settings = CsvSettings { path: path.to_owned(), settle_seconds: Some(0), end_dates: None };
    crate::feed::open(&Settings::OnerosterCsv(settings), context).unwrap().pull().await
}

async fn pull_after(path: &Path, last: Option<SourceMark>) -> Result<Snapshot, FeedError> {
    pull_in(path, Context { last, ..context(Vec::new()) }).await
}

async fn pull(files: &[(&str, Vec<u8>)]) -> Result<Snapshot, FeedError> {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), files);
    pull_after(dir.path(), None).await
}

/// A zip of `(name, bytes)`.
fn zip(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

async fn pull_zip(bytes: &[u8]) -> Result<Snapshot, FeedError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("upload.zip");
    std::fs::write(&path, bytes).unwrap();
    pull_after(&path, None).await
}

#[tokio::test]
async fn a_folder_becomes_the_records_it_tells_of() {
    let snapshot = pull(&files()).await.unwrap();
    assert!(snapshot.complete());
    assert_eq!(snapshot.skipped, 2, "the guardian and the guardian's enrollment");
    assert_eq!(snapshot.district_name.as_deref(), Some("District"));
    let wanted = [
        r#"{"id":"d","type":"district","name":"District","identifier":"1"}"#,
        r#"{"id":"s1","type":"school","name":"North","identifier":"2","parent":"d"}"#,
        r#"{"id":"y","type":"schoolYear","title":"Year","starts_on":"2025-08-15","ends_on":"2026-06-10","school_year":"2026"}"#,
        r#"{"id":"k","title":"Math","code":"M1","org":"d","grades":["03","04"],"subjects":["Mathematics"]}"#,
        r#"{"id":"c","title":"Math 3","code":"M1-A","type":"scheduled","school":"s1","course":"k","sessions":["y"],"grades":["03"],"subjects":["Mathematics"]}"#,
        r#"{"id":"t1","roles":[{"role":"teacher","org":"s1","primary":true}],"active":true,"given_name":"Bob","family_name":"Ray","email":"b@example.org","username":"bob"}"#,
        r#"{"id":"u1","roles":[{"role":"student","org":"d","primary":false},{"role":"student","org":"s1","primary":true}],"active":true,"given_name":"Ann","family_name":"Lee","email":"a@example.org","username":"ann","grades":["03"],"student_number":"N-1","state_id":"S-9"}"#,
        r#"{"user":"t1","class":"c","school":"s1","role":"teacher","primary":true}"#,
        r#"{"user":"u1","class":"c","school":"s1","role":"student","periods":[["2026-01-05",null]]}"#,
    ];
    assert_eq!(lines(&snapshot), wanted);
}

#[tokio::test]
async fn a_zip_and_a_folder_of_the_same_files_are_the_same_content() {
    let folder = pull(&files()).await.unwrap();
    let foldered: Vec<_> = files();
    let names: Vec<String> = foldered.iter().map(|(name, _)| format!("export/{name}")).collect();
    let mut inside: Vec<(&str, Vec<u8>)> =
        names.iter().zip(&foldered).map(|(name, (_, text))| (name.as_str(), text.clone())).collect();
    inside.push(("__MACOSX/export/._orgs.csv", b"junk".to_vec()));
    inside.push((".DS_Store", b"junk".to_vec()));
    for bytes in [zip(&files()), zip(&inside)] {
        let zipped = pull_zip(&bytes).await.unwrap();
        assert_eq!(lines(&zipped), lines(&folder));
        assert_eq!(zipped.source.content, folder.source.content);
    }
}

/// P3.
#[tokio::test]
async fn defects_that_real_exports_have_change_nothing() {
    let plain = lines(&pull(&files()).await.unwrap());
    let orgs = format!("\u{feff}{},,\r\n", ORGS.trim_end().replace('\n', ",,\r\n"));
    let orgs = orgs.replace("sourcedId,status", " SourcedID ,Status");
    let shorter = orgs.replace(",d,,\r\n", ",d\r\n");
    let typo = USERS.replace("dateLastModified", "dataLastModified");
    let sessions = "schoolYear,metadata.x,endDate,startDate,type,title,sourcedId\n2026,7,2026-06-10T00:00:00Z,2025-08-15 08:01:05,schoolYear,Year,y";
    for files in [
        with("orgs.csv", &orgs),
        with("orgs.csv", &shorter),
        with("users.csv", &typo),
        with("academicSessions.csv", sessions),
        with("manifest.csv", ""),
    ] {
        assert_eq!(lines(&pull(&files).await.unwrap()), plain);
    }
}

#[tokio::test]
async fn names_in_the_windows_code_page_are_read_and_warned_of() {
    let users: Vec<u8> =
        USERS.replace("Ann", "Zo\u{1}").bytes().map(|byte| if byte == 1 { 0xeb } else { byte }).collect();
    let snapshot = pull(&with("users.csv", &users)).await.unwrap();
    let Presence::This(user) = &snapshot.users[&"u1".into()] else { panic!("u1 is usable") };
    assert_eq!(user.given_name.as_ref().unwrap().reveal(), "Zoë");
    assert_eq!(warned(&snapshot, "not_utf8"), 1);
}

#[tokio::test]
async fn roles_of_1_2_give_what_1_1_gives() {
    let users = "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,preferredGivenName,preferredMiddleName,preferredFamilyName,primaryOrgSourcedId,pronouns\n\
        u1,,,true,ann,{StateID:S-9},Ann,Lee,,N-1,a@example.org,,,,3,,,,,,s1,\n\
        t1,,,true,bob,,Bob,Ray,,N-2,b@example.org,,,,,,,,,,,\n\
        g1,,,true,,,Gus,Lee,,,g@example.org,,,,,,,,,,,\n";
    let roles = "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId\n\
        r1,,,u1,secondary,student,,,d,\nr2,,,u1,primary,student,,,s1,\nr3,,,t1,primary,teacher,,,s1,\nr4,,,g1,primary,parent,,,s1,\n";
    let mut files = with("users.csv", users);
    files.push(("roles.csv", roles.as_bytes().to_vec()));
    assert_eq!(lines(&pull(&files).await.unwrap()), lines(&pull(&self::files()).await.unwrap()));
}

/// P4.
#[tokio::test]
async fn what_an_upload_does_not_hold_is_not_empty() {
    let absent = MANIFEST.replace("file.enrollments,bulk", "file.enrollments,absent");
    for files in [with("enrollments.csv", ""), with("manifest.csv", &absent)] {
        let snapshot = pull(&files).await.unwrap();
        assert!(!snapshot.complete() && snapshot.absent.contains(&Kind::Enrollments));
        assert_eq!(snapshot.count(Kind::Users), 2);
    }
    let no_courses = pull(&with("courses.csv", "")).await.unwrap();
    assert!(no_courses.complete(), "courses are not needed");
}

#[tokio::test]
async fn an_upload_that_cannot_be_trusted_is_refused_with_the_place() {
    let delta = MANIFEST.replace("file.users,bulk", "file.users,delta");
    let no_role = USERS.replace(",role,", ",rolle,");
    let cut = USERS.strip_suffix(",,,,\n").unwrap();
    for (files, wanted) in [
        (with("manifest.csv", &delta), "`delta` for users.csv"),
        (with("users.csv", &no_role), "users.csv: the column `role` is missing"),
        (with("users.csv", cut), "users.csv:4: the last row has too few"),
        (with("orgs.csv", USERS), "orgs.csv: the column `name` is missing"),
        (with("users.csv", b"\xff\xfes\0o\0"), "users.csv:1: the file is UTF-16"),
        (with("classes.csv", "\n"), "classes.csv:1"),
    ] {
        let error = pull(&files).await.unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
        assert!(!error.contains("Ann") && !error.contains("example.org"));
    }
}

/// P11.
#[tokio::test]
async fn a_bad_row_is_there_all_the_same() {
    let users = format!(
        "{USERS}u2,,,true,s1,student,x\nu3,,,true,s1,student,,,N\0,,,,,,,,,\n,,,true,s1,student,,,A,B,,,,,,,,\n"
    );
    let enrollments = format!("{ENROLLMENTS}e4,,,c,s1,u2,student,,soon,\ne5,,,,s1,u3,student,,,\n");
    let mut files = with("users.csv", &users);
    files.retain(|(name, _)| *name != "enrollments.csv");
    files.push(("enrollments.csv", enrollments.into_bytes()));
    let snapshot = pull(&files).await.unwrap();
    assert_eq!(snapshot.users[&"u2".into()], Presence::Unusable);
    assert_eq!(snapshot.users[&"u3".into()], Presence::Unusable);
    assert_eq!(snapshot.invalid[&Kind::Users], 3);
    assert_eq!(snapshot.invalid[&Kind::Enrollments], 2);
    assert!(snapshot.enrollments.keys().any(|key| key.user.as_str() == "u2" && key.role == RoleName::Student));
}

#[tokio::test]
async fn rows_marked_deleted_are_tombstones() {
    let users = USERS.replace("u1,,", "u1,tobedeleted,").replace("t1,,", "t1,inactive,");
    let snapshot = pull(&with("users.csv", &users)).await.unwrap();
    assert!(snapshot.users.values().all(|it| *it == Presence::Gone));
}

#[tokio::test]
async fn a_zip_that_would_leave_its_folder_is_refused() {
    for name in ["../orgs.csv", "/orgs.csv", "a/../../orgs.csv", "a\\..\\orgs.csv", "C:/orgs.csv"] {
        let mut files = files();
        files.push((name, b"x".to_vec()));
        let error = pull_zip(&zip(&files)).await.unwrap_err();
        assert!(matches!(&error, FeedError::Archive { .. }), "{name}");
        assert!(error.to_string().contains("leads out of it"), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_zip_with_tricks_is_refused() {
    let mut bomb = files();
    bomb.push(("demographics.csv", vec![b'0'; 1 << 20]));
    let mut twice = files();
    twice.push(("ORGS.csv", ORGS.as_bytes().to_vec()));
    let mut folders = with("orgs.csv", "");
    folders.push(("a/orgs.csv", ORGS.as_bytes().to_vec()));
    let mut link = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    link.add_symlink("orgs.csv", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    let link = link.finish().unwrap().into_inner();
    // The same entry name twice in the directory: rename one of two entries in the bytes.
    let mut same = with("orgs.csv", "");
    same.push(("orgs.csv", ORGS.as_bytes().to_vec()));
    same.push(("orgz.csv", ORGS.as_bytes().to_vec()));
    let mut same = zip(&same);
    while let Some(at) = same.windows(8).position(|it| it == b"orgz.csv") {
        same[at..at + 8].copy_from_slice(b"orgs.csv");
    }
    for (bytes, wanted) in [
        (zip(&bomb), "200 times"),
        (zip(&twice), "same name"),
        (zip(&folders), "several folders"),
        (link, "is a link"),
        (same, "same name"),
        (b"<html>login</html>".to_vec(), "not a zip"),
    ] {
        let error = pull_zip(&bytes).await.unwrap_err().to_string();
        assert!(error.contains(wanted), "{wanted}: {error}");
    }
}

#[tokio::test]
async fn a_zip_cut_off_anywhere_is_an_error() {
    let whole = zip(&files());
    for end in (0..whole.len()).step_by(7) {
        assert!(pull_zip(&whole[..end]).await.is_err(), "cut at {end}");
    }
}

#[tokio::test]
async fn of_a_drop_folder_the_newest_complete_upload_counts() {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &Path, seconds: u64| {
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    };
    let put = |name: &str, files: &[(&str, Vec<u8>)], seconds: u64| {
        let path = dir.path().join(name);
        std::fs::write(&path, zip(files)).unwrap();
        at(&path, seconds);
    };
    assert!(matches!(pull_after(dir.path(), None).await, Err(FeedError::NoUpload { .. })));
    put("a.zip", &files(), 1_000_000);
    put("b.zip", &with("orgs.csv", ORGS.replace("North", "South")), 2_000_000);
    put("c.zip", &with("users.csv", ""), 3_000_000);
    let snapshot = pull_after(dir.path(), None).await.unwrap();
    assert!(lines(&snapshot)[1].contains("South"));
    assert_eq!(warned(&snapshot, "incomplete_upload"), 1);
    assert_eq!(snapshot.source.uploaded_at, Timestamp::from_millis(2_000_000_000));
    // Later only the first is left, which is older than what was applied.
    std::fs::remove_file(dir.path().join("b.zip")).unwrap();
    let applied = snapshot.source;
    let error = pull_after(dir.path(), Some(applied.clone())).await.unwrap_err();
    assert!(matches!(error, FeedError::OlderUpload { .. }));
    // The same content under another time is no older upload.
    put("a.zip", &with("orgs.csv", ORGS.replace("North", "South")), 1_500_000);
    assert_eq!(pull_after(dir.path(), Some(applied.clone())).await.unwrap().source.content, applied.content);
}
