//! `seats import`: the seats that people have today become kept seats with their dates (licensing.md, By hand; P44, P50).

use serde_json::{Value, json};

use super::manual::{Installed, on_both, set};
use crate::support::db::Backend;
use crate::support::vendor::{NIGHT_1, NIGHT_2, NIGHT_3, NIGHT_4, Site};

/// Of forty students in demand; by id, by number, by email in another case, and rows that come to nothing.
const FILE: &str = "product,user,student number,email,school,assigned,last used
devices,WP-U-045,,,WP1,2024-09-01,2025-10-01
devices,,WP00044,,,2024-09-02,
devices,,,Umber.Jamjar10@windmill.example,Nowhere,2024-09-03,
devices,WP-U-002,,,,,
devices,WP-U-046,,,,,
devices,WP-U-999,,,,,
pens,WP-U-045,,,,,
devices,WP-U-045,,,,,
";

impl Installed {
    fn file(&self, text: &str) -> String {
        let path = self.site.folder().join("seats.csv");
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// `seats import` of a file with this text; the answer in JSON.
    async fn import(&self, now: &str, text: &str, more: &[&str]) -> Value {
        let file = self.file(text);
        let words = ["seats", "import", &file, "--district", self.district, "--json"];
        let ran = self.site.at(now, &[&words, more].concat()).await.exits(0);
        self.site.verified().await;
        ran.json()
    }

    async fn since(&self, product: &str) -> Vec<(String, String)> {
        let holders = self.seats(product).await["holders"].clone();
        let holders = holders.as_array().unwrap().iter();
        let text = |it: &Value, field: &str| it[field].as_str().unwrap().to_owned();
        holders.map(|it| (text(it, "user"), text(it, "since"))).collect()
    }
}

/// P50: the seats there are meet the first sync, and only what is missing is granted.
#[tokio::test]
async fn seats_imported_while_the_first_sync_is_in_review_are_kept_when_it_is_approved() {
    on_both(async |backend| {
        let Some(site) = Site::new(backend).await else { return };
        let it = Installed { site, district: "active-students" };
        let review = |it: &Installed| {
            it.buy(&[("seats = 45", "seats = 38")]);
            let path = it.site.folder().join("rosterd.toml");
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text.replace("first_sync = \"apply\"", "first_sync = \"review\"")).unwrap();
        };
        review(&it);
        let file = it.file(FILE);
        let words = ["seats", "import", &file, "--district", it.district];
        it.site.at(NIGHT_1, &words).await.exits(1).says(&["is not known yet", "sync it first"]);
        it.site.sync(NIGHT_1, it.district).await.exits(3);

        let planned = it.import(NIGHT_1, FILE, &["--plan"]).await;
        assert_eq!(planned["run"], Value::Null);
        assert_eq!(it.holders("devices").await, set([]), "a plan changes nothing");
        let done = it.import(NIGHT_1, FILE, &[]).await;
        assert_eq!(done["report"], planned["report"]);
        let report = &done["report"];
        assert_eq!(
            report["outcomes"],
            json!({ "matched": 3, "unknown_user": 1, "unknown_product": 1, "wrong_audience": 1, "no_demand": 1, "repeated": 1 })
        );
        let line = |at: usize| &report["lines"][at];
        assert_eq!((&line(0)["matched_by"], &line(0)["weak"]), (&json!("user"), &json!(false)));
        assert_eq!((&line(1)["matched_by"], &line(1)["user"]), (&json!("student_number"), &json!("WP-U-044")));
        assert_eq!((&line(2)["matched_by"], &line(2)["weak"]), (&json!("email"), &json!(true)), "never silently");
        assert_eq!((&report["weak"], &report["pool_unknown"]), (&json!(1), &json!(1)));
        assert_eq!(report["before_first_sync"], true);
        assert_eq!((&done["run"]["status"], &done["run"]["seats"]["granted"]), (&json!("applied"), &json!(3)));
        assert!(!done.to_string().contains("windmill.example"), "no address is repeated");
        let imported = set(["WP-U-010", "WP-U-044", "WP-U-045"]);
        assert_eq!(it.holders("devices").await, imported);

        // The next night is still in review, and so are the seats; a second import changes nothing.
        let held = it.site.sync(NIGHT_2, it.district).await.exits(3).json();
        it.site.verified().await;
        assert_eq!((&held["seats"]["bridged"], it.holders("devices").await), (&json!(3), imported.clone()));
        let before = it.state().await;
        let again = it.import(NIGHT_2, FILE, &[]).await;
        assert_eq!((&again["run"], &again["report"]["outcomes"]["already_has_one"]), (&Value::Null, &json!(4)));
        assert_eq!(it.state().await, before);

        let run = held["run"].as_str().unwrap();
        it.site.at(NIGHT_2, &["runs", "approve", run, "--json"]).await.exits(0);
        it.site.verified().await;
        let since = it.since("devices").await;
        assert_eq!(since.len(), 38);
        for (user, day) in [("WP-U-045", "2024-09-01"), ("WP-U-044", "2024-09-02"), ("WP-U-010", "2024-09-03")] {
            assert!(since.contains(&(user.to_owned(), format!("{day}T05:00:00.000Z"))), "{user}: {since:?}");
        }
        let told = it.told("seat.granted").await;
        let imports: Vec<&Value> = told.iter().filter(|it| it["reason"] == "import").collect();
        assert_eq!((imports.len(), &imports[0]["category"]), (3, &json!("license")));
        let run = it.sync(NIGHT_3).await;
        assert_eq!((&run["status"], it.since("devices").await), (&json!("unchanged"), since));
        it.site.discard().await;
    })
    .await;
}

