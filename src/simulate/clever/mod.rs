//! The Clever server: the token list and the Data API v3.0 and v3.1 over a district in Clever's format.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use axum::http::StatusCode;
use chrono::Days;
use chrono::NaiveDate;
use serde_json::Value;
use serde_json::json;

use super::auth;
use super::http::Call;
use super::http::Page;
use super::http::Reply;
use super::patch::Objects;
use super::quirks::Quirks;
use super::server::Shared;
use super::world::Day;
use super::world::Format;

pub(crate) mod paging;

use paging::BadRange;
use paging::Range;

/// Objects of one kind, ascending by id.
type Kind = BTreeMap<String, Value>;

/// The collections that have paths of their own.
const COLLECTIONS: [&str; 6] = ["districts", "schools", "sections", "courses", "terms", "users"];

/// What the app may read; the same for every district.
const SCOPES: [&str; 10] = [
    "read:district_admins_basic",
    "read:school_admins_basic",
    "read:schools_basic",
    "read:sections_basic",
    "read:student_contacts",
    "read:students_basic",
    "read:teachers_basic",
    "read:terms_basic",
    "read:courses_basic",
    "read:user_id",
];

/// The name a district's token is kept under.
pub(crate) fn token_name(district: &str) -> String {
    format!("clever/{district}")
}

/// The district a bearer belongs to, spent or not.
pub(crate) fn district_of(shared: &Shared, call: &Call) -> Option<String> {
    let bearer = call.authorization("Bearer")?;
    let auth = shared.auth();
    let mut districts = districts(shared);
    districts.find(|district| auth.is_rotating(&token_name(district), bearer)).map(str::to_owned)
}

fn districts(shared: &Shared) -> impl Iterator<Item = &str> {
    shared.world.districts().filter(|district| shared.world.format(district) == Some(Format::Clever))
}

fn message(status: StatusCode, text: &str) -> Reply {
    Reply::json(status, json!({ "message": text }))
}

/// `/oauth/…`: the token list and tokeninfo.
pub(crate) fn oauth(shared: &Shared, call: &Call, rest: &[&str]) -> Reply {
    match rest {
        ["tokens"] => token_list(shared, call),
        ["tokeninfo"] => match district_of(shared, call) {
            Some(_) => Reply::json(StatusCode::OK, json!({ "client_id": auth::CLEVER_CLIENT, "scopes": SCOPES })),
            None => message(StatusCode::UNAUTHORIZED, "invalid token"),
        },
        _ => Reply::cannot(call),
    }
}

fn token_list(shared: &Shared, call: &Call) -> Reply {
    let wanted = (auth::CLEVER_CLIENT.to_owned(), auth::CLEVER_SECRET.to_owned());
    if auth::basic(call) != Some(wanted) {
        return message(StatusCode::UNAUTHORIZED, "invalid client").with("www-authenticate", "Basic");
    }
    if call.param("owner_type") != Some("district") {
        return message(StatusCode::BAD_REQUEST, "owner_type must be district");
    }
    let mut data = Vec::new();
    for district in districts(shared) {
        let quirks = shared.quirks_of(district);
        let Some(id) = shared.world.clever_id(district) else { continue };
        if quirks.has("vanished") || call.param("district").is_some_and(|asked| asked != id) {
            continue;
        }
        let token = shared.auth().list_rotating(&token_name(district), quirks.expire_token);
        data.push(json!({
            "id": id.chars().rev().collect::<String>(),
            "created": "2025-07-23T21:56:32.335Z",
            "owner": { "type": "district", "id": id },
            "access_token": token,
            "scopes": SCOPES,
        }));
    }
    let own = json!({ "rel": "self", "uri": format!("{}?{}", call.path, call.raw_query) });
    Reply::json(StatusCode::OK, json!({ "data": data, "links": [own] }))
}

/// A data request, on its way.
struct Ask<'a> {
    call: &'a Call,
    /// `v3.0` or `v3.1`.
    version: &'a str,
    objects: &'a Objects,
    quirks: &'a Quirks,
    last_sync: String,
    shared: &'a Shared,
    district: &'a str,
}

