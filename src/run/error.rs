//! Why a run failed, told so that someone can act on it.

use crate::feed::FeedError;
use crate::model::Timestamp;
use crate::plan;
use crate::snapshot::EmptyCollection;
use crate::store::{QueueError, StoreError, WriteError};

/// Why a run failed. Nothing was applied.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The feed could not be read whole.
    #[error(transparent)]
    Feed(Box<FeedError>),
    /// A needed collection was empty.
    #[error(transparent)]
    Empty(#[from] EmptyCollection),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store failed while applying, or someone else holds the district now.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Another process has the run now, or the queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A stored record cannot be read.
    #[error(transparent)]
    Unreadable(#[from] plan::UnreadableRecord),
    /// A record cannot be written as JSON.
    #[error("a record cannot be written as JSON; this is a fault of rosterd")]
    Json(#[from] serde_json::Error),
    /// A plan was asked for of a district whose feed is not to be read.
    #[error(
        "the district is {0}: nothing is fetched, so there is nothing to plan; `rosterd district mode` sets it to plan_only \
         or normal"
    )]
    Paused(String),
    /// The clock stands before the last thing that happened (safety.md, Crash).
    #[error(
        "the time of this run, {as_of}, lies before the district's last change at {last}: set the machine's clock right (or \
         `--now` later) and sync again"
    )]
    ClockWentBack {
        /// This run's instant.
        as_of: Timestamp,
        /// The last one's.
        last: Timestamp,
    },
}

impl From<FeedError> for RunError {
    fn from(error: FeedError) -> Self {
        Self::Feed(Box::new(error))
    }
}

impl RunError {
    /// Whether the source does not share the district any more (F31).
    pub(super) fn is_disconnected(&self) -> bool {
        matches!(self, Self::Feed(error) if matches!(**error, FeedError::Disconnected { .. }))
    }

    /// What, where and what to do, with the cause where it is ours to tell.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Feed(error) => error.told(),
            Self::Empty(_)
            | Self::Store(_)
            | Self::Write(_)
            | Self::Queue(_)
            | Self::Unreadable(_)
            | Self::Json(_)
            | Self::Paused(_)
            | Self::ClockWentBack { .. } => self.to_string(),
        }
    }
}
