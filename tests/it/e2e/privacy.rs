//! No personal data in anything but the roster (safety.md, People's data; reliability.md T12).

use std::path::Path;

use crate::support::canary::{ADDRESS, search};
use crate::support::vendor::{self, NIGHT_1, NIGHT_2, NIGHT_3, Site};

const ORGS: &str = "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\n\
    D,,,District,district,,\nS,,,School,school,,D\n";
const SESSIONS: &str = "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear\n\
    T,,,Year,schoolYear,2025-08-01,2026-06-30,,2026\n";
const COURSES: &str = "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes\n\
    C,,,T,Reading,R,01,D,,\n";
const CLASSES: &str = "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods\n\
    K,,,Reading 1,01,C,R1,scheduled,,S,T,,,\n";
const USERS: &str = "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password\n";
const ENROLLMENTS: &str =
    "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate\n";

/// The personal fields of one row, every one a canary.
fn user(id: &str, email: &str) -> String {
    format!(
        "{id},,,true,S,student,zyxlogin.{id},{{State:Zyxstate88{id}}},Zyxgiven,Zyxfamily,Zyxmiddle,Zyxnumber77{id},{email},Zyxsms66,Zyxphone99,,01,Zyxsecret55\n"
    )
}

fn upload(folder: &Path, users: &str, enrollments: &str) {
    std::fs::create_dir_all(folder).unwrap();
    let files = [
        ("orgs.csv", ORGS.to_owned()),
        ("academicSessions.csv", SESSIONS.to_owned()),
        ("courses.csv", COURSES.to_owned()),
        ("classes.csv", CLASSES.to_owned()),
        ("users.csv", format!("{USERS}{users}")),
        ("enrollments.csv", format!("{ENROLLMENTS}{enrollments}")),
    ];
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

/// A class of 30: one of them has an e-mail address for an id, and one an id that is also the e-mail.
fn class_of(range: std::ops::Range<u32>) -> (String, String) {
    let mut users = user("zyxid33@zyxmail.example", "zyxid33@zyxmail.example");
    let mut enrollments = ",,,K,S,zyxid33@zyxmail.example,student,,,\n".to_owned();
    // an id without `@` that is the user's own login
    users += &user("same", "x").replace("zyxlogin.same", "same");
    for n in range {
        users += &user(&format!("U{n}"), &format!("zyxmail{n}@zyxmail.example"));
        enrollments += &["E", "U"].map(|kind| format!("{kind}{n}")).join(",,,K,S,");
        enrollments += ",student,,,\n";
    }
    (users, enrollments)
}

/// Runs a command with all that the program ever logs, and searches what it said.
async fn searched(site: &Site, code: i32, words: &[&str]) -> String {
    let mut command = site.command(words);
    command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1");
    let ran = vendor::finished(command, words.join(" ")).await.exits(code);
    // the id is the source's: reports name records by it, logs, errors and the audit do not where it is an address
    let audit = words.contains(&"audit");
    let out = if audit { ran.out.clone() } else { ran.out.replace(ADDRESS, "") };
    search(&format!("standard output of `{}`", ran.line), &out);
    search(&format!("standard error of `{}`", ran.line), &ran.err);
    ran.out
}

#[tokio::test]
async fn no_personal_field_reaches_logs_reports_errors_or_the_audit() {
    let site = Site::sqlite().await;
    let folder = site.folder().join("csv");
    let catalog = site.folder().join("catalog.toml");
    std::fs::write(
        &catalog,
        "[[product]]\ncode = \"reading\"\nname = \"Reading\"\naudience = \"student\"\nbasis = \"active\"\n\n\
         [[subscription]]\nid = \"SUB\"\ndistrict = \"d\"\nproduct = \"reading\"\nseats = 20\nstarts_on = 2025-07-01\nexpires_on = 2026-06-30\n",
    )
    .unwrap();
    site.configure(&format!(
        "[catalog]\npath = \"{}\"\n{}",
        catalog.display(),
        vendor::district("d", &vendor::csv(&folder))
    ));
    let (users, enrollments) = class_of(0..30);
    upload(&folder, &users, &enrollments);
    searched(&site, 0, &["--now", NIGHT_1, "sync", "d"]).await;
    assert!(site.roster("d", "users").await.contains("Zyxgiven"), "the canaries are in the roster, where they belong");

    // personal data where none belongs, a name that changed, and rows that cannot be used
    let (users, enrollments) = class_of(0..30);
    let odd = users.replacen("Zyxfamily", "Zyxfamily-Zyxgiven", 3)
        + "U901,,Zyxdate44,Zyxgiven,zyxmail@zyxmail.example,Zyxfamily,,Zyxstate88,,,,,,,,Zyxgiven,Zyxnumber77,\n"
        + "\0Zyxgiven,,,true,S,student,,,Zyxgiven,Zyxfamily,,,,,,,,\n"
        + "U902,Zyxgiven\n"
        + &user("U900", "zyxmail\0@zyxmail.example");
    let odd_enrollments = enrollments
        + "E,,,K,S,U1,student,,Zyxdate44,Zyxgiven\nE,,,K,Zyxgiven,U3,student,Zyxgiven,,\n,,,K,S,U2,student,,,\n";
    upload(&folder, &odd, &odd_enrollments);
    searched(&site, 0, &["--now", NIGHT_2, "sync", "d", "--plan"]).await;
    searched(&site, 0, &["--now", NIGHT_2, "sync", "d", "--plan", "--json"]).await;
    searched(&site, 0, &["--now", NIGHT_2, "sync", "d", "--json"]).await;

    // a mass removal that is held, and shown
    let (users, enrollments) = class_of(0..5);
    upload(&folder, &users, &enrollments);
    let held = searched(&site, 3, &["--now", NIGHT_3, "sync", "d", "--json"]).await;
    let run: serde_json::Value = serde_json::from_str(&held).unwrap();
    let run = run["run"].as_str().unwrap().to_owned();
    for words in [
        &["runs", "show", &run, "--affected"][..],
        &["runs", "show", &run, "--affected", "--json"],
        &["runs", "show", &run, "--format", "csv"],
    ] {
        searched(&site, 0, words).await;
    }
    searched(&site, 0, &["--now", NIGHT_3, "runs", "approve", &run, "--json"]).await;

    // failures of every sort
    for (users, enrollments) in [
        ("Zyxgiven,Zyxfamily\n".to_owned(), String::new()),
        (format!("{users}\"Zyxgiven,Zyxfamily"), enrollments.clone()),
    ] {
        upload(&folder, &users, &enrollments);
        searched(&site, 1, &["--now", NIGHT_3, "sync", "d"]).await;
    }
    std::fs::write(folder.join("users.csv"), USERS.replace("role", "Zyxgiven") + &users).unwrap();
    searched(&site, 1, &["--now", NIGHT_3, "sync", "d", "--json"]).await;
    for words in [
        &["runs", "list"][..],
        &["runs", "list", "--json"],
        &["licenses"],
        &["licenses", "--by-school", "--json"],
        &["audit", "list"],
        &["audit", "list", "--json"],
        &["audit", "export", "--format", "jsonl"],
        &["audit", "export", "--format", "csv"],
        &["audit", "checkpoint"],
        &["audit", "verify"],
        &["verify"],
        &["verify", "--json"],
        &["audit", "list", "--user", "zyxid33@zyxmail.example"],
    ] {
        let out = searched(&site, 0, words).await;
        if words.starts_with(&["audit", "export"]) {
            assert!(
                out.contains("user.added") && !out.contains('@'),
                "an id that is an address stands there as a keyed hash"
            );
        }
    }
    // the same hash each time, so that the person can be followed
    let export = site.audit("d").await;
    vendor::chain_head(&export);
    let named: Vec<&str> = export.lines().filter(|it| it.contains("\"user.added\"")).collect();
    assert_eq!(named.iter().filter(|it| it.contains("\"id\":\"U")).count(), 31, "thirty, and U901 of the second night");
    assert!(!named.iter().any(|it| it.contains("\"id\":\"same\"")), "an id that equals a personal field is hashed too");
}
