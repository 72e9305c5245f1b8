//! What changed, in the order in which it was committed, for those who keep a copy (interface.md, `GET /v1/changes`).
//!
//! Each thing is known by the revision of its district that changed it last, and each commit by a number over all districts.
//! Districts are written one writer at a time, so their revisions are in order; the number is taken as the last thing of a
//! transaction under a lock that ends with it, so numbers are too, without a gap, whatever process commits. A thing that
//! changes again moves to the later commit: each is told once, as it is after that commit.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::allocate::SeatKey;
use crate::model::{DistrictId, Kind, ProductCode, Record, Seat, SourceId, Timestamp};
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, bulk, statements};
use crate::store::district::Locked;
use crate::store::write::RecordWrite;
use crate::store::{Store, StoreError, Writes, seats};

const KEY: Table = Table("change_key");

/// The kind under which seats are told.
pub const SEATS: &str = "seats";

macro_rules! old_keys {
    ($product:literal, $find:literal) => {
        concat!(
            "DELETE FROM change_key WHERE district = $1
             AND revision IN (SELECT revision FROM change_commit WHERE district = $1 AND at < $2)
             AND NOT EXISTS (SELECT 1 FROM record AS r WHERE r.district = $1 AND r.kind = change_key.kind
                 AND r.id = change_key.id AND r.active)
             AND NOT (kind = 'seats' AND EXISTS (SELECT 1 FROM seat AS s WHERE s.district = $1
                 AND s.product = ",
            $product,
            " AND s.user_id = substr(change_key.id, ",
            $find,
            "(change_key.id, '/') + 1)))"
        )
    };
}

statements! {
    PUT_KEYS = bulk!(
        given_key:
        "INSERT INTO change_key (district, kind, id, revision) SELECT $1, r.kind, r.id, $3",
        (kind TEXT, id TEXT),
        "WHERE true ON CONFLICT (district, kind, id) DO UPDATE SET revision = excluded.revision"
    );
    PUT_FIRST_KEYS = Sql::portable(
        "INSERT INTO change_key (district, kind, id, revision)
         SELECT district, kind, id, $2 FROM record WHERE district = $1 AND active AND kind IN ('users', 'classes', 'enrollments')
         ON CONFLICT (district, kind, id) DO NOTHING",
    );
    ALL_KEYS = Sql::portable("UPDATE change_key SET revision = $2 WHERE district = $1");
    NEXT_NUMBER = Sql::portable(
        "UPDATE change_head SET number = number + 1 WHERE name = 'commit' RETURNING number",
    );
    PUT_COMMIT = Sql::portable(
        "INSERT INTO change_commit (number, district, revision, mark, at) VALUES ($1, $2, $3, $4, $5)",
    );
    HEAD = Sql::portable("SELECT number FROM change_head WHERE name = $1");
    COMMIT = Sql::portable("SELECT district, mark FROM change_commit WHERE number = $1");
    COMMITS = Sql::portable(
        "SELECT c.number, c.district, c.revision, c.mark, COALESCE(d.first_revision = c.revision, FALSE) AS is_first
         FROM change_commit AS c CROSS JOIN district AS d
         WHERE d.id = c.district AND c.number >= $1 ORDER BY c.number LIMIT $2",
    );
    KEYS_OF = Sql::portable(
        "SELECT k.kind, k.id, r.body FROM change_key AS k
         LEFT JOIN record AS r ON r.district = k.district AND r.kind = k.kind AND r.id = k.id AND r.active
         WHERE k.district = $1 AND k.revision = $2 AND (k.kind > $3 OR (k.kind = $3 AND k.id > $4))
         ORDER BY k.kind, k.id LIMIT $5",
    );
    // Of the first load (store/first.rs). The kinds that are not told are named, so that the rest is read in its order.
    FIRST_KEYS = Sql::portable(
        "SELECT r.kind, r.id, r.body FROM record AS r
         WHERE r.district = $1 AND (r.kind, r.id) > ($2, $3)
             AND r.kind <> 'courses' AND r.kind <> 'schools' AND r.kind <> 'sessions' AND r.active
             AND NOT EXISTS (SELECT 1 FROM change_key AS k
                             WHERE k.district = r.district AND k.kind = r.kind AND k.id = r.id)
         ORDER BY r.kind, r.id LIMIT $4",
    );
    // What is gone and was told long ago is forgotten; whoever has not asked since then starts over. The two databases cut a
    // text at its first slash in ways of their own.
    OLD_KEYS = Sql::per_backend(
        old_keys!("substr(change_key.id, 1, instr(change_key.id, '/') - 1)", "instr"),
        old_keys!("split_part(change_key.id, '/', 1)", "strpos"),
    );
    RAISE_FLOOR = Sql::portable(
        "UPDATE change_head SET number = (SELECT COALESCE(MAX(number), 0) FROM change_commit WHERE at < $1)
         WHERE name = 'floor'",
    );
    EPOCH = Sql::portable("SELECT value FROM meta WHERE key = 'epoch'");
    NEW_EPOCH = Sql::portable(
        "INSERT INTO meta (key, value) VALUES ('epoch', $1) ON CONFLICT (key) DO NOTHING",
    );
    NEXT_EPOCH = Sql::portable("UPDATE meta SET value = $1 WHERE key = 'epoch' AND value = $2");
}

#[derive(Serialize)]
struct KeyRow<'a> {
    kind: &'a str,
    id: Cow<'a, str>,
}

/// Notes the seats that a run changes, before the number of its commit is known; whether there is any.
pub(super) async fn note_seats(tx: &mut Tx, locked: &Locked, writes: &Writes<'_>) -> Result<bool, StoreError> {
    // Each is there once. One that is both is noted twice, which is the same.
    let (size, mut noted) = (tx.batch(PUT_KEYS), false);
    for batch in writes.seats_put.chunks(size) {
        let rows: Vec<_> = batch.iter().map(|it| seat_key(&it.product, &it.user)).collect();
        note(tx, locked, &rows).await?;
        noted = true;
    }
    for batch in writes.seats_removed.chunks(size) {
        let rows: Vec<_> = batch.iter().map(|(product, user)| seat_key(product, user)).collect();
        note(tx, locked, &rows).await?;
        noted = true;
    }
    Ok(noted)
}

fn seat_key(product: &ProductCode, user: &SourceId) -> KeyRow<'static> {
    KeyRow { kind: SEATS, id: Cow::Owned(format!("{product}/{user}")) }
}

