//! Seats, places in line, and the last seat of those who left.

use std::collections::{BTreeMap, btree_map};
use std::iter::Peekable;

use serde::Serialize;

use crate::allocate::SeatKey;
use crate::model::{DistrictId, Ended, Leaving, Pool, ProductCode, Seat, SourceId, Timestamp, User, Waiting};
use crate::store::column::{Digit, Table, Text};
use crate::store::db::{Row, Sql, Tx, bulk, statements};
use crate::store::write::BATCH;
use crate::store::{Lent, Store, StoreError};

const SEAT: Table = Table("seat");
const WAITING: Table = Table("waiting");
const ENDED: Table = Table("seat_ended");

statements! {
    // A page is one row of one text: a row each costs several times what is in it.
    SEATS = Sql::per_backend(
        "SELECT json_group_array(json_array(product, user_id, pool, since, claimed_at, last_used_at, leaving_since,
             leaving_upload, bridged, state)) AS seats
         FROM (SELECT * FROM seat WHERE district = $1 AND (product, user_id) > ($2, $3)
               ORDER BY product, user_id LIMIT 500)",
        "SELECT COALESCE(CAST(json_agg(json_build_array(product, user_id, pool, since, claimed_at, last_used_at, leaving_since,
             leaving_upload, CAST(bridged AS INTEGER), state)) AS TEXT), '[]') AS seats
         FROM (SELECT * FROM seat WHERE district = $1 AND (product, user_id) > ($2, $3)
               ORDER BY product, user_id LIMIT 500) AS page",
    );
    SEATS_OF_PRODUCT = Sql::portable(
        "SELECT product, user_id, pool, since, claimed_at, last_used_at, leaving_since, leaving_upload,
             bridged, state
         FROM seat WHERE district = $1 AND product = $2 ORDER BY user_id",
    );
    SEATS_BY_KEY = bulk!(
        "SELECT s.product, s.user_id, s.pool, s.since, s.claimed_at, s.last_used_at, s.leaving_since,
             s.leaving_upload, s.bridged, s.state",
        (product TEXT, user_id TEXT),
        "CROSS JOIN seat AS s WHERE s.district = $1 AND s.product = r.product AND s.user_id = r.user_id"
    );
    WAITING_ALL = Sql::per_backend(
        "SELECT json_group_array(json_array(product, user_id, since, position, short_of)) AS places
         FROM (SELECT * FROM waiting WHERE district = $1 AND (product, user_id) > ($2, $3)
               ORDER BY product, user_id LIMIT 500)",
        "SELECT COALESCE(CAST(json_agg(json_build_array(product, user_id, since, position, short_of)) AS TEXT), '[]') AS places
         FROM (SELECT * FROM waiting WHERE district = $1 AND (product, user_id) > ($2, $3)
               ORDER BY product, user_id LIMIT 500) AS page",
    );
    WAITING_OF_PRODUCT = Sql::portable(
        "SELECT product, user_id, since, position, short_of FROM waiting
         WHERE district = $1 AND product = $2 ORDER BY position, user_id",
    );
    ENDED_ALL = Sql::portable(
        "SELECT product, user_id, ended_at, reason FROM seat_ended WHERE district = $1",
    );
    // A last use makes no plan stale, so one may have come in since the plan read the seat: the later one stays.
    PUT_SEATS = bulk!(
        given_seat:
        "INSERT INTO seat (district, product, user_id, pool, since, claimed_at, last_used_at,
             leaving_since, leaving_upload, bridged, state)
         SELECT $1, r.product, r.user_id, r.pool, r.since, r.claimed_at, r.last_used_at,
             r.leaving_since, r.leaving_upload, r.bridged, r.state",
        (product TEXT, user_id TEXT, pool TEXT, since BIGINT, claimed_at BIGINT, last_used_at BIGINT,
         leaving_since TEXT, leaving_upload TEXT, bridged BOOLEAN, state TEXT),
        "WHERE true ON CONFLICT (district, product, user_id) DO UPDATE SET pool = excluded.pool,
             since = excluded.since, claimed_at = excluded.claimed_at,
             last_used_at = CASE WHEN excluded.last_used_at IS NULL
                 OR seat.last_used_at > excluded.last_used_at
                 THEN seat.last_used_at ELSE excluded.last_used_at END, leaving_since = excluded.leaving_since,
             leaving_upload = excluded.leaving_upload, bridged = excluded.bridged, state = excluded.state"
    );
    PUT_WAITING = bulk!(
        given_place:
        "INSERT INTO waiting (district, product, user_id, since, position, short_of)
         SELECT $1, r.product, r.user_id, r.since, r.position, r.short_of",
        (product TEXT, user_id TEXT, since BIGINT, position BIGINT, short_of TEXT),
        "WHERE true ON CONFLICT (district, product, user_id) DO UPDATE SET since = excluded.since,
             position = excluded.position, short_of = excluded.short_of"
    );
    PUT_ENDED = bulk!(
        "INSERT INTO seat_ended (district, product, user_id, ended_at, reason)
         SELECT $1, r.product, r.user_id, r.ended_at, r.reason",
        (product TEXT, user_id TEXT, ended_at BIGINT, reason TEXT),
        "WHERE true ON CONFLICT (district, product, user_id) DO UPDATE SET
             ended_at = excluded.ended_at, reason = excluded.reason"
    );
    REMOVE_SEATS = bulk!(
        "DELETE FROM seat WHERE district = $1 AND (product, user_id) IN (SELECT r.product, r.user_id",
        (product TEXT, user_id TEXT),
        ")"
    );
    REMOVE_WAITING = bulk!(
        "DELETE FROM waiting WHERE district = $1 AND (product, user_id) IN (SELECT r.product, r.user_id",
        (product TEXT, user_id TEXT),
        ")"
    );
}

