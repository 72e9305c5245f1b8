//! The doorbell of `GET /v1/changes`: a signed POST that says that there is more, and nothing else. Whoever hears it asks for
//! the changes, so one that is lost, repeated or forged does no harm.

use serde::Deserialize;

use crate::feed::FeedError;
use crate::feed::http::Post;
use crate::feed::webhook::{Named, Webhook};
use crate::secret::{Environment, Secret};

const NAMED: Named = Named {
    what: "changes",
    url: "changes.webhook_url",
    secret: "changes.webhook_secret",
    advice: "check `changes.webhook_url`",
};

/// `[changes]` of the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Doorbell(Webhook);

impl Doorbell {
    /// Whether there is a bell to ring.
    pub fn is_set(&self) -> bool {
        self.0.webhook_url.is_some()
    }

    /// What rings are signed with, if there is a bell.
    pub fn secret(&self) -> Option<&Secret> {
        self.0.webhook_secret.as_ref()
    }

    /// Checks what can be checked alone; the message names the key.
    pub fn check(&self) -> Result<(), String> {
        self.0.check(NAMED)
    }

    /// Rings: a form `epoch=…&number=…`, signed as [`Webhook`] says. Tried again for a while where it cannot be taken; false
    /// where no bell is set.
    pub async fn ring(&self, epoch: &str, number: i64, environment: Environment) -> Result<bool, FeedError> {
        let post = Post::form(format!("epoch={epoch}&number={number}"));
        self.0.send(NAMED, post, None, environment).await
    }
}
