//! `GET /metrics`, for Prometheus.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::allocate;
use crate::http::App;
use crate::http::auth::Caller;
use crate::http::problem::Problem;
use crate::metrics::Exposition;
use crate::model::{RunStatus, Seats, Timestamp};
use crate::schedule::catalog::{self, Outcome};
use crate::store::{Numbers, StoreError};

/// Rows of one family.
type Rows = BTreeMap<Vec<String>, u64>;

/// What this process counted, and what the store and the queue have now. A token for some districts sees those alone.
pub(crate) async fn show(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let office = app.desk.office();
    let now = office.clock.now();
    let mut numbers = office.store.numbers().await?;
    numbers.seats.retain(|(district, _), _| caller.sees(district));
    numbers.held.retain(|district, _| caller.sees(district));
    numbers.pulled.retain(|district, _| caller.sees(district));
    numbers.alerts.retain(|(district, _), _| caller.sees(district));
    numbers.last_runs.retain(|district, _| caller.sees(district));
    let totals = totals(&app, &numbers, now).await?;
    let open = office.queue.list(true).await?;
    let mut text = Exposition::default();
    app.desk.metrics().write(&mut text);
    gauges(&mut text, &numbers, &totals, now);
    let look = catalog::last_look(&office).await?;
    let refused = look.is_some_and(|look| matches!(look.outcome, Outcome::Failed | Outcome::Held));
    let refused = Rows::from([(Vec::new(), u64::from(refused))]);
    text.gauge("rosterd_catalog_refused", "1 where the last look did not take the catalog.", &[], &refused);
    let oldest = open.iter().filter(|it| caller.sees(&it.district)).map(|it| it.at).min();
    let oldest = Rows::from([(Vec::new(), oldest.map_or(0, |at| seconds_since(at, now)))]);
    text.gauge("rosterd_queue_oldest_seconds", "Since the oldest run that has not ended was asked for.", &[], &oldest);
    let mut queue = Rows::new();
    for status in [RunStatus::Queued, RunStatus::Fetching, RunStatus::Planned, RunStatus::Applying] {
        let of_status = open.iter().filter(|it| it.status == status && caller.sees(&it.district));
        queue.insert(vec![status.to_string()], u64::try_from(of_status.count()).unwrap_or(u64::MAX));
    }
    text.gauge("rosterd_queue_runs", "Runs that are queued or under way.", &["status"], &queue);
    let last = Rows::from([(Vec::new(), u64::try_from(office.store.last_commit().await?).unwrap_or_default())]);
    text.gauge("rosterd_changes_last_number", "Number of the last commit in the feed of changes.", &[], &last);
    let outbox = office.store.outbox().await?;
    let messages = [("waiting", outbox.waiting), ("given_up", outbox.given_up)];
    let messages = messages.into_iter().map(|(status, n)| (vec![status.to_owned()], n)).collect();
    text.gauge("rosterd_notifications_unsent", "Messages of [notify] that are not sent.", &["status"], &messages);
    let one = Rows::from([(vec![env!("CARGO_PKG_VERSION").to_owned()], 1)]);
    text.gauge("rosterd_build_info", "1, with the version of the program.", &["version"], &one);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text.finish()).into_response())
}

fn gauges(text: &mut Exposition, numbers: &Numbers, totals: &Rows, now: Timestamp) {
    let by_product = |of: fn(&crate::store::SeatNumbers) -> u64| -> Rows {
        let rows = numbers.seats.iter();
        rows.map(|((district, product), it)| (vec![district.to_string(), product.to_string()], of(it))).collect()
    };
    let names = ["district", "product"];
    text.gauge("rosterd_seats_assigned", "Seats in use, bridged ones left out.", &names, &by_product(|it| it.assigned));
    text.gauge(
        "rosterd_seats_bridged",
        "Seats kept only because a held change would end them.",
        &names,
        &by_product(|it| it.bridged),
    );
    text.gauge("rosterd_seats_waiting", "Users in line for a seat.", &names, &by_product(|it| it.waiting));
    text.gauge("rosterd_seats_capacity", "Seats bought and in force; unlimited ones are left out.", &names, totals);
    let held = numbers.held.iter().map(|(district, n)| (vec![district.to_string()], *n)).collect();
    text.gauge("rosterd_held_changes", "Changes that wait for a person.", &["district"], &held);
    let alerts = numbers.alerts.iter().map(|((district, kind), n)| (vec![district.to_string(), kind.clone()], *n));
    text.gauge("rosterd_alerts_open", "Open alerts.", &["district", "kind"], &alerts.collect());
    let pulled =
        numbers.pulled.iter().map(|(id, pulled)| (vec![id.to_string()], seconds_since(*pulled, now))).collect();
    text.gauge("rosterd_roster_age_seconds", "Since the roster in use was pulled.", &["district"], &pulled);
    let (mut failed, mut ages) = (Rows::new(), Rows::new());
    for (district, (has_failed, at)) in &numbers.last_runs {
        failed.insert(vec![district.to_string()], u64::from(*has_failed));
        ages.insert(vec![district.to_string()], seconds_since(*at, now));
    }
    text.gauge("rosterd_last_run_failed", "1 where the last run failed.", &["district"], &failed);
    text.gauge(
        "rosterd_last_run_age_seconds",
        "Since the last run that has ended was asked for.",
        &["district"],
        &ages,
    );
}

/// 0 for what lies ahead.
fn seconds_since(at: Timestamp, now: Timestamp) -> u64 {
    u64::try_from((now.instant() - at.instant()).num_seconds()).unwrap_or_default()
}

/// Seats bought, of districts and products that have any in force.
async fn totals(app: &App, numbers: &Numbers, now: Timestamp) -> Result<Rows, StoreError> {
    let store = app.desk.office().store;
    let mut rows = Rows::new();
    for (district, terms) in store.terms_in_force().await?.into_iter().filter(|(id, _)| numbers.held.contains_key(id)) {
        let totals = allocate::totals(&terms.state, &terms.catalog, &terms.remembered, now);
        let counted = totals.into_iter().filter_map(|(product, seats)| match seats {
            Seats::Count(n) => Some((vec![district.to_string(), product.to_string()], u64::from(n))),
            Seats::Unlimited => None,
        });
        rows.extend(counted);
    }
    Ok(rows)
}
