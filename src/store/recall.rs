//! What is recalled of a district's roster: marks of the rows that its records came in (`snapshot/known.rs`), and an image of the
//! records ([`super::image`]), so that neither need be read again.
//!
//! Both are written out now and then, as a base; what each night makes of them is put beside it, so that a night which changes a
//! few records of a million writes a few, too. The row in `recall` says how many nights there are, and vouches for all of it:
//! triggers take it away with any write of a record, whoever makes it (`migrations/*/0031_recall.sql`). A run that wrote them
//! itself goes on from the parts it had read by then; anyone else's write ends in a base of its own.

use std::collections::BTreeMap;

use crate::keyed::keyed;
use crate::model::{DistrictId, Edit, Edits, Kind, KnownRows, Marks, NextRows, Roster, RunId, View};
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, statements};
use crate::store::image::Pictured;
use crate::store::{Store, StoreError, bytes, district, image};

const TABLE: Table = Table("recall_part");

/// The part that is the image.
const RECORDS: &str = "records";

/// Bytes from which on an image is not kept: a database's value has its bounds, too.
const MOST: usize = 1 << 29;

/// Bytes of what vouches for an image.
const SEAL: usize = 32;

/// So many nights are read beside a base before it is written anew.
const NIGHTS: i64 = 15;

statements! {
    RECALL = Sql::portable("SELECT seed, stamp, base, nights FROM recall WHERE district = $1");
    // The base first, then night by night.
    PARTS = Sql::portable(
        "SELECT part, value FROM recall_part
         WHERE district = $1 AND base = $2 AND night <= $3 AND part <> 'records' ORDER BY part, night",
    );
    IMAGES = Sql::portable(
        "SELECT value FROM recall_part
         WHERE district = $1 AND base = $2 AND night <= $3 AND part = 'records' ORDER BY night",
    );
    SIZES = Sql::portable(
        "SELECT part, COUNT(*) AS n, CAST(SUM(CASE WHEN night = 0 THEN 0 ELSE LENGTH(value) END) AS BIGINT) AS beside,
             CAST(SUM(CASE WHEN night = 0 THEN LENGTH(value) ELSE 0 END) AS BIGINT) AS size
         FROM recall_part WHERE district = $1 AND base = $2 AND night <= $3 GROUP BY part",
    );
    FORGET_PARTS = Sql::portable("DELETE FROM recall_part WHERE district = $1");
    FORGET_LATER = Sql::portable("DELETE FROM recall_part WHERE district = $1 AND night > $2");
    PUT_PART = Sql::portable(
        "INSERT INTO recall_part (district, part, night, base, value) VALUES ($1, $2, $3, $4, $5)",
    );
    PUT_RECALL = Sql::portable(
        "INSERT INTO recall (district, seed, stamp, base, nights) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (district) DO UPDATE SET seed = excluded.seed, stamp = excluded.stamp, base = excluded.base,
             nights = excluded.nights",
    );
}

/// What vouches for the parts.
struct Recall {
    seed: String,
    stamp: String,
    base: String,
    nights: i64,
}

async fn recall(tx: &mut Tx, district: &DistrictId) -> Result<Option<Recall>, StoreError> {
    let row: Option<(String, String, String, i64)> = tx.query(RECALL).bind(district.as_str()).fetch_optional().await?;
    Ok(row.map(|(seed, stamp, base, nights)| Recall { seed, stamp, base, nights }))
}

/// What was recalled for a run, and what comes of it.
#[derive(Clone, Debug, Default)]
pub struct Recalled<'a> {
    /// What was known of the rows of the state that it found; none if nothing was.
    pub known: Option<&'a KnownRows>,
    /// Whether the records of that state were read from their image.
    pub pictured: bool,
    /// The marks, if they are others now.
    pub next: Option<NextRows>,
}

/// One part of one night.
struct Part {
    name: &'static str,
    value: Vec<u8>,
}

impl Store {
    /// The marks of a district's active records, if there are any that something vouches for.
    pub async fn known_rows(&self, district: &DistrictId) -> Result<Option<KnownRows>, StoreError> {
        let mut tx = self.db.read().await?;
        let Some(Recall { seed, stamp, base, nights }) = recall(&mut tx, district).await? else { return Ok(None) };
        let query = tx.query(PARTS).bind(district.as_str()).bind(base.as_str()).bind(nights);
        let mut parts = query.fetch_all::<(String, Vec<u8>)>().await?.into_iter().peekable();
        let mut known = KnownRows { seed, stamp, base: (base, nights), ..KnownRows::default() };
        while let Some((part, marks)) = parts.next() {
            let beside = std::iter::from_fn(|| parts.next_if(|(other, _)| *other == part));
            let beside: Option<Vec<Edits>> = beside.map(|(_, night)| edits(&night)).collect();
            let marks = beside.filter(|it| i64::try_from(it.len()) == Ok(nights)).zip(Marks::from_bytes(marks));
            let marks = marks.and_then(|(nights, marks)| marks.after(&nights));
            let Some((kind, marks)) = Kind::from_plural(&part).zip(marks) else {
                tracing::warn!(district.id = %district, part, "what is recalled of the rows of {district} is damaged, or of another release; all rows are read");
                return Ok(None);
            };
            known.marks.insert(kind, marks);
        }
        Ok(Some(known))
    }

