//! What is the matter with a district now, one finding for each alert that should be open (licensing.md, Alerts).

use std::collections::{BTreeMap, BTreeSet};

use chrono::Days;

use crate::allocate::{Coming, License, Outlook, Scope, Term};
use crate::model::{Access, AlertKind, Date, Level, ProductCode, Seats, SourceId, Subscription, SubscriptionStatus};

use super::{Facts, Found, Key, STEPS, age, trend};

/// Coverage that ends within so many days is red.
const URGENT: u32 = 7;

/// Everything that is the matter, in no particular order; of each key one.
pub fn watch(facts: &Facts<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for row in facts.rows.iter().filter(|row| row.pool != Scope::District) {
        let coming = facts.outlook.get(&row.product).and_then(|outlook| outlook.coming);
        found.extend(seats(row, coming));
        found.extend(waitlist(row, coming));
        found.extend(full_in(facts, row));
    }
    for (product, outlook) in facts.outlook {
        found.extend(term(product, outlook.term, facts.today()));
        found.extend(contract(facts, product, outlook));
    }
    found.extend(buyer(facts));
    found.extend(disconnected(facts));
    found.extend(stale(facts));
    found.extend(held(facts));
    found
}

impl Facts<'_> {
    fn today(&self) -> Date {
        self.as_of.date_in(self.zone)
    }
}

impl Found {
    fn new(kind: AlertKind, level: Level, text: String) -> Self {
        let key = Key { kind, product: None, school: None };
        Self { key, level, step: None, on: None, text, numbers: BTreeMap::new() }
    }

    fn of(self, product: &ProductCode, school: Option<&SourceId>) -> Self {
        let key = Key { product: Some(product.clone()), school: school.cloned(), ..self.key };
        Self { key, ..self }
    }

    fn numbers<const N: usize>(self, numbers: [(&str, u64); N]) -> Self {
        Self { numbers: numbers.into_iter().map(|(name, n)| (name.to_owned(), n)).collect(), ..self }
    }

    fn on(self, day: Date) -> Self {
        Self { on: Some(day), ..self }
    }
}

fn plural(n: u64, one: &'static str, more: &'static str) -> &'static str {
    if n == 1 { one } else { more }
}

/// What to do about too few seats: buy, or wait for what is bought (S4.43).
fn remedy(coming: Option<Coming>) -> String {
    match coming {
        None => "Consider purchasing additional licenses.".to_owned(),
        Some(Coming { seats: Seats::Count(n), starts_on }) => {
            format!("A purchase of {n} {} begins on {starts_on}.", plural(n.into(), "license", "licenses"))
        }
        Some(Coming { seats: Seats::Unlimited, starts_on }) => {
            format!("A purchase of unlimited licenses begins on {starts_on}.")
        }
    }
}

/// Few left, and over. After the end `grace` and `expired` speak alone.
fn seats(row: &License, coming: Option<Coming>) -> Vec<Found> {
    let in_force = matches!(row.access, Access::Full | Access::Grace);
    let (Some(total), Some(available), true) = (row.total, row.available, in_force) else { return Vec::new() };
    let mut found = Vec::new();
    let (over, assigned) = (row.over, row.assigned);
    if over > 0 {
        let text =
            format!("You use {assigned} of {total} licenses, {over} over. Free some, move some here, or buy more.");
        let numbers = [("over", over), ("assigned", assigned), ("total", total)];
        found.push(Found::new(AlertKind::OverAllocated, Level::Red, text).numbers(numbers));
    }
    // An allotment of nothing is nothing that could run low.
    if available <= row.alert_remaining && total > 0 {
        let level = if available == 0 { Level::Red } else { Level::Yellow };
        let text =
            format!("You have {available} {} remaining. {}", plural(available, "license", "licenses"), remedy(coming));
        let numbers = [
            ("available", available),
            ("assigned", assigned),
            ("total", total),
            ("alert_remaining", row.alert_remaining),
        ];
        found.push(Found::new(AlertKind::LowSeats, level, text).numbers(numbers));
    }
    found.into_iter().map(|it| it.of(&row.product, row.school.as_ref())).collect()
}

fn waitlist(row: &License, coming: Option<Coming>) -> Option<Found> {
    let waiting = row.waiting;
    let text = format!("{waiting} {} for a license. {}", plural(waiting, "user waits", "users wait"), remedy(coming));
    let found = Found::new(AlertKind::Waitlist, Level::Red, text).numbers([("waiting", waiting)]);
    (waiting > 0).then(|| found.of(&row.product, row.school.as_ref()))
}

fn full_in(facts: &Facts<'_>, row: &License) -> Option<Found> {
    let available = row.available.filter(|_| row.access == Access::Full)?;
    let key = trend::key(row)?;
    let day = trend::full_on(facts.daily.get(&key)?, facts.today(), row.assigned, available)?;
    let text = format!(
        "At the pace of the last weeks the remaining {available} {} will be used up about {day}. {}",
        plural(available, "license", "licenses"),
        remedy(facts.outlook.get(&row.product).and_then(|outlook| outlook.coming))
    );
    let found = Found::new(AlertKind::FullIn, Level::Yellow, text).numbers([("available", available)]);
    Some(found.of(&row.product, row.school.as_ref()).on(day))
}

