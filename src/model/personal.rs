//! What must never reach a log, an error, a metric or the audit table.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A name, email, user name or student number. `Debug` hides it and there is no `Display`: whoever shows one says
/// [`Personal::reveal`], which is easy to search for (safety.md, People's data).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Personal(String);

impl Personal {
    /// Wraps the text as it came.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for the store, for `roster` and `find`, and for comparing.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<personal>")
    }
}
