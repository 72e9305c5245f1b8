//! `GET /v1/changes`: seats, users, classes and enrollments of all districts in commit order, for those who keep a copy.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::http::App;
use crate::http::api;
use crate::http::auth::Caller;
use crate::http::body::Asked;
use crate::http::problem::Problem;
use crate::http::tokens::Scope;
use crate::keyed::{keyed_hex, same};
use crate::model::{DistrictId, Kind, Record, is_personal};
use crate::store::{Change, Lost, Place, SEAT_CHANGES, Told};

/// The query.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct After {
    after: Option<String>,
    #[schemars(range(min = 1, max = api::MOST))]
    limit: Option<u32>,
}

/// One page. `more` says whether there was more when it was read; `cursor` is there on every page.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Changes")]
pub(crate) struct Page {
    epoch: String,
    items: Vec<Item>,
    cursor: String,
    more: bool,
}

/// What became of one thing; `value` is null where it is gone.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Change")]
struct Item {
    /// The commit: those of one commit have one number.
    number: i64,
    district: DistrictId,
    kind: &'static str,
    id: String,
    /// As `rosterd roster` and `rosterd seats` list it.
    #[schemars(with = "Option<Map<String, Value>>")]
    value: Option<Value>,
}

/// What a cursor holds: a place, and of which history.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor(String, i64, String, Option<(String, String)>, i64);

/// `GET /v1/changes`. Personal fields of users are left out without the scope `people`.
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(asked): Asked<After>,
) -> Result<Json<Page>, Problem> {
    let limit = usize::try_from(api::limit(asked.limit)?).unwrap_or(usize::MAX);
    let store = app.desk.office().store;
    let key = store.pseudonym_key();
    let epoch = store.epoch().await?;
    let after = match asked.after.as_deref() {
        None | Some("") => None,
        Some(text) => {
            let wrong = || Problem::bad_request("`after` is not a cursor that a page of this installation gave");
            let Cursor(of, number, mark, within, start) = open(key, text).ok_or_else(wrong)?;
            if of != epoch {
                return Err(gone(&epoch, Lost::Restored));
            }
            Some(Place { number, mark, within, start })
        }
    };
    let page = match store.changes(after, caller.only(), limit).await? {
        Ok(page) => page,
        // A cursor is signed, so this store was once further than it is, or elsewhere: its history begins anew.
        Err(Lost::Restored) => return Err(gone(&store.end_epoch(&epoch).await?, Lost::Restored)),
        Err(Lost::TooOld) => return Err(gone(&epoch, Lost::TooOld)),
    };
    for (district, people) in users(&page.items) {
        if caller.may(Scope::People, district) {
            app.readings.note(district, caller.actor(), people);
        }
    }
    let told = |it: Change| {
        let people = caller.may(Scope::People, &it.district);
        item(it, people)
    };
    let items = page.items.into_iter().map(told).collect::<Result<_, _>>()?;
    let Place { number, mark, within, start } = page.place;
    let cursor = seal(key, &Cursor(page.epoch.clone(), number, mark, within, start))?;
    Ok(Json(Page { epoch: page.epoch, items, cursor, more: page.more }))
}

/// How many users a page tells of, by district.
fn users(items: &[Change]) -> BTreeMap<&DistrictId, usize> {
    let is_user = |it: &Change| matches!(&it.now, Some(Told::Record(record)) if record.kind() == Kind::Users);
    let mut users: BTreeMap<&DistrictId, usize> = BTreeMap::new();
    for it in items.iter().filter(|it| is_user(it)) {
        *users.entry(&it.district).or_default() += 1;
    }
    users
}

fn gone(epoch: &str, lost: Lost) -> Problem {
    let why = match lost {
        Lost::Restored => "the store was put back to an earlier state since that cursor",
        Lost::TooOld => "what was removed since that cursor is no longer known",
    };
    let detail = format!("{why}: ask without `after` and put what comes in the place of what you have");
    Problem::new(StatusCode::GONE, detail).saying("epoch", epoch)
}

fn item(change: Change, people: bool) -> Result<Item, Problem> {
    let Change { number, district, kind, id, now } = change;
    let known = Kind::from_plural(&kind).map_or(SEAT_CHANGES, Kind::plural);
    let value = match now {
        None => None,
        Some(Told::Record(record)) => Some(value(&record, people)?),
        Some(Told::Seat(it)) => Some(json!({
            "product": it.product, "user": it.user, "pool": it.pool, "since": it.since, "claimed_at": it.claimed_at,
            "state": it.state,
        })),
    };
    Ok(Item { number, district, kind: known, id, value })
}

/// A record as `rosterd roster` lists it.
fn value(record: &Record, people: bool) -> Result<Value, Problem> {
    let mut value: Value = serde_json::from_str(&record.roster_line()?)?;
    if let Some(fields) = value.as_object_mut().filter(|_| !people) {
        fields.retain(|field, _| !is_personal(record.kind(), field));
    }
    Ok(value)
}

/// Cuts a signature to what a cursor needs.
const SIGNED: usize = 32;

fn signature(key: &[u8], text: &str) -> String {
    keyed_hex(key, format!("changes\n{text}").as_bytes()).chars().take(SIGNED).collect()
}

fn seal(key: &[u8], cursor: &Cursor) -> Result<String, Problem> {
    let text = URL_SAFE_NO_PAD.encode(serde_json::to_vec(cursor)?);
    Ok(format!("{text}.{}", signature(key, &text)))
}

fn open(key: &[u8], sealed: &str) -> Option<Cursor> {
    let (text, signed) = sealed.split_once('.')?;
    let ours = same(&signature(key, text), signed);
    let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|_| ours)?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_taken_only_as_it_was_given() {
        let cursor = Cursor("e".to_owned(), 7, "m".to_owned(), Some(("users".to_owned(), "ä/|".to_owned())), 3);
        let sealed = seal(b"key", &cursor).unwrap();
        assert_eq!(open(b"key", &sealed).unwrap().1, 7);
        for wrong in [sealed.replacen('W', "X", 1), format!("{sealed}0"), "7".to_owned(), String::new(), ".".to_owned()]
        {
            assert!(open(b"key", &wrong).is_none(), "{wrong}");
        }
        assert!(open(b"other", &sealed).is_none());
    }
}
