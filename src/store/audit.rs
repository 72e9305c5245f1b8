//! The audit table: appended to, read page by page, never changed.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use crate::audit::{
    Category, Checkpoint, Checkpointed, Draft, Entry, Fault, Fold, Verifier, canonical, pseudonym, seal, span,
};
use crate::model::{AuditSpan, DistrictId, RunId, SourceId, Timestamp};
use crate::store::column::Table;
use crate::store::compare;
use crate::store::db::{Sql, Tx, bulk, statements};
use crate::store::district::{Locked, read_state, read_states};
use crate::store::names::Names;
use crate::store::rows::Rows;
use crate::store::{Store, StoreError};

const TABLE: Table = Table("audit");

/// Entries a page.
const PAGE: i64 = 1000;

/// A page of entries that pass a filter, with one condition more.
macro_rules! page {
    ($from:literal, $and:literal) => {
        concat!(
            "SELECT seq, run, at, actor, category, action, entity, id, before, after, reason, prev, hash ",
            $from,
            " WHERE district = $1 AND seq > $2
                 AND (CAST($3 AS TEXT) IS NULL OR run = $3)
                 AND (CAST($4 AS TEXT) IS NULL OR action = $4)
                 AND (CAST($5 AS TEXT) IS NULL OR category = $5)
                 AND (CAST($6 AS TEXT) IS NULL OR at >= $6)
                 AND (CAST($7 AS TEXT) IS NULL OR at < $7) ",
            $and,
            " ORDER BY seq LIMIT $8"
        )
    };
}

statements! {
    PUT_AUDIT = bulk!(
        given_entry:
        "INSERT INTO audit (district, seq, run, at, actor, category, action, entity, id, before, after,
             reason, prev, hash)
         SELECT $1, r.seq, r.run, r.at, r.actor, r.category, r.action, r.entity, r.id, r.before, r.after,
             r.reason, r.prev, r.hash",
        (seq BIGINT, run TEXT, at TEXT, actor TEXT, category TEXT, action TEXT, entity TEXT, id TEXT,
         before TEXT, after TEXT, reason TEXT, prev TEXT, hash TEXT),
        "WHERE true"
    );
    AUDIT_PAGE = Sql::portable(page!("FROM audit", ""));
    // The expression is that of the index.
    AUDIT_PAGE_OF_USER = Sql::per_backend(
        page!(
            "FROM audit INDEXED BY audit_subject",
            "AND CASE
                 WHEN entity = 'user' THEN id
                 WHEN entity = 'enrollment' THEN substr(id, 3, instr(id, '\",\"') - 3)
                 WHEN entity NOT IN ('school', 'session', 'course', 'class') AND instr(id, '/') > 0 THEN substr(id, instr(id, '/') + 1)
             END IN ($9, $10, $11, $12)"
        ),
        page!(
            "FROM audit",
            "AND (CASE
                 WHEN entity = 'user' THEN id
                 WHEN entity = 'enrollment' THEN substr(id, 3, greatest(strpos(id, '\",\"') - 3, 0))
                 WHEN entity NOT IN ('school', 'session', 'course', 'class') AND strpos(id, '/') > 0 THEN substr(id, strpos(id, '/') + 1)
             END) IN ($9, $10, $11, $12)"
        ),
    );
}

#[derive(Serialize)]
struct EntryRow<'a> {
    seq: i64,
    run: Option<&'a str>,
    at: Cow<'a, str>,
    actor: &'a str,
    category: &'a str,
    action: &'a str,
    entity: &'a str,
    id: &'a str,
    before: Option<String>,
    after: Option<String>,
    reason: Option<&'a str>,
    prev: &'a str,
    hash: &'a str,
}

fn fields(value: Option<&Value>) -> Result<Option<String>, StoreError> {
    Ok(value.map(canonical).transpose()?)
}

/// Seals drafts after the district's present end, appends them, and moves `locked` to the new end.
pub(super) async fn append(
    tx: &mut Tx,
    locked: &mut Locked,
    entries: &[Entry],
) -> Result<Option<AuditSpan>, StoreError> {
    for batch in entries.chunks(tx.batch(PUT_AUDIT)) {
        let row = |it: &Entry| Ok((fields(it.before.as_ref())?, fields(it.after.as_ref())?));
        let bodies: Vec<_> = batch.iter().map(row).collect::<Result<_, StoreError>>()?;
        // Those of a run are of one instant.
        let first = batch.first().map(|it| (it.at, it.at.to_string()));
        let at = |it: &Entry| match &first {
            Some((at, text)) if *at == it.at => Cow::Borrowed(text.as_str()),
            Some(_) | None => Cow::Owned(it.at.to_string()),
        };
        let rows = batch.iter().zip(bodies).map(|(it, (before, after))| EntryRow {
            seq: it.seq,
            run: it.run.as_ref().map(RunId::as_str),
            at: at(it),
            actor: &it.actor,
            category: it.category.as_str(),
            action: &it.action,
            entity: &it.entity,
            id: &it.id,
            before,
            after,
            reason: it.reason.as_deref(),
            prev: &it.prev,
            hash: &it.hash,
        });
        let rows: Vec<_> = rows.collect();
        tx.query(PUT_AUDIT)
            .bind(locked.district.as_str())
            .bind_rows(TABLE, &rows)
            .await?
            .execute_exactly(rows.len())
            .await?;
    }
    let written = span(entries);
    if let Some(span) = &written {
        locked.audit_seq = span.last_seq;
        locked.audit_head.clone_from(&span.head);
    }
    Ok(written)
}

