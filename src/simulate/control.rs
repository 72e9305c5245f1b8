//! `/_simulate/`: what is served, and the levers.

use axum::http::Method;
use axum::http::StatusCode;
use serde_json::Value;
use serde_json::json;

use super::auth::CLASSLINK_PARTNER;
use super::auth::CLEVER_CLIENT;
use super::auth::CLEVER_SECRET;
use super::auth::Credentials;
use super::classlink;
use super::http::Call;
use super::http::Reply;
use super::http::encode;
use super::oneroster::Version;
use super::quirks::Quirks;
use super::server::Shared;
use super::world::Format;

/// Answers a request to the simulator itself; `rest` follows `_simulate`.
pub(crate) fn answer(shared: &Shared, call: &Call, rest: &[&str]) -> Reply {
    match (&call.method, rest) {
        (&Method::GET, []) => Reply::json(StatusCode::OK, overview(shared, call)),
        (&Method::GET, ["requests"]) => {
            let rows = shared.log().into_iter();
            let rows = rows.map(|row| json!({ "method": row.method, "path": row.path, "status": row.status }));
            Reply::json(StatusCode::OK, json!({ "total": shared.requests(), "requests": rows.collect::<Vec<_>>() }))
        }
        (&Method::POST, ["day"]) => {
            let body: Option<Value> = serde_json::from_slice(&call.body).ok();
            let day = body.and_then(|body| body.get("day").and_then(Value::as_u64));
            match day.and_then(|day| u32::try_from(day).ok()).filter(|day| *day > 0) {
                Some(day) => {
                    shared.set_day(day);
                    Reply::json(StatusCode::OK, overview(shared, call))
                }
                None => refused("send {\"day\": N} with a whole number from 1"),
            }
        }
        (&Method::POST, ["quirks"]) => {
            let body: Option<Value> = serde_json::from_slice(&call.body).ok();
            let list = body.and_then(|body| body.get("quirks").and_then(Value::as_str).map(str::to_owned));
            match list.map(|list| Quirks::parse(&list)) {
                Some(Ok(quirks)) => {
                    shared.set_quirks(quirks);
                    Reply::json(StatusCode::OK, overview(shared, call))
                }
                Some(Err(error)) => refused(&error.to_string()),
                None => refused("send {\"quirks\": \"a,comma=list\"}; an empty list ends them"),
            }
        }
        _ => Reply::cannot(call),
    }
}

fn refused(text: &str) -> Reply {
    Reply::json(StatusCode::BAD_REQUEST, json!({ "message": text }))
}

fn overview(shared: &Shared, call: &Call) -> Value {
    let origin = call.origin();
    let districts: Vec<Value> = shared.world.districts().map(|district| one(shared, &origin, district)).collect();
    json!({
        "day": shared.day(),
        "quirks": shared.quirks().to_string(),
        "clever": {
            "url": origin,
            "auth_url": origin,
            "client_id": CLEVER_CLIENT,
            "client_secret": CLEVER_SECRET,
        },
        "classlink": { "url": origin, "partner_key": CLASSLINK_PARTNER },
        "districts": districts,
    })
}

fn one(shared: &Shared, origin: &str, district: &str) -> Value {
    let says = shared.world.says(district, shared.day());
    let mut about = json!({ "id": district, "last_day": shared.world.last_day(district), "today": says });
    let more = if shared.world.format(district) == Some(Format::Clever) {
        json!({ "format": "clever", "clever_id": shared.world.clever_id(district) })
    } else {
        let credentials = Credentials::of(district);
        json!({
            "format": "oneroster",
            "v1p1": format!("{origin}/{district}/{}", Version::V1p1.path()),
            "v1p2": format!("{origin}/{district}/{}", Version::V1p2.path()),
            "oauth1": { "key": credentials.key, "secret": credentials.secret },
            "oauth2": {
                "token_url": format!("{origin}/{district}/token"),
                "client_id": credentials.client_id,
                "client_secret": credentials.client_secret,
            },
            "bearer": credentials.bearer,
            "classlink_application_id": encode(&classlink::application_id(district)),
        })
    };
    if let (Some(fields), Value::Object(more)) = (about.as_object_mut(), more) {
        fields.extend(more);
    }
    about
}
