//! Rows that did not change are recognized and not read: nobody can tell from what the store says that it is so.

use std::path::{Path, PathBuf};

use rosterd::model::{DistrictId, Kind, Marks, RowMark};
use rosterd::simulate::{Defects, Version};
use rosterd::store::{Settings, Store};

use super::nights::MULBERRY;
use crate::support::db::{Backend, raw};
use crate::support::vendor::{self, Site};

const CLEVER: &str = "clever-demo";

/// Where a district's roster comes from.
#[derive(Clone)]
enum Source {
    OneRoster,
    Clever,
    /// A folder that both sites of a story read.
    Csv(PathBuf),
}

impl Source {
    fn district(&self) -> &'static str {
        match self {
            Self::OneRoster | Self::Csv(_) => MULBERRY,
            Self::Clever => CLEVER,
        }
    }
}

/// A site with a source of its own.
struct Pair {
    server: rosterd::simulate::Server,
    site: Site,
    source: Source,
}

impl Pair {
    /// None if there is no `PostgreSQL` here; with `CI=true` that is a failure.
    async fn new(backend: Backend) -> Option<Self> {
        Self::of(Source::OneRoster, backend).await
    }

    async fn of(source: Source, backend: Backend) -> Option<Self> {
        let site = Site::new(backend).await?;
        Some(Self { server: vendor::serve(source.district()).await, site, source })
    }