/// Seals a run's drafts after the district's present end and appends them, a batch at a time.
pub(super) async fn write(
    tx: &mut Tx,
    locked: &mut Locked,
    run: &RunId,
    at: Timestamp,
    drafts: &Rows<'_, Draft>,
) -> Result<Option<AuditSpan>, StoreError> {
    let mut all: Option<AuditSpan> = None;
    for batch in drafts.batches(tx.batch(PUT_AUDIT)) {
        let batch = batch.map_err(|_| StoreError::Unwritable { table: TABLE.0 })?;
        let entries = sealed(locked, Some(run), at, batch.into_owned())?;
        if let Some(span) = append(tx, locked, &entries).await? {
            let first_seq = all.as_ref().map_or(span.first_seq, |all| all.first_seq);
            all = Some(AuditSpan { first_seq, ..span });
        }
    }
    Ok(all)
}

/// The entries that drafts become after the present end.
pub(super) fn sealed(
    locked: &Locked,
    run: Option<&RunId>,
    at: Timestamp,
    drafts: Vec<Draft>,
) -> Result<Vec<Entry>, StoreError> {
    let (seq, head) = (locked.audit_seq + 1, &locked.audit_head);
    Ok(seal(&locked.district, run, at, seq, head, drafts)?)
}

pub(super) type EntryColumns = (
    i64,
    Option<String>,
    String,
    String,
    String,
    String,
    String,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    String,
    String,
);

/// A column that is not exactly as this program writes it makes the entry an altered one, even where it would read alike.
pub(super) fn entry(district: &DistrictId, columns: EntryColumns) -> Result<Entry, StoreError> {
    let (seq, run, at, actor, category, action, entity, id, before, after, reason, prev, hash) = columns;
    let corrupt = |field| StoreError::CorruptEntry { district: district.clone(), seq, field };
    let json = |field, text: Option<String>| -> Result<Option<Value>, StoreError> {
        let Some(text) = text else { return Ok(None) };
        let value: Value = serde_json::from_str(&text).map_err(|_| corrupt(field))?;
        if canonical(&value).as_ref() == Ok(&text) { Ok(Some(value)) } else { Err(corrupt(field)) }
    };
    let instant = Timestamp::parse(&at).map_err(|_| corrupt("at"))?;
    if instant.to_string() != at {
        return Err(corrupt("at"));
    }
    Ok(Entry {
        seq,
        district: district.clone(),
        run: run.map(RunId::from),
        at: instant,
        actor,
        category: Category::parse(&category).ok_or_else(|| corrupt("category"))?,
        action,
        entity,
        id,
        before: json("before", before)?,
        after: json("after", after)?,
        reason,
        prev,
        hash,
    })
}

/// Which entries to read; nothing set means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of one district.
    pub district: Option<DistrictId>,
    /// Of one run.
    pub run: Option<RunId>,
    /// About one user: the user, their enrollments, their seats, their overrides.
    pub user: Option<SourceId>,
    /// One action, `ENTITY.VERB`.
    pub action: Option<String>,
    /// One category.
    pub category: Option<Category>,
    /// At or after.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// With a larger number, in each district.
    pub after_seq: Option<i64>,
}

/// The ids under which a user may stand in the audit, as they are and as the ids of enrollments have them.
fn names_of(key: &[u8], user: &SourceId) -> Result<[String; 4], StoreError> {
    let in_enrollment = |id: &String| {
        let quoted = TABLE.to_json(id)?;
        let bare = quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        Ok::<_, StoreError>(bare.unwrap_or(&quoted).to_owned())
    };
    let ids = [user.as_str().to_owned(), pseudonym(key, user.as_str())];
    let [raw, shown] = &ids;
    let quoted = [in_enrollment(raw)?, in_enrollment(shown)?];
    let ([raw, shown], [raw_quoted, shown_quoted]) = (ids, quoted);
    Ok([raw, shown, raw_quoted, shown_quoted])
}

async fn read_page(
    tx: &mut Tx,
    filter: &AuditFilter,
    names: Option<&[String; 4]>,
    district: &DistrictId,
    (after, most): (i64, i64),
) -> Result<Vec<Entry>, StoreError> {
    let mut query = tx
        .query(if names.is_some() { AUDIT_PAGE_OF_USER } else { AUDIT_PAGE })
        .bind(district.as_str())
        .bind(after)
        .bind(filter.run.as_ref().map(RunId::as_str))
        .bind(filter.action.as_deref())
        .bind(filter.category.map(Category::as_str))
        .bind(filter.since.map(|it| it.to_string()))
        .bind(filter.until.map(|it| it.to_string()))
        .bind(most);
    for name in names.into_iter().flatten() {
        query = query.bind(name.as_str());
    }
    let rows: Vec<EntryColumns> = query.fetch_all().await?;
    rows.into_iter().map(|row| entry(district, row)).collect()
}

