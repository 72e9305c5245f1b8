//! The OpenAPI 3.1 document, made from the table of routes and what each takes.
//!
//! Fields are written `name`, `name!` where they must be there, `name:type` for other types than text: `count`, `page` (how many
//! rows), `bool`, `date`, `instant`, `list` (of texts), `objects`, or the words it may be, `one|other`. A test asks every route with fields that stand here
//! and with one that does not, so that the document and the handlers cannot drift apart.

use axum::http::Method;
use serde_json::{Map, Value, json};

use crate::http::routes::{Needs, ROUTES, Route, of_programs};

/// What a route takes and gives.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// In a sentence.
    pub summary: &'static str,
    /// Fields of the query.
    pub query: &'static str,
    /// Fields of the body; none where there is none or it is not JSON.
    pub body: Option<&'static str>,
    /// The status of a good answer.
    pub status: u16,
    /// The media type of a good answer.
    pub kind: &'static str,
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain";

const fn read(summary: &'static str, query: &'static str) -> Operation {
    Operation { summary, query, body: None, status: 200, kind: JSON }
}

const fn run(summary: &'static str, body: &'static str) -> Operation {
    Operation { summary, query: "", body: Some(body), status: 202, kind: JSON }
}

const PAGED: &str = "cursor limit:page";