/// Answers a data request; `segments` follow the version.
pub(crate) fn answer(shared: &Shared, call: &Call, district: &str, version: &str, segments: &[&str]) -> Reply {
    let quirks = shared.quirks_of(district);
    if !shared.auth().use_rotating(&token_name(district), quirks.expire_token) {
        return message(StatusCode::UNAUTHORIZED, "the token has expired; list the tokens again");
    }
    if quirks.has("vanished") {
        return message(StatusCode::FORBIDDEN, "the district no longer shares with this application");
    }
    let day = shared.day();
    let Ok(held) = shared.world.day(district, day) else { return Reply::cannot(call) };
    let Day::Clever(objects) = &*held else { return Reply::cannot(call) };
    let mut last_sync = last_sync(day);
    let mut drifted = None;
    if let Some(pages) = quirks.drift {
        let collection = segments.first().copied().unwrap_or("");
        let counted = ["users", "sections"].contains(&collection);
        let seen = if counted { shared.count_page(district, "clever") } else { shared.pages(district, "clever") };
        if seen > pages {
            last_sync = last_sync.replace("T06:08:", "T06:13:");
            drifted = Some(drift(objects));
        }
    }
    let objects = drifted.as_ref().unwrap_or(objects);
    Ask { call, version, objects, quirks: &quirks, last_sync, shared, district }.answer(segments)
}

/// When the district last synced: each day at about 06:08 UTC, day 1 being 2025-10-06.
fn last_sync(day: u32) -> String {
    let start = NaiveDate::from_ymd_opt(2025, 10, 5).unwrap_or_default();
    let date = start.checked_add_days(Days::new(u64::from(day))).unwrap_or(start);
    format!("{date}T06:08:05.652Z")
}

/// Two users go and one comes between two pages.
fn drift(objects: &Objects) -> Objects {
    let mut objects = objects.clone();
    if let Some(users) = objects.get_mut("users") {
        users.pop_first();
        users.pop_first();
        if let Some((id, mut user)) = users.last_key_value().map(|(id, user)| (id.clone(), user.clone())) {
            let id: String = id.chars().take(23).chain(['f']).collect();
            if let Some(fields) = user.as_object_mut() {
                fields.insert("id".to_owned(), json!(id));
            }
            users.insert(id, user);
        }
    }
    objects
}

