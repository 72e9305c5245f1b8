//! The OneRoster server: 1.1 and 1.2 rostering over a CSV district.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::auth;
use super::auth::Credentials;
use super::auth::Granted;
use super::http::Call;
use super::http::Page;
use super::http::Reply;
use super::http::encode;
use super::server::Shared;
use super::table::Table;
use super::world::Day;

pub(crate) mod object;
pub(crate) mod query;
pub(crate) mod roles;
pub(crate) mod routes;
pub(crate) mod status;

use query::Query;
use query::field_value;
use routes::Astray;
use routes::Route;

/// A version of OneRoster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 1.1: one role per user, `v1p1` in the path.
    V1p1,
    /// 1.2: a list of roles per user, `v1p2` in the path.
    V1p2,
}

impl Version {
    /// The version's path below the district.
    pub fn path(self) -> &'static str {
        match self {
            Version::V1p1 => "ims/oneroster/v1p1",
            Version::V1p2 => "ims/oneroster/rostering/v1p2",
        }
    }

    fn scope(self, name: &str) -> String {
        let version = match self {
            Version::V1p1 => "v1p1",
            Version::V1p2 => "v1p2",
        };
        format!("https://purl.imsglobal.org/spec/or/{version}/scope/{name}")
    }
}

/// What was asked of a district.
pub(crate) struct Ask<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) call: &'a Call,
    pub(crate) district: &'a str,
    pub(crate) version: Version,
    /// Segments after the version.
    pub(crate) rest: &'a [&'a str],
    /// Path of the endpoint's base as the client sent it, for links.
    pub(crate) base_path: String,
    pub(crate) granted: Granted,
}

/// Answers a data request whose sender was let in.
pub(crate) fn answer(ask: &Ask<'_>) -> Reply {
    let day = ask.shared.day();
    let Ok(held) = ask.shared.world.day(ask.district, day) else {
        return status::unknown_object(ask.version);
    };
    let Day::OneRoster(set) = &*held else { return status::unknown_object(ask.version) };
    let route = match routes::route(set, ask.rest) {
        Ok(route) => route,
        Err(Astray::Endpoint | Astray::Object) => return status::unknown_object(ask.version),
    };
    if !may_see(&ask.granted, ask.version, route.nested) {
        return status::failure(
            ask.version,
            StatusCode::FORBIDDEN,
            "forbidden",
            "the token's scopes do not cover this",
        );
    }
    let quirks = ask.shared.quirks_of(ask.district);
    let Some(plain) = set.table(route.table) else { return status::unknown_object(ask.version) };
    let mut table = Cow::Borrowed(plain);
    if quirks.has("tombstones") || quirks.has("inactive") {
        let word = if quirks.has("inactive") { "inactive" } else { "tobedeleted" };
        add_tombstones(ask, day, route.table, table.to_mut(), word);
    }
    if quirks.empty.contains(&route.endpoint) || quirks.has("vanished") {
        table.to_mut().rows.clear();
    }
    let drifts = ["users", "enrollments", "classes"].contains(&route.endpoint.as_str());
    if drifts && quirks.drift.is_some_and(|pages| ask.shared.count_page(ask.district, &route.endpoint) > pages) {
        drift(table.to_mut());
    }
    let base = format!("{}{}", ask.call.origin(), ask.base_path);
    let writer = object::Writer { version: ask.version, set, base: &base, quirks: &quirks };
    if route.one {
        one(ask, &route, &table, writer)
    } else {
        list(ask, &route, &table, writer, matches!(table, Cow::Borrowed(_)))
    }
}

/// `roster-core` opens the top-level routes, `roster` the nested ones too.
fn may_see(granted: &Granted, version: Version, nested: bool) -> bool {
    match granted {
        Granted::Everything => true,
        Granted::Scopes(scopes) => {
            let has = |name| scopes.contains(&version.scope(name));
            has("roster.readonly") || (!nested && has("roster-core.readonly"))
        }
    }
}

fn one(ask: &Ask<'_>, route: &Route<'_>, table: &Table, writer: object::Writer<'_>) -> Reply {
    let found = table.rows.iter().find(|row| route.keep.as_ref().is_none_or(|keep| keep(table, row)));
    match found {
        Some(row) => Reply::json(StatusCode::OK, json!({ route.envelope(): writer.object(route.table, table, row) })),
        None => status::unknown_object(ask.version),
    }
}

