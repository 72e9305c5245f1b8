//! Stage 1: where rosters come from. Each feed is a client of its protocol that fills a snapshot or fails; it never guesses
//! (feeds/protocols.md, "Safe rules for our client").

mod apps;
pub mod classlink;
pub mod clever;
pub(crate) mod courier;
mod csv;
mod date;
mod document;
mod doorbell;
mod error;
pub mod http;
mod lenient;
mod oneroster;
mod pace;
pub mod page;
mod progress;
mod recognize;
mod settings;
#[cfg(test)]
mod testing;
mod together;
mod unpack;
mod waits;
pub(crate) mod webhook;

use std::sync::Arc;

pub use apps::{App, ClassLinkApp, CleverApp};
pub use csv::pack;
pub use date::server_time;
pub use document::{Fetched, Service};
pub use doorbell::Doorbell;
pub use error::{FeedError, Place};
pub use progress::Progress;
pub use recognize::Recall;
pub(crate) use settings::is_private;
pub use settings::{Auth, CleverSettings, CsvSettings, ManualSettings, OneRosterSettings, Settings, SignatureMethod};
pub use together::{Counted, Turnstile};
pub use webhook::Webhook;

use crate::model::{DistrictId, SourceMark, Timestamp};
use crate::secret::Environment;
use crate::snapshot::Snapshot;

/// What a feed needs to know beside its settings.
#[derive(Clone, Debug)]
pub struct Context {
    /// Whose roster it is.
    pub district: DistrictId,
    /// The time of decisions; stands in [`SourceMark::pulled_at`].
    pub now: Timestamp,
    /// What was applied last; an older upload is refused.
    pub last: Option<SourceMark>,
    /// All `[[clever_app]]` and `[[classlink_app]]`.
    pub apps: Vec<App>,
    /// Where secrets by `env` are looked up.
    pub environment: Environment,
    /// Told of rows as they come.
    pub progress: Arc<Progress>,
    /// By what rows that did not change are recognized; none, and every row is read and nothing is noted.
    pub recall: Option<Recall>,
    /// Where turns are taken to ask a server that counts all processes together; none, and this process keeps its own pace.
    pub turnstile: Option<Arc<dyn Turnstile>>,
}

/// A feed that is ready to be pulled.
pub struct Feed(Kind);

enum Kind {
    Clever(clever::Clever),
    OneRoster(oneroster::OneRoster),
    Csv(csv::Csv),
}

/// Opens the feed: settings are checked, secrets read, nothing is sent.
pub fn open(settings: &Settings, context: Context) -> Result<Feed, FeedError> {
    settings.check()?;
    Ok(Feed(match settings {
        Settings::Clever(it) => Kind::Clever(clever::Clever::open(it, context)?),
        Settings::Oneroster(it) => Kind::OneRoster(oneroster::OneRoster::open(it, context)?),
        Settings::OnerosterCsv(it) => Kind::Csv(csv::Csv::new(it, context)),
        Settings::Manual(_) => return Err(FeedError::Manual(context.district)),
    }))
}

/// Reads a roster that a person sent along, as [`pack`] makes one. For districts without a feed.
pub async fn read_sent(zip: Vec<u8>, context: Context) -> Result<Snapshot, FeedError> {
    csv::read_sent(zip, context).await
}

impl Feed {
    /// Reads all of it. A snapshot is whole, or says what it lacks; anything that broke off is an error.
    pub async fn pull(&self) -> Result<Snapshot, FeedError> {
        match &self.0 {
            Kind::Clever(it) => it.pull().await,
            Kind::OneRoster(it) => it.pull().await,
            Kind::Csv(it) => it.pull().await,
        }
    }

    /// Asks for as little as shows that the source is there and takes the credential, for `rosterd doctor`.
    pub async fn probe(&self) -> Result<(), FeedError> {
        match &self.0 {
            Kind::Clever(it) => it.probe().await,
            Kind::OneRoster(it) => it.probe().await,
            Kind::Csv(it) => it.probe().await,
        }
    }

    /// Names the feed as [`SourceMark::feed`] does: another name is a first sync again. A Clever feed that has a bare token
    /// learns its district in the pull, so trust the snapshot's mark over this one.
    pub fn mark_name(&self) -> String {
        match &self.0 {
            Kind::Clever(it) => it.mark_name(None),
            Kind::OneRoster(it) => it.mark_name(),
            Kind::Csv(_) => "oneroster-csv".to_owned(),
        }
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Feed").field(&self.mark_name()).finish()
    }
}