/// What a route takes; none for one that is not described, which a test refuses.
pub fn operation(route: &Route) -> Option<Operation> {
    Some(match (route.method.as_str(), route.path) {
        ("GET", "/livez") => read("The process answers.", ""),
        ("GET", "/readyz") => read("Store and queue answer, and requests are taken.", ""),
        ("GET", "/openapi.json") => read("This document.", ""),
        ("GET", "/metrics") => Operation { kind: TEXT, ..read("Numbers for Prometheus.", "") },
        ("GET", "/v1/access") => {
            read("May this user open this product, or which may they open.", "district! user! product")
        }
        ("POST", "/v1/access") => {
            Operation { status: 200, ..run("The product is being opened.", "district! user! product!") }
        }
        ("GET", "/v1/access/snapshot") => {
            Operation { kind: TEXT, ..read("A signed file to answer from.", "district!") }
        }
        ("GET", "/v1/changes") => read("Seats, users, classes and enrollments in commit order.", "after limit:page"),
        ("POST", "/v1/syncs") => run("Ask for a sync.", "district! mode:apply|plan reason"),
        ("GET", "/v1/runs") => read(
            "Runs, newest first.",
            "district status:queued|fetching|planned|applying|applied|unchanged|held|failed|cancelled cursor limit:page",
        ),
        ("GET", "/v1/runs/{id}") => read("One run.", ""),
        ("GET", "/v1/runs/{id}/changes") => read("What a run changed and holds.", PAGED),
        ("GET", "/v1/runs/{id}/events") => Operation { kind: "text/event-stream", ..read("Progress of a run.", "") },
        ("POST", "/v1/runs/{id}/approve") => run("Approve what a run holds.", "hash groups:list reason"),
        ("POST", "/v1/runs/{id}/reject") => run("Reject what a run holds.", "hash groups:list reason"),
        ("POST", "/v1/runs/{id}/revert") => run("Take back what a run applied.", "plan:bool reason"),
        ("POST", "/v1/runs/{id}/cancel") => Operation { body: None, status: 200, ..run("Cancel a queued run.", "") },
        ("GET", "/v1/districts") => read("Districts.", ""),
        ("GET", "/v1/districts/{d}") => read("One district.", ""),
        ("PUT", "/v1/districts/{d}/mode") => run(
            "Narrow what syncs do by themselves.",
            "mode!:normal|no_removals|plan_only|paused from:date until:date reason",
        ),
        ("DELETE", "/v1/districts/{d}/mode") => run("Back to the usual.", "reason"),
        ("GET", "/v1/districts/{d}/licenses") => read("Seats of each product.", "by_school:bool product at:date"),
        ("GET", "/v1/districts/{d}/products/{p}/seats") => read(
            "Who has a seat, and who waits.",
            "at:date sort:user|since|last_use audience:student|educator|staff|any",
        ),
        ("GET", "/v1/districts/{d}/explain") => read("Why a user has a product or has it not.", "user! product"),
        ("GET", "/v1/districts/{d}/reports/{name}") => read("A report.", "product"),
        ("POST", "/v1/districts/{d}/activity") => run("First and last use of products.", "activity!:objects"),
        ("GET", "/v1/districts/{d}/alerts") => read("What someone should look at.", "all:bool"),
        ("POST", "/v1/districts/{d}/alerts/{id}/ack") => {
            Operation { status: 200, ..run("Someone has seen it.", "reason") }
        }
        ("PUT", "/v1/districts/{d}/products/{p}/override") => {
            Operation { query: "user!", ..run("Pin or exclude a user.", "kind!:pin|exclude reason! until:date") }
        }
        ("DELETE", "/v1/districts/{d}/products/{p}/override") => {
            Operation { query: "user!", ..run("Clear an override.", "reason") }
        }
        ("PUT", "/v1/districts/{d}/products/{p}/access") => run("Educator access.", "educator! on!:bool reason"),
        ("POST", "/v1/districts/{d}/products/{p}/assign") => {
            run("Give a product to users or a class.", "users:list class except:list reason!")
        }
        ("POST", "/v1/districts/{d}/products/{p}/unassign") => {
            run("Take a product from users or a class.", "users:list class except:list reason!")
        }
        ("POST", "/v1/districts/{d}/products/{p}/reassign") => run("Hand a seat over.", "from! to! reason"),
        ("POST", "/v1/districts/{d}/swap") => run("One product for another.", "user! from! to! reason"),
        ("POST", "/v1/districts/{d}/move-seats") => {
            run("Move seats between schools.", "subscription! from! to! seats!:count reason")
        }
        ("POST", "/v1/districts/{d}/threshold") => {
            run("Seats left when the district is told.", "subscription! remaining!:count reason!")
        }
        ("POST", "/v1/districts/{d}/seats/import") => {
            Operation { query: "plan:bool reason", body: None, ..run("Take over the seats people have, as CSV.", "") }
        }
        ("POST", "/v1/districts/{d}/enroll") => {
            run("Enroll users.", "class! users!:list role:administrator|aide|proctor|staff|student|teacher reason")
        }
        ("POST", "/v1/districts/{d}/unenroll") => run("End enrollments.", "class! users:list everyone:bool reason"),
        ("POST", "/v1/districts/{d}/roles/assign") => {
            run("Give a role.", "users!:list role!:administrator|aide|proctor|staff|student|teacher school! reason")
        }
        ("POST", "/v1/districts/{d}/roles/remove") => run(
            "Take a role away.",
            "users!:list role!:administrator|aide|proctor|staff|student|teacher school! reason",
        ),
        ("POST", "/v1/districts/{d}/users/transfer") => run("Move users to a school.", "users!:list from! to! reason"),
        ("POST", "/v1/districts/{d}/users/active") => {
            run("Enable or disable accounts.", "users!:list active!:bool reason")
        }
        ("POST", "/v1/districts/{d}/import") => {
            Operation { query: "plan:bool reason", body: None, ..run("Upload a roster, as a zip.", "") }
        }
        ("GET", "/v1/districts/{d}/suggestions") => read("How to get back under the limit.", "product school"),
        ("GET", "/v1/districts/{d}/identity") => read("Accounts that may be of one person.", ""),
        ("POST", "/v1/districts/{d}/identity") => {
            run("Decide on proposals.", "decision!:accept|refuse|undo ids!:list reason!")
        }
        ("PUT", "/v1/subscriptions/{id}") => Operation {
            query: "accept reason",
            ..run(
                "One purchase, as the catalog writes a subscription. 409 with `hash` where it would take away too many seats: \
                 the same with that as `accept`, and a reason, takes it.",
                "*",
            )
        },
        ("GET", "/v1/fleet") => read("What all districts together release.", ""),
        ("POST", "/v1/fleet/acknowledge") => {
            Operation { status: 200, ..run("Someone has looked at it: releases go on.", "reason!") }
        }
        ("GET", "/v1/catalog") => read("Products, subscriptions, and the last look.", ""),
        ("POST", "/v1/catalog/refresh") => {
            Operation { status: 200, ..run("Look at the catalog now.", "accept reason") }
        }
        ("GET", "/v1/audit") => {
            let filters = "district run user action category:role|license|administrative|system since:instant \
                           until:instant cursor limit:page";
            read("Audit entries.", filters)
        }
        ("GET", "/v1/audit/export") => Operation {
            kind: "application/x-ndjson",
            ..read(
                "All audit entries.",
                "format:jsonl|csv district run user action category:role|license|administrative|system since:instant \
                 until:instant",
            )
        },
        _ => return None,
    })
}