fn list(ask: &Ask<'_>, route: &Route<'_>, table: &Table, writer: object::Writer<'_>, cacheable: bool) -> Reply {
    let quirks = writer.quirks;
    let known = object::field_names(ask.version, route.table);
    if quirks.has("no-sort") && ask.call.param("sort").is_some() {
        return status::failure(
            ask.version,
            StatusCode::BAD_REQUEST,
            "invalid_sort_field",
            "this server does not sort",
        );
    }
    let mut query = match Query::read(ask.call, ask.version, table, &known) {
        Ok(query) => query,
        Err(refusal) => return *refusal,
    };
    if let Some(clamp) = quirks.clamp {
        query.limit = query.limit.min(usize::try_from(clamp).unwrap_or(usize::MAX));
    }
    let order = order(ask, route, table, &query, cacheable);
    let kept = |at: &&usize| {
        table.rows.get(**at).is_some_and(|row| {
            route.keep.as_ref().is_none_or(|keep| keep(table, row))
                && query.filter.as_ref().is_none_or(|filter| filter.keeps(table, row))
        })
    };
    let rows: Vec<usize> = order.iter().filter(kept).copied().collect();
    let scrambled = quirks.has("unsorted-overlap") && query.sort.is_none();
    let mut offset = query.offset;
    if quirks.has("repeat-page") {
        offset = 0;
    } else if scrambled {
        offset = offset.saturating_sub(1);
    }
    let objects: Vec<Value> = rows
        .iter()
        .skip(offset)
        .take(query.limit)
        .filter_map(|at| table.rows.get(*at))
        .map(|row| project(writer.object(route.table, table, row), query.fields.as_deref()))
        .collect();
    let page = Page { collection: route.endpoint.clone(), rows: objects.len() };
    let mut envelope = Map::from_iter([(route.envelope(), Value::Array(objects))]);
    if quirks.has("extra-fields") {
        envelope.insert("x_vendorPage".to_owned(), json!({ "generated": true }));
    }
    let mut reply = Reply::json(StatusCode::OK, Value::Object(envelope));
    reply.page = Some(page);
    if quirks.has("no-total") {
        return reply;
    }
    let total = quirks.wrong_total.map_or(rows.len(), |wrong| wrong.total(rows.len()));
    let links = links(ask, &query, total, quirks.has("link-off-by-one"), quirks.has("link-foreign"));
    let reply = reply.with("x-total-count", total.to_string());
    if links.is_empty() { reply } else { reply.with("link", links) }
}

/// The order of a table's rows: the file's, or the one asked for.
fn order(ask: &Ask<'_>, route: &Route<'_>, table: &Table, query: &Query, cacheable: bool) -> Arc<Vec<usize>> {
    let make = || {
        let mut order: Vec<usize> = (0..table.rows.len()).collect();
        let row = |at: &usize| table.rows.get(*at).map_or(&[][..], Vec::as_slice);
        match &query.sort {
            Some((field, descending)) => {
                order.sort_by_key(|at| field_value(table, row(at), field).unwrap_or(""));
                if *descending {
                    order.reverse();
                }
            }
            None if ask.shared.quirks_of(ask.district).has("unsorted-overlap") => {
                order.sort_by_key(|at| scramble(*at));
            }
            None => {}
        }
        order
    };
    match &query.sort {
        Some((field, descending)) if cacheable => {
            let key = format!("{}/{}/{}/{field}/{descending}", ask.district, ask.shared.day(), route.table);
            ask.shared.order(key, make)
        }
        _ => Arc::new(make()),
    }
}

/// No order that a client could rely on, the same every time.
fn scramble(at: usize) -> usize {
    at.wrapping_mul(0x9e37_79b9).rotate_left(13).wrapping_mul(0x85eb_ca6b)
}

fn project(object: Value, fields: Option<&[String]>) -> Value {
    match (object, fields) {
        (Value::Object(mut all), Some(fields)) => {
            all.retain(|name, _| fields.contains(name));
            Value::Object(all)
        }
        (object, _) => object,
    }
}

