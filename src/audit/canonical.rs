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
        Value::Number(number) => {
            let number = number.as_i64().ok_or(NotAnInteger)?;
            if !(-LARGEST..=LARGEST).contains(&number) {
                return Err(NotAnInteger);
            }
            out.push_str(&number.to_string());
        }
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

/// Escapes what `jq` escapes: unlike most, it also writes DEL as `\u007f`.
fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' || c == '\u{7f}' => {
                let code = u32::from(c);
                out.push_str("\\u00");
                out.push(char::from_digit(code / 16, 16).unwrap_or('0'));
                out.push(char::from_digit(code % 16, 16).unwrap_or('0'));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
