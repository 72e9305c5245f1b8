//! `OneRoster` CSV 1.1 and 1.2 in a folder, a zip or a drop folder (protocols.md, 4).

mod archive;
mod manifest;
mod pack;
mod read;
mod same;
mod table;
#[cfg(test)]
mod tests;
mod upload;

use std::path::PathBuf;
use std::time::Duration;

use crate::feed::Context;
use crate::feed::csv::archive::Files;
use crate::feed::csv::upload::Found;
use crate::feed::error::FeedError;
use crate::feed::recognize::{Pulled, Recall, Tally};
use crate::feed::settings::CsvSettings;
use crate::model::SourceMark;
use crate::snapshot::Snapshot;

pub use pack::pack;

const KIND: &str = "oneroster-csv";

/// Names the source of rosters that people upload by hand.
const BY_HAND: &str = "manual";

/// A `oneroster-csv` feed.
pub(super) struct Csv {
    path: PathBuf,
    settle: Duration,
    context: Context,
}

impl Csv {
    pub(super) fn new(settings: &CsvSettings, context: Context) -> Self {
        let settle = Duration::from_secs(u64::from(settings.settle_seconds.unwrap_or(2)));
        Self { path: settings.path.clone(), settle, context }
    }

    /// Looks whether there is a complete upload, and whether its files begin as they should.
    pub(super) async fn probe(&self) -> Result<(), FeedError> {
        let found = upload::find(&self.path, self.settle).await?;
        let reading = move || read::heads(&mut Files::open(&found.upload)?);
        tokio::task::spawn_blocking(reading).await.map_err(|_| FeedError::Stopped)?
    }

    /// Reads the upload, row by row, off the runtime's threads.
    pub(super) async fn pull(&self) -> Result<Snapshot, FeedError> {
        let found = upload::find(&self.path, self.settle).await?;
        let context = self.context.clone();
        let path = self.path.clone();
        let reading = move || read_upload(&found, path, &context);
        tokio::task::spawn_blocking(reading).await.map_err(|_| FeedError::Stopped)?
    }
}

/// Reads a zip that was sent along, off the runtime's threads. Each upload is a newer one than the last.
pub(super) async fn read_sent(zip: Vec<u8>, context: Context) -> Result<Snapshot, FeedError> {
    let reading = move || {
        let (builder, content, recognized) = whole(&mut Files::sent(zip)?, &context)?;
        let mark = SourceMark {
            feed: BY_HAND.to_owned(),
            content: Some(content),
            uploaded_at: Some(context.now),
            pulled_at: context.now,
        };
        Ok(builder.finish_with(mark, recognized))
    };
    tokio::task::spawn_blocking(reading).await.map_err(|_| FeedError::Stopped)?
}

/// Reads all files, and again where rows that are known do not say enough.
fn whole(files: &mut Files, context: &Context) -> Result<read::Whole, FeedError> {
    let mut recall = context.recall.clone();
    loop {
        context.progress.begin();
        match read::all(files, &context.progress, recall.as_ref())? {
            Pulled::Whole(it) => return Ok(*it),
            Pulled::Odd => recall = recall.map(Recall::forgotten),
        }
    }
}

fn read_upload(found: &Found, path: PathBuf, context: &Context) -> Result<Snapshot, FeedError> {
    let mut files = Files::open(&found.upload)?;
    let (mut builder, content, recognized) = whole(&mut files, context)?;
    if found.upload.stamp()? != found.stamp {
        return Err(FeedError::Unsettled { path });
    }
    if found.newer_incomplete {
        let message = "a newer upload is there and is not complete; the newest complete one was read";
        builder.warn("incomplete_upload", None, message, None);
    }
    let uploaded_at = found.uploaded_at();
    if let (Some(last), Some(uploaded_at)) = (&context.last, uploaded_at)
        && let Some(applied) = last.uploaded_at
        && last.feed == KIND
        && uploaded_at < applied
        && last.content.as_ref() != Some(&content)
    {
        return Err(FeedError::OlderUpload { uploaded_at, applied });
    }
    // The content is named already; a newer upload that is not complete is told of each time.
    let recall = context.recall.as_ref().filter(|_| !found.newer_incomplete);
    builder.named(recall.map(|recall| Tally::new(recall).digest(&content)));
    let mark = SourceMark { feed: KIND.to_owned(), content: Some(content), uploaded_at, pulled_at: context.now };
    Ok(builder.finish_with(mark, recognized))
}
