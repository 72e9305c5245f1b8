//! Files what is due: nights, syncs asked for by signal, catalog changes. It never carries anything out.
//!
//! A night is filed once for each district and local date, whatever restarts: the queue keeps one row a night. A night that
//! passed while no daemon was up is caught up once, the latest only. It counts as passed, not missed, in two cases: the
//! store has never seen the district (its `district` row is made when a daemon or a command first meets it, and that night is
//! noted as needing no run), or someone has synced the district since the night was due.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use crate::directory::Directory;
use crate::district::District;
use crate::erase;
use crate::model::{DistrictId, RunStatus, Timestamp, Trigger};
use crate::schedule::catalog;
use crate::schedule::desk::Desk;
use crate::schedule::due::{self, Night, Nightly};
use crate::schedule::reload;
use crate::schedule::reports;
use crate::schedule::worker::Office;
use crate::store::{Expired, NewRequest, QueueError, RunFilter, StoreError};
use crate::systemd;

/// A heartbeat later than this is not waited for.
const HEARTBEAT_LATE: Duration = Duration::from_secs(30);

/// Before the list of an app that did not answer is asked for again.
const LIST_AGAIN: Duration = Duration::from_mins(5);

/// What a signal asks the dispatcher for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// A sync of every district with a feed.
    SyncAll,
    /// Configuration, catalog and directory anew.
    Reload,
}

/// A listing of the Clever apps that is under way.
#[derive(Debug)]
struct Listing {
    found: JoinHandle<Directory>,
    /// Whether districts it newly finds are synced at once.
    sync: bool,
}

/// Between two deletions of old archived rows.
const EXPIRE_EVERY: TimeDelta = TimeDelta::hours(20);

/// Deletes old archived rows if a day has passed since the last time.
async fn expire(office: &Office) -> Result<(), StoreError> {
    let now = office.clock.now();
    if office.store.expired_at().await?.is_some_and(|last| last <= now && now < last.plus(EXPIRE_EVERY)) {
        return Ok(());
    }
    match erase::expire(&office.store, &office.settings.privacy, now).await? {
        Some(Expired::Done(counts)) if !counts.is_empty() => {
            let rows: u64 = counts.values().sum();
            tracing::info!(rows, "deleted {rows} archived rows that were older than the retention");
        }
        Some(Expired::ClockWentBack { last }) => {
            tracing::warn!(%last, "the clock stands before {last}: no archived row is deleted before it is right again");
        }
        Some(Expired::Done(_)) | None => {}
    }
    Ok(())
}

/// The task that files.
#[derive(Debug)]
pub struct Dispatcher {
    desk: Arc<Desk>,
    files: Vec<PathBuf>,
    /// When this daemon began, by the clock of decisions.
    began: Timestamp,
    /// The night of each district that needs nothing more.
    settled: BTreeMap<DistrictId, String>,
    /// The night for which each app's list was last asked for.
    listed: BTreeMap<String, String>,
    listing: Option<Listing>,
    asked: Instant,
    list_failed: bool,
    catalog_read: Instant,
    expiring: Option<JoinHandle<()>>,
    reporting: Option<JoinHandle<()>>,
    /// A look at the catalog that is under way: a service may take its time to answer.
    looking: Option<JoinHandle<()>>,
}

impl Dispatcher {
    /// `files` are those of `--config`, read again on [`Order::Reload`].
    pub fn new(desk: Arc<Desk>, files: Vec<PathBuf>) -> Self {
        let began = desk.office().clock.now();
        let now = Instant::now();
        Self {
            desk,
            files,
            began,
            settled: BTreeMap::new(),
            listed: BTreeMap::new(),
            listing: None,
            asked: now,
            list_failed: false,
            catalog_read: now,
            expiring: None,
            reporting: None,
            looking: None,
        }
    }

    /// Goes round until the daemon stops.
    pub async fn run(mut self, heartbeat: Arc<Notify>, mut orders: mpsc::Receiver<Order>) {
        let stopping = self.desk.stopping().clone();
        loop {
            tokio::select! {
                biased;
                () = stopping.cancelled() => return,
                order = orders.recv() => match order {
                    Some(Order::SyncAll) => self.sync_all().await,
                    Some(Order::Reload) => self.reload().await,
                    None => return,
                },
                directory = found(&mut self.listing) => self.adopt(directory).await,
                late = tokio::time::timeout(HEARTBEAT_LATE, heartbeat.notified()) => if late.is_err() {
                    tracing::warn!("the heartbeat is late; looking without it");
                },
            }
            self.desk.beat();
            self.list_apps();
            self.look_at_catalog();
            self.expire();
            self.report();
            if let Err(error) = self.file_nights().await {
                tracing::error!(%error, "cannot file the nights that are due, trying again");
            }
        }
    }

