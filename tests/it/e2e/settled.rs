//! A sync that finds everything as it was looks at nobody: what it says is what it would say if it looked.

use super::nights::MULBERRY;
use crate::support::db::{Backend, raw};
use crate::support::vendor::{self, Site};

const CLEVER: &str = "clever-demo";

/// A site with a source of its own.
struct Pair {
    server: rosterd::simulate::Server,
    site: Site,
}

impl Pair {
    /// None if there is no `PostgreSQL` here; with `CI=true` that is a failure.
    async fn new(
        backend: Backend,
        district: &str,
        configured: impl Fn(&rosterd::simulate::Server) -> String,
    ) -> Option<Self> {
        let (server, site) = (vendor::serve(district).await, Site::new(backend).await?);
        site.configure_with_catalog(&configured(&server));
        Some(Self { server, site })
    }

    async fn sql(&self, text: &str) {
        raw(&self.site.store_url, text).await.unwrap();
    }

    /// What is said of an act and after it: run, licenses, alerts, audit.
    async fn said(&self, now: &str, act: &Act) -> String {
        let done = match act {
            Act::Sync(day) => {
                self.server.set_day(*day);
                self.site.sync(now, MULBERRY).await
            }
            Act::Say(words) => self.site.at(now, words).await,
        };
        let licenses = self.site.licenses(now).await;
        let alerts = self.site.at(now, &["alerts", "--json"]).await;
        let audit = self.site.audit(MULBERRY).await;
        format!("{:?} {}{licenses}{}{audit}", done.code, done.out, alerts.out).replace(&self.server.base_url(), "")
    }
}

