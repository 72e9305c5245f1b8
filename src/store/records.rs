//! Roster records: the active row of each, archived when it leaves, and the erasable history of its versions.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::keyed::Keyed;
use crate::model::{
    Baseline, Class, Course, DistrictId, Enrollment, Enrollments, Fingerprint, Kind, Known, Org, Record, Roster,
    RosterRecord, RunId, Session, SourceId, User, Verb,
};
use crate::store::column::{Table, Text};
use crate::store::db::{Sql, Tx, bulk, statements};
use crate::store::image::Pictured;
use crate::store::write::{BATCH, RecordWrite};
use crate::store::{Store, StoreError};

const TABLE: Table = Table("record");

/// Begins a fingerprint that nobody without the installation's key can have made.
const SEALED: &str = "k";

statements! {
    // A page is one row of one text: a row each costs several times what is in it, and a text of megabytes is new memory each
    // time.
    ACTIVE_PAGE = Sql::portable(
        "SELECT MAX(page.id) AS last, '[' || string_agg(page.body, ',') || ']' AS bodies
         FROM (SELECT id, body FROM record WHERE district = $1 AND kind = $2 AND active AND id > $3
               ORDER BY id LIMIT 500) AS page",
    );
    ACTIVE_ONE = Sql::portable("SELECT body FROM record WHERE district = $1 AND kind = $2 AND id = $3 AND active");
    ARCHIVED = Sql::portable("SELECT kind, id FROM record WHERE district = $1 AND NOT active");
    FORMER = bulk!(
        "SELECT f.kind, f.body FROM record AS f WHERE f.district = $1 AND NOT f.active AND (f.kind, f.id) IN
             (SELECT r.kind, r.id",
        (kind TEXT, id TEXT),
        ")"
    );
    // Whether a row is the version that its run wrote is asked of the database: no second body is read.
    FACTS = Sql::portable(
        "SELECT r.kind, r.id, r.body, r.fingerprint, r.active, r.departed, r.changed_run,
             v.id IS NOT NULL AS kept, v.id IS NULL OR COALESCE(v.after, v.before) = r.body AS as_written
         FROM record AS r LEFT JOIN record_version AS v
             ON v.district = r.district AND v.kind = r.kind AND v.id = r.id AND v.run = r.changed_run
         WHERE r.district = $1 AND (r.kind, r.id) > ($2, $3) ORDER BY r.kind, r.id LIMIT 2000",
    );
    DEPARTED = Sql::portable(
        "SELECT kind, body FROM record
         WHERE district = $1 AND departed AND NOT active AND kind IN ('users', 'classes', 'enrollments')",
    );
    RECORD_COUNTS = Sql::portable(
        "SELECT kind, COUNT(*) AS n FROM record WHERE district = $1 AND active GROUP BY kind",
    );
    VERSIONS = Sql::portable(
        "SELECT kind, id, run, verb, before, after FROM record_version WHERE district = $1 AND run = $2
         ORDER BY kind, id",
    );
    PUT_RECORDS = bulk!(
        given_record:
        "INSERT INTO record (district, kind, id, body, fingerprint, active, departed, changed_run)
         SELECT $1, r.kind, r.id, r.body, r.fingerprint, r.active, r.departed, $3",
        (kind TEXT, id TEXT, body TEXT, fingerprint TEXT, active BOOLEAN, departed BOOLEAN),
        "WHERE true ON CONFLICT (district, kind, id) DO UPDATE SET body = excluded.body,
             fingerprint = excluded.fingerprint, active = excluded.active, departed = excluded.departed,
             changed_run = excluded.changed_run"
    );
    PUT_VERSIONS = bulk!(
        given_version:
        "INSERT INTO record_version (district, kind, id, run, verb, before, after)
         SELECT $1, r.kind, r.id, $3, r.verb, r.before, r.after",
        (kind TEXT, id TEXT, verb TEXT, before TEXT, after TEXT),
        "WHERE true"
    );
}

#[derive(Serialize)]
struct RecordRow<'a> {
    kind: &'a str,
    id: &'a str,
    body: &'a str,
    fingerprint: String,
    active: bool,
    departed: bool,
}

#[derive(Serialize)]
pub(super) struct KeyRow<'a> {
    pub(super) kind: &'a str,
    pub(super) id: &'a str,
}

#[derive(Serialize)]
struct VersionRow<'a> {
    kind: &'a str,
    id: &'a str,
    verb: &'a str,
    before: Option<&'a str>,
    after: Option<&'a str>,
}