    fn configure(&self, more: &str) {
        let district = self.source.district();
        let (app, feed) = match &self.source {
            Source::OneRoster => (String::new(), vendor::oauth1(&self.server, district, "HMAC-SHA256")),
            Source::Csv(folder) => (String::new(), vendor::csv(folder)),
            Source::Clever => {
                let id = self.server.world().clever_id(district).unwrap();
                let feed = format!(r#"{{ kind = "clever", app = "app", district = "{id}" }}"#);
                (vendor::clever_app(&self.server, "clever-secret"), feed)
            }
        };
        let more = if more.is_empty() { String::new() } else { format!(", {more}") };
        let feed = format!("{}{more} }}", feed.trim_end().trim_end_matches('}').trim_end());
        self.site.configure_with_catalog(&format!("{app}\n{}", vendor::district(district, &feed)));
    }

    async fn forget(&self) {
        let path = self.site.store_url.strip_prefix("sqlite:").unwrap();
        if !Path::new(path).exists() {
            return; // before the first night
        }
        raw(&self.site.store_url, "DELETE FROM recall").await.unwrap();
    }

    /// How many records of each kind are told by their rows.
    async fn known(&self) -> Vec<usize> {
        let store = Store::open(&Settings { url: self.site.store_url.clone() }).await.unwrap();
        let known = store.known_rows(&DistrictId::new(self.source.district())).await.unwrap();
        store.close().await;
        let marks = |kind: Kind| known.iter().filter_map(move |it| it.marks.get(&kind)).flat_map(Marks::iter);
        let count = |kind| marks(kind).filter(RowMark::is_set).count();
        vec![count(Kind::Classes), count(Kind::Users), count(Kind::Enrollments)]
    }

    /// Changes images of the records, of the first one `night` on, and says how many there are.
    async fn images(&self, night: usize, change: &str) -> u64 {
        let of = format!("WHERE part = 'records' AND night >= {night}");
        raw(&self.site.store_url, &format!("UPDATE recall_part SET {change} {of}")).await.unwrap()
    }

    /// What a sync says, and all that the store says after it.
    async fn night(&self, (day, wrong, settings): Night, now: &str) -> String {
        self.configure(settings);
        if !matches!(self.source, Source::Csv(_)) {
            self.server.set_day(day);
            self.server.set_quirks(vendor::quirks(wrong));
        }
        let district = self.source.district();
        let run = self.site.sync(now, district).await;
        let port = self.server.base_url();
        format!("{:?} {}{}", run.code, run.out, self.site.state(district).await).replace(&port, "")
    }
}

/// Writes an upload in place of the last: with defects by name, in 1.2, or with one student's row changed.
fn upload(folder: &Path, (day, wrong, _): Night) {
    if folder.exists() {
        std::fs::remove_dir_all(folder).unwrap();
    }
    let world = vendor::world(MULBERRY);
    let edit: fn(&mut Vec<String>, usize) = match wrong {
        "twice" => |rows, of| rows.push(rows[of].clone()),
        "disabled by a later row" => {
            |rows, of| rows.push(rows[of].replace("2026-01", "2026-02").replace("true", "false"))
        }
        "gone" => |rows, of| drop(rows.remove(of)),
        "contact" => |rows, of| rows[of] = rows[of].replace(",student,", ",guardian,"),
        "1.2" => |_, _| {},
        "1.2, another role" => |rows, of| rows[of] = rows[of].replace(",student,", ",aide,"),
        defects => {
            return world.csv_folder_with(MULBERRY, day, &Defects::parse(defects).unwrap(), folder).unwrap();
        }
    };
    let (version, file) = if wrong.starts_with("1.2") { (Version::V1p2, "roles") } else { (Version::V1p1, "users") };
    world.csv_folder_as(MULBERRY, day, version, folder).unwrap();
    let file = folder.join(file).with_extension("csv");
    let mut rows: Vec<String> = std::fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
    let student = rows.iter().position(|it| it.contains(",student,")).unwrap();
    edit(&mut rows, student);
    std::fs::write(&file, rows.join("\n") + "\n").unwrap();
}

/// The day of the fixtures, what is wrong with the source, and the feed's settings.
type Night = (u32, &'static str, &'static str);

const NIGHTS: [Night; 17] = [
    (1, "", "page_size = 100"),
    (1, "", "page_size = 100"),
    (1, "reorder-keys", "page_size = 100"),
    (1, "extra-fields", "page_size = 100"),
    (2, "", "page_size = 100"),
    (2, "drift=1", "page_size = 100"),
    (2, "unsorted-overlap", "page_size = 100"),
    (2, "repeat-page", "page_size = 100"),
    (2, "no-total", "page_size = 30"),
    (3, "tombstones", "page_size = 30"),
    (3, "inactive", "page_size = 30"),
    (2, "bool-json", "page_size = 30"),
    (1, "empty=courses", "page_size = 100"),
    (1, "empty=users", "page_size = 100"),
    (2, "truncate=1", "page_size = 100"),
    (2, "", "page_size = 100"),
    (3, "", "page_size = 100, end_dates = \"inclusive\""),
];

const UPLOADS: [Night; 26] = [
    (1, "", ""),
    (1, "", ""),
    (1, "other-order", ""),
    (1, "vendor-columns", ""),
    (1, "mixed-line-ends,quote-all", ""),
    (2, "", ""),
    (2, "old-names", ""),
    (2, "disabled by a later row", ""),
    (2, "", ""),
    (2, "twice", ""),
    (2, "duplicates,orphans", ""),
    (2, "gone", ""),
    (3, "gone", ""),
    (2, "contact", ""),
    (2, "", ""),
    (2, "cp1252", ""),
    (2, "absent=enrollments", ""),
    (2, "short-row=users", ""),
    (2, "header-only=courses", ""),
    (3, "upper-booleans", ""),
    (3, "1.2", ""),
    (3, "1.2, another role", ""),
    (3, "1.2", ""),
    (3, "missing=classes", ""),
    (3, "", ""),
    (3, "", "end_dates = \"inclusive\""),
];

const PULLS: [Night; 17] = [
    (1, "", "page_size = 100"),
    (1, "", "page_size = 100"),
    (1, "reorder-keys", "page_size = 100"),
    (1, "extra-fields", "page_size = 100"),
    (1, "", "page_size = 30"),
    (2, "", "page_size = 30"),
    (2, "", "page_size = 30"),
    (2, "drift=1", "page_size = 30"),
    (2, "link-foreign", "page_size = 30"),
    (2, "repeat-page", "page_size = 30"),
    (3, "district-state=paused", "page_size = 30"),
    (3, "", "page_size = 30"),
    (1, "empty=courses", "page_size = 30"),
    (1, "empty=users", "page_size = 30"),
    (2, "truncate=sections", "page_size = 30"),
    (2, "", "page_size = 30, version = \"v3.1\""),
    (3, "", "page_size = 30, end_dates = \"inclusive\""),
];

/// Plays nights at two sites, of which one recognizes what it can and the other is made to forget before each night. Runs with
/// plan hashes, rosters and audits are the same.
async fn played(source: Source, nights: &[Night], at_least: [usize; 3]) {
    let quick = Pair::of(source.clone(), Backend::Sqlite).await.unwrap();
    let thorough = Pair::of(source.clone(), Backend::Sqlite).await.unwrap();
    let mut most = vec![0; 3];
    for (number, night) in nights.iter().enumerate() {
        if let Source::Csv(folder) = &source {
            upload(folder, *night);
        }
        let now = format!("2025-10-{:02}T07:00:00.000Z", 6 + number);
        thorough.forget().await;
        let (one, other) = (quick.night(*night, &now).await, thorough.night(*night, &now).await);
        assert_eq!(one, other, "night {number}, {night:?}");
        most = quick.known().await.into_iter().zip(most).map(|(known, most)| known.max(most)).collect();
    }
    let enough = most.iter().zip(at_least).all(|(most, least)| *most >= least);
    assert!(enough, "nearly all of the rows are recognized: {most:?}");
    quick.site.verified().await;
}

/// Drifting data, other orders of keys, other settings, faults of every kind.
#[tokio::test]
async fn what_is_recognized_comes_to_the_same_as_what_is_read() {
    played(Source::OneRoster, &NIGHTS, [100, 200, 1100]).await;
}

/// The same of uploads: other orders of columns, rows of one user that contradict each other, roles in a file of their own.
#[tokio::test]
async fn rows_of_an_upload_that_are_recognized_come_to_the_same_as_those_that_are_read() {
    let folder = tempfile::tempdir().unwrap();
    played(Source::Csv(folder.path().join("csv")), &UPLOADS, [100, 200, 1100]).await;
}

/// The same of Clever. Most sections of the recordings name students whom these do not have, and are read each night.
#[tokio::test]
async fn objects_of_clever_s_that_are_recognized_come_to_the_same_as_those_that_are_read() {
    played(Source::Clever, &PULLS, [5, 650, 100]).await;
}

/// Marks stand in the order of records, one of which is gone.
#[tokio::test]
async fn a_write_to_records_forgets_and_the_next_night_knows_again() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let Some(it) = Pair::new(backend).await else { continue };
        it.night(NIGHTS[0], vendor::NIGHT_1).await;
        let all = it.known().await;
        assert!(all.iter().all(|it| *it > 0), "{all:?}");
        assert_eq!(it.images(0, "base = base").await, 1);
        let user = vendor::column(&it.site.roster(MULBERRY, "users").await, "id").remove(0);
        let words = ["user", "erase", "--district", MULBERRY, "--user", &user, "--reason", "asked to"];
        it.site.at(vendor::NIGHT_2, &words).await.exits(0);
        assert_eq!(it.known().await, [0, 0, 0], "{backend:?}");
        assert_eq!(it.images(0, "base = base").await, 0, "an image of whom was erased would still name them");

