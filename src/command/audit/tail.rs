//! `rosterd audit tail`: the latest entries, and those to come.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;

use super::Filter;
use crate::audit::Entry;
use crate::command::{CommandError, Session};
use crate::model::DistrictId;
use crate::store::AuditFilter;

/// How often a followed store is looked at.
const PAUSE: Duration = Duration::from_millis(500);

/// The latest entries
#[derive(Debug, Args)]
pub(in crate::command) struct Tail {
    /// How many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    lines: usize,
    /// Go on with what comes, until interrupted
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    filter: Filter,
}

/// The number of the last entry seen, by district.
type Seen = BTreeMap<DistrictId, i64>;

impl Tail {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let filter = self.filter.of(session).await?;
        // What is seen is counted first: an entry that comes while the latest are read is shown by the next look.
        let mut seen = ends(session, &filter).await?;
        for entry in self.latest(session, &filter, &seen).await? {
            tell(session, &entry)?;
        }
        if !self.follow {
            return Ok(0);
        }
        loop {
            tokio::time::sleep(PAUSE).await;
            for entry in news(session, &filter, &mut seen).await? {
                tell(session, &entry)?;
            }
        }
    }

    /// The latest entries of all districts, oldest first.
    async fn latest(&self, session: &Session, filter: &AuditFilter, seen: &Seen) -> Result<Vec<Entry>, CommandError> {
        let mut all: Vec<Entry> = Vec::new();
        for (district, last) in seen {
            all.extend(session.store().latest_entries(district, filter, *last, self.lines).await?);
        }
        in_order(&mut all);
        let surplus = all.len().saturating_sub(self.lines);
        all.drain(..surplus);
        Ok(all)
    }
}

fn in_order(entries: &mut [Entry]) {
    entries.sort_by(|a, b| (a.at, &a.district, a.seq).cmp(&(b.at, &b.district, b.seq)));
}

async fn ends(session: &Session, filter: &AuditFilter) -> Result<Seen, CommandError> {
    let all = session.store().districts().await?;
    let wanted = all.into_iter().filter(|it| filter.district.as_ref().is_none_or(|id| *id == it.id));
    Ok(wanted.map(|it| (it.id, it.audit_seq)).collect())
}

/// What came since, oldest first.
async fn news(session: &Session, filter: &AuditFilter, seen: &mut Seen) -> Result<Vec<Entry>, CommandError> {
    let mut all: Vec<Entry> = Vec::new();
    for (district, end) in ends(session, filter).await? {
        let last = seen.entry(district.clone()).or_insert(0);
        if end <= *last {
            continue;
        }
        let filter = AuditFilter { district: Some(district), after_seq: Some(*last), ..filter.clone() };
        let mut stream = session.store().audit_stream(filter).await?;
        while let Some(page) = stream.next_page().await? {
            all.extend(page.into_iter().filter(|it| it.seq <= end));
        }
        *last = end;
    }
    in_order(&mut all);
    Ok(all)
}

/// One line: JSON, or what a person reads.
fn tell(session: &Session, entry: &Entry) -> Result<(), CommandError> {
    if session.output.json {
        return session.output.line(&serde_json::to_string(entry)?);
    }
    let Entry { seq, district, at, actor, action, id, reason, .. } = entry;
    let reason = reason.as_deref().map(|text| format!("  ({text})")).unwrap_or_default();
    session.output.line(&format!("{at}  {district} {seq}  {actor}  {action}  {id}{reason}"))
}