    /// Deletes old archived rows once a day, beside everything else (safety.md, People's data; T45).
    fn expire(&mut self) {
        if self.expiring.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let office = self.desk.office();
        self.expiring = Some(tokio::spawn(async move {
            if let Err(error) = expire(&office).await {
                tracing::error!(%error, "old archived rows could not be deleted, trying again");
            }
        }));
    }

    /// Writes reports that are due, beside everything else.
    fn report(&mut self) {
        let busy = self.reporting.as_ref().is_some_and(|task| !task.is_finished());
        let office = self.desk.office();
        if !busy && office.settings.reports.folder.is_some() {
            self.reporting = Some(tokio::spawn(async move { reports::write_due(&office).await }));
        }
    }

    /// Files the latest due night of each district, once.
    async fn file_nights(&mut self) -> Result<(), QueueError> {
        let office = self.desk.office();
        for district in office.known.all() {
            let Some(night) = latest(&office, district) else { continue };
            let id = district.id();
            if self.settled.get(&id) == Some(&night.key) {
                continue;
            }
            if district.is_by_hand() && office.store.district(&id).await?.allocated_at.is_none() {
                // Nothing was uploaded yet, so no date can end anything.
                continue;
            }
            let missed = night.due < self.began.instant();
            if !office.queue.is_night_filed(&id, &night.key).await? {
                if missed && synced_since(&office, &id, &night).await? {
                    office.queue.pass_over_night(&id, &night.key).await?;
                } else {
                    // Where there is no feed, dates still end things (licensing.md, One allocation).
                    let mode = if district.is_by_hand() { "allocate" } else { "apply" };
                    let request = self.desk.request(id.clone(), mode, Trigger::Schedule);
                    let filed = self.desk.file(NewRequest { night: Some(night.key.clone()), ..request }).await?;
                    let (run, key) = (&filed.run, &night.key);
                    let caught_up = if missed { ", missed while no daemon was up" } else { "" };
                    tracing::info!(run.id = %run, district.id = %id, "filed the night {key} of {id}{caught_up}");
                }
            }
            self.settled.insert(id, night.key);
        }
        Ok(())
    }

    async fn sync_all(&mut self) {
        let office = self.desk.office();
        let districts: Vec<&District> = office.known.all().collect();
        self.sync(&districts).await;
        // A district shared with an app since the last list is synced too.
        self.begin_listing(true);
    }

    async fn sync(&self, districts: &[&District]) {
        for district in districts.iter().filter(|it| !it.is_by_hand()) {
            let id = district.id();
            let request = self.desk.request(id.clone(), "apply", Trigger::Signal);
            match self.desk.file(request).await {
                Ok(filed) => {
                    tracing::info!(run.id = %filed.run, district.id = %id, joined = filed.joined, "sync of {id} asked for by signal");
                }
                Err(error) => {
                    tracing::error!(%error, district.id = %id, "the sync of {id} could not be filed; signal again");
                }
            }
        }
    }

    async fn reload(&mut self) {
        systemd::reloading();
        match reload::settings(&self.desk, &self.files) {
            Ok(()) => {
                let office = self.desk.office();
                let mut directory = Directory::configured(&office.settings);
                // What the apps have listed stays until they list anew.
                directory.keep_listed(&office.known, &office.settings);
                self.adopt_known(directory).await;
                self.listed.clear();
                self.begin_listing(false);
                self.refresh_catalog();
                tracing::info!("configuration read again");
            }
            Err(error) => tracing::error!(%error, "the configuration was not taken, the old one stays in force"),
        }
        systemd::ready("running");
    }

    /// Asks each app for its districts before its night begins, and again later where it did not answer.
    fn list_apps(&mut self) {
        let office = self.desk.office();
        let now = office.clock.now();
        let Ok(nightly) = Nightly::parse(&office.settings.schedule.nightly) else { return };
        let mut due = self.list_failed && self.asked.elapsed() >= LIST_AGAIN;
        for app in office.settings.apps() {
            let night = nightly.latest(app.time_zone(), TimeDelta::zero(), now.instant());
            let key = night.map(|it| it.key).unwrap_or_default();
            if self.listed.get(app.id()) != Some(&key) {
                self.listed.insert(app.id().to_owned(), key);
                due = true;
            }
        }
        if due {
            self.begin_listing(false);
        }
    }

