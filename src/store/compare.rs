//! Where the audit and the store differ: which table, which row, which field (safety.md, Audit).
//!
//! Compared are `record` (all that there are, archived ones too), `seat`, `waiting`, `seat_ended`, `override`,
//! `educator_access`, `assignment`, `identity_decision`, `person_link`, `district_mode`, `alert`, `subscription` and
//! `district_product` with their overlays, and of `decision` and `held_change` what a person said. `fold::hand` says which of
//! their fields no entry tells.
//!
//! Not compared, because nothing in the audit tells of it: uses of products (`activity`, `seat.last_used_at`; a first use is
//! `seat.claimed`), the upload that a leaving seat waits for, what the next plan makes anew (`kept_change`, `recent_loss`, `settled`,
//! `fleet_release`, `district.remembered`), history (`record_version` but the latest, `seat_history`, `seats_daily`), what is
//! said of the contract but not in force (`product`, `offered_subscription`, `purchase`), and what was told to whom (`notice`,
//! `message`). `seat.state` follows from the contract and is law 3 of [`crate::allocate::check`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::audit::{Fold, FoldedPlace, FoldedRecord, FoldedSeat, Row, Rows, Said, Sold, fields_of, not_as_told};
use crate::identity::persons;
use crate::model::{Catalog, Decision, DistrictState, Fingerprint, Kind, RunId, Timestamp, Verdict};
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, statements};
use crate::store::{StoreError, alerts, catalog, first, hand, identity, manual, mode, records, seats, threshold};

const DECISION: Table = Table("decision");
const HELD: Table = Table("held_change");

/// Rows of a table that are named; of the others the number is.
const NAMED: usize = 5;

statements! {
    // The version that a decision is about stands with the run that was decided: held there, or, of a revert, written there.
    DECIDED = Sql::portable(
        "SELECT d.kind, d.id, d.verdict, d.version, d.until, d.run, h.id IS NOT NULL AS held, h.after AS held_after,
             v.id IS NOT NULL AS written, v.after AS written_after
         FROM decision AS d
         LEFT JOIN held_change AS h ON h.run = d.run AND h.kind = d.kind AND h.id = d.id
         LEFT JOIN record_version AS v ON v.district = d.district AND v.kind = d.kind AND v.id = d.id AND v.run = d.run
         WHERE d.district = $1 ORDER BY d.kind, d.id",
    );
    DECIDED_HELD = Sql::portable(
        "SELECT run, kind, id, decision, decided_by, decided_at FROM held_change
         WHERE district = $1 AND (decision IS NOT NULL OR decided_by IS NOT NULL OR decided_at IS NOT NULL)
         ORDER BY run, kind, id",
    );
}

/// What was found so far.
struct Found<'a> {
    district: &'a DistrictState,
    faults: Vec<String>,
}

/// Up to [`NAMED`] rows of a table in words.
#[derive(Default)]
struct Rest {
    n: usize,
    named: Vec<String>,
}

impl Rest {
    fn push(&mut self, row: impl FnOnce() -> String) {
        self.n += 1;
        if self.named.len() < NAMED {
            self.named.push(row());
        }
    }

    fn told(&self, what: &str) -> Option<String> {
        let more = self.n - self.named.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (self.n > 0).then(|| format!("{} {what}: {}{more}", self.n, self.named.join(", ")))
    }
}

