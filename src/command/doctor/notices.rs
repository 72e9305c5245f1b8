//! Whether anyone is told of what waits for a person, and whether it arrives.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use crate::clock;
use crate::config::Settings;
use crate::model::DistrictId;
use crate::notice;
use crate::secret::process_environment;
use crate::store::{Outbox, Store};

use super::{Findings, State};

const CHECK: &str = "notify";

/// A notice waits no longer than this where something sends.
const SENT_WITHIN: TimeDelta = TimeDelta::days(1);

/// With `offline` nothing is sent.
pub(super) async fn examine(settings: &Settings, store: Option<&Store>, offline: bool, findings: &mut Findings) {
    let notify = &settings.notify;
    if notify.target.is_empty() {
        let message = "nobody is told of held runs, failed syncs, few licenses or coverage that ends: add a [[notify.target]] with \
                       `email` or `webhook_url`";
        findings.note(CHECK, "recipients", State::Warning, message);
        return;
    }
    recipients(settings, store, findings).await;
    if let Some(store) = store {
        outbox(store, findings).await;
    }
    if offline {
        return;
    }
    if let Some(smtp) = &notify.smtp {
        let answered = smtp.probe(process_environment).await;
        findings.result(CHECK, &smtp.host, answered.map_err(|error| error.to_string()));
    }
    for target in notify.target.iter().filter(|it| it.email.is_empty()) {
        let message = notice::trial(&target.id, clock::real_now());
        let sent = notify.send(target, &message, process_environment).await;
        findings.result(CHECK, &target.id, sent.map_err(|error| error.to_string()));
    }
}

/// Districts of which nobody hears, and recipients of districts that are none.
async fn recipients(settings: &Settings, store: Option<&Store>, findings: &mut Findings) {
    let mut known: BTreeSet<DistrictId> = settings.district.iter().map(crate::district::District::id).collect();
    if let Some(store) = store {
        known.extend(store.districts().await.unwrap_or_default().into_iter().map(|it| it.id));
    }
    let targets = &settings.notify.target;
    let filters: Vec<notice::Filter> = targets.iter().map(crate::notify::Target::filter).collect();
    for district in known.iter().filter(|id| !filters.iter().any(|it| it.hears_of(id))) {
        let message = "no [[notify.target]] hears of this district: name it in `districts` of one, or add one without `districts`";
        findings.note(CHECK, district.as_str(), State::Warning, message);
    }
    for target in targets {
        let none = target.districts.iter().filter(|id| !known.iter().any(|it| it.as_str() == id.as_str()));
        let none: Vec<&str> = none.map(String::as_str).collect();
        if none.is_empty() {
            findings.ok(CHECK, &target.id);
        } else {
            let message = format!("hears of districts that are not known: {}; check the spelling", none.join(", "));
            findings.note(CHECK, &target.id, State::Warning, message);
        }
    }
}

async fn outbox(store: &Store, findings: &mut Findings) {
    match store.outbox().await {
        Ok(Outbox { given_up: 0, .. }) => findings.ok(CHECK, "outbox"),
        Ok(Outbox { given_up, .. }) => {
            let message = format!(
                "{given_up} messages were given up and nobody was told: `rosterd notify list` says why; then `rosterd notify send --given-up`"
            );
            findings.note(CHECK, "outbox", State::Failing, message);
        }
        Err(error) => findings.note(CHECK, "outbox", State::Failing, error.to_string()),
    }
    let now = clock::real_now();
    if let Ok(Some(oldest)) = store.oldest_notice().await
        && oldest.plus(SENT_WITHIN) < now
    {
        let message = format!(
            "something that happened at {oldest} is not told yet: start the daemon with `rosterd run`, or send with `rosterd notify \
             send`"
        );
        findings.note(CHECK, "sender", State::Warning, message);
    }
}
