//! Source ids that would give a person away (safety.md, People's data).

use crate::keyed::keyed_hex;

/// What every pseudonym starts with.
pub const PREFIX: &str = "id~";

/// The keyed hash that stands for an id: `id~` and 24 hex digits of HMAC-SHA256. The same installation gives the same id
/// the same pseudonym; without its key nobody can try names against it.
pub fn pseudonym(key: &[u8], id: &str) -> String {
    let short: String = keyed_hex(key, id.as_bytes()).chars().take(24).collect();
    format!("{PREFIX}{short}")
}

/// The id as the audit may show it: itself, or its pseudonym where it contains `@` or equals one of the row's `personal`
/// fields. An id that looks like a pseudonym becomes one, too, so that none can be forged.
pub fn shown_id(key: &[u8], id: &str, personal: &[&str]) -> String {
    if id.contains('@') || id.starts_with(PREFIX) || personal.contains(&id) {
        pseudonym(key, id)
    } else {
        id.to_owned()
    }
}
