//! One installation over the years: the real feed, queue, run and store in this process, at instants that the test names.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::NaiveDate;
use rosterd::allocate::{self, License};
use rosterd::audit::Entry;
use rosterd::clock::Clock;
use rosterd::config;
use rosterd::decide::Ask;
use rosterd::directory::Directory;
use rosterd::feed::Progress;
use rosterd::inquiry::{self, WhoAndWhat};
use rosterd::manual::{self, Asked, Verb};
use rosterd::model::{Baseline, DistrictId, Leaving, RunId, RunRecord, Seat, SourceId, Timestamp, Trigger, Waiting};
use rosterd::reports::Report;
use rosterd::revert;
use rosterd::schedule::catalog;
use rosterd::schedule::worker::Office;
use rosterd::store::{AuditFilter, NewRequest, Queue, QueueError, Store, StoreError};

use crate::support::db::{Backend, Fresh};

pub(crate) const DISTRICT: &str = "sim";

/// What can be said of an evening later: everything but when a seat was last used, and which accounts look like one person's.
#[derive(Debug, PartialEq)]
pub(crate) struct Evening {
    licenses: Vec<License>,
    seats: Vec<Seat>,
    waiting: Vec<Waiting>,
}

impl Evening {
    fn of(licenses: Vec<License>, baseline: Baseline) -> Self {
        let as_of = Timestamp::from_millis(0).unwrap();
        let row = |it| License { as_of, utilization_percent: None, assigned_if_merged: None, roster_as_of: None, ..it };
        let leaving = |it: Leaving| Leaving { upload: None, ..it };
        let seat = |it: Seat| Seat { last_used_at: None, leaving: it.leaving.clone().map(leaving), ..it };
        Self {
            licenses: licenses.into_iter().map(row).collect(),
            seats: baseline.seats.into_values().map(seat).collect(),
            waiting: baseline.waiting.into_values().collect(),
        }
    }
}

pub(crate) struct Desk {
    pub(crate) fresh: Fresh,
    office: Office,
    written: BTreeMap<&'static str, String>,
    /// What the store says since the last run.
    known: RefCell<Option<Rc<Baseline>>>,
}

impl Desk {
    /// None if there is no PostgreSQL here.
    pub(crate) async fn new(backend: Backend) -> Option<Self> {
        let opened = Self::open(Fresh::new(backend).await?).await;
        Some(opened.unwrap_or_else(|failed| panic!("{}", failed.1)))
    }

