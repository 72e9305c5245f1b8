//! Bearer tokens: 256 random bits behind a prefix, stored as a hash, limited to scopes and districts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// What a token may do (interface.md, HTTP).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Read runs, licenses, audit.
    Read,
    /// Names in answers.
    People,
    /// Ask for syncs.
    Sync,
    /// Approve, reject, cancel, revert.
    Approve,
    /// Overrides and the other manual verbs.
    Manage,
    /// Report use.
    Activity,
    /// Ask whether a user may open a product.
    Access,
    /// Everything.
    Admin,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 8] =
        [Self::Read, Self::People, Self::Sync, Self::Approve, Self::Manage, Self::Activity, Self::Access, Self::Admin];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::People => "people",
            Self::Sync => "sync",
            Self::Approve => "approve",
            Self::Manage => "manage",
            Self::Activity => "activity",
            Self::Access => "access",
            Self::Admin => "admin",
        }
    }

    /// The scope of a word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// A new secret. Chance is drawn here and nowhere else on the HTTP side.
pub fn new_secret() -> String {
    let bytes: [u8; 32] = rand::random();
    format!("rstd_{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// A new request's id.
pub(crate) fn request_id() -> String {
    let bytes: [u8; 8] = rand::random();
    hex::encode(bytes)
}

/// What nobody can guess and nobody gets twice.
pub(crate) fn seed() -> String {
    let bytes: [u8; 16] = rand::random();
    hex::encode(bytes)
}

/// What is stored of a secret: SHA-256 in hex. The secrets are random, so no salt and no slow hash is needed.
pub fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}
