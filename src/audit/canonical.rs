//! JSON as `jq -cS` prints it, so that a chain can be checked with `jq` and `sha256sum` alone.

use serde_json::Value;

/// A number in an audit entry is no integer: two programs need not print it alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an audit entry holds a number that is not an integer of at most 53 bits")]
pub struct NotAnInteger;

/// Integers beyond are doubles to `jq`.
const LARGEST: i64 = 1 << 53;

/// Keys sorted by their bytes, no spaces, integers only.
pub fn canonical(value: &Value) -> Result<String, NotAnInteger> {
    let mut text = String::new();
    write_value(value, &mut text)?;
    Ok(text)
}

fn write_value(value: &Value, out: &mut String) -> Result<(), NotAnInteger> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(number.as_i64().ok_or(NotAnInteger)?, out)?,
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(item, out)?;
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (index, (name, field)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_text(name, out);
                out.push(':');
                write_value(field, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn write_number(number: i64, out: &mut String) -> Result<(), NotAnInteger> {
    if !(-LARGEST..=LARGEST).contains(&number) {
        return Err(NotAnInteger);
    }
    out.push_str(&number.to_string());
    Ok(())
}

/// Escapes what `jq` escapes: unlike most, it also writes DEL as `\u007f`.
fn write_text(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    // By bytes: none of a sign that has several is among these.
    while let Some(at) = rest.bytes().position(|it| it < 0x20 || matches!(it, b'"' | b'\\' | 0x7f)) {
        let (plain, from) = rest.split_at(at);
        out.push_str(plain);
        let mut signs = from.chars();
        match signs.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\u{8}') => out.push_str("\\b"),
            Some('\u{c}') => out.push_str("\\f"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            other => {
                let code = other.map_or(0, u32::from);
                out.push_str("\\u00");
                out.push(char::from_digit(code / 16, 16).unwrap_or('0'));
                out.push(char::from_digit(code % 16, 16).unwrap_or('0'));
            }
        }
        rest = signs.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

/// An object whose fields are given in the order of their names, without a tree of values in between.
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Self {
        Self(String::with_capacity(256))
    }

    fn name(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        write_text(name, &mut self.0);
        self.0.push(':');
    }

    pub(super) fn text(&mut self, name: &str, text: Option<&str>) {
        self.name(name);
        match text {
            Some(text) => write_text(text, &mut self.0),
            None => self.0.push_str("null"),
        }
    }

    pub(super) fn number(&mut self, name: &str, number: i64) -> Result<(), NotAnInteger> {
        self.name(name);
        write_number(number, &mut self.0)
    }

    pub(super) fn value(&mut self, name: &str, value: Option<&Value>) -> Result<(), NotAnInteger> {
        self.name(name);
        write_value(value.unwrap_or(&Value::Null), &mut self.0)
    }

    pub(super) fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}
