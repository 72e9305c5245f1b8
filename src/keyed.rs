//! Keyed hashes: what only who has the key can have made.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// HMAC-SHA256 of `text` in lowercase hex.
pub fn keyed_hex(key: &[u8], text: &[u8]) -> String {
    hex::encode(keyed(key, &[text]))
}

/// HMAC-SHA256 of `bytes`.
///
/// # Panics
///
/// Never: HMAC takes a key of any length.
#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
pub fn keyed(key: &[u8], bytes: &[&[u8]]) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    bytes.iter().fold(mac, Mac::chain_update).finalize().into_bytes().into()
}

/// Whether two texts are the same, told in a time that does not depend on where they differ.
pub fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}