    /// On a database that may have something already, or may not work: then it is given back.
    pub(crate) async fn open(fresh: Fresh) -> Result<Self, Box<(Fresh, StoreError)>> {
        let feed = fresh.folder().join("feed");
        std::fs::create_dir_all(&feed).unwrap();
        let feed = format!(r#"{{ kind = "oneroster-csv", path = "{}", settle_seconds = 0 }}"#, feed.display());
        Self::open_with(fresh, &feed).await
    }

    /// The same with another feed.
    pub(crate) async fn open_with(fresh: Fresh, feed: &str) -> Result<Self, Box<(Fresh, StoreError)>> {
        match Self::office(&fresh, feed).await {
            Ok(office) => Ok(Self { fresh, office, written: BTreeMap::new(), known: RefCell::default() }),
            Err(error) => Err(Box::new((fresh, error))),
        }
    }

    async fn office(fresh: &Fresh, feed: &str) -> Result<Office, StoreError> {
        let catalog = fresh.folder().join("catalog.toml");
        let text = format!(
            "[store]\nurl = \"{}\"\n[catalog]\npath = \"{}\"\n[[district]]\nid = \"{DISTRICT}\"\nname = \"Simulated Schools\"\n\
             time_zone = \"America/Chicago\"\nfirst_sync = \"apply\"\nfeed = {feed}\n",
            fresh.settings.url,
            catalog.display(),
        );
        let path = fresh.folder().join("rosterd.toml");
        std::fs::write(&path, text).unwrap();
        let settings = Arc::new(config::read(&[path]).unwrap());
        let known = Arc::new(Directory::configured(&settings));
        let (store, queue) = (Store::open(&fresh.settings).await?, Queue::open(&fresh.settings).await?);
        let owner = "years".to_owned();
        let office = Office { settings, store, queue, clock: Clock::Real, owner, known };
        let district = office.settings.district(DISTRICT).unwrap();
        let zone = district.time_zone;
        office.store.ensure_district(&district.id(), district.name(), zone, district.feed.end_dates()).await?;
        Ok(office)
    }

    fn feed(&self) -> PathBuf {
        self.fresh.folder().join("feed")
    }

    /// Lays an export where the feed is read from; it was made at `at`.
    pub(crate) fn upload(&mut self, files: &BTreeMap<&'static str, String>, at: Timestamp) {
        let gone: Vec<&'static str> = self.written.keys().filter(|name| !files.contains_key(*name)).copied().collect();
        for name in gone {
            std::fs::remove_file(self.feed().join(name)).unwrap();
            self.written.remove(name);
        }
        let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.millis()).unwrap());
        for (name, text) in files {
            let path = self.feed().join(name);
            if self.written.get(name) != Some(text) {
                std::fs::write(&path, text).unwrap();
                self.written.insert(name, text.clone());
            }
            std::fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        }
    }

    fn request(mode: &str, trigger: Trigger, at: Timestamp) -> NewRequest {
        NewRequest {
            district: DISTRICT.into(),
            mode: mode.to_owned(),
            trigger,
            requested_by: Some("operator".to_owned()),
            reason: Some("simulated".to_owned()),
            payload: None,
            at,
            night: None,
            idempotency_key: None,
        }
    }

    async fn carry_out(&mut self, request: NewRequest) -> RunRecord {
        self.carried_out(request).await.unwrap()
    }

    /// `Err` if the store answers nothing any more.
    async fn carried_out(&mut self, request: NewRequest) -> Result<RunRecord, QueueError> {
        self.office.clock = Clock::Fixed(request.at);
        let filed = self.office.queue.request(request).await?;
        self.known.take();
        match self.office.claim(Some(&filed.run)).await? {
            Some(claimed) => self.office.carry_out(claimed, Arc::new(Progress::default())).await,
            // a night that was filed before and has ended
            None => Ok(self.office.store.run(&filed.run).await?.unwrap()),
        }
    }

    fn night(at: Timestamp) -> NewRequest {
        let night = Some(at.date_in("America/Chicago".parse().unwrap()).to_string());
        NewRequest { night, ..Self::request("apply", Trigger::Schedule, at) }
    }

    pub(crate) async fn sync(&mut self, at: Timestamp) -> RunRecord {
        self.carry_out(Self::night(at)).await
    }

    /// The same on a store that may fail.
    pub(crate) async fn try_sync(&mut self, at: Timestamp) -> Result<RunRecord, QueueError> {
        self.carried_out(Self::night(at)).await
    }

    /// A sync that a person asks for.
    pub(crate) async fn sync_by_hand(&mut self, at: Timestamp) -> RunRecord {
        self.carry_out(Self::request("apply", Trigger::Cli, at)).await
    }

    /// A night that is filed, for whoever takes it up.
    pub(crate) async fn file(&self, at: Timestamp) {
        self.office.queue.request(Self::night(at)).await.unwrap();
    }

    /// Takes up the oldest request that nobody works on, if there is any.
    pub(crate) async fn take_up(&mut self, at: Timestamp) -> Result<Option<RunRecord>, QueueError> {
        self.office.clock = Clock::Fixed(at);
        self.known.take();
        let Some(claimed) = self.office.claim(None).await? else { return Ok(None) };
        self.office.carry_out(claimed, Arc::new(Progress::default())).await.map(Some)
    }

    /// Two at one run: what becomes of the first, whose lease is the second's before either has reached the store, and what the
    /// second makes of the run.
    pub(crate) async fn contested(&mut self, at: Timestamp) -> [Result<RunRecord, QueueError>; 2] {
        self.office.clock = Clock::Fixed(at);
        self.known.take();
        let lost = self.office.claim(None).await.unwrap().unwrap();
        self.office.queue.void_all_leases().await.unwrap();
        let heir = self.office.claim(None).await.unwrap().unwrap();
        [
            self.office.carry_out(lost, Arc::new(Progress::default())).await,
            self.office.carry_out(heir, Arc::new(Progress::default())).await,
        ]
    }

    /// What a worker does first: every holder of a lease is dead, and what they had begun is done.
    pub(crate) async fn take_over(&mut self, at: Timestamp) -> Result<Vec<RunRecord>, QueueError> {
        self.office.queue.void_all_leases().await?;
        let mut done = Vec::new();
        while let Some(run) = self.take_up(at).await? {
            done.push(run);
        }
        Ok(done)
    }

    pub(crate) async fn revert(&mut self, run: &RunId, at: Timestamp) -> RunRecord {
        let payload = Some(serde_json::to_string(&revert::Ask { run: run.clone(), plan: false }).unwrap());
        self.carry_out(NewRequest { payload, ..Self::request("revert", Trigger::Cli, at) }).await
    }

    pub(crate) fn store(&self) -> &Store {
        &self.office.store
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.office.queue
    }

    /// Approves or rejects everything a run holds.
    pub(crate) async fn decide(&mut self, held: &RunRecord, approve: bool, at: Timestamp) -> RunRecord {
        self.try_decide(held, approve, at).await.unwrap()
    }

    /// The same on a store that may fail.
    pub(crate) async fn try_decide(
        &mut self,
        held: &RunRecord,
        approve: bool,
        at: Timestamp,
    ) -> Result<RunRecord, QueueError> {
        let ask = Ask { run: held.run.clone(), approve, groups: Vec::new(), hash: held.plan_hash.clone() };
        let payload = Some(serde_json::to_string(&ask).unwrap());
        let mode = if approve { "approve" } else { "reject" };
        self.carried_out(NewRequest { payload, ..Self::request(mode, Trigger::Approval, at) }).await
    }

    /// None if the verb is refused.
    pub(crate) async fn by_hand(&mut self, verb: &Verb, at: Timestamp) -> Option<RunRecord> {
        let asked = Asked { verb, fed: true, actor: "operator", reason: Some("simulated"), as_of: at };
        let (store, limits) = (&self.office.store, &self.office.settings.guard);
        manual::check(store, limits, &DistrictId::new(DISTRICT), asked).await.ok()?;
        let payload = Some(serde_json::to_string(verb).unwrap());
        let request = Self::request(rosterd::run::BY_HAND, Trigger::Cli, at);
        Some(self.carry_out(NewRequest { payload, ..request }).await)
    }

    /// Puts a catalog in force, with the seats that follow.
    pub(crate) async fn buy(&mut self, text: &str, at: Timestamp) {
        std::fs::write(self.fresh.folder().join("catalog.toml"), text).unwrap();
        self.office.clock = Clock::Fixed(at);
        self.known.take();
        let look = catalog::look(&self.office, None).await.unwrap().unwrap();
        assert_eq!(look.error, None);
        for _ in catalog::due(&self.office, &look).await.unwrap() {
            self.carry_out(Self::request(catalog::TAKE_UP, Trigger::Catalog, at)).await;
        }
    }

    /// What the store says; read once after each run, which alone changes it.
    pub(crate) async fn baseline(&self) -> Rc<Baseline> {
        let known = self.known.borrow().clone();
        if let Some(known) = known {
            return known;
        }
        let read = Rc::new(self.office.store.baseline(&DistrictId::new(DISTRICT)).await.unwrap());
        self.known.replace(Some(Rc::clone(&read)));
        read
    }

    /// Every invariant of the state as it is.
    pub(crate) fn assert_lawful(baseline: &Baseline, when: Timestamp) {
        let found = allocate::check(baseline, baseline.state.allocated_at.unwrap_or(when));
        assert!(found.is_empty(), "{when}: {found:#?}");
    }

    /// Deletes what is past its retention, as the daemon does each day.
    pub(crate) async fn expire(&self, now: Timestamp) {
        let done = rosterd::erase::expire(&self.office.store, &self.office.settings.privacy, now).await.unwrap();
        assert!(matches!(done, Some(rosterd::store::Expired::Done(_))), "{now}: {done:?}");
        self.known.replace(None);
    }

    /// Every entry of the audit, from the first on.
    pub(crate) async fn audit(&self) -> Vec<Entry> {
        let filter = AuditFilter { district: Some(DistrictId::new(DISTRICT)), ..AuditFilter::default() };
        let mut stream = self.office.store.audit_stream(filter).await.unwrap();
        let mut entries = Vec::new();
        while let Some(page) = stream.next_page().await.unwrap() {
            entries.extend(page);
        }
        entries
    }

    /// The audit's chain, and its fold against the store.
    pub(crate) async fn assert_audited(&self, when: Timestamp) {
        let checked = self.office.store.check(&DistrictId::new(DISTRICT), None).await.unwrap();
        assert!(checked.faults.is_empty(), "{when}: {:#?}", checked.faults);
    }

    /// Everybody is explained from the part of the district that is about them as from the whole of it; how many were.
    pub(crate) async fn assert_explained_alike(&self, now: Timestamp) -> usize {
        let (store, baseline, district) = (&self.office.store, self.baseline().await, DistrictId::new(DISTRICT));
        let totals = allocate::licenses(&baseline, now, false);
        let seated = baseline.seats.keys().chain(baseline.waiting.keys()).map(|(_, user)| user.clone());
        let known = baseline.roster.users.keys().cloned().chain(seated);
        let mut all: BTreeSet<SourceId> = known.collect();
        all.insert("nobody".into());
        for user in &all {
            let asked = WhoAndWhat { district: &district, user, product: None, as_of: now };
            let part = store.about(&district, user, None).await.unwrap().unwrap();
            let of_part = inquiry::explain_of(store, (&part, &totals), asked).await.unwrap();
            let of_whole = inquiry::explain_of(store, (&baseline, &totals), asked).await.unwrap();
            assert_eq!(of_part, of_whole, "{user} on {now}");
        }
        all.len()
    }

    /// What a page shows of each report is where the report begins, and of changes where it ends.
    pub(crate) async fn assert_first_rows(&self, now: Timestamp) {
        const MOST: usize = 3;
        let (store, district) = (&self.office.store, DistrictId::new(DISTRICT));
        for (report, first) in inquiry::first_rows(store, &district, now, MOST).await.unwrap() {
            let whole = inquiry::report(store, &district, report, None, now).await.unwrap();
            assert_eq!(first.rows, whole.rows.iter().take(MOST).cloned().collect::<Vec<_>>(), "{report:?} on {now}");
            assert_eq!((first.of, whole.of), (whole.rows.len(), whole.rows.len()), "{report:?} on {now}");
        }
        let newest = inquiry::newest_changes(store, &district, now, MOST).await.unwrap();
        let whole = inquiry::report(store, &district, Report::History, None, now).await.unwrap();
        assert_eq!(newest.rows, whole.rows.iter().rev().take(MOST).cloned().collect::<Vec<_>>(), "{now}");
    }

    /// What is said of licenses, seats and places at an instant.
    pub(crate) async fn evening(&self, now: Timestamp) -> Evening {
        let baseline = self.baseline().await;
        let licenses = allocate::licenses(&baseline, now, true);
        Evening::of(licenses, Rc::unwrap_or_clone(baseline))
    }

    /// A later day is told of an earlier one what was said that evening.
    pub(crate) async fn assert_was(&self, day: NaiveDate, evening: &Evening, now: Timestamp) {
        let then = inquiry::on_day(&self.office.store, &DistrictId::new(DISTRICT), day, now).await.unwrap().unwrap();
        assert_eq!(&Evening::of(then.licenses(true), then.baseline), evening, "{day} asked on {now}");
    }

    /// Stops as a process does that is told to; the database stays.
    pub(crate) async fn close(self) -> Fresh {
        self.office.queue.close().await;
        self.office.store.close().await;
        self.fresh
    }

    pub(crate) async fn discard(self) {
        self.close().await.discard().await;
    }
}
