//! `GET /v1/runs/{id}/changes`: what a run changed, from the audit, then what it holds, with the license consequence.

use axum::Json;
use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::audit::Entry;
use crate::http::App;
use crate::http::api::{self, Page};
use crate::http::auth::Caller;
use crate::http::body::Asked;
use crate::http::problem::Problem;
use crate::inquiry;
use crate::model::Kind;
use crate::report::Affected;
use crate::store::AuditFilter;

/// One change.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
#[schemars(rename = "RunChange")]
pub(crate) enum Listed {
    /// It was applied.
    Applied {
        /// `users`, …, `seats`.
        kind: String,
        /// The id as the audit shows it.
        id: String,
        /// `added`, `granted`, …
        verb: String,
        /// Fields before; personal ones are never here.
        before: Option<Value>,
        /// Fields after; the names of personal ones that changed stand in `changed`.
        after: Option<Value>,
        /// Why.
        reason: Option<String>,
    },
    /// It waits for a person, or waited.
    Held(Affected),
}

/// A page.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paging {
    cursor: Option<String>,
    #[schemars(range(min = 1, max = api::MOST))]
    limit: Option<u32>,
}

/// Where a page begins: after an audit entry, or at a held change.
#[derive(Clone, Copy, Debug)]
enum Place {
    After(i64),
    Held(usize),
}

impl Place {
    fn parse(text: Option<&str>) -> Result<Self, Problem> {
        let Some(text) = text else { return Ok(Self::After(0)) };
        let parsed = match text.split_once(':') {
            Some(("audit", seq)) => seq.parse().ok().map(Self::After),
            Some(("held", index)) => index.parse().ok().map(Self::Held),
            _ => None,
        };
        parsed.ok_or_else(|| Problem::bad_request("`cursor` is not one that a page gave"))
    }
}

/// The list.
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(asked): Asked<Paging>,
) -> Result<Json<Page<Listed>>, Problem> {
    let run = super::seen(&app, &caller, &id).await?;
    let limit = usize::try_from(api::limit(asked.limit)?).unwrap_or(usize::MAX);
    let place = Place::parse(asked.cursor.as_deref())?;
    let store = app.desk.office().store;
    let mut items: Vec<Listed> = Vec::new();
    if let Place::After(after) = place {
        let filter = AuditFilter {
            district: Some(run.district.clone()),
            run: Some(run.run.clone()),
            after_seq: Some(after),
            ..AuditFilter::default()
        };
        let mut stream = store.audit_stream(filter).await?;
        let mut last = after;
        while let Some(page) = stream.next_page().await? {
            for entry in page {
                if items.len() == limit {
                    return Ok(Json(Page { items, next_cursor: Some(format!("audit:{last}")) }));
                }
                last = entry.seq;
                items.extend(applied(entry));
            }
        }
    }
    let first = if let Place::Held(index) = place { index } else { 0 };
    let held = inquiry::affected(&store, &run).await?;
    let (room, of) = (limit - items.len(), held.len());
    items.extend(held.into_iter().skip(first).take(room).map(Listed::Held));
    let next_cursor = (first + room < of).then(|| format!("held:{}", first + room));
    Ok(Json(Page { items, next_cursor }))
}

/// Entries about records and seats are changes; those about the run itself are not.
fn applied(entry: Entry) -> Option<Listed> {
    let kind = match Kind::ALL.into_iter().find(|kind| kind.singular() == entry.entity) {
        Some(kind) => kind.plural(),
        None if entry.entity == "seat" => "seats",
        None => return None,
    };
    let verb = entry.action.split_once('.').map(|(_, verb)| verb.to_owned())?;
    let Entry { id, before, after, reason, .. } = entry;
    Some(Listed::Applied { kind: kind.to_owned(), id, verb, before, after, reason })
}
