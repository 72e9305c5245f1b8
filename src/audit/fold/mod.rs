//! What the audit says must be: its entries played from the first give the seats, the waitlist, what is known of each record,
//! and what people decided.

mod hand;
mod records;
mod seats;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::audit::Entry;
use crate::audit::pseudonym::{PREFIX, pseudonym};
use crate::model::{Alert, Kind, ProductCode, RunId, Seat, Timestamp, Waiting};

use seats::{Desk, Told, Waitlist, field};

pub use hand::{ByHand, Row, Rows, Said, Sold, fields_of, not_as_told};
pub use records::FoldedRecord;
pub use seats::{FoldedPlace, FoldedSeat};

/// The state that a chain amounts to. Ids are compared as pseudonyms, because the audit shows some ids as theirs and others
/// as they are, and the store has them all as they are.
#[derive(Clone, Debug)]
pub struct Fold {
    key: Vec<u8>,
    /// Every seat, by product and the user's [`Fold::name`].
    pub seats: BTreeMap<(ProductCode, String), FoldedSeat>,
    waiting: BTreeMap<ProductCode, Waitlist>,
    /// Records, active and archived, by their [`Fold::record_name`].
    pub records: BTreeMap<Kind, BTreeMap<String, FoldedRecord>>,
    /// What people decided, and what was sold.
    pub by_hand: ByHand,
    /// Archived records of runs before this instant may be deleted (`erase::Settings`).
    pub expired_before: Option<Timestamp>,
    /// Whether a user was ever erased: then a line may have a gap.
    pub has_erased: bool,
    /// When each run acted that wrote a record.
    pub acted: BTreeMap<RunId, Timestamp>,
    /// The user that the run being read erases: their other entries follow the one that says so.
    erasing: Option<(Option<RunId>, String)>,
    run: Option<RunId>,
    /// What is told of each open alert, by id.
    pub alerts: Rows,
    /// Entries that cannot follow from those before them, as `seq` and what is wrong.
    pub odd: Vec<(i64, &'static str)>,
}

impl Fold {
    /// The installation's pseudonym key.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// An empty district; `key` is the installation's pseudonym key.
    pub fn new(key: &[u8]) -> Self {
        Self {
            key: key.to_vec(),
            seats: BTreeMap::new(),
            waiting: BTreeMap::new(),
            records: Kind::ALL.into_iter().map(|kind| (kind, BTreeMap::new())).collect(),
            by_hand: ByHand::default(),
            expired_before: None,
            has_erased: false,
            acted: BTreeMap::new(),
            erasing: None,
            run: None,
            alerts: BTreeMap::new(),
            odd: Vec::new(),
        }
    }

    /// The name under which the fold knows an id that stands in the audit.
    pub fn name(&self, id: &str) -> String {
        if id.starts_with(PREFIX) { id.to_owned() } else { pseudonym(&self.key, id) }
    }

    /// The name under which the fold knows an id that stands in the store, never hashed there.
    pub fn stored_name(&self, id: &str) -> String {
        pseudonym(&self.key, id)
    }

    /// The same for a record's text id in the store: of an enrollment the user and the class are named each.
    pub fn stored_record_name(&self, kind: Kind, id: &str) -> String {
        record_name(kind, id, |part| self.stored_name(part))
    }

    /// The same for a record's text id as it stands in the audit.
    pub fn record_name(&self, kind: Kind, id: &str) -> String {
        record_name(kind, id, |part| self.name(part))
    }

    /// The same for a pool.
    pub fn pool_name(&self, pool: &str) -> String {
        if pool == "district" { pool.to_owned() } else { self.name(pool) }
    }

    /// What the fold would know of an alert that stands in the store.
    pub fn stored_alert(&self, alert: &Alert) -> Row {
        alert.facts(|school| self.stored_name(school.as_str())).into_iter().collect()
    }

    /// The next entry.
    pub fn push(&mut self, entry: &Entry) {
        if self.erasing.as_ref().is_some_and(|(run, _)| *run != entry.run) {
            self.settle();
        }
        let Some((entity, verb)) = entry.action.split_once('.') else { return };
        match (entity, verb) {
            ("district", "purged") => self.purge(),
            ("district", "expired") => {
                self.expired_before = self.expired_before.max(field(entry.after.as_ref(), "before"));
            }
            ("user", "erased") => {
                self.has_erased = true;
                self.erasing = Some((entry.run.clone(), self.name(&entry.id)));
            }
            ("seat", _) => self.push_seat(entry, verb),
            ("alert", _) => self.push_alert(entry, verb),
            _ => match Kind::ALL.into_iter().find(|kind| kind.singular() == entity) {
                Some(kind) => self.push_record(kind, entry, verb),
                None => self.push_decided(entry, verb),
            },
        }
    }

    /// The end of what was read: what the last entry began is done.
    pub fn settle(&mut self) {
        let Some((_, user)) = self.erasing.take() else { return };
        self.by_hand.erase(&user);
        let enrollments = format!("{user} ");
        for (kind, records) in &mut self.records {
            match kind {
                Kind::Users => _ = records.remove(&user),
                Kind::Enrollments => records.retain(|name, _| !name.starts_with(&enrollments)),
                Kind::Schools | Kind::Sessions | Kind::Courses | Kind::Classes => {}
            }
        }
    }

