//! What people decide by hand (licensing.md, By hand): a verb and the seats that follow from it are one run.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::db::Backend;
use crate::support::place::once_more;
use crate::support::vendor::{self, NIGHT_1, NIGHT_2, NIGHT_3, NIGHT_4, NIGHT_5, Ran, Site};

/// A vendor's district, synced once.
pub(super) struct Installed {
    pub(super) site: Site,
    pub(super) district: &'static str,
}

impl Installed {
    /// None if PostgreSQL is missing here. `catalog` is the fixture's with some words replaced.
    pub(super) async fn on(backend: Backend, district: &'static str, catalog: &[(&str, &str)]) -> Option<Self> {
        let it = Self { site: Site::new(backend).await?, district };
        it.buy(catalog);
        it.sync(NIGHT_1).await;
        Some(it)
    }

    pub(super) async fn new(district: &'static str, catalog: &[(&str, &str)]) -> Self {
        Self::on(Backend::Sqlite, district, catalog).await.unwrap()
    }

    pub(super) fn fixture(&self) -> std::path::PathBuf {
        vendor::fixtures().join("vendors").join(self.district)
    }

    pub(super) fn buy(&self, replaced: &[(&str, &str)]) {
        let mut text = std::fs::read_to_string(self.fixture().join("catalog.toml")).unwrap();
        for (old, new) in replaced {
            assert!(text.contains(old), "{old}");
            text = text.replace(old, new);
        }
        let path = self.site.folder().join("catalog.toml");
        std::fs::write(&path, text).unwrap();
        let district = vendor::district(self.district, &vendor::csv(&self.fixture()));
        self.site.configure(&format!("[catalog]\npath = \"{}\"\n\n{district}", path.display()));
    }

    pub(super) async fn sync(&self, now: &str) -> Value {
        let run = self.site.sync(now, self.district).await.exits(0).json();
        self.site.verified().await;
        run
    }

    /// A verb in this district, told as words; whatever becomes of it, the store is clean.
    pub(super) async fn by_hand(&self, now: &str, words: &str) -> Ran {
        let words: Vec<&str> = words.split(' ').collect();
        let ran = self.site.at(now, &[&words[..], &["--district", self.district, "--json"]].concat()).await;
        self.site.verified().await;
        ran
    }

    pub(super) async fn seats(&self, product: &str) -> Value {
        let words = ["seats", "--district", self.district, "--product", product, "--json"];
        self.site.run(&words).await.exits(0).json()
    }

    pub(super) async fn holders(&self, product: &str) -> BTreeSet<String> {
        users(&self.seats(product).await["holders"]).into_iter().collect()
    }

    /// In the order of the line.
    pub(super) async fn line(&self, product: &str) -> Vec<String> {
        users(&self.seats(product).await["waitlist"])
    }

    /// The district's entries of one action.
    pub(super) async fn told(&self, action: &str) -> Vec<Value> {
        let entries = self.site.audit(self.district).await;
        let entries = entries.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        entries.filter(|it| it["action"] == action).collect()
    }

    pub(super) async fn state(&self) -> String {
        self.site.state(self.district).await
    }

    /// A refused verb leaves nothing behind, not even a run.
    pub(super) async fn refuses(&self, code: i32, words: &str, says: &[&str]) {
        let before = self.state().await;
        let runs = self.site.run(&["runs", "list", "--json"]).await.exits(0).out;
        self.by_hand(NIGHT_2, words).await.exits(code).says(says);
        assert_eq!(self.state().await, before);
        assert_eq!(self.site.run(&["runs", "list", "--json"]).await.exits(0).out, runs);
    }
}

fn users(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|it| it["user"].as_str().unwrap().to_owned()).collect()
}

pub(super) fn set<const N: usize>(ids: [&str; N]) -> BTreeSet<String> {
    ids.map(str::to_owned).into()
}

pub(super) async fn on_both<F: Future<Output = ()>>(story: impl Fn(Backend) -> F) {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        story(backend).await;
    }
}