        it.night(NIGHTS[0], vendor::NIGHT_3).await;

        let again = it.known().await;
        assert!(again[0] == all[0] && again[1] == all[1] - 1 && again[2] <= all[2], "{all:?} {again:?}");
        it.night(NIGHTS[4], vendor::NIGHT_4).await;
        assert!(it.known().await.iter().all(|it| *it > 0), "a night with changes forgets, and knows again at its end");
        it.site.verified().await;
        it.site.discard().await;
    }
}

/// An image of the records is a copy: one that was damaged, or is of another state, is passed over with what nights made of it, and
/// the next night makes it anew.
#[tokio::test]
async fn an_image_that_nothing_vouches_for_is_not_read() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let Some(whole) = Pair::new(backend).await else { continue };
        whole.night(NIGHTS[0], vendor::NIGHT_1).await;
        let second = whole.night(NIGHTS[4], vendor::NIGHT_2).await;
        let third = whole.night(NIGHTS[0], vendor::NIGHT_3).await;
        whole.site.discard().await;
        let cut = if backend == Backend::Sqlite { "substr(value, 1, 60)" } else { "substring(value FROM 1 FOR 60)" };
        for (night, change) in
            [(0, &*format!("value = {cut}")), (0, "base = 'another'"), (1, &format!("value = {cut}")), (1, "night = 7")]
        {
            let it = Pair::new(backend).await.unwrap();
            it.night(NIGHTS[0], vendor::NIGHT_1).await;
            if night == 0 {
                assert_eq!(it.images(night, change).await, 1);
            }
            assert_eq!(it.night(NIGHTS[4], vendor::NIGHT_2).await, second, "{backend:?}, {change}");
            if night == 1 {
                assert_eq!(it.images(night, change).await, 1, "the second night lies beside the first");
            }
            assert_eq!(it.night(NIGHTS[0], vendor::NIGHT_3).await, third, "{backend:?}, {change}");
            let beside = u64::from(night == 0);
            assert_eq!(it.images(1, "base = base").await, beside, "nothing is put beside a damaged one: {change}");
            it.site.verified().await;
            it.site.discard().await;
        }
    }
}

/// Each night with changes puts what it made of the records beside those of the nights before, until half of a base is beside it
/// or there are fifteen; what is read then is what was written out anew, which every read looks at.
#[tokio::test]
async fn nights_lie_beside_a_base_until_it_is_written_anew() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let Some(it) = Pair::new(backend).await else { continue };
        let mut beside = Vec::new();
        for number in 0..20 {
            let night = if number % 2 == 0 { NIGHTS[0] } else { NIGHTS[4] };
            it.night(night, &format!("2025-10-{:02}T07:00:00.000Z", 6 + number)).await;
            beside.push(it.images(1, "base = base").await);
        }
        assert_eq!(beside[..3], [0, 1, 2], "{backend:?}");
        let anew = beside.windows(2).filter(|it| it[1] == 0).count();
        assert!(anew > 0 && beside.windows(2).all(|it| it[1] == it[0] + 1 || it[1] == 0), "{backend:?} {beside:?}");
        it.site.verified().await;
        it.site.discard().await;
    }
}
