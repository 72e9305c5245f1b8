//! The words: what happened, what it means for seats, what to do. Lines of plain text, counts and ids.

use std::collections::BTreeMap;

use crate::model::{About, AlertKind, DistrictId, HoldRecord, Notice, NoticeKind, RunId, ToldAlert};

use super::message::Around;

/// Lines of one kind in one district before the rest is counted.
const LINES: usize = 20;

/// Districts told in full before the rest is named.
const DISTRICTS: usize = 100;

/// A kind in a subject.
pub(super) fn title(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::Failed => "sync failed",
        NoticeKind::Weekly => "still open this week",
        NoticeKind::Alert(kind) => match kind {
            AlertKind::Held => "changes held for review",
            AlertKind::Expired => "licenses have ended",
            AlertKind::Grace => "licenses in grace",
            AlertKind::OverAllocated => "more in use than bought",
            AlertKind::Waitlist => "users wait for a license",
            AlertKind::LowSeats => "few licenses left",
            AlertKind::FullIn => "licenses run out soon",
            AlertKind::Expiring => "licenses end soon",
            AlertKind::Disconnected => "district not shared any more",
            AlertKind::StaleRoster => "roster is old",
            AlertKind::ContractMismatch => "contract and roster differ",
        },
    }
}

/// What a kind of alert means for the seats.
fn meaning(kind: AlertKind) -> &'static str {
    match kind {
        AlertKind::Held => {
            "whoever is held keeps the seat they have, and nobody new waits for it; everything else was applied."
        }
        AlertKind::Expired => "users keep their seats, and the seats give no access until the licenses are renewed.",
        AlertKind::Grace => {
            "who has a seat goes on as before until that day; nobody new gets more than others give back."
        }
        AlertKind::OverAllocated => "nobody new gets a seat until the number is within what was bought.",
        AlertKind::Waitlist => {
            "who waits has no access until a seat is free; the order of the line is fixed and can be shown."
        }
        AlertKind::LowSeats => "nobody loses a seat; when none is left, whoever comes next waits in line.",
        AlertKind::FullIn => "nobody waits yet.",
        AlertKind::Expiring => "nothing changes before that day; after it and its grace, seats give no access.",
        AlertKind::Disconnected | AlertKind::StaleRoster => {
            "everyone keeps what they have; children who joined since have none yet, and those who left still hold theirs."
        }
        AlertKind::ContractMismatch => "no seat changes because of it.",
    }
}

/// The command that helps.
fn remedy(kind: AlertKind, district: &DistrictId) -> String {
    match kind {
        AlertKind::Held => format!("rosterd runs list --district {district} --status held"),
        AlertKind::Expired | AlertKind::Grace | AlertKind::Expiring => {
            format!("rosterd licenses --district {district}")
        }
        AlertKind::OverAllocated | AlertKind::Waitlist | AlertKind::LowSeats | AlertKind::FullIn => {
            format!("rosterd suggest --district {district}")
        }
        AlertKind::Disconnected => format!("rosterd district show {district}"),
        AlertKind::StaleRoster => format!("rosterd runs list --district {district}"),
        AlertKind::ContractMismatch => format!("rosterd alerts --district {district}"),
    }
}

/// The whole text, a part for each district.
pub(super) fn digest(notices: &[Notice], Around { dashboard, support }: Around<'_>) -> String {
    let mut districts: BTreeMap<&DistrictId, Vec<&Notice>> = BTreeMap::new();
    for notice in notices {
        districts.entry(&notice.district).or_default().push(notice);
    }
    let mut text = String::new();
    for (district, theirs) in districts.iter().take(DISTRICTS) {
        part(&mut text, district, theirs, dashboard);
    }
    let rest: Vec<&str> = districts.keys().skip(DISTRICTS).map(|it| it.as_str()).collect();
    if !rest.is_empty() {
        line(&mut text, 0, &format!("And {} more districts; `rosterd alerts` lists them all:", rest.len()));
        line(&mut text, 2, &rest.join(" "));
        text.push('\n');
    }
    if let Some(support) = support.filter(|it| !it.is_empty()) {
        line(&mut text, 0, "Help");
        support.lines().for_each(|it| line(&mut text, 2, it));
        support.links.iter().for_each(|it| line(&mut text, 2, &format!("{}: {}", it.title, it.url)));
        text.push('\n');
    }
    line(&mut text, 0, "Sent by rosterd. Who is told of what stands in [notify] of its configuration.");
    text
}

fn line(text: &mut String, indent: usize, what: &str) {
    let space = " ".repeat(indent);
    text.extend([space.as_str(), what, "\n"]);
}