/// Fields of a list: name, whether it must be there, schema.
pub fn fields(list: &'static str) -> Vec<(&'static str, bool, Value)> {
    let field = |word: &'static str| {
        let (name, kind) = word.split_once(':').unwrap_or((word, "text"));
        let schema = match kind {
            "text" => json!({ "type": "string" }),
            "page" => json!({ "type": "integer", "minimum": 1, "maximum": 500 }),
            "count" => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
            "bool" => json!({ "type": "boolean" }),
            "date" => json!({ "type": "string", "format": "date" }),
            "list" => json!({ "type": "array", "items": { "type": "string" } }),
            "instant" => json!({ "type": "string", "format": "date-time" }),
            "objects" => json!({ "type": "array", "items": { "type": "object" } }),
            words => json!({ "type": "string", "enum": words.split('|').collect::<Vec<_>>() }),
        };
        (name.trim_end_matches('!'), name.ends_with('!'), schema)
    };
    list.split_whitespace().filter(|word| *word != "*").map(field).collect()
}

fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn security(needs: Needs) -> Value {
    match needs {
        Needs::Nothing => json!([{}]),
        Needs::Page | Needs::ReadUnlessOpen => json!([{ "token": ["read"] }, {}]),
        Needs::Form(_) | Needs::Door => json!([]),
        Needs::Scope(scope) => json!([{ "token": [scope.as_str()] }, { "token": ["admin"] }]),
    }
}

fn described(route: &Route, it: &Operation) -> Value {
    let in_path = path_parameters(route.path)
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let in_query = fields(it.query)
        .into_iter()
        .map(|(name, required, schema)| json!({ "name": name, "in": "query", "required": required, "schema": schema }));
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    let problem = json!({ "$ref": "#/components/responses/problem" });
    let mut operation = json!({
        "summary": it.summary,
        "operationId": format!("{} {}", route.method.as_str().to_ascii_lowercase(), route.path),
        "security": security(route.needs),
        "parameters": parameters,
        "responses": { it.status.to_string(): { "description": "As asked.", "content": { it.kind: {} } }, "default": problem },
    });
    if route.path == "/v1/audit/export"
        && let Some(content) = operation.pointer_mut("/responses/200/content").and_then(Value::as_object_mut)
    {
        content.insert("text/csv".to_owned(), json!({}));
    }
    if it.status == 202
        && let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut)
    {
        responses
            .insert("200".to_owned(), json!({ "description": "Nothing had to be decided.", "content": { JSON: {} } }));
    }
    if let (Some(list), Some(operation)) = (it.body, operation.as_object_mut()) {
        let all = fields(list);
        let required: Vec<&str> = all.iter().filter(|it| it.1).map(|it| it.0).collect();
        let properties: Map<String, Value> =
            all.iter().map(|(name, _, schema)| ((*name).to_owned(), schema.clone())).collect();
        let schema = if list == "*" {
            json!({ "type": "object", "required": ["district", "product", "seats", "starts_on", "expires_on"] })
        } else {
            json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
        };
        let body = json!({ "required": !required.is_empty(), "content": { JSON: { "schema": schema } } });
        operation.insert("requestBody".to_owned(), body);
    }
    operation
}

/// The document.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in of_programs() {
        let Some(it) = operation(route) else { continue };
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.as_str().to_ascii_lowercase(), described(route, &it));
        }
    }
    let problem = json!({
        "type": "object", "required": ["type", "title", "status", "detail"],
        "properties": { "type": { "type": "string" }, "title": { "type": "string" }, "status": { "type": "integer" },
            "detail": { "type": "string" } },
    });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "rosterd", "version": env!("CARGO_PKG_VERSION"),
            "description": "School rosters and the license seats that follow from them. Errors are RFC 9457 problem documents.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer",
                "description": "`rosterd token create`; the words are scopes, of which one is needed" } },
            "schemas": { "problem": problem },
            "responses": { "problem": { "description": "Why not, and what to do.",
                "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/problem" } } } } },
        },
    })
}

/// Methods that a path of the table takes.
pub fn methods(path: &str) -> Vec<Method> {
    ROUTES.iter().filter(|it| it.path == path).map(|it| it.method.clone()).collect()
}