/// Entries page by page, district by district, by number. Holds no transaction between pages: the table only grows.
#[derive(Debug)]
pub struct AuditStream<'s> {
    store: &'s Store,
    filter: AuditFilter,
    /// Districts not finished yet, in reverse.
    districts: Vec<DistrictId>,
    after: i64,
    most: i64,
}

impl AuditStream<'_> {
    /// The same in pages of so many entries at most.
    #[must_use]
    pub fn in_pages_of(self, most: usize) -> Self {
        Self { most: i64::try_from(most).unwrap_or(PAGE).clamp(1, PAGE), ..self }
    }

    /// The next entries, at most a thousand; none at the end.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Entry>>, StoreError> {
        let user = self.filter.user.as_ref();
        let names = user.map(|user| names_of(self.store.pseudonym_key(), user)).transpose()?;
        let start = self.filter.after_seq.unwrap_or(0);
        while let Some(district) = self.districts.last() {
            let after = self.after.max(start);
            let mut tx = self.store.db.read().await?;
            let page = read_page(&mut tx, &self.filter, names.as_ref(), district, (after, self.most)).await?;
            if let Some(last) = page.last() {
                self.after = last.seq;
                return Ok(Some(page));
            }
            self.districts.pop();
            self.after = 0;
        }
        Ok(None)
    }
}

/// What [`Store::check`] found in one district.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The end of the chain; none if it is broken.
    pub end: Option<Checkpointed>,
    /// Everything wrong, first broken link first; empty for a clean district.
    pub faults: Vec<String>,
}

impl Store {
    /// Entries that pass the filter.
    pub async fn audit_stream(&self, mut filter: AuditFilter) -> Result<AuditStream<'_>, StoreError> {
        if let Some(run) = &filter.run
            && let Some(span) = self.run(run).await?.and_then(|it| it.audit)
        {
            // What people decide on a run comes after what it wrote itself.
            filter.after_seq = filter.after_seq.max(Some(span.first_seq - 1));
        }
        let districts = if let Some(district) = &filter.district {
            vec![district.clone()]
        } else {
            let mut tx = self.db.read().await?;
            read_states(&mut tx).await?.into_iter().rev().map(|it| it.id).collect()
        };
        Ok(AuditStream { store: self, filter, districts, after: 0, most: PAGE })
    }

    /// The end of a district's chain now: its size and the hash of the last entry.
    pub async fn audit_head(&self, district: &DistrictId) -> Result<Checkpointed, StoreError> {
        let state = self.district(district).await?;
        Ok(Checkpointed { size: state.audit_seq, head: state.audit_head })
    }

    /// Walks a district's chain and compares what it amounts to with the store, in one consistent read (safety.md, Crash: the
    /// fold of the audit equals the store): [`compare`] says of which tables.
    pub async fn check(&self, district: &DistrictId, checkpoint: Option<&Checkpoint>) -> Result<Checked, StoreError> {
        let mut tx = self.db.read().await?;
        let state = read_state(&mut tx, district).await?;
        let mut verifier = Verifier::new(district.clone(), checkpoint.cloned());
        let mut fold = Fold::new(self.pseudonym_key());
        let broken = |fault: String| Checked { end: None, faults: vec![fault] };
        let (filter, mut after) = (AuditFilter::default(), 0);
        loop {
            let page = match read_page(&mut tx, &filter, None, district, (after, PAGE)).await {
                Err(fault @ StoreError::CorruptEntry { .. }) => {
                    return Ok(broken(fault.to_string()));
                }
                other => other?,
            };
            let Some(last) = page.last() else { break };
            after = last.seq;
            let walked: Result<(), Fault> = page.iter().try_for_each(|it| verifier.push(it));
            if let Err(fault) = walked {
                return Ok(broken(fault.to_string()));
            }
            for it in &page {
                fold.push(it);
            }
        }
        let end = match verifier.finish(Some((state.audit_seq, &state.audit_head))) {
            Ok(end) => end,
            Err(fault) => return Ok(broken(fault.to_string())),
        };
        fold.settle();
        let mut faults = match compare::compare(&mut tx, &state, &fold).await {
            // Someone wrote what this program never does: that is where.
            Err(fault @ StoreError::CorruptRow { .. }) => vec![fault.to_string()],
            other => other?,
        };
        let mut names = Names::in_faults(&faults);
        let mut after = 0;
        while names.are_wanted() {
            let page = read_page(&mut tx, &filter, None, district, (after, PAGE)).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for it in &page {
                names.learn(it, &fold);
            }
        }
        for fault in &mut faults {
            *fault = names.shown(fault);
        }
        Ok(Checked { end: Some(end), faults })
    }
}