fn part(text: &mut String, district: &DistrictId, notices: &[&Notice], dashboard: Option<&str>) {
    line(text, 0, district.as_str());
    line(text, 0, &"=".repeat(district.as_str().chars().count()));
    if let Some(base) = dashboard {
        line(text, 0, &format!("{base}/districts/{district}"));
    }
    text.push('\n');
    let mut alerts: BTreeMap<AlertKind, Vec<&ToldAlert>> = BTreeMap::new();
    for notice in notices {
        match &notice.about {
            About::Held { .. } => held(text, notice, dashboard),
            About::Failed { run, error } => {
                line(text, 0, &format!("The sync of {} failed.", notice.at));
                line(text, 2, error);
                line(text, 2, "Seats: everyone keeps what they have; only what dates end has ended.");
                line(text, 2, &format!("Do:    rosterd runs show {run}"));
                line(text, 2, &format!("       rosterd sync {district}"));
                page(text, dashboard, run);
            }
            About::Alert(told) => alerts.entry(told.kind).or_default().push(told),
            About::Weekly { .. } => {}
        }
    }
    of_kinds(text, district, &alerts, false);
    for notice in notices {
        if let About::Weekly { week, open } = &notice.about {
            line(text, 0, &format!("Still open in the week of {week}:"));
            text.push('\n');
            let mut kinds: BTreeMap<AlertKind, Vec<&ToldAlert>> = BTreeMap::new();
            for told in open {
                kinds.entry(told.kind).or_default().push(told);
            }
            of_kinds(text, district, &kinds, true);
        }
    }
}

fn page(text: &mut String, dashboard: Option<&str>, run: &RunId) {
    if let Some(base) = dashboard {
        line(text, 2, &format!("Page:  {base}/runs/{run}"));
    }
    text.push('\n');
}

fn held(text: &mut String, notice: &Notice, dashboard: Option<&str>) {
    let About::Held { run, plan_hash, groups, changes, bridged, proposal } = &notice.about else { return };
    line(
        text,
        0,
        &format!("{changes} changes of the sync of {} are held for review, in {} groups.", notice.at, groups.len()),
    );
    for HoldRecord { group, count, of, affected, limit, .. } in groups.iter().take(LINES) {
        line(text, 2, &format!("{group}: {count} of {of} ({limit}), {affected} changes wait"));
    }
    more(text, groups.len(), &format!("rosterd runs show {run}"));
    if let Some((why, command)) = proposal {
        line(text, 2, &format!("Note:  {why}; if so, set `{command}`."));
    }
    line(text, 2, &format!("Seats: {bridged} are kept only because of this; {}", meaning(AlertKind::Held)));
    line(text, 2, &format!("Do:    rosterd runs show {run} --affected"));
    let hash = plan_hash.as_ref().map(|hash| format!(" --hash {hash}")).unwrap_or_default();
    line(text, 2, &format!("       rosterd runs approve {run}{hash}"));
    line(text, 2, &format!("   or  rosterd runs reject {run}"));
    page(text, dashboard, run);
}

fn more(text: &mut String, all: usize, command: &str) {
    if let Some(rest) = all.checked_sub(LINES).filter(|it| *it > 0) {
        line(text, 2, &format!("and {rest} more: {command}"));
    }
}

fn of_kinds(text: &mut String, district: &DistrictId, kinds: &BTreeMap<AlertKind, Vec<&ToldAlert>>, dated: bool) {
    for (kind, alerts) in kinds {
        let title = title(NoticeKind::Alert(*kind));
        let mut first = title.chars();
        let title: String = first.next().into_iter().flat_map(char::to_uppercase).chain(first).collect();
        line(text, 0, &format!("{title}:"));
        // the whole product before its schools
        let mut alerts = alerts.clone();
        alerts.sort_by(|a, b| (&a.product, &a.school).cmp(&(&b.product, &b.school)));
        for told in alerts.iter().take(LINES) {
            let of = match (&told.product, &told.school) {
                (Some(product), Some(school)) => format!("{product}, school {school}: "),
                (Some(product), None) => format!("{product}: "),
                (None, _) => String::new(),
            };
            let since = if dated { format!(" (since {})", told.raised_at) } else { String::new() };
            let seen = if told.acknowledged { " Someone has seen it." } else { "" };
            line(text, 2, &format!("{of}{}{since}{seen}", told.text));
        }
        more(text, alerts.len(), &format!("rosterd alerts --district {district}"));
        line(text, 2, &format!("Seats: {}", meaning(*kind)));
        line(text, 2, &format!("Do:    {}", remedy(*kind, district)));
        text.push('\n');
    }
}