/// The `Link` header: next, last, first and prev, as far as they lead somewhere.
fn links(ask: &Ask<'_>, query: &Query, total: usize, off_by_one: bool, foreign: bool) -> String {
    let origin = if foreign { "http://elsewhere.example".to_owned() } else { ask.call.origin() };
    let to = |offset: usize, rel: &str| {
        let kept = ask.call.query.iter().filter(|(name, _)| name != "limit" && name != "offset");
        let mut pairs: Vec<_> = kept.map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        pairs.push(format!("limit={}", query.limit));
        pairs.push(format!("offset={offset}"));
        format!("<{origin}{}?{}>; rel=\"{rel}\"", ask.call.path, pairs.join("&"))
    };
    let mut links = Vec::new();
    let next = query.offset + query.limit;
    if next < total {
        links.push(to(next + usize::from(off_by_one), "next"));
    }
    if total > 0 {
        links.push(to((total - 1) / query.limit * query.limit, "last"));
        links.push(to(0, "first"));
    }
    if query.offset > 0 {
        links.push(to(query.offset.saturating_sub(query.limit), "prev"));
    }
    links.join(", ")
}

/// Adds the rows of earlier days that are gone, with a deleting status.
fn add_tombstones(ask: &Ask<'_>, day: u32, name: &str, table: &mut Table, word: &str) {
    let mut gone: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for earlier in 1..day {
        let Ok(held) = ask.shared.world.day(ask.district, earlier) else { continue };
        let Day::OneRoster(set) = &*held else { continue };
        let Some(before) = set.table(name) else { continue };
        gone.extend(before.rows.iter().map(|row| (before.cell(row, "sourcedId").to_owned(), row.clone())));
    }
    for row in &table.rows {
        gone.remove(table.cell(row, "sourcedId"));
    }
    for mut row in gone.into_values() {
        for (column, value) in [("status", word), ("dateLastModified", "2025-10-07T05:00:00.000Z")] {
            if let Some(cell) = table.column(column).and_then(|at| row.get_mut(at)) {
                value.clone_into(cell);
            }
        }
        table.rows.push(row);
    }
}

/// Two rows go and one comes, as when the server's own import runs between two pages.
fn drift(table: &mut Table) {
    let going = table.rows.len().min(2);
    table.rows.drain(..going);
    let copy = table.rows.last().cloned();
    if let (Some(mut row), Some(at)) = (copy, table.column("sourcedId")) {
        if let Some(id) = row.get_mut(at) {
            id.push_str("-drifted");
        }
        table.rows.push(row);
    }
}

/// The OAuth 2 token endpoint: client credentials by Basic, in the form body, or in the query.
pub(crate) fn token(shared: &Shared, call: &Call, district: &str, now: u64) -> Reply {
    let mut fields = call.form();
    fields.extend(call.query.iter().cloned());
    let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let refuse = |status: StatusCode, error: &str| Reply::json(status, json!({ "error": error }));
    let sent = auth::basic(call).or_else(|| Some((field("client_id")?, field("client_secret")?)));
    let wanted = Credentials::of(district);
    if sent != Some((wanted.client_id, wanted.client_secret)) {
        return refuse(StatusCode::UNAUTHORIZED, "invalid_client").with("www-authenticate", "Basic");
    }
    if field("grant_type").as_deref() != Some("client_credentials") {
        return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
    let offered: Vec<String> = [Version::V1p1, Version::V1p2]
        .into_iter()
        .flat_map(|version| ["roster-core.readonly", "roster.readonly"].map(|name| version.scope(name)))
        .collect();
    let asked: Vec<String> = field("scope").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    if asked.iter().any(|scope| !offered.contains(scope)) {
        return refuse(StatusCode::BAD_REQUEST, "invalid_scope");
    }
    let scopes = if asked.is_empty() { offered } else { asked };
    let answer = json!({
        "access_token": shared.auth().issue(district, scopes.clone(), now),
        "token_type": "bearer",
        "expires_in": auth::TOKEN_SECONDS,
        "scope": scopes.join(" "),
    });
    Reply::json(StatusCode::OK, answer).with("cache-control", "no-store")
}

/// Lets the sender of a OneRoster request in, or says why not.
pub(crate) fn admit(
    shared: &Shared,
    call: &Call,
    district: &str,
    version: Version,
    now: u64,
) -> Result<Granted, Box<Reply>> {
    let max_uses = shared.quirks_of(district).expire_token;
    let granted = shared.auth().roster_request(call, district, max_uses, now);
    granted.map_err(|reason| Box::new(status::unauthorized(version, &reason)))
}