/// Coverage that ends or has ended. Texts name days and do not count them, so that they change when something happens.
fn term(product: &ProductCode, term: Term, today: Date) -> Option<Found> {
    let found = match term {
        Term::None => return None,
        Term::Full { last } => {
            let left = u32::try_from((last - today).num_days()).ok()?;
            let step = STEPS.into_iter().filter(|step| left <= *step).min()?;
            let level = if step <= URGENT { Level::Red } else { Level::Yellow };
            let text = format!("The licenses end on {last}. Renew them in time.");
            Found { step: Some(step), ..Found::new(AlertKind::Expiring, level, text).on(last) }
        }
        Term::Grace { last, until } => {
            let text =
                format!("The licenses ended on {last}. Access goes on until {until}; renew them before that day.");
            Found::new(AlertKind::Grace, Level::Red, text).on(until)
        }
        Term::Ended { last } => {
            let text = format!("The licenses and their access ended on {last}. Seats are kept for the renewal.");
            Found::new(AlertKind::Expired, Level::Red, text).on(last)
        }
    };
    Some(found.of(product, None))
}

/// Whether a subscription gives something now or will.
fn counts(it: &Subscription, today: Date) -> bool {
    let until = it.expires_on.checked_add_days(Days::new(u64::from(it.grace_days)));
    it.status == SubscriptionStatus::Active && until.is_none_or(|until| today <= until)
}

/// A subscription that vanished, and allotments that exceed cut seats.
fn contract(facts: &Facts<'_>, product: &ProductCode, outlook: &Outlook) -> Option<Found> {
    let vanished = facts.vanished.keys().filter_map(|id| facts.catalog.subscriptions.get(id));
    let vanished = vanished.filter(|it| it.product == *product && counts(it, facts.today()));
    let mut texts: Vec<String> = vanished
        .map(|it| {
            format!("`{}` is not in the catalog any more and stays as it was: put it back, or end it there.", it.id)
        })
        .collect();
    let gone = u64::try_from(texts.len()).unwrap_or(u64::MAX);
    texts.extend(outlook.exceeded.iter().map(|(id, (allotted, seats))| {
        format!("The schools' allotments of `{id}` add up to {allotted} of {seats} seats: change the split.")
    }));
    let exceeded = outlook.exceeded.values().map(|(allotted, seats)| allotted - seats).sum();
    let found = Found::new(AlertKind::ContractMismatch, Level::Yellow, texts.join(" "));
    let found = found.numbers([("vanished", gone), ("exceeding", exceeded)]);
    (!texts.is_empty()).then(|| found.of(product, None))
}

/// `licensed_to` and the feed's name of the district differ, which may be a merger or a rename (S4.15).
fn buyer(facts: &Facts<'_>) -> Option<Found> {
    let name = facts.name?;
    let counted = facts.catalog.subscriptions.values().filter(|it| counts(it, facts.today()));
    let others = counted.filter(|it| it.licensed_to.as_deref().is_some_and(|buyer| plain(buyer) != plain(name)));
    let others: Vec<&Subscription> = others.collect();
    let buyers: BTreeSet<&str> = others.iter().filter_map(|it| it.licensed_to.as_deref()).collect();
    let text = format!(
        "The contract names {}, the roster's district is `{name}`: ask whether it was renamed or merged.",
        buyers.into_iter().map(|buyer| format!("`{buyer}`")).collect::<Vec<_>>().join(", ")
    );
    let count = u64::try_from(others.len()).unwrap_or(u64::MAX);
    let found = Found::new(AlertKind::ContractMismatch, Level::Yellow, text).numbers([("subscriptions", count)]);
    (count > 0).then_some(found)
}

/// A name without case, spaces and punctuation.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn disconnected(facts: &Facts<'_>) -> Option<Found> {
    let gone = facts.disconnected?;
    let text = format!(
        "The source has not shared this district since {}. Its roster and seats stay as they are: ask the district to share \
         again.",
        gone.since
    );
    Some(Found::new(AlertKind::Disconnected, Level::Red, text))
}

fn stale(facts: &Facts<'_>) -> Option<Found> {
    let made_at = age::made_at(facts.source?);
    let old = age::counted(made_at, facts.as_of, facts.zone, facts.pauses) > age::FRESH_FOR;
    let text = format!(
        "The roster in use is of {made_at}, and no newer one has come for more than 36 hours of working days: see the \
         latest runs."
    );
    old.then(|| Found::new(AlertKind::StaleRoster, Level::Yellow, text))
}

fn held(facts: &Facts<'_>) -> Option<Found> {
    let held = u64::try_from(facts.held).unwrap_or(u64::MAX);
    let mut text = format!(
        "{held} {} for a person: `rosterd runs list --status held` names the run.",
        plural(held, "change waits", "changes wait")
    );
    if let Some(it) = facts.proposal {
        text = format!("{text} Note: {}; if so, set `{}`.", it.why, it.command(facts.district));
    }
    let found = Found::new(AlertKind::Held, Level::Yellow, text).numbers([("changes", held)]);
    (held > 0).then_some(found)
}
