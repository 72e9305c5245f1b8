//! Who is told of what, and the sending of it: mail and signed webhooks (S3.22, S4.31). The words are
//! [`crate::notice`]'s, the outbox is the store's.

mod mail;
mod round;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::feed::http::Post;
use crate::feed::webhook::Named;
use crate::feed::{FeedError, Webhook};
use crate::model::{DistrictId, Message, NoticeKind};
use crate::notice::{Filter, Weekly};
use crate::secret::{Environment, Secret};

pub use mail::{Security, Smtp};
pub use round::{Delivered, Reached, Round, Weeks};

/// One message is sent within this, or it counts as not sent.
const LONGEST: Duration = Duration::from_mins(1);

const NAMED: Named = Named {
    what: "notify",
    url: "notify.target.webhook_url",
    secret: "notify.target.webhook_secret",
    advice: "check `webhook_url`",
};

/// `[notify]` of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What happens within so many minutes is told in one message.
    pub gather_minutes: u32,
    /// Local weekday and time at which what is still open is told again; empty for never.
    pub weekly: String,
    /// A message is tried so often, over about two days, before it is given up.
    pub attempts: u32,
    /// Where the dashboard is, for links.
    pub dashboard_url: Option<String>,
    /// The mail server.
    pub smtp: Option<Smtp>,
    /// Who is told.
    pub target: Vec<Target>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            gather_minutes: 15,
            weekly: "mon 07:00".to_owned(),
            attempts: 20,
            dashboard_url: None,
            smtp: None,
            target: Vec::new(),
        }
    }
}

/// One recipient: addresses of mail, or a webhook.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Target {
    /// Names it in the log, the outbox and `rosterd notify`.
    pub id: String,
    /// Addresses; each message goes to all of them.
    pub email: Vec<String>,
    /// Where messages are posted as JSON.
    pub webhook_url: Option<String>,
    /// What posts are signed with.
    pub webhook_secret: Option<Secret>,
    /// More certificate authorities for the webhook, PEM.
    pub ca_file: Option<PathBuf>,
    /// Plain `http` beyond loopback.
    pub allow_insecure: bool,
    /// Of these kinds; empty for all.
    pub kinds: Vec<NoticeKind>,
    /// Of these districts; empty for all.
    pub districts: Vec<String>,
}

/// Why a message was not taken. Names no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotTaken(String);

impl Settings {
    /// Checks what can be checked alone; the message names the key.
    pub fn check(&self) -> Result<(), String> {
        if self.attempts == 0 {
            return Err("`notify.attempts` is 0; nothing would be sent".to_owned());
        }
        self.week().map_err(|error| format!("`notify.weekly`: {error}"))?;
        let mut seen = BTreeSet::new();
        for target in &self.target {
            if target.id.is_empty() {
                return Err("[[notify.target]] has no `id`: name it, for instance \"operations\"".to_owned());
            }
            if !seen.insert(&target.id) {
                return Err(format!("notify.target `{}` is there twice", target.id));
            }
            target.check(self.smtp.is_some()).map_err(|error| format!("notify.target `{}`: {error}", target.id))?;
        }
        self.smtp.as_ref().map_or(Ok(()), Smtp::check)
    }

    /// When the week's digest is due; none if there is to be none.
    pub(crate) fn week(&self) -> Result<Option<Weekly>, crate::notice::InvalidWeekly> {
        if self.weekly.is_empty() { Ok(None) } else { self.weekly.parse().map(Some) }
    }

    fn dashboard(&self) -> Option<&str> {
        self.dashboard_url.as_deref().map(|it| it.trim_end_matches('/'))
    }

    /// The secrets, each with its key.
    pub fn secrets(&self) -> Vec<(String, &Secret)> {
        let smtp = self.smtp.iter().filter_map(|it| Some(("notify.smtp: password".to_owned(), it.password.as_ref()?)));
        let hooks = self
            .target
            .iter()
            .filter_map(|it| Some((format!("notify.target `{}`: webhook_secret", it.id), it.webhook_secret.as_ref()?)));
        smtp.chain(hooks).collect()
    }

    /// Sends one message to one recipient, now and once.
    pub async fn send(&self, target: &Target, message: &Message, environment: Environment) -> Result<(), NotTaken> {
        let late = |_| {
            let check = if target.email.is_empty() { "`webhook_url`" } else { mail::WHERE };
            NotTaken(format!("nothing was taken within {} seconds: check {check}", LONGEST.as_secs()))
        };
        tokio::time::timeout(LONGEST, async {
            match &self.smtp {
                Some(smtp) if !target.email.is_empty() => smtp.send(&target.email, message, environment).await,
                _ => target.post(message, environment).await,
            }
        })
        .await
        .map_err(late)?
    }
}

impl Target {
    fn check(&self, smtp: bool) -> Result<(), String> {
        match (self.email.is_empty(), &self.webhook_url) {
            (true, None) => return Err("there is nowhere to send to: give `email` or `webhook_url`".to_owned()),
            (false, Some(_)) => {
                return Err("give either `email` or `webhook_url`; two targets can have both".to_owned());
            }
            (false, None) if !smtp => {
                return Err("`email` needs the mail server: add [notify.smtp] with `host` and `from`".to_owned());
            }
            _ => {}
        }
        for address in &self.email {
            mail::address(address).map_err(|()| "an address in `email` is none: write name@example.com".to_owned())?;
        }
        for district in &self.districts {
            DistrictId::parse(district).map_err(|error| format!("`districts`: {error}"))?;
        }
        self.webhook().check(NAMED)
    }

    /// How messages come to it.
    pub fn way(&self) -> &'static str {
        if self.email.is_empty() { "webhook" } else { "email" }
    }

    /// What it is told of.
    pub fn filter(&self) -> Filter {
        Filter {
            districts: self.districts.iter().map(|it| DistrictId::new(it.as_str())).collect(),
            kinds: self.kinds.iter().copied().collect(),
        }
    }

    fn webhook(&self) -> Webhook {
        let Self { webhook_url, webhook_secret, ca_file, allow_insecure, .. } = self.clone();
        Webhook { webhook_url, webhook_secret, ca_file, allow_insecure }
    }

    async fn post(&self, message: &Message, environment: Environment) -> Result<(), NotTaken> {
        let unwritable = |_| NotTaken("the message cannot be written as JSON; this is a fault of rosterd".to_owned());
        let body = serde_json::to_string(message).map_err(unwritable)?;
        let headers = vec![("idempotency-key", message.id.clone()), ("webhook-id", message.id.clone())];
        let post = Post { content_type: "application/json", body, headers };
        let sent = self.webhook().send(NAMED, post, Some(1), environment).await;
        sent.map(|_| ()).map_err(|error| told(&error))
    }
}

/// The errors of the HTTP client speak of syncs.
fn told(error: &FeedError) -> NotTaken {
    NotTaken(match error {
        FeedError::Unreachable { problem, .. } => {
            format!("`webhook_url`: {problem}; check that it is up and can be reached from here")
        }
        FeedError::Status { status, .. } | FeedError::Redirected { status, .. } => {
            format!("`webhook_url` answered {status}: check the address, and that it knows `webhook_secret`")
        }
        FeedError::RateLimited { .. } => "`webhook_url` answered 429: it is asked again later".to_owned(),
        other => other.to_string(),
    })
}