/// The same of a batch of records, each of them once.
pub(super) async fn note_records(tx: &mut Tx, locked: &Locked, batch: &[RecordWrite]) -> Result<bool, StoreError> {
    let told = batch.iter().filter(|it| matches!(it.kind, Kind::Users | Kind::Classes | Kind::Enrollments));
    let rows: Vec<_> = told.map(|it| KeyRow { kind: it.kind.plural(), id: Cow::Borrowed(it.id.as_str()) }).collect();
    if !rows.is_empty() {
        note(tx, locked, &rows).await?;
    }
    Ok(!rows.is_empty())
}

async fn note(tx: &mut Tx, locked: &Locked, rows: &[KeyRow<'_>]) -> Result<(), StoreError> {
    let query = tx.query(PUT_KEYS).bind(locked.district.as_str()).bind_rows(KEY, rows).await?;
    query.bind(locked.revision + 1).execute_exactly(rows.len()).await
}

/// Everything of a district is told anew: it will be gone. Before its records are.
pub(super) async fn note_all(tx: &mut Tx, locked: &Locked) -> Result<(), StoreError> {
    tx.query(PUT_FIRST_KEYS).bind(locked.district.as_str()).bind(locked.revision + 1).execute().await?;
    tx.query(ALL_KEYS).bind(locked.district.as_str()).bind(locked.revision + 1).execute().await?;
    Ok(())
}

/// Numbers the commit: the last thing of a transaction, since every other commit waits for this one from here on.
pub(super) async fn number(tx: &mut Tx, locked: &Locked, at: Timestamp) -> Result<(), StoreError> {
    let (number,): (i64,) = tx.query(NEXT_NUMBER).fetch_one().await?;
    let query = tx.query(PUT_COMMIT).bind(number).bind(locked.district.as_str()).bind(locked.revision + 1);
    query.bind(locked.audit_head.as_str()).bind(at.millis()).execute_exactly(1).await
}

/// Forgets what has been gone for long.
pub(super) async fn forget(tx: &mut Tx, district: &DistrictId, before: Timestamp) -> Result<u64, StoreError> {
    let forgotten = tx.query(OLD_KEYS).bind(district.as_str()).bind(before.millis()).execute().await?;
    if forgotten > 0 {
        tx.query(RAISE_FLOOR).bind(before.millis()).execute_exactly(1).await?;
    }
    Ok(forgotten)
}

/// A place in the order of changes: everything up to it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The commit, 0 for none.
    pub number: i64,
    /// The commit's mark, none for no commit.
    pub mark: String,
    /// Of the commit, the last kind and id that are known; none for all of it.
    pub within: Option<(String, String)>,
    /// The last commit when the full state was begun: what was gone by then is not told.
    pub start: i64,
}

