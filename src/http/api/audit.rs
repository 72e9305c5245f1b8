//! `GET /v1/audit`: entries by district and number.

pub(crate) mod export;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::audit::{Category, Entry};
use crate::http::App;
use crate::http::api::{self, Page};
use crate::http::auth::Caller;
use crate::http::body::Asked;
use crate::http::problem::Problem;
use crate::model::{DistrictId, RunId, SourceId, Timestamp};
use crate::store::{AuditFilter, Store};

/// The filters.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filters {
    district: Option<String>,
    run: Option<String>,
    user: Option<String>,
    action: Option<String>,
    category: Option<Category>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    cursor: Option<String>,
    #[schemars(range(min = 1, max = api::MOST))]
    limit: Option<u32>,
}

/// `GET /v1/audit`. The cursor is `DISTRICT/SEQ` of the last entry seen.
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(asked): Asked<Filters>,
) -> Result<Json<Page<Entry>>, Problem> {
    let limit = usize::try_from(api::limit(asked.limit)?).unwrap_or(usize::MAX);
    let filter = filter(&asked);
    let (last, after) = cursor(asked.cursor.as_deref())?;
    let store = app.desk.office().store;
    let districts = seen(&store, &caller, asked.district.as_deref()).await?;
    let mut items: Vec<Entry> = Vec::new();
    for id in districts.into_iter().filter(|id| last.as_ref().is_none_or(|last| id >= last)) {
        let after_seq = (last.as_ref() == Some(&id)).then_some(after);
        let stream = store.audit_stream(AuditFilter { district: Some(id), after_seq, ..filter.clone() }).await?;
        // One more than asked for says whether there is a next page.
        let mut entries = stream.in_pages_of(limit.saturating_add(1));
        while items.len() <= limit
            && let Some(page) = entries.next_page().await?
        {
            items.extend(page);
        }
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).map(|it| format!("{}/{}", it.district, it.seq));
    Ok(Json(Page { items, next_cursor }))
}

/// The district asked for, or all that the caller may see.
async fn seen(store: &Store, caller: &Caller, district: Option<&str>) -> Result<Vec<DistrictId>, Problem> {
    let Some(id) = district.map(DistrictId::new) else {
        return Ok(store.districts().await?.into_iter().map(|it| it.id).filter(|id| caller.sees(id)).collect());
    };
    caller.check(&id)?;
    store.district(&id).await?;
    Ok(vec![id])
}

fn filter(asked: &Filters) -> AuditFilter {
    AuditFilter {
        district: None,
        run: asked.run.as_deref().map(RunId::new),
        user: asked.user.as_deref().map(SourceId::new),
        action: asked.action.clone(),
        category: asked.category,
        since: asked.since,
        until: asked.until,
        after_seq: None,
    }
}

fn cursor(text: Option<&str>) -> Result<(Option<DistrictId>, i64), Problem> {
    let Some(text) = text else { return Ok((None, 0)) };
    let parts = text.split_once('/').and_then(|(id, seq)| Some((DistrictId::new(id), seq.parse().ok()?)));
    parts.map(|(id, seq)| (Some(id), seq)).ok_or_else(|| Problem::bad_request("`cursor` is not one that a page gave"))
}
