//! `GET /`: every district with its last sync and its licenses, what needs a person first. Counts and ids, no names of
//! people.

use std::fmt::Write as _;

use axum::extract::State;
use axum::response::Html;

use crate::alert;
use crate::allocate::{License, licenses};
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::pages::{Escaped, number, page};
use crate::http::problem::Problem;
use crate::model::{Alert, DistrictState, Level, RunRecord, RunStatus, Timestamp};
use crate::report;
use crate::schedule::worker::Office;
use crate::store::{Request, RunFilter};

/// A district without a good sync for so many hours is shown as stale.
const STALE_HOURS: i64 = 36;

/// The most districts on the page; the rest is counted.
const SHOWN: usize = 200;

/// How much a district needs a person, most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Held,
    Failed,
    Stale,
    Nothing,
}

/// One district on the page.
struct Card {
    need: Need,
    state: DistrictState,
    name: String,
    last: Option<RunRecord>,
    open: Vec<Request>,
    alerts: Vec<Alert>,
}

/// The page.
pub(crate) async fn show(State(app): State<App>, caller: Caller) -> Result<Html<String>, Problem> {
    let office = app.desk.office();
    let now = office.clock.now();
    let open = office.queue.list(true).await?;
    let mut cards = Vec::new();
    for state in office.store.districts().await?.into_iter().filter(|it| caller.sees(&it.id)) {
        cards.push(card(&office, state, &open, now).await?);
    }
    cards.sort_by(|a, b| (a.need, &a.state.id).cmp(&(b.need, &b.state.id)));
    let waiting = cards.iter().filter(|it| it.need == Need::Held).count();
    let mut content = match waiting {
        0 => "<h1>Districts</h1>\n".to_owned(),
        1 => "<h1>1 district waits for a person</h1>\n".to_owned(),
        n => format!("<h1>{n} districts wait for a person</h1>\n"),
    };
    // The same alerts three times: here, in the bar of the browser's tab, and each in its district (S4.29).
    let alerts: usize = cards.iter().map(|it| it.alerts.len()).sum();
    if alerts > 0 {
        let unseen = cards.iter().flat_map(|it| &it.alerts).filter(|it| it.acknowledged.is_none()).count();
        writeln!(content, "<p class=\"warn\">{alerts} open alerts, {unseen} of them not seen by anyone.</p>")
            .unwrap_or_default();
    }
    if cards.is_empty() {
        content.push_str(
            "<p>No district yet. Add a <code>[[district]]</code> to the configuration, then send SIGHUP.</p>",
        );
    }
    for card in cards.iter().take(SHOWN) {
        let baseline = office.store.baseline(&card.state.id).await?;
        render(&mut content, card, &licenses(&baseline, now, false));
    }
    if cards.len() > SHOWN {
        let rest = number(u64::try_from(cards.len() - SHOWN).unwrap_or(0));
        write!(content, "<p class=\"quiet\">{rest} more need nothing.</p>").unwrap_or_default();
    }
    let title = if alerts > 0 { format!("({alerts}) Overview") } else { "Overview".to_owned() };
    Ok(page(&title, &content))
}

async fn card(office: &Office, state: DistrictState, open: &[Request], now: Timestamp) -> Result<Card, Problem> {
    let filter = RunFilter { district: Some(state.id.clone()), limit: Some(1), ..RunFilter::default() };
    let last = office.store.runs(&filter).await?.into_iter().next();
    let undecided = !office.store.undecided_runs(&state.id).await?.is_empty();
    let fresh = state.allocated_at.or(last.as_ref().map(|run| run.as_of));
    let hours = fresh.map(|at| (now.instant() - at.instant()).num_hours());
    let failed = last.as_ref().is_some_and(|run| run.status == RunStatus::Failed);
    let need = match (undecided, failed, hours) {
        (true, _, _) => Need::Held,
        (_, true, _) => Need::Failed,
        (_, _, Some(hours)) if hours >= STALE_HOURS => Need::Stale,
        _ => Need::Nothing,
    };
    let alerts = alert::in_order(office.store.alerts(&state.id, false).await?);
    let name = office.known.get(&state.id).map_or_else(|| state.id.to_string(), |it| it.name().to_owned());
    let open = open.iter().filter(|it| it.district == state.id).cloned().collect();
    Ok(Card { need, state, name, last, open, alerts })
}

