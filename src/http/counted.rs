//! The numbers of districts as pages and programs show them, counted once for all who ask until something is written. Where
//! somebody asked within a day they are counted anew by themselves, so that the first page of the morning waits for nothing.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

use crate::allocate::License;
use crate::http::App;
use crate::http::kept::{Asked, Kept};
use crate::http::problem::Problem;
use crate::http::recent;
use crate::model::{Date, DistrictId, DistrictState, Timestamp};
use crate::schedule::desk::Desk;
use crate::store::{Moment, Store, StoreError, Tallied};
use crate::suggest::{self, Shortage, Wanted};

/// Places in line that a page shows, of all products.
pub(crate) const PLACES: usize = 100;

/// Between two looks at what was written.
const LOOK: Duration = Duration::from_secs(1);

/// After this long without a question a district is counted when it is asked about.
const ASKED_WITHIN: Duration = Duration::from_hours(24);

/// A page of a district with more students does not wait for suggestions.
const AT_ONCE: u64 = 20_000;

/// Counting a district whose audit is shorter takes no time that anybody minds.
const LARGE: i64 = 150_000;

/// Counting that took no longer is waited for.
const SHORT: Duration = Duration::from_millis(100);

/// Counting by itself takes no more than one part in so many of a core.
const SHARE: u32 = 10;

/// Whether a page should not wait until a district is read.
pub(crate) fn is_large(state: &DistrictState) -> bool {
    state.audit_seq > LARGE
}

/// One district's numbers, and what was made of them.
#[derive(Debug)]
pub(crate) struct Counts {
    tallied: Tallied,
    /// What could be done about shortages; worked out when the first one asks.
    shortages: OnceCell<Vec<Shortage>>,
    /// The day of that: suggestions speak of days.
    day: Date,
    /// When it was counted, and how long that took.
    counted: (Instant, Duration),
    asked: Asked,
}

impl Counts {
    fn is_fresh(&self, at: &Moment, day: Date) -> bool {
        self.tallied.at.holds(at) && self.day == day
    }

    /// Whether it is to be counted before anyone asks.
    fn is_due(&self) -> bool {
        let (at, took) = self.counted;
        self.asked.last().elapsed() < ASKED_WITHIN && at.elapsed() >= took * SHARE
    }
}

/// A district's numbers at one moment of its own.
#[derive(Debug)]
pub(crate) struct Seen {
    counts: Arc<Counts>,
    state: DistrictState,
    /// Whether something was decided since, so that the numbers are being counted anew.
    pub(crate) is_old: bool,
}

/// The numbers of all districts that were asked about.
#[derive(Debug, Default)]
pub(crate) struct Counted(Kept<Counts>);

impl Counted {
    /// The numbers of a district, as it is now.
    pub(crate) async fn of(&self, store: &Store, district: &DistrictId, now: Timestamp) -> Result<Seen, StoreError> {
        self.seen(store, store.moment(district).await?, now).await
    }

    /// The numbers at a moment that was just looked at.
    async fn seen(&self, store: &Store, at: Moment, now: Timestamp) -> Result<Seen, StoreError> {
        let counts = self.at(store, &at, now, Instant::now()).await?;
        counts.asked.now();
        // What was read may be newer than what was looked at; the last pull stands with the state and is not counted.
        let state = if counts.tallied.at.holds(&at) { at.state } else { counts.tallied.at.state.clone() };
        Ok(Seen { counts, state, is_old: false })
    }

    /// Whether a district was ever counted.
    pub(crate) fn knows(&self, district: &DistrictId) -> bool {
        self.0.known(district).is_some()
    }

    /// The numbers for a page, which does not wait where counting takes seconds: those that were counted last, while they are
    /// counted anew; none before the first time, which has begun then.
    pub(crate) async fn for_page(app: &App, district: &DistrictId, now: Timestamp) -> Result<Option<Seen>, StoreError> {
        let store = app.desk.office().store;
        let at = store.moment(district).await?;
        let known = app.counted.0.known(district);
        let takes_long = is_large(&at.state) && known.as_ref().is_none_or(|it| it.counted.1 > SHORT);
        let is_fresh = known.as_ref().is_some_and(|it| it.is_fresh(&at, now.date_in(at.state.time_zone)));
        if !takes_long || is_fresh {
            return app.counted.seen(&store, at, now).await.map(Some);
        }
        let is_old = known.as_ref().is_none_or(|it| it.tallied.at.state.revision != at.state.revision);
        // Uses come in all day, and each of them is counted in time.
        let is_due = is_old || known.as_ref().is_some_and(|it| it.is_due());
        // Whoever waits for a count that is under way would begin another one, since uses came in meanwhile.
        if is_due && !app.counted.0.is_reading(district) {
            Self::begin(app, vec![district.clone()], now);
        }
        Ok(known.map(|counts| {
            counts.asked.now();
            let state = counts.tallied.at.state.clone();
            Seen { counts, state, is_old }
        }))
    }