    /// Whether what is recalled is still of the state of this stamp.
    pub async fn knows(&self, district: &DistrictId, stamp: &str) -> Result<bool, StoreError> {
        let recalled = recall(&mut self.db.read().await?, district).await?;
        Ok(recalled.is_some_and(|it| it.stamp == stamp))
    }

    /// Keeps what a run knows of the rows and records that it left, as long as the district is still at the revision that `after`
    /// is of.
    pub async fn know(
        &self,
        district: &DistrictId,
        revision: i64,
        run: &RunId,
        Recalled { known, pictured, next }: Recalled<'_>,
        after: View<'_>,
    ) -> Result<(), StoreError> {
        if next.is_none()
            && pictured
            && let Some(known) = known
            && self.knows(district, &known.stamp).await?
        {
            return Ok(());
        }
        // Without a word of the rows the marks are of those below, if these are what there is.
        let unchanged = known.filter(|it| after.is_plain() || it.marks.is_empty());
        // Beside an image that could not be read nothing is put.
        let mut night = None;
        if let Some(known) = known.filter(|_| pictured)
            && let Some(parts) = self.night(district, known, next.as_ref(), after)?
            && go_together(&mut self.db.read().await?, district, known, &parts).await?
        {
            night = Some((known, parts));
        }
        let (seed, marks) = match (next, unchanged) {
            (Some(next), _) => (next.seed, next.marks),
            (None, Some(known)) => (known.seed.clone(), known.marks.clone()),
            (None, None) => Default::default(),
        };
        #[cfg(debug_assertions)]
        let expected = marks.clone();
        let (goes_on, parts) = match night {
            Some((known, parts)) => (Some(known), parts),
            None => (None, self.base(district, run, marks, after)?),
        };
        // Nobody else writes meanwhile, so what is written is made by now.
        let mut tx = self.db.write().await?;
        if district::lock(&mut tx, district).await?.revision != revision {
            return Ok(());
        }
        let (base, number) = match goes_on {
            None => {
                tx.query(FORGET_PARTS).bind(district.as_str()).execute().await?;
                (run.as_str(), 0)
            }
            Some(known) if go_together(&mut tx, district, known, &parts).await? => {
                let (base, nights) = &known.base;
                tx.query(FORGET_LATER).bind(district.as_str()).bind(*nights).execute().await?;
                (base.as_str(), nights + 1)
            }
            // Someone else's came in between, of the same revision.
            Some(_) => return Ok(()),
        };
        for Part { name, value } in parts {
            let query = tx.query(PUT_PART).bind(district.as_str()).bind(name).bind(number).bind(base);
            query.bind(value).execute_exactly(1).await?;
        }
        let query = tx.query(PUT_RECALL).bind(district.as_str()).bind(seed).bind(run.as_str()).bind(base);
        query.bind(number).execute_exactly(1).await?;
        tx.commit().await?;
        #[cfg(debug_assertions)]
        self.assert_known(district, run, &expected).await?;
        Ok(())
    }

    /// What comes of a base and its nights is what the run knew: every test looks.
    #[cfg(debug_assertions)]
    async fn assert_known(
        &self,
        district: &DistrictId,
        run: &RunId,
        marks: &BTreeMap<Kind, Marks>,
    ) -> Result<(), StoreError> {
        let found = self.known_rows(district).await?.filter(|it| it.stamp == run.as_str());
        assert!(found.is_none_or(|it| *marks == it.marks), "marks of a night are those that it left");
        Ok(())
    }

    /// Everything, written out.
    fn base(
        &self,
        district: &DistrictId,
        run: &RunId,
        marks: BTreeMap<Kind, Marks>,
        after: View<'_>,
    ) -> Result<Vec<Part>, StoreError> {
        let marks = marks.into_iter().map(|(kind, marks)| Part { name: kind.plural(), value: marks.into_bytes() });
        let image = self.sealed((district, run.as_str(), 0), |to| image::write(to, after))?;
        Ok(marks.chain(image).collect())
    }

    /// What a night is to put beside the base that there is; none where a base is due.
    fn night(
        &self,
        district: &DistrictId,
        known: &KnownRows,
        next: Option<&NextRows>,
        after: View<'_>,
    ) -> Result<Option<Vec<Part>>, StoreError> {
        let (base, nights) = &known.base;
        if *nights >= NIGHTS || !after.has_its_frame() {
            return Ok(None);
        }
        let mut parts = Vec::new();
        match next {
            None if !after.is_plain() && !known.marks.is_empty() => return Ok(None),
            None => parts.extend(known.marks.keys().map(|kind| Part { name: kind.plural(), value: Vec::new() })),
            Some(NextRows { edits: Some(edits), .. }) => {
                parts.extend(edits.iter().map(|(kind, it)| Part { name: kind.plural(), value: written(it) }));
            }
            Some(NextRows { edits: None, .. }) => return Ok(None),
        }
        let frame = Roster {
            schools: after.schools().values().map(|it| (it.id.clone(), it.clone())).collect(),
            sessions: after.sessions().values().map(|it| (it.id.clone(), it.clone())).collect(),
            courses: after.courses().values().map(|it| (it.id.clone(), it.clone())).collect(),
            ..Roster::default()
        };
        let write = |to: &mut Vec<u8>| image::write_night(to, after, &frame);
        parts.extend(self.sealed((district, base, nights + 1), write)?);
        Ok(Some(parts))
    }