/// S1.8, P40, U19.
#[tokio::test]
async fn a_pin_survives_every_sync_and_ends_after_its_last_day() {
    on_both(async |backend| {
        let Some(it) = Installed::on(backend, "site-license", &[("seats = 40", "seats = 50")]).await else { return };
        let without_class = "PB-U-049";
        assert!(!it.holders("practice").await.contains(without_class));
        let pin = "override set --user PB-U-049 --product practice --pin --reason asked --until 2025-10-07";
        let run = it.by_hand(NIGHT_1, pin).await.exits(0).json();
        assert_eq!(
            (&run["status"], &run["mode"], &run["seats"]["granted"]),
            (&"applied".into(), &"manual".into(), &1.into())
        );
        assert!(it.holders("practice").await.contains(without_class));

        it.sync(NIGHT_2).await;
        assert!(it.holders("practice").await.contains(without_class), "its last day is inclusive");
        let run = it.sync(NIGHT_3).await;
        assert_eq!(run["seats"]["released"], 1);
        assert!(!it.holders("practice").await.contains(without_class));

        let [entry] = &it.told("override.set").await[..] else { panic!("one entry") };
        assert_eq!((&entry["actor"], &entry["category"]), (&"cli:tester".into(), &"administrative".into()));
        assert_eq!((&entry["reason"], &entry["id"]), (&"asked".into(), &"practice/PB-U-049".into()));
        assert_eq!(entry["after"], serde_json::json!({ "kind": "pin", "until": "2025-10-07" }));
        it.by_hand(NIGHT_4, "override clear --user PB-U-049 --product practice --reason over").await.exits(0);
        assert_eq!(it.told("override.cleared").await.len(), 1);
        it.by_hand(NIGHT_4, "override clear --user PB-U-049 --product practice --reason over").await.exits(1);
        once_more(&it.site, it.district).await;
        it.site.discard().await;
    })
    .await;
}

/// S0.11: the seat is free for the next one in the same run.
#[tokio::test]
async fn an_exclude_frees_a_seat_for_the_first_in_line() {
    let it = Installed::new("active-students", &[("seats = 45", "seats = 38")]).await;
    let (line, holders) = (it.line("devices").await, it.holders("devices").await);
    assert!(line.len() > 1, "{line:?}");
    let loser = holders.first().unwrap();
    let words = format!("unassign --user {loser} --product devices --reason left");
    let run = it.by_hand(NIGHT_2, &words).await.exits(0).json();
    assert_eq!((&run["seats"]["released"], &run["seats"]["granted"]), (&1.into(), &1.into()));
    let mut expected = holders.clone();
    expected.remove(loser);
    expected.insert(line[0].clone());
    assert_eq!(it.holders("devices").await, expected);
    assert_eq!(it.line("devices").await, line[1..]);
    it.sync(NIGHT_3).await;
    assert_eq!(it.holders("devices").await, expected, "it survives the sync");
    assert_eq!(it.told("seat.released").await[0]["reason"], "excluded");
}

/// Eight seats of keyboarding, all taken.
async fn keyboarding_is_full() -> Installed {
    let it = Installed::new("by-assignment", &[]).await;
    assert_eq!(it.holders("keyboarding").await, set([]));
    let list = it.site.folder().join("list.csv");
    let ids: Vec<String> = (6..14).map(|n| format!("QV-U-{n:03}")).collect();
    std::fs::write(&list, format!("user\n{}\n", ids.join("\n"))).unwrap();
    let words = format!("assign --file {} --product keyboarding --reason start", list.display());
    let run = it.by_hand(NIGHT_1, &words).await.exits(0).json();
    assert_eq!(run["seats"]["granted"], 8);
    assert_eq!(it.holders("keyboarding").await, ids.into_iter().collect());
    it
}

/// S0.1, S0.4.
#[tokio::test]
async fn where_no_seat_is_free_assign_says_so_and_a_pin_waits() {
    let it = keyboarding_is_full().await;
    let words = "assign --user QV-U-020 --product keyboarding --reason more";
    it.refuses(1, words, &["0 licenses available of `keyboarding`, 1 needed"]).await;
    let words = "assign --class QV-CLS-B2 --product keyboarding --reason more";
    it.refuses(1, words, &["0 licenses available of `keyboarding`, 6 needed"]).await;
    let words = "override set --pin --user QV-U-020 --product keyboarding --reason more";
    it.by_hand(NIGHT_2, words).await.exits(0);
    assert_eq!(it.line("keyboarding").await, ["QV-U-020"]);
    it.by_hand(NIGHT_2, "unassign --user QV-U-006 --product keyboarding --reason done").await.exits(0);
    assert!(it.holders("keyboarding").await.contains("QV-U-020"));
    let [released] = &it.told("seat.released").await[..] else { panic!("one") };
    assert_eq!((&released["id"], &released["reason"]), (&"keyboarding/QV-U-006".into(), &"unassigned".into()));
}