/// What became of one thing.
#[derive(Clone, Debug)]
pub struct Change {
    /// The commit's number.
    pub number: i64,
    /// Its district.
    pub district: DistrictId,
    /// `users`, `classes`, `enrollments` or `seats`.
    pub kind: String,
    /// The record's id as text, or `product/user`.
    pub id: String,
    /// As it is after that commit; none: gone.
    pub now: Option<Told>,
}

/// A thing that is there.
#[derive(Clone, Debug)]
pub enum Told {
    /// A user, class or enrollment.
    Record(Box<Record>),
    /// A seat.
    Seat(Box<Seat>),
}

/// One page of changes.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Of which history.
    pub epoch: String,
    /// In order of commits; those of one commit by kind and id.
    pub items: Vec<Change>,
    /// Where the next page begins.
    pub place: Place,
    /// Whether there was more when this was read.
    pub more: bool,
}

/// Why a place cannot be gone on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// This store's history is another one: it was put back to an earlier state.
    Restored,
    /// What was removed since is forgotten.
    TooOld,
}

/// Commits looked at for one page.
const COMMITS_A_PAGE: i64 = 500;

impl Store {
    /// Names the history of this store; another one after a restore was noticed.
    pub async fn epoch(&self) -> Result<String, StoreError> {
        let read = async || -> Result<Option<(String,)>, StoreError> {
            self.db.read().await?.query(EPOCH).fetch_optional().await
        };
        if let Some((epoch,)) = read().await? {
            return Ok(epoch);
        }
        // drawn here and nowhere else: a name, not a decision
        let fresh: [u8; 8] = rand::random();
        let mut tx = self.db.write().await?;
        tx.query(NEW_EPOCH).bind(hex::encode(fresh)).execute().await?;
        tx.commit().await?;
        let found = read().await?;
        found.map(|(epoch,)| epoch).ok_or(StoreError::CorruptRow { table: "meta", field: "epoch" })
    }

    /// Ends an epoch, if it is still the one.
    pub async fn end_epoch(&self, epoch: &str) -> Result<String, StoreError> {
        let fresh: [u8; 8] = rand::random();
        let mut tx = self.db.write().await?;
        tx.query(NEXT_EPOCH).bind(hex::encode(fresh)).bind(epoch).execute().await?;
        tx.commit().await?;
        self.epoch().await
    }

    /// The number of the last commit.
    pub async fn last_commit(&self) -> Result<i64, StoreError> {
        head(&mut self.db.read().await?, "commit").await
    }

