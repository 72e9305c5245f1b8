//! A district as far as it is about one user: what an explanation looks at, read by its keys and without everybody else.

use std::collections::{BTreeMap, BTreeSet};

use crate::allocate::{SeatKey, by_educators, with_other_accounts};
use crate::model::{
    Baseline, DistrictId, EnrollmentKey, Kind, ProductCode, Roster, Seat, SourceId, Target, User, Waiting,
};
use crate::store::baseline::outline;
use crate::store::catalog::Said;
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, bulk, statements};
use crate::store::records::{KeyRow, put_all};
use crate::store::write::BATCH;
use crate::store::{Store, StoreError, hand, manual, mode, records, runs, seats};

const RECORD: Table = Table("record");
const WAITING: Table = Table("waiting");
const ACTIVITY: Table = Table("activity");

/// With more people than this to be looked at beside the user, reading everybody is no more work.
const OTHERS: usize = 300;

/// Of no revision: a plan made on a part of a district is always stale.
const PART: i64 = i64::MIN;

statements! {
    RECORDS_BY_ID = bulk!(
        "SELECT f.kind, f.body FROM record AS f
         WHERE f.district = $1 AND (f.active OR f.departed) AND f.active = $3 AND (f.kind, f.id) IN (SELECT r.kind, r.id",
        (kind TEXT, id TEXT),
        ")"
    );
    ENROLLMENTS_OF = Sql::portable(
        "SELECT kind, body FROM record WHERE district = $1 AND kind = 'enrollments' AND id >= $2 AND id < $3
             AND (active OR departed) AND active = $4",
    );
    // The expressions are those of the index.
    TEACHERS_OF = Sql::per_backend(
        "SELECT t.kind, t.body FROM json_each($2) AS j
         CROSS JOIN record AS t WHERE t.district = $1 AND t.kind = 'enrollments' AND substr(t.id, -10) = '\"teacher\"]'
             AND json_extract(t.id, '$[1]') = j.value AND (t.active OR t.departed) AND t.active = $3",
        "SELECT t.kind, t.body FROM json_array_elements_text(CAST($2 AS JSON)) AS c(id)
         JOIN record AS t ON t.district = $1 AND t.kind = 'enrollments' AND right(t.id, 10) = '\"teacher\"]'
             AND CAST(t.id AS JSON) ->> 1 = c.id
         WHERE (t.active OR t.departed) AND t.active = $3",
    );
    // CROSS: what was given is looked up, and not the table walked beside it.
    PLACES_BY_KEY = bulk!(
        "SELECT w.product, w.user_id, w.since, w.position, w.short_of",
        (product TEXT, user_id TEXT),
        "CROSS JOIN waiting AS w WHERE w.district = $1 AND w.product = r.product AND w.user_id = r.user_id"
    );
    NEXT_PRODUCT = Sql::portable("SELECT MIN(product) AS product FROM seat WHERE district = $1 AND product > $2");
    // One row of one text, as of all places.
    PLACES_BEFORE = Sql::per_backend(
        "SELECT json_group_array(json_array(product, user_id, since, position, short_of)) AS places
         FROM waiting WHERE district = $1 AND product = $2 AND position < $3",
        "SELECT COALESCE(CAST(json_agg(json_build_array(product, user_id, since, position, short_of)) AS TEXT), '[]') AS places
         FROM waiting WHERE district = $1 AND product = $2 AND position < $3",
    );
    // CROSS: most who wait never had a seat.
    ENDED_BEFORE = Sql::portable(
        "SELECT e.product, e.user_id, e.ended_at, e.reason FROM seat_ended AS e CROSS JOIN waiting AS w
         WHERE e.district = $1 AND e.product = $2
             AND w.district = e.district AND w.product = e.product AND w.user_id = e.user_id AND w.position < $3",
    );
    ENDED_BY_KEY = bulk!(
        "SELECT e.product, e.user_id, e.ended_at, e.reason",
        (product TEXT, user_id TEXT),
        "CROSS JOIN seat_ended AS e WHERE e.district = $1 AND e.product = r.product AND e.user_id = r.user_id"
    );
    OPENED_BY_KEY = bulk!(
        "SELECT a.product, a.user_id, a.first_used",
        (product TEXT, user_id TEXT),
        "CROSS JOIN activity AS a WHERE a.district = $1 AND a.product = r.product AND a.user_id = r.user_id"
    );
}

impl Store {
    /// The district as far as an explanation of one user looks at it: of the roster this person, their classes, who teaches these,
    /// and who waits in front of them where more counts than since when; of seats and places theirs. No plan can be applied on
    /// it. None where that is so many people that everybody had better be read. [`StoreError::NoDistrict`] for an unknown one.
    ///
    /// Of those in front `deepest` are read at most: of a user who stands further behind nobody who is ahead.
    pub async fn about(
        &self,
        district: &DistrictId,
        user: &SourceId,
        deepest: Option<u32>,
    ) -> Result<Option<Baseline>, StoreError> {
        let mut tx = self.db.read().await?;
        let tx = &mut tx;
        let outline = Box::pin(outline(tx, district, Said::Stored)).await?;
        let persons = hand::read_persons(tx, district).await?;
        let overrides = manual::read_overrides(tx, district).await?;
        let assignments = hand::read_assignments(tx, district).await?;
        let mut people = BTreeSet::from([user.clone()]);
        with_other_accounts(&mut people, &persons);
        let products: Vec<&ProductCode> = outline.catalog.products.keys().collect();
        let (waiting, mut ended) = line(tx, district, (user, deepest), &keys(&products, &people)).await?;
        let of_classes = || {
            assignments.keys().filter_map(|(product, target)| match target {
                Target::Class(class) => Some((product, class)),
                Target::User(_) => None,
            })
        };
        let by_class: BTreeSet<&ProductCode> = of_classes().map(|(product, _)| product).collect();
        // Of the others in line those of whom more counts than since when they wait.
        let counts = |key: &&SeatKey| {
            let (product, user) = key;
            by_class.contains(product)
                || outline.catalog.products.get(product).is_some_and(|it| !it.order.is_empty())
                || overrides.contains_key(*key)
                || assignments.contains_key(&(product.clone(), Target::User(user.clone())))
        };
        people.extend(waiting.keys().filter(counts).map(|(_, user)| user.clone()));
        if people.len() > OTHERS {
            return Ok(None);
        }
        let of_classes = of_classes().map(|(_, class)| class.clone());
        let mut roster = around(tx, district, &people, of_classes.collect(), Presence::Here).await?;
        let keys_of_all = keys(&products, &people);
        let seats = seats::read_some(tx, district, &keys_of_all).await?;
        let mut leaving = leaving(&seats);
        let mut departed = around(tx, district, &leaving, Vec::new(), Presence::Absent).await?;
        if outline.catalog.products.values().any(by_educators) {
            let classes = roster.enrollments.values().chain(departed.enrollments.values());
            let classes: BTreeSet<SourceId> = classes.map(|it| it.class.clone()).collect();
            teachers(tx, district, &classes, Presence::Here, &mut roster).await?;
            let mut absent = Roster::default();
            teachers(tx, district, &classes, Presence::Absent, &mut absent).await?;
            let absent: BTreeSet<SourceId> = absent.enrollments.into_iter().map(|it| it.user).collect();
            put(tx, district, Kind::Users, absent.iter(), Presence::Here, &mut roster).await?;
            let theirs = seats::read_some(tx, district, &keys(&products, &absent)).await?;
            leaving.extend(self::leaving(&theirs));
            departed = around(tx, district, &leaving, Vec::new(), Presence::Absent).await?;
        }
        roster.schools = records::read_kind(tx, district).await?;
        roster.sessions.clone_from(&outline.roster.sessions);
        ended.extend(seats::by_key(tx, ENDED_BY_KEY, district, &keys_of_all).await?);
        let opened = seats::by_key(tx, OPENED_BY_KEY, district, &keys_of_all).await?;
        let opened = opened.into_iter().map(|(product, user, first): (String, String, i64)| {
            Ok(((product.into(), user.into()), ACTIVITY.instant("first_used", first)?))
        });
        let kept_back = mode::read_kept(tx, district, &roster).await?;
        let mut it = Baseline {
            roster,
            departed,
            seats: by_key(seats),
            waiting,
            ended: ended.into_iter().map(seats::ended).collect::<Result<_, _>>()?,
            overrides,
            educator_access: manual::read_access(tx, district).await?,
            assignments,
            opened: opened.collect::<Result<_, StoreError>>()?,
            persons,
            review: runs::read_review(tx, district).await?,
            kept_back,
            ..outline
        };
        it.state.revision = PART;
        Ok(Some(it))
    }
}

impl Store {
    /// The active users of these ids, by id.
    pub async fn users(
        &self,
        district: &DistrictId,
        ids: impl Iterator<Item = &SourceId>,
    ) -> Result<Vec<User>, StoreError> {
        let mut roster = Roster::default();
        put(&mut self.db.read().await?, district, Kind::Users, ids, Presence::Here, &mut roster).await?;
        Ok(roster.users.into_values().collect())
    }

    /// The seats of some users.
    pub async fn seats_of(
        &self,
        district: &DistrictId,
        users: &BTreeSet<SourceId>,
    ) -> Result<BTreeMap<SeatKey, Seat>, StoreError> {
        let mut tx = self.db.read().await?;
        // From one product to the next, past all who have a seat of it.
        let mut products: Vec<ProductCode> = Vec::new();
        loop {
            let last = products.last().map(ProductCode::as_str).unwrap_or_default();
            let next = tx.query(NEXT_PRODUCT).bind(district.as_str()).bind(last).fetch_one().await?;
            let (Some(product),): (Option<String>,) = next else { break };
            products.push(product.into());
        }
        let keys = keys(&products.iter().collect::<Vec<_>>(), users);
        Ok(by_key(seats::read_some(&mut tx, district, &keys).await?))
    }
}

/// Whether records are looked for that are there, or that left by mere absence.
#[derive(Clone, Copy, Debug)]
enum Presence {
    Here,
    Absent,
}

impl Presence {
    fn active(self) -> bool {
        matches!(self, Self::Here)
    }
}

/// The places of these keys, and those in front of the user's own with the seats that those had before.
async fn line(
    tx: &mut Tx,
    district: &DistrictId,
    (user, deepest): (&SourceId, Option<u32>),
    keys: &[SeatKey],
) -> Result<(BTreeMap<SeatKey, Waiting>, Vec<seats::EndedColumns>), StoreError> {
    let (mut all, mut ended) = (Vec::new(), Vec::new());
    for columns in seats::by_key(tx, PLACES_BY_KEY, district, keys).await? {
        let own = seats::waiting(columns)?;
        if own.user == *user && deepest.is_none_or(|deepest| own.position <= deepest) {
            let query = tx.query(PLACES_BEFORE).bind(district.as_str()).bind(own.product.as_str());
            let (before,): (String,) = query.bind(i64::from(own.position)).fetch_one().await?;
            let before: Vec<seats::WaitingColumns> = WAITING.json("row", &before)?;
            let query = tx.query(ENDED_BEFORE).bind(district.as_str()).bind(own.product.as_str());
            ended.extend(query.bind(i64::from(own.position)).fetch_all().await?);
            for columns in before {
                all.push(seats::waiting(columns)?);
            }
        }
        all.push(own);
    }
    Ok((all.into_iter().map(|it| ((it.product.clone(), it.user.clone()), it)).collect(), ended))
}

/// Users of these seats with one that is leaving: what they left by mere absence still counts.
fn leaving(seats: &[Seat]) -> BTreeSet<SourceId> {
    seats.iter().filter(|it| it.leaving.is_some()).map(|it| it.user.clone()).collect()
}

fn by_key(seats: Vec<Seat>) -> BTreeMap<SeatKey, Seat> {
    seats.into_iter().map(|it| ((it.product.clone(), it.user.clone()), it)).collect()
}

fn keys(products: &[&ProductCode], people: &BTreeSet<SourceId>) -> Vec<SeatKey> {
    products.iter().flat_map(|product| people.iter().map(|user| ((*product).clone(), user.clone()))).collect()
}

/// `people` with their enrollments, the classes of these and `classes`, and the courses of all.
async fn around(
    tx: &mut Tx,
    district: &DistrictId,
    people: &BTreeSet<SourceId>,
    mut classes: Vec<SourceId>,
    presence: Presence,
) -> Result<Roster, StoreError> {
    let mut roster = Roster::default();
    put(tx, district, Kind::Users, people.iter(), presence, &mut roster).await?;
    for user in people {
        let first = EnrollmentKey::text_of(user);
        // A hyphen is what comes after a comma.
        let after = format!("{}-", first.strip_suffix(',').unwrap_or_default());
        let query = tx.query(ENROLLMENTS_OF).bind(district.as_str()).bind(first).bind(after);
        put_all(query.bind(presence.active()).fetch_all().await?, &mut roster)?;
    }
    classes.extend(roster.enrollments.values().map(|it| it.class.clone()));
    let classes: BTreeSet<SourceId> = classes.into_iter().collect();
    put(tx, district, Kind::Classes, classes.iter(), presence, &mut roster).await?;
    // A course that is gone takes nothing with it.
    if presence.active() {
        let courses: BTreeSet<SourceId> = roster.classes.values().filter_map(|it| it.course.clone()).collect();
        put(tx, district, Kind::Courses, courses.iter(), presence, &mut roster).await?;
    }
    Ok(roster)
}

/// Who teaches these classes, each with that enrollment.
async fn teachers(
    tx: &mut Tx,
    district: &DistrictId,
    classes: &BTreeSet<SourceId>,
    presence: Presence,
    roster: &mut Roster,
) -> Result<(), StoreError> {
    let query = tx.query(TEACHERS_OF).bind(district.as_str()).bind(RECORD.to_json(classes)?).bind(presence.active());
    let mut taught = Roster::default();
    put_all(query.fetch_all().await?, &mut taught)?;
    let users: BTreeSet<SourceId> = taught.enrollments.values().map(|it| it.user.clone()).collect();
    roster.enrollments.extend(taught.enrollments);
    put(tx, district, Kind::Users, users.iter(), presence, roster).await
}

/// Puts in the records of these ids, as far as there are any.
async fn put(
    tx: &mut Tx,
    district: &DistrictId,
    kind: Kind,
    ids: impl Iterator<Item = &SourceId>,
    presence: Presence,
    roster: &mut Roster,
) -> Result<(), StoreError> {
    let rows: Vec<KeyRow<'_>> = ids.map(|id| KeyRow { kind: kind.plural(), id: id.as_str() }).collect();
    for batch in rows.chunks(BATCH) {
        let query = tx.query(RECORDS_BY_ID).bind(district.as_str()).bind(RECORD.to_json(batch)?);
        put_all(query.bind(presence.active()).fetch_all().await?, roster)?;
    }
    Ok(())
}