/// S1.4, S0.7: nothing is decided before it is said, and then all of it or nothing; a plan says what it would be.
#[tokio::test]
async fn a_list_is_planned_and_then_carried_out_whole_or_not_at_all() {
    let it = keyboarding_is_full().await;
    let words = "unassign --user QV-U-006 QV-U-007 QV-U-999 --product keyboarding --reason left";
    it.refuses(2, words, &["no user `QV-U-999`"]).await;
    let words = "unassign --user QV-U-006 QV-U-007 QV-U-020 --product keyboarding --reason left";
    it.refuses(1, words, &["`QV-U-020`"]).await;
    let before = it.state().await;
    let words = "unassign --user QV-U-006 QV-U-007 --product keyboarding --reason left";
    let planned = it.by_hand(NIGHT_2, &format!("{words} --plan")).await.exits(0).json();
    assert_eq!((&planned["status"], &planned["seats"]["released"]), (&"planned".into(), &2.into()));
    let lines: Vec<&str> = planned["plan"]["lines"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let expected = [
        "! assignment.cleared keyboarding/QV-U-006",
        "! assignment.cleared keyboarding/QV-U-007",
        "- seat keyboarding/QV-U-006 back to district (unassigned)",
        "- seat keyboarding/QV-U-007 back to district (unassigned)",
    ];
    assert_eq!(lines, expected);
    assert_eq!(it.state().await, before, "a plan changes nothing");
    it.refuses(1, "assign --user QV-U-020 --product keyboarding --reason more --plan", &["0 licenses available"]).await;
    let run = it.by_hand(NIGHT_2, words).await.exits(0).json();
    assert_eq!(run["seats"], planned["seats"]);
    assert_eq!(it.holders("keyboarding").await.len(), 6);
}

/// S0.8: what a swap and a hand-over would do, seat by seat.
#[tokio::test]
async fn a_swap_and_a_reassignment_are_shown_before_they_are_made() {
    let it = keyboarding_is_full().await;
    it.by_hand(NIGHT_1, "assign --user QV-U-030 --product handwriting --reason start").await.exits(0);
    let before = it.state().await;
    for (words, lines) in [
        (
            "swap --user QV-U-006 --from keyboarding --to handwriting",
            ["+ seat handwriting/QV-U-006 from district", "- seat keyboarding/QV-U-006 back to district (unassigned)"],
        ),
        (
            "reassign --product keyboarding --from QV-U-006 --to QV-U-030",
            ["! seat.released keyboarding/QV-U-006", "! seat.granted keyboarding/QV-U-030"],
        ),
    ] {
        let planned = it.by_hand(NIGHT_2, &format!("{words} --plan")).await.exits(0).json();
        assert_eq!((&planned["seats"]["granted"], &planned["seats"]["released"]), (&1.into(), &1.into()), "{words}");
        let told = planned["plan"]["lines"].as_array().unwrap();
        assert!(lines.iter().all(|line| told.contains(&Value::from(*line))), "{words}: {told:?}");
        assert_eq!(it.state().await, before);
    }
}

/// S1.3: both or neither.
#[tokio::test]
async fn a_swap_releases_one_product_and_grants_the_other_or_does_nothing() {
    let it = keyboarding_is_full().await;
    it.by_hand(NIGHT_1, "assign --user QV-U-030 --product handwriting --reason start").await.exits(0);
    let words = "swap --user QV-U-030 --from handwriting --to keyboarding";
    it.refuses(1, words, &["0 licenses available of `keyboarding`"]).await;
    assert!(it.holders("handwriting").await.contains("QV-U-030"));
    it.by_hand(NIGHT_2, "unassign --user QV-U-006 --product keyboarding --reason done").await.exits(0);
    let run = it.by_hand(NIGHT_2, words).await.exits(0).json();
    assert_eq!((&run["seats"]["released"], &run["seats"]["granted"]), (&1.into(), &1.into()));
    assert_eq!(it.holders("handwriting").await, set([]));
    assert!(it.holders("keyboarding").await.contains("QV-U-030"));
    it.refuses(1, words, &["has no seat of `handwriting`"]).await;
}

/// S1.9: a class as it changes, less the exceptions.
#[tokio::test]
async fn a_class_is_assigned_with_exceptions_and_unassigned_again() {
    let it = Installed::new("by-assignment", &[]).await;
    let words = "assign --class QV-CLS-A1 --except QV-U-006 --product handwriting --reason start";
    it.by_hand(NIGHT_1, words).await.exits(0);
    let class = set(["QV-U-010", "QV-U-014", "QV-U-018", "QV-U-022", "QV-U-026", "QV-U-030", "QV-U-034"]);
    assert_eq!(it.holders("handwriting").await, class);
    it.sync(NIGHT_2).await;
    it.by_hand(NIGHT_2, "unassign --user QV-U-010 --product handwriting --reason moved").await.exits(0);
    assert!(!it.holders("handwriting").await.contains("QV-U-010"));
    let words = "unassign --class QV-CLS-A1 --except QV-U-014 --product handwriting --reason over";
    it.by_hand(NIGHT_2, words).await.exits(0);
    assert_eq!(it.holders("handwriting").await, set(["QV-U-014"]));
    it.refuses(1, words, &["is not assigned"]).await;
}

/// S0.5: the one exception to the order, and the audit says so.
#[tokio::test]
async fn a_reassigned_seat_passes_the_line_and_the_audit_says_so() {
    on_both(async |backend| {
        let catalog = [("seats = 45", "seats = 38")];
        let Some(it) = Installed::on(backend, "active-students", &catalog).await else { return };
        let (line, holders) = (it.line("devices").await, it.holders("devices").await);
        let (from, to) = (holders.first().unwrap(), &line[1]);
        let words = format!("reassign --product devices --from {from} --to {to} --reason agreed");
        let run = it.by_hand(NIGHT_2, &words).await.exits(0).json();
        assert_eq!((&run["seats"]["released"], &run["seats"]["granted"]), (&1.into(), &1.into()));
        let mut expected = holders.clone();
        expected.remove(from);
        expected.insert(to.clone());
        assert_eq!(it.holders("devices").await, expected);
        assert_eq!(it.line("devices").await.first(), line.first());
        let granted = it.told("seat.granted").await.pop().unwrap();
        let ahead = format!("reassigned, ahead of {} waiting: agreed", line.len() - 1);
        assert_eq!((&granted["id"], &granted["reason"]), (&format!("devices/{to}").into(), &ahead.into()));
        it.sync(NIGHT_3).await;
        assert_eq!(it.holders("devices").await, expected, "it survives the sync");
        let back = format!("reassign --product devices --from {from} --to {to}");
        it.by_hand(NIGHT_3, &back).await.exits(1).says(&["has no seat"]);
        it.site.discard().await;
    })
    .await;
}

/// S2.5, S2.6: derived, and nobody else is touched.
#[tokio::test]
async fn access_off_frees_exactly_the_students_without_another_teacher_who_is_on() {
    let it = Installed::new("site-license", &[("seats = 40", "seats = 50")]).await;
    let holders = it.holders("practice").await;
    let enrollments = std::fs::read_to_string(it.fixture().join("enrollments.csv")).unwrap();
    let rows: Vec<Vec<&str>> = enrollments.lines().map(|line| line.split(',').collect()).collect();
    let classes = |user: &str| -> BTreeSet<&str> {
        let of_user = rows.iter().filter(|row| row[5] == user && row[3] != "PB-CLS-OLD");
        of_user.map(|row| row[3]).collect()
    };
    let only = |class: &str| -> BTreeSet<String> {
        holders.iter().filter(|user| classes(user) == BTreeSet::from([class])).cloned().collect()
    };
    // Reading in the west has two teachers.
    it.by_hand(NIGHT_2, "access set --educator PB-U-006 --product practice --off").await.exits(0);
    assert_eq!(it.holders("practice").await, holders);
    let run = it.by_hand(NIGHT_2, "access set --educator PB-U-003 --product practice --off").await.exits(0).json();
    let freed = only("PB-CLS-E-MATH");
    assert_eq!((run["seats"]["released"].as_u64(), freed.len()), (Some(9), 9));
    assert_eq!(it.holders("practice").await, holders.difference(&freed).cloned().collect());
    let entry = it.told("access.changed").await.pop().unwrap();
    assert_eq!((&entry["category"], &entry["id"]), (&"role".into(), &"practice/PB-U-003".into()));
    it.sync(NIGHT_3).await;
    assert_eq!(it.holders("practice").await, holders.difference(&freed).cloned().collect());
    it.by_hand(NIGHT_3, "access set --educator PB-U-003 --product practice --on").await.exits(0);
    assert_eq!(it.holders("practice").await, holders);
    let words = "access set --educator PB-U-010 --product practice --off";
    it.by_hand(NIGHT_3, words).await.exits(1).says(&["no teacher"]);
}

/// S1.13.
#[tokio::test]
async fn a_rostered_district_refuses_an_educators_product_and_unknown_ids() {
    let it = Installed::new("by-assignment", &[]).await;
    let words = "assign --user QV-U-002 --product handwriting-teacher --reason asked";
    it.refuses(1, words, &["is rostered", "rostering platform"]).await;
    let words = "override set --pin --user QV-U-002 --product handwriting-teacher --reason asked";
    it.refuses(1, words, &["is rostered"]).await;
    let words = "assign --user QV-U-002 --product handwriting --reason asked";
    it.refuses(1, words, &["another audience"]).await;
    it.refuses(2, "assign --user QV-U-999 --product handwriting --reason asked", &["no user `QV-U-999`"]).await;
    it.refuses(2, "assign --user QV-U-006 --product hand --reason asked", &["no product `hand`", "handwriting"]).await;
    it.refuses(2, "assign --class QV-CLS-9 --product handwriting --reason asked", &["no class `QV-CLS-9`"]).await;
}

fn totals(rows: &Value) -> Vec<(String, u64)> {
    let rows = rows.as_array().unwrap().iter();
    let named =
        rows.map(|it| (it["school"].as_str().or(it["pool"].as_str()).unwrap().to_owned(), it["total"].as_u64()));
    named.map(|(name, total)| (name, total.unwrap())).collect()
}

/// S2.3, C15.
#[tokio::test]
async fn moved_seats_keep_the_sum_and_stay_until_the_catalog_itself_changes() {
    let it = Installed::new("site-license", &[]).await;
    let split = async |now: &str| {
        let words = ["licenses", "--district", it.district, "--by-school", "--json"];
        totals(&it.site.at(now, &words).await.exits(0).json())
    };
    let rows = |sum: u64, one: u64, two: u64, rest: u64| {
        let names = [("sum", sum), ("PB-SCH-1", one), ("PB-SCH-2", two), ("district", rest)];
        names.map(|(name, total)| (name.to_owned(), total)).to_vec()
    };
    assert_eq!(split(NIGHT_1).await, rows(40, 22, 18, 0));
    let moves = |from: &str, n: &str| {
        let to = if from == "PB-SCH-1" { "PB-SCH-2" } else { "PB-SCH-1" };
        ["move-seats", "--subscription", "PB-1001", "--from", from, "--to", to, "--seats", n, "--json"]
            .map(str::to_owned)
    };
    let ran = async |now: &str, words: [String; 10]| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ran = it.site.at(now, &words).await;
        it.site.verified().await;
        ran
    };
    ran(NIGHT_1, moves("PB-SCH-2", "3")).await.exits(0);
    assert_eq!(split(NIGHT_1).await, rows(40, 25, 15, 0));
    let entry = it.told("subscription.changed").await.pop().unwrap();
    assert_eq!((&entry["category"], &entry["id"]), (&"license".into(), &"PB-1001".into()));
    ran(NIGHT_1, moves("PB-SCH-2", "16")).await.exits(1).says(&["has 15 seats"]);

    it.buy(&[("licensed_to = \"Paddleboat County Schools\"", "licensed_to = \"Paddleboat\"")]);
    it.sync(NIGHT_2).await;
    assert_eq!(split(NIGHT_2).await, rows(40, 25, 15, 0), "another value of the catalog leaves the split alone");
    it.buy(&[("seats = 22 }", "seats = 20, locked = true }")]);
    it.sync(NIGHT_3).await;
    assert_eq!(split(NIGHT_3).await, rows(40, 20, 18, 2), "the catalog's own value counts once it changes");
    ran(NIGHT_3, moves("PB-SCH-1", "1")).await.exits(1).says(&["locked"]);
    assert_eq!(split(NIGHT_3).await, rows(40, 20, 18, 2));
    it.buy(&[]);
    it.sync(NIGHT_4).await;
    assert_eq!(split(NIGHT_4).await, rows(40, 22, 18, 0), "a split that is over stays so, whatever the catalog says");
    it.site.verified().await;
    let that_day = ["licenses", "--district", it.district, "--by-school", "--at", "2025-10-09", "--json"];
    assert_eq!(totals(&it.site.at(NIGHT_5, &that_day).await.exits(0).json()), rows(40, 22, 18, 0));
}
