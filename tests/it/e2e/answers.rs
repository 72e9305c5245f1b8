//! What support asks (licensing.md, Explain): who is this, why has this child not got it, who uses what.

use serde_json::{Value, json};

use crate::support::db::Backend;
use crate::support::vendor::{self, NIGHT_1, NIGHT_2, Ran, Site};

const DISTRICT: &str = "site-license";
/// In a class, and the last in line for `practice`.
const LAST_IN_LINE: &str = "PB-U-024";
/// Has a seat of `practice`.
const SEATED: &str = "PB-U-007";
/// In no class.
const WITHOUT_CLASS: &str = "PB-U-049";
const NOON: &str = "2025-10-06T17:00:00.000Z";

/// A district with a product of basis `enrolled`, and one seat of another that the first use draws.
struct Installed {
    site: Site,
}

impl Installed {
    async fn on(backend: Backend) -> Option<Self> {
        let site = Site::new(backend).await?;
        let fixture = vendor::fixtures().join("vendors").join(DISTRICT);
        let library = "\n[[product]]\ncode = \"library\"\nname = \"Library\"\naudience = \"student\"\n\
             basis = \"first_use\"\n\n[[subscription]]\nid = \"LIB-1\"\ndistrict = \"site-license\"\n\
             product = \"library\"\nseats = 1\nstarts_on = 2025-07-01\nexpires_on = 2026-06-30\n";
        let catalog = site.folder().join("catalog.toml");
        let text = std::fs::read_to_string(fixture.join("catalog.toml")).unwrap();
        std::fs::write(&catalog, text + library).unwrap();
        let district = vendor::district(DISTRICT, &vendor::csv(&fixture));
        site.configure(&format!("[catalog]\npath = \"{}\"\n\n{district}", catalog.display()));
        site.sync(NIGHT_1, DISTRICT).await.exits(0);
        Some(Self { site })
    }

    async fn explain(&self, now: &str, user: &str, product: &str) -> Value {
        let words = ["explain", "--district", DISTRICT, "--user", user, "--product", product, "--json"];
        self.site.at(now, &words).await.exits(0).json()
    }

    async fn used(&self, now: &str, lines: &[Value]) -> Ran {
        let file = self.site.folder().join("use.jsonl");
        let text: Vec<String> = lines.iter().map(ToString::to_string).collect();
        std::fs::write(&file, text.join("\n")).unwrap();
        let words = ["activity", "import", file.to_str().unwrap(), "--district", DISTRICT, "--json"];
        let ran = self.site.at(now, &words).await;
        self.site.verified().await;
        ran
    }

    async fn seats(&self, product: &str) -> Value {
        let words = ["seats", "--district", DISTRICT, "--product", product, "--json"];
        self.site.run(&words).await.exits(0).json()
    }
}

fn link<'a>(answer: &'a Value, name: &str) -> &'a Value {
    answer["chain"].as_array().unwrap().iter().find(|it| it["link"] == name).unwrap()
}

fn opened(user: &str, product: &str, first: &str, last: &str) -> Value {
    json!({ "user": user, "product": product, "first_used_at": first, "last_used_at": last })
}

