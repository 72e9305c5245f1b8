//! Source ids that would give a person away (safety.md, People's data).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What every pseudonym starts with.
pub(super) const PREFIX: &str = "id~";

/// The keyed hash that stands for an id: `id~` and 24 hex digits of HMAC-SHA256. The same installation gives the same id
/// the same pseudonym; without its key nobody can try names against it.
pub fn pseudonym(key: &[u8], id: &str) -> String {
    // HMAC takes a key of any length, so there is always a digest
    let digest = Hmac::<Sha256>::new_from_slice(key)
        .map(|mac| mac.chain_update(id.as_bytes()).finalize().into_bytes())
        .unwrap_or_default();
    let short: Vec<u8> = digest.iter().take(12).copied().collect();
    format!("{PREFIX}{}", hex::encode(short))
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