impl Found<'_> {
    /// Compares rows by key. `differing` names the fields that are not as told, `may_be_gone` says of a told row that it need
    /// not be there.
    fn table<K: Ord, T, S>(
        &mut self,
        what: &str,
        (told, stored): (&BTreeMap<K, T>, &BTreeMap<K, S>),
        name: impl Fn(&K) -> String,
        differing: impl Fn(&T, &S) -> Vec<String>,
        may_be_gone: impl Fn(&K, &T) -> bool,
    ) {
        let (mut only_told, mut only_stored, mut other) = (Rest::default(), Rest::default(), Rest::default());
        for (key, row) in told {
            match stored.get(key) {
                None if may_be_gone(key, row) => {}
                None => only_told.push(|| format!("`{}`", name(key))),
                Some(found) => {
                    let fields = differing(row, found);
                    if !fields.is_empty() {
                        other.push(|| format!("`{}` ({})", name(key), fields.join(", ")));
                    }
                }
            }
        }
        for key in stored.keys().filter(|key| !told.contains_key(*key)) {
            only_stored.push(|| format!("`{}`", name(key)));
        }
        self.say(what, [(&only_told, "only in the audit"), (&only_stored, "only in the store"), (&other, OTHER)]);
    }

    fn say<const N: usize>(&mut self, what: &str, parts: [(&Rest, &str); N]) {
        let told: Vec<String> = parts.into_iter().filter_map(|(rest, how)| rest.told(how)).collect();
        if !told.is_empty() {
            self.faults.push(format!("{what} of `{}`: {}", self.district.id, told.join("; ")));
        }
    }

    fn rows(&mut self, what: &str, told: &Rows, stored: &Rows) {
        self.table(what, (told, stored), String::clone, not_as_told, |_, _| false);
    }
}

const OTHER: &str = "not as the audit says";

/// Everything that differs, a text for each table.
pub(super) async fn compare(tx: &mut Tx, district: &DistrictState, fold: &Fold) -> Result<Vec<String>, StoreError> {
    let mut found = Found { district, faults: Vec::new() };
    for (seq, what) in &fold.odd {
        found.faults.push(format!("audit entry {seq} of `{}` cannot follow: {what}", district.id));
    }
    seats_and_places(tx, fold, &mut found).await?;
    open_alerts(tx, fold, &mut found).await?;
    all_records(tx, fold, &mut found).await?;
    decisions_by_hand(tx, fold, &mut found).await?;
    links(tx, fold, &mut found).await?;
    modes(tx, fold, &mut found).await?;
    contract(tx, fold, &mut found).await?;
    remembered(tx, fold, &mut found).await?;
    held(tx, fold, &mut found).await?;
    Ok(found.faults)
}

/// The fields in which two rows differ, whichever has them.
fn differing(told: &Row, stored: &Row) -> Vec<String> {
    let names: BTreeSet<&String> = told.keys().chain(stored.keys()).collect();
    names.into_iter().filter(|name| told.get(*name) != stored.get(*name)).cloned().collect()
}

fn fields<const N: usize>(all: [(&str, bool); N]) -> Vec<String> {
    all.into_iter().filter(|(_, same)| !same).map(|(name, _)| name.to_owned()).collect()
}

async fn seats_and_places(tx: &mut Tx, fold: &Fold, found: &mut Found<'_>) -> Result<(), StoreError> {
    let users = BTreeMap::new(); // not read, so no text is shared
    let district = &found.district.id;
    let stored: BTreeMap<_, _> = seats::read_seats(tx, district, &users)
        .await?
        .into_values()
        .map(|it| ((it.product.clone(), fold.stored_name(it.user.as_str())), fold.stored_seat(&it)))
        .collect();
    let places = seats::read_waiting(tx, district, &users).await?;
    let ended = seats::read_ended(tx, district).await?;
    let seat = |told: &FoldedSeat, it: &FoldedSeat| {
        fields([
            ("pool", told.pool == it.pool),
            ("since", told.since == it.since),
            ("claimed_at", told.claimed_at == it.claimed_at),
            ("leaving_since", told.leaving == it.leaving),
            ("bridged", told.bridged == it.bridged),
        ])
    };
    let name = |(product, user): &(crate::model::ProductCode, String)| format!("{product}/{user}");
    found.table("seats", (&fold.seats, &stored), name, seat, |_, _| false);
    let place = |(position, told): &(u32, FoldedPlace), (at, it): &(u32, FoldedPlace)| {
        fields([
            ("position", position == at),
            ("since", told.since == it.since),
            ("short_of", told.short_of == it.short_of),
        ])
    };
    let stored = fold.stored_places(places.into_values());
    found.table("places in line", (&fold.waiting(), &stored), name, place, |_, _| false);
    let stored: Rows = ended.iter().map(|(key, it)| fold.stored_ended(key, it)).collect();
    let forgotten = |key: &String, _: &Row| fold.by_hand.perhaps_forgotten.contains(key);
    found.table("ended seats", (&fold.by_hand.ended, &stored), String::clone, not_as_told, forgotten);
    Ok(())
}

