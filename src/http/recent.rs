//! Whole districts for questions about single people: whoever asks about one user soon asks about the next of the same district.
//! Each is kept for a minute after the last question, a few at a time, and read anew after each commit.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::http::kept::Kept;
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
struct Read {
    /// No later than the district was read.
    at: Moment,
    baseline: Arc<Baseline>,
    asked: Mutex<Instant>,
}

impl Read {
    fn asked(&self) -> Instant {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The districts that were asked about lately.
#[derive(Debug, Default)]
pub(crate) struct Recent(Kept<Read>);

impl Recent {
    /// A district as it is now.
    pub(crate) async fn of(&self, store: &Store, district: &DistrictId) -> Result<Arc<Baseline>, StoreError> {
        let at = store.moment(district).await?;
        let read = async {
            self.keep(MOST.saturating_sub(1), district);
            let (at, asked) = (at.clone(), Mutex::new(Instant::now()));
            Ok(Read { at, baseline: Arc::new(store.baseline(district).await?), asked })
        };
        let entry = self.0.get(district, |it| it.at == at, read).await?;
        *entry.asked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Ok(Arc::clone(&entry.baseline))
    }

    /// Leaves the `most` that were asked about last beside `district`.
    fn keep(&self, most: usize, district: &DistrictId) {
        let others = self.0.all().into_iter().filter(|(id, _)| id != district);
        let mut others: Vec<_> = others.map(|(id, it)| (it.asked(), id)).collect();
        others.sort();
        let gone: Vec<DistrictId> =
            others.iter().take(others.len().saturating_sub(most)).map(|(_, id)| id.clone()).collect();
        self.0.forget(|id| gone.contains(id));
    }

    /// Drops what nobody asks about any more, and what is not as it was, until the daemon stops: who was erased is soon gone
    /// from here, too.
    pub(crate) async fn watch(&self, desk: &Desk) {
        while desk.stopping().run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            for (id, it) in self.0.all() {
                let now = desk.office().store.moment(&id).await;
                if it.asked().elapsed() > IDLE || now.is_ok_and(|now| now != it.at) {
                    self.0.forget(|other| *other == id);
                }
            }
        }
    }
}
