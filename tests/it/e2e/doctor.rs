//! Mistakes of an installation, planted one by one: `doctor` finds each and says what to do (issue "The operator's desk", 4).

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::support::db::Backend;
use crate::support::postgres;
use crate::support::vendor::{self, Site, csv, district};

const SMALL: &str = "pomegranate-charter";

/// What `doctor` finds that is not as it should be: (check, state, message).
async fn findings(site: &Site, words: &[&str]) -> Vec<(String, String, String)> {
    let ran = site.run(&[&["doctor", "--json"], words].concat()).await;
    let all = ran.json();
    let text = |it: &Value, key: &str| it[key].as_str().unwrap().to_owned();
    let all = all.as_array().unwrap().iter().map(|it| (text(it, "check"), text(it, "state"), text(it, "message")));
    let found: Vec<_> = all.filter(|(_, state, _)| state != "ok").collect();
    let failing = found.iter().any(|(_, state, _)| state == "failing");
    assert_eq!(ran.code, Some(i32::from(failing)), "{ran:#?}");
    found
}

#[track_caller]
fn names(found: &[(String, String, String)], planted: &str, (check, state): (&str, &str), words: &[&str]) {
    let met = |it: &&(String, String, String)| it.0 == check && it.1 == state;
    let said = found.iter().filter(met).any(|it| words.iter().all(|word| it.2.contains(word)));
    assert!(said, "{planted}: no {state} finding of `{check}` that says {words:?}: {found:#?}");
}

/// What was planted, by which settings, and the finding: check, state, and words of its message.
type Planted<'a> = (&'a str, String, (&'a str, &'a str), &'a [&'a str]);

const FAILING: &str = "failing";
const WARNING: &str = "warning";

fn feed_with(secret: &str) -> String {
    format!(
        r#"{{ kind = "oneroster", url = "https://roster.example/ims/oneroster/v1p1", auth = {{ kind = "bearer", token = {secret} }} }}"#
    )
}

fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    std::fs::write(path, bytes).unwrap();
}

