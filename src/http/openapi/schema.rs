//! Schemas as the types of the handlers tell them: what is read and what is written can drift apart from no description.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value};

/// Has a type told to a generator.
pub type Told = fn(&mut SchemaGenerator) -> Schema;

/// How `T` is told.
pub(super) const fn told<T: JsonSchema>() -> Told {
    |generator| generator.subschema_for::<T>()
}

/// What answers look like; larger types are told once, under `components`.
pub(super) fn of_answers() -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    settings.into_generator()
}

/// What is taken, each in one piece.
fn of_requests() -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12().for_deserialize();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    settings.into_generator()
}

/// What a caller may send.
pub(super) fn request(told: Told) -> Value {
    told(&mut of_requests()).to_value()
}

/// A field of a query or a body.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Whether it must be there.
    pub required: bool,
    /// What it may be.
    pub schema: Value,
}

/// The fields of a query or a body, by name.
pub(super) fn fields(told: Told) -> Vec<Field> {
    let schema = request(told);
    let empty = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let required = |name: &str| {
        let names = schema.get("required").and_then(Value::as_array);
        names.is_some_and(|names| names.iter().any(|it| it == name))
    };
    let field = |(name, schema): (&String, &Value)| Field {
        name: name.clone(),
        required: required(name),
        schema: schema.clone(),
    };
    properties.iter().map(field).collect()
}

/// The same without null: a query has no word for it, what is not there is left out.
pub(super) fn said(mut schema: Value) -> Value {
    let Some(fields) = schema.as_object_mut() else { return schema };
    let is_null = |it: &Value| it == "null" || it.get("type").is_some_and(|it| it == "null") || it.is_null();
    for key in ["type", "enum", "anyOf"] {
        let Some(several) = fields.get_mut(key).and_then(Value::as_array_mut) else { continue };
        several.retain(|it| !is_null(it));
        if let ("type" | "anyOf", [one]) = (key, several.as_slice()) {
            let one = one.clone();
            match one {
                Value::Object(one) => {
                    fields.remove(key);
                    // What the field itself says of it is nearer than what its type does.
                    for (name, value) in one {
                        fields.entry(name).or_insert(value);
                    }
                }
                one => {
                    fields.insert(key.to_owned(), one);
                }
            }
        }
    }
    if fields.get("default").is_some_and(Value::is_null) {
        fields.remove("default");
    }
    schema
}
