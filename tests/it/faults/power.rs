//! Power cuts (reliability.md F63, goal 2): what a disk may hold at any moment of a few nights is opened and judged.
//!
//! By command, many more (`ROSTERD_IMAGES`, `ROSTERD_SEED`; with `TMPDIR=/dev/shm` it is not the disk that is measured):
//! `cargo test --release --test it power::a_hundred_thousand -- --ignored --nocapture`

use std::collections::BTreeMap;

use super::image::{Cut, lay};
use super::story::{self, School, Story, Wrong};
use crate::support::chance::Chance;
use crate::support::db::{Backend, Fresh};
use crate::support::desk::Desk;
use crate::support::disk::{self, Event, Level};
use crate::support::number;

pub(super) struct Recorded {
    pub(super) school: School,
    story: Story,
    pub(super) trace: Vec<Event>,
}

pub(super) async fn recorded(seed: u64, level: Option<Level>) -> Recorded {
    let school = School::new(seed);
    let fresh = Fresh::new(Backend::Sqlite).await.unwrap();
    let folder = fresh.folder().join("var");
    let disk = disk::watch(&folder);
    disk.level(level);
    disk.record(&folder);
    let (_fresh, story) = story::play(fresh, &school, |number| disk.told(number)).await;
    let trace = disk.trace();
    disk::forget(&folder);
    Recorded { school, story, trace }
}

#[derive(Debug, Default)]
struct Tally {
    images: usize,
    /// Images on which the next night was played as well.
    went_on: usize,
    lost: usize,
    broken: usize,
}

impl Recorded {
    /// Opens one image and judges it; with `go_on` the next night is played on it.
    async fn judge(&self, image: &BTreeMap<String, Vec<u8>>, told: &[usize], go_on: bool) -> Result<(), Wrong> {
        let fresh = Fresh::new(Backend::Sqlite).await.unwrap();
        let folder = fresh.folder().join("var");
        lay(image, &folder);
        // a disk that syncs nothing, for speed
        disk::watch(&folder);
        let judged = self.judge_on(fresh, told, go_on).await;
        disk::forget(&folder);
        judged
    }

    async fn judge_on(&self, fresh: Fresh, told: &[usize], go_on: bool) -> Result<(), Wrong> {
        let opened = Desk::open(fresh).await;
        let mut desk = opened.map_err(|failed| Wrong::Broken(format!("cannot be opened: {}", failed.1)))?;
        let mut found = story::kept(&desk, &self.story, told).await;
        if found.is_ok() {
            found = story::verified(&desk).await;
        }
        if found.is_ok() && go_on {
            found = story::goes_on(&mut desk, &self.school).await;
        }
        let fresh = desk.close().await;
        found?;
        story::intact(&fresh).await
    }

    /// So many images of moments drawn over the whole trace; the next night is played on each `nights`-th.
    async fn images(&self, count: usize, nights: usize, seed: u64, mut wrong: impl FnMut(String, &Wrong)) -> Tally {
        let mut chance = Chance::new(seed);
        let mut moments: Vec<usize> = (0..count).map(|_| chance.below(self.trace.len() + 1)).collect();
        moments.sort_unstable();
        let mut cut = Cut::new(&self.trace);
        let mut tally = Tally::default();
        for moment in moments {
            cut.advance(moment);
            let image = cut.image(&mut chance);
            let go_on = tally.images % nights == 0;
            tally.images += 1;
            tally.went_on += usize::from(go_on);
            let Err(found) = self.judge(&image, &cut.told, go_on).await else { continue };
            match &found {
                Wrong::Lost(_) => tally.lost += 1,
                Wrong::Broken(_) => tally.broken += 1,
            }
            let place = format!("image {} of seed {seed}, before event {moment} of {}", tally.images, self.trace.len());
            wrong(place, &found);
        }
        tally
    }
}

/// As the product runs: nothing acknowledged is lost, nothing is half there, and the next night goes on (A7, Z).
#[tokio::test]
async fn no_power_cut_loses_what_was_acknowledged() {
    let recorded = recorded(1, None).await;
    let tally = recorded.images(40, 8, 1, |place, wrong| panic!("{place}: {wrong:?}")).await;
    assert_eq!((tally.images, tally.went_on), (40, 5));
    assert!(recorded.story.told.len() == 6 && recorded.trace.iter().any(|it| matches!(it, Event::Sync { .. })));
}

/// The proof that the images show anything: under the two settings that the product refuses, they find losses.
/// `NORMAL` syncs no commit, so acknowledged nights are lost; `OFF` syncs nothing, and files break.
#[tokio::test]
async fn weaker_settings_are_seen_to_lose_and_to_break() {
    let normal = recorded(1, Some(Level::Normal)).await.images(24, 24, 1, |_, _| {}).await;
    assert!(normal.lost > 0 && normal.broken == 0, "{normal:?}");
    let off = recorded(1, Some(Level::Off)).await.images(24, 24, 1, |_, _| {}).await;
    assert!(off.lost > 0 && off.broken > 0, "{off:?}");
}

#[tokio::test]
#[ignore = "a command of its own: it takes its time"]
async fn a_hundred_thousand_images() {
    let (images, seed) = (number("ROSTERD_IMAGES", 100_000), number("ROSTERD_SEED", 1));
    let begun = std::time::Instant::now();
    // a story of its own for each thousand: other children, other writes
    let mut sum = Tally::default();
    let mut told = Vec::new();
    while sum.images < images {
        let seed = seed + u64::try_from(sum.images / 1000).unwrap();
        let count = (images - sum.images).min(1000);
        let recorded = recorded(seed, None).await;
        let tally = recorded.images(count, 10, seed, |place, wrong| told.push(format!("{place}: {wrong:?}"))).await;
        sum.images += tally.images;
        sum.went_on += tally.went_on;
        sum.lost += tally.lost;
        sum.broken += tally.broken;
        eprintln!("seed {seed}, {} events, {:?}: {sum:?}", recorded.trace.len(), begun.elapsed());
        for line in told.drain(..) {
            eprintln!("  {line}");
        }
    }
    assert_eq!((sum.lost, sum.broken), (0, 0));
}