/// Invariants 1 and 9: over capacity if need be, and nobody loses a seat.
#[tokio::test]
async fn an_import_after_the_first_sync_goes_over_capacity_and_takes_nothing_from_anyone() {
    on_both(async |backend| {
        let Some(it) = Installed::on(backend, "active-students", &[("seats = 45", "seats = 38")]).await else { return };
        let (line, mut expected) = (it.line("devices").await, it.holders("devices").await);
        assert_eq!((line.len(), expected.len()), (2, 38));
        let text = format!("user,product,assigned\n{},devices,2024-09-01\nWP-U-006,devices,2024-09-01\n", line[0]);
        let done = it.import(NIGHT_2, &text, &["--reason", "taken over"]).await;
        let report = &done["report"];
        assert_eq!((&report["over_capacity"], &report["before_first_sync"]), (&json!(1), &json!(false)));
        assert_eq!(
            report["products"],
            json!([{ "product": "devices", "imported": 1, "seats": 39, "total": 38, "over": 1 }])
        );
        expected.insert(line[0].clone());
        assert_eq!(it.holders("devices").await, expected);
        assert_eq!(it.line("devices").await, line[1..]);
        let granted = it.told("seat.granted").await.pop().unwrap();
        assert_eq!((&granted["reason"], &granted["actor"]), (&json!("import: taken over"), &json!("cli:tester")));
        it.sync(NIGHT_3).await;
        assert_eq!(it.holders("devices").await, expected, "it survives the sync");
        it.site.discard().await;
    })
    .await;
}

/// S0.10, S1.13: an assigned seat rests on an assignment, which for an educator of a rostered district nobody may make here.
#[tokio::test]
async fn imported_seats_of_an_assigned_product_are_assignments() {
    let it = Installed::new("by-assignment", &[]).await;
    let text = "product,user,claimed\nkeyboarding,QV-U-006,2025-09-02\nhandwriting-teacher,QV-U-002,\n";
    let done = it.import(NIGHT_1, text, &[]).await;
    assert_eq!(done["report"]["outcomes"], json!({ "matched": 1, "feed_decides": 1 }));
    assert_eq!(it.told("assignment.set").await.len(), 1);
    it.sync(NIGHT_2).await;
    assert_eq!(it.holders("keyboarding").await, set(["QV-U-006"]));
    let holder = &it.seats("keyboarding").await["holders"][0];
    let day = "2025-09-02T05:00:00.000Z";
    assert_eq!(
        (&holder["claimed_at"], &holder["since"]),
        (&json!(day), &json!(day)),
        "had since the first use at the latest"
    );
    it.by_hand(NIGHT_2, "unassign --user QV-U-006 --product keyboarding --reason over").await.exits(0);
    assert_eq!(it.holders("keyboarding").await, set([]));
}

/// Nothing half done, and no value of the file is repeated.
#[tokio::test]
async fn a_bad_file_says_line_and_column_and_imports_nothing() {
    let it = Installed::on(Backend::Sqlite, "active-students", &[]).await.unwrap();
    let before = it.state().await;
    let refuses = async |text: &str, code: i32, says: &[&str]| {
        let file = it.file(text);
        let ran = it.site.at(NIGHT_4, &["seats", "import", &file]).await.exits(code);
        assert!(!ran.said().contains("secret@home.example"), "{ran:?}");
        ran.says(says);
        assert_eq!(it.state().await, before);
    };
    let text = "product,email,assigned\ndevices,secret@home.example,soon\n";
    refuses(text, 2, &["seats.csv: line 2, column `assigned`", "nothing of it was imported"]).await;
    refuses("product,user\ndevices,WP-U-006\ndevices\n", 2, &["line 3: the row has more or fewer fields"]).await;
    refuses("email\nsecret@home.example\n", 2, &["column `product`: the header lacks"]).await;
    refuses("product,email\ndevices,secret@home.example\n", 1, &["no such user", "nothing to import"]).await;
    it.site.at(NIGHT_4, &["seats", "import", "nowhere.csv"]).await.exits(2).says(&["cannot read nowhere.csv"]);
    it.site.run(&["seats", "--product", "devices"]).await.exits(2).says(&["--district"]);
}