/// What shows that a body is the one which this installation wrote in that place: the audit has no personal value to compare it
/// with.
fn sealed(key: &Keyed, [district, kind, id, body]: [&str; 4]) -> String {
    let [district, kind, id, body] = [district, kind, id, body].map(str::as_bytes);
    let seal = key.of(&[district, b"\0", kind, b"\0", id, b"\0", body]);
    let mut text = String::from(SEALED);
    text.push_str(&hex::encode(seal));
    text.truncate(SEALED.len() + 32);
    text
}

fn record_row<'a>(write: &'a RecordWrite, key: &Keyed, district: &DistrictId) -> Result<RecordRow<'a>, StoreError> {
    let no_body = StoreError::NoBody { kind: write.kind.plural() };
    let removed = write.verb == Verb::Removed;
    let body = if removed { &write.before } else { &write.after };
    let body = body.as_deref().ok_or(no_body)?;
    Ok(RecordRow {
        kind: write.kind.plural(),
        id: &write.id,
        body,
        fingerprint: sealed(key, [district.as_str(), write.kind.plural(), &write.id, body]),
        active: !removed,
        departed: removed && write.departed,
    })
}

/// How many records make a batch.
pub(super) fn batch(tx: &Tx) -> usize {
    tx.batch(PUT_RECORDS)
}

/// Puts one batch of records.
pub(super) async fn put(
    tx: &mut Tx,
    key: &[u8],
    district: &DistrictId,
    run: &RunId,
    batch: &[RecordWrite],
) -> Result<(), StoreError> {
    let key = Keyed::new(key);
    let row = |it| record_row(it, &key, district);
    let rows: Vec<_> = batch.iter().map(row).collect::<Result<_, _>>()?;
    tx.query(PUT_RECORDS)
        .bind(district.as_str())
        .bind_rows(TABLE, &rows)
        .await?
        .bind(run.as_str())
        .execute_exactly(rows.len())
        .await
}

/// Puts what became of each record of a batch.
pub(super) async fn put_versions(
    tx: &mut Tx,
    district: &DistrictId,
    run: &RunId,
    batch: &[RecordWrite],
) -> Result<(), StoreError> {
    let versions: Vec<_> = batch
        .iter()
        .map(|write| VersionRow {
            kind: write.kind.plural(),
            id: &write.id,
            verb: write.verb.as_str(),
            before: write.before.as_deref(),
            after: write.after.as_deref(),
        })
        .collect();
    tx.query(PUT_VERSIONS)
        .bind(district.as_str())
        .bind_rows(TABLE, &versions)
        .await?
        .bind(run.as_str())
        .execute_exactly(versions.len())
        .await
}

fn roster_of(rows: Vec<(String, String)>) -> Result<Roster, StoreError> {
    let mut roster = Roster::default();
    put_all(rows, &mut roster)?;
    roster.share_ids();
    Ok(roster)
}

/// Puts rows of kind and body into a roster.
pub(super) fn put_all(rows: Vec<(String, String)>, roster: &mut Roster) -> Result<(), StoreError> {
    for (kind, body) in rows {
        let kind = TABLE.kind(&kind)?;
        roster.put(Record::from_body(kind, &body).map_err(|_| TABLE.corrupt("body"))?);
    }
    Ok(())
}

/// Reads what an image would show.
async fn read_pictured(tx: &mut Tx, district: &DistrictId, roster: &mut Roster) -> Result<(), StoreError> {
    roster.classes = read_kind(tx, district).await?;
    roster.users = read_kind(tx, district).await?;
    roster.share_ids();
    roster.enrollments = read_enrollments(tx, district, roster).await?;
    Ok(())
}

async fn read_enrollments(tx: &mut Tx, district: &DistrictId, roster: &Roster) -> Result<Enrollments, StoreError> {
    let known = Known::of(roster);
    let enrollments = read_pages(tx, district, Kind::Enrollments, |bodies| {
        let page: Vec<Enrollment<Text<'_>>> = serde_json::from_str(bodies)?;
        Ok(page.into_iter().map(|it| known.named(it)).collect())
    });
    Ok(enrollments.await?.into_iter().collect())
}

/// Active records of a kind by key.
pub(super) async fn read_kind<T: RosterRecord>(
    tx: &mut Tx,
    district: &DistrictId,
) -> Result<BTreeMap<T::Key, T>, StoreError> {
    let keyed = |bodies: &str| {
        let page: Vec<T> = serde_json::from_str(bodies)?;
        Ok(page.into_iter().map(|it| (it.key(), it)).collect())
    };
    Ok(read_pages(tx, district, T::KIND, keyed).await?.into_iter().collect())
}