    /// What `write` writes, behind its seal; none of one that is too large.
    fn sealed(
        &self,
        of: (&DistrictId, &str, i64),
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), serde_json::Error>,
    ) -> Result<Option<Part>, StoreError> {
        let mut value = vec![0; SEAL];
        write(&mut value).map_err(|_| StoreError::Unwritable { table: TABLE.0 })?;
        if let Some((seal, image)) = value.split_first_chunk_mut::<SEAL>() {
            *seal = self.seal(of, image);
        }
        Ok((value.len() < MOST).then_some(Part { name: RECORDS, value }))
    }

    fn seal(&self, (district, base, night): (&DistrictId, &str, i64), image: &[u8]) -> [u8; SEAL] {
        let place = format!("image/3/{district}/{base}/{night}/");
        keyed(self.pseudonym_key(), &[place.as_bytes(), image])
    }

    /// What the image shows, read beside the other records; none where there is no image of them, or none that this program
    /// wrote.
    pub(super) async fn pictured(
        &self,
        tx: &mut Tx,
        district: &DistrictId,
        roster: &Roster,
    ) -> Result<Option<Pictured>, StoreError> {
        let Some(Recall { base, nights, .. }) = recall(tx, district).await? else { return Ok(None) };
        let query = tx.query(IMAGES).bind(district.as_str()).bind(base.as_str()).bind(nights);
        let images: Vec<(Vec<u8>,)> = query.fetch_all().await?;
        if images.is_empty() {
            return Ok(None);
        }
        let whole = i64::try_from(images.len()) == Ok(nights + 1);
        let mut images = (0..).zip(&images).map(|(night, (sealed,))| {
            let (seal, image) = sealed.split_first_chunk::<SEAL>()?;
            (self.seal((district, &base, night), image) == *seal).then_some(image)
        });
        let first = images.next().flatten().filter(|_| whole).and_then(|image| image::read(image, roster));
        let beside: Option<Vec<_>> = images.map(|it| image::read_night(it?, roster)).collect();
        let read = first.zip(beside).map(|(first, nights)| first.after(nights));
        if read.is_none() {
            tracing::warn!(district.id = %district, "the image of the records of {district} is damaged, or of another key or release; the records are read");
        }
        Ok(read)
    }
}

/// Whether a night's parts go on from those that are there: the same ones, whole, still of the state that was recalled, and not so
/// much beside their base that writing it anew is less.
async fn go_together(
    tx: &mut Tx,
    district: &DistrictId,
    known: &KnownRows,
    night: &[Part],
) -> Result<bool, StoreError> {
    let (base, nights) = &known.base;
    if recall(tx, district).await?.is_some_and(|it| it.stamp != known.stamp) {
        return Ok(false);
    }
    let query = tx.query(SIZES).bind(district.as_str()).bind(base.as_str()).bind(*nights);
    let sizes: Vec<(String, i64, i64, i64)> = query.fetch_all().await?;
    let whole = |part: &Part| sizes.iter().any(|(name, count, ..)| name == part.name && *count == nights + 1);
    let beside: i64 = sizes.iter().map(|(_, _, beside, _)| beside).sum();
    let size: i64 = sizes.iter().map(|(_, _, _, size)| size).sum();
    let more = night.iter().map(|part| i64::try_from(part.value.len()).unwrap_or(i64::MAX)).sum::<i64>();
    Ok(sizes.len() == night.len() && night.iter().all(whole) && (beside + more) * 2 <= size)
}

/// Edits as the store keeps them: of each step how many stay, how many go, and the marks that come.
fn written(edits: &Edits) -> Vec<u8> {
    let mut value = Vec::new();
    for Edit { stay, go, come } in &edits.0 {
        bytes::put(&mut value, bytes::size(*stay));
        bytes::put(&mut value, bytes::size(*go));
        bytes::put_part(&mut value, come.as_bytes());
    }
    value
}

/// Reads [`written`]; none of what it cannot have written.
fn edits(mut value: &[u8]) -> Option<Edits> {
    let mut edits = Edits::default();
    while !value.is_empty() {
        edits.0.push(Edit {
            stay: usize::try_from(bytes::take(&mut value)?).ok()?,
            go: usize::try_from(bytes::take(&mut value)?).ok()?,
            come: Marks::from_bytes(bytes::take_part(&mut value)?.to_vec())?,
        });
    }
    Some(edits)
}
