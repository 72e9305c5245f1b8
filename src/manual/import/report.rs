//! The match report: what becomes of each row of the file, told before anything is done.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::allocate::{self, SeatKey};
use crate::apply::Shown;
use crate::guard;
use crate::model::{Baseline, DistrictId, ProductCode, SourceId};
use crate::store::Store;

use super::file::{self, Row};
use super::people::{Found, Key, Known};
use super::{ImportedSeat, may_have};
use crate::manual::{self, Asked, Case, Refused, Verb};

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ImportOutcome")]
pub enum Outcome {
    /// It becomes a seat.
    Matched,
    /// Several users have its key.
    Ambiguous,
    /// Nobody has any of its keys.
    UnknownUser,
    /// The catalog has no such product.
    UnknownProduct,
    /// The product is not for users of that role.
    WrongAudience,
    /// By the product's rule, or by a decision, the user wants no seat: it would end at once.
    NoDemand,
    /// The user has a seat of the product, which stays as it is.
    AlreadyHasOne,
    /// An earlier row is about the same user and product.
    Repeated,
    /// The product is assigned by hand, and the feed says who the educators are (S1.13).
    FeedDecides,
}

/// What becomes of one row. Of people it says ids alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ImportLine")]
pub struct Line {
    /// Its line in the file.
    pub line: u64,
    /// What becomes of it.
    pub outcome: Outcome,
    /// The product as the file names it.
    pub product: String,
    /// Who it is about, if that is one user.
    pub user: Option<SourceId>,
    /// What the user was found by.
    pub matched_by: Option<Key>,
    /// Whether that key is a user name or an email, which prove nothing.
    pub weak: bool,
    /// Whether the file names a school that the district does not have; the seat is then drawn from the user's own pools.
    pub pool_unknown: bool,
}

/// What one product comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProductTotal {
    /// The product.
    pub product: ProductCode,
    /// Seats that the import adds.
    pub imported: u64,
    /// Seats in use afterwards, those that wait for a review included.
    pub seats: u64,
    /// Seats bought; null for unlimited.
    pub total: Option<u64>,
    /// Seats over what was bought: nobody loses one, and nobody new is granted one until there is room.
    pub over: u64,
}

/// The report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MatchReport {
    /// The district.
    pub district: DistrictId,
    /// Rows of the file.
    pub rows: u64,
    /// How many rows come to what.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Matched rows whose user was found by a weak key.
    pub weak: u64,
    /// Matched rows that name a school the district does not have.
    pub pool_unknown: u64,
    /// Seats over what was bought, over all products.
    pub over_capacity: u64,
    /// Whether the seats wait, bridged, for the approval of the district's first sync.
    pub before_first_sync: bool,
    /// Columns of the file that were not read.
    pub ignored_columns: Vec<String>,
    /// Products with an imported seat.
    pub products: Vec<ProductTotal>,
    /// Every row.
    pub lines: Vec<Line>,
}

impl MatchReport {
    /// How many rows come to this.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(&outcome).copied().unwrap_or_default()
    }
}

/// A report, and the verb that does what it says.
#[derive(Clone, Debug)]
pub struct Takeover {
    /// What becomes of each row.
    pub report: MatchReport,
    /// Carries the matched rows.
    pub verb: Verb,
}