async fn open_alerts(tx: &mut Tx, fold: &Fold, found: &mut Found<'_>) -> Result<(), StoreError> {
    let open = alerts::read_open(tx, &found.district.id).await?;
    let open: BTreeMap<String, _> = open.values().map(|it| (it.id.to_string(), fold.stored_alert(it))).collect();
    found.table("open alerts", (&fold.alerts, &open), String::clone, differing, |_, _| false);
    Ok(())
}

async fn all_records(tx: &mut Tx, fold: &Fold, found: &mut Found<'_>) -> Result<(), StoreError> {
    let mut stored: BTreeMap<Kind, BTreeMap<String, FoldedRecord>> =
        fold.records.keys().map(|kind| (*kind, BTreeMap::new())).collect();
    let mut altered: BTreeMap<Kind, Rest> = BTreeMap::new();
    let mut last = (String::new(), String::new());
    let mut writer: Option<RunId> = None;
    let seals = (fold.key(), first::of(tx, &found.district.id).await?.is_some());
    loop {
        let page = records::facts(tx, seals, &found.district.id, (&last.0, &last.1)).await?;
        let Some(end) = page.last() else { break };
        last = (end.kind.plural().to_owned(), end.id.clone());
        for it in page {
            let name = fold.stored_record_name(it.kind, &it.id);
            // One that is not told of at all is said once, below.
            if !it.as_written && fold.records.get(&it.kind).is_some_and(|told| told.contains_key(&name)) {
                altered.entry(it.kind).or_default().push(|| format!("`{name}` (body)"));
            }
            // Most rows follow one of the same run: its text is kept once.
            if writer.as_ref() != Some(&it.run) {
                writer = Some(it.run);
            }
            let record = FoldedRecord { active: it.active, departed: it.departed, run: writer.clone() };
            stored.entry(it.kind).or_default().insert(name, record);
        }
    }
    let record = |told: &FoldedRecord, it: &FoldedRecord| {
        fields([
            ("active", told.active == it.active),
            ("departed", told.departed == it.departed),
            ("changed_run", told.run == it.run),
        ])
    };
    for (kind, told) in &fold.records {
        if let Some(stored) = stored.get(kind) {
            let gone = |_: &String, it: &FoldedRecord| fold.may_be_expired(it);
            found.table(kind.plural(), (told, stored), String::clone, record, gone);
        }
        if let Some(rest) = altered.get(kind) {
            found.say(kind.plural(), [(rest, "not as they were written")]);
        }
    }
    Ok(())
}

async fn decisions_by_hand(tx: &mut Tx, fold: &Fold, found: &mut Found<'_>) -> Result<(), StoreError> {
    let district = &found.district.id;
    let overrides = manual::read_overrides(tx, district).await?;
    let access = manual::read_access(tx, district).await?;
    let assignments = hand::read_assignments(tx, district).await?;
    let told = &fold.by_hand;
    found.rows("overrides", &told.overrides, &overrides.values().map(|it| fold.stored_override(it)).collect());
    let off = access.values().filter_map(|it| fold.stored_access(it)).collect();
    found.rows("educator access", &told.access, &off);
    let stored = assignments.values().map(|it| fold.stored_assignment(it)).collect();
    found.rows("assignments", &told.assignments, &stored);
    Ok(())
}