/// The same, with `read` making records of a list of bodies.
async fn read_pages<T>(
    tx: &mut Tx,
    district: &DistrictId,
    kind: Kind,
    mut read: impl FnMut(&str) -> Result<Vec<T>, serde_json::Error>,
) -> Result<Vec<T>, StoreError> {
    let mut all: Vec<T> = Vec::new();
    let mut last = String::new();
    loop {
        let query = tx.query(ACTIVE_PAGE).bind(district.as_str()).bind(kind.plural()).bind(last.as_str());
        let page: (Option<String>, Option<String>) = query.fetch_one().await?;
        let (Some(next), Some(bodies)) = page else { return Ok(all) };
        all.extend(read(&bodies).map_err(|_| TABLE.corrupt("body"))?);
        last = next;
    }
}

/// Users, classes and enrollments that left by mere absence, all that there ever were.
pub(super) async fn read_departed(tx: &mut Tx, district: &DistrictId) -> Result<Roster, StoreError> {
    roster_of(tx.query(DEPARTED).bind(district.as_str()).fetch_all().await?)
}

pub(super) async fn read_archived(tx: &mut Tx, district: &DistrictId) -> Result<Vec<(Kind, String)>, StoreError> {
    read_ids(tx, ARCHIVED, district).await
}

/// What the store says of one record, for [`super::compare`].
pub(super) struct Fact {
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) active: bool,
    pub(super) departed: bool,
    pub(super) run: RunId,
    /// Whether the body is the one that was written.
    pub(super) as_written: bool,
}

/// A page of facts after the record of that kind and id, by kind and id; none at the end. Releases before seals, one of which may
/// work beside this one, wrote the mere fingerprint of a body: an edit of both is seen by the version that the run archived, for
/// as long as that is kept. Where a release with seals loaded the district (`sealed_first`), one without either proves an edit.
pub(super) async fn facts(
    tx: &mut Tx,
    (key, sealed_first): (&[u8], bool),
    district: &DistrictId,
    after: (&str, &str),
) -> Result<Vec<Fact>, StoreError> {
    type Columns = (String, String, String, String, bool, bool, String, bool, bool);
    let page: Vec<Columns> = tx.query(FACTS).bind(district.as_str()).bind(after.0).bind(after.1).fetch_all().await?;
    let key = Keyed::new(key);
    let fact = |(kind, id, body, fingerprint, active, departed, run, kept, as_written): Columns| {
        let made = if (sealed_first && !kept) || fingerprint.starts_with(SEALED) {
            sealed(&key, [district.as_str(), &kind, &id, &body])
        } else {
            Fingerprint::of(&body).0
        };
        let as_written = as_written && made == fingerprint;
        Ok(Fact { kind: TABLE.kind(&kind)?, id, active, departed, run: run.into(), as_written })
    };
    page.into_iter().map(fact).collect()
}

async fn read_ids(tx: &mut Tx, sql: Sql, district: &DistrictId) -> Result<Vec<(Kind, String)>, StoreError> {
    let rows: Vec<(String, String)> = tx.query(sql).bind(district.as_str()).fetch_all().await?;
    rows.into_iter().map(|(kind, id)| Ok((TABLE.kind(&kind)?, id))).collect()
}

impl Store {
    /// The active records, and whether they were read from an image.
    pub(super) async fn read_active(&self, tx: &mut Tx, district: &DistrictId) -> Result<(Roster, bool), StoreError> {
        let mut roster = Roster {
            schools: read_kind(tx, district).await?,
            sessions: read_kind(tx, district).await?,
            courses: read_kind(tx, district).await?,
            ..Roster::default()
        };
        let Some(pictured) = self.pictured(tx, district, &roster).await? else {
            read_pictured(tx, district, &mut roster).await?;
            return Ok((roster, false));
        };
        // A copy that is not true would be a wrong plan: every test looks.
        #[cfg(debug_assertions)]
        {
            let mut read = roster.clone();
            read_pictured(tx, district, &mut read).await?;
            let read = Pictured { users: read.users, classes: read.classes, enrollments: read.enrollments };
            assert!(pictured == read, "an image is what the records are");
        }
        let Pictured { users, classes, enrollments } = pictured;
        Ok((Roster { classes, users, enrollments, ..roster }, true))
    }

