//! The OpenAPI 3.1 document, made from the table of routes, what each does (`operations.rs`), and the types that its handler reads
//! and writes (`schema.rs`).

mod operations;
mod schema;

use std::sync::LazyLock;

use axum::http::Method;
use serde_json::{Map, Value, json};

pub use self::operations::{Operation, Sent, operation};
pub use self::schema::{Field, Told};
use self::schema::{of_answers, request, said};
use crate::http::routes::{Needs, ROUTES, Route, of_programs};

const JSON: &str = "application/json";
const CSV: &str = "text/csv";
const TEXT: &str = "text/plain";

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

fn parameters(route: &Route, it: &Operation) -> Vec<Value> {
    let in_path = path_parameters(route.path)
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let in_query = it.query_fields().into_iter().map(|Field { name, required, schema }| {
        let mut schema = said(schema);
        let description = schema.as_object_mut().and_then(|it| it.remove("description"));
        let mut parameter = json!({ "name": name, "in": "query", "required": required, "schema": schema });
        if let (Some(text), Some(fields)) = (description, parameter.as_object_mut()) {
            fields.insert("description".to_owned(), text);
        }
        parameter
    });
    let once = it.once.then(|| {
        json!({ "name": "Idempotency-Key", "in": "header", "required": false,
            "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
            "description": "The same key of the same token gives the same run." })
    });
    in_path.chain(in_query).chain(once).collect()
}

fn media(kind: &str, schema: Option<Value>) -> Value {
    json!({ kind: schema.map_or_else(|| json!({}), |schema| json!({ "schema": schema })) })
}

fn body(sent: &Sent) -> Option<Value> {
    match sent {
        Sent::Nothing => None,
        Sent::Json(told) => {
            let schema = request(*told);
            let required = schema.get("required").and_then(Value::as_array).is_some_and(|names| !names.is_empty());
            Some(json!({ "required": required, "content": media(JSON, Some(schema)) }))
        }
        Sent::File(kind) => Some(json!({ "required": true, "content": media(kind, None) })),
    }
}

fn responses(it: &Operation, generator: &mut schemars::SchemaGenerator) -> Value {
    let mut all = Map::new();
    let mut answer = |told: Option<Told>, kind: &str| {
        let schema = told.map(|told| told(generator).to_value());
        media(kind, schema)
    };
    let mut content = answer(it.answer, it.kind);
    if let (Some(kind), Some(content)) = (it.also, content.as_object_mut()) {
        content.insert(kind.to_owned(), json!({}));
    }
    all.insert(it.status.to_string(), json!({ "description": "As asked.", "content": content }));
    if let Some(told) = it.settled {
        let content = answer(Some(told), JSON);
        all.insert("200".to_owned(), json!({ "description": "Nothing is left for a run.", "content": content }));
    }
    all.insert("default".to_owned(), json!({ "$ref": "#/components/responses/problem" }));
    Value::Object(all)
}

fn described(route: &Route, it: &Operation, generator: &mut schemars::SchemaGenerator) -> Value {
    let mut operation = json!({
        "summary": it.summary,
        "operationId": format!("{} {}", route.method.as_str().to_ascii_lowercase(), route.path),
        "security": security(route.needs),
        "parameters": parameters(route, it),
        "responses": responses(it, generator),
    });
    if let (Some(body), Some(fields)) = (body(&it.sent), operation.as_object_mut()) {
        fields.insert("requestBody".to_owned(), body);
    }
    operation
}

/// The document, made once: nobody needs a token to ask for it.
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(made);
    &DOCUMENT
}

fn made() -> Value {
    let mut generator = of_answers();
    let mut paths: Map<String, Value> = Map::new();
    for route in of_programs() {
        let Some(it) = operation(route) else { continue };
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.as_str().to_ascii_lowercase(), described(route, &it, &mut generator));
        }
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert(
        "problem".to_owned(),
        json!({
            "type": "object", "required": ["type", "title", "status", "detail"],
            "properties": { "type": { "type": "string" }, "title": { "type": "string" }, "status": { "type": "integer" },
                "detail": { "type": "string" } },
        }),
    );
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
            "schemas": schemas,
            "responses": { "problem": { "description": "Why not, and what to do.",
                "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/problem" } } } } },
        },
    })
}

/// Methods that a path of the table takes.
pub fn methods(path: &str) -> Vec<Method> {
    ROUTES.iter().filter(|it| it.path == path).map(|it| it.method.clone()).collect()
}