/// A file's bytes as an editor that is set to UTF-16 writes them.
fn utf16(text: &str) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[tokio::test]
async fn mistakes_of_the_configuration_are_found_with_their_remedy() {
    let site = Site::sqlite().await;
    let manual = district(SMALL, r#"{ kind = "manual" }"#);
    let cases: [Planted<'_>; 10] = [
        (
            "an unknown key",
            "[schedule]\nnitely = \"02:00\"".to_owned(),
            ("configuration", FAILING),
            &["did you mean `nightly`"],
        ),
        (
            "a zone that is none",
            manual.replace("America/Chicago", "America/Chigaco"),
            ("configuration", FAILING),
            &["`district[0].time_zone`", "did you mean `America/Chicago`?"],
        ),
        (
            "a zone of another kind",
            manual.replace("America/Chicago", "Central"),
            ("configuration", FAILING),
            &["`Central` is no time zone", "IANA"],
        ),
        (
            "no zone",
            manual.replace("time_zone = \"America/Chicago\"\n", ""),
            ("configuration", FAILING),
            &["`district[0].time_zone` is missing"],
        ),
        (
            "http instead of https",
            district(SMALL, &feed_with(r#"{ env = "T" }"#).replace("https", "http")),
            ("configuration", FAILING),
            &["plain http", "use https"],
        ),
        (
            "a secret that the environment lacks",
            district(SMALL, &feed_with(r#"{ env = "NOT_SET" }"#)),
            ("secret", FAILING),
            &["NOT_SET is not set", "set it for the service"],
        ),
        (
            "a secret in plain text",
            district(SMALL, &feed_with(r#""canary""#)),
            ("secret", WARNING),
            &["plain text", "{ file = \"PATH\" }"],
        ),
        (
            "a guard that was switched off",
            format!("[guard]\nenabled = false\n{manual}"),
            ("guard", WARNING),
            &["nothing is held", "after the rehearsal"],
        ),
        ("nobody who is told", manual.clone(), ("notify", WARNING), &["nobody is told", "[[notify.target]]"]),
        (
            "students beside the feed",
            district(SMALL, &feed_with(r#"{ env = "T" }"#)) + "teachers_may_create_students = true\n",
            ("district", WARNING),
            &["has no seat", "take the line out"],
        ),
    ];
    for (planted, rest, kind, words) in cases {
        site.configure(&rest);
        let found = findings(&site, &["--offline"]).await;
        names(&found, planted, kind, words);
        assert!(found.iter().all(|it| !it.2.contains("canary")));
    }
    let text = std::fs::read(site.folder().join("rosterd.toml")).unwrap();
    let latin = [b"# Sch\xf6ntal\n".as_slice(), &text].concat();
    for (planted, bytes) in [("Latin-1", latin), ("UTF-16", utf16("[store]\n"))] {
        write(&site.folder().join("rosterd.toml"), bytes);
        let found = findings(&site, &["--offline"]).await;
        names(&found, planted, ("configuration", FAILING), &["rosterd.toml", "save it as UTF-8"]);
    }
    std::fs::remove_file(site.folder().join("rosterd.toml")).unwrap();
    let found = findings(&site, &["--offline"]).await;
    names(&found, "no such file", ("configuration", FAILING), &["cannot read the configuration", "check the path"]);
}

#[tokio::test]
async fn mistakes_of_files_and_folders_are_found_with_their_remedy() {
    let site = Site::sqlite().await;
    let at = |name: &str| site.folder().join(name);
    let secret = |name: &str| district(SMALL, &feed_with(&format!("{{ file = \"{}\" }}", at(name).display())));
    write(&at("file"), "x");
    write(&at("wide.secret"), utf16("abc"));
    write(&at("open.secret"), "abc");
    std::fs::set_permissions(at("open.secret"), std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::set_permissions(site.folder(), std::fs::Permissions::from_mode(0o755)).unwrap();
    write(&at("latin.toml"), b"# Sch\xf6ntal\n");
    write(&at("wrong.toml"), "[[product]]\ncode = \"reading\"\n");
    let good = std::fs::read_to_string(vendor::fixtures().join("catalog.toml")).unwrap();
    write(&at("good.toml"), good);
    let catalog = |name: &str| format!("[catalog]\npath = \"{}\"\n", at(name).display());
    let under_a_file = at("file").join("below").display().to_string();
    let cases: [Planted<'_>; 10] = [
        (
            "a secret's file that is not there",
            secret("no.secret"),
            ("secret", FAILING),
            &["no.secret", "check that it exists"],
        ),
        ("a secret in UTF-16", secret("wide.secret"), ("secret", FAILING), &["wide.secret", "save it as UTF-8"]),
        ("a secret that everyone may read", secret("open.secret"), ("secret", WARNING), &["open.secret", "chmod 600"]),
        ("no catalog", String::new(), ("catalog", WARNING), &["no one has a seat", "`catalog.path`"]),
        ("a catalog in Latin-1", catalog("latin.toml"), ("catalog", FAILING), &["latin.toml", "save it as UTF-8"]),
        ("a catalog with a mistake", catalog("wrong.toml"), ("catalog", FAILING), &["wrong.toml:", "missing"]),
        (
            "a district that is none",
            catalog("good.toml"),
            ("subscription", WARNING),
            &["not configured", "check the spelling"],
        ),
        (
            "a folder for reports that is not there",
            format!("[reports]\nfolder = \"{under_a_file}\"\n"),
            ("reports", FAILING),
            &["make the folder"],
        ),
        (
            "a folder for snapshots that cannot be",
            format!("[access]\nsnapshot_folder = \"{under_a_file}\"\nsnapshot_key = {{ env = \"NOT_SET\" }}\n"),
            ("snapshots", FAILING),
            &["make the folder"],
        ),
        (
            "a certificate that is not there",
            "[http]\ntls = { cert = \"no.pem\", key = \"no.key\" }\n".to_owned(),
            ("certificate", FAILING),
            &["no.pem"],
        ),
    ];
    for (planted, rest, kind, words) in cases {
        site.configure(&rest);
        names(&findings(&site, &["--offline"]).await, planted, kind, words);
    }
    site.configure("[changes]\nwebhook_url = \"https://app.example/\"\nwebhook_secret = { env = \"NOT_SET\" }\n");
    let found = findings(&site, &["--offline"]).await;
    names(&found, "a webhook without its secret", ("secret", FAILING), &["NOT_SET", "set it for the service"]);
}

#[tokio::test]
async fn mistakes_of_the_store_and_the_machine_are_found_with_their_remedy() {
    let mut site = Site::sqlite().await;
    let folder = site.folder().to_owned();
    write(&folder.join("file"), "x");
    write(&folder.join("not.db"), "this is no database at all, only text".repeat(100));
    let good = site.store_url.clone();
    for (planted, path, words) in [
        ("a folder that cannot be written", folder.join("file/rosterd.db"), &["check that its folder exists"][..]),
        ("a file that is no store", folder.join("not.db"), &["store"]),
    ] {
        site.store_url = format!("sqlite:{}", path.display());
        site.configure("");
        names(&findings(&site, &["--offline"]).await, planted, ("store", FAILING), words);
    }
    site.store_url = good;

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap();
    for (planted, address, kind, words) in [
        ("a port that another program has", port.to_string(), FAILING, &["another program has it", "`http.listen`"]),
        ("an address of another machine", "203.0.113.1:0".to_owned(), FAILING, &["no such address", "`http.listen`"]),
        ("plain HTTP for everyone", "0.0.0.0:0".to_owned(), WARNING, &["tokens included", "`http.tls`"]),
    ] {
        site.configure(&format!("[http]\nlisten = \"{address}\"\n"));
        names(&findings(&site, &["--offline"]).await, planted, ("address", kind), words);
    }

    let upload = folder.join("csv");
    vendor::world(SMALL).csv_folder(SMALL, 1, &upload).unwrap();
    let catalog = std::fs::read_to_string(vendor::fixtures().join("catalog.toml")).unwrap();
    let (before, of_small) = catalog.split_at(catalog.find("id = \"SUB-3001\"").unwrap());
    let school = of_small.split("school = \"").nth(1).unwrap().split('"').next().unwrap();
    write(&folder.join("catalog.toml"), format!("{before}{}", of_small.replacen(school, "no-such-school", 1)));
    let path = folder.join("catalog.toml").display().to_string();
    site.configure(&format!("[catalog]\npath = \"{path}\"\n{}", district(SMALL, &csv(&upload))));
    site.at("2100-10-06T07:00:00.000Z", &["sync", SMALL]).await;
    let found = findings(&site, &["--offline"]).await;
    names(&found, "a school that the roster lacks", ("subscription", FAILING), &["`no-such-school`", "NCES"]);
    names(&found, "a clock behind the store", ("clock", FAILING), &["2100-10-06", "set the clock right"]);
}

#[tokio::test]
async fn a_store_that_others_may_read_is_found() {
    let site = Site::sqlite().await;
    site.run(&["verify"]).await.exits(0);
    let store = site.folder().join("var/rosterd.db");
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(&store, 0o644);
    mode(store.parent().unwrap(), 0o755);
    names(&findings(&site, &["--offline"]).await, "a store for all", ("store", WARNING), &["chmod 600"]);
    mode(store.parent().unwrap(), 0o700);
    assert!(!findings(&site, &["--offline"]).await.iter().any(|it| it.0 == "store"));
}

#[tokio::test]
async fn mistakes_that_only_others_know_are_found_by_asking_them() {
    let site = Site::sqlite().await;
    let upload = site.folder().join("csv");
    vendor::world(SMALL).csv_folder(SMALL, 1, &upload).unwrap();
    let orgs = std::fs::read_to_string(upload.join("orgs.csv")).unwrap();
    let server = vendor::serve("mulberry-springs").await;
    let right = vendor::oauth1(&server, "mulberry-springs", "HMAC-SHA256");
    site.configure(&format!("{}{}", district("mulberry-springs", &right), district(SMALL, &csv(&upload))));
    let well = findings(&site, &[]).await;
    assert!(well.iter().all(|it| it.1 != FAILING), "{well:#?}");

    let mail = "[notify]\n[notify.smtp]\nhost = \"127.0.0.1\"\nport = 1\nsecurity = \"none\"\nfrom = \"r@example.com\"\n\
                [[notify.target]]\nid = \"operations\"\nemail = [\"o@example.com\"]\n";
    let cases: [(&str, String, &str, &[&str]); 4] = [
        (
            "a wrong secret",
            district("mulberry-springs", &right.replace("springs-secret", "springs-wrong")),
            "feed",
            &["refused the credential", "check the key and secret"],
        ),
        (
            "a server that is not there",
            district("d", &feed_with("\"t\"").replace("https://roster.example", "http://127.0.0.1:1")),
            "feed",
            &["check that the server is up"],
        ),
        ("no upload", district(SMALL, &csv(&site.folder().join("nothing"))), "feed", &["nothing", "check `path`"]),
        ("a mail server that is not there", mail.to_owned(), "notify", &["cannot be reached"]),
    ];
    for (planted, rest, check, words) in cases {
        site.configure(&rest);
        names(&findings(&site, &[]).await, planted, (check, FAILING), words);
    }
    site.configure(&district(SMALL, &csv(&upload)));
    for (planted, bytes, words) in [
        ("an upload in UTF-16", utf16(&orgs), &["orgs.csv", "export it as UTF-8"][..]),
        ("an upload without a column", orgs.replace("name", "title").into_bytes(), &["orgs.csv", "name"]),
    ] {
        write(&upload.join("orgs.csv"), bytes);
        names(&findings(&site, &[]).await, planted, ("feed", FAILING), words);
    }
}

/// F32: a signature is of an instant, and a clock that is off looks like a wrong key.
#[tokio::test]
async fn a_clock_that_is_off_is_seen_in_the_dates_of_a_feed() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = [0; 4096];
            if stream.read(&mut head).is_err() {
                continue;
            }
            let answer = "HTTP/1.1 401 Unauthorized\r\nDate: Mon, 06 Oct 2025 07:00:00 GMT\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    let site = Site::sqlite().await;
    site.configure(&district("d", &feed_with("\"t\"").replace("https://roster.example", &format!("http://{address}"))));
    let found = findings(&site, &[]).await;
    names(&found, "a clock that is off", ("clock", FAILING), &["ahead of that of the server of `d`", "NTP"]);
}

#[tokio::test]
async fn a_postgresql_that_is_not_migrated_is_found() {
    let Some(url) = postgres::bare_database().await else { return };
    let mut site = Site::new(Backend::Sqlite).await.unwrap();
    site.store_url = url;
    site.configure("");
    names(&findings(&site, &["--offline"]).await, "no schema", ("store", FAILING), &["run `rosterd migrate`"]);
    postgres::drop_database(&site.store_url).await;
    site.store_url = "postgres://rosterd:canary@127.0.0.1:1/rosterd".to_owned();
    site.configure("");
    names(&findings(&site, &["--offline"]).await, "no server", ("store", FAILING), &["check that the server is up"]);
}
