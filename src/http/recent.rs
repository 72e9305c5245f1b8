//! What is read of whole districts for questions about single people: whoever asks about one user soon asks about the next of the
//! same district. Each is kept for a minute after the last question, a few at a time, and read anew after each commit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::explain::Explanation;
use crate::http::App;
use crate::http::counted::Seen;
use crate::http::kept::{Asked, Kept};
use crate::http::problem::Problem;
use crate::inquiry::{self, WhoAndWhat};
use crate::model::{Baseline, DistrictId};
use crate::schedule::desk::Desk;
use crate::store::{Moment, Store, StoreError};

/// How long a district is kept that nobody asks about.
const IDLE: Duration = Duration::from_mins(1);

/// Between two looks at what is kept.
const LOOK: Duration = Duration::from_secs(10);

/// Districts kept at once.
const MOST: usize = 4;

#[derive(Debug)]
struct Read<T> {
    /// No later than the district was read.
    at: Moment,
    what: Arc<T>,
    asked: Asked,
}

/// The districts that were asked about lately.
#[derive(Debug)]
pub(crate) struct Recent<T> {
    kept: Kept<Read<T>>,
    /// Whether what was read at one moment still is so at another.
    holds: fn(&Moment, &Moment) -> bool,
}

impl<T> Recent<T> {
    /// Of what is so as long as `holds` says.
    pub(crate) fn new(holds: fn(&Moment, &Moment) -> bool) -> Self {
        Self { kept: Kept::default(), holds }
    }

    /// What `read` brings of a district, as it is now.
    pub(crate) async fn of(
        &self,
        store: &Store,
        district: &DistrictId,
        read: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<Arc<T>, StoreError> {
        let at = store.moment(district).await?;
        let read = async {
            self.make_room(district);
            let (at, asked) = (at.clone(), Asked::at(Instant::now()));
            Ok(Read { at, what: Arc::new(read.await?), asked })
        };
        let entry = self.kept.get(district, |it| (self.holds)(&it.at, &at), read).await?;
        entry.asked.now();
        Ok(Arc::clone(&entry.what))
    }

    /// What is kept of a district and still holds.
    pub(crate) async fn at_hand(&self, store: &Store, district: &DistrictId) -> Result<Option<Arc<T>>, StoreError> {
        let now = store.moment(district).await?;
        let entry = self.kept.known(district).filter(|it| (self.holds)(&it.at, &now));
        Ok(entry.map(|it| {
            it.asked.now();
            Arc::clone(&it.what)
        }))
    }

    /// Of the others those stay that were asked about last.
    fn make_room(&self, district: &DistrictId) {
        let others = self.kept.all().into_iter().filter(|(id, _)| id != district);
        let mut others: Vec<(Instant, DistrictId)> = others.map(|(id, it)| (it.asked.last(), id)).collect();
        others.sort_by(|one, other| other.cmp(one));
        let gone: Vec<DistrictId> = others.into_iter().skip(MOST - 1).map(|(_, id)| id).collect();
        self.kept.forget(|id| gone.contains(id));
    }

    /// Drops what nobody asks about any more, and what is not as it was, until the daemon stops: who was erased is soon gone
    /// from here, too.
    pub(crate) async fn watch(self: Arc<Self>, desk: Arc<Desk>) {
        while desk.stopping().run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            for (id, it) in self.kept.all() {
                let now = desk.office().store.moment(&id).await;
                if it.asked.last().elapsed() > IDLE || now.is_ok_and(|now| !(self.holds)(&it.at, &now)) {
                    self.kept.forget(|other| *other == id);
                }
            }
        }
    }
}

/// Everything of a district.
pub(crate) async fn whole(app: &App, store: &Store, district: &DistrictId) -> Result<Arc<Baseline>, StoreError> {
    app.recent.of(store, district, store.baseline(district)).await
}

/// Why a user has a product or has it not, for all that are asked about, beside the district's numbers.
/// A page does not count who is ahead, `deepest` places on.
pub(crate) async fn explained(
    app: &App,
    counts: &Seen,
    asked: WhoAndWhat<'_>,
    deepest: Option<u32>,
) -> Result<Vec<Explanation>, Problem> {
    let store = app.desk.office().store;
    let totals = counts.licenses(asked.as_of, false);
    let baseline = match store.about(asked.district, asked.user, deepest).await? {
        Some(part) => Arc::new(part),
        None => whole(app, &store, asked.district).await?,
    };
    Ok(inquiry::explain_of(&store, (&baseline, &totals), asked).await?)
}