pub(super) type SeatColumns<Text = String, Flag = bool> =
    (Text, Text, Text, i64, Option<i64>, Option<i64>, Option<Text>, Option<Text>, Flag, Text);

pub(super) fn seat(columns: SeatColumns) -> Result<Seat, StoreError> {
    seat_of(columns, &mut Known::new(&BTreeMap::new()))
}

fn seat_of<Text: AsRef<str>, Flag: Into<bool>>(
    columns: SeatColumns<Text, Flag>,
    known: &mut Known<'_>,
) -> Result<Seat, StoreError> {
    let (product, user, pool, since, claimed, used, leaving_since, upload, bridged, state) = columns;
    let leaving = SEAT.date_if("leaving_since", leaving_since.as_ref().map(AsRef::as_ref))?;
    let upload = upload.map(|it| it.as_ref().to_owned());
    Ok(Seat {
        product: known.product(product.as_ref()),
        user: known.user(user.as_ref()),
        pool: known.pool(pool.as_ref()),
        since: SEAT.instant("since", since)?,
        claimed_at: SEAT.instant_if("claimed_at", claimed)?,
        last_used_at: SEAT.instant_if("last_used_at", used)?,
        leaving: leaving.map(|since| Leaving { since, upload }),
        bridged: bridged.into(),
        state: SEAT.word("state", state.as_ref())?,
    })
}

pub(super) type WaitingColumns<Text = String> = (Text, Text, i64, i64, Text);

pub(super) fn waiting(columns: WaitingColumns) -> Result<Waiting, StoreError> {
    waiting_of(columns, &mut Known::new(&BTreeMap::new()))
}

fn waiting_of<Text: AsRef<str>>(columns: WaitingColumns<Text>, known: &mut Known<'_>) -> Result<Waiting, StoreError> {
    let (product, user, since, position, short_of) = columns;
    Ok(Waiting {
        product: known.product(product.as_ref()),
        user: known.user(user.as_ref()),
        since: WAITING.instant("since", since)?,
        position: position.try_into().map_err(|_| WAITING.corrupt("position"))?,
        short_of: known.pool(short_of.as_ref()),
    })
}

#[derive(Serialize)]
struct SeatRow<'a> {
    product: &'a str,
    user_id: &'a str,
    pool: String,
    since: i64,
    claimed_at: Option<i64>,
    last_used_at: Option<i64>,
    leaving_since: Option<String>,
    leaving_upload: Option<&'a str>,
    bridged: bool,
    state: String,
}

#[derive(Serialize)]
struct WaitingRow<'a> {
    product: &'a str,
    user_id: &'a str,
    since: i64,
    position: u32,
    short_of: String,
}

#[derive(Serialize)]
struct EndedRow<'a> {
    product: &'a str,
    user_id: &'a str,
    ended_at: i64,
    reason: String,
}

#[derive(Serialize)]
pub(super) struct KeyRow<'a> {
    product: &'a str,
    user_id: &'a str,
}

