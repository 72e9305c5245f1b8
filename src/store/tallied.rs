//! A district as its numbers are shown: what it has beside its people, its schools, and its seats counted. One consistent read,
//! without the enrollments, which are most of a roster.

use crate::allocate::{Input, License, Tallies};
use crate::model::{Baseline, DistrictId, DistrictState, Roster, Timestamp, Waiting};
use crate::store::catalog::Said;
use crate::store::db::{Sql, Tx, statements};
use crate::store::{Store, StoreError, baseline, catalog, district, hand, identity, records, seats};

statements! {
    USES_NOTED = Sql::portable("SELECT uses FROM district WHERE id = $1");
}

/// At which state of a district something was counted. Uses that decide nothing move no revision and count in the numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// The district now.
    pub state: DistrictState,
    /// How many reports of use it had.
    uses: i64,
    /// The catalog's products, those that the district did not buy among them.
    products: Vec<String>,
}

impl Moment {
    /// Whether what was counted then holds still. What the last pull was is not counted.
    pub fn holds(&self, now: &Self) -> bool {
        let of = |it: &Self| (it.state.revision, it.uses, it.state.time_zone);
        of(self) == of(now) && self.products == now.products
    }
}

/// What the numbers of a district are made of.
#[derive(Clone, Debug)]
pub struct Tallied {
    /// When it was counted.
    pub at: Moment,
    /// The district without its people; of the roster the schools and sessions.
    pub outline: Baseline,
    /// Its seats.
    pub tallies: Tallies,
    /// The first in line by product and place, as many as were asked for.
    pub line: Vec<Waiting>,
    /// How many are in line.
    pub in_line: usize,
}

impl Tallied {
    /// The rows of `rosterd licenses`, for the district as it stands.
    pub fn licenses(&self, state: &DistrictState, as_of: Timestamp, by_school: bool) -> Vec<License> {
        self.tallies.licenses(Input { state, ..Input::of(&self.outline, as_of) }, by_school)
    }
}

async fn moment(tx: &mut Tx, district: &DistrictId) -> Result<Moment, StoreError> {
    let state = district::read_state(tx, district).await?;
    let (uses,) = tx.query(USES_NOTED).bind(district.as_str()).fetch_one().await?;
    Ok(Moment { state, uses, products: catalog::product_bodies(tx).await? })
}

impl Store {
    /// Where a district stands; [`StoreError::NoDistrict`] for an unknown one.
    pub async fn moment(&self, district: &DistrictId) -> Result<Moment, StoreError> {
        moment(&mut self.db.read().await?, district).await
    }

    /// The district without its classes and enrollments, as reports look at it. No plan is made on it.
    pub async fn seated(&self, district: &DistrictId) -> Result<Baseline, StoreError> {
        Ok(Box::pin(seated(&mut self.db.read().await?, district)).await?.1)
    }

    /// The numbers of a district, with so many of those in line; [`StoreError::NoDistrict`] for an unknown one.
    pub async fn tallied(&self, district: &DistrictId, wanted: usize) -> Result<Tallied, StoreError> {
        let mut tx = self.db.read().await?;
        let tx = &mut tx;
        let at = moment(tx, district).await?;
        let (outline, whole) = Box::pin(seated(tx, district)).await?;
        let mut line: Vec<&Waiting> = whole.waiting.values().collect();
        line.sort_by(|one, other| (&one.product, one.position).cmp(&(&other.product, other.position)));
        let (in_line, line) = (line.len(), line.into_iter().take(wanted).cloned().collect());
        let tallies = Tallies::of(&whole);
        Ok(Tallied { at, outline, tallies, line, in_line })
    }
}

/// What a district has beside its people, with its schools; and the same with users, seats and places in line.
async fn seated(tx: &mut Tx, district: &DistrictId) -> Result<(Baseline, Baseline), StoreError> {
    let mut outline = Box::pin(baseline::outline(tx, district, Said::Stored)).await?;
    outline.roster.schools = records::read_kind(tx, district).await?;
    let users = records::read_kind(tx, district).await?;
    let whole = Baseline {
        waiting: seats::read_waiting(tx, district, &users).await?,
        seats: seats::read_seats(tx, district, &users).await?,
        persons: hand::read_persons(tx, district).await?,
        identity: identity::read(tx, district).await?,
        roster: Roster { users, schools: outline.roster.schools.clone(), ..Roster::default() },
        ..outline.clone()
    };
    Ok((outline, whole))
}