/// The decisions are told; who is one person follows from them.
async fn links(tx: &mut Tx, fold: &Fold, found: &mut Found<'_>) -> Result<(), StoreError> {
    let district = &found.district.id;
    let decisions = identity::read(tx, district).await?;
    let stored = hand::read_persons(tx, district).await?;
    let rows = decisions.iter().map(|(id, it)| (id.clone(), fold.stored_link(it))).collect();
    found.rows("links between accounts", &fold.by_hand.links, &rows);
    // An erasure takes every link of its user and leaves those of the others as they are.
    let follows = if fold.has_erased { stored.clone() } else { persons(&decisions) };
    let name = |account: &crate::model::SourceId| fold.stored_name(account.as_str());
    let differing = |told: &crate::model::SourceId, it: &crate::model::SourceId| fields([("person", told == it)]);
    found.table("accounts of persons", (&follows, &stored), name, differing, |_, _| false);
    Ok(())
}

async fn modes(tx: &mut Tx, fold: &Fold, found: &mut Found<'_>) -> Result<(), StoreError> {
    let rows = |modes: crate::model::Modes| -> Rows {
        modes.0.iter().map(|it| (it.number.to_string(), fields_of(it))).collect()
    };
    let told = rows(fold.by_hand.modes(found.district.time_zone));
    let stored = rows(mode::read_modes(tx, &found.district.id).await?);
    found.table("modes", (&told, &stored), String::clone, differing, |_, _| false);
    Ok(())
}

