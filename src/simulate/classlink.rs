//! ClassLink's proxy (protocol page 3.1): a partner key lists applications, each with a bearer and an id that comes
//! percent-encoded already.

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::auth::CLASSLINK_PARTNER;
use super::http::Call;
use super::http::Reply;
use super::http::encode;
use super::server::Shared;
use super::world::Format;

/// Applications of a page when the client does not say.
const DEFAULT_LIMIT: usize = 100;

/// The id of a district's application, decoded. It begins with a slash, so that its encoded form contains `%2F`.
pub(crate) fn application_id(district: &str) -> String {
    format!("/{}", STANDARD.encode(district))
}

/// The name a district's bearer is kept under.
pub(crate) fn token_name(district: &str) -> String {
    format!("classlink/{district}")
}

/// The district of an application id as it stands in a path, decoded once.
pub(crate) fn district_of<'a>(shared: &'a Shared, id: &str) -> Option<&'a str> {
    districts(shared).find(|district| application_id(district) == id)
}

fn districts(shared: &Shared) -> impl Iterator<Item = &str> {
    shared.world.districts().filter(|district| shared.world.format(district) == Some(Format::OneRosterCsv))
}

/// `GET /applications`.
pub(crate) fn applications(shared: &Shared, call: &Call) -> Reply {
    if call.authorization("Bearer") != Some(CLASSLINK_PARTNER) {
        return Reply::json(StatusCode::UNAUTHORIZED, json!({ "status": 0, "message": "Unauthorized" }));
    }
    let count = |name: &str, default: usize| call.param(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (limit, offset) = (count("limit", DEFAULT_LIMIT), count("offset", 0));
    let page = districts(shared).enumerate().skip(offset).take(limit).map(|(at, district)| {
        let quirks = shared.quirks_of(district);
        let vanished = quirks.has("vanished");
        let bearer = (!vanished).then(|| shared.auth().list_rotating(&token_name(district), quirks.expire_token));
        json!({
            "id": 12_345 + at,
            "application_id": 67_890 + at,
            "tenant_id": 2_222 + at,
            "bearer": bearer,
            "tenant_name": district,
            "enabled": if vanished { "false" } else { "true" },
            "tenant_status": "Active",
            "oneroster_application_id": encode(&application_id(district)),
            "name": "rosterd",
            "version": "",
        })
    });
    Reply::json(StatusCode::OK, json!({ "status": 1, "applications": page.collect::<Vec<_>>() }))
}

/// Renames the headers of a OneRoster answer as the proxy sends them.
pub(crate) fn dress(mut reply: Reply) -> Reply {
    if let Some(page) = &reply.page {
        let count = page.rows.to_string();
        reply = reply.with("x-count", count);
    }
    reply
}