/// S3.32, S3.33, U12, U13, U23, C6.
#[tokio::test]
async fn explain_names_the_first_broken_link_and_who_must_act() {
    let it = Installed::on(Backend::Sqlite).await.unwrap();
    let seated = it.explain(NIGHT_1, SEATED, "practice").await;
    assert_eq!((&seated["access"], &seated["broken"], &seated["who"]), (&"yes".into(), &Value::Null, &"nobody".into()));
    assert_eq!(seated["ticket"], Value::Null);
    assert_eq!(seated["clocks"]["roster"], NIGHT_1);
    assert_eq!(seated["clocks"]["entitlement"], "2026-06-30");

    let waiting = it.explain(NIGHT_1, LAST_IN_LINE, "practice").await;
    assert_eq!((&waiting["broken"], &waiting["who"]), (&"seats".into(), &"district".into()));
    assert_eq!(waiting["line"]["position"], 2);
    assert_eq!(waiting["line"]["ahead"], json!([{ "rule": "shuffle", "count": 1, "users": ["PB-U-048"] }]));
    let actions: Vec<&str> =
        waiting["audit"].as_array().unwrap().iter().map(|it| it["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["user.added", "enrollment.added", "seat.waiting"]);

    let idle = it.explain(NIGHT_1, WITHOUT_CLASS, "practice").await;
    assert_eq!((&idle["broken"], &idle["who"]), (&"class".into(), &"source".into()));
    let teacher = it.explain(NIGHT_1, "PB-U-005", "library").await;
    assert_eq!(teacher["broken"], "demand");
    assert_eq!(link(&teacher, "role")["ok"], false);
    let saw = json!({ "condition": "audience", "wanted": ["student"], "saw": ["teacher"], "met": false });
    assert!(link(&teacher, "demand")["conditions"].as_array().unwrap().contains(&saw));
    let nobody = it.explain(NIGHT_1, "nobody", "practice").await;
    assert_eq!((&nobody["broken"], &nobody["who"]), (&"known".into(), &"rostering_platform".into()));

    // the contract ends: every seat stays, and none gives access
    let later = it.explain("2026-08-20T17:00:00.000Z", SEATED, "practice").await;
    assert_eq!((&later["access"], link(&later, "contract")["ok"].clone()), (&"no".into(), json!(false)));

    let words = ["explain", "--district", DISTRICT, "--user", LAST_IN_LINE];
    let text = it.site.at(NIGHT_1, &words).await.exits(0).says(&["BROKEN  enough seats", "who must act: the district"]);
    assert!(!text.out.contains('✗'), "plain words when piped");
}

/// S0.6, S2.12, S3.2, S3.4, S3.16 to S3.19, S3.30.
#[tokio::test]
async fn reports_tell_claims_history_use_and_compliance_in_three_formats() {
    let it = Installed::on(Backend::Sqlite).await.unwrap();
    let report = [opened(SEATED, "practice", "2025-10-06T14:00:00.000Z", "2025-10-06T15:00:00.000Z")];
    it.used(NOON, &report).await.exits(0);
    let told = async |now: &str, name: &str| {
        let words = ["report", name, "--district", DISTRICT, "--product", "practice", "--format", "json"];
        it.site.at(now, &words).await.exits(0).json().as_array().unwrap().clone()
    };
    let claims = told(NOON, "claims").await;
    assert_eq!((claims.len(), &claims[0]["user"]), (40, &SEATED.into()), "the latest use first");
    assert_eq!((&claims[0]["audience"], &claims[0]["assigned_at"]), (&"student".into(), &NIGHT_1.into()));
    assert_eq!(claims[0]["claimed_at"], "2025-10-06T14:00:00.000Z");

    let usage = |rows: &[Value], word: &str| rows.iter().filter(|it| it["usage"] == word).count();
    let now = told(NOON, "activity").await;
    assert_eq!((usage(&now, "active"), usage(&now, "inactive"), usage(&now, "never_used")), (1, 0, 39));
    let later = told("2025-11-20T17:00:00.000Z", "activity").await;
    assert_eq!((usage(&later, "active"), usage(&later, "inactive"), usage(&later, "never_used")), (0, 1, 39));

    let compliance = told(NOON, "compliance").await;
    assert_eq!((&compliance[0]["compliance"], &compliance[0]["inactive"]), (&"short".into(), &39.into()));
    let advice = "review 39 inactive assignments, or buy 2 more seats or move spare ones between schools";
    assert_eq!(compliance[0]["recommendation"], advice);
    let goals = (&compliance[0]["usage_percent"], &compliance[0]["utilization_percent"]);
    assert_eq!(goals, (&100.0.into(), &2.5.into()), "S3.2: 40 of 40 bought are assigned, 1 of 40 is used");

    let history = told(NOON, "history").await;
    let of = |action: &str| history.iter().filter(|it| it["action"] == action).count();
    assert_eq!((of("seat.granted"), of("seat.waiting"), of("seat.claimed")), (40, 2, 1));

    let words = ["report", "claims", "--district", DISTRICT, "--product", "practice", "--format", "csv"];
    let csv = it.site.at(NOON, &words).await.exits(0).out;
    assert!(csv.starts_with("product,user,audience,pool,assigned_at,claimed_at,last_used_at,state\n"), "{csv}");
    assert_eq!(csv.lines().count(), 41);
    it.site.at(NOON, &["report", "gossip", "--district", DISTRICT]).await.exits(2);
}

/// S0.6: who has a seat and needs it least stands first, and each audience can be looked at alone.
#[tokio::test]
async fn holders_are_listed_by_last_use_and_by_audience() {
    let it = Installed::on(Backend::Sqlite).await.unwrap();
    let report = [
        opened("PB-U-007", "practice", "2025-10-06T14:00:00.000Z", "2025-10-06T15:00:00.000Z"),
        opened("PB-U-008", "practice", "2025-10-06T13:00:00.000Z", "2025-10-06T13:30:00.000Z"),
    ];
    it.used(NOON, &report).await.exits(0);
    let listed = async |more: &[&str]| -> Vec<String> {
        let words = [&["seats", "--district", DISTRICT, "--product", "practice", "--json"], more].concat();
        let list = it.site.run(&words).await.exits(0).json();
        list["holders"].as_array().unwrap().iter().map(|it| it["user"].as_str().unwrap().to_owned()).collect()
    };
    let by_id = listed(&[]).await;
    assert!(by_id.is_sorted() && by_id.len() == 40);
    let by_use = listed(&["--sort", "last_use"]).await;
    assert_eq!(by_use[38..], ["PB-U-008", "PB-U-007"], "the latest use last");
    assert!(by_use[..38].is_sorted(), "never used first");
    assert_eq!(listed(&["--sort", "since"]).await.len(), 40);
    assert_eq!(listed(&["--audience", "student"]).await, by_id);
    assert_eq!(listed(&["--audience", "educator"]).await, Vec::<String>::new());
    it.site.run(&["seats", "--district", DISTRICT, "--product", "practice", "--sort", "luck"]).await.exits(2);
    it.site
        .run(&["seats", "--district", DISTRICT, "--product", "practice"])
        .await
        .exits(0)
        .says(&["LAST USE", "2025-10-06T15:00"]);
}

/// S3.6: three disjoint groups.
#[tokio::test]
async fn the_groups_of_a_combined_license_are_disjoint_and_whole() {
    let site = Site::sqlite().await;
    let fixture = vendor::fixtures().join("vendors").join("role-based");
    let district = vendor::district("role-based", &vendor::csv(&fixture));
    site.configure(&format!("[catalog]\npath = \"{}\"\n\n{district}", fixture.join("catalog.toml").display()));
    site.sync(NIGHT_1, "role-based").await.exits(0);
    let rows = site.at(NIGHT_1, &["report", "combined", "--district", "role-based", "--json"]).await.exits(0).json();
    let rows = rows.as_array().unwrap();
    let members = |group: &str| {
        let of = rows.iter().filter(|it| it["group"] == group).map(|it| it["user"].as_str().unwrap());
        of.collect::<std::collections::BTreeSet<_>>()
    };
    let (learn, observe, both) = (members("learn only"), members("observe only"), members("combined"));
    assert_eq!(learn.len() + observe.len() + both.len(), rows.len(), "nobody stands in two groups");
    let mut seats = 0;
    for product in ["learn", "observe", "learn-and-observe"] {
        let words = ["seats", "--district", "role-based", "--product", product, "--json"];
        let list = site.run(&words).await.exits(0).json();
        let holders = list["holders"].as_array().unwrap();
        seats += holders.len();
        let group = if product == "learn" {
            &learn
        } else if product == "observe" {
            &observe
        } else {
            &both
        };
        for holder in holders {
            let user = holder["user"].as_str().unwrap();
            assert!(group.contains(user) || both.contains(user), "{product} {user}");
        }
    }
    assert!(seats >= rows.len() && !learn.is_empty() && !both.is_empty());
}

/// An exclude by hand is the district's to take back, and explain says so.
#[tokio::test]
async fn explain_tells_what_a_person_decided() {
    let it = Installed::on(Backend::Sqlite).await.unwrap();
    let words = ["override", "set", "--district", DISTRICT, "--user", SEATED, "--product", "practice"];
    it.site.at(NIGHT_1, &[&words[..], &["--exclude", "--reason", "asked"]].concat()).await.exits(0);
    let answer = it.explain(NIGHT_1, SEATED, "practice").await;
    assert_eq!((&answer["broken"], &answer["who"]), (&"demand".into(), &"district".into()));
    assert!(link(&answer, "demand")["says"].as_str().unwrap().contains("excluded by a person"));
    let last = answer["audit"].as_array().unwrap().iter().map(|it| it["action"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(&last[last.len() - 2..], ["override.set", "seat.released"]);
}

/// U12: support has a name or a number, and needs the id.
#[tokio::test]
async fn find_knows_users_by_name_email_id_and_number_and_exits_1_for_none() {
    let it = Installed::on(Backend::Sqlite).await.unwrap();
    for text in ["tansy dove", "tansy.dovecote9@", "pb-u-009", "PB00009"] {
        let found = it.site.run(&["find", text, "--district", DISTRICT, "--json"]).await.exits(0).json();
        assert_eq!(found.as_array().unwrap().len(), 1, "{text}");
        assert_eq!((&found[0]["id"], &found[0]["district"]), (&"PB-U-009".into(), &DISTRICT.into()));
    }
    it.site.run(&["find", "zzz"]).await.exits(1);
    it.site.run(&["find", "Tansy"]).await.exits(0).says(&["PB-U-009", "Tansy Dovecote"]);
}

/// S3.4, S3.17, licensing.md, Basis: the first opening draws the seat or makes the user wait; a claim is told once.
#[tokio::test]
async fn a_first_use_claims_or_draws_a_seat_once_and_a_last_use_alone_writes_no_entry() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let Some(it) = Installed::on(backend).await else { return };
        let report = [
            opened(SEATED, "practice", "2025-10-06T14:00:00.000Z", "2025-10-06T15:00:00.000Z"),
            opened(LAST_IN_LINE, "library", "2025-10-06T14:10:00.000Z", "2025-10-06T14:20:00.000Z"),
            opened("someone@example.org", "library", "2025-10-06T14:10:00.000Z", "2025-10-06T14:20:00.000Z"),
            opened(SEATED, "no-product", "2025-10-06T14:10:00.000Z", "2025-10-06T14:20:00.000Z"),
        ];
        let taken = it.used(NOON, &report).await.exits(0).json();
        assert_eq!((&taken["changed"], taken["rejected"].as_array().unwrap().len()), (&2.into(), 2));
        assert_eq!(taken["runs"].as_array().unwrap().len(), 1, "one transaction, one run");
        let library = it.seats("library").await;
        assert_eq!(library["holders"][0]["user"], LAST_IN_LINE);
        assert_eq!(library["holders"][0]["claimed_at"], NOON, "the opening drew it");
        let holders = it.seats("practice").await["holders"].as_array().unwrap().clone();
        let claimed = holders.iter().find(|it| it["user"] == SEATED).unwrap();
        assert_eq!(claimed["claimed_at"], "2025-10-06T14:00:00.000Z");
        let audit = it.site.audit(DISTRICT).await;
        assert_eq!(audit.matches("seat.claimed").count(), 2);
        assert!(!audit.contains("someone@example.org"));

        // the seat is gone, so the next one waits
        let second = [opened(SEATED, "library", "2025-10-06T16:00:00.000Z", "2025-10-06T16:00:00.000Z")];
        it.used(NOON, &second).await.exits(0);
        assert_eq!(it.seats("library").await["waitlist"][0]["user"], SEATED);

        // the same once more, and a later last use: no entry, no run, no new revision
        let audit = it.site.audit(DISTRICT).await;
        let again = it.used(NOON, &report).await.exits(0).json();
        assert_eq!((&again["changed"], &again["unchanged"], &again["runs"]), (&0.into(), &2.into(), &json!([])));
        let later = [opened(SEATED, "practice", "2025-10-06T14:00:00.000Z", "2025-10-06T16:59:00.000Z")];
        let later = it.used(NOON, &later).await.exits(0).json();
        assert_eq!((&later["changed"], &later["runs"]), (&1.into(), &json!([])));
        assert_eq!(it.site.audit(DISTRICT).await, audit);
        let answer = it.explain(NOON, SEATED, "practice").await;
        assert_eq!(answer["seat"]["last_used_at"], "2025-10-06T16:59:00.000Z");
        let rows = it.site.licenses(NOON).await;
        let of = |code: &str| rows.as_array().unwrap().iter().find(|row| row["product"] == code).unwrap().clone();
        assert_eq!(of("library")["utilization_percent"], 100.0);
        assert_eq!(of("practice")["utilization_percent"], 2.5, "1 of 40 (S3.17)");

        // the night after keeps all of it
        it.site.sync(NIGHT_2, DISTRICT).await.exits(0);
        assert_eq!(it.explain(NIGHT_2, SEATED, "practice").await["seat"]["last_used_at"], "2025-10-06T16:59:00.000Z");
        assert_eq!(it.seats("library").await["waitlist"][0]["user"], SEATED);
        it.site.verified().await;
        it.site.discard().await;
    }
}