impl<'a> Ask<'a> {
    fn kind(&self, name: &str) -> Option<&'a Kind> {
        self.objects.get(name)
    }

    fn object(&self, kind: &str, id: &str) -> Option<&'a Value> {
        self.kind(kind)?.get(id)
    }

    fn answer(&self, segments: &[&str]) -> Reply {
        match *segments {
            ["resources"] => self.odd_resources(),
            ["events"] => self.list("events", Vec::new()),
            [kind] if COLLECTIONS.contains(&kind) => self.collection(kind),
            [kind, id] if COLLECTIONS.contains(&kind) => self.one(kind, id),
            [kind, id, child] if COLLECTIONS.contains(&kind) => match self.object(kind, id) {
                Some(parent) => self.nested(kind, id, child, parent),
                None => self.not_found(),
            },
            _ => Reply::cannot(self.call),
        }
    }

    fn not_found(&self) -> Reply {
        self.rated(message(StatusCode::NOT_FOUND, "Not Found"))
    }

    fn rated(&self, reply: Reply) -> Reply {
        self.shared.clever_rate_headers(self.district, reply)
    }

    /// `/resources` has an envelope of its own.
    fn odd_resources(&self) -> Reply {
        self.rated(Reply::json(StatusCode::OK, json!({ "resources": [] })).with("content-type", "application/json"))
    }

    fn collection(&self, kind: &str) -> Reply {
        let all: Vec<_> = self.kind(kind).into_iter().flat_map(Kind::values).collect();
        let rows = match (kind, self.call.param("role").filter(|role| !role.is_empty())) {
            ("users", Some(role)) => all.into_iter().filter(|user| has_role(user, role)).collect(),
            _ => all,
        };
        self.list(kind, rows)
    }

    fn one(&self, kind: &str, id: &str) -> Reply {
        let Some(object) = self.object(kind, id) else { return self.not_found() };
        let rels: &[&str] = match kind {
            "schools" => &["district", "sections", "users", "terms", "courses"],
            "sections" => &["district", "school", "term", "course", "users"],
            "courses" | "terms" => &["district", "sections", "schools"],
            "users" if has_role(object, "student") => &["district", "sections", "myContacts", "myTeachers", "schools"],
            "users" if has_role(object, "teacher") => &["district", "sections", "schools", "myStudents"],
            "users" => &["district"],
            _ => &[],
        };
        let own = format!("/{}/{kind}/{id}", self.version);
        let mut links = vec![json!({ "rel": "self", "uri": own })];
        links.extend(rels.iter().map(|rel| json!({ "rel": rel, "uri": format!("{own}/{rel}") })));
        self.rated(Reply::json(StatusCode::OK, json!({ "data": self.dress(kind, object), "links": links })))
    }

    /// A to-one sub-resource: the target, whose only link is its own.
    fn target(&self, kind: &str, id: Option<&Value>) -> Reply {
        let id = id.and_then(Value::as_str).unwrap_or("");
        let Some(object) = self.object(kind, id) else { return self.not_found() };
        let own = json!({ "rel": "self", "uri": format!("/{}/{kind}/{id}", self.version) });
        self.rated(Reply::json(StatusCode::OK, json!({ "data": self.dress(kind, object), "links": [own] })))
    }

    fn nested(&self, kind: &str, id: &str, child: &str, parent: &Value) -> Reply {
        let child = child.to_ascii_lowercase();
        match (kind, child.as_str()) {
            (_, "district") => self.target("districts", parent.get("district")),
            ("sections", "course") => self.target("courses", parent.get("course")),
            ("sections", "school") => self.target("schools", parent.get("school")),
            ("sections", "term") => self.target("terms", parent.get("term_id")),
            ("users" | "sections" | "courses", "resources") => self.odd_resources(),
            ("schools", "users") => {
                let role = self.call.param("role");
                let here =
                    |user: &&Value| role.is_none_or(|role| has_role(user, role)) && self.schools_of(user).contains(id);
                self.list("users", self.all("users").filter(here).collect())
            }
            ("schools" | "users" | "courses" | "terms", "sections") => {
                let of = sections_of(kind, id);
                self.list("sections", self.all("sections").filter(|section| of(section)).collect())
            }
            ("schools", "courses" | "terms") => {
                let field = if child == "courses" { "course" } else { "term_id" };
                let of = sections_of("schools", id);
                let ids = self.all("sections").filter(|section| of(section)).filter_map(|section| section.get(field));
                self.by_ids(&child, ids.filter_map(Value::as_str).collect())
            }
            ("courses" | "terms", "schools") => {
                let of = sections_of(kind, id);
                let ids =
                    self.all("sections").filter(|section| of(section)).filter_map(|section| section.get("school"));
                self.by_ids("schools", ids.filter_map(Value::as_str).collect())
            }
            ("sections", "users") => {
                let role = self.call.param("role");
                let lists = ["students", "teachers"];
                let lists = lists.into_iter().filter(|list| role.is_none_or(|role| list.trim_end_matches('s') == role));
                self.by_ids("users", lists.flat_map(|list| texts(parent.get(list))).collect())
            }
            ("users", "schools") => self.by_ids("schools", self.schools_of(parent)),
            ("users", "mystudents") => self.classmates(id, "teachers", "students"),
            ("users", "myteachers") => self.classmates(id, "students", "teachers"),
            ("users", "mycontacts") => {
                let mine = |user: &&Value| {
                    let relations = user.pointer("/roles/contact/student_relationships").and_then(Value::as_array);
                    relations.into_iter().flatten().any(|one| one.get("student").and_then(Value::as_str) == Some(id))
                };
                self.list("users", self.all("users").filter(mine).collect())
            }
            _ => Reply::cannot(self.call),
        }
    }

    /// Who stands in the other list of the sections where this user stands in one.
    fn classmates(&self, id: &str, mine: &str, theirs: &str) -> Reply {
        let with = self.all("sections").filter(|section| texts(section.get(mine)).any(|user| user == id));
        self.by_ids("users", with.flat_map(|section| texts(section.get(theirs))).collect())
    }

    /// The schools of all roles of a user; with `primary=true` only the first of each role.
    fn schools_of<'u>(&self, user: &'u Value) -> BTreeSet<&'u str> {
        let roles = user.get("roles").and_then(Value::as_object).into_iter().flat_map(|roles| roles.values());
        if self.call.param("primary") == Some("true") {
            roles.filter_map(|role| role.get("school").and_then(Value::as_str)).collect()
        } else {
            roles.flat_map(|role| texts(role.get("schools"))).collect()
        }
    }

    fn all(&self, kind: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
        self.kind(kind).into_iter().flat_map(Kind::values)
    }

    /// The objects of these ids that are there, in order.
    fn by_ids(&self, kind: &str, ids: BTreeSet<&str>) -> Reply {
        self.list(kind, ids.into_iter().filter_map(|id| self.object(kind, id)).collect())
    }

    fn list(&self, kind: &str, mut rows: Vec<&Value>) -> Reply {
        let mut range = match Range::read(self.call) {
            Ok(range) => range,
            Err(BadRange::TooLarge) => {
                return self.rated(message(StatusCode::PAYLOAD_TOO_LARGE, "limit is at most 10000"));
            }
            Err(BadRange::NotANumber) => {
                return self.rated(message(StatusCode::BAD_REQUEST, "limit is a whole number from 1"));
            }
        };
        if let Some(clamp) = self.quirks.clamp {
            range.limit = range.limit.min(usize::try_from(clamp).unwrap_or(usize::MAX));
        }
        if self.quirks.empty.contains(kind) {
            rows.clear();
        }
        if self.quirks.has("repeat-page") {
            range.starting_after = None;
        }
        let ids: Vec<&str> = rows.iter().filter_map(|row| row.get("id").and_then(Value::as_str)).collect();
        let cut = range.cut(&ids);
        let page = rows.get(cut.start..cut.end).unwrap_or_default();
        let data: Vec<_> = page.iter().map(|row| self.row(kind, row)).collect();
        let origin = if self.quirks.has("link-foreign") { "http://elsewhere.example" } else { "" };
        let links = paging::links(self.call, &cut, ids.get(cut.start..cut.end).unwrap_or_default(), origin);
        let shown = Page { collection: kind.to_owned(), rows: data.len() };
        let mut body = json!({ "data": data, "links": links });
        if let (Some("true"), Some(fields)) = (self.call.param("count"), body.as_object_mut()) {
            fields.insert("count".to_owned(), json!(rows.len()));
        }
        let mut reply = self.rated(Reply::json(StatusCode::OK, body));
        reply.page = Some(shown);
        reply
    }

    fn row(&self, kind: &str, object: &Value) -> Value {
        let id = object.get("id").and_then(Value::as_str).unwrap_or("");
        json!({ "data": self.dress(kind, object), "uri": format!("/{}/{kind}/{id}", self.version) })
    }

    /// An object as it is served: the district's state and sync, 3.1's fields, extra ones.
    fn dress(&self, kind: &str, object: &Value) -> Value {
        let mut object = object.clone();
        let Some(fields) = object.as_object_mut() else { return object };
        if kind == "districts" {
            fields.insert("last_sync".to_owned(), json!(self.last_sync));
            if let Some(state) = &self.quirks.district_state {
                fields.insert("state".to_owned(), json!(state));
                if state == "paused" {
                    fields.insert("pause_start".to_owned(), json!("2025-10-01T00:00:00.000Z"));
                    fields.insert("pause_end".to_owned(), json!("2025-10-20T00:00:00.000Z"));
                } else {
                    fields.insert("error".to_owned(), json!("The last upload could not be read."));
                }
            }
        }
        if self.version == "v3.1" {
            match kind {
                "districts" => {
                    fields.insert("lms_state".to_owned(), json!(""));
                    fields.insert("lms_type".to_owned(), json!(""));
                }
                "users" | "sections" => {
                    fields.insert("lms_status".to_owned(), json!({ "synced_in_lms": false }));
                }
                _ => {}
            }
        }
        if self.quirks.has("extra-fields") {
            fields.insert("x_vendor_field".to_owned(), json!({ "nested": [1, null, "two"] }));
        }
        object
    }
}

fn has_role(user: &Value, role: &str) -> bool {
    user.get("roles").and_then(|roles| roles.get(role)).is_some_and(|role| !role.is_null())
}

fn texts(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Whether a section belongs to an object.
fn sections_of<'a>(kind: &'a str, id: &'a str) -> impl Fn(&Value) -> bool + 'a {
    move |section| {
        let field = match kind {
            "users" => {
                return ["students", "teachers"].iter().any(|list| texts(section.get(*list)).any(|user| user == id));
            }
            "schools" => "school",
            "courses" => "course",
            _ => "term_id",
        };
        section.get(field).and_then(Value::as_str) == Some(id)
    }
}