enum Act {
    Sync(u32),
    Say(Vec<&'static str>),
}

/// Quiet nights, nights with changes, what people decide until a day, and every date of contract and calendar for two years.
fn school_years(user: &'static str) -> Vec<(String, Act)> {
    let at = |date: &str| format!("{date}T07:00:00.000Z");
    let sync = |date: &str, day: u32| (at(date), Act::Sync(day));
    let mut acts = vec![
        sync("2025-10-06", 1),
        sync("2025-10-07", 1),
        sync("2025-10-08", 1),
        sync("2025-10-09", 2),
        sync("2025-10-10", 2),
    ];
    let exclude =
        "override set --district mulberry-springs --product reading --exclude --reason moved --until 2025-10-20";
    let words: Vec<&str> = exclude.split(' ').chain(["--user", user]).collect();
    acts.push((at("2025-10-11"), Act::Say(words)));
    acts.extend(["2025-10-12", "2025-10-13", "2025-10-20", "2025-10-21", "2025-10-22"].map(|date| sync(date, 2)));
    acts.push(sync("2025-10-23", 3));
    for date in [
        "2025-10-24",
        "2025-12-19",
        "2025-12-20",
        "2025-12-31",
        "2026-01-05",
        "2026-01-06",
        "2026-03-15",
        "2026-04-02",
        "2026-05-01",
        "2026-05-18",
        "2026-06-01",
        "2026-06-05",
        "2026-06-06",
        "2026-06-20",
        "2026-06-24",
        "2026-06-30",
        "2026-07-01",
        "2026-07-02",
        "2026-08-01",
        "2026-09-15",
        "2026-10-01",
        "2027-07-01",
        "2027-08-05",
        "2027-09-01",
    ] {
        acts.push(sync(date, 3));
    }
    acts
}

/// One site goes by how the last sync left it, the other is made to forget that before each act: nobody can tell them apart.
#[tokio::test]
async fn a_settled_district_says_what_a_look_at_everything_would_say() {
    let configured = |server: &rosterd::simulate::Server| {
        vendor::district(MULBERRY, &vendor::oauth1(server, MULBERRY, "HMAC-SHA256"))
    };
    let pair = async || Pair::new(Backend::Sqlite, MULBERRY, configured).await.unwrap();
    let (quick, thorough) = (pair().await, pair().await);
    let mut user: Option<&'static str> = None;
    let mut number = 0;
    loop {
        let acts = school_years(user.unwrap_or(""));
        let Some((now, act)) = acts.get(number) else { break };
        if number > 0 {
            thorough.sql("DELETE FROM settled").await;
        }
        let (one, other) = (quick.said(now, act).await, thorough.said(now, act).await);
        assert_eq!(one, other, "{now}");
        if user.is_none() {
            let seats = ["seats", "--district", MULBERRY, "--product", "reading", "--json"];
            let seats = quick.site.run(&seats).await.exits(0).json();
            let first = seats["holders"][0]["user"].as_str().unwrap().to_owned();
            user = Some(Box::leak(first.into_boxed_str()));
        }
        number += 1;
    }
    quick.site.verified().await;
}

/// Nobody is looked at, whatever the feed: where there is no table of seats at all, a quiet sync does not see it, and one that has
/// something to do says so.
#[tokio::test]
async fn a_quiet_sync_reads_no_seat() {
    type Configured<'a> = &'a dyn Fn(&rosterd::simulate::Server) -> String;
    let upload = tempfile::tempdir().unwrap();
    let folder = upload.path().join("csv");
    let csv = |_: &rosterd::simulate::Server| vendor::district(MULBERRY, &vendor::csv(&folder));
    let oneroster = |server: &rosterd::simulate::Server| vendor::district(MULBERRY, &vendor::bearer(server, MULBERRY));
    let clever = |server: &rosterd::simulate::Server| {
        let id = server.world().clever_id(CLEVER).unwrap();
        let feed = format!(r#"{{ kind = "clever", app = "app", district = "{id}" }}"#);
        format!("{}\n{}", vendor::clever_app(server, "clever-secret"), vendor::district(CLEVER, &feed))
    };
    let sites: [(Backend, &str, Configured<'_>); 4] = [
        (Backend::Sqlite, MULBERRY, &oneroster),
        (Backend::Postgres, MULBERRY, &oneroster),
        (Backend::Sqlite, MULBERRY, &csv),
        (Backend::Sqlite, CLEVER, &clever),
    ];
    for (backend, district, configured) in sites {
        vendor::world(MULBERRY).csv_folder(MULBERRY, 1, &folder).unwrap();
        let Some(it) = Pair::new(backend, district, configured).await else { continue };
        it.server.set_day(1);
        // Where the feed told of oddities while things changed, the quiet night after it shows which of them stay.
        it.site.sync(vendor::NIGHT_1, district).await.exits(0);
        it.site.sync(vendor::NIGHT_2, district).await.exits(0);
        it.sql("ALTER TABLE seat RENAME TO seat_elsewhere").await;

        let quiet = it.site.sync(vendor::NIGHT_3, district).await.exits(0).json();

        assert_eq!(quiet["status"], "unchanged", "{district}");
        it.server.set_day(2);
        vendor::world(MULBERRY).csv_folder(MULBERRY, 2, &folder).unwrap();
        let torn = it.site.sync(vendor::NIGHT_4, district).await;
        assert_ne!(torn.code, Some(0), "{torn:?}");
        it.site.discard().await;
    }
}

/// What a person does to seats, places and records with the database's own shell is looked at in the next sync.
#[tokio::test]
async fn a_hand_edit_is_looked_at() {
    let configured = |server: &rosterd::simulate::Server| vendor::district(MULBERRY, &vendor::bearer(server, MULBERRY));
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let Some(it) = Pair::new(backend, MULBERRY, configured).await else { continue };
        it.server.set_day(1);
        it.site.sync(vendor::NIGHT_1, MULBERRY).await.exits(0);
        let one = "(SELECT user_id FROM seat WHERE product = 'reading' ORDER BY user_id LIMIT 1)";
        it.sql(&format!("DELETE FROM seat WHERE product = 'reading' AND user_id = {one}")).await;

        let run = it.site.sync(vendor::NIGHT_2, MULBERRY).await.exits(0).json();

        assert_eq!(run["seats"]["granted"], 1, "{backend:?}: {run}");
        let quiet = it.site.sync(vendor::NIGHT_3, MULBERRY).await.exits(0).json();
        assert_eq!(quiet["status"], "unchanged");
        it.site.discard().await;
    }
}
