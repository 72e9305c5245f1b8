//! Marks of rows that did not change (`snapshot/known.rs`), and the image of the records beside them ([`super::image`]).
//! They are good as long as no record of the district is written: triggers take them away with any write, whoever makes it
//! (`migrations/*/0021_known.sql`).

use crate::keyed::keyed;
use crate::model::{DistrictId, Kind, KnownRows, Roster, RunId, View};
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, statements};
use crate::store::image::Pictured;
use crate::store::{Store, StoreError, district, image};

const TABLE: Table = Table("known_row");
const IMAGE: Table = Table("roster_image");

/// Bytes from which on an image is not kept: a database's value has its bounds, too.
const MOST: usize = 1 << 29;

/// Bytes of what vouches for an image.
const SEAL: usize = 32;

statements! {
    KNOWN = Sql::portable("SELECT kind, seed, stamp, marks FROM known_row WHERE district = $1 ORDER BY kind");
    STAMP = Sql::portable("SELECT MIN(stamp) AS first, MAX(stamp) AS last FROM known_row WHERE district = $1");
    FORGET = Sql::portable("DELETE FROM known_row WHERE district = $1");
    PUT = Sql::portable("INSERT INTO known_row (district, kind, seed, stamp, marks) VALUES ($1, $2, $3, $4, $5)");
    IMAGE_OF = Sql::portable(
        "SELECT i.stamp, i.image FROM roster_image AS i, known_row AS k
         WHERE i.district = $1 AND i.kind = $2 AND k.district = i.district AND k.kind = i.kind AND k.stamp = i.stamp",
    );
    IMAGE_STANDS = Sql::portable(
        "SELECT k.stamp, COALESCE(i.stamp, '') = k.stamp AS stands
         FROM known_row AS k LEFT JOIN roster_image AS i ON i.district = k.district AND i.kind = k.kind
         WHERE k.district = $1 AND k.kind = $2",
    );
    DROP_IMAGE = Sql::portable("DELETE FROM roster_image WHERE district = $1 AND kind = $2");
    PUT_IMAGE = Sql::portable("INSERT INTO roster_image (district, kind, stamp, image) VALUES ($1, $2, $3, $4)");
}

impl Store {
    /// The marks of a district's active records, if there are any.
    pub async fn known_rows(&self, district: &DistrictId) -> Result<Option<KnownRows>, StoreError> {
        let mut tx = self.db.read().await?;
        let rows: Vec<(String, String, String, Vec<u8>)> = tx.query(KNOWN).bind(district.as_str()).fetch_all().await?;
        let mut known: Option<KnownRows> = None;
        for (kind, seed, stamp, marks) in rows {
            let kind = TABLE.kind(&kind)?;
            let marks = KnownRows::from_bytes(&marks).ok_or_else(|| TABLE.corrupt("marks"))?;
            let known = known.get_or_insert_with(|| KnownRows { seed, stamp, ..KnownRows::default() });
            known.marks.insert(kind, marks);
        }
        Ok(known)
    }

    /// Whether the marks are still those of this stamp.
    pub async fn knows(&self, district: &DistrictId, stamp: &str) -> Result<bool, StoreError> {
        let mut tx = self.db.read().await?;
        let (first, last): (Option<String>, Option<String>) =
            tx.query(STAMP).bind(district.as_str()).fetch_one().await?;
        Ok(first.as_deref() == Some(stamp) && last.as_deref() == Some(stamp))
    }

    /// Keeps marks, if there are other ones, and the image of the records, if there is none of them, as long as the
    /// district is still at the revision that `roster` is of, where `run` left it.
    pub async fn know(
        &self,
        district: &DistrictId,
        revision: i64,
        run: &RunId,
        known: Option<&KnownRows>,
        roster: View<'_>,
    ) -> Result<(), StoreError> {
        let stands = image_stands(&mut self.db.read().await?, district).await?;
        if known.is_none() && stands.is_some_and(|(_, stands)| stands) {
            return Ok(());
        }
        let mut sealed = vec![0; SEAL];
        image::write(&mut sealed, roster).map_err(|_| StoreError::Unwritable { table: IMAGE.0 })?;
        let mut tx = self.db.write().await?;
        if district::lock(&mut tx, district).await?.revision != revision {
            return Ok(());
        }
        if let Some(known) = known {
            tx.query(FORGET).bind(district.as_str()).execute().await?;
            for (kind, marks) in &known.marks {
                put_marks(&mut tx, district, *kind, (&known.seed, &known.stamp), KnownRows::to_bytes(marks)).await?;
            }
        }
        // Marks that came in meanwhile are of this revision, too. Where the feed's rows are not recognized, none stand there.
        let stamp = if let Some((stamp, _)) = image_stands(&mut tx, district).await? {
            stamp
        } else {
            put_marks(&mut tx, district, Kind::Enrollments, ("", run.as_str()), Vec::new()).await?;
            run.to_string()
        };
        let kind = Kind::Enrollments.plural();
        tx.query(DROP_IMAGE).bind(district.as_str()).bind(kind).execute().await?;
        if sealed.len() < MOST
            && let Some((seal, image)) = sealed.split_first_chunk_mut::<SEAL>()
        {
            *seal = self.seal(district, &stamp, image);
            let query = tx.query(PUT_IMAGE).bind(district.as_str()).bind(kind).bind(stamp.as_str());
            query.bind(sealed).execute_exactly(1).await?;
        }
        tx.commit().await
    }

    fn seal(&self, district: &DistrictId, stamp: &str, image: &[u8]) -> [u8; SEAL] {
        keyed(self.pseudonym_key(), &[b"image/2/", district.as_str().as_bytes(), b"/", stamp.as_bytes(), b"/", image])
    }

    /// What the image shows, read beside the other records; none where there is no image of them, or none that this program
    /// wrote.
    pub(super) async fn pictured(
        &self,
        tx: &mut Tx,
        district: &DistrictId,
        roster: &Roster,
    ) -> Result<Option<Pictured>, StoreError> {
        let query = tx.query(IMAGE_OF).bind(district.as_str()).bind(Kind::Enrollments.plural());
        let row: Option<(String, Vec<u8>)> = query.fetch_optional().await?;
        let Some((stamp, sealed)) = row else { return Ok(None) };
        let read = sealed.split_first_chunk::<SEAL>().and_then(|(seal, image)| {
            (self.seal(district, &stamp, image) == *seal).then(|| image::read(image, roster))?
        });
        if read.is_none() {
            tracing::warn!(district.id = %district, "the image of the records of {district} is damaged, or of another key or release; the records are read");
        }
        Ok(read)
    }
}

async fn put_marks(
    tx: &mut Tx,
    district: &DistrictId,
    kind: Kind,
    (seed, stamp): (&str, &str),
    marks: Vec<u8>,
) -> Result<(), StoreError> {
    let query = tx.query(PUT).bind(district.as_str()).bind(kind.plural()).bind(seed).bind(stamp);
    query.bind(marks).execute_exactly(1).await
}

/// The stamp of the marks of enrollments, and whether there is an image of it; none without marks.
async fn image_stands(tx: &mut Tx, district: &DistrictId) -> Result<Option<(String, bool)>, StoreError> {
    let query = tx.query(IMAGE_STANDS).bind(district.as_str()).bind(Kind::Enrollments.plural());
    query.fetch_optional().await
}