    /// Changes after a place, of the given districts or of all, at most so many; without a place the full state from its
    /// beginning. Read at one instant: each thing is as its commit left it.
    pub async fn changes(
        &self,
        after: Option<Place>,
        districts: Option<&[DistrictId]>,
        limit: usize,
    ) -> Result<Result<Changes, Lost>, StoreError> {
        let epoch = self.epoch().await?;
        let mut tx = self.db.read().await?;
        let tx = &mut tx;
        let last = head(tx, "commit").await?;
        let mut place = after.unwrap_or_else(|| Place { start: last, ..Place::default() });
        if let Some(lost) = lost(tx, &place, last).await? {
            return Ok(Err(lost));
        }
        let first = if place.within.is_some() { place.number } else { place.number + 1 };
        type Commit = (i64, String, i64, String, bool);
        let commits: Vec<Commit> = tx.query(COMMITS).bind(first).bind(COMMITS_A_PAGE).fetch_all().await?;
        let mut items = Vec::new();
        for (number, district, revision, mark, is_first) in commits {
            let district = DistrictId::from(district);
            let mut within = place.within.take().filter(|_| number == place.number);
            (place.number, place.mark) = (number, mark);
            if districts.is_some_and(|only| !only.contains(&district)) {
                continue;
            }
            // One more than there is room for says whether the commit has more.
            let room = limit.saturating_sub(items.len()) + 1;
            let (kind, id) = within.clone().unwrap_or_default();
            let mut rows = keys_of(tx, &district, (revision, is_first), (&kind, &id), room).await?;
            let full = rows.len() >= room;
            if full {
                rows.truncate(room - 1);
                within = rows.last().map(|(kind, id, _)| (kind.clone(), id.clone())).or(within);
                // A commit of which nothing fits is begun on the next page.
                place.within = Some(within.unwrap_or_default());
            }
            let told = told(tx, &district, rows).await?;
            let gone_before = number <= place.start;
            let news = told.into_iter().filter(|(_, _, now)| now.is_some() || !gone_before);
            items.extend(news.map(|(kind, id, now)| Change { number, district: district.clone(), kind, id, now }));
            if full {
                break;
            }
        }
        let more = place.within.is_some() || place.number < last;
        Ok(Ok(Changes { epoch, items, place, more }))
    }
}

type Row = (String, String, Option<String>);

/// What a commit of a district changed last, after a kind and id, at most `room` of it, by kind and id, with what is there. The
/// first load's says so.
async fn keys_of(
    tx: &mut Tx,
    district: &DistrictId,
    (revision, is_first): (i64, bool),
    (kind, id): (&str, &str),
    room: usize,
) -> Result<Vec<Row>, StoreError> {
    let limit = i64::try_from(room).unwrap_or(i64::MAX);
    let query = tx.query(KEYS_OF).bind(district.as_str()).bind(revision).bind(kind).bind(id).bind(limit);
    let mut rows: Vec<Row> = query.fetch_all().await?;
    if is_first {
        let query = tx.query(FIRST_KEYS).bind(district.as_str()).bind(kind).bind(id).bind(limit);
        rows.extend(query.fetch_all::<Row>().await?);
        rows.sort_unstable();
        rows.truncate(room);
    }
    Ok(rows)
}

async fn head(tx: &mut Tx, name: &str) -> Result<i64, StoreError> {
    let (number,): (i64,) = tx.query(HEAD).bind(name).fetch_one().await?;
    Ok(number)
}

/// Whether a place is not one of this store's history.
async fn lost(tx: &mut Tx, place: &Place, last: i64) -> Result<Option<Lost>, StoreError> {
    if place.number > 0 {
        let row: Option<(String, String)> = tx.query(COMMIT).bind(place.number).fetch_optional().await?;
        if row.is_none_or(|(_, mark)| mark != place.mark) {
            return Ok(Some(Lost::Restored));
        }
    }
    if place.start > last {
        return Ok(Some(Lost::Restored));
    }
    let floor = head(tx, "floor").await?;
    Ok((place.start < floor && place.number < floor).then_some(Lost::TooOld))
}

type Keyed = (String, String, Option<Told>);

/// Each key with what is there.
async fn told(tx: &mut Tx, district: &DistrictId, rows: Vec<Row>) -> Result<Vec<Keyed>, StoreError> {
    let keys = rows.iter().filter(|(kind, ..)| kind == SEATS).filter_map(|(_, id, _)| id.split_once('/'));
    let keys: Vec<SeatKey> = keys.map(|(product, user)| (product.into(), user.into())).collect();
    let seats = seats::read_some(tx, district, &keys).await?;
    let mut found: BTreeMap<String, Seat> =
        seats.into_iter().map(|it| (format!("{}/{}", it.product, it.user), it)).collect();
    let told = rows.into_iter().map(|(kind, id, body)| {
        let now = match (kind == SEATS, body) {
            (true, _) => found.remove(&id).map(|it| Told::Seat(Box::new(it))),
            (false, Some(body)) => {
                let record = Record::from_body(KEY.kind(&kind)?, &body).map_err(|_| KEY.corrupt("body"))?;
                Some(Told::Record(Box::new(record)))
            }
            (false, None) => None,
        };
        Ok((kind, id, now))
    });
    told.collect()
}