/// Reads the file and says of each row what would become of it. Nothing is changed; `asked.verb` is not looked at.
pub async fn match_seats(
    store: &Store,
    limits: &guard::Settings,
    district: &DistrictId,
    asked: Asked<'_>,
    bytes: &[u8],
) -> Result<Takeover, Refused> {
    let baseline = store.baseline(district).await?.taking_up();
    let contract = baseline.with_taken_up(store.catalog().await?);
    let pending = manual::pending(&baseline)?;
    let shown = Shown::new(store.pseudonym_key(), &baseline, &pending);
    let read = file::read(bytes, baseline.state.time_zone, asked.as_of)?;
    let known = Known::new(&baseline, &pending);
    if known.nobody() {
        return Err(Refused::NoRoster(district.clone()));
    }
    let case = Case { asked, baseline: &baseline, contract: &contract, former: &[], shown: &shown };
    let mut repeated = BTreeSet::new();
    let (mut lines, seats): (Vec<Line>, Vec<Option<ImportedSeat>>) =
        read.rows.iter().map(|row| of_row(case, &known, row, &mut repeated)).unzip();
    let verb = Verb::SeatsImport { seats: seats.iter().flatten().cloned().collect() };
    let case = Case { asked: Asked { verb: &verb, ..asked }, ..case };
    let worked = manual::work_out(case, limits)?;
    let taken: BTreeSet<SeatKey> =
        worked.effect.imported.iter().map(|it| (it.product.clone(), it.user.clone())).collect();
    for (line, seat) in lines.iter_mut().zip(&seats) {
        if let Some(seat) = seat
            && !taken.contains(&seat.key())
        {
            line.outcome = Outcome::NoDemand;
        }
    }
    let after = Baseline { seats: worked.cleared.seats().seats.applied_to(&worked.baseline.seats), ..worked.baseline };
    let products = totals(&after, &taken, asked);
    let counted = |wanted: fn(&Line) -> bool| {
        count(lines.iter().filter(|it| it.outcome == Outcome::Matched && wanted(it)).count())
    };
    let mut outcomes = BTreeMap::new();
    for line in &lines {
        *outcomes.entry(line.outcome).or_default() += 1;
    }
    let report = MatchReport {
        district: district.clone(),
        rows: count(lines.len()),
        outcomes,
        weak: counted(|it| it.weak),
        pool_unknown: counted(|it| it.pool_unknown),
        over_capacity: products.iter().map(|it| it.over).sum(),
        before_first_sync: baseline.review.as_ref().is_some_and(|review| review.first_sync),
        ignored_columns: read.ignored,
        products,
        lines,
    };
    Ok(Takeover { report, verb })
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// What a row comes to, as far as it can be told without allocating, and the seat if it may become one.
fn of_row(
    case: Case<'_>,
    known: &Known<'_>,
    row: &Row,
    repeated: &mut BTreeSet<SeatKey>,
) -> (Line, Option<ImportedSeat>) {
    let mut line = Line {
        line: row.line,
        outcome: Outcome::Matched,
        product: row.product.clone(),
        user: None,
        matched_by: None,
        weak: false,
        pool_unknown: false,
    };
    let user = match known.find(row) {
        Found::One(user, key) => {
            line.user = Some(user.id.clone());
            (line.matched_by, line.weak) = (Some(key), key.is_weak());
            user
        }
        Found::Several(key) => {
            (line.matched_by, line.outcome) = (Some(key), Outcome::Ambiguous);
            return (line, None);
        }
        Found::Nobody => {
            line.outcome = Outcome::UnknownUser;
            return (line, None);
        }
    };
    let school = row.school.as_deref().and_then(|name| known.school(name));
    line.pool_unknown = school.is_none() && row.school.as_deref().is_some_and(|name| name != "district");
    let seat = ImportedSeat {
        product: row.product.as_str().into(),
        user: user.id.clone(),
        school,
        since: row.assigned,
        claimed_at: row.claimed,
        last_used_at: row.last_used,
    };
    let refused = if case.baseline.seats.contains_key(&seat.key()) {
        Some(Outcome::AlreadyHasOne)
    } else if !repeated.insert(seat.key()) {
        Some(Outcome::Repeated)
    } else {
        may_have(case, known, &seat)
    };
    match refused {
        Some(outcome) => (Line { outcome, ..line }, None),
        None => (line, Some(seat)),
    }
}

fn totals(after: &Baseline, taken: &BTreeSet<SeatKey>, asked: Asked<'_>) -> Vec<ProductTotal> {
    let of = |code: &ProductCode, seat: &SeatKey| seat.0 == *code;
    let total = |row: allocate::License| {
        let imported = count(taken.iter().filter(|key| of(&row.product, key)).count());
        let seats = count(after.seats.keys().filter(|key| of(&row.product, key)).count());
        let over = row.total.map_or(0, |total| seats.saturating_sub(total));
        ProductTotal { imported, seats, total: row.total, over, product: row.product }
    };
    let rows = allocate::licenses(after, asked.as_of, false).into_iter().map(total);
    rows.filter(|row| row.imported > 0).collect()
}
