//! How each district stands: its mode, its source, its last and next sync, what waits. What `rosterd district list` and
//! `GET /v1/districts` show.

use schemars::JsonSchema;
use serde::Serialize;

use crate::district::District;
use crate::model::{Date, DistrictId, DistrictMode, DistrictState, ModeEntry, Proposal, RunId, RunRecord, Timestamp};
use crate::schedule::due::{self, Nightly};
use crate::schedule::worker::Office;
use crate::store::{RunFilter, StoreError};

/// So many runs are looked through for the last pull.
const RECENT: u32 = 20;

/// Whether the source shares the district.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// It does, as far as anyone knows.
    Connected,
    /// It answered that it does not, or its list lacks the district. Everything stays as it is (F31).
    Disconnected,
    /// There is no feed: the district is kept by hand, or is neither configured nor listed.
    None,
}

/// How a district stands.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "District")]
pub struct Standing {
    /// The district.
    pub id: DistrictId,
    /// For people.
    pub name: String,
    /// Its time zone.
    pub time_zone: String,
    /// The kind of its feed; null for one that is no longer configured or listed.
    pub feed: Option<&'static str>,
    /// Whether teachers may add students; an application that lets them asks here (S2.18).
    pub teachers_may_create_students: bool,
    /// Whether the source shares it.
    pub connection: Connection,
    /// Since when it does not.
    pub disconnected_since: Option<Timestamp>,
    /// What showed that.
    pub disconnected_because: Option<String>,
    /// What syncs may do now.
    pub mode: DistrictMode,
    /// First day of that mode; null: from when it was set.
    pub mode_from: Option<Date>,
    /// Last day of it, inclusive; null: until another is set.
    pub mode_until: Option<Date>,
    /// Why it was set.
    pub mode_reason: Option<String>,
    /// Who set it.
    pub mode_by: Option<String>,
    /// When it was set.
    pub mode_set_at: Option<Timestamp>,
    /// Modes that count later, or again once the present one is over.
    pub modes_to_come: Vec<ModeEntry>,
    /// Changes that the mode or the quiet hours keep back.
    pub kept_back: usize,
    /// The latest run that has ended.
    pub last_run: Option<RunRecord>,
    /// When the roster in use was pulled; null before the first.
    pub last_good_sync: Option<Timestamp>,
    /// When the source made that roster, where it says so.
    pub roster_of: Option<Timestamp>,
    /// When the next night is due; null where none is planned.
    pub next_night: Option<Timestamp>,
    /// Runs that hold something that waits for a person, newest first.
    pub in_review: Vec<RunId>,
    /// Open alerts.
    pub alerts: usize,
    /// The mode that would see the district through what its last pull looked like; null while one is set.
    pub proposal: Option<Proposal>,
}

/// One district; none if the store does not know it.
pub async fn of(office: &Office, id: &DistrictId) -> Result<Option<Standing>, StoreError> {
    let state = match office.store.district(id).await {
        Ok(state) => state,
        Err(StoreError::NoDistrict { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    standing(office, state).await.map(Some)
}

/// Those that are wanted, by id.
pub async fn all(office: &Office, wanted: impl Fn(&DistrictId) -> bool) -> Result<Vec<Standing>, StoreError> {
    let mut all = Vec::new();
    for state in office.store.districts().await?.into_iter().filter(|it| wanted(&it.id)) {
        all.push(standing(office, state).await?);
    }
    Ok(all)
}

async fn standing(office: &Office, state: DistrictState) -> Result<Standing, StoreError> {
    let DistrictState { id, time_zone: zone, source, .. } = state;
    let (store, now) = (&office.store, office.clock.now());
    let known = office.known.get(&id);
    let modes = store.modes(&id).await?;
    let current = modes.at(now, zone);
    let to_come = modes.open(now, zone).filter(|it| current.is_none_or(|current| current.number != it.number));
    let gone = store.disconnected(&id).await?;
    let filter = RunFilter { district: Some(id.clone()), limit: Some(RECENT), ..RunFilter::default() };
    let runs = store.runs(&filter).await?;
    let is_set = modes.open(now, zone).any(|it| it.mode != DistrictMode::Normal);
    let pulled = runs.iter().find(|run| run.snapshot.is_some()).filter(|_| !is_set);
    let fed = known.is_some_and(|it| !it.is_by_hand());
    Ok(Standing {
        name: known.map_or_else(|| id.to_string(), |it| it.name().to_owned()),
        time_zone: zone.name().to_owned(),
        feed: known.map(|it| it.feed.kind()),
        teachers_may_create_students: known.is_some_and(District::teachers_may_create_students),
        connection: match (&gone, fed) {
            (Some(_), _) => Connection::Disconnected,
            (None, true) => Connection::Connected,
            (None, false) => Connection::None,
        },
        disconnected_since: gone.as_ref().map(|it| it.since),
        disconnected_because: gone.map(|it| it.why),
        mode: current.map_or(DistrictMode::Normal, |it| it.mode),
        mode_from: current.and_then(|it| it.from),
        mode_until: current.and_then(|it| it.until),
        mode_reason: current.and_then(|it| it.reason.clone()),
        mode_by: current.map(|it| it.by.clone()),
        mode_set_at: current.map(|it| it.at),
        modes_to_come: to_come.cloned().collect(),
        kept_back: store.kept_back(&id).await?,
        proposal: pulled.and_then(|run| run.proposal.clone()),
        last_run: runs.into_iter().next(),
        last_good_sync: source.as_ref().map(|it| it.pulled_at),
        roster_of: source.and_then(|it| it.uploaded_at),
        next_night: known.and_then(|it| next_night(office, it, now)),
        in_review: store.undecided_runs(&id).await?.into_iter().map(|it| it.run).collect(),
        alerts: store.alerts(&id, false).await?.len(),
        id,
    })
}

fn next_night(office: &Office, district: &District, now: Timestamp) -> Option<Timestamp> {
    let schedule = &office.settings.schedule;
    let nightly = Nightly::parse(&schedule.nightly).ok()?;
    let spread = due::spread(&district.id, schedule.spread_minutes);
    nightly.next(district.time_zone, spread, now.instant()).map(Timestamp::new)
}
