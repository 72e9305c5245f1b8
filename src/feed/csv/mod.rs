//! x
use crate::feed::*;
pub(super) struct Csv;
impl Csv {
    pub(super) fn new(_: &CsvSettings, _: Context) -> Self {
        Self
    }
    pub(super) async fn pull(&self) -> Result<Snapshot, FeedError> {
        Err(FeedError::Stopped)
    }
}
