//! Keyed hashes: what only who has the key can have made.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// HMAC-SHA256 of `text` in lowercase hex.
pub fn keyed_hex(key: &[u8], text: &[u8]) -> String {
    hex::encode(keyed(key, &[text]))
}

/// HMAC-SHA256 of `bytes`.
pub fn keyed(key: &[u8], bytes: &[&[u8]]) -> [u8; 32] {
    Keyed::new(key).of(bytes)
}

/// A key that was read, for many of them.
#[derive(Clone)]
pub struct Keyed(Hmac<Sha256>);

impl Keyed {
    /// Reads a key.
    ///
    /// # Panics
    ///
    /// Never: HMAC takes a key of any length.
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    pub fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("a key of any length"))
    }

    /// HMAC-SHA256 of `bytes`.
    pub fn of(&self, bytes: &[&[u8]]) -> [u8; 32] {
        bytes.iter().fold(self.0.clone(), Mac::chain_update).finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyed").finish_non_exhaustive()
    }
}

/// Whether two texts are the same, told in a time that does not depend on where they differ.
pub fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}