    /// Reads into `baseline` what its district knew of its archived users and classes that come `back` (P19).
    pub async fn know_former(
        &self,
        baseline: &mut Baseline,
        back: impl Fn(Kind, &str) -> bool,
    ) -> Result<(), StoreError> {
        // Far fewer are archived than a snapshot tells of.
        let archived = baseline.archived.iter().filter(|(kind, _)| matches!(kind, Kind::Users | Kind::Classes));
        let back: Vec<&(Kind, String)> = archived.filter(|(kind, id)| back(*kind, id)).collect();
        if back.is_empty() {
            return Ok(());
        }
        let mut tx = self.db.read().await?;
        let mut found = Vec::new();
        for batch in back.chunks(BATCH) {
            let rows: Vec<KeyRow<'_>> = batch.iter().map(|(kind, id)| KeyRow { kind: kind.plural(), id }).collect();
            let query = tx.query(FORMER).bind(baseline.state.id.as_str()).bind(TABLE.to_json(&rows)?);
            found.extend(query.fetch_all().await?);
        }
        baseline.former = roster_of(found)?;
        Ok(())
    }

    /// Number of active records of each kind.
    pub async fn counts(&self, district: &DistrictId) -> Result<BTreeMap<Kind, u64>, StoreError> {
        let mut tx = self.db.read().await?;
        let rows: Vec<(String, i64)> = tx.query(RECORD_COUNTS).bind(district.as_str()).fetch_all().await?;
        let mut counts: BTreeMap<Kind, u64> = Kind::ALL.into_iter().map(|kind| (kind, 0)).collect();
        for (kind, n) in rows {
            let n = u64::try_from(n).map_err(|_| TABLE.corrupt("count"))?;
            counts.insert(TABLE.kind(&kind)?, n);
        }
        Ok(counts)
    }

    /// An active user; none where the roster has none of this id.
    pub async fn user(&self, district: &DistrictId, id: &SourceId) -> Result<Option<User>, StoreError> {
        let mut tx = self.db.read().await?;
        let query = tx.query(ACTIVE_ONE).bind(district.as_str()).bind(Kind::Users.plural()).bind(id.as_str());
        let row: Option<(String,)> = query.fetch_optional().await?;
        row.map(|(body,)| TABLE.json("body", &body)).transpose()
    }

    /// Hands over each active user, by id.
    pub async fn each_user(&self, district: &DistrictId, mut to: impl FnMut(User)) -> Result<(), StoreError> {
        let tx = &mut self.db.read().await?;
        let read = |bodies: &str| {
            serde_json::from_str::<Vec<User>>(bodies)?.into_iter().for_each(&mut to);
            Ok(Vec::new())
        };
        read_pages::<()>(tx, district, Kind::Users, read).await.map(drop)
    }

    /// Active records of a kind, sorted by key.
    pub async fn roster(&self, district: &DistrictId, kind: Kind) -> Result<Vec<Record>, StoreError> {
        async fn all<T: RosterRecord>(tx: &mut Tx, district: &DistrictId) -> Result<Vec<Record>, StoreError> {
            Ok(read_kind::<T>(tx, district).await?.into_values().map(T::into_record).collect())
        }
        let tx = &mut self.db.read().await?;
        match kind {
            Kind::Schools => all::<Org>(tx, district).await,
            Kind::Sessions => all::<Session>(tx, district).await,
            Kind::Courses => all::<Course>(tx, district).await,
            Kind::Classes => all::<Class>(tx, district).await,
            Kind::Users => all::<User>(tx, district).await,
            Kind::Enrollments => all::<Enrollment>(tx, district).await,
        }
    }

    /// What a run did to records, with the bodies before and after, by kind and id.
    pub async fn versions(&self, district: &DistrictId, run: &RunId) -> Result<Vec<RecordWrite>, StoreError> {
        const TABLE: Table = Table("record_version");
        type VersionColumns = (String, String, String, String, Option<String>, Option<String>);
        let mut tx = self.db.read().await?;
        let query = tx.query(VERSIONS).bind(district.as_str()).bind(run.as_str());
        let rows: Vec<VersionColumns> = query.fetch_all().await?;
        let read = |(kind, id, _run, verb, before, after): VersionColumns| {
            Ok(RecordWrite {
                kind: TABLE.kind(&kind)?,
                id,
                verb: Verb::parse(&verb).ok_or_else(|| TABLE.corrupt("verb"))?,
                before,
                after,
                departed: false,
            })
        };
        rows.into_iter().map(read).collect()
    }
}
