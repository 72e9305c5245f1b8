//! A program that was built without the feature `otel` sends no traces, and says so where it is asked to.

use tracing_subscriber::layer::Identity;

/// Nothing.
#[derive(Debug)]
pub struct Traces;

impl Traces {
    pub(super) fn start() -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "as with the feature")]
    pub(super) fn layer(&self) -> Option<Identity> {
        None
    }

    #[expect(clippy::unused_self, reason = "as with the feature")]
    pub(super) fn problem(&self) -> Option<&str> {
        super::is_collector_named().then_some("this program was built without the feature `otel`")
    }

    /// Nothing is left to send.
    #[expect(clippy::unused_async, reason = "as with the feature")]
    pub async fn finish(self) {}
}