/// What a district laid over what was sold: by subscription and field.
type Overlays = BTreeMap<(String, &'static str), Row>;

/// What is in force, and what lies over it.
async fn contract(tx: &mut Tx, fold: &Fold, found: &mut Found<'_>) -> Result<(), StoreError> {
    let district = &found.district.id;
    let Catalog { products, subscriptions } = catalog::read_in_force(tx, district).await?;
    let splits = hand::read_overlays(tx, district).await?;
    let thresholds = threshold::read(tx, district).await?;
    let splits = splits.iter().map(|it| ((it.subscription.to_string(), "allotments"), fields_of(it)));
    let thresholds = thresholds.iter().map(|it| ((it.subscription.to_string(), "alert_remaining"), fields_of(it)));
    let overlays: Overlays = splits.chain(thresholds).collect();
    let stored: Rows = subscriptions.iter().map(|(id, it)| (id.to_string(), fields_of(it))).collect();
    let told = &fold.by_hand.subscriptions;
    let fields_other = |(id, told): &(&String, &Sold), it: &Row| {
        // What lies over a field stands there in place of what the catalog says.
        let laid_over = |field: &str| overlays.keys().any(|(of, name)| (of, *name) == (id, field));
        let differs = |field: &String| !(laid_over(field) && was_told(told, field, it.get(field)));
        differing(&told.now, it).into_iter().filter(differs).collect()
    };
    let by_id: BTreeMap<String, (&String, &Sold)> = told.iter().map(|(id, it)| (id.clone(), (id, it))).collect();
    found.table("subscriptions", (&by_id, &stored), String::clone, fields_other, |_, _| false);
    let mut rest = Rest::default();
    for ((id, field), row) in &overlays {
        let values = [("over", row.get("over")), (*field, row.get(*field))];
        let wrong = values.into_iter().filter(|(_, value)| !told.get(id).is_some_and(|it| was_told(it, field, *value)));
        let wrong: Vec<&str> = wrong.map(|(name, _)| name).collect();
        if !wrong.is_empty() {
            rest.push(|| format!("`{id}` ({})", wrong.join(", ")));
        }
    }
    found.say("splits and thresholds", [(&rest, OTHER)]);
    let mut rest = Rest::default();
    for (code, it) in &products {
        let told = fold.by_hand.products.get(code.as_str());
        let fields = told.map(|told| not_as_told(&told.now, &fields_of(it))).unwrap_or_default();
        if !fields.is_empty() {
            rest.push(|| format!("`{code}` ({})", fields.join(", ")));
        }
    }
    found.say("products in force", [(&rest, OTHER)]);
    Ok(())
}

/// Whether an entry ever told that value: a local split or threshold stands over a value of the catalog that was told before,
/// and is one that was told. No value, or an empty list, is what it was before anyone said anything.
fn was_told(sold: &Sold, field: &str, value: Option<&Value>) -> bool {
    let Some(value) = value else { return true };
    let empty = value.as_array().is_some_and(Vec::is_empty);
    empty || sold.told.get(field).is_some_and(|all| all.contains(value))
}

/// Each remembered version is one that a person decided on, in that run and in that way.
async fn remembered(tx: &mut Tx, fold: &Fold, found: &mut Found<'_>) -> Result<(), StoreError> {
    type Columns =
        (String, String, String, Option<String>, Option<i64>, String, bool, Option<String>, bool, Option<String>);
    let rows: Vec<Columns> = tx.query(DECIDED).bind(found.district.id.as_str()).fetch_all().await?;
    let mut rest = Rest::default();
    for (kind, id, verdict, version, until, run, held, held_after, written, written_after) in rows {
        let kind = DECISION.kind(&kind)?;
        let run = RunId::from(run);
        let said: Vec<&Said> = fold.by_hand.said.iter().filter(|it| it.run == run).collect();
        let (words, until): (&[&str], _) = match DECISION.word::<Verdict>("verdict", &verdict)? {
            Verdict::Approved => (&["approved"], Some(DECISION.instant_if("until", until)?)),
            Verdict::Refused => (&["rejected", "reverted"], until.map(|_| None)),
        };
        let mut so_said = said.iter().filter(|it| words.contains(&it.word.as_str()));
        let ends = |at: &Timestamp| Some(at.plus(Decision::APPROVED_FOR));
        let as_told = until.is_none_or(|until| so_said.clone().any(|it| ends(&it.at) == until));
        let about = match (held, written) {
            (true, _) => Some(held_after),
            (false, true) => Some(written_after),
            (false, false) => None,
        };
        let same_version = |body: Option<String>| body.map(|it| Fingerprint::of(&it).0) == version;
        let wrong = fields([
            ("run", !said.is_empty()),
            ("verdict", said.is_empty() || so_said.next().is_some()),
            ("until", as_told),
            ("version", about.is_none_or(same_version)),
        ]);
        if !wrong.is_empty() {
            rest.push(|| {
                format!("{} `{}` ({})", kind.singular(), fold.stored_record_name(kind, &id), wrong.join(", "))
            });
        }
    }
    found.say("remembered versions", [(&rest, OTHER)]);
    Ok(())
}

/// Who decided on what was held, and when.
async fn held(tx: &mut Tx, fold: &Fold, found: &mut Found<'_>) -> Result<(), StoreError> {
    type Columns = (String, String, String, Option<String>, Option<String>, Option<i64>);
    let rows: Vec<Columns> = tx.query(DECIDED_HELD).bind(found.district.id.as_str()).fetch_all().await?;
    let mut rest = Rest::default();
    for (run, kind, id, decision, by, at) in rows {
        let kind = HELD.kind(&kind)?;
        let at = HELD.instant_if("decided_at", at)?;
        let said = |check: &dyn Fn(&Said) -> bool| fold.by_hand.said.iter().any(check);
        let wrong = match decision.as_deref() {
            Some("superseded") => fields([("decided_by", by.is_none()), ("decided_at", at.is_some())]),
            Some(word @ ("approved" | "rejected")) => {
                let of = |it: &Said| it.word == word && Some(it.at) == at;
                let named = |it: &Said| it.word == word && Some(&it.by) == by.as_ref();
                let both = |it: &Said| of(it) && named(it);
                let (at, by) = (said(&of), said(&named));
                let fine = said(&both);
                fields([("decision", at || by), ("decided_at", at || !by), ("decided_by", fine || !at)])
            }
            _ => vec!["decision".to_owned()],
        };
        if !wrong.is_empty() {
            let name = fold.stored_record_name(kind, &id);
            rest.push(|| format!("{} `{name}` of run {run} ({})", kind.singular(), wrong.join(", ")));
        }
    }
    found.say("decided changes", [(&rest, OTHER)]);
    Ok(())
}
