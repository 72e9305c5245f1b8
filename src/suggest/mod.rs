//! How to get back under the limit (licensing.md, Suggestions; S2.1 to S2.12, S4.33, S4.35). Pure: each number is what the
//! engine makes of the changed district, never an estimate.
//!
//! For each pool that is over or has people waiting: candidates are counted exactly, at most fifty of them are tried, each by
//! one allocation of the product, and those that free or seat nobody are dropped. The order of kinds is the published one.

mod candidates;
mod change;
mod surplus;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::Serialize;

use crate::allocate::{License, Scope, licenses};
use crate::identity::Strength;
use crate::model::{Access, Baseline, DistrictId, Pool, ProductCode, SourceId, Timestamp};

use change::{Change, Trial};
pub use surplus::{Surplus, surplus};

/// The most candidates of one pool.
const MOST: usize = 50;

/// Increments in which seats are bought (S4.33).
const INCREMENTS: [u64; 3] = [100, 250, 500];

/// What could be done, in the order in which it is suggested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SuggestionKind")]
pub enum Kind {
    /// Spare seats of another school's allotment (S2.3).
    MoveSeats,
    /// An educator's access switched OFF (S2.5, S2.6).
    EducatorOff,
    /// A class that is over and still has students (S2.7).
    StaleClass,
    /// Two accounts of one student (S2.9).
    Duplicate,
    /// Seats nobody has used for thirty days (S3.18, S3.27).
    Unused,
    /// Test accounts (S4.35, P46).
    TestAccounts,
    /// Graduates whose account is still active (S4.35).
    Graduates,
    /// More seats (S0.12, S4.33).
    Buy,
}

/// One thing that could be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Suggestion {
    /// From 1.
    pub rank: usize,
    /// What it is.
    pub kind: Kind,
    /// Seats it would free: those that end by it, are moved in, or are bought.
    pub frees: u64,
    /// Users waiting who would have a seat at once.
    pub seats: u64,
    /// For people; ids only.
    pub text: String,
    /// What carries it out.
    pub command: String,
    /// Whose seats would end, where it names users.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<SourceId>,
    /// The class that is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<SourceId>,
    /// What a proposed duplicate rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strength: Option<Strength>,
}

/// A pool that is over or has people waiting, and what could be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Shortage {
    /// The district.
    pub district: DistrictId,
    /// The product.
    pub product: ProductCode,
    /// `school` or `district`.
    pub pool: Scope,
    /// The school, of a school's pool.
    pub school: Option<SourceId>,
    /// Seats above its total.
    pub over: u64,
    /// Users waiting whose first pool it is.
    pub waiting: u64,
    /// Seats missing: in the whole product, or where that has enough, in this pool.
    pub short_by: u64,
    /// Ranked.
    pub suggestions: Vec<Suggestion>,
}

/// Narrows down what is asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// One product.
    pub product: Option<ProductCode>,
    /// One school's pool.
    pub school: Option<SourceId>,
    /// Whether the account is kept by hand, where old classes are emptied here and not in a rostering platform.
    pub by_hand: bool,
}

/// Every shortage of a district with its suggestions, by product and pool.
pub fn suggest(baseline: &Baseline, as_of: Timestamp, wanted: &Wanted) -> Vec<Shortage> {
    let rows = licenses(baseline, as_of, true);
    let mut found = Vec::new();
    for sum in rows.iter().filter(|row| row.pool == Scope::Sum) {
        let of_product = wanted.product.as_ref().is_none_or(|code| *code == sum.product);
        // After the end of coverage nobody is granted whatever is freed; the alert says to renew.
        if !of_product || !matches!(sum.access, Access::Full | Access::Grace) {
            continue;
        }
        let pools: Vec<&License> =
            rows.iter().filter(|row| row.product == sum.product && row.pool != Scope::Sum).collect();
        let mut needy: Vec<&License> = pools.iter().filter(|row| row.over + row.waiting > 0).copied().collect();
        // A child who changes school may put a pool over while the product has seats left (S3.26).
        if needy.is_empty() && sum.over == 0 {
            continue;
        }
        let Some(mut trial) = Trial::new(baseline, as_of, &sum.product, wanted.by_hand) else { continue };
        if needy.is_empty() {
            // The total is short although no pool is.
            needy.extend(pools.iter().find(|row| row.pool == Scope::District));
        }
        let asked = |row: &&License| wanted.school.is_none() || row.school == wanted.school;
        for row in needy.into_iter().filter(asked) {
            found.push(shortage(&mut trial, row, sum, &pools));
        }
    }
    found
}

fn shortage(trial: &mut Trial<'_>, row: &License, sum: &License, pools: &[&License]) -> Shortage {
    let pool = row.school.clone().map_or(Pool::District, Pool::School);
    // Where the total is short, a seat of any pool will do.
    trial.every_pool = sum.over > 0;
    let short_by = (sum.over + sum.waiting).max(row.over + row.waiting);
    let mut found = candidates::moves(trial, row, pools);
    let mut tried = candidates::educators(trial, &pool);
    tried.extend(candidates::stale_classes(trial, &pool));
    tried.extend(candidates::duplicates(trial, &pool));
    tried.extend(candidates::accounts(trial, &pool, row.over + row.waiting));
    tried.truncate(MOST.saturating_sub(found.len() + 1));
    for candidate in tried {
        let effect = trial.effect(&candidate.change);
        if effect.frees + effect.seats > 0 {
            found.push(Suggestion { frees: effect.frees, seats: effect.seats, ..candidate.suggestion });
        }
    }
    found.sort_by(|one, other| {
        let rank = |it: &Suggestion| (it.kind, it.strength, u64::MAX - it.frees - it.seats);
        rank(one).cmp(&rank(other)).then_with(|| one.command.cmp(&other.command))
    });
    found.push(buy(trial, &sum.product, short_by));
    for (rank, it) in (1..).zip(&mut found) {
        it.rank = rank;
    }
    Shortage {
        district: row.district.clone(),
        product: row.product.clone(),
        pool: row.pool,
        school: row.school.clone(),
        over: row.over,
        waiting: row.waiting,
        short_by,
        suggestions: found,
    }
}

/// Whatever is missing, rounded up to what is sold.
fn buy(trial: &mut Trial<'_>, product: &ProductCode, short_by: u64) -> Suggestion {
    let seats = in_increments(short_by);
    let effect = trial.effect(&Change::Buy(seats));
    Suggestion {
        rank: 0,
        kind: Kind::Buy,
        frees: seats,
        seats: effect.seats,
        text: format!("buy {seats} more: short by {short_by} seats in {product}"),
        command: "rosterd catalog refresh".to_owned(),
        users: Vec::new(),
        class: None,
        strength: None,
    }
}

/// The least number of seats that is sold and covers `needed` (S4.33).
fn in_increments(needed: u64) -> u64 {
    let [.., largest] = INCREMENTS;
    let rest = needed % largest;
    let more = INCREMENTS.into_iter().find(|it| *it >= rest).unwrap_or(largest);
    needed - rest + if rest == 0 && needed > 0 { 0 } else { more }
}

/// A word for a shell.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}
