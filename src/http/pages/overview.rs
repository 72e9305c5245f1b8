//! `GET /`: every district with its last sync and its licenses, what needs a person first. Counts and ids, no names of
//! people.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use axum::response::Html;

use crate::alert;
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::counted::{Counted, Seen};
use crate::http::pages::parts::{AlertRow, RunRow, SeatRow};
use crate::http::pages::{Frame, number, page};
use crate::http::problem::Problem;
use crate::model::{DistrictId, RunStatus, Timestamp};
use crate::schedule::standing::{self, Connection, Standing};
use crate::store::Request;

/// A district without a good sync for so many hours is shown as stale.
const STALE_HOURS: i64 = 36;

/// The most districts on the page; the rest is counted.
const SHOWN: usize = 200;

/// After a start the page waits until the numbers of so many districts are counted, and shows those of the others next time.
const WAITED_FOR: usize = 20;

/// How much a district needs a person, most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Held,
    Failed,
    Disconnected,
    Stale,
    Nothing,
}

impl Need {
    fn of(it: &Standing, now: Timestamp) -> Self {
        let fresh = it.last_good_sync.or(it.last_run.as_ref().map(|run| run.as_of));
        let stale = fresh.is_some_and(|at| (now.instant() - at.instant()).num_hours() >= STALE_HOURS);
        if !it.in_review.is_empty() {
            Self::Held
        } else if it.last_run.as_ref().is_some_and(|run| run.status == RunStatus::Failed) {
            Self::Failed
        } else if it.connection == Connection::Disconnected {
            Self::Disconnected
        } else if stale {
            Self::Stale
        } else {
            Self::Nothing
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Held => ("warn", "held for review"),
            Self::Failed => ("bad", "last sync failed"),
            Self::Disconnected => ("bad", "disconnected"),
            Self::Stale => ("warn", "no sync for a while"),
            Self::Nothing => ("good", "well"),
        }
    }
}

/// One district on the page.
struct Card {
    id: String,
    name: String,
    tone: &'static str,
    word: &'static str,
    last: Option<RunRow>,
    /// Why the last run failed, or what of it waits.
    said: String,
    open: Vec<String>,
    alerts: Vec<AlertRow>,
    open_alerts: usize,
    unseen: usize,
    rows: Vec<SeatRow>,
    /// Said instead of numbers that are not there yet, or are not those of now.
    numbers: &'static str,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    heading: String,
    alerts: usize,
    unseen: usize,
    cards: Vec<Card>,
    rest: usize,
}

/// The page.
pub(crate) async fn show(State(app): State<App>, caller: Caller) -> Result<Html<String>, Problem> {
    let office = app.desk.office();
    let now = office.clock.now();
    let open = office.queue.list(true).await?;
    let mut all = standing::all(&office, |district: &DistrictId| caller.sees(district)).await?;
    all.sort_by(|a, b| (Need::of(a, now), &a.id).cmp(&(Need::of(b, now), &b.id)));
    let waiting = all.iter().filter(|it| Need::of(it, now) == Need::Held).count();
    let rest = all.len().saturating_sub(SHOWN);
    all.truncate(SHOWN);
    let mut cards = Vec::new();
    let (mut waited, mut later) = (0, Vec::new());
    for it in all {
        let known = app.counted.knows(&it.id);
        let counts = if known || waited < WAITED_FOR {
            waited += usize::from(!known);
            Counted::for_page(&app, &it.id, now).await?
        } else {
            later.push(it.id.clone());
            None
        };
        cards.push(card(&app, it, counts.as_ref(), &open, now).await?);
    }
    Counted::begin(&app, later, now);
    let heading = match waiting {
        0 => "Districts".to_owned(),
        1 => "1 district waits for a person".to_owned(),
        n => format!("{n} districts wait for a person"),
    };
    // The same alerts three times: here, in the bar of the browser's tab, and each in its district (S4.29).
    let alerts = cards.iter().map(|it| it.open_alerts).sum();
    let unseen = cards.iter().map(|it| it.unseen).sum();
    let title = if alerts > 0 { format!("({alerts}) Overview") } else { "Overview".to_owned() };
    page(&Overview { frame: Frame::new(&app, &caller, "overview", title), heading, alerts, unseen, cards, rest })
}

async fn card(
    app: &App,
    it: Standing,
    counts: Option<&Seen>,
    open: &[Request],
    now: Timestamp,
) -> Result<Card, Problem> {
    let office = app.desk.office();
    let (tone, word) = Need::of(&it, now).words();
    let alerts = alert::in_order(office.store.alerts(&it.id, false).await?);
    let rows = counts.map(|it| it.licenses(now, false)).unwrap_or_default();
    let nowhere = BTreeMap::new();
    let schools = counts.map_or(&nowhere, |it| &it.outline.roster.schools);
    let under_way = open.iter().filter(|request| request.district == it.id);
    let said = it.last_run.as_ref().and_then(|run| {
        let waits: u64 = run.changes.values().map(|it| it.held).sum();
        let groups = if run.holds.len() == 1 { "group" } else { "groups" };
        let held = (waits > 0).then(|| format!("{} changes wait in {} {groups}", number(waits), run.holds.len()));
        run.error.clone().or(held)
    });
    // Those of single schools stand on the page of the district.
    let listed = alerts.iter().filter(|it| it.school.is_none());
    Ok(Card {
        tone,
        word,
        said: said.unwrap_or_default(),
        open: under_way.map(|request| format!("{} ({})", request.status, request.mode)).collect(),
        unseen: alerts.iter().filter(|it| it.acknowledged.is_none()).count(),
        alerts: listed.map(|it| AlertRow::new(it, schools)).collect(),
        open_alerts: alerts.len(),
        rows: rows.iter().map(|row| SeatRow::new(row, row.product.to_string(), schools)).collect(),
        numbers: match counts {
            None => "Its seats are being counted; they are here in a moment.",
            Some(it) if it.is_old => "These numbers are being counted anew.",
            Some(_) => "",
        },
        last: it.last_run.as_ref().map(RunRow::new),
        id: it.id.to_string(),
        name: it.name,
    })
}