pub(super) async fn each_batch<'a, T, R: Serialize>(
    tx: &mut Tx,
    sql: Sql,
    district: &DistrictId,
    all: &'a [T],
    row: impl Fn(&'a T) -> Result<R, StoreError>,
) -> Result<(), StoreError> {
    for batch in all.chunks(tx.batch(sql)) {
        let rows: Vec<R> = batch.iter().map(&row).collect::<Result<_, _>>()?;
        let query = tx.query(sql).bind(district.as_str()).bind_rows(SEAT, &rows).await?;
        query.execute_exactly(rows.len()).await?;
    }
    Ok(())
}

pub(super) async fn put_seats(tx: &mut Tx, district: &DistrictId, seats: &[Lent<'_, Seat>]) -> Result<(), StoreError> {
    each_batch(tx, PUT_SEATS, district, seats, |it| {
        Ok(SeatRow {
            product: it.product.as_str(),
            user_id: it.user.as_str(),
            pool: it.pool.to_string(),
            since: it.since.millis(),
            claimed_at: it.claimed_at.map(Timestamp::millis),
            last_used_at: it.last_used_at.map(Timestamp::millis),
            leaving_since: it.leaving.as_ref().map(|leaving| leaving.since.to_string()),
            leaving_upload: it.leaving.as_ref().and_then(|leaving| leaving.upload.as_deref()),
            bridged: it.bridged,
            state: SEAT.to_word(&it.state)?,
        })
    })
    .await
}

pub(super) async fn put_waiting(
    tx: &mut Tx,
    district: &DistrictId,
    places: &[Lent<'_, Waiting>],
) -> Result<(), StoreError> {
    each_batch(tx, PUT_WAITING, district, places, |it| {
        Ok(WaitingRow {
            product: it.product.as_str(),
            user_id: it.user.as_str(),
            since: it.since.millis(),
            position: it.position,
            short_of: it.short_of.to_string(),
        })
    })
    .await
}

pub(super) async fn put_ended(
    tx: &mut Tx,
    district: &DistrictId,
    ended: &[(SeatKey, Ended)],
) -> Result<(), StoreError> {
    each_batch(tx, PUT_ENDED, district, ended, |((product, user), it)| {
        Ok(EndedRow {
            product: product.as_str(),
            user_id: user.as_str(),
            ended_at: it.at.millis(),
            reason: ENDED.to_word(&it.reason)?,
        })
    })
    .await
}

/// Every one of them must be there.
pub(super) async fn remove_seats(tx: &mut Tx, district: &DistrictId, keys: &[SeatKey]) -> Result<(), StoreError> {
    each_batch(tx, REMOVE_SEATS, district, keys, |it| Ok(key_row(it))).await
}

/// Every one of them must be there.
pub(super) async fn remove_waiting(tx: &mut Tx, district: &DistrictId, keys: &[SeatKey]) -> Result<(), StoreError> {
    each_batch(tx, REMOVE_WAITING, district, keys, |it| Ok(key_row(it))).await
}

pub(super) fn key_row((product, user): &SeatKey) -> KeyRow<'_> {
    KeyRow { product: product.as_str(), user_id: user.as_str() }
}

/// What many rows name, each text kept once.
struct Known<'a> {
    users: &'a BTreeMap<SourceId, User>,
    /// The rows of a product follow each other, and name users in their order.
    product: Option<ProductCode>,
    next: Peekable<btree_map::Keys<'a, SourceId, User>>,
    pools: BTreeMap<String, Pool>,
}

impl<'a> Known<'a> {
    fn new(users: &'a BTreeMap<SourceId, User>) -> Self {
        Self { users, product: None, next: users.keys().peekable(), pools: BTreeMap::new() }
    }

    fn product(&mut self, code: &str) -> ProductCode {
        if let Some(known) = self.product.as_ref().filter(|it| it.as_str() == code) {
            return known.clone();
        }
        self.next = self.users.keys().peekable();
        self.product.insert(code.into()).clone()
    }

    fn user(&mut self, id: &str) -> SourceId {
        while self.next.next_if(|known| known.as_str() < id).is_some() {}
        self.next.peek().filter(|known| known.as_str() == id).map_or_else(|| id.into(), |known| (*known).clone())
    }

    fn pool(&mut self, text: &str) -> Pool {
        if let Some(known) = self.pools.get(text) {
            return known.clone();
        }
        let pool = Pool::parse(text);
        self.pools.insert(text.to_owned(), pool.clone());
        pool
    }
}

