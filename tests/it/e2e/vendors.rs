//! One story per vendor page, S0 to S4, told by the program itself: each on both databases, against golden output, and once
//! more at the end, when nothing may change. `INSTA_UPDATE=always` writes the stories anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::db::Backend;
use crate::support::vendor::{self, NIGHT_1, NIGHT_2, NIGHT_3, NIGHT_4, Ran, Site};

/// A vendor's fixture installed once on each database, over the same upload, and what was said so far.
struct Story {
    district: &'static str,
    upload: tempfile::TempDir,
    sites: Vec<Site>,
    told: String,
}

impl Story {
    async fn of(district: &'static str) -> Self {
        let upload = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(fixture(district)).unwrap() {
            let from = entry.unwrap().path();
            std::fs::copy(&from, upload.path().join(from.file_name().unwrap())).unwrap();
        }
        let mut sites = vec![Site::sqlite().await];
        sites.extend(Site::new(Backend::Postgres).await);
        let it = Self { district, upload, sites, told: String::new() };
        it.buy(|catalog| catalog);
        it
    }

    /// The catalog as the vendor sells it now.
    fn buy(&self, change: impl Fn(String) -> String) {
        let catalog = change(std::fs::read_to_string(fixture(self.district).join("catalog.toml")).unwrap());
        for site in &self.sites {
            let path = site.folder().join("catalog.toml");
            std::fs::write(&path, &catalog).unwrap();
            let district = vendor::district(self.district, &vendor::csv(self.upload.path()));
            site.configure(&format!("[catalog]\npath = \"{}\"\n\n{district}", path.display()));
        }
    }

    /// Changes a file of the upload.
    fn edit(&self, file: &str, change: impl Fn(String) -> String) {
        let path = self.upload.path().join(file);
        let before = std::fs::read_to_string(&path).unwrap();
        let after = change(before.clone());
        assert_ne!(before, after, "{file}");
        std::fs::write(&path, after).unwrap();
    }

    fn says(&mut self, words: &str) {
        writeln!(self.told, "\n# {words}\n").unwrap();
    }

    /// Runs a command on both databases, which must answer alike, and tells of it.
    async fn run(&mut self, now: &str, code: i32, line: &str) -> Ran {
        let words: Vec<&str> = line.split(' ').collect();
        let mut said: Option<Ran> = None;
        for site in &self.sites {
            let ran = site.at(now, &words).await.exits(code);
            site.verified().await;
            if let Some(first) = &said {
                assert_eq!(first.said(), ran.said(), "`{line}` differs between SQLite and PostgreSQL");
            }
            said.get_or_insert(ran);
        }
        let ran = said.unwrap();
        writeln!(self.told, "{now} $ rosterd {line}\n{}", ran.said()).unwrap();
        ran
    }

    async fn sync(&mut self, now: &str) {
        let line = format!("sync {}", self.district);
        self.run(now, 0, &line).await;
    }

    async fn licenses(&mut self, now: &str) -> Value {
        let line = format!("licenses --district {}", self.district);
        self.run(now, 0, &line).await;
        self.sites[0].at(now, &["licenses", "--district", self.district, "--json"]).await.exits(0).json()
    }

    async fn holders(&self, now: &str, product: &str) -> Vec<String> {
        let words = ["seats", "--district", self.district, "--product", product, "--json"];
        let seats = self.sites[0].at(now, &words).await.exits(0).json();
        seats["holders"].as_array().unwrap().iter().map(|it| it["user"].as_str().unwrap().to_owned()).collect()
    }