fn render(out: &mut String, card: &Card, rows: &[License]) {
    let (class, word) = match card.need {
        Need::Held => ("warn", "held for review"),
        Need::Failed => ("bad", "last sync failed"),
        Need::Stale => ("warn", "no sync for a while"),
        Need::Nothing => ("good", "well"),
    };
    let (name, id) = (Escaped(&card.name), Escaped(card.state.id.as_str()));
    let heading =
        format!("<article class=\"{class}\"><h2>{name}</h2><p><b>{word}</b> <span class=\"quiet\">{id}</span></p>\n");
    out.push_str(&heading);
    match &card.last {
        Some(run) => {
            let line = format!("{}, {} by {}", report::headline(run), run.as_of, run.trigger);
            let (line, run_id) = (Escaped(&line), Escaped(run.run.as_str()));
            writeln!(out, "<p>Last run: {line} <code>{run_id}</code></p>").unwrap_or_default();
            for text in run.error.iter().cloned().chain(run.holds.iter().map(report::hold_line)) {
                writeln!(out, "<p class=\"{class}\">{}</p>", Escaped(&text)).unwrap_or_default();
            }
        }
        None => out.push_str("<p>Not synced yet.</p>\n"),
    }
    for request in &card.open {
        writeln!(out, "<p class=\"quiet\">Under way: {} ({})</p>", request.status, Escaped(&request.mode))
            .unwrap_or_default();
    }
    alerts(out, &card.alerts);
    if !rows.is_empty() {
        out.push_str("<table><tr><th>Product</th><th>Seats</th><th>Waiting</th><th>Expires</th></tr>\n");
        for row in rows {
            license(out, row);
        }
        out.push_str("</table>\n");
    }
    out.push_str("</article>\n");
}

fn color(level: Level) -> &'static str {
    match level {
        Level::Green => "green",
        Level::Yellow => "yellow",
        Level::Red => "red",
    }
}

/// The district's open alerts, most urgent first.
fn alerts(out: &mut String, alerts: &[Alert]) {
    if alerts.is_empty() {
        return;
    }
    out.push_str("<ul class=\"alerts\">\n");
    for it in alerts {
        let of = [it.product.as_ref().map(ToString::to_string), it.school.as_ref().map(|id| format!("school {id}"))];
        let of = of.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let of = if of.is_empty() { of } else { format!("{of}: ") };
        let seen = it.acknowledged.as_ref().map(|seen| format!(" (seen by {})", seen.by)).unwrap_or_default();
        let (level, of, text, seen) = (color(it.level), Escaped(&of), Escaped(&it.text), Escaped(&seen));
        writeln!(out, "<li class=\"{level}\">{of}{text}<span class=\"quiet\">{seen}</span></li>").unwrap_or_default();
    }
    out.push_str("</ul>\n");
}

fn license(out: &mut String, row: &License) {
    let level = color(row.level);
    let used = number(row.assigned);
    let seats = match (row.total, row.available) {
        // What may still be given comes first (S0.16).
        (Some(total), Some(available)) => format!("{} available, {used} of {} used", number(available), number(total)),
        _ => format!("{used} used, unlimited"),
    };
    let over = if row.over > 0 { format!(", {} over", number(row.over)) } else { String::new() };
    let expires = row.expires_on.map(|day| day.to_string()).unwrap_or_default();
    let product = Escaped(row.product.as_str());
    let waiting = number(row.waiting);
    writeln!(
        out,
        "<tr><td>{product}</td><td class=\"{level}\">{seats}{over}</td><td>{waiting}</td><td>{expires}</td></tr>"
    )
    .unwrap_or_default();
}
