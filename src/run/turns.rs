//! The turnstile of all processes over one queue: where they take turns to ask a server that counts them together.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::feed::{Counted, Turnstile};
use crate::store::Queue;

#[derive(Debug)]
struct AtQueue(Queue);

impl Turnstile for AtQueue {
    fn take<'a>(&'a self, counted: &'a Counted, length: Duration) -> BoxFuture<'a, Result<Duration, String>> {
        Box::pin(async move {
            let taken = self.0.take_turns(&counted.server, counted.per_second, length, None).await;
            taken.map_err(|error| error.to_string())
        })
    }
}

/// The turnstile of a queue.
pub fn turnstile(queue: &Queue) -> Arc<dyn Turnstile> {
    Arc::new(AtQueue(queue.clone()))
}
