//! Rows that did not change are recognized and not read: nobody can tell from what the store says that it is so.

use rosterd::model::{DistrictId, Kind, RowMark};
use rosterd::store::{Settings, Store};

use super::nights::MULBERRY;
use crate::support::db::{Backend, raw};
use crate::support::vendor::{self, Site};

/// A site with a source of its own.
struct Pair {
    server: rosterd::simulate::Server,
    site: Site,
}

impl Pair {
    /// None if there is no `PostgreSQL` here; with `CI=true` that is a failure.
    async fn new(backend: Backend) -> Option<Self> {
        let site = Site::new(backend).await?;
        Some(Self { server: vendor::serve(MULBERRY).await, site })
    }

    fn configure(&self, more: &str) {
        let feed = vendor::oauth1(&self.server, MULBERRY, "HMAC-SHA256");
        let feed = format!("{}, {more} }}", feed.trim_end().trim_end_matches('}'));
        self.site.configure_with_catalog(&vendor::district(MULBERRY, &feed));
    }

    async fn forget(&self) {
        let path = self.site.store_url.strip_prefix("sqlite:").unwrap();
        if !std::path::Path::new(path).exists() {
            return; // before the first night
        }
        raw(&self.site.store_url, "DELETE FROM known_row").await.unwrap();
    }

    /// How many records of each kind are told by their rows.
    async fn known(&self) -> Vec<usize> {
        let store = Store::open(&Settings { url: self.site.store_url.clone() }).await.unwrap();
        let known = store.known_rows(&DistrictId::new(MULBERRY)).await.unwrap();
        store.close().await;
        let count = |kind: Kind| known.as_ref().map_or(0, |it| it.marks[&kind].iter().filter(|it| it.is_set()).count());
        vec![count(Kind::Classes), count(Kind::Users), count(Kind::Enrollments)]
    }

    /// Changes images of enrollments, and says how many there are.
    async fn images(&self, change: &str) -> u64 {
        raw(&self.site.store_url, &format!("UPDATE roster_image SET {change}")).await.unwrap()
    }

    /// What a sync says, and all that the store says after it.
    async fn night(&self, (day, quirks, settings): Night, now: &str) -> String {
        self.configure(settings);
        self.server.set_day(day);
        self.server.set_quirks(vendor::quirks(quirks));
        let run = self.site.sync(now, MULBERRY).await;
        let port = self.server.base_url();
        format!("{:?} {}{}", run.code, run.out, self.site.state(MULBERRY).await).replace(&port, "")
    }
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

/// Drifting data, other orders of keys, other settings, faults of every kind: one site recognizes what it can, the other is made
/// to forget before each night. Runs with plan hashes, rosters and audits are the same.
#[tokio::test]
async fn what_is_recognized_comes_to_the_same_as_what_is_read() {
    let (quick, thorough) = (Pair::new(Backend::Sqlite).await.unwrap(), Pair::new(Backend::Sqlite).await.unwrap());
    let mut most = 0;
    for (number, night) in NIGHTS.into_iter().enumerate() {
        let now = format!("2025-10-{:02}T07:00:00.000Z", 6 + number);
        thorough.forget().await;
        let (one, other) = (quick.night(night, &now).await, thorough.night(night, &now).await);
        assert_eq!(one, other, "night {number}, {night:?}");
        most = most.max(quick.known().await.into_iter().sum());
    }
    assert!(most > 1500, "nearly all of the rows are recognized: {most}");
    quick.site.verified().await;
}

/// Marks stand in the order of records, one of which is gone.
#[tokio::test]
async fn a_write_to_records_forgets_and_the_next_night_knows_again() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let Some(it) = Pair::new(backend).await else { continue };
        it.night(NIGHTS[0], vendor::NIGHT_1).await;
        let all = it.known().await;
        assert!(all.iter().all(|it| *it > 0), "{all:?}");
        assert_eq!(it.images("stamp = stamp").await, 1);
        let user = vendor::column(&it.site.roster(MULBERRY, "users").await, "id").remove(0);
        let words = ["user", "erase", "--district", MULBERRY, "--user", &user, "--reason", "asked to"];
        it.site.at(vendor::NIGHT_2, &words).await.exits(0);
        assert_eq!(it.known().await, [0, 0, 0], "{backend:?}");
        assert_eq!(it.images("stamp = stamp").await, 0, "an image of whom was erased would still name them");

        it.night(NIGHTS[0], vendor::NIGHT_3).await;

        let again = it.known().await;
        assert!(again[0] == all[0] && again[1] == all[1] - 1 && again[2] <= all[2], "{all:?} {again:?}");
        it.night(NIGHTS[4], vendor::NIGHT_4).await;
        assert!(it.known().await.iter().all(|it| *it > 0), "a night with changes forgets, and knows again at its end");
        it.site.verified().await;
        it.site.discard().await;
    }
}

/// An image of the enrollments is a copy: one that was damaged, or belongs to other marks, is passed over, and the next night
/// makes it anew.
#[tokio::test]
async fn an_image_that_nothing_vouches_for_is_not_read() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let Some(whole) = Pair::new(backend).await else { continue };
        whole.night(NIGHTS[0], vendor::NIGHT_1).await;
        let expected = whole.night(NIGHTS[4], vendor::NIGHT_2).await;
        whole.site.discard().await;
        let cut = if backend == Backend::Sqlite { "substr(image, 1, 60)" } else { "substring(image FROM 1 FOR 60)" };
        for change in [&format!("image = {cut}"), "stamp = 'of another night'"] {
            let it = Pair::new(backend).await.unwrap();
            it.night(NIGHTS[0], vendor::NIGHT_1).await;
            assert_eq!(it.images(change).await, 1);
            assert_eq!(it.night(NIGHTS[4], vendor::NIGHT_2).await, expected, "{backend:?}, {change}");
            it.site.verified().await;
            it.site.discard().await;
        }
    }
}

/// Marks are kept and read back bit by bit.
#[test]
fn marks_are_read_as_they_were_written() {
    let marks = [RowMark::new(u128::MAX - 7, 9), RowMark::default(), RowMark::new(1, u64::MAX)];
    let bytes = rosterd::model::KnownRows::to_bytes(&marks);
    assert_eq!(rosterd::model::KnownRows::from_bytes(&bytes).unwrap(), marks);
    assert_eq!(rosterd::model::KnownRows::from_bytes(&bytes[1..]), None);
}
