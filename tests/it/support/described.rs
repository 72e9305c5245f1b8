//! Holds an answer against what `/openapi.json` says of it.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use reqwest::Method;
use rosterd::http::openapi::document;
use serde_json::{Value, json};

static MADE: LazyLock<Mutex<BTreeMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// The path of the table that a request's path is one of; a fixed word comes before a parameter.
fn template(path: &str) -> Option<&'static str> {
    let asked: Vec<&str> = path.split('?').next().unwrap_or_default().split('/').collect();
    let fits = |template: &&String| {
        let parts: Vec<&str> = template.split('/').collect();
        parts.len() == asked.len()
            && parts.iter().zip(&asked).all(|(part, asked)| part.starts_with('{') || part == asked)
    };
    let paths = document()["paths"].as_object().unwrap();
    paths.keys().filter(fits).min_by_key(|it| it.matches('{').count()).map(String::as_str)
}

fn validator(schema: &Value) -> Arc<Validator> {
    let mut made = MADE.lock().unwrap();
    let make = || {
        let whole = json!({ "allOf": [schema], "components": document()["components"] });
        Arc::new(jsonschema::options().should_validate_formats(true).build(&whole).unwrap())
    };
    Arc::clone(made.entry(schema.to_string()).or_insert_with(make))
}

/// The body in JSON, or null; it is as the document says.
pub(crate) async fn body(method: &Method, path: &str, answer: reqwest::Response) -> Value {
    let kind = answer.headers().get("content-type").map(|it| it.to_str().unwrap().to_owned()).unwrap_or_default();
    let status = answer.status().as_u16();
    let body = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null);
    is_as_described(method, path, status, &kind, &body);
    body
}

/// Nothing is said of pages, of files, and of what is not there.
fn is_as_described(method: &Method, path: &str, status: u16, kind: &str, body: &Value) {
    let operation = template(path).map(|it| &document()["paths"][it][method.as_str().to_ascii_lowercase()]);
    let Some(operation) = operation.filter(|it| it.is_object()) else { return };
    let kind = kind.split(';').next().unwrap_or_default();
    let response = if status < 400 {
        operation["responses"]
            .get(status.to_string())
            .unwrap_or_else(|| panic!("{method} {path}: {status} is not told"))
    } else {
        &document()["components"]["responses"]["problem"]
    };
    let content =
        response["content"].get(kind).unwrap_or_else(|| panic!("{method} {path}: {status} as {kind} is not told"));
    if let Some(schema) = content.get("schema") {
        let validator = validator(schema);
        let errors: Vec<String> =
            validator.iter_errors(body).map(|it| format!("{}: {it}", it.instance_path())).collect();
        assert!(errors.is_empty(), "{method} {path}: {status} is not as told: {errors:#?}\n{body}");
    }
}