    /// Counts districts one after another, and nobody waits for it.
    pub(crate) fn begin(app: &App, districts: Vec<DistrictId>, now: Timestamp) {
        let app = app.clone();
        tokio::spawn(async move {
            let store = app.desk.office().store;
            for district in districts {
                // What cannot be read is told to whoever waits for it.
                if let Err(error) = app.counted.of(&store, &district, now).await {
                    tracing::debug!(%error, "numbers are counted when they are asked for");
                }
            }
        });
    }

    async fn at(&self, store: &Store, at: &Moment, now: Timestamp, asked: Instant) -> Result<Arc<Counts>, StoreError> {
        let (district, day) = (&at.state.id, now.date_in(at.state.time_zone));
        let read = async {
            let begun = Instant::now();
            let tallied = store.tallied(district, PLACES).await?;
            let (counted, asked) = ((Instant::now(), begun.elapsed()), Asked::at(asked));
            Ok(Counts { tallied, shortages: OnceCell::new(), day, counted, asked })
        };
        self.0.get(district, |it| it.is_fresh(at, day), read).await
    }

    /// Counts anew what was written since, until the daemon stops. Uses that decide nothing wait for whoever asks.
    pub(crate) async fn watch(self: Arc<Self>, desk: Arc<Desk>) {
        while desk.stopping().run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            if let Err(error) = self.look(&desk).await {
                tracing::debug!(%error, "numbers are counted when they are asked for");
            }
        }
    }

    async fn look(&self, desk: &Desk) -> Result<(), StoreError> {
        let (office, kept) = (desk.office(), self.0.all());
        if kept.is_empty() {
            return Ok(());
        }
        let revisions: BTreeMap<DistrictId, i64> = office.store.revisions().await?.into_iter().collect();
        self.0.forget(|district| !revisions.contains_key(district));
        for (district, it) in kept {
            let (now, known) = (office.clock.now(), &it.tallied.at.state);
            let is_old = revisions.get(&district).is_some_and(|revision| *revision != known.revision)
                || now.date_in(known.time_zone) != it.day;
            if is_old && it.is_due() {
                let at = office.store.moment(&district).await?;
                self.at(&office.store, &at, now, it.asked.last()).await?;
            }
        }
        Ok(())
    }
}

impl Deref for Seen {
    type Target = Tallied;

    fn deref(&self) -> &Tallied {
        &self.counts.tallied
    }
}

impl Seen {
    /// The rows of `rosterd licenses`.
    pub(crate) fn licenses(&self, as_of: Timestamp, by_school: bool) -> Vec<License> {
        self.counts.tallied.licenses(&self.state, as_of, by_school)
    }

    /// What could be done about shortages of all products, by product and pool.
    pub(crate) async fn shortages(&self, app: &App, as_of: Timestamp) -> Result<&[Shortage], Problem> {
        let office = app.desk.office();
        let make = || async {
            let baseline = recent::whole(app, &office.store, &self.state.id).await?;
            let by_hand = office.known.get(&self.state.id).is_some_and(crate::district::District::is_by_hand);
            let wanted = Wanted { by_hand, ..Wanted::default() };
            // It takes some allocations, and a worker of the server has others to answer.
            let worked = tokio::task::spawn_blocking(move || suggest::suggest(&baseline, as_of, &wanted)).await;
            worked.map_err(|_| Problem::internal())
        };
        self.counts.shortages.get_or_try_init(make).await.map(Vec::as_slice)
    }

    /// The same for a page, which does not wait where they take seconds: none until they are worked out, which has begun.
    pub(crate) async fn shortages_for_page(&self, app: &App, as_of: Timestamp) -> Result<Option<&[Shortage]>, Problem> {
        if self.counts.tallied.tallies.students() <= AT_ONCE {
            return self.shortages(app, as_of).await.map(Some);
        }
        let known = self.counts.shortages.get().map(Vec::as_slice);
        if known.is_none() {
            let (app, state) = (app.clone(), self.state.clone());
            let this = Self { counts: Arc::clone(&self.counts), state, is_old: self.is_old };
            // Those that others have begun are waited for; what fails is begun again by the next page.
            tokio::spawn(async move { this.shortages(&app, as_of).await.map(|_| ()) });
        }
        Ok(known)
    }
}