    fn purge(&mut self) {
        self.seats.clear();
        self.waiting.clear();
        self.alerts.clear();
        self.records.values_mut().for_each(BTreeMap::clear);
        self.by_hand.purge();
    }

    fn push_record(&mut self, kind: Kind, entry: &Entry, verb: &str) {
        let name = self.record_name(kind, &entry.id);
        if self.run != entry.run {
            self.run.clone_from(&entry.run);
            self.acted.extend(entry.run.clone().map(|run| (run, entry.at)));
        }
        let named = |after: &Value| after.get("changed").is_some();
        if kind == Kind::Users && (verb == "restored" || entry.after.as_ref().is_some_and(named)) {
            self.by_hand.may_be_someone_else(&name);
        }
        let records = self.records.entry(kind).or_default();
        if !records::push(records, entry, (verb, name), self.run.clone()) {
            self.odd.push((entry.seq, "the record was not in the state this entry changes"));
        }
    }

    /// Whether an archived record may be deleted by now.
    pub fn may_be_expired(&self, it: &FoldedRecord) -> bool {
        let acted = it.run.as_ref().and_then(|run| self.acted.get(run));
        !it.active && acted.zip(self.expired_before.as_ref()).is_some_and(|(at, before)| at < before)
    }

    fn push_alert(&mut self, entry: &Entry, verb: &str) {
        let mut after = hand::told(entry.after.as_ref());
        if let Some(Value::String(school)) = after.get_mut("school") {
            *school = self.name(school);
        }
        let fits = match verb {
            "raised" => self.alerts.insert(entry.id.clone(), after).is_none(),
            "cleared" => self.alerts.remove(&entry.id).is_some(),
            "stepped" | "changed" | "acknowledged" => self.alerts.get_mut(&entry.id).is_some_and(|known| {
                known.extend(after);
                known.retain(|_, value| !value.is_null());
                true
            }),
            _ => true,
        };
        if !fits {
            self.odd.push((entry.seq, "the alert was not in the state this entry changes"));
        }
    }

    fn push_seat(&mut self, entry: &Entry, verb: &str) {
        let Some((product, user)) = entry.id.split_once('/') else {
            self.odd.push((entry.seq, "the id of a seat is `product/user`"));
            return;
        };
        let text = |name: &str| entry.after.as_ref().and_then(|after| after.get(name)).and_then(Value::as_str);
        let told = Told {
            entry,
            product: ProductCode::from(product),
            user: self.name(user),
            pool: text("pool").or_else(|| text("short_of")).map(|pool| self.pool_name(pool)),
            account: text("user").map(|account| self.name(account)),
        };
        if verb == "released" {
            self.by_hand.seat_released(&told.product, &told.user, entry);
        }
        let desk = Desk { seats: &mut self.seats, waiting: &mut self.waiting };
        if !desk.push(verb, told) {
            self.odd.push((entry.seq, "the seat was not in the state this entry changes"));
        }
    }

    /// Who is in line: by product and the user's [`Fold::name`] the position and the place.
    pub fn waiting(&self) -> BTreeMap<(ProductCode, String), (u32, FoldedPlace)> {
        let lines = self.waiting.iter().flat_map(|(product, list)| {
            let order = list.line.clone().into_order();
            let place = |(position, user): (u32, String)| {
                let place = list.places.get(&user)?.clone();
                Some(((product.clone(), user), (position, place)))
            };
            (1..).zip(order).filter_map(place).collect::<Vec<_>>()
        });
        lines.collect()
    }

    /// What the fold would know of a seat that stands in the store.
    pub fn stored_seat(&self, it: &Seat) -> FoldedSeat {
        FoldedSeat {
            pool: self.pool_name(&it.pool.to_string()),
            since: it.since,
            claimed_at: it.claimed_at,
            leaving: it.leaving.as_ref().map(|leaving| leaving.since),
            bridged: it.bridged,
        }
    }

    /// What the fold would know of places that stand in the store. Once a user was erased, positions are counted, so that a gap
    /// where someone of a product without an allocation was is none.
    pub fn stored_places(
        &self,
        places: impl IntoIterator<Item = Waiting>,
    ) -> BTreeMap<(ProductCode, String), (u32, FoldedPlace)> {
        let mut lines: BTreeMap<ProductCode, Vec<Waiting>> = BTreeMap::new();
        for it in places {
            lines.entry(it.product.clone()).or_default().push(it);
        }
        let mut all = BTreeMap::new();
        for (product, mut line) in lines {
            line.sort_by_key(|it| it.position);
            for (counted, it) in (1..).zip(line) {
                let position = if self.has_erased { counted } else { it.position };
                let short_of = self.pool_name(&it.short_of.to_string());
                let key = (product.clone(), self.stored_name(it.user.as_str()));
                all.insert(key, (position, FoldedPlace { since: it.since, short_of }));
            }
        }
        all
    }
}

fn record_name(kind: Kind, id: &str, name: impl Fn(&str) -> String) -> String {
    if kind != Kind::Enrollments {
        return name(id);
    }
    match serde_json::from_str::<(String, String, String)>(id) {
        Ok((user, class, role)) => format!("{} {} {role}", name(&user), name(&class)),
        Err(_) => name(id),
    }
}