    fn begin_listing(&mut self, sync: bool) {
        let office = self.desk.office();
        if office.settings.apps().is_empty() {
            return;
        }
        if let Some(under_way) = &mut self.listing {
            under_way.sync |= sync;
            return;
        }
        self.asked = Instant::now();
        let found = tokio::spawn(async move { office.list().await });
        self.listing = Some(Listing { found, sync });
    }

    async fn adopt(&mut self, (found, sync): (Option<Directory>, bool)) {
        let Some(found) = found else { return };
        self.list_failed = !found.problems.is_empty();
        for problem in &found.problems {
            tracing::error!(app = %problem.app, "{} `{}` did not list its districts: {}", problem.table, problem.app, problem.message);
        }
        let known = self.desk.office().known;
        let directory = found.or_known(&known);
        let new: Vec<DistrictId> = directory.all().map(District::id).filter(|id| known.get(id).is_none()).collect();
        for id in &new {
            tracing::info!(district.id = %id, "district {id} is shared with an app");
        }
        for id in known.all().map(District::id).filter(|id| directory.get(id).is_none()) {
            tracing::warn!(district.id = %id, "district {id} is not listed any more and is disconnected: its roster and seats stay as they are");
        }
        self.adopt_known(directory).await;
        if sync {
            let known = self.desk.office().known;
            let new: Vec<&District> = new.iter().filter_map(|id| known.get(id)).collect();
            self.sync(&new).await;
        }
    }

    async fn adopt_known(&self, mut directory: Directory) {
        let office = self.desk.office();
        match office.store.listed().await {
            Ok(former) => directory.keep_former(&former, &office.settings),
            Err(error) => tracing::error!(%error, "districts that apps listed before could not be read"),
        }
        self.desk.adopt_directory(directory);
        if let Err(error) = meet(&self.desk.office()).await {
            tracing::error!(%error, "the districts could not be noted in the store");
        }
    }

    fn look_at_catalog(&mut self) {
        let minutes = u64::from(self.desk.office().settings.catalog.refresh_minutes);
        if minutes > 0 && self.catalog_read.elapsed() >= Duration::from_secs(minutes * 60) {
            self.refresh_catalog();
        }
    }

    fn refresh_catalog(&mut self) {
        self.catalog_read = Instant::now();
        let last = self.looking.take();
        let desk = Arc::clone(&self.desk);
        self.looking = Some(tokio::spawn(async move {
            if let Some(last) = last {
                // What it failed with is in the log already.
                drop(last.await);
            }
            if let Err(error) = catalog::refresh(&desk).await {
                tracing::error!(%error, "the catalog could not be looked at, the last good one stays in force");
            }
        }));
    }
}

/// What the listing found, once it has; pending while there is none.
async fn found(listing: &mut Option<Listing>) -> (Option<Directory>, bool) {
    let Some(under_way) = listing else { return std::future::pending().await };
    let directory = (&mut under_way.found).await.ok();
    let sync = under_way.sync;
    *listing = None;
    (directory, sync)
}

fn latest(office: &Office, district: &District) -> Option<Night> {
    let schedule = &office.settings.schedule;
    let nightly = Nightly::parse(&schedule.nightly).ok()?;
    let spread = due::spread(&district.id, schedule.spread_minutes);
    nightly.latest(district.time_zone, spread, office.clock.now().instant())
}

/// Notes in the store every district that is known now. The latest night of one that the store has never seen needs no run.
pub async fn meet(office: &Office) -> Result<(), StoreError> {
    let seen: Vec<DistrictId> = office.store.districts().await?.into_iter().map(|it| it.id).collect();
    for district in office.known.all() {
        let id = district.id();
        if !seen.contains(&id)
            && let Some(night) = latest(office, district)
        {
            office.queue.pass_over_night(&id, &night.key).await?;
        }
        office.store.ensure_district(&id, district.name(), district.time_zone, district.feed.end_dates()).await?;
    }
    for (id, app) in office.known.listed(&office.settings) {
        office.store.note_app(id, app).await?;
    }
    Ok(())
}

/// Whether a sync after the night was due has done what the night would have done.
async fn synced_since(office: &Office, district: &DistrictId, night: &Night) -> Result<bool, StoreError> {
    let filter = RunFilter { district: Some(district.clone()), limit: Some(20), ..RunFilter::default() };
    let runs = office.store.runs(&filter).await?;
    Ok(runs.iter().any(|run| {
        let done = matches!(run.status, RunStatus::Applied | RunStatus::Unchanged | RunStatus::Held);
        done && run.mode == "apply" && run.as_of.instant() >= night.due
    }))
}