    /// The same once more changes nothing; the story as it is told stands in `fixtures/scenarios`.
    async fn ends(self, now: &str) {
        for site in &self.sites {
            let before = site.state(self.district).await;
            let run = site.sync(now, self.district).await.exits(0).json();
            assert_eq!(run["status"], "unchanged", "{run:#}");
            assert_eq!(site.state(self.district).await, before);
        }
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(vendor::fixtures().join("scenarios"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(format!("vendor-{}", self.district), self.told));
        for site in self.sites {
            site.discard().await;
        }
    }
}

fn fixture(district: &str) -> PathBuf {
    Path::new(&vendor::fixtures()).join("vendors").join(district)
}

/// S0.1, S0.2, S0.4, S0.5, S0.7, S0.8, S0.10, S0.11, S1.1, S1.3, S1.6, S1.7, S1.9, S1.11, S3.28: Learning Without Tears. A full
/// pool refuses and says how many are left, frees and grants in one run, and a seat can be handed on by name.
#[tokio::test]
async fn s0_learning_without_tears() {
    let mut it = Story::of("by-assignment").await;
    it.sync(NIGHT_1).await;
    it.says(
        "Three of four classes fill 30 seats but for a few; the fourth class does not fit and nobody of it is seated.",
    );
    for (class, code) in [("QV-CLS-A1", 0), ("QV-CLS-A2", 0), ("QV-CLS-B1", 0), ("QV-CLS-B2", 1)] {
        let line = format!("assign --district by-assignment --product handwriting --class {class} --reason start");
        it.run(NIGHT_1, code, &line).await;
    }
    it.says("Eight children take keyboarding; the ninth is told that there are 0.");
    for user in 6..14 {
        let line =
            format!("assign --district by-assignment --product keyboarding --user QV-U-{user:03} --reason start");
        it.run(NIGHT_2, 0, &line).await;
    }
    it.run(NIGHT_2, 1, "assign --district by-assignment --product keyboarding --user QV-U-020 --reason more").await;
    it.says("Who is pinned waits, and has the seat in the same run in which another gives it up.");
    let pin = "override set --district by-assignment --user QV-U-020 --product keyboarding --pin --reason testing";
    it.run(NIGHT_2, 0, pin).await;
    it.licenses(NIGHT_2).await;
    let ran =
        it.run(NIGHT_3, 0, "unassign --district by-assignment --product keyboarding --user QV-U-006 --reason left");
    ran.await.says(&["1 granted, 1 released"]);
    it.says("A seat is handed on by name, a product changed for another.");
    it.run(NIGHT_3, 0, "reassign --district by-assignment --product keyboarding --from QV-U-007 --to QV-U-021").await;
    it.run(NIGHT_3, 1, "swap --district by-assignment --user QV-U-014 --from handwriting --to keyboarding").await;
    it.sync(NIGHT_4).await;
    it.licenses(NIGHT_4).await;
    it.ends(NIGHT_4).await;
}

/// S1.2, S1.8 to S1.14, C5, P40, U19: the same vendor's rostered districts. The feed decides on educators; a student's product is
/// adjusted by hand, alone or by class, and the nightly sync leaves it so.
#[tokio::test]
async fn s1_a_rostered_district_adjusts_students_and_not_educators() {
    let mut it = Story::of("rostered").await;
    it.sync(NIGHT_1).await;
    it.licenses(NIGHT_1).await;
    it.says("Educators are changed in the rostering platform.");
    it.run(NIGHT_1, 1, "assign --district rostered --product writing-teacher --user HM-U-003 --reason asked").await;
    it.run(NIGHT_1, 1, "unassign --district rostered --product writing-teacher --user HM-U-002 --reason asked").await;
    it.says("A fifth grader is pinned, one child and a whole class but one are taken out, and it stays so.");
    let pin =
        "override set --district rostered --user HM-U-015 --product writing --pin --reason pilot --until 2025-10-08";
    it.run(NIGHT_1, 0, pin).await;
    it.run(NIGHT_1, 0, "unassign --district rostered --product writing --user HM-U-006 --reason parents").await;
    it.run(
        NIGHT_1,
        0,
        "unassign --district rostered --product writing --class HM-CLS-2 --except HM-U-011 --reason pilot",
    )
    .await;
    let chosen = it.holders(NIGHT_1, "writing").await;
    it.sync(NIGHT_2).await;
    assert_eq!(it.holders(NIGHT_2, "writing").await, chosen);
    it.edit("users.csv", |users| users.replace("Quince,Saltmarsh", "Quince,Saltmarsh-Reed"));
    it.sync(NIGHT_3).await;
    assert_eq!(it.holders(NIGHT_3, "writing").await, chosen, "a changed name changes no seat");
    it.says("The pin's last day has passed.");
    it.sync(NIGHT_4).await;
    assert!(!it.holders(NIGHT_4, "writing").await.contains(&"HM-U-015".to_owned()));
    it.licenses(NIGHT_4).await;
    it.ends(NIGHT_4).await;
}

/// S2.1 to S2.6, S2.12, S2.13, S2.15, S2.17, C15, C19: `ScootPad`. A teacher OFF frees exactly the students who have no other teacher
/// who is ON; seats move between buildings; two accounts of a child are two.
#[tokio::test]
async fn s2_scootpad() {
    let mut it = Story::of("site-license").await;
    it.sync(NIGHT_1).await;
    it.licenses(NIGHT_1).await;
    it.run(NIGHT_1, 0, "licenses --district site-license --by-school").await;
    it.says("Reading in the west has another teacher who is ON: nobody loses a seat. Math in the east has not.");
    it.run(NIGHT_2, 0, "access set --district site-license --educator PB-U-006 --product practice --off").await;
    it.run(NIGHT_2, 0, "access set --district site-license --educator PB-U-003 --product practice --off").await;
    it.says("Seats move from the school that has some left.");
    it.run(NIGHT_2, 0, "move-seats --subscription PB-1001 --from PB-SCH-1 --to PB-SCH-2 --seats 2").await;
    it.run(NIGHT_2, 0, "licenses --district site-license --by-school").await;
    it.sync(NIGHT_3).await;
    it.says("ON again: they are back, as long as there are seats.");
    it.run(NIGHT_3, 0, "access set --district site-license --educator PB-U-003 --product practice --on").await;
    it.run(NIGHT_3, 0, "licenses --district site-license --by-school").await;
    it.ends(NIGHT_4).await;
}

/// S3.5 to S3.13, S3.21, S3.23, S3.25, C10, C20: Master Teacher. Roles make seats, a changed role changes the seat, a combined
/// license stands for its parts; after expiry there is grace, and a renewal rebuilds nothing.
#[tokio::test]
async fn s3_master_teacher() {
    let mut it = Story::of("role-based").await;
    let enough = |catalog: String| catalog.replace("seats = 20", "seats = 24");
    it.buy(enough);
    it.sync(NIGHT_1).await;
    it.licenses(NIGHT_1).await;
    it.says("A teacher becomes a principal and has the combined license; a proctor teaches.");
    it.edit("users.csv", |users| {
        users
            .replace("LB-U-011,,,true,LB-SCH-1,teacher", "LB-U-011,,,true,LB-SCH-1,principal")
            .replace("LB-U-006,,,true,LB-SCH-1,proctor", "LB-U-006,,,true,LB-SCH-1,teacher")
    });
    it.sync(NIGHT_2).await;
    it.licenses(NIGHT_2).await;
    let (learn, combined) = (it.holders(NIGHT_2, "learn").await, it.holders(NIGHT_2, "learn-and-observe").await);
    assert!(combined.contains(&"LB-U-011".to_owned()) && !learn.contains(&"LB-U-011".to_owned()));
    assert!(learn.contains(&"LB-U-006".to_owned()));
    it.says("The year is over: two weeks of grace, then the seats rest.");
    it.sync("2026-07-05T07:00:00Z").await;
    it.licenses("2026-07-05T07:00:00Z").await;
    it.sync("2026-07-20T07:00:00Z").await;
    it.licenses("2026-07-20T07:00:00Z").await;
    it.says("Renewed late: the same people, and no seat was rebuilt.");
    it.buy(|catalog| {
        let renewal = |old: &str, new: &str, product: &str, seats: u32| {
            format!(
                "\n[[subscription]]\nid = \"{new}\"\ndistrict = \"role-based\"\nproduct = \"{product}\"\nseats = {seats}\n\
                 starts_on = 2026-07-01\nexpires_on = 2027-06-30\ngrace_days = 14\nrenews = \"{old}\"\n\
                 licensed_to = \"Lighthouse Bay Schools\"\n"
            )
        };
        enough(catalog)
            + &renewal("LB-1001", "LB-2001", "learn", 24)
            + &renewal("LB-1002", "LB-2002", "observe", 10)
            + &renewal("LB-1003", "LB-2003", "learn-and-observe", 4)
    });
    it.sync("2026-07-22T07:00:00Z").await;
    it.licenses("2026-07-22T07:00:00Z").await;
    assert_eq!(it.holders("2026-07-22T07:00:00Z", "learn").await, learn);
    it.ends("2026-07-22T08:00:00Z").await;
}

/// S4.5 to S4.9, S4.13, S4.16 to S4.19, S4.33, S4.35, S4.36, S4.39, S4.46: Manage1to1. Of 1,000 seats with threshold 50, 949 used are green,
/// 950 yellow and 1,000 red; staff, disabled and graduated accounts never count; who is disabled frees a seat.
#[tokio::test]
async fn s4_manage1to1() {
    let mut it = Story::of("active-students").await;
    it.buy(|catalog| {
        catalog.replace("seats = 45", "seats = 1000").replace("alert_remaining = 5", "alert_remaining = 50")
    });
    let students = |from: usize, to: usize| {
        move |users: String| {
            let more = (from..=to).map(|n| {
                format!("WP-N-{n:04},,,true,WP-SCH-1,student,new{n},,New,Student,,WPN{n:04},new{n}@windmill.example,,,,09,\n")
            });
            users + &more.collect::<String>()
        }
    };
    // The fixture has 40 active students.
    it.edit("users.csv", students(1, 909));
    let mut levels = Vec::new();
    let night = "2025-10-06T07:00:00Z";
    it.sync(night).await;
    levels.push(it.licenses(night).await[0].clone());
    it.says("One more: the alert begins.");
    it.edit("users.csv", students(910, 910));
    it.sync(NIGHT_2).await;
    levels.push(it.licenses(NIGHT_2).await[0].clone());
    it.says("Fifty more: full.");
    it.edit("users.csv", students(911, 960));
    it.sync(NIGHT_3).await;
    levels.push(it.licenses(NIGHT_3).await[0].clone());
    let seen: Vec<(u64, &str, u64)> = levels
        .iter()
        .map(|row| {
            let number = |key: &str| row[key].as_u64().unwrap();
            (number("assigned"), row["level"].as_str().unwrap(), number("available"))
        })
        .collect();
    assert_eq!(seen, [(949, "green", 51), (950, "yellow", 50), (1000, "red", 0)]);
    it.says("Two more wait; two who left are disabled, and the seats are theirs in the same night.");
    it.edit("users.csv", |users| {
        let disabled =
            users.replace("WP-N-0001,,,true", "WP-N-0001,,,false").replace("WP-N-0002,,,true", "WP-N-0002,,,false");
        students(961, 962)(disabled)
    });
    it.sync(NIGHT_4).await;
    it.licenses(NIGHT_4).await;
    it.ends(NIGHT_4).await;
}
