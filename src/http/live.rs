//! Districts as logins ask for them, kept in memory and right: an index is read at a district's first login, and anew after
//! each commit of whatever process.
//!
//! This process says itself when it commits; what others commit is seen in the districts' revisions, looked at several times
//! a second. While the store cannot be asked, the last known answers go on.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::task::JoinSet;

use crate::access::{self, Index, Today};
use crate::http::kept::Kept;
use crate::model::{Date, DistrictId, Timestamp};
use crate::schedule::desk::Desk;
use crate::store::{Store, StoreError};

/// Between two looks at the revisions: a commit of another process is seen within this.
const LOOK: Duration = Duration::from_millis(250);

/// Districts read at once.
const AT_ONCE: usize = 2;

/// One district and the day its contract was last read for.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) index: Index,
    today: RwLock<Arc<Today>>,
    /// The day of the snapshot that was written of it.
    written: std::sync::Mutex<Option<Date>>,
}

impl Entry {
    fn new(index: Index, now: Timestamp) -> Self {
        let today = RwLock::new(Arc::new(index.today(index.day(now))));
        Self { index, today, written: std::sync::Mutex::default() }
    }

    /// What the contract gives on the day of `now`.
    pub(crate) fn today(&self, now: Timestamp) -> Arc<Today> {
        let day = self.index.day(now);
        let known = Arc::clone(&self.today.read().unwrap_or_else(PoisonError::into_inner));
        if known.day == day {
            return known;
        }
        let fresh = Arc::new(self.index.today(day));
        *self.today.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&fresh);
        fresh
    }
}

/// All districts that were asked about.
#[derive(Debug, Default)]
pub(crate) struct Live(Kept<Entry>);

impl Live {
    /// The district, from memory if it was asked about before.
    pub(crate) async fn district(
        &self,
        store: &Store,
        district: &DistrictId,
        now: Timestamp,
    ) -> Result<Arc<Entry>, StoreError> {
        match self.0.known(district) {
            Some(entry) => Ok(entry),
            None => self.at_least(store, district, 0, now).await,
        }
    }

    /// The district at a revision no older than the given one.
    pub(crate) async fn at_least(
        &self,
        store: &Store,
        district: &DistrictId,
        revision: i64,
        now: Timestamp,
    ) -> Result<Arc<Entry>, StoreError> {
        let fresh = |it: &Entry| it.index.state().revision >= revision;
        self.0.get(district, fresh, async { Ok(Entry::new(store.access(district).await?, now)) }).await
    }

    /// Districts in memory that are not at the store's revision, with that. A store that was put back to an earlier state
    /// counts as another one.
    ///
    /// With `snapshots`, every district is in memory, and one without a snapshot of today is among them.
    fn stale(&self, revisions: &BTreeMap<DistrictId, i64>, snapshots: bool, now: Timestamp) -> Vec<(DistrictId, i64)> {
        let entries = self.0.all();
        let written =
            |it: &Entry| *it.written.lock().unwrap_or_else(PoisonError::into_inner) == Some(it.index.day(now));
        let stale = revisions.iter().filter(|(district, revision)| match entries.get(*district) {
            Some(it) => it.index.state().revision != **revision || (snapshots && !written(it)),
            None => snapshots,
        });
        stale.map(|(district, revision)| (district.clone(), *revision)).collect()
    }

    /// Keeps what is in memory right until the daemon stops.
    pub(crate) async fn watch(self: Arc<Self>, desk: Arc<Desk>) {
        let mut commits = desk.office().store.commits();
        let mut failing = false;
        let mut reading: JoinSet<(DistrictId, Result<(), StoreError>)> = JoinSet::new();
        let mut under_way = BTreeSet::new();
        loop {
            tokio::select! {
                () = desk.stopping().cancelled() => return,
                changed = commits.changed() => if changed.is_err() { return },
                Some(read) = reading.join_next() => {
                    if let Ok((district, outcome)) = read {
                        under_way.remove(&district);
                        if let Err(error) = outcome {
                            tracing::warn!(%error, district.id = %district, "logins of {district} are answered from what was known before");
                        }
                    }
                },
                () = tokio::time::sleep(LOOK) => {}
            }
            let office = desk.office();
            let revisions = match office.store.revisions().await {
                Ok(all) => all.into_iter().collect::<BTreeMap<_, _>>(),
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%error, "the store does not answer; logins are answered from what was known before");
                    }
                    continue;
                }
            };
            failing = false;
            self.0.forget(|district| !revisions.contains_key(district));
            let snapshots = office.settings.access.snapshot_folder.is_some();
            for (district, revision) in self.stale(&revisions, snapshots, office.clock.now()) {
                if under_way.len() < AT_ONCE && under_way.insert(district.clone()) {
                    let (live, desk) = (Arc::clone(&self), Arc::clone(&desk));
                    reading.spawn(async move {
                        let outcome = live.follow(&desk, &district, revision).await;
                        (district, outcome)
                    });
                }
            }
        }
    }

    async fn follow(&self, desk: &Desk, district: &DistrictId, revision: i64) -> Result<(), StoreError> {
        let office = desk.office();
        let now = office.clock.now();
        if self.0.known(district).is_some_and(|it| it.index.state().revision > revision) {
            self.0.forget(|it| it == district);
        }
        let entry = self.at_least(&office.store, district, revision, now).await?;
        if let Some(folder) = &office.settings.access.snapshot_folder {
            let (file, settings) = (folder.join(format!("{district}.json")), office.settings.access.clone());
            let writing = tokio::task::spawn_blocking(move || {
                let written = write(&file, &entry, &settings, now);
                // Also after a failure: it is tried again after the next commit, and tomorrow.
                *entry.written.lock().unwrap_or_else(PoisonError::into_inner) = Some(entry.index.day(now));
                written
            });
            if let Ok(Err(why)) = writing.await {
                tracing::error!(district.id = %district, "the access snapshot of {district} was not written: {why}");
            }
        }
        Ok(())
    }
}

fn write(file: &Path, entry: &Entry, settings: &access::Settings, now: Timestamp) -> Result<(), String> {
    let Some(key) = &settings.snapshot_key else { return Ok(()) };
    let key = key.reveal(crate::secret::process_environment).map_err(|error| error.to_string())?;
    let document = access::snapshot(&entry.index, now, settings.snapshot_days);
    let document = document.map_err(|_| "it cannot be written as JSON".to_owned())?;
    let signed = access::sign(&document, key.expose_secret().as_bytes());
    put(file, &signed).map_err(|error| error.kind().to_string())
}

/// Puts a file in the place of the one before in one step, so that nobody ever reads half of it.
fn put(file: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let half = file.with_extension("json.new");
    let mut written = std::fs::File::create(&half)?;
    written.write_all(text.as_bytes())?;
    written.sync_data()?;
    std::fs::rename(half, file)
}
