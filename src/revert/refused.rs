//! Why a run is not reverted.

use crate::model::{RunId, RunStatus};
use crate::run::RunError;
use crate::store::{StoreError, WriteError};

/// A revert that was refused; nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// No such run.
    #[error("there is no run `{0}`; `rosterd runs list` shows those there are")]
    Unknown(RunId),
    /// It applied nothing.
    #[error("run `{run}` is {status}: it applied nothing that could be reverted")]
    AppliedNothing {
        /// The run.
        run: RunId,
        /// Its status.
        status: RunStatus,
    },
    /// A person's verb.
    #[error(
        "run `{0}` is what a person decided by hand, not a change of the roster: take it back with the opposite verb \
         (`override clear`, `assign` or `unassign`, `access set`, `move-seats`)"
    )]
    ByHand(RunId),
    /// A rejection.
    #[error("run `{0}` is a rejection: approve the rejected run to take it back")]
    Rejection(RunId),
    /// The district's first roster.
    #[error(
        "run `{0}` brought the district's first roster: there is nothing before it to go back to; `rosterd district purge` \
         removes a district"
    )]
    FirstSync(RunId),
    /// Everything is put back already, or changed since.
    #[error(
        "there is nothing left of run `{run}` to revert: {kept} changes are reverted already or changed since, {impossible} \
         cannot be put back; `rosterd runs revert {run} --plan` tells why of each"
    )]
    NothingLeft {
        /// The run.
        run: RunId,
        /// Left alone.
        kept: usize,
        /// Impossible.
        impossible: usize,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run failed.
    #[error(transparent)]
    Failed(#[from] Box<RunError>),
}

impl Refused {
    /// Whether the store moved between plan and apply, so that it is worth another try.
    pub(super) fn is_stale(&self) -> bool {
        matches!(self, Self::Failed(error) if matches!(**error, RunError::Write(WriteError::Stale { .. })))
    }
}
