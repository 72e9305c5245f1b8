//! The numbers of districts as pages and programs show them, counted once for all who ask until something is written.

use std::ops::Deref;
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::allocate::License;
use crate::explain::Explanation;
use crate::http::App;
use crate::http::kept::Kept;
use crate::http::problem::Problem;
use crate::inquiry::{self, WhoAndWhat};
use crate::model::{Date, DistrictId, DistrictState, Timestamp};
use crate::store::{Moment, Store, StoreError, Tallied};
use crate::suggest::{self, Shortage, Wanted};

/// Places in line that a page shows, of all products.
pub(crate) const PLACES: usize = 100;

/// One district's numbers, and what was made of them.
#[derive(Debug)]
pub(crate) struct Counts {
    tallied: Tallied,
    /// What could be done about shortages; worked out when the first one asks.
    shortages: OnceCell<Vec<Shortage>>,
    /// The day of that: suggestions speak of days.
    day: Date,
}

/// A district's numbers at one moment of its own.
#[derive(Debug)]
pub(crate) struct Seen {
    counts: Arc<Counts>,
    state: DistrictState,
}

/// The numbers of all districts that were asked about.
#[derive(Debug, Default)]
pub(crate) struct Counted(Kept<Counts>);

impl Counted {
    /// The numbers of a district, as it is now.
    pub(crate) async fn of(&self, store: &Store, district: &DistrictId, now: Timestamp) -> Result<Seen, StoreError> {
        let at: Moment = store.moment(district).await?;
        let day = now.date_in(at.state.time_zone);
        let fresh = |it: &Counts| it.tallied.at.holds(&at) && it.day == day;
        let read = async {
            let tallied = store.tallied(district, PLACES).await?;
            Ok(Counts { tallied, shortages: OnceCell::new(), day })
        };
        let counts = self.0.get(district, fresh, read).await?;
        // What was read may be newer than what was looked at; the last pull stands with the state and is not counted.
        let state = if counts.tallied.at.holds(&at) { at.state } else { counts.tallied.at.state.clone() };
        Ok(Seen { counts, state })
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
            let baseline = app.recent.of(&office.store, &self.state.id).await?;
            let by_hand = office.known.get(&self.state.id).is_some_and(crate::district::District::is_by_hand);
            let wanted = Wanted { by_hand, ..Wanted::default() };
            // It takes some allocations, and a worker of the server has others to answer.
            let worked = tokio::task::spawn_blocking(move || suggest::suggest(&baseline, as_of, &wanted)).await;
            worked.map_err(|_| Problem::internal())
        };
        self.counts.shortages.get_or_try_init(make).await.map(Vec::as_slice)
    }
}

/// Why a user has a product or has it not, for all that are asked about.
pub(crate) async fn explained(app: &App, asked: WhoAndWhat<'_>) -> Result<Vec<Explanation>, Problem> {
    let store = app.desk.office().store;
    let totals = app.counted.of(&store, asked.district, asked.as_of).await?.licenses(asked.as_of, false);
    let baseline = app.recent.of(&store, asked.district).await?;
    Ok(inquiry::explain_of(&store, (&baseline, &totals), asked).await?)
}