/// All seats. Those of users in `users` name them by the same id, so that a million texts are kept once.
pub(super) async fn read_seats(
    tx: &mut Tx,
    district: &DistrictId,
    users: &BTreeMap<SourceId, User>,
) -> Result<BTreeMap<SeatKey, Seat>, StoreError> {
    let mut known = Known::new(users);
    let read = |page: &str| {
        let keyed = |it: Seat| ((it.product.clone(), it.user.clone()), it);
        let page: Vec<SeatColumns<Text<'_>, Digit>> = serde_json::from_str(page).map_err(|_| SEAT.corrupt("row"))?;
        page.into_iter().map(|it| seat_of(it, &mut known).map(keyed)).collect()
    };
    read_pages(tx, SEATS, district, read).await
}

/// The seats of these keys, as far as there are any.
pub(super) async fn read_some(tx: &mut Tx, district: &DistrictId, keys: &[SeatKey]) -> Result<Vec<Seat>, StoreError> {
    by_key(tx, SEATS_BY_KEY, district, keys).await?.into_iter().map(seat).collect()
}

/// What `sql` has of these keys.
pub(super) async fn by_key<R: Row>(
    tx: &mut Tx,
    sql: Sql,
    district: &DistrictId,
    keys: &[SeatKey],
) -> Result<Vec<R>, StoreError> {
    let mut all = Vec::new();
    for batch in keys.chunks(BATCH) {
        let rows: Vec<_> = batch.iter().map(key_row).collect();
        all.extend(tx.query(sql).bind(district.as_str()).bind(SEAT.to_json(&rows)?).fetch_all::<R>().await?);
    }
    Ok(all)
}

/// All places in line, which name users as [`read_seats`] does.
pub(super) async fn read_waiting(
    tx: &mut Tx,
    district: &DistrictId,
    users: &BTreeMap<SourceId, User>,
) -> Result<BTreeMap<SeatKey, Waiting>, StoreError> {
    let mut known = Known::new(users);
    let read = |page: &str| {
        let keyed = |it: Waiting| ((it.product.clone(), it.user.clone()), it);
        let page: Vec<WaitingColumns<Text<'_>>> = serde_json::from_str(page).map_err(|_| WAITING.corrupt("row"))?;
        page.into_iter().map(|it| waiting_of(it, &mut known).map(keyed)).collect()
    };
    read_pages(tx, WAITING_ALL, district, read).await
}

/// What `read` makes of the rows of a table, which `sql` gives a page at a time in the order of their keys.
async fn read_pages<T>(
    tx: &mut Tx,
    sql: Sql,
    district: &DistrictId,
    mut read: impl FnMut(&str) -> Result<Vec<(SeatKey, T)>, StoreError>,
) -> Result<BTreeMap<SeatKey, T>, StoreError> {
    let mut all: Vec<(SeatKey, T)> = Vec::new();
    loop {
        let last = all.last().map(|((product, user), _)| (product.as_str(), user.as_str())).unwrap_or_default();
        let (page,): (String,) = tx.query(sql).bind(district.as_str()).bind(last.0).bind(last.1).fetch_one().await?;
        let page = read(&page)?;
        if page.is_empty() {
            return Ok(all.into_iter().collect());
        }
        all.extend(page);
    }
}

pub(super) async fn read_ended(tx: &mut Tx, district: &DistrictId) -> Result<BTreeMap<SeatKey, Ended>, StoreError> {
    let rows: Vec<EndedColumns> = tx.query(ENDED_ALL).bind(district.as_str()).fetch_all().await?;
    rows.into_iter().map(ended).collect()
}

pub(super) type EndedColumns = (String, String, i64, String);

pub(super) fn ended((product, user, at, reason): EndedColumns) -> Result<(SeatKey, Ended), StoreError> {
    let ended = Ended { at: ENDED.instant("ended_at", at)?, reason: ENDED.word("reason", &reason)? };
    Ok(((product.into(), user.into()), ended))
}

impl Store {
    /// Holders of a product by user id, and its waitlist by position.
    pub async fn seats(
        &self,
        district: &DistrictId,
        product: &ProductCode,
    ) -> Result<(Vec<Seat>, Vec<Waiting>), StoreError> {
        let mut tx = self.db.read().await?;
        let query = tx.query(SEATS_OF_PRODUCT).bind(district.as_str()).bind(product.as_str());
        let seats: Vec<SeatColumns> = query.fetch_all().await?;
        let query = tx.query(WAITING_OF_PRODUCT).bind(district.as_str()).bind(product.as_str());
        let places: Vec<WaitingColumns> = query.fetch_all().await?;
        Ok((
            seats.into_iter().map(seat).collect::<Result<_, _>>()?,
            places.into_iter().map(waiting).collect::<Result<_, _>>()?,
        ))
    }
}
